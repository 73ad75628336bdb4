"""A party that is attacked, and what has to be true of it afterwards.

Laws:

* Time goes as it goes, until `advance` puts the clock of the party's engine forward: what takes
  half a minute of SIP's patience takes no time here.
* An attack is over when `check` finds that a good call goes through, and that nothing is left: no
  transaction, dialog or timer, no connection, no task, no socket more than before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any

from sipparty.concurrency.engine import Engine
from sipparty.party import Party

from ..interop.peer import wait_for

__all__ = ["PATIENCE", "Clock", "Defender", "open_files"]

#: Seconds that anything here may take; nothing that works comes near it.
PATIENCE = 15


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(os.listdir("/dev/fd"))


class Clock:
    """The clock of an engine, which can be put forward.

    Args:
        engine: The engine, on a thread of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead = 0.0
        real = engine.loop.time
        engine.loop.time = lambda: real() + self._ahead  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        """Put it forward, and see what is due then done."""
        self._ahead += seconds
        # The first turn finds what is due, and does it behind this.
        for _ in range(2):
            self._engine.run(lambda: None)


class Defender:
    """A party that listens, on an engine of its own.

    Args:
        party: The party; it listens.
        friend: Who makes the good calls, on another engine.
    """

    def __init__(self, party: Any, friend: Any) -> None:
        self.party = party
        self.engine: Engine = party.engine
        self.clock = Clock(self.engine)
        self._friend = friend
        self._before = open_files()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.party.contact_uri.port
        return port

    @property
    def listener(self) -> Any:
        """What it listens by."""
        return self.party._endpoints[0]

    def counts(self) -> dict[str, int]:
        """What is under way, and the counters of what was."""
        return self.engine.run(self.engine.core.counts)

    def connections(self) -> int:
        """How many connections there are, those in the TLS handshake among them."""

        def count() -> int:
            there = self.engine.hub.connections()
            coming = self.listener._coming.values()
            return len(there) + sum(one.connection not in there for one in coming)

        return self.engine.run(count)

    def received(self) -> int:
        """How many messages came."""
        return self.counts()["received"]

    @contextlib.contextmanager
    def call(self) -> Iterator[Any]:
        """Be in a good call meanwhile; it begins, and ends, as it should."""
        call = self._friend.invite(self.party)
        assert call.wait(PATIENCE).state == "InDialog"
        # What is counted from here on is others'.
        wait_for(lambda: self.engine.run(self._has_ack, call), "the ACK came", PATIENCE)
        yield call
        assert call.state == "InDialog"
        assert call.terminate().wait(PATIENCE).state == "Terminated"

    def _has_ack(self, call: Any) -> bool:
        dialogs = self.engine.core.dialogs.values()
        mine = [one for one in dialogs if one.call_id == call.call_id]
        return len(mine) == 1 and mine[0].usages[0]._invited is None

    def check(self) -> None:
        """See that the party serves, and that nothing is left of what was."""
        with self.call():
            pass
        self._friend.close()
        self._friend.engine.close()
        self.settle()
        wait_for(lambda: open_files() <= self._before, "no file is open more than before", PATIENCE)

    def settle(self) -> None:
        """Let everything end that ends with time, and see that it does."""
        wait_for(self._is_over, "everything ended", PATIENCE, self._describe)

    def _is_over(self) -> bool:
        self.clock.advance(40)
        return not self._left()

    def _left(self) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            counts = self.engine.core.counts()
            under_way = ("dialogs", "client_transactions", "server_transactions", "timers")
            left: dict[str, Any] = {name: counts[name] for name in under_way}
            left["connections"] = [one for one in self.engine.hub.connections() if not one.ended]
            left["tasks"] = asyncio.all_tasks(self.engine.loop)
            left["sessions"] = [
                agent.dialogs for agent in self.engine.core.directory.receiving() if agent.dialogs
            ]
            return {name: value for name, value in left.items() if value}

        return self.engine.run(look)

    def _describe(self) -> str:
        return f"Left: {self._left()}"


def close(party: Party) -> None:
    """Close a party and its engine."""
    party.close()
    party.engine.close()
