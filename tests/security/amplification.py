"""What a datagram makes a party send: bytes and packets, how often and to whom, in 64 s.

`SCENARIOS` has every kind of datagram, `PARTIES` who gets it; `measure` sends one to the other, and
`table` writes what came of it as the page on being reachable has it.
"""

from __future__ import annotations

import asyncio
import functools
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty

from .world import SOURCE, Measured, World, live, sdp

__all__ = ["PARTIES", "SCENARIOS", "SOURCE", "THIRD", "World", "measure", "rows"]

#: Who would suffer: the source is an address that may be forged.
THIRD = ("11.0.0.9", 7000)
MEDIA = ("11.0.0.9", 8000)
#: Seconds that are watched: twice as long as any transaction lasts (RFC 3261 §17: 64 * T1).
WATCHED = 64.0


# -------------------------------------------------------------------- what is sent


Scenario = Callable[[World], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}

_THIRD_URI = f"<sip:m@{THIRD[0]}:{THIRD[1]}>"
_THIRD_VIA = f"{SOURCE[0]}:{SOURCE[1]};branch={{branch}};rport;maddr={THIRD[0]}"


def _one(name: str, make: Callable[[World], bytes]) -> None:
    """A scenario of one datagram."""

    async def scenario(world: World) -> None:
        world.send(make(world))

    SCENARIOS[name] = scenario


def _is(name: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS[name] = scenario
        return scenario

    return note


_one("INVITE", lambda w: w.request("INVITE", body=sdp()))
_one("INVITE without an offer", lambda w: w.request("INVITE"))
for _method in (
    "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE",
    "INFO", "UPDATE", "PRACK", "REFER", "DANCE",
):  # fmt: skip
    _one(_method, lambda w, method=_method: w.request(method))
for _method in ("INVITE", "BYE", "OPTIONS"):
    _one(
        f"{_method} inside of no dialog",
        lambda w, method=_method: w.request(method, to="<sip:bob@biloxi.com>;tag=none"),
    )
_one("OPTIONS to nobody here", lambda w: w.request("OPTIONS", uri="sip:nobody@biloxi.com"))
_one("OPTIONS to another scheme", lambda w: w.request("OPTIONS", uri="urn:service:sos"))
_one("OPTIONS that requires what is unknown", lambda w: w.request("OPTIONS", "Require: dance"))
_one(
    "the shortest OPTIONS",
    lambda w: (
        b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
        b"f:sip:m@x;tag=1\r\nt:sip:b\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n"
    ),
)
_one(
    "the shortest INVITE",
    lambda w: (
        b"INVITE sip:bob@biloxi.com SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
        b"f:sip:m@x;tag=1\r\nt:sip:b\r\ni:1\r\nm:sip:m@h\r\nCSeq:1 INVITE\r\n\r\n"
    ),
)
_one(
    "INVITE with wrong credentials",
    lambda w: w.request(
        "INVITE",
        'Authorization: Digest username="alice", realm="biloxi.com", nonce="1", '
        'uri="sip:bob@biloxi.com", response="00000000000000000000000000000000", qop=auth, '
        'nc=00000001, cnonce="1", algorithm=MD5',
        body=sdp(),
    ),
)
_one(
    "INVITE with credentials that are none",
    lambda w: w.request("INVITE", "Authorization: Digest ,", body=sdp()),
)
_one(
    "INVITE whose Via has a maddr",
    lambda w: w.request("INVITE", via=_THIRD_VIA, body=sdp()),
)
_one(
    "INVITE whose Via has a multicast maddr",
    lambda w: w.request("INVITE", via=_THIRD_VIA.replace(THIRD[0], "239.1.2.3"), body=sdp()),
)
_one(
    "INVITE whose Via is a third party's",
    lambda w: w.request("INVITE", via=f"{THIRD[0]}:{THIRD[1]};branch={{branch}}", body=sdp()),
)
_one(
    "INVITE whose Contact is a third party's",
    lambda w: w.request("INVITE", contact=_THIRD_URI, body=sdp()),
)
_one(
    "INVITE recorded by a third party",
    lambda w: w.request("INVITE", f"Record-Route: <sip:{THIRD[0]}:{THIRD[1]};lr>", body=sdp()),
)
_one(
    "INVITE with media for a third party",
    lambda w: w.request("INVITE", body=sdp(*MEDIA)),
)
_one("INVITE with a body that is no offer", lambda w: w.request("INVITE", body=b"v=1\r\n"))
_one("no CSeq", lambda w: w.request("OPTIONS").replace(b"CSeq: 1 OPTIONS\r\n", b""))
_one("a Via that is none", lambda w: w.request("OPTIONS", via=","))
_one(
    "a From that is none",
    lambda w: w.request("OPTIONS").replace(b"<sip:mallory@example.com>", b"<sip:a%zz@x>"),
)
_one("a line that is no header", lambda w: w.request("INVITE", "no colon"))
_one("another version", lambda w: w.request("OPTIONS").replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1))
_one("what is no SIP", lambda w: b"\x16\x03\x01" + bytes(range(200)))
_one("200 to nothing", lambda w: _response(w, "200 OK"))
_one("180 to nothing", lambda w: _response(w, "180 Ringing"))
_one("401 to nothing", lambda w: _response(w, "401 Unauthorized"))
_one("a keep-alive of two lines", lambda w: b"\r\n\r\n")
_one("a keep-alive of a NUL", lambda w: b"\0")
_one(
    "a STUN Binding request",
    lambda w: struct.pack("!HHI12s", 1, 0, 0x2112A442, b"transaction!"),
)


def _response(world: World, line: str) -> bytes:
    request = world.request("INVITE", body=sdp())
    return f"SIP/2.0 {line}".encode() + request[request.index(b"\r\n") :]


@_is("INVITE and ACK")
async def _acknowledged(world: World) -> None:
    world.send(world.request("INVITE", body=sdp()))
    await asyncio.sleep(0.1)
    world.send(world.within("ACK") or world.request("ACK"))


@_is("INVITE and ACK, media for a third party")
async def _hammer(world: World) -> None:
    world.send(world.request("INVITE", body=sdp(*MEDIA)))
    await asyncio.sleep(0.1)
    world.send(world.within("ACK") or world.request("ACK"))


@_is("INVITE and ACK, everything a third party's")
async def _everything(world: World) -> None:
    more = f"Record-Route: <sip:{THIRD[0]}:{THIRD[1]};lr>"
    third = {"via": _THIRD_VIA, "contact": _THIRD_URI}
    world.send(world.request("INVITE", more, body=sdp(*MEDIA), **third))
    await asyncio.sleep(0.1)
    world.send(world.within("ACK", via=_THIRD_VIA) or world.request("ACK"))


@_is("INVITE and ACK of a late offer, answered elsewhere")
async def _late(world: World) -> None:
    world.send(world.request("INVITE"))
    await asyncio.sleep(0.1)
    world.send(world.within("ACK", body=sdp(*MEDIA)) or world.request("ACK"))


@_is("INVITE, ACK and a re-INVITE to a third party")
async def _moved(world: World) -> None:
    await _acknowledged(world)
    await asyncio.sleep(1.0)
    again = world.within("INVITE", 2, body=sdp(*MEDIA))
    if again is not None:
        world.send(again)
        await asyncio.sleep(0.1)
        world.send(world.within("ACK", 2) or b"")


@_is("INVITE, ACK and RTP, of an unknown source too")
async def _joined(world: World) -> None:
    await _acknowledged(world)
    for number in range(100):
        world.speak((SOURCE[0], 8000), number)
        if number > 10:
            world.speak(MEDIA, 5000 + number)
        await asyncio.sleep(0.02)


@_is("INVITE, ACK and BYE")
async def _whole(world: World) -> None:
    await _acknowledged(world)
    await asyncio.sleep(0.1)
    bye = world.within("BYE", 2)
    if bye is not None:
        world.send(bye)


@_is("INVITE and CANCEL")
async def _cancelled(world: World) -> None:
    invite = world.request("INVITE", body=sdp())
    world.send(invite)
    cancel = invite.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    cancel = cancel.replace(b"INVITE", b"CANCEL").replace(b"Content-Type: application/sdp\r\n", b"")
    length = cancel.index(b"Content-Length")
    world.send(cancel[:length] + b"Content-Length: 0\r\n\r\n")


@_is("the same INVITE ten times")
async def _again(world: World) -> None:
    invite = world.request("INVITE", body=sdp())
    for _ in range(10):
        world.send(invite)
        await asyncio.sleep(0.5)


# -------------------------------------------------------------------- who gets it


@dataclass(frozen=True)
class Exposed:
    """A kind of party that anybody can reach.

    Args:
        kind: Its class.
        settings: What it is configured with.
    """

    kind: Any
    settings: dict[str, Any]


PARTIES = {
    "authenticating": Exposed(SingleRTPSessionSimplenParty, {"authenticator": {"alice": "tea"}}),
    "open": Exposed(NoMediaSimpleCallsParty, {}),
    "audio": Exposed(SingleRTPSessionSimplenParty, {}),
}


@functools.cache
def measure(scenario: str, party: str) -> World:
    """Send a party what a scenario has, and watch it for `WATCHED` seconds."""
    exposed = PARTIES[party]

    async def run(world: World) -> None:
        await world.open(exposed.kind, **exposed.settings)
        await SCENARIOS[scenario](world)
        await asyncio.sleep(WATCHED - world.loop.time())

    return live(run)


def _cell(result: Measured) -> str:
    if not result.sent:
        return "nothing"
    media, rest = result.packets("media"), len(result.sent) - result.packets("media")
    packets = f"{rest} SIP" + (f", {media:,} RTP" if media else "")
    third = " to a third party" if THIRD[0] in result.hosts("sip", "media", "connect") else ""
    return f"{result.ratio():.1f} ({packets}{third})"


def rows() -> list[str]:
    """The table of the page: what each datagram makes each kind of party send."""
    made = [
        "| what comes | bytes | authenticating | open, without media | open, with audio |",
        "|---|---|---|---|---|",
    ]
    for name in SCENARIOS:
        worlds = [measure(name, party).result for party in PARTIES]
        cells = " | ".join(map(_cell, worlds))
        most = max(world.received for world in worlds)
        made.append(f"| {name} | {most:,} | {cells} |")
    return made
