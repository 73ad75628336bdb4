"""Digest: header values, the client's choices, the server's verdicts, and the two together."""

from __future__ import annotations

import contextlib
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import BuildError, ParseError, UsageError
from sipparty.sip.auth import (
    ALGORITHMS,
    ANY_ALGORITHM,
    STRONG_ALGORITHMS,
    Account,
    Authenticated,
    AuthenticationInfo,
    Challenge,
    Challenged,
    Credentials,
    CredentialsRefused,
    DigestClient,
    DigestServer,
    Malformed,
    NoCredentials,
    ServerNotProven,
    digest_response,
    hash_password,
    hash_username,
)
from sipparty.sip.auth.digest import Digest

REALM = "biloxi.com"
URI = "sip:biloxi.com"
SECRET = b"0123456789abcdef"


def tokens(prefix="t"):
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def client(accounts=None, **options):
    accounts = {REALM: ("bob", "zanzibar")} if accounts is None else accounts
    return DigestClient(accounts, tokens=tokens("c"), **options)


def server(realms=REALM, passwords=None, **options):
    passwords = {"bob": "zanzibar"} if passwords is None else passwords
    options.setdefault("secret", SECRET)
    lookup = lambda user, realm: passwords.get(user)  # noqa: E731
    return DigestServer(realms, lookup, tokens=tokens("s"), **options)


def challenge(nonce="n1", realm=REALM, **parameters):
    values = {"realm": realm, "nonce": nonce, "qop": "auth", "algorithm": "SHA-256"}
    values |= parameters
    return str(Challenge({name: value for name, value in values.items() if value is not None}))


def sent(headers):
    """The credentials in what a client wants sent."""
    return [(name, Credentials.parse(value)) for name, value in headers]


def only(headers):
    ((_, value),) = sent(headers)
    return value


def texts(headers):
    return [value for _, value in headers]


# ---------------------------------------------------------------- header values


def test_a_challenge_is_read_and_written():
    text = (
        'Digest realm="atlanta.com", domain="sip:ss1.carrier.com sip:b", qop="auth,auth-int", '
        'nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5'
    )
    value = Challenge.parse(text)
    assert value.realm == "atlanta.com"
    assert value.domain == ("sip:ss1.carrier.com", "sip:b")
    assert value.qop == ("auth", "auth-int")
    assert value.nonce == "f84f1cec41e6cbe5aea9c8e88d359"
    assert value.opaque == ""
    assert value.stale is False
    assert value.algorithm == "MD5"
    assert str(value) == text
    assert Challenge.parse(str(value)) == value
    assert hash(Challenge.parse(str(value))) == hash(value)
    assert value != Challenge.parse(text.replace("FALSE", "true"))


def test_defaults_of_a_challenge():
    value = Challenge.parse('digest Realm="a",NONCE="b"')
    assert (value.algorithm, value.qop, value.stale) == ("MD5", (), False)
    assert (value.opaque, value.userhash, value.utf8) == (None, False, False)


def test_several_challenges_in_one_line_and_in_several():
    values = Challenge.parse_list(
        'Digest realm="a", nonce="1", Basic realm="x, \\"y\\"", Negotiate YWJj==, NTLM',
        ', Digest realm="b" ,, nonce="2",qop="auth" ,',
    )
    assert [(value.scheme, value.realm) for value in values] == [
        ("Digest", "a"),
        ("Basic", 'x, "y"'),
        ("Negotiate", ""),
        ("NTLM", ""),
        ("Digest", "b"),
    ]
    assert [value.is_digest for value in values] == [True, False, False, False, True]
    assert str(values[2]) == "Negotiate YWJj=="
    assert str(values[3]) == "NTLM"
    assert str(values[1]) == 'Basic realm="x, \\"y\\""'


def test_unknown_parameters_stay_as_they_came():
    text = 'Digest realm="a", nonce="b", x-one=1, x-two="two, \\"2\\""'
    value = Challenge.parse(text)
    assert value.get("X-Two") == 'two, "2"'
    assert value.parameters["x-one"] == "1"
    assert str(value) == text


def test_quotes_are_read_leniently_and_written_by_the_book():
    value = Credentials.parse(
        'Digest username=bob, realm="a", nonce=abc/def==, uri=sip:bob@b, response="00", '
        'algorithm="MD5", qop="auth", nc="00000001", cnonce=x'
    )
    assert value.uri == "sip:bob@b"
    assert str(value) == (
        'Digest username="bob", realm="a", nonce="abc/def==", uri="sip:bob@b", response="00", '
        'algorithm=MD5, qop=auth, nc=00000001, cnonce="x"'
    )


def test_a_folded_value_is_unfolded():
    assert Challenge.parse('Digest realm="a",\r\n\tnonce="b\r\n  c"').nonce == "b c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "an authentication scheme"),
        ('"Digest"', "an authentication scheme"),
        ("Digest@", "white space after the scheme"),
        ("Digest realm", "a parameter name and '='"),
        ('Digest realm="a', "a closing quotation mark"),
        ('Digest realm="a\\"', "a closing quotation mark"),
        ("Digest realm=, nonce=b", "a value"),
        ('Digest realm="a" nonce="b"', "a comma"),
        ('Digest realm="a", nonce="b", realm="c"', "'realm' only once"),
        ('Digest nonce="b"', "a realm parameter"),
        ('Digest realm="a"', "a nonce parameter"),
        ('Digest realm="a", nonce="b\nc"', "no line break"),
        ('Digest realm="a", nonce="b", Digest realm="a", nonce="b"', "one challenge, not 2"),
    ],
)
def test_what_is_no_challenge(text, expected):
    with pytest.raises(ParseError, match=re.escape(expected)):
        Challenge.parse(text)


def test_the_number_of_parts_is_bounded():
    many = ", ".join(f"p{number}=1" for number in range(62))
    assert len(Challenge.parse(f"Digest realm=a, nonce=b, {many}").parameters) == 64
    with pytest.raises(ParseError, match="at most 64 parameters"):
        Challenge.parse(f"Digest realm=a, nonce=b, {many}, more=1")
    assert len(Challenge.parse_list("NTLM," * 64)) == 64
    with pytest.raises(ParseError, match="at most 64 of them"):
        Challenge.parse_list("NTLM," * 65)


GOOD = 'Digest username="u", realm="r", nonce="n", uri="sip:x", response="00"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("username", "user"), "either username or username*"),
        (GOOD + ", username*=UTF-8''u", "either username or username*"),
        (GOOD.replace('username="u"', "username*=latin-1''u"), "username* as UTF-8''name"),
        (GOOD.replace('username="u"', "username*=UTF-8''%ff"), "username* as UTF-8''name"),
        (GOOD.replace("uri", "url"), "a uri parameter"),
        (GOOD + ', qop=auth, cnonce="c"', "nc as 8 hexadecimal digits"),
        (GOOD + ', qop=auth, cnonce="c", nc=xyz', "nc as 8 hexadecimal digits"),
        (GOOD + ', qop=auth, cnonce="c", nc=123456789', "nc as 8 hexadecimal digits"),
        (GOOD + ", qop=auth, nc=00000001", "a cnonce parameter"),
    ],
)
def test_what_are_no_credentials(text, expected):
    assert Credentials.parse(GOOD).username == "u"
    with pytest.raises(ParseError, match=re.escape(expected)) as caught:
        Credentials.parse(text)
    assert caught.value.status == 400


def test_an_extended_user_name_is_decoded():
    value = Credentials.parse(
        GOOD.replace('username="u"', "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe")
    )
    assert value.username == "Jäsøn Doe"


def test_authentication_info():
    text = 'nextnonce="abc", qop=auth, rspauth="ff", cnonce="0a4f113b", nc=00000001'
    value = AuthenticationInfo.parse(text)
    assert (value.nextnonce, value.qop, value.rspauth) == ("abc", "auth", "ff")
    assert (value.cnonce, value.nc) == ("0a4f113b", "00000001")
    assert str(value) == text
    assert AuthenticationInfo.parse('nextnonce="abc"', 'rspauth="ff"').rspauth == "ff"
    for bad in ("", "Digest nextnonce", "nextnonce"):
        with pytest.raises(ParseError):
            AuthenticationInfo.parse(bad)


def test_sift_keeps_what_is_good():
    values, errors = Challenge.sift(
        ['Digest realm="a"', '"', 'Digest realm="b", nonce="1", Digest nonce="2"']
    )
    assert [value.realm for value in values] == ["b"]
    assert len(errors) == 3


def test_nothing_can_break_out_of_a_line():
    for name, value in {"realm": "a\r\nX: y", "nonce": "\0", "x y": "z", "algorithm": "\n"}.items():
        with pytest.raises(BuildError):
            str(Challenge({"realm": "a", "nonce": "b"} | {name: value}))


HEADERISH = st.text(
    st.sampled_from('Digest realm="a",nonce=\\;\t \r\n\x00é\udcff/+=*'), max_size=60
)


@given(HEADERISH)
def test_whatever_can_be_read_can_be_written(text):
    for kind in (Challenge, Credentials):
        try:
            values = kind.parse_list(text)
        except ParseError:
            continue
        for value in values:
            assert kind.parse(str(value)) == value
    try:
        info = AuthenticationInfo.parse(text)
    except ParseError:
        return
    assert AuthenticationInfo.parse(str(info)) == info


@given(st.text(st.characters(exclude_characters="\r\n\0"), max_size=30))
def test_any_text_survives_quotes(text):
    value = Challenge({"realm": text, "nonce": text})
    assert Challenge.parse(str(value)).realm == text


def test_no_secret_shows():
    account = Account("bob", "zanzibar", hashes={"MD5": "f" * 32})
    agent = client({REALM: account})
    exchange = agent.exchange("REGISTER", URI)
    (header,) = exchange.challenged(www=[challenge()])
    found = server()
    shown = "".join(map(repr, (account, agent, exchange, Credentials.parse(header[1]), found)))
    shown += repr(found.challenge(0.0)) + repr(vars(exchange)) + repr(vars(agent))
    for secret in ("zanzibar", "f" * 32, Credentials.parse(header[1]).response, "0123456789abc"):
        assert secret not in shown


# ---------------------------------------------------------------- secrets


def test_hashes_do_for_a_password():
    stored = hash_password("MD5", "bob", REALM, "zanzibar")
    agent = client({REALM: Account("bob", hashes={"md5": stored.upper()})})
    value = only(agent.exchange("INVITE", URI).challenged(www=[MD5]))
    assert value.response == digest_response(
        username="bob",
        realm=REALM,
        password="zanzibar",
        method="INVITE",
        uri=URI,
        nonce="n1",
        nc="00000001",
        cnonce=value.cnonce,
        qop="auth",
    )


MD5 = challenge(algorithm="MD5")


def test_a_hash_decides_which_challenge_can_be_answered():
    agent = client({REALM: Account("bob", hashes={"MD5": "0" * 32})})
    value = only(agent.exchange("INVITE", URI).challenged(www=[challenge("n0"), MD5]))
    assert value.algorithm == "MD5"
    with pytest.raises(NoCredentials, match="no SHA-256 hash of the password is at hand"):
        agent.exchange("INVITE", URI).challenged(www=[challenge("n0")])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"username": "bob"}, "needs a password"),
        ({"username": "b\nob", "password": "x"}, "user name"),
        ({"username": "bob", "hashes": {"MD5": "zz"}}, "32 hexadecimal digits"),
        ({"username": "bob", "hashes": {"SHA-256": "0" * 32}}, "64 hexadecimal digits"),
        ({"username": "bob", "hashes": {"SHA-1": "0" * 40}}, "not an algorithm"),
    ],
)
def test_what_is_no_account(arguments, expected):
    with pytest.raises(BuildError, match=expected):
        Account(**arguments)


def test_wrong_settings_are_refused():
    for options in ({"algorithms": ["SHA1"]}, {"algorithms": []}, {"qop": ["x"]}, {"qop": []}):
        with pytest.raises(BuildError):
            client(**options)
        with pytest.raises(BuildError):
            server(**options)
    with pytest.raises(BuildError, match="16 are the least"):
        server(secret=b"short")
    with pytest.raises(BuildError, match="realm"):
        server([])


# ---------------------------------------------------------------- the client's choices


def test_the_topmost_challenge_is_answered():
    offers = [challenge("1", algorithm="SHA-512-256"), challenge("2"), MD5]
    for order in itertools.permutations(offers):
        value = only(client().exchange("INVITE", URI).challenged(www=order))
        better = [offer for offer in order if "MD5" not in offer]
        assert value.algorithm == Challenge.parse(better[0]).algorithm


def test_unknown_challenges_are_passed_over():
    value = only(
        client()
        .exchange("INVITE", URI)
        .challenged(
            www=[
                'Basic realm="biloxi.com"',
                "???",
                challenge("1", algorithm="AKAv2-SHA-256"),
                challenge("2", qop="auth-conf"),
                challenge("3", qop="auth-conf,auth"),
            ]
        )
    )
    assert value.nonce == "3"


def test_md5_is_refused_where_better_was_offered():
    agent = client()
    agent.exchange("INVITE", URI).challenged(www=[challenge("1"), MD5])
    with pytest.raises(NoCredentials, match="only MD5 is offered where a better"):
        agent.exchange("INVITE", URI).challenged(www=[MD5])
    relaxed = client(downgrade=True)
    relaxed.exchange("INVITE", URI).challenged(www=[challenge("1"), MD5])
    assert only(relaxed.exchange("INVITE", URI).challenged(www=[MD5])).algorithm == "MD5"


def test_md5_can_be_forbidden():
    agent = client(algorithms=STRONG_ALGORITHMS)
    with pytest.raises(NoCredentials, match="MD5 is not allowed"):
        agent.exchange("INVITE", URI).challenged(www=[MD5])
    assert "MD5" in ANY_ALGORITHM
    assert "MD5-sess" not in STRONG_ALGORITHMS


def test_a_realm_without_an_account_gets_nothing():
    agent = client()
    with pytest.raises(NoCredentials, match=r"no account for realm 'evil\.com'") as caught:
        agent.exchange("INVITE", URI).challenged(www=[challenge(realm="evil.com")])
    assert caught.value.realms == ("evil.com",)
    with pytest.raises(NoCredentials):
        agent.exchange("INVITE", URI).challenged(www=[challenge(realm="BILOXI.COM")])
    with pytest.raises(NoCredentials, match="the response holds none"):
        agent.exchange("INVITE", URI).challenged()
    value = only(
        client(default=("guest", "")).exchange("INVITE", URI).challenged(www=[challenge(realm="x")])
    )
    assert value.username == "guest"


def test_accounts_may_be_a_callable():
    agent = client(lambda realm: ("carol", "x") if realm.endswith(".com") else None)
    assert only(agent.exchange("INVITE", URI).challenged(www=[challenge()])).username == "carol"
    with pytest.raises(NoCredentials):
        agent.exchange("INVITE", URI).challenged(www=[challenge(realm="biloxi.net")])


def test_every_realm_is_answered_in_its_own_header():
    agent = client({"a": ("bob", "1"), "b": ("robert", "2")})
    headers = agent.exchange("INVITE", URI).challenged(
        www=[challenge(realm="a")], proxy=[challenge(realm="b"), challenge(realm="c")]
    )
    assert [(name, value.realm, value.username) for name, value in sent(headers)] == [
        ("Authorization", "a", "bob"),
        ("Proxy-Authorization", "b", "robert"),
    ]


def test_forks_of_one_realm_are_all_answered():
    fork = [challenge("1"), challenge("1", algorithm="MD5"), challenge("2"), challenge("2")]
    headers = client().exchange("INVITE", URI).challenged(proxy=fork)
    values = [value for _, value in sent(headers)]
    assert [(value.nonce, value.algorithm) for value in values] == [
        ("1", "SHA-256"),
        ("2", "SHA-256"),
    ]
    assert values[0].cnonce != values[1].cnonce


def test_the_number_of_answers_is_bounded():
    fork = [challenge(str(number)) for number in range(100)]
    assert len(client(max_answers=3).exchange("INVITE", URI).challenged(proxy=fork)) == 3


def test_a_chain_of_proxies_gets_all_it_asked_for():
    agent = client({"a": ("bob", "1"), "b": ("bob", "2")})
    exchange = agent.exchange("INVITE", URI)
    exchange.challenged(proxy=[challenge("n1", realm="a")])
    values = [v for _, v in sent(exchange.challenged(proxy=[challenge("n2", realm="b")]))]
    assert [(value.realm, value.nonce, value.nc) for value in values] == [
        ("a", "n1", "00000002"),
        ("b", "n2", "00000001"),
    ]


def test_refused_credentials_are_not_sent_again():
    for nonce in ("n1", "n2"):
        exchange = client().exchange("INVITE", URI)
        exchange.challenged(www=[challenge("n1")])
        with pytest.raises(CredentialsRefused, match="refused user 'bob'") as caught:
            exchange.challenged(www=[challenge(nonce)])
        assert (caught.value.realm, caught.value.username) == (REALM, "bob")
        assert "zanzibar" not in str(caught.value)
        with pytest.raises(CredentialsRefused):
            exchange.challenged(www=[challenge("n3", stale="true")])


def test_a_stale_nonce_is_worth_a_try():
    exchange = client().exchange("INVITE", URI)
    exchange.challenged(www=[challenge("n1")])
    assert only(exchange.challenged(www=[challenge("n2", stale="TRUE")])).nonce == "n2"
    with pytest.raises(CredentialsRefused):
        exchange.challenged(www=[challenge("n2", stale="true")])  # the same one again


def test_a_server_that_calls_everything_stale_is_left():
    exchange = client().exchange("INVITE", URI)
    for number in range(exchange.MAX_ATTEMPTS):
        exchange.challenged(www=[challenge(str(number), stale="true")])
    with pytest.raises(NoCredentials, match="challenged 9 times in a row"):
        exchange.challenged(www=[challenge("last", stale="true")])


def test_a_remembered_nonce_may_be_refused_once():
    agent = client()
    agent.exchange("INVITE", URI).challenged(www=[challenge("n1")])
    exchange = agent.exchange("INVITE", URI)
    assert only(exchange.credentials()).nc == "00000002"
    assert only(exchange.challenged(www=[challenge("n2")])).nonce == "n2"
    with pytest.raises(CredentialsRefused):
        exchange.challenged(www=[challenge("n3")])
    assert agent.exchange("INVITE", URI).credentials() == []


def test_one_realm_refuses_while_another_asks():
    agent = client({"a": ("bob", "1"), "b": ("bob", "2")})
    exchange = agent.exchange("INVITE", URI)
    exchange.challenged(proxy=[challenge("1", realm="a")])
    both = [challenge("2", realm="a"), challenge("3", realm="b")]
    assert only(exchange.challenged(proxy=both)).realm == "b"
    with pytest.raises(CredentialsRefused):
        exchange.challenged(proxy=both)


def test_nonces_are_remembered_within_their_scope():
    agent = client()
    agent.exchange("REGISTER", URI, scope="call-1").challenged(www=[challenge("n1")])
    assert agent.exchange("REGISTER", URI).credentials() == []
    assert agent.exchange("REGISTER", URI, scope="call-2").credentials() == []
    counts = [
        only(agent.exchange("REGISTER", URI, scope="call-1").credentials()).nc for _ in range(3)
    ]
    assert counts == ["00000002", "00000003", "00000004"]
    agent.forget("call-1")
    assert agent.exchange("REGISTER", URI, scope="call-1").credentials() == []


def test_memory_is_bounded():
    agent = client(default=("bob", "x"), max_sessions=3)
    for number in range(10):
        agent.exchange("INVITE", URI).challenged(www=[challenge(realm=str(number))])
    realms = [value.realm for _, value in sent(agent.exchange("INVITE", URI).credentials())]
    assert realms == ["7", "8", "9"]


def test_without_qop_it_is_rfc_2069():
    value = only(
        client().exchange("INVITE", URI).challenged(www=[f'Digest realm="{REALM}", nonce="n"'])
    )
    assert set(value.parameters) == {"username", "realm", "nonce", "uri", "response"}
    assert value.response == digest_response(
        username="bob", realm=REALM, password="zanzibar", method="INVITE", uri=URI, nonce="n"
    )


def test_a_session_algorithm_without_qop_gets_one():
    value = only(
        client().exchange("INVITE", URI).challenged(www=[challenge(qop=None, algorithm="MD5-sess")])
    )
    assert (value.qop, value.nc) == ("auth", "00000001")


def test_what_came_goes_back():
    value = only(
        client().exchange("INVITE", URI).challenged(www=[challenge(opaque='o"p', userhash="true")])
    )
    assert value.opaque == 'o"p'
    assert value.username == hash_username("SHA-256", "bob", REALM)
    assert value.userhash


def test_names_are_normalized_where_the_server_wants_utf8():
    decomposed = client({REALM: ("Ja\u0308s", "\u00f8a\u0308")})
    composed = client({REALM: ("J\u00e4s", "\u00f8\u00e4")})
    for charset, same in (("UTF-8", True), (None, False)):
        one, two = (
            only(agent.exchange("INVITE", URI).challenged(www=[challenge(charset=charset)]))
            for agent in (decomposed, composed)
        )
        assert (one.response == two.response) is same
        assert (one.username == two.username) is same


# ---------------------------------------------------------------- the two together


def converse(agent, registrar, method="REGISTER", body=b"", now=0.0, scope=""):
    """One request, challenged and tried again; returns the exchange and the verdict."""
    exchange = agent.exchange(method, URI, body, scope=scope)
    verdict = registrar.verify(texts(exchange.credentials()), method, body, now=now)
    if isinstance(verdict, Challenged):
        offers = [value for _, value in verdict.headers]
        proxy = verdict.status == 407
        headers = exchange.challenged(**{"proxy" if proxy else "www": offers})
        verdict = registrar.verify(texts(headers), method, body, now=now)
    return exchange, verdict


@pytest.mark.parametrize("algorithm", ANY_ALGORITHM)
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
@pytest.mark.parametrize("proxy", [False, True])
def test_every_algorithm_and_quality(algorithm, qop, proxy):
    registrar = server(algorithms=[algorithm], qop=[qop], proxy=proxy)
    agent = client()
    for _ in range(3):
        exchange, verdict = converse(agent, registrar, body=b"v=0\r\n")
        assert isinstance(verdict, Authenticated)
        assert (verdict.username, verdict.realm, verdict.uri) == ("bob", REALM, URI)
        assert verdict.qop == qop
        name, info = registrar.authentication_info(verdict, 0.0, body=b"answer", next_nonce=True)
        key = {False: "info", True: "proxy_info"}[proxy]
        assert name == {False: "Authentication-Info", True: "Proxy-Authentication-Info"}[proxy]
        assert exchange.accepted(**{key: [info]}, body=b"answer")
    assert repr(registrar).endswith("3 nonces in use>")  # a new one for each request


def test_auth_int_protects_bodies_both_ways():
    registrar, agent = server(qop=["auth-int"]), client()
    exchange = agent.exchange("INVITE", URI, b"true")
    headers = exchange.challenged(www=texts(registrar.challenge(0.0).headers))
    assert isinstance(registrar.verify(texts(headers), "INVITE", b"false", now=0.0), Challenged)
    verdict = registrar.verify(texts(headers), "INVITE", b"true", now=0.0)
    assert isinstance(verdict, Authenticated)
    _, info = registrar.authentication_info(verdict, 0.0, body=b"answer")
    with pytest.raises(ServerNotProven, match="rspauth"):
        exchange.accepted([info], body=b"another")
    assert exchange.accepted([info], body=b"answer")


def test_a_server_that_does_not_know_the_password_is_found_out():
    registrar, agent = server(), client()
    exchange, verdict = converse(agent, registrar)
    _, info = registrar.authentication_info(verdict, 0.0)
    good = AuthenticationInfo.parse(info).parameters
    for name, value in {"rspauth": "0" * 64, "nc": "00000007", "cnonce": "other"}.items():
        with pytest.raises(ServerNotProven):
            exchange.accepted([str(AuthenticationInfo(good | {name: value}))])
    with pytest.raises(ServerNotProven):
        exchange.accepted([str(AuthenticationInfo(good | {"rspauth": "\u00e9", "nextnonce": "x"}))])
    assert only(agent.exchange("REGISTER", URI).credentials()).nonce != "x"
    assert exchange.accepted() is False
    assert exchange.accepted(['nextnonce="next"']) is False
    value = only(agent.exchange("REGISTER", URI).credentials())
    assert (value.nonce, value.nc) == ("next", "00000001")


def test_a_proof_of_nothing_that_was_sent():
    """Where nothing was sent it is passed over; where much was, it has to say what it answers."""
    assert client().exchange("REGISTER", URI).accepted(['rspauth="00"']) is False
    exchange = client().exchange("REGISTER", URI)
    exchange.challenged(www=[challenge("n1"), challenge("n2")])
    assert exchange.accepted(['nextnonce="n3"']) is False
    with pytest.raises(ServerNotProven, match="answers no credentials that were sent"):
        exchange.accepted(['rspauth="00"'])


@pytest.mark.parametrize("qop", ["auth", None])
def test_the_server_says_what_it_answers(qop):
    """RFC 7616 §3.5: by cnonce and nc, where there are any."""
    registrar, agent = server(algorithms=["MD5"], without_qop=True), client()
    nonce = Challenge.parse(registrar.challenge(0.0).headers[0][1]).nonce
    exchange = agent.exchange("REGISTER", URI)
    headers = exchange.challenged(www=[challenge(nonce, algorithm="MD5", qop=qop)])
    verdict = registrar.verify(texts(headers), "REGISTER", now=0.0)
    info = AuthenticationInfo.parse(registrar.authentication_info(verdict, 0.0)[1])
    given = only(headers)
    expected = ("auth", given.cnonce, "00000001") if qop else ("", None, None)
    assert (info.qop, info.cnonce, info.nc) == expected
    assert exchange.accepted([str(info)])


def test_an_answer_without_qop_is_none_with_it():
    """A server may name a qop all the same; the proof is that of RFC 2069 then."""
    exchange = client().exchange("REGISTER", URI)
    exchange.challenged(www=[challenge(qop=None, algorithm="MD5")])
    ha1 = hash_password("MD5", "bob", REALM, "zanzibar")
    right = Digest(ALGORITHMS["md5"], "n1").response(ha1, "", URI)
    assert exchange.accepted([f'rspauth="{right}", qop=auth'])


def test_names_are_taken_as_they_come_where_nobody_was_told_otherwise():
    """RFC 7616 §4: without charset in the challenge nothing is normalized."""
    decomposed = "Ja\u0308s"
    registrar = server(passwords={decomposed: "o\u0308"})
    assert isinstance(
        converse(client({REALM: (decomposed, "o\u0308")}), registrar)[1], Authenticated
    )
    plain = server(passwords={"bob": "\u00f6"})
    assert isinstance(converse(client({REALM: ("bob", "o\u0308")}), plain)[1], Challenged)


def test_realms_that_offered_better_are_bounded():
    """The one asked the longest ago is forgotten; one that is asked again is not."""
    agent = client(default=("bob", "x"), max_sessions=3)
    for realm in ("one", "two", "three", "one", "four"):
        agent.exchange("INVITE", URI).challenged(www=[challenge(realm=realm)])
    weak = [challenge(realm=realm, algorithm="MD5") for realm in ("one", "two", "three", "four")]
    answered = []
    for text in weak:
        with contextlib.suppress(NoCredentials):
            answered.append(only(agent.exchange("INVITE", URI).challenged(www=[text])).realm)
    assert answered == ["two"]


def test_the_next_nonce_comes_before_the_old_one_ends():
    registrar = server(lifetime=100.0)
    exchange, verdict = converse(client(), registrar)
    assert "nextnonce" not in registrar.authentication_info(verdict, 0.0)[1]
    late = client()
    exchange = late.exchange("REGISTER", URI)
    headers = exchange.challenged(www=texts(registrar.challenge(0.0).headers))
    verdict = registrar.verify(texts(headers), "REGISTER", now=60.0)
    exchange.accepted([registrar.authentication_info(verdict, 60.0)[1]])
    again = late.exchange("REGISTER", URI)
    verdict = registrar.verify(texts(again.credentials()), "REGISTER", now=150.0)
    assert isinstance(verdict, Authenticated)


def test_user_hashes():
    accounts = {hash_username("SHA-256", "bob", REALM): Account("bob", "zanzibar")}
    registrar = server(userhash=lambda name, realm, algorithm: accounts.get(name))
    verdict = converse(client(), registrar)[1]
    assert isinstance(verdict, Authenticated)
    assert verdict.username == "bob"
    # Nobody who hashes is known to a server that did not ask for it.
    plain = server()
    headers = (
        client()
        .exchange("REGISTER", URI)
        .challenged(www=[text + ", userhash=true" for text in texts(plain.challenge(0.0).headers)])
    )
    assert isinstance(plain.verify(texts(headers), "REGISTER", now=0.0), Challenged)


# ---------------------------------------------------------------- the server's verdicts


def test_challenges_come_in_order_of_preference():
    verdict = server(algorithms=["SHA-512-256", "SHA-256", "MD5"]).challenge(0.0)
    assert verdict.status == 401
    assert {name for name, _ in verdict.headers} == {"WWW-Authenticate"}
    values = [Challenge.parse(value) for _, value in verdict.headers]
    assert [value.algorithm for value in values] == ["SHA-512-256", "SHA-256", "MD5"]
    assert len({value.nonce for value in values}) == 1
    assert all(value.qop == ("auth",) and not value.stale for value in values)


def test_nonces_differ():
    registrar = server()
    nonces = {Challenge.parse(registrar.challenge(0.0).headers[0][1]).nonce for _ in range(10)}
    assert len(nonces) == 10


def test_wrong_passwords_and_unknown_users_look_alike():
    registrar = server()
    for account in (("bob", "wrong"), ("nobody", "zanzibar")):
        verdict = converse(client({REALM: account}), registrar)[1]
        assert isinstance(verdict, Challenged)
        assert not verdict.stale
        assert verdict.username == account[0]
        assert all("stale" not in value for _, value in verdict.headers)
    assert repr(registrar).endswith("0 nonces in use>")


def test_nobodys_password_is_no_ones():
    registrar = server(passwords={})
    nobody = registrar._nobody._password
    verdict = converse(client({REALM: ("", nobody)}), registrar)[1]
    assert isinstance(verdict, Challenged)


def test_an_old_nonce_is_stale():
    registrar = server(lifetime=60.0)
    headers = (
        client().exchange("INVITE", URI).challenged(www=texts(registrar.challenge(0.0).headers))
    )
    verdict = registrar.verify(texts(headers), "INVITE", now=61.0)
    assert isinstance(verdict, Challenged)
    assert verdict.stale
    assert Challenge.parse(verdict.headers[0][1]).stale
    wrong = client({REALM: ("bob", "wrong")}).exchange("INVITE", URI)
    headers = wrong.challenged(www=texts(registrar.challenge(0.0).headers))
    verdict = registrar.verify(texts(headers), "INVITE", now=61.0)
    assert not verdict.stale  # only who knows the password hears of it


@pytest.mark.parametrize(
    "other",
    [
        {"secret": b"another secret of ours"},
        {"realms": ["elsewhere", REALM], "secret": b"fedcba9876543210"},
    ],
)
def test_a_nonce_of_another_server_is_stale(other):
    verdict = server(**other).challenge(0.0, realm=REALM)
    headers = client().exchange("INVITE", URI).challenged(www=texts(verdict.headers))
    assert server().verify(texts(headers), "INVITE", now=0.0).stale


def test_a_nonce_is_of_one_realm():
    both = server(["a", "b"])
    nonce = Challenge.parse(both.challenge(0.0, realm="a").headers[0][1]).nonce
    agent = client({"b": ("bob", "zanzibar")})
    headers = agent.exchange("INVITE", URI).challenged(www=[challenge(nonce, realm="b")])
    assert both.verify(texts(headers), "INVITE", now=0.0, realm="b").stale
    with pytest.raises(UsageError, match="not a realm"):
        both.challenge(0.0, realm="c")


def test_nonces_are_not_forged():
    for nonce in ("", "x", "AAAA", "A" * 44, "é", "=" * 9):
        headers = client().exchange("INVITE", URI).challenged(www=[challenge(nonce)])
        assert server().verify(texts(headers), "INVITE", now=0.0).stale


def test_replays_are_found():
    registrar = server()
    exchange = client().exchange("INVITE", URI)
    headers = texts(exchange.challenged(www=texts(registrar.challenge(0.0).headers)))
    assert isinstance(registrar.verify(headers, "INVITE", now=0.0), Authenticated)
    verdict = registrar.verify(headers, "INVITE", now=0.0)
    assert isinstance(verdict, Challenged)
    assert verdict.stale
    assert "replay" in verdict.reason


def test_counts_may_overtake_each_other():
    registrar, agent = server(), client()
    agent.exchange("INVITE", URI).challenged(www=texts(registrar.challenge(0.0).headers))
    tries = [texts(agent.exchange("INVITE", URI).credentials()) for _ in range(300)]

    def good(index):
        return isinstance(registrar.verify(tries[index], "INVITE", now=0.0), Authenticated)

    assert [good(at) for at in (4, 0, 2, 3, 0, 4, 1, 1)] == [
        True, True, True, True, False, False, True, False,
    ]  # fmt: skip
    assert good(200)
    assert good(200 - registrar._nonces.WINDOW + 1)
    assert not good(200 - registrar._nonces.WINDOW)
    assert not good(5)
    assert good(299)


def test_without_a_count_a_nonce_is_good_once():
    registrar = server(algorithms=["MD5"], without_qop=True)
    nonce = Challenge.parse(registrar.challenge(0.0).headers[0][1]).nonce
    headers = texts(
        client()
        .exchange("INVITE", URI)
        .challenged(www=[f'Digest realm="{REALM}", nonce="{nonce}"'])
    )
    assert isinstance(registrar.verify(headers, "INVITE", now=0.0), Authenticated)
    assert registrar.verify(headers, "INVITE", now=0.0).stale


def test_a_forgotten_nonce_cannot_be_replayed():
    registrar = server(max_nonces=2)
    tries = []
    for number in range(4):
        now = float(number)
        headers = (
            client().exchange("INVITE", URI).challenged(www=texts(registrar.challenge(now).headers))
        )
        tries.append(texts(headers))
        assert isinstance(registrar.verify(tries[-1], "INVITE", now=now), Authenticated)
    assert repr(registrar).endswith("2 nonces in use>")
    for headers in tries:
        assert registrar.verify(headers, "INVITE", now=5.0).stale
    # Old ones go by themselves, and leave the horizon alone.
    converse(client(), registrar, now=1000.0)
    assert repr(registrar).endswith("1 nonces in use>")


def test_malformed_credentials_are_a_bad_request():
    registrar = server()
    nonce = Challenge.parse(registrar.challenge(0.0).headers[0][1]).nonce
    values = {
        "username": "bob", "realm": REALM, "nonce": nonce, "uri": URI, "response": "0",
        "algorithm": "SHA-256", "cnonce": "c", "qop": "auth", "nc": "00000001",
    }  # fmt: skip
    for change in ({"nc": "0"}, {"nc": "x"}, {"qop": "auth-int"}, {"qop": "none"}):
        verdict = registrar.verify([str(Credentials(values | change))], "INVITE", now=0.0)
        assert isinstance(verdict, Malformed)
        assert verdict.status == 400
        assert verdict.reason
    assert isinstance(registrar.verify(["Digest"], "INVITE", now=0.0), Malformed)
    assert isinstance(registrar.verify(["\x00"], "INVITE", now=0.0), Malformed)
    session = server(algorithms=["MD5-sess"])
    verdict = session.verify(
        [GOOD.replace('"r"', f'"{REALM}"') + ", algorithm=MD5-sess"], "X", now=0
    )
    assert isinstance(verdict, Malformed)


def test_what_was_not_offered_is_challenged():
    registrar = server(algorithms=["SHA-256"])
    headers = client().exchange("INVITE", URI).challenged(www=[MD5])
    verdict = registrar.verify(texts(headers), "INVITE", now=0.0)
    assert isinstance(verdict, Challenged)
    assert "not offered" in verdict.reason


def test_credentials_of_others_are_passed_over():
    registrar = server()
    agent = client({"a": ("bob", "1"), REALM: ("bob", "zanzibar")})
    exchange = agent.exchange("INVITE", URI)
    headers = exchange.challenged(
        www=[challenge(realm="a"), *texts(registrar.challenge(0.0).headers)]
    )
    lines = ["Basic Ym9i", "???", *texts(headers), challenge("x")]
    assert isinstance(registrar.verify(lines, "INVITE", now=0.0), Authenticated)
    assert isinstance(registrar.verify(texts(headers)[:1], "INVITE", now=0.0), Challenged)


def test_a_good_set_counts_beside_a_bad_one():
    registrar = server()
    good = texts(
        client().exchange("INVITE", URI).challenged(www=texts(registrar.challenge(0.0).headers))
    )
    bad = texts(client().exchange("INVITE", URI).challenged(www=[challenge("forged")]))
    assert isinstance(registrar.verify(bad + good, "INVITE", now=0.0), Authenticated)


def test_ack_and_cancel_are_not_challenged():
    for method in ("ACK", "CANCEL"):
        with pytest.raises(UsageError, match=f"{method} cannot be challenged"):
            server().verify([], method, now=0.0)


@given(st.lists(HEADERISH, max_size=4))
def test_garbage_gets_a_verdict(lines):
    verdict = server().verify(lines, "INVITE", now=0.0)
    assert isinstance(verdict, Challenged | Malformed)
    with contextlib.suppress(NoCredentials):
        client(default=("a", "b")).exchange("INVITE", URI).challenged(lines, lines)
