import array
import wave

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.recording.sinks import MemorySink, WAVRecorder, as_sink


def content(path):
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), file.readframes(file.getnframes())


def test_what_is_written_is_in_the_file(tmp_path):
    path = tmp_path / "a.wav"
    recorder = WAVRecorder(path)
    recorder.start(16000)
    audio = array.array("h", range(1000)).tobytes()
    for n in range(0, len(audio), 320):
        recorder.write(audio[n : n + 320])
    assert recorder.seconds == 1000 / 16000
    recorder.close()
    recorder.close()
    assert content(path) == (16000, audio)


def test_the_file_is_valid_from_the_start_and_after_each_second(tmp_path):
    path = tmp_path / "a.wav"
    recorder = WAVRecorder(path)
    recorder.start(8000)
    assert content(path) == (8000, b"")
    for n in range(125):
        recorder.write(bytes((n, 0)) * 160)
    rate, audio = content(path)  # as if the program had died here
    assert (rate, len(audio)) == (8000, 2 * 16000)
    assert audio[-320:] == bytes((99, 0)) * 160
    recorder.close()
    assert len(content(path)[1]) == 125 * 320


def test_nothing_is_made_before_the_start(tmp_path):
    path = tmp_path / "a.wav"
    recorder = WAVRecorder(path)
    recorder.close()
    assert not path.exists()
    with pytest.raises(UsageError, match="not running"):
        recorder.write(b"ab")


def test_a_recorder_is_used_once(tmp_path):
    recorder = WAVRecorder(tmp_path / "a.wav")
    recorder.start(8000)
    with pytest.raises(UsageError, match="before"):
        recorder.start(8000)
    recorder.close()
    with pytest.raises(UsageError):
        recorder.write(b"ab")


def test_a_recording_has_a_limit(tmp_path):
    recorder = WAVRecorder(tmp_path / "a.wav", max_seconds=0.03)
    recorder.start(8000)
    for _ in range(5):
        recorder.write(bytes(320))
    recorder.close()
    assert recorder.seconds == 0.03
    assert len(content(tmp_path / "a.wav")[1]) == 480


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path):
    with pytest.raises(MediaError, match="no folder"):
        WAVRecorder(tmp_path / "missing" / "a.wav")
    recorder = WAVRecorder(tmp_path)
    with pytest.raises(MediaError, match="Is a directory"):
        recorder.start(8000)


def test_a_full_disk_is_told_of_and_leaves_nothing_open():
    recorder = WAVRecorder("/dev/full")
    with pytest.raises(MediaError, match="No space left"):
        recorder.start(8000)
    recorder.close()


def test_memory_is_bounded():
    sink = MemorySink(max_seconds=0.02)
    sink.start(8000)
    sink.write(b"ab" * 100)
    assert sink.seconds == 100 / 8000
    sink.write(b"cd" * 100)
    sink.close()
    assert sink.pcm == b"ab" * 100 + b"cd" * 60


def test_what_can_be_recorded_to(tmp_path):
    sink = MemorySink()
    assert as_sink(sink) is sink
    assert isinstance(as_sink(str(tmp_path / "a.wav")), WAVRecorder)
    with pytest.raises(UsageError, match="neither a path nor a sink"):
        as_sink(5)
