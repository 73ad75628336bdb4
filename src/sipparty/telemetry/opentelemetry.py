"""Spans for OpenTelemetry: one for each call, and in it one for each transaction.

    with Spans(alice):
        ...

A call's span is from its INVITE to the answer to its BYE, or to the response that refused it; a
transaction's from its request to its final response. Provisional responses and repetitions are
events of them. Other requests are spans of their own.

==============================  ==================================================================
attribute                       what it is
==============================  ==================================================================
`sip.call_id`                   the Call-ID
`sip.method`                    the method; of transactions
`sip.status_code`               the final response's
`sip.direction`                 "outgoing" or "incoming"; of calls
`network.protocol.name`         "sip"
`network.transport`             "udp", "tcp" or "tls", ...
`network.local.address`, ...    both ends: addresses and ports
==============================  ==================================================================

Laws:

1. They are made of what goes over the wire, on the clock of the wire: while no `Spans` is in use,
   an engine does nothing for them.
2. Spans have nobody's name or address of record, and nothing of bodies.
3. What is kept of calls and transactions is bounded. What gets no final response is ended as
   failed: at the next message after `patience`, or by `stop`.
4. What a message says does not make this raise.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from sipparty.trace.text import Summary, one_line, summarise
from sipparty.trace.watching import engines_of
from sipparty.trace.wirelog import WireRecord

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["Spans"]

_BRANCH: Final = re.compile(
    rb"^(?:via|v)[ \t]*:[^\r\n]*?;[ \t]*branch[ \t]*=[ \t]*([^;,\s]+)", re.IGNORECASE | re.MULTILINE
)
_TO_TAG: Final = re.compile(rb"^(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.I | re.M)
#: Calls, and transactions, that are kept of each engine.
_LIMIT: Final = 20_000
#: Characters of a Call-ID, and of a branch, that calls and transactions are known by.
_LONGEST: Final = 256
#: Seconds between two looks for what got no final response.
_SWEEP: Final = 10.0
#: Refusals after which the same call is made anew: with credentials (RFC 3261 §22).
_CHALLENGES: Final = (401, 407)


class _Kept(NamedTuple):
    """A span that is open, or None once it has ended: repetitions come later."""

    span: Span | None
    began: float


class Spans:
    """The spans of parties and engines; a context manager.

    Args:
        of: Parties, or engines.
        tracer_provider: Whose spans they are; the global one by default.
        patience: Seconds after which a request without a final response has failed; an INVITE has
            ten times as many, since people may take their time to answer.

    Raises:
        ModuleNotFoundError: The extra `telemetry` is not installed.
        UsageError: There is no party and no engine, or what there is, is neither.
    """

    def __init__(
        self, *of: Any, tracer_provider: TracerProvider | None = None, patience: float = 64.0
    ) -> None:
        try:
            from opentelemetry import trace
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "Spans need OpenTelemetry: pip install 'sipparty[telemetry]'.", name=error.name
            ) from error
        provider = trace.get_tracer_provider() if tracer_provider is None else tracer_provider
        tracer = provider.get_tracer("sipparty")
        taken = engines_of(of, "Spans")
        self._taps = [(engine.wire, _Tap(tracer, patience)) for engine in taken]

    def start(self) -> Self:
        """Begin; nothing where that was done."""
        for wire, tap in self._taps:
            wire.add(tap)
        return self

    def stop(self) -> None:
        """End, with what is open: as failed."""
        for wire, tap in self._taps:
            wire.remove(tap)
            tap.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Tap:
    """Makes the spans of one engine.

    Args:
        tracer: Makes spans.
        patience: As of `Spans`.
    """

    def __init__(self, tracer: Any, patience: float) -> None:
        from opentelemetry import trace

        self._tracer, self._trace, self._patience = tracer, trace, patience
        self._transactions: OrderedDict[Any, _Kept] = OrderedDict()
        self._calls: OrderedDict[Any, _Kept] = OrderedDict()
        self._answered: set[Any] = set()
        self._swept = 0.0
        self._now = 0.0
        self._lock = threading.Lock()

    def __call__(self, record: WireRecord) -> None:
        """Take a message."""
        said = summarise(record.data)
        if said is None:
            return
        with self._lock:
            self._now = max(self._now, record.time)
            if self._now > self._swept + _SWEEP:
                self._sweep(self._now)
            call = (said.call_id[:_LONGEST], record.local)
            found = _BRANCH.search(record.data)
            branch = said.cseq if found is None else found[1][:_LONGEST]
            # Whether the client transaction is ours: then we send requests, and receive responses.
            ours = (record.direction == "sent") == (said.status is None)
            if said.status is None:
                self._request((ours, branch, said.method, *call), call, said, record, ours)
            else:
                self._response((ours, branch, said.method, *call), call, said, record.time)

    def close(self) -> None:
        """End what is open."""
        with self._lock:
            self._sweep(float("inf"))

    # ---------------------------------------------------------------- requests and responses

    def _request(self, key: Any, call: Any, said: Summary, record: WireRecord, ours: bool) -> None:
        if said.method == "ACK":
            return
        known = self._transactions.get(key)
        if known is not None:
            if known.span is not None:
                known.span.add_event("repeated", timestamp=_ns(record.time))
            return
        if said.method == "INVITE" and call not in self._calls and not _TO_TAG.search(record.data):
            more = {"sip.direction": "outgoing" if ours else "incoming"}
            self._keep(self._calls, call, self._begin("call", None, said, record, ours, more))
        outer = self._calls.get(call)
        parent = None if outer is None else outer.span
        more = {"sip.method": one_line(said.method)}
        span = self._begin(one_line(said.method), parent, said, record, ours, more)
        self._keep(self._transactions, key, span)

    def _begin(
        self,
        name: str,
        parent: Span | None,
        said: Summary,
        record: WireRecord,
        ours: bool,
        more: dict[str, str],
    ) -> Span:
        trace = self._trace
        kind = trace.SpanKind.CLIENT if ours else trace.SpanKind.SERVER
        span: Span = self._tracer.start_span(
            name,
            # Without one it stands alone, whatever else the thread is doing.
            context=trace.set_span_in_context(parent or trace.INVALID_SPAN),
            kind=kind,
            start_time=_ns(record.time),
            attributes={
                "sip.call_id": one_line(said.call_id),
                "network.protocol.name": "sip",
                "network.transport": record.transport.lower(),
                "network.local.address": record.local[0],
                "network.local.port": record.local[1],
                "network.peer.address": record.remote[0],
                "network.peer.port": record.remote[1],
                **more,
            },
        )
        return span

    def _response(self, key: Any, call: Any, said: Summary, time: float) -> None:
        kept = self._transactions.get(key)
        if kept is None or kept.span is None or said.status is None:
            return
        status, text = said.status, f"{said.status} {said.reason}".rstrip()
        outer = self._calls.get(call)
        if status < 200:
            kept.span.add_event(text, timestamp=_ns(time))
            if outer is not None and outer.span is not None and said.method == "INVITE":
                outer.span.add_event(text, timestamp=_ns(time))
            return
        self._transactions[key] = _Kept(None, kept.began)
        self._end(kept.span, time, status, text)
        if outer is None or outer.span is None:
            return
        if said.method == "BYE":
            self._end_call(call, time, None, "")
        elif said.method == "INVITE" and call not in self._answered:
            if status < 300:
                self._answered.add(call)
                outer.span.set_attribute("sip.status_code", status)
                outer.span.add_event("answered", timestamp=_ns(time))
            elif status not in _CHALLENGES:
                self._end_call(call, time, status, text)

    # ---------------------------------------------------------------- ending

    def _end_call(self, call: Any, time: float, status: int | None, text: str) -> None:
        kept = self._calls.pop(call)
        self._answered.discard(call)
        if kept.span is not None:
            self._end(kept.span, time, status, text)

    def _end(self, span: Span, time: float, status: int | None, text: str) -> None:
        if status is not None:
            span.set_attribute("sip.status_code", status)
            # A call that was cancelled, or asked for credentials, has not gone wrong.
            if status >= 400 and status not in (*_CHALLENGES, 487):
                span.set_status(self._trace.StatusCode.ERROR, text)
        span.end(end_time=_ns(time))

    def _give_up(self, kept: _Kept, why: str) -> None:
        if kept.span is not None:
            kept.span.set_status(self._trace.StatusCode.ERROR, why)
            kept.span.end(end_time=_ns(self._now))

    def _keep(self, where: OrderedDict[Any, _Kept], key: Any, span: Span) -> None:
        where[key] = _Kept(span, self._now)
        while len(where) > _LIMIT:
            gone, kept = where.popitem(last=False)
            self._answered.discard(gone)
            self._give_up(kept, "it was no longer followed: there are too many")

    def _sweep(self, now: float) -> None:
        """Give up what got no final response in time, and forget what ended long ago."""
        self._swept = self._now
        patience: Callable[[Any], float] = lambda key: (  # noqa: E731 - of a key of each kind
            self._patience * 10 if key[2] == "INVITE" else self._patience
        )
        for key in [
            key for key, one in self._transactions.items() if now - one.began > patience(key)
        ]:
            self._give_up(self._transactions.pop(key), "no final response")
        if now == float("inf"):
            while self._calls:
                self._give_up(self._calls.popitem()[1], "it was no longer followed")
            self._answered.clear()


def _ns(time: float) -> int:
    """A time in nanoseconds, as OpenTelemetry has it."""
    return int(time * 1e9)
