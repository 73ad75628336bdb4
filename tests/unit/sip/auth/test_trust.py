"""Whose challenges are answered: the table of the page on authentication, row by row."""

import pytest

from sipparty.sip.auth import Destination, Origin, Trust

REALM = "biloxi.com"
PROGRAM, OUR_CALL, THEIR_CALL = Origin
FAR, PROXY, LOOP = "192.0.2.7", "192.0.2.1", "127.0.0.1"


@pytest.fixture
def make():
    """Make a `Trust` that has been at its proxy, and had its account accepted at another server."""

    def make(**settings):
        trust = Trust(["atlanta.com", ""], **settings)
        trust.answered(Destination(PROXY, "proxy.example", routed=True))
        trust.accepted(Destination("192.0.2.3"), REALM)
        return trust

    return make


def answered(trust, destination, is_proxy=True):
    """Whether an account by realm is used, and whether one without is."""
    return tuple(
        trust.refusal(destination, REALM, is_proxy=is_proxy, names_realm=named) == ""
        for named in (True, False)
    )


HOME = [
    Destination(PROXY),
    Destination(FAR, "atlanta.com"),
    Destination(FAR, "sip.atlanta.com"),
    Destination(FAR, "proxy.example", routed=True),
]


@pytest.mark.parametrize("level", ["own", "home", "chosen", "any"])
@pytest.mark.parametrize("destination", HOME)
def test_home(make, level, destination):
    assert answered(make(challenges=level), destination) == (True, True)


@pytest.mark.parametrize("origin", [PROGRAM, OUR_CALL])
@pytest.mark.parametrize(
    ("level", "named_only"), [("own", True), ("home", True), ("chosen", False), ("any", False)]
)
def test_whom_the_program_calls(make, level, named_only, origin):
    trust = make(challenges=level)
    for host in ("stranger.example", "notatlanta.com", "", "com"):
        there = Destination(FAR, host, "sip:m@192.0.2.7", origin)
        assert answered(trust, there) == (True, not named_only)


@pytest.mark.parametrize("origin", [PROGRAM, OUR_CALL])
@pytest.mark.parametrize("address", [LOOP, "::1", "127.9.9.9"])
def test_on_this_host(make, origin, address):
    there = Destination(address, address, "sip:m@x", origin)
    assert answered(make(), there) == (True, True)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("own", (False, False)),
        ("home", (True, False)),
        ("chosen", (True, False)),
        ("any", (True, True)),
    ],
)
@pytest.mark.parametrize("address", [PROXY, "192.0.2.3"])
def test_calls_of_others_by_servers_of_ours(make, level, expected, address):
    there = Destination(address, address, f"sip:x@{FAR}", THEIR_CALL)
    if address != PROXY:  # it has accepted an account: so that is its account
        expected = (expected[0], expected[0])
    assert answered(make(challenges=level), there) == expected


@pytest.mark.parametrize("address", [FAR, LOOP, ""])
@pytest.mark.parametrize("host", ["atlanta.com", "biloxi.com", PROXY])
def test_calls_of_others_by_others(make, address, host):
    """Whatever they call themselves."""
    there = Destination(address, host, f"sip:x@{host}", THEIR_CALL, routed=True)
    for level in ("own", "home", "chosen"):
        assert answered(make(challenges=level), there) == (False, False)
    assert answered(make(challenges="any"), there) == (True, True)


@pytest.mark.parametrize(
    ("uri", "far_end"),
    [
        (f"sip:x@{PROXY}", True),
        ("sip:x@sip.atlanta.com", True),
        (f"sip:x@{FAR}", False),
        ("sip:x@atlanta.com.evil.com", False),
        ("no uri", False),
    ],
)
def test_calls_of_others_and_a_401(make, uri, far_end):
    """It is the far end's; by our proxy it may have come from anybody."""
    there = Destination(PROXY, PROXY, uri, THEIR_CALL)
    assert answered(make(), there, is_proxy=False) == (far_end, False)
    assert answered(make(), there, is_proxy=True) == (True, False)


@pytest.mark.parametrize(
    ("host", "uri", "pretence"),
    [
        (FAR, "sip:x@atlanta.com", True),
        (FAR, "sip:x@sip.atlanta.com", True),
        (FAR, f"sip:x@{PROXY}", True),
        (FAR, "sip:x@biloxi.com", True),
        (FAR, "sip:x@b.biloxi.com", True),
        ("evil.com", "sip:x@biloxi.com", True),
        ("", "sip:x@biloxi.com", True),
        (FAR, "no uri", True),
        ("biloxi.com", "sip:x@biloxi.com", False),
        ("sip.biloxi.com", "sip:x@biloxi.com", False),
        ("atlanta.com", "sip:x@atlanta.com", False),
        (FAR, f"sip:x@{FAR}", False),
        (FAR, "sip:x@elsewhere.example", False),
    ],
)
def test_who_is_called_like_somebody_else(make, host, uri, pretence):
    trust = make()
    there = Destination(FAR, host, uri, OUR_CALL)
    refusal = trust.refusal(there, REALM, is_proxy=False, names_realm=True)
    assert refusal == ("who asks is not the server that the request names" if pretence else "")
    reaches = trust.reaches(there, FAR, REALM, is_proxy=False, names_realm=True)
    assert reaches is not pretence
    # The program may name what it likes.
    assert (
        trust.refusal(there._replace(origin=PROGRAM), REALM, is_proxy=False, names_realm=True) == ""
    )
    everybody = make(challenges="any")
    assert everybody.refusal(there, REALM, is_proxy=False, names_realm=True) == ""
    assert everybody.reaches(there, "192.0.2.99", REALM, is_proxy=True, names_realm=False)


def test_an_address_that_was_found_by_a_name(make):
    trust = make()
    there = Destination(FAR, FAR, "sip:x@biloxi.com", OUR_CALL)
    assert trust.refusal(there, REALM, is_proxy=False, names_realm=True)
    trust.answered(Destination(FAR, "sip.biloxi.com"))
    assert trust.refusal(there, REALM, is_proxy=False, names_realm=True) == ""


@pytest.mark.parametrize(
    ("is_proxy", "names_realm", "address", "reaches"),
    [
        (False, True, "192.0.2.99", True),
        (True, True, "192.0.2.99", False),
        (False, False, "192.0.2.99", False),
        (True, True, FAR, True),
        (True, False, FAR, True),
    ],
)
def test_what_goes_unasked(make, is_proxy, names_realm, address, reaches):
    there = Destination(FAR, FAR, f"sip:x@{FAR}", OUR_CALL)
    options = {"is_proxy": is_proxy, "names_realm": names_realm}
    assert make().reaches(there, address, REALM, **options) is reaches
    assert make().reaches(there._replace(address=PROXY), address, REALM, **options)


@pytest.mark.parametrize(
    ("setting", "ours", "theirs"),
    [("never", False, False), ("own", True, False), ("any", True, True)],
)
def test_without_qop(make, setting, ours, theirs):
    trust = make(without_qop=setting)
    for origin, expected in ((PROGRAM, ours), (OUR_CALL, ours), (THEIR_CALL, theirs)):
        assert trust.takes_no_qop(Destination(PROXY, origin=origin)) is expected


@pytest.mark.parametrize("origin", [OUR_CALL, THEIR_CALL])
def test_what_peers_choose_teaches_nothing(origin):
    trust = Trust(["atlanta.com"])
    there = Destination(FAR, "atlanta.com", f"sip:x@{FAR}", origin, routed=True)
    trust.answered(there)
    trust.accepted(there, REALM)
    assert answered(trust, Destination(FAR, FAR, f"sip:x@{FAR}", THEIR_CALL)) == (False, False)


def test_what_is_learnt_is_bounded():
    trust = Trust(["atlanta.com"])
    for number in range(2 * Trust.MAX_SERVERS):
        trust.answered(Destination("192.0.2.1", "atlanta.com"))
        trust.answered(Destination(f"10.0.{number >> 8}.{number & 255}", "atlanta.com"))
        trust.accepted(Destination(f"10.0.{number >> 8}.{number & 255}"), REALM)
    tables = (trust._addresses, trust._hosts, trust._accepted)
    assert [len(table) for table in tables] == [Trust.MAX_SERVERS] * 3
    assert trust.is_home(Destination("192.0.2.1", origin=THEIR_CALL))
    assert not trust.is_home(Destination("10.0.0.0", origin=THEIR_CALL))


def test_a_home_that_is_an_address():
    trust = Trust(["[2001:db8::1]", "192.0.2.1"])
    for address in ("2001:db8::1", "192.0.2.1"):
        assert trust.is_home(Destination(address, origin=THEIR_CALL))
    assert not trust.is_home(Destination("9.192.0.2.1", origin=THEIR_CALL))
