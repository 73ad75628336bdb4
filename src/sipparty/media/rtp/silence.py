"""How long nothing has come from the other side, and when that is to be reported.

Laws:

* Silence and a timeout are each reported once, and again only after something was heard, or was
  agreed on anew.
* Silence counts RTP alone, from when we want to hear. A timeout counts RTP, RTCP and agreements: a
  peer that sends any of them is still there.
"""

from __future__ import annotations

import math

from sipparty.media.events import MediaTimedOut, RemoteFellSilent

__all__ = ["SilenceWatch"]


class SilenceWatch:
    """Watches one stream.

    Args:
        now: The time the stream starts, in seconds.
        silence_after: Seconds without RTP after which `RemoteFellSilent` is reported.
        silent: Seconds without RTP and RTCP after which `MediaTimedOut` is; None for never.

    Attributes:
        silent: Whether the next packet that is heard is news: at first, and after silence.
    """

    __slots__ = (
        *("_agreed_at", "_silence_after", "_silence_reported", "_timeout", "_timeout_reported"),
        *("_waiting_since", "silent"),
    )

    def __init__(self, now: float, silence_after: float, silent: float | None) -> None:
        self.silent = True
        self._silence_after = silence_after
        self._timeout = math.inf if silent is None else silent
        self._silence_reported = self._timeout_reported = False
        self._waiting_since = self._agreed_at = now

    def agreed(self, now: float) -> None:
        """Something was agreed on anew."""
        self._agreed_at = now
        self._timeout_reported = False

    def awaited(self, now: float) -> None:
        """We want to hear again, after a hold."""
        self._waiting_since = now
        self._silence_reported = False

    def heard(self) -> None:
        """A packet came that was news."""
        self.silent = self._silence_reported = self._timeout_reported = False

    def look(
        self, now: float, rtp: float | None, rtcp: float
    ) -> tuple[list[RemoteFellSilent | MediaTimedOut], float]:
        """Return what is to be reported, and when to look again.

        Args:
            now: The time, in seconds.
            rtp: When the last RTP packet came; None for never.
            rtcp: When the last RTCP packet did.
        """
        heard = max(rtp or 0.0, self._waiting_since)
        silence_at = heard + self._silence_after
        timeout_at = max(heard, rtcp, self._agreed_at) + self._timeout
        due: list[RemoteFellSilent | MediaTimedOut] = []
        if now >= silence_at and not self._silence_reported:
            self._silence_reported = self.silent = True
            due.append(RemoteFellSilent(now - heard))
        if now >= timeout_at and not self._timeout_reported:
            self._timeout_reported = True
            due.append(MediaTimedOut(self._timeout))
        again = (
            math.inf if self._silence_reported else silence_at,
            math.inf if self._timeout_reported else timeout_at,
        )
        return due, min(again)
