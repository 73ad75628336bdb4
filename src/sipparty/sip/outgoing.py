"""A request on its way: located, sent, perhaps cancelled, answered.

This is the one way out for requests. Its user says what to send once the flow is known (Via,
Contact and media addresses depend on it) and then hears responses, or one failure.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from sipparty.errors import CallFailed, CallRejected, CallTimedOut, CallUnreachable, ParseError
from sipparty.sip.auth import (
    AuthenticationError,
    Destination,
    DigestExchange,
    Origin,
    ServerNotProven,
)
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.client import ClientTransaction, InviteClientTransaction
from sipparty.sip.transaction.layer import TransactionLayer
from sipparty.sip.values import CSeq

__all__ = ["FlowUser", "OutgoingRequest", "RequestHost", "RequestUser", "retry_after"]


class FlowUser(Protocol):
    """Who asked for a flow."""

    def flow_found(self, flow: Flow) -> None:
        """Take the flow."""

    def flow_failed(self, reason: str) -> None:
        """Take note that there is none."""


class RequestHost(Protocol):
    """What sends requests: the core."""

    transactions: TransactionLayer

    def locate(
        self,
        next_hop: NextHop,
        endpoint: Hashable,
        agent: object,
        user: FlowUser,
        *,
        reliable: bool = False,
        tried: tuple[tuple[str, str, int], ...] = (),
    ) -> None:
        """Find a flow to a next hop and tell the user, now or later.

        Args:
            next_hop: Where to.
            endpoint: The one to send from where it can be; None for the agent's own.
            agent: The user agent it is for.
            user: Who is told.
            reliable: Whether UDP will do only if nothing else does (RFC 3261 §18.1.1).
            tried: Targets that failed: transport, address and port.
        """

    def target_failed(self, flow: Flow, agent: object, retry_after: float | None) -> None:
        """Have others go elsewhere for a while (RFC 3263 §4.3).

        `retry_after` is what its 503 asked for, in seconds.
        """


class RequestUser(Protocol):
    """Who sends a request."""

    def build_request(self, outgoing: OutgoingRequest, flow: Flow) -> Request:
        """Make the request, without a Via, for the flow that it will take."""

    def response_received(self, outgoing: OutgoingRequest, response: Response) -> None:
        """Take a response."""

    def request_failed(self, outgoing: OutgoingRequest, error: CallFailed) -> None:
        """Take note that there will be no response."""

    def request_over(self, outgoing: OutgoingRequest) -> None:
        """Take note that nothing more can come of it, not even a response sent again."""


class OutgoingRequest:
    """A request on its way.

    One request may take several attempts, each a transaction of its own: the next target where one
    is down (RFC 3263 §4.3), TCP where it is too large for UDP (RFC 3261 §18.1.1), again with
    credentials where it was challenged (§22.2). Its user hears of the last one alone.

    Laws:

    * Each attempt has a branch of its own. The CSeq rises where a server has answered and asked for
      credentials; it stays where another target is to have the same request.
    * Whoever rang keeps the call: past a provisional response above 100 there is no other target.
    * What is cancelled is not tried again.
    * `request_over` is the last that the user hears, and comes once.

    Args:
        host: What sends it.
        user: Who builds it and hears of it.
        next_hop: Where it goes first.
        endpoint: The endpoint to send from, or None.
        agent: The user agent it is sent for.
        origin: Who has it sent, which decides whose challenges are answered.

    Attributes:
        number: The CSeq number that the next attempt shares with the last; None for a new one.
        credentials: The credentials that the last attempt went out with: header lines.
        finished: Whether a final response came, or none can come any more.
        unproven: What is wrong with the 2xx to an INVITE whose server did not prove itself where it
            tried to (RFC 7616 §3.5); the user has to end what it made. Other requests fail of it.
    """

    #: The largest request sent by UDP where TCP may be, in bytes (RFC 3261 §18.1.1).
    MAX_UDP = 1300
    #: Targets tried at the most.
    MAX_TARGETS = 8

    __slots__ = (
        "_attempt",
        "_cancelled",
        "_digest",
        "_failure",
        "_reliable",
        "_seeking",
        "_tried",
        "agent",
        "credentials",
        "endpoint",
        "finished",
        "host",
        "next_hop",
        "number",
        "origin",
        "unproven",
        "user",
    )

    def __init__(
        self,
        host: RequestHost,
        user: RequestUser,
        next_hop: NextHop,
        endpoint: Hashable,
        agent: Any,
        origin: Origin = Origin.PROGRAM,
    ) -> None:
        self.origin = origin
        self.host = host
        self.user = user
        self.next_hop = next_hop
        self.endpoint = endpoint
        self.agent = agent
        self.finished = False
        self.number: int | None = None
        self.credentials: list[Field] = []
        self.unproven: CallFailed | None = None
        self._attempt: _Attempt | None = None
        self._cancelled = False
        self._digest: DigestExchange | None = None
        #: What is reported if no other target can be had.
        self._failure: Response | CallFailed | None = None
        self._reliable = False
        #: Whether a flow is being looked for: what was sent before is over.
        self._seeking = False
        self._tried: tuple[tuple[str, str, int], ...] = ()

    def start(self) -> None:
        """Locate the next hop, then send."""
        self._seeking = True
        self.host.locate(
            self.next_hop,
            self.endpoint,
            self.agent,
            self,
            reliable=self._reliable,
            tried=self._tried,
        )

    @property
    def transaction(self) -> ClientTransaction | None:
        """The transaction of the last attempt; None before the first."""
        return None if self._attempt is None else self._attempt.transaction

    @property
    def request(self) -> Request | None:
        """The request as it was last sent; None before."""
        return None if self.transaction is None else self.transaction.request

    @property
    def flow(self) -> Flow | None:
        """The way it last went; None before it was sent."""
        return None if self.transaction is None else self.transaction.flow

    def cancel(self) -> None:
        """Cancel it: now, or once a provisional response allows it (RFC 3261 §9.1).

        What is not sent yet will not be. The final response, 487 as a rule, still comes.
        """
        if self._cancelled or self.finished:
            return
        self._cancelled = True
        if self._attempt is not None and self._attempt.provisional and not self._seeking:
            self._send_cancel()

    def _send_cancel(self) -> None:
        transaction = self.transaction
        if not isinstance(transaction, InviteClientTransaction):
            return  # §9.1: any other request is answered too soon for a CANCEL to matter
        request = transaction.request
        fields: list[Field] = [
            line
            for line in request._fields
            if line[0] in ("from", "to", "call-id", "max-forwards", "route")
        ]
        number = (request._text("cseq") or "0").split(None, 1)[0]
        fields.append(field("CSeq", f"{number} CANCEL"))
        cancel = Request.of("CANCEL", request.uri_text, fields)
        self.host.transactions.request(cancel, transaction.flow, _Nobody(), transaction.branch)
        transaction.cancel()

    # ---------------------------------------------------------------- a flow's user

    def flow_found(self, flow: Flow) -> None:
        """Send the request by this flow."""
        self._seeking = False
        if self._cancelled:
            self._fail(CallFailed("The request was cancelled before it was sent.", 487))
            return
        try:
            request = self.user.build_request(self, flow)
            self.number = CSeq.parse(request._text("cseq") or "").number
        except Exception as error:
            # Media that cannot be opened, a handler's own error: the call fails, not the stack.
            failure = CallFailed(f"The request could not be made: {error}")
            failure.__cause__ = error
            self._fail(failure)
            return
        digest = None if self.agent is None else self.agent.digest
        if digest is not None:
            known = self._digest
            if known is None or known.destination.address != flow.remote[0]:
                self._digest = digest.exchange(
                    request.method,
                    request.uri_text,
                    request.body,
                    scope=request._text("call-id"),
                    destination=self._destination(request, flow),
                )
                self.credentials = [field(*pair) for pair in self._digest.credentials()]
            request._fields += self.credentials
            request._index = None
        if flow.transport == "UDP" and not self._reliable and self._too_large(request):
            self._reliable = True
            self.start()
            return
        attempt = self._attempt = _Attempt(self)
        attempt.transaction = self.host.transactions.request(request, flow, attempt)

    def _destination(self, request: Request, flow: Flow) -> Destination:
        """Return what decides whose challenges are answered."""
        # By a flow that was there it goes to whoever is at its end, whatever host is named.
        host = "" if isinstance(self.endpoint, Flow) else self.next_hop.place.lower()
        routed = request._text("route") is not None
        return Destination(flow.remote[0], host, request.uri_text, self.origin, routed)

    def credentials_for(self, flow: Flow) -> list[Field]:
        """Return the credentials that the ACK for a 2xx takes by a flow (§22.1): those of the
        INVITE, but for a proxy's where it passes that by (§22.3).
        """
        digest = self._digest
        if digest is None or digest.is_near(flow.remote[0]):
            return self.credentials
        return [line for line in self.credentials if line[0] != "proxy-authorization"]

    def _too_large(self, request: Request) -> bool:
        """Whether a request may not go by UDP if it can go otherwise; a Via is yet to come."""
        return self.next_hop.transport is None and len(bytes(request)) + 100 > self.MAX_UDP

    def flow_failed(self, reason: str) -> None:
        """Take note that the next hop could not be reached."""
        self._seeking = False
        failure = self._failure
        if isinstance(failure, Response):
            self.finished = True
            self.user.response_received(self, failure)
            self._end()
        else:
            self._fail(failure or CallUnreachable(reason, 503, "Service Unavailable"))

    def _fail(self, error: CallFailed) -> None:
        if not self.finished:
            self.finished = True
            self.user.request_failed(self, error)
            self._end()

    def _end(self) -> None:
        """Tell the user that nothing can come any more, if that is so."""
        if self._attempt is None or self._attempt.over:
            self.user.request_over(self)

    # ---------------------------------------------------------------- attempts

    def attempt_answered(self, response: Response) -> None:
        """Take a response to the last attempt."""
        status = response.status
        if status in (401, 407) and self._digest is not None and not self._cancelled:
            self._answer_challenge(response)
            return
        if status == 503 and self._try_next(response, retry_after(response)):
            return
        if status >= 200 and not self.finished:
            self.finished = True
            if self._digest is not None and not self._is_proven(self._digest, response):
                return
        self.user.response_received(self, response)

    def _is_proven(self, digest: DigestExchange, response: Response) -> bool:
        """Learn what a response says of nonces to come; return whether the user may have it."""
        try:
            digest.accepted(
                response.lines("Authentication-Info"),
                response.lines("Proxy-Authentication-Info"),
                response.body,
                success=response.status < 300,
            )
        except ParseError:
            pass  # it proves nothing, as if it were not there
        except ServerNotProven as error:
            if response.status < 300:
                failure = CallFailed(str(error), response.status, response.reason, response)
                if not isinstance(self.transaction, InviteClientTransaction):
                    self.user.request_failed(self, failure)
                    return False
                # RFC 3261 §13.2.2.4: a 2xx is acknowledged whatever it is worth.
                self.unproven = failure
        return True

    def attempt_failed(self, error: CallFailed) -> None:
        """Take note that the last attempt has no response."""
        if not self._try_next(error, None):
            self._fail(error)

    def _try_next(self, failure: Response | CallFailed, wait: float | None) -> bool:
        """Go to the next target, if there may be one (RFC 3263 §4.3)."""
        attempt, flow = self._attempt, self.flow
        if flow is None or attempt is None:
            return False
        self.host.target_failed(flow, self.agent, wait)
        if self._cancelled or attempt.alerted or len(self._tried) + 1 >= self.MAX_TARGETS:
            return False
        # RFC 3261 §18.1.1: what went by TCP for its size alone, goes by UDP after a reset.
        was_reset = isinstance(failure, CallUnreachable) and flow.transport != "UDP"
        if self.next_hop.is_numeric and not (self._reliable and was_reset):
            return False
        self._tried += ((flow.transport, flow.remote[0], flow.remote[1]),)
        self._failure = failure
        # Another server has nonces of its own: what this one is told is no second try.
        self._digest = None
        self.start()
        return True

    def _answer_challenge(self, response: Response) -> None:
        """Try again with credentials, by the same flow, as a new request (RFC 3261 §22.2)."""
        flow = self.flow
        assert self._digest is not None
        assert flow is not None
        try:
            pairs = self._digest.challenged(
                response.lines("WWW-Authenticate"), response.lines("Proxy-Authenticate")
            )
        except Exception as error:
            # Besides what is documented, whatever a function that gives accounts may raise.
            message = str(error)
            if not isinstance(error, AuthenticationError):
                message = f"The credentials could not be had: {error}"
            failure = CallRejected(message, response.status, response.reason, response)
            failure.__cause__ = error
            self._fail(failure)
            return
        self.credentials = [field(*pair) for pair in pairs]
        self.number = None
        self.flow_found(flow)

    def attempt_over(self) -> None:
        """Pass on that nothing can come any more, unless another target is being looked for."""
        if self.finished:
            self.user.request_over(self)


class _Attempt:
    """One transaction of a request; those that another has followed are heard no more."""

    __slots__ = ("alerted", "outgoing", "over", "provisional", "transaction")

    def __init__(self, outgoing: OutgoingRequest) -> None:
        self.outgoing = outgoing
        self.transaction: ClientTransaction | None = None
        #: Whether there was a provisional response: from then on it may be cancelled.
        self.provisional = False
        #: Whether there was one that is more than the next hop's own 100.
        self.alerted = False
        self.over = False

    def _is_last(self) -> bool:
        return self.outgoing._attempt is self

    def response_received(self, response: Response) -> None:
        """Pass a response on."""
        if not self._is_last():
            return
        outgoing = self.outgoing
        if response.status < 200:
            self.alerted = self.alerted or response.status > 100
            if not self.provisional:
                self.provisional = True
                if outgoing._cancelled:
                    outgoing._send_cancel()
        outgoing.attempt_answered(response)

    def transaction_timed_out(self) -> None:
        """RFC 3261 §8.1.3.1: a timeout is treated as a 408."""
        if self._is_last():
            seconds = self.outgoing.host.transactions.timing.transaction
            message = f"{self._peer()} did not answer within {seconds:g} s."
            self.outgoing.attempt_failed(CallTimedOut(message, 408, "Request Timeout"))

    def transaction_broken(self, reason: str) -> None:
        """RFC 3261 §8.1.3.1: a transport error is treated as a 503."""
        if self._is_last():
            message = f"{self._peer()} cannot be reached: {reason.rstrip('.')}."
            self.outgoing.attempt_failed(CallUnreachable(message, 503, "Service Unavailable"))

    def transaction_over(self) -> None:
        """Pass on that nothing can come any more."""
        self.over = True
        if self._is_last():
            self.outgoing.attempt_over()

    def _peer(self) -> str:
        flow = self.outgoing.flow
        return self.outgoing.next_hop.host if flow is None else "{}:{}".format(*flow.remote)


def retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After (RFC 3261 §20.33); None where there is none to read."""
    text = (response._text("retry-after") or "").strip()
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return float(digits[:9]) if digits else None


class _Nobody:
    """The user of a CANCEL: what matters is the answer to its INVITE."""

    def response_received(self, response: Response) -> None:
        pass

    def transaction_timed_out(self) -> None:
        pass

    def transaction_broken(self, reason: str) -> None:
        pass

    def transaction_over(self) -> None:
        pass
