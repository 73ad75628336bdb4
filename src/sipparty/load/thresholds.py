"""Thresholds: what must hold of a load for it to have passed.

    failed < 1%                 calls: begun, succeeded, failed, lost; with % of those that began
    answer.p95 < 200ms          a step: p50, p95, p99.9, ..., mean, min, max, count, failed
    retransmitted == 0          a counter: of messages, or one of the scenario's own
    rate >= 900                 calls a second

A threshold is a name, one of `<`, `<=`, `>`, `>=`, `==` and `!=`, and a number with its unit: `ms`
or `s` for durations, `%` for a share of the calls. Durations are of the steps that came to their
end; where none did, the threshold does not hold.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable

from sipparty.errors import UsageError
from sipparty.load.histogram import Histogram, duration
from sipparty.load.statistics import Statistics
from sipparty.records import Record

__all__ = ["DEFAULT", "Threshold", "Verdict"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_PATTERN = re.compile(r"\s*(.+?)\s*(<=|>=|==|!=|<|>)\s*(\d+(?:\.\d+)?)\s*(ms|s|%)?\s*")
_STEP = re.compile(r"(.+?)\.(p(?:\d{1,2}(?:\.\d+)?|100)|mean|min|max|count|failed)")
_CALLS = ("begun", "succeeded", "failed", "lost")
_OF_STEPS: dict[str, Callable[[Histogram], float]] = {
    "mean": lambda step: step.mean,
    "min": lambda step: step.least,
    "max": lambda step: step.most,
    "count": lambda step: step.count,
    "failed": lambda step: step.failed,
}
#: What a value is measured in.
_SECONDS, _NUMBER, _CALL_COUNT = "s", "", "calls"


class Verdict(Record):
    """Whether a threshold held.

    Attributes:
        threshold: The threshold, as it was written.
        passed: Whether it held.
        value: What was measured, in seconds, percent or a number; None where there was nothing.
        text: That in words.
    """

    threshold: str
    passed: bool
    value: float | None
    text: str


class Threshold(Record):
    """A threshold.

    Args:
        text: As it is written.
        name: What is compared.
        compare: How.
        limit: With what, in `unit`.
        unit: "ms", "s", "%" or "".
    """

    text: str
    name: str
    compare: str
    limit: float
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a threshold.

        Raises:
            UsageError: It is none.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is no threshold: expected a name, a comparison and a number, such as"
                " 'failed < 1%' or 'answer.p95 < 200ms'."
            )
        name, compare, limit, unit = match.groups()
        if unit == "%" and name not in _CALLS:
            raise UsageError(f"{text!r}: % is of calls ({', '.join(_CALLS)}), not of {name!r}.")
        if unit in ("s", "ms") and "." not in name:
            raise UsageError(
                f"{text!r}: a duration is that of a step, with what is meant of it, such as"
                f" '{name}.p95 {compare} {limit}{unit}'."
            )
        return cls(text.strip(), name, compare, float(limit), unit or "")

    def judge(self, statistics: Statistics, rate: float) -> Verdict:
        """Say whether it holds.

        Args:
            statistics: What was counted.
            rate: The calls a second that were made.
        """
        found = self._find(statistics, rate)
        if isinstance(found, str):
            return Verdict(self.text, False, None, found)
        value, kind = found
        limit, text = self.limit, f"{value:.6g}"
        if kind == _SECONDS:
            # Without a unit a duration is in seconds.
            limit, text = limit / (1000 if self.unit == "ms" else 1), duration(value)
        elif self.unit == "%":
            value = 100 * value / max(1, statistics.begun)
            text = f"{value:.4g} %"
        return Verdict(self.text, _OPERATORS[self.compare](value, limit), value, text)

    def _find(self, statistics: Statistics, rate: float) -> tuple[float, str] | str:
        """Return the value and what it is measured in; or why there is none, in words."""
        if self.name in _CALLS:
            return getattr(statistics, self.name), _CALL_COUNT
        if self.name == "rate":
            return rate, _NUMBER
        match = _STEP.fullmatch(self.name)
        if match is not None:
            step, what = match.groups()
            histogram = statistics.steps.get(step)
            if histogram is None:
                return f"no call took a step {step!r}{_near(step, statistics.steps)}"
            if not histogram.count and what not in ("count", "failed"):
                return f"no call came to the end of the step {step!r}"
            if what[0] == "p":
                return histogram.percentile(float(what[1:])), _SECONDS
            kind = _NUMBER if what in ("count", "failed") else _SECONDS
            return _OF_STEPS[what](histogram), kind
        if self.name in statistics.counts:
            return statistics.counts[self.name], _NUMBER
        known = [*_CALLS, "rate", *statistics.counts, *(f"{one}.p95" for one in statistics.steps)]
        return f"nothing is counted as {self.name!r}{_near(self.name, known)}"


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


#: What is asked of a load of which nothing else is: that each call succeeds.
DEFAULT = ("failed == 0", "lost == 0")
