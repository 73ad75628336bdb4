"""Finding the next hop: targets for a destination, from the hosts file and the DNS (RFC 3263).

    resolver = Resolver(transports=("UDP", "TCP"))
    targets = await resolver.resolve(NextHop("biloxi.com"))     # in the order to be tried
    resolver.mark_down(targets[0])                                  # it failed: try the next one

Laws:

* What to ask and what follows of it is `sipparty.transport.targets`; here is when it is asked.
* What the DNS said is kept for its TTL, that there is nothing too (RFC 2308), and a failure for a
  short while, so that a server that is down costs one call its timeout and not each. What is kept
  is bounded. A question that is under way is not asked again.
* A `resolve` ends within `timeout` seconds, whatever the servers do.
* Names in the hosts file are the file's: the DNS is not asked about them. `localhost` and what is
  below it never leave this host (RFC 6761 §6.3).
* Everything that can go wrong is a `ResolveError`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sipparty.sip.routing import NextHop
from sipparty.transport.addresses import numeric_family
from sipparty.transport.nameservers import Answered, DNSLookup, Lookup, default_lookup
from sipparty.transport.target_health import TargetHealth
from sipparty.transport.targets import (
    Answer,
    Machine,
    Question,
    RecordType,
    ResolveError,
    Target,
    locate,
)

__all__ = [
    "DNSLookup",
    "HostsFile",
    "ResolveError",
    "Resolver",
    "Target",
    "TargetHealth",
]

_LOOPBACK: dict[RecordType, tuple[str, ...]] = {
    RecordType.A: ("127.0.0.1",),
    RecordType.AAAA: ("::1",),
}


class HostsFile:
    """The names of a hosts file; read when it is first asked, and again when it has changed.

    Args:
        path: The file; None for none. One that cannot be read is an empty one.
    """

    #: The largest file that is read, in bytes.
    MAX_SIZE = 16 * 1024 * 1024

    def __init__(self, path: str | Path | None = "/etc/hosts") -> None:
        self._path = None if path is None else Path(path)
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, dict[RecordType, tuple[str, ...]]] = {}

    def answer(self, question: Question) -> Answer | None:
        """Answer a question about one of the file's names; None where it is for the DNS.

        That a name in the file has SRV and NAPTR records is not possible: the answer is empty.
        """
        name = question.name.lower()
        if question.type in (RecordType.SRV, RecordType.NAPTR):
            while name.startswith("_"):
                name = name.partition(".")[2]
        self._read()
        addresses = self._names.get(name)
        if addresses is None and (name == "localhost" or name.endswith(".localhost")):
            addresses = _LOOPBACK
        return None if addresses is None else Answer(addresses.get(question.type, ()))

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp or status.st_size > self.MAX_SIZE:
                return
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            self._stamp, self._names = None, {}
            return
        self._stamp, self._names = stamp, _parse_hosts(text)


def _parse_hosts(text: str) -> dict[str, dict[RecordType, tuple[str, ...]]]:
    """Read lines of an address and names, `#` beginning a comment; other lines are passed over."""
    names: dict[str, dict[RecordType, tuple[str, ...]]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2 or numeric_family(words[0]) is None:
            continue
        kind = RecordType.AAAA if ":" in words[0] else RecordType.A
        for name in words[1:]:
            addresses = names.setdefault(name.lower().rstrip("."), {})
            if words[0] not in addresses.get(kind, ()):
                addresses[kind] = (*addresses.get(kind, ()), words[0])
    return names


class Resolver:
    """Finds targets; one for all of a program's requests.

    To be used on one event loop.

    Args:
        transports: Those that we have, as Via headers spell them, the preferred one first.
        families: Which kinds of address we can send to, the preferred one first.
        lookup: What is asked: a `DNSLookup` for other servers or timeouts; None for the system's
        name servers.
        hosts: The hosts file; None for none.
        health: The memory of targets that are down; None for a new one.
        timeout: How long a `resolve` may take, in seconds.
        max_ttl: The longest that an answer is kept, in seconds.
        max_negative_ttl: The longest that the news of nothing is kept, in seconds (RFC 2308 §5).
        failure_ttl: How long a failure is kept, in seconds (RFC 2308 §7 allows 300).
        max_entries: How many answers are kept.
        clock: Gives the time in seconds, forward only.
        chance: Gives numbers from 0 up to, not including, 1: load is spread by it.
    """

    #: How long an answer is kept that does not say, in seconds.
    DEFAULT_TTL = 30.0

    def __init__(
        self,
        *,
        transports: Sequence[str] = ("UDP", "TCP", "TLS"),
        families: Sequence[RecordType] = (RecordType.AAAA, RecordType.A),
        lookup: Lookup | None = None,
        hosts: str | Path | None = "/etc/hosts",
        health: TargetHealth | None = None,
        timeout: float = 8.0,
        max_ttl: float = 3600.0,
        max_negative_ttl: float = 300.0,
        failure_ttl: float = 5.0,
        max_entries: int = 4096,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.transports = tuple(transports)
        self.families = tuple(families)
        self.health = TargetHealth() if health is None else health
        self._lookup = lookup
        self._hosts = HostsFile(hosts)
        self._timeout = timeout
        self._max_ttl = max_ttl
        self._max_negative_ttl = max_negative_ttl
        self._failure_ttl = failure_ttl
        self._clock = clock
        self._chance = chance
        self._max_entries = max_entries
        #: What was answered, and until when it is good; what was used last comes last.
        self._cache: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()
        #: The targets of addresses, which no answer changes.
        self._numeric: dict[object, list[Target]] = {}
        self._asking: dict[Question, asyncio.Task[Answer]] = {}

    def __repr__(self) -> str:
        return f"<Resolver: {len(self._cache)} answers kept, {len(self.health)} targets down>"

    async def resolve(
        self,
        destination: NextHop,
        *,
        transports: Sequence[str] | None = None,
        reliable: bool = False,
    ) -> list[Target]:
        """Return where to send a request, in the order to be tried (RFC 3263 §4); targets that are
        down come last.

        Args:
            destination: What the URI says.
            transports: Those to choose from this time; None for the resolver's.
            reliable: Whether the request is too large for UDP (RFC 3261 §18.1.1).

        Returns:
            One target at least.

        Raises:
            ResolveError: There is none, or it took too long.
        """
        machine = self._locate(destination, transports, reliable)
        try:
            async with asyncio.timeout(self._timeout):
                targets = await self._run(machine)
        except TimeoutError:
            raise ResolveError(
                f"No target found for {destination}: the name servers took longer than "
                f"{self._timeout:g} s."
            ) from None
        return self.health.order(targets, self._clock())

    def at_hand(self, destination: NextHop, *, reliable: bool = False) -> list[Target] | None:
        """Return what `resolve` would, where nothing has to be asked for it: of an address, of a
        name in the hosts file, of one that was asked about before.

        Returns:
            One target at least; None where the DNS has to be asked.

        Raises:
            ResolveError: There is none.
        """
        key = (*destination[:4], destination.maddr, reliable)
        targets = self._numeric.get(key)
        if targets is not None:
            return self.health.order(targets, self._clock()) if self.health.until else targets
        machine = self._locate(destination, None, reliable)
        now = self._clock()
        try:
            questions = next(machine)
            while True:
                answers = [self._known(question, now) for question in questions]
                if None in answers:
                    machine.close()
                    return None
                questions = machine.send(tuple(answer for answer in answers if answer is not None))
        except StopIteration as done:
            found: list[Target] = done.value
        if destination.is_numeric:
            if len(self._numeric) >= self._max_entries:
                self._numeric.clear()
            self._numeric[key] = found
        return self.health.order(found, now)

    def _locate(
        self, destination: NextHop, transports: Sequence[str] | None, reliable: bool
    ) -> Machine:
        return locate(
            destination,
            transports=self.transports if transports is None else transports,
            random=self._chance,
            families=self.families,
            reliable=reliable,
        )

    def _known(self, question: Question, now: float) -> Answer | None:
        """Return the answer to a question that need not be asked."""
        key = Question(question.name.lower(), question.type)
        answer = self._hosts.answer(key)
        if answer is None and key in self._cache:
            until, answer = self._cache[key]
            if until <= now:
                del self._cache[key]
                return None
            self._cache.move_to_end(key)
        return answer

    def mark_down(self, target: Target, *, retry_after: float | None = None) -> None:
        """Note that a target failed, by timeout, transport error or 503 (RFC 3263 §4.3).

        Args:
            target: The target.
            retry_after: The Retry-After of its 503, in seconds; None for none.
        """
        self.health.mark(target, self._clock(), retry_after=retry_after)

    def mark_up(self, target: Target) -> None:
        """Note that a target answered."""
        self.health.clear(target)

    def forget(self) -> None:
        """Drop all answers, such as after a change of network; what is down stays so."""
        self._cache.clear()

    async def close(self) -> None:
        """Stop asking, and wait for that. What waits for an answer gets a `ResolveError`."""
        tasks = list(self._asking.values())
        self.abandon()
        await asyncio.gather(*tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Stop asking; the loop sees to it when it turns."""
        for task in self._asking.values():
            task.cancel()

    # ---------------------------------------------------------------- questions

    async def _run(self, machine: Machine) -> list[Target]:
        """Answer what the machine asks until it is done."""
        try:
            questions = next(machine)
            while True:
                questions = machine.send(await self._ask_all(questions))
        except StopIteration as done:
            targets: list[Target] = done.value
            return targets

    async def _ask_all(self, questions: tuple[Question, ...]) -> tuple[Answer, ...]:
        """Answer a batch: from what is at hand, and the rest from the DNS at once."""
        now = self._clock()
        answers: dict[Question, Answer] = {}
        waiting: dict[Question, asyncio.Task[Answer]] = {}
        for question in questions:
            key = Question(question.name.lower(), question.type)
            known = self._known(key, now)
            if known is not None:
                answers[question] = known
                continue
            task = self._asking.get(key)
            if task is None:
                task = asyncio.ensure_future(self._ask(key))
                self._asking[key] = task
                task.add_done_callback(partial(self._asking.pop, key))
            waiting[question] = task
        if waiting:
            # Others may wait for the same: who gives up does not cancel it for them.
            await asyncio.wait(waiting.values())
        for question, task in waiting.items():
            answers[question] = (
                Answer((), "the resolver was closed") if task.cancelled() else task.result()
            )
        return tuple(answers[question] for question in questions)

    async def _ask(self, question: Question) -> Answer:
        if self._lookup is None:
            self._lookup = default_lookup()
        try:
            async with asyncio.timeout(self._timeout):
                answered = await self._lookup(question)
        except TimeoutError:
            clause = f"{question.type.value} of {question.name[:80]!r}: no answer came in time"
            answered = Answered(Answer((), clause))
        self._cache[question] = self._clock() + self._ttl(answered), answered.answer
        self._cache.move_to_end(question)
        while len(self._cache) > self._max_entries:
            self._cache.popitem(last=False)
        return answered.answer

    def _ttl(self, answered: Answered) -> float:
        if answered.answer.failure:
            return self._failure_ttl
        most = self._max_ttl if answered.answer.records else self._max_negative_ttl
        return min(most, self.DEFAULT_TTL if answered.ttl is None else answered.ttl)
