"""One audio stream without I/O: frames of audio on one side, datagrams on the other.

Laws:

* No socket, clock or chance: time is `now` in seconds, numbers come from `tokens`, datagrams go in
  and out as bytes.
* One `send_frame` and one `play_frame` for each frame of time; the stream sends, plays and reports
  as its `StreamSettings` say, which may change at any time.
* What is malformed, unknown or from an unknown source is counted and dropped, never raised. Which
  source is known, and where media goes, is for `sipparty.media.rtp.remote` to say.
* Every packet of the source that is heard is counted as received, whether it is played or not (RFC
  3550 section A.3): on hold, telephone events, comfort noise.
* The usual packet, the next one of the source that is heard, takes a short way, which does what the
  long one would. `_steady` is that source; None where the long way may have something to report.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from sipparty.errors import ParseError
from sipparty.media.codecs import AudioCodec
from sipparty.media.events import (
    DestinationLearnt,
    MediaProven,
    MediaUnproven,
    RemoteFellSilent,
    RemoteLeft,
    SourceHeard,
)
from sipparty.media.pcm import silence
from sipparty.media.playout.agreed import agreed_buffer, expecting, goes_on
from sipparty.media.quality.quality import Quality, QualityMeter
from sipparty.media.quality.statistics import MediaStatistics
from sipparty.media.rtp.keep_alive import KeepAlive
from sipparty.media.rtp.packet import RTP_HEADER_SIZE, RTPPacket
from sipparty.media.rtp.remote import RemoteEnd
from sipparty.media.rtp.reports import StreamReports
from sipparty.media.rtp.rtcp import Goodbye
from sipparty.media.rtp.sender import RTPSender
from sipparty.media.rtp.silence import SilenceWatch
from sipparty.media.rtp.source import Address, RTPReceiver, RTPSource
from sipparty.media.settings import ReceivedFormat, StreamSettings
from sipparty.sip.events import MediaEvent
from sipparty.sip.unproven import UnprovenHosts

if TYPE_CHECKING:
    from sipparty.media.dtmf.stream_keys import StreamKeys

__all__ = ["AudioStream"]

#: The fixed header, and its first octet where nothing but the payload follows it.
_HEADER: Final = struct.Struct("!BBHII")
_PLAIN: Final = 0x80
#: How many addresses are remembered as looping our own packets (section 8.2).
_MAX_CONFLICTS: Final = 8
#: How many events may wait to be taken; protects memory where nobody takes them.
_MAX_EVENTS: Final = 64


class AudioStream:
    """One audio stream, both directions.

    Args:
        settings: What was agreed on.
        now: The time it starts, in seconds.
        tokens: Gives a random number of so many bits.
        epoch: Unix time less `now`: what turns one into the other.
        cname: The canonical name for RTCP; unique and of no meaning (RFC 3550 section 6.5.1).
        signalling, symmetric, latch, unproven, behind_nat, confirmed: As for `RemoteEnd`.
        unproven_hosts: Its `hosts`.
        silence_after: Seconds of nothing after which `RemoteFellSilent` is reported, once.
        silent: Seconds without RTP and RTCP, where something should be heard, after which
            `MediaTimedOut` is reported, once; None for never.
        min_delay: Least delay of the playout buffer, in seconds.
        max_delay: Most delay of it.
        mos_limit: The mean opinion score below which `QualityChanged` is reported; None for none.
        accept_echo: Whether to hear packets under our own SSRC, which are a collision or a loop by
            RFC 3550 section 8.2; for an echo service that returns packets unchanged.

    Attributes:
        events: What happened, to be taken from the left.
        settings: What was agreed on; change it with `apply`.
        samples: Samples in a frame that is sent.
    """

    def __init__(
        self,
        settings: StreamSettings,
        now: float,
        tokens: Callable[[int], int],
        *,
        epoch: float = 0.0,
        cname: str = "",
        signalling: str | None = None,
        symmetric: bool = True,
        latch: float = 10.0,
        unproven: float | None = None,
        unproven_hosts: UnprovenHosts | None = None,
        behind_nat: Callable[[str], bool] | None = None,
        confirmed: bool = True,
        silence_after: float = 10.0,
        silent: float | None = None,
        min_delay: float = 0.04,
        max_delay: float = 0.4,
        mos_limit: float | None = None,
        accept_echo: bool = False,
    ) -> None:
        self.settings = settings
        self.samples, self._ticks = settings.samples, settings.ticks
        self._silent_payload: bytes | None = None
        self._steady: RTPSource | None = None
        self._steady_type = -1  # the payload type that it sends
        self.events: deque[MediaEvent] = deque(maxlen=_MAX_EVENTS)
        self._tokens = tokens
        self._end = RemoteEnd(
            settings.remote,
            settings.remote_rtcp,
            now,
            signalling=signalling,
            symmetric=symmetric,
            latch=latch,
            unproven=unproven,
            hosts=unproven_hosts,
            behind_nat=behind_nat,
            confirmed=confirmed,
        )
        self._keep_alive = KeepAlive(self._end)
        self._silence = SilenceWatch(now, silence_after, silent)
        self._accept_echo = accept_echo
        self._delays = (min_delay, max_delay)
        rate = settings.codec.clock_rate
        self._sender = RTPSender(tokens(32), tokens(15), tokens(32), rate)  # RFC 4568 section 6.4
        self._receiver = RTPReceiver(rate, rank=self._rank)
        self._quality = QualityMeter(self.events, mos_limit)
        self._ignored = self._quality.ignored
        self._reports = StreamReports(
            self._sender,
            self._receiver,
            self._end,
            now,
            lambda: tokens(24) / (1 << 24),
            cname=cname or f"{tokens(96):024x}",
            epoch=epoch,
            ignored=self._ignored,
            collided=None if accept_echo else self._collide,
            left=self._bye_received,
        )
        self._reports.ask(settings.xr, self.quality)
        self._encoder: AudioCodec = settings.codec.make(settings.fmtp)
        self._reports.on_loss = getattr(self._encoder, "expect_loss", None)
        self._decoders, self._buffer = agreed_buffer(settings, self._delays, self._quality.bursts)
        self._before = MediaStatistics()
        self._conflicts: dict[Address, float] = {}
        self._restarts = 0
        self._look_at = now  # when to look at silence and quality
        self._withheld = False
        # The telephone events of the stream, from the first on.
        self._keys: StreamKeys | None = None

    def _rank(self, address: Address, now: float, same_stream: bool) -> int | None:
        return self._end.rank(address, now, same_stream, self._receiver.heard)

    def expect(self, receive: Mapping[int, ReceivedFormat]) -> None:
        """Understand further formats, by payload type: those of our offer before it is answered
        (RFC 3264 section 5.1).
        """
        self.settings = expecting(self.settings, receive, self._decoders)

    def apply(self, settings: StreamSettings, now: float, confirmed: bool = True) -> None:
        """Go on as was agreed on anew: hold, resume, another address, another codec; or with a call
        that is `confirmed` by now.
        """
        before, self.settings, self._steady = self.settings, settings, None
        if confirmed:
            self._end.confirm()
        self.samples, self._ticks = settings.samples, settings.ticks
        self._silent_payload = None
        self._look_at = now
        self._silence.agreed(now)
        self._end.agree(settings.remote, settings.remote_rtcp, now, sends=settings.sends)
        if settings.receives and not before.receives:
            self._silence.awaited(now)
            self._end.reopen(now)
            self._buffer.reset()  # what waited since the hold began is stale
        self._reports.ask(settings.xr, self.quality)
        if (settings.codec, settings.fmtp) != (before.codec, before.fmtp):
            self._encoder = settings.codec.make(settings.fmtp)
            self._reports.on_loss = getattr(self._encoder, "expect_loss", None)
            self._sender.clock_rate = settings.codec.clock_rate
        if goes_on(settings, before):
            self.expect(before.receive)
            self.expect(settings.receive)
        else:
            self._before = self._before.with_playout(self._buffer)
            self._decoders, self._buffer = agreed_buffer(
                settings, self._delays, self._quality.bursts
            )
        if self._buffer.ptime != settings.ptime:
            self._buffer.ptime = settings.ptime
        if self._keys is not None:
            self._keys.apply(settings)

    @property
    def keys(self) -> StreamKeys:
        """The telephone events of the stream, both ways (RFC 4733)."""
        if self._keys is None:
            from sipparty.media.dtmf.stream_keys import StreamKeys

            self._keys = StreamKeys(self.settings)
        return self._keys

    @property
    def ssrc(self) -> int:
        """Our synchronization source."""
        return self._sender.ssrc

    @property
    def destination(self) -> Address | None:
        """Where RTP goes; None where that is not known."""
        return self._end.destination

    @property
    def rtcp_destination(self) -> Address | None:
        """Where RTCP goes; None for nowhere."""
        if self.settings.remote_rtcp is None:
            return None
        return self._end.rtcp_destination

    # Sending.

    def send_frame(self, pcm: bytes | None, now: float, skipped: int = 0) -> bytes | None:
        """The datagram for the next frame of audio.

        Args:
            pcm: Its samples, or None for silence.
            now: The time.
            skipped: Frames of time that passed without a call, before this one.

        Returns:
            What to send to `destination`, of no octets to keep the way open; None where nothing
            is to be sent. In both cases the frame was not used.
        """
        settings = self.settings
        sender = self._sender
        ticks = self._ticks
        if skipped:
            sender.skip(skipped * ticks, now)
        end = self._end
        if not settings.sends or not (
            (end.free and not self._withheld) or self._may_send(end.destination, now)
        ):
            sender.skip(ticks, now)
            return self._keep_alive.due(now, sender.sent_at)
        if self._keys is not None and self._keys.busy:
            packet = self._keys.next(sender.timestamp, ticks, sender.clock_rate)
            if packet is not None:
                return sender.event(packet.payload, ticks, packet[:3], now)
        payload = self._encode_silence() if pcm is None else self._encoder.encode(pcm)
        if not payload:  # discontinuous transmission
            sender.skip(ticks, now)
            return self._keep_alive.due(now, sender.sent_at)
        return sender.datagram(payload, ticks, settings.payload_type, now)

    def _encode_silence(self) -> bytes:
        """The payload of a silent frame; prepared, where it is always the same."""
        if self._silent_payload is not None:
            return self._silent_payload
        payload = self._encoder.encode(silence(self.samples))
        if getattr(self._encoder, "stateless", False):
            self._silent_payload = payload
        return payload

    def _may_send(self, destination: Address | None, now: float) -> bool:
        """Whether RTP may go there; where that changes, it is reported."""
        if destination is None:
            return False
        withheld = not self._end.may_send(destination, now)
        if withheld is not self._withheld and self._end.confirmed:
            self._withheld = withheld
            self.events.append(MediaUnproven(destination) if withheld else MediaProven(destination))
        return not withheld

    # Receiving.

    def receive_rtp(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram that came to the RTP port."""
        steady = self._steady
        if steady is not None and len(data) >= RTP_HEADER_SIZE:
            first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
            if (
                first == _PLAIN
                and ssrc == steady.ssrc
                and address == steady.address
                and (second & 0x7F) == self._steady_type
                and steady.receive_next(sequence, timestamp, now)
            ):
                payload = data[RTP_HEADER_SIZE:]
                self._receiver.count(len(payload), now)
                self._buffer.put(sequence, timestamp, second & 0x7F, payload, second > 0x7F, now)
                return
        if data:  # else it keeps a way through a NAT open (RFC 6263)
            self._steady = None
            self._receive_unusual(data, address, now)

    def _receive_unusual(self, data: bytes, address: Address, now: float) -> None:
        try:
            packet = RTPPacket.parse(data)
        except ParseError:
            self._ignored["rtp"] += 1
            return
        if packet.ssrc == self._sender.ssrc and not self._accept_echo:
            self._collide(address, now)
            return
        settings = self.settings
        receiver = self._receiver
        before = receiver.source
        known = (
            packet.payload_type in settings.receive or packet.payload_type in settings.cn_receive
        )
        is_key = packet.payload_type in settings.dtmf_receive
        if not (known or is_key) and (before is None or packet.ssrc != before.ssrc):
            # RFC 3550 section A.1: no source is valid by what is not understood.
            self._end.hear_unplayed(address)
            self._quality.not_understood(packet.payload_type, settings, self._end.knows(address))
            return
        if known:  # the clock is that of what comes, not that of what is sent
            receiver.clock_rate = settings.clock_of(packet.payload_type)
        packets = receiver.receive(packet, address, now, known)
        source = receiver.source
        if not packets or source is None:
            return
        if source.address != self._end.settled and self._end.hear(source.address, now):
            self.events.append(DestinationLearnt(source.address, settings.remote))
        if source is not before:
            self._reports.hear_source(source.ssrc, now)
        if source is not before or source.restarts != self._restarts:
            self._restarts = source.restarts
            self._buffer.reset()
            if self._keys is not None:
                self.events += self._keys.reset()
        if not settings.receives:
            # What comes late, while we want to hear nothing, is counted and is no news.
            self._ignored["hold"] += len(packets)
            return
        if self._silence.silent or source is not before:
            self._silence.heard()
            self._look_at = now
            self.events.append(SourceHeard(source.address, source.ssrc))
        # Section 5.1: what is not understood is ignored; to the buffer it is no loss.
        if not (known or is_key):
            self._quality.not_understood(packet.payload_type, settings)
        for each in packets:
            self._buffer.put(
                each.sequence,
                each.timestamp,
                each.payload_type,
                each.payload,
                each.marker,
                now,
            )
            if each.payload_type in settings.dtmf_receive:
                self.events += self.keys.hear(each, now)
        if source.address == self._end.settled and packet.payload_type in settings.receive:
            self._steady, self._steady_type = source, packet.payload_type

    def play_frame(self, now: float) -> bytes | None:
        """The next frame of what is heard; None before the first. One call for each frame."""
        if now >= self._look_at:
            self._watch_silence(now)
        if self._keys is not None and now >= self._keys.due:
            self.events += self._keys.expire(now)
        buffer = self._buffer
        if buffer.playing and not (self.settings.receives or buffer.waiting):
            buffer.reset()  # nothing more is to come, so nothing is lost
        return buffer.get(now)

    @property
    def heard_rate(self) -> int:
        """Samples a second of the frame that was played last: that of the codec that came."""
        return self._buffer.rate

    @property
    def heard_concealed(self) -> bool:
        """Whether something was missing in it, and filled."""
        return self._buffer.concealed_last

    def _watch_silence(self, now: float) -> None:
        """Report silence that is too long, once, and note when to look again."""
        if not self.settings.receives:
            self._look_at = math.inf
            return
        heard = self._receiver.heard
        events, again = self._silence.look(now, heard, self._reports.heard_at)
        for event in events:
            self.events.append(event)
            if isinstance(event, RemoteFellSilent):
                self._steady = None
                if heard is None:
                    self._quality.nothing_heard(event.seconds, self._sender.packets)
        if now >= self._quality.look_at:
            self._quality.look(self.quality(), now)
        self._look_at = min(self._quality.look_at, again)

    def drain(self) -> bytes:
        """What was heard and not played yet, at the end."""
        return self._buffer.drain()

    def _collide(self, address: Address, now: float) -> None:
        """Somebody sends under our own SSRC (RFC 3550 section 8.2)."""
        self._ignored["own"] += 1
        if not self._end.knows(address):
            return  # an unknown source cannot know it, and takes no part
        if address in self._conflicts or len(self._conflicts) >= _MAX_CONFLICTS:
            # Our own packets come back, which another SSRC did not help before.
            return
        self._conflicts[address] = now
        self._before = self._before.with_sent(self._sender)
        self._reports.change_ssrc(self._tokens(32), now)

    # Reports.

    def receive_rtcp(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram that came to the RTCP port."""
        if not data:
            return
        self._reports.receive(data, address, now)
        self._quality.reported(self._reports.unheard, self._sender.packets)

    def _bye_received(self, packet: Goodbye) -> None:
        self._steady = None
        self._receiver.forget()
        self._silence.silent = True
        self.events.append(RemoteLeft(packet.reason))

    @property
    def reports_at(self) -> float:
        """When there may be something in `reports`, in seconds; it need not be asked before."""
        return -math.inf if self._reports.queued else self._reports.schedule.next

    def reports(self, now: float) -> list[bytes]:
        """The RTCP datagrams that are due; to be sent to `rtcp_destination`."""
        if now < self.reports_at:
            return []
        destination = self.rtcp_destination
        if destination is None or not self._end.may_send(destination, now):
            self._reports.queued = []
            return []
        return self._reports.due(now)

    def goodbye(self, now: float, reason: str | None = None) -> bytes | None:
        """The RTCP datagram that ends the stream, for `rtcp_destination`; None for none."""
        destination = self.rtcp_destination
        if destination is None or not self._end.may_send(destination, now):
            return None
        return self._reports.goodbye(now, reason)

    # Statistics.

    def quality(self, frames: int = 0) -> Quality:
        """How it sounds so far; `frames` is how many were played."""
        return self._quality.quality(
            self.statistics,
            self.settings.codec.name,
            packet_time=self.settings.ptime / 1000,
            delays=(self._buffer.target, self._delays[1]),
            frames=frames,
            round_trip=self._reports.round_trip,
            remote_metrics=self._reports.metrics,
            strays=self._receiver.strays,
        )

    @property
    def statistics(self) -> MediaStatistics:
        """What is counted so far."""
        if self._keys is not None:
            self._ignored["event"] = self._keys.malformed
        receiver = self._receiver
        counted = self._before.with_playout(self._buffer).with_sent(self._sender)
        ignored = self._ignored.total() + receiver.strays
        return counted.with_received(receiver, ignored, self._reports.remote)
