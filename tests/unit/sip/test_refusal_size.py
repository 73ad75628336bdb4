"""Refusals by datagrams are small, or are none."""

import pytest

from sipparty.sip import Message, Request, Response
from sipparty.sip.refusal_size import refusal

CHALLENGES = [("WWW-Authenticate", f'Digest realm="r", nonce="{n * 60}"') for n in "ab"]


@pytest.fixture
def response():
    request = Request("OPTIONS", "sip:b@h")
    for name, value in (
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>"),
        ("Call-ID", "1"),
        ("CSeq", "1 OPTIONS"),
    ):
        request.add(name, value)
    headers = [*CHALLENGES, ("Warning", '399 h "words"'), ("Retry-After", "7")]
    return request.response(401, None, headers, to_tag="t")


def names(data):
    return [name for name, *_ in Message.parse(data)._fields]


def test_one_that_is_small_enough_goes_as_it_is(response):
    assert refusal(response, (len(bytes(response)) + 1) // 2, "UDP") == bytes(response)


def test_one_that_is_too_large_loses_what_is_of_no_use(response):
    data = refusal(response, (len(bytes(response)) - 1) // 2, "UDP")
    cut = Message.parse(data)
    assert isinstance(cut, Response)
    assert cut.status == 401
    assert names(data) == [
        *("via", "from", "to", "call-id", "cseq", "www-authenticate", "retry-after"),
        "content-length",
    ]
    assert cut.lines("WWW-Authenticate") == [CHALLENGES[0][1]]
    smallest = (len(data) + 1) // 2
    assert refusal(response, smallest, "UDP") == data
    assert refusal(response, smallest - 1, "UDP") == b""


def test_what_just_fits_keeps_what_it_says():
    request = Request("DANCE", "sip:b@h")
    for name, value in (
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>;tag=2"),
        ("Call-ID", "1"),
        ("CSeq", "1 DANCE"),
    ):
        request.add(name, value)
    useful = request.response(405, None, [("Allow", "INVITE, ACK")])
    if len(bytes(useful)) % 2:  # a request is of whole bytes
        useful = request.response(405, None, [("Allow", "INVITE, ACKS")])
    refused = request.response(
        405, None, [("Allow", useful._text("allow")), ("Warning", '399 h "words"')]
    )
    half = len(bytes(useful)) // 2
    assert refusal(refused, half, "UDP") == bytes(useful)
    assert "allow" not in names(refusal(refused, half - 1, "UDP"))


def test_over_a_connection_nobody_else_can_get_it(response):
    assert refusal(response, 1, "TCP") == bytes(response)


def test_a_request_too_small_for_an_answer_leaves_nothing(wire):
    """And is counted."""
    wire.agent()
    small = b"OPTIONS sip:x@h SIP/2.0\r\nv:SIP/2.0/UDP h\r\nf:<sip:a@h>\r\nt:<sip:b@h>\r\n"
    small += b"i:1\r\nCSeq:1 OPTIONS\r\nRequire:" + b",".join([b"a"] * 5) + b"\r\n\r\n"
    wire.receive(small)
    for answer in wire.sent():
        assert len(bytes(answer)) <= 2 * len(small)
    assert wire.core.idle()


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "BYE"])
def test_what_is_refused_for_want_of_room_is_small_too(wire, method):
    made = type(wire)(limits=type(wire.core.limits)(max_transactions=0))
    small = f"{method} sip:x@h SIP/2.0\r\nv:SIP/2.0/UDP h\r\nf:a:b\r\nt:a:b\r\ni:1\r\n"
    made.receive(f"{small}CSeq:1 {method}\r\n\r\n".encode())
    assert made.sent() == []
    assert made.core.counts()["refused"] == 1


def test_so_is_what_is_malformed(wire):
    wire.receive(b"O x\r\nv:SIP/2.0/UDP h\r\nf:a:b\r\nt:a:b\r\ni:1\r\nCSeq:1 O\r\n\r\n")
    assert wire.sent() == []
    assert wire.core.counts()["malformed"] == 1


def test_one_that_needs_no_challenge_is_cut_to_what_every_response_has():
    request = Request("INVITE", "sip:b@h")
    for name, value in (
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>"),
        ("Call-ID", "1"),
        ("CSeq", "1 INVITE"),
    ):
        request.add(name, value)
    accept = ("Accept", "application/sdp, multipart/mixed")
    made = request.response(415, None, [accept, ("Server", "x" * 80)], to_tag="t")
    size = len(bytes(made))
    assert "accept" in names(refusal(made, (size - 60) // 2, "UDP"))
    assert names(refusal(made, (size - 110) // 2, "UDP"))[:5] == [
        *("via", "from", "to", "call-id", "cseq"),
    ]
    assert "accept" not in names(refusal(made, (size - 110) // 2, "UDP"))
