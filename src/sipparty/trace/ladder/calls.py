"""The calls of a ladder, each in a line: who called whom, how it ended, how long it took.

A call is here what has a Call-ID of its own: a registration or a subscription too.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from sipparty.late import late_pattern
from sipparty.trace.ladder.layout import Layout, Row
from sipparty.trace.text import mask, one_line
from sipparty.trace.wirelog import WireRecord

__all__ = ["CallLine", "Outcome", "call_lines"]

#: How a call stands at the end of the records.
Outcome: TypeAlias = Literal["open", "answered", "ended", "failed", "cancelled", "other"]

_ENDS: Final = late_pattern(
    rb"^(from|f|to|t)[ \t]*:[ \t]*([^\r\n]{0,400})", re.IGNORECASE | re.MULTILINE
)
_URI: Final = late_pattern(rb"(?:sips?|tel):([^\s<>;,?]{1,200})", re.IGNORECASE)


class CallLine(NamedTuple):
    """A call in short.

    Attributes:
        call_id: Its Call-ID.
        method: The method of its first request; "" where none was seen.
        caller: Who it is from, such as "alice@atlanta.com"; "" where that is not known.
        callee: Who it is to, alike.
        outcome: How it stands: "answered" until the BYE, "ended" after it; "other" where its first
            request is no INVITE and was accepted.
        words: The outcome in words, such as "486 Busy Here" or "answered after 3.2 s, 60.0 s long".
        start: When its first row is, in seconds since 1970.
        end: When its last row is.
        rows: How many rows it has.
    """

    call_id: str
    method: str
    caller: str
    callee: str
    outcome: Outcome
    words: str
    start: float
    end: float
    rows: int


def call_lines(layout: Layout) -> list[CallLine]:
    """Return the calls of a layout, in order of their first row."""
    rows: list[list[Row]] = [[] for _ in layout.calls]
    for row in layout.rows:
        if row.call is not None:
            rows[row.call].append(row)
    return [_line(call, of_call) for call, of_call in zip(layout.calls, rows, strict=True)]


def _line(call_id: str, rows: list[Row]) -> CallLine:
    first = next((row for row in rows if row.kind == "request"), None)
    method = first.summary.method if first is not None and first.summary is not None else ""
    ends = {"f": "", "t": ""}
    if first is not None and isinstance(first.record, WireRecord):
        for name, value in _ENDS.findall(first.record.data.partition(b"\r\n\r\n")[0]):
            ends[name[:1].lower().decode()] = _who(value)
    outcome, words = _outcome(method, rows)
    times = rows[0].time, rows[-1].time
    return CallLine(call_id, method, ends["f"], ends["t"], outcome, words, *times, len(rows))


def _who(value: bytes) -> str:
    found = _URI.search(mask(value))
    return one_line(found[1] if found is not None else mask(value), 60)


def _outcome(method: str, rows: list[Row]) -> tuple[Outcome, str]:
    """How a call stands, by its messages alone."""
    status, answered, ended, cancelled = "", None, None, False
    refused = False
    for row in rows:
        summary = row.summary
        if summary is None:
            continue
        if summary.status is None:
            cancelled |= summary.method == "CANCEL"
            if summary.method == "BYE" and ended is None:
                ended = row.time
        elif answered is None and (not method or summary.method in (method, "")):
            status = f"{summary.status} {summary.reason}".rstrip()
            refused = summary.status >= 300
            if 200 <= summary.status < 300:
                answered = row.time
    start = rows[0].time
    if method != "INVITE":
        if answered is None:
            return ("failed" if refused else "open"), status or "no answer"
        return "other", status
    if answered is None:
        if refused and cancelled:
            return "cancelled", f"cancelled after {_seconds(rows[-1].time - start)}"
        return ("failed" if refused else "open"), status or "no answer"
    words = f"answered after {_seconds(answered - start)}"
    if ended is None:
        return "answered", words
    return "ended", f"{words}, {_seconds(ended - answered)} long"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
    )
