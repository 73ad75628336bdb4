"""`sipparty fsm`: the state machines, drawn from the tables that they run by."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.output import Output
from sipparty.errors import UsageError
from sipparty.files import write_whole
from sipparty.fsm import FSM

__all__ = ["MACHINES", "fsm"]

#: Machine: the module that has it, and what it is.
MACHINES: Final = {
    "SimpleCall": ("sipparty.sip", "a call, either side (RFC 3261 §13 to §15)"),
    "AudioCall": ("sipparty", "the same, with sound"),
    "InviteClientTransaction": ("sipparty.sip.transaction", "RFC 3261 §17.1.1, RFC 6026"),
    "NonInviteClientTransaction": ("sipparty.sip.transaction", "RFC 3261 §17.1.2"),
    "InviteServerTransaction": ("sipparty.sip.transaction", "RFC 3261 §17.2.1, RFC 6026"),
    "NonInviteServerTransaction": ("sipparty.sip.transaction", "RFC 3261 §17.2.2"),
    "OfferAnswer": ("sipparty.sip.dialog.offer_answer", "who may send an offer (RFC 6337)"),
    "Modification": ("sipparty.sip.dialog.modification", "a change in a call (RFC 3261 §14)"),
    "SessionTimer": ("sipparty.sip.dialog.session_timer", "RFC 4028"),
    "ReliableResponses": ("sipparty.sip.dialog.reliable", "reliable 1xx (RFC 3262)"),
    "Transfer": ("sipparty.sip.dialog.transfer", "a transfer of ours (RFC 3515, RFC 5589)"),
    "Referral": ("sipparty.sip.dialog.referral", "a transfer that is asked of us"),
    "Registration": ("sipparty.sip.registration", "RFC 3261 §10"),
    "RegistrationFlow": ("sipparty.sip.registration_flow", "a flow of it (RFC 5626)"),
    "KeepAlive": ("sipparty.transport.keepalive", "RFC 5626 §4.4"),
    "Subscription": ("sipparty.sip.notification", "RFC 6665 §4.1"),
    "Notifier": ("sipparty.sip.notification", "RFC 6665 §4.2"),
    "Publication": ("sipparty.sip.notification", "RFC 3903"),
    "SentMessage": ("sipparty.sip.messaging", "RFC 3428"),
    "Ping": ("sipparty.sip.ping", "OPTIONS, again and again"),
}

#: Suffix of a file: what a machine is drawn as there, which is the attribute that does so.
_FORMATS: Final = {".txt": "text", ".svg": "svg", ".mmd": "mermaid", ".dot": "dot"}


def fsm(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A machine, or one of your own as module:Class; lists them if none.",
        ),
    ] = "",
    form: Annotated[
        str, typer.Option("--format", "-f", help="text, svg, mermaid or dot.", metavar="NAME")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.", metavar="FILE")
    ] = None,
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Draw a state machine: its states, inputs, actions and timers, from its own table.

    The format follows from the suffix of the file (.txt, .svg, .mmd, .dot) unless it is given.
    """
    if not name:
        rows = [(each, what) for each, (_, what) in MACHINES.items()]
        output.pairs(rows)
        output.result(machines=dict(rows))
        return Exit.DONE
    machine = _find(name)
    if not form and file is not None and file.suffix not in _FORMATS:
        raise UsageError(f"{str(file)!r} has none of the suffixes {', '.join(_FORMATS)}.")
    form = form or (_FORMATS[file.suffix] if file is not None else "text")
    if form not in _FORMATS.values():
        raise UsageError(f"{form!r} is no format: {', '.join(_FORMATS.values())}.")
    drawn = getattr(machine, form)()
    if file is None:
        if output.json:
            output.result(machine=name, format=form, drawing=drawn)
        else:
            output.ansi(drawn)
        return Exit.DONE
    write_whole(file, drawn + "\n")
    output.event("written", f"{name} drawn to {file}", path=str(file), format=form)
    return Exit.DONE


def _find(name: str) -> type[FSM]:
    """Return the class of a machine.

    Raises:
        UsageError: There is none of that name.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        known = {each.lower(): each for each in MACHINES}
        exact = known.get(name.lower())
        if exact is None:
            near = get_close_matches(name.lower(), known, n=1)
            hint = f" Did you mean {known[near[0]]}?" if near else ""
            raise UsageError(
                f"There is no machine {name!r}.{hint} `sipparty fsm` lists them;"
                " one of your own is module:Class."
            )
        module, attribute = MACHINES[exact][0], exact
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{name!r} cannot be imported: {error}.") from None
    if not (isinstance(found, type) and issubclass(found, FSM)):
        raise UsageError(f"{name!r} is no state machine: a subclass of sipparty.fsm.FSM is.")
    return found
