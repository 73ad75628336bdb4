"""The E-model (ITU-T G.107): values that can be worked out by hand."""

import pytest

from sipparty.media.quality.emodel import (
    BEST_R,
    G711_SILENCE,
    Impairment,
    delay_impairment,
    impairment,
    mos,
    r_factor,
)


@pytest.mark.parametrize(
    ("rating", "score"),
    # ITU-T G.107 annex B, table B.1: the lower limits of the categories.
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (93.2, 4.41)],
)
def test_scores_are_those_of_the_recommendation(rating, score):
    assert mos(rating) == pytest.approx(score, abs=0.007)


def test_scores_stay_within_their_scale():
    assert (mos(-5), mos(0), mos(3), mos(100), mos(120)) == (1.0, 1.0, 1.0, 4.5, 4.5)
    scores = [mos(each / 4) for each in range(30, 400)]
    assert scores == sorted(scores)


def test_nothing_takes_nothing():
    assert r_factor() == BEST_R
    assert delay_impairment(0.1) == delay_impairment(0) == 0


@pytest.mark.parametrize(
    ("delay", "taken"),
    # 25 ((1 + X^6)^(1/6) - 3 (1 + (X/3)^6)^(1/6) + 2), X = log2(Ta / 100)
    [(0.2, 3.04), (0.4, 24.07), (0.8, 40.83)],
)
def test_delay_takes_what_the_formula_says(delay, taken):
    assert delay_impairment(delay) == pytest.approx(taken, abs=0.01)
    assert r_factor(delay=delay) == pytest.approx(BEST_R - taken, abs=0.01)


@pytest.mark.parametrize(
    ("loss", "rating", "score"),
    # Ie,eff = 95 x 5 / (5 + 25.1) = 15.78; 95 x 10 / (10 + 25.1) = 27.07
    [(0.05, 77.42, 3.92), (0.10, 66.13, 3.41), (1.0, 17.26, 1.18)],
)
def test_loss_takes_what_the_formula_says(loss, rating, score):
    assert r_factor(loss) == pytest.approx(rating, abs=0.01)
    assert mos(r_factor(loss)) == pytest.approx(score, abs=0.01)


def test_silence_bursts_and_other_codecs_make_it_worse():
    # 95 x 5 / (5 + 4.3) = 51.08; 95 x 5 / (5 / 2 + 25.1) = 17.21; 11 + 84 x 5 / (5 + 19) = 28.5
    assert r_factor(0.05, codec=G711_SILENCE) == pytest.approx(BEST_R - 51.08, abs=0.01)
    assert r_factor(0.05, burst_ratio=2) == pytest.approx(BEST_R - 17.21, abs=0.01)
    assert r_factor(0.05, codec=Impairment(11, 19)) == pytest.approx(BEST_R - 28.5, abs=0.01)
    assert r_factor(0.05, advantage=10) == pytest.approx(r_factor(0.05) + 10)
    assert impairment("PCMU") == Impairment(0, 25.1)


def test_what_is_out_of_range_is_taken_as_its_end():
    assert r_factor(-1) == BEST_R
    assert r_factor(7) == r_factor(1)
    assert r_factor(0.1, burst_ratio=0) == r_factor(0.1)
    assert r_factor(1, 5, codec=Impairment(60, 1)) == 0
    assert r_factor(advantage=20) == 100
