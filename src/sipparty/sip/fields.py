"""The header lines of a message, and access to them by name.

Laws:

* A header is parsed when it is asked for, and kept; a change made to a value handed out shows when
  the message is written, however often that is.
* A value that is set is taken as it is then; a change made to that object later is not seen.
* A line that was not touched stays as it came: spelling, compact names, folding, order. Of a header
  with several lines, only those that hold a changed value are written anew.
* No value that is set can hold a line break, so nobody who fills one in can write headers of their
  own, nor another control character (`BuildError`).
* Of the headers that every message must have, an attribute raises `ParseError` where the header
  cannot be read. Any other is None then, as if it were absent, since who is sent a message is to
  ignore what is malformed and not needed (RFC 3261 §8.2). The mapping raises, and says what is
  wrong; `sipparty.sip.validation.findings` lists it.

Header access, for known and unknown headers alike:

    message.to, message.cseq, message.from_      typed; None where absent, or malformed and no need
    message["X-Any"], message["Via"]             the first value; KeyError where it is absent
    message.get("Via"), message.all("Via")       the first or None; all of them
    message["Subject"] = "lunch"                 replaces every value; a list gives several lines
    message["Subject"] = None                    removes all, if there are any
    message.add("Via", value, first=True)        adds one
    del message["X-Any"]                         removes all; KeyError where it is absent

What is got before `add`, set or `del` of the same header is no longer the message's afterwards: ask
again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar, cast, overload

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern
from sipparty.sip.grammar import TOKEN_CHARS, check_line, is_token, split_list
from sipparty.sip.headers import HEADERS, SPELLINGS, Header, Many, header_key, header_name
from sipparty.sip.typed import TokenValue
from sipparty.sip.values import CSeq, DNameURI, HeaderValue, MediaType, Via

__all__ = [
    "NEW_FIELD",
    "Field",
    "HeaderField",
    "HeaderFields",
    "field",
    "parse_line",
    "stray_break",
]

#: What ends a header field: a line break that does not fold it (RFC 3261 §7.3.1).
NEW_FIELD = late_pattern(r"\r\n(?![ \t])")

#: A header line: its key, its value unfolded and stripped, and the line as it came without the
#: final CRLF.
Field = tuple[str, str, str]

T = TypeVar("T")

# A run of spaces is tried from its first one only, so that spaces without a fold cost no more.
_FOLD = late_pattern(r"(?:(?<![ \t])[ \t]++)?+\r\n[ \t]++")
_NAME = late_pattern(f"([{TOKEN_CHARS}]+)[ \t]*")

_TEXT = Header("")

#: Kinds of value that cannot change once they are handed out.
_FIXED = (str, int, float, tuple, frozenset)

#: What is several values and not one; not so their subclasses, such as `CSeq`.
_SEVERAL = frozenset({list, tuple, set, frozenset})


def field(name: str, value: str) -> Field:
    """Make a header line from a name as it is to be written and a value known to hold no line
    break.
    """
    return (header_key(name), value, f"{name}: {value}")


def parse_line(line: str) -> tuple[str, str]:
    """Read a header line that is not of the plain kind: folded, spaced before the colon, or of a
    name not met often.
    """
    name, colon, value = line.partition(":")
    found = _NAME.fullmatch(name)
    if not colon or found is None:
        raise ParseError(line, "a header name and a colon", 0, what="header line")
    if "\n" in value:
        value = _FOLD.sub(" ", value)
    if "\n" in value or "\r" in value:
        raise stray_break(line)
    return header_key(found.group(1)), value.strip()


def stray_break(text: str) -> ParseError:
    """Make the error for a CR or LF that stands alone (RFC 3261 §7: lines end in CRLF)."""
    found = re.search(r"\r(?!\n)|(?<!\r)\n", text)
    return ParseError(
        text, "CR and LF only together", found.start() if found else None, what="SIP message"
    )


def _checked(row: Header, value: Any) -> str:
    """Return the text of a value to be set, once it is known to parse and to stay in its line."""
    if value.__class__ is int:
        text = str(value)
    elif value is None:
        raise BuildError(f"None cannot be a {row.name or 'header'} value.")
    else:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        text = check_line(str(value), f"{row.name or 'header'} value").strip()
    if row.parse is not str:
        try:
            if row.many is Many.ONE or row.many is Many.LINES:
                row.parse(text)
            else:
                for element in split_list(text, row.name):
                    row.parse(element)
        except ParseError as error:
            if isinstance(value, str):
                raise
            raise BuildError(f"{value!r} cannot be a {row.name} value: {error}") from error
    return text


def _line_texts(key: str, value: Any) -> list[str]:
    """Return the text of each line that a value, or several, to be set are written as."""
    row = HEADERS.get(key, _TEXT)
    if value.__class__ not in _SEVERAL:
        return [_checked(row, value)]
    texts = [_checked(row, one) for one in value]
    if row.many is Many.TOKENS and texts:
        texts = [", ".join(texts)]
    return texts


def _check_name(name: str) -> None:
    # A spelling that is known is a token.
    if name not in SPELLINGS and not is_token(name):
        raise BuildError(f"{name!r} cannot be a header name: expected a token.")


def _watched(texts: list[str], values: list[Any]) -> tuple[list[str] | None, list[Any]]:
    """Return values to be handed out with what shows whether they were changed since: the texts
    they were written as; None for values that cannot change.
    """
    if not values or isinstance(values[0], _FIXED):
        return None, values
    if isinstance(values[0], HeaderValue):
        return texts, values
    return [str(value) for value in values], values


#: The headers that every message must have (RFC 3261 §8.1.1).
_MANDATORY = frozenset({"via", "from", "to", "call-id", "cseq"})


class HeaderField(Generic[T]):
    """Typed access to one header as an attribute: the value; None where it is absent, or is
    malformed and not one that every message must have. Setting None removes it, text is parsed.
    """

    def __init__(self, name: str) -> None:
        self._key = header_key(name)
        self._needed = self._key in _MANDATORY
        #: Whether it is an address that is had with a URI that is one, or not at all.
        self._target = not self._needed and HEADERS[self._key].parse == DNameURI.parse
        self._tokens = HEADERS[self._key].many is Many.TOKENS
        self._list = HEADERS[self._key].many is Many.LIST
        self.__doc__ = f"The {name} header."

    @overload
    def __get__(self, message: None, owner: type) -> Self: ...
    @overload
    def __get__(self, message: HeaderFields, owner: type) -> T: ...
    def __get__(self, message: HeaderFields | None, owner: type) -> T | Self:
        if message is None:
            return self
        key = self._key
        typed = message._typed
        if typed is None:
            typed = message._typed = {}
        known = typed.get(key)
        try:
            if known is None and not self._tokens:
                # One line with one value, as nearly every header is: straight to it.
                index = message._index
                if index is None:
                    index = message._make_index()
                at = index.get(key)
                if at is None:
                    return cast(T, None)
                text = message._fields[at][1]
                parse = HEADERS[key].parse
                if parse is str:
                    return cast(T, text)
                if not self._list or not (message._repeats or "," in text or not text):
                    value = parse(text)
                    if isinstance(value, HeaderValue):
                        if self._target:
                            _ = value.parts  # type: ignore[attr-defined]
                        typed[key] = [text], [value]
                    else:
                        typed[key] = _watched([text], [value])
                    return cast(T, value)
            values = known[1] if known is not None else message._values(key)
            if self._target and values:
                _ = values[0].parts
        except ParseError:
            if self._needed:
                raise
            return cast(T, () if self._tokens else None)
        if self._tokens:
            return cast(T, tuple(values))
        return values[0] if values else cast(T, None)

    def __set__(self, message: HeaderFields, value: T | str | bytes | None) -> None:
        message[HEADERS[self._key].name] = value


class HeaderFields:
    """The header lines of a message: a mapping by name that keeps what it does not touch."""

    __slots__ = ("__weakref__", "_data", "_fields", "_index", "_repeats", "_typed")

    _fields: list[Field]
    #: Where the first line of each header is; None after a change, until somebody asks.
    _index: dict[str, int] | None
    #: Whether some header has more than one line; true of the index alone.
    _repeats: bool
    #: What was handed out: by key, the texts that the values were written as then, and the values;
    #: no texts for values that cannot change.
    _typed: dict[str, tuple[list[str] | None, list[Any]]] | None
    #: The wire form of the whole message, as long as it is true.
    _data: bytes | None

    def _settle(self) -> None:
        """Take changes made to what was handed out into the text."""
        if self._typed is not None:
            self._settle_fields()

    def _settle_fields(self) -> None:
        """Take changes made to the values handed out back into the lines."""
        for key, (texts, values) in cast(dict[str, Any], self._typed).items():
            if texts is not None:
                for text, value in zip(texts, values, strict=True):
                    if isinstance(value, HeaderValue) and value._is_still(text):
                        continue
                    if str(value) != text:
                        self._rewrite(key, texts, values)
                        break

    def _rewrite(self, key: str, texts: list[str], values: list[Any]) -> None:
        """Write anew the lines of a header that hold a changed value."""
        row = HEADERS.get(key, _TEXT)
        joined = row.many is Many.LIST or row.many is Many.TOKENS
        news = [check_line(str(value), f"{row.name} value") for value in values]
        self._touch()
        start = 0
        for at, (other, value, line) in enumerate(self._fields):
            if other == key and start < len(news):
                stop = start + (len(split_list(value, row.name)) if joined else 1)
                if news[start:stop] != texts[start:stop]:
                    text = ", ".join(news[start:stop])
                    name = line.partition(":")[0].rstrip()
                    self._fields[at] = (key, text, f"{name}: {text}")
                start = stop
        texts[:] = news

    def _touch(self) -> None:
        """Forget the wire form: something is about to change."""
        self._data = None

    def _text(self, key: str) -> str | None:
        """Return the first line's value of a header by its key, unparsed."""
        index = self._index
        if index is None:
            index = self._make_index()
        at = index.get(key)
        return None if at is None else self._fields[at][1]

    def _make_index(self) -> dict[str, int]:
        index: dict[str, int] = {}
        for at, (key, _, _) in enumerate(self._fields):
            if key not in index:
                index[key] = at
        self._index = index
        self._repeats = len(index) != len(self._fields)
        return index

    def _values(self, key: str) -> list[Any]:
        """Return the values of a header by its key, parsed once."""
        typed = self._typed
        if typed is None:
            typed = self._typed = {}
        else:
            known = typed.get(key)
            if known is not None:
                return known[1]
        first = self._text(key)
        if first is None:
            return []
        row = HEADERS.get(key, _TEXT)
        parse = row.parse
        if row.many is Many.ONE:
            if parse is str:
                return [first]
            texts = [first]
        elif row.many is Many.LINES:
            texts = self.lines(key)
        elif self._repeats:
            texts = [
                element
                for other, value, _ in self._fields
                if other == key
                for element in split_list(value, row.name)
            ]
        else:
            texts = split_list(first, row.name)
        if parse is str:
            return texts
        values = [parse(text) for text in texts]
        typed[key] = _watched(texts, values)
        return values

    def _replace(self, key: str, name: str, texts: list[str]) -> None:
        """Put lines in the place of a header's first one, and remove its others."""
        self._touch()
        if self._typed is not None:
            self._typed.pop(key, None)
        new = [(key, text, f"{name}: {text}") for text in texts]
        index = self._index
        if index is not None and not self._repeats and len(new) == 1:
            # One line for one, as most are.
            at = index.setdefault(key, len(self._fields))
            self._fields[at : at + 1] = new
            return
        fields: list[Field] = []
        placed = False
        for line in self._fields:
            if line[0] != key:
                fields.append(line)
            elif not placed:
                fields += new
                placed = True
        if not placed:
            fields += new
        self._fields = fields
        self._index = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._text(header_key(name)) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the headers, once each, in order."""
        return iter(dict.fromkeys(header_name(key) for key, _, _ in self._fields))

    def __getitem__(self, name: str) -> Any:
        key = header_key(name)
        values = self._values(key)
        if not values:
            if key in self:
                return () if HEADERS.get(key, _TEXT).many is Many.TOKENS else ""
            raise KeyError(name)
        return tuple(values) if HEADERS.get(key, _TEXT).many is Many.TOKENS else values[0]

    def __setitem__(self, name: str, value: Any) -> None:
        key = SPELLINGS.get(name)
        if key is None:
            _check_name(name)
            key = header_key(name)
        row = HEADERS.get(key)
        texts = [] if value is None else _line_texts(key, value)
        self._replace(key, name if row is None else row.name, texts)

    def __delitem__(self, name: str) -> None:
        key = header_key(name)
        if self._text(key) is None:
            raise KeyError(name)
        self._replace(key, name, [])

    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of a header, or the default where it is absent."""
        try:
            return self[name]
        except KeyError:
            return default

    def all(self, name: str) -> list[Any]:
        """Return all values of a header: typed for those in the table, else the text of each
        line.
        """
        key = header_key(name)
        if key in HEADERS:
            return list(self._values(key))
        return self.lines(name)

    def lines(self, name: str) -> list[str]:
        """Return the value of each line of a header as text, unfolded."""
        key = header_key(name)
        self._settle()
        return [value for other, value, _ in self._fields if other == key]

    def add(self, name: str, value: Any, *, first: bool = False) -> None:
        """Add one line of a header; a list of values adds one for each, or one for all where they
        are read together (Allow, Supported).

        Args:
            name: The header's name, written as given.
            value: A typed value or text, or a list of them.
            first: Put it before the header's other lines, or on top of the message; else it comes
            last.

        Raises:
            BuildError: The name is not a token, or the value holds a line break.
            ParseError: The text is not a value of this header.
        """
        _check_name(name)
        key = header_key(name)
        lines = [(key, text, f"{name}: {text}") for text in _line_texts(key, value)]
        if self._typed is not None and key in self._typed:
            self._settle()
            self._typed.pop(key)
        self._touch()
        at = self._make_index().get(key, 0) if first else len(self._fields)
        self._fields[at:at] = lines
        self._index = None

    via = HeaderField[Via | None]("Via")
    from_ = HeaderField[DNameURI | None]("From")
    to = HeaderField[DNameURI | None]("To")
    call_id = HeaderField[str | None]("Call-ID")
    cseq = HeaderField[CSeq | None]("CSeq")
    contact = HeaderField[DNameURI | None]("Contact")
    max_forwards = HeaderField[int | None]("Max-Forwards")
    route = HeaderField[DNameURI | None]("Route")
    record_route = HeaderField[DNameURI | None]("Record-Route")
    content_type = HeaderField[MediaType | None]("Content-Type")
    content_disposition = HeaderField[TokenValue | None]("Content-Disposition")
    content_length = HeaderField[int | None]("Content-Length")
    expires = HeaderField[int | None]("Expires")
    allow = HeaderField[tuple[str, ...]]("Allow")
    supported = HeaderField[tuple[str, ...]]("Supported")
    require = HeaderField[tuple[str, ...]]("Require")
    proxy_require = HeaderField[tuple[str, ...]]("Proxy-Require")
    unsupported = HeaderField[tuple[str, ...]]("Unsupported")
    subject = HeaderField[str | None]("Subject")
    user_agent = HeaderField[str | None]("User-Agent")
    server = HeaderField[str | None]("Server")
