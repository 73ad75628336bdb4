"""The runner: begins the calls of one process when they are due, and sees that each of them ends.

Laws:

* A call that should have begun begins as soon as the loop turns; the plan does not wait for calls
  that take long. Where the process falls behind by more than `MAX_LATE` seconds, it gives up what
  is beyond, so that it never makes calls faster than it was asked to make up for lost time.
* Every call that began is counted once: as succeeded or as failed, with a reason.
* A call that does not end within its timeout is cancelled, hung up, and has failed.
* The scenario's `stop` is called once, whatever happened.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from math import inf
from pathlib import Path

from sipparty.errors import SIPPartyError
from sipparty.load.pacing import Pacing
from sipparty.load.scenario import CallRun, Worker, reason_of
from sipparty.load.statistics import Statistics

__all__ = ["Runner"]

_PACKAGE = str(Path(__file__).parents[1])


class Runner:
    """Runs the calls of one process.

    Args:
        worker: The process.
        pacing: Its share of the calls.
        timeout: Seconds that a call may take.
        on_sample: Given the statistics so far, every `SAMPLE` seconds.

    Attributes:
        statistics: What was counted.
        behind: Seconds by which the plan was put off, as this process could not keep up with it.
        held: Seconds of that in which the limit of calls at a time was what held calls back.
        first_error: The traceback of the first error of a scenario that is no outcome of a call.
    """

    #: Seconds between two looks at what is due, where many are.
    TICK = 0.005
    #: Calls that begin before the loop turns: fewer than what has come for others and is read in
    #: between, so that a process without enough CPU makes fewer calls and not slower ones.
    BURST = 5
    #: Seconds by which calls may be late.
    MAX_LATE = 0.5
    #: Seconds between samples.
    SAMPLE = 1.0
    #: Seconds that a cancelled call has to end.
    PATIENCE = 2.0

    def __init__(
        self,
        worker: Worker,
        pacing: Pacing,
        *,
        timeout: float = 60.0,
        on_sample: Callable[[Statistics], object] = lambda _: None,
    ) -> None:
        self.worker = worker
        self.statistics = worker.statistics
        self.behind = self.held = 0.0
        self.first_error = ""
        self._pacing = pacing
        self._timeout = timeout
        self._on_sample = on_sample
        self._loop = worker.engine.loop
        #: Calls under way, the oldest first.
        self._runs: dict[asyncio.Task[None], CallRun] = {}
        #: Those of them that were cancelled.
        self._late: dict[asyncio.Task[None], CallRun] = {}
        self._paused: asyncio.Future[None] | None = None
        self._for_end = False
        self._stopping = False
        self._origin = self._cpu = 0.0
        self._former: dict[str, int] = {}

    async def prepare(self) -> None:
        """Start the scenario; `run` comes next, or `close` where that is not to be.

        Raises:
            Exception: Whatever the scenario's `start` raises; it was stopped then.
        """
        try:
            await self.worker.scenario.start(self.worker)
        except BaseException:
            await self.close()
            raise

    async def run(self) -> Statistics:
        """Make the calls, wait for the last to end, and close."""
        worker = self.worker
        worker._begin = self._begin
        self._origin, self._cpu = worker.clock(), time.process_time()
        self._former = worker.engine.counters()
        sampling = self._loop.create_task(self._sample())
        try:
            await self._pace()
            self.statistics.pacing = worker.clock() - self._origin
            await self._wait_for_the_last()
        finally:
            worker._begin = None
            sampling.cancel()
            await self._abandon()
            self.statistics.seconds = worker.clock() - self._origin
            self._count()
            await self.close()
        return self.statistics

    def stop(self) -> None:
        """Begin no further call; called again, end those that are under way."""
        if self._stopping:
            self._timeout = 0.0
        self._stopping = True
        self._wake()

    async def close(self) -> None:
        """Stop the scenario, and close the party that was made for it."""
        worker = self.worker
        try:
            await worker.scenario.stop()
        finally:
            if worker.owns_party:
                await worker.party.aclose()

    # ---------------------------------------------------------------- beginning

    def _begin(self, incoming: object = None) -> CallRun:
        """Begin a call."""
        worker, statistics = self.worker, self.statistics
        number = worker.index + statistics.begun * worker.count
        run = CallRun(worker, number, incoming)
        statistics.begun += 1
        task = self._loop.create_task(self._do(run))
        self._runs[task] = run
        if len(self._runs) > statistics.most_in_flight:
            statistics.most_in_flight = len(self._runs)
        return run

    async def _pace(self) -> None:
        """Begin calls until there are no more to begin."""
        pacing, clock, statistics = self._pacing, self.worker.clock, self.statistics
        waits = self.worker.scenario.WAITS
        limit = inf if pacing.limit is None else pacing.limit
        origin = self._origin
        while not self._stopping:
            now = clock()
            self._end_late(now)
            if pacing.is_over(statistics.begun, now - self._origin):
                return
            if waits:
                await self._pause(0.1)
                continue
            due = pacing.due(now - origin) - statistics.begun
            room = limit - len(self._runs) - len(self._late)
            for _ in range(int(min(due, room, self.BURST))):
                self._begin()
            wait = pacing.when(statistics.begun) - (now - origin)
            late = -wait - self.MAX_LATE
            if late > 0 and pacing.rate is not None:
                origin += late
                self.behind += late
                self.held += late * (due > room)
            if min(due, room) > self.BURST:
                await asyncio.sleep(0)
                continue
            if pacing.duration is not None:
                wait = min(wait, self._origin + pacing.duration - now)
            full = due >= room
            await self._pause(0.1 if full else min(max(wait, self.TICK), 0.1), for_end=full)

    async def _pause(self, seconds: float, *, for_end: bool = False) -> None:
        """Wait so many seconds; less where the load is stopped, or, if asked, a call ends."""
        self._paused = future = self._loop.create_future()
        self._for_end = for_end
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await future
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._paused is not None and not self._paused.done():
            self._paused.set_result(None)

    # ---------------------------------------------------------------- one call

    async def _do(self, run: CallRun) -> None:
        """Do a call, and count what came of it."""
        try:
            await self.worker.scenario.run(run)
        except asyncio.CancelledError:
            run.fail("cancelled")
        except Exception as error:
            run.fail(self._why(run, error))
        run.hang_up()
        task = asyncio.current_task()
        assert task is not None
        if not (self._runs.pop(task, None) or self._late.pop(task, None)):
            return  # given up, and counted
        if run.failure is None:
            self.statistics.succeeded += 1
        else:
            self.statistics.fail(run.failure)
        if self._for_end:
            self._wake()

    def _why(self, run: CallRun, error: Exception) -> str:
        reason = reason_of(error)
        if not isinstance(error, SIPPartyError | TimeoutError):
            # No outcome of a call, but a defect of the scenario: where?
            own = [
                frame
                for frame in traceback.extract_tb(error.__traceback__)
                if not frame.filename.startswith(_PACKAGE)
            ]
            if own:
                reason = f"{reason[:90]} ({Path(own[-1].filename).name}:{own[-1].lineno})"
            if not self.first_error:
                what = traceback.format_exception_only(error)
                self.first_error = "".join([*traceback.format_list(own), *what]).rstrip()
        return f"{run.failed_step}: {reason}" if run.failed_step else reason

    def _end_late(self, now: float) -> None:
        """Cancel the calls whose time is up; they are in the order that they began."""
        while self._runs:
            task, run = next(iter(self._runs.items()))
            if now - run.began < self._timeout:
                return
            del self._runs[task]
            self._late[task] = run
            within = f"did not end within {self._timeout:g} s"
            run.fail("ended with the load" if self._stopping else within)
            task.cancel()

    async def _wait_for_the_last(self) -> None:
        """Wait until no call is under way, or those that are do not even end when cancelled."""
        until = inf
        while self._runs or self._late:
            now = self.worker.clock()
            self._end_late(now)
            until = inf if self._runs else min(until, now + self.PATIENCE)
            if now >= until:
                return
            await self._pause(0.1, for_end=not self._runs or len(self._runs) == 1)

    async def _abandon(self) -> None:
        """Count what is left; nothing is, but where a call swallows its cancellation, or the runner
        itself was cancelled.
        """
        self._late.update(self._runs)
        self._runs.clear()
        for task, run in self._late.items():
            run.fail("cancelled")
            task.cancel()
        if self._late:
            await asyncio.wait(list(self._late), timeout=0.1)
        for _ in self._late:
            self.statistics.fail("does not end, even when it is cancelled")
        self._late.clear()

    # ---------------------------------------------------------------- counting

    def _count(self) -> None:
        """Take over what the engine has counted."""
        counters = self.worker.engine.counters()
        for name in ("sent", "received", "retransmitted", "repetitions"):
            self.statistics.counts[name] += counters[name] - self._former[name]
        self._former = counters
        self.statistics.cpu = time.process_time() - self._cpu

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(self.SAMPLE)
            self._count()
            self.statistics.seconds = self.worker.clock() - self._origin
            self._on_sample(self.statistics)
