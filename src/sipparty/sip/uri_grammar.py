"""The grammar of URIs (RFC 3261 §19.1, §25.1).

Laws:

* There is one, `read_uri`: what validation lets pass, `URI.parse` reads, and so does whoever asks
  for the parts alone. `PLAIN_SIP_URI` is the part of it that nearly all URIs keep to.
* Text is read once, left to right; no pattern here can backtrack, so time is linear in it.
* What is wrong is a `ParseError` that names the text, what was expected and the position.

Beyond RFC 3261 §25.1, reading a URI tolerates, in each part, every visible character that does not
delimit it, though some should be escaped ("#" in a dialled number, letters beyond ASCII); empty
parameters; and in a host name underscores and a last label that begins with a digit, since names in
the field have them. A control character, white space, a quotation mark, an angle bracket, a second
"@", a "%" without two hexadecimal digits, an empty label and one with a hyphen at its edge are
refused everywhere. A host whose last label is all digits has to be an IPv4 address by RFC 5954
§4.1: `444.555.666.777` is neither.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from sipparty.errors import ParseError
from sipparty.late import late_pattern

__all__ = [
    "ABSOLUTE",
    "BARRED",
    "ESCAPED",
    "HOST",
    "PASSWORD",
    "PLAIN_HOST",
    "PLAIN_PORT",
    "PLAIN_SIP_URI",
    "SCHEME",
    "URI_HEADERS",
    "URI_PARAMETERS",
    "USER",
    "HostPort",
    "URIParts",
    "URIText",
    "read_aor",
    "read_host",
    "read_hostport",
    "read_ipv6",
    "read_port",
    "read_uri",
    "split_sip_uri",
]

#: What may stand in no part of a URI, as the body of a negated class. Besides what delimits:
#: controls, white space, marks that are not seen (a URI is shown to people), and surrogates that
#: stand for no octet.
BARRED = (
    r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
    r"\ud800-\udc7f\udd00-\udfff\"<>%@"
)
#: `escaped` (§25.1).
ESCAPED = "%[0-9A-Fa-f]{2}"

# All of these are possessive, so that each is read once.
#: The parts of a URI (§25.1), as far as they are patterns.
SCHEME = late_pattern(r"[A-Za-z][A-Za-z0-9+.\-]*+")
USER = late_pattern(f"(?:[^{BARRED}:]++|{ESCAPED})++")
PASSWORD = late_pattern(f"(?:[^{BARRED}]++|{ESCAPED})*+")
_NAME = f"(?:[^{BARRED};?=]++|{ESCAPED})++"
_VALUE = f"(?:[^{BARRED};?]++|{ESCAPED})*+"
#: Empty parameters (";;") are no RFC's; they are seen, harmless, and kept.
URI_PARAMETERS = late_pattern(f"(?:;(?:{_NAME}(?:={_VALUE})?+)?+)*+")
_PAIR = f"(?:[^{BARRED}&=]++|{ESCAPED})++=(?:[^{BARRED}&]++|{ESCAPED})*+"
URI_HEADERS = late_pattern(f"(?:[?]{_PAIR}(?:&{_PAIR})*+)?+")
#: What follows the scheme's colon in a URI that is not SIP's.
ABSOLUTE = late_pattern(f"(?:[^{BARRED}]++|{ESCAPED}|@)++")

_HOST_NAME = late_pattern(r"[A-Za-z0-9._-]++")
# No label is empty, or begins or ends with a hyphen (§25.1 `domainlabel`); one dot may end the
# name.
_BAD_LABEL = late_pattern(r"^[.-]|\.[.-]|-(?:\.|$)")
_IPV6 = late_pattern(r"[0-9A-Fa-f:.]++")
_DIGITS = late_pattern(r"[0-9]++")
_MOST_PORT = 65535
#: What is expected where a host is to stand.
HOST = "a host name, an IPv4 address or an IPv6 address in brackets"

_OCTET = "(?:1[0-9]{0,2}|2(?:[0-4][0-9]?|5[0-5]?|[6-9])?|[3-9][0-9]?|0)"
_PLAIN_USER = rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,]++|{ESCAPED})++"
#: A host and a port as most are written; what fits is right.
PLAIN_HOST = (
    rf"(?:{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?![A-Za-z0-9.\-_])"
    r"|(?:[A-Za-z0-9_]++[.\-])*+[A-Za-z_][A-Za-z0-9_]*+(?![.\-]))"
)
PLAIN_PORT = "(?:[1-5][0-9]{4}|6[0-4][0-9]{3}|[0-9]{1,4})(?![0-9])"
#: A SIP URI as most are written, without headers: scheme, user, host, port and parameters.
PLAIN_SIP_URI = late_pattern(
    rf"([Ss][Ii][Pp][Ss]?):(?:({_PLAIN_USER})@)?({PLAIN_HOST})(?::({PLAIN_PORT}))?"
    r"((?:;(?!=)[A-Za-z0-9\-_.!~*'()\[\]/:&+$=]*+)*+)"
)


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


class HostPort(NamedTuple):
    """A host, without brackets, its port, and the port as it was written."""

    address: str
    port: int | None
    digits: str


class URIText(NamedTuple):
    """The parts of a URI as they were written: `rest` is all behind the colon of a URI that is not
    SIP's, and None, as `hostport` is not, in one that is.
    """

    scheme: str
    rest: str | None
    user: str | None = None
    password: str | None = None
    hostport: HostPort | None = None
    parameters: str = ""
    headers: str = ""


def read_ipv6(address: str) -> IPv6Address:
    """Give the value of an IPv6 address (RFC 5954 §4.1), or raise `AddressValueError`.

    RFC 5118 §4.10: RFC 3261's own grammar made ":::" of the "::" before an IPv4 tail, and that has
    to be tolerated.
    """
    before, three, tail = address.partition(":::")
    return IPv6Address(f"{before}::{tail}" if three and "." in tail else address)


def read_host(text: str, start: int, what: str) -> tuple[str, int]:
    """Read a host (§25.1 `host`); give its address, without brackets, and where it ends.

    Raises:
        ParseError: There is none.
    """
    if text.startswith("[", start):
        found = _IPV6.match(text, start + 1)
        end = start + 1 if found is None else found.end()
        address = text[start + 1 : end]
        try:
            # A zone ("%eth0") means nothing to another host and is in no SIP grammar.
            read_ipv6(address)
        except AddressValueError:
            raise ParseError(text, "an IPv6 address inside '[' and ']'", start, what=what) from None
        if not text.startswith("]", end):
            raise ParseError(text, "']' after an IPv6 address", end, what=what)
        return address, end + 1
    found = _HOST_NAME.match(text, start)
    if found is None:
        raise ParseError(text, HOST, start, what=what)
    name = found.group()
    bad = _BAD_LABEL.search(name)
    if bad is not None:
        raise ParseError(
            text, "a host name without stray '.' or '-'", start + bad.start(), what=what
        )
    if name.rstrip(".").rpartition(".")[2].isdigit():
        try:
            IPv4Address(name)
        except AddressValueError:
            raise ParseError(text, HOST, start, what=what) from None
    return name, found.end()


def read_port(text: str, start: int, what: str) -> tuple[int, int]:
    """Read a port (§25.1 `port`); give it and where its digits end.

    Raises:
        ParseError: There is none.
    """
    found = _DIGITS.match(text, start)
    if found is not None:
        digits = found.group().lstrip("0") or "0"
        # Port 0 is grammatical and cannot be sent to: it is for whoever sends to refuse it.
        if len(digits) <= 5 and int(digits) <= _MOST_PORT:
            return int(digits), found.end()
    raise ParseError(text, f"a port from 0 to {_MOST_PORT}", start, what=what)


def read_hostport(text: str, start: int, what: str) -> tuple[HostPort, int]:
    """Read a host with an optional port (§25.1 `hostport`); give them and where they end.

    Raises:
        ParseError: There is none.
    """
    address, end = read_host(text, start, what)
    if not text.startswith(":", end):
        return HostPort(address, None, ""), end
    start = end + 1
    port, end = read_port(text, start, what)
    return HostPort(address, port, text[start:end]), end


def read_aor(text: str, start: int, what: str) -> tuple[str | None, str | None, HostPort, int]:
    """Read `[user [":" password] "@"] host [":" port]` (§25.1); give user, password, host and
    port, and where they end.

    Raises:
        ParseError: There is none.
    """
    user = password = None
    # A user may hold ";", "?" and "/", but nothing in a URI holds an unescaped "@" except what ends
    # the user.
    at = text.find("@", start)
    if at >= 0:
        found = USER.match(text, start)
        if found is None:
            raise ParseError(text, "a user before '@'", start, what=what)
        user = found.group()
        end = found.end()
        if text[end] == ":":
            found = PASSWORD.match(text, end + 1)
            assert found is not None  # it may be empty
            password = found.group()
            end = found.end()
        if end != at:
            raise ParseError(text, "'@', or a character a user may hold", end, what=what)
        start = at + 1
    hostport, end = read_hostport(text, start, what)
    return user, password, hostport, end


def read_uri(text: str) -> URIText:
    """Read a URI (§25.1 `SIP-URI`, `SIPS-URI` and `absoluteURI`).

    Raises:
        ParseError: It is none.
    """
    found = SCHEME.match(text)
    end = 0 if found is None else found.end()
    if found is None or not text.startswith(":", end):
        raise ParseError(text, "a scheme followed by ':'", end, what="URI")
    scheme = found.group()
    end += 1
    if scheme.lower() not in ("sip", "sips"):
        found = ABSOLUTE.match(text, end)
        if found is None or found.end() < len(text):
            at = end if found is None else found.end()
            raise ParseError(text, "visible characters, others escaped", at, what="URI")
        return URIText(scheme, found.group())
    user, password, hostport, end = read_aor(text, end, "URI")
    if end == len(text):
        return URIText(scheme, None, user, password, hostport)
    start, end = end, _end(URI_PARAMETERS, text, end)
    parameters = text[start:end]
    start, end = end, _end(URI_HEADERS, text, end)
    if end < len(text):
        raise ParseError(text, "';name=value', '?name=value' or the end", end, what="URI")
    return URIText(scheme, None, user, password, hostport, parameters, text[start:end])


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def split_sip_uri(text: str) -> URIParts:
    """Split a URI into what routing needs, in one pass.

    A URI of another scheme comes back with its scheme and no host.

    Raises:
        ParseError: It is no URI.
    """
    found = PLAIN_SIP_URI.fullmatch(text)
    if found is not None:
        kind, name, host, digits, parameters = found.groups("")
        number = int(digits) if digits else None
        return URIParts(kind.lower(), name or None, host.lower(), number, parameters, "")
    scheme, _, user, password, hostport, parameters, headers = read_uri(text)
    if hostport is None:
        return URIParts(scheme.lower(), None, "", None, "", "")
    if password is not None:
        user = f"{user}:{password}"
    host, port, _ = hostport
    return URIParts(scheme.lower(), user, host.lower(), port, parameters, headers[1:])
