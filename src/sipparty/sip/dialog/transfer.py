"""A REFER of ours and what comes of it (RFC 3515): a transfer of a call, blind or attended (RFC
5589), or a REFER outside of calls.

Laws:

* It ends with the outcome of the request that was asked for, not with the answer to the REFER; or
  in words that say why that will not be known. No wait is without a timer.
* A transfer that succeeds hangs up the calls that it has joined (RFC 5589 §6.1). One that does not
  leaves them as they were, and ends the hold that it began.
* Who reports anything after the outcome is not listened to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import CallFailed, CallRejected, CallTimedOut, ParseError, UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.dialog.record import is_hidden
from sipparty.sip.dialog.replaces import Replaces
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import Event
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.handle import Service
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.notification.forming import template_of
from sipparty.sip.notification.notice import Notice
from sipparty.sip.notification.subscriber import Subscription
from sipparty.sip.notification.usage import event_of
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.packages.refer import ReferPackage
from sipparty.sip.refer import refer_to, wants_no_reports
from sipparty.sip.routing import NextHop

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["Transfer", "TransferEnded", "TransferProgressed"]


class _TransferEvent(Event):
    transfer: Transfer
    SUBJECT = "transfer"


class TransferProgressed(_TransferEvent):
    """The other side has said how far a transfer is.

    Args:
        transfer: The transfer.
        status: The status of the last response to it there, such as 180.
        reason: Its reason phrase.
    """

    status: int
    reason: str


class TransferEnded(_TransferEvent):
    """A transfer is over.

    Args:
        transfer: The transfer.
        error: Why it failed; None where it has succeeded, and the calls are being hung up.
    """

    error: CallFailed | None


class _Reports(Subscription[Response]):
    """The subscription that a REFER makes; the transfer is who is given what it says."""

    transfer: Transfer

    def matches(self, request: Request) -> bool:
        """Whether it is of this REFER (RFC 3515 §2.4.6): by the CSeq number of that as id, without
        one of the first that is not over.
        """
        try:
            event = event_of(request)
        except ParseError:
            return False
        if event is None or event.value != self.package.name:
            return False
        number, state, sent = event.parameter("id"), self.dialog_state, self.transfer.request
        if number is not None:
            return sent is not None and number == str(sent.number)
        usages = () if state is None else state.usages
        return next((one for one in usages if isinstance(one, _Reports)), self) is self

    def _take_state(self, notice: Notice) -> None:
        event = event_of(notice.request)
        self.event_id = "" if event is None else event.parameter("id") or ""
        super()._take_state(notice)
        if notice.has_state:
            self.transfer.reported(notice.state)

    def _over(self) -> None:
        super()._over()
        self.transfer.hear("unreported", self.last_error)

    def _emit(self, event: Any, *values: Any) -> None:
        """Nothing: the transfer has events of its own."""


_OVER = ("Terminated", "Error")
_OPEN = ("Consulting", "Holding", "Referring", "Referred")
_REPORTED = ("accepted", "progressed", "succeeded", "failed", "unreported")
#: What may still come in after the end, and changes nothing any more.
_LATE = (*_REPORTED, "consulted", "held", "call_over")


class Transfer(Service):
    """A transfer of ours; made by `call.transfer` and `party.refer`. `transfer.wait()` returns once
    the target has answered, and raises `CallFailed` with its status where it has not.

    Args:
        agent: The user agent.
        call: The call whose other side is referred; None for a REFER outside of calls.

    Attributes:
        call: That call.
        other: The call whose other side is the target of an attended transfer; None for none.
        target: The value of Refer-To; "" before it is known.
        status: The last status that was reported; None before one.
        request: The REFER; None before it is sent.
    """

    WHAT: ClassVar[str] = "The transfer"
    LAST_EVENT: ClassVar[type[Event] | None] = TransferEnded

    #: Seconds from the answer to the REFER to the outcome. It is longer than a call may ring.
    PATIENCE = 240.0
    #: Seconds that the target of an attended transfer has to hang up the call that was replaced.
    REPLACE_TIME = 5.0

    table = (
        Row("Initial", "consult", "Consulting", "_consult"),
        Row("Initial", "hold", "Holding", "_hold"),
        Row("Initial", "refer", "Referring", "_refer"),
        # RFC 5589 §7.6: an attended transfer waits for the answer of its target.
        Row("Consulting", "consulted", "Consulting", "_go_on"),
        Row("Consulting", "hold", "Holding", "_hold"),
        Row(("Consulting", "Holding"), "refer", "Referring", "_refer"),
        Row("Holding", "held", "Holding", "_go_on"),
        Row("Referring", "accepted", "Referred", "_note_accepted"),
        Row("Referring", "progressed", "Referring", "_note_progress"),
        Row("Referred", "progressed", "Referred", "_note_progress"),
        Row(("Referring", "Referred"), "succeeded", "Succeeded", "_hang_up"),
        # RFC 5589 §7.3: the target hangs up the call that was replaced.
        Row("Succeeded", "joined", "Terminated"),
        Row("Succeeded", "timer_replaced", "Terminated", "_hang_up_other"),
        Row("Succeeded", "call_over", "Succeeded", "_note_replaced"),
        Row("Succeeded", ("terminate", "failed"), "Terminated", "_hang_up_other"),
        Row("Succeeded", ("accepted", "progressed", "succeeded", "unreported"), "Succeeded"),
        Row(_OPEN, "failed", "Error", "_note_error", "_give_back"),
        Row(("Referring", "Referred"), "unreported", "Error", "_note_silence", "_give_back"),
        Row("Referred", "timer_patience", "Error", "_note_silence", "_give_back"),
        Row(("Initial", *_OPEN), "terminate", "Error", "_note_end", "_give_back"),
        # The outcome may come after the end of the call, by who has hung up or after our BYE.
        Row(("Consulting", "Holding"), "call_over", "Error", "_note_call_over"),
        Row("Referring", "call_over", "Referring"),
        Row("Referred", "call_over", "Referred", "_shorten"),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_patience", "report_time", "Referred"),
        Timer("timer_replaced", "REPLACE_TIME", "Succeeded"),
    )
    final = _OVER

    def __init__(self, agent: UserAgent, call: Any = None) -> None:
        self.patience = self.PATIENCE
        super().__init__(agent)
        self.call = call
        self.other: Any = None
        self.target = ""
        self.status: int | None = None
        self.request: ClientRequest | None = None
        self._fields: list[Field] = []
        self._hold_first = self._held = self._no_reports = False
        self._sent_to: tuple[str, NextHop | None, tuple[str, ...]] = ("", None, ())
        self._reports: _Reports | None = None

    # ---------------------------------------------------------------- verbs

    @verb
    def begin(
        self,
        target: Any,
        *,
        hold: bool = False,
        reports: bool = True,
        fields: list[Field] | None = None,
        patience: float | None = None,
        sent_to: tuple[str, NextHop | None, tuple[str, ...]] = ("", None, ()),
    ) -> Transfer:
        """Begin it; `call.transfer` and `party.refer` do.

        Args:
            target: The URI to contact; or the call whose other side that is.
            hold: Whether to put the other side on hold first.
            reports: Whether the other side is to report what becomes of it (RFC 4488).
            fields: Further header lines of the REFER.
            patience: Seconds from its answer to the outcome.
            sent_to: For a REFER outside of calls: its request-URI, next hop and routes.

        Raises:
            ParseError: The target is no SIP URI.
            UnexpectedInput: The call is not established.
            UsageError: It cannot be transferred to that.
        """
        call = self.call
        if call is not None and call.state != "InDialog":
            raise call._unexpected("transfer")
        for name, value in (("reports", reports), ("hold", hold)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} is True or False, not {value!r}.")
        if isinstance(target, Dialog):
            self._check_other(target)
            self.other = target
        else:
            self.target = refer_to(target)
        if patience is not None:
            if not (isinstance(patience, int | float) and 0 < patience < float("inf")):
                raise UsageError(f"patience is a number of seconds above 0, not {patience!r}.")
            self.patience = patience
        self._fields, self._no_reports = list(fields or ()), not reports
        self._hold_first = hold and call is not None and call.session is not None
        self._sent_to = sent_to
        self.agent.services[self] = None
        for one in (call, self.other):
            if one is not None:
                one.followers += (self,)
        if self.other is not None and self.other.state != "InDialog":
            self.hit("consult")
        else:
            self._go_on()
        return self

    def _check_other(self, other: Any) -> None:
        if other is self.call:
            raise UsageError("A call is not transferred to itself: give another call.")
        waits = other.state == "InitiatingDialog" and other.role == "caller"
        if other.state != "InDialog" and not waits:
            raise UsageError(
                "The call to transfer to is not up: it is over, or is yet to be answered here."
            )

    def settled(self, state: str) -> bool:
        """Whether it has its outcome in this state."""
        return state in ("Succeeded", *_OVER)

    # ---------------------------------------------------------------- steps before the REFER

    def _go_on(self) -> None:
        """Take the next step."""
        hold, self._hold_first = self._hold_first, False
        self.hear("hold" if hold else "refer")

    def _consult(self) -> None:
        """Wait for the target to answer; `call_moved` goes on."""

    def _hold(self) -> None:
        if self.call.held:
            self.hear("held")
            return
        self._held = True
        change = self.call.hold()
        change._watch(_Done(change, self))
        if change.state in change.final:
            self._note_hold(change)

    def _note_hold(self, change: Any) -> None:
        self._held = change.error is None  # what did not come about is not ended
        self.hear("held")

    def call_moved(self, call: Any, input: str, state: str) -> None:
        """Take note that one of the calls has another state."""
        if call is self.other and state == "InDialog":
            self.hear("consulted")
        elif state in _OVER and (call is self.call or self.state in ("Consulting", "Succeeded")):
            self.hear("call_over", call)

    # ---------------------------------------------------------------- REFER

    def _refer(self) -> None:
        try:
            self._send()
        except (UsageError, ValueError) as error:
            self.hear("failed", CallFailed(f"The REFER cannot be sent: {error}"))

    def _send(self) -> None:
        agent, call, other = self.agent, self.call, self.other
        if call is not None and call.state != "InDialog":
            raise UsageError("the call is over.")
        if other is not None:
            self.target = refer_to(other.remote_target, Replaces.of_call(other))
        fields = [field("Refer-To", self.target), *self._fields]
        privacy = agent.privacy if call is None else call.privacy or agent.privacy
        if not (is_hidden(privacy) or any(key == "referred-by" for key, _, _ in fields)):
            fields.append(field("Referred-By", f"<{agent.uri}>"))
        if self._no_reports:
            fields.append(field("Refer-Sub", "false"))
        fields += agent.capability_fields
        # A NOTIFY may come before the response (RFC 3515 §2.4.4).
        self._reports = reports = _Reports(agent, ReferPackage())
        reports.transfer = self
        if call is not None:
            state: DialogState = call.dialog_state
            reports.expect(state)
            fields.append(field("Contact", state.contact))
            self.request = state.send_request(call, "REFER", fields, b"", self)
            return
        uri, next_hop, routes = self._sent_to
        template = template_of(agent, uri, routes)
        reports.expect(template)
        hop = template.next_hop() if next_hop is None else next_hop
        request = template.request("REFER", fields)
        self.request = send_out_of_dialog(agent, request, hop, None, self)

    def request_built(self, client_request: ClientRequest, request: Request, flow: Flow) -> None:
        """Take note of what the dialog that a REFER outside of calls makes has of it."""
        state = None if self._reports is None else self._reports.dialog_state
        if state is not None and request.cseq is not None:
            # What asks for credentials takes a number.
            state.local_seq = request.cseq.number
            state.endpoint, state.invite_flow = flow.endpoint, flow
            state.contact = request._text("contact") or ""

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to the REFER."""
        if response.status < 200:
            return
        if response.status < 300:
            self.hear("accepted", response)
        else:
            self.hear("failed", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        self.hear("failed", error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another target."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of it."""

    @property
    def report_time(self) -> float:
        """How long the outcome may take: who has hung up may still have a report on its way, but
        has no reason to wait.
        """
        if self.call is not None and self.call.ended_by_peer:
            return float(self.core.transactions.timing.transaction)
        return self.patience

    def _note_accepted(self, response: Response) -> None:
        if self._no_reports and wants_no_reports(response):
            # RFC 4488 §4: nothing more will be said; RFC 5589 §6: so the call is hung up now.
            self.hear("succeeded")

    # ---------------------------------------------------------------- reports

    def reported(self, response: Response) -> None:
        """Take a report: the response to the request that was asked for, as far as it is shown."""
        if self.settled(self.state):
            return
        self.status = response.status
        if response.status < 200:
            self.hear("progressed", response)
        elif response.status < 300:
            self.hear("succeeded")
        else:
            self.hear("failed", _failure(response))

    def _note_progress(self, response: Response) -> None:
        self._emit(TransferProgressed, response.status, response.reason)

    def _shorten(self, call: Any) -> None:
        if call.ended_by_peer:
            self.rearm("timer_patience")

    # ---------------------------------------------------------------- the end

    def _hang_up(self) -> None:
        if self.call is not None and self.call.takes("terminate"):
            self.call.hit("terminate")

    def on_enter_Succeeded(self) -> None:
        """Wait for the target to hang up what was replaced, if there is such a call."""
        self._note_replaced()

    def _note_replaced(self, *_: object) -> None:
        if self.other is None or self.other.state in _OVER:
            self.hear("joined")

    def _hang_up_other(self, *_: object) -> None:
        if self.other is not None and self.other.takes("terminate"):
            self.other.hit("terminate")

    def _give_back(self, *_: object) -> None:
        if self._held and self.call.state == "InDialog":
            self.call.resume()

    def _note_error(self, error: CallFailed) -> None:
        self.last_error = error

    def _note_silence(self, error: CallFailed | None = None) -> None:
        why = f" ({error})" if error is not None else ""
        self.last_error = CallTimedOut(
            f"The other side has not said what became of the transfer{why}.", 408, "Request Timeout"
        )

    def _note_call_over(self, call: Any) -> None:
        which = "the call to transfer to" if call is self.other else "the call"
        self.last_error = CallFailed(f"The transfer could not begin: {which} has ended.")

    def _note_end(self) -> None:
        self.last_error = CallFailed("The transfer was given up here: its outcome is not known.")

    def on_enter_Terminated(self) -> None:
        """Report the end."""
        self._end()

    def on_enter_Error(self) -> None:
        """Report the end."""
        self._end()

    def _end(self) -> None:
        self.agent.services.pop(self, None)
        for one in (self.call, self.other):
            if one is not None:
                one.followers = tuple(other for other in one.followers if other is not self)
        reports, self._reports = self._reports, None
        if reports is not None:
            reports.hear("terminate")  # where it has not ended by itself
        self._emit(TransferEnded, self.last_error)


class _Done:
    """Has a transfer go on when a hold is done, or could not be had: that is a courtesy."""

    __slots__ = ("_change", "_transfer")

    def __init__(self, change: Any, transfer: Transfer) -> None:
        self._change = change
        self._transfer = transfer

    def notify(self, state: str) -> None:
        if state in self._change.final:
            self._change._unwatch(self)
            self._transfer._note_hold(self._change)


def _failure(response: Message) -> CallRejected:
    """Return the error for a final status that was reported."""
    assert isinstance(response, Response)
    said = f" {response.reason}" if response.reason else ""
    return CallRejected(
        f"The target of the transfer answered {response.status}{said}.",
        response.status,
        response.reason,
        response,
    )
