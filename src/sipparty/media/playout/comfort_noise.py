"""Comfort noise: what is sent of a pause, and the noise it stands for (RFC 3389).

Laws:

* A payload is a level and, if its sender likes, reflection coefficients of an all-pole filter: the
  colour of the noise. What is malformed is read as far as it goes; an empty payload is silence.
* No chance but the seed: the same payloads give the same noise.
* It runs on the tick: white noise is made once and shared, and a frame is a piece of it, filtered
  by the first `_TAPS` samples of the filter's response.

    octet    field                                      section
    0        0, then the level, 0 to 127, in -dBov      3.1
    1-       a coefficient each, 258 (N - 127) / 32768  3.2
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from math import log10, sqrt
from operator import mul
from typing import Final, NamedTuple

from sipparty.media.pcm import SAMPLE_WIDTH, audioop, loudness

__all__ = ["ComfortNoise", "NoiseDescription"]

#: Coefficients that are read; more are left out (protects the tick).
MAX_ORDER: Final = 12

#: The root mean square of 0 dBov.
_FULL_SCALE: Final = 32768.0
#: The level that stands for silence.
_LOWEST: Final = 127
#: How many samples of the filter's response are used.
_TAPS: Final = 24
#: Samples of white noise that are kept, and their amplitude.
_WHITE: Final = 1 << 15
_AMPLITUDE: Final = 4000


class NoiseDescription(NamedTuple):
    """What a payload says.

    Args:
        level: In -dBov: 0 is the loudest, 127 the quietest.
        coefficients: Reflection coefficients, each above -1 and below 1; none for white noise.
    """

    level: int
    coefficients: tuple[float, ...] = ()

    @classmethod
    def parse(cls, payload: bytes) -> NoiseDescription:
        """Read a payload; anything gives a description (section 3)."""
        if not payload:
            return cls(_LOWEST)
        # N = 255 is reserved: read as the largest.
        return cls(
            payload[0] & 0x7F,
            tuple(258 * (min(octet, 254) - 127) / 32768 for octet in payload[1 : MAX_ORDER + 1]),
        )

    def __bytes__(self) -> bytes:
        """The payload, each value by the nearest that it can have."""
        octets = [max(0, min(_LOWEST, self.level))]
        for coefficient in self.coefficients:
            octets.append(max(0, min(254, round(coefficient * 32768 / 258) + 127)))
        return bytes(octets)

    @classmethod
    def of(cls, pcm: bytes, order: int = 0) -> NoiseDescription:
        """What describes a piece of audio.

        Args:
            pcm: Its samples; 20 ms or more say something.
            order: How many coefficients.
        """
        level = loudness(pcm)
        decibels = round(-20 * log10(level / _FULL_SCALE)) if level else _LOWEST
        return cls(min(_LOWEST, max(0, decibels)), _reflections(pcm, order) if order else ())


class ComfortNoise:
    """Comfort noise as a codec: in a `JitterBuffer`'s decoders, its payload types are pauses, in
    which `noise` is played until audio comes again.

    Args:
        seed: Of the noise.
        order: How many coefficients `encode` sends.
    """

    def __init__(self, seed: int = 0, order: int = 0) -> None:
        self._seed = seed
        self._order = order
        self.describe(NoiseDescription(_LOWEST))

    def describe(self, description: NoiseDescription) -> None:
        """Be as described from now on."""
        self.description = description
        self._response = _response(description.coefficients)
        level = 0.0
        if description.level < _LOWEST:
            level = _FULL_SCALE * 10 ** (-description.level / 20)
        energy = sqrt(sum(map(mul, self._response, self._response)))
        # White noise of even distribution has a root mean square of its amplitude / sqrt(3).
        self._gain = level / (_AMPLITUDE / sqrt(3))
        self._response = tuple(tap / energy for tap in self._response)

    def encode(self, pcm: bytes, /) -> bytes:
        """The payload that describes this audio."""
        return bytes(NoiseDescription.of(pcm, self._order))

    def decode(self, payload: bytes, /) -> bytes:
        """Be as a payload says from now on; it has no samples of its own."""
        self.describe(NoiseDescription.parse(payload))
        return b""

    def noise(self, samples: int) -> bytes:
        """So many samples of it."""
        gain = self._gain
        if not gain:
            return bytes(SAMPLE_WIDTH * samples)
        module = audioop()
        white = _white()
        size = SAMPLE_WIDTH * samples
        most = (len(white) - size) // SAMPLE_WIDTH - len(self._response)
        while most <= 0:
            white += white
            most += _WHITE
        self._seed = _next(self._seed)
        start = SAMPLE_WIDTH * ((self._seed >> 8) % most)
        filtered = b""
        for tap in self._response:
            piece = module.mul(white[start : start + size], SAMPLE_WIDTH, tap)
            filtered = module.add(filtered, piece, SAMPLE_WIDTH) if filtered else piece
            start += SAMPLE_WIDTH
        noise: bytes = module.mul(filtered, SAMPLE_WIDTH, gain)
        return noise


@lru_cache(maxsize=1)
def _white() -> bytes:
    samples = array("h")
    seed = 3389
    for _ in range(_WHITE):
        seed = _next(seed)
        samples.append((seed >> 8) % (2 * _AMPLITUDE + 1) - _AMPLITUDE)
    return samples.tobytes()


def _next(seed: int) -> int:
    """The next of a row of numbers of 32 bits that look random; this is noise, not a secret."""
    return (seed * 1664525 + 1013904223) & 0xFFFFFFFF


def _response(coefficients: Sequence[float]) -> tuple[float, ...]:
    """The first samples of the response of the all-pole filter, the last one first in time: white
    noise is the same backwards.
    """
    if not any(coefficients):
        return (1.0,)
    predictor: list[float] = []
    for k in coefficients:
        predictor = [a + k * b for a, b in zip(predictor, predictor[::-1], strict=True)] + [k]
    response = [1.0]
    for _ in range(_TAPS - 1):
        recent = response[: -len(predictor) - 1 : -1]
        response.append(-sum(map(mul, predictor, recent)))
    return tuple(response)


def _reflections(pcm: bytes, order: int) -> tuple[float, ...]:
    """The reflection coefficients of a piece of audio, by its autocorrelation."""
    samples = array("h", pcm)
    size = len(samples)
    correlation = [
        float(sum(map(mul, samples, samples[lag:]))) if lag < size else 0.0
        for lag in range(order + 1)
    ]
    error = correlation[0] * 1.0001  # a little white noise keeps the filter stable
    predictor: list[float] = []
    found = []
    for n in range(order):
        if error <= 0:
            found.append(0.0)
            predictor.append(0.0)
            continue
        sum_ = correlation[n + 1] + sum(map(mul, predictor, correlation[n:0:-1]))
        k = max(-0.99, min(0.99, -sum_ / error))
        predictor = [a + k * b for a, b in zip(predictor, predictor[::-1], strict=True)] + [k]
        error *= 1 - k * k
        found.append(k)
    return tuple(found)
