"""Scenarios: what one call of a load does, and what it does it with.

    async def answered(run: CallRun) -> None:       a coroutine function is a scenario
        with run.step("answer"):
            call = await run.invite()
        ...

    class Answered(Scenario):                       so is a class, which has a beginning and an end
        async def run(self, run: CallRun) -> None: ...

Laws:

* One scenario object serves all calls of a process; what belongs to one call is in its `CallRun`.
* A call has succeeded where `run` returns and `CallRun.fail` was not called. What `run` raises is
  the reason why it has failed; it stops no other call.
* However a run ends, the calls that it made with `CallRun.invite` are hung up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from sipparty.errors import CallFailed, SIPPartyError, UsageError, printable
from sipparty.load.statistics import Statistics
from sipparty.records import Record
from sipparty.transport import TLSConfig

if TYPE_CHECKING:
    from sipparty import Party
    from sipparty.concurrency.engine import Engine

__all__ = ["CallRun", "Caller", "FunctionScenario", "Scenario", "Worker", "reason_of"]

_Function = Callable[["CallRun"], Coroutine[Any, Any, object]]

#: Characters of a reason that are kept.
MAX_REASON = 120


def reason_of(error: BaseException) -> str:
    """Return why a call has failed, in few words that are the same for each such call."""
    if isinstance(error, CallFailed) and error.response is not None:
        text = f"{error.status} {error.reason}".strip()
    elif isinstance(error, SIPPartyError):
        text = str(error)
    elif isinstance(error, TimeoutError) and not str(error):
        text = "timed out"
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _short(text)


def _short(text: str) -> str:
    """A reason in one line that is not too long."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 3] + "..."


class Caller(Record):
    """Who makes the calls of a load.

    Args:
        uri: The address of record.
        settings: Settings of the party, such as `proxy`, `credentials` and `local_address`.
        headers: Headers of each INVITE, by name.
        tls: Certificates for TLS and WSS.
    """

    uri: str = "load@localhost"
    settings: Mapping[str, Any] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})
    tls: TLSConfig | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Mapping proxies and contexts of TLS stay where they are.
        tls = None if self.tls is None else replace(self.tls)
        return Caller, (self.uri, dict(self.settings), dict(self.headers), tls)


class Worker:
    """One process of a load, as its scenario sees it.

    Args:
        engine: Its engine, on the running loop.
        scenario: The scenario.
        target: Who is called: an address, "host" or "host:port"; "" for nobody.
        options: The scenario's own options, by name.
        index: Which process of the load it is, from 0.
        count: How many there are.
        party: The party that calls; by default one is made when it is first asked for.
        caller: Who calls, where no party is given.

    Attributes:
        statistics: What this process has counted.
        clock: Gives the time, in seconds.
        owns_party: Whether the party was made for this load, and is closed after it.
    """

    def __init__(
        self,
        engine: Engine,
        scenario: Scenario,
        target: str = "",
        options: Mapping[str, Any] | None = None,
        *,
        index: int = 0,
        count: int = 1,
        party: Party[Any, Any] | None = None,
        caller: Caller | None = None,
    ) -> None:
        self.engine = engine
        self.scenario = scenario
        self.target = target
        self.options = dict(options or {})
        self.index = index
        self.count = count
        self.caller = caller or Caller()
        self.statistics = Statistics()
        self.clock = engine.loop.time
        self.owns_party = False
        self._party = party
        self._begin: Callable[[object], CallRun] | None = None

    @property
    def local_address(self) -> str | None:
        """The numeric address to send from; None for what leads to the target."""
        return self.caller.settings.get("local_address")

    @property
    def party(self) -> Party[Any, Any]:
        """The party that makes the calls of this process, made by `Scenario.make_party`."""
        if self._party is None:
            self._party = self.scenario.make_party(self)
            self.owns_party = True
        return self._party

    def begin(self, incoming: object = None) -> CallRun:
        """Begin a call now, for a scenario that waits for calls (`Scenario.WAITS`).

        Args:
            incoming: What came, as its `CallRun.incoming`.

        Raises:
            UsageError: The load has not begun, or it is over.
        """
        if self._begin is None:
            raise UsageError("No call can be begun: the load does not run.")
        return self._begin(incoming)


class Scenario:
    """What the calls of a load do. A subclass has `run`, and what it needs of the rest.

    In each process it is made once, by its class without arguments or by `copy`.
    """

    #: Whether its calls are begun by others, and by `Worker.begin` here: there is no pacing then.
    WAITS: bool = False

    async def start(self, worker: Worker) -> None:
        """Prepare a process, before its first call: listen, register, read files.

        Args:
            worker: The process.
        """

    async def run(self, run: CallRun) -> None:
        """Do one call, from its beginning to its end.

        Args:
            run: The call.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `async def run(self, run)`.")

    async def stop(self) -> None:
        """Give back what `start` has taken, after the last call; also where `start` has raised."""

    def make_party(self, worker: Worker) -> Party[Any, Any]:
        """Make the party of a process; by default one whose calls carry no media."""
        from sipparty import NoMediaSimpleCallsParty

        caller = worker.caller
        return NoMediaSimpleCallsParty(caller.uri, engine=worker.engine, **caller.settings)


class FunctionScenario(Scenario):
    """A scenario whose calls are done by a coroutine function.

    Args:
        function: The function; it takes the `CallRun`.

    Raises:
        TypeError: It is no coroutine function.
    """

    def __init__(self, function: _Function) -> None:
        if not inspect.iscoroutinefunction(function):
            name = getattr(function, "__name__", repr(function))
            raise TypeError(f"A scenario is a coroutine function: async def {name}(run).")
        self.function = function

    async def run(self, run: CallRun) -> None:
        """Call the function."""
        await self.function(run)


class CallRun:
    """One call of a load.

    Args:
        worker: The process that it is in.
        number: Its number; no two calls of a load have the same.
        incoming: What it was begun with, by `Worker.begin`.

    Attributes:
        failure: Why it has failed; None where it has not.
        failed_step: The step that an exception has left; "" for none.
        began: When it began, on the loop's clock.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_statistics",
        "began",
        "failed_step",
        "failure",
        "incoming",
        "number",
        "worker",
    )

    def __init__(self, worker: Worker, number: int, incoming: object = None) -> None:
        self.worker = worker
        self.number = number
        self.incoming = incoming
        self.failure: str | None = None
        self.failed_step = ""
        self._statistics = worker.statistics
        self._clock = worker.clock
        self._calls: list[Any] = []
        self.began = worker.clock()

    @property
    def engine(self) -> Engine:
        """The engine of its process."""
        return self.worker.engine

    @property
    def party(self) -> Party[Any, Any]:
        """The party of its process."""
        return self.worker.party

    @property
    def target(self) -> str:
        """Who is called."""
        return self.worker.target

    @property
    def options(self) -> dict[str, Any]:
        """The scenario's own options."""
        return self.worker.options

    def step(self, name: str) -> _Step:
        """Return a block whose duration is counted under a name: `with run.step("answer"):`.

        One that is left by an exception is counted as failed.
        """
        return _Step(self, name)

    def time(self, name: str, seconds: float) -> None:
        """Count a duration under a name, as a step that was timed otherwise."""
        self._statistics.step(name).add(seconds)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of one's own."""
        self._statistics.counts[name] += n

    def fail(self, reason: str) -> None:
        """Have the call count as failed, for the first reason that is given; the run goes on."""
        if self.failure is None:
            self.failure = _short(reason) or "no reason given"

    async def invite(self, target: Any = None, **options: Any) -> Any:
        """Call somebody, and wait for the answer.

        Args:
            target: Who; by default the load's target.
            options: As for `Party.invite`.

        Returns:
            The call, which is established.

        Raises:
            CallFailed: It was not answered, as for awaiting any call.
        """
        worker = self.worker
        if worker.caller.headers:
            options["headers"] = {**worker.caller.headers, **dict(options.get("headers", ()))}
        call = worker.party.invite(worker.target if target is None else target, **options)
        self._calls.append(call)
        return await call

    def hang_up(self) -> None:
        """Hang up the calls that `invite` made and that are not over; does not wait."""
        for call in self._calls:
            if call.takes("terminate"):
                call.terminate()


class _Step:
    """Times a block."""

    __slots__ = ("_began", "_name", "_run")

    def __init__(self, run: CallRun, name: str) -> None:
        self._run = run
        self._name = name

    def __enter__(self) -> Self:
        self._began = self._run._clock()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        run = self._run
        histogram = run._statistics.step(self._name)
        if kind is None:
            histogram.add(run._clock() - self._began)
        else:
            histogram.failed += 1
            run.failed_step = self._name
