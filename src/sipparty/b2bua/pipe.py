"""Sound from one call to another, where media goes through the B2BUA."""

from __future__ import annotations

from collections import deque

__all__ = ["Pipe"]


class Pipe:
    """What is heard in one call, to be played in another: a `Sink` there and a `Source` here.

    Both sides have a clock of their own. What is too much is dropped, the oldest first; what lacks
    is silence.

    Args:
        rate: Samples a second of both.
    """

    #: Blocks that wait to be played, of 20 ms as a rule.
    MAX_BLOCKS = 10

    def __init__(self, rate: int = 8000) -> None:
        self._rate = rate
        self._blocks: deque[bytes] = deque(maxlen=self.MAX_BLOCKS)
        self._rest = b""

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    def start(self, rate: int, /) -> None:
        """Take the rate of what will be written."""
        self._rate = rate

    def write(self, pcm: bytes, /) -> None:
        """Take sound."""
        self._blocks.append(pcm)

    def read(self, samples: int, /) -> bytes:
        """Give as many samples, those that lack as silence."""
        wanted = 2 * samples
        while len(self._rest) < wanted and self._blocks:
            self._rest += self._blocks.popleft()
        given, self._rest = self._rest[:wanted], self._rest[wanted:]
        return given.ljust(wanted, b"\0")

    def close(self) -> None:
        """Do nothing: the other side may go on."""
