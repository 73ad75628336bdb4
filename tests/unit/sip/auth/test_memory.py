"""What a client remembers of nonces: found by scope, and bounded."""

import pytest

from sipparty.sip.auth.memory import Sessions

A, B = (False, "a"), (True, "a")


@pytest.fixture
def sessions():
    return Sessions(3)


def test_a_scope_has_its_places_in_order(sessions):
    sessions.add("call", A, ["first"])
    sessions.add("call", B, ["second"])
    assert sessions.of("call") == [(A, ["first"]), (B, ["second"])]
    sessions.add("call", A, ["again"])
    assert sessions.of("call") == [(B, ["second"]), (A, ["again"])]
    assert sessions.of("other") == []
    assert len(sessions) == 2


def test_only_the_scope_is_looked_at():
    """However many there are: each request asks."""

    class Scope:
        compared = 0

        def __init__(self, name):
            self.name = name

        def __hash__(self):
            return hash(self.name)

        def __eq__(self, other):
            Scope.compared += 1
            return self.name == other.name

    many = Sessions(2000)
    for number in range(1000):
        many.add(Scope(number), A, [number])
    Scope.compared = 0
    assert many.of(Scope(500)) == [(A, [500])]
    assert Scope.compared < 10


def test_the_scope_unused_the_longest_is_forgotten(sessions):
    for name in ("one", "two", "three"):
        sessions.add(name, A, [name])
    sessions.add("one", A, ["again"])
    sessions.add("four", A, ["four"])
    assert [name for name in ("one", "two", "three", "four") if sessions.of(name)] == [
        "one",
        "three",
        "four",
    ]
    assert len(sessions) == 3


def test_one_scope_is_bounded_too(sessions):
    for number in range(10):
        sessions.add("call", (False, str(number)), [number])
    assert [place for place, _ in sessions.of("call")] == [
        (False, "7"),
        (False, "8"),
        (False, "9"),
    ]
    assert len(sessions) == 3


def test_what_is_dropped_and_forgotten(sessions):
    group = ["group"]
    sessions.add("call", A, group)
    sessions.drop("call", A, ["another"])
    assert sessions.of("call")
    sessions.drop("call", B)
    sessions.drop("other", A)
    sessions.drop("call", A, group)
    assert sessions.of("call") == []
    assert len(sessions) == 0
    sessions.add("call", A, group)
    sessions.add("call", B, group)
    sessions.forget("call")
    sessions.forget("call")
    assert len(sessions) == 0
    for number in range(4):
        sessions.add(number, A, group)
    assert len(sessions) == 3
