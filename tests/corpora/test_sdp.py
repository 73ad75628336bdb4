"""Session descriptions that nobody in this project wrote.

The folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is
tried. Where there is none the tests skip, saying so.
"""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sdp import (
    Direction,
    MediaCapability,
    SessionDescription,
    check_answer,
    make_answer,
)

CHECKOUT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("SIPPARTY_CORPORA", "../shared/corpora"))
SDP = (CHECKOUT / CORPORA / "sdp").resolve()
SEEDS = (CHECKOUT / CORPORA / "fuzz" / "fuzz-sdp").resolve()

pytestmark = pytest.mark.skipif(
    not SDP.is_dir(), reason=f"no corpora at {SDP}: set SIPPARTY_CORPORA"
)

#: Descriptions that are none, with what is wrong.
REFUSED = {
    "rfc8839/02.sdp": "digits as port",  # the port is the placeholder $NAT-PUB-1.PORT
    "rfc8839/04.sdp": "digits as port",  # the port is the placeholder $R-PUB-1.PORT
}


def name(path: Path) -> str:
    return "/".join(path.parts[-2:])


def files() -> list[Path]:
    return sorted(SDP.rglob("*.sdp"))


def test_the_corpus_is_there():
    assert len(files()) > 150


@pytest.mark.parametrize("path", files(), ids=name)
def test_each_is_read_and_written_back(path):
    data = path.read_bytes()
    if name(path) in REFUSED:
        with pytest.raises(ParseError, match=REFUSED[name(path)]):
            SessionDescription.parse(data)
        return
    sd = SessionDescription.parse(data)
    assert bytes(sd) == data
    rebuilt = bytes(replace(sd))
    assert SessionDescription.parse(rebuilt) == sd
    # Nothing is lost by a change: an empty name becomes "-", and padding goes.
    lines = {line.rstrip() for line in data.splitlines()} - {b"s=", b""}
    assert lines <= {line.rstrip() for line in rebuilt.splitlines()}


def test_odd_ones_say_what_they_hold():
    """The files that other parsers refuse hold something to ignore, not something to refuse."""

    def read(stem: str) -> SessionDescription:
        return SessionDescription.parse((SDP / "sdp-transform" / f"{stem}.sdp").read_bytes())

    invalid = read("invalid").media[0]
    assert [str(line) for line in invalid.unknown] == ["invalid:yes"]
    assert invalid.rtcp is not None
    assert invalid.rtcp.port == 1
    assert read("hacky").media[0].ptime == 0.125
    assert read("alac").media[0].media_formats == ()  # an rtpmap without clock rate


@pytest.mark.parametrize(
    "path", sorted(SEEDS.rglob("*.sdp")) if SEEDS.is_dir() else [], ids=lambda path: path.name
)
def test_seeds_for_fuzzing_raise_nothing_but_parse_errors(path):
    data = path.read_bytes()
    for cut in range(len(data)):
        try:
            SessionDescription.parse(data[:cut])
        except ParseError as error:
            assert error.what == "session description"  # noqa: PT017


def pairs() -> list[tuple[str, str]]:
    """The offers of RFC 4317, each with its answer."""
    index = SDP / "rfc" / "index.csv"
    if not index.is_file():
        return []
    with index.open(newline="") as rows:
        labelled = [(r["file"], r["label"]) for r in csv.DictReader(rows) if r["rfc"] == "4317"]
    return [
        (offer, answer)
        for (offer, first), (answer, second) in pairwise(labelled)
        if first.endswith("Offer]") and second == first.replace("Offer", "Answer")
    ]


#: Where the answerer wants less than the offer allows.
WANTED = {"24.sdp": Direction.SENDONLY}
#: Where the published answer uses its own payload types, which it may, and ours the offer's.
OTHER_NUMBERS = {"08.sdp"}
#: Streams that the published answer leaves sendrecv though they were offered sendonly (a slip of
#: the document; RFC 3264 Section 6.1 has recvonly) and that list a format which was not offered.
SLIPS = {("30.sdp", 0)}


def load(file: str) -> SessionDescription:
    return SessionDescription.parse((SDP / "rfc" / "rfc4317" / file).read_bytes())


def test_the_pairs_are_there():
    assert len(pairs()) == 27


@pytest.mark.parametrize(("offer_file", "answer_file"), pairs())
def test_offers_of_rfc4317_are_answered_alike(offer_file, answer_file):
    offer, published = load(offer_file), load(answer_file)
    # The answerer is able to do just what the published answer shows.
    capabilities = [
        MediaCapability(
            one.media,
            [replace(known, payload_type=None) for known in one.media_formats],
            one.port,
            direction=WANTED.get(answer_file, Direction.SENDRECV),
        )
        for one in published.media
        if one.port
    ]
    answer = make_answer(offer, capabilities, published.origin.address, 1)
    assert answer.timings == offer.timings
    assert len(answer.media) == len(published.media)
    for index, (ours, theirs) in enumerate(zip(answer.media, published.media, strict=True)):
        assert (ours.media, ours.port, ours.proto) == (theirs.media, theirs.port, theirs.proto)
        if not ours.port:
            continue
        if (answer_file, index) in SLIPS:
            assert ours.direction is Direction.RECVONLY
            assert set(ours.formats) < set(theirs.formats)
            continue
        assert ours.direction is theirs.direction
        assert [str(known) for known in ours.media_formats] == [
            str(known) for known in theirs.media_formats
        ]
        if answer_file not in OTHER_NUMBERS:
            assert ours.formats == theirs.formats


@pytest.mark.parametrize(("offer_file", "answer_file"), pairs())
def test_answers_of_rfc4317_agree_with_their_offers(offer_file, answer_file):
    offer, published = load(offer_file), load(answer_file)
    streams = check_answer(offer, published)
    live = [one for one in published.media if one.port]
    assert [stream.remote_port for stream in streams] == [one.port for one in live]
    for stream, theirs in zip(streams, live, strict=True):
        connection = theirs.connection_or_session
        assert connection is not None
        assert stream.remote_address == connection.address
        offered = offer.media[stream.index]
        first = next(
            known
            for known in theirs.media_formats
            if str(known) in [str(one) for one in offered.media_formats]
        )
        assert stream.formats[0].send_payload_type == first.payload_type
        unreachable = connection.address == "0.0.0.0"
        assert stream.direction.sends is (
            offered.direction.sends and theirs.direction.receives and not unreachable
        )
