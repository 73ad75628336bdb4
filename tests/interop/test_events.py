"""Subscriptions and publications with SIPp, Kamailio, baresip and Linphone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty import Notified, SubscriptionEnded
from sipparty.errors import CallFailed
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip.packages import MessageCount, MessageSummary, Presence

from .media import THEIRS, write_tone
from .pbx import DOMAIN, PASSWORD, PBX
from .peer import TCP, TLS, UDP, WSS, Transport, over, wait_for
from .sipp import SIPp

Make = Callable[..., Any]

MAIL: dict[str, object] = {"EVENT": "message-summary", "TYPE": "application/simple-message-summary"}
SOME = MessageSummary(True, counts={"voice": MessageCount(2, 8)})
NONE = MessageSummary(False, counts={"voice": MessageCount(0, 10)})


# ---------------------------------------------------------------- SIPp


@over(UDP, TCP)
def test_sipp_notifies(sipp: SIPp, parties: Make) -> None:
    """Two states, a refresh, and the end that is asked for."""
    texts = {
        "FIRST": "Messages-Waiting: yes\nVoice-Message: 2/8",
        "SECOND": "Messages-Waiting: no\nVoice-Message: 0/10",
    }
    run = sipp.answer("uas_notifier", EXPIRES=60, **MAIL, **texts)
    alice = parties(NoMediaSimpleCallsParty)
    seen: list[Notified] = []
    alice.on(Notified, seen.append)
    sub = alice.subscribe("message-summary", run.uri())
    states = iter(sub)
    first, second = next(states), next(states)
    assert (first.waiting, first.voice) == (True, MessageCount(2, 8))
    assert (second.waiting, second.voice) == (False, MessageCount(0, 10))
    sub.refresh()
    wait_for(lambda: len(seen) == 3, "it is refreshed")
    sub.terminate()
    assert sub.wait_for("Terminated", 5) == "Terminated"
    run.finish()


@over(UDP, TCP)
@pytest.mark.parametrize("reason", ["rejected", "noresource"])
def test_sipp_ends_a_subscription(sipp: SIPp, parties: Make, reason: str) -> None:
    """For good: there is not another one in its place (RFC 6665 §4.1.3)."""
    run = sipp.answer("uas_vanishes", REASON=reason, **MAIL)
    alice = parties(NoMediaSimpleCallsParty)
    over: list[SubscriptionEnded] = []
    alice.on(SubscriptionEnded, over.append)
    alice.subscribe("message-summary", run.uri())
    wait_for(lambda: over, "it is over")
    run.finish()
    assert over[0].reason == reason


@over(UDP, TCP)
def test_sipp_subscribes(sipp: SIPp, parties: Make) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    mailbox = bob.offer("message-summary", SOME)
    texts = {"FIRST": "Messages-Waiting: yes", "SECOND": "Voice-Message: 0/10"}
    run = sipp.call("uac_subscribes", bob.contact_uri.port, **MAIL, **texts)
    wait_for(lambda: mailbox.subscribers, "it has subscribed")
    mailbox.notify(NONE)
    run.finish()
    assert not mailbox.subscribers


@over(UDP, TCP)
def test_we_publish_to_sipp(sipp: SIPp, parties: Make) -> None:
    """RFC 3903 §4: an entity tag that is not known any more is published anew; then it is ended."""
    run = sipp.answer("uas_publish", "-m", "4", EVENT="presence", FIRST="basic>open")
    alice = parties(NoMediaSimpleCallsParty)
    mine = alice.publish("presence", Presence.of(f"sip:alice@{DOMAIN}", True), target=run.uri())
    assert mine.wait(5).state == "Published"
    mine.publish(Presence.of(f"sip:alice@{DOMAIN}", False))
    assert mine.wait(5).state == "Published"
    mine.terminate()
    mine.wait_for("Terminated", 5)
    run.finish()


# ---------------------------------------------------------------- Kamailio


@pytest.fixture
def account(parties: Make, transport: Transport) -> Make:
    """Makes a party with an account at the PBX, which has registered."""
    carrier = "" if transport.name == "wss" else transport.name

    def make(name: str, hop: str) -> Any:
        options = {"credentials": (name, PASSWORD), "proxy": hop, "transport": carrier}
        party = parties(NoMediaSimpleCallsParty, name, **options)
        party.register(expires=60).wait(5)
        return party

    return make


@over(UDP, TCP, TLS, WSS)
def test_presence_through_the_pbx(pbx: Make, account: Make, transport: Transport) -> None:
    """What alice publishes is what bob is notified of, until he unsubscribes."""
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    alice, bob = (account(name, hop) for name in ("alice", "bob"))
    mine = alice.publish("presence", Presence.of(f"sip:alice@{DOMAIN}", True, "Here")).wait(5)
    sub = bob.subscribe("presence", f"alice@{DOMAIN}").wait(5)
    wait_for(lambda: sub.value and sub.value.is_open, "she is there")
    assert sub.value.notes == ("Here",)
    mine.publish(Presence.of(f"sip:alice@{DOMAIN}", False)).wait(5)
    wait_for(lambda: not sub.value.is_open, "she is not")
    sub.terminate()
    assert sub.wait_for("Terminated", 5) == "Terminated"
    mine.terminate()
    mine.wait_for("Terminated", 5)


@over(UDP, TCP, TLS, WSS)
def test_waiting_messages_at_the_pbx(pbx: Make, account: Make, transport: Transport) -> None:
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    mail, bob = (account(name, hop) for name in ("mail", "bob"))
    mail.publish("message-summary", SOME, target=f"bob@{DOMAIN}").wait(5)
    sub = bob.subscribe("message-summary").wait(5)
    wait_for(lambda: sub.value is not None, "he is notified")
    assert sub.value.voice == MessageCount(2, 8)
    sub.terminate()
    sub.wait_for("Terminated", 5)


@over(UDP, TCP)
def test_an_interval_that_is_too_brief(pbx: Make, account: Make, transport: Transport) -> None:
    """423: the subscription lasts as long as Kamailio has it at the least."""
    office: PBX = pbx(transports=[transport.name], min_expires=60)
    bob = account("bob", office.uri(transport.name))
    sub = bob.subscribe("message-summary", expires=10).wait(5)
    assert sub.seconds_left > 30
    sub.terminate()
    sub.wait_for("Terminated", 5)


def test_a_subscription_to_nobody(parties: Make) -> None:
    alice = parties(NoMediaSimpleCallsParty)
    with pytest.raises(CallFailed):
        alice.subscribe("presence", f"sip:bob@127.0.0.1:{alice.contact_uri.port + 1}").wait(5)


# ---------------------------------------------------------------- softphones


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """What a softphone plays."""
    return write_tone(tmp_path / "tone.wav", THEIRS, 5)


@over(TLS)
def test_baresip_waits_for_messages(
    pbx: Make, baresip: Make, account: Make, transport: Transport, tone: Path
) -> None:
    """What we publish of its mailbox, baresip is notified of; that may be before its control port
    is connected to, so what it prints has to do. Over UDP and TCP Debian's version
    may subscribe thousands of times a second, whatever is answered: neither is tried.
    """
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    mail = account("mail", hop)
    mail.publish("message-summary", SOME, target=f"bob@{DOMAIN}").wait(5)
    peer = baresip(play=tone, registers=hop, account=";mwi=yes", modules=("mwi",))
    peer.wait_until_registered()
    peer.wait_for_output("Voice-Message: 2/8")


@over(UDP, TCP, TLS)
def test_linphone_has_a_friend(
    pbx: Make, linphone: Make, account: Make, transport: Transport, tone: Path
) -> None:
    """It subscribes to what alice publishes, and she to what it does."""
    office: PBX = pbx(transports=[transport.name], gruu=False)
    hop = office.uri(transport.name)
    alice = account("alice", hop)
    alice.publish("presence", Presence.of(f"sip:alice@{DOMAIN}", True, "Here")).wait(5)
    friend = f"sip:alice@{DOMAIN}"
    peer = linphone(play=tone, registers=hop, friend=friend, publishes=True)
    peer.wait_until_registered()
    sub = alice.subscribe("presence", f"bob@{DOMAIN}").wait(5)
    wait_for(lambda: sub.value and sub.value.is_open, "it is there")
    peer.wait_for_output("Friend .*alice.* is ", 8)
