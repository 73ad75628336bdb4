"""What is drawn: a machine's tables, its current state, and the way it came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sipparty.fsm.table import Plan, Row, Timer

__all__ = ["Move", "View", "delay_of", "view_of", "view_of_records"]

#: The most rows that are made of records alone: a file of somebody's may have any number.
_MOST_ROWS = 64


class Move(NamedTuple):
    """One input that a machine has taken.

    Attributes:
        old: The state it was in.
        input: The input.
        new: The state after it.
    """

    old: str
    input: str
    new: str


class View(NamedTuple):
    """What is drawn: a class, or one of its instances.

    Attributes:
        title: The class's name.
        plan: Its compiled tables; None for an abstract class.
        name: The instance's name; None for a class.
        state: The instance's current state; None for a class.
        way: The inputs that it has taken so far, in their order, as far as they are known.
    """

    title: str
    plan: Plan | None
    name: str | None = None
    state: str | None = None
    way: tuple[Move, ...] = ()

    @property
    def heading(self) -> str:
        """The drawing's first line."""
        if self.name is not None:
            return f"{self.title} instance {self.name!r} (current state {self.state!r})"
        return self.title if self.plan is not None else f"{self.title} (abstract, it has no table)"

    def states(self) -> tuple[str, ...]:
        """The states, in their order."""
        return () if self.plan is None else self.plan.states

    def rows(self, state: str) -> Iterator[Row]:
        """The rows of one state."""
        if self.plan is not None:
            yield from (row for row in self.plan.rows if row.state == state)

    def timers(self, state: str) -> tuple[Timer, ...]:
        """The timers that one state owns."""
        return () if self.plan is None else self.plan.owned[state]

    def marks(self, state: str) -> tuple[str, ...]:
        """What is to be said of one state: of "initial", "final" and "current" what holds."""
        if self.plan is None:
            return ()
        found = (
            ("initial", state == self.plan.initial),
            ("final", state in self.plan.final),
            ("current", state == self.state),
        )
        return tuple(mark for mark, holds in found if holds)


def delay_of(timer: Timer) -> str:
    """The delay of a timer in words: "32 s", "timer_a", "every 20 s"."""
    delay = timer.delay if isinstance(timer.delay, str) else f"{timer.delay:g} s"
    return f"every {delay}" if timer.repeat else delay


def view_of(machine: Any, way: Iterable[Any] | None = None) -> View:
    """Return what is to be drawn of a machine.

    Args:
        machine: A subclass of `FSM`, or an instance.
        way: The inputs that the instance has taken: the records of a trace, of which those with its
            name in `machine` are taken; any others need `old`, `input` and `new`. None for what the
            machine has kept itself, as calls and subscriptions do in `steps`.
    """
    if isinstance(machine, type):
        return View(machine.__name__, getattr(machine, "plan", None))
    kind: Any = type(machine)
    if way is not None:
        name = machine.name
        own = (
            one for one in way if hasattr(one, "input") and getattr(one, "machine", name) == name
        )
        moves = tuple(Move(one.old, one.input, one.new) for one in own)
    else:
        moves = tuple(_moves(kind.plan.initial, getattr(machine, "steps", ())))
    return View(kind.__name__, kind.plan, machine.name, machine.state, moves)


def _moves(state: str, steps: Iterable[Any]) -> Iterator[Move]:
    """The moves of a machine that has kept an input and the state after it for each."""
    for step in steps:
        yield Move(state, step.what, step.state)
        state = step.state


def view_of_records(records: Iterable[Any], base: type) -> View | None:
    """Return what is to be drawn of a machine of which there are records alone.

    Args:
        records: The `StateRecord`s of one machine, in their order: what has `machine`, `kind`,
            `old`, `input` and `new`.
        base: A class, usually `FSM`. If one of its subclasses is of the records' kind, and takes
            all that they have, then that is drawn, else the states that the records mention.

    Returns:
        The view; None without a record.
    """
    way = list(records)
    if not way:
        return None
    kind, name = way[0].kind, way[0].machine
    plan = _plan_of(base, kind, way) or _plan_from(kind, way)
    moves = tuple(Move(one.old, one.input, one.new) for one in way)
    return View(kind, plan, name, moves[-1].new, moves)


def _plan_of(base: type, kind: str, way: list[Any]) -> Plan | None:
    """The plan of a class of that name by which all that happened can happen; None without one."""
    plans: list[Plan] = []
    kinds: list[Any] = base.__subclasses__()
    while kinds:
        one = kinds.pop()
        if one.__name__ == kind and one.plan is not None:
            plans.append(one.plan)
        kinds += one.__subclasses__()
    fit = (
        plan for plan in plans if all(move.input in plan.moves.get(move.old, ()) for move in way)
    )
    return next(fit, None)


def _plan_from(kind: str, way: list[Any]) -> Plan:
    """A plan that has what was seen of a machine, and nothing to run."""
    rows: dict[tuple[str, str], Row] = {}
    for one in way:
        if len(rows) < _MOST_ROWS:
            rows[one.old, one.input] = Row(one.old, one.input, one.new)
    names = (str(name) for row in rows.values() for name in (row.state, row.next_state))
    states = tuple(dict.fromkeys(names))
    owned: dict[str, tuple[Timer, ...]] = dict.fromkeys(states, ())
    return Plan(kind, tuple(rows.values()), states, states[0], (), {}, owned, {})
