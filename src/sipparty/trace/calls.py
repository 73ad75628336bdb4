"""Calls in short, as their records tell: who called whom, where the call stands, how long it took.

A call is here what has a Call-ID of its own: a registration or a subscription too. It is in one of
these phases:

    ==============  ========================================================================
    "calling"       the request was sent or received, and no answer but 100 yet
    "ringing"       another provisional response
    "answered"      a call that was answered
    "ended"         a call that was hung up; another request that was answered with 2xx
    "cancelled"     a request that was answered 487 after a CANCEL, or after an early BYE
    "failed"        another final response
    ==============  ========================================================================

Laws:

1. Records are taken one by one, in order of time: it is the same for a call that is under way and
   for one in a file. A message that is taken twice, as both ends saw it, changes nothing.
2. No bytes make it raise. What is shown of a message is escaped, and secrets are masked.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from sipparty.late import late_pattern
from sipparty.trace.ladder.layout import Layout
from sipparty.trace.records import TraceRecord
from sipparty.trace.text import Summary, mask, one_line, summarise
from sipparty.trace.wirelog import WireRecord

__all__ = ["OVER", "CallSummary", "Phase", "calls_of"]

#: Where a call stands.
Phase: TypeAlias = Literal["calling", "ringing", "answered", "ended", "cancelled", "failed"]

#: The phases of what is over.
OVER: Final[tuple[Phase, ...]] = ("ended", "cancelled", "failed")

#: From and To, with their compact forms (RFC 3261 §7.3.3).
_PARTIES: Final = late_pattern(
    rb"^(from|f|to|t)[ \t]*:[ \t]*([^\r\n]{0,400})", re.IGNORECASE | re.MULTILINE
)
#: What is shown of an address: the URI without scheme and parameters.
_URI: Final = late_pattern(rb"(?:sips?|tel):([^\s<>;,?]{1,200})", re.IGNORECASE)


class CallSummary:
    """A call in short.

    Args:
        call_id: Its Call-ID.
        began: When it began, in seconds since 1970.

    Attributes:
        call_id: Its Call-ID, as it is in the messages.
        method: The method that it began with: "INVITE", or that of another request; "" where no
            message was seen.
        caller: The address in From, such as "alice@atlanta.com"; "" where it is not known.
        callee: The address in To, alike.
        phase: Where it stands; see the module.
        result: The last response to its first request, such as "180 Ringing"; "" before.
        began: When it began, in seconds since 1970.
        answered: When it was answered, alike; None before.
        ended: When it was over, alike; None before.
        records: How many records it has.
    """

    __slots__ = (
        *("_cancelled", "answered", "began", "call_id", "callee", "caller", "ended"),
        *("method", "phase", "records", "result"),
    )

    def __init__(self, call_id: str, began: float) -> None:
        self.call_id = call_id
        self.method = self.caller = self.callee = self.result = ""
        self.phase: Phase = "calling"
        self.began = began
        self.answered: float | None = None
        self.ended: float | None = None
        self.records = 0
        self._cancelled = False

    def add(self, record: TraceRecord, summary: Summary | None = None) -> None:
        """Take one more record of this call.

        Args:
            record: The record.
            summary: What `summarise` says of it, where that is known.
        """
        self.records += 1
        if not isinstance(record, WireRecord):
            return
        summary = summary or summarise(record.data)
        if summary is None:
            return
        if not self.method:
            self.method = summary.method
            self._read_parties(record.data)
        if summary.status is None:
            self._request(summary.method, record.time)
        elif summary.method == self.method:
            self._response(summary.status, f"{summary.status} {summary.reason}", record.time)

    def _read_parties(self, data: bytes) -> None:
        for name, value in _PARTIES.findall(mask(data.partition(b"\r\n\r\n")[0])):
            found = _URI.search(value)
            shown = one_line(found[1] if found else value, 60)
            if name[:1] in b"fF":
                self.caller = self.caller or shown
            else:
                self.callee = self.callee or shown

    def _request(self, method: str, time: float) -> None:
        if method == "CANCEL":
            self._cancelled = True
        elif method == self.method:
            if self.phase in ("failed", "cancelled"):
                # Once more: with credentials, or elsewhere.
                self.phase, self.ended, self._cancelled = "calling", None, False
        elif method == "BYE" and self.phase not in OVER:
            # Without an answer it gives up an early dialog (RFC 3261 §15), and 487 follows.
            self.phase, self.ended, self._cancelled = "ended", time, True

    def _response(self, status: int, result: str, time: float) -> None:
        if self.answered is not None or (status == 100 and self.phase != "calling"):
            return
        if self.phase == "ended" and (self.method != "INVITE" or status < 300):
            return
        # One branch of a fork may have failed before: what counts is what comes last.
        self.result = result.rstrip()
        if status < 200:
            self.phase, self.ended = "ringing" if status > 100 else self.phase, None
        elif status >= 300:
            cancelled = self._cancelled and status == 487
            self.phase, self.ended = "cancelled" if cancelled else "failed", time
        elif self.method == "INVITE":
            self.phase, self.answered, self.ended = "answered", time, None
        else:
            self.phase, self.ended = "ended", time

    def duration(self, now: float | None = None) -> float:
        """Return how long the call lasted, or has lasted until now, in seconds; 0.0 where it was
        not answered.

        Args:
            now: The time that it is, for a call that is not over.
        """
        end = now if self.ended is None else self.ended
        return 0.0 if self.answered is None or end is None else max(0.0, end - self.answered)

    @property
    def outcome(self) -> str:
        """How it went so far, in words: "486 Busy Here", "answered after 3.2 s, 1:00 long"."""
        if self.answered is not None:
            words = f"answered after {_seconds(self.answered - self.began)}"
            return words if self.ended is None else f"{words}, {_seconds(self.duration())} long"
        if self.phase == "cancelled" and self.ended is not None:
            return f"cancelled after {_seconds(self.ended - self.began)}"
        if self.phase == "ended" and self.method == "INVITE":
            return "hung up, and no answer was seen"
        return self.result or "no answer"


def calls_of(layout: Layout) -> list[CallSummary]:
    """Return the calls of a ladder's layout, in order of their first row."""
    found: dict[int, CallSummary] = {}
    for row in layout.rows:
        if row.call is not None:
            if row.call not in found:
                found[row.call] = CallSummary(layout.calls[row.call], row.time)
            found[row.call].add(row.record, row.summary)
    return list(found.values())


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
