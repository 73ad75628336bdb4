"""What the other side says, piece by piece: from when it begins to speak to its pause.

    async for said in call.utterances(16000):       in a coroutine; `for` in a thread
        text = recognise(said.pcm)

Laws:

* It runs where it is read, in a thread or task of the program's, so the detector may be of any
  kind and take its time: frames wait meanwhile, for as long as they are kept.
* An utterance begins a little before it was noticed, so that its first sound is not cut off.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Final, Literal, NamedTuple, Self

from sipparty.errors import Timeout
from sipparty.media.audio import AudioReader
from sipparty.media.frames import AudioFrame
from sipparty.media.settings import check_seconds
from sipparty.media.speech.activity import (
    EnergyDetector,
    SpeechDetector,
    SpeechEnded,
    VoiceActivity,
    check_detector,
)

__all__ = ["Utterance", "Utterances"]

#: Seconds before the beginning that are kept.
_BEFORE: Final = 0.2


class Utterance(NamedTuple):
    """What was said without a long pause.

    Attributes:
        pcm: The samples: one channel, 16 bits, the machine's byte order.
        rate: Samples a second.
        time: When it begins, in seconds of media time.
        seconds: How long it is, with the pause at its end.
    """

    pcm: bytes
    rate: int
    time: float
    seconds: float

    def __repr__(self) -> str:
        return f"<Utterance of {self.seconds:.2f} s at {self.rate} Hz>"

    def array(self, kind: Literal["int16", "float32"] = "int16") -> Any:
        """The samples as a numpy array, as `AudioFrame.array` gives them."""
        return AudioFrame(self.pcm, self.rate).array(kind)


class Utterances:
    """What the other side says, to loop over; made by `call.utterances`.

    Args:
        reader: The frames.
        detector: What says which of them are speech; None for `EnergyDetector`.
        pause: Seconds of silence that end an utterance.
        longest: Seconds after which one ends without a pause. Protects memory.

    Raises:
        UsageError: It is no detector; or one of the numbers is none.
    """

    def __init__(
        self,
        reader: AudioReader,
        detector: SpeechDetector | None = None,
        *,
        pause: float = 0.6,
        longest: float = 60.0,
    ) -> None:
        check_seconds("longest", longest)
        self._reader = reader
        self._detector = EnergyDetector() if detector is None else check_detector(detector)
        self._activity = VoiceActivity(hangover=pause)
        self._longest = longest
        # What was said so far, or may turn out to be; and how long it is.
        self._frames: deque[AudioFrame] = deque()
        self._seconds = 0.0

    def _take(self, frame: AudioFrame) -> Utterance | None:
        events = self._activity.take(frame, self._detector.is_speech(frame))
        self._frames.append(frame)
        self._seconds += frame.duration
        if any(isinstance(event, SpeechEnded) for event in events):
            return self._whole()
        if self._activity.speaking:
            return self._whole() if self._seconds >= self._longest else None
        while self._frames and self._seconds - self._frames[0].duration >= _BEFORE - 1e-6:
            self._seconds -= self._frames.popleft().duration
        return None

    def _whole(self) -> Utterance:
        frames = list(self._frames)
        self._frames.clear()
        seconds, self._seconds = self._seconds, 0.0
        pcm = b"".join([frame.pcm for frame in frames])
        return Utterance(pcm, frames[0].rate, frames[0].time, seconds)

    def _last(self) -> Utterance | None:
        """What was being said as the call ended."""
        return self._whole() if self._activity.speaking and self._frames else None

    def next(self, timeout: float | None = None) -> Utterance:
        """Wait for the next utterance to end, and return it.

        Args:
            timeout: Seconds in which it has to end; None for as long as it takes.

        Raises:
            StopIteration: The call is over.
            Timeout: Nothing was said, or it is still being said.
            WouldDeadlock: Called on the engine's own thread: use `anext` there.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            try:
                said = self._take(self._reader.next(left))
            except StopIteration:
                said = self._last()
                if said is None:
                    raise
            if said is not None:
                return said

    async def anext(self, timeout: float | None = None) -> Utterance:  # noqa: ASYNC109 - as `next`
        """Do what `next` does, in a coroutine; at the end it raises `StopAsyncIteration`."""
        try:
            async with asyncio.timeout(timeout):
                return await self._next()
        except TimeoutError:
            raise Timeout(f"Nothing was said within {timeout:g} seconds.") from None

    async def _next(self) -> Utterance:
        while True:
            try:
                said = self._take(await self._reader.anext())
            except StopAsyncIteration:
                said = self._last()
                if said is None:
                    raise
            if said is not None:
                return said

    def close(self) -> None:
        """Listen no more, and end the loop."""
        self._reader.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Utterance:
        return self.next()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Utterance:
        return await self._next()
