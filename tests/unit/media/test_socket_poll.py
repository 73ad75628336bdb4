import asyncio
import logging
import socket

import pytest

from sipparty.media import socket_poll
from sipparty.media.clock import MediaClock
from sipparty.media.socket_poll import BATCH, SocketPoll


class Ear:
    """A socket that is read, and another that sends to it."""

    def __init__(self, poll, act=None):
        self.socket, self._other = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)
        )
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.heard = []
        self.act = act
        self.poll = poll
        poll.add(self.number, self.read)

    @property
    def number(self):
        return self.socket.fileno()

    def read(self):
        self.heard.append(self.socket.recv(100))
        if self.act is not None:
            self.act()

    def say(self, *texts):
        for text in texts:
            self._other.sendto(text, self.socket.getsockname())

    def close(self):
        if self.number >= 0:
            self.poll.remove(self.number)
        self.socket.close()
        self._other.close()


class Member:
    def send_due(self, now, skipped):
        pass

    def play_due(self, now, skipped):
        pass


@pytest.fixture(params=["epoll", "each"])
async def poll(request, monkeypatch):
    """As it is here, and as it is where there is no epoll."""
    if request.param == "each":
        monkeypatch.setattr(socket_poll, "_make_epoll", lambda: None)
    elif socket_poll._make_epoll() is None:
        pytest.skip("no epoll here")
    return SocketPoll.of(asyncio.get_running_loop())


@pytest.fixture
async def ear(poll):
    made = []

    def make(act=None):
        made.append(Ear(poll, act))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def settle(turns=3):
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_the_loop_wakes_for_what_comes(ear, poll):
    one, two = ear(), ear()
    one.say(b"1", b"2")
    two.say(b"3")
    await settle(5)
    assert (one.heard, two.heard) == ([b"1", b"2"], [b"3"])
    assert SocketPoll.of(asyncio.get_running_loop()) is poll


async def test_a_socket_that_was_removed_is_not_read(ear, poll):
    one, two = ear(), ear()
    poll.remove(one.number)
    poll.remove(one.number)  # is none of them any more
    one.say(b"1")
    two.say(b"2")
    await settle()
    assert (one.heard, two.heard) == ([], [b"2"])
    poll.add(one.number, one.read)
    await settle()
    assert one.heard == [b"1"]


async def test_what_is_read_may_end_it_all(ear, poll):
    def end():
        one.close()
        two.close()

    one, two = ear(end), ear(end)
    one.say(b"1", b"2")
    two.say(b"3")
    await settle()
    assert len(one.heard + two.heard) == 1


async def test_a_reader_that_raises_keeps_no_other_from_reading(ear, poll, caplog):
    def fail():
        raise RuntimeError("broken")

    one, two = ear(fail), ear()
    one.say(b"1", b"2")
    two.say(b"3")
    with caplog.at_level(logging.ERROR):
        await settle(5)
    assert (one.heard, two.heard) == ([b"1", b"2"], [b"3"])
    assert caplog.text.count("Reading media failed") == 2


@pytest.mark.parametrize("poll", ["epoll"], indirect=True)
async def test_sockets_are_read_in_turn_and_a_flood_not_for_long(ear, poll):
    order = []
    flood, other = ear(lambda: order.append("flood")), ear(lambda: order.append("other"))
    flood.say(*[b"%d" % n for n in range(BATCH + 5)])
    other.say(b"1")
    poll.read()
    assert order.index("other") <= 1
    assert len(flood.heard) == BATCH
    await settle()
    assert len(flood.heard) == BATCH + 5


@pytest.mark.parametrize("poll", ["epoll"], indirect=True)
async def test_while_the_clock_ticks_often_the_loop_is_not_woken(ear, poll):
    one = ear()
    clock = MediaClock.of(asyncio.get_running_loop())
    member = Member()
    clock.add(member, 0.02)
    one.say(b"1")
    await settle(1)
    assert one.heard == []
    poll.read()  # as the clock does
    assert one.heard == [b"1"]
    clock.remove(member)
    one.say(b"2")
    await settle()
    assert one.heard == [b"1", b"2"]


@pytest.mark.parametrize("poll", ["epoll"], indirect=True)
async def test_without_sockets_there_is_nothing_open(ear, poll):
    ear().close()
    assert poll._epoll is None
    one = ear()  # and it begins again
    one.say(b"1")
    await settle()
    assert one.heard == [b"1"]
