"""message/sipfrag: the examples of RFC 3420 and what is like them."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Multipart, Part, Request, Response, parse_sipfrag


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_start_line_alone(end):
    invite = parse_sipfrag(b"INVITE sip:alice@atlanta.com SIP/2.0" + end)
    assert isinstance(invite, Request)
    assert (invite.method, invite.uri_text) == ("INVITE", "sip:alice@atlanta.com")
    declined = parse_sipfrag(b"SIP/2.0 603 Declined" + end)
    assert isinstance(declined, Response)
    assert (declined.status, declined.reason, declined.body) == (603, "Declined", b"")


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_start_line_and_some_headers(end):
    register = parse_sipfrag(
        b"REGISTER sip:atlanta.com SIP/2.0\r\n"
        b"To: sip:alice@atlanta.com\r\n"
        b"Contact: <sip:alicepc@atlanta.com>;q=0.9,\r\n"
        b"         <sip:alicemobile@atlanta.com>;q=0.1" + end
    )
    assert register.to.username == "alice"
    assert [contact.parameter("q") for contact in register.all("Contact")] == ["0.9", "0.1"]
    assert register.cseq is None


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n"])
def test_headers_alone(end):
    part = parse_sipfrag(
        b"From: Alice <sip:alice@atlanta.com>\r\nDate: Thu, 21 Feb 2002 13:02:03 GMT\r\n"
        b"Cseq : 314159 INVITE" + end
    )
    assert isinstance(part, Part)
    assert part.from_.display_name == "Alice"
    assert part.cseq.number == 314159
    assert part.body == b""


def test_a_body():
    answer = parse_sipfrag(
        b"SIP/2.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi, all"
    )
    assert answer.body == b"Hi"
    part = parse_sipfrag(b"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nHi There!\r\n")
    assert (part.media_type, part.body) == ("text/plain", b"Hi There!")
    assert parse_sipfrag(b"Content-Type: text/plain\r\n\r\nHi\r\n").body == b"Hi\r\n"


def test_a_fragment_in_a_part():
    part = Part("message/sipfrag;version=2.0", "SIP/2.0 100 Trying\r\n")
    notify = Request("NOTIFY", "sip:alice@atlanta.com", (), Multipart([part]))
    assert parse_sipfrag(notify.find_part("message/sipfrag").body).status == 100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r\nHi There!",
        b"INVITE",
        b"INVITE sip:alice@atlanta.com SIP/1.09",
        b"SIP/2.0",
        b"SIP/1.0 200 OK",
        b"404 Not Found",
        b"MESSAGE sip:alice@atlanta.com SIP/2.0\r\nHi There!",
        b"SIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nHi",
        b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nHi",
        b"Content-Type: text/plain\r\nContent-Length: x\r\n\r\nHi",
        b"From: <sip:a@b>\r\nHi There!",
    ],
)
def test_what_is_no_fragment(data):
    with pytest.raises(ParseError):
        parse_sipfrag(data)
