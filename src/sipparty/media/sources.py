"""Sources: where the audio that is sent comes from.

Laws:

* A `Source` gives audio at its own `rate`, as much as is asked for, less at its end and then
  nothing. Who plays it converts the rate (`Resampled`).
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
import math
import os
import wave
from pathlib import Path
from typing import Final, Protocol, TypeAlias, runtime_checkable

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, audioop, silence

__all__ = [
    "MemorySource",
    "Resampled",
    "SilenceSource",
    "Source",
    "SourceLike",
    "ToneSource",
    "WAVSource",
    "as_source",
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
        path: The file.
        repeat: How many times to play it; None for ever.

    Attributes:
        duration: Seconds it takes to play it once, as the file says.

    Raises:
        MediaError: The file cannot be read, or is no such WAV file.
    """

    #: The sample rates a file may have, in samples a second.
    RATES: Final = range(1000, 384_001)

    def __init__(self, path: str | os.PathLike[str], *, repeat: int | None = 1) -> None:
        self.path = Path(path)
        self._left = repeat
        self._file: wave.Wave_read | None = None
        self._ended = False
        with self._open() as file:
            self._rate = file.getframerate()
            self._channels = file.getnchannels()
            self._width = file.getsampwidth()
            frames = file.getnframes()
        if self._rate not in self.RATES:
            raise MediaError(
                f"Cannot play {self.path}: a sample rate of {self._rate} is out of range."
            )
        if self._channels > 2:
            raise MediaError(f"Cannot play {self.path}: it has {self._channels} channels, not 1-2.")
        self.duration = frames / self._rate

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    def _open(self) -> wave.Wave_read:
        try:
            return wave.open(str(self.path), "rb")
        except OSError as error:
            raise MediaError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        except (wave.Error, EOFError) as error:
            reason = str(error) or "it ends too early"
            raise MediaError(f"{self.path} is not a linear WAV file: {reason}.") from error

    def read(self, samples: int, /) -> bytes:
        """The next samples, of one channel and 16 bits."""
        pcm = b""
        empty = False
        while not self._ended and (missing := samples - len(pcm) // SAMPLE_WIDTH) > 0:
            if self._file is None:
                self._file = self._open()
            piece = self._linear(self._read_frames(self._file, missing))
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
            self._file.rewind()
        return pcm

    def _read_frames(self, file: wave.Wave_read, frames: int) -> bytes:
        try:
            return file.readframes(frames)
        except (OSError, EOFError, wave.Error) as error:
            self.close()
            raise MediaError(f"Cannot read {self.path}: {error}.") from error

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

    def close(self) -> None:
        """Close the file; nothing more is read."""
        self._ended = True
        if self._file is not None:
            self._file.close()
            self._file = None

    def __repr__(self) -> str:
        return f"WAVSource({str(self.path)!r})"


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

    def __init__(
        self,
        *frequencies: float,
        level: float = -12.0,
        duration: float | None = None,
        rate: int = 8000,
    ) -> None:
        if not frequencies or not all(0 < frequency < rate / 2 for frequency in frequencies):
            raise UsageError(
                f"A tone has frequencies above 0 and below {rate // 2} Hz, not {frequencies!r}."
            )
        if level > 0:
            raise UsageError(f"A tone's level is 0 dB at most, not {level:g}.")
        self.rate = rate
        self._steps = [2 * math.pi * frequency / rate for frequency in frequencies]
        # Tones that are added must not clip.
        self._amplitude = min(32767 * 10 ** (level / 20), 32767 / len(frequencies))
        self._position = 0
        self._end = None if duration is None else round(duration * rate)

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        start = self._position
        stop = start + samples if self._end is None else min(start + samples, self._end)
        self._position = stop
        amplitude = self._amplitude
        steps = self._steps
        return array.array(
            "h",
            [
                round(amplitude * sum([math.sin(step * n) for step in steps]))
                for n in range(start, stop)
            ],
        ).tobytes()

    def close(self) -> None:
        """Give nothing more."""
        self._end = self._position


class SilenceSource:
    """Nothing to be heard.

    Args:
        duration: In seconds; None for ever.
        rate: Samples a second.
    """

    def __init__(self, duration: float | None = None, rate: int = 8000) -> None:
        self.rate = rate
        self._left = None if duration is None else round(duration * rate)

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        if self._left is not None:
            samples = min(samples, self._left)
            self._left -= samples
        return silence(samples)

    def close(self) -> None:
        """Give nothing more."""
        self._left = 0


class MemorySource:
    """Audio that is already there.

    Args:
        pcm: Samples of 16 bits in the machine's byte order, one channel.
        rate: Samples a second.

    Raises:
        UsageError: It is no whole number of samples.
    """

    def __init__(self, pcm: bytes, rate: int = 8000) -> None:
        if len(pcm) % SAMPLE_WIDTH:
            raise UsageError(f"Audio of 16-bit samples has an even length, not {len(pcm)} octets.")
        self.rate = rate
        self._pcm = bytes(pcm)
        self._position = 0

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        start = self._position
        piece = self._pcm[start : start + samples * SAMPLE_WIDTH]
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Let go of the audio."""
        self._pcm = b""


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
