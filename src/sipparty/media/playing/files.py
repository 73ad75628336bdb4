"""Sound files: what is played from a path, from bytes or from an open file, and written to a path.

Laws:

* Linear WAV files need nothing beyond Python. All others are read and written by PyAV, which comes
  with the extra `media`; where it is not installed, the error names the extra.
* A file is looked at when it is given: one that is missing, holds no sound or was cut short is
  refused there and then.
* A short WAV file is read whole, once for all who play it; the cache is bounded.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.playing.sources import MemorySource, Source, WAVSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["AVRecorder", "AVSource", "is_sound_file", "open_sound"]

#: A path, or a binary file that can be sought in.
FileLike: TypeAlias = str | os.PathLike[str] | BinaryIO

#: How files of sound begin, but for WAV: the text, and where it stands.
_HEADERS: Final = (
    *((b"OggS", 0), (b"fLaC", 0), (b"ID3", 0), (b"FORM", 0), (b"caff", 0), (b".snd", 0)),
    *((b"ftyp", 4), (b"\x1aE\xdf\xa3", 0), (b"RF64", 0), (b"#!AMR", 0), (b"wvpk", 0)),
    *((b"\xff\xfb", 0), (b"\xff\xf3", 0), (b"\xff\xf2", 0), (b"\xff\xf1", 0), (b"\xff\xf9", 0)),
)
#: Octets that are needed to know.
HEADER_SIZE: Final = 12

#: The longest WAV file that is read whole, in octets of one channel of 16 bits.
SHORT: Final = 2**19
#: Octets that are kept of such files, at most.
CACHED: Final = 2**24

#: Formats whose codec is not what the container would have by itself.
_CODECS: Final = {".ogg": "libopus", ".opus": "libopus", ".mp3": "libmp3lame"}
#: Sample rates that Opus knows (RFC 6716 section 2); a file of it has the last.
_OPUS_RATE: Final = 48000


def _av(what: str) -> ModuleType:
    """PyAV.

    Raises:
        MediaError: It is not installed.
    """
    try:
        import av
    except ImportError:
        raise MediaError(f"{what} needs PyAV: pip install sipparty[media].") from None
    module: ModuleType = av
    return module


def is_sound_file(data: bytes) -> bool:
    """Whether bytes begin as those of a sound file do."""
    return _is_wav(data) or any(data.startswith(text, at) for text, at in _HEADERS)


def _is_wav(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


class _Cache:
    """Short files that were read, the one used last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, int, int], tuple[bytes, int]] = OrderedDict()
        self._octets = 0

    def source(self, source: WAVSource) -> Source:
        """The same in memory, where it is short enough; else the source itself."""
        if source.duration * source.rate * SAMPLE_WIDTH > SHORT:
            return source
        if source.path is None:
            return MemorySource(self._whole(source), source.rate)
        try:
            status = os.stat(source.path)
        except OSError:
            return source
        key = (os.path.abspath(source.path), status.st_mtime_ns, status.st_size)
        with self._lock:
            found = self._files.pop(key, None)
            if found is not None:
                self._files[key] = found
        if found is None:
            found = self._whole(source), source.rate
            with self._lock:
                if key not in self._files:
                    self._files[key] = found
                    self._octets += len(found[0])
                while self._octets > CACHED:
                    _, (pcm, _) = self._files.popitem(last=False)
                    self._octets -= len(pcm)
        return MemorySource(*found)

    @staticmethod
    def _whole(source: WAVSource) -> bytes:
        pcm = source.read(round(source.duration * source.rate) + 1)
        source.close()
        return pcm


_cache = _Cache()


def open_sound(file: FileLike | bytes) -> Source:
    """A source of what a file has, which was looked at.

    Args:
        file: Its path, its bytes, or a binary file that can be sought in; from where it is, which
            is left open.

    Raises:
        MediaError: It cannot be read, has no sound in it, was cut short, or is in a format that
            needs the extra `media`, which is not installed.
    """
    if isinstance(file, bytes):
        file = io.BytesIO(file)
    name = _name(file)
    begin = _beginning(file, name)
    if not begin:
        raise MediaError(f"There is no sound in {name}: it is empty.")
    if not _is_wav(begin):
        return _opened_by_av(file, begin, name)
    start = None if isinstance(file, str | os.PathLike) else file.tell()
    try:
        source = WAVSource(file)
    except MediaError as error:
        if "unknown format" not in str(error):
            raise
        if not isinstance(file, str | os.PathLike) and start is not None:
            file.seek(start)
        return AVSource(file)
    if source.missing:
        there = max(0.0, source.duration - source.missing)
        raise MediaError(
            f"{name} was cut short: it says that it has {source.duration:.2f} s of sound, and has"
            f" {there:.2f} s."
        )
    if not source.duration:
        raise MediaError(f"There is no sound in {name}: it has no samples.")
    return _cache.source(source)


def _name(file: FileLike) -> str:
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    return str(getattr(file, "name", "") or "what was given")


def _beginning(file: FileLike, name: str) -> bytes:
    """The first octets."""
    try:
        if isinstance(file, str | os.PathLike):
            with open(file, "rb") as opened:
                return opened.read(HEADER_SIZE)
        if not file.seekable():
            raise UsageError(
                f"{name} cannot be sought in: play it with rate=, as plain 16-bit samples."
            )
        here = file.tell()
        begin: bytes | str = file.read(HEADER_SIZE)
        file.seek(here)
    except OSError as error:
        raise MediaError(f"Cannot read {name}: {error.strerror or error}.") from error
    if isinstance(begin, str):
        raise UsageError(f"{name} is open as text: open it with 'rb'.")
    return begin


def _opened_by_av(file: FileLike, begin: bytes, name: str) -> Source:
    if not is_sound_file(begin):
        try:
            _av(name)
        except MediaError:
            raise MediaError(
                f"{name} is no WAV file; whether it is of another format, PyAV can say: "
                "pip install sipparty[media]."
            ) from None
    return AVSource(file)


class AVSource:
    """A sound file of any format that PyAV reads: MP3, Ogg, FLAC, M4A, and so on. The first stream
    of sound in it is played, its channels mixed into one.

    Args:
        file: Its path, or a binary file that can be sought in, which is left open.

    Attributes:
        duration: Seconds of sound; None where the file does not say.

    Raises:
        MediaError: It cannot be read, there is no sound in it, or PyAV is not installed.
    """

    def __init__(self, file: FileLike) -> None:
        self._given = file
        self._name = _name(file)
        self._av: Any = _av(self._name)
        self._start = 0 if isinstance(file, str | os.PathLike) else file.tell()
        self._container: Any = None
        self._rest = b""
        self._closed = False
        stream: Any = self._open()
        self._rate: int = stream.rate
        length: Any = stream.container.duration
        self.duration: float | None = None if length is None else length / self._av.time_base
        self._pieces = self._decoded(stream)
        try:
            # What cannot be decoded is said now.
            self._rest = next(self._pieces, b"")
        finally:
            if not self._rest:
                self.close()
        if not self._rest:
            raise MediaError(f"There is no sound in {self._name}: it has no samples.")

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    def _open(self) -> Any:
        """Open it, and give its stream of sound."""
        file: Any = self._given
        if isinstance(file, str | os.PathLike):
            file = os.fspath(file)
        else:
            file.seek(self._start)
        try:
            self._container = self._av.open(file, "r", metadata_errors="replace")
            streams = self._container.streams.audio
        except (OSError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"There is no sound in {self._name}: {reason}.") from error
        if not streams or not streams[0].rate:
            self.close()
            raise MediaError(f"There is no sound in {self._name}.")
        return streams[0]

    def _decoded(self, stream: Any) -> Iterator[bytes]:
        resampler = self._av.AudioResampler(format="s16", layout="mono", rate=self._rate)
        try:
            for frame in self._container.decode(stream):
                for one in resampler.resample(frame):
                    yield bytes(one.planes[0])[: one.samples * SAMPLE_WIDTH]
            for one in resampler.resample(None):
                yield bytes(one.planes[0])[: one.samples * SAMPLE_WIDTH]
        except (OSError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"Cannot read {self._name}: {reason}.") from error

    def read(self, samples: int, /) -> bytes:
        """The next samples, of one channel and 16 bits."""
        wanted = samples * SAMPLE_WIDTH
        pieces = [self._rest]
        have = len(self._rest)
        while have < wanted and not self._closed:
            piece = next(self._pieces, b"")
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        pcm = b"".join(pieces)
        self._rest = pcm[wanted:]
        return pcm[:wanted]

    def rewind(self) -> None:
        """Start again."""
        self.close()
        self._closed = False
        self._pieces = self._decoded(self._open())

    def close(self) -> None:
        """Close the file; nothing more is read."""
        self._closed = True
        self._rest = b""
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def __repr__(self) -> str:
        return f"AVSource({self._name!r})"


class AVRecorder:
    """Writes a sound file of a format that PyAV writes, by the suffix of its path: `.mp3`, `.ogg`
    and `.opus` (Opus), `.flac`, `.m4a`, and others. An existing file is replaced.

    Args:
        path: The file.
        channels: 1, or 2 of interleaved samples.
        max_seconds: The longest recording; what comes after is not written. Protects the disk.

    Raises:
        MediaError: There is no such folder, no format of that suffix, or PyAV is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        channels: int = 1,
        max_seconds: float = 24 * 3600.0,
    ) -> None:
        self.path = Path(path)
        self.channels = channels
        self.max_seconds = max_seconds
        self._av: Any = _av(f"Recording to {self.path}")
        if not self.path.parent.is_dir():
            raise MediaError(
                f"Cannot record to {self.path}: there is no folder {self.path.parent}."
            )
        suffix = self.path.suffix.lower()
        self._codec = _CODECS.get(suffix)
        if self._codec is None:
            known = [
                name
                for name in self._av.formats_available
                if f".{name}" == suffix or suffix in {".m4a", ".mka", ".aac", ".wma"}
            ]
            if not known:
                raise MediaError(
                    f"Cannot record to {self.path}: no format of sound is called {suffix!r}."
                )
        self._container: Any = None
        self._stream: Any = None
        self._resampler: Any = None
        self._rate = 0
        self._tick: Any = None
        self._samples = 0

    @property
    def seconds(self) -> float:
        """How much was written."""
        return self._samples / self._rate if self._rate else 0.0

    def start(self, rate: int, /) -> None:
        """Make the file."""
        if self._rate:
            raise UsageError(f"The recording to {self.path} was started before.")
        from fractions import Fraction

        self._rate = rate
        self._tick = Fraction(1, rate)
        try:
            self._container = self._av.open(str(self.path), "w")
            codec = self._codec or self._container.default_audio_codec
            layout = "mono" if self.channels == 1 else "stereo"
            coded = self._coded_rate(codec, rate)
            self._stream = self._container.add_stream(codec, rate=coded, layout=layout)
            self._stream.codec_context.open()
            context = self._stream.codec_context
            self._resampler = self._av.AudioResampler(
                format=context.format.name,
                layout=layout,
                rate=coded,
                frame_size=context.frame_size or None,
            )
        except (OSError, ValueError, EOFError) as error:
            self._container = None
            raise self._failed(error) from error

    def _coded_rate(self, codec: str, rate: int) -> int:
        """The sample rate of the file: the one that comes, where the codec has it."""
        if codec == "libopus":
            return _OPUS_RATE
        rates: list[int] = self._av.Codec(codec, "w").audio_rates
        if not rates or rate in rates:
            return rate
        return min((one for one in rates if one >= rate), default=max(rates))

    def write(self, pcm: bytes, /) -> None:
        """Append samples."""
        if self._container is None:
            raise UsageError(f"The recording to {self.path} is not running.")
        size = SAMPLE_WIDTH * self.channels
        left = int(self.max_seconds * self._rate) - self._samples
        samples = min(len(pcm) // size, left)
        if samples <= 0:
            return
        frame = self._av.AudioFrame(
            format="s16", layout="mono" if self.channels == 1 else "stereo", samples=samples
        )
        frame.planes[0].update(_padded(pcm[: samples * size], frame.planes[0].buffer_size))
        frame.sample_rate = self._rate
        frame.pts = self._samples
        frame.time_base = self._tick
        self._samples += samples
        try:
            self._encode(self._resampler.resample(frame))
        except (OSError, ValueError, EOFError) as error:
            raise self._failed(error) from error

    def _encode(self, frames: Any) -> None:
        for frame in frames:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def _failed(self, error: Exception) -> MediaError:
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
            except (OSError, ValueError, EOFError):
                pass  # it says again what is being reported
        reason = getattr(error, "strerror", None) or error
        return MediaError(f"Cannot record to {self.path}: {reason}.")

    def close(self) -> None:
        """Finish the file."""
        if self._container is None:
            return
        try:
            self._encode(self._resampler.resample(None))
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
        except (OSError, ValueError, EOFError) as error:
            raise self._failed(error) from error
        self._container = None

    def __repr__(self) -> str:
        return f"AVRecorder({str(self.path)!r})"


def _padded(pcm: bytes, size: int) -> bytes:
    return pcm.ljust(size, b"\0")
