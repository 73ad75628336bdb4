"""The result of a load as text, at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sipparty.load.histogram import duration

if TYPE_CHECKING:
    from sipparty.load.result import LoadResult

__all__ = ["MESSAGES", "percent", "summary"]

#: The counters that are of messages; the others are the scenario's own.
MESSAGES = ("sent", "received", "retransmitted", "repetitions")


def percent(part: int, whole: int) -> str:
    """Return a share: "99.9 %"."""
    return f"{100 * part / max(1, whole):.4g} %"


def summary(result: LoadResult) -> str:
    """Return the result as lines of text."""
    return "\n".join(_lines(result))


def _lines(result: LoadResult) -> Iterator[str]:
    one, share = result.statistics, result.share
    to = f" to {result.target}" if share.target else ""
    several = "es" if share.count > 1 else ""
    yield f"{result.name}{to}, {share.count} process{several}"
    yield (
        f"  calls     {one.begun}: {one.succeeded} succeeded"
        f" ({percent(one.succeeded, one.begun)}), {one.failed} failed, {one.lost} lost"
    )
    yield (
        f"  rate      {result.rate:.1f} calls/s for {one.pacing:.1f} s,"
        f" at most {one.most_in_flight} at a time"
    )
    yield f"  CPU       {duration(one.cpu / max(1, one.begun))} a call"
    yield "  messages  " + ", ".join(f"{name} {one.counts[name]}" for name in MESSAGES)
    own = [f"{name} {count}" for name, count in one.counts.items() if name not in MESSAGES]
    if own:
        yield f"  counters  {', '.join(own)}"
    if one.steps:
        yield ""
        yield (
            f"  {'step':<20}{'count':>8}"
            + "".join(f"{name:>10}" for name in ("p50", "p95", "p99", "max"))
            + f"{'failed':>8}"
        )
        for name, step in one.steps.items():
            values = (step.percentile(50), step.percentile(95), step.percentile(99), step.most)
            shown = [duration(value) if step.count else "-" for value in values]
            yield (
                f"  {name:<20}{step.count:>8}"
                + "".join(f"{value:>10}" for value in shown)
                + f"{step.failed:>8}"
            )
    if one.failures:
        yield ""
        yield "  why calls failed"
        for reason, count in one.failures.most_common(20):
            yield f"  {count:>8}  {reason}"
    yield ""
    for verdict in result.verdicts:
        word = "passed" if verdict.passed else "FAILED"
        yield f"  {word}  {verdict.threshold}  ({verdict.text})"
    for remark in result.remarks:
        yield ""
        yield from (f"  {line}" for line in remark.splitlines())
