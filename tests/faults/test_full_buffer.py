"""A UDP socket that takes no more, because its link is slow: what does not fit waits in line, in
order, as much of it as the endpoint keeps; the rest is what SIP sends again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.transport.udp import UDPEndpoint

from ..interop.peer import wait_for
from .defender import PATIENCE
from .network import Space, Spaces, join
from .raw import request

#: What an interface lets through: next to nothing, and more than there will ever be. What waits in
#: it is in the socket's account meanwhile.
SLOW = ("tbf", "rate", "8kbit", "burst", "2000", "limit", "100000000")
FAST = ("tbf", "rate", "1gbit", "burst", "1000000", "limit", "100000000")


class Slow:
    """Bob, whose answers go out slowly, and a socket where they arrive.

    Args:
        bob: The party.
        space: Its space.
        sock: The socket, in another space.
    """

    def __init__(self, bob: Any, space: Space, sock: socket.socket) -> None:
        self.bob = bob
        self.sock = sock
        self._space = space

    def ask(self, numbers: range) -> None:
        """Send requests, and see them taken."""
        own = "{}:{}".format(*self.sock.getsockname())
        before = self.received()
        for number in numbers:
            self.sock.send(request("OPTIONS", number=number, via=own))
        wait_for(
            lambda: self.received() >= before + len(numbers), "the requests were read", PATIENCE
        )

    def received(self) -> int:
        """How many messages bob got."""
        core = self.bob.engine.core
        return int(self.bob.engine.run(core.counts)["received"])

    def waiting(self) -> int:
        """How many datagrams wait for the socket."""
        return len(self.bob._endpoints[0]._waiting)

    def heal(self) -> None:
        """Have the link be fast."""
        self._space.run("tc", "qdisc", "change", "dev", "wire", "root", *FAST)
        wait_for(lambda: not self.waiting(), "nothing waits any more", PATIENCE)

    def answers(self) -> list[int]:
        """The numbers of the requests that were answered, in the order of the answers."""
        found = []
        self.sock.settimeout(0.3)
        try:
            while True:
                head = self.sock.recv(65535).decode()
                assert head.startswith("SIP/2.0 200 ")
                found.append(int(head.partition("Call-ID: ")[2].partition("@")[0]))
        except TimeoutError:
            return found


@pytest.fixture
def slow(make_party: Any) -> Iterator[Slow]:
    """A party whose link is slow."""
    spaces = Spaces()
    engine, other = Engine(), Engine()
    sock = None
    try:
        places = [spaces.make(f"10.77.0.{number}") for number in (1, 2)]
        join(*places)
        places[1].run("tc", "qdisc", "add", "dev", "wire", "root", *SLOW)
        bob = make_party(
            "bob@biloxi.com", NoMediaSimpleCallsParty, engine=places[1].take(engine)
        ).listen(5060, address=places[1].address)
        # The least that there is.
        bob._endpoints[0]._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        # A socket is where the thread was that made it.
        places[0].take(other)
        sock = other.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((places[0].address, 0))
        sock.connect((places[1].address, 5060))
        yield Slow(bob, places[1], sock)
        bob.close()
    finally:
        if sock is not None:
            sock.close()
        other.close()
        engine.close()
        spaces.close()


def test_what_waits_goes_out_in_order(slow: Slow) -> None:
    slow.ask(range(20))
    wait_for(slow.waiting, "the socket is full", PATIENCE)
    slow.ask(range(20, 40))
    assert slow.waiting() > 20
    slow.heal()
    assert slow.answers() == list(range(40))
    slow.ask(range(40, 45))
    assert slow.answers() == list(range(40, 45))


def test_of_too_much_the_oldest_is_lost(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UDPEndpoint, "BACKLOG", 10)
    slow.ask(range(60))
    assert slow.waiting() == 10
    slow.heal()
    answers = slow.answers()
    assert answers == sorted(answers)
    assert answers[-10:] == list(range(50, 60))
    assert len(answers) < 60
    # Whoever asks again is answered from what is remembered.
    lost = sorted(set(range(60)) - set(answers))
    slow.ask(range(lost[0], lost[-1] + 1))
    assert set(slow.answers()) >= set(lost)


def test_a_party_that_goes_while_much_waits(slow: Slow) -> None:
    slow.ask(range(40))
    wait_for(slow.waiting, "the socket is full", PATIENCE)
    slow.bob.close()
    assert slow.bob.engine.run(slow.bob.engine.hub.endpoints) == []
