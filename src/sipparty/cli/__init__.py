"""The command `sipparty`: a call to look at, calls to anyone, and answering them.

    sipparty demo               Alice calls Bob on this machine; no server, no network
    sipparty call sip:bob@...   call somebody
    sipparty answer             be called

The library that reads the command line, Typer, comes with the extra `cli` and is imported when a
command runs, not before: `sipparty` without it says what to install.

Exit codes, the same for every command:

    0   done: the call took place and ended as calls do
    1   it failed: not answered, refused, unreachable, or not heard as it was said
    2   the command line asks for what cannot be
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_NEEDS_TYPER = """\
The command sipparty needs Typer, which comes with the extra "cli":

    pip install 'sipparty[cli]'
"""


def main() -> None:
    """Run the command line of this process, then exit.

    Raises:
        SystemExit: Always; its code is one of the table above.
    """
    try:
        import typer  # noqa: F401 - asked for here so that its absence is distinguished from other errors
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.stderr.write(_NEEDS_TYPER)
        raise SystemExit(2) from None
    from sipparty.cli.commands import app

    app()
