"""What one side is able and willing to do with a stream, before anyone has asked.

Promises of this module:

1. A capability knows no session: no session id, no peer. The same one serves any number of calls,
   each with its port (`at`).
2. What is not plain RTP comes in from outside: a transport protocol by its name in `profiles`, and
   what it puts into descriptions (SRTP keys, DTLS fingerprints, ICE candidates) by an object in
   `extensions`. Negotiation itself needs no change for them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from sipparty.errors import Incomplete
from sipparty.sdp.description import SessionDescription
from sipparty.sdp.fields import Attribute, Connection, Direction
from sipparty.sdp.formats import Format, FormatLike, assign_payload_types
from sipparty.sdp.grammar import InvalidValue, check_integer
from sipparty.sdp.media import MediaDescription

__all__ = ["MediaCapability", "MediaExtension", "SessionExtension"]


class MediaExtension:
    """Takes part in the negotiation of a stream; to be derived from. By itself it changes nothing.

    One object belongs to one capability of one call where it keeps a state such as a key.
    """

    def fork(self) -> Self:
        """The extension for another dialog that answers the same offer: a shallow copy, unless
        overridden.
        """
        return copy.copy(self)

    def misfit(self, remote: MediaDescription) -> str | None:
        """Why the offered stream `remote` cannot be taken, as a clause: "it is not secure". None
        where it can.
        """
        return None

    def offer(self, local: MediaDescription) -> MediaDescription:
        """The stream to offer, made of the one that would be offered without this extension."""
        return local

    def answer(self, remote: MediaDescription, local: MediaDescription) -> MediaDescription | None:
        """The stream to answer `remote` with, made of the one that would be answered without this
        extension; None refuses the stream.
        """
        return local

    def check(self, local: MediaDescription, remote: MediaDescription) -> None:
        """Look at the answer `remote` to our offer `local`.

        Raises:
            NegotiationError: The answer lacks what the extension needs.
        """


class SessionExtension:
    """Takes part in the negotiation of what descriptions say before their first m= line, and of
    how their lines belong together; to be derived from. By itself it changes nothing.
    """

    def offer(self, local: SessionDescription) -> SessionDescription:
        """The description to offer, made of the one that would be offered without it."""
        return local

    def answer(self, remote: SessionDescription, local: SessionDescription) -> SessionDescription:
        """The description to answer `remote` with, made of the one that would be without it.

        Raises:
            NegotiationError: The offer cannot be taken.
        """
        return local

    def check(self, local: SessionDescription, remote: SessionDescription) -> None:
        """Look at the answer `remote` to our offer `local`.

        Raises:
            NegotiationError: The answer lacks what the extension needs.
        """


@dataclass(frozen=True)
class MediaCapability:
    """What one side can do with one stream.

    Args:
        media: "audio", "video", ...
        formats: In order of preference; each as `Format.of` takes it.
        port: Where this side receives the stream; None as long as it is not known, 0 for a stream
            that is not wanted (RFC 3264 Section 8.2).
        direction: What this side wants. An answer has as much of it as the offer allows.
        profiles: The transport protocols accepted in an offer; the first is the one offered, and
            later offers have the one that was agreed on.
        ptime: Milliseconds of media in a packet that this side would like to receive; None leaves
            it to the peer.
        maxptime: Milliseconds of media that a packet may hold; None for no bound.
        rtcp_port: Where RTCP is received; None for the port above `port` (RFC 3605).
        rtcp_mux: Whether RTCP may share the port of RTP (RFC 5761).
        address: Where this stream is received, if not where the session's others are.
        attributes: Further ones for offers and answers.
        extensions: Asked in order; see `MediaExtension`.

    Raises:
        BuildError: A value cannot stand in a session description.
    """

    media: str = "audio"
    formats: Sequence[FormatLike] = ("PCMU", "PCMA", "telephone-event")
    port: int | None = None
    direction: Direction = Direction.SENDRECV
    profiles: tuple[str, ...] = ("RTP/AVP",)
    ptime: float | None = None
    maxptime: float | None = None
    rtcp_port: int | None = None
    rtcp_mux: bool = False
    address: str | None = None
    attributes: tuple[Attribute, ...] = ()
    extensions: tuple[MediaExtension, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.formats, str):
            raise InvalidValue(self.formats, "a list of formats")
        formats = tuple(Format.of(what) for what in self.formats)
        if not formats:
            raise InvalidValue(formats, "at least one format")
        object.__setattr__(self, "formats", formats)
        object.__setattr__(self, "direction", Direction(self.direction))
        for name in ("profiles", "attributes", "extensions"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.profiles:
            raise InvalidValue(self.profiles, "at least one transport protocol")
        for port, lowest in ((self.port, 0), (self.rtcp_port, 1)):
            if port is not None:
                check_integer(port, lowest, 65535, "port")

    @property
    def known_formats(self) -> tuple[Format, ...]:
        """The formats, as `Format` objects."""
        return tuple(Format.of(what) for what in self.formats)

    def at(self, port: int, rtcp_port: int | None = None) -> MediaCapability:
        """The same capability at a port."""
        return replace(self, port=port, rtcp_port=rtcp_port)

    def accepts_profile(self, proto: str) -> bool:
        """Whether the transport protocol is one of `profiles`."""
        return proto.upper() in (profile.upper() for profile in self.profiles)

    def offered(
        self,
        history: Sequence[Format] = (),
        direction: Direction | None = None,
        proto: str | None = None,
    ) -> MediaDescription:
        """The stream as this side offers it.

        Args:
            history: The payload types that the stream had before; see `assign_payload_types`.
            direction: Instead of the capability's own.
            proto: The transport protocol that the stream has; offered again where it is one of
                `profiles`.

        Raises:
            Incomplete: The port is not known.
            BuildError: There are more formats than payload types.
        """
        wanted = direction or self.direction
        formats: tuple[Format, ...] = self.known_formats
        if proto is None or not self.accepts_profile(proto):
            proto = self.profiles[0]
        if "RTP" in proto.upper().split("/"):
            formats = assign_payload_types(formats, history)
        local = self.described(formats, proto, wanted, self.ptime, self.rtcp_mux)
        if local.port:
            for extension in self.extensions:
                local = extension.offer(local)
        return local

    def described(
        self,
        formats: Iterable[Format],
        proto: str,
        direction: Direction,
        ptime: float | None,
        rtcp_mux: bool,
    ) -> MediaDescription:
        """The stream so described, before extensions; raises `Incomplete` without a port."""
        if self.port is None:
            raise Incomplete(f"A {self.media} stream needs a port before it can be described.")
        extra: list[Attribute] = []
        if self.rtcp_port is not None and self.rtcp_port != self.port + 1 and self.port:
            extra.append(Attribute("rtcp", str(self.rtcp_port)))  # RFC 3605
        if rtcp_mux and self.port:
            extra.append(Attribute("rtcp-mux"))
        return MediaDescription.rtp(
            self.media,
            self.port,
            formats,
            proto=proto,
            direction=direction,
            ptime=ptime,
            maxptime=self.maxptime,
            connection=None if self.address is None else Connection.of(self.address),
            attributes=(*extra, *self.attributes),
        )
