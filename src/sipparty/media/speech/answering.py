"""Who has answered: a human or a machine.

Laws:

* It is a guess. A human says a word or two and waits; a machine has more to say, and beeps.
* What guesses is a judge that is given the frames from the answer on, in a thread of its own; one's
  own may take the place of `GreetingJudge`.
* Times are media time, so that a lossy network changes nothing.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from sipparty.concurrency.waiting import Waitable
from sipparty.errors import Timeout, UsageError
from sipparty.media.audio import AudioReader
from sipparty.media.frames import AudioFrame
from sipparty.media.settings import check_seconds
from sipparty.media.speech.activity import EnergyDetector, SpeechDetector
from sipparty.sip.events import MediaEvent

__all__ = [
    "AnswerJudged",
    "AnsweredBy",
    "AnsweringDetection",
    "AnsweringJudge",
    "BeepDetector",
    "GreetingJudge",
]

Kind: TypeAlias = Literal["human", "machine", "unknown"]


class AnsweredBy(NamedTuple):
    """Who has answered.

    Attributes:
        kind: "human", "machine" or "unknown".
        reason: Why, in words.
        seconds: When that was clear, in seconds of media time since it was looked for.
    """

    kind: Kind
    reason: str
    seconds: float


class AnswerJudged(MediaEvent):
    """It was found out who has answered, or not.

    Args:
        result: Who it is.
    """

    result: AnsweredBy


class AnsweringJudge(Protocol):
    """What guesses who has answered."""

    def judge(self, frame: AudioFrame, /) -> AnsweredBy | None:
        """Return who it is once that is clear, None before; called for each frame, in order."""


class BeepDetector:
    """Finds the beep after which a machine records: one steady tone.

    A tone is what predicts each sample from the two before: its frequency follows from how.

    Args:
        seconds: How long it has to last.
        hertz: The lowest and the highest frequency that it may have.
        level: What is not louder is none, in dBov.
    """

    __slots__ = ("_found", "_hertz", "_lasted", "_level", "_seconds")

    #: How much of the energy may be something else, and how far it may go in a frame, in Hz.
    PURE: Final = 0.02
    STEADY: Final = 25.0

    def __init__(
        self,
        seconds: float = 0.15,
        hertz: tuple[float, float] = (350.0, 2200.0),
        level: float = -35.0,
    ) -> None:
        self._seconds = seconds
        self._hertz = hertz
        self._level = level
        self._found = 0.0
        self._lasted = 0.0

    def is_beep(self, frame: AudioFrame, /) -> bool:
        """Return whether a beep has lasted for long enough by now."""
        tone = self._tone(frame) if frame.energy > self._level else 0.0
        low, high = self._hertz
        if not low <= tone <= high:
            self._lasted = 0.0
        elif self._lasted and abs(tone - self._found) <= self.STEADY:
            self._lasted += frame.duration
        else:
            self._lasted = frame.duration
        self._found = tone
        return self._lasted >= self._seconds - 1e-6

    def _tone(self, frame: AudioFrame) -> float:
        """Return the frequency of a frame that is a tone; 0 for one that is none."""
        samples = memoryview(frame.pcm).cast("h")
        middle = samples[1:-1]
        around = [before + after for before, after in zip(samples, samples[2:], strict=False)]
        energy = sum([one * one for one in middle])
        if not energy:
            return 0.0
        # x[n-1] + x[n+1] = 2 cos(w) x[n]
        cosine = sum([a * b for a, b in zip(around, middle, strict=True)]) / (2 * energy)
        if not -1 < cosine < 1:
            return 0.0
        wrong = sum([(a - 2 * cosine * b) ** 2 for a, b in zip(around, middle, strict=True)])
        if wrong > self.PURE * energy:
            return 0.0
        return math.acos(cosine) * frame.rate / (2 * math.pi)


class GreetingJudge:
    """Judges by the greeting: how long it is, of how many words, and whether a pause follows.

    Args:
        max_greeting: Seconds that a human's greeting takes at the most.
        max_words: Words that it has at the most.
        pause: Seconds of silence after which a greeting is over.
        patience: Seconds in which something has to be said.
        detector: What says what is speech; None for `EnergyDetector`.
        beep: What finds a beep; None for `BeepDetector`.

    Raises:
        UsageError: One is no number of seconds.
    """

    #: Seconds of the shortest word, and of the shortest pause between two.
    WORD: Final = 0.1
    GAP: Final = 0.06

    def __init__(
        self,
        *,
        max_greeting: float = 1.6,
        max_words: int = 4,
        pause: float = 0.8,
        patience: float = 3.0,
        detector: SpeechDetector | None = None,
        beep: BeepDetector | None = None,
    ) -> None:
        for name, value in (("max_greeting", max_greeting), ("pause", pause)):
            check_seconds(name, value)
        check_seconds("patience", patience)
        self._max_greeting = max_greeting
        self._max_words = max_words
        self._pause = pause
        self._patience = patience
        self._detector = EnergyDetector() if detector is None else detector
        self._beep = BeepDetector() if beep is None else beep
        self._seconds = 0.0
        self._words = 0
        # When the greeting began and, as far as it is heard, ended.
        self._began = self._last = 0.0
        self._word = 0.0

    def judge(self, frame: AudioFrame, /) -> AnsweredBy | None:
        """Return who it is once that is clear."""
        begin = self._seconds
        self._seconds += frame.duration
        if self._beep.is_beep(frame):
            return self._found("machine", "a beep was heard")
        if self._detector.is_speech(frame):
            if not self._words and not self._word:
                self._began = begin
            self._word += frame.duration
            self._last = self._seconds
            # Counted once, in the frame that makes it long enough.
            if self._word >= self.WORD - 1e-6 > self._word - frame.duration:
                self._words += 1
        elif self._seconds - self._last >= self.GAP - 1e-6:
            self._word = 0.0
        return self._decided()

    def _decided(self) -> AnsweredBy | None:
        quiet = self._seconds - self._last
        if not self._words:
            if quiet < self._patience:
                return None
            return self._found("unknown", f"nothing was said for {self._patience:g} s")
        length = self._last - self._began
        if length > self._max_greeting + 1e-6:
            return self._found("machine", f"the greeting took more than {self._max_greeting:g} s")
        if self._words > self._max_words:
            return self._found("machine", f"the greeting had more than {self._max_words} words")
        if quiet >= self._pause - 1e-6:
            words = f"{self._words} word{'s' * (self._words > 1)}"
            return self._found("human", f"{words} in {length:.1f} s, and a pause")
        return None

    def _found(self, kind: Kind, reason: str) -> AnsweredBy:
        return AnsweredBy(kind, reason, round(self._seconds, 3))


class AnsweringDetection(Waitable[AnsweredBy]):
    """Finds out who has answered; made by `call.detect_answering_machine`. `await` it, or
    `wait(timeout)` in a thread: that gives an `AnsweredBy`, whatever happens.

    Attributes:
        result: Who has answered; None before that is known.
    """

    __slots__ = ("_emit", "_judge", "_reader", "_timeout", "result")

    def __init__(
        self,
        reader: AudioReader,
        judge: AnsweringJudge,
        timeout: float,
        emit: Callable[[MediaEvent], object],
        portal: Any = None,
    ) -> None:
        check_seconds("timeout", timeout)
        if not callable(getattr(judge, "judge", None)):
            raise UsageError(f"{judge!r} is no judge: it has no judge(frame).")
        self.result: AnsweredBy | None = None
        self.state = self._entered = "Listening"
        self._portal = portal
        self._watchers = None
        self._reader = reader
        self._judge = judge
        self._timeout = timeout
        self._emit = emit

    def start(self) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self.run, name="sipparty-answering", daemon=True).start()

    def __repr__(self) -> str:
        return f"<AnsweringDetection: {self.result or 'listening'}>"

    def settled(self, state: str) -> bool:
        """Whether it is known."""
        return state != "Listening"

    def _outcome(self) -> AnsweredBy:
        assert self.result is not None
        return self.result

    def run(self) -> None:
        """Judge frame by frame until it is clear; blocks."""
        try:
            result = self._judged()
        except Exception as error:
            result = AnsweredBy("unknown", f"the judge has failed: {error}", 0.0)
        self._reader.close()
        self.result = result
        self._emit(AnswerJudged(result))
        self.state = "Judged"
        self._notify()

    def _judged(self) -> AnsweredBy:
        heard = 0.0
        while heard < self._timeout - 1e-6:
            try:
                frame = self._reader.next(self._timeout)
            except Timeout:
                return AnsweredBy("unknown", "nothing came from the other side", heard)
            except StopIteration:
                return AnsweredBy("unknown", "the call has ended", heard)
            heard += frame.duration
            result = self._judge.judge(frame)
            if result is not None:
                return result
        return AnsweredBy("unknown", f"it was not clear within {self._timeout:g} s", heard)
