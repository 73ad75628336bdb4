"""Metrics: what is counted, what is bounded, and that stopping gives the registry back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sipparty.errors import UsageError
from sipparty.parties import AudioParty, NoMediaSimpleCallsParty
from sipparty.sip.events import CallReceived
from sipparty.telemetry.prometheus import Metrics
from sipparty.testing.simulation import VirtualNetwork


@pytest.fixture
def network() -> Iterator[VirtualNetwork]:
    made = VirtualNetwork(seed=1, delay=(0.01, 0.02))
    yield made
    made.close()


def two(network: VirtualNetwork, kind: Callable[..., Any]) -> tuple[Any, Any]:
    alice = kind("alice@atlanta.com", engine=network.engine("10.0.0.1"))
    bob = kind("bob@biloxi.com", engine=network.engine("10.0.0.2"))
    return alice, bob.listen()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_call(network: VirtualNetwork) -> None:
    registry = CollectorRegistry()
    alice, bob = two(network, AudioParty)
    with Metrics(alice, bob, registry=registry):
        call = alice.invite(bob).wait(5)
        assert value(registry, "sipparty_active_calls", state="InDialog") == 2
        assert value(registry, "sipparty_dialogs") == 2
        network.sleep(20)
        call.terminate().wait(5)
        network.sleep(1)
        assert value(registry, "sipparty_active_calls", state="InDialog") is None
        for direction in ("outgoing", "incoming"):
            ended = {"direction": direction, "result": "answered"}
            assert value(registry, "sipparty_calls_total", **ended) == 1
            seconds = value(registry, "sipparty_call_duration_seconds_sum", direction=direction)
            assert seconds == pytest.approx(20, abs=0.2)
            buckets = {"direction": direction, "le": "0.1"}
            assert value(registry, "sipparty_call_setup_seconds_bucket", **buckets) == 1
        assert value(registry, "sipparty_call_mos_count") == 2
        received = value(registry, "sipparty_messages_total", direction="received")
        assert received == value(registry, "sipparty_messages_total", direction="sent")
        assert received
        text = generate_latest(registry).decode()
        assert "atlanta" not in text
        assert "10.0.0" not in text


def test_calls_that_fail(network: VirtualNetwork) -> None:
    registry = CollectorRegistry()
    alice, bob = two(network, NoMediaSimpleCallsParty)
    answers = iter([486, None])

    @bob.on(CallReceived)
    def refuse(event: CallReceived) -> None:
        status = next(answers)
        if status is not None:
            event.call.reject(status)
        else:
            event.call.ring()

    with Metrics(alice, registry=registry):
        alice.invite(bob).waitForStateCondition(lambda state: state == "Error", 5)
        call = alice.invite(bob)
        network.sleep(2)
        call.terminate()
        network.sleep(2)
        outgoing = {"direction": "outgoing"}
        assert value(registry, "sipparty_calls_total", **outgoing, result="486") == 1
        assert value(registry, "sipparty_calls_total", **outgoing, result="cancelled") == 1
        assert value(registry, "sipparty_call_duration_seconds_count", **outgoing) is None


def test_after_its_end_nothing_is_counted_or_registered(network: VirtualNetwork) -> None:
    registry = CollectorRegistry()
    alice, bob = two(network, NoMediaSimpleCallsParty)
    metrics = Metrics(alice, registry=registry)
    with metrics, pytest.raises(ValueError, match="Duplicated"), Metrics(bob, registry=registry):
        pass
    assert generate_latest(registry) == b""
    assert not alice.observed
    assert not bob.observed
    with metrics:
        alice.engine.close()
        assert value(registry, "sipparty_dialogs") == 0


def test_of_an_engine_alone(network: VirtualNetwork) -> None:
    registry = CollectorRegistry()
    alice, bob = two(network, NoMediaSimpleCallsParty)
    with Metrics(alice.engine, registry=registry):
        alice.invite(bob).wait(5)
        assert value(registry, "sipparty_dialogs") == 1


def test_it_is_of_something() -> None:
    with pytest.raises(UsageError):
        Metrics("alice")
