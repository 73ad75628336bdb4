"""A change inside a call: hold, resume, other media; asked for by a re-INVITE (RFC 3261 §14.1), an
UPDATE (RFC 3311 §5.1), or the PRACK for a provisional response (RFC 3262 §5).

Laws:

* One at a time, in the order in which they were asked for; none while an INVITE of either side is
  not done with, but in an early dialog whose first offer and answer are complete for certain
  (RFC 6337 §3.2): there it is an UPDATE. In a confirmed one it is a re-INVITE by default, as that
  may wait for the consent of a person (RFC 3311 §5.1).
* Where the other side takes no UPDATE in a confirmed dialog, it is a re-INVITE.
* Its failure leaves the call and its media as they were. 408, 481 and their like end the call, as
  they do for any request inside it (RFC 5057 §5).
* A re-INVITE that is not answered in time is cancelled, and so is one of a call that ends (§9.1):
  who has sent a provisional response may never send another.
* Where both sides ask at once, both are refused with 491 and try again, each after a time of its
  own, so that they do not meet again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.waiting import Waitable
from sipparty.errors import CallFailed, NegotiationError, ParseError, UsageError, copy_of
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.bodies import session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.offer_answer import offer_by_address
from sipparty.sip.dialog.outcomes import media_failure, rejection
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallHeld, CallResumed
from sipparty.sip.fields import Field, field
from sipparty.sip.message import Response
from sipparty.sip.retries import retry_after
from sipparty.sip.user_headers import given_fields, replaced

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage
    from sipparty.sip.dialog.reliable import Prack

__all__ = ["METHODS", "Modification", "begin_first", "change", "changing_dialog", "may_change"]

#: What may ask for a change.
METHODS = ("INVITE", "UPDATE", "PRACK")

_OPEN = ("Waiting", "Describing", "Sent", "Answered", "Backoff")
#: The states that it ends in.
_OVER = ("Done", "Failed")


class Modification(Waitable["Modification"], FSM):
    """A change inside a call; made by `call.hold()`, `call.resume()` and `call.update_media()`.

    Wait for it with `wait(timeout)` in a thread, or `await` it in a coroutine: it gives the change
    itself, or raises its `error`, and then the call is as it was.

    Args:
        call: The call.
        make: Gives the offer that asks for it: a method of the session, as a rule. None for a
            re-INVITE without an offer: the other side makes one then (RFC 3261 §14.1).
        held: Whether the other side is on hold by it; None where that stays as it is.
        method: One of `METHODS`; None for what fits when it is sent.
        fields: Further header lines.

    Attributes:
        method: The method that it is sent by, once it is; before that, what was asked for.
        prack: The PRACK that is to bring it; None for none.
        error: Why it failed; None where it has not.
        tries: How often it was sent.
    """

    #: How often it is sent at the most, where the other side asks for something at the same time.
    MAX_TRIES = 5
    #: Seconds that its answer may take; and so each step of the session, and what is before it.
    PATIENCE = 180.0

    __slots__ = (
        *("_ack", "_agreed", "_answer", "_call", "_delay", "_fields", "_make", "_request", "_rseq"),
        *("_state", "error", "held", "method", "prack", "tries"),
    )

    table = (
        Row("Waiting", "begin", "Describing", "_describe"),
        Row("Describing", "described", "Sent", "_send"),
        Row("Sent", "accepted", "Answered", "_take_answer"),
        Row("Sent", "timer_expires", "Sent", "_cancel"),
        Row("Sent", "glare", "Backoff", "_roll_back"),
        Row("Backoff", "timer_again", "Waiting"),
        Row("Answered", "done", "Done", "_finish"),
        Row(_OPEN, "failed", "Failed", "_fail"),
        Row("Waiting", "timer_waited", "Waiting", "_note_wait"),
        Row("Describing", "timer_described", "Describing", "_note_silence"),
        Row("Answered", "timer_described", "Answered", "_note_silence"),
        *(Row(state, ("accepted", "glare", "failed"), state) for state in _OVER),
    )
    timers = (
        Timer("timer_again", "_delay", "Backoff"),
        Timer("timer_expires", "PATIENCE", "Sent"),
        Timer("timer_waited", "waiting_time", "Waiting"),
        Timer("timer_described", "PATIENCE", "Describing", "Answered"),
    )
    final = _OVER

    def __init__(
        self,
        call: InviteUsage,
        make: Callable[[], Any] | None,
        held: bool | None = None,
        method: str | None = None,
        fields: Sequence[Field] = (),
    ) -> None:
        self._delay = 0.0
        self._call = call
        super().__init__(call.core.timers)
        self.portal = call.portal
        self.error: CallFailed | None = None
        self.held = held
        self.tries = 0
        self._make = make
        self._fields = fields
        #: The dialog that it was sent in; the RSeq of the last reliable provisional response there,
        #: the answer that one of those has brought, and whether one has brought the offer, which
        #: was answered.
        self._state: DialogState | None = None
        self._rseq = 0
        self._answer = b""
        self._agreed = False
        self.method = method
        self.prack: Prack | None = None
        self._ack: Acknowledgement | None = None
        self._request: ClientRequest | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self._call.name} ({self.state})"

    # ---------------------------------------------------------------- the outcome

    def settled(self, state: str) -> bool:
        """Whether it has its outcome in this state."""
        return state in _OVER

    def _outcome(self) -> Modification:
        if self.error is not None:
            raise copy_of(self.error)
        return self

    # ---------------------------------------------------------------- actions

    def _describe(self) -> None:
        call, offers = self._call, self._call.offer_answer
        assert offers is not None
        early = call.state == "InitiatingDialog"
        if early and self.method != "PRACK":
            self.method = "UPDATE"
        elif self.method is None or (self.method == "PRACK" and self.prack is None):
            self.method = "INVITE"
        self._state = changing_dialog(call)
        if self._make is None:
            self.hear("described", b"")
            return

        def made(offer: bytes | None) -> None:
            if call.state not in ("InitiatingDialog", "InDialog"):
                self.hear("failed", CallFailed("The call is over."))
            elif offer:
                self.hear("described", offer)
            else:
                self.hear("failed", CallFailed("The call has no media that could be changed."))

        offers.make_offer(self.method, self._make, made, self._refused)

    def _send(self, offer: bytes) -> None:
        call, state = self._call, self._state
        self.tries += 1
        self._ack, self._rseq, self._answer, self._agreed = None, 0, b"", False
        prack, self.prack = self.prack, None
        if prack is not None:
            self._request = prack.send(offer, self)
            return
        assert state is not None
        assert call.session is not None
        fields = [*call.agent.capability_fields]
        if call.session_timer is not None:
            fields += call.session_timer.request_fields()
        if call.agent.info is not None:
            fields.append(call.agent.info.recv_info)
        if offer:
            fields.append(field("Content-Type", call.session.content_type))
        fields = replaced(fields, self._fields)
        try:
            self._request = state.send_request(call, self.method or "", fields, offer, self)
        except (ParseError, UsageError) as error:  # so many requests wait already
            self.hear("failed", CallFailed(f"The change cannot be asked for: {error}"))

    @property
    def inviting(self) -> bool:
        """Whether it is a re-INVITE without an offer, and not answered yet."""
        return self._make is None and self.state == "Sent"

    @property
    def waiting_time(self) -> float | None:
        """How long it waits for what is before it; None where that is the answer to the call."""
        return None if self._call.state == "InitiatingDialog" else self.PATIENCE

    def _note_wait(self) -> None:
        message = f"What was under way in the call has not ended within {self.PATIENCE:g} s."
        self.hear("failed", CallFailed(message))

    def _note_silence(self) -> None:
        self._refused(TimeoutError(f"the session took more than {self.PATIENCE:g} s"))

    def _cancel(self) -> None:
        if self._request is not None:
            self._request.cancel()

    def _take_answer(self, response: Response) -> None:
        offers = self._call.offer_answer
        assert offers is not None
        if self._agreed:
            self._acknowledge()
            self.hear("done")
            return
        try:
            answer = self._answer or session_description(response)
            if not answer:
                raise NegotiationError("The answer holds no session description.")
        except (NegotiationError, ParseError) as error:
            self._refused(error)
            return
        if self._make is not None:
            offers.take_answer(answer, lambda: self.hear("done"), self._refused)
            return

        def made(body: bytes) -> None:
            self._acknowledge(body)
            self.hear("done")

        offers.make_answer(answer, made, self._refused)

    def _acknowledge(self, body: bytes = b"") -> None:
        if self._ack is not None:
            self._ack.body = body
            self._ack.complete()

    def _refused(self, error: Exception) -> None:
        """Fail for what the session raised."""
        call = self._call
        failure = media_failure(call.name, "The media could not be changed", error)
        self.hear("failed", failure)
        if self._make is None and self._ack is not None:
            # RFC 6337 §2.3: an offer in a 2xx cannot be refused, but by the end of the call.
            self._acknowledge()
            call.hear("media_failed", failure)

    def _roll_back(self, *_: object) -> None:
        offers = self._call.offer_answer
        if self._make is None:
            return  # nothing was offered here
        if offers is not None and offers.may_offer:
            offers.session.rollback()  # what was to be offered
        elif offers is not None:
            offers.hear("roll_back")

    def on_enter_Waiting(self) -> None:
        """Be asked for again, where nothing else is under way."""
        self._call.proceed()

    def _finish(self) -> None:
        call = self._call
        call.media_agreed(False)
        over = call.state not in ("InitiatingDialog", "InDialog")
        if self.held is not None and self.held != call.held and not over:
            call.held = self.held
            if call.agent.observed:
                call._emit(CallHeld if self.held else CallResumed, "local")
        self._leave()

    def _fail(self, error: CallFailed) -> None:
        self.error = error
        if self.state != "Waiting":
            self._roll_back()
        self._cancel()
        prack, self.prack = self.prack, None
        if prack is not None:
            prack.send()  # which says that the response came, all the same
        self._leave()

    def _leave(self) -> None:
        """Go on to the next change."""
        call = self._call
        call._modifications = tuple(one for one in call._modifications if one is not self)
        if call.session_timer is not None:
            call.session_timer.change_over(self)
        call.proceed()

    # ---------------------------------------------------------------- the request's user

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response; a 2xx to an INVITE is acknowledged each time it comes."""
        status = response.status
        if status < 200:
            if "rseq" in (response._index or ()) and self.state == "Sent":
                self._take_reliable(response)
            return
        if status >= 300:
            self._delay = self._backoff(response)
            again = self._delay >= 0 and self.tries < self.MAX_TRIES
            self.hear("glare" if again else "failed", rejection(response))
            return
        if self._ack is not None:
            self._ack.send()
            return
        call, state = self._call, self._state
        assert state is not None
        try:
            if self.method != "PRACK":
                state.remote_target = state.new_target(response)
        except ParseError:
            pass  # the one before stands
        if self.method == "INVITE":
            self._ack = Acknowledgement(call, state, client_request, client_request.number or 0)
            if self._make is not None or self.state != "Sent":
                self._acknowledge()
        if call.session_timer is not None or "session-expires" in (response._index or ()):
            from sipparty.sip.dialog.session_timer import begin_later, take_2xx

            take_2xx(call, client_request, response)
            begin_later(call, state)
        if call.agent.info is not None:
            from sipparty.sip.info import note_packages

            note_packages(call, response)
        self.hear("accepted", response)

    def _take_reliable(self, response: Response) -> None:
        """Acknowledge a reliable provisional response to a re-INVITE (RFC 3262 §4, §5)."""
        from sipparty.sip.dialog.reliable import Prack, rseq_of

        call, offers, rseq = self._call, self._call.offer_answer, rseq_of(response)
        if not rseq or self._state is None or (self._rseq and rseq != self._rseq + 1):
            return
        self._rseq = rseq
        prack = Prack(call, self._state, response, rseq, call.proceed)
        try:
            body = session_description(response)
        except ParseError:
            body = b""
        if self._make is not None or not body or self._agreed or offers is None:
            self._answer = self._answer or body
            prack.send()
            return

        def made(answer: bytes) -> None:
            self._agreed = True
            prack.send(answer)

        def refused(error: Exception) -> None:
            prack.send()
            self._refused(error)
            call.hear("media_failed", self.error)

        offers.make_answer(body, made, refused)

    def _backoff(self, response: Response) -> float:
        """Return after how many seconds to try again; less than 0 for never (§14.1, §14.2)."""
        if self.method == "PRACK":
            return -1.0  # what it acknowledges is acknowledged
        if self.method == "UPDATE" and response.status in (405, 501):
            self.method = "INVITE"
            return 0.0 if self._call.state == "InDialog" else -1.0
        if response.status == 500:
            seconds = retry_after(response)
            return -1.0 if seconds is None or seconds > 10 else seconds
        if response.status != 491:
            return -1.0
        # In units of 10 ms: 2.1 to 4 s for who has made the Call-ID, else 0 to 2 s.
        number = self._call.core.tokens.number(16)
        units = 210 + number % 191 if self._call.role == "caller" else number % 201
        return float(units / 100)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        self.hear("failed", error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes elsewhere; what is in a dialog does not."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""


# -------------------------------------------------------------------- the changes of a call


def change(
    call: InviteUsage,
    direction: str | None = None,
    held: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    method: str | None = None,
    late_offer: bool = False,
    by_address: bool = False,
    headers: Iterable[tuple[str, str]] = (),
) -> Modification:
    """Ask for a change inside a call, after those that were asked for before.

    Args:
        call: The call.
        direction: What the offer is limited to, as `Session.offer` has it.
        held: Whether the other side is on hold by it; None where that stays as it is.
        settings: What the session is to change, as its `update` takes it.
        method: One of `METHODS`; None for what fits when it is sent.
        late_offer: Whether the other side is to make the offer.
        by_address: Whether to hold by the address 0.0.0.0, as before RFC 3264.
        headers: Further headers of the request.

    Raises:
        UnexpectedInput: The call does not stand yet, nor is its first offer answered for certain.
        UsageError: There is no such method, or no media.
    """
    if method is not None and method not in METHODS:
        raise UsageError(f"A change is asked for by {', '.join(METHODS)}, not by {method!r}.")
    if late_offer and (method not in (None, "INVITE") or settings or call.state != "InDialog"):
        raise UsageError(
            "late_offer has the other side offer media: in a call that is established, by"
            " re-INVITE, and without settings."
        )
    early = call.state == "InitiatingDialog"
    if call.state == "Initial" or (early and method != "PRACK" and changing_dialog(call) is None):
        raise call._unexpected("update_media" if held is None else "hold" if held else "resume")
    if method == "PRACK" and (call.role != "caller" or not early):
        raise UsageError("A PRACK has an offer in a call of ours that is not answered yet.")
    session = call.session
    if session is None and method != "PRACK":
        raise UsageError("This call has no media that could be changed.")
    if settings and session is not None and hasattr(session, "check_update"):
        session.check_update(**settings)

    def make() -> Any:
        session = call.session
        assert session is not None
        if settings:
            session.update(**settings)
        return session.offer() if direction is None else session.offer(direction)

    given = given_fields(headers) if headers else ()
    making: Callable[[], Any] | None = make
    if late_offer:
        making = None
    elif by_address:
        making = partial(offer_by_address, make)
    modification = Modification(call, making, held, method, given)
    if call.state in ("InitiatingDialog", "InDialog"):
        call._modifications += (modification,)
        call.proceed()
    else:
        modification.hit("failed", CallFailed("The call is over."))
    return modification


def changing_dialog(call: InviteUsage) -> DialogState | None:
    """Return the dialog that changes are asked for in: of several early ones, that whose offer was
    answered for certain; None before there is one.
    """
    if call.state == "InDialog":
        return call.dialog_state
    if call._invite is not None:
        state: DialogState | None = call._invite.early.get(call._invite.agreed)
        return state
    return call.dialog_state if call._invited is not None and call._invited.agreed else None


def may_change(call: InviteUsage, state: DialogState) -> bool:
    """Whether an offer may be taken in a dialog, by what was answered so far."""
    offers = call.offer_answer
    return changing_dialog(call) is state and (offers is None or offers.may_offer)


def begin_first(call: InviteUsage, first: Modification) -> None:
    """Begin a change where it may begin: no INVITE of either side is under way (§14.1), or the
    PRACK is there that brings it, or none is under way in an early dialog (RFC 6337 §4.3).
    """
    offers, state, invite = call.offer_answer, changing_dialog(call), call._invite
    if first.state != "Waiting" or offers is None or state is None or not offers.may_offer:
        return
    if call.updating is not None:
        return
    if call.state == "InDialog":
        ready = call._invited is None
    elif first.method == "PRACK":
        ready = first.prack is not None
    else:
        ready = invite is None or not invite.unacknowledged
    if ready:
        first.hit("begin")
