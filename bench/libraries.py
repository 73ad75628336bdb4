"""The table of what is measured: a row a library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import setup

__all__ = ["FLOOR", "LIBRARIES", "OURS", "Library", "program"]

_SERVERS = Path(__file__).resolve().parent / "servers"


class Library(NamedTuple):
    """One library.

    Args:
        name: Its name, and the prefix of its programs in `servers/`.
        title: How the tables name it.
        python: The interpreter that has it.
        statement: The import that a program using it begins with.
        flat_rate: Calls/s for the long memory run, well under what it sustains.
    """

    name: str
    title: str
    python: Path
    statement: str
    flat_rate: int


OURS = "sipparty"
FLOOR = "canned"

_OWN = Path(sys.executable)

LIBRARIES = (
    Library(OURS, "**sipparty**", _OWN, "import sipparty.parties", 500),
    Library(
        "aiosipua",
        f"aiosipua {setup.PEERS['aiosipua']}",
        setup.PYTHON,
        "import aiosipua",
        500,
    ),
    Library(
        "sippy",
        f"sippy {setup.PEERS['sippy']}",
        setup.PYTHON,
        "import sippy.UA, sippy.SipTransactionManager",
        350,
    ),
    Library(FLOOR, "canned answers (the floor)", _OWN, "import asyncio", 1000),
)


def program(library: Library, role: str, port: int, *more: str) -> list[str]:
    """The command line of a library's program.

    Args:
        library: The library.
        role: "uas" or "uac".
        port: The port it binds.
        more: Further arguments.
    """
    script = _SERVERS / f"{library.name}_{role}.py"
    return [str(library.python), str(script), "--port", str(port), *more]
