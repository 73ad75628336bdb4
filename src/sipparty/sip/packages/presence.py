"""Presence (RFC 3856) in the Presence Information Data Format, PIDF (RFC 3863)."""

from __future__ import annotations

from typing import Self

from sipparty.errors import ParseError
from sipparty.records import Record
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.packages.document import Document, add, parse, written

__all__ = ["Presence", "PresencePackage", "PresenceTuple"]

NAMESPACE = "urn:ietf:params:xml:ns:pidf"


class PresenceTuple(Record):
    """One way to reach somebody, and whether it is there (RFC 3863 §4.1.2).

    Args:
        id: What it is called within the document.
        basic: "open" where messages are taken, "closed" where not; None where it is not said.
        contact: The URI; "" for none.
        priority: From 0.0 to 1.0, for that contact; None where it is not said.
        notes: What people read.
        timestamp: When it was so, as RFC 3339 writes it; "" where it is not said.
    """

    id: str
    basic: str | None = None
    contact: str = ""
    priority: float | None = None
    notes: tuple[str, ...] = ()
    timestamp: str = ""


class Presence(Record):
    """Somebody's presence.

    Args:
        entity: Whose it is: a `pres:` or `sip:` URI.
        tuples: The ways to reach them.
        notes: What people read of them.
    """

    entity: str
    tuples: tuple[PresenceTuple, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether they can be reached in any of those ways."""
        return any(one.basic == "open" for one in self.tuples)

    @classmethod
    def of(cls, entity: str, is_open: bool, note: str = "", contact: str = "") -> Self:
        """Make the presence of somebody who can be reached in one way, or cannot.

        Args:
            entity: Whose it is.
            is_open: Whether they can be reached.
            note: What people read.
            contact: The URI to reach them at; "" for none.
        """
        basic = "open" if is_open else "closed"
        return cls(entity, (PresenceTuple("t1", basic, contact),), (note,) if note else ())


class PresencePackage(EventPackage[Presence]):
    """RFC 3856; its state is a `Presence`."""

    name = "presence"
    accepts = ("application/pidf+xml",)
    interval = 5.0  # §6.10

    def parse(self, body: bytes, media_type: str) -> Presence:
        """Read a PIDF document (RFC 3863 §4)."""
        root = parse(body, NAMESPACE, "presence")
        tuples = tuple(_tuple(one) for one in root.all("tuple"))
        return Presence(root.need("entity"), tuples, root.texts("note"))

    def build(self, state: Presence) -> bytes:
        """Write a PIDF document."""
        root = add(None, "presence", xmlns=NAMESPACE, entity=state.entity)
        for one in state.tuples:
            element = add(root, "tuple", id=one.id)
            status = add(element, "status")
            if one.basic is not None:
                add(status, "basic", one.basic)
            if one.contact:
                priority = None if one.priority is None else f"{one.priority:.3g}"
                add(element, "contact", one.contact, priority=priority)
            for note in one.notes:
                add(element, "note", note)
            if one.timestamp:
                add(element, "timestamp", one.timestamp)
        for note in state.notes:
            add(root, "note", note)
        return written(root)


def _tuple(element: Document) -> PresenceTuple:
    contact, priority = element.one("contact"), None
    if contact is not None and contact.get("priority") is not None:
        text = contact.need("priority")
        try:
            priority = float(text)
        except ValueError:
            priority = -1.0
        if not 0.0 <= priority <= 1.0:
            raise ParseError(text[:80], "a priority from 0 to 1", what="presence document")
    basic = element.text("status", "basic")
    return PresenceTuple(
        element.need("id"),
        None if basic is None else element.choice(basic, ("open", "closed"), ""),
        element.text("contact") or "",
        priority,
        element.texts("note"),
        element.text("timestamp") or "",
    )
