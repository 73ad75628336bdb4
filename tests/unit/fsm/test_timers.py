"""Timers: order, cancelling and memory, in virtual time, and against a naive model."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from sipparty.fsm import Entry, Timers


class Owner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def _fire(self, input: str, /) -> None:
        self.told.append(input)


def test_an_empty_queue() -> None:
    timers = Timers(7.0)
    assert timers.now == 7.0
    assert len(timers) == 0
    assert timers
    assert timers.next_timer() is None
    assert timers.handle_timers(8.0) == 0
    assert timers.now == 8.0


def test_fires_in_deadline_order_across_durations() -> None:
    timers, owner = Timers(), Owner()
    timers.arm(3.0, owner, "late")
    timers.arm(1.0, owner, "early")
    timers.now = 1.5
    timers.arm(1.0, owner, "between")
    assert timers.next_timer() == 1.0
    assert timers.handle_timers(0.9) == 0
    assert timers.handle_timers(2.5) == 2
    assert owner.told == ["early", "between"]
    assert timers.next_timer() == 3.0
    assert timers.handle_timers(3.0) == 1
    assert timers.next_timer() is None


def test_one_deadline_fires_in_the_order_of_arming() -> None:
    timers, owner = Timers(), Owner()
    timers.arm(2.0, owner, "first")
    timers.now = 1.0
    timers.arm(1.0, owner, "second")
    timers.now = 2.0
    timers.arm(0.0, owner, "third")
    timers.handle_timers(2.0)
    assert owner.told == ["first", "second", "third"]


def test_cancelled_entries_do_not_fire() -> None:
    timers, owner = Timers(), Owner()
    first = timers.arm(1.0, owner, "first")
    timers.arm(1.0, owner, "second")
    timers.cancel(first)
    timers.cancel(first)
    assert len(timers) == 1
    timers.now = 0.5
    assert timers.next_timer() == 1.0
    assert timers.handle_timers(1.0) == 1
    assert owner.told == ["second"]
    timers.cancel(first)
    assert len(timers) == 0


def test_cancelling_a_fired_entry_does_nothing() -> None:
    timers, owner = Timers(), Owner()
    entry = timers.arm(1.0, owner, "once")
    timers.handle_timers(1.0)
    timers.cancel(entry)
    assert len(timers) == 0
    assert timers.handle_timers(9.0) == 0


def test_a_negative_delay_is_none_at_all() -> None:
    timers, owner = Timers(5.0), Owner()
    assert timers.arm(-3.0, owner, "now").deadline == 5.0


@pytest.mark.parametrize("delay", [float("inf"), float("-inf"), float("nan")])
def test_a_delay_has_to_be_finite(delay: float) -> None:
    timers = Timers()
    with pytest.raises(ValueError, match=r"The delay of 'x' is .*, not a finite number"):
        timers.arm(delay, Owner(), "x")
    assert len(timers) == 0


class Again(Owner):
    """Arms itself anew whenever it is told."""

    def __init__(self, timers: Timers, delay: float) -> None:
        super().__init__()
        self.timers = timers
        self.delay = delay

    def _fire(self, input: str, /) -> None:
        super()._fire(input)
        self.timers.arm(self.delay, self, input)


def test_what_is_armed_for_at_once_waits_for_the_next_call() -> None:
    timers = Timers()
    owner = Again(timers, 0.0)
    other = Owner()
    timers.arm(1.0, owner, "again")
    timers.arm(1.0, other, "mine too")
    assert timers.handle_timers(1.0) == 2
    assert other.told == ["mine too"]
    assert timers.next_timer() == 1.0
    assert timers.handle_timers(1.0) == 1
    assert len(timers) == 1


def test_delays_count_from_when_the_queue_was_handled() -> None:
    timers = Timers()
    timers.arm(1.0, Again(timers, 1.0), "again")
    timers.handle_timers(1.25)
    assert timers.next_timer() == 2.25


def test_an_entry_is_dead_before_its_owner_is_told() -> None:
    timers = Timers()
    seen: list[object] = []

    class Looks:
        def _fire(self, input: str, /) -> None:
            seen.append((entry.owner, len(timers)))

    entry = timers.arm(1.0, Looks(), "x")
    timers.handle_timers(1.0)
    assert seen == [(None, 0)]


def test_an_owner_may_cancel_what_is_due() -> None:
    timers, owner = Timers(), Owner()

    class Cancels:
        def _fire(self, input: str, /) -> None:
            timers.cancel(victim)

    timers.arm(1.0, Cancels(), "x")
    victim = timers.arm(1.0, owner, "y")
    assert timers.handle_timers(2.0) == 1
    assert owner.told == []


def test_an_error_comes_out_and_the_rest_fires_at_the_next_call() -> None:
    timers, owner = Timers(), Owner()

    class Raises:
        def _fire(self, input: str, /) -> None:
            raise ArithmeticError(input)

    timers.arm(1.0, Raises(), "bad")
    timers.arm(1.0, owner, "good")
    with pytest.raises(ArithmeticError):
        timers.handle_timers(1.0)
    assert len(timers) == 1
    assert timers.handle_timers(1.0) == 1
    assert owner.told == ["good"]


def test_dead_entries_keep_nothing_alive() -> None:
    timers, owner = Timers(), Owner()
    gone = weakref.ref(owner)
    entry = timers.arm(1.0, owner, "x")
    timers.cancel(entry)
    del owner
    gc.collect()
    assert gone() is None
    assert entry.owner is None


@pytest.mark.parametrize("durations", [1, 1000])
def test_memory_is_bounded_under_cancelling(durations: int) -> None:
    timers, owner = Timers(), Owner()
    timers.arm(1e6, owner, "stays")
    for number in range(3000):
        timers.cancel(timers.arm(1.0 + number % durations, owner, "x"))
    held = sum(len(fifo) for fifo in timers._fifos.values())
    assert held <= 2 * 1 + 64 + 1
    assert len(timers) == 1
    assert timers.next_timer() == 1e6


def test_emptied_fifos_are_deleted() -> None:
    timers, owner = Timers(), Owner()
    for number in range(100):
        timers.arm(number / 7, owner, "x")
    assert timers.handle_timers(1000.0) == 100
    assert timers.next_timer() is None
    assert not timers._fifos
    assert not timers._heap


def test_repr() -> None:
    timers, owner = Timers(1.0), Owner()
    entry = timers.arm(2.0, owner, "tick")
    assert repr(timers) == "<Timers at 1: 1 armed, next at 3.0>"
    assert repr(entry) == "<Entry 'tick' due at 3>"
    timers.cancel(entry)
    assert repr(entry) == "<Entry 'tick', dead>"


class TimersModel(RuleBasedStateMachine):
    """`Timers` does what a list sorted by (deadline, order of arming) does."""

    entries = Bundle("entries")

    def __init__(self) -> None:
        super().__init__()
        self.timers = Timers()
        self.owner = Owner()
        self.model: list[tuple[float, int]] = []
        self.armed = 0

    @rule(
        target=entries,
        delay=st.sampled_from([0.0, 0.5, 1.0, 4.0, 32.0]) | st.floats(0, 50),
        times=st.integers(1, 3),
    )
    def arm(self, delay: float, times: int) -> list[tuple[Entry, tuple[float, int]]]:
        made = []
        for _ in range(times):
            self.armed += 1
            key = (self.timers.now + delay, self.armed)
            self.model.append(key)
            made.append((self.timers.arm(delay, self.owner, str(self.armed)), key))
        return made

    @rule(some=consumes(entries))
    def cancel(self, some: list[tuple[Entry, tuple[float, int]]]) -> None:
        for entry, key in some:
            self.timers.cancel(entry)
            if key in self.model:
                self.model.remove(key)

    @rule()
    def churn(self) -> None:
        for _ in range(70):
            self.armed += 1
            self.timers.cancel(self.timers.arm(2.0, self.owner, "churn"))

    @rule(step=st.floats(0, 40) | st.just(1.0))
    def handle(self, step: float) -> None:
        now = self.timers.now + step
        due = sorted(key for key in self.model if key[0] <= now)
        self.model = [key for key in self.model if key[0] > now]
        self.owner.told.clear()
        assert self.timers.handle_timers(now) == len(due)
        assert self.owner.told == [str(order) for _, order in due]

    @invariant()
    def agrees(self) -> None:
        assert len(self.timers) == len(self.model)
        assert self.timers.next_timer() == (min(self.model)[0] if self.model else None)


TimersModel.TestCase.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, derandomize=True
)
TestTimersModel = TimersModel.TestCase
