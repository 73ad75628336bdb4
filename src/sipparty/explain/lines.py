"""What an explanation consists of: lines, what each says, and what is wrong with it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Explanation", "Fault", "Line"]


class Fault(NamedTuple):
    """Something that is wrong in a line.

    Args:
        what: What is wrong, as a clause that can end a sentence.
        column: Where in the line it is, in characters from 0; None where no one place is to blame.
        severe: Whether a receiver refuses the message for it; what is not severe is tolerated.
    """

    what: str
    column: int | None = None
    severe: bool = True


class Line(NamedTuple):
    """A line of a message or of a session description, explained.

    Args:
        number: Its number in the whole, from 1; 0 for what is missing, and so has no line.
        text: The line as it came, folded ones whole, without its line end.
        meaning: What such a line says, a sentence; "" where that is not known.
        source: Where that is defined: "RFC 3261 §20.42"; "" where that is not known.
        details: What this one says, a clause each.
        faults: What is wrong with it.
    """

    number: int
    text: str
    meaning: str = ""
    source: str = ""
    details: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


class Explanation(NamedTuple):
    """A message or a session description, explained.

    Args:
        what: What it is: "a request", "a response", "a session description", or "no SIP message".
        lines: Its lines, in order; the empty ones between are left out.
    """

    what: str
    lines: tuple[Line, ...]

    @property
    def faults(self) -> tuple[tuple[Line, Fault], ...]:
        """What is wrong, in the order of the lines, each with the line that it is in."""
        return tuple((line, fault) for line in self.lines for fault in line.faults)

    @property
    def acceptable(self) -> bool:
        """Whether a receiver takes it: nothing severe is wrong."""
        return not any(fault.severe for _, fault in self.faults)
