"""Where messages begin and end in a stream (RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1, §4.4.1).

    framer = StreamFramer()
    for event in framer.feed(data):      bytes, Ping, Pong, FramingFailed

Laws:

* The events do not depend on how the stream was cut into pieces; with one exception, a `Pong`.
* Lines end in CRLF. Some senders end them in LF alone: such a head is found too, and empty lines of
  that kind between messages mean nothing.
* A message is what stands from its first byte to the end of its body. Its length is given by
  Content-Length alone; without one a message in a stream has no end, which is an error (§18.3).
* Two CRLFs between messages are a `Ping`. A single one means nothing (RFC 3261 §7.5), unless a ping
  of ours has no answer yet: then it is a `Pong`, at once, as nothing may follow.
* While a pong is awaited, an even number of CRLFs in one piece are pings of the peer's alone; of an
  odd number the first is the pong. A ping that comes in two pieces is taken for a pong first, and
  for a ping as well: so pings are found alike however the stream was cut.
* Nothing is raised: what cannot be framed is a `FramingFailed`, after the events before it. Where
  the stream's next message cannot be found, that is the last event; what is fed later is dropped.
* No byte is looked at more than a fixed number of times, however the stream is cut, and no more is
  held than `Limits` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.sip.limits import Limits

__all__ = [
    "FramingError",
    "FramingFailed",
    "Ping",
    "Pong",
    "StreamEvent",
    "StreamFramer",
]


class FramingError(ParseError):
    """A stream does not hold what it should, or more than it may.

    `status` is the SIP status to answer with where what is left of the head allows an answer: 400,
    413 (the body is too large) or 513 (the head is).
    """


@dataclass(frozen=True, slots=True)
class Ping:
    """A double CRLF came: whoever serves the flow answers with one CRLF (RFC 5626 §4.4.1)."""


@dataclass(frozen=True, slots=True)
class Pong:
    """A CRLF came while the answer to a ping of ours was awaited (RFC 5626 §4.4.1)."""


@dataclass(frozen=True, slots=True)
class FramingFailed:
    """Something came that is no message, or not one to be taken.

    Args:
        error: What is wrong, with the status to answer with.
        head: The message's head with its empty line, as far as it is known: what an answer can be
        made of. It may not parse.
        fatal: Whether the next message cannot be found: answer, then close the connection.
    """

    error: FramingError
    head: bytes = field(repr=False)
    fatal: bool


#: What `StreamFramer.feed` gives; bytes are a whole message, with nothing before or after.
StreamEvent = bytes | Ping | Pong | FramingFailed

#: The end of a head, as it should be; what ends it where a line ends in CRLF, and in LF alone.
_END, _EMPTY, _BARE = b"\r\n\r\n", b"\n\r\n", b"\n\n"
#: What a start line begins with: a method or "SIP/2.0" (RFC 3261 §25.1 `token`).
_FIRST = frozenset(b"-.!%*_+`'~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
#: A Content-Length header up to its value, which may be folded (RFC 3261 §7.3.1, §7.3.3).
_LENGTH = late_pattern(rb"\n(?:content-length|l)[ \t]*+:((?:[^\n]++|\n[ \t])*+)", re.I)
#: Digits beyond which a length is too large to be looked at.
_MAX_DIGITS = 15
_WHAT = "stream of SIP messages"


class StreamFramer:
    """Cuts one direction of a connection into messages.

    Args:
        limits: How much may be held.

    Attributes:
        idle: Whether the stream may end here: it stands between messages.
        broken: Whether a fatal failure was found: the connection is to be closed.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._max_head = self._limits.max_head
        if self._limits.max_pending is not None:
            self._max_head = min(self._max_head, self._limits.max_pending - len(_END))
        #: What came and is not done with; begins where the current message does.
        self._buffer = bytearray()
        #: How much of the buffer is known not to hold the end of the head.
        self._seen = 0
        #: The length of the head with its empty line, once it is known; else 0.
        self._head = 0
        #: The length of the whole message, once the head is known.
        self._length = 0
        #: How much of a refused body is still to come.
        self._skip = 0
        #: Whether one CRLF came that a second would make a ping.
        self._blank = False
        #: Whether a ping of ours has no answer yet.
        self._awaited = False
        self.broken = False
        self.idle = True

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished message are held; 0 between messages."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[StreamEvent]:
        """Take what was read from the connection and return what it completes, in order.

        Args:
            data: Any piece of the stream; it is copied.
        """
        events: list[StreamEvent] = []
        if self.broken:
            return events
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = memoryview(data)[skipped:]
        buffer = self._buffer
        buffer += data
        start = 0
        while start < len(buffer):
            if not self._head:
                if not self._seen and buffer[start] in b"\r\n":
                    at = self._pass_blanks(start, events)
                    if at > start:
                        start = at
                        continue
                event = self._find_head(start)
                if event is not None:
                    start = self._fail(event, start, events)
                    continue
                if not self._head:
                    break
            stop = start + self._length
            if len(buffer) < stop:
                break
            with memoryview(buffer) as view:
                events.append(bytes(view[start:stop]))
            self._seen = self._head = 0
            self._blank = False
            start = stop
        del buffer[:start]
        self.idle = not (buffer or self._skip or self.broken)
        return events

    def _pass_blanks(self, start: int, events: list[StreamEvent]) -> int:
        """Take the CRLFs before a start line and return the position after them."""
        buffer = self._buffer
        stop = start
        count = 0
        while True:
            if buffer.startswith(b"\r\n", stop):
                stop += 2
                count += 1
            elif buffer.startswith(b"\n", stop):
                stop += 1
            else:
                break
        if count and self._awaited:
            # RFC 5626 §4.4.1: one is a pong, two are a ping. What was left of an earlier pair was a
            # pong itself, or nothing.
            self._blank = False
            if count % 2:
                self._awaited = False
                events.append(Pong())
        for _ in range(count):
            if self._blank:
                events.append(Ping())
            self._blank = not self._blank
        return stop

    def expect_pong(self, expected: bool = True) -> None:
        """Take note that a ping went out, or that its answer is waited for no longer.

        Args:
            expected: Whether a single CRLF between messages is to be taken for a pong from now on.
        """
        self._awaited = expected

    def _find_head(self, start: int) -> FramingFailed | None:
        """Look for the end of the head and for Content-Length in it; return what is wrong."""
        buffer, limits = self._buffer, self._limits
        first = buffer[start]
        if first not in _FIRST:
            if first == 0x0D and len(buffer) == start + 1:
                return None  # half a CRLF
            return self._failure(buffer[start : start + 1], "a start line", 400, b"")
        # The end may have begun in what was searched before.
        since = start + max(0, self._seen - len(_END) + 1)
        limit = start + self._max_head + len(_END)
        # The first empty line, whichever it is.
        end, size = buffer.find(_EMPTY, since, limit), len(_EMPTY)
        bare = buffer.find(_BARE, since, limit if end < 0 else end + 1)
        if bare >= 0:
            end, size = bare, len(_BARE)
        if end < 0:
            self._seen = min(len(buffer), limit) - start
            if len(buffer) < limit:
                return None
            head = bytes(buffer[start : start + self._max_head])
            return self._failure(head, f"a head of at most {self._max_head} bytes", 513, head)
        self._head = end + size - start
        with memoryview(buffer) as view:
            head = bytes(view[start : start + self._head])
        length = _content_length(head)
        if isinstance(length, str):
            # RFC 4475 §3.1.2.3, §3.3.9: without a good length there is no next message.
            return self._failure(head, length, 400, head)
        most = limits.max_body
        if limits.max_pending is not None:
            most = min(most, limits.max_pending - self._head)
        if length > most:
            return self._failure(head, f"a body of at most {most} bytes", 413, head, length)
        self._length = self._head + length
        return None

    def _failure(
        self,
        text: bytes | bytearray,
        expected: str,
        status: int,
        head: bytes,
        length: int | None = None,
    ) -> FramingFailed:
        """Make the event; `length` is that of the body, where it is known."""
        error = FramingError(bytes(text), expected, None, what=_WHAT, status=status)
        fatal = length is None or length > self._limits.max_skip
        if not fatal and length is not None:
            self._skip = length
        return FramingFailed(error, head, fatal)

    def _fail(self, event: FramingFailed, start: int, events: list[StreamEvent]) -> int:
        """Give a failure and return where to go on."""
        events.append(event)
        buffer = self._buffer
        if event.fatal:
            self.broken = True
            return len(buffer)
        start += self._head
        skipped = min(self._skip, len(buffer) - start)
        self._skip -= skipped
        self._seen = self._head = 0
        self._blank = False
        return start + skipped


def _content_length(head: bytes) -> int | str:
    """Return the length that a head gives its body, or what it should have had.

    Header lines that say the same twice are let pass; what differs has no answer.
    """
    lengths: set[int] = set()
    for found in _LENGTH.finditer(head):
        text = found.group(1).replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t\r")
        if not text.isdigit():
            return f"digits as Content-Length, not {text[:40].decode('utf-8', 'replace')!r}"
        digits = text.lstrip(b"0")
        lengths.add(int(digits[: _MAX_DIGITS + 1] or b"0"))
    if not lengths:
        return "a Content-Length header"
    if len(lengths) > 1:
        return f"one Content-Length, not {' and '.join(str(n) for n in sorted(lengths)[:4])}"
    return lengths.pop()
