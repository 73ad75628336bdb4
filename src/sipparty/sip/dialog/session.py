"""What a call asks of the media it carries. Any object with these methods will do (I/O is its own
affair); `sipparty.media` has the ready-made ones.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Session"]


class Session(Protocol):
    """The media of one call.

    Its methods are called on the engine's thread. `offer` and `answer` give the description to
    send, `answer` and `accept` take the other side's (RFC 3264).
    """

    #: The Content-Type of the descriptions, "application/sdp".
    content_type: str

    def offer(self) -> bytes | None:
        """Return an offer; None for a session that has nothing to offer."""

    def answer(self, offer: bytes) -> bytes:
        """Take an offer and return the answer; the session as it was stays if this raises.

        Raises:
            NegotiationError: There is nothing in common.
            ParseError: The offer is no description.
        """

    def accept(self, answer: bytes) -> None:
        """Take the answer to the last offer.

        Raises:
            NegotiationError: It does not answer the offer.
            ParseError: It is no description.
        """

    def start(self) -> None:
        """Let media flow, or follow what was agreed anew; called after each agreement."""

    def stop(self) -> None:
        """End the media and give back every socket; may be called more than once."""
