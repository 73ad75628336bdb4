"""`sipparty subscribe`: see somebody's state as it changes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.options import (
    ANONYMOUS,
    AccountOptions,
    Duration,
    Target,
    TraceOptions,
    target_of,
)
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, open_phone
from sipparty.errors import Timeout, UnexpectedInput
from sipparty.sip.notification import Notified, Subscribed, SubscriptionEnded, SubscriptionLost
from sipparty.trace import mask

__all__ = ["subscribe"]

#: Seconds that the other side may take to confirm the end.
_PATIENCE = 5.0


def subscribe(
    target: Target,
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    event: Annotated[
        str,
        typer.Argument(
            help="Which: presence, dialog, message-summary, reg, conference, or another.",
            metavar="EVENT",
        ),
    ] = "presence",
    accept: Annotated[
        list[str] | None,
        typer.Option(help="Media type that is taken; again for more.", metavar="TYPE"),
    ] = None,
    expires: Annotated[
        int | None,
        typer.Option(help="Seconds to ask for; 0 for the state of now.", min=0, metavar="SECONDS"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the first state.")] = False,
    duration: Duration = None,
) -> Exit:
    """Subscribe to somebody's state, and print each notification, until Ctrl-C."""
    who = account.resolve(output)
    uri = target_of(target, who)
    address = who.address or ANONYMOUS
    error: Any = None
    code = Exit.UNREACHABLE
    with open_phone(PlainPhone, who, address, trace, output, register=account.register) as phone:
        subscription = phone.subscribe(
            event, uri, accept=accept or None, expires=expires, headers=dict(who.headers)
        )
        with output.status(f"subscribing to {safe(uri)}") as say:
            for happened in phone.events(duration):
                if isinstance(happened, Subscribed | Notified):
                    code = Exit.DONE
                if isinstance(happened, Subscribed):
                    output.event("subscribed", "subscribed", "green")
                    say(f"subscribed to {safe(uri)}; Ctrl-C ends it")
                elif isinstance(happened, Notified):
                    _show(happened, output)
                    if once:
                        break
                elif isinstance(happened, SubscriptionLost):
                    output.event(
                        "lost", safe(happened.error, 400), "yellow", error=str(happened.error)
                    )
                elif isinstance(happened, SubscriptionEnded):
                    error, code = happened.error, exit_of(happened.error)
                    words = f"over: {safe(happened.reason)}" if happened.reason else "over"
                    output.event("ended", words, reason=happened.reason)
                    break
            else:
                if phone.stopping and code:
                    code = Exit.INTERRUPTED
        try:
            subscription.terminate()
            phone.until(SubscriptionEnded, timeout=_PATIENCE)
        except (Timeout, UnexpectedInput):
            pass  # it is over, or nobody confirms that it is
    if error is not None:
        output.error(f"The subscription failed: {safe(error, 400)}", exit=int(code))
    output.result(exit=int(code))
    return code


def _show(happened: Notified, output: Output) -> None:
    request = happened.request
    kind, body = request.media_type, mask(request.body).decode("utf-8", "backslashreplace")
    output.event("notified", f"notified: {safe(kind)}", "bold", type=kind, body=body)
    for line in body.splitlines():
        output.text(f"  {line}")
