"""State machines as data: tables that are checked, compiled, run and drawn.

A machine is a subclass of `FSM` with a `table` of `Row`s and the `timers` its states own:

    ===========================  =====================================================
    `table`, `timers`            what a machine is made of: `Row`, `Timer`
    `FSM`                        running it: `hit`, `hear`, timers, hooks
    `Timers`                     the queue of timers that many machines share
    `waitForStateCondition`      waiting for a state in a thread, `stateCondition` in a coroutine
    `Portal`, `verb`             machines that live on another thread
    `svg`, `text`, `dot`, ...    what a machine looks like
    ===========================  =====================================================

Nothing here reads a clock: time comes in as an argument.
"""

from sipparty.concurrency.waiting import HasPortal, Portal, verb
from sipparty.errors import TableError, Timeout, UnexpectedInput, WouldDeadlock
from sipparty.fsm.fsm import FSM
from sipparty.fsm.table import Row, StateNames, Timer
from sipparty.fsm.timers import Entry, TimerOwner, Timers

__all__ = [
    "FSM",
    "Entry",
    "HasPortal",
    "Portal",
    "Row",
    "StateNames",
    "TableError",
    "Timeout",
    "Timer",
    "TimerOwner",
    "Timers",
    "UnexpectedInput",
    "WouldDeadlock",
    "verb",
]
