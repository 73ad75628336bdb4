"""How much later than it could be each packet has to be played, so that the others come in time.

Laws:

* What is known of the network is the transit time of each packet: when it came, less its media
  time. The two clocks have nothing in common, so a transit time says something only beside others;
  where the clocks drift, all of them move, and all that is concluded from them moves along.
* Only what came lately counts: `_KEPT` batches of packets, late ones included.
* The quantile `_QUANTILE` of the transit times is what the playout has to wait for. A single
  packet that is delayed by much is given up.
* No clock; everything is bounded.

    floor    the shortest transit time
    low      the quantile and a margin: played earlier than this, packets would be missed; where
             packets are lost, a packet more, so that a gap is filled from both sides
    goal     the same, but at least `min_delay` above the floor, and at most `max_delay`
    high     played later than this, time is wasted
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from sipparty.media.playout.media_time import SAME

__all__ = ["PlayoutDelay", "alike_enough"]

#: Packets between two looks at the transit times, and how many at the beginning.
BATCH: Final = 32
_FIRST_BATCH: Final = 4
#: How many batches are remembered: some seconds.
_KEPT: Final = 12
#: Which part of the packets is to come in time.
_QUANTILE: Final = 0.99
#: From which part of the packets on losses are worth waiting for a packet more.
_LOSSY: Final = 0.01
#: What is added to the quantile, in seconds: the tick is not exact either.
_MARGIN: Final = 0.01
#: Frames on end that have to be too late before one is shortened.
_PATIENCE: Final = 3
#: How alike two periods have to be so that one is left out or put in; and so that it is done where
#: the delay is wrong by more than `_MUCH` seconds.
_ALIKE: Final = 0.8
_ALIKE_ENOUGH: Final = 0.4
_MUCH: Final = 0.02


def alike_enough(wrong: float) -> float:
    """How alike two periods have to be, where the delay is wrong by so many seconds."""
    return _ALIKE if abs(wrong) < _MUCH else _ALIKE_ENOUGH


class PlayoutDelay:
    """The delay that the packets of a stream need.

    Args:
        min_delay: Least delay, in seconds.
        max_delay: Most delay.
        longest: How far apart transit times can be; what is farther apart are other times.
        slack: How much more than the goal is no waste, in seconds.

    Attributes:
        transits: Where the transit time of each packet is put; after each, `review` is called if
            there are `batch`.
        batch: How many there may be.
        step: Seconds in a packet.
        losses: Packets lost; added to by whoever counts them.
        target: The goal above the floor, in seconds.
    """

    def __init__(self, min_delay: float, max_delay: float, longest: float, slack: float) -> None:
        self.min_delay = min_delay
        self.max_delay = max_delay
        self.longest = longest
        self.slack = slack
        self.transits: list[float] = []
        self.target = min_delay
        self.step = 0.0
        self.losses = 0
        self._batches: deque[list[float]] = deque(maxlen=_KEPT)
        self._lost: deque[int] = deque(maxlen=_KEPT)
        self.forget()

    def forget(self) -> None:
        """Other transit times begin; how far they are apart is assumed to stay."""
        self.transits.clear()
        self._batches.clear()
        self._lost.clear()
        self.batch = _FIRST_BATCH
        self.floor: float | None = None
        self.low = -inf
        self.goal = inf
        self.high = inf
        self._over = 0
        self._over_at = -inf

    @property
    def last(self) -> float:
        """The transit time of a packet that came lately."""
        if self.transits:
            return self.transits[-1]
        return self.floor or 0.0

    def waited(self, offset: float, transits: Sequence[float]) -> bool:
        """Whether to begin to play now, a time `offset` after the media time of the first packet.

        Args:
            offset: In seconds.
            transits: The transit times of what waits, the first packet's first.
        """
        floor = min(transits)
        if self.floor is not None:
            if abs(transits[0] - self.floor) <= self.longest:
                floor = min(floor, self.floor)
            else:
                self.forget()
        return offset >= floor + self.target - SAME

    def wrong(self, offset: float, now: float, period: float) -> float:
        """How wrong it is to play a frame `offset` after its media time.

        Args:
            offset: In seconds.
            now: The time; frames of one moment are made up for a tick that was late itself.
            period: The time between two frames.

        Returns:
            Seconds: below 0 where it is too early; above 0 where it is too late, and was for
            `_PATIENCE` frames on end; 0 where all is well.
        """
        if offset < self.low:
            return offset - self.low
        if offset <= self.high or now - self._over_at > 2 * period:
            self._over = 0
        if now - self._over_at > period / 2:
            self._over += 1
            self._over_at = now
        return 0.0 if self._over < _PATIENCE else max(0.0, offset - self.high)

    def review(self) -> None:
        """Conclude from the transit times so far."""
        if not self.transits:
            return
        self._batches.append(sorted(self.transits))
        self._lost.append(self.losses)
        self.transits.clear()
        self.losses = 0
        self.batch = min(BATCH, 2 * self.batch)
        ordered = sorted([each for batch in self._batches for each in batch])
        floor = self.floor = ordered[0]
        least = ordered[int(_QUANTILE * (len(ordered) - 1) + 0.5)] + _MARGIN - floor
        if sum(self._lost) > _LOSSY * len(ordered):
            least += self.step
        least = min(least, self.max_delay)
        self.low = floor + least
        self.target = max(self.min_delay, least)
        self.goal = floor + self.target
        self.high = self.goal + self.slack
