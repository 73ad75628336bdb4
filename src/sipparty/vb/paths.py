"""Attribute paths: read, set and made on demand; `Delegate`, the attribute that is one.

Laws:

* A path is attribute names joined by dots, read from an object: `uri.aor.host`. A path with a None,
  or nothing, on its path is broken and reads as None.
* A delegate on a path stands for the path it names, wherever it is met.
* To set a path is to set its last name; objects missing along the path are made by their owner's
  `make_attribute`. They are complete before anything refers to them, so that a value that is
  refused leaves nothing half made. Setting None makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Generic, Self, TypeVar, overload

from sipparty.errors import UsageError

__all__ = [
    "BindingError",
    "Delegate",
    "expand_path",
    "make_missing",
    "read_path",
    "split_path",
    "walk_path",
    "write_path",
]

T = TypeVar("T")

#: Delegates that lead to delegates: how many in a row before they are taken for a circle.
_MOST_DELEGATES = 32


class BindingError(UsageError):
    """Paths cannot be set or bound, or what is bound contradicts itself; nothing was changed."""


@lru_cache
def split_path(path: str) -> tuple[str, ...]:
    """Return a path's names.

    Raises:
        BindingError: It is no path.
    """
    parts = tuple(path.split("."))
    if not all(part.isidentifier() for part in parts):
        raise BindingError(f"{path!r} is not a path: expected attribute names joined by dots.")
    return parts


def expand_path(owner: object, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path with the delegates at its start replaced by what they stand for.

    Args:
        owner: The object, or class, the path starts from.
        parts: The path's names.

    Raises:
        BindingError: The delegates lead in a circle.
    """
    cls = owner if isinstance(owner, type) else type(owner)
    for _ in range(_MOST_DELEGATES):
        found = getattr(cls, parts[0], None)
        if not isinstance(found, Delegate):
            return parts
        parts = found.parts + parts[1:]
    raise BindingError(f"The delegates of {cls.__name__} lead in a circle at {parts[0]!r}.")


def walk_path(root: object, parts: tuple[str, ...]) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    """Give each object on a path, the name read from it, the names left; stop where it breaks."""
    owner = root
    while owner is not None:
        name, *rest = expand_path(owner, parts)
        parts = tuple(rest)
        yield owner, name, parts
        if not parts:
            return
        owner = getattr(owner, name, None)


def read_path(root: object, parts: tuple[str, ...]) -> Any:
    """Return what a path leads to; None where it is broken."""
    for owner, name, rest in walk_path(root, parts):
        if not rest:
            return getattr(owner, name, None)
    return None


def make_missing(owner: Any, name: str, rest: tuple[str, ...], value: Any) -> Any:
    """Return a new object for `owner.name`, the rest of the path set in it; None if it has none."""
    make = getattr(owner, "make_attribute", None)
    made = None if make is None else make(name)
    if made is not None:
        write_path(made, rest, value)
    return made


def write_path(root: object, parts: tuple[str, ...], value: Any) -> None:
    """Set what a path leads to, making what is missing along the path."""
    for owner, name, rest in walk_path(root, parts):
        if not rest:
            setattr(owner, name, value)
        elif getattr(owner, name, None) is None:
            if value is None:
                return
            made = make_missing(owner, name, rest, value)
            if made is None:
                raise BindingError(
                    f"Cannot set {'.'.join(parts)!r} of {type(root).__name__}: "
                    f"{type(owner).__name__}.{name} is None and cannot be made on demand."
                )
            setattr(owner, name, made)
            return


class Delegate(Generic[T]):
    """An attribute that is another one, further down: reading and setting go through a path.

        class Party(ValueBinder):
            uri = ParsedProperty(URI)
            aor = Delegate[AOR | None]("uri.aor")

    Reading through a broken path gives None; setting makes the missing objects where their owner
    knows how (`ValueBinder.make_attribute`; a `DeepClass` does).

    Args:
        path: Attribute names joined by dots, from the instance.

    Raises:
        BindingError: The path is no path; on setting: an object is missing and cannot be made.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.parts = split_path(path)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Self | T:
        if instance is None:
            return self
        value: Any = None
        for owner, name, rest in walk_path(instance, self.parts):
            # Unlike a binding, which waits for attributes to come, a wrong name here is an error.
            value = getattr(owner, name)
            if rest and value is None:
                break
        return value  # type: ignore[no-any-return]  # T names the None of a broken path

    def __set__(self, instance: object, value: T | str | bytes | None) -> None:
        write_path(instance, self.parts, value)
