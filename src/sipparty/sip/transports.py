"""The table of transports: names, default ports, and what each of them does for a message."""

from __future__ import annotations

from typing import NamedTuple

from sipparty.errors import UsageError

__all__ = [
    "RELIABLE_TRANSPORTS",
    "SECURE_TRANSPORTS",
    "SUPPORTED",
    "TRANSPORTS",
    "TransportRow",
    "default_port",
    "standard_port",
]


class TransportRow(NamedTuple):
    """A row of the table of transports.

    Args:
        service: The NAPTR service (RFC 3263 §4.1, RFC 4168, RFC 7118 §10.2).
        prefix: What stands before the domain in an SRV name (RFC 3263 §4.2).
        port: The default port (RFC 3261 §19.1.2, RFC 7118 §5.5).
        secure: The transport that takes its place for `sips:`; itself where it is secure, None
        where there is none.
        reliable: Whether it delivers messages of any size, or says that it did not (RFC 3261 §17,
        §18.1.1).
    """

    service: str
    prefix: str
    port: int
    secure: str | None
    reliable: bool


#: The transports by name, as a Via header spells them.
TRANSPORTS: dict[str, TransportRow] = {
    "UDP": TransportRow("SIP+D2U", "_sip._udp", 5060, None, False),
    "TCP": TransportRow("SIP+D2T", "_sip._tcp", 5060, "TLS", True),
    "TLS": TransportRow("SIPS+D2T", "_sips._tcp", 5061, "TLS", True),
    "SCTP": TransportRow("SIP+D2S", "_sip._sctp", 5060, "TLS-SCTP", True),
    "TLS-SCTP": TransportRow("SIPS+D2S", "_sips._sctp", 5061, "TLS-SCTP", True),
    "WS": TransportRow("SIP+D2W", "_sip._ws", 80, "WSS", True),
    "WSS": TransportRow("SIPS+D2W", "_sips._ws", 443, "WSS", True),
}

#: Transports over which no retransmission is needed (RFC 3261 §17).
RELIABLE_TRANSPORTS = frozenset(name for name, row in TRANSPORTS.items() if row.reliable)

#: Transports that a `sips:` URI may travel by (RFC 3261 §26.2.2, RFC 7118 §6).
SECURE_TRANSPORTS = frozenset(name for name, row in TRANSPORTS.items() if row.secure == name)

#: The transports that there are endpoints for; the DNS may name more.
SUPPORTED = ("UDP", "TCP", "TLS", "WS", "WSS")

_PORTS = {name: row.port for name, row in TRANSPORTS.items()}


def default_port(transport: str) -> int:
    """Return the port that stands where none is written; 5060 for a transport that is unknown."""
    return _PORTS.get(transport, 5060)


def standard_port(transport: str) -> int:
    """Return the port that a transport is listened on by default.

    Args:
        transport: One of `SUPPORTED`, in any case of letters.

    Raises:
        UsageError: There is no such transport.
    """
    name = transport.upper()
    if name not in SUPPORTED:
        raise UsageError(f"There is no transport {transport!r}: there are {', '.join(SUPPORTED)}.")
    return _PORTS[name]
