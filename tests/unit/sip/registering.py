"""A phone and a registrar on a simulated network, for the tests of registration."""

from sipparty.sip import Core, Message, Request, UserAgent
from sipparty.sip.auth import DigestClient, Trust
from sipparty.sip.registration import Registration, RegistrationEvent
from sipparty.sip.wanted import KeepAliveWanted
from sipparty.testing import Registrar, SequentialTokens, SimulatedNetwork

PHONE, REGISTRAR, SECOND = ("10.0.0.1", 5060), ("10.0.0.5", 5060), ("10.0.0.6", 5060)
OTHER_PORT = ("10.0.0.5", 5080)
AOR = "sip:bob@biloxi.com"


class Kept:
    """What stands for a keep-alive: it remembers what was asked for."""

    def __init__(self, wanted):
        self.flow, self.interval, self.user = wanted.flow, wanted.interval, wanted.user
        self.stopped = False

    def stop(self):
        self.stopped = True


class Site:
    """Bob's phone, and the registrar of his domain, which is at two addresses."""

    def __init__(self, *, password="zanzibar", delay=0.05, loss=0.0, seed=0, aor=AOR, **options):
        self.network = SimulatedNetwork(
            seed, delay=(delay, delay), loss=loss, hosts={"biloxi.com": REGISTRAR[0]}
        )
        options.setdefault("accounts", {"bob": "zanzibar"})
        self.there = Core(SequentialTokens("f"))
        self.registrar = Registrar(self.there, "biloxi.com", **options)
        self.network.attach(self.there, REGISTRAR, endpoint="registrar", on_event=lambda _: None)
        for further in (SECOND, OTHER_PORT):
            self.network.attach(self.there, further, endpoint="registrar")
        self.core = Core(SequentialTokens("a"))
        self.agent = UserAgent(self.core, aor)
        self.agent.auto_answer = False
        self.core.directory.bind(self.agent, "phone")
        self.happened, self.reported, self.others, self.kept = [], [], [], []
        self.network.attach(self.core, PHONE, endpoint="phone", on_event=self.take)
        if password is not None:
            self.agent.digest = DigestClient(
                default=("bob", password),
                tokens=self.core.tokens.tag,
                trust=Trust(["biloxi.com"]),
            )

    def take(self, event):
        if isinstance(event, RegistrationEvent):
            self.reported.append(event)
            self.happened.append((round(self.now, 2), type(event).__name__))
        elif isinstance(event, KeepAliveWanted):
            self.kept.append(Kept(event))
            event.user.keep_alive_started(self.kept[-1])
        else:
            self.others.append(event)

    @property
    def now(self):
        return self.network.clock.now

    def register(self, registrar=None, **options):
        self.core.at(self.now)
        return Registration(self.agent, registrar, **options).begin()

    def registered(self, registrar=None, **options):
        """A registration that stands; what was said for it is not in the log any more."""
        registration = self.register(registrar, **options)
        self.run(lambda: registration.state == "Registered")
        self.network.run(self.now + 0.1)
        self.network.log.clear()
        self.happened.clear()
        return registration

    def run(self, until=None, **options):
        self.network.run(until, **options)

    def pass_(self, seconds):
        self.network.run(self.now + seconds)

    def messages(self, source=None):
        """What was sent, as messages; by one side only where a source is given."""
        return [
            Message.parse(item.data)
            for item in sorted(self.network.log, key=lambda item: item.sent)
            if source in (None, item.source)
        ]

    def requests(self):
        """The requests of the phone."""
        return [one for one in self.messages(PHONE) if isinstance(one, Request)]

    def said(self):
        """Methods and statuses in the order in which they were sent."""
        return [one.method if isinstance(one, Request) else one.status for one in self.messages()]

    def bound(self):
        """The URIs that are registered."""
        return [one.uri for one in self.registrar.contacts(AOR)]

    def names(self):
        return [name for _, name in self.happened]

    def over(self):
        """Let everything end, and see that nothing is left."""
        self.run(max_time=100_000)
        assert self.core.idle(), self.core.counts()
        assert self.there.idle(), self.there.counts()
        assert not self.agent.services
        assert self.agent.registration is None
