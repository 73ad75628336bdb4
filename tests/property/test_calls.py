"""Calls under whatever may happen: a network that loses, doubles and reorders; verbs at any time; a
peer that says anything.

The laws: nothing but `UnexpectedInput` is raised, by wrong verbs alone; every call ends; when all
is over nothing is left in any core.
"""

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sipparty.errors import NegotiationError, UnexpectedInput, UsageError
from sipparty.sip import Core, Flow, Message, Request, SimpleCall, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.dialog import Session
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived
from sipparty.sip.routing import NextHop
from sipparty.testing import SimulatedNetwork, seeded_tokens

ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
OVER = ("Terminated", "Error")
VERBS = ["ring", "accept", "reject", "terminate", "hold", "resume"]

QUICKLY = settings(
    max_examples=300,
    stateful_step_count=50,
    derandomize=True,  # the same each time
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Media(Session):
    """A session that agrees on most things, and counts whether it was stopped."""

    content_type = "application/sdp"

    def __init__(self):
        self.stopped = False

    def offer(self, direction=None):
        return b"offer"

    def answer(self, offer):
        if offer == b"bad":
            raise NegotiationError("There is nothing in common.")
        return b"answer"

    def accept(self, answer):
        if answer == b"bad":
            raise NegotiationError("That is no answer.")

    def start(self, early=False):
        assert not self.stopped

    def stop(self):
        self.stopped = True


def agent_of(name, seed, medias=None, **chosen):
    agent = UserAgent(Core(seeded_tokens(seed)), f"sip:{name}")
    for setting, value in {"auto_answer": False, **chosen}.items():
        setattr(agent, setting, value)
    if medias is not None:

        def open_session(dialog, flow):
            medias.append(Media())
            return medias[-1]

        agent.open_session = open_session
    agent.core.directory.bind(agent, name)
    return agent


# ---------------------------------------------------------------- the bar


@pytest.mark.parametrize("media", [False, True])
def test_a_thousand_calls_in_bad_weather(media):
    network = SimulatedNetwork(
        seed=media, loss=0.1, duplication=0.1, delay=(0.005, 0.3), log_limit=0
    )
    medias = [] if media else None
    ended, established = [], []

    def happened(event):
        if isinstance(event, CallEstablished):
            established.append(event.call)
        elif isinstance(event, CallEnded):
            ended.append(event)

    alice = agent_of("alice@atlanta.com", 1, medias)
    bob = agent_of("bob@biloxi.com", 2, medias, auto_answer=True)
    network.attach(alice.core, ALICE, endpoint="alice@atlanta.com", on_event=happened)
    network.attach(bob.core, BOB, endpoint="bob@biloxi.com", on_event=happened)
    calls = []

    def call():
        calls.append(SimpleCall(alice))
        calls[-1].invite("sip:bob@biloxi.com", next_hop=NextHop(*BOB))

    chance = random.Random(3)
    ends = (alice, bob)

    def hang_up():
        for one in list(ends[chance.random() < 0.5].dialogs):
            if one.state == "InDialog" and one in established:
                established.remove(one)
                one.terminate()
                return

    for number in range(1000):
        network.at(number * 0.05, call)
        network.at(number * 0.05 + 30.0, hang_up)
    network.run(until=100.0)
    for one in (*alice.dialogs, *bob.dialogs):
        if one.takes("terminate"):
            one.terminate()
    network.run()
    assert network.counters["lost"] > 500
    assert network.counters["duplicated"] > 500
    assert len(calls) == 1000
    assert len(ended) == 2000
    assert {one.state for one in calls} == {"Terminated"}
    assert [event.error for event in ended if event.error] == []
    for agent in ends:
        assert agent.core.idle(), agent.core.counts()
        assert not agent.dialogs
        assert agent.core.counters["malformed"] == 0
    if media:
        assert len(medias) == 2000
        assert all(one.stopped for one in medias)


# ---------------------------------------------------------------- two users and a network


class Calls(RuleBasedStateMachine):
    """Verbs of both sides at any time, in any weather."""

    @initialize(seed=st.integers(0, 2**16), delay=st.sampled_from([0.0, 0.05, 1.0]))
    def begin(self, seed, delay):
        self.network = SimulatedNetwork(seed, delay=(0.0, delay))
        self.calls, self.medias, self.ended = [], [], []
        self.agents = [
            agent_of("alice@atlanta.com", seed, self.medias),
            agent_of("bob@biloxi.com", seed + 1, self.medias),
        ]
        for agent, place in zip(self.agents, (ALICE, BOB), strict=True):
            self.network.attach(
                agent.core, place, endpoint=agent.uri[4:], on_event=self.event_happened
            )

    def event_happened(self, event):
        if isinstance(event, CallReceived):
            self.calls.append(event.call)
        elif isinstance(event, CallEnded):
            self.ended.append(event.call)

    @rule(
        who=st.integers(0, 1),
        expires=st.sampled_from([None, None, 0.0, 0.3, 5.0]),
        late_offer=st.booleans(),
    )
    def invite(self, who, expires, late_offer):
        call = SimpleCall(self.agents[who])
        other = self.agents[1 - who]
        hop = NextHop(*(ALICE, BOB)[1 - who])
        call.invite(other.uri, next_hop=hop, expires=expires, late_offer=late_offer)
        self.calls.append(call)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0), verb=st.sampled_from(VERBS))
    def act(self, which, verb):
        call = self.calls[which % len(self.calls)]
        before = call.state
        try:
            getattr(call, verb)()
        except UnexpectedInput as error:
            assert call.state == before
            assert f"{verb!r}" in str(error)  # noqa: PT017 - any state may refuse a verb
        except UsageError:
            assert call.session is None

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.1, 0.6, 3.0, 40.0]))
    def wait(self, seconds):
        self.network.run(self.network.clock.now + seconds)

    @rule(
        loss=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
        duplication=st.sampled_from([0.0, 0.5]),
        one_way=st.booleans(),
    )
    def change_the_weather(self, loss, duplication, one_way):
        self.network.link(ALICE, BOB, loss=loss, duplication=duplication, both_ways=not one_way)

    def teardown(self):
        if not hasattr(self, "network"):
            return
        self.network.link(ALICE, BOB, loss=0.0, duplication=0.0)
        self.network.run(self.network.clock.now + 1.0)
        for call in self.calls:
            if call.takes("terminate"):
                call.terminate()
        self.network.run()
        for agent in self.agents:
            assert agent.core.idle(), agent.core.counts()
            assert not agent.dialogs
        for call in self.calls:
            assert call.state in OVER
            assert (call.last_error is None) == (call.state == "Terminated")
            assert self.ended.count(call) == 1
        assert all(media.stopped for media in self.medias)


Calls.TestCase.settings = QUICKLY
test_verbs_at_any_time_in_any_weather = Calls.TestCase


# ---------------------------------------------------------------- a peer that says anything


class Peer(RuleBasedStateMachine):
    """One core, and a peer that knows the messages but not the rules."""

    TAGS = ("a1", "b1", "b2", "")
    METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "DANCE")
    BODIES = (b"", b"sdp", b"bad")

    @initialize(
        keep_forks=st.booleans(),
        auto_answer=st.booleans(),
        transport=st.sampled_from(["UDP", "TCP"]),
    )
    def begin(self, keep_forks, auto_answer, transport):
        self.now = 0.0
        self.medias, self.calls, self.ended, self.requests, self.tags = [], [], [], [], {"b1"}
        self.agent = agent_of(
            "bob@biloxi.com", 1, self.medias, keep_forks=keep_forks, auto_answer=auto_answer
        )
        self.core = self.agent.core
        self.flow = Flow(transport, BOB, ALICE, "bob@biloxi.com")

    def pump(self):
        while True:
            for data, _ in self.core.transmits():
                message = Message.parse(data)  # what we send can be read
                if isinstance(message, Request) and message.method != "ACK":
                    self.requests = [*self.requests[-5:], message]
                elif not isinstance(message, Request) and message.to.tag:
                    self.tags.add(message.to.tag)
            events = self.core.events()
            if not events:
                return
            for event in events:
                if isinstance(event, FlowWanted):
                    self.core.flow_found(event, self.flow, self.now)
                elif isinstance(event, CallReceived):
                    self.calls.append(event.call)
                elif isinstance(event, CallEnded):
                    self.ended.append(event.call)

    def receive(self, message):
        self.core.receive(bytes(message), self.flow, self.now)
        self.pump()

    @rule(late_offer=st.booleans(), expires=st.sampled_from([None, 5.0]))
    def invite(self, late_offer, expires):
        call = SimpleCall(self.agent)
        call.invite("sip:alice@10.0.0.1", late_offer=late_offer, expires=expires)
        self.calls.append(call)
        self.pump()

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0), verb=st.sampled_from(VERBS))
    def act(self, which, verb):
        call = self.calls[which % len(self.calls)]
        if call.state == "InitiatingDialog" or verb != "ring":
            try:
                getattr(call, verb)()
            except UnexpectedInput:
                pass
            except UsageError:
                assert call.session is None
        self.pump()

    @precondition(lambda self: self.requests)
    @rule(
        which=st.integers(0),
        status=st.sampled_from([100, 180, 183, 200, 202, 302, 408, 481, 486, 487, 491]),
        tag=st.sampled_from(TAGS),
        body=st.sampled_from(BODIES),
        contact=st.sampled_from([None, "<sip:x@10.0.0.1>", "<tel:+1>", "<sip:x y>"]),
    )
    def answer(self, which, status, tag, body, contact):
        request = self.requests[which % len(self.requests)]
        response = request.response(status, to_tag=None if request.to.tag else tag or None)
        if contact:
            response.add("Contact", contact)
        if body:
            response["Content-Type"] = "application/sdp"
            response.body = body
        self.receive(response)

    @rule(
        method=st.sampled_from(METHODS),
        number=st.integers(1, 3),
        branch=st.integers(1, 3),
        call=st.integers(0, 4),
        tag=st.integers(0, 4),
        body=st.sampled_from(BODIES),
        header=st.sampled_from([None, ("Expires", "3"), ("Require", "x"), ("Expires", "soon")]),
    )
    def ask(self, method, number, branch, call, tag, body, header):
        tags = [None, *sorted(self.tags)]
        to = tags[tag % len(tags)]
        ids = ["c1", "c2", *(one.call_id for one in self.calls if one.call_id)]
        request = Request(
            method,
            "sip:bob@biloxi.com",
            {
                "Via": f"SIP/2.0/{self.flow.transport} 10.0.0.1;branch=z9hG4bK{branch}",
                "From": "<sip:alice@atlanta.com>;tag=a1",
                "To": "<sip:bob@biloxi.com>" + (f";tag={to}" if to else ""),
                "Call-ID": ids[call % len(ids)],
                "CSeq": f"{number} {method}",
                "Contact": "<sip:alice@10.0.0.1>",
            },
            body,
        )
        if body:
            request["Content-Type"] = "application/sdp"
        if header:
            request._fields.append((header[0].lower(), header[1], ": ".join(header)))
        self.receive(request)

    @precondition(lambda self: self.calls)
    @rule(
        which=st.integers(0),
        method=st.sampled_from(["INVITE", "ACK", "BYE", "OPTIONS"]),
        number=st.integers(-1, 2),
        body=st.sampled_from(BODIES),
    )
    def ask_within(self, which, method, number, body):
        data = self.calls[which % len(self.calls)].dialog_state
        if data is None or not data.remote_tag:
            return
        number += max(data.remote_seq, 1)
        request = Request(
            method,
            "sip:bob@10.0.0.2",
            {
                "Via": f"SIP/2.0/{self.flow.transport} 10.0.0.1;branch=z9hG4bK{method}{number}",
                "From": data.remote,
                "To": data.local,
                "Call-ID": data.call_id,
                "CSeq": f"{number} {method}",
                "Contact": "<sip:alice@10.0.0.1>",
            },
            body,
        )
        if body:
            request["Content-Type"] = "application/sdp"
        self.receive(request)

    @rule()
    def break_the_transport(self):
        self.core.transport_failed(self.flow, "connection reset", self.now)
        self.pump()

    @rule(seconds=st.sampled_from([0.0, 0.2, 0.7, 5.0, 40.0]))
    def wait(self, seconds):
        until = self.now + seconds
        while (due := self.core.next_timer()) is not None and due <= until:
            self.now = max(due, self.now)
            self.core.handle_timers(self.now)
            self.pump()
        self.now = until
        self.core.at(until)

    def teardown(self):
        if not hasattr(self, "core"):
            return
        for call in self.agent.dialogs.copy():
            if call.takes("terminate"):
                call.terminate()
        self.pump()
        self.wait(400.0)
        assert self.core.idle(), self.core.counts()
        assert not self.agent.dialogs
        for call in self.calls:
            assert call.state in OVER
            assert (call.last_error is None) == (call.state == "Terminated")
            assert self.ended.count(call) == 1
        assert all(media.stopped for media in self.medias)


Peer.TestCase.settings = QUICKLY
test_a_peer_that_says_anything = Peer.TestCase
