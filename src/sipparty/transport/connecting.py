"""Opening connections: TCP, TLS, WebSocket, secure WebSocket.

Laws:

* A connection is given back when it can be used, and only then: its peer has proved its name, and
  agreed to speak SIP where that is a question.
* Whatever goes wrong is one `TransportError` that says where it was to go and why it did not, and
  leaves nothing open. What is wrong with TLS is a `TLSError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable

from sipparty.concurrency.host import OpenSocket, open_socket_of_system
from sipparty.errors import TransportError
from sipparty.sip.flow import Address
from sipparty.sip.limits import Limits
from sipparty.transport.addresses import numeric_family
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.stream import Connection
from sipparty.transport.targets import Target
from sipparty.transport.tls import TLSConfig, TLSError, describe_failure

__all__ = ["connect"]

#: Linux's IP_BIND_ADDRESS_NO_PORT, for both families; the socket module has no name for it.
_BIND_NO_PORT = 24


async def connect(
    owner: EndpointOwner,
    target: Target,
    *,
    tls: TLSConfig | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109 - an error that says what took so long is wanted
    local_address: Address | None = None,
    limits: Limits | None = None,
    path: str = "/",
    open_socket: OpenSocket = open_socket_of_system,
) -> Connection:
    """Connect to a target, on the running loop.

    Args:
        owner: The engine; nothing of it is called before the connection is given back.
        target: Where to.
        tls: Certificates, and what is asked of the peer's; by default its name, proved by an
            authority of the system's.
        timeout: Seconds until it has to be there, handshakes and all.
        local_address: Address and port to connect from; port 0 for any. None for the system's
            choice.
        limits: How much the peer may have us hold.
        path: The path of a WebSocket.
        open_socket: As `sipparty.transport.addresses.opener` gives it.

    Returns:
        The connection, with its flow.

    Raises:
        TLSError: TLS failed, or the peer did not prove its name.
        TransportError: There is no connection for another reason.
    """
    attempt = _Attempt(target, open_socket)
    try:
        async with asyncio.timeout(timeout):
            return await attempt.run(owner, tls, local_address, limits, path)
    except TimeoutError as error:
        # The system's own time for it may have been the shorter one.
        words = describe_failure(error) if error.errno else f"{attempt.late} ({timeout:g} s)"
        raise attempt.failed(TransportError, words) from error
    except ssl.SSLError as error:
        raise attempt.failed(TLSError, describe_failure(error)) from error
    except OSError as error:
        words = describe_failure(error)
        if attempt.in_handshake and not error.args:
            words = "the connection was closed in the TLS handshake"
        raise attempt.failed(TransportError, words) from error


class _Attempt:
    """One attempt to connect, and how far it is."""

    def __init__(self, target: Target, open_socket: OpenSocket) -> None:
        self.target = target
        self._open_socket = open_socket
        #: What is to be said where time runs out.
        self.late = "there was no answer in time"
        self.in_handshake = False
        self.secure = target.transport in ("TLS", "WSS")

    def failed(self, kind: type[TransportError], reason: str) -> TransportError:
        """Make the error of a failure."""
        target = self.target
        name = target.server_name
        meant = f" ({name})" if name not in ("", target.address) else ""
        reason = reason.rstrip(".")
        if kind is TLSError and reason.startswith("The "):
            reason = "the " + reason[4:]
        return kind(
            f"Cannot connect by {target.transport} to {target.address} port {target.port}{meant}: "
            f"{reason}."
        )

    async def run(
        self,
        owner: EndpointOwner,
        tls: TLSConfig | None,
        local_address: Address | None,
        limits: Limits | None,
        path: str,
    ) -> Connection:
        target = self.target
        context: ssl.SSLContext | None = None
        if self.secure:
            tls = tls or TLSConfig()
            # WSS: the rules of HTTPS, which OpenSSL checks (RFC 7118 §9.1).
            try:
                context = tls.client_context(check_hostname=target.transport == "WSS")
            except TLSError as error:
                raise self.failed(TLSError, str(error)) from error
        hostname = self._hostname(context)
        make = self._maker(owner, tls, limits, path)
        sock = await self._open(local_address)
        loop = asyncio.get_running_loop()
        connection: Connection | None = None
        try:
            self.in_handshake = self.secure
            if self.secure:
                self.late = "the TLS handshake was not done in time"
            _, connection = await loop.create_connection(
                make, sock=sock, ssl=context, server_hostname=hostname
            )
            self.in_handshake = False
            self.late = "the WebSocket handshake was not done in time"
            await connection.ready()
        except BaseException:
            if connection is not None:
                connection.abort()
            else:
                # asyncio has let go of it by now, or never had it.
                sock.close()
            raise
        if connection.flow is None or connection.closed:
            connection.abort()
            kind = TLSError if target.transport == "TLS" else TransportError
            raise self.failed(kind, connection.reason)
        return connection

    def _maker(
        self, owner: EndpointOwner, tls: TLSConfig | None, limits: Limits | None, path: str
    ) -> Callable[[], Connection]:
        """Return what makes the connection's protocol."""
        target = self.target
        name = target.server_name or target.address
        if target.transport in ("TCP", "TLS"):
            asked = name if tls is not None and tls.verify and self.secure else ""
            return lambda: Connection(owner, target.transport, server_name=asked, limits=limits)
        if target.transport in ("WS", "WSS"):
            # Not before it is needed: few connect by it, and it takes a library.
            from sipparty.transport.websocket import WebSocketConnection

            return lambda: WebSocketConnection(
                owner, target.transport, limits=limits, host=name, path=path
            )
        raise self.failed(TransportError, "there are no connections by that transport")

    def _hostname(self, context: ssl.SSLContext | None) -> str | None:
        """Return the name for the handshake; "" for none, None without TLS.

        Raises:
            TransportError: There can be no such name.
        """
        if context is None:
            return None
        name = (self.target.server_name or self.target.address).rstrip(".")
        # An address is no server name indication (RFC 6066 §3). Python knows, but needs it where it
        # checks it.
        if numeric_family(name) is not None and not context.check_hostname:
            return ""
        try:
            # As Python will: a label may be empty or too long (RFC 1035 §2.3.4), which SIP's
            # grammar does not mind. Found in the handshake it would be a defect of the caller's.
            name.encode("idna")
        except UnicodeError as error:
            raise self.failed(TransportError, "the name is none that TLS can ask for") from error
        return name

    async def _open(self, local_address: Address | None) -> socket.socket:
        """Return a socket that is connected."""
        target = self.target
        family = numeric_family(target.address)
        if family is None:
            raise self.failed(TransportError, "expected a numeric address")
        sock = self._open_socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if local_address is not None:
                if local_address[1] == 0 and sys.platform == "linux":
                    # The port is chosen when we connect: one will do for many peers.
                    with contextlib.suppress(OSError):
                        sock.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
                sock.bind(local_address)
            await asyncio.get_running_loop().sock_connect(sock, (target.address, target.port))
            if sock.getsockname() == sock.getpeername():
                # A port of this host where nobody listens may be the very one that the system
                # chose for us; then TCP connects it to itself.
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        except BaseException as error:
            sock.close()
            if isinstance(error, OverflowError):
                raise self.failed(TransportError, "there is no such port") from error
            raise
        return sock
