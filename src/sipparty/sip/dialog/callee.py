"""The side that is called: INVITE in, responses out (RFC 3261 §13.3)."""

from __future__ import annotations

from collections.abc import Iterable

from sipparty.errors import CallFailed
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.dialog.usage import InviteUsage
from sipparty.sip.message import Request
from sipparty.sip.transaction.server import ServerTransaction

__all__ = ["CalledSide"]


class CalledSide(InviteUsage, abstract=True):
    """What a call does where it is called."""

    __slots__ = ()

    def _receive(self, transaction: ServerTransaction, data: DialogState) -> None:
        request = transaction.request
        # Before anything is changed: it may be wrong.
        expires = request.expires
        self.role = "callee"
        self.data = data
        self.endpoint = transaction.flow.endpoint
        self.flow_contact = self.agent.contact(transaction.flow)
        self._incoming = transaction
        self._invite_number = data.remote_seq
        transaction.user = self
        self.core.add_dialog(self)
        if expires:
            self._patience = min(float(expires), self.MAX_PATIENCE)
            self._states_expiry = True

    def _describe(self) -> tuple[bytes, bool]:
        """Return the body of the 2xx, and whether it is an offer."""
        transaction = self._incoming
        assert transaction is not None
        if self.session is None:
            self.session = self.agent.new_session(self, transaction.flow)
        return self._answer_or_offer(transaction.request)

    def _send_progress(self, status: int, reason: str | None) -> None:
        transaction = self._incoming
        assert transaction is not None
        self.progress = status
        transaction.respond(self._response(transaction.request, status, reason))

    def _send_progress_again(self) -> None:
        if self.progress is not None:
            self._send_progress(self.progress, None)

    def _send_acceptance(self, body: bytes, offered: bool) -> None:
        assert self._incoming is not None
        self._accept_invite(self._incoming, body, offered, self._invite_number)
        if self.session is not None and not offered:
            self.session.start()

    def _send_rejection(
        self, status: int, reason: str | None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        transaction = self._incoming
        assert transaction is not None
        assert self.data is not None
        tag = self.data.local_tag
        transaction.respond(transaction.request.response(status, reason, headers, to_tag=tag))

    def _send_487(self, *_: object) -> None:
        # §9.2, and §15.1.2 for a BYE that comes before our answer.
        self._send_rejection(487, None)

    def _refuse_media(self, error: CallFailed) -> None:
        self._send_rejection(error.status or 488, None)

    # ---------------------------------------------------------------- a transaction's user

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL (RFC 3261 §9.2)."""
        self.hear("cancel_received", cancel)

    def acknowledged(self, ack: Request | None) -> None:
        """Take the ACK for a final response; one for a 2xx may come this way (RFC 6026 §7.1)."""
        if ack is not None:
            self.ack_received(ack)
