"""Sockets of simulated hosts: as much of `socket.socket` as endpoints and asyncio use of it.

Laws:

* None of them blocks: what cannot be done now raises `BlockingIOError`, as one that was set to
  non-blocking does.
* A datagram goes as the network says, a stream arrives whole and in order.
* The network never calls back from within a send: what is sent arrives later, if at the same time.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sipparty.testing.simulation.hosts import Host

__all__ = ["SimulatedSocket"]

_Address = tuple[Any, ...]


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class SimulatedSocket:
    """A socket of a host.

    Args:
        host: The host.
        family: `AF_INET` or `AF_INET6`.
        kind: `SOCK_DGRAM` or `SOCK_STREAM`.

    Attributes:
        local: What it is bound to, host and port; None before.
        remote: What it is connected to; None for nothing.
    """

    proto = 0

    def __init__(self, host: Host, family: int, kind: int) -> None:
        self.host = host
        self.family = socket.AddressFamily(family)
        self.type = socket.SocketKind(kind)
        self.local: _Address | None = None
        self.remote: _Address | None = None
        #: The other end of a stream.
        self.other: SimulatedSocket | None = None
        self._options: dict[tuple[int, int], int] = {}
        self._number = host.network.take_descriptor()
        self._number.socket = self  # type: ignore[attr-defined]
        #: Datagrams with their sources, pieces of a stream, or connections to be accepted.
        self._incoming: deque[Any] = deque()
        self._listening = self._reset = self._ended = self._end_read = False
        self.closed = False

    # ---------------------------------------------------------------- what every socket has

    def fileno(self) -> int:
        """Its number, -1 once it is closed."""
        return -1 if self.closed else self._number

    def setblocking(self, flag: bool) -> None:
        """Do nothing: it never blocks."""

    def gettimeout(self) -> float:
        """Give 0.0: it never blocks."""
        return 0.0

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Keep the value; nothing else is done with it."""
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, *_: int) -> Any:
        """The value that was kept; 0 for none."""
        return self._options.get((level, option), 0)

    def getsockname(self) -> _Address:
        """What it is bound to."""
        return self.local or (("::" if self.family == socket.AF_INET6 else "0.0.0.0"), 0)  # noqa: S104

    def getpeername(self) -> _Address:
        """What it is connected to."""
        if self.remote is None:
            raise _failed(errno.ENOTCONN)
        return self.remote

    def bind(self, address: _Address) -> None:
        """Take an address of the host, and a port, 0 for any that is free."""
        self.local = self.host.take_port(self, str(address[0]), int(address[1]))

    def close(self) -> None:
        """Give it back; may be called twice."""
        if self.closed:
            return
        self.closed = True
        self.host.give_back_port(self)
        self.host.network.give_back_descriptor(self._number)
        for waiting in self._incoming if self._listening else ():
            waiting.close()
        if self.other is not None:
            self.host.network.end_stream(self, self.other)
        self._incoming.clear()

    def shutdown(self, how: int) -> None:
        """End what is sent, or all."""
        if self.other is not None and how != socket.SHUT_RD:
            self.host.network.end_stream(self, self.other)

    def detach(self) -> int:
        """Not to be had."""
        raise _failed(errno.EOPNOTSUPP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """How much waits to be read or accepted."""
        if self.closed:
            return 0
        return len(self._incoming) + ((self._ended or self._reset) and not self._end_read)

    def __repr__(self) -> str:
        kind = "UDP" if self.type == socket.SOCK_DGRAM else "TCP"
        return f"<SimulatedSocket {kind} {self.local} of {self.host.name}>"

    # ---------------------------------------------------------------- datagrams

    def connect(self, address: _Address) -> None:
        """Name the one peer of a socket for datagrams; which address leads there is known then."""
        if self.local is None or self.local[1] == 0:
            self.bind((self.host.address_to(str(address[0]), self.family), 0))
        elif self.local[0] in ("0.0.0.0", "::"):  # noqa: S104
            own = self.host.address_to(str(address[0]), self.family)
            self.local = (own, *self.local[1:])
        self.remote = address

    def sendto(self, data: bytes, *arguments: Any) -> int:
        """Send a datagram."""
        return self.sendmsg((data,), (), 0, arguments[-1])

    def sendmsg(
        self, buffers: Iterable[bytes], ancdata: Any = (), flags: int = 0, address: Any = None
    ) -> int:
        """Send a datagram, or a piece of a stream."""
        data = b"".join(buffers)
        if self.type == socket.SOCK_STREAM:
            return self.send(data)
        if self.local is None:
            self.bind((self.getsockname()[0], 0))
        assert self.local is not None
        to: Any = address or self.remote
        target = to[:2]
        source = self.local[0]
        if source in ("0.0.0.0", "::"):  # noqa: S104
            source = self.host.address_to(str(target[0]), self.family)
        self.host.network.send_datagram(self.host, (source, self.local[1]), target, data)
        return len(data)

    def recvfrom(self, size: int) -> tuple[bytes, _Address]:
        """The next datagram, and where it came from."""
        data, _, _, address = self.recvmsg(size)
        return data, address

    def recvmsg(
        self, size: int, ancillary: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Any], int, _Address]:
        """The next datagram; of the queue of errors there is none."""
        if flags or not self._incoming:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data, address = self._incoming.popleft()
        return data[:size], [], 0, address

    def arrived(self, item: Any) -> None:
        """Take what the network brings: a datagram with its source, or a piece of a stream."""
        if not self.closed:
            self._incoming.append(item)
            self.host.network.loop.readable(self._number)

    # ---------------------------------------------------------------- streams

    def listen(self, backlog: int = 0) -> None:
        """Accept connections."""
        self._listening = True

    def accept(self) -> tuple[SimulatedSocket, _Address]:
        """The next connection, and who it is from."""
        while self._incoming:
            made: SimulatedSocket = self._incoming.popleft()
            if not made.closed:
                return made, made.getpeername()
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    async def connected_to(self, address: _Address) -> None:
        """Connect a stream; for the loop's `sock_connect`."""
        if self.local is None or not self.local[1]:
            own = self.local[0] if self.local else ""
            if own in ("", "0.0.0.0", "::"):  # noqa: S104
                own = self.host.address_to(str(address[0]), self.family)
            self.bind((own, 0))
        await self.host.network.connect(self, address[:2])

    @property
    def listening(self) -> bool:
        """Whether it accepts connections."""
        return self._listening and not self.closed

    def join(self, other: SimulatedSocket, remote: _Address) -> None:
        """Become one end of a stream."""
        self.other, self.remote = other, remote

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a piece of a stream."""
        if self._reset or self.other is None:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self.host.network.send_stream(self, self.other, bytes(data))
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Some of what came; b"" once the other end has ended it."""
        if self._incoming:
            data: bytes = self._incoming.popleft()
            if len(data) > size:
                self._incoming.appendleft(data[size:])
            return data[:size]
        if self._reset:
            self._end_read = True
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if self._ended:
            self._end_read = True
            return b""
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Put some of what came into a buffer; how much."""
        view = memoryview(buffer)
        data = self.recv(size or len(view))
        view[: len(data)] = data
        return len(data)

    def ended(self, *, reset: bool = False) -> None:
        """Take note that the other end has ended the stream."""
        self._ended = True
        self._reset = self._reset or reset
        if not self.closed:
            self.host.network.loop.readable(self._number)
