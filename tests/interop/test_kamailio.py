"""Calls between two parties of ours with Kamailio in between, which record-routes.

The proxy is in the path of each request of the dialog, whichever transports it joins: that shows
in the capture, where nothing may go past it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sipparty.media import MemorySink, ToneSource
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip import SimpleCall

from .calls import ended, incoming
from .media import samples_of, tone_share
from .peer import UDP, UDP6, wait_for
from .tshark import Capture

Make = Callable[..., Any]

#: By what the caller and the called reach the proxy. It opens no WebSocket connections itself.
PAIRS = [
    ("udp", "udp"),
    ("tcp", "tcp"),
    ("udp", "tcp"),
    ("tcp", "udp"),
    ("tls", "tls"),
    ("tls", "udp"),
    ("ws", "udp"),
    ("wss", "tls"),
]
PAIRS6 = [("udp", "udp"), ("tcp", "tls"), ("ws", "tcp"), ("wss", "udp")]
WAYS = [(UDP, *pair, who) for pair in PAIRS for who in ("caller", "called")]
WAYS += [(UDP6, *pair, "called") for pair in PAIRS6]


def check_hops(capture: Capture | None, hops: dict[str, int]) -> None:
    """A request goes by two hops through the proxy, and by one past it."""
    if capture is not None:
        # One that is sent again, on a busy machine, goes by the same hop.
        seen = {(p.method, p.source, p.destination) for p in capture.packets if p.method}
        found = Counter(method for method, _, _ in seen)
        assert {method: found[method] for method in hops} == hops


@pytest.mark.parametrize(
    ("transport", "one", "other", "hangs_up"),
    WAYS,
    indirect=["transport"],
    ids=["6-" * (way[0] == UDP6) + "-".join(way[1:]) for way in WAYS],
)
def test_a_call_through_the_proxy(
    kamailio: Make, parties: Make, capture: Capture | None, one: str, other: str, hangs_up: str
) -> None:
    """RFC 3261 §12.2.1.1: ACK and BYE, by either side, follow the route set."""
    heard = {"alice": MemorySink(), "bob": MemorySink()}
    tones = {"alice": 440, "bob": 700}
    media = {
        name: {"play": ToneSource(tones[name]), "record": heard[name]} for name in ("alice", "bob")
    }
    kind = SingleRTPSessionSimplenParty
    bob = parties(kind, "bob", transport=other, media=media["bob"])
    calls = incoming(bob)
    proxy = kamailio(routes={"bob": str(bob.contact_uri)}, transports=dict.fromkeys((one, other)))
    # Who is reached by a connection of its own need not listen.
    alice = parties(kind, "alice", transport="" if one != "udp" else one, media=media["alice"])
    call = alice.invite("bob@example.com", proxy=proxy.uri(one)).wait(5)
    wait_for(lambda: calls and calls[0].state == "InDialog", "the call is up", 5)
    ends = {"caller": call, "called": calls[0]}
    for end in ends.values():
        wait_for(lambda end=end: end.session.statistics.packets_received > 30, "audio")  # type: ignore[misc]
    ends[hangs_up].terminate()
    for end in ends.values():
        ended(end)
    assert tone_share(samples_of(heard["alice"].pcm), tones["bob"]) > 0.9
    assert tone_share(samples_of(heard["bob"].pcm), tones["alice"]) > 0.9
    check_hops(capture, {"INVITE": 2, "ACK": 2, "BYE": 2})


@pytest.mark.parametrize("name", ["udp", "tcp", "tls"])
def test_a_proxy_that_leaves_the_path(
    kamailio: Make, parties: Make, capture: Capture | None, name: str
) -> None:
    """Without Record-Route ACK and BYE go straight to the Contact (RFC 3261 §12.1.2)."""
    bob = parties(NoMediaSimpleCallsParty, "bob", transport=name)
    calls = incoming(bob)
    proxy = kamailio(routes={"bob": str(bob.contact_uri)}, transports=[name], record_routes=False)
    alice = parties(NoMediaSimpleCallsParty, "alice", transport=name)
    call = alice.invite("bob@example.com", proxy=proxy.uri(name)).wait(5)
    wait_for(lambda: calls and calls[0].state == "InDialog", "the call is up", 5)
    calls[0].terminate()
    for end in (call, calls[0]):
        ended(end)
    check_hops(capture, {"INVITE": 2, "ACK": 1, "BYE": 1})


@pytest.mark.parametrize("name", ["udp", "tcp"])
def test_we_cancel_through_the_proxy(
    kamailio: Make, parties: Make, capture: Capture | None, name: str
) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob", transport=name)
    calls = incoming(bob, SimpleCall.ring)
    proxy = kamailio(routes={"bob": str(bob.contact_uri)}, transports=[name])
    alice = parties(NoMediaSimpleCallsParty, "alice", transport=name)
    call = alice.invite("bob@example.com", proxy=proxy.uri(name))
    wait_for(lambda: call.progress == 180, "it rings")
    assert call.terminate().wait(5).state == "Terminated"
    calls[0].waitForStateCondition(lambda state: state == "Terminated", 5)
    # The last ACK, that of the proxy, may still be on its way.
    check_hops(capture, {"INVITE": 2, "CANCEL": 2})


def test_the_proxy_does_not_know_whom_we_want(kamailio: Make, parties: Make) -> None:
    proxy = kamailio(routes={"bob": "sip:127.0.0.1:9"}, transports=["tcp"])
    alice = parties(NoMediaSimpleCallsParty, "alice", transport="tcp", proxy=proxy.uri("tcp"))
    assert alice.options("carol@example.com").wait(5).status == 404
