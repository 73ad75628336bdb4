"""The RTCP packets (RFC 3550 section 6, RFC 4585 section 6.1), each from its body and back.

Laws:

* `bytes(packet)` is one packet of a datagram, or `BuildError`; the datagram is
  `sipparty.media.rtcp`'s.
* What came is kept: padding octets, text that is no UTF-8, extensions, unknown types.

    type  name    class                count field   body
    200   SR      SenderReport         blocks        SSRC, sender info, report blocks, extension
    201   RR      ReceiverReport       blocks        SSRC, report blocks, extension
    202   SDES    SourceDescription    chunks        chunks of items
    203   BYE     Goodbye              sources       SSRCs, reason
    204   APP     ApplicationDefined   subtype       SSRC, name, data
    205   RTPFB   TransportFeedback    format        SSRC, media SSRC, opaque
    206   PSFB    PayloadFeedback      format        SSRC, media SSRC, opaque
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from sipparty.errors import BuildError, ParseError

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
    "read_packet",
]

#: The one SDES item that every compound packet carries (RFC 3550 section 6.5.1).
CNAME: Final = 1

_HEADER: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_PAIR: Final = struct.Struct("!II")
_WORD: Final = struct.Struct("!I")
#: What the five bits of the count field can count.
_MAX_COUNT: Final = 31


class ReportBlock(NamedTuple):
    """What a receiver says of one source (RFC 3550 section 6.4.1).

    Args:
        ssrc: The source it speaks of.
        fraction_lost: Packets lost since the last report, in 1/256 of those expected, 0 to 255.
        cumulative_lost: Packets lost since the beginning, -2**23 to 2**23 - 1; negative where
            duplicates came.
        highest_sequence: Extended highest sequence number received, 32 bits.
        jitter: Interarrival jitter in timestamp ticks.
        last_sr: The middle 32 bits of the NTP timestamp of the last sender report; 0 for none.
        delay_since_last_sr: In 1/65536 s; 0 for none.
    """

    ssrc: int
    fraction_lost: int = 0
    cumulative_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay_since_last_sr: int = 0


class SDESItem(NamedTuple):
    """One item of a source description: its type (1 is CNAME) and its text, at most 255 octets of
    UTF-8.

    Octets that are no UTF-8 are kept as surrogate escapes, so that what came can be written back.
    """

    type: int
    text: str


class SDESChunk(NamedTuple):
    """What a source description says of one source."""

    ssrc: int
    items: tuple[SDESItem, ...] = ()


@dataclass(frozen=True, slots=True)
class RTCPPacket:
    """What every RTCP packet has.

    Args:
        padding: Padding octets, the last of which counts them all; allowed in the last packet of a
            datagram only.
    """

    packet_type: ClassVar[int] = -1
    padding: bytes = field(default=b"", kw_only=True)

    def _parts(self) -> tuple[int, bytes]:
        """The count field and the body."""
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        """One packet of a datagram; raises `BuildError` where a field does not fit its place."""
        try:
            count, body = self._parts()
            if not 0 <= count <= _MAX_COUNT:
                raise BuildError(
                    f"The count of {type(self).__name__} is 0 to {_MAX_COUNT}, not {count}."
                )
            if len(body) % 4:
                raise BuildError(
                    f"The body of {type(self).__name__} is a multiple of 4 octets, "
                    f"not {len(body)} octets."
                )
            first = 0x80 | count
            if self.padding:
                if len(self.padding) % 4 or self.padding[-1] != len(self.padding):
                    raise BuildError(
                        "RTCP padding is a multiple of 4 octets, the last of which counts them."
                    )
                first |= 0x20
                body += self.padding
            return _HEADER.pack(first, self._type(), len(body) // 4) + body
        except struct.error as error:
            raise BuildError(f"{self!r} does not fit an RTCP packet: {error}.") from None

    def _type(self) -> int:
        return self.packet_type


@dataclass(frozen=True, slots=True)
class SenderReport(RTCPPacket):
    """What a sender says of itself and of whom it hears (RFC 3550 section 6.4.1).

    Args:
        ssrc: The sender.
        ntp: Wallclock time as a 64-bit NTP timestamp.
        rtp_timestamp: The same instant on the clock of the stream.
        packet_count: RTP packets sent since the beginning.
        octet_count: Payload octets sent since the beginning.
        reports: At most 31 report blocks.
        extension: Profile-specific extension (section 6.4.3), a multiple of four octets.
    """

    packet_type: ClassVar[int] = 200
    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()
    extension: bytes = b""

    def _parts(self) -> tuple[int, bytes]:
        info = _SENDER_INFO.pack(
            self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count
        )
        return len(self.reports), info + _pack_blocks(self.reports) + self.extension

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> SenderReport:
        ssrc, ntp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack(
            reader.take(_SENDER_INFO.size, "sender information")
        )
        blocks = reader.blocks(count)
        return cls(
            ssrc, ntp, rtp_timestamp, packets, octets, blocks, reader.rest(), padding=reader.padding
        )


@dataclass(frozen=True, slots=True)
class ReceiverReport(RTCPPacket):
    """What one who sends nothing says of whom it hears (RFC 3550 section 6.4.2).

    Args:
        ssrc: Who reports.
        reports: At most 31 report blocks; none where nothing was heard.
        extension: Profile-specific extension (section 6.4.3), a multiple of four octets.
    """

    packet_type: ClassVar[int] = 201
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()
    extension: bytes = b""

    def _parts(self) -> tuple[int, bytes]:
        body = _WORD.pack(self.ssrc) + _pack_blocks(self.reports) + self.extension
        return len(self.reports), body

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> ReceiverReport:
        ssrc = reader.word("an SSRC")
        return cls(ssrc, reader.blocks(count), reader.rest(), padding=reader.padding)


@dataclass(frozen=True, slots=True)
class SourceDescription(RTCPPacket):
    """Who the sources are (RFC 3550 section 6.5)."""

    packet_type: ClassVar[int] = 202
    chunks: tuple[SDESChunk, ...] = ()

    @classmethod
    def cname(cls, ssrc: int, name: str) -> SourceDescription:
        """The description that every compound packet needs: one source and its canonical name."""
        return cls((SDESChunk(ssrc, (SDESItem(CNAME, name),)),))

    def _parts(self) -> tuple[int, bytes]:
        body = b""
        for ssrc, items in self.chunks:
            body += _WORD.pack(ssrc)
            for kind, text in items:
                octets = text.encode("utf-8", "surrogateescape")
                if not 1 <= kind <= 255 or len(octets) > 255:
                    raise BuildError(
                        f"An SDES item has a type of 1 to 255 and at most 255 octets of text; "
                        f"item {kind} has {len(octets)}."
                    )
                body += bytes((kind, len(octets))) + octets
            # One null octet ends the list, more fill the word (section 6.5).
            body += bytes(4 - len(body) % 4)
        return len(self.chunks), body

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> SourceDescription:
        chunks = []
        for _ in range(count):
            ssrc = reader.word("an SSRC")
            items = []
            while kind := reader.octet("an SDES item or the end of the list"):
                items.append(SDESItem(kind, reader.text("SDES text")))
            reader.align()
            chunks.append(SDESChunk(ssrc, tuple(items)))
        reader.finish("the end of the source description")
        return cls(tuple(chunks), padding=reader.padding)


@dataclass(frozen=True, slots=True)
class Goodbye(RTCPPacket):
    """Sources that leave (RFC 3550 section 6.6).

    Args:
        sources: Their SSRCs; none is valid, and useless.
        reason: Why, at most 255 octets of UTF-8; None for no word about it.
    """

    packet_type: ClassVar[int] = 203
    sources: tuple[int, ...] = ()
    reason: str | None = None

    def _parts(self) -> tuple[int, bytes]:
        body = struct.pack(f"!{len(self.sources)}I", *self.sources)
        if self.reason is not None:
            octets = self.reason.encode("utf-8", "surrogateescape")
            if len(octets) > 255:
                raise BuildError(f"A BYE's reason is at most 255 octets, not {len(octets)}.")
            text = bytes((len(octets),)) + octets
            body += text + bytes(-len(text) % 4)
        return len(self.sources), body

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> Goodbye:
        sources = struct.unpack(f"!{count}I", reader.take(4 * count, f"{count} sources"))
        reason = None
        if not reader.at_end:
            reason = reader.text("a reason for leaving")
            reader.align()
            reader.finish("the end of the reason")
        return cls(sources, reason, padding=reader.padding)


@dataclass(frozen=True, slots=True)
class ApplicationDefined(RTCPPacket):
    """An experiment of some application (RFC 3550 section 6.7).

    Args:
        ssrc: Its sender.
        name: Four octets of ASCII.
        data: A multiple of four octets.
        subtype: 0 to 31.
    """

    packet_type: ClassVar[int] = 204
    ssrc: int
    name: bytes
    data: bytes = b""
    subtype: int = 0

    def _parts(self) -> tuple[int, bytes]:
        if len(self.name) != 4:
            raise BuildError(f"The name of an APP packet is 4 octets, not {self.name!r}.")
        return self.subtype, _WORD.pack(self.ssrc) + self.name + self.data

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> ApplicationDefined:
        ssrc = reader.word("an SSRC")
        name = reader.take(4, "a name of 4 octets")
        return cls(ssrc, name, reader.rest(), count, padding=reader.padding)


@dataclass(frozen=True, slots=True)
class Feedback(RTCPPacket):
    """Feedback to a sender (RFC 4585 section 6.1), its control information unread.

    Args:
        format: The feedback message type (FMT), 0 to 31.
        ssrc: Who says it.
        media_ssrc: Of which source.
        data: The feedback control information, a multiple of four octets.
    """

    format: int
    ssrc: int
    media_ssrc: int
    data: bytes = b""

    def _parts(self) -> tuple[int, bytes]:
        return self.format, _PAIR.pack(self.ssrc, self.media_ssrc) + self.data

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> Feedback:
        ssrc, media_ssrc = _PAIR.unpack(reader.take(_PAIR.size, "two SSRCs"))
        return cls(count, ssrc, media_ssrc, reader.rest(), padding=reader.padding)


@dataclass(frozen=True, slots=True)
class TransportFeedback(Feedback):
    """RTPFB: feedback about the transport (RFC 4585 section 6.2)."""

    packet_type: ClassVar[int] = 205


@dataclass(frozen=True, slots=True)
class PayloadFeedback(Feedback):
    """PSFB: feedback about the payload (RFC 4585 section 6.3)."""

    packet_type: ClassVar[int] = 206


@dataclass(frozen=True, slots=True)
class UnknownRTCP(RTCPPacket):
    """A packet of a type this module does not know, as it came.

    Args:
        type: The packet type, 0 to 255.
        count: The five bits beside the padding bit.
        body: What follows the header, without padding.
    """

    type: int
    count: int = 0
    body: bytes = b""

    def _type(self) -> int:
        return self.type

    def _parts(self) -> tuple[int, bytes]:
        return self.count, self.body


class _Reader:
    """A cursor over the body of one packet; what is missing raises `ParseError` about the whole
    datagram.
    """

    __slots__ = ("_data", "_end", "_position", "padding")

    def __init__(self, data: bytes, position: int, end: int, padding: bytes) -> None:
        self._data = data
        self._position = position
        self._end = end
        self.padding = padding

    @property
    def at_end(self) -> bool:
        return self._position >= self._end

    def take(self, octets: int, expected: str) -> bytes:
        start = self._position
        if start + octets > self._end:
            raise _refused(self._data, expected, start)
        self._position = start + octets
        return self._data[start : start + octets]

    def rest(self) -> bytes:
        return self.take(self._end - self._position, "the rest")

    def word(self, expected: str) -> int:
        return int.from_bytes(self.take(4, expected))

    def octet(self, expected: str) -> int:
        return self.take(1, expected)[0]

    def text(self, expected: str) -> str:
        octets = self.octet(f"the length of {expected}")
        return self.take(octets, f"{octets} octets of {expected}").decode(
            "utf-8", "surrogateescape"
        )

    def align(self) -> None:
        """Go to the next 32-bit boundary; every packet starts on one."""
        self._position = min(self._end, (self._position + 3) & ~3)

    def finish(self, expected: str) -> None:
        if not self.at_end:
            raise _refused(self._data, expected, self._position)

    def blocks(self, count: int) -> tuple[ReportBlock, ...]:
        size = _BLOCK.size
        data = self.take(size * count, f"{count} report blocks of {size} octets")
        return tuple(
            ReportBlock(
                ssrc,
                lost >> 24,
                # 24 bits with a sign (section 6.4.1)
                ((lost & 0xFFFFFF) ^ 0x800000) - 0x800000,
                *others,
            )
            for ssrc, lost, *others in _BLOCK.iter_unpack(data)
        )


_READERS: Final[dict[int, Callable[[_Reader, int], RTCPPacket]]] = {
    kind.packet_type: kind._read
    for kind in (
        SenderReport,
        ReceiverReport,
        SourceDescription,
        Goodbye,
        ApplicationDefined,
        TransportFeedback,
        PayloadFeedback,
    )
}


def read_packet(data: bytes, start: int, end: int, padding: bytes) -> RTCPPacket:
    """Read the packet whose header is at `start` of a datagram and whose body, unpadded, ends at
    `end`; the header was checked by the caller.

    Raises:
        ParseError: The body is not what its type and count ask for.
    """
    first, kind, _ = _HEADER.unpack_from(data, start)
    reader = _Reader(data, start + 4, end, padding)
    read = _READERS.get(kind)
    if read is not None:
        return read(reader, first & 0x1F)
    return UnknownRTCP(kind, first & 0x1F, reader.rest(), padding=padding)


def _pack_blocks(blocks: Iterable[ReportBlock]) -> bytes:
    out = []
    for block in blocks:
        if not (0 <= block.fraction_lost <= 255 and -0x800000 <= block.cumulative_lost <= 0x7FFFFF):
            raise BuildError(f"{block!r} does not fit: 8 bits of fraction, 24 bits of loss.")
        lost = block.fraction_lost << 24 | (block.cumulative_lost & 0xFFFFFF)
        out.append(_BLOCK.pack(block.ssrc, lost, *block[3:]))
    return b"".join(out)


def _refused(data: bytes, expected: str, position: int) -> ParseError:
    return ParseError(data, expected, position, what="RTCP packet")
