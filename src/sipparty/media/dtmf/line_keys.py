"""Keys on a line: as telephone events of its stream, or as tones before its other inputs; and tones
that are found in what it hears.

Laws:

* What is asked for here is posted to the line's thread, and what is called back is called there.
* Tones are looked for on a thread of their own, one for all calls: a frame costs the tick no more
  than a queue. Where that thread falls behind, the oldest frames are lost.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final

from sipparty.media.dtmf.detector import ToneDetector
from sipparty.media.dtmf.keys import Press
from sipparty.media.dtmf.tones import ToneSender
from sipparty.media.frames import AudioFrame
from sipparty.media.inputs import RankedInputs

__all__ = ["ToneInput", "ToneListener", "cancel_keys", "send_events", "send_tones"]

_log = logging.getLogger(__name__)

#: The rank of tones among the inputs of a line: before all others.
_KEYS: Final = 50

#: Frames that wait to be looked at, at most: a second of the shortest ones.
_MAX_WAITING: Final = 100
#: Frames that are looked at together: 40 ms, as a rule.
_TOGETHER: Final = 2
#: Seconds without work after which the thread ends.
_LINGER: Final = 0.25


def send_events(
    line: Any, presses: Sequence[Press], done: Callable[[], object], failed: Callable[[], object]
) -> None:
    """Send keys as telephone events of a line.

    Args:
        line: The line.
        presses: The keys and pauses.
        done: Called when all were sent.
        failed: Called instead where they cannot be.
    """

    def send() -> None:
        if line.stream is None:
            failed()
        else:
            line.stream.keys.send(presses, done, failed)

    line.media_loop.post(send)


def send_tones(line: Any, presses: Sequence[Press], done: Callable[[], object]) -> None:
    """Send keys as tones, in the place of what a line would send; as `send_events`."""

    def send() -> None:
        inputs = RankedInputs.of(line)
        if line.tones is None:
            line.tones = ToneInput(inputs)
        line.tones.queue(presses, done)
        inputs.add(line.tones, _KEYS)

    line.media_loop.post(send)


def cancel_keys(line: Any, done: Callable[[], object]) -> None:
    """Send no more of the keys that were given with `done`."""

    def cancel() -> None:
        if line.stream is not None:
            line.stream.keys.cancel(done)
        if line.tones is not None:
            line.tones.cancel(done)

    line.media_loop.post(cancel)


class ToneInput(ToneSender):
    """Tones as an input of a line, while there are any.

    Args:
        inputs: The inputs of the line.
    """

    __slots__ = ("_inputs",)

    def __init__(self, inputs: RankedInputs) -> None:
        super().__init__()
        self._inputs = inputs

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """The next samples to send; None after the last, and then other inputs are asked."""
        frame = super().next_frame(samples, rate)
        if frame is None:
            self._inputs.remove(self)
        return frame


class ToneListener:
    """Finds keys in what a line hears.

    Args:
        emit: Takes `DigitReceived` and `DigitEnded`, on another thread.

    Attributes:
        dropped: Frames that were lost, as they were too many.
    """

    __slots__ = ("_detector", "_emit", "_frames", "dropped")

    def __init__(self, emit: Callable[[Any], object]) -> None:
        self._emit = emit
        self._frames: deque[AudioFrame] = deque(maxlen=_MAX_WAITING)
        self._detector: ToneDetector | None = None
        self.dropped = 0

    def hear(self, frame: AudioFrame, /) -> None:
        """Take the next frame."""
        frames = self._frames
        self.dropped += len(frames) == _MAX_WAITING
        frames.append(frame)
        if not len(frames) % _TOGETHER:
            _worker.give(self)

    def work(self) -> None:
        """Look at the frames that wait."""
        frames = self._frames
        while frames:
            frame = frames.popleft()
            detector = self._detector
            if detector is None or detector.rate != frame.rate:
                for event in () if detector is None else detector.finish():
                    self._emit(event)
                detector = self._detector = ToneDetector(frame.rate)
            for event in detector.hear(frame.pcm):
                self._emit(event)


class _Worker:
    """The thread that looks for tones; it is there while there is something to look at."""

    def __init__(self) -> None:
        self._given: SimpleQueue[ToneListener] = SimpleQueue()
        self._lock = threading.Lock()
        self._running = False

    def give(self, listener: ToneListener) -> None:
        """Have a listener's frames looked at soon."""
        self._given.put(listener)
        if not self._running:
            with self._lock:
                if not self._running:
                    self._running = True
                    threading.Thread(target=self._work, name="sipparty-tones", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                self._given.get(timeout=_LINGER).work()
            except Exception as error:
                if not isinstance(error, Empty):
                    # The thread is for all calls, and outlives what one of them breaks.
                    _log.exception("Tones of a call were not looked for.")
                    continue
                with self._lock:
                    if self._given.empty():
                        self._running = False
                        return


_worker = _Worker()
