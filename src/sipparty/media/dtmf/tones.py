"""The tones of keys (ITU-T Q.23): a low and a high frequency at a time.

                1209   1336   1477   1633 Hz
        697 Hz     1      2      3      A
        770 Hz     4      5      6      B
        852 Hz     7      8      9      C
        941 Hz     *      0      #      D

Laws:

* Levels are in dBm0: a sine that fills 16 bits has 3.14 dBm0, as that of G.711 (ITU-T G.711
  section 4, A-law).
* The high frequency is 2 dB above the low one, for the lines that lose more of it; both together
  have the level that is asked for.
* A tone begins and ends over 2 ms: a step is a click of all frequencies.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from sipparty.errors import UsageError
from sipparty.media.dtmf.keys import FLASH, Press

__all__ = ["FULL_SCALE", "HIGH", "LOW", "TONES", "ToneSender", "tone"]

#: The frequencies of the rows and of the columns, in Hz.
LOW: Final = (697, 770, 852, 941)
HIGH: Final = (1209, 1336, 1477, 1633)
#: The two frequencies of each key.
TONES: Final = {
    key: (LOW[row], HIGH[column])
    for row, keys in enumerate(("123A", "456B", "789C", "*0#D"))
    for column, key in enumerate(keys)
}
#: The level of a sine that fills 16 bits, in dBm0.
FULL_SCALE: Final = 3.14
#: How much louder the high frequency is, in dB.
_TWIST: Final = 2.0
#: How long a tone takes to come and to go, in seconds.
_RAMP: Final = 0.002
_PEAK: Final = 32767


def tone(key: str, samples: int, rate: int, level: float = -6.0) -> bytes:
    """The samples of a key's tone.

    Args:
        key: "0" to "9", "*", "#", "A" to "D".
        samples: How many, 16 bits each in the machine's order.
        rate: How many a second, 8000 at least.
        level: The power of both frequencies together, in dBm0; -3 at the most.

    Raises:
        UsageError: The key has no tone, or the level or the rate is out of its range.
    """
    if key not in TONES:
        raise UsageError(f"{key!r} has no tone: expected 0 to 9, *, #, A to D.")
    if rate < 8000 or level > -3 or samples < 0:
        raise UsageError(
            f"{samples} samples of a tone at {rate} a second and {level:g} dBm0 cannot be: expected"
            " a rate of 8000 at least, and a level of -3 at the most."
        )
    return _tone(key, samples, rate, level)


@lru_cache(maxsize=64)
def _tone(key: str, samples: int, rate: int, level: float) -> bytes:
    low, high = (2 * math.pi * frequency / rate for frequency in TONES[key])
    share = 10 ** (_TWIST / 10)
    power = 10 ** ((level - FULL_SCALE) / 10) / (1 + share)
    first, second = _PEAK * math.sqrt(power), _PEAK * math.sqrt(power * share)
    ramp = min(max(round(_RAMP * rate), 1), max(samples // 2, 1))
    sine = math.sin
    made = array(
        "h", [round(first * sine(low * n) + second * sine(high * n)) for n in range(samples)]
    )
    for n in range(min(ramp, samples)):
        made[n] = round(made[n] * n / ramp)
        made[-1 - n] = round(made[-1 - n] * n / ramp)
    return made.tobytes()


class ToneSender:
    """Sends keys as tones, one after the other: what is sent in the place of other audio.

    Attributes:
        busy: Whether something is sent or waits.
    """

    __slots__ = ("_owner", "_queue", "_rate", "_rest", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._queue: deque[tuple[Press | None, Callable[[], object] | None]] = deque()
        #: What is left of the key under way, and whose it is.
        self._rest = b""
        self._owner: Callable[[], object] | None = None
        self._rate = 0

    def queue(self, presses: Iterable[Press], done: Callable[[], object] | None = None) -> None:
        """Send keys after those that wait; as `EventSender.queue`.

        Raises:
            UsageError: A hook flash is among them, which has no tone.
        """
        given = tuple(presses)
        if any(press.key == FLASH for press in given):
            raise UsageError("A hook flash has no tone: it cannot be sent in the audio.")
        self._queue += [(press, done) for press in given]
        if done is not None:
            self._queue.append((None, done))
        self.busy = bool(self._queue) or self.busy

    def cancel(self, done: Callable[[], object] | None = None) -> None:
        """Send nothing more of some keys, or of all, at once; as `EventSender.cancel`."""
        self._queue = deque(one for one in self._queue if done not in (None, one[1]))
        if done in (None, self._owner):
            self._rest = b""
        self.busy = bool(self._queue or self._rest)

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """The next samples; None where nothing is to be sent any more.

        Args:
            samples: How many.
            rate: How many a second.
        """
        if rate != self._rate:
            self._rate, self._rest = rate, b""  # another codec: the key under way is cut short
        size = 2 * samples
        while len(self._rest) < size and self._queue:
            press, done = self._queue[0]
            if self._rest and (press is None or done is not self._owner):
                break  # what is called is, once all before it was sent
            self._queue.popleft()
            if press is not None:
                self._rest += _samples_of(press, rate)
                self._owner = done
            elif done is not None:
                done()
        if not self._rest:
            self.busy = False
            return None
        frame, self._rest = self._rest[:size], self._rest[size:]
        return frame + bytes(size - len(frame))


def _samples_of(press: Press, rate: int) -> bytes:
    if not press.key:
        return bytes(2 * round(press.duration * rate))
    made = tone(press.key, round(press.duration * rate), max(rate, 8000))
    return made + bytes(2 * round(press.gap * rate))
