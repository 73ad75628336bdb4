"""`sipparty answer`: be called."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sipparty.cli.echo import Echo
from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.media_options import MediaOptions
from sipparty.cli.options import AccountOptions, ListenOptions, TraceOptions, address_of
from sipparty.cli.output import Output
from sipparty.cli.phone import AudioPhone, open_phone
from sipparty.cli.talk import Talk
from sipparty.errors import MediaError

__all__ = ["answer"]


def answer(
    media: MediaOptions,
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    listening: ListenOptions,
    aor: Annotated[
        str | None,
        typer.Option(
            help="Who is called: user@host; as --from.",
            metavar="AOR",
            show_default="anybody",
        ),
    ] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Play back what is heard.")] = False,
    duration: Annotated[
        float | None,
        typer.Option(help="Hang up after so many seconds.", min=0, metavar="SECONDS"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False,
    reject: Annotated[
        int | None,
        typer.Option(help="Refuse calls with this status.", min=300, max=699, metavar="STATUS"),
    ] = None,
) -> Exit:
    """Take calls, until Ctrl-C or, with --once, for one call.

    The first call is recorded to FILE, later ones to FILE-2, FILE-3 and so on. A second Ctrl-C ends
    the program at once.
    """
    if echo and media.play is not None:
        raise typer.BadParameter("--echo and --play exclude each other; choose one.")
    if echo and media.microphone:
        raise typer.BadParameter("--echo and --microphone exclude each other; choose one.")
    options = media.resolve()
    record = options.pop("record", None)
    who = account.resolve(output)
    callee = address_of(aor, "--aor") if aor else who.address or "sipparty@localhost"

    def take(call: Any, number: int, prefix: str) -> None:
        if reject is not None:
            output.event("rejected", f"{prefix}rejected with {reject}", status=reject)
            call.reject(reject)
            return
        path = record
        if path is not None and number > 1:
            path = path.with_stem(f"{path.stem}-{number}")
        options: dict[str, Any] = {} if path is None else {"record": path}
        if echo:
            options["play"] = heard = Echo()
            options["record"] = [heard] if path is None else [heard, path]
        try:
            options = media.with_devices(options)
        except MediaError as error:
            output.error(str(error), call=call.call_id)
            call.reject(480)
            return
        call.ring()
        call.accept(media=options)
        output.event("accepted", f"{prefix}answered", "green", call=call.call_id)

    phone_options: dict[str, Any] = {
        "register": account.register,
        "listen": listening.resolve(who),
        "media": options,
        "catch_all": not (aor or who.address),
    }
    with open_phone(AudioPhone, who, callee, trace, output, **phone_options) as phone:
        talk = Talk(output, phone, duration=duration, take=take, once=once)
        where = str(phone.contact_uri)
        output.event("listening", f"listening: call {where}", uri=where)
        talk.run()
    code = exit_of(talk.error) if once else Exit.DONE
    output.result(exit=int(code), calls=talk.answered)
    return code
