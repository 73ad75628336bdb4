"""A proxy for tests: a role that forwards requests and keeps no transactions (RFC 3261 §16.11).

    proxy = Proxy(core, "biloxi.com", routes={"bob": "sip:bob@10.0.0.2"})

What is for a user of its domain goes to where the user has registered, if the core has a
`Registrar` for the domain as well, or where `routes` says; what is for others goes to where its
Request-URI, or its next Route, says. It puts itself into the route of dialogs (§16.6 step 4). It
does not fork. Of a request under way it keeps the flow that it came by, for its responses.

What a test needs of a proxy that misbehaves is an attribute: `silent`, `script`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from sipparty.sip.fields import field
from sipparty.sip.flow import Flow, host_port
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Request, Response
from sipparty.sip.routing import NextHop, as_request_uri
from sipparty.sip.transaction import ServerTransaction
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.uri_parameters import unescape
from sipparty.sip.values import DNameURI, Via
from sipparty.testing.registrar import Registrar

__all__ = ["Proxy"]

#: How many flows are kept for responses.
_FLOWS = 10_000


class Proxy:
    """A proxy, as a role of a core; it becomes the first of its roles.

    Args:
        core: The core; it needs a user agent that listens.
        domain: The domain whose users it knows.
        routes: Where its users are, by name, as addresses: before what they have registered.
        record_route: Whether it stays in the route of dialogs.

    Attributes:
        received: The requests that it got, copies too.
        script: What the next requests that make dialogs, or stand alone, are answered with, in the
            place of being forwarded: pairs of a status and headers, `(503, [])`. None lets one
            pass.
        silent: Whether it forwards and answers nothing at all.
    """

    def __init__(
        self,
        core: Any,
        domain: str,
        *,
        routes: Mapping[str, str] | None = None,
        record_route: bool = True,
    ) -> None:
        self.core = core
        self.domain = domain
        self.routes = dict(routes or {})
        self.record_route = record_route
        self.silent = False
        self.address = domain
        self.received: list[Request] = []
        self.script: deque[tuple[int, Iterable[tuple[str, str]]] | None] = deque()
        #: By the branch of our Via: the flow that the request came by.
        self._back: OrderedDict[str, Flow] = OrderedDict()
        core.roles.insert(0, self)

    # ---------------------------------------------------------------- a role

    def request(self, transaction: ServerTransaction) -> bool:
        """Take a request, but what the registrar of the domain does."""
        request = transaction.request
        if request.method == "REGISTER" and self._registrar() is not None:
            return False
        self.received.append(request.copy())
        if self.silent:
            transaction.release()
            return True
        scripted = request.facts.to_tag is None and request.method != "CANCEL"
        wanted = self.script.popleft() if self.script and scripted else None
        if wanted is None:
            wanted = self._refusal(request)
        if wanted is not None:
            transaction.answer(wanted[0], None, [field(*header) for header in wanted[1]])
            return True
        flow = transaction.flow
        transaction.release()
        return self._forward(request, flow)

    def ack(self, request: Request, flow: Flow) -> bool:
        """Take an ACK that is not for a response of its own."""
        self.received.append(request.copy())
        return self.silent or self._refusal(request) is not None or self._forward(request, flow)

    def cancel(self, transaction: ServerTransaction, invite: ServerTransaction | None) -> bool:
        """Take a CANCEL for what it has forwarded."""
        return invite is None and self.request(transaction)

    def stray_response(self, response: Response, flow: Flow) -> bool:
        """Pass on a response to what it has forwarded."""
        vias = [one for line in response.lines("Via") for one in split_list(line)]
        back = self._back.get(Via.parse(vias[0]).branch or "") if len(vias) > 1 else None
        if back is None:
            return False
        if not self.silent:
            response["Via"] = vias[1:]
            self.core.transmit((bytes(response), back))
        return True

    # ---------------------------------------------------------------- forwarding (§16.6)

    def _registrar(self) -> Registrar | None:
        roles = [one for one in self.core.roles if isinstance(one, Registrar)]
        return next((one for one in roles if one.domain == self.domain), None)

    def _refusal(self, request: Request) -> tuple[int, list[tuple[str, str]]] | None:
        """Return what a request is answered in the place of being forwarded; None for nothing."""
        if request.max_forwards == 0:
            return 483, []
        target = self._target(request)
        return (480, []) if target is None else None

    def _target(self, request: Request) -> tuple[str, tuple[str, ...], Flow | None] | None:
        """Return the Request-URI, the routes and the flow that a request leaves with; None where
        its user is not to be found.
        """
        uri = request.uri_text
        parts = split_sip_uri(uri)
        if parts.host != self.domain:
            return uri, (), None
        user = unescape(parts.user or "")
        if user in self.routes:
            return as_request_uri(self.routes[user]), (), None
        registrar = self._registrar()
        found = registrar.contacts(f"sip:{parts.user}@{self.domain}") if registrar else []
        if not found:
            return None
        # RFC 5626 §5.3: by the flow of the registration, where that is one.
        flow = found[0].flow if found[0].reg_id and not found[0].flow.closed else None
        return found[0].uri, found[0].path, flow

    def _forward(self, request: Request, flow: Flow) -> bool:
        target = self._target(request)
        assert target is not None
        uri, routes, by = target
        forwarded = Request.of(request.method, uri, list(request._fields), request.body)
        forwarded["Max-Forwards"] = (request.max_forwards or 70) - 1
        left = [one for line in request.lines("Route") for one in split_list(line)]
        if left and self._is_ours(left[0], flow):
            left = left[1:]
        left = [*left, *routes]
        if left or "Route" in request:
            forwarded["Route"] = left
        facts = request.facts
        # The same branch for the same request each time: that of the Via below, made one of ours.
        branch = "z9hG4bK" + self.core.tokens.tag_of(facts.branch or "", facts.host)
        if request.method != "ACK":
            self._back[branch] = flow
            while len(self._back) > _FLOWS:
                self._back.popitem(last=False)
        first = DNameURI.parse(left[0]).uri_text if left else uri
        agent = next(iter(self.core.directory.receiving()))
        if self.record_route and request.method == "INVITE" and facts.to_tag is None:
            # Where it was reached itself: a connection of ours to the next hop listens nowhere.
            way = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
            own = host_port(*agent.address_on(flow))
            forwarded.add("Record-Route", f"<sip:{own}{way};lr>", first=True)
        user = _Forwarded(self, agent, forwarded, branch)
        self.core.locate(NextHop.of(first), by, agent, user)
        return True

    def _is_ours(self, route: str, flow: Flow) -> bool:
        place = split_sip_uri(DNameURI.parse(route).uri_text)
        return place.host == self.domain or (place.host, place.port or 5060) == flow.local

    def leave(self, agent: Any, forwarded: Request, branch: str, flow: Flow) -> None:
        """Send a request by the flow that was found for it."""
        self.core.transactions.put_via(forwarded, flow, branch, agent.sent_by(flow))
        self.core.transmit((bytes(forwarded), flow))


class _Forwarded:
    """A request that waits for its flow."""

    def __init__(self, proxy: Proxy, agent: Any, request: Request, branch: str) -> None:
        self._proxy, self._agent = proxy, agent
        self._request, self._branch = request, branch

    def flow_found(self, flow: Flow) -> None:
        """Send it."""
        self._proxy.leave(self._agent, self._request, self._branch, flow)

    def flow_failed(self, reason: str) -> None:
        """Lose it, as the network would."""
