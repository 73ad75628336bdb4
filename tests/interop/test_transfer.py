"""Calls that take the place of others and calls that are transferred, with SIPp, baresip and
Linphone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipparty import CallReplaced
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip.dialog.replaces import Replaces

from .calls import ended, incoming, talk
from .media import THEIRS, write_tone
from .peer import TCP, UDP, over, wait_for
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
    first = sipp.call("uac_hung_up", port)
    wait_for(lambda: calls and calls[0].state == "InDialog", "the call is up", 5)
    state = calls[0].dialog_state
    text = str(Replaces(state.call_id, state.local_tag, state.remote_tag))
    second = sipp.call("uac_replaces", port, REPLACES=text)
    ended(calls[0])
    first.finish()
    (event,) = wait_for(lambda: replaced, "the call was replaced")
    assert event.call is calls[0]
    assert event.by.terminate().wait(5).state == "Terminated"
    second.finish()


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
