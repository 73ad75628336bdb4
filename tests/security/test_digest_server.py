"""Attacks on a party with an authenticator: each is an exploit, and fails."""

from __future__ import annotations

import logging
import socket

import pytest

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Message
from sipparty.sip.admission import read_name
from sipparty.sip.auth import Challenge
from sipparty.sip.events import AttackDetected, CallReceived

from ..faults.raw import LOOPBACK, catch_up, dial
from .digest import REALM, Server, make_authenticator, prove

HOME = "sip:bob@biloxi.com"


# ---------------------------------------------------------------- proofs for another server


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
@pytest.mark.parametrize(
    "uri",
    [
        "sip:mallory@evil.com",
        "sip:bob@evil.com",
        "sip:bob@notbiloxi.com",
        "sip:bob@10.0.0.9",
        "sip:bob@10.0.0.1:6666",
        "sip:carol@biloxi.com",
        "sip:evil.com",
        "tel:+15551234567",
        "x",
    ],
)
def test_a_proof_that_was_relayed(method: str, uri: str) -> None:
    """Alice calls mallory, who has bob challenge mallory, hands alice the challenge, and brings
    bob what alice answered: right, but made for mallory.
    """
    server = Server()
    credentials = prove(server.offer(), method, uri)
    answer = server.ask(method, [credentials])
    assert (answer.status, answer.reason) == (400, "Credentials Are For Another URI")
    assert server.counters()["relay"] == 1
    assert CallReceived not in server.wire.kinds()
    assert set(server.bob.dialogs) == set()
    server.wire.over()


@pytest.mark.parametrize("uri", ["sip:bob@evil.com", "sip:bob@198.51.100.66"])
def test_a_relay_says_in_the_request_what_the_proof_says(uri: str) -> None:
    """Mallory calls himself bob, elsewhere; a request that names him there still is for bob here,
    as the only one there is.
    """
    server = Server()
    credentials = prove(server.offer(), "INVITE", uri)
    assert server.ask("INVITE", [credentials], uri=uri).status == 400
    assert set(server.bob.dialogs) == set()


def test_a_relay_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """At once, as no stranger can make it up: the proof is right, and its nonce is ours."""
    server = Server()
    with caplog.at_level(logging.WARNING, "sipparty.security"):
        server.ask("OPTIONS", [prove(server.offer(), "OPTIONS", "sip:bob@evil.com")])
    (event,) = [one for one in server.wire.happened if isinstance(one, AttackDetected)]
    assert (event.kind, event.source, event.proven) == ("relay", "10.0.0.9", True)
    assert "attack kind=relay source=10.0.0.9" in caplog.text


@pytest.mark.parametrize("changes", [{"password": "no"}, {"nonce": "made up"}])
def test_what_is_no_proof_is_no_relay(changes: dict[str, str]) -> None:
    """Nobody can have others accused, nor learn from the answer whether a password is right."""
    server = Server()
    credentials = prove(server.offer(), "OPTIONS", "sip:bob@evil.com", **changes)
    answer = server.ask("OPTIONS", [credentials])
    assert (answer.status, answer.reason) == (400, "Credentials Are For Another URI")
    assert server.counters()["relay"] == server.counters()["guessing"] == 0


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        (HOME, HOME),
        ("sip:bob@BILOXI.com", HOME),
        ("sip:b%6fb@biloxi.com;user=phone", HOME),
        ("sips:bob@biloxi.com", HOME),
        ("sip:bob@biloxi.com:5060;transport=udp", HOME),
        ("sip:bob@sip.biloxi.com", HOME),
        ("sip:biloxi.com", HOME),
        # A proxy has put the contact in the place of the address, or nobody has.
        (HOME, "sip:bob@10.0.0.1"),
        ("sip:bob@10.0.0.1", "sip:bob@10.0.0.1"),
        ("sip:bob@10.0.0.1:5060", "sip:bob@10.0.0.1:5060"),
        ("sip:10.0.0.1:5060", "sip:bob@10.0.0.1:5060"),
    ],
)
def test_a_proof_for_what_bob_is_called(uri: str, asked: str) -> None:
    server = Server()
    answer = server.ask("OPTIONS", [prove(server.offer(), "OPTIONS", uri)], uri=asked)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("address", "uri", "status"),
    [
        ("sip:bob@192.0.2.50", "sip:bob@192.0.2.50:5060", 200),
        ("sip:bob@192.0.2.50", "sip:bob@192.0.2.50", 200),
        ("sip:bob@192.0.2.50", "sip:bob@192.0.2.50:5061", 400),
        ("sip:bob@192.0.2.50", "sip:bob@192.0.2.51:5060", 400),
        ("sip:bob@192.0.2.50:5080", "sip:bob@192.0.2.50:5080", 200),
        ("sip:bob@192.0.2.50:5080", "sip:bob@192.0.2.50:5090", 400),
        ("sip:bob@192.0.2.50", "sip:bob@x.192.0.2.50", 400),
        ("sip:bob@[2001:db8::1]", "sip:bob@[2001:DB8:0::1]:5060", 200),
        ("sip:bob@[2001:db8::1]", "sip:2001:db8::1:5060", 200),
        ("sip:bob@[2001:db8::1]", "sip:bob@[2001:db8::2]:5060", 400),
    ],
)
def test_an_address_of_record_that_is_an_address(address: str, uri: str, status: int) -> None:
    """Another port of it may be somebody else's."""
    server = Server(agent=address)
    credentials = prove(server.offer(), "OPTIONS", uri)
    assert server.ask("OPTIONS", [credentials]).status == status


@pytest.mark.parametrize("uris", [["sip:sales@biloxi.com"], lambda uri: "sales" in uri])
def test_another_name_that_requests_are_forwarded_from(uris: object) -> None:
    server = Server(uris=uris)
    for uri, status in (("sip:sales@biloxi.com", 200), ("sip:bob@evil.com", 400)):
        assert server.ask("OPTIONS", [prove(server.offer(), "OPTIONS", uri)]).status == status


def test_names_of_the_party(caplog: pytest.LogCaptureFixture) -> None:
    """A public address, and an address that is forwarded; others stay others."""
    server = Server()

    def status(uri: str, asked: str = HOME) -> int:
        proof = prove(server.offer(), "OPTIONS", uri)
        answer: int = server.ask("OPTIONS", [proof], uri=asked).status
        return answer

    public = "sip:bob@203.0.113.7:5070"
    with caplog.at_level(logging.WARNING, "sipparty.security"):
        assert status(public, public) == 400
    assert f"'{public}', which is not here" in caplog.text
    assert "configure(names=[...])" in caplog.text
    names = ("203.0.113.7", "sip:sales@biloxi.com", "pc33.example.net:5062", "[2001:db8::7]")
    server.bob.names = tuple(read_name(name) for name in names)
    for uri in (
        *(public, "sip:203.0.113.7", "sip:sales@biloxi.com", "sip:bob@PC33.example.net"),
        *("sip:bob@pc33.example.net:5062", "sip:bob@[2001:DB8:0::7]:5060"),
    ):
        assert status(uri) == 200
        # It is let in; who "sales" is, the directory says.
        assert status(uri, uri) == (404 if "sales" in uri else 200)
    for uri in (
        *("sip:carol@203.0.113.7", "sip:bob@evil.com", "sip:sales@evil.com"),
        *("sip:sales@203.0.113.7", "sip:bob@pc33.example.net:6666", "sip:bob@203.0.113.8"),
    ):
        assert status(uri) == 400
    assert status("sip:bob@evil.com", "sip:bob@evil.com") == 400


# ---------------------------------------------------------------- requests for nobody


def both() -> tuple[Server, str]:
    """Bob of biloxi.com and carol of chicago.com at one address, each with an authenticator."""
    server = Server()
    server.wire.agent(
        "sip:carol@chicago.com", authenticator=make_authenticator(realm="chicago.com")
    )
    return server, "sip:nobody@10.0.0.1"


@pytest.mark.parametrize("realm", ["biloxi.com", "chicago.com"])
def test_one_of_several_authenticators_is_enough(realm: str) -> None:
    """To hear that somebody is not here, an account with one of those who are will do."""
    server, uri = both()
    answer = server.ask("MESSAGE", uri=uri, headers=[f"X-Long: {'x' * 999}"])
    assert answer.status == 401
    offers = [Challenge.parse(text) for text in answer.lines("WWW-Authenticate")]
    (offer,) = [one for one in offers if one.realm == realm and one.algorithm == "MD5"]
    assert server.ask("OPTIONS", [prove(str(offer), "OPTIONS", uri)], uri=uri).status == 404


def test_a_wrong_password_with_several_authenticators() -> None:
    server, uri = both()
    offer = server.ask(uri=uri).lines("WWW-Authenticate")[0]
    wrong = prove(offer, "OPTIONS", uri, password="x")
    assert server.ask(credentials=[wrong], uri=uri).status == 401
    assert server.counters()["guessing"] == 1
    answer = server.ask(uri="sip:nobody@chicago.com")
    assert answer.lines("WWW-Authenticate")[0].startswith('Digest realm="chicago.com"')


# ---------------------------------------------------------------- proofs with less than was asked


@pytest.mark.parametrize(
    ("offered", "sent"),
    [(["auth"], ""), (["auth-int"], ""), (["auth-int"], "auth"), (["auth", "auth-int"], "")],
)
def test_the_quality_of_protection_is_taken_out(offered: list[str], sent: str) -> None:
    """One in between takes qop out of a challenge: then the body is not protected, and the same
    password gives the same answer to the same nonce.
    """
    server = Server(qop=offered)
    answer = server.ask("OPTIONS", [prove(server.offer(), "OPTIONS", HOME, qop=sent)])
    assert answer.status == 400


def test_old_phones_may_be_let_in_without_it() -> None:
    server = Server(without_qop=True)
    credentials = prove(server.offer(), "OPTIONS", HOME, qop="")
    assert server.ask("OPTIONS", [credentials]).status == 200
    assert server.ask("OPTIONS", [credentials]).status == 401  # once
    protected = Server(without_qop=True, qop=["auth-int"])
    credentials = prove(protected.offer(), "OPTIONS", HOME, qop="")
    assert protected.ask("OPTIONS", [credentials]).status == 400


def test_a_body_is_changed_on_its_way() -> None:
    server = Server(qop=["auth-int"])
    server.bob.handle_method("MESSAGE")
    credentials = prove(server.offer(), "MESSAGE", HOME, qop="auth-int", body=b"pay bob")
    changed = {"body": b"pay mallory", "kind": "text/plain"}
    assert server.ask("MESSAGE", [credentials], **changed).status == 401
    assert server.wire.kinds() == []
    assert server.ask("MESSAGE", [credentials], body=b"pay bob", kind="text/plain") is None


def test_an_algorithm_that_was_not_offered() -> None:
    server = Server(algorithms=["SHA-256"])
    weak = server.offer("SHA-256").replace("SHA-256", "MD5")
    assert server.ask("OPTIONS", [prove(weak, "OPTIONS", HOME)]).status == 401


# ---------------------------------------------------------------- proofs that were seen, or made up


def test_a_proof_is_used_again() -> None:
    server = Server()
    credentials = prove(server.offer(), "OPTIONS", HOME)
    assert server.ask("OPTIONS", [credentials]).status == 200
    again = server.ask("OPTIONS", [credentials])
    assert again.status == 401
    assert Challenge.parse(again.lines("WWW-Authenticate")[0]).stale
    assert server.counters()["guessing"] == 0  # whoever has seen it need not guess


def test_a_proof_is_used_for_another_request() -> None:
    server = Server()
    credentials = prove(server.offer(), "OPTIONS", HOME)
    assert server.ask("INVITE", [credentials]).status == 401
    assert set(server.bob.dialogs) == set()


@pytest.mark.parametrize(
    "nonce",
    ["", "x", "AAAA", "A" * 32, "A" * 44, "=" * 9, "\u00e9", "-" * 5000],
)
def test_a_nonce_is_made_up(nonce: str) -> None:
    server = Server()
    credentials = prove(server.offer(), "INVITE", HOME, nonce=nonce or "0")
    assert server.ask("INVITE", [credentials]).status == 401
    assert set(server.bob.dialogs) == set()


def test_each_bit_of_a_nonce_is_ours() -> None:
    server = Server()
    offer = server.offer()
    nonce = Challenge.parse(offer).nonce
    for at in range(len(nonce)):
        other = nonce[:at] + ("A" if nonce[at] != "A" else "B") + nonce[at + 1 :]
        credentials = prove(offer, "OPTIONS", HOME, nonce=other)
        assert server.ask("OPTIONS", [credentials]).status == 401


def test_a_nonce_of_another_realm() -> None:
    """A server of two realms: what is right in one is worth nothing in the other."""
    server = Server(realm=[REALM, "atlanta.com"])
    other = server.bob.authenticator.challenge(0.0, realm="atlanta.com").headers[0][1]
    credentials = prove(other, "OPTIONS", HOME)
    assert server.ask("OPTIONS", [credentials]).status == 401
    moved = prove(other.replace("atlanta.com", REALM), "OPTIONS", HOME)
    assert server.ask("OPTIONS", [moved]).status == 401


@pytest.mark.parametrize("nc", ["ffffffff", "7fffffff", "00010000"])
def test_a_huge_count(nc: str) -> None:
    """It is one's own nonce that is used up."""
    server = Server()
    offer = server.offer()
    assert server.ask("OPTIONS", [prove(offer, "OPTIONS", HOME, nc=nc)]).status == 200
    for number in (nc, "00000001", "00000002"):
        answer = server.ask("OPTIONS", [prove(offer, "OPTIONS", HOME, nc=number)])
        assert answer.status == 401
    assert server.ask("OPTIONS", [prove(server.offer(), "OPTIONS", HOME)]).status == 200


@pytest.mark.parametrize(
    "bad",
    [
        {"nc": "00000000"},
        {"nc": "100000000"},
        {"nc": "-0000001"},
        {"nc": "0x000001"},
        {"nc": "\u0661"},
        {"qop": "none"},
        {"username*": "UTF-8''alice"},
        {"cnonce": None},
        {"response": None},
    ],
)
def test_what_makes_no_sense(bad: dict[str, str | None]) -> None:
    server = Server()
    changes = dict(bad)
    text = prove(server.offer(), "OPTIONS", HOME, **changes)
    assert server.ask("OPTIONS", [text]).status == 400


def test_a_parameter_comes_twice() -> None:
    """Two readers could see two different users."""
    server = Server()
    text = prove(server.offer(), "OPTIONS", HOME)
    for more in ('username="carol"', f'uri="{HOME}"', 'realm="x"', "nc=00000002", 'NONCE="n"'):
        assert server.ask("OPTIONS", [f"{text}, {more}"]).status == 400


def test_no_answer_repeats_what_came() -> None:
    """What is in credentials cannot begin a line of the answer, nor stand in one."""
    server = Server()
    text = prove(server.offer(), "OPTIONS", HOME)
    for mark in ('evil\\"', "evil\\\\\r\n X: evil", "evil\x1b[2J", "evil\u00e9"):
        for name in ("username", "uri", "nonce", "cnonce", "response", "algorithm", "qop"):
            before, found, rest = text.partition(f"{name}=")
            _, comma, rest = rest.partition(",")
            answer = server.ask("OPTIONS", [f'{before}{found}"{mark}"{comma}{rest}'])
            assert answer.status in (400, 401, 480)
            assert b"evil" not in bytes(answer)


# ---------------------------------------------------------------- guessing


def guess(server: Server, offer: str, number: int, **changes: str) -> int:
    changes.setdefault("password", f"guess{number}")
    source = changes.pop("source", "")
    credentials = prove(offer, "OPTIONS", HOME, nc=f"{number + 1:08x}", **changes)
    status: int = server.ask("OPTIONS", [credentials], source=source).status
    return status


def test_a_thousand_guesses_a_second() -> None:
    """Ten are looked at; then not even the right one is, for three seconds each."""
    looked: list[str] = []
    server = Server(lookup=lambda user, realm: looked.append(user) or "wonderland")
    offer = server.offer()
    answers = [guess(server, offer, number) for number in range(1000)]
    assert answers == [401] * 10 + [480] * 990
    assert looked == ["alice"] * 10
    assert guess(server, offer, 1000, password="wonderland") == 480
    server.wire.pass_until(2.5)
    assert guess(server, offer, 1002, password="wonderland") == 480
    server.wire.pass_until(3.5)
    # One more, which is the right one.
    assert guess(server, offer, 1001, password="wonderland") == 200
    assert len(looked) == 11


def test_who_is_made_to_wait_is_told_for_how_long() -> None:
    server = Server()
    offer = server.offer()
    for number in range(11):
        guess(server, offer, number)
    answer = server.ask("OPTIONS", [prove(offer, "OPTIONS", HOME)])
    assert answer.status == 480
    assert answer["Retry-After"] == "3"
    assert "WWW-Authenticate" not in answer


def test_guesses_are_counted_and_told_of() -> None:
    server = Server()
    offer = server.offer()
    for number in range(20):
        guess(server, offer, number)
    assert server.counters()["guessing"] == 20
    events = [one for one in server.wire.happened if isinstance(one, AttackDetected)]
    assert [one.count for one in events] == [5, 10, 20]
    assert {(one.kind, one.source, one.proven) for one in events} == {
        ("guessing", "10.0.0.9", True)
    }
    assert all(one.agent is server.bob for one in events)


@pytest.mark.parametrize("how", ["made up", "sent to another", "old"])
def test_a_false_address_is_not_proven(how: str) -> None:
    """Who sends with an address of others' has them accused, but not proven guilty."""
    server = Server(lifetime=60)
    source = "10.0.0.66" if how == "sent to another" else ""
    offer = server.offer(source=source)
    if how == "old":
        server.wire.pass_until(100)
    changes = {"nonce": "made up"} if how == "made up" else {}
    for number in range(5):
        guess(server, offer, number, **changes)
    (event,) = [one for one in server.wire.happened if isinstance(one, AttackDetected)]
    assert (event.kind, event.source, event.proven) == ("guessing", "10.0.0.9", False)


def test_what_is_no_guess() -> None:
    """No credentials, none that is for us, and one whose nonce has grown old."""
    server = Server(lifetime=60)
    offer = server.offer()
    server.wire.pass_until(100)
    for number in range(20):
        assert guess(server, offer, number, password="wonderland") == 401  # stale
        server.ask("OPTIONS", [offer.replace("biloxi", "atlanta")])
    assert server.counters()["guessing"] == 0
    assert guess(server, server.offer(), 0, password="wonderland") == 200


def test_others_at_the_same_address_get_in() -> None:
    """Behind a NAT, one guesses at alice's password; carol knows her own."""
    server = Server()
    offer = server.offer()
    for number in range(100):
        guess(server, offer, number)
    assert guess(server, server.offer(), 0, user="carol", password="christmas") == 200


def test_who_has_proved_it_goes_on() -> None:
    """Alice is in, and one behind the same NAT guesses at her password; her nonce is her own."""
    server = Server()
    hers = server.offer()
    assert guess(server, hers, 0, password="wonderland") == 200
    offer = server.offer()
    assert 480 in [guess(server, offer, number) for number in range(100)]
    assert guess(server, hers, 1, password="wonderland") == 200
    # But with carol's nonce nobody guesses at alice's.
    carols = server.offer()
    assert guess(server, carols, 0, user="carol", password="christmas") == 200
    assert guess(server, carols, 1) == 480


def test_others_elsewhere_are_not_locked_out() -> None:
    server = Server()
    offer = server.offer()
    for number in range(100):
        guess(server, offer, number)
    offer = server.offer(source="10.0.0.66")
    assert guess(server, offer, 0, password="wonderland", source="10.0.0.66") == 200


def test_guesses_that_come_together() -> None:
    """Many in one request, before one's own right password: each counts."""
    server = Server()
    offer = server.offer()
    wrong = [prove(offer, "OPTIONS", HOME, password=f"guess{n}") for n in range(7)]
    right = prove(offer, "OPTIONS", HOME, user="carol")
    assert server.ask("OPTIONS", [*wrong, right]).status == 200
    assert server.counters()["guessing"] == 7
    assert server.ask("OPTIONS", [*wrong]).status == 401
    assert server.counters()["guessing"] == 14
    assert server.ask("OPTIONS", [*wrong]).status == 480


def test_users_that_are_made_up_cost_nothing() -> None:
    """Neither memory without end, nor the place of the one whose password is guessed at."""
    server = Server()
    offer = server.offer()
    for number in range(12):
        guess(server, offer, number)
    limit = server.bob.authenticator._limit
    for number in range(limit.MAX_PAIRS - 1):
        limit.count("10.0.0.9", f"user{number}", 0.0)
    assert len(limit._until) == limit.MAX_PAIRS
    assert guess(server, offer, 12) == 480
    limit.count("10.0.0.9", "one more", 0.0)
    assert len(limit._until) == limit.MAX_PAIRS


def test_a_network_of_ipv6_is_one_source() -> None:
    """A host has 2**64 addresses of its own."""
    server = Server()
    answers = []
    for number in range(20):
        source = f"2001:db8:1:2::{number:x}"
        answers.append(guess(server, server.offer(source=source), 0, source=source))
    assert 480 in answers
    assert guess(server, server.offer(source="2001:db8:1:3::1"), 0, source="2001:db8:1:3::1") == (
        401
    )


@pytest.mark.parametrize("user", ["ALICE", "Alice"])
def test_a_name_in_another_case_is_no_other_user(user: str) -> None:
    server = Server(lookup=lambda name, realm: "x" if name.lower() == "alice" else None)
    offer = server.offer()
    for number in range(12):
        guess(server, offer, number)
    assert guess(server, offer, 13, user=user) == 480


@pytest.mark.parametrize("how", ["made up", "sent to another", "old"])
def test_forged_guesses_lock_nobody_out(how: str) -> None:
    """Datagrams in the name of alice's address: they have no nonce that went there."""
    server = Server(lifetime=60)
    forged = server.offer(source="10.0.0.66" if how == "sent to another" else "")
    if how == "old":
        server.wire.pass_until(100)
    changes = {"nonce": "made up"} if how == "made up" else {}
    for number in range(200):
        assert guess(server, forged, number, **changes) == 401
    assert guess(server, server.offer(), 0, password="wonderland") == 200


def test_an_old_nonce_is_not_refused_for_forged_guesses() -> None:
    """Alice is asked again, and told that only the nonce was wrong; it was not looked at."""
    looked: list[str] = []
    server = Server(lifetime=60, lookup=lambda user, realm: looked.append(user) or "wonderland")
    hers = server.offer()
    server.wire.pass_until(100)
    for number in range(200):
        guess(server, hers, number, nonce="made up")
    assert len(looked) == 10
    answer = server.ask("OPTIONS", [prove(hers, "OPTIONS", HOME)])
    assert answer.status == 401
    (again, *_) = answer.lines("WWW-Authenticate")
    assert Challenge.parse(again).stale
    assert len(looked) == 10
    assert guess(server, again, 0, password="wonderland") == 200


def test_one_password_for_each_user() -> None:
    """A hundred users are tried; then one each second, whoever they are."""
    server = Server()
    offer = server.offer()
    answers = [guess(server, offer, number, user=f"user{number}") for number in range(1000)]
    assert answers == [401] * 100 + [480] * 900
    server.wire.pass_until(1.5)
    answers = [guess(server, offer, number, user=f"more{number}") for number in range(10)]
    assert answers == [401] + [480] * 9
    # Also with nonces that went elsewhere: an answer that only they are old would tell as much.
    for number in range(1000):
        guess(server, offer, number, user=f"old{number}", nonce="made up")
    assert server.counters()["guessing"] == 1000 + 10 + 1000
    assert len(server.bob.authenticator._unproven._until) == 100


def test_those_who_came_in_before_get_in_while_one_tries_all_users() -> None:
    server = Server()
    assert guess(server, server.offer(), 0, user="carol", password="christmas") == 200
    offer = server.offer()
    answers = [guess(server, offer, number, user=f"user{number}") for number in range(200)]
    assert answers[-1] == 480
    assert guess(server, server.offer(), 0, user="carol", password="christmas") == 200
    # Her name is no way to guess more than at her password.
    answers = [guess(server, offer, n, user="carol", password="x") for n in range(20)]
    assert answers == [401] * 10 + [480] * 10


# ---------------------------------------------------------------- how it is refused


def refused(server: Server, why: str) -> list[str]:
    """Credentials that are refused, each time for the same reason."""
    offer = server.offer()
    right = prove(offer, "INVITE", HOME)
    if why == "stale":
        server.wire.pass_until(1000)
    elif why == "limited":
        for number in range(11):
            guess(server, offer, number)
    return {
        "none": [],
        "wrong": [prove(offer, "INVITE", HOME, password="x")],
        "stale": [right],
        "malformed": ["Digest"],
        "another URI": [prove(offer, "INVITE", "x")],
        "without qop": [prove(offer, "INVITE", HOME, qop="")],
        "limited": [right],
        "lookup fails": [right],
    }[why]


REASONS = ("none", "wrong", "stale", "malformed", "another URI", "without qop", "limited")


@pytest.mark.parametrize("why", [*REASONS, "lookup fails"])
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_a_refusal_is_sent_once(why: str, method: str, logged_errors: list[str]) -> None:
    """To an address that may be forged, with the same tag each time, and nothing is kept."""
    lookup = {"lookup": lambda user, realm: 1 / 0} if why == "lookup fails" else {}
    server = Server(**lookup)
    wire = server.wire
    credentials = refused(server, why)
    assert wire.core.idle()
    headers = [f"Authorization: {text}" for text in credentials]
    request = wire.request(method, branch="z9hG4bKsame", call_id="same", headers=headers)
    now = wire.now
    answers = []
    for _ in range(2):
        wire.receive(request)
        answers.append(wire.one())
        assert wire.core.idle()
    assert answers[0].to.tag == answers[1].to.tag is not None
    assert answers[0].status == answers[1].status >= 400
    wire.pass_until(now + 64)
    assert wire.sent() == []
    assert wire.kinds().count(CallReceived) == 0
    logged_errors.clear()


@pytest.mark.parametrize("found", [OSError("the database is gone"), 5, b"bytes", ("a", "b")])
def test_what_looks_passwords_up_fails(found: object, logged_errors: list[str]) -> None:
    """A stranger can have it called as often as they please: it ends nothing, and fills no log."""

    def lookup(user: str, realm: str) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    server = Server(lookup=lookup)
    offer = server.offer()
    for number in range(100):
        assert guess(server, offer, number) == 500
    assert len(logged_errors) == 7
    logged_errors.clear()
    assert server.ask("OPTIONS").status == 401
    assert server.wire.core.idle()


def test_a_flood_of_credentials() -> None:
    """Two hundred lines of them: eight are looked at."""
    looked: list[str] = []
    server = Server(lookup=lambda user, realm: looked.append(user), guesses=1000)
    offer = server.offer()
    lines = [prove(offer, "OPTIONS", HOME, user=f"user{number}") for number in range(200)]
    assert server.ask("OPTIONS", lines).status == 401
    assert len(looked) == 8


@pytest.mark.parametrize("source", ["", "10.0.0.7"])
def test_a_challenge_is_no_longer_than_twice_the_request(source: str) -> None:
    """By UDP, where its address may be forged; the best that all understand is what remains."""
    server = Server()
    wire = server.wire
    small = wire.request("OPTIONS", contact=None, from_="<sip:a@b>;tag=1")
    wire.receive(small)
    answer = wire.one()
    assert [Challenge.parse(text).algorithm for text in answer.lines("WWW-Authenticate")] == ["MD5"]
    assert len(bytes(answer)) <= 2 * len(small)
    wire.receive(wire.request("OPTIONS", call_id="c" * 200, branch="z9hG4bK2"))
    assert len(wire.one().lines("WWW-Authenticate")) == 2


# ---------------------------------------------------------------- live


def test_a_callee_passes_a_challenge_on(defended, make_party) -> None:
    """Mallory is called by alice, and calls bob meanwhile; what bob asks, mallory asks alice."""
    bob = defended(authenticator={"alice": "wonderland"})
    friend = make_party("alice@atlanta.com", credentials={"biloxi.com": ("alice", "wonderland")})
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mallory,
        dial(bob.port, "udp") as outside,
    ):
        mallory.bind((LOOPBACK, 0))
        mallory.settimeout(15)
        port = mallory.getsockname()[1]
        call = friend.invite(f"bob@{LOOPBACK}:{port}")
        data, alice = mallory.recvfrom(65535)
        invite = Message.parse(data)

        def at_bob(credentials: list[str], number: int) -> Message:
            lines = [
                f"INVITE sip:bob@{LOOPBACK}:{port} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKm{number}",
                "Max-Forwards: 70",
                "From: <sip:alice@atlanta.com>;tag=m",
                "To: <sip:bob@biloxi.com>",
                "Call-ID: relayed",
                f"CSeq: {number} INVITE",
                "Contact: <sip:m@127.0.0.1:9>",
                *(f"Authorization: {text}" for text in credentials),
                "Content-Length: 0",
            ]
            outside.send("\r\n".join([*lines, "", ""]).encode())
            return Message.parse(outside.recv(65535))

        asked = at_bob([], 1)
        assert asked.status == 401
        headers = [("WWW-Authenticate", text) for text in asked.lines("WWW-Authenticate")]
        mallory.sendto(bytes(invite.response(401, None, headers, to_tag="m")), alice)
        answers: list[str] = []
        while not answers:
            answers = Message.parse(mallory.recv(65535)).lines("Authorization")
        refused = at_bob(answers, 2)
        assert (refused.status, refused.reason) == (400, "Credentials Are For Another URI")
        assert bob.party.calls == []
        assert bob.counts()["relay"] == 1
        catch_up(outside)
        assert call.state == "InitiatingDialog"
    friend.close()
    bob._friend._credentials = None


def test_a_live_guesser_is_made_to_wait(defended) -> None:
    """Two hundred guesses at once; who knows the password calls meanwhile."""
    bob = defended(
        authenticator={"bob": "123456", "alice": "wonderland"}, credentials=("alice", "wonderland")
    )
    with dial(bob.port, "udp") as outside:
        template = (
            "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKg{number}\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:m@evil.com>;tag=m\r\nTo: <sip:bob@biloxi.com>\r\n"
            "Call-ID: g{number}\r\nCSeq: 1 OPTIONS\r\n{more}Content-Length: 0\r\n\r\n"
        )
        outside.send(template.format(number="first", more="").encode())
        offer = Message.parse(outside.recv(65535)).lines("WWW-Authenticate")[0]
        seen = []
        for number in range(200):
            credentials = prove(
                offer, "OPTIONS", HOME, user="bob", password=f"{number}", nc=f"{number + 1:08x}"
            )
            more = f"Authorization: {credentials}\r\n"
            outside.send(template.format(number=number, more=more).encode())
            seen.append(Message.parse(outside.recv(65535)).status)
        assert seen.count(401) < 40
        assert seen[-1] == 480
        assert bob.counts()["guessing"] == 200
        with bob.call():
            pass
    bob.check()


def test_a_party_without_a_authenticator_is_not_concerned(make_party) -> None:
    party = make_party("bob@biloxi.com", NoMediaSimpleCallsParty)
    assert party._agent_now("listen").authenticator is None
