"""Attacks on a party that has credentials: whoever gets an answer to a challenge can try passwords
on it, or be the party elsewhere. Each is an exploit, and fails; and each of the ordinary ways to
use credentials works.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import BuildError, CallRejected
from sipparty.sip import NextHop, Policy, Request
from sipparty.sip.auth import (
    STRONG_ALGORITHMS,
    AuthenticationInfo,
    Challenge,
    Credentials,
    Destination,
    DigestClient,
    NoCredentials,
    ServerNotProven,
    Trust,
)
from sipparty.sip.out_of_dialog import send_out_of_dialog

from ..unit.sip.conftest import Wire
from .digest import REALM, challenge, client

ACCOUNT = ("alice", "wonderland")
BY_REALM = {REALM: ACCOUNT}
STRANGER = "10.0.0.9"
PROXY = "10.0.0.66"


def proofs(message: Any) -> list[Credentials]:
    """The credentials in a message."""
    lines = [*message.lines("Authorization"), *message.lines("Proxy-Authorization")]
    return [Credentials.parse(line) for line in lines]


class Alice:
    """Alice, who has credentials; the test is everybody else."""

    def __init__(self, accounts: Any = None, default: Any = None, **settings: Any) -> None:
        self.wire = Wire()
        settings.setdefault("home", ["atlanta.com"])
        self.agent = self.wire.agent("sip:alice@atlanta.com")
        self.agent.digest = client(accounts, default=default, trust=Trust(**settings))

    def called(
        self, contact: str = f"<sip:m@{STRANGER}>", route: str = "", source: str = ""
    ) -> Any:
        """Be in a call that somebody else began."""
        wire = self.wire
        flow = wire.flow_by(remote=(source or STRANGER, 5060))
        headers = [f"Record-Route: {route}"] if route else []
        target = {"uri": "sip:alice@10.0.0.1", "to": "<sip:alice@atlanta.com>", "contact": contact}
        wire.receive(wire.request("INVITE", headers=headers, **target), flow)
        call = wire.happened[-1].call
        call.accept()
        wire.receive(wire.within(wire.one(), "ACK", 1, contact=contact), flow)
        return call

    def calls(self, uri: str, headers: Any = (), contact: str = "", **options: Any) -> Any:
        """Be in a call that alice began; it is not challenged."""
        call, invite = self.wire.invite(self.agent, uri, **options)
        where = contact or f"<sip:bob@{STRANGER}>"
        self.wire.receive(self.wire.answer(invite, 200, contact=where, headers=headers))
        self.wire.sent()
        return call

    def sends(self, uri: str, method: str = "OPTIONS", **headers: str) -> Any:
        """Send a request outside of dialogs; returns it and the request as it was sent."""
        request = Request(method, uri, headers)
        first = request.route
        hop = NextHop.of(uri if first is None else first.uri_text)
        return send_out_of_dialog(self.agent, request, hop), self.wire.one()

    def challenges(self, request: Any, status: int = 401, **parameters: Any) -> list[Any]:
        """Challenge a request of alice's; returns what she sends then, but for ACKs."""
        name = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[status]
        header = challenge(name, **parameters)
        self.wire.receive(self.wire.answer(request, status, contact=None, headers=[header]))
        return [one for one in self.wire.sent() if one.method != "ACK"]

    def registers(self) -> None:
        """Register with the proxy, which lives at `PROXY` and asks for nothing."""
        _, request = self.sends("sip:atlanta.com", "REGISTER", Route=f"<sip:{PROXY};lr>")
        self.wire.receive(self.wire.answer(request, 200))


CHALLENGES = [
    {},
    {"qop": None},
    {"algorithm": None, "qop": None},
    {"algorithm": "SHA-256"},
    {"algorithm": "MD5-sess"},
    {"realm": "atlanta.com"},
]


# ---------------------------------------------------------------- calls that strangers begin


@pytest.mark.parametrize("method", ["BYE", "INFO"])
@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("asked", CHALLENGES, ids=str)
@pytest.mark.parametrize(
    "accounts",
    [
        {"accounts": {REALM: ACCOUNT, "atlanta.com": ACCOUNT}},
        {"accounts": lambda realm: ACCOUNT},
        {"default": ACCOUNT},
        {"default": ACCOUNT, "challenges": "chosen"},
    ],
    ids=["by realm", "by a function", "one", "chosen"],
)
def test_a_stranger_challenges_in_a_call_of_theirs(
    accounts: dict[str, Any], asked: dict[str, Any], status: int, method: str
) -> None:
    """The known way to have a phone's password: call it, and challenge the BYE."""
    alice = Alice(**accounts)
    call = alice.called()
    exchange = None
    if method == "BYE":
        call.terminate()
    else:
        exchange = call.send(method)
    assert alice.challenges(alice.wire.one(), status, **asked) == []
    error = call.last_error if exchange is None else exchange.error
    assert isinstance(error, CallRejected)
    assert error.status == status
    assert "the other side began the call" in str(error)


def test_a_stranger_in_a_call_of_theirs_names_our_home(monkeypatch: Any) -> None:
    """It is not the name in a Contact that counts, but where the request goes: the way of their
    own connection, say.
    """
    alice = Alice(BY_REALM)
    alice.registers()
    call = alice.called(contact="<sip:m@atlanta.com>")
    monkeypatch.setattr(
        alice.wire,
        "give_flow",
        lambda wanted: alice.wire.core.flow_found(wanted, alice.wire.flow, alice.wire.now),
    )
    call.terminate()
    assert alice.challenges(alice.wire.one(), 407) == []


def test_the_far_end_behind_our_proxy_challenges() -> None:
    """Its 401 comes by our own proxy."""
    alice = Alice(BY_REALM)
    alice.registers()
    call = alice.called(route=f"<sip:{PROXY};lr>", source=PROXY)
    call.terminate()
    bye, flow = alice.wire.way()
    assert flow.remote[0] == PROXY
    assert alice.challenges(bye, 401) == []


@pytest.mark.parametrize(
    ("settings", "answered"),
    [
        ({}, False),
        ({"challenges": "own", "without_qop": "any"}, False),
        ({"without_qop": "any"}, True),
        ({"without_qop": "never"}, False),
    ],
)
def test_our_own_proxy_without_qop(settings: dict[str, Any], answered: bool) -> None:
    """The challenge can have come from behind it, and its answer can be looked up in a table."""
    alice = Alice(BY_REALM, **settings)
    alice.registers()
    call = alice.called(route=f"<sip:{PROXY};lr>", source=PROXY)
    call.terminate()
    assert bool(alice.challenges(alice.wire.one(), 407, qop=None)) is answered


def test_the_setting_for_everybody() -> None:
    alice = Alice(default=ACCOUNT, challenges="any")
    call = alice.called()
    call.terminate()
    (again,) = alice.challenges(alice.wire.one(), 401)
    assert proofs(again)[0].username == "alice"


# ---------------------------------------------------------------- trunks, in calls that they begin


@pytest.mark.parametrize("asked", [{}, {"algorithm": "SHA-256"}], ids=str)
def test_a_trunk_that_is_our_proxy(asked: dict[str, Any]) -> None:
    """A call comes in by it, and it challenges our BYE."""
    alice = Alice(BY_REALM)
    alice.registers()
    call = alice.called(route=f"<sip:{PROXY};lr>", source=PROXY)
    call.terminate()
    (again,) = alice.challenges(alice.wire.one(), 407, **asked)
    assert proofs(again)[0].realm == REALM
    alice.wire.receive(alice.wire.answer(again, 200))
    assert call.state == "Terminated"


def test_a_trunk_that_is_our_proxy_by_its_address() -> None:
    """Nothing was sent to it before."""
    alice = Alice(BY_REALM, home=["atlanta.com", PROXY])
    call = alice.called(contact=f"<sip:trunk@{PROXY}>", source=PROXY)
    call.terminate()
    (again,) = alice.challenges(alice.wire.one(), 401)
    assert proofs(again)[0].realm == REALM


def test_a_trunk_that_has_accepted_our_account() -> None:
    """It is called by its own name, not as a proxy."""
    alice = Alice(BY_REALM)
    _, first = alice.sends(f"sip:{STRANGER}", "REGISTER")
    call = alice.called()
    call.terminate()
    bye = alice.wire.one()
    (second,) = alice.challenges(first)
    alice.wire.receive(alice.wire.answer(second, 200))
    (again,) = alice.challenges(bye, 401)
    assert proofs(again)[0].uri == f"sip:m@{STRANGER}"


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_has_accepted_nothing(status: int) -> None:
    alice = Alice(BY_REALM)
    _, first = alice.sends(f"sip:{STRANGER}", "REGISTER")
    (second,) = alice.challenges(first)
    alice.wire.receive(alice.wire.answer(second, status))
    call = alice.called()
    call.terminate()
    assert alice.challenges(alice.wire.one(), 401) == []


def test_a_server_that_has_accepted_another_account() -> None:
    alice = Alice({REALM: ACCOUNT, "atlanta.com": ACCOUNT})
    _, first = alice.sends(f"sip:{STRANGER}", "REGISTER")
    (second,) = alice.challenges(first)
    alice.wire.receive(alice.wire.answer(second, 200))
    call = alice.called()
    call.terminate()
    assert alice.challenges(alice.wire.one(), 401, realm="atlanta.com") == []


# ---------------------------------------------------------------- those whom alice calls


@pytest.mark.parametrize("asked", [{}, {"qop": None}, {"algorithm": "SHA-256"}], ids=str)
@pytest.mark.parametrize("status", [401, 407])
def test_a_trunk_challenges_in_a_call_of_ours(asked: dict[str, Any], status: int) -> None:
    alice = Alice(BY_REALM)
    call = alice.calls("sip:bob@biloxi.com")
    call.terminate()
    (again,) = alice.challenges(alice.wire.one(), status, **asked)
    assert again.method == "BYE"
    alice.wire.receive(alice.wire.answer(again, 200))
    assert call.state == "Terminated"


@pytest.mark.parametrize("realm", [REALM, "stranger.example", "atlanta.com"])
def test_whom_we_call_asks_for_the_account_that_names_no_realm(realm: str) -> None:
    """What is theirs to crack is whatever they call their realm."""
    alice = Alice(default=ACCOUNT)
    call, invite = alice.wire.invite(alice.agent, "sip:bob@stranger.example")
    assert alice.challenges(invite, realm=realm) == []
    assert f"give credentials={{'{realm}': (user, password)}} to answer it" in str(call.last_error)


@pytest.mark.parametrize(
    "uri", ["sip:bob@atlanta.com", "sip:bob@sip.atlanta.com", "sip:bob@127.0.0.1:5080"]
)
@pytest.mark.parametrize("realm", ["asterisk", "atlanta.com", "provider.example"])
def test_ones_own_server_asks_for_it(uri: str, realm: str) -> None:
    """One's own domain, and what is on this host: its realm has any name."""
    alice = Alice(default=ACCOUNT)
    _, invite = alice.wire.invite(alice.agent, uri)
    (again,) = alice.challenges(invite, realm=realm, qop=None)
    assert proofs(again)[0].username == "alice"


def test_ones_own_proxy_asks_for_it() -> None:
    """Of a call, and of what is sent in it: by the address that it has answered from."""
    alice = Alice(default=ACCOUNT)
    route = (f"<sip:{PROXY};lr>",)
    call = alice.calls("sip:bob@biloxi.com", [("Record-Route", f"<sip:{PROXY};lr>")], routes=route)
    call.terminate()
    (again,) = alice.challenges(alice.wire.one(), 407, realm="provider.example")
    assert proofs(again)[0].username == "alice"


def test_who_is_behind_ones_own_proxy_asks_for_it_directly() -> None:
    """The proxy does not stay in the way, and the BYE goes to whom alice has called."""
    alice = Alice(default=ACCOUNT)
    call = alice.calls("sip:bob@biloxi.com", routes=(f"<sip:{PROXY};lr>",))
    call.terminate()
    bye, flow = alice.wire.way()
    assert flow.remote[0] == STRANGER
    assert alice.challenges(bye, 401) == []


def test_the_setting_for_whom_we_call() -> None:
    alice = Alice(default=ACCOUNT, challenges="chosen")
    _, invite = alice.wire.invite(alice.agent, "sip:bob@stranger.example")
    assert alice.challenges(invite)


@pytest.mark.parametrize("method", ["BYE", "INFO"])
@pytest.mark.parametrize(
    "contact",
    [
        "<sip:premium@atlanta.com>",
        "<sip:premium@sip.atlanta.com>",
        f"<sip:premium@{PROXY}>",
        "<sip:premium@biloxi.com>",
        f"<sip:premium@atlanta.com;maddr={STRANGER}>",
        f"<sip:premium@biloxi.com;maddr={STRANGER}>",
    ],
)
@pytest.mark.parametrize("realm", [REALM, "atlanta.com"])
def test_whom_we_call_is_called_like_our_own_server(contact: str, realm: str, method: str) -> None:
    """Mallory's Contact becomes the URI that alice proves, while the request goes by a route of
    mallory's: passed on with the challenge of the server that it names, it would be good there.
    """
    alice = Alice({REALM: ACCOUNT, "atlanta.com": ACCOUNT})
    alice.registers()
    route = [] if "maddr" in contact else [("Record-Route", f"<sip:{STRANGER};lr>")]
    call = alice.calls("sip:mallory@evil.com", route, contact=contact)
    if method == "BYE":
        call.terminate()
    else:
        call.send(method)
    message, flow = alice.wire.way()
    assert flow.remote[0] == STRANGER
    assert alice.challenges(message, realm=realm) == []


@pytest.mark.parametrize("status", [401, 407])
def test_nor_unasked(status: int) -> None:
    """Mallory has challenged the INVITE; so the next requests bring credentials by themselves."""
    alice = Alice({"biloxi.com": ACCOUNT})
    call, invite = alice.wire.invite(alice.agent, "sip:mallory@evil.com")
    (second,) = alice.challenges(invite, status, realm="biloxi.com")
    route, contact = [("Record-Route", f"<sip:{STRANGER};lr>")], "<sip:premium@atlanta.com>"
    alice.wire.receive(alice.wire.answer(second, 200, contact=contact, headers=route))
    alice.wire.sent()
    call.terminate()
    assert proofs(alice.wire.one()) == []


def test_a_server_that_calls_itself_by_the_name_it_was_called_by() -> None:
    """Its Contact has its domain, and its Record-Route its address."""
    alice = Alice(BY_REALM)
    call = alice.calls(
        "sip:bob@biloxi.com",
        [("Record-Route", "<sip:biloxi.com;lr>")],
        contact="<sip:bob@biloxi.com>",
    )
    call.terminate()
    assert alice.challenges(alice.wire.one())


def test_a_proxy_s_credentials_are_for_the_proxy() -> None:
    """It does not stay in the way: neither the ACK nor the BYE brings the callee what it was
    proved.
    """
    alice = Alice({"atlanta.com": ACCOUNT})
    wire = alice.wire
    call, invite = wire.invite(alice.agent, "sip:bob@biloxi.com", routes=(f"<sip:{PROXY};lr>",))
    (second,) = alice.challenges(invite, 407, realm="atlanta.com")
    wire.receive(wire.answer(second, 200))
    ack, flow = wire.way()
    assert (ack.method, flow.remote[0]) == ("ACK", STRANGER)
    assert proofs(ack) == []
    call.terminate()
    assert proofs(wire.one()) == []


def test_a_proxy_that_stays_in_the_way_gets_them() -> None:
    alice = Alice({"atlanta.com": ACCOUNT})
    wire = alice.wire
    call, invite = wire.invite(alice.agent, "sip:bob@biloxi.com", routes=(f"<sip:{PROXY};lr>",))
    (second,) = alice.challenges(invite, 407, realm="atlanta.com")
    wire.receive(wire.answer(second, 200, headers=[("Record-Route", f"<sip:{PROXY};lr>")]))
    assert proofs(wire.one())[0].nc == "00000001"
    call.terminate()
    assert proofs(wire.one())[0].nc == "00000002"


# ---------------------------------------------------------------- worse than was offered before


def offer(agent: DigestClient, **headers: tuple[str, str]) -> str:
    """Return the algorithms of what answers challenges; "" where MD5 is refused."""
    texts = {name: [text for _, text in values] for name, values in headers.items()}
    try:
        sent = agent.exchange("INVITE", "sip:bob@biloxi.com").challenged(**texts)
    except NoCredentials as error:
        return "" if "only MD5 is offered where a better" in str(error) else str(error)
    return ",".join(Credentials.parse(value).algorithm for _, value in sent)


STRONG = challenge(algorithm="SHA-256", nonce="strong")
WEAK = challenge(algorithm="MD5", nonce="weak")


@pytest.mark.parametrize(("first", "second"), list(itertools.product(["www", "proxy"], repeat=2)))
def test_better_by_one_header_and_md5_by_another(first: str, second: str) -> None:
    """One in between passes a 401 on, then asks by a 407 of its own."""
    agent = client(BY_REALM)
    assert offer(agent, **{first: [STRONG]}) == "SHA-256"
    assert offer(agent, **{second: [WEAK]}) == ""


@pytest.mark.parametrize(("strong", "weak"), [("www", "proxy"), ("proxy", "www")])
def test_both_in_one_response(strong: str, weak: str) -> None:
    assert offer(client(BY_REALM), **{strong: [STRONG], weak: [WEAK]}) == "SHA-256"


def test_better_of_another_realm_is_another_matter() -> None:
    agent = client({REALM: ACCOUNT, "atlanta.com": ACCOUNT})
    assert offer(agent, www=[challenge(algorithm="SHA-256", realm="atlanta.com")]) == "SHA-256"
    assert offer(agent, www=[WEAK]) == "MD5"


def test_nobody_has_md5_refused_who_is_not_answered() -> None:
    """A stranger offers better in the name of a realm that has but MD5."""
    alice = Alice(default=ACCOUNT)
    _, invite = alice.wire.invite(alice.agent, "sip:m@stranger.example")
    assert alice.challenges(invite, algorithm="SHA-256") == []
    _, request = alice.sends("sip:atlanta.com", "REGISTER")
    assert proofs(alice.challenges(request)[0])[0].algorithm == "MD5"


@pytest.mark.parametrize(("first", "status"), [("OPTIONS", 401), ("OPTIONS", 407)])
@pytest.mark.parametrize("accepts", [True, False])
def test_others_cannot_have_md5_refused_at_the_real_server(
    first: str, status: int, accepts: bool
) -> None:
    """Whom alice calls asks for SHA-256 in the name of her registrar's realm, which has but MD5."""
    alice = Alice(BY_REALM)
    _, request = alice.sends("sip:m@192.0.2.66", first)
    (again,) = alice.challenges(request, status, algorithm="SHA-256")
    alice.wire.receive(alice.wire.answer(again, 200 if accepts else 404))
    _, register = alice.sends("sip:biloxi.com", "REGISTER")
    (again,) = alice.challenges(register)
    assert proofs(again)[0].algorithm == "MD5"


def test_who_is_behind_ones_own_proxy_cannot_either() -> None:
    """The registrar has taken MD5 by then."""
    alice = Alice(BY_REALM)
    route = {"Route": f"<sip:{PROXY};lr>"}
    for _ in range(2):
        _, register = alice.sends("sip:biloxi.com", "REGISTER", **route)
        (again,) = alice.challenges(register)
        assert proofs(again)[0].algorithm == "MD5"
        alice.wire.receive(alice.wire.answer(again, 200))
        _, request = alice.sends("sip:m@evil.com", **route)
        (again,) = alice.challenges(request, algorithm="SHA-256")
        alice.wire.receive(alice.wire.answer(again, 200))


@pytest.mark.parametrize("strong", [401, 407])
@pytest.mark.parametrize("weak", [401, 407])
def test_the_same_request_gets_no_worse(strong: int, weak: int) -> None:
    """Also where another server of the same name answers its second try."""
    agent = client(BY_REALM)
    exchange = agent.exchange("INVITE", "sip:bob@biloxi.com", destination=Destination("192.0.2.1"))
    names = {401: "www", 407: "proxy"}
    assert exchange.challenged(**{names[strong]: [STRONG[1]]})
    exchange.destination = Destination("192.0.2.2")
    with pytest.raises(NoCredentials, match="only MD5 is offered where a better"):
        exchange.challenged(**{names[weak]: [WEAK[1]]})


def test_what_the_registrar_takes_holds_everywhere() -> None:
    """It takes SHA-256; so nobody else gets MD5 in its realm."""
    agent = client(BY_REALM)
    there = Destination("192.0.2.1", "biloxi.com")
    exchange = agent.exchange("REGISTER", "sip:biloxi.com", destination=there)
    exchange.challenged([STRONG[1]])
    exchange.accepted()
    assert offer(agent, proxy=[WEAK]) == ""


# ---------------------------------------------------------------- in the name of a known server


def registered(**accounts: Any) -> Alice:
    """Alice, whose account a registrar has accepted that is neither her proxy nor her domain."""
    alice = Alice(**accounts, challenges="home")
    _, request = alice.sends(f"sip:{PROXY}", "REGISTER")
    (again,) = alice.challenges(request)
    alice.wire.receive(alice.wire.answer(again, 200))
    return alice


def test_whom_we_call_claims_a_realm_whose_server_is_known() -> None:
    """Alice has registered in it, or it is her own domain."""
    alice = registered(accounts={REALM: ACCOUNT, "atlanta.com": ACCOUNT, "else": ACCOUNT})
    for realm, count in ((REALM, 0), ("atlanta.com", 0), ("else", 1)):
        exchange, request = alice.sends("sip:m@192.0.2.66")
        assert len(alice.challenges(request, realm=realm)) == count
        if not count:
            assert "who asks is not a known server of that realm" in str(exchange.error)
    _, request = alice.sends(f"sip:bob@{PROXY}")
    assert alice.challenges(request)
    _, request = alice.sends("sip:bob@sip.biloxi.com")
    assert alice.challenges(request)


def test_nobody_makes_themselves_known() -> None:
    """Whom alice calls claims a realm and accepts her: the real server is asked all the same."""
    alice = Alice({"trunk": ACCOUNT})
    _, request = alice.sends("sip:m@192.0.2.66")
    (again,) = alice.challenges(request, realm="trunk")
    alice.wire.receive(alice.wire.answer(again, 200))
    _, request = alice.sends("sip:15551234567@192.0.2.1")
    assert alice.challenges(request, realm="trunk")


@pytest.mark.parametrize(("contact", "status"), [("192.0.2.1", 401), ("192.0.2.77", 407)])
def test_ones_own_registrar_challenges_our_bye(contact: str, status: int) -> None:
    """`credentials=("user", "password")`, as most write it, and a call that came in by the PBX."""
    pbx = "192.0.2.1"
    alice = Alice(default=ACCOUNT, home=["atlanta.com", pbx])
    _, request = alice.sends(f"sip:{pbx}", "REGISTER")
    (again,) = alice.challenges(request, realm="asterisk")
    alice.wire.receive(alice.wire.answer(again, 200))
    route = f"<sip:{pbx};lr>" if status == 407 else ""
    call = alice.called(f"<sip:m@{contact}>", route, pbx)
    call.terminate()
    bye, flow = alice.wire.way()
    assert flow.remote[0] == pbx
    (again,) = alice.challenges(bye, status, realm="asterisk")
    assert proofs(again)[0].username == "alice"


@pytest.mark.parametrize(
    ("source", "contact", "status", "realm"),
    [
        ("192.0.2.66", "192.0.2.66", 401, "asterisk"),
        ("192.0.2.66", "192.0.2.66", 407, "asterisk"),
        ("192.0.2.1", "192.0.2.66", 401, "asterisk"),
        ("192.0.2.1", "192.0.2.1", 401, "another"),
    ],
)
def test_others_challenge_our_bye_and_claim_its_realm(
    source: str, contact: str, status: int, realm: str
) -> None:
    """From elsewhere, or from behind the PBX, or for a realm that it never named."""
    pbx = "192.0.2.1"
    alice = Alice(default=ACCOUNT, home=["atlanta.com", pbx])
    _, request = alice.sends(f"sip:{pbx}", "REGISTER")
    (again,) = alice.challenges(request, realm="asterisk")
    alice.wire.receive(alice.wire.answer(again, 200))
    route = f"<sip:{source};lr>" if source != contact else ""
    call = alice.called(f"<sip:m@{contact}>", route, source)
    call.terminate()
    assert alice.challenges(alice.wire.one(), status, realm=realm) == []


# ---------------------------------------------------------------- too much, and what makes no sense


def test_a_thousand_challenges() -> None:
    """Sixteen accounts are looked up, and sixteen answers made."""
    looked: list[str] = []
    agent = client(lambda realm: looked.append(realm) or ACCOUNT)
    lines = [challenge(realm=f"r{number}")[1] for number in range(1000)]
    assert len(agent.exchange("INVITE", "sip:b@c").challenged(www=lines)) == 16
    assert len(looked) == 16
    one = [challenge(nonce=f"n{number}")[1] for number in range(1000)]
    assert len(agent.exchange("INVITE", "sip:b@c").challenged(www=one)) == 16
    both = agent.exchange("INVITE", "sip:b@c").challenged(www=lines, proxy=lines)
    assert len(both) == 16


def test_challenges_without_end() -> None:
    """Each is new, and stale: eight are answered."""
    alice = Alice(BY_REALM)
    exchange, request = alice.sends("sip:biloxi.com")
    for number in range(100):
        again = alice.challenges(request, nonce=f"n{number}", stale="true")
        if not again:
            break
        (request,) = again
    assert number == 8
    assert "challenged 9 times in a row" in str(exchange.error)


@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
@pytest.mark.parametrize("text", ['a"b', "a\\", "a, b=c", 'a", uri="sip:x', "a\x1b[2J", "\u00e9"])
def test_what_comes_back_is_one_line(name: str, text: str) -> None:
    """Whatever a server calls itself, its name ends no quotation and begins no header."""
    alice = Alice(lambda realm: ACCOUNT)
    exchange, request = alice.sends("sip:biloxi.com")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    values = {"realm": "r", "nonce": "n", "opaque": "o"} | {name: quoted}
    line = "Digest " + ", ".join(f'{key}="{value}"' for key, value in values.items())
    answer = alice.wire.answer(request, 401, headers=[("X-Challenge", "here")])
    header = f"WWW-Authenticate: {line}".encode()
    alice.wire.receive(answer.replace(b"X-Challenge: here", header))
    (again,) = alice.wire.sent()
    (credentials,) = proofs(again)
    assert credentials.get(name) == text
    assert credentials.uri == "sip:biloxi.com"
    assert exchange.state == "Waiting"


def test_an_error_repeats_no_control_characters() -> None:
    """It is printed to a terminal."""
    for bad in ({"qop": "\x1b[2J"}, {"algorithm": "\x1b[2J"}, {"realm": "\x1b[2J"}):
        exchange = client(BY_REALM).exchange("INVITE", "sip:b@c")
        with pytest.raises(NoCredentials) as caught:
            exchange.challenged(www=[challenge(**bad)[1]])
        assert "\x1b" not in str(caught.value)


def test_a_server_that_does_not_know_the_password() -> None:
    """It takes any, and claims to have proved that it knows it."""
    exchange = client(BY_REALM).exchange("INVITE", "sip:bob@biloxi.com")
    ((_, value),) = exchange.challenged(www=[challenge()[1]])
    sent = Credentials.parse(value)
    for rspauth in ("0" * 32, "", sent.response, "\u00e9", "0" * 5000):
        info = {"rspauth": rspauth, "qop": "auth", "cnonce": sent.cnonce, "nc": sent.nc}
        with pytest.raises(ServerNotProven):
            exchange.accepted([str(AuthenticationInfo(info))])
    with pytest.raises(ServerNotProven):
        exchange.accepted([str(AuthenticationInfo({"rspauth": "0" * 32, "cnonce": "other"}))])


def test_an_unproven_server_is_not_trusted_in_calls_of_its_own() -> None:
    alice = Alice(BY_REALM)
    _, first = alice.sends(f"sip:{STRANGER}", "REGISTER")
    (second,) = alice.challenges(first)
    info = ("Authentication-Info", f'rspauth="{"0" * 32}"')
    alice.wire.receive(alice.wire.answer(second, 200, headers=[info]))
    call = alice.called()
    call.terminate()
    assert alice.challenges(alice.wire.one(), 401) == []


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "setting", [{"challenges": "everybody"}, {"challenges_without_qop": "sometimes"}]
)
def test_a_setting_that_is_none(setting: dict[str, str]) -> None:
    with pytest.raises(BuildError, match="is not one of"):
        Policy(**setting)


def test_md5_is_left_out(make_party: Any, peer: Any) -> None:
    engine = Engine(policy=Policy(digest_algorithms=STRONG_ALGORITHMS))
    try:
        alice = make_party("alice@atlanta.com", credentials=ACCOUNT, engine=engine)
        exchange = alice.options(f"bob@{peer.place}")
        peer.answer(peer.receive(), 401, headers=[challenge()])
        exchange.waitForStateCondition(exchange.settled, 10)
        assert "MD5 is not allowed" in str(exchange.error)
    finally:
        engine.close()


# ---------------------------------------------------------------- live


def test_a_stranger_challenges_our_bye_live(listening: Any, peer: Any) -> None:
    """All by UDP: the second datagram that alice sends after the 407 would be the proof."""
    alice = listening("alice@atlanta.com", credentials={REALM: ACCOUNT, "atlanta.com": ACCOUNT})
    port = alice.contact_uri.port
    peer.request("INVITE", "sip:alice@atlanta.com", port)
    ok = peer.receive("SIP/2.0 200")
    ack = [("To", str(ok.to)), ("Call-ID", ok.call_id), ("CSeq", "1 ACK")]
    peer.request("ACK", ok.contact.uri_text, port, ack, branch="z9hG4bKack")
    (call,) = alice.calls
    call.terminate()
    bye = peer.receive("BYE")
    peer.answer(bye, 407, headers=[challenge("Proxy-Authenticate")])
    with pytest.raises(CallRejected, match="the other side began the call"):
        call.wait(10)
    # What comes next answers what is sent next.
    peer.request("OPTIONS", "sip:alice@atlanta.com", port, branch="z9hG4bKlast")
    assert peer.receive().status == 200


@pytest.mark.parametrize("by", ["domain", "proxy"])
def test_ones_own_registrar_live(make_party: Any, peer: Any, by: str) -> None:
    """`credentials=("user", "password")`, as most write it; the registrar is of the older kind."""
    host = "127.0.0.1" if by == "domain" else "atlanta.com"
    proxy = None if by == "domain" else peer.place
    alice = make_party(f"alice@{host}", credentials=ACCOUNT, proxy=proxy)
    uri = f"sip:{peer.place}" if by == "domain" else "sip:atlanta.com"
    registration = alice.send(Request("REGISTER", uri))
    first = peer.receive("REGISTER")
    assert proofs(first) == []
    asked = challenge(realm="asterisk", qop=None, algorithm=None)
    peer.answer(first, 401, headers=[asked])
    second = peer.receive("REGISTER")
    (credentials,) = proofs(second)
    assert (credentials.username, credentials.realm, credentials.uri) == ("alice", "asterisk", uri)
    assert Challenge.parse(asked[1]).qop == ()
    peer.answer(second, 200)
    assert registration.wait(10).status == 200


def test_a_trunk_that_is_the_proxy_live(listening: Any, peer: Any) -> None:
    """A call comes in by it, and it challenges our BYE; nothing was sent to it before."""
    alice = listening("alice@atlanta.com", credentials=BY_REALM, proxy=peer.place)
    port = alice.contact_uri.port
    route = ("Record-Route", f"<sip:{peer.place};lr>")
    peer.request("INVITE", "sip:alice@atlanta.com", port, [route])
    ok = peer.receive("SIP/2.0 200")
    ack = [("To", str(ok.to)), ("Call-ID", ok.call_id), ("CSeq", "1 ACK")]
    peer.request("ACK", ok.contact.uri_text, port, ack, branch="z9hG4bKack")
    (call,) = alice.calls
    call.terminate()
    peer.answer(peer.receive("BYE"), 407, headers=[challenge("Proxy-Authenticate")])
    again = peer.receive("BYE")
    assert proofs(again)[0].realm == REALM
    peer.answer(again, 200)
    assert call.wait(10).state == "Terminated"


def test_a_trunk_challenges_the_bye_of_a_call_of_ours_live(make_party: Any, peer: Any) -> None:
    alice = make_party("alice@atlanta.com", credentials=ACCOUNT, proxy=peer.place)
    call = alice.invite("+15551234567@trunk.example")
    invite = peer.receive("INVITE")
    peer.answer(invite, 200, headers=[("Record-Route", f"<sip:{peer.place};lr>")])
    assert call.wait(10).state == "InDialog"
    peer.receive("ACK")
    call.terminate()
    asked = challenge("Proxy-Authenticate", realm="trunk", qop=None)
    peer.answer(peer.receive("BYE"), 407, headers=[asked])
    again = peer.receive("BYE")
    assert proofs(again)[0].realm == "trunk"
    peer.answer(again, 200)
    assert call.wait(10).state == "Terminated"
