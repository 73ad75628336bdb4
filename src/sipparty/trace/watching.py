"""What one engine does, as records: its messages, the transitions of its machines, and what happens
in the media of its calls.

Laws:

1. It looks on: it sends nothing, answers nothing, and keeps no call alive. While it is not begun,
   the engine does not know of it.
2. The time of a record is the clock of the engine's wire, read when it happens; that of what has
   lasted, a key or the media of a call, is its beginning or its end, as the record says.
3. The sum of a call's media is made when the call ends: before the BYE, whoever sends that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from sipparty.errors import UsageError
from sipparty.fsm.watching import unwatch, watch
from sipparty.media.dtmf.events import DigitEnded, KeysSending
from sipparty.media.dtmf.keys import Press
from sipparty.media.events import MediaStarted, SessionOpened
from sipparty.sip.events import Event
from sipparty.trace.records import KeyRecord, MediaRecord, QualityRecord, StateRecord
from sipparty.trace.text import call_id
from sipparty.trace.wirelog import WireRecord

if TYPE_CHECKING:
    from sipparty.trace.packets import PacketTap

__all__ = ["EngineWatch", "Transition", "engines_of"]

_log = logging.getLogger(__name__)
_lock: Final = threading.Lock()

_Address = tuple[str, int]

#: Where a machine has the call that it is a part of, and where one that has none has a Call-ID.
_CALLS: Final = (("_call",), ("session", "call", "_dialog"))
_CALL_IDS: Final = (("_series", "call_id"), ("_request", "facts", "call_id"))
#: How often it is tried to find out the dialog of a call, which it has not when it is new.
_TRIES: Final = 4
#: Stands for an attribute that there is not.
_NONE: Final = object()
#: Machines that are remembered at a time; all are forgotten when there are more.
_MOST: Final = 100_000
#: How far back the BYE that has ended a call is looked for, in records.
_LOOK_BACK: Final = 64


def engines_of(things: Iterable[Any], name: str) -> list[Any]:
    """Return the engines of parties and engines, each once.

    Args:
        things: Parties and engines.
        name: What takes them, such as "Trace", for errors.

    Raises:
        UsageError: There is none, or one is neither.
    """
    engines = []
    for thing in things:
        engine = getattr(thing, "engine", thing)
        if not hasattr(engine, "wire"):
            raise UsageError(f"{name} takes parties and engines, not {thing!r}.")
        if engine not in engines:
            engines.append(engine)
    if not engines:
        raise UsageError(f"{name} takes a party or an engine, or several: {name}(alice).")
    return engines


class _Fan(tuple[Callable[[Event], object], ...]):
    """Several that watch the events of one core."""

    __slots__ = ()

    def __call__(self, event: Event) -> None:
        for one in self:
            one(event)


class _Known:
    """A machine, as its records call it.

    Args:
        machine: The machine.
    """

    __slots__ = ("began", "call_id", "kind", "local", "name", "remote", "tries")

    def __init__(self, machine: Any) -> None:
        self.name: str = machine.name
        self.kind = type(machine).__name__
        self.call_id = ""
        self.local: _Address | None = None
        self.remote: _Address | None = None
        self.tries = _TRIES
        #: When its media began; None before.
        self.began: float | None = None

    def learn(self, machine: Any) -> None:
        """Find out its call, and where its messages go from and to, as far as that is known."""
        self.tries -= 1
        flow = None
        state: Any = getattr(machine, "dialog_state", _NONE)
        if state is _NONE:
            self.tries = 0
            flow = getattr(machine, "flow", None)
            if flow is None and (call := _first(machine, _CALLS)) is not None:
                state = call.dialog_state
            else:
                # An answered request is not kept; the answer is.
                found = _first(machine, _CALL_IDS)
                self.call_id = found or call_id(getattr(machine, "_data", b"") or b"")
        if state is not None and state is not _NONE:
            self.call_id = state.call_id
            flow = state.invite_flow or state.back
        if flow is not None:
            self.local, self.remote = flow.local[:2], flow.remote[:2]


def _first(start: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    """What the first of some paths of attributes leads to; None where none leads anywhere."""
    for path in paths:
        value = start
        for name in path:
            value = getattr(value, name, None)
        if value:
            return value
    return None


class Transition(tuple[float, _Known, str, str, str, bool, tuple[tuple[str, float], ...]]):
    """A transition as it is kept; it becomes a `StateRecord` when somebody looks."""

    __slots__ = ()

    @property
    def record(self) -> StateRecord:
        """The record."""
        time, of, old, input, new, timer, armed = self
        return StateRecord(
            time, of.name, of.kind, of.call_id, old, input, new, timer, armed, of.local
        )


class EngineWatch:
    """Watches one engine.

    Args:
        engine: The engine.
        keep: Takes each record, on the thread where it happens.
        recent: Gives the latest records, so many at the most, the last one first.
        states: Whether transitions are wanted.
        media: Whether media is.
        packets: Takes RTP packets as `WireRecord`s; None where they are not wanted.
        interval: Seconds between two records of the quality of a call.
    """

    def __init__(
        self,
        engine: Any,
        keep: Callable[[Any], object],
        recent: Callable[[int], list[Any]],
        *,
        states: bool,
        media: bool,
        packets: Callable[[WireRecord], object] | None,
        interval: float,
    ) -> None:
        self.engine = engine
        #: Whose messages go from which address: URIs.
        self.names: dict[_Address, set[str]] = {}
        self._keep = keep
        self._recent = recent
        self._states, self._media, self._packets = states, media, packets
        self._interval = interval
        self._known: dict[tuple[type, int], _Known] = {}
        self._timer: Any = None

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of the wire."""
        clock: Callable[[], float] = self.engine.wire.clock
        return clock

    def begin(self) -> None:
        """Watch from now on; on any thread."""
        self._now = self.clock
        self.engine.wire.add(self._keep)
        if self._states or self._media:
            watch(self.engine.core.timers, self._moved)
        if self._media or self._packets is not None:
            self._watch_events(lambda watching: (*watching, self._happened))

    def end(self) -> None:
        """Watch no more; on any thread."""
        self.engine.wire.remove(self._keep)
        unwatch(self.engine.core.timers, self._moved)
        self._watch_events(lambda watching: [one for one in watching if one != self._happened])
        self.engine.post(self._stop_sampling)
        self._known.clear()

    def _watch_events(self, change: Callable[[Any], Any]) -> None:
        core = self.engine.core
        with _lock:
            core.watch = _Fan(change(core.watch or ())) or None

    # ---------------------------------------------------------------- machines

    def _moved(
        self,
        machine: Any,
        old: str,
        input: str,
        new: str,
        timer: bool,
        armed: tuple[tuple[str, float], ...],
    ) -> None:
        """Take a transition; for `sipparty.fsm.watching`."""
        kind = machine.__class__
        key = (kind, machine._number)
        known = self._known.get(key)
        if known is None or (known.tries and not (known.call_id and known.local)):
            known = self._learn(key, machine)
        if self._states:
            self._keep(Transition((self._now(), known, old, input, new, timer, armed)))
        if new != old:
            if self._media and (old == "InDialog" or new in kind.plan.final):
                self._sum_up(machine, known, old)
            if new in kind.plan.final:
                self._known.pop(key, None)

    def _learn(self, key: tuple[type, int], machine: Any) -> _Known:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = _Known(machine)
        try:
            known.learn(machine)
            agent = getattr(machine, "agent", None)
            if known.local is not None and agent is not None:
                self.names.setdefault(known.local, set()).add(agent.uri)
        except Exception:
            _log.exception("%s is not known well.", known.name)
        return known

    # ---------------------------------------------------------------- media

    def _happened(self, event: Event) -> None:
        """Take an event of media; for `Core.watch`."""
        try:
            call: Any = getattr(event, "call", None)
            if call is None:
                return
            if isinstance(event, SessionOpened):
                if self._packets is not None:
                    self._tap(event.session, call)
            elif self._media:
                self._note(event, call)
        except Exception:
            _log.exception("The event %s was not traced.", type(event).__name__)

    def _note(self, event: Event, call: Any) -> None:
        now = self._now()
        if isinstance(event, MediaStarted):
            self._of(call).began = now
            self.engine.post(self._begin_sampling)
        elif isinstance(event, DigitEnded):
            self._keep_key(call, now - (event.duration or 0), event.digit, event.duration, False)
        elif isinstance(event, KeysSending):
            self.engine.post(lambda: self._press(call, event.presses))

    def _press(self, call: Any, presses: tuple[Press, ...]) -> None:
        """Keep each key when it begins, while the call lasts and is watched."""
        watched = self._happened in (self.engine.core.watch or ())
        if not presses or call.state != "InDialog" or not watched:
            return
        first, *rest = presses
        if first.key:
            self._keep_key(call, self._now(), first.key, first.duration, True)
        if rest:
            after = first.duration + first.gap
            self.engine.loop.call_later(after, self._press, call, tuple(rest))

    def _of(self, call: Any) -> _Known:
        key = (type(call), call._number)
        known = self._known.get(key)
        return known if known is not None and known.local else self._learn(key, call)

    def _keep_key(
        self, call: Any, time: float, key: str, duration: float | None, sent: bool
    ) -> None:
        known = self._of(call)
        if known.local is not None and known.remote is not None:
            ends = known.local, known.remote
            way = "sent" if sent else "received"
            self._keep(KeyRecord(time, *ends, known.call_id, key, way, duration))  # type: ignore[arg-type]

    def _sum_up(self, call: Any, known: _Known, old: str) -> None:
        """Keep the sum of the media of a call that ends."""
        lines = getattr(getattr(call, "session", None), "lines", ())
        if not lines or old not in ("InDialog", "InitiatingDialog"):
            return
        try:
            time = self._end_of(known.call_id)
            for line in lines:
                if line.started and known.local is not None and known.remote is not None:
                    ends = known.local, known.remote
                    self._keep_quality(line, time, ends, known.call_id)
                    counts = line.statistics
                    lasted = None if known.began is None else max(0.0, time - known.began)
                    if not (counts.packets_sent or counts.packets_received or lasted):
                        continue  # hung up before the first packet
                    self._keep(
                        MediaRecord(
                            *(time, *ends, counts.packets_sent, counts.packets_received),
                            *(max(0, counts.lost), line.quality.codec, lasted, known.call_id),
                        )
                    )
        except Exception:
            _log.exception("The media of %s was not traced.", known.name)

    def _end_of(self, call: str) -> float:
        """When a call ends: now, or just before its BYE where that is what has come."""
        for record in self._recent(_LOOK_BACK):
            if (
                isinstance(record, WireRecord)
                and record.direction == "received"
                and record.data.startswith(b"BYE ")
                and record.call_id == call
            ):
                return record.time - 1e-6
        return self._now()

    def _keep_quality(
        self, line: Any, time: float, ends: tuple[_Address, _Address], call: str
    ) -> None:
        quality = line.quality
        if quality.packets_received:
            self._keep(
                QualityRecord(
                    *(time, *ends, call, quality.mos),
                    *(quality.loss, quality.jitter, quality.round_trip),
                )
            )

    # On the engine's thread.

    def _begin_sampling(self) -> None:
        if self._timer is None:
            self._timer = self.engine.loop.call_later(self._interval, self._sample)

    def _stop_sampling(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sample(self) -> None:
        """Keep the quality of each call that has media; again, while there is one."""
        self._timer = None
        sampled = False
        try:
            for agent in list(self.engine.core.directory.agents):
                for call in list(agent.dialogs):
                    known = self._of(call)
                    for line in getattr(call.session, "lines", ()):
                        if line.stream is not None and known.local and known.remote:
                            sampled = True
                            ends = known.local, known.remote
                            self._keep_quality(line, self._now(), ends, known.call_id)
        except Exception:
            _log.exception("The quality of calls was not traced.")
        if sampled:
            self._begin_sampling()

    def _tap(self, session: Any, call: Any) -> None:
        """Have the packets of a session seen."""
        from sipparty.trace.packets import PacketTap

        assert self._packets is not None
        host: str = getattr(getattr(session, "call", None), "place", ("",))[0]
        for line in getattr(session, "lines", ()):
            tap: PacketTap = PacketTap(host, call, self._packets, self._now)
            line.tap = tap
