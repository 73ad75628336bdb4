"""What is heard and pressed in a call, as expectations."""

import wave

import numpy as np
import pytest

from sipparty import MemorySource, ToneSource
from sipparty.errors import UsageError
from sipparty.testing import expect


@pytest.fixture
def calls(party):
    alice, bob = party("alice@atlanta.com"), party("bob@biloxi.com")
    with alice.call(bob) as call:
        yield call, expect(bob).called()


@pytest.fixture
def voice(tmp_path):
    """The path of a WAV file with a second of something like a voice."""
    time = np.arange(8000) / 8000
    pitch = 2 * np.pi * np.cumsum(150 * (1 + 0.2 * np.sin(9 * time))) / 8000
    wave_ = sum(np.sin(n * pitch + n * n) / n for n in range(1, 15)) * (np.sin(20 * time) ** 2)
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((wave_ * 6000).astype("<i2").tobytes())
    return path


def test_a_tone(calls):
    call, his = calls
    his.play(ToneSource(440, duration=2))
    assert expect(call).heard(440) > 0.6
    with pytest.raises(AssertionError, match="1000 Hz was not heard in alice's call within 1 s"):
        expect(call).heard(1000, within=1)


def test_a_file(calls, voice):
    call, his = calls
    his.play(str(voice))
    assert expect(call).heard(voice).seconds >= 0.5


def test_silence_and_something_else(calls, voice):
    call, his = calls
    with pytest.raises(AssertionError, match="of silence were heard"):
        expect(call).heard(voice, within=1)
    noise = np.random.default_rng(1).integers(-9000, 9000, 24000).astype(np.int16)
    his.play(MemorySource(noise.tobytes(), 8000))
    with pytest.raises(AssertionError, match="was not heard in alice's call within 1 s"):
        expect(call).heard(voice, within=1)


def test_what_is_no_sound(calls):
    with pytest.raises(UsageError, match="is no sound: expected the path of a WAV file, or Hz"):
        expect(calls[0]).heard(b"pcm")


def test_keys(calls):
    call, his = calls
    his.send_dtmf("12#")
    expect(call).pressed("12#")
    his.send_dtmf("4")
    with pytest.raises(AssertionError, match=r"did not get the keys .5. .*: .4. came"):
        expect(call).pressed("5")
