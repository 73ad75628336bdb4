"""Numbering what is sent of an RTP stream.

Laws:

* Time, the first sequence number, the first timestamp and the SSRC are arguments.
* The sequence goes up by one a packet, the timestamp by the ticks that pass, whether they were sent
  or not; the first packet after a pause has the marker (RFC 3551 section 4.1).
* `RTPSender.datagram` is a short way to the octets of the usual packet, which thousands a second
  are.
"""

from __future__ import annotations

import struct
from typing import Final

from sipparty.media.rtp.packet import RTPPacket

__all__ = ["RTPSender"]

#: The fixed header (RFC 3550 section 5.1), and its first octet where nothing follows it but the
#: payload.
_HEADER: Final = struct.Struct("!BBHII")
_PLAIN: Final = 0x80
_MARKER: Final = 0x80

_WORD: Final = 0xFFFFFFFF


class RTPSender:
    """Numbers the packets of one outgoing source.

    Args:
        ssrc: Its identifier; random (RFC 3550 section 8.1).
        sequence: The first packet's sequence number; random (section 5.1).
        timestamp: The first packet's timestamp; random.
        clock_rate: Ticks a second of the timestamp.

    Attributes:
        packets: RTP packets sent under this SSRC.
        octets: Payload octets sent under this SSRC.
        sent_at: When the last packet was sent under it, in seconds; None before.
    """

    __slots__ = (
        *("_paused", "_reference", "clock_rate", "octets", "packets", "sent_at"),
        *("sequence", "ssrc", "timestamp"),
    )

    def __init__(self, ssrc: int, sequence: int, timestamp: int, clock_rate: int = 8000) -> None:
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        self.timestamp = timestamp & _WORD
        self.clock_rate = clock_rate
        self.packets = 0
        self.octets = 0
        self.sent_at: float | None = None
        self._paused = True
        self._reference: float | None = None

    def send(self, payload: bytes, ticks: int, payload_type: int, now: float) -> RTPPacket:
        """The packet for a payload that lasts `ticks` and begins now, in seconds."""
        return RTPPacket.parse(self.datagram(payload, ticks, payload_type, now))

    def datagram(self, payload: bytes, ticks: int, payload_type: int, now: float) -> bytes:
        """The same packet, as it is sent."""
        header = _HEADER.pack(
            _PLAIN,
            payload_type | _MARKER if self._paused else payload_type,
            self.sequence,
            self.timestamp,
            self.ssrc,
        )
        self._paused = False
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + ticks) & _WORD
        self.packets += 1
        self.octets += len(payload)
        self.sent_at = now
        self._reference = now + ticks / self.clock_rate
        return header + payload

    def event(self, payload: bytes, ticks: int, kind: tuple[int, int, bool], now: float) -> bytes:
        """A packet of a telephone event, in the place of one of audio that lasts `ticks`.

        Args:
            payload: Its payload.
            ticks: How long the audio would be.
            kind: Its payload type, its timestamp, which is that of the event's beginning (RFC 4733
                section 2.2.1), and its marker.
            now: The time, in seconds.
        """
        timestamp = self.timestamp
        payload_type, self.timestamp, self._paused = kind
        data = self.datagram(payload, ticks, payload_type, now)
        self.timestamp = (timestamp + ticks) & _WORD
        return data

    def skip(self, ticks: int, now: float) -> None:
        """Let time pass without a packet: the timestamp goes on, the next packet has the marker."""
        self.timestamp = (self.timestamp + ticks) & _WORD
        self._paused = True
        self._reference = now + ticks / self.clock_rate

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp that stands for an instant, for a sender report (section 6.4.1)."""
        if self._reference is None:
            return self.timestamp
        return (self.timestamp + round((now - self._reference) * self.clock_rate)) & _WORD

    def change_ssrc(self, ssrc: int) -> None:
        """Go on under another identifier after a collision (section 8.2); the counts start anew."""
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.sent_at = None
