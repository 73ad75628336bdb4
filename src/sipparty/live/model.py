"""What there is to be seen of calls that are under way: one model for a terminal and for a page.

Laws:

1. It is made of the records of a trace alone, in the order in which they come: it is the same for
   a party that runs and for a file that grows.
2. It is bounded: the oldest calls are forgotten, those that are over first, and the oldest records
   of each call. Nothing that a record has makes it raise.
3. It belongs to one thread.

What a call is, and the phases that it goes through, says `sipparty.trace.calls`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, Final

from sipparty.fsm import FSM
from sipparty.fsm.drawing import View, view_of_records
from sipparty.trace.calls import OVER, CallSummary
from sipparty.trace.ladder import Ladder
from sipparty.trace.records import QualityRecord, StateRecord, TraceRecord
from sipparty.trace.text import Summary
from sipparty.trace.wirelog import WireRecord

__all__ = ["LiveCall", "LiveModel"]

#: Machines that are kept of a call, and steps of each.
_MACHINES, _STEPS = 24, 200
#: Bytes of the messages that are kept of a call.
_BYTES: Final = 1 << 19


class LiveCall(CallSummary):
    """One call, as it stands, with its latest records.

    Attributes:
        quality: The latest records of how it sounds.
        latest: The latest records of all kinds.
    """

    __slots__ = ("_bytes", "_machines", "latest", "quality")

    def __init__(self, call_id: str, began: float, limit: int) -> None:
        super().__init__(call_id, began)
        self.quality: deque[QualityRecord] = deque(maxlen=600)
        self.latest: deque[TraceRecord] = deque(maxlen=limit)
        self._bytes = 0
        self._machines: OrderedDict[str, deque[StateRecord]] = OrderedDict()

    def add(self, record: TraceRecord, summary: Summary | None = None) -> None:
        """Take one more record of this call."""
        super().add(record, summary)
        if len(self.latest) == self.latest.maxlen:
            self._bytes -= _size(self.latest[0])
        self.latest.append(record)
        self._bytes += _size(record)
        while self._bytes > _BYTES:
            self._bytes -= _size(self.latest.popleft())
        if isinstance(record, QualityRecord):
            self.quality.append(record)
        elif isinstance(record, StateRecord):
            steps = self._machines.setdefault(record.machine, deque(maxlen=_STEPS))
            steps.append(record)
            if len(self._machines) > _MACHINES:
                self._machines.popitem(last=False)

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
        shown = (one for one in self.latest if not isinstance(one, others))
        return Ladder(shown, names=names)

    def machines(self) -> list[View]:
        """Return its state machines, the call's own before those of transactions."""
        views = (view_of_records(steps, FSM) for steps in self._machines.values())
        found = [view for view in views if view is not None]
        return sorted(found, key=lambda view: view.title.endswith("Transaction"))


def _size(record: TraceRecord) -> int:
    return len(record.data) if isinstance(record, WireRecord) else 0


class LiveModel:
    """The calls of a trace.

    Args:
        calls: How many calls are kept; bounds the memory, as `records` does.
        records: How many records of each.

    Attributes:
        now: The time of the latest record, in seconds since 1970.
        names: What endpoints are called in ladders.
    """

    def __init__(self, calls: int = 300, records: int = 1000) -> None:
        self._calls: OrderedDict[str, LiveCall] = OrderedDict()
        self._limit, self._records = calls, records
        self.now = 0.0
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

    def _forget(self) -> None:
        if len(self._calls) >= self._limit:
            over = (name for name, call in self._calls.items() if call.phase in OVER)
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
        return [call for call in found if ended or call.phase not in OVER]
