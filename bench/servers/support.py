"""What every measured program shares: its arguments, its "ready" line and its reports.

A program prints `ready <port>` once it listens. On SIGUSR1 it collects its garbage and prints one
line of JSON (`cpu_s`, `rss_kb`, `traced_kb`, `objects`); on SIGTERM it prints the same line and
exits. Nothing here runs while calls do.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import time
import tracemalloc
from types import FrameType
from typing import Any

__all__ = ["ADDRESS", "arguments", "emit", "ready", "report"]

ADDRESS = "127.0.0.1"


def arguments(*, client: bool = False) -> argparse.Namespace:
    """Read the command line and install the signal handlers.

    Args:
        client: Whether the program places calls: it then takes `--target` and `--phases`; one
            that takes calls has `--transport` and `--certificate` instead.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="port to bind on 127.0.0.1")
    parser.add_argument("--traced", action="store_true", help="count allocations (tracemalloc)")
    if client:
        parser.add_argument("--target", type=int, required=True, help="port of the UAS to call")
        parser.add_argument("--phases", required=True, help="JSON list, see phases.Phase")
    else:
        parser.add_argument("--transport", choices=["UDP", "TCP", "TLS"], default="UDP")
        parser.add_argument("--certificate", help="PEM file for TLS, its key in it")
    options = parser.parse_args()
    signal.signal(signal.SIGUSR1, _on_report)
    signal.signal(signal.SIGTERM, _on_stop)
    if options.traced:
        gc.collect()
        tracemalloc.start(1)
    return options


def ready(port: int) -> None:
    """Say that the socket is bound."""
    print(f"ready {port}", flush=True)


def emit(**values: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(values), flush=True)


def report() -> dict[str, Any]:
    """CPU seconds of the whole process so far, and what it holds now, after a collection."""
    cpu = time.process_time()
    gc.collect()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    traced = tracemalloc.get_traced_memory()[0] / 1024 if tracemalloc.is_tracing() else None
    return {
        "cpu_s": cpu,
        "rss_kb": pages * os.sysconf("SC_PAGE_SIZE") / 1024,
        "traced_kb": traced,
        "objects": len(gc.get_objects()),
    }


def _on_report(number: int, frame: FrameType | None) -> None:
    emit(**report())


def _on_stop(number: int, frame: FrameType | None) -> None:
    emit(**report())
    sys.exit(0)
