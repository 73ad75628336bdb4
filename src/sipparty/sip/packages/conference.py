"""Who is in a conference: the event package conference (RFC 4575)."""

from __future__ import annotations

from typing import TypeVar
from xml.etree.ElementTree import Element

from sipparty.records import Record
from sipparty.sip.packages.document import (
    Document,
    Versioned,
    VersionedPackage,
    add,
    number,
    parse,
    written,
)

__all__ = [
    "ConferenceDescription",
    "ConferenceEndpoint",
    "ConferenceInfo",
    "ConferenceMedia",
    "ConferencePackage",
    "ConferenceState",
    "ConferenceUser",
]

NAMESPACE = "urn:ietf:params:xml:ns:conference-info"
STATES = ("full", "partial", "deleted")

PartT = TypeVar("PartT", bound="_Part")


class _Part(Record):
    """An element that is full, or partial and changes another, or deleted (§4.2)."""

    @property
    def key(self) -> str:
        """What distinguishes it from others beside it (§4.5); "" for what is there once."""
        return str(getattr(self, "entity", getattr(self, "id", "")))


class ConferenceDescription(_Part):
    """What a conference is about (§5.3).

    Args:
        display_text: Its name.
        subject: Its subject.
        free_text: A description of it.
        maximum_user_count: How many may take part; None where it is not said.
        state: "full", "partial" or "deleted".
    """

    display_text: str | None = None
    subject: str | None = None
    free_text: str | None = None
    maximum_user_count: int | None = None
    state: str = "full"


class ConferenceState(_Part):
    """How a conference is (§5.5).

    Args:
        user_count: How many take part; None where it is not said.
        active: Whether it can be called; likewise.
        locked: Whether nobody else can join it; likewise.
        state: "full", "partial" or "deleted".
    """

    user_count: int | None = None
    active: bool | None = None
    locked: bool | None = None
    state: str = "full"


class ConferenceMedia(_Part):
    """One stream of a participant (§5.8).

    Args:
        id: What it is called within the endpoint.
        type: "audio", "video", ...
        label: That of the conference's stream.
        src_id: Its SSRC.
        status: "sendrecv", "sendonly", "recvonly" or "inactive".
        state: "full", "partial" or "deleted".
    """

    id: str
    type: str | None = None
    label: str | None = None
    src_id: str | None = None
    status: str | None = None
    state: str = "full"


class ConferenceEndpoint(_Part):
    """One device of a participant (§5.7).

    Args:
        entity: Its URI.
        display_text: Its name.
        status: "connected", "on-hold", "dialing-out", "alerting", "disconnected", ...
        joining_method: "dialed-in", "dialed-out" or "focus-owner".
        disconnection_method: "departed", "booted", "failed" or "busy".
        media: Its streams.
        state: "full", "partial" or "deleted".
    """

    entity: str
    display_text: str | None = None
    status: str | None = None
    joining_method: str | None = None
    disconnection_method: str | None = None
    media: tuple[ConferenceMedia, ...] = ()
    state: str = "full"


class ConferenceUser(_Part):
    """One participant (§5.6).

    Args:
        entity: Their URI.
        display_text: Their name.
        roles: What they are in the conference.
        endpoints: Their devices.
        state: "full", "partial" or "deleted".
    """

    entity: str
    display_text: str | None = None
    roles: tuple[str, ...] = ()
    endpoints: tuple[ConferenceEndpoint, ...] = ()
    state: str = "full"


class ConferenceInfo(Versioned):
    """A conference.

    Args:
        description: What it is about; None where it is not said.
        status: How it is; likewise.
        users: Who takes part.
        users_state: Whether `users` are all that there are: "full", or "partial" or "deleted".
    """

    description: ConferenceDescription | None = None
    status: ConferenceState | None = None
    users: tuple[ConferenceUser, ...] = ()
    users_state: str = "full"


class ConferencePackage(VersionedPackage[ConferenceInfo]):
    """RFC 4575; its state is a `ConferenceInfo`, whole also where documents are partial."""

    name = "conference"
    accepts = ("application/conference-info+xml",)
    interval = 5.0  # §3.10

    def parse(self, body: bytes, media_type: str) -> ConferenceInfo:
        """Read a document (§5)."""
        root = parse(body, NAMESPACE, "conference-info")
        users = root.one("users")
        said = root.one("conference-description")
        status = root.one("conference-state")
        return ConferenceInfo(
            root.need("entity"),
            root.number(root.get("version")) or 0,
            _state(root),
            None if said is None else _description(said),
            None if status is None else _status(status),
            () if users is None else tuple(_user(one) for one in users.all("user")),
            "partial" if users is None else _state(users),
        )

    def build(self, state: ConferenceInfo) -> bytes:
        """Write a document."""
        root = add(
            None,
            "conference-info",
            xmlns=NAMESPACE,
            entity=state.entity,
            state=state.state,
            version=str(state.version),
        )
        about, status = state.description, state.status
        if about is not None:
            element = add(root, "conference-description", state=about.state)
            _texts(element, about, "display-text", "subject", "free-text", "maximum-user-count")
        if status is not None:
            element = add(root, "conference-state", state=status.state)
            _texts(element, status, "user-count", "active", "locked")
        users = add(root, "users", state=state.users_state)
        for user in state.users:
            element = add(users, "user", entity=user.entity, state=user.state)
            _texts(element, user, "display-text")
            if user.roles:
                roles = add(element, "roles")
                for role in user.roles:
                    add(roles, "entry", role)
            for endpoint in user.endpoints:
                _write_endpoint(element, endpoint)
        return written(root)

    def changed(self, before: ConferenceInfo, new: ConferenceInfo) -> ConferenceInfo:
        """Have the changes of a partial document (§4.6)."""
        users = new.users
        if new.users_state == "partial":
            users = _merged_all(before.users, new.users)
        elif new.users_state == "deleted":
            users = ()
        return ConferenceInfo(
            new.entity,
            new.version,
            "full",
            _merged_one(before.description, new.description),
            _merged_one(before.status, new.status),
            users,
        )


# -------------------------------------------------------------------- merging (§4.6)


def _merged_one(before: PartT | None, new: PartT | None) -> PartT | None:
    if new is None:
        return before
    if new.state == "deleted":  # type: ignore[attr-defined]
        return None
    return new if before is None else _merged(before, new)


def _merged(before: PartT, new: PartT) -> PartT:
    """Return a part with what another one changes: what is not said in it stays."""
    if new.state != "partial":  # type: ignore[attr-defined]
        return new
    changes: dict[str, object] = {"state": "full"}
    for name in new._fields:
        was, said = getattr(before, name), getattr(new, name)
        if name in ("endpoints", "media"):
            changes[name] = _merged_all(was, said)
        elif said is None or said == ():
            changes[name] = was
    return new.replace(**changes)


def _merged_all(before: tuple[PartT, ...], new: tuple[PartT, ...]) -> tuple[PartT, ...]:
    made = {one.key: one for one in before}
    for one in new:
        whole = _merged_one(made.get(one.key), one)
        if whole is None:
            made.pop(one.key, None)
        else:
            made[one.key] = whole
    return tuple(made.values())


# -------------------------------------------------------------------- reading and writing


def _state(element: Document) -> str:
    return element.choice(element.get("state"), STATES, "full")


def _flag(element: Document, name: str) -> bool | None:
    said = element.text(name)
    if said is None:
        return None
    return element.choice(said, ("true", "false", "1", "0"), "") in ("true", "1")


def _description(element: Document) -> ConferenceDescription:
    return ConferenceDescription(
        element.text("display-text"),
        element.text("subject"),
        element.text("free-text"),
        element.number(element.text("maximum-user-count")),
        _state(element),
    )


def _status(element: Document) -> ConferenceState:
    return ConferenceState(
        element.number(element.text("user-count")),
        _flag(element, "active"),
        _flag(element, "locked"),
        _state(element),
    )


def _user(element: Document) -> ConferenceUser:
    roles = element.one("roles")
    return ConferenceUser(
        element.need("entity"),
        element.text("display-text"),
        () if roles is None else roles.texts("entry"),
        tuple(_endpoint(one) for one in element.all("endpoint")),
        _state(element),
    )


def _endpoint(element: Document) -> ConferenceEndpoint:
    return ConferenceEndpoint(
        element.need("entity"),
        element.text("display-text"),
        element.text("status"),
        element.text("joining-method"),
        element.text("disconnection-method"),
        tuple(_media(one) for one in element.all("media")),
        _state(element),
    )


def _media(element: Document) -> ConferenceMedia:
    return ConferenceMedia(
        element.need("id"),
        element.text("type"),
        element.text("label"),
        element.text("src-id"),
        element.text("status"),
        _state(element),
    )


def _write_endpoint(parent: Element, endpoint: ConferenceEndpoint) -> None:
    element = add(parent, "endpoint", entity=endpoint.entity, state=endpoint.state)
    _texts(element, endpoint, "display-text", "status", "joining-method", "disconnection-method")
    for media in endpoint.media:
        stream = add(element, "media", id=media.id, state=media.state)
        _texts(stream, media, "type", "label", "src-id", "status")


def _texts(parent: Element, part: Record, *names: str) -> None:
    """Write what a part says, each in an element of its own."""
    for name in names:
        value = getattr(part, name.replace("-", "_"))
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is not None:
            add(parent, name, number(value))
