"""What a verb gives: a state machine of a user agent that lasts, such as a call or a registration.

It can be waited for and awaited, its events can be looped over, and handlers be given to it alone:

    call.wait(timeout=5)                            in a thread
    await call                                      in a coroutine
    for event in call.events(CallProgressed): ...   both, with `async for` there
    call.on(CallHeld, handler)

A kind of handle declares its table; its events name it in the attribute that is their `SUBJECT`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from sipparty.concurrency.streams import Feed, Stream
from sipparty.errors import CallFailed, UsageError, copy_of
from sipparty.fsm import FSM, verb
from sipparty.sip.events import Event
from sipparty.sip.handlers import EventSource, check_kind

if TYPE_CHECKING:
    from sipparty.party.party import Party
    from sipparty.sip.agent import UserAgent

__all__ = ["Handle", "Service"]

E = TypeVar("E", bound=Event)

#: What `dir` of each handle has; and what it leaves out, which the stack has in the same places.
_FOR_USERS = frozenset(
    {
        *("States", "events", "last_error", "name", "off", "on", "party", "state", "takes"),
        *("terminate", "text", "until", "wait", "wait_for"),
    }
)
_FOR_THE_STACK = frozenset(
    {
        *("agent", "core", "dialog_state", "is_unproven", "portal", "role", "route", "session"),
        *("begin", "expect", "share", "silent", "weight", "bytes_held", "methods", "removes_all"),
    }
)


class Handle(EventSource, FSM, abstract=True):
    """What lasts at a user agent, in one of the states of `States`.

    A kind that is no usage of a dialog is a `Service`.

    Attributes:
        agent: The user agent.
        core: Its core.
        state: The current state's name, one of `States`.
        last_error: Why it is in its `Error` state; None elsewhere.
    """

    __slots__ = ("__dict__", "agent", "core", "last_error")

    #: What errors call it.
    WHAT: ClassVar[str] = "The call"
    #: The event that is its last.
    LAST_EVENT: ClassVar[type[Event] | None] = None

    agent: UserAgent
    core: Any
    last_error: CallFailed | None

    @property
    def party(self) -> Party:
        """The party whose it is."""
        party: Party = self.agent.owner
        return party

    def __str__(self) -> str:
        # `FSM.__str__(handle)` and `handle.text` draw the machine.
        return repr(self)

    def __dir__(self) -> list[str]:
        """What is of use to a user: the verbs, what can be read, and what can be waited for."""
        kinds = type(self).__mro__
        found = {
            name
            for kind in kinds[: kinds.index(Handle)]
            for name, value in vars(kind).items()
            # A verb has what it wraps, a property and a slot are data.
            if hasattr(value, "__wrapped__") or hasattr(value, "__set__")
        }
        names = {*_FOR_USERS, *found, *self.__dict__} - _FOR_THE_STACK
        return sorted(name for name in names if name[0] != "_")

    @verb
    def terminate(self) -> Self:
        """End it, as closing its party does; returns at once. Does nothing where it is over, or is
        being ended: its other side may have done so at any time.
        """
        if self.takes("terminate"):
            self.hit("terminate")
        return self

    def give_up(self, error: CallFailed) -> None:
        """End it at once, whatever is under way in it: nothing can be sent any more."""
        self.hear("failed", error)

    # ---------------------------------------------------------------- waiting for an outcome

    def settled(self, state: str) -> bool:
        """Whether no verb is under way in this state; what `wait` waits for."""
        return state not in ("Initial", "InitiatingDialog", "TerminatingDialog")

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the verb under way has its outcome, and return the handle.

        Args:
            timeout: Seconds; None for as long as it takes.

        Raises:
            CallFailed: It ended in `Error`; this is its `last_error`.
            Timeout: The time ran out; the verb goes on.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.waitForStateCondition(self.settled, timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait as `wait` does, in a coroutine."""
        yield from self.stateCondition(self.settled).__await__()
        return self._outcome()

    def _outcome(self) -> Self:
        if self.state == "Error" and self.last_error is not None:
            raise copy_of(self.last_error)
        return self

    def events(self, kind: type[E] = Event) -> Stream[E]:  # type: ignore[assignment]
        """Return what happens to it from now on, to loop over: `for event in call.events()` in a
        thread, `async for` in a coroutine. The loop ends after its last event, `CallEnded` for a
        call. What happened before is not in it, which in a thread may be that the call was
        answered.

        Args:
            kind: The class of the events that are wanted; all of its own by default.

        Raises:
            TypeError: It is no class of events.
        """
        check_kind("events", kind)
        stream: Stream[E] = Stream(self.portal)
        feed: Feed[E] = Feed(stream, lambda event: event, kind, self.LAST_EVENT)
        last = self.LAST_EVENT or kind
        kinds: set[type[Event]] = {kind} if issubclass(last, kind) else {kind, last}

        def close(_: object) -> None:
            for one in kinds:
                self.off(one, feed)

        stream.on_close = close
        for one in kinds:
            self.on(one, feed)
        if self.state in self.final:
            stream.end()
        return stream

    @overload
    def wait_for(self, what: str, timeout: float | None = None) -> str: ...
    @overload
    def wait_for(self, what: type[E], timeout: float | None = None) -> E: ...
    def wait_for(self, what: str | type[E], timeout: float | None = None) -> str | E:
        """Block until it is in a state, or an event of a kind happens to it.

        Args:
            what: A state, such as "Terminated"; or a class of events, such as `CallProgressed`, of
                which the next one is waited for.
            timeout: Seconds; None for as long as it takes.

        Returns:
            The state, or the event.

        Raises:
            CallFailed: It is over, and that will not come; `last_error` where there is one.
            Timeout: The time ran out; it goes on.
            TypeError: It is neither a state nor a class of events.
            UsageError: There is no such state.
            WouldDeadlock: Called on the engine's own thread: use `until` there.
        """
        if isinstance(what, str):
            return self._came_to(what, self.waitForStateCondition(self._either(what), timeout))
        with self.events(what) as stream:
            try:
                return stream.next(timeout)
            except StopIteration:
                raise self._over_before(what.__name__) from None

    @overload
    async def until(self, what: str, timeout: float | None = None) -> str: ...  # noqa: ASYNC109
    @overload
    async def until(self, what: type[E], timeout: float | None = None) -> E: ...  # noqa: ASYNC109
    async def until(
        self,
        what: str | type[E],
        timeout: float | None = None,  # noqa: ASYNC109 - the same call in both kinds
    ) -> str | E:
        """Do what `wait_for` does, in a coroutine."""
        if isinstance(what, str):
            return self._came_to(what, await self.stateCondition(self._either(what), timeout))
        with self.events(what) as stream:
            try:
                return await stream.anext(timeout)
            except StopAsyncIteration:
                raise self._over_before(what.__name__) from None

    def _either(self, state: str) -> Callable[[str], bool]:
        if state not in self.States:
            raise UsageError(f"There is no state {state!r}: it is one of {self.States!r}.")
        return lambda now: now == state or now in self.final

    def _came_to(self, wanted: str, state: str) -> str:
        if state != wanted:
            raise self._over_before(repr(wanted))
        return state

    def _over_before(self, what: str) -> CallFailed:
        if self.last_error is not None:
            return copy_of(self.last_error)
        return CallFailed(f"{self.WHAT} is over, and {what} will not come.")

    def _emit(self, event: Callable[..., Event], *values: Any) -> None:
        """Emit an event of a kind about it."""
        self.core.emit(event(self.agent, self, *values, made_by=self.core.message))

    def _handlers_changed(self) -> None:
        self.agent.observed = True
        for kind in self._handlers or ():
            if kind.METHOD:
                self._enable(kind)

    @verb
    def _enable(self, kind: type[Event]) -> None:
        kind.enable(self.agent)


class Service(Handle, abstract=True):
    """What lasts at a user agent and is no usage of a dialog, such as a registration.

    It is one of the agent's `services` while it lasts, and takes the input "terminate", which ends
    it, as closing its party does.

    Args:
        agent: The user agent.
    """

    __slots__ = ()

    def __init__(self, agent: UserAgent) -> None:
        self.agent = agent
        self.core = agent.core
        self.last_error = None
        super().__init__(scheduler=agent.core.timers)
        self.portal = agent.portal
