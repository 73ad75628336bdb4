"""What a loop has of its host: sockets, the time of day, chance. They are the system's, or those of
a network that the loop has of its own, as the loops of `sipparty.testing` have.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = ["OpenSocket", "open_socket_of_system", "opener", "random_bits", "wall_clock"]

#: Opens a socket of a family and a kind.
OpenSocket: TypeAlias = Callable[[int, int], socket.socket]
_SYSTEM: Final = random.SystemRandom()


def open_socket_of_system(family: int, kind: int) -> socket.socket:
    """Open a socket of this host."""
    return socket.socket(family, kind)


def opener(loop: Any) -> OpenSocket:
    """Return what opens the sockets of a loop."""
    opens: OpenSocket = getattr(loop, "open_socket", open_socket_of_system)
    return opens


def wall_clock(loop: Any) -> Callable[[], float]:
    """Return what gives the time of a loop's host, in seconds since 1970."""
    clock: Callable[[], float] = getattr(loop, "wall_clock", time.time)
    return clock


def random_bits(loop: Any) -> Callable[[int], int]:
    """Return what gives random numbers of so many bits at a loop's host."""
    bits: Callable[[int], int] = getattr(loop, "random_bits", _SYSTEM.getrandbits)
    return bits
