"""What changes a call while it is set up and after: session timers, reliable provisional responses
and UPDATE, with SIPp, with softphones, and through Kamailio.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.dialog import session_timer
from sipparty.sip.events import CallProgressed

from .calls import ended, first, incoming
from .media import THEIRS, write_tone
from .pbx import DOMAIN, PASSWORD, PBX
from .peer import TCP, TLS, UDP, WSS, Transport, over, wait_for
from .sipp import SIPp

Make = Callable[..., Any]

# ---------------------------------------------------------------- session timers (RFC 4028)


@pytest.fixture
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals below 90 s are taken as they are: nobody waits 45 s for a refresh here."""
    monkeypatch.setattr(session_timer, "MIN_INTERVAL", 1)


REFRESHES: dict[str, dict[str, object]] = {
    "UPDATE": {"ALLOW": "INVITE, ACK, BYE, CANCEL, UPDATE", "BODY": "Content-Length: 0", "ACK": ""},
    "INVITE": {
        "ALLOW": "INVITE, ACK, BYE, CANCEL",
        "BODY": "%SDP%",
        "ACK": '<recv request="ACK"/>',
    },
}


@over(UDP, TCP)
@pytest.mark.parametrize("method", REFRESHES)
def test_we_refresh(sipp: SIPp, parties: Make, short_intervals: None, method: str) -> None:
    """422 names a longer interval; of that which SIPp takes, half goes by before each refresh."""
    values = REFRESHES[method]
    run = sipp.answer("uas_timer", MIN=120, EXPIRES=2, METHOD=method, **values)
    alice = parties(NoMediaSimpleCallsParty, session_expires=90)
    call = alice.invite(run.uri()).wait(5)
    assert (call.session_timer.interval, call.session_timer.refresher) == (2, "local")
    wait_for(lambda: call.session_timer.interval == 1800, "it is refreshed")
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


@over(UDP, TCP)
def test_sipp_does_not_refresh(sipp: SIPp, parties: Make, short_intervals: None) -> None:
    """RFC 4028 §10: the call is hung up before its session expires, and says why."""
    run = sipp.answer("uas_timer_lapses", EXPIRES=2)
    call = parties(NoMediaSimpleCallsParty, session_expires=90).invite(run.uri()).wait(5)
    call.waitForStateCondition(lambda state: state == "Error", 5)
    assert call.ended_by == "timeout"
    run.finish()


@over(UDP, TCP)
def test_sipp_refreshes(sipp: SIPp, parties: Make) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    calls = incoming(bob)
    sipp.call("uac_timer", bob.contact_uri.port).finish()
    ended(calls[-1])


@pytest.mark.parametrize("caller", ["we", "it"])
def test_linphone_has_a_session_timer(
    linphone: Make, talking: Make, tmp_path: Path, caller: str
) -> None:
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)
    timers = "session_expires_enabled=1\nsession_expires_value=300\n"
    peer = linphone(play=tone, settings=timers)
    alice = talking(session_expires=200)
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell(f"call {alice.contact_uri}")
        call = first(calls)
    peer.wait_for_output("Media streams established")
    wait_for(lambda: call.session_timer, "a session timer was agreed on")
    assert call.session_timer.interval == 200
    call.terminate()
    ended(call)


def test_baresip_has_no_session_timer(baresip: Make, talking: Make, tmp_path: Path) -> None:
    """Debian's version does not know them: we refresh alone (RFC 4028 §7.2)."""
    peer = baresip(play=write_tone(tmp_path / "tone.wav", THEIRS, 30))
    call = talking(session_expires=90).invite(peer.uri()).wait(5)
    assert (call.session_timer.interval, call.session_timer.refresher) == (90, "local")
    call.terminate()
    ended(call)


# ---------------------------------------------------------------- provisional responses (RFC 3262)


@over(UDP, TCP)
def test_sipp_rings_reliably(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_prack")
    alice = parties(NoMediaSimpleCallsParty)
    seen: list[CallProgressed] = []
    alice.on(CallProgressed, seen.append)
    call = alice.invite(run.uri()).wait(5)
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()
    assert [(event.response.status, event.reliable) for event in seen] == [(180, True), (183, True)]


@over(UDP, TCP)
@pytest.mark.parametrize("option", ["Supported", "Require"])
def test_we_ring_reliably(sipp: SIPp, parties: Make, option: str) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob", history=True)
    calls = incoming(bob, lambda call: call.ring(reliable=True))
    run = sipp.call("uac_prack", bob.contact_uri.port, OPTION=option, MILLISECONDS=0)
    call = first(calls)
    wait_for(lambda: any(one.data.startswith(b"PRACK") for one in call.messages), "PRACK came")
    call.accept()
    run.finish()
    ended(call)


# ---------------------------------------------------------------- UPDATE (RFC 3311)


def exchange_updates(call: Any) -> None:
    """Hold the other side, which then stops sending and receiving."""
    call.hold(method="UPDATE").wait(5)
    assert call.held
    wait_for(lambda: call.session.negotiated.direction == "inactive", "it has asked for that")


@over(UDP, TCP)
def test_updates_in_a_call_to_sipp(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_update")
    call = parties(SingleRTPSessionSimplenParty).invite(run.uri()).wait(5)
    exchange_updates(call)
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


@over(UDP, TCP)
def test_updates_in_a_call_of_sipps(sipp: SIPp, parties: Make) -> None:
    bob = parties(SingleRTPSessionSimplenParty, "bob")
    calls = incoming(bob)
    run = sipp.call("uac_update", bob.contact_uri.port)
    call = first(calls)
    wait_for(lambda: call._invited is None, "the ACK came")
    exchange_updates(call)
    run.finish()
    ended(call)


@over(UDP, TCP)
def test_an_update_before_the_answer(sipp: SIPp, parties: Make) -> None:
    """RFC 3262 §5, RFC 3311 §5.1: early media is agreed on by a reliable 183, and then held."""
    run = sipp.answer("uas_update_early")
    call = parties(SingleRTPSessionSimplenParty).invite(run.uri())
    wait_for(lambda: call.session and call.session.negotiated, "early media")
    call.hold().wait(5)
    assert call.wait(5).state == "InDialog"
    assert call.session.negotiated.direction == "sendonly"
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()


# ---------------------------------------------------------------- end to end through Kamailio


@over(UDP, TCP, TLS, WSS)
def test_through_the_pbx(pbx: Make, parties: Make, transport: Transport) -> None:
    """PRACK, UPDATE and the session timer follow the route set, from one party to the other."""
    office: PBX = pbx(transports=[transport.name])
    carrier = "" if transport.name == "wss" else transport.name
    options = {"transport": carrier, "proxy": office.uri(transport.name), "history": True}
    alice, bob = (
        parties(SingleRTPSessionSimplenParty, name, credentials=(name, PASSWORD), **options)
        for name in ("alice", "bob")
    )
    bob.register(expires=60).wait(5)
    calls = incoming(bob, lambda call: call.ring(reliable=True))
    alice.session_expires = 120
    call = alice.invite(f"bob@{DOMAIN}")
    its = first(calls)
    wait_for(lambda: any(one.data.startswith(b"PRACK") for one in its.messages), "PRACK came")
    its.accept()
    assert call.wait(5).state == "InDialog"
    assert call.session_timer.interval == its.session_timer.interval == 120
    call.hold(method="UPDATE").wait(5)
    assert its.session.negotiated.direction == "recvonly"
    its.terminate()
    for end in (call, its):
        ended(end)
