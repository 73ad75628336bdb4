"""Where tags, branches and Call-IDs come from.

They must not be guessed (RFC 3261 §19.3, §8.1.1.7), yet a test must know them beforehand: so
the source of chance is an argument, as time is.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

__all__ = ["BRANCH_COOKIE", "Tokens"]

#: What the branch of every RFC 3261 transaction begins with (§8.1.1.7).
BRANCH_COOKIE = "z9hG4bK"


class Tokens:
    """Makes the identifiers that a user agent has to make up.

    Args:
        read: Gives so many bytes of chance: `os.urandom` for real, a seeded source in a test.
    """

    #: Bytes asked for at a time: one call to the system pays for many tokens.
    POOL = 2048

    __slots__ = ("_at", "_key", "_pool", "_read")

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._pool = ""
        self._at = 0
        self._key = b""

    def forget(self) -> None:
        """Drop what was read ahead, so that a forked child does not repeat its parent."""
        self._pool = ""
        self._at = 0

    def hexadecimal(self, digits: int) -> str:
        """Return so many hexadecimal digits, at most `2 * POOL`."""
        at = self._at
        stop = at + digits
        if stop > len(self._pool):
            self._pool = self._read(self.POOL).hex()
            at, stop = 0, digits
        self._at = stop
        return self._pool[at:stop]

    def tag(self) -> str:
        """Return a From or To tag of 64 bits; RFC 3261 §19.3 asks for 32 at least."""
        return self.hexadecimal(16)

    def tag_of(self, *values: str) -> str:
        """Return a tag that is the same for the same values each time, as an answer without state
        has to have it (§8.2.7), and that nobody else can compute.
        """
        if not self._key:
            self._key = bytes.fromhex(self.hexadecimal(32))
        return blake2b(
            "\0".join(values).encode(errors="surrogateescape"), digest_size=8, key=self._key
        ).hexdigest()

    def branch(self) -> str:
        """Return a branch of 80 bits behind the cookie (§8.1.1.7)."""
        return BRANCH_COOKIE + self.hexadecimal(20)

    def call_id(self) -> str:
        """Return a Call-ID of 128 bits; no host is in it, to disclose ours to nobody (§8.1.1.4,
        §26).
        """
        return self.hexadecimal(32)

    def number(self, bits: int) -> int:
        """Return a number of so many bits, such as a first CSeq (below 2**31, §8.1.1.5)."""
        return int(self.hexadecimal((bits + 3) // 4), 16) & ((1 << bits) - 1)
