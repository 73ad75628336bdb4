"""The processes of a load on the machines of a Dask cluster, which the extra `cluster` brings.

    async with Cluster("tcp://10.0.0.7:8786") as cluster:
        result = await run_load("script.py", "10.0.0.2", rate=2000, calls=100_000,
                                processes=await cluster.size(), workers=cluster)

Laws:

* Each share is an actor of its own on one worker of the cluster, and on a thread of its own there.
* An actor is never begun again elsewhere: where its worker is killed, its calls are lost, and the
  others go on.
* An actor that nobody asks any more ends by itself, and hangs up.

sipparty, and a scenario that is a file, have to be on each machine, at the same place.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from sipparty.errors import UsageError
from sipparty.load.share import Report, Share, ShareRun, work

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster"]


class Cluster:
    """What runs the processes of a load on a Dask cluster.

    Args:
        address: The address of its scheduler, such as "tcp://10.0.0.7:8786".

    Raises:
        UsageError: The extra `cluster` is not installed.
    """

    #: Seconds between two questions for what has happened.
    POLL = 0.25
    #: Seconds until the scheduler is given up.
    CONNECT = 10.0
    #: Seconds that an answer of an actor may take; then it is dead.
    PATIENCE = 10.0

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            if error.name != "distributed":
                raise
            raise UsageError("A cluster takes Dask: pip install 'sipparty[cluster]'.") from None
        self._make: type[Client] = Client
        self._address = address
        self._client: Client | None = None
        self._actors: dict[int, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _connected(self) -> Client:
        if self._client is None:
            client: Any = None
            try:
                # Actors look for the default client.
                client = self._make(self._address, asynchronous=True, timeout=self.CONNECT)
                self._client = await client
            except (OSError, ValueError) as error:
                if client is not None:
                    await client.close()
                raise UsageError(
                    f"No scheduler of Dask answers at {self._address!r}: {error}"
                ) from None
        return self._client

    async def _places(self) -> list[str]:
        """The addresses of its workers.

        Raises:
            UsageError: There is none.
        """
        client = await self._connected()
        scheduler: Any = client.scheduler
        places = sorted((await scheduler.identity(n_workers=-1))["workers"])
        if not places:
            raise UsageError(f"The cluster at {self._address} has no workers.")
        return places

    async def size(self) -> int:
        """Return how many workers it has.

        Raises:
            UsageError: It has none, or no scheduler answers.
        """
        return len(await self._places())

    async def start(self, shares: Sequence[Share], report: Report) -> None:
        """Start an actor for each share; several to a worker where they are more.

        Raises:
            UsageError: It has no workers, or no scheduler answers.
        """
        client, places = await self._connected(), await self._places()
        for share in shares:
            place = places[share.index % len(places)]
            future: Any = client.submit(_Actor, share, actor=True, workers=[place], pure=False)
            self._spawn(self._follow(share.index, place, future, report))

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, index: int, place: str, future: Any, report: Report) -> None:
        """Ask an actor for its reports, until its last."""
        try:
            async with asyncio.timeout(self.PATIENCE * 2):
                self._actors[index] = actor = await future
            while True:
                async with asyncio.timeout(self.PATIENCE):
                    reports = await actor.poll()
                for what, value in reports:
                    report(index, what, value)
                    if what in ("done", "failed", "died"):
                        return
                await asyncio.sleep(self.POLL)
        except TimeoutError:
            report(index, "died", f"the worker at {place} does not answer")
        except Exception as error:
            report(index, "died", f"the worker at {place} is gone: {type(error).__name__}")
        finally:
            self._actors.pop(index, None)

    def begin(self) -> None:
        """Have them begin."""
        self._tell("begin")

    def stop(self) -> None:
        """Have them begin no further call."""
        self._tell("stop")

    def _tell(self, what: str) -> None:
        for actor in self._actors.values():
            self._spawn(self._ask(actor, what))

    async def _ask(self, actor: Any, what: str) -> None:
        # An actor that is gone is found by who follows it.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self.PATIENCE):
                await actor.tell(what)

    async def close(self) -> None:
        """End what is left, and leave the cluster as it was."""
        for actor in list(self._actors.values()):
            await self._ask(actor, "end")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call, unused-ignore]


class _Actor:
    """One share, on a thread of a worker of the cluster.

    Args:
        share: The share.
    """

    #: Seconds without a question after which nobody is there any more.
    ALONE = 30.0

    def __init__(self, share: Share) -> None:
        self._reports: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._asked = monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: ShareRun | None = None
        threading.Thread(target=self._work, args=(share,), daemon=True).start()

    def _work(self, share: Share) -> None:
        try:
            asyncio.run(self._attended(share))
        except Exception as error:
            self._reports.put(("died", f"{type(error).__name__}: {error}"))

    async def _attended(self, share: Share) -> None:
        self._loop = asyncio.get_running_loop()
        watch = asyncio.ensure_future(self._watch())
        try:
            await work(share, self._attend, lambda what, value: self._reports.put((what, value)))
        finally:
            watch.cancel()

    def _attend(self, run: ShareRun) -> None:
        self._run = run

    async def _watch(self) -> None:
        while monotonic() - self._asked < self.ALONE:  # noqa: ASYNC110 - asked on another thread
            await asyncio.sleep(1.0)
        self._end()

    def _end(self) -> None:
        if self._run is not None:
            self._run.stop()
            self._run.stop()

    def poll(self) -> list[tuple[str, Any]]:
        """Return what there is to report since it was asked last."""
        self._asked = monotonic()
        return list(self._waiting())

    def _waiting(self) -> Iterator[tuple[str, Any]]:
        with contextlib.suppress(Empty):
            while True:
                yield self._reports.get_nowait()

    def tell(self, what: str) -> None:
        """Have it "begin", "stop" or "end"."""
        run, loop = self._run, self._loop
        if run is not None and loop is not None and not loop.is_closed():
            to_do = {"begin": run.begin, "stop": run.stop, "end": self._end}[what]
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(to_do)
