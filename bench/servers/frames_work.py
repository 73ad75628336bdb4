"""Counts the Python frames of a call: sipparty answers one, then places one, over loopback.

    frames_work.py CALLS        prints a JSON object: the median over so many calls, by step

A frame is a Python function of sipparty that is entered on the engine's thread. The number is the
same on every machine, so that it shows whether a change has made every call dearer. The other side
is a plain socket with canned messages, on a thread of its own that is not counted.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import statistics
import sys
import threading
from pathlib import Path
from typing import Any

from support import ADDRESS

import sipparty
from sipparty import Engine
from sipparty.parties import NoMediaSimpleCallsParty

_PACKAGE = str(Path(sipparty.__file__).parent)
_WARM = 20

_HEAD = (
    "Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number}{method}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:load@{host}:{port}>;tag=f{number}\r\n"
    "To: <sip:bench@{host}>{tag}\r\n"
    "Call-ID: {number}@{host}\r\n"
    "CSeq: {cseq} {method}\r\n"
    "Contact: <sip:load@{host}:{port}>\r\n"
    "Content-Length: 0\r\n\r\n"
)


class _Frames:
    """Counts the frames entered while it is on."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGE):
            self.count += 1


async def _turns(condition: Any) -> None:
    """Let the loop turn until something is so."""
    until = asyncio.get_running_loop().time() + 5
    while not condition():
        if asyncio.get_running_loop().time() > until:
            raise SystemExit("A message did not come.")
        await asyncio.sleep(0)


async def _taken(
    counters: dict[str, int], where: int, sock: socket.socket, number: int, frames: _Frames
) -> dict[str, int]:
    """A call taken at a port: the frames of its INVITE, ACK and BYE."""
    host, port = sock.getsockname()
    to = f"sip:bench@{ADDRESS}:{where}"
    tag, steps = "", {}
    for cseq, method, answers in ((1, "INVITE", 2), (1, "ACK", 0), (2, "BYE", 1)):
        text = _HEAD.format(host=host, port=port, number=number, method=method, cseq=cseq, tag=tag)
        before, sent = frames.count, counters["sent"]
        received = counters["received"]
        sock.sendto(f"{method} {to} SIP/2.0\r\n{text}".encode(), (ADDRESS, where))
        await _turns(
            lambda sent=sent, received=received, answers=answers: (
                counters["received"] > received and counters["sent"] >= sent + answers
            )
        )
        await asyncio.sleep(0)
        steps[method] = frames.count - before
        for _ in range(answers):
            found = re.search(rb"\r\nTo:[^\r]*(;tag=[^;\r]+)", sock.recv(4096))
            tag = found[1].decode() if found else tag
    return steps


def _answer(sock: socket.socket) -> None:
    """Answer INVITE with 180 and 200, BYE with 200, until an empty datagram comes."""
    host, port = sock.getsockname()
    while True:
        data, where = sock.recvfrom(4096)
        if not data:
            return
        head, _, _ = data.decode().partition("\r\n\r\n")
        method, lines = head.split(" ", 1)[0], head.split("\r\n")[1:]
        if method == "ACK":
            continue
        for status in (180, 200) if method == "INVITE" else (200,):
            text = f"SIP/2.0 {status} OK\r\n"
            for line in lines:
                name = line.partition(":")[0]
                if name == "To" and ";tag=" not in line:
                    line += ";tag=callee"
                if name in ("Via", "From", "To", "Call-ID", "CSeq"):
                    text += line + "\r\n"
            text += f"Contact: <sip:callee@{host}:{port}>\r\nContent-Length: 0\r\n\r\n"
            sock.sendto(text.encode(), where)


async def _placed(party: Any, port: int, frames: _Frames) -> dict[str, int]:
    """A call placed: the frames of the INVITE with its answers and ACK, and of the BYE."""
    before = frames.count
    call = party.invite(f"sip:callee@{ADDRESS}:{port}")
    await _turns(lambda: call.state == "InDialog")
    await asyncio.sleep(0)
    up = frames.count
    call.terminate()
    await _turns(lambda: call.state == "Terminated")
    await asyncio.sleep(0)
    return {"INVITE": up - before, "BYE": frames.count - up}


async def _main() -> None:
    calls = int(sys.argv[1])
    frames = _Frames()
    engine = Engine(asyncio.get_running_loop())
    taken, placed = [], []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 0))
        async with NoMediaSimpleCallsParty(aor=f"bench@{ADDRESS}", engine=engine) as party:
            party.listen(port=None, address=ADDRESS)
            counters, where = engine.core.counters, party.contact_uri.port
            sys.setprofile(frames)
            for number in range(_WARM + calls):
                taken.append(await _taken(counters, where, sock, number, frames))
            sys.setprofile(None)
            thread = threading.Thread(target=_answer, args=(sock,), daemon=True)
            thread.start()
            sys.setprofile(frames)
            port = sock.getsockname()[1]
            placed = [await _placed(party, port, frames) for _ in range(_WARM + calls)]
            sys.setprofile(None)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"", (ADDRESS, port))
            thread.join()
    result = {
        role: {step: statistics.median(one[step] for one in steps[_WARM:]) for step in steps[0]}
        for role, steps in (("taken", taken), ("placed", placed))
    }
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(_main())
