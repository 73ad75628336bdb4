"""The common form of a message, which nearly all have, and which is right.

Laws:

* `is_plain` may say no of a message that is right; it never says yes of one that
  `sipparty.sip.validation.first_fault` finds fault with.
* It is one match of one pattern: this is for every message that comes.
"""

from __future__ import annotations

import re

from sipparty.sip.grammar import MAX_PARAMETERS, PLAIN_HOST, PLAIN_PORT, TOKEN_CHARS
from sipparty.sip.message import Message, Request

__all__ = ["SINGLE", "is_plain"]

#: What no request has two of: they say who, what and how long.
SINGLE = frozenset(
    {"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"}
)

_TIMES = f"{{0,{MAX_PARAMETERS}}}+"
_URI_TOKEN = r"[A-Za-z0-9\-.!*_+`'~]++"  # noqa: S105 - no secret
_URI_PARAMETERS = rf"(?:;{_URI_TOKEN}(?:=[A-Za-z0-9\-.!*_+`'~:\[\]]++)?+){_TIMES}"
_PARAMETERS = rf'(?:;[{TOKEN_CHARS}]++(?:=(?:[{TOKEN_CHARS}:\[\]]++|"[^"\\\n]*+"))?+){_TIMES}'
_PORT = f"(?::{PLAIN_PORT})?+"
_GROUP = "[0-9A-Fa-f]{1,4}"
#: An IPv6 address as most are: in full, or with a gap behind three groups at the most.
_IPV6 = (
    rf"\[(?:(?:{_GROUP}:){{7}}{_GROUP}|(?:{_GROUP}:){{1,3}}:(?:{_GROUP}(?::{_GROUP}){{0,3}})?"
    rf"|::(?:{_GROUP}(?::{_GROUP}){{0,6}})?)\]"
)
_PLAIN_VIA = re.compile(
    rf"SIP/2\.0/[A-Z]++ (?:[A-Za-z0-9][A-Za-z0-9.\-]*+|\[[0-9A-Fa-f:]++\]){_PORT}{_PARAMETERS}"
)
_USER = r"[A-Za-z0-9\-_.!~*'()&=+$,]++"
_PLAIN_URI = rf"sips?:(?:{_USER}@)?(?:{PLAIN_HOST}|{_IPV6}){_PORT}{_URI_PARAMETERS}"
_PLAIN_ADDRESS = (
    rf"(?:\"[^\"\\\n]*+\"[ \t]*+|[{TOKEN_CHARS}][{TOKEN_CHARS} \t]*+)?+"
    rf"<{_PLAIN_URI}>{_PARAMETERS}"
)
_PLAIN_ADDRESSES = re.compile(rf"{_PLAIN_ADDRESS}(?:, ?{_PLAIN_ADDRESS})*+")
_PLAIN_TOKENS = re.compile(rf"[{TOKEN_CHARS}]++(?:, ?[{TOKEN_CHARS}]++)*+")
_VISIBLE = r"[!-~]++"
#: What every message has, line by line, as `is_plain` puts it together: Via, From, To, Call-ID and
#: the number of CSeq. No line of it can match a line break, so none takes the place of another.
_FRAME = (
    rf"{_PLAIN_VIA.pattern}\n{_PLAIN_ADDRESS}\n{_PLAIN_ADDRESS}\n"
    rf"{_VISIBLE}\n[0-9]{{1,9}}"
)
_PLAIN_RESPONSE = re.compile(f"{_FRAME} [A-Z]++")
#: A request has its method and Request-URI before, and behind what it may do without: Contact,
#: Max-Forwards and Content-Type, with a line break in the place of what is absent.
_PLAIN_REQUEST = re.compile(
    rf"([A-Z]++)\n{_PLAIN_URI}\n{_FRAME} \1\n"
    rf"(?:{_PLAIN_ADDRESS}|\n)\n(?:[0-9]{{1,2}}|\n)\n(?:application/[{TOKEN_CHARS}]++|\n)"
)
#: How further lines of one header look; those of others may be as they are.
_PLAIN_AGAIN = {
    "via": _PLAIN_VIA,
    "record-route": _PLAIN_ADDRESSES,
    "require": _PLAIN_TOKENS,
    "contact": re.compile("(?!)"),
}


def is_plain(message: Message) -> bool:
    """Whether a message is of the form that nearly all have; the others are for `validation`."""
    index = message._index
    if index is None:
        index = message._make_index()
    fields = message._fields
    # One match for all is cheaper than one for each.
    try:
        if message.__class__ is Request:
            at = index.get("contact")
            contact = "\n" if at is None else fields[at][1]
            at = index.get("max-forwards")
            hops = "\n" if at is None else fields[at][1]
            at = index.get("content-type")
            kind = "\n" if at is None else fields[at][1]
            whole = (
                f"{message._method}\n{message._uri_text}\n{fields[index['via']][1]}\n"
                f"{fields[index['from']][1]}\n{fields[index['to']][1]}\n"
                f"{fields[index['call-id']][1]}\n{fields[index['cseq']][1]}\n"
                f"{contact}\n{hops}\n{kind}"
            )
            if (
                _PLAIN_REQUEST.fullmatch(whole) is None
                or message._version != "SIP/2.0"
                or "content-disposition" in index
                or "content-transfer-encoding" in index
                or ("record-route" in index and not _is_plain_value(message, "record-route"))
                or ("require" in index and not _is_plain_value(message, "require"))
            ):
                return False
        elif (
            message._version != "SIP/2.0"
            or _PLAIN_RESPONSE.fullmatch(
                f"{fields[index['via']][1]}\n{fields[index['from']][1]}\n"
                f"{fields[index['to']][1]}\n{fields[index['call-id']][1]}\n"
                f"{fields[index['cseq']][1]}"
            )
            is None
        ):
            return False
    except KeyError:
        return False
    if message._repeats:
        seen = set()
        for key, value, _ in fields:
            if key in seen:
                pattern = _PLAIN_AGAIN.get(key)
                if key in SINGLE or (pattern is not None and pattern.fullmatch(value) is None):
                    return False
            seen.add(key)
    return True


def _is_plain_value(message: Message, key: str) -> bool:
    return _PLAIN_AGAIN[key].fullmatch(message._text(key) or "") is not None
