"""The commands, put together; and what is done about errors that nobody saw coming."""

from __future__ import annotations

from typing import Annotated

import typer

from sipparty import __version__
from sipparty.cli.answer import answer
from sipparty.cli.call import call
from sipparty.cli.demo import demo

__all__ = ["app"]

app = typer.Typer(
    name="sipparty",
    help="SIP calls from the command line.",
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
    """SIP calls from the command line."""


for _command in (demo, call, answer):
    app.command()(_command)
