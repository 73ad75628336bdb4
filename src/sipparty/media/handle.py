"""What `play` and `record` give: a handle whose end is waited for by a thread or a coroutine.

Laws:

* `handle.wait()` blocks a thread and `await handle` a coroutine, on any loop; both may be done by
  many at a time. Waiting changes nothing, and a cancelled wait leaves nothing behind.
* It ends once. A blocking wait on the thread of the media raises instead of waiting for ever, but
  for one that has ended.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import ClassVar, Generic, Protocol, TypeVar

from sipparty.concurrency.waiting import Portal, Watchable
from sipparty.errors import MediaError, Timeout

__all__ = ["HasMediaPortal", "MediaHandle"]

_O = TypeVar("_O")


class HasMediaPortal(Protocol):
    """What plays or records."""

    #: Access to its thread; None where that is not known yet, or callers are on it already.
    portal: Portal | None


class MediaHandle(Watchable, Generic[_O]):
    """What goes on beside the program, and ends; to be derived from.

    Args:
        owner: What plays or records it.
        state: Its first state.

    Attributes:
        error: Why it failed; None unless it did.
    """

    __slots__ = ("_owner", "error")

    #: The states in which it is over.
    OVER: ClassVar[frozenset[str]]
    #: What it still did when the time of a wait ran out.
    STILL: ClassVar[str]

    def __init__(self, owner: HasMediaPortal, state: str) -> None:
        self._owner = owner
        self.error: MediaError | None = None
        self.state = self._entered = state
        self._watchers = None

    @property
    def _portal(self) -> Portal | None:  # type: ignore[override]
        return self._owner.portal

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._is_over(self.state)

    def wait(self, timeout: float | None = None) -> _O:
        """Block the calling thread until it has ended.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            What `await` of it gives: of a playback how it ended, of a recording itself.

        Raises:
            MediaError: It has failed.
            Timeout: The time ran out; it goes on.
            WouldDeadlock: The calling thread is that of the media.
        """
        if not self._is_over(self._entered):
            try:
                self.waitForStateCondition(self._is_over, timeout)
            except Timeout:
                message = f"{self.STILL.format(self.name)} after {timeout:g} seconds."
                raise Timeout(message) from None
        return self._result()

    def __await__(self) -> Generator[object, None, _O]:
        """Wait for the end in a coroutine, on any loop; returns and raises like `wait`."""
        if not self._is_over(self._entered):
            yield from self.stateCondition(self._is_over).__await__()
        return self._result()

    def _is_over(self, state: str) -> bool:
        return state in self.OVER

    def _result(self) -> _O:
        if self.error is not None:
            raise self.error
        return self._value()

    @abstractmethod
    def _value(self) -> _O:
        """Return what who waits is given, of one that has not failed."""
