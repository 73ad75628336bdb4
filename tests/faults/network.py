"""Networks of a test's own: namespaces of the Linux kernel, and what joins them.

    Space       a network namespace, and the way of an engine's thread into it
    join        a link between two spaces, which `nft`, `tc` and `ip link` can spoil
    Cable       a link between two spaces that is a thread of ours: it delays, reorders, duplicates

Laws:

* Only the engine's own thread is in a space: the test, and every other engine, stay where they are.
* Names are a process's own; whatever was made is removed, however the test ends.
* Where the system has no namespaces for this user, the test is skipped, and that says why.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sipparty.concurrency.engine import Engine

from ..interop.peer import require

__all__ = ["Cable", "Space", "Spaces", "join"]

_CLONE_NEWNET = 0x40000000
#: linux/if_tun.h: the request that makes an interface, one of whole IP packets without a header.
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_TUN = Path("/dev/net/tun")


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _enter(name: str) -> None:
    """Take the calling thread into a namespace."""
    with open(f"/run/netns/{name}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


class Space:
    """A network namespace.

    Args:
        name: Its name.
        address: The address of what will be its only interface.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def run(self, *command: str, text: str | None = None) -> None:
        """Run a program in it."""
        _run("ip", "netns", "exec", self.name, *command, text=text)

    def take(self, engine: Engine) -> Engine:
        """Have an engine's sockets be in it, from here on."""
        engine.run(_enter, self.name)
        return engine

    def up(self, interface: str) -> None:
        """Have its interface be there."""
        self.run("ip", "address", "add", f"{self.address}/24", "dev", interface)
        self.run("ip", "link", "set", interface, "up")

    def drop(self, rule: str = "") -> None:
        """Drop what comes in, or what a rule of nftables' language picks out of it."""
        chain = "type filter hook input priority 0; policy accept;"
        self.run(
            "nft", "-f", "-", text=f"table inet t {{\n chain c {{\n {chain}\n{rule} drop\n}}\n}}\n"
        )

    def heal(self) -> None:
        """Drop nothing any more."""
        self.run("nft", "flush", "ruleset")


class Spaces:
    """Makes spaces, and removes them."""

    _numbers = itertools.count()

    def __init__(self) -> None:
        require("ip")
        require("nft")
        self._made: list[Space] = []

    def make(self, address: str) -> Space:
        """Make one."""
        name = f"sipparty-{os.getpid()}-{next(self._numbers)}"
        done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
        if done.returncode:
            reason = f"no network namespaces here: {done.stderr.strip()}"
            if os.geteuid() == 0 and os.environ.get("SIPPARTY_REQUIRE_PEERS") == "1":
                pytest.fail(f"{reason}; SIPPARTY_REQUIRE_PEERS=1 says that there have to be.")
            pytest.skip(reason)
        space = Space(name, address)
        self._made.append(space)
        space.run("ip", "link", "set", "lo", "up")
        return space

    def close(self) -> None:
        """Remove them, with all that is in them."""
        for space in self._made:
            _run("ip", "netns", "del", space.name)


def join(one: Space, other: Space) -> None:
    """Link two spaces, each by its interface "wire"."""
    ends = ["ip", "link", "add", "wire", "netns", one.name, "type", "veth"]
    _run(*ends, "peer", "name", "wire", "netns", other.name)
    one.up("wire")
    other.up("wire")


#: What becomes of a packet, by its number in its direction, counted from 0: when copies of it get
#: there, in seconds from now; () for a packet that is lost.
Fate = Callable[[int], tuple[float, ...]]


class Cable:
    """A link between two spaces that does to each packet what it is told to.

    Args:
        one: A space.
        other: Another.
        fate: What becomes of each packet.
    """

    def __init__(self, one: Space, other: Space, fate: Fate) -> None:
        if not _TUN.exists():
            pytest.skip(f"{_TUN} is not there")
        self._fate = fate
        self._ends: list[int] = []
        self._stop = os.eventfd(0, os.EFD_NONBLOCK)
        # Interfaces are made in the space of the thread that makes them.
        opener = threading.Thread(target=self._open, args=(one, other))
        opener.start()
        opener.join()
        assert len(self._ends) == 2, "The interfaces were not made."
        self.numbers = [0, 0]
        self._thread = threading.Thread(target=self._carry, name="cable")
        self._thread.start()

    def _open(self, *spaces: Space) -> None:
        for space in spaces:
            _enter(space.name)
            end = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", b"cable", _IFF_TUN | _IFF_NO_PI))
            self._ends.append(end)
            space.up("cable")

    def _carry(self) -> None:
        order = itertools.count()
        coming: list[tuple[float, int, int, bytes]] = []
        while True:
            wait = None if not coming else max(0.0, coming[0][0] - time.monotonic())
            readable, _, _ = select.select([*self._ends, self._stop], [], [], wait)
            if self._stop in readable:
                return
            for end in readable:
                side = self._ends.index(end)
                packet = os.read(end, 65535)
                for delay in self._fate(self.numbers[side]):
                    due = time.monotonic() + delay
                    heapq.heappush(coming, (due, next(order), 1 - side, packet))
                self.numbers[side] += 1
            while coming and coming[0][0] <= time.monotonic():
                _, _, side, packet = heapq.heappop(coming)
                os.write(self._ends[side], packet)

    def close(self) -> None:
        """Take it away."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        for end in (*self._ends, self._stop):
            os.close(end)
