"""What it costs a call to be traced."""

from __future__ import annotations

import statistics
import sys

from libraries import LIBRARIES, OURS, program
from plan import Plan
from processes import Child, Failed, cores, cpu_clock, free_port
from report import Column, Row, Table
from sipp import place_calls

__all__ = ["trace"]


def _cost(traced: bool, plan: Plan) -> float:
    """CPU seconds of a call taken."""
    ours = next(library for library in LIBRARIES if library.name == OURS)
    port = free_port()
    command = program(ours, "traced" if traced else "uas", port)
    core, other = cores()
    with Child(command, core) as child:
        child.ready()
        place_calls(port, plan.warm, plan.rate, core=other)
        before = cpu_clock(child.pid)
        load = place_calls(port, int(plan.rate * plan.window), plan.rate, core=other)
        spent = cpu_clock(child.pid) - before
        child.stop()
    if not load.completed:
        raise Failed("no call was completed")
    return spent / load.completed


def trace(plan: Plan) -> Table:
    """Measure a call taken with a trace and without, in turns."""
    off, on = [], []
    for _ in range(plan.rounds):
        off.append(_cost(False, plan))
        on.append(_cost(True, plan))
        print(
            f"  trace: {off[-1] * 1e6:.0f} off, {on[-1] * 1e6:.0f} on", file=sys.stderr, flush=True
        )
    rows: list[Row] = [
        {"library": OURS, "title": "not traced", "cpu_us": statistics.median(off) * 1e6, "more": 0},
        {
            "library": OURS,
            "title": "traced: messages, states, timers",
            "cpu_us": statistics.median(on) * 1e6,
            "more": (statistics.median(b / a for a, b in zip(off, on, strict=True)) - 1) * 100,
        },
    ]
    return Table(
        "Tracing",
        f"A call taken at {plan.rate} calls/s over {plan.window:g} s, as above, with a `Trace` of"
        " the party and without; the last column is the median of the ratios of neighbouring turns."
        " While there is no trace, a call enters the same functions as if there were no such thing"
        " (Frames).",
        [Column("cpu_us", "CPU µs/call"), Column("more", "more, %", ".1f")],
        rows,
    )
