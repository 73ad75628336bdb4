"""The page of the state machines: each one's picture, from its table, under its name.

A line of a list in `topics/machines.md` that begins with a machine's name, in backticks, becomes a
heading, the rest of the line, the picture, and the machine as text, which can be searched.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import sipparty
from sipparty.fsm import FSM
from sipparty.fsm.drawing import svg, view_of
from sipparty.fsm.drawing import text as text_of

__all__ = ["drawn", "listed", "machines"]

_ITEM = re.compile(r"(?m)^\* `(\w+)`: (.+(?:\n  .+)*)$")

#: Modules that run when they are imported, or need what need not be installed.
_NOT_READ = ("sipparty.cli", "sipparty.testing", "sipparty.load", "sipparty.live")


def _below(cls: type[FSM]) -> Iterator[type[FSM]]:
    for one in cls.__subclasses__():
        yield one
        yield from _below(one)


def machines() -> dict[str, type[FSM]]:
    """Return every machine of the library that has a table of its own, by its name."""
    for found in pkgutil.walk_packages(sipparty.__path__, "sipparty."):
        if not found.name.startswith(_NOT_READ):
            importlib.import_module(found.name)
    own = [one for one in dict.fromkeys(_below(FSM)) if one.__module__.startswith("sipparty.")]
    return {one.__name__: one for one in own if one.table and "table" in vars(one)}


def listed(text: str) -> list[str]:
    """Return the names of the machines that a page has."""
    return [name for name, _ in _ITEM.findall(text)]


def drawn(text: str) -> str:
    """Return a page with the machines that it lists drawn."""
    known = machines()

    def draw(match: re.Match[str]) -> str:
        view = view_of(known[match[1]])
        prose = re.sub(r"\s+", " ", match[2])
        picture = "\n".join(line for line in svg(view).split("\n") if line.strip())
        return (
            f"### {match[1]}\n\n{prose[0].upper()}{prose[1:]}\n\n"
            f'<div class="machine">\n{picture}\n</div>\n\n'
            "<details><summary>As text</summary>\n\n"
            f"```text\n{text_of(view)}\n```\n\n</details>\n"
        )

    return _ITEM.sub(draw, text)
