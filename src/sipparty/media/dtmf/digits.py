"""The digits of a call: what comes in every way, to the handlers and to who collects.

Laws:

* It runs on the engine's thread, and its times are those of the engine's timers.
* A press that comes in two ways is one (`merging`). Handlers have its events, whether it is
  collected or not.
* With the end of the call, what is collected ends too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from sipparty.fsm import Entry
from sipparty.media.dtmf.collector import Collection, Collector
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.merging import Merger

__all__ = ["CallDigits"]


class CallDigits:
    """The digits that come in one call.

    Args:
        call: The call.

    Attributes:
        collector: What is collected, and what waits to be.
        merger: What makes one press of two reports.
        on_change: Called after each digit, and after each collection's end; None for nobody.
    """

    __slots__ = ("_call", "_entry", "_release", "collector", "merger", "on_change")

    def __init__(self, call: Any) -> None:
        self._call = call
        self.collector = Collector()
        self.merger = Merger()
        self.on_change: Callable[[], object] | None = None
        self._entry: Entry | None = None
        self._release: Callable[[], None] | None = None

    @property
    def now(self) -> float:
        """The time, in seconds."""
        now: float = self._call.core.timers.now
        return now

    def hear(self, event: DigitReceived | DigitEnded) -> None:
        """Take what came, by whichever method."""
        now = self.now
        if not self.merger.takes(event, now):
            return
        core = self._call.core
        if core.watch is not None:
            core.watch(event)
        if self._call.agent.observed:
            core.emit(event)
        if isinstance(event, DigitReceived):
            self.collector.take(event.digit, now)
            self.changed()

    def begin(
        self, collection: Collection, on_change: Callable[[], object], clear: bool = False
    ) -> None:
        """Collect from now on.

        Args:
            collection: What is collected.
            on_change: Called after each digit, and after the end; perhaps at once.
            clear: Whether what waits is forgotten.
        """
        self.collector.finish("replaced")
        if self.on_change is not None:
            self.on_change()
        self.on_change = on_change
        self.collector.begin(collection, self.now, clear)
        if self.collector.current is not None and self._release is None:
            call = self._call
            self._release = call._when(lambda state: state in call.final, self._hang_up)
        self.changed()

    def finish(self, collection: Collection) -> None:
        """End a collection as "cancelled"; nothing where it has ended."""
        if self.collector.current is collection:
            self.collector.finish("cancelled")
            self.changed()

    def changed(self) -> None:
        """Take note that there may be a digit more, or a time to wait for."""
        timers = self._call.core.timers
        entry, self._entry = self._entry, None
        if entry is not None:
            timers.cancel(entry)
        current = self.collector.current
        if current is not None and current.due < inf:
            self._entry = timers.arm(current.due - timers.now, self, "due")
        on_change = self.on_change
        if current is None:
            self.on_change = None
            unwatch, self._release = self._release, None
            if unwatch is not None:
                unwatch()
        if on_change is not None:
            on_change()

    def _fire(self, input: str, /) -> None:
        """End the collection whose time is over."""
        self._entry = None
        current = self.collector.current
        if current is not None:
            self.collector.expire(max(self.now, current.due))
        self.changed()

    def _hang_up(self) -> None:
        self.collector.finish("hangup")
        self.changed()
