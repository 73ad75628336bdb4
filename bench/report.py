"""Tables, and the page they stand on.

A row is a dict. `library` names it; a `Column` says how one of its other values is written, and may
add the ratio to sipparty's row. A value that is not there is written as a dash.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import setup
from libraries import LIBRARIES, OURS, REFERENCE
from plan import Plan

__all__ = ["Column", "Row", "Table", "machine", "page"]

Row = dict[str, Any]

_TITLES = {library.name: library.title for library in LIBRARIES}
_TITLES[REFERENCE] = "SIPp's own UAS (the reference)"


class Column(NamedTuple):
    """One column.

    Args:
        key: Which value of a row.
        heading: Its heading, unit included.
        form: A format specification, or a function that writes the value.
        ratio: Whether a column follows with the value over sipparty's.
        note: The key of a text put before the value, as "≥ ".
    """

    key: str
    heading: str
    form: str | Callable[[Any], str] = ",.0f"
    ratio: bool = False
    note: str = ""


class Table(NamedTuple):
    """One table.

    Args:
        title: Its heading.
        about: What was measured, in words.
        columns: Its columns, after the library's.
        rows: Its rows.
        missing: What could not be measured, and why.
    """

    title: str
    about: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    missing: Sequence[str] = ()

    def markdown(self) -> str:
        """The table as Markdown, its heading and its text with it."""
        headings = ["library"]
        for column in self.columns:
            headings.append(column.heading)
            if column.ratio:
                headings.append("÷ sipparty")
        lines = [
            f"## {self.title}",
            "",
            self.about,
            "",
            _line(headings),
            _line(["---", *["---:"] * (len(headings) - 1)]),
        ]
        ours = next((row for row in self.rows if row["library"] == OURS), {})
        lines += [_line(self._cells(row, ours)) for row in self.rows]
        if self.missing:
            lines += ["", *(f"- not measured: {text}" for text in self.missing)]
        return "\n".join(lines) + "\n"

    def _cells(self, row: Row, ours: Row) -> Iterable[str]:
        yield row.get("title") or _TITLES[row["library"]]
        for column in self.columns:
            value = row.get(column.key)
            yield "-" if value is None else row.get(column.note, "") + _write(value, column.form)
            if column.ratio:
                base = ours.get(column.key)
                yield f"{value / base:.2f}" if base and value is not None else "-"


def _write(value: Any, form: str | Callable[[Any], str]) -> str:
    return form(value) if callable(form) else format(value, form)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """The machine and the Python, in a line."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    count = os.cpu_count()
    return (
        f"{model}, {count} cores; Linux {platform.release()}; "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def page(tables: Sequence[Table], plan: Plan, seconds: float, others: float) -> str:
    """The whole page, as Markdown.

    Args:
        tables: What was measured.
        plan: The size of the run.
        seconds: How long it took.
        others: The CPU seconds that other processes took meanwhile.
    """
    share = max(0.0, others) / seconds / (os.cpu_count() or 1)
    peers = " and ".join(f"`{name}=={version}`" for name, version in setup.PEERS.items())
    today = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"""# Benchmarks

Written by `make bench` (`python bench/run.py`); do not edit. sipparty beside the PyPI peers
{peers}, each in its own process on the same interpreter, and
a floor: plain Python with canned answers, which knows no SIP. The reference is SIPp itself, a
program in C++, answering by a scenario. Every number on this page comes from one run, so that the
ratios hold where the numbers do not.

- machine: {machine()}
- run: {plan.name}, {today}, {seconds:.0f} s; other processes took {share:.1%} of the CPU meanwhile
- load: SIPp over 127.0.0.1; what is measured has one core for itself, SIPp another one
- CPU: user and system time of the whole process, all threads; µs is a millionth of a second
- "÷ sipparty": the row's number over sipparty's

What the libraries do for a call differs. sippy and sipparty run the transactions of RFC 3261, with
their retransmissions and timers; aiosipua repeats only a 200 without its ACK, sends its own
requests once, and takes a request sent again for a new one. Both peers send a 100 at once.

"""
    return head + "\n".join(table.markdown() for table in tables)
