"""A ladder as a picture (SVG): for a file, a web page, a notebook.

Laws:

1. The picture needs nothing else: no script, no font, no address. What came from the wire is text.
2. It is light or dark as its reader has it, unless the page around says which (`data-theme`).
3. What a label has no space for is in the row's title, which a pointer shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from sipparty.trace.ladder.layout import Fitting, Layout, Row, fit
from sipparty.trace.text import one_line

__all__ = ["svg"]

#: Pixels: a character's width, a row's height, the column of the times, the head, the edges.
_CHAR: Final = 7.2
_ROW: Final = 34
_TIMES: Final = 104
_HEAD: Final = 44
_EDGE: Final = 16
#: Characters that a column has at least, where there are many.
_COLUMN: Final = 16

#: Class: (property, light, dark). Colours of calls stand out on both grounds.
_LOOKS: Final = (
    ("bg", "fill", "#ffffff", "#14171c"),
    ("text", "fill", "#1c2128", "#e6e8eb"),
    ("faint", "fill", "#6b7280", "#9aa3af"),
    ("line", "stroke", "#c9ced6", "#3d4450"),
    ("box", "fill", "#eef1f5", "#232830"),
    ("halo", "stroke", "#ffffff", "#14171c"),
)
#: How a page around says that it is light or dark: its own attribute, and that of notebooks.
_THEMES: Final = (
    ("data-theme=light", "data-jp-theme-light=true"),
    ("data-theme=dark", "data-jp-theme-light=false"),
)
_CALLS: Final = (
    "#2f7de1", "#c77d0a", "#2a9d55", "#9a5fe0", "#12929b", "#d0549b", "#7a8a1f", "#6474e5",
)  # fmt: skip
_RED: Final = "#dc4a41"
_GRAY: Final = "#8a93a0"


def _rules(around: str, theme: int) -> str:
    """The rules of a theme: 0 is light, 1 dark."""
    return "".join(
        f"{around}.sipparty-ladder .{name}{{{what}:{colors[theme]}}}"
        for name, what, *colors in _LOOKS
    )


_STYLE: Final = (
    _rules("", 0)
    + f"@media(prefers-color-scheme:dark){{{_rules('', 1)}}}"
    + "".join(
        _rules(f"[{around}] ", theme) for theme, names in enumerate(_THEMES) for around in names
    )
    + ".sipparty-ladder text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"
    "'DejaVu Sans Mono',monospace}"
    ".sipparty-ladder .halo{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
)


def svg(layout: Layout, *, width: int | None = 120, limit: int | None = None) -> str:
    """Draw as an SVG element.

    Args:
        layout: What to draw.
        width: The greatest width, in characters; None for what the labels take.
        limit: How many rows are drawn at most; None for all.
    """
    rows = layout.rows[:limit]
    left_out = len(layout.rows) - len(rows)
    layout = layout._replace(rows=rows)
    fitting = fit(layout, width) or fit(layout, _COLUMN * len(layout.columns)) or fit(layout, None)
    assert fitting is not None, "everything fits where the width is free"
    calls = layout.calls if len(layout.calls) > 1 else []
    legend = [f"[{number}] {one_line(call)}" for number, call in enumerate(calls, 1)]
    last = _HEAD + _ROW * max(1, len(rows)) + 8
    high = last + 20 * (len(legend) + bool(left_out)) + _EDGE
    wide = round(_TIMES + fitting.width * _CHAR + 2 * _EDGE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sipparty-ladder" width="{wide}" '
        f'height="{high}" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="Call ladder of {len(rows)} rows" style="max-width:100%;height:auto">',
        f"<style>{_STYLE}</style>",
        f'<rect class="bg" width="{wide}" height="{high}" rx="6"/>',
        *_columns(fitting, last),
        *_rows(layout, fitting),
    ]
    if not rows:
        parts.append(_text(_EDGE, _HEAD + 20, "(no messages)", "faint"))
    below = [f"... and {left_out} more"] * bool(left_out) + legend
    for number, line in enumerate(below):
        parts.append(_text(_EDGE, last + 20 * (number + 1), line, "faint"))
    return "\n".join((*parts, "</svg>"))


def _x(place: float) -> float:
    return round(_EDGE + _TIMES + place * _CHAR, 1)


def _text(x: float, y: float, text: str, look: str = "text halo", anchor: str = "start") -> str:
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{look}" x="{x}" y="{y}"{at}>{escape(text)}</text>'


def _columns(fitting: Fitting, last: int) -> Iterator[str]:
    for name, place in zip(fitting.names, fitting.places, strict=True):
        x, half = _x(place), round(len(name) * _CHAR / 2 + 8, 1)
        yield f'<path class="line" d="M{x} 34V{last}"/>'
        yield (
            f'<rect class="box" x="{round(x - half, 1)}" y="10" width="{2 * half}" height="24" '
            'rx="5"/>'
        )
        yield _text(x, 26, name, "text", "middle")


def _rows(layout: Layout, fitting: Fitting) -> Iterator[str]:
    start = layout.rows[0].time if layout.rows else 0.0
    for number, (row, label, span) in enumerate(
        zip(layout.rows, fitting.labels, fitting.spans, strict=True)
    ):
        y = _HEAD + _ROW * (number + 1) - 6
        title = escape(layout.labels(row)[0])
        time = f"{(row.time - start) * 1000.0:,.1f} ms"
        yield f"<g><title>{title}</title>"
        yield _text(_TIMES - 4, y, time, "faint", "end")
        yield from (
            _mark(row, label, span, fitting, y)
            if row.is_mark
            else _arrow(row, label, span, fitting, y)
        )
        yield "</g>"


def _color(row: Row) -> str:
    """The colour of a row: its call's; red for a failure, grey for what is of no call."""
    if row.failed:
        return _RED
    return _GRAY if row.call is None else _CALLS[row.call % len(_CALLS)]


def _arrow(
    row: Row, label: str, span: tuple[int, int], fitting: Fitting, y: float
) -> Iterator[str]:
    paint, places = _color(row), fitting.places
    low = _x(places[span[0]])
    if row.source == row.destination:
        yield f'<path fill="none" stroke="{paint}" d="M{low} {y - 10}h14v8h-12"/>'
        yield f'<path fill="{paint}" d="M{low} {y - 2}l8 -4v8z"/>'
        yield _text(low + 22, y, label)
        return
    high = _x(places[span[1]])
    right = (row.source or 0) < (row.destination or 0)
    dashes = {"response": ' stroke-dasharray="6 3"', "key": ' stroke-dasharray="2 3"'}
    wide, head = (4, 6) if row.kind == "media" else (1.5, 4.5)
    yield (
        f'<path fill="none" stroke="{paint}" stroke-width="{wide}"'
        f'{dashes.get(row.kind, "")} d="M{low + 6} {y}H{high - 6}"/>'
    )
    if right or row.both_ways:
        yield f'<path fill="{paint}" d="M{high} {y}l-9 -{head}v{2 * head}z"/>'
    if not right or row.both_ways:
        yield f'<path fill="{paint}" d="M{low} {y}l9 -{head}v{2 * head}z"/>'
    yield _text(round((low + high) / 2, 1), y - 6, label, "text halo", "middle")


def _mark(row: Row, label: str, span: tuple[int, int], fitting: Fitting, y: float) -> Iterator[str]:
    low = _x(fitting.places[span[0]])
    if row.source is None:
        yield f'<rect class="box" x="{low}" y="{y - 16}" height="22" rx="4" width="' + (
            f'{round(len(label) * _CHAR + 16, 1)}"/>'
        )
        yield _text(low + 8, y, label, "text")
        return
    x = _x(fitting.places[row.source])
    yield f'<circle fill="{_color(row)}" cx="{x}" cy="{y - 4}" r="4"/>'
    to_left = row.source == span[1]
    yield _text(x - 10 if to_left else x + 10, y, label, "text halo", "end" if to_left else "start")
