"""Sound that is known, and how much of it there is in what was heard.

Laws:

* What was sent and what was heard are compared by correlation, window by window, so that neither
  level, nor delay, nor the noise of a codec matters, nor a jitter buffer that puts in or leaves out
  some milliseconds between two windows.
* Both are brought to one rate first, and what is outside of a band of frequencies is left out, so
  that a codec need not keep what a telephone does not.
* Only windows in which the sound that was sent is not silent count. Each of those counts that lies
  between the beginning and the end of what was heard, as the best alignment of the whole has it.

It needs numpy, which comes with the extra `sipparty[media]`.
"""

from __future__ import annotations

import os
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sipparty.errors import UsageError
from sipparty.media.recording.sinks import MemorySink
from sipparty.testing.awaiting import Checked, Wrong

try:
    import numpy as np
except ImportError:
    raise UsageError("To compare sounds needs numpy: pip install 'sipparty[media]'.") from None

__all__ = ["TELEPHONE", "WIDE", "Ear", "Match", "Sound", "compare"]

_Samples: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Bands of frequencies, in Hz: what a telephone keeps, and what wideband codecs add to it.
TELEPHONE, WIDE = (300.0, 3400.0), (4200.0, 6500.0)

#: Length of a window and how far apart they are, in seconds.
_WINDOW, _STEP = 0.24, 0.12
#: How far a window is looked for around where the one before it was, in seconds; first and then.
_NEAR, _FAR = 0.03, 0.3
#: The least correlation of a window that is found.
_FOUND = 0.7
#: How much quieter than the whole a window is that counts as silent, in power.
_SILENT = 0.02


@dataclass(frozen=True)
class Sound:
    """One channel of audio.

    Args:
        samples: From -1 to 1.
        rate: How many a second.
    """

    samples: _Samples
    rate: int

    @classmethod
    def of_pcm(cls, pcm: bytes, rate: int) -> Sound:
        """Samples of 16 bits in the machine's byte order, as sources and sinks have them."""
        return cls(np.frombuffer(pcm, np.int16) / 32768.0, rate)

    @classmethod
    def of_file(cls, path: Path, rate: int = 0) -> Sound:
        """A WAV file of 16 bits, of one channel or more; what its header says of its length is not
        believed.

        Args:
            path: The file.
            rate: What its rate is said to be in spite of its header; 0 for what that says.
        """
        with wave.open(str(path), "rb") as file:
            assert file.getsampwidth() == 2, path
            frames = file.readframes(1 << 24)
            channels, stated = file.getnchannels(), file.getframerate()
        whole = len(frames) - len(frames) % (2 * channels)
        samples = np.frombuffer(frames[:whole], "<i2").reshape(-1, channels)
        return cls(samples.mean(axis=1) / 32768.0, rate or stated)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Sound:
        """The same at another rate, without what that cannot hold."""
        if rate == self.rate:
            return self
        length = round(len(self.samples) * rate / self.rate)
        spectrum = np.fft.rfft(self.samples)
        spectrum = np.resize(np.append(spectrum, np.zeros(length)), length // 2 + 1)
        return Sound(np.fft.irfft(spectrum, length) * (rate / self.rate), rate)

    def part(self, start: float, stop: float | None = None) -> Sound:
        """What is between two times, in seconds."""
        end = None if stop is None else round(stop * self.rate)
        return Sound(self.samples[round(start * self.rate) : end], self.rate)

    def within(self, band: tuple[float, float]) -> Sound:
        """What is in a band of frequencies."""
        return Sound(_in_band(self, band), self.rate)

    def pcm(self, rate: int) -> bytes:
        """The samples of 16 bits in the machine's byte order, at a rate."""
        samples = np.clip(self.at(rate).samples * 32768.0, -32768, 32767)
        return samples.round().astype(np.int16).tobytes()

    def write(self, path: Path, rate: int) -> Path:
        """Write a WAV file at a rate; return the path."""
        pcm = np.frombuffer(self.pcm(rate), np.int16)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((pcm.byteswap() if sys.byteorder == "big" else pcm).tobytes())
        return path

    @property
    def level(self) -> float:
        """The power of the loudest 50 ms, in dB below that of the loudest samples there are."""
        length = self.rate // 20
        whole = len(self.samples) - len(self.samples) % length
        power = (self.samples[:whole] ** 2).reshape(-1, length).mean(axis=1)
        return float(10 * np.log10(power.max(initial=1e-12)))


@dataclass(frozen=True)
class Match:
    """How much of a sound is in what was heard.

    Args:
        similarity: The median of the windows' correlations: from 0, for something else, to 1, for
            the same. It says how well the sound was kept; `share` says how much of it was.
        delay: Seconds from the beginning of what was heard to that of the sound; negative where
            the beginning was not heard.
        share: How many of the windows were found, from 0 to 1.
        seconds: How much of the sound was found, the pauses in it left out.
    """

    similarity: float
    delay: float
    share: float
    seconds: float


def compare(heard: Sound, sent: Sound, band: tuple[float, float] = TELEPHONE) -> Match:
    """Look for a sound in what was heard.

    Args:
        heard: What was heard, or recorded.
        sent: The sound.
        band: The frequencies to be looked at, in Hz.
    """
    rate = 8000 if band[1] <= 4000 else 16000
    if not len(heard.samples):
        return Match(0.0, 0.0, 0.0, 0.0)
    ours, theirs = _in_band(sent.at(rate), band), _in_band(heard.at(rate), band)
    window, step = round(_WINDOW * rate), round(_STEP * rate)
    if len(ours) < window or len(theirs) < window or not theirs.any():
        return Match(0.0, 0.0, 0.0, 0.0)
    whole = delay = _best_shift(theirs, ours)
    starts = range(0, len(ours) - window + 1, step)
    power = {start: float((ours[start : start + window] ** 2).sum()) for start in starts}
    least = _SILENT * max(power.values())
    best: dict[int, float] = {}
    # So much quieter than all that was heard is nothing but rounding.
    floor = 1e-5 * window * float((heard.samples**2).mean())
    for start in starts:
        inside = start + whole >= 0 and start + whole + window <= len(theirs)
        if power[start] < least or not inside:
            continue
        piece = ours[start : start + window]
        for reach in (_NEAR, _FAR):
            shift, best[start] = _find(piece, theirs, start + delay, round(reach * rate), floor)
            if best[start] >= _FOUND:
                delay = shift - start
                break
    if not best:
        return Match(0.0, whole / rate, 0.0, 0.0)
    found = [start for start, value in best.items() if value >= _FOUND]
    covered = np.zeros(len(ours), bool)
    for start in found:
        covered[start : start + window] = True
    similarity = float(np.median(list(best.values())))
    return Match(similarity, whole / rate, len(found) / len(best), float(covered.sum()) / rate)


class Ear:
    """Listens to a call for one sound.

    Args:
        call: The call.
        what: The path of a WAV file, or the frequency of a tone, in Hz.
        within: Seconds that it is listened for, for what failures say.
    """

    #: Seconds of a file that have to be found, at least; all of one that is shorter.
    SECONDS = 0.5
    #: Of a tone: seconds that it lasts, and its share in the power of what is heard.
    TONE, SHARE = 0.1, 0.6
    #: Seconds of new sound after which it is looked for anew.
    EVERY = 0.2

    def __init__(self, call: Any, what: Any, within: float) -> None:
        self._within = within
        self._looked = 0.0
        self._what = what
        self._best: Any = None
        self._sent: Sound | None = None
        if isinstance(what, str | os.PathLike):
            self._sent = Sound.of_file(Path(what))
        elif not isinstance(what, int | float):
            raise UsageError(f"{what!r} is no sound: expected the path of a WAV file, or Hz.")
        self._sink = MemorySink(within + 60.0)
        self._recording = call.record(self._sink)
        self._call = call

    def check(self, late: bool) -> Checked:
        """Say whether it was heard."""
        over = late or self._call.state in self._call.final
        if not over and self._sink.seconds - self._looked < self.EVERY:
            return False, None
        self._looked = self._sink.seconds
        found = self._tone() if self._sent is None else self._file(self._sent)
        if not (found or over):
            return False, None
        if not over:
            self._recording.stop()
        return True, self._best if found else Wrong(self._describe())

    def _file(self, sent: Sound) -> bool:
        self._best = match = compare(Sound.of_pcm(self._sink.pcm, self._sink.rate or 8000), sent)
        return match.similarity > _FOUND and match.seconds >= min(self.SECONDS, 0.8 * sent.seconds)

    def _tone(self) -> bool:
        rate = self._sink.rate or 8000
        heard = Sound.of_pcm(self._sink.pcm, rate).samples
        length = round(self.TONE * rate)
        wave = np.exp(-2j * np.pi * self._what * np.arange(length) / rate)
        best = 0.0
        for start in range(0, len(heard) - length + 1, length // 2):
            piece = heard[start : start + length]
            power = float((piece**2).sum())
            if power / length > 1e-6:
                best = max(best, 2 * abs(np.dot(piece, wave)) ** 2 / (length * power))
        self._best = best
        return best >= self.SHARE

    def _describe(self) -> str:
        seconds, pcm = self._sink.seconds, self._sink.pcm
        level = Sound.of_pcm(pcm, self._sink.rate or 8000).level if pcm else -120.0
        name = f"{self._what:g} Hz" if self._sent is None else str(self._what)
        whose = f"{self._call.party.username}'s call"
        heard = f"{seconds:.2f} s were heard, of at most {level:.0f} dB"
        if level < -80.0:
            heard = f"{seconds:.2f} s of silence were heard"
        if self._sent is None:
            heard += f", {self._best:.0%} of it that tone"
        elif self._best.seconds:
            heard += f", {self._best.seconds:.2f} s of them like it"
        return f"{name} was not heard in {whose} within {self._within:g} s: {heard}."


def _in_band(sound: Sound, band: tuple[float, float]) -> _Samples:
    spectrum = np.fft.rfft(sound.samples)
    frequencies = np.fft.rfftfreq(len(sound.samples), 1 / sound.rate)
    spectrum[(frequencies < band[0]) | (frequencies > band[1])] = 0
    return np.fft.irfft(spectrum, len(sound.samples))


def _correlate(long: _Samples, short: _Samples) -> _Samples:
    """The sum of products at each shift of the short one that overlaps the long one: the first is
    by its own length less one to the left.
    """
    length = len(long) + len(short) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(long, size) * np.fft.rfft(short[::-1], size)
    return np.fft.irfft(product, size)[:length]


def _best_shift(long: _Samples, short: _Samples) -> int:
    return int(_correlate(long, short).argmax()) - len(short) + 1


def _find(
    piece: _Samples, samples: _Samples, place: int, reach: int, floor: float
) -> tuple[int, float]:
    """Where near a place a piece is, and its correlation with what is there, which has at least
    the power of the floor to be anything.
    """
    first = max(0, place - reach)
    around = samples[first : max(0, place + reach) + len(piece)]
    if len(around) < len(piece):
        return place, 0.0
    sums = _correlate(around, piece)[len(piece) - 1 : len(around)]
    energy = np.cumsum(np.append(0.0, around**2))
    energy = energy[len(piece) :] - energy[: -len(piece)]
    values = sums / np.sqrt((piece**2).sum() * np.maximum(energy, floor))
    best = int(values.argmax())
    return first + best, max(0.0, float(values[best]))
