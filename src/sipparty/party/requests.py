"""The verbs of a party outside of calls: requests of its own, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.concurrency.waiting import verb
from sipparty.errors import UsageError
from sipparty.party.engine_user import EngineUser
from sipparty.party.events import EventHandlers
from sipparty.party.locating import hop_text, locate
from sipparty.party.settings import PartySettings, Target
from sipparty.sip import ClientRequest, Flow, NextHop, Request
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import route_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sipparty.sip.agent import UserAgent
    from sipparty.sip.registering import BindingQuery
    from sipparty.sip.registration import Registration

__all__ = ["RequestVerbs"]


class RequestVerbs(EngineUser, EventHandlers, PartySettings):
    """What a party asks of others, calls aside; `Party` adds those."""

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now; `to_do` is what errors name."""
        raise NotImplementedError

    @verb
    def send(
        self, request: Request, proxy: str | None = None, *, flow: Flow | None = None
    ) -> ClientRequest:
        """Send a request of its own, outside of any dialog; returns at once.

        Args:
            request: The request. A copy is sent, in which To, From, Call-ID, CSeq, Max-Forwards and
                Contact are filled in where they lack; it is `request` of what is returned.
            proxy: The next hop, as for `invite`.
            flow: A flow that is there already, as for `invite`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The request-URI or the proxy is no address to send to.
            TypeError: It is no `Request`.
            UsageError: It is an INVITE, ACK or CANCEL, which are a call's.
        """
        if not isinstance(request, Request):
            raise TypeError(f'send() takes a Request("OPTIONS", "sip:bob@b.com"), not {request!r}.')
        if request.method in ("INVITE", "ACK", "CANCEL"):
            # Nobody here would acknowledge a 2xx, and the other side would hang up (§13.3.1.4).
            raise UsageError(f"{request.method} is not sent alone: call with party.invite(target).")
        agent = self._agent_now("send")
        proxy = self.proxy if proxy is None else proxy
        request = request.copy()
        if proxy is not None:
            request.add("Route", route_to(proxy), first=True)
        first = request.get("Route")
        hop = NextHop.of(request.uri_text if first is None else first.uri_text)
        return send_out_of_dialog(agent, request, hop, flow)

    def options(self, target: Target, proxy: str | None = None) -> ClientRequest:
        """Ask what somebody can do (RFC 3261 §11); returns at once."""
        uri, hop = locate(target)
        if hop is not None and proxy is None:
            proxy = hop_text(hop)
        request = Request("OPTIONS", uri, [("Accept", "application/sdp")])
        return self.send(request, proxy)

    # ---------------------------------------------------------------- registration

    @verb
    def register(
        self,
        registrar: str | None = None,
        *,
        expires: int = 3600,
        proxy: str | None = None,
        outbound: str | Iterable[str] | None = None,
        contacts: Iterable[str] = (),
        q: float | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        gruu: str | None = None,
        use_mapped_address: bool = False,
    ) -> Registration:
        """Have a registrar know where the party is reached (RFC 3261 §10.2), and keep it so, until
        `registration.unregister()` or the party is closed; returns at once. A party that is to be
        called listens first.

        It is refreshed in time, formed anew where its flow is lost, and tried again where it
        fails, later and later. What is refused for good ends it in `Error`. While it stands, calls
        and requests of the party take its Service-Route and its flow, where they are given no
        `proxy` or `flow` of their own.

        Args:
            registrar: The registrar, as a host, host:port or URI; by default the host of the
                party's address.
            expires: The seconds that are asked for; the registrar may grant less.
            proxy: The next hop, as for `invite`; the party's own `proxy` by default.
            outbound: The outbound proxy, or several, that flows are formed through as RFC 5626 has
                it: each is registered by a flow of its own. "" is the next hop there is anyway.
                None for a plain registration.
            contacts: Further addresses to register: URIs, or Contact values with parameters, such
                as "<sip:alice@cell.example.com>;q=0.3".
            q: The preference of the party's own address among all, 0.0 to 1.0.
            headers: Further headers of the requests.
            gruu: "public" or "temporary" to have the GRUU of that kind (RFC 5627), if the registrar
                gives one, as the Contact of calls and requests.
            use_mapped_address: Whether the address that the registrar sees the party at is
                registered in the place of its own: behind a NAT, where the registrar does not see
                to that.

        Returns:
            The registration: `registration.wait(timeout)` in a thread, or `await registration`,
            until it stands.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The registrar, a proxy or a contact is no address.
            UsageError: There is a registration at that registrar; or `expires`, `q` or `gruu` is
                none.
        """
        from sipparty.sip.registration import Registration
        from sipparty.sip.user_headers import given_fields

        agent = self._agent_now("register")
        if outbound is None:
            routes = [self._routes(proxy)]
        else:
            hops = [outbound] if isinstance(outbound, str) else list(outbound)
            routes = [(route_to(hop),) if hop else self._routes(proxy) for hop in hops]
        return Registration(
            agent,
            registrar,
            expires=expires,
            routes=routes,
            outbound=outbound is not None,
            contacts=contacts,
            q=q,
            headers=given_fields(headers),
            gruu=gruu,
            use_mapped_address=use_mapped_address,
        ).begin()

    @verb
    def fetch_bindings(
        self, registrar: str | None = None, *, proxy: str | None = None
    ) -> BindingQuery:
        """Ask a registrar where the party's address is registered (RFC 3261 §10.2.3); returns at
        once. `query.wait(timeout)`, or `await query`, gives a tuple of `Binding`.

        Args:
            registrar: The registrar, as for `register`.
            proxy: The next hop, as for `register`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The registrar or the proxy is no address.
        """
        from sipparty.sip.registering import BindingQuery, registrar_uri

        agent = self._agent_now("fetch_bindings")
        return BindingQuery(agent, registrar_uri(agent, registrar), self._routes(proxy))

    @property
    def registration(self) -> Registration | None:
        """The registration that stands, or did and is tried again; None for none."""
        registration: Registration | None = (
            None if self._agent is None else self._agent.registration
        )
        return registration

    def _routes(self, proxy: str | None) -> tuple[str, ...]:
        proxy = self.proxy if proxy is None else proxy
        return () if proxy is None else (route_to(proxy),)
