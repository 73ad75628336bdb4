"""Running handlers: where, in which order, and what becomes of their errors."""

import asyncio
import functools
import logging
import queue
import threading
from typing import NamedTuple

import pytest

from sipparty.concurrency.dispatch import Dispatcher
from sipparty.sip import Limits

PATIENCE = 10


@pytest.fixture
def dispatcher():
    """One on the test's own loop."""
    made = []

    def make(**limits):
        made.append(Dispatcher(asyncio.get_running_loop(), Limits(**limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def done(event):
    """Wait for a `threading.Event` on the loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


class Gate:
    """A plain handler that tells when it is entered, and blocks until it is let through."""

    def __init__(self):
        self.entered, self.let, self.left = (threading.Event() for _ in range(3))

    def __call__(self, event):
        self.entered.set()
        assert self.let.wait(PATIENCE)
        self.left.set()


async def test_a_plain_function_runs_on_a_thread_of_its_own(dispatcher):
    ran = threading.Event()
    seen = []

    def handler(event):
        seen.append((event, threading.current_thread()))
        ran.set()

    dispatcher().run(handler, "event", "topic")
    await done(ran)
    [(event, thread)] = seen
    assert event == "event"
    assert thread is not threading.current_thread()
    assert thread.daemon  # no exit waits for it


async def test_a_coroutine_runs_on_the_loop(dispatcher):
    ran = asyncio.Event()
    threads = []

    async def handler(event):
        threads.append((event, threading.current_thread()))
        ran.set()

    dispatcher().run(handler, "event", None)
    await asyncio.wait_for(ran.wait(), PATIENCE)
    assert threads == [("event", threading.current_thread())]


class CallableObject:
    def __init__(self, function):
        self.function = function

    async def __call__(self, event):
        await self.function(event)


@pytest.mark.parametrize(
    "wrap", [functools.partial, CallableObject, lambda function: lambda event: function(event)]
)
async def test_what_turns_out_to_be_a_coroutine_runs_on_the_loop_too(dispatcher, wrap):
    ran = asyncio.Event()
    threads = []

    async def handler(event):
        threads.append(threading.current_thread())
        ran.set()

    dispatcher().run(wrap(handler), "event", "topic")
    await asyncio.wait_for(ran.wait(), PATIENCE)
    assert threads == [threading.current_thread()]


async def test_one_topic_keeps_its_order(dispatcher):
    one, seen, last = dispatcher(), [], threading.Event()
    gate = Gate()
    one.run(gate, 0, "topic")
    for number in range(1, 200):
        one.run(seen.append, number, "topic")
    one.run(lambda _: last.set(), None, "topic")
    await done(gate.entered)
    assert seen == []
    gate.let.set()
    await done(last)
    assert seen == list(range(1, 200))


async def test_a_slow_handler_delays_no_other_topic(dispatcher):
    one, gates = dispatcher(), [Gate() for _ in range(10)]
    for number, gate in enumerate(gates):
        one.run(gate, None, number)
    for gate in gates:  # all are inside at the same time
        await done(gate.entered)
    for gate in gates:
        gate.let.set()
        await done(gate.left)


async def test_more_topics_than_threads_wait_their_turn(dispatcher, caplog):
    one, gates = dispatcher(max_handlers=2), [Gate() for _ in range(2)]
    for number, gate in enumerate(gates):
        one.run(gate, None, number)
    ran = [threading.Event() for _ in range(5)]
    for number, event in enumerate(ran):
        one.run(lambda e: e.set(), event, ("later", number))
    for gate in gates:
        await done(gate.entered)
    assert not any(event.is_set() for event in ran)
    gates[0].let.set()
    for event in ran:
        await done(event)
    gates[1].let.set()
    # Who has too few is told, once.
    [record] = caplog.records
    assert record.getMessage().startswith("All 2 threads for handlers are busy")


class Progress(NamedTuple):
    """An event that the next of its kind and number outdates."""

    number: int
    text: str

    @property
    def merge_key(self):
        return self.number


async def test_what_waits_is_outdated_by_what_reports_the_same_anew(dispatcher):
    """A peer that sends a thousand 183 to a slow handler fills no memory."""
    one, gate, seen, others = dispatcher(), Gate(), [], []
    last = threading.Event()
    one.run(gate, Progress(0, "first"), "topic")
    one.run(seen.append, Progress(0, "a"), "topic")
    for number in range(1000):
        one.run(seen.append, Progress(number % 3, f"{number}"), "topic")
        one.run(seen.append, "kept" if number == 500 else Progress(7, "x"), "topic")
    one.run(others.append, Progress(1, "of another handler"), "topic")
    assert len(one._lines["topic"]) <= 8
    one.run(lambda _: last.set(), None, "topic")
    gate.let.set()
    await done(last)
    assert seen == ["kept", (1, "997"), (2, "998"), (0, "999"), (7, "x")]
    assert others == [(1, "of another handler")]


async def test_so_many_events_wait_and_no_more(dispatcher, caplog):
    one, gate, seen, last = dispatcher(max_events=3), Gate(), [], threading.Event()
    one.run(gate, None, "topic")
    await done(gate.entered)
    for number in range(10):
        one.run(seen.append, number, "topic")
    one.run(lambda _: last.set(), None, "topic")
    gate.let.set()
    await done(last)
    assert seen == [8, 9]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_coroutine_that_is_slow_is_followed_by_the_last_alone(dispatcher):
    one, let, seen, last = dispatcher(), asyncio.Event(), [], asyncio.Event()

    async def handler(event):
        seen.append(event.text)
        await let.wait()
        if event.text == "999":
            last.set()

    for number in range(1000):
        one.run(handler, Progress(183, str(number)), "topic")
    one.run(handler, Progress(180, "other"), "topic")
    await asyncio.sleep(0)
    assert len(one._tasks) == 2
    let.set()
    await asyncio.wait_for(last.wait(), PATIENCE)
    assert seen == ["0", "other", "999"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not one._latest


async def test_what_found_no_thread_in_time_is_dropped_and_told(dispatcher):
    one, gate = dispatcher(max_handlers=1, handler_patience=0), Gate()
    late, seen = asyncio.Event(), []
    one.run(gate, None, 1)
    await done(gate.entered)
    one.run(seen.append, "a", 2, None, late.set)
    one.run(seen.append, "behind it", 2)
    await asyncio.wait_for(late.wait(), PATIENCE)
    ran = threading.Event()
    one.run(lambda _: ran.set(), None, 3)
    gate.let.set()
    await done(ran)
    assert seen == []


async def test_what_has_begun_is_not_too_late(dispatcher):
    one, first, second, late = dispatcher(max_handlers=1), Gate(), Gate(), []
    one.run(first, None, 1)
    await done(first.entered)
    one.run(second, None, 2, None, lambda: late.append(2))
    work = one._lines[2][0]
    first.let.set()
    await done(second.entered)
    one._drop(2, work, lambda: late.append(2))  # as when its time is over
    second.let.set()
    await done(second.left)
    one._drop(2, work, lambda: late.append(2))
    assert late == []


async def test_threads_are_used_again(dispatcher):
    one, threads = dispatcher(), set()
    for number in range(20):
        ran = threading.Event()

        def handler(event, ran=ran):
            threads.add(threading.current_thread())
            ran.set()

        one.run(handler, None, number)
        await done(ran)
        while not one._idle:  # noqa: ASYNC110 - it tells nobody that it has nothing to do
            await asyncio.sleep(0)
    assert len(threads) == 1


async def test_an_idle_thread_ends_and_another_begins(dispatcher, monkeypatch):
    monkeypatch.setattr(Dispatcher, "LINGER", 0.001)
    one, threads = dispatcher(), queue.Queue()
    for number in range(2):
        one.run(lambda _: threads.put(threading.current_thread()), None, number)
        thread = await asyncio.to_thread(threads.get, True, PATIENCE)
        await asyncio.to_thread(thread.join, PATIENCE)
        assert not thread.is_alive()
    assert one._threads == 0


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
async def test_what_a_plain_function_raises_is_logged_and_harms_nothing(dispatcher, caplog, error):
    one, failed, ran = dispatcher(), threading.Event(), threading.Event()

    def handler(event):
        raise error

    one.run(handler, "event", "topic", failed.set)
    one.run(lambda _: ran.set(), None, "topic")
    await done(ran)
    await done(failed)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("sipparty.handlers", logging.ERROR)
    assert "handler" in record.getMessage()
    assert "on str" in record.getMessage()
    assert record.exc_info[1] is error


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
@pytest.mark.parametrize("wrap", [lambda f: f, CallableObject])
async def test_what_a_coroutine_raises_is_logged_and_harms_nothing(dispatcher, caplog, error, wrap):
    failed = asyncio.Event()

    async def handler(event):
        raise error

    dispatcher().run(wrap(handler), "event", "topic", failed.set)
    await asyncio.wait_for(failed.wait(), PATIENCE)
    [record] = caplog.records
    assert record.name == "sipparty.handlers"
    assert record.exc_info[1] is error


async def test_a_handler_that_takes_no_event_is_logged(dispatcher, caplog):
    failed = asyncio.Event()

    async def handler():
        pass

    dispatcher().run(handler, "event", "topic", failed.set)
    await asyncio.wait_for(failed.wait(), PATIENCE)
    assert caplog.records[0].exc_info[0] is TypeError


async def test_what_failed_does_is_done_on_the_loop(dispatcher):
    where, told = [], asyncio.Event()

    def failed():
        where.append(threading.current_thread())
        told.set()

    def handler(event):
        raise ValueError

    dispatcher().run(handler, None, "topic", failed)
    await asyncio.wait_for(told.wait(), PATIENCE)
    assert where == [threading.current_thread()]


async def test_closing_drops_what_waits_and_ends_the_threads(dispatcher):
    one, gate, dropped = dispatcher(), Gate(), []
    one.run(gate, None, "topic")
    one.run(dropped.append, 1, "topic")
    await done(gate.entered)
    one.close()
    gate.let.set()
    for thread in threading.enumerate():
        if thread.name == "sipparty-handlers":
            await asyncio.to_thread(thread.join, PATIENCE)
    assert gate.left.is_set()
    assert dropped == []
    assert one._threads == 0


async def test_closing_cancels_coroutines(dispatcher):
    one, entered, cancelled = dispatcher(), asyncio.Event(), asyncio.Event()

    async def handler(event):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    one.run(handler, None, None)
    await asyncio.wait_for(entered.wait(), PATIENCE)
    one.close()
    await asyncio.wait_for(cancelled.wait(), PATIENCE)


async def test_after_closing_nothing_runs(dispatcher):
    one, ran = dispatcher(), []

    async def handler(event):
        ran.append(event)

    one.close()
    one.run(handler, 1, None)
    one.run(ran.append, 2, None)
    await asyncio.sleep(0)
    assert ran == []
    assert one._threads == 0


async def test_closing_while_a_coroutine_is_on_its_way_to_the_loop(dispatcher):
    one, returned = dispatcher(), threading.Event()

    async def handler(event):
        raise AssertionError("it ran")

    def plain(event):
        coroutine = handler(event)
        returned.set()
        return coroutine

    one.run(plain, None, None)
    # The loop does not turn until the thread is done: it is closed before it hears of it.
    assert returned.wait(PATIENCE)
    one.close()
    for thread in threading.enumerate():
        if thread.name == "sipparty-handlers":
            thread.join(PATIENCE)
    await asyncio.sleep(0)  # a coroutine that is never awaited would warn


async def test_without_a_thread_to_be_had_the_engine_goes_on(dispatcher, monkeypatch, caplog):
    def start(thread):
        raise RuntimeError("can't start new thread")

    one, ran = dispatcher(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        one.run(lambda _: None, None, "first")
    assert "No thread" in caplog.text
    one.run(lambda _: ran.set(), None, "second")
    await done(ran)
    assert not one._ready  # and what came first was done, too
