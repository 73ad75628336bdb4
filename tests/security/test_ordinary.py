"""What is done against strangers does not hurt the ordinary call: minutes of virtual time with
peers that are honest and a little odd, all settings as they are by default. Programs of others are
in `tests/interop/test_ordinary.py`.
"""

import asyncio

import pytest

from sipparty.parties import SingleRTPSessionSimplenParty

from .world import SOURCE, live, sdp

#: Where a PBX has its media: another host than that of its signalling.
SERVER = ("9.0.0.8", 30000)
#: Seconds of a call.
LONG = 120.0


async def answered(world, offer, *, ack=True, **changes):
    """Have the party called; returns its call."""
    await world.open(SingleRTPSessionSimplenParty)
    world.send(world.request("INVITE", body=offer, **changes), changes.pop("source", SOURCE))
    await asyncio.sleep(0.1)
    if ack:
        world.send(world.within("ACK"))
    (call,) = world.party.calls
    assert call.state == "InDialog"
    return call


async def talk(world, source, seconds, begin=0):
    """Send RTP each 20 ms; returns the number of the packet that would be next."""
    for number in range(begin, begin + int(seconds * 50)):
        world.speak(source, number)
        await asyncio.sleep(0.02)
    return begin + int(seconds * 50)


def sent_to(world, address, after=0.0):
    """How many packets of media went to an address, after a time."""
    return sum(
        1
        for time, kind, _, to in world.result.sent
        if kind == "media" and to == address and time >= after
    )


def told(world):
    return [type(event).__name__ for event in world.media_events]


def test_a_peer_without_rtp():
    """SIPp, by default: it sends no media, and takes ours."""

    async def run(world):
        call = await answered(world, sdp())
        await asyncio.sleep(LONG)
        assert call.state == "InDialog"
        world.send(world.within("BYE", 2))
        assert call.state == "Terminated"
        assert call.last_error is None

    world = live(run)
    assert sent_to(world, ("9.0.0.7", 8000)) > LONG * 49
    assert "MediaUnproven" not in told(world)


@pytest.mark.parametrize("direction", ["recvonly", "sendonly", "inactive"])
def test_one_way(direction):
    """An announcement, by them or by us, and a call that is on hold from its beginning."""

    async def run(world):
        call = await answered(world, sdp() + f"a={direction}\r\n".encode())
        if direction == "sendonly":
            await talk(world, ("9.0.0.7", 8000), LONG)
            assert call.session.statistics.packets_received > LONG * 49
        else:
            await asyncio.sleep(LONG)
        assert call.state == "InDialog"

    world = live(run)
    packets = sent_to(world, ("9.0.0.7", 8000), 1.0)
    assert packets > LONG * 49 if direction == "recvonly" else packets == 0
    assert world.calls == 1


def test_the_media_of_a_pbx_is_another_hosts():
    async def run(world):
        call = await answered(world, sdp(*SERVER))
        await talk(world, SERVER, LONG)
        assert call.state == "InDialog"
        assert call.session.statistics.packets_received > LONG * 49

    world = live(run)
    assert sent_to(world, SERVER, LONG - 1) > 45
    assert "MediaUnproven" not in told(world)


def test_a_phone_behind_a_nat():
    """It says where it is in its own network; its packets come from somewhere else."""
    phone, voice = ("9.0.0.7", 40000), ("9.0.0.7", 41000)

    async def run(world):
        inside = {
            "via": "192.168.1.5:5060;branch={branch};rport",
            "contact": "<sip:phone@192.168.1.5:5060>",
        }
        await world.open(SingleRTPSessionSimplenParty)
        world.send(world.request("INVITE", body=sdp("192.168.1.5", 8000), **inside), phone)
        await asyncio.sleep(0.1)
        world.send(world.within("ACK", **inside), phone)
        (call,) = world.party.calls
        await talk(world, voice, 20.0)
        assert call.state == "InDialog"
        call.terminate()
        await asyncio.sleep(0.1)

    world = live(run)
    assert sent_to(world, voice, 1.0) > 19 * 45
    signalling = {one[3] for one in world.result.sent if one[1] == "sip"}
    assert signalling == {phone}
    assert world.answers[-1].startswith(b"BYE sip:phone@192.168.1.5")


def test_a_phone_behind_a_nat_that_a_proxy_is_before_may_begin_late():
    """Its description names a private address, its signalling is the proxy's, and it is muted for
    longer than a latch is open: its media comes from a third host, and was never heard.
    """
    nat = ("13.0.0.5", 40404)

    async def run(world):
        call = await answered(world, sdp("192.168.1.5", 8000))
        await asyncio.sleep(60.0)
        await talk(world, nat, 10.0)
        assert call.session.statistics.packets_received > 490
        assert sent_to(world, nat) > 490

    live(run)


def test_a_pbx_that_moves_its_port_is_heard():
    """A NAT, or a media server, goes on from another port at the same host, without a word."""
    moved = (SERVER[0], 30100)

    async def run(world):
        call = await answered(world, sdp(*SERVER))
        number = await talk(world, SERVER, 2.0)
        await talk(world, moved, 2.0, number)
        assert call.session.statistics.packets_received == 200
        assert call.session.statistics.lost == 0
        assert sent_to(world, moved) > 95

    live(run)
