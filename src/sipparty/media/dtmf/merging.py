"""One press that comes in two ways is one press.

Some telephones send a key as a telephone event and in an INFO; some gateways leave the tone in the
audio beside the event.

Laws:

* The same key by another method, from the beginning of a press to `WITHIN` seconds after its end,
  is that press again: once for each other method.
* Once a key came as a telephone event or in an INFO, tones in the audio are not believed: whoever
  sends those does not send tones, and speech is sometimes taken for one.
"""

from __future__ import annotations

from typing import Final

from sipparty.media.dtmf.events import DigitEnded, DigitReceived, Method

__all__ = ["WITHIN", "Merger"]

#: Seconds after the end of a press within which another method may report it.
WITHIN: Final = 0.5


class Merger:
    """Passes each press on once."""

    __slots__ = ("_absorbed", "_digit", "_dropped", "_ended", "_method", "_signalled", "merged")

    def __init__(self) -> None:
        #: The press that was passed on last; when it ended, infinite before.
        self._digit = ""
        self._method: Method = "rtp"
        self._ended = 0.0
        self._absorbed: set[Method] = set()
        #: What was not passed on and has not ended.
        self._dropped: set[tuple[str, Method]] = set()
        self._signalled = False
        #: How many presses were not passed on.
        self.merged = 0

    def takes(self, event: DigitReceived | DigitEnded, now: float) -> bool:
        """Whether an event is to be passed on.

        Args:
            event: What came.
            now: When, in seconds.
        """
        digit, method = event.digit, event.method
        if isinstance(event, DigitEnded):
            if (digit, method) in self._dropped:
                self._dropped.discard((digit, method))
                return False
            if (digit, method) == (self._digit, self._method):
                self._ended = now
            return True
        again = (
            digit == self._digit
            and method != self._method
            and method not in self._absorbed
            and now <= self._ended + WITHIN
        )
        if again or (method == "inband" and self._signalled):
            self._absorbed.add(method)
            self._dropped.add((digit, method))
            self.merged += 1
            return False
        self._signalled = self._signalled or method != "inband"
        self._digit, self._method, self._ended = digit, method, float("inf")
        self._absorbed.clear()
        return True
