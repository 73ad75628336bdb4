"""Where a wave is like itself, and joining two pieces of it without a step.

Laws:

* Audio is `bytes` of signed 16-bit samples, as everywhere. No state, no clock.
* Likeness is the normalised correlation of two pieces of one length: 1 for the same form at any
  loudness, 0 for unrelated or silent ones, -1 for the inverted form.
* Nothing needs numpy: the sums are done by `audioop`, in C; samples are touched one by one only
  where two pieces are joined.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from math import sqrt
from typing import Final

from sipparty.media.pcm import SAMPLE_WIDTH, audioop, loudness

__all__ = ["QUIET", "best_match", "cross_fade", "lengthen", "likeness", "ramp", "shorten"]

#: How loud a piece is at most that is noise to the ear: root mean square, of 32768.
QUIET: Final = 200
#: The shortest and the longest piece of time that is put in or left out, in seconds.
_SHORTEST: Final = 0.0025
_LONGEST: Final = 0.015
#: How much of the wave is compared, in seconds.
_COMPARED: Final = 0.01
#: Samples a second that are enough to look with at first.
_FINE_RATE: Final = 8000
#: Samples a second with which places are compared first; around the best, all are.
_COARSE_RATE: Final = 4000


def likeness(one: bytes, other: bytes) -> float:
    """The normalised correlation of two pieces of the same length, -1 to 1."""
    factor = audioop().findfactor
    ratio: float = factor(one, other)
    square: float = ratio * factor(other, one)
    if not square > 0:
        return 0.0  # one of them is silence, and the factor may be no number
    return sqrt(square) if ratio > 0 else -sqrt(square)


def best_match(
    template: bytes, signal: bytes, rate: int, first: int = 0, last: int | None = None
) -> tuple[int, float]:
    """The place in a signal that is most like a template.

    Args:
        template: What to look for.
        signal: Where; at least as long.
        rate: Samples a second.
        first: The first place to try, in samples from the signal's beginning.
        last: The last one; None for the last that holds the whole template.

    Returns:
        The place and its likeness.
    """
    size = len(template)
    end = (len(signal) - size) // SAMPLE_WIDTH
    last = end if last is None else min(last, end)

    def best(places: Iterable[int]) -> tuple[float, int]:
        return max(
            (likeness(template, signal[2 * place : 2 * place + size]), -place) for place in places
        )

    factor = rate // _FINE_RATE
    if factor > 1:
        # First with fewer samples, then around what was found there.
        place, _ = best_match(
            _thin(template, factor),
            _thin(signal, factor),
            rate // factor,
            first // factor,
            last // factor,
        )
        place *= factor
        alike, place = best(
            range(max(first, min(last, place - factor)), min(last, place + factor) + 1)
        )
        return -place, alike
    step = max(1, rate // _COARSE_RATE)
    place = -best(range(first, last + 1, step))[1]
    if step > 1:
        alike, place = best(range(max(first, place - step + 1), min(last, place + step - 1) + 1))
        return -place, alike
    return place, likeness(template, signal[2 * place : 2 * place + size])


def _thin(pcm: bytes, factor: int) -> bytes:
    return array("h", pcm)[::factor].tobytes()


@lru_cache(maxsize=64)
def ramp(samples: int) -> tuple[float, ...]:
    """Weights that rise evenly from just above 0 to just below 1."""
    step = 1 / (samples + 1)
    return tuple(step * n for n in range(1, samples + 1))


def cross_fade(one: bytes, other: bytes) -> bytes:
    """From the one to the other, which is of the same length, evenly."""
    ours = array("h", one)
    return array(
        "h",
        [
            int(a + (b - a) * weight)
            for a, b, weight in zip(ours, array("h", other), ramp(len(ours)), strict=True)
        ],
    ).tobytes()


def shorten(pcm: bytes, rate: int, *, alike: float) -> bytes:
    """The same audio without one period of it: two periods that follow each other become one.

    Args:
        pcm: Audio that goes on from what was played; from 30 ms on every period is considered.
        rate: Samples a second.
        alike: How alike the two have to be, unless they are quiet.

    Returns:
        The shorter audio, beginning and ending as before; `pcm` itself where nothing in it is
        alike enough.
    """
    samples = len(pcm) // SAMPLE_WIDTH
    longest = min(round(_LONGEST * rate), samples // 2)
    if loudness(pcm) <= QUIET:
        period = longest
    else:
        template = pcm[: 2 * min(round(_COMPARED * rate), samples - longest)]
        shortest = round(_SHORTEST * rate)
        if longest < shortest:
            return pcm
        period, found = best_match(template, pcm, rate, shortest, longest)
        if found < alike:
            return pcm
    size = SAMPLE_WIDTH * period
    return cross_fade(pcm[:size], pcm[size : 2 * size]) + pcm[2 * size :]


def lengthen(history: bytes, pcm: bytes, rate: int, *, alike: float) -> bytes:
    """The same audio with its first period twice.

    Args:
        history: What was played before it, at least 15 ms.
        pcm: The audio.
        rate: Samples a second.
        alike: As for `shorten`.

    Returns:
        The longer audio; `pcm` itself where nothing is alike enough.
    """
    samples = len(pcm) // SAMPLE_WIDTH
    longest = min(round(_LONGEST * rate), samples, len(history) // SAMPLE_WIDTH)
    shortest = round(_SHORTEST * rate)
    if longest < shortest:
        return pcm
    size = SAMPLE_WIDTH * longest
    if loudness(pcm) <= QUIET and loudness(history[-size:]) <= QUIET:
        period = longest
    else:
        template = pcm[: SAMPLE_WIDTH * round(_COMPARED * rate)]
        place, found = best_match(template, history[-size:] + pcm, rate, 0, longest - shortest)
        if found < alike:
            return pcm
        period = longest - place
    size = SAMPLE_WIDTH * period
    return cross_fade(pcm[:size], history[-size:]) + pcm
