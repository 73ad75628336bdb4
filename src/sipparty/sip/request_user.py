"""What a request of ours asks of its user, and of the core that sends it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

from sipparty.errors import CallFailed
from sipparty.fsm import Timers
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.policy import Policy
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.layer import TransactionLayer
from sipparty.sip.wanted import FlowUser

if TYPE_CHECKING:
    from sipparty.sip.client_request import ClientRequest

__all__ = ["RequestHost", "RequestUser"]


class RequestHost(Protocol):
    """What sends requests: the core."""

    timers: Timers
    transactions: TransactionLayer
    policy: Policy

    def locate(
        self,
        next_hop: NextHop,
        endpoint: Hashable,
        agent: object,
        user: FlowUser,
        *,
        reliable: bool = False,
        tried: tuple[tuple[str, str, int], ...] = (),
    ) -> None:
        """Ask for a flow, as `FlowWanted` does."""

    def target_failed(self, flow: Flow, agent: object, retry_after: float | None) -> None:
        """Have others go elsewhere for a while (RFC 3263 §4.3).

        `retry_after` is what its 503 asked for, in seconds.
        """


class RequestUser(Protocol):
    """Who sends a request."""

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request | None:
        """Make the request for the flow that it takes: without a Via, its CSeq right; None to do so
        when `flow_found` is called once more.
        """

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response."""

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be no response."""

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another target: `client_request.target` (RFC 3261 §8.1.3.4)."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of it, not even a response sent again."""
