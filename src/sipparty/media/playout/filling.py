"""What is played where there is no packet: concealment of losses, and pauses.

Laws:

* A codec that conceals by itself does (`conceal`, and `recover` for the frame that the packet after
  it holds as in-band FEC); for any other the wave is carried on (see `concealment`).
* What was played is remembered for as long as the concealment looks back, and forgotten where the
  sample rate changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil

from sipparty.errors import SIPPartyError
from sipparty.media.codecs import AudioCodec
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.playout.concealment import HISTORY, Concealment

__all__ = ["Filling"]


class Filling:
    """Fills the holes of one stream.

    Args:
        concealment: Makes what fills losses, for a sample rate.

    Attributes:
        history: The frames that were played last; each is appended to it.
    """

    def __init__(self, concealment: Callable[[int], Concealment]) -> None:
        self._concealment = concealment
        self._concealments: dict[int, Concealment] = {}
        self._own: Callable[[int], bytes] | None = None
        self.history: deque[bytes] = deque(maxlen=1)

    def begin(self, rate: int, ptime: float) -> None:
        """Frames of another rate, in samples a second, or length, in milliseconds, begin."""
        self._octets = SAMPLE_WIDTH * round(HISTORY * rate)
        self.history = deque(maxlen=ceil(1000 * HISTORY / ptime))
        if rate not in self._concealments:
            self._concealments[rate] = self._concealment(rate)
        self._conceals = self._concealments[rate]
        self.end()

    def use(self, codec: AudioCodec | None) -> None:
        """From now on this codec plays."""
        self._own = getattr(codec, "conceal", None)

    def end(self) -> None:
        """A loss, if there is one, is over."""
        self._conceals.end()

    def begin_loss(self) -> None:
        """What comes next does not go on with what was heard: `join` is to smooth it."""
        if self._own is None:
            self._conceals.extend(self.heard(), 0)

    def heard(self, pcm: bytes = b"") -> bytes:
        """What was heard last, and then `pcm`."""
        return (b"".join(self.history) + pcm)[-self._octets :]

    def extend(self, pcm: bytes, samples: int) -> bytes:
        """What follows `pcm` in a loss."""
        if self._own is not None:
            return self._own(samples)
        return self._conceals.extend(self.heard(pcm), samples)

    def pause(self, samples: int) -> bytes:
        """What is played where the sender sent nothing; a codec has noise for it."""
        if self._own is not None:
            return self._own(samples)
        return bytes(SAMPLE_WIDTH * samples)

    def bridge(self, pcm: bytes, samples: int, following: bytes) -> bytes:
        """What stands between `pcm` and the audio `following`."""
        return self._conceals.bridge(self.heard(pcm), samples, following)

    def recover(self, codec: AudioCodec, payload: bytes, samples: int, last: int) -> bytes | None:
        """What is missing before a packet, by its codec, the `last` samples of it from the packet;
        None where the codec cannot.
        """
        own: Callable[[int], bytes] | None = getattr(codec, "conceal", None)
        if own is None:
            return None
        last = min(samples, last)
        piece = own(samples - last) if samples > last else b""
        recover = getattr(codec, "recover", None)
        if recover is None:
            return piece + own(last)
        try:
            recovered: bytes = recover(payload, last)
        except SIPPartyError:
            recovered = own(last)
        return piece + recovered

    def join(self, following: bytes) -> bytes:
        """The audio after a loss, as it is to be heard."""
        return self._conceals.join(following)
