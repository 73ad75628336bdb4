"""Event notification, as RFC 6665 §3 and §4 describe it: the typical flow and its variants."""

from __future__ import annotations

import pytest

from sipparty.sip.notification import EventPackage, Resource, Subscription
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.resource import Resources

DOMAIN = "example.com"


class Temperature(EventPackage):
    """A state that is a number."""

    name = "temperature"
    accepts = ("text/plain",)

    def parse(self, body, media_type):
        return float(body)

    def build(self, state):
        return str(state).encode()


@pytest.fixture
def subscriber(flow):
    return flow.phone("subscriber", DOMAIN)


class Notifier:
    """A phone that offers a state."""

    def __init__(self, phone, state=20.0):
        self.phone = phone
        self.resources = Resources(phone.agent)
        self.resource = Resource(Temperature(), state)
        self.resources.offer(self.resource)


@pytest.fixture
def notifier(flow):
    return Notifier(flow.phone("notifier", DOMAIN))


@pytest.fixture
def subscribe(flow, subscriber, notifier):
    def subscribe(proxy=None, expires=None):
        routes = () if proxy is None else (f"<sip:{proxy.domain_name};lr>",)
        uri = notifier.phone.contact if proxy is None else notifier.phone.uri
        asked = Asked(uri, routes=routes)
        return Subscription(subscriber.agent, Temperature()).subscribe(asked, expires)

    return subscribe


def until_value(flow, subscription, value):
    flow.until(lambda: subscription.value == value)
    flow.run(5)


SUBSCRIBED = """
    subscriber > notifier   SUBSCRIBE/200 F1 F2
    notifier   > subscriber NOTIFY/200    F3 F4
"""


def test_3_typical_operation(flow, subscriber, notifier, subscribe):
    """§3.1: a subscription, the state at once, and each state to come; then it is ended."""
    subscription = subscribe()
    until_value(flow, subscription, 20.0)
    assert subscription.state == "Active"
    assert len(notifier.resource.subscribers) == 1
    notifier.resource.notify(21.5)
    until_value(flow, subscription, 21.5)
    subscription.terminate()
    flow.until_state("Terminated", subscription)
    flow.until(lambda: not notifier.resource.subscribers)
    if flow.clean:
        flow.shows(
            SUBSCRIBED,
            """
            notifier   > subscriber NOTIFY/200    F5 F6
            subscriber > notifier   SUBSCRIBE/200 F7 F8
            notifier   > subscriber NOTIFY/200    F9 F10
        """,
        )
        asked, made = flow["F1"], flow["F3"]
        assert asked.lines("Event") == made.lines("Event") == ["temperature"]
        assert asked.expires == flow["F2"].expires == 3600
        assert "tag" not in asked.lines("To")[0]
        assert made.from_.tag == flow["F2"].to.tag
        assert made.to.tag == asked.from_.tag
        states = [flow[label].lines("Subscription-State")[0] for label in ("F3", "F5", "F9")]
        assert [state.partition(";")[0] for state in states] == ["active", "active", "terminated"]
        assert flow["F7"].expires == 0
        assert flow["F7"].uri_text == made.contact.uri_text
        assert flow["F5"].cseq.number == made.cseq.number + 1


def test_4_1_2_2_refresh(flow, notifier, subscribe):
    """A subscription is refreshed in time, in its dialog; each refresh brings the state."""
    subscription = subscribe(expires=600)
    until_value(flow, subscription, 20.0)
    flow.run(620)
    assert subscription.state == "Active"
    assert len(notifier.resource.subscribers) == 1
    if flow.clean:
        flow.shows(
            SUBSCRIBED,
            """
            subscriber > notifier   SUBSCRIBE/200 F5 F6
            notifier   > subscriber NOTIFY/200    F7 F8
        """,
        )
        assert flow["F5"].to.tag == flow["F2"].to.tag
        assert flow["F5"].cseq.number == flow["F1"].cseq.number + 1
        assert flow["F5"].expires == 600
    subscription.terminate()
    flow.until_state("Terminated", subscription)


def test_4_4_3_polling(flow, notifier, subscribe):
    """Expires 0 asks for the state once: the one NOTIFY ends the subscription."""
    subscription = subscribe(expires=0)
    flow.until_state("Terminated", subscription)
    assert subscription.value == 20.0
    flow.until(lambda: not notifier.resource.subscribers)
    if flow.clean:
        flow.shows(SUBSCRIBED)
        assert flow["F1"].expires == 0
        assert flow["F3"].lines("Subscription-State")[0].startswith("terminated")


def test_4_2_2_the_notifier_ends_it(flow, notifier, subscribe):
    """The resource is no more: the last NOTIFY says so, and there is nothing to subscribe to."""
    subscription = subscribe()
    until_value(flow, subscription, 20.0)
    notifier.resource.terminate("noresource")
    flow.until(lambda: subscription.state in ("Terminated", "Error"))
    flow.run(1)
    if flow.clean:
        flow.shows(SUBSCRIBED, "notifier > subscriber NOTIFY/200 F5 F6")
        state = flow["F5"].lines("Subscription-State")[0].replace(" ", "")
        assert state.startswith("terminated;reason=noresource")


def test_4_3_through_a_proxy_that_stays_in_the_path(flow, notifier, subscribe):
    """Record-Route makes the route of both sides; NOTIFY goes by the proxy as well."""
    proxy = flow.proxy("proxy", DOMAIN)
    proxy.targets[notifier.phone.address] = [[notifier.phone.contact]]
    subscription = subscribe(proxy)
    until_value(flow, subscription, 20.0)
    subscription.terminate()
    flow.until_state("Terminated", subscription)
    flow.until(lambda: not notifier.resource.subscribers)
    if flow.clean:
        flow.shows("""
            subscriber > proxy      SUBSCRIBE F1
            proxy      > notifier   SUBSCRIBE
            notifier   > proxy      200
            notifier   > proxy      NOTIFY    F2
            proxy      > subscriber 200
            proxy      > subscriber NOTIFY
            subscriber > proxy      200
            proxy      > notifier   200
            subscriber > proxy      SUBSCRIBE F3
            proxy      > notifier   SUBSCRIBE
            notifier   > proxy      200
            notifier   > proxy      NOTIFY
            proxy      > subscriber 200
            proxy      > subscriber NOTIFY
            subscriber > proxy      200
            proxy      > notifier   200
        """)
        assert routes(flow["F2"]) == routes(flow["F3"]) == [f"<sip:{proxy.domain_name};lr>"]
        assert flow["F3"].uri_text == notifier.phone.contact


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "refused"])
def test_4_4_1_forked(flow, subscriber, notifier, keep):
    """A proxy forks the SUBSCRIBE: each NOTIFY makes a dialog, and one that is not wanted gets 481,
    which ends that subscription at its notifier.

    The first NOTIFYs take the way of the SUBSCRIBE, though the proxy has not asked for that: nobody
    has shown yet that they receive what is sent to the Contact.
    """
    other = Notifier(flow.phone("other", DOMAIN), 30.0)
    proxy = flow.proxy("proxy", DOMAIN, record_route=False)
    proxy.targets["both@example.com"] = [[notifier.phone.contact, other.phone.contact]]
    subscription = Subscription(subscriber.agent, Temperature())
    subscription.keep_forks = keep
    subscription.subscribe(Asked("sip:both@example.com"))
    flow.until(lambda: subscription.value)
    flow.run(20)
    subscribers = [len(one.resource.subscribers) for one in (notifier, other)]
    assert sum(subscribers) == (2 if keep else 1)
    assert len(subscription.forks) == (1 if keep else 0)
    if flow.clean:
        flow.shows(f"""
            subscriber > proxy      SUBSCRIBE
            proxy      > notifier   SUBSCRIBE
            proxy      > other      SUBSCRIBE
            notifier   > proxy      200
            notifier   > proxy      NOTIFY
            other      > proxy      200
            other      > proxy      NOTIFY
            proxy      > subscriber 200
            proxy      > subscriber NOTIFY
            proxy      > subscriber NOTIFY
            subscriber > proxy      200
            subscriber > proxy      {200 if keep else 481}
            proxy      > notifier   200
            proxy      > other      {200 if keep else 481}
        """)
    for one in (subscription, *subscription.forks):
        one.terminate()
        flow.until_state("Terminated", one)
    flow.until(lambda: not notifier.resource.subscribers and not other.resource.subscribers)


def routes(message):
    return message.lines("Route")


def test_4_1_2_4_a_subscriber_that_vanishes(flow, subscriber, notifier, subscribe):
    """A NOTIFY that is not answered ends the subscription at the notifier."""
    subscription = subscribe()
    until_value(flow, subscription, 20.0)
    flow.crash(subscriber)
    notifier.resource.notify(30.0)
    flow.until(lambda: not notifier.resource.subscribers)


def test_4_1_a_notifier_that_vanishes(flow, subscriber, notifier, subscribe):
    """A refresh that is not answered ends the subscription; what can be asked for again is."""
    subscription = subscribe(expires=600)
    until_value(flow, subscription, 20.0)
    flow.crash(notifier.phone)
    flow.until(lambda: subscription.state not in ("Active", "Pending"), 700)
    if subscription.state not in ("Terminated", "Error"):
        subscription.terminate()
    flow.until(lambda: subscription.state in ("Terminated", "Error"))
