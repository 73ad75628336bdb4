"""An event loop in virtual time, and threads that wait for it.

Laws:

* Time stands still while anything can be done, and then moves on to the next timer at once.
* What is due at one time happens in the order in which it was asked for.
* One of all runs at a time: the loop, or one thread of the program, a `SimulatedThread`. A thread
  has its turn until it waits, on a `VirtualEvent`, or ends; the loop has it then, until it wakes
  one. So a program with threads is as repeatable as one without.
* A wait that can never end, as there is no timer left and nothing to do, raises.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappush
from typing import Any, Final

from sipparty.concurrency.workers import READERS, Job, done
from sipparty.errors import UsageError, WouldDeadlock

__all__ = ["SimulatedDescriptor", "SimulatedThread", "TurnsOfLoop", "VirtualEvent", "VirtualLoop"]

#: When the virtual clock begins, in seconds since 1970: 2026-01-01.
_EPOCH: Final = 1_767_225_600.0
#: Seconds of real time after which it is looked whether a thread that has its turn is alive; and
#: after which one that waits for its turn gives up.
_LOOK: Final = 0.02
_PATIENCE: Final = 30.0
_NEVER = (
    "Nothing is left to happen in virtual time, and this waits for it: the simulated network has "
    "no message under way, and no timer is running."
)


class SimulatedDescriptor(int):
    """The number of a simulated socket; `add_reader` and its like know it from a real one."""


class SimulatedThread:
    """A thread of the program, which runs while the loop stands still.

    Args:
        loop: The loop.
        thread: The thread.
    """

    def __init__(self, loop: VirtualLoop, thread: threading.Thread) -> None:
        self.thread = thread
        self._loop = loop
        self._resumed = threading.Semaphore(0)
        self._yielded = threading.Semaphore(0)
        #: What its wait raises, where it can never end.
        self.error: Exception | None = None
        #: Whether it waits for its turn no more.
        self.gave_up = False

    def give_turn(self) -> None:
        """Let it run until it waits or ends; on the loop's thread."""
        loop = self._loop
        if self.gave_up:
            self.gave_up = False
            return
        before, loop.active = loop.active, self
        self._resumed.release()
        while not self._yielded.acquire(timeout=_LOOK):
            if not self.thread.is_alive():
                break
        loop.active = before

    def take_turn(self) -> None:
        """Wait until the loop stands still for this thread; on the thread itself."""
        loop = self._loop
        if loop.active is self:
            return
        loop.call_soon_threadsafe(self.give_turn)
        if not self._resumed.acquire(timeout=_PATIENCE):
            self.gave_up = True
            other = "The loop" if loop.active is None else f"The thread {loop.active.thread.name!r}"
            raise WouldDeadlock(
                f"{other} has its turn in virtual time, and has not waited there for"
                f" {_PATIENCE:g} s: it waits for something else, perhaps for this thread."
            )

    def end_turn(self) -> None:
        """Let the loop go on for good."""
        self._yielded.release()

    def wait(self) -> None:
        """Let the loop go on, until it gives the turn back."""
        loop = self._loop
        loop.waiting.append(self)
        self._yielded.release()
        self._resumed.acquire()
        error, self.error = self.error, None
        if error is not None:
            raise error


class VirtualEvent:
    """A `threading.Event` for simulated threads: its timeout is virtual."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._set = False
        self._waiter: SimulatedThread | None = None

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def clear(self) -> None:
        """Make it one that was not set."""
        self._set = False

    def set(self) -> None:
        """Let who waits go on, when the loop comes to it."""
        self._set = True
        self._wake()

    def _wake(self) -> None:
        entered, self._waiter = self._waiter, None
        if entered is not None:
            self._loop.waiting.remove(entered)
            self._loop.call_soon(entered.give_turn)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many virtual seconds have passed; whether it was set."""
        if self._set or (timeout is not None and timeout <= 0):
            return self._set
        entered = self._loop.enter()
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(min(timeout, threading.TIMEOUT_MAX), self._wake)
        self._waiter = entered
        try:
            entered.wait()
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return self._set


class _Selector(selectors.DefaultSelector):
    """Moves the time of its loop on where the loop would wait."""

    loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or self.loop is None or (timeout is not None and timeout <= 0):
            return ready
        if self.loop.move_on():
            return []
        return super().select(None)


class _Timer(asyncio.TimerHandle):
    """One that comes after those for the same time that were there before."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: Any) -> bool:
        mine: float = self.when()
        theirs: float = other.when()
        return (mine, self.order) < (theirs, other.order)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual.

    Args:
        start: The time it begins with, in seconds.

    Attributes:
        active: The thread whose turn it is; None while the loop has it.
        waiting: The threads that wait.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self.active: SimulatedThread | None = None
        self.waiting: list[SimulatedThread] = []
        self._by_ident: dict[int, SimulatedThread] = {}
        self._readers: dict[SimulatedDescriptor, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self._own_thread: threading.Thread | None = None
        self._order = itertools.count()
        selector = _Selector()
        super().__init__(selector)
        # asyncio's debug mode measures real time, and allows one thread; here threads take turns.
        self.set_debug(False)
        selector.loop = self

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Call something at a time, after what was to be called then before."""
        timer = _Timer(when, callback, args, self, context)
        timer.order = next(self._order)
        scheduled: list[_Timer] = self._scheduled  # type: ignore[attr-defined]
        heappush(scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def wall_clock(self) -> float:
        """The virtual time in seconds since 1970; the loop began with the year 2026."""
        return _EPOCH + self._now

    def move_on(self) -> bool:
        """Go to the time of the next timer; whether the loop has anything to do then."""
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        if scheduled:
            self._now = max(self._now, scheduled[0].when())
            return True
        if self.waiting:
            entered = self.waiting.pop(0)
            entered.error = WouldDeadlock(_NEVER)
            self.call_soon(entered.give_turn)
            return True
        if self._own_thread is None:
            raise WouldDeadlock(_NEVER)
        return False

    # ---------------------------------------------------------------- threads

    def enter(self) -> SimulatedThread:
        """Return this thread as the loop knows it, with its turn; the loop begins to run, on a
        thread of its own, where it does not yet.
        """
        if self.is_current():
            raise WouldDeadlock(
                "A blocking wait on the loop's own thread would never end: use await there."
            )
        thread = threading.current_thread()
        entered = self._by_ident.get(threading.get_ident())
        if entered is None or entered.thread is not thread:
            entered = self._by_ident[threading.get_ident()] = SimulatedThread(self, thread)
        if not self.is_running():
            self._start(entered)
        entered.take_turn()
        return entered

    def _start(self, entered: SimulatedThread) -> None:
        """Run on a thread of its own, beginning with a thread of the program that has the turn."""
        if self.is_closed():
            raise UsageError("The simulated network is closed.")
        self.active = entered
        entered._resumed.release()  # it goes on as if the loop had given it the turn
        started = threading.Event()

        def first_turn() -> None:
            started.set()
            while not entered._yielded.acquire(timeout=_LOOK):
                if not entered.thread.is_alive():
                    break
            self.active = None

        self.call_soon(first_turn)
        self._own_thread = threading.Thread(
            target=self.run_forever, name="sipparty-simulation", daemon=True
        )
        self._own_thread.start()
        started.wait()
        entered._resumed.acquire()

    def start_thread(self, target: Callable[[], object], name: str) -> threading.Thread:
        """Make a thread that takes turns from its start to its end, and give it the first in
        time; it is not to be started by the caller.
        """

        def run() -> None:
            entered = self._by_ident[threading.get_ident()] = SimulatedThread(
                self, threading.current_thread()
            )
            started.append(entered)
            born.set()
            entered._resumed.acquire()
            try:
                target()
            finally:
                self._by_ident.pop(threading.get_ident(), None)
                entered.end_turn()

        def begin() -> None:
            thread.start()
            born.wait()
            started[0].give_turn()

        started: list[SimulatedThread] = []
        born = threading.Event()
        thread = threading.Thread(target=run, name=name, daemon=True)
        self.call_soon(begin)
        return thread

    def has_turn_elsewhere(self) -> bool:
        """Whether the loop runs, and another thread than this one has its turn, or the loop has."""
        if self._own_thread is None or not self.is_running():
            return False
        return self.active is None or self.active.thread is not threading.current_thread()

    def is_current(self) -> bool:
        """Whether this thread is the one that the loop runs on."""
        return bool(self._thread_id == threading.get_ident())  # type: ignore[attr-defined]

    @contextmanager
    def as_running(self) -> Iterator[None]:
        """Have this thread, which has its turn, find the loop as the one that is running."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(before)

    def stop_thread(self) -> None:
        """End the loop's own thread, where it has one; on one of the program's."""
        thread, self._own_thread = self._own_thread, None
        if thread is not None:
            entered = self._by_ident.get(threading.get_ident())
            self.call_soon_threadsafe(self.stop)
            if entered is not None and self.active is entered:
                entered.end_turn()
            thread.join()

    # ---------------------------------------------------------------- simulated sockets

    def _add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        key = _simulated(fd)
        if key is None:
            return super()._add_reader(fd, callback, *args)  # type: ignore[misc]
        self._readers[key] = (callback, args)
        self.readable(key)
        return None

    def _remove_reader(self, fd: Any) -> bool:
        key = _simulated(fd)
        if key is None:
            return bool(super()._remove_reader(fd))  # type: ignore[misc]
        return self._readers.pop(key, None) is not None

    def _add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        if _simulated(fd) is None:
            return super()._add_writer(fd, callback, *args)  # type: ignore[misc]
        self.call_soon(callback, *args)  # there is always space
        return None

    def _remove_writer(self, fd: Any) -> bool:
        if _simulated(fd) is None:
            return bool(super()._remove_writer(fd))  # type: ignore[misc]
        return False

    def readable(self, key: SimulatedDescriptor) -> None:
        """Have the reader of a simulated socket called, where there is one and something waits."""
        self.call_soon(self._read, key)

    def _read(self, key: SimulatedDescriptor) -> None:
        reader = self._readers.get(key)
        socket: Any = getattr(key, "socket", None)
        if reader is None or socket is None or not socket.pending:
            return
        before = socket.pending
        reader[0](*reader[1])
        if socket.pending and (socket.pending < before or key in self._readers):
            self.readable(key)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket."""
        if _simulated(sock) is None:
            await super().sock_connect(sock, address)
        else:
            await sock.connected_to(address)


class TurnsOfLoop:
    """Does work that is short, such as reading a file, in the loop's own turns; what may never come
    back has a thread beside them, whose time is real.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def run(self, job: Job, /) -> None:
        """Have a job done, when the loop comes to it."""
        self._loop.call_soon_threadsafe(done, job)

    def start(self, job: Job, name: str, /) -> None:
        """Have a job done on a thread of its own."""
        READERS.start(job, name)


def _simulated(fd: Any) -> SimulatedDescriptor | None:
    """The number of a simulated socket; None for a real one."""
    number = fd if isinstance(fd, int) else fd.fileno()
    return number if isinstance(number, SimulatedDescriptor) else None
