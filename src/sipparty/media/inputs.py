"""What a line sends, where several parts would have it send something.

Laws:

* Of the inputs of a line the one of the highest rank that has audio is sent; the others wait. What
  is sent by `call.audio.send` comes before what is played, that before music on hold, and that
  before what other calls say.
* Inputs come and go on any thread, while the line asks for frames on its own.

    SENT    40   `call.audio.send`
    PLAYED  30   what the line had for itself: its player
    HOLD    20   music on hold, while we hold the other side
    JOINED  10   the other call of a bridge, or the mix of a conference
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sipparty.media.frames import AudioInput

__all__ = ["HOLD", "JOINED", "PLAYED", "SENT", "RankedInputs"]

SENT: Final = 40
PLAYED: Final = 30
HOLD: Final = 20
JOINED: Final = 10

#: Taken for changes alone.
_lock = threading.RLock()


class RankedInputs:
    """An input made of several.

    Args:
        own: What the line had before; it has the rank `PLAYED`.
    """

    __slots__ = ("_inputs", "_ranks")

    def __init__(self, own: AudioInput) -> None:
        self._ranks: dict[AudioInput, int] = {own: PLAYED}
        self._inputs: tuple[AudioInput, ...] = (own,)

    @classmethod
    def of(cls, line: Any) -> RankedInputs:
        """Return those of a line, which it is given with the first call."""
        with _lock:
            if not isinstance(line.input, cls):
                line.input = cls(line.input)
            inputs: RankedInputs = line.input
            return inputs

    def add(self, one: AudioInput, rank: int) -> None:
        """Ask an input too; of those of one rank the last that was added first."""
        with _lock:
            self._ranks = {one: rank, **{x: r for x, r in self._ranks.items() if x is not one}}
            self._sort()

    def remove(self, one: AudioInput) -> None:
        """Ask an input no more; one that is none of these is left alone."""
        with _lock:
            self._ranks.pop(one, None)
            self._sort()

    def _sort(self) -> None:
        self._inputs = tuple(sorted(self._ranks, key=lambda one: -self._ranks[one]))

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """Return the next frame of the first that has one."""
        for one in self._inputs:
            pcm = one.next_frame(samples, rate)
            if pcm is not None:
                return pcm
        return None
