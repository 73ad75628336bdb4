"""The ACK for a 2xx to an INVITE of ours (RFC 3261 §13.2.2.4).

It has no transaction. It is sent once its flow is known, and again each time the 2xx comes again;
where no flow was found, one is looked for each time instead, since a call that is never
acknowledged is ended by the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.sip.bodies import SDP
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = ["Acknowledgement"]


class Acknowledgement:
    """The ACK of one 2xx.

    Args:
        usage: The call.
        state: The dialog that the 2xx has made, or was sent in.
        invite: The INVITE.
        number: Its CSeq number.

    Attributes:
        body: The answer that it carries, where the 2xx brought an offer.
        failure: Why it could not be sent the last time; "" where it was, or may be yet.
    """

    __slots__ = (
        *("_data", "_flow", "_invite", "_number", "_request", "_seeking", "body", "failure"),
        *("state", "usage"),
    )

    def __init__(
        self, usage: InviteUsage, state: DialogState, invite: ClientRequest | None, number: int
    ) -> None:
        self.usage = usage
        self.state = state
        self.body = b""
        self.failure = ""
        self._invite = invite
        self._number = number
        self._request: Request | None = None
        self._data = b""
        self._flow: Flow | None = None
        self._seeking = False

    def complete(self) -> None:
        """Send it for the first time: what it carries is known."""
        fields: list[Field] = [*self.usage.more_fields.get("ACK", ())]
        if self.body:
            session = self.usage.session
            kind = SDP if session is None else session.content_type
            fields.append(field("Content-Type", kind))
        self._request = self.state.request("ACK", fields, self.body, self._number)
        self.send()

    def send(self) -> None:
        """Send it, again as a rule; nothing before it is complete, or while its flow is sought."""
        core = self.usage.core
        if self._flow is not None:
            core.transactions.transmit((self._data, self._flow))
        elif self._request is not None and not self._seeking:
            self._seeking = True
            state = self.state
            core.locate(state.next_hop(), state.endpoint, self.usage.agent, self)

    def flow_found(self, flow: Flow) -> None:
        """Send it, and keep it for the next time the 2xx comes."""
        core, request = self.usage.core, self._request
        assert request is not None
        self._seeking = False
        self.failure = ""
        invite, self._invite = self._invite, None
        if invite is not None:
            # §13.2.2.4, §22.1: an ACK cannot be challenged, so it brings the INVITE's credentials.
            request._fields += invite.credentials_for(flow)
            request._index = None
        sent_by = self.usage.agent.sent_by(flow)
        core.transactions.put_via(request, flow, core.tokens.branch(), sent_by)
        self._flow = flow
        self._data = data = bytes(request)
        core.transactions.transmit((data, flow))

    def flow_failed(self, reason: str) -> None:
        """Take note that there is no flow now."""
        self._seeking = False
        self.failure = reason
