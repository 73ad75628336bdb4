"""A SIPp scenario as the scenario of a load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sipparty.errors import ParseError, UsageError
from sipparty.load.scenario import CallRun, Scenario, Worker
from sipparty.load.sipp.model import Program
from sipparty.load.sipp.options import Options
from sipparty.load.sipp.player import Player
from sipparty.load.sipp.reader import read_program
from sipparty.sip.components import URI

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call
    from sipparty.load.sipp.statistics import ScenarioStatistics

__all__ = ["SIPpScenario"]


class SIPpScenario(Scenario):
    """A scenario file of SIPp.

    Args:
        path: The file.
        options: How it is played, as `Options` has it. Those of the load go before them, and both
            before the user and the transport of the target.

    Attributes:
        path: The file.
        program: What was read of it.
        player: What plays it, between `start` and `stop`; then still there for its statistics.

    Raises:
        ScenarioError: The file is malformed, or has what is not taken.
        UsageError: It cannot be read, or an option is unknown or wrong.
    """

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.path = Path(path)
        self.options = options
        self.program: Program = read_program(self.path, Options.of(options).keys)
        self.player: Player | None = None
        self._runs: dict[Call, CallRun] = {}
        self.WAITS = not self.program.calls

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.path, self.options)

    @property
    def statistics(self) -> ScenarioStatistics:
        """What its calls in this process have counted.

        Raises:
            UsageError: It was not started.
        """
        if self.player is None:
            raise UsageError(f"{self.path} was not started: there are no statistics.")
        return self.player.statistics

    async def start(self, worker: Worker) -> None:
        """Open the sockets, and read what belongs to the file."""
        remote, said = _parse_target(worker.target) if worker.target else (None, {})
        if worker.local_address:
            said["local"] = worker.local_address
        given = {**said, **self.options, **worker.options}
        options = Options.of(given)

        def arrived(call: Call) -> None:
            try:
                worker.begin(call)
            except UsageError:
                pass  # the load has not begun, or it is over: the call goes on, uncounted

        self.player = player = Player(
            *(worker.engine, read_program(self.path, options.keys), options, remote),
            folder=self.path.parent,
            arrived=arrived,
        )
        runs = self._runs

        def measured(call: Call, name: str, seconds: float) -> None:
            player.statistics.response_time(name, seconds)
            run = runs.get(call)
            if run is not None:
                run.time(f"rtd {name}", seconds)

        player.measured = measured
        await player.start()

    async def run(self, run: CallRun) -> None:
        """Do one call, or see one through that has come."""
        player = self.player
        assert player is not None
        if player.ending and run.incoming is None:
            run.fail("the scenario has stopped the run")
            return
        call: Any = run.incoming or player.prepare(run.number + 1)
        self._runs[call] = run
        try:
            if not call.incoming:
                player.launch(call)
            reason = await call.done
        finally:
            call.abandon("it was cancelled")
            del self._runs[call]
        if reason:
            run.fail(reason)
        else:
            run.time("call", player.clock() - call.began)

    async def stop(self) -> None:
        """Give back the sockets."""
        if self.player is not None:
            await self.player.stop()


def _again(path: Path, options: dict[str, Any]) -> SIPpScenario:
    return SIPpScenario(path, **options)


def _parse_target(text: str) -> tuple[tuple[str, int], dict[str, str]]:
    """Return host and port of a target, and the options that it says: user and transport.

    Args:
        text: "host", "host:port", "user@host" or a SIP URI.

    Raises:
        UsageError: It is none of these.
    """
    try:
        uri = URI.from_user_text(text)
    except ParseError as error:
        raise UsageError(f"{text!r} is nobody to call: {error}") from None
    if uri.host is None or not uri.host.address:
        raise UsageError(f"{text!r} is nobody to call: expected host or host:port.")
    said = {"transport": str(uri.parameters.get("transport") or "").upper()}
    said["service"] = (uri.aor and uri.aor.username) or ""
    return (uri.host.address, uri.port or 5060), {k: v for k, v in said.items() if v}
