"""Tables: each check with its message, merging, and what is compiled."""

from __future__ import annotations

from typing import Any

import pytest

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, StateNames, TableError, Timer


def make(base: type = FSM, **body: Any) -> type[FSM]:
    """A subclass named Door."""
    return type("Door", (base,), body)


OPEN_SHUT = (Row("Open", "shut", "Shut"), Row("Shut", "open", "Open"))
ABSORB = Row("Done", "again", "Done")

FAULTS = {
    "a row that is no Row": (
        {"table": (("Open", "shut", "Shut"),)},
        "('Open', 'shut', 'Shut') is not a Row.",
    ),
    "an empty state": (
        {"table": (Row("", "shut", "Shut"),)},
        "Row('', 'shut', 'Shut') needs a state, or a tuple of states, that are non-empty strings.",
    ),
    "no states": (
        {"table": (Row((), "shut", "Shut"),)},
        "Row((), 'shut', 'Shut') needs a state, or a tuple of states, that are non-empty strings.",
    ),
    "a state that is no string": (
        {"table": (Row(("Open", 1), "shut", "Shut"),)},
        "Row(('Open', 1), 'shut', 'Shut') needs a state, or a tuple of states,"
        " that are non-empty strings.",
    ),
    "an empty input": (
        {"table": (Row("Open", "", "Shut"),)},
        "Row('Open', '', 'Shut') needs an input, or a tuple of inputs, that are non-empty strings.",
    ),
    "an empty next state": (
        {"table": (Row("Open", "shut", ""),)},
        "Row('Open', 'shut', '') needs a next state that is a non-empty string.",
    ),
    "a removal with actions": (
        {"table": (Row("Open", "shut", None, "slam"),)},
        "Row('Open', 'shut', None, 'slam') removes a row, so it has no use for actions.",
    ),
    "a duplicate row": (
        {"table": (*OPEN_SHUT, Row(("Shut", "Open"), "shut", "Open"))},
        "Row(('Shut', 'Open'), 'shut', 'Open') is a duplicate, state 'Open' already has"
        " Row('Open', 'shut', 'Shut').",
    ),
    "a row removed that is not there": (
        {"table": (*OPEN_SHUT, Row("Open", "slam", None))},
        "Row('Open', 'slam', None) removes a row that is not inherited.",
    ),
    "an unknown initial state": (
        {"table": OPEN_SHUT, "initial": "Ajar"},
        "no row belongs to its initial state 'Ajar'.",
    ),
    "final states that are no tuple": (
        {"table": OPEN_SHUT, "final": "Shut"},
        "its final states have to be a tuple of strings, not 'Shut'.",
    ),
    "an unknown final state": (
        {"table": OPEN_SHUT, "final": ("Ajar",)},
        "no row mentions its final state 'Ajar'.",
    ),
    "an unreachable state": (
        {"table": (*OPEN_SHUT, Row("Ajar", "shut", "Shut"))},
        "state 'Ajar' of Row('Ajar', 'shut', 'Shut') is unreachable from 'Open'.",
    ),
    "a state reached only from itself": (
        {"table": (*OPEN_SHUT, Row("Ajar", "wait", "Ajar"))},
        "state 'Ajar' of Row('Ajar', 'wait', 'Ajar') is unreachable from 'Open'.",
    ),
    "a trap without rows": (
        {"table": (*OPEN_SHUT, Row("Shut", "lock", "Locked"))},
        "state 'Locked' of Row('Shut', 'lock', 'Locked') is a trap, no row leads out of it and it"
        " is not listed in `final`.",
    ),
    "a trap with a row to itself": (
        {"table": (*OPEN_SHUT, Row("Shut", "lock", "Locked"), Row("Locked", "lock", "Locked"))},
        "state 'Locked' of Row('Shut', 'lock', 'Locked') is a trap, no row leads out of it and it"
        " is not listed in `final`.",
    ),
    "a way out of a final state": (
        {"table": OPEN_SHUT, "final": ("Shut",)},
        "Row('Shut', 'open', 'Open') leads out of the final state 'Shut'.",
    ),
    "a timer that is no Timer": (
        {"table": OPEN_SHUT, "timers": (Row("Open", "shut", "Shut"),)},
        "Row('Open', 'shut', 'Shut') is not a Timer.",
    ),
    "a timer with an empty input": (
        {"table": OPEN_SHUT, "timers": (Timer("", 1.0, "Open"),)},
        "Timer('', 1.0, 'Open') needs an input that is a non-empty string.",
    ),
    "a timer without a state": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", 1.0),)},
        "Timer('shut', 1.0) is owned by no state, so it never fires.",
    ),
    "a timer with an odd delay": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", [1], "Open"),)},
        "Timer('shut', [1], 'Open') needs a delay in seconds or the name of what gives it.",
    ),
    "a timer with an endless delay": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", float("inf"), "Open"),)},
        "Timer('shut', inf, 'Open') needs a finite delay.",
    ),
    "a duplicate timer": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", 1, "Open"), Timer("shut", 2, "Open"))},
        "Timer('shut', 2, 'Open') is a duplicate of Timer('shut', 1, 'Open').",
    ),
    "a timer removed that is not there": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", None),)},
        "Timer('shut', None) removes a timer that is not inherited.",
    ),
    "a timer removed with states": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", None, "Open"),)},
        "Timer('shut', None, 'Open') removes a timer, so it has no use for states.",
    ),
    "a timer of an unknown state": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", 1.0, "Ajar", repeat=True),)},
        "Timer('shut', 1.0, 'Ajar', repeat=True) is owned by 'Ajar', which no row mentions.",
    ),
    "a timer without a row": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", 1.0, "Open", "Shut"),)},
        "Timer('shut', 1.0, 'Open', 'Shut') may fire in 'Shut', which has no row for it.",
    ),
    "a delay that no instance has": (
        {"table": OPEN_SHUT, "timers": (Timer("shut", "patience", "Open"),), "__slots__": ()},
        "Timer('shut', 'patience', 'Open') takes its delay from 'patience', which no instance has.",
    ),
    "an action that is missing": (
        {"table": (Row("Open", "shut", "Shut", "slam"), OPEN_SHUT[1])},
        "Row('Open', 'shut', 'Shut', 'slam') has the action 'slam', and the class has no method of"
        " that name.",
    ),
    "an action that is no method": (
        {"table": (Row("Open", "shut", "Shut", "slam"), OPEN_SHUT[1]), "slam": 3},
        "Row('Open', 'shut', 'Shut', 'slam') has the action 'slam', and the class has no method of"
        " that name.",
    ),
    "an action that is no name": (
        {"table": (Row("Open", "shut", "Shut", print), OPEN_SHUT[1])},
        f"Row('Open', 'shut', 'Shut', {print!r}) has the action {print!r}, and the class has no"
        " method of that name.",
    ),
    "a hook for an unknown state": (
        {"table": OPEN_SHUT, "on_enter_Ajar": lambda self: None},
        "'on_enter_Ajar' is a hook for 'Ajar', which no row mentions.",
    ),
    "a hook for leaving an unknown state": (
        {"table": OPEN_SHUT, "on_exit_Ajar": lambda self: None},
        "'on_exit_Ajar' is a hook for 'Ajar', which no row mentions.",
    ),
    "a hook that is no method": (
        {"table": OPEN_SHUT, "on_enter_Open": 3},
        "the hook 'on_enter_Open' is not a method.",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str) -> None:
    body, problem = FAULTS[fault]
    with pytest.raises(TableError) as raised:
        make(**body)
    assert str(raised.value) == f"The table of 'Door' is wrong: {problem}"


def test_rows_and_timers_show_as_they_are_written() -> None:
    row = Row(("Open", "Ajar"), "shut", "Shut", "slam", "lock")
    timer = Timer("shut", 30.0, "Open", "Ajar", repeat=True)
    assert eval(repr(row)) == row
    assert eval(repr(timer)) == timer
    state, input, next_state, actions = row
    assert (state, input, next_state) == (("Open", "Ajar"), "shut", "Shut")
    assert actions == ("slam", "lock")
    assert timer.states == ("Open", "Ajar")


def test_initial_state_is_that_of_the_first_row_unless_named() -> None:
    assert make(table=OPEN_SHUT)().state == "Open"
    assert make(table=OPEN_SHUT, initial="Shut")().state == "Shut"


def test_a_final_state_may_absorb() -> None:
    door = make(table=(Row("Open", "burn", "Done"), ABSORB), final=("Done",))()
    door.hit("burn")
    door.hit("again")
    assert door.state == "Done"


def test_states_are_a_namespace() -> None:
    states = make(table=OPEN_SHUT).States
    assert isinstance(states, StateNames)
    assert states.Open == "Open"
    assert type(states.Open) is str
    assert list(states) == ["Open", "Shut"]
    assert len(states) == 2
    assert "Shut" in states
    assert "Ajar" not in states
    assert dir(states) == ["Open", "Shut"]
    assert repr(states) == "States('Open', 'Shut')"
    with pytest.raises(
        AttributeError, match=r"^'Door' has no state 'Ajar': its states are 'Open', 'Shut'\.$"
    ):
        states.Ajar  # noqa: B018
    with pytest.raises(AttributeError, match="cannot be set"):
        states.Ajar = "Ajar"
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del states.Open


def test_states_of_a_class_without_any() -> None:
    assert list(FSM.States) == []
    with pytest.raises(AttributeError, match=r"^'FSM' has no state 'X': its states are none\.$"):
        FSM.States.X  # noqa: B018


def test_a_class_without_rows_is_abstract() -> None:
    for abstract in (FSM, make()):
        assert abstract.plan is None
        with pytest.raises(TableError, match="is abstract: it has no table to run by"):
            abstract()


def test_an_abstract_class_is_not_checked_and_its_subclass_is() -> None:
    class Base(FSM, abstract=True):
        table = (Row("Open", "shut", "Shut", "slam"), Row("Shut", "open", "Open"))

    with pytest.raises(TableError, match="'Base' is abstract"):
        Base()

    class Door(Base):
        def slam(self) -> None: ...

    assert Door().state == "Open"
    with pytest.raises(TableError, match="has the action 'slam'"):
        type("Other", (Base,), {})


class Base(FSM):
    table = (
        Row("Open", "shut", "Shut", "note"),
        Row("Shut", "open", "Open", "note"),
        Row("Shut", "lock", "Locked"),
        Row("Locked", "unlock", "Shut"),
    )
    timers = (Timer("shut", 30.0, "Open"), Timer("lock", 60.0, "Shut"))

    def __init__(self) -> None:
        self.notes: list[str] = []
        super().__init__()

    def note(self) -> None:
        self.notes.append("base")


def test_a_subclass_overrides_an_action() -> None:
    class Door(Base):
        def note(self) -> None:
            super().note()
            self.notes.append("door")

    door, base = Door(), Base()
    door.hit("shut")
    base.hit("shut")
    assert door.notes == ["base", "door"]
    assert base.notes == ["base"]


def test_a_subclass_overrides_adds_and_removes_rows() -> None:
    class Door(Base):
        table = (
            Row("Open", "shut", "Locked"),
            Row("Open", "burn", "Ash"),
            Row("Shut", "lock", None),
        )
        timers = (Timer("lock", None), Timer("shut", 5.0, "Open"), Timer("unlock", 9.0, "Locked"))
        final = ("Ash",)

    assert Door.plan is not None
    assert Door.plan.rows == (
        Row("Open", "shut", "Locked"),
        Row("Open", "burn", "Ash"),
        Row("Shut", "open", "Open", "note"),
        Row("Locked", "unlock", "Shut"),
    )
    assert list(Door.plan.timers.values()) == [
        Timer("shut", 5.0, "Open"),
        Timer("unlock", 9.0, "Locked"),
    ]
    door = Door()
    assert door.next_timer() == 5.0
    door.hit("shut")
    assert door.state == "Locked"
    assert not Base().takes("burn")


def test_removing_the_row_of_a_timer_is_a_fault() -> None:
    with pytest.raises(TableError, match="may fire in 'Shut', which has no row for it"):
        type("Door", (Base,), {"table": (Row("Shut", "lock", None), Row("Open", "l", "Locked"))})


def test_tables_merge_in_method_resolution_order() -> None:
    class Left(FSM, abstract=True):
        table = (Row("A", "go", "B"), Row("B", "go", "A"))

    class Right(FSM, abstract=True):
        table = (Row("A", "go", "A"), Row("A", "skip", "B"))

    class Both(Left, Right):
        pass

    both = Both()
    both.hit("go")
    assert both.state == "B"
    assert Both.plan is not None
    assert [row[:3] for row in Both.plan.rows] == [
        ("A", "go", "B"),
        ("A", "skip", "B"),
        ("B", "go", "A"),
    ]


def test_static_and_class_methods_are_actions_too() -> None:
    seen: list[object] = []

    class Door(FSM):
        table = (Row("Open", "shut", "Shut", "fixed", "classy"), Row("Shut", "open", "Open"))

        @staticmethod
        def fixed(why: str) -> None:
            seen.append(why)

        @classmethod
        def classy(cls, why: str) -> None:
            seen.append((cls, why))

    Door().hit("shut", "cold")
    assert seen == ["cold", (Door, "cold")]


def test_faults_are_usage_errors() -> None:
    with pytest.raises(UsageError):
        make(table=OPEN_SHUT, initial="Ajar")
