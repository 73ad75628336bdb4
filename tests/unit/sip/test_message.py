"""Messages: parsed, built, changed, answered, written."""

from __future__ import annotations

import copy
import pickle

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sdp import SessionDescription
from sipparty.sip.components import URI
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.values import CSeq, DNameURI, Via

from .messages import INVITE, with_lines

# -------------------------------------------------------------------- parsing and writing


def test_a_request():
    message = Message.parse(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri_text, message.version) == (
        *("INVITE", "sip:bob@biloxi.com", "SIP/2.0"),
    )
    assert message.uri == URI.parse("sip:bob@biloxi.com")
    assert message.body == b"body"
    assert [via.host for via in message.all("Via")] == ["pc33.atlanta.com", "bigbox.atlanta.com"]
    assert message["X-Odd"] == "caf\udce9"
    assert repr(message) == "<Request INVITE sip:bob@biloxi.com>"


def test_a_response():
    data = with_lines(b"To: <sip:b>", start=b"SIP/2.0 404 Not Here")
    message = Message.parse(data)
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.version) == (404, "Not Here", "SIP/2.0")
    assert repr(message) == "<Response 404 Not Here>"
    assert bytes(message) == data


def test_what_is_not_touched_is_written_as_it_came():
    message = Message.parse(INVITE)
    assert bytes(message) == INVITE
    for name in message:
        message.all(name)
    _ = (message.uri, message.to.uri, message.to.parameters, message.via.parameters)
    assert bytes(message) == INVITE
    assert str(message) == INVITE.decode("utf-8", "replace")


def test_empty_lines_before_are_passed_over():
    # RFC 3261 §7.5
    assert bytes(Message.parse(b"\r\n\r\n" + INVITE)) == INVITE


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_bytes(kind):
    message = Message.parse(kind(INVITE))
    assert bytes(message) == INVITE
    assert type(message.body) is bytes


@pytest.mark.parametrize("data", ["INVITE", None, 5])
def test_what_is_no_bytes(data):
    with pytest.raises(TypeError):
        Message.parse(data)


def test_unknown_methods_headers_and_schemes_survive():
    data = with_lines(
        b'X-Wild: "a, <b"; c, d', b"To: <urn:example:1>;x", start=b"!%Z*_+`'~ tel:+1 SIP/2.0"
    )
    message = Message.parse(data)
    assert message.method == "!%Z*_+`'~"
    assert message.uri.absoluteURIPart == "+1"
    assert message.all("X-Wild") == ['"a, <b"; c, d']
    assert message.to.uri.scheme == "urn"
    message.to.tag = "1"
    assert bytes(message) == data.replace(b";x\r\n", b";x;tag=1\r\nContent-Length: 0\r\n")


def test_folds_anywhere_but_in_the_start_line():
    message = Message.parse(
        with_lines(b"Subject:\r\n a\r\n\tb", b"X-New: c \r\n  d", b"To: <sip:b>\r\n ;tag=1")
    )
    assert (message.subject, message["X-New"], message.to.tag) == ("a b", "c d", "1")
    assert message.lines("To") == ["<sip:b> ;tag=1"]


@pytest.mark.parametrize("start", [b"SIP/2.0 200 OK", b"OPTIONS sip:b SIP/2.0"])
def test_a_start_line_is_not_folded(start):
    with pytest.raises(ParseError):
        Message.parse(with_lines(b" more: x", start=start))
    with pytest.raises(ParseError):
        Message.parse(with_lines(b" more", b"To: <sip:b>", start=start))


# -------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"OPTIONS", "request line"),
        (b"OPTIONS sip:b", "request line"),
        (b" OPTIONS sip:b SIP/2.0", "request line"),
        (b"OPTIONS sip:b b SIP/2.0", "request line"),
        (b"OPT/IONS sip:b SIP/2.0", "request line"),
        (b"OPTIONS sip:b HTTP/1.1", "request line"),
        (b"OPTIONS sip:b SIP/2", "request line"),
        (b"SIP/2.0 OK", "status line"),
        (b"SIP/2.0 20 OK", "status line"),
        (b"SIP/2.0 200OK", "status line"),
        (b"SIP/2.0 099 X", "status line"),
        (b"SIP/2.0 700 X", "status line"),
        (b"SIP/2.0 99999999999 X", "status line"),
        (b"SIP/2 200 OK", "status line"),
    ],
)
def test_start_lines_that_are_none(start, what):
    with pytest.raises(ParseError) as refusal:
        Message.parse(with_lines(b"To: <sip:b>", start=start))
    assert refusal.value.what == what
    assert refusal.value.status == 400
    assert refusal.value.text == start.decode()


@pytest.mark.parametrize(
    ("start", "reason"),
    [(b"SIP/2.0 200", ""), (b"SIP/2.0 200 ", ""), (b"sip/2.0 200 \xc3\xa9 x ", "é x ")],
)
def test_odd_status_lines_that_are_taken(start, reason):
    message = Message.parse(with_lines(start=start))
    assert (message.status, message.reason) == (200, reason)
    assert bytes(message) == with_lines(start=start)


def test_a_version_is_for_others_to_judge():
    assert Message.parse(with_lines(start=b"OPTIONS sip:b SIP/7.0")).version == "SIP/7.0"


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"OPTIONS", INVITE[:50], INVITE[:-8]])
def test_a_head_that_does_not_end(data):
    with pytest.raises(ParseError, match="an empty line after the headers"):
        Message.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        with_lines(b"To: <sip:b>\rX: y"),
        with_lines(b"Subject: a\r\n b", start=b"OPTIONS sip:\rb SIP/2.0"),
        with_lines(b"To: <sip:b>\r\r\nX: y"),
        with_lines(b"To: <sip:b>\nX: \ry"),
    ],
)
def test_breaks_that_stand_alone(data):
    with pytest.raises(ParseError) as refusal:
        Message.parse(data)
    assert refusal.value.expected == "CR and LF only together"
    assert refusal.value.text[refusal.value.position] in "\r\n"


@pytest.mark.parametrize(
    ("start", "written"),
    [
        (b"OPTIONS  sip:b SIP/2.0", b"OPTIONS sip:b SIP/2.0"),
        (b"OPTIONS sip:b SIP/2.0 \t ", b"OPTIONS sip:b SIP/2.0"),
        (b"OPTIONS\tsip:b \t SIP/2.0", b"OPTIONS sip:b SIP/2.0"),
        (b"SIP/2.0  200 OK", b"SIP/2.0 200 OK"),
        (b"SIP/2.0 200  OK so", b"SIP/2.0 200  OK so"),  # that is its reason phrase
        (b"SIP/2.0\t200", b"SIP/2.0 200 "),
        (b"SIP/2.0 200\tOK", b"SIP/2.0 200 OK"),
    ],
)
def test_white_space_in_a_start_line_is_read_and_not_sent_on(start, written):
    # RFC 4475 §3.1.2.9, §3.1.2.10
    data = with_lines(b"To: <sip:b>", b"X:  y", start=start)
    message = Message.parse(data)
    assert bytes(message.copy()) == bytes(message)
    assert bytes(message).rstrip() == data.replace(start, written.rstrip(b" "), 1).rstrip()
    assert message.lines("X") == ["y"]


@pytest.mark.parametrize(
    "bare",
    [
        INVITE.replace(b"\r\n", b"\n"),
        INVITE.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n")
        + b"\n\n"
        + INVITE.partition(b"\r\n\r\n")[2],
        INVITE.replace(b"\r\n", b"\n", 1),
        b"\n\r\n" + INVITE.replace(b"\r\n", b"\n", 3),
        INVITE.replace(b"\r\n\r\n", b"\r\n\n", 1),
        INVITE.replace(b"\r\n\r\n", b"\n\r\n", 1),
    ],
)
def test_bare_line_feeds_are_read_and_not_sent_on(bare):
    message, proper = Message.parse(bare), Message.parse(INVITE)
    assert message.lines("Via") == proper.lines("Via")
    assert bytes(message).partition(b"\r\n\r\n")[0] == bytes(proper).partition(b"\r\n\r\n")[0]
    assert message.body.replace(b"\r\n", b"\n") == proper.body.replace(b"\r\n", b"\n")


def test_a_body_keeps_its_line_feeds():
    data = with_lines(b"To: <sip:b>") + b"a\nb\n\nc"
    assert bytes(Message.parse(data)) == data
    folded = Message.parse(data.replace(b"\r\n\r\n", b"\nX-A: y\n z\n\n", 1))
    assert folded["X-A"] == "y z"
    assert folded.body == b"a\nb\n\nc"


@pytest.mark.parametrize("line", [b"To", b": x", b"T o: x", b"\xffo: x", b"Subject"])
def test_lines_that_are_no_headers(line):
    with pytest.raises(ParseError, match="a header name and a colon") as refusal:
        Message.parse(with_lines(b"X: y", line))
    assert refusal.value.what == "header line"


def test_the_limit_of_the_head(monkeypatch):
    data = with_lines(b"X: " + b"a" * 50)
    monkeypatch.setattr(Message, "MAX_HEAD", len(data) - 4)
    assert bytes(Message.parse(data + b"b" * 999)) == data + b"b" * 999
    monkeypatch.setattr(Message, "MAX_HEAD", len(data) - 5)
    with pytest.raises(ParseError) as refusal:
        Message.parse(data)
    assert refusal.value.status == 513
    assert f"a head of at most {len(data) - 5} bytes" in str(refusal.value)


def test_the_limit_of_header_lines(monkeypatch):
    monkeypatch.setattr(Message, "MAX_FIELDS", 3)
    # A folded line counts once.
    assert len(list(Message.parse(with_lines(b"A: a\r\n b\r\n c", b"B: b", b"C: c")))) == 3
    with pytest.raises(ParseError, match="at most 3 header lines") as refusal:
        Message.parse(with_lines(b"A: a", b"B: b", b"C: c", b"D: d"))
    assert refusal.value.status == 513


# -------------------------------------------------------------------- the body's length


@pytest.mark.parametrize(
    ("lines", "sent", "body"),
    [
        ((), b"all of it", b"all of it"),
        ((b"Content-Length: 3",), b"abcdef", b"abc"),
        ((b"l:\t0",), b"abc", b""),
        ((b"Content-Length: 0003",), b"abc", b"abc"),
        ((b"Content-Length:\r\n 3",), b"abc", b"abc"),
    ],
)
def test_a_body_is_as_long_as_it_says(lines, sent, body):
    # RFC 3261 §18.3
    message = Message.parse(with_lines(*lines, body=sent))
    assert message.body == body
    assert bytes(message) == with_lines(*lines, body=body)


@pytest.mark.parametrize("length", [b"4", b"-1", b"x", b"", b"+3", b"3.0", b"9" * 11, b"\xc2\xb3"])
def test_lengths_that_are_wrong(length):
    with pytest.raises(ParseError) as refusal:
        Message.parse(with_lines(b"Content-Length: " + length, body=b"abc"))
    assert refusal.value.what == "Content-Length"
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("lines", "written"),
    [
        ((b"l: 3",), (b"l: 3",)),
        ((b"X: y",), (b"X: y", b"Content-Length: 3")),
        ((b"Content-Length: 3", b"l: 5"), (b"Content-Length: 3",)),
    ],
)
def test_a_changed_message_has_a_length_that_is_right(lines, written):
    message = Message.parse(with_lines(*lines, body=b"abc"))
    message.method = "INFO"
    assert bytes(message) == with_lines(*written, start=b"INFO sip:b SIP/2.0", body=b"abc")


def test_a_body_that_is_set():
    message = Message.parse(with_lines(b"l: 3", b"X: y", body=b"abc"))
    message.body = "é"
    assert message.body == b"\xc3\xa9"
    assert bytes(message) == with_lines(b"Content-Length: 2", b"X: y", body=b"\xc3\xa9")
    message.body = bytearray(b"")
    assert bytes(message) == with_lines(b"Content-Length: 0", b"X: y")
    sdp = SessionDescription.audio("192.0.2.1", 4000, ["PCMU"])
    message.body = sdp
    assert message.body == bytes(sdp)
    assert Request("INFO", "sip:b", body=sdp).body == bytes(sdp)
    for wrong in (5, None, ["x"]):
        with pytest.raises(TypeError, match="a body is bytes"):
            message.body = wrong
        with pytest.raises(TypeError, match="a body is bytes"):
            Request("INFO", "sip:b", body=wrong)


def test_a_length_that_is_set_wrong_does_not_last():
    message = Request("INFO", "sip:b", {"Content-Length": 99}, "abc")
    assert b"Content-Length: 3\r\n" in bytes(message)
    message.content_length = 5
    assert b"Content-Length: 3\r\n" in bytes(message)
    assert message.content_length == 3


# -------------------------------------------------------------------- changing


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (lambda m: setattr(m, "method", "INFO"), b"INVITE sip:bob@b", b"INFO sip:bob@b"),
        (lambda m: setattr(m, "uri", "sip:c"), b"E sip:bob@biloxi.com", b"E sip:c"),
        (lambda m: setattr(m.uri, "host", "c"), b"E sip:bob@biloxi.com", b"E sip:bob@c"),
        (lambda m: setattr(m.uri.aor, "username", "y"), b"E sip:bob@", b"E sip:y@"),
        (lambda m: setattr(m.to, "tag", "x"), b"TO: Bob <sip:bob@biloxi.com>", None),
        (lambda m: setattr(m.via, "branch", "z"), b"z9hG4bK776asdhds", b"z"),
        (lambda m: setattr(m, "max_forwards", 69), b"Forwards: 70", b"Forwards: 69"),
        (lambda m: m.add("X-A", "y"), b"l: 4\r\n", b"l: 4\r\nX-A: y\r\n"),
    ],
)
def test_a_change_changes_nothing_else(change, old, new):
    message = Message.parse(INVITE)
    change(message)
    assert INVITE.count(old) == 1
    assert bytes(message) == INVITE.replace(old, old + b";tag=x" if new is None else new)


def test_the_uri_that_is_set_is_copied():
    mine = URI.parse("sip:bob@b")
    message = Request("OPTIONS", mine)
    mine.host = "elsewhere"
    assert message.uri_text == "sip:bob@b"
    message.uri.host = "c"
    assert message.uri_text == "sip:bob@c"
    assert str(mine) == "sip:bob@elsewhere"
    assert bytes(message).startswith(b"OPTIONS sip:bob@c SIP/2.0\r\n")


def test_a_response_that_is_changed():
    message = Response(200, headers={"To": "<sip:b>"})
    message.status, message.reason = 183, "On it"
    assert bytes(message).startswith(b"SIP/2.0 183 On it\r\nTo: <sip:b>\r\n")


@pytest.mark.parametrize("bad", ["", "IN VITE", "INVITE\r\nX: y", "A/B", "é"])
def test_what_is_no_method(bad):
    message = Message.parse(INVITE)
    with pytest.raises(BuildError, match="cannot be a method"):
        message.method = bad
    with pytest.raises(BuildError, match="cannot be a method"):
        Request(bad, "sip:b")
    assert bytes(message) == INVITE


@pytest.mark.parametrize(
    "bad", ["", "sip:a b", "sip:a\r\nX: y", "sip:a\0", "bob", "sip:", "<sip:b>", "sip:a\tb"]
)
def test_what_is_no_request_uri(bad):
    message = Message.parse(INVITE)
    with pytest.raises((BuildError, ParseError)):
        message.uri = bad
    with pytest.raises((BuildError, ParseError)):
        Request("OPTIONS", bad)
    assert bytes(message) == INVITE


@pytest.mark.parametrize("status", [99, 700, "200", None])
def test_what_is_no_status(status):
    with pytest.raises(BuildError, match="cannot be a status code"):
        Response(status)
    message = Response(200)
    with pytest.raises(BuildError, match="cannot be a status code"):
        message.status = status
    with pytest.raises(BuildError, match="cannot be a status code"):
        Message.parse(INVITE).response(status)


@pytest.mark.parametrize("reason", ["OK\r\nX: y", "a\nb", "a\0"])
def test_what_is_no_reason(reason):
    with pytest.raises(BuildError, match="cannot be a reason phrase"):
        Response(200, reason)
    with pytest.raises(BuildError, match="cannot be a reason phrase"):
        Message.parse(INVITE).response(200, reason)


# -------------------------------------------------------------------- building


def test_building_a_request():
    message = Request(
        "INVITE",
        "sip:bob@biloxi.com",
        {
            "Via": [Via("UDP", "a", 5060, "z9hG4bK1"), "SIP/2.0/TCP b"],
            "To": DNameURI("sip:bob@biloxi.com", "Bob"),
            "f": "<sip:alice@a>;tag=1",
            "CSeq": CSeq(1, "INVITE"),
            "Allow": ("INVITE", "ACK"),
            "Max-Forwards": 70,
        },
        "hello",
    )
    data = (
        b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP a:5060;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP b\r\n"
        b'To: "Bob" <sip:bob@biloxi.com>\r\nf: <sip:alice@a>;tag=1\r\nCSeq: 1 INVITE\r\n'
        b"Allow: INVITE, ACK\r\nMax-Forwards: 70\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert bytes(message) == data
    assert Message.parse(data) == message


def test_pairs_keep_their_order_and_may_repeat():
    pairs = [("X-A", "1"), ("X-B", "2"), ("X-A", "3")]
    message = Response(200, "", pairs)
    assert (
        bytes(message) == b"SIP/2.0 200 \r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\nContent-Length: 0\r\n\r\n"
    )


def test_messages_are_equal_when_they_are_written_alike():
    one, other = Message.parse(INVITE), Message.parse(INVITE)
    assert one == other
    other.to.tag = "x"
    assert one != other
    assert one != INVITE
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


@pytest.mark.parametrize(
    "duplicate",
    [Message.copy, copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
)
def test_copies_are_independent(duplicate):
    one = Message.parse(INVITE)
    one.to.tag = "x"
    made = duplicate(one)
    assert made == one
    assert type(made) is Request
    made.to.tag = "y"
    made.add("X-A", "y")
    made.uri.host = "z"
    assert one.to.tag == "x"
    assert "X-A" not in one
    assert one.uri_text == "sip:bob@biloxi.com"
