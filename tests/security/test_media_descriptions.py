"""Session descriptions that are made to cost, to break or to be mistaken."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from typing import Any

import pytest

from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sdp import SessionDescription

from .world import SOURCE, World, live, sdp

GOOD = sdp().decode()
AUDIO = "m=audio 8000 RTP/AVP 0\r\n"


def sockets() -> int:
    return sum(
        os.readlink(f"/proc/self/fd/{one}").startswith("socket:")
        for one in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{one}")
    )


def answer_to(body: bytes) -> tuple[int, bytes]:
    """What an INVITE with a body is answered: the status, and the body. The party serves on."""
    got: list[Any] = []

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        before = sockets()
        world.send(world.request("INVITE", body=body))
        await asyncio.sleep(0.1)
        assert sockets() <= before + 2
        answer = next(
            (one for one in reversed(world.answers) if not one.startswith(b"SIP/2.0 1")), b""
        )
        head, _, content = answer.partition(b"\r\n\r\n")
        got.append((int(head[8:11] or b"0"), content))
        world.send(world.request("OPTIONS", call="after"))
        assert world.answers[-1].startswith(b"SIP/2.0 200")

    live(run)
    return got[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("\r\n" + GOOD, [8000]),
        (GOOD.replace("\r\n", "\n"), [8000]),
        (GOOD.replace("\r\n", "\r\n\r\n"), [8000]),
        (GOOD + "\r\n\r\n", [8000]),
        (GOOD + "\0", [8000]),
        (GOOD.replace("t=0 0", "z=1 1h\r\nt=0 0"), [8000]),
        (GOOD.replace("t=0 0", "t=0 0\r\nr=7d 1h 0\r\nz=1 1h"), [8000]),
        (GOOD + "m=video 99999 RTP/AVP 31\r\n", [8000, 0]),
        (GOOD + "m=video -1 RTP/AVP 31\r\n", [8000, 0]),
        (GOOD + "m=audio 9000 RTP/AVP 0\r\nc=AF IP4 1.2.3.4\r\n", [8000, 0]),
        (GOOD + "m=video 0 RTP/AVP 31\r\n" * 63, [8000, *[0] * 63]),
        (GOOD + AUDIO * 63, [8000, *[0] * 63]),
        (GOOD + "a=x\r\n" * 2000, [8000]),
        (GOOD + "a=rtpmap:0 PCMU/8000\r\n" * 2000, [8000]),
        (GOOD + "a=fmtp:0 " + "x" * 50_000 + "\r\n", [8000]),
        (GOOD + "a=ptime:0\r\na=maxptime:0\r\n", [8000]),
        (GOOD + "a=ptime:999999999\r\n", [8000]),
        (GOOD + "a=rtcp:0\r\na=rtcp:x\r\na=rtcp-mux\r\n", [8000]),
    ],
)
def test_what_is_plain_is_answered(text: str, ports: list[int]) -> None:
    status, body = answer_to(text.encode())
    assert status == 200
    made = SessionDescription.parse(body, strict=True)
    assert [bool(one.port) for one in made.media] == [bool(port) for port in ports]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (GOOD.replace("8000 RTP", "70000 RTP"), 488),
        (GOOD.replace("IN IP4 9.0.0.7\r\nt", "AF IP4 9.0.0.7\r\nt"), 488),
        (GOOD.replace("IN IP4 9.0.0.7\r\nt", "IN IP7 9.0.0.7\r\nt"), 488),
        (GOOD.replace("c=IN IP4 9.0.0.7", "c=IN IP4 9.0.0.700"), 488),
        (GOOD.replace("c=IN IP4 9.0.0.7", "c=IN IP4 \x1b[2J"), 400),
        (GOOD.replace("c=IN IP4 9.0.0.7", "c=IN IP6 fe80::1%eth0"), 488),
        (GOOD + AUDIO * 64, 400),
        (GOOD + "a=x\r\n" * 2100, 400),
        (GOOD + "a=x:" + "y" * 65_536 + "\r\n", 400),
        (GOOD.replace("AVP 0", "AVP" + " 0" * 300), 400),
        (GOOD.replace("v=0", "v=1"), 400),
        ("\0" * 100, 400),
        ("v=0\r\n" * 1000, 400),
        (GOOD.replace("o=m 1 1", "o=m " + "9" * 100 + " 1"), 400),
    ],
)
def test_what_is_none_is_refused(text: str, status: int) -> None:
    assert answer_to(text.encode())[0] == status


def test_invitations_inside_a_call_do_not_pile_up() -> None:
    """Each with thirty kilobytes that are different, and with payload types that are new.

    One of them raised a call from 29 to 419 kB; what comes of a hundred is no more than of one, and
    is counted.
    """

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        world.send(world.request("INVITE", body=sdp()))
        await asyncio.sleep(0.1)
        world.send(world.within("ACK"))
        (call,) = world.party.calls
        first = call.bytes_held

        async def invite(number: int) -> None:
            kinds = " ".join(str(96 + (number + n) % 32) for n in range(8))
            maps = "".join(
                f"a=rtpmap:{96 + (number + n) % 32} {'e' * 300}{number}/8000\r\n"
                f"a=fmtp:{96 + (number + n) % 32} {'f' * 3000}{number}\r\n"
                for n in range(8)
            )
            text = GOOD.replace("AVP 0", f"AVP 0 {kinds}") + maps
            world.send(world.within("INVITE", number, body=text.encode()))
            await asyncio.sleep(0.1)
            assert world.answers[-1].startswith(b"SIP/2.0 200")
            world.send(world.within("ACK", number))
            assert first + 25_000 < call.bytes_held < first + 40_000
            world.answers[1:-1] = []
            world.result.sent.clear()
            if number % 20 == 0:
                await asyncio.sleep(40)  # what the transactions keep is gone

        for number in range(2, 22):
            await invite(number)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(22, 121):
                await invite(number)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        # The sixteen that were read last are kept, for whoever sends one again.
        assert grown < 2_000_000
        call.hear("bye_received", None)
        assert call.bytes_held == 0

    live(run)


def test_media_named_by_a_name_is_not_looked_for() -> None:
    """A name would be resolved on the loop, or have a name server asked for whatever one likes."""

    async def run(world: World) -> None:
        await world.open(SingleRTPSessionSimplenParty)
        body = GOOD.replace("c=IN IP4 9.0.0.7", "c=IN IP4 victim.example.com")
        world.send(world.request("INVITE", body=body.encode()))
        await asyncio.sleep(0.1)
        world.send(world.within("ACK"))
        await asyncio.sleep(10.0)
        (call,) = world.party.calls
        assert call.state == "InDialog"

    world = live(run)
    assert world.result.packets("media") == 0
    assert world.result.hosts("sip", "connect") == {SOURCE[0]}
