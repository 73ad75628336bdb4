"""Calls with all that changes a call, at a steady rate, by SIPp and to SIPp.

Each call has a reliable 180 with its PRACK, a session timer, a hold, a resume and a BYE:

    python soak/features.py [--rate 100] [--seconds 60] [called] [calls]

    called      SIPp calls a party
    calls       a party calls SIPp

The exit status is 1 if a call failed, if a message was sent again, or if anything was left. All of
it stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.run import HERE, LOOPBACK, free_port
from soak.server import resident

from sipparty import CallReceived, Engine
from sipparty.errors import CallFailed
from sipparty.parties import SingleRTPSessionSimplenParty

#: What SIPp counts that is looked at.
COUNTED = ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
#: What is measured is signalling: of media there is no more than needs be.
MEDIA = {"ptime": 150}
#: Seconds between what is done to a call.
PAUSE = 0.3


class SIPp:
    """A SIPp that plays a scenario of this folder.

    Args:
        scenario: Its name, without ".xml".
        folder: Where its statistics go.
        options: Further options.
    """

    def __init__(self, scenario: str, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._statistics = folder / f"{scenario}.csv"
        self._errors = folder / f"{scenario}.errors"
        command = ["sipp", *options, "-i", LOOPBACK, "-p", str(self.port), "-nostdin"]
        command += ["-sf", str(HERE / f"{scenario}.xml"), "-recv_timeout", "40000"]
        command += ["-trace_stat", "-stf", str(self._statistics), "-fd", "1"]
        command += ["-trace_err", "-error_file", str(self._errors)]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)

    async def finish(self, within: float) -> dict[str, int]:
        """Wait for its end within so many seconds, and return what it counted."""
        try:
            await asyncio.to_thread(self.process.wait, within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._errors.exists():
            print(self._errors.read_text(errors="replace")[:4000])
        with self._statistics.open(newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return {name: int(last[name]) for name in COUNTED}


async def called(party: Any, rate: int, seconds: int, folder: Path) -> dict[str, int]:
    """Have SIPp call a party that rings reliably and accepts."""

    async def take(event: CallReceived) -> None:
        event.call.ring(reliable=True)
        await asyncio.sleep(PAUSE)
        event.call.accept()

    party.on(CallReceived, take)
    target = f"{LOOPBACK}:{party.contact_uri.port}"
    options = (target, "-s", "bob", "-r", str(rate), "-m", str(rate * seconds))
    counted = await SIPp("uac_features", folder, *options).finish(seconds + 60)
    party.off(CallReceived, take)
    return counted


async def calls(party: Any, rate: int, seconds: int, folder: Path) -> dict[str, int]:
    """Have a party call SIPp, hold, resume and hang up."""
    failed: Counter[str] = Counter()
    sipp = SIPp("uas_features", folder, "-m", str(rate * seconds))
    await asyncio.sleep(0.5)

    async def one() -> None:
        try:
            call = await party.invite(f"sip:carol@{LOOPBACK}:{sipp.port}")
            for change in (call.hold, call.resume):
                await asyncio.sleep(PAUSE)
                await change()
            await asyncio.sleep(PAUSE)
            await call.terminate()
        except CallFailed as error:
            failed[str(error)] += 1

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            group.create_task(one())
    for error, times in failed.items():
        print(f"  {times} times: {error}")
    return await sipp.finish(30)


#: What does it, and the messages of a call that are sent and received.
ROLES = {"called": (called, 6, 8), "calls": (calls, 8, 6)}


async def main(role: str, rate: int, seconds: int) -> bool:
    """Run one role, print what came of it, and return whether it is as it should be."""
    # Transactions linger for 32 s: to look through all of them for cycles takes half a second at
    # this rate, in which a message is sent again. As a busy server would, look less often.
    gc.set_threshold(50_000, 20, 100)
    run, sends, receives = ROLES[role]
    wanted = rate * seconds
    options: Any = {"session_expires": 1800, "max_calls": wanted, "media": MEDIA}
    async with SingleRTPSessionSimplenParty("bob@127.0.0.1", **options) as party:
        party.listen(None, address=LOOPBACK)
        core = Engine.current().core
        with tempfile.TemporaryDirectory() as folder:
            await run(party, 2, 1, Path(folder))  # what is loaded late is there
        began, before = time.process_time(), core.counts()
        with tempfile.TemporaryDirectory() as folder:
            counted = await run(party, rate, seconds, Path(folder))
        cpu = time.process_time() - began
        after = core.counts()
        # What is over still lingers for 64 * T1; then nothing may be left.
        for _ in range(40):
            if core.idle():
                break
            await asyncio.sleep(1.0)
        idle = core.idle()
    gc.collect()
    tasks = len(asyncio.all_tasks()) - 1
    sent = after["sent"] - before["sent"] - sends * wanted
    received = after["received"] - before["received"] - receives * wanted
    done = counted["SuccessfulCall(C)"]
    print(
        f"{role}: {done} of {wanted} calls at {rate}/s; sent again: {sent} by us, {received} by"
        f" SIPp; left: {'nothing' if idle else core.counts()}, {tasks} tasks;"
        f" {cpu / wanted * 1000:.2f} ms of CPU a call, {resident()} kB"
    )
    return done == wanted and not sent and not received and idle and not tasks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("roles", nargs="*", metavar="role", help=", ".join(ROLES))
    parser.add_argument("--rate", type=int, default=100, help="calls a second")
    parser.add_argument("--seconds", type=int, default=60, help="how long")
    given = parser.parse_args()
    chosen = given.roles or list(ROLES)
    fine = [asyncio.run(main(role, given.rate, given.seconds)) for role in chosen]
    sys.exit(0 if all(fine) else 1)
