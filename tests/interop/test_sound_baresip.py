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
from .calls import first, incoming, talk
from .peer import UDP, UDP6, missing
from .sound import WIDE, Sentences, Sound, codec_rate, compare, heard

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
CLIP = 60


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
    ("codec", "transport", "caller"),
    [
        ("PCMU", UDP, "we"),
        ("PCMU", UDP6, "it"),
        ("PCMA", UDP6, "we"),
        ("G722", UDP, "we"),
        ("G722", UDP6, "it"),
        ("opus", UDP, "it"),
        ("opus", UDP6, "we"),
        ("L16/8000", UDP, "it"),
        ("L16/16000", UDP, "we"),
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
) -> None:
    peer = start(codec)
    alice = saying(codec)
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell("dial", str(alice.contact_uri))
        call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    ours, theirs = both_ways(call, peer, sink, sentences)
    if codec_rate(codec) > 8000:
        # What a telephone leaves out is there as well.
        assert compare(ours, sentences.theirs, WIDE).similarity > 0.5
        assert compare(theirs, sentences.ours, WIDE).similarity > 0.5
