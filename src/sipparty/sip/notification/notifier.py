"""The notifier (RFC 6665 §4.2): a subscription to us, from SUBSCRIBE to our last NOTIFY.

Laws:

* A SUBSCRIBE is answered at once (§4.2.1.1). Whoever is to decide on it and has not in
  `DECISION_TIME` has it pending.
* Each 2xx is followed by a NOTIFY at once (§4.2.1.2). After that there is one at a time, no sooner
  than the package allows; what changes meanwhile is in the next, which has the last state.
* A subscriber that answers no NOTIFY, or knows no such subscription, has none (§4.2.2).
* A source that has not shown that it receives what it is sent gets no large state: the first NOTIFY
  to it has no body, and the state follows when that is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sipparty.errors import CallFailed, CallTimedOut, ParseError, UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import field
from sipparty.sip.message import Response
from sipparty.sip.notification.package import EventPackage, check_state
from sipparty.sip.notification.usage import ENDING, SubscriptionUsage
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.notification.resource import Resource

__all__ = ["Notifier"]

StateT = TypeVar("StateT")


_LIVE = ("Pending", "Active")
_OVER = ("Terminated", "Error")
_LATE = ("notified", "lost", "given_up", "changed", "notify")


class Notifier(SubscriptionUsage, Generic[StateT]):
    """A subscription of somebody's to a state of ours; made by the stack.

    Attributes:
        resource: What is subscribed to; None where another request than SUBSCRIBE began it.
        value: The state that this subscriber alone is sent; None for that of the resource.
    """

    #: Seconds that a handler has to decide; then the subscription is pending. A SUBSCRIBE may take
    #: no longer than software does (RFC 6665 §4.2.1.1).
    DECISION_TIME = 2.0
    #: The largest body, in bytes, of a NOTIFY that may go to a forged source, eleven times.
    MAX_UNPROVEN = 512

    methods = {"SUBSCRIBE": "_take_subscribe"}

    table = (
        Row("Initial", "receive", "Undecided", "_receive"),
        Row("Initial", "begin", "Active", "_begin"),
        Row("Undecided", "accept", "Active", "_answer", "_notify"),
        Row("Undecided", ("pend", "timer_decision"), "Pending", "_answer", "_notify"),
        Row("Undecided", "reject", "Terminated", "_refuse"),
        Row("Undecided", "terminate", "Terminated", "_refuse_unheard"),
        Row("Undecided", "changed", "Undecided"),
        Row("Undecided", "given_up", "Error", "_note_error"),
        Row("Pending", "accept", "Active", "_notify"),
        Row("Pending", "reject", "Ending", "_reject_late"),
        Row("Pending", "changed", "Pending"),
        Row("Active", "changed", "Active", "_notify_in_time"),
        Row("Pending", "timer_notify", "Pending", "_send"),
        Row("Active", "timer_notify", "Active", "_send"),
        Row("Pending", "notify", "Pending", "_send"),
        Row("Active", "notify", "Active", "_send"),
        Row("Pending", "notified", "Pending", "_notify_more"),
        Row("Active", "notified", "Active", "_notify_more"),
        Row("Pending", "refreshed", "Pending", "_notify"),
        Row("Active", "refreshed", "Active", "_notify"),
        # §4.4.1: it is over when the last NOTIFY is answered.
        Row(_LIVE, "terminate", "Ending", "_notify_last"),
        Row(_LIVE, ("timer_expires", "unsubscribed"), "Ending", "_notify_timeout"),
        Row("Ending", ("notified", "lost"), "Terminated"),
        Row("Ending", ("refreshed", "unsubscribed", "changed", "notify"), "Ending"),
        Row(_LIVE, ("lost", "given_up"), "Error", "_note_error"),
        Row("Ending", "given_up", "Terminated"),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_decision", "DECISION_TIME", "Undecided"),
        Timer("timer_expires", "seconds_left", *_LIVE),
        Timer("timer_notify", "_notify_delay", *_LIVE),
    )
    final = _OVER

    value: StateT | None

    def __init__(
        self,
        agent: UserAgent,
        package: EventPackage[StateT],
        event_id: str = "",
        resource: Resource[StateT] | None = None,
    ) -> None:
        self.value = None
        self.resource = resource
        self._transaction: ServerTransaction | None = None
        #: Whether a NOTIFY is on its way, and whether there is another state to send after it.
        self._notifying = self._changed = False
        #: Whether the NOTIFY under way lacks a state that is too large for who may be forged.
        self._withheld = False
        self._notified_at = float("-inf")
        #: How many documents it was sent.
        self._documents = 0
        #: How long the next NOTIFY has to wait; None where there is none to send.
        self._notify_delay: float | None = None
        #: Called once when it is over.
        self.on_leave: Callable[[Notifier[Any]], object] | None = None
        super().__init__(agent, package, event_id)
        self.role = "notifier"

    # ---------------------------------------------------------------- verbs

    @verb
    def accept(self, state: StateT | None = None) -> Self:
        """Grant the subscription, now or when it was pending.

        Args:
            state: What this subscriber is sent; None for the state of the resource.

        Raises:
            UnexpectedInput: It was granted or refused before.
        """
        self._check("accept")
        if state is not None:
            self._set_value(state)
        self.hit("accept")
        return self

    @verb
    def pend(self) -> Self:
        """Have the subscriber wait: somebody is asked, who may take their time (§4.2.1.3).

        Raises:
            UnexpectedInput: It was decided before.
        """
        self.hit("pend")
        return self

    @verb
    def reject(self, status: int = 403, reason: str | None = None) -> Self:
        """Refuse the subscription. One that is pending is ended as "rejected".

        Args:
            status: The status, 300 to 699, where the SUBSCRIBE is not answered yet.
            reason: The reason phrase; the registered one by default.

        Raises:
            UnexpectedInput: It was granted or refused before.
            UsageError: The status refuses nothing.
        """
        if status not in range(300, 700):
            raise UsageError(f"{status!r} does not refuse a subscription: expected 300 to 699.")
        self.hit("reject", status, reason)
        return self

    @verb
    def notify(self, state: StateT) -> Self:
        """Send this subscriber a state of its own; as soon as the package allows.

        Raises:
            UnexpectedInput: The subscription is over.
        """
        self._check("changed")
        self._set_value(state)
        self.hit("changed")
        return self

    @verb
    def terminate(self, reason: str = "probation", retry_after: float | None = None) -> Self:
        """End the subscription, and say why (§4.1.3).

        Args:
            reason: "deactivated" (it subscribes anew at once, elsewhere perhaps), "probation"
                (later), "rejected", "timeout", "giveup", "noresource" or "invariant".
            retry_after: Seconds after which it may subscribe anew; None to say nothing.

        Raises:
            UnexpectedInput: It is over, or being ended.
        """
        self.hit("terminate", reason, retry_after)
        return self

    @verb
    def begin(self, state: DialogState, expires: float, value: StateT | None = None) -> Self:
        """Begin a subscription that a request other than SUBSCRIBE has asked for, such as REFER
        (RFC 3515 §2.4.4), and that was answered; the first NOTIFY is sent at once.

        Args:
            state: The dialog.
            expires: Seconds that it lasts.
            value: What is sent.
        """
        self.value = value
        self._expires_at = self.core.timers.now + expires
        self.hit("begin", state)
        return self

    def give_up(self, error: CallFailed) -> None:
        """End it at once: nothing can be sent any more."""
        self.hear("given_up", error)

    def settled(self, state: str) -> bool:
        """Whether it is decided on, and not being ended; what `wait` waits for."""
        return state in (*_LIVE, *_OVER)

    def _set_value(self, state: StateT) -> None:
        check_state(self.package, state, 0)
        self.value = state

    def _check(self, input: str) -> None:
        if not self.takes(input) or self.state in self.final:
            raise self._unexpected(input)

    def leave(self) -> None:
        """Be over, and counted no more."""
        super().leave()
        on_leave, self.on_leave = self.on_leave, None
        if on_leave is not None:
            on_leave(self)

    # ---------------------------------------------------------------- SUBSCRIBE

    def _receive(self, transaction: ServerTransaction, state: DialogState, expires: int) -> None:
        self._transaction = transaction
        self.authenticated = transaction.authenticated
        self._expires_at = self.core.timers.now + expires
        self.join(state)

    def _answer(self) -> None:
        self._answer_subscribe(self._transaction, ceil(self.seconds_left))
        self._transaction = None

    def _answer_subscribe(self, transaction: ServerTransaction | None, expires: int) -> None:
        state = self.dialog_state
        if transaction is None or state is None or transaction.answered:
            return  # it has waited too long, and nobody waits for the answer any more
        contact = state.contact or self.agent.contact(transaction.flow)
        fields = [field("Contact", contact), field("Expires", str(expires))]
        transaction.answer(200, None, fields)

    def _refuse_unheard(self, *_: object) -> None:
        self._refuse(480)

    def _refuse(self, status: int, reason: str | None = None) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            self.core.refusals.refuse(transaction, status, reason)
        self.reason = "rejected"

    def _take_subscribe(self, transaction: ServerTransaction) -> None:
        """Take a refresh (§4.2.1.4), or the end of the subscription.

        Raises:
            ParseError: A header is wrong.
        """
        if not self.takes("refreshed"):
            # Its first is not answered yet; or it is over, and there is none.
            self.agent.refuse(transaction, 500 if self.state == "Undecided" else 481)
            return
        state, request = self.dialog_state, transaction.request
        assert state is not None
        state.remote_target = state.new_target(request)  # §12.2.2: it is a target refresh
        resource = self.resource
        asked = request.expires
        if resource is not None:
            expires = resource.interval(asked)
            if expires is None:
                least = str(resource.min_expires)
                self.agent.refuse(transaction, 423, [("Min-Expires", least)])
                return
        else:
            expires = self.package.expires if asked is None else min(asked, self.package.expires)
        self._answer_subscribe(transaction, expires)
        self._expires_at = self.core.timers.now + expires
        if expires:
            if self.state in _LIVE:
                self.rearm("timer_expires")
            self.hear("refreshed")
        else:
            self.hear("unsubscribed")

    # ---------------------------------------------------------------- NOTIFY

    def _begin(self, state: DialogState) -> None:
        self.join(state)
        self._notify()

    def _state(self) -> StateT | None:
        if self.value is not None or self.resource is None:
            return self.value
        return self.resource.state

    def _notify(self) -> None:
        """Send the state, once the transition that is under way is done."""
        self.hear("notify")

    def _notify_in_time(self) -> None:
        """Send the state as soon as may be."""
        if self._notifying:
            self._changed = True
            return
        wait = self._notified_at + self.package.interval - self.core.timers.now
        if wait <= 0:
            self._send()
        elif self._notify_delay is None:
            self._notify_delay = wait
            self.rearm("timer_notify")

    def _notify_more(self) -> None:
        self._notifying = False
        withheld, self._withheld = self._withheld, False
        if withheld and self.dialog_state is not None and self.dialog_state.proven:
            self._send()
        elif self._changed:
            self._changed = False
            self._notify_in_time()

    def _send(self) -> None:
        """Send the state now, or, where a NOTIFY is on its way, after it."""
        if self._notifying:
            self._changed = True
            return
        if not self.seconds_left:
            return  # it is a poll, and the last NOTIFY has the state
        if self._notify_delay is not None:
            self._notify_delay = None
            self.rearm("timer_notify")
        granted = self.state == "Active"
        word = "active" if granted else "pending"
        # Who is not granted it yet gets no state (§6.2).
        self._send_notify(f"{word};expires={ceil(self.seconds_left)}", granted)

    def _notify_timeout(self) -> None:
        self._notify_last("timeout")

    def _notify_last(self, reason: str = "probation", retry_after: float | None = None) -> None:
        """End the subscription (§4.2.2)."""
        self.reason = reason
        self.retry_after = retry_after
        # Nor in the end, where it was still pending.
        self._send_notify("terminated", self.state == "Active")

    def _reject_late(self, *_: object) -> None:
        self._notify_last("rejected")

    def _send_notify(self, substate: str, with_state: bool) -> None:
        state, value = self.dialog_state, self._state() if with_state else None
        assert state is not None
        kind, body = [], b""
        try:
            if value is not None:
                body = self.package.build(self.package.numbered(value, self._documents))
            if len(body) > self.MAX_UNPROVEN and state.is_unproven and not state.proven:
                body, self._withheld = b"", True
            elif value is not None:
                kind.append(field("Content-Type", self.package.accepts[0]))
                self._documents += 1
            if substate == "terminated":
                substate = self._last_word()
            fields = [field("Event", self.event), field("Subscription-State", substate), *kind]
            self._notifying, self._changed = True, False
            self._notified_at = self.core.timers.now
            self.request = state.send_request(self, "NOTIFY", fields, body, self)
        except (ParseError, UsageError) as error:
            self.hear("lost", CallFailed(f"The subscriber cannot be notified: {error}"))

    def _last_word(self) -> str:
        if self._withheld:
            # Who has polled may do so once more: by answering this it shows that it is there.
            self.reason, self.retry_after = "probation", 1.0
        wait = "" if self.retry_after is None else f";retry-after={ceil(self.retry_after)}"
        return f"terminated;reason={self.reason}{wait}"

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take the response to a NOTIFY (§4.2.2)."""
        if response.status < 200:
            return
        state = self.dialog_state
        if state is not None:
            state.proven = True  # it has the branch, which was sent to that address alone
            state.prove()
        if client_request is not self.request:
            return
        if response.status in ENDING:
            self.hear("lost", rejection(response))
        else:
            self.hear("notified")

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        if client_request is self.request:
            if isinstance(error, CallTimedOut):
                state = self.dialog_state
                if state is not None and state.half_open and state.share is not None:
                    state.share.doubt()
                self.hear("lost", error)
            else:
                self.hear("notified")
