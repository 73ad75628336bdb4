"""The other side's end of a stream: whose packets are heard as its own, and where ours may go.

The description names an address; a NAT may have the packets come from another, and anybody may send
to our port. So sources have a rank, the first being the best:

| rank | the source is | is heard |
|---|---|---|
| `SIGNALLED` | at the address and port of the description (RFC 3264 section 5.1) | always |
| `HOST` | elsewhere at that host, or at the one that the signalling comes from | until the
  signalled address is heard |
| `ELSEWHERE` | at any other host | likewise, if it begins within `latch` seconds of the agreement;
  the first one stays |
| `FORMER` | where media went before the other side named another address | until another is |

Laws:

* Media goes to the signalled address, or to where a source of the second or third rank is heard
  from (symmetric RTP, RFC 4961; a *latch*). A source of a better rank takes the place of another
  at once, one of a worse rank never. So no stranger is heard or sent to once the signalled address
  is heard, and one who came before it is left again.
* A new address of the other side is followed at once, whatever still comes from where it was
  (RFC 3264 section 8.3.1).
* To a host that is not the one that the signalling comes from, and from which nothing has come,
  media is sent for so many seconds and no longer: an offer could name anybody's address (the "voice
  hammer", RFC 8445 section 19.5.1).
* Which rank a source has does not depend on what it sends, but for one thing: a stream that goes on
  under its SSRC and sequence numbers from another host may do so, as it is no stranger's guess.
  Who sees the packets of a call can still forge them: SRTP is the answer to that (RFC 4961
  section 5).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from sipparty.media.stream import Address

__all__ = ["Rank", "RemoteEnd"]

#: Seconds after a change of the signalled address in which the one that was latched before is not
#: latched again: long enough for a packet from the new one.
_SETTLING: Final = 1.0
#: Hosts that unproven media is sent to in one call, at most.
_MAX_UNPROVEN: Final = 8
#: Hosts and former addresses that are remembered of one call, at most.
_MAX_REMEMBERED: Final = 16


class Rank(IntEnum):
    """How much a source is believed to be the other side; the least number most."""

    SIGNALLED = 0
    HOST = 1
    ELSEWHERE = 2
    FORMER = 3


class RemoteEnd:
    """The other side's end of one stream.

    Args:
        rtp: Where the other side wants RTP; None where that is not known.
        rtcp: Where it wants RTCP; None for nowhere.
        now: The time, in seconds.
        signalling: The host that the signalling comes from; None where that is not known.
        symmetric: Whether media may go to where it comes from.
        latch: Seconds from the agreement in which a source at another host may be latched.
        unproven: Seconds that is sent to a host that is not the signalling's, and from which
            nothing has come; None for as long as there is something to send.

    Attributes:
        settled: The source address whose packets say nothing new; None for none.
    """

    __slots__ = (
        "_direct",
        "_direct_rtcp",
        "_former",
        "_latch",
        "_latch_until",
        "_latched",
        "_latched_rtcp",
        "_proven",
        "_rtcp",
        "_rtp",
        "_signalling",
        "_symmetric",
        "_unproven",
        "_unproven_since",
        "settled",
    )

    def __init__(
        self,
        rtp: Address | None,
        rtcp: Address | None,
        now: float,
        *,
        signalling: str | None = None,
        symmetric: bool = True,
        latch: float = 10.0,
        unproven: float | None = None,
    ) -> None:
        self._rtp = rtp
        self._rtcp = rtcp
        self._signalling = signalling
        self._symmetric = symmetric
        self._latch = latch
        self._latch_until = now + latch
        self._unproven = unproven
        self._latched: Address | None = None
        self._latched_rtcp: Address | None = None
        # Whether the signalled addresses are heard.
        self._direct = False
        self._direct_rtcp = False
        # Where media went before, and until when it is not latched again.
        self._former: dict[Address, float] = {}
        self._proven: set[str | int] = set() if signalling is None else {signalling}
        self._unproven_since: dict[str | int, float] = {}
        self.settled: Address | None = None

    def agree(
        self, rtp: Address | None, rtcp: Address | None, now: float, *, sends: bool = True
    ) -> None:
        """Take what was agreed on anew.

        Args:
            rtp: Where the other side wants RTP now; None where that is not known.
            rtcp: Where it wants RTCP; None for nowhere.
            now: The time.
            sends: Whether anything is sent there. Where nothing is, and no address is known, it is
                on hold as by RFC 2543, and comes back to where it was.
        """
        self.settled = None
        if rtp != self._rtp and (rtp is not None or sends):
            self._supersede(self._rtp, float("inf"))
            # A NAT may serve the new address by the port that it served the old one by.
            self._supersede(self._latched, now + _SETTLING)
            self._rtp = rtp
            self._latched = None
            self._direct = False
            self.reopen(now)
        if rtcp != self._rtcp and (rtcp is not None or sends):
            self._rtcp = rtcp
            self._latched_rtcp = None
            self._direct_rtcp = False

    def reopen(self, now: float) -> None:
        """Let a source at another host be latched from now on, for as long as after an agreement:
        the other side had nothing to send before.
        """
        self._latch_until = now + self._latch

    def _supersede(self, address: Address | None, until: float) -> None:
        if address is None:
            return
        self._former.pop(address, None)
        self._former[address] = until
        if len(self._former) > _MAX_REMEMBERED:
            del self._former[next(iter(self._former))]

    # Where ours go.

    @property
    def destination(self) -> Address | None:
        """Where RTP goes; None where that is not known."""
        return self._latched or self._rtp

    @property
    def rtcp_destination(self) -> Address | None:
        """Where RTCP goes; None for nowhere."""
        if self._rtcp is not None and self._rtcp == self._rtp:
            return self.destination  # one port for both (RFC 5761)
        return self._latched_rtcp or self._rtcp

    def may_send(self, to: Address, now: float) -> bool:
        """Whether a packet may go to an address; asked for each packet that would."""
        limit, host = self._unproven, to[0]
        if limit is None or host in self._proven:
            return True
        since = self._unproven_since.get(host)
        if since is None:
            if len(self._unproven_since) >= _MAX_UNPROVEN:
                return False
            since = self._unproven_since[host] = now
        return now - since < limit

    # Whose come.

    def rank(self, address: Address, now: float, same_stream: bool = False) -> Rank | None:
        """How much a source is believed; None for a stranger, who is not heard.

        Args:
            address: Where it sends from.
            now: The time.
            same_stream: Whether it goes on under the SSRC and sequence numbers that are heard.
        """
        if self._rtp is not None and address[:2] == self._rtp[:2]:
            return Rank.SIGNALLED
        barred_until = self._former.get(address)
        if barred_until is not None and now < barred_until:
            return Rank.FORMER
        if self._direct:
            return None
        host, latched = address[0], self._latched
        if host == self._signalling or (self._rtp is not None and host == self._rtp[0]):
            return Rank.HOST
        if not self._symmetric:
            return None
        if barred_until is not None or same_stream:
            return Rank.ELSEWHERE
        if latched is not None:
            return Rank.ELSEWHERE if host == latched[0] else None
        return Rank.ELSEWHERE if now < self._latch_until else None

    def hear(self, address: Address, now: float) -> bool:
        """Take note of a packet of the source that is heard; whether RTP goes elsewhere now."""
        self._prove(address)
        rank = self.rank(address, now, same_stream=True)
        if rank is None or rank is Rank.FORMER:
            return False
        self.settled = address
        latched = None
        if rank is Rank.SIGNALLED:
            self._direct = True
        elif self._symmetric:
            latched = address
        before, self._latched = self._latched, latched
        return before != latched

    def _prove(self, address: Address) -> None:
        if len(self._proven) < _MAX_REMEMBERED:
            self._proven.add(address[0])

    def knows(self, address: Address) -> bool:
        """Whether an address is of a host that takes part in the call: by its description, its
        signalling, or its packets that are heard. RTCP of others is not read.
        """
        host = address[0]
        return host == self._signalling or any(
            one is not None and one[0] == host for one in (self._rtp, self._rtcp, self._latched)
        )

    def hear_rtcp(self, address: Address, *, of_source: bool) -> None:
        """Take note of an RTCP packet of a host that takes part.

        Args:
            address: Where it came from.
            of_source: Whether it is of the source that is heard, and from its host.
        """
        self._prove(address)
        if self._rtcp is not None and address[:2] == self._rtcp[:2]:
            self._direct_rtcp = True
            self._latched_rtcp = None
        elif of_source and self._symmetric and not self._direct_rtcp:
            self._latched_rtcp = address
