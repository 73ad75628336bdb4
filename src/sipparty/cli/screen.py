"""What the commands print: lines with times, the ladder of a call, tables.

Laws:

* What a command says goes to standard output, what went wrong and the trace to standard error.
* What came from the wire is escaped before it is shown: it cannot move the cursor.
* On a terminal there is colour; in a file or a pipe the same text is plain, and no line is broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sipparty.errors import printable
from sipparty.media import MediaStatistics
from sipparty.trace import Ladder, show

__all__ = ["Screen", "safe"]

_WIDTH = 9


def safe(text: object, limit: int = 120) -> str:
    """Make text that is safe to print in one line, of bytes or text from anywhere.

    Args:
        text: Bytes, or what `str` is taken of.
        limit: How many characters are shown at most.
    """
    data = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")
    shown = show(data).replace("\n", " ").replace("\\r ", " ")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


class Screen:
    """Prints for one command.

    Args:
        clock: Gives the time in seconds; lines count from the first reading.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._out = Console(highlight=False, markup=False, soft_wrap=True)
        self._err = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)

    def line(self, text: str, style: str = "") -> None:
        """Print what happened, with the time since the start."""
        elapsed = self._clock() - self._start
        text = printable(text)
        self._out.print(Text.assemble((f"{elapsed:{_WIDTH}.3f} s  ", "dim"), (text, style)))

    def title(self, text: str) -> None:
        """Print the heading of a part."""
        self._out.print()
        self._out.print(Text(text, "bold"))

    def text(self, text: str, style: str = "") -> None:
        """Print text as it is."""
        self._out.print(Text(text, style))

    def blank(self) -> None:
        """Print an empty line."""
        self._out.print()

    def error(self, text: str) -> None:
        """Print what went wrong, to standard error."""
        shown = "\n".join(printable(line) for line in text.split("\n"))
        self._err.print(Text.assemble(("sipparty: ", "bold red"), shown))

    def ladder(self, ladder: Ladder) -> None:
        """Print the ladder of a call."""
        unicode = self._out.encoding.lower().replace("-", "").startswith("utf")
        for line in ladder.text(unicode=unicode).splitlines():
            time_of, rest = line[:13], line[13:]
            style = "magenta" if " RTP" in rest else ""
            self._out.print(Text.assemble((time_of, "dim"), (rest, style)))

    def media(self, rows: Iterable[tuple[str, MediaStatistics, MediaStatistics]]) -> None:
        """Print packets by direction.

        Args:
            rows: What the direction is called, how its sender fared, and how its receiver did.
        """
        table = Table("", "sent", "received", "lost", "late", "jitter", box=box.SIMPLE_HEAD)
        for column in table.columns[1:]:
            column.justify = "right"
        for name, sender, receiver in rows:
            # Both count what the network did; the sender's count is known for our own end only.
            table.add_row(
                safe(name),
                str(sender.packets_sent),
                str(receiver.packets_received),
                Text(str(receiver.lost), "bold red" if receiver.lost > 0 else ""),
                str(receiver.late),
                f"{receiver.jitter * 1000:.1f} ms",
            )
        self._out.print(table)

    def pairs(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print names and what they stand for, aligned."""
        rows = list(rows)
        width = max((len(name) for name, _ in rows), default=0)
        for name, meaning in rows:
            self._out.print(Text.assemble(f"  {name:{width}}  ", (meaning, "dim")))
