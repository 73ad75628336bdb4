"""Registrations and their contacts: the event package reg (RFC 3680)."""

from __future__ import annotations

from collections.abc import Mapping

from sipparty.errors import ParseError
from sipparty.records import Record
from sipparty.sip.packages.document import (
    Document,
    VersionedPackage,
    add,
    number,
    parse,
    replace_keyed,
    written,
)

__all__ = ["RegInfo", "RegPackage", "RegisteredContact", "RegistrationState"]

NAMESPACE = "urn:ietf:params:xml:ns:reginfo"
EVENTS = (
    *("registered", "created", "refreshed", "shortened", "expired", "deactivated", "probation"),
    *("unregistered", "rejected"),
)


class RegisteredContact(Record):
    """One contact of a registration (§5.1).

    Args:
        id: What it is called within the subscription.
        uri: The URI.
        state: "active" or "terminated".
        event: What has brought it to that state: "registered", "created", "refreshed", "shortened",
            "expired", "deactivated", "probation", "unregistered" or "rejected".
        display_name: The name that people see; "" for none.
        expires: Seconds that are left; None where it is not said.
        retry_after: Seconds after which it is to be registered again; likewise.
        duration: Seconds that it was registered; likewise.
        q: Its priority; likewise.
        call_id: The Call-ID of its REGISTER; "" where it is not said.
        cseq: The sequence number of that; None likewise.
        parameters: Further parameters of the Contact, by name (`unknown-param`).
    """

    id: str
    uri: str
    state: str = "active"
    event: str = "registered"
    display_name: str = ""
    expires: int | None = None
    retry_after: int | None = None
    duration: int | None = None
    q: float | None = None
    call_id: str = ""
    cseq: int | None = None
    parameters: Mapping[str, str] = {}


class RegistrationState(Record):
    """The registration of one address of record.

    Args:
        aor: The address of record.
        id: What it is called within the subscription.
        state: "init", "active" or "terminated".
        contacts: The contacts; one that is "terminated" is left out of the next state.
    """

    aor: str
    id: str
    state: str = "active"
    contacts: tuple[RegisteredContact, ...] = ()


class RegInfo(Record):
    """Registrations.

    Args:
        version: The number of the document within the subscription.
        state: "full" or "partial".
        registrations: The registrations.
    """

    version: int = 0
    state: str = "full"
    registrations: tuple[RegistrationState, ...] = ()


class RegPackage(VersionedPackage[RegInfo]):
    """RFC 3680; its state is a `RegInfo`, whole also where documents are partial."""

    name = "reg"
    accepts = ("application/reginfo+xml",)
    expires = 3761  # §4.4
    interval = 5.0  # §4.10

    def parse(self, body: bytes, media_type: str) -> RegInfo:
        """Read a document (§5)."""
        root = parse(body, NAMESPACE, "reginfo")
        return RegInfo(
            root.number(root.need("version")) or 0,
            root.choice(root.need("state"), ("full", "partial"), ""),
            tuple(
                RegistrationState(
                    one.need("aor"),
                    one.need("id"),
                    one.choice(one.need("state"), ("init", "active", "terminated"), ""),
                    tuple(_contact(contact) for contact in one.all("contact")),
                )
                for one in root.all("registration")
            ),
        )

    def build(self, state: RegInfo) -> bytes:
        """Write a document."""
        version = str(state.version)
        root = add(None, "reginfo", xmlns=NAMESPACE, version=version, state=state.state)
        for one in state.registrations:
            element = add(root, "registration", aor=one.aor, id=one.id, state=one.state)
            for each in one.contacts:
                contact = add(
                    element,
                    "contact",
                    id=each.id,
                    state=each.state,
                    event=each.event,
                    expires=number(each.expires),
                    retry_after=number(each.retry_after),
                    duration_registered=number(each.duration),
                    q=None if each.q is None else f"{each.q:.3g}",
                    callid=each.call_id or None,
                    cseq=number(each.cseq),
                )
                add(contact, "uri", each.uri)
                if each.display_name:
                    add(contact, "display-name", each.display_name)
                for name, value in each.parameters.items():
                    add(contact, "unknown-param", value, name=name)
        return written(root)

    def changed(self, before: RegInfo, new: RegInfo) -> RegInfo:
        """Have the changes of a partial document (§5.2)."""
        known = {one.id: one for one in before.registrations}
        made = tuple(_merged(known.get(one.id), one) for one in new.registrations)
        whole = replace_keyed(before.registrations, made, "id")
        return new.replace(state="full", registrations=whole)


def _merged(before: RegistrationState | None, new: RegistrationState) -> RegistrationState:
    if before is None:
        return new
    there = tuple(one for one in before.contacts if one.state != "terminated")
    return new.replace(contacts=replace_keyed(there, new.contacts, "id"))


def _contact(element: Document) -> RegisteredContact:
    q = element.get("q")
    try:
        priority = None if q is None else float(q)
    except ValueError:
        priority = -1.0
    if priority is not None and not 0.0 <= priority <= 1.0:
        raise ParseError(str(q)[:80], "a q from 0 to 1", what="reginfo document")
    return RegisteredContact(
        element.need("id"),
        element.text("uri") or "",
        element.choice(element.need("state"), ("active", "terminated"), ""),
        element.choice(element.need("event"), EVENTS, ""),
        element.text("display-name") or "",
        element.number(element.get("expires")),
        element.number(element.get("retry-after")),
        element.number(element.get("duration-registered")),
        priority,
        element.get("callid") or "",
        element.number(element.get("cseq")),
        {one.need("name"): one.text() or "" for one in element.all("unknown-param")},
    )
