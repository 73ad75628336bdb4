"""What accepts connections by TCP, TLS and WebSocket.

Laws:

* A listener survives everything: too many connections, no file descriptors left, peers that begin a
  handshake and fall silent. It waits and goes on.
* Where it is full, one is closed for who comes: one that has said nothing so far, or by one of an
  address that has more than its share. So nobody keeps others out who does not come from as many
  addresses as there may be connections.
* However many connect, some file descriptors are left: for the media of calls, for connections of
  our own, for whatever else the program opens. Where only those are left, who comes is dealt with
  as if the listener were full; so a host that holds what it has opened keeps nobody out.
* A connection that fails before it is there costs a line of the log, and no more.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sipparty.concurrency import descriptors
from sipparty.concurrency.host import OpenSocket, open_socket_of_system
from sipparty.sip.flow import Address
from sipparty.sip.limits import Limits
from sipparty.sip.shares import source_of
from sipparty.transport.addresses import bind_socket
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.stream import Connection
from sipparty.transport.tls import describe_failure
from sipparty.transport.tlsbuffer import serve_tls

__all__ = ["StreamListener", "bind_tcp"]

_log = logging.getLogger(__name__)

#: Failures of `accept` that are of one connection, not of the socket (accept(2)).
_OF_ONE = {
    getattr(errno, name, 0)
    for name in (
        *("ECONNABORTED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
        *("ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "EPERM", "EPROTO", "ETIMEDOUT"),
    )
}


def bind_tcp(
    host: str, port: int, backlog: int = 512, open_socket: OpenSocket = open_socket_of_system
) -> socket.socket:
    """Return a TCP socket that listens; see `bind_socket`."""

    def prepare(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    return bind_socket(socket.SOCK_STREAM, host, port, prepare, backlog, open_socket)


@dataclass(eq=False, slots=True)
class _Coming:
    """A connection that is not there yet; `last_used` is when it was accepted."""

    socket: socket.socket
    remote: Address
    last_used: float
    #: What it will be, once that is known.
    connection: Connection | None = None
    #: Whether it is being closed in favour of another.
    given_up: bool = False
    #: As connections have it: nothing was said.
    heard: bool = False


class StreamListener:
    """A socket that accepts connections.

    Args:
        loop: The engine's loop.
        owner: The engine.
        sock: The socket, listening and non-blocking; the listener's from here on.
        transport: As a Via header spells it.
        make_connection: Makes the protocol of a connection, given the listener.
        context: For TLS.
        max_connections: Connections at a time; where there are so many, one is closed for who
            comes, or who comes is refused.
        advertised: The address for Via and Contact in the place of what it is bound to.
    """

    #: Seconds that accepting stops for where the system has no file descriptors left.
    PAUSE = 0.5
    #: Seconds that a peer has for the TLS handshake.
    HANDSHAKE = 10.0
    #: Connections accepted in one turn of the loop.
    BATCH = 32
    #: The share of the process's file descriptors (RLIMIT_NOFILE) that connections leave to others:
    #: one that would take of it is closed as it comes.
    RESERVE = descriptors.CONNECTIONS_RESERVE

    #: Seconds until it is logged again that nothing can be accepted, where it could meanwhile.
    QUIET = 60.0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: EndpointOwner,
        sock: socket.socket,
        transport: str,
        make_connection: Callable[[StreamListener], Connection],
        context: ssl.SSLContext | None = None,
        max_connections: int = Limits().max_connections,
        advertised: Address | None = None,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self.max_connections = max_connections
        self._socket = sock
        self._make = make_connection
        self._context = context
        #: What brings each connection that is not there yet.
        self._coming: dict[asyncio.Task[None], _Coming] = {}
        self._resume: asyncio.TimerHandle | None = None
        #: Whether the log knows that nothing can be accepted.
        self._logged = False
        self._logged_at = 0.0
        self.transport = transport
        self.family = sock.family
        self.address: Address = sock.getsockname()[:2]
        self.advertised = advertised
        self.connections: set[Connection] = set()
        self.closed = False
        self._place = f"{transport} {self.address[0]} port {self.address[1]}"
        loop.add_reader(sock, self._acceptable)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{self.transport} listener {self.address[0]} port {self.address[1]}{state}>"

    def _acceptable(self) -> None:
        highest = self._highest()
        for _ in range(self.BATCH):
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OF_ONE:
                    continue
                # As a rule EMFILE, ENFILE, ENOBUFS, ENOMEM. It stays readable: without a pause this
                # would be all that the loop does.
                self._complain(f"{error.strerror}. Trying on.")
                self._loop.remove_reader(self._socket)
                pause = 0.0 if self._evict("") else self.PAUSE
                self._resume = self._loop.call_later(pause, self._accept_again)
                return
            # The system deals out the lowest one that is free.
            short = sock.fileno() > highest
            if short:
                self._complain("few file descriptors are left, and they are for others.")
            elif self._logged and self._loop.time() > self._logged_at + self.QUIET:
                self._logged = False
            if (short or self._is_full()) and not self._evict(address[0]):
                sock.close()
                continue
            sock.setblocking(False)
            coming = _Coming(sock, address[:2], self._loop.time())
            task = self._loop.create_task(self._serve(coming))
            self._coming[task] = coming
            task.add_done_callback(self._came)
            if short:
                return  # what is given up is closed when the loop has turned

    def _is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        there = self.connections
        if len(there) + len(self._coming) < self.max_connections:
            return False
        return len(there) + len(self._only_coming()) >= self.max_connections

    def _only_coming(self) -> list[_Coming]:
        """Return what is coming: for a turn of the loop or two a connection is there too."""
        return [
            one
            for one in self._coming.values()
            if not one.given_up and one.connection not in self.connections
        ]

    def _evict(self, newcomer: str) -> bool:
        """End a connection for the sake of another.

        First goes who has said nothing, the oldest of the address that has most of those; then the
        idlest of the address that has most connections, if those are more than the newcomer's would
        be with this one. Looking at every connection is for when it is full, and for then alone.

        Args:
            newcomer: The address of who comes.

        Returns:
            Whether there is space now.
        """
        among: list[Connection | _Coming] = [one for one in self.connections if not one.heard]
        among += self._only_coming()
        silent = bool(among)
        among = among or list(self.connections)
        if not among:
            return False  # none may be had at all
        shares = Counter([source_of(one.remote[0]) for one in among])
        most = max(shares.values())
        if not silent and most <= shares[source_of(newcomer)] + 1:
            return False
        self._end(
            min(
                (one for one in among if shares[source_of(one.remote[0])] == most),
                key=lambda one: one.last_used,
            )
        )
        return True

    def _end(self, leaving: Connection | _Coming) -> None:
        """End one in favour of another; its place is free at once."""
        if isinstance(leaving, Connection):
            self.connections.discard(leaving)
        for task, one in self._coming.items():
            if one is leaving:
                task.cancel()
            if one is leaving or one.connection is leaving:
                one.given_up = True
        if isinstance(leaving, Connection):
            leaving.abort("it was closed in favour of another")

    def _highest(self) -> float:
        """The highest file descriptor that a connection may have."""
        return descriptors.highest(self.RESERVE)

    def _complain(self, reason: str) -> None:
        """Log why nothing can be accepted, once for each time that this begins."""
        if not self._logged:
            self._logged = True
            self._logged_at = self._loop.time()
            _log.error("Cannot accept on %s: %s", self._place, reason)

    def _accept_again(self) -> None:
        self._resume = None
        if not self.closed:
            self._loop.add_reader(self._socket, self._acceptable)

    async def _serve(self, coming: _Coming) -> None:
        def make() -> Connection:
            coming.connection = self._make(self)
            return coming.connection

        if self._context is not None and isinstance(self._loop, asyncio.SelectorEventLoop):
            await serve_tls(self._loop, coming.socket, make(), self._context, self.HANDSHAKE)
            return
        await self._loop.connect_accepted_socket(
            make,
            coming.socket,
            ssl=self._context,
            ssl_handshake_timeout=self.HANDSHAKE if self._context else None,
        )

    def _came(self, task: asyncio.Task[None]) -> None:
        """See to what became of a connection."""
        sock = self._coming.pop(task).socket
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            # asyncio has let go of it by now, or never had it.
            sock.close()
        if isinstance(error, OSError):
            _log.info("A connection to %s failed: %s.", self._place, describe_failure(error))
        elif error is not None:
            _log.error("A connection to %s failed.", self._place, exc_info=error)

    def close(self) -> None:
        """Accept no more, and end what was accepted; may be called more than once."""
        self._stop()
        for connection in list(self.connections):
            if not connection.closed:
                connection.close()

    def abort(self) -> None:
        """Accept no more, and end what was accepted at once, even what is ending already."""
        self._stop()
        for connection in list(self.connections):
            connection.abort()

    def abandon(self) -> None:
        """Close a forked child's copies of the sockets; the loop is the parent's, not touched."""
        self.closed = True
        self._socket.close()
        for connection in self.connections:
            connection.abandon()

    def _stop(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            if self._resume is not None:
                self._resume.cancel()
            self._socket.close()
            for task in list(self._coming):
                task.cancel()
