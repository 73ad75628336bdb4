"""Speech that goes through rtpengine on its way: to another codec, another address family, or from
plain to secure; found again by correlation at both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sipparty.media import MemorySink, MemorySource
from sipparty.parties import SingleRTPSessionSimplenParty

from .calls import incoming, reports_excused, talk
from .peer import Ports
from .rtpengine import Gateway, RTPEngine
from .sound import Sentences, Sound, codec_rate, heard
from .tshark import Capture

Make = Callable[..., Any]

#: 20 ms packets of a clip.
CLIP = 50
#: Keys as other programs read them; without GCM, in whose SRTCP rtpengine and baresip differ.
NO_GCM = ["pad", "no-AEAD_AES_256_GCM", "no-AEAD_AES_128_GCM"]


@pytest.fixture
def rtpengine(tmp_path: Path, ports: Ports, capture: Capture | None) -> Iterator[RTPEngine]:
    """An rtpengine that runs."""
    made = RTPEngine(tmp_path, ports, capture)
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture
def gateway(parties: Make, rtpengine: RTPEngine) -> Make:
    """Make a gateway to somebody, with what rtpengine is told of offers."""

    def make(target: object, *, listens: bool = True, **wishes: object) -> Any:
        made = parties(Gateway, "gateway", transport=None if listens else "")
        made.engine_of_media, made.target, made.wishes = rtpengine, str(target), wishes
        return made

    return make


@pytest.fixture
def bob(parties: Make, sentences: Sentences) -> Callable[..., Any]:
    """Make a party that answers with the peer's sentence; gives it and what it hears."""

    def make(codec: str, **options: Any) -> tuple[Any, MemorySink]:
        rate = codec_rate(codec)
        sink = MemorySink()
        play = MemorySource(sentences.theirs.pcm(rate), rate)
        media = {"codecs": (codec,), "play": play, "record": sink, **options.pop("media", {})}
        party = parties(SingleRTPSessionSimplenParty, "bob", media=media, **options)
        incoming(party)
        return party, sink

    return make


def both_ways(call: Any, here: MemorySink, there: MemorySink, sentences: Sentences) -> None:
    """Talk, hang up, and find what each said at the other."""
    talk(call, CLIP)
    call.terminate().wait(5)
    heard(Sound.of_pcm(here.pcm, here.rate), sentences.theirs)
    heard(Sound.of_pcm(there.pcm, there.rate), sentences.ours)


@pytest.mark.parametrize(("codec", "other"), [("PCMU", "G722"), ("opus", "PCMA")])
def test_another_codec(
    gateway: Make,
    bob: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    codec: str,
    other: str,
) -> None:
    party, there = bob(other)
    office = gateway(
        party.contact_uri,
        direction=["IPv4", "IPv4"],
        codec={"transcode": [other], "mask": [codec]},
    )
    call = saying(codec).invite(str(office.contact_uri)).wait(5)
    both_ways(call, sink, there, sentences)


def test_another_address_family(
    gateway: Make,
    bob: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    ports: Ports,
    capture: Capture | None,
) -> None:
    """We are at an address of IPv4 alone, and who we call at one of IPv6."""
    party, there = bob("PCMU", transport="")
    here, between = ports.take(), ports.take()
    party.listen(here, address="::1", transport="udp")
    office = gateway(party.contact_uri, listens=False, direction=["IPv4", "IPv6"])
    office.listen(between, address=("127.0.0.1", "::1"), transport="udp")
    if capture is not None:
        capture.add("udp", here)
        capture.add("udp", between)
    call = saying().invite(f"sip:bob@127.0.0.1:{between}").wait(5)
    both_ways(call, sink, there, sentences)


def test_plain_to_secure(
    gateway: Make,
    baresip: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    tmp_path: Path,
) -> None:
    """baresip takes SRTP alone, with keys in the descriptions (RFC 4568); we send RTP."""
    said = sentences.theirs.write(tmp_path / "theirs.wav", 8000)
    peer = baresip(play=said, codecs=("PCMA",), modules=("srtp",), account=";mediaenc=srtp-mand")
    office = gateway(
        peer.uri(),
        direction=["IPv4", "IPv4"],
        codec={"transcode": ["PCMA"], "mask": ["PCMU"]},
        transport_protocol="RTP/SAVP",
        SDES=NO_GCM,
    )
    call = saying().invite(str(office.contact_uri)).wait(5)
    talk(call, CLIP)
    call.terminate().wait(5)
    peer.wait_for_event("CALL_CLOSED")
    secure = [b"RTP/SAVP" in description for description in office.described]
    assert secure == [True, False]
    assert peer.recording is not None
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs)
    heard(Sound.of_file(peer.recording), sentences.ours)


@pytest.mark.parametrize("caller", ["secure", "plain"])
def test_secure_to_plain(
    gateway: Make,
    bob: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    caller: str,
    capture: Capture | None,
) -> None:
    """One of us sends SRTP, with what rtpengine gives as keys, and the other RTP."""
    secure = {"srtp": "required"}
    party, there = bob("PCMU", media=secure if caller == "plain" else {})
    office = gateway(
        party.contact_uri,
        direction=["IPv4", "IPv4"],
        transport_protocol="RTP/SAVP" if caller == "plain" else "RTP/AVP",
    )
    call = saying(media=secure if caller == "secure" else {}).invite(office.contact_uri).wait(5)
    reports_excused(capture, call if caller == "secure" else party.calls[0])
    both_ways(call, sink, there, sentences)
