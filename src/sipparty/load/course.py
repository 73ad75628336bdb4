"""The course of a load: what had been counted at each second of it.

The memory it takes does not grow with the time, beyond `Course.MOST` rows: each row stands for
twice the time then.
"""

from __future__ import annotations

from typing import Any

from sipparty.load.histogram import Histogram
from sipparty.load.statistics import Statistics

__all__ = ["Course"]

#: What a row has of the counters of messages.
_MESSAGES = ("sent", "received", "retransmitted")


class Course:
    """Rows of what had been counted, each at its second.

    A row has "second", what `Statistics` counts up to then ("begun", "succeeded", "failed", "lost",
    "in_flight", "cpu", "retransmitted", ...), and "steps": of each step that ended since the row
    before, the percentiles "p50" and "p95" in seconds.

    Attributes:
        rows: The rows, in order.
    """

    #: Rows that are kept.
    MOST = 900

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._every = 1
        self._samples = 0
        self._former: dict[str, Histogram] = {}

    def sample(self, seconds: float, total: Statistics) -> None:
        """Add a row, where it is time for one.

        Args:
            seconds: Since the load began.
            total: What was counted; it is kept, and not to be changed afterwards.
        """
        self._samples += 1
        if self._samples % self._every:
            return
        steps = {}
        for name, histogram in total.steps.items():
            part = histogram.since(self._former.get(name))
            if part.count:
                steps[name] = {"p50": part.percentile(50), "p95": part.percentile(95)}
        self._former = total.steps
        self.rows.append(
            {
                "second": round(seconds, 3),
                "begun": total.begun,
                "succeeded": total.succeeded,
                "failed": total.failed,
                "lost": total.lost,
                "in_flight": total.in_flight,
                "cpu": round(total.cpu, 3),
                **{name: total.counts[name] for name in _MESSAGES},
                "steps": steps,
            }
        )
        if len(self.rows) > self.MOST:
            self.rows = self.rows[1::2]
            self._every *= 2
