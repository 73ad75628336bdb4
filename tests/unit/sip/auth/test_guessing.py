"""How fast a password can be guessed at."""

import pytest

from sipparty.sip.auth.guessing import GuessLimit


@pytest.fixture
def limit():
    return GuessLimit(b"secret", 3, 10.0)


def test_some_at_once_then_one_at_a_time(limit):
    for _ in range(3):
        assert limit.wait("192.0.2.7", "alice", 100.0) == 0
        limit.count("192.0.2.7", "alice", 100.0)
    assert limit.wait("192.0.2.7", "alice", 100.0) == 10.0
    assert limit.wait("192.0.2.7", "alice", 104.0) == 6.0
    assert limit.wait("192.0.2.7", "alice", 110.0) == 0
    limit.count("192.0.2.7", "alice", 110.0)
    assert limit.wait("192.0.2.7", "alice", 110.0) == 10.0


def test_time_makes_up_for_it(limit):
    for _ in range(3):
        limit.count("192.0.2.7", "alice", 0.0)
    for _ in range(3):
        assert limit.wait("192.0.2.7", "alice", 1000.0) == 0
        limit.count("192.0.2.7", "alice", 1000.0)
    assert limit.wait("192.0.2.7", "alice", 1000.0) == 10.0


@pytest.mark.parametrize(
    ("source", "user", "same"),
    [
        ("192.0.2.7", "alice", True),
        ("192.0.2.7", "ALICE", True),
        ("192.0.2.7", "bob", False),
        ("192.0.2.8", "alice", False),
        ("192.0.2.7", "\udcff", False),
    ],
)
def test_it_is_by_source_and_user(limit, source, user, same):
    for _ in range(3):
        limit.count("192.0.2.7", "alice", 0.0)
    assert (limit.wait(source, user, 0.0) > 0) is same


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("2001:db8:0:1::2", True),
        ("2001:DB8::1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:2::1", False),
        ("fe80::1%eth0", False),
        ("not:an:address", False),
    ],
)
def test_a_host_has_a_network_of_ipv6(limit, source, same):
    for _ in range(3):
        limit.count("2001:db8:0:1::1", "alice", 0.0)
    assert (limit.wait(source, "alice", 0.0) > 0) is same
    for _ in range(3):
        limit.count(source, "alice", 0.0)
    assert limit.wait(source, "alice", 0.0) > 0


def test_those_counted_the_longest_ago_are_forgotten(limit):
    for table in (limit._until, limit._sources, limit._known):
        table.most = 3
    for user in ("one", "two", "one", "three", "one", "four"):
        for _ in range(3):
            limit.count("192.0.2.7", user, 0.0)
    waits = [limit.wait("192.0.2.7", user, 0.0) > 0 for user in ("one", "two", "three", "four")]
    assert waits == [True, False, True, True]
