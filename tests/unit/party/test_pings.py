"""Parties that ping others (RFC 3261 §11)."""

import asyncio

import pytest

from sipparty import CallFailed, ParseError, TargetDown, TargetUp, UsageError
from sipparty.sip.ping import PingEnded

from ...conftest import LOOPBACK, PATIENCE


def test_a_party_that_listens_is_up(alice, bob, events):
    happened = events(alice, TargetUp, TargetDown)
    ping = alice.ping(bob)
    assert ping.wait(PATIENCE).state == "Up"
    assert happened.next().ping is ping
    assert 0.0 <= ping.round_trip < PATIENCE
    assert (ping.sent, ping.received, ping.loss) == (1, 1, 0.0)
    assert ping.stop().state == "Terminated"


def test_events_of_one_ping(alice, bob):
    ping = alice.ping(bob).wait(PATIENCE)
    with ping.events() as stream:
        alice.close()
        assert [type(event) for event in stream] == [PingEnded]
    assert ping.state == "Terminated"


def test_nobody_is_there(alice, peer):
    ping = alice.ping(f"sip:nobody@{LOOPBACK}:{peer.port}", timeout=0.05)
    with pytest.raises(CallFailed, match="did not answer within"):
        ping.wait(PATIENCE)
    ping.stop()


def test_awaited(alice, bob):
    async def ask():
        return (await alice.ping(bob)).state

    assert asyncio.run(ask()) == "Up"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"period": 0}, UsageError, "period is a number above 0: not 0"),
        ({"timeout": "soon"}, UsageError, "timeout"),
        ({"misses": -1}, UsageError, "misses"),
        ({"proxy": "a b"}, ParseError, "a b"),
    ],
)
def test_mistakes_are_answered_at_once(alice, bob, options, error, words):
    with pytest.raises(error, match=words):
        alice.ping("sip:bob@biloxi.com", **options)
