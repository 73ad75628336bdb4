"""The attempts that one request takes where it is challenged (RFC 3261 §22, RFC 7616)."""

import pytest

from sipparty.errors import CallFailed, CallRejected
from sipparty.sip import NextHop, Request
from sipparty.sip.auth import AuthenticationInfo, Credentials, DigestClient, DigestServer
from sipparty.sip.events import CallProgressed
from sipparty.sip.out_of_dialog import send_out_of_dialog

A, B, TCP = ("UDP", "10.0.0.11", 5061), ("UDP", "10.0.0.12", 5062), ("TCP", "10.0.0.11", 5061)
BOB = "sip:bob@biloxi.com"


def use(wire, *targets):
    """Have these targets found; UDP last where the request is large."""

    def give(wanted):
        left = [target for target in targets if target not in wanted.tried]
        transport, *remote = min(left, key=lambda target: wanted.reliable and target[0] == "UDP")
        flow = wire.flow_by(transport=transport, remote=tuple(remote))
        wire.core.flow_found(wanted, flow, wire.now)

    wire.give_flow = give


def send(wire, agent, method="OPTIONS", **headers):
    return send_out_of_dialog(agent, Request(method, BOB, headers), NextHop("biloxi.com"))


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


PASSWORDS = {"alice": "wonderland"}


def counter(prefix):
    made = iter(range(1_000_000))
    return lambda: f"{prefix}{next(made):08}"


def authenticator(realm="biloxi.com", **options):
    options.setdefault("secret", realm.encode().ljust(32, b"."))
    return DigestServer(
        realm,
        lambda user, realm: PASSWORDS.get(user),
        tokens=counter(realm),
        **options,
    )


@pytest.fixture
def knows(wire):
    """Make alice, who has accounts: `knows({"biloxi.com": ("alice", "wonderland")})`."""

    def make(accounts=None, **options):
        if accounts is None and "default" not in options:
            accounts = {"biloxi.com": ("alice", "wonderland")}
        return wire.agent(
            "sip:alice@atlanta.com",
            digest=DigestClient(accounts, tokens=counter("cnonce"), **options),
        )

    return make


def challenge(wire, request, *servers, **options):
    """The answer of a server, or of several behind a fork, that asks for credentials."""
    verdicts = [server.challenge(wire.now, **options) for server in servers]
    headers = [pair for verdict in verdicts for pair in verdict.headers]
    return wire.answer(request, verdicts[0].status, contact=None, headers=headers)


def admits(wire, server, request):
    """Whether a server lets a request in."""
    lines = request.lines(server.credentials_name)
    verdict = server.verify(lines, request.method, request.body, now=wire.now)
    return getattr(verdict, "username", None) == "alice" and not hasattr(verdict, "headers")


def nonce_count(request, name="Authorization"):
    (line,) = request.lines(name)
    return int(Credentials.parse(line).nc, 16)


def test_a_challenged_call(wire, knows):
    server = authenticator()
    alice = knows()
    routes = ("<sip:p1.atlanta.com;lr>", "<sip:p2.atlanta.com;lr>")
    call, first = wire.invite(alice, BOB, routes=routes, headers=[("X-Test", "kept")])
    assert "Authorization" not in first
    wire.receive(challenge(wire, first, server))
    ack, second = wire.sent()
    # The ACK of the refused attempt: its own transaction, its To tag, nothing to prove.
    assert (ack.method, ack.via.branch, ack.to.tag) == ("ACK", first.via.branch, "b1")
    assert (ack.cseq.number, "Authorization" in ack) == (first.cseq.number, False)
    # §22.2: a new request in the same call.
    assert second.cseq.number == first.cseq.number + 1
    assert second.via.branch != first.via.branch
    assert second.to.tag is None
    for name in ("From", "To", "Call-ID", "Route", "Contact", "Max-Forwards", "X-Test"):
        assert second.lines(name) == first.lines(name)
    assert second.uri_text == first.uri_text
    assert admits(wire, server, second)
    assert call.state == "InitiatingDialog"

    wire.receive(wire.answer(second, 180))
    wire.receive(wire.answer(second, 200, headers=[("Record-Route", "<sip:10.0.0.9;lr>")]))
    assert [type(event) for event in wire.happened].count(CallProgressed) == 1
    ack = wire.one()
    # §22.1: an ACK cannot be challenged; it brings what the INVITE was admitted with.
    assert ack.cseq.number == second.cseq.number
    assert ack.lines("Authorization") == second.lines("Authorization")

    call.terminate()
    bye = wire.one()
    assert bye.cseq.number == second.cseq.number + 1
    assert nonce_count(bye) == 2
    assert admits(wire, server, bye)
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


def test_a_challenged_request(wire, knows):
    server = authenticator()
    asked = send(wire, knows(), "MESSAGE", CSeq="41 MESSAGE", Route="<sip:biloxi.com;lr>")
    first = wire.one()
    wire.receive(challenge(wire, first, server))
    second = wire.one()
    assert second.cseq.number == 42
    assert second["Route"] == first["Route"]
    assert second.to.tag is None
    assert admits(wire, server, second)
    wire.receive(wire.answer(second, 202))
    assert asked.wait(0).status == 202
    wire.over()


def test_a_proxy_and_the_server_behind_it(wire, knows):
    proxy, server = authenticator("atlanta.com", proxy=True), authenticator("biloxi.com")
    account = ("alice", "wonderland")
    call, invite = wire.invite(knows({"atlanta.com": account, "biloxi.com": account}), BOB)
    wire.receive(challenge(wire, invite, proxy))
    _, second = wire.sent()
    assert admits(wire, proxy, second)
    assert "Authorization" not in second
    wire.receive(challenge(wire, second, server))
    _, third = wire.sent()
    assert third.cseq.number == invite.cseq.number + 2
    assert admits(wire, proxy, third)
    assert nonce_count(third, "Proxy-Authorization") == 2
    assert admits(wire, server, third)
    wire.receive(wire.answer(third, 200, headers=[("Record-Route", "<sip:biloxi.com;lr>")]))
    ack = wire.one()
    for name in ("Authorization", "Proxy-Authorization"):
        assert ack.lines(name) == third.lines(name) != []
    call.terminate()
    bye = wire.one()
    assert admits(wire, proxy, bye)
    assert admits(wire, server, bye)


def test_both_at_once(wire, knows):
    """RFC 8760 §2.5: a proxy that forks may pass on the challenges of several."""
    proxy, server = authenticator("atlanta.com", proxy=True), authenticator("biloxi.com")
    asked = send(wire, knows(default=("alice", "wonderland")))
    wire.receive(challenge(wire, wire.one(), proxy, server))
    request = wire.one()
    assert admits(wire, proxy, request)
    assert admits(wire, server, request)
    assert asked.state == "Waiting"


def test_a_wrong_password(wire, knows):
    server = authenticator()
    call, invite = wire.invite(knows({"biloxi.com": ("alice", "looking glass")}), BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    wire.receive(challenge(wire, second, server))
    assert wire.starts() == ["ACK"]  # and no third INVITE
    error = call.last_error
    assert isinstance(error, CallRejected)
    assert str(error) == (
        "The realm 'biloxi.com' refused user 'alice': the user or the password is wrong."
    )
    assert (error.status, error.response.status) == (401, 401)
    wire.over()


def test_a_wrong_password_for_a_request(wire, knows):
    server = authenticator()
    asked = send(wire, knows({"biloxi.com": ("alice", "looking glass")}))
    wire.receive(challenge(wire, wire.one(), server))
    wire.receive(challenge(wire, wire.one(), server))
    with pytest.raises(CallRejected, match="the user or the password is wrong"):
        asked.wait(0)
    wire.over()


@pytest.mark.parametrize("status", [401, 407])
def test_without_credentials_the_challenge_is_the_outcome(wire, alice, status):
    asked = send(wire, alice)
    wire.receive(challenge(wire, wire.one(), authenticator(proxy=status == 407)))
    assert asked.wait(0).status == status
    call, invite = wire.invite(alice, BOB)
    wire.receive(challenge(wire, invite, authenticator(proxy=status == 407)))
    assert wire.starts() == ["ACK"]
    assert (type(call.last_error), call.last_error.status) == (CallRejected, status)


def test_another_realm_gets_nothing(wire, knows):
    call, invite = wire.invite(knows({"atlanta.com": ("alice", "wonderland")}), BOB)
    wire.receive(challenge(wire, invite, authenticator("biloxi.com")))
    assert wire.starts() == ["ACK"]
    assert str(call.last_error) == (
        "No challenge to INVITE sip:bob@biloxi.com can be answered: "
        "no account for realm 'biloxi.com'."
    )
    assert call.last_error.status == 401


def test_a_challenge_that_says_nothing(wire, knows):
    asked = send(wire, knows())
    answer = wire.answer(wire.one(), 401, headers=[("X-Challenge", "Digest ,,=")])
    wire.receive(answer.replace(b"X-Challenge", b"WWW-Authenticate"))
    assert asked.error.status == 401
    assert wire.sent() == []


def test_accounts_that_cannot_be_looked_up(wire, knows):
    def fail(realm):
        raise OSError("the keyring is locked")

    call, invite = wire.invite(knows(fail), BOB)
    wire.receive(challenge(wire, invite, authenticator()))
    assert wire.starts() == ["ACK"]
    assert str(call.last_error) == "The credentials could not be had: the keyring is locked"
    assert isinstance(call.last_error.__cause__, OSError)
    wire.over()


def test_a_nonce_that_has_grown_old(wire, knows):
    server = authenticator(lifetime=60)
    call, invite = wire.invite(knows(), BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    wire.receive(wire.answer(second, 200))
    wire.sent()
    wire.pass_until(100)
    call.terminate()
    bye = wire.one()
    assert not admits(wire, server, bye)
    wire.receive(challenge(wire, bye, server, stale=True))
    again = wire.one()
    assert again.cseq.number == bye.cseq.number + 1
    assert again.to == bye.to
    assert admits(wire, server, again)
    wire.receive(wire.answer(again, 200))
    assert call.state == "Terminated"


def test_a_call_given_up_is_not_tried_again(wire, knows):
    alice = knows()
    call, invite = wire.invite(alice, BOB)
    call.terminate()
    wire.receive(challenge(wire, invite, authenticator()))
    assert wire.starts() == ["ACK"]
    assert call.state == "Terminated"
    asked = send(wire, alice, "INVITE")
    invite = wire.one()
    asked.cancel()
    wire.receive(challenge(wire, invite, authenticator()))
    assert asked.wait(0).status == 401
    assert wire.starts() == ["ACK"]
    wire.over()


def test_a_call_given_up_while_it_proves_itself(wire, knows):
    call, invite = wire.invite(knows(), BOB)
    wire.receive(wire.answer(invite, 100))
    wire.receive(challenge(wire, invite, authenticator()))
    _, second = wire.sent()
    call.terminate()
    assert wire.sent() == []  # the second INVITE has no response yet
    wire.receive(wire.answer(second, 100))
    cancel = wire.one()
    assert (cancel.method, cancel.via.branch) == ("CANCEL", second.via.branch)
    assert cancel.cseq.number == second.cseq.number
    assert cancel.to.tag is None
    # §22.1: a CANCEL cannot be challenged, and has nothing to prove.
    assert "Authorization" not in cancel
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(second, 487))
    assert call.state == "Terminated"
    wire.over()


def test_numbers_stay_in_order_within_a_dialog(wire, knows):
    server = authenticator()
    call, invite = wire.invite(knows(), BOB)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    info = call.send("INFO")
    first = wire.one()
    wire.receive(challenge(wire, first, server))
    second = wire.one()
    assert second.cseq.number == first.cseq.number + 1
    assert second.to.tag == "b1"
    assert admits(wire, server, second)
    wire.receive(wire.answer(second, 200))
    assert info.wait(0).status == 200
    call.terminate()
    assert wire.one().cseq.number == second.cseq.number + 1


def test_another_server_has_nonces_of_its_own(wire, knows):
    """One target has the credentials accepted and fails; the next one asks again."""
    use(wire, A, B)
    servers = [authenticator(), authenticator(secret=b"another" * 5)]
    asked = send(wire, knows())
    wire.receive(challenge(wire, wire.one(), servers[0]))
    second = wire.one()
    wire.receive(wire.answer(second, 503))
    third, flow = wire.way()
    assert (flow.remote, third.cseq.number) == (B[1:], second.cseq.number)
    assert nonce_count(third) == 2  # no count twice: the two may share what they remember
    wire.receive(challenge(wire, third, servers[1]))
    fourth, flow = wire.way()
    assert (flow.remote, fourth.cseq.number) == (B[1:], third.cseq.number + 1)
    assert admits(wire, servers[1], fourth)
    wire.receive(wire.answer(fourth, 200))
    assert asked.wait(0).status == 200


def test_the_next_nonce_is_taken_once(wire, knows):
    """The 200 comes again; the count of the nonce that it brought goes on."""
    server = authenticator()
    call, invite = wire.invite(knows(), BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    info = ("Authentication-Info", 'nextnonce="fresh"')
    success = wire.answer(second, 200, headers=[info])
    wire.receive(success)
    wire.receive(success)
    assert wire.starts() == ["ACK", "ACK"]
    call.send("INFO")
    assert nonce_count(wire.one()) == 1
    wire.receive(success)
    wire.sent()
    call.send("INFO")
    assert nonce_count(wire.one()) == 2


def proof(server, wire, request, wrong=False):
    lines = request.lines("Authorization")
    verdict = server.verify(lines, request.method, request.body, now=wire.now)
    name, value = server.authentication_info(verdict, wire.now)
    if wrong:
        info = AuthenticationInfo.parse(value)
        value = value.replace(info.rspauth, "0" * 64)
    return [(name, value)]


@pytest.mark.parametrize("wrong", [False, True])
def test_the_server_proves_itself_too(wire, knows, wrong):
    server = authenticator()
    asked = send(wire, knows())
    wire.receive(challenge(wire, wire.one(), server))
    request = wire.one()
    wire.receive(wire.answer(request, 200, headers=proof(server, wire, request, wrong)))
    if wrong:
        with pytest.raises(CallFailed, match="The rspauth of Authentication-Info is wrong"):
            asked.wait(0)
        assert asked.error.response.status == 200
    else:
        assert asked.wait(0).status == 200
    wire.over()


@pytest.mark.parametrize("status", [300, 404])
def test_a_proof_of_a_failure_is_of_no_use(wire, knows, status):
    server = authenticator()
    asked = send(wire, knows())
    wire.receive(challenge(wire, wire.one(), server))
    request = wire.one()
    wire.receive(wire.answer(request, status, headers=proof(server, wire, request, wrong=True)))
    assert asked.wait(0).status == status


def test_a_call_answered_by_an_impostor(wire, knows):
    server = authenticator()
    call, invite = wire.invite(knows(), BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    wire.receive(wire.answer(second, 200, headers=proof(server, wire, second, wrong=True)))
    assert wire.starts() == ["ACK", "BYE"]
    assert call.state == "Error"
    assert "rspauth" in str(call.last_error)


def test_information_that_makes_no_sense_is_passed_over(wire, knows):
    server = authenticator()
    call, invite = wire.invite(knows(), BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    answer = wire.answer(second, 200, headers=[("X-Info", "?? ,=")])
    wire.receive(answer.replace(b"X-Info", b"Authentication-Info"))
    assert call.state == "InDialog"
    assert wire.starts() == ["ACK"]


def test_each_branch_of_a_fork_has_its_ack_with_credentials(wire, knows):
    server = authenticator()
    alice = knows()
    alice.keep_forks = True
    call, invite = wire.invite(alice, BOB)
    wire.receive(challenge(wire, invite, server))
    _, second = wire.sent()
    wire.receive(wire.answer(second, 200, tag="one"))
    wire.receive(wire.answer(second, 200, tag="two"))
    acks = wire.sent()
    assert [ack.to.tag for ack in acks] == ["one", "two"]
    for ack in acks:
        assert ack.lines("Authorization") == second.lines("Authorization")
    wire.receive(wire.answer(second, 200, tag="two"))
    assert wire.one().lines("Authorization") == second.lines("Authorization")
    for one in (call, *call.forks):
        one.terminate()
        wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_credentials_may_make_it_large(wire, knows):
    use(wire, A, TCP)
    server = authenticator()
    _, first = wire.invite(knows(), BOB, headers=[("X-Large", "x" * 650)])
    assert first.via.transport == "UDP"
    wire.receive(challenge(wire, first, server))
    ack, second = wire.sent()
    assert (ack.via.transport, second.via.transport) == ("UDP", "TCP")
    assert second.cseq.number == first.cseq.number + 1
    assert admits(wire, server, second)
    assert nonce_count(second) == 1
