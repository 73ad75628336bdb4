"""What every probe uses: calls that may be refused, and laws that have to hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipparty.errors import ParseError
from sipparty.sip import AOR, URI, Host

__all__ = ["Broken", "attempt", "check_refusal", "law", "look_at"]


class Broken(AssertionError):
    """A law does not hold."""


def law(holds: object, name: str) -> None:
    """Raise `Broken` unless the law of that name holds."""
    if not holds:
        raise Broken(name)


def check_refusal(error: ParseError) -> None:
    """Raise `Broken` unless a refusal is one that can be shown and answered with."""
    law(str(error), "a refusal can be shown")
    position = error.position
    law(
        position is None or 0 <= position <= len(error.text),
        "the position of a refusal is in its text",
    )
    law(400 <= error.status <= 699, "a refusal has a status to answer with")


def attempt(make: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a call makes; None where it refuses as it may."""
    try:
        return make(*arguments)
    except ParseError as error:
        check_refusal(error)
        return None


_PROPERTIES: dict[type, tuple[str, ...]] = {}


def _properties(kind: type) -> tuple[str, ...]:
    """The public attributes of a class that are computed."""
    known = _PROPERTIES.get(kind)
    if known is None:
        names = [name for name in dir(kind) if not name.startswith("_")]
        found = [(name, getattr(kind, name, None)) for name in names]
        known = _PROPERTIES[kind] = tuple(
            name for name, it in found if hasattr(it, "__get__") and not callable(it)
        )
    return known


def look_at(value: Any) -> None:
    """Look at a value from all sides."""
    attempt(str, value)
    attempt(repr, value)
    if type(value).__hash__ is not None:
        hash(value)
    for name in _properties(type(value)):
        seen = attempt(getattr, value, name)
        if isinstance(seen, Host | AOR | URI):
            repr(seen)
        elif hasattr(seen, "items"):
            dict(seen)
