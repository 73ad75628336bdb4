"""Which command of a scenario a message is for.

It is looked for at the command that the call is at, and behind it as far as optional ones go; then
among the optional ones right before it, and those that are optional everywhere ("global").
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Final

from sipparty.load.sipp.model import Command
from sipparty.load.sipp.received import Received

__all__ = ["Sent", "find_command", "was_expected"]

_CSEQ: Final = re.compile(r"^CSeq[ \t]*:[ \t]*(\d{1,10})", re.IGNORECASE | re.MULTILINE)


class Sent:
    """The requests that a call has sent, for which responses may come.

    Attributes:
        methods: Their methods.
        places: Where in the scenario each was sent last, by the number and the method of its CSeq.
        transactions: The method of each transaction that has a name.
    """

    __slots__ = ("methods", "places", "transactions")

    def __init__(self) -> None:
        self.methods: set[str] = set()
        self.places: dict[tuple[int, str], int] = {}
        self.transactions: dict[str, str] = {}

    def add(self, text: str, method: str, transaction: str, place: int) -> None:
        """Take note of a request."""
        self.methods.add(method)
        number = _CSEQ.search(text)
        if number is not None:
            self.places[int(number[1]), method] = place
        if transaction:
            self.transactions[transaction] = method


def find_command(
    commands: Sequence[Command], index: int, message: Received, sent: Sent
) -> Command | None:
    """Return the command that a message is for; None where it is not expected."""
    for command in commands[index:]:
        if _matches(command, message, sent.methods, sent.transactions):
            return command
        if not command.optional:
            break
    contiguous = True
    for command in reversed(commands[:index]):
        contiguous = contiguous and bool(command.optional)
        if (contiguous or command.optional == "global") and _matches(
            command, message, sent.methods, sent.transactions
        ):
            return command
    return None


def was_expected(commands: Sequence[Command], index: int, message: Received, sent: Sent) -> bool:
    """Whether a response is one that came, or might have come, for a command before: one behind
    the request that it answers.
    """
    return message.status > 0 and any(
        _matches(command, message, sent.methods, sent.transactions)
        for command in commands[sent.places.get(message.cseq, 0) : index]
    )


def _matches(
    command: Command,
    message: Received,
    methods: Container[str],
    transactions: Mapping[str, str],
) -> bool:
    if command.kind != "recv" or command.response is not bool(message.status):
        return False
    if message.status:
        method = message.cseq[1]
        if method not in methods or method != transactions.get(command.response_txn, method):
            return False
    expected = command.expects
    if isinstance(expected, str):
        return expected == message.name
    return expected.search(message.name) is not None
