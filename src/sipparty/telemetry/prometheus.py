"""Metrics for Prometheus.

    with Metrics(alice):
        prometheus_client.start_http_server(9100)
        ...

==================================  =========  ==================================================
name                                kind       what it is
==================================  =========  ==================================================
`sipparty_active_calls`             gauge      calls under way, by `state`
`sipparty_calls_total`              counter    calls that are over, by `direction` and `result`
`sipparty_call_setup_seconds`       histogram  from the INVITE to its answer, by `direction`
`sipparty_call_duration_seconds`    histogram  from the answer to the end, by `direction`
`sipparty_call_mos`                 histogram  how answered calls sounded, 1 to 5
`sipparty_dialogs`                  gauge      dialogs that engines hold
`sipparty_transactions`             gauge      transactions, by `side`: "client" or "server"
`sipparty_timers`                   gauge      timers that run
`sipparty_messages_total`           counter    messages, by `direction`: "sent" or "received"
`sipparty_dropped_total`            counter    what was refused or ignored, by `reason`
==================================  =========  ==================================================

Laws:

1. What engines count anyway is read when Prometheus asks for it; of calls a few numbers are noted
   when they end. Nothing is done for a message.
2. Names and labels are bounded: no label has an address, or text from the wire. `result` is
   "answered", "cancelled", a status code, or "failed".
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from sipparty.errors import SIPPartyError, UsageError
from sipparty.sip.events import CallEnded
from sipparty.trace.watching import engines_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

__all__ = ["Metrics"]

#: The counters of an engine that say what is there now, and the labels of those that count up.
_NOW: Final = ("dialogs", "timers")
_SIDES: Final = {"client_transactions": "client", "server_transactions": "server"}
_MESSAGES: Final = {"received": "received", "sent": "sent"}

_SETUP: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 180)
_DURATION: Final = (1, 5, 15, 60, 180, 600, 1800, 3600, 7200, 14400)
_MOS: Final = (1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.4)


class Metrics:
    """The metrics of parties and engines; a context manager.

    Args:
        of: Parties, or engines: of an engine alone there are no metrics of calls.
        registry: Where they are registered; `prometheus_client.REGISTRY` by default.

    Raises:
        ModuleNotFoundError: The extra `telemetry` is not installed.
        UsageError: There is no party and no engine, or what there is, is neither.
        ValueError: The registry has such metrics already.
    """

    def __init__(self, *of: Any, registry: CollectorRegistry | None = None) -> None:
        try:
            import prometheus_client as prometheus
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "Metrics need prometheus_client: pip install 'sipparty[telemetry]'.",
                name=error.name,
            ) from error
        self._parties = [one for one in of if hasattr(one, "calls")]
        self._engines = engines_of(of, "Metrics")
        self._registry = prometheus.REGISTRY if registry is None else registry
        options: Any = {"registry": None}
        self._calls = prometheus.Counter(
            *("sipparty_calls", "Calls that are over.", ("direction", "result")), **options
        )
        self._setup = prometheus.Histogram(
            *("sipparty_call_setup_seconds", "From the INVITE to its answer.", ("direction",)),
            buckets=_SETUP,
            **options,
        )
        self._duration = prometheus.Histogram(
            *("sipparty_call_duration_seconds", "From the answer to the end.", ("direction",)),
            buckets=_DURATION,
            **options,
        )
        self._mos = prometheus.Histogram(
            "sipparty_call_mos", "How answered calls sounded, 1 to 5.", buckets=_MOS, **options
        )
        self._running = False

    def start(self) -> Self:
        """Register them, and count from now on; nothing where that was done."""
        if not self._running:
            self._registry.register(self)
            self._running = True
            for party in self._parties:
                party.on(CallEnded, self._ended)
        return self

    def stop(self) -> None:
        """Count no more, and take them out of the registry; nothing where that was done."""
        if self._running:
            self._running = False
            for party in self._parties:
                party.off(CallEnded, self._ended)
            self._registry.unregister(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- counting

    async def _ended(self, event: CallEnded) -> None:
        # On the engine's loop, as it is a coroutine: counting takes no thread.
        call = event.call
        direction = "outgoing" if call.role == "caller" else "incoming"
        steps = call.steps
        answered = next((step.time for step in steps if step.state == "InDialog"), None)
        if answered is not None:
            self._setup.labels(direction).observe(answered - steps[0].time)
            self._duration.labels(direction).observe(call.duration)
            quality = _quality(call)
            if quality is not None:
                self._mos.observe(quality)
        self._calls.labels(direction, _result(call, answered is not None)).inc()

    def describe(self) -> list[Metric]:
        """Give the metrics, so that no others have their names; for the registry."""
        return list(self.collect())

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now; for the registry."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        counted: Counts[str] = Counts()
        for engine in self._engines:
            try:
                counted.update(engine.counters())
            except SIPPartyError:
                continue  # it is closed
        for name in _NOW:
            yield GaugeMetricFamily(
                f"sipparty_{name}", f"{name.title()} now.", counted.pop(name, 0)
            )
        held = GaugeMetricFamily("sipparty_transactions", "Transactions now.", labels=["side"])
        for name, side in _SIDES.items():
            held.add_metric([side], counted.pop(name, 0))
        yield held
        messages = CounterMetricFamily("sipparty_messages", "Messages.", labels=["direction"])
        for name, direction in _MESSAGES.items():
            messages.add_metric([direction], counted.pop(name, 0))
        yield messages
        dropped = CounterMetricFamily("sipparty_dropped", "Refused or ignored.", labels=["reason"])
        for name, count in sorted(counted.items()):
            dropped.add_metric([name], count)
        yield dropped
        states = Counts(call.state for party in self._parties for call in party.calls)
        calls = GaugeMetricFamily("sipparty_active_calls", "Calls under way.", labels=["state"])
        for state, count in sorted(states.items()):
            calls.add_metric([state], count)
        yield calls
        for metric in (self._calls, self._setup, self._duration, self._mos):
            yield from metric.collect()


def _result(call: Any, answered: bool) -> str:
    if answered:
        return "answered"
    cause = call.cause
    status = None if cause is None else cause.status
    if status == 487 or (status is None and call.ended_by in ("local", "remote")):
        return "cancelled"
    return str(status) if status is not None and 300 <= status < 700 else "failed"


def _quality(call: Any) -> float | None:
    """The score of a call that had media; None for one without."""
    try:
        quality = call.quality
    except (AttributeError, UsageError):
        return None
    return quality.mos if quality.packets_received else None
