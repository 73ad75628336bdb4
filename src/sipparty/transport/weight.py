"""What a connection takes: itself, the message that is not complete, and what waits for its peer to
read it. All of it is counted with the rest of what peers have us hold.

Laws:

* Where there is no room for it, the connection ends, and gives back at once what it took.
* Who has much waiting is not read from, so that no more comes to wait; and has so long to read most
  of it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from sipparty.sip.flow import Address
from sipparty.transport.endpoint import EndpointOwner

__all__ = ["Weight", "Weighty"]


class Weighty(Protocol):
    """A connection."""

    owner: EndpointOwner
    transport: str
    remote: Address
    #: Whether no more can be sent.
    closed: bool

    def begun(self) -> int:
        """Return how much of a message is here that is not complete, in bytes."""

    def abort(self, reason: str = "") -> None:
        """End the connection at once."""


class Weight:
    """What one connection takes.

    Args:
        connection: The connection.
    """

    #: What a connection takes by itself, in bytes; of TLS most is OpenSSL's.
    OWN = 8192
    OWN_OF_TLS = 65_536

    __slots__ = ("_connection", "_due", "_held")

    def __init__(self, connection: Weighty) -> None:
        self._connection = connection
        self._held = 0
        #: What ends the connection of who does not read; None while they do.
        self._due: asyncio.TimerHandle | None = None

    @property
    def behind(self) -> bool:
        """Whether more waits for the peer than should."""
        return self._due is not None

    def count(self, pipe: asyncio.Transport | None) -> bool:
        """Have what it takes now be counted; False where it has ended for want of room."""
        connection = self._connection
        if pipe is None:
            return True  # it is over, or has not begun
        held = self.OWN + connection.begun()
        if connection.transport in ("TLS", "WSS"):
            held += self.OWN_OF_TLS
        if self._due is not None:
            held += pipe.get_write_buffer_size()
        more, self._held = held - self._held, held
        if not more or connection.owner.hold(connection.remote[0], more):
            return True
        # At once: what this one gives back may be what the next one needs.
        self.drop()
        connection.abort("there is no room for what it takes")
        return False

    def fall_behind(self, pipe: asyncio.Transport, seconds: float) -> None:
        """Take note that much waits: within so many seconds it has to be less."""
        if self._due is None:
            pipe.pause_reading()
            loop = asyncio.get_running_loop()
            reason = "the other side does not read"
            self._due = loop.call_later(seconds, self._connection.abort, reason)
            self.count(pipe)

    def catch_up(self, pipe: asyncio.Transport) -> None:
        """Take note that it is less."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
            self.count(pipe)
            if not self._connection.closed:
                pipe.resume_reading()

    def drop(self) -> None:
        """Count it no more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        held, self._held = self._held, 0
        if held:
            self._connection.owner.hold(self._connection.remote[0], -held)
