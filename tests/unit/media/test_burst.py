"""Bursts and gaps (RFC 3611 section 4.7.2), also by a plain count of what the definition says."""

import random

import pytest

from sipparty.media.quality.burst import GMIN, BurstMeter, BurstMetrics


def metered(missed, size, first=0, gmin=GMIN):
    meter = BurstMeter(gmin)
    meter.begin(first)
    for n in range(size):
        if n in missed:
            meter.lost(first + n)
    return meter.update(first + size - 1)


def counted(missed, size, gmin=GMIN):
    """Bursts by the definition: marks of every packet, looked at one by one."""
    lost = sorted(missed)
    groups, group = [], []
    for each in lost:
        if group and each - group[-1] - 1 >= gmin:
            groups.append(group)
            group = []
        group.append(each)
    groups += [group] if group else []
    bursts = [one for one in groups if len(one) > 1]
    in_burst = {n for one in bursts for n in range(one[0], one[-1] + 1)}
    in_gap = set(range(size)) - in_burst
    gaps = sum(1 for n in in_gap if n - 1 not in in_gap)
    runs = sum(1 for n in lost if n - 1 not in missed)
    share = len(lost) / size
    return BurstMetrics(
        len(in_burst & missed) / len(in_burst) if in_burst else 0.0,
        len(in_gap & missed) / len(in_gap) if in_gap else 0.0,
        len(in_burst) / len(bursts) if bursts else 0.0,
        len(in_gap) / gaps if gaps else 0.0,
        max(len(lost) / runs * (1 - share), 1.0) if runs else 1.0,
        size,
        len(lost),
        0,
    )


def test_a_stream_without_loss_is_one_gap():
    assert metered(set(), 500) == BurstMetrics(gap_packets=500, expected=500)


def test_the_example_of_the_module():
    found = metered({10, 50, 52, 53, 56, 100}, 200)
    assert found[:4] == pytest.approx((4 / 7, 2 / 193, 7, 96.5))
    assert (found.expected, found.missed) == (200, 6)


@pytest.mark.parametrize("seed", range(40))
def test_any_loss_is_measured_as_the_definition_counts_it(seed):
    chance = random.Random(seed)
    size = chance.randrange(30, 600)
    share = chance.choice((0.005, 0.03, 0.1, 0.5, 0.95))
    missed = {n for n in range(size) if chance.random() < share}
    gmin = chance.choice((1, 4, GMIN))
    found = metered(missed, size, first=65000, gmin=gmin)
    expected = counted(missed, size, gmin)
    # Where the first packets are lost, both sides may judge a lone first loss differently.
    assert found == pytest.approx(expected)


def test_a_step_of_exactly_gmin_ends_a_burst():
    assert metered({20, 20 + GMIN}, 100).burst_packets == GMIN + 1
    assert metered({20, 21 + GMIN}, 100).burst_packets == 0


def test_several_on_end_may_be_told_at_once():
    meter = BurstMeter()
    meter.begin(0)
    meter.lost(10, 5)
    meter.lost(17, 1)
    assert meter.update(99) == metered({10, 11, 12, 13, 14, 17}, 100)


def test_what_came_too_late_is_counted_once_and_as_discarded():
    meter = BurstMeter()
    meter.begin(0)
    meter.lost(10)
    meter.discarded(10)
    assert meter.update(99)[5:] == (100, 1, 1)
    meter.discarded(101)  # too many waited: it had not been lost before
    assert meter.update(199)[5:] == (200, 2, 2)


def test_random_loss_has_a_ratio_of_one_and_bursts_more():
    chance = random.Random(3)
    spread = {n for n in range(20000) if chance.random() < 0.05}
    assert metered(spread, 20000).burst_ratio == pytest.approx(1.0, abs=0.05)
    bursty = {n for n in range(20000) if n % 100 < 5}
    assert metered(bursty, 20000).burst_ratio == pytest.approx(4.75)


def test_another_stretch_adds_to_the_first():
    meter = BurstMeter()
    meter.begin(100)
    meter.lost(110)
    meter.lost(112)
    meter.update(199)
    meter.lost(40_000)  # the numbers began anew
    meter.lost(40_001)
    found = meter.update(40_049)
    assert (found.expected, found.missed) == (150, 4)
    assert found.burst_packets == 2.5


def test_the_number_expected_may_be_given_instead():
    meter = BurstMeter()
    meter.lost(50, 2)
    assert meter.measured(100)[:2] == (1.0, 0.0)
    assert meter.measured(100).gap_packets == 98
    assert meter.measured(0).expected == 2
