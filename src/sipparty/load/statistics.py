"""What the calls of a load have come to: their number, steps and failures.

Laws:

* What several processes have counted is added up, in any order, to what one would have counted.
* The memory it takes does not grow with the calls.
* Calls that began = succeeded + failed + lost + under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Self

from sipparty.load.histogram import Histogram

__all__ = ["MAX_REASONS", "OTHER_REASONS", "Statistics"]

#: Reasons of failures that are kept apart; a target may write anything into a reason phrase.
MAX_REASONS = 100
#: Where those beyond are counted.
OTHER_REASONS = "other reasons"


class Statistics:
    """What the calls of a load have come to.

    Attributes:
        begun: Calls that were begun.
        succeeded: Those that went through the whole scenario.
        failed: Those that did not.
        lost: Those of processes that died: of their share, whatever had not ended.
        most_in_flight: The most calls at a time.
        steps: Durations by the name of the step, in the order that steps were first taken.
        failures: Failed calls by reason.
        counts: Other counters: those of scenarios, and of the messages: "sent", "received",
            "retransmitted" (sent again for want of an answer), "repetitions" (received again).
        cpu: CPU seconds that the processes took, from the first call to the end of the last.
        seconds: How long it took, from the beginning to the end of the last call.
        pacing: How long of that calls were begun.
    """

    __slots__ = (
        *("begun", "counts", "cpu", "failed", "failures", "lost"),
        *("most_in_flight", "pacing", "seconds", "steps", "succeeded"),
    )

    def __init__(self) -> None:
        self.begun = self.succeeded = self.failed = self.lost = self.most_in_flight = 0
        self.steps: dict[str, Histogram] = {}
        self.failures: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.cpu = self.pacing = self.seconds = 0.0

    @property
    def in_flight(self) -> int:
        """Calls that are under way."""
        return self.begun - self.succeeded - self.failed - self.lost

    @property
    def ended(self) -> int:
        """Calls that have ended, those that were lost too."""
        return self.succeeded + self.failed + self.lost

    def step(self, name: str) -> Histogram:
        """Return the durations of a step."""
        found = self.steps.get(name)
        if found is None:
            found = self.steps[name] = Histogram()
        return found

    def fail(self, reason: str) -> None:
        """Count a failed call."""
        self.failed += 1
        if reason not in self.failures and len(self.failures) >= MAX_REASONS:
            reason = OTHER_REASONS
        self.failures[reason] += 1

    def merge(self, other: Statistics) -> Self:
        """Add what another process has counted."""
        self.begun += other.begun
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.lost += other.lost
        self.most_in_flight += other.most_in_flight
        for name, histogram in other.steps.items():
            self.step(name).merge(histogram)
        for reason, count in other.failures.items():
            full = reason not in self.failures and len(self.failures) >= MAX_REASONS
            self.failures[OTHER_REASONS if full else reason] += count
        self.counts.update(other.counts)
        self.cpu += other.cpu
        self.seconds = max(self.seconds, other.seconds)
        self.pacing = max(self.pacing, other.pacing)
        return self

    @classmethod
    def total(cls, several: Iterable[Statistics]) -> Self:
        """Return what several have counted together."""
        made = cls()
        for one in several:
            made.merge(one)
        return made
