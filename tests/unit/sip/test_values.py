"""Typed header values: what is read, what is changed, what is written."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.components import URI
from sipparty.sip.lenient import has_tag
from sipparty.sip.values import CSeq, DNameURI, MediaType, Via

# -------------------------------------------------------------------- name and address


@pytest.mark.parametrize(
    ("text", "name", "uri", "tail"),
    [
        ("<sip:bob@biloxi.com>", "", "sip:bob@biloxi.com", ""),
        ("Bob <sip:bob@b>;tag=1", "Bob", "sip:bob@b", ";tag=1"),
        ("Bob  B. <sip:bob@b>", "Bob  B.", "sip:bob@b", ""),
        ('"Bob, \\"B\\"" <sip:bob@b;x=1>;tag=1', 'Bob, "B"', "sip:bob@b;x=1", ";tag=1"),
        ('"Bob"<sip:bob@b>', "Bob", "sip:bob@b", ""),
        ('""<sip:bob@b>', "", "sip:bob@b", ""),
        ('"<sip:x@y>" <sip:bob@b>', "<sip:x@y>", "sip:bob@b", ""),
        ("\t<sip:bob@b> ; tag = 1 ", "", "sip:bob@b", "; tag = 1"),
        ("sip:bob@b;tag=1", "", "sip:bob@b", ";tag=1"),
        (" sip:bob@b ; tag=1", "", "sip:bob@b", "; tag=1"),
        ('<sip:bob@b>;q=0.7;+x="<a;b>"', "", "sip:bob@b", ';q=0.7;+x="<a;b>"'),
        ("*", "", "*", ""),
        ("<tel:+1-201>", "", "tel:+1-201", ""),
        ("Øl <sip:bob@b>", "Øl", "sip:bob@b", ""),
    ],
)
def test_reading_a_name_and_address(text, name, uri, tail):
    value = DNameURI.parse(text)
    assert value.display_name == name
    assert value.uri_text == uri
    assert str(value.parameters) == tail
    assert str(value) == text
    assert value.is_wildcard is (text == "*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a URI"),
        ('"Bob <sip:bob@b>', "a closing quotation mark"),
        ('"Bob" sip:bob@b', "'<' after the display name"),
        ('"Bob" x <sip:bob@b>', "'<' after the display name"),
        ("<sip:bob@b", "'>' after the URI"),
        ("<sip:bob@b>tag=1", "';' or the end after the '>'"),
        ("Bell, Alexander <sip:a@b>", "a display name of tokens, or one in quotes"),
        ("sip:bob@b x", "a URI"),
        ("sip:bob@b>", "a URI"),
        ('<sip:bob@b>;x="y', "a closing quotation mark"),
        ('sip:bob@b;x="y', "a closing quotation mark"),
    ],
)
def test_what_is_no_name_and_address(text, expected):
    with pytest.raises(ParseError) as refusal:
        DNameURI.parse(text)
    assert refusal.value.expected == expected
    assert refusal.value.what == "name and address"


def test_a_uri_is_looked_at_when_asked_for():
    value = DNameURI.parse("<not a uri>;tag=1")
    assert value.tag == "1"
    for ask in ("uri", "parts", "username", "address"):
        with pytest.raises(ParseError):
            getattr(value, ask)


@pytest.mark.parametrize(
    ("uri", "user", "address"),
    [
        ("sip:Bob%20B@Biloxi.COM;x=1", "Bob%20B", "biloxi.com"),
        ("sip:bob:pw@biloxi.com:5070", "bob:pw", "biloxi.com"),
        ("sips:biloxi.com", None, "biloxi.com"),
        ("sip:b;c@[2001:DB8::1]", "b;c", "2001:db8::1"),
        ("tel:+1", None, ""),
    ],
)
def test_quick_access_says_what_the_parts_say(uri, user, address):
    value = DNameURI.parse(f"<{uri}>")
    assert (value.username, value.address) == (user, address)
    assert (value.parts.user, value.parts.host) == (user, address)
    # Also once the URI was handed out, and changed.
    changed = value.uri
    assert (value.username, value.address) == (user, address)
    if changed.aor is not None:
        changed.aor.username, changed.aor.host.address = "carol", "chicago.com"
        assert (value.username, value.address) == (
            "carol" + (":pw" if ":pw" in uri else ""),
            "chicago.com",
        )


def test_quick_access_refuses_a_port_that_is_none():
    with pytest.raises(ParseError, match="a port from 0 to 65535"):
        _ = DNameURI.parse("<sip:a@b:70000>").username


def test_only_what_is_changed_is_written_anew():
    value = DNameURI.parse("Bob  B.\t<sip:bob@b;x=1>;  Q=0.7;tag=1 ;z")
    value.tag = "2"
    assert str(value) == "Bob  B.\t<sip:bob@b;x=1>;  Q=0.7;tag=2;z"
    value.uri.aor.username = "carol"
    assert str(value) == "Bob  B.\t<sip:carol@b;x=1>;  Q=0.7;tag=2;z"
    value.parameters["q"] = "0.5"
    assert str(value) == "Bob  B.\t<sip:carol@b;x=1>;Q=0.5;tag=2;z"
    value.tag = None
    value.display_name = 'Carol "C"'
    assert str(value) == '"Carol \\"C\\"" <sip:carol@b;x=1>;Q=0.5;z'
    value.display_name = None
    assert str(value) == "<sip:carol@b;x=1>;Q=0.5;z"


def test_a_change_to_the_uri_and_the_parameters_at_once():
    value = DNameURI.parse('"<sip:b@b>" <sip:b@b>;x="<sip:b@b>"')
    value.uri.host = "c"
    value.tag = "1"
    assert str(value) == '"<sip:b@b>" <sip:b@c>;x="<sip:b@b>";tag=1'


def test_without_brackets_a_tag_is_the_headers():
    value = DNameURI.parse("sip:bob@b;x=1")
    value.tag = "2"
    again = DNameURI.parse(str(value))
    assert (again.uri_text, again.parameter("x"), again.tag) == ("sip:bob@b", "1", "2")
    value.uri = "sip:carol@c;lr"
    assert str(value) == "<sip:carol@c;lr>;x=1;tag=2"


def test_building():
    value = DNameURI("sip:bob@b", 'B "x"', {"expires": 60, "ob": None}, tag="1")
    assert str(value) == '"B \\"x\\"" <sip:bob@b>;expires=60;ob;tag=1'
    assert str(DNameURI(URI.parse("sip:b"), parameters="q=1")) == "<sip:b>;q=1"
    assert str(DNameURI("*")) == "*"
    assert DNameURI(b"sip:b") == DNameURI.parse("<sip:b>")
    assert bytes(value) == str(value).encode()


def test_a_uri_is_copied_when_it_is_set():
    uri = URI.parse("sip:bob@b")
    value = DNameURI(uri)
    uri.host = "elsewhere"
    assert str(value) == "<sip:bob@b>"
    value.uri = uri
    value.uri.host = "c"
    assert str(uri) == "sip:bob@elsewhere"


@pytest.mark.parametrize("tag", ["", "a b", "a;b", 'a"', "a\r\nX: y", 5])
def test_a_tag_is_a_token(tag):
    value = DNameURI.parse("<sip:b>")
    with pytest.raises(BuildError, match="cannot be a tag"):
        value.tag = tag
    assert str(value) == "<sip:b>"


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\nb", "a\rb", "a\0b"])
def test_no_value_breaks_out(bad):
    value = DNameURI.parse("<sip:b>")
    with pytest.raises(BuildError):
        value.display_name = bad
    with pytest.raises(BuildError):
        value.parameters["x"] = bad
    with pytest.raises((BuildError, ParseError)):
        value.parameters = f"x={bad}"
    with pytest.raises(ParseError):
        value.uri = f"sip:{bad}"
    with pytest.raises((BuildError, ParseError)):
        value.uri.aor.username = bad
    assert str(value) == "<sip:b>"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("<sip:b>;tag=1", True),
        ("<sip:b>;TAG = 1", True),
        ("<sip:b;tag=1>", False),
        ('"tag=1" <sip:b>', False),
        ("sip:b;tag=1", True),
        ('"tag', False),
    ],
)
def test_whether_there_is_a_tag(text, there):
    assert has_tag(text) is there


# -------------------------------------------------------------------- Via


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SIP/2.0/UDP a.example;branch=z9hG4bK1", ("SIP", "2.0", "UDP", "a.example", None)),
        ("SIP/2.0/TCP 192.0.2.1:5061", ("SIP", "2.0", "TCP", "192.0.2.1", 5061)),
        ("SIP / 2.0 / TLS  h : 5061 ; x", ("SIP", "2.0", "TLS", "h", 5061)),
        ("SIP/2.0/UDP [2001:db8::1]:5060;rport", ("SIP", "2.0", "UDP", "2001:db8::1", 5060)),
        ("SIP/2.0/NEVER-HEARD h", ("SIP", "2.0", "NEVER-HEARD", "h", None)),
    ],
)
def test_reading_a_via(text, what):
    via = Via.parse(text)
    assert (via.protocol, via.version, via.transport, via.host, via.port) == what
    assert str(via) == text
    assert Via.parse(text.encode()) == via


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP h:x", "SIP/2.0/UDP h x", 'SIP/2.0/UDP h;x="'],
)
def test_what_is_no_via(text):
    with pytest.raises(ParseError) as refusal:
        Via.parse(text)
    assert refusal.value.what == "Via"


def test_the_port_of_a_via_that_is_too_large():
    with pytest.raises(ParseError) as refusal:
        Via.parse("SIP/2.0/UDP h:65536")
    assert refusal.value.position == 14


def test_the_parameters_of_a_via():
    via = Via.parse("SIP/2.0/UDP h;branch=z9hG4bK1;rport;received=[2001:db8::1];maddr=m")
    assert (via.branch, via.rport, via.received) == ("z9hG4bK1", "", "2001:db8::1")
    via.rport = 5062
    via.received = "192.0.2.7"
    via.branch = "z9hG4bK2"
    assert str(via) == "SIP/2.0/UDP h;branch=z9hG4bK2;rport=5062;received=192.0.2.7;maddr=m"
    via.rport = ""
    via.branch = via.received = None
    assert str(via) == "SIP/2.0/UDP h;rport;maddr=m"
    assert (via.branch, via.received) == (None, None)


def test_a_via_changed_and_built():
    via = Via.parse("SIP/2.0/UDP  h ;branch=1")
    via.branch = "2"
    assert str(via) == "SIP/2.0/UDP  h ;branch=2"
    via.host, via.port, via.transport = "[2001:db8::1]", 5060, "TCP"
    assert str(via) == "SIP/2.0/TCP [2001:db8::1]:5060;branch=2"
    assert via.sent_by == "[2001:db8::1]:5060"
    built = Via("UDP", "h", 5070, "z9hG4bK1", {"rport": None})
    assert str(built) == "SIP/2.0/UDP h:5070;rport;branch=z9hG4bK1"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("transport", "UDP x"),
        ("transport", "UDP\r\nX: y"),
        ("protocol", ""),
        ("version", None),
        ("host", "a b"),
        ("host", "h\r\nX: y"),
        ("host", "h:5060"),
        ("port", -1),
        ("port", 65536),
        ("port", "5060"),
        ("branch", "a b"),
        ("branch", "a\r\nX: y"),
        ("received", "a b"),
        ("rport", "1;x"),
    ],
)
def test_what_cannot_stand_in_a_via(attribute, value):
    via = Via.parse("SIP/2.0/UDP h;branch=1")
    with pytest.raises(BuildError):
        setattr(via, attribute, value)
    assert str(via) == "SIP/2.0/UDP h;branch=1"


# -------------------------------------------------------------------- CSeq and media types


@pytest.mark.parametrize("text", ["1 INVITE", " 0\t ACK ", "2147483647 X-y", "007 BYE"])
def test_reading_a_cseq(text):
    number, method = text.split()
    assert CSeq.parse(text) == CSeq.parse(text.encode()) == (int(number), method)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("INVITE", 0),
        ("1", 0),
        ("1INVITE", 0),
        ("-1 INVITE", 0),
        ("1 a b", 0),
        ("2147483648 INVITE", 0),
        (" 99999999999999999999 X", 1),
    ],
)
def test_what_is_no_cseq(text, position):
    with pytest.raises(ParseError) as refusal:
        CSeq.parse(text)
    assert (refusal.value.what, refusal.value.position) == ("CSeq", position)


def test_a_cseq_is_written_plainly():
    assert str(CSeq(7, "BYE")) == "7 BYE"
    assert CSeq(7, "BYE")._replace(number=8) == CSeq.parse("8 BYE")


def test_media_types():
    one = MediaType.parse('Multipart/Mixed ; boundary="a;b"')
    assert (one.type, one.subtype, one.essence) == ("Multipart", "Mixed", "multipart/mixed")
    assert one.parameter("Boundary") == "a;b"
    one.subtype = "related"
    assert str(one) == 'Multipart/related; boundary="a;b"'
    assert str(MediaType("text", "plain", {"charset": "utf-8"})) == "text/plain;charset=utf-8"


@pytest.mark.parametrize("text", ["", "sdp", "/sdp", "application/", "a b/c", 'a/b;c="'])
def test_what_is_no_media_type(text):
    with pytest.raises(ParseError) as refusal:
        MediaType.parse(text)
    assert refusal.value.what == "media type"


def test_a_media_type_cannot_break_out():
    with pytest.raises(BuildError):
        MediaType("text", "plain\r\nX: y")
    with pytest.raises(BuildError):
        MediaType("text", "a b")
