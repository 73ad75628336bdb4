"""A machine as text, for Graphviz and for Mermaid."""

from __future__ import annotations

import json

from sipparty.fsm.drawing.view import View, delay_of
from sipparty.fsm.table import Row, Timer
from sipparty.late import late_pattern

__all__ = ["dot", "mermaid", "text"]


def _what(row: Row, timers: tuple[Timer, ...]) -> str:
    """What goes beside an arrow: the input, the delay if a timer gives it, the actions."""
    delays = "".join(f" [{delay_of(timer)}]" for timer in timers if timer.input == row.input)
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
        lines.extend(f"     timer {timer.input}: {delay_of(timer)}" for timer in view.timers(state))
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
