"""Mistakes in the use of sound: each is refused where it is made, by a sentence that names it."""

import inspect
import io
from pathlib import Path

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media import (
    EnergyDetector,
    MemorySink,
    MemorySource,
    RTPSession,
    SilenceSource,
    ToneSource,
)
from sipparty.media.audio import Audio
from sipparty.media.conferencing.bridging import bridge
from sipparty.media.conferencing.conference import Conference
from sipparty.media.frames import AudioFrame
from sipparty.media.pcm import pcm_of
from sipparty.media.playing.player import Player
from sipparty.media.quality.quality import Quality
from sipparty.media.recording.recorder import Recorder
from sipparty.media.recording.sinks import as_sink
from sipparty.media.speech.detection import BargeIn, SpeechDetection
from sipparty.media.speech.utterances import Utterance
from sipparty.party.audio_call import AudioCall

from .lines import FakeCall, FakeLine


@pytest.fixture
def call():
    call = FakeCall(FakeLine())
    call.audio = Audio()
    call.audio.attach(call.line)
    return call


@pytest.fixture
def player():
    return Player(lambda event: None)


class TestPlay:
    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ({"loop": True}, "loop=True"),
            ({"gain": "3"}, "gain='3'"),
            ({"marks": 0.1}, "marks=0.1"),
            ({"rate": "8000"}, "rate='8000'"),
        ],
    )
    def test_options(self, player, option, words):
        with pytest.raises(UsageError, match=words):
            player.play(SilenceSource(1), **option)

    def test_a_class(self, player):
        with pytest.raises(UsageError, match=r"ToneSource is a class: play ToneSource\(\.\.\.\)"):
            player.play(ToneSource)

    def test_a_tone_that_is_none(self, player, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(MediaError, match="no such file, and the tones are 'dial'"):
            player.play("dailtone")

    @pytest.mark.parametrize("make", [ToneSource, SilenceSource])
    def test_sources(self, make):
        arguments = (440,) if make is ToneSource else ()
        with pytest.raises(UsageError, match="duration=-1"):
            make(*arguments, duration=-1)

    def test_a_frequency_that_is_text(self):
        with pytest.raises(UsageError, match="'440'"):
            ToneSource("440")

    def test_the_verbs_show_their_options(self):
        """`help(call.play)` has what `Player.play` takes."""
        for verb, below in ((AudioCall.play, Player.play), (AudioCall.record, Recorder.record)):
            shown = inspect.signature(verb).parameters
            for name, parameter in inspect.signature(below).parameters.items():
                assert shown[name].default == parameter.default


class TestArrays:
    numpy = pytest.importorskip("numpy")

    def test_one_column(self):
        assert (
            pcm_of(self.numpy.ones((160, 1), "int16"))[0] == self.numpy.ones(160, "int16").tobytes()
        )

    def test_two_channels(self):
        with pytest.raises(UsageError, match=r"such as array\[:, 0\]"):
            pcm_of(self.numpy.ones((160, 2), "int16"))

    @pytest.mark.parametrize("level", [20000.0, float("nan"), float("inf")])
    def test_floats_that_are_no_samples(self, level):
        with pytest.raises(UsageError, match="from -1 to 1"):
            pcm_of(self.numpy.full(160, level))

    def test_floats_that_are_too_loud_are_clipped(self):
        pcm, _ = pcm_of(self.numpy.full(2, 1.5))
        assert pcm == self.numpy.full(2, 32767, "int16").tobytes()
        assert pcm_of(self.numpy.zeros(0)) == (b"", None)

    def test_the_type_of_a_frame(self):
        frame = AudioFrame(bytes(4), 8000)
        assert frame.array(self.numpy.int16).dtype == "int16"
        assert frame.array(self.numpy.float32).dtype == "float32"
        with pytest.raises(UsageError, match="not as 'float64'"):
            frame.array("float64")

    def test_an_utterance_is_had_as_an_array(self):
        said = Utterance(bytes(640), 16000, 0.0, 0.02)
        assert said.array("float32").shape == (320,)
        assert repr(said) == "<Utterance of 0.02 s at 16000 Hz>"


class TestRecord:
    def test_a_rate(self):
        with pytest.raises(UsageError, match="rate='8000'"):
            Recorder(FakeLine(), lambda event: None).record(rate="8000")

    def test_a_file_that_is_open_as_text(self, tmp_path: Path):
        with open(tmp_path / "t.wav", "w") as file, pytest.raises(UsageError, match="'wb'"):
            as_sink(file)
        with pytest.raises(UsageError, match="'wb'"):
            as_sink(io.StringIO())


class TestListening:
    def test_a_tap_that_is_no_function(self, call):
        with pytest.raises(UsageError, match="not None"):
            call.audio.tap(None)

    def test_a_detector_that_is_a_class(self, call):
        with pytest.raises(UsageError, match=r"give EnergyDetector\(\.\.\.\)"):
            SpeechDetection(call, EnergyDetector)

    def test_an_interruption_of_nothing(self, call):
        with pytest.raises(UsageError, match="not 5"):
            BargeIn(call, 5)
        assert call.line.listeners == []

    def test_an_interruption_in_a_call_that_is_over(self, call):
        call.state = "Terminated"
        for by in (True, "speech", "digit"):
            BargeIn(call, call.audio, by).stop()
        assert call.line.listeners == []

    def test_calls_that_are_none(self, call):
        with pytest.raises(UsageError, match="'bob' is no call"):
            bridge(call, "bob")
        with pytest.raises(UsageError, match="'bob' is no call"):
            Conference().add("bob")

    @pytest.mark.parametrize("sent", [False, True])
    def test_a_listener_that_raises_is_dropped_and_the_line_goes_on(self, sent, caplog):
        class Broken:
            def hear(self, frame):
                raise ZeroDivisionError

        class Stream:
            heard_rate, heard_concealed = 8000, False
            settings = type("Settings", (), {"ptime": 20})

        line = RTPSession().line
        heard = []
        line.add_listener(Broken(), sent=sent)
        line.add_listener(
            type("Good", (), {"hear": lambda self, frame: heard.append(frame)})(), sent=sent
        )
        for _ in range(2):
            if sent:
                line._report_sent(bytes(320), 8000)
            else:
                line._hear(bytes(320), Stream())
        assert len(heard) == 2
        assert isinstance(heard[0], AudioFrame)
        assert caplog.text.count("is given no more frames") == 1


class TestWhatIsShown:
    def test_a_playback(self, player):
        assert repr(player.play(bytes(1600), rate=8000)) == (
            "<Playback of 1600 bytes: waiting, 0.00 of 0.10 s>"
        )
        assert repr(player.play(MemorySource(bytes(160), 8000))) == (
            "<Playback of <MemorySource of 0.01 s>: waiting, 0.00 of 0.01 s>"
        )

    def test_quality(self):
        assert repr(Quality("PCMU", mos=4.41)) == (
            "<Quality PCMU: MOS 4.41, loss 0.0%, jitter 0.0 ms, 0 packets sent, 0 received>"
        )

    def test_handles(self, call):
        assert repr(SpeechDetection(call)) == "<SpeechDetection: silence>"
        assert "nothing has interrupted" in repr(BargeIn(call, call.audio))
        assert repr(call.audio) == "<Audio: 0 ms to be sent, 0 frames dropped>"
        assert repr(call.audio.read()) == "<AudioReader: 0 frames dropped>"
        assert repr(call.audio.send(bytes(320), rate=8000)) == "<Sending: Queued>"
        assert repr(MemorySink()) == "<MemorySink: 0.00 s>"
        conference = Conference()
        leg = conference.add(call)
        assert repr(leg).endswith(": +0 dB>")
        assert repr(conference) == "<Conference of 1>"
        joined = bridge(call, FakeCall(FakeLine()))
        joined.stop()
        assert repr(joined).endswith(": stopped>")
