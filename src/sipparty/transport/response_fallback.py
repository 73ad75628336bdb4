"""Responses whose connection has ended, which go by another one (RFC 3261 §18.2.2).

Laws:

* One goes to where its request came from and the port of its Via. Where that fails it is dropped:
  to look up the Via's host, as §18.2.2 goes on, would have anybody make us connect to any host they
  like.
* There is one attempt at a time for a place, however many responses wait for it; of all that wait,
  one host has a share.
* What is opened for them is apart from the connections that requests go by: whoever has many opened
  throws out his own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sipparty.errors import ParseError
from sipparty.sip.facts import top_via
from sipparty.sip.flow import Flow
from sipparty.sip.message import Response
from sipparty.sip.transports import default_port
from sipparty.transport.pool import ConnectionPool
from sipparty.transport.targets import Target

__all__ = ["ResponseFallback", "WaitingResponses"]

_log = logging.getLogger(__name__)


class ResponseFallback:
    """The responses that wait for a connection, and the connections that were opened for some.

    Args:
        seek: Called with a target, the flow whose connection has ended, and who takes the new one.
        transmit: Sends a message by a flow.
    """

    #: Responses that wait at a time, of all hosts and of one; more are dropped.
    MAX = 64
    MAX_OF_ONE = 32
    #: Connections that are kept; beyond so many, the one idle longest is closed.
    MAX_CONNECTIONS = 32

    def __init__(
        self,
        seek: Callable[[Target, Flow, WaitingResponses], object],
        transmit: Callable[[bytes, Flow], object],
    ) -> None:
        self._seek = seek
        self.transmit = transmit
        self._waiting: dict[Target, WaitingResponses] = {}
        #: What was opened.
        self.pool = ConnectionPool(self.MAX_CONNECTIONS)

    def __len__(self) -> int:
        """How many responses wait."""
        return sum(len(waiting.responses) for waiting in self._waiting.values())

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a response by another connection than its request's; anything else is dropped.

        Args:
            data: What was to be sent.
            flow: The flow whose connection has ended.
        """
        # A WebSocket's client can be reached by its own connection alone (RFC 7118 §5).
        if not data.startswith(b"SIP/2.0 ") or flow.transport not in ("TCP", "TLS"):
            return
        host, transport = flow.remote[0], flow.transport
        try:
            via = top_via(Response.parse(data)._text("via") or "")
            port = via.port or default_port(transport)
        except ParseError:
            return
        target = Target(transport, host, port, via.host if transport == "TLS" else host)
        waiting = self._waiting.get(target)
        if waiting is not None and data in waiting.responses:
            return  # sent again, while the first still waits
        of_one = sum(
            len(other.responses)
            for place, other in self._waiting.items()
            if place.address == target.address
        )
        if of_one >= self.MAX_OF_ONE or len(self) >= self.MAX:
            return
        if waiting is not None:
            waiting.responses.append(data)
            return
        waiting = self._waiting[target] = WaitingResponses(self, target, [data])
        self._seek(target, flow, waiting)

    def over(self, target: Target) -> None:
        """Take note that nothing waits for a place any more."""
        self._waiting.pop(target, None)


@dataclass(eq=False, slots=True)
class WaitingResponses:
    """The responses that wait for a connection to a place, in the order that they came."""

    fallback: ResponseFallback
    target: Target
    responses: list[bytes]

    def flow_found(self, flow: Flow) -> None:
        """Send them."""
        self.fallback.over(self.target)
        for data in self.responses:
            self.fallback.transmit(data, flow)

    def flow_failed(self, reason: str) -> None:
        """Drop them: whoever waits for them has timers."""
        self.fallback.over(self.target)
        _log.debug("Late responses were dropped: %s", reason)
