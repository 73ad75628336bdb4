"""A network of simulated hosts: what their sockets send, and what becomes of it.

Laws:

* Whatever happens follows from the seed and the program: chance comes from the seed alone, and time
  is the loop's.
* Datagrams are lost, doubled and delayed each for itself, so a span of delays reorders them; of
  links and partitions see `sipparty.testing.impairments`. Streams are delayed, and wait for the
  end of a partition.
* A host has the addresses that it was given. An address that nobody has swallows datagrams; a port
  where nobody listens refuses connections.
* Behind a `NAT` a host is seen by an address and ports of the NAT's, and is reached by what it has
  sent to itself.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, Self, TypeAlias, TypeVar

from sipparty.errors import UsageError
from sipparty.sip.transports import SUPPORTED
from sipparty.testing.impairments import Carried, Cut, Fate, Link, Place
from sipparty.testing.simulation.engine import SimulatedEngine
from sipparty.testing.simulation.hosts import NAT, Host
from sipparty.testing.simulation.loop import SimulatedDescriptor, VirtualEvent, VirtualLoop
from sipparty.testing.simulation.sockets import SimulatedSocket
from sipparty.transport.addresses import is_loopback, numeric_family
from sipparty.transport.nameservers import Answered
from sipparty.transport.resolver import Resolver
from sipparty.transport.targets import NAPTR, SRV, Answer, Question, RecordType

__all__ = ["VirtualNetwork"]

_Address = tuple[Any, ...]
#: What a name stands for.
Records: TypeAlias = str | SRV | NAPTR | Sequence[str | SRV | NAPTR]
_T = TypeVar("_T")

#: Seconds until a connection to an address that nobody has fails, as Linux gives up.
_CONNECT_PATIENCE: Final = 127.0


class _Names:
    """Answers questions to the DNS.

    Args:
        names: What names stand for.
    """

    def __init__(self, names: Mapping[str, Records]) -> None:
        self._names = names

    async def __call__(self, question: Question) -> Answered:
        """Answer a question; at once."""
        found = self._names.get(question.name.lower(), ())
        records = (found,) if isinstance(found, str | SRV | NAPTR) else found
        return Answered(Answer(tuple(one for one in records if _kind(one) is question.type)))


def _kind(record: str | SRV | NAPTR) -> RecordType:
    if isinstance(record, SRV):
        return RecordType.SRV
    if isinstance(record, NAPTR):
        return RecordType.NAPTR
    return RecordType.AAAA if ":" in record else RecordType.A


class VirtualNetwork:
    """Hosts whose programs run in virtual time.

    Args:
        seed: Where chance comes from: the same seed and program, the same run.
        loss: The share of datagrams that are lost, 0 to 1, where no `link` says otherwise.
        duplication: The share of datagrams that arrive twice, alike.
        delay: The least and the greatest delay, in seconds, alike.
        names: What names stand for: addresses, one or several; or records, `SRV` and `NAPTR` of
            `sipparty.transport.targets`, under their names ("_sip._udp.biloxi.example").
        log_limit: How many datagrams and pieces of streams `log` keeps.

    Attributes:
        loop: Its event loop.
        counters: How many met each fate of `Carried.fate`, and how many were "sent".
        log: What became of them, in the order that it was settled.
        names: What names stand for, for the engines made by `engine`; may be changed.
        hosts: Its hosts.

    Raises:
        ValueError: As for `Link`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay: tuple[float, float] = (0.0, 0.0),
        names: Mapping[str, Records] | None = None,
        log_limit: int = 100_000,
    ) -> None:
        self.loop = VirtualLoop()
        self.counters: Counter[str] = Counter()
        self.log: list[Carried] = []
        self.names: dict[str, Records] = dict(names or {})
        self.random = random.Random(seed)
        self._log_limit = log_limit
        self._default = Link(loss, duplication, delay)
        self._links: dict[tuple[Place, Place], Link] = {}
        self._cuts: list[Cut] = []
        self._held: list[tuple[SimulatedSocket, SimulatedSocket, Any]] = []
        self.hosts: list[Host] = []
        self._engines: list[SimulatedEngine] = []
        self._free: list[int] = list(range(256))
        self._highest = 256
        self._arrivals: dict[tuple[int, int], float] = {}

    # ---------------------------------------------------------------- hosts

    def host(self, *addresses: str, nat: NAT | None = None) -> Host:
        """Add a host.

        Args:
            addresses: Its numeric addresses.
            nat: What it is behind.

        Raises:
            UsageError: Another has one of them, or one is no numeric address.
        """
        for address in addresses:
            if numeric_family(address) is None:
                raise UsageError(f"{address!r} is no numeric address.")
            if any(address in host.addresses and host.nat is nat for host in self.hosts):
                raise UsageError(f"A host has {address} already.")
        if not addresses:
            raise UsageError("A host has an address, at least one.")
        host = Host(self, addresses, nat)
        self.hosts.append(host)
        return host

    def engine(self, *addresses: str, nat: NAT | None = None, **options: Any) -> SimulatedEngine:
        """Add a host, and return the engine of a program on it.

        Args:
            *addresses: As for `host`.
            nat: Likewise.
            options: As for `Engine`.
        """
        engine = SimulatedEngine(self.host(*addresses, nat=nat), **options)
        self._engines.append(engine)
        return engine

    @property
    def now(self) -> float:
        """The virtual time, in seconds since the network began."""
        return self.loop.time()

    def resolver(self) -> Resolver:
        """Return what finds the targets of names for an engine: by `names`, and nothing else."""
        return Resolver(
            transports=SUPPORTED,
            lookup=_Names(self.names),
            hosts=None,
            clock=self.loop.time,
            chance=self.random.random,
        )

    # ---------------------------------------------------------------- running

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end, in virtual time; as `asyncio.run` does. Where other threads
        of the program take turns, this one waits for the end as they do.
        """
        if self.loop.has_turn_elsewhere():
            self.loop.enter()
            done = VirtualEvent(self.loop)
            task = self.loop.create_task(main)
            task.add_done_callback(lambda _: done.set())
            done.wait()
            return task.result()
        self.loop.stop_thread()
        try:
            return self.loop.run_until_complete(main)
        finally:
            self._cancel_tasks()

    def _cancel_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks and not self.loop.is_closed():
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def sleep(self, seconds: float) -> None:
        """Let so many virtual seconds pass; in a thread, for programs that are not coroutines."""
        VirtualEvent(self.loop).wait(seconds)

    def close(self) -> None:
        """Close every engine, politely, and the loop. Called twice it does nothing."""
        if self.loop.is_closed():
            return
        for engine in self._engines:
            engine.close()
        self.loop.stop_thread()
        self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<VirtualNetwork of {len(self.hosts)} hosts at {self.now:g} s>"

    # ---------------------------------------------------------------- impairments

    def link(
        self,
        source: Place,
        destination: Place,
        *,
        loss: float = 0.0,
        duplication: float = 0.0,
        delay: tuple[float, float] = (0.0, 0.0),
        both_ways: bool = True,
    ) -> None:
        """Say how one place reaches another, from now on, whatever the network's own values.

        Raises:
            ValueError: As for `Link`.
        """
        made = Link(loss, duplication, delay)
        self._links[source, destination] = made
        if both_ways:
            self._links[destination, source] = made

    def partition(self, one: Iterable[Place], other: Iterable[Place] | None = None) -> Cut:
        """Cut the network in two, from now on until `heal`.

        Args:
            one: Places on the one side.
            other: Places on the other; None for all that are not on the one.
        """
        cut = Cut(one, other)
        self._cuts.append(cut)
        return cut

    def heal(self, cut: Cut | None = None) -> None:
        """End a partition; None for all."""
        self._cuts = [] if cut is None else [one for one in self._cuts if one is not cut]
        held, self._held = self._held, []
        for source, target, item in held:
            self._carry_stream(source, target, item)

    def _link(self, source: _Address, target: _Address) -> Link:
        for one in (source, source[0]):
            for other in (target, target[0]):
                found = self._links.get((one, other))
                if found is not None:
                    return found
        return self._default

    def _is_cut(self, source: _Address, target: _Address) -> bool:
        return any(cut.parts(source[:2], target[:2]) for cut in self._cuts)

    def _settle(
        self, fate: Fate, sent: float, kind: str, source: _Address, target: _Address, data: bytes
    ) -> None:
        self.counters[fate] += 1
        if len(self.log) < self._log_limit:
            carried = Carried(sent, self.now, fate, kind, source[:2], target[:2], data)
            self.log.append(carried)

    # ---------------------------------------------------------------- datagrams

    def send_datagram(self, host: Host, source: _Address, target: _Address, data: bytes) -> None:
        """Carry a datagram; for sockets."""
        self.counters["sent"] += 1
        sent = self.now
        if host.nat is not None and not (is_loopback(target[0]) or host.beside(target[0])):
            source = host.nat.out(source, target, sent)
        if is_loopback(target[0]):
            self.loop.call_soon(self._deliver, host, sent, source, target, data, "delivered")
            return
        link = self._link(source, target)
        chance = self.random.random
        if self._is_cut(source, target):
            self._settle("cut", sent, "UDP", source, target, data)
            return
        if link.loss and chance() < link.loss:
            self._settle("lost", sent, "UDP", source, target, data)
            return
        copies: list[Fate] = ["delivered"]
        if link.duplication and chance() < link.duplication:
            copies.append("duplicated")
        for fate in copies:
            delay = self.random.uniform(*link.delay) if link.delay[1] else 0.0
            inside = host.nat
            self.loop.call_later(delay, self._arrive, inside, sent, source, target, data, fate)

    def _arrive(
        self,
        nat: NAT | None,
        sent: float,
        source: _Address,
        target: _Address,
        data: bytes,
        fate: Fate,
    ) -> None:
        if self._is_cut(source, target):
            self._settle("cut", sent, "UDP", source, target, data)
            return
        found = self._find(target, nat)
        inner: _Address | None = target
        if found is None:
            for each in dict.fromkeys(host.nat for host in self.hosts):
                if each is not None and each.public == target[0]:
                    inner = each.into(source, target[1], self.now)
                    found = None if inner is None else self._find(inner, each)
        if found is None or inner is None:
            self._settle("unreachable", sent, "UDP", source, target, data)
            return
        self._deliver(found, sent, source, inner, data, fate)

    def _deliver(
        self, host: Host, sent: float, source: _Address, target: _Address, data: bytes, fate: Fate
    ) -> None:
        receiver = host.bound(socket.SOCK_DGRAM, target)
        if receiver is None:
            fate = "unreachable"
        self._settle(fate, sent, "UDP", source, target, data)
        if receiver is not None:
            full = source if receiver.family == socket.AF_INET else (*source[:2], 0, 0)
            receiver.arrived((data, full))

    def _find(self, target: _Address, nat: NAT | None) -> Host | None:
        """The host that has an address, seen from behind a NAT or from outside of all."""
        for host in self.hosts:
            if target[0] in host.addresses and (host.nat is None or host.nat is nat):
                return host
        return None

    # ---------------------------------------------------------------- streams

    async def connect(self, client: SimulatedSocket, target: _Address) -> None:
        """Connect a stream; for sockets.

        Raises:
            OSError: Nobody listens there, or nothing comes back.
        """
        source = client.getsockname()
        local = is_loopback(target[0])
        link = Link() if local else self._link(source, target)
        await asyncio.sleep(2 * self.random.uniform(*link.delay) if link.delay[1] else 0)
        host = client.host if local else self._find(target, client.host.nat)
        if host is None or (not local and self._is_cut(source, target)):
            await asyncio.sleep(_CONNECT_PATIENCE)
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        listener = host.bound(socket.SOCK_STREAM, target)
        if listener is None or not listener.listening:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        server = SimulatedSocket(host, client.family, socket.SOCK_STREAM)
        seen = source
        if client.host.nat is not None and host.nat is not client.host.nat:
            seen = client.host.nat.out(source[:2], target, self.now)
        server.local = (target[0], target[1], *source[2:])
        client.join(server, (target[0], target[1], *source[2:]))
        server.join(client, seen)
        listener.arrived(server)

    def send_stream(self, source: SimulatedSocket, target: SimulatedSocket, data: bytes) -> None:
        """Carry a piece of a stream; for sockets."""
        self.counters["sent"] += 1
        self._carry_stream(source, target, (self.now, data))

    def end_stream(self, source: SimulatedSocket, target: SimulatedSocket) -> None:
        """Carry the end of a stream; for sockets."""
        self._carry_stream(source, target, None)

    def _carry_stream(self, source: SimulatedSocket, target: SimulatedSocket, item: Any) -> None:
        ends = source.getsockname(), source.remote or target.getsockname()
        local = is_loopback(ends[1][0])
        if not local and self._is_cut(*ends):
            self._held.append((source, target, item))
            return
        link = Link() if local else self._link(*ends)
        delay = self.random.uniform(*link.delay) if link.delay[1] else 0.0
        key = (id(source), id(target))
        at = max(self.now + delay, self._arrivals.get(key, -inf))
        self._arrivals[key] = at
        self.loop.call_at(at, self._arrive_stream, source, target, item)

    def _arrive_stream(self, source: SimulatedSocket, target: SimulatedSocket, item: Any) -> None:
        if item is None:
            self._arrivals.pop((id(source), id(target)), None)
            target.ended(reset=target.closed)
            return
        sent, data = item
        ends = source.getsockname(), source.remote or target.getsockname()
        self._settle("delivered", sent, "TCP", *ends, data)
        if target.closed:
            source.ended(reset=True)
        else:
            target.arrived(data)

    # ---------------------------------------------------------------- descriptors

    def take_descriptor(self) -> SimulatedDescriptor:
        """The lowest free number, for a socket."""
        if not self._free:
            self._highest += 1
            return SimulatedDescriptor(self._highest)
        return SimulatedDescriptor(heappop(self._free))

    def give_back_descriptor(self, number: SimulatedDescriptor) -> None:
        """Let a number be used again."""
        heappush(self._free, int(number))
