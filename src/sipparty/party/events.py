"""Handing events to the handlers of a party and of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sipparty.errors import BuildError, UsageError
from sipparty.sip.events import CallReceived, Event, RequestReceived
from sipparty.sip.grammar import is_token
from sipparty.sip.handlers import EventSource, Handler

if TYPE_CHECKING:
    from sipparty.concurrency.dispatch import Dispatcher

__all__ = ["EventHandlers"]

R = TypeVar("R")


class EventHandlers(EventSource):
    """What a party's events go to; `Party` says what runs handlers, by `_dispatcher`."""

    _methods: dict[str, Handler]

    @overload
    def on_request(
        self, method: str
    ) -> Callable[[Callable[[RequestReceived], R]], Callable[[RequestReceived], R]]: ...
    @overload
    def on_request(
        self, method: str, handler: Callable[[RequestReceived], R]
    ) -> Callable[[RequestReceived], R]: ...
    def on_request(self, method: str, handler: Callable[[RequestReceived], R] | None = None) -> Any:
        """Have a handler answer the requests of a method, outside of dialogs and in those whose
        usages do not take it; also as a decorator. A request whose handler raises is answered
        with 500.

        Args:
            method: The method, "MESSAGE" or one of your own; it is then part of Allow.
            handler: Takes a `RequestReceived`, and answers with `event.incoming.respond(200)`.

        Raises:
            BuildError: The method is not a token.
            TypeError: The method is no text, or the handler cannot be called.
            UsageError: It is INVITE, ACK or CANCEL, which are a call's.
        """
        if not isinstance(method, str):
            raise TypeError(f'on_request() takes a method, such as "MESSAGE", not {method!r}.')
        if not is_token(method):
            raise BuildError(f"{method!r} cannot be a method: expected a token.")
        if method in ("INVITE", "ACK", "CANCEL"):
            raise UsageError(
                f"{method} comes with a call: decide on it with on(CallReceived, ...)."
            )
        if handler is None:
            return lambda function: self.on_request(method, function)
        if not callable(handler):
            raise TypeError(f"A handler is a function that takes the event, not {handler!r}.")
        self._methods[method] = handler
        self._handlers_changed()
        return handler

    def event_happened(self, event: Event) -> None:
        """Hand an event to its handlers; called by the engine."""
        handlers = self.handlers_of(event)
        subject = getattr(event, event.SUBJECT, None)
        if subject is not None and subject._handlers:
            handlers += subject.handlers_of(event)
        answer = None
        if isinstance(event, RequestReceived):
            answer = self._methods.get(event.request.method)
            if answer is None and event.DEFAULT:
                from sipparty.party.deciding import answered_after

                sources = (self,) if subject is None else (self, subject)
                handlers = answered_after(event, sources, handlers)
        if not handlers and answer is None:
            return
        dispatcher = self._dispatcher()
        if dispatcher is None:
            return
        deciding: tuple[Handler, ...] = ()
        if isinstance(event, CallReceived):
            deciding = (self._handlers or {}).get(CallReceived, ())
        for handler in handlers:
            failed: Callable[[], None] | None = None
            late: Callable[[], None] | None = None
            if isinstance(event, CallReceived) and deciding == (handler,):
                failed, late = partial(_refuse, event), partial(self._refuse_late, event)
            elif hasattr(handler, "decides"):
                failed, late = _failures(event)
            dispatcher.run(handler, event, event.topic, failed, late)
        if answer is not None:
            dispatcher.run(answer, event, event.topic, *_failures(event))

    @property
    def observed(self) -> bool:
        """Whether the party has handlers, or an `event_happened` of its own; events that nobody
        takes are not made.
        """
        return (
            bool(self._handlers or self._methods)
            or type(self).event_happened is not EventHandlers.event_happened
        )

    def _refuse_late(self, event: CallReceived) -> None:
        """Refuse a call that its handler found no thread for."""
        call = event.call
        if call.state == "InitiatingDialog" and call.takes("reject"):
            import inspect

            handlers = (one for several in (self._handlers or {}).values() for one in several)
            # Who was not given the call is not given its end.
            call.silent = not any(map(inspect.iscoroutinefunction, handlers))
            call.core.counters["refused"] += 1
            call.reject(503, headers=call.core.refusals.overloaded)

    def _dispatcher(self) -> Dispatcher | None:
        """Return what runs handlers; None where nothing can any more."""
        raise NotImplementedError


def _refuse(event: CallReceived) -> None:
    """Refuse a call that nobody else will decide on."""
    if event.call.state == "InitiatingDialog" and event.call.takes("reject"):
        event.call.reject(500)


def _failures(event: Event) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what answers a request whose handler raises, and one that finds no thread."""
    overloaded = event.agent.core.refusals.overloaded
    return partial(_fail, event), partial(_fail, event, 503, overloaded)


def _fail(event: Event, status: int = 500, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Answer a request that nobody else will."""
    assert isinstance(event, RequestReceived)
    if event.incoming.transaction.takes("send_failure"):
        event.incoming.respond(status, headers=headers)
