"""What comes of an RTP stream: which source is heard, and what is counted of it.

Laws:

* Time is an argument.
* `RTPReceiver` hears one source at a time, a source being an SSRC at a transport address. A packet
  of a source that is not yet heard is held until `MIN_SEQUENTIAL` came in sequence (RFC 3550
  section A.1), and then delivered with them: nothing of the beginning is lost.
* Sources have ranks, which are given by who makes the receiver (see `remote`): one of a better
  rank takes over once it is valid, one of a worse rank never. Of the same rank, it does once the
  current one has been silent for `takeover` seconds: interleaved sources so never flip-flop
  (section 8.2), and a phone that moves is followed within a few packets.
* A stream that goes on under its SSRC and sequence numbers from an address of better rank is
  followed with its first packet.
* What is counted is every packet of the source, whatever is done with it then (section A.3).
* `RTPSource.receive_next` is a short way to the same for the usual packet, which thousands a second
  are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import ReportBlock

__all__ = [
    "MAX_CANDIDATES",
    "MAX_DROPOUT",
    "MAX_MISORDER",
    "MIN_SEQUENTIAL",
    "Address",
    "RTPReceiver",
    "RTPSource",
]

#: A transport address as sockets have it: host and port, with flow and scope for IPv6.
Address: TypeAlias = tuple[str | int, ...]

#: Packets in sequence that make a source valid (RFC 3550 section A.1).
MIN_SEQUENTIAL: Final = 2
#: Sequence numbers that may be missing before it counts as a restart (RFC 3550 section A.1).
MAX_DROPOUT: Final = 3000
#: Sources on probation at a time; protects memory from invented ones.
MAX_CANDIDATES: Final = 4
#: How far behind a sequence number may come before it counts as a restart (section A.1).
MAX_MISORDER: Final = 100

#: The rank of a source that has none any more: any other takes its place.
_NO_RANK: Final = 1 << 8

_SEQUENCES: Final = 1 << 16
_WORD: Final = 0xFFFFFFFF


class RTPSource:
    """What is known of one source that is heard (RFC 3550 sections A.1, A.3 and A.8).

    Args:
        ssrc: Its identifier.
        address: Where its packets come from.
        clock_rate: Ticks a second of its timestamps.

    Attributes:
        received: Packets, duplicates and late ones included.
        restarts: How often its sequence numbers began anew.
    """

    __slots__ = (
        *("_bad_sequence", "_base", "_cycles", "_expected_prior", "_jitter", "_last_sr"),
        *("_last_sr_at", "_maximum", "_probation", "_received_prior", "_transit"),
        *("address", "clock_rate", "received", "restarts", "ssrc"),
    )

    def __init__(self, ssrc: int, address: Address, clock_rate: int = 8000) -> None:
        self.ssrc = ssrc
        self.address = address
        self.clock_rate = clock_rate
        self.restarts = 0
        self._probation = MIN_SEQUENTIAL
        self._maximum = -1
        self._transit: int | None = None
        self._jitter = 0.0
        self._last_sr = 0
        self._last_sr_at = 0.0
        self._begin(0)

    def _begin(self, sequence: int) -> None:
        self._base = sequence
        self._maximum = sequence if self._probation == 0 else -1
        self._bad_sequence = -1
        self._cycles = 0
        self.received = 0
        self._received_prior = 0
        self._expected_prior = 0

    @property
    def valid(self) -> bool:
        """Whether `MIN_SEQUENTIAL` packets came in sequence."""
        return self._probation == 0

    def follows(self, sequence: int) -> bool:
        """Whether a sequence number goes on with those that came (section A.1)."""
        return self.valid and 0 < (sequence - self._maximum) & 0xFFFF < MAX_DROPOUT

    def receive(self, sequence: int, timestamp: int, now: float, timed: bool = True) -> bool:
        """Count a packet; whether it is a valid one of the source (section A.1).

        Args:
            sequence: Its sequence number.
            timestamp: Its RTP timestamp.
            now: When it came, in seconds.
            timed: Whether its timestamp says when it was sampled; that of a telephone event is the
                event's beginning (RFC 4733 section 2.2.1), and says nothing of jitter.
        """
        if not self._valid_sequence(sequence):
            return False
        self.received += 1
        if timed:
            self._time(timestamp, now)
        return True

    def receive_next(self, sequence: int, timestamp: int, now: float) -> bool:
        """Count a packet that comes right after the last one, and is timed; whether it does. Where
        not, or where the source is not valid, nothing is counted.
        """
        if self._probation or sequence != (self._maximum + 1) & 0xFFFF:
            return False
        if not sequence:
            self._cycles += _SEQUENCES
        self._maximum = sequence
        self.received += 1
        self._time(timestamp, now)
        return True

    def _time(self, timestamp: int, now: float) -> None:
        # Section A.8. The arrival is taken modulo 2**32 like the timestamp it is compared with.
        transit = (int(now * self.clock_rate) - timestamp) & _WORD
        if self._transit is not None:
            difference = abs(((transit - self._transit + 0x80000000) & _WORD) - 0x80000000)
            self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    def change_clock(self, clock_rate: int) -> None:
        """Go on with timestamps of another clock (RFC 7160 section 4.2): jitter stays what it is
        in seconds, and nothing is measured between packets of two clocks.
        """
        self._jitter *= clock_rate / self.clock_rate
        self._transit = None
        self.clock_rate = clock_rate

    def _valid_sequence(self, sequence: int) -> bool:
        if self._probation:
            if self._maximum >= 0 and sequence == (self._maximum + 1) & 0xFFFF:
                self._probation -= 1
            else:
                self._probation = MIN_SEQUENTIAL - 1
            self._maximum = sequence
            if self._probation:
                return False
            # The packets on probation are delivered with this one, so they count too; section A.1,
            # which drops them, starts at this one.
            self._begin((sequence - MIN_SEQUENTIAL + 1) & 0xFFFF)
            self.received = MIN_SEQUENTIAL - 1
            self._cycles = _SEQUENCES if sequence < self._base else 0
            self._maximum = sequence
            return True
        ahead = (sequence - self._maximum) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if sequence < self._maximum:
                self._cycles += _SEQUENCES
            self._maximum = sequence
        elif ahead <= _SEQUENCES - MAX_MISORDER:
            if sequence != self._bad_sequence:
                self._bad_sequence = (sequence + 1) & 0xFFFF
                return False
            self._begin(sequence)
            self._transit = None
            self.restarts += 1
        return True

    @property
    def highest_sequence(self) -> int:
        """The extended highest sequence number received, 32 bits."""
        return (self._cycles + self._maximum) & _WORD

    @property
    def expected(self) -> int:
        """How many packets there should have been (section A.3)."""
        return self._cycles + self._maximum - self._base + 1 if self.valid else 0

    @property
    def lost(self) -> int:
        """Expected less received; negative where duplicates came (section 6.4.1)."""
        return self.expected - self.received if self.valid else 0

    @property
    def jitter(self) -> float:
        """Interarrival jitter in seconds (section A.8)."""
        return self._jitter / self.clock_rate

    def hear_sender_report(self, ntp: int, now: float) -> None:
        """Note the 64-bit NTP timestamp of a sender report of the source, and when it came."""
        self._last_sr = (ntp >> 16) & _WORD
        self._last_sr_at = now

    def report(self, now: float) -> ReportBlock:
        """A report block about the source; begins a new reporting interval (section A.3)."""
        expected = self.expected
        expected_interval = expected - self._expected_prior
        self._expected_prior = expected
        lost_interval = expected_interval - (self.received - self._received_prior)
        self._received_prior = self.received
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        delay = round((now - self._last_sr_at) * 65536) if self._last_sr else 0
        return ReportBlock(
            self.ssrc,
            fraction,
            max(-0x800000, min(0x7FFFFF, self.lost)),
            self.highest_sequence,
            min(int(self._jitter), _WORD),
            self._last_sr,
            min(max(delay, 0), _WORD),
        )


class RTPReceiver:
    """Judges the packets that come to one port, and follows the source to be heard.

    Args:
        clock_rate: Ticks a second of the timestamps; to be set where a packet has another.
        takeover: Seconds of silence after which another valid source of the same rank is followed.
            It keeps two sources at once from being heard in turns.
        rank: Gives the rank of a source, less being better, by its address, the time, and whether
            it goes on with the stream that is heard; None for one that is not to be heard. By
            default all are equal.

    Attributes:
        source: The source that is heard; None until one is valid.
        heard: When it last was, in seconds; None before.
        packets: Packets delivered, of all sources so far.
        octets: Payload octets delivered, of all sources so far.
        strays: Packets of other sources, and of sequence numbers out of range.
    """

    __slots__ = (
        *(
            "_candidates",
            "_jitter_before",
            "_lost_before",
            "_rank",
            "clock_rate",
            "heard",
            "octets",
        ),
        *("packets", "source", "strays", "takeover"),
    )

    def __init__(
        self,
        clock_rate: int = 8000,
        takeover: float = 0.06,
        rank: Callable[[Address, float, bool], int | None] | None = None,
    ) -> None:
        self.clock_rate = clock_rate
        self.takeover = takeover
        self.source: RTPSource | None = None
        self.heard: float | None = None
        self.packets = 0
        self.octets = 0
        self.strays = 0
        self._rank = rank or (lambda address, now, same_stream: 0)
        self._candidates: dict[tuple[int, Address], tuple[RTPSource, RTPPacket, int]] = {}
        self._lost_before = 0
        self._jitter_before = 0.0

    @property
    def jitter(self) -> float:
        """Interarrival jitter of the source that is heard, or was last, in seconds."""
        return self._jitter_before if self.source is None else self.source.jitter

    @property
    def lost(self) -> int:
        """Packets lost, of all sources so far; negative where duplicates came."""
        return self._lost_before + (self.source.lost if self.source is not None else 0)

    def receive(
        self, packet: RTPPacket, address: Address, now: float, timed: bool = True
    ) -> tuple[RTPPacket, ...]:
        """Judge a packet.

        Args:
            packet: The packet.
            address: Where it came from.
            now: When it came, in seconds.
            timed: Whether its timestamp says when it was sampled; see `RTPSource.receive`.

        Returns:
            The packets to play, which are none, this one, or one that was held and this one. Where
            `source` is another object than before, they begin another stream.
        """
        source = self.source
        if source is not None and packet.ssrc == source.ssrc and address == source.address:
            if timed and source.clock_rate != self.clock_rate:
                source.change_clock(self.clock_rate)
            if not source.receive(packet.sequence, packet.timestamp, now, timed):
                self.strays += 1
                return ()
            self.count(len(packet.payload), now)
            return (packet,)
        return self._receive_other(packet, address, now, timed)

    def count(self, octets: int, now: float) -> None:
        """Note a packet of the source that is heard, which it has counted; see
        `RTPSource.receive_next`.
        """
        self.heard = now
        self.packets += 1
        self.octets += octets

    def _receive_other(
        self, packet: RTPPacket, address: Address, now: float, timed: bool
    ) -> tuple[RTPPacket, ...]:
        source = self.source
        same = source is not None and packet.ssrc == source.ssrc and source.follows(packet.sequence)
        rank = self._rank(address, now, same)
        if rank is None:
            self.strays += 1
            return ()
        current = None
        if source is not None and self.heard is not None:
            current = self._rank(source.address, now, True)
            if current is None:
                current = _NO_RANK
        if (
            same
            and source is not None
            and current is not None
            and (rank < current or (rank == current and address[0] == source.address[0]))
        ):
            # Of a better rank, or of the same host by another port, as a NAT may have it.
            return self._move(source, address, (packet,), now, timed)
        key = (packet.ssrc, address)
        candidate, held, _ = self._candidates.pop(key, (None, None, 0))
        if candidate is None:
            candidate = RTPSource(packet.ssrc, address, self.clock_rate)
        candidate.receive(packet.sequence, packet.timestamp, now, timed)
        self._candidates[key] = candidate, packet, rank
        if len(self._candidates) > MAX_CANDIDATES:
            self._drop_candidate()
        silent = self.heard is None or now - self.heard >= self.takeover
        worse = current is not None and (rank > current or (rank == current and not silent))
        if not candidate.valid or worse:
            self.strays += current is not None
            return ()
        packets: tuple[RTPPacket, ...] = (packet,)
        if held is not None and (held.sequence + 1) & 0xFFFF == packet.sequence:
            packets = (held, packet)
        if source is not None and source.ssrc == candidate.ssrc:
            # The same source from another address: followed, in telephony (section 8.2), and its
            # statistics go on.
            return self._move(source, address, packets, now, timed)
        self._lost_before = self.lost
        self.source = candidate
        return self._deliver(packets, now)

    def _move(
        self,
        source: RTPSource | None,
        address: Address,
        packets: tuple[RTPPacket, ...],
        now: float,
        timed: bool,
    ) -> tuple[RTPPacket, ...]:
        """Hear the source that is heard from another address."""
        assert source is not None
        source.address = address
        if timed and source.clock_rate != self.clock_rate:
            source.change_clock(self.clock_rate)
        for each in packets:
            source.receive(each.sequence, each.timestamp, now, timed)
        return self._deliver(packets, now)

    def _deliver(self, packets: tuple[RTPPacket, ...], now: float) -> tuple[RTPPacket, ...]:
        self._candidates.clear()
        self.heard = now
        self.packets += len(packets)
        self.octets += sum(len(each.payload) for each in packets)
        return packets

    def _drop_candidate(self) -> None:
        """Drop one of the worst rank, of the host that has most, the oldest: whoever invents
        sources keeps no better one from becoming valid.
        """
        candidates = self._candidates
        hosts = [address[0] for _, address in candidates]
        del candidates[
            max(candidates, key=lambda key: (candidates[key][2], hosts.count(key[1][0])))
        ]

    def forget(self) -> None:
        """The source has left (RFC 3550 section 6.3.4): whoever is valid next is followed."""
        self._lost_before, self._jitter_before = self.lost, self.jitter
        self.source = None
        self.heard = None
