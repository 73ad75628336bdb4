"""Keeping a flow open, in virtual time (RFC 5626 §4.4, §4.5)."""

import itertools

import pytest

from sipparty.fsm import Timers
from sipparty.sip import Flow, NextHop
from sipparty.sip.events import FlowConfirmed, FlowLost
from sipparty.transport import KeepAlive
from sipparty.transport.stun import Answer

OURS = ("10.0.0.1", 5060)
SEEN = ("203.0.113.7", 40000)
OTHER = ("203.0.113.7", 40001)
EMPTY_LINE = None


class Keeper:
    """What a keep-alive works with, and notes of what it asked for: (time, what)."""

    def __init__(self):
        self.timers = Timers()
        self.pings, self.looks, self.told, self.down, self.gone = [], [], [], [], []
        self.dice = 0.5
        self.rerouted = []

    def look(self, keep_alive):
        self.looks.append(self.timers.now)

    def ping(self, keep_alive, flow, transaction):
        self.pings.append((self.timers.now, transaction))

    def chance(self):
        return self.dice

    def transaction(self):
        return b"%012d" % len(self.pings)

    def mark_down(self, flow):
        self.down.append(flow)

    def reroute(self, flow):
        self.rerouted.append(flow)

    def emit(self, event):
        self.told.append(event)

    def forget(self, keep_alive):
        self.gone.append(keep_alive)

    def run(self, until):
        """Let time pass."""
        while (due := self.timers.next_timer()) is not None and due <= until:
            self.timers.handle_timers(due)
        self.timers.now = until

    @property
    def times(self):
        return [at for at, _ in self.pings]

    @property
    def kinds(self):
        return [type(event) for event in self.told]


@pytest.fixture
def keeper():
    return Keeper()


@pytest.fixture
def make(keeper):
    def make(transport="UDP", interval=None, stun=True, found=True):
        kept = KeepAlive(keeper, "alice", NextHop("192.0.2.9"), interval, stun)
        kept.start()
        if found:
            kept.flow_found(flow(transport))
        return kept

    return make


def answer(kept, keeper, mapped=SEEN):
    kept.stun_answered(Answer(keeper.pings[-1][1], mapped))


FLOWS = {name: Flow(name, OURS, ("192.0.2.9", 5060)) for name in ("UDP", "TCP", "TLS", "WS")}


def flow(transport="UDP"):
    return FLOWS[transport]


# ---------------------------------------------------------------- by STUN


def test_a_ping_goes_out_at_once_and_then_every_24_to_29_seconds(make, keeper):
    kept = make()
    assert kept.state == "Trying"
    answer(kept, keeper)
    assert kept.state == "Kept"
    assert kept.mapped == SEEN
    for _ in range(3):
        keeper.run(keeper.timers.next_timer())
        answer(kept, keeper)
    assert keeper.times == [0.0, 26.5, 53.0, 79.5]
    assert keeper.kinds == [FlowConfirmed]
    assert keeper.told[0].mapped == SEEN
    assert keeper.told[0].target == "192.0.2.9"


@pytest.mark.parametrize(
    ("transport", "interval", "dice", "pause"),
    [
        ("UDP", None, 0.0, 24.0),
        ("UDP", None, 1.0, 29.0),
        ("UDP", 10.0, 0.0, 8.0),
        ("UDP", 10.0, 1.0, 10.0),
        ("TCP", None, 0.0, 95.0),
        ("TCP", None, 1.0, 120.0),
        ("TLS", 10.0, 0.0, 8.0),
    ],
)
def test_pauses(make, keeper, transport, interval, dice, pause):
    kept = make(transport, interval)
    keeper.dice = dice
    if transport == "UDP":
        answer(kept, keeper)
    else:
        kept.pong_received()
    keeper.run(pause - 0.001)
    assert len(keeper.pings) == 1
    keeper.run(pause)
    assert keeper.times == [0.0, pause]
    assert kept.state == "Asking"


def test_each_pause_is_another(make, keeper):
    kept = make()
    answer(kept, keeper)
    for dice in (0.0, 1.0):
        keeper.dice = dice
        assert kept.pause == (29.0 if dice else 24.0)


def test_requests_are_sent_again_as_rfc_8489_has_it(make, keeper):
    kept = make()
    keeper.run(39.4)
    assert keeper.times == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len({transaction for _, transaction in keeper.pings}) == 1
    assert kept.state == "Trying"


def test_a_late_answer_will_do(make, keeper):
    kept = make()
    keeper.run(35.0)
    answer(kept, keeper)
    assert kept.state == "Kept"
    assert keeper.kinds == [FlowConfirmed]


def test_an_answer_to_another_request_is_none(make, keeper):
    kept = make()
    kept.stun_answered(Answer(b"of another..", SEEN))
    assert kept.state == "Trying"
    answer(kept, keeper)
    answer(kept, keeper, OTHER)  # it comes twice, and was changed on the way
    assert kept.mapped == SEEN
    assert kept.state == "Kept"


# ---------------------------------------------------------------- who answers nothing


@pytest.mark.parametrize("refused", [False, True])
def test_where_nothing_was_ever_answered_empty_lines_go_on(make, keeper, refused):
    kept = make(interval=20.0)
    if refused:
        answer(kept, keeper, None)
        began = 0.0
    else:
        keeper.run(39.5)
        began = 39.5
    assert kept.state == "Plain"
    keeper.run(began + 100.0)
    plain = [at - began for at, transaction in keeper.pings if transaction is EMPTY_LINE]
    assert plain == pytest.approx([0.0, 18.0, 36.0, 54.0, 72.0, 90.0])
    assert keeper.told == []


@pytest.mark.parametrize("refused", [False, True])
def test_who_did_not_answer_is_asked_by_stun_again(make, keeper, refused):
    kept = make()
    for _ in range(3):
        if refused:
            answer(kept, keeper, None)
        else:
            keeper.run(keeper.timers.now + 39.5)
        assert kept.state == "Plain"
        again = keeper.timers.now + kept.TRY_AGAIN
        keeper.run(again - 0.1)
        assert kept.state == "Plain"
        assert keeper.pings[-1][1] is EMPTY_LINE
        keeper.run(again)
        assert kept.state == "Trying"
        assert keeper.pings[-1][1] is not EMPTY_LINE
    assert keeper.told == []
    answer(kept, keeper)
    assert kept.state == "Kept"
    assert keeper.told == [FlowConfirmed("alice", "192.0.2.9", SEEN)]


@pytest.mark.parametrize(("transport", "stun"), [("UDP", False), ("TCP", True)])
def test_who_is_not_to_be_asked_by_stun_is_not(make, keeper, transport, stun):
    kept = make(transport, stun=stun)
    keeper.run(1000.0)
    assert kept.state == "Plain"
    if transport == "UDP":
        assert {transaction for _, transaction in keeper.pings} == {EMPTY_LINE}
    else:
        # The first was waited for. After that nothing comes between the pings.
        assert all(after - at > 95.0 for at, after in itertools.pairwise(keeper.times[1:]))


def test_without_stun_there_are_empty_lines_from_the_start(make, keeper):
    kept = make(stun=False, interval=10.0)
    assert kept.state == "Plain"
    keeper.run(30.0)
    assert {transaction for _, transaction in keeper.pings} == {EMPTY_LINE}
    assert keeper.times == pytest.approx([0.0, 9.0, 18.0, 27.0])


def test_a_connection_whose_peer_answers_no_pings(make, keeper):
    kept = make("TCP", interval=20.0)
    keeper.run(10.0)
    assert kept.state == "Plain"
    keeper.run(100.0)
    assert kept.state == "Plain"
    kept.pong_received()  # it does, after all
    assert kept.state == "Kept"
    assert keeper.kinds == [FlowConfirmed]


# ---------------------------------------------------------------- a flow that has failed


def test_silence_is_the_end_and_the_flow_is_looked_for_at_once(make, keeper):
    kept = make()
    answer(kept, keeper)
    keeper.run(26.5)
    assert kept.state == "Asking"
    keeper.run(26.5 + 39.4)
    assert kept.state == "Asking"
    keeper.run(26.5 + 39.5)
    assert kept.state == "Seeking"
    assert keeper.looks == [0.0, 66.0]
    assert kept.flow is None
    assert keeper.down == [flow()]
    assert keeper.kinds == [FlowConfirmed, FlowLost]
    assert keeper.told[-1].reason == "the other side does not answer"
    kept.flow_found(flow())
    assert kept.state == "Proving"
    answer(kept, keeper, OTHER)  # a new binding of the NAT is no failure of the new flow
    assert kept.state == "Kept"
    assert keeper.kinds == [FlowConfirmed, FlowLost, FlowConfirmed]
    assert keeper.told[-1].mapped == OTHER


def test_a_connection_without_a_pong_is_the_end(make, keeper):
    kept = make("TCP", interval=100.0)
    kept.pong_received()
    keeper.run(90.0)
    assert kept.state == "Asking"
    keeper.run(99.9)
    assert kept.state == "Asking"
    keeper.run(100.0)
    assert kept.state == "Seeking"
    assert keeper.times == [0.0, 90.0]  # a connection sends again by itself


def test_another_mapped_address_is_a_failure(make, keeper):
    kept = make()
    answer(kept, keeper)
    keeper.run(27.0)
    answer(kept, keeper, OTHER)
    assert kept.state == "Seeking"
    assert keeper.looks == [0.0, 27.0]
    assert kept.flow is None
    assert keeper.told[-1].reason == (
        "our address has changed: 203.0.113.7:40000 has become 203.0.113.7:40001"
    )
    assert keeper.down == []  # it did answer
    assert keeper.rerouted == [flow()]
    kept.flow_found(flow())
    answer(kept, keeper, OTHER)
    assert kept.state == "Kept"
    assert keeper.told[-1].mapped == OTHER


@pytest.mark.parametrize("when", ["Kept", "Asking"])
def test_a_flow_that_breaks(make, keeper, when):
    kept = make()
    answer(kept, keeper)
    if when == "Asking":
        keeper.run(27.0)
    assert kept.state == when
    kept.flow.fail("connection refused")
    assert kept.state == "Seeking"
    assert keeper.told[-1] == FlowLost("alice", "192.0.2.9", "connection refused")


def test_an_error_response_is_a_failure(make, keeper):
    kept = make()
    answer(kept, keeper)
    keeper.run(27.0)
    answer(kept, keeper, None)
    assert kept.state == "Seeking"
    assert keeper.told[-1].reason == "the other side refuses STUN"


# ---------------------------------------------------------------- the back-off of §4.5


def test_the_first_retry_is_after_30_to_60_seconds(make, keeper):
    for dice, wait in ((0.0, 30.0), (1.0, 60.0)):
        keeper.dice = dice
        kept = make(found=False)
        began = keeper.timers.now
        kept.flow_failed("No route leads to 192.0.2.9.")
        assert kept.state == "BackingOff"
        keeper.run(began + wait - 0.001)
        assert kept.state == "BackingOff"
        keeper.run(began + wait)
        assert kept.state == "Seeking"
    assert keeper.kinds == [FlowLost, FlowLost]


def test_each_failure_doubles_the_wait_up_to_half_an_hour(make, keeper):
    keeper.dice = 1.0
    kept = make(found=False)
    waits = []
    for _ in range(60):
        began = keeper.timers.now
        kept.flow_failed("No route.")
        keeper.run(keeper.timers.next_timer())
        waits.append(keeper.timers.now - began)
    assert waits[:7] == [60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0]
    assert set(waits[7:]) == {1800.0}
    keeper.dice = 0.0
    kept.flow_failed("No route.")
    assert keeper.timers.next_timer() - keeper.timers.now == 900.0
    assert keeper.kinds == [FlowLost]  # told once


def test_success_forgets_the_failures(make, keeper):
    kept = make(found=False)
    for _ in range(3):
        kept.flow_failed("No route.")
        keeper.run(keeper.timers.next_timer())
    kept.flow_found(flow())
    answer(kept, keeper)
    assert kept.failures == 0
    assert keeper.kinds == [FlowLost, FlowConfirmed]


@pytest.mark.parametrize("how", ["silence", "refused", "broken"])
def test_a_new_flow_that_does_not_prove_itself(make, keeper, how):
    kept = make()
    answer(kept, keeper)
    kept.flow.fail("connection refused")
    kept.flow_found(flow())
    if how == "silence":
        keeper.run(keeper.timers.now + 39.5)
    elif how == "refused":
        answer(kept, keeper, None)
    else:
        kept.flow.fail("connection refused")
    assert kept.state == "BackingOff"
    assert kept.failures == 1
    assert keeper.kinds == [FlowConfirmed, FlowLost]


def test_a_flow_that_never_answered_and_breaks_waits_as_well(make, keeper):
    kept = make("TCP", interval=20.0)
    keeper.run(10.0)
    kept.flow.fail("the other side closed the connection")
    assert kept.state == "BackingOff"
    assert kept.failures == 1
    keeper.run(keeper.timers.next_timer())
    kept.flow_found(flow("TCP"))
    keeper.run(keeper.timers.now + 10.0)
    assert kept.state == "Plain"
    # As far as one can know it is there again; and after a pause it has proved to last.
    assert keeper.kinds == [FlowLost, FlowConfirmed]
    keeper.run(keeper.timers.now + 20.0)
    assert kept.failures == 0


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize(
    "state", ["Seeking", "Trying", "Proving", "Kept", "Asking", "Plain", "BackingOff"]
)
def test_stop(make, keeper, state):
    kept = make(found=state not in ("Seeking", "BackingOff"))
    if state == "BackingOff":
        kept.flow_failed("No route.")
    if state in ("Kept", "Asking", "Proving"):
        answer(kept, keeper)
    if state == "Asking":
        keeper.run(27.0)
    if state == "Proving":
        kept.flow.fail("connection refused")
        kept.flow_found(flow())
    if state == "Plain":
        keeper.run(39.5)
    assert kept.state == state
    told, pings = len(keeper.told), len(keeper.pings)
    kept.stop()
    kept.stop()
    assert kept.state == "Stopped"
    assert keeper.gone == [kept]
    assert keeper.timers.next_timer() is None
    # What was asked for may come later.
    kept.flow_found(flow())
    kept.flow_failed("No route.")
    flow().fail("connection refused")
    kept.pong_received()
    assert kept.state == "Stopped"
    assert (len(keeper.told), len(keeper.pings)) == (told, pings)


def test_it_depends_on_its_flow_as_long_as_it_has_it(make, keeper):
    kept = make()
    assert kept in flow().dependents
    answer(kept, keeper)
    flow().fail("connection refused")
    assert kept.state == "Seeking"
    assert kept not in flow().dependents
    kept.flow_found(flow())
    assert kept in flow().dependents
    kept.stop()
    assert kept not in flow().dependents


def test_the_loss_of_another_flow_is_nothing_to_it(make, keeper):
    kept = make()
    answer(kept, keeper)
    kept.flow_lost(flow("TCP"), "connection refused")
    assert kept.state == "Kept"
