"""A thousand parties of one process stay registered at one Kamailio, which is killed meanwhile.

    python soak/registrations.py [--parties 1000] [--seconds 300] [--expires 60] [--down 10]

After a third of the time Kamailio is killed, and started again a little later, without memory of
anybody. What is printed: how many registrations were made in each second, how long it took until
all stood again, and what is left in the end. The exit status is 1 if a party is not registered at
the end, if a second had a fifth of all registrations after the restart, if memory grew by more than
a tenth once all stood, or if anything was left. All of it stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.server import resident
from tests.interop.pbx import DOMAIN, PASSWORD, PBX
from tests.interop.peer import UDP, Ports

from sipparty import Engine, Registered, RegistrationRefreshed
from sipparty.parties import NoMediaSimpleCallsParty

#: Registrations that are begun in a second; the bar is about what comes after.
RATE = 200
#: How much larger than when all stood first the process may be at the end.
GROWTH = 0.1
#: The share of all registrations that one second may have after the restart.
CROWD = 0.2


class Watch:
    """When registrations were made.

    Args:
        began: The time that is second 0.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.seconds: Counter[int] = Counter()
        #: When each party was registered last, by its user.
        self.last: dict[str, float] = {}

    def note(self, event: Registered | RegistrationRefreshed) -> None:
        """Note that a registrar has said 200."""
        now = time.monotonic() - self.began
        self.seconds[int(now)] += 1
        self.last[event.agent.user] = now

    def draw(self, until: int) -> None:
        """Print the registrations of each five seconds, and the most of a second in there."""
        print("seconds    registrations   most in one second")
        for start in range(0, until, 5):
            counts = [self.seconds[start + second] for second in range(5)]
            bar = "#" * (sum(counts) // 10)
            print(f"{start:4}-{start + 4:<4}  {sum(counts):5}   {max(counts):4}  {bar}")


def up(parties: list[Any], watch: Watch, since: float, within: float) -> float:
    """Wait until each party was registered after a moment; return how long that took."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if sum(watch.last.get(one.uri.username, -1.0) > since for one in parties) == len(parties):
            break
        time.sleep(0.1)
    return time.monotonic() - watch.began - since


def known(parties: list[Any]) -> int:
    """Return how many parties Kamailio knows, each by one address."""
    count = 0
    for start in range(0, len(parties), 50):
        some = [one.fetch_bindings() for one in parties[start : start + 50]]
        count += sum([len(query.wait(10)) == 1 for query in some])
    return count


def main(options: argparse.Namespace) -> bool:
    """Run it, print what came of it, and return whether it is as it should be."""
    parties: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        ports = Ports(UDP)
        office = PBX(Path(folder), ports, UDP, None, None, children=2)
        office.wait_until_ready()
        try:
            fine = register(options, office, ports.take(), parties)
        finally:
            for party in parties:
                party.close()
            office.stop()
            ports.close()
    return fine


def register(options: argparse.Namespace, office: PBX, port: int, parties: list[Any]) -> bool:
    """Register everybody, keep them so, and see what becomes of it."""
    watch = Watch(time.monotonic())
    for number in range(options.parties):
        user = f"user{number}"
        party = NoMediaSimpleCallsParty(
            f"{user}@{DOMAIN}", proxy=office.uri("udp"), credentials=(user, PASSWORD)
        )
        party.listen(port, address="127.0.0.1")
        party.on(Registered, watch.note)
        party.on(RegistrationRefreshed, watch.note)
        party.register(expires=options.expires)
        parties.append(party)
        time.sleep(max(0.0, watch.began + number / RATE - time.monotonic()))
    first = up(parties, watch, 0.0, 30)
    engine = Engine.shared()
    print(f"all registered after {first:.1f} s: {resident()} kB, {engine.counters()}")
    third = options.seconds / 3
    time.sleep(max(0.0, third - (time.monotonic() - watch.began)))
    gc.collect()
    before, timers = resident(), engine.counters()["timers"]
    office.kill()
    killed = time.monotonic() - watch.began
    time.sleep(options.down)
    office.start()
    office.wait_until_ready()
    back = time.monotonic() - watch.began
    took = up(parties, watch, back, options.seconds - back)
    print(f"down from {killed:.0f} to {back:.0f} s; all registered anew {took:.1f} s after")
    time.sleep(max(0.0, options.seconds - (time.monotonic() - watch.began)))
    watch.draw(options.seconds)
    stand = sum(one.registration.state == "Registered" for one in parties)
    there = known(parties)
    crowd = max(watch.seconds[second] for second in range(int(back), options.seconds))
    gc.collect()
    after = resident()
    print(f"memory: {before} kB before the restart, {after} kB at the end")
    print(f"timers: {timers} before the restart, {engine.counters()['timers']} at the end")
    for start in range(0, len(parties), 50):
        some = [one.registration.unregister() for one in parties[start : start + 50]]
        for registration in some:
            registration.wait(10)
    gone = len(parties) - known(parties)
    for party in parties:
        party.close()
    for _ in range(40):
        if engine.run(engine.core.idle):
            break
        time.sleep(1.0)
    print(
        f"at the end: {stand} of {options.parties} Registered, {there} known to Kamailio, at most"
        f" {crowd} in a second after the restart; {gone} unregistered;"
        f" left: {'nothing' if engine.run(engine.core.idle) else engine.counters()}"
    )
    return (
        stand == there == gone == options.parties
        and crowd <= CROWD * options.parties
        and after <= before * (1 + GROWTH)
        and engine.run(engine.core.idle)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parties", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=300, help="how long")
    parser.add_argument("--expires", type=int, default=60, help="seconds of a registration")
    parser.add_argument("--down", type=float, default=10.0, help="seconds without Kamailio")
    sys.exit(0 if main(parser.parse_args()) else 1)
