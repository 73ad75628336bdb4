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

How it adapts (`sipparty.media.playout.delay` says to what). Playing starts when the first packet
has waited for the target. When the buffer runs dry, the position in the stream stands still while
concealment is played, so the delay grows by what the network took; dry for longer than `max_delay`
it starts over, as at the beginning of a talkspurt. Where packets come later than they did, a period
of the wave is played twice; where all are earlier than is needed, two periods become one, and a
pause shorter. So a sender whose clock is slow or fast is followed, without a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, Literal

from sipparty.errors import SIPPartyError
from sipparty.media.codecs import Decoder
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.playout.concealment import Concealment, WaveformConcealment
from sipparty.media.playout.delay import PlayoutDelay, alike_enough
from sipparty.media.playout.filling import Filling
from sipparty.media.playout.media_time import SAME
from sipparty.media.playout.packet_queue import Entry, PacketQueue, Verdict
from sipparty.media.playout.waveform import lengthen, shorten

__all__ = ["JitterBuffer", "Verdict"]

#: The longest gap that is filled at once, from both sides, in seconds.
_BRIDGED: Final = 0.06
#: Audio that is looked at to leave a part out, in seconds.
_SHORTENED: Final = 0.035
#: The part of `max_delay` that packets wait at most; the rest is for bursts.
_WAITED: Final = 0.75


class JitterBuffer:
    """Smooths one stream.

    Args:
        decoders: For each payload type of audio, its codec, clock and sample rate; to be added to.
            One with `noise` is comfort noise, one with `conceal` and `recover` conceals by itself.
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
        concealed: Frames in which something was missing.
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
        self._decoders = decoders
        self._noises: dict[int, Any] = {
            kind: each.codec for kind, each in decoders.items() if hasattr(each.codec, "noise")
        }
        self.max_delay = max_delay
        self.concealed = 0
        self.shortened = 0
        self.lengthened = 0
        self._filling = Filling(concealment)
        self._started = False
        self._delay = PlayoutDelay(min_delay, _WAITED * max_delay, max_delay, 0.0)
        self._queue = PacketQueue(
            self._decoders,
            self._noises,
            self._delay,
            max_packets=max_packets,
            max_delay=max_delay,
            step=ptime / 1000,
            on_lost=on_lost,
            on_discarded=on_discarded,
        )
        #: Takes a packet, as `PacketQueue.put` does.
        self.put = self._queue.put
        rates = [each.sample_rate for kind, each in decoders.items() if kind not in self._noises]
        self.rate = rates[0] if rates else 8000
        self.ptime = ptime
        self.reset()

    @property
    def ptime(self) -> float:
        """Milliseconds in a frame; it may be changed at any time."""
        return self._ptime

    @ptime.setter
    def ptime(self, ptime: float) -> None:
        self._ptime = ptime
        self._delay.slack = ptime / 1000 + 0.005
        self._use_rate(self.rate)

    def _use_rate(self, rate: int) -> None:
        self.rate = rate
        samples = round(self._ptime * rate / 1000)
        self._octets = SAMPLE_WIDTH * samples
        self._period = samples / rate
        self._smooth = False
        self._filling.begin(rate, self._ptime)
        self._history = self._filling.history

    def reset(self) -> None:
        """Forget the stream and what waits of it: another one begins. The counts stay."""
        self._queue.reset(self._ptime / 1000)
        # What is left of the packets that were taken, and how much of it is concealment.
        self._rest = b""
        self._filled_octets = 0
        self._playing = False
        self._smooth = False  # whether `get` may take the short way
        self._noise: Any = None
        self._type = -1
        self._decode: Callable[[bytes], bytes] = bytes
        self._filling.use(None)
        self._filling.end()
        # The media time up to which audio was taken, and of the last packet taken for a frame; and
        # how much concealment was played in place of what comes later.
        self._cursor = 0.0
        self._taken = -inf
        self._owed = 0.0
        self._filled = 0.0
        # What a hole after the last packet is, where the sequence numbers do not say.
        self._hole: Literal["pause", "loss"] | None = None
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
        return len(self._queue.slots)

    @property
    def duplicates(self) -> int:
        """Packets that had come before."""
        return self._queue.duplicates

    @property
    def late(self) -> int:
        """Packets that came after they were given up."""
        return self._queue.late

    @property
    def lost(self) -> int:
        """Packets that were missing when their time came, the late ones included."""
        return self._queue.lost

    @property
    def dropped(self) -> int:
        """Packets thrown away because too much was waiting."""
        return self._queue.dropped

    # Frames.

    def get(self, now: float) -> bytes | None:
        """The next frame, of exactly `ptime` at `rate`; None while nothing has been due yet.

        Args:
            now: The time of the caller's clock, in seconds; call it once every frame.
        """
        if self._smooth:
            queue = self._queue
            position = queue.next
            entry = queue.slots.get(position)
            if entry is not None:
                media, kind, payload, _ = entry
                delay = self._delay
                if (
                    media == self._cursor
                    and kind == self._type
                    and delay.low <= now - media <= delay.high
                ):
                    del queue.slots[position]
                    queue.next = position + 1
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
            self._start(inf)
        while self._rest or any(
            kind in self._decoders for _, kind, _, _ in self._queue.slots.values()
        ):
            frames.append(self._frame(None))
            if not self._playing:
                self._start(inf)
        self.reset()
        return b"".join(frames)

    def _start(self, now: float) -> bool:
        """Whether playing starts now: the first packet has waited, or enough wait behind it."""
        while self._queue.slots:
            position, following = self._queue.first()
            entry = self._queue.slots[position]
            if entry[1] in self._decoders and entry[1] not in self._noises:
                break
            if not following and len(self._queue.slots) == 1:
                return False  # what is missing before it may still come
            self._queue.take(position)
            if entry[1] in self._noises:
                self._pause(entry)
        else:
            return False
        media, kind, _, _ = entry
        slots = self._queue.slots.values()
        if not self._delay.waited(
            now - media, [each[3] for each in slots if each[1] in self._decoders]
        ):
            return False
        self._cursor = media
        self._owed = self._filled = 0.0
        self._noise = self._hole = None
        self._playing = self._started = True
        self._queue.jumped = False
        self._filling.end()
        rate = self._decoders[kind].sample_rate
        if rate != self.rate:
            self._use_rate(rate)
        return True

    def _pause(self, entry: Entry) -> None:
        """Comfort noise begins, or changes."""
        self._noise = self._noises[entry[1]]
        self._noise.decode(entry[2])
        self._started = True
        self._playing = False
        self._smooth = False

    def _frame(self, now: float | None) -> bytes:
        """The next frame, from what is left of the last packet, packets and concealment."""
        if self._queue.jumped:
            self._jump()
        pcm = self._rest
        filled = self._filled_octets
        concealed = filled > 0
        whole = True
        self._taken = -inf
        while len(pcm) < self._octets:
            missing = self._octets - len(pcm)
            due = self._due(now)
            if due is None:
                whole = False
                concealed = self._hole != "pause"
                pcm += self._dry(pcm, missing // SAMPLE_WIDTH)
                break
            position, gap, lost = due
            entry = self._queue.slots[position]
            decoder = self._decoders[entry[1]]
            if entry[1] not in self._noises and decoder.sample_rate != self.rate:
                if pcm:
                    # A frame has one rate: what is left of the old one is carried on to its end.
                    pcm += self._filling.extend(pcm, missing // SAMPLE_WIDTH)
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
                self._queue.take(position)
                self._pause(entry)
                pcm += self._noise.noise(missing // SAMPLE_WIDTH)
            else:
                pcm += self._filling.join(self._play(position))
        if now is not None and self._taken > -inf and whole and not concealed and self._playing:
            pcm = self._adapt(pcm, now)
        octets = self._octets
        self._rest = pcm[octets:]
        pcm = pcm[:octets]
        self._filled_octets = max(0, filled - octets)
        self._history.append(pcm)
        self.concealed_last = concealed
        self.concealed += concealed
        self._smooth = (
            self._playing
            and len(self._rest) < octets
            and self._hole is None
            and not (concealed or self._filled_octets)
        )
        return pcm

    def _jump(self) -> None:
        """Go on with the first packet that was not dropped."""
        self._queue.jumped = False
        self._rest = b""
        self._filled_octets = 0
        self._owed = self._filled = 0.0
        self._filling.begin_loss()
        times = [each[0] for each in self._queue.slots.values() if each[1] in self._decoders]
        if times:
            self._cursor = min(times)

    def _due(self, now: float | None) -> tuple[int, float, bool] | None:
        """The first packet, the seconds until it is due, and whether they are a loss; None if none
        waits.
        """
        while self._queue.slots:
            position, following = self._queue.first()
            media, kind, _, _ = self._queue.slots[position]
            if kind not in self._decoders:
                if not following and len(self._queue.slots) == 1:
                    return None  # what is missing before it may still come
                self._queue.take(position)
                self._hole = "pause"
                continue
            gap = media - self._cursor
            if gap > SAME and self._owed:
                # Its time was spent on concealment before it came.
                covered = min(gap, self._owed)
                self._cursor += covered
                self._owed -= covered
                gap -= covered
            if gap < -SAME and -gap <= self._filled + SAME:
                # It comes while the gap it left is being filled.
                self._queue.take(position)
                self._queue.late += 1
                self._queue.lose(position)
                self._queue.discard(position)
                self._hole = "loss"
                continue
            lost = not following or self._hole == "loss"
            if not lost and gap > SAME and self._hole is None and now is not None:
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
        media, kind, payload, _ = self._queue.slots[position]
        some = min(samples, missing)
        if lost and samples <= round(_BRIDGED * rate) and kind not in self._noises:
            codec = self._decoders[kind].codec
            piece = self._filling.recover(codec, payload, samples, round(self._queue.step * rate))
            if piece is not None:
                self._cursor = media
                self._filled += gap
                return piece, b""
            following = self._play(position)
            if not following:
                return b"", b""
            return self._filling.bridge(pcm, samples, following), following
        self._cursor = media if some == samples else self._cursor + some / rate
        if not lost:
            return self._filling.pause(some), b""
        self._filled += some / rate
        return self._filling.extend(pcm, some), b""

    def _dry(self, pcm: bytes, samples: int) -> bytes:
        """What is played when nothing is there; after long enough, start over."""
        self._owed += samples / self.rate
        if self._owed > self.max_delay:
            self._playing = False
        if self._hole == "pause":
            return self._filling.pause(samples)
        return self._filling.extend(pcm, samples)

    def _play(self, position: int) -> bytes:
        """Take the first packet and decode it."""
        entry = self._queue.take(position)
        kind = entry[1]
        if kind != self._type:
            codec = self._decoders[kind].codec
            self._type = kind
            self._decode = codec.decode
            self._filling.use(codec)
        try:
            return self._played(entry, self._decode(entry[2]))
        except SIPPartyError:
            return self._played(entry, None)

    def _played(self, entry: Entry, pcm: bytes | None) -> bytes:
        """Note that a packet was taken and decoded; None where it could not be."""
        self._owed = self._filled = 0.0
        if pcm is None:
            # A payload that cannot be decoded is as good as none.
            self._queue.lose(self._queue.next - 1)
            self._hole = "loss"
            return b""
        self._hole = None
        self._taken = entry[0]
        self._cursor = entry[0] + len(pcm) // SAMPLE_WIDTH / self.rate
        return pcm

    # The delay.

    def _adapt(self, pcm: bytes, now: float) -> bytes:
        """The same audio, a period longer or shorter where the delay is wrong."""
        rate = self.rate
        wrong = self._delay.wrong(now - self._taken, now, self._period)
        if wrong < 0:
            longer = lengthen(self._filling.heard(), pcm, rate, alike=alike_enough(wrong))
            self.lengthened += longer is not pcm
            return longer
        if not wrong:
            return pcm
        size = max(SAMPLE_WIDTH * round(_SHORTENED * rate), 2 * self._octets)
        while len(pcm) < size:
            due = self._due(now)
            if due is None or due[1] > SAME or due[0] != self._queue.next:
                break
            kind = self._queue.slots[due[0]][1]
            if kind in self._noises or self._decoders[kind].sample_rate != rate:
                break
            pcm += self._play(due[0])
        shorter = shorten(pcm, rate, alike=alike_enough(wrong))
        if len(shorter) < self._octets:
            return pcm
        self.shortened += shorter is not pcm
        return shorter
