"""The RTCP of one stream: what is reported of it, and what the other side reports (RFC 3550
section 6).

Laws:

* Time is an argument, and chance is: `chance()` gives a number from 0 up to 1.
* RTCP of hosts that do not take part in the call is not read, a BYE is believed from where its
  source is, and nothing that comes raises.
* Packets cost nothing here: who sent last and when is looked up when a report is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Final

from sipparty.errors import ParseError
from sipparty.media.quality.quality import Quality
from sipparty.media.quality.statistics import RemoteReport
from sipparty.media.rtp.remote import RemoteEnd
from sipparty.media.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RTCPPacket,
    SenderReport,
    SourceDescription,
    UnknownRTCP,
    build_compound,
    parse_rtcp,
)
from sipparty.media.rtp.rtcp_schedule import (
    RTCPSchedule,
    ntp_timestamp,
    round_trip_time,
    time_since,
)
from sipparty.media.rtp.rtcp_xr import (
    ExtendedReport,
    LastReferences,
    Reference,
    ReferenceTime,
    VoIPMetrics,
    XRBlock,
)
from sipparty.media.rtp.sender import RTPSender
from sipparty.media.rtp.source import Address, RTPReceiver

__all__ = ["StreamReports"]

#: Octets of IPv4 and UDP headers, which the RTCP bandwidth counts (RFC 3550 section 6.2).
_HEADERS: Final = 28


class StreamReports:
    """The RTCP of one stream.

    Args:
        sender: What is sent.
        receiver: What is heard.
        end: The other side's end.
        now: The time, in seconds.
        chance: Gives a number from 0 up to 1.
        cname: The canonical name.
        epoch: Unix time less `now`.
        ignored: Counts what is not read, by reason: "rtcp", "xr", "source".
        collided: Called with address and time when somebody sends under our SSRC; None where that
            is allowed.
        left: Called with its BYE when the source that is heard has left.

    Attributes:
        heard_at: When the other side's RTCP came last, in seconds; at first the beginning.
        queued: Datagrams to be sent besides, with the next that are due.
        remote: What the other side has reported of us last; None before.
        metrics: The same as an extended report (RFC 3611); None where there was none.
        unheard: Its reports in a row that say that it has heard nothing of us, while we have sent.
        round_trip: To the other side and back, as it was measured last, in seconds; None before.
        measures: Whether the other side says how long ago our reference time came, so that the
            round trip is known where we send nothing (RFC 3611 sections 4.4 and 4.5).
        on_loss: Called with the share of what we send that the other side has lost lately, 0 to 1,
            when it reports it; None where nobody wants to know.
        extend: Gives the quality to report of what is heard; None to report none.
        schedule: When the next report is due.
    """

    def __init__(
        self,
        sender: RTPSender,
        receiver: RTPReceiver,
        end: RemoteEnd,
        now: float,
        chance: Callable[[], float],
        *,
        cname: str,
        epoch: float,
        ignored: Counter[str],
        collided: Callable[[Address, float], object] | None,
        left: Callable[[Goodbye], object],
    ) -> None:
        self.heard_at = now
        self.remote: RemoteReport | None = None
        self.metrics: VoIPMetrics | None = None
        self.unheard = 0
        self.round_trip: float | None = None
        self.measures = False
        self.on_loss: Callable[[float], object] | None = None
        self.extend: Callable[[], Quality] | None = None
        self._ignored = ignored
        # Who has asked how far away it is, when by its clock, and when that came.
        self._reference: tuple[int, int, float] | None = None
        self._sender = sender
        self._receiver = receiver
        self._end = end
        self._cname = cname
        self._epoch = epoch
        self._collided = collided
        self._left = left
        self.schedule = RTCPSchedule(sender.ssrc, now, chance)
        self.queued: list[bytes] = []
        self._sent = False
        # Packets that were sent before the other side's last report; and when our last two were.
        self._packets = 0
        self._reported = (-inf, -inf)

    def ask(self, wanted: frozenset[str], quality: Callable[[], Quality]) -> None:
        """Take note of the extended reports that the other side asks for."""
        self.extend = quality if "voip-metrics" in wanted else None
        self.measures = "rcvr-rtt" in wanted

    # What comes.

    def hear_source(self, ssrc: int, now: float) -> None:
        """Take note of a source that sends, when it is new."""
        self.schedule.hear(ssrc, now, sends=True)

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram."""
        if not self._end.knows(address):
            # Not read: whoever knows no more than the port takes no time by it.
            self._ignored["source"] += 1
            return
        try:
            packets = parse_rtcp(data)
        except ParseError:
            self._ignored["rtcp"] += 1
            return
        self.heard_at = now
        self.schedule.count(len(data) + _HEADERS)
        for packet in packets:
            match packet:
                case SenderReport() | ReceiverReport():
                    if packet.ssrc == self._sender.ssrc and self._collided is not None:
                        self._collided(address, now)
                        return
                    self._hear_report(packet, address, now)
                case Goodbye():
                    self._hear_goodbye(packet, address, now)
                case UnknownRTCP(type=207):
                    self._hear_extended(packet, now)
                case _:
                    pass

    def _hear_extended(self, packet: UnknownRTCP, now: float) -> None:
        """Read an extended report (RFC 3611)."""
        try:
            report = ExtendedReport.read(packet)
        except ParseError:
            self._ignored["xr"] += 1
            return
        for block in report.blocks:
            match block:
                case VoIPMetrics():
                    if block.ssrc == self._sender.ssrc:
                        self.metrics = block
                case ReferenceTime():
                    self._reference = (report.ssrc, block.ntp >> 16 & 0xFFFFFFFF, now)
                case LastReferences():
                    for ssrc, last, delay in block.references:
                        if ssrc == self._sender.ssrc:
                            self._measure(time_since(last, delay, self._ntp(now)))
                case _:
                    pass

    def _ntp(self, now: float) -> int:
        return ntp_timestamp(now + self._epoch)

    def _measure(self, round_trip: float | None) -> float | None:
        if round_trip is not None:
            self.round_trip = round_trip
        return round_trip

    def _hear_report(
        self, packet: SenderReport | ReceiverReport, address: Address, now: float
    ) -> None:
        self.schedule.hear(packet.ssrc, now, sends=False)
        source = self._receiver.source
        of_source = (
            source is not None and source.ssrc == packet.ssrc and source.address[0] == address[0]
        )
        self._end.hear_rtcp(address, of_source=of_source)
        if source is not None and of_source and isinstance(packet, SenderReport):
            source.hear_sender_report(packet.ntp, now)
        # While nothing is sent there is nothing to report (RFC 3550 section 6.4).
        self.unheard += self._sender.packets > self._packets
        self._packets = self._sender.packets
        for block in packet.reports:
            if block.ssrc == self._sender.ssrc:
                if block.fraction_lost < 255:
                    self.unheard = 0
                if self.on_loss is not None:
                    self.on_loss(block.fraction_lost / 256)
                self.remote = RemoteReport(
                    block.fraction_lost / 256,
                    block.cumulative_lost,
                    block.jitter / self._sender.clock_rate,
                    self._measure(round_trip_time(block, self._ntp(now))),
                )

    def _hear_goodbye(self, packet: Goodbye, address: Address, now: float) -> None:
        source = self._receiver.source
        # Section 8.2: believed from where the source is, and nowhere else.
        if source is None or source.ssrc not in packet.sources or source.address[0] != address[0]:
            return
        self.schedule.goodbye(packet.sources, now)
        self._left(packet)

    # What is sent.

    def due(self, now: float) -> list[bytes]:
        """The datagrams that are due."""
        due, self.queued = self.queued, []
        if now >= self.schedule.next:
            self._note_senders()
            if self.schedule.due(now):
                data = build_compound(self._report(now))
                self.schedule.sent(len(data) + _HEADERS, now)
                self._sent = True
                due.append(data)
        return due

    def _note_senders(self) -> None:
        """Take note of who has sent lately (section 6.3.3)."""
        sender, receiver = self._sender, self._receiver
        if sender.sent_at is not None:
            self.schedule.hear(sender.ssrc, sender.sent_at, sends=True)
        if receiver.source is not None and receiver.heard is not None:
            self.schedule.hear(receiver.source.ssrc, receiver.heard, sends=True)

    def _report(self, now: float) -> list[RTCPPacket]:
        """A report and our name (section 6.1): a sender's where something was sent since the last
        report but one (section 6.4).
        """
        sender = self._sender
        source = self._receiver.source
        blocks: tuple[ReportBlock, ...] = ()
        if source is not None:
            blocks = (source.report(now),)
        report: RTCPPacket
        before, self._reported = self._reported, (self._reported[1], now)
        sends = sender.sent_at is not None and sender.sent_at >= before[0]
        if sends:
            report = SenderReport(
                sender.ssrc,
                self._ntp(now),
                sender.timestamp_at(now),
                sender.packets & 0xFFFFFFFF,
                sender.octets & 0xFFFFFFFF,
                blocks,
            )
        else:
            report = ReceiverReport(sender.ssrc, blocks)
        packets: list[RTCPPacket] = [report, SourceDescription.cname(sender.ssrc, self._cname)]
        extended: list[XRBlock] = []
        if self.measures and not sends:
            extended.append(ReferenceTime(self._ntp(now)))
        if self.extend is not None and source is not None:
            extended.append(self.extend().metrics(source.ssrc))
        if self._reference is not None:
            # Who sends nothing has its round trip from this (RFC 3611 section 4.5).
            ssrc, at, came = self._reference
            self._reference = None
            delay = min(max(round((now - came) * 65536), 0), 0xFFFFFFFF)
            extended.append(LastReferences((Reference(ssrc, at, delay),)))
        if extended:
            packets.append(ExtendedReport(sender.ssrc, tuple(extended)))
        return packets

    def goodbye(self, now: float, reason: str | None = None) -> bytes | None:
        """The datagram that ends the stream; None where nothing was sent."""
        if not self._sender.packets and not self._sent:
            # Section 6.3.7: who has sent nothing sends no BYE.
            return None
        return build_compound([*self._report(now), Goodbye((self._sender.ssrc,), reason)])

    def change_ssrc(self, ssrc: int, now: float) -> None:
        """Say goodbye, and go on under another identifier (section 8.2)."""
        goodbye = self.goodbye(now)
        if goodbye is not None:
            self.queued.append(goodbye)
        self._sender.change_ssrc(ssrc)
        self.schedule.change_ssrc(ssrc, now)
