"""Who calls, whom for, and why it ends: said to SIPp, and by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipparty import Reason
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import SimpleCall

from .calls import ended, first, incoming
from .peer import TCP, UDP, over
from .sipp import SIPp

Make = Callable[..., Any]

ALICE = "sip:+15551234@carrier.example"
TRUSTED = ["127.0.0.1"]


@over(UDP, TCP)
def test_we_say_who_calls(sipp: SIPp, parties: Make) -> None:
    """RFC 3325 §5: to whom we trust, and From says nothing (RFC 3323 §4.1.1.3)."""
    values = {"IDENTITY": "15551234@carrier.example", "PRIVACY": "id", "FROM": "anonymous.invalid"}
    run = sipp.answer("uas_identified", **values)
    alice = parties(
        NoMediaSimpleCallsParty, trusted_peers=TRUSTED, asserted_identity=[f"<{ALICE}>"]
    )
    call = alice.invite(run.uri(), privacy=("id", "user")).wait(5)
    call.terminate(reason=Reason("Q.850", 16, "Normal call clearing"))
    ended(call)
    run.finish()


@over(UDP, TCP)
def test_sipp_says_who_calls(sipp: SIPp, parties: Make) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob", trusted_peers=TRUSTED)
    calls = incoming(bob)
    said = [
        f'P-Asserted-Identity: "Alice" <{ALICE}>',
        "Diversion: <sip:carol@example.com>;reason=no-answer",
        "History-Info: <sip:carol@example.com?Reason=SIP%3Bcause%3D408>;index=1",
        "History-Info: <sip:bob@example.com>;index=1.1;rc=1",
    ]
    sipp.call("uac_identified", bob.contact_uri.port, MORE="\n".join(said)).finish()
    call = first(calls)
    ended(call)
    assert call.identity.uri_text == ALICE
    assert call.remote_display == "Alice"
    assert [one.reason for one in call.diversions] == ["no-answer"]
    assert [one.reason and one.reason.cause for one in call.history_info] == [408, None]
    assert (call.cause.protocol, call.cause.cause) == ("Q.850", 16)


@over(UDP, TCP)
def test_we_answer_as_sipp_asks(sipp: SIPp, parties: Make) -> None:
    """RFC 5373: at once, as it is trusted; the handler is not asked."""
    bob = parties(NoMediaSimpleCallsParty, "bob", trusted_peers=TRUSTED, answer_mode=True)
    calls = incoming(bob, lambda call: None)
    sipp.call("uac_identified", bob.contact_uri.port, MORE="Answer-Mode: Auto").finish()
    ended(first(calls))


@over(UDP, TCP)
def test_we_send_sipp_elsewhere(sipp: SIPp, parties: Make) -> None:
    target = "sip:carol@192.0.2.9"

    def decide(call: SimpleCall) -> None:
        call.redirect(target, diversion="no-answer")

    bob = parties(NoMediaSimpleCallsParty, "bob")
    incoming(bob, decide)
    values = {"TARGET": target, "REASON": "no-answer"}
    sipp.call("uac_sent_elsewhere", bob.contact_uri.port, **values).finish()
