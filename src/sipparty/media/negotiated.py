"""Between descriptions and streams: codecs as formats, what was agreed on as settings.

Laws:

* What is sent is the first format of the agreement that is not auxiliary, which is the one the
  other side likes best; each that was agreed on and has the same clock may come.
* The packet time is what the other side asks for, within `MIN_PTIME` and `MAX_PTIME` and its own
  maximum; ours where it asks for none (RFC 3264 section 5.1).
* A name is not resolved, which would block: media then goes to where media comes from. So it does
  where the other side names a port that is a service's (RFC 6335 section 6), which no RTP is.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sipparty.errors import NegotiationError, UsageError
from sipparty.media.codecs import CodecType, find_codec
from sipparty.media.rtp_source import Address
from sipparty.media.settings import StreamSettings
from sipparty.media.transport import LineExtension
from sipparty.sdp import Direction, Format, MediaCapability, NegotiatedStream

__all__ = ["MAX_PTIME", "MIN_PTIME", "AudioPreferences", "settings_of"]

_log = logging.getLogger(__name__)

#: The least audio in a packet, in milliseconds.
MIN_PTIME: Final = 10.0
#: The most audio in a packet, in milliseconds: what fits in one of an Ethernet as G.711.
MAX_PTIME: Final = 150.0
#: The first port that is not a system port (RFC 6335 section 6).
_FIRST_USER_PORT: Final = 1024


@dataclass(frozen=True)
class AudioPreferences:
    """What a session with one audio stream asks for.

    Args:
        codecs: Names of registered codecs, the preferred one first.
        ptime: Milliseconds of audio in a packet, `MIN_PTIME` to `MAX_PTIME`.
        direction: "sendrecv", "sendonly", "recvonly" or "inactive".
        rtcp_mux: Whether RTCP may share the port of RTP (RFC 5761).

    Raises:
        UsageError: One is out of its range, or a codec is not known.
    """

    codecs: Sequence[str] = ("PCMU", "PCMA")
    ptime: float = 20
    direction: str = "sendrecv"
    rtcp_mux: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.codecs, str) or not self.codecs:
            raise UsageError(f"A session has a list of codecs, at least one, not {self.codecs!r}.")
        if not MIN_PTIME <= self.ptime <= MAX_PTIME:
            raise UsageError(
                f"A packet holds {MIN_PTIME:g} to {MAX_PTIME:g} ms of audio, not {self.ptime:g}."
            )
        if self.direction not in tuple(Direction):
            allowed = ", ".join(Direction)
            raise UsageError(f"A direction is one of {allowed}, not {self.direction!r}.")
        _ = self.types

    @property
    def types(self) -> tuple[CodecType, ...]:
        """The codecs."""
        return tuple(find_codec(name) for name in self.codecs)

    def capability(
        self, port: int = 9, extensions: Sequence[LineExtension] = ()
    ) -> MediaCapability:
        """What can be done at a port; any but 0 serves to judge an offer."""
        formats = [
            Format(one.name, one.clock_rate, one.channels, one.payload_type, one.fmtp or None)
            for one in self.types
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
        (one.send_payload_type, one.receive_payload_type, codec)
        for one in negotiated.formats
        if (codec := known.get((one.encoding.upper(), one.clock_rate, one.channels)))
    ]
    payload_type, _, codec = found[0] if found else (None, None, None)
    if payload_type is None or codec is None:
        raise NegotiationError("The stream has no format that one of our codecs is for.")
    ptime = min(negotiated.ptime or wanted.ptime, negotiated.maxptime or MAX_PTIME)
    remote_rtcp = negotiated.remote_rtcp
    return StreamSettings(
        codec,
        payload_type,
        {
            kind: each
            for _, kind, each in found
            if kind is not None
            and (each.clock_rate, each.sample_rate) == (codec.clock_rate, codec.sample_rate)
        },
        min(max(ptime, MIN_PTIME), MAX_PTIME),
        _reachable(negotiated.remote_address, negotiated.remote_port, family),
        None if remote_rtcp is None else _reachable(*remote_rtcp, family),
        negotiated.direction.sends,
        negotiated.direction.receives,
    )


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
