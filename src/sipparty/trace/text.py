r"""Messages as text for people: escaped, with their secrets masked, or cut to one line.

Laws:

1. What `show` writes cannot forge a log or move a cursor. Every line of a message ends in a visible
   ``\r\n`` or is the last; control characters, the marks that turn writing around, and bytes that
   are not UTF-8 are shown as escapes, and a backslash as two: the text gives the bytes back.
2. No bytes make a function of this module raise, and each takes time in proportion to their number.
"""

from __future__ import annotations

import re
from typing import Final

from sipparty.late import late_pattern
from sipparty.records import Record

__all__ = ["Summary", "call_id", "mask", "one_line", "show", "summarise"]

#: What stands before a secret: Digest responses (RFC 7616 §3.4, §3.5), other credentials (Basic,
#: Bearer), and the keys in SDP (RFC 4568 §9.1, RFC 8839 §5.4, RFC 4567 §3, RFC 4566 §5.12).
_SECRETS: Final = late_pattern(
    rb'((?:\b(?:response|rspauth)\s{0,9}=\s{0,9}"?|\binline:|^a=ice-pwd:|^a=key-mgmt:\S+[ ]+'
    rb"|^k=(?:clear|base64|uri):|^(?:proxy-)?authorization[ \t]*:\s*(?!digest\b)[a-z0-9-]+[ ]+))"
    rb'[^"\s,;|]+',
    re.IGNORECASE | re.MULTILINE,
)
#: The password of a URI (RFC 3261 §19.1.1): the lengths keep the search linear.
_PASSWORDS: Final = late_pattern(
    rb'(\bsips?:[^\s:@<>"]{0,256}:)[^\s:@<>";/?]{1,256}(?=@)', re.IGNORECASE
)

#: What is read of the headers: name or its compact form (RFC 3261 §7.3.3): the key it is kept as.
_WANTED: Final = {
    b"call-id": "call_id",
    b"i": "call_id",
    b"cseq": "cseq",
    b"content-type": "type",
    b"c": "type",
}

#: A header may go on in the next lines (RFC 3261 §7.3.1 "folding").
_FOLD: Final = late_pattern(rb"\r?\n[ \t]+")

#: The value of the first Call-ID, on its line or folded onto the next.
_CALL_ID: Final = late_pattern(
    rb"^(?:call-id|i)[ \t]*:(?:[ \t]|\r?\n[ \t])*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)

#: The longest piece of a message that a summary shows, in characters.
_EXCERPT: Final = 40


def mask(data: bytes) -> bytes:
    """Replace the secrets in a message by ``***``.

    They are Digest responses, which passwords can be guessed by (nonces stay), other credentials,
    the passwords in URIs, and the keys in session descriptions (`a=crypto`, `a=ice-pwd`).

    Args:
        data: A message, well-formed or not.
    """
    return _PASSWORDS.sub(rb"\1***", _SECRETS.sub(rb"\1***", data))


def show(data: bytes) -> str:
    r"""Write bytes from the wire as text that is safe to print.

    Args:
        data: A message, well-formed or not.

    Returns:
        The message, a line to a line; each line that ended in CRLF ends in a visible ``\r\n``.
        What is printable UTF-8 stays; the rest is escaped: bytes that are not UTF-8 as ``\xNN``,
        characters as ``\t``, ``\r``, ``\n``, ``\uNNNN`` or ``\UNNNNNNNN``, a backslash as two.
        There is no newline at the end.
    """
    lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    last = lines.pop()
    shown = [_show_line(line) + "\\r\\n" for line in lines]
    if last or not shown:
        shown.append(_show_line(last))
    return "\n".join(shown)


def _show_line(line: str) -> str:
    if line.isprintable() and "\\" not in line:
        return line
    return "".join(map(_show_char, line))


def _show_char(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # where `surrogateescape` puts a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if 0x80 <= code <= 0xFF and not char.isprintable():
        return f"\\u{code:04x}"
    return char if char.isprintable() and char != "\\" else repr(char)[1:-1]


def one_line(text: bytes | str, limit: int = 2 * _EXCERPT) -> str:
    """Write text from anywhere as one line that is safe to print.

    Args:
        text: Bytes or text.
        limit: How many characters are shown at most; the end of a longer one becomes "...".
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    shown = show(data).replace("\n", " ")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def call_id(data: bytes) -> str:
    """Return the Call-ID of a message, as `summarise` does but faster; "" where there is none.

    Args:
        data: A message, well-formed or not.
    """
    head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    found = _CALL_ID.search(head)
    if found is None or b"SIP/" not in head.partition(b"\n")[0].upper():
        return ""
    return found[1].rstrip().decode("utf-8", "surrogateescape")


class Summary(Record):
    """What a message is, in short.

    Args:
        method: The method of a request; of a response, that of its CSeq; "" if there is none.
        status: The status code of a response; None for a request.
        reason: The reason phrase of a response; "" for a request.
        call_id: The Call-ID; "" if there is none.
        cseq: The sequence number as it is written; "" if there is none.
        sdp: Whether a session description is in the body.
    """

    method: str
    status: int | None = None
    reason: str = ""
    call_id: str = ""
    cseq: str = ""
    sdp: bool = False

    def __str__(self) -> str:
        return self.labels()[0]

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        response = self.status is not None
        what = f"{self.status} {self.reason}".rstrip() if response else self.method
        method = self.method if response else ""
        texts = []
        for number in (f"CSeq {self.cseq}" if self.cseq else "", ""):
            notes = [note for note in (f"{number} {method}".strip(), "SDP" * self.sdp) if note]
            texts.append(f"{what} ({', '.join(notes)})" if notes else what)
        return (*texts, what)


def summarise(data: bytes) -> Summary | None:
    """Read from a message what it is, in short.

    Args:
        data: A message, well-formed or not. A real parser would refuse much that this reads: a
            summary is wanted most where something is wrong.

    Returns:
        The summary, its texts escaped and cut to a bearable length (the Call-ID is whole); None
        for what does not begin like a SIP message.
    """
    head, _, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    first, *lines = _FOLD.sub(b" ", head).split(b"\n")
    words = [*first.strip().split(None, 2), b"", b"", b""][:3]
    found: dict[str, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = _WANTED.get(name.strip().lower())
        if key is not None and colon:
            found.setdefault(key, value.strip())
    cseq, _, method = found.get("cseq", b"").partition(b" ")
    status, reason = None, b""
    if words[0].upper().startswith(b"SIP/") and words[1].isdigit():
        status, reason = int(words[1][:3]), words[2]
    elif words[2].upper().startswith(b"SIP/"):
        method = words[0]
    else:
        return None
    return Summary(
        one_line(method.strip(), _EXCERPT),
        status,
        one_line(reason, _EXCERPT),
        found.get("call_id", b"").decode("utf-8", "surrogateescape"),
        one_line(cseq, _EXCERPT),
        bool(body.strip(b"\r\n \t\0")) and b"application/sdp" in found.get("type", b"").lower(),
    )
