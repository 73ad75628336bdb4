"""Handlers of events: `on` and `off`, the same for a party and for a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from sipparty.sip.events import Event

__all__ = ["EventSource", "Handler", "check_kind"]

E = TypeVar("E", bound=Event)
R = TypeVar("R")

#: What takes an event: a plain function or an `async def`.
Handler = Callable[[Any], object]


class EventSource:
    """Something that events happen to: a party, or a call."""

    __slots__ = ()

    #: By kind of event; the tuples are replaced, so that they may be read on another thread.
    _handlers: dict[type[Event], tuple[Handler, ...]] | None = None

    @overload
    def on(self, event: type[E]) -> Callable[[Callable[[E], R]], Callable[[E], R]]: ...
    @overload
    def on(self, event: type[E], handler: Callable[[E], R]) -> Callable[[E], R]: ...
    def on(self, event: type[E], handler: Callable[[E], R] | None = None) -> Any:
        """Have a handler called for each event of a kind; also as a decorator.

        An `async def` runs on the engine's loop. A plain function runs on another thread, where it
        may block; those of one call run in order. With a party's handler for `CallReceived` calls
        are no longer answered by themselves; if it is the only one and raises, 500 is the answer.

        Args:
            event: The kind, such as `CallReceived`; subclasses are included.
            handler: What takes the event.

        Raises:
            TypeError: The kind is no class of events, or the handler cannot be called.
        """
        check_kind("on", event)
        if handler is None:
            return lambda function: self.on(event, function)
        if not callable(handler):
            raise TypeError(f"A handler is a function that takes the event, not {handler!r}.")
        handlers = self._handlers
        if handlers is None:
            handlers = self._handlers = {}  # type: ignore[misc]  # subclasses have a __dict__
        handlers[event] = (*handlers.get(event, ()), handler)
        self._handlers_changed()
        return handler

    def off(self, event: type[E], handler: Callable[[E], object]) -> None:
        """Have a handler called no more; nothing happens if it is not there.

        Raises:
            TypeError: The kind is no class of events.
        """
        check_kind("off", event)
        handlers = list((self._handlers or {}).get(event, ()))
        if self._handlers and handler in handlers:
            handlers.remove(handler)
            self._handlers[event] = tuple(handlers)
            if not handlers:
                del self._handlers[event]
            self._handlers_changed()

    def handlers_of(self, event: Event) -> list[Handler]:
        """Return the handlers of an event: those of its own class first, in the order given."""
        by_kind = self._handlers
        if not by_kind:
            return []
        return [one for kind in type(event).__mro__ for one in by_kind.get(kind, ())]

    def _handlers_changed(self) -> None:
        """Take note that there is a handler more or less."""


def check_kind(method: str, event: object) -> None:
    """Refuse what is no class of events, and say what to write instead.

    Raises:
        TypeError: It is none.
    """
    if isinstance(event, type) and issubclass(event, Event):
        return
    if isinstance(event, str):
        hint = f"{event}, the class, from `from sipparty import {event}`"
        raise TypeError(f"{method}() takes a class of events, not {event!r}: give {hint}.")
    if callable(event):
        name = getattr(event, "__name__", "handler")
        hint = f"{method}(CallReceived, {name})" + (", or @on(CallReceived)" * (method == "on"))
        raise TypeError(f"{method}() takes the class of events first: {hint}.")
    raise TypeError(f"{method}() takes a class of events, such as CallReceived, not {event!r}.")
