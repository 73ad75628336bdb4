"""The command `sipparty`: calls to look at, to make and to take, and what goes with them.

    sipparty demo               Alice calls Bob on this machine; no server, no network
    sipparty call sip:bob@...   call somebody
    sipparty answer             be called

What reads the command line, Typer, and what draws, Rich, come with the extra `cli` and are imported
when a command runs, not before: `sipparty` without them says what to install.
`sipparty.cli.exits` has the exit codes, which are the same for every command.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

_NEEDED = ("typer", "rich")


def main() -> None:
    """Run the command line of this process, then exit.

    Raises:
        SystemExit: Always; its code is one of `sipparty.cli.exits`.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed before the program began
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for all of the program
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("sipparty: Interrupted.\n")
        raise SystemExit(130) from None


def _run() -> None:
    try:
        import rich  # noqa: F401 - asked for here so that its absence is distinguished
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.stderr.write(
            f"The command sipparty needs {error.name.title()}, which comes with the extra"
            " \"cli\":\n\n    pip install 'sipparty[cli]'\n"
        )
        raise SystemExit(2) from None
    from sipparty.cli.app import main

    main()
