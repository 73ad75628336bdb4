"""Calls: what a call costs as UAS and as UAC, and how many a second one core sustains."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from libraries import FLOOR, LIBRARIES, OURS, Library, program
from plan import Plan
from processes import Child, Failed, cores, cpu_clock, free_port
from report import Column, Row, Table
from sipp import Load, place_calls, sipp_uas

__all__ = ["high_rate", "uac", "uas"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _server(library: Library) -> Iterator[tuple[Child, int]]:
    port = free_port()
    with Child(program(library, "uas", port), cores()[0]) as child:
        yield child.ready(), port


def _cost(library: Library, plan: Plan, rate: int) -> tuple[Load, float]:
    """A warmed-up run at `rate`: what SIPp counted, and CPU seconds a call."""
    load_core = cores()[1]
    with _server(library) as (child, port):
        warm = place_calls(port, plan.warm, min(rate, plan.rate), core=load_core)
        if not warm.completed:
            raise Failed(f"{library.name} as UAS completed no call: {child.errors()[-300:]}")
        before = cpu_clock(child.pid)
        load = place_calls(port, int(rate * plan.window), rate, core=load_core)
        spent = cpu_clock(child.pid) - before
        child.stop()
    _say(f"  {library.name} uas at {rate}/s: {load}, {spent / load.completed * 1e6:.0f} µs CPU")
    return load, spent / load.completed


def _step(library: Library, plan: Plan, rate: int) -> tuple[Load, float]:
    load_core = cores()[1]
    with _server(library) as (child, port):
        place_calls(port, plan.warm // 4, 200, core=load_core)
        before = cpu_clock(child.pid)
        load = place_calls(port, int(rate * plan.step), rate, core=load_core, patience=2.0)
        cpu = (cpu_clock(child.pid) - before) / max(1, load.completed)
    _say(f"  {library.name} uas at {rate}/s: {load}, {cpu * 1e6:.0f} µs CPU")
    return load, cpu


def _highest(library: Library, plan: Plan, cpu: float) -> Row:
    """The highest rate without retransmission, failure or backlog, in `plan.steps` steps.

    Starts at nine tenths of what the CPU of a call would allow, and goes on to what its CPU at that
    rate would, by a tenth at least and not by more than six, until one rate is good and a higher
    one is not; then halves the gap.
    """
    good = bad = 0.0
    best: float | None = None
    busy: float | None = None
    bound = ""
    rate = 0.9 / cpu
    for _ in range(plan.steps):
        load, cpu = _step(library, plan, max(1, round(rate)))
        if load.sustained:
            good, best, busy = rate, min(load.rate, rate), cpu * 1e6
        elif load.clean and load.saturated:
            # The load was the slower of the two: it proves what it reached, and no more.
            best, busy, bound = max(best or 0.0, load.rate), cpu * 1e6, "≥ "
            break
        else:
            bad = rate
        if not bad:
            rate = min(max(0.95 / cpu, good * 1.1), good * 1.6)
        elif not good:
            rate = bad * 0.75
        else:
            rate = (good + bad) / 2
    return {"max_rate": best, "busy_us": busy, "max_note": bound}


def uas(plan: Plan) -> Table:
    """INVITE, 180, 200, ACK, BYE, 200 with the library as callee."""
    rows: list[Row] = []
    missing = []
    for library in LIBRARIES:
        try:
            load, cpu = _cost(library, plan, plan.rate)
            row: Row = {
                "library": library.name,
                "cpu_us": cpu * 1e6,
                "retransmissions": load.retransmissions,
                "failed": load.failed,
            }
            rows.append(row)
            row |= _highest(library, plan, cpu)
        except Failed as error:
            missing.append(f"{library.name}: {error}")
    return Table(
        "Taking calls (UAS)",
        f"INVITE, 180, 200, ACK, BYE, 200, no media. CPU of a call at {plan.rate} calls/s over"
        f" {plan.window:g} s, after {plan.warm} calls to warm up. The most calls a second: the"
        f" highest rate at which {plan.step:g} s passed without a retransmission, a failed call or"
        f" a backlog, found in at most {plan.steps} steps; ≥ where SIPp had no CPU left for more."
        " A call costs less CPU where a process is busy than where it wakes up for each packet.",
        [
            Column("cpu_us", "CPU µs/call", ratio=True),
            Column("retransmissions", "retransmissions", ",d"),
            Column("failed", "failed", ",d"),
            Column("max_rate", "most calls/s", ratio=True, note="max_note"),
            Column("busy_us", "CPU µs/call at that", ratio=True),
        ],
        rows,
        missing,
    )


def high_rate(plan: Plan) -> Table:
    """The rate at which sipparty promises not to make a caller send anything twice."""
    rows: list[Row] = []
    missing = []
    for library in LIBRARIES:
        if library.name not in (OURS, FLOOR):
            continue
        try:
            load, cpu = _cost(library, plan, plan.high_rate)
            rows.append(
                {
                    "library": library.name,
                    "calls": load.completed,
                    "rate": load.rate,
                    "cpu_us": cpu * 1e6,
                    "core": cpu * load.rate * 100,
                    "retransmissions": load.retransmissions,
                    "failed": load.failed,
                }
            )
        except Failed as error:
            missing.append(f"{library.name}: {error}")
    return Table(
        f"At {plan.high_rate} calls a second",
        f"The same calls at {plan.high_rate} a second for {plan.window:g} s: sipparty must let no"
        " caller retransmit.",
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
        "library": library.name,
        "cpu_us": paced["cpu_s"] / paced["completed"] * 1e6,
        "most": most["completed"] / most["seconds"],
        "failed": paced["failed"] + most["failed"],
    }


def uac(plan: Plan) -> Table:
    """The same calls with the library as caller and SIPp as callee."""
    rows: list[Row] = []
    missing = []
    for library in LIBRARIES:
        try:
            rows.append(_place(library, plan))
        except Failed as error:
            missing.append(f"{library.name}: {error}")
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
