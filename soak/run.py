"""A long run under load, loss and attack: `make soak`.

SIPp places calls at a steady rate and loses one message in a hundred, while sipvicious scans,
guesses extensions and cracks passwords. Everything stays on 127.0.0.1, is bounded in time, and is
stopped at the end. The exit status is 1 if a call was lost, if memory grew by more than 2% since
minute two, or if anything was left.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
#: How much larger than in its second minute the party may be at the end.
GROWTH = 0.02


def free_port() -> int:
    """Return a UDP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


def attack(port: int, over: threading.Event) -> None:
    """Run the tools of sipvicious in turn until it is over."""
    tools = (
        ["svmap", "-p", str(port), LOOPBACK],
        ["svwar", "-p", str(port), "-e100-400", "-m", "INVITE", LOOPBACK],
        ["svwar", "-p", str(port), "-e100-400", "-m", "OPTIONS", LOOPBACK],
        ["svcrack", "-p", str(port), "-u", "bench", "-r100-400", LOOPBACK],
    )
    there = [tool for tool in tools if shutil.which(tool[0])]
    if not there:
        print("sipvicious is not installed: the run goes on without it.")
    for tool in itertools.cycle(there):
        if over.is_set():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(tool, capture_output=True, timeout=20, check=False)


def load(port: int, rate: int, seconds: int, folder: Path) -> dict[str, int]:
    """Place the calls, and return what SIPp counted."""
    statistics = folder / "statistics.csv"
    command = [
        *("sipp", f"{LOOPBACK}:{port}", "-i", LOOPBACK, "-p", str(free_port())),
        *("-sf", str(HERE / "uac.xml"), "-r", str(rate), "-m", str(rate * seconds)),
        *("-lost", "1", "-nostdin", "-trace_stat", "-stf", str(statistics), "-fd", "10"),
        *("-timeout", f"{seconds + 90}s", "-recv_timeout", "60000"),
        *("-trace_err", "-error_file", str(folder / "errors.log")),
    ]
    subprocess.run(command, capture_output=True, timeout=seconds + 120, check=False)
    with statistics.open(newline="") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    names = ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
    why = (name for name in last if name and name.startswith("Failed") and name.endswith("(C)"))
    errors = folder / "errors.log"
    if errors.exists():
        print(errors.read_text(errors="replace")[:4000])
    return {name: int(last[name]) for name in (*names, *why) if name in names or int(last[name])}


def main() -> int:
    """Run it, print what came of it, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=300, help="calls a second")
    parser.add_argument("--seconds", type=int, default=600, help="how long")
    options = parser.parse_args()
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    reports: list[dict[str, Any]] = []
    ready = threading.Event()

    def listen() -> None:
        assert server.stdout is not None
        for line in server.stdout:
            reports.append(json.loads(line))
            ready.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    over = threading.Event()
    attacker = threading.Thread(target=attack, args=(port, over), daemon=True)
    try:
        if not ready.wait(20):
            print("The party did not start.")
            return 1
        attacker.start()
        with tempfile.TemporaryDirectory() as folder:
            counted = load(port, options.rate, options.seconds, Path(folder))
        over.set()
        attacker.join(25)
        server.terminate()
        server.wait(90)
        listener.join(5)
    finally:
        over.set()
        server.kill()
    return judge(counted, reports, options.seconds)


def judge(counted: dict[str, int], reports: list[dict[str, Any]], seconds: int) -> int:
    """Print the figures, and return 1 if one of them is not as it should be."""
    sizes = [(line["seconds"], line["rss_kb"]) for line in reports if "rss_kb" in line]
    loaded = [size for at, size in sizes if at <= seconds]
    first = max((size for at, size in sizes if at <= 125), default=0)
    last = loaded[-1] if loaded else 0
    end = reports[-1]
    lost = counted["TotalCallCreated"] - counted["SuccessfulCall(C)"]
    print(f"calls: {counted}")
    print(f"memory: {first} kB in minute two, {last} kB at the end of the load")
    print(f"left: {end}")
    wrong = []
    if lost:
        wrong.append(f"{lost} calls lost")
    if last > first * (1 + GROWTH):
        wrong.append(f"memory grew by {last / first - 1:.1%}")
    if end.get("tasks") or end.get("threads") or end.get("left", {}).get("timers"):
        wrong.append("something was left")
    print("; ".join(wrong) if wrong else "All as it should be.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
