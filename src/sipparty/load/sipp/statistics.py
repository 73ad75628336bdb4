"""What SIPp counts: messages of each command, calls, and how long responses and calls took.

messages    a row for each command: those that went through, repetitions, timeouts, messages
            that came in its place, and those lost on purpose
calls       begun, succeeded and failed, by reason
times       of each `rtd` timer and of whole calls, in the parts that the scenario asks for
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sipparty.load.histogram import Histogram
from sipparty.load.sipp.model import Program
from sipparty.load.statistics import MAX_REASONS, OTHER_REASONS

__all__ = ["CommandRow", "ScenarioStatistics"]


@dataclass(slots=True)
class CommandRow:
    """What one command has counted.

    Args:
        messages: Messages sent or received, or pauses and so on gone through.
        retransmissions: Messages sent or received again.
        timeouts: Calls for which nothing came, or that had sent often enough.
        unexpected: Messages that came in its place.
        lost: Messages lost on purpose.
    """

    messages: int = 0
    retransmissions: int = 0
    timeouts: int = 0
    unexpected: int = 0
    lost: int = 0


class ScenarioStatistics:
    """What the calls of a scenario have counted.

    Args:
        program: The scenario.

    Attributes:
        rows: A row for each command, in order.
        incoming: Calls that others began.
        outgoing: Calls that were begun here.
        succeeded: Those that went through.
        failed: Those that did not.
        failures: How many, by reason.
        current: Calls that are under way.
        peak: The most at a time.
        response_times: Durations by the name of the timer.
        call_length: How long calls took.
        counters: The scenario's own counters, by name.
        out_of_call: Messages for no call.
        dead_call: Messages for a call that was over, and no repetitions.
        auto_answered: Requests that were answered 200 although the scenario does not expect them.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.rows = [CommandRow() for _ in program.commands]
        self.incoming = self.outgoing = self.succeeded = self.failed = 0
        self.current = self.peak = 0
        self.failures: Counter[str] = Counter()
        self.response_times: dict[str, Histogram] = {}
        self.call_length = Histogram()
        self.counters: Counter[str] = Counter()
        self.out_of_call = self.dead_call = self.auto_answered = 0

    def began(self, *, incoming: bool) -> None:
        """Count a call that begins."""
        self.incoming += incoming
        self.outgoing += not incoming
        self.current += 1
        self.peak = max(self.peak, self.current)

    def ended(self, seconds: float, failure: str | None) -> None:
        """Count a call that is over."""
        self.current -= 1
        self.call_length.add(seconds)
        if failure is None:
            self.succeeded += 1
        else:
            self.failed += 1
            if failure not in self.failures and len(self.failures) >= MAX_REASONS:
                failure = OTHER_REASONS
            self.failures[failure] += 1

    def response_time(self, name: str, seconds: float) -> None:
        """Count the time of an `rtd` timer."""
        self.response_times.setdefault(name, Histogram()).add(seconds)

    @property
    def retransmissions(self) -> int:
        """Messages that were sent or received again."""
        return sum(row.retransmissions for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it; times are in seconds."""
        program = self.program
        return {
            "scenario": program.name,
            "calls": {
                "incoming": self.incoming,
                "outgoing": self.outgoing,
                "succeeded": self.succeeded,
                "failed": self.failed,
                "current": self.current,
                "peak": self.peak,
            },
            "failures": dict(self.failures),
            "commands": [
                {"line": command.line, "kind": command.kind, "name": command.name, **asdict(row)}
                for command, row in zip(program.commands, self.rows, strict=True)
            ],
            "response_times": {
                name: {
                    **times.summary(),
                    "parts": _parts(times, program.response_times),
                }
                for name, times in sorted(self.response_times.items())
            },
            "call_length": {
                **self.call_length.summary(),
                "parts": _parts(self.call_length, program.call_lengths),
            },
            "counters": dict(self.counters),
            "out_of_call": self.out_of_call,
            "dead_call": self.dead_call,
            "auto_answered": self.auto_answered,
        }

    def __str__(self) -> str:
        """Return it as SIPp's scenario screen has it, a line for each command."""
        lines = [
            f"{'':28}{'Messages':>10}{'Retrans':>9}{'Timeout':>9}{'Unexpected':>12}{'Lost':>6}"
        ]
        for command, row in zip(self.program.commands, self.rows, strict=True):
            arrow = {"send": "---------->", "recv": "<----------"}.get(command.kind, "")
            lines.append(
                f"  {command.name[:14]:>14} {arrow:11}{row.messages:>10}{row.retransmissions:>9}"
                f"{row.timeouts:>9}{row.unexpected:>12}{row.lost:>6}"
            )
        lines.append(
            f"  calls: {self.incoming + self.outgoing} begun, {self.succeeded} succeeded,"
            f" {self.failed} failed, {self.current} under way, {self.peak} at a time"
        )
        lines += [f"  failed: {count} x {why}" for why, count in self.failures.most_common()]
        for name, times in sorted(self.response_times.items()):
            lines.append(
                f"  response time {name}: mean {times.mean * 1e3:.1f} ms,"
                f" 99% within {times.percentile(99) * 1e3:.1f} ms, most {times.most * 1e3:.1f} ms"
            )
        return "\n".join(lines)


def _parts(times: Histogram, bounds: tuple[float, ...]) -> list[tuple[str, int]]:
    """Return how many are in each part of a table, with the part in milliseconds."""
    if not bounds:
        return []
    lower = [0.0, *bounds]
    names = [f"{a * 1e3:g}-{b * 1e3:g}" for a, b in zip(lower, bounds, strict=False)]
    names.append(f">={bounds[-1] * 1e3:g}")
    return list(zip(names, times.parts(bounds), strict=True))
