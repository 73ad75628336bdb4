"""Fuzzing by mutation: so many inputs for each parser, and what came of it.

    python fuzz/run.py                       1,000,000 inputs for each parser, on two processes
    python fuzz/run.py --only uri,sdp -n 50000 --processes 1
    python fuzz/run.py --only live           parties that are there, by loopback sockets
    python fuzz/run.py --replay fuzz/findings/uri-0123456789.bin

Laws:

* The inputs are the same each time, whatever the number of processes: chunk k of a target is made
  of the run's seed, the target's name and k. `--skip` leaves out the first chunks: a long run can
  be made in pieces.
* A finding is an exception that is no refusal, a law that does not hold (`fuzz.targets`), an input
  of up to 64 kB that takes longer than `MOST_TIME` each time it is tried, or memory that goes on
  growing. The same defect is reported once.
* Each input that makes a finding is written to `fuzz/findings`, named after its target and what it
  holds, with the traceback beside it; `--replay` tries it again.

Exit status 1 where there is a finding.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from fuzz import live
from fuzz.mutation import Mutator
from fuzz.outcome import FINDINGS, Finding, Outcome, place_of, resident
from fuzz.targets import TARGETS, Broken

__all__ = ["Finding", "Outcome", "fuzz", "main", "rate", "run_chunk"]

#: What is no parser: parties that are there, attacked over the loopback interface.
LIVE = "live"
#: Inputs in a chunk; a process does one at a time.
CHUNK = 10_000
#: Seconds that an input may take, when it is read once.
MOST_TIME = 0.050
#: Seconds after which an input is given up.
PATIENCE = 10
#: Bytes that a process may grow by in the second half of its chunks: allocators are not exact, and
#: what is live keeps what came in the last half minute.
MOST_GROWTH = 4 << 20
MOST_GROWTH_LIVE = 16 << 20


class Hang(BaseException):
    """An input took longer than `PATIENCE`; no parser catches it."""


def try_one(target: str, data: bytes) -> tuple[bool, Finding | None]:
    """Give a parser an input: whether it was read, and the defect it showed."""
    watched = signal.getsignal(signal.SIGALRM) is _give_up
    try:
        if watched:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            return TARGETS[target].probe(data), None
        finally:
            if watched:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except (Exception, Hang) as error:
        place = place_of(error)
        if isinstance(error, Broken):
            place = str(error)
        what = f"{type(error).__name__}: {str(error)[:200]}"
        details = "".join(traceback.format_exception(error))
        return False, Finding(target, what, place, data, details)


def _once(target: str, data: bytes) -> float:
    """The shortest of a few times that a parser takes to read an input, in seconds."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        TARGETS[target].read(data)
        times.append(time.perf_counter() - start)
    return min(times)


def inputs(target: str, chunk: int, count: int, seed: int = 0) -> Iterator[tuple[Mutator, bytes]]:
    """Make the inputs of one chunk; the first chunk begins with the seeds as they are."""
    it = TARGETS[target]
    mutator = Mutator(random.Random(f"{seed} {target} {chunk}"), it.seeds(), it.words, it.max_size)
    if chunk == 0:
        for data in mutator.pool[:count]:
            yield mutator, data
        count -= min(count, len(mutator.pool))
    for _ in range(count):
        yield mutator, mutator.make()


def run_chunk(target: str, chunk: int, count: int, seed: int = 0) -> Outcome:
    """Fuzz a parser with one chunk of inputs; the same arguments give the same inputs."""
    outcome = Outcome()
    began = time.perf_counter()
    for mutator, data in inputs(target, chunk, count, seed):
        start = time.perf_counter()
        read, finding = try_one(target, data)
        seconds = time.perf_counter() - start
        outcome.inputs += 1
        if read:
            outcome.read += 1
            mutator.keep(data)
        if seconds > max(outcome.slowest[0], MOST_TIME / 10) and finding is None:
            # A probe looks from all sides, and the machine is busy otherwise: time it alone.
            seconds = _once(target, data)
            outcome.slowest = max(outcome.slowest, (seconds, len(data)))
            if seconds > MOST_TIME:
                what = f"{len(data)} bytes took {seconds * 1000:.0f} ms"
                finding = Finding(target, what, "too slow", data)
        if finding is not None:
            outcome.findings.setdefault(finding.place, finding)
    outcome.seconds = time.perf_counter() - began
    outcome.memory[os.getpid()] = [resident()]
    return outcome


def _give_up(number: int, frame: object) -> None:
    raise Hang(f"no end after {PATIENCE} s")


def _work(job: tuple[str, int, int, int]) -> Outcome:
    target, *rest = job
    return live.run_chunk(*rest) if target == LIVE else run_chunk(*job)


def _begin() -> None:
    """Make a process ready: inputs are given up when they hang, and Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    watch()


def _follow() -> None:
    """End with the parent, also with one that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def watch() -> None:
    """Have inputs given up that take too long; without it, they take what they take."""
    signal.signal(signal.SIGALRM, _give_up)


def rate(outcome: Outcome) -> str:
    """What came of a target, in one line."""
    slow, size = outcome.slowest
    slowest = f"slowest {slow * 1000:.1f} ms for {size} bytes" if size else "none slower than 5 ms"
    return (
        f"{outcome.inputs:,} inputs, {100 * outcome.read // max(1, outcome.inputs)}% read, "
        f"{len(outcome.findings)} findings, {slowest}, memory {outcome.growth / 1024:+,.0f} kB, "
        f"{outcome.inputs / max(outcome.seconds, 1e-9):,.0f}/s a process"
    )


def fuzz(
    target: str, count: int, processes: int, seed: int = 0, progress: bool = True, skip: int = 0
) -> Outcome:
    """Fuzz one target on some processes, with a line of progress on standard error."""
    size = live.CHUNK if target == LIVE else CHUNK
    jobs = [
        (target, skip + chunk, min(size, count - chunk * size), seed)
        for chunk in range((count + size - 1) // size)
    ]
    total = Outcome()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin) as pool:
        for outcome in pool.map(_work, jobs):
            total.take(outcome)
            if progress:
                sys.stderr.write(f"\r{target:10} {total.inputs:>11,} of {count:,}  ")
                sys.stderr.write(f"{len(total.findings)} findings ")
                sys.stderr.flush()
    if progress:
        sys.stderr.write("\r" + " " * 60 + "\r")
    if total.growth > (MOST_GROWTH_LIVE if target == LIVE else MOST_GROWTH):
        what = f"memory grew by {total.growth / 1024:,.0f} kB"
        total.findings["memory"] = Finding(target, what, "memory", b"")
    return total


def _replay(paths: list[Path]) -> int:
    """Try inputs again, each with the parser that its name says."""
    failed = 0
    for path in paths:
        target = path.name.rpartition("-")[0]
        data = path.read_bytes()
        if target.startswith(f"{LIVE}-"):
            finding = live.try_one(target.partition("-")[2], data)
            failed += finding is not None
            said = "no harm" if finding is None else finding.details or finding.what
            sys.stdout.write(f"{path.name}: {said}\n")
            continue
        read, finding = try_one(target, data)
        if finding is not None:
            failed += 1
            sys.stdout.write(f"{path.name}: {finding.details}\n")
        else:
            said = "read" if read else "refused"
            sys.stdout.write(f"{path.name}: {said}, {_once(target, data) * 1000:.2f} ms\n")
    live.close()
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """Fuzz what the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(description="Fuzz the parsers with mutated inputs.")
    names = [*TARGETS, LIVE]
    parser.add_argument("-n", "--inputs", type=int, default=1_000_000, help="for each parser")
    parser.add_argument("--only", metavar="NAMES", default="", help=f"of {', '.join(names)}")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="another one gives other inputs")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many chunks")
    parser.add_argument("--quiet", action="store_true", help="no line of progress")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="try these again")
    options = parser.parse_args(arguments)
    if options.replay:
        return _replay(options.replay)
    only = options.only.split(",") if options.only else names
    if unknown := set(only) - set(names):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    found = 0
    for target in only:
        outcome = fuzz(
            *(target, options.inputs, options.processes, options.seed, not options.quiet),
            skip=options.skip,
        )
        sys.stdout.write(f"{target:10} {rate(outcome)}\n")
        for finding in outcome.findings.values():
            found += 1
            path = finding.write(FINDINGS)
            sys.stdout.write(f"    {finding.what} ({finding.place})\n    -> {path}\n")
        sys.stdout.flush()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
