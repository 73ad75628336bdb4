"""The processes of a load on this machine.

Laws:

* A process that dies is noticed at once, and disturbs no other.
* A process whose parent is gone ends by itself, and hangs up.
* None is left when `close` has returned.
* What is printed in one is printed by the parent, line by line, on its standard error: its standard
  output is for results.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TextIO, cast

from sipparty.errors import UsageError
from sipparty.load.share import Report, Share, ShareRun, work

__all__ = ["Here", "Processes"]


class Here:
    """One share, in this process and on an engine that is there already.

    Args:
        engine: The engine, on the running loop.
        party: The party that calls; by default the scenario makes one.
    """

    def __init__(self, engine: Any, party: Any = None) -> None:
        self._engine = engine
        self._party = party
        self._task: asyncio.Task[None] | None = None

    async def start(self, shares: Sequence[Share], report: Report) -> None:
        """Start the share; there is one."""
        (share,) = shares

        def send(what: str, value: Any) -> None:
            report(share.index, what, value)

        self._run = ShareRun(share, self._engine, send, self._party)
        self._task = asyncio.create_task(self._run.run())

    def begin(self) -> None:
        """Begin."""
        self._run.begin()

    def stop(self) -> None:
        """Begin no further call."""
        self._run.stop()

    async def close(self) -> None:
        """End what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()


class Processes:
    """A process for each share."""

    #: Seconds that they have to end by themselves.
    PATIENCE = 5.0

    def __init__(self) -> None:
        self._workers: dict[int, tuple[Any, Connection]] = {}

    async def start(self, shares: Sequence[Share], report: Report) -> None:
        """Start them.

        Raises:
            UsageError: The scenario cannot be sent to another process.
        """
        self._report = report
        self._loop = asyncio.get_running_loop()
        context = multiprocessing.get_context("spawn")
        try:
            for share in shares:
                ours, theirs = context.Pipe()
                process = context.Process(target=_main, args=(share, theirs), daemon=True)
                try:
                    process.start()
                except (AttributeError, TypeError, ValueError) as error:  # of pickling
                    ours.close()
                    raise UsageError(
                        "The scenario cannot be sent to another process: define it at the top of a"
                        f" module ({error})."
                    ) from error
                finally:
                    theirs.close()
                self._workers[share.index] = process, ours
                self._loop.add_reader(ours.fileno(), self._read, share.index)
        except BaseException:
            await self.close()
            raise

    def _read(self, index: int) -> None:
        process, connection = self._workers[index]
        try:
            while connection.poll():
                what, value = connection.recv()
                self._report(index, what, value)
        except (EOFError, OSError):
            self._loop.remove_reader(connection.fileno())
            process.join(1.0)
            self._report(index, "died", f"process {process.pid} {_how(process.exitcode)}")

    def begin(self) -> None:
        """Have them begin."""
        self._tell("begin")

    def stop(self) -> None:
        """Have them begin no further call."""
        self._tell("stop")

    def _tell(self, what: str) -> None:
        for _, connection in self._workers.values():
            try:
                connection.send(what)
            except OSError:
                pass  # it has died, which is reported

    async def close(self) -> None:
        """End them: those that do not by themselves are killed."""
        until = self._loop.time() + self.PATIENCE
        for _, connection in self._workers.values():
            self._loop.remove_reader(connection.fileno())
            connection.close()  # which ends it
        for process, _ in self._workers.values():
            while process.is_alive() and self._loop.time() < until:  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
            if process.is_alive():
                process.kill()
            process.join()
            process.close()
        self._workers.clear()


def _how(code: int | None) -> str:
    if code is None:
        return "says nothing any more"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _main(share: Share, connection: Connection) -> None:
    """Be one of the processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and it tells
    one_at_a_time = threading.Lock()

    def send(what: str, value: Any) -> None:
        try:
            with one_at_a_time:
                connection.send((what, value))
        except OSError:
            pass  # the parent is gone, which ends this one

    sys.stdout = sys.stderr = cast(TextIO, _Printed(send))
    try:
        asyncio.run(_work(share, connection, send))
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    connection.close()


class _Printed(io.TextIOBase):
    """Reports what is printed, in whole lines."""

    def __init__(self, send: Callable[[str, Any], object]) -> None:
        self._send = send
        self._begun = ""

    def write(self, text: str, /) -> int:
        lines, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            self._send("printed", lines + end)
        return len(text)

    def flush(self) -> None:
        text, self._begun = self._begun, ""
        if text:
            self._send("printed", text)


async def _work(share: Share, connection: Connection, send: Callable[[str, Any], object]) -> None:
    loop = asyncio.get_running_loop()

    def attend(run: ShareRun) -> None:
        def read() -> None:
            try:
                while connection.poll():
                    getattr(run, connection.recv())()
            except (EOFError, OSError):
                loop.remove_reader(connection.fileno())
                run.stop()
                run.stop()

        loop.add_reader(connection.fileno(), read)

    await work(share, attend, send)
    loop.remove_reader(connection.fileno())
