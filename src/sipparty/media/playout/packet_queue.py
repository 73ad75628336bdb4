"""Packets that wait to be played, in the order they were sent.

Laws:

* A position is the sequence number without wraps; each is taken once, and what was given up and
  comes is late. What was neither given up nor waits is a duplicate.
* A packet has a media time, in seconds (see `media_time`), and a transit time, which says what
  delay the stream needs (see `delay`).
* Bounded: by `max_packets`, and by how many last `max_delay`; what is more is dropped, the oldest
  first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Literal, TypeAlias

from sipparty.media.codecs import Decoder
from sipparty.media.playout.delay import PlayoutDelay
from sipparty.media.playout.media_time import MediaTime, Newest
from sipparty.media.rtp.packet import sequence_difference
from sipparty.media.rtp.source import MAX_DROPOUT, MAX_MISORDER

__all__ = ["Entry", "PacketQueue", "Verdict"]

#: What became of a packet that was put.
Verdict: TypeAlias = Literal["queued", "duplicate", "late"]

#: A packet that waits: its media time, payload type and payload, and its transit time.
Entry: TypeAlias = tuple[float, int, bytes, float]


class PacketQueue:
    """The packets of one stream.

    Args:
        decoders: The payload types that take time. Of any other, only the place is kept.
        noises: Those of them that are comfort noise.
        delay: What is given the transit times.
        max_packets: Most packets that may wait.
        max_delay: Most that may wait, in seconds.
        step: Seconds in a packet, until packets say.
        on_lost, on_discarded: As for `JitterBuffer`.

    Attributes:
        slots: What waits, by position.
        next: The position that is to be taken next; -1 before the first was.
        jumped: Whether something was dropped; set back by whoever plays.
        duplicates, late, lost, dropped: As for `JitterBuffer`.
    """

    def __init__(
        self,
        decoders: Mapping[int, Decoder],
        noises: Mapping[int, object],
        delay: PlayoutDelay,
        *,
        max_packets: int,
        max_delay: float,
        step: float,
        on_lost: Callable[[int, int], object] | None,
        on_discarded: Callable[[int], object] | None,
    ) -> None:
        self._decoders = decoders
        self._noises = noises
        self._delay = delay
        self._transits = delay.transits
        self.max_packets = max_packets
        self.max_delay = max_delay
        self._on_lost = on_lost
        self._on_discarded = on_discarded
        self.duplicates = 0
        self.late = 0
        self.lost = 0
        self.dropped = 0
        self.reset(step)

    def reset(self, step: float) -> None:
        """Another stream begins; the counts stay."""
        self.slots: dict[int, Entry] = {}
        self.next = -1
        self.jumped = False
        self._given_up: set[int] = set()
        # The newest packet, and the one that would go on with it.
        self._time = MediaTime(step, self.max_delay / 2)
        self._highest = -1
        self._media = 0.0
        self.step = step
        self._ticks = 0
        self._next_sequence = -1
        self._next_timestamp = -1
        self._put_type = -1
        self._many = self.max_packets
        self._delay.forget()

    def put(
        self,
        sequence: int,
        timestamp: int,
        payload_type: int,
        payload: bytes,
        marker: bool,
        now: float,
    ) -> Verdict:
        """Take a packet.

        Args:
            sequence: Its sequence number.
            timestamp: Its RTP timestamp.
            payload_type: What it is.
            payload: The payload.
            marker: Its marker bit.
            now: When it came, in seconds.
        """
        if (
            sequence == self._next_sequence
            and timestamp == self._next_timestamp
            and payload_type == self._put_type
        ):
            self._next_sequence = sequence + 1 & 0xFFFF
            self._next_timestamp = timestamp + self._ticks & 0xFFFFFFFF
            self._highest = position = self._highest + 1
            self._media = media = self._media + self.step
            transit = now - media
            slots = self.slots
            slots[position] = (media, payload_type, payload, transit)
            transits = self._transits
            transits.append(transit)
            if len(transits) >= self._delay.batch or len(slots) > self._many:
                self._look()
            return "queued"
        return self._put(sequence, timestamp, payload_type, payload, marker, now)

    def _put(
        self,
        sequence: int,
        timestamp: int,
        payload_type: int,
        payload: bytes,
        marker: bool,
        now: float,
    ) -> Verdict:
        """Any packet."""
        time = self._time
        if self._put_type >= 0:
            time.newest = Newest(
                self._highest,
                (self._next_timestamp - self._ticks) & 0xFFFFFFFF,
                self._decoders[self._put_type].clock_rate,
                self._media,
            )
        ahead = 1
        anew = False
        if self._next_sequence < 0:
            # Above 0, so that what was sent before it has a position too.
            self._highest = sequence + 0xFFFF
        else:
            ahead += sequence_difference(sequence, self._next_sequence)
            if not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
                # The numbers began anew: they go on with the newest (RFC 3550 section A.1).
                anew = True
                ahead = 1
        position = self._highest + ahead
        played = position < self.next
        if (played and position not in self._given_up) or position in self.slots:
            self.duplicates += 1
            return "duplicate"
        decoder = self._decoders.get(payload_type)
        media = transit = 0.0
        if decoder is None:
            payload = b""
        else:
            clock_rate = decoder.clock_rate
            media, even = time.of(
                position,
                timestamp,
                clock_rate,
                marker=marker,
                anew=anew,
                transit=self._delay.last,
                now=now,
            )
            if not even:
                self._delay.forget()
            transit = now - media
            self._transits.append(transit)
        if ahead > 0:
            self._highest = position
            self._next_sequence = (sequence + 1) & 0xFFFF
            self._put_type = -1
            if decoder is not None:
                time.newest = Newest(position, timestamp, clock_rate, media)
                self._media = media
                self.step = self._delay.step = time.step
                self._ticks = round(time.step * clock_rate)
                self._next_timestamp = (timestamp + self._ticks) & 0xFFFFFFFF
                self._many = min(self.max_packets, int(self.max_delay / time.step) + 2)
                if payload_type not in self._noises:
                    self._put_type = payload_type
        if played:
            self._given_up.remove(position)
            self.late += 1
            self.discard(position)
        else:
            self.slots[position] = (media, payload_type, payload, transit)
        self._look()
        return "late" if played else "queued"

    def _look(self) -> None:
        """See after a packet whether the delay is right, and whether too much waits."""
        if len(self._transits) >= self._delay.batch:
            self._delay.review()
        if len(self.slots) > self._many:
            # More than the target is a burst after an outage.
            keep = min(self._many - 1, max(1, ceil(self._delay.target / self.step)))
            for position in sorted(self.slots)[:-keep]:
                self.take(position)
                self.dropped += 1
                self.discard(position)
            self.jumped = True

    def first(self) -> tuple[int, bool]:
        """The position of the first packet that waits, and whether none is missing before it."""
        if self.next in self.slots:
            return self.next, True
        return min(self.slots), self.next < 0

    def take(self, position: int) -> Entry:
        """Remove the first packet; what is missing before it is lost now."""
        count = position - self.next
        if self.next >= 0 and count > 0:
            first = max(self.next, position - MAX_MISORDER)
            recent = {each for each in self._given_up if each >= first - MAX_MISORDER}
            self._given_up = recent.union(range(first, position))
            self.lose(self.next, count)
        self.next = position + 1
        return self.slots.pop(position)

    def lose(self, position: int, count: int = 1) -> None:
        """Count as lost, from a position on."""
        self.lost += count
        self._delay.losses += count
        if self._on_lost is not None:
            self._on_lost(position, count)

    def discard(self, position: int) -> None:
        """Say of a packet that it came for nothing."""
        if self._on_discarded is not None:
            self._on_discarded(position)
