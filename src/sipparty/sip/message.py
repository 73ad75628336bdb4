"""SIP messages: `Message.parse` gives a `Request` or a `Response`; `bytes(message)` is its wire
form (RFC 3261 §7).

Laws:

* Parse late: parsing finds the start line and the header lines and looks into none of them. A
  header is parsed when it is asked for, and kept.
* What was not touched is written back as it came, byte for byte: spelling, compact names, folding,
  order. But line ends of a bare LF are read and written as CRLF, and so is white space in the start
  line that should be one space (RFC 4475 §3.1.2.9, §3.1.2.10: never sent on).
* A message that was changed, or built, is written with a Content-Length that is right.
* The head is text: UTF-8, other octets kept as surrogates. The body is bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Self, SupportsBytes, cast

from sipparty.errors import BuildError, ParseError, printable
from sipparty.late import late_pattern
from sipparty.sip.components import URI
from sipparty.sip.facts import Facts, read_facts
from sipparty.sip.fields import NEW_FIELD, Field, parse_line, stray_break
from sipparty.sip.grammar import TOKEN_CHARS, check_line, is_token
from sipparty.sip.headers import SPELLINGS
from sipparty.sip.headervalue import as_octets
from sipparty.sip.lenient import has_tag, with_crlf, with_single_spaces
from sipparty.sip.multipart import Entity
from sipparty.sip.status import check_status, reason_phrase
from sipparty.sip.uri_grammar import split_sip_uri

__all__ = ["COPIED", "Message", "Request", "Response"]

# A start line is never folded (RFC 3261 §7.1, §7.2), so there is no break in it.
_STATUS_LINE = late_pattern(r"([Ss][Ii][Pp]/[0-9]+\.[0-9]+) ([0-9]{3,10})(?: ([^\r\n]*))?")
_REQUEST_LINE = late_pattern(rf"([{TOKEN_CHARS}]+) ([^ \t\r\n]+) ([Ss][Ii][Pp]/[0-9]+\.[0-9]+)")

#: What a response takes over from its request (RFC 3261 §8.2.6.2).
COPIED = frozenset({"via", "from", "to", "call-id", "cseq"})
#: The same for one that makes a dialog (RFC 3261 §12.1.1).
_COPIED_IN_DIALOG = COPIED | {"record-route"}
#: The same for a 100 (RFC 3261 §8.2.6.1).
_COPIED_IN_TRYING = COPIED | {"timestamp"}


def _attribute(slot: str, doc: str, check: Callable[[Any], Any]) -> Any:
    """Make a property over a slot of the start line; reading it enters no function of ours."""

    def setter(self: Message, value: Any) -> None:
        setattr(self, slot, check(value))
        self._touch()

    return property(attrgetter(slot), setter, doc=doc)


def _check_method(value: str) -> str:
    if not is_token(value):
        raise BuildError(f"{value!r} cannot be a method: expected a token.")
    return value


class Message(Entity):
    """A request or a response (RFC 3261 §7).

    Not made itself: see `Message.parse`, `Request` and `Response`.
    """

    __slots__ = ("_facts", "_length_due", "_version")

    #: The largest head taken by `parse`, in bytes; larger ones are refused before they are looked
    #: at.
    MAX_HEAD: ClassVar[int] = 65_535
    #: The most header lines taken by `parse`, and the longest of them, in characters.
    MAX_FIELDS: ClassVar[int] = 256
    MAX_LINE: ClassVar[int] = 16_384
    #: The longest request-URI taken by `parse`, in characters.
    MAX_URI: ClassVar[int] = 8192

    #: Whether the Content-Length has to be set when the message is written.
    _length_due: bool
    _version: str
    _facts: Facts | None
    # Of a request, with "" and None for a response; then of a response.
    _method: str
    _uri: URI | None
    _uri_text: str
    _status: int
    _reason: str

    def __init__(
        self,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> None:
        self._version, self._fields, self._body = "SIP/2.0", [], as_octets(body)
        self._index = self._typed = self._data = self._facts = None
        self._length_due = True
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self.add(name, value)
        self._take_type(body)

    @staticmethod
    def parse(data: bytes) -> Request | Response:
        """Parse one message, as a datagram brings it (RFC 3261 §7, §18.3).

        Empty lines before the start line are passed over. What is left after Content-Length octets
        of body is dropped; without a Content-Length the body is the rest. Where a line ends in LF
        alone, the message is read as if each line of its head ended in CRLF.

        Args:
            data: The whole message.

        Raises:
            ParseError: And nothing else. `position` is an offset into the data where one place is
            to blame.
        """
        if data.__class__ is not bytes:
            data = bytes(memoryview(data))
        if data[:2] == b"\r\n":
            data = data.lstrip(b"\r\n")
        end = data.find(b"\r\n\r\n")
        if end < 0:
            normal = with_crlf(data, Message.MAX_HEAD)
            if normal is not None:
                return Message.parse(normal)
            raise ParseError(data, "an empty line after the headers", len(data), what="SIP message")
        if end > Message.MAX_HEAD:
            raise _too_much(data, f"a head of at most {Message.MAX_HEAD} bytes")
        head = data[:end].decode("utf-8", "surrogateescape")
        lines = head.split("\r\n")
        breaks = len(lines) - 1
        if head.count("\n") != breaks or head.count("\r") != breaks:
            normal = with_crlf(data, Message.MAX_HEAD)
            if normal is not None:
                return Message.parse(normal)
            raise stray_break(head)
        if breaks > Message.MAX_FIELDS and len(NEW_FIELD.split(head)) > Message.MAX_FIELDS + 1:
            raise _too_much(lines[0], f"at most {Message.MAX_FIELDS} header lines")
        if end > Message.MAX_LINE:
            for line in NEW_FIELD.split(head)[1:]:
                if len(line) > Message.MAX_LINE:
                    raise _too_much(line, f"header lines of at most {Message.MAX_LINE} characters")
        message: Request | Response
        start = lines[0]
        found = _REQUEST_LINE.fullmatch(start)
        if found is not None:
            message = Request.__new__(Request)
            message._method, message._uri_text, message._version = found.groups()
            message._uri = None
            if len(message._uri_text) > Message.MAX_URI:
                expected = f"at most {Message.MAX_URI} characters"
                raise _too_much(start, expected, "request-URI", 414)
        elif (found := _STATUS_LINE.fullmatch(start)) is not None:
            message = Response.__new__(Response)
            message._version, status, message._reason = found.groups("")
            message._status = int(status)
            if not 100 <= message._status <= 699:
                expected = "a status code from 100 to 699"
                raise ParseError(start, expected, found.start(2), what="status line")
        else:
            single = with_single_spaces(start)
            if single is None:
                raise _no_start(start)
            rest = data.find(b"\r\n")
            return Message.parse(single.encode("utf-8", "surrogateescape") + data[rest:])
        fields: list[Field] = []
        index: dict[str, int] = {}
        spellings = SPELLINGS
        del lines[0]
        for position, line in enumerate(lines):
            name, colon, value = line.partition(":")
            key = spellings.get(name)
            if key is None or not colon:
                if position and line[:1] in (" ", "\t"):
                    # A folded line (§7.3.1): begin again, with whole header lines.
                    fields = [(*parse_line(one), one) for one in NEW_FIELD.split(head)[1:]]
                    index = {key: at for at, (key, _, _) in reversed([*enumerate(fields)])}
                    break
                key, value = parse_line(line)
            else:
                value = value.strip()
            if key not in index:
                index[key] = position
            fields.append((key, value, line))
        message._fields = fields
        message._index = index
        message._repeats = len(index) != len(fields)
        message._typed = message._facts = None
        message._length_due = False
        at = index.get("content-length")
        if at is None or fields[at][1] == str(len(data) - end - 4):
            message._body, message._data = data[end + 4 :], data
        else:
            message._body, message._data = _parse_body(fields[at][1], data, end + 4)
        return message

    Parse = parse

    @property
    def facts(self) -> Facts:
        """What is read of a message when it comes (`sipparty.sip.facts`); read when it is first
        asked for, and again after a change. Raises `ParseError` where the top Via is missing or
        wrong.
        """
        facts = self._facts
        if facts is None:
            self._settle()
            facts = self._facts = read_facts(self)
        return facts

    @property
    def version(self) -> str:
        """The version from the start line, "SIP/2.0"."""
        return self._version

    def __bytes__(self) -> bytes:
        if self._typed is not None or self._uri is not None:
            self._settle()
        data = self._data
        if data is not None:
            return data
        head = (
            f"{self._method} {self._uri_text} {self._version}\r\n"
            if self._method
            else f"{self._version} {self._status} {self._reason}\r\n"
        )
        length, stated, right = str(len(self._body)), 0, False
        for key, value, line in self._fields:
            head += f"{line}\r\n"
            if key == "content-length":
                stated += 1
                right = value == length
        if self._length_due:
            if not stated:
                line = f"Content-Length: {length}"
                self._fields.append(("content-length", length, line))
                self._index = None
                head += f"{line}\r\n"
            elif stated > 1 or not right:
                self._replace("content-length", "Content-Length", [length])
                self._length_due = False
                return bytes(self)
            self._length_due = False
        data = f"{head}\r\n".encode("utf-8", "surrogateescape")
        if self._body:
            data += self._body
        self._data = data
        return data

    def __str__(self) -> str:
        return bytes(self).decode("utf-8", "replace")

    def __eq__(self, other: object) -> bool:
        """Two messages are equal when their wire forms are."""
        return bytes(self) == bytes(other) if isinstance(other, Message) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Self:
        """Return an independent message with the same wire form."""
        return cast(Self, Message.parse(bytes(self)))

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def _touch(self) -> None:
        self._data = None
        self._length_due = True
        self._facts = None


class Request(Message):
    """A SIP request (RFC 3261 §7.1).

    Args:
        method: The method, case-sensitive; any token.
        uri: The request-URI, as text or `URI`.
        headers: A mapping or pairs of name and value; a list of values gives several lines.
        body: The body: bytes, text, or an object with a wire form.

    Raises:
        BuildError: The method is not a token, or something holds a line break or a space where none
        can be.
        ParseError: The request-URI or a header's text is none.
    """

    __slots__ = ("_method", "_uri", "_uri_text")

    def __init__(
        self,
        method: str,
        uri: URI | str,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> None:
        super().__init__(headers, body)
        self._method = _check_method(method)
        self.uri = uri

    @classmethod
    def of(cls, method: str, uri: str, fields: list[Field], body: bytes = b"") -> Request:
        """Make a request from parts known to be right, unchecked; for the stack itself."""
        self = Request.__new__(Request)
        self._method = method
        self._uri = None
        self._uri_text = uri
        self._version, self._fields, self._body = "SIP/2.0", fields, body
        self._index = self._typed = self._data = self._facts = None
        self._length_due = True
        return self

    def _settle(self) -> None:
        if self._typed is not None:
            self._settle_fields()
        if self._uri is not None:
            text = str(self._uri)
            if text != self._uri_text:
                self._uri_text = text
                self._touch()

    method: str = _attribute("_method", "The method, case-sensitive.", _check_method)

    @property
    def uri(self) -> URI:
        """The request-URI; a change made to it shows when the message is written. Set to a `URI`,
        it takes a copy.

        Raises:
            ParseError: What came in its place, or is set, is not a URI.
        """
        if self._uri is None:
            self._uri = URI.parse(self._uri_text)
        return self._uri

    @uri.setter
    def uri(self, value: URI | str) -> None:
        text = check_line(str(value), "request-URI")
        if not text or " " in text or "\t" in text:
            raise BuildError(f"{text!r} cannot be a request-URI: expected a URI without spaces.")
        split_sip_uri(text)
        self._uri = None
        self._uri_text = text
        self._touch()

    @property
    def uri_text(self) -> str:
        """The request-URI as text, without parsing it."""
        return self._uri_text if self._uri is None else str(self._uri)

    def response(
        self,
        status: int,
        reason: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
        *,
        to_tag: str | None = None,
        dialog: bool = False,
    ) -> Response:
        """Make a response to this request, its first headers taken over as they came (RFC 3261
        §8.2.6).

        Args:
            status: The status code, 100 to 699.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.
            body: The body.
            to_tag: The tag to put on To; one that the request has there stays instead (§8.2.6.2).
            dialog: Take over Record-Route too, as a response that makes a dialog must (§12.1.1).

        Raises:
            BuildError: The status is out of range, the tag is not a token, or something holds a
            line break.
        """
        check_status(status)
        self._settle()
        copied = _COPIED_IN_DIALOG if dialog else _COPIED_IN_TRYING if status == 100 else COPIED
        fields = [line for line in self._fields if line[0] in copied]
        if to_tag is not None:
            if not is_token(to_tag):
                raise BuildError(f"{to_tag!r} cannot be a tag: expected a token.")
            for at, (key, value, line) in enumerate(fields):
                if key == "to":
                    if not has_tag(value):
                        fields[at] = (key, f"{value};tag={to_tag}", f"{line};tag={to_tag}")
                    break
        phrase = check_line(reason, "reason phrase") if reason else reason_phrase(status)
        response = Response.of(status, phrase, fields, as_octets(body))
        if headers:
            for name, value in headers.items() if isinstance(headers, Mapping) else headers:
                response.add(name, value)
        response._take_type(body)
        return response

    def __repr__(self) -> str:
        return printable(f"<Request {self._method} {self._uri_text}>")


class Response(Message):
    """A SIP response (RFC 3261 §7.2).

    Args:
        status: The status code, 100 to 699.
        reason: The reason phrase; the registered one by default.
        headers: A mapping or pairs of name and value; a list of values gives several lines.
        body: The body: bytes, text, or an object with a wire form.

    Raises:
        BuildError: The status is out of range, or something holds a line break.
    """

    __slots__ = ("_reason", "_status")

    _method = ""
    _uri = None

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> None:
        super().__init__(headers, body)
        self._status = check_status(status)
        reason = reason_phrase(status) if reason is None else reason
        self._reason = check_line(reason, "reason phrase")

    @classmethod
    def of(cls, status: int, reason: str, fields: list[Field], body: bytes = b"") -> Response:
        """Make a response from parts known to be right, unchecked; for the stack itself."""
        self = Response.__new__(Response)
        self._status = status
        self._reason = reason
        self._version, self._fields, self._body = "SIP/2.0", fields, body
        self._index = self._typed = self._data = self._facts = None
        self._length_due = True
        return self

    status: int = _attribute("_status", "The status code.", check_status)
    reason: str = _attribute(
        "_reason",
        "The reason phrase, for people; may be empty.",
        partial(check_line, what="reason phrase"),
    )

    def __repr__(self) -> str:
        return printable(f"<Response {self._status} {self._reason}>")


# ---------------------------------------------------------------------- the parts of parsing


def _no_start(line: str) -> ParseError:
    if line[:4].upper() == "SIP/":
        expected = "SIP/2.0, a status code of three digits and a reason phrase"
        return ParseError(line, expected, 0, what="status line")
    expected = "a method, a URI and SIP/2.0, with one space between"
    return ParseError(line, expected, 0, what="request line")


def _too_much(
    text: str | bytes, expected: str, what: str = "SIP message", status: int = 513
) -> ParseError:
    return ParseError(text[:200], expected, None, what=what, status=status)


def _parse_body(length_text: str, data: bytes, start: int) -> tuple[bytes, bytes]:
    """Return the body and the message's own bytes (RFC 3261 §18.3)."""
    if not (length_text.isascii() and length_text.isdigit() and len(length_text) <= 10):
        raise ParseError(length_text, "a number of bytes", 0, what="Content-Length")
    stop = start + int(length_text)
    if stop > len(data):
        expected = f"at most the {len(data) - start} bytes that follow the head"
        raise ParseError(length_text, expected, 0, what="Content-Length")
    return data[start:stop], data[:stop]
