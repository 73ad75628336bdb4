"""A source being played: the handle that `play` gives, waited for by a thread or a coroutine.

Laws:

* `playback.wait()` blocks a thread and `await playback` a coroutine, on any loop; both may be done
  by many at a time. Waiting changes nothing, and a cancelled wait leaves nothing behind.
* A playback ends once, with one `outcome`, and its event is emitted before those who wait wake.
* A blocking wait on the thread that plays raises instead of waiting for ever.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from typing import Literal, TypeAlias, TypeVar, cast

from sipparty.concurrency.waiting import Portal, Watchable
from sipparty.errors import MediaError, Timeout, WouldDeadlock
from sipparty.media.sources import Source

__all__ = ["Outcome", "OwnThread", "Playback"]

_R = TypeVar("_R")
_log = logging.getLogger(__name__)

#: How a playback ended: its source gave all it had; something else was played; it or the session
#: was stopped; the source broke.
Outcome: TypeAlias = Literal["ended", "replaced", "stopped", "failed"]

_PLAYING = "playing"


def _is_over(state: str) -> bool:
    return state != _PLAYING


class OwnThread:
    """The portal of a session without another: its thread is the one that this is made on."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def run(self, function: Callable[..., _R], /, *args: object) -> _R:
        """Run the function at once, wherever that is."""
        return function(*args)

    def check_may_block(self) -> None:
        """Raise `WouldDeadlock` on the thread."""
        if threading.get_ident() == self._thread:
            raise WouldDeadlock(
                "A blocking wait for media on the thread that plays it would never end; await it."
            )


class Playback(Watchable):
    """A source that is being played, or was.

    Args:
        source: What is played.
        stop: Stops it; called on any thread.
        portal: Access to the thread that plays; None where that is not known yet.

    Attributes:
        source: What is played.
        error: What broke it; None unless `outcome` is "failed".
    """

    __slots__ = ("_stop", "error", "source")

    def __init__(
        self, source: Source, stop: Callable[[Playback], None], portal: Portal | None = None
    ) -> None:
        self.source = source
        self.error: MediaError | None = None
        self.state = self._entered = _PLAYING
        self._stop = stop
        self._portal = portal
        self._watchers = None

    @property
    def name(self) -> str:
        """The source, as errors name it."""
        return repr(self.source)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is played, or waits to be."""
        return cast(Outcome, self.state) if _is_over(self.state) else None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return _is_over(self.state)

    def stop(self) -> None:
        """Stop playing it; one that has ended is left alone."""
        if not self.done:
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
        if not _is_over(self._entered):
            try:
                self.waitForStateCondition(_is_over, timeout)
            except Timeout:
                message = f"{self.name} was still playing after {timeout:g} seconds."
                raise Timeout(message) from None
        return self._result()

    def __await__(self) -> Generator[object, None, Outcome]:
        """Wait for the end in a coroutine, on any loop; returns and raises like `wait`."""
        if not _is_over(self._entered):
            yield from self.stateCondition(_is_over).__await__()
        return self._result()

    def _result(self) -> Outcome:
        if self.error is not None:
            raise self.error
        return cast(Outcome, self.state)

    def finish(self, outcome: Outcome, error: MediaError | None, emit: Callable[[], None]) -> None:
        """End it, report that, and wake who waits; for the player, once."""
        self.error = error
        self.state = outcome
        try:
            self.source.close()
        except Exception:
            _log.exception("Closing %r failed.", self.source)
        emit()
        self._notify()

    def __repr__(self) -> str:
        return f"<Playback of {self.source!r}: {self.state}>"
