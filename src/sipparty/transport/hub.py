"""The hub: every endpoint of an engine, who uses which, and the way from a next hop to a flow.

Laws:

* A flow to a next hop is looked for in this order: the connection that the dialog has; the targets
  of RFC 3263, those known to be down last, each by a connection that is open or by a new one.
* A target that cannot be reached is remembered as down; the next one is tried at once.
* A request that is too large for UDP goes by TCP; if nobody takes it there, by UDP after all
  (RFC 3261 §18.1.1).
* Every question is answered once, by `core.flow_found` or `core.flow_failed`.
* An agent sends from the address that it asked for; else from the one that it listens on, where
  that is not all of them and leads to the peer.
* A response whose connection has ended goes by a new one, to where its request came from and the
  port of its Via (RFC 3261 §18.2.2). Where that fails it is dropped: to look up the Via's host, as
  §18.2.2 goes on, would have anybody make us connect to whom they like.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Hashable
from typing import Any, cast

from sipparty.errors import ParseError, TransportError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.flow import Flow
from sipparty.sip.message import Response
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.layer import top_via
from sipparty.transport.addresses import (
    check_source,
    is_loopback,
    is_wildcard,
    numeric_family,
)
from sipparty.transport.keeping import Keeping
from sipparty.transport.listener import StreamListener
from sipparty.transport.listening import OURS, HubOwner, Listening, Places, standard_port
from sipparty.transport.resolver import Resolver
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.stream import Connection
from sipparty.transport.targets import Destination, Target
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = ["Hub"]

_log = logging.getLogger(__name__)


class Hub(Places):
    """The endpoints of an engine; used on its loop's thread alone.

    Args:
        loop: The engine's loop.
        owner: The engine.
        resolver: What finds the targets of a name.
        tls: Certificates for TLS and WSS; None for the system's authorities and none of our own.
        websocket: What WebSockets are served and opened with; None for the defaults.

    Attributes:
        keeping: The flows that are kept open.
    """

    #: Connections that we opened and keep; beyond so many, the one idle longest is closed.
    MAX_POOL = 1024
    #: Seconds that a connection may take to be there.
    CONNECT = 10.0
    #: Responses that wait at a time for a connection in the place of one that has ended; more are
    #: dropped.
    MAX_LATE = 64

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: HubOwner,
        resolver: Resolver | None = None,
        tls: TLSConfig | None = None,
        websocket: WebSocketConfig | None = None,
    ) -> None:
        super().__init__(loop, owner, tls or TLSConfig(), websocket or WebSocketConfig())
        self.resolver = resolver or Resolver(transports=OURS)
        self.keeping = Keeping(owner.core, self.mark_down)
        self._pool: dict[tuple[str, str, int, str, str], Connection] = {}
        #: What is being found out, and for whom.
        self._tasks: dict[asyncio.Task[None], FlowWanted] = {}
        #: The address that an agent sends from, where that is not the system's choice.
        self._sources: weakref.WeakKeyDictionary[UserAgent, str] = weakref.WeakKeyDictionary()
        self._late: set[_LateResponse] = set()

    def leave(self, agent: UserAgent, *, later: bool = False) -> None:
        """Have an agent receive nowhere any more, at once or after its last dialog; its flows are
        kept open no longer.
        """
        self.keeping.stop(agent)
        super().leave(agent, later=later)

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

    # ---------------------------------------------------------------- flows

    def find(self, wanted: FlowWanted) -> None:
        """Answer a `FlowWanted`, now or later."""
        hop = wanted.next_hop
        carrier = wanted.endpoint
        if isinstance(carrier, Connection) and _goes_to(carrier, wanted):
            assert carrier.flow is not None
            theirs = carrier.listener is not None
            self._found(wanted, carrier.flow if theirs else self._joined(wanted.agent, carrier))
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
        source = self._sources.get(wanted.agent)
        if source is not None:
            family = numeric_family(source)
            families = set() if family is None else {family}
        if hop.host == "localhost" or source is not None:
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
                source = self._source(wanted.agent, target)
            except TransportError as error:
                reason = reason or str(error)
                continue
            connection = self._pool.get((*where, target.server_name, source))
            if connection is not None and not connection.closed and connection.flow is not None:
                self._found(wanted, self._joined(wanted.agent, connection))
                return
            self._spawn(wanted, self._connect(wanted, target, targets[at + 1 :], source))
            return
        self._failed(wanted, reason or f"Every target of {wanted.next_hop.host} has failed.")

    async def _connect(
        self, wanted: FlowWanted, target: Target, others: list[Target], source: str
    ) -> None:
        try:
            from sipparty.transport.connecting import connect

            connection = await connect(
                self._owner,
                target,
                tls=self.tls,
                timeout=self.CONNECT,
                limits=self._owner.core.limits,
                local_address=(source, 0) if source else None,
                path=self.websocket.path,
            )
        except TransportError as error:
            self.resolver.mark_down(target)
            self._owner.run(self._try, wanted, others, str(error))
            return
        except OSError as error:  # of the import: there are no file descriptors left
            self._owner.run(self._try, wanted, others, f"Cannot connect: {error.strerror}.")
            return
        self._owner.run(self._connected, wanted, target, connection, others, source)

    def _connected(
        self,
        wanted: FlowWanted,
        target: Target,
        connection: Connection,
        others: list[Target],
        source: str,
    ) -> None:
        key = (target.transport, target.address, target.port, target.server_name, source)
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
            kept = [one for one in self._pool.values() if not one.closed]
            if len(kept) >= self.MAX_POOL:
                min(kept, key=lambda one: one.last_used).close()
            self._pool[key] = connection
        self._found(wanted, self._joined(wanted.agent, connection))

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
        for endpoint, users in self._users.items():
            if (
                isinstance(endpoint, StreamListener)
                and agent in users
                and endpoint.transport == connection.transport
                and endpoint.family == connection.family
            ):
                told = endpoint.advertised or (flow.local[0], endpoint.address[1])
                return flow._replace(local=told, bound=flow.local)
        return flow

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
        found = ""
        for endpoint, users in self._users.items():
            if agent not in users or not isinstance(endpoint, UDPEndpoint | StreamListener):
                continue
            own = endpoint.address[0]
            if not is_wildcard(own) and _reaches(endpoint, target.address):
                if endpoint.transport == target.transport:
                    return own
                found = found or own
        return found

    def _datagrams(self, agent: UserAgent, wanted: Hashable, host: str) -> UDPEndpoint:
        """Return what to send datagrams from: what was asked for, the agent's own, or a new one."""
        if isinstance(wanted, UDPEndpoint) and _reaches(wanted, host):
            return wanted
        source = self._sources.get(agent)
        if source is not None:
            check_source(source, host)
        for endpoint, users in self._users.items():
            if agent not in users or not isinstance(endpoint, UDPEndpoint) or endpoint.closed:
                continue
            if _reaches(endpoint, host) if source is None else endpoint.address[0] == source:
                return endpoint
        everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - any way to the peer will do
        endpoint = UDPEndpoint(self._loop, self._owner, bind_udp(source or everywhere, 0))
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

    def answer_anew(self, data: bytes, flow: Flow) -> None:
        """Send a response by another connection than its request's, which has ended (RFC 3261
        §18.2.2); anything else is dropped.

        Args:
            data: What was to be sent.
            flow: The flow whose connection has ended.
        """
        # A WebSocket's client can be reached by its own connection alone (RFC 7118 §5).
        if not data.startswith(b"SIP/2.0 ") or flow.transport not in ("TCP", "TLS"):
            return
        if len(self._late) >= self.MAX_LATE:
            return
        host, transport = flow.remote[0], flow.transport
        try:
            via = top_via(Response.parse(data)._text("via") or "")
            port = via.port or standard_port(transport)
        except ParseError:
            return
        users = self._users.get(flow.endpoint if flow.listener is None else flow.listener)
        late = _LateResponse(data, self._late)
        hop = NextHop(host, port, transport)
        wanted = FlowWanted(users[0] if users else None, hop, None, late)
        self._try(wanted, [Target(transport, host, port, via.host)], "")

    def mark_down(self, flow: Flow, retry_after: float | None = None) -> None:
        """Note that what a flow leads to does not answer, or says 503 (RFC 3263 §4.3)."""
        for key in [key for key, kept in self._pool.items() if kept is flow.endpoint]:
            # What it carries may still be answered. What is new goes by another one.
            del self._pool[key]
            self._loop.call_later(
                self._owner.core.transactions.timing.transaction, flow.endpoint.close
            )
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
        self.keeping.stop()
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
        self._late.clear()
        self._listening.clear()
        self.leaving.clear()


class _LateResponse:
    """A response that waits for a connection, in a set of those that do."""

    def __init__(self, data: bytes, late: set[_LateResponse]) -> None:
        self._data = data
        self._late = late
        late.add(self)

    def flow_found(self, flow: Flow) -> None:
        """Send it."""
        self._late.discard(self)
        flow.endpoint.send(self._data, flow)

    def flow_failed(self, reason: str) -> None:
        """Drop it: whoever waits for it has a timer."""
        self._late.discard(self)
        _log.debug("A response was dropped: %s", reason)


def _reaches(endpoint: Listening, host: str) -> bool:
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
