"""What the tests of transactions, dialogs and the core share, as fixtures.

* `wire`: a core with the test as its peer. The test writes messages, reads what the core sends, and
  moves the clock; each thing sent is kept with the time it was sent at.
* `pair`: two cores, alice's and bob's, with a simulated network between them.
* `host`: what a single transaction machine runs in.
"""

import pytest

from sipparty.errors import NegotiationError, ParseError
from sipparty.fsm import Timers
from sipparty.sip import Core, Flow, Message, Request, SimpleCall, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.events import CallEnded
from sipparty.sip.flow import FlowTable
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction import Timing
from sipparty.testing import SequentialTokens, SimulatedNetwork, VirtualClock

LOCAL, REMOTE = ("10.0.0.1", 5060), ("10.0.0.9", 5060)


class Media:
    """A media session that agrees on everything but what says "bad", and remembers."""

    content_type = "application/sdp"

    def __init__(self):
        self.done = []

    def offer(self, direction=None):
        self.done.append("offer" if direction is None else f"offer {direction}")
        return b"offer"

    def answer(self, offer):
        if offer == b"bad":
            raise NegotiationError("There is nothing in common.")
        if offer == b"garbage":
            raise ParseError("garbage", "a v= line", 0, what="session description")
        self.done.append("answer")
        return b"answer to " + offer

    def accept(self, answer):
        if answer == b"bad":
            raise NegotiationError("That is no answer.")
        self.done.append(b"accept " + answer)

    def rollback(self):
        pass

    def start(self, early=False):
        self.done.append("start")

    def stop(self):
        self.done.append("stop")


class Wire:
    """A core whose only peer is the test."""

    def __init__(self, transport="UDP", limits=None):
        self.clock = VirtualClock()
        self.core = Core(SequentialTokens("a"), limits=limits)
        self.transport = transport
        self._tables = {}
        self.flow = self.flow_by()
        #: (time, message, flow) of all that was sent and not read yet.
        self.out = []
        self.happened = []
        #: Set to have requests for flows wait in `wanted`.
        self.hold_flows = False
        self.wanted = []
        self.medias = []

    # Who is there.

    def agent(self, uri="sip:bob@biloxi.com", *, media=False, **settings):
        agent = UserAgent(self.core, uri)
        settings.setdefault("auto_answer", False)
        for name, value in settings.items():
            setattr(agent, name, value)
        if media:
            agent.open_session = self._open
        self.core.directory.bind(agent, "endpoint")
        return agent

    def _open(self, dialog, flow):
        self.medias.append(Media())
        return self.medias[-1]

    # Time, and what goes in and out.

    @property
    def now(self):
        return self.clock.now

    def pump(self):
        while True:
            self.out += [(self.now, Message.parse(data), flow) for data, flow in self._transmits()]
            events = self.core.events()
            if not events:
                return
            for event in events:
                if not isinstance(event, FlowWanted):
                    self.happened.append(event)
                elif self.hold_flows:
                    self.wanted.append(event)
                else:
                    self.give_flow(event)

    def _transmits(self):
        return self.core.transmits()

    def flow_by(self, transport=None, local=LOCAL, remote=REMOTE, endpoint="endpoint"):
        """Return a flow; the same one for the same way."""
        transport = transport or self.transport
        table = self._tables.setdefault((transport, endpoint), FlowTable(transport, endpoint))
        return table.flow(local, remote)

    def give_flow(self, wanted):
        remote = (wanted.next_hop.place, wanted.next_hop.port or 5060)
        self.core.flow_found(wanted, self.flow.to(remote), self.now)

    def receive(self, message, flow=None):
        self.core.receive(bytes(message), flow or self.flow, self.now)
        self.pump()

    def pass_until(self, time):
        """Let time pass, calling the core exactly when it asks to be called."""
        self.pump()
        while (due := self.core.next_timer()) is not None and due <= time:
            self.clock.advance_to(max(due, self.now))
            self.core.handle_timers(self.now)
            self.pump()
        self.clock.advance_to(time)
        self.core.at(time)

    def sent(self):
        """The messages sent since this was last asked."""
        self.pump()
        out, self.out = self.out, []
        return [message for _, message, _ in out]

    def one(self):
        """The one message sent since this was last asked."""
        (message,) = self.sent()
        return message

    def way(self):
        """The one message sent since this was last asked, and the flow it took."""
        self.pump()
        ((_, message, flow),), self.out = self.out, []
        return message, flow

    def starts(self):
        """The same as method or status."""
        return [start(message) for message in self.sent()]

    def times(self):
        """The same as (time, method or status)."""
        self.pump()
        out, self.out = self.out, []
        return [(time, start(message)) for time, message, _ in out]

    def kinds(self):
        """The kinds of all that happened."""
        return [type(event) for event in self.happened]

    def over(self):
        """Let every timer run out, and see that nothing is left."""
        self.pass_until(self.now + 300)
        assert self.core.idle(), self.core.counts()
        assert not any(agent.dialogs for agent in self.core.directory.receiving())

    def ended(self):
        """The calls that ended, and why they failed if they did."""
        return [(e.call, e.error) for e in self.happened if isinstance(e, CallEnded)]

    # Messages.

    def request(
        self,
        method,
        uri="sip:bob@biloxi.com",
        *,
        branch="z9hG4bK1",
        via=None,
        to="<sip:bob@biloxi.com>",
        from_="<sip:alice@atlanta.com>;tag=a1",
        call_id="c1",
        number=1,
        contact="<sip:alice@10.0.0.9>",
        headers=(),
        body=b"",
        kind="application/sdp",
    ):
        vias = [via or f"SIP/2.0/{self.flow.transport} 10.0.0.9;branch={branch}"]
        lines = [f"{method} {uri} SIP/2.0", *(f"Via: {one}" for one in vias)]
        lines += ["Max-Forwards: 70", f"From: {from_}", f"To: {to}", f"Call-ID: {call_id}"]
        lines.append(f"CSeq: {number} {method}")
        if contact:
            lines.append(f"Contact: {contact}")
        lines += headers
        if body and kind:
            lines.append(f"Content-Type: {kind}")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def within(self, answer, method, number=2, **changes):
        """A request of the peer's inside the dialog that an answer of the core's has made."""
        changes.setdefault("branch", f"z9hG4bK{method}{number}")
        return self.request(
            method,
            answer.contact.uri_text,
            to=str(answer.to),
            from_=str(answer["From"]),
            call_id=answer.call_id,
            number=number,
            **changes,
        )

    def answer(self, request, status, tag="b1", contact="<sip:bob@10.0.0.9>", headers=(), body=b""):
        """A response of the peer's to a request of the core's."""
        response = request.response(status, to_tag=None if request.to.tag else tag or None)
        if contact and 101 <= status < 300:
            response.add("Contact", contact)
        for name, value in headers:
            response.add(name, value)
        if body:
            response["Content-Type"] = "application/sdp"
            response.body = body
        return bytes(response)

    # Calls.

    def acknowledge(self, answer, number=1, **changes):
        self.receive(self.within(answer, "ACK", number, **changes))

    def invite(self, agent, uri="sip:bob@10.0.0.9", **options):
        """Have an agent call the test; returns the call and the INVITE."""
        call = SimpleCall(agent)
        call.invite(uri, **options)
        invite = self.one()
        assert invite.method == "INVITE"
        return call, invite

    def invited(self, **changes):
        """Call the core's agent; returns its call."""
        self.receive(self.request("INVITE", **changes))
        return self.happened[-1].call


class Pair:
    """Alice and bob, each with a core, and a network between them."""

    def __init__(self, seed=0, **weather):
        weather.setdefault("delay", (0.05, 0.05))
        self.network = SimulatedNetwork(seed, **weather)
        self.alice, self.alice_events = self._party("alice@atlanta.com", "10.0.0.1", "a")
        self.bob, self.bob_events = self._party("bob@biloxi.com", "10.0.0.2", "b")

    def _party(self, name, host, prefix):
        core, events = Core(SequentialTokens(prefix)), []
        agent = UserAgent(core, f"sip:{name}")
        agent.auto_answer = False
        core.directory.bind(agent, name)
        self.network.attach(core, (host, 5060), endpoint=name, on_event=events.append)
        return agent, events

    def call(self, **options):
        call = SimpleCall(self.alice)
        call.invite("sip:bob@biloxi.com", next_hop=NextHop("10.0.0.2", 5060), **options)
        return call

    def established(self):
        """A call that both sides are in; returns alice's and bob's end of it."""
        mine = self.call()
        self.network.run(lambda: self.bob.dialogs)
        (its,) = self.bob.dialogs
        its.accept()
        self.network.run(lambda: its._invited is None)
        assert mine.state == its.state == "InDialog"
        return mine, its

    def run(self, until=None):
        self.network.run(until)

    def quiet(self):
        """Run until nothing is under way anywhere, and see that nothing is left over."""
        self.network.run()
        for agent in (self.alice, self.bob):
            assert agent.core.idle(), agent.core.counts()
            assert not agent.dialogs

    def said(self):
        """What was sent, as (time in hundredths, from, method or status)."""
        names = {"10.0.0.1": "alice", "10.0.0.2": "bob"}
        return [
            (round(item.sent * 100), names[item.source[0]], start(Message.parse(item.data)))
            for item in sorted(self.network.log, key=lambda item: item.sent)
        ]

    def count(self, what, who=None):
        return sum(1 for _, name, it in self.said() if it == what and who in (None, name))


class Host:
    """What a transaction runs in: time, the way out, the place where it is found."""

    def __init__(self):
        self.timers = Timers()
        self.timing = Timing()
        self.patience = self.timing.transaction
        self.tokens = SequentialTokens("f")
        self.held = 0
        self.out = []
        self.forgotten = []

    def transmit(self, sent):
        data, _ = sent
        self.out.append((self.timers.now, start(Message.parse(data)), data))

    def transmit_again(self, data, flow):
        self.transmit((data, flow))

    def forget(self, key, transaction):
        self.forgotten.append((self.timers.now, key))

    def pass_until(self, time):
        while (due := self.timers.next_timer()) is not None and due <= time:
            self.timers.handle_timers(due)
        self.timers.now = time

    def times(self):
        out, self.out = self.out, []
        return [(time, what) for time, what, _ in out]


def start(message):
    return message.method if isinstance(message, Request) else message.status


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def make_wire():
    return Wire


@pytest.fixture
def reliable_wire():
    return Wire("TCP")


@pytest.fixture
def pair():
    return Pair()


@pytest.fixture
def make_pair():
    return Pair


@pytest.fixture
def media():
    """The class of the media sessions."""
    return Media


@pytest.fixture
def host():
    return Host()


@pytest.fixture(params=["UDP", "TCP"])
def flow(request):
    return Flow(request.param, LOCAL, REMOTE, None)


@pytest.fixture
def udp():
    return Flow("UDP", LOCAL, REMOTE, None)


@pytest.fixture
def tcp():
    return Flow("TCP", LOCAL, REMOTE, None)
