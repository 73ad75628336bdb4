"""Where bytes come from and go to.

A *flow* (RFC 5626 §1) is the path between this host and a peer: the transport, our address, theirs,
and the endpoint (socket or connection) that carries it. The protocol never looks into the endpoint;
it hands the flow back with the bytes it wants sent.

Laws:

* A flow has an identity. It is its endpoint's, which gives the same one for the same addresses as
  long as anybody holds it: so it can be a key, and compared by `is`.
* It has our address as this host has it. What is advertised in its place is up to who sends
  (`UserAgent.address_on`).
* Who depends on it says so, and is notified of its loss: transactions, keep-alives, whoever else.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakValueDictionary

from sipparty.sip.transports import RELIABLE_TRANSPORTS

__all__ = ["KEEP_ALIVES", "Address", "Dependent", "Flow", "FlowTable", "host_port"]

#: What keeps a flow open and is no message (RFC 5626 §3.5.1, and what is sent in its place).
KEEP_ALIVES = frozenset((b"\r\n\r\n", b"\r\n", b"\n\n", b"\n", b"\0", b"\0\0\0\0"))

#: An IP address as text, without brackets, and a port.
Address = tuple[str, int]


class Dependent(Protocol):
    """Who depends on a flow."""

    def flow_lost(self, flow: Flow, reason: str, /) -> object:
        """Take note that nothing can be sent by a flow; `reason` is a clause in lower case."""


class Flow:
    """The path between us and a peer.

    Args:
        transport: The transport as a Via header spells it: "UDP", "TCP", "TLS", "WS", "WSS".
        local: Our address, as this host has it: never a wildcard where that can be known.
        remote: The peer's address.
        endpoint: What carries it, for the transport layer alone; any hashable.
        listener: The endpoint whose user agents requests that come by this flow are for, such as
            what accepted the connection; by default `endpoint`.
        table: What it is one of; None for one that stands alone.

    Attributes:
        reliable: Whether the transport retransmits by itself.
        dependents: Who is notified of its loss, in the order in which they came.
        control: The endpoint's own, for sending by it.
    """

    __slots__ = (
        *("__weakref__", "control", "dependents", "endpoint", "listener", "local", "reliable"),
        *("remote", "table", "transport"),
    )

    def __init__(
        self,
        transport: str,
        local: Address,
        remote: Address,
        endpoint: Any = None,
        listener: Any = None,
        table: FlowTable | None = None,
    ) -> None:
        self.transport = transport
        self.local = local
        self.remote = remote
        self.endpoint = endpoint
        self.listener = endpoint if listener is None else listener
        self.table = table
        self.reliable = transport in RELIABLE_TRANSPORTS
        self.dependents: dict[Dependent, None] = {}
        self.control: Any = None

    def __repr__(self) -> str:
        return f"<{self.transport} flow {host_port(*self.local)} -> {host_port(*self.remote)}>"

    @property
    def token(self) -> str:
        """What identifies it among all of this host, as text: the transport and both addresses.
        It may be guessed: who gives it away signs it (RFC 5626 §5.2).
        """
        return f"{self.transport} {host_port(*self.local)} {host_port(*self.remote)}"

    @property
    def closed(self) -> bool:
        """Whether its endpoint is closed: nothing can be sent by it any more."""
        return bool(getattr(self.endpoint, "closed", False))

    def on_lost(self, dependent: Dependent) -> None:
        """Have somebody notified of its loss, until `forget`; a connection's comes once, and a
        failure to send datagrams as often as it happens.
        """
        self.dependents[dependent] = None

    def forget(self, dependent: Dependent) -> None:
        """Undo `on_lost`; may be called more than once."""
        self.dependents.pop(dependent, None)

    def fail(self, reason: str) -> None:
        """Have whoever depends on it know that it cannot be sent by. What one of them raises is
        raised after all have heard.

        Args:
            reason: Why, as a clause in lower case.
        """
        error: Exception | None = None
        for dependent in list(self.dependents):
            try:
                dependent.flow_lost(self, reason)
            except Exception as raised:
                error = error or raised
        if error is not None:
            raise error

    def to(self, remote: Address) -> Flow:
        """Return the flow from the same address of ours to another peer."""
        if self.table is not None:
            return self.table.flow(self.local, remote)
        return Flow(self.transport, self.local, remote, self.endpoint, self.listener)


class FlowTable:
    """The flows of a datagram socket: one for each pair of addresses.

    Args:
        transport: As `Flow` has it.
        endpoint: Alike.
        listener: Alike.
    """

    __slots__ = ("_endpoint", "_flows", "_listener", "_transport")

    def __init__(self, transport: str, endpoint: Any = None, listener: Any = None) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._listener = listener
        self._flows: WeakValueDictionary[tuple[Address, Address], Flow] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._flows)

    def flow(self, local: Address, remote: Address) -> Flow:
        """Return the flow between two addresses: the one that somebody holds, or a new one."""
        flow = self._flows.get((local, remote))
        if flow is None:
            flow = Flow(self._transport, local, remote, self._endpoint, self._listener, self)
            self._flows[local, remote] = flow
        return flow

    def known(self, local: Address, remote: Address) -> Flow | None:
        """Return the flow between two addresses that somebody holds; None where nobody does."""
        return self._flows.get((local, remote))


def host_port(host: str, port: int | None) -> str:
    """Write a host and a port as SIP does: IPv6 in brackets, no colon without a port (RFC 3261
    §25.1 `hostport`).
    """
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host}:{port}"
