"""The audio of a call, frame by frame: `call.audio`.

    async for frame in call.audio.at(16000):        in a coroutine; `for` in a thread
        await call.audio.send(answer(frame))        in a thread: call.audio.send(...).wait()

Laws:

* Who reads and who sends does so in a thread or task of its own, and converts to and from its rate
  there. The line moves frames from and to bounded queues and waits for nobody.
* Each reader has a queue of its own, from when it begins. One that is too slow loses the oldest
  frames, which is counted, and shows in the numbers of those it gets.
* What is sent waits for its time. Who sends waits once there is more than `limit` of it.
* Readers end, and sending fails, when the media of the call is over.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from sipparty.concurrency.streams import Stream
from sipparty.concurrency.waiting import Portal
from sipparty.errors import UsageError
from sipparty.media.frames import AudioFrame
from sipparty.media.inputs import SENT, RankedInputs
from sipparty.media.pcm import SAMPLE_WIDTH, Resampler, Samples, pcm_of
from sipparty.media.sending import Sending, SendQueue
from sipparty.media.settings import check_seconds
from sipparty.sip.events import MediaEvent

__all__ = ["Audio", "AudioReader", "Tap", "TapFailed", "check_rate"]

_log = logging.getLogger(__name__)

#: The rates that may be asked for, in samples a second.
_RATES: Final = range(4000, 192_001)
#: Frames that wait for a reader at the most: a second, as a rule.
_WAITING: Final = 50


class TapFailed(MediaEvent):
    """The callback of a `tap` has raised; it is called no more.

    Args:
        tap: The tap.
        error: What it raised.
    """

    tap: Tap
    error: Exception


def check_rate(rate: int) -> int:
    """See that a rate is one.

    Raises:
        UsageError: It is not.
    """
    if rate not in _RATES:
        raise UsageError(f"rate={rate!r} is no rate from {_RATES[0]} to {_RATES[-1]} samples/s.")
    return rate


class AudioReader(Stream[AudioFrame]):
    """The frames that are heard from now on; made by looping over `call.audio`.

    Args:
        portal: Says which thread may not block.
        rate: The rate that they are wanted at; None for that which they have.
        limit: How many wait at the most.

    Attributes:
        dropped: Frames that were dropped, because too many waited.
    """

    def __init__(
        self, portal: Portal | None = None, rate: int | None = None, limit: int = _WAITING
    ) -> None:
        super().__init__(portal, limit)
        self.dropped = 0
        #: Called once it is closed.
        self.forget: Callable[[], object] | None = None
        self._rate = rate
        self._resampler: Resampler | None = None
        self._rest = b""
        self._sequence = -1

    def __repr__(self) -> str:
        return f"<AudioReader: {self.dropped} frames dropped>"

    def hear(self, frame: AudioFrame, /) -> None:
        """Take a frame; called by the line."""
        if len(self._items) == self._items.maxlen:
            self.dropped += 1
        self.put(frame)

    def next(self, timeout: float | None = None) -> AudioFrame:
        """Take the next frame, or wait for it; see `Stream.next`."""
        while True:
            frame = self._converted(super().next(timeout))
            if frame is not None:
                return frame

    async def _taken(self) -> AudioFrame:
        while True:
            frame = self._converted(await super()._taken())
            if frame is not None:
                return frame

    def close(self) -> None:
        """Take nothing any more; see `Stream.close`."""
        super().close()
        forget, self.forget = self.forget, None
        if forget is not None:
            forget()

    def _converted(self, frame: AudioFrame) -> AudioFrame | None:
        """Return a frame of the same length at the rate that is wanted; None where the converter
        still keeps too much of it.
        """
        rate = self._rate
        if rate is None or (frame.rate == rate and self._resampler is None):
            return frame
        resampler = self._resampler
        if resampler is None or resampler.rate != frame.rate:
            resampler = self._resampler = Resampler(frame.rate, rate)
        if frame.sequence != self._sequence + 1:
            self._rest = b""
        self._sequence = frame.sequence
        self._rest += resampler.convert(frame.pcm)
        wanted = round(frame.duration * rate) * SAMPLE_WIDTH
        if len(self._rest) < wanted:
            return None
        pcm, self._rest = self._rest[:wanted], self._rest[wanted:]
        return AudioFrame(pcm, rate, frame.time, frame.sequence, frame.concealed)


class _Ear:
    """The listener of a reader, which it does not keep alive."""

    __slots__ = ("_reader", "dropped", "sent")

    def __init__(self, reader: AudioReader, sent: bool) -> None:
        self._reader = weakref.ref(reader)
        self.sent = sent
        self.dropped = 0

    def hear(self, frame: AudioFrame, /) -> None:
        reader = self._reader()
        if reader is not None:
            reader.hear(frame)
            self.dropped = reader.dropped

    def reader(self) -> AudioReader | None:
        """Return the reader, if somebody holds it."""
        return self._reader()


class Tap:
    """A callback that is given each frame; made by `call.audio.tap`.

    Attributes:
        error: What it raised, after which it is called no more; None for nothing.
    """

    def __init__(
        self,
        callback: Callable[[AudioFrame], Any],
        reader: AudioReader,
        failed: Callable[[MediaEvent], object],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.error: Exception | None = None
        self._callback = callback
        self._reader = reader
        self._failed = failed
        if loop is not None:
            self._running = asyncio.run_coroutine_threadsafe(self._follow(), loop)
        else:
            threading.Thread(target=self._run, name="sipparty-tap", daemon=True).start()

    def __repr__(self) -> str:
        return f"<Tap {self._callback!r:.80}: {self.error or 'called'}>"

    @property
    def dropped(self) -> int:
        """How many frames it was not given, because it took too long."""
        return self._reader.dropped

    def stop(self) -> None:
        """Call it no more; one that is being called goes on."""
        self._reader.close()

    def _run(self) -> None:
        try:
            for frame in self._reader:
                self._callback(frame)
        except Exception as error:
            self._fail(error)

    async def _follow(self) -> None:
        try:
            async for frame in self._reader:
                await self._callback(frame)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error = error
        self._reader.close()
        _log.error("The tap %r is called no more.", self._callback, exc_info=error)
        self._failed(TapFailed(self, error))


class _Hub:
    """What all views of the audio of one call share.

    Args:
        portal: Says which thread may not block.
        emit: Takes events.
        loop: Where coroutines run; None for the one that calls.
        limit: Seconds of audio that wait to be sent before who sends does.
    """

    def __init__(
        self,
        portal: Portal | None,
        emit: Callable[[MediaEvent], object],
        loop: asyncio.AbstractEventLoop | None,
        limit: float,
    ) -> None:
        self.portal = portal
        self.emit = emit
        self.loop = loop
        self.queue = SendQueue(limit)
        self.line: Any = None
        self.ended = False
        self.dropped = 0
        # A reader may be let go of anywhere, and says so.
        self._lock = threading.RLock()
        self._ears: set[_Ear] = set()

    def attach(self, line: Any) -> None:
        """Read and send on a line from now on, and not on the one before."""
        with self._lock:
            former, self.line = self.line, line
            ears = list(self._ears)
        for ear in ears:
            if former is not None:
                former.remove_listener(ear)
            line.add_listener(ear, sent=ear.sent)
        if former is not None:
            RankedInputs.of(former).remove(self.queue)
        RankedInputs.of(line).add(self.queue, SENT)

    def open(self, rate: int | None, limit: int, sent: bool) -> AudioReader:
        """Make a reader."""
        reader = AudioReader(self.portal, rate, limit)
        ear = _Ear(reader, sent)
        with self._lock:
            ended, line = self.ended, self.line
            if not ended:
                self._ears.add(ear)
        reader.forget = functools.partial(self._closed, ear)
        if ended:
            reader.end()
        elif line is not None:
            line.add_listener(ear, sent=sent)
        return reader

    def _closed(self, ear: _Ear) -> None:
        with self._lock:
            self._ears.discard(ear)
            self.dropped += ear.dropped
            line = self.line
        if line is not None:
            line.remove_listener(ear)

    def all_dropped(self) -> int:
        """How many frames readers were not given."""
        with self._lock:
            return self.dropped + sum(ear.dropped for ear in self._ears)

    def end(self) -> None:
        """The media is over."""
        with self._lock:
            self.ended = True
            readers = [ear.reader() for ear in self._ears]
        for reader in readers:
            if reader is not None:
                reader.end()
        self.queue.end()


class Audio:
    """The audio of a call, to be read, sent and tapped; `call.audio`.

    Looping over it gives an `AudioFrame` for each that is heard from then on, at the line's rate or
    at that of `at`. Several loops are independent of each other.

    Args:
        portal: Says which thread may not block; None where any may.
        emit: Takes the events: `TapFailed`.
        loop: The loop that coroutines of taps run on; None for the one that `tap` is called on.
        limit: Seconds of audio that wait to be sent before who sends has to wait.
    """

    def __init__(
        self,
        portal: Portal | None = None,
        emit: Callable[[MediaEvent], object] = lambda event: None,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        limit: float = 0.4,
    ) -> None:
        check_seconds("limit", limit, zero=True)
        self._hub = _Hub(portal, emit, loop, limit)
        self._rate: int | None = None

    def at(self, rate: int) -> Audio:
        """Return the same audio at a rate of one's own, for reading and sending.

        Args:
            rate: Samples a second, such as 8000, 16000, 24000 or 48000.

        Raises:
            UsageError: It is no rate.
        """
        view = object.__new__(Audio)
        view._hub = self._hub
        view._rate = check_rate(rate)
        return view

    # ---------------------------------------------------------------- reading

    def read(self, *, limit: int = _WAITING, sent: bool = False) -> AudioReader:
        """Return a reader, as looping does: `with call.audio.read() as frames`, `frames.next(1.0)`.

        Args:
            limit: How many frames wait for it at the most; a second of them, as a rule.
            sent: Whether it reads what is sent, instead of what is heard.

        Raises:
            UsageError: The limit is none.
        """
        if limit < 1:
            raise UsageError(f"limit={limit!r} is no number of frames from 1 on.")
        return self._hub.open(self._rate, limit, sent)

    def __iter__(self) -> Iterator[AudioFrame]:
        return self.read()

    def __aiter__(self) -> AsyncIterator[AudioFrame]:
        return self.read()

    def __repr__(self) -> str:
        return f"<Audio: {self.queued:.0f} ms to be sent, {self.dropped} frames dropped>"

    @property
    def dropped(self) -> int:
        """Frames that its readers were not given, because they were too slow."""
        return self._hub.all_dropped()

    def tap(
        self, callback: Callable[[AudioFrame], Any], *, sent: bool = False, limit: int = _WAITING
    ) -> Tap:
        """Have a function called with each frame from now on, in a thread of its own; one that is
        `async def`, in a task.

        Args:
            callback: The function. If it raises, it is called no more, and there is a `TapFailed`.
            sent: Whether it is given what is sent, instead of what is heard.
            limit: How many frames wait for it at the most.

        Raises:
            UsageError: It is no function.
        """
        if not callable(callback):
            raise UsageError(f"What is called with each frame is a function, not {callback!r}.")
        loop = None
        if inspect.iscoroutinefunction(callback):
            loop = self._hub.loop or asyncio.get_running_loop()
        reader = self.read(limit=limit, sent=sent)
        return Tap(callback, reader, self._hub.emit, loop)

    # ---------------------------------------------------------------- sending

    def send(self, samples: Samples, rate: int | None = None) -> Sending:
        """Send audio, after what waits to be sent already and in place of what is played.

        What is played waits while there is any. Where it comes too slowly, silence is sent, or what
        is played; `starved` counts that.

        Args:
            samples: bytes of 16-bit samples in the machine's order, or a numpy array of int16, or
                of float32 from -1 to 1: one channel. Or an `AudioFrame`.
            rate: Samples a second; None for that of `at`, of the frame, or of the line.

        Returns:
            What to wait for before more is sent: `await` it, or `wait(timeout)` in a thread. It is
            there when no more than 0.4 s wait. It raises `MediaError` where the media ends before.

        Raises:
            MediaError: The media is over.
            UsageError: They are no samples; or the rate is not known, as the media has not begun.
        """
        pcm, own_rate = pcm_of(samples)
        if len(pcm) % SAMPLE_WIDTH:
            raise UsageError(f"{len(pcm)} bytes are no whole number of 16-bit samples.")
        if own_rate is not None:
            rate = own_rate
        elif rate is None:
            rate = self._rate
        if rate is None:
            line = self._hub.line
            stream = None if line is None else line.stream
            rate = self._hub.queue.rate or (stream and stream.settings.codec.sample_rate)
            if not rate:
                raise UsageError("The rate of the call is not known yet: give send(pcm, rate=...).")
        sending = Sending(self._hub.portal)
        self._hub.queue.put(pcm, check_rate(rate), sending)
        return sending

    def clear(self) -> float:
        """Drop what waits to be sent, as when the other side interrupts.

        Returns:
            How many milliseconds were dropped.
        """
        return self._hub.queue.clear() * 1000

    def drain(self) -> Sending:
        """Return what to wait for until all was sent: `await call.audio.drain()`."""
        sending = Sending(self._hub.portal)
        self._hub.queue.drain(sending)
        return sending

    @property
    def queued(self) -> float:
        """How many milliseconds wait to be sent."""
        return self._hub.queue.seconds * 1000

    @property
    def starved(self) -> int:
        """How often there was nothing more to send."""
        return self._hub.queue.starved

    # ---------------------------------------------------------------- for the call

    def attach(self, line: Any) -> None:
        """Read and send on a line from now on; for the call."""
        self._hub.attach(line)

    def end(self) -> None:
        """End the readers, and what is sent; for the call."""
        self._hub.end()
