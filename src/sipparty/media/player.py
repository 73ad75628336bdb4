"""What a session plays and records: one source and one sink at a time, at any rates.

Laws:

* Frames are asked for and given at the stream's rate; sources and sinks have their own, and the
  player converts.
* A source that ends within a frame is followed by silence to the end of the frame.
* What breaks is ended: the source with the outcome "failed", the sink closed. The stream goes on.
* Every source and sink that was given to the player is closed, once it is over or replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sipparty.errors import MediaError
from sipparty.media.events import PlaybackEnded, RecordingFailed
from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler
from sipparty.media.playback import Outcome, Playback
from sipparty.media.sinks import Sink
from sipparty.media.sources import Resampled, Source
from sipparty.sip.events import MediaEvent

__all__ = ["Player"]

_log = logging.getLogger(__name__)


class Player:
    """One player and one recorder.

    Args:
        emit: Takes the events: `PlaybackEnded`, `RecordingFailed`.

    Attributes:
        playback: What is played, or was last; None before the first.
        sink: Where is recorded to; None for nowhere.
        waiting: Where will be recorded to once the rate is known; None for nowhere.
    """

    __slots__ = ("_emit", "_feed", "_rate", "_resampler", "playback", "sink", "waiting")

    def __init__(self, emit: Callable[[MediaEvent], None]) -> None:
        self._emit = emit
        self.playback: Playback | None = None
        self.sink: Sink | None = None
        self.waiting: Sink | None = None
        self._feed: Source | None = None
        self._rate = 0
        self._resampler: Resampler | None = None

    # Playing.

    def play(self, playback: Playback) -> None:
        """Play another source from the next frame on."""
        self.end("replaced")
        self.playback = playback
        self._feed = None

    def end(self, outcome: Outcome, error: MediaError | None = None) -> None:
        """End what is played, if something is."""
        playback = self.playback
        if playback is not None and not playback.done:
            # The event first: who waits finds it reported.
            self._feed = None
            playback.finish(outcome, error, lambda: self._emit(PlaybackEnded(playback)))

    def next_frame(self, samples: int, rate: int) -> bytes | None:
        """The next samples to send; None where nothing is played."""
        playback = self.playback
        if playback is None or playback.done:
            return None
        try:
            feed = self._feed
            if feed is None or feed.rate != rate:
                source = playback.source
                feed = self._feed = source if source.rate == rate else Resampled(source, rate)
            pcm = feed.read(samples)
            if len(pcm) > samples * SAMPLE_WIDTH or len(pcm) % SAMPLE_WIDTH:
                raise MediaError(
                    f"{playback.source!r} gave {len(pcm)} octets where {samples} samples "
                    f"of {SAMPLE_WIDTH} octets were asked for."
                )
        except MediaError as error:
            _log.warning("Playing %r failed: %s", playback.source, error)
            self.end("failed", error)
            return None
        except Exception as error:
            _log.exception("Playing %r failed.", playback.source)
            self.end("failed", MediaError(f"Playing {playback.source!r} failed: {error}."))
            return None
        missing = samples * SAMPLE_WIDTH - len(pcm)
        if missing > 0:
            self.end("ended")
            return pcm + bytes(missing) if pcm else None
        return pcm

    # Recording.

    def record(self, sink: Sink | None, rate: int) -> None:
        """Record to another sink from now on, or to none.

        Raises:
            MediaError: It cannot be started; nothing has changed.
        """
        if sink is not None:
            sink.start(rate)
        self.close_sink()
        self.sink = sink
        self._rate = rate
        self._resampler = None

    def begin(self, rate: int) -> None:
        """Record to what has waited for the rate, if something has."""
        sink, self.waiting = self.waiting, None
        if sink is None:
            return
        try:
            self.record(sink, rate)
        except MediaError as error:
            _log.warning("Recording to %r failed: %s", sink, error)
            self._emit(RecordingFailed(sink, error))

    def hear(self, frame: AudioFrame, /) -> None:
        """Record a frame, where something is recorded."""
        sink, pcm, rate = self.sink, frame.pcm, frame.rate
        if sink is None:
            return
        try:
            if rate != self._rate:
                if self._resampler is None or self._resampler.rate != rate:
                    self._resampler = Resampler(rate, self._rate)
                pcm = self._resampler.convert(pcm)
            sink.write(pcm)
        except MediaError as error:
            _log.warning("Recording to %r failed: %s", sink, error)
            self._fail(sink, error)
        except Exception as error:
            _log.exception("Recording to %r failed.", sink)
            self._fail(sink, MediaError(f"Recording to {sink!r} failed: {error}."))

    def _fail(self, sink: Sink, error: MediaError) -> None:
        self._resampler = None
        self.close_sink()
        self._emit(RecordingFailed(sink, error))

    def close_sink(self) -> None:
        """Finish the recording, if there is one."""
        sink, self.sink = self.sink, None
        if sink is None:
            return
        try:
            try:
                rest = b"" if self._resampler is None else self._resampler.flush()
                if rest:
                    sink.write(rest)
            finally:
                sink.close()
        except Exception as error:
            failure = error if isinstance(error, MediaError) else MediaError(str(error))
            _log.warning("Finishing the recording to %r failed: %s", sink, error)
            self._emit(RecordingFailed(sink, failure))
