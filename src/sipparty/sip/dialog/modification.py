"""A change inside a call: hold, resume, other media; asked for by a re-INVITE (RFC 3261 §14.1).

Laws:

* One at a time, in the order in which they were asked for; none while an INVITE of either side is
  not done with.
* Its failure leaves the call and its media as they were. 408, 481 and their like end the call, as
  they do for any request inside it (RFC 5057 §5).
* One that is not answered in time is cancelled, and so is one of a call that ends (§9.1): who has
  sent a provisional response may never send another.
* Where both sides ask at once, both are refused with 491 and try again, each after a time of its
  own, so that they do not meet again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.waiting import Waitable
from sipparty.errors import CallFailed, NegotiationError, ParseError, copy_of
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.bodies import session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.outcomes import media_failure, rejection
from sipparty.sip.fields import field
from sipparty.sip.message import Response
from sipparty.sip.retries import retry_after

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = ["Modification"]

_OPEN = ("Waiting", "Describing", "Sent", "Answered", "Backoff")
#: The states that it ends in.
_OVER = ("Done", "Failed")


class Modification(Waitable["Modification"], FSM):
    """A change inside a call; made by `call.hold()`, `call.resume()` and `call.update_media()`.

    Wait for it with `wait(timeout)` in a thread, or `await` it in a coroutine: it gives the change
    itself, or raises its `error`, and then the call is as it was.

    Args:
        call: The call.
        make: Gives the offer that asks for it: a method of the session, as a rule.
        held: Whether the other side is on hold by it; None where that stays as it is.

    Attributes:
        error: Why it failed; None where it has not.
        tries: How often it was sent.
    """

    #: How often it is sent at the most, where the other side asks for something at the same time.
    MAX_TRIES = 5
    #: Seconds that its answer may take.
    PATIENCE = 180.0

    __slots__ = ("_ack", "_call", "_delay", "_make", "_request", "error", "held", "tries")

    table = (
        Row("Waiting", "begin", "Describing", "_describe"),
        Row("Describing", "described", "Sent", "_send"),
        Row("Sent", "accepted", "Answered", "_take_answer"),
        Row("Sent", "timer_expires", "Sent", "_cancel"),
        Row("Sent", "glare", "Backoff", "_roll_back"),
        Row("Backoff", "timer_again", "Waiting"),
        Row("Answered", "done", "Done", "_finish"),
        Row(_OPEN, "failed", "Failed", "_fail"),
        *(Row(state, ("accepted", "glare", "failed"), state) for state in _OVER),
    )
    timers = (
        Timer("timer_again", "_delay", "Backoff"),
        Timer("timer_expires", "PATIENCE", "Sent"),
    )
    final = _OVER

    def __init__(
        self, call: InviteUsage, make: Callable[[], Any], held: bool | None = None
    ) -> None:
        self._delay = 0.0
        super().__init__(call.core.timers)
        self.portal = call.portal
        self.error: CallFailed | None = None
        self.held = held
        self.tries = 0
        self._call = call
        self._make = make
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
        offers = self._call.offer_answer
        assert offers is not None

        def made(offer: bytes | None) -> None:
            if offer:
                self.hear("described", offer)
            else:
                self.hear("failed", CallFailed("The call has no media that could be changed."))

        offers.make_offer("INVITE", self._make, made, self._refused)

    def _send(self, offer: bytes) -> None:
        call, state = self._call, self._call.dialog_state
        assert state is not None
        assert call.session is not None
        self.tries += 1
        self._ack = None
        fields = [*call.agent.capability_fields]
        if call.session_timer is not None:
            fields += call.session_timer.request_fields()
        fields.append(field("Content-Type", call.session.content_type))
        self._request = state.send_request(call, "INVITE", fields, offer, self)

    def _cancel(self) -> None:
        if self._request is not None:
            self._request.cancel()

    def _take_answer(self, response: Response) -> None:
        offers = self._call.offer_answer
        assert offers is not None
        try:
            answer = session_description(response)
            if not answer:
                raise NegotiationError("The answer holds no session description.")
        except (NegotiationError, ParseError) as error:
            self._refused(error)
            return
        offers.take_answer(answer, lambda: self.hear("done"), self._refused)

    def _refused(self, error: Exception) -> None:
        """Fail for what the session raised."""
        what = "The media could not be changed"
        self.hear("failed", media_failure(self._call.name, what, error))

    def _roll_back(self, *_: object) -> None:
        offers = self._call.offer_answer
        if offers is not None and offers.may_offer:
            offers.session.rollback()  # what was to be offered
        elif offers is not None:
            offers.hear("roll_back")

    def on_enter_Waiting(self) -> None:
        """Be asked for again, where nothing else is under way."""
        self._call.proceed()

    def _finish(self) -> None:
        self._call.modified(self)

    def _fail(self, error: CallFailed) -> None:
        self.error = error
        if self.state != "Waiting":
            self._roll_back()
        self._cancel()
        self._call.modification_over(self)

    # ---------------------------------------------------------------- the INVITE's user

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to the INVITE; a 2xx is acknowledged each time it comes."""
        status = response.status
        if status < 200:
            return
        if status >= 300:
            self._delay = self._backoff(response)
            again = self._delay >= 0 and self.tries < self.MAX_TRIES
            self.hear("glare" if again else "failed", rejection(response))
            return
        if self._ack is not None:
            self._ack.send()
            return
        call, state = self._call, self._call.dialog_state
        assert state is not None
        try:
            state.remote_target = state.new_target(response)
        except ParseError:
            pass  # the one before stands
        self._ack = Acknowledgement(call, state, client_request, client_request.number or 0)
        self._ack.complete()
        if call.session_timer is not None or "session-expires" in (response._index or ()):
            from sipparty.sip.dialog.session_timer import take_2xx

            take_2xx(call, client_request, response)
        self.hear("accepted", response)

    def _backoff(self, response: Response) -> float:
        """Return after how many seconds to try again; less than 0 for never (§14.1, §14.2)."""
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
