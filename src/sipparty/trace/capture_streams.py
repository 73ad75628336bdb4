"""What was sent, put together again: IP datagrams of their fragments, SIP messages of TCP segments.

Laws:

1. Segments may come in any order, twice, or not at all. What is missing is waited for until `_HELD`
   bytes behind it are there; then it counts as lost, and the next message is looked for.
2. A stream whose beginning was not captured is read from the first message that begins in it; one
   in which none begins is not SIP.
3. What waits is bounded, whatever is in the capture.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from sipparty.late import late_pattern
from sipparty.sip.framing import FramingFailed, StreamFramer
from sipparty.sip.limits import Limits

__all__ = ["Fragments", "Stream", "is_sip"]

#: The first line of a message, where it begins.
_START: Final = late_pattern(
    rb"(?:[A-Za-z0-9.!%*_+`'~-]{1,64} [^\s]{1,4096} SIP/2\.0|SIP/2\.0 [0-9]{3} [^\r\n]*)\r?\n"
)
_START_OF_LINE: Final = late_pattern(rb"(?:^|\n)(?=" + _START.pattern + rb")")
#: Bytes behind a gap after which it is not waited for any more.
_HELD: Final = 1 << 18
#: Bytes without the beginning of a message after which a stream is not SIP.
_STRANGE: Final = 1 << 16
#: Datagrams that wait for fragments, at most.
_MOST: Final = 1024
_WORD: Final = 1 << 32


def is_sip(data: bytes) -> bool:
    """Whether a datagram begins as a SIP message does."""
    line = data[:8192].lstrip(b"\r\n")
    return _START.match(line) is not None


class _Pieces:
    """The fragments of a datagram so far."""

    __slots__ = ("data", "end", "size")

    def __init__(self) -> None:
        self.data: dict[int, bytes] = {}
        self.size = 0
        #: Where the last one ends, once it is there.
        self.end = _WORD

    def joined(self) -> bytes | None:
        """All of them; None where they overlap (RFC 5722 §3)."""
        at = 0
        for offset in sorted(self.data):
            if offset != at:
                return None
            at += len(self.data[offset])
        return b"".join(piece for _, piece in sorted(self.data.items()))


class Fragments:
    """Datagrams of their fragments (RFC 791 §3.2, RFC 8200 §4.5).

    Attributes:
        lost: How many were never whole.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: OrderedDict[object, _Pieces] = OrderedDict()

    def add(self, key: object, offset: int, more: bool, data: bytes) -> bytes | None:
        """Take a fragment; return the datagram's data where it is whole now.

        Args:
            key: What its datagram is known by.
            offset: Where it belongs, in bytes.
            more: Whether another follows it.
            data: Its data.
        """
        pieces = self._waiting.setdefault(key, _Pieces())
        pieces.size += len(data) - len(pieces.data.get(offset, b""))
        pieces.data[offset] = data
        if not more:
            pieces.end = offset + len(data)
        if pieces.size >= pieces.end:
            del self._waiting[key]
            whole = pieces.joined()
            self.lost += whole is None
            return whole
        if len(self._waiting) > _MOST:
            self._waiting.popitem(last=False)
            self.lost += 1
        return None

    def finish(self) -> None:
        """Count what waits still."""
        self.lost += len(self._waiting)
        self._waiting.clear()


class Stream:
    """One direction of a TCP connection.

    Attributes:
        gaps: How often bytes are missing.
        messages: How many messages were found.
    """

    __slots__ = (
        *("_at", "_framer", "_held", "_order", "_passed", "_rest", "_size"),
        *("gaps", "messages", "strange"),
    )

    def __init__(self) -> None:
        self.gaps = self.messages = 0
        #: Whether it is given up as something else.
        self.strange = False
        #: The place that comes next, a sequence number that goes on beyond 32 bits; None before
        #: the first.
        self._at: int | None = None
        #: The segments that wait, by their places; and those as a heap.
        self._held: dict[int, bytes] = {}
        self._order: list[int] = []
        self._size = 0
        #: What is looked through for the beginning of a message, while there is no framer, and how
        #: much was.
        self._rest = b""
        self._passed = 0
        self._framer: StreamFramer | None = None

    def add(self, sequence: int, syn: bool, data: bytes) -> Iterator[bytes]:
        """Take a segment, and give the messages that are whole now."""
        if syn:
            sequence = (sequence + 1) % _WORD
            if self._at is None or self._at % _WORD != sequence:
                self._begin(sequence)
        if self.strange or not data:
            return
        if self._at is None:
            self._at = sequence
        self._hold(sequence, data)
        yield from self._flow()
        if self._size > _HELD:
            yield from self._skip()

    def finish(self) -> Iterator[bytes]:
        """Give what is behind gaps that were never filled."""
        while self._held and not self.strange:
            yield from self._skip()

    def _begin(self, sequence: int) -> None:
        """Begin anew: the ports are used once more."""
        self._at, self._framer, self._rest = sequence, None, b""
        self._held, self._order, self._size, self.strange = {}, [], 0, False

    def _hold(self, sequence: int, data: bytes) -> None:
        assert self._at is not None
        ahead = (sequence - self._at) % _WORD
        place = self._at + (ahead if ahead < _WORD // 2 else ahead - _WORD)
        before = self._held.get(place)
        if before is None:
            heappush(self._order, place)
        elif len(data) <= len(before):
            return
        self._held[place] = data
        self._size += len(data) - len(before or b"")

    def _flow(self) -> Iterator[bytes]:
        """Give what is in sequence."""
        assert self._at is not None
        while self._order and self._order[0] <= self._at:
            place = heappop(self._order)
            data = self._held.pop(place)
            self._size -= len(data)
            data = data[self._at - place :]  # without what was there before: sent again
            if data:
                self._at += len(data)
                yield from self._read(data)

    def _skip(self) -> Iterator[bytes]:
        """Go on behind a gap."""
        self._at = self._order[0]
        self.gaps += bool(self.messages or self._framer is not None)
        self._framer, self._rest = None, b""
        yield from self._flow()

    def _read(self, data: bytes) -> Iterator[bytes]:
        if self._framer is None:
            ends = b"\n" in data
            data = self._rest + data
            found = _START_OF_LINE.search(data) if ends else None
            if found is None:
                # The last line, which is not whole yet, may be the first of a message.
                self._rest = data[max(0, data.rfind(b"\n"), len(data) - 8192) :]
                self._passed += len(data)
                self.strange = not self.messages and self._passed > _STRANGE
                return
            data, self._rest = data[found.end() :], b""
            self._framer = StreamFramer(Limits())
        for event in self._framer.feed(data):
            if isinstance(event, bytes):
                self.messages += 1
                yield event
            elif isinstance(event, FramingFailed) and event.fatal:
                self._framer = None
                self.gaps += 1
                return
