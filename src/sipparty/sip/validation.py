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
* Time is linear in the size of the message. `Message.facts` says those that nothing is wrong with
  in a fraction of it.

    status  for
    505     a version other than SIP/2.0 (§21.5.7)
    416     a Request-URI of a scheme that is not sip: or sips: (§8.2.2.1)
    400     what the message cannot be processed without, missing, repeated or unreadable
    0       anything else that is not as it should be
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from sipparty.errors import ParseError, printable
from sipparty.late import late_pattern
from sipparty.sip.facts import SINGLE
from sipparty.sip.grammar import address_tag, split_list
from sipparty.sip.headers import HEADERS, Header, Many, header_name
from sipparty.sip.lenient import is_spaced
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.multipart import Entity
from sipparty.sip.typed import AddressReference
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import CSeq, DNameURI, Via

__all__ = ["Finding", "blame", "check_response", "findings", "first_fault", "is_rfc2543"]


class Finding(NamedTuple):
    """One defect of a message.

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
_PROTECTED = late_pattern(r'"(?:[^"\\]++|\\.?)*+"?|<[^<>]*+>', re.S)
#: A parameter that is none, and an element of a list that is none.
_EMPTY_PARAMETER = late_pattern(r";[ \t]*+(?=[;,]|$)")
_EMPTY_ELEMENT = late_pattern(r",[ \t]*+(?=,|$)|^[ \t]*+,")
#: What stands in no line outside of quotes (§25.1); a tab is white space.
_CONTROL = late_pattern(r"[\x00-\x08\x0a-\x1f\x7f]")


def first_fault(message: Message) -> Finding | None:
    """Return the first finding that a request is to be refused for, or a response dropped for; None
    where there is none.
    """
    return next((found for found in _Reading(message).found if found.status), None)


def findings(message: Message) -> list[Finding]:
    """Return all that is amiss in a message, what is to be refused first.

    Args:
        message: A request or a response, parsed or built.
    """
    return sorted(_Reading(message).found, key=lambda found: not found.status)


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


def is_rfc2543(message: Message) -> bool:
    """Whether the top Via lacks the cookie of RFC 3261 (§8.1.1.7), so that RFC 2543 applies: no tag
    in From, no Contact, no Max-Forwards.
    """
    try:
        branch = message.facts.branch
    except ParseError:
        return False
    return branch is None or not branch.lower().startswith(_COOKIE)


def _refuse_controls(text: str, header: str) -> None:
    """Refuse control characters outside of quotes: what is taken over into our own requests has to
    be right (From, To, Record-Route), and so has what stands beside it.
    """
    control = _CONTROL.search(text)
    if control is not None:
        raise ParseError(text, "no control characters", control.start(), what=header)


class _Reading:
    """What is found in one message, in the order of §8.2: each check adds to it."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.found: list[Finding] = []
        #: The method of a request, or of the one that a response is for.
        self.method = message._method or (message._text("cseq") or "").rpartition(" ")[2]
        #: The status for what a request cannot do without, and a response can: it is dropped for
        #: what says whose it is, and for nothing else.
        self.fatal = 400 if message._method else 0
        self.check_start()
        self.check_names()
        self.check_sequence()
        self.check_vias()
        for key in ("from", "to"):
            self.check_addresses(key, 400)
        if message._text("from") and self.read("", 0, address_tag, message._text("from")) is None:
            self.add(0, "From", "From without a tag")  # §8.1.1.3; RFC 2543 had none
        # §8.2: what is not needed does no harm.
        needed = message._method not in _NO_TARGET
        for key in ("contact", "record-route"):
            self.check_addresses(key, self.fatal if needed else 0)
        if message._method == "INVITE" and message._text("contact") is None:
            self.add(0, "Contact", "Missing Contact header field")  # §8.1.1.8; who needs it says so
        if message._method and message._text("max-forwards") is None:
            self.add(0, "Max-Forwards", "Missing Max-Forwards header field")  # §8.1.1.6, §16.3
        for key in ("max-forwards", "require"):  # §8.2.2.3: what is asked for has to be known
            self.read(HEADERS[key].name, self.fatal, message._values, key)
        if message.body:
            self.check_body()
        self.check_others()

    def add(self, status: int, header: str, what: str) -> None:
        self.found.append(Finding(status, header, what))

    def read(self, header: str, status: int, read: Callable[..., Any], *args: Any) -> Any:
        """Read something; what it raises is found of a header, if one is named, and "" returned."""
        try:
            return read(*args)
        except ParseError as error:
            if header:
                what = printable(f"Malformed {header}: expected {error.expected}")
                self.add(status, header, what)
            return ""

    def check_start(self) -> None:
        message = self.message
        if message._version.upper() != "SIP/2.0":  # §7.1: compared without regard to case
            self.add(505, "SIP-Version", "Version Not Supported")
        if isinstance(message, Request):
            parts = self.read("Request-URI", 400, split_sip_uri, message.uri_text)
            if parts and not parts.host:
                self.add(416, "Request-URI", "Unsupported URI Scheme")
            elif parts and parts.headers:
                self.add(400, "Request-URI", "Headers In Request-URI")  # §19.1.1, table 1

    def check_names(self) -> None:
        """What is missing, and what is there twice."""
        for key in _MANDATORY:
            if not self.message._text(key):
                self.add(400, header_name(key), f"Missing {header_name(key)} header field")
        counts = Counter(key for key, _, _ in self.message._fields)
        fatal = SINGLE if self.message._method else _MANDATORY
        for key, count in counts.items():
            row = HEADERS.get(key)
            if count > 1 and row is not None and row.many is Many.ONE:
                # §7.3.1: a header that is no list cannot be given twice. Of what matters less than
                # identity, kind and duration, the first counts.
                status = 400 if key in fatal else 0
                self.add(status, row.name, f"Duplicate {row.name} header field")

    def check_sequence(self) -> None:
        text, method = self.message._text("cseq"), self.message._method
        cseq = self.read("CSeq", 400, CSeq.parse, text) if text else None
        if cseq and method and cseq.method != method:
            self.add(400, "CSeq", f"CSeq Method Is Not {method}")  # §8.1.1.5
        if _CONTROL.search(self.message._text("call-id") or "") is not None:
            self.add(400, "Call-ID", "Malformed Call-ID: expected visible characters")

    def check_vias(self) -> None:
        for text in self.message.lines("Via"):
            # An empty one is found as missing, or is nothing.
            if text and self.read("Via", 400, self._read_via, text):
                self.add(0, "Via", "Separators with nothing between in Via")
        if self.message._text("via") and is_rfc2543(self.message):
            self.add(0, "Via", "Branch without the cookie of RFC 3261")

    def _read_via(self, text: str) -> bool:
        """Read a line of Vias; return whether it has empty parameters."""
        elements = split_list(text, "Via")
        bare = _PROTECTED.sub("x", text)
        # RFC 4475 §3.1.2.1: of a list of hops none can be missing.
        if _EMPTY_ELEMENT.search(bare) is not None:
            raise ParseError(text, "a hop before and after each ','", None, what="Via")
        for element in elements:
            Via.parse(element)
        _refuse_controls(bare, "Via")
        return _EMPTY_PARAMETER.search(bare) is not None

    def check_addresses(self, key: str, status: int) -> None:
        """What is wrong in a header that holds names and addresses: one, or a list of them.

        Nothing that a property of its values would refuse passes here.
        """
        row = HEADERS[key]
        empty = spaced = False
        for text in self.message.lines(row.name):
            if not text and key in _MANDATORY:
                continue  # found as missing
            read = self.read(row.name, status, self._read_addresses, text, row)
            if not read:
                return
            empty, spaced = empty or read[0], spaced or read[1]
        if empty:
            self.add(0, row.name, f"Separators with nothing between in {row.name}")
        if spaced:
            self.add(0, row.name, f"White space within the angle brackets of {row.name}")

    def _read_addresses(self, text: str, row: Header) -> tuple[bool, bool]:
        """Read a line of addresses; return whether it has empty parts, and spaces in brackets."""
        spaced, several = False, row.many is Many.LIST
        for element in split_list(text, row.name) if several else [text]:
            value = DNameURI.parse(element)
            parts = value.parts
            if "<" not in element and parts.headers:
                # §20: a URI with a comma, a question mark or a semicolon stands in brackets.
                raise ParseError(element, "'<' and '>' around a URI with '?'", 0)
            if value.is_wildcard and self.method != "REGISTER":
                raise ParseError(element, "an address", 0)  # §10.2.2
            spaced = spaced or is_spaced(element)
        bare = _PROTECTED.sub("x", text)
        _refuse_controls(bare, row.name)
        if "," in bare and not several:
            # §20: a comma of the URI's own stands in brackets; this one begins another value.
            raise ParseError(text, "one address", text.find(","))
        empty = _EMPTY_PARAMETER.search(bare) or (several and _EMPTY_ELEMENT.search(bare))
        return bool(empty), spaced

    def check_body(self) -> None:
        """What describes the body, and the parts of a body that has some (RFC 5621)."""
        message = self.message
        if not message._text("content-type"):
            self.add(0, "Content-Type", "Missing Content-Type header field")  # §20.15
        header = "Content-Type"
        try:
            for key in ("content-type", "content-disposition"):
                text = message._text(key)
                if text or (text is not None and key == "content-disposition"):
                    header = HEADERS[key].name
                    HEADERS[key].parse(text)
            header = "Content-Type"
            if message.is_multipart:
                self.check_parts(message)
            header = "Content-Transfer-Encoding"
            _ = message.content
        except ParseError as error:
            what = printable(f"Malformed {header}: expected {error.expected}")
            self.add(error.status if self.fatal else 0, header, what)

    def check_parts(self, entity: Entity) -> None:
        """The parts of a body, and theirs. One that cannot be read keeps none from being served."""
        for part in entity.parts:
            self.read("Content-Transfer-Encoding", 0, getattr, part, "content")
            if part.is_multipart:
                self.check_parts(part)

    def check_others(self) -> None:
        """Every other header with a type (§8.2: ignored if malformed, where it is not needed)."""
        seen = set(_SEEN)
        if self.message.body:
            seen |= {"content-type", "content-disposition"}
        for key, _, _ in self.message._fields:
            row = HEADERS.get(key)
            if key in seen or row is None:
                continue
            seen.add(key)
            if row.parse == DNameURI.parse:
                self.check_addresses(key, 0)
            else:
                self.read(row.name, 0, self._read_values, key)

    def _read_values(self, key: str) -> None:
        for value in self.message._values(key):
            if isinstance(value, AddressReference):
                _ = value.uri


#: Headers that have a check of their own.
_SEEN = frozenset({*_MANDATORY, "contact", "record-route", "max-forwards", "require"})
