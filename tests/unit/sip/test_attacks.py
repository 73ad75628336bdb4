"""What looks like an attack is counted by source, and reported now and then."""

import logging

import pytest

from sipparty.sip import Flow
from sipparty.sip.attacks import AttackMonitor


@pytest.fixture
def reports():
    return []


@pytest.fixture
def monitor(reports):
    return AttackMonitor({}, reports.append)


def flow(host="192.0.2.7", transport="UDP"):
    return Flow(transport, ("198.51.100.1", 5060), (host, 40000))


def test_a_report_comes_at_the_threshold_and_at_each_doubling(monitor, reports):
    for at in range(1000):
        monitor.note("guessing", flow(), at / 1000)
    assert [event.count for event in reports] == [5, 10, 20, 40, 80, 160, 320, 640]
    assert {(event.kind, event.source, event.transport) for event in reports} == {
        ("guessing", "192.0.2.7", "UDP")
    }


def test_kinds_and_sources_are_counted_apart(monitor, reports):
    counters = monitor._counters
    for number in range(4):
        monitor.note("guessing", flow(f"192.0.2.{number}"), 0.0)
        monitor.note("malformed", flow(), 0.0)
    assert reports == []
    assert counters == {"guessing": 4, "malformed": 4, "relay": 0, "flood": 0}
    assert monitor.note("guessing", flow("192.0.2.1"), 0.0) == 2
    assert monitor.count("guessing", "192.0.2.1", 0.0) == 2
    assert monitor.count("guessing", "192.0.2.9", 0.0) == 0


def test_a_source_that_is_silent_is_forgotten(monitor):
    monitor.note("guessing", flow(), 0.0)
    assert monitor.count("guessing", "192.0.2.7", 601.0) == 0
    assert monitor.note("guessing", flow(), 601.0) == 1


def test_so_many_sources_are_remembered_and_the_silent_ones_go_first(monitor):
    for number in range(monitor.MAX_SOURCES):
        monitor.note("guessing", flow(f"source{number}"), float(number) / 1e6)
    monitor.note("guessing", flow("source0"), 1.0)
    monitor.note("guessing", flow("another"), 1.0)
    assert monitor.count("guessing", "source0", 1.0) == 2
    assert monitor.count("guessing", "source1", 1.0) == 0
    assert len(monitor) == monitor.MAX_SOURCES


def test_forged_datagrams_do_not_have_an_honest_peer_reported_as_proven(monitor, reports):
    """Four typing errors of a peer that proves its address, amid forged messages in its name."""
    for number in range(8):
        monitor.note("guessing", flow(), 0.0, proven=bool(number % 2))
        monitor.note("guessing", flow(), 0.0)
    assert [(event.proven, event.count) for event in reports] == [(False, 5), (False, 10)]
    assert monitor.count("guessing", "192.0.2.7", 0.0) == 16


def test_forged_sources_do_not_have_proven_ones_forgotten(monitor):
    monitor.note("guessing", flow("192.0.2.9", "TCP"), 0.0)
    for number in range(monitor.MAX_SOURCES * 2):
        monitor.note("guessing", flow(f"source{number}"), 1.0)
    assert len(monitor) == monitor.MAX_SOURCES
    assert monitor.note("guessing", flow("192.0.2.9", "TCP"), 2.0) == 2


def test_the_addresses_of_one_ipv6_network_are_one_source(monitor, reports):
    for number in range(5):
        monitor.note("guessing", flow(f"2001:db8::{number}", "TCP"), 0.0)
    assert [(event.source, event.count) for event in reports] == [("2001:db8::4", 5)]
    assert monitor.count("guessing", "2001:db8::ffff", 0.0) == 5
    assert monitor.count("guessing", "2001:db8:0:1::1", 0.0) == 0


def test_one_call_too_many_is_not_reported(monitor, reports):
    for _ in range(19):
        monitor.note("flood", flow(transport="TCP"), 0.0)
    assert reports == []
    monitor.note("flood", flow(transport="TCP"), 0.0)
    assert [event.count for event in reports] == [20]


@pytest.mark.parametrize(
    ("transport", "proven", "word"),
    [("UDP", None, "no"), ("TCP", None, "yes"), ("UDP", True, "yes")],
)
def test_the_record_is_one_line_that_says_who_and_whether_that_is_proven(
    monitor, reports, caplog, transport, proven, word
):
    with caplog.at_level(logging.WARNING, "sipparty.security"):
        monitor.note("relay", flow(transport=transport), 0.0, proven=proven, agent="bob")
    (record,) = caplog.records
    expected = f"attack kind=relay source=192.0.2.7 transport={transport} proven={word} count=1"
    assert record.getMessage() == expected
    assert reports[0].proven is (word == "yes")
    assert reports[0].agent == "bob"
