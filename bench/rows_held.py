"""What a call taken costs while many others are held, and where many parties share a port."""

from __future__ import annotations

from pathlib import Path

from libraries import LIBRARIES, OURS
from plan import Plan
from processes import Child, cores
from report import Column, Row, Table

__all__ = ["held"]

_WORK = Path(__file__).resolve().parent / "servers" / "held_work.py"


def held(plan: Plan) -> Table:
    """The cost in each case, and its ratio to that of the first."""
    python = next(library.python for library in LIBRARIES if library.name == OURS)
    command = [str(python), str(_WORK), str(plan.held_rounds), str(plan.held_calls)]
    with Child(command, cores()[0]) as child:
        taken = child.json(180)
    first = next(iter(taken.values()))
    rows: list[Row] = [
        {
            "library": OURS,
            "title": f"{name} on one port" if "parties" in name else f"{name} calls held",
            "cpu_us": cost,
            "ratio": cost / first,
        }
        for name, cost in taken.items()
    ]
    return Table(
        "A call taken while others are held",
        "CPU of INVITE, ACK and BYE in the core alone, no socket, at 400 calls/s of its own clock;"
        f" the median of {plan.held_rounds} turns of {plan.held_calls:,} calls, each case in a"
        " process of its own. It should not depend on the calls that are held, nor on how many"
        " parties listen.",
        [Column("cpu_us", "CPU µs/call"), Column("ratio", "of the first", ".2f")],
        rows,
    )
