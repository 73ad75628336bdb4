"""What looks for a sound in what was heard finds it, and finds nothing where it is not."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from sipparty.media import find_codec

from .sound import WIDE, Match, Sound, compare, heard, noise, speech

SENT, OTHER = noise(1, 3.0), noise(2, 3.0)


@pytest.fixture
def capture() -> None:
    """Nothing goes over the network."""


def found(match: Match) -> bool:
    return match.similarity > 0.85 and match.share > 0.9 and match.seconds > 1.5


def test_the_same_is_found_whole() -> None:
    match = compare(SENT, SENT)
    assert match.similarity > 0.999
    assert (match.delay, match.share) == (0.0, 1.0)
    assert match.seconds == pytest.approx(2.9, abs=0.2)


def test_another_sound_is_not_found() -> None:
    match = compare(OTHER, SENT)
    assert match.similarity < 0.3
    assert (match.share, match.seconds) == (0.0, 0.0)
    with pytest.raises(AssertionError, match="similarity"):
        heard(OTHER, SENT)


def test_a_sentence_is_not_taken_for_another(tmp_path: Path) -> None:
    one = speech("The boat leaves at seven and takes two hours.", tmp_path)
    two = speech("There are oranges in the basket on the table.", tmp_path, "en+f2")
    for sent, what in ((one, two), (two, one)):
        assert found(compare(Sound.of_pcm(sent.pcm(8000), 8000), sent))
        assert compare(what, sent).share == 0.0


@pytest.mark.parametrize(
    "what",
    [
        Sound(np.zeros(24000), 8000),
        Sound(np.zeros(0), 8000),
        Sound(SENT.samples[::-1], SENT.rate),
        Sound(-SENT.samples, SENT.rate),
        Sound(np.sin(np.arange(24000) * 0.3), 8000),
        SENT.part(0, 0.1),
    ],
    ids=["silence", "nothing", "backwards", "upside-down", "tone", "too-short"],
)
def test_what_is_no_sound_of_ours_is_not_found(what: Sound) -> None:
    match = compare(what, SENT)
    assert match.share < 0.1
    assert match.similarity < 0.5


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 48000])
def test_another_rate_and_level_and_a_delay_are_no_matter(rate: int) -> None:
    late = np.append(np.zeros(rate // 4), 0.05 * SENT.at(rate).samples)
    match = compare(Sound(late, rate), SENT)
    assert match.similarity > 0.98
    assert match.delay == pytest.approx(0.25, abs=0.001)
    assert match.share == 1.0


def test_a_part_is_found_by_its_length() -> None:
    match = compare(SENT.part(1.0, 2.0), SENT)
    assert match.delay == pytest.approx(-1.0, abs=0.001)
    assert match.share == 1.0
    assert 0.6 < match.seconds <= 1.0
    with pytest.raises(AssertionError, match="seconds"):
        heard(SENT.part(1.0, 2.0), SENT, seconds=1.5)


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_a_codec_is_no_matter(name: str) -> None:
    codec = find_codec(name).make("")
    pcm = codec.decode(codec.encode(SENT.pcm(8000)))
    assert compare(Sound.of_pcm(pcm, 8000), SENT).similarity > 0.99


def test_a_jitter_buffer_may_put_in_and_leave_out() -> None:
    samples = SENT.at(8000).samples
    pieces = [samples[:8000], np.zeros(160), samples[8000:16000], samples[16200:]]
    assert found(compare(Sound(np.concatenate(pieces), 8000), SENT))


def test_a_gap_is_seen() -> None:
    samples = SENT.samples.copy()
    samples[8000:34000] = 0
    match = compare(Sound(samples, SENT.rate), SENT)
    assert 0.2 < match.share < 0.6
    with pytest.raises(AssertionError, match="share"):
        heard(Sound(samples, SENT.rate), SENT)


def test_loud_noise_is_seen() -> None:
    louder = 3 * np.random.default_rng(3).standard_normal(len(SENT.samples)) * SENT.samples.std()
    assert compare(Sound(SENT.samples + louder, SENT.rate), SENT).similarity < 0.6


def test_wideband_is_known_from_narrowband() -> None:
    assert found(compare(Sound.of_pcm(SENT.pcm(16000), 16000), SENT, WIDE))
    assert compare(SENT.at(8000), SENT, WIDE).similarity < 0.1
    assert SENT.at(8000).at(16000).within(WIDE).level < SENT.within(WIDE).level - 30


@pytest.mark.parametrize("rate", [8000, 48000])
def test_a_file_holds_what_was_written(tmp_path: Path, rate: int) -> None:
    read = Sound.of_file(SENT.write(tmp_path / "sent.wav", rate))
    assert read.rate == rate
    assert read.seconds == pytest.approx(SENT.seconds, abs=0.001)
    assert compare(read, SENT).similarity > 0.999


def test_two_channels_are_one(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        samples = np.frombuffer(SENT.pcm(16000), np.int16).astype("<i2")
        file.writeframes(np.repeat(samples, 2).tobytes())
    read = Sound.of_file(tmp_path / "stereo.wav")
    assert read.seconds == pytest.approx(SENT.seconds, abs=0.001)
    assert compare(read, SENT).similarity > 0.999


def test_level() -> None:
    assert Sound(np.zeros(8000), 8000).level < -100
    full = np.sin(np.arange(8000) * 0.3)
    assert Sound(full, 8000).level == pytest.approx(-3, abs=0.2)
    quiet = np.append(np.zeros(8000), 0.1 * full)
    assert Sound(quiet, 8000).level == pytest.approx(-23, abs=0.2)
