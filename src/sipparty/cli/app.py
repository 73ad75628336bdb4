"""The command `sipparty`: its table of commands, each imported when it runs.

`COMMANDS` has a row for each command. The command NAME is the function NAME of
`sipparty.cli.commands.NAME`; a command of two words, "sdp explain", is the function `explain` of
`sipparty.cli.commands.sdp`. Such a function

* has parameters as Typer takes them (`Annotated[str, typer.Argument(...)]`); a parameter whose type
  is a dataclass stands for the options that are its fields (`sipparty.cli.options`, `Output`);
* has a docstring, which is its help; what comes after a line "Args:" is not shown;
* returns an `Exit`, or None for `Exit.DONE`; what it raises is printed as a sentence, and
  `sipparty.cli.exits` says which exit code it is. `main` is what the program runs.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import typer
import typer.core

from sipparty import __version__
from sipparty.cli.exits import EXITS, Exit, exit_of, in_words
from sipparty.cli.help import Command, Page, page, render
from sipparty.cli.output import Output, terminal_width, wants_color
from sipparty.errors import SIPPartyError

__all__ = ["COMMANDS", "Row", "app", "main"]


class Row(NamedTuple):
    """A command in the table.

    Args:
        name: What it is called: one word or two.
        section: The heading that it stands under.
        summary: What it does, in a line.
        examples: How it is called, for its help and the manual.
    """

    name: str
    section: str
    summary: str
    examples: tuple[str, ...] = ()


#: Every command, in the order of the help.
COMMANDS: Final[tuple[Row, ...]] = (
    Row(
        "call",
        "Calls",
        "Call somebody.",
        (
            "sipparty call sip:bob@biloxi.com --play hello.wav",
            "sipparty call 4711@atlanta.com --user alice --from alice@atlanta.com",
        ),
    ),
    Row(
        "answer",
        "Calls",
        "Be called: play, record, echo or refuse.",
        ("sipparty answer --port 5060 --echo",),
    ),
    Row(
        "watch",
        "Calls",
        "Watch calls as they are made, in the terminal or on a page.",
        ("sipparty watch --web", "sipparty watch trace.jsonl"),
    ),
    Row("demo", "Calls", "Alice calls Bob on this machine.", ("sipparty demo",)),
    Row(
        "options",
        "Requests",
        "Ask whether somebody is there, like ping.",
        ("sipparty options sip:pbx.atlanta.com -c 10 --transport tcp",),
    ),
    Row(
        "register",
        "Requests",
        "Be registered, list or remove what is.",
        (
            "sipparty register --from alice@atlanta.com --user alice",
            "sipparty register --account work --list",
        ),
    ),
    Row(
        "message",
        "Requests",
        "Send an instant message.",
        ("sipparty message sip:bob@biloxi.com 'Lunch?'",),
    ),
    Row(
        "subscribe",
        "Requests",
        "See somebody's state as it changes.",
        ("sipparty subscribe sip:bob@biloxi.com presence",),
    ),
    Row("listen", "Requests", "See what comes.", ("sipparty listen --port 5070 -v",)),
    Row(
        "load",
        "Testing",
        "Make many calls, and say what came of them.",
        (
            "sipparty load script.py 10.0.0.2 --rate 200 --calls 10000 --ramp 10",
            "sipparty load script.py 10.0.0.2 -t 'answer.p95 < 200ms' --report load.html",
        ),
    ),
    Row(
        "ladder",
        "Reading",
        "Draw the calls in a capture or a trace.",
        (
            "sipparty ladder capture.pcap --list",
            "sipparty ladder capture.pcap --call 3 --name 10.0.0.1=pbx",
            "sipparty ladder capture.pcap --output calls.html",
        ),
    ),
    Row(
        "parse",
        "Reading",
        "Explain a SIP message, and what is wrong with it.",
        ("sipparty parse invite.txt", "xclip -o | sipparty parse"),
    ),
    Row(
        "sdp explain",
        "Reading",
        "Explain a session description.",
        ("sipparty sdp explain offer.sdp answer.sdp",),
    ),
    Row(
        "fsm",
        "Reading",
        "Draw a state machine.",
        ("sipparty fsm SimpleCall", "sipparty fsm Subscription --output subscription.svg"),
    ),
    Row(
        "resolve",
        "This machine",
        "Find the next hop, step by step.",
        ("sipparty resolve sip:bob@biloxi.com", "sipparty resolve biloxi.com --server 10.0.0.53"),
    ),
    Row(
        "doctor",
        "This machine",
        "Say what works here, and how to mend the rest.",
        ("sipparty doctor", "sipparty doctor sip:biloxi.com --stun stun.biloxi.com"),
    ),
    Row("man", "This machine", "Print the manual page.", ("sipparty man | man -l -",)),
)

_BY_NAME: Final = {row.name: row for row in COMMANDS}


def _signature(function: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, type]]:
    """Return the parameters of a command with groups unfolded: by name, and the groups."""
    hints = get_type_hints(function, include_extras=True)
    found: dict[str, inspect.Parameter] = {}
    groups: dict[str, type] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if not dataclasses.is_dataclass(kind):
            found[name] = parameter.replace(annotation=kind, kind=parameter.KEYWORD_ONLY)
            continue
        assert isinstance(kind, type)
        groups[name] = kind
        options = get_type_hints(kind, include_extras=True)
        for one in dataclasses.fields(kind):
            if one.init:
                found[one.name] = inspect.Parameter(
                    one.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=one.default,
                    annotation=_in_panel(options[one.name], getattr(kind, "PANEL", None)),
                )
    return found, groups


def _in_panel(annotation: Any, panel: str | None) -> Any:
    """Return the annotation of an option that stands under a heading of the help."""
    assert get_origin(annotation) is Annotated
    kind, *extras = get_args(annotation)
    made = [copy(extra) for extra in extras]
    for extra in made:
        extra.rich_help_panel = extra.rich_help_panel or panel
    return Annotated[kind, *made]  # type: ignore[valid-type, unused-ignore]


def _runner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what Typer calls in the place of a command: options in groups, errors in words."""
    parameters, groups = _signature(function)

    @wraps(function)
    def run(**given: Any) -> None:
        made = {
            name: kind(
                **{one.name: given.pop(one.name) for one in dataclasses.fields(kind) if one.init}
            )
            for name, kind in groups.items()
        }
        out = next((one for one in made.values() if isinstance(one, Output)), None) or Output()
        try:
            code = function(**given, **made)
        except (SIPPartyError, OSError, ModuleNotFoundError, KeyboardInterrupt) as error:
            code = _explain(error, out)
        raise typer.Exit(int(code or Exit.DONE))

    setattr(run, "__signature__", inspect.Signature(list(parameters.values())))  # noqa: B010
    run.__annotations__ = {name: one.annotation for name, one in parameters.items()}
    return run


def _explain(error: BaseException, out: Output) -> Exit:
    """Print an error as a sentence; return its exit code."""
    code = exit_of(error)
    if isinstance(error, BrokenPipeError):
        # Who reads has enough: nothing is wrong, and nothing can be said any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("sipparty"):
        raise error
    if isinstance(error, KeyboardInterrupt):
        out.error("Interrupted.", exit=int(code))
        return code
    out.error(in_words(error), error=type(error).__name__, exit=int(code))
    return code


def _load(name: str) -> Any:
    """Import a command."""
    head, _, tail = name.partition(" ")
    module = importlib.import_module(f"sipparty.cli.commands.{head}")
    row = _BY_NAME[name]
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    function = getattr(module, tail or head)
    examples = "\n\n".join(row.examples)
    made.command(
        tail or head,
        cls=Command,
        help=inspect.cleandoc(function.__doc__ or "").partition("\nArgs:")[0],
        short_help=row.summary,
        epilog=examples and f"Examples:\n\n{examples}",
        context_settings={"help_option_names": ["-h", "--help"]},
    )(_runner(function))
    return typer.main.get_command(made)


class _Group(typer.core.TyperGroup):
    """Commands that are imported when they are asked for.

    `prefix` is what their names begin with: "" at the top, "sdp " for those of `sdp`.
    """

    prefix = ""

    def list_commands(self, ctx: Any) -> list[str]:
        names = [row.name.removeprefix(self.prefix) for row in COMMANDS if self._holds(row)]
        return list(dict.fromkeys(name.partition(" ")[0] for name in names))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        name = self.prefix + cmd_name
        if name in _BY_NAME:
            return _load(name)
        if not any(row.name.startswith(f"{name} ") for row in COMMANDS):
            return None
        group = _Group(name=cmd_name, no_args_is_help=True)
        group.context_settings = self.context_settings
        group.prefix = f"{name} "
        return group

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            from difflib import get_close_matches

            near = get_close_matches(args[0], names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def _holds(self, row: Row) -> bool:
        return row.name.startswith(self.prefix)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        width, color = terminal_width(), wants_color(sys.stdout)
        formatter.write(render(self.page(ctx), width, color=color))

    def page(self, ctx: Any) -> Page:
        """The page of the group: its commands by section; nothing is imported for it."""
        made = page(self, ctx)
        options, made.sections = made.sections, {}
        for row in filter(self._holds, COMMANDS):
            rows = made.sections.setdefault(row.section, [])
            rows.append((row.name.removeprefix(self.prefix), row.summary))
        made.sections |= options
        if not self.prefix:
            made.sections["Exit codes"] = [(str(int(code)), text) for code, text in EXITS.items()]
        return made


app = typer.Typer(
    cls=_Group,
    name="sipparty",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sipparty {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which version this is.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """SIP from the command line."""


def main() -> None:
    """Run the command line of this process, then exit.

    Raises:
        SystemExit: Always; its code is an `Exit`.
    """
    app(prog_name="sipparty")
