"""Audio of one call to be sent in another, and the sum of several.

Laws:

* Two calls may tick on two threads, and hear and send at rates and frame lengths of their own. A
  `Pipe` is in between: one side only adds, the other only takes, and neither waits.
* What waits in a pipe is bounded. What is too much is dropped, the oldest first; what lacks is
  nothing, and the line sends silence. Where one side is a little faster, what adds up is dropped a
  frame at a time, in a pause of speech if there is one.
* A sum is exact, and limited to 16 bits once, at its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, audioop, loudness

__all__ = ["Pipe", "mix_minus"]

#: Reads after which a pipe is looked at for what it has too much of.
_LOOK_EVERY: Final = 100
#: Reads that a surplus waits for a pause.
_PATIENCE: Final = 50
#: The loudness of a pause, in units of a sample: -50 dBov.
_PAUSE: Final = 104
#: Seconds in a frame, as a rule.
_FRAME: Final = 0.02


class Pipe:
    """What is heard in one call, to be sent in another: a `Listener` there, an `AudioInput` here.

    Args:
        most: How many frames wait at the most, 20 ms each as a rule; of shorter ones, as many as
            last as long, since the longest packets take more than `most` of the shortest.

    Attributes:
        dropped: Frames that were dropped, because too many waited.
        starved: How often there was not enough to be sent, after there was.
    """

    __slots__ = (
        *("_fewest", "_frames", "_most", "_reads", "_resampler", "_rest", "_running", "_surplus"),
        *("dropped", "starved"),
    )

    def __init__(self, most: int = 10) -> None:
        self._frames: deque[AudioFrame] = deque(maxlen=4 * most)
        self._most = most
        self._rest = b""
        self._resampler: Resampler | None = None
        self._running = False
        # Since when they were last looked at: reads, and the fewest frames that one has left.
        self._reads = 0
        self._fewest = most
        # Reads that a surplus has waited; None for no surplus.
        self._surplus: int | None = None
        self.dropped = 0
        self.starved = 0

    def hear(self, frame: AudioFrame, /) -> None:
        """Take a frame."""
        frames, most = self._frames, self._most
        if len(frames) >= most and len(frames) * frame.duration > _FRAME * (most - 0.5):
            self.dropped += 1
            try:
                frames.popleft()
            except IndexError:
                pass  # the other side has read meanwhile
        frames.append(frame)

    def clear(self) -> None:
        """Forget what waits."""
        self._frames.clear()
        self._rest = b""
        self._running = False

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """Return so many samples; None where there are not as many."""
        wanted = samples * SAMPLE_WIDTH
        rest = self._rest
        while len(rest) < wanted:
            try:
                frame = self._frames.popleft()
            except IndexError:
                self._rest = rest
                self.starved += self._running
                self._running = False
                self._look(-1)
                return None
            rest += self._converted(frame, rate)
        self._running = True
        self._rest = rest[wanted:]
        self._look(len(self._frames))
        return rest[:wanted]

    def _converted(self, frame: AudioFrame, rate: int) -> bytes:
        resampler = self._resampler
        if resampler is None or resampler.rate != frame.rate or resampler.to_rate != rate:
            if frame.rate == rate and resampler is None:
                return frame.pcm
            resampler = self._resampler = Resampler(frame.rate, rate)
        return resampler.convert(frame.pcm)

    def _look(self, left: int) -> None:
        """Note how many frames a read has left, and drop one where that is always too many."""
        self._fewest = min(self._fewest, left)
        self._reads += 1
        if self._surplus is not None and left > 0:
            self._surplus += 1
            quiet = loudness(self._frames[0].pcm) <= _PAUSE
            if quiet or self._surplus > _PATIENCE:
                self._surplus = None
                self._frames.popleft()
                self.dropped += 1
        if self._reads >= _LOOK_EVERY:
            if self._fewest >= 2:
                self._surplus = 0
            self._reads = 0
            self._fewest = left


def mix_minus(parts: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Add audio, and add it again for each part without that part.

    Args:
        parts: What is added: audio of one length and rate, at least one.

    Returns:
        The sum of all, and for each part the sum of the others.
    """
    module = audioop()
    if len(parts) == 1:
        return parts[0], [bytes(len(parts[0]))]
    # In 32 bits, with so many of them spare that the sum of all fits.
    spare = float(1 << (len(parts) - 1).bit_length())
    scale = 1 / spare
    wide = [module.mul(module.lin2lin(part, 2, 4), 4, scale) for part in parts]
    total = wide[0]
    for one in wide[1:]:
        total = module.add(total, one, 4)

    def narrow(pcm: bytes) -> bytes:
        limited: bytes = module.lin2lin(module.mul(pcm, 4, spare), 4, 2)
        return limited

    return narrow(total), [narrow(module.add(total, module.mul(one, 4, -1.0), 4)) for one in wide]
