"""What the commands print: for people, or with `--json` for programs.

Laws:

* Results go to standard output; what went wrong and the trace to standard error.
* With `--json` standard output holds JSON alone, an object a line, each with its "event"; nothing
  that is meant for people comes between.
* What is printed is printable: what came from the wire can neither move the cursor nor forge a
  line.
* A terminal gets colour, unless NO_COLOR is set (no-color.org) or TERM is "dumb"; a file or a pipe
  gets no escape sequences and no line breaks of ours. What the encoding of the output cannot show
  is written as an escape.
* A table that is wider than the terminal is printed row by row, as names and values.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import typer

from sipparty.errors import printable
from sipparty.trace.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ["Output", "safe", "terminal_width", "wants_color"]

#: Columns of a table are so far apart.
_GAP = 2


def safe(text: object, limit: int = 120) -> str:
    """Make text that is safe to print in one line, of bytes or text from anywhere.

    Args:
        text: Bytes, or what `str` is taken of.
        limit: How many characters are shown at most.
    """
    return one_line(text if isinstance(text, bytes) else str(text), limit).replace("\\r ", " ")


def terminal_width() -> int:
    """Return the columns of the terminal, or COLUMNS; 80 where there is neither."""
    import shutil

    return max(10, shutil.get_terminal_size().columns)


def wants_color(file: Any) -> bool:
    """Whether a file is a terminal, and colour on it is not unwanted (no-color.org)."""
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return file.isatty() and not unwanted


@dataclass
class Output:
    """What a command prints. As a parameter of a command it is the option `--json`.

    Args:
        json: Print JSON for programs in the place of text for people.
        clock: Gives the time since the epoch, in seconds.
    """

    PANEL: ClassVar[str] = "Output"

    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, an object a line, for programs.")
    ] = False
    clock: Callable[[], float] = field(default=time.time, init=False, repr=False)

    def __post_init__(self) -> None:
        self._start = self.clock()
        self._console = _console(sys.stdout)
        self._errors = _console(sys.stderr)

    # ---------------------------------------------------------------- what there is to print on

    @property
    def interactive(self) -> bool:
        """Whether a person is looking: standard output is a terminal, and text is wanted."""
        return self._console.is_terminal and not self.json

    @property
    def color(self) -> bool:
        """Whether escape sequences for colour are wanted."""
        return self._console.color_system is not None

    @property
    def unicode(self) -> bool:
        """Whether the output can show more than ASCII."""
        return self._console.encoding.lower().replace("-", "").startswith("utf")

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None in a file or a pipe, where lines end where they end.

        COLUMNS is heeded in both.
        """
        known = self._console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
        return terminal_width() if known else None

    # ---------------------------------------------------------------- for people

    def text(self, text: str = "", style: str = "") -> None:
        """Print text, with nothing before it; not with `--json`.

        Args:
            text: One or several lines.
            style: A style of Rich: "green", "bold", "dim red".
        """
        if not self.json:
            self._print((text, style))

    def title(self, text: str) -> None:
        """Print the heading of a part; not with `--json`."""
        self.text()
        self.text(text, "bold")

    def ansi(self, text: str) -> None:
        """Print text that holds escape sequences of ours, such as a ladder in colour, as it is;
        not with `--json`.
        """
        if not self.json:
            print(text, file=self._console.file)

    def pairs(self, rows: Iterable[tuple[str, object]]) -> None:
        """Print names and their values, aligned; not with `--json`."""
        if self.json:
            return
        shown = [(printable(name), printable(str(value))) for name, value in rows]
        column = max((len(name) for name, _ in shown), default=0) + _GAP
        narrow = self.width is not None and column > self.width // 2
        for name, value in shown:
            if narrow:
                self._parts((name, "bold"), ("\n  ", ""), (value, ""))
            else:
                self._parts((f"{name:{column}}", "dim"), (value, ""))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; numbers are set to the right. Not with `--json`.

        Args:
            columns: The headings.
            rows: The cells of each row.
        """
        rows = list(rows)
        cells = [[printable(str(cell)) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        if self.width is not None and sum(widths) + _GAP * (len(widths) - 1) > self.width:
            for row in cells:
                self.text()
                self.pairs(zip(columns, row, strict=True))
            return
        right = [all(isinstance(row[at], int | float) for row in rows) for at in range(len(widths))]
        for number, line in enumerate([list(columns), *cells]):
            shown = [
                f"{cell:>{width}}" if left else f"{cell:{width}}"
                for cell, width, left in zip(line, widths, right, strict=True)
            ]
            self.text((" " * _GAP).join(shown).rstrip(), "" if number else "bold")

    # ---------------------------------------------------------------- for people and programs

    def event(self, name: str, text: str = "", style: str = "", /, **facts: object) -> None:
        """Print what happened: a line with the time since the start; or a JSON object with the
        time since the epoch, "event" and the facts.

        Args:
            name: What happened, as programs know it: "answered".
            text: The same for people; "" to print nothing for them.
            style: A style of Rich for the text.
            facts: What JSON tells of it.
        """
        now = self.clock()
        if self.json:
            self._json({"time": round(now, 6), "event": name, **facts})
        elif text:
            elapsed = f"{now - self._start:9.3f} s  "
            if self.width is not None and self.width < 40:
                elapsed = f"{now - self._start:.1f} "
            self._parts((elapsed, "dim"), (printable(text), style))

    def result(self, **facts: object) -> None:
        """Print what a program wants to know in the end: with `--json` alone, an object whose
        "event" is "result".
        """
        if self.json:
            self._json({"event": "result", **facts})

    def error(self, text: str, **facts: object) -> None:
        """Print what went wrong, to standard error; with `--json` also an object whose "event" is
        "error".

        Args:
            text: One or several lines.
            facts: What JSON tells of it.
        """
        if self.json:
            self._json({"event": "error", "message": text, **facts})
        self._errors.file.flush()
        self._parts(("sipparty: ", "bold red"), (_lines(text), ""), to=self._errors)

    def note(self, text: str) -> None:
        """Print a remark to standard error, such as a warning; also with `--json`."""
        self._print((text, "yellow"), to=self._errors)

    @contextmanager
    def status(self, text: str) -> Generator[Callable[[str], None], None, None]:
        """Show what is being done while a block runs, on a terminal that shows colour; what is
        printed meanwhile stands above it, and nothing is left of it.

        Args:
            text: What is being done.

        Yields:
            What changes the text.
        """
        if not (self.interactive and self.color):
            yield lambda _: None
            return
        spinner = "dots" if self.unicode else "line"
        status: Status = self._console.status(_plain(text), spinner=spinner, spinner_style="dim")
        with status:
            yield lambda words: status.update(_plain(words))

    # ---------------------------------------------------------------- how

    def _json(self, value: Mapping[str, object]) -> None:
        # ASCII alone: whatever reads it, and nothing in it can move a cursor.
        print(json.dumps(value, default=str), file=self._console.file, flush=True)

    def _print(self, part: tuple[str, str], to: Console | None = None) -> None:
        self._parts((_lines(part[0]), part[1]), to=to)

    def _parts(self, *parts: tuple[str, str], to: Console | None = None) -> None:
        from rich.text import Text

        console = to or self._console
        # Wrapped where a person looks; in a pipe a line stays one.
        console.print(Text.assemble(*parts), soft_wrap=not console.is_terminal, highlight=False)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What a stream writes where its encoding lacks characters."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    parts = ("sec. " if one == "§" else ascii(one)[1:-1] for one in lacking)
    return "".join(parts), error.end


_ESCAPED: Final = "sipparty.escape"
codecs.register_error(_ESCAPED, _escape)


def _lines(text: str) -> str:
    return "\n".join([printable(line) for line in text.split("\n")])


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(_lines(text))


def _console(file: Any) -> Console:
    from rich.console import Console

    if hasattr(file, "reconfigure"):
        file.reconfigure(errors=_ESCAPED)
    # Without colour there is no bold and dim either, which Rich alone would keep.
    return Console(
        file=file,
        color_system="auto" if wants_color(file) else None,
        emoji=False,
        markup=False,
        highlight=False,
    )
