"""What the programs of the media section share: arguments, the port that stands for signalling, and
the reports.

A program prints `ready` once all its sessions run. On SIGUSR1 it prints what its sessions have
counted so far; on SIGTERM the same and exits. See `media_load.py` for the other side.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from support import ADDRESS, emit

__all__ = ["Program", "arguments", "resident"]

#: SO_TIMESTAMPNS of Linux.
_TIMESTAMP = 35
_TIME = struct.Struct("qq")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--ports", required=True, help="JSON: that of signalling, then the streams'"
    )
    parser.add_argument("--codec", default="PCMU")
    parser.add_argument("--play", help="a WAV file to play")
    parser.add_argument("--record", help="a folder to record into")
    parser.add_argument("--threads", type=int, default=0, help="media loops beside the engine's")
    parser.add_argument("--burst", action="store_true", help="aiortp: not its own paced sending")
    parser.add_argument("--idle", action="store_true", help="play and record nothing")
    parser.add_argument("--slow", action="store_true", help="the first one's source is slow")
    options = parser.parse_args()
    options.signalling, options.ports = json.loads(options.ports)
    return options


def resident() -> float:
    """Kilobytes of memory that the process holds."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


class Program:
    """Answers the harness.

    Args:
        signalling: The port that datagrams come from which stand for signalling.
        count: Gives what the sessions have counted.
    """

    def __init__(self, signalling: int, count: Callable[[], dict[str, Any]]) -> None:
        self._count = count
        self._stalls: list[float] = []
        self._end = asyncio.Event()
        self._values: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._report)
        loop.add_signal_handler(signal.SIGTERM, self._end.set)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        self._socket.bind((ADDRESS, 0))
        self._socket.sendto(b"here", (ADDRESS, signalling))
        loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        now = time.time()
        _, ancillary, _, _ = self._socket.recvmsg(100, 64)
        seconds, nanoseconds = _TIME.unpack_from(ancillary[0][2])
        self._stalls.append(now - seconds - nanoseconds * 1e-9)

    def _report(self) -> None:
        stalls, self._stalls = sorted(self._stalls), []
        emit(
            cpu_s=time.process_time(),
            stall_ms_p50=stalls[len(stalls) // 2] * 1e3 if stalls else 0.0,
            stall_ms_p99=stalls[int(len(stalls) * 0.99)] * 1e3 if stalls else 0.0,
            stall_ms_max=stalls[-1] * 1e3 if stalls else 0.0,
            pings=len(stalls),
            **self._values,
            **self._count(),
        )

    async def run(self, **values: Any) -> None:
        """Serve until SIGTERM; `values` are reported with the rest."""
        self._values = values
        # The collector looks at a full heap of sessions seldom, in each library alike.
        gc.collect()
        gc.freeze()
        print("ready 0", flush=True)
        await self._end.wait()
        self._report()
