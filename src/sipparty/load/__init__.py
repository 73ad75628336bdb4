"""Load: many calls at a rate, what came of them, and how long each step took.

    from sipparty.load import CallRun

    async def short(run: CallRun) -> None:
        with run.step("answer"):
            call = await run.invite()
        with run.step("hang up"):
            await call.terminate()

* A *scenario* is what one call does: a coroutine function that takes a `CallRun`, or a `Scenario`.
* A `CallRun` is one call of it: its number, its steps, what it counts, and why it failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.load.scenario import CallRun, Scenario, Worker
    from sipparty.load.statistics import Histogram, Statistics

__all__ = ["CallRun", "Histogram", "Scenario", "Statistics", "Worker"]

if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "statistics scenario")
