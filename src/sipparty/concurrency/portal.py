"""An asyncio loop, on a thread of its own or on its owner's, and access to that thread.

Laws:

* `run` runs a function on the loop's thread, and brings back what it returns or raises: at once
  where it is called there, else in its turn.
* Nobody waits for a loop that will not turn any more: that raises.
* What a blocking wait on the loop's own thread would be is an error, not a deadlock.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sipparty.errors import Timeout, UsageError, WouldDeadlock

__all__ = ["LoopPortal"]

R = TypeVar("R")


class LoopPortal(ABC):
    """A loop and access to its thread; the part of an engine that knows of threads.

    Args:
        loop: The loop, running on this thread; None to make one and run it on a thread.

    Attributes:
        loop: The loop.
    """

    #: The name of the thread of its own.
    THREAD_NAME = "sipparty-engine"
    #: How long `close` waits for calls to hang up, in seconds.
    CLOSE_TIMEOUT = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._own_loop = loop is None
        self.loop = asyncio.new_event_loop() if loop is None else loop
        #: Whether a function is being run: what that runs in turn is a part of it.
        self._busy = False
        self._closed = False
        self._closing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._thread_id = threading.get_ident()

    @abstractmethod
    def _act(self, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        """Run a function on the loop's thread, and see to what comes of it."""

    @abstractmethod
    async def aclose(self) -> None:
        """End everything, on the loop's thread."""

    @abstractmethod
    def _close_now(self) -> None:
        """End everything that can be ended without waiting."""

    # ---------------------------------------------------------------- the thread

    def _start(self) -> None:
        """Start the thread, for a loop of one's own; return when the loop turns."""
        if self._own_loop:
            started = threading.Event()
            self._thread = threading.Thread(
                target=self._serve, args=(started,), name=self.THREAD_NAME, daemon=True
            )
            self._thread.start()
            started.wait()

    def _serve(self, started: threading.Event) -> None:
        self._thread_id = threading.get_ident()
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(started.set)
        try:
            self.loop.run_forever()
        finally:
            self._closed = True
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left, timeout=self.CLOSE_TIMEOUT))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    # ---------------------------------------------------------------- the portal

    def run(self, function: Callable[..., R], /, *args: Any) -> R:
        """Run a function on the engine's thread; return or raise what it does.

        Raises:
            UsageError: The engine is closed.
        """
        if self.closed:
            raise UsageError("The engine is closed.")
        if threading.get_ident() == self._thread_id:
            if self._busy:
                return function(*args)
            return self._act(function, args)
        result: list[R] = []
        error: list[BaseException] = []
        done = threading.Event()

        def act() -> None:
            try:
                result.append(self._act(function, args))
            except BaseException as raised:
                error.append(raised)
            finally:
                done.set()

        try:
            self.loop.call_soon_threadsafe(act)
        except RuntimeError:
            raise UsageError("The engine is closed.") from None
        while not done.wait(1.0):
            if self.closed and not done.is_set():
                raise UsageError("The engine was closed.")
        if error:
            try:
                raise error[0]
            finally:
                error.clear()
        return result[0]

    def post(self, function: Callable[..., object], /, *args: Any) -> None:
        """Run a function on the loop's thread: at once where this is that thread, else soon, and
        without waiting for it. Nothing happens where the loop is closed.
        """
        if self.closed:
            return
        if threading.get_ident() == self._thread_id:
            self.run(function, *args)
            return
        try:
            self.loop.call_soon_threadsafe(self._act, function, args)
        except RuntimeError:
            pass  # closed, and so is all that it was for

    def run_coroutine(self, function: Callable[[], Coroutine[Any, Any, R]], timeout: float) -> R:
        """Run a coroutine function on the engine's loop, and block until it is done.

        Args:
            function: The coroutine function.
            timeout: Seconds to wait at the most.

        Raises:
            Timeout: It took longer, and was cancelled.
            UsageError: The engine is closed.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.check_may_block()
        coroutine = function()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise UsageError("The engine is closed.") from None
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise Timeout(f"The engine's loop was not done within {timeout:g} s.") from None

    def check_may_block(self) -> None:
        """Raise on the engine's own thread, where a wait would wait for itself.

        Raises:
            WouldDeadlock: Called there.
        """
        if threading.get_ident() == self._thread_id:
            raise WouldDeadlock(
                "A blocking wait on the engine's own thread would never end: use await there."
            )

    def event(self) -> threading.Event:
        """Return what a thread waits on; its time is that of the loop."""
        return threading.Event()

    # ---------------------------------------------------------------- the end

    @property
    def closed(self) -> bool:
        """Whether the engine, or the loop that it was given, is closed."""
        return self._closed or self.loop.is_closed()

    def close(self) -> None:
        """Close the engine from any thread but its own; for one on a caller's loop see `aclose`.

        Raises:
            Timeout: Something keeps the engine's loop from running; its thread is left to itself.
            WouldDeadlock: Called on the engine's own thread.
        """
        if self.closed:
            return
        thread = self._thread
        if thread is None:
            self._close_now()
            return
        self.check_may_block()
        with self._closing:
            if self.closed:
                return
            try:
                self.run_coroutine(self.aclose, self.CLOSE_TIMEOUT + 2.0)
            finally:
                self._closed = True
                try:
                    self.loop.call_soon_threadsafe(self.loop.stop)
                except RuntimeError:
                    pass  # closed meanwhile
                thread.join(2.0)
