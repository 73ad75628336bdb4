"""The hub: every endpoint of an engine, who uses which, and the way from a next hop to a flow.

Laws:

* A flow to a next hop is looked for in this order: the flow that was asked for; the connection that
  the dialog has, where it leads there; the targets of RFC 3263, those known to be down last, each
  by a connection that is open or by a new one; the connection that the dialog's peer has opened, as
  nothing else leads to a phone behind a NAT, whatever its Contact says.
* What a peer names, and may not (`Policy.named_targets`), is sent by the way that the peer came.
* A target that cannot be reached is remembered as down, until it answers; the next one is tried at
  once. There is one attempt at a time to connect to it, for all who want to.
* A request that is too large for UDP goes by TCP; if nobody takes it there, by UDP after all
  (RFC 3261 §18.1.1).
* Every question is answered once, by `core.flow_found` or `core.flow_failed`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import replace
from typing import Any, cast

from sipparty.errors import TransportError
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.flow import Flow
from sipparty.sip.routing import NextHop
from sipparty.sip.transports import SECURE_TRANSPORTS, SUPPORTED, default_port
from sipparty.transport.addresses import numeric_family
from sipparty.transport.keepalives import KeepAlives
from sipparty.transport.listeners import HubOwner, Listening
from sipparty.transport.resolver import Resolver
from sipparty.transport.response_fallback import ResponseFallback, WaitingResponses
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.source_selection import SourceSelection
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener
from sipparty.transport.targets import Destination, Target
from sipparty.transport.tls import TLSConfig
from sipparty.transport.udp import UDPEndpoint

__all__ = ["Hub"]

_log = logging.getLogger(__name__)

#: What a connection that we opened is known by: transport, address, port, name and source.
_Key = tuple[str, str, int, str, str]


class _Pending:
    """A connection that is being made: who waits for it, and where else each of them may go."""

    __slots__ = ("others", "wanted")

    def __init__(self) -> None:
        self.wanted: list[FlowWanted] = []
        self.others: list[list[Target]] = []


class Hub(SourceSelection):
    """The endpoints of an engine; used on its loop's thread alone.

    Args:
        loop: The engine's loop.
        owner: The engine.
        resolver: What finds the targets of a name.
        tls: Certificates for TLS and WSS; None for the system's authorities and none of our own.
        websocket: What WebSockets are served and opened with; None for the defaults.

    Attributes:
        keepalives: The flows that are kept open.
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
        super().__init__(loop, owner, tls or TLSConfig(), websocket or WebSocketConfig())
        self.resolver = resolver or Resolver(transports=SUPPORTED)
        self.keepalives = KeepAlives(owner.core, self.mark_down)
        self._pool: dict[_Key, Connection] = {}
        #: The connections that are being made, by where they will be kept.
        self._connecting: dict[tuple[bool, _Key], _Pending] = {}
        #: What is being found out, and for whom.
        self._tasks: dict[asyncio.Task[None], list[FlowWanted]] = {}
        #: Responses whose connection has ended.
        self.response_fallback = ResponseFallback(self._seek_anew, owner.transmit)

    def leave(self, agent: UserAgent, *, later: bool = False) -> None:
        """Have an agent receive nowhere any more, at once or after its last dialog; its flows are
        kept open no longer.
        """
        self.keepalives.stop(agent)
        super().leave(agent, later=later)

    # ---------------------------------------------------------------- flows

    def find(self, wanted: FlowWanted) -> None:
        """Answer a `FlowWanted`, now or later."""
        hop = wanted.next_hop
        carrier = wanted.endpoint
        if isinstance(carrier, Flow):
            # This one was asked for, wherever the next hop is.
            if _can_take(carrier, wanted):
                self._take(wanted, carrier)
                return
            carrier = carrier.endpoint
            wanted = replace(wanted, endpoint=carrier)
        if isinstance(carrier, Connection) and (
            _goes_to(carrier, wanted) or _is_beyond_nat(carrier, wanted)
        ):
            assert carrier.flow is not None
            self._take(wanted, carrier.flow)
            return
        if (
            hop.is_numeric
            and hop.transport in (None, "UDP")
            and not (hop.secure or wanted.reliable)
        ):
            # Nothing to find out: the case of nearly every request inside a dialog.
            self._try(wanted, [Target("UDP", hop.place, hop.port or 5060, hop.host)], "")
        else:
            self._spawn([wanted], self._resolve(wanted))

    async def _resolve(self, wanted: FlowWanted) -> None:
        hop = wanted.next_hop
        destination = Destination(hop.host, hop.port, hop.transport, hop.secure, hop.maddr)
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
        back, refused = wanted.next_hop.back, False
        for at, target in enumerate(targets):
            where = (target.transport, target.address, target.port)
            if where in wanted.tried:
                continue
            if (
                back is not None
                and target.address != back.remote[0]
                and not self._may(target, back)
            ):
                refused = True
                continue
            try:
                if target.transport == "UDP":
                    endpoint = self._datagrams(wanted.agent, wanted.endpoint, target.address)
                    if (
                        back is not None
                        and back.endpoint is endpoint
                        and (target.address == back.remote[0])
                    ):
                        # From the address that the peer knows us by (RFC 3581 §4).
                        flow = back._replace(remote=(target.address, target.port))
                    else:
                        flow = endpoint.flow_to(target.address, target.port)
                    self._found(wanted, self._advertised(wanted.agent, flow))
                    return
                source = self._source(wanted.agent, target)
            except TransportError as error:
                reason = reason or str(error)
                continue
            key = _key(target, source)
            for pool in (self._pool, self._pool_for(wanted)):
                connection = pool.get(key)
                if connection is not None and not connection.closed and connection.flow is not None:
                    self._found(wanted, self._joined(wanted.agent, connection))
                    return
            place = (self._pool_for(wanted) is self._pool, key)
            pending = self._connecting.get(place)
            if pending is None:
                pending = self._connecting[place] = _Pending()
                self._spawn(pending.wanted, self._connect(wanted, target, source))
            pending.wanted.append(wanted)
            pending.others.append(targets[at + 1 :])
            return
        if refused:
            assert back is not None
            if _can_take(back, wanted):
                # RFC 3261 §26: it gets what it asked for itself, and nobody else does.
                self._take(wanted, back)
                return
            reason = reason or f"{wanted.next_hop.place} may not be named by {back.remote[0]}."
        self._failed(wanted, reason or f"Every target of {wanted.next_hop.host} has failed.")

    def _may(self, target: Target, back: Flow) -> bool:
        """Whether a peer may have us send somewhere else than to itself."""
        return self._owner.core.policy.named_targets(target.address, back.remote[0])

    async def _connect(self, wanted: FlowWanted, target: Target, source: str) -> None:
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
            )
        except TransportError as error:
            self.resolver.mark_down(target)
            reason = str(error)
        except OSError as error:  # of the import: there are no file descriptors left
            reason = f"Cannot connect: {error.strerror}."
        self._owner.run(self._connected, wanted, target, connection, reason, source)

    def _connected(
        self,
        wanted: FlowWanted,
        target: Target,
        connection: Connection | None,
        reason: str,
        source: str,
    ) -> None:
        pool, key = self._pool_for(wanted), _key(target, source)
        pending = self._connecting.pop((pool is self._pool, key))
        if connection is not None and (connection.flow is None or connection.closed):
            self.resolver.mark_down(target)
            reason = f"{target.address} port {target.port} closed the connection."
            connection = None
        if connection is not None:
            self.resolver.mark_up(target)
            connection = self._pooled(pool, key, connection)
        for one, others in zip(pending.wanted, pending.others, strict=True):
            try:
                if connection is None or connection.closed:
                    self._try(one, others, reason)
                else:
                    self._found(one, self._joined(one.agent, connection))
            except Exception:
                _log.exception("A flow could not be used.")  # the next one may have it all the same
        pending.wanted.clear()

    def _pooled(
        self, pool: dict[_Key, Connection], key: _Key, connection: Connection
    ) -> Connection:
        """Keep a connection for what goes to the same place; return the one that is kept."""
        most = self.MAX_POOL if pool is self._pool else self.response_fallback.MAX_CONNECTIONS
        other = pool.get(key)
        if other is not None and not other.closed:
            # Another call was faster: one connection will do (RFC 5923).
            connection.close()
            connection = other
        else:
            kept = [one for one in pool.values() if not one.closed]
            if len(kept) >= most:
                min(kept, key=lambda one: one.last_used).close()
            pool[key] = connection
        return connection

    def _pool_for(self, wanted: FlowWanted) -> dict[_Key, Connection]:
        """Return where a connection is kept that is opened for somebody."""
        return (
            self.response_fallback.pool if isinstance(wanted.user, WaitingResponses) else self._pool
        )

    def _found(self, wanted: FlowWanted, flow: Flow) -> None:
        self._owner.core.flow_found(wanted, flow, self._loop.time())

    def _take(self, wanted: FlowWanted, flow: Flow) -> None:
        """Give a flow that is there already; a connection of ours tells where the agent listens."""
        carrier = flow.endpoint
        if isinstance(carrier, Connection) and carrier.listener is None:
            flow = self._joined(wanted.agent, carrier)
        self._found(wanted, flow)

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
        self.response_fallback.send(data, flow)

    def _seek_anew(self, target: Target, flow: Flow, waiting: WaitingResponses) -> None:
        """Look for a connection in the place of one that has ended."""
        users = self._users.get(flow.endpoint if flow.listener is None else flow.listener)
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
        host, port = flow.remote[0], flow.remote[1]
        self.resolver.mark_down(Target(flow.transport, host, port, host), retry_after=retry_after)
        self._owner.core.suspect(flow)

    def mark_up(self, flow: Flow) -> None:
        """Note that what a flow leads to answers after all."""
        host, port = flow.remote[0], flow.remote[1]
        self.resolver.mark_up(Target(flow.transport, host, port, host))

    def connection_closed(self, connection: Any) -> None:
        """Forget a connection that ended."""
        self._unpool(connection)
        for agent in self._users.pop(connection, ()):
            self._owner.core.directory.unbind(agent, connection)

    def _unpool(self, connection: Any) -> bool:
        """Have nothing new go by a connection that we opened; False if it is none of those."""
        found = False
        for pool in (self._pool, self.response_fallback.pool):
            for key in [key for key, kept in pool.items() if kept is connection]:
                del pool[key]
                found = True
        return found

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
        for place in [one for one, it in self._connecting.items() if it.wanted is waiting]:
            del self._connecting[place]
        for wanted in waiting:
            self._owner.run(self._failed, wanted, f"No flow was found: {error}.")

    def give_up(self, reason: str) -> None:
        """Tell everybody who waits for a flow that there will be none."""
        self.keepalives.stop()
        tasks, self._tasks = self._tasks, {}
        self._connecting.clear()
        for task, waiting in tasks.items():
            task.cancel()
            for wanted in waiting:
                self._failed(wanted, reason)

    def abandon(self) -> None:
        """Let go of every socket without touching the loop, in a forked child."""
        for endpoint in {*self.endpoints(), *self._listening.values()}:
            endpoint.abandon()

    def endpoints(self) -> list[Any]:
        """Return every endpoint that somebody uses, and every connection that is kept."""
        return list(
            dict.fromkeys(
                [*self._users, *self._pool.values(), *self.response_fallback.pool.values()]
            )
        )

    def connections(self) -> list[Connection]:
        """Return every connection that is there, or was closed and has not ended."""
        found = [*self.endpoints(), *self._ending]
        for endpoint in self._listening.values():
            if isinstance(endpoint, StreamListener):
                found += endpoint.connections
        return [one for one in dict.fromkeys(found) if isinstance(one, Connection)]

    def close(self) -> None:
        """Give everything back; may be called more than once."""
        for task in list(self._tasks):
            task.cancel()
        self._tasks.clear()
        self._connecting.clear()
        self.resolver.abandon()
        for endpoint in {*self.endpoints(), *self._listening.values()}:
            if isinstance(endpoint, UDPEndpoint):
                endpoint.close()
            else:
                endpoint.abort()  # the loop may not turn for long enough for more
        self._users.clear()
        self._pool.clear()
        self.response_fallback.clear()
        self._listening.clear()
        self.leaving.clear()


def _key(target: Target, source: str) -> _Key:
    """Return what a connection is known by: where it leads, under which name, and from where. By
    TCP there is no name: nobody proves one, and nobody is told of one.
    """
    name = "" if target.transport == "TCP" else target.server_name
    return target.transport, target.address, target.port, name, source


def _can_take(flow: Flow, wanted: FlowWanted) -> bool:
    """Whether a flow stands, has not failed the request before, and is as secure as it must be."""
    carrier = flow.endpoint
    if not isinstance(carrier, UDPEndpoint | Connection) or carrier.closed:
        return False
    if (flow.transport, *flow.remote) in wanted.tried:
        return False
    # RFC 3261 §26.2.2, RFC 7118 §6: nothing makes up for a sips: URI.
    return flow.transport in SECURE_TRANSPORTS or not wanted.next_hop.secure


def _goes_to(connection: Connection, wanted: FlowWanted) -> bool:
    """Whether a dialog's connection leads to where its next request goes.

    Another port is another program, such as the user agent behind the proxy that the connection is
    with, on the same machine. A WebSocket client can be reached by its connection alone (RFC 7118
    §5).
    """
    flow, hop = connection.flow, wanted.next_hop
    if flow is None or not _can_take(flow, wanted):
        return False
    if flow.transport in ("WS", "WSS"):
        return True
    there = hop.place, hop.port or default_port(flow.transport)
    return flow.remote == there and hop.transport in (None, flow.transport)


def _is_beyond_nat(connection: Connection, wanted: FlowWanted) -> bool:
    """Whether a dialog's peer came to us from the Internet, and names an address that is not of it.

    Nothing in our own network is meant by that: what has that address there, if anything, is
    another.
    """
    flow, host = connection.flow, wanted.next_hop.place
    return (
        connection.listener is not None
        and flow is not None
        and _can_take(flow, wanted)
        and numeric_family(host) is not None
        and ipaddress.ip_address(flow.remote[0]).is_global
        and not ipaddress.ip_address(host).is_global
    )
