"""What both sides of a call share: what they hold, hanging up, and requests inside the call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sipparty.errors import CallFailed, NegotiationError, ParseError
from sipparty.sip.bodies import session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.dialog import Dialog, DialogAgent, rejection
from sipparty.sip.dialog.session import at_once
from sipparty.sip.events import CallEnded, CallEstablished
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.multipart import Part
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.server import InviteServerTransaction, ServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS

__all__ = ["InviteUsage", "warning"]

_log = logging.getLogger(__name__)


class InviteUsage(Dialog, abstract=True):
    """A dialog's INVITE usage (RFC 5057): what a call holds, and how it ends.

    Attributes:
        progress: The last provisional status received or sent, such as 180; None before one.
        session: The media session; None where there is none.
        forks: Further dialogs that the same INVITE made (RFC 3261 §13.2.2.4).
    """

    __slots__ = (
        "_ack",
        "_ack_body",
        "_early_tag",
        "_ended_by_peer",
        "_hang_up_due",
        "_headers",
        "_incoming",
        "_invite_number",
        "_late_offer",
        "_media_flow",
        "_next_hop",
        "_offer",
        "_offered",
        "_outgoing",
        "_parts",
        "_patience",
        "_prepared",
        "_states_expiry",
        "_unacknowledged",
        "forks",
        "progress",
    )

    #: How long a call may stay unanswered where nobody says otherwise, in seconds. It is as long as
    #: the shortest timer C of the proxies between (RFC 3261 §16.6).
    PATIENCE = 180.0

    def __init__(self, agent: DialogAgent) -> None:
        self._patience = self.PATIENCE
        super().__init__(agent)
        self.progress: int | None = None
        self.forks: tuple[Any, ...] = ()
        self._outgoing: ClientRequest | None = None
        self._incoming: InviteServerTransaction | None = None
        #: The INVITE whose 2xx is not acknowledged yet, and whether that carries an offer.
        self._unacknowledged: InviteServerTransaction | None = None
        self._offered = False
        self._hang_up_due = False
        self._headers: Sequence[Field] = ()
        self._parts: tuple[Part, ...] = ()
        self._invite_number = 0
        self._next_hop: NextHop | None = None
        self._offer: bytes | None = None
        self._late_offer = False
        self._media_flow: Flow | None = None
        self._early_tag: str | None = None
        self._ack: Acknowledgement | None = None
        self._ack_body = b""
        #: The answer, and whether it is an offer, where it was made before the call was told of.
        self._prepared: tuple[bytes, bool] | None = None
        #: Whether the other side, or its patience or ours, has ended the call, and no verb.
        self._ended_by_peer = False
        self._states_expiry = False

    # ---------------------------------------------------------------- delays

    @property
    def patience(self) -> float:
        """How long the call may stay unanswered, in seconds."""
        return self._patience

    @property
    def ringing_interval(self) -> float | None:
        """RFC 3261 §13.3.1.1: who was called says every minute that it still takes its time."""
        # What is answered as it comes does not ring for long.
        return None if self._incoming is None or self.agent.auto_answer else 60.0

    @property
    def cancel_patience(self) -> float | None:
        """RFC 3261 §9.1: a cancelled INVITE that nobody answers is over after 64 * T1."""
        client_request = self._outgoing
        if client_request is None or client_request.finished:
            return None
        return self.core.transactions.timing.transaction

    # ---------------------------------------------------------------- the end

    def _note_error(self, error: CallFailed, *_: object) -> None:
        # What went wrong first is what the user has to know; the rest follows from it.
        if self.last_error is None:
            self.last_error = error

    def _hang_up(self, *_: object) -> None:
        # RFC 3261 §15: the side that was called waits for the ACK before it sends BYE.
        if self._unacknowledged is None:
            self._send_bye()
        else:
            self._hang_up_due = True

    def _hang_up_after_all(self, *_: object) -> None:
        if self._hang_up_due:
            self._hang_up_due = False
            self._send_bye()

    def _send_bye(self) -> None:
        data = self.dialog_state
        if data is None or data.proven or data.back is None:
            self._send_request("BYE")
            return
        # Nothing shows that anybody is there: they are told once, and not waited for.
        transactions = self.core.transactions
        bye = data.request("BYE", [])
        sent_by = self.agent.sent_by(data.back)
        transactions.put_via(bye, data.back, self.core.tokens.branch(), sent_by)
        transactions.transmit((bytes(bye), data.back))
        self.hear("ended" if self.last_error is None else "ended_in_error")

    def _hung_up(self, response: Response) -> None:
        # RFC 3261 §15.1.1: a 481 says that the call is over there, which is what was asked for.
        if response.status < 300 or response.status == 481:
            self.hear("ended" if self.last_error is None else "ended_in_error")
        else:
            self.hear("hang_up_failed", rejection(response))

    def on_enter_Terminated(self) -> None:
        """Let everything go."""
        self._close()

    def on_enter_Error(self) -> None:
        """Let everything go."""
        self._close()

    def _close(self) -> None:
        self.core.remove_dialog(self)
        if self._unacknowledged is not None:
            self._unacknowledged.user = None
            self._unacknowledged.stop()
            self._unacknowledged = None
        self._incoming = self._prepared = None
        self._headers = self._parts = ()
        if self.session is not None:
            try:
                self.session.stop()
            except Exception:
                # The call is over all the same, and who waits for its end is told.
                _log.exception("The media of %s could not be ended.", self.name)
        if self.agent.observed and not self.silent:
            self._emit(CallEnded, self.last_error)

    def give_up(self, error: CallFailed) -> None:
        """End the call at once, whatever is under way in it: nothing can be sent any more."""
        self.hear("given_up", error)

    def abandon(self, error: Exception) -> None:
        """End the call because of a defect; the caller is told 500, if nothing was answered yet."""
        failure = CallFailed(f"The call could not be taken: {error}", 500)
        failure.__cause__ = error
        try:
            self.hear("media_failed", failure)
        finally:
            if self.state in ("Initial", "InitiatingDialog"):
                self.core.remove_dialog(self)  # not even that could be done

    # ---------------------------------------------------------------- a transaction's user

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL (RFC 3261 §9.2)."""
        self.hear("cancel_received", cancel)

    def acknowledged(self, ack: Request) -> None:
        """Take the first ACK for a 2xx, and with it the answer where that carried an offer."""
        transaction = self._unacknowledged
        if transaction is None:
            return
        first = self._incoming is not None
        share = self.share
        if self.half_open and share is not None:
            self.half_open = False
            share.half_open -= 1
            share.prove()
        transaction.user = None
        self._unacknowledged = self._incoming = None
        if not first:
            self._follow(transaction.flow)
        if self._hang_up_due:
            self._hang_up_after_all()  # an answer that came with the ACK is of no use any more
            return
        if self._offered and self.session is not None:
            try:
                answer = session_description(ack)
                if not answer:
                    raise NegotiationError("The ACK brings no answer to the offer.")
                at_once(self.session.accept(answer))
            except Exception as error:
                if not isinstance(error, NegotiationError | ParseError):
                    _log.exception("The media of %s could not be agreed on.", self.name)
                failure = CallFailed(f"The ACK carries bad media: {error}", 488)
                failure.__cause__ = error
                self.hear("media_failed", failure)
                return
            self.core.weigh(self)
        if first or self._offered:
            self._start_media()
        if first and self.agent.observed and self.state == "InDialog":
            self._emit(CallEstablished)

    # ---------------------------------------------------------------- requests inside the call

    def ack_received(self, ack: Request) -> None:
        """Take the ACK for a 2xx of ours."""
        if self.dialog_state is not None:
            # It knows our tag, which was told to that address alone.
            self.dialog_state.proven = True
        transaction, facts = self._unacknowledged, ack.facts
        if transaction is not None and transaction.identity == hash((facts.call_id, facts.number)):
            transaction.receive(ack)

    def _renew_contact(self, flow: Flow) -> None:
        """Tell the peer where we are reached from the flow of its re-INVITE, which may be another;
        by a `sips:` URI where it was one (RFC 3261 §12.1.1).
        """
        secure = flow.transport in SECURE_TRANSPORTS and self.flow_contact.startswith("<sips:")
        self.flow_contact = self.agent.contact(flow, secure)

    def _follow(self, flow: Flow) -> None:
        """Send requests by the way that a re-INVITE came, once its sender has acknowledged what
        went back there: a peer may move to another address or connection (RFC 3261 §12.2.2).
        """
        data = self.dialog_state
        if data is not None and data.back is not None and flow != data.back:
            data.back = flow
            self.endpoint = flow.endpoint

    def unacknowledged(self) -> None:
        """RFC 3261 §13.3.1.4: without an ACK the session ends with a BYE."""
        if self._unacknowledged is None:
            return  # it was a failure
        self._unacknowledged = self._incoming = None
        if self.share is not None:
            self.share.doubt()
        self.hear(
            "unacknowledged",
            CallFailed("Our answer was never acknowledged.", 408, "Request Timeout"),
        )

    def _take_bye(self, transaction: ServerTransaction) -> None:
        # RFC 5407 §3.2.1: also while a BYE of our own is under way.
        self._ended_by_peer = True
        transaction.answer(200)
        if self.state == "TerminatingDialog" and self.last_error is not None:
            self.hear("ended_in_error")
        else:
            self.hear("bye_received", transaction)

    def _take_options(self, transaction: ServerTransaction) -> None:
        self.agent.answer_options(transaction)

    def _take_reinvite(self, transaction: InviteServerTransaction) -> None:
        """Answer a re-INVITE (RFC 3261 §14.2); the session stays as it was unless it agrees."""
        request = transaction.request
        if self.state == "InitiatingDialog":
            # §14.2: the first INVITE is not answered yet; try again in 1 to 8 seconds.
            seconds = 1 + self.core.tokens.number(3)
            transaction.answer(500, None, [field("Retry-After", str(seconds))])
            return
        if self.state != "InDialog":
            transaction.answer(481)  # RFC 5407 §3.2.2
            return
        accepted = self._unacknowledged
        if accepted is not None:
            if self._offered:
                # RFC 5407 §3.1.5: our offer is not answered yet.
                transaction.answer(491)
                return
            # RFC 5407 §3.1.4: who sends another INVITE has our 200; its ACK was lost, or is late.
            accepted.hear("ack", request)
        try:
            target = self._new_target(request)
            body, offered = self._answer_or_offer(request)
        except (NegotiationError, ParseError) as error:
            transaction.answer(error.status, None, [field(*warning(error))])
            return
        assert self.dialog_state is not None
        self.dialog_state.remote_target = target
        self._renew_contact(transaction.flow)
        self._accept_invite(transaction, body, offered)
        if self.session is not None:
            self.core.weigh(self)
            if not offered:
                # The call stands: its media goes on without a pause (RFC 3264 §8).
                self._start_media()

    def _start_media(self) -> None:
        """Begin the media, or go on as was agreed anew; the call ends where that cannot be."""
        if self.session is None:
            return
        try:
            self.session.start()
        except Exception as error:
            _log.exception("The media of %s could not be started.", self.name)
            failure = CallFailed(f"The media could not be started: {error}")
            failure.__cause__ = error
            self.hear("media_failed", failure)

    def _answer_or_offer(self, invite: Request) -> tuple[bytes, bool]:
        """Return the body of a 2xx to an INVITE, and whether it is an offer."""
        session = self.session
        if session is None:
            return b"", False
        offer = session_description(invite, self.agent.accepts)
        if offer:
            return at_once(session.answer(offer)), False
        body = at_once(session.offer())
        return body or b"", body is not None

    def _accept_invite(
        self, transaction: InviteServerTransaction, body: bytes, offered: bool
    ) -> None:
        """Answer an INVITE with 200, and see that it is acknowledged."""
        contact = self.flow_contact
        fields = [("contact", contact, f"Contact: {contact}"), *self.agent.capability_fields]
        if body and self.session is not None:
            fields.append(field("Content-Type", self.session.content_type))
        transaction.user = self
        self._unacknowledged, self._offered = transaction, offered
        transaction.answer(200, None, fields, body, repeat=True)


def warning(error: Exception) -> tuple[str, str]:
    """Return a Warning header that says in words why a request is refused (RFC 3261 §20.43)."""
    text = "".join(
        char if char.isprintable() and char not in '"\\' else "'" for char in str(error)[:200]
    )
    code = error.warning if isinstance(error, NegotiationError) else 399
    return "Warning", f'{code} sipparty "{text}"'
