"""Headers by name and by attribute: got, set, added, removed, changed in place."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.fields import HeaderField, field, parse_line, stray_break
from sipparty.sip.message import Message, Request
from sipparty.sip.values import CSeq, DNameURI, MediaType, Via

LINES = (
    "v: SIP/2.0/UDP a:1;branch=z9hG4bK1",
    "VIA:SIP/2.0/TCP b;branch=z9hG4bK2 ,  SIP/2.0/TLS c;branch=z9hG4bK3",
    "Max-Forwards:   070",
    'To: "Bob, B" <sip:bob@b;x=1>',
    "f: Alice\r\n  <sip:alice@a> ;tag=1",
    "Call-ID : 1@a",
    "CSeq: 1 INVITE",
    'Contact: "A, B" <sip:a,b@c>;q=0.7, <sip:d>',
    "Allow: INVITE, ACK",
    "X-Any: one",
    "allow: BYE",
    "x-ANY:  two, three ",
    "Subject:",
)


def wire(lines=LINES, body=b""):
    return "\r\n".join(["INVITE sip:bob@b SIP/2.0", *lines, "", ""]).encode() + body


@pytest.fixture
def message():
    return Message.parse(wire())


def changes(message):
    """The lines that differ from what came, by their place."""
    head = bytes(message).decode().partition("\r\n\r\n")[0].replace("\r\n ", "\r\n\t ")
    now = head.replace("\r\n\t ", "\0").split("\r\n")[1:]
    before = [line.replace("\r\n ", "\0") for line in LINES]
    assert len(now) == len(before) + 1
    assert now[-1] == "Content-Length: 0"
    return {
        at: new for at, (old, new) in enumerate(zip(before, now[:-1], strict=True)) if new != old
    }


# -------------------------------------------------------------------- reading


def test_names(message):
    assert list(message) == [
        *("Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "Contact"),
        *("Allow", "X-Any", "Subject"),
    ]
    for name in ("Via", "v", "VIA", "From", "f", "x-any", "X-Any"):
        assert name in message
    for name in ("Route", "X-Other", 5, ""):
        assert name not in message


def test_typed_attributes(message):
    assert isinstance(message.via, Via)
    assert message.via.branch == "z9hG4bK1"
    assert message.to.display_name == "Bob, B"
    assert message.to.tag is None
    assert (message.from_.display_name, message.from_.tag) == ("Alice", "1")
    assert message.call_id == "1@a"
    assert message.cseq == CSeq(1, "INVITE")
    assert message.max_forwards == 70
    assert message.contact.uri_text == "sip:a,b@c"
    assert message.allow == ("INVITE", "ACK", "BYE")
    assert message.subject == ""


def test_what_is_absent(message):
    assert message.route is None
    assert message.content_type is None
    assert message.expires is None
    assert message.user_agent is None
    assert message.supported == ()
    assert message.get("Route") is None
    assert message.get("Route", 5) == 5
    assert message.all("Route") == message.lines("X-Other") == message.all("X-Other") == []
    with pytest.raises(KeyError) as missing:
        message["Route"]
    assert missing.value.args == ("Route",)


def test_by_name(message):
    assert message["t"] is message.to
    assert message["VIA"] is message.via
    assert [via.transport for via in message.all("v")] == ["UDP", "TCP", "TLS"]
    assert message["Allow"] == ("INVITE", "ACK", "BYE")
    assert message["X-Any"] == "one"
    assert message.all("x-any") == message.lines("x-any") == ["one", "two, three"]
    assert [contact.uri_text for contact in message.all("Contact")] == ["sip:a,b@c", "sip:d"]
    assert message["Subject"] == message.get("Subject", "none") == ""


def test_lines_are_unfolded(message):
    assert message.lines("From") == ["Alice <sip:alice@a> ;tag=1"]
    assert message.lines("Via") == [line.partition(":")[2].strip() for line in LINES[:2]]


def test_asking_in_any_order_gives_the_same_objects(message):
    everything = message.all("Via")
    assert message.via is everything[0] is message["Via"]
    other = Message.parse(wire())
    first = other.via
    assert other.all("Via")[0] is first


def test_looking_changes_nothing(message):
    for name in message:
        message.all(name)
    _ = (message.to.uri, message.to.parameters, message.via.parameters, message.contact.uri.aor)
    _ = (str(message.to), repr(message.via), message.from_.parameters.get("tag"), message.uri)
    assert bytes(message) == wire()


def test_the_first_counts_of_what_there_should_be_one_of():
    message = Message.parse(
        wire(("To: <sip:a>", "To: <sip:b>", "Max-Forwards: 1", "Max-Forwards: 2"))
    )
    assert message.to.address == "a"
    assert message.max_forwards == 1
    message.to.tag = "x"
    assert message.lines("To") == ["<sip:a>;tag=x", "<sip:b>"]


@pytest.mark.parametrize("name", ["Route", "Contact", "Via", "Allow", "Warning"])
def test_a_list_that_is_empty(name):
    message = Message.parse(wire((f"{name}: ", "Subject: x")))
    attribute = {"Route": "route", "Contact": "contact", "Via": "via"}.get(name)
    if attribute:
        assert getattr(message, attribute) is None
    assert message[name] == (() if name == "Allow" else "")
    assert message.all(name) == []


def test_a_bad_value_is_told_when_it_is_asked_for():
    message = Message.parse(wire(("CSeq: one INVITE", "To: <sip:b", "From: a b", "Via: x")))
    for ask in ("cseq", "to", "from_", "via"):
        with pytest.raises(ParseError):
            getattr(message, ask)
    with pytest.raises(ParseError):
        message.get("CSeq")
    assert message.lines("CSeq") == ["one INVITE"]
    message.cseq = CSeq(1, "INVITE")
    assert message.cseq.number == 1


@pytest.mark.parametrize(
    ("line", "name", "nothing"),
    [
        ("Max-Forwards: -1", "max_forwards", None),
        ("Content-Type: text", "content_type", None),
        ("Content-Disposition: ;", "content_disposition", None),
        ("Expires: soon", "expires", None),
        ("Contact: <sip:a%zz@x>", "contact", None),
        ("Contact: <sip:a@x>, <", "contact", None),
        ("Route: <sip:-x>", "route", None),
        ("Record-Route: a", "record_route", None),
        ("Allow: INVITE, a b", "allow", ()),
        ("Supported: ;", "supported", ()),
        ("Require: ;", "require", ()),
    ],
)
def test_what_is_malformed_and_not_mandatory_is_as_if_absent(line, name, nothing):
    message = Message.parse(wire([line]))
    for _ in range(2):
        assert getattr(message, name) == nothing
    header = line.partition(":")[0]
    assert header in message
    with pytest.raises(ParseError):
        _ = message[header].uri


def test_a_wildcard_has_a_uri_without_parts():
    contact = Message.parse(wire(["Contact: *"])).contact
    assert contact.is_wildcard
    assert str(contact.uri) == "*"
    assert (contact.username, contact.address, contact.uri.host) == (None, "", None)
    assert contact.parts == ("", None, "", None, "", "")
    assert str(contact) == "*"


def test_the_attributes_are_documented():
    assert isinstance(Message.to, HeaderField)
    assert Message.to.__doc__ == "The To header."


# -------------------------------------------------------------------- changed in place


def test_a_changed_value_is_written_in_its_line_alone(message):
    message.via.branch = "z9hG4bKx"
    assert changes(message) == {0: "v: SIP/2.0/UDP a:1;branch=z9hG4bKx"}


def test_a_value_in_the_middle_of_a_line(message):
    message.all("Via")[2].branch = "z9hG4bKx"
    assert changes(message) == {
        1: "VIA: SIP/2.0/TCP b;branch=z9hG4bK2, SIP/2.0/TLS c;branch=z9hG4bKx"
    }


def test_changes_to_several_headers(message):
    message.to.tag = "x"
    message.to.uri.aor.username = "carol"
    message.from_.uri.host = "z"
    message.contact.parameters["expires"] = 60
    assert changes(message) == {
        3: 'To: "Bob, B" <sip:carol@b;x=1>;tag=x',
        4: "f: Alice <sip:alice@z> ;tag=1",
        7: 'Contact: "A, B" <sip:a,b@c>;q=0.7;expires=60, <sip:d>',
    }


def test_a_change_is_written_however_often(message):
    to = message.to
    for tag in ("x", "y", None, "z"):
        to.tag = tag
        assert message.lines("To") == ['"Bob, B" <sip:bob@b;x=1>' + (f";tag={tag}" if tag else "")]
        assert bytes(message).count(b";tag=") == (2 if tag else 1)
        assert message.to is to
    to.uri.aor.username = "q"
    assert b"sip:q@b" in bytes(message)


def test_a_change_is_written_though_it_was_looked_at(message):
    message.to.display_name = "Carol"
    assert str(message.to).startswith('"Carol"')
    assert b'\r\nTo: "Carol" <' in bytes(message)
    message.via.host = "z"
    assert repr(message.via) == "Via('SIP/2.0/UDP z:1;branch=z9hG4bK1')"
    assert b"\r\nv: SIP/2.0/UDP z:1;" in bytes(message)


def test_a_change_and_back_is_none(message):
    message.to.tag = "x"
    message.to.tag = None
    assert bytes(message) == wire()


def test_what_is_changed_shows_in_all_ways_of_reading(message):
    message.to.tag = "x"
    assert message.lines("To") == ['"Bob, B" <sip:bob@b;x=1>;tag=x']
    assert message["To"].tag == message.all("To")[0].tag == "x"
    assert message.copy().to.tag == "x"
    assert message.response(200).to.tag == "x"
    assert "tag=x" in str(message)


def test_other_changes_keep_one_that_is_pending(message):
    message.to.tag = "x"
    message["Subject"] = "lunch"
    message.add("X-Any", "four")
    del message["Allow"]
    message.body = b""
    assert b";tag=x\r\nf: " in bytes(message)


# -------------------------------------------------------------------- set, added, removed


def test_setting_replaces_every_line_at_the_place_of_the_first(message):
    message["X-Any"] = ["1", "2"]
    head = bytes(message).decode()
    assert "Allow: INVITE, ACK\r\nX-Any: 1\r\nX-Any: 2\r\nallow: BYE\r\nSubject:" in head
    assert message.all("X-Any") == ["1", "2"]
    message["x-any"] = "3"
    assert "ACK\r\nx-any: 3\r\nallow" in str(message)


def test_setting_uses_the_tables_name_and_is_typed(message):
    message["f"] = "<sip:z>;tag=2"
    assert message.from_.tag == "2"
    assert b"\r\nFrom: <sip:z>;tag=2\r\n" in bytes(message)
    message.cseq = "2 BYE"
    assert message.cseq == CSeq(2, "BYE")
    message.cseq = message.cseq._replace(number=3)
    assert message["CSeq"] == CSeq(3, "BYE")
    message.max_forwards = 69
    assert message.max_forwards == 69
    message.subject = b"caf\xc3\xa9"
    assert message.subject == "café"
    message.content_type = MediaType("application", "sdp")
    assert message.content_type.essence == "application/sdp"


def test_a_new_header_comes_last(message):
    message.user_agent = "phone/1.0"
    assert message.lines("User-Agent") == ["phone/1.0"]
    assert str(message).endswith("Subject:\r\nUser-Agent: phone/1.0\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("several", [("BYE", "ACK"), ["BYE", "ACK"], "BYE, ACK", " BYE,ACK "])
def test_tokens_stand_in_one_line(message, several):
    message.allow = several
    assert message.allow == ("BYE", "ACK")
    assert len(message.lines("Allow")) == 1
    built = Request("INVITE", "sip:b", {"Allow": several})
    assert built.allow == ("BYE", "ACK")
    message.allow = ()
    assert "Allow" not in message
    assert message.allow == ()


def test_sets_are_several_too(message):
    message["Supported"] = {"100rel"}
    message["Require"] = frozenset()
    assert message.supported == ("100rel",)
    assert "Require" not in message


def test_several_values_are_lines(message):
    message["Via"] = [Via("UDP", "a", 1, "z9hG4bKa"), "SIP/2.0/TCP b"]
    assert message.lines("Via") == ["SIP/2.0/UDP a:1;branch=z9hG4bKa", "SIP/2.0/TCP b"]
    assert [via.host for via in message.all("Via")] == ["a", "b"]


def test_none_removes(message):
    message.to = None
    message["X-Any"] = None
    message["X-Never"] = None
    assert message.to is None
    assert "X-Any" not in message
    assert b"None" not in bytes(message)


def test_removing(message):
    message.to.tag = "x"
    for name in ("To", "x-any", "VIA"):
        del message[name]
        assert name not in message
    assert message.via is message.to is None
    with pytest.raises(KeyError):
        del message["To"]
    assert bytes(message).startswith(b"INVITE sip:bob@b SIP/2.0\r\nMax-Forwards:   070\r\nf: Alice")


def test_what_is_set_is_taken_as_it_is_then(message):
    mine = DNameURI("sip:mine@m", tag="1")
    message.to = mine
    mine.tag = "2"
    assert message.to.tag == "1"
    message.to.tag = "3"
    assert mine.tag == "2"


def test_adding(message):
    via = message.via
    via.branch = "z9hG4bKx"
    message.add("Via", Via("UDP", "new", branch="z9hG4bKn"), first=True)
    assert [one.branch for one in message.all("Via")] == [
        *("z9hG4bKn", "z9hG4bKx", "z9hG4bK2", "z9hG4bK3")
    ]
    assert bytes(message).startswith(
        b"INVITE sip:bob@b SIP/2.0\r\nVia: SIP/2.0/UDP new;branch=z9hG4bKn\r\nv: SIP"
    )
    message.add("Route", ["<sip:p;lr>", "<sip:q;lr>"])
    message.add("Record-Route", "<sip:r;lr>", first=True)
    assert [route.address for route in message.all("Route")] == ["p", "q"]
    assert bytes(message).startswith(b"INVITE sip:bob@b SIP/2.0\r\nRecord-Route: <sip:r;lr>\r\nVia")
    message.add("k", ("timer", "100rel"))
    assert b"\r\nk: timer, 100rel\r\n" in bytes(message)
    assert message.supported == ("timer", "100rel")


def test_adding_between_headers(message):
    message.add("X-Any", "zero", first=True)
    assert message.all("X-Any") == ["zero", "one", "two, three"]
    assert message.subject == ""
    assert message.call_id == "1@a"


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("Max-Forwards", "many", ParseError),
        ("Max-Forwards", -1, BuildError),
        ("Max-Forwards", True, BuildError),
        ("CSeq", CSeq(-1, "INVITE"), BuildError),
        ("CSeq", CSeq(1, "IN VITE"), BuildError),
        ("To", "<sip:b", ParseError),
        ("To", Via("UDP", "h"), BuildError),
        ("Via", "nonsense", ParseError),
        ("Via", ["SIP/2.0/UDP h", "nonsense"], ParseError),
        ("Allow", "IN VITE", ParseError),
        ("Allow", {"a b"}, ParseError),
        ("X-Any", [None], BuildError),
        ("To", [None], BuildError),
        ("X Any", "x", BuildError),
        ("", "x", BuildError),
        ("X-Any:", "x", BuildError),
    ],
)
def test_what_cannot_be_set_changes_nothing(message, name, value, error):
    with pytest.raises(error):
        message[name] = value
    with pytest.raises(error):
        message.add(name, value)
    assert bytes(message) == wire()


def test_none_cannot_be_added(message):
    with pytest.raises(BuildError, match="None cannot be a To value"):
        message.add("To", None)
    with pytest.raises(BuildError, match="None cannot be a header value"):
        message.add("X-Any", None)


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("name", ["X-Any", "Subject", "To", "Via", "Allow", "Max-Forwards"])
def test_no_value_writes_a_header_of_its_own(message, name, bad):
    for value in (bad, bad.encode(), [bad]):
        with pytest.raises(BuildError, match="position 1"):
            message[name] = value
        with pytest.raises(BuildError, match="position 1"):
            message.add(name, value)
    with pytest.raises(BuildError):
        message[f"X-{bad}"] = "x"
    with pytest.raises(BuildError):
        message.add(f"X-{bad}", "x")
    assert bytes(message) == wire()


# -------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("Subject: lunch", "subject", "lunch"),
        ("s:lunch", "subject", "lunch"),
        ("SUBJECT \t:\tlunch  ", "subject", "lunch"),
        ("X-Any:", "x-any", ""),
        ("X-Any: a:b", "x-any", "a:b"),
        ("X-Any: a\r\n b\r\n\t  c", "x-any", "a b c"),
        ("X-Any: a \t\r\n \t b", "x-any", "a b"),
        ("X-Any:\r\n a", "x-any", "a"),
        ("X-Any: a\r\n ", "x-any", "a"),
    ],
)
def test_reading_a_line(line, key, value):
    assert parse_line(line) == (key, value)


@pytest.mark.parametrize(
    "line", ["", "Subject", ": x", "Sub ject: x", " Subject: x", "Sübject: x", "X\r\n : y"]
)
def test_what_is_no_header_line(line):
    with pytest.raises(ParseError) as refusal:
        parse_line(line)
    assert refusal.value.expected == "a header name and a colon"


@pytest.mark.parametrize("line", ["X: a\nb", "X: a\rb", "X: a\r\nb", "X: a\n b"])
def test_breaks_that_stand_alone(line):
    with pytest.raises(ParseError, match="CR and LF only together"):
        parse_line(line)


@pytest.mark.parametrize(("text", "position"), [("a\nb", 1), ("a\r\nb\r", 4), ("a\r\nb", None)])
def test_the_place_of_a_break(text, position):
    assert stray_break(text).position == position


def test_making_a_line():
    assert field("s", "x") == ("subject", "x", "s: x")
