"""Pacing: how many calls should have begun by a time, and when the next is due.

    rate            calls a second; without it the next begins when one ends
    ramp            seconds in which the rate grows from nothing to that, evenly
    limit           calls at a time
    calls           calls in all
    duration        seconds after which no call begins

It has no clock: times are seconds since the first call might have begun.
"""

from __future__ import annotations

from math import inf, isfinite, sqrt

from sipparty.errors import UsageError
from sipparty.records import Record

__all__ = ["Pacing"]


class Pacing(Record):
    """When calls begin.

    Args:
        rate: Calls a second; None to have `limit` calls at all times.
        calls: How many calls; None for as many as there is time for.
        ramp: Seconds until the rate is reached.
        limit: The most calls at a time; None for no limit.
        duration: Seconds after which no call begins; None for no end but `calls`.

    Raises:
        TypeError: One is no number.
        UsageError: One is less than it can be, or there is neither a rate nor a limit.
    """

    rate: float | None = None
    calls: int | None = None
    ramp: float = 0.0
    limit: int | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        for name in self._fields:
            _check(name, getattr(self, name), whole=name in ("calls", "limit"))
        if self.rate is None and self.limit is None:
            raise UsageError(
                "A load has a rate, in calls a second, or a limit, the calls at a time; or both."
            )
        if self.rate is None and self.ramp:
            raise UsageError("There is nothing to ramp up without a rate: give one.")

    def due(self, elapsed: float) -> float:
        """Return how many calls should have begun after so many seconds; infinite without a rate.

        The first is due at once.
        """
        calls = inf if self.calls is None else self.calls
        if self.rate is None:
            return calls
        if elapsed < self.ramp:
            begun = self.rate * elapsed * elapsed / (2 * self.ramp)
        else:
            begun = self.rate * (elapsed - self.ramp / 2)
        return min(calls, int(begun + 1e-6) + 1)

    def when(self, number: int) -> float:
        """Return the second at which a call is due; they are numbered from 0."""
        if self.rate is None:
            return 0.0
        if number < self.rate * self.ramp / 2:
            return sqrt(2 * number * self.ramp / self.rate)
        return number / self.rate + self.ramp / 2

    def is_over(self, begun: int, elapsed: float) -> bool:
        """Whether no further call begins."""
        return (self.calls is not None and begun >= self.calls) or (
            self.duration is not None and elapsed >= self.duration
        )

    def share(self, index: int, count: int) -> Pacing:
        """Return the pacing of one process of several, which have it all together.

        Args:
            index: Which one, from 0.
            count: How many there are.
        """

        def part(whole: int | None) -> int | None:
            return None if whole is None else whole // count + (index < whole % count)

        # The shares of a limit that is less than the processes are 1 at the least.
        limit = part(self.limit)
        return self.replace(
            rate=None if self.rate is None else self.rate / count,
            calls=part(self.calls),
            limit=None if limit is None else max(1, limit),
        )


def _check(name: str, value: object, *, whole: bool) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "a whole number" if whole else "a number"
        raise TypeError(f"{name} is {kind}, not {value!r}.")
    may_be_none = name in ("calls", "ramp")
    if not isfinite(value) or value < 0 or not (value or may_be_none):
        wanted = "0 or more" if may_be_none else "above 0"
        raise UsageError(f"{name} is {wanted}, not {value!r}.")
