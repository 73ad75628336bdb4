"""The other side's end of a stream: whose packets are heard as its own, and where ours may go.

The description names an address; a NAT may have the packets come from another, and anybody may send
to our port. So sources have a rank, the first being the best:

| rank | the source is | is heard |
|---|---|---|
| `SIGNALLED` | at the address and port of the description (RFC 3264 section 5.1) | always |
| `HOST` | elsewhere at that host, or at the one that the signalling comes from | until the
  signalled address is heard |
| `ELSEWHERE` | at any other host | likewise, if it begins within `latch` seconds of the agreement,
  or of another while nothing was heard yet; the first one stays |
| `FORMER` | where media went before the other side named another address | until another is |

Laws:

* Media goes to the signalled address, or to where a source of the second or third rank is heard
  from (symmetric RTP, RFC 4961; a *latch*). A source of a better rank takes the place of another
  at once, one of a worse rank never. So no unknown source is heard or sent to once the signalled
  address is heard, and one that came before it is left again.
* Once the signalled address was heard, its host may go on from another port, as a NAT may have it
  do: under the same SSRC and sequence numbers at once, under others after `_MOVED` seconds without
  a packet. Other hosts may not.
* Where the signalled address is a private one behind a NAT, it cannot be heard at all: then the
  first source may be at any host for as long as nothing was heard.
* A new address of the other side is followed at once, whatever still comes from where it was
  (RFC 3264 section 8.3.1).
* To hosts that are not the one that the signalling comes from, and from which nothing has come,
  media is sent for so many seconds in a call, to all of them together, and to one host for so many
  in all calls (`UnprovenHosts`): an offer could name anybody's address (the "voice hammer", which
  RFC 8445 section 19.5.1 describes). Before the call is established that may be asked for by one
  datagram with a forged source: then it is to the signalling's host alone, and no longer either.
* What is no audio that was agreed on, but comes from the signalled address, proves that host: it
  takes part in the call.
* Which rank a source has does not depend on what it sends, with one exception: a stream that goes
  on under its SSRC and sequence numbers from another host may do so, as nobody guesses them.
  Who sees the packets of a call can still forge them: SRTP is the answer to that (RFC 4961
  section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from sipparty.media.rtp.source import Address
from sipparty.sip.unproven import LEAST, UnprovenHosts

__all__ = ["Rank", "RemoteEnd"]

#: Seconds after a change of the signalled address in which the one that was latched before is not
#: latched again: long enough for a packet from the new one.
_SETTLING: Final = 1.0
#: Seconds without a packet after which another stream at the host of the signalled address, which
#: was heard, is heard: longer than the pauses of comfort noise, shorter than people wait.
_MOVED: Final = 3.0
#: What sums of times may be wrong by, in seconds.
_ROUNDING: Final = 1e-6
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
        unproven: Seconds that is sent to hosts that are not the signalling's, and from which
            nothing has come; None for as long as there is something to send.
        hosts: Where it is kept to which hosts other calls have sent so; None for a memory of its
            own.
        behind_nat: Says whether a host that the other side names is behind a NAT, seen from here;
            None for none.
        confirmed: Whether the other side has shown that it receives where the signalling comes
            from; see `confirm`.

    Attributes:
        confirmed: Whether it has.
        destination: Where RTP goes; None where that is not known.
        free: Whether RTP may go there, however often; where not, `may_send` is to be asked.
        settled: The source address whose packets say nothing new; None for none.
    """

    __slots__ = (
        *("_behind_nat", "_direct", "_direct_rtcp", "_former", "_heard", "_hosts"),
        *("_latch", "_latch_until", "_latched", "_latched_rtcp", "_moved", "_proven"),
        *("_rtcp", "_rtp", "_signalling", "_symmetric", "_unproven", "_unproven_last"),
        *("_unproven_spent", "confirmed", "destination", "free", "settled"),
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
        hosts: UnprovenHosts | None = None,
        behind_nat: Callable[[str], bool] | None = None,
        confirmed: bool = True,
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
        # Whether anything was ever heard.
        self._heard = False
        self._behind_nat = behind_nat
        # The port at the host of the signalled address, after that, which is heard.
        self._moved: Address | None = None
        # Whether the signalled addresses are heard.
        self._direct = False
        self._direct_rtcp = False
        # Where media went before (host and port: a source of IPv6 has a flow label and a scope
        # too, which descriptions do not name), and until when it is not latched again.
        self._former: dict[Address, float] = {}
        self._proven: set[str | int] = set()
        # Seconds of media that went to hosts that are not proven, and when the last of it did.
        self._unproven_spent = 0.0
        self._unproven_last: float | None = None
        self._hosts = UnprovenHosts() if hosts is None else hosts
        self.settled: Address | None = None
        self.destination: Address | None = None
        self.free = False
        self.confirmed = False
        if confirmed:
            self.confirm()
        self._aim()

    def confirm(self) -> None:
        """Take note that the other side receives where the signalling comes from. Before, nothing
        goes to another host from which nothing has come, and there not without end.
        """
        self.confirmed = True
        if self._signalling is not None:
            self._proven.add(self._signalling)
        self._aim()

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
        if not self._heard:
            # It was early media, or the other side had nothing to say so far.
            self.reopen(now)
        if rtp != self._rtp and (rtp is not None or sends):
            self._supersede(self._rtp, float("inf"))
            # A NAT may serve the new address by the port that it served the old one by.
            self._supersede(self._latched, now + _SETTLING)
            self._rtp = rtp
            self._latched = None
            self._moved = None
            self._direct = False
            self.reopen(now)
        if rtcp != self._rtcp and (rtcp is not None or sends):
            self._rtcp = rtcp
            self._latched_rtcp = None
            self._direct_rtcp = False
        self._aim()

    def reopen(self, now: float) -> None:
        """Let a source at another host be latched from now on, for as long as after an agreement:
        the other side had nothing to send before.
        """
        self._latch_until = now + self._latch

    def _supersede(self, address: Address | None, until: float) -> None:
        if address is None:
            return
        self._former.pop(address[:2], None)
        self._former[address[:2]] = until
        if len(self._former) > _MAX_REMEMBERED:
            del self._former[next(iter(self._former))]

    # Where ours go.

    def _aim(self) -> None:
        """Take what is known of the other side into account."""
        self.destination = self._latched or self._rtp
        self.free = self.destination is not None and (
            self._unproven is None or self.destination[0] in self._proven
        )

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
        if not self.confirmed and host != self._signalling:
            return False
        last, hosts = self._unproven_last, self._hosts
        # A pause counts, but not for so much that one could not go on to another host.
        seconds = 0.0 if last is None else min(now - last, limit / 2)
        enough = limit - _ROUNDING
        if self._unproven_spent + seconds >= enough:
            self._unproven_spent = limit
            return False
        if hosts.seconds(host, now) + seconds >= enough + LEAST:
            return False
        hosts.sent(host, seconds, now)
        self._unproven_spent += seconds
        self._unproven_last = now
        return True

    def may_keep_open(self, to: Address, now: float) -> bool:
        """Whether a keep-alive may go to an address: where a packet might, of whose time it takes
        none.
        """
        limit, host = self._unproven, to[0]
        if limit is None or host in self._proven:
            return True
        if not self.confirmed and host != self._signalling:
            return False
        enough = limit - _ROUNDING
        spent = self._hosts.seconds(host, now)
        return self._unproven_spent < enough and spent < enough + LEAST

    # Whose come.

    def rank(
        self,
        address: Address,
        now: float,
        same_stream: bool = False,
        last: float | None = None,
    ) -> Rank | None:
        """How much a source is believed; None for an unknown one, which is not heard.

        Args:
            address: Where it sends from.
            now: The time.
            same_stream: Whether it goes on under the SSRC and sequence numbers that are heard.
            last: When a source was heard last; None for now.
        """
        if self._rtp is not None and address[:2] == self._rtp[:2]:
            return Rank.SIGNALLED
        barred_until = self._former.get(address[:2])
        if barred_until is not None and now < barred_until:
            return Rank.FORMER
        if self._direct:
            return self._rank_moved(address, now, same_stream, last)
        host, latched = address[0], self._latched
        if host == self._signalling or (self._rtp is not None and host == self._rtp[0]):
            return Rank.HOST
        if not self._symmetric:
            return None
        if barred_until is not None or same_stream:
            return Rank.ELSEWHERE
        if latched is not None:
            return Rank.ELSEWHERE if host == latched[0] else None
        return Rank.ELSEWHERE if now < self._latch_until or self._is_hidden() else None

    def _rank_moved(
        self, address: Address, now: float, same_stream: bool, last: float | None
    ) -> Rank | None:
        """How much a source is believed once the signalled address was heard."""
        if self._rtp is None or address[0] != self._rtp[0]:
            return None
        if address[:2] == self._moved:
            return Rank.HOST
        if same_stream or (last is not None and now - last >= _MOVED):
            return Rank.SIGNALLED  # in its place, until the signalled address is heard again
        return None

    def _is_hidden(self) -> bool:
        """Whether nothing was heard, and nothing can come from the signalled address."""
        rtp, behind_nat = self._rtp, self._behind_nat
        if self._heard or rtp is None or behind_nat is None or not self._latch:
            return False
        return behind_nat(str(rtp[0]))

    def hear(self, address: Address, now: float) -> bool:
        """Take note of a packet of the source that is heard; whether RTP goes elsewhere now."""
        self._prove(address)
        rank = self.rank(address, now, same_stream=True)
        if rank is None or rank is Rank.FORMER:
            return False
        self.settled = address
        self._heard = True
        latched = None
        if self._rtp is not None and address[:2] == self._rtp[:2]:
            self._direct = True
            self._moved = None
        else:
            if self._direct:
                self._moved = address[:2]
            if self._symmetric:
                latched = address
        before, self._latched = self._latched, latched
        self._aim()
        return before != latched

    def hear_unplayed(self, address: Address) -> None:
        """Take note of RTP that is no audio which was agreed on: comfort noise, a telephone event.
        From the signalled address it proves the host, and it makes no source.
        """
        if self._rtp is not None and address[:2] == self._rtp[:2]:
            self._prove(address)

    def _prove(self, address: Address) -> None:
        host = address[0]
        if host in self._proven:
            return
        self._hosts.proven(host)
        if len(self._proven) < _MAX_REMEMBERED:
            self._proven.add(host)
        self._aim()

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
        elif of_source and self._symmetric and (not self._direct_rtcp or self._moved is not None):
            self._latched_rtcp = address
