"""A machine as a picture: SVG that stands alone, in a page or in a notebook, light or dark.

A box is a state; what it says under its name are its timers and the inputs by which it stays. An
arrow is what leads from one state to another, by any of the inputs at its label; an input that a
timer gives has a clock. The first state is entered from a dot, a final one has two borders. Of an
instance the current state is filled; the way that it came is coloured, and each input that it took
has its number. A browser shows the actions of an input where the mouse rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

from sipparty.fsm.drawing.layout import Arrow, Place, lay_out
from sipparty.fsm.drawing.view import View, delay_of
from sipparty.fsm.table import Row

__all__ = ["svg"]

#: Pixels: the size of a character, the height of a line, the space in a box and around all.
_CHARACTER, _LINE, _PADDING, _MARGIN = 6.65, 15.0, 9.0, 16.0
#: Characters: the width at which the inputs of a state are broken, and the longest of a name.
_WIDE, _LONGEST = 30, 48
#: So many numbers of steps stand beside an input; of more, the last ones.
_MOST_NUMBERS = 3

_LIGHT = (
    "--paper:#fff;--ink:#1f2328;--faint:#59636e;--line:#8c959f;--box:#f6f8fa;"
    "--way:#0969da;--here:#ddf4ff;--timer:#9a6700"
)
_DARK = (
    "--paper:#0d1117;--ink:#e6edf3;--faint:#9198a1;--line:#6e7681;--box:#161b22;"
    "--way:#4493f8;--here:#12325a;--timer:#d29922"
)
#: Light or dark as the reader has it, unless the page around says which.
_STYLE = (
    f".sipparty-machine{{{_LIGHT};font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,"
    "monospace;max-width:100%;height:auto}"
    f"@media(prefers-color-scheme:dark){{.sipparty-machine{{{_DARK}}}}}"
    f"[data-theme=light] .sipparty-machine,[data-jp-theme-light=true] .sipparty-machine{{{_LIGHT}}}"
    f"[data-theme=dark] .sipparty-machine,[data-jp-theme-light=false] .sipparty-machine{{{_DARK}}}"
    ".sipparty-machine text{fill:var(--ink);white-space:pre}"
    ".sipparty-machine .paper{fill:var(--paper)}"
    ".sipparty-machine .box{fill:var(--box);stroke:var(--line)}"
    ".sipparty-machine .ring{fill:none;stroke:var(--line)}"
    ".sipparty-machine .arrow{fill:none;stroke:var(--line)}"
    ".sipparty-machine .head{fill:var(--line)}"
    ".sipparty-machine .way .box,.sipparty-machine .way .ring,.sipparty-machine .way .arrow"
    "{stroke:var(--way);stroke-width:1.8}"
    ".sipparty-machine .way .head{fill:var(--way)}"
    ".sipparty-machine .here .box{fill:var(--here);stroke:var(--way);stroke-width:2.5}"
    ".sipparty-machine .name{font-weight:bold;font-size:12px}"
    ".sipparty-machine .faint{fill:var(--faint)}"
    ".sipparty-machine .step{font-weight:bold}"
    ".sipparty-machine .number{fill:var(--way);font-weight:bold}"
    ".sipparty-machine .timer{fill:var(--timer)}"
    ".sipparty-machine .clock{fill:none;stroke:var(--timer)}"
    ".sipparty-machine .loop{fill:none;stroke:var(--faint)}"
)


class _Word(NamedTuple):
    """A piece of a line: what it says, how, and what a browser adds to it."""

    text: str
    look: str = ""
    more: str = ""


#: A line of a box or a label; an icon before it is the word "clock" or "loop" as its look.
_Lines = list[list[_Word]]


def svg(view: View) -> str:
    """The machine as SVG.

    The element has its own style, which follows the reader's preference for light or dark, or a
    `data-theme` of the page around it. Names are escaped, and what cannot be shown of them too.

    Args:
        view: What is drawn.
    """
    states = view.states()
    numbers = {state: number for number, state in enumerate(states)}
    steps: dict[tuple[str, str], list[int]] = {}
    went: set[tuple[str, str]] = set()
    for number, (old, input, new) in enumerate(view.way, 1):
        steps.setdefault((old, input), []).append(number)
        went.add((old, new))
    boxes = [_box(view, state, steps) for state in states]
    labels: dict[tuple[str, str], _Lines] = {}
    for state in states:
        for row in view.rows(state):
            if row.next_state != state:
                lines = labels.setdefault((state, str(row.next_state)), [])
                lines.append(_input(view, row, steps))
    plan = lay_out(
        tuple(_size(lines, _PADDING) for lines in boxes),
        tuple(
            Arrow(numbers[old], numbers[new], _size(lines, 3.0))
            for (old, new), lines in labels.items()
        ),
    )
    heading = _shown(view.heading)
    wide = max(plan.width, _wide(heading) * 1.1 * _CHARACTER) + 2 * _MARGIN
    left, top = (wide - plan.width) / 2, _MARGIN + 40.0
    high = plan.height + top + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sipparty-machine" role="img"'
        f' width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}">',
        f"<title>{escape(heading)}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{wide:.0f}" height="{high:.0f}" rx="6"/>',
        f'<text class="name" x="{_MARGIN:g}" y="{_MARGIN + 8:g}">{escape(heading)}</text>',
        f'<g transform="translate({left:.1f} {top:.1f})">',
    ]
    # What was gone is drawn last, so that it lies on the rest.
    arrows = list(zip(labels, plan.paths, strict=True))
    arrows.sort(key=lambda arrow: arrow[0] in went)
    parts.extend(_arrow(points, ends in went) for ends, points in arrows)
    for place, lines in zip(plan.labels, labels.values(), strict=True):
        parts.append(
            f'<rect class="paper" x="{place.x - place.width / 2:.1f}" y="{place.top:.1f}"'
            f' width="{place.width:.1f}" height="{place.height:.1f}"/>'
        )
        parts.append(_text(lines, place, 3.0))
    visited = {state for move in view.way for state in (move.old, move.new)}
    for state, place, lines in zip(states, plan.states, boxes, strict=True):
        parts.append(_state(view.marks(state), state in visited, place, lines))
    return "\n".join((*parts, "</g></svg>"))


def _shown(name: str) -> str:
    """A name with what cannot be seen escaped, cut where it is too long to be one."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name[: 2 * _LONGEST])
    return shown if len(shown) <= 2 * _LONGEST else f"{shown[: 2 * _LONGEST - 1]}…"


def _wide(text: str) -> int:
    """How many columns a text takes."""
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in text)


def _numbers(steps: list[int]) -> str:
    shown = ",".join(map(str, steps[-_MOST_NUMBERS:]))
    return f"…{shown} " if len(steps) > _MOST_NUMBERS else f"{shown} "


def _input(view: View, row: Row, steps: dict[tuple[str, str], list[int]]) -> list[_Word]:
    """An input as words: the numbers of its steps, and its name."""
    taken = steps.get((str(row.state), str(row.input)), [])
    timed = any(timer.input == row.input for timer in view.timers(str(row.state)))
    actions = f": {', '.join(row.actions)}" if row.actions else ""
    look = " ".join(name for name, holds in (("step", taken), ("timer", timed)) if holds)
    more = f"{row.input} -> {row.next_state}{actions}"
    words = [_Word("", "clock")] if timed else []
    if taken:
        words.append(_Word(_numbers(taken), "number"))
    return [*words, _Word(_shown(str(row.input)), look, _shown(more))]


def _box(view: View, state: str, steps: dict[tuple[str, str], list[int]]) -> _Lines:
    """What a state's box says: its name, its timers, the inputs by which it stays."""
    lines: _Lines = [[_Word(_shown(state), "name")]]
    for timer in view.timers(state):
        said = _shown(f"{timer.input}: {delay_of(timer)}")
        lines.append([_Word("", "clock"), _Word(said, "timer")])
    line: list[_Word] = []
    for row in view.rows(state):
        if row.next_state != state:
            continue
        words = [word for word in _input(view, row, steps) if word.look != "clock"]
        words = [word._replace(look=word.look or "faint") for word in words]
        if line:
            line.append(_Word(", ", "faint"))
        if not line or _columns([*line, *words]) > _WIDE:
            line = [_Word("", "" if line else "loop")]
            lines.append(line)
        line.extend(words)
    return lines


def _columns(line: list[_Word]) -> float:
    return sum(_wide(word.text) for word in line)


def _indent(line: list[_Word]) -> float:
    """Pixels before a line: room for its icon, or for that of the line above."""
    return 14.0 if not line[0].text else 0.0


def _size(lines: _Lines, padding: float) -> tuple[float, float]:
    name = 1.1 if lines and lines[0][0].look == "name" else 1.0
    widths = [
        _indent(line) + _columns(line) * _CHARACTER * (name if number == 0 else 1.0)
        for number, line in enumerate(lines)
    ]
    return max(widths, default=0.0) + 2 * padding, len(lines) * _LINE + 2 * padding - 2


_ICONS = {
    "clock": '<circle class="clock" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    '<path class="clock" d="M{x:.1f} {y:.1f}v-3m0 3h2.5"/>',
    "loop": '<path class="loop" d="M{x:.1f} {y:.1f}m4-2a4.5 4.5 0 1 0 .3 3.6m.3-5.6v2.6h-2.6"/>',
}


def _text(lines: _Lines, place: Place, padding: float) -> str:
    left = place.x - place.width / 2 + padding
    parts = []
    for number, line in enumerate(lines):
        y = place.top + padding + number * _LINE + 10
        if line[0].look in _ICONS:
            parts.append(_ICONS[line[0].look].format(x=left + 5, y=y - 3.5))
        spans = "".join(_span(word) for word in line if word.text)
        parts.append(f'<text x="{left + _indent(line):.1f}" y="{y:.1f}">{spans}</text>')
    return "".join(parts)


def _span(word: _Word) -> str:
    more = f"<title>{escape(word.more)}</title>" if word.more else ""
    look = f' class="{word.look}"' if word.look else ""
    return f"<tspan{look}>{escape(word.text)}{more}</tspan>"


def _arrow(points: tuple[tuple[float, float], ...], went: bool) -> str:
    """A line through points, that bends between the layers, and its head."""
    x, y = points[0]
    path = f"M{x:.1f} {y:.1f}"
    for number, (next_x, next_y) in enumerate(points[1:], 1):
        if number % 2:
            middle = (y + next_y) / 2
            path += f"C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} {next_x:.1f} {next_y:.1f}"
        else:
            path += f"V{next_y:.1f}"
        x, y = next_x, next_y
    up = -1 if points[-2][1] > y else 1
    head = f"M{x:.1f} {y:.1f}l-3.5 {-7 * up}h7z"
    marked = ' class="way"' if went else ""
    return f'<g{marked}><path class="arrow" d="{path}"/><path class="head" d="{head}"/></g>'


def _state(marks: tuple[str, ...], visited: bool, place: Place, lines: _Lines) -> str:
    x, y = place.x - place.width / 2, place.top
    looks = [name for name, holds in (("way", visited), ("here", "current" in marks)) if holds]
    parts = [f'<g class="{" ".join(looks)}">' if looks else "<g>"]
    if "initial" in marks:
        parts.append(_arrow(((place.x, y - 24), (place.x, y)), visited))
        parts.append(f'<circle class="head" cx="{place.x:.1f}" cy="{y - 24:.1f}" r="4"/>')
    for look, out in _borders(marks):
        parts.append(
            f'<rect class="{look}" x="{x - out:.1f}" y="{y - out:.1f}"'
            f' width="{place.width + 2 * out:.1f}" height="{place.height + 2 * out:.1f}"'
            f' rx="{7 + out:g}"/>'
        )
    return "".join((*parts, _text(lines, place, _PADDING), "</g>"))


def _borders(marks: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    yield "box", 0.0
    if "final" in marks:
        yield "ring", 3.0
