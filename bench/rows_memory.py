"""Memory: what an established call takes, and whether calls that have ended leave anything."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from libraries import FLOOR, LIBRARIES, Library, program
from plan import Plan
from processes import Child, Failed, cpu_clock, free_port
from report import Column, Row, Table
from sipp import place_calls, sipp_uas

__all__ = ["memory"]

#: Calls/s at which calls to be held are set up, and the same where allocations are counted.
_HOLD_RATE = 300
_TRACED_RATE = 125

#: Calls made and ended before the first reading, so that what is made once is there.
_WARM = 10

_CLIENT_WAIT = 90.0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Held:
    """A process that holds established calls, and what it held before."""

    def __init__(
        self, library: Library, role: str, plan: Plan, traced: bool, stack: contextlib.ExitStack
    ) -> None:
        self.library, self.role, self.traced = library, role, traced
        self.calls = plan.traced if traced else plan.held
        rate = _TRACED_RATE if traced else _HOLD_RATE
        more = ["--traced"] if traced else []
        port = free_port()
        if role == "uas":
            command = program(library, "uas", port, *more)
            self.child = stack.enter_context(Child(command)).ready()
            place_calls(port, _WARM, rate)
            self.before = self.child.report()
            load = place_calls(port, self.calls, rate, scenario="uac_hold")
            self.calls = load.completed
        else:
            target = stack.enter_context(sipp_uas(scenario="uas_hold"))
            # The first few are held as well: they are in the first reading, not in the difference.
            hold = {"rate": rate, "hold": True, "limit": _CLIENT_WAIT}
            phases = [
                {"name": "warm", "calls": _WARM, **hold},
                {"name": "hold", "calls": self.calls, **hold, "delay": 1.0},
            ]
            more += ["--target", str(target), "--phases", json.dumps(phases)]
            command = program(library, "uac", port, *more)
            self.child = stack.enter_context(Child(command)).ready()
            self.child.json(_CLIENT_WAIT)
            self.before = self.child.report()
            self.calls = self.child.json(_CLIENT_WAIT + 5)["completed"]
        if not self.calls:
            raise Failed(f"{library.name} as {role} established no call")

    def row(self) -> Row:
        """What it holds now, a call."""
        now = self.child.report()
        key = "traced_kb" if self.traced else "rss_kb"
        values = {f"{self.role}_{key}": (now[key] - self.before[key]) / self.calls}
        if not self.traced:
            objects = now["objects"] - self.before["objects"]
            values[f"{self.role}_objects"] = objects / self.calls
        return {"library": self.library.name, **values}


class _Flat:
    """A UAS that takes calls which end, and its readings."""

    def __init__(self, library: Library, plan: Plan, stack: contextlib.ExitStack) -> None:
        self.library, self.plan = library, plan
        self.port = free_port()
        self.child = stack.enter_context(Child(program(library, "uas", self.port))).ready()
        self.made = self.failed = 0
        self.readings: list[dict[str, Any]] = []
        self.cpu = 0.0

    def call(self, calls: int) -> None:
        """Make calls until there were `calls` in all."""
        wanted = calls - self.made
        load = place_calls(self.port, wanted, self.library.flat_rate, patience=20)
        self.made = calls
        self.failed += load.failed

    def read(self) -> None:
        """Take a reading."""
        self.cpu = cpu_clock(self.child.pid) - self.cpu
        self.readings.append(self.child.report())
        if len(self.readings) == 1:
            self.cpu = cpu_clock(self.child.pid)

    def row(self) -> Row:
        """The two readings and their difference."""
        first, last = self.readings
        few, many = self.plan.flat
        return {
            "library": self.library.name,
            "first": first["rss_kb"] / 1024,
            "last": last["rss_kb"] / 1024,
            "growth": (last["rss_kb"] - first["rss_kb"]) * 1024 / (many - few),
            "objects": (last["objects"] - first["objects"]) / (many - few),
            "cpu_us": self.cpu / (many - few) * 1e6,
            "failed": self.failed,
        }


class _Memory:
    """The two tables' processes, which live side by side, as most of their time is waiting."""

    def __init__(self, plan: Plan, stack: contextlib.ExitStack) -> None:
        self._plan, self._stack = plan, stack
        self._held: list[_Held] = []
        self._flat: list[_Flat] = []
        self.missing: dict[str, str] = {}
        self.held_rows: list[Row] = []
        self.flat_rows: list[Row] = []

    def _hold(self, library: Library) -> None:
        for role in ("uas", "uac"):
            for traced in (False, True):
                try:
                    held = _Held(library, role, self._plan, traced, self._stack)
                except Failed as error:
                    self.missing[f"{library.name} as {role}"] = str(error)
                    break
                self._held.append(held)
                kind = "traced" if traced else "plain"
                _say(f"  {library.name} {role} holds {held.calls} calls ({kind})")

    def _begin_flat(self, library: Library) -> None:
        try:
            flat = _Flat(library, self._plan, self._stack)
            flat.call(self._plan.flat[0])
        except Failed as error:
            self.missing[f"{library.name}, flatness"] = str(error)
        else:
            self._flat.append(flat)

    def run(self) -> None:
        """Set up, wait, read; call on, wait, read."""
        libraries = [library for library in LIBRARIES if library.name != FLOOR]
        many = self._plan.flat[1]
        # All within the pool: a child ends with the thread that started it (`Child`).
        with ThreadPoolExecutor(2 * len(libraries)) as pool:
            jobs = [pool.submit(self._hold, library) for library in libraries]
            if many:
                jobs += [pool.submit(self._begin_flat, library) for library in libraries]
            for job in jobs:
                job.result()
            _say(f"  waiting {self._plan.settle:g} s for the transactions' timers")
            time.sleep(self._plan.settle)
            if many:
                self._read_flat("the first reading")
                list(pool.map(lambda flat: flat.call(many), self._flat))
                _say(f"  waiting {self._plan.flat_settle:g} s more")
                time.sleep(self._plan.flat_settle)
                self._read_flat("the second reading")
            self._collect()

    def _read_flat(self, what: str) -> None:
        for flat in self._flat[:]:
            try:
                flat.read()
            except Failed as error:
                self.missing[f"{flat.library.name}, flatness, {what}"] = str(error)
                self._flat.remove(flat)

    def _collect(self) -> None:
        """A row a library: for the calls held, what its four processes hold put together."""
        rows: dict[str, Row] = {}
        for held in self._held:
            try:
                row = held.row()
            except Failed as error:
                self.missing[f"{held.library.name} as {held.role}"] = str(error)
                continue
            rows.setdefault(held.library.name, {}).update(row)
        order = [library.name for library in LIBRARIES]
        self.held_rows = sorted(rows.values(), key=lambda row: order.index(row["library"]))
        flat = [flat.row() for flat in self._flat]
        self.flat_rows = sorted(flat, key=lambda row: order.index(row["library"]))


def memory(plan: Plan) -> list[Table]:
    """Both tables."""
    with contextlib.ExitStack() as stack:
        run = _Memory(plan, stack)
        run.run()
        held, flat = run.held_rows, run.flat_rows
    missing = [f"{name}: {text}" for name, text in run.missing.items()]
    waited = plan.settle + plan.flat_settle
    left = "no transaction is left" if plan.settle >= 32 else "**their transactions still live**"
    tables = [
        Table(
            "Memory of an established call",
            f"{plan.held:,} calls held, {waited:.0f} s and more after they were set up: {left}."
            " RSS is what the process grew by, a call, read after a collection: it keeps what"
            " setting up took at its peak. Allocated is what tracemalloc counts, in another"
            f" process with {plan.traced:,} calls.",
            [
                Column("uas_traced_kb", "UAS, allocated KiB/call", ".1f", ratio=True),
                Column("uas_rss_kb", "UAS, RSS KiB/call", ".1f", ratio=True),
                Column("uas_objects", "UAS, objects/call", ".0f"),
                Column("uac_traced_kb", "UAC, allocated KiB/call", ".1f", ratio=True),
                Column("uac_rss_kb", "UAC, RSS KiB/call", ".1f", ratio=True),
                Column("uac_objects", "UAC, objects/call", ".0f"),
            ],
            held,
            [text for text in missing if "flatness" not in text],
        )
    ]
    if plan.flat[1]:
        few, many = plan.flat
        rates = ", ".join(
            f"{library.name} {library.flat_rate}" for library in LIBRARIES if library.name != FLOOR
        )
        tables.append(
            Table(
                "Memory after calls have ended",
                f"RSS of a UAS {plan.settle:g} s after {few:,} calls made and ended, and"
                f" {plan.flat_settle:g} s after {many:,}; the growth between them, a call, in bytes"
                " and in objects that the collector knows. CPU of a call here includes all that a"
                " library does later, until its last timer has run out; the processes share the"
                f" machine, so that it is higher than above. Calls/s: {rates}.",
                [
                    Column("first", f"MiB at {few:,}", ".1f"),
                    Column("last", f"MiB at {many:,}", ".1f"),
                    Column("growth", "RSS growth, bytes/call", ",.1f"),
                    Column("objects", "objects/call", ".2f"),
                    Column("cpu_us", "CPU µs/call, timers too", ratio=True),
                    Column("failed", "failed", ",d"),
                ],
                flat,
                [text for text in missing if "flatness" in text],
            )
        )
    return tables
