"""Accounts that take their time to be found: the request waits, and nobody else does."""

import asyncio
import itertools
import logging
import threading

import pytest

from sipparty.errors import CallRejected, UsageError
from sipparty.sip.auth import Account, Authenticated, Challenged, DigestClient, DigestServer
from sipparty.sip.events import AttackDetected, CallReceived
from sipparty.sip.limits import Limits
from sipparty.sip.wanted import AccountWanted

HOME = "sip:bob@biloxi.com"


def counter(prefix):
    made = iter(range(1_000_000))
    return lambda: f"{prefix}{next(made):08}"


async def no_password(user, realm):
    """What the tests answer in the place of; a core does not call it."""
    raise AssertionError


def make_authenticator(lookup=no_password, **options):
    return DigestServer(
        "biloxi.com", lookup, secret=b"secret" * 6, tokens=counter("authenticator"), **options
    )


class Caller:
    """Alice, who answers challenges of the core of a `wire`; each request is a new transaction."""

    def __init__(self, wire, password="wonderland"):
        self.wire = wire
        self.client = DigestClient({"biloxi.com": ("alice", password)}, tokens=counter("cnonce"))
        self.numbers = iter(range(1, 1000))

    def request(self, method="INVITE", headers=(), uri=HOME):
        number = next(self.numbers)
        return self.wire.request(
            *(method, uri),
            branch=f"z9hG4bK{number}",
            number=number,
            headers=[f"{name}: {value}" for name, value in headers],
        )

    def prove(self, method="INVITE", uri=HOME):
        """Get a challenge, and send the answer; returns the request."""
        self.wire.receive(self.request(method, uri=uri))
        challenge = self.wire.one()
        assert challenge.status == 401
        exchange = self.client.exchange(method, uri)
        answer = exchange.challenged(challenge.lines("WWW-Authenticate"))
        request = self.request(method, answer, uri)
        self.wire.receive(request)
        return request


def take(wire):
    """The accounts wanted since this was last asked."""
    wanted = [event for event in wire.happened if isinstance(event, AccountWanted)]
    wire.happened = [event for event in wire.happened if not isinstance(event, AccountWanted)]
    return wanted


def find(wire, wanted, account):
    wire.core.account_found(wanted, account, wire.now)
    wire.pump()


@pytest.fixture
def alice(wire):
    wire.agent(authenticator=make_authenticator())
    return Caller(wire)


@pytest.mark.parametrize("account", ["wonderland", Account("alice", "wonderland")])
def test_a_call_waits_for_its_account(wire, alice, account):
    invite = alice.prove()
    (wanted,) = take(wire)
    assert wanted.find.args == ("alice", "biloxi.com")
    assert (wire.sent(), wire.kinds()) == ([], [])
    find(wire, wanted, account)
    (happened,) = wire.happened
    assert isinstance(happened, CallReceived)
    assert happened.call.authenticated == "alice"
    happened.call.accept()
    success = wire.one()
    assert (success.status, "Authentication-Info" in success) == (200, True)
    wire.receive(invite)
    wire.acknowledge(success, 2)
    wire.receive(wire.within(success, "BYE", 4))
    wire.over()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_copies_have_no_other_look(wire, alice, method):
    request = alice.prove(method)
    for _ in range(3):
        wire.receive(request)
    assert len(take(wire)) == 1
    assert wire.sent() == []


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("account", ["looking glass", None])
def test_a_wrong_password_is_refused_once_and_without_state(wire, alice, method, account):
    """§26.3.2.4, as where the password is at hand."""
    alice.prove(method)
    (wanted,) = take(wire)
    find(wire, wanted, account)
    assert wire.one().status == 401
    assert wire.core.idle()


def test_who_waits_long_has_a_100_and_a_refusal_that_is_reliable(wire, alice):
    """§17.2.1: 100 after 200 ms. Who has it does not send the INVITE again."""
    invite = alice.prove()
    (wanted,) = take(wire)
    wire.pass_until(wire.now + 3)
    assert wire.starts() == [100]
    wire.receive(invite)
    assert wire.starts() == [100]
    find(wire, wanted, "looking glass")
    assert wire.starts() == [401]
    wire.receive(invite)
    assert wire.starts() == [401]
    wire.pass_until(wire.now + 0.6)
    assert wire.starts() == [401]
    wire.over()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_what_is_never_found_ends(wire, alice, method):
    alice.prove(method)
    (wanted,) = take(wire)
    wire.pass_until(wire.now + 40)
    assert wire.core.idle()
    wire.sent()
    find(wire, wanted, "wonderland")
    assert (wire.sent(), wire.kinds()) == ([], [])


@pytest.mark.parametrize("after", [0, 1], ids=["at once", "after the 100"])
def test_a_caller_that_gives_up_rings_nobody(wire, alice, after):
    alice.prove()
    (wanted,) = take(wire)
    wire.pass_until(wire.now + after)
    wire.receive(wire.request("CANCEL", branch="z9hG4bK2", number=2, contact=None))
    wire.sent()
    find(wire, wanted, "wonderland")
    assert wire.starts() == [487]
    assert wire.kinds() == []
    wire.receive(wire.request("ACK", branch="z9hG4bK2", number=2, contact=None))
    wire.over()


def test_a_failure_is_logged_and_is_500(wire, alice, caplog):
    alice.prove()
    (wanted,) = take(wire)
    with caplog.at_level(logging.ERROR, "sipparty.security"):
        wire.core.account_failed(wanted, "the database is down", wire.now)
    assert wire.one().status == 500
    assert "could not be verified" in caplog.text
    assert wire.core.idle()


def test_where_nobody_has_looked_it_is_503(wire, alice):
    alice.prove()
    (wanted,) = take(wire)
    wire.core.account_failed(wanted, "no thread was free", wire.now, busy=True)
    refusal = wire.one()
    assert (refusal.status, refusal["Retry-After"].seconds) == (503, 10)
    assert wire.core.idle()


def test_nothing_is_looked_for_but_for_who_has_the_nonce(wire, alice):
    """Who forges an address gets no challenge, and cannot have us ask a database."""
    alice.prove("OPTIONS")
    assert len(take(wire)) == 1
    wire.receive(alice.request("OPTIONS"))
    exchange = alice.client.exchange("OPTIONS", HOME)
    answer = exchange.challenged(wire.one().lines("WWW-Authenticate"))
    other = wire.flow_by(remote=("10.0.0.66", 5060))
    wire.receive(alice.request("OPTIONS", answer), other)
    refusal = wire.one()
    assert refusal.status == 401
    assert all("stale=true" in line for line in refusal.lines("WWW-Authenticate"))
    wire.pass_until(wire.now + 400)
    wire.receive(alice.request("OPTIONS", answer))  # and it has grown old
    assert "stale=true" in wire.one().lines("WWW-Authenticate")[0]
    assert take(wire) == []


def test_who_is_known_by_the_nonce_goes_on(wire, alice):
    alice.prove("OPTIONS")
    find(wire, take(wire)[0], "wonderland")
    assert wire.one().status == 200
    exchange = alice.client.exchange("OPTIONS", HOME)
    wire.receive(alice.request("OPTIONS", exchange.credentials()))
    (wanted,) = take(wire)
    find(wire, wanted, "wonderland")
    assert wire.one().status == 200


NUMBERS = itertools.count(1000)


def flood(wire, count, host="10.0.0.9"):
    """Requests of one source that wait."""
    wire.flow, usual = wire.flow_by(remote=(host, 5060)), wire.flow
    caller = Caller(wire)
    caller.numbers = NUMBERS
    for _ in range(count):
        caller.prove("OPTIONS")
    wire.flow = usual


def test_so_many_wait_and_of_one_source_an_eighth(wire):
    wire = type(wire)(limits=Limits(max_lookups=16))
    wire.agent(authenticator=make_authenticator())
    flood(wire, 2)
    waiting = take(wire)
    assert len(waiting) == 2
    flood_answers(wire, "10.0.0.9")
    assert wire.core.counters["flood"] >= 1
    flood(wire, 1, "10.0.0.77")  # others are not kept waiting
    assert len(take(wire)) == 1
    find(wire, waiting[0], "wonderland")
    assert wire.one().status == 200
    flood(wire, 1)
    assert len(take(wire)) == 1


def flood_answers(wire, host):
    """One more of a source that has its share is refused without state."""
    before = wire.core.counts()["server_transactions"]
    flood(wire, 1, host)
    refusal = wire.one()
    assert (refusal.status, refusal["Retry-After"].seconds) == (503, 10)
    assert wire.core.counts()["server_transactions"] == before
    assert take(wire) == []


def test_of_all_sources_together(wire):
    wire = type(wire)(limits=Limits(max_lookups=2))
    wire.agent(authenticator=make_authenticator())
    for number in (1, 2):
        flood(wire, 1, f"10.0.0.{number + 100}")
    assert len(take(wire)) == 2
    flood_answers(wire, "10.0.0.200")
    assert not any(isinstance(event, AttackDetected) for event in wire.happened)


def test_who_is_not_here_is_found_out_about_later(wire, alice):
    """404 is for those who have proved who they are."""
    alice.prove("OPTIONS", "sip:nobody@biloxi.com")
    (wanted,) = take(wire)
    find(wire, wanted, "wonderland")
    assert wire.one().status == 404


def test_what_goes_wrong_when_it_is_served_is_answered(wire, alice):
    wire.core.directory.receiving()[0].methods["MESSAGE"] = lambda transaction: 1 / 0
    alice.prove("MESSAGE")
    (wanted,) = take(wire)
    with pytest.raises(ZeroDivisionError):
        find(wire, wanted, "wonderland")
    assert wire.one().status == 500


def test_a_server_on_its_own():
    """`verify` waits for nothing; `verification` says what to find."""
    server = make_authenticator(blocking=False)
    client = DigestClient({"biloxi.com": ("alice", "wonderland")}, tokens=counter("c"))
    exchange = client.exchange("OPTIONS", HOME)
    texts = [text for _, text in server.challenge(0.0).headers]
    ((_, credentials),) = exchange.challenged(texts)
    with pytest.raises(UsageError, match="verification"):
        server.verify([credentials], "OPTIONS", now=1.0)
    steps = server.verification([credentials], "OPTIONS", now=1.0)
    sought = next(steps)
    assert sought.later
    with pytest.raises(StopIteration) as done:
        steps.send("wonderland")
    assert isinstance(done.value.value, Authenticated)
    steps = server.verification([], "OPTIONS", now=1.0)
    with pytest.raises(StopIteration) as done:
        next(steps)
    assert isinstance(done.value.value, Challenged)


def test_a_function_that_gives_an_awaitable_is_known_by_it(wire):
    async def password():
        return "wonderland"

    authenticator = make_authenticator(lambda user, realm: password())
    wire.agent(authenticator=authenticator)
    Caller(wire).prove("OPTIONS")
    (wanted,) = take(wire)
    assert authenticator._later
    find(wire, wanted, asyncio.run(wanted.find()))
    assert wire.one().status == 200


# ---------------------------------------------------------------- an engine


async def later(user, realm):
    await asyncio.sleep(0)
    return {"alice": "wonderland"}.get(user)


def blocking(user, realm):
    assert threading.current_thread().name == "sipparty-handlers"
    return {"alice": "wonderland"}.get(user)


class NotSeen:
    """An awaitable out of what is no coroutine function."""

    def __call__(self, user, realm):
        return later(user, realm)


@pytest.mark.parametrize(
    ("lookup", "options"),
    [(later, {}), (blocking, {"blocking": True}), (NotSeen(), {}), (NotSeen(), {"blocking": True})],
)
def test_a_party_whose_passwords_are_elsewhere(listening, make_party, lookup, options):
    bob = listening("bob@biloxi.com").configure(authenticator=make_authenticator(lookup, **options))
    alice = make_party("alice@atlanta.com", credentials=("alice", "wonderland"))
    call = alice.invite(bob).wait(5)
    (its,) = bob.calls
    assert its.authenticated == "alice"
    call.terminate().wait(5)
    with pytest.raises(CallRejected, match="refused user 'carol'"):
        make_party("carol@atlanta.com", credentials=("carol", "x")).options(bob).wait(5)


@pytest.mark.parametrize("options", [{}, {"blocking": True}])
def test_a_lookup_that_raises(listening, make_party, options):
    def lookup(user, realm):
        raise OSError("the database is down")

    async def lookup_later(user, realm):
        raise OSError("the database is down")

    authenticator = make_authenticator(lookup if options else lookup_later, **options)
    bob = listening("bob@biloxi.com").configure(authenticator=authenticator)
    alice = make_party("alice@atlanta.com", credentials=("alice", "wonderland"))
    assert alice.options(bob).wait(5).status == 500
