"""Flows, and hosts with ports."""

from __future__ import annotations

import gc

import pytest

from sipparty.sip.flow import Flow, FlowTable, host_port
from sipparty.sip.transports import RELIABLE_TRANSPORTS, SECURE_TRANSPORTS

HERE, THERE = ("192.0.2.1", 5060), ("192.0.2.2", 5070)


class Dependent:
    """Who depends on flows, and what it heard."""

    def __init__(self):
        self.heard = []

    def flow_lost(self, flow, reason):
        self.heard.append((flow, reason))
        flow.forget(self)


def test_a_flow_has_an_identity():
    one, other = Flow("UDP", HERE, THERE, "endpoint"), Flow("UDP", HERE, THERE, "endpoint")
    assert one != other
    assert len({one, other}) == 2
    assert (one.endpoint, one.listener) == ("endpoint", "endpoint")
    assert Flow("TCP", HERE, THERE, "connection", "listener").listener == "listener"
    assert repr(one) == "<UDP flow 192.0.2.1:5060 -> 192.0.2.2:5070>"


def test_a_token_tells_it_from_every_other():
    assert Flow("TLS", ("2001:db8::1", 5061), THERE).token == (
        "TLS [2001:db8::1]:5061 192.0.2.2:5070"
    )


def test_it_is_closed_with_its_endpoint():
    class Endpoint:
        closed = False

    flow = Flow("UDP", HERE, THERE, Endpoint())
    assert not flow.closed
    flow.endpoint.closed = True
    assert flow.closed
    assert not Flow("UDP", HERE, THERE).closed


def test_its_loss_is_told_to_whoever_depends_on_it_in_order():
    flow, order = Flow("UDP", HERE, THERE), []
    first, second, gone = Dependent(), Dependent(), Dependent()
    for dependent in (gone, first, second, first):
        dependent.heard = order
        flow.on_lost(dependent)
    flow.forget(gone)
    flow.forget(gone)
    assert list(flow.dependents) == [first, second]
    flow.fail("connection refused")
    assert order == [(flow, "connection refused")] * 2
    flow.fail("connection refused")
    assert len(order) == 2


def test_who_raises_keeps_no_other_from_hearing_of_a_loss():
    class Broken:
        def flow_lost(self, flow, reason):
            raise RuntimeError(reason)

    flow, last = Flow("UDP", HERE, THERE), Dependent()
    for dependent in (Broken(), Broken(), last):
        flow.on_lost(dependent)
    with pytest.raises(RuntimeError, match="gone"):
        flow.fail("gone")
    assert last.heard == [(flow, "gone")]


def test_a_table_has_one_flow_for_each_pair_of_addresses():
    table = FlowTable("UDP", "endpoint")
    flow = table.flow(HERE, THERE)
    assert table.flow(HERE, THERE) is flow
    assert table.known(HERE, THERE) is flow
    other = flow.to(("192.0.2.3", 5060))
    assert (other.local, other.remote, other.endpoint) == (HERE, ("192.0.2.3", 5060), "endpoint")
    assert other.to(THERE) is flow
    assert table.flow(THERE, HERE) is not flow


def test_a_table_keeps_no_flow_that_nobody_holds():
    table = FlowTable("UDP")
    held = table.flow(HERE, THERE)
    for port in range(100):
        table.flow(HERE, ("192.0.2.9", port))
    gc.collect()
    assert len(table) == 1
    assert table.known(HERE, ("192.0.2.9", 1)) is None
    assert table.known(HERE, THERE) is held


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
