"""A subscription of ours (RFC 6665 §4.1), message by message."""

import pytest

from sipparty.errors import (
    CallFailed,
    CallRejected,
    CallTimedOut,
    ParseError,
    UnexpectedInput,
    UsageError,
)
from sipparty.fsm import FSM
from sipparty.sip.dialog import DialogState
from sipparty.sip.notification.events import (
    Notified,
    Subscribed,
    SubscriptionEnded,
    SubscriptionForked,
    SubscriptionLost,
)
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.renewal import Renewal
from sipparty.sip.notification.subscriber import Subscription
from sipparty.sip.packages.dialog_info import DialogInfo, DialogPackage, ObservedDialog

from ..conftest import Wire
from .conftest import Subscribing


def of_kind(wire, kind):
    return [event for event in wire.happened if isinstance(event, kind)]


# -------------------------------------------------------------------- the first SUBSCRIBE


def test_what_a_subscribe_says(subscribing):
    subscribe = subscribing.subscribe(600)
    assert subscribe.method == "SUBSCRIBE"
    assert subscribe.uri_text == "sip:sensor@10.0.0.9"
    assert str(subscribe["Event"]) == "temperature"
    assert str(subscribe["Expires"]) == "600"
    assert subscribe.lines("Accept") == ["text/plain"]
    assert subscribe.to.tag is None
    assert subscribe.contact.uri_text.startswith("sip:bob@")
    assert "NOTIFY" in subscribe._text("allow")
    assert subscribing.made.state == "NotifyWait"
    subscribing.made.terminate()
    subscribing.over()


def test_the_package_says_for_how_long_and_which_bodies(subscribing):
    assert str(subscribing.subscribe()["Expires"]) == "3600"
    subscribing.made.terminate()
    subscribing.over()


def test_a_notify_after_the_2xx_makes_the_subscription(subscribing):
    subscribing.established()
    assert subscribing.made.value == 21.5
    kinds = [kind for kind in subscribing.wire.kinds() if kind in (Subscribed, Notified)]
    assert kinds == [Subscribed, Notified]
    (notified,) = of_kind(subscribing.wire, Notified)
    assert (notified.state, notified.request.method) == (21.5, "NOTIFY")
    assert not subscribing.agent.dialogs
    assert set(subscribing.agent.services) == {subscribing.made}


@pytest.mark.parametrize("keep_forks", [False, True])
def test_timer_n_leaves_time_for_another_server(make_subscribing, keep_forks):
    # RFC 3263 §4.3: timers F and N end at once, and the next server has not had the SUBSCRIBE yet.
    subscribing = make_subscribing(keep_forks=keep_forks)
    wire = subscribing.wire
    wire.hold_flows = True
    subscribing.made.subscribe(Asked("sip:sensor@example.com"), 600)
    for place, until in (("10.0.0.8", 33.0), ("10.0.0.9", 60.0)):
        wire.pump()
        wanted = wire.wanted.pop()
        wire.core.flow_found(wanted, wire.flow.to((place, 5060)), wire.now)
        wire.pump()
        subscribing.first = wire.out[0][1]
        wire.out.clear()
        wire.pass_until(until)
        assert subscribing.made.state == "NotifyWait"
        wire.out.clear()
    subscribing.accept(expires=600)
    assert subscribing.notify("active;expires=600", b"20").status == 200
    assert subscribing.made.state == "Active"
    assert subscribing.made.value == 20.0
    subscribing.made.terminate()
    subscribing.over()


def test_timer_n_counts_from_the_last_attempt(make_subscribing):
    subscribing = make_subscribing()
    wire = subscribing.wire
    subscribing.agent.retry_wait = 60
    first = subscribing.subscribe()
    wire.receive(wire.answer(first, 503, headers=[("Retry-After", "40")]))
    wire.pass_until(40.1)
    subscribing.first = wire.out[-1][1]
    wire.out.clear()
    wire.pass_until(45)
    wire.out.clear()
    subscribing.accept()
    wire.pass_until(71.9)
    assert subscribing.made.state == "NotifyWait"
    wire.pass_until(72.1)
    assert "No NOTIFY came within 32 s" in str(subscribing.end().error)
    subscribing.over()


def test_a_notify_may_come_before_the_2xx(subscribing):
    subscribing.subscribe()
    assert subscribing.notify("active;expires=3600", b"20").status == 200
    assert subscribing.made.state == "Active"
    subscribing.accept()
    assert (subscribing.made.state, subscribing.made.value) == ("Active", 20.0)


def test_route_set_and_target_are_those_of_the_notify(subscribing):
    subscribing.subscribe()
    subscribing.accept()
    subscribing.notify(
        headers=["Record-Route: <sip:10.0.0.7;lr>", "Record-Route: <sip:10.0.0.8;lr>"]
    )
    refresh = subscribing.made.refresh() and subscribing.wire.one()
    # A notifier's proxies are in the order that a UAS keeps (RFC 3261 §12.1.1).
    assert refresh.lines("Route") == ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]
    assert refresh.uri_text == "sip:sensor@10.0.0.9"


def test_without_a_notify_it_has_failed_after_timer_n(subscribing):
    subscribing.subscribe()
    subscribing.accept()
    subscribing.wire.pass_until(31.9)
    assert subscribing.made.state == "NotifyWait"
    subscribing.wire.pass_until(32.1)
    assert subscribing.made.state == "Error"
    assert "No NOTIFY came within 32 s" in str(subscribing.end().error)
    # §4.1.2.4: one that comes after it is answered 481.
    assert subscribing.notify().status == 481
    subscribing.over()


@pytest.mark.parametrize("status", [403, 404, 480, 503, 603])
def test_a_refusal_is_the_end(subscribing, status):
    subscribe = subscribing.subscribe()
    subscribing.wire.receive(subscribing.wire.answer(subscribe, status))
    error = subscribing.end().error
    assert isinstance(error, CallRejected)
    assert error.status == status
    assert subscribing.notify().status == 481
    subscribing.over()


def test_489_says_which_events_there_are(subscribing):
    subscribe = subscribing.subscribe()
    known = [("Allow-Events", "presence, dialog")]
    subscribing.wire.receive(subscribing.wire.answer(subscribe, 489, headers=known))
    words = str(subscribing.end().error)
    assert "does not know the event 'temperature'" in words
    assert "presence, dialog" in words


def test_423_is_subscribed_for_longer_and_so_are_refreshes(subscribing):
    subscribe = subscribing.subscribe(60)
    brief = [("Min-Expires", "1800")]
    subscribing.wire.receive(subscribing.wire.answer(subscribe, 423, headers=brief))
    again = subscribing.again()
    assert str(again["Expires"]) == "1800"
    subscribing.accept(expires=1800)
    subscribing.notify("active;expires=1800")
    subscribing.made.refresh()
    assert str(subscribing.wire.one()["Expires"]) == "1800"


def test_silence_is_the_end(subscribing):
    subscribing.subscribe()
    subscribing.wire.pass_until(40)
    assert isinstance(subscribing.end().error, CallTimedOut)
    subscribing.over()


def test_what_cannot_be_asked_for(subscribing):
    with pytest.raises(UsageError, match="whole seconds"):
        subscribing.made.subscribe(Asked("sip:a@b"), -1)
    with pytest.raises(UnexpectedInput):
        subscribing.made.terminate() and subscribing.made.subscribe(Asked("sip:a@b"))


# -------------------------------------------------------------------- NOTIFYs


def test_pending_then_active(subscribing):
    subscribing.subscribe()
    subscribing.accept()
    subscribing.notify("pending;expires=600")
    assert subscribing.made.state == "Pending"
    assert not of_kind(subscribing.wire, Subscribed)
    subscribing.notify("active;expires=600", b"1")
    assert subscribing.made.state == "Active"
    assert len(of_kind(subscribing.wire, Subscribed)) == 1


def test_a_state_that_is_no_word_of_the_rfc_is_pending(subscribing):
    subscribing.subscribe()
    subscribing.notify("waiting;expires=600")
    assert subscribing.made.state == "Pending"


@pytest.mark.parametrize(
    ("notify", "status"),
    [
        ({"state": ""}, 400),
        ({"state": ";;"}, 400),
        ({"body": b"warm"}, 400),
        ({"body": b"\xff"}, 400),
        ({"body": b"<a/>", "kind": "application/xml"}, 415),
        ({"body": b"1", "headers": ["Content-Encoding: gzip"]}, 415),
        ({"event": "presence"}, 481),
        ({"event": "Temperature"}, 481),  # §8.2.1: byte by byte
        ({"event": "temperature;id=1"}, 481),
        ({"event": ""}, 481),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_notify_that_is_refused_changes_nothing(subscribing, notify, status, first):
    subscribing.subscribe()
    subscribing.accept()
    if not first:
        subscribing.notify(body=b"1")
    before = subscribing.made.value
    answer = subscribing.notify(**notify)
    assert answer.status == status
    if status == 415:
        assert answer._text("accept") == "text/plain"
    assert subscribing.made.value == before
    # It is there still, and the next one is right.
    assert subscribing.notify(body=b"2").status == 200
    assert (subscribing.made.state, subscribing.made.value) == ("Active", 2.0)


def test_other_parameters_of_event_do_not_matter(subscribing):
    subscribing.subscribe()
    assert subscribing.notify(event="temperature;unit=celsius").status == 200


def test_an_id_has_to_be_the_same(make_subscribing):
    one = make_subscribing("7")
    assert str(one.subscribe()["Event"]) == "temperature;id=7"
    assert one.notify(event="temperature").status == 481
    assert one.notify(event="temperature;id=8").status == 481
    assert one.notify(event="temperature;id=7").status == 200


def test_what_is_out_of_order_is_answered_500(subscribing):
    subscribing.established()
    assert subscribing.notify(number=9, body=b"9").status == 200
    assert subscribing.notify(number=8, body=b"8", branch="z9hG4bKlate").status == 500
    assert subscribing.made.value == 9.0


def test_a_body_of_none_changes_no_state(subscribing):
    subscribing.established()
    subscribing.notify()
    assert subscribing.made.value == 21.5
    assert len(of_kind(subscribing.wire, Notified)) == 1


def test_what_is_kept_is_counted(subscribing):
    subscribing.established()
    held = subscribing.wire.core.transactions.held
    subscribing.notify(body=b"22." + b"0" * 5000)
    subscribing.wire.pass_until(100)
    assert subscribing.made.bytes_held > 5000
    assert subscribing.wire.core.transactions.held > held
    subscribing.made.terminate()
    subscribing.over()
    assert subscribing.wire.core.transactions.held == 0


# -------------------------------------------------------------------- refreshes


def test_it_is_refreshed_before_it_expires(subscribing):
    subscribing.established(1000)
    begun = 0
    for _ in range(3):
        due = subscribing.made.next_timer()
        assert 750 <= due - begun <= 900
        begun = due
        subscribing.wire.pass_until(due)
        refresh = subscribing.wire.one()
        assert (refresh.method, str(refresh["Expires"])) == ("SUBSCRIBE", "1000")
        assert refresh.to.tag == "n1"
        assert str(refresh["Event"]) == "temperature"
        subscribing.accept(refresh, 1000)
        subscribing.notify("active;expires=1000", b"3")
        subscribing.wire.pass_until(due + 40)
        assert not subscribing.wire.out


def test_subscriptions_that_began_together_are_not_refreshed_together(wire, make_subscribing):
    times = set()
    for number in range(8):
        one = make_subscribing(str(number), uri=f"sip:bob{number}@biloxi.com")
        one.subscribe(1000)
        one.accept(expires=1000)
        one.notify("active;expires=1000", event=f"temperature;id={number}")
        times.add(one.made.next_timer())
    assert len(times) == 8
    assert all(750 <= time <= 900 for time in times)


@pytest.mark.parametrize("by", ["2xx", "notify"])
def test_the_notifier_may_shorten_it(subscribing, by):
    subscribing.subscribe(3600)
    subscribing.accept(expires=100 if by == "2xx" else 3600)
    subscribing.notify("active" if by == "2xx" else "active;expires=100")
    assert 70 < subscribing.made.next_timer() <= 90
    assert subscribing.made.seconds_left == 100


def test_a_later_notify_may_shorten_it_too(subscribing):
    subscribing.established(3600)
    subscribing.notify("active;expires=50")
    assert subscribing.made.next_timer() <= 45


def test_nobody_may_lengthen_it(subscribing):
    subscribing.subscribe(100)
    subscribing.accept(expires=100)
    subscribing.notify("active;expires=999999")
    assert subscribing.made.seconds_left == 100


def test_many_notifys_do_not_put_the_refresh_off(subscribing):
    subscribing.established(1000)
    due = subscribing.made.next_timer()
    for time in range(100, 700, 100):
        subscribing.wire.pass_until(time)
        subscribing.notify(f"active;expires={1000 - time}")
    assert subscribing.made.next_timer() == due


def test_a_brief_one_is_not_refreshed_all_the_time(subscribing):
    subscribing.established(3600)
    subscribing.notify("active;expires=6")
    subscribing.wire.pass_until(4.9)
    assert not subscribing.wire.out


@pytest.mark.parametrize(
    "status", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]
)
def test_a_refresh_that_is_refused_so_is_a_subscription_anew(subscribing, status):
    subscribing.established()
    subscribing.made.refresh()
    refresh = subscribing.wire.one()
    subscribing.wire.receive(subscribing.wire.answer(refresh, status))
    again = subscribing.again()
    assert again.method == "SUBSCRIBE"
    assert again.to.tag is None
    assert again.call_id != refresh.call_id
    assert again["From"].tag != refresh["From"].tag
    subscribing.accept()
    subscribing.notify(body=b"5", tag="n2")
    assert (subscribing.made.state, subscribing.made.value) == ("Active", 5.0)
    assert not of_kind(subscribing.wire, SubscriptionEnded)


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_refresh_that_fails_otherwise_changes_nothing(subscribing, status):
    subscribing.established(1000)
    subscribing.made.refresh()
    refresh = subscribing.wire.one()
    subscribing.wire.receive(subscribing.wire.answer(refresh, status))
    assert subscribing.made.state == "Active"
    subscribing.wire.pass_until(33)
    assert subscribing.made.state == "Active"
    subscribing.wire.pass_until(901)
    assert subscribing.wire.sent()[0].call_id == refresh.call_id


def test_a_refresh_without_a_notify_is_a_subscription_anew(subscribing):
    subscribing.established()
    subscribing.made.refresh()
    refresh = subscribing.wire.one()
    subscribing.accept(refresh)
    subscribing.wire.pass_until(33)
    again = subscribing.wire.sent()[0]
    assert again.call_id != refresh.call_id


def test_a_notifier_that_vanishes_is_an_end_in_words(subscribing):
    subscribing.established(600)
    subscribing.wire.pass_until(2000)
    end = subscribing.end()
    assert isinstance(end.error, CallTimedOut)
    assert "The subscription was lost" in str(end.error)
    assert "could not be renewed" in str(end.error)
    assert subscribing.made.state == "Error"
    subscribing.over()


def test_what_is_not_to_be_renewed_expires(make_subscribing):
    one = make_subscribing(renews=False)
    one.established(100)
    one.wire.pass_until(99)
    assert one.made.state == "Active"
    one.wire.pass_until(101)
    assert "expire" in str(one.end().error)
    one.over()


# -------------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("reason=deactivated", 0),
        ("reason=deactivated;retry-after=600", 0),  # it has no meaning there
        ("reason=probation", 60),
        ("reason=probation;retry-after=600", 600),
        ("reason=timeout", 0),
        ("reason=timeout;retry-after=600", 0),
        ("reason=giveup", 60),
        ("reason=giveup;retry-after=5", 5),
        ("", 0),
        ("retry-after=30", 30),
        ("reason=because", 0),
        ("reason=because;retry-after=30", 30),
    ],
)
def test_reasons_after_which_one_subscribes_anew(subscribing, state, after):
    subscribing.established()
    before = subscribing.first
    assert subscribing.notify(f"terminated;{state}".rstrip(";")).status == 200
    now = subscribing.wire.now
    if after:
        assert subscribing.made.state == "Waiting"
        subscribing.wire.pass_until(now + after - 0.1)
        assert not subscribing.wire.out
        subscribing.wire.pass_until(now + after + 0.1)
    again = subscribing.again()
    # §4.1.2.2: an unrelated request, with a Call-ID and a From tag of its own.
    assert (again.method, again.to.tag) == ("SUBSCRIBE", None)
    assert again.call_id != before.call_id
    assert not of_kind(subscribing.wire, SubscriptionEnded)
    subscribing.made.terminate()
    subscribing.over()


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        ("reason=rejected", True),
        ("reason=rejected;retry-after=1", True),
        ("reason=noresource", True),
        ("reason=noresource;retry-after=1", True),
        ("reason=invariant", False),
        ("reason=invariant;retry-after=31536000", False),
        ("reason=probation;retry-after=31536000", True),  # nobody waits for a year
    ],
)
def test_reasons_after_which_one_does_not(subscribing, state, failed):
    subscribing.established()
    assert subscribing.notify(f"terminated;{state}", b"30").status == 200
    end = subscribing.end()
    assert end.reason == state.partition(";")[0].removeprefix("reason=")
    assert (end.error is not None) == failed
    assert subscribing.made.state == ("Error" if failed else "Terminated")
    assert subscribing.made.value == 30.0
    if failed:
        assert end.reason in str(end.error)
        with pytest.raises(CallFailed):
            subscribing.made.wait()
    subscribing.over()
    assert not subscribing.wire.out


def test_the_last_body_may_be_anything(subscribing):
    subscribing.established()
    subscribing.notify("terminated;reason=noresource", b"warm")
    assert subscribing.end().reason == "noresource"
    assert subscribing.made.value == 21.5


def test_a_notifier_that_ends_each_at_once_is_asked_later_each_time(subscribing):
    subscribing.subscribe()
    times = []
    for _ in range(Renewal.MAX_ATTEMPTS):
        subscribing.accept()
        subscribing.notify("terminated;reason=deactivated")
        before = subscribing.wire.now
        while not subscribing.wire.out:
            subscribing.wire.pass_until(subscribing.wire.now + 1)
        times.append(subscribing.wire.now - before)
        subscribing.again()
    assert times == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    subscribing.accept()
    subscribing.notify("terminated;reason=deactivated")
    assert subscribing.made.state == "Error"
    subscribing.over()


def test_one_that_cannot_be_asked_for_any_more_is_an_end(subscribing):
    subscribing.established()
    subscribing.notify("terminated;reason=probation")
    subscribing.made._asked = subscribing.made._asked._replace(uri="mailto:sensor@10.0.0.9")
    subscribing.wire.pass_until(61)
    assert "could not be renewed" in str(subscribing.end().error)
    subscribing.over()


def test_one_that_has_lasted_is_renewed_at_once_again(subscribing):
    subscribing.established()
    for _ in range(3):
        subscribing.wire.pass_until(subscribing.wire.now + Renewal.LASTED + 1)
        subscribing.notify("terminated;reason=deactivated")
        subscribing.again()
        subscribing.accept()
        subscribing.notify()
    assert subscribing.made.state == "Active"


@pytest.mark.parametrize("failure", [None, 503, 480])
def test_a_notifier_that_was_away_for_a_while_is_subscribed_to_again(subscribing, failure):
    """One that is started again takes longer than a SUBSCRIBE may, and is not given up for that."""
    wire = subscribing.established(600).wire
    wire.pass_until(400)
    subscribing.made.refresh()
    wire.receive(wire.answer(wire.one(), 481))
    first = subscribing.again()
    (lost,) = of_kind(wire, SubscriptionLost)
    assert (lost.subscription, lost.retry_after) == (subscribing.made, 0.0)
    assert "481" in str(lost.error)
    if failure is None:
        wire.pass_until(wire.now + 32)
        wire.sent()
    else:
        wire.receive(wire.answer(first, failure, headers=[("Retry-After", "20")]))
    assert subscribing.made.state == "Waiting"
    lost = of_kind(wire, SubscriptionLost)[-1]
    assert lost.retry_after == Renewal.RETRY
    assert "could not be renewed" in str(lost.error)
    wire.pass_until(wire.now + Renewal.RETRY)
    subscribing.again()
    subscribing.accept(expires=600)
    subscribing.notify("active;expires=600", b"30")
    assert (subscribing.made.state, subscribing.made.value) == ("Active", 30.0)
    assert len(of_kind(wire, Subscribed)) == 2
    subscribing.made.terminate()
    subscribing.over()


@pytest.mark.parametrize(("status", "wait"), [(503, 7200), (503, 90_000), (403, 0), (489, 0)])
def test_what_refuses_one_in_the_place_of_another(subscribing, status, wait):
    wire = subscribing.established().wire
    subscribing.notify("terminated;reason=deactivated")
    again = subscribing.again()
    wire.receive(wire.answer(again, status, headers=[("Retry-After", str(wait))]))
    if wait == 7200:
        assert of_kind(wire, SubscriptionLost)[-1].retry_after == 7200
        subscribing.made.terminate()
    else:
        assert subscribing.made.state == "Error"
        assert str(subscribing.end().error).startswith("The notifier has ended it (deactivated).")
        assert str(status) in str(subscribing.made.last_error)
    subscribing.over()


# -------------------------------------------------------------------- the end


def test_unsubscribing_waits_for_the_last_notify(subscribing):
    subscribing.established()
    subscribing.made.terminate()
    bye = subscribing.wire.one()
    assert (bye.method, str(bye["Expires"])) == ("SUBSCRIBE", "0")
    subscribing.accept(bye, 0)
    assert subscribing.made.state == "Unsubscribing"
    assert subscribing.notify("terminated;reason=timeout", b"19").status == 200
    assert subscribing.made.state == "Terminated"
    assert subscribing.made.value == 19.0
    assert (subscribing.end().reason, subscribing.end().error) == ("timeout", None)
    subscribing.over()


@pytest.mark.parametrize("status", [200, 481, 500, None])
def test_unsubscribing_ends_whatever_comes(subscribing, status):
    subscribing.established()
    subscribing.made.terminate()
    bye = subscribing.wire.one()
    if status is not None:
        subscribing.wire.receive(subscribing.wire.answer(bye, status))
    subscribing.wire.pass_until(33)
    assert subscribing.made.state == "Terminated"
    assert subscribing.end().error is None
    subscribing.over()


def test_before_the_first_notify_it_is_that_which_ends_it(subscribing):
    subscribing.subscribe()
    subscribing.made.terminate()
    assert subscribing.made.state == "Terminated"
    subscribing.accept()
    assert subscribing.notify().status == 481
    subscribing.over()


def test_while_it_waits_to_subscribe_anew(subscribing):
    subscribing.established()
    subscribing.notify("terminated;reason=probation")
    subscribing.made.terminate()
    assert subscribing.made.state == "Terminated"
    subscribing.over()
    assert not subscribing.wire.out


@pytest.mark.parametrize("state", ["NotifyWait", "Active", "Waiting", "Unsubscribing"])
def test_giving_up_ends_it_at_once(subscribing, state):
    subscribing.subscribe()
    if state != "NotifyWait":
        subscribing.accept()
        subscribing.notify()
    if state == "Waiting":
        subscribing.notify("terminated;reason=probation")
    if state == "Unsubscribing":
        subscribing.made.terminate()
    assert subscribing.made.state == state
    subscribing.made.give_up(CallFailed("The engine was closed."))
    assert subscribing.made.state in subscribing.made.final
    subscribing.over()


# -------------------------------------------------------------------- polling


def test_a_poll_brings_one_state(subscribing):
    assert str(subscribing.subscribe(0)["Expires"]) == "0"
    subscribing.accept(expires=0)
    subscribing.notify("terminated;reason=timeout", b"18.5")
    assert subscribing.made.state == "Terminated"
    assert subscribing.made.value == 18.5
    assert subscribing.made.wait() is subscribing.made
    assert subscribing.end().error is None
    subscribing.over()


def test_a_poll_of_a_notifier_that_goes_on_is_over_all_the_same(subscribing):
    subscribing.subscribe(0)
    subscribing.accept(expires=0)
    subscribing.notify("active;expires=600", b"18.5")
    assert (subscribing.made.state, subscribing.made.value) == ("Terminated", 18.5)
    assert subscribing.notify("active;expires=600").status == 481
    subscribing.over()


def test_a_poll_may_be_refused_by_the_notify(subscribing):
    subscribing.subscribe(0)
    subscribing.notify("terminated;reason=rejected")
    assert subscribing.made.state == "Error"
    subscribing.over()


# -------------------------------------------------------------------- forks


def test_another_notifier_is_refused(subscribing):
    subscribing.established()
    assert subscribing.notify(tag="n2", body=b"1").status == 481
    assert subscribing.made.value == 21.5


def test_other_notifiers_make_subscriptions_of_their_own_where_wanted(make_subscribing):
    one = make_subscribing(keep_forks=True)
    one.established()
    assert one.notify(tag="n2", body=b"30", number=1).status == 200
    (forked,) = of_kind(one.wire, SubscriptionForked)
    (fork,) = one.made.forks
    assert forked.fork is fork
    assert (fork.value, one.made.value) == (30.0, 21.5)
    assert one.notify(tag="n2", body=b"31", number=2).status == 200
    assert fork.value == 31.0
    fork.refresh()
    assert one.wire.one().to.tag == "n2"
    one.notify(tag="n2", number=3)
    # A fork is not begun anew: that SUBSCRIBE would go to all of them.
    one.notify("terminated;reason=deactivated", tag="n2", number=4)
    assert fork.state == "Error"
    assert not one.wire.out
    assert one.made.state == "Active"


def test_forks_are_taken_until_timer_n(make_subscribing):
    one = make_subscribing(keep_forks=True)
    one.established()
    one.wire.pass_until(31.9)
    assert one.notify(tag="n2", number=1).status == 200
    one.wire.pass_until(32.1)
    assert one.notify(tag="n3", number=1).status == 481


def test_forks_are_bounded(make_subscribing):
    one = make_subscribing(keep_forks=True)
    one.established()
    for number in range(Subscription.MAX_FORKS):
        assert one.notify(tag=f"m{number}", number=1, branch=f"z9hG4bKm{number}").status == 200
    assert one.notify(tag="more", number=1).status == 481
    for each in (one.made, *one.made.forks):
        each.give_up(CallFailed("over"))
    one.over()


# -------------------------------------------------------------------- begun by another request


def template(one):
    return DialogState("c9", "<sip:bob@biloxi.com>;tag=t9", "t9", "<sip:sensor@10.0.0.9>")


def test_a_subscription_that_another_request_began(make_subscribing):
    one = make_subscribing("93809823")
    one.made.expect(template(one), 60)
    assert (one.made.state, one.wire.sent()) == ("NotifyWait", [])
    notify = one.wire.request(
        "NOTIFY",
        "sip:bob@10.0.0.1",
        to="<sip:bob@biloxi.com>;tag=t9",
        from_="<sip:sensor@10.0.0.9>;tag=n1",
        call_id="c9",
        headers=["Event: temperature;id=93809823", "Subscription-State: active;expires=60"],
        body=b"1",
        kind="text/plain",
    )
    one.wire.receive(notify)
    assert one.wire.one().status == 200
    assert (one.made.state, one.made.value) == ("Active", 1.0)
    one.wire.pass_until(61)
    assert "expire" in str(one.end().error)
    one.over()


def test_one_that_another_request_began_ends_as_it_should(make_subscribing):
    one = make_subscribing()
    one.made.expect(template(one))
    one.wire.receive(
        one.wire.request(
            "NOTIFY",
            "sip:bob@10.0.0.1",
            to="<sip:bob@biloxi.com>;tag=t9",
            from_="<sip:sensor@10.0.0.9>;tag=n1",
            call_id="c9",
            headers=["Event: temperature", "Subscription-State: terminated;reason=noresource"],
        )
    )
    assert one.wire.one().status == 200
    assert one.end().error is None
    one.over()


def test_one_that_is_never_notified_of_ends_too(make_subscribing):
    one = make_subscribing()
    one.made.expect(template(one))
    one.wire.pass_until(33)
    assert "No NOTIFY" in str(one.end().error)
    one.over()


# -------------------------------------------------------------------- looping over states


def test_a_loop_begins_with_the_state_that_there_is(subscribing):
    subscribing.established()
    stream = iter(subscribing.made)
    assert stream.next() == 21.5
    subscribing.made.handlers_of(of_kind(subscribing.wire, Notified)[0])[0](
        of_kind(subscribing.wire, Notified)[0]
    )  # the event of that state comes late
    subscribing.notify(body=b"22")
    for event in subscribing.wire.happened[-1:]:
        for handler in subscribing.made.handlers_of(event):
            handler(event)
    assert stream.next() == 22.0
    subscribing.notify("terminated;reason=invariant")
    for handler in subscribing.made.handlers_of(subscribing.end()):
        handler(subscribing.end())
    with pytest.raises(StopIteration):
        stream.next()


def test_a_loop_over_one_that_is_over_gives_its_last_state(subscribing):
    subscribing.established()
    subscribing.notify("terminated;reason=invariant")
    assert list(subscribing.made) == [21.5]


# -------------------------------------------------------------------- in the dialog of a call


def in_a_call(wire, subscribing):
    call, invite = wire.invite(subscribing.agent)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    subscribing.made.subscribe(Asked(call.remote_target, within=call.dialog_state), 600)
    subscribing.first = wire.one()
    return call, invite


def notified(wire, invite, number, state, body=b""):
    """A NOTIFY in the dialog of a call."""
    lines = ["Event: temperature", f"Subscription-State: {state}"]
    wire.receive(
        wire.request(
            "NOTIFY",
            invite.contact.uri_text,
            to=str(invite["From"]),
            from_="<sip:bob@10.0.0.9>;tag=b1",
            call_id=invite.call_id,
            number=number,
            branch=f"z9hG4bKn{number}",
            headers=lines,
            body=body,
            kind="text/plain",
        )
    )
    return wire.one()


def test_in_the_dialog_of_a_call(wire, subscribing):
    call, invite = in_a_call(wire, subscribing)
    subscribe = subscribing.first
    assert (subscribe.call_id, subscribe.to.tag) == (invite.call_id, "b1")
    wire.receive(wire.answer(subscribe, 200, headers=[("Expires", "600")]))
    assert notified(wire, invite, 1, "active;expires=600", b"4").status == 200
    assert subscribing.made.value == 4.0
    # §4.5.2: the end of one usage leaves the other.
    notified(wire, invite, 2, "terminated;reason=deactivated")
    assert subscribing.made.state == "Error"  # that dialog was for this one
    assert call.state == "InDialog"
    assert wire.sent() == []
    assert notified(wire, invite, 3, "active;expires=600").status in (405, 481)
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    subscribing.over()


def test_what_cannot_be_sent_in_the_call_is_no_subscription(wire, subscribing):
    call, invite = wire.invite(subscribing.agent)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    state = call.dialog_state
    target, state.remote_target = state.remote_target, "mailto:bob@biloxi.com"
    with pytest.raises(ParseError):
        subscribing.made.subscribe(Asked("sip:bob@biloxi.com", within=state))
    assert not subscribing.agent.services
    assert state.usages == (call,)
    state.remote_target = target
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    subscribing.over()


def test_a_call_that_ends_leaves_the_subscription(wire, subscribing):
    call, invite = in_a_call(wire, subscribing)
    wire.receive(wire.answer(subscribing.first, 200, headers=[("Expires", "600")]))
    notified(wire, invite, 1, "active;expires=600")
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    assert notified(wire, invite, 2, "active;expires=600", b"5").status == 200
    assert subscribing.made.value == 5.0
    notified(wire, invite, 3, "terminated;reason=invariant")
    subscribing.over()


def test_the_machine_can_be_drawn(subscribing):
    assert "NotifyWait" in FSM.__str__(subscribing.made)


def test_parts_of_a_state_are_kept_up_to_a_limit(wire, monkeypatch):
    """A notifier that tells ever more parts fills no memory: the whole is asked for."""
    package = DialogPackage()
    monkeypatch.setattr(Subscription, "MAX_HELD", 20_000)
    made = Subscription(wire.agent(), package)
    made.subscribe(Asked("sip:sensor@10.0.0.9"))
    first = wire.one()
    wire.receive(wire.answer(first, 200, tag="n1", headers=[("Expires", "3600")]))

    def notify(number, state):
        some = tuple(ObservedDialog(f"{number}-{one}", "confirmed") for one in range(50))
        headers = ["Event: dialog", "Subscription-State: active;expires=3600"]
        wire.receive(
            wire.request(
                "NOTIFY",
                first.contact.uri_text,
                to=str(first["From"]),
                from_="<sip:sensor@10.0.0.9>;tag=n1",
                call_id=first.call_id,
                number=number,
                branch=f"z9hG4bKn{number}",
                contact="<sip:sensor@10.0.0.9>",
                headers=headers,
                body=package.build(DialogInfo("sip:x@y", number, state, some)),
                kind="application/dialog-info+xml",
            )
        )

    notify(1, "full")
    for number in range(2, 40):
        notify(number, "partial")
    assert 0 < made.weight < 20_000
    assert len(made.value.dialogs) < 500
    assert "SUBSCRIBE" in wire.starts()
    notify(40, "full")
    assert len(made.value.dialogs) == 50


def test_a_subscription_that_is_over_waits_for_no_server(subscribing):
    wire = subscribing.wire
    subscribing.agent.retry_wait = 300
    first = subscribing.subscribe()
    wire.receive(wire.answer(first, 503, headers=[("Retry-After", "200")]))
    subscribing.made.terminate()
    wire.pass_until(6)  # timer K
    assert subscribing.made.state == "Terminated"
    assert wire.sent() == []
    assert wire.core.idle()
    subscribing.over()


def test_timer_n_of_a_refresh_counts_when_it_is_answered(subscribing):
    """A refresh that a server asks to send later has not failed meanwhile (RFC 3261 §21.5.4)."""
    subscribing.established()
    wire = subscribing.wire
    subscribing.agent.retry_wait = 300
    subscribing.made.refresh()
    wire.receive(wire.answer(wire.one(), 503, headers=[("Retry-After", "60")]))
    wire.pass_until(60.1)
    assert subscribing.made.state == "Active"
    subscribing.accept(wire.one())
    wire.pass_until(92)
    assert subscribing.made.state == "Active"
    wire.pass_until(92.2)
    assert subscribing.made.state == "NotifyWait"  # it is begun anew
    (lost,) = of_kind(wire, SubscriptionLost)
    assert "did not notify after a SUBSCRIBE" in str(lost.error)
    wire.sent()
    subscribing.made.terminate()
    subscribing.over()


def test_a_refresh_without_an_answer_says_so(subscribing):
    subscribing.established()
    subscribing.wire.pass_until(6000)
    assert subscribing.made.state == "Error"
    assert "was lost: 10.0.0.9:5060 did not answer within 32 s." in str(subscribing.end().error)
    subscribing.over()


def test_the_2xx_of_a_refresh_says_how_long_it_lasts(subscribing):
    """§4.1.2.2; the NOTIFY after it need not say so again."""
    subscribing.established(3600)
    subscribing.made.refresh()
    subscribing.accept(subscribing.wire.one(), expires=120)
    assert subscribing.notify("active").status == 200
    assert subscribing.made.seconds_left == 120
    subscribing.wire.pass_until(110)
    assert set(subscribing.wire.starts()) == {"SUBSCRIBE"}
    subscribing.made.terminate()
    subscribing.over()


def test_what_becomes_of_a_request_of_the_one_before_changes_nothing(subscribing):
    """The dialog is left while its refresh is under way, which then gets no answer."""
    subscribing.established()
    wire = subscribing.wire
    subscribing.made.refresh()
    wire.sent()
    wire.pass_until(5)
    subscribing.notify("terminated;reason=deactivated")
    wire.pass_until(5.1)
    again = [message for message in wire.sent() if message.to.tag is None]
    assert len(again) == 1
    subscribing.first = again[0]
    subscribing.accept()
    wire.pass_until(32.5)  # timer F of the refresh
    assert subscribing.made.state == "NotifyWait"
    wire.sent()
    assert subscribing.notify("active;expires=60").status == 200
    assert subscribing.made.state == "Active"
    subscribing.made.terminate()
    subscribing.over()


def test_what_cannot_be_unsubscribed_from_is_over(subscribing):
    subscribing.established()
    subscribing.made.dialog_state.remote_target = "mailto:sensor@10.0.0.9"
    subscribing.made.dialog_state.route_set = ()
    subscribing.made.terminate()
    assert subscribing.made.state == "Terminated"
    assert subscribing.wire.sent() == []
    assert subscribing.end().error is None
    subscribing.over()


def test_a_secure_subscription_has_no_insecure_notifier():
    """RFC 3261 §12.1.1: the NOTIFY whose Contact is no SIPS URI makes no dialog."""
    wire = Wire("TLS")
    one = Subscribing(wire, uri="sips:bob@biloxi.com")
    one.made.subscribe(Asked("sips:sensor@10.0.0.9"), 600)
    one.first = wire.one()
    one.accept(expires=600)
    assert one.notify("active;expires=600", b"20").status == 400
    assert (one.made.state, one.made.value) == ("NotifyWait", None)
    one.made.terminate()
    one.over()
