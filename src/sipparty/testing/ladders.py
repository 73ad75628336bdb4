"""The messages of a call against what they should be, as a line that reads like a ladder.

    assert_ladder(call, "INVITE > 100? < 180 < 200 < ACK > ... BYE < 200 >")

An arrow stands behind what it is for: `>` was sent by the call's own side, `<` was received.

    =============  =========================================================
    `INVITE >`     a request, by its method
    `180 <`        a response, by its status
    `1xx <`        any of a class of responses
    `200 BYE <`    a response, by the method that it is for as well
    `180/183 <`    either
    `* >`          any message
    `100? <`       a message that may be missing
    `...`          any messages, or none
    =============  =========================================================

Laws:

* A pattern is for the whole of a call: what is before or after is `...`.
* A message that is sent again with the same bytes counts once, unless asked otherwise.
* Messages that may still come are waited for, for a bounded time; what cannot become right any more
  fails at once.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sipparty.errors import UsageError
from sipparty.testing.awaiting import Checked, Wrong, settle
from sipparty.testing.recording import messages_of
from sipparty.trace.text import summarise
from sipparty.trace.wirelog import WireRecord

__all__ = ["Rung", "Step", "assert_ladder", "read_ladder", "rungs"]

_WHAT: Final = re.compile(r"(?:[1-6]xx|[1-6]\d\d|\*|[A-Z]+)(?:/(?:[1-6]xx|[1-6]\d\d|[A-Z]+))*\Z")
_ARROWS: Final = {">": True, "<": False}


class Step(NamedTuple):
    """One step of a pattern.

    Attributes:
        names: Methods, statuses, classes of statuses such as "1xx", or "*".
        method: The method that a response is for; "" for any.
        sent: Whether it was sent, and not received.
        optional: Whether it may be missing.
        gap: Whether it stands for any messages, or none.
    """

    names: tuple[str, ...] = ()
    method: str = ""
    sent: bool = False
    optional: bool = False
    gap: bool = False

    def __str__(self) -> str:
        if self.gap:
            return "..."
        words = "/".join(self.names) + f" {self.method}" * bool(self.method)
        return f"{words}{'?' * self.optional} {'>' if self.sent else '<'}"

    def takes(self, rung: Rung) -> bool:
        """Whether a message is of this step."""
        if self.gap:
            return True
        if self.sent is not rung.sent or (self.method and self.method != rung.method):
            return False
        kinds = {"*", rung.name, f"{rung.name[0]}xx" if rung.status else rung.name}
        return not kinds.isdisjoint(self.names)


class Rung(NamedTuple):
    """One message of a call.

    Attributes:
        name: The method of a request, the status of a response.
        reason: The reason phrase of a response.
        method: The method; of a response, that which it is for.
        sent: Whether the call's own side has sent it.
    """

    name: str
    reason: str
    method: str
    sent: bool

    @property
    def status(self) -> bool:
        """Whether it is a response."""
        return self.name.isdigit()

    @property
    def short(self) -> str:
        """As a pattern has it."""
        return f"{self.name} {'>' if self.sent else '<'}"

    def __str__(self) -> str:
        what = f"{self.name} {self.reason} ({self.method})" if self.status else self.name
        return f"{'-->' if self.sent else '<--'} {what}"


def read_ladder(pattern: str) -> tuple[Step, ...]:
    """Read a pattern.

    Raises:
        UsageError: It is none, and where.
    """
    steps: list[Step] = []
    words: list[str] = []
    for word in pattern.split():
        if word in _ARROWS and words:
            steps.append(_step(words, _ARROWS[word], pattern))
            words = []
        elif word == "..." and not words:
            steps.append(Step(gap=True))
        elif word in _ARROWS or word == "...":
            raise UsageError(f"{word!r} is out of place in the ladder {pattern!r}.")
        else:
            words.append(word)
    if words or not steps:
        left = " ".join(words) or pattern
        raise UsageError(f"An arrow is missing after {left!r} in the ladder: say '{left} >'.")
    return tuple(steps)


def _step(words: list[str], sent: bool, pattern: str) -> Step:
    bare = [word.removesuffix("?") for word in words]
    method = bare[1] if len(bare) == 2 else ""
    if len(bare) > 2 or not _WHAT.match(bare[0]) or (method and not method.isalpha()):
        raise UsageError(
            f"{' '.join(words)!r} is no step of a ladder: expected a method, a status or '1xx', and"
            f" an arrow, as in 'INVITE > 180 < 200 INVITE <', in {pattern!r}."
        )
    return Step(tuple(bare[0].split("/")), method, sent, any(word[-1] == "?" for word in words))


def rungs(
    records: Iterable[tuple[bool, WireRecord]], *, copies: bool = False
) -> list[tuple[Rung, WireRecord]]:
    """Return the messages among records, each with whether it was sent by the side that is asked
    about.

    Args:
        records: The records, in order.
        copies: Whether the same bytes count each time.
    """
    found, seen = [], set()
    for sent, record in records:
        key = (sent, record.data)
        summary = summarise(record.data)
        if summary is None or (key in seen and not copies):
            continue
        seen.add(key)
        name = summary.method if summary.status is None else str(summary.status)
        found.append((Rung(name, summary.reason, summary.method, sent), record))
    return found


@dataclass(slots=True)
class _Match:
    """How far messages follow a pattern.

    Attributes:
        at: How many do.
        expected: The steps that may come next there.
        complete: Whether all do, and nothing is missing.
    """

    at: int
    expected: list[Step]
    complete: bool


def _match(steps: Sequence[Step], came: Sequence[Rung]) -> _Match:
    def closed(states: set[int]) -> set[int]:
        """With what may be left out left out."""
        for state in sorted(states):
            while state < len(steps) and (steps[state].gap or steps[state].optional):
                state += 1
                states.add(state)
        return states

    states, furthest = closed({0}), 0
    for at, rung in enumerate(came):
        after = set()
        for state in states:
            if state < len(steps) and steps[state].takes(rung):
                after.add(state if steps[state].gap else state + 1)
        if not after:
            return _Match(at, _expected(steps, states), False)
        states = closed(after)
        # After a gap anything may have been skipped: what came nearest says more.
        furthest = max(furthest, *after)
    nearest = closed({furthest})
    return _Match(len(came), _expected(steps, nearest), len(steps) in states)


def _expected(steps: Sequence[Step], states: set[int]) -> list[Step]:
    return [steps[state] for state in sorted(states) if state < len(steps) and not steps[state].gap]


def assert_ladder(
    call: Any, pattern: str, *, within: float = 1.0, retransmissions: bool = False
) -> Any:
    """Assert that the messages of a call are those of a pattern, as the call's own side has sent
    and received them.

    In a coroutine that shares the loop of the call it is awaited: `await assert_ladder(...)`.

    Args:
        call: The call, of a party that is being recorded: one of the plugin's fixtures, or with
            `history=True`.
        pattern: The messages; see this module.
        within: Seconds to wait for those that may still come.
        retransmissions: Whether messages that are sent again count again.

    Raises:
        AssertionError: They differ; where, and what came in full.
        UsageError: The pattern is none, or nothing was recorded of the call.
    """
    __tracebackhide__ = True
    steps = read_ladder(pattern)

    def check(late: bool) -> Checked:
        came = [rung for rung, _ in rungs(messages_of(call), copies=retransmissions)]
        match = _match(steps, came)
        if match.complete:
            return True, None
        if match.at == len(came) and not late:
            return False, None
        return True, Wrong(_describe(call, steps, came, match, within))

    return settle(call.party.engine, check, within, call)


def _describe(
    call: Any, steps: Sequence[Step], came: Sequence[Rung], match: _Match, within: float
) -> str:
    wanted = " or ".join(map(str, match.expected)) or "nothing more"
    if match.at < len(came):
        head = f"expected {wanted}, got {came[match.at].short}"
    else:
        head = f"{wanted} did not come within {within:g} s"
    lines = [f"{call.party.username}'s call has another ladder: {head}."]
    lines += _folded("expected", map(str, steps))
    lines += _folded("came", (rung.short for rung in came)) if came else ["  came      nothing"]
    lines.append("")
    for at, rung in enumerate(came):
        lines.append(f"  {'!' if at == match.at else ' '} {rung}")
    if match.at == len(came):
        lines.append(f"  ! missing: {wanted}")
    return "\n".join(lines)


def _folded(name: str, words: Iterable[str]) -> list[str]:
    folded = textwrap.wrap(
        # An arrow stays with what it is for.
        " ".join(word.replace(" ", "\0") for word in words),
        initial_indent=f"  {name:9} ",
        subsequent_indent=" " * 12,
        width=76,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in folded]
