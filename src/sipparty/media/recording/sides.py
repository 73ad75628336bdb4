"""The two sides of a call as one recording of two channels.

Laws:

* What is heard is on the left (side 0), what is sent on the right (side 1). Each goes on by one
  frame a tick; so the one that is behind by more was silent meanwhile, and is filled up when it
  speaks again.
* A side that gives nothing holds back the other for `AHEAD` at the most.
"""

from __future__ import annotations

from typing import Final, cast

from sipparty.media.pcm import SAMPLE_WIDTH, audioop

__all__ = ["Sides"]

#: Seconds that one side of a stereo recording may be ahead before the other is filled up.
AHEAD: Final = 0.5


class Sides:
    """Two sides that become interleaved samples, in step.

    Args:
        rate: Samples a second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._sides = (bytearray(), bytearray())

    def put(self, side: int, pcm: bytes) -> bytes:
        """Take the samples of one side, and give what both have by now."""
        mine, other = self._sides[side], self._sides[1 - side]
        behind = len(other) - len(mine)
        if behind > 2 * len(pcm):
            # What is sent comes first in a tick, what is heard after it.
            mine += bytes(behind - (0 if side else len(pcm)))
        mine += pcm
        ahead = len(mine) - len(other) - int(AHEAD * self._rate) * SAMPLE_WIDTH
        if ahead > 0:
            other += bytes(ahead)
        return self._taken(min(len(mine), len(other)))

    def rest(self) -> bytes:
        """All that there is."""
        octets = max(map(len, self._sides))
        for side in self._sides:
            side += bytes(octets - len(side))
        return self._taken(octets)

    def _taken(self, octets: int) -> bytes:
        if not octets:
            return b""
        left, right = (bytes(side[:octets]) for side in self._sides)
        for side in self._sides:
            del side[:octets]
        module = audioop()
        return cast(
            bytes,
            module.add(
                module.tostereo(left, SAMPLE_WIDTH, 1, 0),
                module.tostereo(right, SAMPLE_WIDTH, 0, 1),
                SAMPLE_WIDTH,
            ),
        )
