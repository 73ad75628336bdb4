"""An explanation on the terminal: each line, what it says, and a caret where it is wrong."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Final

from sipparty.cli.output import Output
from sipparty.errors import UsageError
from sipparty.explain import Explanation, Fault, Line
from sipparty.trace.text import mask, show

__all__ = ["print_explanation", "read_input", "verdict"]

#: Columns that explanations are set in by, and the least that is left for text.
_INDENT: Final = 4
_NARROWEST: Final = 16
#: Bytes in which a file shows that it is not text.
_LOOKED_AT: Final = 64


def read_input(source: str, what: str) -> bytes:
    """Return what a command is to read: a file, or standard input for "-".

    Args:
        source: The file's name, or "-".
        what: What is read, for a prompt: "a SIP message".

    Raises:
        UsageError: There is no such file, nothing in it, or what is no text.
        OSError: It cannot be read.
    """
    if source == "-":
        if sys.stdin.isatty():
            sys.stderr.write(f"Type or paste {what}, then press Ctrl-D.\n")
        data = sys.stdin.buffer.read()
    else:
        path = Path(source)
        if not path.exists():
            raise UsageError(f"There is no file {source!r}; - reads standard input.")
        data = path.read_bytes()
    if not data.strip():
        raise UsageError(f"There is nothing in {'the input' if source == '-' else repr(source)}.")
    if b"\0" in data[:_LOOKED_AT]:
        raise UsageError(
            f"What is in {'the input' if source == '-' else repr(source)} is not text, so not"
            f" {what}. The calls of a capture are drawn by `sipparty ladder FILE`."
        )
    return data


def verdict(explanation: Explanation) -> str:
    """Return a sentence on a whole explanation."""
    severe = sum(fault.severe for _, fault in explanation.faults)
    tolerated = len(explanation.faults) - severe
    what = explanation.what[0].upper() + explanation.what[1:]
    if severe:
        return f"{what}. {_count(severe, 'fault')} for which it is refused."
    if tolerated:
        return f"{what}. {_count(tolerated, 'fault')} that receivers tolerate."
    return f"{what}. Nothing is wrong with it."


def print_explanation(out: Output, explanation: Explanation) -> None:
    """Print an explanation, its secrets masked; as JSON an object for each line, and one for the
    whole.

    Args:
        out: Where to.
        explanation: The explanation.
    """
    width = max(_NARROWEST, (out.width or 100) - _INDENT)
    for line in map(_masked, explanation.lines):
        if out.json:
            faults = [fault._asdict() for fault in line.faults]
            out.event("line", **{**line._asdict(), "faults": faults})
        else:
            _print_line(out, line, width)
    out.text()
    out.text(verdict(explanation), "green" if explanation.acceptable else "bold red")
    out.result(what=explanation.what, acceptable=explanation.acceptable)


def _masked(line: Line) -> Line:
    """A line without its secrets, which were there when it was explained."""

    def masked(text: str) -> str:
        return mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    faults = [
        fault._replace(
            what=masked(fault.what),
            column=None if fault.column is None else len(masked(line.text[: fault.column])),
        )
        for fault in line.faults
    ]
    details = tuple(map(masked, line.details))
    return line._replace(text=masked(line.text), details=details, faults=tuple(faults))


def _print_line(out: Output, line: Line, width: int) -> None:
    text = show(line.text.encode("utf-8", "surrogateescape"))
    if line.number:
        out.text(text, "bold")
    else:
        out.text("(missing)", "bold")
    for fault in line.faults:
        _print_fault(out, line.text, fault, width)
    source = f" [{line.source}]" if line.source else ""
    words = " ".join([line.meaning, *[_sentence(each) for each in line.details]]).strip() + source
    for row in textwrap.wrap(words, width) if words.strip() else ():
        out.text(" " * _INDENT + row, "dim")


def _print_fault(out: Output, text: str, fault: Fault, width: int) -> None:
    style = "bold red" if fault.severe else "yellow"
    if fault.column is not None and _line_fits(text, width):
        before = show(text[: fault.column].encode("utf-8", "surrogateescape")) if text else ""
        out.text(" " * len(before) + "^", style)
    elif fault.column is not None:
        # A line that the terminal breaks has no column to point at: a piece of it has.
        start = max(0, fault.column - width // 2)
        piece = show(text[start : start + width].encode("utf-8", "surrogateescape"))
        before = show(text[start : fault.column].encode("utf-8", "surrogateescape"))
        out.text(" " * _INDENT + piece)
        out.text(" " * (_INDENT + (len(before) if start < fault.column else 0)) + "^", style)
    for row in textwrap.wrap(fault.what, width):
        out.text(" " * _INDENT + row, style)


def _line_fits(text: str, width: int) -> bool:
    """Whether a line is shown unbroken."""
    return len(show(text.encode("utf-8", "surrogateescape"))) <= width + _INDENT


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + "."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
