"""The clock of media: one timer for every session of a loop.

Laws:

* A period has phases, `SPACING` or more apart, and each member one of them. A phase takes members
  of the weight `CROWD` before the next is begun, and the first ones are far apart; when all are
  full, the lightest takes the next. So the work of many is spread over the period, no other work of
  the loop waits for all of it, and yet it is done in few pieces: what wakes for one member takes as
  long again as what wakes for ten.
* A phase ticks at `start + n * period` of the loop's clock: nothing adds up to drift, whatever a
  tick takes. One phase ticks in one turn of the loop.
* In a tick, first all members of the phase send, then what has come is read, then they play: what
  one plays does not delay what another sends.
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
from collections.abc import Callable
from operator import attrgetter
from typing import Final, Protocol

__all__ = ["CROWD", "MAX_CATCH_UP", "MAX_GAP", "SPACING", "Clock", "MediaClock", "Reader", "Ticked"]

_log = logging.getLogger(__name__)

#: Ticks that are made up for at once after a stall; what is more is left out.
MAX_CATCH_UP: Final = 3
#: Seconds from one phase of a period to the next, at least.
SPACING: Final = 0.0025
#: The weight of members that a phase takes before another one is begun. One of G.711 has 1.
CROWD: Final = 32
#: Seconds between two ticks at most for a reader to rely on them: short enough for what a flood
#: sends meanwhile to find room in a socket's buffer beside a call's packets.
MAX_GAP: Final = 0.0105

_DUE: Final = attrgetter("due")
_WEIGHT: Final = attrgetter("weight")
_SEND: Final = attrgetter("send_due")
_PLAY: Final = attrgetter("play_due")


class Ticked(Protocol):
    """What a clock ticks. It may have a `weight`: how much longer than another it takes; 1 else."""

    def send_due(self, now: float, skipped: int, /) -> None:
        """A period is over: send.

        Args:
            now: The time, in seconds.
            skipped: How many ticks were left out before this one.
        """

    def play_due(self, now: float, skipped: int, /) -> None:
        """The same period is over: play; called after `send_due`, with the same arguments."""


class Clock(Protocol):
    """What a session needs of a clock; a test may bring its own."""

    def time(self) -> float:
        """The time, in seconds from some beginning; it never goes back."""

    def add(self, member: Ticked, period: float) -> None:
        """Tick a member every `period` seconds; one that is a member already, from now on so."""

    def remove(self, member: Ticked) -> None:
        """Tick it no more; one that is no member is left alone."""


class Reader(Protocol):
    """What reads the packets of a loop; see `MediaClock.attach`."""

    def read(self) -> None:
        """Read what has come."""

    def rely_on_clock(self, often: bool, /) -> None:
        """Whether `read` is called every `MAX_GAP` seconds or sooner, from now on."""


class _Phase:
    """The members that are ticked at one time of a period."""

    __slots__ = ("due", "members", "period", "weight")

    def __init__(self, period: float, due: float) -> None:
        self.period = period
        self.due = due
        # With the weight of each, and of all together.
        self.members: dict[Ticked, int] = {}
        self.weight = 0


def _spread(period: float) -> list[float]:
    """Where the phases of a period begin, in periods, in the order in which they are used: each in
    the middle of a widest gap that there is by then.
    """
    at = [0.0]
    while period / len(at) / 2 >= SPACING:
        at += [each + 0.5 / len(at) for each in at]
    return at


def _gap(phases: list[_Phase]) -> float:
    """The seconds between two ticks of a period, at most."""
    period = phases[0].period
    at = sorted(phase.due % period for phase in phases if phase.members)
    return max(after - before for before, after in zip(at, [*at[1:], at[0] + period], strict=True))


class MediaClock:
    """The clock of one loop; `MediaClock.of(loop)` gives the one it has."""

    # A clock holds its loop, so no other loop has that id while there is the clock.
    _clocks: weakref.WeakValueDictionary[int, MediaClock] = weakref.WeakValueDictionary()

    __slots__ = (
        *("__weakref__", "_loop", "_of", "_often", "_phases", "_reader", "_timer"),
        *("_used", "time"),
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: The time of the loop, in seconds.
        self.time: Callable[[], float] = loop.time
        # By period, those that have members, and that of each member.
        self._phases: dict[float, list[_Phase]] = {}
        self._used: list[_Phase] = []
        self._of: dict[Ticked, _Phase] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reader: Reader | None = None
        self._often = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> MediaClock:
        """The clock that all of a loop share, for as long as somebody holds it."""
        clock = cls._clocks.get(id(loop))
        if clock is None:
            clock = cls._clocks[id(loop)] = cls(loop)
        return clock

    def attach(self, reader: Reader | None) -> None:
        """Have a reader read at each tick; None for no more. It is asked to rely on that while
        the ticks are `MAX_GAP` apart at most.
        """
        self._reader = reader
        self._often = False
        self._look()

    def add(self, member: Ticked, period: float) -> None:
        """Tick a member every `period` seconds, first within one from now."""
        before = self._of.get(member)
        if before is not None:
            if before.period == period:
                return
            self.remove(member)
        now = self._loop.time()
        phases = self._phases.get(period)
        if phases is None:
            phases = self._phases[period] = [
                _Phase(period, now + period * (at or 1.0)) for at in _spread(period)
            ]
        with_room = (phase for phase in phases if phase.weight < CROWD)
        phase = next(with_room, None) or min(phases, key=_WEIGHT)
        self._of[member] = phase
        if not phase.members:
            if phase.due <= now:
                phase.due += (1 + math.floor((now - phase.due) / period)) * period
            self._used.append(phase)
        weight = phase.members[member] = getattr(member, "weight", 1)
        phase.weight += weight
        self._look()

    def remove(self, member: Ticked) -> None:
        """Tick it no more."""
        phase = self._of.pop(member, None)
        if phase is None:
            return
        phase.weight -= phase.members.pop(member)
        if not phase.members:
            self._used.remove(phase)
            if not any(each.members for each in self._phases[phase.period]):
                del self._phases[phase.period]
        self._look()

    def _look(self) -> None:
        """See what a member that came or went has changed."""
        self._arm()
        reader = self._reader
        if reader is not None:
            often = any(_gap(phases) <= MAX_GAP for phases in self._phases.values())
            if often is not self._often:
                self._often = often
                reader.rely_on_clock(often)

    def _arm(self) -> None:
        """Set the timer to the next phase; take it away where there is none."""
        due = min(self._used, key=_DUE).due if self._used else None
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
        phase = min(self._used, key=_DUE)
        if phase.due <= now:
            behind = 1 + math.floor((now - phase.due) / phase.period)
            phase.due += behind * phase.period
            ticks = min(behind, MAX_CATCH_UP)
            members = tuple(phase.members)
            self._tick(phase, members, _SEND, now, ticks, behind - ticks)
            if self._reader is not None:
                self._reader.read()
            self._tick(phase, members, _PLAY, now, ticks, behind - ticks)
        self._arm()

    def _tick(
        self,
        phase: _Phase,
        members: tuple[Ticked, ...],
        step: Callable[[Ticked], Callable[[float, int], None]],
        now: float,
        ticks: int,
        skipped: int,
    ) -> None:
        still = phase.members
        for turn in range(ticks):
            left_out = skipped if turn == 0 else 0
            for member in members:
                if member not in still:  # another member, or its own tick, removed it
                    continue
                try:
                    step(member)(now, left_out)
                except Exception:
                    _log.exception("%r is ticked no more.", member)
                    self.remove(member)
