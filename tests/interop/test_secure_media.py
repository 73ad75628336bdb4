"""Speech over SRTP with keys in the descriptions (RFC 4568), between a party of ours and baresip or
Linphone: found again by correlation at both ends, and in nothing that was on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.errors import CallRejected
from sipparty.media import SRTP, MemorySink
from sipparty.media.srtp.transport import SUITES

from .baresip import Baresip
from .calls import ended, first, incoming, on_wire, reports_excused, talk
from .peer import TLS, UDP, UDP6, wait_for
from .sound import Sentences, Sound, compare, heard
from .tshark import Capture

Make = Callable[..., Any]

#: 20 ms packets of a clip.
CLIP = 60
CM_80, CM_32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
GCM_128, GCM_256 = "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"


@pytest.fixture
def start(baresip: Make, sentences: Sentences, tmp_path: Path) -> Make:
    """Start baresip with a sentence to say, and a setting of its encryption."""

    def make(encryption: str = "srtp-mand", **options: Any) -> Baresip:
        said = sentences.theirs.write(tmp_path / "theirs.wav", 8000)
        if encryption:
            options |= {"modules": ("srtp",), "account": f";mediaenc={encryption}"}
        peer: Baresip = baresip(play=said, **options)
        return peer

    return make


@pytest.fixture
def safe(saying: Make) -> Make:
    """Make a party that says our sentence, with a setting of its security."""

    def make(srtp: str | SRTP = "accepted", **options: Any) -> Any:
        return saying(media={"srtp": srtp}, **options)

    return make


def call_with(caller: str, alice: Any, peer: Baresip, capture: Capture | None) -> Any:
    """A call that either side makes."""
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell("dial", str(alice.contact_uri))
        call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    reports_excused(capture, call)
    return call


def found(sink: MemorySink, peer: Baresip, sentences: Sentences) -> None:
    """What each said is found at the other."""
    assert peer.recording is not None
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs)
    heard(Sound.of_file(peer.recording), sentences.ours)


def verified(call: Any) -> None:
    """All that came has verified, but for what opens a NAT: RTCP of baresip, STUN of Linphone; and
    for baresip's SRTCP with the suite of short tags, which are as short there, where RFC 4568
    section 6.2.2 has long ones.
    """
    allowed = {"plain", "other"}
    if call.session.security == CM_32:
        allowed.add("authentication")
        assert call.session.security_counts["authentication"] < 10
    assert set(call.session.security_counts) <= allowed


def hidden(capture: Capture | None, ports: list[int], sentences: Sentences) -> None:
    """What was said is not found in what went out of some ports."""
    if capture is None or not capture.has_media:
        return
    for port in ports:
        packets = [one for one in capture.sent_by(port) if one.payload_type >= 0]
        assert len(packets) >= CLIP
        assert all(one.payload for one in packets)
        for sentence in (sentences.ours, sentences.theirs):
            sent = on_wire(capture, port)
            assert sent is not None
            assert compare(sent, sentence).share < 0.1


@pytest.mark.parametrize(
    ("suite", "transport", "caller"),
    [
        (CM_80, UDP, "we"),
        (CM_80, TLS, "it"),
        (CM_32, UDP6, "we"),
        (GCM_128, TLS, "we"),
        (GCM_256, UDP, "we"),
        ("", UDP, "it"),
    ],
    indirect=["transport"],
)
def test_baresip_talks_secure(
    start: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    suite: str,
    caller: str,
) -> None:
    peer = start()
    alice = safe(SRTP("required" if caller == "we" else "accepted", [suite] if suite else None))
    call = call_with(caller, alice, peer, capture)
    assert call.session.security == suite or (not suite and call.session.security in SUITES)
    port = call.session.local_port
    there = call.session.negotiated.remote_port
    assert call.session.negotiated.proto == "RTP/SAVP"
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    found(sink, peer, sentences)
    verified(call)
    hidden(capture, [port, there], sentences)


@pytest.mark.parametrize("caller", ["we", "it"])
def test_best_effort_in_plain_descriptions(
    start: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    caller: str,
) -> None:
    """RTP/AVP with a=crypto, as RFC 8643 has it."""
    peer = start("srtp")
    call = call_with(caller, safe("best-effort"), peer, capture)
    assert call.session.negotiated.proto == "RTP/AVP"
    assert call.session.security in SUITES
    ports = [call.session.local_port, call.session.negotiated.remote_port]
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    found(sink, peer, sentences)
    verified(call)
    hidden(capture, ports, sentences)


@pytest.mark.parametrize("caller", ["we", "it"])
def test_best_effort_with_a_plain_peer(
    start: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    caller: str,
) -> None:
    peer = start("")
    call = call_with(caller, safe("best-effort"), peer, capture)
    assert call.session.security == ""
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    found(sink, peer, sentences)


def test_keys_change_in_a_call(
    start: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
) -> None:
    """RFC 4568 §7.1.4, by a re-INVITE; on hold and after it, too."""
    peer = start()
    call = call_with("we", safe("required"), peer, capture)
    ports = [call.session.local_port, call.session.negotiated.remote_port]
    talk(call, CLIP)
    before = call.session.negotiated.local.value("crypto")
    call.session.renew_keys()
    call.update_media().wait(5)
    assert call.session.negotiated.local.value("crypto") != before
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    found(sink, peer, sentences)
    verified(call)
    hidden(capture, ports, sentences)


@pytest.mark.parametrize("holds", ["we", "it"])
def test_hold_and_resume(
    start: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    holds: str,
) -> None:
    peer = start()
    call = call_with("we", safe("required"), peer, capture)
    talk(call, CLIP)
    held = sink.seconds
    if holds == "we":
        call.hold().wait(5)
        call.resume().wait(5)
    else:
        peer.tell("hold")
        wait_for(lambda: call.session.negotiated.direction == "recvonly", "it holds")
        peer.tell("resume")
        wait_for(lambda: call.session.negotiated.direction == "sendrecv", "it is resumed")
    resumed = sink.seconds
    talk(call, CLIP)
    call.terminate().wait(5)
    ours = Sound.of_pcm(sink.pcm, sink.rate)
    heard(ours.part(0, held), sentences.theirs)
    heard(ours.part(resumed), sentences.theirs)
    verified(call)


def test_who_refuses_says_so(start: Make, safe: Make) -> None:
    peer = start()
    alice = safe("refused")
    calls = incoming(alice)
    peer.tell("dial", str(alice.contact_uri))
    peer.wait_for_event("CALL_CLOSED")
    assert not calls
    assert "488" in str(peer.events[-1])


def test_who_requires_refuses_what_is_plain(start: Make, safe: Make) -> None:
    peer = start("")
    alice = safe("required")
    calls = incoming(alice)
    peer.tell("dial", str(alice.contact_uri))
    peer.wait_for_event("CALL_CLOSED")
    assert not calls
    assert "488" in str(peer.events[-1])
    with pytest.raises(CallRejected) as caught:
        alice.invite(peer.uri()).wait(5)
    assert caught.value.status == 488


def test_who_refuses_is_not_talked_to(start: Make, safe: Make) -> None:
    peer = start()
    with pytest.raises(CallRejected) as caught:
        safe("refused").invite(peer.uri()).wait(5)
    assert caught.value.status == 488


# Linphone.

MANDATORY = "media_encryption=srtp\nmedia_encryption_mandatory=1\n"


@pytest.mark.parametrize(
    ("transport", "caller", "settings"),
    [
        (UDP, "we", MANDATORY),
        (UDP6, "it", MANDATORY),
        (UDP, "it", "media_encryption=srtp\n"),
    ],
    indirect=["transport"],
    ids=["we", "it", "it-would"],
)
def test_linphone_talks_secure(
    linphone: Make,
    safe: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    tmp_path: Path,
    caller: str,
    settings: str,
) -> None:
    said = sentences.theirs.write(tmp_path / "theirs.wav", 8000)
    peer = linphone(play=said, settings=settings)
    alice = safe("required" if caller == "we" else "best-effort")
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell(f"call {alice.contact_uri}")
        call = first(calls)
    peer.wait_for_output("Media streams established")
    reports_excused(capture, call)
    assert call.session.security in SUITES
    ports = [call.session.local_port, call.session.negotiated.remote_port]
    talk(call, CLIP)
    call.terminate()
    ended(call)
    peer.wait_for_output("Call 1 with .* ended")
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs, similarity=0.8)
    heard(Sound.of_file(peer.recording), sentences.ours, similarity=0.8)
    verified(call)
    hidden(capture, ports, sentences)
