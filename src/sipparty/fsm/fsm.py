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
       waiting callers are notified         where the state changes

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
from collections.abc import Callable, Iterator
from itertools import count
from math import isfinite
from operator import attrgetter
from typing import Any, ClassVar

from sipparty.concurrency.waiting import Watchable
from sipparty.errors import TableError, UnexpectedInput, UsageError
from sipparty.fsm.table import Move, Plan, Row, StateNames, Timer, compile_plan
from sipparty.fsm.timers import OWNER, Entry, Timers

__all__ = ["FSM"]

_log = logging.getLogger(__name__)

#: How an input in line is to be taken; a timer's is its entry instead.
_HIT = True
_HEAR = False

#: What a machine is doing: nothing, one transition, or its line, whose next input is to be run.
_IDLE, _RUNNING, _IN_LINE = range(3)

#: From so many seconds on, and for no number at all, a delay is looked at more closely.
_LONG = 1e9


class _Drawing:
    """A method without arguments that draws the class or the instance it is called on, by a
    function of `sipparty.fsm.drawing`.
    """

    def __init__(self, draw: str, doc: str = "") -> None:
        self._draw = draw
        self.__doc__ = doc

    def __get__(self, machine: Any, owner: type[FSM]) -> Any:
        from sipparty.fsm import drawing

        view = drawing.view_of(owner if machine is None else machine)
        draw: Any = getattr(drawing, self._draw)
        return lambda: draw(view)


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
        "_line",
        "_mode",
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
    #: Gives a class its moves: those of its plan, or what `sipparty.fsm.watching` has made of them.
    _moves_of: ClassVar[Callable[[Plan], dict[str, dict[str, Move]]]] = attrgetter("moves")
    _numbers: ClassVar[Iterator[int]] = count(1)

    _armed: dict[str, Entry] | None
    _line: deque[tuple[str, tuple[Any, ...], bool | Entry]] | None
    _mode: int
    _number: int
    _scheduler: Timers | None
    unheard: int

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        plan = None if abstract else compile_plan(cls)
        cls.plan = plan
        cls.States = StateNames(cls.__name__, () if plan is None else plan.states)
        cls._moves = {} if plan is None else FSM._moves_of(plan)
        cls._numbers = count(1)

    def __init__(self, scheduler: Timers | None = None) -> None:
        plan = self.plan
        if plan is None:
            raise TableError(f"{type(self).__name__!r} is abstract: it has no table to run by.")
        self._armed = None
        self._line = None
        self._mode = _IDLE
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
                self._armed = self._armed or {}
                self._armed[timer.input] = self.scheduler.arm(seconds, self, timer.input)

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
        # All of law 1 is here, in one function: machines run for every message.
        mode = self._mode
        if mode is _RUNNING:
            self._enqueue(input, args, _HIT)
            return
        old = self.state
        try:
            new, actions, change = self._moves[old][input]
        except KeyError:
            raise self._unexpected(input) from None
        self._mode = _RUNNING
        line = self._line
        ahead = 0 if line is None else len(line)
        try:
            try:
                for action in actions:
                    action(self, *args)
                if change is not None:
                    leave, disarm, arm, changed, enter = change
                    if leave is not None:
                        leave(self)
                    delays = []  # read before anything is changed
                    for timer in arm:
                        seconds: Any = timer.delay
                        if seconds.__class__ is str:
                            seconds = getattr(self, seconds)
                        if seconds.__class__ is not float or not -_LONG < seconds < _LONG:
                            seconds = self._checked(timer, seconds)
                        delays.append(seconds)
            except BaseException:
                self._withdraw(ahead)
                raise
            self.state = new
            try:
                if change is not None:
                    armed, scheduler = self._armed, self._scheduler
                    if armed:
                        for gone in disarm:
                            entry = armed.pop(gone, None)
                            if entry is not None:
                                scheduler.cancel(entry)  # type: ignore[union-attr]
                        if not armed:
                            armed = self._armed = None  # calls stand long: an empty one is not kept
                    for timer, seconds in zip(arm, delays, strict=True):
                        if seconds is not None:
                            if armed is None:
                                armed = self._armed = {}
                            if seconds > 0.0 and scheduler is not None:
                                entry = scheduler.arm(seconds, self, timer.input)
                                armed[timer.input] = entry
                            else:
                                self._arm(timer.input, seconds)
                    if changed is not None:
                        changed(self, old, input, new)
                    if enter is not None:
                        enter(self)
            finally:
                self._entered = new  # before the watchers are read: law 2 of `waiting`
                watchers = self._watchers
                if watchers is not None and new != old:
                    for watcher in watchers:
                        watcher.notify(new)
        except Exception:
            if mode is _IDLE and self._line:
                self._run_line(failed=True)
            raise
        else:
            if mode is _IDLE and self._line:
                self._run_line()
        finally:
            self._mode = mode

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
        if self._mode is _RUNNING:
            self._enqueue(input, args, _HEAR)
        elif input in self._moves[self.state]:
            self.hit(input, *args)
        else:
            self.unheard += 1
            self.on_unheard(input)
            return False
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
        entry = None if self._armed is None else self._armed.pop(input, None)
        if entry is not None:
            self.scheduler.cancel(entry)
        if seconds is not None:
            self._arm(input, seconds)
        if self._line and self._mode is _IDLE:
            self._run_line()

    # What it looks like.

    @property
    def name(self) -> str:
        """The class's name and a number that counts its instances as they are made, from 1."""
        return f"{type(self).__name__}{self._number}"

    text = _Drawing("text", "The machine as text, for people.")
    dot = _Drawing("dot", "The machine in the language of Graphviz.")
    mermaid = _Drawing("mermaid", "The machine as a Mermaid state diagram.")
    svg = _Drawing(
        "svg", "The machine as a picture (SVG), with the way that it came if it is known."
    )
    _repr_html_ = _Drawing("svg", "The machine for a notebook.")

    def __str__(self) -> str:
        """The machine as text: its states, inputs, actions and timers, and where it is now."""
        # Not by `self.text`, so that `FSM.__str__(machine)` shows the machine whatever a subclass
        # has.
        shown: str = _Drawing("text").__get__(self, type(self))()
        return shown

    def __repr__(self) -> str:
        return f"<{self.name} in state {self.state!r}>"

    # The line.

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
        """Run the line to its end: law 3. `failed` says that an error is being raised already."""
        line = self._line
        assert line is not None
        mode = self._mode
        first: Exception | None = None
        self._mode = _IN_LINE
        try:
            while line:
                input, args, kind = line.popleft()
                try:
                    if kind is _HIT:
                        self.hit(input, *args)
                    elif kind is _HEAR:
                        self.hear(input, *args)
                    else:
                        self._run_timer(input, kind)  # type: ignore[arg-type]
                except Exception as error:
                    if failed or first is not None:
                        _log.exception("%s raised another error on input %r.", self.name, input)
                    else:
                        first = error
            self._line = None
        finally:
            self._mode = mode
        if first is not None:
            try:
                raise first
            finally:
                first = None  # it holds this frame, which holds it

    def _unexpected(self, input: str) -> UnexpectedInput:
        error = UnexpectedInput(
            f"Bad input {input!r} to {type(self).__name__!r} instance {self.name!r}"
            f" (current state {self.state!r})."
        )
        _log.error("%s", error)
        return error

    # Running timers.

    def _fire(self, input: str, /) -> None:
        """Take the input of a timer whose time has come; called by `Timers`."""
        entry = None if self._armed is None else self._armed.get(input)
        if entry is None or entry[OWNER] is not None:
            self.hit(input)  # armed by somebody else, in the machine's name
        elif self._mode is _IDLE and not self._line:
            self._run_timer(input, entry)
        else:
            self._enqueue(input, (), entry)
            if self._mode is _IDLE:
                self._run_line()

    def _run_timer(self, input: str, entry: Entry) -> None:
        armed = self._armed
        if armed is None or armed.get(input) is not entry:
            return  # law 5: disarmed, or armed anew, since it fell due
        del armed[input]
        try:
            self.hit(input)
        finally:
            assert self.plan is not None
            timer = self.plan.timers[input]
            armed = self._armed
            if timer.repeat and self.state in timer.states and input not in (armed or ()):
                # Not in line even for "at once": that would be a line without an end.
                seconds = self._seconds(timer)
                if seconds is not None:
                    if armed is None:
                        armed = self._armed = {}
                    armed[input] = self.scheduler.arm(seconds, self, input)

    def _seconds(self, timer: Timer) -> float | None:
        """The delay of a timer: what the table says, or what the machine has by that name."""
        delay = timer.delay
        return self._checked(timer, getattr(self, delay) if isinstance(delay, str) else delay)

    def _checked(self, timer: Timer, seconds: Any) -> float | None:
        if callable(seconds):
            seconds = seconds()
        if seconds is None:
            return None
        if not isinstance(seconds, int | float) or not isfinite(seconds):
            raise UsageError(
                f"The delay {timer.delay!r} of timer {timer.input!r} of {self.name!r} is"
                f" {seconds!r}, not a finite number of seconds or None."
            )
        return seconds

    def _arm(self, input: str, seconds: float) -> None:
        """Arm a timer; one for "at once" gets in line without going through the queue."""
        armed = self._armed
        if armed is None:
            armed = self._armed = {}
        scheduler = self._scheduler
        if scheduler is None:
            scheduler = self.scheduler
        if seconds > 0.0:
            armed[input] = scheduler.arm(seconds, self, input)
        else:
            entry = armed[input] = Entry((scheduler.now, 0, None, input))
            self._enqueue(input, (), entry)
