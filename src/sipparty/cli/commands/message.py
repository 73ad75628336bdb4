"""`sipparty message`: send an instant message."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.options import ANONYMOUS, AccountOptions, Target, TraceOptions, target_of
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, open_phone
from sipparty.errors import Timeout
from sipparty.sip.messaging import MessageSent

__all__ = ["message"]

#: The largest message that is read from a pipe, in bytes: no server takes more.
_MOST = 65_000


def message(
    target: Target,
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    text: Annotated[
        str | None,
        typer.Argument(
            help="The text; '-' or nothing to read it from standard input.", metavar="TEXT"
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option("--type", help="Media type of the text.", metavar="TYPE")
    ] = "text/plain",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            help="Give up after so many seconds.",
            min=0.1,
            metavar="SECONDS",
        ),
    ] = 40.0,
) -> Exit:
    """Send an instant message, and wait until it is answered."""
    who = account.resolve(output)
    uri = target_of(target, who)
    if text is None and sys.stdin.isatty():
        raise typer.BadParameter("say what to send, or '-' to type it.", param_hint="TEXT")
    body = text.encode() if text not in (None, "-") else sys.stdin.buffer.read(_MOST + 1)
    if not body or len(body) > _MOST:
        what = "is more than 65,000 bytes" if body else "is empty"
        raise typer.BadParameter(f"the message {what}.", param_hint="TEXT")
    address = who.address or ANONYMOUS
    register = account.register
    with (
        open_phone(PlainPhone, who, address, trace, output, register=register) as phone,
        output.status(f"sending to {safe(uri)}"),
    ):
        phone.message(uri, body=body, content_type=kind, headers=dict(who.headers))
        try:
            sent = phone.until(MessageSent, timeout=timeout)
        except Timeout:
            output.error(f"No answer came within {timeout:g} s.", exit=int(Exit.UNREACHABLE))
            return Exit.UNREACHABLE
    code = exit_of(sent.error)
    if sent.error is None:
        output.event("delivered", "delivered", "green", target=uri)
    else:
        output.error(f"It was not delivered: {safe(sent.error, 400)}", exit=int(code))
    output.result(exit=int(code))
    return code
