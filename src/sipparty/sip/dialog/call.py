"""SimpleCall: one call, from INVITE to BYE, for the side that calls and the side that is called.

What happens in a call is the table of `SimpleCall`. An INVITE of ours is a `ClientInvite`, one of
theirs a `ServerInvite`; offers and answers are an `OfferAnswer`. The laws behind it:

* A call that nobody wants any more is ended on the wire, whatever crosses on the way: a 2xx that
  comes after a CANCEL, or after we gave up, is acknowledged and followed by BYE (RFC 3261 §9.1).
* A 2xx is acknowledged each time it comes (§13.2.2.4), and sent until it is acknowledged
  (§13.3.1.4). The side that was called sends no BYE before it has the ACK (§15).
* Ringing and early media stay inside `InitiatingDialog`; `progress` tells them apart.
* A call that fails ends in `Error` and says why in `last_error`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from sipparty.errors import (
    CallFailed,
    CallTimedOut,
    UsageError,
)
from sipparty.fsm import verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.call_table import OVER, ROWS, TIMERS
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.invite_client import ClientInvite
from sipparty.sip.dialog.invite_server import ServerInvite, take_reinvite
from sipparty.sip.dialog.offer_answer import OfferAnswer
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.dialog.session import Session
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.multipart import Part
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.server import InviteServerTransaction, ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["SimpleCall"]

_log = logging.getLogger(__name__)


class SimpleCall(Dialog):
    """A call: the INVITE usage of a dialog.

    Made by `party.invite` or, for the side that is called, by the stack.

    Attributes:
        progress: The last provisional status received or sent, such as 180; None before one.
        session: The media session; None where there is none.
        forks: Further calls that the same INVITE made (RFC 3261 §13.2.2.4).
        offer_answer: The offers and answers of the session; None where there is none.
        patience: How long the call may stay unanswered, in seconds.
    """

    __slots__ = (
        "_hang_up_due",
        "_invite",
        "_invited",
        "ended_by_peer",
        "forks",
        "offer_answer",
        "patience",
        "progress",
    )

    #: How long a call may stay unanswered where nobody says otherwise, in seconds. It is as long as
    #: the shortest timer C of the proxies between (RFC 3261 §16.6).
    PATIENCE = 180.0
    #: Further dialogs that one INVITE makes; beyond it a 2xx is left without an ACK, and who sent
    #: it gives up by itself (RFC 3261 §13.3.1.4). Protects against a peer that never ends.
    MAX_FORKS = 32

    table = ROWS
    timers = TIMERS
    final = OVER

    methods = {"BYE": "_take_bye", "INVITE": "_take_reinvite", "OPTIONS": "_take_options"}
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
        self._hang_up_due = False
        #: Whether the other side, or its patience or ours, has ended the call, and no verb.
        self.ended_by_peer = False

    # ---------------------------------------------------------------- verbs

    @verb
    def invite(
        self,
        uri: str,
        *,
        next_hop: NextHop | None = None,
        routes: tuple[str, ...] = (),
        expires: float | None = None,
        late_offer: bool = False,
        headers: Iterable[tuple[str, str]] = (),
        parts: Iterable[Part] = (),
        flow: Flow | None = None,
        redirects: int | None = None,
    ) -> Self:
        """Call somebody; `party.invite` does it.

        Args:
            uri: The request-URI.
            next_hop: Where the INVITE goes first; by default what routes or URI say.
            routes: A preloaded route set (RFC 3261 §8.1.2).
            expires: Seconds after which the call is given up if nobody answers; sent as Expires.
            late_offer: Send no offer; the 2xx brings one and the ACK our answer (§13.2.1).
            headers: Further headers.
            parts: What the body holds beside the offer; it is multipart/mixed then (RFC 5621).
            flow: A way to the next hop that is there already, to be taken where it can be.
            redirects: How many redirections are followed; None for the agent's `follow_redirects`.

        Raises:
            BuildError: A header cannot stand in a message.
            ParseError: The request-URI or a route is no address to send to.
            UnexpectedInput: The call was made before.
            UsageError: `expires` is no number of seconds that can be sent.
        """
        if expires is not None and not (isinstance(expires, int | float) and 0 <= expires < 2**32):
            raise UsageError(f"expires is in seconds, from 0 to below 2**32: not {expires!r}.")
        body = headers, tuple(parts)
        self.hit("invite", uri, next_hop, routes, expires, late_offer, *body, flow, redirects)
        return self

    @verb
    def ring(self, status: int = 180, reason: str | None = None) -> Self:
        """Tell the caller of progress, with a provisional status from 101 to 199.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if not 101 <= status <= 199:
            raise UsageError(f"{status} is not a provisional status: expected 101 to 199.")
        if self._is_answerable("ring"):
            self.hit("ring", status, reason)
        return self

    @verb
    def accept(self) -> Self:
        """Answer the call with 200; where the media session takes its time for the answer, then.

        A call whose media cannot be agreed on is answered with 488 and ends in `Error`. Does
        nothing where the caller has given up meanwhile; `state` says so.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if self._is_answerable("accept"):
            invited = self._invited
            if invited.accepting:
                raise self._unexpected("accept")
            invited.accepting = True
            if invited.body is not None:
                self.hit("accept")
            elif not invited.describing:
                self.prepare()
        return self

    @verb
    def reject(
        self,
        status: int = 486,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """Refuse the call with a final status from 300 to 699; 486 Busy Here by default.

        Does nothing where the caller has given up meanwhile; `state` says so.

        Args:
            status: The status code; 302 with a Contact in `headers` sends the caller elsewhere.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.

        Raises:
            UnexpectedInput: The call is not one to answer, or is answered already.
        """
        if not 300 <= status <= 699:
            raise UsageError(f"{status} does not refuse a call: expected 300 to 699.")
        if self._is_answerable("reject"):
            self.hit("reject", status, reason, headers)
        return self

    @verb
    def terminate(self) -> Self:
        """End the call: cancel or refuse it before it is answered, hang up after; raises
        `UnexpectedInput` where it is over, or being ended.
        """
        self.hit("terminate")
        return self

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
        if session is None:
            self.offer_answer = None
        else:
            self.offer_answer = OfferAnswer(session, self.core.timers)
        return self.offer_answer

    def start_media(self) -> None:
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

    # ---------------------------------------------------------------- calling

    def _start(self, *arguments: Any) -> None:
        self._invite = invite = ClientInvite(self, *arguments)
        self.role = "caller"
        self.dialog_state = invite.template
        self.agent.dialogs.add(self)
        invite.request.start()

    def _note_progress(self, response: Response) -> None:
        self.progress = response.status
        if response.status > 100:
            self._invite.note_progress(response)
            if self.agent.observed:
                self._emit(CallProgressed, response)

    def _establish(self, state: DialogState) -> None:
        self.acknowledge(state)
        self.start_media()
        if self.agent.observed:
            self._emit(CallEstablished)

    def _become_fork(self, state: DialogState, invite: ClientInvite) -> None:
        self.role = "caller"
        self._invite = invite
        self.acknowledge(state)

    def acknowledge(self, state: DialogState) -> None:
        """Become the dialog that a 2xx makes, and acknowledge it."""
        if self.state in self.final:
            # It takes no requests any more; our BYE is all that is left to say.
            self.dialog_state = state
        elif self in state.usages:
            self.dialog_state = state
            self.core.weigh(state)
        else:
            self.join(state)
        self._invite.acknowledge(state)

    def acknowledge_and_hang_up(self, *arguments: Any) -> None:
        """Acknowledge a 2xx that nobody wants any more, and hang up."""
        # Of "success" and "unusable" alike, the dialog comes last.
        self.acknowledge(arguments[-1])
        self._send_bye()

    # ---------------------------------------------------------------- being called

    def _receive(self, transaction: InviteServerTransaction, state: DialogState) -> None:
        self.role = "callee"
        state.endpoint = transaction.flow.endpoint
        self.join(state)
        state.give_contact(transaction.flow, state.wants_secure_contact)
        self._invited = ServerInvite(self, transaction, state, initial=True)

    def prepare(self) -> bool:
        """Judge the offer and make the answer, before any event is made of the call."""
        self._invited.describe(self._prepared, self._invited.fail)
        return self.state in ("InitiatingDialog", "InDialog")

    def _prepared(self) -> None:
        if self._invited is not None and self._invited.accepting:
            self.hear("accept")

    def _send_progress(self, status: int | None = None, reason: str | None = None) -> None:
        status = status or self.progress  # which is sent again
        if status is not None:
            self._invited.respond(status, reason)
            self.progress = status

    def _send_acceptance(self) -> None:
        # What comes from here on is received; nothing is sent before the ACK, as it is the first
        # to show that anybody is there.
        self._invited.accept()

    def _send_rejection(
        self, status: int, reason: str | None, headers: Iterable[tuple[str, str]]
    ) -> None:
        self._invited.refuse(status, reason, headers)

    def _send_487(self, cancel: Request) -> None:
        self._invited.ended_by_bye()  # §9.2: as by a BYE

    def _refuse_media(self, error: CallFailed) -> None:
        self._invited.refuse_call(error)

    def invite_acknowledged(self, invited: ServerInvite) -> bool:
        """Take the ACK for our 2xx; return whether what it brings is of any use yet."""
        if self._invited is invited:
            self._invited = None
        if self._hang_up_due:
            self._hang_up_after_all()
            return False
        return self.state == "InDialog"

    def media_agreed(self, invited: ServerInvite, by_ack: bool) -> None:
        """Begin what was agreed on by an INVITE of theirs and its ACK."""
        if invited.initial or by_ack:
            self.start_media()
        if by_ack and self.dialog_state is not None:
            self.core.weigh(self.dialog_state)
        if invited.initial and self.agent.observed and self.state == "InDialog":
            self._emit(CallEstablished)

    def abandon_invite(self, invited: ServerInvite) -> None:
        """Drop an INVITE of theirs that is over."""
        if self._invited is invited:
            self._invited = None

    # ---------------------------------------------------------------- requests inside the call

    def ack_received(self, ack: Request) -> None:
        """Take the ACK for a 2xx of ours."""
        if self._invited is not None:
            self._invited.ack_received(ack)

    def request_received(self, transaction: ServerTransaction, state: DialogState) -> None:
        """Take a request; in an early dialog of an INVITE of ours those that need a call wait."""
        method = transaction.request.method
        if state.early and self.role == "caller" and method in ("BYE", "INVITE"):
            # §15: the side that was called ends the call by its answer. §14.2: ours is in progress.
            self.agent.refuse(transaction, 481 if method == "BYE" else 491)
        else:
            super().request_received(transaction, state)

    def _take_bye(self, transaction: ServerTransaction) -> None:
        # RFC 5407 §3.2.1: also while a BYE of our own is under way.
        self.ended_by_peer = True
        transaction.answer(200)
        if self.state == "TerminatingDialog" and self.last_error is not None:
            self.hear("ended_in_error")
        else:
            self.hear("bye_received", transaction)

    def _take_options(self, transaction: ServerTransaction) -> None:
        self.agent.answer_options(transaction)

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

    def _end_early(self) -> None:
        (self._invite or self._invited).withdraw()

    def _give_up(self) -> None:
        message = (self._invite or self._invited).give_up(self.patience)
        self.last_error = CallTimedOut(message, 408, "Request Timeout")

    def _end_by_bye(self, transaction: ServerTransaction) -> None:
        (self._invite or self._invited).ended_by_bye()

    def _hang_up(self, *_: object) -> None:
        # RFC 3261 §15: the side that was called waits for the ACK before it sends BYE.
        if self._invited is None or not self._invited.accepted:
            self._send_bye()
        else:
            self._hang_up_due = True

    def _hang_up_after_all(self, *_: object) -> None:
        if self._hang_up_due:
            self._hang_up_due = False
            self._send_bye()

    def _send_bye(self) -> None:
        state = self.dialog_state
        assert state is not None
        if not state.send_bye(self, []):
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
        if self._invite is not None:
            self._invite.leave_early()
        self.leave()
        if self._invited is not None:
            self._invited.stop()
            self._invited = None
        if self.offer_answer is not None:
            self.offer_answer.hit("close")
        if self.session is not None:
            try:
                self.session.stop()
            except Exception:
                # The call is over all the same, and who waits for its end hears of it.
                _log.exception("The media of %s could not be ended.", self.name)
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
