"""What a datagram makes a party send: bytes and packets, how often and to whom, in 64 s.

`SCENARIOS` has every kind of datagram, `PARTIES` who gets it; `measure` sends one to the other, and
`table` writes what came of it as the page on being reachable has it.
"""

from __future__ import annotations

import asyncio
import functools
import random
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sipparty.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip import Message
from sipparty.testing import seeded_tokens
from sipparty.transport import Resolver
from sipparty.transport.nameservers import Answered
from sipparty.transport.targets import Answer

from .virtual import VirtualLoop, silenced

__all__ = ["PARTIES", "SCENARIOS", "SOURCE", "THIRD", "World", "measure", "rows"]

#: Who attacks, from an address that may be forged, and who would suffer.
SOURCE = ("9.0.0.7", 5060)
THIRD = ("11.0.0.9", 7000)
MEDIA = ("11.0.0.9", 8000)
#: Seconds that are watched: twice as long as any transaction lasts (RFC 3261 §17: 64 * T1).
WATCHED = 64.0


@dataclass
class Measured:
    """What came of a scenario.

    Args:
        received: The bytes that were sent to the party, all of them.
        datagrams: How many datagrams they were.
        sent: What it sent: the time, the kind ("sip", "media" or "connect"), bytes, and whom to.
    """

    received: int = 0
    datagrams: int = 0
    sent: list[tuple[float, str, int, tuple[str, int]]] = field(default_factory=list)

    def packets(self, kind: str = "") -> int:
        """How many packets went out, of a kind or of any."""
        return sum(1 for one in self.sent if not kind or one[1] == kind)

    def ratio(self, kind: str = "") -> float:
        """Bytes out per byte in."""
        return sum(one[2] for one in self.sent if not kind or one[1] == kind) / self.received

    def hosts(self, *kinds: str) -> set[str]:
        """To whom anything of some kinds went."""
        return {one[3][0] for one in self.sent if one[1] in kinds}

    def times(self, kind: str) -> list[float]:
        """When something of a kind went, in seconds."""
        return [one[0] for one in self.sent if one[1] == kind]


class World:
    """A party, and whoever sends to it.

    Attributes:
        party: The party.
        result: What was sent, either way.
        answers: The SIP messages that it sent, in order.
        media_events: What the media of its calls told.
        calls: How many calls were up at the end.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.result = Measured()
        self.answers: list[bytes] = []
        self.media_events: list[Any] = []
        self.calls = 0
        self._numbers = 0

    async def open(self, kind: Any, *, policy: Any = None, **settings: Any) -> None:
        """Have the party there."""

        async def nobody(question: Any) -> Answered:
            return Answered(Answer(()))

        resolver = Resolver(lookup=nobody, hosts=None)
        self.engine = Engine(self._loop, resolver=resolver, policy=policy)
        self.engine.core.tokens = seeded_tokens(1)
        self.engine.core.transactions._tokens = self.engine.core.tokens
        media = (
            {"tokens": random.Random(1).getrandbits}
            if kind is SingleRTPSessionSimplenParty
            else None
        )
        self.party = kind("bob@biloxi.com", engine=self.engine, media=media)
        self.party.configure(**settings).listen(None, address="127.0.0.1")
        self.endpoint = self.party._endpoints[0]
        make = self.party.make_session

        def make_session(dialog: Any) -> Any:
            session = make(dialog)
            session.on_event = self.media_events.append
            return session

        self.party.make_session = make_session

    async def close(self) -> None:
        """Have it gone."""
        self.party.FAREWELL = self.engine.FAREWELL = 0.01
        await self.party.aclose()
        await self.engine.aclose()

    def record(self, way: str, data: bytes, address: tuple[str, int]) -> None:
        """Take note of what was sent."""
        if way == "tcp":
            kind = "connect"
        elif len(data) > 1 and data[0] >> 6 == 2:
            kind = "media"
        else:
            kind = "sip"
            self.answers.append(data)
        self.result.sent.append((self._loop.time(), kind, len(data), address))

    def send(self, data: bytes, source: tuple[str, int] = SOURCE) -> None:
        """Send a datagram."""
        self.result.received += len(data)
        self.result.datagrams += 1
        endpoint = self.endpoint
        flow = endpoint._flow(source)
        if len(data) >= 20 and data[0] < 64 and data[4:8] == b"\x21\x12\xa4\x42":
            self.engine.stun_received(data, flow)
        else:
            self.engine.datagram_received(data, flow)
        self.engine.batch_over()

    def request(
        self,
        method: str,
        *more: str,
        uri: str = "sip:bob@biloxi.com",
        to: str = "<sip:bob@biloxi.com>",
        via: str = f"{SOURCE[0]}:{SOURCE[1]};branch={{branch}};rport",
        contact: str = f"<sip:m@{SOURCE[0]}:{SOURCE[1]}>",
        body: bytes = b"",
        number: int = 1,
        call: str = "c1",
    ) -> bytes:
        """Return a request that is as it should be."""
        self._numbers += 1
        branch = f"z9hG4bK{self._numbers}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {via.format(branch=branch)}",
            "Max-Forwards: 70",
            "From: <sip:mallory@example.com>;tag=m1",
            f"To: {to}",
            f"Call-ID: {call}@mallory",
            f"CSeq: {number} {method}",
            f"Contact: {contact}",
            *more,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def answer(self, start: bytes = b"SIP/2.0 2") -> Message | None:
        """The last message that it sent which begins so."""
        found = [one for one in self.answers if one.startswith(start)]
        return Message.parse(found[-1]) if found else None

    def within(self, method: str, number: int = 1, **changes: Any) -> bytes | None:
        """A request in the dialog of the last 2xx; None where there was none."""
        answer = self.answer()
        if answer is None:
            return None
        to = answer.lines("To")[0]
        contact = answer.lines("Contact")[0].strip("<>")
        return self.request(method, uri=contact, to=to, number=number, **changes)


def sdp(address: str = SOURCE[0], port: int = 8000) -> bytes:
    """Return an offer of one audio stream."""
    return (
        f"v=0\r\no=m 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\n"
    ).encode()


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
    "guarded": Exposed(SingleRTPSessionSimplenParty, {"guard": {"alice": "tea"}}),
    "open": Exposed(NoMediaSimpleCallsParty, {}),
    "audio": Exposed(SingleRTPSessionSimplenParty, {}),
}


@functools.cache
def measure(scenario: str, party: str) -> World:
    """Send a party what a scenario has, and watch it for `WATCHED` seconds."""
    loop = VirtualLoop()
    world = World(loop)
    exposed = PARTIES[party]

    async def run() -> None:
        await world.open(exposed.kind, **exposed.settings)
        await SCENARIOS[scenario](world)
        await asyncio.sleep(WATCHED - loop.time())
        world.calls = len(world.party.calls)
        sent, answers = len(world.result.sent), len(world.answers)
        await world.close()
        del world.result.sent[sent:], world.answers[answers:]

    try:
        with silenced(world.record):
            loop.run_until_complete(run())
    finally:
        loop.close()
    return world


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
        "| what comes | bytes | guarded | open, without media | open, with audio |",
        "|---|---|---|---|---|",
    ]
    for name in SCENARIOS:
        worlds = [measure(name, party).result for party in PARTIES]
        cells = " | ".join(map(_cell, worlds))
        made.append(f"| {name} | {worlds[0].received:,} | {cells} |")
    return made
