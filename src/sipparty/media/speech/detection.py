"""The speech of the other side of a call: reported, and taken as an interruption.

Laws:

* A detector of one's own runs in a thread of its own; the one by energy is quick enough for the
  tick, so what interrupts a playback does so within it.
* Who interrupts something that is over does nothing, and stops listening.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sipparty.errors import UsageError
from sipparty.media.audio import Audio, Tap
from sipparty.media.conferencing.following import Follower, unsubscribe
from sipparty.media.dtmf.events import DigitReceived
from sipparty.media.speech.activity import (
    EnergyDetector,
    SpeechDetector,
    SpeechStarted,
    VoiceActivity,
    check_detector,
)
from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.media.frames import AudioFrame
    from sipparty.media.playing.playback import Playback

__all__ = ["BargeIn", "BargeInBy", "Interrupted", "SpeechDetection"]

#: What may interrupt: True for both.
BargeInBy: TypeAlias = Literal["speech", "digit"] | bool

_KINDS: Final[dict[object, frozenset[str]]] = {
    True: frozenset(("speech", "digit")),
    "speech": frozenset(("speech",)),
    "digit": frozenset(("digit",)),
}


class Interrupted(MediaEvent):
    """What was played or sent was stopped, because the other side began to speak or sent a digit.

    Args:
        what: The `Playback`, or the `Audio` that was cleared.
        by: "speech" or "digit".
        after: Seconds of media time from the beginning of the speech to the stop; 0 for a digit.
    """

    what: Playback | Audio
    by: str
    after: float


def _emit(call: Any, event: MediaEvent) -> None:
    session = call.session
    if session is not None:
        session.emit(event)


class _Ears:
    """Listens for speech in a call."""

    def __init__(
        self,
        call: Any,
        detector: SpeechDetector | None,
        rate: int | None,
        activity: VoiceActivity,
        happened: Callable[[MediaEvent, AudioFrame], object],
    ) -> None:
        self.activity = activity
        self._happened = happened
        self._line: Any = None
        self._tap: Tap | None = None
        self._follower: Follower | None = None
        if detector is None:
            self._detector: SpeechDetector = EnergyDetector()
            self._follower = Follower(call, self._attach, self.stop)
        else:
            self._detector = check_detector(detector)
            audio: Audio = call.audio if rate is None else call.audio.at(rate)
            self._tap = audio.tap(self.hear)

    def _attach(self, line: Any) -> None:
        self._detach()
        self._line = line
        line.add_listener(self)

    def _detach(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.remove_listener(self)

    def hear(self, frame: AudioFrame, /) -> None:
        for event in self.activity.take(frame, self._detector.is_speech(frame)):
            self._happened(event, frame)

    def stop(self) -> None:
        if self._follower is not None:
            self._follower.stop()
        self._detach()
        if self._tap is not None:
            self._tap.stop()


class SpeechDetection:
    """Reports speech and silence of the other side as events, until the call is over or it is
    stopped; made by `call.detect_speech`.
    """

    def __init__(
        self,
        call: Any,
        detector: SpeechDetector | None = None,
        *,
        rate: int | None = None,
        onset: float = 0.04,
        hangover: float = 0.5,
        silence: float | None = None,
    ) -> None:
        activity = VoiceActivity(onset=onset, hangover=hangover, silence=silence)
        self._ears = _Ears(call, detector, rate, activity, lambda event, _: _emit(call, event))

    def __repr__(self) -> str:
        return f"<SpeechDetection: {'speech' if self.speaking else 'silence'}>"

    @property
    def speaking(self) -> bool:
        """Whether the other side speaks now."""
        return self._ears.activity.speaking

    def stop(self) -> None:
        """Report no more."""
        self._ears.stop()

    def __enter__(self) -> SpeechDetection:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class BargeIn:
    """Stops a playback, or what `call.audio` sends, once the other side interrupts; made by
    `call.barge_in`.

    Attributes:
        by: What has interrupted it last: "speech" or "digit"; None for nothing yet.
    """

    #: As a handler of events it is called at once.
    immediate = True

    def __init__(
        self,
        call: Any,
        what: Playback | Audio,
        by: BargeInBy = True,
        detector: SpeechDetector | None = None,
        *,
        rate: int | None = None,
        onset: float = 0.04,
    ) -> None:
        kinds = _KINDS.get(by)
        if kinds is None:
            raise UsageError(f'What interrupts is "speech", "digit" or True for both, not {by!r}.')
        if not isinstance(what, Audio) and not callable(getattr(what, "stop", None)):
            raise UsageError(
                f"What is interrupted is a playback, as play() gives, or call.audio, not {what!r}."
            )
        self.by: str | None = None
        self._stopped = False
        self._call = call
        self._what = what
        self._ears: _Ears | None = None
        # Where only digits do, it still has to see the end of the playback.
        self._end: Follower | None = None
        if "digit" in kinds:
            call.on(DigitReceived, self)
        if "speech" in kinds:
            activity = VoiceActivity(onset=onset, hangover=0.2)
            self._ears = _Ears(call, detector, rate, activity, self._spoke)
        self._end = Follower(call, lambda line: line.add_listener(self), self.stop)
        if self._stopped:
            self.stop()  # the call was over before

    def __repr__(self) -> str:
        return f"<BargeIn on {self._what!r}: {self.by or 'nothing'} has interrupted>"

    def hear(self, frame: AudioFrame, /) -> None:
        """See whether there is something to be interrupted still; called by the line."""
        if not isinstance(self._what, Audio) and self._what.done:
            self.stop()

    def __call__(self, event: DigitReceived) -> None:
        """Take a digit."""
        self._interrupt("digit", 0.0)

    def _spoke(self, event: MediaEvent, frame: AudioFrame) -> None:
        if isinstance(event, SpeechStarted):
            self._interrupt("speech", frame.time + frame.duration - event.time)

    def _interrupt(self, by: str, after: float) -> None:
        what = self._what
        if self._stopped:
            return
        if isinstance(what, Audio):
            if not what.clear():
                return
        else:
            if what.done:
                return
            what.stop()
        self.by = by
        _emit(self._call, Interrupted(what, by, after))

    def stop(self) -> None:
        """Let nothing interrupt it any more."""
        self._stopped = True
        if self._end is not None:
            if self._end.line is not None:
                self._end.line.remove_listener(self)
            self._end.stop()
        unsubscribe(self._call, self, DigitReceived)
        if self._ears is not None:
            self._ears.stop()
