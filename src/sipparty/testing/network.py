"""A network in virtual time: it loses, doubles, delays and reorders, and does so alike each time.

Laws:

1. Whatever happens follows from the seed, the order of calls, and the cores: no clock is read, no
   chance is taken from elsewhere, nothing sleeps. An hour of timers takes as long as its work.
2. A core is anything with the five methods of `Core`. The network gives it bytes, calls its timers
   at exactly the time it asked for, and takes what it sends and its events after each of these.
3. Datagrams are lost, doubled and delayed each for itself, so a span of delays reorders them.
   Streams (TCP, TLS, WS, WSS, SCTP) are delayed but arrive whole and in order, one message a call.
4. A cut (`partition`) swallows datagrams that are sent or arrive while it lasts; streams wait for
   its end.
5. A verb called on a core between two calls of `run` is seen when `run` begins; one that a handler
   calls on the core it was called for is seen at once, on any other core after `wake(core)`.
6. What is due at one time happens in this order: what streams held back, deliveries in the order
   they were sent, actions and timers in the order they were set.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any, Final

from sipparty.errors import Timeout, UsageError
from sipparty.sip.core import FlowWanted
from sipparty.sip.flow import Flow
from sipparty.sip.transports import RELIABLE_TRANSPORTS, default_port
from sipparty.testing.attached import Core, Node
from sipparty.testing.clock import VirtualClock
from sipparty.testing.impairments import Carried, Cut, Fate, Link, Parcel, Place
from sipparty.trace.wirelog import WireRecord
from sipparty.transport.addresses import numeric_family

__all__ = ["SimulatedNetwork"]

_Address = tuple[str, int]

#: What comes first of what is due at one time: what a stream held back must not be overtaken.
_HELD, _DELIVERY, _OTHER = 0, 1, 2

#: Steps without time moving on after which a core is held to go round in circles.
_MOST_STEPS_AT_ONCE: Final = 1_000_000


class SimulatedNetwork:
    """Connects cores by address, in virtual time.

    Args:
        seed: Where chance comes from: the same seed, the same run.
        loss: The share of datagrams that are lost, 0 to 1, where no `link` says otherwise.
        duplication: The share of datagrams that arrive twice, alike.
        delay: The least and the greatest delay of a message, in seconds, alike.
        clock: The clock to move; a new one at 0.0 by default.
        hosts: The address of each host name, for cores that ask for a flow to one; or several in
            order, of which those that were tried in vain are passed over (RFC 3263 §4.3).
        log_limit: How many messages `log` keeps; bounds the memory of a long run.

    Attributes:
        clock: The clock; its `now` is what cores are given.
        counters: How many messages, or copies, met each fate of `Carried.fate`, and how many were
            "sent".
        hosts: As above; may be changed.
        log: What became of the messages, in the order it was settled.
        events: What happened in cores that were attached without a handler: (time, core, event).

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
        clock: VirtualClock | None = None,
        hosts: Mapping[str, str | Sequence[str]] | None = None,
        log_limit: int = 1_000_000,
    ) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.counters: Counter[str] = Counter()
        self.log: list[Carried] = []
        self.events: list[tuple[float, Core, Any]] = []
        self.hosts: dict[str, str | Sequence[str]] = dict(hosts or {})
        self._log_limit = log_limit
        self._chance = random.Random(seed).random
        self._default = Link(loss, duplication, delay)
        self._links: dict[tuple[Place, Place], Link] = {}
        self._cuts: list[Cut] = []
        self._held: list[Parcel] = []
        self._nodes: dict[int, Node] = {}
        self._by_address: dict[_Address, Node] = {}
        #: When the latest message of each direction of a stream arrives: none may overtake it.
        self._streams: dict[tuple[str, _Address, _Address], float] = {}
        self._queue: list[tuple[float, int, int, Parcel | Node | Callable[[], object]]] = []
        self._order = 0
        self._under_way = 0

    # Attaching

    def attach(
        self,
        core: Core,
        address: tuple[str, int],
        *,
        endpoint: Hashable = None,
        on_event: Callable[[Any], object] | None = None,
    ) -> None:
        """Give a core an address, or one more.

        Args:
            core: What receives what is sent to the address, by whatever transport.
            address: Host and port.
            endpoint: What the flows at this address name as their endpoint; `sipparty.sip.Core`
                knows by it which agents receive there.
            on_event: Called with each event of the core; it may call the core's verbs. Without it
                events are kept in `events`.

        Raises:
            UsageError: The address is taken.
        """
        if address in self._by_address:
            raise UsageError(f"{address!r} is attached already; detach it first.")
        node = self._nodes.setdefault(id(core), Node(core))
        if on_event is not None:
            node.on_event = on_event
        node.addresses[address] = endpoint
        self._by_address[address] = node

    def detach(self, address: tuple[str, int]) -> None:
        """Take an address from its core; a core without one is forgotten, its timers with it.

        Raises:
            UsageError: Nothing is attached there.
        """
        node = self._by_address.pop(address, None)
        if node is None:
            raise UsageError(f"Nothing is attached at {address!r}.")
        del node.addresses[address]
        if not node.addresses:
            del self._nodes[id(node.core)]
            node.due = None
        # What a crash leaves of its connections is not waited for by new ones.
        for key in [key for key in self._streams if address in key]:
            del self._streams[key]

    def flow(self, local: tuple[str, int], remote: tuple[str, int], transport: str = "UDP") -> Flow:
        """The flow from one address to another, as the core at `local` sees it.

        Raises:
            UsageError: Nothing is attached at `local`.
        """
        node = self._by_address.get(local)
        if node is None:
            raise UsageError(f"Nothing is attached at {local!r}.")
        return node.flow(transport, local, remote)

    # Impairments

    def link(
        self,
        source: Place,
        destination: Place,
        *,
        loss: float | None = None,
        duplication: float | None = None,
        delay: tuple[float, float] | None = None,
        both_ways: bool = True,
    ) -> None:
        """Say how messages between two places fare, from now on.

        A link between endpoints goes before one between hosts. What is not given stays as an
        earlier call for the same places made it, or else as the network was made.

        Args:
            source: An endpoint, or a host.
            destination: Alike.
            loss: As for `Link`.
            duplication: Alike.
            delay: Alike.
            both_ways: Whether the same goes for the other direction.

        Raises:
            ValueError: As for `Link`.
        """
        given = {"loss": loss, "duplication": duplication, "delay": delay}
        changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        links = {(source, destination)} | ({(destination, source)} if both_ways else set())
        for link in links:
            self._links[link] = replace(self._links.get(link, self._default), **changes)

    def partition(self, one: Iterable[Place], other: Iterable[Place] | None = None) -> Cut:
        """Let nothing pass between two groups of places, in either direction, until `heal`.

        Args:
            one: Endpoints and hosts.
            other: Alike; None means all that are not in the first group.

        Returns:
            The cut, to heal it alone.
        """
        cut = Cut(one, other)
        self._cuts.append(cut)
        return cut

    def heal(self, cut: Cut | None = None) -> None:
        """End one partition, or all of them; what streams held back goes on.

        Raises:
            UsageError: The cut has been healed before.
        """
        if cut is None:
            self._cuts.clear()
        elif cut in self._cuts:
            self._cuts.remove(cut)
        else:
            raise UsageError("The cut has been healed before.")
        held, self._held = self._held, []
        for parcel in held:
            self._carry(parcel, self.clock.now, _HELD)

    # Running

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Call something at a time, in seconds; a time that has passed counts as now.

        All cores are looked at after it, so it may call verbs on any.
        """
        self._push(max(time, self.clock.now), _OTHER, action)

    def wake(self, core: Core) -> None:
        """Look at a core now: take what it sends, its events, and its next timer.

        Raises:
            UsageError: The core is not attached.
        """
        node = self._nodes.get(id(core))
        if node is None:
            raise UsageError(f"{core!r} is not attached.")
        self._settle(node)

    def run(
        self, until: float | Callable[[], object] | None = None, max_time: float = 3600.0
    ) -> float:
        """Let time pass, from one delivery or timer to the next.

        Args:
            until: A time, in seconds, that is reached exactly; or a predicate that is asked before
                the first step and after each, until it is true; or None, until nothing is under way
                and no timer is armed.
            max_time: How many seconds may pass; a limit for predicates and None.

        Returns:
            The time.

        Raises:
            Timeout: The time ran out, or nothing is left that could make the predicate true.
            ValueError: The time to reach has passed.
            UsageError: A core sends from an address that it is not attached to, or goes round in
                circles without time passing.
        """
        predicate = until if callable(until) else None
        goal = float(until) if until is not None and not callable(until) else None
        limit = self.clock.now + max_time if goal is None else goal
        if limit < self.clock.now:
            raise ValueError(f"The time {limit!r} has passed: it is {self.clock.now!r}.")
        self._settle_all()
        steps, since = 0, self.clock.now
        try:
            while predicate is None or not predicate():
                time = self._next_time()
                if time is None or time > limit:
                    return self._stop(time, goal, limit, predicate is None)
                if time > since:
                    steps, since = 0, time
                steps += 1
                if steps > _MOST_STEPS_AT_ONCE:
                    raise UsageError(f"The simulation goes round in circles at time {since!r}.")
                self._step(time)
            return self.clock.now
        finally:
            self._set_time()

    def records(self) -> Iterator[WireRecord]:
        """The log as records of the wire: one for each message sent, one for each delivered.

        They are what `sipparty.trace.Ladder` and `write_pcap` take; sort them by time for others.
        """
        for item in self.log:
            source, destination = item.source, item.destination
            if item.fate != "duplicated":
                yield WireRecord(item.sent, "sent", item.transport, source, destination, item.data)
            if item.fate in ("delivered", "duplicated"):
                yield WireRecord(
                    item.settled, "received", item.transport, destination, source, item.data
                )

    def __repr__(self) -> str:
        return (
            f"<SimulatedNetwork at {self.clock.now:g}: {len(self._nodes)} cores,"
            f" {self._under_way} messages under way>"
        )

    # Inside

    def _push(self, time: float, rank: int, what: Parcel | Node | Callable[[], object]) -> None:
        self._order += 1
        heappush(self._queue, (time, rank, self._order, what))

    def _next_time(self) -> float | None:
        """When the next event is due, once timers that were disarmed are gone from the queue."""
        queue = self._queue
        while queue:
            time, _, _, what = queue[0]
            if isinstance(what, Node) and what.due != time:
                heappop(queue)
                continue
            return max(time, self.clock.now)
        return None

    def _stop(
        self, time: float | None, goal: float | None, limit: float, idle_will_do: bool
    ) -> float:
        """Nothing more happens before the limit: say whether that is what was asked for."""
        if goal is not None:
            return self.clock.advance_to(goal)
        if time is None and idle_will_do:
            return self.clock.now
        if time is None:
            raise Timeout(
                f"At {self.clock.now:g} s nothing is under way and no timer is armed, so what the"
                f" run waits for cannot come."
            )
        self.clock.advance_to(limit)
        raise Timeout(
            f"What the run waits for has not come by {limit:g} s: {self._under_way} messages are"
            f" under way, and the next event is due at {time:g} s."
        )

    def _step(self, time: float) -> None:
        self.clock.advance_to(time)
        what = heappop(self._queue)[3]
        if isinstance(what, Parcel):
            self._under_way -= 1
            self._deliver(what)
        elif isinstance(what, Node):
            what.due = None
            what.core.handle_timers(time)
            self._settle(what)
        else:
            self._set_time()  # verbs may follow
            what()
            self._settle_all()

    def _set_time(self) -> None:
        for node in self._nodes.values():
            node.set_time(self.clock.now)

    def _settle_all(self) -> None:
        for node in list(self._nodes.values()):
            self._settle(node)

    def _settle(self, node: Node) -> None:
        """Take what a core sends and its events until there are no more; then its timer."""
        core = node.core
        while node.addresses:
            for data, flow in core.transmits():
                self._send(node, data, flow)
            events = list(core.events())
            if not events:
                break
            for event in events:
                if isinstance(event, FlowWanted):
                    self._find_flow(node, event)
                elif node.on_event is None:
                    self.events.append((self.clock.now, core, event))
                else:
                    node.on_event(event)
        due = core.next_timer() if node.addresses else None
        if due != node.due:
            node.due = due
            if due is not None:
                self._push(due, _OTHER, node)

    def _find_flow(self, node: Node, wanted: FlowWanted) -> None:
        """Answer a core that asks for a flow, as a transport layer does (RFC 3263 in little)."""
        core: Any = node.core
        if not node.addresses:
            return
        given = wanted.endpoint
        if isinstance(given, Flow):
            if (given.transport, *given.remote) not in wanted.tried:
                core.flow_found(wanted, given, self.clock.now)
                return
            given = given.endpoint
        hop = wanted.next_hop
        found = self.hosts.get(hop.host, hop.host)
        transport = hop.transport or ("TLS" if hop.secure else "UDP")
        port = hop.port or default_port(transport)
        for host in (found,) if isinstance(found, str) else found:
            if numeric_family(host) is None:
                core.flow_failed(wanted, f"{hop.host} has no address here.", self.clock.now)
                return
            if (transport, host, port) not in wanted.tried:
                break
        else:
            core.flow_failed(wanted, f"Every address of {hop.host} was tried.", self.clock.now)
            return
        flow = node.flow(transport, node.address(given), (host, port))
        core.flow_found(wanted, flow, self.clock.now)

    def _send(self, node: Node, data: bytes, flow: Flow) -> None:
        source, destination = flow.local, flow.remote
        if source not in node.addresses:
            raise UsageError(
                f"A core sends from {source!r}, where it is not attached: expected one of"
                f" {list(node.addresses)!r}."
            )
        self.counters["sent"] += 1
        self._dispatch(Parcel(self.clock.now, flow.transport, source, destination, data))

    def _dispatch(self, parcel: Parcel) -> None:
        """Send a message, twice if chance will have it so."""
        link = self._link(parcel.source, parcel.destination)
        if parcel.transport in RELIABLE_TRANSPORTS:
            stream = (parcel.transport, parcel.source, parcel.destination)
            arrival = max(self._arrival(link), self._streams.get(stream, 0.0))
            self._streams[stream] = arrival
            self._carry(parcel, arrival)
            return
        if self._cuts and self._parted(parcel):
            self._note(parcel, "cut")
            return
        if link.loss and self._chance() < link.loss:
            self._note(parcel, "lost")
            return
        self._carry(parcel, self._arrival(link))
        if link.duplication and self._chance() < link.duplication:
            self._carry(replace(parcel, copy=True), self._arrival(link))

    def _arrival(self, link: Link) -> float:
        low, high = link.delay
        return self.clock.now + (low if low == high else low + (high - low) * self._chance())

    def _carry(self, parcel: Parcel, arrival: float, rank: int = _DELIVERY) -> None:
        self._under_way += 1
        self._push(arrival, rank, parcel)

    def _deliver(self, parcel: Parcel) -> None:
        if self._cuts and self._parted(parcel):
            if parcel.transport in RELIABLE_TRANSPORTS:
                self._held.append(parcel)
            else:
                self._note(parcel, "cut")
            return
        node = self._by_address.get(parcel.destination)
        if node is None:
            self._note(parcel, "unreachable")
            self._refuse(parcel)
            return
        self._note(parcel, "duplicated" if parcel.copy else "delivered")
        flow = node.flow(parcel.transport, parcel.destination, parcel.source)
        node.core.receive(parcel.data, flow, self.clock.now)
        self._settle(node)

    def _refuse(self, parcel: Parcel) -> None:
        """Refuse a stream, as nothing listens there; datagrams are not answered."""
        node = self._by_address.get(parcel.source)
        failed = getattr(node and node.core, "transport_failed", None)
        if node is None or failed is None or parcel.transport not in RELIABLE_TRANSPORTS:
            return
        flow = node.flow(parcel.transport, parcel.source, parcel.destination)
        host, port = parcel.destination
        failed(flow, f"Nothing listens at {host}, port {port}.", self.clock.now)
        self._settle(node)

    def _parted(self, parcel: Parcel) -> bool:
        return any(cut.parts(parcel.source, parcel.destination) for cut in self._cuts)

    def _note(self, parcel: Parcel, fate: Fate) -> None:
        self.counters[fate] += 1
        if len(self.log) < self._log_limit:
            path = parcel.transport, parcel.source, parcel.destination
            self.log.append(Carried(parcel.sent, self.clock.now, fate, *path, parcel.data))

    def _link(self, source: _Address, destination: _Address) -> Link:
        if self._links:
            for one in (source, source[0]):
                for other in (destination, destination[0]):
                    link = self._links.get((one, other))
                    if link is not None:
                        return link
        return self._default
