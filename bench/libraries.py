"""The table of what is measured: a row a library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import setup

__all__ = ["FLOOR", "LIBRARIES", "OURS", "REFERENCE", "Library", "program", "relay"]

_SERVERS = Path(__file__).resolve().parent / "servers"


class Library(NamedTuple):
    """One library.

    Args:
        name: Its name, and the prefix of its programs in `servers/`.
        title: How the tables name it.
        python: The interpreter that has it.
        statement: The import that a program using it begins with.
        flat_rate: Calls/s for the long memory run, well under what it sustains.
        transports: What its UAS is measured over.
    """

    name: str
    title: str
    python: Path
    statement: str
    flat_rate: int
    transports: tuple[str, ...] = ("UDP",)


OURS = "sipparty"
FLOOR = "canned"
#: SIPp as UAS, which is no library: what a program in C++ that plays a scenario takes.
REFERENCE = "sipp"

_OWN = Path(sys.executable)

LIBRARIES = (
    Library(
        OURS,
        "**sipparty**",
        _OWN,
        "import sipparty.parties",
        500,
        ("UDP", "TCP", "TLS"),
    ),
    Library(
        "aiosipua",
        f"aiosipua {setup.PEERS['aiosipua']}",
        setup.PYTHON,
        "import aiosipua",
        500,
        ("UDP", "TCP"),
    ),
    Library(
        "sippy",
        f"sippy {setup.PEERS['sippy']}",
        setup.PYTHON,
        "import sippy.UA, sippy.SipTransactionManager",
        350,
    ),
    Library(
        FLOOR,
        "canned answers (the floor)",
        _OWN,
        "import asyncio",
        1000,
        ("UDP", "TCP", "TLS"),
    ),
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


def relay(mode: str, port: int, target: int, certificate: Path) -> list[str]:
    """The command line of the relay that gives SIPp TLS.

    Args:
        mode: "connect" for TLS out, "accept" for TLS in.
        port: The port it listens on.
        target: The port it connects to.
        certificate: What it shows, or what it trusts.
    """
    ports = ["--port", str(port), "--target", str(target)]
    script = str(_SERVERS / "tls_relay.py")
    return [str(_OWN), script, mode, *ports, "--certificate", str(certificate)]
