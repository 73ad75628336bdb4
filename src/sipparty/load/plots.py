"""The plots of a report, as SVG that follows the colours of the page around it.

They are drawn by Matplotlib, which the extra `plots` brings.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError

if TYPE_CHECKING:
    from sipparty.load.result import LoadResult

__all__ = ["plots", "require_matplotlib"]

#: Stands for the colour of the page's text, which an SVG within a page knows as `currentColor`.
_TEXT = "#010203"
#: Colours that are read on white and on black, also by who does not see red and green apart.
_COLOURS = ("#2b7fd4", "#d9822b", "#3f9e6a", "#a64ca6", "#8a8f00", "#c23b5a")
#: Steps that are drawn; a table has them all.
_MOST_STEPS = len(_COLOURS)
#: Percentiles of the last plot.
_SHARES = (*range(0, 100, 2), 99, 99.5, 99.9, 100)


def require_matplotlib() -> None:
    """Check that plots can be drawn.

    Raises:
        UsageError: The extra `plots` is not installed.
    """
    try:
        import matplotlib as _  # noqa: F401 - asked for here, before the load
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise UsageError(
            "The plots of an HTML report are drawn by Matplotlib: pip install 'sipparty[plots]'."
        ) from None


def plots(result: LoadResult) -> list[tuple[str, str]]:
    """Return the plots of a result: the title and the SVG of each.

    Raises:
        UsageError: The extra `plots` is not installed.
    """
    require_matplotlib()
    rows = [{"second": 0.0, "steps": {}}, *result.course.rows]
    found: list[tuple[str, str]] = []
    with _drawn("seconds", "calls/s", found, "Calls a second") as axes:
        for name, colour in (("begun", 0), ("succeeded", 2), ("failed", 5), ("lost", 3)):
            spans = [
                (b["second"], (b.get(name, 0) - a.get(name, 0)) / (b["second"] - a["second"]))
                for a, b in pairwise(rows)
            ]
            if name in ("begun", "succeeded") or any(value for _, value in spans):
                _line(axes, spans, name, colour)
        if result.share.pacing.rate is not None:
            axes.axhline(result.share.pacing.rate, color=_TEXT, lw=0.8, ls=":", label="asked for")
    with _drawn("seconds", "calls", found, "Calls under way, at each second") as axes:
        _line(axes, [(row["second"], row.get("in_flight", 0)) for row in rows], None, 0)
    with _drawn("seconds", "ms", found, "Steps: median, and 95th percentile dashed") as axes:
        for colour, step in enumerate(list(result.statistics.steps)[:_MOST_STEPS]):
            for share, style in (("p50", "-"), ("p95", "--")):
                spans = [
                    (row["second"], 1000 * row["steps"][step][share])
                    for row in rows
                    if step in row["steps"]
                ]
                _line(axes, spans, step if share == "p50" else None, colour, style)
        axes.set_yscale("log")
    with _drawn("% of the calls", "ms", found, "Steps: how many took no longer than that") as axes:
        for colour, (step, histogram) in enumerate(list(result.statistics.steps.items())):
            if histogram.count and colour < _MOST_STEPS:
                values = [(share, 1000 * histogram.percentile(share)) for share in _SHARES]
                _line(axes, values, step, colour)
        axes.set_yscale("log")
    if result.statistics.counts["retransmitted"]:
        again = [(row["second"], row.get("retransmitted", 0)) for row in rows]
        with _drawn("seconds", "messages", found, "Messages sent again, in all") as axes:
            _line(axes, again, None, 5)
    return found


def _line(
    axes: Any, points: list[tuple[float, float]], label: str | None, colour: int, style: str = "-"
) -> None:
    marker = "." if len(points) < 3 else None
    xs, ys = zip(*points, strict=True) if points else ((), ())
    axes.plot(xs, ys, style, color=_COLOURS[colour], lw=1.5, marker=marker, label=label)


@contextmanager
def _drawn(x: str, y: str, found: list[tuple[str, str]], title: str) -> Iterator[Any]:
    """Yield the axes of a plot, which is then one of those found."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    style: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _TEXT
    )
    style |= {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5.2, 2.5), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_TEXT, alpha=0.15, lw=0.6)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        yield axes
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=8, loc="best")
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0, top=max(1, axes.get_ylim()[1]))
        else:
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
        if x == "seconds":
            axes.set_xlim(left=0)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :].replace(_TEXT, "currentColor")
    # Names of parts are of the page: those of one plot must not be another's.
    prefix = f"p{len(found)}-"
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
    found.append((title, svg))
