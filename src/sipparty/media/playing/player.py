"""What is sent on a line: what is played, one after the other, and silence where there is nothing.

Laws:

* `next_frame` is called on the tick. It moves samples from queues, calls no user's code, reads no
  file, and waits for nobody.
* A source that ends within a frame is followed by the next one, or by silence to the end of the
  frame. One that lacks samples is followed by silence, and goes on when it has some.
* What breaks is ended with the outcome "failed". The stream goes on, and so does what is queued.
* All that was given to the player is closed, once it is over or replaced; events are emitted after
  the frame is made.
* Verbs are called on any thread. What they are given is looked at on the caller's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipparty.concurrency.waiting import Portal, verb
from sipparty.concurrency.workers import READERS, LoopThreads, Threads
from sipparty.errors import UsageError
from sipparty.media.events import MarkReached, PlaybackEnded, PlaybackStarted, SourceStarved
from sipparty.media.pcm import SAMPLE_WIDTH, audioop
from sipparty.media.playing.playback import Outcome, Playback
from sipparty.media.playing.track import Marks, Track
from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.media.playing.playable import Playable

__all__ = ["Player"]

_log = logging.getLogger(__name__)


class Player:
    """What plays on a line.

    Args:
        emit: Takes the events, on the thread that plays: `PlaybackStarted`, `MarkReached`,
            `SourceStarved`, `PlaybackEnded`.
        threads: Where files and users' sources are read.

    Attributes:
        portal: Access to its thread; None where that is not known yet, or callers are on it.
        loop: Where coroutines are run that were given elsewhere; None for nowhere yet.
        name: The call, as logs name it.
        playback: What is played, or was last; None before the first.
        rate: Samples a second of what is sent, as far as is known; 0 before.
    """

    def __init__(self, emit: Callable[[MediaEvent], None], threads: Threads = READERS) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.name = "a call"
        self.playback: Playback | None = None
        self.rate = 0
        self._emit = emit
        self._threads = LoopThreads(lambda: self.loop, threads)
        self.portal: Portal | None = None
        self._track: Track | None = None
        self._queue: deque[Track] = deque()
        #: The end of what was stopped or paused, brought to silence.
        self._tail = b""
        self._closed = False

    def _tracks(self) -> list[Track]:
        return [*([] if self._track is None else [self._track]), *self._queue]

    # ---------------------------------------------------------------- verbs

    def play(
        self,
        what: Playable,
        *,
        queue: bool = False,
        loop: int | None = 1,
        fade: float | tuple[float, float] = 0.0,
        gain: float = 0.0,
        rate: int | None = None,
        marks: Marks = (),
    ) -> Playback:
        """Play something, from the next frame on.

        Args:
            what: See `sipparty.media.playing.playable`.
            queue: Whether to play it after what is there, rather than in its place.
            loop: How many times to play it; None for ever.
            fade: Seconds in which it gets loud at its beginning, and silent at its end (where its
                length is known) and when it is stopped; one number, or two.
            gain: What is added to its loudness, in decibels; less than 0 makes it quieter.
            rate: Samples a second, where what is played does not say so.
            marks: Seconds of media time, or names of such, at which `MarkReached` is emitted.

        Raises:
            MediaError: A file cannot be played.
            UsageError: It is none of what can be played, an option is out of its range, or the
                session was stopped.
        """
        self._check_open()
        from sipparty.media.playing.playable import feeds_of  # loaded when something is played

        feeds = feeds_of(what, rate, self._threads, lambda: self.loop)
        try:
            track = Track(feeds, loop, fade, gain, marks)
        except BaseException:
            for feed in feeds:
                feed.close()
            raise
        playback = track.playback = Playback(what, self, track.progress)
        if self.rate and not queue:
            track.prime(self.rate)
        self._put(track, queue)
        return playback

    @verb
    def _put(self, track: Track, queue: bool) -> None:
        if self._closed:
            track.close()
        self._check_open()
        if not queue:
            self._end_all("replaced")
        if self.rate:
            track.begin(self.rate)
        if self._track is None:
            self._use(track)
        else:
            self._queue.append(track)

    @verb
    def pause(self, playback: Playback) -> None:
        """Send silence in its place."""
        track = self._track
        if track is not None and track.playback is playback and playback.state == "playing":
            self._cut(track)
        if playback.state in ("playing", "waiting"):
            playback.enter("paused")

    @verb
    def resume(self, playback: Playback) -> None:
        """Go on with it."""
        if playback.state == "paused":
            playback.enter("playing" if playback.heard else "waiting")

    @verb
    def stop(self, playback: Playback, fade: float | None = None) -> None:
        """Stop one playback; see `Playback.stop`."""
        for track in self._tracks():
            if track.playback is playback:
                seconds = track.fade_out if fade is None else fade
                if seconds and track is self._track and playback.state == "playing":
                    track.fade_away(seconds)
                    return
                if track is self._track:
                    self._cut(track)
                self._finish(track, "stopped")
                return

    @verb
    def end(self, outcome: Outcome = "stopped") -> None:
        """End what is played, and all that is queued."""
        self._end_all(outcome)

    @verb
    def close(self) -> None:
        """End everything, and play nothing more."""
        self._closed = True
        self._end_all("stopped")

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(
                "The media session was stopped, or its call is over: nothing can be played."
            )

    def _end_all(self, outcome: Outcome) -> None:
        if self._track is not None:
            self._cut(self._track)
        # The last first: the end of one would begin the next.
        for track in reversed(self._tracks()):
            self._finish(track, outcome)

    # ---------------------------------------------------------------- on the tick

    def begin(self, rate: int) -> None:
        """Fill queues from now on, for frames of this rate."""
        self.rate = rate
        for track in self._tracks():
            track.begin(rate)

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """The next samples to send; None where nothing is played."""
        if rate != self.rate:
            self.begin(rate)
        track = self._track
        if track is None:
            return self._ended(b"", samples) if self._tail else None
        pcm = b""
        reports: list[Track] = []
        while track is not None and track.playback.state != "paused":
            piece = track.read(samples - len(pcm) // SAMPLE_WIDTH, rate)
            pcm = pcm + piece if pcm else piece
            if (
                track.reached
                or track.to_report
                or track.playback.state == "waiting"
                or track.outcome
            ):
                reports.append(track)
            if track.outcome is None:
                break
            self._track = None
            if self._queue:
                self._use(self._queue.popleft())
            track = self._track
        if self._tail or len(pcm) < samples * SAMPLE_WIDTH:
            pcm = self._ended(pcm, samples)
        for track in reports:
            self._report(track)
        return pcm or None

    def _ended(self, pcm: bytes, samples: int) -> bytes:
        """A frame with silence at its end, and with the tail of what was stopped."""
        tail, self._tail = self._tail, b""
        octets = samples * SAMPLE_WIDTH
        if pcm or tail:
            pcm = pcm.ljust(octets, b"\0")
        if tail:
            pcm = audioop().add(pcm, tail[:octets].ljust(octets, b"\0"), SAMPLE_WIDTH)
        return pcm

    def _use(self, track: Track) -> None:
        self._track = track
        self.playback = track.playback
        if self.rate:
            track.begin(self.rate)

    def _cut(self, track: Track) -> None:
        if track.playback.state == "playing" and self.rate:
            self._tail = track.cut(self.rate)
            if track.outcome is not None:
                self._track = None
                self._report(track)
                if self._queue:
                    self._use(self._queue.popleft())

    def _report(self, track: Track) -> None:
        """Emit what has happened to it."""
        playback = track.playback
        if playback.state == "waiting" and track.progress.seconds:
            playback.enter("playing")
            self._emit(PlaybackStarted(playback))
        if track.to_report:
            seconds, track.to_report = track.to_report, 0.0
            _log.warning(
                "In %s %s has had nothing to play for %g s.", self.name, playback.name, seconds
            )
            self._emit(SourceStarved(playback, seconds))
        while track.reached:
            at, mark = track.reached.pop(0)
            self._emit(MarkReached(playback, mark, at))
        if track.outcome is not None:
            if track.error is not None:
                _log.warning("In %s playing %s failed: %s", self.name, playback.name, track.error)
            self._finish(track, track.outcome)

    def _finish(self, track: Track, outcome: Outcome) -> None:
        """End it, once."""
        playback: Any = track.playback
        if track is self._track:
            self._track = None
            if self._queue:
                self._use(self._queue.popleft())
        elif track in self._queue:
            self._queue.remove(track)
        if playback.done:
            return
        track.close()
        playback.finish(outcome, track.error, lambda: self._emit(PlaybackEnded(playback)))
