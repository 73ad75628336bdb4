import pytest

from sipparty.errors import UsageError
from sipparty.media.dtmf.keys import KEYS, Press, plan


def test_a_text_of_keys_is_presses_and_pauses():
    assert plan("1,#", 0.1, 0.05, 1.5) == (
        Press("1", 0.1, 0.05),
        Press("", 1.5, 0.0),
        Press("#", 0.1, 0.05),
    )


def test_what_is_written_in_other_ways_is_the_same():
    assert [press.key for press in plan("abcdRrpP!")] == [*"ABCD!!", "", "", "!"]


def test_every_key_is_its_number():
    assert "".join(press.key for press in plan(KEYS)) == "0123456789*#ABCD!"
    assert (KEYS.index("*"), KEYS.index("#"), KEYS.index("A"), KEYS.index("!")) == (10, 11, 12, 16)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"keys": "12x"}, r"'x', at position 2 of '12x', is no key"),
        ({"keys": "1 2"}, r"' ', at position 1"),
        ({"keys": ""}, "1 to 1000 characters, not ''"),
        ({"keys": "1" * 1001}, "1 to 1000 characters"),
        ({"keys": 12}, "not 12"),
        ({"keys": "1", "duration": 0}, "duration=0 is no finite number of seconds above 0"),
        ({"keys": "1", "duration": 0.039}, "duration=0.039 is not from 0.04 to 60"),
        ({"keys": "1", "duration": 61}, "duration=61 is not from"),
        ({"keys": "1", "gap": 0.01}, "gap=0.01 is not from"),
        ({"keys": "1", "gap": "long"}, "gap='long' is no finite number"),
        ({"keys": "1", "pause": float("nan")}, "pause=nan is no finite number"),
    ],
)
def test_what_cannot_be_sent_is_named(given, words):
    with pytest.raises(UsageError, match=words):
        plan(**given)


def test_the_least_and_the_most_can_be_sent():
    assert len(plan("1" * 1000, 0.04, 0.04, 60)) == 1000
