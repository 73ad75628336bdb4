"""How the attributes of a scenario file are read, and what is taken note of while it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from sipparty.load.sipp.document import Element, ScenarioError, nearest
from sipparty.load.sipp.keywords import Names
from sipparty.load.sipp.model import DISTRIBUTIONS, Program
from sipparty.load.sipp.template import Template, TemplateError, compile_template, message_text

__all__ = ["Reading"]

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Reading:
    """A file that is being read.

    Args:
        program: What is made of it.
        keys: The program's own keywords.

    Attributes:
        assigned: The variables that something is assigned to, or that are declared.
    """

    def __init__(self, program: Program, keys: Mapping[str, str]) -> None:
        self.program = program
        self.names_used = Names(keys)
        self.assigned: set[str] = set()

    # ---------------------------------------------------------------- values

    def flag(self, element: Element, name: str) -> bool:
        """Return a "true" or "false"; False where it is absent."""
        value = element.attributes.get(name, "false").strip().lower()
        if value not in _FLAGS:
            raise element.error(f'has {name}="{value[:40]}": write "true" or "false".')
        return _FLAGS[value]

    def one_of(self, element: Element, name: str, words: Iterable[str], default: str) -> str:
        """Return a word of some."""
        words = tuple(words)
        value = element.attributes.get(name, default).strip()
        if value not in words:
            raise element.error(
                f'has {name}="{value[:40]}": write {", ".join(words)}.{nearest(value, words)}'
            )
        return value

    def number(self, element: Element, name: str) -> float:
        """Return a number."""
        value = element.attributes[name].strip()
        try:
            number = float(value)
            if abs(number) < 1e15:
                return number
        except ValueError:
            pass
        raise element.error(f'has {name}="{value[:40]}": write a number.')

    def integer(self, element: Element, name: str, default: int) -> int:
        """Return a whole number."""
        if name not in element.attributes:
            return default
        number = self.number(element, name)
        if number != int(number):
            raise element.error(f'has {name}="{element.attributes[name][:40]}": write 1, 2, ...')
        return int(number)

    def duration(self, element: Element, name: str) -> float:
        """Return milliseconds as seconds."""
        number = self.number(element, name)
        if number < 0:
            raise element.error(f'has {name}="{number:g}": write milliseconds, 0 or more.')
        return number / 1000

    def share(self, element: Element, name: str, whole: float) -> float:
        """Return a number from 0 to a whole."""
        number = self.number(element, name)
        if not 0 <= number <= whole:
            raise element.error(f'has {name}="{number:g}": write a number from 0 to {whole:g}.')
        return number

    def names(self, text: str) -> list[str]:
        """Return names that are parted by commas."""
        return [name for part in text.split(",") if (name := part.strip())]

    def label(self, element: Element, name: str) -> int:
        """Return the number of the command behind a label."""
        value = element.attributes[name].strip()
        labels = self.program.labels
        if value not in labels:
            raise element.error(
                f'has {name}="{value[:40]}" and there is no <label id="{value[:40]}"/>:'
                f" write one where that goes on.{nearest(value, labels)}"
            )
        return labels[value]

    # ---------------------------------------------------------------- variables and templates

    def variable(self, name: str) -> str:
        """Take note that a variable is read."""
        return self.names_used.variable(name)

    def assign(self, name: str) -> str:
        """Take note that a variable is assigned to."""
        name = name.strip().lstrip("$")
        self.assigned.add(name)
        return name

    def template(self, element: Element, text: str, *, message: bool = False) -> Template:
        """Return text with keywords."""
        self.names_used.line = element.line
        try:
            return compile_template(message_text(text) if message else text, self.names_used.render)
        except TemplateError as error:
            raise element.error(f"has a keyword that cannot be used: {error}.") from None

    def media(self, element: Element, kind: str, template: Template) -> None:
        """Take note of a media file, so that it is missed before the first call."""
        self.program.plays = True
        text = template.constant
        if text is None or kind == "play_dtmf" or text.strip() in ("pause", "resume"):
            return
        self.program.paths.append((text.split(",")[0].strip(), element.line))

    def distribution(self, element: Element) -> Callable[[random.Random], float]:
        """Return what draws from the distribution of an element."""
        word = self.one_of(element, "distribution", DISTRIBUTIONS, "fixed")
        names, draw = DISTRIBUTIONS[word]
        missing = [name for name in names if name not in element.attributes]
        if missing:
            raise element.error(
                f'with distribution="{word}" has no {missing[0]}: write {missing[0]}="...".'
            )
        values = [self.number(element, name) for name in names]
        if word not in ("fixed", "uniform", "normal") and min(values) <= 0:
            raise element.error(f'with distribution="{word}" takes numbers above 0.')
        return lambda chance: draw(chance, *values)

    def check_variables(self) -> None:
        """See that whatever is read is assigned somewhere.

        Raises:
            ScenarioError: A variable is not.
        """
        known = self.assigned | self.program.global_variables | self.program.user_variables
        for name, line in self.names_used.variables.items():
            if name not in known:
                raise ScenarioError(
                    self.program.file,
                    line,
                    f"nothing is ever assigned to the variable ${name[:40]}: give it a value, or"
                    f' write <Global variables="{name[:40]}"/> and set it as an option'
                    f" (variables).{nearest(name, known)}",
                )
