"""The raw side of a probe: sockets, and the bytes that go over them."""

from __future__ import annotations

import select
import socket
import struct

from .message import split_stream
from .stage import LOOPBACK, PATIENCE

__all__ = ["Peer", "StreamPeer"]


class Peer:
    """A peer by UDP.

    Args:
        port: Where the party listens.

    Attributes:
        port: Where the peer listens.
        other: The port of a second socket, which hears but does not speak.
    """

    transport = "udp"

    def __init__(self, port: int) -> None:
        self.party = port
        self._main, self._other = _bound(socket.SOCK_DGRAM), _bound(socket.SOCK_DGRAM)
        self.port = self._main.getsockname()[1]
        self.other = self._other.getsockname()[1]

    def send(self, data: bytes) -> None:
        """Send to the party."""
        self._main.sendto(data, (LOOPBACK, self.party))

    def receive(self, patience: float = PATIENCE, at: str = "main") -> bytes | None:
        """Return the next message; None where none comes."""
        sock = self._main if at == "main" else self._other
        sock.settimeout(patience or 0.0)
        try:
            data, source = sock.recvfrom(65535)
        except (TimeoutError, BlockingIOError):
            return None
        assert source == (LOOPBACK, self.party), f"A message came from {source}."
        return data

    def dial(self) -> None:
        """Do nothing: there are no connections."""

    hang_up = reset = dial

    def close(self) -> None:
        """Close the sockets."""
        self._main.close()
        self._other.close()


class StreamPeer:
    """A peer by TCP: it connects when it first sends, and takes connections.

    What it sends goes by the connection that it heard from last, or made last.

    Args:
        port: Where the party listens.

    Attributes:
        port: Where the peer listens.
        other: The port of a second listener.
        ended: How many connections the party has ended.
        accepted: How many connections the party has made.
    """

    transport = "tcp"

    def __init__(self, port: int) -> None:
        self.party = port
        self._listeners = {"main": _bound(socket.SOCK_STREAM), "other": _bound(socket.SOCK_STREAM)}
        for listener in self._listeners.values():
            listener.listen()
            listener.setblocking(False)
        self.port = self._listeners["main"].getsockname()[1]
        self.other = self._listeners["other"].getsockname()[1]
        self._waiting: dict[socket.socket, bytes] = {}
        self._ready: list[tuple[socket.socket, bytes]] = []
        self._from: dict[socket.socket, str] = {}
        self.ended = self.accepted = 0
        self.current: socket.socket | None = None

    def dial(self) -> None:
        """Connect anew; the connection is the one that is spoken by."""
        self._begin(socket.create_connection((LOOPBACK, self.party), PATIENCE), "main")

    def _begin(self, sock: socket.socket, at: str) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.current = sock
        self._waiting[sock] = b""
        self._from[sock] = at

    def send(self, data: bytes) -> None:
        """Send to the party."""
        if self.current is None:
            self.dial()
        assert self.current is not None
        self.current.sendall(data)

    def receive(self, patience: float = PATIENCE, at: str = "main") -> bytes | None:
        """Return the next message of any connection; None where none comes."""
        while not self._ready:
            if not self._read(patience):
                return None
        sock, data = self._ready.pop(0)
        assert self._from[sock] == at, f"A message came by {self._from[sock]}."
        self.current = sock
        return data

    def _read(self, patience: float) -> bool:
        """Read what is there, once; whether anything was."""
        socks = [*self._listeners.values(), *self._waiting]
        readable, _, _ = select.select(socks, (), (), patience)
        for sock in readable:
            if sock in self._waiting:
                self._read_connection(sock)
                continue
            at = next(name for name, one in self._listeners.items() if one is sock)
            connection, _ = sock.accept()
            self.accepted += 1
            self._begin(connection, at)
        return bool(readable)

    def _read_connection(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended += 1
            self._drop(sock)
            return
        found, self._waiting[sock] = split_stream(self._waiting[sock] + data)
        self._ready += [(sock, one) for one in found]

    def raw(self, size: int) -> bytes:
        """Return bytes as they come by the current connection: what is no message."""
        assert self.current is not None
        self.current.settimeout(PATIENCE)
        got = b""
        while len(got) < size and (data := self.current.recv(size - len(got))):
            got += data
        return got

    def _drop(self, sock: socket.socket) -> None:
        sock.close()
        self._waiting.pop(sock, None)
        if self.current is sock:
            self.current = None

    def hang_up(self) -> None:
        """End the connection that is spoken by."""
        if self.current is not None:
            self._drop(self.current)

    def reset(self) -> None:
        """End it without a goodbye."""
        if self.current is not None:
            self.current.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._drop(self.current)

    def close(self) -> None:
        """Close the sockets."""
        for sock in (*self._listeners.values(), *list(self._waiting)):
            sock.close()
        self._waiting.clear()
        self.current = None


def _bound(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind((LOOPBACK, 0))
    return sock
