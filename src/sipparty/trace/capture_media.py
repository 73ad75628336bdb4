"""The media of the calls in a capture: whose RTP a packet is, by the SDP of the messages before it,
how many there were, and which keys.

Laws:

1. A packet is of the call whose description has named its destination, or else its source. Without
   a description there is no call, and its packets are not media.
2. Descriptions are read leniently: an m= line of audio, its c= line, its formats; what cannot be
   read is passed over.
3. Keys of encrypted media are not looked for.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final

from sipparty.late import late_pattern
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.receiving import EventReceiver
from sipparty.media.rtp.packet import RTPPacket, looks_like_rtcp
from sipparty.sdp import STATIC_PAYLOAD_TYPES
from sipparty.trace.records import KeyRecord, MediaRecord, TraceRecord

__all__ = ["CapturedMedia"]

_Address = tuple[str, int]

_RTP: Final = struct.Struct("!BBHII")
_LINES: Final = late_pattern(
    rb"^(?:c=IN IP[46] (?P<host>[^\s/]+)|m=(?P<kind>[a-z]+) (?P<port>\d{1,5})\S* (?P<profile>\S+)"
    rb"(?P<formats>[ \d]*)|a=rtpmap:(?P<type>\d{1,3}) (?P<name>[^\s/]+)/(?P<rate>\d{1,6}))",
    re.IGNORECASE | re.MULTILINE,
)
#: Encoding and clock rate of the payload types that need no rtpmap (RFC 3551 §6).
_STATIC: Final = {
    kind: (each.encoding, each.clock_rate) for kind, each in STATIC_PAYLOAD_TYPES.items()
}
_WORD: Final = 0xFFFF
#: Places of media that are remembered, and the formats of each, at most.
_MOST_PLACES: Final = 65_536


class _Place:
    """An end of a stream, as a description names it."""

    __slots__ = ("call_id", "formats", "owner", "secret")

    def __init__(self, call_id: str, owner: _Address, secret: bool) -> None:
        self.call_id = call_id
        #: Where the signalling of that end comes from.
        self.owner = owner
        self.secret = secret
        self.formats: dict[int, tuple[str, int]] = {}


class _Way:
    """The packets of one direction of a stream."""

    __slots__ = ("before", "count", "first", "formats", "highest", "keys", "ssrc", "time")

    def __init__(self) -> None:
        #: How many there were, and of them how many before the source that is heard.
        self.count = self.before = 0
        self.first = self.highest = 0
        self.ssrc: int | None = None
        self.time = 0.0
        #: How many packets of each payload type.
        self.formats: dict[int, int] = {}
        self.keys: EventReceiver | None = None


class _Stream:
    """A stream: its packets, by the direction that they go in."""

    __slots__ = ("began", "ended", "lost", "ways")

    def __init__(self, now: float) -> None:
        self.began = self.ended = now
        self.lost = 0
        self.ways: dict[_Address, _Way] = {}


class CapturedMedia:
    """Media, as it comes along in a capture.

    Attributes:
        records: The keys so far, and after `finish` the sums.
    """

    def __init__(self) -> None:
        self.records: list[TraceRecord] = []
        self._places: dict[_Address, _Place] = {}
        self._streams: dict[tuple[str, _Address, _Address], _Stream] = {}

    def describe(self, call_id: str, source: _Address, body: bytes) -> None:
        """Take note of a session description.

        Args:
            call_id: The call that it belongs to.
            source: Where the message came from.
            body: The description.
        """
        session_host, host, place = b"", b"", None
        for found in _LINES.finditer(body):
            if found["host"] is not None:
                host = found["host"]
                if place is None:
                    session_host = host
                else:
                    self._put(host, place)
            elif found["kind"] is not None:
                host, port = session_host, int(found["port"])
                place = None
                if found["kind"] == b"audio" and 0 < port <= 65_535:
                    secret = b"SAVP" in found["profile"].upper()
                    place = (port, _Place(call_id, source, secret))
                    for one in found["formats"].split()[:64]:
                        if int(one) in _STATIC:
                            place[1].formats[int(one)] = _STATIC[int(one)]
                    self._put(host, place)
            elif place is not None and len(place[1].formats) < 64:
                name = found["name"].decode("ascii", "replace")
                place[1].formats[int(found["type"])] = (name, int(found["rate"]) or 8000)

    def _put(self, host: bytes, place: tuple[int, _Place]) -> None:
        if len(self._places) < _MOST_PLACES:
            port, made = place
            address = host.decode("ascii", "replace").lower(), port
            former = self._places.get(address)
            # A proxy passes on what an end has said: it is whose it was first.
            if former is not None and former.call_id == made.call_id:
                made.owner = former.owner
            self._places[address] = made

    def take(self, source: _Address, destination: _Address, data: bytes, now: float) -> bool:
        """Take a datagram; whether it is RTP or RTCP of a call."""
        to, of = self._places.get(destination), self._places.get(source)
        place = to or of
        if place is None or len(data) < 12 or data[0] >> 6 != 2:
            near = ((one[0], one[1] - 1) in self._places for one in (destination, source))
            return len(data) >= 8 and data[0] >> 6 == 2 and looks_like_rtcp(data) and any(near)
        if looks_like_rtcp(data):
            return True
        _, kind, number, timestamp, ssrc = _RTP.unpack_from(data)
        ends = min(source, destination), max(source, destination)
        stream = self._streams.get((place.call_id, *ends))
        if stream is None:
            stream = self._streams[place.call_id, *ends] = _Stream(now)
        stream.ended = now
        way = stream.ways.get(source)
        if way is None:
            way = stream.ways[source] = _Way()
        self._count(stream, way, number, ssrc)
        payload_type = kind & 127
        way.formats[payload_type] = way.formats.get(payload_type, 0) + 1
        name, rate = _format(payload_type, to, of)
        if name.lower() == "telephone-event" and not place.secret:
            ends = (of or place).owner, (to or place).owner
            receiver = way.keys = way.keys or EventReceiver({})
            receiver.clock_rates = {payload_type: rate}
            payload = RTPPacket.parse(data).payload
            events = receiver.receive(payload_type, number, timestamp, kind > 127, payload, now)
            self._note(way, events, now, ends, place.call_id)
        return True

    def _count(self, stream: _Stream, way: _Way, number: int, ssrc: int) -> None:
        if way.ssrc != ssrc:
            stream.lost += _missing(way)
            way.ssrc, way.first, way.highest = ssrc, number, number
            way.count, way.before = way.count + 1, way.count
            return
        ahead = (number - way.highest) & _WORD
        if ahead < 0x8000:
            way.highest += ahead
        way.count += 1

    def _note(
        self,
        way: _Way,
        events: Iterable[object],
        now: float,
        ends: tuple[_Address, _Address],
        call: str,
    ) -> None:
        for event in events:
            if isinstance(event, DigitReceived):
                way.time = now
            elif isinstance(event, DigitEnded):
                self.records.append(
                    KeyRecord(way.time, *ends, call, event.digit, "sent", event.duration)
                )

    def finish(self) -> None:
        """Make the sums."""
        for (call, one, other), stream in self._streams.items():
            first = next(iter(stream.ways))
            second = other if first == one else one
            sent, received = stream.ways[first], stream.ways.get(second, _Way())
            of, to = self._places.get(first), self._places.get(second)
            for way, place in ((sent, of or to), (received, to or of)):
                if way.keys is not None and place is not None:
                    ends = (of or place).owner, (to or place).owner
                    ends = ends if way is sent else ends[::-1]
                    self._note(way, way.keys.reset(), stream.ended, ends, call)
            kinds = sorted(sent.formats, key=lambda kind: -sent.formats[kind])
            names = [_format(kind, to, of)[0] for kind in kinds]
            codec = next((name for name in names if name.lower() not in _SIGNALS), "")
            self.records.append(
                MediaRecord(
                    stream.ended,
                    of.owner if of else first,
                    to.owner if to else second,
                    sent.count,
                    received.count,
                    stream.lost + _missing(sent) + _missing(received),
                    codec,
                    stream.ended - stream.began,
                    call,
                )
            )


#: Formats that are no codecs.
_SIGNALS: Final = frozenset({"", "telephone-event", "cn", "red"})


def _format(kind: int, *places: _Place | None) -> tuple[str, int]:
    """The name and the clock rate of a payload type, as the first says that knows it."""
    for place in places:
        if place is not None and kind in place.formats:
            return place.formats[kind]
    return _STATIC.get(kind, ("", 8000))


def _missing(way: _Way) -> int:
    """How many packets of the source that is heard did not come."""
    if way.ssrc is None:
        return 0
    return max(0, way.highest - way.first + 1 - (way.count - way.before))
