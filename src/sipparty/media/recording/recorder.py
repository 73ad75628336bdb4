"""The recordings of a line: begun, finished, and given their frames. The laws are those of
`sipparty.media.recording.recording`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from sipparty.concurrency.waiting import Portal
from sipparty.concurrency.workers import WRITERS, LoopThreads, Threads, Workers
from sipparty.errors import MediaError, Timeout, UsageError, WouldDeadlock
from sipparty.media.frames import Listener
from sipparty.media.recording.recording import Recording
from sipparty.media.recording.sinks import Sink, SinkLike, as_sink
from sipparty.media.settings import check_sample_rate, check_seconds
from sipparty.sip.events import MediaEvent

__all__ = ["HasListeners", "Recorder"]

#: Seconds in which a disk that works takes what is left.
FLUSHED_WITHIN: Final = 5.0


class HasListeners(Protocol):
    """What is recorded: a line."""

    def add_listener(self, listener: Listener, *, sent: bool = False) -> None:
        """Give a listener each frame that is heard, or sent."""

    def remove_listener(self, listener: Listener) -> None:
        """Give it none any more."""


class Recorder:
    """The recordings of a line.

    Args:
        line: What is recorded.
        emit: Takes `RecordingFailed`, on any thread.
        files: Where files are written.
        own: Makes where one user's sink or function is called.

    Attributes:
        portal: Access to its thread; None where that is not known yet, or callers are on it.
        loop: Where coroutines are run that were given elsewhere; None for nowhere yet.
        name: The call, as logs name it.
        rate: Samples a second of what is heard, as far as is known; 0 before.
        recordings: Those that go on.
        last: The last that was begun; None before the first.
    """

    def __init__(
        self,
        line: HasListeners,
        emit: Callable[[MediaEvent], None],
        files: Threads = WRITERS,
        own: Callable[[], Threads] = lambda: Workers("sipparty-sink", 1),
    ) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.name = "a call"
        self.rate = 0
        self.emit = emit
        self.portal: Portal | None = None
        self._closed = False
        self.recordings: tuple[Recording, ...] = ()
        # Those that were finished by the end of the session, and may still be written.
        self._closing: tuple[Recording, ...] = ()
        self.last: Recording | None = None
        self._line = line
        self._files = LoopThreads(lambda: self.loop, files)
        self._own = own

    def record(
        self,
        what: SinkLike = None,
        *,
        stereo: bool = False,
        rate: int | None = None,
        max_seconds: float | None = None,
        max_silence: float | None = None,
    ) -> Recording:
        """Record from now on, beside other recordings.

        Args:
            what: See `as_sink`.
            stereo: Whether what is sent is recorded too, on the right.
            rate: Samples a second; None for those of what is heard.
            max_seconds: The longest recording; None for what `what` has by itself.
            max_silence: Seconds without a sound from the other side after which it ends; None for
                never.

        Raises:
            MediaError: The file cannot be made.
            UsageError: It cannot be recorded to, an option is out of its range, or the session was
                stopped.
        """
        if self._closed:
            raise UsageError(
                "The media session was stopped, or its call is over: nothing can be recorded."
            )
        for name, seconds in (("max_seconds", max_seconds), ("max_silence", max_silence)):
            if seconds is not None:
                check_seconds(name, seconds)
        if rate is not None:
            check_sample_rate(rate)
        channels = 2 if stereo else 1
        sink = as_sink(what, channels=channels, max_seconds=max_seconds, loop=self.loop)
        threads = self._threads_for(sink, stereo)
        recording = Recording(
            *(sink, self, threads), rate=rate, stereo=stereo, max_silence=max_silence
        )
        if self.rate:
            recording.start(self.rate)
        self.recordings = (*self.recordings, recording)
        self.last = recording
        for sent, listener in enumerate(recording.listeners):
            self._line.add_listener(listener, sent=bool(sent))
        return recording

    def _threads_for(self, sink: Sink, stereo: bool) -> Threads | None:
        if vars(type(sink)).get("immediate") is True:
            return self._files if stereo else None
        ours = type(sink).__module__.startswith("sipparty.media.")
        if ours and getattr(sink, "path", None) is not None:
            return self._files
        return LoopThreads(lambda: self.loop, self._own())

    def begin(self, rate: int) -> None:
        """Make what was to be recorded to once the rate is known; on the tick."""
        self.rate = rate
        for recording in self.recordings:
            recording.begin()

    def forget(self, recording: Recording) -> None:
        """Give it no more frames; on any thread."""
        self.recordings = tuple(one for one in self.recordings if one is not recording)
        for listener in recording.listeners:
            self._line.remove_listener(listener)

    def record_all(self, what: SinkLike | Sequence[SinkLike]) -> None:
        """Record to each of several, to one, or to none."""
        several: Any = what if isinstance(what, list | tuple) else [what]
        for one in several:
            if one is not None:
                self.record(one)

    def stop(self) -> tuple[Recording, ...]:
        """Finish all of them; give those that are still being written."""
        recordings = self.recordings
        for recording in recordings:
            recording.stop()
        return recordings

    def unfinished(self) -> tuple[Recording, ...]:
        """Finish all of them; give those that may still be written, by the end of the session
        too.
        """
        return tuple(dict.fromkeys((*self.stop(), *self._closing)))

    def finish(self) -> None:
        """Finish all of them, and wait until they are complete where the calling thread may."""
        for recording in self.unfinished():
            try:
                recording.wait(FLUSHED_WITHIN)
            except (MediaError, Timeout, WouldDeadlock):
                pass  # that was reported, or is to be awaited

    async def finished(self) -> None:
        """Do what `finish` does, in a coroutine."""
        for recording in self.unfinished():
            try:
                async with asyncio.timeout(FLUSHED_WITHIN):
                    await recording
            except (MediaError, TimeoutError):
                pass  # that was reported

    def close(self) -> None:
        """Finish all of them, and begin no more."""
        self._closed = True
        self._closing = (*self._closing, *self.stop())
