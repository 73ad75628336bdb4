"""A server's verdicts at their edges, and a client's limits."""

import itertools

import pytest

from sipparty.sip.admission import read_name
from sipparty.sip.auth import (
    Account,
    Authenticated,
    Challenge,
    Challenged,
    Credentials,
    Destination,
    DigestClient,
    DigestServer,
    Limited,
    Malformed,
    Origin,
    Trust,
)
from sipparty.sip.auth.nonces import Nonces

REALM, URI, HERE = "biloxi.com", "sip:biloxi.com", "192.0.2.7"
PASSWORDS = {"alice": "wonderland", "bob": "zanzibar"}


def tokens(prefix):
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def make(realm=REALM, lookup=None, **options):
    lookup = lookup or (lambda user, realm: PASSWORDS.get(user))
    return DigestServer(realm, lookup, secret=b"0123456789abcdef", tokens=tokens("s"), **options)


def ask(server, user="alice", password=None, now=1.0, source=HERE):
    """The verdict on a user's answer to a challenge."""
    password = PASSWORDS.get(user, "?") if password is None else password
    client = DigestClient({REALM: (user, password)}, tokens=tokens(user))
    exchange = client.exchange("REGISTER", URI)
    headers = exchange.challenged(
        [text for _, text in server.challenge(now, source=source).headers]
    )
    return server.verify([text for _, text in headers], "REGISTER", now=now, source=source)


# ---------------------------------------------------------------- what is looked at


@pytest.mark.parametrize(("qop", "right"), [(("auth",), True), (("auth-int",), False)])
def test_no_qop_is_for_servers_that_offer_auth(qop, right):
    """RFC 2069 protects no body."""
    server = make(without_qop=True, qop=qop, algorithms=("MD5",))
    ((_, text),) = server.challenge(1.0).headers
    old = Challenge({"realm": REALM, "nonce": Challenge.parse(text).nonce})
    client = DigestClient({REALM: ("alice", "wonderland")}, tokens=tokens("c"))
    ((_, value),) = client.exchange("REGISTER", URI).challenged([str(old)])
    verdict = server.verify([value], "REGISTER", now=1.0)
    assert isinstance(verdict, Authenticated if right else Malformed)


@pytest.mark.parametrize(
    "other",
    [
        f'Basic realm="{REALM}"',
        'Digest username="a", realm="elsewhere", nonce="n", uri="sip:x", response="1"',
    ],
)
def test_other_schemes_and_realms_are_passed_over(other):
    """RFC 3261 §22.3."""
    verdict = make().verify([other], "REGISTER", now=1.0)
    assert isinstance(verdict, Challenged)
    assert verdict.reason == f"no credentials for {REALM!r}"


def test_so_many_credentials_are_looked_at():
    bad = f'Digest username="a", realm="{REALM}", nonce="n", uri="x", response="1", qop=auth, nc='
    texts = [f'{bad}{number:08x}, cnonce="c"' for number in range(1, 12)]
    verdict = make(guesses=100).verify(texts, "REGISTER", now=1.0)
    assert verdict.guesses == DigestServer.MAX_CREDENTIALS == 8


def test_a_challenge_is_no_set_of_credentials():
    values = dict.fromkeys(("realm", "nonce", "uri", "response", "username"), "x")
    assert Challenge(values) != Credentials(values)
    assert Challenge(values) != "x"
    assert Challenge(values) == Challenge(dict(values))


# ---------------------------------------------------------------- guesses


def test_wrong_passwords_are_counted_one_by_one():
    server = make(guesses=2, guess_interval=10)
    for _ in range(2):
        verdict = ask(server, password="no")
        assert (verdict.guesses, verdict.proven) == (1, True)
    verdict = ask(server)
    assert isinstance(verdict, Limited)
    assert (verdict.guesses, verdict.proven, verdict.status) == (1, True, 480)
    assert ask(server, now=12.0).username == "alice"


def test_guesses_in_the_name_of_others_are_challenged_anew():
    server = make(guesses=1, guess_interval=10)
    bad = f'Digest username="a", realm="{REALM}", nonce="n", uri="x", response="1", qop=auth'
    texts = [f'{bad}, nc=00000001, cnonce="c"']
    first = server.verify(texts, "REGISTER", now=1.0, source=HERE)
    assert (first.guesses, first.stale) == (1, False)
    again = server.verify(texts, "REGISTER", now=1.0, source=HERE)
    assert (again.guesses, again.stale, again.username) == (1, True, "a")


def test_who_came_in_from_there_is_not_kept_out_by_others():
    server = make(guesses=50, source_guesses=3, source_interval=10)
    assert isinstance(ask(server, "alice"), Authenticated)
    for number in range(4):
        ask(server, f"nobody{number}", "x")
    assert isinstance(ask(server, "bob"), Limited)
    assert isinstance(ask(server, "alice"), Authenticated)
    assert isinstance(ask(server, "bob", source="192.0.2.8"), Authenticated)


def test_a_nonce_is_remembered_as_long_as_it_is_good():
    """Else its counts would be good again in its last moment."""
    nonces = Nonces(b"0123456789abcdef", tokens("n"), 60.0, 100)
    first = nonces.read(nonces.make("r", 0.0, ""), "r")
    other = nonces.read(nonces.make("r", 60.0, ""), "r")
    assert nonces.use(first, "alice", "00000001", 0.0) == ""
    assert nonces.use(other, "alice", "00000001", 60.0) == ""
    assert nonces.is_fresh(first, 60.0)
    assert "replay" in nonces.use(first, "alice", "00000001", 60.0)


# ---------------------------------------------------------------- clients


def test_so_many_realms_are_looked_at():
    client = DigestClient(default=("bob", "x"), tokens=tokens("c"), max_answers=99)
    exchange = client.exchange("INVITE", "sip:a")
    asked = [str(Challenge({"realm": f"r{at}", "nonce": "n", "qop": "auth"})) for at in range(20)]
    assert len(exchange.challenged(asked)) == exchange.MAX_REALMS == 16


THEIRS = Destination(HERE, uri="sip:x@y", origin=Origin.THEIR_CALL)


@pytest.mark.parametrize(
    ("settings", "destination", "is_proxy", "names_realm", "words"),
    [
        ({}, THEIRS, True, False, "give credentials="),
        ({}, THEIRS, True, True, "no server of the program's"),
        ({"challenges": "own"}, THEIRS, True, True, "the other side began the call"),
        ({}, Destination(HERE), True, False, "give credentials="),
    ],
)
def test_a_refusal_says_why(settings, destination, is_proxy, names_realm, words):
    trust = Trust(["atlanta.com"], **settings)
    assert words in trust.refusal(destination, REALM, is_proxy=is_proxy, names_realm=names_realm)


# ---------------------------------------------------------------- several of one host


@pytest.fixture
def tcp(wire):
    """Where an answer may be as long as it has to be."""
    return type(wire)("TCP")


def several(wire, *authenticators):
    for number, authenticator in enumerate(authenticators):
        wire.agent(f"sip:user{number}@host{number}.com", authenticator=authenticator)


def answer(wire, password="wonderland", realm="one", uri="sip:nobody@host1.com"):
    """What alice's answer to a realm's challenge gets."""
    wire.receive(wire.request("OPTIONS", uri))
    challenges = wire.one().lines("WWW-Authenticate")
    client = DigestClient({realm: ("alice", password)}, tokens=tokens("c"))
    headers = client.exchange("OPTIONS", uri).challenged(challenges)
    lines = [f"{name}: {value}" for name, value in headers]
    wire.receive(wire.request("OPTIONS", uri, branch="z9hG4bK2", number=2, headers=lines))
    return challenges, wire.one()


def test_the_realm_of_the_domain_that_is_asked_for_comes_first(tcp):
    several(tcp, make("zero"), make("one"))
    challenges, refusal = answer(tcp)
    assert [Challenge.parse(text).realm for text in challenges] == ["one"] * 2 + ["zero"] * 2
    assert refusal.status == 404


def test_a_wrong_password_is_answered_by_the_realm_that_has_looked(tcp):
    several(tcp, make("zero"), make("one"))
    _, refusal = answer(tcp, "looking glass")
    asked = refusal.lines("WWW-Authenticate")
    assert {Challenge.parse(text).realm for text in asked} == {"one"}


def test_one_that_cannot_look_is_a_failure_of_ours(wire):
    def broken(user, realm):
        raise OSError("the database is down")

    several(wire, make("zero"), make("one", broken))
    _, refusal = answer(wire)
    assert refusal.status == 500


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:203.0.113.7:5070", 200),
        ("sip:203.0.113.7", 200),
        ("sip:203.0.113.7:5071", 400),
        ("sip:[2001:DB8::0:1]", 200),
        ("sip:[2001:db8::2]", 400),
        ("sip:sales@pbx.biloxi.com", 200),
        ("sip:sales@pbx.biloxi.net", 400),
        ("sip:orders@pbx.biloxi.com", 400),
    ],
)
def test_credentials_are_for_a_name_of_ours(wire, uri, status):
    names = ("203.0.113.7:5070", "[2001:db8::1]", "sip:sales@pbx.biloxi.com")
    wire.agent(authenticator=make(), names=tuple(map(read_name, names)))
    wire.receive(wire.request("OPTIONS"))
    challenges = wire.one().lines("WWW-Authenticate")
    client = DigestClient({REALM: Account("alice", "wonderland")}, tokens=tokens("c"))
    ((name, value),) = client.exchange("OPTIONS", uri).challenged(challenges)
    lines = [f"{name}: {value}"]
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK2", number=2, headers=lines))
    assert wire.one().status == status
