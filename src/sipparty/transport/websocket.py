"""SIP over WebSocket (RFC 7118, RFC 6455): WS and WSS, either side.

Laws:

* Both sides agree on the sub-protocol "sip", or there is no connection (RFC 7118 §4.1). A request
  for anything else gets its answer by HTTP, and the connection ends.
* One WebSocket message is one SIP message (§5). It comes as text or as binary; it goes as text
  where it is UTF-8 throughout, else as binary (§4.2). CRLFs alone are the keep-alive of RFC 5626.
* Either side sends WebSocket pings when it is quiet (§6); their answer is no matter of choice, so a
  peer without one is dead.
* The end is agreed on by Close frames; who does not agree has `LINGER` seconds.
* No extensions: a compressed message could be of any size.
* WSS proves the server's name by the rules of HTTPS, not of SIP (§9.1).

The frames and the handshake are those of the library "websockets", used without its I/O. This
module imports it, and is itself imported when the first WebSocket is wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from sipparty.sip.flow import Flow, host_port
from sipparty.sip.framing import Ping, Pong, StreamEvent
from sipparty.sip.limits import Limits
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.stream import Acceptor, Connection

__all__ = ["WebSocketConnection"]

#: The library's account of every handshake and frame; for debugging.
_log = logging.getLogger(__name__)

_SIP = Subprotocol("sip")

#: Why a connection is closed (RFC 6455 §7.4.1).
_NORMAL, _GOING_AWAY, _INVALID_DATA = 1000, 1001, 1007

#: What the library sends where it is to end our direction.
_EOF = b""


def _refusal(status: str, text: str) -> bytes:
    """Make an HTTP response that ends a connection."""
    body = (text + "\n").encode()
    head = (
        f"HTTP/1.1 {status}\r\n"
        "Connection: close\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_NO_HTTP = _refusal("400 Bad Request", "This is no HTTP request. A WebSocket client is expected.")
_TOO_MUCH = _refusal("431 Request Header Fields Too Large", "The request has no end.")


class WebSocketConnection(Connection):
    """One WebSocket; its own endpoint.

    Args:
        owner: The engine.
        transport: "WS" or "WSS", as a Via header spells it.
        listener: What accepted it; None for one that we opened.
        server_name: Not asked of this connection: TLS itself checks the name.
        limits: How much the peer may have us hold: of the handshake as much as of the head of a
            message, of a message as much as of head and body together.
        host: For one that we open, the server's name or address; the peer's address by default.
        path: For one that we open, the path and query of the server's address.
        origins: For one that was accepted, the web sites whose pages may connect, such as
            "https://example.com"; none by default, and None for any. Only browsers name the site,
            and only they are refused: anybody else could name any.
    """

    PINGS_BACK = True
    PONGS_ARE_SURE = True

    def __init__(
        self,
        owner: EndpointOwner,
        transport: str,
        *,
        listener: Acceptor | None = None,
        server_name: str = "",
        limits: Limits | None = None,
        host: str = "",
        path: str = "/",
        origins: Sequence[str] | None = (),
    ) -> None:
        super().__init__(owner, transport, listener=listener, limits=limits)
        limits = limits or Limits()
        self._max_handshake = limits.max_head
        self._max_size = limits.max_head + 4 + limits.max_body
        if limits.max_pending is not None:
            self._max_size = min(self._max_size, limits.max_pending)
        self._host = host or server_name
        self._path = path if path.startswith("/") else "/" + path
        self._origins = origins
        self._library: ServerProtocol | ClientProtocol | None = None
        #: What the handshake took so far, in bytes.
        self._handshake = 0
        #: The message that is coming in parts: whether it is text, and the parts so far. Not as a
        #: list: a part may be a byte, or none, and an entry is many.
        self._text = False
        self._parts: bytearray | None = None
        #: Whether what came last was a piece of a frame.
        self._piece = False
        self._ending = False
        self._over: asyncio.Future[None] | None = None

    @property
    def _protocol(self) -> ServerProtocol | ClientProtocol:
        assert self._library is not None
        return self._library

    # ---------------------------------------------------------------- the handshake

    def begin(self) -> None:
        """Begin the handshake; the flow is there when it has succeeded."""
        self._over = self._loop.create_future()
        if self.listener is not None:
            origins = None if self._origins is None else [*map(Origin, self._origins), None]
            self._library = ServerProtocol(
                origins=origins, subprotocols=[_SIP], max_size=self._max_size, logger=_log
            )
            return
        host, port = self._host or self.remote[0], self.remote[1]
        scheme = "wss" if self.transport == "WSS" else "ws"
        text = f"{scheme}://{host_port(host, port)}{self._path}"
        try:
            uri = parse_uri(text)
        except (InvalidURI, ValueError):
            self.abort(f"{text} is not the address of a WebSocket")
            return
        protocol = self._library = ClientProtocol(
            uri, subprotocols=[_SIP], max_size=self._max_size, logger=_log
        )
        protocol.send_request(protocol.connect())
        self._flush()

    async def ready(self) -> None:
        """Wait until it is known whether there will be a flow; `flow` and `reason` say."""
        if self._over is not None:
            await asyncio.shield(self._over)

    def _requested(self, request: Request) -> None:
        """Answer a client's handshake (RFC 6455 §4.2.2)."""
        protocol = self._protocol
        assert isinstance(protocol, ServerProtocol)
        protocol.send_response(protocol.accept(request))
        if protocol.state is State.OPEN:
            # It does speak our protocol, though it may have nothing to say for a long time.
            self.heard = True
            super().begin()

    def _responded(self) -> None:
        """Take a server's answer to our handshake, which the library finds to be right."""
        if self._protocol.subprotocol != _SIP:
            # RFC 7118 §4.1: the answer must contain it.
            self.reason = 'the other side does not agree to the sub-protocol "sip"'
            self.abort()
            return
        super().begin()
        self._settle()

    def _settle(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    # ---------------------------------------------------------------- in

    def read(self, data: bytes) -> list[StreamEvent]:
        """Return what bytes complete; answer what the protocol itself is asked."""
        protocol = self._protocol
        if protocol.state is State.CONNECTING:
            self._handshake += len(data)
        protocol.receive_data(data)
        return self._found(bool(data))

    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._piece or self._parts is not None

    def begun(self) -> int:
        """Return how much of a message is here that is not complete, in bytes."""
        reader = getattr(self._library, "reader", None)
        pieces = len(getattr(reader, "buffer", b""))
        return pieces + (0 if self._parts is None else len(self._parts))

    def _found(self, more: bool = False) -> list[StreamEvent]:
        """Return what the library found; send what it has to say."""
        protocol = self._protocol
        found = protocol.events_received()
        self._piece = more and not found
        events: list[StreamEvent] = []
        for event in found:
            if isinstance(event, Request):
                self._requested(event)
            elif protocol.handshake_exc is not None:
                break
            elif isinstance(event, Response):
                self._responded()
            elif not self._take_frame(event, events):
                break
        if self.flow is None:
            self._check_handshake(protocol.handshake_exc)
        self._flush()
        return events

    def _check_handshake(self, error: Exception | None) -> None:
        """See whether a handshake has failed, or takes too much."""
        if error is None and self._handshake <= self._max_handshake:
            return
        if self.listener is None:
            if isinstance(error, InvalidStatus):
                response = error.response
                said = f"{response.status_code} {response.reason_phrase}".strip()
                words = f"the other side answered {said}"
            elif error is not None and isinstance(error.__cause__, EOFError):
                words = "the other side closed the connection"
            else:
                words = "the other side's answer has no end" if error is None else str(error)
            self.abort(f"the WebSocket handshake failed: {words}")
        elif error is None:
            self.write(_TOO_MUCH)
            self.finish("the WebSocket handshake is too large")

    def _take_frame(self, frame: Frame, events: list[StreamEvent]) -> bool:
        """Take a frame; False where none can follow."""
        if frame.opcode is Opcode.PONG:
            events.append(Pong())
            return True
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._text = frame.opcode is Opcode.TEXT
            self._parts = bytearray()
        elif frame.opcode is not Opcode.CONT:
            return True  # Ping and Close: the library has answered
        assert self._parts is not None
        self._parts += frame.data
        if not frame.fin:
            return True
        data = bytes(self._parts)
        self._parts = None
        if self._text and not _is_utf8(data):
            # RFC 6455 §8.1.
            self.reason = self.reason or "what came as text is not UTF-8"
            if self._protocol.state is State.OPEN:
                self._protocol.fail(_INVALID_DATA, "the text is not UTF-8")
            return False
        if data.strip(b"\r\n"):
            events.append(data)
        elif len(data) >= 4:
            events.append(Ping())
        return True

    def take(self, events: list[StreamEvent]) -> None:
        """Act on what was found; then on the end, where that came with it."""
        super().take(events)
        self._conclude()

    def eof_received(self) -> bool | None:
        """Take note that the peer sends no more."""
        if self._library is not None and not self._discards:
            if self._library.state is not State.CONNECTING:
                # Else the answer to the handshake may be complete by this.
                self.reason = self.reason or "the other side closed the connection"
            self._library.receive_eof()
            self.take(self._found())
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        super().connection_lost(error)
        self._settle()

    # ---------------------------------------------------------------- out

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message as a WebSocket message."""
        if not self.closed:
            self._send(data)

    def _send(self, data: bytes) -> None:
        protocol = self._protocol
        if protocol.state is State.OPEN:
            if _is_utf8(data):
                protocol.send_text(data)
            else:
                protocol.send_binary(data)
            self.write(b"".join(protocol.data_to_send()))

    def ping(self) -> None:
        """Ask whether the peer is there (RFC 7118 §6)."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def pong(self) -> None:
        """Answer a ping of the other kind: CRLFs in a message."""
        self._send(b"\r\n")

    def _flush(self) -> None:
        """Send what the library has to say; it also says when our direction is at its end."""
        protocol = self._protocol
        out = protocol.data_to_send()
        if out == [_EOF] and self._handshake and self.flow is None and self.listener:
            # The library says nothing to what is no HTTP.
            out.insert(0, _TOO_MUCH if self._handshake > self._max_handshake else _NO_HTTP)
        for data in out:
            if data == _EOF:
                self._ending = True
            else:
                self.write(data)

    def _conclude(self) -> None:
        """End the connection if the WebSocket has ended."""
        protocol = self._protocol
        close = protocol.close_rcvd
        if close is not None and not self.reason:
            words = f": {close.reason}" if close.reason else ""
            self.reason = f"the other side closed the WebSocket with {close.code:d}{words}"
        elif protocol.parser_exc is not None and not self.reason:
            self.reason = f"what came cannot be taken: {protocol.parser_exc}"
        if self._ending and not self._discards:
            # Also an answer to a handshake that is none, or a server's Close frame.
            self.finish("the WebSocket handshake failed")
        elif protocol.close_expected() and not self.closed:
            # RFC 6455 §7.1.1: a client waits for the server to close.
            self.closed = True
            self._end_within(self.LINGER)

    def close(self) -> None:
        """End the WebSocket, and then the connection."""
        if self._send_close(_NORMAL):
            self.closed = True
            self._end_within(self.LINGER)
        elif not self.closed:
            super().close()

    def abort(self, reason: str = "") -> None:
        """End the connection at once, after a word if that is possible."""
        self.reason = self.reason or reason
        if not self.closed:
            self.closed = True
            self._send_close(_GOING_AWAY)
        super().abort(reason)

    def _send_close(self, code: int) -> bool:
        """Send a Close frame; False where that is not possible, or was done."""
        protocol, pipe = self._library, self._pipe
        if protocol is None or protocol.state is not State.OPEN:
            return False
        if pipe is None or pipe.is_closing() or pipe.get_write_buffer_size() > self.MAX_BACKLOG:
            return False
        self.reason = self.reason or "the connection was closed by this side"
        protocol.send_close(code)
        for data in protocol.data_to_send():
            pipe.write(data)
        return True


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
