"""Waiting messages: the event package message-summary (RFC 3842)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.records import Record
from sipparty.sip.grammar import check_line
from sipparty.sip.notification.package import EventPackage

__all__ = ["MessageCount", "MessageSummary", "MessageSummaryPackage"]

#: The classes of messages that have a name of their own (§5.2).
CLASSES = ("voice", "fax", "pager", "multimedia", "text", "none")
#: The most lines that are read.
MAX_LINES = 200

#: What stands in no line.
_CONTROL = late_pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_COUNT = late_pattern(
    r"[ \t]*(\d{1,10})[ \t]*/[ \t]*(\d{1,10})"
    r"(?:[ \t]*\([ \t]*(\d{1,10})[ \t]*/[ \t]*(\d{1,10})[ \t]*\))?[ \t]*",
    re.A,
)


class MessageCount(Record):
    """How many messages of a class there are.

    Args:
        new: Those that nobody has heard yet.
        old: Those that somebody has.
        urgent_new: How many of the new are urgent.
        urgent_old: How many of the old are.
    """

    new: int = 0
    old: int = 0
    urgent_new: int = 0
    urgent_old: int = 0


class MessageSummary(Record):
    """Which messages wait.

    Args:
        waiting: Whether any do.
        account: The URI to call for them; "" where it is not said.
        counts: How many, by class: "voice", "fax", "pager", "multimedia", "text", "none" or another
            in lower case.
        headers: Headers of new messages, one mapping for each message (§3.5).
    """

    waiting: bool
    account: str = ""
    counts: Mapping[str, MessageCount] = {}
    headers: tuple[Mapping[str, str], ...] = ()

    @property
    def voice(self) -> MessageCount:
        """The voice messages."""
        return self.counts.get("voice", MessageCount())


class MessageSummaryPackage(EventPackage[MessageSummary]):
    """RFC 3842; its state is a `MessageSummary`."""

    name = "message-summary"
    accepts = ("application/simple-message-summary",)

    def parse(self, body: bytes, media_type: str) -> MessageSummary:
        """Read a summary (§5.2)."""
        text = body.decode("utf-8", "replace")
        if _CONTROL.search(text) is not None:
            raise ParseError(text[:80], "no control characters", what="message summary")
        summary, *rest = re.split(r"\r?\n[ \t]*\r?\n", text, maxsplit=50)
        lines = _lines(summary)
        waiting = lines.pop("messages-waiting", "").lower()
        if waiting not in ("yes", "no"):
            raise ParseError(summary[:80], "Messages-Waiting: yes or no", what="message summary")
        account = lines.pop("message-account", "")
        counts = {}
        for name, value in lines.items():
            found = _COUNT.fullmatch(value)
            if name.endswith("-message") or name == "none":
                if found is None:
                    raise ParseError(value[:80], "new/old (new/old)", what="message summary")
                counts[name.removesuffix("-message")] = MessageCount(
                    *(int(part or 0) for part in found.groups())
                )
        headers = tuple(_lines(one) for one in rest if one.strip())
        return MessageSummary(waiting == "yes", account, counts, headers)

    def build(self, state: MessageSummary) -> bytes:
        """Write a summary."""
        lines = [f"Messages-Waiting: {'yes' if state.waiting else 'no'}"]
        if state.account:
            lines.append(f"Message-Account: {state.account}")
        for name, count in state.counts.items():
            label = "None" if name == "none" else f"{name.capitalize()}-Message"
            urgent = f" ({count.urgent_new}/{count.urgent_old})"
            lines.append(f"{label}: {count.new}/{count.old}{urgent}")
        for one in state.headers:
            lines += ["", *(f"{name}: {value}" for name, value in one.items())]
        checked = [check_line(line, "message summary") for line in lines]
        return "\r\n".join([*checked, ""]).encode()


def _lines(text: str) -> dict[str, str]:
    """Return the lines of a block, by what stands before their colon, in lower case."""
    lines = text.strip("\r\n").split("\n")
    if len(lines) > MAX_LINES:
        raise ParseError(text[:80], f"no more than {MAX_LINES} lines", what="message summary")
    made: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and made:
            last = next(reversed(made))  # a line that goes on
            made[last] = f"{made[last]} {line.strip()}".strip()
        elif not colon or not name.strip():
            raise ParseError(line[:80], "a name, ':' and a value", what="message summary")
        else:
            made.setdefault(name.strip().lower(), value.strip())
    return made
