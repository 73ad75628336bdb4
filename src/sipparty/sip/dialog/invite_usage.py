"""The INVITE usage of a dialog (RFC 5057): what a call does. `SimpleCall` is its handle, and has
the table whose actions these are.

An INVITE of ours that begins a call is a `ClientInvite`, one of theirs a `ServerInvite`, a change
inside of it a `Modification`; offers and answers are an `OfferAnswer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sipparty.errors import CallFailed, CallTimedOut
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.invite_client import ClientInvite
from sipparty.sip.dialog.invite_server import ServerInvite, take_reinvite
from sipparty.sip.dialog.modification import Modification, begin_first, change
from sipparty.sip.dialog.offer_answer import OfferAnswer
from sipparty.sip.dialog.outcomes import end_media, media_failure, rejection
from sipparty.sip.dialog.record import Cause, error_fields, stated_cause
from sipparty.sip.dialog.session import Session
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallHeld,
    CallProgressed,
    CallResumed,
    MediaChanged,
)
from sipparty.sip.fields import Field
from sipparty.sip.message import Request, Response
from sipparty.sip.transaction.server import InviteServerTransaction, ServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog.session_timer import SessionTimer

__all__ = ["InviteUsage"]


class InviteUsage(Dialog, abstract=True):
    """A call, without its verbs.

    Attributes:
        progress: The last provisional status received or sent, such as 180; None before one.
        session: The media session; None where there is none.
        forks: Further calls that the same INVITE made (RFC 3261 §13.2.2.4).
        offer_answer: The offers and answers of the session; None where there is none.
        patience: How long the call may stay unanswered, in seconds.
        held: Whether we hold the other side.
        held_by_peer: Whether the other side holds us.
        session_timer: The session timer (RFC 4028); None where there was never one.
    """

    __slots__ = (
        *("_hang_up_fields", "_hang_up_due", "_invite", "_invited", "_modifications"),
        *("_responses", "_stated"),
        *("_steps", "ended_by_peer", "forks", "held", "held_by_peer", "offer_answer", "patience"),
        *("progress", "session_timer", "updating"),
    )

    #: How long a call may stay unanswered where nobody says otherwise, in seconds. It is as long as
    #: the shortest timer C of the proxies between (RFC 3261 §16.6).
    PATIENCE = 180.0
    #: Further dialogs that one INVITE makes; beyond it a 2xx is left without an ACK, and who sent
    #: it gives up by itself (RFC 3261 §13.3.1.4). Protects against a peer that never ends.
    MAX_FORKS = 32
    #: Steps that are kept.
    MAX_STEPS = 32

    #: What Max-Forwards of its INVITE says (RFC 3261 §8.1.1.6); less where it continues another.
    max_forwards = 70

    #: What each ACK and PRACK says besides, by method.
    more_fields: Mapping[str, Sequence[Field]] = {}

    methods = {
        "BYE": "_take_bye",
        "INVITE": "_take_reinvite",
        "OPTIONS": "_take_options",
        "PRACK": "_take_prack",
        "UPDATE": "_take_update",
    }
    essential = frozenset({"INVITE"})

    def __init__(self, agent: UserAgent) -> None:
        self.patience = self.PATIENCE
        super().__init__(agent)
        self.progress: int | None = None
        self.forks: tuple[Any, ...] = ()
        self.offer_answer: OfferAnswer | None = None
        #: The `ClientInvite` that began the call, while answers to it may come.
        self._invite: Any = None
        #: The last `ServerInvite`, until its 2xx is acknowledged.
        self._invited: Any = None
        #: The reliable provisional responses to the INVITE that began the call; None for none.
        self._responses: Any = None
        self._hang_up_due = False
        #: Whether the other side, or its patience or ours, has ended the call, and no verb.
        self.ended_by_peer = False
        self.held = self.held_by_peer = False
        self._modifications: tuple[Modification, ...] = ()
        #: The transaction of an UPDATE whose answer is being made; None for none.
        self.updating: ServerTransaction | None = None
        self.session_timer: SessionTimer | None = None
        #: Time, state and input of each step, one after the other.
        self._steps: tuple[Any, ...] = ()
        #: What the message that ended the call has said of why, and what ours is to say.
        self._stated: Cause | None = None
        self._hang_up_fields: Sequence[Field] = ()

    def on_transition(self, old: str, input: str, new: str) -> None:
        """Keep the step."""
        steps = self._steps
        if steps[-2:] != (new, input) and len(steps) < 3 * self.MAX_STEPS and old not in self.final:
            self._steps = (*steps, self.core.timers.now, new, input)
        for one in self.followers:
            one.call_moved(self, input, new)

    def _may_send(self, state: DialogState) -> bool:
        # §12.1: an early dialog has begun where the response that makes it was sent or received.
        begun = not state.early or self.role == "caller" or (self.progress or 0) > 100
        return begun and self.state in ("InDialog", "InitiatingDialog") and self in state.usages

    # ---------------------------------------------------------------- delays

    @property
    def ringing_interval(self) -> float | None:
        """RFC 3261 §13.3.1.1: who was called says every minute that it still takes its time."""
        # What is answered as it comes does not ring for long.
        return None if self._invited is None or self.agent.auto_answer else 60.0

    @property
    def cancel_patience(self) -> float | None:
        """RFC 3261 §9.1: a cancelled INVITE that nobody answers is over after 64 * T1."""
        if self._invite is None or self._invite.request.finished:
            return None
        return float(self.core.transactions.timing.transaction)

    # ---------------------------------------------------------------- media

    def use_session(self, session: Session | None) -> OfferAnswer | None:
        """Have the call's media in a session; return its offers and answers, none of them open."""
        self.session = session
        offers = self.offer_answer
        if offers is not None:
            offers.hit("close")
        self.offer_answer = None if session is None else OfferAnswer(session, self.core.timers)
        return self.offer_answer

    def start_media(self, early: bool = False) -> None:
        """Begin the media, or go on as was agreed anew; the call ends where that cannot be."""
        if self.session is None:
            return
        try:
            self.session.start(**({"early": True} if early else {}))
        except Exception as error:
            what = "The media could not be started"
            self.hear("media_failed", media_failure(self.name, what, error))

    # ---------------------------------------------------------------- calling

    def _start(self, *arguments: Any) -> None:
        self._invite = invite = ClientInvite(self, *arguments)
        self.role = "caller"
        self.dialog_state = invite.template
        self.agent.dialogs[self] = None
        invite.request.start()

    def _note_progress(self, response: Response) -> None:
        status = response.status
        if status > 100:
            if not self._invite.note_progress(response):
                return
            if self.agent.observed:
                self._emit(CallProgressed, response)
        self.progress = status

    def _establish(self, state: DialogState) -> None:
        self.acknowledge(state)
        self.media_agreed(True)

    def _become_fork(self, state: DialogState, invite: ClientInvite) -> None:
        self.role = "caller"
        self._invite = invite
        self.acknowledge(state)

    def acknowledge(self, state: DialogState) -> None:
        """Become the dialog that a 2xx makes, and acknowledge it."""
        if self.state in self.final:
            self.dialog_state = state  # it takes no requests any more; our BYE is all that is left
        elif self not in state.usages:
            self.join(state)
        self._invite.acknowledge(state)

    def acknowledge_and_hang_up(self, *arguments: Any) -> None:
        """Acknowledge a 2xx that nobody wants any more, and hang up."""
        self.acknowledge(arguments[-1])  # of "success" and "unusable" alike, the dialog is last
        self._send_bye()

    # ---------------------------------------------------------------- being called

    def _receive(self, transaction: InviteServerTransaction, state: DialogState) -> None:
        self.role = "callee"
        state.endpoint = transaction.flow.endpoint
        self.join(state)
        secure = transaction.flow.transport in SECURE_TRANSPORTS and state.wants_secure_contact
        state.give_contact(transaction.flow, secure)
        self._invited = ServerInvite(self, transaction, state, initial=True)

    def prepare(self) -> bool:
        """Judge the offer and make the answer, before any event is made of the call."""
        invited = self._invited
        if not invited.describing:
            invited.describe(self._prepared, invited.fail)
        return self.state in ("InitiatingDialog", "InDialog")

    def _prepared(self) -> None:
        invited = self._invited
        if invited is None:
            return
        if invited.ringing is not None:
            self.hear("ring", *invited.ringing)
        if invited.accepting:
            # What rings may have to be acknowledged first.
            self.hear("accept" if invited.ringing is None else "ready")

    def _accept_when_ready(self) -> None:
        if self.may_accept:
            self.hear("accept")

    @property
    def may_accept(self) -> bool:
        """Whether the 2xx may be sent now: RFC 3262 §3 has it wait for some PRACKs."""
        invited = self._invited
        return invited.body is not None and not (
            invited.responses is not None and invited.responses.delays_answer
        )

    def _is_answerable(self, input: str) -> bool:
        """Whether it is a call to answer, and not answered yet; False where the other side has
        ended it, which who decides on it cannot have known: losing that race is no error.

        Raises:
            UnexpectedInput: It is not.
        """
        if self._invited is not None and self.takes(input):
            return True
        if self.role == "callee" and self.ended_by_peer:
            return False
        raise self._unexpected(input)

    def _send_progress(
        self,
        status: int | None = None,
        reason: str | None = None,
        fields: Sequence[Field] = (),
        media: bool = False,
        reliable: bool | None = None,
    ) -> None:
        status = status or self.progress  # which is sent again
        if status is not None:
            self._invited.report(status, reason, fields, media, reliable)
            self.progress = status

    def _send_acceptance(self) -> None:
        # What comes from here on is received; unless it is early media, nothing is sent before the
        # ACK, as it is the first to show that anybody is there.
        self._invited.accept()

    def _send_rejection(self, status: int, reason: str | None, fields: Sequence[Field]) -> None:
        self._invited.transaction.answer(status, reason, fields)

    def _send_487(self, cancel: Request) -> None:
        self._stated = stated_cause(cancel)
        self._invited.ended_by_bye()  # §9.2: as by a BYE

    def _refuse_media(self, error: CallFailed) -> None:
        if self._invited is None:
            self._end_early()
        else:
            self._invited.refuse_call(error)

    def invite_acknowledged(self, invited: ServerInvite) -> bool:
        """Take the ACK for our 2xx; return whether what it brings is of any use yet."""
        if self._invited is invited:
            self._invited = None
        if self._hang_up_due:
            self._hang_up_after_all()
            return False
        return self.state == "InDialog"

    def media_agreed(self, initial: bool, weigh: bool = True) -> None:
        """Begin what was agreed on by an INVITE and its answer."""
        offers, changed = self.offer_answer, False
        if self.state not in ("InitiatingDialog", "InDialog"):
            return  # it crosses our BYE
        if offers is not None:
            self.start_media(not initial and self.state == "InitiatingDialog")
            if weigh and self.dialog_state is not None:
                self.core.weigh(self.dialog_state)
            changed = offers.peer_holds != self.held_by_peer
            self.held_by_peer = offers.peer_holds
        if initial and self.replaces is not None and self.state == "InDialog":
            from sipparty.sip.dialog.replaces import replace

            replace(self)
        if not self.agent.observed:
            return
        if initial and self.state in ("InDialog", "InitiatingDialog"):
            self._emit(CallEstablished)
        elif not initial:
            self._emit(MediaChanged)
        if changed:
            self._emit(CallHeld if self.held_by_peer else CallResumed, "remote")

    def abandon_invite(self, invited: ServerInvite) -> None:
        """Drop an INVITE of theirs that is over."""
        self.invite_unacknowledged(invited)
        self.proceed()

    def invite_unacknowledged(self, invited: ServerInvite) -> None:
        """Drop one whose 2xx nobody has acknowledged; no change follows it."""
        if self._invited is invited:
            self._invited = None

    # ---------------------------------------------------------------- changes inside the call

    def _modify(
        self,
        direction: str | None = None,
        held: bool | None = None,
        settings: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> Modification:
        """Ask for a change, after those that were asked for before; see `change`."""
        return change(self, direction, held, settings, **how)

    def proceed(self) -> None:
        """Begin the first of the changes, where it may begin."""
        if self._modifications:
            begin_first(self, self._modifications[0])

    def _take_update(self, transaction: ServerTransaction, state: DialogState) -> None:
        from sipparty.sip.dialog.update import take_update

        take_update(self, transaction, state)

    # ---------------------------------------------------------------- requests inside the call

    def ack_received(self, ack: Request) -> None:
        """Take the ACK for a 2xx of ours."""
        if self._invited is not None:
            self._invited.ack_received(ack)

    def peer_proven(self) -> None:
        """Let early media go where it could not before."""
        if self._invited is not None and self._invited.early:
            self.start_media(early=True)

    def request_received(self, transaction: ServerTransaction, state: DialogState) -> None:
        """Take a request; in an early dialog of an INVITE of ours those that need a call wait."""
        method = transaction.request.method
        if state.early and self.role == "caller" and method in ("BYE", "INVITE"):
            # §15: the side that was called ends the call by its answer. §14.2: ours is in progress.
            self.agent.refuse(transaction, 481 if method == "BYE" else 491)
        else:
            handler = getattr(self, str(self.methods[method]))
            # Of several early dialogs it may be any.
            handler(transaction, state) if method == "UPDATE" else handler(transaction)

    def _take_bye(self, transaction: ServerTransaction) -> None:
        # RFC 5407 §3.2.1: also while a BYE of our own is under way.
        self.ended_by_peer = True
        ends = self.state != "TerminatingDialog"  # else we have ended it before
        if ends and "reason" in (transaction.request._index or ()):
            self._stated = stated_cause(transaction.request)
        transaction.answer(200)
        if self.state == "TerminatingDialog" and self.last_error is not None:
            self.hear("ended_in_error")
        else:
            self.hear("bye_received", transaction)

    def _take_options(self, transaction: ServerTransaction) -> None:
        self.agent.answer_options(transaction)

    def _take_prack(self, transaction: ServerTransaction) -> None:
        from sipparty.sip.dialog.reliable import take_prack

        take_prack(self, self._responses, transaction)

    def _take_reinvite(self, transaction: InviteServerTransaction) -> None:
        assert self.dialog_state is not None
        take_reinvite(self, transaction, self.dialog_state, self._invited)

    def answer_reinvite(self, invited: ServerInvite) -> None:
        """Take note that an INVITE of theirs inside the call is to be answered."""
        self._invited = invited

    # ---------------------------------------------------------------- the end

    def _note_error(self, error: CallFailed, *_: object) -> None:
        # What went wrong first is what the user has to know; the rest follows from it.
        if self.last_error is None:
            self.last_error = error

    def _end_early(self, *_: object) -> None:
        (self._invite or self._invited).withdraw()

    def _give_up(self) -> None:
        message = (self._invite or self._invited).give_up(self.patience)
        self.last_error = CallTimedOut(message, 408, "Request Timeout")

    def _end_by_bye(self, transaction: ServerTransaction) -> None:
        (self._invite or self._invited).ended_by_bye()

    def _hang_up(self, *_: object) -> None:
        invited = self._invited
        if invited is not None and invited.accepted:
            # RFC 3261 §15: the side that was called waits for the ACK before it sends BYE.
            self._hang_up_due = True
            return
        if invited is not None:
            # A change that they have asked for, and that is not answered yet, is not made any more.
            self._invited = None
            invited.stop()
            if self.offer_answer is not None:
                self.offer_answer.hear("roll_back")
        self._send_bye()

    def _hang_up_after_all(self, *_: object) -> None:
        if self._hang_up_due:
            self._hang_up_due = False
            self._send_bye()

    def _send_bye(self) -> None:
        state = self.dialog_state
        assert state is not None
        fields = self._hang_up_fields
        if self.last_error is not None:
            fields = fields or error_fields(self.last_error)
        if not state.send_bye(self, fields):
            self._hung_up()

    def _hung_up(self) -> None:
        self.hear("ended" if self.last_error is None else "ended_in_error")

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to our BYE."""
        # RFC 3261 §15.1.1: a 481 says that the call is over there, which is what was asked for.
        if 200 <= response.status < 300 or response.status == 481:
            self._hung_up()
        elif response.status >= 300:
            self.hear("hang_up_failed", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that the BYE will have no response."""
        self.hear("hang_up_failed", error)

    def on_enter_Error(self) -> None:
        """Let everything go."""
        self.on_enter_Terminated()

    def on_enter_Terminated(self) -> None:
        """Let everything go."""
        if self._invite is not None and (len(self._invite.early) > 1 or not self._invite.acks):
            self._invite.leave_early(self.dialog_state)
        self.leave()
        if self._invited is not None:
            self._invited.stop()
            self._invited = None
        if self.offer_answer is not None:
            self.offer_answer.hit("close")
        if self.session_timer is not None:
            self.session_timer.hear("close")
        if self.updating is not None and not self.updating.answered:
            self.updating.answer(481)
        for modification in self._modifications:
            modification.hear("failed", CallFailed("The call has ended."))
        if self.session is not None:
            end_media(self.name, self.session)
        if self.agent.observed and not self.silent:
            self._emit(CallEnded, self.last_error)

    def give_up(self, error: CallFailed) -> None:
        """End the call at once, whatever is under way in it: nothing can be sent any more."""
        self.hear("given_up", error)

    def abandon(self, error: Exception) -> None:
        """End the call because of a defect; the caller gets 500, if nothing was answered yet."""
        failure = CallFailed(f"The call could not be taken: {error}", 500)
        failure.__cause__ = error
        try:
            self.hear("media_failed", failure)
        finally:
            if self.state in ("Initial", "InitiatingDialog"):
                self.leave()  # not even that could be done
