"""AudioCall: a call with sound, and the verbs for it.

They go to the call's media session, an `RTPSession`, and may be called on any thread. What takes
time gives a handle that can be waited for, in a thread or a coroutine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import Playback, RTPSession, Sink
    from sipparty.media.activity import SpeechDetector
    from sipparty.media.answering import AnsweringDetection, AnsweringJudge
    from sipparty.media.audio import Audio
    from sipparty.media.bridging import AudioBridge
    from sipparty.media.sinks import SinkLike
    from sipparty.media.sources import SourceLike
    from sipparty.media.speech import BargeIn, BargeInBy, SpeechDetection
    from sipparty.media.utterances import Utterances
    from sipparty.sip.events import MediaEvent

    _AudioCall = SimpleCall[RTPSession]
else:
    _AudioCall = SimpleCall

__all__ = ["AudioCall"]


class AudioCall(_AudioCall):
    """A call with audio; made by `party.invite` or, for the side that is called, by the stack."""

    __slots__ = ()

    def _media(self) -> RTPSession:
        """Return the media session.

        Raises:
            UsageError: The call has none yet: it is called, and was neither answered nor rung with
                media; or none any more.
        """
        session = self.session
        if session is None:
            raise UsageError(
                f"{self.name} has no media: it has some from accept(), or ring(media=True), on."
            )
        return session

    @property
    def audio(self) -> Audio:
        """The audio of the call, frame by frame: to be read, sent and tapped. It is there from the
        first, and flows when media does.
        """
        audio: Audio | None = self.__dict__.get("_audio")
        if audio is None:
            audio = self._make_audio()
        return audio

    @verb
    def _make_audio(self) -> Audio:
        audio: Audio | None = self.__dict__.get("_audio")
        if audio is None:
            from sipparty.media.audio import Audio
            from sipparty.media.following import Follower

            loop = getattr(self.portal, "loop", None)
            audio = self.__dict__["_audio"] = Audio(self.portal, self._emit_media, loop)
            Follower(self, audio.attach, audio.end)
        return audio

    def _emit_media(self, event: MediaEvent) -> None:
        if self.session is not None:
            self.session.emit(event)

    def detect_speech(
        self,
        detector: SpeechDetector | None = None,
        *,
        rate: int | None = None,
        onset: float = 0.04,
        hangover: float = 0.5,
        silence: float | None = None,
    ) -> SpeechDetection:
        """Report when the other side speaks and is silent, as `SpeechStarted`, `SpeechEnded` and
        `SilenceDetected`, until the call is over or the handle is stopped.

        Args:
            detector: What says of a frame whether it is speech, by its `is_speech(frame)`, in a
                thread of its own; None for one by energy.
            rate: Samples a second that the detector wants; None for those that come.
            onset: Seconds that speech has to last to have begun.
            hangover: Seconds without speech after which it has ended.
            silence: Seconds without speech after which there is a `SilenceDetected`; None for
                never.

        Returns:
            A handle with `speaking` and `stop()`.

        Raises:
            UsageError: One of the numbers is none; or the detector has no `is_speech`.
        """
        from sipparty.media.speech import SpeechDetection

        options: Any = {"onset": onset, "hangover": hangover, "silence": silence}
        return SpeechDetection(self, detector, rate=rate, **options)

    def barge_in(
        self,
        what: Playback | Audio,
        by: BargeInBy = True,
        detector: SpeechDetector | None = None,
        *,
        rate: int | None = None,
        onset: float = 0.04,
    ) -> BargeIn:
        """Stop something once the other side interrupts it, and report that as `Interrupted`.

        By energy that is within 60 ms of media time after the other side begins to speak, with
        frames of 20 ms.

        Args:
            what: A playback; or `call.audio`, what waits to be sent then being dropped, each time.
            by: "speech", "digit", or True for both.
            detector: As for `detect_speech`.
            rate: As for `detect_speech`.
            onset: Seconds that speech has to last.

        Returns:
            A handle: `by` says what has interrupted, and `stop()` lets nothing do so any more.

        Raises:
            UsageError: As for `detect_speech`; or it is another kind of interruption.
        """
        from sipparty.media.speech import BargeIn

        return BargeIn(self, what, by, detector, rate=rate, onset=onset)

    def utterances(
        self,
        rate: int | None = None,
        *,
        detector: SpeechDetector | None = None,
        pause: float = 0.6,
        longest: float = 60.0,
    ) -> Utterances:
        """Return what the other side says from now on, piece by piece: `async for said in
        call.utterances(16000)` in a coroutine, `for` in a thread.

        Args:
            rate: Samples a second that are wanted; None for those that come.
            detector: What says of a frame whether it is speech, by its `is_speech(frame)`; it is
                called where the loop is. None for one by energy.
            pause: Seconds of silence that end one.
            longest: Seconds after which one ends without a pause.

        Raises:
            UsageError: One of the numbers is none; or the detector has no `is_speech`.
        """
        from sipparty.media.utterances import Utterances

        audio = self.audio if rate is None else self.audio.at(rate)
        reader = audio.read(limit=500)
        return Utterances(reader, detector, pause=pause, longest=longest)

    def detect_answering_machine(
        self, *, timeout: float = 6.0, judge: AnsweringJudge | None = None
    ) -> AnsweringDetection:
        """Find out whether a human or a machine has answered, from what is heard from now on; also
        reported, as `AnswerJudged`.

        Args:
            timeout: Seconds of media after which it is "unknown".
            judge: What decides, by its `judge(frame)`, in a thread of its own; None for
                `sipparty.media.GreetingJudge()`: by the length of the greeting, its words, the
                pause after it, and a beep.

        Returns:
            A handle: `await` it, or `wait(timeout)` in a thread, for an `AnsweredBy`.

        Raises:
            UsageError: The timeout is none; or the judge has no `judge`.
        """
        from sipparty.media.answering import AnsweringDetection, GreetingJudge

        reader = self.audio.read(limit=500)
        one = GreetingJudge() if judge is None else judge
        made = AnsweringDetection(reader, one, timeout, self._emit_media, self.portal)
        made.start()
        return made

    def bridge(self, other: SimpleCall[Any]) -> AudioBridge:
        """Have this call and another one hear each other, from now on or from when they have media.

        What either is sent by `play`, `audio.send` and music on hold comes before it. Digits do not
        pass, but as tones.

        Args:
            other: The other call, of any party and engine.

        Returns:
            A handle: `stop()` parts them, and leaving its `with` block does.

        Raises:
            UsageError: It is this call.
        """
        from sipparty.media.bridging import bridge

        return bridge(self, other)

    def play(self, what: SourceLike) -> Playback:
        """Play something to the other side, as `RTPSession.play` does."""
        return self._media().play(what)

    def record(self, what: SinkLike) -> Sink:
        """Record what is heard, as `RTPSession.record` does."""
        return self._media().record(what)
