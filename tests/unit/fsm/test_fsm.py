"""FSM: the laws of a transition, row by row, in virtual time."""

from __future__ import annotations

import logging
import weakref
from itertools import count

import pytest

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, TableError, Timer, UnexpectedInput

from .noted import Noted

# Inputs.


class SimpleCall(FSM):
    __slots__ = ()
    table = (
        Row("Initial", "invite", "InDialog"),
        Row("InDialog", "terminate", "Terminated"),
    )
    final = ("Terminated",)


def test_unexpected_input(caplog: pytest.LogCaptureFixture) -> None:
    SimpleCall._numbers = count(3)
    call = SimpleCall()
    call.hit("invite")
    call.hit("terminate")
    expected = (
        "Bad input 'terminate' to 'SimpleCall' instance 'SimpleCall3' (current state 'Terminated')."
    )
    with pytest.raises(UnexpectedInput) as raised:
        call.hit("terminate")
    assert str(raised.value) == expected
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert caplog.record_tuples == [("sipparty.fsm.fsm", logging.ERROR, expected)]
    assert call.state == "Terminated"
    assert call.unheard == 0


def test_instances_are_numbered_class_by_class() -> None:
    class One(SimpleCall):
        pass

    class Two(One):
        pass

    assert [One().name, One().name, Two().name, One().name] == ["One1", "One2", "Two1", "One3"]


def test_a_wrong_input_from_the_wire_is_counted_and_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "sipparty.fsm.fsm")
    call = SimpleCall()
    assert call.hear("terminate") is False
    assert call.hear("nonsense") is False
    assert call.unheard == 2
    assert call.state == "Initial"
    assert call.hear("invite") is True
    assert call.state == "InDialog"
    assert call.unheard == 2
    assert caplog.record_tuples[0] == (
        "sipparty.fsm.fsm",
        logging.DEBUG,
        f"{call.name} dropped 'terminate' in state 'Initial'.",
    )


def test_on_unheard_can_be_overridden() -> None:
    dropped: list[str] = []

    class Call(SimpleCall):
        def on_unheard(self, input: str) -> None:
            dropped.append(input)

    Call().hear("nonsense")
    assert dropped == ["nonsense"]


def test_takes() -> None:
    call = SimpleCall()
    assert call.takes("invite")
    assert not call.takes("terminate")


def test_slots() -> None:
    class Small(SimpleCall):
        __slots__ = ()

    small = Small()
    assert not hasattr(small, "__dict__")
    assert weakref.ref(small)() is small


# One transition.


class Steps(Noted):
    table = (
        Row("One", "go", "Two", "a", "b"),
        Row("One", "stay", "One", "a"),
        Row("Two", "go", "One"),
    )

    def on_exit_One(self) -> None:
        self.notes.append(("exit One", self.state))

    def on_enter_One(self) -> None:
        self.notes.append(("enter One", self.state))

    def on_enter_Two(self) -> None:
        self.notes.append(("enter Two", self.state))

    def on_transition(self, old: str, input: str, new: str) -> None:
        self.notes.append((old, input, new, self.state))


def test_the_order_of_a_transition() -> None:
    steps = Steps()
    assert steps.notes == []
    steps.hit("go", 1, "x")
    assert steps.notes == [
        ("a", "One", 1, "x"),
        ("b", "One", 1, "x"),
        ("exit One", "One"),
        ("One", "go", "Two", "Two"),
        ("enter Two", "Two"),
    ]


def test_a_move_that_stays_runs_no_hooks_for_states() -> None:
    steps = Steps()
    steps.hit("stay")
    assert steps.notes == [("a", "One"), ("One", "stay", "One", "One")]


class Failing(Noted):
    table = (
        Row("One", "go", "Two"),
        Row("One", "bad", "Two", "a", "again", "fail", "b"),
        Row("Two", "go", "One"),
        Row("Two", "bad exit", "One", "again"),
        Row("Two", "three", "Three", "push_end"),
        Row("Three", "end", "One"),
    )
    timers = (Timer("go", 5.0, "One"), Timer("end", "end_delay", "Three"))
    end_delay = 1.0

    def on_exit_Two(self) -> None:
        if "bad exit" in self.notes:
            raise ArithmeticError("exit failed")

    def on_enter_Three(self) -> None:
        raise ArithmeticError("enter failed")

    def push_end(self) -> None:
        self.hit("end")


def test_an_action_that_raises_changes_nothing() -> None:
    failing = Failing()
    with pytest.raises(ArithmeticError):
        failing.hit("bad")
    # What `again` put in line went with the transition: the machine would be in Two otherwise.
    assert failing.state == "One"
    assert failing.notes == [("a", "One"), "again"]
    assert failing.next_timer() == 5.0
    failing.hit("go")
    assert failing.state == "Two"


def test_an_exit_hook_that_raises_changes_nothing() -> None:
    failing = Failing()
    failing.hit("go")
    failing.notes.append("bad exit")
    with pytest.raises(ArithmeticError, match="exit failed"):
        failing.hit("bad exit")
    assert failing.state == "Two"
    assert failing.next_timer() is None


def test_a_delay_that_raises_changes_nothing() -> None:
    failing = Failing()
    failing.hit("go")
    failing.end_delay = "soon"
    with pytest.raises(UsageError) as raised:
        failing.hit("three")
    assert str(raised.value) == (
        f"The delay 'end_delay' of timer 'end' of {failing.name!r} is 'soon',"
        " not a finite number of seconds or None."
    )
    assert failing.state == "Two"


def test_an_enter_hook_that_raises_leaves_the_transition_done() -> None:
    failing = Failing()
    failing.hit("go")
    with pytest.raises(ArithmeticError, match="enter failed"):
        failing.hit("three")
    # The line was run all the same: `end` brought it from Three to One.
    assert failing.state == "One"
    assert failing.next_timer() == 5.0


# The line.


class Line(Noted):
    table = (
        Row("One", "go", "Two", "a", "again", "b"),
        Row("Two", "go", "Three", "a"),
        Row("Three", "go", "One"),
        Row("One", "two bad", "Two", "hit_bad"),
        Row("One", "hear", "Two", "hear_bad"),
        Row("Two", "fail", "Two", "fail"),
    )

    def hit_bad(self) -> None:
        self.hit("nonsense")
        self.hit("fail")
        self.hit("go")

    def hear_bad(self) -> None:
        self.notes.append(self.hear("nonsense"))
        self.notes.append(self.hear("go"))


def test_an_input_from_an_action_waits_for_the_end_of_the_transition() -> None:
    line = Line()
    line.hit("go")
    assert line.notes == [("a", "One"), "again", ("b", "One"), ("a", "Two")]
    assert line.state == "Three"


def test_the_line_is_run_to_its_end_and_the_first_error_comes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line()
    with pytest.raises(UnexpectedInput, match="Bad input 'nonsense'"):
        line.hit("two bad")
    assert line.state == "Three"
    assert [record.getMessage() for record in caplog.records] == [
        f"Bad input 'nonsense' to 'Line' instance {line.name!r} (current state 'Two').",
        f"{line.name} raised another error on input 'fail'.",
    ]
    line.hit("go")
    assert line.state == "One"


def test_hear_from_an_action_stands_in_line_too() -> None:
    line = Line()
    assert line.hear("hear") is True
    assert line.notes == [True, True, ("a", "Two")]
    assert line.state == "Three"
    assert line.unheard == 1


def test_a_failing_transition_in_line_takes_only_its_own_inputs_out() -> None:
    class Chain(Noted):
        table = (
            Row("One", "start", "Two", "push"),
            Row("Two", "bad", "Two", "again", "fail"),
            Row("Two", "after", "Three"),
            Row("Three", "go", "One"),
        )

        def push(self) -> None:
            self.hit("bad")
            self.hit("after")

    chain = Chain()
    with pytest.raises(ArithmeticError):
        chain.hit("start")
    assert chain.state == "Three"


def test_fsm_itself_cannot_be_made() -> None:
    with pytest.raises(TableError, match=r"^'FSM' is abstract: it has no table to run by\.$"):
        FSM()
