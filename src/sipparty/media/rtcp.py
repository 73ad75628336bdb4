"""RTCP datagrams (RFC 3550 section 6.1): packets stacked, and the rules of a compound packet.

Laws:

* `parse_rtcp(data)` gives the packets of a datagram, or raises `ParseError`; with `compound=True`
  (the default) the datagram has also to keep the rules of sections 6.1 and A.2.
* `build_compound(packets)` gives a datagram that keeps those rules, or raises `BuildError`.
* A type that is not known stays as it came, in `UnknownRTCP`: section 6.1 wants it ignored, not
  refused.

The packets themselves are in `sipparty.media.rtcp_packets`; their names are here too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from sipparty.errors import BuildError, ParseError
from sipparty.media.rtcp_packets import (
    CNAME,
    ApplicationDefined,
    Feedback,
    Goodbye,
    PayloadFeedback,
    ReceiverReport,
    ReportBlock,
    RTCPPacket,
    SDESChunk,
    SDESItem,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    UnknownRTCP,
    read_packet,
)

__all__ = [
    "CNAME",
    "ApplicationDefined",
    "Feedback",
    "Goodbye",
    "PayloadFeedback",
    "RTCPPacket",
    "ReceiverReport",
    "ReportBlock",
    "SDESChunk",
    "SDESItem",
    "SenderReport",
    "SourceDescription",
    "TransportFeedback",
    "UnknownRTCP",
    "build_compound",
    "parse_rtcp",
]

_HEADER: Final = struct.Struct("!BBH")


def parse_rtcp(data: bytes, *, compound: bool = True) -> list[RTCPPacket]:
    """Read the packets of one datagram, in order; at least one.

    Args:
        data: The datagram.
        compound: Whether it has to start with a report, unpadded where others follow (RFC 3550
            section A.2). False takes any stack of packets (reduced size, RFC 5506).

    Raises:
        ParseError: It is not RTCP, or not a compound packet where one is asked for.
    """
    data = bytes(data)
    packets: list[RTCPPacket] = []
    position = 0
    size = len(data)
    while position < size or not packets:
        if size - position < 4:
            raise _refused(data, "a header of 4 octets", position)
        first, kind, words = _HEADER.unpack_from(data, position)
        if first >> 6 != 2:
            raise _refused(data, f"version 2, not {first >> 6}", position)
        if compound and not packets and kind not in (200, 201):
            raise _refused(data, f"a sender or receiver report first, not type {kind}", 1)
        end = position + 4 + 4 * words
        if end > size:
            raise _refused(data, f"{words} words after the header", position + 2)
        padding = b""
        body_end = end
        if first & 0x20:
            # Only the last packet may be padded (sections 6.4.1 and A.2).
            if end != size:
                raise _refused(data, "padding in the last packet only", position)
            octets = data[end - 1] if words else 0
            if octets % 4 or not 4 <= octets <= 4 * words:
                raise _refused(
                    data, f"padding of 4 to {4 * words} octets, a multiple of 4", end - 1
                )
            body_end = end - octets
            padding = data[body_end:end]
        packets.append(read_packet(data, position, body_end, padding))
        position = end
    return packets


def build_compound(packets: Sequence[RTCPPacket]) -> bytes:
    """Write a datagram that keeps the rules of RFC 3550 section 6.1.

    Raises:
        BuildError: It would not start with a report, would lack the CNAME of who reports, or would
            pad a packet that is not the last; or a packet cannot be built.
    """
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise BuildError("A compound RTCP packet starts with a sender or receiver report.")
    ssrc = packets[0].ssrc
    if not any(
        chunk.ssrc == ssrc and any(item.type == CNAME for item in chunk.items)
        for packet in packets
        if isinstance(packet, SourceDescription)
        for chunk in packet.chunks
    ):
        raise BuildError(f"A compound RTCP packet has the CNAME of its sender, {ssrc:#010x}.")
    if any(packet.padding for packet in packets[:-1]):
        raise BuildError("Only the last packet of a compound RTCP packet is padded.")
    return b"".join(map(bytes, packets))


def _refused(data: bytes, expected: str, position: int) -> ParseError:
    return ParseError(data, expected, position, what="RTCP packet")
