"""What a call asks of the media it carries. Any object with these methods will do (I/O is its own
affair); `sipparty.media` has the ready-made ones.
"""

from __future__ import annotations

from typing import Protocol

from sipparty.sip.policy import Policy
from sipparty.sip.unproven import UnprovenHosts

__all__ = ["MediaUser", "Session"]


class MediaUser(Protocol):
    """What the media of a call knows of the call, and what it tells it."""

    #: The host that the signalling comes from: the peer's, or that of the next proxy.
    signalling: str

    @property
    def policy(self) -> Policy:
        """What is done at the word of a peer."""

    @property
    def unproven_hosts(self) -> UnprovenHosts:
        """The hosts that other calls have sent to, and nothing has come from."""

    def behind_nat(self, address: str) -> bool:
        """Whether a numeric address that the peer names cannot be reached from here, as it is in a
        private network of the peer's.
        """

    def reaches(self, local: str, address: str) -> bool:
        """Whether the peer may have media sent to a numeric address, or a name, from a local one:
        neither to this host nor to its link where it is somewhere else.
        """

    def media_unproven(self, address: tuple[str | int, ...]) -> None:
        """Take note that nothing more is sent to an address from which nothing has come."""

    def media_timed_out(self, seconds: float) -> None:
        """Take note that nothing has come for so many seconds, and end the call."""


class Session(Protocol):
    """The media of one call.

    Its methods are called on the engine's thread. `offer` and `answer` give the description to
    send, `answer` and `accept` take the other side's (RFC 3264).

    Two more are used where it has them: `size`, the bytes that it keeps, which count into
    `Limits.max_held`; and `move`, as `sipparty.media.MediaSession` has it.
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
        """Let media flow, or follow what was agreed anew; called after each agreement.

        Where we are called nothing is sent before the ACK, so this is called then; what comes
        earlier is to be received all the same (RFC 3264 §5.1).
        """

    def stop(self) -> None:
        """End the media and give back every socket; may be called more than once."""
