"""What a call sends when it is given up, made of the INVITE that it has sent or was sent.

INVITE sent, no response            nothing (RFC 3261 §9.1)
INVITE sent, provisional response   CANCEL
INVITE sent, refused                ACK
INVITE sent, answered 2xx           ACK, unless it was sent, and BYE
after the end: its late responses   the same; a BYE or CANCEL is answered 200
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipparty.load.sipp.received import Received

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call

__all__ = ["answer", "goodbye", "ok_to"]

_CSEQ = re.compile(r"(\d+)")


def ok_to(request: Received) -> str:
    """Return a 200 to a request."""
    lines = ["SIP/2.0 200 OK"]
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        lines += request.lines(name)
    return "\r\n".join([*lines, "Content-Length: 0", "", ""])


def goodbye(call: Call, *, acknowledge: bool = False) -> list[str]:
    """Return what tells the other side that a call is given up; nothing where it need not be told.

    Args:
        call: The call.
        acknowledge: Whether no more is wanted than the ACK for a final response.
    """
    response = call.answered
    if not call.invite or response is None:
        return []
    invite = Received.command(call.invite)
    if response.status < 200:
        return [] if acknowledge else [_request(call, invite, "CANCEL", None)]
    ack = _request(call, invite, "ACK", response)
    if response.status >= 300 or acknowledge:
        return [ack]
    bye = _request(call, invite, "BYE", response)
    return [bye] if call.acknowledged else [ack, bye]


def answer(call: Call, message: Received) -> list[str]:
    """Return what a message after the end of a call is answered with."""
    if message.method in ("BYE", "CANCEL"):
        return [ok_to(message)]
    if message.status >= 200 and message.cseq[1] == "INVITE" and call.invite:
        call.answered = message
        return goodbye(call, acknowledge=not call.failure)
    return []


def _request(call: Call, invite: Received, method: str, response: Received | None) -> str:
    """Return a request that belongs to an INVITE (RFC 3261 §9.1, §17.1.1.3, §13.2.2.4)."""
    established = response is not None and response.status < 300
    uri = invite.text.strip("\r\n").split(" ")[1]
    if established and response is not None:
        uri = response.target or uri
    number = "".join(_CSEQ.findall("".join(invite.values("CSeq")))[:1]) or "1"
    if method == "BYE":
        number = str(int(number) + 1)
    via = invite.lines("Via")[:1]
    if established:
        own = f"z9hG4bK-{call.player.process}-{call.number}-{method.lower()}"
        via = [re.sub(r"branch=[^;,\s]+", f"branch={own}", line) for line in via]
    lines = [
        f"{method} {uri} SIP/2.0",
        *via,
        *invite.lines("From"),
        *(response or invite).lines("To"),
        *invite.lines("Call-ID"),
        f"CSeq: {number} {method}",
        "Max-Forwards: 70",
        *([] if established else invite.lines("Route")),
    ]
    if established and response is not None:
        lines += [f"Route: {route}" for route in reversed(response.routes)]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""])
