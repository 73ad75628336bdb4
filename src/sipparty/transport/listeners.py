"""Where an engine listens: endpoints, and the agents that use them.

Laws:

* An endpoint is shared by those who listen at its address, and closed when the last one leaves.
* Peers are told one thing of an endpoint: who shares it agrees on what is advertised.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Protocol, cast

from sipparty.errors import ListenError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import Core
from sipparty.sip.flow import Address, Flow, host_port
from sipparty.sip.transports import standard_port
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener, bind_tcp
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["HubOwner", "Listeners", "Listening"]

#: What the system says of a port that cannot be had, while another may.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)

#: Something that receives at an address.
Listening = UDPEndpoint | StreamListener


class HubOwner(EndpointOwner, Protocol):
    """The engine."""

    core: Core

    def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Run a function with the core told the time, and act on what comes of it."""

    def transmit(self, data: bytes, flow: Flow) -> None:
        """Send a message, and report it to the wire."""


class Listeners:
    """The addresses where an engine's agents receive; the part of the `Hub` that binds.

    Args:
        loop: The engine's loop.
        owner: The engine.
        tls: Certificates for TLS and WSS.
        websocket: What WebSockets are served and opened with.
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
        self.tls = tls
        self.websocket = websocket
        self._listening: dict[tuple[str, str, int], Listening] = {}
        self._users: dict[Hashable, list[UserAgent]] = {}
        #: Who goes when its last dialog is over.
        self.leaving: list[tuple[UserAgent, Listening]] = []
        #: Connections of listeners that were closed.
        self._ending: list[Connection] = []

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
            advertised: Host and port that peers are told; the port bound where the port is None.

        Raises:
            ListenError: The port is taken, or no free one will do.
            TLSError: There is no certificate that can be used.
            UsageError: The transport is unknown; another agent with the same address of record
                receives there; or peers are told something else of that place.
        """
        endpoint = self._listening.get((transport, host, port or 0))
        if endpoint is None:
            endpoint = self._bind(transport, host, port or 0, ports)
            self._listening[(transport, *endpoint.address)] = endpoint
            if advertised is not None:
                endpoint.advertised = _advertised(endpoint, advertised)
        elif advertised is not None and endpoint.advertised != _advertised(endpoint, advertised):
            here = endpoint.advertised or endpoint.address
            raise UsageError(
                f"Peers are told {host_port(*here)} of {transport} {host_port(*endpoint.address)}"
                " already: those who share a socket share what is advertised."
            )
        try:
            self._use(agent, endpoint)
        except UsageError:
            if not self._users.get(endpoint):
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
            return lambda host, port: UDPEndpoint(self._loop, self._owner, bind_udp(host, port))
        standard_port(transport)  # which knows what there is
        kind: Callable[..., Connection] = Connection
        limits = self._owner.core.limits
        if transport in ("WS", "WSS"):
            # Not before it is needed: few listen by it, and it takes a library.
            try:
                from sipparty.transport.websocket import WebSocketConnection
            except OSError as error:  # there are no file descriptors left
                raise ListenError(f"Cannot listen on {transport}: {error.strerror}.") from error
            kind = partial(WebSocketConnection, origins=self.websocket.origins)
        context: ssl.SSLContext | None = None
        if transport in ("TLS", "WSS"):
            context = self.tls.server_context()

        def accepted(listener: StreamListener) -> Connection:
            return kind(self._owner, transport, listener=listener, limits=limits)

        return lambda host, port: StreamListener(
            self._loop,
            self._owner,
            bind_tcp(host, port),
            transport,
            accepted,
            context,
            limits.max_connections,
        )

    def _use(self, agent: UserAgent, endpoint: Hashable) -> None:
        users = self._users.setdefault(endpoint, [])
        self._owner.core.directory.bind(agent, endpoint)
        if (agent, endpoint) in self.leaving:
            self.leaving.remove((agent, cast(Listening, endpoint)))
        if agent not in users:
            users.append(agent)

    def release(self, agent: UserAgent, endpoint: Listening) -> None:
        """Undo `listen`; the endpoint is closed when the last agent has left."""
        self._owner.core.directory.unbind(agent, endpoint)
        users = self._users.get(endpoint, [])
        if agent in users:
            users.remove(agent)
        if not users:
            self._users.pop(endpoint, None)
            key = (endpoint.transport, *endpoint.address)
            if self._listening.get(key) is endpoint:
                del self._listening[key]
            if isinstance(endpoint, StreamListener):
                self._ending = [one for one in self._ending if not one.ended]
                self._ending += endpoint.connections
            endpoint.close()

    def release_later(self, agent: UserAgent, endpoint: Listening) -> None:
        """Have an agent take nothing new by an endpoint, and release it after its last dialog."""
        self._owner.core.directory.unbind(agent, endpoint)
        if (agent, endpoint) not in self.leaving:
            self.leaving.append((agent, endpoint))
        self.let_leave()

    def let_leave(self) -> None:
        """Release those who wait for the end of their last dialog, where it came."""
        for agent, endpoint in list(self.leaving):
            if not agent.dialogs:
                self.leaving.remove((agent, endpoint))
                self.release(agent, endpoint)

    def leave(self, agent: UserAgent, *, later: bool = False) -> None:
        """Have an agent receive nowhere any more, at once or after its last dialog."""
        for endpoint in [e for e, users in self._users.items() if agent in users]:
            if later:
                self.release_later(agent, cast(Listening, endpoint))
            else:
                self.release(agent, cast(Listening, endpoint))

    def unused(self) -> bool:
        """Whether no agent has an endpoint here."""
        return not self._users


def _advertised(endpoint: Listening, advertised: tuple[str, int | None]) -> Address:
    """Return what peers are told of an endpoint."""
    host, port = advertised
    return host, endpoint.address[1] if port is None else port
