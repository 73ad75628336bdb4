"""What attackers send by: plain sockets, and messages made by hand."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import struct

from .defender import PATIENCE

__all__ = [
    "HANDSHAKE",
    "LOOPBACK",
    "STREAMS",
    "TRANSPORTS",
    "catch_up",
    "context",
    "dial",
    "end",
    "frame",
    "hang",
    "read_all",
    "request",
]

LOOPBACK = "127.0.0.1"
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
STREAMS = TRANSPORTS[1:]

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
).encode()


def context() -> ssl.SSLContext:
    """Return what an attacker connects by TLS with: it asks nobody for a certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def dial(
    port: int, transport: str, *, shake: bool = True, small: bool = False, source: str = ""
) -> socket.socket:
    """Return a socket that is connected to a port of the loopback address.

    Args:
        port: The port.
        transport: "udp", "tcp", "tls", "ws" or "wss"; with TLS the handshake is done.
        shake: Whether a WebSocket's handshake is done too.
        small: Whether the system is asked to keep little that was not read yet.
        source: The address that it comes from; "" for the system's choice.
    """
    sock = socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    )
    try:
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        if source:
            sock.bind((source, 0))
        sock.connect((LOOPBACK, port))
        if transport in ("tls", "wss"):
            sock = context().wrap_socket(sock)
        if shake and transport in ("ws", "wss"):
            sock.sendall(HANDSHAKE)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                byte = sock.recv(1)
                if not byte:
                    raise ConnectionResetError("There is no answer to the handshake.")
                answer += byte
            assert answer.startswith(b"HTTP/1.1 101 "), answer
    except BaseException:
        sock.close()
        raise
    return sock


def hang(sock: socket.socket) -> None:
    """Reset a TCP connection: no goodbye."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def end(sock: socket.socket) -> None:
    """End our direction of a connection, after what was sent; the other one stays."""
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0)
        # The goodbye goes out; the answer to it would come behind what is still to be read.
        with contextlib.suppress(ssl.SSLError):
            sock.unwrap()
        sock.settimeout(PATIENCE)
    else:
        sock.shutdown(socket.SHUT_WR)


def read_all(sock: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection, in good order or not."""
    got = bytearray()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := sock.recv(65536):
            got += data
    return bytes(got)


def frame(data: bytes, transport: str = "ws", opcode: int = 2, last: bool = True) -> bytes:
    """Return a message as a client sends it: in a WebSocket frame where there is one.

    Args:
        data: The message, or a piece of it.
        transport: How it goes.
        opcode: What the frame is; 0 for a further piece.
        last: Whether it is the message's last one.
    """
    if transport not in ("ws", "wss"):
        return data
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    elif len(data) < 65536:
        length = struct.pack("!BH", 0x80 | 126, len(data))
    else:
        length = struct.pack("!BQ", 0x80 | 127, len(data))
    # A mask of zeros changes nothing (RFC 6455 §5.3).
    return bytes([0x80 * last | opcode]) + length + bytes(4) + data


def request(
    method: str,
    transport: str = "udp",
    *,
    number: int | str = "",
    user: str = "bob",
    via: str = "127.0.0.1:9",
    extra: str = "",
    body: bytes = b"",
) -> bytes:
    """Return a request that is as it should be.

    Args:
        method: The method.
        transport: As the Via names it.
        number: What makes it another request than others; chance by default.
        user: Who it is for, at biloxi.com.
        via: Where the answer goes, as the Via says.
        extra: Further header lines, each with its CRLF.
        body: The body.
    """
    number = number if number != "" else os.urandom(8).hex()
    head = (
        f"{method} sip:{user}@biloxi.com SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport.upper()} {via};branch=z9hG4bK{number};rport\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:mallory@example.com>;tag=m{number}\r\n"
        f"To: <sip:{user}@biloxi.com>\r\n"
        f"Call-ID: {number}@mallory\r\n"
        f"CSeq: 1 {method}\r\n"
        f"Contact: <sip:mallory@127.0.0.1:9;transport={transport}>\r\n"
        f"{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def catch_up(sock: socket.socket) -> list[bytes]:
    """Wait until a party has read what a UDP socket sent it; return what it said to that.

    Datagrams do not overtake each other on the loopback interface.
    """
    mark = os.urandom(8).hex()
    sock.send(request("OPTIONS", number=mark))
    said: list[bytes] = []
    while not said or mark.encode() not in said[-1]:
        said.append(sock.recv(65535))
    return said[:-1]
