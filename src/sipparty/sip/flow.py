"""Where bytes come from and go to.

A *flow* (RFC 5626 §1) names one way between this host and a peer: the transport, our address,
theirs, and the endpoint (socket or connection) that carries it. The protocol never looks into the
endpoint; it hands the flow back with the bytes it wants sent. A flow is a value: two that are equal
are the same way, so one can be a key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["RELIABLE_TRANSPORTS", "SECURE_TRANSPORTS", "Address", "Flow", "host_port"]

#: An IP address as text, without brackets, and a port.
Address = tuple[str, int]

#: Transports that deliver or say that they did not (RFC 3261 §17): no retransmission is needed over
#: them.
RELIABLE_TRANSPORTS = frozenset({"TCP", "TLS", "WS", "WSS", "SCTP", "TLS-SCTP"})

#: Transports that a `sips:` URI may travel by (RFC 3261 §26.2.2, RFC 7118 §6).
SECURE_TRANSPORTS = frozenset({"TLS", "WSS", "TLS-SCTP"})


class Flow(NamedTuple):
    """One way between us and a peer.

    Args:
        transport: The transport as a Via header spells it: "UDP", "TCP", "TLS", "WS", "WSS".
        local: Our address, one that the peer can send to where that is known, never a wildcard.
        remote: The peer's address.
        endpoint: What carries it, for the transport layer alone; any hashable.
        listener: The endpoint whose user agents requests that come by this flow are for, such as
            what accepted the connection; `endpoint` itself where None.
    """

    transport: str
    local: Address
    remote: Address
    endpoint: Any = None
    listener: Any = None

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
