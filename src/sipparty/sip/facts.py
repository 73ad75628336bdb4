"""What every message needs of its head, read once: whose transaction and dialog it is, and whether
it is of the common form that nothing is wrong with.

Laws:

* One match of one pattern reads a message of the common form, as nearly all are. What does not fit
  is read by the general parsers; both find the same (`read_closely` holds for any message), but for
  `rport` and `maddr` of a response, which say nothing to who has sent the request.
* `Facts.plain` may be false of a message that is right; it is never true of one that
  `sipparty.sip.validation.first_fault` finds fault with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.sip.grammar import (
    MAX_PARAMETERS,
    TOKEN_CHARS,
    address_tag,
    find_parameter,
    split_list,
)
from sipparty.sip.tokens import BRANCH_COOKIE
from sipparty.sip.uri_grammar import PLAIN_HOST, PLAIN_PORT
from sipparty.sip.values import CSeq, Via

if TYPE_CHECKING:
    from sipparty.sip.message import Message

__all__ = ["SINGLE", "Facts", "read_closely", "read_facts", "top_via"]

#: What no request has two of: they say who, what and how long.
SINGLE = frozenset(
    {"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"}
)


class Facts(NamedTuple):
    """What is read of a message when it comes.

    Args:
        transport: The transport in the top Via, as it is written.
        host: The host of its sent-by, in lower case, an IPv6 address without brackets.
        port: The port of its sent-by; None where there is none.
        branch: Its branch; None where there is none.
        rport: Whether its `rport` asks for a port (RFC 3581 §3).
        maddr: Its `maddr`; None where there is none.
        several_vias: Whether there are Vias under the top one.
        call_id: The Call-ID; "" where there is none.
        from_tag: The tag of From; None where there is none, or From cannot be read.
        to_tag: The tag of To; None where there is none, "" where it cannot be read.
        number: The number of CSeq; -1 where it cannot be read.
        method: The method of CSeq; "" where it cannot be read.
        plain: Whether the message is of the common form, so that `validation` has nothing to find
            that it would have to be refused for.
    """

    transport: str
    host: str
    port: int | None
    branch: str | None
    rport: bool
    maddr: str | None
    several_vias: bool
    call_id: str
    from_tag: str | None
    to_tag: str | None
    number: int
    method: str
    plain: bool


# No group that captures stands in a possessive one: Python 3.11.0 to 3.11.4 cannot do that.
_TIMES = f"{{0,{MAX_PARAMETERS // 4}}}+"
_URI_TOKEN = r"[A-Za-z0-9\-.!*_+`'~]++"  # noqa: S105 - no secret
_URI_PARAMETERS = rf"(?:;{_URI_TOKEN}(?:=[A-Za-z0-9\-.!*_+`'~:\[\]]++)?+){_TIMES}"
_VALUE = rf'(?:=(?:[{TOKEN_CHARS}:\[\]]++|"[^"\\\n]*+"))?+'
_PORT = f"(?::{PLAIN_PORT})?+"
_GROUP = "[0-9A-Fa-f]{1,4}"
#: An IPv6 address as most are: in full, or with a gap behind three groups at the most.
_IPV6 = (
    rf"\[(?:(?:{_GROUP}:){{7}}{_GROUP}|(?:{_GROUP}:){{1,3}}:(?:{_GROUP}(?::{_GROUP}){{0,3}})?"
    rf"|::(?:{_GROUP}(?::{_GROUP}){{0,6}})?)\]"
)
_SENT_BY = (
    rf"SIP/2\.0/([A-Z]++) ([A-Za-z0-9][A-Za-z0-9.\-]*+|\[[0-9A-Fa-f:]++\])(?::(?!0)({PLAIN_PORT}))?"
)
#: Parameters of a Via but those that are looked at here: branch, maddr, received and rport.
_OTHERS = rf"(?:;(?![BbMmRr])[{TOKEN_CHARS}]++(?:=[{TOKEN_CHARS}:\[\]]++)?+){_TIMES}"
_BRANCH = rf";branch=({BRANCH_COOKIE}[{TOKEN_CHARS}]++)"
_REQUEST_VIA = (
    rf"{_SENT_BY}{_OTHERS}(;rport(?![^;\n]))?{_OTHERS}{_BRANCH}{_OTHERS}"
    rf"(;rport(?![^;\n]))?{_OTHERS}"
)
#: In a response it does not matter what became of the others.
_NOT_BRANCH = rf"(?:;(?![Bb])[{TOKEN_CHARS}]++(?:=[{TOKEN_CHARS}:\[\]]++)?+){_TIMES}"
_RESPONSE_VIA = rf"{_SENT_BY}{_NOT_BRANCH}{_BRANCH}{_NOT_BRANCH}"
_USER = r"[A-Za-z0-9\-_.!~*'()&=+$,]++"
_PLAIN_URI = rf"sips?:(?:{_USER}@)?(?:{PLAIN_HOST}|{_IPV6}){_PORT}{_URI_PARAMETERS}"
_NAME_AND_URI = rf"(?:\"[^\"\\\n]*+\"[ \t]*+|[{TOKEN_CHARS}][{TOKEN_CHARS} \t]*+)?+<{_PLAIN_URI}>"
_PLAIN_ADDRESS = rf"{_NAME_AND_URI}(?:;[{TOKEN_CHARS}]++{_VALUE}){_TIMES}"
_NOT_TAG = rf"(?:;(?![Tt][Aa][Gg])[{TOKEN_CHARS}]++{_VALUE}){_TIMES}"
#: A From or To: its tag is a group.
_TAGGED = rf"{_NAME_AND_URI}{_NOT_TAG}(?:;tag=([{TOKEN_CHARS}]++){_NOT_TAG})?"
#: From, To, Call-ID and the number of CSeq, line by line. No line of it can match a line break, so
#: none takes the place of another.
_FRAME = rf"{_TAGGED}\n{_TAGGED}\n[!-~]++\n([0-9]{{1,9}})"
_RESPONSE = late_pattern(rf"{_RESPONSE_VIA}\n{_FRAME} ([A-Z]++)")
#: A request has its method and Request-URI before, and behind what it may do without: Contact,
#: Max-Forwards and Content-Type, with a line break in the place of what is absent.
_REQUEST = late_pattern(
    rf"([A-Z]++)\n{_PLAIN_URI}\n{_REQUEST_VIA}\n{_FRAME} \1\n"
    rf"(?:{_PLAIN_ADDRESS}|\n)\n(?:[0-9]{{1,2}}|\n)\n(?:application/[{TOKEN_CHARS}]++|\n)"
)
_PLAIN_ADDRESSES = late_pattern(rf"{_PLAIN_ADDRESS}(?:, ?{_PLAIN_ADDRESS})*+")
_PLAIN_TOKENS = late_pattern(rf"[{TOKEN_CHARS}]++(?:, ?[{TOKEN_CHARS}]++)*+")
#: How further lines of one header look; those of others may be as they are.
_PLAIN_AGAIN = {
    "via": late_pattern(rf"{_SENT_BY}(?:;[{TOKEN_CHARS}]++{_VALUE}){_TIMES}"),
    "record-route": _PLAIN_ADDRESSES,
    "require": _PLAIN_TOKENS,
    "contact": late_pattern("(?!)"),
}
_new = tuple.__new__


def read_facts(message: Message) -> Facts:
    """Read the facts of a message.

    Raises:
        ParseError: The top Via is missing or wrong.
    """
    index = message._index
    if index is None:
        index = message._make_index()
    fields = message._fields
    several: bool | None = False
    method = message._method
    try:
        via = fields[index["via"]][1]
        call_id = fields[index["call-id"]][1]
        # One match for all is cheaper than one for each.
        text = (
            f"{via}\n{fields[index['from']][1]}\n{fields[index['to']][1]}\n"
            f"{call_id}\n{fields[index['cseq']][1]}"
        )
        if not method:
            found = _RESPONSE.fullmatch(text)
        else:
            at = index.get("contact")
            contact = "\n" if at is None else fields[at][1]
            at = index.get("max-forwards")
            hops = "\n" if at is None else fields[at][1]
            at = index.get("content-type")
            kind = "\n" if at is None else fields[at][1]
            found = _REQUEST.fullmatch(
                f"{method}\n{message._uri_text}\n{text}\n{contact}\n{hops}\n{kind}"
            )
    except KeyError:
        return read_closely(message)
    if found is None or message._version != "SIP/2.0":
        return read_closely(message)
    if message._repeats:
        several = _has_vias_again(message)
        if several is None:
            return read_closely(message)
    rport: str | None = None
    if not method:
        transport, host, port, branch, from_tag, to_tag, number, method = found.groups()
    else:
        _, transport, host, port, rport, branch, again, from_tag, to_tag, number = found.groups()
        if again is not None:
            if rport is not None:
                return read_closely(message)
            rport = again
        if (
            "content-disposition" in index
            or "content-transfer-encoding" in index
            or ("record-route" in index and not _fits("record-route", message))
            or ("require" in index and not _fits("require", message))
        ):
            return read_closely(message)
    return _new(
        Facts,
        (
            transport,
            host.strip("[]").lower(),
            None if port is None else int(port),
            branch,
            rport is not None,
            None,
            several,
            call_id,
            from_tag,
            to_tag,
            int(number),
            method,
            True,
        ),
    )


def _fits(key: str, message: Message) -> bool:
    return _PLAIN_AGAIN[key].fullmatch(message._text(key) or "") is not None


def _has_vias_again(message: Message) -> bool | None:
    """Whether the headers that come again have a Via among them; None where one is not plain."""
    several = False
    seen = set()
    for key, value, _ in message._fields:
        if key in seen:
            pattern = _PLAIN_AGAIN.get(key)
            if key in SINGLE or (pattern is not None and pattern.fullmatch(value) is None):
                return None
            several = several or key == "via"
        seen.add(key)
    return several


def read_closely(message: Message) -> Facts:
    """Read the facts of a message by the general parsers; it counts as not plain.

    Raises:
        ParseError: The top Via is missing or wrong.
    """
    text = message._text("via")
    if text is None:
        raise ParseError(str(message)[:80], "a Via header", None, what="SIP message")
    via = top_via(text)
    branch = find_parameter(via._tail, "branch")
    maddr = find_parameter(via._tail, "maddr")
    try:
        from_tag = address_tag(message._text("from") or "")
    except ParseError:
        from_tag = None
    to = message._text("to")
    try:
        to_tag = None if to is None else address_tag(to)
    except ParseError:
        to_tag = _tag_at_end(to or "")
    try:
        number, method = CSeq.parse(message._text("cseq") or "")
    except ParseError:
        number, method = -1, ""
    return Facts(
        transport=via._transport,
        host=via._host.lower(),
        port=via._port,
        branch=branch,
        rport=find_parameter(via._tail, "rport") == "",
        maddr=None if maddr is None else maddr.strip("[]"),
        several_vias=sum(len(split_list(line, "Via")) for line in message.lines("Via")) > 1,
        call_id=message._text("call-id") or "",
        from_tag=from_tag,
        to_tag=to_tag,
        number=number,
        method=method,
        plain=False,
    )


def _tag_at_end(text: str) -> str | None:
    """Return the tag of a To that cannot be read; "" where it is not clear whether it has one."""
    right = text.rfind(">")
    if right < 0 or '"' in text[right:] or text.count('"') % 2:
        return ""
    return find_parameter(text[right:], "tag")


def top_via(text: str) -> Via:
    """Parse the first element of a Via line.

    Raises:
        ParseError: There is none, or it is no Via.
    """
    if "," in text:
        elements = split_list(text, "Via")
        if not elements:
            raise ParseError(text, "SIP/2.0/transport host", 0, what="Via")
        text = elements[0]
    return Via.parse(text)
