"""Parties that are there to be attacked, and what they are attacked by.

Laws:

* Whatever is logged as an error, and whatever a handler meets that reads all it is given, becomes a
  `Finding`.
* All is on one event loop, whose clock `Rig.advance` puts forward.
* Nothing leaves the loopback interface: all is bound to it, and no name has an address.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

from fuzz.live_seeds import fill
from fuzz.live_wire import options
from fuzz.outcome import Finding, place_of
from fuzz.reading import read_call, read_message, read_value
from sipparty.concurrency.engine import Engine
from sipparty.errors import UnexpectedInput
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip import Limits
from sipparty.sip.events import CallReceived, Event
from sipparty.transport import Resolver
from sipparty.transport.nameservers import Answered
from sipparty.transport.targets import Answer

__all__ = ["HOST", "MAX_BATCH", "MAX_SIZE", "PATIENCE", "Rig"]

#: Seconds without an answer to OPTIONS that are a finding.
PATIENCE = 10.0
#: The longest mutant, in bytes, and the most of a batch: the system's buffers hold no more.
MAX_SIZE, MAX_BATCH = 20_000, 60_000
#: Seconds that the clock is put forward after a batch.
STEP = 6.0

HOST = "127.0.0.1"
_METHODS = ("MESSAGE", "REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "INFO", "DANCE")


#: What is written into the Via of a request that is received (RFC 3581 §4).
_RECEIVED = re.compile(rb"(;rport=[0-9]+)?;received=127\.0\.0\.1")


class _Errors(logging.Handler):
    """Makes a finding of what is logged as an error."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(logging.ERROR)
        self._rig = rig

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._rig.found(error, record.getMessage())
        else:
            self._rig.note(record.getMessage(), f"{record.name}: {record.msg}")


async def _nobody(question: Any) -> Answered:
    """Answer that no name has an address: nothing leaves this host."""
    return Answered(Answer(()))


class Rig:
    """Parties that are attacked, and what they are attacked by.

    Attributes:
        findings: What was found, by place.
        surface: What is attacked now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.findings: dict[str, Finding] = {}
        self.surface = ""
        self.number = 0
        self._turn = 0
        self._current = b""
        self._sources: dict[bytes, bytes] = {}
        self._ahead = 0.0
        self._errors = _Errors(self)
        self._loggers = [logging.getLogger(name) for name in ("sipparty", "asyncio")]

    # ---------------------------------------------------------------- coming and going

    async def open(self) -> None:
        """Have everybody there."""
        real = self.loop.time
        self.loop.time = lambda: real() + self._ahead  # type: ignore[method-assign]
        for logger in self._loggers:
            logger.addHandler(self._errors)
        # All comes from one source here, and is to be looked at.
        limits = Limits(max_share=100, max_half_open=1_000_000)
        resolver = Resolver(lookup=_nobody, hosts=None)
        self.engine = Engine(self.loop, resolver=resolver, limits=limits)
        self._watch_core()
        given: dict[str, Any] = {"engine": self.engine, "local_address": HOST}
        self.bob = NoMediaSimpleCallsParty("bob@biloxi.com", **given)
        self.bob.listen(None, address=HOST, transport=("UDP", "TCP", "WS"))
        self.udp_port, self.tcp_port, self.ws_port = (
            endpoint.address[1] for endpoint in self.bob._endpoints
        )
        self.carol = SingleRTPSessionSimplenParty("carol@chicago.com", **given)
        self.dave = NoMediaSimpleCallsParty("dave@denver.org", **given)
        self.dave.configure(authenticator={"alice": "tea"})
        given["credentials"] = ("alice", "tea")
        self.alice = NoMediaSimpleCallsParty("alice@atlanta.com", **given)
        self.erin = SingleRTPSessionSimplenParty("erin@atlanta.com", **given)
        for party in self._parties():
            if not party.listening:
                party.listen(None, address=HOST)
            party.on(Event, self._see)
            party.on(CallReceived, self._decide)
            for method in _METHODS:
                party.on_request(method, self._respond)
        self.carol_port = self.carol._endpoints[0].address[1]
        self.dave_port = self.dave._endpoints[0].address[1]
        #: Who listens at each port.
        self.users = {
            endpoint.address[1]: str(party.aor).encode()
            for party in self._parties()
            for endpoint in party._endpoints
        }
        self.udp = self._socket()
        self.media = self._socket()
        self.here = b"%s:%d" % (HOST.encode(), self.udp.getsockname()[1])

    def _parties(self) -> tuple[Any, ...]:
        return self.bob, self.carol, self.dave, self.alice, self.erin

    def _socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((HOST, 0))
        sock.setblocking(False)
        return sock

    async def close(self) -> None:
        """Have everybody gone."""
        self.udp.close()
        self.media.close()
        for party in self._parties():
            party.CLOSE_TIMEOUT = 0.05  # type: ignore[misc]
            await party.aclose()
        self.engine.CLOSE_TIMEOUT = 0.05  # type: ignore[misc]
        await self.engine.aclose()
        for logger in self._loggers:
            logger.removeHandler(self._errors)

    def _watch_core(self) -> None:
        """Know which message the core is at."""
        core = self.engine.core
        receive = core.receive

        def watched(data: bytes, flow: Any, now: float) -> None:
            self._current = data
            receive(data, flow, now)

        core.receive = watched  # type: ignore[method-assign]

    def turn(self) -> int:
        """Count a batch: what is done by turns goes by it."""
        self._turn += 1
        return self._turn

    # ---------------------------------------------------------------- findings

    def found(self, error: BaseException, what: str = "") -> None:
        """Take note of an exception."""
        details = "".join(traceback.format_exception(error))
        text = f"{what} {type(error).__name__}: {str(error)[:200]}".strip()
        self.note(text, place_of(error), details)

    def note(self, what: str, place: str, details: str = "", data: bytes = b"") -> None:
        """Take note of a defect; of a kind, the first counts."""
        data = data or self._current
        as_sent = _RECEIVED.sub(lambda found: b";rport" if found[1] else b"", data, count=1)
        data = self._sources.get(data) or self._sources.get(as_sent, data)
        finding = Finding(f"live-{self.surface}", what, place, data, details)
        self.findings.setdefault(place, finding)

    # ---------------------------------------------------------------- what handlers do

    async def _see(self, event: Event) -> None:
        message = getattr(event, "response", None) or getattr(event, "request", None)
        try:
            read_value(event, 0)
            if message is not None:
                read_message(message)
            if getattr(event, "dialog", None) is not None:
                read_call(event.call)  # type: ignore[attr-defined]
        except Exception as error:
            data = b"" if message is None else bytes(message)
            details = "".join(traceback.format_exception(error))
            what = f"Reading {type(event).__name__} raised {type(error).__name__}: {error}"
            self.note(what[:300], place_of(error), details, data)

    async def _decide(self, event: CallReceived) -> None:
        """Do with a call what its Call-ID says: there is chance in it, and it is repeatable."""
        call = event.call
        chance = sum(call.call_id.encode("utf-8", "replace")) % 8
        try:
            if event.request.call_id and event.request.call_id.endswith("!"):
                chance = 6
            if chance < 6:
                call.ring(183 if chance == 1 else 180)
            if chance in (2, 3, 4, 5, 6):
                call.accept()
            elif chance == 7:
                call.reject(486 + chance % 3)
            if chance == 2:
                call.terminate()
        except UnexpectedInput:
            pass  # it is over already

    async def _respond(self, event: Any) -> None:
        try:
            event.incoming.respond(202, headers={"Expires": "60"})
        except UnexpectedInput:
            pass

    # ---------------------------------------------------------------- what attacks are made of

    def values(self, **more: bytes) -> dict[bytes, bytes]:
        """What names in braces stand for, in the next mutant."""
        self.number += 1
        values = {b"here": self.here, b"fresh": b"%d" % self.number}
        values[b"media"] = b"%d" % self.media.getsockname()[1]
        values[b"number"] = b"%d" % (self.number % 100_000)
        values.update((name.encode(), value) for name, value in more.items())
        return values

    def filled(self, mutant: bytes, **more: bytes) -> bytes:
        """Return a mutant as it is sent, and remember which one it was."""
        data = fill(mutant, self.values(**more))[:MAX_SIZE]
        self._sources[data] = mutant
        return data

    def send(self, data: bytes, port: int) -> None:
        """Send a datagram."""
        try:
            self.udp.sendto(data, (HOST, port))
        except OSError:
            pass  # what an earlier one met

    def drain(self) -> list[bytes]:
        """Return what has come by UDP."""
        got = []
        while True:
            try:
                got.append(self.udp.recv(65_535))
            except BlockingIOError:
                return got
            except OSError:
                continue

    async def until(self, arrived: Callable[[bytes], bool], what: str) -> tuple[bytes, list[bytes]]:
        """Return the datagram that is waited for, or b"" after `PATIENCE`, and those before it."""
        deadline = time.monotonic() + PATIENCE
        before: list[bytes] = []
        while time.monotonic() < deadline:
            got = self.drain()
            for at, data in enumerate(got):
                if arrived(data):
                    return data, before + got[:at]
            before += got
            await asyncio.sleep(0)
        self.note(f"{what} did not come in {PATIENCE:g} s", f"{self.surface}: {what}")
        return b"", before

    async def sync(self, port: int) -> list[bytes]:
        """See that OPTIONS is answered, and so that all before it was taken; return what came."""
        self.number += 1
        mark = b"sync%d" % self.number
        self.send(options(mark, self.here, self.users[port]), port)
        _, before = await self.until(
            lambda data: data.startswith(b"SIP/2.0 ") and mark in data, "the answer to OPTIONS"
        )
        for _ in range(3):  # the tasks of handlers
            await asyncio.sleep(0)
        return before

    def advance(self, seconds: float = STEP) -> None:
        """Put the clock forward, between batches."""
        self._ahead += seconds
        self._sources.clear()
