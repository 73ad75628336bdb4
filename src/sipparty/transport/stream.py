"""Connections by TCP and TLS (RFC 3261 §18, RFC 5626, RFC 5923).

Laws:

* A connection carries whole messages in both directions; its framer says where they end. What
  cannot be framed goes to the owner, who answers it where it can be answered; where the next
  message cannot be found, it ends the connection, and so that the answer still gets there.
* A double CRLF is answered with a single one (RFC 5626 §4.4.1). The side that connected sends one
  when nothing went in either direction for a while. A peer that has answered one before and leaves
  one without an answer is taken for lost; others may not know of pings (§4.4).
* Nobody holds a connection for nothing: the first message, each begun one and an end have their
  time. A peer that does not read is not read from either while much waits for it, and dropped where
  that does not get less in time.
* What a connection takes is counted with the rest of what peers have us hold: itself, the message
  that is not complete, and what waits to be read. Where a limit leaves no space for it, it ends.
* What a peer says before its certificate is found to be for its name is not heard.
* A connection that ends, however it ends, closes its flow, once; one that never had a flow says
  nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import weakref
from collections.abc import Callable
from typing import Protocol

from sipparty.sip.flow import Address, Flow
from sipparty.sip.framing import (
    FramingFailed,
    Ping,
    Pong,
    StreamEvent,
    StreamFramer,
)
from sipparty.sip.limits import Limits
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.memory import ConnectionMemory
from sipparty.transport.tls import TLSError, check_certificate, describe_failure
from sipparty.transport.tlsbuffer import shrink

__all__ = ["Acceptor", "Connection"]

_PING = b"\r\n\r\n"
_PONG = b"\r\n"

#: What is asked of the kernel for a connection, where it has the option: (level, name, value).
_OPTIONS = (
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    # What the kernel keeps for a peer that does not read is a part of what it costs us.
    (socket.SOL_SOCKET, "SO_SNDBUF", 32_768),
    # A peer that is gone is noticed within about three minutes of silence, ...
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 120),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 4),
    # ... and within a minute (in ms) where something was sent to it.
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 60_000),
)


#: How much is read at a time, in bytes, and how much where more than so many connections are there:
#: some twenty requests, or some five, so that of many who have much to say none keeps the others
#: waiting for long. And where to, for each loop.
_BUFFER = 8192
_BUFFER_OF_MANY, _MANY = 2048, 16
_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = (
    weakref.WeakKeyDictionary()
)


class Acceptor(Protocol):
    """What accepts connections."""

    #: Those that are there.
    connections: set[Connection]
    #: Whether it accepts no more.
    closed: bool


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


class Connection(asyncio.BufferedProtocol):
    """One TCP or TLS connection; its own endpoint.

    Args:
        owner: The engine.
        transport: "TCP" or "TLS", as a Via header spells it.
        listener: What accepted it; None for one that we opened.
        server_name: For one that we opened by TLS, the name that the peer's certificate has to be
            for; "" where none is asked for.
        limits: How much the peer may have us hold.

    Attributes:
        flow: The flow to the peer; None before there is one and where there will be none.
        closed: Whether no more can be sent.
        reason: Why it ended, as a clause; "" before.
        heard: Whether the peer has said anything that is SIP, or agreed to speak it.
        last_used: When something came or went last, of the loop's clock.
    """

    #: Bytes that may wait for a peer that does not read.
    MAX_BACKLOG = 1 << 20
    #: How many wait before nothing more is read from it. Once a quarter of that waits, it is read
    #: from again; that has to be so within so many seconds.
    HIGH_WATER = 32_768
    CATCH_UP = 20.0
    #: Seconds without traffic after which a ping is sent, at the least and at the most (RFC 5626
    #: §4.4.1), and how long it waits for the pong.
    PING_INTERVAL = (95.0, 120.0)
    PONG_PATIENCE = 10.0
    #: Whether the side that accepted sends pings too, and whether every peer answers them.
    PINGS_BACK = False
    PONGS_ARE_SURE = False
    #: Seconds without traffic after which the side that accepted closes: many phones send nothing
    #: in a call, or between registrations.
    IDLE = 3600.0
    #: Seconds that a peer has for its first whole message after it connected, and for each whole
    #: message after its first byte.
    FIRST_MESSAGE = 32.0
    MESSAGE = 32.0
    #: Seconds that a peer has to read what is left and to agree to the end.
    LINGER = 2.0

    def __init__(
        self,
        owner: EndpointOwner,
        transport: str,
        *,
        listener: Acceptor | None = None,
        server_name: str = "",
        limits: Limits | None = None,
    ) -> None:
        self.owner = owner
        self.transport = transport
        self.listener = listener
        self.server_name = server_name
        self.closed = False
        self.reason = ""
        self.address: Address = ("", 0)
        self.remote: Address = ("", 0)
        self.family = socket.AF_UNSPEC
        self.flow: Flow | None = None
        self._framer = StreamFramer(limits)
        self._pipe: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._announced = False
        #: Whether asyncio has ended it.
        self._lost = False
        #: Whether what still comes is thrown away.
        self._discards = False
        self.heard = False
        self._ponged = self.PONGS_ARE_SURE
        #: When it began, and an unfinished message and an unanswered ping; of the loop's clock.
        self._since = self.last_used = 0.0
        self._unfinished: float | None = None
        self._pinged: float | None = None
        self._memory = ConnectionMemory(owner, transport, self.begun, self.abort)
        #: When a ping went out whose pong may still come, of the loop's clock; 0 for none.
        self._asked = 0.0
        self._interval = _between(*self.PING_INTERVAL, self.owner.chance())

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{self.transport} connection to {self.remote[0]} port {self.remote[1]}{state}>"

    # ---------------------------------------------------------------- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; with TLS, after the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._loop = loop = asyncio.get_running_loop()
        self._pipe = transport
        buffer = _buffers.get(loop)
        if buffer is None:
            buffer = _buffers[loop] = memoryview(bytearray(_BUFFER))
        self._buffer = buffer
        self._since = self.last_used = self._loop.time()
        if self.listener is not None:
            self.listener.connections.add(self)
        sock = transport.get_extra_info("socket")
        for level, name, value in _OPTIONS:
            with contextlib.suppress(OSError, AttributeError):
                sock.setsockopt(level, getattr(socket, name), value)
        peer = transport.get_extra_info("peername")
        if self.closed or not peer or (self.listener is not None and self.listener.closed):
            self.abort("the connection was gone before it began")
            return
        transport.set_write_buffer_limits(self.HIGH_WATER)
        if transport.get_extra_info("ssl_object") is not None:
            shrink(transport)
        self.family = sock.family
        self.address, self.remote = transport.get_extra_info("sockname")[:2], peer[:2]
        self._memory.host = self.remote[0]
        if self.server_name:
            try:
                check_certificate(transport.get_extra_info("peercert"), self.server_name)
            except TLSError as error:
                # RFC 5922 §7.3: at once.
                text = str(error).rstrip(".")
                self.abort(text[:1].lower() + text[1:])
                return
        if not self._memory.count(transport):
            return
        self._watch()
        self.begin()

    def begin(self) -> None:
        """Have the flow: the connection is there."""
        self.flow = Flow(self.transport, self.address, self.remote, self, self.listener)

    async def ready(self) -> None:
        """Wait until it is known whether there will be a flow; `flow` and `reason` say."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give asyncio where to put what comes: one buffer for all connections of a loop, since
        what is in it is taken at once. One of its own for each read would cost more than the rest.
        """
        listener = self.listener
        if listener is not None and len(listener.connections) > _MANY:
            return self._buffer[:_BUFFER_OF_MANY]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what is in the buffer."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._discards:
            return
        self.last_used = now = self._loop.time()
        self._pinged = None
        events = self.read(data)
        self.take(events)
        if not self.unfinished():
            if self._unfinished is not None:
                self._unfinished = None
                self._memory.count(self._pipe)
            return
        self._memory.count(self._pipe)
        if self._unfinished is None or any(isinstance(event, bytes) for event in events):
            self._unfinished = now
            timer = self._timer
            if not self.closed and timer is not None and timer.when() > now + self.MESSAGE:
                timer.cancel()
                self._timer = self._loop.call_at(now + self.MESSAGE, self._watch)

    def read(self, data: bytes) -> list[StreamEvent]:
        """Return what bytes complete."""
        if self._asked and self.last_used > self._asked + self.PONG_PATIENCE:
            # RFC 5626 §4.4.1: a pong comes in time. A CRLF after that is something else.
            self._asked = 0.0
            self._framer.expect_pong(False)
        return self._framer.feed(data)

    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return not self._framer.idle

    def begun(self) -> int:
        """Return how much of a message is here that is not complete, in bytes."""
        return self._framer.pending

    def take(self, events: list[StreamEvent]) -> None:
        """Act on what was found in the stream."""
        owner, flow = self.owner, self.flow
        if not events or flow is None or self.closed:
            return
        failed = False
        batch: list[tuple[bytes, Flow]] = []
        watched = owner.wire.watched()
        try:
            for event in events:
                if isinstance(event, bytes):
                    self.heard = True
                    if watched:
                        at = self.owner.wire.clock()
                        owner.wire.received(event, flow.local, flow.remote, self.transport, at)
                    batch.append((event, flow))
                elif isinstance(event, Ping):
                    self.pong()
                elif isinstance(event, Pong):
                    self._ponged = True
                    owner.pong_received(flow)
                elif isinstance(event, FramingFailed):
                    if batch:
                        owner.messages_received(batch)
                        batch = []
                    owner.malformed_received(event.head, flow, event.error)
                    failed = event.fatal
                if self.closed:
                    break
        finally:
            owner.messages_received(batch)
        if failed:
            # After that: the answer has gone out.
            self.finish("what came is no SIP")

    def eof_received(self) -> bool | None:
        """Take note that the peer sends no more; asyncio sends what is left, and closes."""
        if not self.reason:
            self.reason = "the other side closed the connection"
            if self.unfinished():
                self.reason += " in the middle of a message"
        self.closed = True
        self._end_within(self.LINGER)
        return None

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self.closed = self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._memory.drop()
        if self.listener is not None:
            self.listener.connections.discard(self)
        if not self.reason:
            self.reason = describe_failure(error) if error else "the connection was closed"
        self._report_end()

    def _report_end(self) -> None:
        """Report the end to the owner, once."""
        if self.flow is not None and not self._announced:
            self._announced = True
            self.owner.flow_closed(self.flow, self.reason)

    # ---------------------------------------------------------------- an endpoint's side

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message; `flow_closed` is called where the connection ends."""
        if not self.closed:
            self.write(data)

    def write(self, data: bytes) -> None:
        """Write bytes, unless the peer has too many waiting already."""
        pipe = self._pipe
        if pipe is None or pipe.is_closing():
            return
        if pipe.get_write_buffer_size() > self.MAX_BACKLOG:
            self.abort("the other side does not read")
            return
        self.last_used = self._loop.time()
        pipe.write(data)
        if self._memory.behind:
            self._memory.count(pipe)

    def pause_writing(self) -> None:
        """Take note that much waits for the peer: who does not read is not listened to."""
        if self._pipe is not None:
            self._pinged = None  # its answer would not be read
            self._memory.fall_behind(self._pipe, self.CATCH_UP)

    def resume_writing(self) -> None:
        """Take note that the peer has read most of it."""
        if self._pipe is not None and self._memory.catch_up(self._pipe) and not self.closed:
            self._pipe.resume_reading()

    def close(self) -> None:
        """End the connection; what was written still goes out, if the peer reads it soon."""
        self.reason = self.reason or "the connection was closed by this side"
        self.closed = True
        if self._pipe is not None and not self._pipe.is_closing():
            self._pipe.close()
            self._end_within(self.LINGER)

    def finish(self, reason: str) -> None:
        """End the connection on account of what the peer sent, so that it can read why.

        A socket that is closed while something unread came is reset, and what was sent last may be
        lost with that. So only our direction is ended, where that is possible, and what still comes
        is thrown away for a moment.
        """
        if self.listener is None:
            # Whoever was called upon by us is owed less.
            self.reason = self.reason or reason
            self.close()
            return
        self.reason = self.reason or reason
        self.closed = self._discards = True
        self._end_within(self.LINGER)
        if self._pipe is not None and not self._pipe.is_closing():
            if self._pipe.can_write_eof():
                self._pipe.write_eof()
            else:
                self._pipe.close()  # TLS has a closing message of its own
        self._report_end()

    def abort(self, reason: str = "") -> None:
        """End the connection at once."""
        self.reason = self.reason or reason or "the connection was closed by this side"
        self.closed = True
        if self._pipe is not None and not self._lost:
            self._pipe.abort()  # asyncio's own raises once it has ended after all was sent

    @property
    def ended(self) -> bool:
        """Whether its socket is closed, which comes some time after `close`."""
        sock = None if self._pipe is None else self._pipe.get_extra_info("socket")
        return sock is None or sock.fileno() < 0

    def abandon(self) -> None:
        """Let go of a forked child's copy of the socket; the loop is the parent's, not touched."""
        self.closed = True
        pipe = self._pipe
        sock = None if pipe is None else pipe.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            # The number stays taken, so that the object does not close somebody else's file.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, sock.fileno(), inheritable=False)
            os.close(nothing)

    # ---------------------------------------------------------------- how long each step may take

    def ping(self) -> None:
        """Ask whether the peer is there; `pong_received` is called with the answer."""
        self._framer.expect_pong()
        self._asked = self._loop.time()
        self.write(_PING)

    def pong(self) -> None:
        """Answer a ping."""
        self.write(_PONG)

    def _end_within(self, seconds: float) -> None:
        """Abort unless the connection has ended by then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.abort)

    def _watch(self) -> None:
        """See to what is due, and be called again for what is next."""
        if self.closed:
            return
        now = self._loop.time()
        accepted = self.listener is not None
        dues: list[tuple[float, Callable[[], None]]] = []
        if self._unfinished is not None:
            dues.append((self._unfinished + self.MESSAGE, self._too_slow))
        if accepted:
            until = self.last_used + self.IDLE if self.heard else self._since + self.FIRST_MESSAGE
            dues.append((until, self._too_quiet))
        if self._pinged is not None:
            dues.append((self._pinged + self.PONG_PATIENCE, self._unanswered))
        elif not accepted or self.PINGS_BACK:
            dues.append((self.last_used + self._interval, self._send_ping))
        for when, act in dues:
            if when <= now:
                act()
                self._watch()
                return
        if dues:
            self._timer = self._loop.call_at(min(when for when, _ in dues), self._watch)

    def _too_slow(self) -> None:
        self.finish("a message did not come to its end")

    def _too_quiet(self) -> None:
        self.reason = "nothing came for a long time" if self.heard else "no message came"
        self.close()

    def _send_ping(self) -> None:
        self.ping()
        self._pinged = self._loop.time()
        self._interval = _between(*self.PING_INTERVAL, self.owner.chance())

    def _unanswered(self) -> None:
        if self._ponged:
            self.abort("the other side does not answer")
        else:
            self._pinged = None  # it may not know of pings
