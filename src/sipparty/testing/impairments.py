"""What a simulated network does to what it carries: links, cuts, and the record of each fate.

A place is an endpoint (host and port) or a host, which stands for all endpoints of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

__all__ = ["Carried", "Cut", "Fate", "Link", "Parcel", "Place"]

_Address = tuple[str, int]

#: An endpoint (host and port), or a host with all its ports.
Place = tuple[str, int] | str

#: What became of a message: "delivered"; "duplicated" for the second copy delivered; "lost" by
#: chance; "cut" by a partition; "unreachable" where nothing was attached.
Fate = Literal["delivered", "duplicated", "lost", "cut", "unreachable"]


@dataclass(frozen=True, slots=True)
class Link:
    """How one direction between two places treats what it carries.

    Args:
        loss: The share of datagrams that are lost, 0 to 1.
        duplication: The share of datagrams that arrive twice, 0 to 1.
        delay: The least and the greatest delay, in seconds, evenly spread.

    Raises:
        ValueError: A share is not within 0 and 1, or the delays are not in order.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("loss", "duplication"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected 0 to 1.")
        low, high = self.delay
        if not 0.0 <= low <= high < inf:
            raise ValueError(f"delay is {self.delay!r}: expected two times in order, from 0 on.")


class Carried(NamedTuple):
    """What became of one message, or of one copy of it.

    Args:
        sent: When it was sent, in seconds.
        settled: When it was delivered, or found to be undeliverable.
        fate: What became of it.
        transport: As a Via header spells it.
        source: Where it came from.
        destination: Where it was to go.
        data: Its bytes.
    """

    sent: float
    settled: float
    fate: Fate
    transport: str
    source: tuple[str, int]
    destination: tuple[str, int]
    data: bytes


class Cut:
    """A partition that lasts, as `SimulatedNetwork.partition` gives it and `heal` takes it.

    Args:
        one: Places on the one side.
        other: Places on the other; None means all that are not on the one.
    """

    __slots__ = ("_one", "_other")

    def __init__(self, one: Iterable[Place], other: Iterable[Place] | None = None) -> None:
        self._one = _group(one)
        self._other = None if other is None else _group(other)

    def parts(self, source: tuple[str, int], destination: tuple[str, int]) -> bool:
        """Whether it is between two addresses."""
        return self._sides(source, destination) or self._sides(destination, source)

    def _sides(self, one: _Address, other: _Address) -> bool:
        if not _within(one, self._one):
            return False
        if self._other is None:
            return not _within(other, self._one)
        return _within(other, self._other)


@dataclass(eq=False, slots=True)
class Parcel:
    """One message, or one copy of it, under way; the network's own."""

    sent: float
    transport: str
    source: tuple[str, int]
    destination: tuple[str, int]
    data: bytes
    copy: bool = False


def _group(places: Iterable[Place]) -> frozenset[Place]:
    if isinstance(places, str):  # one host, which would else be taken letter by letter
        return frozenset((places,))
    return frozenset(places)


def _within(address: _Address, group: Collection[Place]) -> bool:
    return address in group or address[0] in group
