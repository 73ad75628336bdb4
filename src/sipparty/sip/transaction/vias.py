"""The top Via of a message: whose it is, and where it came from (RFC 3261 §18.1.2, §18.2.1)."""

from __future__ import annotations

from ipaddress import ip_address

from sipparty.sip.facts import Facts, top_via
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Request
from sipparty.sip.transports import default_port
from sipparty.sip.values import Via

__all__ = ["has_sent_by", "mark_source"]


def has_sent_by(text: str, ours: str) -> bool:
    """Whether a Via has the sent-by of ours, however it is written: the case of a name, the zeros
    of an IPv6 address, a default port or spaces.

    Raises:
        ParseError: The text is no Via.
    """
    theirs, own = top_via(text), top_via(ours.rstrip(";"))
    default = default_port(own._transport.upper())
    return _same_host(theirs._host, own._host) and (
        (theirs._port or default) == (own._port or default)
    )


def _same_host(one: str, other: str) -> bool:
    one, other = one.strip("[]").lower(), other.strip("[]").lower()
    if one == other:
        return True
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False


def mark_source(request: Request, facts: Facts, flow: Flow) -> None:
    """Note where a request came from in its top Via: `received`, and `rport` where that is asked
    for (§18.2.1, RFC 3581 §4).
    """
    host, port = flow.remote
    if not facts.rport and facts.host == host:
        return
    at = (request._index or request._make_index())["via"]
    text = request._fields[at][1]
    if facts.plain:
        if facts.rport:
            text = text.replace(";rport", f";rport={port}", 1)
        text = f"{text};received={host}"
    else:
        marked = _with_source(top_via(text), host, port if facts.rport else None)
        text = ", ".join([marked, *split_list(text, "Via")[1:]]) if "," in text else marked
    request._fields[at] = ("via", text, f"Via: {text}")
    request._data = None


def _with_source(via: Via, host: str, port: int | None) -> str:
    parts = []
    for part in via._tail.split(";")[1:]:
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name == "rport" and not value.strip() and port is not None:
            part = f"rport={port}"
        if name != "received":
            # One that came with the request is forged or a loop: ours takes its place.
            parts.append(f";{part}")
    head = f"{via._protocol}/{via._version}/{via._transport} {via.sent_by}"
    return f"{head}{''.join(parts)};received={host}"
