"""What a TLS connection of asyncio's takes: 256 kB to read into, for each, from its first moment. A
peer that only connects would cost us that. TLS sends 16 kB at once at the most (RFC 8446 §5.1).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Any

__all__ = ["serve_tls", "shrink"]

#: What is read into, in bytes.
_SIZE = 16_384


class _SmallProtocol(SSLProtocol):
    """The TLS of asyncio, with less to read into."""

    max_size = _SIZE


async def serve_tls(
    loop: asyncio.SelectorEventLoop,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    timeout: float,  # noqa: ASYNC109 - it is asyncio's own
) -> None:
    """Do what `loop.connect_accepted_socket` does with a context; return after the handshake.

    Args:
        loop: The running loop.
        sock: The socket that was accepted.
        protocol: What the connection is given to.
        context: The certificate, and what is asked of the peer's.
        timeout: Seconds for the handshake.

    Raises:
        OSError: The handshake failed.
    """
    done = loop.create_future()
    made: Any = _SmallProtocol  # the types say less than asyncio itself takes
    tls = made(loop, protocol, context, done, server_side=True, ssl_handshake_timeout=timeout)
    pipe, _ = await loop.connect_accepted_socket(lambda: tls, sock)
    try:
        await done
    except BaseException:
        pipe.abort()
        raise


def shrink(pipe: asyncio.Transport) -> None:
    """Have a connection that asyncio has made itself read into less from here on."""
    protocol: Any = getattr(pipe, "_ssl_protocol", None)
    # These are names of asyncio's own; without them all goes on as it was.
    names = ("max_size", "_ssl_buffer", "_ssl_buffer_view")
    if all(hasattr(protocol, name) for name in names) and protocol.max_size > _SIZE:
        protocol.max_size = _SIZE
        protocol._ssl_buffer = bytearray(_SIZE)
        protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)
