"""How fast passwords may be guessed (RFC 7616 §5.7 and §5.12 leave it to the server).

Laws:

* It is counted by source and user: who guesses at one account does not keep others out who share
  the address, behind a NAT say, and one host cannot lock a user out who is elsewhere. A source is
  an IPv4 address, or an IPv6 network of 64 bits (`source_of`).
* It is counted by source alone, too, more widely: one password for each of many users is as good a
  guess. That does not hold for users that have come in from there before.
* What is kept is bounded, and of a fixed size for each: a source that makes up users has others of
  its own forgotten after thousands of tries, which does not make guessing fast.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

from sipparty.sip.auth.memory import Recent
from sipparty.sip.shares import source_of

__all__ = ["GuessLimit"]


class GuessLimit:
    """Wrong passwords by source and user, and by source: some at once, then one at a time.

    Args:
        secret: Keys what is kept, so that nobody can have two share a place on purpose.
        burst: How many wrong passwords are free.
        interval: Seconds that each further one takes.
        source_burst: How many of one source are free, whatever the users.
        source_interval: Seconds that each further one of these takes.
    """

    #: Pairs of source and user remembered at a time; and sources, and pairs that came in.
    MAX_PAIRS: ClassVar[int] = 4096

    def __init__(
        self,
        secret: bytes,
        burst: int,
        interval: float,
        source_burst: int = 100,
        source_interval: float = 1.0,
    ) -> None:
        self._secret = secret[:64]
        self._interval = interval
        #: How far ahead of the time the count may be.
        self._slack = (burst - 1) * interval
        #: When each pair will have served its time for what it has guessed.
        self._until: Recent[bytes, float] = Recent(self.MAX_PAIRS)
        self._source_interval = source_interval
        self._source_slack = (source_burst - 1) * source_interval
        #: The same of each source.
        self._sources: Recent[bytes, float] = Recent(self.MAX_PAIRS)
        #: Pairs of which the right password has come, as an ordered set.
        self._known: Recent[bytes, float] = Recent(self.MAX_PAIRS)

    def wait(self, source: str, username: str, now: float) -> float:
        """Return how many seconds a source has to wait before it may try a user's password again;
        0 for none.
        """
        if not self._until:
            return 0.0
        key = self._key(source, username)
        wait = self._until.get(key, 0.0) - now - self._slack
        if key not in self._known:
            until = self._sources.get(self._key(source, ""), 0.0)
            wait = max(wait, until - now - self._source_slack)
        return max(0.0, wait)

    def count(self, source: str, username: str, now: float) -> None:
        """Count a wrong password."""
        key, whole = self._key(source, username), self._key(source, "")
        self._until[key] = max(self._until.get(key, now), now) + self._interval
        self._sources[whole] = max(self._sources.get(whole, now), now) + self._source_interval

    def succeeded(self, source: str, username: str) -> None:
        """Take note of a right password: wrong ones for others do not keep that user out there."""
        self._known[self._key(source, username)] = 0.0

    def _key(self, source: str, username: str) -> bytes:
        # Some look users up whatever their case; that is no other user.
        name = username.casefold()
        data = f"{source_of(source)}\0{name}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(data, digest_size=16, key=self._secret).digest()
