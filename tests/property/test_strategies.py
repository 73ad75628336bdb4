"""The strategies of `sipparty.testing.strategies` give what they promise."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipparty.errors import ParseError
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import parse_rtcp
from sipparty.sdp import SessionDescription
from sipparty.sip import (
    HEADERS,
    URI,
    DNameURI,
    Host,
    Many,
    Message,
    Multipart,
    Request,
    Response,
    Via,
)
from sipparty.sip.fields import parse_line
from sipparty.sip.framing import StreamFramer
from sipparty.sip.grammar import is_token, quote, split_list, unquote
from sipparty.sip.headers import header_key
from sipparty.testing import strategies

# The same examples each time, and none judged by the clock.
steady = settings(
    deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
few = settings(steady, max_examples=15)

#: What is written otherwise than it came: bare line feeds (RFC 3261 §7), and white space in a start
#: line (RFC 4475 §3.1.2.9, §3.1.2.10).
MENDED = re.compile(rb"(?<!\r)\n|\A[\r\n]*[^\r\n]*(?:[ \t][ \t]|\t|[ \t]\r)")
#: Headers whose value is any text.
FREE = {name for name, row in HEADERS.items() if row.parse is str}


@steady
@given(strategies.tokens(4))
def test_tokens(text):
    assert is_token(text)
    assert len(text) <= 4


@steady
@given(strategies.quoted_strings())
def test_quoted_strings(text):
    assert text[0] == text[-1] == '"'
    assert split_list(f"{text},x") == [text, "x"]
    assert quote(unquote(text)) == text


@steady
@given(strategies.hosts())
def test_hosts(text):
    assert str(Host.parse(text)) == text


@steady
@given(strategies.users())
def test_users(text):
    assert URI.parse(f"sip:{text}@b").username == text


@steady
@given(strategies.uris())
def test_uris(text):
    assert str(URI.parse(text)) == text


@steady
@given(strategies.uris(scheme="sips", with_headers=False))
def test_uris_of_one_kind(text):
    uri = URI.parse(text)
    assert uri.scheme == "sips"
    assert not uri.headers


@steady
@given(strategies.addresses(tag=True))
def test_addresses(text):
    value = DNameURI.parse(text)
    assert str(value) == text
    assert str(value.uri) == value.uri_text
    assert is_token(value.tag)


@steady
@given(strategies.addresses())
def test_addresses_without_a_tag(text):
    assert DNameURI.parse(text).tag is None


@steady
@given(strategies.vias())
def test_vias(text):
    via = Via.parse(text)
    assert str(via) == text
    assert via.branch.startswith("z9hG4bK")


@pytest.mark.parametrize("name", sorted(strategies.HEADER_VALUES))
def test_values_of_known_headers_are_read(name):
    row = HEADERS.get(name)
    if row is None:
        pytest.skip("not in the table of headers")

    @few
    @given(strategies.header_values(name))
    def read(text):
        one = row.many in (Many.ONE, Many.LINES)
        texts = [text] if one else split_list(text, row.name)
        for element in texts:
            value = row.parse(element)
            assert str(row.parse(str(value))) == str(value)
        message = Request("OPTIONS", "sip:a@b", [(row.name, text)])
        assert message.lines(name) == [text.strip()]

    read()


def test_every_header_with_a_grammar_has_its_values():
    assert set(HEADERS) - FREE - set(strategies.HEADER_VALUES) == set()


@steady
@given(strategies.headers())
def test_headers(line):
    name, value = line
    key, text = parse_line(f"{name}: {value}")
    assert key == header_key(name)
    assert text == value.strip()


@steady
@given(strategies.requests())
def test_requests(data):
    request = Message.parse(data)
    assert isinstance(request, Request)
    assert bytes(request) == data
    assert request.method == request.cseq.method
    assert str(request.uri) == request.uri_text
    assert request.via.branch
    assert request.from_.tag
    assert request.to.uri
    assert len(request.body) == request.content_length
    for name in request:
        request.all(name)


@few
@given(strategies.requests("REFER"))
def test_requests_of_one_method(data):
    assert Message.parse(data).method == "REFER"


@steady
@given(strategies.responses())
def test_responses(data):
    response = Message.parse(data)
    assert isinstance(response, Response)
    assert bytes(response) == data
    assert 100 <= response.status <= 699
    for name in response:
        response.all(name)


@few
@given(strategies.responses(486))
def test_responses_of_one_status(data):
    assert Message.parse(data).status == 486


@steady
@given(strategies.multiparts())
def test_multiparts(content):
    kind, data = content
    body = Multipart.parse(data, kind)
    assert bytes(body) == data
    assert str(body.content_type) == kind
    for part in body.parts:
        assert part.body or not part.is_multipart
        assert all(one.body for one in part.parts if one.is_multipart)


@steady
@given(strategies.session_descriptions())
def test_session_descriptions(data):
    assert bytes(SessionDescription.parse(data, strict=True)) == data


@steady
@given(strategies.rtp_packets())
def test_rtp_packets(data):
    assert bytes(RTPPacket.parse(data)) == data


@steady
@given(strategies.rtcp_datagrams())
def test_rtcp_datagrams(data):
    packets = parse_rtcp(data)
    assert parse_rtcp(b"".join(map(bytes, packets))) == packets


@steady
@given(strategies.mutated(strategies.messages()))
def test_what_is_mutated_is_read_or_refused(data):
    try:
        message = Message.parse(data)
    except ParseError:
        return
    assert bytes(message) in data or MENDED.search(data)


def test_what_is_mutated_is_sometimes_wrong_and_sometimes_right():
    seen = set()

    @few
    @given(strategies.mutated(strategies.requests()))
    def look(data):
        try:
            Message.parse(data)
        except ParseError:
            seen.add("refused")
        else:
            seen.add("read")

    look()
    assert seen == {"refused", "read"}


@steady
@given(st.data())
def test_chunkings(data):
    whole = data.draw(st.binary(max_size=40))
    assert b"".join(data.draw(strategies.chunkings(whole))) == whole


@few
@given(st.data())
def test_a_stream_of_messages_survives_any_chunking(data):
    sent = data.draw(st.lists(strategies.messages(), min_size=1, max_size=2))
    framer = StreamFramer()
    pieces = data.draw(strategies.chunkings(b"".join(sent)))
    events = [event for piece in pieces for event in framer.feed(piece)]
    assert [event for event in events if isinstance(event, bytes)] == sent
    assert framer.idle
