"""Tables: what a state machine is made of, checked and compiled when its class is made.

Laws:

1. A machine is two tables and nothing else. A `Row` says what one input does in one state; a
   `Timer` says which states own it. Neither ever names a timer to start or stop: entering a state
   arms the timers it owns and the last one did not, leaving disarms the rest (`Change`), so no
   transition can forget one.
2. There is at most one row for a state and an input, so a machine is deterministic.
3. A table with a fault is no table: every check runs when the class is made, and the first fault
   raises `TableError` with the class, the row and the fault in one sentence.
4. A class inherits its bases' rows by (state, input) and their timers by input, in method
   resolution order. The same key overrides, a new key adds, `Row(state, input, None)` and
   `Timer(input, None)` remove.
5. All looking up is done once a class, none of it while a machine runs: a `Move` holds plain
   functions, and what only some moves need (hooks, timers) is in a `Change` that the others lack.

The checks, in the order they are made:

    ================================  ==================================================
    a fault                           is found when
    ================================  ==================================================
    malformed row or timer            a field has the wrong type, or is empty
    duplicate row or timer            one class has two with one key
    nothing to remove                 a removal finds no inherited row or timer
    unknown initial or final state    no row mentions the state
    unreachable state                 no path of rows leads there from the initial state
    trap state                        a state that is not final has no row out of it
    final state that can be left        a final state has a row to another state
    unknown state of a timer          no row mentions a state that the timer names
    timer without a row               a state that owns a timer does not take its input
    delay without a source            a delay names an attribute that no instance can have
    action without a method           the class has nothing callable by that name
    hook for an unknown state         on_enter_X or on_exit_X where there is no X
    ================================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from math import isfinite
from typing import Any, NamedTuple, NoReturn

from sipparty.errors import TableError

__all__ = ["Action", "Change", "Move", "Plan", "Row", "StateNames", "Timer", "compile_plan"]

#: What a move runs: a method as a plain function, called with the machine and the input's
#: arguments.
Action = Callable[..., object]

_ENTER = "on_enter_"
_EXIT = "on_exit_"


class _RowFields(NamedTuple):
    state: str | tuple[str, ...]
    input: str | tuple[str, ...]
    next_state: str | None
    actions: tuple[str, ...]


class Row(_RowFields):
    """What one input does in one state, or in each of several.

    Args:
        state: The state the row belongs to, or a tuple of states that share it.
        input: The input it takes, or a tuple of inputs that do the same.
        next_state: The state after it; the same state for a move that stays. None takes an
            inherited row out of a subclass's table.
        actions: Names of methods, called in order with the input's arguments before the state
            changes.
    """

    __slots__ = ()

    def __new__(
        cls,
        state: str | tuple[str, ...],
        input: str | tuple[str, ...],
        next_state: str | None,
        *actions: str,
    ) -> Row:
        """Make a row from its fields, the actions one by one."""
        return super().__new__(cls, state, input, next_state, actions)

    def __repr__(self) -> str:
        return f"Row({', '.join(map(repr, (*self[:3], *self.actions)))})"


class _TimerFields(NamedTuple):
    input: str
    delay: float | str | None
    states: tuple[str, ...]
    repeat: bool


class Timer(_TimerFields):
    """An input that comes by itself after a time in the states that own it.

    Args:
        input: The input the machine is hit with when the timer fires.
        delay: Seconds; or the name of an attribute or of a method without arguments that gives
            them, read whenever the timer is armed. There, None means that the timer is not armed
            this time, zero or less that it fires as soon as the transition is complete. None in the
            table takes an inherited timer out of a subclass's table.
        states: The states that own the timer.
        repeat: Whether it is armed anew after it fired, if the machine is still in one of `states`;
            the delay is read anew after the actions ran, so that an action may double an interval.
    """

    __slots__ = ()

    def __new__(
        cls,
        input: str,
        delay: float | str | None,
        *states: str,
        repeat: bool = False,
    ) -> Timer:
        """Make a timer from its fields, the states one by one."""
        return super().__new__(cls, input, delay, states, repeat)

    def __repr__(self) -> str:
        fields = ", ".join(map(repr, (self.input, self.delay, *self.states)))
        return f"Timer({fields}{', repeat=True' if self.repeat else ''})"


class StateNames:
    """The states of one machine class: an attribute for each, whose value is its name.

    Iterable in the order of the table; `in` says whether a name is a state.
    """

    def __init__(self, owner: str, names: Iterable[str]) -> None:
        self.__dict__.update({name: name for name in names})
        self.__dict__["_StateNames__owner"] = owner

    def __names(self) -> list[str]:
        return [name for name in self.__dict__ if name != "_StateNames__owner"]

    def __getattr__(self, name: str) -> str:
        # Only called for what is not there.
        if name.startswith("__"):
            raise AttributeError(name)
        known = ", ".join(map(repr, self.__names())) or "none"
        owner = self.__dict__.get("_StateNames__owner")
        raise AttributeError(f"{owner!r} has no state {name!r}: its states are {known}.")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"The state {name!r} cannot be set: a state is made by a row that has it."
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"The state {name!r} cannot be deleted.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.__names())

    def __contains__(self, name: object) -> bool:
        return name in self.__names()

    def __len__(self) -> int:
        return len(self.__dict__) - 1

    def __dir__(self) -> list[str]:
        return self.__names()

    def __repr__(self) -> str:
        return f"States({', '.join(map(repr, self.__names()))})"


class Change(NamedTuple):
    """What a move does besides its actions and its state; most moves have none.

    Attributes:
        leave: The hook for leaving the old state, or None.
        disarm: Inputs of the timers that the old state owns and the new one does not.
        arm: Timers that the new state owns and the old one does not.
        changed: The `on_transition` hook, or None.
        enter: The hook for entering the new state, or None.
    """

    leave: Action | None
    disarm: tuple[str, ...]
    arm: tuple[Timer, ...]
    changed: Action | None
    enter: Action | None


#: What an input does, compiled: the next state, the actions, and the change if there is more to it.
Move = tuple[str, tuple[Action, ...], Change | None]


class Plan(NamedTuple):
    """A class's tables: merged with its bases', checked and compiled.

    Attributes:
        title: The class's name.
        rows: One row for each state and input, those of one state together, states in their order.
        states: The names of the states in the order the table mentions them, the initial one first.
        initial: The state a machine starts in.
        final: The states a machine ends in.
        timers: The timers by their input.
        owned: The timers each state owns.
        moves: The compiled rows by state, then by input.
    """

    title: str
    rows: tuple[Row, ...]
    states: tuple[str, ...]
    initial: str
    final: tuple[str, ...]
    timers: dict[str, Timer]
    owned: dict[str, tuple[Timer, ...]]
    moves: dict[str, dict[str, Move]]


def compile_plan(cls: type) -> Plan | None:
    """Merge, check and compile the tables of a machine class.

    Args:
        cls: A class whose own and inherited `table`, `timers`, `initial` and `final` are those of
        `FSM`.

    Returns:
        The plan; None where neither the class nor its bases have a row.

    Raises:
        TableError: The tables contradict themselves or the class.
    """
    return _Compiler(cls).plan()


class _Compiler:
    """One compilation: the merged tables and the class they are checked against."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.title = cls.__name__
        self.rows: dict[tuple[str, str], Row] = {}
        self.timers: dict[str, Timer] = {}

    def plan(self) -> Plan | None:
        for base in reversed(self.cls.__mro__):
            self._merge_rows(base.__dict__.get("table", ()))
            self._merge_timers(base.__dict__.get("timers", ()))
        if not self.rows:
            return None
        initial = self._initial()
        states = self._states(initial)
        final = self._final(states)
        self._check_paths(states, initial, final)
        self._check_timers(states)
        self._check_hooks(states)
        owned = {
            state: tuple(timer for timer in self.timers.values() if state in timer.states)
            for state in states
        }
        rows = sorted(self.rows.values(), key=lambda row: states.index(str(row.state)))
        moves: dict[str, dict[str, Move]] = {state: {} for state in states}
        for row in rows:
            moves[str(row.state)][str(row.input)] = self._move(row, owned)
        return Plan(
            self.title, tuple(rows), states, initial, final, dict(self.timers), owned, moves
        )

    def fail(self, problem: str) -> NoReturn:
        raise TableError(f"The table of {self.title!r} is wrong: {problem}")

    # Merging: law 4.

    def _merge_rows(self, table: Iterable[Row]) -> None:
        own: dict[tuple[str, str], Row] = {}
        for row in table:
            for state, input in product(*self._checked(row)):
                one = Row(state, input, row.next_state, *row.actions)
                earlier = own.setdefault((state, input), one)
                if earlier is not one:
                    self.fail(f"{row!r} is a duplicate, state {state!r} already has {earlier!r}.")
        for key, one in own.items():
            if one.next_state is not None:
                self.rows[key] = one
            elif self.rows.pop(key, None) is None:
                self.fail(f"{one!r} removes a row that is not inherited.")

    def _merge_timers(self, timers: Iterable[Timer]) -> None:
        own: dict[str, Timer] = {}
        for timer in timers:
            self._check_timer(timer)
            if own.setdefault(timer.input, timer) is not timer:
                self.fail(f"{timer!r} is a duplicate of {own[timer.input]!r}.")
        for input, timer in own.items():
            if timer.delay is not None:
                self.timers[input] = timer
            elif self.timers.pop(input, None) is None:
                self.fail(f"{timer!r} removes a timer that is not inherited.")

    def _checked(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The states and the inputs of a row that is well formed."""
        if not isinstance(row, Row):
            self.fail(f"{row!r} is not a Row.")
        states = row.state if isinstance(row.state, tuple) else (row.state,)
        if not states or not all(isinstance(state, str) and state for state in states):
            self.fail(f"{row!r} needs a state, or a tuple of states, that are non-empty strings.")
        inputs = row.input if isinstance(row.input, tuple) else (row.input,)
        if not inputs or not all(isinstance(input, str) and input for input in inputs):
            self.fail(f"{row!r} needs an input, or a tuple of inputs, that are non-empty strings.")
        if row.next_state is None:
            if row.actions:
                self.fail(f"{row!r} removes a row, so it has no use for actions.")
        elif not isinstance(row.next_state, str) or not row.next_state:
            self.fail(f"{row!r} needs a next state that is a non-empty string.")
        return states, inputs

    def _check_timer(self, timer: Timer) -> None:
        if not isinstance(timer, Timer):
            self.fail(f"{timer!r} is not a Timer.")
        if not isinstance(timer.input, str) or not timer.input:
            self.fail(f"{timer!r} needs an input that is a non-empty string.")
        if timer.delay is None:
            if timer.states:
                self.fail(f"{timer!r} removes a timer, so it has no use for states.")
            return
        if isinstance(timer.delay, bool) or not isinstance(timer.delay, int | float | str):
            self.fail(f"{timer!r} needs a delay in seconds or the name of what gives it.")
        if not isinstance(timer.delay, str) and not isfinite(timer.delay):
            self.fail(f"{timer!r} needs a finite delay.")
        if not timer.states:
            self.fail(f"{timer!r} is owned by no state, so it never fires.")

    # Checking: law 3.

    def _initial(self) -> str:
        first: str = str(next(iter(self.rows.values())).state)
        initial: str | None = getattr(self.cls, "initial", None)
        if initial is None:
            return first
        if not any(row.state == initial for row in self.rows.values()):
            self.fail(f"no row belongs to its initial state {initial!r}.")
        return initial

    def _states(self, initial: str) -> tuple[str, ...]:
        """Every state that a row mentions: those with rows first, then those only led to."""
        found = dict.fromkeys([initial])
        found.update(dict.fromkeys(str(row.state) for row in self.rows.values()))
        found.update(dict.fromkeys(str(row.next_state) for row in self.rows.values()))
        return tuple(found)

    def _final(self, states: tuple[str, ...]) -> tuple[str, ...]:
        final = getattr(self.cls, "final", ())
        if isinstance(final, str) or not isinstance(final, tuple):
            self.fail(f"its final states have to be a tuple of strings, not {final!r}.")
        for state in final:
            if state not in states:
                self.fail(f"no row mentions its final state {state!r}.")
        return final

    def _check_paths(self, states: tuple[str, ...], initial: str, final: tuple[str, ...]) -> None:
        leaving: dict[str, list[Row]] = {state: [] for state in states}
        for row in self.rows.values():
            if row.next_state != row.state:
                leaving[str(row.state)].append(row)
        reached = {initial}
        front = [initial]
        while front:
            after = {str(row.next_state) for row in leaving[front.pop()]} - reached
            reached |= after
            front.extend(after)
        for state in states:
            if state not in reached:
                row = next(row for row in self.rows.values() if row.state == state)
                self.fail(f"state {state!r} of {row!r} is unreachable from {initial!r}.")
            if state in final and leaving[state]:
                self.fail(f"{leaving[state][0]!r} leads out of the final state {state!r}.")
            if state not in final and not leaving[state]:
                row = next(r for r in self.rows.values() if state in (r.state, r.next_state))
                self.fail(
                    f"state {state!r} of {row!r} is a trap, no row leads out of it and it is not"
                    " listed in `final`."
                )

    def _check_timers(self, states: tuple[str, ...]) -> None:
        for timer in self.timers.values():
            for state in timer.states:
                if state not in states:
                    self.fail(f"{timer!r} is owned by {state!r}, which no row mentions.")
                if (state, timer.input) not in self.rows:
                    self.fail(f"{timer!r} may fire in {state!r}, which has no row for it.")
            if isinstance(timer.delay, str) and not self._may_have(timer.delay):
                self.fail(f"{timer!r} takes its delay from {timer.delay!r}, which no instance has.")

    def _may_have(self, attribute: str) -> bool:
        """Whether an instance can have the attribute; with a `__dict__` it always can."""
        return hasattr(self.cls, attribute) or bool(self.cls.__dictoffset__)

    def _check_hooks(self, states: tuple[str, ...]) -> None:
        # Only the class's own: a subclass may well drop a state that a base has a hook for.
        for name in self.cls.__dict__:
            for prefix in (_ENTER, _EXIT):
                if name.startswith(prefix) and name.removeprefix(prefix) not in states:
                    state = name.removeprefix(prefix)
                    self.fail(f"{name!r} is a hook for {state!r}, which no row mentions.")

    # Compiling: law 5.

    def _move(self, row: Row, owned: dict[str, tuple[Timer, ...]]) -> Move:
        old, new = str(row.state), str(row.next_state)
        actions = tuple(self._action(row, name) for name in row.actions)
        changed = self._hook("on_transition")
        change = Change(None, (), (), changed, None)
        if new != old:
            change = Change(
                self._hook(_EXIT + old),
                tuple(timer.input for timer in owned[old] if new not in timer.states),
                tuple(timer for timer in owned[new] if old not in timer.states),
                changed,
                self._hook(_ENTER + new),
            )
        return new, actions, change if any(change) else None

    def _action(self, row: Row, name: str) -> Action:
        method = getattr(self.cls, name, None) if isinstance(name, str) else None
        if not callable(method):
            self.fail(f"{row!r} has the action {name!r}, and the class has no method of that name.")
        return self._function(name)

    def _hook(self, name: str) -> Action | None:
        method = getattr(self.cls, name, None)
        if method is None:
            return None
        if not callable(method):
            self.fail(f"the hook {name!r} is not a method.")
        return self._function(name)

    def _function(self, name: str) -> Action:
        """The method as a function of the machine, whatever kind of method it is."""
        declared = next(vars(base)[name] for base in self.cls.__mro__ if name in vars(base))
        if isinstance(declared, staticmethod | classmethod):
            method: Action = getattr(self.cls, name)

            def without_machine(_machine: object, *args: Any) -> object:
                return method(*args)

            return without_machine
        function: Action = getattr(self.cls, name)
        return function
