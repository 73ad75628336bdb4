"""Child processes: pinned to a core, read line by line with a limit, and never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

__all__ = [
    "ADDRESS",
    "Child",
    "Failed",
    "cores",
    "cpu_clock",
    "free_port",
    "free_ports",
    "machine_busy",
    "own_busy",
]

ADDRESS = "127.0.0.1"

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A measured program did not do what it should; the message says what it printed."""


def cores() -> tuple[set[int], set[int]]:
    """The core for what is measured and the one for the load; the same where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[-1]}, {allowed[0]}


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1, all different, that were free a moment ago, for UDP and for TCP."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind((ADDRESS, 0))
            port = int(udp.getsockname()[1])
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            with contextlib.suppress(OSError):  # taken: another one, then
                tcp.bind((ADDRESS, port))
                ports.append(port)
    return ports


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def machine_busy() -> float:
    """CPU seconds that all processes have used so far, and those stolen from the machine.

    Without interrupts: those are the load's own packets.
    """
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(int, fields)
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def own_busy() -> float:
    """CPU seconds that the harness and its ended children have used so far."""
    return sum(os.times()[:4])


def cpu_clock(pid: int) -> float:
    """CPU seconds, user and system, that a process and its threads have used so far.

    The process's own CPU-time clock (Linux: the number is made from the pid, `clock_getcpuclockid`
    does no more), to the nanosecond: /proc counts in ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Child:
    """A program, killed at the end of its `with` block whatever happens.

    It is killed, too, when the thread that made it ends, so that it does not outlive the harness
    if that is killed: a thread that makes one must live as long as it is needed.

    Args:
        command: What to run.
        core: The cores it may run on, or None for any.
        cwd: Its working directory.
        read: Whether to read its standard output; else it is thrown away.
        environment: Its environment; by default that of this process.
    """

    def __init__(
        self,
        command: list[str],
        core: set[int] | None = None,
        *,
        cwd: Path | None = None,
        read: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = command
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

        def prepare() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if core:
                os.sched_setaffinity(0, core)

        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=self._errors,
            cwd=cwd,
            env=environment,
            text=True,
            preexec_fn=prepare,
        )
        self.pid = self._process.pid
        self._lines: queue.Queue[str | None] = queue.Queue()
        if read:
            threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def _read(self) -> None:
        assert self._process.stdout
        try:
            for line in self._process.stdout:
                self._lines.put(line.rstrip("\n"))
        except ValueError:  # closed under us by __exit__
            pass
        self._lines.put(None)

    def line(self, timeout: float) -> str:
        """The next line it prints.

        Raises:
            Failed: It ended, or printed nothing within `timeout` seconds.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise Failed(
                f"{self._name()} printed nothing for {timeout:g} s{self._tail()}"
            ) from None
        if line is None:
            raise Failed(f"{self._name()} ended{self._tail()}")
        return line

    def ready(self) -> Self:
        """Wait until it listens."""
        line = self.line(15)
        if not line.startswith("ready "):
            raise Failed(f"{self._name()}: expected 'ready', got {line!r}")
        return self

    def json(self, timeout: float) -> dict[str, Any]:
        """The next line of JSON it prints, other lines passed over."""
        until = time.monotonic() + timeout
        while True:
            line = self.line(max(0.1, until - time.monotonic()))
            if line.startswith("{"):
                return dict(json.loads(line))

    def report(self, timeout: float = 30) -> dict[str, Any]:
        """What it holds now, see `servers/support.py`."""
        self._process.send_signal(signal.SIGUSR1)
        return self.json(timeout)

    def stop(self, timeout: float = 10) -> dict[str, Any]:
        """Ask it to end, and give its last report.

        Raises:
            Failed: It gave none, or did not end by itself in time.
        """
        self._process.send_signal(signal.SIGTERM)
        report = self.json(timeout)
        if self.wait(timeout) is None:
            raise Failed(f"{self._name()} did not end on SIGTERM{self._tail()}")
        return report

    def wait(self, timeout: float) -> int | None:
        """Its exit status, or None if it has not ended within `timeout` seconds."""
        try:
            return self._process.wait(max(0.0, timeout))
        except subprocess.TimeoutExpired:
            return None

    def errors(self) -> str:
        """What it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def _name(self) -> str:
        return " ".join(Path(part).name for part in self.command[:2])

    def _tail(self) -> str:
        text = self.errors()
        return f": {text.splitlines()[-1]}" if text else ""
