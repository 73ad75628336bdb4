"""Timers: a queue of times to come, that reads no clock.

Laws:

1. Time is an argument. The owner sets `now` before it gives inputs to anything that arms timers,
   asks `next_timer()` when to come back, and calls `handle_timers(now)` then. Times are seconds on
   any one clock that does not go back, and are never compared with another.
2. One duration is one FIFO. Entries of one duration fall due in the order they were armed, so
   arming is an append and cancelling is a mark: both O(1), however many timers run. A SIP stack has
   a dozen durations and a hundred thousand timers. A heap holds one item for each FIFO that is not
   empty; a FIFO that empties is deleted, so durations that never come again leave nothing behind.
3. Entries fire in the order of their deadlines, those of one deadline in the order they were armed.
4. A dead entry, fired or cancelled, holds on to nothing: its references go at once, and its place
   in the FIFO goes when it gets to the head or when dead entries outnumber live ones.
5. `handle_timers` ends: what is armed while it runs waits for the next call, even if it is already
   due (`next_timer()` then says so). So no machine that arms itself for "at once" can hold up
   others.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from operator import itemgetter
from typing import Any, Protocol

__all__ = ["Entry", "TimerOwner", "Timers"]

#: Places in an `Entry`.
_DEADLINE, _ORDER, OWNER, _INPUT = range(4)

#: Dead entries that are kept before the first compaction, so that a small queue is never
#: rebuilt.
_LET_LIE = 64


class TimerOwner(Protocol):
    """What can be armed: a state machine, or anything else with a `_fire` method."""

    def _fire(self, input: str, /) -> None:
        """Take the input that was given to `Timers.arm`; its time has come."""


class Entry(list[Any]):
    """One armed timer, as `Timers.arm` gives it and `Timers.cancel` takes it: a list of `deadline`
    in seconds, order, `owner` (who is notified; None as soon as the entry is dead) and `input`.

    It is a list because one is made for each timer of each message: a list needs no call to fill.
    """

    __slots__ = ()

    deadline = property(itemgetter(0))
    owner = property(itemgetter(2))
    input = property(itemgetter(3))

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        if self.owner is None:
            return f"<Entry {self.input!r}, dead>"
        return f"<Entry {self.input!r} due at {self.deadline:g}>"


class Timers:
    """A queue of timers. It belongs to one thread.

    Args:
        now: The time to start from, in seconds.

    Attributes:
        now: The time that delays count from, in seconds; the owner keeps it current.
        soonest: A time that no deadline is before, in seconds: a look that costs nothing, where
            `next_timer` is exact. Infinite where nothing was armed.
    """

    __slots__ = ("_dead", "_fifos", "_heap", "_live", "_order", "now", "soonest")

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._fifos: dict[float, deque[Entry]] = {}
        # One (deadline, order, duration) for each FIFO. It is that of the head, or of an entry
        # before the head that died since; so it is never too late, and `_head` puts it right.
        self._heap: list[tuple[float, int, float]] = []
        self.soonest = inf
        self._order = 0
        self._live = 0
        self._dead = 0

    def arm(self, delay: float, owner: TimerOwner, input: str) -> Entry:
        """Have an owner given an input after a delay.

        Args:
            delay: Seconds from `now`; less than zero counts as zero.
            owner: Whose `_fire` is called.
            input: What it is called with.

        Returns:
            The entry, for `cancel`.

        Raises:
            ValueError: The delay is not a finite number.
        """
        if not 0.0 <= delay < inf:
            if not -inf < delay < 0.0:
                raise ValueError(
                    f"The delay of {input!r} is {delay!r}, not a finite number of seconds."
                )
            delay = 0.0
        order = self._order = self._order + 1
        deadline = self.now + delay
        entry = Entry((deadline, order, owner, input))
        fifo = self._fifos.get(delay)
        if fifo is None:
            self._fifos[delay] = deque((entry,))
            heappush(self._heap, (deadline, order, delay))
            if deadline < self.soonest:
                self.soonest = deadline
        else:
            fifo.append(entry)
        self._live += 1
        return entry

    def cancel(self, entry: Entry) -> None:
        """Take an entry out; nothing happens if it was cancelled or fired before."""
        if entry[OWNER] is None:
            return
        entry[OWNER] = None
        self._live -= 1
        self._dead += 1
        if self._dead > self._live + _LET_LIE:
            self._compact()

    def next_timer(self) -> float | None:
        """The time of the earliest deadline, in seconds; None where nothing is armed."""
        head = self._head()
        return None if head is None else head[_DEADLINE]

    def handle_timers(self, now: float) -> int:
        """Fire everything that is due and was armed before the call.

        An entry is dead before its owner is notified. An error that an owner raises comes out at
        once; what is still due stays armed and fires at the next call.

        Args:
            now: The time, in seconds; becomes `self.now`.

        Returns:
            How many entries fired.
        """
        self.now = now
        last = self._order
        fired = 0
        while True:
            head = self._head()
            if head is None or not head[_DEADLINE] <= now or head[_ORDER] > last:
                return fired
            owner = head[OWNER]
            head[OWNER] = None
            self._live -= 1
            self._dead += 1
            fired += 1
            owner._fire(head[_INPUT])

    def owners(self, input: str) -> list[TimerOwner]:
        """Return whose timers of an input are armed; it looks at all that are."""
        fifos = self._fifos.values()
        return [
            one[OWNER]
            for fifo in fifos
            for one in fifo
            if one[OWNER] is not None and one[_INPUT] == input
        ]

    def __len__(self) -> int:
        """How many entries are armed."""
        return self._live

    def __bool__(self) -> bool:
        """A queue is something even while it is empty."""
        return True

    def __repr__(self) -> str:
        return f"<Timers at {self.now:g}: {self._live} armed, next at {self.next_timer()}>"

    def _head(self) -> Entry | None:
        """The live entry that is due first, once the dead before it are gone."""
        heap = self._heap
        while heap:
            _, order, delay = heap[0]
            fifo = self._fifos[delay]
            while fifo and fifo[0][OWNER] is None:
                fifo.popleft()
                self._dead -= 1
            if not fifo:
                heappop(heap)
                del self._fifos[delay]
                continue
            head = fifo[0]
            if head[_ORDER] == order:
                self.soonest = head[_DEADLINE]
                return head
            heapreplace(heap, (head[_DEADLINE], head[_ORDER], delay))
        self.soonest = inf
        return None

    def _compact(self) -> None:
        """Drop every dead entry: half of what is looked at, so a cancel pays for two at most."""
        fifos: dict[float, deque[Entry]] = {}
        for delay, fifo in self._fifos.items():
            live = deque(entry for entry in fifo if entry[OWNER] is not None)
            if live:
                fifos[delay] = live
        self._fifos = fifos
        self._heap = [(fifo[0][_DEADLINE], fifo[0][_ORDER], delay) for delay, fifo in fifos.items()]
        heapify(self._heap)
        self._dead = 0
