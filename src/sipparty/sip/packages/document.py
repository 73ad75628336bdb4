"""XML documents of event packages: read without trusting them, and written.

Laws:

* A document type is refused, and with it every entity: nothing is expanded or fetched.
* What is read is bounded: bytes, elements, and how deep they stand.
* Elements and attributes that are not known are passed over, as the schemas ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar
from xml.etree import ElementTree as ET

from sipparty.errors import BuildError, ParseError
from sipparty.records import Record
from sipparty.sip.notification.package import EventPackage

__all__ = [
    "Document",
    "Versioned",
    "VersionedPackage",
    "add",
    "number",
    "parse",
    "replace_keyed",
    "text",
    "written",
]

#: The most bytes of a document, elements in it, and elements within each other.
MAX_BYTES, MAX_ELEMENTS, MAX_DEPTH = 262_144, 20_000, 32
#: The longest name of a namespace: each element and attribute in it is given the whole name.
MAX_NAMESPACE = 256

KeyedT = TypeVar("KeyedT")
StateT = TypeVar("StateT")


class _Builder(ET.TreeBuilder):
    """Builds the tree, as far as it may be built."""

    def __init__(self) -> None:
        super().__init__()
        self._count = self._depth = 0

    def doctype(self, *_: object) -> NoReturn:
        raise ValueError("it has a document type")

    def start_ns(self, prefix: str, uri: str) -> None:
        if len(uri) > MAX_NAMESPACE:
            raise ValueError("it has a namespace with too long a name")

    def start(self, tag: str, attributes: dict[str, str], /) -> ET.Element:
        self._count += 1
        self._depth += 1
        if self._count > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise ValueError("it has too many elements")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)


def parse(body: bytes, namespace: str, root: str) -> Document:
    """Return the root of a document.

    Args:
        body: The document.
        namespace: The namespace of what is looked at.
        root: The name of the root element.

    Raises:
        ParseError: It is no such document, or too large a one.
    """
    what = f"{root} document"
    if len(body) > MAX_BYTES:
        raise ParseError(body[:80], f"no more than {MAX_BYTES} bytes", what=what)
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - without a document type
    try:
        parser.feed(body)
        element = parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ParseError(body[:80], f"XML ({error})", what=what) from None
    if element.tag != f"{{{namespace}}}{root}":
        raise ParseError(body[:80], f"the element {root} of {namespace}", what=what)
    return Document(element, namespace, what)


class Document:
    """An element of a document, and what stands in it."""

    __slots__ = ("_element", "_namespace", "_what")

    def __init__(self, element: ET.Element, namespace: str, what: str) -> None:
        self._element = element
        self._namespace = namespace
        self._what = what

    def all(self, name: str) -> Iterator[Document]:
        """Give the elements of a name in it."""
        for element in self._element.findall(f"{{{self._namespace}}}{name}"):
            yield Document(element, self._namespace, self._what)

    def one(self, name: str) -> Document | None:
        """Return the first element of a name in it; None where there is none."""
        return next(self.all(name), None)

    def text(self, *names: str) -> str | None:
        """Return the text of the element that names lead to, stripped; None where there is none."""
        found: Document | None = self
        for name in names:
            found = None if found is None else found.one(name)
        return None if found is None else "".join(found._element.itertext()).strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of the elements of a name in it."""
        return tuple(one.text() or "" for one in self.all(name))

    def get(self, name: str) -> str | None:
        """Return an attribute; None where there is none."""
        return self._element.get(name)

    def need(self, name: str) -> str:
        """Return an attribute that has to be there.

        Raises:
            ParseError: It is not.
        """
        value = self.get(name)
        if value is None:
            raise ParseError(self._element.tag, f"the attribute {name}", what=self._what)
        return value

    def choice(self, value: str | None, choices: Iterable[str], default: str) -> str:
        """Return a value that is one of several; the default for none.

        Raises:
            ParseError: It is another.
        """
        if value is None:
            return default
        if value not in choices:
            raise ParseError(value[:80], f"one of {', '.join(choices)}", what=self._what)
        return value

    def number(self, value: str | None) -> int | None:
        """Return a number of 32 bits; None for None.

        Raises:
            ParseError: It is none.
        """
        if value is None:
            return None
        value = value.strip()
        if not (value.isascii() and value.isdigit() and len(value) <= 10):
            raise ParseError(value[:80], "a number of 32 bits", what=self._what)
        return int(value)


def number(value: object) -> str | None:
    """Return a number as it is written; None for None."""
    return None if value is None else str(value)


def text(value: str | None) -> str | None:
    """Return a text as it may be written; None for None.

    Raises:
        BuildError: It has a character that XML cannot have.
    """
    if value is not None:
        for char in value:
            if (char < " " and char not in "\t\n\r") or "\ud800" <= char <= "\udfff":
                raise BuildError(f"{value!r} cannot stand in XML: it has the character {char!r}.")
    return value


def add(
    parent: ET.Element | None, name: str, content: str | None = None, /, **attributes: str | None
) -> ET.Element:
    """Add an element to another, or make the first one.

    Args:
        parent: The other; None for the first.
        name: Its name; a `_` in the name of an attribute stands for `-`.
        content: Its text.
        attributes: Its attributes; None for those that it has not got.
    """
    element = ET.Element(name) if parent is None else ET.SubElement(parent, name)
    for key, value in attributes.items():
        if value is not None:
            element.set(key.rstrip("_").replace("_", "-"), text(value) or "")
    element.text = text(content)
    return element


def written(element: ET.Element) -> bytes:
    """Return the document of which an element is the root."""
    data: bytes = ET.tostring(element, "UTF-8", xml_declaration=True)
    return data


def replace_keyed(
    before: tuple[KeyedT, ...], new: tuple[KeyedT, ...], key: str
) -> tuple[KeyedT, ...]:
    """Return records with those of the same key replaced, and the others added."""
    made = {getattr(one, key): one for one in before}
    made.update({getattr(one, key): one for one in new})
    return tuple(made.values())


class Versioned(Record):
    """A document that has a version, and may hold a part of the state.

    Args:
        entity: Whose state it is: a URI.
        version: Its number within the subscription.
        state: "full" or "partial"; for a conference "deleted" too.
    """

    entity: str
    version: int = 0
    state: str = "full"


class VersionedPackage(EventPackage[StateT]):
    """A package whose documents have a `version` and a `state`: where that is "partial", they
    change the document of the version before.
    """

    def merge(self, before: StateT | None, new: StateT) -> StateT | None:
        """Have one whole state of the documents; None where a document between is missing."""
        former: Any = before
        latest: Any = new
        if former is not None and latest.version <= former.version and latest.state == "partial":
            return before  # it came late
        if latest.state != "partial":
            return new
        if before is None or latest.version > former.version + 1:
            return None
        return self.changed(before, new)

    def changed(self, before: StateT, new: StateT) -> StateT:
        """Return the whole state after a partial document, which follows the one before."""
        raise NotImplementedError

    def numbered(self, state: StateT, number: int) -> StateT:
        """Number a document."""
        latest: Any = state
        made: StateT = latest.replace(version=number)
        return made
