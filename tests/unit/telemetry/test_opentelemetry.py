"""Spans: of calls and transactions, what is repeated, what fails, and what is hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sipparty.errors import UsageError
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip.events import CallReceived
from sipparty.telemetry import opentelemetry
from sipparty.telemetry.opentelemetry import Spans
from sipparty.testing.simulation import VirtualNetwork
from sipparty.trace import Wire


class Told:
    """Where spans go."""

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))

    def spans(self, name: str) -> list[ReadableSpan]:
        return [one for one in self.memory.get_finished_spans() if one.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span


class OneEngine:
    """What has a wire and no more."""

    def __init__(self) -> None:
        self.wire = Wire([])

    def sees(self, time: float, data: str, *, sent: bool = True) -> None:
        report = self.wire.sent if sent else self.wire.received
        written = data.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
        report(written, ("10.0.0.1", 5060), ("10.0.0.2", 5060), "UDP", time)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def network() -> Iterator[VirtualNetwork]:
    made = VirtualNetwork(seed=1, delay=(0.01, 0.02))
    yield made
    made.close()


def two(network: VirtualNetwork) -> tuple[Any, Any]:
    kind = NoMediaSimpleCallsParty
    alice = kind("alice@atlanta.com", engine=network.engine("10.0.0.1"))
    bob = kind("bob@biloxi.com", engine=network.engine("10.0.0.2"))
    return alice, bob.listen()


def names(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def seconds(span: ReadableSpan) -> float:
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


def test_a_call(network: VirtualNetwork, told: Told) -> None:
    alice, bob = two(network)
    with Spans(alice, tracer_provider=told.provider):
        call = alice.invite(bob).wait(5)
        network.sleep(60)
        call.terminate().wait(5)
    whole, invite, bye = told.one("call"), told.one("INVITE"), told.one("BYE")
    assert seconds(whole) == pytest.approx(60, abs=0.2)
    assert seconds(invite) < 0.1
    assert names(whole)[-1] == "answered"
    attributes = dict(whole.attributes or {})
    assert attributes["sip.call_id"] == call.call_id
    assert attributes["sip.direction"] == "outgoing"
    assert attributes["sip.status_code"] == 200
    assert attributes["network.transport"] == "udp"
    assert attributes["network.peer.address"] == "10.0.0.2"
    assert not any("atlanta" in str(value) for value in attributes.values())
    for one in (invite, bye):
        assert one.kind is SpanKind.CLIENT
        assert one.parent is not None
        assert one.parent.span_id == whole.context.span_id
        assert one.status.status_code is StatusCode.UNSET
    assert len(told.memory.get_finished_spans()) == 3


def test_both_sides_of_a_call_that_is_refused(network: VirtualNetwork, told: Told) -> None:
    alice, bob = two(network)
    bob.on(CallReceived, lambda event: event.call.reject(486))
    with Spans(alice, bob, tracer_provider=told.provider):
        alice.invite(bob).waitForStateCondition(lambda state: state == "Error", 5)
        network.sleep(1)
    ours, theirs = sorted(told.spans("call"), key=lambda span: span.kind is SpanKind.SERVER)
    assert (ours.kind, theirs.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
    for span in (ours, theirs, *told.spans("INVITE")):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "486 Busy Here"
        assert dict(span.attributes or {})["sip.status_code"] == 486
    assert ours.context.trace_id != theirs.context.trace_id


def test_a_request_outside_of_a_call_stands_alone(network: VirtualNetwork, told: Told) -> None:
    alice, bob = two(network)
    with Spans(alice, tracer_provider=told.provider):
        alice.options(bob).wait(5)
    span = told.one("OPTIONS")
    assert span.parent is None
    assert told.spans("call") == []


def test_repetitions_are_events_and_what_is_not_answered_has_failed(told: Told) -> None:
    engine = OneEngine()
    invite = (
        "INVITE sip:b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nCall-ID: 1\nCSeq: 1 INVITE\n\n"
    )
    with Spans(engine, tracer_provider=told.provider):
        engine.sees(0.0, invite)
        engine.sees(0.5, invite)
        engine.sees(600.0, invite.replace("INVITE", "OPTIONS").replace("z9hG4bK1", "z9hG4bK2"))
        assert told.spans("INVITE") == []
        engine.sees(700.0, invite.replace("INVITE", "OPTIONS").replace("z9hG4bK1", "z9hG4bK3"))
        span = told.one("INVITE")
        assert names(span) == ["repeated"]
        assert span.status.description == "no final response"
        assert len(told.spans("OPTIONS")) == 1
    assert len(told.spans("OPTIONS")) == 2
    assert told.one("call").status.status_code is StatusCode.ERROR
    engine.sees(800.0, invite)
    assert len(told.memory.get_finished_spans()) == 4


def test_a_challenge_is_no_failure_and_the_call_goes_on(told: Told) -> None:
    engine = OneEngine()
    head = "Via: SIP/2.0/UDP a;branch={}\nCall-ID: 1\nCSeq: {} {}\n\n"
    with Spans(engine, tracer_provider=told.provider):
        for at, (number, status) in enumerate([(1, "401 Unauthorized"), (2, "200 OK")]):
            named = head.format(f"z9hG4bK{number}", number, "INVITE")
            engine.sees(at, f"INVITE sip:b SIP/2.0\n{named}")
            engine.sees(at + 0.1, f"SIP/2.0 {status}\n{named}", sent=False)
            engine.sees(at + 0.2, f"SIP/2.0 {status}\n{named}", sent=False)
        named = head.format("z9hG4bK3", 7, "BYE")
        engine.sees(9.0, f"BYE sip:a SIP/2.0\n{named}", sent=False)
        engine.sees(9.1, f"SIP/2.0 200 OK\n{named}")
    whole = told.one("call")
    assert whole.status.status_code is StatusCode.UNSET
    assert names(whole) == ["answered"]
    assert seconds(whole) == pytest.approx(9.1)
    assert [span.status.status_code for span in told.spans("INVITE")] == [StatusCode.UNSET] * 2
    assert told.one("BYE").kind is SpanKind.SERVER


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\x00",
        "INVITE",
        "INVITE sip:b SIP/2.0\n\n",
        "SIP/2.0 200 OK\nCall-ID: 1\n\n",
        "SIP/2.0 99999 \nVia: SIP/2.0/UDP a;branch=1\nCSeq: 1 INVITE\n\n",
        "IN\x1bVITE sip:b SIP/2.0\nVia: x;branch=\udcff\nCall-ID: \x1b\u202e\nCSeq: x y z\n\n",
    ],
)
def test_what_is_hostile_is_told_escaped_or_not_at_all(told: Told, data: str) -> None:
    engine = OneEngine()
    with Spans(engine, tracer_provider=told.provider):
        engine.sees(0.0, data)
        engine.sees(0.0, data, sent=False)
        assert len(engine.wire.taps) == 1  # one that raises is taken off
    for span in told.memory.get_finished_spans():
        texts = [span.name, *map(str, dict(span.attributes or {}).values()), *names(span)]
        assert all(text.isprintable() for text in texts)
    assert engine.wire.taps == ()


def test_what_is_kept_is_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opentelemetry, "_LIMIT", 10)
    engine = OneEngine()
    with Spans(engine, tracer_provider=told.provider):
        for number in range(30):
            named = f"Via: SIP/2.0/UDP a;branch=z9hG4bK{number}\nCall-ID: {number}\nCSeq: 1 INVITE"
            engine.sees(0.0, f"INVITE sip:b SIP/2.0\n{named}\n\n")
        assert len(told.spans("call")) == len(told.spans("INVITE")) == 20
    assert len(told.spans("call")) == len(told.spans("INVITE")) == 30


def test_what_a_call_is_known_by_is_bounded(told: Told) -> None:
    engine = OneEngine()
    long = "x" * 60_000
    with Spans(engine, tracer_provider=told.provider) as spans:
        named = f"Via: SIP/2.0/UDP a;branch={long}\nCall-ID: {long}\nCSeq: 1 INVITE"
        engine.sees(0.0, f"INVITE sip:b SIP/2.0\n{named}\n\n")
        ((_, tap),) = spans._taps
        ((_ours, branch, _method, call, _local),) = tap._transactions
        assert (len(branch), len(call)) == (256, 256)
        engine.sees(1.0, f"SIP/2.0 486 Busy\n{named}\n\n", sent=False)
    assert told.one("call").attributes["sip.status_code"] == 486


def test_they_are_of_something() -> None:
    with pytest.raises(UsageError):
        Spans("alice")
