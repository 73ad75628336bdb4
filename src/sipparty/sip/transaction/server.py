"""The server transactions of RFC 3261 §17.2, with the `Accepted` state of RFC 6026 §7.1.

Laws:

* A request that comes again is absorbed, and answered with the last response where there is one.
* An INVITE that its user has not answered in 200 ms is answered with 100 (§17.2.1).
* A final response other than 2xx to an INVITE is sent until it is acknowledged or timer H ends.
  A 2xx is sent again by the user (§13.3.1.4); the transaction stays to absorb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.refusal_size import refusal
from sipparty.sip.shares import Share
from sipparty.sip.transaction.user import ServerUser, TransactionHost
from sipparty.sip.transports import RELIABLE_TRANSPORTS

__all__ = [
    "InviteServerTransaction",
    "NonInviteServerTransaction",
    "ServerTransaction",
    "identity_of",
]


class ServerTransaction(FSM):
    """What the two kinds of server transaction share.

    Args:
        host: Where the transaction runs.
        key: What its request, sent again, is found by (§17.2.3).
        request: The request.
        flow: The way its responses go (§18.2.2).
        merge_key: What a copy by another path is known by (§8.2.2.2), or None.
        size: How long the request was, in bytes.
        share: That of the source that sent it.

    Attributes:
        held: The bytes that the transaction keeps: of its request until that is answered, of its
            last answer, of what the request is found by, and of itself.
        authenticated: The user who proved by Digest to have sent the request; None for nobody.
        complete: Called with a 2xx before it is sent, to add what its user does not know of; None
            for nothing.
    """

    __slots__ = (
        "_data",
        "_identity",
        "_request",
        "_size",
        "authenticated",
        "complete",
        "flow",
        "held",
        "host",
        "key",
        "merge_key",
        "share",
        "user",
    )

    #: The length in bytes from which on it is counted what a request is found by, once it is
    #: answered; of a shorter one that is not worth the time.
    LARGE: ClassVar[int] = 1024

    #: What a transaction takes besides, in bytes, and what it does while it keeps its request: an
    #: object for each part of it.
    WEIGHT: ClassVar[int] = 1024
    WEIGHT_UNANSWERED: ClassVar[int] = 3072

    #: The input that each class of response is (§17.2).
    INPUTS: ClassVar = (
        "",
        "send_provisional",
        "send_success",
        "send_failure",
        "send_failure",
        "send_failure",
        "send_failure",
    )

    table: ClassVar[tuple[Row, ...]] = ()

    def __init__(
        self,
        host: TransactionHost,
        key: object,
        request: Request,
        flow: Flow,
        merge_key: object = None,
        size: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(scheduler=host.timers)
        self.host = host
        self.key = key
        self.merge_key = merge_key
        self._request: Request | None = request
        #: What tells the request from others, once it is not kept.
        self._identity = 0
        self.flow = flow
        self.user: ServerUser | None = None
        self.authenticated: str | None = None
        self.complete: Callable[[Response], None] | None = None
        self._data = b""
        self.share = share = share or Share(("", False))
        self.held = self._size = size = size + self.WEIGHT_UNANSWERED
        host.held += size
        share.held += size

    def respond_once(self, response: Response) -> None:
        """Send a final response and be over, as if there were no transaction: the request, sent
        again, is a new one, and an ACK is nobody's (§8.2.7, §26.3.2.4). By datagrams it is small,
        or is not sent at all: see `refusal_size`.
        """
        self.hit("send_once", response)

    def respond(self, response: Response) -> None:
        """Send a response.

        Raises:
            UnexpectedInput: A final response was sent before, or none can be any more.
        """
        status = response.status
        if self.complete is not None and 200 <= status < 300:
            self.complete(response)
        self.hit(self.INPUTS[status // 100], response)
        if status >= 200 and self._request is not None:
            # The transaction lingers; what it was about need not.
            self._identity = identity_of(self._request)
            self._request = None
            large = self._size > self.LARGE + self.WEIGHT_UNANSWERED
            self._size = self.WEIGHT
            if large:
                self._size += _length(self.key) + _length(self.merge_key)
        self._hold(self._size + len(self._data))

    @property
    def request(self) -> Request:
        """The request.

        Raises:
            UsageError: It has its final response, and is no longer kept.
        """
        if self._request is None:
            raise UsageError(f"The request of {self.name} is answered, and no longer kept.")
        return self._request

    def is_of(self, request: Request) -> bool:
        """Whether a message with the branch of this request is about it: sent again, its ACK or its
        CANCEL; and not another request that uses the branch once more (§8.1.1.7).
        """
        own = self._request
        return (self._identity if own is None else identity_of(own)) == identity_of(request)

    def is_from(self, request: Request) -> bool:
        """Whether a message has the From tag of this request; True once that is not kept."""
        own = self._request
        return own is None or own.facts.from_tag == request.facts.from_tag

    def wait(self) -> None:
        """Let the user take its time, if it has not answered at once."""
        if self.state == "Initial":
            self.hit("wait")

    def break_transport(self, reason: str) -> None:
        """Take note that the transport failed (§17.2.4); timers end what nobody can answer."""
        self.hear("transport_failed", reason)

    # ---------------------------------------------------------------- delays

    @property
    def patience(self) -> float:
        """Timers H and L."""
        return self.host.timing.transaction

    # ---------------------------------------------------------------- actions

    def _hold(self, size: int) -> None:
        self.host.held += size - self.held
        self.share.held += size - self.held
        self.held = size

    def _send(self, response: Response) -> None:
        self._data = bytes(response)
        self.host.send(self._data, self.flow)

    def _send_small(self, response: Response) -> None:
        size = self._size - self.WEIGHT_UNANSWERED
        data = refusal(response, size, self.flow.transport)
        if data:
            self.host.send(data, self.flow)

    def _send_again(self, *_: object) -> None:
        self.host.send(self._data, self.flow)

    def on_enter_Terminated(self) -> None:
        """Leave the place where requests are matched."""
        self._size, self._data = 0, b""
        self._hold(0)
        self.host.forget(self.key, self)
        self._request = self.user = None


def identity_of(request: Request) -> int:
    """Return what two requests with one branch are told apart by: a hash of Call-ID and sequence
    number.
    """
    facts = request.facts
    return hash((facts.call_id, facts.number))


def _length(key: object) -> int:
    """Return how long the texts of a key are."""
    return sum(len(text) for text in key if isinstance(text, str)) if isinstance(key, tuple) else 0


class InviteServerTransaction(ServerTransaction):
    """An INVITE to answer (RFC 3261 §17.2.1, RFC 6026 §7.1).

    The RFC's *Proceeding* before any response was sent is two states here. In `Initial` the user
    is being told of the request, and what it answers at once needs no timer; in `Unanswered` it
    takes its time, and the state owns the timer that sends the 100.
    """

    __slots__ = ("_interval",)

    table = (
        Row("Initial", "wait", "Unanswered"),
        Row("Initial", "send_once", "Terminated", "_send_small"),
        Row("Unanswered", "timer_trying", "Proceeding", "_send_trying"),
        Row("Unanswered", "request", "Unanswered"),
        Row("Proceeding", "request", "Proceeding", "_send_again"),
        Row(("Initial", "Unanswered", "Proceeding"), "send_provisional", "Proceeding", "_send"),
        Row(("Initial", "Unanswered", "Proceeding"), "send_success", "Accepted", "_send_success"),
        Row(("Initial", "Unanswered", "Proceeding"), "send_failure", "Completed", "_send"),
        Row(("Initial", "Unanswered", "Proceeding"), "cancel", "Proceeding", "_report_cancel"),
        Row(("Initial", "Unanswered", "Proceeding"), "transport_failed", "Proceeding"),
        Row("Completed", "request", "Completed", "_send_again"),
        Row("Completed", "timer_G", "Completed", "_send_later"),
        Row("Completed", "ack", "Confirmed", "_report_ack"),
        Row("Completed", "timer_H", "Terminated", "_report_no_ack"),
        Row("Completed", "cancel", "Completed"),
        Row("Completed", "transport_failed", "Completed"),
        Row("Confirmed", ("request", "ack", "cancel", "transport_failed"), "Confirmed"),
        Row("Confirmed", "timer_I", "Terminated"),
        # RFC 6026 §7.1: absorb the request, let the user send the 2xx again and have the ACKs.
        Row("Accepted", ("request", "cancel", "transport_failed"), "Accepted"),
        Row("Accepted", "send_success", "Accepted", "_send_success"),
        Row("Accepted", "ack", "Accepted", "_report_ack"),
        Row("Accepted", "timer_L", "Terminated"),
    )
    timers = (
        Timer("timer_trying", "trying", "Unanswered"),
        Timer("timer_G", "retransmission", "Completed", repeat=True),
        Timer("timer_H", "patience", "Completed"),
        Timer("timer_I", "linger", "Confirmed"),
        Timer("timer_L", "patience", "Accepted"),
    )
    final = ("Terminated",)

    def __init__(
        self,
        host: TransactionHost,
        key: object,
        request: Request,
        flow: Flow,
        merge_key: object = None,
        size: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(host, key, request, flow, merge_key, size, share)
        self._interval = host.timing.t1

    def receive(self, request: Request) -> None:
        """Take the request again, or its ACK."""
        self.hear("ack" if request.method == "ACK" else "request", request)

    def cancel(self, cancel: Request) -> None:
        """Take a CANCEL for this INVITE (§9.2); after a final response it changes nothing."""
        self.hear("cancel", cancel)

    @property
    def trying(self) -> float:
        """How long the user may take before 100 is sent for it."""
        return self.host.timing.trying

    @property
    def retransmission(self) -> float | None:
        """Timer G: only where the transport may lose a message."""
        return None if self.flow.transport in RELIABLE_TRANSPORTS else self._interval

    @property
    def linger(self) -> float:
        """Timer I: how long ACKs that come again are absorbed."""
        return 0.0 if self.flow.transport in RELIABLE_TRANSPORTS else self.host.timing.t4

    def _send_trying(self) -> None:
        response = self.request.response(100)
        # §8.2.6.1: it tells the caller how long the way took.
        for line in self.request._fields:
            if line[0] == "timestamp":
                response._fields.append(line)
        self._send(response)

    def _send_success(self, response: Response) -> None:
        self._data = b""  # what was sent before it is not sent again
        self.host.send(bytes(response), self.flow)

    def _send_later(self) -> None:
        self._interval = min(self._interval * 2, self.host.timing.t2)
        self._send_again()

    def _report_cancel(self, cancel: Request) -> None:
        if self.user is not None:
            self.user.cancelled(cancel)

    def _report_ack(self, ack: Request) -> None:
        if self.user is not None:
            self.user.acknowledged(ack)

    def _report_no_ack(self) -> None:
        if self.user is not None:
            self.user.acknowledged(None)


class NonInviteServerTransaction(ServerTransaction):
    """Any other request to answer (RFC 3261 §17.2.2).

    In `Initial` the user is being told of the request; in `Trying` it takes its time.
    """

    __slots__ = ()

    table = (
        Row("Initial", "wait", "Trying"),
        Row("Initial", "send_once", "Terminated", "_send_small"),
        Row("Trying", "request", "Trying"),
        Row(("Initial", "Trying", "Proceeding"), "send_provisional", "Proceeding", "_send"),
        Row("Proceeding", "request", "Proceeding", "_send_again"),
        Row(
            ("Initial", "Trying", "Proceeding"),
            ("send_success", "send_failure"),
            "Completed",
            "_send",
        ),
        Row(("Trying", "Proceeding"), "timer_abandoned", "Terminated"),
        # §18.2.2: the answer goes by a new connection where the request's is gone.
        Row("Trying", "transport_failed", "Trying"),
        Row("Proceeding", "transport_failed", "Proceeding"),
        Row("Completed", "request", "Completed", "_send_again"),
        Row("Completed", "transport_failed", "Terminated"),
        Row("Completed", "timer_J", "Terminated"),
    )
    timers = (
        # RFC 4320 §4.2: an answer after 64 * T1 is of no use; nothing waits for one for ever.
        Timer("timer_abandoned", "patience", "Trying", "Proceeding"),
        Timer("timer_J", "linger", "Completed"),
    )
    final = ("Terminated",)

    def receive(self, request: Request) -> None:
        """Take the request again."""
        self.hear("request", request)

    @property
    def linger(self) -> float:
        """Timer J: how long the request is answered again."""
        if self.flow.transport in RELIABLE_TRANSPORTS:
            return 0.0
        return self.host.timing.transaction
