"""UDP (RFC 3261 §18): a bound socket, drained in batches.

Laws:

* What waits in the socket is read until it is empty or a batch is full, then acted on at once: one
  turn of the loop for many datagrams.
* A datagram that the socket's buffer cannot take waits here, so many at the most; the oldest are
  dropped first, as the network would have done. SIP sends again.
* What the network says of a datagram that went out (ICMP) fails the flow it went by (§18.4), where
  the system says so (Linux).
* A peer has one flow for each address of ours. Those in use last as long as they are used; of the
  others so many are kept, so that a flood of sources does not make them grow without end.
* Which of our addresses a peer is reached from is found out once, and anew where a flow has failed.
* A socket that is bound to all of our addresses answers from the one that was asked (RFC 3581 §4),
  where the system says (Linux): a peer behind a NAT receives nothing from any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections import deque
from typing import Any

from sipparty.concurrency.host import OpenSocket, open_socket_of_system, opener
from sipparty.errors import TransportError
from sipparty.sip.flow import Address, Flow, FlowTable
from sipparty.transport.addresses import bind_socket, is_wildcard, local_address_to, numeric_family
from sipparty.transport.endpoint import EndpointOwner

__all__ = ["UDPEndpoint", "bind_udp"]

#: By address family: the level and the option that have the kernel keep ICMP errors for us. The
#: numbers are Linux's; the socket module has no names for them.
_ERROR_QUEUE = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
_HAS_ERROR_QUEUE = sys.platform == "linux"

#: By address family: the level, the option that has the kernel say which of our addresses a
#: datagram came to, and the kind of control message that says so, in both directions. Linux's
#: numbers.
_ARRIVAL = {
    socket.AF_INET: (socket.IPPROTO_IP, 8, 8),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 49, 50),
}
_HAS_ARRIVAL = sys.platform == "linux"
#: struct in_pktinfo: interface, our address (where a datagram to many came in), destination. struct
#: in6_pktinfo: destination, interface.
_ARRIVAL4, _ARRIVAL6 = struct.Struct("=i4s4s"), struct.Struct("=16si")
_CONTROL = socket.CMSG_SPACE(_ARRIVAL6.size) if hasattr(socket, "CMSG_SPACE") else 0
_MSG_ERRQUEUE = 0x2000
#: struct sock_extended_err: errno, origin, type, code, pad, info, data.
_EXTENDED_ERROR = struct.Struct("=IBBBBII")

#: What a STUN message has and SIP has not: so many bytes, with these in bytes 4 to 7
#: (RFC 8489 §5).
_STUN_HEADER = 20
_STUN_COOKIE = b"\x21\x12\xa4\x42"


def bind_udp(
    host: str, port: int, open_socket: OpenSocket = open_socket_of_system
) -> socket.socket:
    """Return a non-blocking UDP socket bound to a numeric address.

    Args:
        host: The address; "0.0.0.0" or "::" for all of them.
        port: The port; 0 for any free one.
        open_socket: As `opener` gives it.

    Raises:
        ListenError: The address is not one of ours, or the port is taken.
    """
    return bind_socket(socket.SOCK_DGRAM, host, port, _prepare, open_socket=open_socket)


def _prepare(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # A burst of calls must not overflow it; the kernel gives what it allows.
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, UDPEndpoint.SOCKET_BUFFER)
        if _HAS_ERROR_QUEUE:
            sock.setsockopt(*_ERROR_QUEUE[sock.family], 1)


class UDPEndpoint:
    """A UDP socket of an engine.

    Args:
        loop: The engine's loop.
        owner: The engine.
        sock: The socket, bound and non-blocking; the endpoint's from here on.
        advertised: The address for Via and Contact in the place of what it is bound to.

    Attributes:
        recent: The flows that were used last, by the peer's address; of what came to one of several
            addresses of ours, by what the kernel says of that as well.
    """

    #: Datagrams read in one turn of the loop; more wait for the next, so timers stay on time.
    BATCH = 64
    #: Datagrams that wait to be sent while the socket's buffer is full.
    BACKLOG = 4096
    #: Asked of the kernel for each direction, in bytes.
    SOCKET_BUFFER = 4 << 20
    #: Flows kept that nobody holds; all of them are let go when there are more.
    PEERS = 4096
    #: A socket that is readable again within so few seconds is read until it is empty; else one
    #: datagram is read a turn, and none asked for in vain.
    BUSY = 0.0002
    #: So is one that was readable so often in a row: a loop that has other work comes back late.
    STREAK = 8
    #: The largest datagram read, in bytes: the largest there is.
    MAX_DATAGRAM = 65_535

    transport = "UDP"

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: EndpointOwner,
        sock: socket.socket,
        advertised: Address | None = None,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._socket = sock
        self.family = sock.family
        self.address: Address = sock.getsockname()[:2]
        self.advertised = advertised
        self._any = is_wildcard(self.address[0])
        self._flows = FlowTable(self.transport, self)
        self.recent: dict[Any, Flow] = {}
        #: The addresses of ours that flows are from, each with what the kernel takes to send from
        #: there: nothing where it has the choice.
        self._controls: dict[str, tuple[tuple[int, int, bytes], ...]] = {}
        self._waiting: deque[tuple[bytes, Flow]] = deque()
        self._done_at = 0.0
        self._streak = 0
        self.closed = False
        #: Whether the kernel says where a datagram came to.
        self._pktinfo = False
        if self._any and _HAS_ARRIVAL:
            with contextlib.suppress(OSError):
                sock.setsockopt(*_ARRIVAL[self.family][:2], 1)
                self._pktinfo = True
        loop.add_reader(sock, self._readable)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<UDPEndpoint {self.address[0]} port {self.address[1]}{state}>"

    # ---------------------------------------------------------------- flows

    def flow_to(self, host: str, port: int) -> Flow:
        """Return the flow to a numeric address.

        Raises:
            TransportError: No route leads there.
        """
        remote = (host, port)
        flow = self.recent.get(remote)
        if flow is None:
            own = local_address_to(host, opener(self._loop)) if self._any else self.address[0]
            flow = self._remember(remote, own, remote)
        return flow

    def _arrived(self, remote: Address, here: bytes) -> Flow:
        """Return the flow of what came to one of our addresses, which is to be answered from it."""
        if self.family == socket.AF_INET:
            packed = _ARRIVAL4.unpack_from(here)[1]
            info = _ARRIVAL4.pack(0, packed, bytes(4))
        else:
            packed = _ARRIVAL6.unpack_from(here)[0]
            info = _ARRIVAL6.pack(packed, 0)
        if not any(packed) or (len(packed) == 16 and packed[0] == 0xFF):
            return self.flow_to(*remote)  # it came to many (RFC 4291 §2.7)
        own = socket.inet_ntop(self.family, packed)
        level, _, kind = _ARRIVAL[self.family]
        flow = self._remember((*remote, here), own, remote)
        flow.control = self._controls[own] = ((level, kind, info),)
        return flow

    def _remember(self, key: object, own: str, remote: Address) -> Flow:
        """Return the flow from one of our addresses, to be found by a key from here on."""
        if len(self.recent) >= self.PEERS:
            self.recent.clear()
        if own not in self._controls:
            if len(self._controls) >= self.PEERS:
                self._controls.clear()
            self._controls[own] = ()
        flow = self.recent[key] = self._flows.flow((own, self.address[1]), remote)
        return flow

    def forget(self, remote: Address) -> None:
        """Find out anew how an address is reached: routes change, and our addresses with them. To
        be called where that may be why nothing comes back.
        """
        self.recent.pop(remote, None)

    # ---------------------------------------------------------------- in

    def _readable(self) -> None:
        owner, pktinfo = self._owner, self._pktinfo
        watched = owner.wire.watched()
        receive = self._socket.recvmsg if pktinfo else self._socket.recvfrom
        arguments = (self.MAX_DATAGRAM, _CONTROL) if pktinfo else (self.MAX_DATAGRAM,)
        busy = self._streak >= self.STREAK or self._loop.time() < self._done_at + self.BUSY
        turns = self.BATCH if busy else 1
        batch: list[tuple[bytes, Flow]] = []
        try:
            for number in range(turns):
                try:
                    received: Any = receive(*arguments)
                except (BlockingIOError, InterruptedError):
                    if not number:
                        # Woken for no datagram: for errors, then, which a send has cleared.
                        self._read_errors()
                    break
                except OSError:
                    # An ICMP error is pending; what it is about is in the error queue.
                    self._read_errors()
                    if self.closed:
                        break
                    continue
                data, address = received[0], received[-1]
                remote = (address[0], address[1])
                here = received[1][0][2] if pktinfo and received[1] else b""
                flow = self.recent.get((*remote, here) if here else remote)
                if flow is None:
                    try:
                        flow = self._arrived(remote, here) if here else self.flow_to(*remote)
                    except TransportError:
                        continue  # nobody there could be answered
                if len(data) >= _STUN_HEADER and data[0] < 64 and data[4:8] == _STUN_COOKIE:
                    # RFC 5626 §8: no SIP message begins so.
                    owner.stun_received(data, flow)
                    continue
                if watched:
                    owner.wire.received(
                        data, flow.local, remote, self.transport, owner.wire.clock()
                    )
                batch.append((data, flow))
        finally:
            if not busy:
                self._streak += 1
            elif len(batch) < 2:
                self._streak = 0
            owner.messages_received(batch)
            self._done_at = self._loop.time()

    def _read_errors(self) -> None:
        """Report each error in the socket's queue; the option is Linux's."""
        for _ in range(self.BATCH if _HAS_ERROR_QUEUE else 0):
            if self.closed:
                return
            try:
                _, control, _, address = self._socket.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            if not address:
                continue
            for level, kind, payload in control:
                if (level, kind) == _ERROR_QUEUE[self.family]:
                    number = _EXTENDED_ERROR.unpack_from(payload)[0]
                    self._failed((address[0], address[1]), os.strerror(number).lower())
                    break

    def _failed(self, remote: Address, reason: str) -> None:
        """Report every flow to an address: it cannot be sent by."""
        port = self.address[1]
        flows = [self._flows.known((own, port), remote) for own in self._controls]
        self.forget(remote)
        for flow in flows:
            if flow is not None:
                self._owner.send_failed(flow, reason)

    # ---------------------------------------------------------------- out

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a datagram; failures come back by `send_failed`."""
        control = flow.control
        if control is not None and not self._waiting:
            try:
                if control:
                    self._socket.sendmsg((data,), control, 0, flow.remote)
                else:
                    self._socket.sendto(data, flow.remote)
                return
            except OSError:
                pass  # which may be what became of an earlier datagram, to somebody else
        if self._waiting or not self._sent(data, flow):
            self._wait(data, flow)

    def _sent(self, data: bytes, flow: Flow) -> bool:
        """Send a datagram, or report why it cannot be sent; False if the buffer is full."""
        # The address may be what a peer wrote in a Via: a name would be looked up, by the kernel's
        # caller, while all calls wait.
        reason = "it is not an address that this socket can send to"
        if numeric_family(flow.remote[0]) == self.family:
            control = flow.control = self._controls.get(flow.local[0], ())
            # The first error may be what became of an earlier datagram, to somebody else. It is
            # cleared by being raised; `_readable` reads in the queue which peer it is about.
            for _ in range(2):
                try:
                    if control:
                        self._socket.sendmsg((data,), control, 0, flow.remote)
                    else:
                        self._socket.sendto(data, flow.remote)
                    return True
                except (BlockingIOError, InterruptedError):
                    return False
                except OSError as error:
                    reason = (error.strerror or str(error)).lower()
                    control = ()  # the address may not be ours any more
        self.forget(flow.remote)
        # Not at once: a transaction that is just sending must not end within that.
        self._loop.call_soon(self._owner.send_failed, flow, reason)
        return True

    def _wait(self, data: bytes, flow: Flow) -> None:
        waiting = self._waiting
        if not waiting:
            self._loop.add_writer(self._socket, self._writable)
        elif len(waiting) >= self.BACKLOG:
            waiting.popleft()
        waiting.append((data, flow))

    def _writable(self) -> None:
        waiting = self._waiting
        while waiting:
            if not self._sent(*waiting[0]):
                return
            waiting.popleft()
        self._loop.remove_writer(self._socket)

    def abandon(self) -> None:
        """Close a forked child's copy of the socket; the loop is the parent's, and not touched."""
        self.closed = True
        self._socket.close()

    def close(self) -> None:
        """Give the socket back; may be called more than once."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            if self._waiting:
                self._loop.remove_writer(self._socket)
                self._waiting.clear()
            self._socket.close()
