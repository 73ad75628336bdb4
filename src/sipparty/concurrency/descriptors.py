"""File descriptors: how many the process may have, and who may have how many of them.

Laws:

* What peers have opened for them never takes the last ones: some are left for the program, for
  name servers, for connections of our own.
* Neither connections nor media keep the other out: connections get numbers up to three quarters of
  the limit, as the system deals out the lowest that is free; media has half of all at the most.
* Where the system sets no limit (RLIMIT_NOFILE), there is none.
"""

from __future__ import annotations

import math

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]

__all__ = [
    "CONNECTIONS_RESERVE",
    "MEDIA_PART",
    "MEDIA_RESERVE",
    "give_back_media",
    "highest",
    "limit",
    "media_calls",
    "take_media",
]

#: The part of them that connections leave to others.
CONNECTIONS_RESERVE = 0.25
#: The part of them that media leaves to others, whoever has the rest.
MEDIA_RESERVE = 0.1
#: The part of them that media may have.
MEDIA_PART = 0.5

_media: set[int] = set()


def limit() -> float:
    """How many the process may have."""
    if resource is None:  # pragma: no cover - Windows
        return math.inf
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if most == resource.RLIM_INFINITY else most


def highest(reserve: float) -> float:
    """The highest number that leaves a part of them to others."""
    return limit() * (1 - reserve)


def take_media(*numbers: int) -> bool:
    """Count some that were opened for media; whether they may be. If not, they are to be closed."""
    most = limit()
    if len(_media) + len(numbers) > most * MEDIA_PART:
        return False
    if max(numbers) > most * (1 - MEDIA_RESERVE):
        return False
    _media.update(numbers)
    return True


def give_back_media(number: int) -> None:
    """Count one less, which is about to be closed."""
    _media.discard(number)


def media_calls(each: int) -> int | None:
    """How many calls may have media at a time; None for any number.

    Args:
        each: How many descriptors a call takes.
    """
    most = limit()
    return None if most == math.inf else int(most * MEDIA_PART) // each
