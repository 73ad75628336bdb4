"""Bodies of several parts, for all of them."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sipparty.errors import ParseError
from sipparty.sip import Message, Multipart, Part, Request, parse_sipfrag
from sipparty.sip.bodies import is_understood, session_description
from sipparty.sip.boundary import is_boundary, join_parts, split_parts
from sipparty.testing.strategies import multiparts, mutated

# The same examples each time, and none judged by the clock.
steady = settings(deadline=None, derandomize=True)

#: What may be mistaken for a delimiter, or for the end of a head.
NASTY = st.sampled_from([b"--b", b"\r\n--b", b"--b--", b"\r\n", b"\r", b"\n", b"\0", b"-", b"A: b"])
octets = st.lists(st.one_of(NASTY, st.binary(max_size=3)), max_size=8).map(b"".join)
dispositions = ["session", "icon;handling=optional", "by-reference", "render;x=y"]
headers = st.dictionaries(
    st.sampled_from(["Content-ID", "Content-Description", "X-Any"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=9).map(
        str.strip
    ),
) | st.sampled_from([{"Content-Disposition": text} for text in dispositions])
kinds = st.sampled_from([None, "text/plain", "application/sdp", "Application/X;charset=utf-8"])
leaves = st.builds(Part, kinds, octets, headers)
subtypes = st.sampled_from(["mixed", "alternative", "related", "X-Any"])
trees = st.recursive(
    leaves, lambda parts: st.builds(Multipart, st.lists(parts, min_size=1, max_size=3), subtypes)
)
bodies = st.builds(Multipart, st.lists(trees, min_size=1, max_size=3), subtypes)


def same(ours: Part, theirs: Part) -> None:
    """What was built is what is read."""
    assert bytes(theirs) == bytes(ours)
    assert theirs.body == ours.body
    assert (theirs.media_type, theirs.disposition) == (ours.media_type, ours.disposition)
    assert len(ours.parts) == len(theirs.parts)
    if ours.is_multipart:
        for one, other in zip(ours.parts, theirs.parts, strict=True):
            same(one, other)


@steady
@given(bodies)
def test_what_is_built_is_read_back(body):
    message = Message.parse(bytes(Request("MESSAGE", "sip:a@b", (), body)))
    assert message.body == bytes(body)
    for ours, theirs in zip(body.parts, message.parts, strict=True):
        same(ours, theirs)
    assert is_boundary(body.content_type.parameter("boundary"))


@steady
@given(bodies, st.data())
def test_a_part_that_is_not_touched_keeps_its_bytes(body, data):
    body = Multipart.parse(bytes(body), body.content_type)
    before = [bytes(part) for part in body.parts]
    at = data.draw(st.integers(0, len(before) - 1))
    new = data.draw(octets)
    body.parts[at].body = new
    again = Multipart.parse(bytes(body), body.content_type)
    after = [bytes(part) for part in again.parts]
    assert again.parts[at].body == new
    assert after[:at] + after[at + 1 :] == before[:at] + before[at + 1 :]


@steady
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=4), st.sampled_from(["b", "-", "a b"]))
def test_pieces_are_joined_and_split(pieces, boundary):
    if not any(f"--{boundary}".encode() in piece for piece in pieces):
        assert split_parts(join_parts(pieces, boundary), boundary, 4) == pieces


def probe(data: bytes, kind: str) -> None:
    """Read what may be anything: the only error is `ParseError`, and looking changes nothing."""
    message = Request("INVITE", "sip:a@b", (), data)
    message["Content-Type"] = kind
    refusals = []
    for read in (
        lambda: is_understood(message, ("application/sdp",)),
        lambda: session_description(message, ("application/sdp",)),
        lambda: session_description(message),
        lambda: Multipart.of(message),
    ):
        try:
            body = read()
        except ParseError as error:
            refusals.append(error)
            body = None
    for refusal in refusals:
        assert refusal.status in (400, 413, 415)
        assert "is not a valid" in str(refusal)
        assert refusal.position is None or 0 <= refusal.position <= len(refusal.text)
    if body is None:
        return
    assert bytes(body) == data
    for part in body.parts:
        assert bytes(part) in data
        try:
            _ = (part.parts, part.content, part.handling, part.content_id, part.find_part("a/b"))
        except ParseError:
            pass
    assert bytes(body) == data
    body.parts = (*body.parts, Part("text/plain", "more"))
    again = Multipart.parse(bytes(body), body.content_type)
    assert [bytes(part) for part in again.parts] == [bytes(part) for part in body.parts]


@steady
@given(octets | st.binary())
@example(b"--b\r\n\r\n--b--")
def test_any_bytes_are_read_or_refused(data):
    probe(data, "multipart/mixed;boundary=b")
    probe(b"--b\r\n" + data + b"\r\n--b--", "multipart/alternative;boundary=b")


@steady
@given(multiparts(2).flatmap(lambda one: st.tuples(st.just(one[0]), mutated(st.just(one[1])))))
def test_nearly_right_ones_are_read_or_refused(content):
    probe(content[1], content[0])


@steady
@given(multiparts())
def test_right_ones_are_read(content):
    kind, data = content
    assert bytes(Multipart.parse(data, kind)) == data
    probe(data, kind)


@steady
@given(octets | st.binary())
def test_any_fragment_is_read_or_refused(data):
    for start in (b"", b"SIP/2.0 200 OK\r\n", b"From: <sip:a@b>\r\n"):
        try:
            fragment = parse_sipfrag(start + data)
        except ParseError:
            continue
        assert fragment.body in data
