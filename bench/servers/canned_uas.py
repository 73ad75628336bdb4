"""The floor: answers with what it is given, knowing no SIP.

It copies the header lines that a response must carry and keeps no state: less cannot be done in
Python, and no SIP library may do so little. For UDP a loop on a socket, for TCP and TLS a protocol
of asyncio's, which answers what came together in one write; it takes every message to have no body.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator

from support import ADDRESS, arguments, ready

_COPIED = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
_BLANK = b"\r\n\r\n"
_END = b"Content-Length: 0" + _BLANK


def _answers(data: bytes, contact: bytes) -> Iterator[bytes]:
    method = data[:3]
    if method == b"ACK":
        return
    copied = [line for line in data.split(b"\r\n") if line.startswith(_COPIED)]
    if method == b"INV":
        for at, line in enumerate(copied):
            if line.startswith(b"To:"):
                copied[at] = line + b";tag=floor"
        head = b"\r\n".join([*copied, contact, _END])
        yield b"SIP/2.0 180 Ringing\r\n" + head
        yield b"SIP/2.0 200 OK\r\n" + head
    else:
        yield b"SIP/2.0 200 OK\r\n" + b"\r\n".join([*copied, _END])


def _by_datagrams(port: int, contact: bytes) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((ADDRESS, port))
    ready(port)
    while True:
        data, source = sock.recvfrom(65535)
        for answer in _answers(data, contact):
            sock.sendto(answer, source)


class _Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self, contact: bytes) -> None:
        self._contact = contact
        self._begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *whole, self._begun = (self._begun + data).split(_BLANK)
        answers = [answer for one in whole for answer in _answers(one, self._contact)]
        if answers:
            self._transport.write(b"".join(answers))


async def _by_connections(port: int, contact: bytes, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _Canned(contact), ADDRESS, port, ssl=context, backlog=1024)
    ready(port)
    await asyncio.Event().wait()


def main() -> None:
    """Answer until it is stopped."""
    options = arguments()
    parameter = "" if options.transport == "UDP" else f";transport={options.transport.lower()}"
    contact = f"Contact: <sip:{ADDRESS}:{options.port}{parameter}>".encode()
    context = None
    if options.transport == "TLS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    if options.transport == "UDP":
        _by_datagrams(options.port, contact)
    else:
        asyncio.run(_by_connections(options.port, contact, context))


if __name__ == "__main__":
    main()
