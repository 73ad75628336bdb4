"""A party for the commands: everything that happens to its calls goes into one queue.

Laws:

* One thread, the command's own, takes from the queue, decides and prints. So what is printed is in
  order, and nothing needs a lock.
* Ctrl-C and SIGTERM are happenings like others: the first asks the command to come to an end, and
  it hangs up; the second ends the program at once.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip.events import Event

__all__ = ["Happened", "Happenings", "Phone", "Stopped", "interrupts"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user wants the command to end."""


#: What a queue brings: an event, or the wish to end.
Happened = Event | Stopped


class Happenings:
    """The queue."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Happened] = queue.SimpleQueue()

    def put(self, happened: Happened) -> None:
        """Add something; on any thread, and in a signal handler."""
        self._queue.put(happened)

    def get(self, until: float | None = None) -> Happened | None:
        """Wait for the next.

        Args:
            until: When to give up, on `time.monotonic`'s clock; None for never.

        Returns:
            What happened; None where the time came first.
        """
        timeout = None if until is None else max(0.0, until - time.monotonic())
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None


class Phone(SingleRTPSessionSimplenParty):
    """A party that tells of everything in a queue, and leaves all decisions to who reads it.

    Args:
        address: The address of record.
        happenings: The queue.
        options: Those of `Party`.
    """

    def __init__(self, address: str, happenings: Happenings, **options: Any) -> None:
        super().__init__(address, **options)
        self.happenings = happenings
        self.configure(auto_answer=False)
        self.on(Event, happenings.put)


@contextmanager
def interrupts(happenings: Happenings) -> Generator[None, None, None]:
    """Have Ctrl-C and SIGTERM put `Stopped` into a queue, once; then they act as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def stop(_signal: int, _frame: object) -> None:
        for kind in kinds:
            signal.signal(kind, before[kind])
        happenings.put(Stopped())

    for kind in kinds:
        signal.signal(kind, stop)
    try:
        yield
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])
