"""The UDP ports of a stream: a pair of sockets, and what is read from them. They are the
`MediaTransport` that others are put on.

Laws:

* RTP has an even port and RTCP the one above it (RFC 3550 section 11), on one address.
* Sockets are read by the `SocketPoll` of their loop. When a packet came is what the kernel says,
  where it does (`SO_TIMESTAMPNS` of Linux), whenever it is read.
* Reading and sending never block and never raise: what cannot be sent is counted, as the network
  would have lost it.
* What is opened is closed by `close`, and after it nothing is called back.
* From `listen` on what comes is read (RFC 3264 section 5.1 wants that as soon as an offer is sent).
  Before it has a receiver, the last of it is kept for so long as it could still be
  played, and no longer; what hosts of the call send is not displaced by what others do.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from sipparty.concurrency import descriptors
from sipparty.concurrency.host import OpenSocket, open_socket_of_system, opener
from sipparty.errors import ListenError, PortsExhausted
from sipparty.media.rtp.source import Address
from sipparty.media.settings import check_port_range
from sipparty.media.socket_poll import SocketPoll
from sipparty.media.transport import Receive

__all__ = [
    "MAX_DATAGRAM",
    "MAX_EARLY",
    "RTPSocket",
    "UDPTransport",
    "open_port_pair",
]

_log = logging.getLogger(__name__)

#: Octets of a datagram that are read; none of media is as large on an Ethernet.
MAX_DATAGRAM: Final = 2048
#: Datagrams that are kept while nobody receives them, at most: so many of the hosts of the call,
#: and so many of others.
MAX_EARLY: Final = 32
#: How often the system is asked for a free port before it counts as having none in pairs.
_ATTEMPTS: Final = 64
#: `SO_TIMESTAMPNS`, which Python has no name for yet, and what it gives: a `timespec`.
_TIMESTAMP: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
#: Octets of a control message with one, and more than that.
_CONTROL: Final = 64
#: Seconds that a packet may have waited; what the kernel says else is about another time.
_MAX_WAIT: Final = 5.0
#: What the system says where it has no socket more.
_NONE_LEFT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: What bind says of a port that another has, or that only the superuser may have.
_TAKEN: Final = (errno.EADDRINUSE, errno.EACCES)


def open_port_pair(
    address: str,
    port_range: tuple[int, int] | None = None,
    *,
    start: int = 0,
    dscp: int = 0,
    open_socket: OpenSocket = open_socket_of_system,
) -> tuple[socket.socket, socket.socket]:
    """Bind two UDP sockets that do not block: an even port for RTP, the next for RTCP.

    Args:
        address: IPv4 or IPv6 address of this machine.
        port_range: First and last port to be used; None for any the system has free.
        start: Where in the range to begin, any number: random, so that a port is not used again
            at once, when packets of the last call may still come.
        dscp: The Differentiated Services code point of what is sent, 0 to 63.
        open_socket: As `sipparty.concurrency.host.opener` gives it.

    Returns:
        The RTP and the RTCP socket; the caller closes them.

    Raises:
        PortsExhausted: No pair is free, or the system has no file descriptor for it.
        ListenError: The address is not one of this machine.
        UsageError: The range holds no pair.
    """
    place = _Place(*_resolve(address), open_socket)
    pair = _free_pair(place, port_range, start)
    for sock in pair:
        _mark(sock, place.family, dscp)
    return pair


class _Place(NamedTuple):
    """An address that sockets are bound to."""

    family: socket.AddressFamily
    sockaddr: Address
    open_socket: OpenSocket


def _free_pair(
    place: _Place, port_range: tuple[int, int] | None, start: int
) -> tuple[socket.socket, socket.socket]:
    if port_range is None:
        return _any_pair(place)
    check_port_range(port_range)
    first, last = port_range
    pairs = range(first + first % 2, last, 2)
    for index in range(len(pairs)):
        pair = _pair_at(place, pairs[(start + index) % len(pairs)])
        if pair is not None:
            return pair
    raise PortsExhausted(
        f"No even UDP port with the next one free in {first}-{last} on {place.sockaddr[0]}, "
        "for RTP and RTCP."
    )


def _mark(sock: socket.socket, family: socket.AddressFamily, dscp: int) -> None:
    """Mark what a socket sends; without effect where the system does not let us."""
    if not dscp:
        return
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
    except OSError as error:
        _log.debug("Media cannot be marked with DSCP %d: %s", dscp, error)


def _resolve(address: str) -> tuple[socket.AddressFamily, Address]:
    try:
        found = socket.getaddrinfo(address, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"Cannot bind media to {address!r}: it is no IP address.") from error
    family, _, _, _, sockaddr = found[0]
    return family, (str(sockaddr[0]), *sockaddr[1:])


def _bind(place: _Place, port: int) -> socket.socket | None:
    """A socket at a port; None where it is taken."""
    family, sockaddr, open_socket = place
    sock = None
    try:
        sock = open_socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((sockaddr[0], port, *sockaddr[2:]))
    except OSError as error:
        if sock is not None:
            sock.close()
        if error.errno in _NONE_LEFT:
            raise PortsExhausted(
                f"The system has no socket for media: {error.strerror}."
            ) from error
        # Only a port may be tried again elsewhere; of an address there is nothing else to try.
        if error.errno in _TAKEN:
            return None
        raise ListenError(
            f"Cannot bind media to {sockaddr[0]}, port {port}: {error.strerror or error}."
        ) from error
    return sock


def _pair_at(place: _Place, port: int) -> tuple[socket.socket, socket.socket] | None:
    """A pair of sockets at an even port and the next; None where one of them is taken."""
    rtp = _bind(place, port)
    if rtp is None:
        return None
    rtcp = None
    try:
        rtcp = _bind(place, port + 1)
    finally:
        if rtcp is None:
            rtp.close()
    return None if rtcp is None else (rtp, rtcp)


def _any_pair(place: _Place) -> tuple[socket.socket, socket.socket]:
    for _ in range(_ATTEMPTS):
        probe = _bind(place, 0)
        if probe is None:
            break
        port = int(probe.getsockname()[1])
        probe.close()
        pair = _pair_at(place, port & ~1)
        if pair is not None:
            return pair
    raise PortsExhausted(
        f"No two neighbouring UDP ports are free on {place.sockaddr[0]}, for RTP and RTCP."
    )


def _stamp(sock: socket.socket) -> bool:
    """Have the kernel say when each datagram came; whether it does."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
    except OSError:
        return False
    return True


def _waited(control: list[tuple[int, int, bytes]]) -> float:
    """How long a datagram has waited to be read, in seconds; 0 where that is not known."""
    for _, kind, stamp in control:
        if kind == _TIMESTAMP and len(stamp) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            waited = time.time() - seconds - nanoseconds * 1e-9
            if 0 < waited < _MAX_WAIT:
                return float(waited)
    return 0.0


class RTPSocket:
    """One UDP socket on a loop.

    Args:
        loop: Whose thread it belongs to.
        sock: The socket, bound and not blocking; closed by `close`.

    Attributes:
        failed: Datagrams that could not be sent.
    """

    __slots__ = (
        *("_loop", "_poll", "_receive", "_sendto", "_sock", "_stamped", "_time"),
        "failed",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._sendto = sock.sendto
        self._receive: Receive | None = None
        self._time: Callable[[], float] = loop.time
        self._poll: SocketPoll | None = None
        self._stamped = False
        self.failed = 0

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return int(self._sock.getsockname()[1])

    @property
    def family(self) -> int:
        """Its address family."""
        return self._sock.family

    def read(self, receive: Receive, time: Callable[[], float]) -> None:
        """Call `receive(data, address, now)` for each datagram from now on."""
        self._receive = receive
        self._time = time
        if self._poll is None:
            # A time that is not the loop's has nothing to do with the kernel's.
            self._stamped = time == self._loop.time and _stamp(self._sock)
            self._poll = SocketPoll.of(self._loop)
            self._poll.add(self._sock.fileno(), self._read_one)

    def _read_one(self) -> None:
        now = self._time()
        try:
            if self._stamped:
                data, control, _, address = self._sock.recvmsg(MAX_DATAGRAM, _CONTROL)
                now -= _waited(control)
            else:
                data, address = self._sock.recvfrom(MAX_DATAGRAM)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            # An ICMP error about what was sent; the socket goes on.
            _log.debug("Reading media: %s", error)
            return
        receive = self._receive
        if receive is not None:
            receive(data, address, now)

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram, if it can be sent now."""
        try:
            self._sendto(data, address)
        except OSError as error:
            if not self.failed:
                _log.warning("Sending media to %s failed: %s", address, error)
            self.failed += 1

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self._receive = None
        if self._poll is not None:
            self._poll.remove(self._sock.fileno())
            self._poll = None
        if self._sock.fileno() >= 0:
            descriptors.give_back_media(self._sock.fileno())
        self._sock.close()


class _Early(NamedTuple):
    """A datagram that nobody has heard yet."""

    control: bool
    data: bytes
    address: Address
    came: float


class UDPTransport:
    """The RTP port and the RTCP port of one stream, of the file descriptors that media may have
    (`sipparty.concurrency.descriptors`).

    Args:
        loop: Whose thread they belong to.
        address: As for `open_port_pair`, which says what is raised.
        port_range: Likewise.
        start: Likewise.
        time: Gives the time, in seconds.
        dscp: As for `open_port_pair`.

    Attributes:
        mux: Whether RTCP goes by the port of RTP (RFC 5761).
    """

    __slots__ = ("_early", "_hosts", "_other", "_time", "mux", "rtcp", "rtp", "send")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        port_range: tuple[int, int] | None,
        start: int,
        time: Callable[[], float],
        dscp: int = 0,
    ) -> None:
        rtp, rtcp = pair = open_port_pair(
            address, port_range, start=start, dscp=dscp, open_socket=opener(loop)
        )
        if not descriptors.take_media(*[sock.fileno() for sock in pair]):
            for sock in pair:
                sock.close()
            raise PortsExhausted("Few file descriptors are left, and they are for others.")
        self.rtp = RTPSocket(loop, rtp)
        self.rtcp = RTPSocket(loop, rtcp)
        #: Sends RTP, if it can be sent now.
        self.send: Callable[[bytes, Address], None] = self.rtp.send
        self.mux = False
        self._time = time
        # Of the hosts of the call, and of others.
        self._early: deque[_Early] | None = None
        self._other: deque[_Early] = deque(maxlen=MAX_EARLY)
        self._hosts: frozenset[str | int] = frozenset()

    @property
    def port(self) -> int:
        """The port of RTP."""
        return self.rtp.port

    @property
    def rtcp_port(self) -> int:
        """The port of RTCP."""
        return self.rtcp.port

    @property
    def family(self) -> int:
        """Their address family."""
        return self.rtp.family

    def send_rtcp(self, data: bytes, address: Address) -> None:
        """Send RTCP, by the port of RTP where `mux` says so."""
        (self.rtp if self.mux else self.rtcp).send(data, address)

    def listen(self, hosts: Iterable[str] = ()) -> None:
        """Read from now on, and keep the last of what comes until `deliver`.

        Args:
            hosts: Those that take part in the call, as far as they are known.
        """
        self._hosts = frozenset(hosts)
        if self._early is None:
            early = self._early = deque(maxlen=MAX_EARLY)
            other = self._other

            def keep(control: bool) -> Receive:
                def take(data: bytes, address: Address, now: float) -> None:
                    if not data:
                        return  # it keeps a way through a NAT open
                    kept = early if address[0] in self._hosts else other
                    kept.append(_Early(control, data, address, now))

                return take

            self.rtp.read(keep(False), self._time)
            self.rtcp.read(keep(True), self._time)

    def deliver(self, rtp: Receive, rtcp: Receive, max_age: float) -> None:
        """Give what comes to its receiver, first what has come in the last `max_age` seconds: that
        of the hosts of the call, then that of others.
        """
        early = (*(self._early or ()), *self._other)
        self._early = deque(maxlen=0)
        self._other.clear()
        oldest = self._time() - max_age
        self.rtp.read(rtp, self._time)
        self.rtcp.read(rtcp, self._time)
        for control, data, address, came in early:
            if came >= oldest:
                (rtcp if control else rtp)(data, address, came)

    def close(self) -> None:
        """Close both; may be called twice."""
        self.rtp.close()
        self.rtcp.close()
        self._early = None
        self._other.clear()
