"""Bodies of one part and of several: multipart/mixed, multipart/alternative, multipart/related and
their kin (RFC 2046 §5.1, RFC 2387, RFC 5621).

    message.parts                            what the body is made of; a plain body is one part
    message.find_part("application/sdp")     the part of that type, wherever it is nested
    message.body = Multipart([Part("application/sdp", offer), Part("text/plain", "Lunch?")])

Laws:

* Bodies are bytes. A part is cut out of them where the delimiters are and nowhere else, whatever
  octets it holds; one that was not touched is written back as it came, and so is a whole multipart.
* Reading costs time linear in the body, at each level of nesting. Levels and parts are limited.
* What is read is a copy: to change a body, change the parts of a `Multipart` and set it.
* What stands before the first delimiter and behind the last one means nothing (RFC 2046 §5.1.1). A
  multipart that was not changed keeps it; one that is written anew has none.
* The boundary of what is written occurs in none of the parts, however they were chosen, not even as
  the beginning of another. No header of a part can hold a line break (`BuildError`).
* What is wrong is a `ParseError`: no boundary, or one that cannot be; no delimiter; no closing
  delimiter, since what came may have been cut off; a part whose headers are none.

The standard library's `email` package is not used. It takes CR or LF alone for the end of a line,
so that octets of a binary part (ISUP, RFC 3204) can pass for a delimiter. What it writes it writes
anew: line ends within such a part are changed, header lines in its own spelling, and octets that
were signed are others.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self, SupportsBytes

from sipparty.errors import BuildError, ParseError, printable
from sipparty.sip.boundary import choose_boundary, is_boundary, join_parts, occurs, split_parts
from sipparty.sip.fields import NEW_FIELD, Field, HeaderFields, parse_line, stray_break
from sipparty.sip.headervalue import as_octets
from sipparty.sip.values import MediaType

__all__ = ["DECODERS", "Entity", "Multipart", "Part"]

_SDP = "application/sdp"


#: What undoes each Content-Transfer-Encoding (RFC 2045 §6).
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "7bit": bytes,
    "8bit": bytes,
    "binary": bytes,
    "base64": base64.b64decode,
    "quoted-printable": quopri.decodestring,
}


class Entity(HeaderFields):
    """What has headers and a body: a message, or a part of one (RFC 2045 §2.4).

    Not made itself: see `Message` and `Part`.
    """

    __slots__ = ("_body",)

    _body: bytes

    #: The media type of a body without a Content-Type.
    _DEFAULT: ClassVar[str] = ""

    @property
    def body(self) -> bytes:
        """The body; setting it sets a message's Content-Length too. Text and objects with a wire
        form, such as a `SessionDescription`, are taken as their bytes. A `Multipart` sets the
        Content-Type as well.
        """
        return self._body

    @body.setter
    def body(self, value: SupportsBytes | str) -> None:
        self._take_type(value)
        self._body = as_octets(value)
        self._touch()

    def _take_type(self, body: object) -> None:
        """Have the Content-Type say what a body is, where the body knows."""
        if isinstance(body, Multipart):
            self.content_type = body.content_type

    def _depth(self) -> int:
        """Return how many multiparts there are around it."""
        return 0

    @property
    def media_type(self) -> str:
        """`type/subtype` of the body in lower case; where there is no Content-Type, "text/plain"
        for a part (RFC 2046 §5.1), "" for a message. So it is where the Content-Type is malformed
        (RFC 2045 §5.2).
        """
        content_type = self.content_type
        return self._DEFAULT if content_type is None else content_type.essence

    @property
    def is_multipart(self) -> bool:
        """Whether the body has parts of its own."""
        return self.media_type.startswith("multipart/")

    @property
    def disposition(self) -> str:
        """What the body is for, in lower case: "session", "render", "icon", "by-reference", ...;
        without a Content-Disposition "session" for application/sdp, else "render" (RFC 3261
        §20.11). So it is where the Content-Disposition is malformed.
        """
        value = self.content_disposition
        if value is None:
            return "session" if self.media_type == _SDP else "render"
        return str(value.value).lower()

    @property
    def handling(self) -> str:
        """Whether who does not understand the body may ignore it ("optional") or has to refuse the
        request ("required", and so without the parameter; RFC 3261 §20.11, RFC 3204 §6).
        """
        value = self.content_disposition
        handling = None if value is None else value.parameter("handling")
        return "optional" if handling and handling.lower() == "optional" else "required"

    @property
    def content_id(self) -> str | None:
        """The Content-ID without its angle brackets, as a `cid:` URL has it (RFC 2392); None where
        there is none.
        """
        value = self.get("Content-ID")
        return None if value is None else str(value).strip().removeprefix("<").removesuffix(">")

    @property
    def content(self) -> bytes:
        """The body with its Content-Transfer-Encoding undone; hardly any has one but "binary"
        (RFC 5621 §3.2).

        Raises:
            ParseError: The encoding is unknown (status 415), or the body is not in it.
        """
        name = (self._text("content-transfer-encoding") or "binary").lower()
        decode = DECODERS.get(name)
        if decode is None:
            known = ", ".join(DECODERS)
            what = "Content-Transfer-Encoding"
            raise ParseError(name, f"one of {known}", 0, what=what, status=415)
        try:
            return decode(self._body)
        except ValueError as error:
            raise ParseError(self._body, name, None, what="encoded body") from error

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the body is made of, read anew each time: its parts in order; a plain body is one
        part, an empty one none.

        Raises:
            ParseError: It is called a multipart body, and is none.
        """
        if not self.is_multipart:
            return self._plain_parts()
        return Multipart.of(self).parts if self._body else ()

    def _plain_parts(self) -> tuple[Part, ...]:
        if not self._body:
            return ()
        own = [line for line in self._fields if line[0].startswith("content-")]
        fields = [line for line in own if line[0] != "content-length"]
        return (Part._of(fields, self._body, self._depth() + 1),)

    def find_part(
        self,
        media_type: str | None = None,
        *,
        disposition: str | None = None,
        content_id: str | None = None,
    ) -> Part | None:
        """Return the first part that fits all that is asked for, nested ones included; None where
        none does. Of alternatives it is the last, which is the best one (RFC 5621 §6.1).

        Args:
            media_type: "application/sdp" and the like, without parameters; None for any.
            disposition: "session" and the like; None for any.
            content_id: The Content-ID, without angle brackets; None for any.

        Raises:
            ParseError: The body, or a header that says so, is not what it should be.
        """
        best_last = self.media_type == "multipart/alternative"
        for part in reversed(self.parts) if best_last else self.parts:
            if (
                (media_type is None or part.media_type == media_type.lower())
                and (disposition is None or part.disposition == disposition.lower())
                and (content_id is None or part.content_id == content_id)
            ):
                return part
            if part.is_multipart:
                found = part.find_part(media_type, disposition=disposition, content_id=content_id)
                if found is not None:
                    return found
        return None


class Part(Entity):
    """One part of a body: headers of its own, and a body of its own (RFC 2046 §5.1).

    It has the headers as a message has them: `part.content_type`, `part["Content-Language"]`,
    `part.add(...)`.

    Args:
        content_type: The Content-Type; None for none, which means text/plain.
        body: Bytes, text, an object with a wire form, or a `Multipart`, which brings its type.
        headers: Further headers: a mapping or pairs of name and value.

    Raises:
        BuildError: A name is not a token, or a value holds a line break.
        ParseError: A header's text is not a value of that header.
    """

    __slots__ = ("_level",)
    __hash__ = None  # type: ignore[assignment]  # it can change, and equality is by value

    #: The most header lines of one part that is read: against a body that is all headers.
    MAX_FIELDS: ClassVar[int] = 64

    _DEFAULT = "text/plain"
    _level: int

    def __init__(
        self,
        content_type: MediaType | str | None,
        body: SupportsBytes | str = b"",
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    ) -> None:
        self._start([], as_octets(body), 1)
        if content_type is not None:
            self["Content-Type"] = content_type
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self.add(name, value)
        self._take_type(body)

    def _start(self, fields: list[Field], body: bytes, level: int) -> None:
        self._fields = fields
        self._index = self._typed = self._data = None
        self._body = body
        self._level = level

    @classmethod
    def _of(cls, fields: list[Field], body: bytes, level: int) -> Part:
        part = Part.__new__(Part)
        part._start(fields, body, level)
        return part

    @classmethod
    def parse(cls, data: bytes) -> Part:
        """Read a part as it stands between two delimiters: header lines, an empty line, the body.

        Without headers it begins with the empty line; without a body it may end before that.

        Raises:
            ParseError: A header line is none, or there are too many (status 413).
        """
        return cls._parse(bytes(data), 1)

    @classmethod
    def _parse(cls, data: bytes, level: int) -> Part:
        if data[:2] == b"\r\n":
            text, body = "", data[2:]
        else:
            head, _, body = data.partition(b"\r\n\r\n")
            text = head.decode("utf-8", "surrogateescape")
        breaks = text.count("\r\n")
        if text.count("\n") != breaks or text.count("\r") != breaks:
            raise stray_break(text)
        lines = NEW_FIELD.split(text) if text else []
        if len(lines) > cls.MAX_FIELDS:
            expected = f"at most {cls.MAX_FIELDS} header lines"
            raise ParseError(lines[0], expected, None, what="part of a body", status=413)
        part = cls._of([(*parse_line(line), line) for line in lines], body, level)
        part._data = data
        return part

    def _depth(self) -> int:
        return self._level

    def _plain_parts(self) -> tuple[Part, ...]:
        return (self,)

    def __bytes__(self) -> bytes:
        self._settle()
        data = self._data
        if data is None:
            head = "".join([f"{line}\r\n" for _, _, line in self._fields])
            data = self._data = f"{head}\r\n".encode("utf-8", "surrogateescape") + self._body
        return data

    def __eq__(self, other: object) -> bool:
        """Two parts are equal when they are written alike."""
        return bytes(self) == bytes(other) if isinstance(other, Part) else NotImplemented

    def __repr__(self) -> str:
        kind = self._text("content-type") or self._DEFAULT
        return printable(f"<Part {kind}, {len(self._body)} bytes>")


class Multipart:
    """A body of several parts, to be set as the body of a message or of a part.

    Args:
        parts: The parts, in order; one that is a `Multipart` is nested.
        subtype: "mixed" for parts that stand for themselves; "alternative" for the same content in
            several forms, the plainest first (RFC 5621 §6); "related" for parts of one object
            (RFC 2387).
        parameters: Of the Content-Type: `start` and `type` of multipart/related, whose `type` is
            that of the root where it is not given; `boundary` for one of your own, which is
            replaced to another if it occurs in a part.

    Raises:
        BuildError: There is no part, or the subtype or a parameter cannot be one.
    """

    __slots__ = ("_came", "_content_type", "_parts")

    #: The most parts of one multipart that is read: against a body that is all delimiters.
    MAX_PARTS: ClassVar[int] = 64
    #: The most multiparts around a part that is read: each costs a pass over the body.
    MAX_DEPTH: ClassVar[int] = 8

    _parts: tuple[Part, ...]
    #: The parts as they came, and the whole; None for a multipart that was built.
    _came: tuple[list[bytes], bytes] | None

    def __init__(
        self,
        parts: Iterable[Part | Multipart],
        subtype: str = "mixed",
        parameters: Mapping[str, Any] | str = "",
    ) -> None:
        self._came = None
        self._content_type = content_type = MediaType("multipart", subtype, parameters)
        self.parts = parts
        boundary = content_type.parameter("boundary")
        if boundary is not None and not is_boundary(boundary):
            raise BuildError(f"{boundary!r} cannot be a boundary (RFC 2046 §5.1.1).")
        if self.subtype == "related" and content_type.parameter("type") is None:
            content_type.parameters["type"] = self.root.media_type  # RFC 2387 §3.1

    @classmethod
    def parse(cls, data: bytes, content_type: MediaType | str) -> Self:
        """Read a multipart body.

        Args:
            data: The body.
            content_type: Its Content-Type, which has the boundary.

        Raises:
            ParseError: And nothing else; its status is 413 where there are too many parts.
        """
        kind = content_type if isinstance(content_type, str) else str(content_type)
        return cls._parse(bytes(data), MediaType.parse(kind), 0)

    @classmethod
    def of(cls, entity: Entity) -> Self:
        """Read the body of a message or of a part; what is changed in the outcome is not changed
        there until it is set as the body.

        Raises:
            ParseError: It is no multipart body.
        """
        content_type = entity.content_type
        if content_type is None:
            raise _no_type("", "multipart/mixed or another multipart type")
        return cls._parse(entity.body, MediaType.parse(str(content_type)), entity._depth())

    @classmethod
    def _parse(cls, data: bytes, content_type: MediaType, depth: int) -> Self:
        boundary = content_type.parameter("boundary")
        if content_type.type.lower() != "multipart":
            raise _no_type(str(content_type), "multipart/mixed or another multipart type")
        if boundary is None:
            raise _no_type(str(content_type), "a boundary")
        if not is_boundary(boundary, strict=False):
            expected = "a boundary of 1 to 70 characters, the last of them no space"
            raise _no_type(str(content_type), expected)
        if depth >= cls.MAX_DEPTH:
            expected = f"at most {cls.MAX_DEPTH} levels of parts"
            raise ParseError(data[:200], expected, None, what="multipart body", status=413)
        pieces = split_parts(data, boundary, cls.MAX_PARTS)
        self = cls.__new__(cls)
        self._content_type = content_type
        self._came = pieces, data
        self._parts = tuple(Part._parse(piece, depth + 1) for piece in pieces)
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, in order. They may be changed, and others set in their place.

        Raises:
            BuildError: On setting: there is none.
        """
        return self._parts

    @parts.setter
    def parts(self, value: Iterable[Part | Multipart]) -> None:
        parts = tuple(Part(None, one) if isinstance(one, Multipart) else one for one in value)
        if not parts:
            raise BuildError("A multipart body has at least one part (RFC 2046 §5.1.1).")
        self._parts = parts

    @property
    def subtype(self) -> str:
        """The subtype in lower case: "mixed", "alternative", ..."""
        return self._content_type.subtype.lower()

    @property
    def root(self) -> Part:
        """The part of a multipart/related to begin with: the one that `start` names, or the first
        (RFC 2387 §3.2).
        """
        start = self._content_type.parameter("start")
        if start is not None:
            name = start.strip().removeprefix("<").removesuffix(">")
            for part in self._parts:
                if part.content_id == name:
                    return part
        return self._parts[0]

    @property
    def content_type(self) -> MediaType:
        """The Content-Type that goes with `bytes(multipart)`, a copy; the boundary is in it."""
        boundary, _ = self._write()
        if self._content_type.parameter("boundary") != boundary:
            self._content_type.parameters["boundary"] = boundary
        return MediaType.parse(str(self._content_type))

    def _write(self) -> tuple[str, bytes]:
        """Return the boundary and the body."""
        pieces = [bytes(part) for part in self._parts]
        boundary = self._content_type.parameter("boundary")
        if self._came is not None and boundary is not None and pieces == self._came[0]:
            return boundary, self._came[1]
        if boundary is None or not is_boundary(boundary) or occurs(boundary, pieces):
            boundary = choose_boundary(pieces)
        return boundary, join_parts(pieces, boundary)

    def __bytes__(self) -> bytes:
        return self._write()[1]

    def __repr__(self) -> str:
        return f"<Multipart {self.subtype}, {len(self._parts)} parts>"


def _no_type(text: str, expected: str) -> ParseError:
    return ParseError(text, expected, None, what="multipart Content-Type")
