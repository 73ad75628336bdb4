"""A ladder drawn with characters.

Laws:

1. The drawing is ASCII unless asked otherwise, so that it survives mail, logs and terminals.
2. No line is wider than is asked, down to 20 characters: labels say less, then they and the names
   are cut, then the times go; at last a line names its ends by their numbers.
3. Where it is coloured, each call has a colour of its own, and failures are red. Without colour
   nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from sipparty.trace.ladder.layout import Fitting, Layout, Row, cut, fit, fullest
from sipparty.trace.text import one_line

__all__ = ["text"]

#: Columns of the times.
_MARGIN: Final = 14
#: A ladder narrower than this is drawn without times.
_TIMED: Final = 40
#: The colours of calls, one after the other, and that of what is less important, as ECMA-48 has it.
_CALLS: Final = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_RED: Final = 31
_FAINT: Final = 2
#: What is kept free right of a label that stands right of the last lifeline.
_SPARE: Final = 4


#: Gives text a colour.
_Paint: TypeAlias = Callable[[str, int], str]


class _Strokes(NamedTuple):
    line: str
    message: str
    media: str
    left: str
    right: str
    loop: str
    mark: str


_ASCII: Final = _Strokes("|", "-", "=", "<", ">", ")", "*")
_UNICODE: Final = _Strokes("│", "─", "═", "◀", "▶", "⟲", "●")


def text(
    layout: Layout, *, unicode: bool = False, width: int | None = 80, color: bool = False
) -> str:
    """Draw with characters.

    Args:
        layout: What to draw.
        unicode: Use line-drawing characters and real arrows, not ASCII.
        width: The longest line, in characters; None for what the labels take.
        color: Use the colours of a terminal.

    Returns:
        Lines without a newline at the end.
    """
    if not layout.rows:
        return "(no messages)"
    paint: _Paint = _painted if color else _plain
    margin = _MARGIN if width is None or width >= _TIMED else 0
    fitting = fit(layout, None if width is None else width - margin)
    if fitting is None:
        lines = [*_listed(layout, width, unicode, paint)]
    else:
        lines = [*_drawn(layout, fitting, margin, _UNICODE if unicode else _ASCII, paint)]
    if len(layout.calls) > 1:
        lines = [*lines, *_legend(layout, width, paint)]
    return "\n".join([line.rstrip() for line in lines])


def _plain(text: str, code: int) -> str:
    return text


def _painted(text: str, code: int) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if text else text


def _code(row: Row) -> int:
    """The colour of a row."""
    if row.failed:
        return _RED
    return _FAINT if row.call is None else _CALLS[row.call % len(_CALLS)]


def _drawn(
    layout: Layout, fitting: Fitting, margin: int, strokes: _Strokes, paint: _Paint
) -> Iterator[str]:
    header = ""
    for name, place in zip(fitting.names, fitting.places, strict=True):
        header = header.ljust(place - len(name) // 2) + name
    yield " " * max(0, margin - 1) + header
    start = layout.rows[0].time
    for row, label, span in zip(layout.rows, fitting.labels, fitting.spans, strict=True):
        time = f"{(row.time - start) * 1000.0:9.1f} ms  " if margin else ""
        before, middle, after = _rung(row, label, span, fitting.places, strokes)
        yield paint(time, _FAINT) + before + paint(middle, _code(row)) + after


def _rung(
    row: Row, label: str, span: tuple[int, int], places: list[int], strokes: _Strokes
) -> tuple[str, str, str]:
    """One line of the ladder, without its time: what is left of the arrow, it, what is right."""
    cells = [" "] * (places[-1] + 1)
    for place in places:
        cells[place] = strokes.line
    low = places[span[0]]
    high = places[span[1]] if span[1] < len(places) else len(label) + low + _SPARE
    if row.is_mark or row.source == row.destination:
        mark = strokes.mark if row.is_mark else strokes.message + strokes.loop
        to_left = row.source is not None and row.source == span[1]
        middle = f"{label} {mark}".rjust(high - low - 1) if to_left else f"{mark} {label}"
    else:
        stroke = strokes.media if row.kind == "media" else strokes.message
        right = (row.source or 0) < (row.destination or 0)
        left_end = strokes.left if row.both_ways or not right else stroke
        right_end = strokes.right if row.both_ways or right else stroke
        middle = left_end + f" {label} ".center(high - low - 3, stroke) + right_end
    if row.is_mark:  # the lifelines under it go on where it is blank
        blank = len(middle) - len(middle.lstrip())
        low, middle = low + blank, middle[blank:]
    end = low + 1 + len(middle)
    return "".join(cells[: low + 1]), middle, "".join(cells[end:])


def _listed(layout: Layout, width: int | None, unicode: bool, paint: _Paint) -> Iterator[str]:
    """Lines that name their ends by numbers, where there is no space for lifelines."""
    to, both = ("→", "↔") if unicode else (">", "<>")
    for number, name in enumerate(layout.columns, 1):
        yield cut(f"{number} = {name}", width)
    for row in layout.rows:
        ends = ""
        if row.source is not None and row.destination is not None:
            arrow = both if row.both_ways else to
            ends = f"{row.source + 1}" + f"{arrow}{row.destination + 1}" * (not row.is_mark) + " "
        texts = layout.labels(row)
        label = texts[0] if width is None else fullest(row, texts, width - len(ends))
        yield ends + paint(label, _code(row))


def _legend(layout: Layout, width: int | None, paint: _Paint) -> Iterator[str]:
    for number, call in enumerate(layout.calls):
        line = cut(f"[{number + 1}] Call-ID: {one_line(call)}", width)
        yield paint(line, _CALLS[number % len(_CALLS)])
