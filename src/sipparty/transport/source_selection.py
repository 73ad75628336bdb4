"""What an agent sends from: the address that it asked for; else, of those that it listens on, the
one that the system's routes choose for the peer; else one that leads there.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from sipparty.concurrency.host import OpenSocket, opener
from sipparty.errors import TransportError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.flow import Flow
from sipparty.transport.addresses import (
    check_source,
    is_wildcard,
    leads_to,
    local_address_to,
    numeric_family,
)
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.listeners import Listeners, Listening, distance
from sipparty.transport.stream import Connection
from sipparty.transport.targets import Target
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["SourceSelection"]


class SourceSelection:
    """Chooses what agents send from, of what they listen on if that will do."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: EndpointOwner, listeners: Listeners
    ) -> None:
        self._loop = loop
        self._open_socket = opener(loop)
        self._owner = owner
        self._listeners = listeners

    def families(self, agent: UserAgent) -> set[Any]:
        """Return the address families that an agent can send by without a new socket."""
        source = agent.local_address
        if source is not None:
            return {numeric_family(source)} - {None}
        return {endpoint.family for endpoint in self._listeners.used(agent)}

    def is_fixed(self, agent: UserAgent | None) -> bool:
        """Whether an agent sends from an address of its own choice."""
        return agent is not None and agent.local_address is not None

    def datagrams(self, agent: UserAgent, wanted: Any, host: str) -> UDPEndpoint:
        """Return what to send datagrams from: what was asked for, the agent's own, or a new one.

        Raises:
            TransportError: The address that the agent sends from does not lead there.
        """
        if isinstance(wanted, UDPEndpoint) and _reaches(wanted, host):
            return wanted
        source = agent.local_address
        if source is not None:
            check_source(source, host, self._open_socket)
        found: list[UDPEndpoint] = []
        for endpoint in self._listeners.used(agent):
            if isinstance(endpoint, UDPEndpoint) and not endpoint.closed:
                bound = endpoint.address[0]
                if leads_to(bound, host) if source is None else bound == source:
                    found.append(endpoint)
        if len(found) > 1 and source is None:
            route = _route_to(host, self._open_socket)
            found.sort(key=lambda endpoint: distance(endpoint, route))
        if found:
            return found[0]
        everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - any route to the peer will do
        endpoint = UDPEndpoint(
            self._loop, self._owner, bind_udp(source or everywhere, 0, self._open_socket)
        )
        self._listeners.use(agent, endpoint)
        return endpoint

    def source(self, agent: UserAgent | None, target: Target) -> str:
        """Return the address that an agent connects from; "" for the system's choice.

        Raises:
            TransportError: The one that it asked for leads nowhere.
        """
        if agent is None:
            return ""
        source = agent.local_address
        if source is not None:
            check_source(source, target.address, self._open_socket)
            return source
        found = [
            endpoint
            for endpoint in self._listeners.points(agent)
            if not is_wildcard(endpoint.address[0]) and _reaches(endpoint, target.address)
        ]
        # Of two, the one that listens by the same transport.
        found.sort(key=lambda endpoint: endpoint.transport != target.transport)
        if len({endpoint.address[0] for endpoint in found}) > 1:
            route = _route_to(target.address, self._open_socket)
            found.sort(key=lambda endpoint: endpoint.address[0] != route)
        return found[0].address[0] if found else ""

    def join(self, agent: UserAgent | None, connection: Connection) -> Flow:
        """Have requests that come back by a connection of ours find an agent; return its flow."""
        assert connection.flow is not None
        if agent is not None and agent not in self._listeners.users(connection):
            # Where another agent of that name has it, the dialogs are found all the same.
            with contextlib.suppress(UsageError):
                self._listeners.use(agent, connection)
        return connection.flow


def _route_to(host: str, open_socket: OpenSocket) -> str:
    """Return the address that the system's routes choose for a peer; "" where none leads there."""
    try:
        return local_address_to(host, open_socket)
    except TransportError:
        return ""


def _reaches(endpoint: Listening, host: str) -> bool:
    """Whether a peer is reached from what an endpoint is bound to."""
    return not endpoint.closed and leads_to(endpoint.address[0], host)
