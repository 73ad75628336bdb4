"""What two descriptions agree to: the result of an offer and its answer (RFC 3264 Section 6 and 7).

Promises of this module:

1. What is negotiated is one type, `NegotiatedStream`, for the offerer and the answerer. Its
   formats stand in the order the *peer* prefers, each with the payload type to send with, which is
   the peer's, and the one to expect, which is ours (Sections 5.1 and 6.1).
2. A peer's answer is refused where its streams do not fit: too many, too few, other media,
   another protocol, no format of the offer, a stream that was not offered. Where it says a
   direction wider than allowed, or another t=, the meaning is plain: what both sides allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sipparty.errors import NegotiationError
from sipparty.sdp.description import SessionDescription
from sipparty.sdp.fields import Connection, Direction
from sipparty.sdp.formats import Format
from sipparty.sdp.media import MediaDescription

__all__ = [
    "NegotiatedFormat",
    "NegotiatedStream",
    "Reaches",
    "check_answer",
    "common_formats",
    "is_held",
    "negotiated_streams",
    "unreachable",
]

#: Whether a peer may have media sent to a numeric address.
Reaches = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class NegotiatedFormat:
    """A format that both sides take.

    Args:
        encoding: The encoding name as the peer writes it.
        clock_rate: RTP timestamp units in a second; 0 for media that is not RTP.
        channels: Of audio.
        send_payload_type: The peer's: what we send with. None for media that is not RTP.
        receive_payload_type: Ours: what we expect. None for media that is not RTP.
        send_fmtp: The parameters the peer states, to be kept when sending; None for none.
        receive_fmtp: The parameters we have stated; None for none.
    """

    encoding: str
    clock_rate: int
    channels: int
    send_payload_type: int | None
    receive_payload_type: int | None
    send_fmtp: str | None = None
    receive_fmtp: str | None = None


@dataclass(frozen=True, slots=True)
class NegotiatedStream:
    """A stream that both sides have accepted, from our viewpoint.

    Args:
        index: Of its m= line, from 0.
        media: "audio", "video", ...
        proto: The transport protocol, such as "RTP/AVP".
        direction: Whether we send and receive. We do not send to 0.0.0.0, whatever the peer's
            direction (RFC 3264 Section 8.4).
        formats: In the order the peer prefers; at least one.
        local_address: Where we receive.
        local_port: Where we receive RTP.
        local_rtcp_port: Where we receive RTCP; 0 for nowhere.
        remote_address: Where the peer receives.
        remote_port: Where the peer receives RTP.
        remote_rtcp: Address and port where the peer receives RTCP; None for nowhere.
        ptime: Milliseconds of media in a packet that the peer asks for; None where it does not.
        maxptime: Milliseconds of media that the peer takes in a packet; None for no bound.
        rtcp_mux: Whether RTP and RTCP share one port on both sides (RFC 5761).
        local: Our description of the stream.
        held: Whether the peer does not receive. It may have us on hold, or just be a sender: the
            two look the same (RFC 6337 Section 5.3).
        description: The peer's whole description, as it came; not shown by `repr`, as it may hold
            keys.
    """

    index: int
    media: str
    proto: str
    direction: Direction
    formats: tuple[NegotiatedFormat, ...]
    local_address: str
    local_port: int
    local_rtcp_port: int
    remote_address: str
    remote_port: int
    remote_rtcp: tuple[str, int] | None
    ptime: float | None
    maxptime: float | None
    rtcp_mux: bool
    local: MediaDescription
    held: bool
    description: bytes = field(repr=False)

    @property
    def remote(self) -> MediaDescription:
        """The peer's description of the stream, read anew: it may be ten times as large as its
        text, and a call lasts.
        """
        return SessionDescription.parse(self.description).media[self.index]


def is_held(description: SessionDescription | MediaDescription) -> bool:
    """Whether a side that describes itself so receives nothing: by direction, or by the address
    0.0.0.0 as in RFC 2543. A session without a live stream is not held.
    """
    if isinstance(description, SessionDescription):
        live = [one for one in description.media if one.port]
        return bool(live) and all(is_held(one) for one in live)
    connection = description.connection_or_session
    return not description.direction.receives or (
        connection is not None and connection.is_unspecified
    )


def common_formats(
    remote: Iterable[Format], local: Iterable[Format]
) -> list[tuple[Format, Format]]:
    """The formats in common, in the order of `remote`; each of either side is taken once."""
    free = list(local)
    pairs: list[tuple[Format, Format]] = []
    for theirs in remote:
        ours = next((one for one in free if one.matches(theirs)), None)
        if ours is not None:
            free.remove(ours)
            pairs.append((theirs, ours))
    return pairs


def unreachable(connection: Connection, reaches: Reaches | None = None) -> tuple[int, str] | None:
    """Why media cannot be sent to a connection: the code of a Warning (RFC 3261 Section 20.43) and
    a clause; None where it can, and on hold.

    Args:
        connection: The peer's.
        reaches: Whether the peer may have media sent to an address; None for any.
    """
    if connection.fault is not None or connection.is_unspecified:
        return connection.fault
    if reaches is not None and not reaches(connection.address):
        return 399, f"{connection.address} cannot be where it receives"
    return None


def check_answer(
    offer: SessionDescription, answer: SessionDescription, reaches: Reaches | None = None
) -> list[NegotiatedStream]:
    """See what the peer's answer to our offer agrees to (RFC 3264 Section 7).

    Args:
        offer: Ours.
        answer: The peer's.
        reaches: Whether the peer may have media sent to an address; None for any.

    Returns:
        The streams that both have accepted; none where the peer has refused all.

    Raises:
        NegotiationError: The answer does not answer the offer.
    """
    if len(answer.media) != len(offer.media):
        raise NegotiationError(
            f"The answer has {len(answer.media)} streams where the offer has {len(offer.media)}"
            " (RFC 3264 Section 6)."
        )
    for index, (ours, theirs) in enumerate(zip(offer.media, answer.media, strict=True)):
        if theirs.media.casefold() != ours.media.casefold():
            raise NegotiationError(
                f"Stream {index} was offered as {ours.media} and answered as {theirs.media}."
            )
        if not theirs.port:
            continue
        if not ours.port:  # Section 8.2
            raise NegotiationError(f"Stream {index} was answered though it was not offered.")
        if theirs.proto.upper() != ours.proto.upper():
            raise NegotiationError(
                f"Stream {index} was offered over {ours.proto} and answered over {theirs.proto}."
            )
    return negotiated_streams(offer, answer, offerer=True, reaches=reaches)


def negotiated_streams(
    local: SessionDescription,
    remote: SessionDescription,
    *,
    offerer: bool,
    reaches: Reaches | None = None,
) -> list[NegotiatedStream]:
    """What an offer and its answer agree to, from our viewpoint.

    Args:
        local: Our description.
        remote: The peer's, with as many streams.
        offerer: Whether ours is the offer.
        reaches: Whether the peer may have media sent to an address; None for any.

    Returns:
        The streams that both have accepted.

    Raises:
        NegotiationError: An accepted stream has no format in common, or no address that media
            could be sent to.
    """
    result: list[NegotiatedStream] = []
    raw = bytes(remote)
    for index, (ours, theirs) in enumerate(zip(local.media, remote.media, strict=False)):
        if not ours.port or not theirs.port:
            continue
        names = theirs.formats
        found = [theirs.media_format(name) for name in names]
        if offerer:
            # Answers that echo a dynamic payload type without its rtpmap mean the offered format.
            found = [
                one or (ours.media_format(name) if name in ours.formats else None)
                for name, one in zip(names, found, strict=True)
            ]
        pairs = common_formats([one for one in found if one is not None], ours.media_formats)
        if not pairs:
            raise NegotiationError(
                f"Stream {index} has no format in common: {' '.join(ours.formats)} here and"
                f" {' '.join(theirs.formats)} there."
            )
        result.append(_negotiated(index, ours, theirs, pairs, reaches, raw))
    return result


def _negotiated(
    index: int,
    ours: MediaDescription,
    theirs: MediaDescription,
    pairs: list[tuple[Format, Format]],
    reaches: Reaches | None,
    description: bytes,
) -> NegotiatedStream:
    here, there = ours.connection_or_session, theirs.connection_or_session
    if here is None or there is None:
        raise NegotiationError(f"Stream {index} has no address (RFC 8866 Section 5.7).")
    wrong = unreachable(there, reaches)
    if wrong is not None:
        raise NegotiationError(f"Stream {index}: {wrong[1]}.", warning=wrong[0])
    mux = ours.rtcp_mux and theirs.rtcp_mux
    direction = ours.direction.restricted(theirs.direction.reversed)
    remote_rtcp: tuple[str, int] | None = None
    if there.is_unspecified:
        # RFC 3264 Section 8.4, RFC 6337 Section 5.4: neither RTP nor RTCP goes to 0.0.0.0.
        direction = Direction.of(sends=False, receives=direction.receives)
    elif mux:
        remote_rtcp = (there.address, theirs.port)
    elif theirs.rtcp_port:
        explicit = theirs.rtcp
        at = (explicit.connection if explicit is not None else None) or there
        # RTCP that could be sent to nobody is not: the stream does without.
        if not at.is_unspecified and unreachable(at, reaches) is None:
            remote_rtcp = (at.address, theirs.rtcp_port)
    return NegotiatedStream(
        index=index,
        media=ours.media,
        proto=ours.proto,
        direction=direction,
        formats=tuple(
            NegotiatedFormat(
                remote.encoding,
                remote.clock_rate,
                remote.channels,
                remote.payload_type,
                local.payload_type,
                remote.fmtp,
                local.fmtp,
            )
            for remote, local in pairs
        ),
        local_address=here.address,
        local_port=ours.port,
        local_rtcp_port=ours.port if mux else ours.rtcp_port,
        remote_address=there.address,
        remote_port=theirs.port,
        remote_rtcp=remote_rtcp,
        ptime=theirs.ptime,
        maxptime=theirs.maxptime,
        rtcp_mux=mux,
        local=ours,
        held=is_held(theirs),
        description=description,
    )
