"""Strangers who send to a call's media ports: to hear it, to be heard in it, to end or to spoil it.

Each is in virtual time, with addresses of the Internet; the last ones are live.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

import pytest

from sipparty.media import MemorySink, ToneSource
from sipparty.media.rtp.packet import HeaderExtension, RTPPacket
from sipparty.media.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
)
from sipparty.parties import SingleRTPSessionSimplenParty

from ..faults.defender import PATIENCE
from ..interop.peer import wait_for
from .world import SOURCE, World, live, sdp

#: Where the peer asked for its media, which is another host than that of its signalling.
PEER = ("9.0.0.8", 30000)
PEER_RTCP = ("9.0.0.8", 30001)
STRANGER = ("13.0.0.66", 6666)


async def answered(world: World, offer: bytes | None = None, **settings: Any) -> Any:
    """Have the party called; returns its call."""
    await world.open(SingleRTPSessionSimplenParty, **settings)
    world.send(world.request("INVITE", body=offer or sdp(*PEER)))
    await asyncio.sleep(0.1)
    world.send(world.within("ACK"))
    (call,) = world.party.calls
    return call


async def both(world: World, seconds: float, *sources: Any, begin: int = 0) -> int:
    """Have some sources send at a time, each (address, SSRC); returns the number to go on with."""
    for number in range(begin, begin + round(seconds * 50)):
        for place, (address, ssrc) in enumerate(sources):
            world.speak(address, number + 1000 * place, ssrc)
        await asyncio.sleep(0.02)
    return begin + round(seconds * 50)


def packets(world: World, address: tuple[str, int], after: float = 0.0) -> int:
    """How many packets of media went to an address, after a time."""
    return sum(
        kind == "media" and to == address and time >= after
        for time, kind, _, to in world.result.sent
    )


REAL, FAKE = (PEER, 7), (STRANGER, 66)


def test_a_stranger_who_sends_first_has_the_call_for_as_long_as_nobody_else_sends() -> None:
    """Two packets before the peer's first had all of our media go to who sent them, for good."""

    async def run(world: World) -> None:
        call = await answered(world)
        await both(world, 1.0, FAKE)
        at = world.loop.time()
        await both(world, 4.0, REAL, FAKE)
        assert packets(world, STRANGER, at + 0.1) == 0
        assert packets(world, PEER, at + 0.1) >= 190
        assert call.session.statistics.packets_received == pytest.approx(250, abs=3)

    world = live(run)
    learnt = [e.address for e in world.media_events if type(e).__name__ == "DestinationLearnt"]
    assert learnt == [STRANGER, PEER]


@pytest.mark.parametrize("pause", [0.1, 2.0, 60.0])
def test_a_stranger_gets_nothing_in_a_pause(pause: float) -> None:
    """A pause of more than 60 ms was enough to take the call, and have it until another one."""

    async def run(world: World) -> None:
        call = await answered(world)
        number = await both(world, 2.0, REAL)
        at = world.loop.time()
        await both(world, pause, FAKE, begin=5000)
        await both(world, 1.0, REAL, FAKE, begin=number)
        assert packets(world, STRANGER) == 0
        assert packets(world, PEER, at) >= pause * 49
        assert call.session.statistics.packets_received == 150
        assert call.session.statistics.lost == 0

    live(run)


def test_a_stranger_who_comes_late_is_not_heard_where_the_peer_is_silent() -> None:
    """An announcement, whose listener sends nothing: nobody else gets to hear it."""

    async def run(world: World) -> None:
        call = await answered(world, sdp(SOURCE[0], 8000))
        await asyncio.sleep(11.0)
        await both(world, 5.0, FAKE)
        assert packets(world, STRANGER) == 0
        assert call.session.statistics.packets_received == 0

    live(run)


def test_a_phone_behind_a_nat_takes_its_call_back() -> None:
    """Its description names a private address: at first a stranger's is as good as any."""
    nat = (SOURCE[0], 40404)

    async def run(world: World) -> None:
        await answered(world, sdp("192.168.1.5", 8000))
        await both(world, 1.0, FAKE)
        at = world.loop.time()
        await both(world, 2.0, (nat, 7), FAKE)
        assert packets(world, STRANGER, at + 0.1) == 0
        assert packets(world, nat, at + 0.1) >= 90

    live(run)


def test_a_call_that_moves_does_not_leave_media_behind() -> None:
    """The old port got all packets for as long as anything came from it (RFC 3264 §8.3.1)."""
    moved = (PEER[0], 32000)

    async def run(world: World) -> None:
        await answered(world)
        number = await both(world, 1.0, REAL)
        world.send(world.within("INVITE", 2, body=sdp(*moved)))
        await asyncio.sleep(0)
        world.send(world.within("ACK", 2))
        at = world.loop.time()
        number = await both(world, 1.0, REAL, begin=number)
        assert packets(world, PEER, at + 0.03) == 0
        assert packets(world, moved, at) >= 49
        # What still comes from there is heard until something comes from the new one.
        (call,) = world.party.calls
        assert call.session.statistics.packets_received == 100
        await both(world, 1.0, (moved, 7), begin=number)
        assert call.session.statistics.packets_received == 150
        assert call.session.statistics.lost == 0

    live(run)


def compound(ssrc: int, *more: Any, report: Any = None) -> bytes:
    return build_compound(
        [report or ReceiverReport(ssrc), SourceDescription.cname(ssrc, "x"), *more]
    )


def test_a_goodbye_of_a_stranger_ends_nothing() -> None:
    async def run(world: World) -> None:
        call = await answered(world)
        number = await both(world, 1.0, REAL)
        for source in (STRANGER, SOURCE):
            world.media(source, compound(7, Goodbye((7,), "ha")), control=True)
            world.media(source, compound(7, Goodbye((7,), "ha")))
        # Nor does one of the peer for a source that is not its own.
        world.media(PEER_RTCP, compound(7, Goodbye((8, 9), "ha")), control=True)
        await both(world, 1.0, REAL, begin=number)
        assert call.session.statistics.packets_received == 100

    world = live(run)
    assert "RemoteLeft" not in [type(event).__name__ for event in world.media_events]


def test_reports_of_a_stranger_change_nothing() -> None:
    """Nor where reports go, nor how often they are sent, nor what is told of the other side."""

    async def run(world: World) -> None:
        call = await answered(world)
        number = await both(world, 1.0, REAL)
        ours = call.session.line.stream.ssrc
        block = ReportBlock(ours, 255, 1000, 1, 1, 0, 0)
        for n in range(2000):
            world.media(STRANGER, compound(n, report=ReceiverReport(n, (block,))), control=True)
        world.media(STRANGER, compound(7, report=SenderReport(7, 1, 1, 1, 1, (block,))))
        assert call.session.statistics.remote is None
        # Under our own identifier, as if that had been drawn twice: it stays.
        world.media(STRANGER, compound(ours), control=True)
        world.speak(STRANGER, 1, ours)
        assert call.session.line.stream.ssrc == ours
        at = world.loop.time()
        await both(world, 20.0, REAL, begin=number)
        reports = [
            to for time, kind, size, to in world.result.sent if kind == "media" and size < 160
        ]
        assert len(reports) >= 3
        assert set(reports) == {PEER_RTCP}
        assert packets(world, STRANGER, at) == 0

    live(run)


def test_a_flood_of_strangers_spoils_nothing() -> None:
    """A thousand sources for each packet of the peer's, and all that a header can lie about."""
    recorded = MemorySink()

    async def run(world: World) -> None:
        call = await answered(world)
        call.session.record(recorded)
        number = 0
        for n in range(100):
            for m in range(100):
                world.speak(STRANGER, m, 100 * n + m)
                world.speak((f"13.0.{n}.{m}", 99), n, 100 * n + m)
            for data in LIES:
                for source in (STRANGER, PEER):
                    world.media(source, data)
                    world.media(source, data, control=True)
            number = await both(world, 0.02, REAL, begin=number)
        await asyncio.sleep(0.1)
        statistics = call.session.statistics
        assert statistics.packets_received == 100
        assert statistics.lost == 0
        assert statistics.jitter < 0.001
        assert packets(world, PEER) >= 95
        # One of them may have been there before the peer's second packet.
        assert packets(world, STRANGER) <= 2

    live(run)
    assert recorded.seconds >= 1.9


def header(first: int, *, ssrc: int = 7, kind: int = 0) -> bytes:
    return struct.pack("!BBHII", first, kind, 1, 160, ssrc)


LIES = (
    b"",
    b"\x80",
    b"\x00" * 12,
    header(0xC0) + bytes(160),
    header(0x8F),  # fifteen contributing sources that are not there
    header(0x8F) + bytes(59),
    header(0x90),  # an extension that is not there
    header(0x90) + b"\xbe\xde\xff\xff" + bytes(8),
    header(0xA0) + b"\x00",  # padding of nothing
    header(0xA0) + bytes(100) + b"\xff",  # of more than there is
    header(0xBF) + bytes(60) + b"\0\0\0\0\xff",
    header(0x80, ssrc=8, kind=0x7F) + bytes(2000),
    bytes(RTPPacket(0, 1, 1, 7, b"", extension=HeaderExtension(1, b"")))[:-1],
    b"\x81\xc8\x00\x01" + bytes(4),  # a report that is cut
    b"\x80\xc9\xff\xff" + bytes(8),
    b"\x9f\xcb\x00\x00",  # a goodbye of nobody counted as of 31
    b"\x80\xc9\x00\x01\x00\x00\x00\x07\x81\xca\x00\x01\x00\x00\x00\x07\x01\xff",
    b"\xa0\xc9\x00\x01\x00\x00\x00\xff",
)


def test_what_comes_before_the_answer_is_not_played_late() -> None:
    """Media between offer and answer was left in the socket, and then played as if it were new."""
    recorded = MemorySink()
    rtcp_of_stranger = compound(7, Goodbye((7,)))

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        world.send(world.request("INVITE", body=sdp(*PEER)))
        await asyncio.sleep(0.1)
        (call,) = world.party.calls
        call.session.record(recorded)
        for number in range(1000):
            world.speak(PEER, number)
            world.media(STRANGER, rtcp_of_stranger, control=True)
        await asyncio.sleep(5.0)
        assert world.result.packets("media") == 0
        world.send(world.within("ACK"))
        await asyncio.sleep(1.0)
        assert call.session.statistics.packets_received == 0
        assert recorded.pcm == b""
        # What comes just before is heard: it may overtake the ACK, or our answer.
        await both(world, 0.5, REAL, begin=2000)
        assert call.session.statistics.packets_received == 25

    live(run)


# Live: with sockets, and addresses of the loopback network for those of others.


def rtp(number: int, ssrc: int) -> bytes:
    return bytes(RTPPacket(0, number & 0xFFFF, number * 160, ssrc, os.urandom(160)))


def test_a_live_call_is_not_taken(defended: Any) -> None:
    """Somebody who knows the port sends to it all the while, from another address."""
    bob = defended(kind=SingleRTPSessionSimplenParty)
    with (
        bob.call() as call,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        (taken,) = bob.party.calls
        call.session.play(ToneSource(440))
        wait_for(lambda: taken.session.statistics.packets_received > 5, "it is heard", PATIENCE)
        stranger.bind(("127.0.0.9", 0))
        stranger.setblocking(False)
        places = [("127.0.0.1", each.session.local_port) for each in (taken, call)]
        sent = 0

        def attack() -> bool:
            nonlocal sent
            for place in places:
                for number in range(20):
                    stranger.sendto(rtp(number + sent, 66), place)
                stranger.sendto(compound(66, Goodbye((66,))), (place[0], place[1] + 1))
            sent += 20
            return taken.session.statistics.packets_received > 50

        wait_for(attack, "the call goes on", PATIENCE)
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
        assert taken.session.statistics.ignored > 20
        assert taken.session.statistics.lost == 0
    bob.check()
