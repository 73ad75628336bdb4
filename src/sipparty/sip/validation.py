"""What is missing or wrong in a message, apart from parsing it (RFC 3261 §8.1.1, §8.2, §20).

    findings(message)       everything that is amiss, the gravest first
    first_fault(message)    the first one that a request has to be refused for
    is_rfc2543(message)     whether it is of an element older than RFC 3261
    is_plain(request)       whether a request is of the common form, so that there is none

Laws:

* A message that parses may still lack what it must have, or hold values that mean nothing. Reading
  those raises `ParseError` where they are read; here they are listed, and nothing is raised.
* What the processing of a request does not need is to be ignored when it is malformed (§8.2), and
  what RFC 2543 allowed is to be tolerated: such findings have status 0.
* Time is linear in the size of the message. `is_plain` may say no of a request that is right; it
  never says yes of one that `first_fault` finds fault with.

    status  for
    505     a version other than SIP/2.0 (§21.5.7)
    416     a Request-URI of a scheme that is not sip: or sips: (§8.2.2.1)
    400     what the request cannot be processed without, missing, repeated or unreadable
    0       anything else that is not as it should be
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sipparty.errors import ParseError
from sipparty.sip.grammar import (
    MAX_PARAMETERS,
    TOKEN_CHARS,
    find_parameter,
    split_list,
    split_sip_uri,
)
from sipparty.sip.headers import HEADERS, Many, header_name
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.values import CSeq, DNameURI, Via

__all__ = ["Finding", "findings", "first_fault", "is_plain", "is_rfc2543"]


class Finding(NamedTuple):
    """One thing that is amiss.

    Args:
        status: The status code to refuse a request with; 0 where it is to be tolerated. A response
            with a finding of another status is to be dropped (§8.1.3, §16.7).
        header: The header to blame, or "Request-URI" or "SIP-Version".
        what: What is wrong, fit for a reason phrase (§21.4.1).
    """

    status: int
    header: str
    what: str


#: What every message has (§8.1.1, §8.2.6.2), in the order it is missed.
_MANDATORY = ("via", "from", "to", "call-id", "cseq")
#: What no message has two of: they say who, what and how long.
_SINGLE = frozenset(
    {"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"}
)
_COOKIE = "z9hg4bk"

# ---------------------------------------------------------------------- the common form

_TIMES = f"{{0,{MAX_PARAMETERS}}}+"
_URI_PARAMETERS = rf"(?:;[{TOKEN_CHARS}]++(?:=[{TOKEN_CHARS}:\[\]]++)?+){_TIMES}"
_PARAMETERS = rf'(?:;[{TOKEN_CHARS}]++(?:=(?:[{TOKEN_CHARS}:\[\]]++|"[^"\\]*+"))?+){_TIMES}'
#: A name or an IPv4 address, and a port that is certainly in range.
_HOST = (
    r"[A-Za-z0-9](?:[A-Za-z0-9.\-]*+)"
    r"(?::(?:[1-5][0-9]{4}|6[0-4][0-9]{3}|[0-9]{1,4})(?![0-9]))?+"
)
_PLAIN_VIA = re.compile(rf"SIP/2\.0/[A-Z]++ {_HOST}{_PARAMETERS}")
_PLAIN_URI = re.compile(rf"sips?:(?:[A-Za-z0-9\-_.!~*'()&=+$,%]++@)?{_HOST}{_URI_PARAMETERS}")
_PLAIN_ADDRESS = re.compile(
    rf"(?:\"[^\"\\]*+\"[ \t]*+|[{TOKEN_CHARS}][{TOKEN_CHARS} \t]*+)?+"
    rf"<{_PLAIN_URI.pattern}>{_PARAMETERS}"
)


#: Quoted strings, ended or not, and what is in angle brackets.
_PROTECTED = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|<[^<>]*+>', re.S)
#: A separator with nothing behind it, or a comma with nothing before.
_EMPTY = re.compile(r"[;,][ \t]*+(?=[;,]|$)|^[ \t]*+,")


def is_plain(request: Request) -> bool:
    """Whether a request is of the form that nearly all have, which is right.

    This is for every request that comes; the rest of this module for those it says no of.
    """
    if request._version != "SIP/2.0" or _PLAIN_URI.fullmatch(request._uri_text) is None:
        return False
    index = request._index
    if index is None:
        index = request._make_index()
    fields = request._fields
    try:
        if (
            _PLAIN_VIA.fullmatch(fields[index["via"]][1]) is None
            or _PLAIN_ADDRESS.fullmatch(fields[index["from"]][1]) is None
            or _PLAIN_ADDRESS.fullmatch(fields[index["to"]][1]) is None
            or not fields[index["call-id"]][1]
        ):
            return False
        number, _, method = fields[index["cseq"]][1].partition(" ")
    except KeyError:
        return False
    if method != request._method or len(number) > 9 or not (number.isascii() and number.isdigit()):
        return False
    at = index.get("contact")
    if at is not None and _PLAIN_ADDRESS.fullmatch(fields[at][1]) is None:
        return False
    at = index.get("max-forwards")
    if at is not None:
        hops = fields[at][1]
        if len(hops) > 2 or not (hops.isascii() and hops.isdigit()):
            return False
    if request._repeats:
        contacts = 0
        seen = set()
        for key, value, _ in fields:
            if key in _SINGLE:
                if key in seen:
                    return False
                seen.add(key)
            elif key == "contact":
                contacts += 1
            elif key == "via" and _PLAIN_VIA.fullmatch(value) is None:
                return False
        return contacts <= 1
    return True


# ---------------------------------------------------------------------- everything


def first_fault(message: Message) -> Finding | None:
    """Return the first finding that a request is to be refused for, or a response dropped for; None
    where there is none.
    """
    return next((found for found in _found(message) if found.status), None)


def findings(message: Message) -> list[Finding]:
    """Return all that is amiss in a message, what is to be refused first.

    Args:
        message: A request or a response, parsed or built.
    """
    return sorted(_found(message), key=lambda found: not found.status)


def _found(message: Message) -> Iterator[Finding]:
    for check in _CHECKS:
        yield from check(message)


def _bad(header: str, error: ParseError, status: int = 400) -> Finding:
    return Finding(status, header, f"Malformed {header}: expected {error.expected}")


def _version(message: Message) -> Iterator[Finding]:
    version = message.version if isinstance(message, (Request, Response)) else ""
    if version.upper() != "SIP/2.0":  # §7.1: compared without regard to case
        yield Finding(505, "SIP-Version", "Version Not Supported")


def _missing(message: Message) -> Iterator[Finding]:
    for key in _MANDATORY:
        if not message._text(key):
            yield Finding(400, header_name(key), f"Missing {header_name(key)} header field")


def _repeated(message: Message) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    for key, _, _ in message._fields:
        counts[key] = counts.get(key, 0) + 1
    for key, count in counts.items():
        row = HEADERS.get(key)
        if count > 1 and row is not None and row.many is Many.ONE:
            # §7.3.1: a header that is no list cannot be given twice. Of what matters less than
            # whom, what and how long, the first counts.
            status = 400 if key in _SINGLE else 0
            yield Finding(status, row.name, f"Duplicate {row.name} header field")


def _request_uri(message: Message) -> Iterator[Finding]:
    if not isinstance(message, Request):
        return
    try:
        parts = split_sip_uri(message.uri_text)
    except ParseError as error:
        yield _bad("Request-URI", error)
        return
    if not parts.host:
        yield Finding(416, "Request-URI", "Unsupported URI Scheme")
    elif parts.headers:
        yield Finding(400, "Request-URI", "Headers In Request-URI")  # §19.1.1, table 1


def _sequence(message: Message) -> Iterator[Finding]:
    text = message._text("cseq")
    if not text:
        return
    try:
        cseq = CSeq.parse(text)
    except ParseError as error:
        yield _bad("CSeq", error)
        return
    if isinstance(message, Request) and cseq.method != message.method:
        yield Finding(400, "CSeq", f"CSeq Method Is Not {message.method}")  # §8.1.1.5


def is_rfc2543(message: Message) -> bool:
    """Whether the top Via lacks the cookie of RFC 3261 (§8.1.1.7), so that RFC 2543 applies: no tag
    in From, no Contact, no Max-Forwards.
    """
    try:
        branch = find_parameter(split_list(message._text("via") or "", "Via")[0], "branch")
    except (ParseError, IndexError):
        return False
    return branch is None or not branch.lower().startswith(_COOKIE)


def _vias(message: Message) -> Iterator[Finding]:
    for text in message.lines("Via"):
        try:
            for element in _elements(text, "Via"):
                Via.parse(element)
        except ParseError as error:
            yield _bad("Via", error)
    if message._text("via") and is_rfc2543(message):
        yield Finding(0, "Via", "Branch without the cookie of RFC 3261")


def _elements(text: str, header: str) -> list[str]:
    """Split a list as the grammar has it: no element of it is empty, and no parameter.

    What is in quotes or angle brackets is left out of the search.
    """
    elements = split_list(text, header)
    empty = _EMPTY.search(_PROTECTED.sub("x", text))
    if empty is not None:
        raise ParseError(text, f"something after each {empty.group().strip()!r}", None, what=header)
    return elements


def _address(message: Message, key: str) -> Iterator[Finding]:
    name = header_name(key)
    for text in message.lines(name):
        if not text:
            continue  # told of as missing
        try:
            value = DNameURI.parse(text)
            value.parts  # noqa: B018 - raises what is wrong with the URI
        except ParseError as error:
            yield _bad(name, error)
            return


def _parties(message: Message) -> Iterator[Finding]:
    yield from _address(message, "from")
    yield from _address(message, "to")
    text = message._text("from") or ""
    try:
        if text and find_parameter(text[text.rfind(">") + 1 :], "tag") is None:
            yield Finding(0, "From", "From without a tag")  # §8.1.1.3; RFC 2543 had none
    except ParseError:
        return  # told of already


def _contacts(message: Message) -> Iterator[Finding]:
    texts = message.lines("Contact")
    for text in texts:
        try:
            for element in _elements(text, "Contact"):
                if element == "*":
                    continue
                value = DNameURI.parse(element)
                value.parts  # noqa: B018 - raises what is wrong with the URI
                if "<" not in element and "?" in value.uri_text:
                    # §20: a URI with a comma, a question mark or a semicolon stands in brackets.
                    raise ParseError(element, "'<' and '>' around a URI with '?'", 0)
        except ParseError as error:
            yield _bad("Contact", error)
            return
    if not texts and isinstance(message, Request) and message.method == "INVITE":
        yield Finding(
            0, "Contact", "Missing Contact header field"
        )  # §8.1.1.8; who needs it says so


def _hops(message: Message) -> Iterator[Finding]:
    text = message._text("max-forwards")
    if text is None:
        if isinstance(message, Request):
            yield Finding(0, "Max-Forwards", "Missing Max-Forwards header field")  # §8.1.1.6, §16.3
        return
    try:
        HEADERS["max-forwards"].parse(text)
    except ParseError as error:
        yield _bad("Max-Forwards", error)


def _body(message: Message) -> Iterator[Finding]:
    text = message._text("content-length")
    if text is not None:
        try:
            length = HEADERS["content-length"].parse(text)
        except ParseError as error:
            yield _bad("Content-Length", error)
        else:
            if length != len(message.body) and not message._length_due:
                yield Finding(400, "Content-Length", "Content-Length Is Not That Of The Body")
    if message.body and not message._text("content-type"):
        yield Finding(0, "Content-Type", "Missing Content-Type header field")  # §20.15


def _others(message: Message) -> Iterator[Finding]:
    """Every other header with a type (§8.2: ignored if malformed, where it is not needed)."""
    seen = {*_MANDATORY, "contact", "max-forwards", "content-length"}
    for key, _, _ in message._fields:
        row = HEADERS.get(key)
        if key in seen or row is None:
            continue
        seen.add(key)
        try:
            message._values(key)
        except ParseError as error:
            yield _bad(row.name, error, 0)


_CHECKS: tuple[Callable[[Message], Iterator[Finding]], ...] = (
    _version,
    _request_uri,
    _missing,
    _repeated,
    _sequence,
    _vias,
    _parties,
    _contacts,
    _hops,
    _body,
    _others,
)
