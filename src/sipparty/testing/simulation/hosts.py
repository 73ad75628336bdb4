"""Hosts of a simulated network, and the NATs that they are behind."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sipparty.testing.simulation.loop import TurnsOfLoop, VirtualLoop
from sipparty.testing.simulation.sockets import SimulatedSocket
from sipparty.transport.addresses import is_loopback, is_wildcard, numeric_family

if TYPE_CHECKING:
    from sipparty.testing.simulation.network import VirtualNetwork

__all__ = ["NAT", "Host", "HostLoop", "NATKind"]

_Address = tuple[Any, ...]
#: Who may answer through a NAT; see there.
NATKind: TypeAlias = Literal["full-cone", "restricted", "port-restricted", "symmetric"]

#: The ports that are given to who asks for any.
_EPHEMERAL: Final = range(32768, 61000)


class Host:
    """A host of a simulated network; made by `VirtualNetwork.host`.

    Attributes:
        addresses: Its numeric addresses.
        nat: The NAT that it is behind; None for none.
    """

    def __init__(self, network: VirtualNetwork, addresses: Sequence[str], nat: NAT | None) -> None:
        self.network = network
        self.addresses = tuple(addresses)
        self.nat = nat
        self.loop = HostLoop(network.loop, self)
        self._bound: dict[tuple[int, str, int], SimulatedSocket] = {}
        self._next = _EPHEMERAL.start

    @property
    def name(self) -> str:
        """Its first address."""
        return self.addresses[0]

    def open_socket(self, family: int, kind: int) -> SimulatedSocket:
        """Open a socket."""
        return SimulatedSocket(self, family, kind)

    def has(self, address: str) -> bool:
        """Whether an address is one of its own."""
        return address in self.addresses or is_loopback(address)

    def beside(self, address: str) -> bool:
        """Whether an address is on the same side of its NAT."""
        return any(address in one.addresses for one in self.network.hosts if one.nat is self.nat)

    def address_to(self, host: str, family: int) -> str:
        """The address that it sends to another from.

        Raises:
            OSError: It has none of the family.
        """
        if is_loopback(host):
            return host
        for address in self.addresses:
            if numeric_family(address) == family:
                return address
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    def take_port(self, taker: SimulatedSocket, address: str, port: int) -> _Address:
        """Bind a socket.

        Raises:
            OSError: The address is not one of its own, or the port is taken.
        """
        if not (is_wildcard(address) or self.has(address)):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        self.give_back_port(taker)
        if not port:
            port = self._free_port(taker.type, address)
        elif self._is_taken(taker.type, address, port):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._bound[taker.type, address, port] = taker
        return (address, port) if taker.family == socket.AF_INET else (address, port, 0, 0)

    def _is_taken(self, kind: int, address: str, port: int) -> bool:
        family = numeric_family(address)
        return any(
            key[0] == kind
            and key[2] == port
            and numeric_family(key[1]) == family
            and (key[1] == address or is_wildcard(key[1]) or is_wildcard(address))
            and (other.type == socket.SOCK_DGRAM or other.listening or other.other is None)
            for key, other in self._bound.items()
        )

    def _free_port(self, kind: int, address: str) -> int:
        for _ in _EPHEMERAL:
            port = self._next
            self._next = port + 1 if port + 1 in _EPHEMERAL else _EPHEMERAL.start
            if not any(key[0] == kind and key[2] == port for key in self._bound):
                return port
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    def give_back_port(self, taker: SimulatedSocket) -> None:
        """Unbind a socket."""
        for key in [key for key, other in self._bound.items() if other is taker]:
            del self._bound[key]

    def bound(self, kind: int, address: _Address) -> SimulatedSocket | None:
        """The socket that receives at an address of its own."""
        host, port = address[:2]
        everywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - nothing real is bound
        return self._bound.get((kind, host, port)) or self._bound.get((kind, everywhere, port))

    def __repr__(self) -> str:
        return f"<Host {self.name}>"


class HostLoop:
    """The loop of the network as a host has it: its sockets are those of the host, its chance is
    that of the network, and its files are read and written in the loop's turns, in no time.
    """

    def __init__(self, loop: VirtualLoop, host: Host) -> None:
        self._loop = loop
        self.open_socket = host.open_socket
        self.random_bits = host.network.random.getrandbits
        self.threads = TurnsOfLoop(loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class NAT:
    """A network address translator, for UDP (RFC 4787 §4, §5).

    Args:
        public: Its address on the outside.
        kind: Who may answer, and by which port a host is seen: "full-cone", anybody by one port;
            "restricted", a host that was sent to; "port-restricted", an endpoint that was;
            "symmetric", likewise, and each endpoint sees another port.
        timeout: Seconds without a packet from the inside after which a mapping is forgotten.
    """

    def __init__(
        self,
        public: str,
        kind: NATKind = "port-restricted",
        timeout: float = 30.0,
    ) -> None:
        self.public = public
        self.kind = kind
        self.timeout = timeout
        self._next = 40000
        #: By what is inside, and outside where that counts: the port outside.
        self._ports: dict[tuple[Any, ...], int] = {}
        #: By the port outside: what is inside, the endpoints sent to, and when last.
        self._mappings: dict[int, tuple[_Address, set[_Address], list[float]]] = {}

    def out(self, source: _Address, target: _Address, now: float) -> _Address:
        """What a datagram from the inside is seen to come from."""
        key = (source, target) if self.kind == "symmetric" else (source,)
        port = self._ports.get(key)
        if port is None or self._is_over(port, now):
            self._next += 1
            port = self._ports[key] = self._next
            self._mappings[port] = (source, set(), [now])
        _, sent_to, last = self._mappings[port]
        sent_to.add(target)
        last[0] = now
        return (self.public, port)

    def into(self, source: _Address, port: int, now: float) -> _Address | None:
        """Where a datagram from the outside goes on the inside; None where it is dropped."""
        if port not in self._mappings or self._is_over(port, now):
            return None
        inside, sent_to, _ = self._mappings[port]
        if self.kind == "full-cone":
            return inside
        if self.kind == "restricted":
            return inside if any(one[0] == source[0] for one in sent_to) else None
        return inside if source in sent_to else None

    def _is_over(self, port: int, now: float) -> bool:
        return now - self._mappings[port][2][0] > self.timeout
