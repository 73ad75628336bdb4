"""Pings: OPTIONS sent again and again, and what they show (RFC 3261 §11)."""

import pytest

from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable, ParseError
from sipparty.sip import Request
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.ping import Ping, PingEnded, PingEvent, TargetDown, TargetUp
from sipparty.sip.routing import NextHop
from sipparty.testing import seeded_tokens

ALICE = "sip:alice@10.0.0.9"


@pytest.fixture
def bob(wire):
    return wire.agent()


def ping(agent, **options):
    def send(user):
        request = Request("OPTIONS", ALICE, [("Accept", "application/sdp")])
        return send_out_of_dialog(agent, request, NextHop("10.0.0.9", 5060), user=user)

    made = Ping(agent, ALICE, send, **options)
    made.hit("begin")
    return made


class Target:
    """Answers pings, or does not, as time passes."""

    def __init__(self, wire, delay=0.0):
        self.wire = wire
        self.delay = delay
        self.status = 200
        self.asked = []
        self._known = set()

    def run(self, until, step=0.25):
        wire = self.wire
        while wire.now < until:
            wire.pass_until(min(wire.now + step, until))
            for request in wire.sent():
                if request.via.branch not in self._known:
                    self._known.add(request.via.branch)
                    self.asked.append(wire.now)
                    if self.status:
                        wire.pass_until(wire.now + self.delay)
                        wire.receive(wire.answer(request, self.status, contact=None))

    @property
    def pauses(self):
        return [later - sooner for sooner, later in zip(self.asked, self.asked[1:], strict=False)]


def news(wire):
    wire.pump()
    return [type(event) for event in wire.happened if isinstance(event, PingEvent)]


def test_a_target_that_answers_is_up(wire, bob):
    made = ping(bob)
    assert (made.state, made.sent, made.loss, made.round_trip) == ("Trying", 1, 0.0, None)
    assert made in bob.services
    request = wire.one()
    assert (request.method, request.uri_text) == ("OPTIONS", ALICE)
    wire.pass_until(0.25)
    wire.receive(wire.answer(request, 200))
    assert made.wait(0) is made
    assert (made.state, made.received, made.round_trip, made.loss) == ("Up", 1, 0.25, 0.0)
    assert made.response.status == 200
    (event,) = wire.happened
    assert (type(event), event.ping, event.round_trip) == (TargetUp, made, 0.25)
    assert event.topic == id(made)
    made.stop()
    wire.over()


def test_pings_go_on_with_some_chance_in_their_pauses(wire, bob):
    target = Target(wire)
    wire.core.tokens = seeded_tokens(1)
    made = ping(bob, period=30.0)
    target.run(600)
    assert 20 <= len(target.asked) <= 25
    assert all(23.5 <= pause <= 30.5 for pause in target.pauses)
    assert len(set(target.pauses)) > 3
    assert (made.sent, made.received, made.loss) == (len(target.asked), len(target.asked), 0.0)
    assert news(wire) == [TargetUp]
    assert made.stop() is made
    made.stop()
    wire.over()
    assert news(wire) == [TargetUp, PingEnded]
    assert wire.happened[-1].error is None
    assert not bob.services
    assert made.state == "Terminated"


@pytest.mark.parametrize("status", [404, 486, 503, 603])
def test_any_answer_shows_that_somebody_is_there(wire, bob, status):
    made = ping(bob)
    wire.receive(wire.answer(wire.one(), status))
    assert made.state == "Up"


def test_which_answers_count_may_be_said(wire, bob):
    made = ping(bob, up={200, 404}, timeout=20.0)
    wire.receive(wire.answer(wire.one(), 486))
    assert made.state == "Down"
    assert made.last_error.status == 486
    assert (made.received, made.loss) == (1, 0.0)
    with pytest.raises(CallFailed, match="486 Busy Here"):
        made.wait(0)
    wire.pass_until(31.0)
    wire.receive(wire.answer(wire.sent()[-1], 404))
    assert made.state == "Up"
    assert made.last_error is None


def test_one_that_does_not_answer_is_down(wire, bob):
    made = ping(bob, timeout=2.0)
    wire.pass_until(1.9)
    assert made.state == "Trying"
    wire.pass_until(2.1)
    assert (made.state, made.loss) == ("Down", 1.0)
    with pytest.raises(CallTimedOut, match=r"sip:alice@10\.0\.0\.9 did not answer within 2 s"):
        made.wait(0)
    (event,) = wire.happened
    assert (type(event), event.error) == (TargetDown, made.last_error)
    made.stop()
    wire.over()


def test_an_answer_that_comes_too_late_counts_as_none(wire, bob):
    made = ping(bob, timeout=2.0)
    request = wire.one()
    wire.pass_until(3.0)
    wire.receive(wire.answer(request, 200))
    assert (made.state, made.received) == ("Down", 0)


def test_down_and_up_again(wire, bob):
    target = Target(wire)
    made = ping(bob, period=10.0, timeout=1.0)
    target.run(50)
    target.status = None
    target.run(100)
    assert made.state == "Down"
    target.status = 200
    target.run(400)
    assert made.state == "Up"
    assert news(wire) == [TargetUp, TargetDown, TargetUp]
    assert 0.0 < made.loss < 0.5


def test_a_target_that_is_down_is_asked_less_often(wire, bob):
    target = Target(wire)
    target.status = None
    made = ping(bob, period=10.0, timeout=1.0)
    target.run(1800)
    first, second, third, *_, last = target.pauses
    assert 7.5 <= first <= 10.5
    assert 15.5 <= second <= 20.5
    assert 31.5 <= third <= 40.5
    assert 239.5 <= last <= 300.5
    target.status = 200
    target.run(2200)
    assert made.state == "Up"
    assert target.pauses[-1] <= 10.5
    assert news(wire) == [TargetDown, TargetUp]


def test_a_long_period_is_no_shorter_for_a_target_that_is_down(wire, bob):
    target = Target(wire)
    target.status = None
    ping(bob, period=1000.0)
    target.run(9000, 1.0)
    assert all(pause >= 799 for pause in target.pauses)


def test_some_may_be_lost(wire, bob):
    target = Target(wire)
    made = ping(bob, period=10.0, timeout=1.0, misses=3)
    target.run(20)
    target.status = None
    before = made.sent
    while made.sent < before + 2:
        target.run(wire.now + 1)
    target.run(wire.now + 2)
    assert made.state == "Up"
    target.status = 200
    target.run(wire.now + 10)
    assert news(wire) == [TargetUp]
    target.status = None
    target.run(wire.now + 35)
    assert made.state == "Down"


def test_so_many_are_lost_and_no_more(wire, bob):
    made = ping(bob, period=10.0, timeout=1.0, misses=2)
    wire.receive(wire.answer(wire.one(), 200))
    while made.sent < 2:
        wire.pass_until(wire.now + 0.5)
    wire.pass_until(wire.now + 2.0)
    assert made.state == "Up"
    while made.sent < 3:
        wire.pass_until(wire.now + 0.5)
    wire.pass_until(wire.now + 2.0)
    assert made.state == "Down"


def test_one_that_cannot_be_reached(wire, bob):
    wire.hold_flows = True
    made = ping(bob)
    wire.pump()
    wire.core.flow_failed(wire.wanted[0], "There is no such host.", wire.now)
    assert made.state == "Down"
    with pytest.raises(CallUnreachable, match="no such host"):
        made.wait(0)
    assert not made._probes
    made.stop()
    wire.over()


def test_one_that_cannot_be_sent(wire, bob):
    def fail(user):
        raise ParseError("x", "something else")

    made = Ping(bob, ALICE, fail)
    made.hit("begin")
    assert made.state == "Down"
    assert "could not be sent" in str(made.last_error)
    made.stop()
    wire.over()


def test_the_time_that_a_flow_takes_does_not_count(wire, bob):
    wire.hold_flows = True
    made = ping(bob)
    wire.pump()
    wire.pass_until(1.0)
    wire.give_flow(wire.wanted[0])
    request = wire.one()
    wire.pass_until(1.5)
    wire.receive(wire.answer(request, 200))
    assert made.round_trip == 0.5


def test_giving_up(wire, bob):
    made = ping(bob)
    made.give_up(CallUnreachable("The engine was closed."))
    assert made.state == "Error"
    assert news(wire) == [PingEnded]
    assert wire.happened[-1].error is made.last_error
    with pytest.raises(CallUnreachable, match="closed"):
        made.wait(0)
    wire.over()


def test_a_ping_that_ends_while_one_is_out(wire, bob):
    made = ping(bob)
    request = wire.one()
    made.hit("terminate")
    wire.receive(wire.answer(request, 200))
    assert made.state == "Terminated"
    assert made.wait(0) is made
    wire.over()


def test_nobody_watches(wire, bob):
    bob.observed = False
    made = ping(bob)
    wire.pass_until(6)
    assert made.state == "Down"
    made.stop()
    assert wire.happened == []


def test_a_ping_that_is_lost_waits_for_no_retry_after(wire, bob):
    bob.retry_wait = 1000
    made = ping(bob, period=10_000)
    wire.receive(wire.answer(wire.one(), 503, contact=None, headers=[("Retry-After", "500")]))
    wire.pass_until(6)
    assert made.state == "Down"
    made.stop()
    wire.pass_until(12)  # timer K
    assert wire.core.idle()
    assert wire.sent() == []
