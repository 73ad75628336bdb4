"""One message: parse it, read its core headers, write it; and the time an import takes."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from libraries import FLOOR, LIBRARIES, OURS
from plan import Plan
from processes import Child, Failed, cores
from report import Column, Row, Table

__all__ = ["imports", "messages"]

_WORK = Path(__file__).resolve().parent / "servers" / "message_work.py"

_JOBS = ("plain", "sdp", "changed")


def messages(plan: Plan) -> Table:
    """Parse, read, write; the libraries take turns."""
    best: dict[str, dict[str, list[float]]] = {}
    failures: dict[str, str] = {}
    for _ in range(plan.message_rounds):
        for library in LIBRARIES:
            if library.name in failures:
                continue
            command = [str(library.python), str(_WORK), library.name, str(plan.message_seconds)]
            try:
                with Child(command, cores()[0]) as child:
                    result = child.json(plan.message_seconds + 20)
            except Failed as error:
                failures[library.name] = str(error)
                continue
            for job in _JOBS:
                best.setdefault(library.name, {}).setdefault(job, []).append(result[job])
    rows: list[Row] = [
        {"library": name, **{job: statistics.median(turns[job]) for job in _JOBS}}
        for name, turns in best.items()
    ]
    for row in rows:
        if row["library"] == FLOOR:
            row["title"] = "split and join (the floor)"
    return Table(
        "A message",
        "Microseconds to parse an INVITE of twelve headers from bytes, read its six core headers as"
        " typed values (Via's branch, From's tag, the user of To's URI, Call-ID, CSeq's number and"
        " method, the host of Contact's URI), and write it as bytes; the third after setting"
        f" Max-Forwards, as a proxy does. The libraries take turns {plan.message_rounds} times;"
        " the median of their best runs.",
        [
            Column("plain", "without SDP, µs", ".1f", ratio=True),
            Column("sdp", "with SDP, µs", ".1f", ratio=True),
            Column("changed", "with SDP, changed, µs", ".1f", ratio=True),
        ],
        rows,
        [f"{name}: {text}" for name, text in failures.items()],
    )


def imports(plan: Plan) -> Table:
    """Fresh processes that import and end."""
    wanted = [
        {"library": FLOOR, "title": "the bare interpreter", "statement": "pass"},
        {"library": "", "title": "`import sipparty`", "statement": "import sipparty"},
    ] + [
        {
            "library": library.name,
            "title": f"`{library.statement}`",
            "statement": library.statement,
        }
        for library in LIBRARIES
    ]
    pythons = {library.name: library.python for library in LIBRARIES}
    times: list[list[float]] = [[] for _ in wanted]
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        # The first time compiles; all find what was compiled then, as what is installed does.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for again in range(plan.imports + 1):
            for entry, taken in zip(wanted, times, strict=True):
                if entry["title"] in missing:
                    continue
                python = pythons.get(entry["library"], pythons[OURS])
                command = [str(python), "-c", entry["statement"]]
                began = time.perf_counter()
                with Child(command, cores()[0], environment=environment) as child:
                    if child.wait(30) != 0:
                        error = child.errors() or "no end in 30 s"
                        missing[entry["title"]] = error.splitlines()[-1]
                    elif again:
                        taken.append((time.perf_counter() - began) * 1e3)
    rows: list[Row] = [
        {"library": entry["library"], "title": entry["title"], "ms": statistics.median(taken)}
        for entry, taken in zip(wanted, times, strict=True)
        if taken and entry["title"] not in missing
    ]
    bare = rows[0]["ms"]
    for row in rows[1:]:
        row["net"] = row["ms"] - bare
    return Table(
        "Import",
        "Milliseconds until a fresh process that does nothing else has ended, the modules being"
        f" compiled already, the median of {plan.imports}; and the same less the bare"
        " interpreter's.",
        [Column("ms", "ms", ".0f"), Column("net", "of which the import, ms", ".0f", ratio=True)],
        rows,
        [f"{title}: {text}" for title, text in missing.items()],
    )
