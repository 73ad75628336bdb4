"""A scenario as it is played: commands by number, and where its labels are."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sipparty.load.sipp.template import Template

if TYPE_CHECKING:
    import re

__all__ = ["DISTRIBUTIONS", "Action", "ActionFailed", "Command", "Program"]

#: Does something for a call, with the message that its command has received, if any.
Action = Callable[[Any, Any], None]


class ActionFailed(Exception):
    """An action has found that the call has failed; the text says why."""


@dataclass(slots=True, kw_only=True)
class Command:
    """One command: `send`, `recv`, `pause`, `nop`, `timewait`, `sendCmd` or `recvCmd`.

    Times are in seconds; a label is the number of the command that it stands before, -1 for none.
    Attributes that a kind of command has not are as by default.
    """

    kind: str
    file: str
    line: int
    number: int = 0
    next: int = -1
    test: str = ""
    chance: float = 1.0
    condexec: str = ""
    condexec_inverse: bool = False
    start_rtd: tuple[str, ...] = ()
    rtd: tuple[str, ...] = ()
    repeat_rtd: bool = False
    counter: str = ""
    lost: float | None = None
    actions: list[Action] = field(default_factory=list)
    # send
    message: Template = field(default_factory=Template)
    method: str = ""
    retrans: float = 0.0
    start_txn: str = ""
    ack_txn: str = ""
    # recv
    expects: re.Pattern[str] | str = ""
    response: bool = False
    optional: str = ""
    auth: bool = False
    ignoresdp: bool = False
    rrs: bool = False
    timeout: float | None = None
    ontimeout: int = -1
    response_txn: str = ""
    # pause
    duration: Callable[[Any], float] | None = None
    # sendCmd, recvCmd
    peer: str = ""

    @property
    def name(self) -> str:
        """What it is on a statistics line: a method, a status, or its kind."""
        if self.kind == "send":
            return self.method
        if self.kind == "recv":
            return self.expects if isinstance(self.expects, str) else self.expects.pattern
        return {"pause": "Pause", "timewait": "Timewait", "nop": "NOP"}.get(self.kind, self.kind)


@dataclass(slots=True)
class Program:
    """A scenario file that was read.

    Args:
        name: The scenario's name.
        file: The file's name.
        commands: The commands in order.
        labels: The number of the command behind each label.
        global_variables: Those that all calls share, and those of a user.
        user_variables: Those that all calls of one user share.
        response_times: The bounds of the table of response times, in seconds.
        call_lengths: Those of the table of call lengths.
        setup: What is done once, before the first call.
        fields: The fields of CSV files that are used: file ("" for the first), index, and the line.
        plays: Whether media are played.
        paths: The files of them, each with the line; those whose name is a constant.
    """

    name: str
    file: str
    commands: list[Command] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    global_variables: set[str] = field(default_factory=set)
    user_variables: set[str] = field(default_factory=set)
    response_times: tuple[float, ...] = ()
    call_lengths: tuple[float, ...] = ()
    setup: list[Action] = field(default_factory=list)
    fields: dict[tuple[str, int], int] = field(default_factory=dict)
    plays: bool = False
    paths: list[tuple[str, int]] = field(default_factory=list)

    @property
    def calls(self) -> bool:
        """Whether it makes calls; else it waits for them (SIPp's client and server modes)."""
        for command in self.commands:
            if command.kind in ("send", "recv", "sendCmd", "recvCmd"):
                return command.kind in ("send", "sendCmd")
        return True

    @property
    def answers(self) -> bool:
        """Whether it is the other side that sends the first SIP message."""
        kinds = [one.kind for one in self.commands if one.kind in ("send", "recv")]
        return kinds[:1] == ["recv"]

    @property
    def has_twin(self) -> bool:
        """Whether it is one half of a 3PCC pair."""
        return any(command.kind in ("sendCmd", "recvCmd") for command in self.commands)


#: The distributions of a duration or a sample: parameters, and what draws from them.
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], Callable[..., float]]] = {
    "fixed": (("value",), lambda _, value: value),
    "uniform": (("min", "max"), random.Random.uniform),
    "normal": (("mean", "stdev"), random.Random.gauss),
    "lognormal": (("mean", "stdev"), random.Random.lognormvariate),
    "exponential": (("mean",), lambda chance, mean: chance.expovariate(1 / mean) if mean else 0.0),
    "weibull": (
        ("lambda", "k"),
        lambda chance, scale, shape: chance.weibullvariate(scale, shape),
    ),
    "pareto": (("k", "x_m"), lambda chance, shape, least: least * chance.paretovariate(shape)),
    "gamma": (("k", "theta"), random.Random.gammavariate),
}
