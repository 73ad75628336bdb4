"""A page in Chromium calls a party of ours over WebSocket, and is called (RFC 7118).

The page listens nowhere and its Contact is a name that nobody can look up: whatever goes to it has
to go by the connection that it opened. Its offers are those that the browser makes for WebRTC.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import SimpleCall
from sipparty.sip.events import RequestReceived
from sipparty.transport import WebSocketConfig

from .calls import ended, first, incoming
from .chromium import Chromium, Page
from .peer import WS, WS6, WSS, WSS6, Transport, over
from .tshark import Capture

Make = Callable[..., Any]


@pytest.fixture
def page(chromium: Chromium, transport: Transport) -> Iterator[Page]:
    """A page that can be opened."""
    made = Page(chromium, transport)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def bob(parties: Make, page: Page) -> Any:
    """The party that a page calls."""
    ours = WebSocketConfig(origins=[page.origin])
    return parties(NoMediaSimpleCallsParty, "bob", websocket=ours)


def flows(capture: Capture | None) -> set[frozenset[int]]:
    """The ports at both ends of each connection that a SIP message went by."""
    assert capture is not None
    return {frozenset((p.source, p.destination)) for p in capture.packets if p.is_sip}


@over(WS, WSS6)
@pytest.mark.parametrize("plan", ["options", "binary"])
def test_options(page: Page, bob: Any, plan: str) -> None:
    """RFC 7118 §4.2: a message may come as text and as binary."""
    page.open(plan, bob.contact_uri.port)
    done = page.wait_for_event("done")
    assert done["status"] == 200
    opened = page.wait_for_event("open")
    assert (opened["protocol"], opened["extensions"]) == ("sip", "")
    assert page.wait_for_event("received")["binary"] is False
    closed = page.wait_for_event("closed")
    assert (closed["code"], closed["wasClean"]) == (1000, True)


@over(WS, WS6, WSS, WSS6)
def test_it_calls_and_hangs_up(page: Page, bob: Any) -> None:
    calls = incoming(bob)
    page.open("callAndHangUp", bob.contact_uri.port)
    done = page.wait_for_event("done")
    assert (done["status"], done["bye"]) == (200, 200)
    ended(first(calls))


@over(WS)
def test_pages_of_some_sites_alone(page: Page, parties: Make) -> None:
    """RFC 6455 §10.2: the browser names the site, and one that is not of ours is refused."""
    ours = WebSocketConfig(origins=["https://example.com", page.origin])
    bob = parties(NoMediaSimpleCallsParty, "bob", websocket=ours)
    page.open("options", bob.contact_uri.port)
    assert page.wait_for_event("done")["status"] == 200


@over(WS)
def test_a_page_of_another_site(page: Page, parties: Make) -> None:
    ours = WebSocketConfig(origins=["https://example.com"])
    bob = parties(NoMediaSimpleCallsParty, "bob", websocket=ours)
    page.open("options", bob.contact_uri.port)
    page.wait_for_event("failed")
    assert "open" not in {event["type"] for event in page.events}


@over(WS, WSS)
def test_it_calls_and_we_hang_up(page: Page, bob: Any, capture: Capture | None) -> None:
    """Our BYE goes by the connection that the call came by."""
    calls = incoming(bob)
    page.open("callAndBeHungUp", bob.contact_uri.port)
    page.wait_for_event("up")
    call = first(calls)
    call.terminate()
    done = page.wait_for_event("done")
    assert done["status"] == 200
    assert done["target"] == done["contact"]
    ended(call)
    if capture is not None and capture.has_media:
        assert len(flows(capture)) == 1


@over(WS6, WSS)
def test_it_cancels(page: Page, bob: Any) -> None:
    calls = incoming(bob, SimpleCall.ring)
    page.open("cancel", bob.contact_uri.port)
    done = page.wait_for_event("done")
    assert (done["status"], done["final"]) == (200, 487)
    ended(first(calls))


@over(WS, WS6)
def test_it_is_called(page: Page, kamailio: Make, parties: Make, capture: Capture | None) -> None:
    """A proxy that it registered with sends our call by the connection that it registered by."""
    alice = parties(NoMediaSimpleCallsParty, "alice", transport="udp")
    proxy = kamailio(routes={}, transports=["udp", "ws"], registers=True)
    page.open("beCalled", proxy.ports["ws"])
    assert page.wait_for_event("registered")["status"] == 200
    call = alice.invite("page@page.example", proxy=proxy.uri("udp")).wait(5)
    assert call.progress == 180
    done = page.wait_for_event("done")
    assert done["target"] == done["contact"]
    assert done["bye"] == 200
    ended(call)


@over(WS, WSS)
def test_it_is_called_back(page: Page, bob: Any, capture: Capture | None) -> None:
    """A call of ours goes by the connection that a request of its own came by."""
    asked: queue.Queue[Any] = queue.Queue()

    def answer(event: RequestReceived) -> None:
        event.incoming.respond(200)
        asked.put(event.incoming)

    bob.on_request("MESSAGE", answer)
    page.open("beCalledBack", bob.contact_uri.port)
    message = asked.get(timeout=10)
    assert page.wait_for_event("asked")["status"] == 200
    call = bob.invite(message.request.contact.uri, flow=message.flow).wait(5)
    assert call.progress == 180
    done = page.wait_for_event("done")
    assert done["target"] == done["contact"]
    assert done["bye"] == 200
    ended(call)
    if capture is not None and capture.has_media:
        assert len(flows(capture)) == 1
