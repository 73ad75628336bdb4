"""Running a load: the processes are started, told to begin together, listened to, and added up.

Laws:

* They begin together, when all of them are ready.
* One that dies takes only its own calls with it: of its share, those that had not ended count as
  lost; where the share had no number of calls, those that were under way.
* Whatever happens, every process has ended when `run_load` returns or raises.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from sipparty.errors import UsageError
from sipparty.load.course import Course
from sipparty.load.pacing import Pacing
from sipparty.load.processes import Here, Processes
from sipparty.load.result import LoadResult
from sipparty.load.scenario import Caller
from sipparty.load.share import Sample, Share, Workers
from sipparty.load.source import Source
from sipparty.load.statistics import Statistics
from sipparty.load.thresholds import DEFAULT, Threshold

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["Load", "LoadOptions", "Progress", "load_by", "run_load"]

#: The share of a core, in %, from which a process has taken all that it can get.
_BUSY = 50
#: Is given what was counted so far, each second.
Progress = Callable[[Statistics], object]


class Load:
    """A load that is run once.

    Args:
        share: All of it; `count` processes have a share each.
        workers: What runs the processes.
        thresholds: What must hold of it, see `sipparty.load.thresholds`; by default that no call
            fails or is lost. That none is lost must hold in any case where nothing is said of it.
        on_progress: Given what was counted so far, each second.

    Raises:
        UsageError: A threshold is none.
    """

    #: Seconds that a process has to start its scenario.
    START = 60.0
    #: Seconds without a word after which a process is given up: its loop does not turn.
    SILENCE = 30.0

    def __init__(
        self,
        share: Share,
        workers: Workers,
        *,
        thresholds: Iterable[str] = (),
        on_progress: Progress = lambda _: None,
    ) -> None:
        self._share = share
        self._workers = workers
        self._thresholds = [Threshold.parse(text) for text in thresholds or DEFAULT]
        if all(one.name != "lost" for one in self._thresholds):
            self._thresholds.append(Threshold.parse("lost == 0"))
        self._on_progress = on_progress
        self._shares = [
            share.replace(pacing=share.pacing.share(index, share.count), index=index)
            for index in range(share.count)
        ]
        self._samples = {one.index: Sample(Statistics()) for one in self._shares}
        self._fresh: set[int] = set()
        self._waiting = set(self._samples)
        self._running: set[int] = set()
        self._failed: list[str] = []
        self._remarks: list[str] = []
        self._stopped = False
        self._began: float | None = None
        self._course = Course()
        self._changed = asyncio.Event()
        self._heard = dict.fromkeys(self._samples, 0.0)

    def stop(self) -> None:
        """Begin no further call, and let those under way end; called again, end them too."""
        self._stopped = True
        self._workers.stop()

    async def run(self) -> LoadResult:
        """Run it, and return its result.

        Raises:
            UsageError: The scenario could not start.
        """
        workers = self._workers
        try:
            await workers.start(self._shares, self._report)
            await self._until(lambda: not self._waiting, self.START)
            if self._waiting:
                raise UsageError(f"The scenario did not start within {self.START:g} s.")
            if self._failed:
                raise UsageError(f"The scenario could not start: {self._failed[0]}")
            if not self._running:
                raise UsageError(f"No process could start: {self._remarks[0]}")
            self._began = now = asyncio.get_running_loop().time()
            self._heard = dict.fromkeys(self._samples, now)
            workers.begin()
            while self._running:
                await self._until(lambda: not self._running, 1.0)
                now = asyncio.get_running_loop().time()
                for index in [
                    one for one in self._running if now - self._heard[one] > self.SILENCE
                ]:
                    self._report(index, "died", f"it said nothing for {self.SILENCE:g} s")
        finally:
            await workers.close()
        return self._result()

    async def _until(self, condition: Callable[[], bool], patience: float) -> None:
        """Wait until a condition holds, or so many seconds have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()

    # ---------------------------------------------------------------- reports

    def _report(self, index: int, what: str, value: Any) -> None:
        """Take what a process reports."""
        if what == "printed":
            sys.stderr.write(value)
            return
        if index not in self._waiting and index not in self._running:
            return  # the end of one that has reported it
        self._heard[index] = asyncio.get_running_loop().time()
        if what == "ready":
            self._waiting.discard(index)
            self._running.add(index)
        elif what in ("sample", "done"):
            self._samples[index] = value
            self._fresh.add(index)
        elif what == "failed":
            self._failed.append(str(value))
        elif what == "died":
            self._died(index, str(value))
        if what in ("done", "failed", "died"):
            self._waiting.discard(index)
            self._running.discard(index)
        if not self._running or (what == "sample" and self._fresh >= self._running):
            self._sample()
        self._changed.set()

    def _died(self, index: int, how: str) -> None:
        statistics = self._samples[index].statistics
        asked = self._shares[index].pacing.calls
        if asked is None or self._stopped:
            statistics.lost = statistics.in_flight
        else:
            statistics.lost = asked - statistics.succeeded - statistics.failed
        statistics.begun = statistics.ended
        self._remarks.append(
            f"Worker {index + 1} of {self._share.count} died ({how}):"
            f" {statistics.lost} calls of its share are lost."
        )

    def _sample(self) -> None:
        if self._began is not None:
            total = Statistics.total(one.statistics for one in self._samples.values())
            self._fresh.clear()
            self._course.sample(asyncio.get_running_loop().time() - self._began, total)
            self._on_progress(total)

    # ---------------------------------------------------------------- the result

    def _result(self) -> LoadResult:
        total = Statistics.total(one.statistics for one in self._samples.values())
        result = LoadResult(
            self._share,
            _name(self._share.source),
            total,
            self._course,
            self._thresholds,
            self._remarks,
        )
        self._say_what_was_not_made(result)
        errors = [one.first_error for one in self._samples.values() if one.first_error]
        if errors:
            self._remarks.append(f"The scenario itself has failed, first with:\n{errors[0]}")
        if self._stopped:
            self._remarks.append("The load was stopped before its end.")
        return result

    def _say_what_was_not_made(self, result: LoadResult) -> None:
        rate, total = self._share.pacing.rate, result.statistics
        samples = self._samples.values()
        behind = max(one.behind for one in samples)
        if rate is None or behind <= 0.05 * total.pacing or result.rate >= 0.97 * rate:
            return
        if max(one.held for one in samples) > behind / 2:
            why = f"the limit of {self._share.pacing.limit} calls at a time held others back"
        else:
            while_begun = [one for one in self._course.rows if one["second"] < total.pacing + 1]
            last = while_begun[-1] if while_begun else {"second": 1.0, "cpu": 0.0}
            busy = 100 * last["cpu"] / last["second"] / self._share.count
            took = f"each process took {busy:.0f} % of a core"
            why = (
                f"{took}, and got no more; where there are cores, more processes make more, and so"
                " do more machines"
                if busy > _BUSY
                else f"{took}; other programs have the rest, or the scenario blocks its thread, as"
                " time.sleep() does where asyncio.sleep() is to be awaited"
            )
        self._remarks.append(
            f"{result.rate:.0f} calls/s were made of the {rate:g} that were asked for: {why}."
        )


def _name(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return getattr(source, "__name__", None) or type(source).__name__


class LoadOptions(TypedDict, total=False):
    """What a load may be asked for, by name.

    Args:
        rate: Calls a second, of all processes together; None to have `limit` calls at all times.
        calls: How many calls; None for no end but `duration` and cancellation.
        ramp: Seconds in which the rate grows to what it is, evenly.
        limit: The most calls at a time; None for no limit.
        duration: Seconds after which no call begins.
        timeout: Seconds that a call may take, 60 by default; then it has failed.
        options: The scenario's own options, `CallRun.options`.
        thresholds: What must hold, such as "failed < 1%" and "answer.p95 < 200ms".
        on_progress: Given the `Statistics` so far, each second.
    """

    rate: float | None
    calls: int | None
    ramp: float
    limit: int | None
    duration: float | None
    timeout: float
    options: Mapping[str, Any]
    thresholds: Sequence[str]
    on_progress: Progress


def _load(
    workers: Workers,
    scenario: Source,
    target: str,
    asked: Mapping[str, Any],
    count: int,
    caller: Caller | None,
) -> Load:
    for name in asked:
        if name not in LoadOptions.__annotations__:
            known = ", ".join(LoadOptions.__annotations__)
            raise TypeError(f"A load has no option {name!r}; it has {known}.")
    given = dict(asked)
    pacing = Pacing(**{name: given.pop(name) for name in Pacing._fields if name in given})
    share = Share(
        *(scenario, target, pacing, given.pop("timeout", 60.0), given.pop("options", {})),
        *(caller or Caller(), 0, count),
    )
    return Load(share, workers, **given)


async def run_load(
    scenario: Source,
    target: str = "",
    *,
    processes: int = 1,
    workers: Workers | None = None,
    caller: Caller | None = None,
    **options: Unpack[LoadOptions],
) -> LoadResult:
    """Run a load in processes of its own, and return its result.

    Args:
        scenario: A coroutine function that takes a `CallRun`, a `Scenario`, or the path of a file,
            see `sipparty.load.source`. A function or class is at the top of a module.
        target: Who is called: an address, "host" or "host:port".
        processes: How many processes share it.
        workers: What runs them; by default this machine does.
        caller: Who calls.
        options: What is asked for, as `LoadOptions` has it: `rate`, `calls`, `limit`, ...

    Raises:
        TypeError: Something is of the wrong kind.
        UsageError: It cannot be as it is asked for, or the scenario could not start.
    """
    runs = workers or Processes()
    return await _load(runs, scenario, target, options, processes, caller).run()


async def load_by(party: Any, scenario: Source, target: str, options: LoadOptions) -> LoadResult:
    """Do what `Party.load` does."""
    engine = party.engine
    load = _load(Here(engine, party), scenario, target, options, 1, None)
    if engine.loop is asyncio.get_running_loop():
        return await load.run()
    running = asyncio.run_coroutine_threadsafe(load.run(), engine.loop)
    return await asyncio.wrap_future(running)
