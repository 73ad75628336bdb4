import array
import itertools
import struct
import wave

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import loudness
from sipparty.media.playing.sources import (
    MemorySource,
    Resampled,
    SilenceSource,
    ToneSource,
    WAVSource,
    as_source,
)


def write(path, samples, *, rate=8000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


def read_all(source, size=160):
    out = b""
    while piece := source.read(size):
        assert len(piece) <= 2 * size
        out += piece
    source.close()
    return out


def ramp(count):
    return array.array("h", range(count))


def test_a_wav_file_is_read_sample_for_sample(tmp_path):
    pcm = ramp(1000)
    source = WAVSource(write(tmp_path / "a.wav", pcm.tobytes()))
    assert (source.rate, source.duration) == (8000, 0.125)
    assert read_all(source) == pcm.tobytes()
    assert source.read(160) == b""


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_width_and_two_channels_become_one_of_16_bits(tmp_path, width, channels):
    values = [-128, -1, 0, 1, 64, 127]
    frames = b""
    for value in values:
        octets = (
            bytes((value + 128,))
            if width == 1
            else (value << 8 * (width - 1)).to_bytes(width, "little", signed=True)
        )
        frames += octets * channels
    path = write(tmp_path / "a.wav", frames, width=width, channels=channels)
    assert list(array.array("h", read_all(WAVSource(path)))) == [value << 8 for value in values]


def test_two_channels_are_mixed_half_and_half(tmp_path):
    path = write(tmp_path / "a.wav", struct.pack("<4h", 1000, 3000, -400, 0), channels=2)
    assert list(array.array("h", read_all(WAVSource(path)))) == [2000, -200]


def test_a_file_may_be_repeated(tmp_path):
    path = write(tmp_path / "a.wav", ramp(250).tobytes())
    assert read_all(WAVSource(path, repeat=3)) == ramp(250).tobytes() * 3
    forever = WAVSource(path, repeat=None)
    assert len(forever.read(10_000)) == 20_000
    forever.close()


def test_a_file_of_nothing_ends_even_if_repeated_for_ever(tmp_path):
    path = write(tmp_path / "a.wav", b"")
    assert WAVSource(path).read(160) == b""
    assert WAVSource(path, repeat=None).read(160) == b""


def test_a_file_that_was_cut_off_gives_what_it_has(tmp_path):
    path = write(tmp_path / "a.wav", ramp(1000).tobytes())
    path.write_bytes(path.read_bytes()[:-501])
    assert read_all(WAVSource(path)) == ramp(749).tobytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it ends too early"),
        (b"#!/bin/sh\necho no sound\n" * 4, "RIFF"),
        (b"RIFF\x04\x00\x00\x00WAVE", "fmt chunk"),
        (
            b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
            + struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)
            + b"data\x00\x00\x00\x00",
            "unknown format: 7",
        ),
    ],
)
def test_what_is_no_wav_file_is_refused_at_once(tmp_path, content, reason):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=reason) as caught:
        WAVSource(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_played_is_refused_at_once(tmp_path):
    with pytest.raises(MediaError, match=r"missing\.wav: No such file"):
        WAVSource(tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="sample rate of 10 "):
        WAVSource(write(tmp_path / "slow.wav", b"", rate=10))
    with pytest.raises(MediaError, match="6 channels"):
        WAVSource(write(tmp_path / "round.wav", b"", channels=6))


def test_a_file_that_goes_away_breaks_the_source_and_nothing_else(tmp_path):
    path = write(tmp_path / "a.wav", ramp(100).tobytes())
    source = WAVSource(path)
    path.unlink()
    with pytest.raises(MediaError):
        source.read(160)
    source.close()


def test_a_source_that_is_not_used_holds_nothing(tmp_path):
    WAVSource(write(tmp_path / "a.wav", ramp(100).tobytes()))  # a warning would be an error


def test_a_tone_is_a_sine_of_its_level():
    tone = ToneSource(1000, level=0)
    samples = array.array("h", tone.read(8))
    assert list(samples) == [0, 23170, 32767, 23170, 0, -23170, -32767, -23170]
    assert loudness(ToneSource(440, level=-20).read(8000)) == pytest.approx(2317, rel=0.01)


def test_a_tone_goes_on_where_it_was_and_ends():
    whole = ToneSource(440, duration=0.1).read(2000)
    assert len(whole) == 1600
    assert read_all(ToneSource(440, duration=0.1), 7) == whole


def test_tones_that_are_added_do_not_clip():
    samples = array.array("h", ToneSource(350, 440, level=0).read(8000))
    assert 30000 < max(samples) <= 32767


@pytest.mark.parametrize("frequencies", [(), (0,), (4000,), (440, -1)])
def test_tones_that_cannot_be_are_refused(frequencies):
    with pytest.raises(UsageError):
        ToneSource(*frequencies)


def test_a_tone_is_no_louder_than_can_be():
    with pytest.raises(UsageError, match="0 dB at most"):
        ToneSource(440, level=3)


def test_silence():
    assert read_all(SilenceSource(0.05)) == bytes(800)
    forever = SilenceSource()
    assert forever.read(10) == bytes(20)
    forever.close()
    assert forever.read(10) == b""


def test_memory():
    assert read_all(MemorySource(ramp(333).tobytes())) == ramp(333).tobytes()
    with pytest.raises(UsageError):
        MemorySource(b"abc")


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_another_rate_keeps_pitch_length_and_level(rate):
    source = Resampled(ToneSource(440, duration=1.0, rate=rate), 8000)
    samples = array.array("h", read_all(source))
    assert len(samples) == pytest.approx(8000, abs=2)
    crossings = sum(1 for a, b in itertools.pairwise(samples) if a < 0 <= b)
    assert crossings == pytest.approx(440, abs=1)
    assert loudness(samples.tobytes()) == pytest.approx(5820, rel=0.02)


def test_what_can_be_played(tmp_path):
    path = write(tmp_path / "a.wav", b"")
    assert isinstance(as_source(path), WAVSource)
    assert isinstance(as_source(str(path)), WAVSource)
    tone = ToneSource(440)
    assert as_source(tone) is tone
    with pytest.raises(UsageError, match="neither a source nor a path"):
        as_source(42)
