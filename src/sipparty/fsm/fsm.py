"""FSM: the one state machine under transactions, dialogs and their usages.

Laws, beside those of the tables (`sipparty.fsm.table`):

1. One input is one transition, run to its end before the next begins, in this order:

       the actions                          for each row
       `on_exit_<State>()`                  where the state changes
       the delays of timers to arm          where the state changes
       the state is set
       timers disarmed, timers armed        where the state changes
       `on_transition(old, input, new)`     for each row
       `on_enter_<State>()`                 where the state changes
       whoever waits is told                where the state changes

   A machine begins in its initial state without entering it: its timers are armed, no hook is run.
2. An error before the state is set leaves state and timers as they were, and what its actions put
   in line is dropped with it. An error after that leaves the transition done.
3. An input given while another is under way stands in line; so an action may hit its own machine.
   The line is run to its end even if an input in it raises: the first error comes out, later ones
   are logged.
4. A wrong input from the program (`hit`) raises `UnexpectedInput`. A wrong input from the wire
   (`hear`) is counted and dropped: nobody on the other side can make a machine raise. What an RFC
   says to absorb is a row.
5. A timer that fires is disarmed before its input is run, and one that the line makes late, by a
   change of state before its turn, does not fire at all.
6. A machine belongs to one thread. Only waiting (`sipparty.concurrency.waiting`) and verbs may come
   from others.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from itertools import count
from math import isfinite
from typing import Any, ClassVar

from sipparty.concurrency.waiting import Watchable
from sipparty.errors import TableError, UnexpectedInput, UsageError
from sipparty.fsm import drawing
from sipparty.fsm.table import Move, Plan, Row, StateNames, Timer, compile_plan
from sipparty.fsm.timers import Entry, Timers

__all__ = ["FSM"]

_log = logging.getLogger(__name__)

#: How an input in line is to be taken; a timer's is its entry instead.
_HIT = True
_HEAR = False


class FSM(Watchable):
    """A state machine; subclass it and give the subclass a `table`.

    A class whose table, with what it inherits, is empty, or that is made with
    `class Base(FSM, abstract=True)`, is abstract: it is not checked and has no instances.

    Args:
        scheduler: The queue that the machine's timers are put in; None has the machine make one of
            its own, which starts at time zero. The initial state's timers are armed here, so a
            subclass sets what their delays are read from before it calls this.

    Raises:
        TableError: When a subclass is made, its tables have a fault; when an instance is made, the
            class is abstract.

    Attributes:
        state: The current state's name.
        unheard: How many inputs from the wire were dropped because the state did not take them.
    """

    __slots__ = (
        "__weakref__",
        "_armed",
        "_busy",
        "_line",
        "_number",
        "_scheduler",
        "unheard",
    )

    #: The rows of this class; those of its bases are added.
    table: ClassVar[tuple[Row, ...]] = ()
    #: The timers of this class; those of its bases are added.
    timers: ClassVar[tuple[Timer, ...]] = ()
    #: The state a machine starts in; None for that of the first row.
    initial: ClassVar[str | None] = None
    #: The states a machine ends in: they have no row to another state.
    final: ClassVar[tuple[str, ...]] = ()

    #: The names of the states, each an attribute.
    States: ClassVar[StateNames] = StateNames("FSM", ())
    #: The tables, merged, checked and compiled; None for an abstract class.
    plan: ClassVar[Plan | None] = None

    _moves: ClassVar[dict[str, dict[str, Move]]] = {}
    _numbers: ClassVar[Iterator[int]] = count(1)

    _armed: dict[str, Entry] | None
    _busy: bool
    _line: deque[tuple[str, tuple[Any, ...], bool | Entry]] | None
    _number: int
    _scheduler: Timers | None
    unheard: int

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        plan = None if abstract else compile_plan(cls)
        cls.plan = plan
        cls.States = StateNames(cls.__name__, () if plan is None else plan.states)
        cls._moves = {} if plan is None else plan.moves
        cls._numbers = count(1)

    def __init__(self, scheduler: Timers | None = None) -> None:
        plan = self.plan
        if plan is None:
            raise TableError(f"{type(self).__name__!r} is abstract: it has no table to run by.")
        self._armed = None
        self._busy = False
        self._line = None
        self._number = next(self._numbers)
        self._portal = None
        self._scheduler = scheduler
        self._watchers = None
        self.state = self._entered = plan.initial
        self.unheard = 0
        for timer in plan.owned[plan.initial]:
            # Never in line: the subclass is not made yet, so even "at once" is the queue's next
            # turn.
            seconds = self._seconds(timer)
            if seconds is not None:
                self._queue(timer, seconds)

    # Inputs.

    def hit(self, input: str, /, *args: Any) -> None:
        """Take an input from the program.

        Args:
            input: The input's name.
            args: What the actions are called with.

        Raises:
            UnexpectedInput: The current state does not take the input; nothing was changed. The
                error is logged too. For an input given inside an action, both happen when its turn
                comes.
            BaseException: Whatever an action or a hook raised.
        """
        if self._busy:
            self._enqueue(input, args, _HIT)
            return
        try:
            move = self._moves[self.state][input]
        except KeyError:
            raise self._unexpected(input) from None
        self._run(move, input, args)

    def hear(self, input: str, /, *args: Any) -> bool:
        """Take an input from the wire, or count it and drop it.

        Args:
            input: The input's name.
            args: What the actions are called with.

        Returns:
            Whether the current state takes the input; True for one given inside an action, whose
            turn is yet to come.

        Raises:
            BaseException: Whatever an action or a hook raised; never `UnexpectedInput`.
        """
        if self._busy:
            self._enqueue(input, args, _HEAR)
            return True
        move = self._moves[self.state].get(input)
        if move is None:
            self._drop(input)
            return False
        self._run(move, input, args)
        return True

    def takes(self, input: str) -> bool:
        """Whether the current state has a row for an input."""
        return input in self._moves[self.state]

    def on_unheard(self, input: str) -> None:
        """Note a dropped input from the wire, already counted. Made to be overridden."""
        _log.debug("%s dropped %r in state %r.", self.name, input, self.state)

    # Timers.

    @property
    def scheduler(self) -> Timers:
        """The queue that the machine's timers are in."""
        scheduler = self._scheduler
        if scheduler is None:
            scheduler = self._scheduler = Timers()
        return scheduler

    def next_timer(self) -> float | None:
        """When the first of this machine's own timers falls due, in seconds; None without one."""
        return min((entry.deadline for entry in (self._armed or {}).values()), default=None)

    def handle_timers(self, now: float) -> int:
        """Fire what is due in the machine's `scheduler`; whoever shares the scheduler calls that.

        Args:
            now: The time in seconds, on the clock of `scheduler`.

        Returns:
            How many timers fired.
        """
        return self.scheduler.handle_timers(now)

    def rearm(self, input: str) -> None:
        """Start one of the current state's timers from now, with its delay read anew.

        This is done at once, and stays done should the action that asked for it raise.

        Raises:
            UsageError: The current state owns no timer with that input, or the delay is not a
            number.
        """
        assert self.plan is not None
        timer = self.plan.timers.get(input)
        if timer is None or self.state not in timer.states:
            raise UsageError(
                f"State {self.state!r} of {self.name!r} owns no timer {input!r} to rearm."
            )
        seconds = self._seconds(timer)
        self._disarm(input)
        if seconds is not None:
            self._arm(timer, seconds)
        if self._line and not self._busy:
            self._run_line()

    # What it looks like.

    @property
    def name(self) -> str:
        """The class's name and a number that counts its instances as they are made, from 1."""
        return f"{type(self).__name__}{self._number}"

    text = drawing.Drawing(drawing.text)
    dot = drawing.Drawing(drawing.dot)
    mermaid = drawing.Drawing(drawing.mermaid)
    _repr_html_ = drawing.Drawing(drawing.html)

    def __str__(self) -> str:
        """The machine as text: its states, inputs, actions and timers, and where it is now."""
        # Not by `self.text`, so that `FSM.__str__(machine)` shows the machine whatever a subclass
        # has.
        return drawing.text(
            drawing.View(type(self).__name__, type(self).plan, self.name, self.state)
        )

    def __repr__(self) -> str:
        return f"<{self.name} in state {self.state!r}>"

    # Running.

    def _run(self, move: Move, input: str, args: tuple[Any, ...]) -> None:
        """Run one transition and the line that it leaves."""
        self._busy = True
        try:
            self._step(move, input, args, 0)
        except Exception:
            if self._line:
                self._run_line(failed=True)
            raise
        else:
            if self._line:
                self._run_line()
        finally:
            self._busy = False

    def _step(self, move: Move, input: str, args: tuple[Any, ...], ahead: int) -> None:
        """Run one transition: law 1. `ahead` is how many inputs stood in line before it."""
        new, actions, change = move
        armed: list[tuple[Timer, float | None]] | None = None
        try:
            for action in actions:
                action(self, *args)
            if change is not None:
                if change.leave is not None:
                    change.leave(self)
                if change.arm:
                    # Read before anything is changed.
                    armed = [(timer, self._seconds(timer)) for timer in change.arm]
        except BaseException:
            self._withdraw(ahead)
            raise
        old = self.state
        self.state = new
        try:
            if change is not None:
                if self._armed:
                    for gone in change.disarm:
                        entry = self._armed.pop(gone, None)
                        if entry is not None:
                            self._scheduler.cancel(entry)  # type: ignore[union-attr]
                if armed is not None:
                    for timer, seconds in armed:
                        if seconds is not None:
                            self._arm(timer, seconds)
                if change.told is not None:
                    change.told(self, old, input, new)
                if change.enter is not None:
                    change.enter(self)
        finally:
            self._entered = new  # before the watchers are read: law 2 of `waiting`
            watchers = self._watchers
            if watchers is not None and new != old:
                for watcher in watchers:
                    watcher.tell(new)

    def _enqueue(self, input: str, args: tuple[Any, ...], kind: bool | Entry) -> None:
        if self._line is None:
            self._line = deque()
        self._line.append((input, args, kind))

    def _withdraw(self, ahead: int) -> None:
        """Take out of the line what a transition that failed put there: law 2."""
        line = self._line
        if line is None:
            return
        # A timer that fell due meanwhile is no work of the actions, and stays.
        timers = []
        while len(line) > ahead:
            late = line.pop()
            if isinstance(late[2], Entry):
                timers.append(late)
        line.extend(reversed(timers))

    def _run_line(self, failed: bool = False) -> None:
        """Run the line to its end: law 3. `failed` says that an error is on its way out already."""
        line = self._line
        assert line is not None
        first: Exception | None = None
        self._busy = True
        try:
            while line:
                input, args, kind = line.popleft()
                try:
                    self._run_in_line(input, args, kind, len(line))
                except Exception as error:
                    if failed or first is not None:
                        _log.exception("%s raised another error on input %r.", self.name, input)
                    else:
                        first = error
            self._line = None
        finally:
            self._busy = False
        if first is not None:
            try:
                raise first
            finally:
                first = None  # it holds this frame, which holds it

    def _run_in_line(
        self, input: str, args: tuple[Any, ...], kind: bool | Entry, ahead: int
    ) -> None:
        move = self._moves[self.state].get(input)
        if isinstance(kind, Entry):
            self._run_timer(input, kind, move, ahead)
        elif move is not None:
            self._step(move, input, args, ahead)
        elif kind is _HIT:
            raise self._unexpected(input)
        else:
            self._drop(input)

    def _unexpected(self, input: str) -> UnexpectedInput:
        error = UnexpectedInput(
            f"Bad input {input!r} to {type(self).__name__!r} instance {self.name!r}"
            f" (current state {self.state!r})."
        )
        _log.error("%s", error)
        return error

    def _drop(self, input: str) -> None:
        self.unheard += 1
        self.on_unheard(input)

    # Running timers.

    def _fire(self, input: str, /) -> None:
        """Take the input of a timer whose time has come; called by `Timers`."""
        entry = None if self._armed is None else self._armed.get(input)
        if entry is None or entry.owner is not None:
            self.hit(input)  # armed by somebody else, in the machine's name
            return
        self._enqueue(input, (), entry)
        if not self._busy:
            self._run_line()

    def _run_timer(self, input: str, entry: Entry, move: Move | None, ahead: int) -> None:
        armed = self._armed
        if armed is None or armed.get(input) is not entry:
            return  # law 5: disarmed, or armed anew, since it fell due
        del armed[input]
        assert move is not None, "the table's checks give each state that owns a timer its row"
        try:
            self._step(move, input, (), ahead)
        finally:
            assert self.plan is not None
            timer = self.plan.timers[input]
            if timer.repeat and self.state in timer.states and input not in armed:
                # Not in line even for "at once": that would be a line without an end.
                seconds = self._seconds(timer)
                if seconds is not None:
                    self._queue(timer, seconds)

    def _seconds(self, timer: Timer) -> float | None:
        delay = timer.delay
        if not isinstance(delay, str):
            return delay
        seconds: object = getattr(self, delay)
        if callable(seconds):
            seconds = seconds()
        if seconds is None:
            return None
        if not isinstance(seconds, int | float) or not isfinite(seconds):
            raise UsageError(
                f"The delay {delay!r} of timer {timer.input!r} of {self.name!r} is {seconds!r},"
                " not a finite number of seconds or None."
            )
        return seconds

    def _arm(self, timer: Timer, seconds: float) -> None:
        """Arm a timer; one for "at once" gets in line without going through the queue."""
        if seconds > 0.0:
            self._queue(timer, seconds)
            return
        if self._armed is None:
            self._armed = {}
        entry = self._armed[timer.input] = Entry(self.scheduler.now, 0, None, timer.input)
        self._enqueue(timer.input, (), entry)

    def _queue(self, timer: Timer, seconds: float) -> None:
        if self._armed is None:
            self._armed = {}
        scheduler = self._scheduler
        if scheduler is None:
            scheduler = self.scheduler
        self._armed[timer.input] = scheduler.arm(seconds, self, timer.input)

    def _disarm(self, input: str) -> None:
        entry = None if self._armed is None else self._armed.pop(input, None)
        if entry is not None:
            self.scheduler.cancel(entry)
