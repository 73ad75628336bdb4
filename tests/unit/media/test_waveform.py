import math
from array import array
from itertools import pairwise
from random import Random

import pytest

from sipparty.media.playout.waveform import (
    QUIET,
    best_match,
    cross_fade,
    lengthen,
    likeness,
    ramp,
    shorten,
)

from .speech import speech


def sine(frequency, samples, rate=8000, amplitude=8000, phase=0.0):
    step = 2 * math.pi * frequency / rate
    return array(
        "h", [round(amplitude * math.sin(phase + step * n)) for n in range(samples)]
    ).tobytes()


def steps(pcm):
    """The largest step from a sample to the next."""
    samples = array("h", pcm)
    return max(abs(b - a) for a, b in pairwise(samples))


def test_likeness_is_of_the_form_and_not_of_the_loudness():
    one = sine(200, 160)
    assert likeness(one, one) == pytest.approx(1)
    assert likeness(one, sine(200, 160, amplitude=800)) == pytest.approx(1, abs=0.01)
    assert likeness(one, sine(200, 160, phase=math.pi)) == pytest.approx(-1)
    assert likeness(one, sine(200, 160, phase=math.pi / 2)) == pytest.approx(0, abs=0.01)
    assert likeness(one, bytes(320)) == 0.0
    assert likeness(bytes(320), one) == 0.0


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("place", [0, 3, 57, 120])
def test_the_place_of_a_piece_is_found(rate, place):
    signal = speech(0.1, rate)[: 2 * 400]
    template = signal[2 * place : 2 * place + 320]
    found, alike = best_match(template, signal, rate)
    assert alike > 0.98
    assert likeness(template, signal[2 * found : 2 * found + 320]) == alike


def test_the_place_is_looked_for_between_the_first_and_the_last():
    signal = sine(100, 800)
    template = signal[:160]
    assert best_match(template, signal, 8000, 10, 200)[0] == 80
    assert best_match(template, signal, 8000, 90, 200)[0] == 160
    # The last may be the best; and so may the first.
    assert best_match(template, signal, 8000, 91, 155)[0] == 155
    assert best_match(template, signal, 8000, 81, 110)[0] == 81


def test_a_cross_fade_goes_evenly_from_the_one_to_the_other():
    one, other = array("h", [1000] * 4).tobytes(), array("h", [-1000] * 4).tobytes()
    assert array("h", cross_fade(one, other)).tolist() == [600, 200, -200, -600]
    assert cross_fade(b"", b"") == b""
    assert ramp(3) == pytest.approx((0.25, 0.5, 0.75))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_period_is_left_out(rate):
    pcm = sine(125, rate // 25, rate)  # a period is 8 ms
    shorter = shorten(pcm, rate, alike=0.8)
    assert len(pcm) - len(shorter) == 2 * rate * 8 // 1000
    assert shorter[:2] == pcm[:2]
    assert shorter[-40:] == pcm[-40:]
    assert steps(shorter) <= steps(pcm) * 1.1


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_period_is_put_in(rate):
    whole = sine(125, rate // 10, rate)
    history, pcm = whole[: rate // 10], whole[rate // 10 :]
    pcm = pcm[: 2 * rate // 50]
    longer = lengthen(history, pcm, rate, alike=0.8)
    assert len(longer) - len(pcm) == 2 * rate * 8 // 1000
    assert longer[-len(pcm) :] == pcm
    assert steps(history + longer) <= steps(whole) * 1.1


def test_what_is_like_nothing_stays():
    chance = Random(1)
    noise = array("h", [chance.randint(-9000, 9000) for _ in range(800)]).tobytes()
    assert (
        shorten(noise[:640], 8000, alike=0.8) is noise[:640]
        or len(shorten(noise[:640], 8000, alike=0.8)) == 640
    )
    assert lengthen(noise[:800], noise[800:1120], 8000, alike=0.8) == noise[800:1120]


def test_what_is_quiet_is_a_matter_of_its_loudness():
    pair = array("h", [QUIET, -QUIET, QUIET + 1, -QUIET - 1])
    one, other = (array("h", pair[n : n + 2] * 320).tobytes() for n in (0, 2))
    assert QUIET == 200
    assert len(shorten(one, 8000, alike=1.1)) == 2 * (640 - 120)
    assert shorten(other, 8000, alike=1.1) == other


def test_what_is_quiet_need_not_be_alike():
    chance = Random(1)
    noise = array("h", [chance.randint(-100, 100) for _ in range(800)]).tobytes()
    assert len(shorten(noise[:640], 8000, alike=0.8)) == 640 - 240
    assert len(lengthen(noise[:800], noise[800:1120], 8000, alike=0.8)) == 320 + 240


@pytest.mark.parametrize("samples", [0, 1, 19, 39])
def test_what_is_too_short_stays(samples):
    loud = sine(125, 200)[100 : 100 + 2 * samples]
    assert shorten(loud, 8000, alike=0.0) in (loud, loud[: samples // 2 * 2])
    assert lengthen(loud[:30], loud, 8000, alike=0.0) == loud
