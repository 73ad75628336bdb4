"""Telephone events as they come: each press once, whatever the network does to its packets (RFC
4733 section 2.5.2).

Laws:

* A press is an event number at a timestamp. Its first packet that arrives begins it, with the
  marker or without; further ones tell how long it lasts; the first with the end ends it, and what
  comes of it later is ignored (section 2.5.2.2).
* A new timestamp is a new press, also of the same key; but a report that begins where the one
  before it ends, or follows it in sequence without the marker, goes on with it: the segments of a
  long press are one (section 2.5.2.3).
* A press whose end is lost ends when another begins, or when three of its updates are missing
  (section 2.5.2.2).
* A packet that was overtaken by those of later presses is a press of its own, if none of its own
  was heard before.
* Each payload type has a clock of its own. What is malformed, an event that is no key, and a
  duration of 0 (section 2.3.5) are counted and ignored; so are presses at a rate that nothing but
  a flood has (`_RATE`), each of which would be work for handlers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from sipparty.errors import ParseError
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.keys import FLASH, KEYS
from sipparty.media.dtmf.telephone_event import MAX_DURATION, TelephoneEvent
from sipparty.media.rtp.packet import sequence_difference, timestamp_difference
from sipparty.sip.events import MediaEvent

__all__ = ["EventReceiver"]

#: Updates that may be missing before a press counts as ended (section 2.5.2.2).
_MISSING: Final = 3
#: The time between updates, in seconds, where it is not known (section 2.5.1.2).
_INTERVAL: Final = 0.05
#: The longest that it is taken for; bounds how long a press seems to last after its end was lost.
_MAX_INTERVAL: Final = 0.2
#: Presses that are remembered, to know what comes late.
_HISTORY: Final = 16
#: Presses a second that are taken, and how many at once; the shortest ones are 12 a second.
_RATE: Final = 50.0
_MOST: Final = 64.0
_WORD: Final = 0xFFFFFFFF


class _Press:
    """A press: `start` is the timestamp of its beginning, `segment` that of the segment that was
    reported last, `lasted` what the latter lasts, in ticks of `clock_rate`; `closed` whether its
    end was reported.
    """

    __slots__ = ("clock_rate", "closed", "code", "kind", "lasted", "segment", "start")

    def __init__(self, kind: int, clock_rate: int, code: int, start: int) -> None:
        self.kind = kind
        self.clock_rate = clock_rate
        self.code = code
        self.start = self.segment = start
        self.lasted = 0
        self.closed = False

    def covers(self, kind: int, code: int, timestamp: int) -> bool:
        """Whether a report is about it: about its last segment or one before that."""
        if (kind, code) != (self.kind, self.code):
            return False
        if timestamp == self.segment:
            return True
        since = timestamp_difference(timestamp, self.start)
        return 0 <= since < timestamp_difference(self.segment, self.start)

    def goes_on(self, report: TelephoneEvent, timestamp: int, marker: bool, follows: bool) -> bool:
        """Whether a report of its key under another timestamp is about it.

        Args:
            report: The report.
            timestamp: Where it begins.
            marker: The marker of its packet.
            follows: Whether that is the next in sequence.
        """
        if self.closed:  # its end again, by a sender whose timestamps move
            return report.end and follows and not marker
        since = (timestamp - self.segment) & _WORD
        if since == MAX_DURATION and (self.lasted == MAX_DURATION or not marker):
            return True
        return not marker and (follows or since == self.lasted)

    @property
    def duration(self) -> float:
        """How long it has lasted, in seconds."""
        return (((self.segment - self.start) & _WORD) + self.lasted) / self.clock_rate


class EventReceiver:
    """Makes presses of the telephone events of one stream.

    Args:
        clock_rates: Ticks a second of the durations, by payload type.

    Attributes:
        clock_rates: As above; what was agreed on anew may change them.
        malformed: Packets that were no telephone events.
        ignored: Reports of events that are no keys, or of duration 0, or of too many presses.
        due: When `expire` has something to do, in seconds; infinite while no key is pressed.
    """

    __slots__ = (
        *("_counted_at", "_history", "_interval", "_last", "_left", "_press"),
        *("clock_rates", "due", "ignored", "malformed"),
    )

    def __init__(self, clock_rates: Mapping[int, int]) -> None:
        self.clock_rates = clock_rates
        self.malformed = 0
        self.ignored = 0
        self.due = float("inf")
        self._press: _Press | None = None
        self._history: deque[_Press] = deque(maxlen=_HISTORY)
        #: The sequence number of the latest packet, and the seconds between two.
        self._last: int | None = None
        self._interval = _INTERVAL
        #: How many presses may begin, at a time.
        self._left = _MOST
        self._counted_at = 0.0

    def receive(
        self,
        payload_type: int,
        sequence: int,
        timestamp: int,
        marker: bool,
        payload: bytes,
        now: float,
    ) -> list[MediaEvent]:
        """Take a packet whose payload type is one of `clock_rates`.

        Args:
            payload_type: Its payload type.
            sequence: Its sequence number.
            timestamp: Its RTP timestamp.
            marker: Its marker bit.
            payload: Its payload.
            now: When it came, in seconds.

        Returns:
            What happened by it: `DigitReceived`, `DigitEnded`, in order.
        """
        clock_rate = self.clock_rates.get(payload_type)
        try:
            reports = TelephoneEvent.parse(payload)
        except ParseError:
            reports = ()
        if clock_rate is None or not reports:
            self.malformed += 1
            return []
        found = self.expire(now)
        ahead = 1 if self._last is None else sequence_difference(sequence, self._last)
        if ahead > 0:
            self._last = sequence
        for report in reports:
            if report.event >= len(KEYS) or not report.duration:
                self.ignored += 1
            else:
                self._take(report, payload_type, clock_rate, timestamp, marker, ahead, now, found)
            timestamp = (timestamp + report.duration) & _WORD
        return found

    def expire(self, now: float) -> list[MediaEvent]:
        """End the press of which too little was heard; to be called when `due` is reached."""
        found: list[MediaEvent] = []
        if now >= self.due:
            self._end(found)
        return found

    def reset(self) -> list[MediaEvent]:
        """End the press under way, and forget all: another source is heard, or none."""
        found: list[MediaEvent] = []
        self._end(found)
        self._history.clear()
        self._last = None
        return found

    def _take(
        self,
        report: TelephoneEvent,
        kind: int,
        clock_rate: int,
        timestamp: int,
        marker: bool,
        ahead: int,
        now: float,
        found: list[MediaEvent],
    ) -> None:
        code = report.event
        press = self._press
        if press is not None and press.covers(kind, code, timestamp):
            self._update(press, report, timestamp, now, found)
            return
        past = next((one for one in self._history if one.covers(kind, code, timestamp)), None)
        if past is not None:
            # Section 2.5.2.2: what has ended is not begun anew; but a sender whose timestamps stand
            # still says with a marker, and with less of a duration, that the key is pressed again.
            if not (marker and ahead > 0 and report.duration < past.lasted and not report.end):
                return
            self._history.remove(past)
        latest = press or (self._history[-1] if self._history else None)
        if (
            ahead > 0
            and latest is not None
            and (kind, code) == (latest.kind, latest.code)
            and latest.goes_on(report, timestamp, marker, ahead == 1)
        ):
            latest.segment, latest.lasted = timestamp, 0
            if press is not None:
                self._update(press, report, timestamp, now, found)
            return
        self._left = min(_MOST, self._left + max(0.0, now - self._counted_at) * _RATE)
        self._counted_at = now
        if self._left < 1:
            self.ignored += 1
            return
        self._left -= 1
        new = _Press(kind, clock_rate, code, timestamp)
        volume = None if KEYS[code] == FLASH or not report.volume else -report.volume
        if ahead <= 0 and press is not None:  # overtaken by a later press, which goes on
            found.append(DigitReceived(KEYS[code], "rtp", volume))
            new.lasted = report.duration
            found.append(DigitEnded(KEYS[code], "rtp", new.duration))
            self._history.append(new)
            return
        self._end(found)
        self._press = new
        self._interval = _INTERVAL
        found.append(DigitReceived(KEYS[code], "rtp", volume))
        self._update(new, report, timestamp, now, found)

    def _update(
        self,
        press: _Press,
        report: TelephoneEvent,
        timestamp: int,
        now: float,
        found: list[MediaEvent],
    ) -> None:
        """Take a report of the press under way."""
        if timestamp == press.segment and report.duration > press.lasted:
            if press.lasted:
                interval = (report.duration - press.lasted) / press.clock_rate
                self._interval = max(_INTERVAL, min(interval, _MAX_INTERVAL))
            press.lasted = report.duration
        if report.end:
            press.closed = True
            self._end(found)
        else:
            self.due = now + _MISSING * self._interval

    def _end(self, found: list[MediaEvent]) -> None:
        press, self._press = self._press, None
        self.due = float("inf")
        if press is not None:
            self._history.append(press)
            found.append(DigitEnded(KEYS[press.code], "rtp", press.duration))
