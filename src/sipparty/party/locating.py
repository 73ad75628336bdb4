"""Where a call to somebody goes: to an address, or to a party that listens."""

from __future__ import annotations

from typing import Any

from sipparty.errors import UsageError
from sipparty.party.settings import PartySettings
from sipparty.sip import URI, NextHop
from sipparty.sip.flow import host_port
from sipparty.sip.routing import as_request_uri
from sipparty.sip.uri_grammar import PLAIN_SIP_URI

__all__ = ["hop_text", "locate"]


def locate(target: Any) -> tuple[str, NextHop | None]:
    """Return a request-URI, and where to send it if that is not what the URI says.

    Args:
        target: A party, or an address in any form.

    Raises:
        ParseError: It is no address.
        UsageError: The party does not listen.
    """
    if target.__class__ is str and PLAIN_SIP_URI.fullmatch(target) is not None:
        return as_request_uri(target), None  # as it is written, which is the quick path
    if not isinstance(target, PartySettings):
        return as_request_uri(str(URI.from_user_text(target))), None
    party: Any = target
    if party.contact_uri is None or party.uri is None:
        raise UsageError("The party to call does not listen: listen() comes first.")
    return str(party.uri), NextHop.of(str(party.contact_uri))


def hop_text(hop: NextHop) -> str:
    """Return a URI that leads to a next hop."""
    scheme = "sips" if hop.secure else "sip"
    transport = "" if hop.transport is None else f";transport={hop.transport.lower()}"
    return f"{scheme}:{host_port(hop.host, hop.port)}{transport}"
