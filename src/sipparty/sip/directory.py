"""The directory: which user agents receive by which endpoint, and which one a request is for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any
from weakref import WeakSet

from sipparty.errors import ParseError, UsageError
from sipparty.sip.agent import UserAgent
from sipparty.sip.components import unescape
from sipparty.sip.flow import Flow
from sipparty.sip.transports import default_port
from sipparty.sip.uri_grammar import split_sip_uri

__all__ = ["Directory"]


class _Listener:
    """The agents that share an endpoint, by the names that requests call them."""

    __slots__ = ("agents", "by_address", "by_contact")

    def __init__(self) -> None:
        self.agents: list[UserAgent] = []
        self.by_address: dict[tuple[str, str], UserAgent] = {}
        self.by_contact: dict[str, UserAgent] = {}


class Directory:
    """Every agent of a core, by where it receives.

    Attributes:
        agents: All that there are, whether they receive anywhere or not; their `dialogs` are all
            that are neither new nor over.
    """

    def __init__(self) -> None:
        self.agents: WeakSet[UserAgent] = WeakSet()
        self._listeners: dict[Hashable, _Listener] = {}
        self._by_agent: dict[UserAgent, dict[Hashable, None]] = {}

    def bind(self, agent: UserAgent, endpoint: Hashable) -> None:
        """Have an agent receive what comes in by an endpoint.

        Raises:
            UsageError: Another agent with the same address of record receives there.
        """
        listener = self._listeners.get(endpoint)
        if listener is None:
            listener = self._listeners[endpoint] = _Listener()
        address = (unescape(agent.user), agent.host)
        if listener.by_address.get(address, agent) is not agent:
            raise UsageError(f"Another party listens there as {agent.user}@{agent.host}.")
        if agent not in listener.agents:
            listener.agents.append(agent)
            self._by_agent.setdefault(agent, {})[endpoint] = None
        listener.by_address[address] = agent
        number = 2
        while listener.by_contact.get(unescape(agent.contact_user), agent) is not agent:
            # Two of one name and different hosts need contacts that differ.
            agent.contact_user = f"{agent.user}~{number}"
            number += 1
        listener.by_contact[unescape(agent.contact_user)] = agent

    def unbind(self, agent: UserAgent, endpoint: Hashable) -> None:
        """Undo `bind`."""
        listener = self._listeners.get(endpoint)
        if listener is None or agent not in listener.agents:
            return
        listener.agents.remove(agent)
        del self._by_agent[agent][endpoint]
        if not self._by_agent[agent]:
            del self._by_agent[agent]
        for names in (listener.by_address, listener.by_contact):
            for name in [name for name, owner in names.items() if owner is agent]:
                del names[name]  # type: ignore[arg-type]
        if not listener.agents:
            del self._listeners[endpoint]

    def agents_at(self, flow: Flow) -> Sequence[UserAgent]:
        """Return those who receive what comes by a flow."""
        return self.agents_by(flow.listener)

    def agents_by(self, endpoint: Hashable) -> Sequence[UserAgent]:
        """Return those who receive by an endpoint."""
        listener = self._listeners.get(endpoint)
        return () if listener is None else listener.agents

    def endpoints(self, agent: UserAgent | None = None) -> list[Any]:
        """Return what an agent receives by; every endpoint that somebody does for None."""
        return list(self._listeners if agent is None else self._by_agent.get(agent, ()))

    def receiving(self) -> list[UserAgent]:
        """Return every agent that receives somewhere, once."""
        return list(self._by_agent)

    def agent_for(self, uri: str, flow: Flow) -> UserAgent | None:
        """Return the agent a request-URI names among those that receive by a flow's endpoint.

        The one whose address of record it is, port ignored; else the one whose contact it is; else
        the only one there, if the user is its own or the URI names none; else one that takes all.

        Raises:
            ParseError: It is no URI; its status is 416 for one of another scheme.
        """
        listener = self._listeners.get(flow.listener)
        if listener is None:
            return None
        parts = split_sip_uri(uri)
        if not parts.host:
            raise ParseError(uri, "a sip: or sips: URI", 0, what="request-URI", status=416)
        user = parts.user or ""
        if "%" in user:
            user = unescape(user)
        agent = listener.by_address.get((user, parts.host))
        if agent is None:
            agent = listener.by_contact.get(user)
            if len(listener.agents) == 1:
                only = listener.agents[0]
                agent = only if not user or user == unescape(only.user) else agent
            elif agent is not None:
                here = parts.host, parts.port or default_port(flow.transport)
                host, port = agent.address_on(flow)
                registration = agent.registration
                mapped = None if registration is None else registration.mapped_address
                if here not in ((host.lower(), port), flow.local, mapped):
                    agent = None
            if agent is None:
                agent = next((one for one in listener.agents if one.catch_all), None)
        return agent
