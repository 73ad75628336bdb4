"""Load: many calls at a rate, what came of them, and how long each step took.

    async def short(run):                           a scenario: what one call does
        with run.step("answer"):
            call = await run.invite()
        with run.step("hang up"):
            call.terminate()
            await call

    result = await run_load(short, "10.0.0.2", rate=200, calls=10_000, ramp=10, processes=2)
    print(result)
    result.save("report.html")

    ======================  =======================================================================
    `CallRun`               one call: its number, its steps, what it counts, why it failed
    `Scenario`              what calls do, with a beginning and an end of each process
    `Worker`                a process of the load, as its scenario sees it
    `run_load`              runs a load in processes of its own
    `Cluster`               runs them on the machines of a Dask cluster
    `LoadResult`            what came of it: `Statistics`, the course of time, thresholds, reports
    ======================  =======================================================================

A party that is there already makes the calls with `await party.load(...)`; the command is
`sipparty load script.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.load.cluster import Cluster
    from sipparty.load.histogram import Histogram
    from sipparty.load.load import LoadOptions, run_load
    from sipparty.load.pacing import Pacing
    from sipparty.load.result import LoadResult
    from sipparty.load.scenario import Caller, CallRun, Scenario, Worker
    from sipparty.load.source import Source
    from sipparty.load.statistics import Statistics
    from sipparty.load.thresholds import Threshold, Verdict

__all__ = [
    "CallRun",
    "Caller",
    "Cluster",
    "Histogram",
    "LoadOptions",
    "LoadResult",
    "Pacing",
    "Scenario",
    "Source",
    "Statistics",
    "Threshold",
    "Verdict",
    "Worker",
    "run_load",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(
        globals(), "histogram statistics pacing scenario source thresholds result load cluster"
    )
