"""Publication: the example of RFC 3903 §15."""

from __future__ import annotations

import pytest

from sipparty.sip.fields import field
from sipparty.sip.notification import Publication, Resource, Subscription
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.resource import Resources

from .test_rfc6665 import Temperature

DOMAIN = "example.com"


class StateCompositor:
    """A phone that takes what is published, and notifies its subscribers (§6)."""

    def __init__(self, phone):
        self.phone = phone
        self.resource = Resource(Temperature(), 10.0)
        Resources(phone.agent).offer(self.resource)
        phone.agent.methods["PUBLISH"] = self.take
        self.tag = ""
        self.number = 0

    def take(self, transaction):
        request = transaction.request
        given = request.lines("SIP-If-Match")
        if given and given != [self.tag]:
            self.phone.agent.refuse(transaction, 412)
            return
        self.number += 1
        self.tag = f"tag{self.number}"
        if request.body:
            self.resource.notify(float(request.body))
        expires = min(int(request.expires), 1800)
        fields = [field("SIP-ETag", self.tag), field("Expires", str(expires))]
        transaction.answer(200, None, fields)


@pytest.fixture
def pa(flow):
    return StateCompositor(flow.phone("pa", DOMAIN))


def test_15_publish_refresh_and_modify(flow, pa):
    """A watcher, and who publishes: a state, its refresh, which is not notified, another."""
    pua, watcher = flow.phone("pua", DOMAIN), flow.phone("watcher", DOMAIN)
    asked = Asked(pa.phone.contact)
    watch = Subscription(watcher.agent, Temperature()).subscribe(asked, 7200)
    flow.until(lambda: watch.value == 10.0)
    flow.run(5)
    publication = Publication(pua.agent, Temperature(), pa.phone.contact).publish(20.0)
    flow.until_state("Published", publication)
    flow.until(lambda: watch.value == 20.0)
    first = publication.entity_tag
    flow.run(1700)
    assert publication.state == "Published"
    assert publication.entity_tag != first
    publication.publish(30.0)
    flow.until(lambda: watch.value == 30.0)
    flow.until_state("Published", publication)
    flow.run(5)
    if flow.clean:
        flow.shows("""
            watcher > pa      SUBSCRIBE/200 M1 M2
            pa      > watcher NOTIFY/200    M3 M4
            pua     > pa      PUBLISH       M5
            pa      > pua     200           M6
            pa      > watcher NOTIFY        M7
            watcher > pa      200           M8
            pua     > pa      PUBLISH/200   M9 M10
            pua     > pa      PUBLISH       M11
            pa      > pua     200           M12
            pa      > watcher NOTIFY        M13
            watcher > pa      200           M14
        """)
        publishes = [flow[label] for label in ("M5", "M9", "M11")]
        tags = [flow[label].lines("SIP-ETag") for label in ("M6", "M10", "M12")]
        assert [one.lines("SIP-If-Match") for one in publishes] == [[], *tags[:2]]
        assert [bool(one.body) for one in publishes] == [True, False, True]
        assert all(one.lines("Event") == ["temperature"] for one in publishes)
        assert "Contact" not in flow["M5"]
    publication.terminate()
    flow.until_state("Terminated", publication)
    watch.terminate()
    flow.until_state("Terminated", watch)


def test_4_3_the_server_has_forgotten_it(flow, pa):
    """412: the whole state is published anew, without a tag."""
    pua = flow.phone("pua", DOMAIN)
    publication = Publication(pua.agent, Temperature(), pa.phone.contact).publish(20.0)
    flow.until_state("Published", publication)
    flow.run(5)
    pa.tag = "another"
    flow.run(1700)
    assert publication.state == "Published"
    if flow.clean:
        flow.shows("""
            pua > pa PUBLISH/200 F1
            pua > pa PUBLISH/412 F2
            pua > pa PUBLISH/200 F3
        """)
        assert flow["F3"].body == flow["F1"].body
        assert "SIP-If-Match" in flow["F2"]
        assert "SIP-If-Match" not in flow["F3"]
    publication.terminate()
    flow.until_state("Terminated", publication)
