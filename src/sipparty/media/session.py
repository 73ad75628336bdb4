"""What a call asks of its media, and the session of a call that has none.

`MediaSession` is the whole of what the SIP side knows of media. A call makes one session for each
dialog and tells it, on the engine's thread and in this order:

    open(loop, local_address)              the ports are bound; nothing is sent
    offer() -> bytes                       we call:      the body of the INVITE
      accept(answer)                                     the body of the answer to it
    answer(offer) -> bytes                 we are called: the body of our answer
    start()                                agreed: media flows, early media too; where we are
                                           called, once our answer was acknowledged
    offer(), hold(), resume(), answer(),   a re-INVITE or UPDATE, either way
      accept(), rollback()                 (rollback: it was refused)
    start() or update()                    what was agreed on anew takes effect
    move(local_address)                    nobody answered there: the call goes another way
    stop()                                 the call is over, however it ended

A session of one's own derives from `MediaSession`. Descriptions are opaque here: the content type
says what they are.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import UsageError
from sipparty.fsm import Portal
from sipparty.media.events import MediaEvent, MediaTimedOut, MediaUnproven
from sipparty.sdp import SessionDescription, reject_all

if TYPE_CHECKING:
    from sipparty.sip.dialog.session import MediaUser

__all__ = ["MediaSession", "NoMediaSession"]

_log = logging.getLogger(__name__)


class MediaSession(ABC):
    """The media of one call.

    Attributes:
        portal: The way onto the engine's thread, for verbs called on others; None where callers
            are on it already.
        on_event: Called with each `MediaEvent`, on the engine's thread; None for nobody.
        advertised: The address that descriptions name, where that is not the one that is bound: a
            NAT is in between. Set before `open`; None for the one that is bound.
        call: The call that it is the media of; set before `open`. None for a session without one.
    """

    #: What `offer` and `answer` give, and what `answer` and `accept` take.
    content_type: ClassVar[str] = "application/sdp"
    #: How many file descriptors one takes: none is opened where too few would be left, and a party
    #: has a default for `max_calls` by it. What takes none is not given its `call` either.
    descriptors: ClassVar[int] = 2
    #: The bytes that one keeps, those of what the peer sent above all: a property, as a rule. They
    #: count into `Limits.max_held`.
    size: int = 0

    def __init__(self) -> None:
        self.portal: Portal | None = None
        self.on_event: Callable[[MediaEvent], None] | None = None
        self.advertised: str | None = None
        self.call: MediaUser | None = None

    def tell(self, event: MediaEvent) -> None:
        """Hand an event to the call, where it is of what happens to that, and to `on_event`; what
        that raises is logged.
        """
        if self.call is not None and isinstance(event, MediaUnproven):
            self.call.media_unproven(event.address)
        elif self.call is not None and isinstance(event, MediaTimedOut):
            self.call.media_timed_out(event.seconds)
        if self.on_event is None:
            return
        try:
            self.on_event(event)
        except Exception:
            _log.exception("The handler of media events failed on %r.", event)

    @classmethod
    def check_offer(cls, offer: bytes, **options: Any) -> None:
        """Judge an offer before there is a session for it; nothing is opened, and nothing kept.

        It is called before anybody is told of a call. What passes may be refused by `answer` yet.

        Args:
            offer: The other side's.
            options: What the session would be made with.

        Raises:
            ParseError: The offer is no such thing; to be answered with 400.
            NegotiationError: Nothing in it could be agreed on; its `status` says what to answer.
        """
        SessionDescription.parse(offer)

    def move(self, local_address: str) -> bool:
        """Go to another address of this machine before the start, with everything but the offer;
        `advertised` and `call` are those of the new one by then.

        Args:
            local_address: As for `open`.

        Returns:
            Whether it has; where not, the call takes another session.

        Raises:
            ListenError: There is no port to be had.
        """
        return False

    @abstractmethod
    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Bind what the session needs, so that it can be described. Nothing is sent.

        Args:
            loop: The engine's, whose thread this is.
            local_address: The address of this machine that the other side can reach.

        Raises:
            ListenError: There is no port to be had.
            UsageError: It was opened before.
        """

    @abstractmethod
    def offer(self) -> bytes | None:
        """An offer, the first or another one; None where the session has nothing to offer.

        An earlier one that was not answered is forgotten.

        Raises:
            UsageError: The session is not open.
        """

    def hold(self) -> bytes | None:
        """An offer that puts the other side on hold (RFC 6337 section 5.3); None for nothing."""
        return None

    def resume(self) -> bytes | None:
        """An offer that ends the hold; None for nothing."""
        return None

    @abstractmethod
    def answer(self, offer: bytes) -> bytes:
        """Our answer to the other side's offer; the session as it was stays where this raises.

        Raises:
            ParseError: The offer is no such thing; to be answered with 400.
            NegotiationError: Nothing in it can be agreed on; its `status` says what to answer.
            UsageError: The session is not open.
        """

    @abstractmethod
    def accept(self, answer: bytes) -> None:
        """Take the other side's answer to our last offer; where that has had one, instead of it.

        The session as it was stays where this raises.

        Raises:
            ParseError: The answer is no such thing.
            NegotiationError: It does not answer the offer.
            UsageError: There is no offer of ours to answer.
        """

    def rollback(self) -> None:  # noqa: B027 - a session without state has nothing to forget
        """Forget the open offer, ours or theirs, which was refused; nothing where there is none."""

    @abstractmethod
    def start(self) -> None:
        """Begin, as was agreed; where it has begun, `update`. Called after each agreement.

        Raises:
            UsageError: Nothing was agreed, or the session is not open.
        """

    @abstractmethod
    def update(self) -> None:
        """Go on as was agreed on anew; nothing before the start."""

    @abstractmethod
    def stop(self) -> None:
        """End it and let go of everything; may be called at any time, and twice."""


class NoMediaSession(MediaSession):
    """The media of a call without media: no socket, no offer, and every stream refused.

    Args:
        tokens: Gives a random number of so many bits, for the o= line.
    """

    descriptors = 0

    def __init__(self, *, tokens: Callable[[int], int] = secrets.randbits) -> None:
        super().__init__()
        self._tokens = tokens
        self._address: str | None = None
        self._id = 0
        self._version = 0

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Note the address that answers name."""
        self._address = self.advertised or local_address

    def move(self, local_address: str) -> bool:
        """Name another one."""
        self._address = self.advertised or local_address
        return True

    def offer(self) -> None:
        """Give None: there is nothing to offer."""

    def answer(self, offer: bytes) -> bytes:
        """An answer that refuses every stream with port 0 (RFC 3264 section 6).

        Raises:
            ParseError: The offer is no session description.
            UsageError: The session is not open.
        """
        if self._address is None:
            raise UsageError("A media session has to be opened before it can answer.")
        description = SessionDescription.parse(offer)
        if not self._version:
            self._id = self._tokens(62)
        self._version += 1
        return bytes(reject_all(description, self._address, self._id, version=self._version))

    def accept(self, answer: bytes) -> None:
        """Ignore it: nothing was offered."""

    def start(self) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
