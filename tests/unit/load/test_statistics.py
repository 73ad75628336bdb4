"""What a load counts: histograms, the course of time, totals."""

import pickle
import random

import pytest

from sipparty.load.statistics import MAX_REASONS, OTHER_REASONS, Course, Histogram, Statistics


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
            assert made.percentile(percent) == pytest.approx(exact, rel=1 / 64, abs=1e-6)

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


class TestCourse:
    def test_rows_are_seconds(self):
        course = Course()
        course.add(0.2, {"begun": 2})
        course.add(0.9, {"begun": 1})
        course.add(2.0, {"ended": 1})
        assert course.table() == [
            {"second": 0, "begun": 3},
            {"second": 1},
            {"second": 2, "ended": 1},
        ]

    def test_long_loads_have_wider_rows(self):
        course = Course()
        for second in range(10 * Course.MOST):
            course.add(float(second), {"begun": 1})
        assert len(course.rows) <= Course.MOST
        assert sum(row["begun"] for row in course.rows.values()) == 10 * Course.MOST
        short = Course()
        short.add(3.0, {"begun": 5})
        short.merge(course)
        assert short.width == course.width
        assert sum(row["begun"] for row in short.rows.values()) == 10 * Course.MOST + 5


class TestStatistics:
    def test_calls_add_up(self):
        one, two = Statistics(), Statistics()
        one.begun, one.succeeded, two.begun, two.lost = 5, 3, 4, 1
        one.fail("486 Busy Here")
        total = Statistics.total([one, two])
        assert (total.begun, total.ended, total.in_flight) == (9, 5, 4)

    def test_reasons_are_bounded(self):
        one, two = Statistics(), Statistics()
        for number in range(3 * MAX_REASONS):
            one.fail(f"reason {number}")
            two.fail(f"another {number}")
        total = Statistics.total([one, two])
        assert total.failed == sum(total.failures.values()) == 6 * MAX_REASONS
        assert len(total.failures) == MAX_REASONS + 1
        assert total.failures[OTHER_REASONS] > MAX_REASONS

    def test_goes_from_process_to_process(self):
        one = Statistics()
        one.step("answer").add(0.1)
        one.counts["sent"] += 2
        one.course.add(0.0, {"begun": 1})
        again = pickle.loads(pickle.dumps(one))
        assert again.steps["answer"].summary() == one.steps["answer"].summary()
        assert again.counts == one.counts
        assert again.course.table() == one.course.table()
