"""Recordings of a line: what is heard, or that and what is sent, to files, memory and functions.

Laws:

* On the tick a frame is appended to a bounded queue, and no more. Files are written by one thread
  for all calls, in blocks; a user's sink or function has a thread of its own.
* Where what is written to is too slow, frames are left out, counted (`dropped`), and silence stands
  in their place: a recording keeps the time of the call.
* In stereo what is heard is on the left and what is sent on the right. Both go on by one frame a
  tick; a side that gave nothing for a while is silent for as long.
* A recording ends once, with one `outcome`, and its file is complete before those who wait wake.
  One that fails leaves what was written, as a valid file, and the call goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

from sipparty.concurrency.workers import Threads, Turns
from sipparty.errors import MediaError
from sipparty.media.events import RecordingFailed
from sipparty.media.frames import AudioFrame
from sipparty.media.handle import MediaHandle
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, loudness, prepare_rates, silence
from sipparty.media.recording.sides import Sides
from sipparty.media.recording.sinks import CallbackSink, Sink

if TYPE_CHECKING:
    from sipparty.media.recording.recorder import Recorder

__all__ = ["Recording", "RecordingOutcome"]

_log = logging.getLogger(__name__)

#: How a recording ended: it or its session was stopped; it is as long as it may be; nothing was
#: heard for as long as it was to wait; it could not be written.
RecordingOutcome: TypeAlias = Literal["stopped", "full", "silence", "failed"]

#: Frames that wait to be written before they are left out: 5 s of 20 ms, both ways.
MAX_WAITING: Final = 500
#: Frames that are written at once.
BLOCK: Final = 10
#: The root mean square below which sound is silence: -50 dBov.
QUIET: Final = 104

#: A frame that waits: its side, its samples or None where it was left out, how many, their rate.
_Waiting: TypeAlias = tuple[int, bytes | None, int, int]


class _Side:
    """The listener of one side of a recording."""

    __slots__ = ("_recording", "_side")

    def __init__(self, recording: Recording, side: int) -> None:
        self._recording = recording
        self._side = side

    def hear(self, frame: AudioFrame, /) -> None:
        """Take a frame."""
        self._recording.take(self._side, frame)


class Recording(MediaHandle["Recording"]):
    """A recording that goes on, or did; what `record` gives. Its verbs are called on any thread.

    Args:
        sink: Where it goes.
        recorder: Whose it is.
        threads: Where it is written; None on the tick.
        rate: Samples a second; None for those of the first frame.
        stereo: Whether what is sent is recorded too.
        max_silence: Seconds of silence after which it ends; None for never.

    Attributes:
        sink: Where it goes.
        state: "recording", "paused", or how it ended.
        error: Why it failed; None unless `outcome` is "failed".
        dropped: Seconds that were left out, because what it is written to is too slow.
    """

    OVER = frozenset(get_args(RecordingOutcome))
    STILL = "The recording to {} went on"

    def __init__(
        self,
        sink: Sink,
        recorder: Recorder,
        threads: Threads | None,
        *,
        rate: int | None,
        stereo: bool,
        max_silence: float | None,
    ) -> None:
        super().__init__(recorder, "recording")
        self.sink = sink
        self.dropped = 0.0
        self._recorder = recorder
        self._waiting: deque[_Waiting] = deque()
        self._left_out = [0, 0]
        self._turns = None if threads is None else Turns(threads, self._write_waiting)
        self._rate = rate or 0
        if rate is not None:
            prepare_rates()
        self._begun = False
        self._resamplers: list[Resampler | None] = [None, None]
        self._stereo = stereo
        self._sides: Sides | None = None
        self._max_silence = inf if max_silence is None else max_silence
        self._silent = 0.0
        self._ending: RecordingOutcome | None = None
        # Held where it is written: `stop` may come on another thread than the frames.
        self._writing = threading.RLock()
        # A function is given frames as they are; what else is given more at once.
        self._joins = not isinstance(sink, CallbackSink)
        self._joined = bytearray()
        self.listeners = [_Side(self, side) for side in range(1 + stereo)]

    # ---------------------------------------------------------------- what a user sees

    @property
    def name(self) -> str:
        """Where it goes, as errors name it."""
        return repr(self.sink)

    @property
    def path(self) -> Path | None:
        """The file; None where it goes to no file of its own."""
        return getattr(self.sink, "path", None)

    @property
    def seconds(self) -> float:
        """How much was written by now."""
        return cast(float, getattr(self.sink, "seconds", 0.0))

    @property
    def rate(self) -> int:
        """Samples a second; 0 before the first frame."""
        return self._rate

    @property
    def pcm(self) -> bytes:
        """The samples, of a recording to memory.

        Raises:
            MediaError: It goes elsewhere.
        """
        pcm = getattr(self.sink, "pcm", None)
        if pcm is None:
            raise MediaError(f"{self.name} keeps no samples.")
        return cast(bytes, pcm)

    @property
    def outcome(self) -> RecordingOutcome | None:
        """How it ended; None while it goes on."""
        return cast(RecordingOutcome, self.state) if self.done else None

    def pause(self) -> None:
        """Leave out what comes from now on; it takes no time in the recording."""
        if self.state == "recording":
            self.state = "paused"
            self._notify()

    def resume(self) -> None:
        """Record again."""
        if self.state == "paused":
            self.state = "recording"
            self._notify()

    def stop(self) -> Recording:
        """Finish it; the file is complete when `wait` or `await` comes back.

        Returns:
            Itself, as in `await recording.stop()`.
        """
        self._end("stopped")
        return self

    def _value(self) -> Recording:
        return self

    # ---------------------------------------------------------------- on the tick

    def begin(self) -> None:
        """Have what it is written to made."""
        if self._turns is not None:
            self._turns.ask()

    def take(self, side: int, frame: AudioFrame) -> None:
        """Take a frame of one side: 0 for what is heard, 1 for what is sent."""
        if self.state != "recording" or self._ending is not None:
            return
        waiting, samples, rate = self._waiting, frame.samples, frame.rate
        if self._turns is None:
            waiting.append((side, frame.pcm, samples, rate))
            self._write_waiting()
            return
        if len(waiting) >= MAX_WAITING:
            self._left_out[side] += samples
            self.dropped += samples / rate
        else:
            if self._left_out[side]:
                waiting.append((side, None, self._left_out[side], rate))
                self._left_out[side] = 0
            waiting.append((side, frame.pcm, samples, rate))
        if len(waiting) >= BLOCK:
            self._turns.ask()

    # ---------------------------------------------------------------- where it is written

    def start(self, rate: int) -> None:
        """Make what it is written to; before the first frame.

        Raises:
            MediaError: It cannot be made.
        """
        self._rate = self._rate or rate
        self._begun = True
        if isinstance(self.sink, CallbackSink) and self.sink.loop is None:
            self.sink.loop = self._recorder.loop
        self.sink.start(self._rate)
        if self._stereo:
            self._sides = Sides(self._rate)

    def _write_waiting(self) -> None:
        with self._writing:
            if self.done:
                return
            waiting = self._waiting
            ending = self._ending  # what comes after this is not waited for
            try:
                if not self._begun and self._recorder.rate:
                    self.start(self._recorder.rate)
                while waiting and self._ending in (None, "stopped"):
                    side, pcm, samples, rate = waiting.popleft()
                    if not self._begun:
                        self.start(rate)
                    pcm = silence(samples) if pcm is None else pcm
                    self._write(side, self._at_rate(side, pcm, rate))
                self._flush()
                if (ending := ending or self._ending) is not None:
                    for side, resampler in enumerate(self._resamplers):
                        if resampler is not None:
                            self._write(side, resampler.flush())
                    self._flush()
                    if self._sides is not None and (rest := self._sides.rest()):
                        self.sink.write(rest)
                    self.sink.close()
                    self._over(ending)
            except BaseException as error:
                self._fail(error)

    def _flush(self) -> None:
        if self._joined:
            pcm = bytes(self._joined)
            self._joined.clear()
            self.sink.write(pcm)
        if self._begun and self.seconds >= getattr(self.sink, "max_seconds", inf) - 1e-9:
            self._ending = self._ending or "full"

    def _at_rate(self, side: int, pcm: bytes, rate: int) -> bytes:
        if rate == self._rate:
            return pcm
        resampler = self._resamplers[side]
        if resampler is None or resampler.rate != rate:
            resampler = self._resamplers[side] = Resampler(rate, self._rate)
        return resampler.convert(pcm)

    def _write(self, side: int, pcm: bytes) -> None:
        seconds = len(pcm) / (SAMPLE_WIDTH * self._rate)
        if side == 0 and self._max_silence < inf:
            self._silent = 0.0 if loudness(pcm) >= QUIET else self._silent + seconds
        if self._sides is not None:
            pcm = self._sides.put(side, pcm)
        if pcm and self._joins:
            self._joined += pcm
        elif pcm:
            self.sink.write(pcm)
        if self._silent >= self._max_silence - 1e-9:
            self._ending = "silence"

    # ---------------------------------------------------------------- the end

    def _end(self, outcome: RecordingOutcome) -> None:
        if self._ending is None and not self.done:
            self._ending = outcome
            if self._turns is None:
                self._write_waiting()
            else:
                self._turns.ask()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, MediaError):
            _log.error(
                "In %s recording to %s failed.", self._recorder.name, self.name, exc_info=error
            )
            text = str(error) or type(error).__name__
            error = MediaError(f"Recording to {self.name} failed: {text.rstrip('.')}.")
        else:
            _log.warning("In %s recording failed: %s", self._recorder.name, error)
        try:
            self.sink.close()
        except BaseException as again:
            _log.info("Closing %s failed: %s", self.name, again)
        self.error = error
        self._over("failed")

    def _over(self, outcome: RecordingOutcome) -> None:
        self._recorder.forget(self)
        self._waiting.clear()
        self.state = outcome
        if self.error is not None:
            self._recorder.emit(RecordingFailed(self.sink, self.error))
        self._notify()

    def __repr__(self) -> str:
        return f"<Recording to {self.name}: {self.state}, {self.seconds:.2f} s>"
