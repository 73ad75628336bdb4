"""Waiting, across threads and loops, and the portal. Nothing here waits for a clock."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from sipparty.fsm import FSM, Row, Timeout, UnexpectedInput, WouldDeadlock, verb


class Call(FSM):
    table = (
        Row("Initial", "invite", "Ringing"),
        Row("Ringing", "ring", "Ringing"),
        Row("Ringing", "answer", "InDialog", "push"),
        Row("InDialog", "bye", "Terminated"),
    )
    final = ("Terminated",)

    def push(self, then: str | None = None) -> None:
        if then is not None:
            self.hit(then)


class Thread:
    """A thread that runs what it is given: the portal of the machines that live there."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def run(self, function: Callable[..., Any], /, *args: object) -> Any:
        if threading.current_thread() is self._thread:
            return function(*args)
        done: Future[Any] = Future()

        def work() -> None:
            try:
                done.set_result(function(*args))
            except BaseException as error:
                done.set_exception(error)

        self._work.put(work)
        return done.result(10)

    def event(self):
        return threading.Event()

    def check_may_block(self) -> None:
        if threading.current_thread() is self._thread:
            raise WouldDeadlock("A wait on the machine's own thread would never end.")

    def stop(self) -> None:
        self._work.put(None)
        self._thread.join(10)


@pytest.fixture
def thread() -> Iterator[Thread]:
    thread = Thread()
    yield thread
    thread.stop()


class Waiter:
    """A thread that waits on a machine; `asked` is set once its watcher is in place."""

    def __init__(self, call: Call, condition: Callable[[str], object]) -> None:
        self.asked = threading.Event()
        self.states: list[str] = []
        self.result: Future[str] = Future()

        def asks(state: str) -> object:
            self.states.append(state)
            try:
                return condition(state)
            finally:
                self.asked.set()

        def wait() -> None:
            try:
                self.result.set_result(call.waitForStateCondition(asks, timeout=10))
            except BaseException as error:
                self.result.set_exception(error)

        self.thread = threading.Thread(target=wait)
        self.thread.start()
        assert self.asked.wait(10)

    def end(self) -> str:
        self.thread.join(10)
        return self.result.result(0)


def test_a_condition_that_is_true_now() -> None:
    call = Call()
    assert call.waitForStateCondition(lambda state: state == call.States.Initial) == "Initial"
    assert call._watchers is None


def test_a_thread_is_woken_by_a_change_of_state() -> None:
    call = Call()
    waiter = Waiter(call, lambda state: state == "InDialog")
    call.hit("invite")
    call.hit("ring")
    call.hit("answer")
    assert waiter.end() == "InDialog"
    # Asked about each change once, and not about a move that stays.
    assert waiter.states == ["Initial", "Ringing", "InDialog"]
    assert call._watchers is None


def test_no_state_is_missed_however_short() -> None:
    call = Call()
    waiter = Waiter(call, lambda state: state == "InDialog")
    call.hit("invite")
    call.hit("answer", "bye")
    assert call.state == "Terminated"
    assert waiter.end() == "InDialog"


def test_two_threads_may_wait() -> None:
    call = Call()
    first = Waiter(call, lambda state: state == "Ringing")
    second = Waiter(call, lambda state: state == "InDialog")
    call.hit("invite")
    assert first.end() == "Ringing"
    call.hit("answer")
    assert second.end() == "InDialog"
    assert call._watchers is None


def test_what_a_condition_raises_later_is_raised_in_the_waiter() -> None:
    call = Call()

    def condition(state: str) -> bool:
        if state == "Ringing":
            raise ArithmeticError("bad condition")
        return False

    waiter = Waiter(call, condition)
    call.hit("invite")
    assert call.state == "Ringing"
    with pytest.raises(ArithmeticError, match="bad condition"):
        waiter.end()
    assert call._watchers is None


def test_what_a_condition_raises_now_is_raised() -> None:
    call = Call()
    with pytest.raises(ZeroDivisionError):
        call.waitForStateCondition(lambda state: 1 / 0)
    assert call._watchers is None


def test_a_failed_enter_hook_still_tells_the_waiter() -> None:
    class Bad(Call):
        def on_enter_Ringing(self) -> None:
            raise ArithmeticError

    bad = Bad()
    waiter = Waiter(bad, lambda state: state == "Ringing")
    with pytest.raises(ArithmeticError):
        bad.hit("invite")
    assert waiter.end() == "Ringing"


def test_nobody_goes_on_before_the_state_is_entered() -> None:
    """Who waits for the end of a call finds its media closed, however the two threads cross."""
    looks: list[str] = []

    class Closing(Call):
        def on_enter_Ringing(self) -> None:
            assert self.state == "Ringing"
            with pytest.raises(Timeout):
                self.waitForStateCondition(lambda state: state == "Ringing", 0)
            looks.append(self.waitForStateCondition(lambda state: True, 0))

    call = Closing()
    call.hit("invite")
    assert looks == ["Initial"]
    assert call.waitForStateCondition(lambda state: state == "Ringing", 0) == "Ringing"


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_timeout(timeout: float) -> None:
    call = Call()
    with pytest.raises(Timeout) as raised:
        call.waitForStateCondition(lambda state: False, timeout)
    assert str(raised.value) == (
        f"{call.name!r} did not get to the state waited for within {timeout:g} seconds"
        " (current state 'Initial')."
    )
    assert isinstance(raised.value, TimeoutError)
    assert call._watchers is None


def test_an_endless_timeout_is_none() -> None:
    call = Call()
    assert call.waitForStateCondition(lambda state: True, float("inf")) == "Initial"


def test_a_wait_on_the_machine_s_own_thread_raises(thread: Thread) -> None:
    call = Call()
    call.portal = thread
    with pytest.raises(WouldDeadlock):
        thread.run(call.waitForStateCondition, lambda state: True)
    assert call.waitForStateCondition(lambda state: True) == "Initial"


# Coroutines.


async def test_a_coroutine_on_the_machine_s_loop() -> None:
    call = Call()
    task = asyncio.create_task(call.stateCondition(lambda state: state == "InDialog"))
    await asyncio.sleep(0)
    call.hit("invite")
    await asyncio.sleep(0)
    assert not task.done()
    call.hit("answer")
    assert await task == "InDialog"
    assert call._watchers is None


async def test_a_coroutine_and_a_condition_that_is_true_now() -> None:
    call = Call()
    assert await call.stateCondition(lambda state: state == "Initial") == "Initial"
    assert call._watchers is None


async def test_a_coroutine_on_another_thread_s_machine(thread: Thread) -> None:
    call = Call()
    call.portal = thread
    task = asyncio.create_task(call.stateCondition(lambda state: state == "InDialog", timeout=10))
    await asyncio.sleep(0)
    thread.run(call.hit, "invite")
    thread.run(call.hit, "answer", "bye")
    assert await task == "InDialog"
    assert call.state == "Terminated"
    assert call._watchers is None


async def test_a_coroutine_times_out() -> None:
    call = Call()
    with pytest.raises(Timeout, match=r"within 0 seconds \(current state 'Initial'\)"):
        await call.stateCondition(lambda state: False, timeout=0)
    assert call._watchers is None


async def test_a_coroutine_gets_what_its_condition_raises() -> None:
    call = Call()
    task = asyncio.create_task(call.stateCondition(lambda state: state != "Initial" and 1 / 0))
    await asyncio.sleep(0)
    call.hit("invite")
    assert call.state == "Ringing"
    with pytest.raises(ZeroDivisionError):
        await task
    assert call._watchers is None


async def test_a_cancelled_coroutine_leaves_nothing_behind() -> None:
    call = Call()
    task = asyncio.create_task(call.stateCondition(lambda state: state == "Ringing"))
    await asyncio.sleep(0)
    assert call._watchers is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call._watchers is None
    call.hit("invite")


async def test_a_wait_cancelled_in_the_turn_that_settles_it() -> None:
    call = Call()
    task = asyncio.create_task(call.stateCondition(lambda state: state == "Ringing"))
    await asyncio.sleep(0)
    call.hit("invite")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call._watchers is None


def test_a_loop_that_was_closed_does_not_disturb_the_machine(thread: Thread) -> None:
    call = Call()
    loop = asyncio.new_event_loop()
    waiting = call.stateCondition(lambda state: state == "Ringing")

    async def begin() -> None:
        waiting.send(None)

    loop.run_until_complete(begin())
    loop.close()
    thread.run(call.hit, "invite")
    assert call.state == "Ringing"
    waiting.close()
    assert call._watchers is None


# Verbs.


class Phone(Call):
    @verb
    def invite(self, target: str, *, retries: int = 0) -> tuple[str, int, int]:
        """Call somebody."""
        self.hit("invite")
        return target, retries, threading.get_ident()


def test_a_verb_runs_directly_without_a_portal() -> None:
    assert Phone().invite("bob", retries=2) == ("bob", 2, threading.get_ident())


def test_a_verb_runs_on_the_machine_s_thread(thread: Thread) -> None:
    phone = Phone()
    assert phone.portal is None
    phone.portal = thread
    assert phone.portal is thread
    there = thread.run(threading.get_ident)
    assert there != threading.get_ident()
    assert phone.invite("bob", retries=2) == ("bob", 2, there)
    assert phone.state == "Ringing"


def test_a_verb_brings_its_error_back(thread: Thread) -> None:
    phone = Phone()
    phone.portal = thread
    phone.invite("bob")
    with pytest.raises(UnexpectedInput, match="Bad input 'invite'"):
        phone.invite("bob")


def test_a_verb_keeps_its_name_and_signature() -> None:
    assert Phone.invite.__name__ == "invite"
    assert Phone.invite.__doc__ == "Call somebody."
    assert list(inspect.signature(Phone.invite).parameters) == ["self", "target", "retries"]
