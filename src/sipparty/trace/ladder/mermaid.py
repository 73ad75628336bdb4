"""A ladder as a Mermaid `sequenceDiagram`, which web pages and notebooks turn into a picture.

Media is a note over both ends, since older versions know no double arrow; so is what happened at
one end.
"""

from __future__ import annotations

from typing import Final

from sipparty.trace.ladder.layout import Layout, Row

__all__ = ["mermaid"]

#: What Mermaid would take for its own: its quoting of it.
_QUOTED: Final = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", '"': "#quot;"})


def mermaid(layout: Layout) -> str:
    """Draw as a Mermaid `sequenceDiagram`."""
    lines = ["sequenceDiagram"]
    for index, name in enumerate(layout.columns):
        lines.append(f"    participant p{index} as {name.translate(_QUOTED)}")
    for row in layout.rows:
        label = layout.labels(row)[0].translate(_QUOTED)
        lines.append(f"    {_ends(row, len(layout.columns))}: {label}")
    return "\n".join(lines)


def _ends(row: Row, columns: int) -> str:
    source, destination = row.source, row.destination
    if source is None or destination is None:
        return f"Note over p0,p{columns - 1}" if columns > 1 else "Note over p0"
    if row.is_mark:
        return f"Note over p{source}"
    if row.kind == "media":
        return f"Note over p{source},p{destination}"
    stroke = "-->>" if row.kind in ("response", "key") else "->>"
    return f"p{source}{stroke}p{destination}"
