"""Between descriptions and streams: codecs as formats, what was agreed on as settings.

Laws:

* What is sent is the first format of the agreement that is not auxiliary, which is the one the
  other side likes best; each that was agreed on may come at any time, whatever its clock (RFC 3264
  section 5.1), under our payload type and, where that means nothing else, under the other side's.
* Telephone events are offered once for each clock of the codecs (RFC 4733 section 2.1), and sent
  in the clock of what is sent; in another one where the other side takes no others.
* The packet time is what the other side asks for, within `MIN_PTIME` and `MAX_PTIME` and its own
  maximum, in whole milliseconds; ours where it asks for none (RFC 3264 section 5.1). With parts of
  a millisecond, others could have each call ticked at times of its own, which costs a clock much.
* A name is not resolved, which would block: media then goes to where media comes from. So it does
  where the other side names a port that is a service's (RFC 6335 section 6), which no RTP is.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from sipparty.errors import NegotiationError, UsageError
from sipparty.media.codecs import CodecType, find_codec
from sipparty.media.pcm import prepare_rates
from sipparty.media.rtp.rtcp_xr import asked_for
from sipparty.media.rtp.source import Address
from sipparty.media.settings import ReceivedFormat, StreamSettings
from sipparty.media.srtp.settings import SRTP
from sipparty.media.transport import LineExtension
from sipparty.sdp import (
    Attribute,
    Direction,
    Format,
    MediaCapability,
    MediaDescription,
    NegotiatedFormat,
    NegotiatedStream,
)

__all__ = [
    "EVENTS",
    "MAX_PTIME",
    "MIN_PTIME",
    "AudioPreferences",
    "further_line",
    "offered_formats",
    "settings_of",
]

#: The events that are understood: digits, "*", "#", A to D, and flash (RFC 4733 section 3.2).
EVENTS: Final = "0-16"

_log = logging.getLogger(__name__)

#: The least audio in a packet, in milliseconds.
MIN_PTIME: Final = 10.0
#: The most audio in a packet, in milliseconds: what fits in one of an Ethernet as G.711.
MAX_PTIME: Final = 150.0
#: The payload type that telephone events have by custom, in the clock of the telephone.
_EVENT_PAYLOAD_TYPES: Final = {8000: 101}
#: The clock of comfort noise, and its payload type in it (RFC 3389 section 4).
_NOISE: Final = (8000, 13)
#: Asks for reports of how we are heard, and of how long ago our reference time came.
_ASK_METRICS: Final = Attribute("rtcp-xr", "voip-metrics rcvr-rtt=all")
#: Samples a second of a telephone: where all have them, no rate is changed.
_NARROWBAND: Final = 8000
#: The first port that is not a system port (RFC 6335 section 6).
_FIRST_USER_PORT: Final = 1024


@dataclass(frozen=True)
class AudioPreferences:
    """What a session with one audio stream asks for.

    Args:
        codecs: The codecs, the preferred one first: each the name of one that is registered, or a
            `CodecType`.
        ptime: Milliseconds of audio in a packet, `MIN_PTIME` to `MAX_PTIME`.
        direction: "sendrecv", "sendonly", "recvonly" or "inactive".
        rtcp_mux: Whether RTCP may share the port of RTP (RFC 5761).
        dtmf: Whether digits may come and go as telephone events (RFC 4733).
        comfort_noise: Whether comfort noise may (RFC 3389), beside codecs with a clock of 8000.
        rtcp_xr: Whether to ask for reports of how we are heard (RFC 3611 section 5).
        srtp: Whether media is secure; kept as an `SRTP`.

    Raises:
        MediaError: The library of SRTP is not installed, and needed.
        UsageError: One is out of its range, a codec is not known, or its library not installed.
    """

    codecs: Sequence[str | CodecType] = ("PCMU", "PCMA")
    ptime: float = 20
    direction: str = "sendrecv"
    rtcp_mux: bool = False
    dtmf: bool = True
    comfort_noise: bool = False
    srtp: str | SRTP = "accepted"
    rtcp_xr: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.codecs, str | CodecType) or not self.codecs:
            raise UsageError(f"A session has a list of codecs, at least one, not {self.codecs!r}.")
        if not MIN_PTIME <= self.ptime <= MAX_PTIME:
            raise UsageError(
                f"A packet holds {MIN_PTIME:g} to {MAX_PTIME:g} ms of audio, not {self.ptime:g}."
            )
        if self.direction not in tuple(Direction):
            allowed = ", ".join(Direction)
            raise UsageError(f"A direction is one of {allowed}, not {self.direction!r}.")
        for one in self.types:
            one.check_available()
            if one.sample_rate != _NARROWBAND:
                prepare_rates()
        object.__setattr__(self, "srtp", SRTP.of(self.srtp))

    @property
    def types(self) -> tuple[CodecType, ...]:
        """The codecs."""
        return tuple(one if isinstance(one, CodecType) else find_codec(one) for one in self.codecs)

    def capability(
        self, port: int = 9, extensions: Sequence[LineExtension] = ()
    ) -> MediaCapability:
        """What can be done at a port; any but 0 serves to judge an offer."""
        types = self.types
        formats = [
            Format(one.name, one.clock_rate, one.channels, one.payload_type, one.fmtp or None)
            for one in types
        ]
        clocks = dict.fromkeys(one.clock_rate for one in types)
        noise_clock, noise_type = _NOISE
        if self.comfort_noise and noise_clock in clocks:
            formats.append(Format("CN", noise_clock, 1, noise_type))
        if self.dtmf:
            wishes = _EVENT_PAYLOAD_TYPES
            formats += [
                Format("telephone-event", clock, 1, wishes.get(clock), EVENTS) for clock in clocks
            ]
        wanted = Direction(self.direction)
        profiles = [name for one in extensions for name in one.profiles] or ["RTP/AVP"]
        return MediaCapability(
            "audio",
            formats,
            port,
            wanted,
            tuple(dict.fromkeys(profiles)),
            ptime=self.ptime,
            rtcp_mux=self.rtcp_mux,
            attributes=(_ASK_METRICS,) if self.rtcp_xr else (),
            extensions=tuple(extensions),
        )


def settings_of(
    negotiated: NegotiatedStream, wanted: AudioPreferences, family: int
) -> StreamSettings:
    """What the stream has to know of what was agreed on.

    Args:
        negotiated: The agreement.
        wanted: Ours, which the formats were offered from; the packet time is that where the other
            side asks for none.
        family: Address family of our socket.

    Raises:
        NegotiationError: None of the formats is audio of one of our codecs.
    """
    known = {
        (codec.name.upper(), codec.clock_rate, codec.channels): codec for codec in wanted.types
    }
    found = [
        (one, codec)
        for one in negotiated.formats
        if (codec := known.get((one.encoding.upper(), one.clock_rate, one.channels)))
    ]
    sent, codec = found[0] if found else (None, None)
    if sent is None or codec is None or sent.send_payload_type is None:
        raise NegotiationError("The stream has no format that one of our codecs is for.")
    most = MAX_PTIME if negotiated.maxptime is None else int(negotiated.maxptime)
    ptime = min(int(negotiated.ptime or 0) or wanted.ptime, most)
    remote_rtcp = negotiated.remote_rtcp
    events = _named(negotiated, "telephone-event") if wanted.dtmf else []
    noises = _named(negotiated, "cn") if wanted.comfort_noise else []
    clock = codec.clock_rate
    event = next((one for one in events if one.clock_rate == clock), events[0] if events else None)
    noise = next((one for one in noises if one.clock_rate == clock), None)
    return StreamSettings(
        codec,
        sent.send_payload_type,
        {
            kind: ReceivedFormat(each, one.send_fmtp or "")
            for one, each in found
            for kind in _kinds(one, negotiated.formats)
        },
        codec.packet_time(min(max(ptime, MIN_PTIME), MAX_PTIME)),
        _reachable(negotiated.remote_address, negotiated.remote_port, family),
        None if remote_rtcp is None else _reachable(*remote_rtcp, family),
        negotiated.direction.sends,
        negotiated.direction.receives,
        sent.send_fmtp or "",
        None
        if event is None or event.send_payload_type is None
        else (event.send_payload_type, event.clock_rate),
        _clocks(events, negotiated.formats),
        None if noise is None else noise.send_payload_type,
        _clocks(noises, negotiated.formats),
        # What the other side wrote is read again where it may say it, and not otherwise.
        asked_for(negotiated.remote.value("rtcp-xr"))
        if b"a=rtcp-xr:" in negotiated.description
        else frozenset(),
    )


def offered_formats(
    offered: MediaDescription, wanted: AudioPreferences
) -> dict[int, ReceivedFormat]:
    """The audio that may come by an offer of ours, by payload type.

    Args:
        offered: The stream, as it was offered.
        wanted: What it was made of.
    """
    types = {(one.name.upper(), one.clock_rate, one.channels): one for one in wanted.types}
    return {
        one.payload_type: ReceivedFormat(codec)
        for one in offered.media_formats
        if (codec := types.get((one.encoding.upper(), one.clock_rate, one.channels)))
        and one.payload_type is not None
    }


def _kinds(one: NegotiatedFormat, formats: Sequence[NegotiatedFormat]) -> set[int]:
    """The payload types that a format may come with: ours, and the other side's where that means
    nothing else here, since many send what they state.
    """
    ours = {each.receive_payload_type for each in formats if each is not one}
    return {one.receive_payload_type, one.send_payload_type} - ours - {None}  # type: ignore[return-value]


def _named(negotiated: NegotiatedStream, encoding: str) -> list[NegotiatedFormat]:
    return [one for one in negotiated.formats if one.encoding.casefold() == encoding]


def _clocks(
    named: Sequence[NegotiatedFormat], formats: Sequence[NegotiatedFormat]
) -> dict[int, int]:
    """The clock rates of formats by the payload types that they may come with."""
    return {kind: one.clock_rate for one in named for kind in _kinds(one, formats)}


def _reachable(host: str, port: int, family: int) -> Address | None:
    """An address as the socket takes it; None for a name, and for another family's."""
    version = 6 if family == socket.AF_INET6 else 4
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != version:
        wrong = f"it is no IPv{version} address"
    elif port < _FIRST_USER_PORT:
        wrong = f"port {port} is for services"
    elif address.is_unspecified:
        return None
    else:
        return str(address), port
    _log.warning("Cannot send media to %r port %d until some comes: %s.", host, port, wrong)
    return None


def further_line(first: AudioPreferences, options: Mapping[str, Any]) -> AudioPreferences:
    """What a further m= line asks for: what differs from the first.

    Raises:
        UsageError: There is no such setting, or not with this value.
    """
    try:
        return replace(first, **options)
    except TypeError:
        known = ", ".join(one.name for one in fields(AudioPreferences))
        raise UsageError(f"A line of audio has {known}, not {', '.join(options)}.") from None
