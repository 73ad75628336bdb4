"""How the headers of authentication are written: a scheme, then parameters, several of each in one
list (RFC 7235 §2.1, §4.1; RFC 3261 §25.1).

Laws:

* Text is read once, left to right, in time linear in its length: no pattern here backtracks.
* What cannot be read is a `ParseError` that names the text, what was expected and where.
* One header value holds `MAX_ELEMENTS` challenges at most, and each `MAX_PARAMETERS`.
* Reading is lenient about quotation marks: devices in the field quote too much and too little.
* What was read holds no line break.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sipparty.errors import ParseError

__all__ = [
    "BREAK",
    "MAX_ELEMENTS",
    "MAX_PARAMETERS",
    "TOKEN",
    "Element",
    "Parameter",
    "parse_elements",
    "parse_parameters",
    "quote",
    "unfold",
]

#: The most challenges or credentials in one header value: against one that has us make thousands.
MAX_ELEMENTS = 64
#: The most parameters of one; RFC 7616 knows ten.
MAX_PARAMETERS = 64

#: A token (RFC 3261 §25.1).
TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]++")
#: What may stand in no line.
BREAK = re.compile("[\r\n\0]")
_SPACE = re.compile(r"[ \t]*+")
#: White space and commas: an empty list element means nothing (RFC 7230 §7).
_GAP = re.compile(r"[ \t,]*+")
#: A parameter's value. Unquoted ones may hold what a token may not: devices leave quotes out.
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*+)"|([^ \t",]++)')
#: `token68` of RFC 7235 §2.1, for schemes such as Negotiate.
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+(?=[ \t]*+(?:,|\Z))")
_QUOTED_PAIR = re.compile(r"\\(.)")
_FOLD = re.compile(r"\r\n[ \t]++")


class Parameter(NamedTuple):
    """A parameter: its name as it came, its value without quotes and escapes, and whether it had
    quotes.
    """

    name: str
    value: str
    quoted: bool


class Element(NamedTuple):
    """One element of a list of challenges or credentials."""

    scheme: str
    token68: str
    parameters: tuple[Parameter, ...]
    text: str


def unfold(text: str, what: str) -> str:
    """Return the text in one line (RFC 3261 §7.3.1); no other line break may be in it."""
    found = BREAK.search(text)
    if found is None:
        return text
    text = _FOLD.sub(" ", text)
    found = BREAK.search(text)
    if found is not None:
        raise ParseError(text, "no line break", found.start(), what=what)
    return text


def _parse_parameter(text: str, at: int, what: str) -> tuple[Parameter, int] | None:
    """Read `name=value` at a position; None where no name with an equals sign stands there."""
    name = TOKEN.match(text, at)
    if name is None:
        return None
    equals = _at(_SPACE, text, name.end())
    if text[equals : equals + 1] != "=":
        return None
    start = _at(_SPACE, text, equals + 1)
    found = _VALUE.match(text, start)
    if found is None:
        expected = "a closing quotation mark" if text[start : start + 1] == '"' else "a value"
        raise ParseError(text, expected, start, what=what)
    quoted = found.group(1) is not None
    value: str = found.group(1) if quoted else found.group(2)
    if quoted and "\\" in value:
        value = _QUOTED_PAIR.sub(r"\1", value)
    return Parameter(name.group(), value, quoted), found.end()


def _at(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return the position after what a pattern that matches anywhere takes."""
    found = pattern.match(text, at)
    return at if found is None else found.end()


def parse_parameters(text: str, at: int, what: str) -> tuple[tuple[Parameter, ...], int]:
    """Read `a=1, b="2"` up to the end or the next scheme; return where that is."""
    parameters: list[Parameter] = []
    seen: set[str] = set()
    while True:
        begin = _at(_GAP, text, at)
        if parameters and begin < len(text) and "," not in text[at:begin]:
            raise ParseError(text, "a comma", begin, what=what)
        found = _parse_parameter(text, begin, what)
        if found is None:
            return tuple(parameters), begin
        parameter, at = found
        key = parameter.name.lower()
        if key in seen:  # RFC 7235 §2.1: a name occurs once in a challenge
            raise ParseError(text, f"the parameter {key[:40]!r} only once", begin, what=what)
        if len(seen) >= MAX_PARAMETERS:
            raise ParseError(text, f"at most {MAX_PARAMETERS} parameters", begin, what=what)
        seen.add(key)
        parameters.append(parameter)


def parse_elements(text: str, what: str) -> list[Element]:
    """Split a header value into its challenges or credentials.

    A comma separates parameters and elements alike (RFC 7235 §4.1): a token without an equals sign
    begins the next element.
    """
    text = unfold(text, what)
    elements: list[Element] = []
    at = _at(_GAP, text, 0)
    while at < len(text):
        if len(elements) >= MAX_ELEMENTS:
            raise ParseError(text, f"at most {MAX_ELEMENTS} of them", at, what=what)
        scheme = TOKEN.match(text, at)
        if scheme is None:
            raise ParseError(text, "an authentication scheme", at, what=what)
        start, at = at, scheme.end()
        if text[at : at + 1] not in ("", " ", "\t", ","):
            raise ParseError(text, "white space after the scheme", at, what=what)
        rest = _at(_SPACE, text, at)
        token68 = ""
        parameters: tuple[Parameter, ...] = ()
        if text[rest : rest + 1] not in ("", ","):
            blob = None
            if scheme.group().lower() != "digest":
                blob = _TOKEN68.match(text, rest)
            if blob is not None:
                token68, at = blob.group(), _at(_GAP, text, blob.end())
            else:
                parameters, at = parse_parameters(text, rest, what)
                if not parameters:
                    raise ParseError(text, "a parameter name and '='", at, what=what)
        else:
            at = _at(_GAP, text, rest)
        elements.append(Element(scheme.group(), token68, parameters, text[start:at].rstrip(", ")))
    if not elements:
        raise ParseError(text, "an authentication scheme", 0, what=what)
    return elements


def quote(text: str) -> str:
    """Write text as a quoted string (RFC 3261 §25.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
