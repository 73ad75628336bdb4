"""Bursts and gaps of loss (RFC 3611 section 4.7.2).

A *burst* begins and ends with a packet that was not played, and within it fewer than `gmin` packets
on end were played; what is not in a burst is *gap*. A single packet that was not played, with
`gmin` played before and after, is in a gap. Lost and discarded packets count alike; the density of
either period is their share of its packets.

    . . . . x . . . . . . . . . . . . . . . . . x . x x . . x . . . . . . . . . . . . . . . . .
    |------------------- gap -------------------|--- burst ---|-------------- gap -------------|

The meter is called for losses alone: it costs nothing while there are none, and keeps no more than
a few numbers. Positions are sequence numbers that do not wrap; where they jump, a new stretch
begins.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["GMIN", "BurstMeter", "BurstMetrics"]

#: Packets that have to be played on end to end a burst; what RFC 3611 section 4.7.2 recommends.
GMIN: Final = 16
#: A step of the position beyond which it is another stream's.
_JUMP: Final = 3000


class BurstMetrics(NamedTuple):
    """Bursts and gaps so far.

    Args:
        burst_density: The share of packets in bursts that were not played, 0 to 1.
        gap_density: The share in gaps.
        burst_packets: The mean length of a burst, in packets; 0 where there was none.
        gap_packets: The mean length of a gap.
        burst_ratio: The mean length of losses on end, over what it would be at random (ITU-T G.107,
            BurstR); 1 where nothing was lost.
        expected: Packets that should have come.
        missed: Those that were not played.
        discarded: Those of them that came.
    """

    burst_density: float = 0.0
    gap_density: float = 0.0
    burst_packets: float = 0.0
    gap_packets: float = 0.0
    burst_ratio: float = 1.0
    expected: int = 0
    missed: int = 0
    discarded: int = 0


class BurstMeter:
    """Takes losses in the order of their positions.

    Args:
        gmin: Packets that have to be played on end to end a burst.
    """

    __slots__ = (
        *("_burst_missed", "_burst_size", "_bursts", "_discarded", "_earlier", "_edges", "_first"),
        *("_from", "_in_burst", "_last", "_missed", "_runs", "_seen", "gmin"),
    )

    def __init__(self, gmin: int = GMIN) -> None:
        self.gmin = gmin
        # Of this stretch: the first position, the highest known of, and the last not played.
        self._first: int | None = None
        self._seen = 0
        self._last: int | None = None
        self._earlier = 0  # packets of the stretches before
        # What may be a burst: where it begins, and how many were not played in it.
        self._from = self._in_burst = 0
        self._missed = self._discarded = self._runs = 0
        # Bursts that are over: how many, their packets, and those of them that were not played.
        self._bursts = self._burst_size = self._burst_missed = 0
        # Ends of stretches where there is no gap, but a burst.
        self._edges = 0

    def begin(self, position: int) -> None:
        """A stream begins at this position, or goes on there after a jump."""
        self._close()
        if self._first is not None:
            self._earlier += self._seen - self._first + 1
        self._first, self._seen, self._last = position, position - 1, None

    def _go_to(self, position: int) -> None:
        """Begin, or begin anew, where the position is of no stretch that is known."""
        if self._first is None or not -_JUMP < position - self._seen < _JUMP:
            self.begin(position)

    def lost(self, position: int, count: int = 1) -> None:
        """So many packets on end, from this position on, did not come in time."""
        self._miss(position, count)

    def discarded(self, position: int) -> None:
        """A packet came and was not played: late, after it was counted as lost, or too early."""
        self._discarded += 1
        self._miss(position, 1)

    def _miss(self, position: int, count: int) -> None:
        self._go_to(position)
        last = self._last
        if last is not None and position <= last:
            return  # it is known already
        played = None if last is None else position - last - 1
        if played is None or played >= self.gmin:
            self._close()
            self._from = position
        self._runs += played != 0
        self._in_burst += count
        self._missed += count
        self._last = position + count - 1
        self._seen = max(self._seen, self._last)

    def _close(self) -> None:
        """What may be a burst is over; it was one, if more than one was not played."""
        if self._in_burst > 1 and self._last is not None:
            self._bursts += 1
            self._burst_size += self._last - self._from + 1
            self._burst_missed += self._in_burst
            self._edges += self._from == self._first
        self._in_burst = 0

    def update(self, position: int) -> BurstMetrics:
        """Bursts and gaps up to this position, the highest that came."""
        self._go_to(position)
        first, last = self._first, self._last
        assert first is not None
        end = self._seen = max(position, self._seen)
        at_end = self._in_burst > 1 and last == end
        return self._measured(self._earlier + end - first + 1, at_end)

    def measured(self, expected: int) -> BurstMetrics:
        """Bursts and gaps, where so many packets should have come so far."""
        return self._measured(max(expected, self._missed, self._burst_size), False)

    def _measured(self, expected: int, at_end: bool) -> BurstMetrics:
        bursts, size, missed, edges = (
            self._bursts,
            self._burst_size,
            self._burst_missed,
            self._edges,
        )
        if self._in_burst > 1 and self._last is not None:
            bursts += 1
            size += self._last - self._from + 1
            missed += self._in_burst
            edges += (self._from == self._first) + at_end
        in_gaps = max(expected - size, 0)
        gaps = max(bursts + 1 - edges, 1 if in_gaps else 0)
        share = self._missed / expected if expected else 0.0
        ratio = self._missed / self._runs * (1 - share) if self._runs else 1.0
        return BurstMetrics(
            missed / size if size else 0.0,
            (self._missed - missed) / in_gaps if in_gaps else 0.0,
            size / bursts if bursts else 0.0,
            in_gaps / gaps if gaps else 0.0,
            max(ratio, 1.0),
            expected,
            self._missed,
            self._discarded,
        )
