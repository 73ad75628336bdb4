"""A request inside a dialog, from being made to its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sipparty.errors import CallFailed, CallTimedOut, UsageError
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.fields import Field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.out_of_dialog import add_contact

if TYPE_CHECKING:
    from sipparty.sip.dialog.dialog import Dialog
    from sipparty.sip.dialog.state import DialogState

__all__ = ["Sender"]


class Sender:
    """The user of a request inside a dialog: makes it, and has what its failure ends end."""

    __slots__ = ("body", "dialog_state", "fields", "method", "usage", "user")

    def __init__(
        self,
        dialog_state: DialogState,
        usage: Dialog,
        user: Any,
        method: str,
        fields: Sequence[Field],
        body: bytes,
    ) -> None:
        self.dialog_state = dialog_state
        self.usage = usage
        self.user = user
        self.method = method
        self.fields = fields
        self.body = body

    # A request's user.

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make it, the first time or again."""
        state, number = self.dialog_state, client_request.number
        if client_request.attempts and self.method != "BYE" and not self.usage._may_send(state):
            raise UsageError("The call has ended meanwhile.")  # nothing follows a BYE (§15)
        if number != state.local_seq:
            number = None  # others have left since, and what is lower would be refused (§12.2.2)
        request = state.request(self.method, self.fields, self.body, number)
        add_contact(request, state.contact_on, flow)
        return request

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Pass a response on, and end what it ends."""
        if self.user is not None:
            self.user.response_received(client_request, response)
        if response._status >= 300 and self.method != "BYE":
            self.dialog_state.refused(self.usage, self.method, rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Pass on that there will be none."""
        if self.user is not None:
            self.user.request_failed(client_request, error)
        if isinstance(error, CallTimedOut) and self.method != "BYE":
            self.dialog_state.refused(self.usage, self.method, error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another target: what is in a dialog does not."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Pass on that nothing more can come."""
        if self.user is not None:
            self.user.request_over(client_request)
