"""The media time of packets: timestamps of any clock as seconds on one line.

Laws:

* Time goes on evenly where the sender changes to a format of another clock: the ticks between are
  of the one clock or the other, and if neither fits, the packets that came say how much time passed
  (RFC 7160 section 4).
* Timestamps that begin anew go on where the newest packet ended: what the network cannot do
  (`_JUMP`), the sender did.
* No clock; `now` is when a packet came.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sipparty.media.rtp.packet import timestamp_difference

__all__ = ["MediaTime", "Newest"]

#: A change of the transit time, in seconds, that is no network's.
_JUMP: Final = 1.0
#: Times closer than this are the same, in seconds: less than a sample.
SAME: Final = 5e-6


class Newest(NamedTuple):
    """The newest packet so far: its position, timestamp and clock, and its media time."""

    position: int
    timestamp: int
    clock_rate: int
    time: float


class MediaTime:
    """Gives packets their media time.

    Args:
        step: Seconds in a packet, until packets say.
        longest: The most that a packet lasts, in seconds.

    Attributes:
        newest: The newest packet; None before the first.
        step: Seconds between two packets that follow each other.
    """

    def __init__(self, step: float, longest: float) -> None:
        self.newest: Newest | None = None
        self.step = step
        self._longest = longest

    def of(
        self,
        position: int,
        timestamp: int,
        clock_rate: int,
        *,
        marker: bool,
        anew: bool,
        transit: float,
        now: float,
    ) -> tuple[float, bool]:
        """The media time of a packet, and whether it goes on with those before it.

        Args:
            position: Its place in the sequence.
            timestamp: Its timestamp.
            clock_rate: Its clock.
            marker: Its marker bit.
            anew: Whether its sequence number began anew.
            transit: The transit time of a packet that came lately.
            now: When it came.
        """
        newest = self.newest
        if newest is None:
            return 0.0, True
        ticks = timestamp_difference(timestamp, newest.timestamp)
        count = position - newest.position
        by_count = newest.time + count * self.step
        time = newest.time + ticks / clock_rate
        if clock_rate == newest.clock_rate:
            if count == 1 and not marker and 0 < ticks <= clock_rate * self._longest:
                self.step = ticks / clock_rate
        elif abs(time - by_count) > SAME:
            other = newest.time + ticks / newest.clock_rate
            if abs(other - by_count) <= SAME:
                time = other
            else:
                time = min(time, other, by_count, key=lambda each: abs(now - each - transit))
        if anew or abs(now - time - transit) > _JUMP:
            return by_count, False
        return time, True
