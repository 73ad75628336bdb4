"""How fast passwords may be guessed (RFC 7616 §5.7 and §5.12 leave it to the server).

Laws:

* It is counted by source and user: who guesses at one account does not keep others out who share
  the address, behind a NAT say, and one host cannot lock a user out who is elsewhere. A source is
  an IPv4 address, or an IPv6 network of 64 bits (`source_of`).
* What is kept is bounded, and of a fixed size for each: a source that makes up users has others of
  its own forgotten after thousands of tries, which is no way to be fast.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import ClassVar

from sipparty.sip.shares import source_of

__all__ = ["GuessLimit"]


class GuessLimit:
    """Wrong passwords by source and user: some at once, then one at a time.

    Args:
        secret: Keys what is kept, so that nobody can have two share a place on purpose.
        burst: How many wrong passwords are free.
        interval: Seconds that each further one takes.
    """

    #: Pairs of source and user remembered at a time.
    MAX_PAIRS: ClassVar[int] = 4096

    def __init__(self, secret: bytes, burst: int, interval: float) -> None:
        self._secret = secret[:64]
        self._interval = interval
        #: How far ahead of the time the count may be.
        self._slack = (burst - 1) * interval
        #: When each pair will have served its time for what it has guessed.
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def wait(self, source: str, username: str, now: float) -> float:
        """Return how many seconds a source has to wait before it may try a user's password again;
        0 for none.
        """
        if not self._until:
            return 0.0
        until = self._until.get(self._key(source, username))
        return 0.0 if until is None else max(0.0, until - now - self._slack)

    def count(self, source: str, username: str, now: float) -> None:
        """Count a wrong password."""
        key = self._key(source, username)
        self._until[key] = max(self._until.pop(key, now), now) + self._interval
        if len(self._until) > self.MAX_PAIRS:
            self._until.popitem(last=False)

    def _key(self, source: str, username: str) -> bytes:
        # Some look users up whatever their case; that is no other user.
        name = username.casefold()
        data = f"{source_of(source)}\0{name}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(data, digest_size=16, key=self._secret).digest()
