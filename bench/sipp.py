"""SIPp as the load: as many of it as the rate needs, and what they counted; and as a UAS.

The SIPp of Debian has no TLS. Over TLS it speaks TCP to a relay beside it (`servers/tls_relay.py`).
"""

from __future__ import annotations

import contextlib
import csv
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from libraries import relay
from processes import ADDRESS, Child, Failed, cpu_clock, free_port, free_ports

__all__ = ["RATE_EACH", "UDP", "Load", "Way", "place_calls", "sipp_answers", "sipp_uas"]

_SCENARIOS = Path(__file__).resolve().parent / "scenarios"

#: Calls/s that one SIPp is asked for; more calls take more of it.
RATE_EACH = 1500

#: Connections that one SIPp may have: with its other files fewer than the system allows it.
_MAX_SOCKETS = 900


class Way(NamedTuple):
    """How SIP travels.

    Args:
        transport: "UDP", "TCP" or "TLS".
        certificate: For TLS: a PEM file, with its key, of the side that listens.
        each: Whether each call has a connection of its own; else each SIPp has one for all.
    """

    transport: str = "UDP"
    certificate: Path | None = None
    each: bool = False

    @property
    def options(self) -> list[str]:
        """Options of SIPp."""
        letter = "u" if self.transport == "UDP" else "t"
        options = ["-t", letter + ("n" if self.each else "1"), "-key", "carrier", self.transport]
        return [*options, "-max_socket", str(_MAX_SOCKETS)] if self.each else options

    @contextlib.contextmanager
    def relayed(
        self, mode: str, target: int, core: set[int] | None
    ) -> Iterator[tuple[int, list[Child]]]:
        """The port in front of `target`, and the relay where there is one, see `relay`."""
        if self.certificate is None:
            yield target, []
            return
        port = free_port()
        with Child(relay(mode, port, target, self.certificate), core) as child:
            child.ready()
            yield port, [child]


#: One socket on either side.
UDP = Way()


@dataclass
class Load:
    """What the SIPps of one run counted.

    Args:
        asked: Calls per second asked for.
        created: Calls begun.
        completed: Calls that went through the whole scenario.
        failed: Calls that did not, those unfinished when time was up included.
        retransmissions: Requests that SIPp had to send again.
        seconds: How long the slowest SIPp took; they start within milliseconds of each other.
        load_cpu_s: CPU seconds of all SIPps, and of the relay.
    """

    asked: float
    created: int = 0
    completed: int = 0
    failed: int = 0
    retransmissions: int = 0
    seconds: float = 0.0
    load_cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Calls completed per second."""
        return self.completed / self.seconds if self.seconds else 0.0

    @property
    def clean(self) -> bool:
        """Whether every call completed and nothing was sent twice."""
        return not self.failed and not self.retransmissions and self.completed > 0

    @property
    def sustained(self) -> bool:
        """Whether it was clean and no backlog had to be worked off afterwards."""
        return self.clean and self.rate >= 0.95 * self.asked

    @property
    def saturated(self) -> bool:
        """Whether the SIPps had no CPU left on their one core: the load is what was measured."""
        return self.seconds > 0 and self.load_cpu_s / self.seconds > 0.9

    def __str__(self) -> str:
        return (
            f"{self.completed}/{self.created} calls in {self.seconds:.2f} s, {self.failed} failed,"
            f" {self.retransmissions} retransmissions"
        )


def _command(scenario: str, port: int, control: int, directory: Path, *more: str) -> list[str]:
    binary = shutil.which("sipp")
    if binary is None:
        raise Failed("sipp is not installed (Debian: sip-tester)")
    return [
        binary,
        *("-sf", str(_SCENARIOS / f"{scenario}.xml")),
        *("-i", ADDRESS, "-p", str(port), "-cp", str(control)),
        *("-buff_size", str(1 << 22), "-nostdin"),
        *("-trace_stat", "-stf", str(directory / f"{port}.csv"), "-fd", "1"),
        *more,
    ]


def _counted(path: Path) -> dict[str, str]:
    """The last full row of a statistics file."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    if not rows:
        raise Failed("sipp wrote no statistics")
    return rows[-1]


def _epoch(text: str) -> float:
    """The seconds of one of SIPp's times: date, time and epoch, tabs between."""
    return float(text.rpartition("\t")[2])


def place_calls(
    port: int,
    calls: int,
    rate: float,
    *,
    core: set[int] | None = None,
    scenario: str = "uac",
    patience: float = 5.0,
    way: Way = UDP,
) -> Load:
    """Call a UAS, and wait until the calls have ended.

    Args:
        port: Where it listens, on 127.0.0.1.
        calls: How many calls.
        rate: How many of them to begin each second.
        core: Where SIPp runs.
        scenario: The file in `scenarios/`, without its ending.
        patience: Seconds that calls may take beyond the time the rate gives them; then SIPp is
            killed and what is unfinished counts as failed.
        way: How SIP travels.

    Raises:
        Failed: SIPp could not be run.
    """
    count = max(1, -(-int(rate) // RATE_EACH))
    load = Load(asked=rate)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        children = []
        target, relays = stack.enter_context(way.relayed("connect", port, core))
        began = sum(cpu_clock(one.pid) for one in relays)
        ports = free_ports(2 * count)
        for index in range(count):
            share = calls // count + (index < calls % count)
            more = ["-m", str(share), "-r", str(max(1, round(rate / count))), "-l", "1000000"]
            more += way.options
            local, control = ports[2 * index : 2 * index + 2]
            command = _command(scenario, local, control, directory, *more, f"{ADDRESS}:{target}")
            child = stack.enter_context(Child(command, core, cwd=directory, read=False))
            children.append((child, directory / f"{local}.csv"))
        until = time.monotonic() + calls / rate + patience
        spent = dict.fromkeys((child.pid for child, _ in children), 0.0)
        running = list(children)
        while running and time.monotonic() < until:
            for entry in running[:]:
                try:
                    spent[entry[0].pid] = cpu_clock(entry[0].pid)
                except OSError:
                    pass
                if entry[0].wait(0.02) is not None:
                    running.remove(entry)
        for child, path in children:
            if not path.exists():
                raise Failed(f"sipp did not run: {child.errors()[-300:]}")
            row = _counted(path)
            load.created += int(row["TotalCallCreated"])
            load.completed += int(row["SuccessfulCall(C)"])
            load.retransmissions += int(row["Retransmissions(C)"])
            took = _epoch(row["CurrentTime"]) - _epoch(row["StartTime"])
            load.seconds = max(load.seconds, took)
        load.failed = calls - load.completed
        load.load_cpu_s = sum(spent.values()) + sum(cpu_clock(one.pid) for one in relays) - began
    return load


@contextlib.contextmanager
def sipp_answers(
    core: set[int] | None = None, scenario: str = "uas", way: Way = UDP
) -> Iterator[tuple[int, list[Child]]]:
    """A SIPp that answers calls; gives its port, and its processes: one, or two with the relay."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        port, control = free_ports(2)
        command = _command(scenario, port, control, directory, *way.options)
        child = stack.enter_context(Child(command, core, cwd=directory, read=False))
        # It is bound once its statistics file is there: that is made after the sockets.
        until = time.monotonic() + 5
        while not (directory / f"{port}.csv").exists():
            if time.monotonic() > until or child.wait(0.02) is not None:
                raise Failed(f"sipp did not run: {child.errors()[-300:]}")
        time.sleep(0.2)
        front, relays = stack.enter_context(way.relayed("accept", port, core))
        yield front, [child, *relays]


@contextlib.contextmanager
def sipp_uas(core: set[int] | None = None, scenario: str = "uas") -> Iterator[int]:
    """A SIPp that answers calls by UDP; gives its port."""
    with sipp_answers(core, scenario) as (port, _):
        yield port
