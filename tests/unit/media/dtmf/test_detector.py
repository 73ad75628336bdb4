import math
import random
import sys
from array import array

import pytest

from sipparty.errors import UsageError
from sipparty.media.codecs import find_codec
from sipparty.media.dtmf.detector import ToneDetector
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.tones import TONES, tone

KEYS = "".join(TONES)


@pytest.fixture(params=[True, False], ids=["numpy", "plain"])
def fast(request):
    if request.param:
        pytest.importorskip("numpy")
    return request.param


def made(low, high, low_level=-8.0, high_level=-8.0, seconds=0.05, noise=0, rate=8000):
    first, second = (32767 * 10 ** ((one - 3.14) / 20) for one in (low_level, high_level))
    chance = random.Random(1)
    turn = 2 * math.pi / rate
    values = (
        first * math.sin(turn * low * n)
        + second * math.sin(turn * high * n)
        + chance.gauss(0, noise)
        for n in range(round(seconds * rate))
    )
    return array("h", [max(-32768, min(32767, round(value))) for value in values]).tobytes()


def silence(seconds, rate=8000):
    return bytes(2 * round(seconds * rate))


def heard(pcm, rate=8000, fast=True, frame=0.02):
    """What is found, given in frames."""
    detector = ToneDetector(rate, fast=fast)
    size = 2 * round(frame * rate)
    events = []
    for start in range(0, len(pcm), size):
        events += detector.hear(pcm[start : start + size])
    return events + detector.finish()


def digits(events):
    return "".join(one.digit for one in events if isinstance(one, DigitReceived))


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_every_key_is_found_however_it_lies(fast, rate):
    for offset in range(0, 10, 2 if fast and rate == 8000 else 5):
        pcm = silence(0.02 + offset / 1000, rate)
        for key in KEYS:
            pcm += tone(key, round(0.04 * rate), rate) + silence(0.04, rate)
        events = heard(pcm, rate, fast)
        assert digits(events) == KEYS
        assert [one.digit for one in events if isinstance(one, DigitEnded)] == list(KEYS)


def test_both_ways_find_the_same(fast):
    pcm = tone("7", 640, 8000) + silence(0.1)
    (begun, ended) = heard(pcm, fast=fast)
    assert begun == DigitReceived("7", "inband", pytest.approx(-6, abs=0.3))
    assert ended == DigitEnded("7", "inband", pytest.approx(0.08, abs=0.011))


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.33])
@pytest.mark.parametrize("offset", [0.0, 0.003, 0.005, 0.0079])
def test_how_long_it_lasted_is_known_to_10_ms(seconds, offset):
    pcm = silence(0.1 + offset) + tone("3", round(seconds * 8000), 8000) + silence(0.1)
    (_, ended) = heard(pcm)
    assert ended.duration == pytest.approx(seconds, abs=0.0101)


def test_it_is_found_while_it_lasts():
    detector = ToneDetector(8000)
    pcm = tone("3", 8000, 8000)
    assert digits(detector.hear(pcm[:800])) == "3"
    assert detector.hear(pcm[800:]) == []
    assert detector.finish() == [DigitEnded("3", "inband", pytest.approx(1, abs=0.011))]
    assert detector.finish() == []


@pytest.mark.parametrize("offset", [n / 2000 for n in range(0, 20, 3)])
def test_what_is_too_short_is_none(offset):
    for key in KEYS:
        pcm = silence(0.02 + offset) + made(*TONES[key], seconds=0.023) + silence(0.05)
        assert digits(heard(pcm)) == ""


@pytest.mark.parametrize("offset", [n / 2000 for n in range(0, 20, 3)])
def test_a_short_break_is_none_and_a_pause_is_one(offset):
    key = tone("6", 480, 8000)
    assert digits(heard(silence(offset) + key + silence(0.02) + key + silence(0.1))) == "6"
    assert digits(heard(silence(offset) + key + silence(0.04) + key + silence(0.1))) == "66"


def test_another_key_without_a_pause_is_another_press():
    pcm = made(*TONES["1"], seconds=0.1) + made(*TONES["9"], seconds=0.1) + silence(0.1)
    assert [(type(one).__name__, one.digit) for one in heard(pcm)] == [
        ("DigitReceived", "1"),
        ("DigitEnded", "1"),
        ("DigitReceived", "9"),
        ("DigitEnded", "9"),
    ]


# ITU-T Q.24: what is to be taken, what is to be refused.


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize(("off", "found"), [(0.015, True), (0.035, False)])
def test_frequencies_may_be_a_little_off(signs, off, found):
    for key, (low, high) in TONES.items():
        pcm = made(low * (1 + signs[0] * off), high * (1 + signs[1] * off)) + silence(0.1)
        assert digits(heard(pcm)) == (key if found else "")


@pytest.mark.parametrize(("twist", "found"), [(4, True), (-8, True), (8, False), (-11, False)])
def test_levels_may_be_a_little_apart(twist, found):
    for key, (low, high) in TONES.items():
        pcm = made(low, high, -10, -10 + twist) + silence(0.1)
        assert digits(heard(pcm)) == (key if found else "")


@pytest.mark.parametrize(("level", "found"), [(0, True), (-30, True), (-45, False)])
def test_tones_may_be_loud_or_soft(level, found):
    for key, (low, high) in TONES.items():
        assert digits(heard(made(low, high, level, level) + silence(0.1))) == (key if found else "")


def test_noise_15_db_below_does_no_harm():
    for key, (low, high) in TONES.items():
        assert digits(heard(made(low, high, noise=1500) + silence(0.1))) == key


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_tones_pass_the_codec(codec):
    one = find_codec(codec).make()
    pcm = b"".join(tone(key, 400, 8000) + silence(0.05) for key in KEYS)
    assert digits(heard(one.decode(one.encode(pcm)))) == KEYS


def test_one_frequency_alone_is_none():
    for frequency in (697, 941, 1209, 1633):
        assert heard(made(frequency, 50, -8, -60, seconds=0.2)) == []


def test_a_third_frequency_spoils_it():
    pair = array("h", made(697, 1209, -12, -12, 0.2))
    third = array("h", made(1477, 440, -12, -12, 0.2))
    mixed = array("h", map(sum, zip(pair, third, strict=True))).tobytes()
    assert heard(mixed) == []


def test_noise_and_what_sounds_like_speech_are_none():
    chance = random.Random(24)
    noise = array("h", [chance.randint(-9000, 9000) for _ in range(80000)]).tobytes()
    assert heard(noise) == []
    # Vowels: harmonics of a pitch that glides, under three formants.
    values = []
    phase = 0.0
    for n in range(5 * 8000):
        pitch = 170 + 60 * math.sin(2 * math.pi * 0.7 * n / 8000)
        phase += 2 * math.pi * pitch / 8000
        value = 0.0
        for k in range(1, 20):
            share = sum(1 / (1 + ((k * pitch - one) / 100) ** 2) for one in (750, 1300, 2600))
            value += math.sin(k * phase) * share
        values.append(value)
    peak = max(map(abs, values))
    assert heard(array("h", [round(20000 * value / peak) for value in values]).tobytes()) == []


# Frames of any size.


@pytest.mark.parametrize("frame", [0.001, 0.0075, 0.03, 0.6])
def test_frames_may_be_of_any_size(frame):
    pcm = silence(0.0137) + tone("4", 400, 8000) + silence(0.1)
    assert heard(pcm, frame=frame) == heard(pcm)
    assert digits(heard(pcm)) == "4"


def test_no_audio_is_nothing():
    assert ToneDetector(8000).hear(b"") == []


@pytest.mark.parametrize("rate", [7999, 192001])
def test_a_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(UsageError, match=f"8000 to 192000 samples a second, not {rate}"):
        ToneDetector(rate)


def test_numpy_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert digits(heard(tone("2", 640, 8000) + silence(0.1))) == "2"
