"""Answering requests by default: when the last of the handlers that may answer one has returned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from sipparty.errors import UsageError
from sipparty.sip.events import RequestReceived
from sipparty.sip.handlers import EventSource, Handler

__all__ = ["answered_after"]


def answered_after(
    event: RequestReceived, sources: Iterable[EventSource], handlers: list[Handler]
) -> list[Handler]:
    """Return the handlers of a request, which is answered with its default when those who may
    decide on it are done, and none of them has answered. Where there are none it is refused now.

    Args:
        event: The request.
        sources: Whose handlers they are.
        handlers: All of them. Those may decide that are there for such requests, and not for all
            events.
    """
    kinds = [kind for kind in type(event).__mro__ if getattr(kind, "METHOD", "")]
    by_kind = [source._handlers or {} for source in sources]
    deciding = [one for by in by_kind for kind in kinds for one in by.get(kind, ())]
    if not deciding:
        event.agent.refuse_method(event.incoming.transaction)
        return handlers
    left = len(deciding)

    def done() -> None:
        nonlocal left
        left -= 1
        if not left and event.incoming.transaction.takes("send_success"):
            event.incoming.respond(event.DEFAULT)

    made = []
    for one in handlers:
        if one in deciding:
            one = _then(one, event, done)
            one.decides = True  # type: ignore[attr-defined]
        made.append(one)
    return made


def _then(handler: Handler, event: RequestReceived, done: Callable[[], None]) -> Handler:
    """Return a handler that has something done, on the engine's thread, when it has returned."""

    def finish() -> None:
        portal = event.incoming.portal
        try:
            if portal is None:
                done()
            else:
                portal.run(done)
        except UsageError:
            pass  # the engine is closed

    async def finish_after(coroutine: Any) -> None:
        await coroutine
        finish()

    if inspect.iscoroutinefunction(handler):

        @wraps(handler)
        async def wait(taken: Any) -> None:
            await finish_after(handler(taken))

        return wait

    @wraps(handler)
    def call(taken: Any) -> object:
        returned = handler(taken)
        if inspect.iscoroutine(returned):
            return finish_after(returned)
        finish()
        return None

    # One that is run at once, on this thread, still is.
    call.immediate = getattr(handler, "immediate", False)  # type: ignore[attr-defined]
    return call
