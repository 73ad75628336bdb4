"""What must hold of a load."""

import pytest

from sipparty.errors import UsageError
from sipparty.load import Statistics
from sipparty.load.thresholds import Threshold


@pytest.fixture
def statistics():
    made = Statistics()
    made.begun, made.succeeded = 200, 198
    made.fail("486 Busy Here")
    made.fail("486 Busy Here")
    for number in range(100):
        made.step("hang up").add(0.001 * (number + 1))
    made.step("answer").failed = 200
    made.counts["retransmitted"] = 3
    return made


@pytest.mark.parametrize(
    ("text", "passed", "value"),
    [
        ("failed == 2", True, "2"),
        ("failed < 1%", False, "1 %"),
        ("failed<=1%", True, "1 %"),
        ("succeeded >= 99 %", True, "99 %"),
        ("lost == 0", True, "0"),
        ("rate > 900", True, "950"),
        ("retransmitted != 3", False, "3"),
        ("hang up.p95 < 100ms", True, "95.7 ms"),
        ("hang up.p99.9 < 0.05s", False, "100 ms"),
        ("hang up.max <= 0.1", True, "100 ms"),
        ("hang up.mean < 51 ms", True, "50.5 ms"),
        ("hang up.count == 100", True, "100"),
        ("answer.count == 0", True, "0"),
        ("answer.failed > 199", True, "200"),
    ],
)
def test_is_judged(statistics, text, passed, value):
    verdict = Threshold.parse(text).judge(statistics, 950.0)
    assert (verdict.threshold, verdict.passed, verdict.text) == (text, passed, value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hangup.p95 < 1s", "no call took a step 'hangup'; did you mean 'hang up'?"),
        ("answer.p95 < 1s", "no call came to the end of the step 'answer'"),
        ("answer.min < 1s", "no call came to the end of the step 'answer'"),
        ("retransmited == 0", "nothing is counted as 'retransmited'; did you mean 'retransmitted'"),
    ],
)
def test_of_what_was_not_counted_it_does_not_hold(statistics, text, words):
    verdict = Threshold.parse(text).judge(statistics, 950.0)
    assert not verdict.passed
    assert verdict.value is None
    assert words in verdict.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no threshold"),
        ("failed", "is no threshold: expected a name, a comparison and a number"),
        ("failed = 0", "is no threshold"),
        ("failed < many", "is no threshold"),
        ("rate > 10%", "% is of calls"),
        ("failed < 10ms", "a duration is that of a step"),
    ],
)
def test_what_is_none_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        Threshold.parse(text)
