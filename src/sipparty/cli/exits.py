"""How the commands end: one table of exit codes, and which error is which.

code  name         meaning
0     DONE         it was done
1     FAILED       it was refused, or did not turn out as it was asked for
2     USAGE        the command line, an account or an input asks for what cannot be
3     UNREACHABLE  nobody answered: no such name, no route, no response in time
4     LOCAL        this machine lacks what it takes: a free port, a file, a package, a device
5     MISSED       it ran to its end, and a threshold was not kept
130   INTERRUPTED  Ctrl-C ended it at once
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from sipparty.errors import (
    CallFailed,
    CallTimedOut,
    CallUnreachable,
    ListenError,
    MediaError,
    SIPPartyError,
    Timeout,
    TransportError,
)

__all__ = ["EXITS", "Exit", "exit_of", "in_words"]


class Exit(IntEnum):
    """The exit code of a command; `EXITS` says what each means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    LOCAL = 4
    MISSED = 5
    INTERRUPTED = 130


#: What each exit code means.
EXITS: Final[dict[Exit, str]] = {
    Exit.DONE: "it was done",
    Exit.FAILED: "it was refused, or did not turn out as it was asked for",
    Exit.USAGE: "the command line, an account or an input asks for what cannot be",
    Exit.UNREACHABLE: "nobody answered: no such name, no route, no response in time",
    Exit.LOCAL: "this machine lacks what it takes: a free port, a file, a package, a device",
    Exit.MISSED: "it ran to its end, and a threshold was not kept",
    Exit.INTERRUPTED: "Ctrl-C ended it at once",
}

#: The exit code of each error; the first row that fits counts.
_ERRORS: Final[tuple[tuple[type[BaseException], Exit], ...]] = (
    (KeyboardInterrupt, Exit.INTERRUPTED),
    (ListenError, Exit.LOCAL),
    (MediaError, Exit.LOCAL),
    (CallTimedOut, Exit.UNREACHABLE),
    (CallUnreachable, Exit.UNREACHABLE),
    (TransportError, Exit.UNREACHABLE),
    (Timeout, Exit.UNREACHABLE),
    (CallFailed, Exit.FAILED),
    (SIPPartyError, Exit.USAGE),
    (OSError, Exit.LOCAL),
    (ImportError, Exit.LOCAL),
)


def exit_of(error: BaseException | None) -> Exit:
    """Return the exit code of an error; `DONE` for None.

    Args:
        error: Why something failed.
    """
    if error is None:
        return Exit.DONE
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), Exit.FAILED)


def in_words(error: BaseException) -> str:
    """Return what an error says, as a sentence; one of a file names the file first."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)
