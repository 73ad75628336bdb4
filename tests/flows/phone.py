"""A phone of the flows: a core, a user agent, and media that remembers what was agreed."""

from __future__ import annotations

import random

from sipparty.sdp import MediaCapability, Negotiation, NegotiationState, SessionDescription
from sipparty.sip import Core, SimpleCall, UserAgent
from sipparty.sip.auth import DigestClient
from sipparty.sip.events import CallReceived
from sipparty.sip.routing import NextHop
from sipparty.testing import seeded_tokens


class Media:
    """The media of one call: one audio stream, negotiated and never sent.

    Attributes:
        directions: What was agreed on, as this side sees it, from agreement to agreement.
        started: Whether media flows.
        stopped: Whether it was ended.
    """

    content_type = "application/sdp"
    size = 0

    def __init__(self, phone):
        self.phone = phone
        port = 49170 + 2 * len(phone.medias)
        session_id = phone.chance.getrandbits(32)
        capability = MediaCapability("audio", ["PCMU"], port)
        self.negotiation = Negotiation([capability], phone.host, session_id)
        self.offered = None
        self.directions = []
        self.started = self.stopped = False

    @property
    def direction(self):
        """What was agreed on last: "sendrecv", "sendonly", "recvonly" or "inactive"."""
        return self.directions[-1] if self.directions else None

    @property
    def remote(self):
        """The address and port that the other side receives at."""
        (stream,) = self.negotiation.streams
        return stream.remote_address, stream.remote_port

    def _agreed(self):
        streams = self.negotiation.streams
        self.directions.append(str(streams[0].direction) if streams else "none")

    def offer(self, direction=None):
        if self.negotiation.state is not NegotiationState.STABLE:
            self.negotiation.rollback()
        self.negotiation.address = self.phone.host
        offer = bytes(self.negotiation.offer(direction))
        self.offered = self.negotiation.fork()
        return offer

    def answer(self, offer):
        self.negotiation.address = self.phone.host
        self.negotiation.receive_offer(SessionDescription.parse(offer))
        try:
            answer = bytes(self.negotiation.answer())
        except BaseException:
            self.negotiation.rollback()
            raise
        self.offered = None
        self._agreed()
        return answer

    def accept(self, answer):
        negotiation = self.offered.fork()
        negotiation.receive_answer(SessionDescription.parse(answer))
        self.negotiation = negotiation
        self._agreed()

    def update(self, **settings):
        assert not settings

    def rollback(self):
        if self.offered is not None:
            self.negotiation, self.offered = self.offered, None
            self.negotiation.rollback()

    def start(self, early=False):
        self.started = True

    def stop(self):
        self.started, self.stopped = False, True


class Phone:
    """A user agent at an address of its own.

    Args:
        flow: The flow that it takes part in.
        name: Its name, in the ladder and as the user of its address.
        domain: The host part of its address of record.
        settings: Attributes of its user agent.

    Attributes:
        uri: Its address of record.
        contact: The URI that it is reached at.
        events: What happened to it.
        medias: The media of its calls, in order.
    """

    def __init__(self, flow, name, domain, **settings):
        self.flow = flow
        self.name = name
        self.events = []
        self.medias = []
        self._calls = 0
        #: What is done at events, by their kind; the library asks whether there is something.
        self._handlers = {}
        self.chance = random.Random(name)
        self.core = Core(seeded_tokens(name))
        self.agent = UserAgent(self.core, f"sip:{name}@{domain}", owner=self)
        self.agent.auto_answer = False
        self.agent.open_session = self._open
        for setting, value in settings.items():
            assert hasattr(self.agent, setting), setting
            setattr(self.agent, setting, value)
        self.core.directory.bind(self.agent, name)
        flow.phones.append(self)
        self.host, self.port = flow.attach(name, self.core, on_event=self._take)

    @property
    def uri(self):
        """Its address of record."""
        return self.agent.uri

    @property
    def address(self):
        """The same without its scheme."""
        return self.uri.partition(":")[2]

    @property
    def contact(self):
        """The URI of its Contact."""
        return f"sip:{self.name}@{self.host}:{self.port}"

    def _open(self, dialog, flow):
        if dialog.session is not None:
            return dialog.session
        self.medias.append(Media(self))
        return self.medias[-1]

    def _take(self, event):
        self.events.append(event)
        for kind, reaction in self._handlers.items():
            if isinstance(event, kind):
                reaction(event)

    # ---------------------------------------------------------------- what the user does

    def knows(self, accounts):
        """Have credentials: user and password, by realm."""
        self.agent.digest = DigestClient(accounts, tokens=self.core.tokens.tag)

    def when(self, kind, reaction):
        """Have something done at each event of a kind, at once."""
        self._handlers[kind] = reaction

    def invite(self, uri, headers=(), **options):
        """Place a call that somebody has asked for, such as by REFER."""
        return self.call(uri, headers=headers, **options)

    def call(self, target, *, proxy=None, kind=SimpleCall, **options):
        """Call a URI, or another phone directly; through a proxy, its outbound one, if given."""
        call = kind(self.agent)
        if proxy is not None:
            options["routes"] = (f"<sip:{getattr(proxy, 'domain_name', proxy)};lr>",)
        if isinstance(target, Phone):
            if proxy is None:
                options.setdefault("next_hop", NextHop(target.host, target.port))
            target = target.uri
        return call.invite(target, **options)

    def incoming(self):
        """Let time pass until the phone has a call that was not asked for before; returns it."""
        number = self._calls
        self._calls += 1
        return self.flow.until(lambda: self.happened(CallReceived)[number:])[0].call

    def pick_up(self):
        """Take the next call: it rings, and is answered."""
        call = self.incoming()
        call.ring()
        self.flow.run(1)
        return call.accept()

    def talk_to(self, other, **options):
        """Call another phone, which answers; returns both ends of the call."""
        mine = self.call(other, **options)
        theirs = other.pick_up()
        self.flow.until_talking(mine, theirs)
        return mine, theirs

    def move(self, host):
        """Have another address from now on."""
        self.flow.moved(self.name, self.host, host)
        self.host = host

    def happened(self, kind):
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def close(self):
        """End what lasts besides calls, as closing a party does."""
        for service in list(self.agent.services):
            service.hear("terminate")
