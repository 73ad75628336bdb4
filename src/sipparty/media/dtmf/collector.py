"""Digits that are collected: up to a number of them, an end key or a pause, from what is pressed
and what was pressed before anybody asked.

Laws:

* What is pressed while nobody collects is kept, the latest `MAX_KEPT`, and collected first
  (type-ahead), unless it is cleared. A hook flash is none of it.
* A collection ends once: "end" with the end key, which is not part of what is returned; "max" with
  the last of so many digits; "timeout" where the first, or the next, is too late; "hangup" with the
  call; "cancelled" by `cancel`; "replaced" by another collection.
* What comes after the end is kept for the next collection.
* The time for the first digit begins when `start_timer` is called: at the end of a prompt.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, TypeAlias

from sipparty.errors import UsageError
from sipparty.media.dtmf.keys import FLASH, KEYS
from sipparty.media.settings import check_seconds

__all__ = ["MAX_KEPT", "Collection", "Collector", "Reason"]

#: Digits that are kept for who asks later; protects memory.
MAX_KEPT: Final = 64
#: The most digits of one collection.
_MAX_DIGITS: Final = 1000

#: Why a collection ended.
Reason: TypeAlias = Literal["max", "end", "timeout", "hangup", "cancelled", "replaced"]


class Collection:
    """What is collected.

    Args:
        max: The most digits; None for any number, up to 1000.
        end: The keys that end it; "" for none.
        timeout: Seconds from one digit to the next.
        first_timeout: Seconds to the first digit; None for `timeout`.
        deaf: Whether what is pressed before `start_timer` is forgotten.

    Attributes:
        digits: The digits so far, without the end key.
        ended_by: The end key; "" where none ended it.
        deaf: Whether what is pressed is forgotten, until its time begins.
        reason: Why it ended; None while it goes on.
        due: When it ends by itself, in seconds; infinite while its time does not run.

    Raises:
        UsageError: Something is out of its range; or nothing could end it.
    """

    __slots__ = (
        *("_end", "_first", "_max", "_timeout", "deaf", "digits", "due", "ended_by"),
        "reason",
    )

    def __init__(
        self,
        max: int | None = None,
        end: str = "#",
        timeout: float = 5.0,
        first_timeout: float | None = None,
        *,
        deaf: bool = False,
    ) -> None:
        if max is not None and (
            not isinstance(max, int) or isinstance(max, bool) or not 0 < max <= _MAX_DIGITS
        ):
            raise UsageError(f"max={max!r} is no number of digits from 1 to {_MAX_DIGITS}.")
        if not isinstance(end, str) or not set(end) <= set(KEYS) - {FLASH}:
            raise UsageError(f"end={end!r} is no text of keys: expected 0 to 9, *, #, A to D.")
        check_seconds("timeout", timeout)
        if first_timeout is not None:
            check_seconds("first_timeout", first_timeout)
        self._max = _MAX_DIGITS if max is None else max
        self._end = end
        self._timeout = timeout
        self._first = timeout if first_timeout is None else first_timeout
        self.deaf = deaf
        self.digits = ""
        self.ended_by = ""
        self.reason: Reason | None = None
        self.due = float("inf")

    def start_timer(self, now: float) -> None:
        """Let the time for the first digit begin, where none came yet."""
        self.deaf = False
        if self.reason is None and not self.digits:
            self.due = now + self._first

    def take(self, digit: str, now: float) -> None:
        """Take a digit.

        Args:
            digit: The key.
            now: When it was pressed, in seconds.
        """
        if self.deaf:
            return
        if digit in self._end:
            self.ended_by = digit
            self.finish("end")
            return
        self.digits += digit
        self.due = now + self._timeout
        if len(self.digits) >= self._max:
            self.finish("max")

    def expire(self, now: float) -> None:
        """End it where its time is over."""
        if now >= self.due:
            self.finish("timeout")

    def finish(self, reason: Reason) -> None:
        """End it; nothing where it has ended."""
        if self.reason is None:
            self.reason = reason
            self.due = float("inf")


class Collector:
    """The digits of one call: those that wait, and the collection that takes them.

    Attributes:
        kept: The digits that wait.
        current: The collection; None where there is none.
        dropped: Digits that were too many to be kept.
    """

    __slots__ = ("current", "dropped", "kept")

    def __init__(self) -> None:
        self.kept: deque[str] = deque(maxlen=MAX_KEPT)
        self.current: Collection | None = None
        self.dropped = 0

    def begin(self, collection: Collection, now: float, clear: bool = False) -> None:
        """Collect from now on; what waits comes first.

        Args:
            collection: What is collected.
            now: The time, in seconds.
            clear: Whether what waits is forgotten instead.
        """
        self.finish("replaced")
        if clear:
            self.kept.clear()
        self.current = collection
        while self.kept and self.current is not None:
            self._give(self.kept.popleft(), now)

    def take(self, digit: str, now: float) -> None:
        """Take a key that was pressed.

        Args:
            digit: The key.
            now: When, in seconds.
        """
        if digit == FLASH:
            return
        if self.current is not None:
            self._give(digit, now)
            return
        self.dropped += len(self.kept) == MAX_KEPT
        self.kept.append(digit)

    def expire(self, now: float) -> None:
        """End the collection whose time is over."""
        if self.current is not None:
            self.current.expire(now)
            self._leave()

    def finish(self, reason: Reason) -> None:
        """End the collection, if there is one."""
        if self.current is not None:
            self.current.finish(reason)
            self._leave()

    def _give(self, digit: str, now: float) -> None:
        assert self.current is not None
        self.current.take(digit, now)
        self._leave()

    def _leave(self) -> None:
        if self.current is not None and self.current.reason is not None:
            self.current = None
