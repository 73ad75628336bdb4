"""The sockets of a scenario: what it sends goes out as it is, and what comes is handed on.

They are the library's endpoints (`sipparty.transport`), on an engine's loop and seen by its wire.
No core is above them: a scenario has no transactions and no dialogs but those that it writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipparty.concurrency.host import opener
from sipparty.errors import ParseError, TransportError
from sipparty.sip.flow import Address, Flow
from sipparty.sip.limits import Limits
from sipparty.sip.routing import NextHop
from sipparty.transport.addresses import local_address_to, numeric_family
from sipparty.transport.connecting import connect
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener, bind_tcp
from sipparty.transport.targets import Target
from sipparty.transport.udp import UDPEndpoint, bind_udp

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine

__all__ = ["Exchange"]

_log = logging.getLogger(__name__)


class Exchange:
    """Sends and receives for a scenario (`sipparty.transport.endpoint.EndpointOwner`).

    Args:
        engine: The engine whose loop and wire it uses.
        take: Called with each message that came, and the flow it came by.
        lost: Called with a flow that cannot be sent by any more, and the reason, in lower case.

    Attributes:
        flow: The flow to the target; None where calls are waited for.
        address: The address that it is reached at.
        malformed: How many messages came that are none.
    """

    def __init__(
        self,
        engine: Engine,
        take: Callable[[bytes, Flow], None],
        lost: Callable[[Flow, str], None],
    ) -> None:
        self._engine = engine
        self._loop = engine.loop
        self._take = take
        self._lost = lost
        self._endpoint: UDPEndpoint | StreamListener | Connection | None = None
        self.wire = engine.wire
        self.chance = engine.chance
        self.flow: Flow | None = None
        self.address: Address = ("", 0)
        self.malformed = 0

    # ---------------------------------------------------------------- the beginning and the end

    async def open(self, transport: str, local: Address, remote: Address | None) -> None:
        """Bind, and connect where somebody is called by TCP.

        Args:
            transport: "UDP" or "TCP".
            local: The address to be at; "" and 0 for what leads to the other side, and a free port.
            remote: Name or address of who is called, and the port; None to wait for calls.

        Raises:
            ListenError: The address cannot be had.
            TransportError: The other side cannot be reached.
        """
        place = None if remote is None else await self._find(transport, remote)
        host = local[0]
        if not host and place is None:
            host = self._engine.own_address(False)
        elif not host and place is not None:
            host = local_address_to(place[0], opener(self._loop))
        if transport == "UDP":
            sock = bind_udp(host, local[1], opener(self._loop))
            endpoint = self._endpoint = UDPEndpoint(self._loop, self, sock)
            self.address = endpoint.address
            if place is not None:
                self.flow = endpoint.flow_to(*place)
        elif place is None:
            limits = self._engine.core.limits
            listener = self._endpoint = StreamListener(
                self._loop,
                self,
                bind_tcp(host, local[1], open_socket=opener(self._loop)),
                transport,
                lambda listener: Connection(self, transport, listener=listener, limits=limits),
                max_connections=limits.max_connections,
            )
            self.address = listener.address
        else:
            self._endpoint = connection = await connect(
                self,
                Target(transport, place[0], place[1], place[0]),
                local_address=(host, local[1]),
                limits=Limits(),
                open_socket=opener(self._loop),
            )
            self.flow, self.address = connection.flow, connection.address

    async def _find(self, transport: str, remote: Address) -> Address:
        host, port = remote
        if numeric_family(host) is not None:
            return host, port
        found = await self._engine.hub.resolver.resolve(NextHop(host, port, transport))
        if not found:
            raise TransportError(f"{host} has no address.")
        return found[0].address, found[0].port

    def flow_to(self, host: str, port: int) -> Flow:
        """Return the flow of datagrams to another address.

        Raises:
            TransportError: It is no numeric address, no route leads there, or no datagrams are
                sent.
        """
        if not isinstance(self._endpoint, UDPEndpoint):
            raise TransportError("setdest is for UDP: a connection leads to one place.")
        if numeric_family(host) is None:
            raise TransportError(f"{host[:60]!r} is no numeric address: give one to setdest.")
        return self._endpoint.flow_to(host, port)

    def close(self) -> None:
        """Give the sockets back; may be called more than once."""
        endpoint, self._endpoint = self._endpoint, None
        if isinstance(endpoint, UDPEndpoint):
            endpoint.close()
        elif endpoint is not None:
            endpoint.abort()

    # ---------------------------------------------------------------- messages

    def count(self, name: str) -> None:
        """Count a message among those of the engine."""
        self._engine.core.counters[name] += 1

    def count_again(self, *, sent: bool) -> None:
        """Count a message that was sent, or has come, again."""
        transactions = self._engine.core.transactions
        transactions.retransmitted += sent
        transactions.repetitions += not sent

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message as it is."""
        if flow.endpoint.closed:
            return
        self.count("sent")
        if self.wire.watched():
            self.wire.sent(data, flow.local, flow.remote, flow.transport, self.wire.clock())
        flow.endpoint.send(data, flow)

    def messages_received(self, batch: Iterable[tuple[bytes, Flow]]) -> None:
        """Take messages; called by endpoints."""
        for data, flow in batch:
            self.count("received")
            try:
                self._take(data, flow)
            except Exception:
                # A defect of ours; the other messages are taken all the same.
                _log.exception("A message from %s port %s failed.", *flow.remote)

    def malformed_received(self, head: bytes, flow: Flow, error: ParseError) -> None:
        """Count what is no message; called by endpoints."""
        self.malformed += 1

    def stun_received(self, data: bytes, flow: Flow) -> None:
        """Drop what is no SIP; called by endpoints."""

    def pong_received(self, flow: Flow) -> None:
        """Nothing is waited for; called by endpoints."""

    def hold(self, host: str, size: int) -> bool:
        """Let a connection keep what it has; called by endpoints."""
        return True

    def send_failed(self, flow: Flow, reason: str) -> None:
        """End the calls of a flow; called by endpoints."""
        self._lost(flow, reason)

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """End the calls of a connection; called by endpoints."""
        self._lost(flow, reason)
