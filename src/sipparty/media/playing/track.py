"""One playback on the tick: its feeds one after the other, its rounds, its loudness and its marks.

Laws:

* A frame is filled across the borders of feeds and rounds, without a gap.
* A feed that has nothing now is followed by silence to the end of the frame, counted; one that has
  ended, by the next. What lacks before the first sample, and after the last, is not counted.
* Loudness changes in ramps, never in steps: a stop and a pause take 5 ms.
"""

from __future__ import annotations

import array
import itertools
from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, attenuate
from sipparty.media.playing.feeding import DirectFeed, Feed
from sipparty.media.playing.fillers import PooledFeed
from sipparty.media.playing.playback import Outcome, Playback, Progress
from sipparty.media.settings import check_seconds

__all__ = ["SOFT", "Marks", "Track", "ramp"]

#: Seconds in which sound is brought to silence, where nothing else is asked for.
SOFT: Final = 0.005
#: Seconds of nothing after which a source is said to starve.
STARVED_AFTER: Final = 1.0

#: Seconds from the beginning, by name or as they are.
Marks = Mapping[str, float] | Iterable[float]


def ramp(pcm: bytes, begin: float, end: float) -> bytes:
    """The same audio, its loudness going evenly from one factor to another."""
    samples = array.array("h", pcm)
    step = (end - begin) / max(1, len(samples))
    return array.array(
        "h",
        [int(sample * (begin + n * step)) for n, sample in enumerate(samples)],
    ).tobytes()


def _marks(marks: Marks) -> list[tuple[float, str | float]]:
    found: list[tuple[float, str | float]]
    if isinstance(marks, Mapping):
        found = [(at, name) for name, at in marks.items()]
    elif isinstance(marks, Iterable):
        found = [(at, at) for at in marks]
    else:
        raise UsageError(f"marks={marks!r} is no list of seconds, nor names and their seconds.")
    for at, name in found:
        check_seconds(f"mark {name!r}", at, zero=True)
    return sorted(found, key=lambda one: one[0])


class Track:
    """What is played of one `play`.

    Args:
        feeds: What gives it, one after the other.
        loop: How many times to play it; None for ever.
        fade: Seconds in which it gets loud at its beginning, and silent at its end, or both the
            same.
        gain: What is added to its loudness, in decibels.
        marks: Where to report that it is there.

    Attributes:
        playback: The handle; set by the player.

    Raises:
        UsageError: It cannot be looped, or an option is out of its range.
    """

    def __init__(
        self,
        feeds: list[Feed],
        loop: int | None,
        fade: float | tuple[float, float],
        gain: float,
        marks: Marks,
    ) -> None:
        fades = fade if isinstance(fade, tuple) else (fade, fade)
        for seconds in fades:
            check_seconds("fade", seconds, zero=True)
        if loop is not None and (not isinstance(loop, int) or isinstance(loop, bool) or loop < 1):
            raise UsageError(f"loop={loop!r} is no number of times, from 1 on, nor None for ever.")
        if not isinstance(gain, int | float) or not -inf < gain <= 60:
            raise UsageError(f"gain={gain!r} is no number of decibels up to 60.")
        self.fade_in, self.fade_out = fades
        self._factor = 10 ** (gain / 20)
        self._marks = _marks(marks)
        # Whether there is nothing to do with samples but to send them.
        self._plain = not (self.fade_in or self.fade_out or gain or self._marks)
        self._feeds = feeds
        self._at = 0
        self._rounds = loop
        if loop != 1:
            for feed in feeds:
                if not isinstance(feed, DirectFeed | PooledFeed):
                    raise UsageError(f"{feed.name} cannot be looped: it is read only once.")
            if len(feeds) == 1 and isinstance(feeds[0], PooledFeed):
                feeds[0].again = None if loop is None else loop - 1
                self._rounds = 1
        parts = [feed.duration for feed in feeds]
        once = None if None in parts else sum(one for one in parts if one is not None)
        duration = None if once is None or loop is None else once * loop
        self.progress = Progress(duration, once)
        self.playback: Playback
        #: How it ended; None while it goes on.
        self.outcome: Outcome | None = None
        self.error: MediaError | None = None
        #: Whether the last frame lacked something.
        self.starving = False
        #: Marks that were reached and are not reported yet.
        self.reached: list[tuple[float, str | float]] = []
        #: Seconds of an underrun to report; 0 for none.
        self.to_report = 0.0
        self._gap = 0.0
        self._gave = False
        self._soft = False
        self._stop_at = inf
        self._stop_for = 0.0
        self._rest = b""
        self._resampler: Resampler | None = None

    def begin(self, rate: int) -> None:
        """Have the feed that is next filled, and the one after it."""
        for feed in itertools.islice(self._feeds, self._at, self._at + 2):
            if not feed.rate or isinstance(feed, DirectFeed):
                feed.begin(rate)

    def prime(self, rate: int) -> None:
        """Have the first block of a file read here and now."""
        first = self._feeds[0]
        if isinstance(first, PooledFeed):
            first.prime(rate)
        elif first.rate and first.rate != rate:
            self._resampler = Resampler(first.rate, rate)

    def read(self, samples: int, rate: int) -> bytes:
        """The next samples; fewer where there are no more now, or no more ever (`outcome`)."""
        progress = self.progress
        piece = None
        if self._plain and not (self._soft or self._gap or self._rest or self._stop_at < inf):
            # As it is nearly always: the same in fewer steps.
            feed = self._feeds[self._at]
            if feed.rate == rate:
                piece = feed.take(samples)
                if len(piece) == samples * SAMPLE_WIDTH and not feed.ended:
                    progress.seconds += samples / rate
                    self._gave = True
                    self.starving = False
                    return piece
        pcm = self._gather(samples, rate, piece)
        if not pcm:
            given = 0
        else:
            given = len(pcm) // SAMPLE_WIDTH
            begin = progress.seconds
            end = progress.seconds = begin + given / rate
            if self._factor != 1:
                pcm = attenuate(pcm, self._factor)
            if self._soft:
                self._soft = False
                pcm = self._softly(pcm, rate)
            levels = self._level(begin), self._level(end)
            if levels != (1.0, 1.0):
                pcm = ramp(pcm, *levels)
            if end >= self._stop_at + self._stop_for:
                self.outcome = "stopped"
            self._gap = 0.0
        self._pass_marks()
        self.starving = given < samples and self.outcome is None
        if self.starving:
            self._starve((samples - given) / rate)
        elif self._gap and self.outcome is not None and not given:
            # What lacked was the end.
            progress.underruns -= bool(progress.seconds)
            progress.starved -= self._gap if progress.seconds else 0.0
        return pcm

    def _gather(self, samples: int, rate: int, piece: bytes | None) -> bytes:
        """Samples as they come, across the borders of feeds; the first piece may be there."""
        pcm = b""
        while (missing := samples - len(pcm) // SAMPLE_WIDTH) > 0:
            feed = self._feeds[self._at]
            if not feed.rate:
                self.begin(rate)
            if piece is None:
                piece = self._take(feed, missing, rate)
            pcm = pcm + piece if pcm else piece
            self._gave = self._gave or bool(piece)
            piece = None
            if not feed.ended or self._rest:
                break
            if feed.error is not None:
                self.outcome, self.error = "failed", feed.error
                break
            self._go_on(rate)
            if self.outcome is not None:
                break
        return pcm

    def _take(self, feed: Feed, samples: int, rate: int) -> bytes:
        if feed.rate == rate and not self._rest:
            return feed.take(samples)
        resampler = self._resampler
        if resampler is None or (resampler.rate, resampler.to_rate) != (feed.rate, rate):
            resampler = self._resampler = Resampler(feed.rate, rate)
        octets = samples * SAMPLE_WIDTH
        while len(self._rest) < octets:
            missing = samples - len(self._rest) // SAMPLE_WIDTH
            piece = feed.take(-(-missing * feed.rate // rate))
            if piece:
                self._rest += resampler.convert(piece)
            if feed.ended:
                self._rest += resampler.flush()
            if not piece:
                break
        pcm, self._rest = self._rest[:octets], self._rest[octets:]
        return pcm

    def _go_on(self, rate: int) -> None:
        """Go to the next feed, or round; or end."""
        feed = self._feeds[self._at]
        last = self._at == len(self._feeds) - 1
        self._resampler = None
        if self._rounds == 1 or (last and not self._gave):
            if last:
                self.outcome = "ended"
                return
        else:
            feed.rewind()
        self._at = 0 if last else self._at + 1
        if last:
            self._gave = False
            if self._rounds is not None:
                self._rounds -= 1
        self.begin(rate)

    # Loudness.

    def _level(self, at: float) -> float:
        """The loudness at a place, from 0 to 1."""
        level = 1.0
        if at < self.fade_in:
            level = at / self.fade_in
        if self.fade_out and self.progress.duration is not None:
            level = min(level, max(0.0, (self.progress.duration - at) / self.fade_out))
        if at > self._stop_at:
            level = min(level, max(0.0, 1 - (at - self._stop_at) / self._stop_for))
        return level

    def _softly(self, pcm: bytes, rate: int) -> bytes:
        octets = int(SOFT * rate) * SAMPLE_WIDTH
        return ramp(pcm[:octets], 0.0, 1.0) + pcm[octets:]

    def fade_away(self, seconds: float) -> None:
        """Get silent in so many seconds, and end then."""
        if self._stop_at == inf:
            self._stop_at, self._stop_for = self.progress.seconds, seconds

    def cut(self, rate: int) -> bytes:
        """The next 5 ms, brought to silence: what follows is no click."""
        if not self.progress.seconds or self.starving:
            return b""
        self._soft = True
        soft, self._soft = self._soft, False
        pcm = ramp(self.read(int(SOFT * rate), rate), 1.0, 0.0)
        self._soft = soft
        return pcm

    # What is counted and reported.

    def _pass_marks(self) -> None:
        marks = self._marks
        # What is sent adds up from frames; a mark at its end is not reached before what follows.
        seconds = self.progress.seconds + (1e-9 if self.outcome == "ended" else -1e-9)
        while marks and marks[0][0] < seconds:
            self.reached.append(marks.pop(0))

    def _starve(self, seconds: float) -> None:
        progress = self.progress
        if progress.seconds:
            if not self._gap:
                progress.underruns += 1
            progress.starved += seconds
        before, self._gap = self._gap, self._gap + seconds
        if before < STARVED_AFTER <= self._gap + 1e-9:
            self.to_report = self._gap

    def close(self) -> None:
        """Let go of everything."""
        for feed in self._feeds:
            feed.close()
