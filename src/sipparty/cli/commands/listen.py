"""`sipparty listen`: see what comes."""

from __future__ import annotations

from time import monotonic
from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.options import AccountOptions, TraceOptions
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, Stopped, open_phone
from sipparty.errors import Timeout, UnexpectedInput
from sipparty.party import STANDARD_PORT
from sipparty.sip.events import AttackDetected, CallReceived, Event
from sipparty.sip.flow import host_port
from sipparty.sip.messaging import MessageReceived
from sipparty.trace import WireRecord, mask, summarise

__all__ = ["listen"]


def listen(
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 for a free one.",
            min=0,
            max=65535,
            metavar="PORT",
            show_default="5060, or 5061 for tls",
        ),
    ] = None,
    address: Annotated[str, typer.Option(help="Address to listen on.", metavar="IP")] = "0.0.0.0",  # noqa: S104 - who listens wants to be reached
    count: Annotated[
        int | None,
        typer.Option("--count", "-c", help="End after so many requests.", min=1, metavar="N"),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(help="End after so many seconds.", min=0, metavar="SECONDS"),
    ] = None,
) -> Exit:
    """Listen, and print each request that comes and what it was answered, until Ctrl-C.

    OPTIONS and instant messages are answered 200 OK, whoever they are for; calls are refused with
    480. To take calls, use `sipparty answer`; to see whole messages, -v.
    """
    who = account.resolve(output)
    where = {
        "port": STANDARD_PORT if port is None else port,
        "address": address,
        "transport": who.transport or "udp",
    }
    us = who.address or "sipparty@localhost"
    seen = 0
    end = None if duration is None else monotonic() + duration
    settings: dict[str, Any] = {"register": account.register, "listen": where, "catch_all": True}
    with open_phone(PlainPhone, who, us, trace, output, **settings) as phone:
        phone.on(MessageReceived, lambda event: None)
        phone.engine.wire.add(lambda record: phone.happened.put(record))
        contact = str(phone.contact_uri)
        output.event("listening", f"listening at {contact}", uri=contact)
        while count is None or seen < count:
            try:
                happened: Any = phone.happened.next(
                    None if end is None else max(0.0, end - monotonic())
                )
            except Timeout:
                break
            if isinstance(happened, Stopped):
                break
            if isinstance(happened, WireRecord):
                seen += _show(happened, output)
            elif isinstance(happened, Event):
                _take(happened, output)
    output.result(exit=0, requests=seen)
    return Exit.DONE


def _show(record: WireRecord, output: Output) -> int:
    """Print a message that came or went; return how many requests have been dealt with by it."""
    summary = summarise(record.data)
    if summary is None:
        return 0
    came = record.direction == "received"
    line = record.data.lstrip().partition(b"\r\n")[0]
    peer = host_port(*record.remote)
    output.event(
        record.direction,
        f"{'from' if came else 'to'} {peer} {record.transport}: {safe(mask(line))}",
        "" if came else "dim",
        peer=peer,
        transport=record.transport,
        call=summary.call_id,
        method=summary.method,
        status=summary.status,
        line=safe(mask(line), 1000),
    )
    return not came and (summary.status or 0) >= 200


def _take(event: Event, output: Output) -> None:
    """Answer what waits for an answer, and print what there is to read."""
    if isinstance(event, CallReceived):
        try:
            event.call.reject(480)
        except UnexpectedInput:
            pass  # the caller gave up meanwhile
    elif isinstance(event, MessageReceived):
        text = event.text
        output.event("message", "", text=text, sender=str(event.sender.uri))
        for line in text.splitlines():
            output.text(f"  {safe(line, 1000)}")
    elif isinstance(event, AttackDetected):
        output.event(
            "attack",
            f"{event.kind} from {safe(event.source)}: {event.count}",
            "yellow",
            kind=event.kind,
            source=event.source,
            count=event.count,
        )
