"""Watching machines: every transition is shown to who asked, and costs nothing while nobody has.

Laws:

1. While nobody watches, machines run by their compiled tables (`Plan.moves`), as if this module
   were not there. While anybody does, each class has tables in their place that tell of each move.
2. Who watches says which machines by their `Timers`: those of one core. A machine without timers of
   somebody's is not seen.
3. A transition is shown when its state is set, its timers are armed, and before its hooks run; so
   what it makes other machines do comes after it, and what its actions did came before. One that
   an action made fail is not shown.
4. Who watches is called on the machine's thread, must be quick, and must not raise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from sipparty.fsm.fsm import FSM
from sipparty.fsm.table import Change, Move, Plan
from sipparty.fsm.timers import Timers

__all__ = ["See", "unwatch", "watch"]

#: Is shown a transition: the machine, the state before, the input, the state after, whether a timer
#: of the machine's own gave the input, and the timers that were armed, with their delays (seconds).
See: TypeAlias = Callable[[Any, str, str, str, bool, tuple[tuple[str, float], ...]], object]

_NOTHING: Final = Change(None, (), (), None, None)

#: Who watches the machines of which timers; exchanged whole, as other threads read it.
_watching: dict[Timers, tuple[See, ...]] = {}
_lock: Final = threading.Lock()


def watch(timers: Timers, see: See) -> None:
    """Show the transitions of the machines that have these timers, from now on; on any thread.

    Args:
        timers: Those of a core.
        see: Is shown each.
    """
    with _lock:
        others = _watching.get(timers, ())
        _watching[timers] = (*others, see)
        if len(_watching) == 1 and not others:
            _exchange(_watched)


def unwatch(timers: Timers, see: See) -> None:
    """Show no more; nothing happens where nobody watched."""
    with _lock:
        left = tuple(one for one in _watching.get(timers, ()) if one != see)
        if left:
            _watching[timers] = left
        elif _watching.pop(timers, None) is not None and not _watching:
            _exchange(_plain)


def _exchange(moves_of: Callable[[Plan], dict[str, dict[str, Move]]]) -> None:
    """Have each class run by other moves, and each that is made from now on."""
    FSM._moves_of = staticmethod(moves_of)
    for machine in _classes(FSM):
        if machine.plan is not None:
            machine._moves = moves_of(machine.plan)


def _classes(base: type[FSM]) -> Iterator[type[FSM]]:
    for one in base.__subclasses__():
        yield one
        yield from _classes(one)


def _plain(plan: Plan) -> dict[str, dict[str, Move]]:
    return plan.moves


def _watched(plan: Plan) -> dict[str, dict[str, Move]]:
    return {
        old: {
            input: _tell_of(move, input, any(one.input == input for one in plan.owned[old]))
            for input, move in moves.items()
        }
        for old, moves in plan.moves.items()
    }


def _tell_of(move: Move, input: str, timed: bool) -> Move:
    """A move that tells of itself.

    Args:
        move: The move.
        input: Its input.
        timed: Whether that may be given by a timer.
    """
    new, actions, change = move
    leave, disarm, arm, hook, enter = change or _NOTHING
    #: The machines (by `id`) whose timer has given the input that is being taken.
    fired: set[int] = set()

    def begin(machine: Any, *_: object) -> None:
        # Law 5 of `FSM`: a timer that fires is disarmed before its input is run.
        if input in (machine._armed or ()):
            fired.discard(id(machine))
        else:
            fired.add(id(machine))

    def tell(machine: Any, old: str, input: str, new: str) -> None:
        scheduler = machine._scheduler
        seers = _watching.get(scheduler)
        if seers is not None:
            armed: tuple[tuple[str, float], ...] = ()
            if arm and machine._armed:
                armed = tuple(
                    [
                        (each.input, round(machine._armed[each.input][0] - scheduler.now, 6))
                        for each in arm
                        if each.input in machine._armed
                    ]
                )
            by_timer = timed and id(machine) in fired
            for see in seers:
                see(machine, old, input, new, by_timer, armed)
        if hook is not None:
            hook(machine, old, input, new)

    if timed:
        actions = (begin, *actions)
    return new, actions, Change(leave, disarm, arm, tell, enter)
