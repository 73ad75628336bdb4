"""What a test has left open: engines, their endpoints, threads, sockets.

    leaks = Leaks()                 # before
    ...
    problems = leaks.found()        # after: sentences, none where nothing was left

What was there before does not count, nor does the engine that all parties share, which stays for
the next test where it has nothing open, or is closed.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

__all__ = ["Leaks"]


class Leaks:
    """What is open now, for a comparison later."""

    #: Seconds that threads are given to end.
    PATIENCE = 5.0

    def __init__(self) -> None:
        self._used = _in_use()
        self._sockets = _sockets()
        self._threads = set(threading.enumerate())
        self._shared = _shared()

    def found(self) -> list[str]:
        """Return what is open now and was not before, as sentences; the shared engine, where it is
        new, is closed.
        """
        problems = [f"left open: {one!r}" for one in _in_use() - self._used]
        engine = _shared()
        if engine is not None and engine is not self._shared and not engine.closed:
            # Parties have waited for their peers; who has not answered by now does not.
            engine.CLOSE_TIMEOUT = 0.05
            engine.close()
        threads = set(threading.enumerate()) - self._threads
        for thread in threads:
            thread.join(self.PATIENCE if not problems else 0.05)
        problems += [f"left running: {one!r}" for one in threads if one.is_alive()]
        if not problems and (engine is None or engine.closed or engine is self._shared):
            more = len(_sockets() - self._sockets)
            problems += [f"left open: {more} sockets"] if more else []
        return problems


def _engine_class() -> Any:
    """The class of engines; None where none was ever made, which is not to load it."""
    module = sys.modules.get("sipparty.concurrency.engine")
    return None if module is None else module.Engine


def _shared() -> Any:
    kind = _engine_class()
    return None if kind is None else kind._shared


def _in_use() -> set[Any]:
    """What engines hold: those that are open, but for an idle shared one, and every endpoint."""
    kind = _engine_class()
    if kind is None:
        return set()
    engines = {one for one in list(kind._all) if not one.closed}
    busy = {one for one in engines if one is not kind._shared}
    return busy | {endpoint for one in engines for endpoint in one.hub.endpoints()}


def _sockets() -> set[str]:
    """The inodes of this process's sockets; none where the system does not tell."""
    found: set[str] = set()
    try:
        entries = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for entry in entries:
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
