"""The offer/answer state of one session (RFC 3264, with the practice of RFC 6337).

Laws:

1. One offer is open at a time. Which verb may come when is the table `_MOVES`; a verb of ours at
   another time raises `UnexpectedInput` and changes nothing.
2. An offer of the peer's while one is open raises `NegotiationError` with the status to answer
   with: 491 while ours is open (glare, RFC 6337 Section 4.2), 500 while its own earlier one is.
3. Only a whole exchange changes what is agreed. After `rollback`, or a verb that raised, `local`,
   `remote` and `streams` are what they were; a preview of an answer shows in `streams` meanwhile.
4. Our descriptions keep their o= line, the version going up by one when something has changed since
   the last one we *sent*, rolled back or not (RFC 3264 Section 8).
5. m= lines never go away and never move. A capability keeps its line, and a payload type its
   meaning, for the whole session (Sections 8 and 8.3.2). A line without stream is used again.
6. Of a peer's description the text is kept, and what was agreed on by it: not what it was read to,
   which may be ten times as large. What is remembered of formats is bounded.
7. What we offer is what we want now, not what the peer allowed last (RFC 6337 Section 5.1): a
   peer's hold narrows our answer but no later offer, so that nobody gets stuck on hold.

    stable ---offer---> local-offer ---receive_answer, rollback---> stable
    stable ---receive_offer---> remote-offer ---answer, refuse, rollback---> stable
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sipparty.errors import NegotiationError, UnexpectedInput
from sipparty.sdp.capability import MediaCapability
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
    """Where an offer/answer exchange stands."""

    STABLE = "stable"
    LOCAL_OFFER = "local-offer"
    REMOTE_OFFER = "remote-offer"


#: The longest texts of a format that are remembered.
_MAX_TEXT = 256

_STABLE = NegotiationState.STABLE
_LOCAL = NegotiationState.LOCAL_OFFER
_REMOTE = NegotiationState.REMOTE_OFFER

_MOVES: dict[tuple[NegotiationState, str], NegotiationState] = {
    (_STABLE, "offer"): _LOCAL,
    (_STABLE, "receive_offer"): _REMOTE,
    (_LOCAL, "receive_answer"): _STABLE,
    (_LOCAL, "rollback"): _STABLE,
    (_REMOTE, "answer"): _STABLE,
    (_REMOTE, "refuse"): _STABLE,
    (_REMOTE, "rollback"): _STABLE,
}

# RFC 6337 Section 4.3, UAS-UcU and UAS-UsU and their like.
_OFFER_REFUSED: dict[NegotiationState, tuple[int, str]] = {
    _LOCAL: (491, "The peer's offer crosses ours, which has not been answered."),
    _REMOTE: (500, "The peer's offer comes before its earlier one was answered."),
}


@dataclass(frozen=True, slots=True)
class _Negotiated:
    """What rollback returns to."""

    local: SessionDescription | None = None
    remote: bytes | None = None
    streams: tuple[NegotiatedStream, ...] = ()
    slots: tuple[int | None, ...] = ()
    limit: Direction = Direction.SENDRECV


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
    ) -> None:
        # RFC 3264 Section 5: signed 64 bit, and room for the version to grow.
        check_integer(session_id, 0, 2**63 - 1, "session id")
        check_integer(version, 0, 2**62 - 2, "session version")
        self._origin = Origin.of(address, session_id, version, username)
        #: Where we receive media; a change shows in the next offer or answer.
        self.address = address
        self._negotiated = _Negotiated()
        self._before = self._open = self._negotiated
        self._reaches = reaches
        self._state = _STABLE
        self._pending: SessionDescription | None = None
        self._sent: SessionDescription | None = None
        self._history: tuple[tuple[Format, ...], ...] = ()
        self.capabilities = tuple(capabilities)

    @property
    def capabilities(self) -> tuple[MediaCapability, ...]:
        """What we can do, one for each stream."""
        return self._capabilities

    @capabilities.setter
    def capabilities(self, capabilities: Iterable[MediaCapability]) -> None:
        self._capabilities = tuple(capabilities)

    @property
    def state(self) -> NegotiationState:
        """Whether an offer is open, and whose."""
        return self._state

    @property
    def local(self) -> SessionDescription | None:
        """Our description of what is agreed; None before the first agreement."""
        return self._negotiated.local

    @property
    def remote(self) -> SessionDescription | None:
        """The peer's description of what is agreed, read anew; None before the first agreement."""
        remote = self._negotiated.remote
        return None if remote is None else SessionDescription.parse(remote)

    @property
    def negotiated(self) -> bool:
        """Whether there was an agreement, be it on no stream."""
        return self._negotiated.remote is not None

    @property
    def size(self) -> int:
        """How many bytes of the peer's descriptions are kept."""
        kept = {id(one.remote): one.remote or b"" for one in (self._negotiated, self._before)}
        return sum(map(len, kept.values()))

    @property
    def streams(self) -> tuple[NegotiatedStream, ...]:
        """The streams that both sides have accepted, previews of an answer included."""
        return self._negotiated.streams

    @property
    def pending(self) -> SessionDescription | None:
        """The offer that is open, ours or the peer's."""
        return self._pending

    @property
    def slots(self) -> tuple[int | None, ...]:
        """For each m= line, of the open offer if there is one, the index of the capability that it
        belongs to; None where there is none. After `receive_offer` it tells which ports are needed.
        """
        return (self._negotiated if self._state is _STABLE else self._open).slots

    @property
    def held(self) -> bool:
        """Whether we have the peer on hold, or are about to."""
        return (self._negotiated if self._state is _STABLE else self._open).limit is not (
            Direction.SENDRECV
        )

    def offer(self, *, add: bool = True) -> SessionDescription:
        """Make an offer, the first or another one.

        Args:
            add: Whether a later offer also proposes capabilities without a stream, such as a video
                that was refused; those without a port are left out.

        Returns:
            The offer to send; the very description sent last if nothing has changed.

        Raises:
            UnexpectedInput: An offer is open.
            Incomplete: A capability that is needed has no port.
            BuildError: A value cannot stand in a session description.
        """
        return self._offer(self._negotiated.limit, add)

    def hold(self, *, inactive: bool = False) -> SessionDescription:
        """Offer to stop the peer's media (RFC 6337 Section 5.3); later offers and answers keep to
        it until `resume`.

        Args:
            inactive: Send nothing either.

        Raises:
            UnexpectedInput: An offer is open.
        """
        return self._offer(Direction.INACTIVE if inactive else Direction.SENDONLY, add=False)

    def resume(self) -> SessionDescription:
        """Offer what the capabilities want again, after `hold`; raises like it."""
        return self._offer(Direction.SENDRECV, add=False)

    def receive_offer(self, offer: SessionDescription) -> None:
        """Take the peer's offer, to be answered with `answer`, `refuse` or, by a failure response,
        `rollback`.

        Raises:
            NegotiationError: None of its streams can be accepted, it has lost an m= line, or an
                offer is open; `status` says what to answer. Nothing has changed.
        """
        if self._state in _OFFER_REFUSED:
            status, reason = _OFFER_REFUSED[self._state]
            raise NegotiationError(reason, status)
        known = len(self._negotiated.slots)
        if len(offer.media) < known:
            raise NegotiationError(
                f"The offer has {len(offer.media)} streams where the session has {known}"
                " (RFC 3264 Section 8)."
            )
        wanted = self._wanted(self._negotiated.limit)
        slots = assign_capabilities(offer, wanted, self._kept_slots(), self._reaches)
        self._begin("receive_offer", offer, slots, self._negotiated.limit)

    def answer(self) -> SessionDescription:
        """Answer the peer's offer.

        Returns:
            The answer to send.

        Raises:
            UnexpectedInput: The peer has no offer open.
            NegotiationError: None of its streams can be accepted any more; the offer stays open.
            Incomplete: A capability that is needed has no port; likewise.
        """
        offer = self._expect("answer")
        wanted = self._wanted(self._open.limit)
        slots = assign_capabilities(offer, wanted, self._kept_slots(), self._reaches)
        answer = self._next(make_answer(offer, wanted, self.address, 0, slots=slots))
        streams = negotiated_streams(answer, offer, offerer=False, reaches=self._reaches)
        # What an extension has refused has no capability from here on.
        live = [slot if one.port else None for slot, one in zip(slots, answer.media, strict=True)]
        self._sent = answer
        self._settle("answer", answer, offer, streams, live)
        return answer

    def refuse(self) -> SessionDescription:
        """Answer the peer's offer by refusing every stream, where the message that has to carry the
        answer cannot reject (RFC 6337 Section 2.3).

        Returns:
            The answer to send.

        Raises:
            UnexpectedInput: The peer has no offer open.
        """
        offer = self._expect("refuse")
        answer = self._next(reject_all(offer, self.address, 0))
        self._sent = answer
        self._settle("refuse", answer, offer, [], [None] * len(offer.media))
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
        offer = self._expect("receive_answer")
        streams = check_answer(offer, answer, self._reaches)
        slots = self._open.slots
        for stream in streams:
            slot = slots[stream.index]
            if slot is not None and slot < len(self.capabilities):
                for extension in self.capabilities[slot].extensions:
                    extension.check(stream.local, answer.media[stream.index])
        if preview:
            self._negotiated = replace(self._negotiated, streams=tuple(streams))
            return
        live = {stream.index for stream in streams}
        kept = [slot if index in live else None for index, slot in enumerate(slots)]
        self._settle("receive_answer", offer, answer, streams, kept)

    def rollback(self) -> None:
        """Forget the open offer, as after a failure response to it; what was agreed holds again.

        Raises:
            UnexpectedInput: No offer is open.
        """
        self._expect("rollback")
        self._state = _MOVES[self._state, "rollback"]
        self._negotiated = self._before
        self._pending = None

    def fork(self) -> Negotiation:
        """A copy that goes its own way: each dialog that an INVITE brings about answers the one
        offer for itself (RFC 6337 Section 3.1.1).
        """
        return copy.copy(self)

    def _expect(self, verb: str) -> SessionDescription:
        """The open offer, if `verb` may come now."""
        self._check(verb)
        assert self._pending is not None  # each of the moves but "offer" needs an open one
        return self._pending

    def _check(self, verb: str) -> None:
        if (self._state, verb) not in _MOVES:
            raise UnexpectedInput(
                f"Bad input {verb!r} to 'Negotiation' (current state {self._state.value!r})."
            )

    def _begin(
        self,
        verb: str,
        offer: SessionDescription,
        slots: Sequence[int | None],
        limit: Direction,
    ) -> None:
        self._before = self._negotiated
        self._open = replace(self._negotiated, slots=tuple(slots), limit=limit)
        self._pending = offer
        self._state = _MOVES[self._state, verb]

    def _settle(
        self,
        verb: str,
        local: SessionDescription,
        remote: SessionDescription,
        streams: Iterable[NegotiatedStream],
        slots: Iterable[int | None],
    ) -> None:
        kept = tuple(slots)
        self._history = tuple(
            self._formats_before(index) if slot is None else self._remembered(index, ours, theirs)
            for index, (slot, ours, theirs) in enumerate(
                zip(kept, local.media, remote.media, strict=True)
            )
        )
        text = bytes(remote)
        self._negotiated = _Negotiated(local, text, tuple(streams), kept, self._open.limit)
        self._before = self._open = self._negotiated
        self._pending = None
        self._state = _MOVES[self._state, verb]

    def _remembered(
        self, index: int, ours: MediaDescription, theirs: MediaDescription
    ) -> tuple[Format, ...]:
        """The payload types a stream has had, each with its first meaning, ours before theirs."""
        found = {one.payload_type: one for one in self._formats_before(index)}
        for one in (*ours.media_formats, *theirs.media_formats):
            if one.payload_type is not None and one.payload_type not in found:
                found[one.payload_type] = _shortened(one)
        return tuple(found.values())

    def _formats_before(self, index: int) -> tuple[Format, ...]:
        return self._history[index] if index < len(self._history) else ()

    def _wanted(self, limit: Direction) -> list[MediaCapability]:
        return [
            replace(one, direction=one.direction.restricted(limit)) for one in self.capabilities
        ]

    def _kept_slots(self) -> list[int | None]:
        known = len(self.capabilities)
        return [
            slot if slot is not None and slot < known else None for slot in self._negotiated.slots
        ]

    def _next(self, description: SessionDescription) -> SessionDescription:
        if self._sent is None:
            return replace(description, origin=self._origin)
        return revised(self._sent, description)

    def _offer(self, limit: Direction, add: bool) -> SessionDescription:
        self._check("offer")
        wanted = self._wanted(limit)
        slots = self._offered_slots(wanted, add)
        media: list[MediaDescription] = []
        for index, slot in enumerate(slots):
            if slot is None:
                assert self._negotiated.local is not None
                media.append(rejected(self._negotiated.local.media[index]))
            else:
                media.append(wanted[slot].offered(self._formats_before(index)))
        offer = self._next(
            SessionDescription(
                self._origin, connection=Connection.of(self.address), media=tuple(media)
            )
        )
        self._sent = offer
        self._begin("offer", offer, slots, limit)
        return offer

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


def _shortened(one: Format) -> Format:
    """A format as it is remembered: longer texts than any format has are cut, as they are none of
    ours, and hold on to a payload type all the same.
    """
    if len(one.encoding) <= _MAX_TEXT and len(one.fmtp or "") <= _MAX_TEXT:
        return one
    return replace(one, encoding=one.encoding[:_MAX_TEXT], fmtp=None)
