"""SIPp's own scenarios, from its XML: played here against SIPp, and by SIPp against us."""

from __future__ import annotations

import asyncio
import csv
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.load.sipp import Options, Player, ScenarioStatistics, read_program

from .peer import TCP, UDP, UDP6, Ports, Transport, over, require
from .sipp import Run, SIPp

#: Who calls whom: every pair of built-in scenarios that fits together.
PAIRS = [("uac", "uas"), ("branchc", "branchs"), ("uac", "3pcc-A"), ("uac", "3pcc-B")]
#: One looks for addresses of IPv4 in the messages.
PAIRS4 = [*PAIRS, ("regexp", "uas")]
CALLS = 5


@pytest.fixture
def built_in(tmp_path: Path) -> Callable[[str], Path]:
    """Return a scenario that SIPp has built in, with pauses that a test has the time for."""
    program = require("sipp")

    def write(name: str) -> Path:
        printed = subprocess.run(
            [program, "-sd", name], capture_output=True, text=True, check=False, timeout=10
        ).stdout
        text = re.sub(r'milliseconds\s*=\s*"\d+"', 'milliseconds="50"', printed)
        path = tmp_path / f"built-in-{name}.xml"
        path.write_text(text)
        return path

    return write


class Stage:
    """Players of ours, beside SIPp.

    Args:
        transport: How SIP travels.
        ports: The test's ports.
    """

    def __init__(self, transport: Transport, ports: Ports) -> None:
        self.host = transport.host
        self.transport = transport.name.upper()
        self.port = ports.take()
        self.media = ports.take(4)

    def _player(self, engine: Engine, scenario: Path, remote: tuple[str, int] | None) -> Player:
        options = Options(
            transport=self.transport,
            local=(self.host, self.port),
            media=(self.host, self.media),
            timeout=8.0,
        )
        return Player(engine, read_program(scenario), options, remote, folder=scenario.parent)

    def call(self, scenario: Path, run: Run, calls: int = CALLS) -> ScenarioStatistics:
        """Play a caller to its end; the other side goes first, as it closes no connection."""

        async def main() -> ScenarioStatistics:
            engine = Engine.current()
            async with self._player(engine, scenario, (self.host, run.port)) as player:
                found = await asyncio.wait_for(player.play(calls, rate=50), 20)
                await asyncio.get_running_loop().run_in_executor(None, run.finish)
            await engine.aclose()
            return found

        return asyncio.run(main())

    def answer(
        self, scenario: Path, start: Callable[[], Run], calls: int = CALLS
    ) -> ScenarioStatistics:
        """Play who is called, and have it called."""

        async def main() -> ScenarioStatistics:
            engine = Engine.current()
            async with self._player(engine, scenario, None) as player:
                run = start()
                found = await asyncio.wait_for(player.play(calls), 20)
                await asyncio.get_running_loop().run_in_executor(None, run.finish)
            await engine.aclose()
            return found

        return asyncio.run(main())


@pytest.fixture
def stage(transport: Transport, ports: Ports) -> Stage:
    """What plays scenarios here."""
    return Stage(transport, ports)


def counted(folder: Path, name: str) -> Counter[str]:
    """Return what SIPp has counted, from its file: messages by method or status, and the rest."""
    (path,) = folder.glob(f"*{name}_*_counts.csv")
    with path.open(newline="") as file:
        titles, *_, last = csv.reader(file, delimiter=";")
    found: Counter[str] = Counter()
    for title, value in zip(titles, last, strict=True):
        _, _, rest = title.partition("_")
        what, _, kind = rest.rpartition("_")
        if kind in ("Sent", "Recv"):
            found[what] += int(value)
        elif kind in ("Retrans", "Timeout", "Unexp"):
            found[kind] += int(value)
    return +found


def assert_fits(ours: ScenarioStatistics, theirs: Counter[str]) -> None:
    """See that all calls went through, and that both sides have counted the same."""
    assert ours.succeeded == CALLS, str(ours)
    assert ours.failed == ours.retransmissions == ours.out_of_call == 0, str(ours)
    mine: Counter[str] = Counter()
    for command, row in zip(ours.program.commands, ours.rows, strict=True):
        if command.kind in ("send", "recv"):
            mine[command.name] += row.messages
            mine["Unexp"] += row.unexpected
            mine["Timeout"] += row.timeouts
    assert +mine == theirs, str(ours)


@over(UDP)
@pytest.mark.parametrize("pair", PAIRS4, ids="-".join)
def test_sipp_is_called(
    pair: tuple[str, str],
    stage: Stage,
    sipp: SIPp,
    built_in: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    caller, called = pair
    run = sipp.answer(built_in(called), "-m", str(CALLS), "-trace_counts")
    assert_fits(stage.call(built_in(caller), run), counted(tmp_path, called))


@over(UDP)
@pytest.mark.parametrize("pair", PAIRS4, ids="-".join)
def test_sipp_calls(
    pair: tuple[str, str],
    stage: Stage,
    sipp: SIPp,
    built_in: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    caller, called = pair
    options = ("-m", str(CALLS), "-r", "50", "-trace_counts")
    found = stage.answer(
        built_in(called), lambda: sipp.call(built_in(caller), stage.port, *options)
    )
    assert_fits(found, counted(tmp_path, caller))


@over(UDP6, TCP)
def test_over_other_transports(
    stage: Stage, sipp: SIPp, built_in: Callable[[str], Path], tmp_path: Path
) -> None:
    run = sipp.answer(built_in("uas"), "-m", str(CALLS), "-trace_counts")
    assert_fits(stage.call(built_in("uac"), run), counted(tmp_path, "uas"))


@over(TCP)
def test_sipp_calls_by_tcp(
    stage: Stage, sipp: SIPp, built_in: Callable[[str], Path], tmp_path: Path
) -> None:
    options = ("-m", str(CALLS), "-r", "50", "-trace_counts")
    found = stage.answer(built_in("uas"), lambda: sipp.call(built_in("uac"), stage.port, *options))
    assert_fits(found, counted(tmp_path, "uac"))
