from math import inf

import pytest

from sipparty.media.playout.delay import BATCH, PlayoutDelay, alike_enough


def delay(**options):
    return PlayoutDelay(
        **{"min_delay": 0.04, "max_delay": 0.3, "longest": 0.4, "slack": 0.025, **options}
    )


def fill(it, transits):
    for each in transits:
        it.transits.append(each)
        if len(it.transits) >= it.batch:
            it.review()


def test_nothing_is_known_at_first():
    it = delay()
    assert (it.low, it.high, it.floor, it.target) == (-inf, inf, None, 0.04)
    it.review()
    assert it.floor is None


def test_an_even_network_needs_the_least_delay():
    it = delay()
    fill(it, [7.0] * 100)
    assert it.floor == 7.0
    assert it.low == pytest.approx(7.01)
    assert it.goal == pytest.approx(7.04)
    assert it.high == pytest.approx(7.065)
    assert it.target == 0.04


def test_it_is_reviewed_more_seldom_as_more_is_known():
    it = delay()
    sizes = []
    for _ in range(300):
        it.transits.append(0.0)
        if len(it.transits) >= it.batch:
            sizes.append(len(it.transits))
            it.review()
    assert sizes[:5] == [4, 8, 16, 32, 32]
    assert max(sizes) == BATCH


def test_nearly_all_packets_are_to_come_in_time():
    it = delay()
    fill(it, [n % 100 / 1000 for n in range(800)])
    assert it.low == pytest.approx(0.098 + 0.01, abs=0.0015)
    assert it.target == pytest.approx(it.low)


def test_a_single_late_packet_is_given_up():
    it = delay()
    fill(it, [0.0] * 200 + [0.25] + [0.0] * 200)
    assert it.target == 0.04


def test_only_what_came_lately_counts():
    it = delay()
    fill(it, [0.0, 0.2] * 100)
    assert it.target > 0.2
    fill(it, [0.0] * 13 * BATCH)
    assert it.target == 0.04


def test_the_delay_is_bounded():
    it = delay()
    fill(it, [0.0, 5.0] * 100)
    assert it.target == 0.3


def test_where_packets_are_lost_one_more_is_waited_for():
    it = delay()
    it.step = 0.06
    it.losses = 3
    fill(it, [0.0] * 200)
    assert it.target == pytest.approx(0.07)
    fill(it, [0.0] * 13 * BATCH)  # long ago
    assert it.target == 0.04
    it.losses = 1
    fill(it, [0.0] * 400)
    assert it.target == 0.04


def test_playing_begins_when_the_first_has_waited():
    it = delay()
    assert not it.waited(5.039, [5.0])
    assert it.waited(5.04, [5.0])
    # What came faster says that the first was late itself.
    assert it.waited(5.03, [5.0, 4.99])


def test_what_was_known_before_a_pause_counts_after_it():
    it = delay()
    fill(it, [5.0] * 40)
    assert it.waited(5.04, [5.03])  # it was late: it waits less
    assert not it.waited(5.03, [5.03])
    assert not it.waited(6.03, [6.0])  # the times began anew
    assert it.floor is None


def test_how_wrong_a_delay_is():
    it = delay()
    fill(it, [0.0] * 40)
    assert it.wrong(0.005, 1.0, 0.02) == pytest.approx(-0.005)
    assert it.wrong(0.01, 1.0, 0.02) == 0
    assert it.wrong(0.065, 1.0, 0.02) == 0
    late = [it.wrong(0.075, 1.02 + n * 0.02, 0.02) for n in range(4)]
    assert late == pytest.approx([0, 0, 0.01, 0.01])


def test_frames_made_up_at_one_moment_are_no_waste():
    it = delay()
    fill(it, [0.0] * 40)
    assert [it.wrong(0.2, 1.0, 0.02) for _ in range(6)] == [0] * 6


def test_waste_that_was_interrupted_counts_anew():
    it = delay()
    fill(it, [0.0] * 40)
    times = [1.0, 1.02, 2.0, 2.02, 3.0, 3.02, 3.04]
    assert [it.wrong(0.2, now, 0.02) > 0 for now in times] == [False] * 6 + [True]


def test_the_last_transit_time_is_known():
    it = delay()
    assert it.last == 0.0
    it.transits.append(3.0)
    assert it.last == 3.0
    it.review()
    assert it.last == 3.0


def test_the_more_wrong_the_less_alike():
    assert alike_enough(0.01) == alike_enough(-0.01) == 0.8
    assert alike_enough(0.05) == alike_enough(-0.05) == 0.4
