"""Both sides of a subscription, over a network that may lose and reorder."""

import pytest

from sipparty.sip.notification.events import Notified, SubscriptionEnded


def states(events):
    return [event.state for event in events if isinstance(event, Notified)]


def ends(events):
    return [event for event in events if isinstance(event, SubscriptionEnded)]


def test_from_subscribe_to_the_end(make_both):
    pair, made, resource, asked = make_both()
    made.subscribe(asked)
    pair.run(lambda: made.state == "Active" and made.value == 21.5)
    (notifier,) = resource.subscribers
    assert notifier.state == "Active"
    resource.notify(22.0)
    pair.run(lambda: made.value == 22.0)
    made.terminate()
    pair.run(lambda: made.state == "Terminated" and notifier.state == "Terminated")
    assert states(pair.alice_events)[:2] == [21.5, 22.0]
    assert [event.reason for event in ends(pair.alice_events)] == ["timeout"]
    assert [event.error for event in ends(pair.bob_events)] == [None]
    pair.quiet()
    assert not pair.alice.services
    assert not pair.bob.services


@pytest.mark.parametrize("seed", range(12))
def test_loss_and_reordering_change_nothing(make_both, seed):
    pair, made, resource, asked = make_both(seed, loss=0.1, delay=(0.01, 0.4))
    made.subscribe(asked)
    pair.run(lambda: made.state == "Active" and made.value == 21.5)
    for state in (22.0, 23.0, 24.0):
        resource.notify(state)
    pair.run(lambda: made.value == 24.0)
    made.terminate()
    pair.run(lambda: made.state == "Terminated")
    pair.quiet()
    assert ends(pair.alice_events)[0].error is None
    assert not resource.subscribers
