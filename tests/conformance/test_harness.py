"""The probes can fail: what is wrong is seen, and said."""

from __future__ import annotations

import socket

import pytest

from .laws import check_ack, check_request, check_response
from .message import BadMessage, Message, split_stream
from .peer import Peer
from .probe import Probe, Scene, Step, run
from .rtp import Packet, read_compound, rtp
from .stage import Stage
from .steps import Ack, Expect, Later, Quiet, Repeats, Reply, Send
from .user import Dial, Stands

#: Probes that are wrong, and what is said of each.
WRONG: tuple[tuple[str, tuple[Step, ...]], ...] = (
    ("SIP/2.0 200 OK' came", (Send("OPTIONS"), Expect(404))),
    ("Allow is", (Send("OPTIONS"), Expect(200, {"Allow": "PUBLISH"}))),
    ("there is Allow", (Send("OPTIONS"), Expect(200, {"Allow": None}))),
    ("in the body", (Send("OPTIONS"), Expect(200, body=("^v=0",)))),
    ("there came .'SIP/2.0 200", (Send("OPTIONS"), Quiet())),
    ("1 came", (Send("INVITE"), Expect(200), Later(0.6), Repeats(200, 2))),
    ("it is InDialog", (Send("INVITE"), Expect(200), Ack(), Stands("Terminated"))),
    ("'ACK sip:", (Dial(), Expect("INVITE"), Reply(486), Expect("BYE"))),
)


@pytest.mark.parametrize(("said", "steps"), WRONG, ids=[said for said, _ in WRONG])
def test_a_probe_that_is_wrong(stage: Stage, said: str, steps: tuple[Step, ...]) -> None:
    with pytest.raises(pytest.fail.Exception, match=said):
        run(stage, Probe("RFC 0", "wrong", *steps, party="plain"), "udp")


REQUEST = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK11\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:bob@biloxi.com>\r\nCall-ID: x\r\n"
    b"CSeq: 7 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
)
RESPONSE = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;rport=9;branch=z9hG4bK11;received=192.0.2.2\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@biloxi.com>;tag=2\r\nCall-ID: x\r\n"
    b"CSeq: 7 INVITE\r\nContact: <sip:bob@192.0.2.3>\r\nContent-Length: 0\r\n\r\n"
)


def test_what_is_right() -> None:
    check_request(Message.strict(REQUEST))
    check_response(Message.strict(REQUEST), Message.strict(RESPONSE))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b";tag=2", b"", "no tag"),
        (b"From: <sip:a@b>;tag=1", b"From: <sip:a@b>;tag=9", "From"),
        (b"Call-ID: x", b"Call-ID: y", "Call-ID"),
        (b"CSeq: 7", b"CSeq: 8", "CSeq"),
        (b"branch=z9hG4bK11", b"branch=z9hG4bK22", "Via"),
        (b"Contact: <sip:bob@192.0.2.3>\r\n", b"", "Contact"),
        (b"CSeq", b"Record-Route: <sip:p;lr>\r\nCSeq", "Record-Route"),
        (b"CSeq", b"To: <sip:x@y>;tag=2\r\nCSeq", "To"),
        (b"200 OK", b"405 No", "Allow"),
    ],
)
def test_a_response_that_is_wrong(old: bytes, new: bytes, said: str) -> None:
    wrong = RESPONSE.replace(old, new)
    assert wrong != RESPONSE
    with pytest.raises(AssertionError, match=said):
        check_response(Message.strict(REQUEST), Message.strict(wrong))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b";tag=1", b"", "tag"),
        (b";rport", b"", "rport"),
        (b"z9hG4bK11", b"1", "cookie"),
        (b"7 INVITE", b"7 BYE", "CSeq"),
        (b"7 INVITE", b"2147483648 INVITE", "CSeq"),
        (b"Max-Forwards: 70\r\n", b"", "max-forwards"),
        (b"Contact: <sip:a@192.0.2.1>\r\n", b"", "Contact"),
        (b"biloxi.com SIP", b"biloxi.com?x=y SIP", "Request-URI"),
    ],
)
def test_a_request_that_is_wrong(old: bytes, new: bytes, said: str) -> None:
    wrong = REQUEST.replace(old, new)
    assert wrong != REQUEST
    with pytest.raises(AssertionError, match=said):
        check_request(Message.strict(wrong))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Length: 0", b"Length: 1"),
        (b"Content-Length: 0\r\n", b""),
        (b"\r\nFrom", b"\nFrom"),
        (b"From: ", b"From "),
        (b"200 OK", b"200OK"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_what_is_no_message(old: bytes, new: bytes) -> None:
    wrong = RESPONSE.replace(old, new)
    assert wrong != RESPONSE
    with pytest.raises(BadMessage):
        Message.strict(wrong)


def test_an_ack_of_another_branch() -> None:
    refusal = Message.strict(RESPONSE.replace(b"200 OK", b"486 Busy"))
    ack = REQUEST.replace(b"INVITE", b"ACK").replace(
        b"To: <sip:bob@biloxi.com>", b"To: <sip:bob@biloxi.com>;tag=2"
    )
    check_ack(Message.strict(ack), Message.strict(REQUEST), refusal)
    other = Message.strict(ack.replace(b"z9hG4bK11", b"z9hG4bK99"))
    with pytest.raises(AssertionError, match="Via"):
        check_ack(other, Message.strict(REQUEST), refusal)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"v=0\r\ns=-\r\n", "grammar"),
        (b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n", "address"),
        (b"v=0\no=- 1 1 IN IP4 h\ns=-\nt=0 0\n", "CRLF"),
    ],
)
def test_a_description_that_is_wrong(body: bytes, said: str) -> None:
    wrong = RESPONSE.replace(
        b"Content-Length: 0\r\n\r\n",
        b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
    )
    with pytest.raises(AssertionError, match=said):
        check_response(Message.strict(REQUEST), Message.strict(wrong))


def test_messages_in_a_stream() -> None:
    assert split_stream(RESPONSE + b"\r\n" + RESPONSE + b"SIP") == ([RESPONSE, RESPONSE], b"SIP")
    with pytest.raises(BadMessage):
        split_stream(RESPONSE.replace(b"Content-Length: 0\r\n", b""))


def test_media_that_is_wrong() -> None:
    assert Packet.read(rtp(7, kind=8), 9).sequence == 7
    with pytest.raises(AssertionError):
        Packet.read(rtp(7, first=0x40), 9)
    with pytest.raises(AssertionError):
        read_compound(b"\x80\xc9\0\x07abcd")


def test_what_is_left_is_seen(stage: Stage) -> None:
    peer = Peer(stage.ports("plain")["udp"])
    scene = Scene(stage, stage.parties["plain"], peer, {})
    Send("INVITE").play(scene)
    Expect(200).play(scene)
    assert {"dialogs", "timers", "server_transactions", "calls"} <= set(stage.left())
    with stage.cleared():
        peer.close()
    assert not stage.left()


def test_a_file_that_is_left_is_seen(stage: Stage) -> None:
    with pytest.raises(AssertionError, match="1 files"), stage.cleared():
        left = socket.socket()
    left.close()
