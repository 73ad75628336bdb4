"""`sipparty call`: call somebody, play, record, hang up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.media_options import MediaOptions
from sipparty.cli.options import (
    ANONYMOUS,
    AccountOptions,
    Target,
    TraceOptions,
    target_of,
)
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import AudioPhone, open_phone
from sipparty.cli.talk import Talk
from sipparty.errors import SIPPartyError

__all__ = ["call"]


def call(
    target: Target,
    media: MediaOptions,
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    duration: Annotated[
        float | None,
        typer.Option(help="Hang up after so many seconds.", min=0, metavar="SECONDS"),
    ] = None,
    expires: Annotated[
        float | None,
        typer.Option(help="Give up after so many seconds.", min=1, metavar="SECONDS"),
    ] = None,
) -> Exit:
    """Call somebody.

    Hangs up at the end of the clip, or after --duration where that is given; else when the other
    side does, or on Ctrl-C; a second Ctrl-C ends the program at once.
    """
    who = account.resolve(output)
    callee = target_of(target, who)
    options = media.with_devices(media.resolve())
    caller = who.address or ANONYMOUS
    phone_options: dict[str, Any] = {"register": account.register, "media": options}
    with open_phone(AudioPhone, who, caller, trace, output, **phone_options) as phone:
        until_played = media.play is not None and duration is None
        talk = Talk(output, phone, duration=duration, until_played=until_played)
        output.event("calling", f"calling {safe(callee)}", target=callee)
        try:
            talk.run(phone.invite(callee, expires=expires, headers=dict(who.headers)))
        except SIPPartyError as error:
            talk.error = error
    code = exit_of(talk.error) if talk.error or talk.answered else Exit.FAILED
    if talk.error is not None:
        output.error(f"The call failed: {safe(talk.error, 400)}", exit=int(code))
    elif not talk.answered:
        output.error("The call was not answered.", exit=int(code))
    output.result(exit=int(code), answered=bool(talk.answered))
    return code
