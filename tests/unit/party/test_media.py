"""A call as its media sees it, and what that has become of it."""

import asyncio
from types import SimpleNamespace

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import NegotiationError
from sipparty.media import MediaUnproven, NoMediaSession
from sipparty.party import Party
from sipparty.party.media import CallMedia, check_offer, open_session
from sipparty.sip import Flow
from sipparty.sip.policy import Policy

HERE = "192.168.1.5"


@pytest.fixture
def engine():
    made = Engine(policy=Policy(silent_media=7.0))
    yield made
    made.close()


class Dialog:
    dialog_state = None

    def __init__(self, state="InDialog", session=None):
        self.agent = SimpleNamespace(observed=True)
        self.state, self.session, self.heard = state, session, []

    def hear(self, *what):
        self.heard.append(what)


def flow(host):
    return Flow("UDP", (HERE, 5060), (host, 5060), "endpoint")


def seen(engine, host, dialog=None):
    return CallMedia(engine, dialog or Dialog(), flow(host), (HERE, None))


@pytest.mark.parametrize(
    ("peer", "address", "may"),
    [
        ("192.168.1.9", "192.168.1.9", True),
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "192.168.1.9", True),  # a phone behind a NAT says so
        ("8.8.8.8", "media.example.com", True),
        ("8.8.8.8", "127.0.0.1", False),
        ("8.8.8.8", "::1", False),
        ("192.168.1.9", "127.0.0.1", False),
        ("8.8.8.8", "169.254.169.254", False),
        ("192.168.1.9", "169.254.1.1", False),
        ("169.254.1.1", "169.254.1.2", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "169.254.1.2", True),
        (HERE, "127.0.0.1", True),  # from this very host
    ],
)
def test_what_a_peer_may_name(engine, peer, address, may):
    assert seen(engine, peer).reaches(HERE, address) is may


@pytest.mark.parametrize(
    ("peer", "address", "hidden"),
    [
        ("8.8.8.8", "192.168.1.5", True),
        ("8.8.8.8", "100.64.1.5", True),
        ("8.8.8.8", "9.9.9.9", False),
        ("192.168.1.1", "192.168.1.5", False),
        ("8.8.8.8", "media.example.com", False),
    ],
)
def test_who_is_behind_a_nat(engine, peer, address, hidden):
    assert seen(engine, peer).behind_nat(address) is hidden


def test_all_calls_have_one_memory_of_hosts(engine):
    assert seen(engine, "8.8.8.8").unproven_hosts is seen(engine, "9.9.9.9").unproven_hosts


def test_the_policy_is_the_engines(engine):
    assert seen(engine, "8.8.8.8").policy.silent_media == 7.0
    assert seen(engine, "8.8.8.8").signalling == "8.8.8.8"


def test_what_happens_becomes_an_event_of_the_call(engine, monkeypatch):
    emitted = []
    monkeypatch.setattr(engine.core, "emit", emitted.append)
    dialog = Dialog()
    call = seen(engine, "8.8.8.8", dialog)
    call.emit(MediaUnproven(("9.9.9.9", 4000)))
    engine.run(int)  # what was posted before has run then
    assert emitted == [MediaUnproven(("9.9.9.9", 4000), agent=dialog.agent, call=dialog)]
    assert emitted[0].topic == id(dialog)
    dialog.agent.observed = False
    call.emit(MediaUnproven(("9.9.9.9", 4000)))
    engine.run(int)
    assert len(emitted) == 1


def test_the_peer_of_a_call_is_proven_as_its_dialog_says(engine):
    dialog = Dialog()
    call = seen(engine, "8.8.8.8", dialog)
    assert call.proven
    dialog.dialog_state = SimpleNamespace(proven=False)
    assert not call.proven


def test_a_call_that_is_up_ends_where_nothing_comes(engine):
    dialog = Dialog()
    seen(engine, "8.8.8.8", dialog).media_timed_out(30.2)
    engine.run(int)
    ((input, error),) = dialog.heard
    assert input == "media_failed"
    assert "for 30 s" in str(error)
    ringing = Dialog("InitiatingDialog")
    seen(engine, "8.8.8.8", ringing).media_timed_out(30.2)
    engine.run(int)
    assert ringing.heard == []


class Session:
    descriptors = 2
    advertised = None

    def __init__(self, moves=True):
        self.done, self.moves = [], moves

    def open(self, loop, address):
        self.done.append(address)

    def move(self, address):
        self.done.append(("move", address))
        return self.moves


def place(engine, dialog, host, where, advertised=None, make=Session):
    dialog.session = open_session(engine, make, dialog, flow(host), (where, advertised))
    return dialog.session


def test_a_session_goes_with_its_call(engine):
    dialog = Dialog()
    first = place(engine, dialog, "8.8.8.8", HERE)
    assert first.done == [HERE]
    assert place(engine, dialog, "8.8.4.4", HERE) is first
    assert (first.done, first.call.signalling) == ([HERE], "8.8.4.4")
    assert place(engine, dialog, "8.8.4.4", "10.0.0.1", "203.0.113.7") is first
    assert first.done == [HERE, ("move", "10.0.0.1")]
    assert (first.advertised, first.call.place) == ("203.0.113.7", ("10.0.0.1", "203.0.113.7"))


def test_one_that_does_not_is_followed_by_another(engine):
    class Simple:
        def open(self, loop, address):
            self.address = address

    dialog = Dialog()
    first = place(engine, dialog, "8.8.8.8", HERE, make=lambda: Session(moves=False))
    second = place(engine, dialog, "8.8.8.8", "10.0.0.1")
    assert second is not first
    assert second.done == ["10.0.0.1"]
    dialog = Dialog()
    first = place(engine, dialog, "8.8.8.8", HERE, make=Simple)
    assert not hasattr(first, "call")
    second = place(engine, dialog, "8.8.8.8", "10.0.0.1", make=Simple)
    assert (first.address, second.address) == (HERE, "10.0.0.1")


LINES = "m=audio {port} RTP/AVP 0\r\nc={connection}\r\n"


def offer(*streams):
    head = "v=0\r\no=- 1 1 IN IP4 8.8.8.8\r\ns=-\r\nt=0 0\r\n"
    lines = (LINES.format(port=port, connection=connection) for port, connection in streams)
    return (head + "".join(lines)).encode()


LOOP, FAR = (4000, "IN IP4 127.0.0.1"), (4000, "IN IP4 8.8.8.8")


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ([FAR], None),
        ([LOOP], 399),
        ([LOOP, FAR], None),
        ([(4000, "IN IP4 224.0.0.1"), LOOP], 330),
        ([(0, "IN IP4 224.0.0.1")], None),
        ([], None),
    ],
)
def test_nobody_is_told_of_a_call_whose_media_could_go_nowhere(streams, code):
    judged = []
    if code is None:
        check_offer(judged.append, 2, offer(*streams), flow("8.8.8.8"))
    else:
        with pytest.raises(NegotiationError, match="No media could be sent") as caught:
            check_offer(judged.append, 2, offer(*streams), flow("8.8.8.8"))
        assert caught.value.warning == code
        check_offer(judged.append, 0, offer(*streams), flow("8.8.8.8"))
    assert judged[0] == offer(*streams)


def test_what_a_session_could_not_do_is_told_first():
    def check(text):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check_offer(check, 2, b"", flow("8.8.8.8"))


class Gathers(NoMediaSession):
    """Takes its time for offers and answers, as one that looks for its addresses does."""

    offers = True

    def __init__(self):
        super().__init__()
        self.log = []

    async def offer(self):
        await asyncio.sleep(0)
        return b"an offer"

    async def answer(self, offer):
        self.log.append(offer)
        await asyncio.sleep(0)
        if b"bad" in offer:
            raise NegotiationError("Nothing of that.")
        return b"an answer"

    async def accept(self, answer):
        await asyncio.sleep(0)
        self.log.append(answer)

    def start(self, early=False):
        self.log.append("start")

    @classmethod
    def check_offer(cls, offer, **options):
        pass


class GathersParty(Party):
    MediaSession = Gathers


def test_a_session_may_take_its_time(make_party, listening):
    bob = listening(kind=GathersParty)
    call = make_party("alice@atlanta.com", GathersParty).invite(bob).wait(5)
    assert call.session.log == [b"an answer", "start"]
    [theirs] = bob.calls
    call.terminate().wait(5)
    theirs.waitForStateCondition(lambda state: state == "Terminated", 5)
    assert theirs.session.log == [b"an offer", "start"]


def test_a_session_may_refuse_after_a_time(make_party, listening):
    class Bad(Gathers):
        async def offer(self):
            return b"a bad offer"

    class BadParty(Party):
        MediaSession = Bad

    call = make_party("alice@atlanta.com", BadParty).invite(listening(kind=GathersParty))
    call.waitForStateCondition(lambda state: state == "Error", 5)
    assert call.last_error.status == 488
