"""When RTCP is sent (RFC 3550 sections 6.2 and 6.3), and what its times mean (sections 4 and 6.4).

Laws:

* Time is an argument, and chance is: `chance()` gives a number from 0 up to 1.
* `RTCPSchedule` keeps the membership and the timer of one RTP session: `next` is when to ask `due`,
  `due` says whether to send then, `sent` says it was.
* The tables of members and senders are bounded; who does not fit is not counted.

Left out: the back-off of a BYE among more than fifty members (section 6.3.7), which a call between
two does not have; and the sampling of large groups (section 6.2.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from sipparty.media.rtp.packet import timestamp_difference
from sipparty.media.rtp.rtcp import ReportBlock

__all__ = ["RTCPSchedule", "ntp_timestamp", "round_trip_time", "rtcp_interval", "time_since"]

#: Seconds from the NTP epoch, 1 January 1900, to that of Unix time (RFC 3550 section 4).
_NTP_EPOCH: Final = 2_208_988_800
#: Shortest average interval between reports, in seconds (section 6.2).
_MINIMUM: Final = 5.0
#: The senders' part of the bandwidth (section 6.2).
_SENDERS_SHARE: Final = 0.25
#: Makes up for timer reconsideration, which sends less than was meant (section 6.3.1).
_COMPENSATION: Final = math.e - 1.5
#: After how many intervals a silent member is gone (section 6.3.5).
_MEMBER_TIMEOUT: Final = 5
#: After how many intervals a sender is no sender (section 6.3.5).
_SENDER_TIMEOUT: Final = 2


def ntp_timestamp(unix_time: float) -> int:
    """The 64-bit NTP timestamp of a wallclock time given in seconds since 1970."""
    return round((unix_time + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def round_trip_time(report: ReportBlock, ntp_now: int) -> float | None:
    """The seconds to a receiver and back, by its report (RFC 3550 section 6.4.1).

    Args:
        report: What it says of us.
        ntp_now: When it came, as a 64-bit NTP timestamp of the clock our sender reports are from.

    Returns:
        Seconds; None where it had no sender report yet, or says what cannot be.
    """
    return time_since(report.last_sr, report.delay_since_last_sr, ntp_now)


def time_since(last: int, delay: int, ntp_now: int) -> float | None:
    """The seconds since we have said what time it was, but for those that the other side kept it:
    by its report block, or by its answer to a reference time (RFC 3611 section 4.5).

    Args:
        last: The middle 32 bits of the NTP timestamp that we have sent; 0 for none.
        delay: How long the other side had it, in 1/65536 s.
        ntp_now: When it came back, as a 64-bit NTP timestamp of the same clock.

    Returns:
        Seconds; None where there is none, or says what cannot be.
    """
    if not last:
        return None
    since = timestamp_difference(ntp_now >> 16 & 0xFFFFFFFF, last)
    seconds = (since - delay) / 65536
    # Clocks round: a very short round trip may come out a little below nothing.
    return max(seconds, 0.0) if seconds > -0.001 else None


def rtcp_interval(
    members: int,
    senders: int,
    bandwidth: float,
    *,
    we_sent: bool,
    average_size: float,
    initial: bool,
    chance: float | None,
) -> float:
    """The seconds to the next report (RFC 3550 sections 6.3.1 and A.7).

    Args:
        members: How many take part, oneself included.
        senders: How many of them send.
        bandwidth: For all RTCP together, in octets a second.
        we_sent: Whether oneself sends.
        average_size: Of a compound packet with its UDP and IP headers, in octets.
        initial: Whether no report was sent yet.
        chance: From 0 up to 1, drawn anew each time; None for the interval without randomness
            (section 6.3.5), neither scattered nor compensated.
    """
    minimum = _MINIMUM / 2 if initial else _MINIMUM
    share = members
    if senders <= members * _SENDERS_SHARE:
        if we_sent:
            bandwidth *= _SENDERS_SHARE
            share = senders
        else:
            bandwidth *= 1 - _SENDERS_SHARE
            share = members - senders
    interval = max(average_size * share / bandwidth, minimum)
    return interval if chance is None else interval * (chance + 0.5) / _COMPENSATION


class RTCPSchedule:
    """When to send the next report (RFC 3550 section 6.3).

    Args:
        ssrc: One's own.
        now: When one joins, in seconds.
        chance: Gives a number from 0 up to 1.
        bandwidth: For all RTCP of the session, in octets a second; 5% of the session's by section
            6.2, which for G.711 is 500.
        size: Probable size of the first report with its headers, in octets.
        max_members: How many members are counted at most; protects memory from invented sources.

    Attributes:
        next: When to ask `due` again, in seconds.
    """

    def __init__(
        self,
        ssrc: int,
        now: float,
        chance: Callable[[], float],
        *,
        bandwidth: float = 500.0,
        size: float = 128.0,
        max_members: int = 64,
    ) -> None:
        self.ssrc = ssrc
        self._chance = chance
        self._bandwidth = bandwidth
        self._average_size = size
        self._max_members = max_members
        self._initial = True
        self._previous = now
        self._members: dict[int, float] = {ssrc: now}
        self._senders: dict[int, float] = {}
        self._members_before = 1
        self.next = now + self._interval()

    @property
    def members(self) -> int:
        """How many take part, oneself included."""
        return len(self._members)

    @property
    def senders(self) -> int:
        """How many of them send."""
        return len(self._senders)

    def hear(self, ssrc: int, now: float, *, sends: bool) -> None:
        """A packet of a member came, or one's own left: RTP where it `sends` (section 6.3.3)."""
        if ssrc in self._members or len(self._members) < self._max_members:
            self._members[ssrc] = now
            if sends:
                self._senders[ssrc] = now

    def count(self, size: int) -> None:
        """Note the size of a compound packet that came, headers included (section 6.3.3)."""
        self._average_size += (size - self._average_size) / 16

    def goodbye(self, sources: Iterable[int], now: float) -> None:
        """Members left (section 6.3.4)."""
        for ssrc in sources:
            if ssrc != self.ssrc:
                self._members.pop(ssrc, None)
                self._senders.pop(ssrc, None)
        self._reconsider(now)

    def change_ssrc(self, ssrc: int, now: float) -> None:
        """One's own identifier changed (section 8.2)."""
        self._members.pop(self.ssrc, None)
        self._senders.pop(self.ssrc, None)
        self.ssrc = ssrc
        self._members[ssrc] = now

    def due(self, now: float) -> bool:
        """Whether to send a report now (section 6.3.6); call it from `next` on.

        Where not, `next` has moved. Where so, send one and call `sent`.
        """
        if now < self.next:
            return False
        self._time_out(now)
        at = self._previous + self._interval()
        self._members_before = self.members
        if at <= now:
            return True
        self.next = at
        return False

    def sent(self, size: int, now: float) -> None:
        """A report of that size, headers included, was sent (section 6.3.6)."""
        self.count(size)
        self._previous = now
        self.next = now + self._interval()
        self._initial = False

    def _interval(self) -> float:
        return self._calculate(self._chance(), we_sent=self.ssrc in self._senders)

    def _calculate(self, chance: float | None, *, we_sent: bool) -> float:
        return rtcp_interval(
            self.members,
            self.senders,
            self._bandwidth,
            we_sent=we_sent,
            average_size=self._average_size,
            initial=self._initial,
            chance=chance,
        )

    def _time_out(self, now: float) -> None:
        """Drop who was not heard for long (section 6.3.5)."""
        self._members[self.ssrc] = now
        since = now - _MEMBER_TIMEOUT * self._calculate(None, we_sent=False)
        self._members = {ssrc: at for ssrc, at in self._members.items() if at >= since}
        since = now - _SENDER_TIMEOUT * self._calculate(None, we_sent=self.ssrc in self._senders)
        self._senders = {
            ssrc: at for ssrc, at in self._senders.items() if at >= since and ssrc in self._members
        }
        self._reconsider(now)

    def _reconsider(self, now: float) -> None:
        """Reverse reconsideration: fewer members, so the next report comes sooner (6.3.4)."""
        if self.members < self._members_before:
            left = self.members / self._members_before
            self.next = now + left * (self.next - now)
            self._previous = now - left * (now - self._previous)
            self._members_before = self.members
