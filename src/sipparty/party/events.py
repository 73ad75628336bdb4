"""What events are handed to: the part of a party that handlers are told to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

from sipparty.concurrency.dispatch import Dispatcher, Handler
from sipparty.deepclass import DeepClass
from sipparty.sip.events import CallReceived, Event, RequestReceived

__all__ = ["Observable"]

H = TypeVar("H", bound=Handler)


class Observable(DeepClass):
    """Something that events happen to; `Party` is one.

    A subclass says what runs handlers, by `_dispatcher`, and hears what they are for.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._handlers: dict[type[Event], list[Handler]] = {}
        self._methods: dict[str, Handler] = {}

    def on(self, event: type[Event], handler: H | None = None) -> Any:
        """Have a handler called for each event of a kind; also as a decorator.

        An `async def` runs on the engine's loop. A plain function runs on another thread, where it
        may block; those of one dialog run in order. With a handler for `CallReceived` calls are no
        longer answered by themselves; if it is the only one and raises, 500 is the answer.

        Args:
            event: The kind, a class of `sipparty.sip.events`; subclasses are included.
            handler: What takes the event.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._handlers.setdefault(event, []).append(handler)
        self._watches()
        if event is CallReceived:
            self._decides()
        return handler

    def off(self, event: type[Event], handler: Handler) -> None:
        """Have a handler called no more; nothing happens if it is not there."""
        handlers = self._handlers.get(event, [])
        if handler in handlers:
            handlers.remove(handler)

    def on_request(self, method: str, handler: H | None = None) -> Any:
        """Have a handler answer the requests of a method that come outside of dialogs.

        A request whose handler raises is answered with 500.

        Args:
            method: The method, "MESSAGE" or one of your own; it is then part of Allow.
            handler: Takes a `RequestReceived`, and answers with `event.incoming.respond(200)`.
        """
        if handler is None:
            return lambda function: self.on_request(method, function)
        self._methods[method] = handler
        self._takes(method)
        return handler

    def event_happened(self, event: Event) -> None:
        """Hand an event to its handlers; called by the engine."""
        if not (self._handlers or self._methods):
            return
        dispatcher = self._dispatcher()
        if dispatcher is None:
            return
        if self._handlers:
            for kind in type(event).__mro__:
                handlers = self._handlers.get(kind, ())
                failed = late = None
                if isinstance(event, CallReceived) and kind is CallReceived and len(handlers) == 1:
                    failed = functools.partial(_refuse, event)
                    late = functools.partial(self._put_off, event)
                for handler in handlers:
                    dispatcher.run(handler, event, event.topic, failed, late)
        if isinstance(event, RequestReceived):
            answer = self._methods.get(event.request.method)
            if answer is not None:
                failed = functools.partial(_fail, event)
                late = functools.partial(_fail, event, 503, event.agent.core.refusals.overloaded)
                dispatcher.run(answer, event, event.topic, failed, late)

    @property
    def observed(self) -> bool:
        """Whether anybody is told of events: there are handlers, or `event_happened` is one's own.
        Events that nobody is told of are not made.
        """
        return (
            bool(self._handlers or self._methods)
            or type(self).event_happened is not Observable.event_happened
        )

    def _put_off(self, event: CallReceived) -> None:
        """Refuse a call that its handler found no thread for."""
        dialog = event.call
        if dialog.state == "InitiatingDialog" and dialog.takes("reject"):
            handlers = (one for several in self._handlers.values() for one in several)
            # Who was not told of the call is not told of its end.
            dialog.silent = not any(map(inspect.iscoroutinefunction, handlers))
            dialog.core.counters["refused"] += 1
            dialog.reject(503, headers=dialog.core.refusals.overloaded)

    def _watches(self) -> None:
        """Take note that there is a handler."""

    def _decided_by_handler(self) -> bool:
        """Whether a handler decides on calls."""
        return bool(self._handlers.get(CallReceived))

    def _decides(self) -> None:
        """Take note that a handler decides on calls."""

    def _takes(self, method: str) -> None:
        """Take note that a handler answers a method."""

    def _dispatcher(self) -> Dispatcher | None:
        """Return what runs handlers; None where nothing can any more."""
        raise NotImplementedError


def _refuse(event: CallReceived) -> None:
    """Refuse a call that nobody else will decide on."""
    dialog = event.call
    if dialog.state == "InitiatingDialog" and dialog.takes("reject"):
        dialog.reject(500)


def _fail(
    event: RequestReceived, status: int = 500, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer a request that nobody else will."""
    incoming = event.incoming
    if incoming.transaction.takes("send_failure"):
        incoming.respond(status, headers=headers)
