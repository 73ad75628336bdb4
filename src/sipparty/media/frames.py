"""Audio as it goes between the parts of a line: frames, what gives them, and what takes them.

Laws:

* Audio is one channel of signed 16-bit samples in the machine's byte order, at a stated rate.
* What is asked and given here runs every few milliseconds for all calls of a loop (the *tick*): it
  never blocks, and never calls a user's code. What may take time has a queue in between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, loudness

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SILENCE_ENERGY", "AudioFrame", "AudioInput", "Listener"]

#: The energy of silence, in dBov: the least that RFC 6464 and RFC 3389 can state.
SILENCE_ENERGY: Final = -127.0
#: The root mean square of the loudest square wave, which is 0 dBov.
_OVERLOAD: Final = 32768.0


class AudioFrame:
    """Some milliseconds of audio.

    Args:
        pcm: The samples: one channel, 16 bits, the machine's byte order.
        rate: Samples a second.
        time: When it begins, in seconds of media time since the stream has begun.
        sequence: Its number in the stream, from 0; one that was left out is missing.
        concealed: Whether a part of it was lost, and filled.
    """

    __slots__ = ("_energy", "concealed", "pcm", "rate", "sequence", "time")

    def __init__(
        self, pcm: bytes, rate: int, time: float = 0.0, sequence: int = 0, concealed: bool = False
    ) -> None:
        self.pcm = pcm
        self.rate = rate
        self.time = time
        self.sequence = sequence
        self.concealed = concealed
        self._energy: float | None = None

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return len(self.pcm) // SAMPLE_WIDTH

    @property
    def duration(self) -> float:
        """How long it lasts, in seconds."""
        return len(self.pcm) / (SAMPLE_WIDTH * self.rate)

    @property
    def energy(self) -> float:
        """How loud it is, in dBov: 0 for the loudest there is, `SILENCE_ENERGY` for silence."""
        if self._energy is None:
            mean = loudness(self.pcm)
            level = 20 * math.log10(mean / _OVERLOAD) if mean else SILENCE_ENERGY
            self._energy = max(level, SILENCE_ENERGY)
        return self._energy

    def array(self, dtype: Literal["int16", "float32"] = "int16") -> NDArray[Any]:
        """Return its samples as a numpy array: 16-bit integers, or floats from -1 to 1.

        Raises:
            MediaError: numpy is not installed; the message names the extra.
            UsageError: It is another type.
        """
        try:
            import numpy
        except ImportError:
            raise MediaError("Arrays of samples need numpy: pip install sipparty[media].") from None
        samples = numpy.frombuffer(self.pcm, numpy.int16)
        kind = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", repr(dtype))
        if kind == "int16":
            return samples
        if kind != "float32":
            raise UsageError(f'Samples are had as "int16" or "float32", not as {kind!r}.')
        return samples.astype(numpy.float32) / numpy.float32(_OVERLOAD)

    def __repr__(self) -> str:
        return f"<AudioFrame {self.sequence}: {self.samples} samples at {self.rate} Hz>"


class AudioInput(Protocol):
    """Where a line gets what it sends."""

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """Return the next samples to send, exactly so many; None where there are none, and then
        silence is sent.
        """


class Listener(Protocol):
    """What is given the audio of a line, frame by frame."""

    def hear(self, frame: AudioFrame, /) -> None:
        """Take the next frame."""
