"""Time and chance for tests: a clock that is moved by hand, tokens that can be predicted.

The protocol takes both as arguments, so a test that hands it these is the same every time it runs,
and waits for nothing.
"""

from __future__ import annotations

import random
from math import inf

from sipparty.sip.tokens import Tokens

__all__ = ["SequentialTokens", "VirtualClock", "seeded_tokens"]


class VirtualClock:
    """A clock that stands still until it is moved, and does not go back.

    Args:
        start: The time it begins with, in seconds.

    Attributes:
        now: The time, in seconds; read it, and move it with `advance`.
    """

    __slots__ = ("_now",)

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)

    @property
    def now(self) -> float:
        """The time, in seconds."""
        return self._now

    def __call__(self) -> float:
        """The time, in seconds: the clock stands in for `time.monotonic`."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on by so many seconds.

        Returns:
            The new time.

        Raises:
            ValueError: The number is negative or not finite.
        """
        return self.advance_to(self._now + seconds)

    def advance_to(self, time: float) -> float:
        """Move on to a time, in seconds.

        Returns:
            The new time.

        Raises:
            ValueError: The time has passed, or is not finite.
        """
        if not self._now <= time < inf:
            raise ValueError(f"The clock stands at {self._now!r} and cannot move on to {time!r}.")
        self._now = time
        return time

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now:g}>"


class SequentialTokens(Tokens):
    """Tokens that count: 1, 2, 3 and so on, padded with zeros.

    A message that is built with them can be compared with a text in the test.

    Args:
        prefix: Hexadecimal digits, four at most, that each token begins with. Give two cores that
            talk to each other different ones, since tokens have to be unique.

    Raises:
        ValueError: The prefix is something else.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self, prefix: str = "") -> None:
        if len(prefix) > 4 or not set(prefix) <= set("0123456789abcdef"):
            raise ValueError(
                f"{prefix!r} is not a prefix for tokens: expected four hexadecimal digits at most."
            )
        super().__init__(_no_chance)
        self._prefix = prefix
        self._count = 0

    def forget(self) -> None:
        """Do nothing: nothing is read ahead."""

    def hexadecimal(self, digits: int) -> str:
        """Return the next number, of so many digits; where those are few, its last ones."""
        self._count += 1
        width = digits - len(self._prefix)
        if width < len(self._prefix):
            return f"{self._count:0{digits}x}"[-digits:]
        return self._prefix + f"{self._count:0{width}x}"[-width:]

    def number(self, bits: int) -> int:
        """Return the next number, of so many bits, without the prefix."""
        self._count += 1
        return self._count & ((1 << bits) - 1)


def seeded_tokens(seed: int) -> Tokens:
    """Return tokens that look like real ones and are the same for the same seed.

    They suit simulations of many parties, where counted ones might clash.
    """
    return Tokens(random.Random(seed).randbytes)


def _no_chance(size: int) -> bytes:
    raise AssertionError("Counted tokens ask for no chance.")
