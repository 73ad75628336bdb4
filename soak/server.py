"""The party under test: it answers by itself, and reports every ten seconds how large it is.

Prints one line of JSON each time: seconds since it began, resident memory in kB, and what is under
way. On SIGTERM it closes, waits for what lingers to be over, and reports what is left.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import threading
import time

from sipparty import Engine
from sipparty.parties import NoMediaSimpleCallsParty

EVERY = 10.0


def resident() -> int:
    """Return the resident memory of this process, in kB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def report(**values: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(values), flush=True)


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    began = time.monotonic()
    async with NoMediaSimpleCallsParty("bench@127.0.0.1") as party:
        party.listen(port, address="127.0.0.1")
        core = Engine.current().core
        report(ready=port)
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), EVERY)
            except TimeoutError:
                report(seconds=time.monotonic() - began, rss_kb=resident(), **core.counts())
        # What is over still lingers for 64 * T1; then nothing may be left.
        for _ in range(40):
            if core.idle():
                break
            await asyncio.sleep(1.0)
        report(settled=core.counts(), idle=core.idle())
    gc.collect()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    report(tasks=len(tasks), threads=threading.active_count() - 1, left=core.counts())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
