"""Where bytes come from and go to.

A *flow* (RFC 5626 §1) names one way between this host and a peer: the transport, our address,
theirs, and the endpoint (socket or connection) that carries it. The protocol never looks into the
endpoint; it hands the flow back with the bytes it wants sent. A flow is a value: two that are equal
are the same way, so one can be a key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sipparty.sip.transports import RELIABLE_TRANSPORTS

__all__ = [
    "KEEP_ALIVES",
    "Address",
    "Flow",
    "host_port",
]

#: What keeps a flow open and is no message (RFC 5626 §3.5.1, and what is sent in its place).
KEEP_ALIVES = frozenset((b"\r\n\r\n", b"\r\n", b"\n\n", b"\n", b"\0", b"\0\0\0\0"))

#: An IP address as text, without brackets, and a port.
Address = tuple[str, int]


class Flow(NamedTuple):
    """One way between us and a peer.

    Args:
        transport: The transport as a Via header spells it: "UDP", "TCP", "TLS", "WS", "WSS".
        local: Our address as peers are told it, in Via and Contact: one that they can send to where
            that is known, never a wildcard.
        remote: The peer's address.
        endpoint: What carries it, for the transport layer alone; any hashable.
        listener: The endpoint whose user agents requests that come by this flow are for, such as
            what accepted the connection; `endpoint` itself where None.
        bound: Our address as this host has it, where peers are told another (a NAT is in between,
            or a connection is told by the port that we listen on); None where it is `local`.
    """

    transport: str
    local: Address
    remote: Address
    endpoint: Any = None
    listener: Any = None
    bound: Address | None = None

    @property
    def own(self) -> Address:
        """Our address as this host has it: what media binds to, and what a trace shows."""
        return self.local if self.bound is None else self.bound

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself."""
        return self.transport in RELIABLE_TRANSPORTS


def host_port(host: str, port: int | None) -> str:
    """Write a host and a port as SIP does: IPv6 in brackets, no colon without a port (RFC 3261
    §25.1 `hostport`).
    """
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host}:{port}"
