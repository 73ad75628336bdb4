"""The playout buffer: packets in at any time and in any order, one frame of audio out a tick.

Laws:

* Order is by sequence number, timing by timestamp. A hole in both is a loss, and concealed; a hole
  in the timestamps alone is a pause of the sender (RFC 3551 section 4.1), and silence, or the noise
  that the sender asked for (RFC 3389).
* `get` gives None until the first frame is due, and from then on one frame each time, whatever
  comes or does not: the caller's clock sets the pace, and a recording keeps the time of the call.
* What arrives intact and in time comes out sample for sample, but where the delay is adapted.
* A packet is decoded once, in order. One whose payload type has no decoder takes its place in the
  sequence and no time (a telephone event beside the audio, RFC 4733).
* Time is in seconds: each packet has a media time, which goes on evenly where the sender changes
  to a format of another clock (RFC 7160). A frame has one sample rate, `rate`.
* Everything is bounded: packets by `max_packets`, delay by `max_delay`.

How it adapts (`sipparty.media.playout_delay` says to what). Playing starts when the first packet
has waited for the target. When the buffer runs dry, the position in the stream stands still while
concealment is played, so the delay grows by what the network took; dry for longer than `max_delay`
it starts over, as at the beginning of a talkspurt. Where packets come later than they did, a period
of the wave is played twice; where all are earlier than is needed, two periods become one, and a
pause shorter. So a sender whose clock is slow or fast is followed, without a gap.

How it is fast. A packet that goes on with the one before it takes the short way through `put`, and
`get` a short way where that packet is the whole frame; all else is done by `_put` and `_get`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final, Literal, TypeAlias

from sipparty.errors import SIPPartyError
from sipparty.media.codecs import Decoder
from sipparty.media.concealment import HISTORY, Concealment, WaveformConcealment
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.playout_delay import PlayoutDelay
from sipparty.media.rtp import sequence_difference, timestamp_difference
from sipparty.media.rtp_source import MAX_DROPOUT, MAX_MISORDER
from sipparty.media.waveform import lengthen, shorten

__all__ = ["JitterBuffer", "Verdict"]

#: What became of a packet that was put.
Verdict: TypeAlias = Literal["queued", "duplicate", "late"]

#: A packet that waits: its media time, payload type and payload, and its transit time.
_Entry: TypeAlias = tuple[float, int, bytes, float]

#: A change of the transit time, in seconds, that is no network's: the timestamps began anew.
_JUMP: Final = 1.0
#: The longest gap that is filled at once, from both sides, in seconds.
_BRIDGED: Final = 0.06
#: Audio that is looked at to leave a part out, in seconds.
_SHORTENED: Final = 0.035
#: How alike two periods have to be so that one is left out or put in, and so that it is done where
#: the delay is wrong by a frame and more.
_ALIKE: Final = 0.8
_ALIKE_ENOUGH: Final = 0.4
#: Frames on end that have to be too late before one is shortened: one tick may be late itself.
_PATIENCE: Final = 3
#: Times closer than this are the same, in seconds: less than a sample.
_SAME: Final = 5e-6


class JitterBuffer:
    """Smooths one stream.

    Args:
        decoders: For each payload type of audio, its codec, clock and sample rate. A codec with a
            method `noise` is comfort noise; one with `conceal` and `recover` conceals by itself.
        ptime: Milliseconds in a frame that `get` gives.
        min_delay: Least target, in seconds.
        max_delay: Most that may wait, in seconds: what is older is dropped. Bounds the delay.
        max_packets: Most packets that may wait; protects memory.
        concealment: Makes what fills losses, for a sample rate.
        on_lost: Called with the position of a packet that is given up and how many there are on
            end. A position is the sequence number, without wraps.
        on_discarded: Called with the position of a packet that came and is not played: late, after
            it was given up, or early, where too much waits.

    Attributes:
        rate: Samples a second of the frame that was given last.
        concealed_last: Whether something was missing in it.
        duplicates: Packets that had come before.
        late: Packets that came after they were given up.
        lost: Packets that were missing when their time came, the late ones included.
        concealed: Frames in which something was missing.
        dropped: Packets thrown away because too much was waiting.
        shortened: How often a period was left out to bring the delay down.
        lengthened: How often one was played twice to bring it up.
    """

    def __init__(
        self,
        decoders: Mapping[int, Decoder],
        ptime: float = 20.0,
        *,
        min_delay: float = 0.04,
        max_delay: float = 0.4,
        max_packets: int = 64,
        concealment: Callable[[int], Concealment] = WaveformConcealment,
        on_lost: Callable[[int, int], object] | None = None,
        on_discarded: Callable[[int], object] | None = None,
    ) -> None:
        self._decoders = dict(decoders)
        self._noises = {
            kind: each.codec for kind, each in decoders.items() if hasattr(each.codec, "noise")
        }
        self.min_delay = min_delay
        self.max_delay = max_delay
        self.max_packets = max_packets
        self.on_lost = on_lost
        self.on_discarded = on_discarded
        self.duplicates = 0
        self.late = 0
        self.lost = 0
        self.concealed = 0
        self.dropped = 0
        self.shortened = 0
        self.lengthened = 0
        self._concealment = concealment
        self._concealments: dict[int, Concealment] = {}
        self._started = False
        self._delay = PlayoutDelay(min_delay, 0.75 * max_delay, 0.005)
        self._transits = self._delay.transits
        self.rate = 8000
        for kind, decoder in self._decoders.items():
            if kind not in self._noises:
                self.rate = decoder.sample_rate
                break
        self.ptime = ptime
        self.reset()

    @property
    def ptime(self) -> float:
        """Milliseconds in a frame; it may be changed at any time."""
        return self._ptime

    @ptime.setter
    def ptime(self, ptime: float) -> None:
        self._ptime = ptime
        self._history: deque[bytes] = deque(maxlen=ceil(1000 * HISTORY / ptime))
        self._delay.slack = ptime / 1000 + 0.005
        self._use_rate(self.rate)

    def _use_rate(self, rate: int) -> None:
        self.rate = rate
        samples = round(self._ptime * rate / 1000)
        self._octets = SAMPLE_WIDTH * samples
        self._period = samples / rate
        self._smooth = False
        self._history.clear()
        if rate not in self._concealments:
            self._concealments[rate] = self._concealment(rate)
        self._conceals = self._concealments[rate]
        self._conceals.end()

    def reset(self) -> None:
        """Forget the stream and what waits of it: another one begins. The counts stay."""
        self._slots: dict[int, _Entry] = {}
        self._rest = b""
        self._filled_octets = 0
        self._playing = False
        self._smooth = False
        self._noise: Any = None
        self._next = -1
        self._lead = 0.0
        self._type = -1
        self._decode: Callable[[bytes], bytes] = bytes
        self._own: Callable[[int], bytes] | None = None
        self._given_up: set[int] = set()
        # Of the newest packet, and the one that would go on with it.
        self._highest: int | None = None
        self._next_sequence = -1
        self._next_timestamp = -1
        self._put_type = -1
        self._media = 0.0
        self._reference: tuple[int, int, int] | None = None
        self._ticks = 0
        self._step = self._ptime / 1000
        self._many = self.max_packets
        # The media time up to which audio was taken, and concealment in place of what comes later.
        self._cursor = 0.0
        self._owed = 0.0
        self._filled = 0.0
        # What a hole after the last packet is, where the sequence numbers do not say.
        self._hole: Literal["pause", "loss"] | None = None
        self._over = 0
        self._delay.forget()
        self._conceals.end()
        self.concealed_last = False

    @property
    def target(self) -> float:
        """How long a packet that came as fast as any should wait, in seconds."""
        return self._delay.target

    @property
    def playing(self) -> bool:
        """Whether audio, concealment or comfort noise is played, and not silence."""
        return self._playing or self._noise is not None

    @property
    def waiting(self) -> int:
        """How many packets wait."""
        return len(self._slots)

    # Packets.

    def put(
        self,
        sequence: int,
        timestamp: int,
        payload_type: int,
        payload: bytes,
        marker: bool,
        now: float,
    ) -> Verdict:
        """Take a packet.

        Args:
            sequence: Its sequence number.
            timestamp: Its RTP timestamp.
            payload_type: What it is.
            payload: The payload.
            marker: Its marker bit.
            now: When it came, in seconds.
        """
        if (
            sequence == self._next_sequence
            and timestamp == self._next_timestamp
            and payload_type == self._put_type
        ):
            self._next_sequence = sequence + 1 & 0xFFFF
            self._next_timestamp = timestamp + self._ticks & 0xFFFFFFFF
            self._highest = position = self._highest + 1  # type: ignore[operator]
            self._media = media = self._media + self._step
            transit = now - media
            slots = self._slots
            slots[position] = (media, payload_type, payload, transit)
            transits = self._transits
            transits.append(transit)
            if len(transits) >= self._delay.batch or len(slots) > self._many:
                self._look()
            return "queued"
        return self._put(sequence, timestamp, payload_type, payload, marker, now)

    def _put(
        self,
        sequence: int,
        timestamp: int,
        payload_type: int,
        payload: bytes,
        marker: bool,
        now: float,
    ) -> Verdict:
        """Any packet."""
        ahead = 1
        anew = False
        if self._put_type >= 0 and self._highest is not None:
            self._reference = (
                self._highest,
                (self._next_timestamp - self._ticks) & 0xFFFFFFFF,
                self._decoders[self._put_type].clock_rate,
            )
        if self._highest is None:
            self._highest = sequence - 1
        else:
            ahead = 1 + sequence_difference(sequence, self._next_sequence)
            anew = not -MAX_MISORDER <= ahead <= MAX_DROPOUT
            if anew:
                # The numbers began anew: they go on with the newest (RFC 3550 section A.1).
                ahead = 1
        position = self._highest + ahead
        played = self._next >= 0 and position < self._next
        if (played and position not in self._given_up) or position in self._slots:
            self.duplicates += 1
            return "duplicate"
        decoder = self._decoders.get(payload_type)
        media = transit = 0.0
        if decoder is None:
            payload = b""
        else:
            media = self._media_time(position, timestamp, decoder.clock_rate, marker, now, anew)
            transit = now - media
            self._transits.append(transit)
        if ahead > 0:
            self._highest = position
            self._next_sequence = (sequence + 1) & 0xFFFF
            self._put_type = -1
            if decoder is not None:
                self._media = media
                self._reference = (position, timestamp, decoder.clock_rate)
                self._ticks = round(self._step * decoder.clock_rate)
                self._next_timestamp = (timestamp + self._ticks) & 0xFFFFFFFF
                self._many = min(self.max_packets, int(self.max_delay / self._step) + 2)
                if payload_type not in self._noises:
                    self._put_type = payload_type
        if played:
            self._given_up.remove(position)
            self.late += 1
            if self.on_discarded is not None:
                self.on_discarded(position)
        else:
            self._slots[position] = (media, payload_type, payload, transit)
        self._look()
        return "late" if played else "queued"

    def _media_time(
        self, position: int, timestamp: int, clock: int, marker: bool, now: float, anew: bool
    ) -> float:
        """The media time of a packet, by the newest one so far."""
        if self._reference is None:
            return self._media
        newest, before, old_clock = self._reference
        ticks = timestamp_difference(timestamp, before)
        count = position - newest
        by_count = self._media + count * self._step
        if clock == old_clock:
            media = self._media + ticks / clock
            if count == 1 and not marker and 0 < ticks <= clock * self.max_delay / 2:
                self._step = ticks / clock
        else:
            # RFC 7160 section 4: the ticks between are of either clock, or mean nothing.
            media = min(
                (self._media + ticks / clock, self._media + ticks / old_clock, by_count),
                key=lambda each: (
                    abs(each - by_count) > _SAME,
                    abs(now - each - self._last_transit()),
                ),
            )
        if anew or abs(now - media - self._last_transit()) > _JUMP:
            self._delay.forget()
            return by_count
        return media

    def _last_transit(self) -> float:
        """The transit time of a packet that came lately."""
        if self._transits:
            return self._transits[-1]
        return 0.0 if self._delay.floor is None else self._delay.floor

    def _look(self) -> None:
        """See after a packet whether the delay is right, and whether too much waits."""
        if len(self._transits) >= self._delay.batch:
            self._delay.review()
        if len(self._slots) > self._many:
            self._drop()

    def _drop(self) -> None:
        """Throw away what is more than the target: a burst after an outage."""
        slots = self._slots
        order = sorted(slots)
        keep = min(self._many - 1, max(1, ceil(self.target / self._step)))
        if self._playing:
            self._conceals.extend(self._heard(b""), 0)
        for position in order[:-keep]:
            del slots[position]
            self.dropped += 1
            if self.on_discarded is not None:
                self.on_discarded(position)
        self._next = order[-keep]
        self._cursor = slots[self._next][0]
        self._rest = b""
        self._smooth = False

    # Frames.

    def get(self, now: float) -> bytes | None:
        """The next frame, of exactly `ptime` at `rate`; None while nothing has been due yet.

        Args:
            now: The time of the caller's clock, in seconds; call it once every frame.
        """
        if self._smooth:
            number = self._next
            entry = self._slots.get(number)
            if entry is not None:
                media, kind, payload, _ = entry
                delay = self._delay
                if (
                    media == self._cursor
                    and kind == self._type
                    and delay.low <= now - media + self._lead <= delay.high
                ):
                    del self._slots[number]
                    self._next = number + 1
                    try:
                        pcm = self._decode(payload)
                    except SIPPartyError:
                        self._played(entry, None)
                        return self._get(now)
                    octets = self._octets
                    if len(pcm) == octets:
                        self._cursor = media + self._period
                        if self._rest:
                            pcm = self._rest + pcm
                            self._rest = pcm[octets:]
                            pcm = pcm[:octets]
                        self._history.append(pcm)
                        return pcm
                    self._rest += self._played(entry, pcm)
        return self._get(now)

    def _get(self, now: float) -> bytes | None:
        if not self._playing and not self._start(now):
            self.concealed_last = False
            if self._noise is not None:
                noise: bytes = self._noise.noise(self._octets // SAMPLE_WIDTH)
                return noise
            return bytes(self._octets) if self._started else None
        return self._frame(now)

    def drain(self) -> bytes:
        """What still waits, losses concealed, for the end of a recording; the buffer is empty
        afterwards.
        """
        frames = []
        if not self._playing:
            self._start(float("inf"))
        while self._rest or any(kind in self._decoders for _, kind, _, _ in self._slots.values()):
            frames.append(self._frame(None))
            if not self._playing:
                self._start(float("inf"))
        self.reset()
        return b"".join(frames)

    def _start(self, now: float) -> bool:
        """Whether playing starts now: the first packet has waited, or enough wait behind it."""
        while self._slots:
            position, following = self._first()
            entry = self._slots[position]
            if entry[1] in self._decoders and entry[1] not in self._noises:
                break
            if not following and len(self._slots) == 1:
                return False  # what is missing before it may still come
            self._take(position)
            if entry[1] in self._noises:
                self._pause(entry)
        else:
            return False
        media, kind, _, transit = entry
        delay = self._delay
        floor = min(each[3] for each in self._slots.values() if each[1] in self._decoders)
        if delay.floor is not None:
            if abs(transit - delay.floor) <= self.max_delay:
                floor = min(floor, delay.floor)
            else:
                delay.forget()
        if now - media < floor + delay.target - _SAME:
            return False
        self._cursor = media
        self._owed = self._filled = 0.0
        self._noise = self._hole = None
        self._playing = self._started = True
        self._conceals.end()
        rate = self._decoders[kind].sample_rate
        if rate != self.rate:
            self._use_rate(rate)
        return True

    def _pause(self, entry: _Entry) -> None:
        """Comfort noise begins, or changes."""
        self._noise = self._noises[entry[1]]
        self._noise.decode(entry[2])
        self._started = True
        self._playing = False
        self._smooth = False

    def _first(self) -> tuple[int, bool]:
        """The position of the first packet, and whether none is missing before it."""
        if self._next in self._slots:
            return self._next, True
        return min(self._slots), self._next < 0

    def _take(self, position: int) -> _Entry:
        """Remove the first packet; what is missing before it is lost now."""
        count = position - self._next
        if self._next >= 0 and count > 0:
            self.lost += count
            first = max(self._next, position - MAX_MISORDER)
            recent = {each for each in self._given_up if each >= first - MAX_MISORDER}
            self._given_up = recent.union(range(first, position))
            if self.on_lost is not None:
                self.on_lost(self._next, count)
        self._next = position + 1
        return self._slots.pop(position)

    def _heard(self, pcm: bytes) -> bytes:
        """What was heard last, and then `pcm`."""
        heard = b"".join(self._history) + pcm
        return heard[-SAMPLE_WIDTH * round(HISTORY * self.rate) :]

    def _frame(self, now: float | None) -> bytes:
        """The next frame, from what is left of the last packet, packets and concealment."""
        pcm = self._rest
        filled = self._filled_octets
        concealed = filled > 0
        whole = True
        while len(pcm) < self._octets:
            missing = self._octets - len(pcm)
            due = self._due(now)
            if due is None:
                whole = False
                concealed = True
                pcm += self._dry(pcm, missing // SAMPLE_WIDTH)
                break
            position, gap, lost = due
            entry = self._slots[position]
            decoder = self._decoders[entry[1]]
            if entry[1] not in self._noises and decoder.sample_rate != self.rate:
                if pcm:
                    # A frame has one rate: what is left of the old one is carried on to its end.
                    pcm += self._extend(pcm, missing // SAMPLE_WIDTH)
                    concealed = True
                    break
                self._use_rate(decoder.sample_rate)
                continue
            if gap > 0.5 / self.rate:
                before = len(pcm)
                piece, following = self._fill(pcm, gap, lost, position, missing // SAMPLE_WIDTH)
                pcm += piece
                if lost and piece:
                    concealed = True
                    filled = before + len(piece)
                pcm += following
            elif entry[1] in self._noises:
                self._take(position)
                self._pause(entry)
                pcm += self._noise.noise(missing // SAMPLE_WIDTH)
            else:
                pcm += self._conceals.join(self._play(position))
        if now is not None and whole and not concealed and self._playing:
            pcm = self._adapt(pcm, now)
        octets = self._octets
        self._rest = pcm[octets:]
        pcm = pcm[:octets]
        self._filled_octets = max(0, filled - octets)
        self._history.append(pcm)
        self.concealed_last = concealed
        self.concealed += concealed
        self._lead = len(self._rest) // SAMPLE_WIDTH / self.rate
        self._smooth = (
            self._playing
            and self._lead < self._period
            and self._hole is None
            and not (concealed or self._filled_octets)
        )
        return pcm

    def _due(self, now: float | None) -> tuple[int, float, bool] | None:
        """The first packet, the seconds until it is due, and whether they are a loss; None if none
        waits.
        """
        while self._slots:
            position, following = self._first()
            media, kind, _, _ = self._slots[position]
            if kind not in self._decoders:
                if not following and len(self._slots) == 1:
                    return None  # what is missing before it may still come
                self._take(position)
                self._hole = "pause"
                continue
            gap = media - self._cursor
            if gap > _SAME and self._owed:
                # Its time was spent on concealment before it came.
                covered = min(gap, self._owed)
                self._cursor += covered
                self._owed -= covered
                gap -= covered
            if gap < -_SAME and -gap <= self._filled + _SAME:
                # It comes while the gap it left is being filled.
                self._take(position)
                self.late += 1
                self.lost += 1
                self._hole = "loss"
                if self.on_lost is not None:
                    self.on_lost(position, 1)
                if self.on_discarded is not None:
                    self.on_discarded(position)
                continue
            lost = not following or self._hole == "loss"
            if not lost and gap > _SAME and self._hole is None and now is not None:
                # In a pause the delay is set right, and nobody hears it.
                self._hole = "pause"
                delay = self._delay
                offset = now - self._cursor
                if offset > delay.high:
                    gap -= min(gap, offset - delay.goal)
                elif offset < delay.low:
                    gap += delay.low - offset
                self._cursor = media - gap
            if gap < 0 or gap > self.max_delay:
                # The timestamps began anew: go on with them.
                self._cursor = media
                gap = 0.0
            return position, gap, lost
        return None

    def _fill(
        self, pcm: bytes, gap: float, lost: bool, position: int, missing: int
    ) -> tuple[bytes, bytes]:
        """What stands in a gap before a packet, after `pcm`; and the packet's audio, where that was
        needed for it.
        """
        rate = self.rate
        samples = round(gap * rate)
        media, kind, payload, _ = self._slots[position]
        codec = self._decoders[kind].codec
        own = getattr(codec, "conceal", None)
        some = min(samples, missing)
        if lost and samples <= round(_BRIDGED * rate) and kind not in self._noises:
            if own is None:
                following = self._play(position)
                if not following:
                    return b"", b""
                return self._conceals.bridge(self._heard(pcm), samples, following), following
            # By itself; the last frame of it from the packet after it, if that has it.
            last = min(samples, round(self._step * rate))
            piece = own(samples - last) if samples > last else b""
            recover = getattr(codec, "recover", None)
            piece += recover(payload, last) if recover is not None else own(last)
            self._cursor = media
            self._filled += gap
            return piece, b""
        self._cursor = media if some == samples else self._cursor + some / rate
        if lost:
            self._filled += some / rate
            return self._extend(pcm, some), b""
        return own(some) if own is not None else bytes(SAMPLE_WIDTH * some), b""

    def _dry(self, pcm: bytes, samples: int) -> bytes:
        """What is played when nothing is there; after long enough, start over."""
        self._owed += samples / self.rate
        if self._owed > self.max_delay:
            self._playing = False
        if self._hole == "pause" and self._own is None:
            return bytes(SAMPLE_WIDTH * samples)
        return self._extend(pcm, samples)

    def _extend(self, pcm: bytes, samples: int) -> bytes:
        """What follows `pcm` in a loss."""
        if self._own is not None:
            own: bytes = self._own(samples)
            return own
        return self._conceals.extend(self._heard(pcm), samples)

    def _play(self, position: int) -> bytes:
        """Take the first packet and decode it."""
        entry = self._take(position)
        kind = entry[1]
        if kind != self._type:
            codec = self._decoders[kind].codec
            self._type = kind
            self._decode = codec.decode
            self._own = getattr(codec, "conceal", None)
        try:
            pcm = self._decode(entry[2])
        except SIPPartyError:
            return self._played(entry, None)
        return self._played(entry, pcm)

    def _played(self, entry: _Entry, pcm: bytes | None) -> bytes:
        """Note that a packet was taken and decoded; None where it could not be."""
        self._owed = self._filled = 0.0
        if pcm is None:
            # A payload that cannot be decoded is as good as none.
            self.lost += 1
            self._hole = "loss"
            if self.on_lost is not None:
                self.on_lost(self._next - 1, 1)
            return b""
        self._hole = None
        self._cursor = entry[0] + len(pcm) // SAMPLE_WIDTH / self.rate
        return pcm

    # The delay.

    def _adapt(self, pcm: bytes, now: float) -> bytes:
        """The same audio, a period longer or shorter where the delay is wrong."""
        delay = self._delay
        rate = self.rate
        offset = now - self._cursor + len(pcm) // SAMPLE_WIDTH / rate
        if offset < delay.low:
            wrong = delay.low - offset
            longer = lengthen(self._heard(b""), pcm, rate, alike=self._alike(wrong))
            self.lengthened += longer is not pcm
            return longer
        if offset <= delay.high:
            self._over = 0
            return pcm
        self._over += 1
        if self._over < _PATIENCE:
            return pcm
        size = max(SAMPLE_WIDTH * round(_SHORTENED * rate), self._octets * 2)
        while len(pcm) < size:
            due = self._due(now)
            if due is None or due[1] > _SAME or due[0] != self._next:
                break
            decoder = self._decoders[self._slots[due[0]][1]]
            if decoder.sample_rate != rate or self._slots[due[0]][1] in self._noises:
                break
            more = self._play(due[0])
            if not more:
                break
            pcm += more
        shorter = shorten(pcm, rate, alike=self._alike(offset - delay.high))
        if len(shorter) < self._octets:
            return pcm
        self.shortened += shorter is not pcm
        return shorter

    def _alike(self, wrong: float) -> float:
        return _ALIKE if wrong < self._period else _ALIKE_ENOUGH
