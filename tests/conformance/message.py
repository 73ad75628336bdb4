"""SIP messages as bytes, read without the library that is probed.

Laws:

* What the party sends is read strictly: lines end in CRLF, each header is of the grammar (which has
  folds, since what we sent comes back as it was), the body is as long as Content-Length says.
  Anything else is a `BadMessage`.
* What we send ourselves may be as wrong as a probe wants it; `Message.lenient` reads of it what
  there is to read, so that an answer can be compared with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["BadMessage", "Message", "parameter", "split_stream", "uri_of"]

#: Compact forms (RFC 3261 §7.3.3, and the RFCs that register others).
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}

_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) [^\r\n]*")
_REQUEST = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+) (\S+) SIP/2\.0")
_FIELD = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+)[ \t]*:(.*)")


class BadMessage(AssertionError):
    """The party sent what is no SIP message."""


@dataclass(frozen=True)
class Message:
    """A message that went over the wire.

    Attributes:
        data: All of it.
        start: The first line.
        fields: Headers in order: the name in lower case and in full, and the value.
        body: What follows the empty line.
        status: The status code of a response; 0 of a request.
        method: The method of a request; that of CSeq in a response.
        uri: The Request-URI; "" of a response.
    """

    data: bytes
    start: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    status: int
    method: str
    uri: str

    @classmethod
    def strict(cls, data: bytes) -> Message:
        """Read what the party sent."""
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            raise BadMessage(f"no empty line ends the headers of {data!r}")
        text = head.decode("utf-8")
        if "\n" in text.replace("\r\n", "") or "\r" in text.replace("\r\n", ""):
            raise BadMessage(f"a line of {data!r} does not end in CRLF")
        start, *lines = re.sub(r"\r\n[ \t]+", " ", text).split("\r\n")
        fields = []
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise BadMessage(f"{line!r} is no header")
            fields.append((COMPACT.get(field[1].lower(), field[1].lower()), field[2].strip()))
        lengths = [value for name, value in fields if name == "content-length"]
        if lengths != [str(len(body))]:
            raise BadMessage(f"Content-Length is {lengths} of a body of {len(body)}")
        status, request = _STATUS.fullmatch(start), _REQUEST.fullmatch(start)
        if status is None and request is None:
            raise BadMessage(f"{start!r} is no first line")
        return cls._of(data, start, fields, body)

    @classmethod
    def lenient(cls, data: bytes) -> Message:
        """Read what we sent, however wrong it is."""
        head, _, body = data.partition(b"\r\n\r\n")
        if not _:
            head, _, body = data.partition(b"\n\n")
        text = re.sub(r"\r?\n[ \t]+", " ", head.decode("utf-8", "replace"))
        start, *lines = re.split(r"\r?\n", text)
        fields = []
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                key = name.strip().lower()
                fields.append((COMPACT.get(key, key), value.strip()))
        return cls._of(data, start, fields, body)

    @classmethod
    def _of(cls, data: bytes, start: str, fields: list[tuple[str, str]], body: bytes) -> Message:
        status = int(start.split(" ")[1]) if re.match(r"SIP/2\.0 [0-9]{3}\b", start) else 0
        sequence = dict(fields).get("cseq", "").split()
        words = start.split()
        method = (sequence or [""])[-1] if status else (words or [""])[0]
        uri = words[1] if not status and len(words) > 1 else ""
        return cls(data, start, tuple(fields), body, status, method, uri)

    def all(self, name: str) -> list[str]:
        """The values of a header, one for each line of it."""
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name: str) -> str:
        """The value of the first line of a header; "" where there is none."""
        return next(iter(self.all(name)), "")

    def elements(self, name: str) -> list[str]:
        """The elements of a header that is a list, however many lines it has."""
        return [
            element.strip()
            for value in self.all(name)
            for element in re.split(r""",(?=(?:[^"<]|"[^"]*"|<[^>]*>)*$)""", value)
        ]

    @property
    def via(self) -> str:
        """The topmost Via."""
        return next(iter(self.elements("via")), "")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via; "" where it has none."""
        return parameter(self.via, "branch") or ""

    @property
    def number(self) -> str:
        """The number of the CSeq, as it is written."""
        return next(iter(self.get("cseq").split()), "")

    @property
    def to_tag(self) -> str:
        """The tag of the To; "" where it has none."""
        return parameter(self.get("to"), "tag") or ""

    def __str__(self) -> str:
        return self.data.decode("utf-8", "backslashreplace")


def parameter(value: str, name: str) -> str | None:
    """The value of a parameter behind an address or a Via; None where it is not there."""
    tail = value.rpartition(">")[2] if ">" in value else value
    found = re.search(rf";\s*{name}\s*(?:=\s*([^;,\s]*))?(?=[;,\s]|$)", tail, re.I)
    return None if found is None else found[1] or ""


def uri_of(value: str) -> str:
    """The URI of an address, with or without brackets."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.split(";")[0].strip()


def split_stream(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole messages that a stream begins with, and the rest; CRLFs between go."""
    found = []
    while True:
        data = data.lstrip(b"\r\n")
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return found, data
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*([0-9]+)\s*$", head)
        if length is None:
            raise BadMessage(f"a message in a stream has no Content-Length: {data!r}")
        size = int(length[1])
        if len(rest) < size:
            return found, data
        found.append(head + end + rest[:size])
        data = rest[size:]
