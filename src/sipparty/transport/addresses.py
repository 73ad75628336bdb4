"""Addresses of this host: families, sockets bound to them, and from which a peer is reached."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import lru_cache

from sipparty.concurrency.host import OpenSocket, open_socket_of_system
from sipparty.errors import ListenError, TransportError

__all__ = [
    "bind_socket",
    "check_source",
    "is_loopback",
    "is_wildcard",
    "leads_to",
    "local_address_to",
    "numeric_family",
]

#: Any port: connecting a datagram socket sends nothing.
_DISCARD = 9


@lru_cache(maxsize=1024)
def numeric_family(host: str) -> socket.AddressFamily | None:
    """Return `AF_INET` or `AF_INET6` for a numeric address, None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return family
    return None


def is_wildcard(host: str) -> bool:
    """Whether an address stands for all of this host's."""
    return host in ("", "0.0.0.0", "::")  # noqa: S104 - nothing is bound here


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this host reaches."""
    return host.startswith("127.") or host == "::1"


@lru_cache(maxsize=4096)
def leads_to(bound: str, host: str) -> bool:
    """Whether a peer is reached from what a socket is bound to, as far as the addresses say."""
    family = numeric_family(bound)
    if family is None or family != numeric_family(host):
        return False
    return is_wildcard(bound) or is_loopback(bound) == is_loopback(host)


def local_address_to(host: str, open_socket: OpenSocket = open_socket_of_system) -> str:
    """Return the address that this host sends from to reach a numeric address; `open_socket` is
    as `opener` gives it.

    Raises:
        TransportError: No route leads there.
    """
    family = numeric_family(host)
    if family is None:
        raise TransportError(f"{host!r} is not a numeric address.")
    try:
        with open_socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, _DISCARD))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise TransportError(f"No route leads to {host}: {error.strerror}.") from error


def bind_socket(
    kind: socket.SocketKind,
    host: str,
    port: int,
    prepare: Callable[[socket.socket], object],
    backlog: int = 0,
    open_socket: OpenSocket = open_socket_of_system,
) -> socket.socket:
    """Return a non-blocking socket that is bound to a numeric address, and of a stream listens.

    Args:
        kind: Of datagrams or of streams.
        host: The address; "0.0.0.0" or "::" for all of them.
        port: The port; 0 for any free one.
        prepare: Called with the socket before it is bound.
        backlog: Connections that may wait to be accepted.
        open_socket: As `opener` gives it.

    Raises:
        ListenError: The address is not one of ours, the port is taken, or the system has no socket.
    """
    where = f"{'UDP' if kind is socket.SOCK_DGRAM else 'TCP'} {host}"
    family = numeric_family(host)
    if family is None:
        raise ListenError(f"Cannot listen on {host!r}: expected a numeric address.")
    sock = None
    try:
        sock = open_socket(family, kind)
        where += f" port {port}"
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        prepare(sock)
        sock.bind((host, port))
        if kind is socket.SOCK_STREAM:
            sock.listen(backlog)
    except (OSError, OverflowError) as error:
        if sock is not None:
            sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(f"Cannot listen on {where}: {reason}.") from error
    return sock


def check_source(source: str, host: str, open_socket: OpenSocket = open_socket_of_system) -> None:
    """Check that a peer can be sent to from an address.

    Args:
        source: The numeric address to send from.
        host: The peer's, numeric too.
        open_socket: As `opener` gives it.

    Raises:
        TransportError: They are of different families, or the source is no address of this host.
    """
    family = numeric_family(source)
    if family is None or family != numeric_family(host):
        raise TransportError(
            f"Cannot send from {source} to {host}: they are of different families."
        )
    try:
        with open_socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((source, 0))
    except OSError as error:
        raise TransportError(f"Cannot send from {source}: {error.strerror}.") from error
