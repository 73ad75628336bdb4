"""The side that is called: INVITE in, responses out (RFC 3261 §13.3)."""

from __future__ import annotations

from collections.abc import Iterable

from sipparty.errors import CallFailed, NegotiationError, ParseError, PortsExhausted
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.dialog.usage import InviteUsage, warning
from sipparty.sip.events import CallReceived
from sipparty.sip.transaction.server import InviteServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS

__all__ = ["CalledSide"]


class CalledSide(InviteUsage, abstract=True):
    """What a call does where it is called."""

    __slots__ = ()

    def _receive(self, transaction: InviteServerTransaction, data: DialogState) -> None:
        flow = transaction.flow
        self.role = "callee"
        self.dialog_state = data
        self.endpoint = flow.endpoint
        secure = flow.transport in SECURE_TRANSPORTS and data.wants_secure_contact
        self.flow_contact = self.agent.contact(flow, secure)
        self._incoming = transaction
        transaction.user = self
        self.core.add_dialog(self)
        self._patience = self.agent.patience
        # None where it cannot be read (§8.2), or is RFC 2543's date.
        expires = transaction.request.expires
        if expires:
            # §13.3.1: the caller may have less patience than we have; more is not theirs to ask.
            self._states_expiry = expires <= self._patience
            self._patience = min(float(expires), self._patience)

    def prepare(self) -> bool:
        """Judge the offer and make the answer, before anybody is told of the call."""
        try:
            self._prepared = self._describe()
        except (NegotiationError, ParseError) as error:
            self._fail_media(error, error.status)
            return False
        except PortsExhausted as error:
            self.core.counters["refused"] += 1
            self._fail_media(error, 503)
            return False
        except Exception as error:
            # A fault of ours: whose call it would have been has to know.
            if self.silent:
                self.silent = False
                transaction = self._incoming
                assert transaction is not None
                flow = transaction.flow
                if self.agent.observed:
                    self._emit(CallReceived, transaction.request, flow)
            self._fail_media(error, 500)
            return False
        return True

    def _fail_media(self, error: Exception, status: int) -> None:
        """Refuse the call for what its media raised: the caller gets an answer, whatever it is."""
        failure = CallFailed(f"The call carries bad media: {error}", status)
        failure.__cause__ = error
        self.hit("media_failed", failure)

    def _describe(self) -> tuple[bytes, bool]:
        """Return the body of the 2xx, and whether it is an offer."""
        transaction = self._incoming
        assert transaction is not None
        if self.session is None:
            self.session = self.agent.new_session(self, transaction.flow)
        described = self._answer_or_offer(transaction.request)
        if self.session is not None and getattr(self.session, "size", None):
            self.core.weigh(self)
        return described

    def _send_progress(self, status: int, reason: str | None) -> None:
        transaction = self._incoming
        assert transaction is not None
        contact = self.flow_contact
        transaction.answer(status, reason, [("contact", contact, f"Contact: {contact}")])
        self.progress = status

    def _send_progress_again(self) -> None:
        if self.progress is not None:
            self._send_progress(self.progress, None)

    def _send_acceptance(self, body: bytes, offered: bool) -> None:
        assert self._incoming is not None
        # What comes from here on is received; nothing is sent before the ACK, as it is the first
        # to show that anybody is there.
        self._accept_invite(self._incoming, body, offered)

    def _send_rejection(
        self, status: int, reason: str | None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        transaction = self._incoming
        assert transaction is not None
        tag = transaction.tag
        transaction.respond(transaction.request.response(status, reason, headers, to_tag=tag))

    def _send_487(self, *_: object) -> None:
        # §9.2, and §15.1.2 for a BYE that comes before our answer.
        self._ended_by_peer = True
        self._send_rejection(487, None)

    def _refuse_media(self, error: CallFailed) -> None:
        cause, headers = error.__cause__, []
        if isinstance(cause, NegotiationError | ParseError):
            headers.append(warning(cause))
        elif isinstance(cause, PortsExhausted):
            headers += self.core.refusals.overloaded
        self._send_rejection(error.status or 488, None, headers)
