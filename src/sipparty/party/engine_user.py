"""The engine of a party: which it is, and giving back what the party has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import weakref

    from sipparty.concurrency.dispatch import Dispatcher
    from sipparty.concurrency.engine import Engine
    from sipparty.live.page import LivePage
    from sipparty.sip.agent import UserAgent
    from sipparty.transport import Listening

__all__ = ["EngineUser"]


class EngineUser:
    """What runs on an engine until it is closed, or a `with` or `async with` block is left."""

    #: Seconds that `close` gives calls to end.
    CLOSE_TIMEOUT: ClassVar[float] = 2.0

    _engine: Engine | None
    _agent: UserAgent | None
    #: The agent, and those of addresses of record before, while their dialogs are up.
    _agents: list[UserAgent]
    _endpoints: list[Listening]
    _closed: bool
    #: What `incoming` gave and what keeps messages: they end when the party is closed.
    _streams: weakref.WeakSet[Any]

    @property
    def engine(self) -> Engine:
        """The engine that the party runs on; chosen when it is first needed."""
        if self._engine is None or self._engine.closed:
            from sipparty.concurrency.engine import Engine

            self._engine = Engine.shared()
        return self._engine

    @property
    def portal(self) -> Engine:
        """Access to the engine's thread, for verbs."""
        return self.engine

    def watch(self) -> None:
        """Show the calls of the party's engine in the terminal, until the user leaves; see
        `sipparty.live`. They go on meanwhile.

        Raises:
            ModuleNotFoundError: The extra `watch` is not installed.
        """
        from sipparty.live import watch

        watch(self)

    def serve_page(self, port: int = 0) -> LivePage:
        """Serve a page that shows the calls of the party's engine, on this machine alone, to who
        has the `url` of what this returns: `with party.serve_page() as page:`.

        Args:
            port: The page's port; 0 for a free one.

        Raises:
            ListenError: The port is taken.
        """
        from sipparty.live import serve_page

        return serve_page(self, port=port)

    def _dispatcher(self) -> Dispatcher | None:
        engine = self._engine
        return None if engine is None or engine.closed else engine.dispatcher

    def close(self) -> None:
        """End every call, then give everything back; may be called more than once.

        Waits up to `CLOSE_TIMEOUT` seconds for the calls to end.

        Raises:
            Timeout: Something keeps the engine's loop from running.
            WouldDeadlock: Called on the engine's own thread; use `aclose` there.
        """
        engine = self._engine
        if engine is None or engine.closed or self._closed:
            self._closed = True
            return
        engine.run_coroutine(self._aclose, self.CLOSE_TIMEOUT + 2.0)

    async def aclose(self) -> None:
        """Do what `close` does, in a coroutine."""
        import asyncio

        engine = self._engine
        if engine is None or engine.loop is asyncio.get_running_loop():
            await self._aclose()
        else:
            # The engine's loop is on another thread.
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._aclose(), engine.loop))

    async def _aclose(self) -> None:
        engine = self._engine
        if not self._closed and engine is not None and not engine.closed:
            self._closed = True  # so that no call begins meanwhile
            await engine.hang_up(self._agents, self.CLOSE_TIMEOUT)
            for agent in self._agents:
                engine.hub.leave(agent)
        self._closed = True
        self._endpoints = []
        for stream in list(self._streams):
            stream.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        from sipparty.concurrency.engine import Engine

        if self._engine is None or self._engine.closed:
            self._engine = Engine.current()
        self._engine.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
        assert self._engine is not None
        await self._engine.leave()
