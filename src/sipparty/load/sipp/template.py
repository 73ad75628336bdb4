r"""Text with keywords in brackets, such as `[call_id]`, as messages and some attributes have it.

Laws:

* What a keyword is, is known when the file is read: one that is not known is an error there.
* `\[` is a bracket that begins no keyword, `\x5B` the octet of that number, as SIPp has it.
* A keyword that has nothing to stand for leaves nothing: of a header of the last message
  (`[last_Via:]`) that was not there the line goes, up to its end; of a line that has become empty
  all of it goes.
* `[len]` and `[authentication]` are filled in when all else is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Keyword", "Render", "Template", "TemplateError", "compile_template", "message_text"]

#: Gives what a keyword stands for in a call; None where the rest of its line goes with it.
Render = Callable[[Any], "str | None"]
#: Makes that of a keyword.
Make = Callable[["Keyword"], Render]

_PARTS = re.compile(r"\s*([^\s=]+)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_OFFSET = re.compile(r"(.*?)([+-]\d+)?")
_BRACKET = re.compile(r"\\\[|\\x[0-9A-Fa-f]{2}|\[|\]")


class TemplateError(ValueError):
    """Text has a keyword that cannot be used; the text says why."""


@dataclass(slots=True)
class Keyword:
    """A keyword as it was written.

    Args:
        name: Its name.
        offset: What is added to its number, as in `[cseq+1]`.
        parameters: What follows the name; a value is a template.
        text: All of it, without the brackets.
    """

    name: str
    offset: int
    parameters: dict[str, Template]
    text: str


@dataclass(slots=True)
class Template:
    """Text with keywords.

    Args:
        pieces: Text, and what gives text for a call.
        source: As it was written.
    """

    pieces: list[str | Render] = field(default_factory=list)
    source: str = ""

    @property
    def constant(self) -> str | None:
        """The text where there is no keyword in it; None where there is."""
        texts = [piece for piece in self.pieces if isinstance(piece, str)]
        return "".join(texts) if len(texts) == len(self.pieces) else None

    def render(self, call: Any) -> str:
        """Return the text for a call."""
        out: list[str] = []
        skipping = False
        for piece in self.pieces:
            if piece.__class__ is str:
                text: str = piece
                if skipping:
                    at = text.find("\r\n")
                    if at < 0:
                        continue
                    skipping = False
                    if not out or out[-1][-2:] == "\r\n":
                        at += 2  # nothing is left of the line
                    text = text[at:]
                if text:
                    out.append(text)
                continue
            if skipping:
                continue
            value = piece(call)  # type: ignore[operator]
            if value:
                out.append(value)
            else:
                skipping = value is None or _ends_line(out, self.pieces, piece)
        return "".join(out)


def _ends_line(out: list[str], pieces: list[str | Render], piece: object) -> bool:
    """Whether a keyword without a value is alone on its line."""
    if out and out[-1][-2:] != "\r\n":
        return False
    at = next(index for index, one in enumerate(pieces) if one is piece)
    following = pieces[at + 1] if at + 1 < len(pieces) else ""
    return isinstance(following, str) and following[:2] == "\r\n"


def message_text(text: str) -> str:
    """Return the text of a message element as it is sent: without the empty lines around it and the
    blanks before each line, and with the line ends of SIP.
    """
    lines = [line.strip(" \t\r") for line in text.strip().split("\n")]
    return "\r\n".join(lines)


def compile_template(text: str, make: Make) -> Template:
    r"""Return text as a template.

    Args:
        text: The text.
        make: Gives what a keyword stands for.

    Raises:
        TemplateError: A keyword is not known or not closed.
    """
    pieces: list[str | Render] = []
    plain: list[str] = []
    at = 0
    while True:
        found = _BRACKET.search(text, at)
        if found is None:
            plain.append(text[at:])
            break
        plain.append(text[at : found.start()])
        at = found.end()
        if found[0] == "]":
            plain.append("]")
        elif found[0] == "\\[":
            plain.append("[")
        elif found[0] != "[":
            plain.append(bytes.fromhex(found[0][2:]).decode("utf-8", "surrogateescape"))
        else:
            end = _closing(text, at)
            if plain := [part for part in plain if part]:
                pieces.append("".join(plain))
            plain = []
            pieces.append(make(_keyword(text[at:end], make)))
            at = end + 1
    if any(plain):
        pieces.append("".join(plain))
    return Template(pieces, text)


def _closing(text: str, at: int) -> int:
    """Return where the bracket is that closes a keyword."""
    depth = 1
    for found in _BRACKET.finditer(text, at):
        depth += {"[": 1, "]": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    line = text[at - 1 :].partition("\r\n")[0]
    raise TemplateError(rf"{line[:60]!r} is not closed: write ']' behind it, or '\[' for a bracket")


def _keyword(text: str, make: Make) -> Keyword:
    parts = [(name, value.strip("\"'")) for name, value in _split(text)]
    if not parts:
        raise TemplateError(r"'[]' is no keyword: write '\[]' for brackets")
    name, offset = parts[0][0], 0
    found = _OFFSET.fullmatch(name)
    if found is not None and found[2] and found[1]:
        name, offset = found[1], int(found[2])
    parameters = {key: compile_template(value, make) for key, value in parts[1:]}
    return Keyword(name, offset, parameters, text)


def _split(text: str) -> Iterable[tuple[str, str]]:
    return [(found[1], found[2] or "") for found in _PARTS.finditer(text)]
