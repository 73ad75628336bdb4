"""A server's nonces (RFC 7616 §3.3, §5.4): made, known again, and used up.

A nonce is a time, some chance, a mark of who was challenged, and an HMAC of them and the realm
under the server's secret:

    base64url(time in ms, 6 bytes | chance, 5 | mark, 3 | HMAC-SHA-256, 10)

so that none has to be remembered to be known as ours, or as too old. It is short, as a challenge
goes to whoever asks, and is to be little longer than what asked.

Laws:

* A nonce is remembered from its first right answer on, to see its counts only once each (RFC 7616
  §3.4, §5.5). When there are too many, the longest known is forgotten, and with it every nonce that
  was made no later and not yet used: forgetting lets no replay through.
* The counts of a nonce may come out of order, within `WINDOW` of the highest one. Credentials
  without qop (RFC 2069) have no count; their nonce is good once.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

__all__ = ["Nonce", "Nonces"]

_TIME_SIZE, _CHANCE_SIZE, _MARK_SIZE, _MAC_SIZE = 6, 5, 3, 10
#: All of a nonce but the MAC.
_HEAD_SIZE = _TIME_SIZE + _CHANCE_SIZE + _MARK_SIZE


@dataclass(slots=True, eq=False)
class _Counts:
    """The counts seen of one nonce, as a window below the highest."""

    made: int
    #: Who has used it.
    username: str
    highest: int = 0
    #: Bit n: whether `highest - n` was seen.
    seen: int = 0


class Nonce(NamedTuple):
    """What a nonce of ours says.

    Args:
        made: When it was made, in milliseconds.
        mark: Who was challenged.
        name: All of it: its text could be spelled in several forms, what it says cannot.
    """

    made: int
    mark: bytes
    name: bytes


class Nonces:
    """The nonces of one server.

    Args:
        secret: Keys them.
        tokens: Makes chance: text of 64 bits or more.
        lifetime: How long one is good, in seconds.
        max_nonces: How many that are in use are remembered.
    """

    #: How far behind the highest count one may come: requests overtake each other.
    WINDOW: ClassVar[int] = 128

    def __init__(
        self, secret: bytes, tokens: Callable[[], str], lifetime: float, max_nonces: int
    ) -> None:
        self._secret = secret
        self._tokens = tokens
        self.lifetime = lifetime
        self.max_nonces = max_nonces
        self._used: OrderedDict[bytes, _Counts] = OrderedDict()
        #: Nonces made until then and not in `_used` are not good: they may have been, and been
        #: forgotten.
        self._horizon = -1

    def __len__(self) -> int:
        """Return how many are in use."""
        return len(self._used)

    def make(self, realm: str, now: float, source: str) -> str:
        """Make one for a realm, that goes to a source."""
        time = int(now * 1000).to_bytes(_TIME_SIZE, "big")
        chance = hashlib.sha256(self._tokens().encode()).digest()[:_CHANCE_SIZE]
        head = time + chance + self._mark(source)
        return urlsafe_b64encode(head + self._mac(head, realm)).decode()

    def read(self, nonce: str, realm: str) -> Nonce | None:
        """Return what a nonce says; None for one that is not ours."""
        try:
            data = urlsafe_b64decode(nonce.encode("ascii"))
        except ValueError:
            return None
        head, mac = data[:_HEAD_SIZE], data[_HEAD_SIZE:]
        if len(head) != _HEAD_SIZE or not hmac.compare_digest(mac, self._mac(head, realm)):
            return None
        return Nonce(int.from_bytes(head[:_TIME_SIZE], "big"), head[-_MARK_SIZE:], data)

    def is_fresh(self, nonce: Nonce | None, now: float) -> bool:
        """Whether it is ours, and not too old."""
        return nonce is not None and now - nonce.made / 1000 <= self.lifetime

    def went_to(self, nonce: Nonce | None, source: str) -> bool:
        """Whether it was made for a source."""
        return nonce is not None and nonce.mark == self._mark(source)

    def is_of(self, nonce: Nonce | None, username: str) -> bool:
        """Whether a user has proved with it to know the password."""
        counts = None if nonce is None else self._used.get(nonce.name)
        return counts is not None and counts.username == username

    def left(self, nonce: Nonce, now: float) -> float:
        """Return how many seconds it is good for yet."""
        return self.lifetime - (now - nonce.made / 1000)

    def use(self, nonce: Nonce | None, username: str, nc: str, now: float) -> str:
        """Count one use by a right answer.

        Args:
            nonce: The nonce; None for one that is not ours.
            username: Who has answered.
            nc: Its count, in hexadecimal; "" where there is none (RFC 2069): once is all.
            now: The time, in seconds.

        Returns:
            Why it is no longer good; "" where it is.
        """
        if nonce is None:
            return "the nonce is not ours"
        if not self.is_fresh(nonce, now):
            return "the nonce is too old"
        counts = self._used.get(nonce.name)
        if counts is None:
            if nonce.made <= self._horizon:
                return "the nonce was forgotten"
            counts = self._used[nonce.name] = _Counts(nonce.made, username)
            self._shrink(now)
        if nc:
            count = int(nc, 16)
        else:
            count = 0 if counts.seen else counts.highest + self.WINDOW + 1
        behind = counts.highest - count
        if behind >= self.WINDOW or (behind >= 0 and counts.seen >> behind & 1) or not count:
            return f"a replay: count {nc or 'none'} was used before"
        if behind < 0:
            counts.seen = (counts.seen << min(-behind, self.WINDOW)) & ((1 << self.WINDOW) - 1)
            counts.seen |= 1
            counts.highest = count
        else:
            counts.seen |= 1 << behind
        return ""

    def _mac(self, head: bytes, realm: str) -> bytes:
        data = head + realm.encode("utf-8", "surrogateescape")
        return hmac.digest(self._secret, data, "sha256")[:_MAC_SIZE]

    def _mark(self, source: str) -> bytes:
        return hmac.digest(self._secret, b"to " + source.encode(), "sha256")[:_MARK_SIZE]

    def _shrink(self, now: float) -> None:
        """Forget the nonces that are too old, and the longest known of those that are too many."""
        used = self._used
        while used:
            name, counts = next(iter(used.items()))
            old = now - counts.made / 1000 > self.lifetime
            if not old and len(used) <= self.max_nonces:
                return
            del used[name]
            if not old:
                self._horizon = max(self._horizon, counts.made)
