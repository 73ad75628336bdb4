"""Streams: taken by threads and coroutines, ended, closed, let go."""

import asyncio
import gc
import threading

import pytest

from sipparty.concurrency.streams import Feed, Stream
from sipparty.errors import Timeout, WouldDeadlock


def test_items_are_taken_in_order_until_the_end():
    stream = Stream()
    for item in (1, 2, 3):
        stream.put(item)
    stream.end()
    stream.put(4)
    assert list(stream) == [1, 2, 3]
    assert list(stream) == []


def test_a_thread_waits_for_what_another_puts():
    stream, taken = Stream(), []
    thread = threading.Thread(target=lambda: taken.extend(stream))
    thread.start()
    stream.put("one")
    stream.put("two")
    stream.end()
    thread.join(10)
    assert taken == ["one", "two"]


def test_waiting_has_an_end():
    with pytest.raises(Timeout, match="within 0 seconds"):
        Stream().next(timeout=0)


def test_a_thread_that_may_not_block_is_refused():
    class Own:
        def check_may_block(self):
            raise WouldDeadlock("here")

    stream = Stream(Own())
    stream.put(1)
    with pytest.raises(WouldDeadlock):
        next(stream)


async def test_coroutines_take_what_is_put_here_and_on_other_threads():
    stream, taken = Stream(), []

    async def take():
        async for item in stream:
            taken.append(item)

    tasks = [asyncio.create_task(take()) for _ in range(2)]
    await asyncio.sleep(0)
    stream.put(1)
    await asyncio.to_thread(stream.put, 2)
    await asyncio.to_thread(stream.end)
    await asyncio.gather(*tasks)
    assert sorted(taken) == [1, 2]


async def test_a_coroutine_waits_no_longer_than_it_wants():
    stream = Stream()
    with pytest.raises(Timeout, match="within 0 seconds"):
        await stream.anext(timeout=0)
    stream.put(1)
    assert await stream.anext(timeout=0) == 1


async def test_a_cancelled_wait_takes_nothing():
    stream = Stream()
    task = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stream.put(1)
    assert await anext(stream) == 1


def test_what_waits_is_bounded():
    stream = Stream(limit=2)
    for item in (1, 2, 3):
        stream.put(item)
    stream.end()
    assert list(stream) == [2, 3]


@pytest.mark.parametrize("how", ["close", "with", "let go"])
def test_closing_gives_back_what_nobody_took_once(how):
    left, stream = [], Stream()
    stream.on_close = left.append
    stream.put(1)
    if how == "with":
        with stream:
            stream.put(2)
        stream.close()
    elif how == "close":
        stream.put(2)
        stream.close()
        stream.close()
        assert list(stream) == []
    else:
        stream.put(2)
        del stream
        gc.collect()
    assert left == [[1, 2]]


def test_a_feed_holds_no_stream_and_ends_it_with_the_last():
    stream = Stream()
    feed = Feed(stream, lambda event: event * 2, int, bool)
    feed(1)
    feed("passed over")
    feed(True)
    feed(3)
    assert list(stream) == [2, 2]
    del stream
    gc.collect()
    feed(4)
