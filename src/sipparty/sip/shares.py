"""What each source has us hold, so that none of them takes what is for all.

Laws:

* A source is an IPv4 address, or the 64 bits of IPv6 that a network has (RFC 4291 §2.5.4), as one
  host may have as many addresses as it likes in it.
* What comes by connections has a share of its own, apart from the datagrams of the same source:
  whoever forges a source's address takes nothing from its connections, and no trust either.
* A source has a share of the limits, and so many calls that are half open: begun, and
  not yet acknowledged. Datagrams may come with anybody's address, and cost next to nothing.
* Each ACK shows that somebody is there, and allows as many half-open calls more; each call that is
  never acknowledged takes half of that away. So a trunk has all the calls that it likes, and a
  flood has no more than it began with.
* A source that has nothing here is forgotten.
"""

from __future__ import annotations

import errno
import ipaddress
from functools import lru_cache

from sipparty.sip.limits import Limits

__all__ = ["DIALOG_WEIGHT", "Share", "Shares", "is_shortage", "source_of"]

#: What a dialog takes besides its texts, in bytes.
DIALOG_WEIGHT = 2048


#: What the system says where it has none left: descriptors, buffers, memory.
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def is_shortage(error: BaseException | None) -> bool:
    """Whether an error, or what it comes of, is that the system has nothing more to give."""
    for _ in range(8):
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno in _SHORT:
            return True
        if error is None:
            return False
        error = error.__cause__
    return False


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Return what of an address is one source's."""
    if ":" not in host:
        return host
    try:
        packed = ipaddress.IPv6Address(host.partition("%")[0]).packed
    except ValueError:
        return host
    return packed[:8].hex(":", 2)


class Share:
    """What one source has here, by connections or by datagrams.

    Args:
        key: The source, and whether it comes by a connection.

    Attributes:
        transactions: Its requests that are being answered, or were lately.
        held: The bytes that are kept of what it sent.
        dialogs: The dialogs that it began.
        half_open: Those of them whose INVITE is not answered, or whose answer is not acknowledged.
        proofs: How often it has shown that it receives what it is sent.
    """

    __slots__ = ("dialogs", "half_open", "held", "key", "proofs", "transactions")

    #: Proofs that are counted.
    MAX_PROOFS = 1000

    def __init__(self, key: tuple[str, bool]) -> None:
        self.key = key
        self.transactions = 0
        self.held = 0
        self.dialogs = 0
        self.half_open = 0
        self.proofs = 0

    def prove(self) -> None:
        """Take note that it has acknowledged something of ours."""
        self.proofs = min(self.proofs + 1, self.MAX_PROOFS)

    def doubt(self) -> None:
        """Take note that it has left something without an acknowledgement."""
        self.proofs //= 2


class Shares:
    """The sources that have something here.

    Args:
        limits: What may be held in all.

    Attributes:
        by_source: Their shares, by the source and whether it comes by a connection.
    """

    def __init__(self, limits: Limits) -> None:
        self.by_source: dict[tuple[str, bool], Share] = {}
        part = limits.max_share / 100
        #: What one source may have.
        self.transactions = limits.max_transactions * part
        self.held = limits.max_held * part
        self.dialogs = limits.max_dialogs * part
        self.half_open = limits.max_half_open

    def of(self, host: str, reliable: bool) -> Share:
        """Return the share of an address, a new one where it has nothing here yet.

        Args:
            host: The address.
            reliable: Whether it comes by a connection.
        """
        key = (source_of(host), reliable)
        share = self.by_source.get(key)
        if share is None:
            share = self.by_source[key] = Share(key)
        return share

    def leave(self, share: Share) -> None:
        """Forget a source, if it has nothing here any more."""
        if not (share.transactions or share.dialogs or share.held):
            self.by_source.pop(share.key, None)

    def is_full(self, share: Share, times: int = 1) -> bool:
        """Whether a source has so many times as many requests as it may have, or as many bytes."""
        return share.transactions >= self.transactions * times or share.held >= self.held * times

    def doubted(self, host: str, reliable: bool) -> Share | None:
        """Return the share of an address that has all the half-open calls which a source without
        proofs may have; None for any other.
        """
        share = self.by_source.get((source_of(host), reliable))
        return share if share is not None and share.half_open >= self.half_open else None

    def is_unproven(self, share: Share) -> bool:
        """Whether it has more calls half open than it has shown to mean."""
        return share.half_open >= self.half_open * (1 + share.proofs)
