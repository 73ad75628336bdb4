"""Where requests go: next hops (RFC 3261 §8.1.2, §12.2.1.1; RFC 3263 §4 does the rest), and what
messages say of them in Contact and Record-Route (§12.1).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

from sipparty.errors import ParseError
from sipparty.sip.flow import Flow, host_port
from sipparty.sip.grammar import find_parameter, split_list
from sipparty.sip.lenient import tidied
from sipparty.sip.message import Message
from sipparty.sip.uri_grammar import read_host, split_sip_uri
from sipparty.sip.values import DNameURI

__all__ = [
    "NextHop",
    "as_request_uri",
    "is_loose",
    "is_secure",
    "record_route",
    "remote_target",
    "route_to",
]


class NextHop(NamedTuple):
    """What has to be located before a request can be sent.

    Args:
        host: A host name or an IP address, without brackets.
        port: The port; None where the URI names none.
        transport: The transport the URI asks for, in upper case; None where it names none.
        secure: Whether the URI is `sips:`.
        back: The flow to the peer that named it: what is taken where that may not have requests
            sent there (`Policy.named_targets`). None where the program says it.
        maddr: Where the packets go in the place of the host (RFC 3263 §4); None for the host. A
            certificate has to be the host's all the same (RFC 5922 §4).
        alternatives: Where it may go besides, in order, once every target of this one has failed.
    """

    host: str
    port: int | None = None
    transport: str | None = None
    secure: bool = False
    back: Flow | None = None
    maddr: str | None = None
    alternatives: tuple[NextHop, ...] = ()

    def __str__(self) -> str:
        text = f"sip{'s' if self.secure else ''}:{host_port(self.host, self.port)}"
        if self.transport is not None:
            text += f";transport={self.transport.lower()}"
        return text if self.maddr is None else f"{text};maddr={self.maddr}"

    @property
    def place(self) -> str:
        """The host that the packets go to: a name or an address, without brackets."""
        return self.maddr or self.host

    @property
    def is_numeric(self) -> bool:
        """Whether the packets go to an address, so that there is one target alone."""
        if self.alternatives:
            return False
        place = self.maddr or self.host
        return ":" in place or place.replace(".", "").isdigit()

    def secured(self) -> Self:
        """Return it for a request to a `sips:` URI, which goes by secure transports alone, whatever
        the route says (RFC 3261 §26.2.2).
        """
        if self.secure:
            return self
        return self._replace(
            secure=True,
            transport=None if self.transport == "UDP" else self.transport,
            alternatives=tuple([hop.secured() for hop in self.alternatives]),
        )

    @classmethod
    def of(cls, uri: str, back: Flow | None = None) -> Self:
        """Return the next hop that a URI names.

        Args:
            uri: The URI.
            back: The flow to the peer that named it; None where the program did.

        Raises:
            ParseError: It is not a SIP or SIPS URI, or its host can be none.
        """
        host, port, transport, secure, maddr = _read(uri)
        return cls(host, port, transport, secure, back, maddr)


@lru_cache(maxsize=1024)
def _read(uri: str) -> tuple[str, int | None, str | None, bool, str | None]:
    """Return what of a URI says where it leads: host, port, transport, whether it is `sips:`, and
    maddr.
    """
    parts = split_sip_uri(uri)
    if not parts.host:
        raise ParseError(uri, "a sip: or sips: URI to send to", 0, what="next hop")
    maddr = transport = None
    if parts.parameters:
        if "maddr" in parts.parameters.lower():
            maddr = _maddr(uri, parts.parameters)
        transport = find_parameter(parts.parameters, "transport")
    transport = transport.upper() if transport else None
    return parts.host, parts.port, transport, parts.scheme == "sips", maddr


def is_secure(uri: str) -> bool:
    """Whether a URI is a `sips:` one."""
    return uri[:5].lower() == "sips:"


def _maddr(uri: str, parameters: str) -> str | None:
    """Return the host that `maddr` names (RFC 3261 §19.1.1); None where there is none."""
    text = find_parameter(parameters, "maddr")
    if not text:
        return None
    if ":" in text and not text.startswith("["):
        text = f"[{text}]"
    host, end = read_host(text, 0, "maddr")
    if end < len(text):
        raise ParseError(uri, "a host as maddr", None, what="next hop")
    return host.lower()


def as_request_uri(uri: str) -> str:
    """Return a URI as it may stand in a request line: without headers, and without a `method`
    parameter (RFC 3261 §19.1.1 table 1, §12.2.1.1). Nearly all come as they are.

    Raises:
        ParseError: It is no URI.
    """
    if "?" not in uri and "method" not in uri.lower():
        return uri
    parts = split_sip_uri(uri)
    if parts.headers:
        uri = uri[: -len(parts.headers) - 1]
    if find_parameter(parts.parameters, "method") is not None:
        kept = [
            part
            for part in parts.parameters.split(";")[1:]
            if part.partition("=")[0].lower() != "method"
        ]
        head = uri[: len(uri) - len(parts.parameters)]
        uri = "".join([head, *[f";{part}" for part in kept]])
    return uri


def is_loose(route: str) -> bool:
    """Whether a Route value names a loose router: its URI has `lr` (RFC 3261 §16.12).

    Raises:
        ParseError: It is no name and address, or its URI is none.
    """
    return find_parameter(DNameURI.parse(route).parts.parameters, "lr") is not None


def route_to(proxy: str) -> str:
    """Make the Route value for a proxy given as a host, host:port or URI; loose (RFC 3261 §8.1.2).

    Raises:
        ParseError: It is none of them, and names the proxy.
    """
    uri = proxy.strip()
    if uri.startswith("<") and uri.endswith(">"):
        uri = uri[1:-1]
    if not uri.lower().startswith(("sip:", "sips:")):
        if uri.count(":") > 1 and not uri.startswith("["):
            uri = f"[{uri}]"  # a bare IPv6 address
        uri = f"sip:{uri}"
    try:
        parts = split_sip_uri(uri)
    except ParseError as error:
        raise ParseError(proxy, error.expected, None, what="proxy") from None
    if parts.headers:
        # Of a route nothing but where it leads is meant.
        uri = as_request_uri(uri)
    if find_parameter(parts.parameters, "lr") is None:
        uri += ";lr"
    return f"<{uri}>"


def record_route(message: Message) -> tuple[str, ...]:
    """Return the Record-Route values of a message in order (§12.1)."""
    if message._text("record-route") is None:
        return ()
    return tuple(
        tidied(element)
        for line in message.lines("Record-Route")
        for element in split_list(line, "Record-Route")
    )


def remote_target(message: Message, *, required: bool) -> str:
    """Return the URI of the Contact as requests can be sent to it (§12.1.1, §12.2); "" where there
    is none and none is required.

    Raises:
        ParseError: The Contact is missing, or is no address that requests can be sent to.
    """
    text = message._text("contact")
    if text is None:
        if required:
            raise ParseError(str(message)[:80], "a Contact header", None, what="SIP request")
        return ""
    if "," in text or not text:
        elements = split_list(text, "Contact")
        if not elements:
            raise ParseError(text, "an address", 0, what="Contact")
        text = elements[0]
    uri = DNameURI.parse(text)._uri_text
    # §8.1.1.8: a SIP or SIPS URI.
    if not split_sip_uri(uri).host:
        raise ParseError(uri, "a sip: or sips: URI", 0, what="Contact")
    return as_request_uri(uri) if "?" in uri or ";" in uri else uri
