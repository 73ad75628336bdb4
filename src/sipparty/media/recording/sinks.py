"""Sinks: where the audio that is heard goes.

Laws:

* A `Sink` gets the rate first, then audio, and is closed.
* One whose class itself says `immediate = True` never blocks and is quick: it is written to on the
  tick. Others are written to on other threads.
* Audio is one channel of 16-bit samples in the machine's byte order.
* Memory and disk are bounded, by named limits.
* A recording is a valid WAV file at every second of it, however the program ends; and nothing is
  written before it starts.

    WAVRecorder    a WAV file
    MemorySink     a bytes object
    CallbackSink   a function, plain or `async def`, that is given frames
"""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeAlias, cast, runtime_checkable

from sipparty.errors import MediaError, UsageError
from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import SAMPLE_WIDTH, audioop

__all__ = ["CallbackSink", "MemorySink", "Sink", "SinkLike", "WAVRecorder", "as_sink"]


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


#: What can be recorded to: a path, an open binary file, a sink, a function; None for memory.
SinkLike: TypeAlias = Sink | str | os.PathLike[str] | BinaryIO | Callable[..., object] | None


def as_sink(
    what: SinkLike,
    *,
    channels: int = 1,
    max_seconds: float | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Sink:
    """The sink of what can be recorded to.

    Args:
        what: A sink; the path of a sound file, whose suffix says its format; a binary file that can
            be sought in, for a WAV file, which is left open; a function that is given frames; or
            None for memory.
        channels: 1, or 2 of interleaved samples.
        max_seconds: The longest recording; None for what the kind of sink has by itself.
        loop: Where an `async def` is run, when no loop is running here.

    Raises:
        MediaError: There is no such folder, or the format needs what is not installed.
        UsageError: It is none of these, or does not take so many channels.
    """
    limit: dict[str, Any] = {} if max_seconds is None else {"max_seconds": max_seconds}
    if what is None:
        return MemorySink(channels=channels, **limit)
    if isinstance(what, str | os.PathLike):
        if Path(what).suffix.lower() in ("", ".wav", ".wave"):
            return WAVRecorder(what, channels=channels, **limit)
        from sipparty.media.playing.files import AVRecorder

        return AVRecorder(what, channels=channels, **limit)
    if isinstance(what, Sink):
        if channels != getattr(what, "channels", 1):
            raise UsageError(f"{what!r} has no `channels = {channels}`: it cannot take them.")
        return what
    if isinstance(what, io.TextIOBase):
        name = getattr(what, "name", "A file")
        raise UsageError(f"{name} is open as text: open it with 'wb'.")
    if hasattr(what, "write"):
        return WAVRecorder(cast(BinaryIO, what), channels=channels, **limit)
    if callable(what):
        if channels != 1:
            raise UsageError(f"{what!r} is given frames, which have one channel.")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pass
        return CallbackSink(what, loop)
    raise UsageError(
        f"{what!r} cannot be recorded to: it is neither a path nor a sink, nor an open file or a"
        " function."
    )


class WAVRecorder:
    """Writes a WAV file of 16-bit samples. An existing file is replaced.

    The file is made when the sink starts. What it says of its length is brought up to date every
    second, so that it is a valid file when the program dies.

    Args:
        path: The file: its path, or a binary file that can be sought in, which is left open.
        channels: 1, or 2 of interleaved samples.
        max_seconds: The longest recording; what comes after is not written. Protects the disk; and
            no WAV file holds more than 4 GiB.

    Attributes:
        seconds: How much was written.

    Raises:
        MediaError: There is no such folder.
        UsageError: The file cannot be written to, or sought in.
    """

    _HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        channels: int = 1,
        max_seconds: float = 24 * 3600.0,
    ) -> None:
        self.path = Path(path) if isinstance(path, str | os.PathLike) else None
        self._given = None if self.path is not None else cast(BinaryIO, path)
        name: Any = self.path or getattr(path, "name", None)
        self._name = str(name or "what was given")
        self.channels = channels
        self.max_seconds = max_seconds
        if self.path is not None and not self.path.parent.is_dir():
            raise MediaError(
                f"Cannot record to {self._name}: there is no folder {self.path.parent}."
            )
        if self._given is not None and not (self._given.writable() and self._given.seekable()):
            raise UsageError(f"{self._name} cannot be written to, or not be sought in.")
        self._file: BinaryIO | None = None
        self._rate = 0
        self._begin = 0
        self._octets = 0
        self._stated = 0
        self._limit = 0

    @property
    def seconds(self) -> float:
        """How much was written."""
        size = SAMPLE_WIDTH * self.channels
        return self._octets / (size * self._rate) if self._rate else 0.0

    def start(self, rate: int, /) -> None:
        """Make the file; it is valid, and empty, from now on."""
        if self._file is not None or self._rate:
            raise UsageError(f"The recording to {self._name} was started before.")
        try:
            if self._given is not None:
                self._file = self._given
                self._begin = self._file.tell()
            else:
                assert self.path is not None
                # Unbuffered: what was written is known when the disk is full.
                self._file = cast(BinaryIO, open(self.path, "wb", buffering=0))  # noqa: SIM115
        except OSError as error:
            raise MediaError(
                f"Cannot record to {self._name}: {error.strerror or error}."
            ) from error
        self._rate = rate
        size = SAMPLE_WIDTH * self.channels
        most = 0xFFFFFFFF - self._HEADER.size
        self._limit = min(int(self.max_seconds * rate), most // size) * size
        try:
            self._state()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, pcm: bytes, /) -> None:
        """Append samples."""
        if self._file is None:
            raise UsageError(f"The recording to {self._name} is not running.")
        pcm = pcm[: self._limit - self._octets]
        if not pcm:
            return
        if sys.byteorder == "big":
            pcm = audioop().byteswap(pcm, SAMPLE_WIDTH)
        try:
            self._append(pcm)
            if self._octets - self._stated >= self._rate * SAMPLE_WIDTH * self.channels:
                self._state()
        except OSError as error:
            raise self._failed(error) from error

    def _append(self, pcm: bytes) -> None:
        assert self._file is not None
        rest = memoryview(pcm)
        while rest:
            written = self._file.write(rest) or 0
            if not written:
                raise OSError("the file takes no more")
            self._octets += written
            rest = rest[written:]

    def _state(self) -> None:
        """Write the header anew, for as much as was written; the samples are on disk before it."""
        assert self._file is not None
        size = SAMPLE_WIDTH * self.channels
        octets = self._octets - self._octets % size
        header = self._HEADER.pack(
            *(b"RIFF", self._HEADER.size - 8 + octets, b"WAVE"),
            *(b"fmt ", 16, 1, self.channels, self._rate, self._rate * size, size),
            *(8 * SAMPLE_WIDTH, b"data", octets),
        )
        self._file.flush()
        self._file.seek(self._begin)
        self._file.write(header)
        self._file.flush()
        self._file.seek(0, os.SEEK_END)
        self._stated = self._octets

    def _failed(self, error: OSError) -> MediaError:
        try:
            # The header needs no room of its own: what there is can be made a valid file.
            self._state()
        except OSError:
            pass  # it says again what is being reported
        self._let_go()
        return MediaError(f"Cannot record to {self._name}: {error.strerror or error}.")

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None and self._given is None:
            try:
                file.close()
            except OSError:
                pass  # nothing of it is in a buffer

    def close(self) -> None:
        """Finish the file."""
        if self._file is None:
            return
        try:
            self._state()
        except OSError as error:
            raise self._failed(error) from error
        self._let_go()

    def __repr__(self) -> str:
        return f"WAVRecorder({self._name!r})"


class MemorySink:
    """Keeps what it takes.

    Args:
        max_seconds: How much at most; what comes after is not kept. Protects memory.
        channels: 1, or 2 of interleaved samples.

    Attributes:
        rate: Samples a second; 0 before the start.
    """

    immediate = True

    def __init__(self, max_seconds: float = 600.0, channels: int = 1) -> None:
        self.max_seconds = max_seconds
        self.channels = channels
        self.rate = 0
        self._pcm = bytearray()

    def __repr__(self) -> str:
        return f"<MemorySink: {self.seconds:.2f} s>"

    @property
    def pcm(self) -> bytes:
        """What was taken, 16-bit samples in the machine's byte order."""
        return bytes(self._pcm)

    @property
    def seconds(self) -> float:
        """How much was taken."""
        size = SAMPLE_WIDTH * self.channels
        return len(self._pcm) / (size * self.rate) if self.rate else 0.0

    def start(self, rate: int, /) -> None:
        """Begin."""
        self.rate = rate

    def write(self, pcm: bytes, /) -> None:
        """Keep samples."""
        limit = int(self.max_seconds * self.rate) * SAMPLE_WIDTH * self.channels
        self._pcm += pcm[: max(0, limit - len(self._pcm))]

    def close(self) -> None:
        """Nothing to be done."""


class CallbackSink:
    """Calls a function with each frame: for speech-to-text, and whatever looks at sound.

    Args:
        callback: Called with an `AudioFrame`; its time is that of the recording. An `async def` is
            awaited before the next frame is given.
        loop: Where an `async def` is run; None for the engine's.
    """

    def __init__(
        self,
        callback: Callable[[AudioFrame], object],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._callback = callback
        self.loop = loop
        self._rate = 0
        self._samples = self._frames = 0

    @property
    def seconds(self) -> float:
        """How much was given to it."""
        return self._samples / self._rate if self._rate else 0.0

    def start(self, rate: int, /) -> None:
        """Begin."""
        self._rate = rate

    def write(self, pcm: bytes, /) -> None:
        """Give a frame to the function, and wait for it."""
        frame = AudioFrame(pcm, self._rate, self.seconds, self._frames)
        self._frames += 1
        self._samples += frame.samples
        result = self._callback(frame)
        if inspect.iscoroutine(result):
            if self.loop is None:
                result.close()
                raise UsageError(f"There is no loop to run {self._callback!r} on.")
            asyncio.run_coroutine_threadsafe(result, self.loop).result()

    def close(self) -> None:
        """Nothing to be done."""

    def __repr__(self) -> str:
        return f"CallbackSink({self._callback!r})"
