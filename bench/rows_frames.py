"""How many Python frames a call takes: a number that does not vary with the machine."""

from __future__ import annotations

from pathlib import Path

from libraries import LIBRARIES, OURS
from plan import Plan
from processes import Child, cores
from report import Column, Row, Table

__all__ = ["frames"]

_WORK = Path(__file__).resolve().parent / "servers" / "frames_work.py"
_CALLS = 200
_TITLES = {"taken": "a call taken", "placed": "a call placed"}


def frames(_: Plan) -> Table:
    """Count them, for a call taken and a call placed."""
    python = next(library.python for library in LIBRARIES if library.name == OURS)
    with Child([str(python), str(_WORK), str(_CALLS)], cores()[0]) as child:
        counted = child.json(60)
    rows: list[Row] = [
        {
            "library": OURS,
            "title": title,
            **{step.lower(): count for step, count in counted[role].items()},
            "all": sum(counted[role].values()),
        }
        for role, title in _TITLES.items()
    ]
    return Table(
        "Frames",
        "Python functions of sipparty that are entered during a call without media over UDP, on the"
        f" engine's thread; the median of {_CALLS} calls. The number is the same on every machine:"
        " it shows whether a change has made every call dearer. Placing an INVITE includes its"
        " answers and the ACK.",
        [
            Column("invite", "INVITE"),
            Column("ack", "ACK"),
            Column("bye", "BYE"),
            Column("all", "the call"),
        ],
        rows,
    )
