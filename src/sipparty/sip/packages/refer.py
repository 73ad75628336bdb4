"""The event package "refer" (RFC 3515 §3): what became of what a REFER has asked for."""

from __future__ import annotations

from sipparty.errors import ParseError
from sipparty.sip.message import Response
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.sipfrag import parse_sipfrag, status_fragment

__all__ = ["ReferPackage"]


class ReferPackage(EventPackage[Response]):
    """The package: its state is the response to the request, as far as the notifier shows it."""

    name = "refer"
    accepts = ("message/sipfrag",)
    #: Longer than an INVITE may stay unanswered (§3.4).
    expires = 240

    def parse(self, body: bytes, media_type: str) -> Response:
        """Return the response; a status line is enough (§2.4.5)."""
        fragment = parse_sipfrag(body)
        if not isinstance(fragment, Response):
            raise ParseError(body[:80], "a status line", 0, what="body of a refer event")
        return fragment

    def build(self, state: Response) -> bytes:
        """Return its status line alone: more would show what is not for who has referred (§5)."""
        return status_fragment(state.status, state.reason)
