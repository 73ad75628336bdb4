"""MESSAGE, INFO and OPTIONS with SIPp, Linphone and Kamailio, in and out of calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty import InfoReceived, MessageReceived, TargetDown, TargetUp
from sipparty.errors import CallRejected
from sipparty.parties import NoMediaSimpleCallsParty

from .calls import ended, first, incoming
from .media import THEIRS, write_tone
from .pbx import DOMAIN, PASSWORD, PBX
from .peer import TCP, TLS, UDP, WSS, Transport, over, wait_for
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]

TEXT = "Watson, come here."
#: What SIPp sends: it ends each body with an empty line.
SIPPS = f"{TEXT}\r\n"


@over(UDP, TCP)
def test_we_send_a_message(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_message", TEXT=TEXT, TYPE="text/plain", STATUS=200)
    alice = parties(NoMediaSimpleCallsParty)
    assert alice.message(run.uri(), TEXT).wait(5).state == "Terminated"
    run.finish()


@over(UDP, TCP)
def test_sipp_does_not_want_a_message(sipp: SIPp, parties: Make) -> None:
    run = sipp.answer("uas_message", TEXT=TEXT, TYPE="text/plain", STATUS=603)
    alice = parties(NoMediaSimpleCallsParty)
    with pytest.raises(CallRejected) as caught:
        alice.message(run.uri(), TEXT).wait(5)
    assert caught.value.status == 603
    run.finish()


@over(UDP, TCP)
def test_sipp_sends_a_message(sipp: SIPp, parties: Make) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    texts: list[str] = []
    bob.on(MessageReceived, lambda event: texts.append(event.text))
    sipp.call("uac_message", bob.contact_uri.port, TEXT=TEXT).finish()
    assert texts == [SIPPS]


#: What is sent in a call, and how both sides say in their INVITE and 200 that they take it.
IN_CALL: dict[str, dict[str, object]] = {
    "MESSAGE": {
        "OFFER": "Allow: INVITE, ACK, BYE, MESSAGE",
        "MORE": "Subject: tea",
        "TYPE": "text/plain",
        "TEXT": TEXT,
    },
    "INFO": {
        "OFFER": "Recv-Info: x-tea",
        "MORE": "Info-Package: x-tea",
        "TYPE": "text/plain",
        "TEXT": TEXT,
    },
}


@pytest.fixture
def talkative(parties: Make) -> Make:
    """Makes a party that notes the text of what it gets in calls."""

    def make(user: str) -> Any:
        party = parties(NoMediaSimpleCallsParty, user, info_packages=["x-tea"])
        party.texts = []
        party.on(MessageReceived, lambda event: party.texts.append(event.text))
        party.on(InfoReceived, lambda event: party.texts.append(event.body.decode()))
        return party

    return make


def send(call: Any, method: str) -> None:
    """Send the text inside of a call."""
    if method == "MESSAGE":
        call.message(TEXT).wait(5)
    else:
        call.info("x-tea", TEXT, "text/plain").wait(5)


@over(UDP, TCP)
@pytest.mark.parametrize("method", IN_CALL)
def test_in_a_call_to_sipp(sipp: SIPp, talkative: Make, method: str) -> None:
    run = sipp.answer("uas_message_in_call", METHOD=method, **IN_CALL[method])
    alice = talkative("alice")
    call = alice.invite(run.uri()).wait(5)
    send(call, method)
    wait_for(lambda: alice.texts, "it sends one, too")
    assert call.terminate().wait(5).state == "Terminated"
    run.finish()
    assert alice.texts == [SIPPS]


@over(UDP, TCP)
@pytest.mark.parametrize("method", IN_CALL)
def test_in_a_call_of_sipps(sipp: SIPp, talkative: Make, method: str) -> None:
    bob = talkative("bob")
    calls = incoming(bob)
    run = sipp.call("uac_message_in_call", bob.contact_uri.port, METHOD=method, **IN_CALL[method])
    call = first(calls)
    wait_for(lambda: bob.texts, "it sends one")
    send(call, method)
    run.finish()
    ended(call)
    assert bob.texts == [SIPPS]


@pytest.fixture
def account(parties: Make, transport: Transport) -> Make:
    """Makes a party with an account at the PBX."""
    carrier = "" if transport.name == "wss" else transport.name

    def make(name: str, hop: str) -> Any:
        account = {"credentials": (name, PASSWORD), "proxy": hop}
        return parties(NoMediaSimpleCallsParty, name, transport=carrier, **account)

    return make


@over(UDP, TCP, TLS, WSS)
def test_a_message_through_the_pbx(pbx: Make, account: Make, transport: Transport) -> None:
    """To whom has registered; Kamailio answers 404 for whom it does not know."""
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    alice, bob = (account(name, hop) for name in ("alice", "bob"))
    texts: list[str] = []
    bob.on(MessageReceived, lambda event: texts.append(event.text))
    bob.register(expires=60).wait(5)
    assert alice.message(f"bob@{DOMAIN}", TEXT).wait(5).state == "Terminated"
    assert texts == [TEXT]
    with pytest.raises(CallRejected) as caught:
        alice.message(f"carol@{DOMAIN}", TEXT).wait(5)
    assert caught.value.status == 404


@over(UDP, TCP, TLS)
def test_linphone_chats(
    pbx: Make,
    linphone: Make,
    account: Make,
    transport: Transport,
    tmp_path: Path,
    capture: Capture | None,
) -> None:
    """Each way through the registrar: it sends to no port that the address names. It sends the
    quotation marks of its command, too.
    """
    if capture is not None:
        # Wireshark finds fault with the XML of the notices Linphone sends beside its messages.
        capture.excused_errors.add("Trailing stray characters")
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    alice = account("alice", hop)
    texts: list[str] = []
    alice.on(MessageReceived, lambda event: texts.append(event.text))
    alice.register(expires=60).wait(5)
    peer = linphone(play=write_tone(tmp_path / "tone.wav", THEIRS, 5), registers=hop)
    peer.wait_until_registered()
    peer.tell(f'chat sip:alice@{DOMAIN} "{TEXT}"')
    wait_for(lambda: texts, "it has sent one")
    alice.message(f"bob@{DOMAIN}", TEXT).wait(5)
    peer.wait_for_output(f"Message received from .*: {TEXT}")
    assert texts == [f'"{TEXT}"']


@over(UDP, TCP)
def test_sipp_is_pinged(sipp: SIPp, parties: Make) -> None:
    """It answers three times, and then is there no more."""
    run = sipp.answer("uas_pinged", "-m", "3")
    alice = parties(NoMediaSimpleCallsParty)
    seen: list[Any] = []
    alice.on(TargetUp, seen.append)
    alice.on(TargetDown, seen.append)
    ping = alice.ping(run.uri(), period=0.1, timeout=0.5)
    wait_for(lambda: len(seen) == 2, "it is up, and then down")
    assert [type(event) for event in seen] == [TargetUp, TargetDown]
    ping.stop()
    run.finish()
