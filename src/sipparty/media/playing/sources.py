"""Sources: where the audio that is sent comes from.

Laws:

* A `Source` gives audio at its own `rate`, as much as is asked for, less at its end and then
  nothing. Who plays it converts the rate (`Resampled`). One with `live = True` may give less at any
  time, and ends with None.
* One whose class itself says `immediate = True` never blocks and is quick: it is read on the tick.
  Others are read on other threads. What is played again and again has a `rewind`.
* Audio is one channel of 16-bit samples in the machine's byte order.
* A file is looked at when the object is made, so that a wrong one is refused there and then, with
  `MediaError`, and is opened at the first `read`: an object that is never used holds nothing.
* Memory is bounded: a file is read as it is needed.

    WAVSource      a WAV file
    ToneSource     sine waves
    SilenceSource  nothing to be heard
    MemorySource   a bytes object
"""

from __future__ import annotations

import array
import functools
import math
import os
import wave
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeAlias, cast, runtime_checkable

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, audioop, silence
from sipparty.media.settings import check_seconds

__all__ = [
    "MemorySource",
    "Resampled",
    "SilenceSource",
    "Source",
    "SourceLike",
    "ToneSource",
    "WAVSource",
    "as_source",
    "looped",
]


@runtime_checkable
class Source(Protocol):
    """Where audio comes from."""

    @property
    def rate(self) -> int:
        """Samples a second of what `read` gives."""

    def read(self, samples: int, /) -> bytes:
        """The next samples; fewer than asked for at the end, none after it.

        Raises:
            MediaError: They cannot be had.
        """

    def close(self) -> None:
        """Let go of what is held; may be called twice, and without a `read`."""


#: A source, or the path of a WAV file to play.
SourceLike: TypeAlias = Source | str | os.PathLike[str]


def as_source(what: SourceLike) -> Source:
    """A source: itself, or the WAV file at a path.

    Raises:
        MediaError: The file cannot be read, or is no WAV file.
        UsageError: It is neither source nor path.
    """
    if isinstance(what, str | os.PathLike):
        return WAVSource(what)
    if isinstance(what, Source):
        return what
    if isinstance(what, bytes | bytearray | memoryview):
        raise UsageError(f"{len(what)} bytes cannot be played: give MemorySource(samples, rate).")
    raise UsageError(f"{what!r} cannot be played: it is neither a source nor a path.")


class WAVSource:
    """A WAV file: linear samples of 8, 16, 24 or 32 bits, one channel or two, any sample rate.

    Two channels are mixed into one.

    Args:
        path: The file: its path, or a binary file that can be sought in, which is left open.
        repeat: How many times to play it; None for ever.

    Attributes:
        duration: Seconds it takes to play it once, as the file says.
        missing: Seconds that the file says it has and does not have: it was cut short.

    Raises:
        MediaError: The file cannot be read, or is no such WAV file.
    """

    #: The sample rates a file may have, in samples a second.
    RATES: Final = range(1000, 384_001)

    #: A length in octets from which it says that its writer did not know it.
    UNKNOWN: Final = 0x7FFF_0000

    def __init__(self, path: str | os.PathLike[str] | BinaryIO, *, repeat: int | None = 1) -> None:
        self.path = Path(path) if isinstance(path, str | os.PathLike) else None
        self._given = None if self.path is not None else cast(BinaryIO, path)
        name: Any = self.path or getattr(path, "name", None)
        self._name = str(name or "the bytes of a WAV file")
        self._repeat = self._left = repeat
        self._wave: Any = None
        self._file: BinaryIO | None = None
        self._ended = False
        self._start = 0 if self._given is None else self._given.tell()
        opened = self._open()
        self._rate: int = opened.getframerate()
        self._channels: int = opened.getnchannels()
        self._width: int = opened.getsampwidth()
        said: int = opened.getnframes()
        size = self._width * self._channels
        there = self._rest() // size
        self._let_go()
        if self._rate not in self.RATES:
            raise MediaError(
                f"Cannot play {self._name}: a sample rate of {self._rate} is out of range."
            )
        if self._channels > 2:
            raise MediaError(
                f"Cannot play {self._name}: it has {self._channels} channels, not 1-2."
            )
        known = said * size < self.UNKNOWN
        self.missing: float = max(0, said - there) / self._rate if known else 0.0
        self.duration: float = (said if known else min(said, there)) / self._rate

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    def _open(self) -> wave.Wave_read:
        """Open the file at its first sample."""
        file = self._given
        try:
            if file is None:
                assert self.path is not None
                file = open(self.path, "rb")  # noqa: SIM115 - open as long as it is read
            else:
                file.seek(self._start)
            self._file = file
            self._wave = opened = wave.open(file, "rb")  # noqa: SIM115 - as above
        except OSError as error:
            self._let_go()
            raise MediaError(f"Cannot read {self._name}: {error.strerror or error}.") from error
        except (wave.Error, EOFError) as error:
            self._let_go()
            reason = str(error) or "it ends too early"
            raise MediaError(f"{self._name} is not a linear WAV file: {reason}.") from error
        return opened

    def _rest(self) -> int:
        """Octets between where the file is read, and its end."""
        assert self._file is not None
        here = self._file.tell()
        rest = self._file.seek(0, os.SEEK_END) - here
        self._file.seek(here)
        return rest

    def _let_go(self) -> None:
        file, self._file, self._wave = self._file, None, None
        if file is not None and self._given is None:
            file.close()

    def read(self, samples: int, /) -> bytes:
        """The next samples, of one channel and 16 bits."""
        pcm = b""
        empty = False
        while not self._ended and (missing := samples - len(pcm) // SAMPLE_WIDTH) > 0:
            if self._wave is None:
                self._open()
            piece = self._linear(self._read_frames(self._wave, missing))
            pcm += piece
            if piece:
                empty = False
                continue
            if self._left is not None:
                self._left -= 1
            if empty or self._left == 0:  # also where the file holds nothing at all
                self.close()
                break
            empty = True
            self._wave.rewind()
        return pcm

    def _read_frames(self, file: wave.Wave_read, frames: int) -> bytes:
        try:
            return file.readframes(frames)
        except (OSError, EOFError, wave.Error) as error:
            self.close()
            raise MediaError(f"Cannot read {self._name}: {error}.") from error

    def _linear(self, frames: bytes) -> bytes:
        size = self._channels * self._width
        if len(frames) % size:  # the file was cut off within a frame
            frames = frames[: -(len(frames) % size)]
        module = audioop()
        if self._width == 1:  # 8 bits are unsigned in a WAV file, wider ones are signed
            frames = module.bias(frames, 1, -128)
        if self._channels == 2:
            frames = module.tomono(frames, self._width, 0.5, 0.5)
        if self._width != SAMPLE_WIDTH:
            frames = module.lin2lin(frames, self._width, SAMPLE_WIDTH)
        return frames

    def rewind(self) -> None:
        """Start again."""
        self._let_go()
        self._left = self._repeat
        self._ended = False

    def close(self) -> None:
        """Close the file; nothing more is read."""
        self._ended = True
        self._let_go()

    def __del__(self) -> None:
        # One that was not read to its end.
        if getattr(self, "_file", None) is not None:
            self._let_go()

    def __repr__(self) -> str:
        return f"WAVSource({self._name!r})"


@functools.lru_cache(maxsize=64)
def _period(frequencies: tuple[float, ...], amplitude: float, rate: int) -> bytes:
    """One period of a sum of sines, or of as many as make it a whole number of samples; nothing
    where that is more than a second.
    """
    if any(frequency != int(frequency) for frequency in frequencies):
        return b""
    samples = rate // math.gcd(rate, *(int(frequency) for frequency in frequencies))
    return _sines(frequencies, amplitude, rate, range(samples))


def _sines(frequencies: tuple[float, ...], amplitude: float, rate: int, at: range) -> bytes:
    steps = [2 * math.pi * frequency / rate for frequency in frequencies]
    return array.array(
        "h", [round(amplitude * sum([math.sin(step * n) for step in steps])) for n in at]
    ).tobytes()


class ToneSource:
    """Sine waves, added.

    Args:
        frequencies: In hertz, each below half the rate.
        level: Loudness of each, in decibels below the loudest sine there is; -12 by default.
        duration: In seconds; None for ever.
        rate: Samples a second.

    Raises:
        UsageError: No frequency, or one that the rate cannot carry; or a level above 0.
    """

    immediate = True

    def __init__(
        self,
        *frequencies: float,
        level: float = -12.0,
        duration: float | None = None,
        rate: int = 8000,
    ) -> None:
        if not frequencies or not all(
            isinstance(one, int | float) and 0 < one < rate / 2 for one in frequencies
        ):
            raise UsageError(
                f"A tone has frequencies above 0 and below {rate // 2} Hz, not {frequencies!r}."
            )
        if level > 0:
            raise UsageError(f"A tone's level is 0 dB at most, not {level:g}.")
        if duration is not None:
            check_seconds("duration", duration, zero=True)
        self.rate = rate
        self.duration = duration
        self._frequencies = frequencies
        # Tones that are added must not clip.
        self._amplitude = min(32767 * 10 ** (level / 20), 32767 / len(frequencies))
        self._position = 0
        self._end = self._length = None if duration is None else round(duration * rate)
        self._period = _period(frequencies, self._amplitude, rate)

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        start = self._position
        stop = start + samples if self._end is None else min(start + samples, self._end)
        self._position = stop
        if not self._period:
            return _sines(self._frequencies, self._amplitude, self.rate, range(start, stop))
        return looped(self._period, start, stop - start)

    def rewind(self) -> None:
        """Start again."""
        self._position = 0
        self._end = self._length

    def close(self) -> None:
        """Give nothing more."""
        self._end = self._position

    def __repr__(self) -> str:
        return f"ToneSource({', '.join(f'{one:g}' for one in self._frequencies)})"


def looped(pcm: bytes, start: int, samples: int) -> bytes:
    """So many samples from a place on, of audio that is repeated for ever."""
    at = start * SAMPLE_WIDTH % len(pcm)
    wanted = samples * SAMPLE_WIDTH
    piece = pcm[at : at + wanted]
    while len(piece) < wanted:
        piece += pcm[: wanted - len(piece)]
    return piece


class SilenceSource:
    """Nothing to be heard.

    Args:
        duration: In seconds; None for ever.
        rate: Samples a second.
    """

    immediate = True

    def __init__(self, duration: float | None = None, rate: int = 8000) -> None:
        if duration is not None:
            check_seconds("duration", duration, zero=True)
        self.rate = rate
        self.duration = duration
        self._left = self._length = None if duration is None else round(duration * rate)

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        if self._left is not None:
            samples = min(samples, self._left)
            self._left -= samples
        return silence(samples)

    def rewind(self) -> None:
        """Start again."""
        self._left = self._length

    def close(self) -> None:
        """Give nothing more."""
        self._left = 0

    def __repr__(self) -> str:
        return "SilenceSource()"


class MemorySource:
    """Audio that is already there.

    Args:
        pcm: Samples of 16 bits in the machine's byte order, one channel.
        rate: Samples a second.

    Raises:
        UsageError: It is no whole number of samples.
    """

    immediate = True

    def __init__(self, pcm: bytes, rate: int = 8000) -> None:
        if len(pcm) % SAMPLE_WIDTH:
            raise UsageError(f"Audio of 16-bit samples has an even length, not {len(pcm)} octets.")
        self.rate = rate
        self.duration = len(pcm) / SAMPLE_WIDTH / rate
        self._pcm = bytes(pcm)
        self._position = 0

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        start = self._position
        piece = self._pcm[start : start + samples * SAMPLE_WIDTH]
        self._position += len(piece)
        return piece

    def rewind(self) -> None:
        """Start again."""
        self._position = 0

    def close(self) -> None:
        """Let go of the audio."""
        self._pcm = b""

    def __repr__(self) -> str:
        return f"<MemorySource of {self.duration:.2f} s>"


class Resampled:
    """A source at another rate.

    Args:
        source: What it plays; closed with it.
        rate: Samples a second of what it gives.
    """

    def __init__(self, source: Source, rate: int) -> None:
        self.rate = rate
        self._source = source
        self._resampler = Resampler(source.rate, rate)
        self._rest = b""

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        need = samples * SAMPLE_WIDTH
        while len(self._rest) < need:
            missing = samples - len(self._rest) // SAMPLE_WIDTH
            piece = self._source.read(-(-missing * self._source.rate // self.rate))
            if not piece:
                self._rest += self._resampler.flush()
                break
            self._rest += self._resampler.convert(piece)
        pcm, self._rest = self._rest[:need], self._rest[need:]
        return pcm

    def close(self) -> None:
        """Close the source."""
        self._source.close()
        self._rest = b""
