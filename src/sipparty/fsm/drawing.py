"""Drawing: a machine as text, for Graphviz, for Mermaid and for a notebook.

Laws:

1. A drawing is made from the compiled rows, the same that run the machine, so it cannot be out of
   date.
2. Every drawing shows every state, input, next state, action and timer, which states are initial
   and final, and of an instance which one is current.
3. Any name can be drawn: what a language would take for its own is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from sipparty.fsm.table import Plan, Row, Timer
from sipparty.late import late_pattern

__all__ = ["View", "dot", "html", "mermaid", "text"]


class View(NamedTuple):
    """What is drawn: a class, or one of its instances.

    Attributes:
        title: The class's name.
        plan: Its compiled tables; None for an abstract class.
        name: The instance's name; None for a class.
        state: The instance's current state; None for a class.
    """

    title: str
    plan: Plan | None
    name: str | None = None
    state: str | None = None

    @property
    def heading(self) -> str:
        """The drawing's first line."""
        if self.name is not None:
            return f"{self.title} instance {self.name!r} (current state {self.state!r})"
        return self.title if self.plan is not None else f"{self.title} (abstract, it has no table)"

    def states(self) -> tuple[str, ...]:
        """The states, in their order."""
        return () if self.plan is None else self.plan.states

    def rows(self, state: str) -> Iterator[Row]:
        """The rows of one state."""
        if self.plan is not None:
            yield from (row for row in self.plan.rows if row.state == state)

    def timers(self, state: str) -> tuple[Timer, ...]:
        """The timers that one state owns."""
        return () if self.plan is None else self.plan.owned[state]

    def marks(self, state: str) -> tuple[str, ...]:
        """What is to be said of one state: of "initial", "final" and "current" what holds."""
        if self.plan is None:
            return ()
        found = (
            ("initial", state == self.plan.initial),
            ("final", state in self.plan.final),
            ("current", state == self.state),
        )
        return tuple(mark for mark, holds in found if holds)


def _delay(timer: Timer) -> str:
    """The delay of a timer in words: "32 s", "timer_a", "every 20 s"."""
    delay = timer.delay if isinstance(timer.delay, str) else f"{timer.delay:g} s"
    return f"every {delay}" if timer.repeat else delay


def _what(row: Row, timers: tuple[Timer, ...]) -> str:
    """What goes beside an arrow: the input, the delay if a timer gives it, the actions."""
    delays = "".join(f" [{_delay(timer)}]" for timer in timers if timer.input == row.input)
    actions = f" / {', '.join(row.actions)}" if row.actions else ""
    return f"{row.input}{delays}{actions}"


def text(view: View) -> str:
    """The machine as text, for people.

    A heading; then each state, the current one marked with an arrow; under it a line for each
    input with the next state and the actions, and one for each timer that the state owns.
    """
    lines = [view.heading]
    rows = [row for state in view.states() for row in view.rows(state)]
    wide = max((len(row.input) for row in rows), default=0)
    wider = max((len(str(row.next_state)) for row in rows), default=0)
    for state in view.states():
        marks = view.marks(state)
        lines.append("")
        pointer = "->" if "current" in marks else "  "
        lines.append(f"{pointer} {state}" + (f" ({', '.join(marks)})" if marks else ""))
        for row in view.rows(state):
            actions = f"  {', '.join(row.actions)}" if row.actions else ""
            line = f"     {row.input:<{wide}} -> {row.next_state!s:<{wider}}{actions}"
            lines.append(line.rstrip())
        lines.extend(f"     timer {timer.input}: {_delay(timer)}" for timer in view.timers(state))
    return "\n".join(lines)


def _dot_string(value: str) -> str:
    """A quoted identifier of the DOT language, where a backslash starts an escape in a label."""
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{value}"'


def dot(view: View) -> str:
    """The machine for Graphviz; final states have two borders, the current one is filled."""
    lines = [
        f"digraph {_dot_string(view.title)} {{",
        f"  label={_dot_string(view.heading)};",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded"];',
    ]
    for state in view.states():
        marks = view.marks(state)
        looks = []
        if "final" in marks:
            looks.append("peripheries=2")
        if "current" in marks:
            looks.append('style="rounded,filled", fillcolor="gold"')
        lines.append(f"  {_dot_string(state)}" + (f" [{', '.join(looks)}];" if looks else ";"))
    if view.plan is not None:
        # An empty name is no state's, so the point where a machine starts cannot clash with one.
        lines.append('  "" [shape=point];')
        lines.append(f'  "" -> {_dot_string(view.plan.initial)};')
    for state in view.states():
        for row in view.rows(state):
            label = _dot_string(_what(row, view.timers(state)))
            ends = f"{_dot_string(state)} -> {_dot_string(str(row.next_state))}"
            lines.append(f"  {ends} [label={label}];")
    return "\n".join((*lines, "}"))


#: What Mermaid does not take as it is in a label: a colon ends one, a semicolon a line.
_MERMAID_SPECIAL = late_pattern(r"[^\w .,/()\[\]=!?*+-]")


def _mermaid_label(value: str) -> str:
    """Text in which what Mermaid would read as its own is a numbered entity."""
    return _MERMAID_SPECIAL.sub(lambda found: f"#{ord(found[0])};", value)


def mermaid(view: View) -> str:
    """The machine as a Mermaid state diagram (`stateDiagram-v2`); the current state is filled."""
    # The heading is YAML, where a JSON string is a string.
    lines = ["---", f"title: {json.dumps(view.heading)}", "---", "stateDiagram-v2"]
    # States go by numbers, for a name may be one of Mermaid's words or not be an identifier.
    ids = {state: f"s{number}" for number, state in enumerate(view.states())}
    lines.extend(f'  state "{_mermaid_label(state)}" as {ids[state]}' for state in ids)
    for state in view.states():
        marks = view.marks(state)
        if "initial" in marks:
            lines.append(f"  [*] --> {ids[state]}")
        for row in view.rows(state):
            label = _mermaid_label(_what(row, view.timers(state)))
            lines.append(f"  {ids[state]} --> {ids[str(row.next_state)]} : {label}")
        if "final" in marks:
            lines.append(f"  {ids[state]} --> [*]")
    for state in view.states():
        if "current" in view.marks(state):
            lines.append("  classDef current fill:gold,color:black")
            lines.append(f"  class {ids[state]} current")
    return "\n".join(lines)


def html(view: View) -> str:
    """The machine as an HTML table, which a notebook shows in place of its text."""
    lines = [
        "<table>",
        f"<caption>{escape(view.heading)}</caption>",
        "<thead><tr><th>State</th><th>Input</th><th>Next state</th><th>Actions</th>"
        "<th>Timers</th></tr></thead>",
        "<tbody>",
    ]
    for state in view.states():
        marks = view.marks(state)
        named = escape(state)
        if "current" in marks:
            named = f"<mark>{named}</mark>"
        if marks:
            named += f"<br><small>{', '.join(marks)}</small>"
        timers = "<br>".join(
            escape(f"{timer.input}: {_delay(timer)}") for timer in view.timers(state)
        )
        rows = tuple(view.rows(state))
        span = f' rowspan="{len(rows)}"' if len(rows) > 1 else ""
        first, *others = [
            "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            for cells in (
                (str(row.input), str(row.next_state), ", ".join(row.actions)) for row in rows
            )
        ] or ["<td></td>" * 3]
        current = ' class="current"' if "current" in marks else ""
        lines.append(f"<tr{current}><th{span}>{named}</th>{first}<td{span}>{timers}</td></tr>")
        lines.extend(f"<tr{current}>{other}</tr>" for other in others)
    return "\n".join((*lines, "</tbody>", "</table>"))
