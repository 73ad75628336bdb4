"""Feeds: what a player reads on the tick, and what fills them elsewhere.

Laws:

* `take` never blocks and never runs a user's code. It gives what there is, at most what was asked
  for. Less is the end only where `ended` says so.
* The library's own sources that compute cheaply are read on the tick: those whose class itself says
  `immediate = True`. A class that derives from one and does not say so is a user's.
* Files are read by a few shared threads, in blocks, whenever little is left.
* What is a user's runs on a thread of its own, or as a task of its own. It waits while the queue is
  full; one that hangs holds up itself alone, and is left to itself when its playback is over.
* A source without `live` ends with the first read of nothing. With `live = True`, fewer samples and
  none mean that there are no more now, and None that there are no more ever.
* A feed is begun once and closed once; its source is closed where it is read, after the last read.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final, Protocol

from sipparty.errors import MediaError, SIPPartyError
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, Samples, pcm_of
from sipparty.media.playing.sources import Source

__all__ = ["DirectFeed", "Feed", "QueueFeed", "failure"]

_log = logging.getLogger(__name__)

#: Seconds of sound that a queue holds before who fills it waits.
HIGH_WATER: Final = 0.6
#: Seconds of sound below which a queue is to be filled.
LOW_WATER: Final = 0.3
#: The same of what is live.
LIVE_HIGH: Final = 0.06
LIVE_LOW: Final = 0.04


class Feed(Protocol):
    """What a player reads on the tick."""

    #: What errors and logs call it.
    name: str
    #: Seconds of sound in it; None where that is not known, or it has no end.
    duration: float | None

    @property
    def rate(self) -> int:
        """Samples a second of what `take` gives, from `begin` on."""

    @property
    def ended(self) -> bool:
        """Whether all that it will ever give was taken."""

    @property
    def error(self) -> MediaError | None:
        """What broke it."""

    def begin(self, rate: int) -> None:
        """Have it filled from now on.

        Args:
            rate: Samples a second that will be wanted, as far as is known.
        """

    def take(self, samples: int) -> bytes:
        """What there is, at most so many samples."""

    def rewind(self) -> bool:
        """Start it again from its beginning; give whether that can be."""

    def close(self) -> None:
        """Nothing more is taken; on any thread."""


def failure(name: str, error: BaseException) -> MediaError:
    """What broke a source, as an error of media; a defect of a user's is logged with its place."""
    if isinstance(error, MediaError):
        return error
    if not isinstance(error, SIPPartyError):
        _log.error("Playing %s failed.", name, exc_info=error)
    text = str(error) or type(error).__name__
    return MediaError(f"Playing {name} failed: {text.rstrip('.')}.")


class DirectFeed:
    """A source of the library's own, read on the tick.

    Args:
        source: What is read.
    """

    def __init__(self, source: Source) -> None:
        self.name = repr(source)
        self.duration: float | None = getattr(source, "duration", None)
        self.ended = False
        self.error: MediaError | None = None
        self._source = source

    @property
    def rate(self) -> int:
        """Samples a second, the source's."""
        return self._source.rate

    def begin(self, rate: int) -> None:
        """Do nothing: it is there."""

    def take(self, samples: int) -> bytes:
        """The next samples of the source."""
        try:
            pcm = self._source.read(samples)
            if len(pcm) > samples * SAMPLE_WIDTH or len(pcm) % SAMPLE_WIDTH:
                raise MediaError(
                    f"{self.name} gave {len(pcm)} octets where {samples} samples "
                    f"of {SAMPLE_WIDTH} octets were asked for."
                )
        except Exception as error:
            self.error = failure(self.name, error)
            self.ended = True
            return b""
        if len(pcm) < samples * SAMPLE_WIDTH:
            self.ended = True
        return pcm

    def rewind(self) -> bool:
        """Start the source again, where it can."""
        again = getattr(self._source, "rewind", None)
        if again is None:
            return False
        again()
        self.ended = False
        return True

    def close(self) -> None:
        """Close the source."""
        try:
            self._source.close()
        except Exception:
            _log.exception("Closing %s failed.", self.name)


class QueueFeed:
    """A bounded queue of samples; one thread puts, another takes.

    Args:
        name: What errors and logs call what fills it.
        rate: Samples a second of what is put, where it does not say so itself; None where it must.

    Attributes:
        given_rate: That rate.
        closed: Whether nobody takes any more.
    """

    duration: float | None = None

    def __init__(self, name: str, rate: int | None) -> None:
        self.name = name
        self.error: MediaError | None = None
        self.given_rate = rate
        self._rate = 0
        self._blocks: deque[bytes] = deque()
        self._at = 0
        # Octets; each is written by one side alone.
        self._put = 0
        self._taken = 0
        self._low = self._high = 0
        self._over = False
        self._odd = b""
        self._resampler: Resampler | None = None
        #: Whether who fills it waits to be woken.
        self._waiting = False
        self.closed = False

    @property
    def rate(self) -> int:
        """Samples a second of what is taken; 0 before it is begun."""
        return self._rate

    @property
    def ended(self) -> bool:
        """Whether all was put, and all was taken."""
        return self._over and self._put == self._taken

    # Taking.

    def begin(self, rate: int) -> None:
        """Have it filled, with samples of this rate."""
        if not self._rate:
            self._rate = rate
            self._low = int(LOW_WATER * rate) * SAMPLE_WIDTH
            self._high = int(HIGH_WATER * rate) * SAMPLE_WIDTH
            self._fill()

    def take(self, samples: int) -> bytes:
        """What there is, at most so many samples."""
        wanted = samples * SAMPLE_WIDTH
        blocks = self._blocks
        taken = b""
        while wanted and blocks:
            block = blocks[0]
            piece = block[self._at : self._at + wanted]
            self._at += len(piece)
            if self._at == len(block):
                blocks.popleft()
                self._at = 0
            wanted -= len(piece)
            taken = taken + piece if taken else piece
        self._taken += len(taken)
        if self._waiting and self._put - self._taken < self._low:
            self._waiting = False
            self._refill()
        return taken

    def rewind(self) -> bool:
        """Give False: what was taken is gone."""
        return False

    def close(self) -> None:
        """Take nothing more, and have who fills it end."""
        self.closed = True

    # Filling.

    def follow(self) -> None:
        """Hold little: it is filled as time goes by, and what waits would come late."""
        self._low = int(LIVE_LOW * self._rate) * SAMPLE_WIDTH
        self._high = int(LIVE_HIGH * self._rate) * SAMPLE_WIDTH

    def _fill(self) -> None:
        """Begin to fill it; on the thread of `begin`."""
        raise NotImplementedError

    def _refill(self) -> None:
        """Wake who fills it; on the tick."""
        raise NotImplementedError

    def _is_full(self) -> bool:
        """Whether to wait; who does is woken when little is left."""
        if self.closed or self._put - self._taken < self._high:
            return False
        self._waiting = True
        # What was taken just before that may have been the last that is.
        if self._put - self._taken < self._low:
            self._waiting = False
            return False
        return True

    def pause(self, seconds: float) -> None:
        """Wait, on the thread that fills it, or until it is closed."""
        raise NotImplementedError

    def put(self, piece: Samples) -> None:
        """Append what a user or a file gave.

        Raises:
            MediaError: Nobody says of what rate it is.
            UsageError: It holds no samples.
        """
        pcm, rate = pcm_of(piece)
        rate = rate or self.given_rate
        if rate is None:
            raise MediaError(f"{self.name} gave samples of no known rate: play it with rate=.")
        if self._odd or len(pcm) % SAMPLE_WIDTH:
            pcm = self._odd + pcm
            even = len(pcm) - len(pcm) % SAMPLE_WIDTH
            pcm, self._odd = pcm[:even], pcm[even:]
        if rate != self._rate and pcm:
            resampler = self._resampler
            if resampler is None or resampler.rate != rate:
                resampler = self._resampler = Resampler(rate, self._rate)
            pcm = resampler.convert(pcm)
        if pcm:
            self._blocks.append(pcm)
            self._put += len(pcm)

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more is put."""
        if error is not None and not self.closed:
            self.error = failure(self.name, error)
        if self._resampler is not None and (rest := self._resampler.flush()):
            self._blocks.append(rest)
            self._put += len(rest)
        self._over = True
