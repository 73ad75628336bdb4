"""The clock of media: one timer for every session of a loop.

Laws:

* Members of one period tick together, at `start + n * period` of the loop's clock: nothing adds up
  to drift, whatever a tick takes.
* After a stall a member is ticked at most `MAX_CATCH_UP` times at once, and gets the number
  of ticks that were left out: a late sender sends no burst, which networks and playout buffers
  drop (RFC 3550 section 5.1 has the timestamps go on).
* A clock without members has no timer; one that nobody holds is forgotten.
* A member that raises is logged and ticked no more; the others do not notice.

It belongs to the thread of its loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from typing import Final, Protocol

__all__ = ["MAX_CATCH_UP", "Clock", "MediaClock", "Ticked"]

_log = logging.getLogger(__name__)

#: Ticks that are made up for at once after a stall; what is more is left out.
MAX_CATCH_UP: Final = 3


class Ticked(Protocol):
    """What a clock ticks."""

    def tick(self, now: float, skipped: int, /) -> None:
        """A period is over.

        Args:
            now: The time, in seconds.
            skipped: How many ticks were left out before this one.
        """


class Clock(Protocol):
    """What a session needs of a clock; a test may bring its own."""

    def time(self) -> float:
        """The time, in seconds from some beginning; it never goes back."""

    def add(self, member: Ticked, period: float) -> None:
        """Tick a member every `period` seconds; one that is a member already, from now on so."""

    def remove(self, member: Ticked) -> None:
        """Tick it no more; one that is no member is left alone."""


class _Beat:
    """The members of one period."""

    __slots__ = ("due", "members", "period")

    def __init__(self, period: float, now: float) -> None:
        self.period = period
        self.due = now + period
        self.members: dict[Ticked, None] = {}


class MediaClock:
    """The clock of one loop; `MediaClock.of(loop)` gives the one it has."""

    # A clock holds its loop, so no other loop has that id while there is the clock.
    _clocks: weakref.WeakValueDictionary[int, MediaClock] = weakref.WeakValueDictionary()

    __slots__ = ("__weakref__", "_beats", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._beats: dict[float, _Beat] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> MediaClock:
        """The clock that all of a loop share, for as long as somebody holds it."""
        clock = cls._clocks.get(id(loop))
        if clock is None:
            clock = cls._clocks[id(loop)] = cls(loop)
        return clock

    def time(self) -> float:
        """The time of the loop, in seconds."""
        return self._loop.time()

    def add(self, member: Ticked, period: float) -> None:
        """Tick a member every `period` seconds, first within one from now."""
        beat = self._beats.get(period)
        if beat is not None and member in beat.members:
            return
        self.remove(member)
        if period not in self._beats:
            self._beats[period] = _Beat(period, self._loop.time())
        self._beats[period].members[member] = None
        self._arm()

    def remove(self, member: Ticked) -> None:
        """Tick it no more."""
        for beat in [beat for beat in self._beats.values() if member in beat.members]:
            del beat.members[member]
            if not beat.members:
                del self._beats[beat.period]
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the next beat; take it away where there is none."""
        due = min((beat.due for beat in self._beats.values()), default=None)
        timer = self._timer
        if timer is not None:
            if timer.when() == due and not timer.cancelled():
                return
            timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        for beat in list(self._beats.values()):
            if beat.due > now:
                continue
            behind = 1 + math.floor((now - beat.due) / beat.period)
            beat.due += behind * beat.period
            ticks = min(behind, MAX_CATCH_UP)
            for member in list(beat.members):
                self._tick(member, beat, now, ticks, behind - ticks)
        self._arm()

    def _tick(self, member: Ticked, beat: _Beat, now: float, ticks: int, skipped: int) -> None:
        try:
            for _ in range(ticks):
                if member not in beat.members:  # another member, or its own tick, removed it
                    return
                member.tick(now, skipped)
                skipped = 0
        except Exception:
            _log.exception("%r is ticked no more.", member)
            self.remove(member)
