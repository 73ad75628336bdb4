"""What is counted of a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sipparty.media.rtp.sender import RTPSender
from sipparty.media.rtp.source import RTPReceiver

__all__ = ["MediaStatistics", "PlayoutCounts", "RemoteReport"]


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """What the other side says of what we send, in its last report.

    Args:
        fraction_lost: Lost since the report before, 0 to 1.
        lost: Packets lost since the beginning; negative where duplicates came.
        jitter: Interarrival jitter in seconds.
        round_trip_time: In seconds; None where it is not known yet.
    """

    fraction_lost: float
    lost: int
    jitter: float
    round_trip_time: float | None


class PlayoutCounts(Protocol):
    """What a playout buffer counts."""

    @property
    def duplicates(self) -> int:
        """Packets that had come before."""

    @property
    def late(self) -> int:
        """Packets that came when their time had passed."""

    @property
    def concealed(self) -> int:
        """Frames in which something was missing."""

    @property
    def dropped(self) -> int:
        """Packets thrown away because too many were waiting."""


@dataclass(frozen=True, slots=True)
class MediaStatistics:
    """What is counted of a stream.

    Args:
        packets_sent: RTP packets.
        octets_sent: Their payloads.
        packets_received: RTP packets of the source that is heard, and of those before it.
        octets_received: Their payloads.
        lost: Of them, by sequence number (RFC 3550 section A.3); negative where duplicates came.
        duplicates: Packets that had come before.
        late: Packets that came when their time had passed.
        concealed: Frames in which something was missing.
        dropped: Packets thrown away because too many were waiting.
        jitter: Interarrival jitter in seconds (RFC 3550 section A.8).
        ignored: Datagrams that were malformed, of unknown sources, of an unknown payload type, or
            came while nothing was to be heard.
        remote: The last report of the other side; None before one came.
    """

    packets_sent: int = 0
    octets_sent: int = 0
    packets_received: int = 0
    octets_received: int = 0
    lost: int = 0
    duplicates: int = 0
    late: int = 0
    concealed: int = 0
    dropped: int = 0
    jitter: float = 0.0
    ignored: int = 0
    remote: RemoteReport | None = None

    def with_playout(self, counts: PlayoutCounts) -> MediaStatistics:
        """These, and what a playout buffer has counted."""
        return replace(
            self,
            duplicates=self.duplicates + counts.duplicates,
            late=self.late + counts.late,
            concealed=self.concealed + counts.concealed,
            dropped=self.dropped + counts.dropped,
        )

    def with_sent(self, sender: RTPSender) -> MediaStatistics:
        """These, and what was sent."""
        return replace(
            self,
            packets_sent=self.packets_sent + sender.packets,
            octets_sent=self.octets_sent + sender.octets,
        )

    def with_received(
        self, receiver: RTPReceiver, ignored: int, remote: RemoteReport | None
    ) -> MediaStatistics:
        """These, with what was received, ignored and reported instead."""
        return replace(
            self,
            packets_received=receiver.packets,
            octets_received=receiver.octets,
            lost=receiver.lost,
            jitter=receiver.jitter,
            ignored=ignored,
            remote=remote,
        )
