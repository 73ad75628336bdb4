"""The network, with small machines of the test's own and with the real core."""

import math

import pytest

from sipparty.errors import Timeout, UsageError
from sipparty.sip import Core, Flow, SimpleCall, UserAgent
from sipparty.testing import Link, SimulatedNetwork, VirtualClock, seeded_tokens
from sipparty.trace import Ladder

A, B, C = ("10.0.0.1", 5060), ("10.0.0.2", 5060), ("10.0.0.3", 5060)


class Endpoint:
    """Asks, asks again every half second until it is answered, and answers what it is asked."""

    def __init__(self):
        self.out, self.happened, self.received = [], [], []
        self.waiting = {}
        self.now = 0.0

    def ask(self, data, flow, now=0.0):
        self.waiting[data] = (flow, now + 0.5)
        self.out.append((data, flow))

    def tell(self, data, flow):
        self.out.append((data, flow))

    def receive(self, data, flow, now):
        self.received.append((now, data, flow))
        if data.startswith(b"re:"):
            if self.waiting.pop(data[3:], None):
                self.happened.append(data)
        elif data.startswith(b"ask"):
            self.out.append((b"re:" + data, flow))

    def handle_timers(self, now):
        for data, (flow, due) in list(self.waiting.items()):
            if due <= now:
                self.ask(data, flow, now)

    def next_timer(self):
        return min((due for _, due in self.waiting.values()), default=None)

    def transmits(self):
        out, self.out = self.out, []
        return out

    def events(self):
        happened, self.happened = self.happened, []
        return happened

    @property
    def data(self):
        return [data for _, data, _ in self.received]


def pair(*args, **kwargs):
    network = SimulatedNetwork(*args, **kwargs)
    a, b = Endpoint(), Endpoint()
    network.attach(a, A)
    network.attach(b, B)
    return network, a, b


def test_bytes_arrive_with_the_flow_turned_round():
    network, a, b = pair(delay=(0.02, 0.02))
    a.tell(b"x", network.flow(A, B))
    assert network.run() == 0.02
    assert b.received == [(0.02, b"x", network.flow(B, A))]


def test_a_question_is_answered_and_its_timer_ends():
    network, a, b = pair(delay=(0.01, 0.01))
    a.ask(b"ask", network.flow(A, B))
    assert network.run() == pytest.approx(0.02)
    assert b.data == [b"ask"]
    assert [(when, core, what) for when, core, what in network.events] == [
        (pytest.approx(0.02), a, b"re:ask")
    ]


def test_timers_run_at_exactly_their_time():
    network, a, _ = pair()
    a.ask(b"ask", network.flow(A, C))  # nobody is there
    network.run(until=1.7)
    assert network.clock.now == 1.7
    assert [item.sent for item in network.log] == [0.0, 0.5, 1.0, 1.5]
    assert {item.fate for item in network.log} == {"unreachable"}


def test_a_predicate_ends_the_run_at_once():
    network, a, b = pair(delay=(0.1, 0.1))
    for n in range(3):
        a.tell(b"%d" % n, network.flow(A, B))
    network.run(lambda: len(b.received) == 2)
    assert b.data == [b"0", b"1"]
    network.run(lambda: True)
    assert len(b.received) == 2


def test_a_predicate_that_cannot_become_true_is_told_at_once():
    network, _, _ = pair()
    with pytest.raises(Timeout, match="nothing is under way"):
        network.run(lambda: False)
    assert network.clock.now == 0.0


def test_a_predicate_has_its_time():
    network, a, _ = pair()
    a.ask(b"ask", network.flow(A, C))
    with pytest.raises(Timeout, match=r"not come by 3\.2 s.*next event is due at 3\.5 s"):
        network.run(lambda: False, max_time=3.2)
    assert network.clock.now == 3.2
    with pytest.raises(Timeout):
        network.run(max_time=1.0)
    assert network.clock.now == 4.2


def test_time_does_not_go_back():
    network, _, _ = pair(clock=VirtualClock(10.0))
    network.run(until=10.0)
    with pytest.raises(ValueError, match="has passed"):
        network.run(until=9.0)


def test_a_core_that_goes_round_in_circles_is_caught(monkeypatch):
    monkeypatch.setattr("sipparty.testing.network._MOST_STEPS_AT_ONCE", 100)

    class Spinning(Endpoint):
        def next_timer(self):
            return 1.0

    network = SimulatedNetwork()
    network.attach(Spinning(), A)
    with pytest.raises(UsageError, match=r"in circles at time 1\.0"):
        network.run()


def test_what_is_due_in_the_past_happens_now():
    network, a, b = pair(clock=VirtualClock(5.0))
    a.ask(b"ask", network.flow(A, B), now=0.0)
    network.run()
    assert network.clock.now == 5.0
    assert b.data[0] == b"ask"


def story(seed):
    network, a, b = pair(seed, loss=0.3, duplication=0.3, delay=(0.0, 0.4))
    for n in range(50):
        a.ask(b"ask %d" % n, network.flow(A, B))
    network.run()
    assert len(network.events) == 50
    return network.log, dict(network.counters), [entry[:2] for entry in b.received]


def test_the_same_seed_gives_the_same_story():
    assert story(1) == story(1)
    assert story(1) != story(2)


def test_counters_agree_with_the_log():
    log, counters, received = story(3)
    for fate in ("delivered", "lost", "duplicated"):
        assert counters[fate] == sum(item.fate == fate for item in log) > 0
    assert counters["sent"] == counters["delivered"] + counters["lost"]
    a_to_b = [i for i in log if i.destination == B and i.fate in ("delivered", "duplicated")]
    assert [(i.settled, i.data) for i in a_to_b] == [(when, data) for when, data in received]


def test_loss_is_near_its_share():
    network, a, b = pair(7, loss=0.1)
    for _ in range(5000):
        a.tell(b"x", network.flow(A, B))
    network.run()
    assert 4350 < len(b.received) < 4650
    assert network.counters["lost"] == 5000 - len(b.received)


def test_all_or_nothing():
    network, a, b = pair(loss=1.0)
    a.tell(b"x", network.flow(A, B))
    network.run()
    assert b.received == []
    network, a, b = pair(duplication=1.0)
    a.tell(b"x", network.flow(A, B))
    network.run()
    assert b.data == [b"x", b"x"]


def sequence(transport):
    network, a, b = pair(5, loss=0.2, duplication=0.2, delay=(0.0, 1.0))
    for n in range(100):
        a.tell(b"%d" % n, network.flow(A, B, transport))
    network.run()
    return [int(data) for data in b.data]


def test_datagrams_are_reordered():
    got = sequence("UDP")
    assert got != sorted(got)


@pytest.mark.parametrize("transport", ["TCP", "TLS", "WS", "WSS"])
def test_streams_keep_their_order_and_lose_nothing(transport):
    assert sequence(transport) == list(range(100))


def test_a_link_of_its_own():
    network, a, b = pair(delay=(0.1, 0.1))
    network.link(A, B, delay=(1.0, 1.0), both_ways=False)
    a.ask(b"ask", network.flow(A, B, "TCP"))
    network.run(lambda: network.events)
    assert b.received[0][0] == 1.0
    assert a.received[0][0] == 1.1
    network.link(A, B, loss=1.0)  # keeps the delay that was set
    a.tell(b"x", network.flow(A, B))
    b.tell(b"x", network.flow(B, A))
    network.run(until=10.0)
    assert [item.source for item in network.log if item.fate == "lost"] == [A, B]


def test_the_link_of_an_endpoint_goes_before_that_of_its_host():
    network, a, b = pair()
    network.link(A[0], B[0], delay=(1.0, 1.0))
    network.link(A, B[0], delay=(2.0, 2.0))
    a.tell(b"x", network.flow(A, B))
    network.run()
    b.tell(b"x", network.flow(B, A))
    network.run()
    assert (b.received[0][0], a.received[0][0]) == (2.0, 4.0)
    other = Endpoint()
    network.attach(other, (A[0], 5070))
    other.tell(b"y", network.flow((A[0], 5070), B))
    network.run()
    assert b.received[-1][:2] == (5.0, b"y")


@pytest.mark.parametrize(
    "setting",
    [
        {"loss": -0.1},
        {"loss": 1.1},
        {"duplication": math.nan},
        {"delay": (0.2, 0.1)},
        {"delay": (-1.0, 0.0)},
        {"delay": (0.0, math.inf)},
    ],
)
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SimulatedNetwork(**setting)
    with pytest.raises(ValueError, match=next(iter(setting))):
        Link(**setting)
    network = SimulatedNetwork()
    with pytest.raises(ValueError, match=next(iter(setting))):
        network.link(A, B, **setting)


def test_a_cut_swallows_what_is_sent_and_what_arrives():
    network, a, b = pair(delay=(1.0, 1.0))
    a.tell(b"under way", network.flow(A, B))
    network.run(until=0.5)
    cut = network.partition([A], [B])
    b.tell(b"sent", network.flow(B, A))
    network.run(until=2.0)
    network.heal(cut)
    a.tell(b"after", network.flow(A, B))
    network.run()
    assert (a.data, b.data) == ([], [b"after"])
    assert network.counters["cut"] == 2
    with pytest.raises(UsageError, match="healed before"):
        network.heal(cut)


def test_a_cut_parts_two_groups_only():
    network, a, b = pair()
    c = Endpoint()
    network.attach(c, C)
    network.partition(A[0], [B[0]])
    for core, local in ((a, A), (b, B)):
        core.tell(b"x", network.flow(local, C))
    a.tell(b"x", network.flow(A, B))
    network.run()
    assert (len(c.received), len(b.received)) == (2, 0)


def test_a_cut_of_one_group_parts_it_from_all_others():
    network, a, b = pair()
    c = Endpoint()
    network.attach(c, C)
    network.partition([B, C])
    a.tell(b"x", network.flow(A, B))
    c.tell(b"x", network.flow(C, A))
    b.tell(b"inside", network.flow(B, C))
    network.run()
    assert (a.data, b.data, c.data) == ([], [], [b"inside"])


def test_streams_wait_for_the_end_of_a_cut_in_order():
    network, a, b = pair(delay=(1.0, 1.0))

    def tell(data):
        a.tell(data, network.flow(A, B, "TCP"))

    tell(b"1")
    network.run(until=0.9)
    cuts = network.partition([A]), network.partition([B])
    tell(b"2")
    network.run(until=1.5)  # 1 has met the cut, 2 is under way
    tell(b"3")
    network.heal(cuts[0])
    network.run(until=1.6)
    assert b.data == []  # there is a second cut
    network.heal()
    network.run()
    assert b.data == [b"1", b"2", b"3"]
    assert b.received[0][0] == 1.6


def test_handlers_hear_events_and_may_use_the_core():
    network = SimulatedNetwork(delay=(0.1, 0.1))
    a, b = Endpoint(), Endpoint()
    heard = []

    def ask_again(event):
        heard.append((network.clock.now, event))
        if len(heard) < 3:
            a.ask(b"ask %d" % len(heard), network.flow(A, B), network.clock.now)

    network.attach(a, A, on_event=ask_again)
    network.attach(b, B)
    a.ask(b"ask 0", network.flow(A, B))
    network.run()
    assert [event for _, event in heard] == [b"re:ask 0", b"re:ask 1", b"re:ask 2"]
    assert [round(when, 3) for when, _ in heard] == [0.2, 0.4, 0.6]
    assert network.events == []


def test_wake_looks_at_another_core():
    network, a, b = pair()
    c = Endpoint()

    def on_event(_):
        b.tell(b"hello", network.flow(B, A))
        network.wake(b)

    network.attach(c, C, on_event=on_event)
    c.ask(b"ask", network.flow(C, A))
    network.run()
    assert a.data == [b"ask", b"hello"]
    with pytest.raises(UsageError, match="not attached"):
        network.wake(Endpoint())


def test_actions_happen_at_their_time():
    network, a, b = pair()
    network.at(2.0, lambda: a.tell(b"2", network.flow(A, B)))
    network.at(1.0, lambda: a.tell(b"1", network.flow(A, B)))
    network.run(until=1.5)
    network.at(0.0, lambda: a.tell(b"late", network.flow(A, B)))
    network.run()
    assert [(when, data) for when, data, _ in b.received] == [
        (1.0, b"1"),
        (1.5, b"late"),
        (2.0, b"2"),
    ]


def test_a_core_has_several_addresses_with_their_endpoints():
    network = SimulatedNetwork()
    a, b = Endpoint(), Endpoint()
    network.attach(a, A, endpoint="one")
    network.attach(a, C, endpoint="two")
    network.attach(b, B)
    b.ask(b"ask 1", network.flow(B, A))
    b.ask(b"ask 2", network.flow(B, C))
    network.run()
    assert [flow for _, _, flow in a.received] == [
        network.flow(A, B),
        network.flow(C, B),
    ]
    assert [flow.endpoint for _, _, flow in a.received] == ["one", "two"]
    assert len(network.events) == 2


def test_addresses_are_held_to():
    network, a, _ = pair()
    with pytest.raises(UsageError, match="attached already"):
        network.attach(Endpoint(), A)
    with pytest.raises(UsageError, match="Nothing is attached"):
        network.flow(C, A)
    with pytest.raises(UsageError, match="Nothing is attached"):
        network.detach(C)
    a.tell(b"x", Flow("UDP", ("0.0.0.0", 5060), B))
    with pytest.raises(UsageError, match=r"sends from .*0\.0\.0\.0.*10\.0\.0\.1"):
        network.run()


def test_a_core_that_is_gone_gets_nothing_more():
    network, a, b = pair(delay=(1.0, 1.0))
    a.tell(b"x", network.flow(A, B))
    b.ask(b"ask", network.flow(B, A))
    network.run(until=0.4)
    network.detach(B)
    network.run()
    assert b.received == []
    assert network.counters["unreachable"] == 2
    again = Endpoint()
    network.attach(again, B)
    a.tell(b"y", network.flow(A, B))
    network.run()
    assert again.data == [b"y"]


def test_a_refused_stream_is_told_to_its_sender():
    class Told(Endpoint):
        def transport_failed(self, flow, reason, now):
            self.happened.append((flow, reason, now))

    network = SimulatedNetwork(delay=(1.0, 1.0))
    a = Told()
    network.attach(a, A, endpoint="here")
    a.tell(b"x", network.flow(A, B, "TCP"))
    a.tell(b"x", network.flow(A, B))
    network.run()
    ((_, _, told),) = network.events
    assert told == (network.flow(A, B, "TCP"), "Nothing listens at 10.0.0.2, port 5060.", 1.0)


def test_the_log_has_its_limit():
    network, a, _ = pair(log_limit=2)
    for _ in range(5):
        a.tell(b"x", network.flow(A, B))
    network.run()
    assert (len(network.log), network.counters["delivered"]) == (2, 5)


def test_records_show_both_ends():
    network, a, _ = pair(delay=(0.25, 0.25))
    a.tell(b"x", network.flow(A, B))
    network.run()
    network.link(A, B, loss=1.0)
    a.tell(b"y", network.flow(A, B))
    network.run()
    shown = [(r.time, r.direction, r.local, r.remote, r.data) for r in network.records()]
    assert shown == [
        (0.0, "sent", A, B, b"x"),
        (0.25, "received", B, A, b"x"),
        (0.25, "sent", A, B, b"y"),
    ]


# The real core.


def cores(network, *addresses):
    """One core and one agent at each address, the agents called after their hosts."""
    agents = []
    for address in addresses:
        core = Core(seeded_tokens(len(agents)))
        agent = UserAgent(core, f"sip:user{len(agents)}@party.com")
        network.attach(core, address, endpoint=address)
        core.directory.bind(agent, address)
        agents.append(agent)
    return agents


def call(network, agent, uri):
    agent.core.at(network.clock.now)
    return SimpleCall(agent).invite(uri)


def test_a_call_of_the_real_core():
    network = SimulatedNetwork(delay=(0.01, 0.01), hosts={"party.com": B[0]})
    alice, bob = cores(network, A, B)
    dialog = call(network, alice, "sip:user1@party.com")
    network.run(lambda: dialog.state == "InDialog")
    network.run(until=network.clock.now + 1.0)
    alice.core.at(network.clock.now)
    dialog.terminate()
    network.run()
    assert dialog.state == "Terminated"
    assert alice.core.idle()
    assert bob.core.idle()
    said = ["INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK"]
    lines = Ladder(network.records()).text().split("\n")[1:]
    assert [what in line for what, line in zip(said, lines, strict=True)] == [True] * 6


def test_a_name_without_an_address_fails_the_call():
    network = SimulatedNetwork()
    (alice,) = cores(network, A)
    dialog = call(network, alice, "sip:bob@nowhere.com")
    network.run()
    assert dialog.state == "Error"
    assert "nowhere.com" in str(dialog.last_error)


def test_a_thousand_calls_with_loss_all_get_up_and_end():
    network = SimulatedNetwork(11, loss=0.1, delay=(0.01, 0.1))
    alice, bob = cores(network, A, B)
    dialogs = []

    def start():
        dialogs.append(call(network, alice, "sip:user1@10.0.0.2:5060"))

    def end(n):
        alice.core.at(network.clock.now)
        dialogs[n].terminate()

    for n in range(1000):
        network.at(n * 0.01, start)
        network.at(60.0 + n * 0.01, lambda n=n: end(n))
    network.run(until=59.0)
    assert {dialog.state for dialog in dialogs} == {"InDialog"}
    network.run()
    assert {dialog.state for dialog in dialogs} == {"Terminated"}
    assert alice.core.idle()
    assert bob.core.idle()
    assert network.counters["lost"] > 300


def test_a_call_by_a_flow_goes_that_way_whatever_its_target():
    """As a call back by the flow of an earlier request."""
    network = SimulatedNetwork()
    alice, _ = cores(network, A, B)
    alice.core.at(network.clock.now)
    dialog = SimpleCall(alice).invite("sip:user1@nowhere.com", flow=network.flow(A, B))
    network.run(lambda: network.counters["delivered"])
    assert network.log[0].destination == B
    dialog.terminate()
    network.run()


def test_a_name_with_several_addresses_is_tried_in_order():
    """RFC 3263 §4.3: the next one, where one is silent; when all are, the call has failed."""
    network = SimulatedNetwork(hosts={"party.com": ["10.0.0.8", B[0]]})
    alice, bob = cores(network, A, B)
    dialog = call(network, alice, "sip:user1@party.com")
    network.run(lambda: dialog.state == "InDialog")
    assert network.clock.now == pytest.approx(32)
    assert bob.dialogs
    alice.core.at(network.clock.now)
    dialog.terminate()
    network.hosts["party.com"] = ("10.0.0.7", "10.0.0.8")
    dialog = call(network, alice, "sip:user1@party.com")
    network.run()
    assert dialog.state == "Error"
    tried = [item.destination[0] for item in network.log if item.data.startswith(b"INVITE")][-14:]
    assert tried == ["10.0.0.7"] * 7 + ["10.0.0.8"] * 7
    assert alice.core.idle()
