"""What a user agent makes of the body of a message: whether it has to refuse it, and which session
description it carries (RFC 5621, RFC 3261 §13.2.1, §20.11).

Laws:

* Multiparts are always understood, unknown ones as multipart/mixed (RFC 5621 §4.2).
* What is not understood is passed over where its handling is "optional", else the request is
  refused with 415 (§8.4).
* A session description is an application/sdp whose disposition is "session", which it is where
  nothing else is said. One that is to be rendered, or is an icon, offers nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from sipparty.sip.multipart import DECODERS, Entity

__all__ = ["MULTIPARTS", "SDP", "is_understood", "session_description"]

#: The media type of session descriptions.
SDP = "application/sdp"

#: What is said in an Accept header of the multiparts that are understood (RFC 5621 §4.2).
MULTIPARTS = ("multipart/mixed", "multipart/alternative")


def is_understood(entity: Entity, types: Collection[str]) -> bool:
    """Whether a request's body holds nothing that has to be understood and is not; else the answer
    is 415 (RFC 5621 §8.4).

    Multiparts are always understood, unknown ones as multipart/mixed (§4.2). Of alternatives one
    will do (§8.3). application/sdp is so as a "session" and not otherwise; what is "by-reference"
    is not, since nobody here refers to it (§9.4).

    Args:
        entity: The request.
        types: The media types that are understood, in lower case.

    Raises:
        ParseError: The body, or a header that describes it, is not what it should be.
    """
    if entity._text("content-type") in types and not _is_described(entity):
        return True  # as nearly every one is
    return _taken(entity, types) is not None or entity.handling == "optional"


def session_description(entity: Entity, types: Collection[str] | None = None) -> bytes:
    """Return the session description that a message carries, be it the body or a part of it; b""
    where it carries none (RFC 3261 §13.2.1).

    It is the first application/sdp whose disposition is "session"; of alternatives, the last. A
    body without a Content-Type is taken for one.

    Args:
        entity: The message.
        types: The media types that are understood, where what is optional and not understood is to
            be passed over as a whole; None to find it anywhere, as in responses and in ACK, which
            cannot be refused (RFC 5621 §10).

    Raises:
        ParseError: The body, or a header that describes it, is not what it should be.
    """
    if not entity._body:
        return b""
    if entity._text("content-type") in (None, SDP) and not _is_described(entity):
        return entity._body
    found: Entity | None
    if types is None:
        found = entity.find_part(SDP, disposition="session")
    else:
        taken = _taken(entity, types) or ()
        found = next((one for one in taken if one.media_type == SDP), None)
    return b"" if found is None else found.content


def _is_described(entity: Entity) -> bool:
    """Whether a header says more of the body than its type."""
    return (
        entity._text("content-disposition") is not None
        or entity._text("content-encoding") is not None
        or entity._text("content-transfer-encoding") is not None
    )


def _taken(entity: Entity, types: Collection[str]) -> list[Entity] | None:
    """Return what is to be processed of a body, in order; None where it is not understood."""
    if (entity._text("content-encoding") or "identity").lower() != "identity":
        return None
    if not entity.is_multipart:
        return [entity] if _is_known(entity, types) else None
    if entity.media_type == "multipart/alternative":
        # §8.3: whatever the handling of each of them.
        found = (_taken(part, types) for part in reversed(entity.parts))
        return next((taken for taken in found if taken is not None), None)
    processed: list[Entity] = []
    for part in entity.parts:
        taken = _taken(part, types)
        if taken is not None:
            processed += taken
        elif part.handling != "optional":
            return None
    return processed


def _is_known(entity: Entity, types: Collection[str]) -> bool:
    kind = entity.media_type
    transfer = (entity._text("content-transfer-encoding") or "binary").lower()
    if kind not in types or transfer not in DECODERS:
        return False
    disposition = entity.disposition
    return disposition == "session" if kind == SDP else disposition != "by-reference"
