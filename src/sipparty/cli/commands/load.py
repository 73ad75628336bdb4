"""`sipparty load`: many calls at a rate, what came of them, and whether that is good enough."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.options import AccountOptions, check, party_options, reached_by, tls_config
from sipparty.cli.output import Output
from sipparty.errors import UsageError
from sipparty.load.cluster import Cluster
from sipparty.load.load import Load
from sipparty.load.pacing import Pacing
from sipparty.load.plots import require_matplotlib
from sipparty.load.processes import Processes
from sipparty.load.result import LoadResult, check_suffix
from sipparty.load.scenario import Caller, Scenario
from sipparty.load.share import Share, Workers
from sipparty.load.source import scenario_of
from sipparty.load.statistics import Statistics
from sipparty.load.thresholds import Threshold
from sipparty.sip import URI

__all__ = ["load"]

#: Calls a second for which one process is enough by far.
_RATE_EACH = 400


def load(
    scenario: Annotated[
        str,
        typer.Argument(
            help="script.py, script.py:name, or a scenario of SIPp, scenario.xml.",
            metavar="SCENARIO",
        ),
    ],
    account: AccountOptions,
    output: Output,
    target: Annotated[
        str, typer.Argument(help="Who is called: host, host:port or user@host.", metavar="TARGET")
    ] = "",
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", "-r", help="Calls a second; 10, unless there is a --limit.", metavar="NUMBER"
        ),
    ] = None,
    calls: Annotated[
        int | None,
        typer.Option("--calls", "-m", help="How many calls; by default no end.", metavar="NUMBER"),
    ] = None,
    ramp: Annotated[
        float, typer.Option(help="Seconds until the rate is reached.", metavar="SECONDS")
    ] = 0.0,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-l", help="The most calls at a time.", metavar="NUMBER"),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds after which no call begins.", metavar="SECONDS")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a call may take.", metavar="SECONDS")
    ] = 60.0,
    processes: Annotated[
        int | None,
        typer.Option(
            help="How many processes share it; by default as many as the rate takes.",
            min=1,
            metavar="NUMBER",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="An option of the scenario; again for more.", metavar="NAME=VALUE"),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "-t",
            help="What must hold, as 'failed < 1%' or 'answer.p95 < 200ms'; again for more.",
            metavar="TEXT",
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Write a report: .html, .json or .txt.", metavar="FILE"),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Run on the machines of a Dask cluster.", metavar="ADDRESS"),
    ] = None,
) -> Exit:
    """Make many calls, and say what came of them.

    A scenario is `async def scenario(run)` in a Python file: what one call does. Ctrl-C lets the
    calls under way end; again ends them, and a third time the program. Exit code 5 says that a
    threshold did not hold; without any, that a call failed.
    """
    options = dict(_option(one) for one in option or ())
    with redirect_stdout(sys.stderr):  # a file that prints is no part of the result
        found = check(lambda: scenario_of(scenario, options), "SCENARIO")
    if target:
        check(lambda: URI.from_user_text(target), "TARGET")
    elif not found.WAITS:
        raise typer.BadParameter("who is to be called?", param_hint="TARGET")
    for text in threshold or ():
        check(lambda text=text: Threshold.parse(text), "--threshold")  # type: ignore[misc]
    for path in report or ():
        check(lambda path=path: _check_report(path), "--report")  # type: ignore[misc]
    if rate is None and limit is None:
        rate = 10.0
    pacing = check(lambda: Pacing(rate, calls, ramp, limit, duration), "--rate")
    if account.register:
        raise typer.BadParameter("a scenario registers by itself.", param_hint="--register")
    who = account.resolve(output)
    share = Share(
        str(scenario),
        reached_by(target, "" if who.proxy else who.transport),
        pacing,
        timeout,
        options,
        Caller(
            who.address or "load@localhost",
            party_options(who),
            dict(who.headers),
            tls_config(who),
        ),
        count=processes or _processes(pacing, found),
    )
    if cluster is None:
        running = _run(share, threshold or [], Processes(), output)
    else:
        running = _run_on(cluster, share, processes, threshold or [], output)
    result = asyncio.run(running)
    output.text(str(result))
    for path in report or ():
        result.save(path)
        output.text(f"\n  report    {path}")
    code = Exit.DONE if result.passed else Exit.MISSED
    output.result(exit=int(code), **result.as_dict())
    return code


async def _run(share: Share, thresholds: list[str], workers: Workers, output: Output) -> LoadResult:
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        if stops > 2:
            task.cancel()
        else:
            load.stop()

    with output.status("starting") as say:

        def progress(total: Statistics) -> None:
            say(
                f"{'ending: ' if stops else ''}{total.begun} begun, {total.in_flight} under way,"
                f" {total.succeeded} succeeded, {total.failed} failed,"
                f" {total.counts['retransmitted']} sent again"
            )
            names = ("begun", "succeeded", "failed", "lost", "in_flight")
            output.event("progress", **{name: getattr(total, name) for name in names})

        load = Load(share, workers, thresholds=thresholds, on_progress=progress)
        task = asyncio.ensure_future(load.run())
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, stop)
        try:
            return await task
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            loop.remove_signal_handler(signal.SIGINT)


async def _run_on(
    address: str, share: Share, processes: int | None, thresholds: list[str], output: Output
) -> LoadResult:
    async with Cluster(address) as cluster:
        share = share.replace(count=processes or await cluster.size())
        return await _run(share, thresholds, cluster, output)


def _processes(pacing: Pacing, scenario: Scenario) -> int:
    """As many processes as the rate takes; those that are called share no port."""
    if scenario.WAITS:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = cores if pacing.rate is None else -(-pacing.rate // _RATE_EACH)
    most = [limit for limit in (pacing.calls, pacing.limit) if limit]
    return max(1, int(min(wanted or 1, cores or 1, *most)))


def _check_report(path: Path) -> None:
    if check_suffix(path) == ".html":
        require_matplotlib()
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.absolute().parent}.")


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is no option: NAME=VALUE.", param_hint="--option")
    return name, value
