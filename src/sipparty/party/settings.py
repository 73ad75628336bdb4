"""Settings of a party that are checked when they are set, and not when they are sent.

Laws:

* What cannot stand in a message is refused at the line of the program that gives it.
* A set that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, Self, TypeVar, overload

from sipparty.sip import MediaType
from sipparty.sip.grammar import check_line
from sipparty.sip.routing import route_to

__all__ = ["Checked", "media_types", "name_to_show", "next_hop_or_none"]

T = TypeVar("T")


class Checked(Generic[T]):
    """An attribute whose values are checked when they are set.

    Args:
        check: Gives what is to be kept of a value, or raises.
        doc: What the attribute is.
    """

    def __init__(self, check: Callable[[T], T], doc: str) -> None:
        self._check = check
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Self:
        if instance is None:
            return self
        value: T = getattr(instance, self._slot)
        return value

    def __set__(self, instance: Any, value: T) -> None:
        setattr(instance, self._slot, self._check(value))


def name_to_show(value: str) -> str:
    """Return a display name.

    Raises:
        BuildError: It holds a control character.
    """
    return check_line(value, "display_name")


def next_hop_or_none(value: str | None) -> str | None:
    """Return an outbound proxy: a host, host:port or URI; None for none.

    Raises:
        ParseError: It is no address to send to.
    """
    if value is not None:
        route_to(value)
    return value


def media_types(given: Iterable[str]) -> tuple[str, ...]:
    """Return media types in lower case.

    Raises:
        ParseError: One is none.
    """
    return tuple(MediaType.parse(kind).essence for kind in given)
