"""Where media runs: on the loop of its engine, or on loops of their own beside it.

Laws:

* What belongs to a loop is touched on its thread alone. `post` has something done there and does
  not wait; `run` waits for it, and is for callers on other threads than those of engines and media.
* Loops of media never wait for an engine, so neither can lock the other.
* A thread of media is a daemon, and ends with the engine that it was made for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sipparty.concurrency.portal import LoopPortal
from sipparty.concurrency.waiting import Portal
from sipparty.errors import UsageError

__all__ = ["MediaLoop", "MediaThread", "MediaThreads"]


class MediaLoop:
    """A loop that media runs on.

    Args:
        loop: The loop.
        portal: Access to its thread.
        post: Has a function run on its thread, without waiting for it; None where callers are on
            that thread.
    """

    __slots__ = ("_post", "loop", "portal")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        portal: Portal,
        post: Callable[..., object] | None = None,
    ) -> None:
        self.loop = loop
        self.portal = portal
        self._post = post

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called on the loop's thread: at once where that is the caller's."""
        if self._post is None:
            function(*args)
        else:
            self._post(function, *args)


class MediaThread(LoopPortal):
    """A loop on a thread of its own, for media alone."""

    THREAD_NAME = "sipparty-media"

    def __init__(self) -> None:
        super().__init__(None)
        self._start()

    def _act(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return function(*args)

    async def aclose(self) -> None:
        """Do nothing: lines are stopped by their sessions."""

    def _close_now(self) -> None:
        """Stop the loop, and let the thread end; from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.loop.stop)
        except RuntimeError:
            pass  # it has ended


class MediaThreads:
    """The loops of media of one engine, which sessions are given in turn.

    Args:
        count: How many there are, 1 or more; they are made when they are first needed.

    Raises:
        UsageError: It is no such number.
    """

    def __init__(self, count: int) -> None:
        if not isinstance(count, int) or count < 1:
            raise UsageError(f"media_threads={count!r} is no number of threads.")
        self._count = count
        self._threads: list[MediaThread] = []
        self._given = 0

    def take(self) -> MediaLoop:
        """Return the loop of one more session; on the engine's thread."""
        index = self._given % self._count
        self._given += 1
        if index == len(self._threads):
            self._threads.append(MediaThread())
        thread = self._threads[index]
        return MediaLoop(thread.loop, thread, thread.post)

    def close(self) -> None:
        """End the threads, after what was posted to them."""
        threads, self._threads = self._threads, []
        for thread in threads:
            thread._close_now()
