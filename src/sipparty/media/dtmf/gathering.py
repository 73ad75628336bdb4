"""Asking for digits: the handle that `gather` and `ask` give.

Laws:

* It runs on the engine's thread, and can be waited for on any other and in any coroutine.
* What it gives is a text that says why it ended: `Digits`. Silence, or the end of the call, is no
  error: it gives what came until then.
* A prompt stops at the first digit, and is left out where one waits already; one that is not to be
  interrupted goes on, and what is pressed meanwhile is forgotten. The time for the first digit
  begins when the prompt is over.
* A question is repeated where nothing was pressed, or none of its choices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, Self, TypeAlias

from sipparty.concurrency.waiting import Portal, Waitable, verb
from sipparty.errors import SIPPartyError, UsageError
from sipparty.media.dtmf.collector import Collection, Reason
from sipparty.media.dtmf.digits import CallDigits

__all__ = ["Digits", "Gathering", "Prompt", "Why"]

_log = logging.getLogger(__name__)

#: Why it ended: as a collection, or "invalid" for none of the choices.
Why: TypeAlias = Reason | Literal["invalid"]

_GATHERING = "gathering"
#: How often a question may be repeated.
_MAX_RETRIES = 100


class Prompt(Protocol):
    """A prompt that is played: the handle that `call.play` gives."""

    @property
    def done(self) -> bool:
        """Whether it is over."""

    def stop(self) -> None:
        """Stop it."""

    def _when(
        self, condition: Callable[[str], object], function: Callable[[], object]
    ) -> Callable[[], None]: ...


class Digits(str):
    """What was pressed, as text.

    Attributes:
        reason: Why it ended: "max", "end", "timeout", "hangup", "cancelled", "replaced" by another
            `gather` or `ask`, or "invalid".
        end: The key that ended it; "" where none did.
    """

    __slots__ = ("end", "reason")

    reason: Why
    end: str

    @classmethod
    def of(cls, digits: str, reason: Why, end: str = "") -> Self:
        """Make it."""
        made = cls(digits)
        made.reason = reason
        made.end = end
        return made


class Gathering(Waitable[Digits]):
    """Digits that are collected: `gathering.wait(timeout)` in a thread, or `await gathering`, gives
    them as `Digits`.

    Args:
        digits: Those of the call.
        portal: Access to the engine's thread.
        play: Plays the prompt, each time from its beginning; None for no prompt.
        retries: How often the question is repeated, 0 to 100.
        barge_in: Whether a digit stops the prompt.
        choices: The answers that are valid; None for any.
        options: Those of a `Collection`.

    Attributes:
        state: "gathering", then why it ended.
        tries: How often it was asked.

    Raises:
        UsageError: Something is out of its range.
    """

    __slots__ = (
        *("_barge_in", "_choices", "_collection", "_digits", "_options", "_play", "_prompt"),
        *("_result", "_retries", "tries"),
    )

    def __init__(
        self,
        digits: CallDigits,
        portal: Portal | None,
        play: Callable[[], Prompt] | None = None,
        retries: int = 0,
        barge_in: bool = True,
        choices: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(retries, int) or not 0 <= retries <= _MAX_RETRIES:
            raise UsageError(f"retries={retries!r} is no number from 0 to {_MAX_RETRIES}.")
        self._options = {**options, "deaf": play is not None and not barge_in}
        self._collection = Collection(**self._options)
        self._choices = None if choices is None else frozenset(choices)
        self._digits = digits
        self._play = play
        self._barge_in = barge_in
        self._retries = retries
        self._prompt: Prompt | None = None
        self._result: Digits | None = None
        self.tries = 0
        self._portal = portal
        self._watchers = None
        self.state = self._entered = _GATHERING

    def begin(self, clear: bool = False) -> Self:
        """Ask; on the engine's thread.

        Args:
            clear: Whether what was pressed before is forgotten.

        Raises:
            MediaError: The prompt cannot be played.
            UsageError: It is none; or the call has no media.
        """
        try:
            self._ask(clear)
        except BaseException:
            self._digits.finish(self._collection)
            raise
        return self

    @property
    def digits(self) -> str:
        """What was pressed so far."""
        return self._collection.digits

    @property
    def reason(self) -> Why | None:
        """Why it ended; None while it goes on."""
        return None if self._result is None else self._result.reason

    @verb
    def cancel(self) -> None:
        """End it with what was pressed so far, as "cancelled"; on any thread."""
        self._retries = 0
        self._digits.finish(self._collection)

    def settled(self, state: str) -> bool:
        """Whether it has ended."""
        return state != _GATHERING

    # ---------------------------------------------------------------- on the engine's thread

    def _ask(self, clear: bool) -> None:
        self.tries += 1
        collection = self._collection
        self._digits.begin(collection, self._changed, clear or collection.deaf)
        if collection.reason is not None or collection is not self._collection:
            return
        if self._play is None or collection.digits:
            self._start_timer(collection)
            return
        self._prompt = prompt = self._play()
        over = lambda: self._post(self._prompt_over, prompt, collection)  # noqa: E731
        prompt._when(lambda state: prompt.done, over)

    def _post(self, function: Callable[..., object], *args: object) -> None:
        portal: Any = self._portal
        if portal is None:
            function(*args)
        else:
            portal.post(function, *args)

    def _prompt_over(self, prompt: Prompt, collection: Collection) -> None:
        if self._prompt is prompt:
            self._prompt = None
            self._start_timer(collection)

    def _start_timer(self, collection: Collection) -> None:
        if collection.reason is None:
            collection.start_timer(self._digits.now)
            self._digits.changed()

    def _changed(self) -> None:
        """Take note of a digit, or of the end."""
        collection = self._collection
        prompt = self._prompt
        if prompt is not None and (collection.digits or collection.reason is not None):
            self._prompt = None
            prompt.stop()
        if collection.reason is None or self._result is not None:
            return
        why: Why = collection.reason
        if why in ("max", "end", "timeout") and self._is_invalid(collection):
            if self._retries:
                self._again()
                return
            why = "invalid" if collection.digits or collection.ended_by else why
        self._result = Digits.of(collection.digits, why, collection.ended_by)
        self.state = why
        self._notify()

    def _is_invalid(self, collection: Collection) -> bool:
        if self._choices is not None:
            return collection.digits not in self._choices
        return not collection.digits and collection.reason == "timeout"

    def _again(self) -> None:
        self._retries -= 1
        self._collection = collection = Collection(**self._options)
        try:
            self._ask(False)
        except SIPPartyError as error:
            _log.warning("The prompt was not played again: %s", error)
            self._start_timer(collection)

    def _outcome(self) -> Digits:
        assert self._result is not None
        return self._result

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.digits!r}: {self.state}>"
