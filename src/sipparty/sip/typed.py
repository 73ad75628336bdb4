"""Header values that are their text: a token with parameters, a number, a URI, ...

Laws:

* A value *is* its text, a `str`, as it came on the wire: it compares, prints and is written back to
  the letter. What it says is read from its attributes. It does not change; to change a header, set
  another value.
* Making a value checks it: `Event("presence;id=7")` or `ParseError`, nothing else, in time linear
  in the text (every quantifier is possessive or bounded).
* A few general classes serve many headers; the table in `sipparty.sip.headers` says which has
  which. Those that serve one only are in `sipparty.sip.particular`.

    class             written as                        as in
    TokenValue        token *(;parameter)               Event, Reason, Content-Disposition
    WordValue         anything *(;parameter)            Replaces, Target-Dialog, Session-ID
    MediaRange        type/subtype *(;parameter)        Accept
    NumberValue       seconds [(comment)] *(;parameter) Retry-After, Session-Expires
    ParameterList     parameter *(;parameter)           P-Charging-Vector
    TokenList         token *(;token)                   Privacy
    AddressReference  <URI> *(;parameter)               Alert-Info, Call-Info

Beyond the grammar, reading tolerates empty parameters (`;;`) and white space in an unquoted
parameter value, since both are seen and harm nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Self

from sipparty.errors import BuildError, ParseError
from sipparty.sip.components import URI
from sipparty.sip.grammar import TOKEN_CHARS, check_line, is_token, quote, unquote

__all__ = [
    "QUOTED",
    "AddressReference",
    "MediaRange",
    "NumberValue",
    "ParameterList",
    "TextValue",
    "TokenList",
    "TokenValue",
    "WordValue",
    "comment_end",
]

_BRACKETED = re.compile(r"<[^<>]*+>")
#: A quoted string, as a regular expression that cannot backtrack.
QUOTED = r'"(?:[^"\\]++|\\.)*+"'
#: One parameter behind its semicolon, which may be missing after it (RFC 3261 §25.1
#: `generic-param`).
_PARAMETER = re.compile(
    rf"[ \t]*+;[ \t]*+(?:([{TOKEN_CHARS}]++)[ \t]*+"
    rf'(?:=[ \t]*+({QUOTED}|<[^<>]*+>|[^;"<>]*+)[ \t]*+)?+)?+',
    re.S,
)


class TextValue(str):
    """What the classes of this module share: a text that was checked, and its parameters.

    Args:
        text: The value as it is written in the header.

    Raises:
        ParseError: The text is no such value.
    """

    __slots__ = ("_parameters",)

    _parameters: dict[str, str | None]

    #: What a `ParseError` calls this kind of value.
    WHAT: ClassVar[str] = "header value"

    def __new__(cls, text: str | bytes) -> Self:
        """Make a value from its text, as `parse` does."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        self = super().__new__(cls, text)
        self._parameters = {}
        self._read()
        return self

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Make a value from its text.

        Raises:
            ParseError: The text is no such value.
        """
        return cls(text)

    def _read(self) -> None:
        """Check the text and keep what it says."""

    def _fail(self, expected: str, position: int | None = 0) -> ParseError:
        return ParseError(str(self), expected, position, what=self.WHAT)

    def _read_parameters(self, start: int) -> None:
        """Read the parameters that begin at `start` and end with the text."""
        at = start
        end = len(self.rstrip())
        while at < end:
            found = _PARAMETER.match(self, at)
            if found is None:
                raise self._fail("';' and a parameter, or the end", at)
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
        if name not in self._parameters:
            return None
        return self._parameters[name] or ""

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
        if value is None:
            parts.append(f";{name}")
        else:
            text = check_line(str(value), f"{name} parameter")
            plain = is_token(text) or (
                text[:1] == "<" and text[-1:] == ">" and ">" not in text[:-1]
            )
            parts.append(f";{name}={text if plain else quote(text)}")
    return "".join(parts)


class WordValue(TextValue):
    """A word with parameters: a Call-ID, a token, a quoted string or base 64, then `;name=value`.

    Attributes:
        value: The word as it was written.
    """

    __slots__ = ("value",)

    value: str

    WHAT = "word with parameters"
    _HEAD: ClassVar[re.Pattern[str]] = re.compile(rf'[ \t]*+({QUOTED}|[^;,"\s]++)', re.S)
    _EXPECTED: ClassVar[str] = "a word"

    def _read(self) -> None:
        found = self._HEAD.match(self)
        if found is None:
            raise self._fail(self._EXPECTED)
        self.value = found.group(1)
        self._read_parameters(found.end())

    @classmethod
    def of(cls, value: str, parameters: Mapping[str, str | int | None] | None = None) -> Self:
        """Make a value from its parts.

        Args:
            value: What stands before the parameters.
            parameters: Values by name, unquoted; None for a flag.

        Raises:
            BuildError: A part cannot stand where it is.
        """
        text = check_line(value) + _tail(parameters or {})
        try:
            made = cls(text)
        except ParseError as error:
            raise BuildError(str(error)) from error
        if made.value != value:
            raise BuildError(f"{value!r} cannot be a {cls.WHAT}: expected {cls._EXPECTED}.")
        return made


class TokenValue(WordValue):
    """A token with parameters: Event (RFC 6665 §8.4), Reason (RFC 3326 §2), Content-Disposition
    (RFC 3261 §20.11) and their kin.

    Attributes:
        value: The token.
    """

    __slots__ = ()

    WHAT = "token with parameters"
    _HEAD = re.compile(rf"[ \t]*+([{TOKEN_CHARS}]++)")
    _EXPECTED = "a token"


class MediaRange(WordValue):
    """A media type, or all of a kind, with parameters: Accept (RFC 3261 §20.1).

    Attributes:
        value: "application/sdp", "text/*" or "*/*", as it was written.
    """

    __slots__ = ()

    WHAT = "media range"
    _HEAD = re.compile(rf"[ \t]*+([{TOKEN_CHARS}]++/[{TOKEN_CHARS}]++)")
    _EXPECTED = "type/subtype"

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

    Attributes:
        seconds: The number.
        comment: What stands in parentheses after it, without them; "" for none.
    """

    __slots__ = ("comment", "seconds")

    seconds: int
    comment: str

    WHAT = "number of seconds"
    #: RFC 3261 §25.1 `delta-seconds`; more digits than these are nothing that can be waited for.
    _HEAD = re.compile(r"[ \t]*+([0-9]{1,20}+)")

    def _read(self) -> None:
        found = self._HEAD.match(self)
        if found is None:
            raise self._fail("a number of seconds")
        self.seconds = int(found.group(1))
        at = found.end()
        self.comment = ""
        rest = self[at:].lstrip(" \t")
        if rest.startswith("("):
            at = len(self) - len(rest)
            end = comment_end(self, at)
            if end < 0:
                raise self._fail("')' after the comment", len(self))
            self.comment = self[at + 1 : end - 1]
            at = end
        self._read_parameters(at)

    def __int__(self) -> int:
        return self.seconds


_COMMENT_STOP = re.compile(r"[()\\]")


def comment_end(text: str, start: int) -> int:
    """Return where the comment that opens at `start` ends; -1 if it does not. Comments nest
    (RFC 3261 §25.1), so they are counted.
    """
    depth = 0
    at = start
    while (found := _COMMENT_STOP.search(text, at)) is not None:
        at = found.end()
        char = found.group()
        if char == "\\":
            at += 1
        elif char == "(":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return at
    return -1


class ParameterList(TextValue):
    """Parameters and nothing before them: P-Charging-Vector, P-Charging-Function-Addresses
    (RFC 7315 §4.5, §4.6).
    """

    __slots__ = ()

    WHAT = "list of parameters"
    _FIRST = re.compile(rf"[ \t]*+[{TOKEN_CHARS}]")

    def _read(self) -> None:
        if self._FIRST.match(self) is None:
            raise self._fail("a parameter")
        # The first one is read as the others are, as if its semicolon were there.
        other = TextValue(f";{self}")
        try:
            other._read_parameters(0)
        except ParseError as error:
            raise self._fail(error.expected, (error.position or 1) - 1) from None
        self._parameters = other._parameters


class TokenList(TextValue):
    """Tokens with semicolons between: Privacy (RFC 3323 §4.2).

    Attributes:
        tokens: The tokens in lower case.
    """

    __slots__ = ("tokens",)

    tokens: tuple[str, ...]

    WHAT = "list of tokens"

    def _read(self) -> None:
        tokens = [part.strip().lower() for part in self.split(";")]
        for token in tokens:
            if not is_token(token):
                raise self._fail("tokens with ';' between", None)
        self.tokens = tuple(tokens)


class AddressReference(TextValue):
    """A URI in angle brackets with parameters: Alert-Info, Call-Info, Error-Info (RFC 3261 §20.4,
    §20.9, §20.18).

    Attributes:
        uri_text: The URI as text.
    """

    __slots__ = ("uri_text",)

    uri_text: str

    WHAT = "URI in angle brackets"
    _HEAD = re.compile(r"[ \t]*+<([^<>\"]++)>")
    _SPACES = re.compile(r"[ \t]++")

    def _read(self) -> None:
        found = self._HEAD.match(self)
        # White space, from a line that was folded there, is no part of the URI.
        uri = "" if found is None else self._SPACES.sub("", found.group(1))
        if found is None or not uri:
            raise self._fail("a URI in '<' and '>'")
        self.uri_text = uri
        self._read_parameters(found.end())

    @property
    def uri(self) -> URI:
        """The URI, read anew.

        Raises:
            ParseError: It is none.
        """
        return URI.parse(self.uri_text)
