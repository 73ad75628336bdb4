"""Where tags, branches and Call-IDs come from."""

from __future__ import annotations

import random

from sipparty.sip.grammar import is_token
from sipparty.sip.tokens import BRANCH_COOKIE, Tokens


class Source:
    """Chance that a test foretells, and how often it was asked for."""

    def __init__(self, seed=1):
        self._random = random.Random(seed)
        self.asked = []

    def __call__(self, count):
        self.asked.append(count)
        return self._random.randbytes(count)


def test_the_same_chance_makes_the_same_tokens():
    one, other, third = Tokens(Source()), Tokens(Source()), Tokens(Source(2))
    made = [(t.tag(), t.branch(), t.call_id(), t.number(31)) for t in (one, other, third)]
    assert made[0] == made[1] != made[2]


def test_what_is_made_is_long_enough_and_may_stand_in_a_header():
    tokens = Tokens(Source())
    assert len(tokens.tag()) * 4 >= 32  # RFC 3261 §19.3
    branch = tokens.branch()
    assert branch.startswith(BRANCH_COOKIE)
    assert len(branch) - len(BRANCH_COOKIE) == 20
    assert all(is_token(made) for made in (tokens.tag(), branch, tokens.call_id()))


def test_nothing_comes_twice():
    source = Source()
    tokens = Tokens(source)
    made = [tokens.branch() for _ in range(2000)]
    assert len(set(made)) == len(made)
    # One read pays for many.
    assert len(source.asked) < 15
    assert set(source.asked) == {Tokens.POOL}


def test_numbers_have_so_many_bits():
    tokens = Tokens(Source())
    numbers = [tokens.number(31) for _ in range(500)]
    assert all(0 <= number < 1 << 31 for number in numbers)
    assert max(numbers) >= 1 << 30
    assert {tokens.number(1) for _ in range(50)} == {0, 1}


def test_a_forked_child_does_not_repeat_its_parent():
    source = Source()
    tokens = Tokens(source)
    tokens.tag()
    ahead = Tokens(Source())
    ahead.tag()
    tokens.forget()
    assert tokens.tag() != ahead.tag()
    assert len(source.asked) == 2


def test_any_number_of_digits_up_to_the_pool():
    tokens = Tokens(Source())
    tokens.tag()
    assert len(tokens.hexadecimal(2 * Tokens.POOL)) == 2 * Tokens.POOL
    assert tokens.hexadecimal(0) == ""
