"""What is attached to a simulated network: the methods a core must have, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol

from sipparty.sip.flow import Flow, FlowTable

__all__ = ["Core", "Node"]


class Core(Protocol):
    """What can be attached to a network: a protocol that does no I/O.

    If it has `flow_found` and `flow_failed` as `sipparty.sip.Core` does, the network answers its
    `FlowWanted` events; if it has `transport_failed`, it is notified of connections that are
    refused; if it has `at`, that is called with the time before actions run and when a run ends.
    """

    def receive(self, data: bytes, flow: Flow, now: float, /) -> object:
        """Take bytes that came by a flow."""

    def handle_timers(self, now: float, /) -> object:
        """Do what is due."""

    def next_timer(self) -> float | None:
        """When `handle_timers` has to be called next; None if never."""

    def transmits(self) -> Iterable[tuple[bytes, Flow]]:
        """What is to be sent since the last call."""

    def events(self) -> Iterable[Any]:
        """What happened since the last call."""


class Node:
    """A core and its addresses, each with the endpoint that its flows name; the network's own."""

    __slots__ = ("_tables", "addresses", "core", "due", "on_event")

    def __init__(self, core: Core) -> None:
        self.core = core
        self.on_event: Callable[[Any], object] | None = None
        self.addresses: dict[tuple[str, int], Hashable] = {}
        self._tables: dict[Hashable, FlowTable] = {}
        #: The timer that is in the network's queue for it; None if there is none.
        self.due: float | None = None

    def flow(self, transport: str, local: tuple[str, int], remote: tuple[str, int]) -> Flow:
        """The flow from one of its addresses, as the core knows it."""
        endpoint = self.addresses.get(local)
        key = (transport, local, endpoint)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = FlowTable(transport, endpoint)
        return table.flow(local, remote)

    def set_time(self, now: float) -> None:
        """Set the core's time before a verb is called on it, if it has a method for that."""
        at = getattr(self.core, "at", None)
        if at is not None:
            at(now)

    def address(self, endpoint: Hashable) -> tuple[str, int]:
        """The address of an endpoint; the first of all if the endpoint is None or gone."""
        for address, other in self.addresses.items():
            if other == endpoint:
                return address
        return next(iter(self.addresses))
