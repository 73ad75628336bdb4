"""Whether a human or a machine has answered."""

import asyncio
import random

import pytest

from sipparty.errors import UsageError
from sipparty.media.audio import AudioReader
from sipparty.media.frames import AudioFrame
from sipparty.media.speech.answering import (
    AnsweredBy,
    AnsweringDetection,
    AnswerJudged,
    BeepDetector,
    GreetingJudge,
)

from .lines import tone


def noise(number, level=6000, samples=160):
    """Something like speech: no tone, and always the same."""
    rng = random.Random(number)
    return b"".join(
        rng.randint(-level, level).to_bytes(2, "little", signed=True) for _ in range(samples)
    )


def frames(*parts, rate=8000):
    """Frames of 20 ms: of ("say", seconds), ("beep", seconds, hertz) or ("wait", seconds)."""
    number, samples = 0, rate // 50
    for kind, seconds, *more in parts:
        for _ in range(round(seconds / 0.02)):
            if kind == "beep":
                pcm = tone(6000, samples, *more, rate=rate, start=number * samples)
            else:
                pcm = noise(number, 6000 if kind == "say" else 10, samples)
            yield AudioFrame(pcm, rate, number * 0.02, number)
            number += 1


def judged(judge, *parts, **options):
    for frame in frames(*parts, **options):
        result = judge.judge(frame)
        if result is not None:
            return result
    return None


class TestGreeting:
    def test_a_short_word_and_a_pause(self):
        result = judged(GreetingJudge(), ("wait", 0.5), ("say", 0.6), ("wait", 2))
        assert result.kind == "human"
        assert result.seconds == pytest.approx(1.9)
        assert result.reason == "1 word in 0.6 s, and a pause"

    def test_a_few_words(self):
        words = [("say", 0.3), ("wait", 0.1)] * 3
        result = judged(GreetingJudge(), *words, ("wait", 2))
        assert result.kind == "human"
        assert result.reason.startswith("3 words in 1.1 s")

    def test_a_long_greeting(self):
        result = judged(GreetingJudge(), ("say", 10))
        assert result.kind == "machine"
        assert result.seconds == pytest.approx(1.62)
        assert "1.6 s" in result.reason

    def test_many_words(self):
        judge = GreetingJudge(max_greeting=10)
        result = judged(judge, *[("say", 0.2), ("wait", 0.1)] * 9)
        assert result.kind == "machine"
        assert "more than 4 words" in result.reason
        assert result.seconds == pytest.approx(1.3)

    def test_noises_are_no_words(self):
        judge = GreetingJudge(patience=2)
        result = judged(judge, *[("say", 0.06), ("wait", 0.2)] * 20)
        assert result is None
        assert judged(GreetingJudge(), ("say", 0.06), ("wait", 4)).kind == "unknown"

    def test_a_gap_in_a_word_is_none(self):
        judge = GreetingJudge(max_greeting=10, max_words=1)
        assert judged(judge, *[("say", 0.2), ("wait", 0.04)] * 3, ("wait", 1)).kind == "human"

    def test_nothing(self):
        result = judged(GreetingJudge(), ("wait", 10))
        assert result == AnsweredBy("unknown", "nothing was said for 3 s", 3.0)

    def test_a_beep(self):
        result = judged(GreetingJudge(), ("wait", 0.4), ("beep", 1, 1000))
        assert result == AnsweredBy("machine", "a beep was heard", 0.56)

    @pytest.mark.parametrize("name", ["max_greeting", "pause", "patience"])
    def test_what_is_no_number_of_seconds(self, name):
        with pytest.raises(UsageError, match=name):
            GreetingJudge(**{name: 0})

    def test_a_detector_of_ones_own(self):
        class Nothing:
            def is_speech(self, frame):
                return False

        assert judged(GreetingJudge(detector=Nothing()), ("say", 9)).kind == "unknown"


class TestBeep:
    def heard(self, *parts, rate=8000, **options):
        detector = BeepDetector(**options)
        return [detector.is_beep(frame) for frame in frames(*parts, rate=rate)]

    @pytest.mark.parametrize("rate", [8000, 16000, 48000])
    @pytest.mark.parametrize("hertz", [400, 1000, 1400, 2000])
    def test_tones(self, hertz, rate):
        assert self.heard(("beep", 0.2, hertz), rate=rate).index(True) == 7

    def test_what_is_too_short(self):
        assert not any(self.heard(("beep", 0.14, 1000), ("wait", 0.1), ("beep", 0.14, 1000)))

    @pytest.mark.parametrize("hertz", [200, 340, 2300, 3500])
    def test_what_is_too_low_or_too_high(self, hertz):
        assert not any(self.heard(("beep", 1, hertz)))

    def test_a_tone_that_changes(self):
        steps = [("beep", 0.1, 600 + 100 * step) for step in range(10)]
        assert not any(self.heard(*steps))

    def test_speech_and_silence(self):
        assert not any(self.heard(("say", 2), ("wait", 2)))

    def test_what_is_too_soft(self):
        assert not any(self.heard(("beep", 1, 1000), level=-10))

    def test_two_tones_at_once(self):
        detector = BeepDetector()
        for number in range(20):
            low, high = (tone(5000, 160, hertz, start=number * 160) for hertz in (770, 1336))
            pcm = b"".join(
                (a + b).to_bytes(2, "little", signed=True)
                for a, b in zip(memoryview(low).cast("h"), memoryview(high).cast("h"), strict=True)
            )
            assert not detector.is_beep(AudioFrame(pcm, 8000))


class Judge:
    def __init__(self, result=None, error=None):
        self.result, self.error, self.heard = result, error, 0

    def judge(self, frame):
        self.heard += 1
        if self.error is not None:
            raise self.error
        return self.result if self.heard == 3 else None


class TestDetection:
    def detect(self, judge, parts, timeout=5.0, ends=True):
        reader, told = AudioReader(limit=1000), []
        for frame in frames(*parts):
            reader.hear(frame)
        if ends:
            reader.end()
        detection = AnsweringDetection(reader, judge, timeout, told.append)
        detection.run()
        assert told == [AnswerJudged(detection.result)]
        return detection.result

    def test_a_judge_of_ones_own(self):
        result = AnsweredBy("human", "it laughed", 0.06)
        assert self.detect(Judge(result), [("say", 1)]) is result

    def test_time_runs_out(self):
        judge = Judge()
        result = self.detect(judge, [("say", 1)], timeout=0.5)
        assert (result.kind, result.seconds) == ("unknown", pytest.approx(0.5))
        assert judge.heard == 25

    def test_the_call_ends(self):
        result = self.detect(Judge(), [("say", 0.04)])
        assert (result.kind, result.reason) == ("unknown", "the call has ended")

    def test_nothing_comes(self):
        result = self.detect(Judge(), [], timeout=0.001, ends=False)
        assert (result.kind, result.reason) == ("unknown", "nothing came from the other side")

    def test_the_judge_raises(self):
        result = self.detect(Judge(error=ValueError("deaf")), [("say", 1)])
        assert (result.kind, result.reason) == ("unknown", "the judge has failed: deaf")

    async def test_it_is_awaited(self):
        reader = AudioReader(limit=1000)
        detection = AnsweringDetection(reader, GreetingJudge(), 5.0, lambda event: None)
        detection.start()
        assert detection.result is None
        for frame in frames(("say", 0.5), ("wait", 1)):
            reader.hear(frame)
        result = await asyncio.wait_for(detection, 5)
        assert result.kind == "human"
        assert detection.wait(0) is result

    def test_what_is_no_judge(self):
        with pytest.raises(UsageError, match="no judge"):
            AnsweringDetection(AudioReader(), object(), 5.0, lambda event: None)
        with pytest.raises(UsageError, match="timeout"):
            AnsweringDetection(AudioReader(), Judge(), 0, lambda event: None)
