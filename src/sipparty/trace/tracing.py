"""Trace: all that an engine does, on one clock.

    with Trace(alice, bob) as trace:
        call = alice.invite(bob)
        ...
    print(trace.ladder())
    trace.save("call.html")

Laws:

1. It has messages, the transitions of state machines, media, keys, quality, and the program's own
   notes, in the order that they happened (`sipparty.trace.records`).
2. What is not traced costs nothing: an engine runs the same functions as if this module were not
   there. A trace that has ended takes no more records, and keeps those that it has.
3. It keeps the latest records, `limit` of them and `MAX_BYTES` of messages at the most.
4. A file that `save` writes is whole, or not there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sipparty.errors import UsageError
from sipparty.sip import URI
from sipparty.trace.records import NoteRecord, TraceRecord
from sipparty.trace.watching import EngineWatch, Transition, engines_of
from sipparty.trace.wirelog import WireRecord

if TYPE_CHECKING:
    import os

    from sipparty.trace.ladder import Ladder

__all__ = ["Trace", "TraceTap"]

_log = logging.getLogger(__name__)

#: What can be added to a `Trace`.
TraceTap = Callable[[TraceRecord], object]
_T = TypeVar("_T", bound=TraceTap)


class Trace:
    """What some engines do, recorded; a context manager that records while its block runs.

    All of an engine is recorded: of parties that share one, everybody's calls.

    Args:
        of: Parties, or engines.
        states: Whether the transitions of state machines are recorded.
        media: Whether media is: sums of RTP, keys, quality.
        rtp: Whether RTP and RTCP packets are kept, for `save("call.pcapng")`, as they are without
            SRTP; of calls whose media is opened while it records.
        limit: How many records are kept, the latest, and how many packets; bounds the memory that a
            long run takes.
        interval: Seconds between two records of the quality of a call; one more is made at its end.

    Raises:
        UsageError: There is no party and no engine, or what there is, is neither.

    Attributes:
        packets: The RTP and RTCP packets, as `WireRecord`s whose transport is "RTP" or "RTCP".
    """

    #: How many bytes of messages it keeps at the most: peers say how long a message is.
    MAX_BYTES = 256 << 20

    def __init__(
        self,
        *of: Any,
        states: bool = True,
        media: bool = True,
        rtp: bool = False,
        limit: int = 100_000,
        interval: float = 5.0,
    ) -> None:
        engines = engines_of(of, "Trace")
        self.packets: deque[WireRecord] = deque(maxlen=limit)
        self._kept: deque[TraceRecord | Transition] = deque()
        self._bytes = 0
        self._limit = limit
        self._lock = threading.Lock()
        self._taps: tuple[TraceTap, ...] = ()
        packets = self.packets.append if rtp else None
        options: Any = {"states": states, "media": media, "packets": packets, "interval": interval}
        self._watches = [EngineWatch(one, self._keep, self._recent, **options) for one in engines]
        self._running = False

    # ---------------------------------------------------------------- recording

    def start(self) -> Self:
        """Record from now on; nothing where it does."""
        if not self._running:
            self._running = True
            for watch in self._watches:
                watch.begin()
        return self

    def stop(self) -> None:
        """Record no more; nothing where it does not."""
        if self._running:
            self._running = False
            for watch in self._watches:
                watch.end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def note(self, text: str, call: Any = None) -> None:
        """Add a remark, at the time that it is now.

        Args:
            text: What is to be remembered.
            call: The call that it is about, or its Call-ID; None for none.
        """
        clock = self._watches[0].clock if self._watches else time.time
        self._keep(NoteRecord(clock(), _call_id(call), str(text)))

    def add(self, tap: _T) -> _T:
        """Give a tap each record from now on, as it happens, and return it, so that this can
        decorate a function. It is called on the thread where it happens, and must be quick; one
        that raises is taken off, and its error is logged.
        """
        self._taps = (*self._taps, tap)
        return tap

    def remove(self, tap: TraceTap) -> None:
        """Give it none any more; nothing happens where it has none."""
        self._taps = tuple(one for one in self._taps if one != tap)

    def clear(self) -> None:
        """Forget what was recorded."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
        self.packets.clear()

    def _keep(self, record: TraceRecord | Transition) -> None:
        kept = self._kept
        kept.append(record)
        if isinstance(record, WireRecord):
            self._bytes += len(record.data)
        if len(kept) > self._limit or self._bytes > self.MAX_BYTES:
            self._drop()
        if self._taps:
            self._show(_record(record))

    def _drop(self) -> None:
        """Forget the oldest records, as there are too many."""
        kept = self._kept
        with self._lock:
            while kept and (len(kept) > self._limit or self._bytes > self.MAX_BYTES):
                gone = kept.popleft()
                if isinstance(gone, WireRecord):
                    self._bytes -= len(gone.data)

    def _show(self, record: TraceRecord) -> None:
        for tap in self._taps:
            try:
                tap(record)
            except Exception:
                self.remove(tap)
                _log.exception("A tap raised and was taken off the trace: %r", tap)

    def _recent(self, most: int) -> list[TraceRecord | Transition]:
        """The latest of what is kept, the last one first."""
        with self._lock:
            return [self._kept[-at] for at in range(1, 1 + min(most, len(self._kept)))]

    # ---------------------------------------------------------------- what was recorded

    def __iter__(self) -> Iterator[TraceRecord]:
        """The records so far, in order of time; those that come meanwhile are not among them."""
        return iter(sorted(map(_record, self._kept.copy()), key=lambda record: record.time))

    def __len__(self) -> int:
        """How many records are kept."""
        return len(self._kept)

    def __bool__(self) -> bool:
        """A trace is something even while it is empty."""
        return True

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} records{', running' if self._running else ''}>"

    @property
    def calls(self) -> list[str]:
        """The Call-IDs in the messages, in order of their first."""
        found = (one.call_id for one in self if isinstance(one, WireRecord))
        return [one for one in dict.fromkeys(found) if one]

    def for_call(self, call: Any) -> list[TraceRecord]:
        """Return the records of one call.

        Args:
            call: The call, or its Call-ID.
        """
        wanted = _call_id(call)
        return [record for record in self if record.call_id == wanted]

    @property
    def names(self) -> dict[tuple[str, int] | str, str]:
        """What ends are called, by address: the users of the parties that were seen there."""
        seen: dict[tuple[str, int], set[str]] = {}
        for watch in self._watches:
            for address, uris in watch.names.copy().items():
                seen.setdefault(address, set()).update(uris)
        return {
            address: user
            for address, uris in seen.items()
            if len(uris) == 1 and (user := URI.parse(next(iter(uris))).username)
        }

    def ladder(self, call: Any = None) -> Ladder:
        """Return a drawing of it.

        Args:
            call: The call to be drawn, or its Call-ID; None for all.
        """
        from sipparty.trace.ladder import Ladder

        wanted = None if call is None else _call_id(call)
        return Ladder(self, names=self.names, call_id=wanted, limit=max(1, len(self)))

    def _repr_html_(self) -> str:
        """Draw it for a notebook."""
        return self.ladder()._repr_html_()

    def save(self, path: str | os.PathLike[str], call: Any = None) -> Path:
        """Write it to a file, whose kind its name says.

        ============  ======================================================================
        `.txt`        the ladder as text, 120 characters wide
        `.svg`        the ladder as a picture
        `.html`       the ladder as a page to look around in
        `.jsonl`      the records, one JSON object a line, secrets masked
        `.pcapng`     a capture for Wireshark, states as comments, RTP where it was kept;
                      secrets as they went
        ============  ======================================================================

        Args:
            path: The file; one that is there is replaced, in one step.
            call: The call to be written, or its Call-ID; None for all.

        Returns:
            The path.

        Raises:
            OSError: It cannot be written.
            UsageError: Its name ends in none of these.
        """
        from sipparty.trace.saving import save

        return save(self, Path(path), call)


def _record(kept: TraceRecord | Transition) -> TraceRecord:
    return kept.record if isinstance(kept, Transition) else kept


def _call_id(call: Any) -> str:
    if call is None or isinstance(call, str):
        return call or ""
    found = getattr(call, "call_id", None)
    if not isinstance(found, str):
        raise UsageError(f"{call!r} is no call: expected a call or a Call-ID.")
    return found
