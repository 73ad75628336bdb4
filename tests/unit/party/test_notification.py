"""Subscribing, offering and publishing as parties, over loopback."""

import asyncio
from queue import Queue

import pytest

from sipparty import (
    EventPackage,
    Notified,
    RequestReceived,
    Subscribed,
    SubscriptionEnded,
    SubscriptionReceived,
    UnsolicitedNotification,
    UsageError,
)
from sipparty.errors import CallRejected, Incomplete
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Request
from sipparty.sip.packages import MessageCount, MessageSummary, Presence

WAITING = MessageSummary(True, "", {"voice": MessageCount(2, 8)})


class Temperature(EventPackage[float]):
    name = "temperature"
    accepts = ("text/plain",)
    interval = 0.01

    def parse(self, body, media_type):
        return float(body)

    def build(self, state):
        return str(state).encode()


def test_a_state_and_each_that_follows(alice, bob):
    resource = bob.offer(Temperature, 21.5)
    sub = alice.subscribe(Temperature, bob).wait(10)
    assert sub.state == "Active"
    states = iter(sub)
    assert next(states) == 21.5
    resource.notify(22.0)
    assert next(states) == 22.0
    assert sub.value == 22.0
    sub.terminate()
    assert list(states)[-1:] in ([], [22.0])  # the last NOTIFY may have it once more
    assert sub.wait_for("Terminated", 5) == "Terminated"


def test_the_way_of_a_subscription_is_kept_and_drawn(alice, bob):
    resource = bob.offer(Temperature, 21.5)
    sub = alice.subscribe(Temperature, bob).wait(10)
    resource.notify(22.0)
    sub.terminate()
    sub.wait_for("Terminated", 5)
    states = [step.state for step in sub.steps]
    assert states == ["NotifyWait", "Active", "Unsubscribing", "Terminated"]
    picture = sub._repr_html_()
    for number, step in enumerate(sub.steps, 1):
        assert f'<tspan class="number">{number} </tspan><tspan class="step">{step.what}' in picture


def test_async_for(listening):
    async def loop():
        async with (
            NoMediaSimpleCallsParty("bob@127.0.0.1") as bob,
            NoMediaSimpleCallsParty("alice@127.0.0.1") as alice,
        ):
            bob.listen(port=None, address="127.0.0.1")
            resource = bob.offer(Temperature, 1.0)
            sub = await alice.subscribe(Temperature, bob)
            states = []
            async for state in sub:
                states.append(state)
                if state < 3:
                    resource.notify(state + 1)
                elif sub.takes("terminate"):
                    sub.terminate()
            assert states[:3] == [1.0, 2.0, 3.0]
            assert sub.state == "Terminated"

    asyncio.run(asyncio.wait_for(loop(), 10))


def test_a_poll(alice, bob):
    bob.offer("presence", Presence.of("sip:bob@b", True, "Here"))
    sub = alice.subscribe("presence", bob, expires=0)
    sub.wait(10)
    assert sub.state == "Terminated"
    assert sub.value.is_open
    assert sub.value.notes == ("Here",)


def test_events_come_in_order_to_party_and_subscription(alice, bob):
    bob.offer("message-summary", WAITING)
    seen, own = Queue(), Queue()
    for kind in (Subscribed, Notified, SubscriptionEnded):
        alice.on(kind, seen.put)
    sub = alice.subscribe("message-summary", bob)
    sub.on(SubscriptionEnded, own.put)
    sub.wait(10)
    sub.terminate()
    assert own.get(timeout=10).subscription is sub
    kinds = [type(seen.get(timeout=10)) for _ in range(4)]
    assert kinds == [Subscribed, Notified, Notified, SubscriptionEnded]


def test_a_handler_decides_who_may(alice, bob, make_party):
    bob.offer("presence", Presence.of("sip:bob@b", True))

    @bob.on(SubscriptionReceived)
    def decide(event):
        if "alice" in event.request["From"].uri_text:
            event.notifier.accept()
        else:
            event.notifier.reject(403)

    assert alice.subscribe("presence", bob).wait(10).value.is_open
    carol = make_party("carol@chicago.com")
    with pytest.raises(CallRejected, match="403"):
        carol.subscribe("presence", bob).wait(10)


def test_what_is_not_offered_is_489(alice, bob):
    bob.offer(Temperature, 1.0)
    with pytest.raises(CallRejected, match="it knows temperature"):
        alice.subscribe("presence", bob).wait(10)


def test_closing_a_party_ends_its_subscriptions(make_party, bob):
    resource = bob.offer(Temperature, 1.0)
    dave = make_party("dave@denver.com")
    sub = dave.subscribe(Temperature, bob).wait(10)
    dave.close()
    assert sub.state == "Terminated"
    assert not [one for one in resource.subscribers if one.state == "Active"]


def test_closing_the_notifier_says_so(alice, listening):
    bob = listening()
    bob.offer(Temperature, 1.0)
    sub = alice.subscribe(Temperature, bob).wait(10)
    bob.close()
    sub.wait_for("Waiting", 5)  # it may be back in a while
    assert sub.reason == "probation"
    sub.terminate()
    assert sub.state == "Terminated"


def test_publishing(alice, bob):
    seen = []

    @bob.on_request("PUBLISH")
    def compose(event):
        seen.append((event.request._text("sip-if-match"), event.request.body))
        headers = [("SIP-ETag", f"tag{len(seen)}"), ("Expires", "3600")]
        event.incoming.respond(200, headers=headers)

    publication = alice.publish("presence", Presence.of("sip:alice@a", True), target=bob)
    assert publication.wait(10).entity_tag == "tag1"
    publication.publish(Presence.of("sip:alice@a", False))
    assert publication.wait(10).entity_tag == "tag2"
    publication.terminate()
    publication.wait_for("Terminated", 10)
    assert [tag for tag, _ in seen] == [None, "tag1", "tag2"]
    assert [b"open" in body for _, body in seen] == [True, False, False]


def test_a_body_is_published_as_it_is(alice, bob):
    bodies = []

    @bob.on_request("PUBLISH")
    def compose(event):
        bodies.append((str(event.request["Content-Type"]), event.request.body))
        event.incoming.respond(200, headers=[("SIP-ETag", "t"), ("Expires", "60")])

    alice.publish("humidity", "damp", "text/plain", target=bob).wait(10)
    assert bodies == [("text/plain", b"damp")]


@pytest.mark.parametrize("taken", [True, False])
def test_unsolicited_notifications(alice, bob, taken):
    if taken:
        bob.take_unsolicited("message-summary")
    else:
        bob.take_unsolicited()
    states = Queue()
    bob.on(UnsolicitedNotification, lambda event: states.put(event.state))
    request = Request("NOTIFY", str(bob.uri))
    request.add("Event", "message-summary")
    request.add("Subscription-State", "terminated;reason=noresource")
    request["Content-Type"] = "application/simple-message-summary"
    request.body = b"Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n"
    uri = bob.contact_uri
    response = alice.send(request, proxy=f"{uri.address}:{uri.port}").wait(10)
    assert response.status == (200 if taken else 481)
    if taken:
        assert states.get(timeout=10) == WAITING


def test_within_a_call(alice, bob):
    bob.auto_answer = True
    bob.offer(Temperature, 5.0)
    call = alice.invite(bob).wait(10)
    sub = alice.subscribe(Temperature, within=call).wait(10)
    assert sub.call_id == call.call_id
    assert len(alice.calls) == 1
    call.terminate().wait(10)
    assert sub.state == "Active"  # the dialog is there as long as one of its usages (RFC 5057 §4.1)
    assert sub.refresh().value == 5.0
    sub.terminate()
    sub.wait_for("Terminated", 10)
    with pytest.raises(UsageError, match="it is not up"):
        alice.subscribe(Temperature, within=call)


def test_what_is_offered_stays_so_for_another_address(make_party, listening):
    bob = listening()
    bob.offer(Temperature, 1.0)
    bob.stop_listen()
    bob.uri = "sip:robert@biloxi.com"
    bob.listen(port=None, address="127.0.0.1")
    alice = make_party("alice@atlanta.com")
    assert alice.subscribe(Temperature, bob).wait(10).value == 1.0


def test_mistakes_are_said_at_once(alice, bob):
    with pytest.raises(UsageError, match="not known here"):
        alice.subscribe("humidity", bob)
    with pytest.raises(UsageError, match="not known here"):
        alice.offer("humidity")
    with pytest.raises(UsageError, match="empty"):
        alice.publish("presence", b"", target=bob)
    with pytest.raises(Incomplete, match="can't subscribe"):
        NoMediaSimpleCallsParty().subscribe("presence")
    with pytest.raises(UsageError, match="beside it"):
        alice.subscribe("presence", bob, within=alice.invite(bob))


def test_a_request_of_its_own_may_still_be_answered_by_hand(alice, bob):
    @bob.on_request("SUBSCRIBE")
    def answer(event):
        assert isinstance(event, RequestReceived)
        event.incoming.respond(480)

    with pytest.raises(CallRejected, match="480"):
        alice.subscribe("presence", bob).wait(10)
