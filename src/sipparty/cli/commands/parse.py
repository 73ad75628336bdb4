"""`sipparty parse`: a message explained, line by line."""

from __future__ import annotations

from typing import Annotated

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.explaining import print_explanation, read_input
from sipparty.cli.output import Output
from sipparty.explain import explain, explain_description

__all__ = ["parse"]


def parse(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file with one SIP message; - for standard input."),
    ] = "-",
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Explain a SIP message: what each line says, where that is defined, and what is wrong.

    A session description in the body is explained too, and one that stands alone. Lines may
    end in LF alone, as in a file written by hand. Exit code 0 if a receiver would
    take the message, else 1.
    """
    data = read_input(source, "a SIP message")
    explanation = explain_description(data) if data.startswith(b"v=0") else explain(data)
    print_explanation(output, explanation)
    return Exit.DONE if explanation.acceptable else Exit.FAILED
