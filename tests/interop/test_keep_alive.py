"""Flows kept open to servers of others, and their client at a port of ours (RFC 5626, RFC 8489)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip.events import FlowConfirmed, FlowLost
from sipparty.transport import KeepAlive

from .coturn import Coturn
from .peer import UDP, UDP6, Peer, Ports, Transport, over, require, wait_for
from .tshark import Capture

Make = Callable[..., Any]

PATIENCE = 10


@pytest.fixture
def coturn(tmp_path: Path, transport: Transport) -> Iterator[Callable[[int], Coturn]]:
    """Starts a coturn at a port."""
    made: list[Coturn] = []

    def start(port: int) -> Coturn:
        made.append(Coturn(tmp_path, transport, port))
        return made[-1]

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


def events_of(party: Any) -> Queue[Any]:
    """What is told of a party's flows."""
    events: Queue[Any] = Queue()
    for kind in (FlowConfirmed, FlowLost):
        party.on(kind, events.put)
    return events


def reach(kept: KeepAlive, state: str) -> None:
    """Wait for a state."""
    kept.waitForStateCondition(lambda now: now == state, timeout=PATIENCE)


@over(UDP, UDP6)
def test_a_flow_to_a_stun_server_that_goes_and_comes_back(
    coturn: Make,
    parties: Make,
    ports: Ports,
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KeepAlive, "BASE_TIME", 0.02)
    monkeypatch.setattr(KeepAlive, "MAX_TIME", 0.2)
    port = ports.take()
    server = coturn(port)
    alice = parties(NoMediaSimpleCallsParty)
    events = events_of(alice)
    kept = alice.keep_alive(f"{transport.literal}:{port}", interval=0.05)
    reach(kept, "Kept")
    # What it sees is where we listen: nothing translates addresses here.
    assert events.get(timeout=PATIENCE).mapped == (transport.host, alice.contact_uri.port)
    reach(kept, "Asking")
    reach(kept, "Kept")
    server.stop()
    lost = events.get(timeout=PATIENCE)
    assert isinstance(lost, FlowLost)
    assert lost.reason == "connection refused"
    coturn(port)
    assert isinstance(events.get(timeout=PATIENCE), FlowConfirmed)
    reach(kept, "Kept")
    alice.stop_keep_alive()


@over(UDP, UDP6)
def test_their_client_asks_a_port_of_ours(
    parties: Make, transport: Transport, tmp_path: Path
) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    port = bob.contact_uri.port
    program = require("turnutils_stunclient")
    client = Peer([program, "-p", str(port), transport.host], tmp_path, "stunclient")
    try:
        wait_for(lambda: not client.running, "turnutils_stunclient ended", PATIENCE)
        assert f"UDP reflexive addr: {transport.host}" in client.output
    finally:
        client.stop()


@pytest.mark.parametrize("way", ["udp", "tcp", "tls", "ws", "wss"])
def test_a_flow_to_kamailio(
    kamailio: Make, parties: Make, capture: Capture | None, way: str
) -> None:
    """It answers STUN at its SIP port (§8), and pings over connections (§5.4)."""
    proxy = kamailio(routes={}, transports=[way])
    alice = parties(NoMediaSimpleCallsParty, transport="", proxy=proxy.uri(way))
    events = events_of(alice)
    kept = alice.keep_alive(interval=0.05)
    for _ in range(3):
        reach(kept, "Kept")
        reach(kept, "Asking")
    reach(kept, "Kept")
    confirmed = events.get(timeout=PATIENCE)
    flow = kept.flow
    if capture is not None and way == "tcp":
        # Wireshark takes an empty line in a stream for no SIP.
        capture.excused_ports |= {flow.endpoint.address[1], proxy.ports[way]}
    assert confirmed.mapped == kept.mapped
    assert kept.mapped == (None if way != "udp" else ("127.0.0.1", flow.endpoint.address[1]))
    # A request goes by the flow that is kept, and its answer comes back by it.
    assert alice.options("nobody@example.com").wait(PATIENCE).status == 404
    proxy.stop()
    assert isinstance(events.get(timeout=PATIENCE), FlowLost)
