"""Sound files of each kind, and files that are none."""

import array
import builtins
import io
import struct
import wave

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.playing import files
from sipparty.media.playing.files import AVRecorder, AVSource, open_sound
from sipparty.media.playing.sources import MemorySource, ToneSource, WAVSource

TONE = ToneSource(440, duration=1.0).read(8000)


def wav(pcm=TONE, *, rate=8000, channels=1, width=2, stated=None):
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(width)
        opened.setframerate(rate)
        opened.writeframes(pcm)
    data = bytearray(file.getvalue())
    if stated is not None:
        data[40:44] = struct.pack("<I", stated)
    return bytes(data)


def floats():
    samples = array.array("f", [one / 32768 for one in array.array("h", TONE)]).tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 8000, 32000, 4, 32)
    body = b"WAVE" + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read_all(source):
    pcm = b""
    while piece := source.read(1000):
        pcm += piece
    return pcm


def loudest(pcm):
    return max(abs(one) for one in array.array("h", pcm))


def test_a_short_wav_file_is_read_once_for_all(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    first, second = open_sound(path), open_sound(str(path))
    assert isinstance(first, MemorySource)
    assert first._pcm is second._pcm
    assert read_all(first) == read_all(second) == TONE
    path.write_bytes(wav(TONE[:8000]))  # another one now
    assert read_all(open_sound(path)) == TONE[:8000]


def test_the_cache_is_bounded(tmp_path, monkeypatch):
    cache = files._Cache()
    monkeypatch.setattr(files, "_cache", cache)
    monkeypatch.setattr(files, "CACHED", 40_000)
    for name in "abcd":
        (tmp_path / name).write_bytes(wav())
        open_sound(tmp_path / name)
    assert cache._octets == 32_000
    assert [key[0][-1] for key in cache._files] == ["c", "d"]


def test_a_long_wav_file_is_read_as_it_is_played(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(TONE * 40))
    assert isinstance(open_sound(path), WAVSource)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_width(width, channels):
    source = open_sound(wav(bytes(8000 * width * channels), width=width, channels=channels))
    assert len(read_all(source)) == 16000


def test_a_file_of_another_wav_format_needs_pyav():
    pytest.importorskip("av")
    source = open_sound(floats())
    assert isinstance(source, AVSource)
    pcm = read_all(source)
    assert len(pcm) == 16000
    assert loudest(pcm) == pytest.approx(loudest(TONE), abs=2)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "flac", "m4a", "aiff"])
def test_other_formats_are_written_and_read(tmp_path, suffix):
    pytest.importorskip("av")
    path = tmp_path / f"a.{suffix}"
    recorder = AVRecorder(path)
    recorder.start(8000)
    for at in range(0, 16000, 320):
        recorder.write(TONE[at : at + 320])
    assert recorder.seconds == 1.0
    recorder.close()
    recorder.close()
    for source in (open_sound(path), open_sound(path.read_bytes())):
        pcm = read_all(source)
        assert len(pcm) / 2 / source.rate == pytest.approx(1.0, abs=0.1)
        assert source.duration == pytest.approx(1.0, abs=0.1)
        assert loudest(pcm) == pytest.approx(loudest(TONE), rel=0.3)
        source.rewind()
        assert read_all(source) == pcm
        source.close()
        source.close()


def test_two_channels_are_written(tmp_path):
    av = pytest.importorskip("av")
    recorder = AVRecorder(tmp_path / "a.flac", channels=2, max_seconds=0.5)
    recorder.start(8000)
    recorder.write(TONE * 2)
    recorder.close()
    assert recorder.seconds == 0.5
    with av.open(str(tmp_path / "a.flac")) as container:
        assert container.streams.audio[0].channels == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"no sound at all, but text", "no sound"),
        (wav(b""), "no samples"),
        (wav()[:5000], r"cut short: it says that it has 1\.00 s of sound, and has 0\.31 s"),
        (b"OggS" + bytes(100), "no sound"),
    ],
)
def test_what_has_no_sound_is_refused(tmp_path, data, reason):
    pytest.importorskip("av")
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=reason) as caught:
        open_sound(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("stated", [0x7FFFF000, 0xFFFFFFFF])
def test_a_writer_that_did_not_know_the_length(stated):
    source = open_sound(wav(stated=stated))
    assert read_all(source) == TONE


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(MediaError, match="Is a directory"):
        open_sound(tmp_path)
    with pytest.raises(MediaError, match="No such file"):
        open_sound(tmp_path / "a.wav")
    with pytest.raises(MediaError, match="no folder"):
        AVRecorder(tmp_path / "no" / "a.mp3")
    with pytest.raises(MediaError, match="no format of sound"):
        AVRecorder(tmp_path / "a.xyz")


def test_an_open_file_is_read_from_where_it_is_and_left_open(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before" + wav(TONE * 40))
    with path.open("rb") as file:
        file.seek(6)
        source = open_sound(file)
        assert isinstance(source, WAVSource)
        assert source.read(8000) == TONE
        source.rewind()
        assert source.read(8000) == TONE
        source.close()
        assert not file.closed


def test_files_that_are_not_open_for_that():
    with pytest.raises(UsageError, match="open as text"):
        open_sound(io.StringIO("text"))
    pipe = io.BytesIO(wav())
    pipe.seekable = lambda: False
    with pytest.raises(UsageError, match="cannot be sought in"):
        open_sound(pipe)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    load = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "av":
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert read_all(open_sound(wav())) == TONE
    for data in (floats(), b"ID3" + bytes(100), b"no sound at all, but text"):
        with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
            open_sound(data)
    with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
        AVRecorder(tmp_path / "a.mp3")


def test_a_disk_that_fills_ends_the_recording(tmp_path):
    pytest.importorskip("av")
    full = tmp_path / "a.wav.mp3"
    full.symlink_to("/dev/full")
    recorder = AVRecorder(full)

    def record():
        recorder.start(8000)
        for _ in range(200):
            recorder.write(TONE)
        recorder.close()

    with pytest.raises(MediaError, match="No space left"):
        record()
