"""Two calls that hear each other: `bridge(a, b)`.

Laws:

* What is heard in one is sent in the other, of whatever codecs, rates and media loops they are.
  What either is sent by `send`, `play` and music on hold comes before that while it lasts.
* It ends with either call, or when it is stopped; the calls themselves are left alone.
* Sound alone passes. Digits that come as events (RFC 4733) or INFO do not; tones are sound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from sipparty.errors import UsageError
from sipparty.media.conferencing.following import Follower, check_call
from sipparty.media.conferencing.mixing import Pipe
from sipparty.media.inputs import JOINED, RankedInputs

__all__ = ["AudioBridge", "bridge"]


class _Side:
    """One call of a bridge: where one pipe begins, and the other ends."""

    def __init__(self, call: Any, heard: Pipe, sent: Pipe, over: Callable[[], object]) -> None:
        self.call = call
        self._heard = heard
        self._sent = sent
        self._line: Any = None
        self._follower = Follower(call, self._attach, over)

    def _attach(self, line: Any) -> None:
        self._detach()
        self._line = line
        line.add_listener(self._heard)
        RankedInputs.of(line).add(self._sent, JOINED)

    def _detach(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.remove_listener(self._heard)
            RankedInputs.of(line).remove(self._sent)

    def stop(self) -> None:
        self._follower.stop()
        self._detach()


class AudioBridge:
    """Two calls that hear each other; made by `bridge`. Leaving its `with` block stops it.

    Args:
        a: A call.
        b: Another one.

    Attributes:
        stopped: Whether it is over.
    """

    def __init__(self, a: Any, b: Any) -> None:
        self.stopped = False
        self._sides: tuple[_Side, ...] = ()
        self._pipes = there, back = Pipe(), Pipe()
        first = _Side(a, there, back, self.stop)
        self._sides = (first,)
        self._sides = first, _Side(b, back, there, self.stop)
        if self.stopped:
            self._end()  # one of them was over before

    def __repr__(self) -> str:
        names = " and ".join(getattr(call, "name", repr(call)) for call in self.calls)
        return f"<AudioBridge of {names}: {'stopped' if self.stopped else 'open'}>"

    @property
    def calls(self) -> tuple[Any, ...]:
        """The two calls."""
        return tuple(side.call for side in self._sides)

    @property
    def dropped(self) -> int:
        """How many frames were dropped on the way, because one side is faster than the other."""
        return sum(pipe.dropped for pipe in self._pipes)

    def stop(self) -> None:
        """Part the calls, which go on; on any thread, and as often as one likes."""
        self.stopped = True
        self._end()

    def _end(self) -> None:
        for side in self._sides:
            side.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def bridge(a: Any, b: Any) -> AudioBridge:
    """Have two calls hear each other, from now on or from when they have media.

    Args:
        a: A call.
        b: Another one; of any party and engine.

    Returns:
        A handle: `stop()` parts them.

    Raises:
        UsageError: They are the same call, or one is none.
    """
    for one in (a, b):
        check_call(one)
    if a is b:
        raise UsageError("A call is bridged with another one, not with itself.")
    return AudioBridge(a, b)
