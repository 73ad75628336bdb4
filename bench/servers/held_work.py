"""Times a call taken while others are held, and where many parties share the port.

    held_work.py ROUNDS CALLS

A core with no socket and a clock of its own takes INVITE, ACK and BYE as bytes, and its answers are
thrown away: what is left is what may grow with the calls that are held. The time goes on as if 400
calls came a second, so that as many transactions are alive in each case. Each case is a process of
its own; they take turns.

Prints a JSON object: microseconds of CPU a call by case, the median of the rounds.
"""

from __future__ import annotations

import gc
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from sipparty.sip import Core, Flow, UserAgent
from sipparty.sip.limits import Limits
from sipparty.sip.tokens import Tokens

#: What is measured: its name, the calls held, the parties on the port.
CASES = (("0", 0, 1), ("10,000", 10_000, 1), ("50,000", 50_000, 1), ("1,000 parties", 0, 1000))

_RATE = 400
_TAG = re.compile(rb"\r\nTo:[^\r]*;tag=([^;\r]+)")
_TEXT = (
    "{method} sip:user{user}@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK{number}{method}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:load@127.0.0.2:5070>;tag=f{number}\r\n"
    "To: <sip:user{user}@127.0.0.1>{tag}\r\n"
    "Call-ID: {number}@127.0.0.2\r\n"
    "CSeq: {cseq} {method}\r\n"
    "Contact: <sip:load@127.0.0.2:5070>\r\n"
    "Content-Length: 0\r\n\r\n"
)


class _Endpoint:
    """What the agents listen at."""

    closed = False


class _Case:
    """A core that holds calls."""

    def __init__(self, held: int, parties: int) -> None:
        limits = Limits(max_dialogs=held + 50_000, max_share=100, max_held=4 << 30)
        self._core = Core(Tokens(os.urandom), limits=limits)
        self._parties = parties
        self._numbers: Iterator[int] = count()
        self._now = 0.0
        endpoint: Any = _Endpoint()
        self._agents = [UserAgent(self._core, f"sip:user{n}@127.0.0.1") for n in range(parties)]
        for agent in self._agents:
            self._core.directory.bind(agent, endpoint)
        self._flow = Flow("UDP", ("127.0.0.1", 5060), ("127.0.0.2", 5070), endpoint)
        for _ in range(held):
            self._call(end=False)
        self.run(1000)

    def _take(self, method: str, number: int, cseq: int, tag: str) -> str:
        user = number % self._parties
        text = _TEXT.format(method=method, user=user, number=number, cseq=cseq, tag=tag)
        self._core.receive(text.encode(), self._flow, self._now)
        sent = self._core.transmits()
        self._core.events()
        found = _TAG.search(sent[-1][0]) if sent else None
        return "" if found is None else f";tag={found[1].decode()}"

    def _call(self, *, end: bool = True) -> None:
        number = next(self._numbers)
        self._now += 1 / _RATE
        due = self._core.next_timer()
        if due is not None and due <= self._now:
            self._core.handle_timers(self._now)
        tag = self._take("INVITE", number, 1, "")
        self._take("ACK", number, 1, tag)
        if end:
            self._take("BYE", number, 2, tag)

    def run(self, calls: int) -> float:
        """Take calls that end; return the CPU seconds of one."""
        began = time.process_time()
        for _ in range(calls):
            self._call()
        return (time.process_time() - began) / calls


def _serve(held: int, parties: int, pipe: Connection) -> None:
    """A process of one case: for each number of calls that comes, what one of them took."""
    case = _Case(held, parties)
    gc.collect()
    while calls := pipe.recv():
        pipe.send(case.run(calls))


def _main() -> None:
    rounds, calls = int(sys.argv[1]), int(sys.argv[2])
    fork = get_context("fork")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, held, parties in CASES:
        pipes[name], theirs = fork.Pipe()
        process = fork.Process(target=_serve, args=(held, parties, theirs), daemon=True)
        process.start()
        processes.append(process)
    taken: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(calls)
            taken[name].append(pipe.recv() * 1e6)
    for process, pipe in zip(processes, pipes.values(), strict=True):
        pipe.send(0)
        process.join()
    print(json.dumps({name: statistics.median(times) for name, times in taken.items()}))


if __name__ == "__main__":
    _main()
