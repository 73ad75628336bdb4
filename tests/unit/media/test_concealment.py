from array import array

import pytest

from sipparty.media.pcm import loudness
from sipparty.media.playout.concealment import SilenceConcealment, WaveformConcealment
from sipparty.media.playout.waveform import likeness

from .speech import speech
from .test_waveform import sine, steps


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("frequency", [70, 110, 200, 350])
def test_a_wave_goes_on_in_phase(rate, frequency):
    whole = sine(frequency, rate // 10, rate)
    history = whole[: 2 * rate * 3 // 40]
    made = WaveformConcealment(rate).extend(history, rate // 100)
    assert likeness(made, whole[len(history) : len(history) + len(made)]) > 0.98
    assert steps(history + made) <= steps(whole) * 1.2


def test_it_fades_from_10_ms_on_and_ends_at_60():
    it = WaveformConcealment(8000)
    history = sine(100, 400)
    loud = [loudness(it.extend(history, 80)) for _ in range(8)]
    full = loudness(history)
    assert loud[0] == pytest.approx(full, rel=0.03)
    # A fifth each 10 ms: the middle of each.
    for n, part in enumerate((0.9, 0.7, 0.5, 0.3, 0.1), 1):
        assert loud[n] == pytest.approx(full * part, rel=0.2)
    assert loud[6:] == [0, 0]


def test_it_may_be_asked_for_in_any_pieces():
    history = speech(0.3)[-800:]
    whole = WaveformConcealment(8000).extend(history, 480)
    it = WaveformConcealment(8000)
    assert b"".join(it.extend(history, n) for n in (1, 79, 160, 240)) == whole


def test_the_next_loss_begins_anew():
    it = WaveformConcealment(8000)
    history = sine(100, 400)
    first = it.extend(history, 480)
    it.end()
    assert it.extend(history, 480) == first


def test_what_comes_after_it_is_faded_in():
    it = WaveformConcealment(8000)
    whole = sine(110, 1000)
    history = whole[:800]
    made = it.extend(history, 160)
    following = sine(110, 160, phase=2.0)
    joined = it.join(following)
    assert len(joined) == len(following)
    assert joined[80:] == following[80:]  # 5 ms
    assert joined[:80] != following[:80]
    assert steps(history + made + joined) < 2 * steps(whole)
    assert it.join(following) is following  # it is over


def test_without_a_loss_nothing_is_faded():
    assert WaveformConcealment(8000).join(b"\1\2") == b"\1\2"


@pytest.mark.parametrize("samples", [1, 40, 160, 320, 480])
def test_a_gap_is_bridged_from_both_sides(samples):
    whole = sine(140, 2000, amplitude=6000)
    history, following = whole[:800], whole[800 + 2 * samples : 1120 + 2 * samples]
    made = WaveformConcealment(8000).bridge(history, samples, following)
    assert len(made) == 2 * samples
    assert steps(history + made + following) <= 2 * steps(whole)
    if 40 <= samples <= 160:
        assert likeness(made, whole[800 : 800 + 2 * samples]) > 0.9


def test_after_silence_the_wave_comes_back_from_what_follows():
    following = sine(140, 160)
    made = WaveformConcealment(8000).bridge(bytes(800), 160, following)
    first, last = loudness(made[:80]), loudness(made[-80:])
    assert first < last / 3
    assert last > loudness(following) / 2


def test_before_silence_it_fades():
    made = WaveformConcealment(8000).bridge(sine(140, 400), 160, bytes(320))
    assert loudness(made[-80:]) < loudness(made[:80]) / 3


def test_a_bridge_goes_on_with_what_was_carried_on():
    it = WaveformConcealment(8000)
    whole = sine(125, 2000)
    history = whole[:800]
    first = it.extend(history, 160)
    rest = it.bridge(history, 160, whole[800 + 640 : 800 + 960])
    assert steps(history + first + rest) <= steps(whole) * 1.3
    assert it.join(b"\1\2") == b"\1\2"  # it is over


def test_speech_is_bridged_better_than_by_silence():
    audio = speech(2.0)
    error = lost = 0
    for start in range(1600, len(audio) - 1600, 3200):
        history, missing = audio[start - 800 : start], audio[start : start + 320]
        made = WaveformConcealment(8000).bridge(history, 160, audio[start + 320 : start + 640])
        for a, b in zip(array("h", made), array("h", missing), strict=True):
            error += (a - b) ** 2
            lost += b * b
    assert error < 0.25 * lost


@pytest.mark.parametrize("history", [b"", b"\1\0", bytes(6), bytes(800), b"\xff\x7f" * 400])
@pytest.mark.parametrize("following", [b"", b"\1\0", bytes(320), b"\0\x80" * 160, b"\1\0" * 3])
@pytest.mark.parametrize("samples", [1, 7, 160, 481])
def test_whatever_is_beside_it_a_gap_has_its_length(history, following, samples):
    it = WaveformConcealment(8000)
    assert len(it.bridge(history, samples, following)) == 2 * samples
    assert len(it.extend(history, samples)) == 2 * samples
    assert len(it.bridge(history, samples, following)) == 2 * samples
    it.extend(history, samples)
    assert len(it.join(following)) == len(following)


def test_silence_conceals_with_nothing():
    it = SilenceConcealment(8000)
    assert it.extend(b"\1\1" * 9, 4) == bytes(8)
    assert it.bridge(b"\1\1" * 9, 4, b"\1\1") == bytes(8)
    assert it.join(b"\1\1") == b"\1\1"
    it.end()
