r"""A tap on the wire: every message sent and received, to the log and to whoever else wants it.

Laws:

1. One `Wire` belongs to one engine. Its transports tell it each message once, and the messages of a
   stream one by one, as they went over the wire: before anything was added on receipt.
2. While nobody listens it costs one attribute: a transport asks `wire.enabled` first and makes
   nothing for it. No clock is read here; the time comes with the message.
3. A tap is a callable that takes a `WireRecord`. It runs on the engine's thread, so it must be
   quick. One that raises is taken off the wire and its error is logged: watching must not stop the
   traffic.
4. What is logged cannot forge the log. Every line of a message ends in a visible ``\r\n`` or is
   the last; control characters, the marks that turn writing around, and bytes that are not UTF-8
   are shown as escapes, and a backslash as two. So the text can be turned back into the bytes.
5. Nothing is masked. SIP sends no passwords (RFC 3261 §22), only digests, but a log shows who calls
   whom: keep it as you would keep a bill.

The log, at level INFO, for a message that went out and one that came in:

    Sent ('127.0.0.1', 49885) -> ('127.0.0.1', 5060)        received ('127.0.0.1', 5060) -> (...)
    >>>>>                                                   <<<<<
    OPTIONS sip:bob@biloxi.com SIP/2.0\r\n                  SIP/2.0 200 OK\r\n
    ...                                                     ...
    >>>>>                                                   <<<<<
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

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
    "show",
]

#: The logger that the messages go to.
LOGGER: Final = "sipparty.messages"

_log = logging.getLogger(__name__)

#: An address as a socket gives it: host and port, with flow information and scope for IPv6.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_Address = tuple[str, int]

#: Direction: (verb in the log, fence around the message).
_STYLES: Final = {"sent": ("Sent", ">>>>>"), "received": ("received", "<<<<<")}

#: Characters with an escape of their own; other unprintable ones get a number.
_ESCAPES: Final = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t"}

#: What a socket that is bound to every address of a host calls itself.
_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True)
class WireRecord:
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

    @property
    def source(self) -> tuple[str, int]:
        """Where the message came from."""
        return self.local if self.direction == "sent" else self.remote

    @property
    def destination(self) -> tuple[str, int]:
        """Where the message went."""
        return self.remote if self.direction == "sent" else self.local


#: What can be added to a `Wire`. One that has an attribute `enabled` is told only while that is
#: true, and a wire all of whose taps say no is not enabled.
Tap = Callable[[WireRecord], object]

_T = TypeVar("_T", bound=Tap)


def show(data: bytes) -> str:
    r"""Write bytes from the wire as text that is safe to print.

    Args:
        data: A message, well-formed or not.

    Returns:
        The message, a line to a line; each line that ended in CRLF ends in a visible ``\r\n``.
        What is printable UTF-8 stays; the rest is escaped: bytes that are not UTF-8 as ``\xNN``,
        characters as ``\t``, ``\r``, ``\n``, ``\uNNNN`` or ``\UNNNNNNNN``, a backslash as two.
        There is no newline at the end.
    """
    lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    last = lines.pop()
    shown = [_show_line(line) + "\\r\\n" for line in lines]
    if last or not shown:
        shown.append(_show_line(last))
    return "\n".join(shown)


def describe(record: WireRecord) -> str:
    """Write a record as the log shows it: who to whom, then the message between fences."""
    verb, fence = _STYLES[record.direction]
    head = f"{verb} {record.source!r} -> {record.destination!r}"
    return f"{head}\n{fence}\n{show(record.data)}\n{fence}"


class LogTap:
    """The tap that writes to the log.

    The log record carries the `WireRecord` as its attribute `wire`, for handlers and filters.

    Args:
        logger: The logger to write to; `sipparty.messages` by default.
        level: The level to write at; `logging.INFO` by default.
    """

    __slots__ = ("_level", "_logger")

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logging.getLogger(LOGGER) if logger is None else logger
        self._level = level

    @property
    def enabled(self) -> bool:
        """Whether the level is on; the logger remembers the answer, so this is cheap."""
        return self._logger.isEnabledFor(self._level)

    def __call__(self, record: WireRecord) -> None:
        """Log one record."""
        self._logger.log(self._level, describe(record), extra={"wire": record})


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
    """What an engine's transports tell their messages to, and what taps are added to.

    `add`, `remove` and `tapped` may be called on any thread. A transport does:

        if wire.enabled:
            wire.sent(data, local, remote, "UDP", time.time())

    Args:
        taps: The first taps; a `LogTap` alone by default.
    """

    __slots__ = ("_always", "_asked", "_lock", "_taps")

    def __init__(self, taps: Iterable[Tap] | None = None) -> None:
        self._lock = threading.Lock()
        self._set(() if taps is not None else (LogTap(),))
        for tap in taps or ():
            self.add(tap)

    @property
    def enabled(self) -> bool:
        """Whether anybody listens."""
        if self._always:
            return True
        # A plain loop costs a third of any(): this runs for every message.
        for tap in self._asked:  # noqa: SIM110
            if tap.enabled:
                return True
        return False

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The taps on the wire, in the order they are told."""
        return self._taps

    def add(self, tap: _T) -> _T:
        """Put a tap on the wire, and give it back, so that this can decorate a function.

        A tap that is there already is not told twice.
        """
        with self._lock:
            if tap not in self._taps:
                self._set((*self._taps, tap))
        return tap

    def remove(self, tap: Tap) -> None:
        """Take a tap off the wire; nothing happens if it is not there."""
        with self._lock:
            self._set(tuple(other for other in self._taps if other != tap))

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
        """Tell the taps that a message went out.

        Args:
            data: The message's bytes.
            local: Where it was sent from.
            remote: Where it was sent to.
            transport: As a Via header spells it.
            time: Seconds since the epoch.
        """
        self._tell(WireRecord(time, "sent", transport, local[:2], remote[:2], data))

    def received(
        self, data: bytes, local: SocketAddress, remote: SocketAddress, transport: str, time: float
    ) -> None:
        """Tell the taps that a message came in; the arguments are those of `sent`."""
        self._tell(WireRecord(time, "received", transport, local[:2], remote[:2], data))

    def _tell(self, record: WireRecord) -> None:
        for tap in self._taps:
            try:
                if getattr(tap, "enabled", True):
                    tap(record)
            except Exception:
                self.remove(tap)
                _log.exception("A tap raised and was taken off the wire: %r", tap)

    def _set(self, taps: tuple[Tap, ...]) -> None:
        """Exchange the tuples whole, so that the engine's thread needs no lock to read them."""
        self._taps = taps
        self._asked = tuple(tap for tap in taps if hasattr(tap, "enabled"))
        self._always = len(self._asked) < len(taps)


class Echoes:
    """Tells the second report of a message from the first.

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
        other = "received" if record.direction == "sent" else "sent"
        waiting = self._waiting.get((other, *ends))
        for first in waiting or ():
            if _same_host(first.source, record.source) and _same_host(
                first.destination, record.destination
            ):
                assert waiting is not None
                waiting.remove(first)
                if not waiting:
                    del self._waiting[(other, *ends)]
                self._learn(first.source, record.source)
                self._learn(first.destination, record.destination)
                return True
        key = (record.direction, *ends)
        self._waiting.setdefault(key, deque(maxlen=self._SAME)).append(record)
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


def _same_host(one: _Address, other: _Address) -> bool:
    if one[0] == other[0] or one[0] in _WILDCARDS or other[0] in _WILDCARDS:
        return True
    return _bare(one[0]) == _bare(other[0])


def _bare(host: str) -> str:
    """A host without an IPv6 scope, and without the prefix that maps IPv4 (RFC 4291 §2.5.5.2)."""
    host = host.partition("%")[0].lower()
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def _show_line(line: str) -> str:
    if line.isprintable() and "\\" not in line:
        return line
    return "".join(map(_show_char, line))


def _show_char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # where `surrogateescape` puts a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
