"""The tables of the benchmarks, drawn: a plot for each measured column, before its table.

1. What is drawn is read from the table's text, so that the two cannot differ.
2. Ratios and counts that should be 0 are not drawn, nor is the floor: it knows no SIP, and beside
   it nothing else could be told apart.
3. A plot follows the page: its colours are those that `_static/site.css` gives it.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

__all__ = ["Table", "drawn", "number", "plot"]

#: Columns that are not drawn.
NOT_DRAWN = re.compile(r"÷|of the first|retransmissions|failed|^calls$|%")
#: Rows that are not drawn.
FLOOR = "(the floor)"

#: Colours that stand for those of the page: text, the library's bar, another one's, lines.
_COLOURS = {
    "#010101": "currentColor",
    "#020202": "var(--plot-own)",
    "#030303": "var(--plot-other)",
    "#040404": "var(--plot-line)",
}
_TEXT, _OWN, _OTHER, _LINE = _COLOURS
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sipparty",
    "font.size": 9,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "axes.edgecolor": _LINE,
}
#: Inches, of which a browser makes 96 pixels each.
_WIDTH, _ROW, _REST = 3.6, 0.27, 0.42

_TABLE = re.compile(r"(?m)^\|.*\|\n\|[ :|-]+\|\n(?:\|.*\|\n?)+")


class Table(NamedTuple):
    """A Markdown table.

    Args:
        head: The names of the columns.
        rows: The cells of each row.
    """

    head: list[str]
    rows: list[list[str]]


def read(text: str) -> Table:
    """Return what a Markdown table says, without marks of emphasis and code."""
    lines = [
        [re.sub(r"[*`]", "", cell).strip() for cell in line.strip().strip("|").split("|")]
        for line in text.strip().split("\n")
    ]
    return Table(lines[0], lines[2:])


def number(cell: str) -> float | None:
    """Return the number in a cell such as `≥ 31,358`; None where there is none."""
    found = re.fullmatch(r"(?:≥ )?(-?[\d,]+(?:\.\d+)?)", cell)
    return float(found[1].replace(",", "")) if found else None


def plot(title: str, bars: list[tuple[str, str]]) -> str:
    """Draw the bars of one column.

    Args:
        title: What is measured.
        bars: The name of each row and its cell.

    Returns:
        An SVG element.
    """
    values = [number(cell) or 0.0 for _, cell in bars]
    names = [re.sub(r" \(.*\)$", "", name) for name, _ in bars]
    own = "sipparty" in names
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, _REST + _ROW * len(bars)), layout="constrained")
        axes = figure.subplots()
        colours = [_OWN if not own or name.endswith("sipparty") else _OTHER for name in names]
        drawn_bars = axes.barh(names, values, color=colours, height=0.7)
        axes.bar_label(drawn_bars, [cell for _, cell in bars], padding=3)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
        axes.invert_yaxis()
        axes.margins(x=0.22)
        axes.axvline(0, color=_LINE, linewidth=1)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xticks([])
        written = StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.S
    )
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    return "\n".join(line for line in text.split("\n") if line.strip())


def _plots(table: Table) -> list[str]:
    rows = [row for row in table.rows if FLOOR not in row[0]]
    made = []
    for at, title in enumerate(table.head):
        bars = [(row[0], row[at]) for row in rows if number(row[at]) is not None]
        if at and len(bars) > 1 and not NOT_DRAWN.search(title):
            made.append(plot(title, bars))
    return made


def drawn(text: str) -> str:
    """Return a page with the plots of each table before it."""

    def add(match: re.Match[str]) -> str:
        plots = "\n".join(_plots(read(match[0])))
        return f'<div class="plots">\n{plots}\n</div>\n\n{match[0]}' if plots else match[0]

    return _TABLE.sub(add, text)
