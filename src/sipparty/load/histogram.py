"""Durations: how many, and what share of them is how long.

Durations are exact to one part in 64; their number, sum, least and greatest are exact. What several
histograms have counted is added up to what one would have counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import frexp, inf, ldexp, sqrt
from typing import Any, Self

__all__ = ["PERCENTILES", "Histogram", "duration"]

#: The percentiles that reports have.
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


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

    def since(self, former: Histogram | None) -> Histogram:
        """Return what was counted since it was as `former`; its least and greatest are of all."""
        if former is None:
            return self
        made = Histogram()
        made.count, made.failed = self.count - former.count, self.failed - former.failed
        made.total, made._squares = self.total - former.total, self._squares - former._squares
        made.least, made.most = self.least, self.most
        for bucket, count in self._buckets.items():
            more = count - former._buckets.get(bucket, 0)
            if more:
                made._buckets[bucket] = more
        return made


def duration(seconds: float) -> str:
    """Return a duration for people: three digits, and ms or s."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"
