"""An INVITE of theirs, the one that begins a call or a later one: its answer is made, sent until it
is acknowledged, and what the ACK brings is taken (RFC 3261 §13.3, §14.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sipparty.errors import (
    CallFailed,
    NegotiationError,
    ParseError,
    PortsExhausted,
    UsageError,
)
from sipparty.sip.bodies import session_description
from sipparty.sip.dialog.offer_answer import refuse_offer
from sipparty.sip.dialog.outcomes import log_media_fault, media_failure, warning
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallReceived
from sipparty.sip.fields import Field, field
from sipparty.sip.message import Request
from sipparty.sip.transaction.server import InviteServerTransaction
from sipparty.sip.user_headers import given_fields, replaced

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage
    from sipparty.sip.dialog.reliable import ReliableResponses

__all__ = ["ServerInvite", "take_reinvite"]


class ServerInvite:
    """An INVITE to answer, until the answer is acknowledged.

    Args:
        call: The call.
        transaction: The INVITE's transaction.
        state: The dialog.
        initial: Whether it is the one that begins the call.

    Attributes:
        agreed: Whether the first offer was answered, and both sides have that for certain, before
            the 2xx: reliable provisional responses allow it (RFC 3262 §5).
        body: What the 2xx carries, unless a reliable provisional response has carried it before;
            None before that is made.
        describing: Whether that is being made.
        accepting: Whether the 2xx is to be sent as soon as it is.
        accepted: Whether the 2xx was sent.
        early: Whether there is early media.
        fields: What else the 2xx says.
        offered: Whether it carries an offer that was answered.
        responses: The reliable provisional responses to it; None before the first.
        ringing: The provisional response that is to be sent as soon as `body` is there, as its
            status, reason phrase, fields, and whether with media; None for none.
        states_expiry: Whether the call is given up when the caller's own patience is over.
    """

    __slots__ = (
        *("accepted", "accepting", "agreed", "body", "call", "describing", "dialog_state", "early"),
        *("fields", "initial", "offered", "responses", "ringing", "states_expiry", "transaction"),
    )

    def __init__(
        self,
        call: InviteUsage,
        transaction: InviteServerTransaction,
        state: DialogState,
        initial: bool,
    ) -> None:
        self.call = call
        self.transaction = transaction
        self.dialog_state = state
        self.initial = initial
        self.body: bytes | None = None
        self.describing = self.accepting = self.accepted = self.states_expiry = False
        self.early = self.agreed = self.offered = False
        self.responses: ReliableResponses | None = None
        self.fields: list[Field] = []
        self.ringing: tuple[Any, ...] | None = None
        transaction.user = self
        if not initial:
            return
        call.patience = patience = call.agent.patience
        request = transaction.request
        # None where it cannot be read (§8.2), or is RFC 2543's date.
        expires = request.expires if "expires" in (request._index or ()) else None
        if expires:
            # §13.3.1: the caller may have less patience than we have; more is not theirs to ask.
            self.states_expiry = expires <= patience
            call.patience = min(float(expires), patience)

    def describe(self, done: Callable[[], object], failed: Callable[[Exception], object]) -> None:
        """Make what the 2xx carries: the answer, or an offer where the INVITE has none.

        Args:
            done: Called when `body` is there, at once or later.
            failed: Called with what was raised instead.
        """
        call, request = self.call, self.transaction.request
        offers = call.offer_answer

        def made(body: bytes | None) -> None:
            self.describing = False
            self.body = body or b""
            call.core.weigh(self.dialog_state)
            done()

        def not_made(error: Exception) -> None:
            self.describing = False
            failed(error)

        try:
            agent, offer = call.agent, b""
            if agent.open_session is not None and request._body:
                offer = session_description(request, agent.accepts)
            if offers is None and (offer or (self.initial and agent.offers)):
                offers = call.use_session(agent.new_session(call, self.transaction.flow))
        except Exception as error:
            not_made(error)
            return
        if offers is None:
            self.body = b""
            done()
            return
        self.describing = True
        if offer:
            self.offered = True
            offers.make_answer(offer, made, not_made)
        else:
            offers.make_offer("2xx", offers.session.offer, made, not_made)

    def fail(self, error: Exception) -> None:
        """End a call that is not answered yet for what its media raised; the caller gets an answer,
        whatever it is.
        """
        call, transaction = self.call, self.transaction
        status = 500
        if isinstance(error, NegotiationError | ParseError):
            status = error.status
        elif isinstance(error, PortsExhausted):
            call.core.counters["refused"] += 1
            status = 503
        if status == 500 and call.silent:
            # A fault of ours: whose call it would have been has to know.
            call.silent = False
            if call.agent.observed:
                call._emit(CallReceived, transaction.request, transaction.flow)
        what = "The call carries bad media"
        call.hear("media_failed", media_failure(call.name, what, error, status))

    @property
    def offers(self) -> bool:
        """Whether the 2xx carries an offer, so that the ACK has to bring the answer."""
        offers = self.call.offer_answer
        return offers is not None and bool(self.body) and offers.answered_in("ACK")

    # ---------------------------------------------------------------- responses

    def respond(
        self,
        status: int,
        reason: str | None = None,
        given: Sequence[Field] = (),
        body: bytes = b"",
    ) -> None:
        """Send a provisional response or a 2xx (RFC 3261 §12.1.1)."""
        call, contact = self.call, self.dialog_state.contact
        fields = [("contact", contact, f"Contact: {contact}")]
        if body and call.session is not None:
            fields.append(field("Content-Type", call.session.content_type))
        if status >= 200:
            fields += call.agent.capability_fields
            self.accepted = True
            request, agent = self.transaction._request, call.agent
            if (
                call.session_timer is not None
                or agent.session_expires is not None
                or "session-expires" in (request._index or ())  # type: ignore[union-attr]
            ):
                from sipparty.sip.dialog.session_timer import answer_fields

                fields += answer_fields(call, self.transaction.request)
            if self.initial and call.peer_info is not None:
                from sipparty.sip.identity import answer_fields as said

                fields += said(call)
        if call.agent.asserted_identity:
            from sipparty.sip.identity import identity_fields

            # Who is trusted has to know whether others may (RFC 3325 §7).
            privacy = call.privacy or call.agent.privacy
            fields += identity_fields(call.agent, privacy, self.transaction.flow)
        if call.agent.info is not None:
            fields += call.agent.info.answer(call, self.transaction.request)
        if given:
            fields = replaced(fields, given)
        self.transaction.answer(status, reason, fields, body, repeat=True)

    def refuse(
        self, status: int, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Refuse the INVITE."""
        self.transaction.answer(status, reason, given_fields(headers, "contact"))

    def refuse_for(self, error: Exception) -> None:
        """Refuse it for what its media raised."""
        if isinstance(error, NegotiationError | ParseError):
            self.refuse(error.status, None, [warning(error)])
        else:
            log_media_fault(self.call.name, "The media failed", error)
            self.refuse(500)

    def report(
        self,
        status: int,
        reason: str | None,
        fields: Sequence[Field],
        media: bool,
        reliable: bool | None = None,
    ) -> None:
        """Send a provisional response; with media, the answer in it, and begin.

        Reliably where that is asked for here or by the caller; and by default where it carries the
        answer and the caller knows how (RFC 3262).
        """
        self.early = self.early or media
        # An offer cannot stand in a response that may be lost (RFC 3261 §13.2.1).
        body = (self.body or b"") if self.early and not self.offers else b""
        if (
            body
            or reliable
            or self.responses is not None
            or "require" in (self.transaction._request._index or ())  # type: ignore[union-attr]
            or self.call.agent.reliable_provisionals == "required"
        ) and self._report_reliably(status, reason, fields, media, reliable):
            return
        self.respond(status, reason, fields, body)
        if media and body:
            self.call.start_media(early=True)

    def check_reliable(self) -> None:
        """Check that a provisional response can be sent reliably.

        Raises:
            UsageError: It cannot.
        """
        from sipparty.sip.dialog.reliable import caller_says

        if self.call.agent.reliable_provisionals == "off":
            raise UsageError('The party has reliable_provisionals="off".')
        if not caller_says(self.transaction.request):
            raise UsageError(
                "The caller takes no reliable provisional response: its INVITE does not say 100rel"
                " in Supported. Leave reliable out to send one where that can be."
            )

    def _report_reliably(
        self,
        status: int,
        reason: str | None,
        fields: Sequence[Field],
        media: bool,
        reliable: bool | None,
    ) -> bool:
        """Report it reliably, now or later, if it is to be."""
        from sipparty.sip.dialog.reliable import ReliableResponses, caller_says

        call, offers, agent = self.call, self.call.offer_answer, self.call.agent
        says = caller_says(self.transaction.request)
        if reliable is None:
            reliable = agent.reliable_provisionals == "required" or bool(self.early and self.body)
        if says != "required" and not (reliable and says and agent.reliable_provisionals != "off"):
            return False
        if self.body is None and not session_description(self.transaction.request):
            # RFC 3262 §5: the first one to an INVITE without an offer brings it.
            self.ringing = (status, reason, fields, media, reliable)
            call.prepare()
            return True
        responses = self.responses
        if responses is None:
            responses = self.responses = call._responses = ReliableResponses(self)
        body = self.body if (self.early or not self.offered) and self.body else b""
        if not responses.report(status, reason, fields, media, body):
            return True
        if body and offers is not None:
            self.body = b""  # RFC 6337 §3.1.1: it is not said again
            if not self.offered:
                offers.place = "reliable 1xx"
            elif media:
                call.start_media(early=True)
        return True

    def accept(self) -> None:
        """Send the 2xx of an INVITE that begins a call."""
        self.dialog_state.early = False
        if self.responses is not None:
            self.responses.hear("stop")
        self.respond(200, None, self.fields, self.body or b"")

    def refuse_call(self, error: CallFailed) -> None:
        """Refuse a call for what its media raised."""
        cause, headers = error.__cause__, []
        if isinstance(cause, NegotiationError | ParseError):
            headers.append(warning(cause))
        elif isinstance(cause, PortsExhausted):
            headers += self.call.core.refusals.overloaded
            headers.append(("Warning", '399 sipparty "No port is left for media"'))
        self.refuse(error.status or 488, None, headers)

    # ---------------------------------------------------------------- ending before the call is up

    def withdraw(self) -> None:
        """Refuse it for our user."""
        self.transaction.answer(603, None, self.call._hang_up_fields)
        self.call.hit("ended")

    def give_up(self, patience: float) -> str:
        """End it for want of an answer; say so."""
        # RFC 3261 §13.3.1: an invitation that ran out is answered with 487.
        self.refuse(487 if self.states_expiry else 480)
        self.call.ended_by_peer = True
        return f"The call was not answered here within {patience:g} s."

    def ended_by_bye(self) -> None:
        """Take note of a BYE before our answer (§15.1.2)."""
        self.call.ended_by_peer = True
        self.refuse(487)

    # ---------------------------------------------------------------- a transaction's user

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL (RFC 3261 §9.2)."""
        if self.initial:
            self.call.hear("cancel_received", cancel)
        elif not self.accepted:
            self.refuse(487)
            if self.call.offer_answer is not None:
                self.call.offer_answer.hear("roll_back")
            self.call.abandon_invite(self)

    def ack_received(self, ack: Request) -> None:
        """Pass an ACK inside the dialog on to the INVITE's transaction, where it is for its 2xx."""
        facts = ack.facts
        if self.transaction.identity == hash((facts.call_id, facts.number)):
            self.transaction.receive(ack)

    def acknowledged(self, ack: Request) -> None:
        """Take the first ACK for a 2xx, and with it the answer where that carried an offer."""
        if not self.accepted:
            return
        call = self.call
        offers = call.offer_answer is not None and self.offers
        self.transaction.user = None
        if self.dialog_state.half_open:
            self.dialog_state.prove()
        if not self.initial:
            self.dialog_state.follow(self.transaction.flow)
        if not call.invite_acknowledged(self):
            return
        if not offers:
            if self.initial:
                call.media_agreed(True, weigh=False)
            if call._modifications:
                call.proceed()
            return
        assert call.offer_answer is not None
        try:
            answer = session_description(ack)
            if not answer:
                raise NegotiationError("The ACK brings no answer to the offer.")
        except (NegotiationError, ParseError) as error:
            self._fail_media(error)
            return
        call.offer_answer.take_answer(answer, self._agreed, self._fail_media)

    def _agreed(self) -> None:
        self.call.media_agreed(self.initial)
        self.call.proceed()

    def _fail_media(self, error: Exception) -> None:
        what = "The ACK carries bad media"
        self.call.hear("media_failed", media_failure(self.call.name, what, error))

    def unacknowledged(self) -> None:
        """RFC 3261 §13.3.1.4: without an ACK the session ends with a BYE."""
        if not self.accepted:
            return  # it was a failure
        if self.dialog_state.share is not None:
            self.dialog_state.share.doubt()
        self.call.invite_unacknowledged(self)
        error = CallFailed("Our answer was never acknowledged.", 408, "Request Timeout")
        self.call.hear("unacknowledged", error)

    def stop(self) -> None:
        """Send the 2xx no more; answer it where the call has ended first (§15.1.2)."""
        self.transaction.user = None
        if self.responses is not None:
            self.responses.hear("stop")
        if self.accepted:
            self.transaction.stop()
        elif not self.initial:
            self.refuse(487)


def take_reinvite(
    call: InviteUsage,
    transaction: InviteServerTransaction,
    state: DialogState,
    before: ServerInvite | None,
) -> None:
    """Answer a re-INVITE (RFC 3261 §14.2); the session stays as it was unless it agrees.

    Args:
        call: The call.
        transaction: The INVITE's transaction.
        state: The dialog.
        before: The INVITE of theirs before, while that is not acknowledged.
    """
    request, offers = transaction.request, call.offer_answer
    if call.state == "InitiatingDialog" or (before is not None and not before.accepted):
        # §14.2: the INVITE before is not answered yet; try again in 1 to 8 seconds.
        seconds = 1 + call.core.tokens.number(3)
        transaction.answer(500, None, [field("Retry-After", str(seconds))])
        return
    if call.state != "InDialog":
        transaction.answer(481)  # RFC 5407 §3.2.2
        return
    inviting = call.session_timer is not None and call.session_timer.inviting
    inviting = inviting or any(one.inviting for one in call._modifications)
    if inviting:
        transaction.answer(491)
        return
    if offers is not None and not offers.may_offer:
        # §14.2, and RFC 5407 §3.1.5: an offer of ours is not answered yet; RFC 6337 §4.3, UAS-UsI.
        refuse_offer(offers, transaction, call.core.tokens)
        return
    if "session-expires" in (request._index or ()):
        from sipparty.sip.dialog.session_timer import refusal

        headers = refusal(call.agent, request)
        if headers:
            call.agent.refuse(transaction, 422, headers)
            return
    try:
        target = state.new_target(request)
    except ParseError as error:
        transaction.answer(error.status, None, [field(*warning(error))])
        return
    invited = ServerInvite(call, transaction, state, initial=False)
    # Changes of ours that wait for the INVITE before wait for this one too (§14.1).
    call.answer_reinvite(invited)
    if before is not None:
        # RFC 5407 §3.1.4: who sends another INVITE has our 200; its ACK was lost, or is late.
        before.transaction.hear("ack", request)
        if call.state != "InDialog":
            return  # its media could not be started, so the call was hung up

    def done() -> None:
        state.remote_target = target
        state.give_contact(transaction.flow, state.contact.startswith("<sips:"))
        invited.respond(200, None, (), invited.body or b"")
        if not invited.offers:
            # The call stands: its media goes on without a pause (RFC 3264 §8).
            call.media_agreed(False)

    def failed(error: Exception) -> None:
        invited.refuse_for(error)
        call.abandon_invite(invited)

    invited.describe(done, failed)
