"""The top Via of a message: whose it is, and where it came from (RFC 3261 §18.1.2, §18.2.1)."""

from __future__ import annotations

from ipaddress import ip_address

from sipparty.errors import ParseError
from sipparty.sip.grammar import find_parameter, split_list
from sipparty.sip.message import Request
from sipparty.sip.transports import default_port
from sipparty.sip.values import Via

__all__ = ["has_sent_by", "replace_top_via", "top_via", "via_with_source"]


def top_via(text: str) -> Via:
    """Parse the first element of a Via line.

    Raises:
        ParseError: There is none, or it is no Via.
    """
    if "," in text:
        elements = split_list(text, "Via")
        if not elements:
            raise ParseError(text, "SIP/2.0/transport host", 0, what="Via")
        text = elements[0]
    return Via.parse(text)


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


def via_with_source(via: Via, host: str, port: int | None) -> str:
    """Return a Via element with `received`, and with `rport` filled in where a port is given."""
    tail = via._tail
    if port is not None:
        parts = []
        for part in tail.split(";"):
            name, _, value = part.partition("=")
            if name.strip().lower() == "rport" and not value.strip():
                part = f"rport={port}"
            parts.append(part)
        tail = ";".join(parts)
    head = f"{via._protocol}/{via._version}/{via._transport} {via.sent_by}"
    # A `received` that came with the request is a lie or a loop: ours takes its place.
    if find_parameter(tail, "received") is not None:
        tail = "".join(
            f";{part}"
            for part in tail.split(";")[1:]
            if part.partition("=")[0].strip().lower() != "received"
        )
    return f"{head}{tail};received={host}"


def replace_top_via(request: Request, text: str) -> None:
    """Have an element take the place of the first of a request's Vias."""
    at = request._make_index()["via"] if request._index is None else request._index["via"]
    _, value, _ = request._fields[at]
    if "," in value:
        text = ", ".join([text, *split_list(value, "Via")[1:]])
    request._fields[at] = ("via", text, f"Via: {text}")
    request._data = None
