"""Running the handlers of events, so that a slow one delays nobody's timers.

* An `async def` handler runs as a task on the engine's loop.
* A plain function runs on a thread of the `Dispatcher`. Those of one topic (one dialog) run in the
  order of their events, one after another; those of different topics run beside each other.
* What a handler raises is logged to `sipparty.handlers` and ends that handler alone; so does
  `SystemExit`, which would otherwise end the thread that all calls run on.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

__all__ = ["Dispatcher", "Handler"]

_log = logging.getLogger(__name__)

#: What takes an event: a plain function or an `async def`.
Handler = Callable[[Any], Any]

#: A handler, its event, and what to call after it has raised.
_Work = tuple[Handler, Any, Callable[[], object] | None]


class Dispatcher:
    """Runs handlers.

    Args:
        loop: The engine's loop, for handlers that are coroutines.
    """

    #: Threads at the most; each waits for work for so many seconds before it ends.
    THREADS = 32
    LINGER = 5.0

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[Any]] = set()
        self._work = threading.Condition()
        #: By topic, what waits its turn; the topic is here while one of it runs or waits.
        self._lines: dict[Hashable, deque[_Work]] = {}
        self._ready: deque[Hashable] = deque()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def run(
        self,
        handler: Handler,
        event: Any,
        topic: Hashable,
        failed: Callable[[], object] | None = None,
    ) -> None:
        """Have a handler take an event; called on the loop's thread.

        Args:
            handler: The handler.
            event: The event.
            topic: What plain functions keep the order of; None for one that stands alone.
            failed: Called on the loop's thread after the handler has raised.
        """
        if self._closed:
            return
        if inspect.iscoroutinefunction(handler):
            self._start(None, handler, event, failed)
        else:
            self._put((handler, event, failed), topic)

    def _start(
        self,
        coroutine: Coroutine[Any, Any, Any] | None,
        handler: Handler,
        event: Any,
        failed: Callable[[], object] | None,
    ) -> None:
        """Run a handler, or the coroutine that it has returned, as a task; on the loop's thread."""
        if not self._closed:
            task = self._loop.create_task(self._run_coroutine(coroutine, handler, event, failed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if coroutine is not None:
                # A task that is cancelled before it runs leaves its coroutine unawaited.
                task.add_done_callback(lambda _: coroutine.close())
        elif coroutine is not None:
            coroutine.close()

    async def _run_coroutine(
        self,
        coroutine: Coroutine[Any, Any, Any] | None,
        handler: Handler,
        event: Any,
        failed: Callable[[], object] | None,
    ) -> None:
        try:
            await (handler(event) if coroutine is None else coroutine)
        except (Exception, SystemExit):
            self._log_failure(handler, event)
            if failed is not None:
                failed()

    def _log_failure(self, handler: Handler, event: Any) -> None:
        _log.exception("The handler %r raised on %s.", handler, type(event).__name__)

    def _put(self, work: _Work, topic: Hashable) -> None:
        with self._work:
            if self._closed:
                return
            if topic is None:
                topic = object()
            line = self._lines.get(topic)
            if line is not None:
                line.append(work)
                return
            self._lines[topic] = deque((work,))
            self._ready.append(topic)
            if self._idle >= len(self._ready):
                self._work.notify()
            elif self._threads < self.THREADS:
                thread = threading.Thread(target=self._serve, name="sipparty-handlers", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The system gives no more threads. One of ours that is there will take it.
                    _log.exception("No thread for the handlers of events.")
                else:
                    self._threads += 1

    def _serve(self) -> None:
        while (topic := self._next_topic()) is not None:
            self._run_plain(*self._lines[topic][0])
            with self._work:
                line = self._lines[topic]
                line.popleft()
                if line:
                    self._ready.append(topic)
                else:
                    del self._lines[topic]

    def _run_plain(self, handler: Handler, event: Any, failed: Callable[[], object] | None) -> None:
        try:
            returned = handler(event)
            if inspect.iscoroutine(returned):
                # Not seen to be an `async def`: an object with such a `__call__`, a lambda.
                self._on_loop(self._start, returned, handler, event, failed)
        except BaseException:
            self._log_failure(handler, event)
            if failed is not None:
                self._on_loop(failed)

    def _next_topic(self) -> Hashable | None:
        """Wait for work and return whose, which is never None; None to end this thread."""
        with self._work:
            while not self._ready or self._closed:
                if self._closed:
                    self._threads -= 1
                    return None
                self._idle += 1
                told = self._work.wait(self.LINGER)
                self._idle -= 1
                if not told and not self._ready:
                    self._threads -= 1
                    return None
            return self._ready.popleft()

    def _on_loop(self, function: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop is closed, and nobody is left to be told

    def close(self) -> None:
        """Cancel tasks and let threads end after what they are at; what waits is dropped."""
        for task in list(self._tasks):
            task.cancel()
        with self._work:
            self._closed = True
            self._ready.clear()
            self._work.notify_all()
