"""The hub: from a next hop to a flow, by the endpoints of an engine.

Laws:

* A flow to a next hop is looked for in this order: the flow that was asked for; the connection that
  the dialog has, where it leads there; the targets of RFC 3263, those known to be down last, each
  by a connection that is open or by a new one; the connection that the dialog's peer has opened, as
  nothing else leads to a phone behind a NAT, whatever its Contact says.
* What a peer names, and may not (`Policy.named_targets`), is sent by the peer's own flow.
* A target that cannot be reached is remembered as down, until it answers; the next one is tried at
  once. There is one attempt at a time to connect to it, for all who want to.
* A request that is too large for UDP goes by TCP; if nobody takes it there, by UDP after all
  (RFC 3261 §18.1.1).
* Every question is answered once, by `flow_found` or `flow_failed` of who asked it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable
from typing import Any

from sipparty.concurrency.host import opener
from sipparty.errors import TransportError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.flow import Flow
from sipparty.sip.routing import NextHop
from sipparty.sip.transports import SECURE_TRANSPORTS, SUPPORTED, default_port
from sipparty.transport.addresses import numeric_family
from sipparty.transport.keepalive import KeepAlives
from sipparty.transport.listeners import HubOwner, Listeners
from sipparty.transport.pool import ConnectionPool, Key, Pending, key_of
from sipparty.transport.resolver import Resolver
from sipparty.transport.response_fallback import ResponseFallback, WaitingResponses
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.source_selection import SourceSelection
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener
from sipparty.transport.targets import Target
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint

__all__ = ["Hub"]

_log = logging.getLogger(__name__)


class Hub:
    """The endpoints of an engine; used on its loop's thread alone.

    Args:
        loop: The engine's loop.
        owner: The engine.
        resolver: What finds the targets of a name.
        tls: Certificates for TLS and WSS; None for the system's authorities and none of our own.
        websocket: What WebSockets are served and opened with; None for the defaults.

    Attributes:
        listeners: Where agents receive.
        sources: What they send from.
        keepalives: The flows that are kept open.
        pool: The connections that requests have had opened.
        response_fallback: Responses whose connection has ended.
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
        websocket: WebSocketConfig | None = None,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self.tls = tls or TLSConfig()
        self.websocket = websocket or WebSocketConfig()
        self.resolver = resolver or Resolver(transports=SUPPORTED)
        self.listeners = Listeners(loop, owner, self.tls, self.websocket)
        self.sources = SourceSelection(loop, owner, self.listeners)
        self.keepalives = KeepAlives(owner.core, self.mark_down)
        self.pool = ConnectionPool(self.MAX_POOL)
        self.response_fallback = ResponseFallback(self._seek_anew, owner.transmit)
        self._pools = (self.pool, self.response_fallback.pool)
        #: What is being looked up, and for which users.
        self._tasks: dict[asyncio.Task[None], list[FlowWanted]] = {}

    def leave(self, agent: UserAgent, *, later: bool = False) -> None:
        """Have an agent receive nowhere any more, at once or after its last dialog; its flows are
        kept open no longer.
        """
        self.keepalives.stop(agent)
        self.listeners.leave(agent, later=later)

    # ---------------------------------------------------------------- flows

    def find(self, wanted: FlowWanted) -> None:
        """Answer a `FlowWanted`, now or later."""
        carrier = wanted.endpoint
        if isinstance(carrier, Flow):
            # This one was asked for, wherever the next hop is.
            if _can_take(carrier, wanted):
                self._take(wanted, carrier)
                return
            carrier = carrier.endpoint
            wanted = wanted.replace(endpoint=carrier)
        if isinstance(carrier, Connection):
            flow = carrier.flow
            if flow is not None and (_goes_to(flow, wanted) or _is_beyond_nat(flow, wanted)):
                self._take(wanted, flow)
                return
        hop = wanted.next_hop
        if not hop.alternatives:
            try:
                targets = self.resolver.at_hand(hop, reliable=wanted.reliable)
            except TransportError as error:
                self._failed(wanted, str(error))
                return
            if targets is not None:
                if len(targets) > 1:
                    targets = self._preferred(wanted, hop, targets)
                self._try(wanted, targets, "")
                return
        self._spawn([wanted], self._resolve(wanted))

    async def _resolve(self, wanted: FlowWanted) -> None:
        """Look for the targets of a next hop, and then of its alternatives."""
        targets: list[Target] = []
        reason = ""
        for hop in (wanted.next_hop, *wanted.next_hop.alternatives):
            try:
                found = await self.resolver.resolve(hop, reliable=wanted.reliable)
                targets += self._preferred(wanted, hop, found)
            except TransportError as error:
                reason = reason or str(error)
        self._owner.run(self._try, wanted, targets, reason)

    def _preferred(self, wanted: FlowWanted, hop: NextHop, targets: list[Target]) -> list[Target]:
        """Put the targets first that an agent can send to from where it is: "localhost" is of both
        families.
        """
        agent = wanted.agent
        if hop.host == "localhost" or self.sources.is_fixed(agent):
            families = self.sources.families(agent)
            return sorted(
                targets, key=lambda target: numeric_family(target.address) not in families
            )
        return targets

    def _try(self, wanted: FlowWanted, targets: Iterable[Target], reason: str) -> None:
        """Give the flow to the first target that can be had; connect where that takes time."""
        back, refused = wanted.next_hop.back, False
        left = list(targets)
        while left:
            target = left.pop(0)
            address = target.address
            if wanted.tried and target[:3] in wanted.tried:
                continue
            if (
                back is not None
                and address != back.remote[0]
                and not self._owner.core.policy.named_targets(address, back.remote[0])
            ):
                refused = True
                continue
            try:
                if target.transport == "UDP":
                    wanted.user.flow_found(self._datagram_flow(wanted, address, target.port))
                    return
                source = self.sources.source(wanted.agent, target)
            except TransportError as error:
                reason = reason or str(error)
                continue
            key = key_of(target, source)
            pool = self._pool_for(wanted)
            connection = self.pool.get(key) or pool.get(key)
            if connection is not None:
                wanted.user.flow_found(self.sources.join(wanted.agent, connection))
                return
            pending = pool.pending.get(key)
            if pending is None:
                pending = pool.pending[key] = Pending()
                self._spawn(pending.wanted, self._connect(pool, key, target, source))
            pending.wanted.append(wanted)
            pending.others.append(left)
            return
        if refused:
            assert back is not None
            if _can_take(back, wanted):
                # RFC 3261 §26: it gets what it asked for itself, and nobody else does.
                self._take(wanted, back)
                return
            reason = reason or f"{wanted.next_hop.place} may not be named by {back.remote[0]}."
        self._failed(wanted, reason or f"Every target of {wanted.next_hop.host} has failed.")

    def _datagram_flow(self, wanted: FlowWanted, host: str, port: int) -> Flow:
        """Return the flow of datagrams to an address.

        Raises:
            TransportError: No route leads there.
        """
        endpoint, back = wanted.endpoint, wanted.next_hop.back
        remote = (host, port)
        if not isinstance(endpoint, UDPEndpoint) or endpoint.closed:
            endpoint = self.sources.datagrams(wanted.agent, None, host)
        elif back is not None and back.endpoint is endpoint and back.remote[0] == host:
            # From the address that the peer knows us by (RFC 3581 §4).
            return back if back.remote == remote else back.to(remote)
        else:
            flow = endpoint.recent.get(remote)
            if flow is not None:
                return flow
            endpoint = self.sources.datagrams(wanted.agent, endpoint, host)
        return endpoint.flow_to(host, port)

    async def _connect(self, pool: ConnectionPool, key: Key, target: Target, source: str) -> None:
        """Connect to a target, for all who wait for that."""
        connection, reason = None, ""
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
                open_socket=opener(self._loop),
            )
        except TransportError as error:
            self.resolver.mark_down(target)
            reason = str(error)
        except OSError as error:  # of the import: there are no file descriptors left
            reason = f"Cannot connect: {error.strerror}."
        self._owner.run(self._connected, pool, key, target, connection, reason)

    def _connected(
        self,
        pool: ConnectionPool,
        key: Key,
        target: Target,
        connection: Connection | None,
        reason: str,
    ) -> None:
        pending = pool.pending.pop(key)
        if connection is not None and (connection.flow is None or connection.closed):
            self.resolver.mark_down(target)
            reason = f"{target.address} port {target.port} closed the connection."
            connection = None
        if connection is not None:
            self.resolver.mark_up(target)
            connection = pool.keep(key, connection)
        for one, others in zip(pending.wanted, pending.others, strict=True):
            try:
                if connection is None or connection.closed:
                    self._try(one, others, reason)
                else:
                    one.user.flow_found(self.sources.join(one.agent, connection))
            except Exception:
                _log.exception("A flow could not be used.")  # the next one may have it all the same
        pending.wanted.clear()

    def _pool_for(self, wanted: FlowWanted) -> ConnectionPool:
        """Return where a connection is kept that is opened for somebody."""
        return self._pools[isinstance(wanted.user, WaitingResponses)]

    def _take(self, wanted: FlowWanted, flow: Flow) -> None:
        """Give a flow that is there already."""
        carrier = flow.endpoint
        if isinstance(carrier, Connection) and carrier.listener is None:
            self.sources.join(wanted.agent, carrier)
        wanted.user.flow_found(flow)

    def _failed(self, wanted: FlowWanted, reason: str) -> None:
        carrier = wanted.endpoint
        if (
            isinstance(carrier, Connection)
            and carrier.listener is not None
            and carrier.flow is not None
            and _can_take(carrier.flow, wanted)
        ):
            # Who connected to us may not be one to connect to: a phone behind a firewall. A proxy
            # that sent us the dialog goes by the Route of what comes back, if there is one.
            wanted.user.flow_found(carrier.flow)
            return
        wanted.user.flow_failed(reason)

    def _seek_anew(self, target: Target, flow: Flow, waiting: WaitingResponses) -> None:
        """Look for a connection in the place of one that has ended."""
        users = self.listeners.users(flow.listener)
        hop = NextHop(target.address, target.port, target.transport)
        agent: Any = users[0] if users else None
        wanted = FlowWanted(agent, hop, None, waiting)
        self._try(wanted, [target], "")

    def mark_down(self, flow: Flow, retry_after: float | None = None) -> None:
        """Note that what a flow leads to does not answer, or says 503 (RFC 3263 §4.3)."""
        if isinstance(flow.endpoint, UDPEndpoint):
            flow.endpoint.forget(flow.remote)
        elif self._unpool(flow.endpoint):
            # What it carries may still be answered. What is new goes by another one.
            self._loop.call_later(
                self._owner.core.transactions.timing.transaction, flow.endpoint.close
            )
        self.resolver.mark_down(_target_of(flow), retry_after=retry_after)
        self._owner.core.suspect(flow)

    def mark_up(self, flow: Flow) -> None:
        """Note that what a flow leads to answers after all."""
        self.resolver.mark_up(_target_of(flow))

    def connection_closed(self, connection: Any) -> None:
        """Forget a connection that ended."""
        self._unpool(connection)
        self.listeners.connection_closed(connection)

    def _unpool(self, connection: Any) -> bool:
        """Have nothing new go by a connection that we opened; False if it is none of those."""
        return sum(pool.drop(connection) for pool in self._pools) > 0

    # ---------------------------------------------------------------- the end

    def _spawn(self, wanted: list[FlowWanted], work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks[task] = wanted
        task.add_done_callback(self._found_out)

    def _found_out(self, task: asyncio.Task[None]) -> None:
        """See that nobody waits for what a defect of ours has ended."""
        waiting = self._tasks.pop(task, None)
        if waiting is None or task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("A flow could not be found.", exc_info=error)
        for pool in self._pools:
            for key in [key for key, it in pool.pending.items() if it.wanted is waiting]:
                del pool.pending[key]
        for wanted in waiting:
            self._owner.run(self._failed, wanted, f"No flow was found: {error}.")

    def give_up(self, reason: str) -> None:
        """Answer everybody who waits for a flow: there will be none."""
        self.keepalives.stop()
        for waiting in self._stop():
            for wanted in waiting:
                self._failed(wanted, reason)

    def _stop(self) -> list[list[FlowWanted]]:
        """Find nothing out any more; return who waits."""
        tasks, self._tasks = self._tasks, {}
        for pool in self._pools:
            pool.pending.clear()
        for task in tasks:
            task.cancel()
        return list(tasks.values())

    def abandon(self) -> None:
        """Let go of every socket without touching the loop, in a forked child."""
        for endpoint in {*self.endpoints(), *self.listeners.bound.values()}:
            endpoint.abandon()

    def endpoints(self) -> list[Any]:
        """Return every endpoint that somebody uses, and every connection that is kept."""
        kept = [one for pool in self._pools for one in pool.connections.values()]
        return list(dict.fromkeys([*self.listeners.used(), *kept]))

    def connections(self) -> list[Connection]:
        """Return every connection that is there, or was closed and has not ended."""
        found = [*self.endpoints(), *self.listeners.ending]
        for endpoint in self.listeners.bound.values():
            if isinstance(endpoint, StreamListener):
                found += endpoint.connections
        return [one for one in dict.fromkeys(found) if isinstance(one, Connection)]

    def unused(self) -> bool:
        """Whether no agent has an endpoint here."""
        return not self.listeners.used()

    def close(self) -> None:
        """Give everything back; may be called more than once."""
        self._stop()
        self.resolver.abandon()
        for endpoint in {*self.endpoints(), *self.listeners.bound.values()}:
            if isinstance(endpoint, UDPEndpoint):
                endpoint.close()
            else:
                endpoint.abort()  # the loop may not turn for long enough for more
        self.listeners.clear()
        for pool in self._pools:
            pool.clear()


def _target_of(flow: Flow) -> Target:
    host, port = flow.remote[0], flow.remote[1]
    return Target(flow.transport, host, port, host)


def _can_take(flow: Flow, wanted: FlowWanted) -> bool:
    """Whether a flow stands, has not failed the request before, and is as secure as it must be."""
    carrier = flow.endpoint
    if not isinstance(carrier, UDPEndpoint | Connection) or carrier.closed:
        return False
    if (flow.transport, *flow.remote) in wanted.tried:
        return False
    # RFC 3261 §26.2.2, RFC 7118 §6: nothing makes up for a sips: URI.
    return flow.transport in SECURE_TRANSPORTS or not wanted.next_hop.secure


def _goes_to(flow: Flow, wanted: FlowWanted) -> bool:
    """Whether a dialog's connection leads to where its next request goes.

    Another port is another program, such as the user agent behind the proxy that the connection is
    with, on the same machine. A WebSocket client can be reached by its connection alone (RFC 7118
    §5).
    """
    if not _can_take(flow, wanted):
        return False
    if flow.transport in ("WS", "WSS"):
        return True
    hop = wanted.next_hop
    there = hop.place, hop.port or default_port(flow.transport)
    return flow.remote == there and hop.transport in (None, flow.transport)


def _is_beyond_nat(flow: Flow, wanted: FlowWanted) -> bool:
    """Whether a dialog's peer came to us from the Internet, and names an address that is not of it.

    Nothing in our own network is meant by that: what has that address there, if anything, is
    another.
    """
    host = wanted.next_hop.place
    return (
        flow.endpoint.listener is not None
        and _can_take(flow, wanted)
        and numeric_family(host) is not None
        and ipaddress.ip_address(flow.remote[0]).is_global
        and not ipaddress.ip_address(host).is_global
    )
