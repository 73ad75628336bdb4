"""What a call asks of the media it carries: the one contract between SIP and media. Any object with
the methods of `Session` will do (I/O is its own affair); `sipparty.media` has a base for one's
own, and ready-made ones.

A session that needs time, to gather addresses or to ask somebody, gives a `Pending` in place of
what it is asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from sipparty.errors import UsageError
from sipparty.sip.events import MediaEvent
from sipparty.sip.policy import Policy
from sipparty.sip.unproven import UnprovenHosts

__all__ = ["Given", "MediaUser", "Pending", "Session", "SessionT"]

T = TypeVar("T")


class Pending(Generic[T]):
    """What a session method will have given, once `resolve` or `fail` is called: once, on the
    engine's thread (`portal.run(pending.resolve, value)` from anywhere).
    """

    __slots__ = ("_callbacks", "_outcome")

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[[T], object], Callable[[Exception], object]]] = []
        self._outcome: tuple[T] | Exception | None = None

    def then(self, callback: Callable[[T], object], errback: Callable[[Exception], object]) -> None:
        """Have the value, or the error, handed over: now, where it is there already."""
        self._callbacks.append((callback, errback))
        self._hand_over()

    def resolve(self, value: T) -> None:
        """Give the value; raises `UsageError` for a second outcome."""
        self._settle((value,))

    def fail(self, error: Exception) -> None:
        """Give an error instead, one that the method could have raised."""
        self._settle(error)

    def _settle(self, outcome: tuple[T] | Exception) -> None:
        if self._outcome is not None:
            raise UsageError("A pending value has one outcome.")
        self._outcome = outcome
        self._hand_over()

    def _hand_over(self) -> None:
        outcome = self._outcome
        while outcome is not None and self._callbacks:
            callback, errback = self._callbacks.pop(0)
            if isinstance(outcome, tuple):
                callback(outcome[0])
            else:
                errback(outcome)


#: What a session method gives: the value, or what will have it. An awaitable is what an `async def`
#: of a `MediaSession` looks like to a type checker; that makes a `Pending` of it.
Given: TypeAlias = T | Pending[T] | Awaitable[T]


class MediaUser(Protocol):
    """What the media of a call knows of the call, and what it reports to it."""

    #: The host that the signalling comes from: the peer's, or that of the next proxy.
    signalling: str
    #: Whether it goes by an encrypted transport to the next hop.
    encrypted: bool

    @property
    def name(self) -> str:
        """The call, as logs name it."""

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

    @property
    def proven(self) -> bool:
        """Whether the peer has shown that it receives where the signalling comes from: it has a
        connection, has acknowledged something, or was authenticated.
        """

    def emit(self, event: MediaEvent) -> None:
        """Report an event of the call's media."""

    def media_timed_out(self, seconds: float) -> None:
        """Take note that nothing has come for so many seconds, and end the call."""


class Session(Protocol):
    """The media of one call. Its methods are called on the engine's thread.

    What `offer`, `answer` and `accept` give may be a `Pending`; no other of the three is called
    before it has its outcome, and none of the outcome counts once `stop` was called. What raises,
    or fails, leaves the session as it was.
    """

    #: The Content-Type of the descriptions.
    content_type: str = "application/sdp"
    #: The bytes that one keeps, those of what the peer sent above all. They count into
    #: `Limits.max_held`.
    size: int = 0

    @abstractmethod
    def offer(self, direction: str | None = None) -> Given[bytes | None]:
        """Return an offer, the first or another one (RFC 3264 §8); None for nothing to offer.

        An earlier one that was not answered is forgotten.

        Args:
            direction: From now on as much as this of what the session wants: "sendonly" or
                "inactive" puts the other side on hold (RFC 3264 §8.4), "sendrecv" ends that. None,
                which is not passed, for as much as before.
        """

    @abstractmethod
    def answer(self, offer: bytes) -> Given[bytes]:
        """Take an offer and return the answer.

        Raises:
            NegotiationError: There is nothing in common; its `status` says what to answer.
            ParseError: The offer is no description; to be answered with 400.
        """

    @abstractmethod
    def accept(self, answer: bytes) -> Given[None]:
        """Take the answer to the last offer; where that has had one, as after a fork, instead of it
        (RFC 6337 §3.1.1).

        Raises:
            NegotiationError: It does not answer the offer.
            ParseError: It is no description.
        """

    def update(self, **settings: object) -> None:
        """Change what the next offer asks for; `rollback` takes it back.

        Raises:
            UsageError: There is no such setting, or not with this value.
        """
        if settings:
            raise UsageError(f"{type(self).__name__} has no setting {', '.join(settings)}.")

    def rollback(self) -> None:
        """Forget the open offer, ours or theirs, which was refused, and what `update` changed for
        it; nothing where there is none. Our offer is open until the final response: an answer that
        was accepted before, from a provisional one (RFC 6337 §3.1.1), is forgotten too.
        """
        return  # so not abstract: there may be nothing to forget

    @abstractmethod
    def start(self, early: bool = False) -> None:
        """Let media flow, or follow what was agreed anew; called after each agreement.

        Where we are called nothing is sent before the ACK, so this is called then; what comes
        earlier is to be received all the same (RFC 3264 §5.1).

        Args:
            early: Passed where we are called and asked for early media: the call is not established
                yet. Nothing may be sent to a host that is not `MediaUser.signalling` unless that is
                `proven`. Called again when the call is proven, and when it is established.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the media and give back every socket; may be called at any time, and twice."""


#: The kind of a call's media session; `Session` where a `SimpleCall` names none.
if TYPE_CHECKING:
    import typing_extensions

    SessionT = typing_extensions.TypeVar("SessionT", bound=Session, covariant=True, default=Session)
else:
    SessionT = TypeVar("SessionT")
