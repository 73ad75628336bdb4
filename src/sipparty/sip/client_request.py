"""A request of ours and its outcome: located, sent, tried again, perhaps cancelled, answered.

All requests are sent by this class, in and out of dialogs. Its user says what to send once the
flow is known (Via, Contact and media addresses depend on it) and then hears responses, or one
failure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.concurrency.waiting import Waitable, verb
from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable, UnexpectedInput, copy_of
from sipparty.fsm import Entry
from sipparty.sip.auth import Origin
from sipparty.sip.fields import Field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.redirects import Redirects
from sipparty.sip.request_user import RequestHost, RequestUser
from sipparty.sip.retries import POLICIES, Edit, Retry, later, retry_after
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.client import ClientTransaction, InviteClientTransaction, cancel_for
from sipparty.sip.transaction.user import NOBODY

if TYPE_CHECKING:
    from sipparty.sip.authorization import Authorization

__all__ = ["ClientRequest"]


class ClientRequest(Waitable[Response]):
    """A request of ours and its outcome; made by `party.send`, `party.options` and `call.send`.
    `request.wait(timeout)` in a thread, or `await request` in a coroutine, gives the final
    response, whatever its status, or raises `error`.

    It may take several attempts, each a transaction of its own: the next server where one is down
    (RFC 3263 §4.3), TCP where it is too large for UDP (RFC 3261 §18.1.1), and what a response asks
    for (`retries`), such as credentials. Its user is given the last one alone.

    Laws:

    * Each attempt has a branch of its own. The CSeq rises where a server has answered and asked for
      something; it stays where another server is to have the same request.
    * Requests of one queue, as those of a dialog, leave in its order (§12.2.1.1): while the flow of
      one is looked for, those behind it wait. One that fails lets them go.
    * Whoever rang keeps the call: past a provisional response above 100 there is no other server,
      unless a redirection names one.
    * What is cancelled is not tried again, and nothing more than `MAX_ATTEMPTS` times.
    * `request_over` is the last call to the user, and comes once.

    Args:
        host: What sends it.
        user: Who builds it and is given its outcome.
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
        flow: The flow it last went by; None before it was sent.
        transaction: The transaction of the last attempt; None before the first.
        attempts: How often it was sent.
        number: The CSeq number that the next attempt shares with the last; None for a new one.
        target: The Request-URI that a redirection has named; None before one.
        redirects: How many redirections are followed; None, the default, for as many as the user
            agent's `follow_redirects` says.
        cancelled: Whether it was cancelled.
        cancel_fields: What its CANCEL says besides, such as a Reason.
        min_se: The seconds that 422 responses have asked for (RFC 4028 §7.4); 0 for none.
        authorization: What answers challenges; None where there are no credentials.
        unproven: What is wrong with the 2xx to an INVITE whose server did not prove itself where it
            tried to (RFC 7616 §3.5); the user has to end what it made. Other requests fail of it.
    """

    #: The largest request sent by UDP where TCP may be, in bytes (RFC 3261 §18.1.1).
    MAX_UDP: ClassVar[int] = 1300
    #: Servers of one next hop that are tried at the most.
    MAX_TARGETS: ClassVar[int] = 8
    #: Attempts at the most, whatever responses ask for.
    MAX_ATTEMPTS: ClassVar[int] = 16
    #: Provisional responses that are kept: a peer may send them without end.
    KEPT: ClassVar[int] = 8

    __slots__ = (
        *("_alerted", "_edits", "_failure", "_over", "_queue", "_redirects", "_reliable"),
        *("_seeking", "_timer", "_tried", "agent", "attempts", "authorization", "cancelled"),
        *("cancel_fields", "endpoint", "error", "flow", "host", "min_se", "next_hop", "number"),
        *("origin", "provisional"),
        *("redirects", "request", "response", "target", "transaction", "unproven", "user"),
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
        self.cancel_fields: Sequence[Field] = ()
        self.request: Request | None = None
        self.response: Response | None = None
        self.provisional: tuple[Response, ...] = ()
        self.error: CallFailed | None = None
        self.flow: Flow | None = None
        self.transaction: ClientTransaction | None = None
        self.attempts = self.min_se = 0
        self.number: int | None = None
        self.unproven: CallFailed | None = None
        #: Whether the last attempt had a provisional response that is more than a next hop's 100.
        self._alerted = False
        self.cancelled = self._reliable = False
        self.authorization: Authorization | None = None
        self.target: str | None = None
        self.redirects: int | None = None
        self._redirects: Redirects | None = None
        #: What is changed in each attempt.
        self._edits: tuple[Edit, ...] = ()
        #: What ends a wait for the next attempt.
        self._timer: Entry | None = None
        self._queue: deque[ClientRequest] | None = None
        #: What is reported if no other target can be had.
        self._failure: Response | CallFailed | None = None
        #: Whether nothing can come of the last attempt any more.
        self._over = True
        #: Whether the next attempt is yet to come: what was sent before is over.
        self._seeking = False
        self._tried: tuple[tuple[str, str, int], ...] = ()

    def __repr__(self) -> str:
        sent = "" if self.request is None else f" {self.request.method} {self.request.uri_text}"
        status = "" if self.response is None else f" {self.response.status}"
        return f"<{type(self).__name__}{sent}: {self.state}{status}>"

    # ---------------------------------------------------------------- verbs

    @property
    def finished(self) -> bool:
        """Whether a final response came, or none can come any more."""
        return self.state in ("Answered", "Failed")

    def start(self, queue: deque[ClientRequest] | None = None) -> None:
        """Locate the next hop, then send.

        Args:
            queue: The requests that leave one after the other, this one last; None for at once.

        Raises:
            UnexpectedInput: It was sent before.
        """
        if self.state != "Initial":
            raise UnexpectedInput("The request was sent before; make another one.")
        self.state = self._entered = "Waiting"
        self._queue = queue
        if queue is not None:
            queue.append(self)
            if queue[0] is not self:
                self._seeking = True
                return
        self._locate()

    def _leave_queue(self) -> None:
        """Let the next one go: this one was sent, or will not be."""
        queue, self._queue = self._queue, None
        if queue:
            first = queue[0] is self
            queue.remove(self)
            if first and queue:
                queue[0]._locate()

    @verb
    def cancel(self) -> None:
        """Cancel it: now, or once a provisional response allows it (RFC 3261 §9.1).

        What is not sent yet will not be. The final response, 487 as a rule, still comes; only an
        INVITE is changed by it. After the final response nothing happens.
        """
        if self.cancelled or self.finished:
            return
        self.cancelled = True
        if self._timer is not None:
            self.host.timers.cancel(self._timer)
            self.flow_failed("")
        elif self.provisional and not self._seeking:
            self._send_cancel()

    def settled(self, state: str) -> bool:
        """Whether the request is over in this state."""
        return state in ("Answered", "Failed")

    def _outcome(self) -> Response:
        if self.response is None:
            assert self.error is not None
            raise copy_of(self.error)
        return self.response

    # ---------------------------------------------------------------- sending

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
        if self.cancelled:
            self._fail(_cancelled())
            return
        try:
            request = self.user.build_request(self, flow)
            if request is None:
                self._seeking = True
                return
            for edit in self._edits:
                edit(request)
            for key, text, _ in request._fields:
                if key == "cseq":
                    self.number = int(text.split(None, 1)[0])
                    break
            if self.agent is not None and self.agent.digest is not None:
                if self.authorization is None:
                    from sipparty.sip.authorization import Authorization

                    self.authorization = Authorization(self.agent.digest)
                # By a flow that was there it goes to whoever is at its end, whatever host is named.
                host = "" if isinstance(self.endpoint, Flow) else self.next_hop.place.lower()
                self.authorization.add_to(request, flow, host, self.origin)
            # §18.1.1: what is large does not go by UDP if it can go otherwise.
            may_change = flow.transport == "UDP" and self.next_hop.transport is None
            most = self.MAX_UDP if may_change and not self._reliable else inf
            before = self.transaction
            sent_by = None if self.agent is None else self.agent.sent_by(flow)
            transactions = self.host.transactions
            transaction = transactions.request(request, flow, self, None, sent_by, most)
        except Exception as error:
            # Media that cannot be opened, a handler's own error: the call fails, not the stack.
            failure = CallFailed(f"The request could not be made: {error}")
            failure.__cause__ = error
            self._fail(failure)
            return
        if transaction is None:
            self._reliable = True
            self._locate()
            return
        if before is not None:
            before.user = NOBODY
        self.transaction = transaction
        self.attempts += 1
        self.request = request
        self.flow = flow
        self.provisional = ()
        self._alerted = self._over = False
        if self._queue is not None:
            self._leave_queue()

    def credentials_for(self, flow: Flow) -> list[Field]:
        """Return the credentials that the ACK for a 2xx takes by a flow."""
        return [] if self.authorization is None else self.authorization.for_ack(flow.remote[0])

    def flow_failed(self, reason: str) -> None:
        """Take note that the next hop could not be reached."""
        self._seeking = False
        failure, retry = self._failure, self._next_target()
        if retry is None and self._tried and isinstance(failure, Response):
            retry = later(self, failure)  # all servers have failed, and the last one asks for time
        if self.cancelled:
            self._fail(_cancelled())
        elif retry is not None:
            self._again(retry, failure)
        elif isinstance(failure, Response):
            self._answer(failure)
            self._end()
        else:
            self._fail(failure or CallUnreachable(reason, 503, "Service Unavailable"))

    def _send_cancel(self) -> None:
        invite, request = self.transaction, self.request
        if request is None or not isinstance(invite, InviteClientTransaction):
            return  # §9.1: any other request is answered too soon for a CANCEL to matter
        cancel = cancel_for(request, self.cancel_fields)
        self.host.transactions.request(cancel, invite.flow, NOBODY, invite.branch, invite.sent_by)
        invite.cancel()

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
            self._notify()

    def _fail(self, error: CallFailed) -> None:
        if self.finished:
            return
        self.state = "Failed"
        self.error = error
        if self._queue is not None:
            self._leave_queue()
        try:
            self.user.request_failed(self, error)
        finally:
            self._notify()
        self._end()

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
            if first and self.cancelled:
                self._send_cancel()
            self.user.response_received(self, response)
            return
        if self.state != "Waiting":
            self.user.response_received(self, response)
            return
        if status >= 300:
            try:
                retry = self.retry(response)
            except CallFailed as error:
                self._fail(error)
                return
            if retry is not None:
                self._again(retry, response)
                return
        if self.authorization is not None:
            self.unproven = self.authorization.check(response)
            # RFC 3261 §13.2.2.4: a 2xx to an INVITE is acknowledged whatever it is worth.
            if self.unproven and not isinstance(self.transaction, InviteClientTransaction):
                self._fail(self.unproven)
                return
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
        assert self.flow is not None
        self.host.target_failed(self.flow, self.agent, None)
        if self.cancelled or self.attempts >= self.MAX_ATTEMPTS:
            retry = None
        elif self.has_next_server(isinstance(error, CallUnreachable)):
            retry = Retry(next_server=True)
        else:
            retry = self._next_target()
        if retry is None:
            self._fail(error)
        else:
            self._again(retry, error)

    def _peer(self) -> str:
        return self.next_hop.host if self.flow is None else "{}:{}".format(*self.flow.remote)

    # ---------------------------------------------------------------- attempts

    def retry(self, response: Response) -> Retry | None:
        """Return how to try again after a final response; None where that is the outcome.

        Raises:
            CallFailed: The request has failed, and why.
        """
        status = response.status
        if status == 503 and self.flow is not None:
            self.host.target_failed(self.flow, self.agent, retry_after(response))
        if self.cancelled or self.attempts >= self.MAX_ATTEMPTS:
            return None
        policy = POLICIES.get(status)
        retry = None if policy is None else policy(self, response)
        # RFC 3261 §16.7: a 6xx is true wherever else one may ask.
        return self._next_target() if retry is None and status < 600 else retry

    def has_next_server(self, unreachable: bool = False) -> bool:
        """Whether another server of the next hop may have the request (RFC 3263 §4.3)."""
        if self._alerted or len(self._tried) + 1 >= self.MAX_TARGETS:
            return False
        if not self.next_hop.is_numeric:
            return True
        # RFC 3261 §18.1.1: what went by TCP for its size alone, goes by UDP after a reset.
        assert self.flow is not None
        return unreachable and self._reliable and self.flow.transport != "UDP"

    def add_targets(self, response: Response) -> None:
        """Take the targets that a redirection names; inside a dialog none is followed."""
        request, flow = self.request, self.flow
        assert request is not None
        assert flow is not None
        if self._redirects is None:
            most = self.redirects
            if most is None:
                most = 0 if self.agent is None else int(self.agent.follow_redirects)
            if self.origin is not Origin.PROGRAM or not most:
                return
            routed = request._text("route") is not None
            self._redirects = Redirects(request.uri_text, most, routed)
        timers, policy = self.host.timers, self.host.policy
        self._redirects.add(response, flow, timers.now, policy.named_targets)

    def _next_target(self) -> Retry | None:
        """Return how to go to the next target that a redirection has named."""
        return None if self._redirects is None else self._redirects.next(self.host.timers.now)

    def _again(self, retry: Retry, failure: Response | CallFailed | None) -> None:
        """Make the next attempt."""
        flow = self.flow
        assert flow is not None
        self._seeking = True
        self._failure = failure
        if retry.edit is not None:
            self._edits += (retry.edit,)
        if retry.next_server:
            self._tried += ((flow.transport, flow.remote[0], flow.remote[1]),)
        else:
            self.number = None
        if retry.target is not None:
            self.target = retry.target
            # A peer has named it, as one names a Contact in a call that we began.
            self.origin = Origin.OUR_CALL
            self._tried = ()
            self._reliable = False
            if retry.next_hop is not None:
                self.next_hop = retry.next_hop
                if isinstance(self.endpoint, Flow):
                    self.endpoint = None  # it leads to whoever has redirected us
            self.user.request_redirected(self)
        elsewhere = retry.next_server or retry.target is not None
        if elsewhere and self.authorization is not None:
            self.authorization.forget()
        if retry.seconds:
            self._tried = ()
            self._timer = self.host.timers.arm(retry.seconds, self, "again")
        elif elsewhere:
            self._locate()
        else:
            self.flow_found(flow)

    def _fire(self, input: str, /) -> None:
        """Make the attempt that had to wait."""
        self._timer = None
        self._locate()


def _cancelled() -> CallFailed:
    return CallFailed("The request was cancelled before it was sent.", 487)
