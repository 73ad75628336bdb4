"""Regular expressions as SIPp has them, POSIX extended ones, as Python's.

A dot is any character, line ends as well; `^` and `$` are the ends of the whole text; in brackets a
backslash is itself, and `[:alnum:]` and the like are classes. POSIX takes the longest of several
alternatives and Python the first; where one begins as another does, write the longer one first.
"""

from __future__ import annotations

import re

__all__ = ["posix_pattern"]

#: What the named classes are inside of Python's brackets (POSIX, in the C locale).
_CLASSES = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t-\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
#: GNU's own escapes that Python writes in another way.
_ESCAPES = {"<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\Z"}
_NAMED = re.compile(r"\[:(\w+):\]")


def posix_pattern(expression: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return a POSIX extended regular expression as a pattern.

    Raises:
        ValueError: It is wrong; the text says how.
    """
    out: list[str] = []
    at = 0
    while at < len(expression):
        char = expression[at]
        if char == "\\":
            following = expression[at + 1 : at + 2]
            out.append(_ESCAPES.get(following) or _escaped(following))
            at += 2
        elif char == "[":
            piece, at = _bracket(expression, at)
            out.append(piece)
        elif char == "(":
            # "(?" is Python's alone.
            out.append("(")
            at += 1
            if expression[at : at + 1] == "?":
                raise ValueError("'?' has nothing before it to repeat")
        else:
            out.append(r"\Z" if char == "$" else char)
            at += 1
    try:
        flags = re.DOTALL | re.ASCII | (re.IGNORECASE if ignore_case else 0)
        return re.compile("".join(out), flags)
    except (re.error, OverflowError) as error:
        raise ValueError(str(error)) from None


def _escaped(char: str) -> str:
    if not char:
        raise ValueError("it ends with a backslash")
    # \w, \W, \s, \S, \b, \B and back references are the same for both.
    return "\\" + char if char in "wWsSbB123456789" else re.escape(char)


def _bracket(expression: str, at: int) -> tuple[str, int]:
    """Return what is in brackets, as Python writes it, and where it ends."""
    begin = at
    at += 1
    out = ["["]
    if expression[at : at + 1] == "^":
        out.append("^")
        at += 1
    first = at
    while at < len(expression):
        char = expression[at]
        if char == "]" and at > first:
            return "".join(out) + "]", at + 1
        named = _NAMED.match(expression, at)
        if named is not None:
            if named[1] not in _CLASSES:
                raise ValueError(f"[:{named[1]}:] is no class")
            out.append(_CLASSES[named[1]])
            at = named.end()
            continue
        # A hyphen is itself at either end, and where a range ends with it.
        itself = at == first or out[-1] == "-" or expression[at + 1 : at + 2] == "]"
        out.append("\\" + char if char in "\\[]&~|^" or (char == "-" and itself) else char)
        at += 1
    raise ValueError(f"the bracket at character {begin + 1} is not closed")
