"""What both sides of a subscription have in common (RFC 6665): the dialog, the event, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import CallFailed, ParseError
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.record import Step, steps_of
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import Event
from sipparty.sip.grammar import is_token
from sipparty.sip.message import Message, Request
from sipparty.sip.notification.events import SubscriptionEnded
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS
from sipparty.sip.typed import TokenValue

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["ENDING", "SubscriptionUsage", "dialog_of_request", "event_of"]

#: The statuses of a SUBSCRIBE or NOTIFY that end the subscription (§4.1.2.2, §4.2.2).
ENDING = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})


class SubscriptionUsage(Dialog, abstract=True):
    """One side of a subscription.

    Args:
        agent: The user agent.
        package: The event package.

    Attributes:
        package: The event package.
        event_id: The `id` of its Event (§4.5.2); "" for none.
        reason: Why it has ended, as in `SubscriptionEnded`.
        retry_after: Likewise.
    """

    #: How many of its first steps are kept.
    MAX_STEPS: ClassVar[int] = 16
    WHAT: ClassVar[str] = "The subscription"
    LAST_EVENT: ClassVar[type[Event] | None] = SubscriptionEnded

    package: EventPackage[Any]

    def __init__(self, agent: UserAgent, package: EventPackage[Any], event_id: str = "") -> None:
        self.package = package
        self.event_id = event_id
        self.reason = ""
        self.retry_after: float | None = None
        #: When it ends, on the core's clock.
        self._expires_at = 0.0
        #: The last request of ours; the outcome of those before changes nothing.
        self.request: ClientRequest | None = None
        self._held = 0
        #: Time, state and input of each step, one after the other.
        self._steps: tuple[Any, ...] = ()
        super().__init__(agent)
        self.portal = agent.portal

    def on_transition(self, old: str, input: str, new: str) -> None:
        """Keep the step, if it is one to another state: subscriptions last."""
        if new != old and len(self._steps) < 3 * self.MAX_STEPS:
            self._steps = (*self._steps, self.core.timers.now, new, input)

    # ---------------------------------------------------------------- what a user reads

    @property
    def steps(self) -> tuple[Step, ...]:
        """The changes of its state so far, in order; the first `MAX_STEPS`."""
        return steps_of(self._steps)

    @property
    def event(self) -> str:
        """The value of Event, such as "presence" or "refer;id=7"."""
        return f"{self.package.name};id={self.event_id}" if self.event_id else self.package.name

    @property
    def seconds_left(self) -> float:
        """Seconds until it expires if it is not refreshed; 0.0 where it has."""
        return max(0.0, self._expires_at - float(self.core.timers.now))

    @property
    def is_asking(self) -> bool:
        """Whether the last request has no outcome yet; another server may get it."""
        return self.request is not None and not self.request.finished

    @property
    def weight(self) -> int:
        """The bytes that are kept of the state."""
        return self._held

    # ---------------------------------------------------------------- the dialog

    def join(self, state: DialogState) -> None:
        """Join a dialog; what counts as a call is not increased."""
        self.dialog_state = state
        state.join(self)
        self.agent.services[self] = None

    def leave(self) -> None:
        """Be over, and with the last usage the dialog too."""
        self.agent.services.pop(self, None)
        self.leave_dialog()

    def leave_dialog(self) -> None:
        """Leave the dialog, if there is one."""
        if self.dialog_state is not None:
            self.dialog_state.leave(self)

    def owns(self, request: Request) -> bool:
        """Whether a request inside the dialog is of this event (§8.2.1)."""
        return request.method in self.methods and self.matches(request)

    def matches(self, request: Request) -> bool:
        """Whether Event names the package and the id of this subscription, both byte by byte; what
        cannot be read names nothing.
        """
        try:
            event = event_of(request)
        except ParseError:
            return False
        if event is None:
            return False
        return event.value == self.package.name and (event.parameter("id") or "") == self.event_id

    # ---------------------------------------------------------------- the end

    def _note_error(self, error: CallFailed, *_: object) -> None:
        self.last_error = error

    def _over(self) -> None:
        self.leave()
        self._emit(SubscriptionEnded, self.reason, self.retry_after, self.last_error)

    def on_enter_Terminated(self) -> None:
        """Leave the dialog, and report the end."""
        self._over()

    def on_enter_Error(self) -> None:
        """As `on_enter_Terminated`."""
        self._over()

    def peer_lost(self, error: CallFailed) -> None:
        """Take note that a response has ended the dialog."""
        if self.dialog_state is not None and self in self.dialog_state.usages:
            self.hear("lost", error)  # else it is of one that was left before


def event_of(message: Message) -> TokenValue | None:
    """Return the Event of a message; None where it has none.

    Raises:
        ParseError: It is malformed.
    """
    event: TokenValue | None = message.get("Event")
    if event is not None and not is_token(event.parameter("id") or "none"):
        # §8.4: it is written into our requests as it is here.
        raise ParseError(str(event), "a token as id", None, what="Event")
    return event


def dialog_of_request(agent: UserAgent, transaction: ServerTransaction) -> DialogState | None:
    """Return the dialog that a request outside of dialogs makes here (RFC 3261 §12.1.1), with the
    Contact of ours that its 2xx is to have; None where it was refused.

    Raises:
        ParseError: A header that is needed is missing or wrong.
    """
    core, flow = agent.core, transaction.flow
    shares = core.transactions.shares
    if not core.has_capacity_for(transaction) or (
        not flow.reliable and shares.is_unproven(transaction.share)
    ):
        agent.refuse(transaction, 503, core.refusals.overloaded)
        return None
    state = DialogState.of_request(transaction.request, transaction.tag, core.tokens.number(24))
    state.back = flow
    state.proven = flow.reliable or transaction.authenticated is not None
    state.half_open = not state.proven
    state.share = transaction.share
    state.endpoint = flow.endpoint
    state.next_hop()  # a route that cannot be followed is refused now
    if state.secure and flow.transport not in SECURE_TRANSPORTS:
        agent.refuse(transaction, 480, [("Warning", '380 sipparty "SIPS Not Allowed"')])
        return None
    state.agent = agent
    state.give_contact(flow, state.wants_secure_contact)
    state.early = False
    return state
