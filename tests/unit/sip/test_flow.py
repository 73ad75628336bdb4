"""Flows, and hosts with ports."""

from __future__ import annotations

import pytest

from sipparty.sip.flow import Flow, host_port
from sipparty.sip.transports import RELIABLE_TRANSPORTS, SECURE_TRANSPORTS

HERE, THERE = ("192.0.2.1", 5060), ("192.0.2.2", 5070)


def test_a_flow_is_a_value():
    one, same = Flow("UDP", HERE, THERE, "endpoint"), Flow("UDP", HERE, THERE, "endpoint")
    assert one == same
    assert len({one, same, Flow("TCP", HERE, THERE, "endpoint")}) == 2
    assert (one.endpoint, one.listener) == ("endpoint", None)


@pytest.mark.parametrize(
    ("transport", "reliable"),
    [("UDP", False), ("TCP", True), ("TLS", True), ("WS", True), ("WSS", True), ("SCTP", True)],
)
def test_which_transports_retransmit(transport, reliable):
    assert Flow(transport, HERE, THERE).reliable is reliable


def test_what_is_secure_is_reliable():
    assert SECURE_TRANSPORTS < RELIABLE_TRANSPORTS
    assert "TLS" in SECURE_TRANSPORTS
    assert "TCP" not in SECURE_TRANSPORTS


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("a.example", None, "a.example"),
        ("192.0.2.1", 5060, "192.0.2.1:5060"),
        ("2001:db8::1", None, "[2001:db8::1]"),
        ("::1", 0, "[::1]:0"),
    ],
)
def test_host_and_port(host, port, text):
    assert host_port(host, port) == text
