"""What is no SIP, on every transport: it is answered where that can be, costs at the most the
connection that it came by, and disturbs nobody.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from .defender import Defender
from .raw import HANDSHAKE, STREAMS, TRANSPORTS, catch_up, dial, end, frame, read_all, request

_CHANCE = random.Random(3261)


def _spoilt(number: int) -> bytes:
    """Return a request with some bytes of it changed."""
    data = bytearray(request("INVITE", number=number, body=b"v=0\r\n"))
    for _ in range(_CHANCE.randrange(1, 6)):
        data[_CHANCE.randrange(len(data))] = _CHANCE.randrange(256)
    return bytes(data)


#: By what it is called: what is sent, one piece after the other, by one socket or several.
GARBAGE: dict[str, list[bytes]] = {
    "chance": [_CHANCE.randbytes(_CHANCE.randrange(1, 1400)) for _ in range(30)],
    "zeros": [bytes(1), bytes(100), bytes(60_000)],
    "lines": [b"\r\n" * 2_000, b"\n" * 2_000, b"\r" * 2_000, b" " * 2_000, b"\r\n \r\n\t" * 500],
    "long": [
        b"A" * 60_000,
        b"OPTIONS sip:" + b"b" * 60_000 + b" SIP/2.0\r\n\r\n",
        request("OPTIONS", extra="X: " + "y" * 50_000 + "\r\n"),
        request("OPTIONS", user="b" * 20_000),
    ],
    "zeros inside": [
        request("OPTIONS").replace(b"biloxi", b"bil\0xi"),
        request("OPTIONS", extra="X\0: \0\r\n"),
        request("OPTIONS", number="\0"),
    ],
    "half": [request("INVITE", number="half")[:at] for at in (1, 8, 30, 60, 120, 250)],
    "spoilt": [_spoilt(number) for number in range(40)],
    "eight bits": [
        request("OPTIONS").replace(b"bob", b"b\xff\xfe\xc3"),
        request("OPTIONS", extra="Subject: ?\r\n").replace(b"?", b"\xed\xa0\x80"),
    ],
    "http": [
        b"GET / HTTP/1.1\r\nHost: biloxi.com\r\n\r\n",
        b"POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HANDSHAKE,
    ],
    "sip": [request("OPTIONS"), b"SIP/2.0 200 OK\r\n\r\n", b"INVITE\r\n\r\n"],
    "other": [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO mallory\r\n",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),  # STUN
        b"\x80\x00" + bytes(170),  # RTP
        b"v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=-\r\n",
    ],
}


def throw(bob: Defender, transport: str, data: bytes, shake: bool) -> bytes:
    """Send something by a connection of its own, end it, and return what is said to that."""
    with dial(bob.port, transport, shake=shake) as sock:
        if shake:
            data = frame(data, transport)
        with contextlib.suppress(OSError):
            sock.sendall(data)
            end(sock)
        return read_all(sock)


@pytest.mark.parametrize("kind", GARBAGE)
def test_by_udp(defended: Any, kind: str) -> None:
    bob = defended()
    with bob.call(), dial(bob.port, "udp") as sock:
        for data in GARBAGE[kind]:
            sock.send(data)
        catch_up(sock)
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("kind", GARBAGE)
def test_by_a_connection(defended: Any, transport: str, kind: str) -> None:
    """In a WebSocket's frames, where there are any."""
    bob = defended(transport)
    with bob.call():
        for data in GARBAGE[kind]:
            throw(bob, transport, data, shake=True)
    bob.check()


@pytest.mark.parametrize("transport", ["ws", "wss"])
@pytest.mark.parametrize("kind", GARBAGE)
def test_in_the_place_of_a_handshake(defended: Any, transport: str, kind: str) -> None:
    """What is no request by HTTP for a WebSocket of SIP's gets none."""
    bob = defended(transport)
    with bob.call():
        for data in GARBAGE[kind]:
            said = throw(bob, transport, data, shake=False)
            assert data == HANDSHAKE or b"SIP/2.0 200" not in said
            assert b"HTTP/1.1 101" not in said or data == HANDSHAKE
    bob.check()


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_frames_that_are_wrong(defended: Any, transport: str) -> None:
    """Reserved bits and opcodes, lengths without end, no mask, a message that goes on and on."""
    bob = defended(transport)
    good = frame(request("OPTIONS", transport), transport)
    wrong = [bytes([first]) + good[1:] for first in (0xF2, 0x83, 0x8F, 0x00, 0x0A)]
    wrong += [b"\x82\xff" + b"\xff" * 12, b"\x82\xff\x7f" + b"\xff" * 11, b"\x82\x05hello"]
    wrong += [b"\x89\xfe\xff\xff" + bytes(70_000), (b"\x02" + good[1:]) * 3, b"\x00\x80" + bytes(4)]
    with bob.call():
        for data in wrong:
            with dial(bob.port, transport) as sock:
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                    bob.clock.advance(40)  # for what is still to come
                said = read_all(sock)
                assert b"SIP/2.0 200" not in said
    bob.check()


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_a_message_in_pieces(defended: Any, transport: str) -> None:
    """It is one all the same, be they a byte each, or nothing: no more is held than came."""
    bob = defended(transport)
    whole = request("OPTIONS", transport)
    pieces = frame(b"", transport, last=False)
    for at in range(len(whole)):
        pieces += frame(b"", transport, opcode=0, last=False) * 20
        pieces += frame(whole[at : at + 1], transport, opcode=0, last=False)
    with dial(bob.port, transport) as sock, bob.call():
        sock.sendall(pieces)
        held = bob.engine.run(
            lambda: [one._parts for one in bob.listener.connections if one._parts is not None]
        )
        assert all(len(parts) <= len(whole) for parts in held)
        sock.sendall(frame(b"", transport, opcode=0))
        assert b"SIP/2.0 200 " in sock.recv(65536)
    bob.check()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_by_one(defended: Any, transport: str) -> None:
    """A request, cut off at every place, or with every byte in turn made a zero: no piece of it
    is taken for a call.
    """
    bob = defended(transport)
    whole = request("INVITE", transport, number="cut")
    pieces = [whole[:at] for at in range(0, len(whole) - 1, 7)]
    with bob.call():
        if transport == "udp":
            with dial(bob.port, "udp") as sock:
                for data in pieces:
                    sock.send(data)
                catch_up(sock)
        else:
            for data in pieces:
                throw(bob, transport, data, shake=True)
    bob.check()
