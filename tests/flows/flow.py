"""A network in virtual time with phones and servers in it, and the ladder of what they sent."""

from __future__ import annotations

import difflib

from sipparty.errors import Timeout
from sipparty.sip import Message, Request
from sipparty.testing import SimulatedNetwork

from .phone import Phone
from .proxy import Proxy

#: Seconds that anything may take which a flow waits for: more than a transaction does.
PATIENCE = 120


class Flow:
    """One call flow: who takes part, what they send, and that nothing is left of it.

    Args:
        seed: None for the clean run; else where the chance of a run with loss comes from.

    Attributes:
        clean: Whether nothing is lost, doubled or reordered, so that the ladder is the figure's.
        network: The network; `network.clock.now` is the time in seconds.
    """

    def __init__(self, seed=None):
        self.clean = seed is None
        impaired = {"loss": 0.1, "duplication": 0.1, "delay": (0.005, 0.3)}
        clean = {"delay": (0.01, 0.01)}
        self.network = SimulatedNetwork(seed or 0, **(clean if self.clean else impaired))
        self.cores = []
        self.phones = []
        self._names = {}
        self._labels = {}

    # ---------------------------------------------------------------- who takes part

    def attach(self, name, core, host=None, names=(), on_event=None):
        """Put a core into the network, under a name for the ladder; returns its address."""
        self.cores.append(core)
        host = host or f"192.0.2.{100 + len(self.cores)}"
        address = host, 5060
        self._names[host] = name
        for one in names:
            self.network.hosts[one] = host
        self.network.attach(core, address, endpoint=name, on_event=on_event)
        return address

    def phone(self, name, domain="example.com", **settings):
        """A phone: see `Phone`."""
        return Phone(self, name, domain, **settings)

    def proxy(self, name, domain="", **settings):
        """A proxy: see `Proxy`."""
        return Proxy(self, name, domain, **settings)

    def silent(self, name, names=(), host=None):
        """A host that is reached and never answers; returns its address."""
        return self.attach(name, Silent(), host, names)

    def crash(self, phone):
        """Have a phone answer nothing any more, and be no part of the flow."""
        address = phone.host, phone.port
        self.network.detach(address)
        self.network.attach(Silent(), address)
        self.cores.remove(phone.core)
        self.phones.remove(phone)

    def moved(self, name, old, new):
        """Give a phone another address, in the place of the one that it has."""
        self._names[new] = name
        core = next(phone.core for phone in self.phones if phone.name == name)
        self.network.attach(core, (new, 5060), endpoint=name)
        self.network.detach((old, 5060))

    def resolve_all(self, host):
        """The numeric addresses of a host name."""
        found = self.network.hosts.get(host, host)
        return [found] if isinstance(found, str) else found

    def resolve(self, host):
        """The numeric address of a host name, for servers of the flow; the first of several."""
        return self.resolve_all(host)[0]

    # ---------------------------------------------------------------- time

    @property
    def now(self):
        """The time in seconds."""
        return self.network.clock.now

    def run(self, seconds):
        """Let so many seconds pass."""
        self.network.run(self.now + seconds)

    def until(self, predicate, patience=PATIENCE):
        """Let time pass until something is true; returns it."""
        try:
            self.network.run(predicate, patience)
        except Timeout as error:
            raise AssertionError(f"{error}\n{self}") from None
        return predicate()

    def until_state(self, state, *handles):
        """Let time pass until handles are in a state."""
        for handle in handles:
            self.until(lambda handle=handle: handle.state == state)

    def until_progress(self, call, status=180):
        """Let time pass until a call of ours has a provisional response. It may be lost, as nobody
        repeats it: the runs with loss go on after a while.
        """
        if self.clean:
            self.until(lambda: call.progress == status)
        else:
            self.run(5)

    def until_talking(self, *calls):
        """Let time pass until calls are up, and the ACK is there: then nothing is under way."""
        self.until_state("InDialog", *calls)
        self.until(lambda: all(call._invited is None for call in calls))
        self.run(0.1)

    def over(self):
        """Let every timer run out and see that nothing is left: no transaction, dialog or timer at
        any core, no call and nothing else that lasts at any phone.
        """
        for phone in self.phones:
            phone.close()
        self.network.run()
        for core in self.cores:
            if hasattr(core, "idle"):
                assert core.idle(), f"{core.counts()}\n{self}"
        for phone in self.phones:
            assert not phone.agent.dialogs, f"{phone.agent.dialogs}\n{self}"
            assert not phone.agent.services, f"{phone.agent.services}\n{self}"
            stopped = [media.stopped for media in phone.medias]
            assert all(stopped), f"{phone.name} has media open: {stopped}"

    def fails(self, call, status):
        """Let time pass until a call has failed with a status, and its ACK is there."""
        self.until_state("Error", call)
        assert call.last_error.status == status, call.last_error
        self.run(1)

    # ---------------------------------------------------------------- the ladder

    @property
    def messages(self):
        """What was sent, in order: from, to, message; the first copy of each alone."""
        sent = sorted(self.network.log, key=lambda item: item.sent)
        return [
            (
                self._names.get(item.source[0], item.source[0]),
                self._names.get(item.destination[0], item.destination[0]),
                Message.parse(item.data),
            )
            for item in sent
            if item.fate != "duplicated"
        ]

    @property
    def lines(self):
        """The ladder, a text for each message: "alice > bob INVITE"."""
        return [f"{one} > {other} {what(message)}" for one, other, message in self.messages]

    def shows(self, *figures):
        """See that the ladder so far is that of some figures, one after the other: see `rows_of`.

        Raises:
            AssertionError: It is not; says where they differ.
        """
        rows = rows_of("\n".join(figures))
        lines = self.lines
        if rows[-1][0] == "...":
            del rows[-1]
            del lines[len(rows) :]
        self._labels = {
            label: message for (_, label), (_, _, message) in zip(rows, self.messages, strict=False)
        }
        figure = [line for line, _ in rows]
        diff = difflib.unified_diff(figure, lines, "figure", "ladder", n=1, lineterm="")
        assert lines == figure, "\n".join(["the ladder differs from the figure:", *diff])

    def __getitem__(self, label):
        """The message with a label of the figure that was compared last."""
        return self._labels[label]

    def __str__(self):
        return "\n".join(self.lines)


def rows_of(figure):
    """Read a figure: (line, label) pairs, a line for each message.

    alice > bob INVITE F1               the message, and its label: `flow["F1"]` gives it then
    alice > bob INVITE/200/ACK F1 F2    three of one transaction: methods this way, statuses
                                        the other way
    ...                                 what follows is not compared
    """
    rows = []
    for text in figure.splitlines():
        words = text.split()
        if words == ["..."]:
            rows.append(("...", None))
        elif words:
            one, _, other, names, *labels = words
            for name in names.split("/"):
                way = f"{other} > {one}" if name.isdigit() and "/" in names else f"{one} > {other}"
                rows.append((f"{way} {name}", labels.pop(0) if labels else None))
    return rows


class Silent:
    """What takes all and answers nothing."""

    def receive(self, data, flow, now):
        """Take bytes."""

    def handle_timers(self, now):
        """Have none."""

    def next_timer(self):
        """Have none."""

    def transmits(self):
        """Send nothing."""
        return ()

    events = transmits


def what(message):
    """The method or status of a message."""
    return message.method if isinstance(message, Request) else str(message.status)
