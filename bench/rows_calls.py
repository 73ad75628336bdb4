"""Calls: what a call costs as UAS and as UAC, and how many a second one core sustains."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from certificates import make_certificate
from libraries import FLOOR, LIBRARIES, OURS, REFERENCE, Library, program
from plan import Plan
from processes import ADDRESS, Child, Failed, cores, cpu_clock, free_port
from report import Column, Row, Table
from sipp import RATE_EACH, UDP, Load, Way, place_calls, sipp_answers, sipp_uas

__all__ = ["high_rate", "uac", "uas", "uas_tcp", "uas_tls"]

_PROGRAMS = {library.name: library for library in LIBRARIES}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Taker:
    """A UAS that runs.

    Args:
        name: A library's, or `REFERENCE`.
        way: How SIP travels.
        port: Where it listens.
        children: Its processes.
    """

    def __init__(self, name: str, way: Way, port: int, children: list[Child]) -> None:
        self.name, self.way, self.port, self._children = name, way, port, children

    def cpu(self) -> float:
        """CPU seconds of its processes so far."""
        return sum(cpu_clock(child.pid) for child in self._children)

    def call(self, calls: int, rate: float, patience: float = 5.0) -> tuple[Load, float]:
        """Call it: what SIPp counted, and the CPU seconds that a call took."""
        before = self.cpu()
        load = place_calls(self.port, calls, rate, core=cores()[1], patience=patience, way=self.way)
        cpu = (self.cpu() - before) / max(1, load.completed)
        each = ", a connection each" if self.way.each else ""
        _say(
            f"  {self.name} uas by {self.way.transport} at {rate:.0f}/s{each}: {load},"
            f" {cpu * 1e6:.0f} µs CPU"
        )
        return load, cpu

    def errors(self) -> str:
        """The last of what it wrote to standard error."""
        return " ".join(child.errors()[-300:] for child in self._children)


@contextmanager
def _taker(name: str, way: Way) -> Iterator[_Taker]:
    core = cores()[0]
    if name == REFERENCE:
        # It takes many connections as it takes one.
        with sipp_answers(core, way=way._replace(each=False)) as (port, children):
            yield _Taker(name, way, port, children)
        return
    port = free_port()
    more = ["--transport", way.transport]
    if way.certificate:
        more += ["--certificate", str(way.certificate)]
    with Child(program(_PROGRAMS[name], "uas", port, *more), core) as child:
        yield _Taker(name, way, port, [child.ready()])
        child.stop()


def _cost(name: str, plan: Plan, rate: int, way: Way = UDP) -> tuple[Load, float]:
    """A warmed-up run at `rate`: what SIPp counted, and CPU seconds a call."""
    window = plan.each_window if way.each else _window(plan, way)
    with _taker(name, way) as taker:
        # Where each call has its connection, the code is warm after fewer, and they take longer.
        warm, _ = taker.call(plan.warm // 4 if way.each else plan.warm, min(rate, plan.rate))
        if not warm.completed:
            raise Failed(f"{name} as UAS completed no call: {taker.errors()}")
        load, cpu = taker.call(int(rate * window), rate)
        if not load.completed:
            raise Failed(f"{name} as UAS completed no more calls: {taker.errors()}")
        return load, cpu


def _costs(names: list[str], plan: Plan, rate: int, way: Way) -> dict[str, Row | Failed]:
    """The cost of a call of each, who take turns: the median of the rounds, failures summed up."""
    found: dict[str, list[tuple[Load, float]]] = {name: [] for name in names}
    failed: dict[str, Row | Failed] = {}
    for _ in range(plan.rounds if way.transport != "TLS" else 1):
        for name in names:
            try:
                if name not in failed:
                    found[name].append(_cost(name, plan, rate, way))
            except Failed as error:
                failed[name] = error
    return failed | {
        name: {
            "cpu_us": statistics.median(cpu for _, cpu in runs) * 1e6,
            "rate": statistics.median(load.rate for load, _ in runs),
            "calls": sum(load.completed for load, _ in runs),
            "retransmissions": sum(load.retransmissions for load, _ in runs),
            "failed": sum(load.failed for load, _ in runs),
        }
        for name, runs in found.items()
        if name not in failed
    }


def _step(name: str, plan: Plan, rate: int, way: Way) -> tuple[Load, float]:
    with _taker(name, way) as taker:
        taker.call(plan.warm // 4, plan.rate)
        return taker.call(int(rate * plan.step), rate, patience=2.0)


def _highest(name: str, plan: Plan, cpu: float, way: Way) -> Row:
    """The highest rate without retransmission, failure or backlog, in so many steps.

    Starts at nine tenths of what the CPU of a call would allow, and goes on to what its CPU at that
    rate would, by a tenth at least and to twice the rate at most, until one rate is good and a
    higher one is not; then halves the gap.
    """
    good = bad = 0.0
    best: float | None = None
    busy: float | None = None
    bound = ""
    rate = 0.9 / cpu
    for _ in range(_steps(plan, way)):
        load, cpu = _step(name, plan, max(1, round(rate)), way)
        if load.sustained:
            good, best, busy = rate, min(load.rate, rate), cpu * 1e6
        elif load.clean and load.saturated:
            # The load was the slower of the two: it proves what it reached, and no more.
            best, busy, bound = max(best or 0.0, load.rate), cpu * 1e6, "≥ "
            break
        else:
            bad = rate
        if not bad:
            rate = min(max(0.95 / cpu, good * 1.1), good * 2)
        elif not good:
            rate = bad * 0.75
        else:
            rate = (good + bad) / 2
    else:
        if good and not bad:
            bound = "≥ "
    return {"max_rate": best, "busy_us": busy, "max_note": bound}


def _steps(plan: Plan, way: Way) -> int:
    return plan.steps if way.transport == "UDP" else plan.stream_steps


def _window(plan: Plan, way: Way) -> float:
    return plan.window if way.transport == "UDP" else plan.stream_window


def _takers(transport: str) -> list[str]:
    """Who takes calls by a transport, the reference before the floor."""
    names = [library.name for library in LIBRARIES if transport in library.transports]
    return [*names[:-1], REFERENCE, names[-1]]


def _taking(plan: Plan, title: str, about: str, way: Way, titles: dict[str, str]) -> Table:
    """A table of those that take calls by one transport."""
    rows: list[Row] = []
    missing = []
    for name, found in _costs(_takers(way.transport), plan, plan.rate, way).items():
        try:
            if isinstance(found, Failed):
                raise found
            row: Row = {"library": name, "title": titles.get(name), **found}
            rows.append(row)
            row |= _highest(name, plan, row["cpu_us"] / 1e6, way)
            if way.transport != "UDP":
                load, cpu = _cost(name, plan, plan.each_rate, way._replace(each=True))
                row["each_us"] = cpu * 1e6
                row["failed"] += load.failed
        except Failed as error:
            missing.append(f"{name}: {error}")
    columns = [
        Column("cpu_us", "CPU µs/call", ratio=True),
        Column("retransmissions", "retransmissions", ",d"),
        Column("failed", "failed", ",d"),
        Column("max_rate", "most calls/s", ratio=True, note="max_note"),
        Column("busy_us", "CPU µs/call at that", ratio=True),
    ]
    if way.transport != "UDP":
        columns.append(Column("each_us", "CPU µs/call, a connection each", ratio=True))
    return Table(title, about, columns, rows, missing)


def _turns(plan: Plan, way: Way = UDP) -> str:
    several = plan.rounds > 1 and way.transport != "TLS"
    return f"the median of {plan.rounds} turns" if several else "one run"


def _how(plan: Plan, way: Way) -> str:
    return (
        f"CPU of a call at {plan.rate} calls/s over {_window(plan, way):g} s, after {plan.warm}"
        f" calls to warm up, {_turns(plan, way)}. The most calls a second: the highest rate at"
        f" which {plan.step:g} s passed without a retransmission, a failed call or a backlog,"
        f" found in at most {_steps(plan, way)} steps; ≥ where SIPp had no CPU left for more, or"
        " the last step was good as well."
    )


def uas(plan: Plan) -> Table:
    """INVITE, 180, 200, ACK, BYE, 200 with the library as callee."""
    about = (
        f"INVITE, 180, 200, ACK, BYE, 200, no media. {_how(plan, UDP)} A call costs less CPU where"
        " a process is busy than where it wakes up for each packet."
    )
    return _taking(plan, "Taking calls (UAS)", about, UDP, {})


def _over_streams(plan: Plan, way: Way) -> str:
    return (
        f" {_how(plan, way)} A SIPp has one connection for all its calls; another SIPp comes in"
        f" for each {RATE_EACH:,} calls/s. The last column: {plan.each_rate} calls/s over"
        f" {plan.each_window:g} s, each on a connection of its own, so that setting it up and"
        " ending it is in the cost. SIPp repeats nothing on a connection: a callee that falls"
        " behind shows as a backlog."
    )


def uas_tcp(plan: Plan) -> Table:
    """The same over TCP."""
    way = Way("TCP")
    about = f"The same calls over TCP; sippy has none.{_over_streams(plan, way)}"
    return _taking(plan, "Taking calls over TCP (UAS)", about, way, {})


def uas_tls(plan: Plan) -> Table:
    """The same over TLS."""
    with TemporaryDirectory() as name:
        way = Way("TLS", make_certificate(Path(name), ADDRESS))
        about = (
            "The same calls over TLS 1.3, with a certificate on P-256; neither peer has SIP over"
            " TLS. SIPp as Debian builds it has none either: the load goes through a small relay on"
            " the load's core, and the reference is SIPp's UAS with such a relay before it, both"
            f" counted.{_over_streams(plan, way)}"
        )
        titles = {REFERENCE: "SIPp's own UAS and a TLS relay (the reference)"}
        return _taking(plan, "Taking calls over TLS (UAS)", about, way, titles)


def high_rate(plan: Plan) -> Table:
    """The rate at which sipparty promises not to make a caller send anything twice."""
    rows: list[Row] = []
    missing = []
    for name, found in _costs([OURS, "aiosipua", FLOOR], plan, plan.high_rate, UDP).items():
        if isinstance(found, Failed):
            missing.append(f"{name}: {found}")
        else:
            core = found["cpu_us"] * found["rate"] / 1e4
            rows.append({"library": name, **found, "core": core})
    return Table(
        f"At {plan.high_rate} calls a second",
        f"The same calls at {plan.high_rate} a second for {plan.window:g} s, {_turns(plan)}:"
        " sipparty must let no caller retransmit.",
        [
            Column("calls", "calls", ",d"),
            Column("rate", "calls/s"),
            Column("cpu_us", "CPU µs/call", ratio=True),
            Column("core", "of its core, %"),
            Column("retransmissions", "retransmissions", ",d"),
            Column("failed", "failed", ",d"),
        ],
        rows,
        missing,
    )


def _place(library: Library, plan: Plan) -> Row:
    core, load_core = cores()
    phases: list[dict[str, Any]] = [
        {"name": "warm", "calls": plan.warm, "rate": plan.rate},
        {"name": "paced", "calls": int(plan.rate * plan.window), "rate": plan.rate},
        {"name": "most", "calls": 1_000_000, "inflight": plan.inflight, "limit": plan.window},
    ]
    with sipp_uas(load_core) as target:
        port = free_port()
        more = ("--target", str(target), "--phases", json.dumps(phases))
        with Child(program(library, "uac", port, *more), core) as child:
            child.ready()
            warm, paced, most = (child.json(45) for _ in phases)
            if not (warm["completed"] and paced["completed"] and most["completed"]):
                raise Failed(f"completed no call: {child.errors()[-300:]}")
            child.stop()
    _say(f"  {library.name} uac: {paced} {most}")
    return {
        "cpu_us": paced["cpu_s"] / paced["completed"] * 1e6,
        "most": most["completed"] / most["seconds"],
        "failed": paced["failed"] + most["failed"],
    }


def uac(plan: Plan) -> Table:
    """The same calls with the library as caller and SIPp as callee."""
    rows: list[Row] = []
    missing = []
    found: dict[str, list[Row]] = {library.name: [] for library in LIBRARIES}
    for _ in range(plan.rounds):
        for library in LIBRARIES:
            try:
                found[library.name].append(_place(library, plan))
            except Failed as error:
                missing.append(f"{library.name}: {error}")
    for name, runs in found.items():
        if runs:
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            rows.append({"library": name, **middle, "failed": sum(run["failed"] for run in runs)})
    return Table(
        "Placing calls (UAC)",
        f"The same call placed by the library and answered by SIPp. CPU of a call at {plan.rate}"
        f" calls/s over {plan.window:g} s, after {plan.warm} to warm up; then calls a second with"
        f" {plan.inflight} in flight at all times, for {plan.window:g} s. A call of sipparty's and"
        " of the floor's ends with the answer to its BYE; the peers have no event for that one, and"
        " theirs ends when the BYE is sent. aiosipua looks through the transactions of its last"
        " 32 s for each new one, so that its calls cost more the longer it runs; these are its"
        " first seconds.",
        [
            Column("cpu_us", "CPU µs/call", ratio=True),
            Column("most", "calls/s", ratio=True),
            Column("failed", "failed", ",d"),
        ],
        rows,
        missing,
    )
