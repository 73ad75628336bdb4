"""Fuzzing of parties that are there: mutants over loopback sockets, by UDP, TCP and WebSocket.

    python fuzz/run.py --only live                 1,000,000 mutants, on two processes
    python fuzz/run.py --replay fuzz/findings/live-answers-0123456789.bin

Each process has one engine with parties of every kind, and attacks it on the engine's own loop.
The clock of that loop is put forward after each batch, so that what takes SIP's 32 seconds is over
soon. What the mutants are, and where they go, is the table `SURFACES`.

Laws:

* Nothing is logged as an error, by sipparty or by asyncio.
* Handlers that read everything of what they are given (`fuzz.reading`) raise nothing.
* After each batch OPTIONS is answered.
* Memory does not go on growing (`Outcome.growth`).

A finding's input is the mutant before the names in braces were filled in, or the message itself
where it is not known which mutant it was.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fuzz import live_seeds, seeds
from fuzz.live_seeds import fill
from fuzz.live_wire import HANDSHAKE, frame, within
from fuzz.mutation import Mutator
from fuzz.outcome import Finding, Outcome, resident
from fuzz.reading import read_call, read_message
from fuzz.rig import HOST, MAX_BATCH, MAX_SIZE, PATIENCE, Rig
from fuzz.words import RTP_WORDS, SDP_WORDS, SIP_WORDS
from sipparty.sip import Message, Request, Response

__all__ = ["CHUNK", "SURFACES", "Rig", "run_chunk", "try_one"]

#: Inputs in a chunk.
CHUNK = 2_000

# -------------------------------------------------------------------- what is attacked


async def _datagrams(rig: Rig, mutants: list[bytes]) -> None:
    """Requests, or whatever they have become, to a party without media and to one that
    authenticates.
    """
    for at, mutant in enumerate(mutants):
        rig.send(rig.filled(mutant), rig.dave_port if at % 8 == 7 else rig.udp_port)
    await rig.sync(rig.dave_port)
    await rig.sync(rig.udp_port)


_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:.*(?:\r\n[ \t].*)*\r\n")


async def _stream(rig: Rig, mutants: list[bytes]) -> None:
    """The same down a TCP connection; on every other one, each states its body's length right."""
    data = bytearray()
    right = rig.turn() % 2
    for mutant in mutants:
        one = rig.filled(mutant)
        head, gap, body = one.partition(b"\r\n\r\n")
        if right:
            head = _LENGTH.sub(b"", head + b"\r\n")
            one = head + b"Content-Length: %d" % len(body) + (gap or b"\r\n\r\n") + body
        data += one
    await _converse(rig, rig.tcp_port, bytes(data), b"")


async def _websocket(rig: Rig, mutants: list[bytes]) -> None:
    """The same in WebSocket messages, as text where they are; the last one is what ends it."""
    data = bytearray()
    for at, mutant in enumerate(mutants):
        one = rig.filled(mutant)
        text = at % 2 and one.isascii()
        data += frame(one, 1 if text else 2)
    await _converse(rig, rig.ws_port, bytes(data), HANDSHAKE)


async def _converse(rig: Rig, port: int, data: bytes, first: bytes) -> None:
    """Connect, say it all, end our direction, and read until the other end is closed too."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(PATIENCE):
            await rig.loop.sock_connect(sock, (HOST, port))
            if first:
                await rig.loop.sock_sendall(sock, first)
                await rig.loop.sock_recv(sock, 65_536)
            sending = asyncio.ensure_future(_say(rig, sock, data))
            while await rig.loop.sock_recv(sock, 65_536):
                pass
            await sending
    except ConnectionError:
        pass  # a stream that is none is cut off
    except TimeoutError:
        rig.note("a connection did not end", f"{rig.surface}: a connection did not end")
    finally:
        sock.close()
    await rig.sync(rig.udp_port)


async def _say(rig: Rig, sock: socket.socket, data: bytes) -> None:
    try:
        await rig.loop.sock_sendall(sock, data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


async def _established(rig: Rig, port: int, body: bytes = b"") -> dict[str, bytes] | None:
    """Make a call that is answered and acknowledged; return what names requests in it."""
    head = live_seeds.invites()[0]
    if not body:
        head = head.replace(b"carol@chicago.com", b"bob@biloxi.com")
        head = head.replace(b"Content-Type: application/sdp\r\n", b"")
    values = rig.values()
    name = values[b"fresh"] = b"%d!" % rig.number
    head = head.replace(b"{fresh}@mallory", b"%d@mallory!" % rig.number)
    rig.send(fill(head + body, values), port)
    answer, _ = await rig.until(
        lambda data: data.startswith(b"SIP/2.0 2") and name in data, "the answer to an INVITE"
    )
    if not answer:
        return None
    made = within(answer)
    made["port"] = b"%d" % port
    rig.send(fill(_ACK, rig.values(**made, seq=b"1")), port)
    return made


_ACK = (
    b"ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{fresh}\r\nFrom: {remote}\r\n"
    b"To: {local}\r\nCall-ID: {call}\r\nCSeq: {seq} ACK\r\nContent-Length: 0\r\n\r\n"
)
_BYE = _ACK.replace(b"ACK {target}", b"BYE {target}").replace(b"{seq} ACK", b"999999 BYE")


async def _dialog(rig: Rig, mutants: list[bytes]) -> None:
    """Requests inside of a call, by turns without media and with."""
    audio = rig.turn() % 2
    port = rig.carol_port if audio else rig.udp_port
    made = await _established(rig, port, live_seeds.GOOD_SDP if audio else b"")
    if made is None:
        return
    for mutant in mutants:
        rig.send(rig.filled(mutant, **made), port)
    await rig.sync(port)
    rig.send(fill(_BYE, rig.values(**made)), port)
    await rig.sync(port)


async def _answers(rig: Rig, mutants: list[bytes]) -> None:
    """Responses to an INVITE of ours, with media and without, and to a MESSAGE."""
    turn = rig.turn()
    kind = turn % 3
    rig.drain()
    target = f"sip:peer@{rig.here.decode()}"
    if kind == 2:
        made: Any = rig.alice.send(Request("MESSAGE", target))
    else:
        made = (rig.alice, rig.erin)[kind].invite(target, late_offer=turn % 4 == 3)
    sent, _ = await rig.until(
        lambda data: data.startswith((b"INVITE ", b"MESSAGE ")), "a request of ours"
    )
    if not sent:
        return
    request = Message.parse(sent)
    assert isinstance(request, Request)
    values = {
        "via": request.lines("Via")[0].encode(),
        "local": request.lines("From")[0].encode(),
        "remote": request.lines("To")[0].encode() + b";tag=t",
        "call": request.call_id.encode(),
        "number": request.lines("CSeq")[0].split()[0].encode(),
        "method": request.method.encode(),
    }
    port = int(values["via"].partition(b";")[0].rpartition(b":")[2])
    for mutant in mutants:
        rig.send(rig.filled(mutant, **values), port)
    await rig.sync(port)
    try:
        if kind == 2:
            for response in (*made.provisional, made.response):
                if isinstance(response, Response):
                    read_message(response)
            str(made.error)
        else:
            read_call(made)
            if made.takes("terminate"):
                made.terminate()
    except Exception as error:
        rig.found(error, "Reading what came of a request raised")
    final = live_seeds.responses()[-5].replace(b"503", b"486")
    rig.send(fill(final, rig.values(**values)), port)
    await rig.sync(port)


async def _descriptions(rig: Rig, mutants: list[bytes]) -> None:
    """Session descriptions: as offers that begin calls, and inside of one."""
    head = live_seeds.invites()[0]
    made = None
    if rig.turn() % 2:
        made = await _established(rig, rig.carol_port, live_seeds.GOOD_SDP)
        head = _REINVITE
    for mutant in mutants:
        rig.send(rig.filled(head + mutant, **made or {}), rig.carol_port)
        rig._sources[next(reversed(rig._sources))] = mutant
    for data in await rig.sync(rig.carol_port):
        if data.startswith(b"SIP/2.0 200") and b"\r\nCSeq: 1 INVITE" in data:
            known = within(data)
            rig.send(fill(_ACK, rig.values(**known, seq=b"1")), rig.carol_port)
            rig.send(fill(_BYE, rig.values(**known)), rig.carol_port)
    if made is not None:
        rig.send(fill(_BYE, rig.values(**made)), rig.carol_port)
    await rig.sync(rig.carol_port)


_REINVITE = (
    b"INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{fresh}\r\n"
    b"From: {remote}\r\nTo: {local}\r\nCall-ID: {call}\r\nCSeq: {number} INVITE\r\n"
    b"Contact: <sip:mallory@{here}>\r\nContent-Type: application/sdp\r\n\r\n"
)


async def _media(rig: Rig, mutants: list[bytes], kind: int) -> None:
    """RTP or RTCP, to the ports of a call with audio."""
    made = await _established(rig, rig.carol_port, live_seeds.GOOD_SDP)
    if made is None:
        return
    ports = [int(port) for port in made["audio"].split()]
    for mutant in mutants:
        rig._current = mutant
        rig._sources[mutant] = mutant
        try:
            rig.media.sendto(mutant, (HOST, ports[kind]))
        except OSError:
            pass
    await rig.sync(rig.carol_port)
    for _ in range(4):
        rig._ahead += 0.02
        await asyncio.sleep(0)
    for call in rig.carol.calls:
        try:
            read_call(call)
        except Exception as error:
            rig.found(error, "Reading a call raised")
    rig.send(fill(_BYE, rig.values(**made)), rig.carol_port)
    await rig.sync(rig.carol_port)
    while True:
        try:
            rig.media.recv(65_535)
        except OSError:
            break


async def _rtp(rig: Rig, mutants: list[bytes]) -> None:
    await _media(rig, mutants, 0)


async def _rtcp(rig: Rig, mutants: list[bytes]) -> None:
    await _media(rig, mutants, 1)


@dataclass(frozen=True)
class Surface:
    """Where mutants go.

    Args:
        attack: Sends a batch, and sees that it did no harm.
        seeds: Gives what the mutants start from.
        words: Pieces that mean something there.
        batch: Mutants at a time.
        share: How many of the chunks are its.
    """

    attack: Callable[[Rig, list[bytes]], Awaitable[None]]
    seeds: Callable[[], tuple[bytes, ...]]
    words: tuple[bytes, ...]
    batch: int
    share: int = 1


SURFACES: dict[str, Surface] = {
    "requests": Surface(_datagrams, live_seeds.requests, SIP_WORDS, 24, 4),
    "tcp": Surface(_stream, live_seeds.requests, SIP_WORDS, 16, 2),
    "ws": Surface(_websocket, live_seeds.requests, SIP_WORDS, 16, 2),
    "dialog": Surface(_dialog, live_seeds.in_dialog, SIP_WORDS, 12, 3),
    "answers": Surface(_answers, live_seeds.responses, SIP_WORDS, 10, 3),
    "sdp": Surface(_descriptions, live_seeds.sdps, SDP_WORDS, 12, 2),
    "rtp": Surface(_rtp, seeds.rtps, RTP_WORDS, 64),
    "rtcp": Surface(_rtcp, seeds.rtcps, RTP_WORDS, 64),
}
#: The surface of each chunk, over and over.
_TURNS = [name for name, it in SURFACES.items() for _ in range(it.share)]
#: A number without a factor in common with that of turns, so that few chunks meet many surfaces.
_STRIDE = 7


def _batches(
    surface: Surface, chunk: int, count: int, seed: int, name: str
) -> Iterator[list[bytes]]:
    chance = random.Random(f"{seed} live {name} {chunk}")
    mutator = Mutator(chance, surface.seeds(), surface.words, MAX_SIZE)
    while count > 0:
        batch: list[bytes] = []
        size = 0
        while len(batch) < min(surface.batch, count) and size < MAX_BATCH:
            what = mutator.below(4) if surface.words is SIP_WORDS else 0
            # Of messages, half have but one header that is odd: they get further.
            mutant = mutator.make() if what < 2 else mutator.choose(mutator.pool)
            if what:
                mutant = live_seeds.with_odd_header(mutator, mutant)
            batch.append(mutant)
            size += len(mutant)
        count -= len(batch)
        yield batch


_rig: Rig | None = None


def _ready() -> Rig:
    """Return this process's rig, one for all of its chunks."""
    global _rig
    if _rig is None:
        rig = Rig(asyncio.new_event_loop())
        rig.loop.run_until_complete(rig.open())
        _rig = rig
    return _rig


def close() -> None:
    """Give back what this process's rig holds."""
    global _rig
    if _rig is not None:
        _rig.loop.run_until_complete(_rig.close())
        _rig.loop.close()
        _rig = None


def run_chunk(chunk: int, count: int, seed: int = 0, only: str = "") -> Outcome:
    """Attack with one chunk of mutants; the same arguments make the same mutants."""
    name = only or _TURNS[chunk * _STRIDE % len(_TURNS)]
    surface, rig = SURFACES[name], _ready()
    outcome = Outcome()
    began = time.perf_counter()

    async def attack() -> None:
        rig.surface, rig.findings = name, {}
        for batch in _batches(surface, chunk, count, seed, name):
            await surface.attack(rig, batch)
            outcome.inputs += len(batch)
            rig.advance()

    rig.loop.run_until_complete(attack())
    outcome.findings = dict(rig.findings)
    outcome.seconds = time.perf_counter() - began
    outcome.read = outcome.inputs
    outcome.memory[os.getpid()] = [resident()]
    return outcome


def try_one(name: str, data: bytes) -> Finding | None:
    """Send one mutant to a surface of this process's rig; what it showed, or None."""
    rig = _ready()

    async def attack() -> None:
        rig.surface, rig.findings = name, {}
        for _ in range(6):  # by turns with media and without, and to the end of its transactions
            await SURFACES[name].attack(rig, [data])
            rig.advance()

    rig.loop.run_until_complete(attack())
    return next(iter(rig.findings.values()), None)
