"""What an `<action>` may hold: a row of `ACTIONS` for each element.

A row has the attributes that must be there, those that may, and what makes the action. What is not
taken is in `NOT_TAKEN`, with what to write in its place.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from sipparty.load.sipp.document import Element
from sipparty.load.sipp.model import Action, ActionFailed
from sipparty.load.sipp.posix import posix_pattern
from sipparty.load.sipp.template import Template

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call
    from sipparty.load.sipp.reading import Reading
    from sipparty.load.sipp.received import Received

__all__ = ["ACTIONS", "ACTIONS_NOT_TAKEN", "EXEC_NOT_TAKEN", "ActionRow"]


class ActionRow(NamedTuple):
    """A row of `ACTIONS`.

    Args:
        required: The attributes that must be there.
        optional: Those that may be.
        make: Makes the action of an element.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    make: Callable[[Element, Reading], Action]


ACTIONS_NOT_TAKEN = {
    "insert": "the CSV file is only read: keep what a call finds in a global variable",
    "replace": "the CSV file is only read: keep what a call finds in a global variable",
    "closecon": "one connection serves all calls: leave it out",
    "pauserestore": "write a <pause> with a variable",
    "rtp_echo": "answer with a Party whose calls are bridged to themselves",
}

EXEC_NOT_TAKEN = {
    "command": "a scenario file starts no programs: write a scenario in Python",
    "rtp_echo": "answer with a Party whose calls are bridged to themselves",
}


# ---------------------------------------------------------------- looking at messages


def _ereg(element: Element, reading: Reading) -> Action:
    given = element.attributes
    ignore_case = reading.flag(element, "case_indep")
    try:
        pattern = posix_pattern(given["regexp"], ignore_case=ignore_case)
    except ValueError as error:
        raise element.error(
            f"has the regexp {given['regexp'][:60]!r}, which cannot be used: {error}."
        ) from None
    where = reading.one_of(element, "search_in", ("msg", "hdr", "body", "var"), "msg")
    names = [reading.assign(name) for name in reading.names(given["assign_to"])]
    if len(names) > pattern.groups + 1:
        raise element.error(
            f"assigns to {len(names)} variables, and its regexp has {pattern.groups} groups: the"
            " first variable is for all that matches, the others are for the groups."
        )
    needs = {"hdr": "header", "var": "variable"}.get(where)
    if needs is not None and needs not in given:
        raise element.error(f'with search_in="{where}" has no {needs}: write {needs}="...".')
    header = given.get("header", "")
    variable = reading.variable(given["variable"]) if where == "var" else ""
    occurrence = reading.integer(element, "occurrence", reading.integer(element, "occurence", 1))
    start_line = reading.flag(element, "start_line")
    must, must_not = reading.flag(element, "check_it"), reading.flag(element, "check_it_inverse")

    def text_of(call: Call, message: Received | None) -> str | None:
        if where == "var":
            return call.variables.text(variable)
        if message is None:
            return None
        if where == "hdr":
            return message.after(header, occurrence)
        if where == "body":
            return message.body
        return message.start_line if start_line else message.text

    def act(call: Call, message: Received | None) -> None:
        text = text_of(call, message)
        found = None if text is None else pattern.search(text)
        for group, name in enumerate(names if found is not None else ()):
            if found[group] is None:  # type: ignore[index]
                break
            call.variables.set(name, found[group])  # type: ignore[index]
        if (must and found is None) or (must_not and found is not None):
            raise ActionFailed(f"the regexp {pattern.pattern[:60]!r} of line {element.line} failed")

    return act


def _verifyauth(element: Element, reading: Reading) -> Action:
    given = element.attributes
    name = reading.assign(given["assign_to"])
    username = reading.template(element, given["username"])
    password = reading.template(element, given["password"])

    def act(call: Call, message: Received | None) -> None:
        from sipparty.load.sipp.credentials import are_right

        right = message is not None and are_right(
            message, username.render(call), password.render(call)
        )
        call.variables.set(name, right)

    return act


# ---------------------------------------------------------------- variables


def _number_from(
    element: Element, reading: Reading, value: str = "value", variable: str = "variable"
) -> Callable[[Call], float]:
    """Return what gives the number of an attribute, or of the variable that another names."""
    given = element.attributes
    if (value in given) == (variable in given):
        raise element.error(f"needs either {value}= or {variable}=, not both.")
    if value in given:
        number = reading.number(element, value)
        return lambda _: number
    name = reading.variable(given[variable])
    return lambda call: call.variables.number(name)


def _arithmetic(operation: Callable[[float, float], float]) -> Any:
    def make(element: Element, reading: Reading) -> Action:
        name = reading.assign(element.attributes["assign_to"])
        operand = _number_from(element, reading)

        def act(call: Call, _: object) -> None:
            try:
                call.variables.set(name, operation(call.variables.number(name), operand(call)))
            except ZeroDivisionError:
                raise ActionFailed(f"line {element.line} divides ${name} by 0") from None

        return act

    return make


def _assign(element: Element, reading: Reading) -> Action:
    name = reading.assign(element.attributes["assign_to"])
    value = _number_from(element, reading)
    return lambda call, _: call.variables.set(name, value(call))


def _of_template(convert: Callable[[str], str | float]) -> Any:
    def make(element: Element, reading: Reading) -> Action:
        name = reading.assign(element.attributes["assign_to"])
        value = reading.template(element, element.attributes["value"])
        return lambda call, _: call.variables.set(name, convert(value.render(call)))

    return make


def _in_place(convert: Callable[[str], str]) -> Any:
    """Change the text in a variable: `assign_to` or `variable` names it."""

    def make(element: Element, reading: Reading) -> Action:
        given = element.attributes
        if not ("assign_to" in given or "variable" in given):
            raise element.error('names no variable: write variable="...".')
        source = reading.variable(given.get("variable", given.get("assign_to", "")))
        target = reading.assign(given.get("assign_to", source))
        return lambda call, _: call.variables.set(target, convert(call.variables.text(source)))

    return make


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _unquoted(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _todouble(element: Element, reading: Reading) -> Action:
    given = element.attributes
    target, source = reading.assign(given["assign_to"]), reading.variable(given["variable"])
    return lambda call, _: call.variables.set(target, call.variables.number(source))


def _sample(element: Element, reading: Reading) -> Action:
    name = reading.assign(element.attributes["assign_to"])
    draw = reading.distribution(element)
    return lambda call, _: call.variables.set(name, draw(call.player.chance))


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_than_equal": operator.ge,
    "less_than_equal": operator.le,
}


def _test(element: Element, reading: Reading) -> Action:
    given = element.attributes
    target, source = reading.assign(given["assign_to"]), reading.variable(given["variable"])
    compare = _COMPARISONS[reading.one_of(element, "compare", tuple(_COMPARISONS), "")]
    other = _number_from(element, reading, "value", "variable2")
    return lambda call, _: call.variables.set(
        target, compare(call.variables.number(source), other(call))
    )


def _strcmp(element: Element, reading: Reading) -> Action:
    given = element.attributes
    target, source = reading.assign(given["assign_to"]), reading.variable(given["variable"])
    if ("value" in given) == ("variable2" in given):
        raise element.error("needs either value= or variable2=, not both.")
    other = reading.variable(given["variable2"]) if "variable2" in given else ""
    value = reading.template(element, given.get("value", ""))

    def act(call: Call, _: object) -> None:
        one, two = (
            call.variables.text(source),
            call.variables.text(other) if other else value.render(call),
        )
        call.variables.set(target, float((one > two) - (one < two)))

    return act


def _gettimeofday(element: Element, reading: Reading) -> Action:
    names = [reading.assign(name) for name in reading.names(element.attributes["assign_to"])]
    if len(names) != 2:
        raise element.error('assigns to seconds and microseconds: write assign_to="s,us".')

    def act(call: Call, _: object) -> None:
        seconds, fraction = divmod(call.player.wall_clock(), 1)
        call.variables.set(names[0], seconds)
        call.variables.set(names[1], float(int(fraction * 1e6)))

    return act


def _lookup(element: Element, reading: Reading) -> Action:
    given = element.attributes
    name = reading.assign(given["assign_to"])
    file = reading.template(element, given["file"])
    key = reading.template(element, given["key"])

    def act(call: Call, _: object) -> None:
        found = call.player.injection(file.render(call)).find(key.render(call))
        call.variables.set(name, float(found))

    return act


# ---------------------------------------------------------------- what is done


def _jump(element: Element, reading: Reading) -> Action:
    number = _number_from(element, reading)

    def act(call: Call, _: object) -> None:
        at = int(number(call))
        if not 0 <= at < len(call.program.commands):
            raise ActionFailed(f"line {element.line} jumps to {at}, and there is no such message")
        call.jump(at)

    return act


def _log(level: int, fails: bool = False) -> Any:
    def make(element: Element, reading: Reading) -> Action:
        message = reading.template(element, element.attributes["message"])

        def act(call: Call, _: object) -> None:
            text = message.render(call)
            call.player.log(call, text, level)
            if fails:
                raise ActionFailed(text)

        return act

    return make


def _setdest(element: Element, reading: Reading) -> Action:
    given = element.attributes
    reading.one_of(element, "protocol", ("udp", "UDP"), "udp")
    host, port = (reading.template(element, given[name]) for name in ("host", "port"))

    def act(call: Call, _: object) -> None:
        call.set_destination(host.render(call).strip("[]"), port.render(call))

    return act


def _stop(word: str) -> Action:
    def act(call: Call, _: object) -> None:
        if word == "stop_call":
            raise ActionFailed("the scenario has stopped the call")
        call.player.end(now=word == "stop_now")

    return act


def _media(kind: str, value: Template) -> Action:
    return lambda call, _: call.play(kind, value.render(call))


_WORDS = ("stop_call", "stop_now", "stop_gracefully")
_MEDIA = ("rtp_stream", "play_pcap_audio", "play_pcap_image", "play_pcap_video", "play_dtmf")


def _exec(element: Element, reading: Reading) -> Action:
    given = element.attributes
    if len(given) != 1:
        raise element.error(f"has one attribute: one of int_cmd, {', '.join(_MEDIA)}.")
    ((name, value),) = given.items()
    if name == "int_cmd":
        return _stop(reading.one_of(element, "int_cmd", _WORDS, ""))
    template = reading.template(element, value)
    reading.media(element, name, template)
    return _media(name, template)


_VALUE = ("value", "variable")
ACTIONS: Mapping[str, ActionRow] = {
    "ereg": ActionRow(
        ("regexp", "assign_to"),
        (
            *("search_in", "header", "variable", "case_indep", "occurrence", "occurence"),
            *("start_line", "check_it", "check_it_inverse"),
        ),
        _ereg,
    ),
    "verifyauth": ActionRow(("assign_to", "username", "password"), (), _verifyauth),
    "log": ActionRow(("message",), (), _log(logging.INFO)),
    "warning": ActionRow(("message",), (), _log(logging.WARNING)),
    "error": ActionRow(("message",), (), _log(logging.WARNING, fails=True)),
    "assign": ActionRow(("assign_to",), _VALUE, _assign),
    "assignstr": ActionRow(("assign_to", "value"), (), _of_template(str)),
    "todouble": ActionRow(("assign_to", "variable"), (), _todouble),
    "add": ActionRow(("assign_to",), _VALUE, _arithmetic(operator.add)),
    "subtract": ActionRow(("assign_to",), _VALUE, _arithmetic(operator.sub)),
    "multiply": ActionRow(("assign_to",), _VALUE, _arithmetic(operator.mul)),
    "divide": ActionRow(("assign_to",), _VALUE, _arithmetic(operator.truediv)),
    "sample": ActionRow(
        ("assign_to", "distribution"),
        (*("value", "min", "max", "mean", "stdev", "lambda", "k", "x_m", "theta"),),
        _sample,
    ),
    "test": ActionRow(("assign_to", "variable", "compare"), ("value", "variable2"), _test),
    "strcmp": ActionRow(("assign_to", "variable"), ("value", "variable2"), _strcmp),
    "trim": ActionRow((), ("assign_to", "variable"), _in_place(str.strip)),
    "urlencode": ActionRow((), ("assign_to", "variable"), _in_place(_quoted)),
    "urldecode": ActionRow((), ("assign_to", "variable"), _in_place(_unquoted)),
    "gettimeofday": ActionRow(("assign_to",), (), _gettimeofday),
    "lookup": ActionRow(("assign_to", "file", "key"), (), _lookup),
    "jump": ActionRow((), _VALUE, _jump),
    "setdest": ActionRow(("host", "port"), ("protocol",), _setdest),
    "exec": ActionRow((), ("int_cmd", *_MEDIA), _exec),
}
