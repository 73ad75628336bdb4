"""Capture files: the frames in a pcap or pcapng file, up to where it ends or is damaged.

    pcap     a header of 24 bytes, then records: seconds, fraction, bytes kept, bytes there were
    pcapng   blocks: type, length, body, length again; sections say the byte order, interfaces the
             link type and the unit of time, packets the rest

The frames themselves are read by dpkt (`sipparty.trace.capture`). Nothing here raises for what is
in a file, but for what is no capture at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from sipparty.errors import ParseError

__all__ = ["CaptureFile", "Frame"]

#: Magic number: byte order and fractions of a second (the last two are microseconds too).
_PCAP: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_RESOLUTION, _OFFSET = 9, 14
#: No frame is longer: a length beyond it is damage.
_LONGEST: Final = 1 << 22
_GZIP: Final = b"\x1f\x8b"


class Frame(NamedTuple):
    """A frame.

    Args:
        time: When it was captured, in seconds since 1970.
        link: The link type, a number of the registry.
        data: Its bytes.
        cut: Whether there were more.
    """

    time: float
    link: int
    data: bytes
    cut: bool


class _Interface(NamedTuple):
    link: int
    unit: float
    offset: int
    snap: int


class CaptureFile:
    """The frames of a file; to be looped over once.

    Args:
        data: The file.
        name: What errors call it.

    Raises:
        ParseError: It is neither a pcap nor a pcapng file.

    Attributes:
        problem: Why the frames end before the file does, as a sentence; "" where they do not.
    """

    def __init__(self, data: bytes, name: str = "") -> None:
        self._data = data
        self.problem = ""
        if data[:4] not in _PCAP and data[:4] != struct.pack("<I", _SECTION):
            packed = ", not packed: gunzip it first" if data[:2] == _GZIP else ""
            what = f"capture file ({name})" if name else "capture file"
            raise ParseError(bytes(data[:16]), f"a pcap or pcapng file{packed}", what=what)

    def __iter__(self) -> Iterator[Frame]:
        return self._pcap() if self._data[:4] in _PCAP else self._pcapng()

    def _end(self, at: int, why: str) -> None:
        self.problem = f"The file is cut short, or damaged, at byte {at}: {why}."

    def _pcap(self) -> Iterator[Frame]:
        data = self._data
        order, unit = _PCAP[data[:4]]
        if len(data) < 24:
            return self._end(0, "its header is not whole")
        link = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
        header, at = struct.Struct(order + "IIII"), 24
        while at < len(data):
            if at + 16 > len(data):
                return self._end(at, "the header of a packet is not whole")
            seconds, fraction, kept, there = header.unpack_from(data, at)
            if kept > _LONGEST:
                return self._end(at, f"a packet of {kept} bytes cannot be")
            frame = data[at + 16 : at + 16 + kept]
            if len(frame) < kept:
                return self._end(at, "the last packet is not whole")
            yield Frame(seconds + fraction * unit, link, frame, there > kept)
            at += 16 + kept
        return None

    def _pcapng(self) -> Iterator[Frame]:
        data, at, order = self._data, 0, "<"
        interfaces: list[_Interface] = []
        time = 0.0
        while at < len(data):
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                found = _ORDERS.get(data[at + 8 : at + 12])
                if found is None:
                    return self._end(at, "a section has no byte order")
                order, interfaces = found, []
            if at + 12 > len(data):
                return self._end(at, "a block is not whole")
            kind, length = struct.unpack_from(order + "II", data, at)
            if length < 12 or length % 4 or length > _LONGEST:
                return self._end(at, f"a block of {length} bytes cannot be")
            body = data[at + 8 : at + length - 4]
            if at + length > len(data):
                return self._end(at, "the last block is not whole")
            try:
                if kind == _INTERFACE:
                    interfaces.append(_interface(body, order))
                elif kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                    frame = _packet(kind, body, order, interfaces, time)
                    time = frame.time
                    yield frame
            except (struct.error, IndexError):
                return self._end(at, "a block is shorter than it should be")
            at += length
        return None


def _interface(body: bytes, order: str) -> _Interface:
    link, snap = struct.unpack_from(order + "HxxI", body)
    unit, offset, at = 1e-6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == _RESOLUTION and len(value) == 1:
            unit = float(2.0 ** -(value[0] & 127) if value[0] & 128 else 10.0 ** -value[0])
        elif code == _OFFSET and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0]
        elif not code:
            break
        at += 4 + (length + 3) // 4 * 4
    return _Interface(link, unit, offset, snap)


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], time: float) -> Frame:
    if kind == _SIMPLE_PACKET:  # it has no time of its own
        there = struct.unpack_from(order + "I", body)[0]
        kept, start, on = min(there, len(body) - 4, interfaces[0].snap or there), 4, interfaces[0]
    else:
        number = struct.unpack_from(order + ("I" if kind == _PACKET else "H"), body)[0]
        high, low, kept, there = struct.unpack_from(order + "IIII", body, 4)
        start, on = 20, interfaces[number]
        time = ((high << 32) | low) * on.unit + on.offset
    frame = body[start : start + kept]
    if len(frame) < kept:
        raise IndexError
    return Frame(time, on.link, frame, there > kept)
