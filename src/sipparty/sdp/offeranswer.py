"""Offers and answers as functions of descriptions (RFC 3264). Nothing here keeps a state.

Promises of this module:

1. An answer has the m= lines of its offer, in number, order and media type. A stream that is not
   taken has port 0 (Section 6). Its o= line is our own, its t= line the offer's.
2. No stream is taken whose media could be sent to nobody: to a multicast group, to an address that
   is none, of an unknown kind, or that the peer cannot mean. Its m= line is refused, and where no
   other is taken the session is, with the code of a Warning (RFC 3261 Section 20.43).
3. An accepted stream has the formats in common, in the order of the offer and with the offer's
   payload types; a direction no wider than the offer's, reversed, and than what we want.

What an answer may say to each direction that is offered (Section 6.1, unicast):

| offered | answered |
|---|---|
| sendrecv | sendrecv, sendonly, recvonly, inactive |
| sendonly | recvonly, inactive |
| recvonly | sendonly, inactive |
| inactive | inactive |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from sipparty.errors import NegotiationError
from sipparty.sdp.capability import MediaCapability
from sipparty.sdp.description import SessionDescription
from sipparty.sdp.fields import Connection, Origin
from sipparty.sdp.formats import Format
from sipparty.sdp.media import MediaDescription
from sipparty.sdp.negotiated import Reaches, common_formats, unreachable
from sipparty.sdp.timing import Timing

__all__ = [
    "assign_capabilities",
    "make_answer",
    "make_offer",
    "read_offer",
    "reject_all",
    "rejected",
    "revised",
]


#: Reads an offer, as `SessionDescription.parse`. It is read when it is judged and again when it is
#: answered: once, where that is soon after.
read_offer = lru_cache(maxsize=16)(SessionDescription.parse)


def make_offer(
    capabilities: Iterable[MediaCapability],
    address: str,
    session_id: int,
    *,
    version: int = 1,
    username: str = "-",
) -> SessionDescription:
    """An initial offer of all capabilities, in order (RFC 3264 Section 5).

    With every capability at port 0 it is a description of capabilities, as OPTIONS wants one
    (Section 9).

    Args:
        capabilities: One for each stream.
        address: Where we receive media.
        session_id: New for each session, below 2**63.
        version: Below 2**62 - 1.
        username: Of the o= line.

    Raises:
        Incomplete: A capability has no port.
        BuildError: A value cannot stand in a session description.
    """
    return SessionDescription(
        Origin.of(address, session_id, version, username),
        connection=Connection.of(address),
        media=tuple(capability.offered() for capability in capabilities),
    )


def assign_capabilities(
    offer: SessionDescription,
    capabilities: Sequence[MediaCapability],
    slots: Sequence[int | None] = (),
    reaches: Reaches | None = None,
) -> list[int | None]:
    """Find for each offered stream the capability that can answer it.

    A capability serves one stream: the first that it fits, in the order of the offer, but secure
    ones (RTP/SAVP) before others. A stream that was agreed earlier keeps its capability.

    Args:
        offer: The offer.
        capabilities: Ours, in order of preference.
        slots: The capabilities' indices by m= line, as agreed earlier.
        reaches: Whether the peer may have media sent to an address; None for any.

    Returns:
        For each m= line the index of a capability; None where the stream has to be refused.

    Raises:
        NegotiationError: Streams are offered, and none of them fits.
    """
    result: list[int | None] = [None] * len(offer.media)
    reasons: list[tuple[int, str]] = []
    for index, slot in enumerate(slots[: len(result)]):
        if slot is not None and _misfit(offer.media[index], capabilities[slot], reaches) is None:
            result[index] = slot
    # A rejected stream's capability is free for others, a kept one's is not.
    free = [k for k in range(len(capabilities)) if k not in result]
    # Of several streams for one capability the secure one is taken, whichever comes first.
    for index, remote in sorted(enumerate(offer.media), key=_insecure):
        if result[index] is None and (remote.port or remote.bad_port):
            reason = _UNLIKE
            for k in free:
                misfit = _misfit(remote, capabilities[k], reaches)
                if misfit is None:
                    result[index] = k
                    free.remove(k)
                    break
                reason = reason if misfit is _UNLIKE else misfit
            else:
                code, why = reason
                reasons.append((code, f"stream {index} ({remote.media} {remote.proto}): {why}"))
    if reasons and all(k is None for k in result):
        # RFC 3264 Section 6.1: nothing in common for all streams rejects the session.
        raise NegotiationError(
            f"None of the offered streams can be accepted: {'; '.join(why for _, why in reasons)}.",
            warning=reasons[0][0],
        )
    return result


def _insecure(line: tuple[int, MediaDescription]) -> bool:
    return "/SAVP" not in line[1].proto.upper()


#: Why a capability cannot answer an offered stream, as a Warning's code and a clause: it is not
#: even of the kind.
_UNLIKE = (304, "nothing like it is supported")


def _misfit(
    remote: MediaDescription, capability: MediaCapability, reaches: Reaches | None
) -> tuple[int, str] | None:
    """Why a capability cannot answer an offered stream; None where it can."""
    if capability.port == 0 or remote.media.casefold() != capability.media.casefold():
        return _UNLIKE
    if not remote.port:
        return 399, f"its port cannot be {remote.bad_port or 0}"
    for extension in capability.extensions:
        reason = extension.misfit(remote)
        if reason is not None:
            return 399, reason
    if not capability.accepts_profile(remote.proto):
        return 302, f"the protocol is not {' or '.join(capability.profiles)}"
    connection = remote.connection_or_session
    if connection is None:
        return 399, "it has no address"
    wrong = unreachable(connection, reaches)
    if wrong is not None:
        return wrong
    if not _common(remote, capability):
        supported = ", ".join(str(one) for one in capability.known_formats)
        return 305, f"no format is one of {supported}"
    return None


def _common(remote: MediaDescription, capability: MediaCapability) -> list[tuple[Format, Format]]:
    pairs = common_formats(remote.media_formats, capability.known_formats)
    # A call whose only common format is telephone-event would be mute. Where nothing else was
    # offered it is what the stream is for (RFC 4317 Section 2.4).
    if all(theirs.is_auxiliary for theirs, _ in pairs) and not all(
        one.is_auxiliary for one in remote.media_formats
    ):
        return []
    return pairs


def make_answer(
    offer: SessionDescription,
    capabilities: Sequence[MediaCapability],
    address: str,
    session_id: int,
    *,
    version: int = 1,
    username: str = "-",
    slots: Sequence[int | None] | None = None,
    reaches: Reaches | None = None,
) -> SessionDescription:
    """Answer an offer (RFC 3264 Section 6).

    Args:
        offer: The peer's.
        capabilities: Ours. What they have over the offer is not answered.
        address: Where we receive media.
        session_id: New for each session, below 2**63.
        version: Of our own description.
        username: Of the o= line.
        slots: For each m= line the index of the capability that answers it, None to refuse it; by
            default what `assign_capabilities` finds. As many as the offer has m= lines.
        reaches: Whether the peer may have media sent to an address; None for any.

    Raises:
        NegotiationError: Streams are offered, and none can be accepted; status 488.
        Incomplete: A capability that is needed has no port.
        BuildError: A value cannot stand in a session description.
    """
    chosen = slots
    if chosen is None:
        chosen = assign_capabilities(offer, capabilities, reaches=reaches)
    media = []
    for remote, slot in zip(offer.media, chosen, strict=True):
        local = None if slot is None else _answered(remote, capabilities[slot])
        media.append(rejected(remote) if local is None else local)
    if any(one.port for one in offer.media) and not any(one.port for one in media):
        raise NegotiationError("None of the offered streams can be accepted.")
    return _answer(offer, media, address, Origin.of(address, session_id, version, username))


def _answer(
    offer: SessionDescription, media: Iterable[MediaDescription], address: str, origin: Origin
) -> SessionDescription:
    # The times are the offer's (RFC 3264 Section 6), without what it may say of when they come
    # again, which is not for the answer to state.
    times = tuple(Timing(one.start, one.stop) for one in offer.timings)
    at = Connection.of(address)
    return SessionDescription(origin, connection=at, timings=times, media=tuple(media))


def _answered(remote: MediaDescription, capability: MediaCapability) -> MediaDescription | None:
    # Section 6.1: the same payload type for the same codec, the parameters being our own.
    formats = [replace(theirs, fmtp=ours.fmtp) for theirs, ours in _common(remote, capability)]
    if not formats:
        return None
    ptime = capability.ptime
    if ptime is None and (capability.maxptime or float("inf")) >= (remote.ptime or 0):
        ptime = remote.ptime
    local: MediaDescription | None = capability.described(
        formats,
        remote.proto,
        capability.direction.restricted(remote.direction.reversed),
        ptime,
        capability.rtcp_mux and remote.rtcp_mux,
    )
    for extension in capability.extensions:
        if local is None:
            break
        local = extension.answer(remote, local)
    return local


def rejected(stream: MediaDescription) -> MediaDescription:
    """The stream with port 0: refused in an answer, removed in an offer (RFC 3264, 6 and 8.2)."""
    # One format has to be there, though it is ignored.
    return MediaDescription(stream.media, 0, stream.proto, stream.formats[:1] or ("0",))


def reject_all(
    offer: SessionDescription,
    address: str,
    session_id: int,
    *,
    version: int = 1,
    username: str = "-",
) -> SessionDescription:
    """A valid answer that refuses every stream, for where an offer cannot be rejected otherwise: in
    an ACK or a PRACK (RFC 6337 Section 5.2.4).

    Args:
        offer: The peer's.
        address: Where we receive media.
        session_id: New for each session, below 2**63.
        version: Of our own description.
        username: Of the o= line.

    Raises:
        BuildError: A value cannot stand in a session description.
    """
    media = map(rejected, offer.media)
    return _answer(offer, media, address, Origin.of(address, session_id, version, username))


def revised(previous: SessionDescription, new: SessionDescription) -> SessionDescription:
    """`new` as the description that follows `previous` (RFC 3264 Section 8): with its o= line, and
    a version one higher if anything has changed.
    """
    same = replace(new, origin=previous.origin)
    if same == previous:
        return previous
    origin = replace(previous.origin, version=previous.origin.version + 1)
    return replace(new, origin=origin)
