"""When the other side speaks, by energy and otherwise."""

import pytest

from sipparty.errors import UsageError
from sipparty.media.frames import AudioFrame
from sipparty.media.speech.activity import (
    EnergyDetector,
    SilenceDetected,
    SpeechEnded,
    SpeechStarted,
    VoiceActivity,
)

from .lines import flat

#: Levels as samples of a constant: dBov is 20 log10(level / 32768).
LOUD, SOFT, HUM, HISS = 8192, 410, 650, 20  # -12, -38, -34, -64


class Said:
    """Frames of 20 ms that are speech or not, and what an activity makes of them."""

    def __init__(self, **options):
        self.activity = VoiceActivity(**options)
        self.time = 0.0

    def frames(self, pattern, *, concealed=False):
        """Take "1" for speech, "0" for none, "c" for what was lost; give what has happened."""
        happened = []
        for mark in pattern:
            frame = AudioFrame(flat(0), 8000, self.time, 0, mark == "c")
            self.time += 0.02
            happened += self.activity.take(frame, mark != "0")
        return happened


class TestActivity:
    def test_speech_begins_once_it_has_lasted(self):
        said = Said()
        assert said.frames("000001") == []
        assert not said.activity.speaking
        (event,) = said.frames("1")
        assert isinstance(event, SpeechStarted)
        assert event.time == pytest.approx(0.1)
        assert said.activity.speaking
        assert said.frames("1111") == []

    def test_it_is_noticed_within_60_ms(self):
        said = Said()
        said.frames("0" * 50)
        assert any(said.frames("1") for _ in range(3))

    def test_a_click_is_none(self):
        assert Said().frames("0100010001000") == []

    def test_it_ends_when_there_was_none_for_a_while(self):
        said = Said(hangover=0.1)
        said.frames("0011111")
        assert said.frames("0000") == []
        assert said.activity.speaking
        (event,) = said.frames("0")
        assert isinstance(event, SpeechEnded)
        assert (event.time, event.seconds) == (pytest.approx(0.14), pytest.approx(0.1))
        assert not said.activity.speaking

    def test_pauses_between_words_do_not_end_it(self):
        said = Said(hangover=0.1)
        said.frames("11")
        assert said.frames("0000100001000011") == []
        (event,) = said.frames("00000")
        assert event.seconds == pytest.approx(0.36)

    def test_speech_after_speech(self):
        said = Said(hangover=0.1)
        said.frames("11" + "0" * 5)
        begun, ended = said.frames("11100000")
        assert begun.time == pytest.approx(0.14)
        assert ended.time == pytest.approx(0.2)
        assert ended.seconds == pytest.approx(0.06)

    def test_what_was_lost_begins_no_speech(self):
        said = Said()
        assert said.frames("cccc") == []
        assert said.frames("1c") == []
        (event,) = said.frames("1")
        assert isinstance(event, SpeechStarted)

    def test_what_was_lost_goes_on_with_speech(self):
        said = Said(hangover=0.1)
        said.frames("11")
        assert said.frames("cccccccc") == []
        assert said.frames("00000") != []

    def test_silence(self):
        said = Said(silence=0.2, hangover=0.1)
        assert said.frames("0" * 9) == []
        assert said.frames("0") == [SilenceDetected(0.2)]
        assert said.frames("0" * 30) == []
        said.frames("11")
        kinds = [type(event) for event in said.frames("0" * 30)]
        assert kinds == [SpeechEnded, SilenceDetected]

    def test_silence_is_counted_from_the_end_of_the_speech(self):
        said = Said(silence=0.2, hangover=0.1)
        said.frames("11" + "0" * 9)
        assert said.frames("0") == [SilenceDetected(0.2)]

    def test_silence_may_be_shorter_than_the_hangover(self):
        said = Said(silence=0.1, hangover=0.2)
        said.frames("11")
        assert said.frames("00000") == [SilenceDetected(0.1)]
        assert [type(event) for event in said.frames("00000")] == [SpeechEnded]

    def test_frames_of_other_lengths(self):
        activity = VoiceActivity()
        frames = [AudioFrame(flat(0, 480), 8000, n * 0.06) for n in range(2)]
        (event,) = activity.take(frames[0], True)
        assert event.time == 0.0

    @pytest.mark.parametrize("name", ["onset", "hangover", "silence"])
    def test_what_is_no_number_of_seconds(self, name):
        with pytest.raises(UsageError, match=name):
            VoiceActivity(**{name: -1.0})


class TestEnergy:
    def speech(self, detector, level, frames, concealed=False):
        return [
            detector.is_speech(AudioFrame(flat(level), 8000, 0.0, 0, concealed))
            for _ in range(frames)
        ]

    def test_what_is_loud_is_speech_from_the_first_frame(self):
        assert all(self.speech(EnergyDetector(), LOUD, 10))

    def test_hiss_is_none(self):
        assert not any(self.speech(EnergyDetector(), HISS, 200))

    def test_soft_speech_over_hiss(self):
        detector = EnergyDetector()
        self.speech(detector, HISS, 100)
        assert all(self.speech(detector, SOFT, 20))

    def test_a_hum_is_speech_until_it_has_not_paused(self):
        detector = EnergyDetector()
        heard = self.speech(detector, HUM, 120)
        assert heard.index(False) == 49
        assert not any(heard[50:])
        assert all(self.speech(detector, HUM * 3, 20))
        assert not any(self.speech(detector, HUM, 20))

    def test_what_is_very_loud_is_speech_even_if_it_never_pauses(self):
        assert all(self.speech(EnergyDetector(), LOUD, 300))

    def test_after_a_hum_what_is_softer_is_speech_again(self):
        detector = EnergyDetector()
        self.speech(detector, HUM, 150)
        assert not any(self.speech(detector, HUM + 10, 5))
        self.speech(detector, HISS, 100)
        assert all(self.speech(detector, HUM + 10, 5))

    def test_what_was_lost_is_not_the_noise(self):
        detector = EnergyDetector()
        self.speech(detector, HUM, 150)
        self.speech(detector, 0, 60, concealed=True)
        assert not any(self.speech(detector, HUM, 5))

    def test_thresholds(self):
        assert not any(self.speech(EnergyDetector(threshold=-10), LOUD, 5))
        assert all(self.speech(EnergyDetector(threshold=-70), HISS, 5))
        detector = EnergyDetector(margin=20)
        self.speech(detector, HUM, 150)
        assert not any(self.speech(detector, HUM * 9, 5))

    def test_the_margin_is_in_decibels(self):
        detector = EnergyDetector(margin=20)
        self.speech(detector, HUM, 150)
        assert not any(self.speech(detector, HUM * 10, 5))
        assert all(self.speech(detector, HUM * 10 + 1, 5))

    @pytest.mark.parametrize(
        "options", [{"threshold": 1}, {"loudest_noise": -128}, {"margin": -1}, {"margin": 128}]
    )
    def test_levels_that_are_none(self, options):
        with pytest.raises(UsageError, match=next(iter(options))):
            EnergyDetector(**options)
