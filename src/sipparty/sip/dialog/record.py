"""What a call says of itself: its steps, who ended it, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable, ParseError
from sipparty.sip.fields import Field, field
from sipparty.sip.grammar import quote
from sipparty.sip.message import Message
from sipparty.sip.status import reason_phrase
from sipparty.sip.typed import TokenValue
from sipparty.sip.values import DNameURI

__all__ = [
    "FOR_USERS",
    "Cause",
    "Reason",
    "Step",
    "cause_of",
    "duration",
    "ended_by",
    "error_fields",
    "is_hidden",
    "read_reasons",
    "reason_fields",
    "shown",
    "stated_cause",
    "steps_of",
]


#: What `dir` of a call has: what is of use to a user.
FOR_USERS = (
    *("accept", "add_headers", "composing", "hold", "info", "info_packages", "invite", "message"),
    *("reject", "resume", "ring", "send", "session_timer", "terminate", "transfer", "update_media"),
    *("States", "authenticated", "call_id", "forks", "held", "held_by_peer", "last_error", "local"),
    *("name", "party", "progress", "remote", "remote_target", "role", "session", "state"),
    *("alert_info", "diversions", "history_info", "identity", "redirect", "remote_display"),
    *("answered_elsewhere", "cause", "duration", "early", "ended_by", "messages", "steps"),
    *("events", "off", "on", "stateCondition", "until", "wait"),
    *("waitForStateCondition", "wait_for", "dot", "mermaid", "svg", "text"),
)


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


def steps_of(flat: tuple[Any, ...]) -> tuple[Step, ...]:
    """Return steps of how they are kept: time, state and input of each, one after the other."""
    pieces = iter(flat)
    return tuple(map(Step, pieces, pieces, pieces))


class Cause(NamedTuple):
    """Why a call has ended.

    Attributes:
        status: The status code that stands for it, such as 486; None where none does.
        reason: The reason phrase; "" for none.
        text: A sentence.
        q850: The cause of Q.850 that a Reason has (RFC 3326), such as 16; None where none does.
    """

    status: int | None
    reason: str
    text: str
    q850: int | None = None

    @property
    def protocol(self) -> str:
        """What `cause` is of: "SIP", "Q.850", or "" where there is none."""
        return "SIP" if self.status is not None else "Q.850" if self.q850 is not None else ""

    @property
    def cause(self) -> int | None:
        """The status, or else the cause of Q.850."""
        return self.q850 if self.status is None else self.status


class Reason(NamedTuple):
    """A value of a Reason header (RFC 3326 §2); `str` gives it as it is written.

    Attributes:
        protocol: What the cause is of: "SIP", "Q.850", or another.
        cause: The status code, or the cause of Q.850; None for none.
        text: Words; "" for none.
    """

    protocol: str
    cause: int | None = None
    text: str = ""

    @classmethod
    def parse(cls, value: TokenValue) -> Reason | None:
        """Read a value of a message's; None where its cause is none of its protocol."""
        protocol = next((one for one in _CAUSES if one == value.value.upper()), value.value)
        text, cause = value.parameter("text") or "", value.parameter("cause")
        text = "" if len(text) > MAX_TEXT else text
        if cause is None:
            return cls(protocol, None, text)
        number = int(cause) if cause.isascii() and cause.isdigit() and len(cause) < 4 else -1
        return cls(protocol, number, text) if number in _CAUSES.get(protocol, _ANY) else None

    def __str__(self) -> str:
        cause = {} if self.cause is None else {"cause": str(self.cause)}
        return str(TokenValue.of(self.protocol, cause)) + (
            f";text={quote(self.text)}" * bool(self.text)
        )


#: Values of Reason that are read of one message, and characters of a text that is.
MAX_REASONS = 8
MAX_TEXT = 500
#: What a cause may be, by its protocol (RFC 3326 §2; Q.850 has seven bits).
_CAUSES = {"SIP": range(100, 700), "Q.850": range(128)}
_ANY = range(1000)

#: Who has ended a call, by the input that did; others by the error that they came with.
_ENDED_BY = {
    "terminate": "local",
    "reject": "local",
    "media_failed": "local",
    "unusable": "local",
    "early_unusable": "local",
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


def duration(steps: Sequence[Step], now: float) -> float:
    """Return how many seconds a call was established, or has been until now; 0.0 before."""
    begin = next((step.time for step in steps if step.state == "InDialog"), None)
    if begin is None:
        return 0.0
    return float(next((step.time for step in steps if step.state in _ENDS), now) - begin)


def ended_by(steps: Sequence[Step], error: CallFailed | None) -> str | None:
    """Return who has ended a call: "local", "remote", "timeout" or "network"; None before."""
    last = next((step.what for step in steps if step.state in _ENDS), None)
    if last is None or last in _ENDED_BY:
        return None if last is None else _ENDED_BY[last]
    if isinstance(error, CallTimedOut):
        return "timeout"
    if isinstance(error, CallUnreachable) or last == "given_up":
        return "network"
    # What is neither a response nor the want of one was found here.
    return "local" if error is not None and error.status is None else "remote"


_ENDS = ("TerminatingDialog", "Terminated", "Error")


def cause_of(by: str, stated: Cause | None, error: CallFailed | None) -> Cause:
    """Return why a call has ended: by what failed, else by what a message said, else in words."""
    if error is not None:
        reasons = [] if error.response is None else read_reasons(error.response)
        return Cause(error.status, error.reason or "", str(error), _code(reasons, "Q.850"))
    return stated or Cause(None, "", _WORDS[by])


def stated_cause(message: Message) -> Cause | None:
    """Return what the Reason of a BYE or CANCEL says (RFC 3326); None for nothing to read."""
    reasons = read_reasons(message)
    if not reasons:
        return None
    said = next((one.text for one in reasons if one.text), "")
    whole = f"The other side ended the call: {said}." if said else _WORDS["remote"]
    return Cause(_code(reasons, "SIP"), said, whole, _code(reasons, "Q.850"))


def _code(reasons: Sequence[Reason], protocol: str) -> int | None:
    return next((one.cause for one in reasons if one.protocol == protocol), None)


def read_reasons(message: Message) -> list[Reason]:
    """Return what each Reason of a message says, `MAX_REASONS` at the most; what cannot be read is
    left out.
    """
    try:
        values = [Reason.parse(text) for text in message._values("reason")[:MAX_REASONS]]
    except ParseError:
        return []
    return [one for one in values if one is not None]


def reason_fields(reason: str | Reason | None) -> list[Field]:
    """Return the Reason header of a message that ends a call (RFC 3326), for words or a `Reason`;
    none for None.

    Raises:
        BuildError: The words hold a control character, or the protocol is no token.
        TypeError: It is neither.
    """
    if reason is None:
        return []
    if isinstance(reason, str):
        reason = Reason("SIP", None, reason)
    if not isinstance(reason, Reason):
        raise TypeError(f'reason is words, or as Reason("Q.850", 16), not {reason!r}.')
    return [field("Reason", str(reason))]


def error_fields(error: CallFailed | None) -> list[Field]:
    """Return the Reason of a BYE that an error has us send (RFC 3326 §3.2)."""
    if error is None or error.status is None:
        return []
    return reason_fields(Reason("SIP", error.status, reason_phrase(error.status)))


#: What has the name of a caller kept from who is called (RFC 3323 §4.2, RFC 3325 §9.3).
_HIDES = frozenset({"user", "id"})


def is_hidden(privacy: Iterable[str]) -> bool:
    """Whether who asks for this privacy is not to be known to the other side."""
    return not _HIDES.isdisjoint(privacy)


def shown(remote: DNameURI, info: Any) -> str:
    """Return the name of the other side to be shown to people: what is asserted, else what From or
    To says; "Anonymous" where it asks for that.
    """
    if info is not None and is_hidden(info.privacy):
        return "Anonymous"
    identity = None if info is None else info.identity
    for one in (remote,) if identity is None else (identity, remote):
        if one.address == "anonymous.invalid":
            return "Anonymous"
        if one.display_name:
            return one.display_name
        if one is identity:
            break
    address = remote if identity is None else identity
    uri = address.uri_text.partition(";")[0]
    return uri.partition(":")[2] if uri[:4].lower() in ("sip:", "tel:") else uri
