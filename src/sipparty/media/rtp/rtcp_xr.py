"""Extended reports of RTCP (RFC 3611): what they say of a call's sound, and how far away the other
side is.

Laws:

* `ExtendedReport.read(packet)` reads what `parse_rtcp` gave as an unknown packet of type 207, or
  raises `ParseError`. Blocks of types that are not in the table are kept as they came (section 3).
* What is written fits its field: a share is 256 parts, a time at most 65535 ms, what is not known
  is the value that says so.

    block type   class             octets   section
    4            ReferenceTime      8       4.4
    5            LastReferences    12 each  4.5
    7            VoIPMetrics       32       4.7
    others       OtherBlock        any

`a=rtcp-xr` (section 5) asks the other side for reports; `asked_for(value)` says for which.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from sipparty.errors import BuildError, ParseError
from sipparty.media.rtp.rtcp import RTCPPacket, UnknownRTCP

__all__ = [
    "XR_TYPE",
    "ExtendedReport",
    "LastReferences",
    "OtherBlock",
    "Reference",
    "ReferenceTime",
    "VoIPMetrics",
    "XRBlock",
    "asked_for",
]

#: The packet type of extended reports.
XR_TYPE: Final = 207

_BLOCK: Final = struct.Struct("!BBH")
_REFERENCE: Final = struct.Struct("!III")
_VOIP: Final = struct.Struct("!I4B4H2b8B3H")
#: What a level, a factor or a score says where it is not known (section 4.7).
_UNKNOWN: Final = 127


class ReferenceTime(NamedTuple):
    """When this was sent, by the clock of a side that may send nothing else (section 4.4).

    Args:
        ntp: The time as a 64-bit NTP timestamp.
    """

    ntp: int


class Reference(NamedTuple):
    """The last reference time that came of one receiver (section 4.5).

    Args:
        ssrc: Of the receiver.
        last: The middle 32 bits of its NTP timestamp; 0 for none.
        delay: Since it came, in 1/65536 s; 0 for none.
    """

    ssrc: int
    last: int = 0
    delay: int = 0


class LastReferences(NamedTuple):
    """The answers to reference times, from which each receiver has its round trip (DLRR)."""

    references: tuple[Reference, ...]


class VoIPMetrics(NamedTuple):
    """How a stream is heard (section 4.7).

    Args:
        ssrc: The source that it is of.
        loss: The share of packets that did not come, 0 to 1.
        discarded: The share that came and was not played.
        burst_density: The share that was not played in bursts.
        gap_density: The share that was not played in gaps.
        burst_duration: The mean length of bursts, in seconds.
        gap_duration: The mean length of gaps, in seconds.
        round_trip: In seconds; 0 where it is not known.
        end_delay: From the network to the ear and from the mouth to the network, in seconds.
        signal_level: In dBm0; None where it is not known, as are those that follow.
        noise_level: In dBm0.
        echo_loss: Residual echo return loss, in dB.
        gmin: What ends a burst.
        r_factor: R, 0 to 100.
        external_r_factor: R of the rest of the way.
        mos_lq: The mean opinion score of listening, 1 to 5.
        mos_cq: That of conversation, which counts delay too.
        rx_config: Of concealment and buffer, as section 4.7.6 has its bits.
        nominal_delay: Of the playout buffer, in seconds.
        maximum_delay: The most that it has been.
        absolute_delay: The most that it can be.
    """

    ssrc: int
    loss: float = 0.0
    discarded: float = 0.0
    burst_density: float = 0.0
    gap_density: float = 0.0
    burst_duration: float = 0.0
    gap_duration: float = 0.0
    round_trip: float = 0.0
    end_delay: float = 0.0
    signal_level: int | None = None
    noise_level: int | None = None
    echo_loss: int | None = None
    gmin: int = 16
    r_factor: int | None = None
    external_r_factor: int | None = None
    mos_lq: float | None = None
    mos_cq: float | None = None
    rx_config: int = 0
    nominal_delay: float = 0.0
    maximum_delay: float = 0.0
    absolute_delay: float = 0.0


class OtherBlock(NamedTuple):
    """A block of another type, as it came.

    Args:
        type: 0 to 255.
        specific: The octet beside the type.
        body: A multiple of four octets.
    """

    type: int
    specific: int
    body: bytes


XRBlock: TypeAlias = ReferenceTime | LastReferences | VoIPMetrics | OtherBlock


@dataclass(frozen=True, slots=True)
class ExtendedReport(RTCPPacket):
    """An extended report (section 2).

    Args:
        ssrc: Who reports.
        blocks: What it says.
    """

    packet_type: ClassVar[int] = XR_TYPE
    ssrc: int
    blocks: tuple[XRBlock, ...] = ()

    def _parts(self) -> tuple[int, bytes]:
        return 0, struct.pack("!I", self.ssrc) + b"".join(map(_written, self.blocks))

    @classmethod
    def read(cls, packet: UnknownRTCP) -> ExtendedReport:
        """Read an unknown packet of type 207.

        Raises:
            ParseError: A block does not fit the packet, or its type.
        """
        data = packet.body
        if packet.type != XR_TYPE or len(data) < 4:
            raise _refused(data, "an extended report with an SSRC", 0)
        blocks: list[XRBlock] = []
        position = 4
        while position < len(data):
            if len(data) - position < _BLOCK.size:
                raise _refused(data, "a block header of 4 octets", position)
            kind, specific, words = _BLOCK.unpack_from(data, position)
            start = position + _BLOCK.size
            position = start + 4 * words
            if position > len(data):
                raise _refused(data, f"a block of {words} words", start - 2)
            body = data[start:position]
            size, read = _READERS.get(kind, (0, None))
            if read is None:
                blocks.append(OtherBlock(kind, specific, body))
            elif len(body) != size and (kind != _DLRR or len(body) % size):
                raise _refused(data, f"{size} octets in a block of type {kind}", start)
            else:
                blocks.append(read(body))
        return cls(int.from_bytes(data[:4]), tuple(blocks), padding=packet.padding)


_RRTR, _DLRR, _METRICS = 4, 5, 7


def _read_references(body: bytes) -> LastReferences:
    return LastReferences(tuple(Reference(*each) for each in _REFERENCE.iter_unpack(body)))


def _read_metrics(body: bytes) -> VoIPMetrics:
    ssrc, *values = _VOIP.unpack(body)
    signal, noise, echo, gmin, rating, external, listening, talking, config, _ = values[8:18]
    fields: list[Any] = [each / 256 for each in values[:4]]
    fields += [each / 1000 for each in values[4:8]]
    fields += [_known(signal), _known(noise), _known(echo), gmin, _known(rating), _known(external)]
    fields += [None if each == _UNKNOWN else each / 10 for each in (listening, talking)]
    fields += [config, *(each / 1000 for each in values[18:])]
    return VoIPMetrics(ssrc, *fields)


#: By block type: how many octets it has, or each part of it, and what reads them.
_READERS: Final[dict[int, tuple[int, Callable[[bytes], XRBlock]]]] = {
    _RRTR: (8, lambda body: ReferenceTime(int.from_bytes(body))),
    _DLRR: (_REFERENCE.size, _read_references),
    _METRICS: (_VOIP.size, _read_metrics),
}


def _known(value: int) -> int | None:
    return None if value == _UNKNOWN else value


def _part(share: float) -> int:
    return min(max(int(share * 256), 0), 255)


def _milliseconds(seconds: float) -> int:
    return min(max(round(seconds * 1000), 0), 65535)


def _level(value: float | None, tenth: bool = False) -> int:
    if value is None:
        return _UNKNOWN
    return round(value * 10) if tenth else round(value)


def _written(block: XRBlock) -> bytes:
    """A block with its header; raises `struct.error` where a field does not fit its place."""
    specific = 0
    match block:
        case ReferenceTime():
            kind, body = _RRTR, struct.pack("!Q", block.ntp)
        case LastReferences():
            kind, body = _DLRR, b"".join(_REFERENCE.pack(*each) for each in block.references)
        case VoIPMetrics():
            kind, body = _METRICS, _metrics(block)
        case _:
            kind, specific, body = block
            if len(body) % 4:
                raise BuildError(f"A block has a multiple of 4 octets, not {len(body)}.")
    return _BLOCK.pack(kind, specific, len(body) // 4) + body


def _metrics(block: VoIPMetrics) -> bytes:
    return _VOIP.pack(
        block.ssrc,
        *map(_part, block[1:5]),
        *map(_milliseconds, block[5:9]),
        _level(block.signal_level),
        _level(block.noise_level),
        _level(block.echo_loss),
        block.gmin,
        _level(block.r_factor),
        _level(block.external_r_factor),
        _level(block.mos_lq, tenth=True),
        _level(block.mos_cq, tenth=True),
        block.rx_config,
        0,
        *map(_milliseconds, block[18:]),
    )


def _refused(data: bytes, expected: str, position: int) -> ParseError:
    return ParseError(data, expected, position, what="RTCP extended report")


def asked_for(value: str | None) -> frozenset[str]:
    """The names of the reports that the value of an `a=rtcp-xr` attribute asks for, in lower case:
    "voip-metrics", "rcvr-rtt", ...; none of None.
    """
    return frozenset(one.partition("=")[0].casefold() for one in (value or "").split())
