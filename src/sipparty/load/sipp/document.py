"""An XML file as elements that know their line.

Laws:

* What is wrong with a file is one `ScenarioError`: file, line, what is wrong, and what to write.
* A file is data: no entity is defined or fetched by it, and nothing outside of it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from xml.parsers import expat

from sipparty.errors import UsageError

__all__ = ["Element", "ScenarioError", "nearest", "read_document", "read_file"]


class ScenarioError(UsageError):
    """A scenario file cannot be played.

    Args:
        file: The file's name.
        line: The line, from 1.
        reason: What is wrong, and what to write in its place.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}, line {line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


@dataclass(eq=False, slots=True)
class Element:
    """An element: its name, its attributes, its own text, and the elements in it."""

    tag: str
    attributes: dict[str, str]
    file: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def error(self, reason: str) -> ScenarioError:
        """Return the error that something is wrong with the element."""
        return ScenarioError(self.file, self.line, f"<{self.tag}> {reason}")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a question that proposes the name which is nearest to a wrong one; "" for none."""
    found = get_close_matches(name, list(names), 1)
    return f" Did you mean {found[0]!r}?" if found else ""


#: The most elements inside of one another: a scenario has four.
_DEPTH = 32


def read_document(data: bytes, file: str) -> Element:
    """Return the root element of a file.

    Args:
        data: The file's bytes.
        file: Its name, for errors.

    Raises:
        ScenarioError: It is not well-formed, or defines entities.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    open_elements: list[Element] = []
    roots: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, file, parser.CurrentLineNumber)
        if len(open_elements) >= _DEPTH:
            raise element.error(f"is inside of {_DEPTH} others.")
        (open_elements[-1].children if open_elements else roots).append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def entity(name: str, *_: Any) -> None:
        raise ScenarioError(
            file,
            parser.CurrentLineNumber,
            f"the entity &{name}; is defined here: write its text where it is used.",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        words = expat.errors.messages.get(error.code, "it is not well-formed")
        raise ScenarioError(file, error.lineno, f"this is no XML: {words}.") from None
    except (LookupError, ValueError) as error:
        raise ScenarioError(file, 1, f"the encoding cannot be read: {error}.") from None
    return roots[0]


def read_file(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
