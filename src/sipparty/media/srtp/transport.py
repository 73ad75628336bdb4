"""SRTP and SRTCP (RFC 3711, RFC 7714) as a `MediaTransport` that is put on another; the arithmetic
is pylibsrtp's.

Laws:

* What is sent is protected, or it is not sent. What comes is passed on where it verifies; else it
  is dropped, and counted in `counts` under one of `REASONS`. No packet makes anything raise. What
  has no octets keeps NATs open, and goes by as it is.
* A key keeps its context (packet index, what was seen already) for as long as it may come again:
  a second context of the same key would encrypt with the same keystream once more (RFC 3711
  section 9.1). So `rekey` with a key in use changes nothing of it.
* After `rekey` the old inbound keys serve as well, until something verifies under the new ones, and
  for no longer than `OLD_KEYS` seconds from the next packet on: packets are on their way, and the
  other side changes when it has our description (RFC 4568 section 7.1.4).
* Who answers with a new key sends with the old one until the other side shows that it has read the
  answer, by a packet under its own new key, or for `PATIENCE` packets more.
* `rekey` may be called on another thread than that of the packets; keys change between two of them.
* pylibsrtp makes its state when the first packet needs it.

Which sources there are is learnt from packets that verify (RFC 4568 section 6.4.1), no more than
`MAX_SOURCES` for a key.

A master key identifier stands before the tag of HMAC-SHA1, which does not cover it (RFC 3711
section 3.1), and after all else with GCM (RFC 7714 sections 8.3, 9.2).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sipparty.errors import UsageError
from sipparty.media.rtp.packet import looks_like_rtcp
from sipparty.media.rtp.source import Address
from sipparty.media.srtp.suites import (
    SUITES,
    MasterKey,
    Suite,
    available_suites,
    has_srtp,
    library_of_srtp,
)
from sipparty.media.transport import MediaTransport, Receive

if TYPE_CHECKING:
    from pylibsrtp import Session

__all__ = [
    "MAX_SOURCES",
    "OLD_KEYS",
    "PATIENCE",
    "REASONS",
    "SUITES",
    "MasterKey",
    "SecureTransport",
    "Suite",
    "available_suites",
    "has_srtp",
]

#: Seconds that inbound keys are kept after there were new ones.
OLD_KEYS: Final = 10.0
#: Packets that are sent with an old key after an answer with a new one, at most.
PATIENCE: Final = 25
#: Sources (SSRC) that one key is used for, at most.
MAX_SOURCES: Final = 64
#: Sets of keys that are kept beside the current one, in either direction.
_KEPT: Final = 3

#: Why a packet was dropped.
REASONS: Final = {
    "authentication": "another key, changed on its way, or RTP that is not protected",
    "plain": "RTCP that is not protected",
    "replayed": "seen before",
    "old": "too old to know whether it was seen before",
    "malformed": "no RTP or RTCP packet that could be protected",
    "other": "neither RTP nor RTCP by its first octet (RFC 7983), such as STUN",
    "identifier": "it names a key that there is none of (MKI)",
    "lifetime": "its key may be used no longer",
    "sources": "one source (SSRC) more than there may be",
    "unsent": "of ours: it could not be protected",
}

#: What pylibsrtp says of a packet: the reason; of all else, "malformed".
_FAULTS: Final = {
    "authentication failure": "authentication",
    "cipher failure": "authentication",
    # SRTCP that says of itself that it is not encrypted.
    "unable to perform desired validation": "authentication",
    "replay check failed (bad index)": "replayed",
    "replay check failed (index too old)": "old",
    "packet index is too old to consider": "old",
    "can't use key any more": "lifetime",
}


class _Refused(Exception):
    """A packet is dropped; its argument is the reason."""


class _Context:
    """What one key has been used for."""

    __slots__ = ("_key", "_left", "_outbound", "_session", "_sources")

    def __init__(self, key: MasterKey, outbound: bool) -> None:
        self._key = key
        self._outbound = outbound
        self._session: Session | None = None
        self._sources: set[bytes] = set()
        lifetime = float("inf") if key.lifetime is None else key.lifetime
        self._left = [lifetime, lifetime]

    def _begin(self) -> Session:
        library = library_of_srtp()
        policy = library.Policy(
            key=self._key.material,
            ssrc_type=getattr(library.Policy, f"SSRC_ANY_{'OUT' if self._outbound else 'IN'}BOUND"),
            srtp_profile=getattr(library.Policy, self._key.suite.profile),
        )
        session: Session = library.Session(policy)
        self._session = session
        return session

    def protect(self, data: bytes, control: bool) -> bytes:
        """The packet, protected; raises what pylibsrtp does, which takes `bytes` alone."""
        session = self._session or self._begin()
        if not isinstance(data, bytes):
            data = bytes(data)
        return session.protect_rtcp(data) if control else session.protect(data)

    def verify(self, data: bytes, control: bool) -> bytes:
        """The packet that was protected.

        Raises:
            _Refused: It does not verify.
        """
        if not data or data[0] >> 6 != 2:
            raise _Refused("other")
        source = data[4:8] if control else data[8:12]
        known = source in self._sources
        if not known and len(self._sources) >= MAX_SOURCES:
            raise _Refused("sources")
        if self._left[control] < 1:
            raise _Refused("lifetime")
        session = self._session or self._begin()
        try:
            plain = session.unprotect_rtcp(data) if control else session.unprotect(data)
        except Exception as error:
            raise _Refused(_FAULTS.get(str(error), "malformed")) from None
        if not known:
            self._sources.add(source)
        self._left[control] -= 1
        return plain


class _Inbound:
    """The keys of one description of the other side."""

    __slots__ = ("_by_mki", "_only", "_size", "_tags", "keys", "until")

    def __init__(self, keys: tuple[MasterKey, ...]) -> None:
        self.keys = keys
        #: Until when they serve; None where that is not said yet.
        self.until: float | None = None
        self._tags = keys[0].suite.tags
        self._size = len(keys[0].mki)
        self._by_mki = {key.mki: _Context(key, outbound=False) for key in keys}
        self._only = self._by_mki.get(b"")

    def verify(self, data: bytes, control: bool) -> bytes:
        """The packet that was protected; raises `_Refused`."""
        if self._only is not None:
            return self._only.verify(data, control)
        end = len(data) - self._tags[control]
        start = end - self._size
        if start < 0:
            raise _Refused("malformed")
        context = self._by_mki.get(data[start:end])
        if context is None:
            raise _Refused("identifier")
        return context.verify(data[:start] + data[end:], control)


class SecureTransport:
    """SRTP on a transport.

    Args:
        inner: Carries the packets; closed with this one.
        outbound: What is sent is protected with. Its `mki` is not used: what is sent names no key.
        inbound: What comes is protected with one of these: of one suite; where there are several,
            each with an identifier, and these of one length.

    Attributes:
        inner: As given.
        suite: The name of the suite of what is sent.
        counts: Packets that were dropped, by one of `REASONS`.

    Raises:
        MediaError: The library is not installed.
        UsageError: The keys do not fit one another.
    """

    __slots__ = (
        "_changes",
        "_current",
        "_kept",
        "_next",
        "_old",
        "_outbound",
        "_patience",
        "_rtcp",
        "_rtp",
        "_sending",
        "counts",
        "inner",
        "suite",
    )

    def __init__(
        self, inner: MediaTransport, outbound: MasterKey, inbound: Iterable[MasterKey]
    ) -> None:
        library_of_srtp()
        self.inner = inner
        self.counts: Counter[str] = Counter()
        self._rtp: Receive | None = None
        self._rtcp: Receive | None = None
        self.suite = outbound.suite.name
        # Keys that were given to `rekey` and are not in use yet.
        # Older ones than can be kept are forgotten: nothing may go or come for long, on hold.
        self._changes: deque[tuple[MasterKey, tuple[MasterKey, ...], bool]]
        self._changes = deque(maxlen=_KEPT + 1)
        # What is sent with next, and for how many packets that waits.
        self._next: MasterKey | None = None
        self._patience = 0
        self._outbound = outbound
        self._sending = _Context(outbound, outbound=True)
        self._kept: dict[MasterKey, _Context] = {outbound: self._sending}
        self._current = _Inbound(_checked(inbound))
        self._old: list[_Inbound] = []

    def rekey(
        self, outbound: MasterKey, inbound: Iterable[MasterKey], *, answered: bool = False
    ) -> None:
        """Go on with other keys; those that stay the same are not begun anew.

        Args:
            outbound: For what is sent from now on.
            inbound: As for the module; see there how long the ones before serve.
            answered: Whether it is we who have answered, so that the other side has yet to read
                which our key is.

        Raises:
            UsageError: The keys do not fit one another; nothing has changed.
        """
        self._changes.append((outbound, _checked(inbound), answered))
        self.suite = outbound.suite.name

    def _change(self) -> None:
        while self._changes:
            outbound, keys, answered = self._changes.popleft()
            changed = keys != self._current.keys
            if changed:
                before = [self._current, *self._old]
                known = next((one for one in before if one.keys == keys), None)
                self._current = known or _Inbound(keys)
                self._current.until = None
                self._old = [one for one in before if one is not known][:_KEPT]
            self._next, self._patience = outbound, PATIENCE
            if not (answered and changed):
                self._turn()

    def _turn(self) -> None:
        """Send with the next key, if there is one, from now on."""
        outbound, self._next = self._next, None
        if outbound is None or outbound == self._outbound:
            return
        self._outbound = outbound
        found = self._kept.pop(outbound) if outbound in self._kept else None
        self._kept[outbound] = self._sending = found or _Context(outbound, outbound=True)
        for key in list(self._kept)[: -1 - _KEPT]:
            del self._kept[key]

    # What a transport does.

    @property
    def mux(self) -> bool:
        """Whether RTCP goes by the port of RTP (RFC 5761)."""
        return self.inner.mux

    @mux.setter
    def mux(self, mux: bool) -> None:
        self.inner.mux = mux

    @property
    def port(self) -> int:
        """The port of RTP."""
        return self.inner.port

    @property
    def rtcp_port(self) -> int:
        """The port of RTCP, where it does not share that of RTP."""
        return self.inner.rtcp_port

    @property
    def family(self) -> int:
        """The address family of its sockets."""
        return self.inner.family

    def listen(self, hosts: Iterable[str] = ()) -> None:
        """Read from now on; see `MediaTransport.listen`."""
        self.inner.listen(hosts)

    def deliver(self, rtp: Receive, rtcp: Receive, max_age: float) -> None:
        """Give what verifies to its receiver; see `MediaTransport.deliver`."""
        self._rtp, self._rtcp = rtp, rtcp
        self.inner.deliver(self._take_rtp, self._take_rtcp, max_age)

    def send(self, data: bytes, address: Address, /) -> None:
        """Protect and send an RTP packet."""
        if not data:  # a keep-alive is no packet of RTP (RFC 6263)
            self.inner.send(data, address)
            return
        if self._changes:
            self._change()
        if self._next is not None:
            self._patience -= 1
            if self._patience < 0:
                self._turn()
        try:
            protected = self._sending.protect(data, False)
        except Exception:
            self.counts["unsent"] += 1
            return
        self.inner.send(protected, address)

    def send_rtcp(self, data: bytes, address: Address, /) -> None:
        """Protect and send an RTCP packet."""
        if self._changes:
            self._change()
        try:
            protected = self._sending.protect(data, True)
        except Exception:
            self.counts["unsent"] += 1
            return
        self.inner.send_rtcp(protected, address)

    def close(self) -> None:
        """Close the transport below, and forget what was received by whom."""
        self._rtp = self._rtcp = None
        self.inner.close()

    # How it is done.

    def _take_rtp(self, data: bytes, address: Address, now: float) -> None:
        if not data:
            return
        receive = self._rtp
        plain = self._verified(data, looks_like_rtcp(data), now)
        if plain is not None and receive is not None:
            receive(plain, address, now)

    def _take_rtcp(self, data: bytes, address: Address, now: float) -> None:
        if not data:
            return
        receive = self._rtcp
        plain = self._verified(data, True, now)
        if plain is not None and receive is not None:
            receive(plain, address, now)

    def _verified(self, data: bytes, control: bool, now: float) -> bytes | None:
        """What a packet was before it was protected; None for one that is dropped."""
        if self._changes:
            self._change()
        try:
            plain = self._current.verify(data, control)
        except _Refused as refused:
            reason = str(refused)
        else:
            if self._old:
                self._old = []
            if self._next is not None:
                self._turn()
            return plain
        for old in self._old:
            if old.until is None:
                old.until = now + OLD_KEYS
            if now <= old.until:
                try:
                    return old.verify(data, control)
                except _Refused as refused:
                    if reason == "authentication":
                        reason = str(refused)
        if control and reason in ("authentication", "malformed") and _is_plain(data):
            reason = "plain"
        self.counts[reason] += 1
        return None


def _is_plain(data: bytes) -> bool:
    """Whether a datagram is a whole compound of RTCP packets, with nothing after them."""
    at = 0
    while len(data) >= at + 4 and data[at] >> 6 == 2 and looks_like_rtcp(data[at:]):
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    return at == len(data)


def _checked(inbound: Iterable[MasterKey]) -> tuple[MasterKey, ...]:
    """The keys of one description; raises `UsageError` where they do not fit one another."""
    keys = tuple(inbound)
    identifiers = {key.mki for key in keys}
    if (
        not keys
        or len({key.suite for key in keys}) > 1
        or len(identifiers) < len(keys)
        or len({len(mki) for mki in identifiers}) > 1
    ):
        raise UsageError(
            "Inbound keys are one, or several of one suite, each with an identifier of the same"
            f" length; not {keys!r}."
        )
    return keys
