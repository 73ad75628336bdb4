"""Measures sipparty beside its peers, and writes docs/benchmarks.md.

    python bench/run.py             everything, some eighteen minutes; writes docs/benchmarks.md
    python bench/run.py --quick     small sizes, about four minutes; only prints
    python bench/run.py --only uas,tcp,tls

A section is one function that takes the `Plan` and returns its tables (`SECTIONS`); a row is one
dict. Exit status 1 where something could not be measured.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import setup
from plan import FULL, QUICK, Plan
from processes import machine_busy, own_busy
from report import Table, machine, page
from rows_calls import high_rate, uac, uas, uas_tcp, uas_tls
from rows_concealment import concealment
from rows_frames import frames
from rows_held import held
from rows_load import load
from rows_media import media
from rows_memory import memory
from rows_messages import imports, messages
from rows_trace import trace

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

#: What is measured, in the order of the page.
SECTIONS: dict[str, Callable[[Plan], Table | list[Table]]] = {
    "uas": uas,
    "tcp": uas_tcp,
    "tls": uas_tls,
    "high-rate": high_rate,
    "uac": uac,
    "load": load,
    "trace": trace,
    "frames": frames,
    "held": held,
    "media": media,
    "losses": concealment,
    "messages": messages,
    "memory": memory,
    "imports": imports,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small sizes; only prints")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(SECTIONS)}; only prints")
    parser.add_argument("--output", type=Path, help="where to write the page")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(SECTIONS)
    unknown = set(options.only) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    if options.output is None and not options.quick and len(options.only) == len(SECTIONS):
        options.output = PAGE
    return options


def _stop(number: int, frame: object) -> None:
    # As Ctrl-C does it: every child is killed on the way out.
    raise KeyboardInterrupt


def main() -> int:
    """Run the sections asked for."""
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    plan = QUICK if options.quick else FULL
    setup.ensure()
    print(machine(), file=sys.stderr)
    began = time.monotonic()
    others = machine_busy() - own_busy()
    tables: list[Table] = []
    for name, section in SECTIONS.items():
        if name not in options.only:
            continue
        print(f"{name} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
        made = section(plan)
        tables += [made] if isinstance(made, Table) else made
    others = machine_busy() - own_busy() - others
    text = page(tables, plan, time.monotonic() - began, others)
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)
    return 1 if any(table.missing for table in tables) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
