"""What typed header values share: `HeaderValue`, and `HeaderParameters`.

Laws:

* A value made by `parse` keeps its text and `str()` gives that text back, to the letter, until
  something is set; then only what was set is written anew.
* Setting an attribute to text that would break out of its place raises `BuildError`.
* Header parameters are not those of a URI: there are no escapes in them, and a value may be a
  quoted string (RFC 3261 §25.1 `generic-param`). Values are given and taken without their quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Self

from sipparty.errors import BuildError
from sipparty.late import late_pattern
from sipparty.sip.grammar import (
    MAX_PARAMETERS,
    TOKEN_CHARS,
    as_text,
    check_line,
    find_parameter,
    is_token,
    quote,
    split_at_semicolons,
    unquote,
)
from sipparty.sip.uri_parameters import ParameterMap

__all__ = [
    "HeaderParameters",
    "HeaderValue",
    "as_octets",
    "attribute",
    "check_token",
    "checked_tail",
]

#: What a parameter's value may be without quotes: a token or a host (RFC 3261 §25.1 `gen-value`,
#: `via-received`).
_PLAIN = late_pattern(rf"[{TOKEN_CHARS}]++|\[?[0-9A-Fa-f:.]++\]?(?::[0-9]++)?")


def as_octets(body: Any) -> bytes:
    """Return a body as bytes: bytes, text (as UTF-8), or an object that has a wire form."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, bytes | bytearray | memoryview) or hasattr(body, "__bytes__"):
        return bytes(body)
    raise TypeError(f"a body is bytes, text or an object with a wire form, not {body!r}")


def check_token(value: Any, what: str) -> str:
    """Return the value if it is one token.

    Raises:
        BuildError: It is something else.
    """
    if not isinstance(value, str) or not is_token(value):
        raise BuildError(f"{value!r} cannot be a {what}: expected a token.")
    return value


def checked_tail(tail: str, what: str) -> str:
    """Return the parameters of a value as text, once it is known that each quoted string ends.

    Raises:
        ParseError: One does not, or there are too many parameters.
    """
    if '"' in tail or tail.count(";") > MAX_PARAMETERS:
        split_at_semicolons(tail, what)
    return tail


def attribute(slot: str, doc: str, check: Callable[[Any], Any] = check_line) -> Any:
    """Make a property over a slot whose setting makes the value be written anew.

    Args:
        slot: The slot's name.
        doc: What the attribute is.
        check: Gives what is to be kept of a value set, or raises `BuildError`.
    """

    def setter(self: HeaderValue, value: Any) -> None:
        setattr(self, slot, check(value))
        self._raw = None

    return property(attrgetter(slot), setter, doc=doc)


class HeaderParameters(ParameterMap):
    """The parameters of a header value, in order: a mapping of names to values, None for a flag.

        contact.parameters["expires"] = 60
        contact.parameters["+sip.instance"]      # '<urn:uuid:...>', without the quotes around it
        via.parameters["rport"] = None           # a flag

    Names are compared without regard to case. What is not touched stays as it is written. It is
    equal to its text, and to a mapping with the same pairs.

    Args:
        pairs: Names and values; a value is text, an int, or None for a flag.

    Raises:
        BuildError: On setting: a name is not a token, or a value holds a line break.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read `;a=1;b;c="x;y"`, with or without the first semicolon.

        Raises:
            ParseError: A quoted string does not end.
            BuildError: The text holds a line break.
        """
        return cls._from_wire(check_line(as_text(text), "list of parameters"))

    @classmethod
    def _from_wire(cls, text: str) -> Self:
        """Read what came from the wire: a NUL in it is for whoever writes it to refuse."""
        text = checked_tail(text.strip(), "list of parameters")
        return cls._as_is(text if not text or text[0] == ";" else f";{text}")

    @classmethod
    def of(cls, value: Mapping[str, Any] | str | bytes) -> Self:
        """Return new parameters with the pairs of a mapping, or read from text."""
        if isinstance(value, HeaderParameters):
            return cls._as_is(value._text)
        return cls(value) if isinstance(value, Mapping) else cls.parse(value)

    def add(self, name: str, value: str | int | None = None, *, quoted: bool = False) -> None:
        """Append a parameter, even where the name is there already.

        Args:
            name: A token.
            value: Text, an int, or None for a flag.
            quoted: Put the value in quotes though it could stand without. Those of feature tags
                that begin with "+" always are (RFC 3840 §9).
        """
        self._append(self._join(name, value, '"' if quoted else ""))

    def _split(self) -> list[str]:
        return split_at_semicolons(self._text, "list of parameters", len(self._text))[1:]

    def _key(self, name: str) -> str:
        return name.lower()

    def _cut(self, raw: str) -> tuple[str, str | None]:
        name, equals, value = raw.partition("=")
        return name.strip(), unquote(value.strip()) if equals else None

    def _join(self, name: str, value: Any, instead_of: str = "") -> str:
        check_token(name, "parameter name")
        if value is None:
            return name
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise BuildError(
                f"{value!r} cannot be the {name} parameter: expected text, an int or None"
            )
        check_line(value, f"{name} parameter")
        # A value in quotes keeps them.
        quoted = name[0] == "+" or instead_of.rstrip().endswith('"')
        return f"{name}={quote(value) if quoted or not _PLAIN.fullmatch(value) else value}"


class HeaderValue:
    """What typed header values share: the text they came as, and parameters.

    A subclass sets `_raw`, `_tail` (its parameters as text, from the first ";") and `_parameters`
    (None) when it parses, and gives `_write()`.
    """

    __slots__ = ("_parameters", "_raw", "_tail")

    _raw: str | None
    _tail: str
    _parameters: HeaderParameters | None

    #: What a `ParseError` calls this kind of value.
    WHAT = "header value"

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Make a value from its text, or raise `ParseError`."""
        raise NotImplementedError

    @property
    def parameters(self) -> HeaderParameters:
        """The header parameters, as a mapping that can be changed; set to text or a mapping."""
        if self._parameters is None:
            self._parameters = HeaderParameters._from_wire(self._tail)
        return self._parameters

    @parameters.setter
    def parameters(self, value: Mapping[str, Any] | str) -> None:
        self._parameters = HeaderParameters.of(value)

    def parameter(self, name: str) -> str | None:
        """Return one header parameter, without quotes: "" for a flag, None where it is absent."""
        if self._parameters is None:
            text = find_parameter(self._tail, name.lower())
            return unquote(text) if text and text[0] == '"' else text
        if name not in self._parameters:
            return None
        return self._parameters[name] or ""

    def _set_parameter(self, name: str, value: str | int | None) -> None:
        """Set or, with None, remove a parameter that is never in quotes."""
        if value is None:
            self.parameters.pop(name, None)
            return
        if not isinstance(value, int | str) or not _PLAIN.fullmatch(str(value)):
            raise BuildError(f"{value!r} cannot be a {name}: expected a token.")
        self.parameters[name] = value

    def _is_still(self, text: str) -> bool:
        """Whether this value was read from that very text and nothing was changed since, nor
        handed out that could have been; False where that takes a closer look.
        """
        return self._raw is text and self._parameters is None

    def _begin(self, parameters: Mapping[str, Any] | str) -> None:
        """Make a value that was not read."""
        self._raw, self._tail = None, ""
        self._parameters = HeaderParameters.of(parameters)

    def _settle(self) -> None:
        """Take changes made to what was handed out into the text."""
        if self._parameters is not None:
            old, new = self._tail, str(self._parameters)
            if new != old:
                self._tail = new
                raw = self._raw
                if raw is not None:
                    # What stands before the parameters stays as it came.
                    raw = raw.rstrip()
                    self._raw = raw[: len(raw) - len(old)] + new if raw.endswith(old) else None

    def _write(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        self._settle()
        if self._raw is None:
            self._raw = self._write()
        return self._raw

    def __bytes__(self) -> bytes:
        return str(self).encode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __copy__(self) -> Self:
        return self.parse(str(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.parse(str(self))

    def __eq__(self, other: object) -> bool:
        """Two values are equal when they are written alike. For RFC 3261 §19.1.4 see
        `URI.equivalent`.
        """
        return str(self) == str(other) if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))
