"""Threads for what may block: disks, and a user's own functions.

Laws:

* `run` puts a short job on one of a few shared threads; jobs begin in the order they were given.
* `start` gives a job a thread of its own, because it may never come back. Nobody waits for it.
* Threads are daemons and are started when there is work; shared ones end when there is none.
* What a job raises is logged, and ends that job alone.
* `drain` waits, for a bounded time, until the jobs that were given are done: so that files are
  complete at exit. A forked child starts without threads and jobs.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["READERS", "WRITERS", "Job", "LoopThreads", "Threads", "Turns", "Workers", "done"]

_log = logging.getLogger(__name__)

#: What is to be done.
Job = Callable[[], object]


class Threads(Protocol):
    """Where work is done; a test may bring its own."""

    def run(self, job: Job, /) -> None:
        """Have a short job done on a shared thread."""

    def start(self, job: Job, name: str, /) -> None:
        """Have a job done on a thread of its own."""


class Workers:
    """A few threads.

    Args:
        name: What the threads are called.
        threads: How many there are at the most.
    """

    #: Seconds that a thread waits for work before it ends.
    LINGER: Final = 5.0

    def __init__(self, name: str, threads: int = 2) -> None:
        self._name = name
        self._most = threads
        self.forget()

    def forget(self) -> None:
        """Begin anew, without threads and jobs: those of a parent process are not ours."""
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._threads = 0
        self._idle = 0

    def run(self, job: Job, /) -> None:
        """Have a job done; on any thread."""
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs) or self._threads >= self._most:
                self._changed.notify_all()  # who drains waits here too
                return
            self._threads += 1
        thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more threads. One of ours that is there will take it.
            _log.exception("No thread for %s.", self._name)
            with self._changed:
                self._threads -= 1

    def start(self, job: Job, name: str, /) -> None:
        """Have a job done on a thread of its own, which nobody waits for.

        Raises:
            RuntimeError: The system gives no more threads.
        """
        threading.Thread(target=done, args=(job,), name=name, daemon=True).start()

    def drain(self, timeout: float) -> bool:
        """Wait until no job waits or is being done.

        Args:
            timeout: Seconds to wait at the most.

        Returns:
            Whether that is so.
        """
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout)

    def _is_idle(self) -> bool:
        return not self._jobs and self._idle == self._threads

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.notify_all()
                found = self._changed.wait_for(lambda: self._jobs, self.LINGER)
                self._idle -= 1
                if not found:
                    self._threads -= 1
                    return
                job = self._jobs.popleft()
            done(job)


def done(job: Job) -> None:
    """Do a job; what it raises is logged."""
    try:
        job()
    except BaseException:
        # Also SystemExit of a user's function: it ends nothing but the job.
        _log.exception("%r failed.", job)


class LoopThreads:
    """Where work for a loop is done: its host's own `threads`, where it has some; else others.

    Args:
        loop: Gives the loop, or None as long as there is none.
        otherwise: Where else.
    """

    __slots__ = ("_loop", "_otherwise")

    def __init__(self, loop: Callable[[], object], otherwise: Threads) -> None:
        self._loop = loop
        self._otherwise = otherwise

    def _threads(self) -> Threads:
        found: Threads = getattr(self._loop(), "threads", self._otherwise)
        return found

    def run(self, job: Job, /) -> None:
        """Have a short job done."""
        self._threads().run(job)

    def start(self, job: Job, name: str, /) -> None:
        """Have a job done on a thread of its own."""
        self._threads().start(job, name)


class Turns:
    """A job that is done again and again, never twice at a time.

    Asked for while it waits, it is done once; asked for while it is being done, once more.

    Args:
        threads: Where it is done.
        job: What is done.
    """

    __slots__ = ("_asked", "_busy", "_job", "_lock", "_threads")

    def __init__(self, threads: Threads, job: Job) -> None:
        self._threads = threads
        self._job = job
        self._lock = threading.Lock()
        self._asked = False
        self._busy = False

    def ask(self) -> None:
        """Have it done; on any thread, at once."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
            if self._busy:
                return
            self._busy = True
        self._threads.run(self._take)

    def _take(self) -> None:
        with self._lock:
            self._asked = False
        try:
            self._job()
        finally:
            with self._lock:
                again = self._busy = self._asked
            if again:
                self._threads.run(self._take)


#: Read files for all calls; and write them, in order.
READERS: Final = Workers("sipparty-files", 2)
WRITERS: Final = Workers("sipparty-recordings", 1)

os.register_at_fork(after_in_child=READERS.forget)
os.register_at_fork(after_in_child=WRITERS.forget)
