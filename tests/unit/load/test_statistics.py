"""What a load counts: histograms, the course of time, totals."""

import pickle
import random
from itertools import pairwise

import pytest

from sipparty.load import Histogram, Statistics
from sipparty.load.course import Course
from sipparty.load.histogram import duration
from sipparty.load.statistics import MAX_REASONS, OTHER_REASONS


def histogram(durations):
    made = Histogram()
    for one in durations:
        made.add(one)
    return made


class TestHistogram:
    def test_percentiles_are_exact_to_one_part_in_64(self):
        chance = random.Random(1)
        durations = sorted(chance.lognormvariate(-5, 2) for _ in range(5000))
        made = histogram(durations)
        for percent in (1, 10, 50, 90, 95, 99, 99.9):
            exact = durations[round(5000 * percent / 100) - 1]
            assert exact <= made.percentile(percent) <= exact * (1 + 1 / 64) + 1e-6

    def test_sum_and_extremes_are_exact(self):
        made = histogram([0.5, 0.25, 1.25])
        assert (made.count, made.total, made.least, made.most) == (3, 2.0, 0.25, 1.25)
        assert made.mean == pytest.approx(2 / 3)
        assert made.deviation == pytest.approx(0.4249, abs=1e-4)
        assert made.percentile(0) == 0.25
        assert made.percentile(100) == 1.25

    def test_of_nothing_all_is_zero(self):
        summary = Histogram().summary()
        assert set(summary.values()) == {0}
        assert Histogram().percentile(99) == 0.0

    def test_a_clock_that_goes_back_counts_as_no_time(self):
        assert histogram([-1.0]).most == 0.0

    @pytest.mark.parametrize("percent", [-1, 101])
    def test_what_is_no_percentile_is_refused(self, percent):
        with pytest.raises(ValueError, match="from 0 to 100"):
            Histogram().percentile(percent)

    def test_added_up_it_is_what_one_would_have_counted(self):
        chance = random.Random(2)
        durations = [chance.random() for _ in range(300)]
        whole = histogram(durations)
        parts = histogram(durations[:100]).merge(histogram(durations[100:]))
        assert parts.summary() == pytest.approx(whole.summary())

    def test_parts_between_bounds(self):
        made = histogram([0.005, 0.015, 0.05, 3.0])
        assert made.parts([0.01, 0.1, 1.0]) == [1, 2, 0, 1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 ms"), (0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1 s")),
        *((1, "1 s"), (12.34, "12.3 s"), (999.4, "999 s"), (999.6, "1000 s"), (4321, "4321 s")),
    ],
)
def test_a_duration_for_people(seconds, text):
    assert duration(seconds) == text


class TestCourse:
    def counted(self, calls):
        made = Statistics()
        made.begun = made.succeeded = calls
        for number in range(calls):
            made.step("answer").add(0.1 if number < 100 else 0.2)
        return made

    def test_rows_say_what_had_been_counted_and_how_long_steps_took_since(self):
        course = Course()
        course.sample(1.0, self.counted(100))
        course.sample(2.0, self.counted(150))
        course.sample(3.0, self.counted(150))
        one, two, three = course.rows
        assert (one["second"], one["begun"], two["begun"]) == (1.0, 100, 150)
        assert one["steps"]["answer"]["p50"] == pytest.approx(0.1, rel=1 / 64)
        assert two["steps"]["answer"]["p50"] == pytest.approx(0.2, rel=1 / 64)
        assert three["steps"] == {}

    def test_rows_of_long_loads_are_further_apart(self):
        course = Course()
        for second in range(1, 5 * Course.MOST):
            made = Statistics()
            made.begun = second
            course.sample(float(second), made)
        assert Course.MOST / 2 <= len(course.rows) <= Course.MOST
        assert all(row["begun"] == row["second"] for row in course.rows)
        steps = {b["second"] - a["second"] for a, b in pairwise(course.rows)}
        assert steps == {8}


class TestStatistics:
    def test_calls_add_up(self):
        one, two = Statistics(), Statistics()
        one.begun, one.succeeded, two.begun, two.lost = 5, 3, 4, 1
        one.fail("486 Busy Here")
        for each in (one, two):
            each.counts["sent"] += 2
            each.step("answer").add(0.1)
        total = Statistics.total([one, two])
        assert (total.begun, total.ended, total.in_flight) == (9, 5, 4)
        assert total.counts == {"sent": 4}
        assert total.steps["answer"].count == 2

    def test_reasons_are_bounded(self):
        one, two = Statistics(), Statistics()
        for number in range(3 * MAX_REASONS):
            one.fail(f"reason {number}")
            two.fail(f"another {number}")
        assert len(one.failures) == MAX_REASONS + 1
        one.fail("reason 0")
        two.fail("another 0")
        assert one.failures["reason 0"] == 2
        total = Statistics.total([one, two])
        assert total.failed == sum(total.failures.values()) == 6 * MAX_REASONS + 2
        assert len(total.failures) == MAX_REASONS + 1
        assert total.failures[OTHER_REASONS] > MAX_REASONS

    def test_goes_from_process_to_process(self):
        one = Statistics()
        one.step("answer").add(0.1)
        one.counts["sent"] += 2
        again = pickle.loads(pickle.dumps(one))
        assert again.steps["answer"].summary() == one.steps["answer"].summary()
        assert again.counts == one.counts
