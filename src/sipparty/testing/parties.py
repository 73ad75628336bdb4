"""The parties of one test: made, recorded, named in ladders, and closed when it is over.

    with VirtualParties(VirtualNetwork()) as party:         # the fixture `party`
        alice, bob = party("alice@atlanta.com"), party("bob@biloxi.com")
        alice.invite(bob).wait(5).terminate().wait(5)
        print(party.ladder())

Laws:

* Each party is on an engine, and a host or port, of its own, and listens.
* All that its engine sends and receives is kept, until it is closed.
* What a party has not ended is in `left_open`, by which the plugin fails the test.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sipparty.party import Party
from sipparty.sip.dialog.call import SimpleCall
from sipparty.sip.events import CallReceived, Event
from sipparty.testing.recording import record
from sipparty.testing.registrar import Registrar
from sipparty.trace.ladder import Ladder
from sipparty.trace.records import QualityRecord, StateRecord, TraceRecord
from sipparty.trace.wirelog import WireRecord

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.testing.proxy import Proxy
    from sipparty.testing.simulation import VirtualNetwork

__all__ = ["Parties", "RealParties", "VirtualParties"]


class Parties:
    """Makes parties; called as a function.

    Attributes:
        made: The parties, in order.
        names: What their addresses are called in ladders: "host:port", or a host.
    """

    #: Seconds that a party waits for a peer that says no goodbye, at its end.
    CLOSE_TIMEOUT = 0.2
    #: Seconds that what is being ended is given to end.
    GRACE = 1.0

    def __init__(self) -> None:
        self.made: list[Party[Any, Any]] = []
        self.names: dict[tuple[str, int] | str, str] = {}
        self._engines: list[Engine] = []
        self._servers: dict[str, tuple[Engine, str]] = {}
        self._closing = ExitStack()

    def __call__(
        self,
        uri: str,
        kind: type[Party[Any, Any]] | None = None,
        *,
        listen: bool | Mapping[str, Any] = True,
        engine: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Any:
        """Make a party that listens.

        Args:
            uri: Its address of record.
            kind: Its class; `AudioParty` by default.
            listen: Options of `Party.listen`, such as `{"transport": "TCP"}`; False for a party
                that does not.
            engine: Options of its engine, such as `{"timing": Timing(t1=0.1)}`.
            settings: As for the class.
        """
        if kind is None:
            from sipparty.parties import AudioParty

            kind = AudioParty
        chosen: Any = kind
        own = self._engine(**(engine or {}))
        party: Party[Any, Any] = _watched(chosen)(uri, engine=own, **settings)
        party.CLOSE_TIMEOUT = self.CLOSE_TIMEOUT  # type: ignore[misc]
        self.made.append(party)
        if listen:
            options = {} if listen is True else dict(listen)
            party.listen(**{**self._place(own), **options})
        self._name(party)
        return party

    def __repr__(self) -> str:
        made = ", ".join(str(party.username) for party in self.made)
        return f"<{type(self).__name__}: {made or 'none yet'}>"

    # ---------------------------------------------------------------- of each kind

    def _engine(self, **options: Any) -> Engine:
        """Make an engine, recorded, and closed at the end."""
        raise NotImplementedError

    def _place(self, engine: Any) -> dict[str, Any]:
        """Where a party on an engine listens."""
        raise NotImplementedError

    def _serve(self, domain: str, party: Party[Any, Any]) -> str:
        """Have a domain lead to a server; return what is its next hop."""
        raise NotImplementedError

    def _places(self, party: Party[Any, Any]) -> list[tuple[str, int] | str]:
        """What stands for a party's addresses in `names`."""
        return [endpoint.address[:2] for endpoint in party._endpoints]

    def _name(self, party: Party[Any, Any]) -> None:
        name = str(party.username or party.uri)
        if name in self.names.values():
            name = str(party.aor)
        self.names.update(dict.fromkeys(self._places(party), name))

    # ---------------------------------------------------------------- servers

    def registrar(
        self, domain: str, accounts: Mapping[str, str] | None = None, **options: Any
    ) -> Registrar:
        """Have a registrar for a domain.

        Args:
            domain: The domain.
            accounts: Passwords by user; None to ask for none.
            options: As for `Registrar`.

        Returns:
            The registrar; its attribute `address` is the next hop, for a party's `proxy`.
        """
        engine, address = self._server(domain)
        made = engine.run(lambda: Registrar(engine.core, domain, accounts, **options))
        made.address = address
        return made

    def proxy(self, domain: str, **options: Any) -> Proxy:
        """Have a proxy for a domain: it forwards what is for its users to where they have
        registered, if there is a registrar for the domain as well, or as `routes` says.

        Args:
            domain: The domain.
            options: As for `Proxy`.

        Returns:
            The proxy; its attribute `address` is the next hop, for a party's `proxy`.
        """
        from sipparty.testing.proxy import Proxy

        engine, address = self._server(domain)
        made = engine.run(lambda: Proxy(engine.core, domain, **options))
        made.address = address
        return made

    def _server(self, domain: str) -> tuple[Engine, str]:
        if domain not in self._servers:
            from sipparty.parties import NoMediaSimpleCallsParty

            server = self(f"sip:server@{domain}", NoMediaSimpleCallsParty)
            self.names = {
                place: domain if name == "server" else name for place, name in self.names.items()
            }
            self._servers[domain] = server.engine, self._serve(domain, server)
        return self._servers[domain]

    # ---------------------------------------------------------------- what was seen

    def watch(self, *others: Any) -> None:
        """Record parties or engines that were made elsewhere, too."""
        for other in others:
            engine = getattr(other, "engine", other)
            if engine not in self._engines:
                self._engines.append(engine)
                record(engine)
            if isinstance(other, Party):
                self.made.append(other)
                self._name(other)

    @property
    def records(self) -> list[TraceRecord]:
        """What the traces of all engines have, in order of time; messages that both ends are here
        of are there twice.
        """
        found = [one for engine in self._engines for one in record(engine)]
        return sorted(found, key=lambda one: one.time)

    def messages(self) -> list[WireRecord]:
        """The messages among the records."""
        return [one for one in self.records if isinstance(one, WireRecord)]

    def __iter__(self) -> Iterator[TraceRecord]:
        return iter(self.records)

    def for_call(self, call: Any) -> list[TraceRecord]:
        """Return the records of a call."""
        return [one for one in self.records if one.call_id == call.call_id]

    def ladder(self, call: Any = None, *, states: bool = False) -> Ladder:
        """Return a drawing of what has happened so far.

        Args:
            call: A call, to have that alone.
            states: Whether the states of machines are drawn too.
        """
        kept = (
            self.records
            if states
            else [one for one in self.records if not isinstance(one, StateRecord | QualityRecord)]
        )
        call_id = None if call is None else call.call_id
        return Ladder(kept, names=self.names, call_id=call_id, limit=max(1, len(kept)))

    def save(self, path: str | os.PathLike[str], call: Any = None) -> Path:
        """Write what has happened to a file, as `sipparty.trace.Trace.save` does."""
        from sipparty.trace.saving import save

        return save(self, Path(path), call)

    def calls(self) -> list[Any]:
        """The calls of all parties, those that are over too, in the order they began."""
        found: dict[int, Any] = {}
        for party in self.made:
            for call in [*getattr(party, "_seen_calls", ()), *party.calls]:
                found[id(call)] = call
        return [call for call in found.values() if call.steps]

    # ---------------------------------------------------------------- the end

    def left_open(self) -> list[str]:
        """Return what the parties have not ended, as sentences; what is being ended may take some
        time.
        """
        until = self._now() + self.GRACE
        while self._open() and self._now() < until:
            self._sleep(0.02)
        return self._open()

    def _now(self) -> float:
        raise NotImplementedError

    def _sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def _open(self) -> list[str]:
        problems = []
        for party in self.made:
            for agent in party._agents:
                for handle in [*agent.dialogs, *agent.services]:
                    if handle.state not in handle.final and _is_for_its_user(handle):
                        problems.append(_left(party, handle))
        return problems

    def close(self) -> None:
        """Close all."""
        for party in reversed(self.made):
            party.close()
        for engine in self._engines:
            record(engine).stop()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _left(party: Party[Any, Any], handle: Any) -> str:
    remote = getattr(handle, "remote", None)
    with_ = "" if remote is None else f" with {remote.uri}"
    what = "call" if isinstance(handle, SimpleCall) else type(handle).__name__
    return f"{party.username}'s {what}{with_} is {handle.state}: end it with terminate()"


def _is_for_its_user(handle: Any) -> bool:
    """Whether a user is to end it; what the other side has subscribed to is its own to end."""
    return type(handle).__name__ != "Notifier"


@cache
def _watched(kind: Any) -> Any:
    """The same kind of party, which keeps the calls that it has seen."""

    class Watched(kind):  # type: ignore[misc]
        __doc__ = kind.__doc__

        def __init__(self, *args: Any, **settings: Any) -> None:
            self._seen_calls: list[Any] = []
            super().__init__(*args, **settings)

        def invite(self, *args: Any, **options: Any) -> Any:
            call = super().invite(*args, **options)
            self._seen_calls.append(call)
            return call

        def event_happened(self, event: Event) -> None:
            if isinstance(event, CallReceived):
                self._seen_calls.append(event.call)
            super().event_happened(event)

    Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
    Watched.__module__ = kind.__module__
    return Watched


class VirtualParties(Parties):
    """Parties on a simulated network, in virtual time: 10.0.0.1, 10.0.0.2, and so on. The name of a
    domain leads to the first party of it that was made, or to its registrar or proxy.

    Args:
        network: The network.
    """

    def __init__(self, network: VirtualNetwork) -> None:
        super().__init__()
        self.network = network

    def _engine(self, **options: Any) -> Engine:
        number = len(self._engines) + 1
        taken = {address for host in self.network.hosts for address in host.addresses}
        while (address := f"10.0.{number // 250}.{number % 250}") in taken:
            number += 1
        engine = self.network.engine(address, **options)
        engine.CLOSE_TIMEOUT = self.CLOSE_TIMEOUT
        self._engines.append(engine)
        record(engine)
        return engine

    def _now(self) -> float:
        return self.network.now

    def _sleep(self, seconds: float) -> None:
        self.network.sleep(seconds)

    def _place(self, engine: Any) -> dict[str, Any]:
        return {"address": engine.host.addresses}

    def _places(self, party: Party[Any, Any]) -> list[tuple[str, int] | str]:
        return list(party.engine.host.addresses)  # type: ignore[attr-defined]

    def _name(self, party: Party[Any, Any]) -> None:
        super()._name(party)
        self.network.names.setdefault(str(party.address), str(self._places(party)[0]))

    def _serve(self, domain: str, party: Party[Any, Any]) -> str:
        address = str(self._places(party)[0])
        self.network.names[domain] = address
        return address


class RealParties(Parties):
    """Parties on this machine, at free ports of the loopback address.

    Args:
        address: Another address of this machine.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__()
        self.address = address

    def _engine(self, **options: Any) -> Engine:
        from sipparty.concurrency.engine import Engine

        engine = Engine(**options)
        engine.CLOSE_TIMEOUT = self.CLOSE_TIMEOUT
        self._engines.append(engine)
        self._closing.callback(engine.close)
        record(engine)
        return engine

    def _now(self) -> float:
        return time.monotonic()

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _place(self, engine: Any) -> dict[str, Any]:
        return {"port": None, "address": self.address}

    def _serve(self, domain: str, party: Party[Any, Any]) -> str:
        host, port = party._endpoints[0].address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
