"""Voice activity: when the other side speaks, and when it is silent.

Laws:

* A detector says of one frame whether it is speech. What it says is smoothed: speech has begun when
  it has lasted for `onset`, so that a click is none, and has ended when there was none for
  `hangover`, so that words are not taken apart.
* Times are media time: those of the frames, whenever they are looked at.
* The detector by energy is cheap and looks at frames as they are heard. Any other one has a thread
  of its own, and frames wait for it.
* A frame that was lost and filled begins no speech.

Nothing here does I/O.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from sipparty.errors import UsageError
from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import loudness
from sipparty.media.settings import check_seconds
from sipparty.sip.events import MediaEvent

__all__ = [
    "EnergyDetector",
    "SilenceDetected",
    "SpeechDetector",
    "SpeechEnded",
    "SpeechStarted",
    "VoiceActivity",
    "check_detector",
]

_OVERLOAD: Final = 32768.0


class SpeechStarted(MediaEvent):
    """The other side has begun to speak.

    Args:
        time: When, in seconds of media time: as it began, not as it was noticed.
    """

    time: float


class SpeechEnded(MediaEvent):
    """The other side has stopped speaking.

    Args:
        time: When it stopped, in seconds of media time.
        seconds: How long it has spoken.
    """

    time: float
    seconds: float


class SilenceDetected(MediaEvent):
    """The other side has said nothing for as long as was asked for; once in each silence.

    Args:
        seconds: How long it has been silent.
    """

    seconds: float


class SpeechDetector(Protocol):
    """What says whether a frame is speech."""

    def is_speech(self, frame: AudioFrame, /) -> bool:
        """Return whether it is; called for each frame, in order."""


def check_detector(detector: Any) -> SpeechDetector:
    """See that something says whether a frame is speech.

    Raises:
        UsageError: It does not.
    """
    if isinstance(detector, type):
        raise UsageError(f"{detector.__name__} is a class: give {detector.__name__}(...).")
    if not callable(getattr(detector, "is_speech", None)):
        raise UsageError(f"{detector!r} is no detector: it has no is_speech(frame).")
    found: SpeechDetector = detector
    return found


class EnergyDetector:
    """Takes for speech what is louder than the noise that is always there.

    The noise is the least that was heard in the last one to two seconds: speech has pauses that
    short, noise has not.

    Args:
        threshold: What is not louder is never speech, in dBov.
        margin: How much louder than the noise speech is, in dB.
        loudest_noise: What is louder, by the margin, is speech even if it never pauses, in dBov.

    Raises:
        UsageError: A level is above 0, or the margin below.
    """

    #: Seconds of media time over which the least is taken, twice.
    WINDOW: Final = 1.0

    __slots__ = ("_before", "_factor", "_least", "_left", "_most", "_now")

    def __init__(
        self, threshold: float = -45.0, margin: float = 9.0, loudest_noise: float = -30.0
    ) -> None:
        for name, level in (("threshold", threshold), ("loudest_noise", loudest_noise)):
            if not -127 <= level <= 0:
                raise UsageError(f"{name}={level!r} is no level from -127 to 0 dBov.")
        if not 0 <= margin <= 127:
            raise UsageError(f"margin={margin!r} is no number of dB from 0 to 127.")
        self._least = _OVERLOAD * 10 ** (threshold / 20)
        self._factor = 10 ** (margin / 20)
        self._most = _OVERLOAD * 10 ** (loudest_noise / 20)
        # The least of this window, and of the one before; none of the first is known.
        self._now = _OVERLOAD
        self._before = 0.0
        self._left = self.WINDOW

    def is_speech(self, frame: AudioFrame, /) -> bool:
        """Return whether a frame is louder than the noise, and take its own into account."""
        level = loudness(frame.pcm)
        if not frame.concealed:
            self._now = min(self._now, level)
            self._left -= frame.duration
            if self._left <= 0:
                self._before, self._now = self._now, _OVERLOAD
                self._left = self.WINDOW
        noise = min(self._before, self._now, self._most)
        return level > max(self._least, noise * self._factor)


class VoiceActivity:
    """Speech and silence, by what a detector says of each frame.

    Args:
        onset: Seconds that speech has to last to have begun.
        hangover: Seconds without speech after which it has ended.
        silence: Seconds without speech after which there is a `SilenceDetected`; None for never.

    Attributes:
        speaking: Whether the other side speaks now.

    Raises:
        UsageError: One is no number of seconds.
    """

    __slots__ = (
        *("_began", "_hangover", "_last", "_onset", "_run", "_silence", "_silent"),
        "speaking",
    )

    def __init__(
        self, *, onset: float = 0.04, hangover: float = 0.5, silence: float | None = None
    ) -> None:
        check_seconds("onset", onset, zero=True)
        check_seconds("hangover", hangover, zero=True)
        if silence is not None:
            check_seconds("silence", silence)
        self._onset = onset
        self._hangover = hangover
        self._silence = silence
        self.speaking = False
        # When the speech that is, or may be, has begun; how long it has lasted until now.
        self._began = 0.0
        self._run = 0.0
        # When the last of it ended, or the first frame began; None before that.
        self._last: float | None = None
        # Whether this silence was reported.
        self._silent = False

    def take(self, frame: AudioFrame, is_speech: bool) -> list[MediaEvent]:
        """Take what a detector says of the next frame, and return what has happened by it."""
        begin, length = frame.time, frame.duration
        end = begin + length
        if self._last is None:
            self._last = begin
        if is_speech and (self.speaking or not frame.concealed):
            if not self.speaking and not self._run:
                self._began = begin
            self._run += length
            if self.speaking or self._run >= self._onset - 1e-6:
                self._last = end
                if not self.speaking:
                    self.speaking, self._silent = True, False
                    return [SpeechStarted(self._began)]
            return []
        if not frame.concealed:
            self._run = 0.0
        happened: list[MediaEvent] = []
        silent = end - self._last + 1e-6
        if self.speaking and silent >= self._hangover:
            self.speaking = False
            self._run = 0.0
            happened.append(SpeechEnded(self._last, self._last - self._began))
        if self._silence is not None and not self._silent and silent >= self._silence:
            self._silent = True
            happened.append(SilenceDetected(self._silence))
        return happened
