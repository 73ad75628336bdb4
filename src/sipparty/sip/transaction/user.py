"""What transactions ask of their users, and users of them.

A *transaction user* (RFC 3261 §5) is whatever stands above a transaction: a dialog, a user agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sipparty.fsm import Timers
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction.timing import Timing

__all__ = ["NOBODY", "ClientUser", "ServerUser", "TransactionHost"]


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


class _Nobody:
    def response_received(self, response: Response) -> None:
        pass

    def transaction_timed_out(self) -> None:
        pass

    def transaction_broken(self, reason: str) -> None:
        pass

    def transaction_over(self) -> None:
        pass


#: The user of what nobody waits for: a CANCEL, and attempts that another has followed.
NOBODY: ClientUser = _Nobody()


class ServerUser(Protocol):
    """Who answers a request by a server transaction."""

    def acknowledged(self, ack: Request) -> None:
        """Take the ACK for a final answer to an INVITE, each time that it comes."""

    def unacknowledged(self) -> None:
        """Take note that none came in 64 * T1 (timer H; §13.3.1.4 for a 2xx that was repeated)."""

    def cancelled(self, cancel: Request) -> None:
        """Take note that the INVITE is to be cancelled; answering it is up to the user."""


class TransactionHost(Protocol):
    """What transactions run in: time, the way out, and the place where they are found."""

    timers: Timers
    timing: Timing
    #: 64 * T1, in seconds.
    patience: float
    tokens: Tokens
    #: Called with what is to be sent and the way.
    transmit: Callable[[tuple[bytes, Flow]], None]
    #: The bytes of what peers sent, and of our answers, that server transactions keep.
    held: int

    def forget(self, key: object, transaction: Any) -> None:
        """Drop a transaction that is over."""
