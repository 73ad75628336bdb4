"""Networks that lose, delay, reorder and duplicate packets, that fall apart and heal, or do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Timing
from sipparty.sip.events import CallReceived

from ..interop.peer import wait_for
from .defender import PATIENCE, Clock
from .network import Cable, Fate, Space, Spaces, join

#: Networks are small here, and tests are in a hurry.
TIMING = Timing(t1=0.1, t2=0.4, t4=0.5)

OVER = ("udp", "tcp")


class End:
    """A party in a space of its own.

    Args:
        space: The space.
        party: The party; its engine is in the space.
    """

    def __init__(self, space: Space, party: Any) -> None:
        self.space = space
        self.party = party
        self.engine: Engine = party.engine
        self.clock = Clock(self.engine)

    def sent(self) -> int:
        """How many messages it sent."""
        return self.engine.run(self.engine.core.counts)["sent"]

    def is_idle(self) -> bool:
        """Whether nothing of SIP is left, once time has gone by."""
        self.clock.advance(40)
        return self.engine.run(self.engine.core.idle)


@pytest.fixture
def spaces() -> Iterator[Spaces]:
    """Makes network namespaces."""
    made = Spaces()
    yield made
    made.close()


@pytest.fixture
def ends(spaces: Spaces, make_party: Any) -> Iterator[Callable[..., tuple[End, End]]]:
    """Make alice and bob, who listen in spaces of their own: `alice, bob = ends(link, "tcp")`."""
    engines: list[Engine] = []

    def make(link: Callable[[Space, Space], None], transport: str = "udp") -> tuple[End, End]:
        places = [spaces.make(f"10.77.0.{number}") for number in (1, 2)]
        link(*places)
        made = []
        for name, place in zip(("alice", "bob"), places, strict=True):
            engines.append(place.take(Engine(timing=TIMING)))
            party = make_party(
                f"{name}@{place.address}", NoMediaSimpleCallsParty, engine=engines[-1]
            )
            party.listen(5060, address=place.address, transport=transport)
            made.append(End(place, party))
        return made[0], made[1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def cable() -> Iterator[Callable[[Fate], Callable[[Space, Space], None]]]:
    """Join spaces by a cable with a fate."""
    made: list[Cable] = []

    def join_by(fate: Fate) -> Callable[[Space, Space], None]:
        return lambda one, other: made.append(Cable(one, other, fate))

    yield join_by
    for one in made:
        one.close()


def call(alice: End, bob: End) -> Any:
    """Return a call that is up."""
    made = alice.party.invite(bob.party)
    assert made.wait(PATIENCE).state == "InDialog"
    return made


def a_good_call(alice: End, bob: End) -> None:
    """Call, and hang up."""
    assert call(alice, bob).terminate().wait(PATIENCE).state == "Terminated"


def nothing_is_left(*ends: End) -> None:
    """See that nothing is, on any side, once time has gone by."""
    for end in ends:
        wait_for(
            end.is_idle, "nothing is left", PATIENCE, lambda end=end: str(end.engine.core.counts())
        )


# -------------------------------------------------------------------- loss, delay, order


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_every_third_packet_is_lost(ends: Any, lost: int) -> None:
    alice, bob = ends(join)
    for end in (alice, bob):
        # In turn, not by chance: the test is the same one each time.
        end.space.drop(f"meta l4proto udp numgen inc mod 3 {lost}")
    for _ in range(4):
        a_good_call(alice, bob)
    alice.space.heal()
    bob.space.heal()
    nothing_is_left(alice, bob)


def test_tcp_makes_up_for_loss(ends: Any) -> None:
    alice, bob = ends(join, "tcp")
    for end in (alice, bob):
        end.space.drop("meta l4proto tcp numgen inc mod 5 4")
    for _ in range(3):
        a_good_call(alice, bob)
    nothing_is_left(alice, bob)


def _late(number: int) -> tuple[float, ...]:
    return (0.15,)


def _disorder(number: int) -> tuple[float, ...]:
    """Every second one is overtaken by the next few."""
    return (0.03,) if number % 2 else (0.0,)


def _twice(number: int) -> tuple[float, ...]:
    return (0.0, 0.02)


def _weather(number: int) -> tuple[float, ...]:
    """All of it, by a chance that is the same each time."""
    chance = random.Random(number)
    if chance.random() < 0.2:
        return ()
    return tuple(chance.uniform(0, 0.08) for _ in range(chance.choice((1, 1, 2))))


@pytest.mark.parametrize("transport", OVER)
@pytest.mark.parametrize("fate", [_late, _disorder, _twice, _weather])
def test_packets_are_late_or_overtaken_or_come_twice(
    ends: Any, cable: Any, transport: str, fate: Fate
) -> None:
    """Six calls at a time, in both directions: each is one call, on both sides."""
    alice, bob = ends(cable(fate), transport)
    calls = [alice.party.invite(bob.party) for _ in range(3)]
    calls += [bob.party.invite(alice.party) for _ in range(3)]
    for made in calls:
        assert made.wait(PATIENCE).state == "InDialog"
    for end in (alice, bob):
        assert len(end.party.calls) == 6
    for made in calls:
        made.terminate()
    for made in calls:
        assert made.wait(PATIENCE).state == "Terminated"
    nothing_is_left(alice, bob)


# -------------------------------------------------------------------- partitions


@pytest.mark.parametrize("transport", OVER)
def test_a_partition_that_heals(ends: Any, transport: str) -> None:
    """A call that begins, and one that ends, while nothing gets through: both go on after it."""
    alice, bob = ends(join, transport)
    up = call(alice, bob)
    bob.space.drop()
    before = alice.sent()
    up.terminate()
    begins = alice.party.invite(bob.party)
    more = 4 if transport == "udp" else 2
    wait_for(lambda: alice.sent() >= before + more, "they were sent", PATIENCE)
    assert begins.state == "InitiatingDialog"
    assert up.state != "Terminated"
    bob.space.heal()
    assert up.wait(PATIENCE).state == "Terminated"
    assert begins.wait(PATIENCE).state == "InDialog"
    assert begins.terminate().wait(PATIENCE).state == "Terminated"
    nothing_is_left(alice, bob)


@pytest.mark.parametrize("transport", OVER)
def test_a_partition_that_does_not_heal(ends: Any, events: Any, transport: str) -> None:
    """Who calls hears that nobody answered; who hangs up is free on either side."""
    alice, bob = ends(join, transport)
    happened = events(bob.party, CallReceived)
    bob.party.configure(auto_answer=True)
    up = call(alice, bob)
    other = happened.next().call
    for end in (alice, bob):
        end.space.drop()
    lost = alice.party.invite(bob.party)
    wait_for(lambda: alice.sent() >= 3, "it was sent", PATIENCE)
    up.terminate()
    other.terminate()
    for end in (alice, bob):
        wait_for(end.is_idle, "everything ended", PATIENCE)
    with pytest.raises(CallTimedOut, match="did not answer"):
        lost.wait(PATIENCE)
    for side in (up, other):
        assert side.state in ("Terminated", "Error")
    for end in (alice, bob):
        end.space.heal()
    if transport == "udp":
        a_good_call(alice, bob)
        a_good_call(bob, alice)
    nothing_is_left(alice, bob)


def test_answers_do_not_get_through(ends: Any, events: Any) -> None:
    """The one side never hears of the call that the other one has: both give it up."""
    alice, bob = ends(join)
    happened = events(bob.party, CallReceived)
    bob.party.configure(auto_answer=True)
    alice.space.drop("meta l4proto udp")
    lost = alice.party.invite(bob.party)
    other = happened.next().call
    wait_for(lambda: bob.sent() >= 4, "answers were sent", PATIENCE)
    wait_for(bob.is_idle, "bob gave it up", PATIENCE)
    assert other.state in ("Terminated", "Error")
    wait_for(alice.is_idle, "alice gave it up", PATIENCE)
    with pytest.raises(CallTimedOut):
        lost.wait(PATIENCE)
    alice.space.heal()
    a_good_call(alice, bob)
    nothing_is_left(alice, bob)


# -------------------------------------------------------------------- a link that goes away


@pytest.mark.parametrize("transport", OVER)
def test_a_link_that_goes_away_in_a_call(ends: Any, transport: str) -> None:
    """Hanging up ends it all the same; a new call says why there is none, and once the link is
    back, calls are.
    """
    alice, bob = ends(join, transport)
    up = call(alice, bob)
    alice.space.run("ip", "link", "set", "wire", "down")
    up.terminate()
    wait_for(alice.is_idle, "alice gave it up", PATIENCE)
    assert up.state in ("Terminated", "Error")
    lost = alice.party.invite(f"sip:bob@{bob.space.address};transport={transport}")
    wait_for(alice.is_idle, "alice gave that up too", PATIENCE)
    with pytest.raises(CallUnreachable, match="network is unreachable"):
        lost.wait(PATIENCE)
    alice.space.run("ip", "link", "set", "wire", "up")
    wait_for(lambda: _gets_through(alice, bob), "calls go through again", PATIENCE)
    for side in bob.party.calls:
        side.terminate()
    nothing_is_left(alice, bob)


def _gets_through(alice: End, bob: End) -> bool:
    made = alice.party.invite(bob.party)
    try:
        made.wait(PATIENCE)
    except CallFailed:
        return False
    return bool(made.terminate().wait(PATIENCE).state == "Terminated")


@pytest.mark.parametrize("transport", OVER)
def test_a_link_that_is_gone_for_a_moment(ends: Any, transport: str) -> None:
    """A call that is up does not mind."""
    alice, bob = ends(join, transport)
    up = call(alice, bob)
    for _ in range(3):
        alice.space.run("ip", "link", "set", "wire", "down")
        alice.space.run("ip", "link", "set", "wire", "up")
    assert up.state == "InDialog"
    assert up.terminate().wait(PATIENCE).state == "Terminated"
    nothing_is_left(alice, bob)
