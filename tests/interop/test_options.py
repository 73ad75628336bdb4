"""The tools that ask who is there: sipsak, and sip-options of Sofia-SIP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty

from .peer import TCP, TCP6, UDP, UDP6, Peer, Ports, Transport, over, require, wait_for

Make = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run a program to its end; return its exit code and what it printed."""
    made: list[Peer] = []

    def start(program: str, *arguments: str) -> tuple[int, str]:
        peer = Peer([require(program), *arguments], tmp_path, program)
        made.append(peer)
        wait_for(lambda: not peer.running, f"{program} ended", 10, lambda: peer.output)
        return peer.process.returncode, peer.output

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


@over(UDP, TCP)
def test_sipsak(run: Make, parties: Make, transport: Transport, ports: Ports) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    port = bob.contact_uri.port
    uri = f"sip:bob@{transport.literal}:{port}"
    more = ("-E", transport.name, "-l", str(ports.take()))
    code, printed = run("sipsak", "-vvv", "-s", uri, *more)
    assert code == 0, printed
    assert "SIP/2.0 200 OK" in printed
    assert "Allow: INVITE" in printed


@over(UDP, UDP6, TCP, TCP6)
def test_sip_options(run: Make, parties: Make, transport: Transport) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    # Outside of the block: it tries the port by a datagram to itself.
    own = f"--bind=sip:{transport.literal}:*;transport={transport.name}"
    code, printed = run("sip-options", "--all", own, str(bob.contact_uri))
    assert code == 0, printed
    assert "SIP/2.0 200 OK" in printed
    assert "INVITE" in printed
