"""The way of requests while a registration stands: route, flow and Contact (RFC 3608 §6.1, RFC 5626
§4.3, RFC 5627 §4.4), and the instance ID of a user agent.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from sipparty.errors import ParseError
from sipparty.sip.bindings import values_of
from sipparty.sip.flow import Flow
from sipparty.sip.message import Response
from sipparty.sip.registration_flow import RegistrationFlow
from sipparty.sip.routing import NextHop, is_secure
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.registration import Registration

__all__ = ["RegisteredRoute", "make_instance", "service_route_of"]


class RegisteredRoute:
    """The way that requests of a user agent outside of dialogs take while its registration stands,
    and the Contact of all that it sends.

    Args:
        registration: The registration.
    """

    __slots__ = ("_registration",)

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def contact_for(self, flow: Flow, contact: str, secure: bool) -> str:
        """Return the Contact value of other requests and responses by a flow.

        Args:
            flow: The flow.
            contact: What it is without a registration.
            secure: Whether it has to be a `sips:` URI.
        """
        registration = self._registration
        if registration.gruu is not None:
            # RFC 5627 §4.4: one that the registration that stands has given.
            gruu = getattr(registration, f"{registration.gruu}_gruu")
            if gruu is not None and (not secure or is_secure(gruu)):
                return f"<{gruu}>"
        if secure:
            return contact
        for one in self._registration.flows:
            own = one.flow
            here = own is not None and (own.local, own.transport) == (flow.local, flow.transport)
            if one.stands and here:
                # RFC 5626 §4.3: requests inside the dialog come by the same flow.
                return f"{one.contact[:-1]};ob>" if one.outbound else one.contact
        return contact

    def preload(
        self, routes: tuple[str, ...], uri: str
    ) -> tuple[tuple[str, ...], NextHop | None, Hashable]:
        """Return the route of a request outside of dialogs, where it goes first, and by which
        endpoint; None for what stays as it is without a registration.

        Args:
            routes: The Route values that the program gives.
            uri: The Request-URI.
        """
        live = self._registration.live
        if live is None or live.flow is None or (routes and routes != live.routes):
            return routes, None, None
        routes = self._route_by(live)
        first = NextHop.of(DNameURI.parse(routes[0]).uri_text if routes else uri)
        if first != live.hop:
            return routes, first if routes else None, None
        others = [one.flow for one in self._registration.flows if one is not live and one.stands]
        hops = [_hop_by(one, first) for one in others if one is not None]
        return routes, _hop_by(live.flow, first, tuple(hops)), live.flow.endpoint

    def rerouted(self, routes: tuple[str, ...], flow: Flow) -> tuple[str, ...]:
        """Return the route of a request for the flow that it takes: that of another flow of the
        registration, where the first has failed.
        """
        flows = self._registration.flows
        taken = next((one for one in flows if one.flow and one.flow.remote == flow.remote), None)
        if taken is None or not routes or not taken.routes:
            return routes
        first = NextHop.of(DNameURI.parse(routes[0]).uri_text)
        if any(one is not taken and one.routes and one.hop == first for one in flows):
            return (*taken.routes, *routes[1:])
        return routes

    def _route_by(self, flow: RegistrationFlow) -> tuple[str, ...]:
        """Return the outbound proxy, then the service route (RFC 3608 §6.1)."""
        service = () if flow.response is None else service_route_of(flow.response)
        if service and flow.routes:
            first = DNameURI.parse(service[0]).uri_text
            if NextHop.of(first) == flow.hop:
                return service
        return (*flow.routes, *service)


def _hop_by(flow: Flow, hop: NextHop, alternatives: tuple[NextHop, ...] = ()) -> NextHop:
    """Return the next hop at the end of a flow."""
    host, port = flow.remote[0], flow.remote[1]
    return NextHop(host, port, flow.transport, hop.secure, alternatives=alternatives)


def service_route_of(response: Response) -> tuple[str, ...]:
    """Return the values of Service-Route, if requests can follow them; they came from outside."""
    routes = values_of(response, "Service-Route")
    try:
        for route in routes:
            NextHop.of(DNameURI.parse(route).uri_text)
    except ParseError:
        return ()
    return routes


def make_instance(agent: UserAgent) -> str:
    """Make an instance ID: a UUID of version 4 (RFC 5626 §4.1, RFC 4122 §4.4)."""
    digits = agent.core.tokens.hexadecimal(32)
    variant = "89ab"[int(digits[16], 16) % 4]
    return (
        f"urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}"
        f"-{digits[20:]}"
    )
