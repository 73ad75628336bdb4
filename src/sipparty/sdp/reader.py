"""From the text of a session description to its lines (RFC 8866 Section 5).

Promises of this module:

1. Whatever the input, the only error is `ParseError`, with what was expected and where.
2. Time and memory grow with the length of the input, which `Limits` bounds.
3. Reading is strict where a mistake leaves the meaning open, and lenient where devices are known to
   differ and the meaning is plain. What is never read: a description that does not begin with v=0
   and its o=, a line without "=", a second line of a kind of which there may be one, a letter of
   the session level below an m=.

What `strict` refuses and reading otherwise lets pass:

| deviation | seen in |
|---|---|
| lines after o= in another order than that of RFC 8866 | published examples; many devices |
| no s=, or an empty one, or empty i=, u=, e=, p=, k= | published examples; softphones |
| no t= | published examples; cameras |
| no c= for a stream | media servers of other protocols |
| letters that RFC 8866 does not define (it allows to refuse or to ignore such descriptions) | |
| empty lines, wherever they stand; a last line without its line end; NULs at the end | gateways |
| r= or z= before t= | |
| a port in m= that is none: the stream is not wanted, the others are | |

In either case a line end is CRLF or LF, as RFC 8866 Section 5 asks, runs of spaces between words
count as one, and an m= line with port 0 may name no format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sipparty.errors import ParseError
from sipparty.sdp.grammar import InvalidValue

__all__ = ["FREE_TEXT", "Limits", "Line", "Reader"]

T = TypeVar("T")

WHAT = "session description"

#: The order of the lines at the session level and in a media section. r= and z= belong to t=.
_SESSION_ORDER = "vosiuepcbtrzka"
_MEDIA_ORDER = "micbka"
#: The lines of which there may be one.
_SESSION_SINGLE = frozenset("vosiuck")
_MEDIA_SINGLE = frozenset("mik")
#: The time description of Section 5.9 may come again as a whole.
_TIME = frozenset("trz")

#: The lines that hold text. An empty one says nothing, and passes for one that is not there.
FREE_TEXT = frozenset("siuepk")

#: How many findings are remembered of one description.
_MAX_FINDINGS = 16

_CONTROL = re.compile(r"[\0\r]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a description may cost before it is refused.

    Args:
        max_bytes: The length of the whole; bounds everything else.
        max_lines: Lines of all kinds; bounds the number of objects made.
        max_media: m= lines; bounds the streams that a peer can make this side think about.
        max_formats: Formats of one m= line, of which RTP has 128; bounds the search for those in
            common.
    """

    max_bytes: int = 65_536
    max_lines: int = 2_048
    max_media: int = 64
    max_formats: int = 256


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Args:
        letter: Its type.
        value: What stands after "=".
        position: Of the letter, in characters of the decoded text.
    """

    letter: str
    value: str
    position: int


class Reader:
    """Splits a description into its session level and its media sections, and checks their order.

    Args:
        data: The description as it came.
        strict: Refuse what RFC 8866 does not allow, where it would otherwise be let pass.
        limits: What the description may cost.

    Raises:
        ParseError: See the promises of this module.
    """

    def __init__(self, data: bytes | str, *, strict: bool, limits: Limits) -> None:
        self._data = data
        self.strict = strict
        self.limits = limits
        if isinstance(data, str):
            try:
                self.raw = data.encode()
            except UnicodeEncodeError as error:
                raise self.error("text that UTF-8 can encode", error.start) from None
        else:
            self.raw = bytes(data)
        if len(self.raw) > limits.max_bytes:
            raise self.error(f"at most {limits.max_bytes} bytes", None)
        self._text = self.raw.decode("utf-8", "surrogateescape")
        #: What was let pass, as it would have been refused.
        self.findings: list[ParseError] = []
        self.sections = self._sections(self._lines())

    def error(self, expected: str, position: int | None) -> ParseError:
        """The error for what is not as `expected` at a position in characters."""
        if position is not None and isinstance(self._data, bytes | bytearray | memoryview):
            before = self._text[:position]
            position = len(before.encode("utf-8", "surrogateescape"))
        data = self._data if isinstance(self._data, str) else self.raw
        return ParseError(data, expected, position, what=WHAT)

    def note(self, expected: str, position: int | None) -> None:
        """Let pass what is not as `expected`, or refuse it where reading is strict."""
        found = self.error(expected, position)
        if self.strict:
            raise found
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(found)

    def convert(self, line: Line, read: Callable[[str], T]) -> T:
        """What `read` makes of the line's value; its complaint becomes a `ParseError`."""
        try:
            return read(line.value)
        except InvalidValue as error:
            # The culprit is a part of the value; where it comes twice, the first is as good.
            offset = max(0, line.value.find(str(error.value)))
            raise self.error(error.expected, line.position + 2 + offset) from None

    def _lines(self) -> list[Line]:
        text = self._text
        if not self.strict and text.endswith("\0"):
            text = text.rstrip("\0")
            self.note("text without NUL", len(text))
        control = _CONTROL.search(text.replace("\r\n", "\n\n"))
        if control is not None:
            kind = "NUL" if control[0] == "\0" else "CR outside a line end"
            raise self.error(f"text without {kind}", control.start())
        rows = text.split("\n")
        if rows[-1] == "":
            rows.pop()
        else:
            self.note("a line end after the last line", len(text))
        if len(rows) > self.limits.max_lines:
            raise self.error(f"at most {self.limits.max_lines} lines", None)
        lines: list[Line] = []
        position = 0
        for row in rows:
            value = row.removesuffix("\r")
            if not value:
                self.note("a line that is not empty", position)
            elif value[1:2] == "=" and value[0].isascii() and value[0].isalpha():
                lines.append(Line(value[0], value[2:], position))
            else:
                raise self.error("'<type>=<value>', the type being one letter", position)
            position += len(row) + 1
        return lines

    def _sections(self, lines: list[Line]) -> list[list[Line]]:
        for index, (letter, expected) in enumerate((("v", "v=0"), ("o", "o= after v="))):
            if len(lines) <= index or lines[index].letter != letter:
                position = lines[index].position if index < len(lines) else len(self._text)
                raise self.error(expected, position)
        if lines[0].value.strip(" ") != "0":  # RFC 8866 Section 5.1
            raise self.error("protocol version 0 in v=", lines[0].position + 2)
        sections: list[list[Line]] = [[]]
        for line in lines:
            if line.letter == "m":
                if len(sections) > self.limits.max_media:
                    raise self.error(f"at most {self.limits.max_media} m= lines", line.position)
                sections.append([])
            sections[-1].append(line)
        self._check(sections[0], _SESSION_ORDER, _SESSION_SINGLE)
        for section in sections[1:]:
            self._check(section, _MEDIA_ORDER, _MEDIA_SINGLE)
        if self.strict:
            self._check_complete(sections)
        return sections

    def _check(self, section: list[Line], order: str, single: frozenset[str]) -> None:
        seen: set[str] = set()
        rank = 0
        last = ""
        for line in section:
            letter = line.letter
            if letter not in order:
                if self.strict or letter in _SESSION_ORDER:
                    raise self.error(f"one of the types {', '.join(order)}", line.position)
                continue
            if letter in single and letter in seen:
                raise self.error(f"one {letter}= line, not another", line.position)
            if letter in "rz" and "t" not in seen:
                self.note(f"t= before {letter}=", line.position)
            if self.strict:
                here = order.index(letter)
                # Section 9: time descriptions repeat as t r... z?, and z= only follows r=.
                again = letter == "t" and last in _TIME
                if (here < rank and not again) or (letter == "z" and last != "r"):
                    raise self.error(f"{letter}= where RFC 8866 Section 5 has it", line.position)
                rank = here
            seen.add(letter)
            last = letter

    def _check_complete(self, sections: list[list[Line]]) -> None:
        session = {line.letter: line for line in sections[0]}
        for letter in "st":
            if letter not in session:
                end = sections[1][0].position if len(sections) > 1 else len(self._text)
                raise self.error(f"{letter}= at the session level", end)
        if "c" not in session:
            for section in sections[1:]:
                if all(line.letter != "c" for line in section):
                    raise self.error("c= for the stream or the session", section[0].position)
