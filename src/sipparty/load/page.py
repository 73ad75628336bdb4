"""The report of a load as one self-contained page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from sipparty.load.histogram import duration
from sipparty.load.plots import plots
from sipparty.load.summary import MESSAGES, percent

if TYPE_CHECKING:
    from sipparty.load.result import LoadResult

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --good: #2e7d4f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --good: #6fcf97; --bad: #ff8a80; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 80rem; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p { margin: .2rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
td { font-variant-numeric: tabular-nums; white-space: nowrap; }
.text td { white-space: normal; overflow-wrap: anywhere; }
.text td:last-child { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.plots { gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def page(result: LoadResult) -> str:
    """Return the report of a result as HTML.

    Raises:
        UsageError: The extra `plots` is not installed.
    """
    return "".join(_parts(result))


def _parts(result: LoadResult) -> Iterator[str]:
    one, share = result.statistics, result.share
    name = escape(result.name)
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: load</title><style>{_STYLE}</style></head><body>"
    )
    to = f" to {escape(result.target)}" if share.target else ""
    yield f"<h1>{name}{to}</h1>"
    word, kind = ("passed", "good") if result.passed else ("failed", "bad")
    several = "es" if share.count > 1 else ""
    yield (
        f'<p><b class="{kind}">{word}</b>: {one.begun} calls in {duration(one.seconds)},'
        f" {result.rate:.1f} calls/s, {share.count} process{several}</p>"
    )
    for remark in result.remarks:
        yield f"<pre>{escape(remark)}</pre>"
    yield _table(
        "Thresholds",
        ("what must hold", "measured", ""),
        (
            (
                verdict.threshold,
                verdict.text,
                ("passed", "good") if verdict.passed else ("failed", "bad"),
            )
            for verdict in result.verdicts
        ),
        "text",
    )
    yield _table(
        "Calls",
        ("", "calls", "share"),
        (
            (name, str(count), percent(count, one.begun))
            for name, count in (
                ("succeeded", one.succeeded),
                ("failed", one.failed),
                ("lost", one.lost),
            )
        ),
    )
    yield _table(
        "Why calls failed",
        ("reason", "calls"),
        ((reason, str(count)) for reason, count in one.failures.most_common()),
        "text",
    )
    yield _table(
        "Steps",
        ("step", "count", "failed", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"),
        (
            (
                name,
                str(step.count),
                str(step.failed),
                *(
                    duration(value) if step.count else "-"
                    for value in (
                        step.mean,
                        *(step.percentile(share) for share in (50, 90, 95, 99, 99.9)),
                        step.most,
                    )
                ),
            )
            for name, step in one.steps.items()
        ),
    )
    yield '<h2>Course</h2><div class="plots">'
    for title, svg in plots(result):
        yield f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
    yield "</div>"
    yield _table(
        "Messages and counters",
        ("", "number"),
        ((name, str(one.counts[name])) for name in dict.fromkeys((*MESSAGES, *one.counts))),
    )
    yield _table(
        "What it took",
        ("", ""),
        (
            ("CPU a call", duration(one.cpu / max(1, one.begun))),
            ("CPU in all", duration(one.cpu)),
            ("most calls at a time", str(one.most_in_flight)),
        ),
    )
    yield "</body></html>\n"


def _table(
    title: str,
    head: Iterable[str],
    rows: Iterable[tuple[str | tuple[str, str], ...]],
    kind: str = "",
) -> str:
    """A table; "" for one without rows. A cell may be its text and its class."""
    body = ""
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        body += "<tr>" + "".join(
            f'<td class="{style}">{escape(text)}</td>' if style else f"<td>{escape(text)}</td>"
            for text, style in cells
        )
    if not body:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table class="{kind}">'
        f"<tr>{names}{body}</table></div>"
    )
