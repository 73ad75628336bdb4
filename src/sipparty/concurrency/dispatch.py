"""Running the handlers of events, so that a slow one delays nobody's timers.

* An `async def` handler runs as a task on the engine's loop. One with an attribute `immediate` that
  is true is called there at once.
* A plain function runs on a thread of the `Dispatcher`. Those of one topic (one dialog) run in the
  order of their events, one after another; those of different topics run beside each other.
* What a handler raises is logged to `sipparty.handlers` and ends that handler alone; so does
  `SystemExit`, which would otherwise end the thread that all calls run on.
* So many plain functions run at a time, as there are threads. Where all are busy, which is logged
  once, events wait; who is owed an answer is notified after a while that it comes too late.
* What waits is bounded: of events that report the same anew, such as the progress of a call, the
  last one waits alone (`Event.merge_key`); and one topic has so many events waiting.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from sipparty.sip.limits import Limits

__all__ = ["Dispatcher", "Handler"]

_log = logging.getLogger("sipparty.handlers")

#: What takes an event: a plain function or an `async def`.
Handler = Callable[[Any], Any]

#: What is called on the loop's thread when something has not gone as it should.
_Callback = Callable[[], object] | None


class _Work:
    """A handler and its event, waiting for their turn."""

    __slots__ = ("begun", "event", "failed", "handler")

    def __init__(self, handler: Handler, event: Any, failed: _Callback) -> None:
        self.handler = handler
        self.event = event
        self.failed = failed
        self.begun = False

    def is_outdated_by(self, other: _Work) -> bool:
        """Whether another reports the same anew, to the same handler."""
        key = _merge_key(other.event)
        return (
            key is not None
            and self.handler == other.handler
            and type(self.event) is type(other.event)
            and _merge_key(self.event) == key
        )


def _merge_key(event: Any) -> Hashable | None:
    return getattr(event, "merge_key", None)


class Dispatcher:
    """Runs handlers.

    Args:
        loop: The engine's loop, for handlers that are coroutines.
        limits: How many handlers run at a time, how long what has to be answered waits for one, and
            how many events wait.
    """

    #: Seconds that a thread waits for work before it ends.
    LINGER = 5.0

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits | None = None) -> None:
        self._loop = loop
        self._limits = limits or Limits()
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Of coroutines under way whose event may be outdated: what is to follow, if anything.
        self._latest: dict[Hashable, tuple[Any, _Callback] | None] = {}
        self._warned: set[str] = set()
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
        failed: _Callback = None,
        late: _Callback = None,
    ) -> None:
        """Have a handler take an event; called on the loop's thread.

        Args:
            handler: The handler.
            event: The event.
            topic: What plain functions keep the order of; None for one that stands alone.
            failed: Called on the loop's thread after the handler has raised.
            late: Called there where a plain function found no thread within
                `Limits.handler_patience`. It and what waits for the topic are dropped then.
        """
        if getattr(handler, "immediate", False):
            handler(event)
        elif self._closed:
            return
        elif inspect.iscoroutinefunction(handler):
            self._run_async(handler, event, topic, failed)
        else:
            self._put(_Work(handler, event, failed), topic, late)

    def _run_async(self, handler: Handler, event: Any, topic: Hashable, failed: _Callback) -> None:
        merge = _merge_key(event)
        if merge is None:
            self._start(None, handler, event, failed)
            return
        key = (handler, topic, type(event), merge)
        if key in self._latest:
            self._latest[key] = (event, failed)  # once the one under way is over
            return
        self._latest[key] = None

        def over(_: object) -> None:
            following = self._latest.pop(key)
            if following is not None:
                self._run_async(handler, following[0], topic, following[1])

        task = self._start(None, handler, event, failed)
        if task is None:
            del self._latest[key]
        else:
            task.add_done_callback(over)

    def _start(
        self,
        coroutine: Coroutine[Any, Any, Any] | None,
        handler: Handler,
        event: Any,
        failed: _Callback,
    ) -> asyncio.Task[Any] | None:
        """Run a handler, or the coroutine that it has returned, as a task; on the loop's thread.

        Returns:
            The task; None where nothing is run any more.
        """
        if not self._closed:
            task = self._loop.create_task(self._run_coroutine(coroutine, handler, event, failed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if coroutine is not None:
                # A task that is cancelled before it runs leaves its coroutine unawaited.
                task.add_done_callback(lambda _: coroutine.close())
            return task
        if coroutine is not None:
            coroutine.close()
        return None

    async def _run_coroutine(
        self,
        coroutine: Coroutine[Any, Any, Any] | None,
        handler: Handler,
        event: Any,
        failed: _Callback,
    ) -> None:
        try:
            await (handler(event) if coroutine is None else coroutine)
        except (Exception, SystemExit):
            self._log_failure(handler, event)
            if failed is not None:
                failed()

    def _log_failure(self, handler: Handler, event: Any) -> None:
        _log.exception("The handler %r raised on %s.", handler, type(event).__name__)

    def _put(self, work: _Work, topic: Hashable, late: _Callback) -> None:
        with self._work:
            if self._closed:
                return
            if topic is None:
                topic = object()
            line = self._lines.get(topic)
            if line is not None:
                self._append(line, work)
                return
            self._lines[topic] = deque((work,))
            self._ready.append(topic)
            if self._idle >= len(self._ready):
                self._work.notify()
                return
            if self._threads < self._limits.max_handlers:
                try:
                    self._start_thread()
                except RuntimeError:
                    # The system gives no more threads. One of ours that is there will take it.
                    _log.exception("No thread for the handlers of events.")
                else:
                    self._threads += 1
                    return
        self._warn(
            "All %d threads for handlers are busy: events wait, and calls are refused that wait"
            " for too long. Write handlers as coroutines, or raise Limits.max_handlers.",
            self._threads,
        )
        if late is not None:
            self._loop.call_later(self._limits.handler_patience, self._drop, topic, work, late)

    def _start_thread(self) -> None:
        threading.Thread(target=self._serve, name="sipparty-handlers", daemon=True).start()

    def _append(self, line: deque[_Work], work: _Work) -> None:
        """Put work behind what waits for its topic, in the place of what it outdates."""
        # The first is at work, or may be by now.
        for index in range(len(line) - 1, 0, -1):
            if line[index].is_outdated_by(work):
                del line[index]
                break
        if len(line) > self._limits.max_events:
            self._warn("More than %d events wait for one handler: the oldest goes.", len(line) - 1)
            del line[1]
        line.append(work)

    def _drop(self, topic: Hashable, work: _Work, late: Callable[[], object]) -> None:
        """Have work that has not begun begin no more, and report so; on the loop's thread."""
        with self._work:
            line = self._lines.get(topic)
            if self._closed or work.begun or line is None or line[0] is not work:
                return
            del self._lines[topic]
            self._ready.remove(topic)
        late()

    def _warn(self, text: str, *args: object) -> None:
        """Log something once."""
        if text not in self._warned:
            self._warned.add(text)
            _log.warning(text, *args)

    def _serve(self) -> None:
        while (topic := self._next_topic()) is not None:
            if self._serve_first(topic):
                with self._work:
                    self._ready.append(topic)

    def _serve_first(self, topic: Hashable) -> bool:
        """Run the first handler of a topic; whether more wait."""
        self._run_plain(self._lines[topic][0])
        with self._work:
            line = self._lines[topic]
            line.popleft()
            if not line:
                del self._lines[topic]
            return bool(line)

    def _run_plain(self, work: _Work) -> None:
        handler, event, failed = work.handler, work.event, work.failed
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
                notified = self._work.wait(self.LINGER)
                self._idle -= 1
                if not notified and not self._ready:
                    self._threads -= 1
                    return None
            topic = self._ready.popleft()
            self._lines[topic][0].begun = True
            return topic

    def _on_loop(self, function: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop is closed

    def close(self) -> None:
        """Cancel tasks and let threads end after what they are at; what waits is dropped."""
        for task in list(self._tasks):
            task.cancel()
        with self._work:
            self._closed = True
            self._ready.clear()
            self._work.notify_all()
