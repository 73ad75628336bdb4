"""A machine that several tests build on."""

from __future__ import annotations

from typing import Any

from sipparty.fsm import FSM, Timers

__all__ = ["Noted"]


class Noted(FSM, abstract=True):
    """A base whose machines note what happens to them."""

    def __init__(self, scheduler: Timers | None = None) -> None:
        self.notes: list[Any] = []
        super().__init__(scheduler)

    def a(self, *args: object) -> None:
        self.notes.append(("a", self.state, *args))

    def b(self, *args: object) -> None:
        self.notes.append(("b", self.state, *args))

    def fail(self, *args: object) -> None:
        raise ArithmeticError("failed")

    def again(self) -> None:
        self.hit("go")
        self.notes.append("again")
