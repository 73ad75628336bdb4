"""Session descriptions, for all of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sipparty.errors import NegotiationError, ParseError
from sipparty.sdp import (
    Attribute,
    Bandwidth,
    Connection,
    Direction,
    Format,
    MediaCapability,
    MediaDescription,
    Origin,
    Repeat,
    SessionDescription,
    Timing,
    UnknownLine,
    ZoneAdjustment,
    check_answer,
    make_answer,
    make_offer,
    negotiated_streams,
)

# The same examples each time, and none judged by the clock.
steady = settings(deadline=None, derandomize=True)

BASE = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nr=7d 1h 0 25h\r\n"
    b"z=3730928400 -1h\r\na=sendonly\r\nm=audio 49170/2 RTP/AVP 0 97\r\nb=AS:64\r\n"
    b"a=rtpmap:97 opus/48000/2\r\na=fmtp:97 useinbandfec=1\r\na=ptime:20\r\n"
    b"a=rtcp:9 IN IP4 192.0.2.2\r\nm=video 0 RTP/AVP 31\r\nc=IN IP6 ff15::1/2\r\n"
)

numbers = st.integers(0, 10**20)
ports = st.integers(0, 65535)
words = st.text(
    st.characters(codec="utf-8", min_codepoint=0x21, exclude_characters="\x7f"), min_size=1
)
text = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1)
tokens = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+", fullmatch=True)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n:"), min_size=1).filter(
    lambda name: not name.endswith(" ")
)
hosts = words.filter(lambda host: "/" not in host)
optional_text = st.none() | text

origins = st.builds(Origin, words, numbers, numbers, words, tokens, tokens)
connections = st.one_of(
    st.builds(Connection, hosts, tokens.filter(lambda t: t != "IP6"), tokens),
    st.builds(
        Connection, hosts, st.just("IP4"), st.just("IN"), st.integers(0, 255), st.integers(1, 99)
    ),
    st.builds(Connection, hosts, st.just("IP6"), count=st.none() | st.integers(1, 99)),
)
bandwidths = st.lists(st.builds(Bandwidth, tokens, numbers), max_size=2)
attributes = st.lists(st.builds(Attribute, names, st.none() | text | st.just("")), max_size=5)
repeats = st.builds(
    Repeat, st.integers(1, 10**9), numbers, st.lists(numbers, min_size=1, max_size=3)
)
zones = st.builds(ZoneAdjustment, numbers, st.integers(-(10**6), 10**6))
timings = st.builds(
    Timing, numbers, numbers, st.lists(repeats, min_size=1, max_size=2), st.lists(zones, max_size=2)
) | st.builds(Timing, numbers, numbers)
streams = st.builds(
    MediaDescription,
    tokens,
    ports,
    words,
    st.lists(words, min_size=1, max_size=4),
    st.none() | st.integers(1, 9),
    optional_text,
    st.lists(connections, max_size=2),
    bandwidths,
    optional_text,
    attributes,
    st.lists(st.builds(UnknownLine, st.sampled_from("dfghjlnqwxyABCZ"), text), max_size=2),
)
descriptions = st.builds(
    SessionDescription,
    origins,
    text,
    optional_text,
    optional_text,
    st.lists(text, max_size=2),
    st.lists(text, max_size=2),
    st.none() | connections,
    bandwidths,
    st.lists(timings, min_size=1, max_size=2),
    optional_text,
    attributes,
    st.lists(streams, max_size=3),
    st.lists(st.builds(UnknownLine, st.sampled_from("dfghjlnqwxyABCZ"), text), max_size=2),
)


def probe(data: bytes | str, *, strict: bool = False) -> None:
    """Read what may be anything, and look at all of it."""
    try:
        sd = SessionDescription.parse(data, strict=strict)
    except ParseError as refusal:
        error = refusal
    else:
        error = None
    if error is not None:
        assert error.position is None or 0 <= error.position <= len(data)
        assert "is not a valid session description" in str(error)
        return
    assert bytes(sd) == (data.encode() if isinstance(data, str) else data)
    assert SessionDescription.parse(bytes(replace(sd))) == sd
    for one in sd.media:
        _ = (one.direction, one.media_formats, one.ptime, one.maxptime, one.rtcp, one.mid)
        if (connection := one.connection_or_session) is not None:
            _ = (connection.is_multicast, connection.is_unspecified)
    try:
        answer = make_answer(sd, [MediaCapability(port=4000)], "192.0.2.9", 1)
    except NegotiationError:
        return
    negotiated_streams(answer, sd, offerer=False)
    SessionDescription.parse(bytes(answer), strict=True)


@steady
@given(descriptions)
def test_what_is_built_is_read_back(sd):
    assert SessionDescription.parse(bytes(sd)) == sd
    assert SessionDescription.parse(str(sd)) == sd


@steady
@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    probe(data)
    probe(data, strict=True)


@steady
@given(st.text())
def test_any_text_is_read_or_refused(data):
    probe(data)


@steady
@given(st.integers(0, len(BASE)), st.integers(0, 12), st.binary(max_size=6))
def test_any_change_to_a_description_is_read_or_refused(start, length, patch):
    probe(BASE[:start] + patch + BASE[start + length :])


@steady
@given(
    st.integers(0, 20),
    st.sampled_from(
        ["a=", "a=rtpmap:97 ", "a=rtcp:", "a=fmtp:", "a=ptime:", "b=", "c=", "k=", "i=", "m=", "t="]
    ),
    text,
)
def test_any_line_anywhere_is_read_or_refused(row, start, value):
    lines = BASE.split(b"\r\n")
    lines.insert(row, (start + value).encode())
    probe(b"\r\n".join(lines))


known = st.lists(
    st.sampled_from(["PCMU", "PCMA", "G722", "opus", "iLBC", "L16/16000", "telephone-event"]),
    min_size=1,
    max_size=5,
    unique=True,
)
capabilities = st.lists(
    st.builds(
        MediaCapability,
        st.sampled_from(["audio", "video"]),
        known,
        st.integers(1, 65535),
        st.sampled_from(Direction),
        rtcp_mux=st.booleans(),
        ptime=st.sampled_from([None, 20, 30]),
    ),
    max_size=4,
)


@steady
@given(capabilities, capabilities)
def test_an_answer_answers_its_offer(mine, theirs):
    offer = make_offer(mine, "192.0.2.1", 1)
    assert SessionDescription.parse(bytes(offer), strict=True) == offer
    try:
        answer = make_answer(offer, theirs, "2001:db8::1", 2)
    except NegotiationError:
        assert mine
        return
    here = check_answer(offer, answer)
    there = negotiated_streams(answer, offer, offerer=False)
    assert [one.media for one in answer.media] == [one.media for one in offer.media]
    assert [one.index for one in here] == [one.index for one in there]
    for ours, peers in zip(here, there, strict=True):
        assert ours.direction is peers.direction.reversed
        assert ours.direction.restricted(offer.media[ours.index].direction) is ours.direction
        assert [one.encoding for one in ours.formats] == [one.encoding for one in peers.formats]
        assert [one.send_payload_type for one in ours.formats] == [
            one.receive_payload_type for one in peers.formats
        ]
        assert ours.remote_rtcp == (
            (peers.local_address, peers.local_rtcp_port) if peers.local_rtcp_port else None
        )


@steady
@given(known, known)
def test_formats_in_common_are_those_both_have(mine, theirs):
    offer = make_offer([MediaCapability("audio", mine, 9)], "192.0.2.1", 1)
    common = [name for name in mine if name in theirs]
    speech = [name for name in common if name != "telephone-event"]
    try:
        answer = make_answer(offer, [MediaCapability("audio", theirs, 9)], "192.0.2.2", 1)
    except NegotiationError:
        assert not common or not speech
        return
    assert [str(one) for one in answer.media[0].media_formats] == [
        str(Format.of(name)) for name in common
    ]
