"""What transactions ask of their users, and users of them.

A *transaction user* (RFC 3261 §5) is whatever stands above a transaction: a dialog, a user agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sipparty.fsm import Timers
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.shares import Share
from sipparty.sip.transaction.timing import Timing

__all__ = ["ClientUser", "ServerUser", "TransactionHost"]


class ClientUser(Protocol):
    """Who sent a request by a client transaction."""

    def response_received(self, response: Response) -> None:
        """Take a response: each provisional one, the first final one, each 2xx to an INVITE."""

    def transaction_timed_out(self) -> None:
        """Take note that no final response came in time (timer B or F)."""

    def transaction_broken(self, reason: str) -> None:
        """Take note that the transport failed."""

    def transaction_over(self) -> None:
        """Take note that nothing can come any more."""


class ServerUser(Protocol):
    """Who answers a request by a server transaction."""

    def acknowledged(self, ack: Request | None) -> None:
        """Take note that a final answer to an INVITE was acknowledged.

        `ack` is None where timer H ended the wait instead.
        """

    def cancelled(self, cancel: Request) -> None:
        """Take note that the INVITE is to be cancelled; answering it is up to the user."""


class TransactionHost(Protocol):
    """What transactions run in: time, the way out, and the place where they are found."""

    timers: Timers
    timing: Timing
    send: Callable[[bytes, Flow], None]
    #: The bytes of what peers sent, and of our answers, that server transactions keep.
    held: int

    def forget(self, key: object, transaction: Any) -> None:
        """Drop a transaction that is over."""

    def release(self, share: Share, size: int) -> None:
        """Count bytes that are kept of a source no more."""
