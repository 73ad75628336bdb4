"""What keeps the bindings of NATs open while a stream sends nothing (RFC 6263): a datagram of no
octets from the port of RTP (section 4.1), at once where nothing was ever sent, and after each
`INTERVAL` seconds without a packet.

It is no RTP: it has no sequence number, nobody counts it, and SRTP does not protect it. It goes
where RTP may go, on hold too (section 7).
"""

from __future__ import annotations

from math import inf
from typing import Final

from sipparty.media.rtp.remote import RemoteEnd

__all__ = ["INTERVAL", "KEEP_ALIVE", "KeepAlive"]

#: Seconds without a packet after which one is sent (RFC 6263 section 7: 15 seconds).
INTERVAL: Final = 15.0
#: What is sent.
KEEP_ALIVE: Final = b""


class KeepAlive:
    """The keep-alives of one stream.

    Args:
        end: The other side's end.
    """

    __slots__ = ("_end", "_sent_at")

    def __init__(self, end: RemoteEnd) -> None:
        self._end = end
        self._sent_at = -inf

    def due(self, now: float, sent_at: float | None) -> bytes | None:
        """What is to be sent now; None for nothing.

        Args:
            now: The time, in seconds.
            sent_at: When the last packet was sent; None where there was none.
        """
        since = self._sent_at if sent_at is None else max(self._sent_at, sent_at)
        destination = self._end.destination
        if now - since < INTERVAL or destination is None:
            return None
        if not self._end.may_keep_open(destination, now):
            return None
        self._sent_at = now
        return KEEP_ALIVE
