"""Keys found in audio by their tones (ITU-T Q.23, Q.24).

Laws:

* Audio is looked at in blocks of 10 ms, two at a time. Such a window shows a key where nearly all
  of its power is in one low and one high frequency (`_PURITY`), each within 2.5% of its nominal one
  (Q.24: 1.5% is to be taken, 3.5% to be refused), neither too weak, at most so many dB apart
  (twist), and as loud in the first half as in the second. The frequency itself is found by how the
  phase turns from one half to the other: speech seldom holds two such tones for that long.
* Three windows in a row begin a press, one of which may be a half-full one at an edge: what lasts
  40 ms always does, less than 30 ms never.
* Four windows without it, or three with another key, end it: a pause of 40 ms always does, a break
  of 20 ms, such as of a lost packet, never.
* Durations are known to within 10 ms.
"""

from __future__ import annotations

import cmath
import math
from array import array
from collections.abc import Callable, Sequence
from operator import mul
from typing import Any, Final, TypeAlias

from sipparty.errors import UsageError
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.tones import FULL_SCALE, HIGH, LOW, TONES
from sipparty.sip.events import MediaEvent

__all__ = ["ToneDetector"]

#: Blocks a second.
_BLOCKS: Final = 100
#: Windows that begin a press, and windows without it that end it.
_BEGIN: Final = 3
_END: Final = 4
#: The least share of a window's power that the two tones have.
_PURITY: Final = 0.8
#: How far a frequency may be off.
_TOLERANCE: Final = 0.025
#: The weakest tone, in dBm0.
_WEAKEST: Final = -36.0
#: How many times the power of the high tone may be that of the low one, and the other way around:
#: 6 dB and 9 dB, where Q.24 has 4 dB and 8 dB that are to be taken.
_TWIST: Final = 10**0.6
_REVERSE_TWIST: Final = 10**0.9
#: How many times the power of one half of a window may be that of the other; of one at an edge, in
#: which the tones need not be as pure.
_UNSTEADY: Final = 2.0
_UNSTEADY_EDGE: Final = 4.0
_PURITY_EDGE: Final = 0.4
#: How many of the windows that begin a press may be at an edge.
_EDGES: Final = 1
#: How many times the power of the next best of a group the best has at least: 6 dB.
_CLEAR: Final = 4.0

_FREQUENCIES: Final = LOW + HIGH
#: The most phase that each may gain on its nominal one from one block to the next.
_LIMITS: Final = [2 * math.pi * _TOLERANCE * frequency / _BLOCKS for frequency in _FREQUENCIES]
_NOTHING: Final = "", 0.0, False
_KEYS: Final = {
    (_FREQUENCIES.index(low), _FREQUENCIES.index(high)): key for key, (low, high) in TONES.items()
}

#: Of one block: its energy, and for each frequency what a correlation with its cosine and with its
#: sine gives.
_Block: TypeAlias = tuple[float, Sequence[float]]


def _tables(samples: int, rate: int) -> list[list[float]]:
    angles = [2 * math.pi * frequency / rate for frequency in _FREQUENCIES]
    tables = [[math.cos(angle * n) for n in range(samples)] for angle in angles]
    return tables + [[-math.sin(angle * n) for n in range(samples)] for angle in angles]


def _plain_correlator(samples: int, rate: int) -> Callable[[bytes], list[_Block]]:
    tables = _tables(samples, rate)

    def correlate(pcm: bytes) -> list[_Block]:
        found: list[_Block] = []
        audio = array("h", pcm).tolist()
        for start in range(0, len(audio), samples):
            block = audio[start : start + samples]
            energy = sum(map(mul, block, block))
            found.append((energy, [sum(map(mul, block, table)) for table in tables]))
        return found

    return correlate


def _correlator(samples: int, rate: int) -> Callable[[bytes], list[_Block]]:
    """What correlates blocks: by numpy where it is installed, which is faster."""
    try:
        import numpy
    except ImportError:
        return _plain_correlator(samples, rate)
    matrix: Any = numpy.array(_tables(samples, rate), dtype=numpy.float32).T.copy()

    def correlate(pcm: bytes) -> list[_Block]:
        audio = numpy.frombuffer(pcm, dtype=numpy.int16).astype(numpy.float32)
        blocks = audio.reshape(-1, samples)
        energies = numpy.einsum("ij,ij->i", blocks, blocks).tolist()
        return list(zip(energies, (blocks @ matrix).tolist(), strict=True))

    return correlate


class ToneDetector:
    """Finds keys in the audio of one stream.

    Args:
        rate: Samples a second, 8000 to 192000.
        fast: Whether numpy is used where it is installed.

    Raises:
        UsageError: The rate is out of its range.
    """

    __slots__ = (
        *("_begun", "_candidate", "_correlate", "_digit", "_hits", "_last", "_misses", "_rest"),
        *("_edges", "_samples", "_silent", "_turns", "_window", "rate"),
    )

    def __init__(self, rate: int, *, fast: bool = True) -> None:
        if not 8000 <= rate <= 192000:
            raise UsageError(f"Tones are found at 8000 to 192000 samples a second, not {rate}.")
        self.rate = rate
        self._samples = samples = rate // _BLOCKS
        self._correlate = (_correlator if fast else _plain_correlator)(samples, rate)
        angles = [2 * math.pi * frequency / rate for frequency in _FREQUENCIES]
        #: What turns a correlation with the second block to the phase of the first.
        self._turns = [cmath.exp(-1j * angle * samples) for angle in angles]
        #: The energy of a block of a tone that is too weak.
        peak = 32768 * 10 ** ((_WEAKEST - FULL_SCALE) / 20)
        self._silent = peak * peak / 2 * samples
        self._rest = b""
        self._last: _Block | None = None
        self._window = 0
        #: The key that is pressed; the one that the last windows show, and how many.
        self._digit = self._candidate = ""
        self._hits = self._edges = self._misses = 0
        #: The window in which the press began.
        self._begun = 0

    def hear(self, pcm: bytes) -> list[MediaEvent]:
        """Look at the next samples, any number of them.

        Returns:
            What is found, in order: `DigitReceived`, `DigitEnded`.
        """
        found: list[MediaEvent] = []
        data = self._rest + pcm if self._rest else pcm
        size = 2 * self._samples
        whole = len(data) // size * size
        self._rest = data[whole:]
        if whole:
            for block in self._correlate(data[:whole]):
                last, self._last = self._last, block
                if last is not None:
                    self._window += 1
                    self._step(*self._shown(last, block), found)
        return found

    def finish(self) -> list[MediaEvent]:
        """End the press under way; the stream is over, or begins anew."""
        found: list[MediaEvent] = []
        self._end(found)
        self._rest, self._last = b"", None
        self._candidate, self._hits = "", 0
        return found

    def _step(self, key: str, level: float, edge: bool, found: list[MediaEvent]) -> None:
        """Take what one window shows."""
        if key != self._candidate:
            self._candidate, self._hits, self._edges = key, 0, 0
        self._hits += 1
        self._edges += edge
        begins = bool(key) and self._hits >= _BEGIN and self._hits - self._edges >= _BEGIN - _EDGES
        if self._digit:
            self._misses = 0 if key == self._digit else self._misses + 1
            if self._misses >= _END or (begins and key != self._digit):
                self._end(found)
        if begins and not self._digit:
            self._digit, self._misses = key, 0
            self._begun = self._window - self._hits + 1
            found.append(DigitReceived(key, "inband", round(level, 1)))

    def _end(self, found: list[MediaEvent]) -> None:
        digit, self._digit = self._digit, ""
        if digit:
            windows = self._window - self._misses - self._begun + 1
            found.append(DigitEnded(digit, "inband", (windows + 1) / _BLOCKS))
            self._misses = 0

    def _shown(self, first: _Block, second: _Block) -> tuple[str, float, bool]:
        """The key that a window shows, "" for none; the level of its two tones together; and
        whether it may be but at the edge of a tone.
        """
        (before, halves), (after, others) = first, second
        least, most = (before, after) if before < after else (after, before)
        if least < self._silent / 2 or most > least * _UNSTEADY_EDGE:
            return _NOTHING
        count = len(_FREQUENCIES)
        powers = []
        for n, turn in enumerate(self._turns):
            whole = complex(halves[n], halves[n + count]) + turn * complex(
                others[n], others[n + count]
            )
            powers.append(whole.real * whole.real + whole.imag * whole.imag)
        low = _clearest(powers, 0, count // 2)
        high = _clearest(powers, count // 2, count)
        if low is None or high is None:
            return _NOTHING
        low_energy, low_turned = self._energy_of(low, halves, others)
        high_energy, high_turned = self._energy_of(high, halves, others)
        energy = low_energy + high_energy
        if (
            energy < _PURITY_EDGE * (before + after)
            or min(low_energy, high_energy) < self._silent
            or high_energy > low_energy * _TWIST
            or low_energy > high_energy * _REVERSE_TWIST
        ):
            return _NOTHING
        edge = (
            most > least * _UNSTEADY
            or energy < _PURITY * (before + after)
            or low_turned > _LIMITS[low]
            or high_turned > _LIMITS[high]
        )
        mean = energy / (2 * self._samples)
        level = FULL_SCALE + 10 * math.log10(2 * mean) - 20 * math.log10(32768)
        return _KEYS[low, high], level, edge

    def _energy_of(
        self, n: int, halves: Sequence[float], others: Sequence[float]
    ) -> tuple[float, float]:
        """The energy in a window of the tone near a frequency, and the phase that it gains on that
        from one block to the next.
        """
        count = len(_FREQUENCIES)
        before = complex(halves[n], halves[n + count])
        after = self._turns[n] * complex(others[n], others[n + count])
        turned = abs(cmath.phase(after * before.conjugate()))
        # How much less is found of a tone of another frequency in one block.
        half = turned / 2
        share = math.sin(half) / half if half else 1.0
        energy = abs(before) ** 2 + abs(after) ** 2
        return 2 * energy / (self._samples * share * share), turned


def _clearest(powers: Sequence[float], start: int, end: int) -> int | None:
    """Which of some powers is the largest; None where another is not far below."""
    best = max(range(start, end), key=powers.__getitem__)
    least = powers[best] / _CLEAR
    clear = all(powers[n] < least for n in range(start, end) if n != best)
    return best if clear else None
