"""The playout buffer: packets in at any time and in any order, one frame of audio out a tick.

Laws:

* Order is by sequence number, timing by timestamp. A hole in both is a loss, and concealed; a hole
  in the timestamps alone is a pause of the sender (RFC 3551 section 4.1), and silence.
* `get` gives None until the first frame is due, and from then on one frame each time, whatever
  comes or does not: the caller's clock sets the pace, and a recording keeps the time of the call.
* What arrives intact and in time comes out sample for sample.
* A packet is decoded once, in order, when it is played. One whose payload type has no decoder takes
  its place in the sequence and no time (a telephone event beside the audio, RFC 4733).
* Everything is bounded: packets by `max_packets`, delay by `max_delay`.

How it adapts. Playing starts when the first packet has waited for the target: `min_delay`, or three
times the jitter (RFC 3550 section A.8) where that is more. When the buffer runs dry, the position
in the stream stands still while concealment is played, so the delay grows by what the network took;
dry for longer than `max_delay` it starts over, as at the beginning of a talkspurt. When for
`window` frames on end more was waiting than the target needs, one frame is left out, a quiet one if
there is one in the time; so delay comes down again, and a sender whose clock is fast is followed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from sipparty.errors import SIPPartyError
from sipparty.media.pcm import SAMPLE_WIDTH, attenuate, loudness, silence
from sipparty.media.rtp import RTPPacket, sequence_difference, timestamp_difference
from sipparty.media.rtp_source import MAX_MISORDER

__all__ = ["JitterBuffer", "Verdict"]

#: What became of a packet that was put.
Verdict: TypeAlias = Literal["queued", "duplicate", "late"]

#: The target is this many times the jitter.
_JITTERS: Final = 3.0
#: How loud a frame that may be left out is at most, of 32768.
_QUIET: Final = 200
#: By what factor each repetition of the last frame is quieter than the one before.
_FADE: Final = 0.5
#: How many times the last frame is repeated; afterwards there is silence.
_REPEATS: Final = 4


class _Waiting(NamedTuple):
    """A packet in the buffer, sorted by its extended sequence number."""

    position: int
    packet: RTPPacket
    arrived: float


class JitterBuffer:
    """Smooths one stream.

    Args:
        decoders: For each payload type of audio, what decodes a payload to 16-bit samples.
        frame: Samples in a frame that `get` gives.
        clock_rate: Ticks a second of the timestamps.
        samples_per_tick: Samples that pass in a tick; 1 but for G.722.
        min_delay: Least target, in seconds.
        max_delay: Most that may wait, in seconds: what is older is dropped. Bounds the delay.
        max_packets: Most packets that may wait; protects memory.
        window: Frames over which the buffer has to be too full before a frame is left out.
        conceal: What fills a loss: "repeat", the last frame, fading; or "silence".

    Attributes:
        duplicates: Packets that had come before.
        late: Packets that came after they were given up.
        lost: Packets that were missing when their time came, the late ones included.
        concealed: Frames in which something was missing.
        dropped: Packets thrown away because too much was waiting.
        skipped: Frames left out to bring the delay down.
    """

    def __init__(
        self,
        decoders: Mapping[int, Callable[[bytes], bytes]],
        frame: int = 160,
        clock_rate: int = 8000,
        *,
        samples_per_tick: int = 1,
        min_delay: float = 0.04,
        max_delay: float = 0.4,
        max_packets: int = 64,
        window: int = 50,
        conceal: Literal["repeat", "silence"] = "repeat",
    ) -> None:
        self._decoders = dict(decoders)
        self.frame = frame
        self.clock_rate = clock_rate
        self.samples_per_tick = samples_per_tick
        self.min_delay = min_delay
        self.max_delay = max_delay
        self.max_packets = max_packets
        self.window = window
        self.conceal = conceal
        self.duplicates = 0
        self.late = 0
        self.lost = 0
        self.concealed = 0
        self.dropped = 0
        self.skipped = 0
        self._started = False
        self._ceiling = round(max_delay * clock_rate)
        self.reset()

    def reset(self) -> None:
        """Forget the stream and what waits of it: another one begins. The counts stay."""
        self._queue: list[_Waiting] = []
        self._rest = b""
        self._last = b""
        self._fades = 0
        self._playing = False
        self._highest: int | None = None
        self._played: int | None = None
        self._given_up: set[int] = set()
        self._cursor = 0
        self._owed = 0
        self._filled = 0
        # What a hole after the last packet is, where the sequence numbers do not say.
        self._hole: Literal["pause", "loss"] | None = None
        self._arrival: tuple[float, int] | None = None
        self._jitter = 0.0
        self._least = self._ceiling
        self._quota = self.window

    @property
    def target(self) -> float:
        """How long a packet should wait, in seconds, by the jitter so far."""
        return min(max(self.min_delay, _JITTERS * self._jitter), self.max_delay / 2)

    @property
    def playing(self) -> bool:
        """Whether frames are played, or concealed; not before the beginning, or in a pause."""
        return self._playing

    @property
    def waiting(self) -> int:
        """How many packets wait."""
        return len(self._queue)

    def put(self, packet: RTPPacket, now: float) -> Verdict:
        """Take a packet that came at `now`, in seconds."""
        if self._highest is None:
            position = self._highest = packet.sequence
        else:
            position = self._highest + sequence_difference(packet.sequence, self._highest)
        if self._played is not None and position <= self._played:
            if position in self._given_up:
                self._given_up.remove(position)
                self.late += 1
                return "late"
            self.duplicates += 1
            return "duplicate"
        queue = self._queue
        entry = _Waiting(position, packet, now)
        if not queue or position > queue[-1].position:
            queue.append(entry)
        else:
            index = bisect_left(queue, position, key=lambda waiting: waiting.position)
            if queue[index].position == position:
                self.duplicates += 1
                return "duplicate"
            queue.insert(index, entry)
        self._highest = max(self._highest, position)
        if packet.payload_type in self._decoders:
            self._estimate(packet.timestamp, now)
        if len(queue) > self.max_packets:
            self._drop_oldest()
        return "queued"

    def get(self, now: float) -> bytes | None:
        """The next frame, of exactly `frame` samples; None while nothing has been due yet.

        Args:
            now: The time of the caller's clock, in seconds; call it once every frame.
        """
        if not self._playing and not self._start(now):
            return silence(self.frame) if self._started else None
        pcm = self._assemble()
        self._watch_delay(pcm)
        return pcm

    def drain(self) -> bytes:
        """What still waits, losses concealed, for the end of a recording; the buffer is empty
        afterwards.
        """
        frames = []
        self._queue = [each for each in self._queue if each.packet.payload_type in self._decoders]
        if self._queue and not self._playing:
            self._begin()
        while self._queue or self._rest:
            frames.append(self._assemble())
        self.reset()
        return b"".join(frames)

    # Starting, and the delay.

    def _start(self, now: float) -> bool:
        """Whether playing starts now: the first packet has waited, or enough wait behind it."""
        queue = self._queue
        if not queue:
            return False
        waited = now - queue[0].arrived
        if waited < self.target and self._ahead() < self.target * self.clock_rate:
            return False
        self._begin()
        return True

    def _begin(self) -> None:
        self._cursor = self._queue[0].packet.timestamp
        self._owed = self._filled = 0
        self._playing = self._started = True
        self._least = self._ceiling
        self._quota = self.window

    def _ahead(self) -> int:
        """Ticks from the position of playing, or the first packet, to the last packet."""
        queue = self._queue
        if not queue:
            return 0
        start = self._cursor if self._playing else queue[0].packet.timestamp
        return max(0, timestamp_difference(queue[-1].packet.timestamp, start))

    def _estimate(self, timestamp: int, now: float) -> None:
        """Keep the interarrival jitter, as RFC 3550 section A.8 has it, in seconds."""
        if self._arrival is not None:
            arrived, before = self._arrival
            elapsed = timestamp_difference(timestamp, before) / self.clock_rate
            difference = abs(now - arrived - elapsed)
            # A pause or a new beginning of the timestamps is no jitter.
            if difference < self.max_delay:
                self._jitter += (difference - self._jitter) / 16
        self._arrival = (now, timestamp)

    def _drop_oldest(self) -> None:
        """Throw the first packet away, and go on with the next."""
        self._played = self._queue.pop(0).position
        self.dropped += 1
        self._cursor = self._queue[0].packet.timestamp
        self._rest = b""

    def _watch_delay(self, pcm: bytes) -> None:
        """Leave a frame out where more has been waiting than the target needs."""
        per_frame = self.frame // self.samples_per_tick
        ahead = self._ahead()
        if ahead > self._ceiling:
            # Far too much, at once: a burst after an outage.
            while len(self._queue) > 1 and self._ahead() > self.target * self.clock_rate:
                self._drop_oldest()
            self._least = self._ceiling
            self._quota = self.window
            return
        self._least = min(self._least, ahead)
        self._quota -= 1
        excess = self._least - self.target * self.clock_rate
        if self._quota > 0:
            return
        if excess < per_frame:
            self._least = self._ceiling
            self._quota = self.window
        elif self._quota < -self.window or loudness(pcm) <= _QUIET:
            self._assemble()
            self.skipped += 1
            self._least = self._ceiling
            self._quota = self.window

    # A frame.

    def _assemble(self) -> bytes:
        """The next frame, from what is left of the last packet, packets and concealment."""
        need = self.frame * SAMPLE_WIDTH
        per_tick = SAMPLE_WIDTH * self.samples_per_tick
        pcm = self._rest
        whole = True
        while len(pcm) < need:
            gap = self._gap()
            if gap is None:
                octets = need - len(pcm)
                pcm += bytes(octets) if self._hole == "pause" else self._conceal(octets)
                whole = False
                self._run_dry(octets // per_tick)
                break
            ticks, lost = gap
            if ticks:
                octets = min(ticks * per_tick, need - len(pcm))
                pcm += self._conceal(octets) if lost else bytes(octets)
                whole = whole and not lost
                self._cursor += octets // per_tick
                self._filled += octets // per_tick
            else:
                pcm += self._play()
        self._rest = pcm[need:]
        pcm = pcm[:need]
        if whole:
            self._last = pcm
            self._fades = 0
        else:
            self.concealed += 1
        return pcm

    def _gap(self) -> tuple[int, bool] | None:
        """Ticks until the first packet is due, and whether they are a loss; None if none waits."""
        queue = self._queue
        while queue:
            position, packet, _ = queue[0]
            following = self._played is None or position == self._played + 1
            if packet.payload_type not in self._decoders:
                if not following and len(queue) == 1:
                    return None  # what is missing before it may still come
                self._take()
                self._hole = "pause"
                continue
            ticks = timestamp_difference(packet.timestamp, self._cursor)
            if ticks > 0 and self._owed:
                # Its time was spent on concealment before it came.
                covered = min(ticks, self._owed)
                self._cursor += covered
                self._owed -= covered
                ticks -= covered
            if ticks < 0 and -ticks <= self._filled:
                # It comes while the gap it left is being filled.
                self._take()
                self.late += 1
                self.lost += 1
                self._hole = "loss"
                continue
            if ticks < 0 or ticks > self._ceiling:
                # The timestamps began anew: go on with them.
                self._cursor = packet.timestamp
                ticks = 0
            return ticks, not following or self._hole == "loss"
        return None

    def _run_dry(self, ticks: int) -> None:
        """Note that nothing was there to play; after long enough, start over."""
        self._owed += ticks
        if self._owed > self._ceiling:
            self._playing = False

    def _take(self) -> RTPPacket:
        """Remove the first packet; what is missing before it is lost now."""
        position, packet, _ = self._queue.pop(0)
        if self._played is not None and position > self._played + 1:
            self.lost += position - self._played - 1
            first = max(self._played + 1, position - MAX_MISORDER)
            recent = {each for each in self._given_up if each >= first - MAX_MISORDER}
            self._given_up = recent.union(range(first, position))
        self._played = position
        return packet

    def _play(self) -> bytes:
        """Take the first packet and decode it."""
        packet = self._take()
        self._owed = self._filled = 0
        self._hole = None
        try:
            pcm = self._decoders[packet.payload_type](packet.payload)
        except SIPPartyError:
            # A payload that cannot be decoded is as good as none.
            self.lost += 1
            self._hole = "loss"
            return b""
        self._cursor = packet.timestamp + len(pcm) // (SAMPLE_WIDTH * self.samples_per_tick)
        return pcm

    def _conceal(self, octets: int) -> bytes:
        """Audio for what is missing."""
        if self.conceal == "silence" or not self._last or self._fades >= _REPEATS:
            return bytes(octets)
        self._fades += 1
        self._last = attenuate(self._last, _FADE)
        return (self._last * (octets // len(self._last) + 1))[:octets]
