"""Where an engine listens: endpoints, and the agents that use them.

Laws:

* An endpoint is shared by those who listen at its address, and closed when the last one leaves.
* An endpoint has one advertised address: who shares it agrees on that.
* A place is advertised where the agent can be reached: that of the listener that takes what comes
  to the address that a connection is from, by what that one advertises; a connection's own port
  only where there is no such listener.
* What an agent advertises is not lost by its sending from another socket than the one it listens
  by.
* Who receives where is the core's directory; here is what of it is about to end.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from sipparty.concurrency.host import opener
from sipparty.errors import ListenError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import Core
from sipparty.sip.flow import Address, Flow, host_port
from sipparty.sip.transports import SECURE_TRANSPORTS, standard_port
from sipparty.transport.addresses import is_wildcard, numeric_family
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener, bind_tcp
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["HubOwner", "Listeners", "Listening", "distance"]

#: What the system says of a port that cannot be had, while another may.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)

#: Something that receives at an address.
Listening = UDPEndpoint | StreamListener


class HubOwner(EndpointOwner, Protocol):
    """The engine."""

    core: Core

    def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Run a function with the core's time set, and act on what comes of it."""

    def transmit(self, data: bytes, flow: Flow) -> None:
        """Send a message, and report it to the wire."""


class Listeners:
    """The addresses where an engine's agents receive.

    Args:
        loop: The engine's loop.
        owner: The engine.
        tls: Certificates for TLS and WSS.
        websocket: What WebSockets are served and opened with.

    Attributes:
        leaving: Who releases what when their last dialog is over.
        bound: The endpoints that were asked for, by transport, address and port.
        ending: Connections of listeners that were closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: HubOwner,
        tls: TLSConfig,
        websocket: WebSocketConfig,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._tls = tls
        self._websocket = websocket
        self.bound: dict[tuple[str, str, int], Listening] = {}
        self.leaving: list[tuple[UserAgent, Any]] = []
        self.ending: list[Connection] = []

    def listen(
        self,
        agent: UserAgent,
        host: str,
        port: int | None,
        ports: Sequence[int] | None = None,
        transport: str = "UDP",
        advertised: tuple[str, int | None] | None = None,
    ) -> Listening:
        """Have an agent receive at an address.

        Args:
            agent: The agent.
            host: A numeric address, or a wildcard.
            port: The port; None or 0 for a free one.
            ports: Which ports will do where none is given; None for any.
            transport: "UDP", "TCP", "TLS", "WS" or "WSS".
            advertised: Host and port in the place of those bound, for Via, Contact and media; the
                port bound where the port is None.

        Raises:
            ListenError: The port is taken, or no free one will do.
            TLSError: There is no certificate that can be used.
            UsageError: The transport is unknown; another agent with the same address of record
                receives there; or that place is advertised as another address.
        """
        endpoint = self.bound.get((transport, host, port or 0))
        if endpoint is None:
            endpoint = self._bind(transport, host, port or 0, ports)
            self.bound[(transport, *endpoint.address)] = endpoint
            if advertised is not None:
                endpoint.advertised = _advertised(endpoint, advertised)
        elif advertised is not None and endpoint.advertised != _advertised(endpoint, advertised):
            here = endpoint.advertised or endpoint.address
            raise UsageError(
                f"{transport} {host_port(*endpoint.address)} is advertised as {host_port(*here)}"
                " already: those who share a socket share what is advertised."
            )
        try:
            self.use(agent, endpoint)
        except UsageError:
            if not self.users(endpoint):
                self.release(agent, endpoint)
            raise
        return endpoint

    def _bind(self, transport: str, host: str, port: int, ports: Sequence[int] | None) -> Listening:
        make = self._maker(transport)
        if port or ports is None:
            return make(host, port)
        # Begin anywhere, so that many parties do not all try the same ports.
        start = self._owner.core.tokens.number(16) % len(ports)
        error: ListenError | None = None
        for number in (*ports[start:], *ports[:start]):
            try:
                return make(host, number)
            except ListenError as taken:
                cause = taken.__cause__
                if not isinstance(cause, OSError) or cause.errno not in _TAKEN:
                    raise
                error = taken
        raise ListenError("Cannot listen: every port that the filter takes is in use.") from error

    def _maker(self, transport: str) -> Callable[[str, int], Listening]:
        """Return what binds a transport."""
        if transport == "UDP":
            return lambda host, port: UDPEndpoint(
                self._loop, self._owner, bind_udp(host, port, opener(self._loop))
            )
        standard_port(transport)  # which knows what there is
        kind: Callable[..., Connection] = Connection
        limits = self._owner.core.limits
        if transport in ("WS", "WSS"):
            # Not before it is needed: few listen by it, and it takes a library.
            try:
                from sipparty.transport.websocket import WebSocketConnection
            except OSError as error:  # there are no file descriptors left
                raise ListenError(f"Cannot listen on {transport}: {error.strerror}.") from error
            kind = partial(WebSocketConnection, origins=self._websocket.origins)
        context: ssl.SSLContext | None = None
        if transport in SECURE_TRANSPORTS:
            context = self._tls.server_context()

        def accepted(listener: StreamListener) -> Connection:
            return kind(self._owner, transport, listener=listener, limits=limits)

        return lambda host, port: StreamListener(
            self._loop,
            self._owner,
            bind_tcp(host, port, open_socket=opener(self._loop)),
            transport,
            accepted,
            context,
            limits.max_connections,
        )

    # ---------------------------------------------------------------- who uses what

    def users(self, endpoint: Any) -> list[UserAgent]:
        """Return the agents that an endpoint is open for."""
        leaving = [agent for agent, left in self.leaving if left is endpoint]
        return [*self._owner.core.directory.agents_by(endpoint), *leaving]

    def used(self, agent: UserAgent | None = None) -> list[Any]:
        """Return the endpoints, listeners and connections alike, that an agent, or any, uses."""
        found = self._owner.core.directory.endpoints(agent)
        if self.leaving:
            found += [endpoint for one, endpoint in self.leaving if agent in (None, one)]
            found = list(dict.fromkeys(found))
        return found

    def points(self, agent: UserAgent) -> Iterator[Listening]:
        """Go through what an agent listens by, and the sockets that it sends datagrams from."""
        return (one for one in self.used(agent) if isinstance(one, UDPEndpoint | StreamListener))

    def use(self, agent: UserAgent, endpoint: Any) -> None:
        """Have an agent receive what comes by an endpoint, which stays open for that.

        Raises:
            UsageError: Another agent with the same address of record receives there.
        """
        self._owner.core.directory.bind(agent, endpoint)
        if (agent, endpoint) in self.leaving:
            self.leaving.remove((agent, endpoint))
        agent.advertise = self.address_on
        agent.moved()

    def release(self, agent: UserAgent, endpoint: Any) -> None:
        """Undo `listen`; the endpoint is closed when the last agent has left."""
        self._owner.core.directory.unbind(agent, endpoint)
        if (agent, endpoint) in self.leaving:
            self.leaving.remove((agent, endpoint))
        agent.moved()
        if self.users(endpoint):
            return
        key = (endpoint.transport, *endpoint.address)
        if self.bound.get(key) is endpoint:
            del self.bound[key]
        if isinstance(endpoint, StreamListener):
            self.ending = [one for one in self.ending if not one.ended]
            self.ending += endpoint.connections
        endpoint.close()

    def release_later(self, agent: UserAgent, endpoint: Any) -> None:
        """Have an agent take nothing new by an endpoint, and release it after its last dialog."""
        self._owner.core.directory.unbind(agent, endpoint)
        if (agent, endpoint) not in self.leaving:
            self.leaving.append((agent, endpoint))
        self.let_leave()

    def let_leave(self) -> None:
        """Release those who wait for the end of their last dialog, where it came."""
        for agent, endpoint in list(self.leaving):
            if not (agent.dialogs or agent.services):
                self.release(agent, endpoint)

    def leave(self, agent: UserAgent, *, later: bool = False) -> None:
        """Have an agent receive nowhere any more, at once or after its last dialog."""
        for endpoint in self.used(agent):
            (self.release_later if later else self.release)(agent, endpoint)

    def connection_closed(self, connection: Connection) -> None:
        """Take note that nothing comes by a connection any more."""
        for agent in self.users(connection):
            self._owner.core.directory.unbind(agent, connection)
        self.leaving = [entry for entry in self.leaving if entry[1] is not connection]

    # ---------------------------------------------------------------- what is advertised

    def address_on(self, agent: UserAgent, flow: Flow) -> Address:
        """Return the address that an agent advertises on a flow: `UserAgent.advertise`."""
        point = flow.listener
        opened = isinstance(point, Connection)
        bound = None if opened else self.bound.get((flow.transport, *point.address))
        if bound is not None and bound is point:
            return bound.advertised or flow.local
        own = flow.local[0]
        # What is advertised is said to lead to it; a port goes with its own address.
        found = [
            endpoint
            for endpoint in self.points(agent)
            if endpoint.transport == flow.transport
            and endpoint.family == numeric_family(own)
            and (endpoint.advertised is not None or (opened and _takes(endpoint, own)))
        ]
        if not found:
            return flow.local
        nearest = min(found, key=lambda endpoint: distance(endpoint, own))
        return nearest.advertised or (own, nearest.address[1])

    def advertised_host(self, agent: UserAgent, own: str) -> str | None:
        """Return the host that an agent advertises for an address of ours, by whatever transport
        it does; None where it advertises none.

        Args:
            agent: The agent.
            own: The numeric address, as this host has it.
        """
        family = numeric_family(own)
        found: list[tuple[int, str]] = []
        for endpoint in self.used(agent):
            if isinstance(endpoint, Connection) or endpoint.advertised is None:
                continue
            if endpoint.family == family:
                found.append((distance(endpoint, own), endpoint.advertised[0]))
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def clear(self) -> None:
        """Forget what is bound, which is closed, and who was leaving."""
        self.bound.clear()
        self.leaving.clear()
        directory = self._owner.core.directory
        for endpoint in directory.endpoints():
            for agent in list(directory.agents_by(endpoint)):
                directory.unbind(agent, endpoint)


def _advertised(endpoint: Listening, advertised: tuple[str, int | None]) -> Address:
    """Return the advertised address of an endpoint, whose port may be the one bound."""
    host, port = advertised
    return host, endpoint.address[1] if port is None else port


def _takes(endpoint: Listening, own: str) -> bool:
    """Whether what comes to an address of ours comes to an endpoint, if the port is its own."""
    return endpoint.address[0] == own or (
        is_wildcard(endpoint.address[0]) and endpoint.family == numeric_family(own)
    )


def distance(endpoint: Listening, own: str) -> int:
    """How well an endpoint stands for an address of ours: it is bound to that one, to all of them,
    or to another.
    """
    bound = endpoint.address[0]
    return 0 if bound == own else 1 if is_wildcard(bound) else 2
