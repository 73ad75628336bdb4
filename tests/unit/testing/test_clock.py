import math

import pytest

from sipparty.testing import SequentialTokens, VirtualClock, seeded_tokens


def test_the_clock_moves_when_told():
    clock = VirtualClock(10)
    assert clock.now == clock() == 10.0
    assert clock.advance(2.5) == 12.5
    assert clock.advance_to(20.0) == 20.0
    assert clock.advance(0) == 20.0
    assert repr(clock) == "<VirtualClock at 20>"


@pytest.mark.parametrize("seconds", [-0.001, math.inf, math.nan])
def test_the_clock_does_not_go_back_or_to_no_time(seconds):
    clock = VirtualClock(1.0)
    with pytest.raises(ValueError, match=r"stands at 1\.0"):
        clock.advance(seconds)
    assert clock.now == 1.0


def test_the_clock_cannot_be_set():
    with pytest.raises(AttributeError):
        VirtualClock().now = 5.0


def test_tokens_count():
    tokens = SequentialTokens()
    assert tokens.tag() == "0000000000000001"
    assert tokens.branch() == "z9hG4bK00000000000000000002"
    assert tokens.call_id() == "3".zfill(32)
    assert tokens.number(31) == 4
    tokens.forget()
    assert tokens.hexadecimal(4) == "0005"


def test_tokens_have_a_prefix():
    tokens = SequentialTokens("ab")
    assert tokens.tag() == "ab00000000000001"
    assert tokens.number(31) == 2
    assert tokens.hexadecimal(8) == "ab000003"


@pytest.mark.parametrize("digits", range(1, 12))
def test_tokens_have_the_length_that_was_asked_for(digits):
    tokens = SequentialTokens("abcd")
    assert {len(tokens.hexadecimal(digits)) for _ in range(300)} == {digits}


@pytest.mark.parametrize("prefix", ["xyz", "AB", "12345", "é"])
def test_a_prefix_is_hexadecimal_and_short(prefix):
    with pytest.raises(ValueError, match="not a prefix"):
        SequentialTokens(prefix)


def test_seeded_tokens_repeat_with_their_seed():
    def some(seed):
        tokens = seeded_tokens(seed)
        return [tokens.tag() for _ in range(500)]

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert len(set(some(1))) == 500
