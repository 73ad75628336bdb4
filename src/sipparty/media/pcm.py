"""Linear audio: signed 16-bit samples in the machine's byte order, the one form of audio between
codecs, sources and sinks.

Laws:

* The C module `audioop` is imported here and nowhere else, when first asked for: importing sipparty
  does not load it. It is in the standard library up to Python 3.12, deprecated from 3.11 on, and
  comes from the package `audioop-lts` from 3.13 on.
* Audio is `bytes` of whole samples. One channel, unless a name says otherwise.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Final

from sipparty.errors import MediaError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SAMPLE_WIDTH", "Resampler", "attenuate", "audioop", "loudness", "silence"]

#: Octets in a sample.
SAMPLE_WIDTH: Final = 2


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


class Resampler:
    """Changes the sample rate of audio that comes in pieces, by linear interpolation.

    There is no filter against aliasing: speech survives it, music of a high rate less well.

    Args:
        rate: Samples a second of what comes in.
        to_rate: Samples a second of what goes out.
    """

    __slots__ = ("_convert", "_state", "rate", "to_rate")

    def __init__(self, rate: int, to_rate: int) -> None:
        self.rate = rate
        self.to_rate = to_rate
        self._convert = audioop().ratecv
        self._state: object = None

    def convert(self, pcm: bytes) -> bytes:
        """The next piece at the other rate."""
        if self.rate == self.to_rate:
            return pcm
        converted: bytes
        converted, self._state = self._convert(
            pcm, SAMPLE_WIDTH, 1, self.rate, self.to_rate, self._state
        )
        return converted
