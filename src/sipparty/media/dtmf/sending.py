"""Keys as telephone events: what is sent in the place of audio (RFC 4733 section 2.5.1).

Laws:

* A packet for each frame while an event lasts, at the pace of the audio that it replaces. Its
  timestamp is the event's beginning, or the segment's (sections 2.2.1, 2.5.1.3), its duration is
  counted to the end of the frame: never 0 (section 2.3.5).
* The marker is set on the first packet of an event and on no other (section 2.2.2).
* The last report is sent three times, a frame apart (section 2.5.1.4); so is that of a segment of
  the longest duration, after which the next segment is reported.
* The next event begins when the gap after this one is over, and the repeats were sent.
* Durations are in ticks of the event's clock; timestamps in those of the stream that it is part
  of, which is the same clock where both sides follow section 2.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from sipparty.media.dtmf.keys import FLASH, KEYS, Press
from sipparty.media.dtmf.telephone_event import MAX_DURATION, TelephoneEvent

__all__ = ["EventPacket", "EventSender"]

#: How often the last report of an event or a segment is sent (section 2.5.1.4).
_REPEATS: Final = 3
_WORD: Final = 0xFFFFFFFF


class EventPacket(NamedTuple):
    """What is sent in the place of a frame of audio.

    Args:
        payload_type: Of the events.
        timestamp: The RTP timestamp.
        marker: The marker bit.
        payload: The payload.
    """

    payload_type: int
    timestamp: int
    marker: bool
    payload: bytes


class _Event:
    """An event under way; durations in ticks of the stream's clock."""

    __slots__ = (
        *("code", "done", "duration", "fresh", "gap", "left", "segment", "segment_left", "start"),
    )

    def __init__(
        self, code: int, start: int, duration: int, gap: int, done: Callable[[], object] | None
    ) -> None:
        self.code = code
        self.done = done
        self.start = start
        self.segment = 0
        self.duration = duration
        self.gap = gap
        self.fresh = True
        #: Reports of the end that are still to be sent; of the end of the segment.
        self.left = self.segment_left = _REPEATS


class EventSender:
    """Sends keys as telephone events, one after the other.

    Args:
        payload_type: What the other side calls them.
        clock_rate: Ticks a second of their durations.
        volume: The power of the tones that they stand for, in dBm0, 0 to -63.

    Attributes:
        payload_type, clock_rate: As above; what was agreed on anew may change them.
        busy: Whether something is sent or waits; where not, `next` need not be called.
    """

    __slots__ = ("_event", "_pause", "_queue", "_volume", "busy", "clock_rate", "payload_type")

    def __init__(self, payload_type: int, clock_rate: int = 8000, *, volume: float = -10) -> None:
        self.payload_type = payload_type
        self.clock_rate = clock_rate
        self.busy = False
        self._volume = min(max(round(-volume), 0), 63)
        self._queue: deque[tuple[Press | None, Callable[[], object] | None]] = deque()
        self._event: _Event | None = None
        #: Until when nothing begins, as a timestamp; None for now.
        self._pause: int | None = None

    def queue(self, presses: Iterable[Press], done: Callable[[], object] | None = None) -> None:
        """Send keys after those that wait.

        Args:
            presses: The keys and pauses.
            done: Called when all of them were sent, on the thread that calls `next`.
        """
        self._queue += [(press, done) for press in presses]
        if done is not None:
            self._queue.append((None, done))
        self.busy = bool(self._queue) or self.busy

    def cancel(self, done: Callable[[], object] | None = None) -> None:
        """Forget what waits; the event under way ends now, with its last reports. What was to be
        called at the end is not.

        Args:
            done: What was given to `queue` with the keys; None for all of them.
        """
        self._queue = deque(one for one in self._queue if done not in (None, one[1]))
        event = self._event
        if event is not None:
            if event.left == _REPEATS and done in (None, event.done):
                event.duration = 0  # unknown until the next frame
        elif not self._queue:
            self._pause = None
            self.busy = False

    def next(self, timestamp: int, ticks: int, clock_rate: int) -> EventPacket | None:
        """What is sent in the place of the next frame of audio; None for the audio itself.

        Args:
            timestamp: The RTP timestamp of the frame.
            ticks: How long the frame is.
            clock_rate: Ticks a second of both.
        """
        event = self._event
        if event is None:
            event = self._event = self._begin(timestamp, clock_rate)
            if event is None:
                return None
        rate = self.clock_rate
        elapsed = (timestamp + ticks - event.start) & _WORD
        longest = MAX_DURATION * clock_rate // rate
        if not event.duration:  # cancelled: it has ended where this frame begins
            event.duration = (timestamp - event.start) & _WORD
        if elapsed - event.segment > longest and event.duration - event.segment > longest:
            return self._end_of_segment(event, longest)
        ended = elapsed >= event.duration
        lasted = min(elapsed, event.duration) - event.segment
        packet = self._packet(event, min(lasted * rate // clock_rate, MAX_DURATION), ended)
        if ended:
            event.left -= 1
            if not event.left:
                self._event = None
                self._pause = (event.start + event.duration + event.gap) & _WORD
        return packet

    def _begin(self, timestamp: int, clock_rate: int) -> _Event | None:
        """The next event, if one is to begin with this frame."""
        if self._pause is not None:
            if (timestamp - self._pause) & 0x80000000:
                return None  # the gap is not over yet
            self._pause = None
        while self._queue:
            press, done = self._queue.popleft()
            if press is None:
                if done is not None:
                    done()
                continue
            duration = max(round(press.duration * clock_rate), 1)
            if not press.key:
                self._pause = (timestamp + duration) & _WORD
                return None
            gap = round(press.gap * clock_rate)
            return _Event(KEYS.index(press.key), timestamp, duration, gap, done)
        self.busy = False
        return None

    def _end_of_segment(self, event: _Event, longest: int) -> EventPacket:
        """Section 2.5.1.3: the longest duration, without the end."""
        packet = self._packet(event, MAX_DURATION, False)
        event.segment_left -= 1
        if not event.segment_left:
            event.segment += longest
            event.segment_left = _REPEATS
        return packet

    def _packet(self, event: _Event, duration: int, ended: bool) -> EventPacket:
        volume = 0 if KEYS[event.code] == FLASH else self._volume
        report = TelephoneEvent(event.code, max(duration, 1), ended, volume)
        timestamp = (event.start + event.segment) & _WORD
        fresh, event.fresh = event.fresh, False
        return EventPacket(self.payload_type, timestamp, fresh, bytes(report))
