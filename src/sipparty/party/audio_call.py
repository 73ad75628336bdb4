"""AudioCall: a call with sound, and the verbs for it.

They go to the call's media session, an `RTPSession`, and may be called on any thread. What takes
time gives a handle that can be waited for, in a thread or a coroutine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Self

from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import Playback, Recording, RTPSession
    from sipparty.media.audio import Audio
    from sipparty.media.conferencing.bridging import AudioBridge
    from sipparty.media.dtmf.dialing import InfoSender, KeysSent
    from sipparty.media.dtmf.digits import CallDigits
    from sipparty.media.dtmf.events import DigitEnded, DigitReceived, Method
    from sipparty.media.dtmf.gathering import Gathering
    from sipparty.media.playing.playable import Playable
    from sipparty.media.quality.quality import Quality
    from sipparty.media.recording.recorder import Recorder
    from sipparty.media.recording.sinks import SinkLike
    from sipparty.media.ringback import Ringback
    from sipparty.media.speech.activity import SpeechDetector
    from sipparty.media.speech.answering import AnsweringDetection, AnsweringJudge
    from sipparty.media.speech.detection import BargeIn, BargeInBy, SpeechDetection
    from sipparty.media.speech.utterances import Utterances
    from sipparty.sip.dialog.modification import Modification
    from sipparty.sip.events import MediaEvent
    from sipparty.sip.info import DTMF
    from sipparty.sip.message import Message

    _AudioCall = SimpleCall[RTPSession]
else:
    _AudioCall = SimpleCall

__all__ = ["AudioCall"]

_UNSET: Any = object()


class AudioCall(_AudioCall):
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
        from sipparty.media.playing.call_tones import CallTone
        from sipparty.media.ringback import Ringback

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

    def play(self, what: Playable, *, barge_in: BargeInBy = False, **options: Any) -> Playback:
        """Play something to the other side, as `RTPSession.play` does.

        Args:
            what: See `RTPSession.play`.
            barge_in: What stops it: "speech" or "digit" of the other side, or True for both, as
                with `barge_in`.
            options: See `RTPSession.play`.
        """
        return self._interruptible(self._media().play(what, **options), barge_in)

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

    def record(self, what: SinkLike = None, **options: Any) -> Recording:
        """Record what is heard, as `RTPSession.record` does."""
        return self._media().record(what, **options)

    # ---------------------------------------------------------------- keys

    @verb
    def send_dtmf(
        self,
        keys: str,
        duration: float = 0.1,
        gap: float = 0.07,
        *,
        pause: float = 2.0,
        method: Method | None = None,
    ) -> KeysSent:
        """Press keys: `call.send_dtmf("12#")`; after those that are still being sent.

        Args:
            keys: "0" to "9", "*", "#", "A" to "D"; "!" or "R" for a hook flash, "," or "p" for a
                pause.
            duration: How long each is pressed, 0.04 to 60 seconds.
            gap: The silence after each, 0.04 to 60 seconds.
            pause: How long a pause is, in seconds.
            method: "rtp" for telephone events (RFC 4733), "info", or "inband" for tones in the
                audio. None for telephone events where they were agreed on, else INFO where the
                other side's Allow has it, else tones.

        Returns:
            A handle: `wait(timeout)` in a thread, or `await`, gives "sent" or "cancelled", and
            raises `CallFailed` where the call ended before, or an INFO was refused; `cancel()`
            stops it.

        Raises:
            UsageError: A character is no key, or a time out of its range; or keys cannot be sent so
                in this call.
        """
        from sipparty.media.dtmf.dialing import send_keys

        return send_keys(self, keys, duration, gap, pause, method)

    @verb
    def gather(
        self,
        max: int | None = None,
        end: str = "#",
        timeout: float = 5.0,
        first_timeout: float | None = None,
        *,
        clear: bool = False,
    ) -> Gathering:
        """Collect keys that the other side presses: `digits = await call.gather(max=4)`, or
        `call.gather(max=4).wait()`. Those that came before, and nobody collected, come first.

        Args:
            max: The most digits; None for any number.
            end: The keys that end it, which are not part of what is returned; "" for none.
            timeout: Seconds from one digit to the next.
            first_timeout: Seconds to the first; None for `timeout`.
            clear: Whether what came before is forgotten.

        Returns:
            A handle. It gives the digits as text whose `reason` says why it ended: "max", "end",
            "timeout", "hangup", "cancelled", or "replaced" by another `gather` or `ask`.

        Raises:
            UsageError: Something is out of its range.
        """
        from sipparty.media.dtmf.gathering import Gathering

        options: Any = {"max": max, "end": end, "timeout": timeout, "first_timeout": first_timeout}
        return Gathering(self._digits, self.portal, **options).begin(clear)

    @verb
    def ask(
        self,
        prompt: Playable,
        max: int | None = None,
        end: str = "#",
        timeout: float = 5.0,
        first_timeout: float | None = None,
        *,
        retries: int = 0,
        choices: Iterable[str] | None = None,
        barge_in: bool = True,
        clear: bool = False,
    ) -> Gathering:
        """Play a prompt and collect what is pressed: `await call.ask("menu.wav", max=1)`. The
        prompt stops at the first digit; the time for that begins at the end of the prompt.

        Args:
            prompt: What is played, as `play` takes it; where it may be repeated, something that can
                be played again, such as a path.
            max: The most digits, as for `gather`.
            end: The keys that end it.
            timeout: Seconds from one digit to the next.
            first_timeout: Seconds from the end of the prompt to the first; None for `timeout`.
            retries: How often it is asked again where nothing was pressed, or none of `choices`.
            choices: The answers that are valid, such as ("1", "2"); None for any.
            barge_in: Whether a digit stops the prompt; where not, what is pressed before its end is
                forgotten.
            clear: Whether what came before is forgotten; else it may be the answer.

        Returns:
            A handle, as of `gather`; the `reason` may be "invalid" where `choices` are given.

        Raises:
            MediaError: The prompt cannot be played.
            UsageError: Something is out of its range; or the call has no media.
        """
        from functools import partial

        from sipparty.media.dtmf.gathering import Gathering

        options: Any = {"max": max, "end": end, "timeout": timeout, "first_timeout": first_timeout}
        play = partial(self.play, prompt)
        gathering = Gathering(
            self._digits, self.portal, play, retries, barge_in, choices, **options
        )
        return gathering.begin(clear)

    @property
    def _digits(self) -> CallDigits:
        """The digits that come; on the engine's thread."""
        digits: CallDigits | None = self.__dict__.get("_call_digits")
        if digits is None:
            from sipparty.media.dtmf.digits import CallDigits

            digits = self.__dict__["_call_digits"] = CallDigits(self)
        return digits

    @property
    def _info_keys(self) -> InfoSender:
        """What sends keys in INFO; on the engine's thread."""
        sender: InfoSender | None = self.__dict__.get("_info_sender")
        if sender is None:
            from sipparty.media.dtmf.dialing import InfoSender

            sender = self.__dict__["_info_sender"] = InfoSender(self)
        return sender

    def _note_media(self, event: DigitReceived | DigitEnded) -> None:
        """Take note of a key, before handlers do; on the engine's thread."""
        self._digits.hear(event)

    def _note_dtmf(self, dtmf: DTMF) -> None:
        """Take note of a key that came in an INFO; on the engine's thread."""
        from sipparty.media.dtmf.events import DigitEnded, DigitReceived

        duration = None if dtmf.duration is None else dtmf.duration / 1000
        about: Any = {"agent": self.agent, "call": self, "made_by": self.core.message}
        self._digits.hear(DigitReceived(dtmf.signal, "info", **about))
        self._digits.hear(DigitEnded(dtmf.signal, "info", duration, **about))

    @property
    def takes_info(self) -> bool:
        """Whether the other side's Allow has INFO."""
        return bool(self.__dict__.get("_takes_info"))

    def _receive(self, transaction: Any, state: Any) -> None:
        super()._receive(transaction, state)
        self._note_allow(transaction.request)

    def _establish(self, state: Any) -> None:
        self._note_allow(self.core.message)
        super()._establish(state)

    def _note_allow(self, message: Message | None) -> None:
        if message is not None and any("INFO" in line for line in message.lines("Allow")):
            self.__dict__["_takes_info"] = True
