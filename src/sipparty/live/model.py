"""What there is to be seen of calls that are under way: one model for a terminal and for a page.

Laws:

1. It is made of the records of a trace alone, in the order in which they come: it is the same for
   a party that runs and for a file that grows.
2. It is bounded: the oldest calls are forgotten, those that are over first, and the oldest records
   of each call. Nothing that a record has makes it raise.
3. It belongs to one thread.

A call, or another request with a Call-ID of its own, is in one of these phases:

    ==============  ========================================================================
    "calling"       the request was sent or received, and no answer but 100 yet
    "ringing"       another provisional response
    "up"            a call that was answered
    "over"          a call that was hung up; a request that was answered with 2xx
    "failed"        the final response was another one
    ==============  ========================================================================
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, Final

from sipparty.fsm import FSM
from sipparty.fsm.drawing import View, view_of_records
from sipparty.trace.ladder import Ladder
from sipparty.trace.records import QualityRecord, StateRecord, TraceRecord
from sipparty.trace.text import Summary, mask, one_line, summarise
from sipparty.trace.wirelog import WireRecord

__all__ = ["ENDED", "LiveCall", "LiveModel"]

#: The phases of what is over.
ENDED: Final = ("over", "failed")

#: From and To, with their compact forms (RFC 3261 §7.3.3).
_PARTIES: Final = re.compile(
    rb"^(from|f|to|t)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
#: What is shown of an address: the URI without scheme and parameters.
_URI: Final = re.compile(rb"(?:sips?|tel):([^>;?\s]*)", re.IGNORECASE)
#: Machines that are kept of a call, and steps of each.
_MACHINES, _STEPS = 24, 200


class LiveCall:
    """One call, as it stands.

    Attributes:
        call_id: Its Call-ID.
        method: The method that it began with: "INVITE", or that of another request.
        caller: The address in From; "" where it is not known. Safe to print, as `callee` is.
        callee: The address in To.
        phase: Where it stands; see the module.
        result: The last response, such as "180 Ringing"; "" before.
        began: When it began, in seconds since 1970.
        answered: When it was answered; None before.
        ended: When it was over; None before.
        quality: The latest records of how it sounds.
        version: A number that grows with each record.
    """

    __slots__ = (
        *("_machines", "answered", "began", "call_id", "callee", "caller", "ended", "method"),
        *("phase", "quality", "records", "result", "version"),
    )

    def __init__(self, call_id: str, began: float, limit: int) -> None:
        self.call_id = call_id
        self.method = ""
        self.caller = self.callee = self.result = ""
        self.phase = "calling"
        self.began = began
        self.answered: float | None = None
        self.ended: float | None = None
        self.quality: deque[QualityRecord] = deque(maxlen=600)
        self.records: deque[TraceRecord] = deque(maxlen=limit)
        self.version = 0
        self._machines: OrderedDict[str, deque[StateRecord]] = OrderedDict()

    def add(self, record: TraceRecord) -> None:
        """Take one more record of this call."""
        self.version += 1
        self.records.append(record)
        if isinstance(record, WireRecord):
            said = summarise(record.data)
            if said is not None:
                self._note(record, said)
        elif isinstance(record, QualityRecord):
            self.quality.append(record)
        elif isinstance(record, StateRecord):
            steps = self._machines.setdefault(record.machine, deque(maxlen=_STEPS))
            steps.append(record)
            if len(self._machines) > _MACHINES:
                self._machines.popitem(last=False)

    def _note(self, record: WireRecord, said: Summary) -> None:
        if not self.method:
            self.method = said.method
            self._read_parties(record.data)
        if said.status is None:
            self._request(said.method, record.time)
        elif said.method == self.method:
            self._response(said.status, f"{said.status} {said.reason}".rstrip(), record.time)

    def _read_parties(self, data: bytes) -> None:
        head = mask(data).partition(b"\r\n\r\n")[0]
        for name, value in _PARTIES.findall(head):
            found = _URI.search(value)
            shown = one_line(found[1] if found else value, 60)
            if name[:1] in b"fF":
                self.caller = self.caller or shown
            else:
                self.callee = self.callee or shown

    def _request(self, method: str, time: float) -> None:
        if method == "BYE" and self.phase not in ENDED:
            self.phase, self.ended = "over", time
        elif method == self.method and self.phase == "failed":
            # Once more: with credentials, or elsewhere.
            self.phase, self.ended = "calling", None

    def _response(self, status: int, result: str, time: float) -> None:
        if self.phase in ENDED or self.answered is not None:
            return
        self.result = result
        if status < 200:
            self.phase = "ringing" if status > 100 else self.phase
        elif status >= 300:
            self.phase, self.ended = "failed", time
        elif self.method == "INVITE":
            self.phase, self.answered = "up", time
        else:
            self.phase, self.ended = "over", time

    def duration(self, now: float) -> float:
        """Seconds that it was up, or has been so far; 0.0 where it was not answered."""
        if self.answered is None:
            return 0.0
        return max(0.0, (self.ended or now) - self.answered)

    @property
    def mos(self) -> float | None:
        """How it sounds: the latest score, 1 to 5; None where there is none."""
        return next((one.mos for one in reversed(self.quality) if one.mos is not None), None)

    @property
    def state(self) -> str:
        """Where it stands, for people: the phase, with the response that made it."""
        if self.phase == "failed" or (self.phase == "ringing" and self.result):
            return self.result
        return self.phase

    def ladder(self, names: dict[Any, str] | None = None) -> Ladder:
        """Return the ladder of its messages, media, keys and notes."""
        others = StateRecord | QualityRecord  # they are shown beside it
        shown = (one for one in self.records if not isinstance(one, others))
        return Ladder(shown, names=names)

    def machines(self) -> list[View]:
        """Return its state machines, the call's own before those of transactions."""
        views = (view_of_records(steps, FSM) for steps in self._machines.values())
        found = [view for view in views if view is not None]
        return sorted(found, key=lambda view: view.title.endswith("Transaction"))


class LiveModel:
    """The calls of a trace.

    Args:
        calls: How many calls are kept; bounds the memory, as `records` does.
        records: How many records of each.

    Attributes:
        now: The time of the latest record, in seconds since 1970.
        version: A number that grows with each record.
        names: What endpoints are called in ladders.
    """

    def __init__(self, calls: int = 300, records: int = 1000) -> None:
        self._calls: OrderedDict[str, LiveCall] = OrderedDict()
        self._limit, self._records = calls, records
        self.now = 0.0
        self.version = 0
        self.names: dict[Any, str] = {}

    def add(self, records: Iterable[TraceRecord]) -> None:
        """Take records, the oldest first; what belongs to no call is left out."""
        for record in records:
            self.now = max(self.now, record.time)
            call_id = record.call_id
            call = self._calls.get(call_id)
            if call is None:
                if not call_id or not isinstance(record, WireRecord | StateRecord):
                    continue
                self._forget()
                call = self._calls[call_id] = LiveCall(call_id, record.time, self._records)
            call.add(record)
            self.version += 1

    def _forget(self) -> None:
        if len(self._calls) >= self._limit:
            over = (name for name, call in self._calls.items() if call.phase in ENDED)
            del self._calls[next(over, next(iter(self._calls)))]

    def __getitem__(self, call_id: str) -> LiveCall:
        """The call with a Call-ID.

        Raises:
            KeyError: It is not known, or forgotten.
        """
        return self._calls[call_id]

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._calls

    def __len__(self) -> int:
        """How many calls are kept."""
        return len(self._calls)

    def calls(self, *, ended: bool = True) -> list[LiveCall]:
        """Return the calls, the latest first; those that are over too, unless `ended` is false."""
        found = reversed(self._calls.values())
        return [call for call in found if ended or call.phase not in ENDED]
