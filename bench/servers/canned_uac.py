"""The floor for a caller: text templates on a UDP socket, knowing no SIP."""

from __future__ import annotations

import select
import socket
import time

from phases import TICK, Phases
from support import ADDRESS, arguments, ready

_REQUEST = (
    "{method} sip:uas@{address}:{target} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{number}{method}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:bench@{address}>;tag={number}\r\n"
    "To: <sip:uas@{address}>{tag}\r\n"
    "Call-ID: {number}\r\n"
    "CSeq: {cseq} {method}\r\n"
    "Contact: <sip:bench@{address}:{port}>\r\n"
    "Content-Length: 0\r\n\r\n"
)


def _value(data: str, name: str) -> str:
    at = data.index(name) + len(name)
    return data[at : data.index("\r\n", at)].strip()


def main() -> None:
    """Call until it is stopped."""
    options = arguments(client=True)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((ADDRESS, options.port))
    sock.setblocking(False)
    target = (ADDRESS, options.target)
    numbers = iter(range(1, 1 << 60))
    held: set[str] = set()

    def send(method: str, number: str, cseq: int, tag: str = "") -> None:
        text = _REQUEST.format(
            method=method,
            number=number,
            cseq=cseq,
            tag=tag,
            address=ADDRESS,
            port=options.port,
            target=options.target,
        )
        sock.sendto(text.encode(), target)

    def start(hold: bool) -> None:
        number = str(next(numbers))
        if hold:
            held.add(number)
        send("INVITE", number, 1)

    def answered(data: str) -> None:
        number = _value(data, "Call-ID:")
        if data.find("CSeq: 1 INVITE") < 0:
            phases.done()
            return
        _, _, tag = _value(data, "To:").partition(";")
        send("ACK", number, 1, ";" + tag)
        if number in held:
            phases.done()
        else:
            send("BYE", number, 2, ";" + tag)

    phases = Phases(options.phases, start)
    ready(options.port)
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            phases.tick()
            due = now + TICK
        if not select.select([sock], [], [], TICK)[0]:
            continue
        for _ in range(64):
            try:
                data = sock.recv(65535)
            except BlockingIOError:
                break
            if data.startswith(b"SIP/2.0 2"):
                answered(data.decode())


if __name__ == "__main__":
    main()
