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
from collections.abc import Iterable, Sequence
from typing import Final

from sipparty.errors import NegotiationError
from sipparty.media.codecs import CodecType
from sipparty.media.rtp_source import Address
from sipparty.media.settings import StreamSettings
from sipparty.sdp import Format, NegotiatedStream

__all__ = ["MAX_PTIME", "MIN_PTIME", "formats_of", "settings_of"]

_log = logging.getLogger(__name__)

#: The least audio in a packet, in milliseconds.
MIN_PTIME: Final = 10.0
#: The most audio in a packet, in milliseconds.
MAX_PTIME: Final = 60.0
#: The first port that is not a system port (RFC 6335 section 6).
_FIRST_USER_PORT: Final = 1024


def formats_of(codecs: Iterable[CodecType]) -> tuple[Format, ...]:
    """The formats to offer codecs with."""
    return tuple(
        Format(codec.name, codec.clock_rate, codec.channels, codec.payload_type, codec.fmtp or None)
        for codec in codecs
    )


def settings_of(
    negotiated: NegotiatedStream, codecs: Sequence[CodecType], ptime: float, family: int
) -> StreamSettings:
    """What the stream has to know of what was agreed on.

    Args:
        negotiated: The agreement.
        codecs: Ours, which the formats of the agreement were offered from.
        ptime: Milliseconds in a packet where the other side asks for none.
        family: Address family of our socket.

    Raises:
        NegotiationError: None of the formats is audio of one of our codecs.
    """
    known = {(codec.name.upper(), codec.clock_rate, codec.channels): codec for codec in codecs}
    found = [
        (one.send_payload_type, one.receive_payload_type, codec)
        for one in negotiated.formats
        if (codec := known.get((one.encoding.upper(), one.clock_rate, one.channels)))
    ]
    payload_type, _, codec = found[0] if found else (None, None, None)
    if payload_type is None or codec is None:
        raise NegotiationError("The stream has no format that one of our codecs is for.")
    wanted = min(negotiated.ptime or ptime, negotiated.maxptime or MAX_PTIME)
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
        min(max(wanted, MIN_PTIME), MAX_PTIME),
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
