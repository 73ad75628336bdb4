"""Speech between a party of ours and baresip, in each codec that both have, found again by
correlation at both ends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.media import MemorySink

from .baresip import Baresip, has_codec
from .calls import first, incoming, on_wire, talk
from .peer import UDP, UDP6, missing, wait_for
from .sound import WIDE, Sentences, Sound, codec_rate, compare, heard
from .tshark import Capture

Make = Callable[..., Any]

#: What we call a codec, and what baresip does.
CODECS = {
    "PCMU": "PCMU",
    "PCMA": "PCMA",
    "G722": "G722/16000/1",
    "opus": "opus/48000/2",
    "L16/8000": "L16/8000/1",
    "L16/16000": "L16/16000/1",
}
#: 20 ms packets of a clip.
CLIP = 45


@pytest.fixture
def start(baresip: Make, sentences: Sentences, tmp_path: Path) -> Make:
    """Start baresip with a sentence to say in a codec."""

    def make(codec: str = "PCMU", **options: Any) -> Baresip:
        rate = codec_rate(codec)
        theirs = CODECS[codec]
        if not has_codec(theirs):
            missing(f"baresip has no {codec}")
        said = sentences.theirs.write(tmp_path / "theirs.wav", rate)
        peer: Baresip = baresip(play=said, codecs=(theirs,), rate=rate, **options)
        return peer

    return make


def both_ways(
    call: Any, peer: Baresip, sink: MemorySink, sentences: Sentences
) -> tuple[Sound, Sound]:
    """Talk, hang up, and find what each said at the other; return what each heard."""
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    assert peer.recording is not None
    ours, theirs = Sound.of_pcm(sink.pcm, sink.rate), Sound.of_file(peer.recording)
    heard(ours, sentences.theirs)
    heard(theirs, sentences.ours)
    return ours, theirs


@pytest.mark.parametrize(
    ("codec", "transport", "caller", "threads"),
    [
        ("PCMU", UDP, "we", 0),
        ("PCMA", UDP6, "it", 2),
        ("G722", UDP6, "we", 0),
        ("opus", UDP, "it", 1),
        ("L16/8000", UDP6, "it", 0),
        ("L16/16000", UDP, "we", 0),
    ],
    indirect=["transport"],
)
def test_each_codec(
    start: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    codec: str,
    caller: str,
    threads: int,
) -> None:
    """Either side calls; our media runs beside signalling, or on threads of its own."""
    peer = start(codec)
    alice = saying(codec, media_threads=threads)
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell("dial", str(alice.contact_uri))
        call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    ours, theirs = both_ways(call, peer, sink, sentences)
    if codec_rate(codec) > 8000:
        # What a telephone leaves out is there as well; of Opus it has the loudness, not the shape.
        for what, sent in ((ours, sentences.theirs), (theirs, sentences.ours)):
            said = sent.part(0, what.seconds).within(WIDE).level
            assert what.within(WIDE).level == pytest.approx(said, abs=6)
            assert codec == "opus" or compare(what, sent, WIDE).similarity > 0.5


@pytest.mark.parametrize("holds", ["we", "it"])
def test_hold_and_resume(
    start: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    holds: str,
) -> None:
    """RFC 3264 §8.4: who is held is not heard until the other resumes, and is heard then.

    baresip records nothing from a hold on, so what it hears is what is on the wire.
    """
    peer = start()
    alice = saying()
    call = alice.invite(peer.uri()).wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    port = call.session.local_port
    talk(call, CLIP)
    if holds == "we":
        call.hold().wait(5)
    else:
        peer.tell("hold")
        wait_for(lambda: call.session.negotiated.direction == "recvonly", "it holds")
    held, packets = sink.seconds, call.session.statistics.packets_sent
    wait_for(lambda: sink.seconds > held + 0.7, "the hold lasted")
    resumed, more = sink.seconds, call.session.statistics.packets_sent
    if holds == "we":
        call.resume().wait(5)
    else:
        peer.tell("resume")
    wait_for(lambda: call.session.negotiated.direction == "sendrecv", "it is resumed")
    talk(call, CLIP)
    call.terminate().wait(5)
    ours = Sound.of_pcm(sink.pcm, sink.rate)
    heard(ours.part(0, held), sentences.theirs)
    assert ours.part(held + 0.2, resumed).level < -60
    heard(ours.part(resumed), sentences.theirs)
    # Who holds goes on to send, by RFC 3264; baresip does not.
    assert more - packets > 30 if holds == "we" else more - packets <= 1
    if (sent := on_wire(capture, port)) is not None:
        heard(sent.part(0, packets * 0.02), sentences.ours)
        heard(sent.part(more * 0.02), sentences.ours)


def test_we_speak_before_we_answer(
    start: Make, saying: Make, sink: MemorySink, sentences: Sentences
) -> None:
    """Ringing with media, both hear each other, and go on when the call is answered."""
    peer = start()
    alice = saying()
    calls = incoming(alice, lambda call: call.ring(183, media=True))
    peer.tell("dial", str(alice.contact_uri))
    call = first(calls)
    peer.wait_for_event("CALL_PROGRESS")
    talk(call, CLIP)
    early = sink.seconds
    assert call.state == "InitiatingDialog"
    call.accept()
    peer.wait_for_event("CALL_ESTABLISHED")
    ours, theirs = both_ways(call, peer, sink, sentences)
    heard(ours.part(0, early), sentences.theirs)
    heard(theirs.part(0, early), sentences.ours)
