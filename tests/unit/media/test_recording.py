"""Recordings: from frames of both ways to files, memory and functions."""

import array
import asyncio
import errno
import io
import threading
import wave

import pytest

from sipparty.errors import MediaError, Timeout, UsageError
from sipparty.media import pcm
from sipparty.media.events import RecordingFailed
from sipparty.media.frames import AudioFrame
from sipparty.media.recording.recorder import Recorder
from sipparty.media.recording.recording import MAX_WAITING
from sipparty.media.recording.sinks import MemorySink, WAVRecorder

from .threads import FakeThreads


class Bench:
    """A line of 8000 samples a second, with a recorder."""

    def __init__(self):
        self.listeners = ([], [])
        self.events = []
        self.files = FakeThreads()
        self.own = FakeThreads()
        self.recorder = Recorder(self, self.events.append, self.files, lambda: self.own)
        self.recorder.begin(8000)

    def add_listener(self, listener, *, sent=False):
        self.listeners[sent].append(listener)

    def remove_listener(self, listener):
        for side in self.listeners:
            if listener in side:
                side.remove(listener)

    def record(self, *args, **options):
        return self.recorder.record(*args, **options)

    def frame(self, value, *, sent=False, samples=160, rate=8000):
        pcm = array.array("h", [value] * samples).tobytes()
        for listener in list(self.listeners[sent]):
            listener.hear(AudioFrame(pcm, rate))

    def work(self):
        while self.files.work() + self.own.work():
            pass


@pytest.fixture
def bench():
    return Bench()


def samples(pcm):
    return array.array("h", pcm).tolist()


def runs(values):
    """How often each value stands there in a row."""
    found = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return [tuple(one) for one in found]


def content(path):
    with wave.open(str(path)) as file:
        return file.getnchannels(), file.getframerate(), file.readframes(file.getnframes())


class Sink:
    """One of a user's."""

    def __init__(self, error=None):
        self.error = error
        self.got = []
        self.rate = self.closed = 0

    def start(self, rate):
        self.rate = rate

    def write(self, pcm):
        if self.error is not None:
            raise self.error
        self.got.append(pcm)

    def close(self):
        self.closed += 1


# Memory.


def test_memory_has_what_was_heard_at_once(bench):
    recording = bench.record()
    bench.frame(7)
    assert samples(recording.pcm) == [7] * 160
    assert (recording.rate, recording.seconds, recording.state) == (8000, 0.02, "recording")
    assert recording.stop() is recording
    assert recording.outcome == "stopped"
    bench.frame(8)
    assert recording.wait(0).seconds == 0.02
    assert bench.listeners == ([], [])


def test_what_comes_at_another_rate_is_converted(bench):
    recording = bench.record()
    bench.frame(7)
    bench.frame(7, samples=320, rate=16000)
    recording.stop()
    assert len(samples(recording.pcm)) == pytest.approx(320, abs=1)
    fast = bench.record(rate=16000)
    bench.frame(7)
    fast.stop()
    assert fast.rate == 16000
    assert len(samples(fast.pcm)) == pytest.approx(320, abs=2)


def test_a_pause_takes_no_time(bench):
    recording = bench.record()
    bench.frame(1)
    recording.pause()
    bench.frame(2)
    assert recording.state == "paused"
    recording.resume()
    bench.frame(3)
    assert runs(samples(recording.pcm)) == [(1, 160), (3, 160)]
    recording.stop()
    recording.pause()
    recording.resume()
    assert recording.state == "stopped"


def test_several_at_once(bench):
    first = bench.record()
    bench.frame(1)
    second = bench.record()
    bench.frame(2)
    first.stop()
    bench.frame(3)
    bench.recorder.close()
    assert runs(samples(first.pcm)) == [(1, 160), (2, 160)]
    assert runs(samples(second.pcm)) == [(2, 160), (3, 160)]
    with pytest.raises(UsageError, match="nothing can be recorded"):
        bench.record()


def test_before_the_rate_is_known(bench):
    bench.recorder.rate = 0
    recording = bench.record()
    assert (recording.rate, recording.seconds) == (0, 0)
    bench.frame(5, samples=960, rate=48000)
    assert (recording.rate, recording.seconds) == (48000, 0.02)


def test_what_is_too_long_ends(bench):
    recording = bench.record(max_seconds=0.03)
    bench.frame(1)
    assert not recording.done
    bench.frame(1)
    assert (recording.outcome, recording.seconds) == ("full", 0.03)


def test_silence_may_end_it(bench):
    recording = bench.record(max_silence=0.04)
    for value in (0, 5000, 50, 5000, 0):
        bench.frame(value)
    assert not recording.done
    bench.frame(50)
    assert (recording.outcome, recording.seconds) == ("silence", 0.12)


# Files.


def test_a_file_is_written_on_other_threads(bench, tmp_path):
    path = tmp_path / "a.wav"
    recording = bench.record(path)
    assert content(path) == (1, 8000, b"")  # what cannot be made is known at once
    for value in range(9):
        bench.frame(value)
    assert bench.files.jobs == []  # in blocks
    for value in range(9, 25):
        bench.frame(value)
    assert len(bench.files.jobs) == 1
    assert recording.seconds == 0
    bench.work()
    assert recording.seconds == 0.5
    bench.frame(25)
    recording.stop()
    assert recording.outcome is None
    with pytest.raises(Timeout, match=r"a\.wav.*went on after 0 seconds"):
        recording.wait(0)
    bench.work()
    assert recording.wait(0).path == path
    channels, rate, pcm = content(path)
    assert (channels, rate) == (1, 8000)
    assert runs(samples(pcm)) == [(value, 160) for value in range(26)]


def test_a_file_that_cannot_be_made_is_refused_at_once(bench, tmp_path):
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "no" / "a.wav", "no folder")):
        with pytest.raises(MediaError, match=reason):
            bench.record(path)
    assert bench.listeners == ([], [])
    assert bench.recorder.recordings == ()


def test_a_file_that_cannot_be_made_later_is_reported(bench, tmp_path):
    bench.recorder.rate = 0
    recording = bench.record(tmp_path)
    bench.recorder.begin(8000)
    bench.work()
    assert recording.outcome == "failed"
    (event,) = bench.events
    assert isinstance(event, RecordingFailed)
    assert (event.sink, event.error) == (recording.sink, recording.error)
    with pytest.raises(MediaError, match="Is a directory"):
        recording.wait(0)


class FullDisk(io.BytesIO):
    """A file on a disk that has room for so many octets."""

    ROOM = 44 + 320 * 3 + 101

    def write(self, data):
        if self.tell() + len(data) > self.ROOM:
            room = self.ROOM - self.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = bytes(data[:room])
        return super().write(data)


def test_a_full_disk_leaves_a_valid_file_and_the_call_goes_on(bench):
    file = FullDisk()
    recording = bench.record(file)
    other = bench.record()
    for value in range(1, 11):
        bench.frame(value)
    bench.work()
    assert recording.outcome == "failed"
    assert "No space left" in str(bench.events[0].error)
    assert bench.listeners[0] == other.listeners
    assert len(other.pcm) == 3200
    file.seek(0)
    pcm = content_of(file)
    assert runs(samples(pcm)) == [(1, 160), (2, 160), (3, 160), (4, 50)]


def content_of(file):
    with wave.open(file) as opened:
        return opened.readframes(opened.getnframes())


def test_a_disk_without_any_room(bench):
    with pytest.raises(MediaError, match="No space left"):
        bench.record("/dev/full")


def test_a_slow_disk_costs_frames_and_no_time(bench, tmp_path):
    recording = bench.record(tmp_path / "a.wav")
    for _ in range(MAX_WAITING):
        bench.frame(1)
    for _ in range(3):
        bench.frame(2)
    assert recording.dropped == pytest.approx(0.06)
    bench.work()
    bench.frame(3)
    recording.stop()
    bench.work()
    *_, pcm = content(tmp_path / "a.wav")
    assert runs(samples(pcm)) == [(1, 160 * MAX_WAITING), (0, 480), (3, 160)]


# Both sides.


def test_both_sides_of_a_call(bench, tmp_path):
    recording = bench.record(tmp_path / "a.wav", stereo=True)
    for value in range(1, 4):
        bench.frame(-value, sent=True)
        bench.frame(value)
    recording.stop()
    bench.work()
    channels, rate, pcm = content(tmp_path / "a.wav")
    assert (channels, rate, recording.seconds) == (2, 8000, 0.06)
    for side, sign in ((0, 1), (1, -1)):
        assert runs(samples(pcm)[side::2]) == [(sign * value, 160) for value in range(1, 4)]
    assert bench.listeners == ([], [])


def test_a_side_that_gave_nothing_was_silent_and_both_stay_in_step(bench):
    recording = bench.record(stereo=True)
    for value in range(1, 6):  # nothing is heard yet
        bench.frame(-value, sent=True)
    for value in range(6, 50):
        bench.frame(-value, sent=True)
        bench.frame(value)
    for value in range(50, 100):  # on hold: nothing is sent
        bench.frame(value)
    for value in range(100, 110):
        bench.frame(-value, sent=True)
        bench.frame(value)
    recording.stop()
    bench.work()
    both = samples(recording.pcm)
    heard, sent = both[0::2], both[1::2]
    assert runs(heard) == [(0, 800)] + [(value, 160) for value in range(6, 110)]
    spoken = [*range(1, 50), *range(100, 110)]
    expected = [(-value, 160) for value in spoken]
    expected.insert(49, (0, 50 * 160))
    assert runs(sent) == expected


def test_a_function_is_given_one_channel(bench):
    with pytest.raises(UsageError, match="one channel"):
        bench.record(print, stereo=True)
    with pytest.raises(UsageError, match="channels = 2"):
        bench.record(Sink(), stereo=True)
    sink = MemorySink(channels=2)
    assert bench.record(sink, stereo=True).sink is sink


# What is a user's.


def test_a_users_sink_is_written_to_elsewhere(bench):
    sink = Sink()
    recording = bench.record(sink)
    for value in range(20):
        bench.frame(value)
    assert sink.got == []
    assert bench.files.jobs == []
    assert bench.own.work() == 1
    assert runs(samples(b"".join(sink.got))) == [(value, 160) for value in range(20)]
    recording.stop()
    bench.work()
    assert (sink.rate, sink.closed, recording.outcome) == (8000, 1, "stopped")


@pytest.mark.parametrize("error", [MediaError("It is full."), ZeroDivisionError("oops")])
def test_a_sink_that_breaks_is_closed(bench, error, caplog):
    bench.recorder.name = "the call with bob"
    sink = Sink(error)
    recording = bench.record(sink)
    for value in range(20):
        bench.frame(value)
    bench.work()
    assert (recording.outcome, sink.closed) == ("failed", 1)
    assert [type(event) for event in bench.events] == [RecordingFailed]
    assert "the call with bob" in caplog.text
    with pytest.raises(MediaError, match=str(error).rstrip(".")):
        recording.wait(0)


def test_a_function_is_given_frames(bench):
    frames = []
    recording = bench.record(frames.append)
    for value in range(12):
        bench.frame(value)
    recording.stop()
    bench.work()
    assert [frame.sequence for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == pytest.approx([0.02 * n for n in range(12)])
    assert samples(frames[11].pcm) == [11] * 160
    assert recording.seconds == pytest.approx(0.24)
    with pytest.raises(MediaError, match="keeps no samples"):
        _ = recording.pcm


async def test_a_coroutine_is_given_frames_on_its_loop(bench):
    got = []

    async def transcribe(frame):
        await asyncio.sleep(0)
        got.append((frame.sequence, asyncio.get_running_loop()))

    recording = bench.record(transcribe)
    for _ in range(3):
        bench.frame(1)
    recording.stop()
    thread = threading.Thread(target=bench.work)
    thread.start()
    assert (await recording).outcome == "stopped"
    thread.join(10)
    assert got == [(n, asyncio.get_running_loop()) for n in range(3)]


def test_a_coroutine_without_a_loop(bench):
    async def transcribe(frame):
        raise AssertionError

    recording = bench.record(transcribe)
    bench.frame(1)
    recording.stop()
    bench.work()
    assert "no loop" in str(recording.error)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        *((5, "neither a path nor a sink"), (io.BytesIO().getbuffer(), "neither a path")),
        (io.BufferedReader(io.BytesIO()), "cannot be written to"),
    ],
)
def test_what_cannot_be_recorded_to(bench, what, reason):
    with pytest.raises(UsageError, match=reason):
        bench.record(what)


@pytest.mark.parametrize("options", [{"max_seconds": 0}, {"max_silence": -1}])
def test_options_out_of_their_range(bench, options):
    with pytest.raises(UsageError):
        bench.record(**options)


def test_a_recorder_of_two_channels_says_so(tmp_path):
    recorder = WAVRecorder(tmp_path / "a.wav", channels=2)
    recorder.start(8000)
    recorder.write(bytes(4 * 8000))
    assert recorder.seconds == 1.0
    recorder.close()
    assert content(tmp_path / "a.wav") == (2, 8000, bytes(4 * 8000))


def test_what_changes_rates_is_loaded_before_the_first_frame(monkeypatch):
    """Memory is written to on the tick, and loading takes as long as many frames."""
    asked = []
    monkeypatch.setattr(pcm, "_filters", lambda: asked.append(True))
    bench = Bench()
    bench.record(MemorySink())
    assert not asked
    bench.record(MemorySink(), rate=16000)
    assert asked
