"""Messages, for all of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipparty.errors import BuildError, ParseError
from sipparty.sip import CSeq, DNameURI, MediaType, Message, Request, Response, Via
from sipparty.sip.components import URI
from sipparty.sip.grammar import quote, unquote
from sipparty.sip.headers import HEADERS
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import HeaderParameters

# The same examples each time, and none judged by the clock.
steady = settings(deadline=None, derandomize=True)

LINES = (
    b"v: SIP/2.0/UDP a:1;branch=z9hG4bK1",
    b"VIA:SIP/2.0/TCP b;branch=z9hG4bK2 ,  SIP/2.0/TLS [::1]:5061;branch=z9hG4bK3;rport",
    b"Max-Forwards:   070",
    b'To: "Bob, \\"B\\"" <sip:bob@b;x=1>',
    b"f: Alice\r\n  <sip:alice@a> ;tag=1",
    b"Call-ID : 1@a",
    b"CSeq: 1 INVITE",
    b'Contact: "A, B" <sip:a,b@c>;q=0.7;+sip.instance="<urn:uuid:1>", sip:d;expires=60',
    b"Allow: INVITE, ACK",
    b"X-Any: one",
    b"allow: BYE",
    b"x-ANY:  two, three ",
    b'c: application/sdp;x="y;z"',
    b"Date: Sat, 13 Nov 2010 23:29:00 GMT",
    b"l: 4",
)
BASE = b"\r\n".join((b"INVITE sip:bob@b;x=y SIP/2.0", *LINES, b"", b"body"))

token_chars = "ABCXYZabcxyz0189-.!%*_+`'~"
#: What is written otherwise than it came: bare line feeds, and white space in a start line.
MENDED = re.compile(rb"(?<!\r)\n|\A[^\r\n]*(?:[ \t]{2}|\t|[ \t]\r\n)")

tokens = st.text(token_chars, min_size=1, max_size=12)
plain_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]))
trimmed = plain_text.map(str.strip)
breaks = st.tuples(plain_text, st.sampled_from("\r\n\0"), plain_text).map("".join)
names = tokens.filter(lambda name: name.lower() not in HEADERS and len(name) > 1).map("X-".__add__)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    ["192.0.2.1", "2001:db8::1", "::1"]
)
ports = st.none() | st.integers(0, 65535)
users = st.from_regex(r"([a-zA-Z0-9_.!~*'()&=+$,;?/-]|%[0-9A-F]{2}){1,10}", fullmatch=True)
uris = st.builds(
    lambda scheme, user, host, port, tail: (
        f"{scheme}:{user}{'[' + host + ']' if ':' in host else host}"
        f"{'' if port is None else f':{port}'}{tail}"
    ),
    st.sampled_from(["sip", "sips", "SIP"]),
    st.just("") | users.map(lambda user: f"{user}@"),
    hosts,
    ports,
    st.sampled_from(["", ";lr", ";transport=tcp;x=%41", "?Subject=x", ";a?b=c"]),
)
values = st.none() | trimmed | st.integers(0)
parameters = st.dictionaries(tokens.map(str.lower), values, max_size=4)
addresses = st.builds(DNameURI, uris, plain_text, parameters)
vias = st.builds(Via, tokens, hosts, ports, st.none() | tokens, parameters)
cseqs = st.builds(CSeq, st.integers(0, 2**31 - 1), tokens)
media_types = st.builds(MediaType, tokens, tokens, parameters)
typed = st.one_of(
    st.tuples(st.sampled_from(["To", "f", "Contact", "Route", "Refer-To"]), addresses),
    st.tuples(st.sampled_from(["Via", "v"]), vias),
    st.tuples(st.just("CSeq"), cseqs),
    st.tuples(st.sampled_from(["Content-Type", "c"]), media_types),
    st.tuples(st.sampled_from(["Max-Forwards"]), st.integers(0, 255)),
    st.tuples(st.just("Expires"), st.integers(0, 2**32 - 1)),
    st.tuples(st.sampled_from(["Allow", "k"]), st.lists(tokens, min_size=1, max_size=4)),
    st.tuples(st.sampled_from(["Subject", "s", "Call-ID"]), trimmed),
    st.tuples(names, trimmed),
)
bodies = st.binary(max_size=40)
messages = st.one_of(
    st.builds(Request, tokens, uris, st.lists(typed, max_size=8), bodies),
    st.builds(Response, st.integers(100, 699), plain_text, st.lists(typed, max_size=8), bodies),
)


def look(message: Message) -> None:
    """Look at all that there is."""
    for name in message:
        try:
            found = message.all(name)
        except ParseError:
            continue
        for value in found:
            _ = (str(value), repr(value))
            for attribute in (
                *("uri", "parameters", "tag", "username", "address", "parts"),
                *("branch", "received", "rport", "sent_by", "essence", "display_name"),
            ):
                try:
                    _ = str(getattr(value, attribute, None))
                except ParseError:
                    pass
    try:
        _ = str(message.uri) if isinstance(message, Request) else message.reason
    except ParseError:
        pass


def probe(data: bytes) -> None:
    """Read what may be anything; looking at all of it changes nothing."""
    try:
        message = Message.parse(data)
    except ParseError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.status in (400, 513)
        assert "is not a valid" in str(refusal)
        assert refusal.position is None or refusal.position <= len(data)
        return
    wire = bytes(message)
    assert data.lstrip(b"\r\n").startswith(wire) or MENDED.search(data)
    look(message)
    assert bytes(message) == wire
    if isinstance(message, Request):
        answer = message.response(200, to_tag="ours")
        assert bytes(Message.parse(bytes(answer))) == bytes(answer)
        assert bytes(message) == wire


@steady
@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    probe(data)
    probe(b"OPTIONS sip:b SIP/2.0\r\n" + data + b"\r\n\r\n")


@steady
@given(st.integers(0, len(BASE)), st.integers(0, 12), st.binary(max_size=6))
def test_any_change_to_a_message_is_read_or_refused(start, length, patch):
    probe(BASE[:start] + patch + BASE[start + length :])


@steady
@given(
    st.sampled_from([line.partition(b":")[0] + b":" for line in LINES]),
    st.binary(max_size=20) | st.text('<>";,:=@ *\\[]a1%/').map(str.encode),
)
def test_any_value_of_any_header_is_read_or_refused(name, value):
    probe(b"OPTIONS sip:b SIP/2.0\r\n" + name + value + b"\r\n\r\n")


@steady
@given(messages)
def test_what_is_built_is_read_back(message):
    data = bytes(message)
    again = Message.parse(data)
    assert bytes(again) == data
    assert again == message == message.copy()
    assert type(again) is type(message)
    assert again.body == message.body
    assert again.content_length == len(message.body)
    for name in message:
        if name != "Content-Length":
            assert [str(one) for one in again.all(name)] == [str(one) for one in message.all(name)]
            assert again.lines(name) == message.lines(name)


@steady
@given(addresses)
def test_a_name_and_address_is_read_back(value):
    again = DNameURI.parse(str(value))
    assert again == value
    assert again.display_name == value.display_name
    assert again.uri == value.uri
    assert again.parameters == value.parameters == dict(value.parameters)
    assert (again.username, again.address) == (value.parts.user, value.parts.host)


@steady
@given(vias)
def test_a_via_is_read_back(via):
    again = Via.parse(str(via))
    assert again == via
    for attribute in ("protocol", "version", "transport", "host", "port", "branch", "sent_by"):
        assert getattr(again, attribute) == getattr(via, attribute)
    assert dict(again.parameters) == dict(via.parameters)


@steady
@given(cseqs, media_types)
def test_the_other_values_are_read_back(cseq, media_type):
    assert CSeq.parse(str(cseq)) == cseq
    assert MediaType.parse(str(media_type)) == media_type


@steady
@given(parameters, tokens.map(str.lower), values)
def test_a_parameter_is_set_and_no_other(before, name, value):
    found = HeaderParameters(before)
    found[name] = value
    expected = {key: None if one is None else str(one) for key, one in before.items()}
    expected[name] = None if value is None else str(value)
    assert dict(found) == dict(HeaderParameters.parse(str(found))) == expected
    del found[name]
    del expected[name]
    assert dict(found) == expected


@steady
@given(plain_text)
def test_quoting_and_back(text):
    assert unquote(quote(text)) == text


@steady
@given(uris)
def test_the_parts_of_a_uri_are_those_of_the_object(text):
    parts, uri = split_sip_uri(text), URI.parse(text)
    user = uri.username if uri.password is None else f"{uri.username}:{uri.password}"
    assert (parts.scheme, parts.user, parts.port) == (uri.scheme, user, uri.port)
    assert uri.address is not None
    assert parts.host == uri.address.lower()
    assert parts.parameters == str(uri.parameters)


# -------------------------------------------------------------------- injection

settable = st.sampled_from(
    ["X-Any", "Subject", "To", "Via", "Allow", "Contact", "CSeq", "Max-Forwards", "Date", "Event"]
)


@steady
@given(settable, breaks)
def test_no_value_can_hold_a_break(name, bad):
    message = Message.parse(BASE)
    for value in (bad, bad.encode(), [bad], ("x", bad)):
        for write in (message.__setitem__, message.add):
            with pytest.raises((BuildError, ParseError)):
                write(name, value)
    with pytest.raises(BuildError):
        message[bad] = "x"
    with pytest.raises(BuildError):
        message.add(bad, "x")
    assert bytes(message) == BASE


@steady
@given(breaks)
def test_no_part_can_hold_a_break(bad):
    message = Message.parse(BASE)
    to, via = message.to, message.via
    assert to is not None
    assert via is not None

    def put(owner: object, name: str) -> None:
        with pytest.raises((BuildError, ParseError)):
            setattr(owner, name, bad)

    for name in ("display_name", "tag", "uri", "parameters"):
        put(to, name)
    for name in ("protocol", "version", "transport", "host", "port", "branch", "received", "rport"):
        put(via, name)
    for name in ("type", "subtype", "parameters"):
        put(message.content_type, name)
    for name in ("username", "password", "host", "address"):
        put(to.uri.aor, name)
    for name in ("method", "uri", "to", "via", "subject", "call_id", "cseq", "contact"):
        put(message, name)
    for owner in (to, via):
        with pytest.raises(BuildError):
            owner.parameters["x"] = bad
        with pytest.raises(BuildError):
            owner.parameters[bad] = "x"
    for arguments in ((200, bad), (200, None, [("X", bad)]), (200, None, [(bad, "x")])):
        with pytest.raises((BuildError, ParseError)):
            message.response(*arguments)
    with pytest.raises(BuildError):
        message.response(200, to_tag=bad)
    with pytest.raises(BuildError):
        Response(200, bad)
    assert bytes(message) == BASE


# -------------------------------------------------------------------- one change, and no other

changes = st.one_of(
    st.tuples(st.just("To"), tokens).map(lambda c: (*c, lambda m, v: setattr(m.to, "tag", v))),
    st.tuples(st.just("From"), plain_text).map(
        lambda c: (*c, lambda m, v: setattr(m.from_, "display_name", v))
    ),
    st.tuples(st.just("Via"), tokens).map(
        lambda c: (*c, lambda m, v: setattr(m.all("Via")[2], "branch", v))
    ),
    st.tuples(st.just("Contact"), uris).map(
        lambda c: (*c, lambda m, v: setattr(m.all("Contact")[1], "uri", v))
    ),
    st.tuples(st.just("Max-Forwards"), st.integers(0, 255)).map(
        lambda c: (*c, lambda m, v: setattr(m, "max_forwards", v))
    ),
    st.tuples(st.just("X-Any"), trimmed).map(
        lambda c: (*c, lambda m, v: m.__setitem__("X-Any", v))
    ),
    st.tuples(st.just("Allow"), tokens).map(lambda c: (*c, lambda m, v: m.add("Allow", v))),
)


def lines_of(message: Message, *, without: str) -> list[str]:
    """The lines of a message as they are written, but for those of one header."""
    written = bytes(message).partition(b"\r\n\r\n")[0].replace(b"\r\n ", b"\0")
    again = Message.parse(bytes(message))
    keys = [key for key, _, _ in again._fields]
    lines = written.split(b"\r\n")[1:]
    assert len(lines) == len(keys)
    return [line.decode() for key, line in zip(keys, lines, strict=True) if key != without.lower()]


@steady
@given(changes)
def test_one_change_leaves_the_other_headers_alone(change):
    name, value, apply = change
    message = Message.parse(BASE)
    before = lines_of(message, without=name)
    look(message)
    apply(message, value)
    assert lines_of(message, without=name) == before
    assert message.body == b"body"
    written = bytes(message)
    assert bytes(Message.parse(written)) == written == bytes(message)


@steady
@given(st.lists(changes, max_size=5), st.lists(st.booleans(), min_size=5, max_size=5))
def test_changes_are_written_whenever_it_is_written(several, written_between):
    one, other = Message.parse(BASE), Message.parse(BASE)
    for (_, value, apply), write in zip(several, written_between, strict=False):
        apply(one, value)
        apply(other, value)
        if write:
            _ = (bytes(one), str(one), one.lines("To"))
    assert one == other


@steady
@given(messages, addresses, tokens)
def test_a_value_of_one_message_can_be_given_to_another(other, address, tag):
    one = Request("OPTIONS", "sip:b", {"To": address})
    before = bytes(one)
    other.to = one.to
    assert other.to == one.to
    other.to.tag = tag + "-new"
    assert bytes(one) == before
    assert f"{tag}-new".encode() in bytes(other)
