"""A share of a load: what one process does of it, and what it reports meanwhile.

A process is told to begin and to stop; it reports, each with its index:

    ready       the scenario has started
    sample      a `Sample`, every second
    printed     whole lines that the scenario has printed
    done        the last `Sample`
    failed      why the scenario could not start, in words
    died        how the process ended that has not reported its end, in words
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sipparty.concurrency.engine import Engine
from sipparty.errors import SIPPartyError, printable
from sipparty.load.pacing import Pacing
from sipparty.load.runner import Runner
from sipparty.load.scenario import Caller, Worker
from sipparty.load.source import scenario_of
from sipparty.load.statistics import Statistics
from sipparty.records import Record
from sipparty.sip.limits import Limits

__all__ = ["LOAD_LIMITS", "Report", "Sample", "Share", "ShareRun", "Workers", "work"]

#: Limits of an engine whose peer is the target: what is held is what the load asks for.
LOAD_LIMITS = Limits(
    max_transactions=4_000_000,
    max_held=4 << 30,
    max_dialogs=1_000_000,
    max_share=100,
    max_half_open=1_000_000,
)


class Share(Record):
    """What one process of a load does.

    Args:
        source: The scenario, as `scenario_of` takes it.
        target: Who is called.
        pacing: When its calls begin.
        timeout: Seconds that a call may take.
        options: The scenario's own options.
        caller: Who calls, where no party does.
        index: Which process it is, from 0.
        count: How many there are.
    """

    source: Any
    target: str
    pacing: Pacing
    timeout: float = 60.0
    options: Mapping[str, Any] = {}
    caller: Caller = Caller()
    index: int = 0
    count: int = 1


class Sample(NamedTuple):
    """What a process has counted so far.

    Attributes:
        statistics: The counters.
        behind: As `Runner.behind`.
        held: As `Runner.held`.
        first_error: As `Runner.first_error`.
    """

    statistics: Statistics
    behind: float = 0.0
    held: float = 0.0
    first_error: str = ""


#: Takes what a process reports: its index, what it is, and what belongs to it.
Report = Callable[[int, str, Any], object]


class Workers(Protocol):
    """The processes of a load, wherever they run. What they report is given to a `Report`."""

    async def start(self, shares: Sequence[Share], report: Report) -> None:
        """Start a process for each share.

        Raises:
            SIPPartyError: That cannot be.
        """

    def begin(self) -> None:
        """Have those that are ready begin."""

    def stop(self) -> None:
        """Have them begin no further call; called again, end those that are under way."""

    async def close(self) -> None:
        """End the processes, and give everything back."""


class ShareRun:
    """One share, on the running loop.

    Args:
        share: The share.
        engine: What it runs on.
        send: Given what is to be reported: what it is, and what belongs to it.
        party: The party that calls; by default the scenario makes one.
    """

    def __init__(
        self,
        share: Share,
        engine: Engine,
        send: Callable[[str, Any], object],
        party: Any = None,
    ) -> None:
        self._share = share
        self._engine = engine
        self._send = send
        self._party = party
        self._go = asyncio.Event()
        self._stops = 0
        self._runner: Runner | None = None

    def begin(self) -> None:
        """Begin the calls."""
        self._go.set()

    def stop(self) -> None:
        """Begin no further call; called again, end those that are under way."""
        self._stops += 1
        self._go.set()
        if self._runner is not None:
            self._runner.stop()

    async def run(self) -> None:
        """Do it all: what is to be known is reported, nothing raised."""
        share = self._share
        try:
            worker = Worker(
                self._engine,
                scenario_of(share.source, share.options),
                share.target,
                share.options,
                index=share.index,
                count=share.count,
                party=self._party,
                caller=share.caller,
            )
            runner = Runner(
                worker,
                share.pacing,
                timeout=share.timeout,
                on_sample=lambda _: self._send("sample", self._sample()),
            )
            await runner.prepare()
        except Exception as error:
            named = "" if isinstance(error, SIPPartyError) else f"{type(error).__name__}: "
            self._send("failed", printable(f"{named}{error}"))
            return
        self._runner = runner
        self._send("ready", None)
        await self._go.wait()
        for _ in range(self._stops):
            runner.stop()
        await runner.run()
        self._send("done", self._sample())

    def _sample(self) -> Sample:
        runner = self._runner
        assert runner is not None
        so_far = Statistics.total([runner.statistics])
        return Sample(so_far, runner.behind, runner.held, runner.first_error)


async def work(
    share: Share, run: Callable[[ShareRun], object], send: Callable[[str, Any], object]
) -> None:
    """Do a share in a process of its own, with an engine of its own.

    Args:
        share: The share.
        run: Given the `ShareRun` before it runs, to tell it when to begin and to stop.
        send: As for `ShareRun`.
    """
    loop = asyncio.get_running_loop()
    engine = Engine(loop, limits=LOAD_LIMITS, tls=share.caller.tls)
    engine.enter()  # it is not closed with a party that a scenario makes on it
    try:
        one = ShareRun(share, engine, send)
        run(one)
        await one.run()
    finally:
        await engine.aclose()
