"""A party in virtual time, whoever sends to it, and what it sends: nothing leaves this process."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sipparty.concurrency.engine import Engine
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip import Message
from sipparty.testing import seeded_tokens
from sipparty.testing.simulation.loop import VirtualLoop
from sipparty.transport import Resolver
from sipparty.transport.nameservers import Answered
from sipparty.transport.targets import Answer

from .virtual import Real, silenced

__all__ = ["SOURCE", "Measured", "World", "live", "sdp"]

#: Who sends, by default: an address of the Internet; nothing goes there.
SOURCE = ("9.0.0.7", 5060)


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
        self.loop = loop
        self.result = Measured()
        self.answers: list[bytes] = []
        self.media_events: list[Any] = []
        self.calls = 0
        #: What sends RTP, and where that claims to come from.
        self.voice = Real(socket.AF_INET, socket.SOCK_DGRAM)
        self.claimed: dict[bytes, tuple[str, int]] = {}
        self._numbers = 0

    async def open(self, kind: Any, *, policy: Any = None, **settings: Any) -> None:
        """Have the party there."""

        async def nobody(question: Any) -> Answered:
            return Answered(Answer(()))

        resolver = Resolver(lookup=nobody, hosts=None)
        self.engine = Engine(self.loop, resolver=resolver, policy=policy)
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
            emit = getattr(session, "emit", None)

            def heard(event: Any) -> None:
                self.media_events.append(event)
                emit(event)

            session.emit = heard
            return session

        self.party.make_session = make_session

    async def close(self) -> None:
        """Have it gone."""
        self.party.CLOSE_TIMEOUT = self.engine.CLOSE_TIMEOUT = 0.01
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
        self.result.sent.append((self.loop.time(), kind, len(data), address))

    def send(self, data: bytes, source: tuple[str, int] = SOURCE) -> None:
        """Send a datagram."""
        self.result.received += len(data)
        self.result.datagrams += 1
        endpoint = self.endpoint
        flow = endpoint.flow_to(*source)
        if len(data) >= 20 and data[0] < 64 and data[4:8] == b"\x21\x12\xa4\x42":
            self.engine.stun_received(data, flow)
            self.engine.messages_received(())
        else:
            self.engine.messages_received([(data, flow)])

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

    def speak(self, source: tuple[str, int], number: int, ssrc: int = 7) -> None:
        """Send a packet of RTP to the port of the call, if there is one: PCMU, 20 ms of silence."""
        port = (
            getattr(self.party.calls[0].session, "local_port", None) if self.party.calls else None
        )
        if port is None:
            return
        data = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc)
        data += b"\xff" * 160
        self.claimed[data] = source
        self.voice.sendto(data, ("127.0.0.1", port))

    def media(self, source: tuple[str, int], data: bytes, control: bool = False) -> None:
        """Give a datagram to the call's port of RTP, or of RTCP, if that is read."""
        ports = self.party.calls[0].session.line.transport
        port = ports.rtcp if control else ports.rtp
        if port._receive is not None:
            port._receive(data, source, self.loop.time())

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


def live(run: Callable[[World], Awaitable[None]]) -> World:
    """Run something in a world of its own, and have its party gone at the end."""
    loop = VirtualLoop()
    world = World(loop)

    async def whole() -> None:
        await run(world)
        world.calls = len(world.party.calls)
        sent, answers = len(world.result.sent), len(world.answers)
        await world.close()
        del world.result.sent[sent:], world.answers[answers:]

    try:
        with silenced(world.record, world.claimed):
            loop.run_until_complete(whole())
    finally:
        world.voice.close()
        loop.close()
    return world
