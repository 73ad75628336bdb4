"""A conference: calls that all hear each other, and not themselves.

    async with Conference() as conference:
        conference.add(call)

Laws:

* Every 20 ms it takes what each leg has said and gives each leg the sum of the others, and of what
  is played or sent to all. Sums are exact, and limited once.
* Legs may be of several engines and media loops. Between a leg and the conference are bounded
  queues, so a leg that is late, silent, on hold or gone concerns no other.
* It ticks on the loop of one of its legs, and on another one's when that has left. Without legs it
  has no timer.
* A leg leaves when its call ends, when it is removed, or when the conference is closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

from sipparty.errors import MediaError, UsageError, WouldDeadlock
from sipparty.media.audio import Audio, AudioReader, check_rate
from sipparty.media.clock import Clock, MediaClock
from sipparty.media.conferencing.following import Follower, check_call
from sipparty.media.conferencing.mixing import Pipe, mix_minus
from sipparty.media.frames import AudioFrame, AudioInput, Listener
from sipparty.media.inputs import JOINED, PLAYED, RankedInputs
from sipparty.media.pcm import attenuate, silence
from sipparty.media.playing.playable import Playable
from sipparty.media.playing.playback import Playback
from sipparty.media.playing.player import Player
from sipparty.media.recording.recorder import Recorder
from sipparty.media.recording.recording import Recording
from sipparty.media.recording.sinks import SinkLike
from sipparty.media.speech.activity import EnergyDetector, VoiceActivity
from sipparty.sip.events import MediaEvent

__all__ = ["Conference", "ConferenceLeg"]

_R = TypeVar("_R")

#: Seconds of a tick.
_PERIOD: Final = 0.02
#: Ticks of a stall that are made up for at the most.
_MAX_MADE_UP: Final = 5
#: The rate of a conference whose legs have none yet, in samples a second.
_DEFAULT_RATE: Final = 8000


class ConferenceLeg:
    """A call in a conference; made by `Conference.add`.

    Args:
        conference: The conference.
        call: The call.
        gain: How much louder it is for the others, in dB.
        mute: Whether the others do not hear it.

    Attributes:
        call: The call.
        mute: Whether the others do not hear it; may be set at any time.
        left: Whether it is in the conference no more.
    """

    def __init__(self, conference: Conference, call: Any, gain: float, mute: bool) -> None:
        self.call = call
        self.mute = mute
        self.left = False
        self.heard = Pipe()
        self.sent = Pipe()
        self.rate = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.level = -127.0
        self._conference = conference
        self._detector = EnergyDetector()
        self._activity = VoiceActivity(hangover=0.3)
        self._time = 0.0
        self._line: Any = None
        self.gain = gain
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        name = getattr(self.call, "name", self.call)
        return f"<ConferenceLeg of {name}: {'mute, ' if self.mute else ''}{self.gain:+g} dB>"

    @property
    def gain(self) -> float:
        """How much louder it is for the others, in dB, from -60 to 30; may be set at any time."""
        return self._gain

    @gain.setter
    def gain(self, gain: float) -> None:
        if not -60 <= gain <= 30:
            raise UsageError(f"gain={gain!r} is no number of dB from -60 to 30.")
        self._gain = gain
        self._factor = 10 ** (gain / 20)

    @property
    def speaking(self) -> bool:
        """Whether it speaks now."""
        return self._activity.speaking and not self.mute

    def leave(self) -> None:
        """Leave the conference; the call goes on."""
        self._conference._leave(self)

    # ---------------------------------------------------------------- for the conference

    def follow(self) -> None:
        """Take part from now on."""
        self._follower = Follower(self.call, self._attach, self.leave)
        if self.left:
            self.stop()

    def stop(self) -> None:
        """Take part no more."""
        self.left = True
        if self._follower is not None:
            self._follower.stop()
        self._detach()

    def _attach(self, line: Any) -> None:
        self._detach()
        self._line = line
        line.add_listener(self)
        RankedInputs.of(line).add(self, JOINED)

    def _detach(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.remove_listener(self)
            RankedInputs.of(line).remove(self)

    def said(self, samples: int, rate: int) -> bytes | None:
        """Return what it says to the others; None for nothing."""
        pcm = self.heard.next_frame(samples, rate)
        if pcm is None:
            if not self._activity.speaking:
                return None
            pcm = silence(samples)
        frame = AudioFrame(pcm, rate, self._time)
        self._time += frame.duration
        self.level = frame.energy
        self._activity.take(frame, self._detector.is_speech(frame))
        if self.mute or pcm == silence(samples):
            return None
        return pcm if self._factor == 1.0 else attenuate(pcm, self._factor)

    # ---------------------------------------------------------------- on the tick of its line

    def hear(self, frame: AudioFrame, /) -> None:
        """Take what the call has heard."""
        self.rate = max(frame.rate, self.rate)
        self.heard.hear(frame)
        self._conference._begin(self)

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        """Return what the call is to send."""
        self.rate = max(rate, self.rate)
        self._conference._begin(self)
        return self.sent.next_frame(samples, rate)


class Conference:
    """Calls that all hear each other. Leaving its `with` or `async with` block closes it.

    Args:
        rate: Samples a second of the mix; None for the highest of its legs.
        clock: What ticks it; None for the clock of the loop of one of its legs.

    Attributes:
        audio: The mix of all, to be read, and what is sent to all; as `call.audio` for a call.
        closed: Whether it is over.

    Raises:
        UsageError: The rate is none.
    """

    def __init__(self, *, rate: int | None = None, clock: Clock | None = None) -> None:
        self._rate = None if rate is None else check_rate(rate)
        self._clock_option = clock
        self._lock = threading.RLock()
        self._legs: tuple[ConferenceLeg, ...] = ()
        # What ticks it, on which loop.
        self._clock: Clock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking = threading.Lock()
        self._time = 0.0
        self._sequence = 0
        self.closed = False
        # As a line has them.
        self.stream = None
        self.listeners: tuple[Listener, ...] = ()
        self.input: AudioInput = _Nothing()
        self.audio = Audio()
        self.audio.attach(self)
        # Held while what is played is read, or changed; for moments.
        self._portal = _Locked()
        self._player: Player | None = None
        self._recorder: Recorder | None = None

    # ---------------------------------------------------------------- legs

    def add(self, call: Any, *, gain: float = 0.0, mute: bool = False) -> ConferenceLeg:
        """Let a call take part, from now on or from when it has media.

        Args:
            call: The call.
            gain: How much louder it is for the others, in dB.
            mute: Whether the others do not hear it.

        Raises:
            UsageError: It is no call, or takes part already; the conference is closed; the gain is
                out of range.
        """
        check_call(call)
        leg = ConferenceLeg(self, call, gain, mute)
        with self._lock:
            self._check_open()
            if any(one.call is call for one in self._legs):
                raise UsageError(f"{call!r} takes part in the conference already.")
            self._legs = (*self._legs, leg)
        leg.follow()
        return leg

    def remove(self, call: Any) -> None:
        """Have a call leave, which goes on; one that takes no part is left alone."""
        for leg in self._legs:
            if leg.call is call:
                self._leave(leg)

    def __repr__(self) -> str:
        return f"<Conference of {len(self.legs)}>"

    @property
    def legs(self) -> tuple[ConferenceLeg, ...]:
        """Who takes part, in the order in which they came."""
        return self._legs

    @property
    def speakers(self) -> list[ConferenceLeg]:
        """Who speaks now, the loudest first."""
        speaking = [leg for leg in self._legs if leg.speaking]
        return sorted(speaking, key=lambda leg: -leg.level)

    def _leave(self, leg: ConferenceLeg) -> None:
        with self._lock:
            self._legs = tuple(one for one in self._legs if one is not leg)
            if leg.loop is self._loop or not self._legs:
                self._halt()
        leg.stop()

    def close(self) -> None:
        """Have all leave; their calls go on. What is played ends, and recordings are finished: on a
        thread that may block they are complete then. On any thread, and as often as one likes.
        """
        self._close()
        if self._recorder is not None:
            self._recorder.finish()

    def _close(self) -> None:
        with self._lock:
            self.closed = True
        for leg in self._legs:
            self._leave(leg)
        self.audio.end()
        if self._player is not None:
            self._player.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        for recording in () if self._recorder is None else self._recorder.stop():
            try:
                await recording
            except MediaError:
                pass  # the handle has it

    # ---------------------------------------------------------------- the mix

    @property
    def rate(self) -> int:
        """Samples a second of the mix."""
        rates = [leg.rate for leg in self._legs] if self._rate is None else [self._rate]
        return max(rates, default=0) or _DEFAULT_RATE

    def mix(self, *, limit: int = 50) -> AudioReader:
        """Return the mix of all, frame by frame: `async for frame in conference.mix()`.

        Args:
            limit: How many frames wait to be read at the most.
        """
        return self.audio.read(limit=limit)

    def play(self, what: Playable, **options: Any) -> Playback:
        """Play something to all, from the next frame on, instead of what is played to all.

        Args:
            what: As for `call.play`.
            options: `queue`, `loop`, `fade`, `gain`, `rate` and `marks`, as there.

        Raises:
            MediaError: A file cannot be played; it says why, and what is to be installed.
            UsageError: It cannot be played, or the conference is closed.
        """
        with self._lock:
            self._check_open()
            player = self._player
            if player is None:
                player = self._player = Player(_ignore)
                player.portal, player.loop = self._portal, _running()
                RankedInputs.of(self).add(player, PLAYED)
        return player.play(what, **options)

    def record(self, what: SinkLike = None, **options: Any) -> Recording:
        """Record the mix of all from now on, beside what is recorded already.

        Args:
            what: As for `call.record`.
            options: `rate`, `max_seconds` and `max_silence`, as there.

        Raises:
            MediaError: The file cannot be made; it says why, and what is to be installed.
            UsageError: It cannot be recorded to, or the conference is closed.
        """
        with self._lock:
            self._check_open()
            recorder = self._recorder
            if recorder is None:
                recorder = self._recorder = Recorder(self, _ignore)
                recorder.portal, recorder.loop = self._portal, _running()
            recorder.rate = self.rate
        return recorder.record(what, **options)

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError("The conference is closed.")

    def add_listener(self, listener: Listener, *, sent: bool = False) -> None:
        """Give a listener each frame of the mix from now on; on any thread."""
        with self._lock:
            self.listeners = (*self.listeners, listener)

    def remove_listener(self, listener: Listener) -> None:
        """Give it none any more; on any thread."""
        with self._lock:
            self.listeners = tuple(one for one in self.listeners if one is not listener)

    # ---------------------------------------------------------------- on the tick

    def _begin(self, leg: ConferenceLeg) -> None:
        """Tick from now on, on the loop of this thread, a leg's, if nothing does."""
        if self._clock is not None and leg.loop is not None:
            return
        loop = asyncio.get_running_loop()
        with self._lock:
            leg.loop = loop
            if self._clock is None and not leg.left:
                self._clock = self._clock_option or MediaClock.of(loop)
                self._loop = loop
                self._clock.add(self, _PERIOD)

    def _halt(self) -> None:
        """Tick no more on this loop, until a leg asks for it."""
        clock, loop = self._clock, self._loop
        self._clock = self._loop = None
        if clock is not None and loop is not None:
            _on(loop, clock.remove, self)

    def send_due(self, now: float, skipped: int, /) -> None:
        """Nothing is sent by itself: the lines of the legs take what was mixed."""

    def play_due(self, now: float, skipped: int, /) -> None:
        """Mix one frame; for the clock."""
        if not self._ticking.acquire(blocking=False):
            return  # another loop still does, as it gives it up
        try:
            for _ in range(min(skipped, _MAX_MADE_UP) + 1):
                self._mix()
        finally:
            self._ticking.release()

    def _mix(self) -> None:
        rate = self.rate
        samples = round(rate * _PERIOD)
        legs = self._legs
        said = [(leg, leg.said(samples, rate)) for leg in legs]
        speaking = [(leg, pcm) for leg, pcm in said if pcm is not None]
        parts = [pcm for _, pcm in speaking]
        played = self._portal.run(self.input.next_frame, samples, rate)
        if played is not None:
            parts.append(played)
        if parts:
            total, others = mix_minus(parts)
        else:
            total, others = silence(samples), []
        frame = AudioFrame(total, rate, self._time, self._sequence)
        without = {
            leg: AudioFrame(pcm, rate, self._time, self._sequence)
            for (leg, _), pcm in zip(speaking, others, strict=False)
        }
        for leg in legs:
            leg.sent.hear(without.get(leg, frame))
        for listener in self.listeners:
            listener.hear(frame)
        self._time += _PERIOD
        self._sequence += 1


class _Nothing:
    """What is said to all where nothing is."""

    def next_frame(self, samples: int, rate: int, /) -> bytes | None:
        return None


class _Locked:
    """Access to what is played, for any thread: one at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def run(self, function: Callable[..., _R], /, *args: object) -> _R:
        with self._lock:
            return function(*args)

    def check_may_block(self) -> None:
        if _running() is not None:
            raise WouldDeadlock("A blocking wait would stop the loop that it is on: await it.")

    def event(self) -> threading.Event:
        return threading.Event()


def _running() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _ignore(event: MediaEvent) -> None:
    """A conference has no handlers; handles have their outcome, and what fails is logged."""


def _on(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    """Have a function called on the thread of a loop, now or soon."""
    if _running() is loop:
        function(*args)
        return
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        pass  # it is closed, and its timers with it
