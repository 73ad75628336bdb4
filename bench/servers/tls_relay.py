"""TLS for a SIPp that was built without it: takes connections and passes on what they carry.

    tls_relay.py connect --port PORT --target TARGET --certificate FILE     TCP in, TLS out
    tls_relay.py accept --port PORT --target TARGET --certificate FILE      TLS in, TCP out

One thread, and OpenSSL on the sockets themselves: what waits is read in one go and written in one
go, so that it costs little, and less for each message the more there are. What a side that does not
read leaves waiting is held, however much it is: a load ends.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import signal
import socket
import ssl
import sys
from typing import Self

from support import ADDRESS, ready

#: Bytes read and written at once.
_PIECE = 1 << 18

_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


class _Side:
    """One of the two connections of a pair.

    Args:
        sock: Its socket, connected; TLS's handshake is over.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.other: Self = self
        self.waiting = bytearray()
        self.mask = 0

    def pump(self) -> None:
        """Pass on what came.

        Raises:
            EOFError: It has ended.
            OSError: It has failed.
        """
        other = self.other
        with contextlib.suppress(*_AGAIN):
            # OpenSSL may hold more than the socket shows: on until it has nothing.
            while True:
                piece = self.sock.recv(_PIECE)
                if not piece:
                    raise EOFError
                other.waiting += piece
                if not isinstance(self.sock, ssl.SSLSocket):
                    break
        other.flush()

    def flush(self) -> None:
        """Write what waits, as far as the buffer takes it.

        Raises:
            OSError: It has failed.
        """
        with contextlib.suppress(*_AGAIN):
            while self.waiting:
                # A copy: OpenSSL must be given the same bytes once more where the buffer was full.
                sent = self.sock.send(bytes(self.waiting[:_PIECE]))
                del self.waiting[:sent]

    def wanted(self) -> int:
        """What to wait for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.waiting else 0)


class _Relay:
    """All connections.

    Args:
        options: The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._accepts = options.mode == "accept"
        self._target = (ADDRESS, options.target)
        self._selector = selectors.DefaultSelector()
        if self._accepts:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(options.certificate)
        else:
            self._context = ssl.create_default_context(cafile=options.certificate)
        self._listener = socket.create_server((ADDRESS, options.port), backlog=1024)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Pass on until killed."""
        while True:
            for key, mask in self._selector.select():
                side: _Side | None = key.data
                if side is None:
                    self._accept()
                elif side.sock.fileno() >= 0:  # else its pair has ended in this turn
                    self._serve(side, mask)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            sock = self._listener.accept()[0]
            target = None
            try:
                sock.setblocking(True)
                target = socket.create_connection(self._target)
                if self._accepts:
                    sock = self._context.wrap_socket(sock, server_side=True)
                else:
                    target = self._context.wrap_socket(target, server_hostname=ADDRESS)
            except OSError as error:
                print(f"tls_relay: {error}", file=sys.stderr, flush=True)
                for one in (sock, target):
                    if one is not None:
                        one.close()
                return
            sides = _Side(sock), _Side(target)
            sides[0].other, sides[1].other = sides[1], sides[0]
            for side in sides:
                side.mask = selectors.EVENT_READ
                self._selector.register(side.sock, side.mask, side)
            # OpenSSL may have taken in the first message with the end of the handshake.
            for side in sides:
                if side.sock.fileno() >= 0:
                    self._serve(side, selectors.EVENT_READ)

    def _serve(self, side: _Side, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                side.flush()
            side.pump()
        except (OSError, EOFError):
            for one in (side, side.other):
                self._selector.unregister(one.sock)
                one.sock.close()
            return
        for one in (side, side.other):
            wanted = one.wanted()
            if wanted != one.mask:
                one.mask = wanted
                self._selector.modify(one.sock, wanted, one)


def main() -> None:
    """Relay until it is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["connect", "accept"])
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--target", type=int, required=True, help="port to connect to")
    parser.add_argument("--certificate", required=True, help="its own, or the one to trust")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    relay = _Relay(options)
    ready(options.port)
    relay.run()


if __name__ == "__main__":
    main()
