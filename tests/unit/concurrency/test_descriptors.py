import asyncio
import math
import os
import socket

import pytest

from sipparty.concurrency import descriptors
from sipparty.errors import PortsExhausted
from sipparty.media import RTPSession
from sipparty.media.ports import UDPTransport
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.transport.stream_listener import StreamListener


@pytest.fixture
def limit(monkeypatch):
    """Have so many descriptors; none is in use."""

    def set_to(number):
        monkeypatch.setattr(descriptors, "limit", lambda: number)

    monkeypatch.setattr(descriptors, "_media", set())
    set_to(100)
    return set_to


def test_media_has_half_of_them_and_not_the_last(limit):
    for number in range(0, 50, 2):
        assert descriptors.take_media(number, number + 1)
    assert not descriptors.take_media(50, 51)
    descriptors.give_back_media(7)
    descriptors.give_back_media(7)
    assert not descriptors.take_media(50, 51)
    descriptors.give_back_media(8)
    assert not descriptors.take_media(90, 91)
    assert descriptors.take_media(89, 90)


def test_what_is_left_for_each(limit):
    assert descriptors.highest(StreamListener.RESERVE) == 75
    assert descriptors.media_calls(2) == 25
    limit(math.inf)
    assert descriptors.media_calls(2) is None
    assert descriptors.take_media(1 << 30)


def test_the_limit_is_that_of_the_process():
    assert descriptors.limit() > 0


async def test_ports_are_counted_while_they_are_open(limit):
    loop = asyncio.get_running_loop()
    pair = UDPTransport(loop, "127.0.0.1", None, 0, loop.time)
    assert len(descriptors._media) == 2
    pair.close()
    pair.close()
    assert not descriptors._media
    limit(3)
    before = len(open_files())
    with pytest.raises(PortsExhausted, match="they are for others"):
        UDPTransport(loop, "127.0.0.1", None, 0, loop.time)
    assert len(open_files()) == before


def open_files():
    return os.listdir("/dev/fd")


@pytest.mark.parametrize("number", [24, 105])
async def test_no_socket_is_exhaustion(monkeypatch, number):
    """EMFILE and ENOBUFS, say: it passes."""

    def fail(*_):
        raise OSError(number, "No more")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(socket, "socket", fail)
    session = RTPSession()
    with pytest.raises(PortsExhausted, match="No more"):
        session.open(loop, "127.0.0.1")


def test_a_party_has_as_many_calls_as_there_are_ports_for(limit, make_party):
    bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
    agent = bob._agent_now("listen")
    assert (agent.max_calls, agent.max_calls_of_one) == (25, 18)
    bob.configure(max_calls=7)
    assert (agent.max_calls, agent.max_calls_of_one) == (7, None)
    carol = make_party("carol@chicago.com", SingleRTPSessionSimplenParty).configure(max_calls=8)
    agent = carol._agent_now("listen")
    assert (agent.max_calls, agent.max_calls_of_one) == (8, None)
    dave = make_party("dave@denver.com", NoMediaSimpleCallsParty)
    assert dave._agent_now("listen").max_calls is None
