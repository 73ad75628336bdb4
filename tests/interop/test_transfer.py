"""Calls that take the place of others and calls that are transferred, with SIPp, baresip and
Linphone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty import CallReplaced, TransferRequested
from sipparty.errors import CallRejected
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.dialog.replaces import Replaces

from .calls import ended, first, incoming, talk
from .media import THEIRS, write_tone
from .pbx import DOMAIN, PASSWORD
from .peer import TCP, TLS, UDP, Transport, over, wait_for
from .sipp import SIPp

Make = Callable[..., Any]


@over(UDP, TCP)
def test_our_call_takes_the_place_of_another_at_sipp(sipp: SIPp, parties: Make) -> None:
    """RFC 3891 §4: the new call is up, and SIPp hangs up the old one."""
    run = sipp.answer("uas_replaced", "-m", "2", MILLISECONDS=150)
    alice = parties(NoMediaSimpleCallsParty)
    old = alice.invite(run.uri()).wait(5)
    new = alice.invite(run.uri(), replaces=old).wait(5)
    ended(old)
    assert new.terminate().wait(5).state == "Terminated"
    run.finish()


@over(UDP, TCP)
def test_a_call_of_sipps_takes_the_place_of_another(sipp: SIPp, parties: Make) -> None:
    """RFC 3891 §3: the new call is up, and we hang up the old one."""
    bob = parties(NoMediaSimpleCallsParty, "bob")
    calls = incoming(bob, lambda call: call.ring().accept())
    replaced: list[CallReplaced] = []
    bob.on(CallReplaced, replaced.append)
    port = bob.contact_uri.port
    old = sipp.call("uac_hung_up", port)
    wait_for(lambda: calls and calls[0].state == "InDialog", "the call is up", 5)
    state = calls[0].dialog_state
    text = str(Replaces(state.call_id, state.local_tag, state.remote_tag))
    new = sipp.call("uac_replaces", port, REPLACES=text)
    ended(calls[0])
    old.finish()
    (event,) = wait_for(lambda: replaced, "the call was replaced")
    assert event.call is calls[0]
    assert event.by.terminate().wait(5).state == "Terminated"
    new.finish()


def test_our_call_takes_the_place_of_another_at_linphone(
    linphone: Make, talking: Make, tmp_path: Path
) -> None:
    peer = linphone(play=write_tone(tmp_path / "tone.wav", THEIRS, 30))
    alice = talking()
    old = alice.invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    new = alice.invite(peer.uri(), replaces=old).wait(5)
    ended(old)
    talk(new, 5)
    new.terminate()
    ended(new)


# ---------------------------------------------------------------- we transfer SIPp


OUTCOMES = ["200 OK", "486 Busy Here"]
TARGET = "sip:carol@192.0.2.9"


def see_transfer(call: Any, outcome: str) -> None:
    """Transfer a call, and see that what SIPp says of it becomes of it."""
    transfer = call.transfer(TARGET)
    if outcome == "200 OK":
        assert transfer.wait(5).state == "Terminated"
        ended(call)
    else:
        with pytest.raises(CallRejected) as caught:
            transfer.wait(5)
        assert caught.value.status == 486
        assert call.state == "InDialog"
        assert call.terminate().wait(5).state == "Terminated"


@over(UDP, TCP)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_we_transfer_sipp(sipp: SIPp, parties: Make, outcome: str) -> None:
    run = sipp.answer("uas_referred", REFER_TO=TARGET, OUTCOME=outcome)
    call = parties(NoMediaSimpleCallsParty).invite(run.uri()).wait(5)
    see_transfer(call, outcome)
    run.finish()


@over(UDP, TCP)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_we_transfer_sipp_which_has_called(sipp: SIPp, parties: Make, outcome: str) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    calls = incoming(bob)
    port = bob.contact_uri.port
    run = sipp.call("uac_referred", port, REFER_TO=TARGET, OUTCOME=outcome)
    call = first(calls)
    wait_for(lambda: call._invited is None, "the ACK came")
    see_transfer(call, outcome)
    run.finish()


@over(UDP, TCP)
def test_we_refer_sipp_outside_of_a_call(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_referred_alone", REFER_TO=TARGET, OUTCOME="200 OK")
    transfer = parties(NoMediaSimpleCallsParty).refer(run.uri(), TARGET)
    assert transfer.wait(5).state == "Terminated"
    run.finish()


# ---------------------------------------------------------------- SIPp transfers us


@pytest.fixture
def agreeing(parties: Make) -> Make:
    """Makes a party that does what it is asked to; its new calls are its `placed`."""

    def make(user: str, kind: Any = NoMediaSimpleCallsParty, **options: Any) -> Any:
        party = parties(kind, user, **options)
        party.placed = []
        party.on(TransferRequested, lambda event: party.placed.append(event.accept()))
        return party

    return make


@over(UDP, TCP)
@pytest.mark.parametrize("outcome", ["200", "603"])
def test_sipp_transfers_us(sipp: SIPp, agreeing: Make, outcome: str) -> None:
    """It is told of 100, and of what its target has answered."""
    scenario = "uas_answers_later" if outcome == "200" else "uas_declines_later"
    target = sipp.answer(scenario, MILLISECONDS=100)
    run = sipp.answer("uas_refers", REFER_TO=target.uri(), OUTCOME=outcome)
    alice = agreeing("alice")
    call = alice.invite(run.uri()).wait(5)
    ended(call)
    run.finish()
    if outcome == "200":
        assert alice.placed[0].terminate().wait(5).state == "Terminated"
    target.finish()


@over(UDP, TCP)
def test_sipp_calls_and_transfers_us(sipp: SIPp, agreeing: Make) -> None:
    target = sipp.answer("uas_answers_later", MILLISECONDS=100)
    bob = agreeing("bob")
    calls = incoming(bob)
    port = bob.contact_uri.port
    run = sipp.call("uac_refers", port, REFER_TO=target.uri(), OUTCOME="200")
    ended(first(calls))
    run.finish()
    assert bob.placed[0].terminate().wait(5).state == "Terminated"
    target.finish()


# ---------------------------------------------------------------- softphones


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """What a softphone plays."""
    return write_tone(tmp_path / "tone.wav", THEIRS, 30)


@over(UDP, TCP)
def test_we_transfer_baresip(baresip: Make, talking: Make, tone: Path) -> None:
    """Blind: it calls carol, and the call that it was in is over."""
    peer = baresip(play=tone, calls=4)
    carol = talking(user="carol")
    calls = incoming(carol)
    call = talking().invite(peer.uri()).wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    assert call.transfer(carol).wait(5).state == "Terminated"
    ended(call)
    its = first(calls)
    talk(its, 5)
    its.terminate()
    ended(its)


@over(UDP, TCP)
def test_baresip_transfers_us(baresip: Make, agreeing: Make, talking: Make, tone: Path) -> None:
    peer = baresip(play=tone, calls=4)
    carol = talking(user="carol")
    calls = incoming(carol)
    alice = agreeing("alice", SingleRTPSessionSimplenParty)
    call = alice.invite(peer.uri()).wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    # Debian's version writes into Refer-To what it is given, and no angle brackets.
    peer.tell("transfer", f"<{carol.contact_uri}>")
    its = first(calls)
    ended(call)
    assert alice.placed[0].wait(5).state == "InDialog"
    its.terminate()
    for end in (its, alice.placed[0]):
        ended(end)


def test_we_transfer_baresip_to_a_call_of_ours(baresip: Make, talking: Make, tone: Path) -> None:
    """Attended: Debian's version leaves the Replaces in the request-URI, where no header may be
    (RFC 3261 §19.1.1), and carol refuses that. Both calls are given back.
    """
    peer = baresip(play=tone, calls=4)
    carol = talking(user="carol", max_calls=2)
    incoming(carol)
    alice = talking(max_calls=2)
    call = alice.invite(peer.uri()).wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    other = alice.invite(carol).wait(5)
    with pytest.raises(CallRejected, match="400"):
        call.transfer(other).wait(5)
    for end in (call, other):
        assert end.state == "InDialog"
        end.terminate()
        ended(end)


def test_baresip_transfers_us_to_another_call_of_its(
    baresip: Make, agreeing: Make, tone: Path
) -> None:
    """Attended, with the Refer-To written for it: we take its place in its call with carol."""
    peer = baresip(play=tone, calls=4)
    alice, carol = (agreeing(name, SingleRTPSessionSimplenParty) for name in ("alice", "carol"))
    other = carol.invite(peer.uri()).wait(5)
    call = alice.invite(peer.uri()).wait(5)
    state = other.dialog_state
    replaces = f"{state.call_id}%3Bto-tag%3D{state.local_tag}%3Bfrom-tag%3D{state.remote_tag}"
    wait_for(lambda: call.session.statistics.packets_received, "the last call is the current one")
    peer.tell("transfer", f"<{carol.contact_uri}?Replaces={replaces}>")
    for end in (other, call):
        ended(end)
    ours = wait_for(lambda: alice.placed, "we have called carol")[0]
    assert ours.wait(5).state == "InDialog"
    ours.terminate()
    ended(ours)


def test_we_transfer_linphone(linphone: Make, talking: Make, tone: Path) -> None:
    peer = linphone(play=tone)
    carol = talking(user="carol")
    calls = incoming(carol)
    call = talking().invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    assert call.transfer(carol).wait(5).state == "Terminated"
    ended(call)
    its = first(calls)
    talk(its, 5)
    its.terminate()
    ended(its)


def test_we_transfer_linphone_to_a_call_of_ours(linphone: Make, talking: Make, tone: Path) -> None:
    """Attended: it takes our place in the call with carol, by Replaces."""
    peer = linphone(play=tone)
    carol = talking(user="carol")
    calls = incoming(carol)
    alice = talking(max_calls=2)
    call = alice.invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    other = alice.invite(carol).wait(5)
    assert call.transfer(other).wait(5).state == "Terminated"
    for end in (call, other, calls[0]):
        ended(end)
    its = wait_for(lambda: carol.calls, "its call has taken our place")[0]
    talk(its, 5)
    its.terminate()
    ended(its)


def test_linphone_transfers_us(linphone: Make, agreeing: Make, talking: Make, tone: Path) -> None:
    peer = linphone(play=tone)
    carol = talking(user="carol")
    calls = incoming(carol)
    alice = agreeing("alice", SingleRTPSessionSimplenParty)
    call = alice.invite(peer.uri()).wait(5)
    peer.wait_for_output("Media streams established")
    peer.tell(f"transfer {carol.contact_uri}")
    its = first(calls)
    ended(call)
    its.terminate()
    ended(its)


@over(UDP, TLS)
def test_linphone_transfers_us_to_another_call_of_its(
    pbx: Make, linphone: Make, agreeing: Make, tone: Path, transport: Transport
) -> None:
    """Attended, through the PBX: we take its place in its call with carol, by Replaces. It names
    carol by her address of record, which leads through the registrar alone.
    """
    hop = pbx(transports=[transport.name]).uri(transport.name)
    peer = linphone(play=tone, registers=hop)
    alice, carol = (
        agreeing(name, SingleRTPSessionSimplenParty, proxy=hop, credentials=(name, PASSWORD))
        for name in ("alice", "carol")
    )
    carol.register(expires=60).wait(5)
    peer.wait_until_registered()
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    peer.wait_for_output("Call 1 .*connected")
    other = carol.invite(f"bob@{DOMAIN}")
    peer.wait_for_output("Receiving new incoming call .*\\n(.*\\n)*.*Receiving new")
    peer.tell("answer 2")
    other.wait(5)
    peer.wait_for_output("Call 1 .* is now paused")
    peer.tell("transfer 1 --to-call 2")
    for end in (call, other):
        ended(end)
    ours = wait_for(lambda: alice.placed, "we have called carol")[0]
    assert ours.wait(5).state == "InDialog"
    ours.terminate()
    ended(ours)
