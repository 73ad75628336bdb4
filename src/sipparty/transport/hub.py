"""The hub: every endpoint of an engine, who uses which, and the way from a next hop to a flow.

Laws:

* An endpoint is shared by those who listen at its address, and closed when the last one leaves.
* A flow to a next hop is looked for in this order: the connection that the dialog has; the targets
  of RFC 3263, those known to be down last, each by a connection that is open or by a new one.
* A target that cannot be reached is remembered as down; the next one is tried at once.
* A request that is too large for UDP goes by TCP; if nobody takes it there, by UDP after all
  (RFC 3261 §18.1.1).
* Every question is answered once, by `core.flow_found` or `core.flow_failed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
from collections.abc import Callable, Hashable
from typing import Any, Protocol, cast

from sipparty.errors import ListenError, TransportError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import Core, FlowWanted
from sipparty.sip.flow import Flow
from sipparty.transport.addresses import is_loopback, is_wildcard, numeric_family
from sipparty.transport.endpoint import EndpointOwner
from sipparty.transport.listener import StreamListener, bind_tcp
from sipparty.transport.resolver import Resolver
from sipparty.transport.stream import Connection
from sipparty.transport.targets import TRANSPORTS, Destination, Target
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["Hub", "HubOwner", "Listening", "standard_port"]

_log = logging.getLogger(__name__)

#: What the system says of a port that cannot be had, while another may.
_TAKEN = (errno.EADDRINUSE, errno.EACCES)

#: The transports that we have.
_OURS = ("UDP", "TCP", "TLS", "WS", "WSS")

#: Something that receives at an address.
Listening = UDPEndpoint | StreamListener
#: Something that a flow goes by.
Carrier = UDPEndpoint | Connection


class HubOwner(EndpointOwner, Protocol):
    """The engine."""

    core: Core

    def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Run a function with the core told the time, and act on what comes of it."""


class Hub:
    """The endpoints of an engine; used on its loop's thread alone.

    Args:
        loop: The engine's loop.
        owner: The engine.
        resolver: What finds the targets of a name.
        tls: Certificates for TLS and WSS; None for the system's authorities and none of our own.
    """

    #: Connections that we opened and keep; beyond so many, the one idle longest is closed.
    MAX_POOL = 1024
    #: Seconds that a connection may take to be there.
    CONNECT = 10.0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: HubOwner,
        resolver: Resolver | None = None,
        tls: TLSConfig | None = None,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self.resolver = resolver or Resolver(transports=_OURS)
        self.tls = tls or TLSConfig()
        self._listening: dict[tuple[str, str, int], Listening] = {}
        self._users: dict[Hashable, list[UserAgent]] = {}
        #: Who goes when its last dialog is over.
        self.leaving: list[tuple[UserAgent, Listening]] = []
        self._pool: dict[tuple[str, str, int, str], Connection] = {}
        #: Connections of listeners that were closed.
        self._ending: list[Connection] = []
        #: What is being found out, and for whom.
        self._tasks: dict[asyncio.Task[None], FlowWanted] = {}

    # ---------------------------------------------------------------- listening

    def listen(
        self,
        agent: UserAgent,
        host: str,
        port: int | None,
        port_filter: Callable[[int], bool] | None = None,
        transport: str = "UDP",
    ) -> Listening:
        """Have an agent receive at an address.

        Args:
            agent: The agent.
            host: A numeric address, or a wildcard.
            port: The port; None or 0 for a free one.
            port_filter: Which ports will do.
            transport: "UDP", "TCP", "TLS", "WS" or "WSS".

        Raises:
            ListenError: The port is taken, or no free one will do.
            TLSError: There is no certificate that can be used.
            UsageError: The transport is unknown, or another agent with the same address of record
                receives there.
        """
        endpoint = self._listening.get((transport, host, port or 0))
        if endpoint is None:
            endpoint = self._bind(transport, host, port or 0, port_filter)
            self._listening[(transport, *endpoint.address)] = endpoint
        try:
            self._use(agent, endpoint)
        except UsageError:
            if not self._users.get(endpoint):
                self.release(agent, endpoint)
            raise
        return endpoint

    def _bind(
        self, transport: str, host: str, port: int, port_filter: Callable[[int], bool] | None
    ) -> Listening:
        make = self._maker(transport)
        if port or port_filter is None:
            if port_filter is not None and not port_filter(port):
                raise ListenError(f"Cannot listen on port {port}: the port filter refuses it.")
            return make(host, port)
        wanted = [number for number in range(1024, 65536) if port_filter(number)]
        if not wanted:
            raise ListenError("Cannot listen: the port filter refuses every port.")
        # Begin anywhere, so that many parties do not all try the same ports.
        start = self._owner.core.tokens.number(16) % len(wanted)
        error: ListenError | None = None
        for number in wanted[start:] + wanted[:start]:
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
        kind = Connection
        if transport in ("WS", "WSS"):
            # Not before it is needed: few listen by it, and it takes a library.
            from sipparty.transport.websocket import WebSocketConnection

            kind = WebSocketConnection
        context: ssl.SSLContext | None = None
        if transport in ("TLS", "WSS"):
            context = self.tls.server_context()

        def accepted(listener: StreamListener) -> Connection:
            return kind(self._owner, transport, listener=listener)

        return lambda host, port: StreamListener(
            self._loop, self._owner, bind_tcp(host, port), transport, accepted, context
        )

    def _use(self, agent: UserAgent, endpoint: Hashable) -> None:
        users = self._users.setdefault(endpoint, [])
        self._owner.core.bind(agent, endpoint)
        if (agent, endpoint) in self.leaving:
            self.leaving.remove((agent, cast(Listening, endpoint)))
        if agent not in users:
            users.append(agent)

    def release(self, agent: UserAgent, endpoint: Listening) -> None:
        """Undo `listen`; the endpoint is closed when the last agent has left."""
        self._owner.core.unbind(agent, endpoint)
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
        self._owner.core.unbind(agent, endpoint)
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

    def agents(self) -> list[UserAgent]:
        """Everybody who has an endpoint here, even those who are leaving."""
        return list(dict.fromkeys(agent for users in self._users.values() for agent in users))

    # ---------------------------------------------------------------- flows

    def find(self, wanted: FlowWanted) -> None:
        """Answer a `FlowWanted`, now or later."""
        hop = wanted.next_hop
        carrier = wanted.endpoint
        if isinstance(carrier, Connection) and _goes_to(carrier, wanted):
            assert carrier.flow is not None
            self._found(wanted, carrier.flow)
            return
        if (
            hop.is_numeric
            and hop.transport in (None, "UDP")
            and not (hop.secure or wanted.reliable)
        ):
            # Nothing to find out: the case of nearly every request inside a dialog.
            self._try(wanted, [Target("UDP", hop.host, hop.port or 5060, hop.host)], "")
        else:
            self._spawn(wanted, self._resolve(wanted))

    async def _resolve(self, wanted: FlowWanted) -> None:
        hop = wanted.next_hop
        destination = Destination(hop.host, hop.port, hop.transport, hop.secure)
        try:
            targets = await self.resolver.resolve(destination, reliable=wanted.reliable)
        except TransportError as error:
            self._owner.run(self._failed, wanted, str(error))
            return
        # Rather by a family that the agent is there for already: "localhost" is of both.
        families = {
            cast(Listening, endpoint).family
            for endpoint, users in self._users.items()
            if wanted.agent in users
        }
        if hop.host == "localhost":
            targets.sort(key=lambda target: numeric_family(target.address) not in families)
        self._owner.run(self._try, wanted, targets, "")

    def _try(self, wanted: FlowWanted, targets: list[Target], reason: str) -> None:
        """Give the flow to the first target that can be had; connect where that takes time."""
        for at, target in enumerate(targets):
            where = (target.transport, target.address, target.port)
            if where in wanted.tried:
                continue
            try:
                if target.transport == "UDP":
                    endpoint = self._datagrams(wanted.agent, wanted.endpoint, target.address)
                    self._found(wanted, endpoint.flow_to(target.address, target.port))
                    return
            except TransportError as error:
                reason = reason or str(error)
                continue
            connection = self._pool.get((*where, target.server_name))
            if connection is not None and not connection.closed and connection.flow is not None:
                self._found(wanted, self._joined(wanted.agent, connection))
                return
            self._spawn(wanted, self._connect(wanted, target, targets[at + 1 :]))
            return
        self._failed(wanted, reason or f"Every target of {wanted.next_hop.host} has failed.")

    async def _connect(self, wanted: FlowWanted, target: Target, others: list[Target]) -> None:
        from sipparty.transport.connecting import connect

        try:
            connection = await connect(self._owner, target, tls=self.tls, timeout=self.CONNECT)
        except TransportError as error:
            self.resolver.mark_down(target)
            self._owner.run(self._try, wanted, others, str(error))
            return
        self._owner.run(self._connected, wanted, target, connection, others)

    def _connected(
        self, wanted: FlowWanted, target: Target, connection: Connection, others: list[Target]
    ) -> None:
        key = (target.transport, target.address, target.port, target.server_name)
        other = self._pool.get(key)
        if other is not None and not other.closed:
            # Another call was faster: one connection will do (RFC 5923).
            connection.close()
            connection = other
        elif connection.flow is None or connection.closed:
            self.resolver.mark_down(target)
            reason = f"{target.address} port {target.port} closed the connection."
            self._try(wanted, others, reason)
            return
        else:
            if len(self._pool) >= self.MAX_POOL:
                next(iter(self._pool.values())).close()
            self._pool[key] = connection
        self._found(wanted, self._joined(wanted.agent, connection))

    def _joined(self, agent: UserAgent, connection: Connection) -> Flow:
        """Have requests that come back by a connection find an agent, and return its flow: the
        connection's, told to peers by where the agent listens, if it does.
        """
        flow = connection.flow
        assert flow is not None
        if agent not in self._users.get(connection, ()):
            # Where another agent of that name has it, the dialogs are found all the same.
            with contextlib.suppress(UsageError):
                self._use(agent, connection)
        for endpoint, users in self._users.items():
            if (
                isinstance(endpoint, StreamListener)
                and agent in users
                and endpoint.transport == connection.transport
                and endpoint.family == connection.family
            ):
                return flow._replace(local=(flow.local[0], endpoint.address[1]))
        return flow

    def _datagrams(self, agent: UserAgent, wanted: Hashable, host: str) -> UDPEndpoint:
        """Return what to send datagrams from: what was asked for, the agent's own, or a new one."""
        if isinstance(wanted, UDPEndpoint) and _reaches(wanted, host):
            return wanted
        for endpoint, users in self._users.items():
            if agent in users and isinstance(endpoint, UDPEndpoint) and _reaches(endpoint, host):
                return endpoint
        everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - any way to the peer will do
        endpoint = UDPEndpoint(self._loop, self._owner, bind_udp(everywhere, 0))
        self._use(agent, endpoint)
        return endpoint

    def _found(self, wanted: FlowWanted, flow: Flow) -> None:
        self._owner.core.flow_found(wanted, flow, self._loop.time())

    def _failed(self, wanted: FlowWanted, reason: str) -> None:
        carrier = wanted.endpoint
        if (
            isinstance(carrier, Connection)
            and carrier.listener is not None
            and _may_go_to(carrier, wanted)
        ):
            # Who connected to us may not be one to connect to: a phone behind a firewall.
            assert carrier.flow is not None
            self._found(wanted, carrier.flow)
            return
        self._owner.core.flow_failed(wanted, reason, self._loop.time())

    def mark_down(self, flow: Flow, retry_after: float | None = None) -> None:
        """Note that what a flow leads to does not answer, or says 503 (RFC 3263 §4.3)."""
        host, port = flow.remote[0], flow.remote[1]
        self.resolver.mark_down(Target(flow.transport, host, port, host), retry_after=retry_after)

    def connection_closed(self, connection: Any) -> None:
        """Forget a connection that ended."""
        for key in [key for key, kept in self._pool.items() if kept is connection]:
            del self._pool[key]
        for agent in self._users.pop(connection, ()):
            self._owner.core.unbind(agent, connection)

    # ---------------------------------------------------------------- the end

    def _spawn(self, wanted: FlowWanted, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks[task] = wanted
        task.add_done_callback(self._found_out)

    def _found_out(self, task: asyncio.Task[None]) -> None:
        """See that nobody waits for what a defect of ours has ended."""
        wanted = self._tasks.pop(task, None)
        if wanted is None or task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("A flow could not be found.", exc_info=error)
            self._owner.run(self._failed, wanted, f"No flow was found: {error}.")

    def give_up(self, reason: str) -> None:
        """Tell everybody who waits for a flow that there will be none."""
        for task, wanted in list(self._tasks.items()):
            task.cancel()
            self._failed(wanted, reason)
        self._tasks.clear()

    def abandon(self) -> None:
        """Let go of every socket without touching the loop, in a forked child."""
        for endpoint in {*self.endpoints(), *self._listening.values()}:
            endpoint.abandon()

    def endpoints(self) -> list[Any]:
        """Return every endpoint that somebody uses, and every connection that is kept."""
        return list(dict.fromkeys([*self._users, *self._pool.values()]))

    def connections(self) -> list[Connection]:
        """Return every connection that is there, or was closed and has not ended."""
        found = [*self._pool.values(), *self._users, *self._ending]
        for endpoint in self._listening.values():
            if isinstance(endpoint, StreamListener):
                found += endpoint.connections
        return [one for one in dict.fromkeys(found) if isinstance(one, Connection)]

    def close(self) -> None:
        """Give everything back; may be called more than once."""
        for task in list(self._tasks):
            task.cancel()
        self._tasks.clear()
        for endpoint in {*self.endpoints(), *self._listening.values()}:
            if isinstance(endpoint, UDPEndpoint):
                endpoint.close()
            else:
                endpoint.abort()  # the loop may not turn for long enough for more
        self._users.clear()
        self._pool.clear()
        self._listening.clear()
        self.leaving.clear()


def _reaches(endpoint: UDPEndpoint, host: str) -> bool:
    """Whether a peer is reached from what an endpoint is bound to."""
    if endpoint.closed or endpoint.family != numeric_family(host):
        return False
    bound = endpoint.address[0]
    return is_wildcard(bound) or is_loopback(bound) == is_loopback(host)


def _goes_to(connection: Connection, wanted: FlowWanted) -> bool:
    """Whether a dialog's connection leads to the port where its next request goes.

    Another port is another program, such as the user agent behind the proxy that the connection is
    with, on the same machine. A WebSocket client can be reached by its connection alone (RFC 7118
    §5).
    """
    flow = connection.flow
    if not _may_go_to(connection, wanted) or flow is None:
        return False
    port = wanted.next_hop.port or standard_port(flow.transport)
    return flow.transport in ("WS", "WSS") or port == flow.remote[1]


def _may_go_to(connection: Connection, wanted: FlowWanted) -> bool:
    """Whether a dialog's connection is with the host that its next request goes to."""
    flow = connection.flow
    if connection.closed or flow is None:
        return False
    if (flow.transport, flow.remote[0], flow.remote[1]) in wanted.tried:
        return False
    if flow.transport in ("WS", "WSS"):
        return True
    hop = wanted.next_hop
    return hop.host == flow.remote[0] and (hop.transport or flow.transport) == flow.transport


def standard_port(transport: str) -> int:
    """Return the port that a transport has by itself (RFC 3261 §19.1.2, RFC 7118 §5).

    Raises:
        UsageError: There is no such transport.
    """
    name = transport.upper()
    if name not in _OURS:
        # The DNS may speak of more.
        raise UsageError(f"There is no transport {transport!r}: there are {', '.join(_OURS)}.")
    return TRANSPORTS[name].port
