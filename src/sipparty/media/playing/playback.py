"""A source being played: the handle that `play` gives, waited for by a thread or a coroutine.

Laws:

* Waiting for it is as `sipparty.media.handle` says.
* A playback ends once, with one `outcome`, and its event is emitted before those who wait wake.
* Positions are media time: what was handed out to be sent, and no silence in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, get_args

from sipparty.errors import MediaError, WouldDeadlock
from sipparty.media.handle import MediaHandle

__all__ = ["Outcome", "OwnThread", "Playback", "Progress"]

if TYPE_CHECKING:
    from sipparty.media.playing.player import Player

_R = TypeVar("_R")

#: How a playback ended: its source gave all it had; something else was played; it or the session
#: was stopped; the source broke.
Outcome: TypeAlias = Literal["ended", "replaced", "stopped", "failed"]


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


class Playback(MediaHandle[Outcome]):
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

    __slots__ = ("_player", "_progress", "source")

    OVER = frozenset(get_args(Outcome))
    STILL = "{} was still playing"

    def __init__(self, source: Any, player: Player, progress: Progress) -> None:
        super().__init__(player, "waiting")
        self.source = source
        self._player = player
        self._progress = progress

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
        return cast(Outcome, self.state) if self.done else None

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

    def _value(self) -> Outcome:
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
