"""Digest with SIPp on either side, and with Kamailio as the proxy that asks."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from sipparty.errors import CallRejected
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip.auth import DigestServer
from sipparty.sip.events import CallReceived

from .peer import everywhere, wait_for
from .sipp import SIPp

Make = Callable[..., Any]

ALICE = ("alice", "wonderland")


#: SIPp verifies what a server is given; of what a proxy is given it can see the form alone.
VERIFIES = '<verifyauth assign_to="right" username="alice" password="wonderland"/>'
LOOKS = (
    '<ereg regexp="username=.alice., realm=.sipp.example., .*response=.[0-9a-f]{32}"'
    ' search_in="hdr" header="Proxy-Authorization:" assign_to="right"/>'
)


@everywhere
@pytest.mark.parametrize(
    ("status", "challenge", "credentials", "verify"),
    [
        (401, "WWW-Authenticate", "Authorization", VERIFIES),
        (407, "Proxy-Authenticate", "Proxy-Authorization", LOOKS),
    ],
    ids=["server", "proxy"],
)
def test_sipp_asks(
    sipp: SIPp, parties: Make, status: int, challenge: str, credentials: str, verify: str
) -> None:
    names = {"STATUS": status, "CHALLENGE": challenge, "CREDENTIALS": credentials}
    run = sipp.answer("uas_challenges", **names, VERIFY=verify)
    alice = parties(NoMediaSimpleCallsParty, credentials={"sipp.example": ALICE})
    call = alice.invite(run.uri()).wait(5)
    assert call.state == "InDialog"
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


def test_sipp_does_not_like_the_password(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_never_admits")
    alice = parties(NoMediaSimpleCallsParty, credentials=ALICE)
    with pytest.raises(CallRejected, match=r"'sipp\.example' refused user 'alice'"):
        alice.invite(run.uri()).wait(5)
    run.finish()


@pytest.fixture
def authenticator() -> DigestServer:
    """SIPp knows MD5 alone."""
    return DigestServer(
        "biloxi.example",
        lambda user, realm: dict([ALICE]).get(user),
        secret=secrets.token_bytes(32),
        tokens=lambda: secrets.token_hex(8),
        algorithms=["MD5"],
    )


@everywhere
def test_we_ask_sipp(sipp: SIPp, parties: Make, authenticator: DigestServer) -> None:
    received: list[Any] = []
    bob = parties(NoMediaSimpleCallsParty, "bob", auto_answer=True, authenticator=authenticator)
    bob.on(CallReceived, lambda event: received.append(event.call))
    options = ("-au", "alice", "-ap", "wonderland")
    values: dict[str, Any] = {
        "STATUS": 200,
        "NEXT": "admitted",
        "PATTERN": 'Authentication-Info:.*rspauth="',
    }
    sipp.call("uac_authenticates", bob.contact_uri.port, *options, **values).finish()
    (call,) = wait_for(lambda: received, "a call came")
    assert call.authenticated == "alice"
    assert call.state == "Terminated"


def test_sipp_has_a_wrong_password(sipp: SIPp, parties: Make, authenticator: DigestServer) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob", auto_answer=True, authenticator=authenticator)
    options = ("-au", "alice", "-ap", "looking-glass")
    values: dict[str, Any] = {
        "STATUS": 401,
        "NEXT": "refused",
        "PATTERN": "WWW-Authenticate: Digest",
    }
    sipp.call("uac_authenticates", bob.contact_uri.port, *options, **values).finish()
    assert bob.calls == []


#: Who is admitted by Kamailio: with which password, in which realm.
ADMITS = ("atlanta.example", "wonderland")


@pytest.mark.parametrize("name", ["udp", "tls", "ws"])
def test_a_proxy_and_a_party_ask(kamailio: Make, parties: Make, name: str) -> None:
    """Two challenges for one call: the proxy's 407, then bob's 401."""
    bob = parties(NoMediaSimpleCallsParty, "bob", auto_answer=True, authenticator={"alice": "tea"})
    proxy = kamailio(routes={"bob": str(bob.contact_uri)}, transports=["udp", name], admits=ADMITS)
    accounts = {"atlanta.example": ALICE, "example.com": ("alice", "tea")}
    alice = parties(NoMediaSimpleCallsParty, credentials=accounts, transport=name)
    call = alice.invite(f"bob@{bob.host}", proxy=proxy.uri(name)).wait(5)
    (its,) = bob.calls
    assert its.authenticated == "alice"
    wait_for(lambda: its._invited is None, "the ACK came")
    assert call.terminate().wait(5).state == "Terminated"
    assert its.wait(5).state == "Terminated"


def test_a_proxy_that_refuses(kamailio: Make, parties: Make) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob", auto_answer=True)
    proxy = kamailio(routes={"bob": str(bob.contact_uri)}, transports=["udp"], admits=ADMITS)
    alice = parties(NoMediaSimpleCallsParty, credentials=("alice", "looking glass"))
    with pytest.raises(CallRejected, match=r"'atlanta\.example' refused user 'alice'") as caught:
        alice.invite(f"bob@{bob.host}", proxy=proxy.uri("udp")).wait(5)
    assert caught.value.status == 407
    assert bob.calls == []
