"""What fills a loss: speech goes on for a while as it was, and fades.

Laws:

* A loss is filled from what was heard before it and, where the packet after it is there already,
  from both sides: the wave before is carried on, the wave after is carried back, the first is
  bent so that the two meet in phase, and the one fades into the other.
* Carried on means: the last period of the wave is repeated, its end led into its beginning. From
  10 ms on it fades by a fifth each 10 ms, to nothing at 60 ms (as G.711 Appendix I has it; which
  goes on to two periods and three: with both sides known, one is measured to be better).
* What is heard again begins with a short fade from what would have been carried on.
* No clock and no chance; it runs on the tick, for at most some tenths of a millisecond a loss.

A codec that conceals by itself (`Decoder.codec.conceal`) has no need of this.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Final, Protocol

from sipparty.media.pcm import SAMPLE_WIDTH, audioop
from sipparty.media.playout.waveform import best_match, cross_fade

__all__ = ["HISTORY", "Concealment", "SilenceConcealment", "WaveformConcealment"]

#: How much of what was heard is looked at, in seconds.
HISTORY: Final = 0.05
#: The shortest and the longest period of a wave, in seconds: 400 Hz to 66 Hz.
_SHORTEST: Final = 0.0025
_LONGEST: Final = 0.015
#: How much of the wave is compared for it, in seconds.
_COMPARED: Final = 0.02
#: The fill is as loud as before for this long, and ends at the other, in seconds.
_LOUD: Final = 0.01
_END: Final = 0.06
#: How long the fade into what is heard again lasts, in seconds.
_JOIN: Final = 0.005
#: How alike two waves have to be to be joined in phase, and by what part of the gap one is bent
#: at most.
_ALIKE: Final = 0.5
_BENT: Final = 0.05


class Concealment(Protocol):
    """Fills the losses of one stream at one sample rate; samples are counted in one channel."""

    def extend(self, history: bytes, samples: int, /) -> bytes:
        """So many samples that follow `history`, or what this gave last."""

    def bridge(self, history: bytes, samples: int, following: bytes, /) -> bytes:
        """What stands between `history`, or what `extend` gave last, and the audio `following`."""

    def join(self, following: bytes, /) -> bytes:
        """The audio `following` as it is to be heard after `extend`; of the same length."""

    def end(self) -> None:
        """The loss is over without a `join`."""


class SilenceConcealment:
    """Fills a loss with nothing."""

    def __init__(self, rate: int) -> None:
        pass

    def extend(self, history: bytes, samples: int, /) -> bytes:
        """Silence."""
        return bytes(SAMPLE_WIDTH * samples)

    def bridge(self, history: bytes, samples: int, following: bytes, /) -> bytes:
        """Silence."""
        return bytes(SAMPLE_WIDTH * samples)

    def join(self, following: bytes, /) -> bytes:
        """The audio as it is."""
        return following

    def end(self) -> None:
        """Nothing is kept."""


class WaveformConcealment:
    """Fills a loss with the wave beside it.

    Args:
        rate: Samples a second.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._join = round(_JOIN * rate)
        self._limit = round(_END * rate)
        self._made = b""
        self._used = 0

    def extend(self, history: bytes, samples: int, /) -> bytes:
        """What follows `history`, as long as nothing else is there.

        Args:
            history: What was heard, best 50 ms; looked at when a loss begins.
            samples: How many to give.
        """
        if not self._made:
            self._made = _carry_on(history, self._limit + self._join, self.rate)
        start = SAMPLE_WIDTH * self._used
        end = start + SAMPLE_WIDTH * samples
        self._used += samples
        piece = self._made[start:end]
        return piece + bytes(end - start - len(piece))

    def bridge(self, history: bytes, samples: int, following: bytes, /) -> bytes:
        """What stands between `history` and `following`; the loss is over with it.

        Args:
            history: As for `extend`.
            samples: How many are missing.
            following: The audio after the loss; best 20 ms or more.
        """
        rate = self.rate
        bent = round(_BENT * samples)
        if self._made:
            before = self._made[SAMPLE_WIDTH * self._used :]
        else:
            before = _carry_on(history, samples + bent + 2 * self._join, rate)
        self.end()
        size = SAMPLE_WIDTH * samples
        reverse = audioop().reverse
        after = reverse(
            _carry_on(reverse(following, SAMPLE_WIDTH), samples, rate, longest=_COMPARED / 2),
            SAMPLE_WIDTH,
        )
        before = _meet(
            before + bytes(max(0, 2 * size - len(before))), samples, bent, following, rate
        )
        return cross_fade(before, after)

    def join(self, following: bytes, /) -> bytes:
        """The audio after the loss, its beginning faded in from the wave carried on."""
        if not self._made:
            return following
        size = SAMPLE_WIDTH * min(self._join, len(following) // SAMPLE_WIDTH)
        before = self.extend(b"", size // SAMPLE_WIDTH)
        self.end()
        return cross_fade(before, following[:size]) + following[size:]

    def end(self) -> None:
        """The loss is over: the next one begins anew."""
        self._made = b""
        self._used = 0


def _period(history: bytes, rate: int, longest: float = _LONGEST) -> int:
    """The period of the wave that a piece of audio ends with, in samples: where it is most like
    itself, of 2.5 to 15 ms.
    """
    samples = len(history) // SAMPLE_WIDTH
    most = min(round(longest * rate), samples // 2)
    least = min(round(_SHORTEST * rate), most)
    compared = SAMPLE_WIDTH * min(round(_COMPARED * rate), samples - most)
    recent = history[-(compared + SAMPLE_WIDTH * most) :]
    place, _ = best_match(history[-compared:], recent, rate, 0, most - least)
    return most - place


def _carry_on(history: bytes, samples: int, rate: int, longest: float = _LONGEST) -> bytes:
    """The wave that a piece of audio ends with, carried on and fading.

    Args:
        history: The audio.
        samples: How many to give.
        rate: Samples a second.
        longest: The longest period that is looked for, in seconds.
    """
    if len(history) < 4 * SAMPLE_WIDTH or not any(history):
        return bytes(SAMPLE_WIDTH * samples)
    period = _period(history, rate, longest)
    overlap = max(1, min(period // 8, len(history) // SAMPLE_WIDTH - period))
    circle = _circle(history, period, overlap)
    made = (circle * (samples // period + 1))[:samples]
    # From the last sample to the first one without a step.
    last = array("h", history[-SAMPLE_WIDTH:])[0]
    before = array("h", history[-SAMPLE_WIDTH * (period + 1) :])[0]
    error = last - before
    for n in range(min(overlap, samples)):
        value = made[n] + int(error * (1 - (n + 1) / (overlap + 1)))
        made[n] = max(-32768, min(32767, value))
    gains = _gains(samples, rate)
    return array("h", [int(a * gain) for a, gain in zip(made, gains, strict=True)]).tobytes()


def _circle(history: bytes, length: int, overlap: int) -> array[int]:
    size = SAMPLE_WIDTH * length
    over = SAMPLE_WIDTH * min(overlap, length)
    piece = history[-size:]
    led = history[-size - over : -size]
    return array("h", piece[:-over] + cross_fade(piece[-over:], led))


@lru_cache(maxsize=32)
def _gains(samples: int, rate: int) -> tuple[float, ...]:
    loud = _LOUD * rate
    fading = (_END - _LOUD) * rate
    return tuple(min(1.0, max(0.0, 1 - (n - loud) / fading)) for n in range(samples))


def _meet(before: bytes, samples: int, most: int, following: bytes, rate: int) -> bytes:
    """The first samples of a wave, a little faster or slower, so that `following` is in phase."""
    size = SAMPLE_WIDTH * samples
    compared = min(round(_JOIN * rate) * 2, len(following) // SAMPLE_WIDTH)
    template = following[: SAMPLE_WIDTH * compared]
    start = SAMPLE_WIDTH * (samples - most)
    signal = before[start : start + SAMPLE_WIDTH * (2 * most + compared)]
    if most < 1 or len(signal) < len(template):
        return before[:size]
    place, alike = best_match(template, signal, rate)
    shift = place - most
    if not shift or alike < _ALIKE:
        return before[:size]
    bent: bytes
    length = samples + shift
    bent, _ = audioop().ratecv(
        before[: SAMPLE_WIDTH * (length + 1)], SAMPLE_WIDTH, 1, length, samples, None
    )
    bent = bent[:size]
    return bent + bytes(size - len(bent))
