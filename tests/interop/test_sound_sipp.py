"""Speech between a party of ours and SIPp, found again by correlation: what it plays from a file of
payloads (`rtp_stream`) or of packets (`play_pcap_audio`), and our own where it returns that
(`-rtp_echo`). What went to it is looked for on the wire.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.media import MemorySink, find_codec

from .calls import on_wire, talk
from .pcap import write_rtp
from .peer import UDP, UDP6, Transport, missing, over, wait_for
from .sipp import SIPp
from .sound import Sentences, Sound, heard
from .tshark import Capture

Make = Callable[..., Any]

#: 20 ms packets of a clip.
CLIP = 50


@pytest.fixture
def said(sentences: Sentences, tmp_path: Path, transport: Transport) -> Callable[..., str]:
    """What has SIPp say parts of its sentence, each in a codec, from their times in seconds."""
    if os.geteuid() != 0:
        missing("SIPp plays packets for root alone")

    def write(*parts: tuple[str, float, float], ssrc: int = 0x5EED) -> str:
        sounds = [(codec, sentences.theirs.part(*times)) for codec, *times in parts]
        path = tmp_path / f"{ssrc}.pcap"
        file = write_rtp(path, sounds, six=":" in transport.host, ssrc=ssrc)
        return f'play_pcap_audio="{file}"'

    return write


@over(UDP, UDP6)
def test_a_file_of_payloads(
    sipp: SIPp,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    tmp_path: Path,
) -> None:
    file = tmp_path / "theirs.ulaw"
    file.write_bytes(find_codec("PCMU").make().encode(sentences.theirs.pcm(8000)))
    speak = f'rtp_stream="{file},1,0"'
    run = sipp.answer("uas_speaks", PORT="[rtpstream_audio_port]", SPEAK=speak)
    call = saying().invite(run.uri()).wait(5)
    port = call.session.local_port
    talk(call, CLIP)
    call.terminate().wait(5)
    run.finish()
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs)
    if (sent := on_wire(capture, port)) is not None:
        heard(sent, sentences.ours)


@over(UDP6)
def test_our_own_comes_back(
    sipp: SIPp, saying: Make, sink: MemorySink, sentences: Sentences
) -> None:
    run = sipp.answer("uas_call", "-rtp_echo")
    call = saying(media={"accept_echo": True}).invite(run.uri()).wait(5)
    talk(call, CLIP)
    call.terminate().wait(5)
    run.finish()
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.ours)


def test_a_codec_changes(
    sipp: SIPp, saying: Make, sink: MemorySink, sentences: Sentences, said: Callable[..., str]
) -> None:
    """RFC 3264 §6.1: any format of the answer may come, one after the other."""
    speak = said(("PCMU", 0.0, 0.6), ("G722", 0.6, 1.2), ("PCMA", 1.2, 1.8))
    run = sipp.answer("uas_speaks", PORT="[media_port]", SPEAK=speak)
    call = saying(media={"codecs": ("PCMU", "PCMA", "G722")}).invite(run.uri()).wait(5)
    talk(call, 85)
    statistics = call.session.statistics
    call.terminate().wait(5)
    run.finish()
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs, seconds=1.2)
    assert statistics.ignored == statistics.lost == 0


def test_it_speaks_before_it_answers(
    sipp: SIPp,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    said: Callable[..., str],
) -> None:
    """What comes before the answer is heard then, and what comes after it goes on from there."""
    run = sipp.answer("uas_speaks_early", SPEAK=said(("PCMU", 0.0, 2.0)), MILLISECONDS=900)
    call = saying().invite(run.uri())
    wait_for(lambda: sink.seconds > 0.7, "early media")
    early = sink.seconds
    assert (call.state, call.progress) == ("InitiatingDialog", 183)
    call.wait(5)
    port = call.session.local_port
    wait_for(lambda: sink.seconds > 1.7, "media of the call")
    call.terminate().wait(5)
    run.finish()
    ours = Sound.of_pcm(sink.pcm, sink.rate)
    heard(ours.part(0, early), sentences.theirs, seconds=0.4)
    heard(ours, sentences.theirs, seconds=0.9)
    if (sent := on_wire(capture, port)) is not None:
        heard(sent, sentences.ours, seconds=0.9)


@over(UDP6)
def test_it_goes_to_another_port(
    sipp: SIPp,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    capture: Capture | None,
    said: Callable[..., str],
) -> None:
    """From the re-INVITE on it speaks from its new port, as another source, and hears us there."""
    run = sipp.answer(
        "uas_speaks_elsewhere",
        SPEAK=said(("PCMU", 0.0, 2.0), ssrc=1),
        THEN=said(("PCMU", 2.0, 4.0), ssrc=2),
        MILLISECONDS=900,
    )
    call = saying().invite(run.uri()).wait(5)
    port, first = call.session.local_port, call.session.negotiated.remote_port
    moved = wait_for(
        lambda: call.session.negotiated.remote_port != first and sink.seconds, "it has moved"
    )
    wait_for(lambda: sink.seconds > moved + 1.0, "it spoke on")
    then = call.session.negotiated.remote_port
    call.terminate().wait(5)
    run.finish()
    ours = Sound.of_pcm(sink.pcm, sink.rate)
    heard(ours.part(0, moved), sentences.theirs.part(0, 2), seconds=0.4)
    heard(ours.part(moved), sentences.theirs.part(2, 4), seconds=0.4)
    assert then == first + 2
    for there in (first, then):
        if (sent := on_wire(capture, port, to=there)) is not None:
            heard(sent, sentences.ours, seconds=0.4)
