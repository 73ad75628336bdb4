"""Where a party is: what it listens on, what peers are told of that, what it sends from, and which
flows it keeps open.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from sipparty.concurrency.engine import Engine
from sipparty.errors import AlreadyListening, ListenError, ParseError, UsageError
from sipparty.fsm import verb
from sipparty.party.events import Observable
from sipparty.sip import URI, Flow
from sipparty.sip.agent import UserAgent
from sipparty.sip.flow import host_port
from sipparty.sip.routing import NextHop, route_to
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.transport import (
    KeepAlive,
    Listening,
    is_wildcard,
    numeric_family,
    standard_port,
)
from sipparty.transport.stun import is_available as has_stun

__all__ = ["STANDARD_PORT", "ListeningParty"]

#: The port that a transport has by itself: 5060, or 5061 for TLS.
STANDARD_PORT = -1

_log = logging.getLogger("sipparty.party")

#: Whether it was said that anybody may call.
_warned = False

#: A host and a port that peers are told; the port that is bound where it is None.
_Told = tuple[str, "int | None"]


class ListeningParty(Observable):
    """The part of a party that knows where it is; `Party` says who it is and what it does."""

    proxy: str | None
    _agent: UserAgent | None

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._endpoints: list[Listening] = []
        self._local_address: str | None = None

    @property
    def engine(self) -> Engine:
        """The engine that the party runs on."""
        raise NotImplementedError

    @property
    def portal(self) -> Engine:
        """The way to the engine's thread, for verbs."""
        return self.engine

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now."""
        raise NotImplementedError

    # ---------------------------------------------------------------- sending

    @property
    def local_address(self) -> str | None:
        """The address of this host that requests and media are sent from, over every transport.

        None, the default, leaves it to the system's routes; a party that listens on one address
        sends from that one then. What is set counts for what is sent from then on, but not for the
        dialogs under way. Whether the address is ours is found out when it is used: a call that
        cannot be sent from it fails, and says so.

        Raises:
            ParseError: It is no numeric address, or stands for all of them.
        """
        return self._local_address

    @local_address.setter
    def local_address(self, address: str | None) -> None:
        if address is not None:
            if numeric_family(address) is None or is_wildcard(address):
                expected = "one numeric address of this host"
                raise ParseError(address, expected, 0, what="local address")
            address = str(ipaddress.ip_address(address))
        self._local_address = address
        if self._agent is not None:
            self.engine.run(self.engine.hub.sources.send_from, self._agent, address)

    def media_addresses(self, flow: Flow) -> tuple[str, str | None]:
        """Return where the media of a call binds, and what descriptions name in its place.

        Args:
            flow: The way to the peer.
        """
        own = told = flow.local[0]
        if self._agent is not None:
            told = self._agent.address_on(flow)[0]
        family = numeric_family(own)
        advertised = None
        if told == own and self._agent is not None:
            # By a connection, where only datagrams are listened for: media is advertised too.
            told = self.engine.hub.listeners.advertised_host(self._agent, own) or own
        # A name in a description is taken for one of an IPv4 host.
        if told != own and ("." in own if numeric_family(told) is None else True):
            advertised = told
        if self._local_address is not None and numeric_family(self._local_address) == family:
            own = self._local_address
        return own, advertised

    # ---------------------------------------------------------------- listening

    def listen(
        self,
        port: int | None = STANDARD_PORT,
        *,
        address: str | Iterable[str] | None = None,
        port_filter: Callable[[int], bool] | None = None,
        transport: str | Iterable[str] = "UDP",
        advertise: str | Iterable[str] | None = None,
    ) -> Self:
        """Take calls; the sockets are bound when this returns, all of them or none.

        Parties that listen at one address and port share its socket, told apart by their address of
        record.

        Args:
            port: The port; None for a free one; by default the transport's own: 5060, 5061 for TLS.
            address: The numeric address to bind, or several: "0.0.0.0" is every IPv4 address of the
                host, and "::" every IPv6 one. By default `local_address`, else "0.0.0.0".
            port_filter: Which ports will do, where `port` is None: called with each port there is,
                on the caller's thread.
            transport: "UDP", "TCP", "TLS", "WS" or "WSS", or several of them.
            advertise: What peers are told (Via, Contact, and media's address) in the place of what
                is bound: the outside of a NAT, as an address or a host name, with a port or
                without, such as "203.0.113.7" or "[2001:db8::1]:5070". Of several, each serves the
                addresses of its family; a name serves those that are left. Without a port it is the
                one that is bound. Requests by a transport that is not listened on name the port
                that they are sent from, which what is advertised does not lead to; their media is
                advertised all the same.

        Raises:
            Incomplete: The uri lacks user or host.
            AlreadyListening: `stop_listen` comes first.
            ListenError: The port is taken by another program, or is not allowed.
            ParseError: What is advertised is no host and port.
            TLSError: TLS or WSS is asked for, and the engine has no certificate that can be used.
            UsageError: An address is advertised that is of no family that is listened on; or who
                shares the socket advertises another.
        """
        transports = [name.upper() for name in _several(transport)]
        ports = None if port_filter is None else _chosen(port, transports, port_filter)
        told = () if advertise is None else tuple(_several(advertise))
        return self._listen(port, address, ports, transports, told)

    @verb
    def _listen(
        self,
        port: int | None,
        address: str | Iterable[str] | None,
        ports: Sequence[int] | None,
        transports: Sequence[str],
        advertised: Sequence[str],
    ) -> Self:
        agent = self._agent_now("listen")
        hub = self.engine.hub
        if self.listening:
            raise AlreadyListening(
                f"{agent.user}@{agent.host} listens on port {self._endpoints[0].address[1]}"
                " already: stop_listen() first."
            )
        if address is None:
            address = self._local_address or "0.0.0.0"  # noqa: S104 - a party is there to be called
        hosts = _several(address)
        told = _told(advertised, hosts)
        # What calls under way still use, from listening before: taken back, not bound anew.
        had = [endpoint for one, endpoint in hub.listeners.leaving if one is agent]
        bound: list[Listening] = []
        try:
            for host in hosts:
                for name in transports:
                    number = standard_port(name) if port == STANDARD_PORT else port
                    bound.append(hub.listeners.listen(agent, host, number, ports, name, told[host]))
        except BaseException:
            for endpoint in dict.fromkeys(bound):
                if endpoint in had:
                    hub.listeners.release_later(agent, endpoint)
                else:
                    hub.listeners.release(agent, endpoint)
            raise
        self._endpoints = list(dict.fromkeys(bound))
        if agent.auto_answer and agent.guard is None:
            _warn_of_strangers(self._endpoints)
        return self

    @verb
    def stop_listen(self) -> Self:
        """Take no more calls; those under way go on.

        Raises:
            UsageError: The party does not listen.
        """
        endpoints, agent = self._endpoints, self._agent
        if not self.listening or agent is None:
            raise UsageError("The party does not listen.")
        self._endpoints = []
        # Requests of calls under way still come by these sockets: they go when the last of them
        # does.
        for endpoint in endpoints:
            self.engine.hub.listeners.release_later(agent, endpoint)
        return self

    unlisten = stop_listen

    @property
    def listening(self) -> bool:
        """Whether the party takes calls."""
        # An endpoint is closed under the party where its engine is.
        return any(not endpoint.closed for endpoint in self._endpoints)

    @property
    def contact_uri(self) -> URI | None:
        """Where the party can be reached from this host; None while it does not listen.

        A party that listens on every address is reached at the loopback one; one that listens on
        several transports or addresses, by the first. What a peer is told (Contact) is what the
        party advertises, else the address that this host is reached by from there.
        """
        agent = self._agent
        if agent is None or not self.listening:
            return None
        endpoint = self._endpoints[0]
        host, port = endpoint.address
        if is_wildcard(host):
            host = "::1" if ":" in host else "127.0.0.1"
        return URI.parse(agent.contact_at((host, port), endpoint.transport).strip("<>"))

    # ---------------------------------------------------------------- keeping flows open

    @verb
    def keep_alive(
        self,
        target: URI | str | None = None,
        interval: float | None = None,
        *,
        stun: bool | None = None,
    ) -> KeepAlive:
        """Keep the flow to a next hop open, through NATs and firewalls (RFC 5626 §4.4).

        Pings are sent from where requests are: over UDP they are STUN Binding requests (RFC 8489),
        so the next hop should be known to take them (§8); where it answers none, empty lines. Over
        connections they are empty lines. A flow that fails is looked for anew. The events are
        `FlowConfirmed` and `FlowLost`. A party that is to be called by that flow listens first.

        Args:
            target: The next hop: a host, host:port or URI; the party's `proxy` by default.
            interval: The most seconds between pings, of which 80 to 100 % are waited; by default 24
                to 29 s over UDP, 95 to 120 s over connections.
            stun: Whether pings over UDP are STUN requests; by default, if the extra `nat` is
                installed. Say False where the next hop is known not to take them.

        Returns:
            The machine that does it; one for each next hop: another call takes its place.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The target is no address.
            UsageError: There is no target; the interval is not above 0; or STUN is asked for, and
                the extra `nat` is not installed.
        """
        agent = self._agent_now("keep_alive")
        where = self.proxy if target is None else str(target)
        if where is None:
            raise UsageError("What is to be kept open? Give a target, or give the party a proxy.")
        if interval is not None and not 0 < interval < float("inf"):
            raise UsageError(f"The interval is in seconds, above 0: not {interval!r}.")
        if stun and not has_stun():
            raise UsageError("STUN takes the package aioice: pip install sipparty[nat].")
        hop = NextHop.of(route_to(where).strip("<>"))
        return self.engine.hub.keepalives.start(agent, hop, interval, stun, self.engine)

    @verb
    def stop_keep_alive(self) -> Self:
        """Keep no more flows open; those that are there stay until something ends them."""
        if self._agent is not None:
            self.engine.hub.keepalives.stop(self._agent)
        return self


def _chosen(
    port: int | None, transports: Iterable[str], port_filter: Callable[[int], bool]
) -> list[int]:
    """Return the ports that a filter takes.

    Raises:
        ListenError: It takes none, or not the one that is asked for.
    """
    if port:
        for name in transports:
            number = standard_port(name) if port == STANDARD_PORT else port
            if not port_filter(number):
                raise ListenError(f"Cannot listen on port {number}: the port filter refuses it.")
        return []
    found = [number for number in range(1024, 65536) if port_filter(number)]
    if not found:
        raise ListenError("Cannot listen: the port filter refuses every port.")
    return found


def _warn_of_strangers(endpoints: Iterable[Listening]) -> None:
    """Say once what it means to answer whoever gets here."""
    global _warned
    here = next((one.address for one in endpoints if is_wildcard(one.address[0])), None)
    if here is not None and not _warned:
        _warned = True
        _log.warning(
            "Calls are answered as they come, from anybody who reaches port %d of any address of "
            "this host. To listen on one address: listen(address=...); to ask callers who they "
            "are: configure(guard=...); to decide on each call: a handler for CallReceived.",
            here[1],
        )


def _several(given: str | Iterable[str]) -> list[str]:
    """Return one text, or several, as a list without repetitions."""
    return [given] if isinstance(given, str) else list(dict.fromkeys(given))


def _told(advertised: Iterable[str], hosts: Iterable[str]) -> dict[str, _Told | None]:
    """Return what peers are told for each address that is bound.

    Raises:
        ParseError: What is advertised is no host and port.
        UsageError: An address is of no family that is bound.
    """
    given = [_host_and_port(text) for text in advertised]
    found: dict[str, _Told | None] = {}
    for host in hosts:
        family = numeric_family(host)
        fitting = [told for told in given if numeric_family(told[0]) == family]
        names = [told for told in given if numeric_family(told[0]) is None]
        found[host] = next(iter([*fitting, *names]), None)
    for told in given:
        if told not in found.values():
            raise UsageError(
                f"{host_port(*told)} cannot be advertised: it serves no address that is listened"
                f" on, of {', '.join(found)}."
            )
    return found


def _host_and_port(text: str) -> _Told:
    """Read a host with or without a port; an IPv6 address may lack its brackets.

    Raises:
        ParseError: It is none.
    """
    text = text.strip()
    bare = numeric_family(text) is not None
    wrong = ParseError(text, "a host, with or without a port", 0, what="advertised address")
    try:
        parts = split_sip_uri(f"sip:{host_port(text, None) if bare else text}")
    except ParseError:
        raise wrong from None
    host = parts.host.strip("[]")
    if parts.user is not None or parts.parameters or parts.headers or is_wildcard(host):
        raise wrong
    return host, parts.port
