"""The ACK for a 2xx to an INVITE of ours (RFC 3261 §13.2.2.4).

It has no transaction. It is sent once its way is known, and again each time the 2xx comes again;
where no way was found, one is looked for each time instead, since a call that is never acknowledged
is ended by the other side.
"""

from __future__ import annotations

from typing import Any

from sipparty.sip.client_request import ClientRequest
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request
from sipparty.sip.routing import NextHop

__all__ = ["Acknowledgement"]


class Acknowledgement:
    """The ACK of one dialog.

    Args:
        call: The dialog.
        ack: The ACK, without a Via.
        next_hop: Where it goes first.
        invite: The INVITE; None where it is over.

    Attributes:
        failure: Why it could not be sent the last time; "" where it was, or may be yet.
    """

    __slots__ = (
        "_call",
        "_data",
        "_flow",
        "_invite",
        "_next_hop",
        "_request",
        "_seeking",
        "failure",
    )

    def __init__(
        self, call: Any, ack: Request, next_hop: NextHop, invite: ClientRequest | None
    ) -> None:
        self._call = call
        self._request = ack
        self._next_hop = next_hop
        self._invite = invite
        self._data = b""
        self._flow: Flow | None = None
        self._seeking = False
        self.failure = ""

    def send(self) -> None:
        """Send it, the first time or again; nothing while its way is being looked for."""
        core = self._call.core
        if self._flow is not None:
            core.transactions.transmit((self._data, self._flow))
        elif not self._seeking:
            self._seeking = True
            core.locate(self._next_hop, self._call.endpoint, self._call.agent, self)

    def flow_found(self, flow: Flow) -> None:
        """Send it, and keep it for the next time the 2xx comes."""
        core = self._call.core
        self._seeking = False
        self.failure = ""
        invite, self._invite = self._invite, None
        if invite is not None:
            # §13.2.2.4, §22.1: an ACK cannot be challenged, so it brings the INVITE's credentials.
            self._request._fields += invite.credentials_for(flow)
            self._request._index = None
        sent_by = self._call.agent.sent_by(flow)
        core.transactions.put_via(self._request, flow, core.tokens.branch(), sent_by)
        self._flow = flow
        self._data = data = bytes(self._request)
        core.transactions.transmit((data, flow))

    def flow_failed(self, reason: str) -> None:
        """Take note that there is no way now."""
        self._seeking = False
        self.failure = reason
