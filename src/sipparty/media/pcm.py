"""Linear audio: signed 16-bit samples in the machine's byte order, the one form of audio between
codecs, sources and sinks.

Laws:

* The C module `audioop` is imported here and nowhere else, when first asked for: importing sipparty
  does not load it. It is in the standard library up to Python 3.12, deprecated from 3.11 on, and
  comes from the package `audioop-lts` from 3.13 on.
* PyAV, of the extra `media`, is imported here when the first rate is to be changed, or before, by
  `prepare_rates`; without it rates are changed all the same, less well.
* Audio is `bytes` of whole samples. One channel, unless a name says otherwise.
"""

from __future__ import annotations

import functools
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sipparty.errors import MediaError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "SAMPLE_WIDTH",
    "Resampler",
    "Samples",
    "attenuate",
    "audioop",
    "loudness",
    "pcm_of",
    "prepare_rates",
    "silence",
]

#: Octets in a sample.
SAMPLE_WIDTH: Final = 2

#: The largest float that is taken for a sample from -1 to 1 that was made too loud, and clipped.
_LOUDEST: Final = 16.0

#: What users give as audio; `pcm_of` says what may be. numpy's types need not be installed.
Samples: TypeAlias = Any


@functools.cache
def audioop() -> ModuleType:
    """The module `audioop`.

    Raises:
        MediaError: This Python has none; the message says what to install.
    """
    with warnings.catch_warnings():
        # The deprecation is known, and answered by the dependency on audioop-lts from 3.13 on.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import audioop as module
        except ImportError:
            raise MediaError(
                "This Python has no module audioop, which audio needs: install audioop-lts."
            ) from None
    return module


def pcm_of(samples: Samples) -> tuple[bytes, int | None]:
    """Return samples that a user gave, and their rate where they say so.

    Args:
        samples: Bytes of 16-bit samples; a numpy array of int16, or of floats from -1 to 1, with
            one channel; or an `AudioFrame`, or anything else with its `pcm` and `rate`.

    Raises:
        UsageError: They are none of these.
    """
    if isinstance(samples, bytes | bytearray | memoryview):
        return bytes(samples), None
    pcm = getattr(samples, "pcm", None)
    if isinstance(pcm, bytes):
        return pcm, samples.rate
    dtype: Any = getattr(samples, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if kind != "f" and not (kind == "i" and dtype.itemsize == SAMPLE_WIDTH):
        what = f"an array of {dtype}" if kind else f"{type(samples).__name__} {samples!r:.60}"
        raise UsageError(
            "Audio is bytes of 16-bit samples, a frame, or a numpy array of int16 or of floats, "
            f"not {what}."
        )
    if samples.ndim == 2 and samples.shape[1] == 1:
        samples = samples[:, 0]
    if samples.ndim != 1:
        raise UsageError(
            f"Audio has one channel; the array's shape is {samples.shape}: give one of its"
            " channels, such as array[:, 0]."
        )
    if kind == "f" and len(samples):
        most = float(abs(samples).max())
        if not most <= _LOUDEST:  # which NaN is not
            raise UsageError(
                f"Floats of audio are from -1 to 1, and one is {most:g}: give int16 samples as"
                " such, array.astype('int16')."
            )
        samples = (samples * 32768.0).round().clip(-32768, 32767)
    return bytes(samples.astype("int16").tobytes()), None


def silence(samples: int) -> bytes:
    """So many samples of nothing."""
    return bytes(samples * SAMPLE_WIDTH)


def attenuate(pcm: bytes, factor: float) -> bytes:
    """The same audio with each sample multiplied by `factor`, clipped where it must be."""
    quieter: bytes = audioop().mul(pcm, SAMPLE_WIDTH, factor)
    return quieter


def loudness(pcm: bytes) -> int:
    """The root mean square of the samples, 0 to 32768; 0 of no samples."""
    return int(audioop().rms(pcm, SAMPLE_WIDTH))


@functools.cache
def _filters() -> ModuleType | None:
    """The module of PyAV that resamples; None where PyAV is not installed."""
    try:
        import av
        import av.filter
    except ImportError:
        return None
    return av


def prepare_rates() -> None:
    """Load what changes rates now, where rates will have to be changed on the tick of media: that
    takes as long as several ticks.
    """
    _filters()


class Resampler:
    """Changes the sample rate of audio that comes in pieces of any length.

    By libswresample of PyAV, where the extra `media` is installed: what would be aliased is at
    least 50 dB down, the passband flat, the delay 2 ms of the lower rate, and over time no sample
    is lost or added. (soxr is no better heard in speech, and holds back 20 to 140 ms at a time.)
    Else by linear interpolation without a filter: speech survives it, music of a high rate less
    well.

    Args:
        rate: Samples a second of what comes in.
        to_rate: Samples a second of what goes out.

    """

    __slots__ = ("_av", "_convert", "_graph", "_state", "rate", "to_rate")

    def __init__(self, rate: int, to_rate: int) -> None:
        self.rate = rate
        self.to_rate = to_rate
        self._graph: Any = None
        self._state: object = None
        self._av = None if rate == to_rate else _filters()
        self._convert = audioop().ratecv

    @property
    def filtered(self) -> bool:
        """Whether it is done by libswresample."""
        return self._av is not None

    def convert(self, pcm: bytes) -> bytes:
        """The next piece at the other rate; the first is shorter by the delay."""
        if self.rate == self.to_rate or not pcm:
            return pcm
        if self._av is None:
            converted: bytes
            converted, self._state = self._convert(
                pcm, SAMPLE_WIDTH, 1, self.rate, self.to_rate, self._state
            )
            return converted
        if self._graph is None:
            self._graph = self._new_graph()
        frame = self._av.AudioFrame("s16", "mono", len(pcm) // SAMPLE_WIDTH)
        frame.sample_rate = self.rate
        frame.planes[0].update(pcm)
        self._graph.push(frame)
        return self._pulled()

    def flush(self) -> bytes:
        """What the delay has held back, at the end; afterwards another stream may begin."""
        graph, self._graph, self._state = self._graph, None, None
        if graph is None:
            return b""
        graph.push(None)
        self._graph = graph
        rest = self._pulled()
        self._graph = None
        return rest

    def _new_graph(self) -> Any:
        assert self._av is not None
        graph = self._av.filter.Graph()
        graph.threads = 1  # each graph has threads of its own otherwise
        parts = (
            graph.add(
                "abuffer",
                sample_rate=str(self.rate),
                sample_fmt="s16",
                channel_layout="mono",
                time_base=f"1/{self.rate}",
            ),
            graph.add("aresample", sample_rate=str(self.to_rate)),
            graph.add("aformat", sample_fmts="s16", channel_layouts="mono"),
            graph.add("abuffersink"),
        )
        for one, following in pairwise(parts):
            one.link_to(following)
        graph.configure()
        return graph

    def _pulled(self) -> bytes:
        """What has come out."""
        pieces = []
        try:
            while True:
                frame = self._graph.pull()
                pieces.append(bytes(frame.planes[0])[: frame.samples * SAMPLE_WIDTH])
        except (BlockingIOError, EOFError):
            return b"".join(pieces)
