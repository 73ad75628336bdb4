"""The parties that are probed, and their time.

Laws:

* Time stands still until `Clock.advance` moves it. It then goes from one timer of the engine's loop
  to the next, each on its time, whether it is of a transaction, a connection or a stream of media.
* After a probe nothing is left: no dialog, transaction, timer, connection, task or file; and the
  party answers OPTIONS.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty

from ..faults.defender import open_files

__all__ = ["LOOPBACK", "PASSWORD", "PATIENCE", "Clock", "Stage"]

LOOPBACK = "127.0.0.1"
#: Seconds that anything here may take by the clock on the wall; nothing that works comes near it.
PATIENCE = 10
#: Seconds that time is past a timer that is due.
_HAIR = 1e-6
#: The user who may call the authenticating party, and by which word.
PASSWORD = ("alice", "wonder")

#: The kinds of party, by the name that probes give them: the class, how it is made and set up.
KINDS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    # Takes every call at once, and no stream.
    "plain": (NoMediaSimpleCallsParty, {}, {"rings": False}),
    # Takes calls when told to.
    "manual": (NoMediaSimpleCallsParty, {}, {"auto_answer": False}),
    # Asks who calls.
    "authenticating": (
        NoMediaSimpleCallsParty,
        {},
        {"rings": False, "authenticator": dict([PASSWORD])},
    ),
    # Takes one stream of audio.
    "audio": (SingleRTPSessionSimplenParty, {}, {"rings": False}),
    # The same, when told to.
    "manual audio": (SingleRTPSessionSimplenParty, {}, {"auto_answer": False}),
    # Has an account wherever it calls.
    "account": (NoMediaSimpleCallsParty, {"credentials": PASSWORD}, {"auto_answer": False}),
}


class Clock:
    """The clock of an engine: it stands still.

    Args:
        engine: The engine, on a thread of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._real = engine.loop.time
        self._now = self._real()
        engine.loop.time = lambda: self._now  # type: ignore[method-assign]

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass, and what is due then be done; 0 to have what came dealt with."""
        self._engine.run_coroutine(lambda: self._advance(seconds), PATIENCE)

    async def _advance(self, seconds: float) -> None:
        until = self._now + seconds
        await self._turn(10)
        # Never so near to a timer that the loop takes it for due, and what it calls does not.
        while (due := self._next()) <= until + _HAIR:
            self._now = max(self._now, due) + _HAIR
            await self._turn(2)
        self._now = max(self._now, until)
        await self._turn(3)

    async def _turn(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    def _next(self) -> float:
        """When the next timer of the loop is due."""
        scheduled = self._engine.loop._scheduled  # type: ignore[attr-defined]
        return min((one.when() for one in scheduled if not one.cancelled()), default=math.inf)

    def release(self) -> None:
        """Let time go by itself again."""
        ahead = self._now - self._real()
        real = self._real
        self._engine.loop.time = lambda: real() + ahead  # type: ignore[method-assign]


class Stage:
    """One engine with a party of each kind.

    Attributes:
        clock: Its time.
    """

    def __init__(self) -> None:
        self.engine = Engine()
        self.parties: dict[str, Any] = {}
        for name, (kind, options, settings) in KINDS.items():
            party = kind("bob@biloxi.com", engine=self.engine, **options)
            party.configure(**settings)
            party.listen(None, address=LOOPBACK, transport=("udp", "tcp"))
            self.parties[name] = party
        self.clock = Clock(self.engine)

    def ports(self, name: str) -> dict[str, int]:
        """Where a party listens, by transport."""
        return {one.transport.lower(): one.address[1] for one in self.parties[name]._endpoints}

    def counts(self) -> dict[str, int]:
        """What is under way, and the counters of what was."""
        return self.engine.run(self.engine.core.counts)

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """See that nothing is left of what is done within."""
        before = open_files()
        try:
            yield
        finally:
            self.hang_up()
            for _ in range(20):
                if not self.left():
                    break
                self.clock.advance(40)
        left = self.left()
        assert not left, f"There is left: {left}"
        more = open_files() - before
        assert more <= 0, f"{more} files are left open."

    def hang_up(self) -> None:
        """Have the parties end what calls they have."""

        def end() -> None:
            for party in self.parties.values():
                for call in party.calls:
                    if call.takes("terminate"):
                        call.hit("terminate")

        self.engine.run(end)

    def left(self) -> dict[str, Any]:
        """What is under way, by name; nothing is not named."""

        def look() -> dict[str, Any]:
            core = self.engine.core
            counts = core.counts()
            under_way = ("dialogs", "client_transactions", "server_transactions", "timers")
            left: dict[str, Any] = {name: counts[name] for name in under_way}
            left["held"] = core.transactions.held
            left["connections"] = [one for one in self.engine.hub.connections() if not one.ended]
            left["tasks"] = asyncio.all_tasks(self.engine.loop)
            left["calls"] = [call for agent in core.directory.receiving() for call in agent.dialogs]
            return {name: value for name, value in left.items() if value}

        return self.engine.run(look)

    def close(self) -> None:
        """Close the parties and the engine."""
        self.clock.release()
        for party in self.parties.values():
            party.close()
        self.engine.close()
