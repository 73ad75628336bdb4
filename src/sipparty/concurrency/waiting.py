"""Waiting for a state, from a thread or a coroutine, and access to a machine's own thread.

Laws:

1. Waiting never runs a machine. A watcher is notified of each state on the machine's own thread,
   inside the transition, so no state between two others is missed, however late the waiter wakes.
2. A wait registers first and looks at the state second: the last one whose transition is through,
   enter hook and all. A change before the look is seen by the look, one after it by the watcher;
   nothing falls between, and nobody goes on while the machine still enters the state waited for. A
   condition may so be asked about one state twice, and on either of the two threads.
3. A machine without watchers pays for one comparison with None. The watchers are an immutable tuple
   that is replaced under a lock which only waiting takes.
4. What a condition raises is raised where the wait was made, never in the machine.
5. However a wait ends, its watcher is gone afterwards.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sipparty.errors import Timeout

if TYPE_CHECKING:
    import asyncio

__all__ = ["HasPortal", "Portal", "Waitable", "Watchable", "verb", "waker"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_O = TypeVar("_O")

_lock = threading.Lock()


class Portal(Protocol):
    """Access to the thread that a machine runs on, where that is not the caller's."""

    def run(self, function: Callable[..., _R], /, *args: object) -> _R:
        """Run a function on the machine's thread and return, or raise, what it does.

        Called on that thread it runs the function at once.
        """

    def check_may_block(self) -> None:
        """Raise `sipparty.errors.WouldDeadlock` on the machine's own thread; else do nothing."""

    def event(self) -> threading.Event:
        """Return what a thread waits on; its time is that of the machine."""


class HasPortal(Protocol):
    """An object whose verbs may have to run on another thread."""

    @property
    def portal(self) -> Portal | None:
        """Access to the object's thread; None where callers are on it already."""


_S = TypeVar("_S", bound=HasPortal)


def verb(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Make a method that runs on the object's own thread, whichever thread calls it.

    Through `self.portal` where there is one, directly otherwise. What the method returns or raises
    comes back to the caller.
    """

    @functools.wraps(method)
    def through(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        portal = self.portal
        if portal is None:
            return method(self, *args, **kwargs)
        if kwargs:
            return portal.run(functools.partial(method, self, *args, **kwargs))
        return portal.run(method, self, *args)

    return through


def waker(loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None]) -> Callable[[], object]:
    """Return what settles a future of this thread's loop, on whichever thread it is called."""
    thread = threading.get_ident()

    def settle() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake() -> None:
        if threading.get_ident() == thread:
            settle()  # saves a write to the loop's own socket
            return
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # the loop was closed, and the wait with it

    return wake


class _Watcher:
    """One wait: asks its condition about states until it is settled.

    Args:
        condition: What is waited for.
        wake: Called once when the wait is settled, on the thread that settled it.
    """

    __slots__ = ("_condition", "_wake", "error", "state")

    def __init__(self, condition: Callable[[str], object], wake: Callable[[], object]) -> None:
        self._condition = condition
        self._wake = wake
        self.state: str | None = None
        self.error: BaseException | None = None

    def notify(self, state: str) -> None:
        """Ask about a state."""
        if self.settled():
            return
        error: BaseException | None = None
        try:
            if not self._condition(state):
                return
        except BaseException as raised:  # law 4: even what pytest.fail raises
            error = raised
        with _lock:
            if self.settled():
                return
            if error is None:
                self.state = state
            else:
                self.error = error
        self._wake()

    def settled(self) -> bool:
        return self.state is not None or self.error is not None

    def result(self) -> str | None:
        """The state that met the condition, None where there is none yet; raises what it raised."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # it holds this frame, which holds it
        return self.state


class Watchable:
    """What has a state that can be waited for."""

    __slots__ = ("_entered", "_portal", "_watchers", "state")

    _entered: str  # the last state notified: `state`, but for the length of its enter hook
    _portal: Portal | None
    _watchers: tuple[_Watcher, ...] | None
    #: The current state's name.
    state: str

    @property
    def name(self) -> str:
        """What the object is called in errors."""
        return type(self).__name__

    @property
    def portal(self) -> Portal | None:
        """Access to the machine's thread; None, the default, where callers are on it already."""
        return self._portal

    @portal.setter
    def portal(self, portal: Portal | None) -> None:
        self._portal = portal

    def waitForStateCondition(
        self, condition: Callable[[str], object], timeout: float | None = None
    ) -> str:
        """Block the calling thread until a condition on the state is true.

        The condition is asked about the state now, on the calling thread, and about each state to
        come on the machine's thread, inside the transition; so it should be quick. The machine has
        to be run by another thread than the waiting one.

        Args:
            condition: Called with the name of a state; anything true ends the wait.
            timeout: Seconds to wait at most; None waits for ever, zero or less only looks.

        Returns:
            The state for which the condition was true; the machine may have left it since.

        Raises:
            Timeout: The time ran out; the machine goes on.
            WouldDeadlock: The calling thread is the machine's own, by what `portal` says.
            BaseException: Whatever the condition raised.
        """
        woken = threading.Event()
        if self._portal is not None:
            self._portal.check_may_block()
            woken = self._portal.event()
        watcher = _Watcher(condition, woken.set)
        self._watch(watcher)
        try:
            watcher.notify(self._entered)
            woken.wait(None if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))
            return self._waited(watcher, timeout)
        finally:
            self._unwatch(watcher)

    async def stateCondition(
        self,
        condition: Callable[[str], object],
        timeout: float | None = None,  # noqa: ASYNC109 - the same call in both kinds
    ) -> str:
        """Await a condition on the state: `waitForStateCondition` for coroutines.

        Works on any asyncio loop, that of the machine's thread or another's. Cancelling it leaves
        nothing behind.

        Args:
            condition: Called with the name of a state; anything true ends the wait.
            timeout: Seconds to wait at most; None waits for ever, zero or less only looks.

        Returns:
            The state for which the condition was true; the machine may have left it since.

        Raises:
            Timeout: The time ran out; the machine goes on.
            BaseException: Whatever the condition raised.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        watcher = _Watcher(condition, waker(loop, woken))
        self._watch(watcher)
        try:
            watcher.notify(self._entered)
            if not watcher.settled():
                await asyncio.wait((woken,), timeout=timeout)
            return self._waited(watcher, timeout)
        finally:
            self._unwatch(watcher)

    def _when(
        self, condition: Callable[[str], object], function: Callable[[], object]
    ) -> Callable[[], None]:
        """Have a function called once, when a condition on the state is true: now, or on the
        machine's thread, inside the transition. What is returned takes it back.
        """
        watcher = _Watcher(condition, function)
        self._watch(watcher)
        watcher.notify(self._entered)
        if watcher.settled():
            self._unwatch(watcher)
        return functools.partial(self._unwatch, watcher)

    def _notify(self) -> None:
        """Notify who waits of the state that was set; a state machine does so by itself."""
        self._entered = state = self.state
        for watcher in self._watchers or ():
            watcher.notify(state)

    def _waited(self, watcher: _Watcher, timeout: float | None) -> str:
        state = watcher.result()
        if state is None:
            raise Timeout(
                f"{self.name!r} did not get to the state waited for within {timeout:g} seconds"
                f" (current state {self.state!r})."
            )
        return state

    def _watch(self, watcher: _Watcher) -> None:
        with _lock:
            self._watchers = (*(self._watchers or ()), watcher)

    def _unwatch(self, watcher: _Watcher) -> None:
        with _lock:
            self._watchers = tuple(w for w in self._watchers or () if w is not watcher) or None


class Waitable(Watchable, Generic[_O]):
    """What has an outcome: `handle.wait(timeout)` in a thread, `await handle` in a coroutine."""

    __slots__ = ()

    def settled(self, state: str) -> bool:
        """Whether it has its outcome in this state."""
        raise NotImplementedError

    def _outcome(self) -> _O:
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> _O:
        """Block until there is an outcome, and return it.

        Args:
            timeout: Seconds; None for as long as it takes.

        Raises:
            CallFailed: It has failed, and why.
            Timeout: The time ran out; it goes on.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.waitForStateCondition(self.settled, timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, _O]:
        """Wait as `wait` does, in a coroutine."""
        yield from self.stateCondition(self.settled).__await__()
        return self._outcome()
