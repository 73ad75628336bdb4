"""What follows the host in a URI, parameters and headers, and the escapes of all its parts (RFC
3261 §19.1).

Laws:

* Text stays as it came: order, spelling, case, escapes and empty parameters. A change rewrites the
  pair it is made to and no other.
* Names are compared without regard to case and to escapes of characters that need none (§19.1.4).
* Names and values are wire text, escapes and all: `escape` writes them, `unescape` reads them.
* Reading tolerates what `sipparty.sip.uri_grammar` says, by the patterns that read URIs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote_to_bytes

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern
from sipparty.parse import Parser
from sipparty.sip.uri_grammar import BARRED, ESCAPED, URI_HEADERS, URI_PARAMETERS

__all__ = ["Headers", "ParameterMap", "Parameters", "escape", "normal", "unescape"]

# The characters that stand unescaped in each part: `unreserved` first, then the part's own (§25.1).
_MARK = "-_.!~*'()"
_PLAIN = {
    "user": _MARK + "&=+$,;?/",
    "password": _MARK + "&=+$,",
    "parameter": _MARK + "[]/:&+$",
    "header": _MARK + "[]/?:+$",
}

# An escape of one of these is not the same as the character itself (§19.1.4, RFC 2396 §2.2); nor is
# "%25", since an unescaped "%" would begin an escape.
_DISTINCT = frozenset(b";/?:@&=+$,%")
_ESCAPED_OCTET = late_pattern(rb"%([0-9A-Fa-f]{2})")


def escape(text: str, part: str = "user") -> str:
    """Write text so that it can stand in a part of a URI (RFC 3261 §19.1.2): `j@s0n` gives
    `j%40s0n`.

    Args:
        text: What is meant; its own "%" is escaped as well.
        part: "user", "password", "parameter" or "header"; names and values alike.

    Raises:
        ValueError: There is no such part.
    """
    if part not in _PLAIN:
        raise ValueError(f"{part!r} is no part of a URI: expected one of {', '.join(_PLAIN)}")
    return quote(text, safe=_PLAIN[part], errors="surrogateescape")


def unescape(text: str) -> str:
    """Return what a part of a URI says, its escapes resolved; octets that are not UTF-8 become
    surrogates.
    """
    octets = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape")


def normal(text: str) -> bytes:
    """Return the form in which two parts of URIs are the same if their characters are (RFC 3261
    §19.1.4).

    Escapes of characters outside "reserved" are resolved, the others written in upper case.
    """
    octets = text.encode("utf-8", "surrogateescape")
    return _ESCAPED_OCTET.sub(_normal_octet, octets) if b"%" in octets else octets


def _normal_octet(found: re.Match[bytes]) -> bytes:
    octet = int(found.group(1), 16)
    return b"%%%02X" % octet if octet in _DISTINCT else bytes((octet,))


class ParameterMap(MutableMapping[str, "str | None"]):
    """Names with values in one text, in order: what parameters of URIs and of headers share.

    A subclass says how a name is compared, how one pair is read, and how it is written.
    """

    _lead: ClassVar[str] = ";"
    _separator: ClassVar[str] = ";"

    __slots__ = ("_known", "_text")
    __hash__ = None  # type: ignore[assignment]  # it can change, and equality is by value

    def __init__(self, pairs: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self._text = ""
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            self.add(name, value)

    @classmethod
    def _as_is(cls, text: str) -> Self:
        """Make the object from text that is known to be right."""
        made = cls.__new__(cls)
        made._text = text
        return made

    @property
    def text(self) -> str:
        """The pairs as they are written, leading character included; "" if there are none."""
        return self._text

    def add(self, name: str, value: Any = None) -> None:
        """Append a pair, even where the name is there already.

        Raises:
            BuildError: The name or the value cannot stand there.
        """
        self._append(self._join(name, value))

    def getall(self, name: str) -> list[str | None]:
        """Return the values of every pair with that name, in order; [] where there is none."""
        key = self._key(name)
        return [value for found, value in self.pairs() if self._key(found) == key]

    def pairs(self) -> list[tuple[str, str | None]]:
        """Return each name as spelled with its value, None for a flag, repeated names included."""
        return [pair for raw in self._split() if (pair := self._cut(raw))[0]]

    def _append(self, raw: str) -> None:
        self._text += (self._separator if self._text else self._lead) + raw

    def _first(self) -> dict[Any, tuple[str, str | None]]:
        """Return the first pair of each name, by the name's key; made once for a text, so that
        looking at all of many pairs takes linear time.
        """
        known: tuple[str, dict[Any, tuple[str, str | None]]] | None = getattr(self, "_known", None)
        if known is None or known[0] is not self._text:
            first: dict[Any, tuple[str, str | None]] = {}
            for pair in self.pairs():
                first.setdefault(self._key(pair[0]), pair)
            known = self._known = (self._text, first)
        return known[1]

    def _split(self) -> list[str]:
        return self._text[1:].split(self._separator) if self._text else []

    def _key(self, name: str) -> Any:
        """Return what a name is compared by."""
        raise NotImplementedError

    def _cut(self, raw: str) -> tuple[str, str | None]:
        name, equals, value = raw.partition("=")
        return name, value if equals else None

    def _join(self, name: str, value: Any, instead_of: str = "") -> str:
        """Write a pair, in the place of another where there is one."""
        raise NotImplementedError

    def _replace(self, name: str, write: Callable[[str, str], str] | None) -> bool:
        """Write the first pair of a name anew, or with None drop it; drop its others. Return
        whether there was any.
        """
        key = self._key(name)
        kept: list[str] = []
        seen = False
        for raw in self._split():
            found = self._cut(raw)[0]
            if not found or self._key(found) != key:
                kept.append(raw)
            else:
                if write is not None and not seen:
                    kept.append(write(found, raw))
                seen = True
        if seen:
            self._text = self._lead + self._separator.join(kept) if kept else ""
        return seen

    def __getitem__(self, name: str) -> str | None:
        found = self._first().get(self._key(name)) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        return found[1]

    def __setitem__(self, name: str, value: Any) -> None:
        new = self._join(name, value)
        # The name keeps the spelling it came in.
        if not self._replace(name, lambda found, raw: self._join(found, value, raw)):
            self._append(new)

    def __delitem__(self, name: str) -> None:
        if not isinstance(name, str) or not self._replace(name, None):
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._first().values()])

    def __len__(self) -> int:
        return len(self._first())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ParameterMap):
            return type(other) is type(self) and other._text == self._text
        if isinstance(other, str):
            return self._text == other
        return super().__eq__(other)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return repr(self._text)


class _URIPairs(Parser, ParameterMap):
    """Names and values in wire text, by patterns."""

    _pattern: ClassVar[re.Pattern[str]]
    _name: ClassVar[re.Pattern[str]]
    _value: ClassVar[re.Pattern[str]]
    _expected: ClassVar[str]
    _flags: ClassVar[bool]
    _part: ClassVar[str]

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read the pairs, with or without the character that leads them in a URI."""
        lead = "" if not text or text.startswith(cls._lead) else cls._lead
        found = cls._pattern.match(lead + text)
        end = 0 if found is None else found.end()
        if end < len(lead) + len(text):
            raise ParseError(text, cls._expected, max(0, end - len(lead)), what=cls._what())
        return cls._as_is(lead + text)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return pairs made from pairs (the same ones), a mapping, `str` or `bytes`.

        Raises:
            ParseError: Text is no such pairs.
            BuildError: A name or a value cannot stand there.
            TypeError: It is something else.
        """
        if isinstance(value, cls):
            return value
        return cls(value) if isinstance(value, Mapping) else cls.parse(value)

    def _key(self, name: str) -> bytes:
        return normal(name).lower()

    def _join(self, name: str, value: Any, instead_of: str = "") -> str:
        if not isinstance(name, str) or not self._name.fullmatch(name):
            raise BuildError(
                f"{name!r} cannot be the name of a URI's {self._part}: it is empty or holds a "
                f"character that has to be escaped, as escape(text, {self._part!r}) does."
            )
        if value is None and self._flags:
            return name
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not self._value.fullmatch(value):
            raise BuildError(
                f"{value!r} cannot be the value of a URI's {self._part} {name!r}: expected text "
                f"whose special characters are escaped, as escape(text, {self._part!r}) does."
            )
        return f"{name}={value}"


def _run(stops: str) -> str:
    """A run of what is not barred and not among the stops; possessive, so that it is read once."""
    return f"(?:[^{BARRED}{stops}]++|{ESCAPED})"


class Parameters(_URIPairs):
    """The parameters of a SIP URI (RFC 3261 §19.1.1): a mapping of names to values, in order.

        uri.parameters["transport"] = "tcp"
        uri.parameters["lr"] = None            # a flag
        del uri.parameters["ttl"]

    Its `repr` is that of its text, such as `';transport=tcp;lr'`, and it is equal to that text and
    to a mapping with the same pairs. A change inside it is not a set that a binding sees; setting
    the whole is.

    Args:
        pairs: Names and values; a value is text, an int, or None for a flag.

    Raises:
        BuildError: On setting: a name or a value cannot stand there.
    """

    __slots__ = ()
    what = "list of URI parameters"
    _name = late_pattern(_run(";?=") + "++")
    _value = late_pattern(_run(";?") + "*+")
    _pattern = URI_PARAMETERS
    _expected = "';' and a parameter"
    _flags = True
    _part = "parameter"


class Headers(_URIPairs):
    """The headers of a SIP URI (RFC 3261 §19.1.1): what a request made from it is to carry.

        uri.headers["Subject"] = escape("next meeting", "header")

    A mapping as `Parameters` is; every header has a value, though it may be "".

    Args:
        pairs: Names and values; a value is text or an int.

    Raises:
        BuildError: On setting: a name or a value cannot stand there.
    """

    __slots__ = ()
    what = "list of URI headers"
    _lead, _separator = "?", "&"
    _name = late_pattern(_run("&=") + "++")
    _value = late_pattern(_run("&") + "*+")
    _pattern = URI_HEADERS
    _expected = "'?' and headers such as 'name=value&name=value'"
    _flags = False
    _part = "header"
