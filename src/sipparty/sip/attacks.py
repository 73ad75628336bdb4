"""Noticing attacks: wrong passwords, floods, and messages that are none, counted by source.

Laws:

* A source and kind is reported when its count reaches the kind's threshold, and each time it has
  doubled since: a hundred thousand messages make some fifteen reports.
* Sources are kept for so long after the last message, and so many at a time; a source beyond that
  takes the place of the one that is silent longest. So the memory of this is bounded too.
* The source address of a datagram may be forged, and whoever blocks it may block someone
  uninvolved. `proven` says whether the source has shown that it receives what is sent to it.
* Proven and unproven messages are counted apart: forged datagrams do not bring a source to the
  threshold at which it is reported as proven, and take no memory from the proven ones.
* A source is an IPv4 address, or an IPv6 network of 64 bits (`source_of`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from sipparty.sip.events import AttackDetected
from sipparty.sip.flow import Flow
from sipparty.sip.shares import source_of

__all__ = ["AttackMonitor"]

_log = logging.getLogger("sipparty.security")


class _Source:
    """What one source has done of one kind, proven or not."""

    __slots__ = ("count", "last", "report_at")

    def __init__(self, report_at: int) -> None:
        self.count = 0
        self.last = 0.0
        self.report_at = report_at


class AttackMonitor:
    """Counts what looks like an attack, and reports it: a log record and an event.

    The record is of the logger `sipparty.security`, level WARNING, on one line that fail2ban and
    its like can read: `attack kind=guessing source=192.0.2.7 transport=UDP proven=yes count=5`.

    Args:
        counters: What counts how many messages of each kind there were, whoever sent them.
        emit: Takes the `AttackDetected` events.
    """

    #: The count of one source at which each kind is reported first.
    THRESHOLDS: ClassVar[dict[str, int]] = {
        "guessing": 5,  # wrong credentials
        "relay": 1,  # right ones that were made for another server
        "malformed": 20,  # what is no message, or cannot be processed
        "flood": 20,  # beyond what one source may have us hold; a call too many is no attack
    }
    #: Seconds of silence after which a source is forgotten.
    MEMORY: ClassVar[float] = 600.0
    #: Sources remembered at a time, over all kinds.
    MAX_SOURCES: ClassVar[int] = 1024

    def __init__(self, counters: dict[str, int], emit: Callable[[AttackDetected], None]) -> None:
        self._counters = counters
        counters.update(dict.fromkeys(self.THRESHOLDS, 0))
        self._emit = emit
        #: By whether they are proven; each ordered by the last message: the first is silent
        #: longest.
        self._sources: dict[bool, dict[tuple[str, str], _Source]] = {False: {}, True: {}}

    def note(
        self, kind: str, flow: Flow, now: float, *, proven: bool | None = None, agent: Any = None
    ) -> int:
        """Count one message.

        Args:
            kind: One of `THRESHOLDS`.
            flow: The flow it came by.
            now: The time, in seconds.
            proven: Whether its sender has shown that it receives at its address; by default, where
                it came by a connection.
            agent: The user agent it was for; None for none in particular.

        Returns:
            How many of the kind the source has sent while it is remembered, as proven as this one.
        """
        self._counters[kind] += 1
        if proven is None:
            proven = flow.reliable
        key = (kind, source_of(flow.remote[0]))
        sources = self._sources[proven]
        source = sources.pop(key, None)
        if source is None or now - source.last > self.MEMORY:
            source = _Source(self.THRESHOLDS[kind])
        sources[key] = source
        if len(self) > self.MAX_SOURCES:
            first = self._sources[False] or self._sources[True]
            del first[next(iter(first))]
        source.count += 1
        source.last = now
        if source.count >= source.report_at:
            source.report_at = source.count * 2
            self._report(kind, flow, proven, source, agent)
        return source.count

    def __len__(self) -> int:
        """How many sources are remembered, over all kinds, proven and not."""
        return sum(map(len, self._sources.values()))

    def count(self, kind: str, host: str, now: float) -> int:
        """Return how many of a kind a source has sent, proven and not, as far as that is
        remembered.
        """
        key = (kind, source_of(host))
        found = [sources[key] for sources in self._sources.values() if key in sources]
        return sum(one.count for one in found if now - one.last <= self.MEMORY)

    def _report(self, kind: str, flow: Flow, proven: bool, source: _Source, agent: Any) -> None:
        host, count = flow.remote[0], source.count
        _log.warning(
            "attack kind=%s source=%s transport=%s proven=%s count=%d",
            *(kind, host, flow.transport, "yes" if proven else "no", count),
        )
        self._emit(AttackDetected(agent, kind, host, flow.transport, proven, count))
