"""FSM: the timers that its states own, in virtual time."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, Timer, Timers

from .noted import Noted


class Light(Noted):
    table = (
        Row("Red", "tick", "Green", "a"),
        Row("Green", "tick", "Yellow", "a"),
        Row("Yellow", "tick", "Red", "a"),
        Row(("Red", "Green", "Yellow"), "service", "Dark"),
        Row("Green", "stay", "Green"),
        Row("Dark", "wake", "Red"),
    )
    timers = (
        Timer("tick", "interval", "Red", "Green"),
        Timer("service", 100.0, "Red", "Green", "Yellow"),
    )
    interval: float | None = 10.0


def test_the_initial_state_s_timers_are_armed_when_the_machine_is_made() -> None:
    timers = Timers(1000.0)
    light = Light(timers)
    assert light.scheduler is timers
    assert len(timers) == 2
    assert light.next_timer() == timers.next_timer() == 1010.0


def test_a_machine_drives_its_own_timers() -> None:
    light = Light()
    assert light.next_timer() == 10.0
    assert light.handle_timers(9.9) == 0
    assert light.handle_timers(10.0) == 1
    assert light.state == "Green"


def test_a_timer_owned_by_both_states_runs_on_and_the_rest_is_disarmed() -> None:
    light = Light()
    light.scheduler.now = 4.0
    light.hit("tick")
    assert light.next_timer() == 10.0
    light.hit("tick")
    assert light.state == "Yellow"
    assert light.next_timer() == 100.0
    light.hit("service")
    assert light.next_timer() is None
    assert len(light.scheduler) == 0
    light.scheduler.now = 50.0
    light.hit("wake")
    assert sorted(entry.deadline for entry in light._armed.values()) == [60.0, 150.0]


def test_a_timer_that_fired_stays_disarmed_in_the_next_owner() -> None:
    light = Light()
    light.handle_timers(10.0)
    assert light.state == "Green"
    assert light.next_timer() == 100.0


def test_a_move_that_stays_leaves_timers_alone() -> None:
    light = Light()
    light.hit("tick")
    light.scheduler.now = 5.0
    light.hit("stay")
    assert light.next_timer() == 10.0


def test_a_delay_of_none_is_not_armed() -> None:
    class Reliable(Light):
        interval = None

    light = Reliable()
    assert light.next_timer() == 100.0
    assert light.handle_timers(50.0) == 0


def test_an_error_in_a_timer_s_action_comes_out_of_handle_timers() -> None:
    class Bad(Noted):
        table = (Row("One", "tick", "Two", "fail"), Row("Two", "tick", "One"))
        timers = (Timer("tick", 1.0, "One"),)

    bad = Bad()
    with pytest.raises(ArithmeticError):
        bad.handle_timers(1.0)
    assert bad.state == "One"
    assert bad.next_timer() is None


class Retransmit(Noted):
    """Timer A of an INVITE client transaction: it doubles as long as the state lasts."""

    table = (
        Row("Calling", "retransmit", "Calling", "double"),
        Row("Calling", "trying", "Proceeding"),
        Row("Proceeding", "ok", "Calling"),
    )
    timers = (Timer("retransmit", "interval", "Calling", repeat=True),)

    def __init__(self, scheduler: Timers | None = None) -> None:
        self._interval: float | None = 0.5
        super().__init__(scheduler)

    def interval(self) -> float | None:
        return self._interval

    def double(self) -> None:
        self.notes.append(self.scheduler.now)
        assert self._interval is not None
        self._interval = self._interval * 2 if self._interval < 8 else None


def test_a_repeating_timer_reads_its_delay_after_the_actions() -> None:
    retransmit = Retransmit()
    for due in (0.5, 1.5, 3.5):
        assert retransmit.next_timer() == due
        assert retransmit.handle_timers(due) == 1
    assert retransmit.notes == [0.5, 1.5, 3.5]
    retransmit.hit("trying")
    assert retransmit.next_timer() is None


def test_a_repeating_timer_stops_at_none() -> None:
    retransmit = Retransmit()
    retransmit._interval = 8.0
    assert retransmit.handle_timers(0.5) == 1
    assert retransmit.state == "Calling"
    assert retransmit.next_timer() is None


def test_a_repeating_timer_survives_an_error_in_its_action() -> None:
    class Bad(Noted):
        table = (
            Row("One", "tick", "One", "fail"),
            Row("One", "go", "Two"),
            Row("Two", "go", "One"),
        )
        timers = (Timer("tick", 1.0, "One", repeat=True),)

    bad = Bad()
    with pytest.raises(ArithmeticError):
        bad.handle_timers(1.0)
    assert bad.next_timer() == 2.0


def test_a_repeating_timer_for_at_once_ends() -> None:
    class Busy(Noted):
        table = (Row("One", "tick", "One", "a"), Row("One", "go", "Two"), Row("Two", "go", "One"))
        timers = (Timer("tick", 0, "One", repeat=True),)

    busy = Busy()
    busy.hit("go")
    busy.hit("go")
    assert busy.notes == [("a", "One")]
    assert busy.handle_timers(0.0) == 1
    assert len(busy.notes) == 2


class AtOnce(Noted):
    """Timer D, I, J and K are zero on a reliable transport: the wait is over at once."""

    table = (
        Row("Calling", "done", "Completed", "a"),
        Row("Completed", "linger", "Terminated", "b"),
        Row("Calling", "done and out", "Completed", "push"),
        Row("Completed", "out", "Out"),
        Row("Out", "linger", "Terminated", "b"),
    )
    timers = (Timer("linger", "zero", "Completed"),)
    final = ("Terminated",)
    zero = 0

    def push(self) -> None:
        self.hit("out")

    def on_enter_Completed(self) -> None:
        self.notes.append("entered")


def test_a_delay_of_zero_fires_once_the_transition_is_complete() -> None:
    at_once = AtOnce()
    at_once.hit("done")
    assert at_once.notes == [("a", "Calling"), "entered", ("b", "Completed")]
    assert at_once.state == "Terminated"
    assert len(at_once.scheduler) == 0


def test_a_timer_left_before_its_turn_in_line_does_not_fire() -> None:
    at_once = AtOnce()
    at_once.hit("done and out")
    assert at_once.state == "Out"
    assert at_once.next_timer() is None


def test_a_delay_of_zero_in_the_initial_state_waits_for_the_queue() -> None:
    class First(AtOnce):
        initial = "Completed"
        table = (Row("Completed", "again", "Calling"),)

    first = First()
    assert first.state == "Completed"
    assert first.handle_timers(0.0) == 1
    assert first.state == "Terminated"


class Session(Noted):
    table = (
        Row("Up", "refresh", "Up", "restart"),
        Row("Up", "expire", "Down"),
        Row("Up", "bad", "Up", "restart", "fail"),
        Row("Down", "up", "Up"),
    )
    timers = (Timer("expire", "interval", "Up"),)
    interval: Any = 90.0

    def restart(self) -> None:
        self.rearm("expire")


def test_rearm_starts_anew_with_a_new_delay() -> None:
    session = Session()
    session.scheduler.now = 50.0
    session.interval = 30.0
    session.hit("refresh")
    assert session.next_timer() == 80.0
    assert len(session.scheduler) == 1
    session.rearm("expire")
    assert session.next_timer() == 80.0


def test_rearm_with_none_disarms_and_after_that_arms() -> None:
    session = Session()
    session.interval = None
    session.rearm("expire")
    assert session.next_timer() is None
    session.interval = 1.0
    session.rearm("expire")
    assert session.next_timer() == 1.0


def test_rearm_for_at_once() -> None:
    session = Session()
    session.interval = 0
    session.hit("refresh")
    assert session.state == "Down"
    session.interval = 5.0
    session.hit("up")
    session.interval = -1
    session.rearm("expire")
    assert session.state == "Down"


def test_rearm_stays_done_when_its_action_raises() -> None:
    session = Session()
    session.interval = 0
    with pytest.raises(ArithmeticError):
        session.hit("bad")
    assert session.state == "Down"


def test_rearm_of_a_timer_that_the_state_does_not_own() -> None:
    session = Session()
    with pytest.raises(UsageError, match=r"State 'Up' of 'Session\d+' owns no timer 'refresh'"):
        session.rearm("refresh")
    session.hit("expire")
    with pytest.raises(UsageError, match=r"State 'Down' of 'Session\d+' owns no timer 'expire'"):
        session.rearm("expire")


@pytest.mark.parametrize("delay", ["x", float("nan"), float("inf"), [1]])
def test_rearm_with_a_bad_delay_leaves_the_timer(delay: object) -> None:
    session = Session()
    session.interval = delay
    with pytest.raises(UsageError, match="not a finite number of seconds or None"):
        session.rearm("expire")
    assert session.next_timer() == 90.0


def test_machines_share_a_queue() -> None:
    timers = Timers()
    first, second = Light(timers), Light(timers)
    timers.now = 3.0
    second.hit("tick")
    second.hit("tick")
    assert timers.next_timer() == 10.0
    assert timers.handle_timers(10.0) == 1
    assert (first.state, second.state) == ("Green", "Yellow")
    assert second.next_timer() == 100.0


def test_a_queue_may_arm_a_machine_in_its_name() -> None:
    light = Light()
    light.scheduler.arm(1.0, light, "tick")
    assert light.handle_timers(1.0) == 1
    assert light.state == "Green"
    assert light.next_timer() == 10.0


def test_a_timer_that_falls_due_in_an_action_stands_in_line() -> None:
    class Slow(Noted):
        table = (
            Row("One", "work", "Two", "wait", "b"),
            Row(("One", "Two"), "tick", "Three", "a"),
            Row("Three", "go", "One"),
        )
        timers = (Timer("tick", 1.0, "One", "Two"),)

        def wait(self) -> None:
            self.scheduler.handle_timers(2.0)

    slow = Slow()
    slow.hit("work")
    assert slow.notes == [("b", "One"), ("a", "Two")]
    assert slow.state == "Three"


def test_a_finished_machine_is_freed_without_the_collector() -> None:
    timers = Timers()
    light = Light(timers)
    gone = weakref.ref(light)
    light.hit("service")
    gc.disable()
    try:
        del light
        assert gone() is None
    finally:
        gc.enable()


def test_a_machine_needs_what_its_delays_are_read_from() -> None:
    class Early(Retransmit):
        def __init__(self) -> None:
            FSM.__init__(self)

    with pytest.raises(AttributeError, match="_interval"):
        Early()


class Handover(Noted):
    """A timer that repeats goes on in a state that disarms the other one."""

    table = (
        Row("First", "timer_again", "Second", "a"),
        Row("First", "timer_over", "Second"),
        Row("Second", "timer_again", "Second", "b"),
        Row("Second", "stop", "Done"),
    )
    timers = (
        Timer("timer_again", 1.0, "First", "Second", repeat=True),
        Timer("timer_over", 5.0, "First"),
    )
    final = ("Done",)


def test_a_timer_that_repeats_goes_on_where_the_others_are_disarmed() -> None:
    machine = Handover()
    for now in (1.0, 2.0, 3.0):
        machine.handle_timers(now)
    assert [note[0] for note in machine.notes] == ["a", "b", "b"]
    assert machine.next_timer() == 4.0
    machine.hit("stop")
    assert machine.next_timer() is None
