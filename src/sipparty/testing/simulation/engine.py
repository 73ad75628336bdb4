"""`SimulatedEngine`: an engine whose host, network and time are simulated."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sipparty.concurrency.dispatch import Dispatcher
from sipparty.concurrency.engine import Engine
from sipparty.errors import Timeout, UsageError, WouldDeadlock
from sipparty.testing.simulation.loop import VirtualEvent

if TYPE_CHECKING:
    from sipparty.testing.simulation.hosts import Host

__all__ = ["SimulatedEngine"]

R = TypeVar("R")


class SimulatedEngine(Engine):
    """An engine in virtual time; made by `VirtualNetwork.engine`.

    Parties take it as any other (`Party(engine=...)`). In a coroutine that `VirtualNetwork.run`
    runs, verbs return at once and handles are awaited; in a plain program they are waited for.
    What a plain function handles is run on a thread, which has its turn while nothing else runs.

    Args:
        host: The host that the program is on.
        options: As for `Engine`.
    """

    def __init__(self, host: Host, **options: Any) -> None:
        self.host = host
        self.network = host.network
        options.setdefault("resolver", self.network.resolver())
        super().__init__(cast(Any, host.loop), **options)
        self.dispatcher = _Dispatcher(self.loop, self.core.limits)

    def own_address(self, six: bool) -> str:
        """Return the address by which other hosts of the network reach this one."""
        return self.host.address_to("", socket.AF_INET6 if six else socket.AF_INET)

    # ---------------------------------------------------------------- the portal

    def run(self, function: Callable[..., R], /, *args: Any) -> R:
        """Run a function on the engine, whichever thread this is; time stands still meanwhile.

        Raises:
            UsageError: The engine is closed.
        """
        if self.closed:
            raise UsageError("The engine is closed.")
        if self._on_loop():
            return function(*args) if self._busy else self._act(function, args)
        self.network.loop.enter()
        with self.network.loop.as_running():
            return function(*args) if self._busy else self._act(function, args)

    def post(self, function: Callable[..., object], /, *args: Any) -> None:
        """Run a function on the engine."""
        if not self.closed:
            self.run(function, *args)

    def _on_loop(self) -> bool:
        return self.network.loop.is_current()

    def event(self) -> Any:
        """Return what a thread waits on, in virtual time."""
        return VirtualEvent(self.network.loop)

    def run_coroutine(self, function: Callable[[], Coroutine[Any, Any, R]], timeout: float) -> R:
        """Run a coroutine function on the loop, and wait until it is done.

        Raises:
            Timeout: It took longer, in virtual seconds, and was cancelled.
            WouldDeadlock: Called on the loop's own thread.
        """
        self.check_may_block()
        self.network.loop.enter()
        done = VirtualEvent(self.network.loop)
        task = self.network.loop.create_task(function())
        task.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            task.cancel()
            raise Timeout(f"The engine's loop was not done within {timeout:g} s.")
        return task.result()

    def check_may_block(self) -> None:
        """Raise in a coroutine of the network, where a wait would wait for itself.

        Raises:
            WouldDeadlock: Called there.
        """
        if self._on_loop():
            raise WouldDeadlock(
                "A blocking wait in a coroutine of virtual time would never end: await there, as in"
                " 'await call' or 'await call.until(...)'."
            )

    def close(self) -> None:
        """Close the engine, as `Engine.close` does."""
        if self.closed:
            return
        loop = self.network.loop
        if loop.is_running():
            self.run_coroutine(self.aclose, self.CLOSE_TIMEOUT + 2.0)
        else:
            loop.run_until_complete(self.aclose())


class _Dispatcher(Dispatcher):
    """Runs plain functions on threads that have their turn one after the other; a thread for each
    topic that something waits for.
    """

    def _start_thread(self) -> None:
        loop: Any = self._loop
        loop.start_thread(self._serve_one, "sipparty-handlers")

    def _serve_one(self) -> None:
        topic = self._ready.popleft()
        while topic in self._lines:
            self._serve_first(topic)
