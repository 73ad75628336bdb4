"""The verbs of event notification and publication (RFC 6665, RFC 3903)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from sipparty.concurrency.waiting import verb
from sipparty.party.engine_user import EngineUser
from sipparty.party.events import EventHandlers
from sipparty.party.settings import PartySettings, Target
from sipparty.sip import Dialog, Flow
from sipparty.sip.routing import route_to

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.notification.package import EventPackage
    from sipparty.sip.notification.publication import Publication
    from sipparty.sip.notification.resource import Resource
    from sipparty.sip.notification.subscriber import Subscription

__all__ = ["NotificationVerbs"]

StateT = TypeVar("StateT")


class NotificationVerbs(EngineUser, EventHandlers, PartySettings):
    """Subscriptions of a party, those to it, and what it publishes."""

    #: What others may subscribe to, and of what unsolicited notifications are taken.
    _offered: tuple[Resource[Any], ...] = ()
    _unsolicited: tuple[EventPackage[Any], ...] = ()

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now; `to_do` is what errors name."""
        raise NotImplementedError

    def _routes(self, proxy: str | None) -> tuple[str, ...]:
        proxy = self.proxy if proxy is None else proxy
        return () if proxy is None else (route_to(proxy),)

    @overload
    def subscribe(
        self,
        event: str,
        target: Target | None = None,
        *,
        within: Dialog | None = None,
        expires: int | None = None,
        accept: Iterable[str] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: bytes = b"",
        event_id: str = "",
        keep_forks: bool = False,
        proxy: str | None = None,
        flow: Flow | None = None,
    ) -> Subscription[Any]: ...
    @overload
    def subscribe(
        self,
        event: type[EventPackage[StateT]] | EventPackage[StateT],
        target: Target | None = None,
        *,
        within: Dialog | None = None,
        expires: int | None = None,
        accept: Iterable[str] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: bytes = b"",
        event_id: str = "",
        keep_forks: bool = False,
        proxy: str | None = None,
        flow: Flow | None = None,
    ) -> Subscription[StateT]: ...
    def subscribe(
        self,
        event: str | type[EventPackage[Any]] | EventPackage[Any],
        target: Target | None = None,
        *,
        within: Dialog | None = None,
        expires: int | None = None,
        accept: Iterable[str] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: bytes = b"",
        event_id: str = "",
        keep_forks: bool = False,
        proxy: str | None = None,
        flow: Flow | None = None,
    ) -> Subscription[Any]:
        """Subscribe to somebody's state (RFC 6665); returns at once.

            for state in party.subscribe("message-summary"): ...

        The subscription is refreshed, and begun anew where its end asks for that, until it is
        terminated.

        Args:
            event: The event package: "conference", "dialog", "message-summary", "presence" or
                "reg"; an `EventPackage` of your own; or any other name, with its media types in
                `accept`, whose states are `Body`s.
            target: Whose state; by default the party's own address of record.
            within: The call in whose dialog the subscription is, in the place of a target (§4.5.2).
            expires: Seconds to ask for; 0 to poll the state once: `value` of what is returned,
                after its `wait`. By default those of the package.
            accept: The media types that are taken; those of the package by default.
            headers: Further headers.
            body: A body, whose Content-Type is in `headers`.
            event_id: The `id` of Event, where there are several in one dialog.
            keep_forks: Whether each notifier of a forked SUBSCRIBE makes a subscription
                (`SubscriptionForked`); else the first does.
            proxy: The next hop, as for `invite`.
            flow: A flow that is there already, as for `invite`.

        Raises:
            BuildError: A header cannot stand in a message.
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address to send to.
            UsageError: The package is not known here, and `accept` says nothing; `expires` is no
                number that can be sent; or the call is not up.
        """
        given = expires, accept, headers, body, event_id, keep_forks, proxy, flow
        return self._subscribe(event, target, within, *given)

    @verb
    def _subscribe(self, *given: Any) -> Subscription[Any]:
        from sipparty.party import notification

        return notification.subscribe(self, self._agent_now("subscribe"), *given)

    @overload
    def offer(self, package: str, state: Any = None, *, min_expires: int = 60) -> Resource[Any]: ...
    @overload
    def offer(
        self,
        package: type[EventPackage[StateT]] | EventPackage[StateT],
        state: StateT | None = None,
        *,
        min_expires: int = 60,
    ) -> Resource[StateT]: ...
    def offer(
        self,
        package: str | type[EventPackage[Any]] | EventPackage[Any],
        state: Any = None,
        *,
        min_expires: int = 60,
    ) -> Resource[Any]:
        """Have others subscribe to a state of the party's (RFC 6665 §4.2).

        All are accepted, unless there is a handler for `SubscriptionReceived`, which decides.

        Args:
            package: The event package, by name, or one of your own.
            state: The state; None while there is none.
            min_expires: Seconds that others have to subscribe for at the least.

        Returns:
            What is subscribed to: `notify(state)` sends another state to all subscribers. One for
            each package: another call takes its place, for those who subscribe from then on.

        Raises:
            Incomplete: The uri lacks user or host.
            UsageError: The package is not known here, or has no media type.
        """
        return self._offer(package, state, min_expires)

    @verb
    def _offer(self, *given: Any) -> Resource[Any]:
        from sipparty.party import notification

        return notification.offer(self, self._agent_now("offer"), *given)

    @verb
    def take_unsolicited(self, *events: str | type[EventPackage[Any]] | EventPackage[Any]) -> Self:
        """Take the notifications of some packages that nobody has subscribed to, as servers send
        them for "message-summary"; each is an `UnsolicitedNotification`. Without this call, and
        without packages, they are answered 481.

        Raises:
            Incomplete: The uri lacks user or host.
            UsageError: A package is not known here.
        """
        from sipparty.party import notification

        notification.take_unsolicited(self, self._agent_now("take_unsolicited"), events)
        return self

    @verb
    def publish(
        self,
        event: str | type[EventPackage[Any]] | EventPackage[Any],
        state: Any,
        media_type: str | None = None,
        *,
        expires: int | None = None,
        target: Target | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        proxy: str | None = None,
        flow: Flow | None = None,
    ) -> Publication:
        """Publish a state (RFC 3903), and keep it published until the publication is terminated;
        returns at once. `publish` of what is returned changes the state.

        Args:
            event: The event package, by name, or one of your own.
            state: The state, as the package has it; or its body as text or bytes.
            media_type: The Content-Type of a body; that of the package by default.
            expires: Seconds to ask for; 3600 by default.
            target: Whose state it is; by default the party's own address of record.
            headers: Further headers.
            proxy: The next hop, as for `invite`.
            flow: A flow that is there already, as for `invite`.

        Raises:
            BuildError: A header cannot stand in a message.
            Incomplete: The uri lacks user or host.
            ParseError: The target or the proxy is no address to send to.
            UsageError: The package is not known here, and there is no media type; there is nothing
                to publish; or `expires` is no number that can be sent.
        """
        from sipparty.party import notification

        agent = self._agent_now("publish")
        given = media_type, expires, target, headers, proxy, flow
        return notification.publish(self, agent, event, state, *given)
