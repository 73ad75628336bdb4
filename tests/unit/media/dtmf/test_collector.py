import pytest

from sipparty.errors import UsageError
from sipparty.media.dtmf.collector import MAX_KEPT, Collection, Collector

FOREVER = float("inf")


def collecting(now=0.0, clear=False, typed="", **options):
    collector, collection = Collector(), Collection(**options)
    for digit in typed:
        collector.take(digit, now)
    collector.begin(collection, now, clear)
    collection.start_timer(now)
    return collector, collection


def result(collection):
    return collection.digits, collection.ended_by, collection.reason


def test_so_many_digits_end_it():
    collector, collection = collecting(max=3)
    for now, digit in enumerate("12"):
        collector.take(digit, now)
    assert result(collection) == ("12", "", None)
    collector.take("3", 2.0)
    assert result(collection) == ("123", "", "max")
    assert (collection.due, collector.current) == (FOREVER, None)


def test_the_end_key_ends_it_and_is_not_part_of_it():
    collector, collection = collecting(max=9)
    for digit in "12#3":
        collector.take(digit, 1.0)
    assert result(collection) == ("12", "#", "end")
    assert list(collector.kept) == ["3"]


def test_there_may_be_several_end_keys_or_none():
    collector, collection = collecting(end="*#")
    collector.take("*", 0.0)
    assert result(collection) == ("", "*", "end")
    collector, collection = collecting(end="", max=3)
    for digit in "1#*":
        collector.take(digit, 0.0)
    assert result(collection) == ("1#*", "", "max")


def test_the_end_key_in_the_place_of_the_last_digit_ends_it():
    collector, collection = collecting(max=2)
    collector.take("1", 0.0)
    collector.take("#", 0.0)
    assert result(collection) == ("1", "#", "end")


def test_the_first_and_the_next_have_times_of_their_own():
    collector, collection = collecting(timeout=2.0, first_timeout=7.0)
    assert collection.due == 7.0
    collector.expire(6.9)
    assert collection.reason is None
    collector.take("1", 6.9)
    assert collection.due == 8.9
    collector.take("2", 8.0)
    assert collection.due == 10.0
    collector.expire(9.99)
    assert collection.reason is None
    collector.expire(10.0)
    assert result(collection) == ("12", "", "timeout")
    assert collector.current is None


def test_the_time_for_the_first_is_that_for_the_next_by_default():
    collector, collection = collecting(now=10.0, timeout=3.0)
    assert collection.due == 13.0
    collector.expire(13.0)
    assert result(collection) == ("", "", "timeout")


def test_without_its_time_it_waits():
    collector, collection = Collector(), Collection()
    collector.begin(collection, 0.0)
    collector.expire(1e9)
    assert collection.reason is None
    collection.start_timer(100.0)
    assert collection.due == 105.0


def test_the_time_for_the_first_does_not_begin_after_it():
    collector, collection = Collector(), Collection(timeout=2.0, first_timeout=9.0)
    collector.begin(collection, 0.0)
    collector.take("1", 1.0)
    collection.start_timer(1.5)
    assert collection.due == 3.0
    collection.finish("hangup")
    collection.start_timer(2.0)
    assert (collection.due, collection.reason) == (FOREVER, "hangup")


def test_what_was_typed_before_comes_first():
    collector, collection = collecting(typed="12", max=3)
    assert collection.digits == "12"
    collector.take("3", 1.0)
    assert result(collection) == ("123", "", "max")


def test_what_was_typed_beyond_is_kept():
    collector, collection = collecting(typed="1#34", max=3)
    assert result(collection) == ("1", "#", "end")
    second = Collection(max=2)
    collector.begin(second, 0.0)
    assert result(second) == ("34", "", "max")
    assert not collector.kept


def test_what_was_typed_may_be_cleared():
    collector, collection = collecting(typed="12", clear=True)
    assert collection.digits == ""
    assert not collector.kept


def test_only_the_latest_are_kept():
    collector = Collector()
    for n in range(MAX_KEPT + 3):
        collector.take(str(n % 10), 0.0)
    assert len(collector.kept) == MAX_KEPT
    assert collector.kept[0] == "3"
    assert collector.dropped == 3


def test_a_flash_is_no_digit():
    collector, collection = collecting(typed="!")
    collector.take("!", 0.0)
    assert (collection.digits, list(collector.kept)) == ("", [])


def test_another_takes_its_place():
    collector, first = collecting()
    collector.take("1", 0.0)
    second = Collection()
    collector.begin(second, 1.0)
    assert result(first) == ("1", "", "replaced")
    collector.take("2", 1.0)
    assert (first.digits, second.digits) == ("1", "2")


@pytest.mark.parametrize("reason", ["hangup", "cancelled"])
def test_it_may_be_ended(reason):
    collector, collection = collecting()
    collector.take("1", 0.0)
    collector.finish(reason)
    collector.finish("hangup")
    assert result(collection) == ("1", "", reason)
    collector.take("2", 0.0)
    assert list(collector.kept) == ["2"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max": 0}, "max=0 is no number of digits from 1 to 1000"),
        ({"max": 1001}, "max=1001"),
        ({"max": "4"}, "max='4'"),
        ({"max": True}, "max=True"),
        ({"end": "x"}, "end='x' is no text of keys"),
        ({"end": "!"}, "end='!' is no text of keys"),
        ({"end": None}, "end=None is no text of keys"),
        ({"timeout": 0}, "timeout=0 is no finite number of seconds above 0"),
        ({"first_timeout": -1}, "first_timeout=-1 is no finite"),
    ],
)
def test_what_cannot_be_collected_is_named(given, words):
    with pytest.raises(UsageError, match=words):
        Collection(**given)


def test_any_number_is_1000():
    collector, collection = collecting(end="")
    for _ in range(1000):
        collector.take("1", 0.0)
    assert collection.reason == "max"
