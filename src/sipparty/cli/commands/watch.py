"""`sipparty watch`: calls as they are made, in the terminal or on a page."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sipparty.cli.echo import Echo
from sipparty.cli.exits import Exit
from sipparty.cli.options import (
    AccountOptions,
    ListenOptions,
    address_of,
    make_engine,
    party_options,
)
from sipparty.cli.output import Output
from sipparty.cli.phone import registrar_of
from sipparty.live import serve_page
from sipparty.live import watch as watch_in_terminal
from sipparty.parties import AudioParty
from sipparty.sip.events import CallReceived

__all__ = ["watch"]

#: Seconds that registering may take.
_PATIENCE = 40.0


def watch(
    account: AccountOptions,
    output: Output,
    listening: ListenOptions,
    trace: Annotated[
        Path | None,
        typer.Argument(
            help="A trace of JSON lines, that may grow, in place of calls to this program.",
            metavar="TRACE.jsonl",
            show_default=False,
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Serve a page for a browser on this machine.")
    ] = False,
    web_port: Annotated[
        int,
        typer.Option(
            help="The page's port.", min=0, max=65535, metavar="PORT", show_default="a free one"
        ),
    ] = 0,
    duration: Annotated[
        float | None,
        typer.Option(help="With --web: end after so many seconds.", min=0, metavar="SECONDS"),
    ] = None,
) -> Exit:
    """Watch calls: each with its state, how it sounds, its messages, its state machines.

    Without a trace, calls to this program are taken, and each caller hears himself. In the terminal
    `q` leaves; a page is served until Ctrl-C, to who has the address that is printed.
    """
    if not web and (output.json or not output.interactive):
        raise typer.BadParameter(
            "This is no terminal: write --web for a page, or use `sipparty answer`."
        )
    with ExitStack() as stack:
        shown: Any = trace
        if trace is None:
            shown = stack.enter_context(_party(account, output, listening))
        if web:
            page = stack.enter_context(serve_page(shown, port=web_port))
            output.event("serving", f"open {page.url}", url=page.url)
            _wait(duration)
        else:
            watch_in_terminal(shown)
    output.result(exit=0)
    return Exit.DONE


@contextmanager
def _party(
    account: AccountOptions, output: Output, listening: ListenOptions
) -> Generator[Any, None, None]:
    """Have a party that takes calls, and has each caller hear himself."""
    who = account.resolve(output)
    us = address_of(who.address, "--from") if who.address else "sipparty@localhost"
    with make_engine(who) as engine:
        party = AudioParty(us, engine=engine, catch_all=not who.address, **party_options(who))

        @party.on(CallReceived)
        def answer(event: CallReceived) -> None:
            heard = Echo()
            call: Any = event.call
            call.ring()
            call.accept(media={"play": heard, "record": [heard]})

        with party:
            party.listen(**listening.resolve(who))
            where = str(party.contact_uri)
            output.event("listening", f"listening: call {where}", uri=where)
            if account.register:
                with output.status("registering"):
                    party.register(
                        registrar_of(who), expires=who.expires, headers=dict(who.headers)
                    ).wait(_PATIENCE)
                output.event("registered", f"registered as {us}", uri=us)
            yield party


def _wait(duration: float | None) -> None:
    """Wait until Ctrl-C, SIGTERM, or the time is up."""
    stop = threading.Event()
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda *_: stop.set()) for kind in kinds}
    try:
        stop.wait(duration)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
