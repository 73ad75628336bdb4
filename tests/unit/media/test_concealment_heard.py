"""Concealed speech as people hear it, by PESQ; the sound and the network are those of the bench."""

import importlib.util
from functools import cache
from pathlib import Path
from statistics import mean

import pytest

_PATH = Path(__file__).parents[3] / "bench" / "lossy_speech.py"
_SPEC = importlib.util.spec_from_file_location("lossy_speech", _PATH)
lossy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(lossy)

pytestmark = pytest.mark.skipif(
    lossy.missing() is not None, reason=f"{lossy.missing()} is not installed"
)
SEEDS = range(3)


@cache
def heard(loss, kind="the wave"):
    scores = []
    for seed in SEEDS:
        audio, _ = lossy.through(lossy.speech(), loss, 0.04, seed, lossy.CONCEALMENTS[kind])
        scores.append(lossy.score(lossy.speech(), audio))
    return mean(scores)


def test_nothing_is_heard_of_jitter_alone():
    audio, it = lossy.through(lossy.speech(), 0.0, 0.04, 1, lossy.CONCEALMENTS["the wave"])
    assert lossy.score(lossy.speech(), audio) > 4.4
    assert it.concealed == it.lost == 0


@pytest.mark.parametrize(("loss", "least"), [(0.05, 3.5), (0.1, 3.3)])
def test_concealed_speech_is_good(loss, least):
    assert heard(loss) >= least


def test_it_is_better_than_repetition():
    assert heard(0.05) > heard(0.05, "repetition") + 0.2
