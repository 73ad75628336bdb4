"""Sound that is known, and how much of it there is in what was heard.

Laws:

* What was sent and what was heard are compared by correlation, window by window, so that neither
  level, nor delay, nor the noise of a codec matters, nor a jitter buffer that puts in or leaves out
  some milliseconds between two windows.
* Both are brought to one rate first, and what is outside of a band of frequencies is left out, so
  that a codec need not keep what a telephone does not.
* Only windows in which the sound that was sent is not silent count. Each of those counts that lies
  between the beginning and the end of what was heard, as the best alignment of the whole has it.
* Every sound is the same whenever it is made.
"""

from __future__ import annotations

import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sipparty.errors import UsageError
from sipparty.media import find_codec

from .peer import missing, require

__all__ = [
    "TELEPHONE",
    "WIDE",
    "Match",
    "Sentences",
    "Sound",
    "codec_rate",
    "compare",
    "heard",
    "noise",
    "speech",
]

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


def speech(text: str, folder: Path, voice: str = "en+m3") -> Sound:
    """A sentence spoken by espeak-ng, 22050 samples a second.

    Args:
        text: The sentence.
        folder: For a file.
        voice: Who speaks.
    """
    path = folder / "speech.wav"
    command = [require("espeak-ng"), "-v", voice, "-s", "160", "-w", str(path), text]
    subprocess.run(command, check=True, timeout=20)
    spoken = Sound.of_file(path)
    loud = np.flatnonzero(np.abs(spoken.samples) > 0.02)
    samples = spoken.samples[loud[0] :]  # it begins with silence
    return Sound(samples * (0.5 / np.abs(samples).max()), spoken.rate)


def noise(seed: int, seconds: float, rate: int = 16000) -> Sound:
    """Noise as loud and soft as syllables are, with pauses between words.

    Args:
        seed: Another one makes another sound.
        seconds: How long.
        rate: Samples a second.
    """
    source = np.random.default_rng(seed)
    samples = source.standard_normal(round(seconds * rate))
    times = np.arange(len(samples)) / rate
    loudness = np.sin(2 * np.pi * 3 * times + seed) ** 2 * (np.sin(2 * np.pi * 0.8 * times) > -0.8)
    return Sound(0.1 * samples * loudness, rate)


class Sentences(NamedTuple):
    """What the sides of a call say, both long enough for a test.

    Args:
        ours: What our party says.
        theirs: What the peer says.
    """

    ours: Sound
    theirs: Sound


def codec_rate(name: str) -> int:
    """Samples a second of a codec of ours, such as "PCMU" or "L16/16000"; skips the test where
    it is not available.
    """
    try:
        return find_codec(name).sample_rate
    except UsageError as error:
        missing(str(error))


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


def heard(what: Sound, sent: Sound, *, seconds: float = 0.6, similarity: float = 0.85) -> Match:
    """Fail unless a sound is in what was heard. On a busy machine packets come late; so some of it
    may be missing.

    Args:
        what: What was heard, or recorded.
        sent: The sound.
        seconds: How much of it has to be there.
        similarity: How much like it that has to be.
    """
    match = compare(what, sent)
    good = match.similarity >= similarity and match.share >= 0.6 and match.seconds >= seconds
    assert good, f"{match} in {what.seconds:.2f} s of at most {what.level:.0f} dB"
    return match


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
