"""RTP packets in a file, as SIPp's `play_pcap_audio` takes it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from sipparty.media import RTPPacket, find_codec

from .sound import Sound

__all__ = ["write_packets", "write_rtp"]

#: A packet's length, and the port that stands for the first of the media's, which SIPp replaces.
_SECONDS, _PORT = 0.02, 4000


def write_rtp(
    path: Path, parts: Sequence[tuple[str, Sound]], *, six: bool = False, ssrc: int = 0x5EED
) -> Path:
    """Write a stream of packets of 20 ms, one part after the other, to a pcap file.

    Args:
        path: The file.
        parts: What is said, and the codec of each part; one with a payload type of its own.
        six: Whether the packets are of IPv6.
        ssrc: The stream's synchronization source.

    Returns:
        The path.
    """
    packets: list[bytes] = []
    timestamp = 16_000
    for codec, sound in parts:
        kind = find_codec(codec)
        pcm = sound.pcm(kind.sample_rate)
        encode = kind.make().encode
        ticks = round(kind.clock_rate * _SECONDS)
        size = 2 * ticks * kind.samples_per_tick
        for start in range(0, len(pcm) - size + 1, size):
            packets.append(
                bytes(
                    RTPPacket(
                        payload_type=kind.payload_type or 0,
                        sequence=len(packets),
                        timestamp=timestamp,
                        ssrc=ssrc,
                        payload=encode(pcm[start : start + size]),
                    )
                )
            )
            timestamp += ticks
    return write_packets(path, packets, six=six)


def write_packets(path: Path, packets: Sequence[bytes], *, six: bool = False) -> Path:
    """Write RTP packets, 20 ms apart, to a pcap file; return its path.

    Args:
        path: The file.
        packets: The packets.
        six: Whether they are of IPv6.
    """
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for number, packet in enumerate(packets):
            frame = _frame(packet, six)
            second, rest = divmod(round(number * _SECONDS * 1e6), 1_000_000)
            file.write(struct.pack("<IIII", second, rest, len(frame), len(frame)) + frame)
    return path


def _frame(payload: bytes, six: bool) -> bytes:
    """A packet between two ports of nobody."""
    udp = struct.pack(">HHHH", _PORT, _PORT, 8 + len(payload), 0) + payload
    if six:
        ip = struct.pack(">IHBB16s16s", 6 << 28, len(udp), 17, 64, bytes(16), bytes(16))
        return struct.pack(">12xH", 0x86DD) + ip + udp
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4))
    return struct.pack(">12xH", 0x0800) + ip + udp
