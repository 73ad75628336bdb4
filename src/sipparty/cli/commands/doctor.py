"""`sipparty doctor`: what works here, and how to mend the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from sipparty.cli.checks import Check, Wanted, checks
from sipparty.cli.exits import Exit
from sipparty.cli.output import Output

__all__ = ["doctor"]

_MARKS: Final = {"ok": ("ok", "green"), "missing": ("--", "yellow"), "bad": ("!!", "bold red")}


def doctor(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="A server that should be found: a URI or host."),
    ] = "",
    port: Annotated[
        list[int] | None,
        typer.Option(help="Port to listen on; again for more.", min=0, max=65535, metavar="PORT"),
    ] = None,
    stun: Annotated[
        str, typer.Option(help="STUN server that says what a NAT makes of us.", metavar="HOST")
    ] = "",
    cert: Annotated[
        Path | None, typer.Option(help="PEM file with your certificate.", metavar="FILE")
    ] = None,
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Say what works on this machine, and how to mend the rest.

    Looked at: Python and the extras, codecs, addresses, ports, the NAT (with --stun), name
    servers, the way to a server, certificates, limits. Exit code 0 unless something is bad; what
    can be done without is marked "--" and is not.
    """
    wanted = Wanted(tuple(port) if port else Wanted().ports, stun, target, cert)
    found = []
    with output.status("looking"):
        for check in checks(wanted):
            found.append(check)
            _print(output, check)
    bad = [check for check in found if check.state == "bad"]
    output.text()
    if bad:
        output.text(f"To mend: {', '.join(check.subject for check in bad)}.", "bold red")
    else:
        output.text("All that is needed works.", "green")
    output.result(bad=[check.subject for check in bad])
    return Exit.FAILED if bad else Exit.DONE


def _print(output: Output, check: Check) -> None:
    mark, style = _MARKS[check.state]
    if output.json:
        output.event("check", **check._asdict())
        return
    output.text(f"{mark}  {check.subject}: {check.found}", style if check.state != "ok" else "")
    if check.remedy:
        output.text(f"    -> {check.remedy}", "dim")
