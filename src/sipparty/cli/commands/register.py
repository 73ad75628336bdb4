"""`sipparty register`: be registered until Ctrl-C; list or remove what is registered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit, exit_of
from sipparty.cli.options import AccountOptions, Duration, TraceOptions, check
from sipparty.cli.output import Output, safe
from sipparty.cli.phone import PlainPhone, open_phone, registrar_of
from sipparty.sip.registration import (
    Registered,
    RegistrationDelayed,
    RegistrationEvent,
    RegistrationFailed,
    RegistrationLost,
    RegistrationOver,
    RegistrationRefreshed,
)
from sipparty.sip.routing import route_to

__all__ = ["register"]

#: Seconds that the registrar may take to answer.
_PATIENCE = 40.0


def register(
    account: AccountOptions,
    trace: TraceOptions,
    output: Output,
    registrar: Annotated[
        str | None,
        typer.Argument(
            help="The registrar: a host, host:port or URI.",
            metavar="REGISTRAR",
            show_default="the host of --from",
        ),
    ] = None,
    expires: Annotated[
        int | None,
        typer.Option(
            help="Seconds to ask for, or 3600.", min=1, metavar="SECONDS", show_default=False
        ),
    ] = None,
    duration: Duration = None,
    listing: Annotated[bool, typer.Option("--list", help="Only list what is registered.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove all that is registered, of others too.")
    ] = False,
) -> Exit:
    """Register an address, keep it registered until Ctrl-C or for --duration, then remove it.

    Who it is says --from, or the account; a password comes from the account, SIPPARTY_PASSWORD or
    the keyring, or is asked for.
    """
    from dataclasses import replace

    who = account.resolve(output)
    if not who.address:
        raise typer.BadParameter("say whose address: user@host.", param_hint="--from")
    if registrar:
        check(lambda: route_to(registrar), "REGISTRAR")
        who = replace(who, registrar=registrar)
    if listing and remove:
        raise typer.BadParameter("--list and --remove exclude each other; choose one.")
    listens = {"port": None} if who.transport in ("", "udp") and not listing else None
    with open_phone(PlainPhone, who, who.address, trace, output, listen=listens) as phone:
        if listing:
            return _list(phone, registrar_of(who), output)
        registration = phone.register(
            registrar_of(who), expires=expires or who.expires, headers=dict(who.headers)
        )
        code, stood = Exit.UNREACHABLE, False
        with output.status("registering") as say:
            for event in phone.events(duration):
                if isinstance(event, RegistrationEvent):
                    stood = stood or isinstance(event, Registered)
                    code = _tell(event, stood, output)
                    say(f"registered at {safe(registration.registrar)}; Ctrl-C ends it")
                    if isinstance(event, RegistrationOver) or remove or not stood:
                        break  # what has stood once is tried again and again
            else:
                if phone.stopping and not stood:
                    code = Exit.INTERRUPTED
        if stood and registration.state not in ("Error", "Terminated"):
            registration.unregister(everything=remove)
            over: Any = phone.until(RegistrationOver, timeout=_PATIENCE)
            if over.error is None:
                output.event("unregistered", "all is removed" if remove else "unregistered")
            else:
                code = _failed(over.error, output)
    output.result(exit=int(code))
    return code


def _tell(event: RegistrationEvent, stood: bool, output: Output) -> Exit:
    """Print what has happened to the registration."""
    registration = event.registration
    match event:
        case Registered() | RegistrationRefreshed():
            word = "registered" if isinstance(event, Registered) else "refreshed"
            contact = str(registration.contact)
            output.event(
                word,
                f"{word}: {safe(contact)} for {registration.remaining:.0f} s",
                "green",
                registrar=str(registration.registrar),
                contact=contact,
                seconds=round(registration.remaining),
                bindings=[_facts(one) for one in registration.bindings],
            )
        case RegistrationLost() | RegistrationDelayed() if stood:
            output.event(
                "lost",
                f"{safe(event.error, 400)} It is tried again in {event.seconds:.0f} s.",
                "yellow",
                error=str(event.error),
                seconds=event.seconds,
            )
            return exit_of(event.error)
        case RegistrationFailed() | RegistrationDelayed() | RegistrationLost():
            return _failed(event.error, output)
    return Exit.DONE


def _failed(error: Any, output: Output) -> Exit:
    code = exit_of(error)
    output.error(f"The registration failed: {safe(error, 400)}", exit=int(code))
    return code


def _list(phone: Any, registrar: str | None, output: Output) -> Exit:
    bindings = phone.fetch_bindings(registrar).wait(_PATIENCE)
    facts = [_facts(one) for one in bindings]
    if facts:
        output.table(
            ("contact", "seconds", "q"),
            [(safe(one["contact"], 400), one["seconds"], one["q"] or "") for one in facts],
        )
    else:
        output.text("Nothing is registered.")
    output.result(exit=0, bindings=facts)
    return Exit.DONE


def _facts(binding: Any) -> dict[str, Any]:
    return {"contact": str(binding.uri), "seconds": binding.expires, "q": binding.q}
