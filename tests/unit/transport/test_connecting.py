"""Opening connections: what can go wrong before TLS, and what is said of it."""

import asyncio
import contextlib
import socket

import pytest

from sipparty.errors import TransportError
from sipparty.transport.connecting import connect

LOOPBACK = "127.0.0.1"


async def test_nobody_listens(open_to, free_port):
    with pytest.raises(TransportError) as raised:
        await open_to("TCP", (LOOPBACK, free_port), "biloxi.com")
    assert str(raised.value) == (
        f"Cannot connect by TCP to 127.0.0.1 port {free_port} (biloxi.com): connection refused."
    )


async def test_nobody_listens_and_the_system_chooses_that_very_port(open_to, free_port):
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    with pytest.raises(TransportError, match=r"connection refused\.$"):
        await open_to("TCP", (LOOPBACK, port), local_address=(LOOPBACK, port))


async def test_where_to_connect_from(owner, serve, open_to):
    listener = serve()
    connection = await open_to("TCP", listener.address, local_address=("127.0.0.2", 0))
    assert connection.flow.local[0] == "127.0.0.2"
    with pytest.raises(TransportError, match="cannot assign requested address"):
        await open_to("TCP", listener.address, local_address=("192.0.2.1", 0))


@pytest.mark.parametrize(
    ("transport", "address", "reason"),
    [
        ("TCP", ("biloxi.com", 5060), "expected a numeric address"),
        ("TCP", (LOOPBACK, 70_000), "there is no such port"),
        ("UDP", (LOOPBACK, 5060), "there are no connections by that transport"),
        ("TCP", ("255.255.255.255", 5060), "network is unreachable"),
    ],
)
async def test_targets_that_are_none(open_to, transport, address, reason):
    with pytest.raises(TransportError) as raised:
        await open_to(transport, address)
    assert str(raised.value) == (
        f"Cannot connect by {transport} to {address[0]} port {address[1]}: {reason}."
    )


@pytest.mark.parametrize("name", ["a" * 64 + ".com", "a..b", "x" * 300])
async def test_a_name_that_tls_cannot_ask_for(open_to, accept, name):
    """SIP's grammar takes it; the DNS and TLS do not."""
    server = await accept()
    with pytest.raises(TransportError, match="the name is none that TLS can ask for"):
        await open_to("TLS", server.address, name)
    assert server.all == []  # nobody was bothered


async def test_a_connection_that_takes_too_long(owner, open_to, monkeypatch):
    async def never(sock, address):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    with pytest.raises(TransportError, match=r"there was no answer in time \(0\.01 s\)\.$"):
        await open_to("TCP", (LOOPBACK, 5060), timeout=0.01)


async def test_a_connection_that_is_given_up(owner, monkeypatch, turns):
    async def never(sock, address):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    target = type(
        "Target", (), {"transport": "TCP", "address": LOOPBACK, "port": 1, "server_name": ""}
    )
    task = asyncio.create_task(connect(owner, target()))
    await turns()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
