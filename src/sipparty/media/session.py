"""A base for media sessions of one's own, and the session of a call that has no media.

A call makes one session for each dialog. The party opens it, `sipparty.sip.dialog.session.Session`
says what the dialog asks then:

    open(loop, local_address)              the ports are bound; nothing is sent
    offer() -> bytes                       we call:      the body of the INVITE
      accept(answer)                                     the body of the answer to it
    answer(offer) -> bytes                 we are called: the body of our answer
    start(early=True)                      media flows before the call is established
    start()                                it is, or something else was agreed
    update(...), offer(direction),         a re-INVITE or UPDATE, either side's
      answer(), accept(), rollback()       (rollback: it was refused)
    move(local_address)                    nobody answered there: the call takes another route
    stop()                                 the call is over, however it ended

Descriptions are opaque here: the content type says what they are.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sipparty.concurrency.host import random_bits
from sipparty.concurrency.waiting import Portal
from sipparty.errors import UsageError
from sipparty.sdp import SessionDescription, reject_all
from sipparty.sip.dialog.session import MediaUser, Pending, Session
from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.media.loops import MediaLoop

__all__ = ["MediaSession", "NoMediaSession"]

_T = TypeVar("_T")


class MediaSession(Session):
    """The media of one call; what derives from it may have `offer`, `answer` and `accept` as
    `async def`.

    Attributes:
        portal: Access to the engine's thread, for verbs called on others; None where callers
            are on it already.
        advertised: The address that descriptions name, where that is not the one that is bound: a
            NAT is in between. Set before `open`; None for the one that is bound.
        call: The call that it is the media of; set before `open`. None for a session without one.
        media_loop: The loop that its media runs on; set before `open`. None for that of `open`.
    """

    #: How many file descriptors one takes: none is opened where too few would be left, and a party
    #: has a default for `max_calls` by it. What takes none is not given its `call` either.
    descriptors: ClassVar[int] = 2
    #: Whether it has something to offer. Where not, a call has none before the other side offers.
    offers: ClassVar[bool] = True

    def __init__(self) -> None:
        self.portal: Portal | None = None
        self.advertised: str | None = None
        self.call: MediaUser | None = None
        self.media_loop: MediaLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "offer" in cls.__dict__ and "offers" not in cls.__dict__:
            cls.offers = True
        for name in ("offer", "answer", "accept"):
            method = cls.__dict__.get(name)
            if inspect.iscoroutinefunction(method):
                setattr(cls, name, _begun(method))

    @classmethod
    def check_options(cls, **options: Any) -> None:
        """Refuse options that no session can be made of, before there is a call: one is made, of
        all but the files.

        Raises:
            MediaError: A file cannot be played or recorded to.
            TypeError: `codecs` is one name.
            UsageError: An option is out of its range, or a codec is not known.
        """
        if isinstance(options.get("codecs"), str):
            raise TypeError('codecs is several names, such as ("PCMU",), not one text.')
        from sipparty.media.playing.playable import check_playable
        from sipparty.media.recording.sinks import as_sink

        play, record = options.pop("play", None), options.pop("record", None)
        for one in (play, options.get("hold_music")):
            if one is not None:
                check_playable(one)
        for one in record if isinstance(record, list | tuple) else [record]:
            as_sink(one)
        cls(**options)

    def emit(self, event: MediaEvent) -> None:
        """Hand an event to the call's handlers; to nobody where there is no call."""
        if self.call is not None:
            self.call.emit(event)

    @classmethod
    def check_offer(cls, offer: bytes, **options: Any) -> None:
        """Judge an offer before there is a session for it, and before any handler is given the
        call. Nothing is opened or kept; what passes may still be refused by `answer`.

        Args:
            offer: The other side's.
            options: What the session would be made with.

        Raises:
            ParseError: The offer is no description; to be answered with 400.
            NegotiationError: Nothing in it could be agreed on; its `status` says what to answer.
        """
        SessionDescription.parse(offer)

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

    def _done(self, pending: Pending[Any], task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            hand_over = functools.partial(pending.fail, error)
        else:
            hand_over = functools.partial(pending.resolve, task.result())
        if self.portal is None:
            hand_over()
        else:
            self.portal.run(hand_over)


def _begun(method: Callable[..., Coroutine[Any, Any, _T]]) -> Callable[..., Pending[_T]]:
    """A session's `async def` as what gives a `Pending`, by a task of the running loop."""

    @functools.wraps(method)
    def begin(self: MediaSession, *args: Any) -> Pending[_T]:
        pending: Pending[_T] = Pending()
        task = asyncio.get_running_loop().create_task(method(self, *args))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._done, pending))
        return pending

    return begin


class NoMediaSession(MediaSession):
    """The media of a call without media: no socket, no offer, and every stream refused.

    Args:
        tokens: Gives a random number of so many bits, for the o= line; by default the chance of the
            loop's host does.
    """

    descriptors = 0
    offers = False

    def __init__(self, *, tokens: Callable[[int], int] | None = None) -> None:
        super().__init__()
        self._tokens = tokens
        self._address: str | None = None
        self._id = 0
        self._version = 0

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Note the address that answers name."""
        self._tokens = self._tokens or random_bits(loop)
        self._address = self.advertised or local_address

    def move(self, local_address: str) -> bool:
        """Name another one."""
        self._address = self.advertised or local_address
        return True

    def offer(self, direction: str | None = None) -> None:
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
            assert self._tokens is not None
            self._id = self._tokens(62)
        self._version += 1
        return bytes(reject_all(description, self._address, self._id, version=self._version))

    def accept(self, answer: bytes) -> None:
        """Ignore it: nothing was offered."""

    def start(self, early: bool = False) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
