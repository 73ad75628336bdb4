"""The variables of a call: its own, those of its user, and those of all calls."""

from __future__ import annotations

from math import isfinite
from typing import Any

from sipparty.load.sipp.keywords import value_text
from sipparty.load.sipp.model import Program

__all__ = ["Variables", "number_in"]


def number_in(text: str | float) -> float:
    """Return the number that a text is; 0.0 where it is none, or one without end."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0


class Variables:
    """What the variables of a call have: a text, a number, True or False, or None.

    Args:
        program: The scenario, which says whose each is.
        shared: The global variables.
        of_user: Those of the call's user.
    """

    def __init__(self, program: Program, shared: dict[str, Any], of_user: dict[str, Any]) -> None:
        self._program = program
        self._shared = shared
        self._of_user = of_user
        self._own: dict[str, Any] = {}

    def _scope(self, name: str) -> dict[str, Any]:
        if name in self._program.global_variables:
            return self._shared
        return self._of_user if name in self._program.user_variables else self._own

    def get(self, name: str) -> Any:
        """Return what a variable has."""
        return self._scope(name).get(name)

    def is_set(self, name: str) -> bool:
        """Whether a variable counts as set: an empty text does, the number 0 and False do not."""
        value = self.get(name)
        return isinstance(value, str) or bool(value)

    def set(self, name: str, value: str | float | None) -> None:
        """Give a variable a value."""
        self._scope(name)[name] = value

    def number(self, name: str) -> float:
        """Return a variable as a number; 0.0 where it is none, or one without end."""
        return number_in(self.get(name) or "0")

    def text(self, name: str) -> str:
        """Return a variable as a text; "" where it has nothing."""
        return value_text(self.get(name))
