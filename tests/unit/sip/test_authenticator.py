"""An agent with an authenticator challenges requests outside of dialogs (RFC 3261 §22.2)."""

import pytest

from sipparty.errors import Incomplete, ParseError
from sipparty.party import Party
from sipparty.sip.auth import DigestClient, DigestServer
from sipparty.sip.events import CallReceived, RequestReceived
from sipparty.sip.routing import NextHop


def counter(prefix):
    made = iter(range(1_000_000))
    return lambda: f"{prefix}{next(made):08}"


def make_authenticator(**options):
    return DigestServer(
        "biloxi.com",
        lambda user, realm: {"alice": "wonderland"}.get(user),
        secret=b"secret" * 6,
        tokens=counter("authenticator"),
        **options,
    )


@pytest.fixture
def bob(wire):
    return wire.agent(authenticator=make_authenticator())


@pytest.fixture
def client():
    return DigestClient({"biloxi.com": ("alice", "wonderland")}, tokens=counter("cnonce"))


def challenge_of(wire, method="INVITE", **changes):
    """Have a request challenged; returns the 401."""
    wire.receive(wire.request(method, branch="z9hG4bKfirst", **changes))
    answer = wire.one()
    assert answer.status == 401
    if method == "INVITE":
        wire.receive(wire.request("ACK", branch="z9hG4bKfirst", to=str(answer.to)))
    return answer


def prove(wire, client, method="INVITE", uri="sip:bob@biloxi.com", **changes):
    """Have a request admitted; returns the exchange and the request."""
    exchange = client.exchange(method, uri, changes.get("body", b""))
    challenge = challenge_of(wire, method, **changes)
    headers = exchange.challenged(challenge.lines("WWW-Authenticate"))
    request = wire.request(
        method,
        branch="z9hG4bKsecond",
        number=2,
        headers=[f"{name}: {value}" for name, value in headers],
        **changes,
    )
    wire.receive(request)
    return exchange, request


def test_an_invite_without_credentials(wire, bob):
    answer = challenge_of(wire)
    assert [line.split(",")[0] for line in answer.lines("WWW-Authenticate")] == [
        'Digest realm="biloxi.com"',
        'Digest realm="biloxi.com"',
    ]
    assert answer.to.tag
    assert set(bob.dialogs) == set()
    assert wire.kinds() == []
    wire.over()


def test_a_call_that_is_admitted(wire, bob, client):
    exchange, invite = prove(wire, client)
    (happened,) = wire.happened
    assert isinstance(happened, CallReceived)
    call = happened.call
    assert call.authenticated == "alice"
    call.ring()
    ringing = wire.one()
    assert "Authentication-Info" not in ringing
    call.accept()
    success = wire.one()
    # RFC 7616 §3.5: we know the password too.
    assert exchange.accepted(success.lines("Authentication-Info"), body=success.body)
    # It is the same when it is sent again (§13.3.1.4), and when the INVITE comes again.
    wire.pass_until(0.6)
    assert bytes(wire.one()) == bytes(success)
    wire.receive(invite)
    wire.acknowledge(success, 2)
    # Inside the dialog nobody is asked again.
    wire.receive(wire.within(success, "OPTIONS", 3))
    assert wire.one().status == 200
    wire.receive(wire.within(success, "BYE", 4))
    assert wire.one().status == 200
    assert call.state == "Terminated"
    wire.over()


@pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE", "BYE", "UNHEARD"])
def test_who_it_is_comes_before_what_they_want(wire, bob, method):
    """§8.2: also for what would be refused."""
    challenge_of(wire, method)


def test_a_request_for_a_handler(wire, bob, client):
    bob.handle_method("MESSAGE")
    prove(wire, client, "MESSAGE", body=b"hello", kind="text/plain")
    (happened,) = wire.happened
    assert isinstance(happened, RequestReceived)
    assert happened.incoming.authenticated == "alice"
    happened.incoming.respond(202)
    answer = wire.one()
    assert answer.status == 202
    assert "Authentication-Info" in answer


def test_the_proof_covers_the_body(wire, client):
    authenticator = make_authenticator(qop=("auth-int",))
    wire.agent(authenticator=authenticator).handle_method("MESSAGE")
    exchange, _ = prove(wire, client, "MESSAGE", body=b"hello", kind="text/plain")
    wire.happened[0].incoming.respond(200, None, {"Content-Type": "text/plain"}, b"well")
    answer = wire.one()
    assert exchange.accepted(answer.lines("Authentication-Info"), body=b"well")


def test_a_refusal_proves_nothing(wire, bob, client):
    prove(wire, client)
    wire.happened[0].call.reject(486)
    answer = wire.one()
    assert answer.status == 486
    assert "Authentication-Info" not in answer


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "looking glass"), ("mallory", "wonderland")]
)
def test_wrong_credentials(wire, bob, user, password):
    wrong = DigestClient({"biloxi.com": (user, password)}, tokens=counter("c"))
    prove(wire, wrong)
    answer = wire.one()
    assert answer.status == 401
    assert not any("stale" in line for line in answer.lines("WWW-Authenticate"))
    assert wire.kinds() == []


def test_a_nonce_that_has_grown_old(wire, client):
    wire.agent(authenticator=make_authenticator(lifetime=60))
    exchange = client.exchange("OPTIONS", "sip:bob@biloxi.com")
    challenge = challenge_of(wire, "OPTIONS")
    (header,) = exchange.challenged(challenge.lines("WWW-Authenticate"))
    wire.pass_until(100)
    late = wire.request("OPTIONS", branch="z9hG4bK2", number=2, headers=[": ".join(header)])
    wire.receive(late)
    answer = wire.one()
    assert answer.status == 401
    assert all("stale=true" in line for line in answer.lines("WWW-Authenticate"))
    (header,) = exchange.challenged(answer.lines("WWW-Authenticate"))
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK3", number=3, headers=[": ".join(header)]))
    assert wire.one().status == 200


def test_a_replay(wire, bob, client):
    _, request = prove(wire, client, "OPTIONS")
    assert wire.one().status == 200
    wire.receive(request)  # sent again: the transaction answers
    assert wire.one().status == 200
    wire.receive(request.replace(b"z9hG4bKsecond", b"z9hG4bKthird").replace(b"CSeq: 2", b"CSeq: 3"))
    answer = wire.one()
    assert answer.status == 401
    assert "stale=true" in answer.lines("WWW-Authenticate")[0]


def test_credentials_that_make_no_sense(wire, bob):
    bad = 'Authorization: Digest username="alice", realm="biloxi.com"'
    wire.receive(wire.request("OPTIONS", headers=[bad]))
    assert wire.one().status == 400


def test_a_cancel_is_not_challenged(wire, bob, client):
    """§22.1: it cannot be sent again with credentials."""
    prove(wire, client)
    wire.receive(wire.request("CANCEL", branch="z9hG4bKsecond", number=2, contact=None))
    assert wire.starts() == [200, 487]
    assert wire.happened[0].call.state == "Terminated"


def test_a_stray_ack_is_not_answered(wire, bob):
    wire.receive(wire.request("ACK", to="<sip:bob@biloxi.com>;tag=x"))
    wire.receive(wire.request("ACK", branch="z9hG4bKalone"))
    assert wire.sent() == []


def test_two_of_ours(pair):
    pair.bob.authenticator = make_authenticator()
    pair.bob.auto_answer = True
    pair.alice.digest = DigestClient(
        {"biloxi.com": ("alice", "wonderland")}, tokens=counter("cnonce")
    )
    call = pair.call()
    pair.run(lambda: call.state == "InDialog")
    (its,) = pair.bob.dialogs
    assert its.authenticated == "alice"
    call.terminate()
    pair.quiet()
    assert pair.count("INVITE") == 2
    assert pair.count(401) == 1


def test_two_of_ours_with_a_wrong_password(pair):
    pair.bob.authenticator = make_authenticator()
    pair.alice.digest = DigestClient({"biloxi.com": ("alice", "x")}, tokens=counter("cnonce"))
    call = pair.call()
    pair.quiet()
    assert "the password is wrong" in str(call.last_error)
    assert pair.count(401) == 2


# ---------------------------------------------------------------- parties


def test_a_party_with_passwords(listening, make_party):
    bob = listening("bob@biloxi.com").configure(authenticator={"alice": "wonderland"})
    place = NextHop("127.0.0.1", bob.contact_uri.port)
    alice = make_party("alice@atlanta.com", credentials=("alice", "wonderland"))
    call = alice.invite(bob).wait(5)
    (its,) = bob.calls
    assert its.authenticated == "alice"
    call.terminate().wait(5)
    proxy = f"{place.host}:{place.port}"
    carol = make_party("carol@atlanta.com")
    assert carol.options(bob).wait(5).status == 401
    elsewhere = make_party("dave@atlanta.com", credentials={"biloxi.com": ("dave", "x")})
    error = elsewhere.options("bob@biloxi.com", proxy)
    error.waitForStateCondition(error.settled, 5)
    assert "refused user 'dave'" in str(error.error)


def test_a_authenticator_of_its_own_is_there_before_the_agent(listening, make_party):
    authenticator = make_authenticator()
    bob = make_party("bob@biloxi.com").configure(authenticator=authenticator)
    bob.listen(None, address="127.0.0.1")
    assert bob._agent.authenticator is authenticator
    carol = make_party("carol@atlanta.com")
    assert carol.options(bob).wait(5).status == 401


def test_passwords_are_for_the_realm_of_the_host(make_party):
    bob = Party().configure(authenticator={"alice": "wonderland"})
    with pytest.raises(Incomplete):
        bob.listen(None)
    bob = make_party("bob@biloxi.com", authenticator={"alice": "wonderland"}).listen(
        None, address="127.0.0.1"
    )
    [(_, challenge)] = bob._agent.authenticator.challenge(0.0).headers[:1]
    assert 'realm="biloxi.com"' in challenge


# ---------------------------------------------------------------- nothing is kept of a challenge


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_challenge_is_sent_once_and_leaves_nothing(wire, bob, method):
    """§26.3.2.4: who sends with a false address could have others flooded."""
    wire.receive(wire.request(method))
    assert wire.one().status == 401
    assert wire.core.idle()
    wire.pass_until(60)
    assert wire.sent() == []


def test_a_request_sent_again_is_challenged_by_the_same_tag(wire, bob):
    """§8.2.7."""
    wire.receive(wire.request("INVITE"))
    wire.receive(wire.request("INVITE"))
    first, again = wire.sent()
    assert first.to.tag == again.to.tag
    wire.receive(wire.request("INVITE", branch="z9hG4bKother", call_id="c2"))
    assert wire.one().to.tag != first.to.tag


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
def test_who_is_not_here_is_told_to_nobody_unknown(wire, bob, client, method):
    wire.receive(wire.request(method, "sip:nobody@biloxi.com"))
    challenge = wire.one()
    assert challenge.status == 401
    exchange = client.exchange(method, "sip:nobody@biloxi.com", b"")
    proof = exchange.challenged(challenge.lines("WWW-Authenticate"))
    headers = [f"{name}: {value}" for name, value in proof]
    wire.receive(
        wire.request(method, "sip:nobody@biloxi.com", branch="z9hG4bK2", number=2, headers=headers)
    )
    assert wire.one().status == (405 if method == "REGISTER" else 404)


def test_a_authenticator_of_passwords_may_offer_others_first(make_party):
    bob = make_party("bob@biloxi.com")
    for algorithms in (("SHA-256", "MD5"), ("SHA-256",)):
        bob.configure(authenticator={"alice": "tea"}, authenticator_algorithms=algorithms)
        authenticator = bob._agent_now("listen").authenticator
        offered = [text for _, text in authenticator.challenge(0.0).headers]
        assert [text.rpartition("algorithm=")[2] for text in offered] == list(algorithms)
    bob.configure(names=["203.0.113.7:5070", "sip:sales@biloxi.com"])
    assert bob._agent.names == (
        (None, "203.0.113.7", 5070),
        ("sales", "biloxi.com", None),
    )
    with pytest.raises(ParseError):
        bob.configure(names=["sip:"])
