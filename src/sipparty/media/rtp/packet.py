"""One RTP packet (RFC 3550 section 5.1), from bytes and back.

Laws:

* `RTPPacket.parse(data)` gives a packet or raises `ParseError`; `bytes(packet)` gives the same
  octets back, padding and header extension included.
* What RFC 3550 section A.1 can check without knowing the sender is checked here: version, that the
  CSRC list, the header extension and the padding are inside the packet. What needs history
  (sequence, source) is `RTPReceiver`'s.
* The header extension is opaque (RFC 8285 elements are not looked into).
* This module reads no clock and draws no number.

    octets   field                                   struct
    0        V=2, P, X, CC                           B
    1        M, PT                                   B
    2-3      sequence number                         H
    4-7      timestamp                               I
    8-11     SSRC                                    I
    12-      CSRC list, extension, payload, padding
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sipparty.errors import BuildError, ParseError

__all__ = [
    "RTP_HEADER_SIZE",
    "RTP_VERSION",
    "HeaderExtension",
    "RTPPacket",
    "looks_like_rtcp",
    "sequence_difference",
    "timestamp_difference",
]

#: The only version there is (RFC 3550 section 5.1).
RTP_VERSION: Final = 2
#: Octets in the fixed header.
RTP_HEADER_SIZE: Final = 12
#: How many contributing sources the four bits of CC can count.
_MAX_CSRC: Final = 15

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")

_PADDING_BIT: Final = 0x20
_EXTENSION_BIT: Final = 0x10
_CSRC_COUNT: Final = 0x0F
_MARKER_BIT: Final = 0x80
_PAYLOAD_TYPE: Final = 0x7F


def sequence_difference(a: int, b: int) -> int:
    """How far the 16-bit sequence number `a` is ahead of `b`, from -32768 to 32767, across the
    wrap.
    """
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def timestamp_difference(a: int, b: int) -> int:
    """How far the 32-bit timestamp `a` is ahead of `b`, from -2**31 to 2**31 - 1, across the
    wrap.
    """
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def looks_like_rtcp(data: bytes) -> bool:
    """Whether a datagram on a shared port is RTCP and not RTP (RFC 5761 section 4).

    The packet type of RTCP is in 192 to 223; an RTP packet has that octet only with the payload
    types 64 to 95 and the marker, which RFC 5761 keeps free.
    """
    return len(data) > 1 and 192 <= data[1] <= 223


class HeaderExtension(NamedTuple):
    """The header extension (RFC 3550 section 5.3.1), unread.

    Args:
        profile: The 16 bits "defined by profile"; 0xBEDE says one-byte elements (RFC 8285 section
            4.2).
        data: Its octets, a multiple of four.
    """

    profile: int
    data: bytes


class RTPPacket:
    """One RTP packet.

    Args:
        payload_type: What the payload is, 0 to 127.
        sequence: Sequence number, 0 to 65535.
        timestamp: Sampling instant of the first octet, in ticks of the format's clock, 32 bits.
        ssrc: The synchronization source, 32 bits.
        payload: The media.
        marker: The marker bit; for audio, the first packet after a pause (RFC 3551 section 4.1).
        csrc: Contributing sources, at most 15.
        extension: The header extension, or None.
        padding: Padding octets, the last of which counts them all; or that count, for octets of
            zero before it.

    The fields are not checked one by one: `bytes(packet)` raises `BuildError` for what no packet
    can hold.
    """

    __slots__ = (
        "csrc",
        "extension",
        "marker",
        "padding",
        "payload",
        "payload_type",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(
        self,
        payload_type: int,
        sequence: int,
        timestamp: int,
        ssrc: int,
        payload: bytes = b"",
        *,
        marker: bool = False,
        csrc: tuple[int, ...] = (),
        extension: HeaderExtension | None = None,
        padding: bytes | int = b"",
    ) -> None:
        self.payload_type = payload_type
        self.sequence = sequence
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.payload = payload
        self.marker = marker
        self.csrc = csrc
        self.extension = extension
        self.padding: bytes = _pad(padding) if isinstance(padding, int) else padding

    @classmethod
    def parse(cls, data: bytes) -> RTPPacket:
        """Read one datagram.

        Raises:
            ParseError: It is no RTP packet (RFC 3550 section A.1).
        """
        size = len(data)
        if size < RTP_HEADER_SIZE:
            raise _refused(data, f"a header of {RTP_HEADER_SIZE} octets, not {size} octets", size)
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first >> 6 != RTP_VERSION:
            raise _refused(data, f"version {RTP_VERSION}, not {first >> 6}", 0)
        start = RTP_HEADER_SIZE
        end = size
        csrc: tuple[int, ...] = ()
        extension: HeaderExtension | None = None
        padding = b""
        if first & 0x3F:  # most packets have none of the three
            count = first & _CSRC_COUNT
            if count:
                if size < start + 4 * count:
                    raise _refused(data, f"{count} contributing sources", start)
                csrc = struct.unpack_from(f"!{count}I", data, start)
                start += 4 * count
            if first & _EXTENSION_BIT:
                if size < start + 4:
                    raise _refused(data, "a header extension", start)
                profile, words = _EXTENSION.unpack_from(data, start)
                start += 4
                if size < start + 4 * words:
                    raise _refused(data, f"a header extension of {words} words", start)
                extension = HeaderExtension(profile, bytes(data[start : start + 4 * words]))
                start += 4 * words
            if first & _PADDING_BIT:
                octets = data[-1] if size > start else 0
                if not 1 <= octets <= size - start:
                    raise _refused(
                        data, f"padding of 1 to {size - start} octets, not {octets}", size - 1
                    )
                end = size - octets
                padding = bytes(data[end:])
        return cls(
            second & _PAYLOAD_TYPE,
            sequence,
            timestamp,
            ssrc,
            bytes(data[start:end]),
            marker=second >= _MARKER_BIT,
            csrc=csrc,
            extension=extension,
            padding=padding,
        )

    def __bytes__(self) -> bytes:
        """The octets to send.

        Raises:
            BuildError: A field does not fit its place in the packet.
        """
        payload_type = self.payload_type
        if not 0 <= payload_type <= _PAYLOAD_TYPE:
            raise BuildError(f"An RTP payload type is 0 to 127, not {payload_type}.")
        first = RTP_VERSION << 6
        middle = b""
        if self.csrc or self.extension is not None or self.padding:
            flags, middle = self._middle()
            first |= flags
        second = payload_type | _MARKER_BIT if self.marker else payload_type
        try:
            header = _HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)
        except struct.error as error:
            raise BuildError(f"{self!r} does not fit an RTP header: {error}.") from None
        return header + middle + self.payload + self.padding

    def _middle(self) -> tuple[int, bytes]:
        """The flags of the first octet, and what stands between the fixed header and the
        payload.
        """
        flags = len(self.csrc)
        if flags > _MAX_CSRC:
            raise BuildError(f"An RTP packet names at most {_MAX_CSRC} contributing sources.")
        try:
            middle = struct.pack(f"!{flags}I", *self.csrc)
            if self.extension is not None:
                profile, data = self.extension
                if len(data) % 4:
                    raise BuildError(
                        f"A header extension is a multiple of 4 octets, not {len(data)} octets."
                    )
                flags |= _EXTENSION_BIT
                middle += _EXTENSION.pack(profile, len(data) // 4) + data
        except struct.error as error:
            raise BuildError(f"{self!r} does not fit an RTP header: {error}.") from None
        if self.padding:
            if self.padding[-1] != len(self.padding):
                raise BuildError(
                    f"The last octet of the padding counts its {len(self.padding)} octets, "
                    f"and is not {self.padding[-1]}."
                )
            flags |= _PADDING_BIT
        return flags, middle

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RTPPacket):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return (
            f"RTPPacket(payload_type={self.payload_type}, sequence={self.sequence}, "
            f"timestamp={self.timestamp}, ssrc={self.ssrc:#010x}, marker={self.marker}, "
            f"payload={len(self.payload)} octets)"
        )


def _pad(octets: int) -> bytes:
    if not 0 <= octets <= 255:
        raise BuildError(f"RTP padding is 0 to 255 octets, not {octets}.")
    return bytes(octets - 1) + bytes((octets,)) if octets else b""


def _refused(data: bytes, expected: str, position: int) -> ParseError:
    return ParseError(bytes(data), expected, position, what="RTP packet")
