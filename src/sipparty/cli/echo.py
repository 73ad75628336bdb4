"""Audio that goes back, or to several places."""

from __future__ import annotations

from sipparty.media import Sink
from sipparty.media.pcm import SAMPLE_WIDTH, silence

__all__ = ["Echo", "Tee"]


class Echo:
    """A sink that is the source of what it took: the caller hears himself.

    It never ends; where nothing has come, it gives silence.

    Args:
        max_delay: How much may wait, in seconds: what is older is dropped. Bounds delay and memory.
    """

    #: It is read and written on the tick, so that nothing waits.
    immediate = True

    def __init__(self, max_delay: float = 0.2) -> None:
        self.rate = 8000
        self._max_delay = max_delay
        self._waiting = bytearray()

    def start(self, rate: int, /) -> None:
        """Samples a second of what comes, and goes."""
        self.rate = rate

    def write(self, pcm: bytes, /) -> None:
        """Take audio."""
        self._waiting += pcm
        excess = len(self._waiting) - int(self._max_delay * self.rate) * SAMPLE_WIDTH
        if excess > 0:
            del self._waiting[:excess]

    def read(self, samples: int, /) -> bytes:
        """Give it back."""
        octets = samples * SAMPLE_WIDTH
        pcm = bytes(self._waiting[:octets])
        del self._waiting[:octets]
        return pcm + silence(samples - len(pcm) // SAMPLE_WIDTH)

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()


class Tee:
    """Several sinks as one.

    Args:
        sinks: Each takes everything.
    """

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def start(self, rate: int, /) -> None:
        """Begin."""
        for sink in self._sinks:
            sink.start(rate)

    def write(self, pcm: bytes, /) -> None:
        """Take audio."""
        for sink in self._sinks:
            sink.write(pcm)

    def close(self) -> None:
        """End."""
        for sink in self._sinks:
            sink.close()
