"""A subscription to us (RFC 6665 §4.2), message by message."""

import pytest

from sipparty.errors import CallFailed, UnexpectedInput, UsageError
from sipparty.sip.dialog import DialogState
from sipparty.sip.limits import Limits
from sipparty.sip.notification.events import SubscriptionEnded, SubscriptionReceived
from sipparty.sip.notification.notifier import Notifier
from sipparty.sip.notification.resource import Resource, Resources
from sipparty.sip.packages.dialog_info import DialogInfo, DialogPackage

from .conftest import Offering, Temperature


def of_kind(wire, kind):
    return [event for event in wire.happened if isinstance(event, kind)]


def substate(notify):
    return notify._text("subscription-state")


# -------------------------------------------------------------------- the first SUBSCRIBE


def test_a_subscribe_is_answered_and_notified_at_once(offering):
    answer, notify = offering.subscribe(
        expires=600, headers=["Record-Route: <sip:10.0.0.7;lr>", "Record-Route: <sip:10.0.0.8;lr>"]
    )
    assert answer.status == 200
    assert str(answer["Expires"]) == "600"
    assert answer.lines("Record-Route") == ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]
    assert notify.method == "NOTIFY"
    assert substate(notify) == "active;expires=600"
    assert str(notify["Event"]) == "temperature"
    assert (notify._text("content-type"), notify.body) == ("text/plain", b"21.5")
    assert notify["From"].tag == answer.to.tag
    assert notify.to.tag == "a1"
    assert notify.uri_text == "sip:alice@10.0.0.9"
    assert notify.lines("Route") == ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]
    assert notify.contact.uri_text == answer.contact.uri_text
    (received,) = of_kind(offering.wire, SubscriptionReceived)
    assert received.notifier.state == "Active"
    assert set(offering.agent.services) == {received.notifier}
    assert not offering.agent.dialogs


def test_the_id_of_the_event_is_kept(offering):
    _, notify = offering.subscribe("temperature;id=7")
    assert str(notify["Event"]) == "temperature;id=7"


def test_without_a_state_there_is_no_body(make_offering):
    _, notify = make_offering(None).subscribe()
    assert (notify.body, notify._text("content-type")) == (b"", None)
    assert substate(notify).startswith("active")


@pytest.mark.parametrize(("asked", "given"), [(None, 3600), (600, 600), (7200, 3600), (60, 60)])
def test_how_long_it_lasts(offering, asked, given):
    answer, notify = offering.subscribe(expires=asked)
    assert str(answer["Expires"]) == str(given)
    assert substate(notify) == f"active;expires={given}"


@pytest.mark.parametrize(
    ("subscribe", "status", "header"),
    [
        ({"event": "presence"}, 489, ("allow-events", "temperature")),
        ({"event": ""}, 489, ("allow-events", "temperature")),
        ({"event": "temperature.winfo"}, 489, ("allow-events", "temperature")),
        ({"event": "Temperature"}, 489, ("allow-events", "temperature")),
        ({"expires": 59}, 423, ("min-expires", "60")),
        ({"headers": ["Accept: application/pidf+xml"]}, 406, ("accept", "text/plain")),
        ({"headers": ["Require: eventlist"]}, 420, ("unsupported", "eventlist")),
        ({"event": ";;"}, 400, None),
        ({"contact": None}, 400, None),
        ({"headers": ["Record-Route: nowhere"]}, 400, None),
    ],
)
def test_what_is_refused(offering, subscribe, status, header):
    (answer,) = offering.subscribe(**subscribe)
    assert answer.status == status
    if header:
        assert answer._text(header[0]) == header[1]
    offering.over()


def test_accept_may_cover_the_type(offering):
    assert offering.subscribe(headers=["Accept: text/*, application/sdp"])[0].status == 200


def test_what_is_offered_is_in_allow_and_allow_events(offering):
    offering.wire.receive(offering.wire.request("OPTIONS"))
    answer = offering.wire.one()
    assert "SUBSCRIBE" in answer._text("allow")
    assert answer._text("allow-events") == "temperature"


def test_who_is_not_to_ask_too_often_is_bounded(make_wire, offering_on):
    offering = offering_on(make_wire(limits=Limits(max_subscriptions_of_one=2)))
    for number in range(2):
        answer = offering.subscribe(branch=f"z9hG4bK{number}", call_id=f"c{number}")[0]
        assert answer.status == 200
    (answer,) = offering.subscribe(branch="z9hG4bK9", call_id="c9")
    assert answer.status == 503
    assert answer._text("retry-after")


def test_all_together_are_bounded(make_wire, offering_on):
    offering = offering_on(make_wire(limits=Limits(max_subscriptions=1)))
    assert offering.subscribe()[0].status == 200
    other = offering.wire.flow_by(remote=("10.0.0.10", 5060))
    offering.wire.receive(
        offering.wire.request(
            "SUBSCRIBE", call_id="c2", branch="z9hG4bK2", headers=["Event: temperature"]
        ),
        other,
    )
    assert [one.status for one in offering.wire.sent() if hasattr(one, "status")] == [503]


def test_a_source_that_never_answers_has_few(make_wire, offering_on):
    offering = offering_on(make_wire(limits=Limits(max_half_open=3)))
    for number in range(5):
        offering.subscribe(branch=f"z9hG4bK{number}", call_id=f"c{number}")
    assert len(offering.resource.subscribers) == 3
    offering.wire.pass_until(40)  # nobody has answered the NOTIFYs
    assert not offering.resource.subscribers
    offering.over()


def test_answering_a_notify_shows_that_somebody_is_there(make_wire, offering_on):
    offering = offering_on(make_wire(limits=Limits(max_half_open=2)))
    for number in range(6):
        _, notify = offering.subscribe(branch=f"z9hG4bK{number}", call_id=f"c{number}")
        offering.confirm(notify)
    assert len(offering.resource.subscribers) == 6


def test_nothing_goes_elsewhere_before_the_subscriber_is_proven(offering):
    offering.wire.receive(
        offering.wire.request(
            "SUBSCRIBE", contact="<sip:victim@203.0.113.9>", headers=["Event: temperature"]
        )
    )
    sent = [(message, flow.remote[0]) for _, message, flow in offering.wire.out]
    assert [place for _, place in sent] == ["10.0.0.9", "10.0.0.9"]


# -------------------------------------------------------------------- deciding


def test_a_handler_decides(make_offering):
    offering = make_offering(decides=True)
    assert offering.subscribe() == []
    (received,) = of_kind(offering.wire, SubscriptionReceived)
    assert received.notifier.state == "Undecided"
    received.notifier.accept()
    offering.answer, notify = offering.wire.sent()
    assert offering.answer.status == 200
    assert notify.body == b"21.5"
    offering.confirm(notify)


def test_a_subscriber_may_be_told_a_state_of_its_own(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.accept(30.0)
    assert offering.wire.sent()[1].body == b"30.0"


@pytest.mark.parametrize("status", [403, 603])
def test_a_handler_refuses(make_offering, status):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.reject(status)
    assert offering.wire.one().status == status
    assert one.state == "Terminated"
    offering.over()


def test_200_refuses_nothing(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    with pytest.raises(UsageError, match="300 to 699"):
        offering.resource.subscribers[0].reject(200)


@pytest.mark.parametrize("late", [True, False])
def test_who_is_not_decided_on_is_pending(make_offering, late):
    offering = make_offering(decides=True)
    offering.subscribe(expires=600)
    (one,) = offering.resource.subscribers
    if late:
        offering.wire.pass_until(Notifier.DECISION_TIME + 0.1)
    else:
        one.pend()
    answer, notify = offering.wire.sent()
    assert answer.status == 200
    assert substate(notify).startswith("pending;expires=")
    # §6.2: who is not granted it yet gets no state.
    assert notify.body == b""
    offering.confirm(notify)
    offering.resource.notify(30.0)
    offering.wire.pass_until(10)
    assert offering.wire.sent() == []
    one.accept()
    notify = offering.wire.one()
    assert (substate(notify), notify.body) == (f"active;expires={600 - 10}", b"30.0")


def test_a_pending_one_is_refused_by_a_notify(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.pend()
    offering.confirm(offering.wire.sent()[1])
    one.reject()
    notify = offering.wire.one()
    assert (substate(notify), notify.body) == ("terminated;reason=rejected", b"")
    offering.confirm(notify)
    assert (one.state, one.reason) == ("Terminated", "rejected")
    offering.over()


def test_what_is_decided_is_decided(offering):
    one = offering.established()
    for verb in (one.accept, one.reject, one.pend):
        with pytest.raises(UnexpectedInput):
            verb()


# -------------------------------------------------------------------- NOTIFYs


def test_a_change_is_told_to_all(offering):
    for number in range(3):
        _, notify = offering.subscribe(branch=f"z9hG4bK{number}", call_id=f"c{number}")
        offering.confirm(notify)
    offering.wire.pass_until(2)
    offering.resource.notify(22.0)
    assert [notify.body for notify in offering.wire.sent()] == [b"22.0"] * 3


def test_no_sooner_than_the_package_allows_and_then_the_last_state(offering):
    offering.established()
    for state in (22.0, 23.0, 24.0):
        offering.resource.notify(state)
    offering.wire.pass_until(0.99)
    assert offering.wire.sent() == []
    offering.wire.pass_until(1.01)
    assert offering.wire.one().body == b"24.0"


def test_one_at_a_time_and_then_the_last_state(offering):
    offering.subscribe()
    first = offering.subscribe  # the first NOTIFY is not answered yet
    offering.resource.notify(22.0)
    offering.resource.notify(23.0)
    offering.wire.pass_until(0.4)
    assert offering.wire.sent() == []
    del first
    offering.wire.pass_until(0.6)
    again = offering.wire.one()  # sent again, as it was
    assert again.body == b"21.5"
    offering.confirm(again)
    offering.wire.pass_until(1.1)
    assert offering.wire.one().body == b"23.0"


@pytest.mark.parametrize(
    "status", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]
)
def test_a_notify_that_is_refused_so_ends_it(offering, status):
    _, notify = offering.subscribe()
    (one,) = offering.resource.subscribers
    offering.confirm(notify, status)
    assert one.state == "Error"
    assert one.last_error.status == status
    (ended,) = of_kind(offering.wire, SubscriptionEnded)
    assert ended.error.status == status
    offering.over()


@pytest.mark.parametrize("status", [400, 415, 500, 503])
def test_a_notify_that_fails_otherwise_changes_nothing(offering, status):
    _, notify = offering.subscribe()
    offering.confirm(notify, status)
    offering.wire.pass_until(2)
    offering.resource.notify(22.0)
    assert offering.wire.one().body == b"22.0"


def test_a_subscriber_that_is_silent_has_none(offering):
    offering.subscribe()
    (one,) = offering.resource.subscribers
    offering.wire.pass_until(33)
    assert one.state == "Error"
    assert "did not answer" in str(one.last_error)
    offering.over()


def test_telling_one_subscriber_alone(offering):
    one = offering.established()
    offering.wire.pass_until(2)
    one.notify(30.0)
    assert offering.wire.one().body == b"30.0"


# -------------------------------------------------------------------- refreshes and ends


def test_a_refresh_is_answered_and_notified(offering):
    offering.established(expires=600)
    offering.wire.pass_until(500)
    answer, notify = offering.within(expires=600)
    assert (answer.status, str(answer["Expires"])) == (200, "600")
    assert substate(notify) == "active;expires=600"
    offering.confirm(notify)
    offering.wire.pass_until(1099)
    assert offering.wire.sent() == []
    offering.wire.pass_until(1101)
    assert substate(offering.wire.sent()[0]) == "terminated;reason=timeout"


def test_a_refresh_may_be_too_brief(offering):
    one = offering.established(expires=600)
    (answer,) = offering.within(expires=10)
    assert (answer.status, answer._text("min-expires")) == (423, "60")
    assert one.state == "Active"


def test_a_refresh_is_a_target_refresh(offering):
    one = offering.established()
    offering.wire.receive(
        offering.wire.within(
            offering.answer,
            "SUBSCRIBE",
            2,
            headers=["Event: temperature"],
            contact="<sip:alice@10.0.0.9:5080>",
        )
    )
    assert offering.wire.sent()[1].uri_text == "sip:alice@10.0.0.9:5080"
    assert one.remote_target == "sip:alice@10.0.0.9:5080"


def test_another_event_in_the_dialog_is_another_subscription(offering):
    one = offering.established()
    answer, notify = offering.within(event="temperature;id=2")
    assert answer.status == 200
    offering.confirm(notify)
    assert len(offering.resource.subscribers) == 2
    assert len(offering.wire.core.dialogs) == 1
    one.terminate()
    offering.confirm(offering.wire.one())
    assert len(offering.wire.core.dialogs) == 1
    (other,) = offering.resource.subscribers
    other.terminate()
    offering.confirm(offering.wire.one())
    offering.over()


def test_without_a_refresh_it_expires(offering):
    one = offering.established(expires=600)
    offering.wire.pass_until(601)
    notify = offering.wire.sent()[0]
    assert (substate(notify), notify.body) == ("terminated;reason=timeout", b"21.5")
    offering.confirm(notify)
    assert (one.state, one.reason) == ("Terminated", "timeout")
    offering.over()


def test_unsubscribing_brings_a_last_state(offering):
    one = offering.established()
    answer, notify = offering.within(expires=0)
    assert (answer.status, str(answer["Expires"])) == (200, "0")
    assert (substate(notify), notify.body) == ("terminated;reason=timeout", b"21.5")
    # §4.4.1: it is over when that is answered.
    assert one.state == "Ending"
    offering.confirm(notify)
    assert one.state == "Terminated"
    offering.over()


@pytest.mark.parametrize("status", [200, 481, None])
def test_it_ends_whatever_is_answered(offering, status):
    one = offering.established()
    one.terminate("noresource")
    notify = offering.wire.one()
    assert substate(notify) == "terminated;reason=noresource"
    if status:
        offering.confirm(notify, status)
    else:
        offering.wire.pass_until(33)
    assert one.state == "Terminated"
    offering.over()


def test_a_poll_gets_one_state(offering):
    answer, notify = offering.subscribe(expires=0)
    assert str(answer["Expires"]) == "0"
    assert (substate(notify), notify.body) == ("terminated;reason=timeout", b"21.5")
    offering.confirm(notify)
    offering.over()


def test_when_to_come_back(offering):
    offering.established()
    offering.resource.terminate("probation", 30.5)
    assert substate(offering.wire.one()) == "terminated;reason=probation;retry-after=31"


def test_what_nobody_decides_on_is_refused_where_it_ends(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    offering.resource.subscribers[0].terminate()
    assert offering.wire.one().status == 480
    offering.over()


@pytest.mark.parametrize("state", ["Undecided", "Pending", "Active", "Ending"])
def test_giving_up_ends_it_at_once(make_offering, state):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    if state == "Pending":
        one.pend()
    if state in ("Active", "Ending"):
        one.accept()
    if state == "Ending":
        one.terminate()
    assert one.state == state
    one.give_up(CallFailed("The engine was closed."))
    assert one.state in one.final
    offering.over()


def test_a_refresh_while_the_first_is_undecided(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.pend()
    offering.answer, notify = offering.wire.sent()
    offering.confirm(notify)
    answer, notify = offering.within(expires=700)
    assert (answer.status, substate(notify)) == (200, "pending;expires=700")


def test_a_refresh_while_a_notify_is_on_its_way(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.pend()
    offering.answer, first = offering.wire.sent()
    (answer,) = offering.within(expires=700)
    assert answer.status == 200
    offering.confirm(first)
    offering.wire.pass_until(1.1)
    assert substate(offering.wire.one()) == "pending;expires=699"
    one.accept()
    offering.wire.pass_until(1.5)
    assert one.state == "Active"


def test_a_refresh_brings_what_was_to_be_sent_later(offering):
    offering.established()
    offering.resource.notify(22.0)
    assert offering.wire.sent() == []
    _, notify = offering.within(expires=700)
    assert notify.body == b"22.0"
    offering.confirm(notify)
    offering.wire.pass_until(5)
    assert offering.wire.sent() == []


def test_granting_while_a_notify_is_on_its_way(make_offering):
    offering = make_offering(decides=True)
    offering.subscribe()
    (one,) = offering.resource.subscribers
    one.pend()
    offering.answer, first = offering.wire.sent()
    one.accept()
    assert offering.wire.sent() == []
    offering.confirm(first)
    offering.wire.pass_until(1.1)
    notify = offering.wire.one()
    assert (substate(notify).partition(";")[0], notify.body) == ("active", b"21.5")


def test_a_package_that_fails_is_a_defect_that_ends_it(offering):
    class Broken(type(offering.resource.package)):
        def build(self, state):
            raise RuntimeError("broken")

    offering.resource.package = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        offering.subscribe()
    offering.wire.out.clear()
    assert not offering.resource.subscribers
    offering.over()


def test_a_subscription_that_another_request_began(offering):
    state = DialogState(
        "c9",
        "<sip:bob@biloxi.com>;tag=b9",
        "b9",
        "<sip:alice@10.0.0.9>",
        "a9",
        remote_target="sip:alice@10.0.0.9",
    )
    one = Notifier(offering.agent, offering.resource.package, "93809823")
    one.begin(state, 60, 1.0)
    notify = offering.wire.one()
    assert str(notify["Event"]) == "temperature;id=93809823"
    assert (substate(notify), notify.body) == ("active;expires=60", b"1.0")
    offering.confirm(notify)
    one.value = 2.0
    one.terminate("noresource")
    notify = offering.wire.one()
    assert (substate(notify), notify.body) == ("terminated;reason=noresource", b"2.0")
    offering.confirm(notify)
    offering.over()


# ---------------------------------------------------------------- who may be forged

LARGE = "x" * 5000


def test_a_forged_source_is_sent_no_large_state(make_offering):
    """What a SUBSCRIBE costs whose source is forged is not more than an INVITE does."""
    offering = make_offering(state=LARGE)
    offering.subscribe(contact="<sip:third@10.0.0.66>")
    offering.wire.pass_until(40)
    out = offering.wire.out
    assert {flow.remote for _, _, flow in out} == {("10.0.0.9", 5060)}
    assert sum(len(bytes(message)) for _, message, _ in out) < 5000
    offering.over()


def test_a_large_state_follows_when_the_first_notify_is_answered(make_offering):
    offering = make_offering(state=LARGE)
    _, first = offering.subscribe()
    assert (first.body, "Content-Type" in first) == (b"", False)
    assert str(first["Subscription-State"]) == "active;expires=3600"
    offering.confirm(first)
    second = offering.wire.one()
    assert second.body == LARGE.encode()
    offering.confirm(second)
    # From then on it is as for anybody.
    offering.wire.pass_until(5)
    offering.resource.notify(LARGE + "y")
    assert offering.wire.one().body == LARGE.encode() + b"y"


def test_a_large_state_that_cannot_be_delivered_is_not_sent_again_at_once(make_offering):
    offering = make_offering(state=LARGE)
    offering.wire.hold_flows = True
    offering.subscribe()
    (wanted,) = offering.wire.wanted
    offering.wire.core.flow_failed(wanted, "no way", 0.0)
    assert offering.wire.sent() == []
    assert len(offering.wire.wanted) == 1


def test_who_polls_a_large_state_has_to_answer_first(make_offering):
    offering = make_offering(state=LARGE)
    _, first = offering.subscribe(expires=0)
    assert str(first["Subscription-State"]) == "terminated;reason=probation;retry-after=1"
    assert first.body == b""
    offering.confirm(first)
    assert not offering.resource.subscribers
    _, second = offering.subscribe(expires=0, call_id="c2", branch="z9hG4bK2")
    assert str(second["Subscription-State"]) == "terminated;reason=timeout"
    assert second.body == LARGE.encode()
    offering.confirm(second)
    offering.over()


@pytest.mark.parametrize("id", ['"a b"', '"a;expires=7"', '"\x01"', "é"])
def test_an_id_that_is_no_token_is_not_taken(offering, id):
    """RFC 6665 §8.4: it would stand in each NOTIFY."""
    (answer,) = offering.subscribe(f"temperature;id={id}")
    assert answer.status == 400


# -------------------------------------------------------------------- mistakes of the program


class Exact(Temperature):
    def build(self, state):
        return f"{state:.1f}".encode()


def test_what_is_no_state_of_the_package_raises_where_it_is_given(wire):
    with pytest.raises(TypeError, match="'warm' is no state of 'temperature'"):
        Resource(Exact(), "warm")
    offering = Offering(wire, decides=True)
    offering.resource.package = Exact()
    offering.subscribe()
    (one,) = offering.resource.subscribers
    with pytest.raises(TypeError, match="'warm' is no state of 'temperature'"):
        one.accept("warm")
    assert (one.state, one.value) == ("Undecided", None)
    one.accept()
    answer, notify = wire.sent()
    assert (answer.status, notify.body) == (200, b"21.5")
    offering.confirm(notify)
    for told in (one, offering.resource):
        with pytest.raises(TypeError, match="'warm' is no state of 'temperature'"):
            told.notify("warm")
    wire.pass_until(5)
    assert wire.sent() == []
    offering.answer = answer
    _, notify = offering.within()
    assert notify.body == b"21.5"
    offering.confirm(notify)
    offering.resource.terminate()
    offering.confirm(wire.one())
    offering.over()


def test_documents_are_numbered_from_0_for_each_subscriber(wire):
    """RFC 4235 §4.1.1; what a subscription is called in a log stays."""
    agent = wire.agent()
    Resources(agent).offer(Resource(DialogPackage(), DialogInfo("sip:bob@biloxi.com")))
    for name in ("c1", "c2"):
        lines = {"headers": ["Event: dialog"], "call_id": name, "branch": f"z9hG4bK{name}"}
        wire.receive(wire.request("SUBSCRIBE", **lines))
        _, notify = wire.sent()
        assert b'version="0"' in notify.body
    first, second = agent.resources.by_event["dialog"].subscribers
    assert first.name != second.name
