"""What a user agent offers to be subscribed to (RFC 6665 §4.2.1): a state for each event package.

Laws:

* A SUBSCRIBE for another package is answered 489, with those that are offered in Allow-Events.
* Subscriptions are bounded, in all and for each source (`Limits.max_subscriptions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sipparty.errors import CallFailed, UsageError
from sipparty.fsm import verb
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.notification.events import SubscriptionReceived
from sipparty.sip.notification.notifier import Notifier
from sipparty.sip.notification.package import EventPackage, check_state
from sipparty.sip.notification.usage import dialog_of_request, event_of
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["Resource", "Resources"]

StateT = TypeVar("StateT")


class Resource(Generic[StateT]):
    """A state that others may subscribe to; made by `party.offer`.

    Args:
        package: Its event package.
        state: The state; None while there is none, and subscribers are sent none.
        min_expires: Seconds that one has to subscribe for at the least; less is answered 423. An
            hour or more is never refused (RFC 6665 §4.2.1.1).

    Attributes:
        state: What subscribers are sent, but for those who were given a state of their own.
        subscribers: The subscriptions that are not over.
    """

    portal: Any = None

    def __init__(
        self,
        package: EventPackage[StateT],
        state: StateT | None = None,
        min_expires: int = 60,
    ) -> None:
        if not package.accepts:
            raise UsageError(
                f"The package {package.name!r} has no media type: write accepts = ('text/plain',)."
            )
        self.package = package
        self.check(state)
        self.state = state
        self.min_expires = min_expires
        self.subscribers: tuple[Notifier[StateT], ...] = ()

    def __repr__(self) -> str:
        return f"<Resource {self.package.name}, {len(self.subscribers)} subscribers>"

    @verb
    def notify(self, state: StateT) -> None:
        """Have another state, and send it to all subscribers, as soon as the package allows.

        Raises:
            TypeError: It is no state of the package, whose `build` says why.
        """
        self.check(state)
        self.state = state
        for one in self.subscribers:
            one.hear("changed")

    @verb
    def terminate(self, reason: str = "noresource", retry_after: float | None = None) -> None:
        """End every subscription; `reason` and `retry_after` are those of `Notifier.terminate`."""
        for one in self.subscribers:
            if one.takes("terminate"):
                one.hit("terminate", reason, retry_after)

    def check(self, state: StateT | None) -> None:
        """Have the package raise now what it would when the next subscriber is notified."""
        if state is not None:
            check_state(self.package, state, 0)

    def interval(self, asked: int | None) -> int | None:
        """Return how long a SUBSCRIBE gets (§4.2.1.1); None where it asks for too little.

        Args:
            asked: Its Expires; None where it has none.
        """
        if asked is None:
            return self.package.expires
        if 0 < asked < min(self.min_expires, 3600):
            return None
        return min(asked, self.package.expires)


class Resources:
    """The resources of one user agent, by the name of their package.

    Args:
        agent: The user agent.
        decides: Whether somebody is there to decide on each subscription; else all are accepted.
    """

    def __init__(self, agent: UserAgent, decides: Callable[[], bool] = lambda: False) -> None:
        self.agent = agent
        self.decides = decides
        self.by_event: dict[str, Resource[Any]] = {}
        self._by_source: Counter[object] = Counter()
        agent.resources = self

    @property
    def names(self) -> str:
        """The packages that are offered, as Allow-Events has them (§4.4.4)."""
        return ", ".join(self.by_event)

    def offer(self, resource: Resource[Any]) -> None:
        """Have a resource subscribed to, in the place of one of the same package."""
        self.by_event[resource.package.name] = resource
        self.agent.handle_method("SUBSCRIBE", self.take)  # what it says of itself is made anew

    def take(self, transaction: ServerTransaction, state: DialogState | None) -> None:
        """Take a SUBSCRIBE for a new subscription.

        Args:
            transaction: Its transaction.
            state: The dialog that it is in (§4.5.2); None outside of dialogs.

        Raises:
            ParseError: A header that is needed is missing or wrong.
        """
        agent, request = self.agent, transaction.request
        event = event_of(request)
        resource = None if event is None else self.by_event.get(event.value)
        if event is None or resource is None:
            agent.refuse(transaction, 489, [("Allow-Events", self.names)])
            return
        package = resource.package
        accepted = request.get("Accept")
        if accepted is not None and not any(one.covers(package.accepts[0]) for one in accepted):
            agent.refuse(transaction, 406, [("Accept", package.accepts[0])])
            return
        expires = resource.interval(request.expires)
        if expires is None:
            agent.refuse(transaction, 423, [("Min-Expires", str(resource.min_expires))])
            return
        source, limits = transaction.share.key, agent.core.limits
        of_one = 0 if transaction.authenticated is not None else self._by_source[source]
        if (
            self._by_source.total() >= limits.max_subscriptions
            or of_one >= limits.max_subscriptions_of_one
        ):
            agent.core.counters["refused"] += 1
            agent.refuse(transaction, 503, agent.core.refusals.overloaded)
            return
        if state is None:
            state = dialog_of_request(agent, transaction)
            if state is None:
                return
        notifier = Notifier(agent, package, event.parameter("id") or "", resource)
        notifier.on_leave = partial(self._left, resource, source)
        resource.subscribers += (notifier,)
        self._by_source[source] += 1
        try:
            notifier.hear("receive", transaction, state, expires)
            notifier._emit(SubscriptionReceived, request)
            if not self.decides():
                notifier.hit("accept")
        except Exception as error:
            notifier.give_up(CallFailed(f"The state could not be sent: {error}"))
            raise

    def _left(self, resource: Resource[Any], source: object, notifier: Notifier[Any]) -> None:
        resource.subscribers = tuple(one for one in resource.subscribers if one is not notifier)
        self._by_source[source] -= 1
        if not self._by_source[source]:
            del self._by_source[source]
