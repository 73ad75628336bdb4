"""Sinks: where the audio that is heard goes.

Laws:

* A `Sink` gets the rate first, then audio, and is closed.
* Audio is one channel of 16-bit samples in the machine's byte order.
* Memory and disk are bounded, by named limits.
* A recording is a valid WAV file at every second of it, however the program ends; and nothing is
  written before it starts.

    WAVRecorder    a WAV file
    MemorySink     a bytes object
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import IO, Final, Protocol, TypeAlias, runtime_checkable

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, audioop

__all__ = ["MemorySink", "Sink", "SinkLike", "WAVRecorder", "as_sink"]


@runtime_checkable
class Sink(Protocol):
    """Where audio goes."""

    def start(self, rate: int, /) -> None:
        """Samples a second of what will be written; called once, before the first `write`.

        Raises:
            MediaError: It cannot be taken.
        """

    def write(self, pcm: bytes, /) -> None:
        """Take audio.

        Raises:
            MediaError: It cannot be taken.
        """

    def close(self) -> None:
        """Nothing more comes; may be called twice, and without a `start`."""


#: A sink, or the path of a WAV file to write.
SinkLike: TypeAlias = Sink | str | os.PathLike[str]


def as_sink(what: SinkLike) -> Sink:
    """A sink: itself, or a WAV file to be written at a path.

    Raises:
        MediaError: There is no such folder.
        UsageError: It is neither sink nor path.
    """
    if isinstance(what, str | os.PathLike):
        return WAVRecorder(what)
    if isinstance(what, Sink):
        return what
    raise UsageError(f"{what!r} cannot be recorded to: it is neither a sink nor a path.")


class WAVRecorder:
    """Writes a WAV file of 16-bit samples, one channel. An existing file is replaced.

    The file is made when the sink starts. What it says of its length is brought up to date every
    second, so that it is a valid file when the program dies.

    Args:
        path: The file.
        max_seconds: The longest recording; what comes after is not written. Protects the disk; and
            no WAV file holds more than 4 GiB.

    Attributes:
        seconds: How much was written.

    Raises:
        MediaError: There is no such folder.
    """

    _HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")

    def __init__(self, path: str | os.PathLike[str], *, max_seconds: float = 24 * 3600.0) -> None:
        self.path = Path(path)
        self.max_seconds = max_seconds
        if not self.path.parent.is_dir():
            raise MediaError(
                f"Cannot record to {self.path}: there is no folder {self.path.parent}."
            )
        self._file: IO[bytes] | None = None
        self._rate = 0
        self._octets = 0
        self._stated = 0
        self._limit = 0

    @property
    def seconds(self) -> float:
        """How much was written."""
        return self._octets / (SAMPLE_WIDTH * self._rate) if self._rate else 0.0

    def start(self, rate: int, /) -> None:
        """Make the file; it is valid, and empty, from now on."""
        if self._file is not None or self._rate:
            raise UsageError(f"The recording to {self.path} was started before.")
        try:
            self._file = open(self.path, "wb")  # noqa: SIM115 - open as long as the recording
        except OSError as error:
            raise MediaError(f"Cannot record to {self.path}: {error.strerror or error}.") from error
        self._rate = rate
        most = 0xFFFFFFFF - self._HEADER.size
        self._limit = min(int(self.max_seconds * rate), most // SAMPLE_WIDTH) * SAMPLE_WIDTH
        self._state()

    def write(self, pcm: bytes, /) -> None:
        """Append samples."""
        if self._file is None:
            raise UsageError(f"The recording to {self.path} is not running.")
        pcm = pcm[: self._limit - self._octets]
        if not pcm:
            return
        if sys.byteorder == "big":
            pcm = audioop().byteswap(pcm, SAMPLE_WIDTH)
        try:
            self._file.write(pcm)
        except OSError as error:
            raise self._failed(error) from error
        self._octets += len(pcm)
        if self._octets - self._stated >= self._rate * SAMPLE_WIDTH:
            self._state()

    def _state(self) -> None:
        """Write the header anew, for as much as was written; the samples are on disk before it."""
        assert self._file is not None
        octets = self._octets
        header = self._HEADER.pack(
            *(b"RIFF", self._HEADER.size - 8 + octets, b"WAVE"),
            *(b"fmt ", 16, 1, 1, self._rate, self._rate * SAMPLE_WIDTH, SAMPLE_WIDTH),
            *(8 * SAMPLE_WIDTH, b"data", octets),
        )
        try:
            self._file.flush()
            self._file.seek(0)
            self._file.write(header)
            self._file.flush()
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise self._failed(error) from error
        self._stated = octets

    def _failed(self, error: OSError) -> MediaError:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # it says again what is being reported
        return MediaError(f"Cannot record to {self.path}: {error.strerror or error}.")

    def close(self) -> None:
        """Finish the file."""
        if self._file is None:
            return
        self._state()
        file, self._file = self._file, None
        file.close()

    def __repr__(self) -> str:
        return f"WAVRecorder({str(self.path)!r})"


class MemorySink:
    """Keeps what it takes.

    Args:
        max_seconds: How much at most; what comes after is not kept. Protects memory.

    Attributes:
        rate: Samples a second; 0 before the start.
    """

    def __init__(self, max_seconds: float = 600.0) -> None:
        self.max_seconds = max_seconds
        self.rate = 0
        self._pcm = bytearray()

    @property
    def pcm(self) -> bytes:
        """What was taken, 16-bit samples in the machine's byte order."""
        return bytes(self._pcm)

    @property
    def seconds(self) -> float:
        """How much was taken."""
        return len(self._pcm) / (SAMPLE_WIDTH * self.rate) if self.rate else 0.0

    def start(self, rate: int, /) -> None:
        """Begin."""
        self.rate = rate

    def write(self, pcm: bytes, /) -> None:
        """Keep samples."""
        limit = int(self.max_seconds * self.rate) * SAMPLE_WIDTH
        self._pcm += pcm[: max(0, limit - len(self._pcm))]

    def close(self) -> None:
        """Nothing to be done."""
