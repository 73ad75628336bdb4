"""Messages as large as they get, of shapes that cost most to read: they are answered as the limits
say, or not at all, and nobody waits for that.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from .raw import STREAMS, catch_up, dial, frame, read_all, request

#: The most that fits into a datagram, with some room for the head's other lines.
MOST = 64_000


def _fill(unit: str, most: int = MOST) -> str:
    return unit * (most // len(unit))


def shapes(transport: str) -> dict[str, bytes]:
    """Hostile messages, by what they are called."""

    def with_lines(lines: str) -> bytes:
        return request("OPTIONS", transport, extra=lines)

    via = f"Via: SIP/2.0/{transport.upper()} a;branch=z9hG4bK"
    offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    sdp = "Content-Type: application/sdp\r\n"
    return {
        "headers": with_lines(_fill("a:b\r\n")),
        "one header": with_lines(f"X: {_fill('y')}\r\n"),
        "folded": with_lines("X: y" + _fill("\r\n z") + "\r\n"),
        "vias": with_lines(_fill(via + "x\r\n")),
        "via list": with_lines(via + _fill(",SIP/2.0/UDP a;branch=z9hG4bKx") + "\r\n"),
        "routes": with_lines("Record-Route: <sip:a;lr>" + _fill(",<sip:a;lr>") + "\r\n"),
        "parameters": with_lines("Contact: <sip:a@b>" + _fill(";a=b") + "\r\n"),
        "quotes": with_lines('Contact: "' + _fill('\\"') + '" <sip:a@b>\r\n'),
        "open quote": with_lines('Contact: "' + _fill("a,") + " <sip:a@b>\r\n"),
        "brackets": with_lines("Contact: " + _fill("<") + "\r\n"),
        "commas": with_lines("Require: " + _fill(",") + "\r\n"),
        "tags": with_lines("Require: a" + _fill(",a") + "\r\n"),
        "comments": with_lines("Server: " + _fill("(") + "\r\n"),
        "spaces": with_lines("Expires:" + _fill(" ") + "1\r\n"),
        "digits": with_lines("Max-Forwards: " + _fill("9") + "\r\n"),
        "credentials": with_lines("Authorization: Digest a" + _fill(',a="b"') + "\r\n"),
        "escapes": request("OPTIONS", transport, user=_fill("%41", 20_000)),
        "user": request("OPTIONS", transport, user=_fill("b", 20_000)),
        "start line": request(_fill("A", 30_000), transport),
        "lines": with_lines(_fill("\r\n", 40_000)),
        "media": request(
            "INVITE", transport, extra=sdp, body=(offer + _fill("m=audio 9 RTP/AVP 0\r\n")).encode()
        ),
        "attributes": request(
            "INVITE",
            transport,
            extra=sdp,
            body=(offer + "m=audio 9 RTP/AVP 0\r\n" + _fill("a=rtpmap:0 PCMU/8000\r\n")).encode(),
        ),
        "formats": request(
            "INVITE",
            transport,
            extra=sdp,
            body=(offer + "m=audio 9 RTP/AVP" + _fill(" 0")).encode(),
        ),
        "zeros": request("INVITE", transport, extra=sdp, body=bytes(MOST)),
        "multipart": request(
            "INVITE",
            transport,
            extra="Content-Type: multipart/mixed;boundary=x\r\n",
            body=_fill("--x\r\n\r\n").encode(),
        ),
    }


#: What may be answered: it is taken; it is refused for what it is, for its body, or for its size;
#: it asks for what there is not. Never 500: that would be a defect of ours.
STATUSES = {"100", "180", "200", "400", "404", "405", "413", "414", "415", "420", "482", "483"}
STATUSES |= {"485", "488", "493", "494", "501", "505", "513"}


def statuses(data: bytes) -> list[str]:
    """The statuses of the responses in what was read."""
    return [part.split()[0].decode() for part in data.split(b"SIP/2.0 ")[1:] if part[:3].isdigit()]


@pytest.mark.parametrize("name", shapes("udp"))
def test_by_udp(defended: Any, name: str) -> None:
    bob = defended()
    data = shapes("udp")[name]
    assert len(data) <= 65_507
    with dial(bob.port, "udp") as sock, bob.call():
        for _ in range(5):
            sock.send(data)
        said = catch_up(sock)
    found = {status for data in said for status in statuses(data)}
    assert found <= STATUSES, found
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
def test_by_a_connection(defended: Any, transport: str) -> None:
    """Each by a connection of its own, and all by one, as far as that goes."""
    bob = defended(transport)
    with bob.call():
        for name, data in shapes(transport).items():
            with dial(bob.port, transport) as sock:
                sock.sendall(frame(data, transport))
                with contextlib.suppress(OSError):  # it may be over by now
                    sock.sendall(frame(request("OPTIONS", transport, number="last"), transport))
                said = b""
                while b"last@mallory" not in said and (more := sock.recv(65536)):
                    said += more
                found = set(statuses(said))
                assert found, name
                assert found <= STATUSES, (name, found)
        with dial(bob.port, transport) as sock, contextlib.suppress(OSError):
            for data in shapes(transport).values():
                sock.sendall(frame(data, transport))
    bob.check()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_bodies_beyond_the_limit(defended: Any, transport: str) -> None:
    """413; what follows a body that can be passed over is served, else the connection ends."""
    bob = defended(transport)
    with dial(bob.port, transport) as sock, bob.call():
        whole = request("INVITE", transport, body=bytes(2_000_000))
        sock.sendall(whole + request("OPTIONS", transport, number="last"))
        said = b""
        while b"last@mallory" not in said:
            said += sock.recv(65536)
        assert statuses(said) == ["413", "200"]
    endless = request("INVITE", transport).replace(b"Content-Length: 0", b"Content-Length: %d")
    for length, status in ((1 << 40, "413"), (10**400, "413"), (-1, "400")):
        with dial(bob.port, transport) as sock:
            sock.sendall(endless % length)
            assert statuses(read_all(sock)) == [status]
    bob.check()


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_a_frame_beyond_the_limit(defended: Any, transport: str) -> None:
    """The end of the WebSocket: 1009, too big (RFC 6455 §7.4.1)."""
    bob = defended(transport)
    with dial(bob.port, transport) as sock, bob.call():
        head = b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4)
        sock.sendall(head + bytes(1000))
        said = read_all(sock)
        assert said[:1] == b"\x88"
        assert int.from_bytes(said[2:4], "big") == 1009
    bob.check()
