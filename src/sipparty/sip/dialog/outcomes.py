"""What a refusal says, and what one of a request inside a dialog ends (RFC 5057 §5.1): nothing but
its transaction, the usage that sent the request, or the dialog with all its usages.

RFC 3261 §12.2.1.2 has 408 and 481 end the dialog; RFC 5057 reads that as the usage, since others
find out by themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from enum import Enum
from typing import Final

from sipparty.errors import CallFailed, CallRejected, NegotiationError, ParseError, PortsExhausted
from sipparty.sip.dialog.session import Session
from sipparty.sip.message import Response
from sipparty.sip.retries import retry_after

__all__ = [
    "Ends",
    "end_media",
    "log_media_fault",
    "media_failure",
    "rejection",
    "warning",
    "what_ends",
]

_log = logging.getLogger(__name__)


#: The words of a warning.
_WARNING: Final = re.compile(r'\b\d{3} [^\s"]+ "([^"\\]{1,200})"')
#: How much of them an error repeats.
_MOST_WORDS: Final = 400


class Ends(Enum):
    """What a response ends."""

    TRANSACTION = "transaction"
    USAGE = "usage"
    DIALOG = "dialog"


#: What each status ends, whatever the method; where it ends its transaction alone, it is not here.
_ENDS = {
    **dict.fromkeys((404, 410, 416, 482, 484, 485, 502, 604), Ends.DIALOG),
    **dict.fromkeys((408, 480, 481), Ends.USAGE),
}
#: What ends the usage if it refuses a request that the usage cannot do without: 489 is for NOTIFY.
_ESSENTIAL = (403, 405, 489, 501)
#: What ends nothing if it refuses this method.
_EXCEPTIONS = {
    ("REFER", 484),
    # It is no request of the call's usage but begins one: "temporarily unavailable" is about that.
    ("REFER", 480),
    # RFC 3262 §3: what a PRACK is for may be over, and the INVITE has an outcome of its own.
    ("PRACK", 481),
    ("PRACK", 408),
}


def what_ends(method: str, status: int, essential: Collection[str] = ()) -> Ends:
    """Return what a final response ends.

    Args:
        method: The method of the request that it refuses.
        status: Its status; 408 where none came in time (RFC 3261 §8.1.3.1).
        essential: The methods that the usage cannot do without, such as INVITE for a call.
    """
    if status < 300 or (method, status) in _EXCEPTIONS:
        return Ends.TRANSACTION
    if status in _ESSENTIAL:
        return Ends.USAGE if method in essential else Ends.TRANSACTION
    return _ENDS.get(status, Ends.TRANSACTION)


def rejection(response: Response) -> CallRejected:
    """Make the error for a final response that is not a 2xx, with the words of its Warning (RFC
    3261 §20.43).
    """
    # The peer's text: errors show no control characters, whoever wrote them.
    reason = f" {response.reason}" if response.reason else ""
    asks = response.status in (401, 407)
    hint = " Give the party that calls credentials=(user, password), or --user." if asks else ""
    why = "; ".join(dict.fromkeys(_WARNING.findall(", ".join(response.lines("Warning")))))
    said = f": {why[:_MOST_WORDS].rstrip('.')}" if why else ""
    error = CallRejected(
        f"The other side answered {response.status}{reason}{said}.{hint}",
        response.status,
        response.reason,
        response,
    )
    error.retry_after = retry_after(response)
    return error


def warning(error: Exception) -> tuple[str, str]:
    """Return a Warning header that says in words why a request is refused (RFC 3261 §20.43)."""
    text = "".join(
        char if char.isprintable() and char not in '"\\' else "'" for char in str(error)[:200]
    )
    code = error.warning if isinstance(error, NegotiationError) else 399
    return "Warning", f'{code} sipparty "{text}"'


def media_failure(
    call: str, what: str, error: Exception, status: int = 488, response: Response | None = None
) -> CallFailed:
    """Make the error of a call for what its media raised; what is no fault of the other side's is
    logged.

    Args:
        call: The call's name.
        what: What it is about, such as "The answer carries bad media".
        error: What was raised.
        status: The status that stands for it.
        response: The response that it is about.
    """
    log_media_fault(call, what, error)
    failure = CallFailed(f"{what}: {error}", status, "", response)
    failure.__cause__ = error
    return failure


def log_media_fault(call: str, what: str, error: Exception) -> None:
    """Log what a call's media raised, where it is no fault of the other side's."""
    if not isinstance(error, NegotiationError | ParseError | PortsExhausted):
        _log.error("%s: %s.", call, what, exc_info=error)


def end_media(call: str, session: Session) -> None:
    """Stop the media of a call that is over, whatever that raises: who waits for its end is
    notified all the same.
    """
    try:
        session.stop()
    except Exception as error:
        log_media_fault(call, "The media could not be ended", error)
