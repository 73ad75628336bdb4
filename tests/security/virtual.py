"""Sockets that send nothing, for a party on an event loop whose time is virtual.

Laws:

* Nothing leaves: what a socket would send to an IP address, and where it would connect to, is told
  to the recorder in its place.
* A datagram comes from the address that it is `claimed` for, whoever on this host has sent it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Real", "silenced"]

#: A socket that does send.
Real = socket.socket
#: What a recorder is told: the way ("udp" or "tcp"), the bytes, the address and port.
Recorder = Callable[[str, bytes, tuple[str, int]], None]
#: The headers of IPv4 and TCP in a SYN, as bytes: what an attempt to connect costs who is tried.
SYN = bytes(40)


@contextlib.contextmanager
def silenced(record: Recorder, claimed: dict[bytes, tuple[str, int]]) -> Iterator[None]:
    """Have the sockets that are made meanwhile send nothing, but tell of it.

    Args:
        record: What is told.
        claimed: The source of datagrams that will come, by what is in them.
    """

    class Silent(Real):
        def sendto(self, data: Any, *rest: Any) -> int:  # type: ignore[override]
            record("udp", bytes(data), rest[-1][:2])
            return len(data)

        def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0, address: Any = None):
            if address is None:
                return super().sendmsg(buffers, ancillary, flags)
            data = b"".join(buffers)
            record("udp", data, address[:2])
            return len(data)

        def recvfrom(self, *size: Any) -> Any:  # type: ignore[override]
            data, address = super().recvfrom(*size)
            return data, claimed.pop(data, address)

        def recvmsg(self, *sizes: Any) -> Any:
            data, control, flags, address = super().recvmsg(*sizes)
            # What the kernel says of the time is of no use here.
            control = [one for one in control if one[0] != socket.SOL_SOCKET]
            return data, control, flags, claimed.pop(data, address)

        def connect(self, address: Any) -> None:
            if self.type == socket.SOCK_DGRAM:
                return  # asked for its own address only: it has the one of the loopback interface
            record("tcp", SYN, address[:2])
            raise ConnectionRefusedError("nobody is there")

        def connect_ex(self, address: Any) -> int:
            self.connect(address)
            return 0

    socket.socket = Silent  # type: ignore[misc]
    try:
        yield
    finally:
        socket.socket = Real  # type: ignore[misc]
