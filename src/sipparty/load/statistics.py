"""What a load counts: calls, steps with their durations, failures by reason, seconds of its course.

Laws:

* What several processes have counted is added up, in any order, to what one would have counted.
* The memory it takes does not grow with the calls, nor with the time beyond `Course.MOST` rows.
* Durations are exact to one part in 64; their number, sum, least and greatest are exact.
* Calls that began = succeeded + failed + lost + under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import frexp, inf, ldexp, sqrt
from typing import Any, Self

__all__ = ["PERCENTILES", "Course", "Histogram", "Statistics"]

#: The percentiles that reports have.
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

#: Reasons of failures that are kept apart; a target may write anything into a reason phrase.
MAX_REASONS = 100
#: Where those beyond are counted.
OTHER_REASONS = "other reasons"


class Histogram:
    """Durations, in seconds: 64 buckets for each power of two.

    Attributes:
        count: How many.
        failed: How many more have not come to their end.
        total: Their sum.
        least: The shortest; infinite where there is none.
        most: The longest.
    """

    __slots__ = ("_buckets", "_squares", "count", "failed", "least", "most", "total")

    def __init__(self) -> None:
        self.count = self.failed = 0
        self.total = self._squares = self.most = 0.0
        self.least = inf
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one duration, in seconds; what is below 0 counts as 0."""
        if seconds < 0.0:
            seconds = 0.0
        self.count += 1
        self.total += seconds
        self._squares += seconds * seconds
        if seconds > self.most:
            self.most = seconds
        if seconds < self.least:
            self.least = seconds
        fraction, exponent = frexp(seconds + 1e-9)
        bucket = exponent * 64 + int(fraction * 128.0) - 64
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def mean(self) -> float:
        """Their mean, in seconds; 0.0 for none."""
        return self.total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """Their standard deviation, in seconds."""
        if not self.count:
            return 0.0
        return sqrt(max(0.0, self._squares / self.count - self.mean**2))

    def percentile(self, percent: float) -> float:
        """Return the duration that `percent` of them do not exceed, in seconds; 0.0 for none.

        Raises:
            ValueError: It is not from 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"A percentile is from 0 to 100, not {percent!r}.")
        if not percent or not self.count:
            return self.least if self.count else 0.0
        wanted, seen = self.count * percent / 100, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                exponent, part = divmod(bucket, 64)
                upper = ldexp((part + 65) / 128, exponent)
                return min(max(upper, self.least), self.most)
        return self.most

    def parts(self, bounds: Iterable[float]) -> list[int]:
        """Return how many are below each bound, and not below the one before; and the rest."""
        bounds = sorted(bounds)
        found = [0] * (len(bounds) + 1)
        for bucket, count in self._buckets.items():
            exponent, part = divmod(bucket, 64)
            middle = ldexp((part + 64.5) / 128, exponent)
            found[sum(middle >= bound for bound in bounds)] += count
        return found

    def merge(self, other: Histogram) -> Self:
        """Add what another has counted."""
        self.count += other.count
        self.failed += other.failed
        self.total += other.total
        self._squares += other._squares
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        return self

    def summary(self) -> dict[str, Any]:
        """Return it as JSON has it: seconds, and `count` and `failed`."""
        return {
            "count": self.count,
            "failed": self.failed,
            "mean": self.mean,
            "deviation": self.deviation,
            "min": self.least if self.count else 0.0,
            "max": self.most,
            **{f"p{percent:g}": self.percentile(percent) for percent in PERCENTILES},
        }


class Course:
    """What was counted in each span of time: rows of counters, by their number.

    Attributes:
        width: How many seconds a row has.
        rows: The rows.
    """

    #: Rows that are kept: beyond, each has twice the time.
    MOST = 900

    __slots__ = ("rows", "width")

    def __init__(self) -> None:
        self.width = 1
        self.rows: dict[int, Counter[str]] = {}

    def add(self, seconds: float, counts: dict[str, float]) -> None:
        """Add counters at a time, in seconds since the load began."""
        if seconds >= self.width * self.MOST:
            self._widen()
            self.add(seconds, counts)
            return
        row = self.rows.setdefault(int(seconds // self.width), Counter())
        for name, number in counts.items():
            row[name] += number  # type: ignore[assignment]

    def _widen(self) -> None:
        self.width *= 2
        former, self.rows = self.rows, {}
        for number, row in former.items():
            self.rows.setdefault(number // 2, Counter()).update(row)

    def merge(self, other: Course) -> None:
        """Add what another has counted."""
        while self.width < other.width:
            self._widen()
        for number, row in other.rows.items():
            at = number * other.width // self.width
            self.rows.setdefault(at, Counter()).update(row)

    def table(self) -> list[dict[str, float]]:
        """Return the rows in order, each with the "second" it begins at; empty ones too."""
        last = max(self.rows, default=-1)
        return [
            {"second": number * self.width, **self.rows.get(number, {})}
            for number in range(last + 1)
        ]


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
        course: What was counted in each second.
        cpu: CPU seconds that the processes took, from the first call to the end of the last.
        seconds: How long it took, from the beginning to the end of the last call.
    """

    __slots__ = (
        *("begun", "counts", "course", "cpu", "failed", "failures", "lost"),
        *("most_in_flight", "seconds", "steps", "succeeded"),
    )

    def __init__(self) -> None:
        self.begun = self.succeeded = self.failed = self.lost = self.most_in_flight = 0
        self.steps: dict[str, Histogram] = {}
        self.failures: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.course = Course()
        self.cpu = self.seconds = 0.0

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
        self.course.merge(other.course)
        self.cpu += other.cpu
        self.seconds = max(self.seconds, other.seconds)
        return self

    @classmethod
    def total(cls, several: Iterable[Statistics]) -> Self:
        """Return what several have counted together."""
        made = cls()
        for one in several:
            made.merge(one)
        return made
