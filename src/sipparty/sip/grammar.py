"""The pieces of RFC 3261 §25.1 that every header shares: tokens, quoted strings, lists, parameters,
host and port.

Laws:

* Each function reads its text once, left to right; no pattern here can backtrack, so time is linear
  in the input.
* Each takes and gives `str`. A message's head is decoded as UTF-8 with `surrogateescape`, so octets
  that are not UTF-8 survive a round trip.
* What is wrong is a `ParseError` that names the text, what was expected and the position.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sipparty.errors import BuildError, ParseError

__all__ = [
    "MAX_PARAMETERS",
    "PLAIN_SIP_URI",
    "TOKEN_CHARS",
    "URIParts",
    "check_line",
    "find_parameter",
    "is_token",
    "next_quoted",
    "quote",
    "split_at_semicolons",
    "split_list",
    "split_parameters",
    "split_sip_uri",
    "unquote",
]

#: The most parameters that one header value may have.
MAX_PARAMETERS = 256

#: The characters of a token, as a regular expression class body (RFC 3261 §25.1).
TOKEN_CHARS = r"A-Za-z0-9\-.!%*_+`'~"  # noqa: S105 - no secret

_TOKEN = re.compile(f"[{TOKEN_CHARS}]+")
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_BREAKS = re.compile("[\r\n\0]")
#: What ends or protects a list element: a quoted string, something in angle brackets, or a comma.
_LIST_STOP = re.compile(r'[",<]')
_PARAMETER_STOP = re.compile(r'[";]')


def is_token(text: str) -> bool:
    """Whether the text is one `token` of RFC 3261 §25.1."""
    return _TOKEN.fullmatch(text) is not None


def check_line(text: str, what: str = "header value") -> str:
    """Return the text if it may stand in a header line as it is.

    Raises:
        BuildError: It holds CR, LF or NUL, which would end the line and let a value write headers
        of its own.
    """
    found = _BREAKS.search(text)
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
    r"""Write text as a quoted string, with `\` before each `"` and `\`."""
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


def split_at_semicolons(text: str, what: str = "header") -> list[str]:
    """Split text at the semicolons that are not inside quotes; nothing is stripped or left out.

    Raises:
        ParseError: A quoted string does not end, or there are more than `MAX_PARAMETERS` of them.
    """
    parts = _split_at_semicolons(text, what) if '"' in text else text.split(";")
    if len(parts) > MAX_PARAMETERS + 1:
        raise ParseError(text[:200], f"at most {MAX_PARAMETERS} parameters", None, what=what)
    return parts


def _split_at_semicolons(text: str, what: str) -> list[str]:
    parts: list[str] = []
    start = at = 0
    while (found := _PARAMETER_STOP.search(text, at)) is not None:
        at = found.end()
        if found.group() == ";":
            parts.append(text[start : at - 1])
            start = at
        else:
            at = next_quoted(text, at - 1, what)
    parts.append(text[start:])
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
        if at >= 0:
            start = at + len(name) + 2
            end = text.find(";", start)
            return (text[start:] if end < 0 else text[start:end]).strip()
        if name not in text and name not in text.lower():
            return None
    for other, quoted in split_parameters(text):
        if other.lower() == name:
            return quoted or ""
    return None


class URIParts(NamedTuple):
    """What routing needs of a URI, as text (RFC 3261 §19.1.1).

    Args:
        scheme: In lower case.
        user: The user part as it came, password and escapes included; None where there is none.
        host: The host in lower case, an IPv6 address without its brackets; "" for a URI that is not
        SIP's.
        port: The port; None where none is given.
        parameters: `;a=1;b` as it came, or "".
        headers: What follows the question mark, or "".
    """

    scheme: str
    user: str | None
    host: str
    port: int | None
    parameters: str
    headers: str


#: A host name, an IPv4 address or a bracketed IPv6 address, then a port.
_HOSTPORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.\-_]+))(?::([0-9]{1,5}))?")
#: A SIP URI as most are written: scheme, user, host, port, parameters and headers. The quantifiers
#: are possessive, so nothing is read twice.
PLAIN_SIP_URI = re.compile(
    r"([Ss][Ii][Pp][Ss]?):(?:([A-Za-z0-9\-_.!~*'()&=+$,%]++)@)?([A-Za-z0-9.\-_]++)"
    r"(?::([0-9]{1,5}))?(;[^?@\s<>\"]*+)?(?:\?([^@\s<>\"]*+))?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_SPACE = re.compile(r"[\s<>\"]")


def split_sip_uri(text: str) -> URIParts:
    """Split a URI into what routing needs, in one pass.

    A URI of another scheme comes back with its scheme and no host.

    Raises:
        ParseError: It is no URI, or a `sip:` or `sips:` one whose host or port is wrong.
    """
    found = PLAIN_SIP_URI.fullmatch(text)
    if found is not None:
        kind, name, host, digits, parameters, headers = found.groups("")
        number = int(digits) if digits else None
        if number is None or number <= 65535:
            return URIParts(kind.lower(), name or None, host.lower(), number, parameters, headers)
    found = _SCHEME.match(text)
    if found is None:
        raise ParseError(text, "a scheme and a colon", 0, what="URI")
    space = _SPACE.search(text)
    if space is not None:
        raise ParseError(
            text, "no white space, quotation mark or angle bracket", space.start(), what="URI"
        )
    scheme = found.group()[:-1].lower()
    if scheme not in ("sip", "sips"):
        return URIParts(scheme, None, "", None, "", "")
    start = found.end()
    # A user part may hold ";" and "?" unescaped, but no "@" can stand after it unescaped.
    at = text.find("@", start)
    user = None
    if at >= 0:
        user = text[start:at]
        if not user:
            raise ParseError(text, "a user before the '@'", at, what="URI")
        start = at + 1
    hostport = _HOSTPORT.match(text, start)
    if hostport is None:
        raise ParseError(text, "a host name or an IP address", start, what="URI")
    address6, name, port_text = hostport.groups()
    port = None
    if port_text is not None:
        port = int(port_text)
        if port > 65535:
            raise ParseError(text, "a port from 0 to 65535", hostport.start(3), what="URI")
    rest = text[hostport.end() :]
    headers = ""
    if rest:
        if rest[0] not in ";?":
            raise ParseError(text, "';', '?' or the end", hostport.end(), what="URI")
        rest, _, headers = rest.partition("?")
    return URIParts(scheme, user, (address6 or name).lower(), port, rest, headers)
