"""A capture of the loopback interface that needs no program and loses no packet.

Laws:

* The kernel filters and keeps the packets, with the time of each, until `save` reads them: on this
  interface a packet is in the capture before what sent it has returned.
* A packet that the kernel had no room for fails `save`.
* Linux alone has this, and only for users who may capture: elsewhere `OSError`.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from pathlib import Path

__all__ = ["LoopbackCapture"]

_ALL = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING: the other sight of a packet that the interface also brings in
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33
_ROOM = 16 << 20
_LONGEST = 65_600
_WHOLE = 0x40000

#: Instructions of the classic packet filter: load, compare, return.
_LDH, _LDB, _LDXB, _LDH_X = 0x28, 0x30, 0xB1, 0x48
_JEQ, _JGE, _JGT, _RET = 0x15, 0x35, 0x25, 0x06


def _filter(first: int, last: int) -> bytes:
    """The kernel's program that takes UDP and TCP from or to a port of a range."""
    # Label, code, value, where to if true, where to if false; "" is the next one.
    program = (
        ("", _LDH, 12, "", ""),
        ("", _JEQ, 0x0800, "", "six"),
        ("", _LDB, 23, "", ""),
        ("", _JEQ, socket.IPPROTO_UDP, "four", ""),
        ("", _JEQ, socket.IPPROTO_TCP, "", "refuse"),
        ("four", _LDXB, 14, "", ""),
        ("", _LDH_X, 14, "", ""),
        ("", _JGE, first, "", "four to"),
        ("", _JGT, last, "four to", "accept"),
        ("four to", _LDH_X, 16, "", ""),
        ("", _JGE, first, "end", "refuse"),
        ("six", _JEQ, 0x86DD, "", "refuse"),
        ("", _LDB, 20, "", ""),
        ("", _JEQ, socket.IPPROTO_UDP, "six from", ""),
        ("", _JEQ, socket.IPPROTO_TCP, "", "refuse"),
        ("six from", _LDH, 54, "", ""),
        ("", _JGE, first, "", "six to"),
        ("", _JGT, last, "six to", "accept"),
        ("six to", _LDH, 56, "", ""),
        ("", _JGE, first, "end", "refuse"),
        ("end", _JGT, last, "refuse", "accept"),
        ("accept", _RET, _WHOLE, "", ""),
        ("refuse", _RET, 0, "", ""),
    )
    places = {line[0]: place for place, line in enumerate(program)}
    made = b""
    for place, (_, code, value, true, false) in enumerate(program):
        jumps = [places[label] - place - 1 if label else 0 for label in (true, false)]
        made += struct.pack("HBBI", code, *jumps, value)
    return made


class LoopbackCapture:
    """Captures UDP and TCP on the loopback interface from the moment it is made.

    Args:
        first: First port of the range.
        last: Last port of the range.

    Raises:
        OSError: This user, or this system, may not capture.
    """

    def __init__(self, first: int, last: int) -> None:
        if not hasattr(socket, "AF_PACKET"):
            raise OSError("Only Linux captures so.")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            program = _filter(first, last)
            buffer = ctypes.create_string_buffer(program)
            attached = struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
            except OSError:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            self._socket.setblocking(False)
            # From here on packets come.
            self._socket.bind(("lo", _ALL))
        except BaseException:
            self._socket.close()
            raise

    def save(self, path: Path) -> None:
        """End the capture and write it to a pcap file."""
        with self._socket, path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
            while True:
                try:
                    data, control, _, address = self._socket.recvmsg(_LONGEST, 64)
                except BlockingIOError:
                    break
                if address[2] == _OUTGOING:
                    continue
                stamp = (int(time.time()), 0)
                for level, kind, payload in control:
                    if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                        stamp = struct.unpack("ll", payload[:16])
                file.write(struct.pack("<IIII", *stamp, len(data), len(data)) + data)
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            _, dropped = struct.unpack("II", statistics)
        assert not dropped, f"{dropped} packets are not in the capture {path}."

    def close(self) -> None:
        """End the capture; may be called more than once."""
        self._socket.close()
