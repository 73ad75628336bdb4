"""Waiting until something is so, in a thread or a coroutine, in real or virtual time.

Laws:

* What is asked is asked again at each message and each change of state, and from time to time.
* On a thread it blocks. Where a loop is running that must not be blocked, what is returned has to
  be awaited; one that never is, is one of `forgotten()`, by which the plugin fails its test.
* Seconds are those of the engine's loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sipparty.concurrency.waiting import waker

__all__ = ["Check", "Checked", "Expectation", "Wrong", "forgotten", "settle"]

#: Whether it is decided; and then what was wrong, as text, or what is to be returned.
Checked = tuple[bool, Any]
#: Looks whether it is decided; it is told whether this is the last time that it is asked.
Check = Callable[[bool], Checked]

#: What was made and not awaited yet.
_made: Final[dict[int, Expectation]] = {}

#: Seconds until it is asked again, at first and at most.
_SOON, _LATE = 0.005, 1.0


class Wrong(str):
    """What was wrong, in words."""

    __slots__ = ()


class Expectation(Awaitable[Any]):
    """What is to be awaited.

    Args:
        engine: The engine whose messages and time it is about.
        check: Says whether it is decided.
        within: Seconds until it has to be.
        machine: The state machine that it is about; None for none.
    """

    def __init__(self, engine: Any, check: Check, within: float, machine: Any) -> None:
        self._engine = engine
        self._check = check
        self._machine = machine
        self._within = within
        self._step = _SOON
        #: The file and the line that made it.
        self.place = ""

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait in a coroutine."""
        __tracebackhide__ = True
        _made.pop(id(self), None)
        return self._wait().__await__()

    async def _wait(self) -> Any:
        __tracebackhide__ = True
        loop = asyncio.get_running_loop()
        end = self._now() + self._within
        while True:
            woken: asyncio.Future[None] = loop.create_future()
            with self._notified(waker(loop, woken)):
                decided, result = self._check(self._now() >= end)
                if decided:
                    return _result(result)
                await asyncio.wait((woken,), timeout=self._pause(end))

    def wait(self) -> Any:
        """Wait on a thread."""
        __tracebackhide__ = True
        end = self._now() + self._within
        while True:
            event = self._engine.event()
            with self._notified(event.set):
                decided, result = self._check(self._now() >= end)
                if decided:
                    return _result(result)
                event.wait(self._pause(end))

    def _now(self) -> float:
        now: float = self._engine.loop.time()
        return now

    def _pause(self, end: float) -> float:
        step, self._step = self._step, min(self._step * 1.3, _LATE)
        return max(min(step, end - self._now()), 0.0001)

    @contextmanager
    def _notified(self, wake: Callable[[], object]) -> Iterator[None]:
        """Have something called at the next message, and the next state."""
        asked = [True]  # about the state now; what comes then is another
        undo = self._machine and self._machine._when(lambda _: not asked or not asked.pop(), wake)
        tap = self._engine.wire.add(lambda _: wake())
        try:
            yield
        finally:
            self._engine.wire.remove(tap)
            if undo:
                undo()


def _result(result: Any) -> Any:
    __tracebackhide__ = True
    if isinstance(result, Wrong):
        raise AssertionError(str(result))
    return result


def settle(engine: Any, check: Check, within: float, machine: Any = None) -> Any:
    """Wait until a check is decided, and return what it gives.

    Args:
        engine: The engine whose messages and time it is about.
        check: Says whether it is decided; asked at least once more when the time has run out.
        within: Seconds until it has to be.
        machine: The state machine that it is about; None for none.

    Raises:
        AssertionError: It has decided that something is wrong.
    """
    __tracebackhide__ = True
    made = Expectation(engine, check, within, machine)
    if not _must_be_awaited(engine):
        return made.wait()
    made.place = _caller()
    _made[id(made)] = made
    return made


def _caller() -> str:
    """The file and the line outside of this package that is at work."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("sipparty."):
        frame = frame.f_back
    return "" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _must_be_awaited(engine: Any) -> bool:
    """Whether this is a coroutine, whose loop should not be blocked."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    network = getattr(engine, "network", None)
    # In a notebook there is a loop too, which virtual time does not depend on.
    return network is None or loop is network.loop


def forgotten() -> list[str]:
    """Return, as sentences, what was made and never awaited, and forget it."""
    lines = [
        f"an expectation, at {one.place}: write 'await expect(...)' there" for one in _made.values()
    ]
    _made.clear()
    return lines
