"""Audio that a program sends in a call: what waits to be sent, and how who sends waits.

Laws:

* What is given is converted where it is given, once the rate of the line is known; the tick takes
  what there is.
* What waits is sent in order. Who sends has to wait for what is beyond the limit alone.
* A rest that is shorter than a frame is followed by silence. At the beginning it waits for a frame
  first: more may come in time.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from sipparty.concurrency.waiting import Portal, Waitable
from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler

__all__ = ["SendQueue", "Sending"]

#: Seconds of audio that may wait to be sent, whether anybody waits for it or not.
_MOST: Final = 3600.0
#: Less than a sample, in seconds.
_TINY: Final = 1e-6


class Sending(Waitable[None]):
    """Audio on its way: `await` it, or `wait(timeout)` in a thread, before more is sent.

    Waiting changes nothing: what was given is sent, whether anybody waits or not.
    """

    __slots__ = ()

    def __init__(self, portal: Portal | None) -> None:
        self.state = self._entered = "Waiting"
        self._portal = portal
        self._watchers = None

    def __repr__(self) -> str:
        return f"<Sending: {self.state}>"

    def settled(self, state: str) -> bool:
        """Whether there is nothing to wait for."""
        return state != "Waiting"

    def _outcome(self) -> None:
        if self.state == "Ended":
            raise MediaError("The media of the call is over.")

    def settle(self, state: str) -> None:
        """End the wait; for the queue."""
        self.state = state
        self._notify()


class SendQueue:
    """What waits to be sent; an `AudioInput`.

    Args:
        limit: Seconds of audio beyond which who sends waits.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        #: How often it ran empty.
        self.starved = 0
        #: The rate that frames were last asked for; 0 before the first.
        self.rate = 0
        self._lock = threading.Lock()  # of all below; held for moments
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._offset = 0  # octets of the first chunk that were taken
        self._ready = b""  # those of them that were not sent, at the line's rate
        self._seconds = 0.0
        # Who waits, and how much was put in with it, of all that ever was.
        self._senders: deque[tuple[float, Sending]] = deque()
        self._drains: list[Sending] = []
        self._put = self._taken = 0.0
        self._flowing = self._waited = self._ended = False
        # Of who sends, one at a time; the line has another one for what it must convert itself.
        self._converting = threading.Lock()
        self._resampler: Resampler | None = None
        self._late: Resampler | None = None

    @property
    def seconds(self) -> float:
        """How much waits."""
        return self._seconds

    def put(self, pcm: bytes, rate: int, sending: Sending) -> None:
        """Take audio.

        Raises:
            MediaError: There is no media any more.
            UsageError: Too much waits.
        """
        with self._converting:
            to_rate = self.rate
            if to_rate and rate != to_rate:
                resampler = self._resampler
                if resampler is None or (resampler.rate, resampler.to_rate) != (rate, to_rate):
                    resampler = self._resampler = Resampler(rate, to_rate)
                pcm, rate = resampler.convert(pcm), to_rate
            seconds = len(pcm) / (SAMPLE_WIDTH * rate)
            with self._lock:
                if self._ended:
                    raise MediaError("The media of the call is over: nothing can be sent.")
                if self._seconds + seconds > _MOST:
                    raise UsageError(
                        f"{self._seconds:.0f} s of audio wait already: await what send() returns."
                    )
                if pcm:
                    self._chunks.append((pcm, rate))
                self._seconds += seconds
                self._put += seconds
                if self._seconds > self.limit + _TINY:
                    self._senders.append((self._put - self.limit, sending))
                    return
        sending.settle("Queued")

    def drain(self, sending: Sending) -> None:
        """Settle it when nothing waits any more."""
        with self._lock:
            if (self._chunks or self._ready) and not self._ended:
                self._drains.append(sending)
                return
        sending.settle("Queued")

    def clear(self) -> float:
        """Drop what waits, and return how many seconds that was."""
        with self._lock:
            dropped = self._seconds
            settled = self._emptied()
            self._flowing = self._waited = False
            self._resampler = self._late = None
        for one in settled:
            one.settle("Cleared")
        return dropped

    def end(self) -> None:
        """Take nothing any more."""
        with self._lock:
            self._ended = True
            settled = self._emptied()
        for one in settled:
            one.settle("Ended")

    def _emptied(self) -> list[Sending]:
        settled = [*(sending for _, sending in self._senders), *self._drains]
        self._chunks.clear()
        self._senders.clear()
        self._drains.clear()
        self._offset = 0
        self._ready = b""
        self._seconds = self._put = self._taken = 0.0
        return settled

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """Return the next samples; None where none wait. The last are followed by silence."""
        self.rate = rate
        if not self._chunks and not self._ready:
            return None  # nearly always
        length = samples / rate
        with self._lock:
            if not self._flowing and not self._waited and self._seconds < length - _TINY:
                # More may come in time, so that there is no gap.
                self._waited = True
                return None
            self._flowing, self._waited = True, False
            pcm = self._take(samples, rate)
            self._taken += length
            self._seconds = max(0.0, self._seconds - length)
            settled = []
            if not self._chunks and not self._ready:
                self._flowing = False
                self.starved += 1
                settled = self._emptied()
            while self._senders and self._senders[0][0] <= self._taken + _TINY:
                settled.append(self._senders.popleft()[1])
        for one in settled:
            one.settle("Queued")
        return pcm.ljust(samples * SAMPLE_WIDTH, b"\0")

    def _take(self, samples: int, rate: int) -> bytes:
        wanted = samples * SAMPLE_WIDTH
        ready = self._ready
        while len(ready) < wanted and self._chunks:
            chunk, chunk_rate = self._chunks[0]
            end = self._offset + samples * chunk_rate // rate * SAMPLE_WIDTH
            piece = chunk[self._offset : end]
            self._offset = end
            if end >= len(chunk):
                self._chunks.popleft()
                self._offset = 0
            if chunk_rate != rate:
                # It was given before the rate of the line was known, or that has changed.
                late = self._late
                if late is None or (late.rate, late.to_rate) != (chunk_rate, rate):
                    late = self._late = Resampler(chunk_rate, rate)
                piece = late.convert(piece)
            ready += piece
        self._ready = ready[wanted:]
        return ready[:wanted]
