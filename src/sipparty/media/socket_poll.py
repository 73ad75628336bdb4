"""Reading the sockets of many streams without waking a loop for each packet.

Laws:

* The sockets of a loop are in one `epoll` object. While the media clock ticks often enough, they
  are looked at with each tick, just before what came is played, and the loop is not woken; a packet
  waits for `clock.MAX_GAP` at most. Else the loop wakes when one of them has something.
* Sockets are read in turn, one datagram each, and again while there is more, up to `BATCH` times;
  then the loop has its turn, and reading goes on: a flood at one of them keeps none waiting.
* A reader that raises is logged; the others do not notice.

Only Linux has `epoll`; elsewhere, and where the system has no file descriptor for one, a loop
watches each socket by itself.
"""

from __future__ import annotations

import asyncio
import logging
import select
import weakref
from collections.abc import Callable
from typing import Final

from sipparty.concurrency.host import open_socket_of_system, opener
from sipparty.media.clock import MediaClock

__all__ = ["BATCH", "SocketPoll"]

_log = logging.getLogger(__name__)

#: Datagrams that one wake-up reads from a socket at most.
BATCH: Final = 32


class SocketPoll:
    """The sockets of one loop; `SocketPoll.of(loop)` gives the one it has."""

    _polls: weakref.WeakValueDictionary[int, SocketPoll] = weakref.WeakValueDictionary()

    __slots__ = ("__weakref__", "_again", "_clock", "_epoll", "_loop", "_readers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: dict[int, Callable[[], object]] = {}
        self._clock = MediaClock.of(loop)
        self._epoll: select.epoll | None = None
        #: What will go on reading.
        self._again: asyncio.Handle | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> SocketPoll:
        """That which all of a loop share, for as long as somebody holds it."""
        poll = cls._polls.get(id(loop))
        if poll is None:
            poll = cls._polls[id(loop)] = cls(loop)
        return poll

    def add(self, number: int, read: Callable[[], object]) -> None:
        """Call `read` when a socket has something; it reads one datagram.

        Args:
            number: Its file descriptor.
            read: What is called.
        """
        if self._epoll is None and not self._readers:
            # The sockets of a loop's own network are none of the system's.
            self._epoll = _make_epoll() if opener(self._loop) is open_socket_of_system else None
            if self._epoll is not None:
                self._loop.add_reader(self._epoll.fileno(), self.read)
                self._clock.attach(self)
        self._readers[number] = read
        if self._epoll is None:
            self._loop.add_reader(number, self._read_one, number)
        else:
            self._epoll.register(number, select.EPOLLIN)

    def remove(self, number: int) -> None:
        """Look at a socket no more; before it is closed."""
        if self._readers.pop(number, None) is None:
            return
        epoll = self._epoll
        if epoll is None:
            if not self._loop.is_closed():
                self._loop.remove_reader(number)
            return
        epoll.unregister(number)
        if not self._readers:
            self._clock.attach(None)
            self.rely_on_clock(True)
            epoll.close()
            self._epoll = None

    def rely_on_clock(self, often: bool) -> None:
        """Have the loop wake for packets, or not because the clock has them read."""
        if self._epoll is None or self._loop.is_closed():
            return
        if often:
            self._loop.remove_reader(self._epoll.fileno())
        else:
            self._loop.add_reader(self._epoll.fileno(), self.read)

    def read(self) -> None:
        """Read what has come."""
        epoll, readers = self._epoll, self._readers
        for _ in range(BATCH):
            # It may be closed by what is read.
            ready = () if epoll is None or epoll.closed else epoll.poll(0)
            if not ready:
                return
            for number, _ in ready:
                read = readers.get(number)
                if read is not None:
                    try:
                        read()
                    except Exception:
                        _log.exception("Reading media failed.")
        if self._again is None:
            self._again = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._again = None
        self.read()

    def _read_one(self, number: int) -> None:
        try:
            self._readers[number]()
        except Exception:
            _log.exception("Reading media failed.")


def _make_epoll() -> select.epoll | None:
    try:
        return select.epoll()
    except (AttributeError, OSError):
        return None
