"""`sipparty man`: the manual page, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from sipparty import __version__
from sipparty.cli.exits import EXITS, Exit
from sipparty.cli.help import Page, page
from sipparty.cli.output import Output

__all__ = ["man", "manual"]

_FILES = """\
Accounts are tables of a TOML file, $SIPPARTY_CONFIG, else sipparty/config.toml in $XDG_CONFIG_HOME
or ~/.config. The keys of [accounts.NAME] are address, user, password, display_name, proxy,
registrar, transport, ca, certificate, key, verify, local_address, expires and headers; the key
default, above them, names the account that is taken where none is asked for. An option counts
before the environment, that before the file."""


def man(context: typer.Context, output: Output) -> Exit:
    """Print the manual page, in the language of man: sipparty man | man -l -"""
    assert context.parent is not None
    source = manual(context.parent.command, context.parent)
    output.ansi(source)
    output.result(manual=source)
    return Exit.DONE


def manual(group: Any, context: Any) -> str:
    """Return the manual page of a group of commands, as roff.

    Args:
        group: The commands, as Typer has made them.
        context: The context of the group.
    """
    lines = [
        f'.TH SIPPARTY 1 "" "sipparty {__version__}" "User Commands"',
        *_section("NAME", ["sipparty \\- SIP from the command line"]),
        *_section("SYNOPSIS", [".B sipparty", "COMMAND [OPTIONS] [ARGUMENTS]"]),
        ".SH COMMANDS",
    ]
    variables: dict[str, str] = {}
    for command, inner in _commands(group, context):
        made = page(command, inner)
        lines += _command(inner.command_path, made)
        for parameter in command.get_params(inner):
            if isinstance(parameter.envvar, str):
                variables[parameter.envvar] = f"As {parameter.opts[-1]}. {parameter.help or ''}"
    lines += _section("ENVIRONMENT", _rows(sorted(variables.items())))
    lines += _rows([("NO_COLOR", "Where it is set, nothing is coloured.")])
    lines += _section("FILES", [_roff(_FILES)])
    lines += _section("EXIT STATUS", _rows((str(int(code)), text) for code, text in EXITS.items()))
    return "\n".join(lines)


def _commands(group: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = type(context)(command, info_name=name, parent=context)
        if hasattr(command, "list_commands"):
            yield from _commands(command, inner)
        else:
            yield command, inner


def _command(path: str, made: Page) -> Iterator[str]:
    yield f'.SS "{_roff(path.removeprefix("sipparty "))}"'
    yield f".B {_roff(made.usage)}"
    for paragraph in made.text:
        yield from (".PP", _roff(paragraph))
    for title, rows in made.sections.items():
        kept = [row for row in rows if not row[0].endswith("--help")]
        if kept:
            yield from (".PP", f".I {_roff(title)}", *_rows(kept))
    for paragraph in made.epilog:
        yield from (".PP", _roff(paragraph))


def _section(title: str, lines: Any) -> Iterator[str]:
    yield f".SH {title}"
    yield from lines


def _rows(rows: Any) -> Iterator[str]:
    for term, meaning in rows:
        yield from (".TP", f".B {_roff(term)}", _roff(meaning))


def _roff(text: str) -> str:
    """Return text as roff has it: nothing in it is a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    lines = [f"\\&{line}" if line.startswith(".") else line for line in escaped.split("\n")]
    return "\n".join(lines)
