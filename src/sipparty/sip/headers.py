"""The table of headers: one row gives a header's name, its compact form, what its values are, and
how many.

To teach sipparty a header, add a row with `register_header`; `message["Name"]` then gives and takes
your type. A header without a row is text and survives a round trip byte for byte.

Kinds of row (`Many`):

* `ONE`: one value (From, CSeq). The first counts where a sender repeats it.
* `LIST`: values joined by commas or repeated (Via, Contact); `message["Via"]` is the first,
  `message.all("Via")` all.
* `TOKENS`: as `LIST`, but read together: `message["Allow"]` is a tuple of them all.
* `LINES`: one value a line; a comma in it is its own (WWW-Authenticate, RFC 3261 §7.3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from sipparty.errors import BuildError, ParseError
from sipparty.sip.grammar import is_token
from sipparty.sip.typed import (
    AddressReference,
    Date,
    MediaRange,
    NumberValue,
    ParameterList,
    ProductList,
    RAck,
    Timestamp,
    TokenList,
    TokenValue,
    WarningValue,
    WordValue,
)
from sipparty.sip.values import CSeq, DNameURI, MediaType, Via

__all__ = ["HEADERS", "SPELLINGS", "Header", "Many", "header_key", "header_name", "register_header"]


class Many(Enum):
    """How the values of a header are counted."""

    ONE = "one"
    LIST = "list"
    TOKENS = "tokens"
    LINES = "lines"


class Header(NamedTuple):
    """A row of the table.

    Args:
        name: The name as it is written when sipparty writes it.
        parse: Makes a value from text, or raises `ParseError`.
        many: How values are counted.
        compact: The one-letter form (RFC 3261 §7.3.3), or "".
        rfc: Where the header is defined.
    """

    name: str
    parse: Callable[[str], Any] = str
    many: Many = Many.ONE
    compact: str = ""
    rfc: str = "RFC 3261 §20"


def _number(what: str, most: int, least: int = 0) -> Callable[[str], int]:
    digits = len(str(most))

    def parse(text: str) -> int:
        stripped = text.strip()
        if stripped.isascii() and stripped.isdigit():
            # Leading zeros are allowed (RFC 4475 §3.1.1.1) and are no part of the size.
            plain = stripped.lstrip("0")
            if len(plain) <= digits and least <= int(plain or "0") <= most:
                return int(plain or "0")
        raise ParseError(text, f"a number from {least} to {most}", 0, what=what)

    return parse


def _made_by(kind: Callable[[str], Any], name: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return kind(text)
        except ParseError:
            raise
        except (ValueError, ArithmeticError) as error:
            expected = f"what {getattr(kind, '__name__', 'its type')} takes"
            raise ParseError(text, expected, 0, what=f"{name} value") from error

    return parse


def _token(text: str) -> str:
    text = text.strip()
    if not is_token(text):
        raise ParseError(text, "a token", 0, what="header value")
    return text


_ONE, _LIST, _TOKENS = Many.ONE, Many.LIST, Many.TOKENS
_address = DNameURI.parse
_tokens, _words, _numbers = TokenValue.parse, WordValue.parse, NumberValue.parse
_reference, _named = AddressReference.parse, ParameterList.parse
#: RFC 3261 §20.19, RFC 6665: what an unsigned number of 32 bits holds.
_SECONDS = (1 << 32) - 1
_OCTETS = 10**10 - 1

_ROWS = (
    # The frame of every message
    Header("Via", Via.parse, _LIST, "v", "RFC 3261 §20.42"),
    Header("From", _address, _ONE, "f", "RFC 3261 §20.20"),
    Header("To", _address, _ONE, "t", "RFC 3261 §20.39"),
    Header("Call-ID", str, _ONE, "i", "RFC 3261 §20.8"),
    Header("CSeq", CSeq.parse, rfc="RFC 3261 §20.16"),
    Header("Contact", _address, _LIST, "m", "RFC 3261 §20.10"),
    Header("Route", _address, _LIST, rfc="RFC 3261 §20.34"),
    Header("Record-Route", _address, _LIST, rfc="RFC 3261 §20.30"),
    Header("Max-Forwards", _number("Max-Forwards", 255), rfc="RFC 3261 §20.22"),
    # The body
    Header("Content-Type", MediaType.parse, _ONE, "c", "RFC 3261 §20.15"),
    Header("Content-Length", _number("Content-Length", _OCTETS), _ONE, "l", "RFC 3261 §20.14"),
    Header("Content-Encoding", _token, _TOKENS, "e", "RFC 3261 §20.12"),
    Header("Content-Disposition", _tokens, rfc="RFC 3261 §20.11"),
    Header("Content-Language", _token, _TOKENS, rfc="RFC 3261 §20.13"),
    Header("Content-ID", str, rfc="RFC 8262"),
    Header("MIME-Version", str, rfc="RFC 3261 §20.24"),
    # What each side can do
    Header("Allow", _token, _TOKENS, rfc="RFC 3261 §20.5"),
    Header("Supported", _token, _TOKENS, "k", "RFC 3261 §20.37"),
    Header("Require", _token, _TOKENS, rfc="RFC 3261 §20.32"),
    Header("Proxy-Require", _token, _TOKENS, rfc="RFC 3261 §20.29"),
    Header("Unsupported", _token, _TOKENS, rfc="RFC 3261 §20.40"),
    Header("Accept", MediaRange.parse, _TOKENS, rfc="RFC 3261 §20.1"),
    Header("Accept-Encoding", _tokens, _TOKENS, rfc="RFC 3261 §20.2"),
    Header("Accept-Language", _tokens, _TOKENS, rfc="RFC 3261 §20.3"),
    # The rest of RFC 3261; those of authentication are added by `sipparty.sip.auth`
    Header("Alert-Info", _reference, _LIST, rfc="RFC 3261 §20.4"),
    Header("Call-Info", _reference, _LIST, rfc="RFC 3261 §20.9"),
    Header("Error-Info", _reference, _LIST, rfc="RFC 3261 §20.18"),
    Header("Date", Date.parse, rfc="RFC 3261 §20.17"),
    Header("Expires", _number("Expires", _SECONDS), rfc="RFC 3261 §20.19"),
    Header("In-Reply-To", _words, _LIST, rfc="RFC 3261 §20.21"),
    Header("Min-Expires", _number("Min-Expires", _SECONDS), rfc="RFC 3261 §20.23"),
    Header("Organization", str, rfc="RFC 3261 §20.25"),
    Header("Priority", _token, rfc="RFC 3261 §20.26"),
    Header("Reply-To", _address, rfc="RFC 3261 §20.31"),
    Header("Retry-After", _numbers, rfc="RFC 3261 §20.33"),
    Header("Server", ProductList.parse, rfc="RFC 3261 §20.35"),
    Header("Subject", str, _ONE, "s", "RFC 3261 §20.36"),
    Header("Timestamp", Timestamp.parse, rfc="RFC 3261 §20.38"),
    Header("User-Agent", ProductList.parse, rfc="RFC 3261 §20.41"),
    Header("Warning", WarningValue.parse, _LIST, rfc="RFC 3261 §20.43"),
    # Reliable provisional responses, preconditions, session timers
    Header("RAck", RAck.parse, rfc="RFC 3262 §7.2"),
    Header("RSeq", _number("RSeq", _SECONDS, 1), rfc="RFC 3262 §7.1"),
    Header("Session-Expires", _numbers, _ONE, "x", "RFC 4028 §4"),
    Header("Min-SE", _numbers, rfc="RFC 4028 §5"),
    # Who it is, and who may know
    Header("Privacy", TokenList.parse, rfc="RFC 3323 §4.2"),
    Header("P-Asserted-Identity", _address, _LIST, rfc="RFC 3325 §9.1"),
    Header("P-Preferred-Identity", _address, _LIST, rfc="RFC 3325 §9.2"),
    Header("Identity", _words, _LIST, "y", "RFC 8224 §4"),
    Header("Diversion", _address, _LIST, rfc="RFC 5806"),
    Header("History-Info", _address, _LIST, rfc="RFC 7044 §5"),
    Header("Session-ID", _words, rfc="RFC 7989 §5"),
    Header("User-to-User", _words, _LIST, rfc="RFC 7433 §4.1"),
    # Where it goes, and what for
    Header("Path", _address, _LIST, rfc="RFC 3327 §4"),
    Header("Service-Route", _address, _LIST, rfc="RFC 3608 §5"),
    Header("Reason", _tokens, _LIST, rfc="RFC 3326 §2"),
    Header("Accept-Contact", _tokens, _LIST, "a", "RFC 3841 §9.2"),
    Header("Reject-Contact", _tokens, _LIST, "j", "RFC 3841 §9.2"),
    Header("Request-Disposition", _token, _TOKENS, "d", "RFC 3841 §9.1"),
    Header("Feature-Caps", _tokens, _LIST, rfc="RFC 6809"),
    Header("Resource-Priority", _token, _TOKENS, rfc="RFC 4412 §3.1"),
    Header("Accept-Resource-Priority", _token, _TOKENS, rfc="RFC 4412 §3.2"),
    Header("Max-Breadth", _number("Max-Breadth", 255), rfc="RFC 5393 §5.3.1"),
    Header("Answer-Mode", _tokens, rfc="RFC 5373 §2"),
    Header("Priv-Answer-Mode", _tokens, rfc="RFC 5373 §2"),
    Header("Geolocation", _reference, _LIST, rfc="RFC 6442 §4.1"),
    Header("Geolocation-Routing", _tokens, rfc="RFC 6442 §4.2"),
    Header("Geolocation-Error", _numbers, rfc="RFC 6442 §4.4"),
    # Calls made of calls
    Header("Refer-To", _address, _ONE, "r", "RFC 3515 §2.1"),
    Header("Referred-By", _address, _ONE, "b", "RFC 3892 §3"),
    Header("Refer-Sub", _tokens, rfc="RFC 4488 §4"),
    Header("Replaces", _words, rfc="RFC 3891 §6.1"),
    Header("Join", _words, rfc="RFC 3911 §7.1"),
    Header("Target-Dialog", _words, rfc="RFC 4538 §7"),
    # Events, publication, info packages
    Header("Event", _tokens, _ONE, "o", "RFC 6665 §8.2.1"),
    Header("Allow-Events", _token, _TOKENS, "u", "RFC 6665 §8.2.2"),
    Header("Subscription-State", _tokens, rfc="RFC 6665 §8.2.3"),
    Header("Suppress-If-Match", _token, rfc="RFC 5839 §7.2"),
    Header("SIP-ETag", _token, rfc="RFC 3903 §11.3.1"),
    Header("SIP-If-Match", _token, rfc="RFC 3903 §11.3.2"),
    Header("Info-Package", _tokens, rfc="RFC 6086 §7.2"),
    Header("Recv-Info", _tokens, _LIST, rfc="RFC 6086 §7.3"),
    # Connections and security agreement
    Header("Flow-Timer", _number("Flow-Timer", _SECONDS), rfc="RFC 5626 §11.1"),
    Header("Security-Client", _tokens, _LIST, rfc="RFC 3329 §2.2"),
    Header("Security-Server", _tokens, _LIST, rfc="RFC 3329 §2.2"),
    Header("Security-Verify", _tokens, _LIST, rfc="RFC 3329 §2.2"),
    # The mobile networks'
    Header("P-Access-Network-Info", _tokens, _LIST, rfc="RFC 7315 §4.4"),
    Header("P-Associated-URI", _address, _LIST, rfc="RFC 7315 §4.1"),
    Header("P-Called-Party-ID", _address, rfc="RFC 7315 §4.2"),
    Header("P-Charging-Function-Addresses", _named, rfc="RFC 7315 §4.5"),
    Header("P-Charging-Vector", _named, rfc="RFC 7315 §4.6"),
    Header("P-Visited-Network-ID", _words, _LIST, rfc="RFC 7315 §4.3"),
    Header("P-Early-Media", _token, _TOKENS, rfc="RFC 5009 §8"),
    Header("P-Asserted-Service", _words, _LIST, rfc="RFC 6050 §4.1"),
    Header("P-Preferred-Service", _words, _LIST, rfc="RFC 6050 §4.2"),
)

#: The table, by key: the name in lower case.
HEADERS: dict[str, Header] = {}

#: Every spelling met often, to its key; any other is folded when met.
SPELLINGS: dict[str, str] = {}


def register_header(
    name: str,
    parse: Callable[[str], Any] = str,
    many: Many = Many.ONE,
    *,
    compact: str = "",
    rfc: str = "",
) -> None:
    """Add a row to the table of headers, or replace one.

    Args:
        name: The header's name.
        parse: Makes a value from text or raises `ParseError`; `str()` of a value must give its
        text. A class such as `int` will do: its `ValueError` becomes a `ParseError`.
        many: How values are counted.
        compact: A one-letter form, where one is registered.
        rfc: Where it is defined, for the documentation.

    Raises:
        BuildError: The name or the compact form is not a token, or the compact form is another
        header's.
    """
    key = name.lower()
    for spelling in (name, compact):
        if spelling and not is_token(spelling):
            raise BuildError(f"{spelling!r} cannot be a header name: expected a token.")
    if compact and SPELLINGS.get(compact.lower(), key) != key:
        raise BuildError(
            f"{compact!r} is the compact form of {header_name(SPELLINGS[compact.lower()])} already."
        )
    if isinstance(parse, type) and parse is not str:
        parse = _made_by(parse, name)
    HEADERS[key] = Header(name, parse, many, compact, rfc)
    for spelling in (name, compact):
        if spelling:
            for form in (spelling, spelling.lower(), spelling.upper(), spelling.title()):
                SPELLINGS[form] = key


def header_key(name: str) -> str:
    """Return the key of a header by any of its names: lower case, compact forms resolved."""
    key = SPELLINGS.get(name)
    if key is None:
        key = name.lower()
        key = SPELLINGS.get(key, key)
    return key


def header_name(key: str) -> str:
    """Return the name that a header with this key is written by."""
    row = HEADERS.get(key)
    return row.name if row is not None else "-".join(part.capitalize() for part in key.split("-"))


for _row in _ROWS:
    register_header(_row.name, _row.parse, _row.many, compact=_row.compact, rfc=_row.rfc)
