"""Calls that have us send media to whom its sender likes: the voice hammer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sipparty.media import MediaUnproven
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip.events import CallEnded
from sipparty.sip.policy import Policy

from .test_media_takeover import PEER, PEER_RTCP, answered, both, compound, packets
from .world import SOURCE, World, live, sdp

VICTIM = ("13.0.0.9", 9000)


def told(world: World) -> list[str]:
    return [type(event).__name__ for event in world.media_events]


def noting(events: list[Any]) -> Any:
    """A handler on the loop, as threads know nothing of its time."""

    async def note(event: Any) -> None:
        events.append(event)

    return note


def test_nothing_is_sent_before_the_ack() -> None:
    """A datagram with a forged source address had 100 packets a second sent to anybody."""

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        world.send(world.request("INVITE", body=sdp(*VICTIM)))
        await asyncio.sleep(100.0)

    assert live(run).result.packets("media") == 0


def test_sending_to_a_third_address_stops_and_the_call_stays() -> None:
    heard: list[Any] = []

    async def run(world: World) -> None:
        call = await answered(world, sdp(*VICTIM))
        world.party.on(MediaUnproven, noting(heard))
        await asyncio.sleep(300.0)
        assert call.state == "InDialog"
        assert (heard[0].call, heard[0].address) == (call, VICTIM)

    world = live(run)
    times = [time for time, kind, _, to in world.result.sent if kind == "media"]
    assert 245 <= len(times) <= 255
    assert times[-1] < 5.3
    assert told(world) == ["MediaStarted", "MediaUnproven", "RemoteFellSilent", "OneWayAudio"]


def test_sending_goes_on_when_something_comes_from_there() -> None:
    """A media server that begins late: its report will do as well as its sound."""

    async def run(world: World) -> None:
        await answered(world)
        await asyncio.sleep(60.0)
        at = world.loop.time()
        world.media(PEER_RTCP, compound(7), control=True)
        await asyncio.sleep(10.0)
        assert packets(world, PEER, at) >= 495

    assert "MediaProven" in told(live(run))


def test_what_others_send_proves_nothing() -> None:
    """RTP and RTCP by the attacker itself, who is where the signalling comes from."""
    nat = (SOURCE[0], 4000)

    async def run(world: World) -> None:
        await answered(world, sdp(*VICTIM))
        world.media(nat, compound(7), control=True)
        await asyncio.sleep(60.0)
        assert packets(world, VICTIM) <= 255

    live(run)


def test_invitations_inside_the_call_give_no_more_time() -> None:
    """From one address of the victim's to the next, and back, each time with a new INVITE."""

    async def run(world: World) -> None:
        await answered(world, sdp(*VICTIM))
        for number in range(2, 30):
            port = VICTIM[1] + number % 4
            world.send(world.within("INVITE", number, body=sdp(VICTIM[0], port)))
            world.send(world.within("ACK", number))
            await asyncio.sleep(4.0)

    world = live(run)
    assert world.result.packets("media") <= 260


def test_new_hosts_give_no_more_time_either() -> None:
    """Re-INVITEs that name a new host each second: each had five seconds of its own."""

    async def run(world: World) -> None:
        await answered(world, sdp(*VICTIM))
        for number in range(2, 40):
            world.send(world.within("INVITE", number, body=sdp(f"13.0.0.{number}", 9000)))
            world.send(world.within("ACK", number))
            await asyncio.sleep(1.0)

    assert live(run).result.packets("media") <= 260


def test_short_calls_without_end_send_no_more_to_one_host_than_a_long_one() -> None:
    """INVITE, ACK and BYE in a loop: each call stayed below its five seconds."""

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        for number in range(30):
            call = f"c{number}"
            world.send(world.request("INVITE", body=sdp(*VICTIM), call=call))
            await asyncio.sleep(0.1)
            world.send(world.within("ACK", call=call))
            await asyncio.sleep(2.0)
            world.send(world.within("BYE", 2, call=call))
            await asyncio.sleep(0.1)

    world = live(run)
    assert 200 <= packets(world, VICTIM) <= 260


def test_a_media_server_that_sends_has_media_in_every_call() -> None:
    """What was done to it before is forgotten with its first packet."""

    async def run(world: World) -> None:
        await answered(world)
        await asyncio.sleep(20.0)
        world.send(world.within("BYE", 2))
        for number in range(3):
            call = f"d{number}"
            world.send(world.request("INVITE", body=sdp(*PEER), call=call))
            await asyncio.sleep(0.1)
            world.send(world.within("ACK", call=call))
            at = world.loop.time()
            await both(world, 10.0, (PEER, 7))
            assert packets(world, PEER, at) >= 490
            world.send(world.within("BYE", 2, call=call))

    live(run)


def test_reports_to_a_third_address_stop_too() -> None:
    """The rtcp attribute names an address of its own (RFC 3605)."""
    offer = sdp(SOURCE[0], 8000) + f"a=rtcp:{VICTIM[1]} IN IP4 {VICTIM[0]}\r\n".encode()

    async def run(world: World) -> None:
        await answered(world, offer)
        await asyncio.sleep(300.0)

    world = live(run)
    assert packets(world, VICTIM) <= 2
    assert packets(world, (SOURCE[0], 8000)) > 290 * 50


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("224.0.0.1", 488, "330"),
        ("239.255.255.250", 488, "330"),
        ("255.255.255.255", 488, "301"),
        ("240.0.0.1", 488, "301"),
        ("127.0.0.1", 488, "399"),
        ("127.8.8.8", 488, "399"),
        ("169.254.169.254", 488, "399"),
        ("0.0.0.0", 200, None),
        ("192.168.1.5", 200, None),
    ],
)
def test_where_nobody_elses_media_could_go_nothing_does(
    address: str, status: int, code: str | None
) -> None:
    """Multicast, broadcast, this very host, and its link: by INVITE, and by INVITE in a call."""

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        world.send(world.request("INVITE", body=sdp(address, 9000)))
        await asyncio.sleep(0.1)
        answer = world.answer(f"SIP/2.0 {status}".encode())
        assert answer is not None
        if code is not None:
            assert answer.lines("Warning")[0].startswith(code)
            return
        world.send(world.within("ACK"))
        await asyncio.sleep(60.0)

    world = live(run)
    assert packets(world, (address, 9000)) <= (0 if address == "0.0.0.0" else 255)


def test_a_call_cannot_be_moved_there_either() -> None:
    async def run(world: World) -> None:
        call = await answered(world, sdp(SOURCE[0], 8000))
        for number, address in enumerate(("224.0.0.1", "127.0.0.1", "169.254.1.1"), 2):
            world.send(world.within("INVITE", number, body=sdp(address, 9000)))
            await asyncio.sleep(0.1)
            world.send(world.within("ACK", number))
        assert call.state == "InDialog"
        await asyncio.sleep(10.0)

    world = live(run)
    assert world.result.hosts("media") == {SOURCE[0]}


@pytest.mark.parametrize("port", [7, 19, 53, 123, 161, 1023])
def test_media_goes_to_no_port_of_a_service(port: int) -> None:
    """What answers to anything would prove that somebody wants it."""

    async def run(world: World) -> None:
        await answered(world, sdp(SOURCE[0], port))
        await asyncio.sleep(10.0)

    assert packets(live(run), (SOURCE[0], port)) == 0


def test_an_echo_is_no_sign_of_life() -> None:
    """What comes back of our own packets says nothing of who is there."""
    sent: list[bytes] = []

    async def run(world: World) -> None:
        call = await answered(world, sdp(*VICTIM))
        port = call.session.line.transport.rtp
        send = port._sendto

        def echo(data: bytes, address: Any) -> None:
            send(data, address)
            sent.append(data)
            port._receive(data, VICTIM, world.loop.time())

        port._sendto = echo
        await asyncio.sleep(30.0)

    live(run)
    assert 240 <= len(sent) <= 255


# Calls that nothing is heard in.


def test_calls_without_media_end_where_that_is_asked_for() -> None:
    ended: list[Any] = []

    async def run(world: World) -> None:
        call = await answered(world, sdp(SOURCE[0], 8000), policy=Policy(silent_media=30.0))
        world.party.on(CallEnded, noting(ended))
        await both(world, 10.0, ((SOURCE[0], 8000), 7))
        await asyncio.sleep(29.0)
        assert call.state == "InDialog"
        await asyncio.sleep(2.0)
        assert call.state == "TerminatingDialog"
        world.send(b"SIP/2.0 200 OK\r\n" + world.answers[-1].split(b"\r\n", 1)[1])
        assert call.state == "Error"
        assert "no media" in str(call.last_error)
        assert "30 s" in str(call.last_error)
        await asyncio.sleep(0.1)

    live(run)
    assert len(ended) == 1


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_a_hold_is_no_silence(direction: str) -> None:
    async def run(world: World) -> None:
        offer = sdp(SOURCE[0], 8000) + f"a={direction}\r\n".encode()
        call = await answered(world, offer, policy=Policy(silent_media=30.0))
        await asyncio.sleep(600.0)
        assert call.state == "InDialog"

    live(run)


def test_limits_can_be_taken_away() -> None:
    async def run(world: World) -> None:
        await answered(world, sdp(*VICTIM), policy=Policy(unproven_media=None))
        await asyncio.sleep(20.0)

    assert packets(live(run), VICTIM) > 990
