"""The descriptions of one session, offer by offer (RFC 3264, with the practice of RFC 6337).

Laws:

1. One offer is open at a time. A verb of ours that does not fit it raises `UnexpectedInput`; an
   offer of the peer's then raises `NegotiationError` with the status to answer with: 491 while ours
   is open (RFC 6337 Section 4.2), 500 while its own earlier one is. Neither changes anything.
2. Only a whole exchange changes what is negotiated. After `rollback`, or a verb that raised,
   `local`, `remote` and `streams` are what they were; a preview shows in `streams` meanwhile.
3. Our descriptions keep their o= line, the version going up by one when something has changed since
   the last one we *sent*, rolled back or not (RFC 3264 Section 8).
4. m= lines never go away and never move. A capability keeps its line, and a payload type its
   meaning, for the whole session (Sections 8 and 8.3.2). A line without stream is used again.
5. Of a peer's description the text is kept, and what was negotiated by it: not what it was read to,
   which may be ten times as large. What is remembered of formats is bounded.
6. What we offer is what we want now, not what the peer allowed last (RFC 6337 Section 5.1): a
   peer's hold narrows our answer but no later offer, so that nobody gets stuck on hold.

Which message may carry the next offer or answer is not known here: `sipparty.sip.dialog` has that.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sipparty.errors import NegotiationError, UnexpectedInput
from sipparty.sdp.capability import MediaCapability, SessionExtension
from sipparty.sdp.description import SessionDescription
from sipparty.sdp.fields import Connection, Direction, Origin
from sipparty.sdp.formats import Format
from sipparty.sdp.grammar import check_integer
from sipparty.sdp.media import MediaDescription
from sipparty.sdp.negotiated import NegotiatedStream, Reaches, check_answer, negotiated_streams
from sipparty.sdp.offeranswer import (
    assign_capabilities,
    make_answer,
    reject_all,
    rejected,
    revised,
)

__all__ = ["Negotiation", "NegotiationState"]


class NegotiationState(StrEnum):
    """Whether an offer is open, and whose."""

    STABLE = "stable"
    LOCAL_OFFER = "local-offer"
    REMOTE_OFFER = "remote-offer"


#: The longest texts of a format that are remembered.
_MAX_TEXT = 256

# RFC 6337 Section 4.3, UAS-UcU and UAS-UsU and their like.
_OFFER_REFUSED: dict[NegotiationState, tuple[int, str]] = {
    NegotiationState.LOCAL_OFFER: (
        491,
        "The peer's offer crosses ours, which has not been answered.",
    ),
    NegotiationState.REMOTE_OFFER: (
        500,
        "The peer's offer comes before its earlier one was answered.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Negotiated:
    """What holds: both descriptions, the peer's as text, and what follows from them."""

    local: SessionDescription | None = None
    remote: bytes | None = None
    streams: tuple[NegotiatedStream, ...] = ()
    slots: tuple[int | None, ...] = ()
    limit: Direction = Direction.SENDRECV
    # The payload types that each m= line has had.
    history: tuple[tuple[Format, ...], ...] = ()

    def formats_before(self, index: int) -> tuple[Format, ...]:
        return self.history[index] if index < len(self.history) else ()

    def proto(self, index: int) -> str | None:
        """The transport protocol of a stream; None where there is none."""
        return next((one.proto for one in self.streams if one.index == index), None)


class _Open(NamedTuple):
    """The open offer, and the slots and the limit that it brings about."""

    description: SessionDescription
    state: NegotiationState
    slots: tuple[int | None, ...]
    limit: Direction


class Negotiation:
    """The offers and answers of one session, from our side.

    The capabilities' ports have to be known when an offer or an answer is made, not earlier: they
    can be set by assigning `capabilities` again. Their order must not change, and new ones come
    last; one that is no longer wanted is put at port 0.

    Args:
        capabilities: One for each stream we can take part in.
        address: Where we receive media: IP address or domain name.
        session_id: For the o= line; new for each session, below 2**63.
        version: Of the first description, below 2**62 - 1.
        username: For the o= line.
        reaches: Whether the peer may have media sent to a numeric address; None for any.
        extensions: Asked in order about each description of ours; see `SessionExtension`.

    Attributes:
        address: Where we receive media; a change shows in the next offer or answer.
        capabilities: What we can do, one for each stream.

    Raises:
        BuildError: A number is out of its range.
    """

    def __init__(
        self,
        capabilities: Iterable[MediaCapability],
        address: str,
        session_id: int,
        *,
        version: int = 1,
        username: str = "-",
        reaches: Reaches | None = None,
        extensions: Iterable[SessionExtension] = (),
    ) -> None:
        # RFC 3264 Section 5: signed 64 bit, with space for the version to grow.
        check_integer(session_id, 0, 2**63 - 1, "session id")
        check_integer(version, 0, 2**62 - 2, "session version")
        self._origin = Origin.of(address, session_id, version, username)
        self.address = address
        self.capabilities: Sequence[MediaCapability] = tuple(capabilities)
        self._reaches = reaches
        self._extensions = tuple(extensions)
        self._negotiated = _Negotiated()
        self._open: _Open | None = None
        self._preview: tuple[NegotiatedStream, ...] | None = None
        self._sent: SessionDescription | None = None

    @property
    def state(self) -> NegotiationState:
        """Whether an offer is open, and whose."""
        return NegotiationState.STABLE if self._open is None else self._open.state

    @property
    def local(self) -> SessionDescription | None:
        """Our description of what is negotiated; None before the first agreement."""
        return self._negotiated.local

    @property
    def remote(self) -> SessionDescription | None:
        """The peer's description of what is negotiated, read anew; None before the first
        agreement.
        """
        remote = self._negotiated.remote
        return None if remote is None else SessionDescription.parse(remote)

    @property
    def negotiated(self) -> bool:
        """Whether there was an agreement, be it on no stream."""
        return self._negotiated.remote is not None

    @property
    def size(self) -> int:
        """How many bytes of the peer's descriptions are kept."""
        return len(self._negotiated.remote or b"")

    @property
    def streams(self) -> tuple[NegotiatedStream, ...]:
        """The streams that both sides have accepted, previews of an answer included."""
        return self._negotiated.streams if self._preview is None else self._preview

    @property
    def pending(self) -> SessionDescription | None:
        """The offer that is open, ours or the peer's."""
        return None if self._open is None else self._open.description

    @property
    def slots(self) -> tuple[int | None, ...]:
        """For each m= line, of the open offer if there is one, the index of the capability that it
        belongs to; None where there is none. After `receive_offer` it says which ports are needed.
        """
        return (self._open or self._negotiated).slots

    @property
    def held(self) -> bool:
        """Whether we have the peer on hold, or are about to."""
        return (self._open or self._negotiated).limit is not Direction.SENDRECV

    def offer(
        self, direction: Direction | str | None = None, *, add: bool = True
    ) -> SessionDescription:
        """Make an offer, the first or another one.

        Args:
            direction: From now on as much as this of what the capabilities want, in offers and
                answers: "sendonly" or "inactive" for a hold (RFC 6337 Section 5.3), "sendrecv" for
                its end. None for as much as before.
            add: Whether a later offer that states no direction also proposes capabilities without a
                stream, such as a video that was refused; those without a port are left out.

        Returns:
            The offer to send; the very description sent last if nothing has changed.

        Raises:
            UnexpectedInput: An offer is open.
            Incomplete: A capability that is needed has no port.
            BuildError: A value cannot stand in a session description.
        """
        if self._open is not None:
            raise self._unexpected("offer")
        before = self._negotiated
        limit = before.limit if direction is None else Direction(direction)
        wanted = self._wanted(limit)
        slots = self._offered_slots(wanted, add and direction is None)
        media: list[MediaDescription] = []
        for index, slot in enumerate(slots):
            if slot is None:
                assert before.local is not None
                media.append(rejected(before.local.media[index]))
            else:
                proto = before.proto(index)
                media.append(wanted[slot].offered(before.formats_before(index), proto=proto))
        at = Connection.of(self.address)
        made = SessionDescription(self._origin, connection=at, media=tuple(media))
        for extension in self._extensions:
            made = extension.offer(made)
        offer = self._next(made)
        self._sent = offer
        self._open = _Open(offer, NegotiationState.LOCAL_OFFER, tuple(slots), limit)
        return offer

    def receive_offer(self, offer: SessionDescription) -> None:
        """Take the peer's offer, to be answered with `answer`, `refuse` or, by a failure response,
        `rollback`.

        Raises:
            NegotiationError: None of its streams can be accepted, it has lost an m= line, or an
                offer is open; `status` says what to answer. Nothing has changed.
        """
        if self._open is not None:
            status, reason = _OFFER_REFUSED[self._open.state]
            raise NegotiationError(reason, status)
        known = len(self._negotiated.slots)
        if len(offer.media) < known:
            raise NegotiationError(
                f"The offer has {len(offer.media)} streams where the session has {known}"
                " (RFC 3264 Section 8)."
            )
        limit = self._negotiated.limit
        slots = self._assigned(offer, self._wanted(limit))
        self._open = _Open(offer, NegotiationState.REMOTE_OFFER, tuple(slots), limit)

    def answer(self) -> SessionDescription:
        """Answer the peer's offer.

        Returns:
            The answer to send.

        Raises:
            UnexpectedInput: The peer has no offer open.
            NegotiationError: None of its streams can be accepted any more; the offer stays open.
            Incomplete: A capability that is needed has no port; likewise.
        """
        offer, _, _, limit = self._expect("answer", NegotiationState.REMOTE_OFFER)
        wanted = self._wanted(limit)
        slots = self._assigned(offer, wanted)
        made = make_answer(offer, wanted, self.address, 0, slots=slots)
        for extension in self._extensions:
            made = extension.answer(offer, made)
        answer = self._next(made)
        streams = negotiated_streams(answer, offer, offerer=False, reaches=self._reaches)
        # What an extension has refused has no capability from here on.
        live = [slot if one.port else None for slot, one in zip(slots, answer.media, strict=True)]
        self._sent = answer
        self._settle(answer, offer, streams, live, limit)
        return answer

    def refuse(self) -> SessionDescription:
        """Answer the peer's offer by refusing every stream, where the message that has to carry the
        answer cannot reject (RFC 6337 Section 2.3).

        Returns:
            The answer to send.

        Raises:
            UnexpectedInput: The peer has no offer open.
        """
        offer, _, _, limit = self._expect("refuse", NegotiationState.REMOTE_OFFER)
        self._sent = answer = self._next(reject_all(offer, self.address, 0))
        self._settle(answer, offer, [], [None] * len(offer.media), limit)
        return answer

    def receive_answer(self, answer: SessionDescription, *, preview: bool = False) -> None:
        """Take the peer's answer to our offer.

        Args:
            answer: The peer's description.
            preview: It came in an unreliable provisional response: media may flow as it says, but
                our offer stays open until the answer comes (RFC 6337 Section 3.1.1).

        Raises:
            UnexpectedInput: We have no offer open.
            NegotiationError: It does not answer our offer, which stays open.
        """
        offer, _, slots, limit = self._expect("receive_answer", NegotiationState.LOCAL_OFFER)
        streams = check_answer(offer, answer, self._reaches)
        for stream in streams:
            slot = slots[stream.index]
            if slot is not None and slot < len(self.capabilities):
                for extension in self.capabilities[slot].extensions:
                    extension.check(stream.local, answer.media[stream.index])
        for one in self._extensions:
            one.check(offer, answer)
        if preview:
            self._preview = tuple(streams)
            return
        live = {stream.index for stream in streams}
        kept = [slot if index in live else None for index, slot in enumerate(slots)]
        self._settle(offer, answer, streams, kept, limit)

    def rollback(self) -> None:
        """Forget the open offer, as after a failure response to it; what was negotiated holds.

        Raises:
            UnexpectedInput: No offer is open.
        """
        if self._open is None:
            raise self._unexpected("rollback")
        self._open = self._preview = None

    def fork(self) -> Negotiation:
        """A copy that is independent: each dialog that an INVITE brings about answers the one
        offer for itself (RFC 6337 Section 3.1.1). Extensions are forked too.
        """
        made = copy.copy(self)
        made.capabilities = [
            replace(one, extensions=tuple(each.fork() for each in one.extensions))
            if one.extensions
            else one
            for one in self.capabilities
        ]
        return made

    def _expect(self, verb: str, state: NegotiationState) -> _Open:
        """The open offer, if it is the one that `verb` is about."""
        if self._open is None or self._open.state is not state:
            raise self._unexpected(verb)
        return self._open

    def _unexpected(self, verb: str) -> UnexpectedInput:
        return UnexpectedInput(
            f"Bad input {verb!r} to 'Negotiation' (current state {self.state.value!r})."
        )

    def _settle(
        self,
        local: SessionDescription,
        remote: SessionDescription,
        streams: Iterable[NegotiatedStream],
        slots: Iterable[int | None],
        limit: Direction,
    ) -> None:
        kept = tuple(slots)
        before = self._negotiated
        history = tuple(
            before.formats_before(index)
            if slot is None
            else _remembered(before.formats_before(index), ours, theirs)
            for index, (slot, ours, theirs) in enumerate(
                zip(kept, local.media, remote.media, strict=True)
            )
        )
        self._negotiated = _Negotiated(local, bytes(remote), tuple(streams), kept, limit, history)
        self._open = self._preview = None

    def _wanted(self, limit: Direction) -> list[MediaCapability]:
        return [
            replace(one, direction=one.direction.restricted(limit)) for one in self.capabilities
        ]

    def _assigned(
        self, offer: SessionDescription, wanted: list[MediaCapability]
    ) -> list[int | None]:
        return assign_capabilities(offer, wanted, self._kept_slots(), self._reaches)

    def _kept_slots(self) -> list[int | None]:
        known = len(self.capabilities)
        slots = self._negotiated.slots
        return [slot if slot is not None and slot < known else None for slot in slots]

    def _next(self, description: SessionDescription) -> SessionDescription:
        if self._sent is None:
            return replace(description, origin=self._origin)
        return revised(self._sent, description)

    def _offered_slots(self, wanted: list[MediaCapability], add: bool) -> list[int | None]:
        """The capability for each m= line of an offer."""
        slots = self._kept_slots()
        local = self._negotiated.local
        if local is None:
            return list(range(len(wanted)))
        if not add:
            return slots
        for k, capability in enumerate(wanted):
            if k in slots or not capability.port:
                continue
            # RFC 3264 Section 8.1: a line without stream is used again, one of its kind by choice.
            free = [index for index, slot in enumerate(slots) if slot is None]
            free.sort(key=lambda index: local.media[index].media != capability.media)
            if free:
                slots[free[0]] = k
            else:
                slots.append(k)
        return slots


def _remembered(
    before: tuple[Format, ...], ours: MediaDescription, theirs: MediaDescription
) -> tuple[Format, ...]:
    """The payload types a stream has had, each with its first meaning, ours before theirs."""
    found = {one.payload_type: one for one in before}
    for one in (*ours.media_formats, *theirs.media_formats):
        if one.payload_type is not None and one.payload_type not in found:
            found[one.payload_type] = _shortened(one)
    return tuple(found.values())


def _shortened(one: Format) -> Format:
    """A format as it is remembered: longer texts than any format has are cut, as they are none of
    ours, and hold on to a payload type all the same.
    """
    if len(one.encoding) <= _MAX_TEXT and len(one.fmtp or "") <= _MAX_TEXT:
        return one
    return replace(one, encoding=one.encoding[:_MAX_TEXT], fmtp=None)
