"""What a REFER says (RFC 3515): Refer-To, with the headers that its URI may bring, Referred-By (RFC
3892), and whether reports are wanted (RFC 4488, RFC 7614).

Laws:

* A header of the Refer-To URI goes into the request that it asks for if it is one of
  `ALLOWED_HEADERS`, and is left out else: who refers does not write the request (RFC 3261 §19.1.5).
* What is read is of the wire: it raises `ParseError` and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from sipparty.errors import ParseError
from sipparty.sip.dialog.replaces import Replaces
from sipparty.sip.message import Message, Request
from sipparty.sip.multipart import Part
from sipparty.sip.routing import NextHop, as_request_uri
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.uri_parameters import escape, unescape
from sipparty.sip.values import DNameURI

__all__ = ["ALLOWED_HEADERS", "Reference", "refer_to", "wants_no_reports"]

#: The headers of a Refer-To URI that the request it asks for may have, in lower case; Replaces is
#: looked at apart.
ALLOWED_HEADERS = {
    "accept-contact": "Accept-Contact",
    "in-reply-to": "In-Reply-To",
    "priority": "Priority",
    "reject-contact": "Reject-Contact",
    "request-disposition": "Request-Disposition",
    "subject": "Subject",
    "user-to-user": "User-to-User",
}
#: The longest value of such a header, in characters; a longer one is left out.
MAX_HEADER = 1024


class Reference(NamedTuple):
    """What a REFER asks for.

    Args:
        uri: The URI to contact, without headers and method.
        method: The method of the request that it asks for.
        referred_by: The Referred-By header; None where there is none.
        replaces: The call that is to be replaced there; None for none.
        headers: Further headers that it asks for, as far as they are allowed.
        token: The part of the body that Referred-By names, by which the referrer proves itself to
            the target (RFC 3892 §4); None for none.
    """

    uri: str
    method: str
    referred_by: str | None
    replaces: Replaces | None
    headers: tuple[tuple[str, str], ...]
    token: Part | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read a REFER.

        Raises:
            ParseError: It has not exactly one Refer-To (RFC 3515 §2.4.2) or more than one
                Referred-By (RFC 3892 §2.1), or one is malformed.
        """
        values, referrers = request.lines("Refer-To"), request.lines("Referred-By")
        if len(values) != 1:
            raise ParseError(", ".join(values), "exactly one Refer-To", None, what="REFER")
        if len(referrers) > 1:
            raise ParseError(", ".join(referrers), "one Referred-By at most", None, what="REFER")
        token = None
        for referrer in referrers:
            who = DNameURI.parse(referrer)
            split_sip_uri(who.uri_text)
            cid = who.parameter("cid")
            if cid:
                token = request.find_part(content_id=cid)
        text = DNameURI.parse(values[0]).uri_text
        parts = split_sip_uri(text)
        if not parts.host:
            return cls(text, "", None, None, ())  # of another scheme, which is not ours to follow
        method, replaces, headers = "INVITE", None, []
        for parameter in parts.parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.lower() == "method":
                method = unescape(value)
        for pair in parts.headers.split("&") if parts.headers else ():
            name, value = map(unescape, pair.partition("=")[::2])
            name = name.lower()
            if name == "replaces":
                if replaces is not None:
                    raise ParseError(text, "one Replaces", None, what="Refer-To")
                replaces = Replaces.parse(value)
            elif name in ALLOWED_HEADERS and len(value) <= MAX_HEADER and value.isprintable():
                headers.append((ALLOWED_HEADERS[name], value))
        uri = as_request_uri(text)
        NextHop.of(uri)
        referred_by = referrers[0] if referrers else None
        return cls(uri, method, referred_by, replaces, tuple(headers), token)


def refer_to(uri: str, replaces: Replaces | None = None) -> str:
    """Return the value of a Refer-To header.

    Args:
        uri: The URI to contact; what headers it has go with it.
        replaces: The call that is to be replaced there (RFC 3891 §4), escaped into the URI.

    Raises:
        ParseError: The URI is no SIP URI.
    """
    NextHop.of(as_request_uri(uri))
    if replaces is not None:
        uri += f"{'&' if '?' in uri else '?'}Replaces={escape(str(replaces), 'header')}"
    DNameURI.parse(f"<{uri}>")
    return f"<{uri}>"


def wants_no_reports(message: Message) -> bool:
    """Whether a REFER asks for no reports (RFC 4488 §4, RFC 7614 §5), or its 2xx grants that."""
    said = (message._text("refer-sub") or "").partition(";")[0].strip().lower()
    return said == "false" or "nosub" in (tag.lower() for tag in message.require)
