"""Calls between a party of ours and Linphone, with audio both ways.

Linphone plays a tone of 700 Hz and we one of 440 Hz; each recording has to hold the other's. It
prefers codecs that we lack, so each call settles on another one than it asks for first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.errors import CallRejected
from sipparty.media import MemorySink
from sipparty.sip import SimpleCall

from .calls import ended, first, heard_each_other, incoming, sent_our_tone, talk
from .linphone import Linphone
from .media import THEIRS, write_tone
from .peer import TCP, TCP6, TLS, TLS6, UDP, UDP6, Transport, wait_for
from .tshark import Capture

Make = Callable[..., Any]


@pytest.fixture
def start(linphone: Make, tmp_path: Path) -> Make:
    """Start Linphone with a tone to play."""
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)

    def make(**options: Any) -> Linphone:
        peer: Linphone = linphone(play=tone, **options)
        return peer

    return make


def ways(*chosen: tuple[Transport, str]) -> pytest.MarkDecorator:
    """The mark of tests that are run over some transports, with either side hanging up."""
    return pytest.mark.parametrize(
        ("transport", "hangs_up"),
        chosen,
        indirect=["transport"],
        ids=[f"{transport.label}-{who}" for transport, who in chosen],
    )


def hang_up(who: str, call: Any, peer: Linphone) -> None:
    """Have one side end a call, and wait until both know."""
    if who == "we":
        call.terminate()
    else:
        peer.tell("terminate")
    ended(call)
    peer.wait_for_output("Call 1 with .* ended")


@ways((UDP, "we"), (UDP, "it"), (UDP6, "it"), (TCP, "we"), (TCP6, "it"))
def test_we_call(
    start: Make, talking: Make, sink: MemorySink, capture: Capture | None, hangs_up: str
) -> None:
    peer = start()
    call = talking().invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    talk(call)
    port = call.session.local_port
    hang_up(hangs_up, call, peer)
    heard_each_other(sink, peer)
    sent_our_tone(capture, port)


@ways((UDP, "it"), (UDP6, "we"), (TCP, "it"), (TCP6, "we"), (TLS, "we"), (TLS6, "it"))
def test_it_calls(
    start: Make, talking: Make, sink: MemorySink, capture: Capture | None, hangs_up: str
) -> None:
    peer = start()
    alice = talking()
    calls = incoming(alice)
    peer.tell(f"call {alice.contact_uri}")
    call = first(calls)
    peer.wait_for_output("Media streams established")
    talk(call)
    port = call.session.local_port
    hang_up(hangs_up, call, peer)
    heard_each_other(sink, peer)
    sent_our_tone(capture, port)


def test_it_rings_and_is_answered(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    peer.wait_for_output("Receiving new incoming call")
    wait_for(lambda: call.progress == 180, "it rings")
    peer.tell("answer")
    assert call.wait(5).state == "InDialog"
    talk(call, 5)
    hang_up("we", call, peer)


def test_it_refuses(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    peer.wait_for_output("Receiving new incoming call")
    peer.tell("terminate")
    with pytest.raises(CallRejected) as caught:
        call.wait(5)
    assert caught.value.status == 603


def test_it_redirects(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri(), redirects=0)
    peer.wait_for_output("Receiving new incoming call")
    peer.tell("redirect 1 sip:carol@192.0.2.9")
    with pytest.raises(CallRejected) as caught:
        call.wait(5)
    assert caught.value.status == 302
    assert caught.value.response is not None
    assert "sip:carol@192.0.2.9" in str(caught.value.response.get("Contact"))


def test_we_cancel(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.terminate().wait(5).state == "Terminated"
    peer.wait_for_output("Call 1 with .* ended")


def test_it_cancels(start: Make, talking: Make) -> None:
    peer = start()
    alice = talking()
    calls = incoming(alice, SimpleCall.ring)
    peer.tell(f"call {alice.contact_uri}")
    call = first(calls)
    peer.wait_for_output("Call 1 .*ringing")
    peer.tell("terminate")
    ended(call)


def test_we_are_busy(start: Make, talking: Make) -> None:
    peer = start()
    alice = talking(max_calls=0)
    peer.tell(f"call {alice.contact_uri}")
    peer.wait_for_output("(?i)busy")


@pytest.mark.parametrize("caller", ["we", "it"])
def test_it_holds_and_resumes(start: Make, talking: Make, caller: str) -> None:
    """RFC 3264 §8.4."""
    peer = start()
    alice = talking()
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell(f"call {alice.contact_uri}")
        call = first(calls)
    peer.wait_for_output("Media streams established")
    talk(call, 5)
    peer.tell("pause")
    wait_for(lambda: call.session.negotiated.direction == "recvonly", "it holds")
    peer.wait_for_output("is now paused")
    peer.tell("resume 1")
    wait_for(lambda: call.session.negotiated.direction == "sendrecv", "it resumes")
    talk(call, 5)
    hang_up("we", call, peer)
