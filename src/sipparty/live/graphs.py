"""How a call sounds, over time, as a picture: the score, and what it suffers from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sipparty.trace.records import QualityRecord
from sipparty.trace.text import one_line

__all__ = ["quality_svg"]

#: Pixels: the whole, the space for the scale, the space between graphs.
_WIDTH, _HEIGHT, _LEFT, _GAP = 640.0, 96.0, 74.0, 18.0

#: What is drawn: its name, its unit, the factor from the record's, the least top of its scale.
_CURVES: Final = (
    ("mos", "MOS", "", 1.0, 5.0, 1.0),
    ("loss", "loss", "%", 100.0, 1.0, 0.0),
    ("jitter", "jitter", "ms", 1000.0, 10.0, 0.0),
    ("round_trip", "round trip", "ms", 1000.0, 10.0, 0.0),
)
#: How the lines of several ends differ; of more, the others are left out.
_DASHES: Final = ("none", "6 3", "2 3", "10 3 2 3")
#: A value that nothing measured has.
_ABSURD: Final = 1e6
_LINE: Final = 'fill="none" stroke="var(--accent, #0969da)" stroke-width="1.8"'


def quality_svg(
    records: Sequence[QualityRecord], names: Mapping[Any, str] = MappingProxyType({})
) -> str:
    """Draw how a call sounds: MOS, loss, jitter and round trip, each on a scale of its own.

    Args:
        records: The records, in their order.
        names: What the ends are called, by address.

    Returns:
        An SVG element whose colours are the page's: `currentColor`, and `--accent`. "" where there
        is nothing to draw.
    """
    ends = list(dict.fromkeys(record.local for record in records))[: len(_DASHES)]
    parts, top = [], 8.0
    for name, title, unit, factor, least, bottom in _CURVES:
        lines = [_points(records, end, name, factor) for end in ends]
        values = [value for points in lines for _, value in points]
        if not values:
            continue
        scale = _Scale(records[0].time, records[-1].time, top, bottom, max(least, *values))
        parts.append(scale.frame())
        parts.append(_label(0.0, top + 12, title, "bold"))
        parts.append(_label(_WIDTH - 36, top + 10, f"{scale.most:.4g} {unit}".rstrip()))
        for number, points in enumerate(lines):
            if points:
                parts.append(scale.curve(points, _DASHES[number]))
                last = f"{points[-1][1]:.1f} {unit}".rstrip()
                parts.append(_label(0.0, top + 28 + 16 * number, last))
        top += _HEIGHT + _GAP
    if not parts:
        return ""
    for number, end in enumerate(ends if len(ends) > 1 else ()):
        name = names.get(end, f"{end[0]}:{end[1]}")
        line = f'<path d="M0 {top + 4:g}h60" {_LINE} stroke-dasharray="{_DASHES[number]}"/>'
        parts += [line, _label(_LEFT, top + 8, escape(one_line(f"as {name} hears it")))]
        top += 18
    head = f'viewBox="0 0 {_WIDTH:g} {top:g}" width="{_WIDTH:g}" height="{top:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {head} role="img" style="max-width:100%;'
        f'height:auto;font:12px system-ui,sans-serif"><title>How the call sounds</title>'
        f"{''.join(parts)}</svg>"
    )


def _points(
    records: Sequence[QualityRecord], end: tuple[str, int], name: str, factor: float
) -> list[tuple[float, float]]:
    """What one end heard, as times and values."""
    return [
        (record.time, value * factor)
        for record in records
        if record.local == end
        and (value := getattr(record, name)) is not None
        and abs(value) < _ABSURD
    ]


class _Scale(NamedTuple):
    """Where one graph's values stand: from `begin` to `end`, and from `least` to `most`."""

    begin: float
    end: float
    top: float
    least: float
    most: float

    def frame(self) -> str:
        """The axes."""
        return (
            f'<path d="M{_LEFT:g} {self.top:g}V{self.top + _HEIGHT - 4:.1f}H{_WIDTH - 40:g}"'
            ' fill="none" stroke="currentColor" stroke-opacity=".3"/>'
        )

    def curve(self, points: list[tuple[float, float]], dashes: str) -> str:
        """One line, with a dot at its end."""
        across = (_WIDTH - _LEFT - 40) / max(1.0, self.end - self.begin)
        up = (_HEIGHT - 8) / (self.most - self.least)
        floor = self.top + _HEIGHT - 4
        places = [
            f"{_LEFT + max(0.0, time - self.begin) * across:.1f},"
            f"{floor - max(0.0, value - self.least) * up:.1f}"
            for time, value in points
        ]
        x, y = places[-1].split(",")
        return (
            f'<polyline points="{" ".join(places)}" {_LINE} stroke-dasharray="{dashes}"/>'
            f'<circle cx="{x}" cy="{y}" r="3" fill="var(--accent, #0969da)"/>'
        )


def _label(x: float, y: float, text: str, weight: str = "normal") -> str:
    look = f'fill="currentColor" font-weight="{weight}"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{text}</text>'
