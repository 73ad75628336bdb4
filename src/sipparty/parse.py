"""Text into objects: `Parser` reads it, `ParsedProperty` does so when an attribute is set.

Laws:

* A class that can be parsed has one classmethod, `parse(text)`, that takes `str` or `bytes` and
  gives an instance or raises `ParseError`. That is all `ParsedProperty` and `sipparty.deepclass`
  ask of it.
* Bytes are decoded as UTF-8 with `surrogateescape`, so that octets which are not UTF-8 survive a
  round trip.
* Time is linear in the text. A `Parser` is a row of `Piece`s, each a run of characters between two
  literals; a piece is tried once, at one place, and nothing is ever tried again further left.
* An error names the whole text, what was expected and where: in characters for `str`, in bytes for
  `bytes`.
* A set that fails changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, overload

from sipparty.errors import ParseError
from sipparty.records import Record

__all__ = ["Parsable", "ParseError", "ParsedProperty", "Parser", "Piece", "decode"]


def decode(text: str | bytes | bytearray | memoryview) -> str:
    """Return text as `str`; bytes are UTF-8, and what is not UTF-8 becomes surrogates.

    Args:
        text: Text, or bytes of any content.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(text, str):
        return text
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text).decode("utf-8", "surrogateescape")
    raise TypeError(f"text must be str or bytes, not {type(text).__name__}")


class Parsable(Protocol):
    """What can be parsed: a class with a classmethod `parse(text)` that gives an instance of it."""

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Return an instance made from the text, or raise `ParseError`."""
        ...


class Piece(Record):
    """One stretch of a text: a literal, a run of characters, another literal.

    Args:
        into: The keyword argument that the run becomes when the object is made; "" where nobody
            keeps it. In a `DeepClass` it may be a deep path such as `host__address`.
        chars: The characters of the run, as the body of a regular expression's `[...]`: `0-9`,
            `A-Za-z`, or with `^` in front for all but those: `^@` runs to the next "@".
        expected: What stands here, as a noun phrase for errors: "digits".
        before: The literal in front of the run.
        after: The literal behind the run.
        optional: Whether the piece may be absent; its keyword argument is not given then. A piece
            that does not fit completely, literals included, is absent.
        least: The fewest characters the run may have.
        most: The most characters it may have, a limit against texts made to be long; None for no
            limit.
        parse: What makes a value of the run: a class with `parse`, or a function of one `str` that
            raises `ValueError` for a text it cannot take (`int` is one). None keeps the text.
    """

    __slots__ = ("_run",)

    _run: re.Pattern[str]
    into: str
    chars: str
    expected: str
    before: str = ""
    after: str = ""
    optional: bool = False
    least: int = 1
    most: int | None = None
    parse: type[Parsable] | Callable[[str], object] | None = None

    def __post_init__(self) -> None:
        if self.into and not self.into.isidentifier():
            raise TypeError(f"Piece.into must be an identifier or '', not {self.into!r}")
        most = "" if self.most is None else self.most
        try:
            # Possessive: the run gives nothing back, which is what keeps the time linear.
            run = re.compile(f"[{self.chars}]{{{self.least},{most}}}+")
        except re.error as error:
            raise TypeError(
                f"Piece.chars {self.chars!r} is no set of characters: {error}"
            ) from None
        object.__setattr__(self, "_run", run)

    def match(self, text: str, start: int) -> tuple[int, int, int]:
        """Match the piece at a place.

        Returns:
            Where its run starts, where its run ends, and where what follows it starts; where the
            piece does not fit, the first is -1 and the last is where it failed.
        """
        if not text.startswith(self.before, start):
            return -1, -1, start
        start += len(self.before)
        found = self._run.match(text, start)
        if found is None:
            return -1, -1, start
        end = found.end()
        if not text.startswith(self.after, end):
            return -1, -1, end
        return start, end, end + len(self.after)

    def value(self, text: str) -> object:
        """Return what the run's text becomes.

        Raises:
            ParseError: `parse` refused the text.
        """
        if self.parse is None:
            return text
        reader: Any = getattr(self.parse, "parse", self.parse)
        try:
            return reader(text)
        except ParseError:
            raise
        except ValueError as error:
            raise ParseError(text, self.expected, 0) from error


class Parser:
    """A class whose instances are made from text.

    A subclass lists the pieces of its text, in order:

        class Version(Parser):
            pieces = (
                Piece("major", "0-9", "the major version", parse=int),
                Piece("minor", "0-9", "'.' and a number", before=".", optional=True, parse=int),
            )

            def __init__(self, major: int, minor: int = 0) -> None: ...

        Version.parse("2.1")

    Each piece that is present becomes a keyword argument of the class. A grammar that needs more
    than a row of pieces overrides `from_text`.
    """

    __slots__ = ()

    #: The pieces of the text, in order.
    pieces: ClassVar[tuple[Piece, ...]] = ()
    #: What the text is called in errors; the class's name where it is "".
    what: ClassVar[str] = ""

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Return an instance made from the text.

        Args:
            text: The whole text; bytes are decoded with `decode`.

        Raises:
            ParseError: The text is not what the class reads; its `text` is the one given, its
                `position` counts characters in `str` and bytes in `bytes`.
            TypeError: `text` is neither `str` nor `bytes`.
        """
        if isinstance(text, str):
            return cls.from_text(text)
        decoded = decode(text)
        try:
            return cls.from_text(decoded)
        except ParseError as error:
            position = error.position
            if position is not None:
                position = len(decoded[:position].encode("utf-8", "surrogateescape"))
            raise ParseError(
                bytes(text), error.expected, position, what=error.what, status=error.status
            ) from error

    @classmethod
    def Parse(cls, text: str | bytes) -> Self:
        """The old name of `parse`."""
        return cls.parse(text)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read decoded text: what `parse` calls, and a class with its own grammar overrides.

        Raises:
            ParseError: The text is not what the class reads.
        """
        values: dict[str, Any] = {}
        at = 0
        # What an absent piece would have taken where the text stands now.
        wanted: list[str] = []
        for piece in cls.pieces:
            start, end, after = piece.match(text, at)
            if start < 0:
                if not piece.optional:
                    either = [*wanted, piece.expected] if after == at else [piece.expected]
                    raise ParseError(text, " or ".join(either), after, what=cls._what())
                wanted.append(piece.expected)
                continue
            try:
                value = piece.value(text[start:end])
            except ParseError as error:
                raise ParseError(
                    text,
                    error.expected,
                    start + (error.position or 0),
                    what=cls._what(),
                    status=error.status,
                ) from error
            if piece.into:
                values[piece.into] = value
            at = after
            wanted.clear()
        if at != len(text):
            raise ParseError(text, " or ".join([*wanted, "the end"]), at, what=cls._what())
        return cls.from_pieces(values)

    @classmethod
    def from_pieces(cls, values: Mapping[str, Any]) -> Self:
        """Make the instance; by default each value is a keyword argument of the class.

        Args:
            values: What each present piece with an `into` gave.
        """
        return cls(**values)

    @classmethod
    def _what(cls) -> str:
        return cls.what or cls.__name__


P = TypeVar("P", bound=Parsable)
G = TypeVar("G")


class ParsedProperty(Generic[G]):
    """An attribute that parses text when it is set.

        class Phone:
            line = ParsedProperty(URI)

        phone.line = "sip:alice@atlanta.com"    # phone.line is a URI

    Reading gives the instance, or None. Setting an instance of the class stores it; setting text
    parses it; setting None clears it. The value is kept in the instance's `__dict__` under the
    attribute's own name, and a set goes through the instance's `__setattr__`, so that a
    `ValueBinder` sees it.

    Args:
        parser: The class that reads the text and whose instances the attribute holds.
        optional: Whether None may be set. Until something is set the attribute is None in either
            case.

    Raises:
        ParseError: On setting: the text is not valid; the old value stays.
        TypeError: On setting: the value is neither text, nor an instance, nor an allowed None.
    """

    #: The attribute's name, once it is part of a class.
    name: str = ""

    def __init__(self: ParsedProperty[P | None], parser: type[P], *, optional: bool = True) -> None:
        if not callable(getattr(parser, "parse", None)):
            raise TypeError(f"{parser!r} has no parse()")
        self.kind: type | None = parser
        self.parser: Any = parser
        self.optional = optional

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> G: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Self | G:
        if instance is None:
            return self
        try:
            value: G = instance.__dict__[self.name]
        except KeyError:
            return self.initial(instance)
        return value

    def __set__(self, instance: object, value: G | str | bytes | None) -> None:
        instance.__dict__[self.name] = self.accept(instance, value)

    def __delete__(self, instance: object) -> None:
        instance.__dict__.pop(self.name, None)

    def initial(self, instance: object) -> G:
        """Return what the attribute reads as while nothing has been set."""
        return None  # type: ignore[return-value]  # __init__ fixes G to an optional

    def accept(self, instance: object, value: object) -> object:
        """Return what to store for a value that is set; raise what setting it is to raise."""
        if value is None:
            if self.optional:
                return None
        elif self.kind is not None and isinstance(value, self.kind):
            return value
        elif self.parser is not None and isinstance(value, str):
            return self.parser.parse(value)
        elif self.parser is not None and isinstance(value, bytes | bytearray | memoryview):
            return self.parser.parse(bytes(value))
        elif self.kind is None:
            return value
        wanted = "a value other than None" if self.kind is None else _article(self.kind.__name__)
        text = " or text that is one" if self.parser is not None else ""
        raise TypeError(
            f"{type(instance).__name__}.{self.name} takes {wanted}{text}, not {repr(value)[:80]}"
        )


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'AEIOaeio' else 'a'} {noun}"
