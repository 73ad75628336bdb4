"""A message as a scenario sees it: its text, the lines of its headers, and what it is."""

from __future__ import annotations

import re
from functools import cached_property

from sipparty.errors import ParseError
from sipparty.sip.grammar import split_address, split_list
from sipparty.sip.headers import SPELLINGS
from sipparty.sip.message import Message, Request, Response

__all__ = ["Received"]

_LINE_END = re.compile(r"\r?\n")


class Received:
    """A message that came, or a text that stands for one.

    Args:
        data: Its bytes.

    Attributes:
        text: Its text; octets that are not UTF-8 are kept as surrogates.
        method: The method of a request; "" of a response.
        status: The status of a response; 0 of a request.
        call_id: Its Call-ID; "" where there is none.
        cseq: The number and the method of its CSeq; -1 and "" where it cannot be read.

    Raises:
        ParseError: It is no SIP message.
    """

    def __init__(self, data: bytes) -> None:
        message = Message.parse(data)
        facts = message.facts
        self.method = message.method if isinstance(message, Request) else ""
        self.status = message.status if isinstance(message, Response) else 0
        self.call_id = facts.call_id
        self.cseq = (facts.number, facts.method)
        self.to_tag = facts.to_tag or ""
        self.from_tag = facts.from_tag or ""
        text = data.decode("utf-8", "surrogateescape").lstrip("\r\n")
        # As it is read: where lines end in LF alone, all of them do.
        self.text = text if "\r\n\r\n" in text else _LINE_END.sub("\r\n", text)

    @classmethod
    def command(cls, text: str) -> Received:
        """Return a text that is no SIP message, but has lines as one: what a twin sends."""
        command = cls.__new__(cls)
        command.method, command.status, command.cseq = "", 0, (-1, "")
        command.to_tag = command.from_tag = ""
        command.text = text if text.startswith("\r\n") else "\r\n" + text
        command.call_id = "".join(command.values("call-id")[:1])
        return command

    @property
    def name(self) -> str:
        """What it is, in a word: its method or its status."""
        return self.method or str(self.status)

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        """The lines of each header, by its name in lower case and in full; folds are undone."""
        lines: dict[str, list[str]] = {}
        last: list[str] | None = None
        for line in self.head.split("\r\n")[1:]:
            if line[:1] in (" ", "\t") and last:
                last[-1] += " " + line.strip()
                continue
            name = line.partition(":")[0].strip().lower()
            last = lines.setdefault(SPELLINGS.get(name, name), [])
            last.append(line)
        return lines

    @cached_property
    def head(self) -> str:
        """The start line and the headers."""
        return self.text.partition("\r\n\r\n")[0]

    @property
    def body(self) -> str:
        """The body."""
        return self.text.partition("\r\n\r\n")[2]

    @property
    def start_line(self) -> str:
        """The first line."""
        return self.text.partition("\r\n")[0]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a header as they came, by its name in any case."""
        name = name.strip().rstrip(":").lower()
        return self._lines.get(SPELLINGS.get(name, name), [])

    def values(self, name: str) -> list[str]:
        """Return the values of a header, one for each line."""
        return [line.partition(":")[2].strip() for line in self.lines(name)]

    def after(self, name: str, occurrence: int = 1) -> str | None:
        """Return what follows a header's name in one of its lines, as `ereg` searches it: with the
        colon where the name is given without one.
        """
        lines = self.lines(name)
        if not 1 <= occurrence <= len(lines):
            return None
        rest = lines[occurrence - 1].partition(":")[2]
        given = name.rstrip()
        if not given.endswith(":"):
            return ":" + rest
        return rest.lstrip() if given != name else rest

    @property
    def routes(self) -> list[str]:
        """The values of Record-Route, in their order; none where they cannot be read."""
        try:
            return [one for line in self.values("Record-Route") for one in split_list(line)]
        except ParseError:
            return []

    @property
    def target(self) -> str:
        """The URI of the first Contact; "" where there is none that can be read."""
        for value in self.values("Contact")[:1]:
            try:
                return split_address(split_list(value)[0], "Contact")[1]
            except (ParseError, IndexError):
                pass
        return ""
