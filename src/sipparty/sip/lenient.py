"""What is read though it is not written as it should be, and how it is sent on: liberal in what is
taken, strict in what is sent (RFC 4475 §3.1.2).

Laws:

* Nothing that is right is changed: it comes back as it is.
* What a message means stays; only white space, line ends and separators are others.
"""

from __future__ import annotations

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.sip.grammar import next_quoted, split_at_semicolons
from sipparty.sip.values import DNameURI

__all__ = ["has_tag", "is_spaced", "tidied", "with_crlf", "with_single_spaces"]

#: The end of a head: an empty line, be it ended by CRLF or by LF.
_HEAD_END = late_pattern(rb"\r?\n\r?\n")
_BARE_LF = late_pattern(rb"(?<!\r)\n")
#: What stands between the parts of a start line.
_GAP = late_pattern(r"[ \t]++")
#: Finds what may have to be written otherwise in a name and address; in more of them than have to.
_UNTIDY = late_pattern(r";[ \t]*+(?:;|$)|<[^<> \t]*+[ \t]")


def with_crlf(data: bytes, most: int) -> bytes | None:
    """Return a message with CRLF for each bare LF of its head; None where there is no such LF, or
    no empty line.

    RFC 3261 §7 asks for CRLF. Some send LF all the same, and would send it again and again if they
    had no answer.

    Args:
        data: The message.
        most: How long the head may be.
    """
    data = data.lstrip(b"\r\n")
    end = _HEAD_END.search(data, 0, most + 4)
    if end is None:
        return None
    head = data[: end.start()]
    normal = _BARE_LF.sub(b"\r\n", head)
    if normal == head and end.group() == b"\r\n\r\n":
        return None
    return normal + b"\r\n\r\n" + data[end.end() :]


def with_single_spaces(line: str) -> str | None:
    """Return a start line with one space where there is other white space, none at its end; None
    where that changes nothing, or leaves no start line.

    White space within a Request-URI stays wrong (RFC 4475 §3.1.2.8): there are four parts then.
    """
    text = line.rstrip(" \t")
    if text[:4].upper() == "SIP/":
        parts = _GAP.split(text, 2)
    else:
        parts = _GAP.split(text)
        if len(parts) != 3:
            return None
    text = " ".join(parts)
    return None if text == line else text


def is_spaced(text: str) -> bool:
    """Whether a name and address has white space within its angle brackets."""
    start = next_quoted(text, 0, DNameURI.WHAT) if text.startswith('"') else 0
    inside = text[text.find("<", start) + 1 : text.find(">", start)] if "<" in text else ""
    return " " in inside or "\t" in inside


def tidied(text: str) -> str:
    """Return a name and address that was read as it may be sent: without white space within its
    angle brackets, and without empty parameters. Nearly all come as they are.

    Raises:
        ParseError: It is no name and address.
    """
    if _UNTIDY.search(text) is None:
        return text
    value = DNameURI.parse(text)
    tail = [part for part in split_at_semicolons(value._tail, DNameURI.WHAT) if part.strip()]
    head = text.rstrip()
    head = head[: len(head) - len(value._tail)] if value._tail else head
    if is_spaced(text):
        start = next_quoted(head, 0, DNameURI.WHAT) if head.startswith('"') else 0
        head = f"{head[: head.find('<', start)]}<{value._uri_text}>"
    return ";".join([head.rstrip(), *tail])


def has_tag(text: str) -> bool:
    """Whether the text of a To or From has a tag; what is no address has none."""
    if "tag" not in text.lower():
        return False
    try:
        return DNameURI.parse(text).tag is not None
    except ParseError:
        return False
