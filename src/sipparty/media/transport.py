"""How the packets of one stream go: what a line asks of a transport.

`sipparty.media.ports` has the one that is UDP alone; SRTP, and what finds a path first, wrap
another transport and have the same methods. None of them blocks or raises: what cannot be sent is
counted, as the network would have lost it, and what cannot be verified is counted and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from sipparty.media.rtp.source import Address
from sipparty.sdp import MediaExtension, NegotiatedStream

__all__ = ["LineExtension", "MediaTransport", "Receive"]

#: Takes a datagram: what it is, where it came from, and when, in seconds.
Receive: TypeAlias = Callable[[bytes, Address, float], None]


class MediaTransport(Protocol):
    """Sends and receives the RTP and RTCP of one stream.

    Attributes:
        mux: Whether RTCP goes by the port of RTP (RFC 5761).
    """

    mux: bool

    @property
    def port(self) -> int:
        """The port of RTP."""

    @property
    def rtcp_port(self) -> int:
        """The port of RTCP, where it does not share that of RTP."""

    @property
    def family(self) -> int:
        """The address family of its sockets."""

    def listen(self, hosts: Iterable[str] = ()) -> None:
        """Read from now on, and keep the last of what comes until `deliver`.

        Args:
            hosts: Those that take part in the call, as far as they are known.
        """

    def deliver(self, rtp: Receive, rtcp: Receive, max_age: float) -> None:
        """Give what comes to its receiver, first what has come in the last `max_age` seconds."""

    def send(self, data: bytes, address: Address, /) -> None:
        """Send an RTP packet, if it can be sent now."""

    def send_rtcp(self, data: bytes, address: Address, /) -> None:
        """Send an RTCP packet, if it can be sent now."""

    def close(self) -> None:
        """Give everything back; may be called twice. Nothing is received after it."""


class LineExtension(MediaExtension):
    """Takes part in the negotiation of a line, and may put its transport on top of the one that
    there is; to be derived from. By itself it changes nothing.
    """

    #: The transport protocols of m= lines that it makes possible, the one to offer first.
    profiles: tuple[str, ...] = ("RTP/AVP",)

    def renew(self) -> None:
        """Have the next description bring other keys, where it has any."""

    def wrap(self, transport: MediaTransport, negotiated: NegotiatedStream) -> MediaTransport:
        """Return what carries the packets by what was agreed on; called after each agreement, on
        the engine's thread.

        Args:
            transport: What carries them without this extension, always the same one.
            negotiated: What was agreed on.

        Returns:
            The same, or one around it: the same one as after the agreement before, unless it has to
            begin anew.
        """
        return transport
