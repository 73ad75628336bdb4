"""The steps of probes that have media: RTP and RTCP as bytes (RFC 3550), without the library that
is probed.

The peer's ports are `{rtp}` and `{rtcp}`, and a second pair `{rtp2}` and `{rtcp2}`, once `Ports`
was played.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from .probe import Scene, Step
from .stage import LOOPBACK

__all__ = [
    "Counts",
    "Forget",
    "HearsRTCP",
    "HearsRTP",
    "Packet",
    "Ports",
    "SaysRTCP",
    "SaysRTP",
    "compound",
    "rtp",
]


@dataclass(frozen=True)
class Packet:
    """An RTP packet that came.

    Attributes:
        source: The port that it came from.
    """

    source: int
    marker: bool
    kind: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def read(cls, data: bytes, source: int) -> Packet:
        """Read it; the party has no reason for padding, extensions or contributors."""
        assert len(data) >= 12, f"RTP of {len(data)} bytes"
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first == 0x80, f"RTP begins with {first:#x}: RFC 3550 §5.1 has 0x80"
        return cls(source, second > 127, second & 127, sequence, timestamp, ssrc, data[12:])


def rtp(
    sequence: int,
    *,
    kind: int = 0,
    ssrc: int = 0x5EED,
    timestamp: int | None = None,
    payload: bytes = b"\xff" * 160,
    first: int = 0x80,
    marker: bool = False,
    more: bytes = b"",
) -> bytes:
    """Make an RTP packet.

    Args:
        sequence: Its number; the timestamp follows from it where none is given.
        kind: The payload type.
        ssrc: The source.
        timestamp: The timestamp.
        payload: The payload.
        first: The first byte: version, padding, extension and how many contributors.
        marker: The marker.
        more: What is between header and payload.
    """
    at = sequence * 160 if timestamp is None else timestamp
    head = struct.pack(
        "!BBHII", first, kind | marker << 7, sequence & 0xFFFF, at & 0xFFFFFFFF, ssrc
    )
    return head + more + payload


def compound(*packets: tuple[int, int, bytes]) -> bytes:
    """Make an RTCP datagram of packets: the type, the count in the header, and the rest."""
    made = b""
    for kind, count, rest in packets:
        assert len(rest) % 4 == 0
        made += struct.pack("!BBH", 0x80 | count, kind, len(rest) // 4) + rest
    return made


def read_compound(data: bytes) -> list[tuple[int, int, bytes]]:
    """Read an RTCP datagram (RFC 3550 §6.1, A.2)."""
    found = []
    while data:
        assert len(data) >= 4, "RFC 3550 §6.1: a packet in the datagram is cut off"
        first, kind, length = struct.unpack_from("!BBH", data)
        size = 4 * (length + 1)
        assert first >> 6 == 2, "RFC 3550 §6.4.1: the version is 2"
        assert not first & 0x20, "RFC 3550 §6.4.1: the party has no reason for padding"
        assert size <= len(data), "RFC 3550 §6.1: a packet is longer than the datagram"
        found.append((kind, first & 31, data[4:size]))
        data = data[size:]
    return found


@dataclass(frozen=True)
class Ports(Step):
    """Have ports for RTP and RTCP, two pairs."""

    def play(self, scene: Scene) -> None:
        """Bind them."""
        for pair in (("rtp", "rtcp"), ("rtp2", "rtcp2")):
            for name, sock in zip(pair, _pair(), strict=True):
                scene.opened.append(sock)
                scene.kept[f"socket.{name}"] = sock
                scene.kept[name] = sock.getsockname()[1]


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets, at an even port and the next one (RFC 3550 §11)."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.setblocking(False)
        second.setblocking(False)
        first.bind((LOOPBACK, 0))
        port = first.getsockname()[1]
        if port % 2 == 0:
            with contextlib.suppress(OSError):
                second.bind((LOOPBACK, port + 1))
                return first, second
        first.close()
        second.close()


def _theirs(scene: Scene) -> int:
    """The party's port for RTP, by its last description."""
    for message in (scene.kept.get("final"), *scene.heard.values()):
        found = message and re.search(rb"(?m)^m=audio (\d+) ", message.body)
        if found:
            port = int(found[1])
            assert port % 2 == 0, f"RFC 3550 §11: RTP has an even port, not {port}"
            return port
    raise AssertionError("the party has told no port")


def _read(scene: Scene, name: str) -> list[tuple[bytes, int]]:
    scene.stage.clock.advance()
    found = []
    while True:
        try:
            data, (_, port) = scene.kept[f"socket.{name}"].recvfrom(4096)
        except BlockingIOError:
            return found
        if data:  # one of no octets keeps the binding of a NAT open
            found.append((data, port))


@dataclass(frozen=True)
class SaysRTP(Step):
    """The peer sends RTP.

    Args:
        packets: The datagrams.
        every: Seconds that pass after each.
        by: Which of our ports.
    """

    packets: tuple[bytes, ...]
    every: float = 0.02
    by: str = "rtp"

    def play(self, scene: Scene) -> None:
        """Send them."""
        for packet in self.packets:
            scene.kept[f"socket.{self.by}"].sendto(packet, (LOOPBACK, _theirs(scene)))
            scene.stage.clock.advance(self.every)


@dataclass(frozen=True)
class SaysRTCP(Step):
    """The peer sends an RTCP datagram; it may name the party's SSRC, as `make` is given it."""

    make: bytes | Callable[[int], bytes]
    by: str = "rtcp"

    def play(self, scene: Scene) -> None:
        """Send it."""
        made = self.make
        data = made(scene.kept.get("ssrc", 0)) if callable(made) else made
        scene.kept[f"socket.{self.by}"].sendto(data, (LOOPBACK, _theirs(scene) + 1))
        scene.stage.clock.advance()


@dataclass(frozen=True)
class Forget(Step):
    """What has come to our ports by now is not looked at."""

    def play(self, scene: Scene) -> None:
        """Read it."""
        for name in ("rtp", "rtcp", "rtp2", "rtcp2"):
            _read(scene, name)


@dataclass(frozen=True)
class HearsRTP(Step):
    """So many packets have come, in order and on time (RFC 3550 §5.1).

    Args:
        number: How many; a pair for at least and at most.
        at: To which of our ports.
        kind: Their payload type.
        ticks: By how much the timestamp goes on from one to the next, and how many octets of
            payload each has.
        marker: Whether the first one has the marker.
        goes_on: Whether they go on where the last ones ended, of the same source.
    """

    number: int | tuple[int, int]
    at: str = "rtp"
    kind: int = 0
    ticks: int = 160
    marker: bool | None = None
    goes_on: bool | None = None

    def play(self, scene: Scene) -> None:
        """Look at them."""
        packets = [Packet.read(data, port) for data, port in _read(scene, self.at)]
        low, high = self.number if isinstance(self.number, tuple) else (self.number, self.number)
        assert low <= len(packets) <= high, f"{len(packets)} came"
        if not packets:
            return
        assert {one.source for one in packets} == {_theirs(scene)}, (
            "RFC 4961 §3: sent from the port that is received at"
        )
        assert {one.kind for one in packets} == {self.kind}, f"{packets[0].kind} is their type"
        assert {len(one.payload) for one in packets} == {self.ticks}, f"{packets[0]} came"
        for before, one in itertools.pairwise(packets):
            assert one.ssrc == before.ssrc, "the SSRC changed"
            assert (one.sequence - before.sequence) % 65536 == 1, f"{before} and {one}"
            assert (one.timestamp - before.timestamp) % 2**32 == self.ticks, f"{before}, {one}"
            assert not one.marker, "RFC 3551 §4.1: the marker is for the first of a talkspurt"
        if self.marker is not None:
            assert packets[0].marker is self.marker, f"the marker is {packets[0].marker}"
        last: Packet | None = scene.kept.get("last")
        if self.goes_on is not None:
            assert last is not None, "The probe is wrong: nothing came before."
            assert (packets[0].ssrc == last.ssrc) is self.goes_on, "the SSRC"
        if self.goes_on:
            assert last is not None
            assert (packets[0].sequence - last.sequence) % 65536 == 1, "the sequence goes on"
        scene.kept["last"] = packets[-1]
        scene.kept["ssrc"] = packets[-1].ssrc


@dataclass(frozen=True)
class HearsRTCP(Step):
    """Datagrams of RTCP have come, each as it should be (RFC 3550 §6.1).

    Args:
        number: How many; a pair for at least and at most.
        at: To which of our ports.
        kinds: The types of the packets of the last one; 200 SR, 201 RR, 202 SDES, 203 BYE.
        check: What else is asked of the last one; called with its packets, returns what is wrong.
    """

    number: int | tuple[int, int] = 1
    at: str = "rtcp"
    kinds: tuple[int, ...] = ()
    check: Callable[[Scene, list[tuple[int, int, bytes]]], str] | None = None

    def play(self, scene: Scene) -> None:
        """Look at them."""
        found = _read(scene, self.at)
        low, high = self.number if isinstance(self.number, tuple) else (self.number, self.number)
        assert low <= len(found) <= high, f"{len(found)} came"
        packets: list[tuple[int, int, bytes]] = []
        for data, source in found:
            assert source == _theirs(scene) + 1, "RFC 3550 §11: RTCP is of the next port"
            packets = read_compound(data)
            kinds = [kind for kind, _, _ in packets]
            assert kinds[0] in (200, 201), "RFC 3550 §6.1: a report comes first"
            assert 202 in kinds, "RFC 3550 §6.1: there is a source description"
            sdes = next(rest for kind, _, rest in packets if kind == 202)
            assert sdes[4] == 1, "RFC 3550 §6.5: there is a CNAME"
            assert sdes[5] > 0, "RFC 3550 §6.5.1: it is not empty"
            assert 203 not in kinds[:-1], "RFC 3550 §6.1: BYE comes last"
            assert len({rest[:4] for _, _, rest in packets}) == 1, "one source speaks"
        if self.kinds:
            assert tuple(kind for kind, _, _ in packets) == self.kinds, f"{packets} came"
        wrong = "" if self.check is None else self.check(scene, packets)
        assert not wrong, wrong


@dataclass(frozen=True)
class Counts(Step):
    """What the party counts of what it hears: attributes of its session's statistics."""

    wanted: dict[str, int] = field(default_factory=dict)

    def play(self, scene: Scene) -> None:
        """Compare."""
        scene.stage.clock.advance()
        calls = [one for one in scene.party.calls if one.call_id == scene.call_id]
        assert len(calls) == 1, f"the party has {len(calls)} such calls"
        statistics = scene.stage.engine.run(lambda: calls[0].session.statistics)
        found = {name: getattr(statistics, name) for name in self.wanted}
        assert found == self.wanted, f"it counts {found}"
