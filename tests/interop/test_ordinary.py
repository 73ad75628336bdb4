"""What is done against strangers does not hurt the ordinary call: programs of others, and all
settings as they are by default, but for times that are made short. Minutes of such calls, in
virtual time, are in `tests/security/test_ordinary.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.media import MemorySink
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Request
from sipparty.sip.policy import Policy

from .calls import ended, first, incoming
from .kamailio import Kamailio
from .media import OURS, samples_of, tone_share
from .peer import wait_for
from .sipp import _PARTS, SIPp

Make = Callable[..., Any]

#: Seconds after which media for nobody known stops: less than a call of these tests lasts.
SHORT = Policy(unproven_media=0.2)
#: Packets of 20 ms that take longer than that, and are there on a busy machine too.
ENOUGH = 20
#: Another host, as far as anybody can tell.
ELSEWHERE = "127.0.0.2"
ALICE = ("alice", "wonderland")


def told(call: Any) -> list[str]:
    """Have a call's media tell what happens to it."""
    events: list[str] = []
    wait_for(lambda: call.session, "there is a session")
    call.session.emit = lambda event: events.append(type(event).__name__)
    return events


@pytest.mark.parametrize("direction", ["sendrecv", "recvonly"])
def test_sipp_without_rtp(sipp: SIPp, talking: Make, direction: str) -> None:
    """It sends no packet, and says so or not: its media is where its signalling is."""
    bob = talking(user="bob", policy=SHORT)
    calls = incoming(bob, lambda call: call.ring().accept())
    run = sipp.call("uac_call", bob.contact_uri.port, MILLISECONDS=1200, **_sdp(direction))
    call = first(calls)
    events = told(call)
    run.finish()
    ended(call)
    assert call.session.statistics.packets_sent > ENOUGH
    assert "MediaUnproven" not in events


def test_a_pbx_whose_media_is_elsewhere(sipp: SIPp, talking: Make, sink: MemorySink) -> None:
    """It returns what it hears, from another host than it signals from."""
    bob = talking(user="bob", policy=SHORT, media={"accept_echo": True})
    calls = incoming(bob, lambda call: call.ring().accept())
    options = ("-mi", ELSEWHERE, "-rtp_echo")
    run = sipp.call("uac_call", bob.contact_uri.port, *options, MILLISECONDS=1200)
    call = first(calls)
    events = told(call)
    run.finish()
    ended(call)
    assert call.session.statistics.packets_received > ENOUGH
    assert tone_share(samples_of(sink.pcm), OURS) > 0.9
    assert "MediaUnproven" not in events


def test_a_pbx_is_called_whose_media_is_elsewhere(sipp: SIPp, talking: Make) -> None:
    run = sipp.answer("uas_hangs_up", "-mi", ELSEWHERE, "-rtp_echo", MILLISECONDS=1200)
    alice = talking(policy=SHORT, media={"accept_echo": True})
    call = alice.invite(run.uri()).wait(5)
    events = told(call)
    run.finish()
    ended(call)
    assert call.session.statistics.packets_received > ENOUGH
    assert "MediaUnproven" not in events


def test_a_trunk_asks_who_hangs_up(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_challenges_bye")
    alice = parties(NoMediaSimpleCallsParty, credentials=ALICE)
    call = alice.invite(run.uri()).wait(5)
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


def test_a_trunk_that_calls_asks_who_hangs_up(sipp: SIPp, parties: Make) -> None:
    """The account is bound to the trunk's realm, and the trunk is the party's proxy."""
    account = {"sipp.example": ALICE}
    bob = parties(NoMediaSimpleCallsParty, "bob", credentials=account, proxy="127.0.0.1")
    calls = incoming(bob, lambda call: call.ring().accept())
    run = sipp.call("uac_challenges_bye", bob.contact_uri.port)
    call = first(calls)
    wait_for(lambda: call.state == "InDialog" and call._invited is None, "the ACK came")
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


def test_a_registrar_of_ones_own(kamailio: Make, parties: Make) -> None:
    """User and password for whoever asks, with a registrar and proxy that asks each time."""
    proxy: Kamailio = kamailio(
        routes={},
        transports=["udp"],
        admits=("atlanta.example", "wonderland"),
        registers=True,
    )
    alice = parties(NoMediaSimpleCallsParty, credentials=ALICE, proxy=proxy.uri("udp"))
    bob = parties(NoMediaSimpleCallsParty, "bob", credentials=("bob", "wonderland"))
    bob.proxy = proxy.uri("udp")
    calls = incoming(bob, lambda call: call.ring().accept())
    for party in (alice, bob):
        uri = f"sip:{party.username}@{party.host}"
        register = Request(
            "REGISTER", f"sip:{party.host}", [("To", f"<{uri}>"), ("From", f"<{uri}>;tag=1")]
        )
        assert party.send(register).wait(5).status == 200
    call = alice.invite("sip:bob@example.com").wait(5)
    its = first(calls)
    wait_for(lambda: its._invited is None, "the ACK came")
    assert its.terminate().wait(5).state == "Terminated"
    ended(call)


def _sdp(direction: str) -> dict[str, str]:
    return {"SDP": f"{_PARTS['SDP']}\na={direction}"}
