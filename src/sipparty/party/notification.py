"""The verbs of event notification: what of them is not a line in `RequestVerbs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError
from sipparty.party.locating import locate
from sipparty.sip import Dialog, Flow, NextHop
from sipparty.sip.notification.events import SubscriptionReceived
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.package import EventPackage, find_package
from sipparty.sip.notification.publication import Publication
from sipparty.sip.notification.resource import Resource, Resources
from sipparty.sip.notification.subscriber import Subscription
from sipparty.sip.notification.unsolicited import StrayNotifies
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["make_offers", "offer", "publish", "subscribe", "take_unsolicited"]

Package = str | type[EventPackage[Any]] | EventPackage[Any]
Headers = Mapping[str, Any] | Iterable[tuple[str, Any]]


def subscribe(
    party: Any,
    agent: UserAgent,
    event: Package,
    target: Any,
    within: Dialog | None,
    expires: int | None,
    accept: Iterable[str] | None,
    headers: Headers,
    body: bytes,
    event_id: str,
    keep_forks: bool,
    proxy: str | None,
    flow: Flow | None,
) -> Subscription[Any]:
    """Do what `Party.subscribe` says."""
    accepted = () if accept is None else tuple(one.lower() for one in accept)
    package = find_package(event, *accepted)
    made: Subscription[Any] = Subscription(agent, package, event_id)
    made.accepts = accepted or package.accepts
    made.keep_forks = keep_forks
    fields = given_fields(headers, "content-type")
    if within is None:
        uri, hop, routes = _where(party, agent, target, proxy)
        asked = Asked(uri, hop, routes, fields, body, flow)
    else:
        if not isinstance(within, Dialog):
            raise TypeError(f"within is a call that is up, not {within!r}.")
        state = within.dialog_state
        if target is not None or state is None or within not in state.usages:
            what = "a target is not given beside it" if target is not None else "it is not up"
            raise UsageError(f"The subscription cannot be within {within.name}: {what}.")
        asked = Asked(state.remote_target, fields=fields, body=body, within=state)
    return made.subscribe(asked, expires)


def _where(
    party: Any, agent: UserAgent, target: Any, proxy: str | None
) -> tuple[str, NextHop | None, tuple[str, ...]]:
    """Return a request-URI, its next hop where that is not what the URI says, and its routes; by
    default they are to the party's own address of record.
    """
    uri, hop = (agent.uri, None) if target is None else locate(target)
    routes = party._routes(proxy)
    return uri, None if routes else hop, routes


def offer(
    party: Any, agent: UserAgent, package: Package, state: Any, min_expires: int
) -> Resource[Any]:
    """Do what `Party.offer` says."""
    resource: Resource[Any] = Resource(find_package(package), state, min_expires)
    resource.portal = party.engine
    party._offered = (
        *(one for one in party._offered if one.package.name != resource.package.name),
        resource,
    )
    make_offers(party, agent)
    return resource


def make_offers(party: Any, agent: UserAgent) -> None:
    """Have a user agent take subscriptions to all that its party offers, and the notifications
    without one that it takes.
    """
    if party._unsolicited:
        StrayNotifies(agent, *party._unsolicited)
    if not party._offered:
        return

    def decides() -> bool:
        return bool((party._handlers or {}).get(SubscriptionReceived))

    resources = agent.resources or Resources(agent, decides)
    for resource in party._offered:
        resources.offer(resource)


def take_unsolicited(party: Any, agent: UserAgent, events: Iterable[Package]) -> None:
    """Do what `Party.take_unsolicited` says."""
    party._unsolicited = tuple(find_package(one) for one in events)
    StrayNotifies(agent, *party._unsolicited)


def publish(
    party: Any,
    agent: UserAgent,
    event: Package,
    state: Any,
    media_type: str | None,
    expires: int | None,
    target: Any,
    headers: Headers,
    proxy: str | None,
    flow: Flow | None,
) -> Publication:
    """Do what `Party.publish` says."""
    package = find_package(event, *(() if media_type is None else (media_type,)))
    uri, hop, routes = _where(party, agent, target, proxy)
    made = Publication(agent, package, uri, hop, routes, given_fields(headers), flow)
    return made.publish(state, media_type, expires)
