import cmath
import math
from array import array

import pytest

from sipparty.errors import UsageError
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.tones import TONES, ToneSender, tone


def level_of(pcm, frequency, rate):
    """The level of one frequency, in dBm0."""
    samples = array("h", pcm)
    turn = -2j * math.pi * frequency / rate
    found = abs(sum(value * cmath.exp(turn * n) for n, value in enumerate(samples)))
    return 20 * math.log10(2 * found / len(samples) / 32767) + 3.14


def test_each_key_has_its_two_frequencies():
    assert TONES["1"] == (697, 1209)
    assert TONES["5"] == (770, 1336)
    assert TONES["9"] == (852, 1477)
    assert TONES["*"] == (941, 1209)
    assert TONES["0"] == (941, 1336)
    assert TONES["#"] == (941, 1477)
    assert TONES["D"] == (941, 1633)
    assert len(TONES) == 16


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_tone_is_its_frequencies_at_their_levels(rate):
    pcm = tone("8", rate, rate, -10)
    low, high = level_of(pcm, 852, rate), level_of(pcm, 1336, rate)
    assert high - low == pytest.approx(2, abs=0.05)
    assert 10 * math.log10(10 ** (low / 10) + 10 ** (high / 10)) == pytest.approx(-10, abs=0.05)
    assert level_of(pcm, 1000, rate) < -50


def test_a_tone_comes_and_goes_softly():
    samples = array("h", tone("1", 800, 8000))
    assert samples[0] == samples[-1] == 0
    assert max(map(abs, samples[:4])) < 0.35 * max(samples)
    assert max(map(abs, samples[-4:])) < 0.35 * max(samples)
    assert max(map(abs, samples)) < 32767


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 31])
def test_a_tone_may_be_short(samples):
    assert len(tone("1", samples, 8000)) == 2 * samples


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("!", 80, 8000), "'!' has no tone"),
        (("12", 80, 8000), "'12' has no tone"),
        (("1", 80, 4000), "at 4000 a second"),
        (("1", 80, 8000, 0), "0 dBm0 cannot be"),
        (("1", -1, 8000), "-1 samples"),
    ],
)
def test_what_cannot_be_is_named(given, words):
    with pytest.raises(UsageError, match=words):
        tone(*given)


# Sent in frames.


def frames_of(sender, count, samples=160, rate=8000):
    return [sender.next_frame(samples, rate) for _ in range(count)]


def test_keys_are_sent_in_frames_and_gaps_are_silent():
    said = []
    sender = ToneSender()
    sender.queue(plan("12", 0.05, 0.05), lambda: said.append("done"))
    assert sender.busy
    frames = frames_of(sender, 11)
    one, two = tone("1", 400, 8000), tone("2", 400, 8000)
    assert b"".join(frames[:10]) == one + bytes(800) + two + bytes(800)
    assert (frames[10], said, sender.busy) == (None, ["done"], False)


def test_a_pause_is_silent_and_the_last_frame_is_filled_up():
    sender = ToneSender()
    sender.queue(plan(",1", 0.05, 0.045, 0.04))
    frames = frames_of(sender, 8)
    assert frames[:2] == [bytes(320)] * 2
    assert b"".join(frames[2:7]) == tone("1", 400, 8000) + bytes(800)
    assert frames[7] is None


def test_what_was_sent_is_said_before_more_is():
    said = []
    sender = ToneSender()
    sender.queue(plan("1", 0.05, 0.05), lambda: said.append(1))
    sender.queue(plan("2", 0.05, 0.05), lambda: said.append(2))
    frames_of(sender, 5)
    assert said == []
    frames_of(sender, 1)
    assert said == [1]
    frames_of(sender, 5)
    assert said == [1, 2]


def test_a_flash_is_refused():
    sender = ToneSender()
    with pytest.raises(UsageError, match="hook flash has no tone"):
        sender.queue(plan("1!"))
    assert (sender.busy, sender.next_frame(160, 8000)) == (False, None)


def test_cancelling_is_silence_at_once():
    said = []
    sender = ToneSender()
    sender.queue(plan("12"), lambda: said.append("done"))
    frames_of(sender, 2)
    sender.cancel()
    assert (sender.busy, frames_of(sender, 2), said) == (False, [None, None], [])


def test_another_rate_is_followed():
    sender = ToneSender()
    sender.queue(plan("12", 0.04, 0.04))
    assert len(sender.next_frame(160, 8000)) == 320
    assert sender.next_frame(320, 16000) == tone("2", 640, 16000)[:640]
