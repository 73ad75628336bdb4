"""The dialogs of INVITE that somebody has: the event package dialog (RFC 4235)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from sipparty.records import Record
from sipparty.sip.packages.document import (
    Document,
    Versioned,
    VersionedPackage,
    add,
    number,
    parse,
    replace_keyed,
    written,
)

__all__ = ["DialogInfo", "DialogPackage", "DialogParticipant", "ObservedDialog"]

NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
#: RFC 4235 §6.2 has "receiver" in its examples.
_DIRECTIONS = {"initiator": "initiator", "recipient": "recipient", "receiver": "recipient", "": ""}
STATES = ("trying", "proceeding", "early", "confirmed", "terminated")


class DialogParticipant(Record):
    """One side of a dialog (§4.1.6).

    Args:
        identity: Their URI; "" where it is not said.
        display: The name that people see; "" for none.
        target: The URI of their Contact; "" where it is not said.
    """

    identity: str = ""
    display: str = ""
    target: str = ""


class ObservedDialog(Record):
    """One dialog of somebody's (§4.1.1).

    Args:
        id: What it is called within the subscription.
        state: "trying", "proceeding", "early", "confirmed" or "terminated".
        direction: "initiator" where they have called, "recipient" where they were called; "" where
            it is not said.
        call_id: Its Call-ID; "" where it is not said.
        local_tag: Their tag; likewise.
        remote_tag: The other side's tag; likewise.
        event: What has ended it, such as "rejected"; "" where it is not said.
        code: The status that goes with that; None for none.
        duration: Seconds since it began; None where it is not said.
        local: They.
        remote: The other side.
    """

    id: str
    state: str
    direction: str = ""
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    event: str = ""
    code: int | None = None
    duration: int | None = None
    local: DialogParticipant = DialogParticipant()
    remote: DialogParticipant = DialogParticipant()


class DialogInfo(Versioned):
    """The dialogs that somebody has.

    Args:
        dialogs: The dialogs; one that is "terminated" is left out of the next state.
    """

    dialogs: tuple[ObservedDialog, ...] = ()

    @property
    def is_busy(self) -> bool:
        """Whether there is a dialog that is not over."""
        return any(one.state != "terminated" for one in self.dialogs)


class DialogPackage(VersionedPackage[DialogInfo]):
    """RFC 4235; its state is a `DialogInfo`, whole also where documents are partial."""

    name = "dialog"
    accepts = ("application/dialog-info+xml",)

    def parse(self, body: bytes, media_type: str) -> DialogInfo:
        """Read a document (§4)."""
        root = parse(body, NAMESPACE, "dialog-info")
        return DialogInfo(
            root.need("entity"),
            root.number(root.need("version")) or 0,
            root.choice(root.get("state"), ("full", "partial"), "full"),
            tuple(_dialog(one) for one in root.all("dialog")),
        )

    def build(self, state: DialogInfo) -> bytes:
        """Write a document."""
        root = add(
            None,
            "dialog-info",
            xmlns=NAMESPACE,
            version=str(state.version),
            state=state.state,
            entity=state.entity,
        )
        for one in state.dialogs:
            element = add(
                root,
                "dialog",
                id=one.id,
                call_id=one.call_id or None,
                local_tag=one.local_tag or None,
                remote_tag=one.remote_tag or None,
                direction=one.direction or None,
            )
            add(element, "state", one.state, event=one.event or None, code=number(one.code))
            if one.duration is not None:
                add(element, "duration", str(one.duration))
            _write(element, "local", one.local)
            _write(element, "remote", one.remote)
        return written(root)

    def changed(self, before: DialogInfo, new: DialogInfo) -> DialogInfo:
        """Have the changes of a partial document (§4.3)."""
        there = tuple(one for one in before.dialogs if one.state != "terminated")
        known = {one.id: one for one in there}
        changed = tuple(_filled(known.get(one.id), one) for one in new.dialogs)
        dialogs = replace_keyed(there, changed, "id")
        return new.replace(state="full", dialogs=dialogs)


def _dialog(element: Document) -> ObservedDialog:
    state = element.one("state")
    said = None if state is None else state.text()
    return ObservedDialog(
        element.need("id"),
        element.choice(said or "", STATES, ""),
        _DIRECTIONS[element.choice(element.get("direction"), _DIRECTIONS, "")],
        element.get("call-id") or "",
        element.get("local-tag") or "",
        element.get("remote-tag") or "",
        "" if state is None else state.get("event") or "",
        None if state is None else element.number(state.get("code")),
        element.number(element.text("duration")),
        _participant(element.one("local")),
        _participant(element.one("remote")),
    )


def _participant(element: Document | None) -> DialogParticipant:
    if element is None:
        return DialogParticipant()
    identity, target = element.one("identity"), element.one("target")
    return DialogParticipant(
        element.text("identity") or "",
        "" if identity is None else identity.get("display") or "",
        "" if target is None else target.get("uri") or "",
    )


def _filled(before: ObservedDialog | None, new: ObservedDialog) -> ObservedDialog:
    """Return a dialog with what is not said again (§4.1.6)."""
    if before is None:
        return new
    return new.replace(
        local=_same_or_new(before.local, new.local), remote=_same_or_new(before.remote, new.remote)
    )


def _same_or_new(before: DialogParticipant, new: DialogParticipant) -> DialogParticipant:
    named = new if new.identity else before
    return DialogParticipant(named.identity, named.display, new.target or before.target)


def _write(parent: Element, name: str, participant: DialogParticipant) -> None:
    if participant == DialogParticipant():
        return
    element = add(parent, name)
    if participant.identity:
        add(element, "identity", participant.identity, display=participant.display or None)
    if participant.target:
        add(element, "target", uri=participant.target)
