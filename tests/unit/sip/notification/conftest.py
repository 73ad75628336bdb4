"""What the tests of event notification share: a package, and either side of a subscription."""

import pytest

from sipparty.sip import NextHop, Response
from sipparty.sip.notification.events import SubscriptionEnded
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.notification.resource import Resource, Resources
from sipparty.sip.notification.subscriber import Subscription


class Temperature(EventPackage[float]):
    name = "temperature"
    accepts = ("text/plain",)
    expires = 3600

    def parse(self, body, media_type):
        return float(body)

    def build(self, state):
        return str(state).encode()


class Subscribing:
    """A subscription of an agent of `wire`'s, with the test as its notifier."""

    def __init__(self, wire, event_id="", uri="sip:bob@biloxi.com", **settings):
        self.wire = wire
        self.agent = wire.agent(uri)
        self.made = Subscription(self.agent, Temperature(), event_id)
        for name, value in settings.items():
            setattr(self.made, name, value)
        self.number = 0
        self.first = None

    def subscribe(self, expires=None, **asked):
        self.made.subscribe(Asked("sip:sensor@10.0.0.9", **asked), expires)
        self.first = self.wire.one()
        return self.first

    def again(self):
        """The SUBSCRIBE that has taken the place of the last."""
        self.first = self.wire.one()
        return self.first

    def accept(self, request=None, expires=3600, tag="n1"):
        headers = [] if expires is None else [("Expires", str(expires))]
        self.wire.receive(self.wire.answer(request or self.first, 200, tag=tag, headers=headers))

    def notify(self, state="active;expires=3600", body=b"", tag="n1", event="temperature", **more):
        """Receive a NOTIFY; return what is answered."""
        self.number += 1
        more.setdefault("number", self.number)
        more.setdefault("branch", f"z9hG4bKn{self.number}")
        more.setdefault("headers", [])
        more.setdefault("kind", "text/plain")
        states = [f"Subscription-State: {state}"] if state else []
        events = [f"Event: {event}"] if event else []
        more["headers"] = [*events, *states, *more["headers"]]
        first = self.first
        self.wire.receive(
            self.wire.request(
                "NOTIFY",
                first.contact.uri_text,
                to=str(first["From"]),
                from_=f"<sip:sensor@10.0.0.9>;tag={tag}",
                call_id=first.call_id,
                contact="<sip:sensor@10.0.0.9>",
                body=body,
                **more,
            )
        )
        answered = [item for item in self.wire.out if isinstance(item[1], Response)]
        self.wire.out.remove(answered[0])
        return answered[0][1]

    def established(self, expires=3600, **asked):
        self.subscribe(expires, **asked)
        self.accept(expires=expires)
        assert self.notify(f"active;expires={expires}", b"21.5").status == 200
        assert self.made.state == "Active"
        return self

    def end(self):
        """The one end that was reported."""
        ended = [e for e in self.wire.happened if isinstance(e, SubscriptionEnded)]
        assert len(ended) == 1
        assert ended[0].subscription is self.made
        return ended[0]

    def over(self):
        self.wire.over()
        assert not self.agent.services


class Offering:
    """An agent of `wire`'s that offers a state, with the test as its subscriber."""

    def __init__(self, wire, state=21.5, decides=False, **settings):
        self.wire = wire
        self.agent = wire.agent(**settings)
        self.resources = Resources(self.agent, lambda: decides)
        self.resource = Resource(Temperature(), state)
        self.resources.offer(self.resource)
        self.subscribed = None
        self.answer = None

    def subscribe(self, event="temperature", headers=(), expires=None, **changes):
        """Receive a SUBSCRIBE; return all that is sent then."""
        lines = [f"Event: {event}"] if event else []
        lines += headers
        if expires is not None:
            lines.append(f"Expires: {expires}")
        self.wire.receive(self.wire.request("SUBSCRIBE", headers=lines, **changes))
        sent = self.wire.sent()
        self.answer = sent[0] if sent else None
        return sent

    def within(self, number=2, event="temperature", headers=(), expires=None):
        lines = [f"Event: {event}", *headers]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        self.wire.receive(self.wire.within(self.answer, "SUBSCRIBE", number, headers=lines))
        return self.wire.sent()

    def confirm(self, notify, status=200, headers=()):
        self.wire.receive(self.wire.answer(notify, status, headers=headers))

    def established(self, **changes):
        answer, notify = self.subscribe(**changes)
        assert answer.status == 200
        self.confirm(notify)
        (made,) = self.resource.subscribers
        return made

    def over(self):
        self.wire.over()
        assert not self.agent.services
        assert not self.resource.subscribers
        assert not self.resources._by_source


@pytest.fixture
def subscribing(wire):
    return Subscribing(wire)


@pytest.fixture
def make_subscribing(wire):
    return lambda event_id="", **settings: Subscribing(wire, event_id, **settings)


@pytest.fixture
def offering(wire):
    return Offering(wire)


@pytest.fixture
def make_offering(wire):
    return lambda *args, **settings: Offering(wire, *args, **settings)


@pytest.fixture
def offering_on():
    return Offering


@pytest.fixture
def make_both(make_pair):
    """A subscription of alice's to bob, with a network between them."""

    def make(seed=0, state=21.5, decides=False, **network):
        pair = make_pair(seed, **network)
        resources = Resources(pair.bob, lambda: decides)
        resource = Resource(Temperature(), state)
        resources.offer(resource)
        made = Subscription(pair.alice, Temperature())
        asked = Asked("sip:bob@biloxi.com", NextHop("10.0.0.2", 5060))
        return pair, made, resource, asked

    return make
