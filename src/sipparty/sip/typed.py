"""Header values that are their text: a token with parameters, a number, a date, ...

Laws:

* A value *is* its text, a `str`, as it came on the wire: it compares, prints and is written back to
  the letter. What it says is read from its attributes. It does not change; to change a header, set
  another value.
* Making a value checks it: `Event("presence;id=7")` or `ParseError`, nothing else, in time linear
  in the text (every quantifier is possessive or bounded).
* A class is a declaration: a pattern whose groups become attributes, and whether parameters follow.
  The table in `sipparty.sip.headers` says which header has which class.

Beyond the grammar, reading tolerates empty parameters (`;;`) and white space in an unquoted
parameter value, since both are seen and harm nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Self

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern
from sipparty.sip.components import URI
from sipparty.sip.grammar import QUOTED, TOKEN_CHARS, as_text, check_line, is_token, quote, unquote

__all__ = [
    "AddressReference",
    "Date",
    "MediaRange",
    "NumberValue",
    "ParameterList",
    "Product",
    "ProductList",
    "RAck",
    "TextValue",
    "Timestamp",
    "TokenList",
    "TokenValue",
    "WarningValue",
    "WordValue",
]

_TOKEN = f"[{TOKEN_CHARS}]++"
#: One parameter behind its semicolon, which may be missing after it (RFC 3261 §25.1
#: `generic-param`).
_PARAMETER = late_pattern(
    rf"[ \t]*+;[ \t]*+(?:({_TOKEN})[ \t]*+"
    rf"(?:=[ \t]*+({QUOTED}|<[^<>]*+>|[^;\"<>]*+)[ \t]*+)?+)?+",
    re.S,
)


class TextValue(str):
    """What the classes of this module share: a text that was checked, and its parameters.

    Args:
        text: The value as it is written in the header.

    Raises:
        ParseError: The text is no such value.
    """

    _parameters: dict[str, str | None]

    #: What a `ParseError` calls this kind of value, and what it says was expected.
    WHAT: ClassVar[str] = "header value"
    _EXPECTED: ClassVar[str] = "a value"
    #: What stands before the parameters; each named group is an attribute. None for any text.
    _HEAD: ClassVar[re.Pattern[str] | None] = None
    #: What makes an attribute of its group, where it is not the text.
    _KINDS: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    #: Whether parameters may follow.
    _HAS_PARAMETERS: ClassVar[bool] = False

    def __new__(cls, text: str | bytes) -> Self:
        """Make a value from its text, as `parse` does."""
        self = super().__new__(cls, as_text(text))
        self._parameters = {}
        if cls._HEAD is not None:
            found = cls._HEAD.match(self)
            if found is None or not (cls._HAS_PARAMETERS or found.end() == len(self)):
                raise self._fail(cls._EXPECTED)
            kinds = cls._KINDS
            for name, value in found.groupdict("").items():
                setattr(self, name, kinds[name](value) if name in kinds else value)
            self._read(found)
        return self

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Make a value from its text.

        Raises:
            ParseError: The text is no such value.
        """
        return cls(text)

    @classmethod
    def _made(cls, text: str) -> Self:
        try:
            return cls(text)
        except ParseError as error:
            raise BuildError(str(error)) from error

    def _read(self, found: re.Match[str]) -> None:
        """Check what the pattern does not, and read the parameters."""
        if self._HAS_PARAMETERS:
            self._read_parameters(self, found.end())

    def _fail(self, expected: str, position: int | None = 0) -> ParseError:
        return ParseError(str(self), expected, position, what=self.WHAT)

    def _read_parameters(self, text: str, start: int) -> None:
        """Read the parameters that begin at `start` and end with the text, which ends as this."""
        at, end = start, len(text.rstrip())
        while at < end:
            found = _PARAMETER.match(text, at)
            if found is None:
                position = at - len(text) + len(self)
                raise self._fail("';' and a parameter, or the end", position)
            name, value = found.groups()
            at = found.end()
            if name is not None:
                value = None if value is None else unquote(value.rstrip())
                self._parameters.setdefault(name.lower(), value)

    @property
    def parameters(self) -> dict[str, str | None]:
        """The parameters by name in lower case, unquoted, None for a flag; a copy. Of two of one
        name the first counts.
        """
        return dict(self._parameters)

    def parameter(self, name: str) -> str | None:
        """Return one parameter, unquoted: "" for a flag, None where it is absent."""
        name = name.lower()
        return (self._parameters[name] or "") if name in self._parameters else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str.__str__(self),)


def _tail(parameters: Mapping[str, str | int | None]) -> str:
    """Write parameters, each quoted where it has to be."""
    parts = []
    for name, value in parameters.items():
        if not is_token(name):
            raise BuildError(f"{name!r} cannot be a parameter name: expected a token.")
        parts.append(f";{name}")
        if value is not None:
            text = check_line(str(value), f"{name} parameter")
            plain = is_token(text) or re.fullmatch("<[^>]*+>", text)
            parts.append(f"={text if plain else quote(text)}")
    return "".join(parts)


class WordValue(TextValue):
    """A word with parameters: a Call-ID, a token, a quoted string or base 64, then parameters."""

    #: The word as it was written.
    value: str

    WHAT = "word with parameters"
    _EXPECTED = "a word"
    _HEAD = late_pattern(rf'[ \t]*+(?P<value>{QUOTED}|[^;,"\s]++)', re.S)
    _HAS_PARAMETERS = True

    @classmethod
    def of(cls, value: str, parameters: Mapping[str, str | int | None] | None = None) -> Self:
        """Make a value from its parts.

        Args:
            value: What stands before the parameters.
            parameters: Values by name, unquoted; None for a flag.

        Raises:
            BuildError: A part cannot stand where it is.
        """
        made = cls._made(check_line(value) + _tail(parameters or {}))
        if made.value != value:
            raise BuildError(f"{value!r} cannot be a {cls.WHAT}: expected {cls._EXPECTED}.")
        return made


class TokenValue(WordValue):
    """A token with parameters: Event (RFC 6665 §8.4), Reason (RFC 3326 §2), Content-Disposition
    (RFC 3261 §20.11) and their kin; its `value` is the token.
    """

    WHAT = "token with parameters"
    _EXPECTED = "a token"
    _HEAD = late_pattern(rf"[ \t]*+(?P<value>{_TOKEN})")


class MediaRange(WordValue):
    """A media type, or all of a kind, with parameters: Accept (RFC 3261 §20.1). Its `value` is
    "application/sdp", "text/*" or "*/*", as it was written.
    """

    WHAT = "media range"
    _EXPECTED = "type/subtype"
    _HEAD = late_pattern(rf"[ \t]*+(?P<value>{_TOKEN}/{_TOKEN})")

    def covers(self, essence: str) -> bool:
        """Whether a media type such as "application/sdp" is within it, and not refused by `q=0`."""
        kind, _, subtype = essence.lower().partition("/")
        type_, _, sub = self.value.lower().partition("/")
        if type_ not in ("*", kind) or sub not in ("*", subtype):
            return False
        return (self.parameter("q") or "1").rstrip("0").rstrip(".") not in ("", "0")


class NumberValue(TextValue):
    """A number of seconds with a comment and parameters: Retry-After (RFC 3261 §20.33),
    Session-Expires and Min-SE (RFC 4028 §4, §5).
    """

    #: The number.
    seconds: int
    #: What stands in parentheses after it, without them; "" for none.
    comment: str

    WHAT = "number of seconds"
    _EXPECTED = "a number of seconds"
    #: RFC 3261 §25.1 `delta-seconds`; more digits than these are nothing that can be waited for.
    _HEAD = late_pattern(r"[ \t]*+(?P<seconds>[0-9]{1,20}+)(?P<comment>[ \t]*+\()?+")
    _KINDS: ClassVar = {"seconds": int}
    _HAS_PARAMETERS = True

    def _read(self, found: re.Match[str]) -> None:
        at = found.end()
        if self.comment:
            end = _comment_end(self, at - 1)
            if end < 0:
                raise self._fail("')' after the comment", len(self))
            self.comment, at = self[at : end - 1], end
        self._read_parameters(self, at)

    def __int__(self) -> int:
        return self.seconds


_COMMENT_STOP = late_pattern(r"[()]|\\.?", re.S)


def _comment_end(text: str, start: int) -> int:
    """Return where the comment that opens at `start` ends; -1 if it does not. Comments nest
    (RFC 3261 §25.1), so they are counted.
    """
    depth = 0
    for found in _COMMENT_STOP.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        if depth == 0:
            return found.end()
    return -1


class ParameterList(TextValue):
    """Parameters and nothing before them: P-Charging-Vector, P-Charging-Function-Addresses
    (RFC 7315 §4.5, §4.6).
    """

    WHAT = "list of parameters"
    _EXPECTED = "a parameter"
    _HEAD = late_pattern(rf"[ \t]*+(?=[{TOKEN_CHARS}])")
    _HAS_PARAMETERS = True

    def _read(self, found: re.Match[str]) -> None:
        # The first one is read as the others are, as if its semicolon were there.
        self._read_parameters(f";{self}", 0)


class TokenList(TextValue):
    """Tokens with semicolons between: Privacy (RFC 3323 §4.2)."""

    #: The tokens in lower case.
    tokens: tuple[str, ...]

    WHAT = "list of tokens"
    _HEAD = late_pattern("(?P<tokens>.*)", re.S)
    _KINDS: ClassVar = {
        "tokens": lambda text: tuple(part.strip() for part in text.lower().split(";"))
    }

    def _read(self, found: re.Match[str]) -> None:
        if not all(map(is_token, self.tokens)):
            raise self._fail("tokens with ';' between", None)


class AddressReference(TextValue):
    """A URI in angle brackets with parameters: Alert-Info, Call-Info, Error-Info (RFC 3261 §20.4,
    §20.9, §20.18).
    """

    #: The URI as text; white space, from a line that was folded there, is no part of it.
    uri_text: str

    WHAT = "URI in angle brackets"
    _EXPECTED = "a URI in '<' and '>'"
    _HEAD = late_pattern(r"[ \t]*+<(?P<uri_text>[ \t]*+[^<>\" \t][^<>\"]*+)>")
    _KINDS: ClassVar = {"uri_text": lambda text: re.sub("[ \t]", "", text)}
    _HAS_PARAMETERS = True

    @property
    def uri(self) -> URI:
        """The URI, read anew.

        Raises:
            ParseError: It is none.
        """
        return URI.parse(self.uri_text)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Date(TextValue):
    """A date and time, always GMT (RFC 3261 §20.17): `Sat, 13 Nov 2010 23:29:00 GMT`.

    A wrong day of the week is let pass; it says nothing that the date does not.
    """

    #: The same, aware of being UTC.
    time: datetime

    WHAT = "date"
    _EXPECTED = "a date such as 'Sat, 13 Nov 2010 23:29:00 GMT'"
    _HEAD = late_pattern(
        rf"\s*+(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
        r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\s*+"
    )

    def _read(self, found: re.Match[str]) -> None:
        month = _MONTHS.index(found[2]) + 1
        day, year, hour, minute, second = map(int, found.group(1, 3, 4, 5, 6))
        second = 59 if second == 60 else second  # a leap second
        try:
            self.time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            raise self._fail("a day and a time that exist") from None

    @classmethod
    def of(cls, time: datetime) -> Self:
        """Make a value from a time, which has to know its zone.

        Raises:
            BuildError: It does not.
        """
        if time.tzinfo is None:
            raise BuildError(f"{time!r} cannot be a Date: expected a time that knows its zone.")
        at = time.astimezone(UTC)
        day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
        return cls(f"{day}, {at.day:02} {month} {at.year:04} {at:%H:%M:%S} GMT")


_FRACTION = r"(?:\.[0-9]{0,20}+)?+"


class Timestamp(TextValue):
    """When a request was sent, and how long its answer took to make (RFC 3261 §20.38)."""

    #: The sender's time in seconds; of any clock.
    sent: float
    #: Seconds between receiving and answering; 0.0 where none is given.
    delay: float

    WHAT = "timestamp"
    _EXPECTED = "seconds, and a delay in seconds where there is one"
    _HEAD = late_pattern(
        rf"[ \t]*+(?P<sent>[0-9]{{1,20}}+{_FRACTION})"
        rf"(?:[ \t]++(?P<delay>[0-9]{{0,20}}+{_FRACTION}))?+[ \t]*+"
    )
    _KINDS: ClassVar = {
        "sent": float,
        "delay": lambda text: 0.0 if text in ("", ".") else float(text),
    }


class WarningValue(TextValue):
    """What is amiss, for people and machines (RFC 3261 §20.43): `399 biloxi.com "No lines"`."""

    #: Three digits, 300 to 399 where SIP defines them.
    code: int
    #: Who warns: a host and port, or a made-up name.
    agent: str
    #: The words, unquoted.
    text: str

    WHAT = "warning"
    _EXPECTED = 'three digits, a name and a text in quotes: 399 biloxi.com "text"'
    _HEAD = late_pattern(
        rf"[ \t]*+(?P<code>[1-9][0-9]{{2}})[ \t]++(?P<agent>[^\s\",]++)"
        rf"[ \t]++(?P<text>{QUOTED})[ \t]*+",
        re.S,
    )
    _KINDS: ClassVar = {"code": int, "text": unquote}

    @classmethod
    def of(cls, code: int, agent: str, text: str) -> Self:
        """Make a value from its parts.

        Raises:
            BuildError: A part cannot stand where it is.
        """
        return cls._made(f"{code} {check_line(agent)} {quote(text)}")


class RAck(TextValue):
    """Which provisional response a PRACK acknowledges (RFC 3262 §7.2): `776656 1 INVITE`."""

    #: The response's RSeq.
    rseq: int
    #: The number of its CSeq.
    cseq: int
    #: The method of its CSeq.
    method: str

    WHAT = "RAck"
    _EXPECTED = "two numbers and a method"
    _HEAD = late_pattern(
        rf"[ \t]*+(?P<rseq>[0-9]{{1,10}}+)[ \t]++(?P<cseq>[0-9]{{1,10}}+)"
        rf"[ \t]++(?P<method>{_TOKEN})[ \t]*+"
    )
    _KINDS: ClassVar = {"rseq": int, "cseq": int}

    def _read(self, found: re.Match[str]) -> None:
        if self.rseq >= 1 << 32 or self.cseq >= 1 << 31:
            raise self._fail("an RSeq below 2**32 and a CSeq below 2**31")


class Product(NamedTuple):
    """A piece of software.

    Args:
        name: "sipparty".
        version: "1.0", or "".
        comment: What stands in parentheses after it, or "".
    """

    name: str
    version: str = ""
    comment: str = ""


_PRODUCT = late_pattern(r"\(|[^\s(]++")


class ProductList(TextValue):
    """Which software it is: User-Agent and Server (RFC 3261 §20.35, §20.41).

    Any text is taken: it is made for people, and devices write what they like into it.
    """

    WHAT = "list of products"

    @property
    def products(self) -> tuple[Product, ...]:
        """The products named, as far as they can be made out."""
        products: list[Product] = []
        at = 0
        while found := _PRODUCT.search(self, at):
            at = found.end()
            if found.group() != "(":
                name, _, version = found.group().partition("/")
                products.append(Product(name, version))
                continue
            stop = _comment_end(self, at - 1)
            # One that does not end goes on to the end of the text.
            comment, at = (self[at : stop - 1], stop) if stop > 0 else (self[at:], len(self))
            if products and not products[-1].comment:
                products[-1] = products[-1]._replace(comment=comment)
            else:
                products.append(Product("", "", comment))
        return tuple(products)
