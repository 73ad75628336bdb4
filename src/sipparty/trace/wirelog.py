r"""Taps on the wire: every message sent and received, to the log and to whoever else wants it.

The log is on where the logger `sipparty.messages` is, at level INFO. To have less of it:

    logging.getLogger("sipparty.messages").setLevel(logging.WARNING)    nothing
    LogTap.short = True                                                 one line a message

Laws:

1. One `Wire` belongs to one engine. It is handed each message once, and the messages of a stream
   one by one, as they went over the wire: before anything was added on receipt.
2. While nobody listens it costs one call for each batch of messages: `wire.watched()` is asked
   first, and nothing is made for it. No clock is read here; the time comes with the message.
3. A tap is a callable that takes a `WireRecord`. It runs on the engine's thread, so it must be
   quick. One that raises is taken off the wire and its error is logged: watching must not stop the
   traffic.
4. What is logged is escaped (`show`) and its secrets are masked (`mask`); records have the bytes as
   they went. Both show caller and callee: keep it as you would keep a bill.

A message that went out and one that came in:

    Sent ('127.0.0.1', 49885) -> ('127.0.0.1', 5060)        received ('127.0.0.1', 5060) -> (...)
    >>>>>                                                   <<<<<
    OPTIONS sip:bob@biloxi.com SIP/2.0\r\n                  SIP/2.0 200 OK\r\n
    ...                                                     ...
    >>>>>                                                   <<<<<
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Literal, TypeVar

from sipparty.records import Record
from sipparty.trace.text import call_id, mask, one_line, show, summarise

__all__ = [
    "LOGGER",
    "Echoes",
    "LogTap",
    "Recorder",
    "SocketAddress",
    "Tap",
    "Wire",
    "WireRecord",
    "describe",
]

#: The logger that the messages go to.
LOGGER: Final = "sipparty.messages"

_log = logging.getLogger(__name__)

#: An address as a socket gives it: host and port, with flow information and scope for IPv6.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_Address = tuple[str, int]

#: Direction: (verb in the log, fence around the message).
_STYLES: Final = {"sent": ("Sent", ">>>>>"), "received": ("received", "<<<<<")}

#: What a socket that is bound to every address of a host calls itself.
_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


class WireRecord(Record):
    """One message on the wire, as one end saw it.

    Args:
        time: When, in seconds since the epoch (or on a test's own clock).
        direction: "sent" or "received", as seen by us.
        transport: As a Via header spells it: "UDP", "TCP", "TLS", "WS", "WSS".
        local: Our host and port.
        remote: The peer's host and port.
        data: The message's bytes.
    """

    time: float
    direction: Literal["sent", "received"]
    transport: str
    local: tuple[str, int]
    remote: tuple[str, int]
    data: bytes

    def __str__(self) -> str:
        return describe(self, short=True, masked=True)

    @property
    def call_id(self) -> str:
        """The message's Call-ID, whole; "" where it has none, or where it is no SIP message."""
        return call_id(self.data)

    @property
    def source(self) -> tuple[str, int]:
        """Where the message came from."""
        return self.local if self.direction == "sent" else self.remote

    @property
    def destination(self) -> tuple[str, int]:
        """Where the message went."""
        return self.remote if self.direction == "sent" else self.local


#: What can be added to a `Wire`. One that has an attribute `enabled` gets records only while that
#: is true, and a wire all of whose taps say no is not watched.
Tap = Callable[[WireRecord], object]

_T = TypeVar("_T", bound=Tap)


def describe(record: WireRecord, *, short: bool = False, masked: bool = False) -> str:
    """Write a record as the log shows it: source and destination, then the message between fences.

    Args:
        record: The record.
        short: One line in place of all of that: source and destination, what it is and how long.
        masked: Whether secrets are shown as ``***``.
    """
    verb, fence = _STYLES[record.direction]
    head = f"{verb} {record.source!r} -> {record.destination!r}"
    if short:
        what = summarise(record.data)
        call = f", Call-ID {one_line(what.call_id)}" if what is not None and what.call_id else ""
        shown = what or one_line(record.data)
        return f"{head} {record.transport}: {shown}, {len(record.data)} bytes{call}"
    return f"{head}\n{fence}\n{show(mask(record.data) if masked else record.data)}\n{fence}"


class LogTap:
    """The tap that writes to the log.

    The log record carries the `WireRecord` as its attribute `wire`, for handlers and filters; that
    has the message as it went.

    Args:
        logger: The logger to write to; `sipparty.messages` by default.
        level: The level to write at; `logging.INFO` by default.

    Attributes:
        short: Whether a message is one line; False by default. Set it on the class for every
            engine, on one engine's `wire.log` for that one.
        masked: Whether secrets are shown as ``***``; True by default. Set likewise.
        watched: Whether the level is on; a call without arguments, as cheap as the logger's own.
    """

    short: bool = False
    masked: bool = True

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logging.getLogger(LOGGER) if logger is None else logger
        self._level = level
        self.watched: Callable[[], bool] = partial(self._logger.isEnabledFor, level)

    @property
    def enabled(self) -> bool:
        """Whether the level is on."""
        return self.watched()

    def __call__(self, record: WireRecord) -> None:
        """Log one record."""
        text = describe(record, short=self.short, masked=self.masked)
        self._logger.log(self._level, text, extra={"wire": record})


class Recorder:
    """A tap that keeps the latest records, for a `Ladder` or a pcap file later on.

    Args:
        limit: How many records are kept; what bounds the memory that a long run takes.
    """

    __slots__ = ("_records",)

    def __init__(self, limit: int = 10_000) -> None:
        self._records: deque[WireRecord] = deque(maxlen=limit)

    def __call__(self, record: WireRecord) -> None:
        """Keep one record."""
        self._records.append(record)

    def __iter__(self) -> Iterator[WireRecord]:
        """The records so far, oldest first; those that come meanwhile are not among them."""
        return iter(self._records.copy())

    def __len__(self) -> int:
        """How many records are kept."""
        return len(self._records)

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()


class Wire:
    """What an engine hands its messages to, and what taps are added to.

    `add`, `remove` and `tapped` may be called on any thread. For each batch of messages:

        watched = wire.watched()
        ...
        if watched:
            wire.sent(data, local, remote, "UDP", wire.clock())

    Args:
        taps: The first taps; a `LogTap` alone by default.

    Attributes:
        log: The first `LogTap` of them; None where there is none.
        watched: Whether anybody listens; a call without arguments.
        clock: Gives the time of a message, in seconds since 1970; the system's by default.
    """

    __slots__ = ("_lock", "clock", "log", "taps", "watched")

    #: The taps on the wire, in the order they are called.
    taps: tuple[Tap, ...]
    watched: Callable[[], bool]
    clock: Callable[[], float]

    def __init__(self, taps: Iterable[Tap] | None = None) -> None:
        self.clock = time.time
        self._lock = threading.Lock()
        taps = dict.fromkeys((LogTap(),) if taps is None else taps)
        self.log = next((tap for tap in taps if isinstance(tap, LogTap)), None)
        self._set(tuple(taps))

    @property
    def enabled(self) -> bool:
        """Whether anybody listens."""
        return self.watched()

    def add(self, tap: _T) -> _T:
        """Put a tap on the wire, and give it back, so that this can decorate a function.

        A tap that is there already is not called twice.
        """
        with self._lock:
            if tap not in self.taps:
                self._set((*self.taps, tap))
        return tap

    def remove(self, tap: Tap) -> None:
        """Take a tap off the wire; nothing happens if it is not there."""
        with self._lock:
            self._set(tuple(other for other in self.taps if other != tap))

    @contextmanager
    def tapped(self, tap: _T) -> Generator[_T, None, None]:
        """Have a tap on the wire for the length of a `with` block."""
        self.add(tap)
        try:
            yield tap
        finally:
            self.remove(tap)

    def sent(
        self, data: bytes, local: SocketAddress, remote: SocketAddress, transport: str, time: float
    ) -> None:
        """Hand the taps a message that went out.

        Args:
            data: The message's bytes.
            local: Where it was sent from.
            remote: Where it was sent to.
            transport: As a Via header spells it.
            time: Seconds since the epoch.
        """
        self._report(WireRecord(time, "sent", transport, local[:2], remote[:2], data))

    def received(
        self, data: bytes, local: SocketAddress, remote: SocketAddress, transport: str, time: float
    ) -> None:
        """Hand the taps a message that came in; the arguments are those of `sent`."""
        self._report(WireRecord(time, "received", transport, local[:2], remote[:2], data))

    def _report(self, record: WireRecord) -> None:
        for tap in self.taps:
            try:
                if getattr(tap, "enabled", True):
                    tap(record)
            except Exception:
                self.remove(tap)
                _log.exception("A tap raised and was taken off the wire: %r", tap)

    def _set(self, taps: tuple[Tap, ...]) -> None:
        """Exchange the attributes whole, so that the engine's thread needs no lock to read them."""
        asked = [tap for tap in taps if hasattr(tap, "enabled")]
        self.taps = taps
        if len(asked) < len(taps) or not taps:
            self.watched = partial(bool, taps)
        elif len(asked) == 1 and isinstance(asked[0], LogTap):
            self.watched = asked[0].watched
        else:
            self.watched = lambda: any(tap.enabled for tap in asked)


class Echoes:
    """Recognises the second report of a message.

    Where both ends of a call are ours, a message is reported twice: sent by one, received by the
    other. It also learns which address a socket bound to all of them was reached at.

    Args:
        limit: How many different messages wait for their second report; bounds the memory where
            only one end is ours.
    """

    __slots__ = ("_limit", "_places", "_waiting")

    #: Reports of one and the same message that wait; the same bytes are seldom sent more often.
    _SAME = 16

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._waiting: OrderedDict[tuple[object, ...], deque[WireRecord]] = OrderedDict()
        self._places: dict[_Address, _Address] = {}

    def is_echo(self, record: WireRecord) -> bool:
        """Take the next record; True if the other end has reported the message before."""
        ends = (record.transport, record.source[1], record.destination[1], record.data)
        other = ("received" if record.direction == "sent" else "sent", *ends)
        waiting = self._waiting.get(other, ())
        for first in waiting:
            pairs = (first.source, record.source), (first.destination, record.destination)
            if all(_same_host(one[0], two[0]) for one, two in pairs):
                self._waiting[other].remove(first)
                if not waiting:
                    del self._waiting[other]
                for one, two in pairs:
                    self._learn(one, two)
                return True
        self._waiting.setdefault((record.direction, *ends), deque(maxlen=self._SAME)).append(record)
        if len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
        return False

    def place(self, address: tuple[str, int]) -> tuple[str, int]:
        """Return the one address that stands for all that this address is known by."""
        return self._places.get(address, address)

    def _learn(self, one: _Address, other: _Address) -> None:
        if one == other:
            return
        wild, known = (one, other) if one[0] in _WILDCARDS else (other, one)
        place = self._places.setdefault(wild, self.place(known))
        if known != place:
            self._places[known] = place


def _same_host(one: str, other: str) -> bool:
    return one == other or not _WILDCARDS.isdisjoint((one, other)) or _bare(one) == _bare(other)


def _bare(host: str) -> str:
    """A host without an IPv6 scope, and without the prefix that maps IPv4 (RFC 4291 §2.5.5.2)."""
    host = host.partition("%")[0].lower()
    return host[7:] if host.startswith("::ffff:") and "." in host else host
