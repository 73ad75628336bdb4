"""A request of ours and its outcome: located, sent, tried again, perhaps cancelled, answered.

This is the one way out for requests, in and out of dialogs. Its user says what to send once the
flow is known (Via, Contact and media addresses depend on it) and then hears responses, or one
failure.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from typing import Any, ClassVar, Protocol

from sipparty.concurrency.waiting import Watchable, verb
from sipparty.errors import (
    CallFailed,
    CallRejected,
    CallTimedOut,
    CallUnreachable,
    UnexpectedInput,
    copy_of,
)
from sipparty.sip.auth import Destination, Origin, ServerNotProven
from sipparty.sip.authorization import Authorization
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.retries import retry_after
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.client import ClientTransaction, InviteClientTransaction
from sipparty.sip.transaction.layer import TransactionLayer
from sipparty.sip.values import CSeq
from sipparty.sip.wanted import FlowUser

__all__ = ["ClientRequest", "RequestHost", "RequestUser"]


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
        """Ask for a flow, as `FlowWanted` does."""

    def target_failed(self, flow: Flow, agent: object, retry_after: float | None) -> None:
        """Have others go elsewhere for a while (RFC 3263 §4.3).

        `retry_after` is what its 503 asked for, in seconds.
        """


class RequestUser(Protocol):
    """Who sends a request."""

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make the request, without a Via, for the flow that it will take."""

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response."""

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be no response."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of it, not even a response sent again."""


class ClientRequest(Watchable):
    """A request of ours and its outcome; made by `party.send`, `party.options` and `call.send`.

    Wait for the final response with `request.wait(timeout)` in a thread, or `await request` in a
    coroutine.

    It may take several attempts, each a transaction of its own: the next target where one
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
        state: "Initial", "Waiting", "Answered" or "Failed".
        request: The request as it was last sent. An answered INVITE is not kept.
        response: The final response; None before it, and for a 2xx to an INVITE.
        provisional: The last of the provisional responses, `KEPT` at the most.
        error: Why there is no response; None while there may be one.
        flow: The way it last went; None before it was sent.
        transaction: The transaction of the last attempt; None before the first.
        attempts: How often it was sent.
        number: The CSeq number that the next attempt shares with the last; None for a new one.
        unproven: What is wrong with the 2xx to an INVITE whose server did not prove itself where it
            tried to (RFC 7616 §3.5); the user has to end what it made. Other requests fail of it.
    """

    #: The largest request sent by UDP where TCP may be, in bytes (RFC 3261 §18.1.1).
    MAX_UDP: ClassVar[int] = 1300
    #: Targets tried at the most.
    MAX_TARGETS: ClassVar[int] = 8
    #: Provisional responses that are kept: a peer may send them without end.
    KEPT: ClassVar[int] = 8

    __slots__ = (
        "_alerted",
        "_authorization",
        "_cancelled",
        "_failure",
        "_over",
        "_reliable",
        "_seeking",
        "_tried",
        "agent",
        "attempts",
        "endpoint",
        "error",
        "flow",
        "host",
        "next_hop",
        "number",
        "origin",
        "provisional",
        "request",
        "response",
        "transaction",
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
        self.host = host
        self.user = user
        self.next_hop = next_hop
        self.endpoint = endpoint
        self.agent = agent
        self.origin = origin
        self.state = self._entered = "Initial"
        self._portal = self._watchers = None
        self.request: Request | None = None
        self.response: Response | None = None
        self.provisional: tuple[Response, ...] = ()
        self.error: CallFailed | None = None
        self.flow: Flow | None = None
        self.transaction: ClientTransaction | None = None
        self.attempts = 0
        self.number: int | None = None
        self.unproven: CallFailed | None = None
        #: Whether the last attempt had a provisional response that is more than a next hop's 100.
        self._alerted = False
        self._cancelled = False
        self._authorization: Authorization | None = None
        #: What is reported if no other target can be had.
        self._failure: Response | CallFailed | None = None
        #: Whether nothing can come of the last attempt any more.
        self._over = True
        self._reliable = False
        #: Whether a flow is being looked for: what was sent before is over.
        self._seeking = False
        self._tried: tuple[tuple[str, str, int], ...] = ()

    # ---------------------------------------------------------------- verbs

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name} in state {self.state!r}>"

    @property
    def finished(self) -> bool:
        """Whether a final response came, or none can come any more."""
        return self.state in ("Answered", "Failed")

    def start(self) -> None:
        """Locate the next hop, then send.

        Raises:
            UnexpectedInput: It was sent before.
        """
        if self.state != "Initial":
            raise UnexpectedInput(f"{self!r} was sent before; make another one.")
        self.state = self._entered = "Waiting"
        self._locate()

    @verb
    def cancel(self) -> None:
        """Cancel it: now, or once a provisional response allows it (RFC 3261 §9.1).

        What is not sent yet will not be. The final response, 487 as a rule, still comes; only an
        INVITE is changed by it. After the final response nothing happens.
        """
        if self._cancelled or self.finished:
            return
        self._cancelled = True
        if self.provisional and not self._seeking:
            self._send_cancel()

    def wait(self, timeout: float | None = None) -> Response:
        """Block until the final response and return it, whatever its status.

        Args:
            timeout: Seconds; None for as long as the transaction takes.

        Raises:
            CallFailed: No response came, or the request could not be sent.
            Timeout: The time ran out; the request goes on.
            WouldDeadlock: Called on the engine's own thread.
        """
        self.waitForStateCondition(self.settled, timeout)
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Response]:
        """Wait as `wait` does, in a coroutine."""
        yield from self.stateCondition(self.settled).__await__()
        return self._outcome()

    @staticmethod
    def settled(state: str) -> bool:
        """Whether the request is over in this state."""
        return state in ("Answered", "Failed")

    def _outcome(self) -> Response:
        if self.response is None:
            assert self.error is not None
            raise copy_of(self.error)
        return self.response

    # ---------------------------------------------------------------- on its way

    def _locate(self) -> None:
        self._seeking = True
        self.host.locate(
            self.next_hop,
            self.endpoint,
            self.agent,
            self,
            reliable=self._reliable,
            tried=self._tried,
        )

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
        if self.agent is not None and self.agent.digest is not None:
            if self._authorization is None:
                self._authorization = Authorization(self.agent.digest)
            # By a flow that was there it goes to whoever is at its end, whatever host is named.
            host = "" if isinstance(self.endpoint, Flow) else self.next_hop.place.lower()
            routed = request._text("route") is not None
            self._authorization.add_to(
                request,
                Destination(flow.remote[0], host, request.uri_text, self.origin, routed),
            )
        if flow.transport == "UDP" and not self._reliable and self._too_large(request):
            self._reliable = True
            self._locate()
            return
        if self.transaction is not None:
            self.transaction.user = _NOBODY
        self.attempts += 1
        self.request = request
        self.flow = flow
        self.provisional = ()
        self._alerted = self._over = False
        self.transaction = self.host.transactions.request(request, flow, self)

    def credentials_for(self, flow: Flow) -> list[Field]:
        """Return the credentials that the ACK for a 2xx takes by a flow."""
        return [] if self._authorization is None else self._authorization.for_ack(flow.remote[0])

    def _too_large(self, request: Request) -> bool:
        """Whether a request may not go by UDP if it can go otherwise; a Via is yet to come."""
        return self.next_hop.transport is None and len(bytes(request)) + 100 > self.MAX_UDP

    def flow_failed(self, reason: str) -> None:
        """Take note that the next hop could not be reached."""
        self._seeking = False
        failure = self._failure
        if isinstance(failure, Response):
            self._answer(failure)
            self._end()
        else:
            self._fail(failure or CallUnreachable(reason, 503, "Service Unavailable"))

    def _send_cancel(self) -> None:
        transaction, request = self.transaction, self.request
        if request is None or not isinstance(transaction, InviteClientTransaction):
            return  # §9.1: any other request is answered too soon for a CANCEL to matter
        fields: list[Field] = [
            line
            for line in request._fields
            if line[0] in ("from", "to", "call-id", "max-forwards", "route")
        ]
        number = (request._text("cseq") or "0").split(None, 1)[0]
        fields.append(field("CSeq", f"{number} CANCEL"))
        cancel = Request.of("CANCEL", request.uri_text, fields)
        self.host.transactions.request(cancel, transaction.flow, _NOBODY, transaction.branch)
        transaction.cancel()

    # ---------------------------------------------------------------- outcomes

    def _answer(self, response: Response) -> None:
        """Have a final response for the outcome."""
        self.state = "Answered"
        if response.status < 300 and isinstance(self.transaction, InviteClientTransaction):
            # The transaction lingers; what it sent need not, and its 2xx is the call's.
            self.request = None
            self.provisional = ()
        else:
            self.response = response
        try:
            self.user.response_received(self, response)
        finally:
            self._settle()

    def _fail(self, error: CallFailed) -> None:
        if self.finished:
            return
        self.state = "Failed"
        self.error = error
        try:
            self.user.request_failed(self, error)
        finally:
            self._settle()
        self._end()

    def _settle(self) -> None:
        """Wake who waits for the outcome."""
        self._entered = self.state
        for watcher in self._watchers or ():
            watcher.notify(self.state)

    def _end(self) -> None:
        """Report that nothing can come any more, if that is so."""
        if self._over:
            self.user.request_over(self)

    # ---------------------------------------------------------------- a transaction's user

    def response_received(self, response: Response) -> None:
        """Take a response to the last attempt."""
        status = response.status
        if status < 200:
            first = not self.provisional
            self.provisional = (*self.provisional[1 - self.KEPT :], response)
            self._alerted = self._alerted or status > 100
            if first and self._cancelled:
                self._send_cancel()
            self.user.response_received(self, response)
            return
        if self.finished:
            self.user.response_received(self, response)
            return
        authorization = self._authorization
        if status in (401, 407) and authorization is not None and not self._cancelled:
            try:
                authorization.answer(response)
            except CallRejected as error:
                self._fail(error)
                return
            # By the same flow, as a new request (RFC 3261 §22.2).
            assert self.flow is not None
            self.number = None
            self.flow_found(self.flow)
            return
        if status == 503 and self._try_next(response, retry_after(response)):
            return
        if authorization is not None:
            try:
                authorization.check(response)
            except ServerNotProven as error:
                if status < 300:
                    failure = CallFailed(str(error), status, response.reason, response)
                    if not isinstance(self.transaction, InviteClientTransaction):
                        self._fail(failure)
                        return
                    # RFC 3261 §13.2.2.4: a 2xx is acknowledged whatever it is worth.
                    self.unproven = failure
        self._answer(response)

    def transaction_timed_out(self) -> None:
        """RFC 3261 §8.1.3.1: a timeout is treated as a 408."""
        seconds = self.host.transactions.timing.transaction
        message = f"{self._peer()} did not answer within {seconds:g} s."
        self._attempt_failed(CallTimedOut(message, 408, "Request Timeout"))

    def transaction_broken(self, reason: str) -> None:
        """RFC 3261 §8.1.3.1: a transport error is treated as a 503."""
        message = f"{self._peer()} cannot be reached: {reason.rstrip('.')}."
        self._attempt_failed(CallUnreachable(message, 503, "Service Unavailable"))

    def transaction_over(self) -> None:
        """Pass on that nothing can come any more, unless another target is being looked for."""
        self._over = True
        if self.finished:
            self.user.request_over(self)

    def _attempt_failed(self, error: CallFailed) -> None:
        if not self._try_next(error, None):
            self._fail(error)

    def _peer(self) -> str:
        return self.next_hop.host if self.flow is None else "{}:{}".format(*self.flow.remote)

    def _try_next(self, failure: Response | CallFailed, wait: float | None) -> bool:
        """Go to the next target, if there may be one (RFC 3263 §4.3)."""
        flow = self.flow
        assert flow is not None
        self.host.target_failed(flow, self.agent, wait)
        if self._cancelled or self._alerted or len(self._tried) + 1 >= self.MAX_TARGETS:
            return False
        # RFC 3261 §18.1.1: what went by TCP for its size alone, goes by UDP after a reset.
        was_reset = isinstance(failure, CallUnreachable) and flow.transport != "UDP"
        if self.next_hop.is_numeric and not (self._reliable and was_reset):
            return False
        self._tried += ((flow.transport, flow.remote[0], flow.remote[1]),)
        self._failure = failure
        if self._authorization is not None:
            self._authorization.forget()
        self._locate()
        return True


class _Nobody:
    """The user of a CANCEL, where what matters is the answer to its INVITE, and of attempts that
    another has followed.
    """

    def response_received(self, *_: object) -> None:
        pass

    def transaction_timed_out(self) -> None:
        pass

    def transaction_broken(self, *_: object) -> None:
        pass

    def transaction_over(self) -> None:
        pass


_NOBODY = _Nobody()
