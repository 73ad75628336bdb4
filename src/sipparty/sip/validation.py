"""What is missing or wrong in a message, apart from parsing it (RFC 3261 §8.1.1, §8.2, §20).

    findings(message)       everything that is amiss, the gravest first
    first_fault(message)    the first one that it has to be refused for
    is_rfc2543(message)     whether it is of an element older than RFC 3261

Laws:

* A message that parses may still lack what it must have, or hold values that mean nothing. Here
  that is listed, and nothing is raised.
* Where there is no first fault, every attribute of the message can be read (`message.from_`,
  `message.contact`, ...), and so can every property of what it gives, down to the URI. Where the
  mapping raises (`message["Date"]`), or a property of what that gives, the header is listed.
* What the processing of a request does not need is to be ignored when it is malformed (§8.2), what
  RFC 2543 allowed is to be tolerated, and what can be read though it should be written otherwise
  (spaces within angle brackets, separators with nothing between) is read: such findings have
  status 0.
* The body of a request is looked at as far as it has parts; that of a response is judged by who
  uses it, since a response cannot be refused.
* Time is linear in the size of the message. `Message.facts` tells those that nothing is wrong with
  in a fraction of it.

    status  for
    505     a version other than SIP/2.0 (§21.5.7)
    416     a Request-URI of a scheme that is not sip: or sips: (§8.2.2.1)
    400     what the message cannot be processed without, missing, repeated or unreadable
    0       anything else that is not as it should be
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sipparty.errors import ParseError, printable
from sipparty.sip.facts import SINGLE
from sipparty.sip.grammar import find_parameter, split_list
from sipparty.sip.headers import HEADERS, Header, Many, header_name
from sipparty.sip.lenient import is_spaced
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.multipart import Entity
from sipparty.sip.typed import AddressReference
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import CSeq, DNameURI, Via

__all__ = ["Finding", "blame", "check_response", "findings", "first_fault", "is_rfc2543"]


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
#: Requests that make no dialog and change none, so that nothing is sent by their Contact and
#: Record-Route (§8.1.1.8, §12.1, §20 table 2).
_NO_TARGET = frozenset({"BYE", "CANCEL", "INFO", "MESSAGE", "OPTIONS", "PRACK", "PUBLISH"})
_COOKIE = "z9hg4bk"

#: Quoted strings, ended or not, and what is in angle brackets.
_PROTECTED = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|<[^<>]*+>', re.S)
#: A parameter that is none, and an element of a list that is none.
_EMPTY_PARAMETER = re.compile(r";[ \t]*+(?=[;,]|$)")
_EMPTY_ELEMENT = re.compile(r",[ \t]*+(?=,|$)|^[ \t]*+,")
#: What stands in no line outside of quotes (§25.1); a tab is white space.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


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


def check_response(response: Response) -> None:
    """Check that a response says whose it is; what does not is nobody's (§16.7 drops it too).

    Raises:
        ParseError: It does not.
    """
    fault = first_fault(response)
    if fault is not None:
        raise ParseError(str(response)[:80], fault.what, None, what="SIP response")


def blame(error: ParseError, message: Message | None = None) -> str:
    """Return the reason phrase for what cannot be read (RFC 3261 §21.4.1): it names the header of
    the message that the text is of, or what else it is.
    """
    name, text = error.what, error.text
    if message is not None and isinstance(text, str) and text:
        for key, value, _ in message._fields:
            if text in value:
                name = header_name(key)
                break
    return printable(f"Malformed {name}: expected {error.expected}")


def _found(message: Message) -> Iterator[Finding]:
    for check in _CHECKS:
        yield from check(message)


def _bad(header: str, error: ParseError, status: int = 400) -> Finding:
    return Finding(status, header, printable(f"Malformed {header}: expected {error.expected}"))


def _if_request(message: Message) -> int:
    """The status for what a request cannot do without, and a response can: it is dropped for what
    says whose it is, and for nothing else.
    """
    return 400 if isinstance(message, Request) else 0


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
    fatal = SINGLE if isinstance(message, Request) else _MANDATORY
    for key, count in counts.items():
        row = HEADERS.get(key)
        if count > 1 and row is not None and row.many is Many.ONE:
            # §7.3.1: a header that is no list cannot be given twice. Of what matters less than
            # whom, what and how long, the first counts.
            status = 400 if key in fatal else 0
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


def _call_id(message: Message) -> Iterator[Finding]:
    text = message._text("call-id") or ""
    if _CONTROL.search(text) is not None:
        yield Finding(400, "Call-ID", "Malformed Call-ID: expected visible characters")


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
        vias = split_list(message._text("via") or "", "Via")
        branch = find_parameter(vias[0], "branch") if vias else _COOKIE
    except ParseError:
        return False
    return branch is None or not branch.lower().startswith(_COOKIE)


def _vias(message: Message) -> Iterator[Finding]:
    for text in message.lines("Via"):
        if not text:
            continue  # told of as missing, or nothing
        try:
            elements = split_list(text, "Via")
            bare = _PROTECTED.sub("x", text)
            empty = _EMPTY_ELEMENT.search(bare)
            # RFC 4475 §3.1.2.1: of a list of hops none can be missing.
            if empty is not None:
                raise ParseError(text, "a hop before and after each ','", None, what="Via")
            for element in elements:
                Via.parse(element)
            _refuse_controls(bare, "Via")
        except ParseError as error:
            yield _bad("Via", error)
            continue
        if _EMPTY_PARAMETER.search(bare) is not None:
            yield _empty("Via")
    if message._text("via") and is_rfc2543(message):
        yield Finding(0, "Via", "Branch without the cookie of RFC 3261")


def _refuse_controls(text: str, header: str) -> None:
    """Refuse control characters outside of quotes: what is taken over into our own requests has to
    be right (From, To, Record-Route), and so has what stands beside it.
    """
    control = _CONTROL.search(text)
    if control is not None:
        raise ParseError(text, "no control characters", control.start(), what=header)


def _empty(header: str) -> Finding:
    return Finding(0, header, f"Separators with nothing between in {header}")


def _addresses(message: Message, key: str, status: int) -> Iterator[Finding]:
    """What is wrong in a header that holds names and addresses: one, or a list of them.

    Nothing that a property of its values would refuse passes here.
    """
    row = HEADERS[key]
    empty = spaced = False
    for text in message.lines(row.name):
        if not text and key in _MANDATORY:
            continue  # told of as missing
        try:
            elements = split_list(text, row.name) if row.many is Many.LIST else [text]
            for element in elements:
                value = DNameURI.parse(element)
                parts = value.parts
                if "<" not in element and parts.headers:
                    # §20: a URI with a comma, a question mark or a semicolon stands in brackets.
                    raise ParseError(element, "'<' and '>' around a URI with '?'", 0)
                if value.is_wildcard and _method(message) != "REGISTER":
                    raise ParseError(element, "an address", 0)  # §10.2.2
                spaced = spaced or is_spaced(element)
            bare = _PROTECTED.sub("x", text)
            _refuse_controls(bare, row.name)
            if "," in bare and row.many is not Many.LIST:
                # §20: a comma of the URI's own stands in brackets; this one begins another value.
                raise ParseError(text, "one address", text.find(","))
        except ParseError as error:
            yield _bad(row.name, error, status)
            return
        empty = empty or _EMPTY_PARAMETER.search(bare) is not None
        empty = empty or (row.many is Many.LIST and _EMPTY_ELEMENT.search(bare) is not None)
    if empty:
        yield _empty(row.name)
    if spaced:
        yield Finding(0, row.name, f"White space within the angle brackets of {row.name}")


def _method(message: Message) -> str:
    """The method of a request, or of the one that a response is for."""
    if isinstance(message, Request):
        return message.method
    return (message._text("cseq") or "").rpartition(" ")[2]


def _parties(message: Message) -> Iterator[Finding]:
    yield from _addresses(message, "from", 400)
    yield from _addresses(message, "to", 400)
    text = message._text("from") or ""
    try:
        if text and find_parameter(text[text.rfind(">") + 1 :], "tag") is None:
            yield Finding(0, "From", "From without a tag")  # §8.1.1.3; RFC 2543 had none
    except ParseError:
        return  # told of already


def _targets(message: Message) -> Iterator[Finding]:
    # §8.2: what is not needed is not in the way.
    needed = isinstance(message, Request) and message.method not in _NO_TARGET
    yield from _addresses(message, "contact", 400 if needed else 0)
    yield from _addresses(message, "record-route", 400 if needed else 0)
    if message._text("contact") is None and _method(message) == "INVITE" and needed:
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
        yield _bad("Max-Forwards", error, _if_request(message))


def _length(message: Message) -> Iterator[Finding]:
    text = message._text("content-length")
    if text is not None:
        try:
            length = HEADERS["content-length"].parse(text)
        except ParseError as error:
            yield _bad("Content-Length", error, _if_request(message))
        else:
            if length != len(message.body) and not message._length_due:
                status = _if_request(message)
                yield Finding(status, "Content-Length", "Content-Length Is Not That Of The Body")


def _body(message: Message) -> Iterator[Finding]:
    """What describes the body, and the parts of a body that has some (RFC 5621)."""
    if not message.body:
        return
    if not message._text("content-type"):
        yield Finding(0, "Content-Type", "Missing Content-Type header field")  # §20.15
    status = _if_request(message)
    header = "Content-Type"
    try:
        for key in ("content-type", "content-disposition"):
            text = message._text(key)
            if text or (text is not None and key == "content-disposition"):
                header = HEADERS[key].name
                HEADERS[key].parse(text)
        header = "Content-Type"
        if message.is_multipart:
            yield from _parts(message)
        header = "Content-Transfer-Encoding"
        _ = message.content
    except ParseError as error:
        yield _bad(header, error, error.status if status else 0)


def _parts(entity: Entity) -> Iterator[Finding]:
    """The parts of a body, and theirs. One that cannot be read keeps none from being served."""
    for part in entity.parts:
        try:
            _ = part.content
        except ParseError as error:
            yield _bad("Content-Transfer-Encoding", error, 0)
        if part.is_multipart:
            yield from _parts(part)


def _require(message: Message) -> Iterator[Finding]:
    """§8.2.2.3: what is asked for has to be known."""
    if message._text("require") is not None:
        try:
            message._values("require")
        except ParseError as error:
            yield _bad("Require", error, _if_request(message))


#: Headers that others of the checks have looked at.
_SEEN = frozenset(
    {*_MANDATORY, "contact", "record-route", "max-forwards", "content-length", "require"}
)


def _others(message: Message) -> Iterator[Finding]:
    """Every other header with a type (§8.2: ignored if malformed, where it is not needed)."""
    seen = set(_SEEN)
    if message.body:
        seen |= {"content-type", "content-disposition"}
    for key, _, _ in message._fields:
        row = HEADERS.get(key)
        if key in seen or row is None:
            continue
        seen.add(key)
        if row.parse == DNameURI.parse:
            yield from _addresses(message, key, 0)
        else:
            yield from _other(message, row)


def _other(message: Message, row: Header) -> Iterator[Finding]:
    try:
        values: list[Any] = message._values(row.name.lower())
        for value in values:
            if isinstance(value, AddressReference):
                _ = value.uri
    except ParseError as error:
        yield _bad(row.name, error, 0)


_CHECKS: tuple[Callable[[Message], Iterator[Finding]], ...] = (
    _version,
    _request_uri,
    _missing,
    _repeated,
    _sequence,
    _call_id,
    _vias,
    _parties,
    _targets,
    _hops,
    _require,
    _length,
    _body,
    _others,
)
