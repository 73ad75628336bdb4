"""The offers and answers of a session with one audio stream (RFC 3264).

Laws:

* What raises changes nothing.
* One offer of ours may have several answers, where a call is forked (RFC 6337 section 3.1.1): each
  takes the place of the one before.
* No description is kept as it was read, which is ten times its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sipparty.errors import UsageError
from sipparty.media.codecs import CodecType
from sipparty.media.negotiated import formats_of
from sipparty.sdp import (
    Direction,
    MediaCapability,
    NegotiatedStream,
    Negotiation,
    NegotiationState,
    SessionDescription,
)
from sipparty.sdp.offeranswer import assign_capabilities, read_offer

__all__ = ["Negotiator", "judge_offer"]

#: Stands for the port of a session that is not open; any but 0, which refuses.
_ANY_PORT = 9
#: Bytes that are kept for each m= line of an agreement, beside the peer's text.
_LINE = 512


def judge_offer(offer: bytes, codecs: Iterable[CodecType]) -> None:
    """See whether an offer could be answered with one of some codecs.

    Raises:
        ParseError: It is no description.
        NegotiationError: It could not.
    """
    capability = MediaCapability("audio", formats_of(codecs), _ANY_PORT)
    assign_capabilities(read_offer(offer), [capability])


class Negotiator:
    """One session's offers and answers.

    Args:
        codecs: Ours, the preferred one first.
        port: Where we receive RTP.
        address: Where we do, as descriptions name it.
        session_id: For the o= line.
        direction: What we want.
        ptime: Milliseconds in a packet that we would like to get.
        rtcp_mux: Whether RTCP may share the port of RTP.
        reaches: Whether the peer may have media sent to a numeric address; None for any.
    """

    __slots__ = ("_negotiation", "_offered")

    def __init__(
        self,
        codecs: Iterable[CodecType],
        port: int,
        address: str,
        session_id: int,
        *,
        direction: Direction,
        ptime: float,
        rtcp_mux: bool,
        reaches: Callable[[str], bool] | None,
    ) -> None:
        capability = MediaCapability(
            "audio", formats_of(codecs), port, direction, ptime=ptime, rtcp_mux=rtcp_mux
        )
        self._negotiation = Negotiation((capability,), address, session_id, reaches=reaches)
        # Ours, as it was when it was made, for each answer that it may have.
        self._offered: Negotiation | None = None

    @property
    def negotiated(self) -> bool:
        """Whether there was an agreement, be it on no stream."""
        return self._negotiation.negotiated

    @property
    def stream(self) -> NegotiatedStream | None:
        """The stream that was agreed on; None for none."""
        streams = self._negotiation.streams
        return streams[0] if streams else None

    @property
    def size(self) -> int:
        """How many bytes are kept of what the peer sent, and because of it."""
        negotiation = self._negotiation
        return negotiation.size + _LINE * len(negotiation.slots)

    def offer(self, make: Callable[[Negotiation], SessionDescription] = Negotiation.offer) -> bytes:
        """Make an offer; one that nobody has answered was refused."""
        self.rollback()
        negotiation = self._negotiation.fork()
        offer = bytes(make(negotiation))
        self._negotiation = negotiation
        self._offered = negotiation.fork()
        return offer

    def answer(self, offer: bytes) -> bytes:
        """Answer the peer's offer.

        Raises:
            ParseError: It is no description.
            NegotiationError: Nothing in it can be agreed on, or it cannot come now.
        """
        negotiation = self._negotiation.fork()
        negotiation.receive_offer(read_offer(offer))
        answer = bytes(negotiation.answer())
        self._negotiation = negotiation
        self._offered = None
        return answer

    def accept(self, answer: bytes) -> None:
        """Take an answer to our last offer, the first or another one.

        Raises:
            ParseError: It is no description.
            NegotiationError: It does not answer the offer.
            UsageError: There is no offer of ours.
        """
        if self._offered is None:
            raise UsageError("There is no offer of ours to be answered.")
        negotiation = self._offered.fork()
        negotiation.receive_answer(SessionDescription.parse(answer))
        self._negotiation = negotiation

    def rollback(self) -> None:
        """Forget the open offer; nothing where there is none."""
        if self._negotiation.state is not NegotiationState.STABLE:
            self._negotiation.rollback()
            self._offered = None
