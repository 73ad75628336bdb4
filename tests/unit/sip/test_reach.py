import pytest

from sipparty.sip.reach import Scope, is_within_reach, scope_of


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("127.0.0.1", Scope.HOST),
        ("127.9.9.9", Scope.HOST),
        ("::1", Scope.HOST),
        ("::ffff:127.0.0.1", Scope.HOST),
        ("169.254.169.254", Scope.LINK),
        ("fe80::1", Scope.LINK),
        ("fe80::1%eth0", Scope.LINK),
        ("10.1.2.3", Scope.PRIVATE),
        ("192.168.1.1", Scope.PRIVATE),
        ("::ffff:10.1.2.3", Scope.PRIVATE),
        ("100.64.0.1", Scope.PRIVATE),
        ("fd00::1", Scope.PRIVATE),
        ("8.8.8.8", Scope.INTERNET),
        ("2600::1", Scope.INTERNET),
        ("0.0.0.0", Scope.NOWHERE),
        ("0.1.2.3", Scope.NOWHERE),
        ("::", Scope.NOWHERE),
        ("::ffff:0.0.0.0", Scope.NOWHERE),
        ("255.255.255.255", Scope.NOWHERE),
        ("240.0.0.1", Scope.NOWHERE),
        ("239.1.1.1", Scope.NOWHERE),
        ("ff02::1", Scope.NOWHERE),
        ("10.23184", Scope.NOWHERE),
        ("example.com", Scope.NOWHERE),
        ("", Scope.NOWHERE),
    ],
)
def test_how_far_away_an_address_is(host, scope):
    assert scope_of(host) is scope


NEAR_TO_FAR = ("127.0.0.1", "169.254.1.1", "10.0.0.1", "8.8.8.8")


@pytest.mark.parametrize("peer", NEAR_TO_FAR)
@pytest.mark.parametrize("target", ["127.0.0.2", "169.254.1.2", "192.168.0.1", "9.9.9.9"])
def test_what_is_as_far_away_as_the_peer_is_within_its_reach(target, peer):
    assert is_within_reach(target, peer) == (scope_of(target) >= scope_of(peer))


@pytest.mark.parametrize("peer", NEAR_TO_FAR)
def test_a_peer_is_within_its_own_reach(peer):
    assert is_within_reach(peer, peer)


@pytest.mark.parametrize("target", ["255.255.255.255", "239.1.1.1", "0.0.0.0", "x"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "8.8.8.8"])
def test_what_no_request_can_go_to_is_within_nobodys(target, peer):
    assert not is_within_reach(target, peer)
    assert not is_within_reach(target, target)


def test_who_comes_from_nowhere_reaches_nothing():
    assert not is_within_reach("8.8.8.8", "0.0.0.0")
