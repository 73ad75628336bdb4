"""What a call says of itself: its steps, who ended it, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable
from sipparty.sip.fields import Field, field
from sipparty.sip.grammar import quote
from sipparty.sip.message import Message

__all__ = ["Cause", "Step", "cause_of", "ended_by", "reason_fields", "stated_cause"]


class Step(NamedTuple):
    """One step of a call.

    Attributes:
        time: When, in seconds on the engine's clock; differences are what it is good for.
        state: The state that it led to.
        what: The input that was taken, as the call's table names it, such as "accept".
    """

    time: float
    state: str
    what: str


class Cause(NamedTuple):
    """Why a call has ended.

    Attributes:
        status: The status code that stands for it, such as 486; None where none does.
        reason: The reason phrase; "" for none.
        text: A sentence.
    """

    status: int | None
    reason: str
    text: str


#: Who has ended a call, by the input that did; others by the error that they came with.
_ENDED_BY = {
    "terminate": "local",
    "reject": "local",
    "media_failed": "local",
    "unusable": "local",
    "bye_received": "remote",
    "cancel_received": "remote",
    "timer_expires": "timeout",
    "unacknowledged": "timeout",
}
_WORDS = {
    "local": "The call was ended here.",
    "remote": "The other side ended the call.",
    "timeout": "Nobody answered in time.",
    "network": "The other side could not be reached.",
}
_CAUSE = re.compile(r";\s*cause\s*=\s*([1-6][0-9][0-9])(?![0-9])", re.IGNORECASE)
_TEXT = re.compile(r';\s*text\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def ended_by(steps: Sequence[Step], error: CallFailed | None) -> str | None:
    """Return who has ended a call: "local", "remote", "timeout" or "network"; None before."""
    last = next((step.what for step in steps if step.state in _ENDS), None)
    if last is None or last in _ENDED_BY:
        return None if last is None else _ENDED_BY[last]
    if isinstance(error, CallTimedOut):
        return "timeout"
    return "network" if isinstance(error, CallUnreachable) or last == "given_up" else "remote"


_ENDS = ("TerminatingDialog", "Terminated", "Error")


def cause_of(by: str, stated: Cause | None, error: CallFailed | None) -> Cause:
    """Return why a call has ended: by what failed, else by what a message said, else in words."""
    if error is not None:
        return Cause(error.status, error.reason or "", str(error))
    return stated or Cause(None, "", _WORDS[by])


def stated_cause(message: Message) -> Cause | None:
    """Return what the Reason of a BYE or CANCEL says (RFC 3326); None for nothing about SIP."""
    text = (message._text("reason") or "")[:512]
    if not text.lower().startswith("sip"):
        return None
    status, words = _CAUSE.search(text), _TEXT.search(text)
    said = "" if words is None else re.sub(r"\\(.)", r"\1", words[1])
    whole = f"The other side ended the call: {said}." if said else _WORDS["remote"]
    return Cause(None if status is None else int(status[1]), said, whole)


def reason_fields(reason: str | None) -> list[Field]:
    """Return the Reason header of a request that ends a call (RFC 3326), for words; none for None.

    Raises:
        BuildError: The words hold a control character.
    """
    return [] if reason is None else [field("Reason", f"SIP;text={quote(reason)}")]
