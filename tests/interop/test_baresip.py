"""Calls between a party of ours and baresip, with audio both ways.

baresip plays a tone of 700 Hz and we one of 440 Hz; each recording has to hold the other's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.errors import CallRejected
from sipparty.media import MemorySink
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip import SimpleCall

from .baresip import Baresip
from .calls import ended, first, heard_each_other, incoming, sent_our_tone, talk
from .media import THEIRS, read_wav, samples_of, tone_share, write_tone
from .peer import TCP, TCP6, TLS, TLS6, UDP, UDP6, everywhere, over, wait_for
from .tshark import Capture

Make = Callable[..., Any]


@pytest.fixture
def start(baresip: Make, tmp_path: Path) -> Make:
    """Start baresip with a tone to play."""
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)

    def make(**options: Any) -> Baresip:
        peer: Baresip = baresip(play=tone, **options)
        return peer

    return make


@pytest.mark.parametrize(("codec", "payload_type"), [("PCMU", 0), ("PCMA", 8)])
@pytest.mark.parametrize("hangs_up", ["we", "it"])
def test_we_call(
    start: Make,
    talking: Make,
    sink: MemorySink,
    capture: Capture | None,
    codec: str,
    payload_type: int,
    hangs_up: str,
) -> None:
    peer = start(codecs=(codec,))
    call = talking().invite(peer.uri()).wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    talk(call)
    if hangs_up == "we":
        call.terminate()
    else:
        peer.tell("hangup")
    ended(call)
    peer.wait_for_event("CALL_CLOSED")
    heard_each_other(sink, peer)
    assert call.session.statistics.lost == 0
    if capture is not None and capture.has_media:
        types = {p.payload_type for p in capture.packets if p.payload_type >= 0}
        assert types == {payload_type}


@pytest.mark.parametrize(("codec", "payload_type"), [("PCMU", 0), ("PCMA", 8)])
@pytest.mark.parametrize("hangs_up", ["we", "it"])
def test_it_calls(
    start: Make,
    talking: Make,
    sink: MemorySink,
    capture: Capture | None,
    codec: str,
    payload_type: int,
    hangs_up: str,
) -> None:
    """The codec that it prefers is used, though it is our second choice."""
    peer = start(codecs=(codec,))
    alice = talking()
    calls = incoming(alice)
    peer.tell("dial", str(alice.contact_uri))
    call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    talk(call)
    if hangs_up == "we":
        call.terminate()
    else:
        peer.tell("hangup")
    ended(call)
    peer.wait_for_event("CALL_CLOSED")
    heard_each_other(sink, peer)
    if capture is not None and capture.has_media:
        types = {p.payload_type for p in capture.packets if p.payload_type >= 0}
        assert types == {payload_type}


@over(UDP, UDP6, TCP, TCP6, TLS, TLS6)
def test_it_rings_and_is_answered(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    peer.wait_for_event("CALL_INCOMING")
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.state == "InitiatingDialog"
    peer.tell("accept")
    assert call.wait(5).state == "InDialog"
    call.terminate().wait(5)


def test_it_refuses(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    peer.wait_for_event("CALL_INCOMING")
    peer.tell("hangup")
    with pytest.raises(CallRejected) as caught:
        call.wait(5)
    assert caught.value.status == 486


def test_it_is_busy(start: Make, talking: Make, parties: Make) -> None:
    """It takes one call at a time; the other one goes on."""
    peer = start()
    call = talking().invite(peer.uri()).wait(5)
    with pytest.raises(CallRejected) as caught:
        parties(SingleRTPSessionSimplenParty, "carol").invite(peer.uri()).wait(5)
    assert caught.value.status == 486
    talk(call, 5)
    call.terminate().wait(5)


def test_we_are_busy(start: Make, talking: Make) -> None:
    peer = start()
    alice = talking(max_calls=0)
    peer.tell("dial", str(alice.contact_uri))
    assert "486" in peer.wait_for_event("CALL_CLOSED")["param"]


def test_we_have_no_media(start: Make, parties: Make) -> None:
    """Its offer is answered with every stream refused; it hangs up or goes on, and we follow."""
    peer = start()
    alice = parties(NoMediaSimpleCallsParty)
    calls = incoming(alice)
    peer.tell("dial", str(alice.contact_uri))
    call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    peer.tell("hangup")
    ended(call)


def test_we_cancel(start: Make, talking: Make) -> None:
    peer = start(answers=False)
    call = talking().invite(peer.uri())
    peer.wait_for_event("CALL_INCOMING")
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.terminate().wait(5).state == "Terminated"
    peer.wait_for_event("CALL_CLOSED")


@over(UDP, UDP6, TCP, TCP6, TLS, TLS6)
def test_it_cancels(start: Make, talking: Make) -> None:
    peer = start()
    alice = talking()
    calls = incoming(alice, SimpleCall.ring)
    peer.tell("dial", str(alice.contact_uri))
    call = first(calls)
    peer.wait_for_event("CALL_RINGING")
    peer.tell("hangup")
    ended(call)


def between(peer: Baresip, alice: Any, caller: str) -> tuple[Baresip, Any, Any]:
    """A call that stands: "we" call the peer, or it calls us."""
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell("dial", str(alice.contact_uri))
        call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    return peer, alice, call


@pytest.mark.parametrize("caller", ["we", "it"])
def test_we_hold_and_resume(start: Make, talking: Make, caller: str) -> None:
    peer, _, call = between(start(), talking(), caller)
    talk(call, 5)
    call.hold().wait(5)
    assert call.held
    assert call.session.negotiated.direction == "sendonly"
    call.resume().wait(5)
    assert not call.held
    assert call.session.negotiated.direction == "sendrecv"
    talk(call)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")


@pytest.mark.parametrize("caller", ["we", "it"])
def test_it_holds_and_resumes(
    start: Make, talking: Make, sink: MemorySink, capture: Capture | None, caller: str
) -> None:
    """RFC 3264 §8.4: while it holds nothing is sent, and after it all is as before."""
    peer, alice, call = between(start(), talking(), caller)
    talk(call, 5)
    port = call.session.local_port
    peer.tell("hold")
    wait_for(lambda: call.session.negotiated.direction == "recvonly", "it holds")
    held = call.session.statistics.packets_sent
    # Not to wait for something: a hold lasts, or there is nothing to be seen of it.
    end = time.monotonic() + 0.3
    wait_for(lambda: time.monotonic() > end, "the hold lasted")
    assert call.session.statistics.packets_sent <= held + 1
    peer.tell("resume")
    wait_for(lambda: call.session.negotiated.direction == "sendrecv", "it resumes")
    talk(call)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    assert tone_share(samples_of(sink.pcm), THEIRS) > 0.9
    if capture is not None:
        again = {p.cseq for p in capture.sent_by(peer.port) if p.method == "INVITE"}
        assert len(again) == (2 if caller == "we" else 3)
    if capture is not None and capture.has_media:
        # What it records stops at its hold, so the wire has to do.
        resumed = max(p.time for p in capture.sent_by(alice.contact_uri.port) if p.status == 200)
        sent_our_tone(capture, port, resumed)


@everywhere
def test_files_at_both_ends(baresip: Make, parties: Make, tmp_path: Path) -> None:
    """What each plays from a WAV file ends up in one of the other's."""
    peer = baresip(play=write_tone(tmp_path / "high.wav", 1200, 10))
    recording = tmp_path / "heard.wav"
    alice = parties(SingleRTPSessionSimplenParty)
    call = alice.invite(
        peer.uri(), media={"record": recording, "play": write_tone(tmp_path / "low.wav", 300, 5)}
    ).wait(5)
    talk(call)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    assert tone_share(read_wav(recording), 1200) > 0.9
    assert peer.recording is not None
    assert tone_share(read_wav(peer.recording), 300) > 0.9


@over(TLS, TLS6)
@pytest.mark.parametrize("caller", ["we", "it"])
def test_over_tls(
    start: Make, talking: Make, sink: MemorySink, capture: Capture | None, caller: str
) -> None:
    """Each side proves its address by a certificate, and is believed."""
    peer, _, call = between(start(), talking(), caller)
    talk(call)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    heard_each_other(sink, peer)
    if capture is not None and capture.has_media:
        messages = [packet for packet in capture.packets if packet.method]
        assert [packet.method for packet in messages] == ["INVITE", "ACK", "BYE"]
        assert all("tls" in packet.protocols for packet in messages)
