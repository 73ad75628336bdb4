"""Captures: records as a pcapng file, for Wireshark and its kin.

Laws:

1. The file is pcapng with microseconds, link type 101 (raw IP): each packet begins with its IPv4 or
   IPv6 header. What is no message (states, keys, quality, notes) is a comment of a packet: of the
   last message of its call before it, or the first one.
2. The network and transport headers are made up around the bytes that were seen, with right lengths
   and checksums. Datagrams get UDP. Streams get TCP: three packets that open it at its first
   message, then segments whose sequence and acknowledgement numbers count the bytes.
3. TLS and WebSocket are gone before a message is seen, so their messages stand in the file in the
   clear, as TCP. Keep it accordingly, and have Wireshark "Decode As" SIP where the port makes it
   expect TLS or HTTP: ``tshark -d tcp.port==5061,sip``.
4. A message that both ends reported is written once, and so is an RTP packet.
5. The file is whole after each record: it can be read while it grows, or from a pipe.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterable
from typing import IO, Final

from sipparty.errors import BuildError
from sipparty.trace.records import TraceRecord
from sipparty.trace.text import one_line
from sipparty.trace.wirelog import Echoes, WireRecord

__all__ = ["PcapWriter", "write_pcap"]

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_End = tuple[_IP, int]

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_COMMENT: Final = 1
#: Characters of a comment that are written.
_LONGEST: Final = 8_000

_TCP, _UDP = 6, 17
_SYN, _PSH, _ACK = 0x02, 0x08, 0x10
_HOP_LIMIT: Final = 64
_WINDOW: Final = 65_535

#: The bytes of a stream that go into one segment: what an Ethernet frame leaves for IPv6 and TCP.
_SEGMENT: Final = 1440

#: The bytes that fit a UDP datagram (RFC 768; RFC 791 §3.1 for the IPv4 header before it).
_LARGEST: Final = {4: 65_535 - 8 - 20, 6: 65_535 - 8}

#: Transports that are datagrams; all others are streams.
_MEDIA: Final = frozenset({"RTP", "RTCP"})
_DATAGRAMS: Final = frozenset({"UDP", "DTLS", *_MEDIA})


class PcapWriter:
    """Writes messages to a pcapng file; also a tap for `Wire.add`, and a context manager.

    Args:
        file: A path, which is created or overwritten and closed by `close`, or a binary file that
            is open for writing, which stays the caller's.

    Raises:
        OSError: The file cannot be opened or written.
    """

    def __init__(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        self._owned = isinstance(file, (str, os.PathLike))
        # Unbuffered, so that one write is one whole record.
        self._file: IO[bytes] = open(file, "wb", 0) if self._owned else file  # type: ignore[arg-type,assignment]  # noqa: SIM115
        self._echoes = Echoes()
        #: The next sequence number of each direction of each stream.
        self._next: dict[tuple[_End, _End], int] = {}
        self._identification = 0
        # Byte order, version 1.0, no length; then one interface: link type, no limit of length.
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        interface = struct.pack("<HHI", 101, 0, 0)
        self._write(_block(_SECTION, section) + _block(_INTERFACE, interface))

    def __call__(self, record: WireRecord, comments: Iterable[str] = ()) -> None:
        """Write one record, unless the other end's report of the same message was written.

        Args:
            record: The record.
            comments: What is to be said of it; of several packets, the last has them.

        Raises:
            BuildError: An address is not an IP address and a port, the time is before 1970 or
                beyond all measure, or a datagram is longer than IP can carry. Nothing was written.
            OSError: The file cannot be written.
        """
        source, destination = _ends(record)
        if not 0 <= record.time < 1 << 40:
            raise BuildError(
                f"A capture cannot hold the time {record.time!r}: expected seconds since 1970,"
                f" below 2**40."
            )
        size, largest = len(record.data), _LARGEST[source[0].version]
        datagram = record.transport in _DATAGRAMS
        if datagram and size > largest:
            raise BuildError(
                f"A datagram of {size} bytes does not fit IP: expected {largest} at most."
            )
        if self._echoes.is_echo(record):
            return
        if datagram:
            packets = [self._packet(_UDP, source, destination, record.data)]
        else:
            packets = self._segments(source, destination, record.data)
        microseconds = round(record.time * 1e6)
        options = b"".join(map(_comment, comments))
        *others, last = packets
        self._write(
            b"".join(_packet(microseconds, one) for one in others)
            + _packet(microseconds, last, options)
        )

    def close(self) -> None:
        """Close the file if it was opened here; a file of the caller's is flushed."""
        if self._owned:
            self._file.close()
        else:
            self._file.flush()

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        if not self._owned:
            self._file.flush()

    def _segments(self, source: _End, destination: _End, data: bytes) -> list[bytes]:
        """The packets of the next bytes of a stream, those that open it before the first."""
        there, back = (source, destination), (destination, source)
        packets = []
        if there not in self._next:
            # Who sent first opened it, as far as is known: clients send first in SIP.
            self._next[there], self._next[back] = 1, 1
            packets = [
                self._segment(source, destination, 0, 0, _SYN),
                self._segment(destination, source, 0, 1, _SYN | _ACK),
                self._segment(source, destination, 1, 1, _ACK),
            ]
        for at in range(0, len(data), _SEGMENT):
            piece = data[at : at + _SEGMENT]
            flags = _ACK | (_PSH if at + _SEGMENT >= len(data) else 0)
            sequence, acknowledged = self._next[there], self._next[back]
            packets.append(self._segment(source, destination, sequence, acknowledged, flags, piece))
            self._next[there] = (sequence + len(piece)) % (1 << 32)
        return packets

    def _segment(
        self, source: _End, destination: _End, seq: int, ack: int, flags: int, data: bytes = b""
    ) -> bytes:
        rest = struct.pack("!IIBBHHH", seq, ack, 5 << 4, flags, _WINDOW, 0, 0)
        return self._packet(_TCP, source, destination, data, rest)

    def _packet(
        self, protocol: int, source: _End, destination: _End, data: bytes, rest: bytes = b""
    ) -> bytes:
        """An IP packet with a UDP (RFC 768) or TCP (RFC 9293 §3.1) header before the data.

        The argument `rest` is what a TCP header has after its ports, its checksum zero.
        """
        ports = struct.pack("!HH", source[1], destination[1])
        (src, _), (dst, _) = source, destination
        length = (20 if protocol == _TCP else 8) + len(data)
        if src.version == 4:  # RFC 768 "pseudo header"
            pseudo = src.packed + dst.packed + struct.pack("!BBH", 0, protocol, length)
        else:  # RFC 8200 §8.1
            pseudo = src.packed + dst.packed + struct.pack("!IHBB", length, 0, 0, protocol)
        if protocol == _TCP:
            check = _checksum(pseudo + ports + rest + data)
            payload = ports + rest[:12] + struct.pack("!HH", check, 0) + data
        else:
            head = ports + struct.pack("!H", length)
            # Zero would say that there is no checksum.
            check = _checksum(pseudo + head + b"\0\0" + data) or 0xFFFF
            payload = head + struct.pack("!H", check) + data
        if src.version == 6:  # RFC 8200 §3
            begin = struct.pack("!IHBB", 6 << 28, len(payload), protocol, _HOP_LIMIT)
            return begin + src.packed + dst.packed + payload
        self._identification = (self._identification + 1) & 0xFFFF
        total = 20 + len(payload)
        ident = self._identification
        header = struct.pack("!BBHHHBBH", 0x45, 0, total, ident, 0, _HOP_LIMIT, protocol, 0)
        header += src.packed + dst.packed  # RFC 791 §3.1
        return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + payload


def write_pcap(file: str | os.PathLike[str] | IO[bytes], records: Iterable[TraceRecord]) -> None:
    """Write records to a pcapng file, in order of time; those that are no messages, as comments.

    Args:
        file: As for `PcapWriter`.
        records: What to write, such as a `Recorder` or a `Trace`.

    Raises:
        BuildError: As for `PcapWriter`.
        OSError: The file cannot be opened or written.
    """
    ordered = sorted(records, key=lambda record: record.time)
    echoes = Echoes(limit=max(1, len(ordered)))
    packets: list[tuple[WireRecord, list[str]]] = []
    #: The comments of the latest message of each call ("" for any); of calls that have none yet.
    latest: dict[str, list[str]] = {}
    early: dict[str, list[str]] = {}
    for record in ordered:
        call = record.call_id
        if isinstance(record, WireRecord):
            if echoes.is_echo(record):
                continue
            packets.append((record, early.pop(call, []) if call else []))
            if record.transport not in _MEDIA:
                latest[call] = latest[""] = packets[-1][1]
        else:
            comments = latest[call] if call in latest else early.setdefault(call, [])
            comments.append(str(record))
    with PcapWriter(file) as writer:
        for packet, comments in packets:
            writer(packet, comments)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def _packet(microseconds: int, packet: bytes, options: bytes = b"") -> bytes:
    high, low, size = microseconds >> 32, microseconds & 0xFFFF_FFFF, len(packet)
    head = struct.pack("<IIIII", 0, high, low, size, size)
    end = bytes(4) if options else b""
    return _block(_PACKET, head + packet + bytes(-size % 4) + options + end)


def _comment(text: str) -> bytes:
    data = one_line(text, _LONGEST).encode()
    return struct.pack("<HH", _COMMENT, len(data)) + data + bytes(-len(data) % 4)


def _ends(record: WireRecord) -> tuple[_End, _End]:
    """Source and destination, both of one family: IPv4 if that can be."""
    source, destination = _end(record.source), _end(record.destination)
    if source[0].version != destination[0].version:
        # A socket bound to :: may well speak IPv4; else IPv4 has its place in IPv6 (RFC 4291).
        if source[0].is_unspecified:
            source = _wildcard(destination[0].version), source[1]
        elif destination[0].is_unspecified:
            destination = _wildcard(source[0].version), destination[1]
        else:
            source, destination = _mapped(source), _mapped(destination)
    return source, destination


def _end(address: tuple[str, int]) -> _End:
    host, port = address
    if not (isinstance(port, int) and 0 <= port <= 65_535):
        raise BuildError(f"{address!r} is not an address for a packet: expected a port to 65535.")
    try:
        ip = ipaddress.ip_address(host.partition("%")[0]) if host else ipaddress.IPv4Address(0)
    except ValueError:
        raise BuildError(
            f"{address!r} is not an address for a packet: expected an IP address, not a name."
        ) from None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped, port
    return ip, port


def _wildcard(version: int) -> _IP:
    return ipaddress.IPv4Address(0) if version == 4 else ipaddress.IPv6Address(0)


def _mapped(end: _End) -> _End:
    ip, port = end
    if ip.version == 4:
        return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed), port
    return end


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the complement of the sum, carries added in, of 16 bits."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
