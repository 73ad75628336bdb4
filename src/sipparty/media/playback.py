"""A source being played: the handle that `play` gives, and two ways to wait for its end.

Laws:

* `playback.wait()` blocks a thread and `await playback` a coroutine, on any loop; both may be done
  by many at a time. Waiting changes nothing, and a cancelled wait leaves nothing behind.
* A playback ends once, with one `outcome`, and is told of before those who wait wake.
* A blocking wait on the thread that plays raises instead of waiting for ever.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator
from typing import Literal, TypeAlias

from sipparty.errors import MediaError, Timeout
from sipparty.media.sources import Source

__all__ = ["Outcome", "Playback"]

_log = logging.getLogger(__name__)

#: How a playback ended: its source gave all it had; something else was played; it or the session
#: was stopped; the source broke.
Outcome: TypeAlias = Literal["ended", "replaced", "stopped", "failed"]


class Playback:
    """A source that is being played, or was.

    Args:
        source: What is played.
        stop: Stops it; called on any thread.
        check_may_block: Raises `WouldDeadlock` on the thread that plays.

    Attributes:
        source: What is played.
        error: What broke it; None unless `outcome` is "failed".
    """

    __slots__ = (
        "_check_may_block",
        "_event",
        "_lock",
        "_outcome",
        "_stop",
        "_wakes",
        "error",
        "source",
    )

    def __init__(
        self,
        source: Source,
        stop: Callable[[Playback], None],
        check_may_block: Callable[[], None],
    ) -> None:
        self.source = source
        self.error: MediaError | None = None
        self._stop = stop
        self._check_may_block = check_may_block
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._outcome: Outcome | None = None
        self._wakes: list[Callable[[], None]] = []

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is played, or waits to be."""
        return self._outcome

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._outcome is not None

    def stop(self) -> None:
        """Stop playing it; one that has ended is left alone."""
        if self._outcome is None:
            self._stop(self)

    def wait(self, timeout: float | None = None) -> Outcome:
        """Block the calling thread until it has ended.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            How it ended.

        Raises:
            Timeout: The time ran out; it is still played.
            MediaError: The source broke.
            WouldDeadlock: The calling thread is the one that plays.
        """
        if not self._event.is_set():
            self._check_may_block()
            if not self._event.wait(timeout):
                raise Timeout(f"{self.source!r} was still playing after {timeout:g} seconds.")
        return self._result()

    def __await__(self) -> Generator[object, None, Outcome]:
        """Wait for the end in a coroutine, on any loop; returns and raises like `wait`."""
        return self._ended().__await__()

    async def _ended(self) -> Outcome:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:
                pass  # the loop was closed, and the wait with it

        with self._lock:
            waiting = not self._event.is_set()
            if waiting:
                self._wakes.append(wake)
        if waiting:
            try:
                await woken
            finally:
                with self._lock:
                    if wake in self._wakes:
                        self._wakes.remove(wake)
        return self._result()

    def _result(self) -> Outcome:
        if self.error is not None:
            raise self.error
        assert self._outcome is not None
        return self._outcome

    def finish(self, outcome: Outcome, error: MediaError | None, tell: Callable[[], None]) -> None:
        """End it, tell of it, and wake who waits; for the player that plays it, once."""
        self.error = error
        self._outcome = outcome
        try:
            self.source.close()
        except Exception:
            _log.exception("Closing %r failed.", self.source)
        tell()
        with self._lock:
            self._event.set()
            wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()

    def __repr__(self) -> str:
        return f"<Playback of {self.source!r}: {self._outcome or 'playing'}>"
