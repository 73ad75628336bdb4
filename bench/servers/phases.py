"""Places calls in phases, for any library and any event loop.

The program gives `start`, which begins a call and returns at once, and calls `done` when it has
ended. It calls `tick` every 10 ms. A phase paces its calls (`rate`, calls/s) or keeps a number of
them in flight (`inflight`); each prints one line of JSON when it has ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from support import emit

__all__ = ["TICK", "Phase", "Phases"]

#: Seconds between two calls of `tick`.
TICK = 0.01


class Phase(NamedTuple):
    """One phase.

    Args:
        name: What to call it in its report.
        calls: How many calls to make, at most.
        rate: Calls begun per second; 0 where `inflight` paces.
        inflight: Calls in flight at a time; 0 where `rate` paces.
        hold: Leave each call established instead of hanging up.
        limit: Seconds after which no call is begun any more; 2 s later the phase ends, and what
            is still in flight counts as failed.
        delay: Seconds to wait before the phase begins, for a reading of what came before.
    """

    name: str
    calls: int
    rate: float = 0.0
    inflight: int = 0
    hold: bool = False
    limit: float = 30.0
    delay: float = 0.0


class Phases:
    """The phases, one after the other.

    Args:
        text: The phases, as JSON: a list of objects with `Phase`'s fields.
        start: Begins a call; its argument is whether to hold it.
    """

    def __init__(self, text: str, start: Callable[[bool], None]) -> None:
        self._left = [Phase(**fields) for fields in json.loads(text)]
        self._start = start
        self._phase: Phase | None = None
        self._begun = self._ended = self._failed = 0
        self._since = self._cpu = 0.0

    def tick(self) -> None:
        """Begin what is due; move on when a phase has ended."""
        if self._phase is None:
            if not self._left:
                return
            self._phase = self._left.pop(0)
            self._begun = self._ended = self._failed = 0
            self._since, self._cpu = time.monotonic() + self._phase.delay, time.process_time()
        phase = self._phase
        elapsed = time.monotonic() - self._since
        if elapsed < 0:
            return
        if elapsed < phase.limit:
            if phase.rate:
                due = min(phase.calls, int(elapsed * phase.rate) + 1)
            else:
                due = min(phase.calls, self._ended + phase.inflight)
            while self._begun < due:
                self._begun += 1
                self._start(phase.hold)
        elif self._begun == self._ended or elapsed >= phase.limit + 2.0:
            self._finish(phase, elapsed)
            return
        if self._ended >= phase.calls:
            self._finish(phase, elapsed)

    def done(self, ok: bool = True) -> None:
        """A call has ended (or, held, is established)."""
        self._ended += 1
        if not ok:
            self._failed += 1
        phase = self._phase
        if phase is not None and phase.inflight and self._begun < phase.calls:
            if time.monotonic() - self._since >= phase.limit:
                return
            self._begun += 1
            self._start(phase.hold)

    def _finish(self, phase: Phase, elapsed: float) -> None:
        self._phase = None
        emit(
            phase=phase.name,
            completed=self._ended - self._failed,
            failed=self._failed + self._begun - self._ended,
            seconds=elapsed,
            cpu_s=time.process_time() - self._cpu,
        )
