"""How a call sounds, while it lasts and when it is over: `call.quality`.

Laws:

* It is calculated when it is asked for, from what is counted anyway; a packet that comes as it
  should costs nothing here.
* Packets are counted by the other side's numbers (RFC 3550 section A.3), bursts and gaps as RFC
  3611 section 4.7.2 has them, R and MOS by the E-model (`sipparty.media.quality.emodel`).
* What came and was ignored is counted by reason. Nothing that comes raises.

    reason         what came
    rtp            to the port of RTP, and is no RTP
    rtcp           to the port of RTCP, and is no RTCP
    xr             an extended report that is none
    event          a telephone event that is none
    payload_type   of a payload type that was not agreed on
    source         of another source than the one that is heard, or of a host that takes no part
    hold           while nothing was to be heard
    own            under our own identifier (RFC 3550 section 8.2)
    srtp_*         what SRTP refused: `srtp_authentication` (another key, or not protected),
                   `srtp_replayed`, ... (`sipparty.media.srtp.transport.REASONS`)
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sipparty.media.events import OneWayAudio, QualityChanged, WrongPayloadType
from sipparty.media.quality.burst import BurstMeter
from sipparty.media.quality.emodel import impairment, mos, r_factor
from sipparty.media.quality.statistics import MediaStatistics, RemoteReport
from sipparty.media.rtp.rtcp_xr import VoIPMetrics
from sipparty.media.settings import StreamSettings
from sipparty.sip.events import MediaEvent

__all__ = ["IGNORED", "Quality", "QualityMeter"]

#: Why what came was ignored; see the module.
IGNORED: Final = ("rtp", "rtcp", "xr", "event", "payload_type", "source", "hold", "own")
#: Seconds of which the quality is compared with the limit.
_WINDOW: Final = 5.0
#: Packets that should have come in a window, so that it says something.
_LEAST: Final = 50
#: How much better than the limit is good again.
_MARGIN: Final = 0.1
#: How many wrong payload types are reported.
_MOST_TYPES: Final = 8
#: Reports in a row without a word of us, after which the other side is taken to hear nothing.
_DEAF_REPORTS: Final = 2


@dataclass(frozen=True, slots=True)
class Quality:
    """How a stream sounds here, and what is known of how it does there.

    Args:
        codec: What is sent, by its encoding name.
        mos: The mean opinion score to be expected of what is heard, by the E-model: 1 to 4.5.
        r_factor: R of the E-model, 0 to 100.
        loss: The share of packets that did not come, 0 to 1.
        discard_rate: The share that came and was not played: too late, or too many at once.
        jitter: Interarrival jitter in seconds (RFC 3550 section A.8).
        burst_density: The share of packets in bursts that was not played, 0 to 1.
        gap_density: The share of those in gaps.
        burst_duration: The mean length of bursts, in seconds.
        gap_duration: The mean length of gaps, in seconds.
        round_trip: To the other side and back, in seconds; None where it is not known.
        delay: From mouth to ear, in seconds: half the round trip, a packet, and the buffer.
        playout_delay: Of the playout buffer, in seconds.
        max_delay: The most that it may be.
        concealed: The share of frames in which something was missing, and filled, 0 to 1.
        underruns: How often what is played to the other side had nothing when it was to be sent.
        overruns: How many frames nobody fetched in time, of those who listen to what is heard.
        ignored: How many packets were ignored, by reason; see the module. Reasons of which there
            was none are not in it.
        remote: What the other side reports of what we send; None where it has not.
        remote_metrics: The same as an extended report; None where there was none.
        counts: What is counted.
    """

    codec: str = ""
    mos: float = 4.5
    r_factor: float = 100.0
    loss: float = 0.0
    discard_rate: float = 0.0
    jitter: float = 0.0
    burst_density: float = 0.0
    gap_density: float = 0.0
    burst_duration: float = 0.0
    gap_duration: float = 0.0
    round_trip: float | None = None
    delay: float = 0.0
    playout_delay: float = 0.0
    max_delay: float = 0.0
    concealed: float = 0.0
    underruns: int = 0
    overruns: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict, hash=False)
    remote: RemoteReport | None = None
    remote_metrics: VoIPMetrics | None = None
    counts: MediaStatistics = field(default_factory=MediaStatistics)

    def __repr__(self) -> str:
        trip = "" if self.round_trip is None else f", round trip {self.round_trip * 1000:.0f} ms"
        return (
            f"<Quality {self.codec}: MOS {self.mos:.2f}, loss {self.loss:.1%},"
            f" jitter {self.jitter * 1000:.1f} ms{trip}, {self.packets_sent} packets sent,"
            f" {self.packets_received} received>"
        )

    @property
    def packets_sent(self) -> int:
        """RTP packets that were sent."""
        return self.counts.packets_sent

    @property
    def packets_received(self) -> int:
        """RTP packets of the other side that came."""
        return self.counts.packets_received

    @property
    def late(self) -> int:
        """Packets that came when their time had passed."""
        return self.counts.late

    def with_line(self, refused: Mapping[str, int], underruns: int) -> Quality:
        """The same, with what SRTP has refused, by reason, and underruns of what is played."""
        # They are counted on while this is asked for on another thread: a copy is made at once.
        more = {f"srtp_{each}": n for each, n in {**refused}.items() if n}
        return replace(self, ignored={**self.ignored, **more}, underruns=underruns)

    def with_overruns(self, overruns: int) -> Quality:
        """The same, with what those who listen did not fetch in time."""
        return replace(self, overruns=overruns)

    def metrics(self, ssrc: int) -> VoIPMetrics:
        """The same as a block of an extended report, on the source that is heard (RFC 3611 section
        4.7).
        """
        return VoIPMetrics(
            ssrc,
            self.loss,
            self.discard_rate,
            self.burst_density,
            self.gap_density,
            self.burst_duration,
            self.gap_duration,
            self.round_trip or 0.0,
            self.playout_delay,
            r_factor=round(self.r_factor),
            mos_lq=mos(r_factor(self.loss + self.discard_rate, codec=impairment(self.codec))),
            mos_cq=self.mos,
            # Enhanced concealment, a buffer that adapts (section 4.7.6).
            rx_config=0b10_11_0000,
            nominal_delay=self.playout_delay,
            maximum_delay=self.playout_delay,
            absolute_delay=self.max_delay,
        )


class QualityMeter:
    """What is kept of a stream for its quality.

    Args:
        events: Takes what is news.
        limit: The mean opinion score below which `QualityChanged` is to be reported; None for none.

    Attributes:
        ignored: What was ignored, by reason.
        bursts: Takes what was lost.
        look_at: When to call `look` next, in seconds; never, where there is no limit.
    """

    def __init__(self, events: deque[MediaEvent], limit: float | None = None) -> None:
        self._events = events
        self.ignored: Counter[str] = Counter()
        self.bursts = BurstMeter()
        self.look_at = math.inf if limit is None else 0.0
        self._limit = limit
        self._good = True
        self._before: MediaStatistics | None = None
        self._wrong_types: set[int] = set()
        self._unheard = False

    def quality(
        self,
        counts: MediaStatistics,
        codec: str,
        *,
        packet_time: float = 0.02,
        delays: tuple[float, float] = (0.0, 0.0),
        frames: int = 0,
        round_trip: float | None = None,
        remote_metrics: VoIPMetrics | None = None,
        strays: int = 0,
    ) -> Quality:
        """The quality so far.

        Args:
            counts: What is counted of the stream.
            codec: The encoding name of what is sent.
            packet_time: Seconds of audio in a packet.
            delays: That of the playout buffer, and the most that it may be, in seconds.
            frames: Frames that were played.
            round_trip: In seconds; None for what the other side's report says.
            remote_metrics: The last of the other side.
            strays: Packets of other sources.
        """
        lost, discarded, expected = _missed(counts)
        bursts = self.bursts.measured(expected)
        if round_trip is None and counts.remote is not None:
            round_trip = counts.remote.round_trip_time
        delay = (round_trip or 0.0) / 2 + packet_time + delays[0]
        loss, discard_rate = (each / expected if expected else 0.0 for each in (lost, discarded))
        rating = r_factor(
            loss + discard_rate, delay, codec=impairment(codec), burst_ratio=bursts.burst_ratio
        )
        return Quality(
            codec,
            mos(rating),
            rating,
            loss,
            discard_rate,
            counts.jitter,
            bursts.burst_density,
            bursts.gap_density,
            bursts.burst_packets * packet_time,
            bursts.gap_packets * packet_time,
            round_trip,
            delay,
            *delays,
            min(counts.concealed / frames, 1.0) if frames else 0.0,
            # Of a copy, as packets may be counted on another thread meanwhile.
            ignored=dict(Counter({**self.ignored}) + Counter(source=strays)),
            remote=counts.remote,
            remote_metrics=remote_metrics,
            counts=counts,
        )

    # What is news.

    def look(self, quality: Quality, now: float) -> None:
        """Compare the last seconds with the limit; called when `look_at` has come."""
        limit, counts, before = self._limit, quality.counts, self._before
        if limit is None:
            return
        self.look_at = now + _WINDOW
        self._before = counts
        if before is None:
            return
        lost, discarded, expected = (
            max(after - then, 0)
            for after, then in zip(_missed(counts), _missed(before), strict=True)
        )
        if expected < _LEAST:
            return
        share = (lost + discarded) / expected
        score = mos(r_factor(share, quality.delay, codec=impairment(quality.codec)))
        good = score >= limit + (0 if self._good else _MARGIN)
        if good is not self._good:
            self._good = good
            self._events.append(QualityChanged(score, limit, good))

    def not_understood(
        self, payload_type: int, settings: StreamSettings, reported: bool = True
    ) -> None:
        """Note a packet of a payload type that was not agreed on; the first of a type is reported,
        if `reported` is true.
        """
        self.ignored["payload_type"] += 1
        known = self._wrong_types
        if not reported or payload_type in known or len(known) >= _MOST_TYPES:
            return
        known.add(payload_type)
        names = ", ".join(map(str, sorted(settings.receive)))
        reason = f"The other side sends payload type {payload_type}; agreed on was {names}."
        self._events.append(WrongPayloadType(payload_type, reason))

    def nothing_heard(self, seconds: float, packets_sent: int) -> None:
        """Nothing was ever heard, for so many seconds."""
        if packets_sent and not self._unheard:
            self._unheard = True
            reason = f"{packets_sent} packets were sent in {seconds:.0f} s, and none has come."
            self._events.append(OneWayAudio(heard=False, reason=reason))

    def reported(self, unheard: int, packets_sent: int) -> None:
        """The other side has reported so many times in a row without having heard us."""
        if not unheard:
            self._unheard = False
        if unheard >= _DEAF_REPORTS and packets_sent and not self._unheard:
            self._unheard = True
            reason = f"{packets_sent} packets were sent; the other side reports that none came."
            self._events.append(OneWayAudio(heard=True, reason=reason))


def _missed(counts: MediaStatistics) -> tuple[int, int, int]:
    """Packets that did not come, that came and were not played, and that should have come."""
    lost = max(counts.lost, 0)
    return lost, counts.late + counts.dropped, counts.packets_received + lost
