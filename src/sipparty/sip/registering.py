"""REGISTER requests: how one is made, and the query of what is registered (RFC 3261 §10.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sipparty.concurrency.waiting import Waitable
from sipparty.errors import CallFailed, CallRejected, UsageError, copy_of
from sipparty.sip.auth import Origin
from sipparty.sip.bindings import Binding, bindings_of
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.components import URI
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.routing import NextHop, as_request_uri
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.user_headers import replaced
from sipparty.sip.values import DNameURI

__all__ = ["BindingQuery", "Series", "contact_value", "refusal", "registrar_uri"]

#: The option tags of a REGISTER: the UA takes what these add to its 2xx (RFC 3327 §5.1, RFC 5626
#: §4.2.1, RFC 5627 §4.1).
_TAGS = ("path", "outbound", "gruu")


def registrar_uri(agent: Any, registrar: str | None) -> str:
    """Return the Request-URI of REGISTER requests: the registrar's, by default the host of the
    address of record (RFC 3261 §10.2.6).

    Args:
        agent: The user agent.
        registrar: A host, host:port or URI; None for the default.

    Raises:
        ParseError: It is none of them.
        TypeError: It is no text.
        UsageError: It names a user, which a registrar has not (§10.2).
    """
    if registrar is None:
        parts = split_sip_uri(agent.uri)
        port = "" if parts.port is None else f":{parts.port}"
        host = f"[{parts.host}]" if ":" in parts.host else parts.host
        return f"{agent.scheme}:{host}{port}"
    if not isinstance(registrar, str):
        raise TypeError(f'registrar is text, such as "sip:biloxi.com", not {registrar!r}.')
    uri = registrar.strip()
    if not uri.lower().startswith(("sip:", "sips:")):
        if uri.count(":") > 1 and uri[0] != "[":
            uri = f"[{uri}]"  # a bare IPv6 address
        uri = f"{agent.scheme}:{uri}"
    uri = as_request_uri(uri)
    if split_sip_uri(uri).user is not None:
        raise UsageError(
            f"A registrar is a domain, such as sip:biloxi.com: {uri} names a user. Who is"
            " registered is the party's own address."
        )
    NextHop.of(uri)
    return uri


def contact_value(text: str) -> str:
    """Return a Contact value, which may be given as a URI alone.

    Raises:
        ParseError: It is neither.
    """
    value = DNameURI.parse(text if "<" in text else f"<{text}>")
    URI.parse(value.uri_text)
    return str(value)


class Series:
    """The REGISTER requests of a user agent to one registrar by one flow: one Call-ID, and a CSeq
    that rises (§10.2). It outlasts the registration that it was made for.

    Args:
        agent: The user agent.

    Attributes:
        call_id: The Call-ID.
        tag: The From tag.
        number: The CSeq number of the last request.
    """

    __slots__ = ("_agent", "call_id", "number", "tag")

    def __init__(self, agent: Any) -> None:
        tokens = agent.core.tokens
        self._agent = agent
        self.call_id = tokens.call_id()
        self.tag = tokens.tag()
        self.number = tokens.number(16)

    @classmethod
    def at(cls, agent: Any, uri: str, reg_id: int = 0) -> Series:
        """Return the series of an agent at a registrar, for one of its flows."""
        key = (uri, reg_id)
        if key not in agent.register_series:
            agent.register_series[key] = cls(agent)
        series: Series = agent.register_series[key]
        return series

    def request(
        self,
        client_request: ClientRequest,
        uri: str,
        routes: Sequence[str] = (),
        contacts: Iterable[str] = (),
        expires: int | None = None,
        headers: Sequence[Field] = (),
    ) -> Request:
        """Make the next attempt of a request.

        Args:
            client_request: What sends it.
            uri: The Request-URI.
            routes: The Route values.
            contacts: The Contact values; none to query.
            expires: What Expires says; None for nothing.
            headers: Further header lines.
        """
        agent = self._agent
        if client_request.number is None or client_request.number != self.number:
            self.number += 1  # RFC 3263 §4.3: another server has the same request
        supported = dict.fromkeys((*_TAGS, *agent.supported))
        fields = [
            field("Max-Forwards", "70"),
            *[field("Route", route) for route in routes],
            field("From", f"{agent.address};tag={self.tag}"),
            field("To", agent.address),
            field("Call-ID", self.call_id),
            field("CSeq", f"{self.number} REGISTER"),
            *[field("Contact", contact) for contact in contacts],
        ]
        if expires is not None:
            fields.append(field("Expires", str(expires)))
        more = [line for line in agent.capability_fields if line[0] != "supported"]
        more.append(field("Supported", ", ".join(supported)))
        return Request.of("REGISTER", uri, fields + replaced(more, headers))


def refusal(uri: str, response: Response) -> CallRejected:
    """Make the error for the final response of a registrar that refuses."""
    status, reason = response.status, response.reason
    words = {
        401: " Give the party credentials=(user, password) that are right there, or --user.",
        403: " The user may not register there.",
        404: " It has no such user, or does not serve the domain.",
        423: " It says in Min-Expires for how long it would be.",
    }
    said = f"{status} {reason}".strip()
    message = (
        f"The registrar {uri} answered {said}.{words.get(401 if status == 407 else status, '')}"
    )
    return CallRejected(message, status, reason, response)


class BindingQuery(Waitable[tuple[Binding, ...]]):
    """The question who is registered where (§10.2.3); made by `party.fetch_bindings()` and
    `registration.fetch()`. `query.wait(timeout)` in a thread, or `await query` in a coroutine,
    gives the bindings.

    Args:
        agent: The user agent whose address of record it is about.
        uri: The registrar's URI.
        routes: The Route values.

    Attributes:
        state: "Waiting", "Answered" or "Failed".
        bindings: The answer; empty before.
        request: The request.
        error: Why there is no answer; None while there may be one.
    """

    def __init__(self, agent: Any, uri: str, routes: Sequence[str] = ()) -> None:
        self._agent = agent
        self._uri = uri
        self._routes = routes
        self._series = Series.at(agent, uri)
        self._portal = agent.portal
        self._watchers = None
        self.state = self._entered = "Waiting"
        self.bindings: tuple[Binding, ...] = ()
        self.error: CallFailed | None = None
        first = DNameURI.parse(routes[0]).uri_text if routes else uri
        self.request = ClientRequest(
            agent.core, self, NextHop.of(first), None, agent, Origin.PROGRAM
        )
        self.request.start()

    def __repr__(self) -> str:
        return f"<BindingQuery {self._uri}: {self.state}>"

    def settled(self, state: str) -> bool:
        """Whether it is answered, or has failed, in this state."""
        return state != "Waiting"

    def _outcome(self) -> tuple[Binding, ...]:
        if self.error is not None:
            raise copy_of(self.error)
        return self.bindings

    # ---------------------------------------------------------------- a request's user

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make it: without a Contact, it changes nothing."""
        uri = client_request.target or self._uri
        return self._series.request(client_request, uri, self._routes)

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take the answer."""
        if response.status < 200:
            return
        if response.status >= 300:
            self.request_failed(client_request, refusal(self._uri, response))
            return
        self.bindings = bindings_of(response)
        self.state = "Answered"
        self._notify()

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        self.error, self.state = error, "Failed"
        self._notify()

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another registrar."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""
