"""What a command is asked for, as a page: on the terminal, and in the manual.

Laws:

* A page is data, made from the command's own parameters; the terminal and the manual draw the same.
* It fits the terminal, of 20 columns or more; wider than 80 it does not get.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any

import typer.core

from sipparty.cli.output import terminal_width, wants_color

__all__ = ["Command", "Page", "page", "render"]

#: Lines are no longer than this, however wide the terminal is.
_WIDEST = 80
#: The widest column of terms beside their definitions.
_TERMS = 30


@dataclass(slots=True)
class Page:
    """What there is to say of a command.

    Args:
        usage: How it is called.
        text: What it does: paragraphs.
        sections: By heading: terms and what they mean.
        epilog: What comes last: paragraphs.
    """

    usage: str
    text: list[str] = field(default_factory=list)
    sections: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    epilog: list[str] = field(default_factory=list)


def page(command: Any, context: Any) -> Page:
    """Return the page of a command.

    Args:
        command: The command, as Typer has made it.
        context: The context that it was found in.
    """
    pieces = command.collect_usage_pieces(context)
    made = Page(" ".join([context.command_path, *pieces]), _paragraphs(command.help))
    made.epilog = _paragraphs(command.epilog)
    made.sections = {"Arguments": [], "Options": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        argument = parameter.param_type_name == "argument"
        if argument:
            record = parameter.metavar, record[1]  # the name alone, without a type
        title = getattr(parameter, "rich_help_panel", None)
        title = title or ("Arguments" if argument else "Options")
        made.sections.setdefault(title, []).append(record)
    made.sections = {title: rows for title, rows in made.sections.items() if rows}
    return made


def render(made: Page, width: int, *, color: bool = False) -> str:
    """Draw a page for a terminal.

    Args:
        made: The page.
        width: The columns.
        color: Whether headings and terms are to stand out, by escape sequences.
    """
    width = min(width, _WIDEST)

    def marked(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if color else text

    def filled(text: str, indent: int) -> str:
        space = " " * indent
        return textwrap.fill(
            text, width, initial_indent=space, subsequent_indent=space, break_on_hyphens=False
        )

    usage = textwrap.fill(
        made.usage, max(width - 7, 10), subsequent_indent="  ", break_on_hyphens=False
    )
    parts = [marked("Usage: ", "1") + usage.replace("\n", "\n       ")]
    parts += [filled(paragraph, 0) for paragraph in made.text]
    for title, rows in made.sections.items():
        lines = [marked(f"{title}:", "1")]
        column = min(max(len(term) for term, _ in rows), _TERMS) + 4
        beside = width - column >= 20
        for term, meaning in rows:
            if not beside:
                lines += [filled(term, 2), filled(meaning, 4)] if meaning else [filled(term, 2)]
                continue
            body = textwrap.wrap(meaning, width - column, break_on_hyphens=False) or [""]
            head = f"  {term}"
            if len(head) > column - 2:
                lines.append(marked(head, "36"))
                head = ""
            lines.append(f"{marked(head, '36')}{' ' * (column - len(head))}{body[0]}".rstrip())
            lines += [" " * column + line for line in body[1:]]
        parts.append("\n".join(lines))
    parts += [filled(paragraph, 0) for paragraph in made.epilog]
    return "\n\n".join(parts) + "\n"


def _paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a text, each as one line."""
    whole = inspect.cleandoc(text or "")
    return [" ".join(part.split()) for part in whole.split("\n\n") if part.strip()]


class Command(typer.core.TyperCommand):
    """A command whose help is a `Page`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name: the same whichever Typer it is."""
        arguments = [one for one in self.params if one.param_type_name == "argument"]
        names = [str(one.metavar if one.required else f"[{one.metavar}]") for one in arguments]
        return ["[OPTIONS]", *names]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(render(page(self, ctx), terminal_width(), color=wants_color(sys.stdout)))
