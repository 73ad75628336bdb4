"""The credentials of one request over its attempts (RFC 3261 §22.2)."""

from __future__ import annotations

from sipparty.errors import CallFailed, CallRejected, ParseError
from sipparty.sip.auth import (
    AuthenticationError,
    Destination,
    DigestClient,
    DigestExchange,
    Origin,
    ServerNotProven,
)
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response

__all__ = ["Authorization"]


class Authorization:
    """What one request answers challenges with.

    Args:
        client: The accounts of its user agent.
    """

    __slots__ = ("_client", "_exchange", "_fields")

    def __init__(self, client: DigestClient) -> None:
        self._client = client
        self._exchange: DigestExchange | None = None
        self._fields: list[Field] = []

    def forget(self) -> None:
        """Begin anew, for another server: it has nonces of its own, and what it is sent is no
        second try.
        """
        self._exchange = None

    def add_to(self, request: Request, flow: Flow, host: str, origin: Origin) -> None:
        """Add the credentials to an attempt, those of nonces that are remembered to the first.

        Args:
            request: The attempt.
            flow: The flow it goes by.
            host: The host that was asked for; "" where it goes by a flow that was given.
            origin: Who has it sent.
        """
        exchange, address = self._exchange, flow.remote[0]
        if exchange is None or exchange.destination.address != address:
            routed, registers = request._text("route") is not None, request._method == "REGISTER"
            destination = Destination(address, host, request.uri_text, origin, routed, registers)
            self._exchange = exchange = self._client.exchange(
                request.method,
                request.uri_text,
                request.body,
                scope=request._text("call-id"),
                destination=destination,
            )
            self._fields = [field(*pair) for pair in exchange.credentials()]
        request._fields += self._fields
        request._index = None

    def answer(self, response: Response) -> None:
        """Make the credentials that answer the challenges of a 401 or 407.

        Raises:
            CallRejected: None can be answered, and why.
        """
        assert self._exchange is not None
        try:
            pairs = self._exchange.challenged(
                response.lines("WWW-Authenticate"), response.lines("Proxy-Authenticate")
            )
        except Exception as error:
            # Besides what is documented, whatever a function that gives accounts may raise.
            message = str(error)
            if not isinstance(error, AuthenticationError):
                message = f"The credentials could not be had: {error}"
            raise CallRejected(message, response.status, response.reason, response) from error
        self._fields = [field(*pair) for pair in pairs]

    def check(self, response: Response) -> CallFailed | None:
        """Learn what a final response says of nonces to come; return what is wrong with a 2xx whose
        server did not prove itself where it tried to (RFC 7616 §3.5).
        """
        if self._exchange is not None:
            try:
                self._exchange.accepted(
                    response.lines("Authentication-Info"),
                    response.lines("Proxy-Authentication-Info"),
                    response.body,
                    success=response.status < 300,
                )
            except ParseError:
                pass  # it proves nothing, as if it were not there
            except ServerNotProven as error:
                if response.status < 300:
                    return CallFailed(str(error), response.status, response.reason, response)
        return None

    def for_ack(self, address: str) -> list[Field]:
        """Return the credentials that the ACK for a 2xx takes to an address (§22.1): those of the
        INVITE, but for a proxy's where it passes that by (§22.3).
        """
        if self._exchange is None or self._exchange.is_near(address):
            return self._fields
        return [line for line in self._fields if line[0] != "proxy-authorization"]
