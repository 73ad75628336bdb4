"""Events as something to loop over: `for` in a thread, `async for` in a coroutine.

Laws:

* What is put in is taken once, in order, by whichever thread or coroutine asks first.
* A stream that nobody holds any more is closed, as one that was left by its `with` block is.
* What waits is bounded: beyond `limit`, the oldest is dropped.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, Self, TypeVar

from sipparty.concurrency.waiting import Portal, waker
from sipparty.errors import Timeout

__all__ = ["Feed", "Stream"]

T = TypeVar("T")


class Feed(Generic[T]):
    """The handler that puts what events bring into a stream, at once and without holding it.

    Args:
        stream: The stream.
        pick: Gives what is put in, of an event.
        kind: The class of the events that are; others are passed over.
        last: The class of the event that ends the stream; None where none does.
    """

    #: The dispatcher calls it on the loop's thread, without a task.
    immediate = True

    def __init__(
        self,
        stream: Stream[T],
        pick: Callable[[Any], T],
        kind: type = object,
        last: type | None = None,
    ) -> None:
        self._stream = weakref.ref(stream)
        self._pick = pick
        self._kind = kind
        self._last = last

    def __call__(self, event: Any) -> None:
        """Take an event."""
        stream = self._stream()
        if stream is not None:
            if isinstance(event, self._kind):
                stream.put(self._pick(event))
            if self._last is not None and isinstance(event, self._last):
                stream.end()


class Stream(Generic[T]):
    """Events to loop over until they end.

    Args:
        portal: Says which thread may not block, as `for` does; None where any may.
        limit: How many wait to be taken, at most.

    Attributes:
        on_close: Called once when nobody will take anything any more, with what is left.
    """

    def __init__(self, portal: Portal | None = None, limit: int = 1000) -> None:
        self._portal = portal
        self._items: deque[T] = deque(maxlen=limit)
        self._ended = False
        self._changed = threading.Lock()
        self._wakes: list[Callable[[], object]] = []
        self.on_close: Callable[[list[T]], object] | None = None

    def put(self, item: T) -> None:
        """Put something in; on any thread."""
        with self._changed:
            if not self._ended:
                self._items.append(item)
            self._wake()

    def end(self) -> None:
        """Let the loop end after what is here."""
        with self._changed:
            self._ended = True
            self._wake()

    def close(self) -> None:
        """Take nothing any more, and end the loop; may be called more than once."""
        with self._changed:
            self._ended = True
            left, on_close = list(self._items), self.on_close
            self._items.clear()
            self.on_close = None
            self._wake()
        if on_close is not None:
            on_close(left)

    def next(self, timeout: float | None = None) -> T:
        """Take the next, or wait for it.

        Args:
            timeout: Seconds; None for as long as it takes.

        Raises:
            Timeout: Nothing came in time.
            StopIteration: The stream has ended.
            WouldDeadlock: Called on the engine's own thread: use `async for` there.
        """
        woken = threading.Event()
        if self._portal is not None:
            self._portal.check_may_block()
            woken = self._portal.event()
        until = None if timeout is None else monotonic() + timeout
        while True:
            with self._changed:
                if self._items:
                    return self._items.popleft()
                if self._ended:
                    raise StopIteration
                woken.clear()
                self._wakes.append(woken.set)
            try:
                came = woken.wait(None if until is None else until - monotonic())
            finally:
                with self._changed:
                    if woken.set in self._wakes:
                        self._wakes.remove(woken.set)
            if not came:
                raise Timeout(f"Nothing came within {timeout:g} seconds.")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self.next()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self.anext()

    async def anext(self, timeout: float | None = None) -> T:  # noqa: ASYNC109 - as in `next`
        """Do what `next` does, in a coroutine.

        Args:
            timeout: Seconds; None for as long as it takes.

        Raises:
            Timeout: Nothing came in time.
            StopAsyncIteration: The stream has ended.
        """
        import asyncio

        try:
            async with asyncio.timeout(timeout):
                return await self._taken()
        except TimeoutError:
            raise Timeout(f"Nothing came within {timeout:g} seconds.") from None

    async def _taken(self) -> T:
        import asyncio

        while True:
            with self._changed:
                if self._items:
                    return self._items.popleft()
                if self._ended:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                woken: asyncio.Future[None] = loop.create_future()
                wake = waker(loop, woken)
                self._wakes.append(wake)
            try:
                await woken
            finally:
                with self._changed:
                    if wake in self._wakes:
                        self._wakes.remove(wake)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _wake(self) -> None:
        wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()
