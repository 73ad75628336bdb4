"""What the tests of transfers share, as fixtures.

* `trio`: alice, bob and carol, each with a core, and a network between them.
* `make_trio`: makes such, over a network with losses.
"""

import pytest

from sipparty.sip import Core, Message, Request, SimpleCall, UserAgent
from sipparty.sip.dialog.referral import TransferRequested
from sipparty.sip.handlers import EventSource
from sipparty.testing import SequentialTokens, SimulatedNetwork

NAMES = {"alice": "10.0.0.1", "bob": "10.0.0.2", "carol": "10.0.0.3"}


class Owner(EventSource):
    """Stands for the party of a user agent: it has handlers, and places calls."""

    def __init__(self, agent):
        self.agent = agent

    def invite(self, uri, **options):
        call = SimpleCall(self.agent)
        return call.invite(uri, **options)


class Trio:
    """The three; `happened` has the events of each by name."""

    def __init__(self, seed=0, **network):
        network.setdefault("delay", (0.05, 0.05))
        self.network = SimulatedNetwork(seed, **network)
        self.happened = {}
        self.agents = {}
        for number, (name, host) in enumerate(NAMES.items()):
            core, events = Core(SequentialTokens("abc"[number])), []
            agent = UserAgent(core, f"sip:{name}@{host}")
            agent.owner = Owner(agent)
            agent.auto_answer = False
            core.directory.bind(agent, name)
            self.network.attach(core, (host, 5060), endpoint=name, on_event=events.append)
            self.agents[name], self.happened[name] = agent, events
            setattr(self, name, agent)

    def decide(self, name, decision=lambda event: event.accept()):
        """Have an agent's REFERs decided on as they come."""
        agent, events = self.agents[name], self.happened[name]
        agent.owner.on(TransferRequested, decision)

        def take(event):
            events.append(event)
            if isinstance(event, TransferRequested):
                decision(event)

        self.network._nodes[id(agent.core)].on_event = take

    def answer(self, name, status=200, ring=True):
        """Have an agent's calls answered as they come."""
        agent = self.agents[name]
        agent.auto_answer, agent.rings = status == 200, ring
        if status != 200:
            agent.methods["INVITE"] = lambda transaction: agent.refuse(transaction, status)

    def call(self, caller, callee, **options):
        call = SimpleCall(self.agents[caller])
        return call.invite(f"sip:{callee}@{NAMES[callee]}", **options)

    def up(self, caller, callee):
        """A call that both are in; returns the caller's and the callee's end of it."""
        agent = self.agents[callee]
        before = set(agent.dialogs)
        mine = self.call(caller, callee)
        self.run(lambda: set(agent.dialogs) - set(before))
        (its,) = set(agent.dialogs) - set(before)
        if its.state == "InitiatingDialog":
            its.accept()
        self.run(lambda: its._invited is None)
        assert mine.state == its.state == "InDialog"
        return mine, its

    def run(self, until=None):
        self.network.run(until)

    def quiet(self):
        """Run until nothing is under way anywhere, and see that nothing is left over."""
        self.network.run()
        for agent in self.agents.values():
            assert agent.core.idle(), (agent.uri, agent.core.counts())
            assert not agent.dialogs
            assert not agent.services

    def kinds(self, name, *kinds):
        return [event for event in self.happened[name] if isinstance(event, kinds)]

    def said(self, *methods):
        """What was sent, in order: (from, to, method or status, method of CSeq), each once."""
        names = {host: name for name, host in NAMES.items()}
        out, seen = [], set()
        for item in sorted(self.network.log, key=lambda item: item.sent):
            if item.data in seen:
                continue
            seen.add(item.data)
            message = Message.parse(item.data)
            start = message.method if isinstance(message, Request) else message.status
            if not methods or message.cseq.method in methods:
                ends = names[item.source[0]], names[item.destination[0]]
                out.append((*ends, start, message.cseq.method))
        return out

    def messages(self, start):
        """The messages with a method or status, each once."""
        found = {}
        for item in sorted(self.network.log, key=lambda item: item.sent):
            message = Message.parse(item.data)
            if start == (message.method if isinstance(message, Request) else message.status):
                found.setdefault(item.data, message)
        return list(found.values())


@pytest.fixture
def trio():
    return Trio()


@pytest.fixture
def make_trio():
    return Trio
