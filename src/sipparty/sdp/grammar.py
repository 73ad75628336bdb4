"""The words that the lines of a session description are made of (RFC 8866 Section 9).

Promises of this module:

1. Every check raises `InvalidValue`, a `BuildError`, and nothing else; it names the value, what was
   expected and the line it was meant for.
2. Every pattern is matched in linear time, and every number has a bound on its digits.
"""

from __future__ import annotations

import re

from sipparty.errors import BuildError

__all__ = [
    "ADDRESS",
    "ANY_TEXT",
    "ATTRIBUTE_NAME",
    "LARGEST",
    "LETTER",
    "MAX_DIGITS",
    "NON_SPACE",
    "TEXT",
    "TOKEN",
    "InvalidValue",
    "check_integer",
    "check_pattern",
    "integer",
    "spaced",
    "words",
]

#: The most digits a number may have. RFC 8866 sets no bound; this one keeps a hostile number
#: from costing time.
MAX_DIGITS = 40

LARGEST = 10**MAX_DIGITS - 1
_INTEGER = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}", re.ASCII)

# What is excluded last in these two are the surrogates that do not stand for an undecoded byte:
# they cannot be encoded.
_NOT_ENCODABLE = "\ud800-\udc7f\udd00-\udfff"
TEXT = re.compile(rf"[^\0\r\n{_NOT_ENCODABLE}]+")
ANY_TEXT = re.compile(rf"[^\0\r\n{_NOT_ENCODABLE}]*")
NON_SPACE = re.compile(rf"[^\0-\x20\x7f{_NOT_ENCODABLE}]+")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+")
ADDRESS = re.compile(rf"[^\0-\x20\x7f/{_NOT_ENCODABLE}]+")
ATTRIBUTE_NAME = re.compile(rf"[^\0\r\n:{_NOT_ENCODABLE}]+")
LETTER = re.compile(r"[A-Za-z]")

_NOUNS = {
    TEXT: "text of one line",
    ANY_TEXT: "text of one line",
    NON_SPACE: "a word without spaces",
    TOKEN: "a token",
    ADDRESS: "an address",
    ATTRIBUTE_NAME: "a name without ':'",
    LETTER: "a letter",
}


class InvalidValue(BuildError):
    """A value cannot stand in a session description.

    Args:
        value: The value.
        expected: What it should have been, as a noun phrase that names its place: "a token as media
            type".
    """

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(f"{value!r} cannot stand in a session description: expected {expected}.")
        self.value = value
        self.expected = expected


def check_pattern(value: str, pattern: re.Pattern[str], place: str) -> None:
    """Raise `InvalidValue` unless the whole of `value` is a `pattern`; `place` says where it
    stands.
    """
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise InvalidValue(value, f"{_NOUNS[pattern]} as {place}")


def check_integer(value: int, lowest: int, highest: int, place: str) -> None:
    """Raise `InvalidValue` unless `value` is an `int` from `lowest` to `highest`."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        bound = f"from {lowest} to {highest}" if highest < LARGEST else f"of {lowest} or more"
        raise InvalidValue(value, f"an integer {bound} as {place}")


def integer(text: str, place: str) -> int:
    """The number that ASCII digits name; raises `InvalidValue` for anything else."""
    if _INTEGER.fullmatch(text) is None:
        raise InvalidValue(text, f"digits as {place}")
    return int(text)


def spaced(value: str) -> list[str]:
    """The words of a line's value. Runs of spaces count as one: devices pad lines, and nothing is
    lost by it.
    """
    return [word for word in value.split(" ") if word]


def words(value: str, shape: str, least: int, most: int | None = None) -> list[str]:
    """The words of a value that has from `least` to `most` of them; raises `InvalidValue`, which
    names the `shape` the line should have had.
    """
    result = spaced(value)
    if len(result) < least or (most is not None and len(result) > most):
        raise InvalidValue(value, shape)
    return result
