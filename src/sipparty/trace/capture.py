"""Captures, as records: `Ladder(read_capture("call.pcap").records)` draws anybody's calls.

Laws:

1. SIP is found on any port, over UDP and TCP, IPv4 and IPv6, in any link layer that dpkt knows;
   fragments and segments are put together (`sipparty.trace.capture_streams`).
2. A capture that is cut short or damaged gives all up to there, and says so. What else could not be
   read is counted, and said. Nothing in it raises, and nothing takes more than its time.
3. A message is "sent", by its source. RTP that a session description has announced is summed up in
   a `MediaRecord`, at the place of its last packet, and its telephone events are `KeyRecord`s.
4. What is encrypted stays so: SIP over TLS is not in it, and that of WebSockets is not looked for.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from sipparty.errors import UsageError
from sipparty.trace.capture_file import CaptureFile, Frame
from sipparty.trace.capture_media import CapturedMedia
from sipparty.trace.capture_streams import Fragments, Stream, is_sip
from sipparty.trace.records import TraceRecord
from sipparty.trace.text import summarise
from sipparty.trace.wirelog import WireRecord

__all__ = ["Capture", "read_capture", "read_datagrams"]

_Address = tuple[str, int]

#: Link types, and what reads them: a module and a class of dpkt.
_LINKS: Final = {
    0: "loopback.Loopback",
    1: "ethernet.Ethernet",
    9: "ppp.PPP",
    12: "ip",
    14: "ip",
    101: "ip",
    105: "ieee80211.IEEE80211",
    108: "loopback.Loopback",
    113: "sll.SLL",
    127: "radiotap.Radiotap",
    228: "ip",
    229: "ip",
    276: "sll2.SLL2",
}
#: Link types of "any" interface, where what this host sends to itself is captured twice.
_COOKED: Final = frozenset({113, 276})
#: Seconds in which a second copy comes, and how many packets are looked at for it.
_COPY_WITHIN: Final = 0.005
_COPIES: Final = 64
#: How deep headers may stand in each other.
_DEPTH: Final = 8
#: Streams that are followed at a time.
_MOST_STREAMS: Final = 65_536
_TCP, _UDP, _FRAGMENT = 6, 17, 44
_SYN: Final = 0x02


class Capture(NamedTuple):
    """What was found in a capture.

    Args:
        records: The messages, the sums of media and the keys, in order of time.
        truncated: Whether the file is cut short, or damaged, before its end.
        remarks: What could not be read, a sentence each.
    """

    records: list[TraceRecord]
    truncated: bool
    remarks: list[str]


def read_capture(path: str | os.PathLike[str]) -> Capture:
    """Read the calls in a capture, as tcpdump, Wireshark and others write them.

    Args:
        path: A pcap or pcapng file.

    Raises:
        OSError: It cannot be read.
        ParseError: It is no capture.
        UsageError: The package dpkt is not installed, which the extra `cli` has.
    """
    frames, reader = _frames(path), _Reader()
    for frame in frames:
        reader.take(frame)
    return reader.finish(frames.problem)


def read_datagrams(path: str | os.PathLike[str]) -> Iterator[tuple[float, bytes]]:
    """Yield what is in the UDP datagrams of a capture, as far as it can be read, each with the time
    in seconds since 1970.

    Args:
        path: As for `read_capture`, which says what it raises too.
    """
    reader = _Reader()
    for frame in _frames(path):
        try:
            found = reader.datagram(frame)
        except Exception:  # noqa: S112 - whatever bytes do to a parser, as in `take`
            continue
        if found is not None and found[2] == _UDP and not isinstance(found[3], bytes):
            yield frame.time, bytes(found[3].data)


def _frames(path: str | os.PathLike[str]) -> CaptureFile:
    try:
        import dpkt  # noqa: F401
    except ImportError:
        raise UsageError(
            "Reading a capture takes the package dpkt: pip install 'sipparty[cli]'."
        ) from None
    with open(path, "rb") as file:
        return CaptureFile(file.read(), os.fspath(path))


class _Reader:
    """One reading."""

    def __init__(self) -> None:
        self.records: list[TraceRecord] = []
        self.counts: Counter[str] = Counter()
        self.media = CapturedMedia()
        self.fragments = Fragments()
        self.streams: dict[tuple[_Address, _Address], Stream] = {}
        self.latest: dict[tuple[_Address, _Address], float] = {}
        self._links: dict[int, Any] = {}
        self._hosts: dict[bytes, str] = {}
        self._copies: deque[tuple[float, Any]] = deque(maxlen=_COPIES)

    def take(self, frame: Frame) -> None:
        """Take a frame."""
        self.counts["cut"] += frame.cut
        try:
            found = self.datagram(frame)
            if found is not None:
                self._transport(frame, *found)
        except Exception:
            # Whatever bytes do to a parser: they are of a packet that is not for us.
            self.counts["unread"] += 1

    # ---------------------------------------------------------------- layers

    def _link(self, number: int) -> Any:
        """What reads frames of a link type; None for nothing."""
        if number not in self._links:
            name = _LINKS.get(number)
            if name is None:
                self._links[number] = None
            elif name == "ip":
                v4, v6 = import_module("dpkt.ip").IP, import_module("dpkt.ip6").IP6
                self._links[number] = lambda data: (v6 if data[0] >> 4 == 6 else v4)(data)
            else:
                module, _, kind = name.partition(".")
                self._links[number] = getattr(import_module(f"dpkt.{module}"), kind)
        return self._links[number]

    def datagram(self, frame: Frame) -> tuple[str, str, int, Any, object] | None:
        """Source, destination, protocol, content and number of the IP datagram in a frame; None
        where there is none, or not all of it yet.
        """
        read = self._link(frame.link)
        if read is None:
            self.counts[f"link {frame.link}"] += 1
            return None
        packet, found = read(frame.data), None
        for _ in range(_DEPTH):
            if hasattr(packet, "src") and hasattr(packet, "p") and len(packet.src) in (4, 16):
                found = packet  # of tunnels the innermost
            packet = getattr(packet, "data", None)
            if packet is None or isinstance(packet, bytes):
                break
        if found is None:
            return None
        source, destination = self._host(found.src), self._host(found.dst)
        number, offset, more = 0, 0, False
        if len(found.src) == 4:
            number, offset, more = found.id, found.offset * 8, bool(found.mf)
        elif (part := found.extension_hdrs.get(_FRAGMENT)) is not None:
            number, offset, more = part.id, part.frag_off * 8, bool(part.m_flag)
        content = found.data
        if offset or more:
            key = (source, destination, number, found.p)
            content = self.fragments.add(key, offset, more, bytes(content))
            if content is None:
                return None
            if found.p == _UDP:
                content = import_module("dpkt.udp").UDP(content)
            elif found.p == _TCP:
                content = import_module("dpkt.tcp").TCP(content)
        return source, destination, found.p, content, number

    def _host(self, packed: bytes) -> str:
        host = self._hosts.get(packed)
        if host is None:
            host = self._hosts[packed] = str(ip_address(packed))
        return host

    def _transport(
        self,
        frame: Frame,
        source: str,
        destination: str,
        protocol: int,
        content: Any,
        number: object,
    ) -> None:
        if protocol not in (_TCP, _UDP) or isinstance(content, bytes):
            return
        ends = (source, int(content.sport)), (destination, int(content.dport))
        data = bytes(content.data)
        if frame.link in _COOKED and self._is_copy(frame.time, (*ends, number, data)):
            return
        if protocol == _TCP:
            self._segment(frame.time, ends, content.seq, bool(content.flags & _SYN), data)
        elif is_sip(data):
            self._message(frame.time, "UDP", ends, data)
        else:
            self.media.take(*ends, data, frame.time)

    def _is_copy(self, time: float, packet: object) -> bool:
        for at, other in self._copies:
            if other == packet and 0 <= time - at < _COPY_WITHIN:
                return True
        self._copies.append((time, packet))
        return False

    def _segment(
        self, time: float, ends: tuple[_Address, _Address], number: int, syn: bool, data: bytes
    ) -> None:
        stream = self.streams.get(ends)
        if stream is None:
            if len(self.streams) >= _MOST_STREAMS:
                self.counts["streams"] += 1
                return
            stream = self.streams[ends] = Stream()
        self.latest[ends] = time
        for message in stream.add(number, syn, data):
            self._message(time, "TCP", ends, message)

    def _message(
        self, time: float, transport: str, ends: tuple[_Address, _Address], data: bytes
    ) -> None:
        self.records.append(WireRecord(time, "sent", transport, *ends, data))
        if b"application/sdp" in data or b"\nm=audio" in data:
            summary = summarise(data)
            body = data.partition(b"\r\n\r\n")[2]
            if summary is not None and body:
                self.media.describe(summary.call_id, ends[0], body)

    # ---------------------------------------------------------------- the end

    def finish(self, problem: str) -> Capture:
        """Give what was found."""
        for ends, stream in self.streams.items():
            for message in stream.finish():
                self._message(self.latest[ends], "TCP", ends, message)
        self.fragments.finish()
        self.media.finish()
        records = sorted([*self.records, *self.media.records], key=lambda record: record.time)
        return Capture(records, bool(problem), list(self._remarks(problem)))

    def _remarks(self, problem: str) -> Iterator[str]:
        if problem:
            yield problem
        if self.counts["cut"]:
            yield f"{_packets(self.counts['cut'])} captured in part only (see -s of tcpdump)."
        for name, count in self.counts.items():
            if name.startswith("link "):
                yield f"{_packets(count)} of the link type {name[5:]}, which is not read."
        if self.counts["unread"]:
            yield f"{_packets(self.counts['unread'])} malformed, and not read."
        if self.fragments.lost:
            yield f"Of {self.fragments.lost} datagrams some fragments are missing."
        if self.counts["streams"]:
            yield f"There are more than {_MOST_STREAMS} streams: the others were not read."
        gaps = sum(stream.gaps for stream in self.streams.values() if stream.messages)
        if gaps:
            yield f"Segments of streams are missing in {gaps} places: messages there are lost."


def _packets(count: int) -> str:
    return "1 packet was" if count == 1 else f"{count} packets were"
