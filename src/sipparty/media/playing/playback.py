"""A source being played: the handle that `play` gives, waited for by a thread or a coroutine.

Laws:

* `playback.wait()` blocks a thread and `await playback` a coroutine, on any loop; both may be done
  by many at a time. Waiting changes nothing, and a cancelled wait leaves nothing behind.
* A playback ends once, with one `outcome`, and its event is emitted before those who wait wake.
* Positions are media time: what was handed out to be sent, and no silence in between.
* A blocking wait on the thread that plays raises instead of waiting for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast, get_args

from sipparty.concurrency.waiting import Watchable
from sipparty.errors import MediaError, Timeout, WouldDeadlock

__all__ = ["Outcome", "OwnThread", "Playback", "Progress"]

if TYPE_CHECKING:
    from sipparty.media.playing.player import Player

_R = TypeVar("_R")

#: How a playback ended: its source gave all it had; something else was played; it or the session
#: was stopped; the source broke.
Outcome: TypeAlias = Literal["ended", "replaced", "stopped", "failed"]

_OVER: Final = frozenset(get_args(Outcome))


def _is_over(state: str) -> bool:
    return state in _OVER


class OwnThread:
    """The portal of a session without another: its thread is the one that this is made on."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def run(self, function: Callable[..., _R], /, *args: object) -> _R:
        """Run the function at once, wherever that is."""
        return function(*args)

    def event(self) -> threading.Event:
        """Return what a thread waits on."""
        return threading.Event()

    def check_may_block(self) -> None:
        """Raise `WouldDeadlock` on the thread."""
        if threading.get_ident() == self._thread:
            raise WouldDeadlock(
                "A blocking wait for media on the thread that plays it would never end; await it."
            )


class Progress:
    """How far a playback is; written by the player alone.

    Attributes:
        seconds: Sound that was handed out to be sent.
        duration: All that there is; None where that is not known, or there is no end.
        once: The same of one time, where it is looped.
        underruns: How often the source had nothing when something was to be sent.
        starved: Seconds of silence that were sent in its place.
    """

    __slots__ = ("duration", "once", "seconds", "starved", "underruns")

    def __init__(self, duration: float | None, once: float | None) -> None:
        self.seconds = 0.0
        self.duration = duration
        self.once = once
        self.underruns = 0
        self.starved = 0.0


class Playback(Watchable):
    """What is being played, waits to be, or was.

    Its verbs are called on any thread, and do nothing once it is over.

    Args:
        source: What is played, as it was given.
        player: What plays it.
        progress: How far it is.

    Attributes:
        source: What is played.
        state: "waiting", "playing", "paused", or how it ended.
        error: What broke it; None unless `outcome` is "failed".
    """

    __slots__ = ("_player", "_progress", "error", "source")

    def __init__(self, source: Any, player: Player, progress: Progress) -> None:
        self.source = source
        self.error: MediaError | None = None
        self.state = self._entered = "waiting"
        self._player = player
        self._progress = progress
        self._portal = player.portal
        self._watchers = None

    @property
    def name(self) -> str:
        """The source, as errors name it."""
        source: Any = self.source
        if isinstance(source, bytes | bytearray | memoryview):
            return f"{len(source)} bytes"
        if hasattr(source, "dtype"):
            return f"an array of {len(source)} samples"
        return getattr(source, "__qualname__", None) or f"{source!r:.80}"

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is played, or waits to be."""
        return cast(Outcome, self.state) if _is_over(self.state) else None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return _is_over(self.state)

    @property
    def heard(self) -> float:
        """Milliseconds of it that were sent to the other side."""
        return self._progress.seconds * 1000

    @property
    def position(self) -> float:
        """Seconds from its beginning to where it is; of the round that is played, where it is
        looped.
        """
        seconds, once = self._progress.seconds, self._progress.once
        return seconds % once if once and seconds < (self._progress.duration or inf) else seconds

    @property
    def duration(self) -> float | None:
        """Seconds that it takes, with all its rounds; None where that is not known, or for ever."""
        return self._progress.duration

    @property
    def underruns(self) -> int:
        """How often its source had nothing when something was to be sent."""
        return self._progress.underruns

    @property
    def starved(self) -> float:
        """Milliseconds of silence that were sent because of that."""
        return self._progress.starved * 1000

    def pause(self) -> None:
        """Send silence from now on, and keep the place; a source that comes in time waits."""
        self._player.pause(self)

    def resume(self) -> None:
        """Go on where it was paused."""
        self._player.resume(self)

    def stop(self, fade: float | None = None) -> None:
        """Stop playing it.

        Args:
            fade: Seconds in which it gets silent; None for those that `play` was given. It goes on
                for as long.
        """
        self._player.stop(self, fade)

    def cancel(self) -> float:
        """Stop playing it at once, whatever its fade.

        Returns:
            Milliseconds of it that were sent to the other side.
        """
        self._player.stop(self, 0.0)
        return self.heard

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

    def enter(self, state: str) -> None:
        """Note what is done with it, and wake who waits for that; for the player."""
        self.state = state
        self._notify()

    def finish(self, outcome: Outcome, error: MediaError | None, emit: Callable[[], None]) -> None:
        """End it, report that, and wake who waits; for the player, once."""
        self.error = error
        self.state = outcome
        emit()
        self._notify()

    def __repr__(self) -> str:
        of = "" if self.duration is None else f" of {self.duration:.2f}"
        return f"<Playback of {self.name}: {self.state}, {self.position:.2f}{of} s>"
