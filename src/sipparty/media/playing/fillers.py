"""What fills queues beside the tick: shared threads for files, a thread or a task of its own for
what is a user's. The laws are those of `sipparty.media.playing.feeding`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from sipparty.concurrency.workers import Threads, Turns
from sipparty.errors import MediaError
from sipparty.media.playing.feeding import QueueFeed
from sipparty.media.playing.sources import Source

__all__ = ["BLOCK", "PooledFeed", "TaskFeed", "ThreadFeed"]

_log = logging.getLogger(__name__)

#: Seconds of sound that are read at once.
BLOCK: Final = 0.2


class PooledFeed(QueueFeed):
    """A file, read in blocks by shared threads.

    Args:
        source: What is read; of the library, as it keeps a shared thread no longer than a disk.
        threads: Where.

    Attributes:
        again: How many times more it is read from its beginning, without a gap; None for ever.
    """

    def __init__(self, source: Source, threads: Threads) -> None:
        super().__init__(repr(source), source.rate)
        self.again: int | None = 0
        self.duration = getattr(source, "duration", None)
        self._source: Any = source
        self._turns = Turns(threads, self._read)
        self._rewinds = False
        #: Whether the source gave something since its beginning.
        self._gave = False
        self._reading = threading.Lock()

    def prime(self, rate: int) -> None:
        """Read the first block here and now, so that the first frame has it."""
        if not self._rate:
            with self._reading:
                self._rate = rate
                self._read_block()
            self._rate = 0
            self.begin(rate)

    def rewind(self) -> bool:
        """Start the file again; it goes on being read meanwhile."""
        if not hasattr(self._source, "rewind"):
            return False
        self._rewinds = True
        self._over = False
        self._turns.ask()
        return True

    def close(self) -> None:
        """Have the file closed."""
        super().close()
        self._turns.ask()

    def _fill(self) -> None:
        self._turns.ask()

    _refill = _fill

    def _read(self) -> None:
        with self._reading:
            if self.closed:
                self._blocks.clear()
                try:
                    self._source.close()
                except Exception:
                    _log.exception("Closing %s failed.", self.name)
                return
            if self._rewinds:
                self._rewinds = False
                self._source.rewind()
            while not self._over and not self._is_full():
                self._read_block()

    def _read_block(self) -> None:
        try:
            pcm = self._source.read(int(BLOCK * self._source.rate))
            if pcm:
                self.put(pcm)
                self._gave = True
            elif self.again != 0 and self._gave:
                self._gave = False
                if self.again is not None:
                    self.again -= 1
                self._source.rewind()
            else:
                self.finish()
        except Exception as error:
            self.finish(error)


class ThreadFeed(QueueFeed):
    """What a user gives, on a thread of its own.

    Args:
        name: What errors and logs call it.
        rate: Samples a second, where its pieces do not say so.
        pieces: Gives an iterator of pieces, on the thread: bytes, arrays or frames. It is given
            this feed.
        threads: Where.
        unused: Lets go of what was given, where it is closed before it is begun.
    """

    def __init__(
        self,
        name: str,
        rate: int | None,
        pieces: Callable[[QueueFeed], Iterator[Any]],
        threads: Threads,
        unused: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(name, rate)
        self._pieces = pieces
        self._threads = threads
        self._unused = unused
        self._space = threading.Event()

    def close(self) -> None:
        """Have the thread end, when the user's code gives it back."""
        super().close()
        if not self._rate and self._unused is not None:
            self._threads.start(self._unused, "sipparty-source")
            self._unused = None
        self._space.set()

    def _fill(self) -> None:
        try:
            self._threads.start(self._run, "sipparty-source")
        except RuntimeError as error:
            self.finish(error)

    def _refill(self) -> None:
        self._space.set()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is closed."""
        if not self.closed:
            self._space.wait(seconds)

    def _run(self) -> None:
        """Fill the queue until the end, or until nobody wants it."""
        pieces: Any = None
        error: BaseException | None = None
        try:
            pieces = self._pieces(self)
            while not self.closed:
                piece = next(pieces, None)
                if piece is None or self.closed:
                    break
                self.put(piece)
                while self._is_full():
                    self._space.wait()
                    self._space.clear()
        except BaseException as raised:
            # Whatever a user's code raises ends its playback alone.
            error = raised
        self.finish(error)
        close = getattr(pieces, "close", None)
        if close is not None:
            try:
                close()
            except BaseException:
                _log.exception("Closing %s failed.", self.name)


class TaskFeed(QueueFeed):
    """What a user gives by coroutines, in a task of its own.

    Args:
        name: What errors and logs call it.
        rate: Samples a second, where its pieces do not say so.
        pieces: Gives an asynchronous iterator of pieces. It is given this feed.
        loop: Gives where the task is run; None for nowhere.
    """

    def __init__(
        self,
        name: str,
        rate: int | None,
        pieces: Callable[[QueueFeed], AsyncIterator[Any]],
        loop: Callable[[], asyncio.AbstractEventLoop | None],
    ) -> None:
        super().__init__(name, rate)
        self._pieces = pieces
        self._find_loop = loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._space: asyncio.Event | None = None

    def close(self) -> None:
        """Have the task cancelled."""
        super().close()
        self._on_loop(self._cancel)

    def _fill(self) -> None:
        self._loop = self._find_loop()
        if not self._on_loop(self._start):
            self.finish(MediaError(f"Playing {self.name} failed: no loop runs it."))

    def _refill(self) -> None:
        self._on_loop(self._wake)

    def _on_loop(self, function: Callable[[], None]) -> bool:
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            return False
        return True

    def _start(self) -> None:
        if not self.closed and self._loop is not None:
            self._space = asyncio.Event()
            self._task = self._loop.create_task(self._run(self._space))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        if self._space is not None:
            self._space.set()

    async def _run(self, space: asyncio.Event) -> None:
        error: BaseException | None = None
        pieces: Any = None
        try:
            pieces = self._pieces(self)
            async for piece in pieces:
                self.put(piece)
                while self._is_full():
                    await space.wait()
                    space.clear()
        except asyncio.CancelledError:
            self.finish(None if self.closed else MediaError("Its task was cancelled."))
            raise
        except Exception as raised:
            error = raised
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                try:
                    await close()
                except Exception:
                    _log.exception("Closing %s failed.", self.name)
        self.finish(error)
