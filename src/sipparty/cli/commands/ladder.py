"""`sipparty ladder`: the calls in a capture or a trace, drawn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.output import Output
from sipparty.errors import UsageError
from sipparty.files import write_whole
from sipparty.trace import Ladder, TraceRecord, read_capture, read_jsonl
from sipparty.trace.calls import calls_of

__all__ = ["ladder"]

#: The suffixes of what can be written.
_SUFFIXES: Final = (".html", ".svg", ".txt", ".mmd")


def ladder(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A capture (pcap, pcapng) or a trace (.jsonl).")
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write .html, .svg, .txt or .mmd (Mermaid).", metavar="FILE"
        ),
    ] = None,
    call: Annotated[
        str,
        typer.Option(
            "--call", "-c", help="One call: its number in --list, or Call-ID.", metavar="CALL"
        ),
    ] = "",
    listed: Annotated[
        bool, typer.Option("--list", "-l", help="List the calls, draw none.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Name of an address, as 10.0.0.1=pbx; again for more.", metavar="IP=NAME"
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="The longest line.", min=20, metavar="COLUMNS")
    ] = None,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII alone.")] = False,
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Draw the calls in a capture or a trace, whoever made them.

    SIP is found on any port, over UDP and TCP; media and keys are arrows too. A capture that was
    cut short is drawn as far as it goes. Without --output the ladder is printed.
    """
    with output.status(f"reading {source}"):
        records, remarks = _read(source)
    for remark in remarks:
        output.note(remark)
    drawing = Ladder(records, names=_names(name or []), limit=max(1, len(records)))
    if not len(drawing):
        raise UsageError(f"There is neither SIP nor a trace in {str(source)!r}.")
    if listed:
        return _list(drawing, output)
    if call:
        drawing = drawing.only(_call_id(drawing, call))
    if file is None:
        wide = width or output.width or 100
        output.ansi(
            drawing.text(unicode=output.unicode and not ascii_, width=wide, color=output.color)
        )
        output.result(calls=drawing.calls, records=len(drawing))
        return Exit.DONE
    with output.status(f"drawing {len(drawing)} records"):
        _write(drawing, file, source.name, remarks, width)
    text = f"{len(drawing)} records of {len(drawing.calls)} calls drawn to {file}"
    output.event("written", text, path=str(file), records=len(drawing), calls=len(drawing.calls))
    return Exit.DONE


def _read(source: Path) -> tuple[list[TraceRecord], list[str]]:
    """The records of a file, and what is to be said of it."""
    if not source.exists():
        raise UsageError(f"There is no file {str(source)!r}.")
    if source.suffix == ".jsonl":
        return read_jsonl(source), []
    capture = read_capture(source)
    return list(capture.records), list(capture.remarks)


def _names(given: Iterable[str]) -> dict[tuple[str, int] | str, str]:
    names: dict[tuple[str, int] | str, str] = {}
    for each in given:
        address, equals, name = each.partition("=")
        if not (equals and address and name):
            raise UsageError(f"--name {each!r} names nothing: 10.0.0.1=pbx, or 10.0.0.1:5060=pbx.")
        names[address] = name
    return names


def _call_id(drawing: Ladder, wanted: str) -> str:
    """The Call-ID that is meant by a number, by itself, or by how it begins."""
    calls = drawing.calls
    if wanted.isdecimal() and 1 <= int(wanted) <= len(calls):
        return calls[int(wanted) - 1]
    found = [each for each in calls if each == wanted] or [
        each for each in calls if each.startswith(wanted)
    ]
    if len(found) != 1:
        what = f"{len(found)} calls begin with" if found else "There is no call"
        raise UsageError(f"{what} {wanted!r}: --list shows the {len(calls)} that there are.")
    return found[0]


def _list(drawing: Ladder, output: Output) -> Exit:
    """List the calls: when they began, what began them, and how they went."""
    calls = calls_of(drawing.layout())
    start = min((call.began for call in calls), default=0.0)
    rows = []
    for number, call in enumerate(calls, 1):
        output.event(
            "call",
            number=number,
            call_id=call.call_id,
            time=call.began,
            method=call.method,
            caller=call.caller,
            callee=call.callee,
            phase=call.phase,
            result=call.result,
            outcome=call.outcome,
            records=call.records,
        )
        seconds, result = f"{call.began - start:.3f}", call.result or call.phase
        rows.append((number, seconds, call.method, call.caller, call.callee, result))
    output.table(("", "seconds", "method", "from", "to", "outcome"), rows)
    return Exit.DONE


def _write(drawing: Ladder, file: Path, title: str, remarks: list[str], width: int | None) -> None:
    """Write a drawing by the suffix of the file, whole or not at all."""
    makers = {
        ".html": lambda: drawing.html(title=title, remark=" ".join(remarks)),
        ".svg": lambda: drawing.svg(width=width or 120),
        ".txt": lambda: drawing.text(unicode=True, width=width) + "\n",
        ".mmd": lambda: drawing.mermaid() + "\n",
    }
    make = makers.get(file.suffix.lower())
    if make is None:
        raise UsageError(f"{file.name!r} has none of the suffixes {', '.join(_SUFFIXES)}.")
    text = make()
    write_whole(file, text)
