"""A NOTIFY, read (RFC 6665 §4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sipparty.errors import ParseError
from sipparty.sip.message import Request
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.retries import leading_number
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.typed import TokenValue

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["Notice", "read_body", "read_notice"]


class Notice(NamedTuple):
    """What a NOTIFY says.

    Args:
        request: The NOTIFY.
        word: Its Subscription-State: "active", "pending", "terminated", or another.
        reason: Why it is terminated; "" where that is not said.
        retry_after: Seconds after which one may subscribe anew; None where that is not said.
        expires: The seconds that are left of the subscription; likewise.
        has_state: Whether it has a body.
        state: The state that the body holds.
    """

    request: Request
    word: str
    reason: str
    retry_after: float | None
    expires: float | None
    has_state: bool
    state: Any


def read_notice(
    agent: UserAgent,
    transaction: ServerTransaction,
    package: EventPackage[Any],
    accepts: Sequence[str],
) -> Notice | None:
    """Read a NOTIFY, and answer it; None where it was refused.

    Args:
        agent: The user agent.
        transaction: That of the NOTIFY.
        package: The event package.
        accepts: The media types that were asked for.

    Raises:
        ParseError: It cannot be read. What ends the subscription does, whatever its body is.
    """
    request = transaction.request
    substate: TokenValue | None = request.get("Subscription-State")
    if substate is None:
        raise ParseError(str(request)[:80], "a Subscription-State header", what="NOTIFY")
    word = substate.value.lower()
    has_state, state = bool(request.body), None
    if has_state:
        try:
            state = read_body(request, package, accepts)
        except ParseError as error:
            if word != "terminated":
                if error.status != 415:
                    raise
                agent.refuse(transaction, 415, [("Accept", ", ".join(accepts))])
                return None
            has_state = False
    transaction.answer(200)
    return Notice(
        request,
        word,
        (substate.parameter("reason") or "").lower(),
        leading_number(substate.parameter("retry-after")),
        leading_number(substate.parameter("expires")),
        has_state,
        state,
    )


def read_body(request: Request, package: EventPackage[Any], accepts: Sequence[str]) -> Any:
    """Return the state that the body of a request holds.

    Raises:
        ParseError: It is no such body, or (with status 415) of none of the types.
    """
    kind = request.media_type
    if kind not in accepts or (request._text("content-encoding") or "identity") != "identity":
        raise ParseError(kind, f"one of {', '.join(accepts)}", what="Content-Type", status=415)
    try:
        return package.parse(request.body, kind)
    except ParseError:
        raise
    except ValueError as error:
        text = request.body[:80].decode("utf-8", "replace")
        raise ParseError(text, f"a {package.name} body ({error})") from error
