"""Making of a broken request what an answer needs."""

from __future__ import annotations

from sipparty.errors import ParseError
from sipparty.sip.fields import NEW_FIELD, parse_line
from sipparty.sip.grammar import is_token
from sipparty.sip.lenient import with_crlf
from sipparty.sip.message import Message, Request

__all__ = ["salvage"]


#: What an answer takes over from its request; without them there is none (RFC 3261 §8.2.6.2).
_ANSWERABLE = ("via", "from", "to", "call-id", "cseq")


def salvage(data: bytes) -> Request | None:
    """Make what can be made of a request that does not parse, to answer it with.

    Lines that are no headers are left out, and so is the body.

    Returns:
        A request with Via, From, To, Call-ID and CSeq; None where the data has not got them, or is
        a response.
    """
    data = data.lstrip(b"\r\n")
    data = with_crlf(data, Message.MAX_HEAD) or data
    head = data[: Message.MAX_HEAD].partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    start, *lines = NEW_FIELD.split(head, Message.MAX_FIELDS + 1)
    method = start.replace("\t", " ").partition(" ")[0]
    if not is_token(method) or start[:4].upper() == "SIP/":
        return None
    fields = []
    for line in lines[: Message.MAX_FIELDS]:
        try:
            key, value = parse_line(line)
        except ParseError:
            continue
        if key in _ANSWERABLE:
            fields.append((key, value, line))
    request = Request.of(method, "sip:unknown", fields)
    return request if all(request._text(key) for key in _ANSWERABLE) else None
