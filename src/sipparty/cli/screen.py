"""What the commands print: lines with times, the ladder of a call, tables.

Laws:

* What a command says goes to standard output, what went wrong and the trace to standard error.
* What came from the wire is escaped before it is shown: it cannot move the cursor.
* On a terminal there is colour, unless NO_COLOR is set (no-color.org); in a file or a pipe there
  are no escapes at all.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import typer

from sipparty.errors import printable
from sipparty.media import MediaStatistics
from sipparty.trace import Ladder
from sipparty.trace.text import one_line

__all__ = ["Screen", "safe"]

_STYLES: Final[dict[str, dict[str, Any]]] = {
    "bold": {"bold": True},
    "dim": {"dim": True},
    "error": {"fg": "red", "bold": True},
}


def safe(text: object, limit: int = 120) -> str:
    """Make text that is safe to print in one line, of bytes or text from anywhere.

    Args:
        text: Bytes, or what `str` is taken of.
        limit: How many characters are shown at most.
    """
    return one_line(text if isinstance(text, bytes) else str(text), limit).replace("\\r ", " ")


def _styled(text: str, style: str) -> str:
    if not (style and text) or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, **_STYLES.get(style, {"fg": style}))


class Screen:
    """Prints for one command.

    Args:
        clock: Gives the time in seconds; lines count from the first reading.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()

    def text(self, text: str = "", style: str = "") -> None:
        """Print text as it is."""
        typer.echo(_styled(text, style))  # Typer leaves escapes out where there is no terminal

    def line(self, text: str, style: str = "") -> None:
        """Print what happened, with the time since the start."""
        elapsed = f"{self._clock() - self._start:9.3f} s  "
        self.text(_styled(elapsed, "dim") + _styled(printable(text), style))

    def title(self, text: str) -> None:
        """Print the heading of a part."""
        self.text()
        self.text(text, "bold")

    def error(self, text: str) -> None:
        """Print what went wrong, to standard error."""
        shown = "\n".join(printable(line) for line in text.split("\n"))
        typer.echo(_styled("sipparty: ", "error") + shown, err=True)

    def ladder(self, ladder: Ladder) -> None:
        """Print the ladder of a call, as wide as the terminal is."""
        unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
        width = shutil.get_terminal_size().columns
        for line in ladder.text(unicode=unicode, width=max(width, 40)).splitlines():
            style = "magenta" if " RTP" in line else ""
            self.text(_styled(line[:13], "dim") + _styled(line[13:], style))

    def media(self, rows: Iterable[tuple[str, MediaStatistics, MediaStatistics]]) -> None:
        """Print packets by direction.

        Args:
            rows: What the direction is called, how its sender fared, and how its receiver did.
        """
        head = f"{'sent':>8} {'received':>8} {'lost':>6} {'late':>6} {'jitter':>10}"
        self.text(f"  {'':16}{head}", "dim")
        for name, sender, receiver in rows:
            # Both count what the network did; the sender's count is known for our own end only.
            counts = f"{sender.packets_sent:8} {receiver.packets_received:8}"
            lost = _styled(f"{receiver.lost:6}", "error" if receiver.lost > 0 else "")
            jitter = f"{receiver.jitter * 1000:7.1f} ms"
            self.text(f"  {safe(name, 16):16}{counts} {lost} {receiver.late:6} {jitter}")

    def pairs(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print names and what they stand for, aligned."""
        rows = list(rows)
        width = max((len(name) for name, _ in rows), default=0)
        for name, meaning in rows:
            self.text(f"  {name:{width}}  {_styled(meaning, 'dim')}")
