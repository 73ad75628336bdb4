"""Speech in a call: events, interruptions, utterances."""

import asyncio
import threading

import pytest

from sipparty.errors import Timeout, UsageError
from sipparty.media.audio import Audio, AudioReader
from sipparty.media.dtmf.events import DigitReceived
from sipparty.media.frames import AudioFrame
from sipparty.media.speech.activity import SpeechEnded, SpeechStarted
from sipparty.media.speech.detection import BargeIn, Interrupted, SpeechDetection
from sipparty.media.speech.utterances import Utterances

from .lines import FakeCall, FakeLine, flat, tone

PATIENCE = 5.0
LOUD, QUIET = tone(8000), bytes(320)


class FakePlayback:
    done = False

    def __init__(self, line):
        self.line, self.stopped_at = line, None

    def stop(self):
        self.done, self.stopped_at = True, self.line.time


class Loud:
    """A detector of a user's."""

    def __init__(self):
        self.threads = set()

    def is_speech(self, frame):
        self.threads.add(threading.current_thread())
        return frame.energy > -20


@pytest.fixture
def call():
    call = FakeCall(FakeLine())
    call.audio = Audio()
    call.audio.attach(call.line)
    return call


def say(call, pattern):
    """Have the other side say "1", or nothing for "0", 20 ms each."""
    for mark in pattern:
        call.line.hear(LOUD if mark == "1" else QUIET)


class TestDetection:
    def test_events(self, call):
        with SpeechDetection(call, hangover=0.1) as detection:
            say(call, "00011")
            assert detection.speaking
            say(call, "1" + "0" * 5)
            assert not detection.speaking
        started, ended = call.session.events
        assert (type(started), started.time) == (SpeechStarted, pytest.approx(0.06))
        assert (type(ended), ended.time) == (SpeechEnded, pytest.approx(0.12))
        say(call, "111")
        assert len(call.session.events) == 2
        assert not call.handlers

    def test_a_detector_of_ones_own_has_a_thread(self, call):
        told = threading.Event()
        call.session.emit = lambda event: told.set()
        detector = Loud()
        SpeechDetection(call, detector, rate=16000)
        say(call, "0111111")
        assert told.wait(PATIENCE)
        assert threading.current_thread() not in detector.threads
        call.audio.end()

    def test_it_ends_with_the_call(self, call):
        SpeechDetection(call)
        say(call, "1")
        call.end()
        assert not call.handlers

    def test_what_is_no_detector(self, call):
        with pytest.raises(UsageError, match="is_speech"):
            SpeechDetection(call, object())


class TestBargeIn:
    @pytest.mark.parametrize("offset", range(0, 160, 40))
    def test_speech_stops_a_playback_within_60_ms(self, call, offset):
        playback = FakePlayback(call.line)
        BargeIn(call, playback)
        say(call, "0" * 20)
        begins = call.line.time + offset / 8000
        call.line.hear(QUIET[: 2 * offset] + LOUD[2 * offset :])
        while not playback.done:
            call.line.hear(LOUD)
        assert playback.stopped_at - begins <= 0.06 + 1e-6
        (event,) = call.session.events
        assert (event.what, event.by) == (playback, "speech")
        assert 0.02 < event.after <= 0.06

    def test_a_click_stops_nothing(self, call):
        playback = FakePlayback(call.line)
        BargeIn(call, playback)
        say(call, "0010001000")
        assert not playback.done

    @pytest.mark.parametrize(("by", "stops"), [(True, True), ("digit", True), ("speech", False)])
    def test_a_digit(self, call, by, stops):
        playback = FakePlayback(call.line)
        barge = BargeIn(call, playback, by)
        call.hand(DigitReceived("5", "rtp"))
        assert playback.done is stops
        assert call.session.events == ([Interrupted(playback, "digit", 0.0)] if stops else [])
        assert barge.by == ("digit" if stops else None)

    def test_speech_does_not_stop_what_only_digits_do(self, call):
        playback = FakePlayback(call.line)
        BargeIn(call, playback, "digit")
        say(call, "1111")
        assert not playback.done

    def test_once_the_playback_is_over_nothing_listens(self, call):
        playback = FakePlayback(call.line)
        BargeIn(call, playback)
        playback.done = True
        say(call, "0")
        say(call, "111")
        assert not call.handlers
        assert call.session.events == []
        assert playback.stopped_at is None

    def test_it_may_be_called_off(self, call):
        playback = FakePlayback(call.line)
        BargeIn(call, playback).stop()
        say(call, "111")
        assert not playback.done
        assert not call.handlers

    def test_what_is_sent_is_cleared_each_time(self, call):
        barge = BargeIn(call, call.audio)
        for _ in range(2):
            call.audio.send(flat(1, 8000), rate=8000)
            say(call, "11" + "0" * 12)
            assert call.audio.queued == 0
        assert [event.what for event in call.session.events] == [call.audio] * 2
        say(call, "11" + "0" * 12)  # nothing is being sent
        assert len(call.session.events) == 2
        barge.stop()

    def test_a_detector_of_ones_own(self, call):
        stopped = threading.Event()
        playback = FakePlayback(call.line)
        playback.stop = stopped.set
        BargeIn(call, playback, "speech", Loud())
        say(call, "0111111")
        assert stopped.wait(PATIENCE)
        call.audio.end()

    @pytest.mark.parametrize("by", [False, "noise", None])
    def test_what_does_not_interrupt(self, call, by):
        with pytest.raises(UsageError, match="digit"):
            BargeIn(call, FakePlayback(call.line), by)


class TestUtterances:
    def read(self, pattern, **options):
        reader = AudioReader(limit=1000)
        for number, mark in enumerate(pattern):
            pcm = LOUD if mark == "1" else QUIET
            reader.hear(AudioFrame(pcm, 8000, number * 0.02, number))
        reader.end()
        return Utterances(reader, **options)

    def test_from_a_little_before_to_the_pause(self):
        (said,) = self.read("0" * 50 + "1" * 20 + "0" * 50)
        assert said.time == pytest.approx(0.82)
        assert said.seconds == pytest.approx(0.18 + 0.4 + 0.6)
        assert said.rate == 8000
        assert said.pcm == QUIET * 9 + LOUD * 20 + QUIET * 30

    def test_several(self):
        said = list(self.read("1" * 20 + "0" * 40 + "1" * 10 + "0" * 29 + "1" * 5 + "0" * 30))
        assert [one.seconds for one in said] == pytest.approx(
            [1.0, 0.2 + 0.2 + 0.58 + 0.1 + 0.6 - 0.02]
        )

    def test_what_is_being_said_at_the_end(self):
        said = list(self.read("0" * 5 + "1" * 20))
        assert [one.seconds for one in said] == pytest.approx([0.5])

    def test_what_does_not_pause_is_cut(self):
        said = list(self.read("1" * 100, longest=0.5))
        assert [one.seconds for one in said] == pytest.approx([0.5] * 4)

    def test_nothing(self):
        assert list(self.read("0" * 100 + "1" + "0" * 100)) == []

    async def test_in_a_coroutine(self):
        said = [one async for one in self.read("1" * 20 + "0" * 40)]
        assert len(said) == 1
        assert (await self.read("1" * 20).anext(PATIENCE)).seconds == pytest.approx(0.4)
        with pytest.raises(StopAsyncIteration):
            await self.read("").anext()

    async def test_in_time(self):
        one = Utterances(AudioReader())
        with pytest.raises(Timeout):
            await one.anext(0.001)
        with pytest.raises(Timeout):
            await asyncio.to_thread(one.next, 0.001)
        one.close()
        with pytest.raises(StopIteration):
            one.next()

    def test_a_detector_of_ones_own(self):
        class Nothing:
            def is_speech(self, frame):
                return False

        assert list(self.read("1" * 100, detector=Nothing())) == []
        with pytest.raises(UsageError, match="is_speech"):
            self.read("", detector=1)
