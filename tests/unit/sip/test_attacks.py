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
    assert len(monitor._sources) == monitor.MAX_SOURCES


@pytest.mark.parametrize(
    ("transport", "proven", "word"),
    [("UDP", None, "no"), ("TCP", None, "yes"), ("UDP", True, "yes")],
)
def test_the_record_is_one_line_that_says_who_and_whether_that_is_proven(
    monitor, reports, caplog, transport, proven, word
):
    with caplog.at_level(logging.WARNING, "sipparty.security"):
        monitor.note("flood", flow(transport=transport), 0.0, proven=proven, agent="bob")
    (record,) = caplog.records
    expected = f"attack kind=flood source=192.0.2.7 transport={transport} proven={word} count=1"
    assert record.getMessage() == expected
    assert reports[0].proven is (word == "yes")
    assert reports[0].agent == "bob"
