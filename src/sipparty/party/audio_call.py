"""AudioCall: a call with sound, and the verbs for it.

They go to the call's media session, an `RTPSession`, and may be called on any thread. What takes
time gives a handle that can be waited for, in a thread or a coroutine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from sipparty.fsm import verb
from sipparty.party.key_call import KeyCall

if TYPE_CHECKING:
    from sipparty.media import Playback, Recording
    from sipparty.media.audio import Audio
    from sipparty.media.conferencing.bridging import AudioBridge
    from sipparty.media.playing.playable import Playable
    from sipparty.media.quality.quality import Quality
    from sipparty.media.recording.recorder import Recorder
    from sipparty.media.recording.sinks import SinkLike
    from sipparty.media.ringback import Ringback
    from sipparty.media.speech.activity import SpeechDetector
    from sipparty.media.speech.answering import AnsweringDetection, AnsweringJudge
    from sipparty.media.speech.detection import BargeIn, BargeInBy, SpeechDetection
    from sipparty.media.speech.utterances import Utterances
    from sipparty.sip import SimpleCall
    from sipparty.sip.dialog.modification import Modification
    from sipparty.sip.events import MediaEvent

__all__ = ["AudioCall"]

_UNSET: Any = object()


class AudioCall(KeyCall):
    """A call with audio; made by `party.invite` or, for the side that is called, by the stack."""

    __slots__ = ()

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the verb under way has its outcome, as `Handle.wait` does; at the end of a
        call until its recordings are complete, too.
        """
        super().wait(timeout)
        for recorder in self._recorders():
            recorder.finish()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait as `wait` does, in a coroutine."""
        yield from super().__await__()
        for recorder in self._recorders():
            yield from recorder.finished().__await__()
        return self

    def _recorders(self) -> list[Recorder]:
        """The recorders of a call that is over."""
        lines = getattr(self.session, "lines", ()) if self.state in self.final else ()
        return [line.recorder for line in lines]

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
            from sipparty.media.conferencing.following import Follower

            loop = getattr(self.portal, "loop", None)
            audio = self.__dict__["_audio"] = Audio(self.portal, self._emit_media, loop)
            Follower(self, audio.attach, audio.end)
        return audio

    def _emit_media(self, event: MediaEvent) -> None:
        if self.session is not None:
            self.session.emit(event)

    @property
    def hold_music(self) -> Playable:
        """What the other side hears while we hold it, over and over: anything that can be played
        again, such as the path of a sound file, or `MemorySource`; None for nothing. As the media
        option of that name says, unless it is set here, before the hold.
        """
        own = self.__dict__.get("_hold_music", _UNSET)
        return getattr(self.session, "hold_music", None) if own is _UNSET else own

    @hold_music.setter
    def hold_music(self, what: Playable) -> None:
        if what is not None:
            from sipparty.media.playing.playable import check_playable

            check_playable(what)
        self.__dict__["_hold_music"] = what

    @verb
    def hold(
        self,
        direction: str = "sendonly",
        *,
        method: str | None = None,
        by_address: bool = False,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Modification:
        """Put the other side on hold, as `SimpleCall.hold` does; it hears `hold_music` where there
        is some, and `direction` is "sendonly".

        Raises:
            MediaError: The music cannot be played.
            UnexpectedInput: As for `SimpleCall.hold`.
            UsageError: Likewise.
        """
        if self.hold_music is not None:
            from sipparty.media.holding import HoldMusic

            music: HoldMusic | None = self.__dict__.get("_holding")
            if music is None:
                music = self.__dict__["_holding"] = HoldMusic(self)
            music.prepare(self.hold_music)
        return super().hold(direction, method=method, by_address=by_address, headers=headers)

    def ringback(self, other: SimpleCall[Any], country: str = "eu") -> Ringback:
        """Play the tone of ringing in this call, until another one is answered, has media of its
        own, or is over.

        Before this call is answered it has media by `ring(183, media=True)`.

        Args:
            other: The call that rings.
            country: Whose tone: "eu", "us" or "uk".

        Returns:
            A handle: `stop()` ends the tone.

        Raises:
            UsageError: There is no such country; or this call has no media.
        """
        from sipparty.media.conferencing.following import check_call
        from sipparty.media.playing.call_tones import CallTone
        from sipparty.media.ringback import Ringback

        check_call(other)
        return Ringback(self.play(CallTone("ringback", country)), other)

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
        from sipparty.media.speech.detection import SpeechDetection

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
        from sipparty.media.speech.detection import BargeIn

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
        from sipparty.media.speech.utterances import Utterances

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
        from sipparty.media.speech.answering import AnsweringDetection, GreetingJudge

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
        from sipparty.media.conferencing.bridging import bridge

        return bridge(self, other)

    @property
    def quality(self) -> Quality:
        """How the call sounds, and once it is over, how it did: `mos`, `loss`, `jitter`,
        `round_trip`, what was ignored and why; see `sipparty.media.quality.quality.Quality`.

        Raises:
            UsageError: The call has no media, and had none.
        """
        quality = self._media().quality
        audio: Audio | None = self.__dict__.get("_audio")
        return quality if audio is None else quality.with_overruns(audio.dropped)

    def play(
        self,
        what: Playable,
        *,
        queue: bool = False,
        loop: int | None = 1,
        fade: float | tuple[float, float] = 0.0,
        gain: float = 0.0,
        rate: int | None = None,
        marks: Mapping[str, float] | Iterable[float] = (),
        barge_in: BargeInBy = False,
    ) -> Playback:
        """Play something to the other side, in place of what is played: `call.play("hello.wav")`.

        Args:
            what: A path; a tone, such as "ringback"; bytes of samples or a numpy array, with
                `rate`; a source, such as `ToneSource`; a generator, a function, an open file; a
                list of these.
            queue: Whether it is played after what is there, and not in its place.
            loop: How many times it is played; None for ever.
            fade: Seconds in which it gets loud, and silent at its end; one number, or two.
            gain: Decibels to be added.
            rate: Samples a second, where what is played does not say so.
            marks: Seconds, or names and their seconds, at which there is a `MarkReached`.
            barge_in: What stops it: "speech" or "digit" of the other side, or True for both.

        Returns:
            A handle: `wait(timeout)` in a thread, or `await`, gives how it ended: "ended",
            "replaced" or "stopped"; `stop()`, `pause()` and `resume()` do so.

        Raises:
            MediaError: A file cannot be played.
            UsageError: It is nothing that can be played, an option is out of its range, or the call
                has no media.
        """
        options: Any = {"queue": queue, "loop": loop, "fade": fade, "gain": gain}
        playback = self._media().play(what, rate=rate, marks=marks, **options)
        return self._interruptible(playback, barge_in)

    def say(self, text: str, *, barge_in: BargeInBy = False, **options: Any) -> Playback:
        """Play what the `tts` of the media options makes of a text, as `play` does."""
        return self._interruptible(self._media().say(text, **options), barge_in)

    def _interruptible(self, playback: Playback, by: BargeInBy) -> Playback:
        if by:
            try:
                self.barge_in(playback, by)
            except BaseException:
                playback.stop()
                raise
        return playback

    def record(
        self,
        what: SinkLike = None,
        *,
        stereo: bool = False,
        rate: int | None = None,
        max_seconds: float | None = None,
        max_silence: float | None = None,
    ) -> Recording:
        """Record what is heard, beside other recordings: `call.record("call.wav")`.

        Args:
            what: A path; None for memory; a function, which is given frames; an open binary file; a
                sink.
            stereo: Whether what is sent is recorded too, on the right.
            rate: Samples a second; None for those of the call.
            max_seconds: The longest recording; None for a day, and 600 in memory.
            max_silence: Seconds without a sound from the other side after which it ends; None for
                never.

        Returns:
            A handle: `stop()` ends it, and `wait(timeout)` in a thread, or `await`, gives it when
            it is complete.

        Raises:
            MediaError: The file cannot be made.
            UsageError: It cannot be recorded to, an option is out of its range, or the call has no
                media.
        """
        options: Any = {"max_seconds": max_seconds, "max_silence": max_silence}
        return self._media().record(what, stereo=stereo, rate=rate, **options)
