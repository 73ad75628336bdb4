"""What a connection takes: itself, the message that is not complete, and what waits for its peer to
read it. All of it is counted with the rest of what peers have us hold.

Laws:

* Where a limit leaves no space for it, the connection ends, and gives back at once what it took.
* Who has much waiting is not read from, so that no more comes to wait; and has so long to read most
  of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipparty.sip.transports import SECURE_TRANSPORTS
from sipparty.transport.endpoint import EndpointOwner

__all__ = ["ConnectionMemory"]


class ConnectionMemory:
    """What one connection takes.

    Args:
        owner: The engine, which counts it.
        transport: As a Via header spells it.
        begun: Says how much of a message is here that is not complete, in bytes.
        abort: Ends the connection, for a reason.

    Attributes:
        host: The peer's address.
        behind: Whether more waits for the peer than should.
    """

    #: What a connection takes by itself, in bytes; of TLS most is OpenSSL's.
    OWN = 8192
    OWN_OF_TLS = 65_536

    __slots__ = ("_abort", "_begun", "_due", "_held", "_own", "_owner", "behind", "host")

    def __init__(
        self,
        owner: EndpointOwner,
        transport: str,
        begun: Callable[[], int],
        abort: Callable[[str], object],
    ) -> None:
        self.host = ""
        self.behind = False
        self._owner = owner
        self._own = self.OWN + (self.OWN_OF_TLS if transport in SECURE_TRANSPORTS else 0)
        self._begun = begun
        self._abort = abort
        self._held = 0
        #: What ends the connection of who does not read; None while they do.
        self._due: asyncio.TimerHandle | None = None

    def count(self, pipe: asyncio.Transport | None) -> bool:
        """Have what it takes now be counted; False where it has ended at the limit."""
        if pipe is None:
            return True  # it is over, or has not begun
        held = self._own + self._begun()
        if self.behind:
            held += pipe.get_write_buffer_size()
        more, self._held = held - self._held, held
        if not more or self._owner.hold(self.host, more):
            return True
        # At once: what this one gives back may be what the next one needs.
        self.drop()
        self._abort("the limit leaves no space for what it takes")
        return False

    def fall_behind(self, pipe: asyncio.Transport, seconds: float) -> None:
        """Take note that much waits: within so many seconds it has to be less."""
        if not self.behind:
            self.behind = True
            pipe.pause_reading()
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(seconds, self._abort, "the other side does not read")
            self.count(pipe)

    def catch_up(self, pipe: asyncio.Transport) -> bool:
        """Take note that it is less; False where nothing was held up."""
        if not self.behind:
            return False
        self._read()
        return self.count(pipe)

    def _read(self) -> None:
        self.behind = False
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def drop(self) -> None:
        """Count it no more."""
        self._read()
        held, self._held = self._held, 0
        if held:
            self._owner.hold(self.host, -held)
