"""The pieces of RFC 3261 §25.1 that every header shares: tokens, quoted strings, lists, parameters,
names with addresses.

Laws:

* Each function reads its text once, left to right; no pattern here can backtrack, so time is linear
  in the input.
* Each takes and gives `str`. A message's head is decoded as UTF-8 with `surrogateescape`, so octets
  that are not UTF-8 survive a round trip.
* What is wrong is a `ParseError` that names the text, what was expected and the position.
"""

from __future__ import annotations

import re

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern

__all__ = [
    "MAX_PARAMETERS",
    "QUOTED",
    "TOKEN_CHARS",
    "address_tag",
    "as_text",
    "check_line",
    "find_parameter",
    "is_token",
    "next_quoted",
    "quote",
    "split_address",
    "split_at_semicolons",
    "split_list",
    "split_parameters",
    "unquote",
]

#: The most parameters that one header value may have.
MAX_PARAMETERS = 256

#: The characters of a token, as a regular expression class body (RFC 3261 §25.1).
TOKEN_CHARS = r"A-Za-z0-9\-.!%*_+`'~"  # noqa: S105 - no secret

_TOKEN = late_pattern(f"[{TOKEN_CHARS}]+")
#: A quoted string, as a regular expression that cannot backtrack; for `re.S`.
QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_QUOTED = late_pattern(QUOTED, re.S)
_QUOTED_PAIR = late_pattern(r"\\(.)", re.S)
#: What stands in no line (§25.1 `TEXT-UTF8-TRIM`); a tab is white space.
_CONTROLS = late_pattern(r"[\x00-\x08\x0a-\x1f\x7f]")
#: What ends or protects a list element: a quoted string, something in angle brackets, or a comma.
_LIST_STOP = late_pattern(r'[",<]')
_PARAMETER_STOP = late_pattern(r'[";]')
#: A name and address as nearly all are, with a tag as its first parameter or with no parameter.
_TAGGED = late_pattern(
    rf'(?:"[^"\\]*+"[ \t]*+|(?:[{TOKEN_CHARS}][{TOKEN_CHARS} \t]*+)?+)<[^<>"\s]++>'
    rf'(?:;tag=([{TOKEN_CHARS}]++)(?:;[^"\s]*+)?+)?+'
)
_SPACES = str.maketrans("", "", " \t")


def as_text(value: str | bytes) -> str:
    """Return text as `str`; octets that are not UTF-8 become surrogates."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def is_token(text: str) -> bool:
    """Whether the text is one `token` of RFC 3261 §25.1."""
    return _TOKEN.fullmatch(text) is not None


def check_line(text: str, what: str = "header value") -> str:
    """Return the text if it may stand in a header line as it is.

    Raises:
        BuildError: It holds CR or LF, which would end the line and let a value write headers of its
        own, or another control character.
    """
    found = _CONTROLS.search(text)
    if found is not None:
        raise BuildError(
            f"{text[:80]!r} cannot be a {what}: "
            f"it holds {found.group()!r} at position {found.start()}."
        )
    return text


def next_quoted(text: str, start: int, what: str) -> int:
    """Return the position after the quoted string that starts at `start` (RFC 3261 §25.1
    `quoted-string`).

    Raises:
        ParseError: The string does not end.
    """
    found = _QUOTED.match(text, start)
    if found is None:
        raise ParseError(text, "a closing quotation mark", len(text), what=what)
    return found.end()


def quote(text: str) -> str:
    r"""Write text as a quoted string, with `\` before each `"` and `\`.

    Raises:
        BuildError: It holds a control character.
    """
    check_line(text, "quoted string")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """Return what a quoted string says; text that is not quoted comes back as it is."""
    if len(text) >= 2 and text[0] == '"' == text[-1]:
        text = text[1:-1]
        if "\\" in text:
            text = _QUOTED_PAIR.sub(r"\1", text)
    return text


def split_list(text: str, what: str = "header") -> list[str]:
    """Split a header value at the commas that are not inside quotes or angle brackets (RFC 3261
    §7.3.1).

    Returns:
        The elements, stripped; empty ones are left out.
    """
    if "," not in text:
        text = text.strip()
        return [text] if text else []
    elements: list[str] = []
    start = at = 0
    while (found := _LIST_STOP.search(text, at)) is not None:
        char = found.group()
        at = found.end()
        if char == ",":
            elements.append(text[start : at - 1].strip())
            start = at
        elif char == '"':
            at = next_quoted(text, at - 1, what)
        else:
            end = text.find(">", at)
            at = len(text) if end < 0 else end + 1
    elements.append(text[start:].strip())
    return [element for element in elements if element]


def split_at_semicolons(text: str, what: str = "header", most: int = MAX_PARAMETERS) -> list[str]:
    """Split text at the semicolons that are not inside quotes; nothing is stripped or left out.

    Raises:
        ParseError: A quoted string does not end, or there are more than `most` of them.
    """
    if '"' not in text:
        parts = text.split(";")
    else:
        parts = []
        start = at = 0
        while (found := _PARAMETER_STOP.search(text, at)) is not None:
            at = found.end()
            if found.group() == ";":
                parts.append(text[start : at - 1])
                start = at
            else:
                at = next_quoted(text, at - 1, what)
        parts.append(text[start:])
    if len(parts) > most + 1:
        raise ParseError(text[:200], f"at most {most} parameters", None, what=what)
    return parts


def split_parameters(text: str, what: str = "header") -> list[tuple[str, str | None]]:
    """Split `;a=1;b;c="x;y"` into `[("a", "1"), ("b", None), ("c", '"x;y"')]`.

    Names and values are stripped and otherwise as they came; quotes stay. Empty parameters (`;;`)
    are passed over.
    """
    pairs: list[tuple[str, str | None]] = []
    for part in split_at_semicolons(text, what):
        name, equals, value = part.partition("=")
        name = name.strip()
        if equals:
            pairs.append((name, value.strip()))
        elif name:
            pairs.append((name, None))
    return pairs


def find_parameter(text: str, name: str) -> str | None:
    """Return one parameter's value out of `;a=1;b`: "" for a flag, None where it is absent. `name`
    is lower case.
    """
    if '"' not in text:
        # Nearly all are written plainly; the rest is looked at closely, if the name occurs at all.
        at = text.find(f";{name}=")
        if at == 0 or (at > 0 and name not in text[:at].lower()):
            start = at + len(name) + 2
            end = text.find(";", start)
            return (text[start:] if end < 0 else text[start:end]).strip()
        if name not in text and name not in text.lower():
            return None
    for other, quoted in split_parameters(text):
        if other.lower() == name:
            return quoted or ""
    return None


def split_address(text: str, what: str) -> tuple[str, str, str]:
    """Split a name and address (§25.1 `name-addr`, `addr-spec`) into its display name, without
    quotes, its URI and its parameters; without angle brackets all parameters are the header's
    (§20).

    White space within the brackets, from a line that was folded there, is no part of the URI (RFC
    4475 §3.1.2.14, RFC 3986 Appendix C).

    Raises:
        ParseError: A quotation mark or an angle bracket stands alone, or there is no URI.
    """
    start = len(text) - len(text.lstrip())
    name = ""
    if text.startswith('"', start):
        end = next_quoted(text, start, what)
        name = unquote(text[start:end])
        left = text.find("<", end)
        if left < 0 or text[end:left].strip():
            raise ParseError(text, "'<' after the display name", end, what=what)
    else:
        left = text.find("<")
        if left < 0:
            uri, semicolon, tail = text.strip().partition(";")
            uri = uri.rstrip()
            if not uri or " " in uri or '"' in uri or ">" in uri:
                raise ParseError(text, "a URI", 0, what=what)
            return "", uri, semicolon + tail
        name = text[:left].strip()
        if '"' in name or ";" in name or "," in name:
            raise ParseError(text, "a display name of tokens, or one in quotes", start, what=what)
    right = text.find(">", left)
    if right < 0:
        raise ParseError(text, "'>' after the URI", len(text), what=what)
    tail = text[right + 1 :].strip()
    if tail and tail[0] != ";":
        raise ParseError(text, "';' or the end after the '>'", right + 1, what=what)
    return name, text[left + 1 : right].translate(_SPACES), tail


def address_tag(text: str) -> str | None:
    """Return the tag of a From or To value (§19.3), unquoted; "" where it has no value, None where
    there is none.

    Raises:
        ParseError: The text is no name and address.
    """
    found = _TAGGED.fullmatch(text)
    if found is not None:
        return found[1]
    tag = find_parameter(split_address(text, "name and address")[2], "tag")
    return unquote(tag) if tag else tag
