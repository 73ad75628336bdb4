"""What an agent sends from: the socket, the address, and what peers are told of it.

Laws:

* An agent sends from the address that it asked for. Else, of those that it listens on, from the one
  that the system's routes choose for the peer; else from one that leads there.
* Peers are told of a place where the agent can be reached: of the listener that takes what comes
  to the address that a connection is from, by what that one advertises; of a connection's own port
  only where there is no such listener.
* What an agent advertises is not lost by its sending from another socket than the one it listens
  by.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Hashable, Iterator

from sipparty.errors import TransportError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.flow import Flow
from sipparty.transport.addresses import (
    check_source,
    is_loopback,
    is_wildcard,
    local_address_to,
    numeric_family,
)
from sipparty.transport.listeners import HubOwner, Listeners, Listening
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener
from sipparty.transport.targets import Target
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["SourceSelection"]


class SourceSelection(Listeners):
    """The part of the `Hub` that chooses what is sent from.

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
        super().__init__(loop, owner, tls, websocket)
        #: The address that an agent sends from, where that is not the system's choice.
        self._sources: weakref.WeakKeyDictionary[UserAgent, str] = weakref.WeakKeyDictionary()

    def send_from(self, agent: UserAgent, address: str | None) -> None:
        """Have an agent send from an address of this host; None for the system's choice.

        What it sends by what it listens on, in answer to what came there, stays as it is.

        Args:
            agent: The agent.
            address: A numeric address. Whether it is ours is found out when it is used.
        """
        if address is None:
            self._sources.pop(agent, None)
        else:
            self._sources[agent] = address

    def advertised_host(self, agent: UserAgent, own: str) -> str | None:
        """Return the host that an agent advertises for an address of ours, by whatever transport
        it does; None where it advertises none.

        Args:
            agent: The agent.
            own: The numeric address, as this host has it.
        """
        family = numeric_family(own)
        ours = [
            endpoint
            for endpoint in self._of(agent)
            if endpoint.advertised is not None and endpoint.family == family
        ]
        for endpoint in sorted(ours, key=lambda endpoint: _distance(endpoint, own)):
            assert endpoint.advertised is not None
            return endpoint.advertised[0]
        return None

    def _of(self, agent: UserAgent) -> Iterator[Listening]:
        """Go through what an agent listens by, and the sockets that it sends datagrams from."""
        for endpoint, users in self._users.items():
            if agent in users and isinstance(endpoint, UDPEndpoint | StreamListener):
                yield endpoint

    # ---------------------------------------------------------------- datagrams

    def _datagrams(self, agent: UserAgent, wanted: Hashable, host: str) -> UDPEndpoint:
        """Return what to send datagrams from: what was asked for, the agent's own, or a new one.

        Raises:
            TransportError: The address that the agent sends from does not lead there.
        """
        if isinstance(wanted, UDPEndpoint) and _reaches(wanted, host):
            return wanted
        source = self._sources.get(agent)
        if source is not None:
            check_source(source, host)
        found = [
            endpoint
            for endpoint in self._of(agent)
            if isinstance(endpoint, UDPEndpoint)
            and not endpoint.closed
            and (_reaches(endpoint, host) if source is None else endpoint.address[0] == source)
        ]
        if len(found) > 1 and source is None:
            route = _route_to(host)
            found.sort(key=lambda endpoint: _distance(endpoint, route))
        if found:
            return found[0]
        everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - any way to the peer will do
        endpoint = UDPEndpoint(self._loop, self._owner, bind_udp(source or everywhere, 0))
        self._use(agent, endpoint)
        return endpoint

    def _advertised(self, agent: UserAgent | None, flow: Flow) -> Flow:
        """Return the flow of a datagram, told to peers by what the agent advertises: the socket may
        be one beside the listener that does, bound to the address that the agent sends from.
        """
        own = flow.endpoint
        if agent is None or own is self._listening.get((own.transport, *own.address)):
            return flow
        told = [
            endpoint
            for endpoint in self._of(agent)
            if endpoint.transport == own.transport
            and endpoint.family == own.family
            and endpoint.advertised is not None
        ]
        for endpoint in sorted(told, key=lambda endpoint: _distance(endpoint, flow.own[0])):
            assert endpoint.advertised is not None
            return flow._replace(local=endpoint.advertised, bound=flow.own)
        return flow

    # ---------------------------------------------------------------- connections

    def _source(self, agent: UserAgent | None, target: Target) -> str:
        """Return the address that an agent connects from; "" for the system's choice.

        Raises:
            TransportError: The one that it asked for leads nowhere.
        """
        if agent is None:
            return ""
        source = self._sources.get(agent)
        if source is not None:
            check_source(source, target.address)
            return source
        found = [
            endpoint
            for endpoint in self._of(agent)
            if not is_wildcard(endpoint.address[0]) and _reaches(endpoint, target.address)
        ]
        # Of two, the one that listens by the same transport.
        found.sort(key=lambda endpoint: endpoint.transport != target.transport)
        if len({endpoint.address[0] for endpoint in found}) > 1:
            route = _route_to(target.address)
            found.sort(key=lambda endpoint: endpoint.address[0] != route)
        return found[0].address[0] if found else ""

    def _joined(self, agent: UserAgent | None, connection: Connection) -> Flow:
        """Have requests that come back by a connection find an agent, and return its flow: the
        connection's, told to peers by where the agent listens, if it does.
        """
        flow = connection.flow
        assert flow is not None
        if agent is None:
            return flow
        if agent not in self._users.get(connection, ()):
            # Where another agent of that name has it, the dialogs are found all the same.
            with contextlib.suppress(UsageError):
                self._use(agent, connection)
        own = connection.address[0]
        listeners = [
            endpoint
            for endpoint in self._of(agent)
            if isinstance(endpoint, StreamListener)
            and endpoint.transport == connection.transport
            and endpoint.family == connection.family
            # What is advertised is said to lead to it; a port goes with its own address.
            and (endpoint.advertised is not None or _takes(endpoint, own))
        ]
        for endpoint in sorted(listeners, key=lambda endpoint: _distance(endpoint, own)):
            told = endpoint.advertised or (flow.local[0], endpoint.address[1])
            return flow._replace(local=told, bound=flow.local)
        return flow


def _route_to(host: str) -> str:
    """Return the address that the system's routes choose for a peer; "" where none leads there."""
    try:
        return local_address_to(host)
    except TransportError:
        return ""


def _takes(endpoint: Listening, own: str) -> bool:
    """Whether what comes to an address of ours comes to an endpoint, if the port is its own."""
    return endpoint.address[0] == own or (
        is_wildcard(endpoint.address[0]) and endpoint.family == numeric_family(own)
    )


def _distance(endpoint: Listening, own: str) -> int:
    """How well an endpoint stands for an address of ours: it is bound to that one, to all of them,
    or to another.
    """
    bound = endpoint.address[0]
    return 0 if bound == own else 1 if is_wildcard(bound) else 2


def _reaches(endpoint: Listening, host: str) -> bool:
    """Whether a peer is reached from what an endpoint is bound to."""
    if endpoint.closed or endpoint.family != numeric_family(host):
        return False
    bound = endpoint.address[0]
    return is_wildcard(bound) or is_loopback(bound) == is_loopback(host)
