"""message/sipfrag: pieces of a SIP message as a body (RFC 3420), such as the status line by which a
NOTIFY says what became of a REFER (RFC 3515 §2.4.5).

Laws:

* A fragment is a start line, header lines and a body; any of the three may be missing.
* As in messages, header lines are looked into when they are asked for, and not before.
"""

from __future__ import annotations

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.sip.grammar import TOKEN_CHARS
from sipparty.sip.lenient import with_crlf
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.multipart import Part

__all__ = ["parse_sipfrag", "status_fragment"]

_HEADER = late_pattern(rf"[{TOKEN_CHARS}]++[ \t]*+:".encode())


def parse_sipfrag(data: bytes) -> Request | Response | Part:
    """Read a fragment.

    With a start line it comes as a message, which lacks the headers that the fragment lacks, and is
    written with the empty line that the fragment may do without. Without one it comes as a `Part`,
    which has headers and a body as a message has them.

    Args:
        data: The fragment, as it stands in the body of a message or of a part.

    Raises:
        ParseError: It is empty, its start line is none of SIP/2.0, a header line is none, or its
            body is not as long as its Content-Length says.
    """
    data = bytes(data)
    if data[:2] in (b"", b"\r\n"):
        raise ParseError(data, "a start line or a header line", 0, what="message/sipfrag")
    if _HEADER.match(data):
        return _parse_headers(data)
    data = with_crlf(data, Message.MAX_HEAD) or data
    if b"\r\n\r\n" not in data:
        data = data.removesuffix(b"\r\n") + b"\r\n\r\n"
    message = Message.parse(data)
    if message.version.upper() != "SIP/2.0":
        raise ParseError(data, "a start line of SIP/2.0", 0, what="message/sipfrag")
    return message


def status_fragment(status: int, reason: str | None = None) -> bytes:
    """Return a fragment that is a status line (RFC 3515 §2.4.5).

    Args:
        status: The status code, 100 to 699.
        reason: The reason phrase; the registered one by default.

    Raises:
        BuildError: The status is none, or the phrase holds a line break.
    """
    return bytes(Response(status, reason)).partition(b"\r\n")[0] + b"\r\n"


def _parse_headers(data: bytes) -> Part:
    if b"\r\n\r\n" not in data:
        data = data.removesuffix(b"\r\n")
    part = Part.parse(data)
    length = part.get("Content-Length")
    if length is not None:
        if length > len(part.body):
            expected = f"at most the {len(part.body)} bytes that follow the head"
            raise ParseError(str(length), expected, 0, what="Content-Length")
        if length < len(part.body):
            part.body = part.body[:length]
    return part
