"""Reads SIPp's scenario files.

What may stand where is in the tables: `COMMANDS` for the commands and their attributes, `ACTIONS`
(in `sipparty.load.sipp.actions`) for actions, `KEYWORDS` for keywords. Whatever is not in them is
an error that names file, line and element, and says what to write in its place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sipparty.load.sipp.actions import ACTIONS, ACTIONS_NOT_TAKEN, EXEC_NOT_TAKEN
from sipparty.load.sipp.document import (
    Element,
    ScenarioError,
    nearest,
    read_document,
    read_file,
)
from sipparty.load.sipp.model import Action, Command, Program
from sipparty.load.sipp.posix import posix_pattern
from sipparty.load.sipp.reading import Reading

__all__ = ["COMMANDS", "read_program"]

_Convert = Callable[[Reading, Element, str], Any]


def _names(reading: Reading, element: Element, name: str) -> tuple[str, ...]:
    """Return the timers of an attribute; "true" is the first one."""
    value = element.attributes[name].strip()
    if value in ("true", "false"):
        return ("1",) if value == "true" else ()
    return tuple(reading.names(value))


def _text(_: Reading, element: Element, name: str) -> str:
    return element.attributes[name].strip()


def _optional(reading: Reading, element: Element, name: str) -> str:
    value = reading.one_of(element, name, ("true", "false", "global"), "")
    return "" if value == "false" else value


def _variable(reading: Reading, element: Element, name: str) -> str:
    reading.names_used.line = element.line
    return reading.variable(element.attributes[name])


_FLAG: _Convert = Reading.flag
_MILLISECONDS: _Convert = Reading.duration
_LABEL: _Convert = Reading.label


def _percent(reading: Reading, element: Element, name: str) -> float:
    return reading.share(element, name, 100)


#: What every command may have: the attribute, and what it is.
_COMMON: Mapping[str, _Convert] = {
    "next": _LABEL,
    "test": _variable,
    "chance": lambda reading, element, name: reading.share(element, name, 1),
    "condexec": _variable,
    "condexec_inverse": _FLAG,
    "start_rtd": _names,
    "rtd": _names,
    "repeat_rtd": _FLAG,
    "counter": _text,
    "lost": _percent,
    "crlf": _FLAG,
    "hide": _FLAG,
    "hiderest": _text,
    "display": _text,
}
#: Attributes that say nothing to how a scenario is played.
_SHOWN_ONLY = frozenset({"crlf", "display", "hide", "hiderest", "sanity_check"})

#: Each command, and what it may have besides.
COMMANDS: Mapping[str, Mapping[str, _Convert]] = {
    "send": {
        "retrans": _MILLISECONDS,
        "start_txn": _text,
        "ack_txn": _text,
    },
    "recv": {
        "response": _text,
        "request": _text,
        "regexp_match": _FLAG,
        "optional": _optional,
        "rrs": _FLAG,
        "auth": _FLAG,
        "timeout": _MILLISECONDS,
        "ontimeout": _LABEL,
        "response_txn": _text,
        "ignoresdp": _FLAG,
    },
    "pause": {
        "milliseconds": _MILLISECONDS,
        "variable": _variable,
        "distribution": _text,
        **dict.fromkeys(
            ("value", "min", "max", "mean", "stdev", "lambda", "k", "x_m", "theta"),
            _text,
        ),
        "sanity_check": _FLAG,
    },
    "timewait": {"milliseconds": _MILLISECONDS},
    "nop": {},
    "sendCmd": {"dest": _text},
    "recvCmd": {"src": _text, "timeout": _MILLISECONDS, "ontimeout": _LABEL},
}
#: What is no field of `Command`, and is seen to by `_command` itself.
_SPECIAL = frozenset(
    {
        *("response", "request", "regexp_match", "dest", "src"),
        *COMMANDS["pause"],
        *_SHOWN_ONLY,
    }
)

#: Elements beside the commands, and their attributes.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "label": ("id",),
    "Global": ("variables",),
    "User": ("variables",),
    "Reference": ("variables",),
    "ResponseTimeRepartition": ("value",),
    "CallLengthRepartition": ("value",),
    "init": (),
    "DefaultMessage": (),
    "DefaultBehavior": (),
}
_NOT_TAKEN = {
    "DefaultMessage": "leave it out: what a call sends when it is given up is built in",
    "DefaultBehavior": "leave it out, and give default_behaviors as an option",
}
_METHOD = re.compile(r"([A-Z][A-Z0-9._-]*) \S+ SIP/2\.0|SIP/2\.0 (\S+)")


def read_program(
    source: str | Path | bytes,
    keys: Mapping[str, str] = MappingProxyType({}),
    *,
    file: str = "",
) -> Program:
    """Read a scenario.

    Args:
        source: The file, or its bytes.
        keys: Keywords of the program's own, by name.
        file: The name of what bytes are from, for errors.

    Raises:
        ScenarioError: It is malformed, or has what is not taken.
        UsageError: The file cannot be read.
    """
    if not isinstance(source, bytes):
        path = Path(source)
        source, file = read_file(path), file or path.name
    root = read_document(source, file or "scenario")
    if root.tag != "scenario":
        raise root.error("is not <scenario>, which is what a scenario begins with.")
    _check_attributes(root, ("name",))
    program = Program(root.attributes.get("name", root.file), root.file)
    reading = Reading(program, keys)
    _find_labels(root, program)
    for element in root.children:
        if element.tag in COMMANDS:
            program.commands.append(_command(element, reading, len(program.commands)))
        else:
            _other(element, reading)
    if not program.commands:
        raise root.error("has no commands: write <send>, <recv> and so on in it.")
    _check_optionals(program)
    reading.check_variables()
    program.fields = reading.names_used.fields
    return program


def _find_labels(root: Element, program: Program) -> None:
    """Find out what stands behind each label; what a label is for may stand before it."""
    number = 0
    for element in root.children:
        number += element.tag in COMMANDS
        if element.tag == "label":
            _check_attributes(element, _OTHERS["label"])
            name = element.attributes.get("id", "").strip()
            if not name:
                raise element.error('has no name: write <label id="1"/>.')
            if name in program.labels:
                raise element.error(f'id="{name[:40]}" is there already: write another name.')
            program.labels[name] = number


def _check_attributes(element: Element, known: Iterable[str]) -> None:
    known = tuple(known)
    for name in element.attributes:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise element.error(
                f"has an attribute {name[:40]!r} that is not taken: {takes}.{nearest(name, known)}"
            )


def _check_text(element: Element) -> None:
    text = element.text.strip()
    if text:
        raise element.error(
            f"has text in it, {text[:40]!r}: write messages in <send>, remarks as <!-- ... -->."
        )


def _other(element: Element, reading: Reading) -> None:
    """Take an element that is no command."""
    tag, program = element.tag, reading.program
    if tag in _NOT_TAKEN:
        raise element.error(f"is not taken: {_NOT_TAKEN[tag]}.")
    if tag not in _OTHERS:
        known = [*COMMANDS, *_OTHERS]
        raise element.error(
            f"is no command of a scenario: write one of {', '.join(COMMANDS)}, label."
            + nearest(tag, known)
        )
    _check_attributes(element, _OTHERS[tag])
    _check_text(element)
    if tag in ("Global", "User", "Reference"):
        names = {reading.assign(n) for n in reading.names(element.attributes.get("variables", ""))}
        if not names:
            raise element.error('names no variables: write variables="a,b".')
        if tag == "Global":
            program.global_variables |= names
        elif tag == "User":
            program.user_variables |= names
    elif tag == "ResponseTimeRepartition":
        program.response_times = _bounds(element, reading)
    elif tag == "CallLengthRepartition":
        program.call_lengths = _bounds(element, reading)
    elif tag == "init":
        for child in element.children:
            if child.tag != "nop":
                raise child.error("is in <init>, which takes <nop> alone.")
            program.setup += _actions(child, reading)


def _bounds(element: Element, reading: Reading) -> tuple[float, ...]:
    parts = reading.names(element.attributes.get("value", ""))
    if not parts or not all(part.isdecimal() for part in parts):
        raise element.error('has no bounds: write value="10, 50, 100", in milliseconds.')
    return tuple(sorted(int(part) / 1000 for part in parts))


def _command(element: Element, reading: Reading, number: int) -> Command:
    own = COMMANDS[element.tag]
    _check_attributes(element, [*own, *_COMMON])
    values: dict[str, Any] = {}
    for name in element.attributes:
        convert = own.get(name) or _COMMON[name]
        value = convert(reading, element, name)
        if name not in _SPECIAL:
            values[name] = value
    command = Command(
        kind=element.tag, file=element.file, line=element.line, number=number, **values
    )
    command.peer = element.attributes.get("dest", element.attributes.get("src", ""))
    if element.tag in ("send", "sendCmd"):
        _message(element, reading, command)
    else:
        _check_text(element)
    if element.tag == "recv":
        _expectation(element, reading, command)
    elif element.tag in ("pause", "timewait"):
        command.duration = _duration(element, reading)
    if command.ontimeout >= 0 and command.timeout is None:
        raise element.error('has ontimeout and no timeout: write timeout="500".')
    command.actions = _actions(element, reading)
    return command


def _message(element: Element, reading: Reading, command: Command) -> None:
    if not element.text.strip():
        raise element.error("has no message: write it inside of <![CDATA[ ... ]]>.")
    command.message = reading.template(element, element.text, message=True)
    if element.tag == "sendCmd":
        return
    first = element.text.strip().partition("\n")[0].strip()
    found = _METHOD.match(re.sub(r"\[[^\]]*\]", "x", first))
    if found is not None:
        command.method = found[1] or found[2]
    elif first.startswith("["):
        command.method = "message"  # of a variable: what it is shows when it is sent
    else:
        raise element.error(
            f"begins with {first[:60]!r}: write a start line, such as INVITE sip:bob@biloxi.com"
            " SIP/2.0."
        )


def _expectation(element: Element, reading: Reading, command: Command) -> None:
    given = element.attributes
    if ("response" in given) == ("request" in given):
        raise element.error('says what to wait for by either response="200" or request="INVITE".')
    command.response = "response" in given
    expected = given["response" if command.response else "request"].strip()
    if reading.flag(element, "regexp_match"):
        try:
            command.expects = posix_pattern(expected)
        except ValueError as error:
            raise element.error(f"has an expression that cannot be used: {error}.") from None
        return
    if command.response and not re.fullmatch(r"[1-6]\d\d", expected):
        raise element.error(
            f'has response="{expected[:40]}": write a status such as 200, or an expression with'
            ' regexp_match="true".'
        )
    command.expects = expected


def _duration(element: Element, reading: Reading) -> Callable[[Any], float]:
    """Return what gives the seconds of a pause for a call."""
    given = element.attributes
    if sum(name in given for name in ("milliseconds", "variable", "distribution")) > 1:
        raise element.error("has more than one of milliseconds, variable and distribution.")
    if "milliseconds" in given:
        seconds = reading.duration(element, "milliseconds")
        return lambda _: seconds
    if "variable" in given:
        name = reading.variable(given["variable"])
        return lambda call: max(0.0, call.variables.number(name) / 1000)
    if "distribution" in given or "min" in given:
        if "distribution" not in given:  # as SIPp had it at first
            element.attributes["distribution"] = "uniform"
        draw: Callable[[random.Random], float] = reading.distribution(element)
        return lambda call: max(0.0, draw(call.player.chance) / 1000)
    return lambda call: call.options.pause if element.tag == "pause" else 0.0


def _actions(element: Element, reading: Reading) -> list[Action]:
    actions: list[Action] = []
    for block in element.children:
        if block.tag != "action":
            raise block.error(f"is in <{element.tag}>, which takes <action> alone.")
        _check_attributes(block, ())
        _check_text(block)
        for child in block.children:
            actions.append(_action(child, reading))
    return actions


def _action(element: Element, reading: Reading) -> Action:
    row = ACTIONS.get(element.tag)
    if row is None:
        why = ACTIONS_NOT_TAKEN.get(element.tag)
        if why is not None:
            raise element.error(f"is not taken: {why}.")
        raise element.error(f"is no action.{nearest(element.tag, ACTIONS)}")
    if element.tag == "exec":
        for name, why in EXEC_NOT_TAKEN.items():
            if name in element.attributes:
                raise element.error(f"{name}= is not taken: {why}.")
    for name in row.required:
        if name not in element.attributes:
            raise element.error(f'has no {name}: write {name}="...".')
    _check_attributes(element, (*row.required, *row.optional))
    if element.children:
        raise element.children[0].error(f"is in <{element.tag}>, which takes no elements.")
    _check_text(element)
    reading.names_used.line = element.line
    return row.make(element, reading)


def _check_optionals(program: Program) -> None:
    """See that no call can wait for what may never come.

    Raises:
        ScenarioError: An optional message has no other one behind it that must come.
    """
    group: list[Command] = []
    for command in [*program.commands, None]:
        if command is not None and command.kind in ("recv", "recvCmd"):
            group = [*group, command] if command.optional else []
        elif group and not any(one.next >= 0 or one.ontimeout >= 0 for one in group):
            raise ScenarioError(
                program.file,
                group[-1].line,
                '<recv> is optional, and nothing that must come follows: leave out optional="true",'
                " or write a <recv> for what comes next behind it.",
            )
        else:
            group = []
