"""Where a party listens: binding its sockets, what is advertised, the media addresses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sipparty.errors import AlreadyListening, ListenError, ParseError, UsageError
from sipparty.party.setting import seconds
from sipparty.sip import URI, Flow
from sipparty.sip.agent import UserAgent
from sipparty.sip.flow import host_port
from sipparty.sip.routing import NextHop, route_to
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.transport import (
    Hub,
    KeepAlive,
    Listening,
    is_wildcard,
    numeric_family,
    standard_port,
)
from sipparty.transport.stun import is_available as has_stun

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.party.party import Party

__all__ = ["STANDARD_PORT", "contact_of", "keep_alive", "listen", "media_addresses"]

#: The port that a transport has by itself: 5060, or 5061 for TLS.
STANDARD_PORT = -1

#: What cannot change while a party listens: by it callers find it.
_ADDRESS = ("uri.scheme", "uri.aor.username", "uri.aor.host.address", "uri.aor.host.port")

_log = logging.getLogger("sipparty.party")

#: Whether it was said that anybody may call.
_warned = False

#: A host and a port that are advertised; the port that is bound where it is None.
_Advertised: TypeAlias = tuple[str, "int | None"]


def listen(
    party: Party[Any, Any],
    port: int | None,
    address: str | Iterable[str] | None,
    port_filter: Callable[[int], bool] | None,
    transport: str | Iterable[str],
    advertise: str | Iterable[str] | None,
) -> None:
    """Do what `Party.listen` says."""
    if port is not None and not isinstance(port, int):
        raise TypeError(f"The port is a number: listen(address={port!r}) is for an address.")
    if isinstance(address, int):
        raise TypeError(f"The address is text: listen({address}) is for a port.")
    if port is not None and not STANDARD_PORT <= port <= 65535:
        raise ListenError(f"Nothing can listen on port {port}: a port is 0 to 65535.")
    transports = [name.upper() for name in _several(transport)]
    ports = None if port_filter is None else _chosen_ports(port, transports, port_filter)
    shown = () if advertise is None else _several(advertise)
    party.engine.run(_listen, party, port, address, ports, transports, shown)


def _listen(
    party: Party[Any, Any],
    port: int | None,
    address: str | Iterable[str] | None,
    ports: Sequence[int] | None,
    transports: Sequence[str],
    advertised: Sequence[str],
) -> None:
    """Bind the sockets, all of them or none; on the engine's thread."""
    agent = party._agent_now("listen")
    if party.listening:
        raise AlreadyListening(
            f"{agent.user}@{agent.host} listens on port {party._endpoints[0].address[1]}"
            " already: stop_listen() first."
        )
    if address is None:
        address = party.local_address or "0.0.0.0"  # noqa: S104 - a party is there to be called
    hosts = _several(address)
    hub = party.engine.hub
    shown = _advertised(advertised, hosts)
    # What calls under way still use, from listening before: taken back, not bound anew.
    had = [endpoint for one, endpoint in hub.listeners.leaving if one is agent]
    bound: dict[Listening, None] = {}
    try:
        for host in hosts:
            for name in transports:
                number = standard_port(name) if port == STANDARD_PORT else port
                bound[hub.listeners.listen(agent, host, number, ports, name, shown[host])] = None
    except BaseException:
        for endpoint in bound:
            release = hub.listeners.release_later if endpoint in had else hub.listeners.release
            release(agent, endpoint)
        raise
    if agent.auto_answer and agent.authenticator is None:
        _warn_of_callers(bound)
    party._endpoints = list(bound)
    for path in _ADDRESS:
        if (path, "_listens_as") not in party.bindings():
            party.bind(path, "_listens_as")


def keep_alive(
    party: Party[Any, Any],
    agent: UserAgent,
    target: URI | str | None,
    interval: float | None,
    stun: bool | None,
) -> KeepAlive:
    """Do what `Party.keep_alive` says; on the engine's thread."""
    where = party.proxy if target is None else str(target)
    if where is None and agent.registration is not None:
        where = str(agent.registration.flows[0].hop)
    if where is None:
        raise UsageError(
            "What is to be kept open? Give a target, or give the party a proxy, or register it."
        )
    if interval is not None:
        seconds(party, "interval", interval)
    if stun and not has_stun():
        raise UsageError("STUN takes the package aioice: pip install sipparty[nat].")
    hop = NextHop.of(route_to(where).strip("<>"))
    return party.engine.hub.keepalives.start(agent, hop, interval, stun, party.engine)


def contact_of(engine: Engine, agent: UserAgent, endpoint: Listening) -> URI:
    """Return where an agent is reached from this host, by an endpoint of its own."""
    host, port = endpoint.address
    if is_wildcard(host):
        host = engine.own_address(":" in host)
    return URI.parse(agent.contact_at((host, port), endpoint.transport).strip("<>"))


def media_addresses(hub: Hub, agent: Any, flow: Flow) -> tuple[str, str | None]:
    """Return where the media of a call binds, and what descriptions name in its place.

    Args:
        hub: The engine's hub.
        agent: The agent that has the call.
        flow: The flow to the peer.
    """
    own, shown = flow.local[0], agent.address_on(flow)[0]
    family = numeric_family(own)
    if shown == own:
        # By a connection, where only datagrams are listened for: media is advertised too.
        shown = hub.listeners.advertised_host(agent, own) or own
    # A name in a description is taken for one of an IPv4 host.
    named = shown != own and ("." in own if numeric_family(shown) is None else True)
    source = agent.local_address
    if source is not None and numeric_family(source) == family:
        own = source
    return own, shown if named else None


def _chosen_ports(
    port: int | None, transports: Iterable[str], port_filter: Callable[[int], bool]
) -> list[int]:
    """Return the ports that a filter takes, asked on this thread; none where one is given.

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


def _warn_of_callers(endpoints: Iterable[Listening]) -> None:
    """Say once what it means to answer whoever gets here."""
    global _warned
    here = next((one.address for one in endpoints if is_wildcard(one.address[0])), None)
    if here is not None and not _warned:
        _warned = True
        _log.warning(
            "Calls are answered as they come, from anybody who reaches port %d of any address of "
            "this host. To listen on one address: listen(address=...); to ask callers who they "
            "are: configure(authenticator=...); to decide on each call: a handler for "
            "CallReceived.",
            here[1],
        )


def _several(given: str | Iterable[str]) -> list[str]:
    """Return one text, or several, as a list without repetitions."""
    return [given] if isinstance(given, str) else list(dict.fromkeys(given))


def _advertised(advertised: Iterable[str], hosts: Iterable[str]) -> dict[str, _Advertised | None]:
    """Return what is advertised for each address that is bound.

    Raises:
        ParseError: What is advertised is no host and port.
        UsageError: An address is of no family that is bound.
    """
    given = [_host_and_port(text) for text in advertised]
    found: dict[str, _Advertised | None] = {}
    for host in hosts:
        family = numeric_family(host)
        fitting = [one for one in given if numeric_family(one[0]) == family]
        names = [one for one in given if numeric_family(one[0]) is None]
        found[host] = next(iter([*fitting, *names]), None)
    for one in given:
        if one not in found.values():
            raise UsageError(
                f"{host_port(*one)} cannot be advertised: it serves no address that is listened"
                f" on, of {', '.join(found)}."
            )
    return found


def _host_and_port(text: str) -> _Advertised:
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
