"""What the first use does and not an import: compiling patterns, loading the names of packages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, AnyStr, cast

__all__ = ["late_names", "late_pattern"]


def late_names(namespace: dict[str, Any], modules: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a package, which loads the names in `__all__` when they are used.

    Args:
        namespace: The package's `globals()`.
        modules: Its modules that have the names, in the order that they build on each other.
    """

    def find(name: str) -> object:
        if name in namespace["__all__"]:
            from importlib import import_module

            for module in modules.split():
                found = vars(import_module(f"{namespace['__name__']}.{module}")).get(name)
                if found is not None:
                    namespace[name] = found
                    return found
        raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")

    return find


class _Pattern:
    """A compiled pattern: its methods are attributes of the instance."""


class _LatePattern:
    """Is a `_Pattern` from its first use on, which costs no call then."""

    def __init__(self, text: Any, flags: int) -> None:
        self.pattern = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name[:2] == "__":
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self._flags)
        for each in dir(compiled):
            if each[:2] != "__":
                setattr(self, each, getattr(compiled, each))
        self.__class__ = _Pattern  # type: ignore[assignment]
        return getattr(self, name)


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what `re.compile` does; a text that is no pattern raises when it is first used.

    To bind a method (`late_pattern(...).match`) is to use it: call it by the pattern.
    """
    return cast("re.Pattern[AnyStr]", _LatePattern(text, flags))
