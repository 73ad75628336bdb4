"""The result of a load: what was asked, what was made of it, and whether that is good enough."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sipparty.errors import UsageError
from sipparty.files import write_whole
from sipparty.load.course import Course
from sipparty.load.share import Share
from sipparty.load.statistics import Statistics
from sipparty.load.thresholds import Threshold, Verdict
from sipparty.trace.text import mask

__all__ = [
    "LoadResult",
    "check_suffix",
]


class LoadResult:
    """What a load has come to; `print(result)` shows it.

    Args:
        share: What was asked for, of all processes together.
        name: What the scenario is called.
        statistics: What was counted.
        course: What had been counted at each second.
        thresholds: What must hold of it.
        remarks: What else is to be said, in words.

    Attributes:
        verdicts: The thresholds, and whether they held.
    """

    def __init__(
        self,
        share: Share,
        name: str,
        statistics: Statistics,
        course: Course,
        thresholds: Iterable[Threshold],
        remarks: list[str],
    ) -> None:
        self.share = share
        self.name = name
        self.statistics = statistics
        self.course = course
        self.remarks = remarks
        self.verdicts: list[Verdict] = [one.judge(statistics, self.rate) for one in thresholds]

    @property
    def rate(self) -> float:
        """The calls a second that were begun, when the ramp was over."""
        statistics = self.statistics
        seconds = statistics.pacing - self.share.pacing.ramp / 2
        return statistics.begun / seconds if seconds > 0 else float(statistics.begun)

    @property
    def passed(self) -> bool:
        """Whether every threshold held."""
        return all(one.passed for one in self.verdicts)

    def __repr__(self) -> str:
        one = self.statistics
        return (
            f"<{one.begun} calls of {self.name}: {one.succeeded} succeeded, {one.failed} failed,"
            f" {one.lost} lost>"
        )

    @property
    def target(self) -> str:
        """Who was called; the password of a URI is masked."""
        return mask(self.share.target.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; durations are in seconds."""
        one, pacing = self.statistics, self.share.pacing
        return {
            "scenario": self.name,
            "target": self.target,
            "asked": {name: getattr(pacing, name) for name in pacing._fields},
            "processes": self.share.count,
            "seconds": round(one.seconds, 3),
            "rate": round(self.rate, 3),
            "calls": {
                "begun": one.begun,
                "succeeded": one.succeeded,
                "failed": one.failed,
                "lost": one.lost,
                "most_in_flight": one.most_in_flight,
            },
            "cpu": {
                "seconds": round(one.cpu, 3),
                "per_call": round(one.cpu / max(1, one.begun), 6),
            },
            "steps": {name: step.summary() for name, step in one.steps.items()},
            "failures": dict(one.failures.most_common()),
            "counts": dict(one.counts),
            "thresholds": [
                {name: getattr(each, name) for name in each._fields} for each in self.verdicts
            ],
            "passed": self.passed,
            "remarks": self.remarks,
            "course": self.course.rows,
        }

    def __str__(self) -> str:
        from sipparty.load.summary import summary

        return summary(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a report, whole or not at all.

        Args:
            path: Where; its suffix says what: ".html" a page with plots, ".json" all that there is,
                ".txt" what `print` shows.

        Raises:
            OSError: It cannot be written.
            UsageError: The suffix is none of these; or the extra `plots` is not installed.
        """
        path = Path(path)
        suffix = check_suffix(path)
        if suffix == ".json":
            text = json.dumps(self.as_dict(), indent=2) + "\n"
        elif suffix == ".txt":
            text = f"{self}\n"
        else:
            from sipparty.load.page import page

            text = page(self)
        write_whole(path, text)
        return path


def check_suffix(path: Path) -> str:
    """Return what kind of report a path is for, by its suffix.

    Raises:
        UsageError: It is for none.
    """
    suffix = path.suffix.lower()
    if suffix not in (".html", ".json", ".txt"):
        raise UsageError(
            f"A report is .html, .json or .txt, which {path.name!r} says by its suffix."
        )
    return suffix
