"""Load: the rate that `sipparty load` makes on one core, against SIPp as UAS."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from libraries import LIBRARIES, OURS
from plan import Plan
from processes import ADDRESS, Child, Failed, cores
from report import Column, Row, Table
from sipp import place_calls, sipp_answers

__all__ = ["load"]

_SERVERS = Path(__file__).resolve().parent / "servers"

#: Title, scenario (None for SIPp itself as caller), processes, calls/s that each makes.
_CASES: tuple[tuple[str, str | None, int, int], ...] = (
    ("a coroutine, one process", "load_call.py", 1, 900),
    ("a coroutine, one process", "load_call.py", 1, 300),
    ("a coroutine, two processes", "load_call.py", 2, 300),
    ("SIPp's XML, one process", "uac.xml", 1, 900),
    ("SIPp (the reference)", None, 1, 900),
)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _ours(script: str, processes: int, rate: int, calls: int) -> Row:
    """One run of the command; what it has counted."""
    python = next(library.python for library in LIBRARIES if library.name == OURS)
    core, other = cores()
    with TemporaryDirectory() as name, sipp_answers(other) as (port, _):
        report = Path(name) / "load.json"
        # SIPp's own scenario comes from SIPp itself, when it is measured.
        path = _SERVERS / script
        if script.endswith(".xml"):
            path = Path(name) / script
            path.write_bytes(_built_in("uac"))
        command = [str(python), "-m", "sipparty", "load", str(path), f"bench@{ADDRESS}:{port}"]
        command += ["--rate", str(rate), "--calls", str(calls), "--processes", str(processes)]
        command += ["--report", str(report), "--timeout", "20"]
        # Two processes have no core to share with SIPp's: they go where the system puts them.
        with Child(command, core if processes == 1 else None) as child:
            code = child.wait(calls / rate + 30)
            if code is None or not report.exists():
                raise Failed(f"sipparty load did not end: {child.errors()[-300:]}")
        found: dict[str, Any] = json.loads(report.read_text())
    return {
        "made": found["rate"],
        "cpu_us": found["cpu"]["per_call"] * 1e6,
        "retransmissions": found["counts"].get("retransmitted", 0),
        "failed": found["calls"]["failed"] + found["calls"]["lost"],
    }


def _built_in(name: str) -> bytes:
    done = subprocess.run(["sipp", "-sd", name], capture_output=True, check=False)
    return done.stdout[done.stdout.index(b"<?xml") :]


def _sipp(rate: int, calls: int) -> Row:
    """One run of SIPp as the caller."""
    core, other = cores()
    with sipp_answers(other) as (port, _):
        made = place_calls(port, calls, rate, core=core)
    return {
        "made": made.rate,
        "cpu_us": made.load_cpu_s / max(1, made.completed) * 1e6,
        "retransmissions": made.retransmissions,
        "failed": made.failed,
    }


def load(plan: Plan) -> Table:
    """Measure them, in turns."""
    found: dict[int, list[Row]] = {index: [] for index in range(len(_CASES))}
    missing: list[str] = []
    for _ in range(max(1, plan.rounds // 2)):
        for index, (title, script, processes, each) in enumerate(_CASES):
            rate = each * processes
            calls = int(rate * plan.window)
            try:
                row = (
                    _sipp(rate, calls) if script is None else _ours(script, processes, rate, calls)
                )
            except Failed as error:
                missing.append(f"{title}: {error}")
                continue
            _say(f"  load, {title} at {rate}/s: {row}")
            found[index].append(row)
    rows: list[Row] = []
    for index, (title, _script, processes, each) in enumerate(_CASES):
        runs = found[index]
        if not runs:
            continue
        rows.append(
            {
                "library": OURS,
                "title": title,
                "asked": each * processes,
                **{key: statistics.median(run[key] for run in runs) for key in ("made", "cpu_us")},
                **{key: sum(run[key] for run in runs) for key in ("retransmissions", "failed")},
            }
        )
    return Table(
        "Making a load",
        f"`sipparty load` calls `sipp -sn uas` for {plan.window:g} s: INVITE, 180, 200, ACK, BYE,"
        " 200. One process has a core for itself, SIPp another one; of two, one shares SIPp's. The"
        " CPU is that of the callers, their start not counted; medians of the turns,"
        " retransmissions and failures summed up.",
        [
            Column("asked", "calls/s asked", ",d"),
            Column("made", "calls/s made"),
            Column("cpu_us", "CPU µs/call"),
            Column("retransmissions", "retransmissions", ",d"),
            Column("failed", "failed", ",d"),
        ],
        rows,
        missing,
    )
