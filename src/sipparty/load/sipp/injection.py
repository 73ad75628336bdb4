"""Values from CSV files, a line for each call.

    SEQUENTIAL                  the order: SEQUENTIAL, RANDOM or USER; ",PRINTF=n" after it makes
    alice;[authentication ...]  n lines of those that are there, with a %d for the line's number
    # a remark

Laws:

* Fields are parted by semicolons; `[field0]` is the first.
* SEQUENTIAL begins anew after the last line; USER gives line n to user n, so that a line is with
  one call at a time.
* A field that a line has not is an error that names file, line and field.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from sipparty.load.sipp.document import ScenarioError, nearest, read_file

__all__ = ["InjectionFile"]

_ORDERS = ("SEQUENTIAL", "RANDOM", "USER")
_PRINTF = re.compile(r"%0?\d*d|%%")


@dataclass(eq=False)
class InjectionFile:
    """A file of values.

    Args:
        name: The file's name without folders; `[field0 file="name"]` has it.
        order: "SEQUENTIAL", "RANDOM" or "USER".
        rows: The fields of each line.
        lines: The number of each in the file.
        count: How many lines there are to give; more than rows for PRINTF.
        printf: Whether %d in a field stands for the line's number.
    """

    name: str
    order: str
    rows: list[tuple[str, ...]]
    lines: list[int]
    count: int
    printf: bool = False

    @classmethod
    def read(cls, path: str | Path) -> InjectionFile:
        """Read a file.

        Raises:
            ScenarioError: The first line is no order, or there is no line of values.
            UsageError: It cannot be read.
        """
        path = Path(path)
        text = read_file(path).decode("utf-8", "surrogateescape")
        head, _, rest = text.partition("\n")
        order, *options = (part.strip().upper() for part in head.split(","))
        if order not in _ORDERS:
            raise ScenarioError(
                path.name,
                1,
                f"{order[:40]!r} is no order: write SEQUENTIAL, RANDOM or USER."
                + nearest(order, _ORDERS),
            )
        rows: list[tuple[str, ...]] = []
        lines: list[int] = []
        for number, line in enumerate(rest.splitlines(), 2):
            if line.strip() and not line.startswith("#"):
                rows.append(tuple(line.split(";")))
                lines.append(number)
        if not rows:
            raise ScenarioError(path.name, 1, "no line of values follows: write one for each call.")
        count, printf = len(rows), False
        for option in options:
            name, _, value = option.partition("=")
            if name != "PRINTF" or not value.isdecimal() or not int(value):
                raise ScenarioError(
                    path.name, 1, f"{option[:40]!r} is not taken: write PRINTF=1000, or leave it."
                )
            count, printf = int(value), True
        return cls(path.name, order, rows, lines, count, printf)

    def line_for(self, number: int, user: int, chance: random.Random) -> int:
        """Return which line, from 0, a call has.

        Args:
            number: The call's number, from 1.
            user: The number of its user, from 1.
            chance: What RANDOM is drawn from.
        """
        if self.order == "RANDOM":
            return chance.randrange(self.count)
        return ((user if self.order == "USER" else number) - 1) % self.count

    def field(self, line: int, index: int) -> str:
        """Return a field of a line, both from 0.

        Raises:
            ScenarioError: There is no such line, or the line is too short.
        """
        if not 0 <= line < self.count:
            raise ScenarioError(
                self.name, self.lines[-1], f"there is no line {line} of values, counted from 0."
            )
        row = line % len(self.rows)
        fields = self.rows[row]
        if index >= len(fields):
            raise ScenarioError(
                self.name,
                self.lines[row],
                f"[field{index}] is wanted and the line has {len(fields)} fields, of which the"
                " first is [field0].",
            )
        value = fields[index]
        if self.printf and "%" in value:
            value = _PRINTF.sub(lambda m: "%" if m[0] == "%%" else m[0] % line, value)
        return value

    def find(self, key: str, index: int = 0) -> int:
        """Return the line that has a value in a field; -1 for none."""
        for row in range(self.count):
            fields = self.rows[row % len(self.rows)]
            if index < len(fields) and self.field(row, index) == key:
                return row
        return -1
