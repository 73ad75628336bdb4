"""RTCP (RFC 3550 section 6, RFC 4585 section 6.1): its packets, and the datagrams they come in.

Laws:

* `parse_rtcp(data)` gives the packets of a datagram, or raises `ParseError`; with `compound=True`
  (the default) the datagram has also to keep the rules of sections 6.1 and A.2.
* `build_compound(packets)` gives a datagram that keeps those rules, or raises `BuildError`;
  `bytes(packet)` is one packet of it.
* What came is kept: padding octets, text that is no UTF-8, extensions, unknown types (section 6.1
  wants those ignored, not refused).

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
from collections.abc import Callable, Iterable, Sequence
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
    "build_compound",
    "parse_rtcp",
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
    UTF-8; others are kept as surrogate escapes, so that what came can be written back.
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
            kind = self.type if isinstance(self, UnknownRTCP) else self.packet_type
            words = (len(body) + len(self.padding)) // 4
            header = _HEADER.pack(0x80 | bool(self.padding) << 5 | count & 31, kind, words)
        except struct.error as error:
            raise BuildError(f"{self!r} does not fit an RTCP packet: {error}.") from None
        name, size, last = type(self).__name__, len(body), self.padding[-1:]
        if not 0 <= count <= _MAX_COUNT:
            raise BuildError(f"The count of {name} is 0 to {_MAX_COUNT}, not {count}.")
        if size % 4:
            raise BuildError(f"The body of {name} is a multiple of 4 octets, not {size} octets.")
        if last and (len(self.padding) % 4 or last[0] != len(self.padding)):
            what = "RTCP padding is a multiple of 4 octets, the last of which counts them."
            raise BuildError(what)
        return header + body + self.padding


@dataclass(frozen=True, slots=True)
class SenderReport(RTCPPacket):
    """What a sender reports of itself and of the sources it receives (RFC 3550 section 6.4.1).

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
        sent = self.rtp_timestamp, self.packet_count, self.octet_count
        info = _SENDER_INFO.pack(self.ssrc, self.ntp, *sent)
        return len(self.reports), info + _pack_blocks(self.reports) + self.extension

    @classmethod
    def _read(cls, reader: _Reader, count: int) -> SenderReport:
        info = reader.take(_SENDER_INFO.size, "sender information")
        ssrc, ntp, at, packets, octets = _SENDER_INFO.unpack(info)
        return cls(ssrc, ntp, at, packets, octets, reader.blocks(count), reader.rest())


@dataclass(frozen=True, slots=True)
class ReceiverReport(RTCPPacket):
    """What one who sends nothing reports of the sources it receives (RFC 3550 section 6.4.2).

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
        return cls(reader.word("an SSRC"), reader.blocks(count), reader.rest())


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
        return cls(tuple(chunks))


@dataclass(frozen=True, slots=True)
class Goodbye(RTCPPacket):
    """Sources that leave (RFC 3550 section 6.6).

    Args:
        sources: Their SSRCs; none is valid, and useless.
        reason: Why, at most 255 octets of UTF-8; None for none.
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
        if reader.octets_left:
            reason = reader.text("a reason for leaving")
            reader.align()
            reader.finish("the end of the reason")
        return cls(sources, reason)


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
        return cls(
            reader.word("an SSRC"), reader.take(4, "a name of 4 octets"), reader.rest(), count
        )


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
        return cls(count, ssrc, media_ssrc, reader.rest())


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

    def _parts(self) -> tuple[int, bytes]:
        return self.count, self.body


class _Reader:
    """A cursor over the body of one packet; what is missing raises `ParseError`."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self._data = data
        self._position = position
        self._end = end

    @property
    def octets_left(self) -> int:
        return self._end - self._position

    def take(self, octets: int, expected: str) -> bytes:
        start = self._position
        if start + octets > self._end:
            raise _refused(self._data, expected, start)
        self._position = start + octets
        return self._data[start : start + octets]

    def rest(self) -> bytes:
        return self.take(self.octets_left, "the rest")

    def word(self, expected: str) -> int:
        return int.from_bytes(self.take(4, expected))

    def octet(self, expected: str) -> int:
        return self.take(1, expected)[0]

    def text(self, expected: str) -> str:
        octets = self.octet(f"the length of {expected}")
        found = self.take(octets, f"{octets} octets of {expected}")
        return found.decode("utf-8", "surrogateescape")

    def align(self) -> None:
        """Go to the next 32-bit boundary; every packet starts on one."""
        self._position = min(self._end, (self._position + 3) & ~3)

    def finish(self, expected: str) -> None:
        if self.octets_left:
            raise _refused(self._data, expected, self._position)

    def blocks(self, count: int) -> tuple[ReportBlock, ...]:
        size = _BLOCK.size
        data = self.take(size * count, f"{count} report blocks of {size} octets")
        # The loss has 24 bits with a sign (section 6.4.1).
        return tuple(
            ReportBlock(ssrc, lost >> 24, ((lost & 0xFFFFFF) ^ 0x800000) - 0x800000, *others)
            for ssrc, lost, *others in _BLOCK.iter_unpack(data)
        )


_KINDS = (SenderReport, ReceiverReport, SourceDescription, Goodbye, ApplicationDefined)
_READERS: Final[dict[int, Callable[[_Reader, int], RTCPPacket]]] = {
    kind.packet_type: kind._read for kind in (*_KINDS, TransportFeedback, PayloadFeedback)
}


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
        reader, count = _Reader(data, position + 4, body_end), first & 0x1F
        read = _READERS.get(kind)
        packet = read(reader, count) if read else UnknownRTCP(kind, count, reader.rest())
        if padding:
            object.__setattr__(packet, "padding", padding)
        packets.append(packet)
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
