"""When calls begin."""

from math import inf

import pytest

from sipparty.errors import UsageError
from sipparty.load import Pacing


class TestARate:
    def test_the_first_call_is_due_at_once_and_the_others_evenly(self):
        pacing = Pacing(10, calls=3)
        assert [pacing.due(at) for at in (0, 0.09, 0.1, 0.2, 5)] == [1, 1, 2, 3, 3]
        assert [pacing.when(number) for number in range(3)] == [0, 0.1, 0.2]

    def test_a_ramp_reaches_the_rate(self):
        pacing = Pacing(100, ramp=10)
        assert pacing.due(5) == 126  # a quarter of what the rate would have made in ten seconds
        assert pacing.due(10) == 501
        assert pacing.due(11) == 601

    @pytest.mark.parametrize("ramp", [0, 4])
    def test_when_is_the_inverse_of_due(self, ramp):
        pacing = Pacing(50, ramp=ramp)
        for number in range(1, 500, 7):
            at = pacing.when(number)
            assert pacing.due(at - 1e-6) == number
            assert pacing.due(at) == number + 1

    def test_it_ends_with_the_calls_or_the_time(self):
        assert Pacing(1, calls=5).is_over(5, 0)
        assert not Pacing(1, calls=5).is_over(4, 100)
        assert Pacing(1, duration=3).is_over(1, 3)
        assert not Pacing(1).is_over(10**6, 10**6)


def test_without_a_rate_all_are_due():
    assert Pacing(limit=5).due(0) == inf
    assert Pacing(limit=5, calls=7).due(0) == 7
    assert Pacing(limit=5).when(100) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_add_up(count):
    whole = Pacing(100, calls=20, limit=10)
    parts = [whole.share(index, count) for index in range(count)]
    assert sum(one.rate for one in parts) == pytest.approx(100)
    assert sum(one.calls for one in parts) == 20
    assert sum(one.limit for one in parts) == 10


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({}, UsageError, "rate, in calls a second, or a limit"),
        ({"rate": 0}, UsageError, "rate is above 0, not 0"),
        ({"rate": -1}, UsageError, "above 0"),
        ({"rate": inf}, UsageError, "above 0"),
        ({"rate": "10"}, TypeError, "rate is a number, not '10'"),
        ({"rate": 1, "calls": 2.5}, TypeError, "calls is a whole number"),
        ({"rate": 1, "calls": True}, TypeError, "whole number"),
        ({"rate": 1, "limit": 0}, UsageError, "limit is above 0"),
        ({"rate": 1, "ramp": -1}, UsageError, "ramp is 0 or more"),
        ({"limit": 1, "ramp": 5}, UsageError, "nothing to ramp up"),
    ],
)
def test_what_no_load_can_be_is_refused(values, error, words):
    with pytest.raises(error, match=words):
        Pacing(**values)
