"""`sipparty options`: ask whether somebody is there, how fast, and what they can do."""

from __future__ import annotations

import statistics
import time
from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.options import (
    ANONYMOUS,
    AccountOptions,
    Target,
    TraceOptions,
    target_of,
)
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, Stopped, open_phone
from sipparty.errors import CallFailed, Timeout
from sipparty.sip import Request, Response
from sipparty.trace import WireRecord

__all__ = ["options"]

#: Seconds between two looks at whether Ctrl-C was pressed.
_PEEK = 0.1
#: What an answer says of who gave it.
_TELLING = ("User-Agent", "Server", "Allow", "Supported", "Accept", "Allow-Events")


def options(
    target: Target,
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    count: Annotated[
        int,
        typer.Option("--count", "-c", help="How often; 0 for until Ctrl-C.", min=0, metavar="N"),
    ] = 4,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            "-i",
            help="From one to the next.",
            min=0.01,
            metavar="SECONDS",
        ),
    ] = 1.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", "-t", help="What an answer may take.", min=0.01, metavar="SECONDS"
        ),
    ] = 5.0,
) -> Exit:
    """Ask whether somebody is there, by OPTIONS, like ping: each answer with its time, then the
    statistics, and what the last answer says that the other side can do.

    Any answer counts, whatever its status; without one the exit code is 3.
    """
    who = account.resolve(output)
    uri = target_of(target, who)
    address = who.address or ANONYMOUS
    pings = _Pings(output)
    with open_phone(PlainPhone, who, address, trace, output, register=account.register) as phone:
        phone.engine.wire.add(pings.note)
        fields = [("Accept", "application/sdp"), *who.headers.items()]
        due = time.monotonic()
        while count == 0 or pings.sent < count:
            try:
                stopped = phone.happened.next(max(0.0, due - time.monotonic()))
            except Timeout:
                pings.send(phone, Request("OPTIONS", uri, fields), timeout)
                due += interval
            else:
                if isinstance(stopped, Stopped):
                    break
        pings.report(uri)
    return pings.code


class _Pings:
    """Requests, and what came of them."""

    def __init__(self, output: Output) -> None:
        self.sent = 0
        self.code = Exit.UNREACHABLE
        self._output = output
        self._times: list[float] = []
        self._last: Response | None = None
        #: When the request was sent first, and its answer came: the wire's own times.
        self._wire: dict[str, float] = {}

    def note(self, record: WireRecord) -> None:
        """Take a message of the wire."""
        if record.direction == "sent":
            self._wire.setdefault("sent", record.time)
        else:
            self._wire["received"] = record.time

    def send(self, phone: PlainPhone, request: Request, timeout: float) -> None:
        """Send one, and wait for its answer."""
        self.sent += 1
        self._wire.clear()
        asked = phone.send(request)
        try:
            response = self._answer(phone, asked, time.monotonic() + timeout)
        except (CallFailed, Timeout) as error:
            text = f"no answer in {timeout:g} s" if isinstance(error, Timeout) else str(error)
            if phone.stopping:
                text = "no answer yet"
            self._output.event("lost", text, "red", number=self.sent, reason=text)
            if not self._times:
                self.code = exit_of(error)
            return
        took = self._wire["received"] - self._wire["sent"]
        self._times.append(took)
        self._last = response
        self.code = Exit.DONE
        good = 200 <= response.status < 300
        self._output.event(
            "answered",
            f"{response.status} {safe(response.reason, 40)}  {took * 1000:.1f} ms",
            "green" if good else "yellow",
            number=self.sent,
            status=response.status,
            reason=response.reason,
            seconds=round(took, 6),
        )

    def _answer(self, phone: PlainPhone, asked: Any, end: float) -> Response:
        """Wait for the answer, until Ctrl-C."""
        while True:
            try:
                response: Response = asked.wait(min(_PEEK, max(0.0, end - time.monotonic())))
            except Timeout:
                if phone.stopping or time.monotonic() >= end:
                    raise
            else:
                return response

    def report(self, uri: str) -> None:
        """Print the statistics, and what the last answer tells."""
        output, times = self._output, self._times
        lost = self.sent - len(times)
        share = 100 * lost / self.sent if self.sent else 0.0
        facts: dict[str, Any] = {"target": uri, "sent": self.sent, "received": len(times)}
        told: dict[str, str] = {}
        output.title(f"{safe(uri)}")
        rows = [("answers", f"{len(times)} of {self.sent}, {share:.0f} % lost")]
        if times:
            names = ("least", "mean", "most", "deviation")
            values = (min(times), statistics.fmean(times), max(times), statistics.pstdev(times))
            rows.append(
                ("ms", ", ".join(f"{n} {v * 1000:.1f}" for n, v in zip(names, values, strict=True)))
            )
            facts |= {n: round(v, 6) for n, v in zip(names, values, strict=True)}
        if self._last is not None:
            told = {
                name: ", ".join(self._last.lines(name))
                for name in _TELLING
                if self._last.get(name) is not None
            }
        output.pairs([*rows, *((name, safe(value, 400)) for name, value in told.items())])
        output.result(exit=int(self.code), headers=told, **facts)
