"""What transactions ask of their users, and users of them.

A *transaction user* (RFC 3261 §5) is whatever stands above a transaction: a dialog, a user agent.
"""

from __future__ import annotations

from typing import Protocol

from sipparty.sip.message import Request, Response

__all__ = ["NOBODY", "ClientUser", "ServerUser"]


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
    def _ignore(self, *_: object) -> None:
        pass

    response_received = transaction_timed_out = transaction_broken = transaction_over = _ignore


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
