"""Requests outside of any dialog: OPTIONS, MESSAGE, a method of your own; ours and theirs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, SupportsBytes

from sipparty.concurrency.waiting import verb
from sipparty.errors import CallFailed
from sipparty.sip.auth import Origin
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Request, Response
from sipparty.sip.routing import NextHop, as_request_uri
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.values import CSeq, DNameURI

if TYPE_CHECKING:
    from sipparty.sip.identity import PeerInfo

__all__ = ["IncomingRequest", "add_contact", "send_out_of_dialog"]

#: Requests that have no Contact (RFC 3261 §20 Table 2, RFC 3262 Table 1, RFC 3428 §4, RFC 3903,
#: RFC 6086).
_NO_CONTACT = frozenset({"BYE", "CANCEL", "INFO", "MESSAGE", "PRACK", "PUBLISH"})


class _OutOfDialog:
    """The user of a request outside of dialogs: the request of its caller, and what that lacks."""

    __slots__ = ("agent", "request", "user")

    def __init__(self, agent: Any, request: Request, user: Any = None) -> None:
        self.agent = agent
        self.request = request
        self.user = user
        if "Via" in request:
            del request["Via"]  # it was sent before; responses to two would go astray
        tokens = agent.core.tokens
        defaults = (
            ("Max-Forwards", "70"),
            ("From", f"{agent.address};tag={tokens.tag()}"),
            ("To", f"<{request.uri_text}>"),
            ("Call-ID", tokens.call_id()),
            ("CSeq", f"{tokens.number(24)} {request.method}"),
        )
        for name, value in defaults:
            if name not in request:
                request.add(name, value)

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        request = self.request
        number = CSeq.parse(request._text("cseq") or "").number
        if client_request.attempts and client_request.number is None:
            request["CSeq"] = CSeq(number + 1, request.method)
        bytes(request)
        uri = client_request.target or as_request_uri(request.uri_text)
        sent = Request.of(request.method, uri, list(request._fields), request.body)
        if self.agent.registration is not None and "Route" in sent:
            sent["Route"] = list(self.agent.registration.route.rerouted(_routes(sent), flow))
        add_contact(sent, self.agent.contact, flow)
        if self.user is not None:
            self.user.request_built(client_request, sent, flow)
        return sent

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        if self.user is not None:
            self.user.response_received(client_request, response)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        if self.user is not None:
            self.user.request_failed(client_request, error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        pass

    def request_over(self, client_request: ClientRequest) -> None:
        pass


def add_contact(request: Request, contact: Callable[[Flow], str], flow: Flow) -> None:
    """Add a Contact to a request that may have one and has none (RFC 3261 §8.1.1.8)."""
    if request.method not in _NO_CONTACT and "Contact" not in request:
        request.add("Contact", contact(flow))


def _routes(request: Request) -> tuple[str, ...]:
    """Return the values of Route, each alone."""
    return tuple([text for line in request.lines("Route") for text in split_list(line, "Route")])


def send_out_of_dialog(
    agent: Any,
    request: Request,
    next_hop: NextHop,
    endpoint: Hashable = None,
    user: Any = None,
) -> ClientRequest:
    """Send a request outside of dialogs.

    Args:
        agent: The user agent it is sent for.
        request: The request. What it lacks of From, To, Call-ID, CSeq and Max-Forwards is filled in
            (RFC 3261 §8.1.1), and a Contact in what is sent; Via is not its own.
        next_hop: Where it goes first.
        endpoint: What to send from, or a whole flow; None for the agent's own.
        user: Who is given what comes of it, by `response_received` and `request_failed`, and each
            time what is about to be sent by a flow, by `request_built`; None for nobody.
    """
    sender = _OutOfDialog(agent, request, user)
    if agent.registration is not None and endpoint is None and request.method != "REGISTER":
        routes, hop, endpoint = agent.registration.route.preload(_routes(request), request.uri_text)
        next_hop = hop or next_hop
        if routes:
            request["Route"] = list(routes)
    client_request = ClientRequest(agent.core, sender, next_hop, endpoint, agent, Origin.PROGRAM)
    client_request.portal = agent.portal
    client_request.request = request
    client_request.start()
    return client_request


class IncomingRequest:
    """A request that a handler has to answer.

    Args:
        transaction: Its server transaction.
        agent: The user agent it is for.

    Attributes:
        request: The request.
        authenticated: The user who proved by Digest to have sent it; None where nobody was asked
            to.
        flow: The flow that it came by; `party.invite(flow=...)` calls back by it.
    """

    __slots__ = ("agent", "authenticated", "flow", "portal", "request", "transaction")

    def __init__(self, transaction: ServerTransaction, agent: Any) -> None:
        self.transaction = transaction
        self.request = transaction.request
        self.authenticated = transaction.authenticated
        self.flow = transaction.flow
        self.agent = agent
        self.portal = agent.portal

    @property
    def identity(self) -> DNameURI | None:
        """Who has sent it, as a trusted peer asserts it (RFC 3325); None where none does."""
        info: PeerInfo = self.agent.peer_info(self.request, self.flow)
        return info.identity

    @verb
    def respond(
        self,
        status: int,
        reason: str | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        body: SupportsBytes | str = b"",
    ) -> None:
        """Answer the request.

        Args:
            status: The status code, 100 to 699.
            reason: The reason phrase; the registered one by default.
            headers: Further headers.
            body: The body; its Content-Type stands in `headers`, but for a `Multipart`.

        Raises:
            UnexpectedInput: It was answered with a final status before.
            BuildError: A value cannot stand in a message.
        """
        tag = self.transaction.tag if status > 100 else None
        self.transaction.respond(self.request.response(status, reason, headers, body, to_tag=tag))
