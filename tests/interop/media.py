"""Audio with content that can be told: tones, written to files and found again."""

from __future__ import annotations

import array
import math
import sys
import wave
from pathlib import Path

__all__ = ["OURS", "THEIRS", "read_wav", "samples_of", "tone_share", "write_tone"]

_RATE = 8000

#: Frequencies of the tones that we and a softphone play to each other, in Hz.
OURS, THEIRS = 440, 700


def write_tone(path: Path, frequency: float, seconds: float, *, amplitude: float = 8000) -> Path:
    """Write a sine wave to a WAV file, 8000 samples a second; return the path."""
    step = 2 * math.pi * frequency / _RATE
    pcm = array.array(
        "h", (round(amplitude * math.sin(step * n)) for n in range(round(seconds * _RATE)))
    )
    if sys.byteorder == "big":
        pcm.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(pcm.tobytes())
    return path


def samples_of(pcm: bytes) -> list[int]:
    """The samples of 16 bits in the machine's byte order."""
    return array.array("h", pcm).tolist()


def read_wav(path: Path) -> list[int]:
    """The samples of a WAV file of one channel, whatever its header says of the length."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, _RATE)
        pcm = array.array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm.tolist()


def tone_share(samples: list[int], frequency: float) -> float:
    """How much of the power of some samples is in one tone, from 0 to 1 (Goertzel's algorithm).

    Looks at the loudest half second, so that silence before, after and between does not count, and
    at each 40th of a second by itself: where a jitter buffer leaves out or puts in some samples, as
    on a busy machine, the tone is still the tone on either side.

    Args:
        samples: 8000 a second.
        frequency: The tone's, in Hz.
    """
    window = _RATE // 2
    if len(samples) < window:
        return 0.0
    starts = range(0, len(samples) - window + 1, _RATE // 10)
    power = {start: sum(s * s for s in samples[start : start + window]) for start in starts}
    best = max(power, key=power.__getitem__)
    if power[best] < window * 100.0**2:
        return 0.0  # nothing but noise
    length = _RATE // 40
    found = sum(
        _power(samples[start : start + length], frequency)
        for start in range(best, best + window, length)
    )
    return found / (power[best] * length / 2)


def _power(samples: list[int], frequency: float) -> float:
    """The power of a tone in some samples, as the square of their sum with it."""
    coefficient = 2 * math.cos(2 * math.pi * frequency / _RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + coefficient * one - two, one
    return one * one + two * two - coefficient * one * two
