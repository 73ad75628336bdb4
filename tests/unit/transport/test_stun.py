"""STUN at a SIP port (RFC 5626 §8, RFC 8489)."""

import asyncio
import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipparty.transport import UDPEndpoint, bind_udp, stun

LOOPBACK = "127.0.0.1"
ID = bytes(range(12))
COOKIE = 0x2112A442


def message(kind, attributes=b"", cookie=COOKIE, transaction=ID, length=None):
    """A STUN message made by hand, by the figures of RFC 8489 §5."""
    length = len(attributes) if length is None else length
    return struct.pack("!HHI", kind, length, cookie) + transaction + attributes


REQUEST = message(0x0001)


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def test_a_request_and_its_answer_to_the_byte():
    assert stun.binding_request(ID) == REQUEST
    # RFC 8489 §14.2: the port and the address, with the cookie (and the identifier) over them.
    port = 40000 ^ (COOKIE >> 16)
    address = int.from_bytes(bytes([203, 0, 113, 7])) ^ COOKIE
    mapped = attribute(0x0020, struct.pack("!BBHI", 0, 1, port, address))
    answer = stun.answer_to(REQUEST, ("203.0.113.7", 40000))
    assert answer == message(0x0101, mapped)
    assert stun.read_answer(answer) == (ID, ("203.0.113.7", 40000))


def test_ipv6():
    answer = stun.answer_to(REQUEST, ("2001:db8::1", 5060))
    assert stun.read_answer(answer) == (ID, ("2001:db8::1", 5060))


def test_an_old_server_says_the_address_openly():
    mapped = attribute(0x0001, bytes([0, 1]) + struct.pack("!H", 5060) + bytes([192, 0, 2, 1]))
    assert stun.read_answer(message(0x0101, mapped)) == (ID, ("192.0.2.1", 5060))


def test_an_error_response_has_no_address():
    error = attribute(0x0009, b"\0\0\4\0Bad Request")
    assert stun.read_answer(message(0x0111, error)) == (ID, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:19],
        message(0x0001, length=4),
        message(0x0001, b"\0\0\0\0", length=0),
        message(0x0011),  # an indication
        message(0x0101),  # a response without an address
        message(0x0003),  # ALLOCATE, which is TURN's
        message(0x0555),  # a method that nobody knows
        message(0x0001, attribute(0x0020, b"\0")),
        message(0x0001, attribute(0x8028, b"\0\0")),  # FINGERPRINT, too short
        message(0x0001, attribute(0x8028, b"\0\0\0\0")),  # FINGERPRINT, wrong
    ],
)
def test_what_is_wrong_is_dropped(data):
    assert stun.answer_to(data, ("192.0.2.1", 5060)) is None
    assert stun.read_answer(data) is None


MAPPED = attribute(0x0020, struct.pack("!BBHI", 0, 1, 5060 ^ (COOKIE >> 16), COOKIE))
OPTIONAL = attribute(0x8030, b"anything")


@pytest.mark.parametrize(
    ("attributes", "unknown"),
    [
        (attribute(0x7777, b"1234"), [0x7777]),
        # CHANGE-REQUEST of RFC 5780 would have the answer sent from elsewhere; PRIORITY is ICE's.
        (attribute(0x0003, b"\0\0\0\6") + attribute(0x0024, b"\0\0\0\1"), [0x0003, 0x0024]),
        (OPTIONAL + attribute(0x0002, b"12345") + attribute(0x7FFF, b"") * 2, [0x0002, 0x7FFF]),
    ],
)
def test_a_request_that_is_not_understood_is_refused(attributes, unknown):
    answer = stun.answer_to(message(0x0001, attributes), ("192.0.2.1", 5060))
    # RFC 8489 §14.8, §14.9: the class is the hundreds, and a type takes two bytes.
    refusal = attribute(0x0009, b"\0\0\4\x14")
    refusal += attribute(0x000A, b"".join(struct.pack("!H", kind) for kind in unknown))
    assert answer == message(0x0111, refusal)
    assert stun.read_answer(answer) == (ID, None)


def test_what_need_not_be_understood_is_passed_over():
    known = attribute(0x0006, b"alice") + attribute(0x0014, b"atlanta.com")
    signed = attribute(0x0008, bytes(20))
    behind = attribute(0x7777, b"1234")  # §14.5: it is not signed, so it is not looked at
    for attributes in (OPTIONAL, known, known + signed + behind, MAPPED):
        answer = stun.answer_to(message(0x0001, attributes), ("192.0.2.1", 5060))
        assert stun.read_answer(answer) == (ID, ("192.0.2.1", 5060))


def test_a_response_that_is_not_understood_is_dropped():
    seen = (ID, ("0.0.0.0", 5060))
    assert stun.read_answer(message(0x0101, MAPPED + OPTIONAL)) == seen
    old = b"".join(attribute(kind, bytes([0, 1, 0, 0, 0, 0, 0, 0])) for kind in (0x0004, 0x0005))
    assert stun.read_answer(message(0x0101, MAPPED + old)) == seen
    error = attribute(0x0009, b"\0\0\4\0")
    for kind, attributes in ((0x0101, MAPPED), (0x0111, error)):
        strange = attribute(0x7777, b"1234")
        assert stun.read_answer(message(kind, attributes + strange)) is None
        assert stun.read_answer(message(kind, strange + attributes)) is None


@given(st.binary(max_size=80), st.sampled_from([0x0001, 0x0101, 0x0111, 0x0011]))
@example(attribute(0x0009, b"\0\0\4\0\xff"), 0x0111)
def test_nothing_makes_it_raise(tail, kind):
    for data in (tail, message(kind, tail), message(kind, attribute(0x0020, tail))):
        stun.answer_to(data, ("192.0.2.1", 5060))
        stun.read_answer(data)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr(stun, "_library", lambda: None)
    assert not stun.is_available()
    assert stun.answer_to(REQUEST, ("192.0.2.1", 5060)) is None
    assert stun.read_answer(message(0x0101)) is None


# ---------------------------------------------------------------- told from SIP


@pytest.fixture
async def endpoint(owner):
    made = UDPEndpoint(asyncio.get_running_loop(), owner, bind_udp(LOOPBACK, 0))
    yield made
    made.close()


async def test_stun_is_told_from_sip(endpoint, owner):
    looks_alike = b"OPTI" + REQUEST[4:]  # the cookie, but a letter first
    wrong_cookie = message(0x0001, cookie=COOKIE + 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for data in (REQUEST, looks_alike, REQUEST[:19], wrong_cookie, b"\r\n\r\n", b""):
            peer.sendto(data, endpoint.address)
        await owner.until(lambda: len(owner.received) == 5)
    assert [data for data, _ in owner.stun] == [REQUEST]
    assert owner.messages == [looks_alike, REQUEST[:19], wrong_cookie, b"\r\n\r\n", b""]
