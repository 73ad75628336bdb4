"""`sipparty listen`: see what comes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.options import AccountOptions, Duration, ListenOptions, TraceOptions
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, open_phone
from sipparty.errors import UnexpectedInput
from sipparty.sip.events import AttackDetected, CallReceived, Event
from sipparty.sip.flow import host_port
from sipparty.sip.messaging import MessageReceived
from sipparty.trace import WireRecord, mask, summarise

__all__ = ["listen"]


def listen(
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    listening: ListenOptions,
    count: Annotated[
        int | None,
        typer.Option("--count", "-c", help="End after so many requests.", min=1, metavar="N"),
    ] = None,
    duration: Duration = None,
) -> Exit:
    """Listen, and print each request that comes and what it was answered, until Ctrl-C.

    OPTIONS and instant messages are answered 200 OK, whoever they are for; calls are refused with
    480. To take calls, use `sipparty answer`; to see whole messages, -v.
    """
    who = account.resolve(output)
    us = who.address or "sipparty@localhost"
    seen = 0
    settings: dict[str, Any] = {"register": account.register, "catch_all": True}
    settings["listen"] = listening.resolve(who)
    with open_phone(PlainPhone, who, us, trace, output, **settings) as phone:
        phone.on(MessageReceived, lambda event: None)
        phone.engine.wire.add(lambda record: phone.happened.put(record))
        contact = str(phone.contact_uri)
        output.event("listening", f"listening at {contact}", uri=contact)
        for happened in phone.events(duration):
            if isinstance(happened, WireRecord):
                seen += _show(happened, output)
            else:
                _take(happened, output)
            if seen == count:
                break
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
