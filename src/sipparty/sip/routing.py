"""Next hops: where a request goes first (RFC 3261 §8.1.2, §12.2.1.1; RFC 3263 §4 does the rest)."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from sipparty.errors import ParseError
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import find_parameter, split_sip_uri
from sipparty.sip.values import DNameURI

__all__ = ["NextHop", "is_loose", "is_secure", "route_to"]

#: What a host may be made of; whether there is one of that name is another matter.
_HOST = re.compile(r"[\w.~%:\[\]-]+")


class NextHop(NamedTuple):
    """What has to be located before a request can be sent.

    Args:
        host: A host name or an IP address, without brackets.
        port: The port; None where the URI names none.
        transport: The transport the URI asks for, in upper case; None where it names none.
        secure: Whether the URI is `sips:`.
        back: The way to the peer whose word it is: what is taken where that may not have requests
            sent there (`Policy.named_targets`). None where the program says it.
    """

    host: str
    port: int | None = None
    transport: str | None = None
    secure: bool = False
    back: Flow | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether the host is an address, so that there is one target alone."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    def secured(self) -> Self:
        """Return it for a request to a `sips:` URI, which goes by secure transports alone, whatever
        the route says (RFC 3261 §26.2.2).
        """
        if self.secure:
            return self
        return self._replace(
            secure=True, transport=None if self.transport == "UDP" else self.transport
        )

    @classmethod
    def of(cls, uri: str, back: Flow | None = None) -> Self:
        """Return the next hop that a URI names; `maddr` stands for the host (RFC 3263 §4).

        Args:
            uri: The URI.
            back: The way to the peer whose word it is; None where it is the program's.

        Raises:
            ParseError: It is not a SIP or SIPS URI, or its host can be none.
        """
        parts = split_sip_uri(uri)
        if not parts.host:
            raise ParseError(uri, "a sip: or sips: URI to send to", 0, what="next hop")
        host, transport = parts.host, None
        if parts.parameters:
            host = find_parameter(parts.parameters, "maddr") or host
            transport = find_parameter(parts.parameters, "transport")
        if not _HOST.fullmatch(host):
            raise ParseError(uri, "a host", None, what="next hop")
        return cls(
            host.strip("[]"),
            parts.port,
            transport.upper() if transport else None,
            parts.scheme == "sips",
            back,
        )


def is_secure(uri: str) -> bool:
    """Whether a URI is a `sips:` one."""
    return uri[:5].lower() == "sips:"


def is_loose(route: str) -> bool:
    """Whether a Route value names a loose router: its URI has `lr` (RFC 3261 §16.12).

    Raises:
        ParseError: It is no name and address, or its URI is none.
    """
    return find_parameter(DNameURI.parse(route).parts.parameters, "lr") is not None


def route_to(proxy: str) -> str:
    """Make the Route value for a proxy given as a host, host:port or URI; loose (RFC 3261 §8.1.2).

    Raises:
        ParseError: It is none of them.
    """
    uri = proxy.strip()
    if uri.startswith("<") and uri.endswith(">"):
        uri = uri[1:-1]
    if not uri.lower().startswith(("sip:", "sips:")):
        if uri.count(":") > 1 and not uri.startswith("["):
            uri = f"[{uri}]"  # a bare IPv6 address
        uri = f"sip:{uri}"
    parts = split_sip_uri(uri)
    if find_parameter(parts.parameters, "lr") is None:
        uri += ";lr"
    return f"<{uri}>"
