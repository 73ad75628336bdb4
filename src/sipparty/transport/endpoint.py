"""What every transport's endpoint is to the engine, and what it calls of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from sipparty.errors import ParseError
from sipparty.sip.flow import Address, Flow
from sipparty.trace import Wire

__all__ = ["Endpoint", "EndpointOwner"]


class EndpointOwner(Protocol):
    """Who has endpoints: the engine. All calls are made on its loop."""

    wire: Wire
    #: Gives a random number from 0 to 1.
    chance: Callable[[], float]

    def messages_received(self, batch: Iterable[tuple[bytes, Flow]]) -> None:
        """Take messages, each with the flow that it came by, and act on them all: once for what was
        read in one go, even if that was no message.
        """

    def stun_received(self, data: bytes, flow: Flow) -> None:
        """Take what came by UDP and has the mark of STUN; `messages_received` follows."""

    def pong_received(self, flow: Flow) -> None:
        """Take note that the peer of a connection answered a ping; `messages_received` follows."""

    def send_failed(self, flow: Flow, reason: str) -> None:
        """Take note that a flow cannot be sent by; `reason` is the system's, in lower case."""

    def malformed_received(self, head: bytes, flow: Flow, error: ParseError) -> None:
        """Take what a stream brought in the place of a message: its head, as far as that is known,
        and what is wrong with it. `messages_received` follows.
        """

    def hold(self, host: str, size: int) -> bool:
        """Count bytes that are kept for a peer, less than nothing for those that are not any more.

        Args:
            host: The peer's address.
            size: How many more.

        Returns:
            Whether the limits have space for them; they are counted in either case.
        """

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """Take note that a connection has ended; nothing can be sent by its flow any more, and
        nothing comes. `reason` is in lower case.
        """


class Endpoint(Protocol):
    """A bound socket, or a connection."""

    #: As a Via header spells it.
    transport: str
    #: What it is bound to.
    address: Address

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message; failures come back by `send_failed`."""

    def close(self) -> None:
        """Give the socket back; may be called more than once."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
