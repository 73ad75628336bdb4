"""The server transactions of RFC 3261 §17.2, with the `Accepted` state of RFC 6026 §7.1.

Laws:

* A request that comes again is absorbed, and answered with the last response where there is one.
* An INVITE that its user has not answered in 200 ms is answered with 100 (§17.2.1).
* A final response other than 2xx to an INVITE is sent until it is acknowledged or timer H ends.
* A 2xx to an INVITE is acknowledged end to end, so it is the user agent that has to send it until
  then, by any transport (§13.3.1.4). It has the transaction do so (`repeat`); a proxy, which sends
  each 2xx as it comes, has not.
* What all responses to a request have in common is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.fields import Field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import check_line
from sipparty.sip.message import Request, Response
from sipparty.sip.refusal_size import refusal
from sipparty.sip.shares import Share
from sipparty.sip.status import reason_phrase
from sipparty.sip.transaction.user import ServerUser

if TYPE_CHECKING:
    from sipparty.sip.transaction.layer import TransactionLayer

__all__ = ["InviteServerTransaction", "NonInviteServerTransaction", "ServerTransaction"]

#: What each response takes over from its request, but for To (§8.2.6.2).
_HEAD = frozenset({"via", "from", "call-id", "cseq"})
#: The requests that make dialogs: their answers take over Record-Route too (§12.1.1, RFC 6665
#: §4.2.1.1).
_MAKE_DIALOGS = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


class ServerTransaction(FSM):
    """What the two kinds of server transaction share.

    Args:
        host: Where the transaction runs.
        key: What its request, sent again, is found by (§17.2.3).
        request: The request.
        flow: The flow its responses go by (§18.2.2).
        size: How long the request was, in bytes.
        share: That of the source that sent it.

    Attributes:
        user: Who is given its ACK or CANCEL; None for nobody.
        extra: What goes into each 2xx besides: fields, or functions that make one of its body.
        request: The request. To ask for it raises `UsageError` once it has its final response, as
            it is no longer kept.
        answered: Whether it has.
        identity: What distinguishes the request from others that use its branch once more
            (§8.1.1.7): a hash of Call-ID and sequence number.
        index: A dictionary and the key under which the transaction is in it, to be taken out when
            it is over; None for none.
        held: The bytes that the transaction keeps: of its request until that is answered, of its
            last answer, of what the request is found by, and of itself.
        authenticated: The user who proved by Digest to have sent the request; None for nobody.
    """

    __slots__ = (
        "_data",
        "_head",
        "_request",
        "_routes",
        "_size",
        "_tag",
        "answered",
        "authenticated",
        "extra",
        "flow",
        "held",
        "host",
        "identity",
        "index",
        "interval",
        "key",
        "linger",
        "patience",
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
    INPUTS: ClassVar = ("", "send_provisional", "send_success", *("send_failure",) * 4)
    #: Whether the request waits for an ACK.
    IS_INVITE: ClassVar[bool]

    #: While it is found out who sent the request, its copies are absorbed; then it is as new, so
    #: that it can still be refused once and without state.
    deferral: ClassVar[tuple[Row, ...]] = (
        Row("Initial", "defer", "Deferred"),
        Row("Deferred", "resume", "Initial"),
        Row("Deferred", ("request", "transport_failed"), "Deferred"),
        Row("Deferred", "timer_abandoned", "Terminated"),
    )
    table: ClassVar[tuple[Row, ...]] = ()

    def __init__(
        self,
        host: TransactionLayer,
        key: object,
        request: Request,
        flow: Flow,
        size: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(scheduler=host.timers)
        timing = host.timing
        self.host = host
        self.key = key
        self.flow = flow
        self.user: ServerUser | None = None
        self._tag = ""
        self.extra: tuple[Field | Callable[[bytes], Field], ...] = ()
        self.index: tuple[dict[Any, Any], object] | None = None
        self.authenticated: str | None = None
        facts = request._facts or request.facts
        self.identity = hash((facts.call_id, facts.number))
        self._request: Request | None = request
        self.answered = False
        self._head = self._routes = ""
        self._data = b""
        #: Timers H, J and L.
        self.patience = host.patience
        #: How soon a final answer to an INVITE is sent again.
        self.interval = timing.t1
        #: Timer I: how long ACKs that come again are absorbed; timer J: how long the request is
        #: answered again.
        self.linger = timing.t4 if self.IS_INVITE else self.patience
        if flow.reliable:
            self.linger = 0.0
        self.share = share = share or Share(("", False))
        self.held = self._size = size = size + self.WEIGHT_UNANSWERED
        host.held += size
        share.held += size

    @property
    def request(self) -> Request:
        """The request.

        Raises:
            UsageError: It has its final response, and is no longer kept.
        """
        if self._request is None:
            raise UsageError(f"The request of {self.name} is answered, and no longer kept.")
        return self._request

    @property
    def tag(self) -> str:
        """The tag of To in its responses, where the request has none there; made when it is asked
        for first, unless it was set before.
        """
        if not self._tag:
            self._tag = self.host.tokens.tag()
        return self._tag

    @tag.setter
    def tag(self, tag: str) -> None:
        self._tag = tag

    # ---------------------------------------------------------------- answers

    def answer(
        self,
        status: int,
        reason: str | None = None,
        fields: Iterable[Field] = (),
        body: bytes = b"",
        *,
        repeat: bool = False,
    ) -> None:
        """Build a response and send it.

        Args:
            status: From 101 to 699.
            reason: The reason phrase; the registered one by default.
            fields: What it has besides Via, From, To with the `tag`, Call-ID, CSeq and, where it
                makes a dialog, Record-Route.
            body: The body.
            repeat: Whether a 2xx to an INVITE is sent until it is acknowledged (§13.3.1.4).

        Raises:
            UnexpectedInput: A final response was sent before, or none can be any more.
            BuildError: The reason phrase holds a line break.
        """
        if self.answered:
            raise self._unexpected(self.INPUTS[status // 100])
        head = self._head or self._write_head(self.request)
        if status < 300:
            head += self._routes
        for _, _, line in fields:
            head += f"{line}\r\n"
        if self.extra and 200 <= status < 300:
            for one in self.extra:
                head += f"{(one(body) if callable(one) else one)[2]}\r\n"
        phrase = check_line(reason, "reason phrase") if reason else reason_phrase(status)
        text = f"SIP/2.0 {status} {phrase}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        data = text.encode("utf-8", "surrogateescape")
        repeated = repeat and 200 <= status < 300
        kind = "send_repeated" if repeated else self.INPUTS[status // 100]
        self.hit(kind, data + body if body else data)

    def respond(self, response: Response) -> None:
        """Send a response that the user has built; see `answer`."""
        status = response._status
        if self.extra and 200 <= status < 300:
            for one in self.extra:
                response._fields.append(one(response._body) if callable(one) else one)
            response._index = response._data = None
        self.hit(self.INPUTS[status // 100], bytes(response))

    def respond_once(self, response: Response) -> None:
        """Send a final response and be over, as if there were no transaction: the request, sent
        again, is a new one, and an ACK is nobody's (§8.2.7, §26.3.2.4). By datagrams it is small,
        or is not sent at all: see `refusal_size`.
        """
        self.hit("send_once", response)

    def release(self) -> None:
        """Be over without an answer, as if there were no transaction: for who forwards the request
        and keeps no state (§16.11).
        """
        self.hit("release")

    def _write_head(self, request: Request) -> str:
        """Write what all responses have in common, and what those that make a dialog have."""
        head = routes = ""
        for key, _, line in request._fields:
            if key in _HEAD:
                head += f"{line}\r\n"
            elif key == "to":
                if request.facts.to_tag is None:
                    line = f"{line};tag={self._tag or self.tag}"
                head += f"{line}\r\n"
            elif key == "record-route":
                routes += f"{line}\r\n"
        self._head = head
        if routes and request._method in _MAKE_DIALOGS:
            self._routes = routes
        return head

    # ---------------------------------------------------------------- what comes

    def receive(self, request: Request) -> None:
        """Take the request again."""
        self.hear("request")

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Take note that the transport failed (§17.2.4); timers end what nobody can answer."""
        self.hear("transport_failed")

    # ---------------------------------------------------------------- actions

    def _send(self, data: bytes) -> None:
        self.host.transmit((data, self.flow))
        self._keep(data)

    def _send_final(self, data: bytes) -> None:
        self.host.transmit((data, self.flow))
        # The transaction lingers; what it was about need not.
        large = self._size > self.LARGE + self.WEIGHT_UNANSWERED
        self._size = self.WEIGHT + (_length(self.key) if large else 0)
        self.answered = True
        self._request = None
        self._head = self._routes = ""
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Keep what was sent last, and count what is kept."""
        self._data = data
        change = self._size + len(data) - self.held
        self.held += change
        self.host.held += change
        self.share.held += change

    def _send_small(self, response: Response) -> None:
        size = self._size - self.WEIGHT_UNANSWERED
        data = refusal(response, size, self.flow.transport)
        if data:
            self.host.transmit((data, self.flow))

    def _send_again(self) -> None:
        if self._data:  # else nothing was sent: it was cancelled first, and is not answered yet
            self.host.transmit((self._data, self.flow))

    def _drop_data(self, *_: object) -> None:
        self._keep(b"")

    def on_enter_Terminated(self) -> None:
        """Leave the places where the transaction is found."""
        self._size = 0
        self._keep(b"")
        if self.index is not None:
            found, key = self.index
            if found.get(key) is self:
                del found[key]
        self.host.forget(self.key, self)
        self.user = None
        if not self.answered:
            self.answered = True
            self._request = None


def _length(key: object) -> int:
    """Return how long the texts of a key are."""
    return sum(len(text) for text in key if isinstance(text, str)) if isinstance(key, tuple) else 0


_UNANSWERED = ("Initial", "Unanswered", "Proceeding")


class InviteServerTransaction(ServerTransaction):
    """An INVITE to answer (RFC 3261 §17.2.1, RFC 6026 §7.1).

    The RFC's *Proceeding* before any response was sent is two states here. In `Initial` the user
    is given the request, and what it answers at once needs no timer; in `Unanswered` it takes its
    time, and the state owns the timer that sends the 100. Its *Accepted* is two as well:
    in `Unacknowledged` the transaction sends the 2xx until the ACK comes, which the user passes on.
    """

    __slots__ = ()

    IS_INVITE = True

    table = (
        *ServerTransaction.deferral,
        Row("Initial", "wait", "Unanswered"),
        Row("Initial", "send_once", "Terminated", "_send_small"),
        Row("Initial", "release", "Terminated"),
        Row("Deferred", "timer_trying", "DeferredProceeding", "_send_trying"),
        Row("Deferred", "cancel", "Deferred", "_report_cancel"),
        # Who has had a 100 sends the request no more, so that a refusal has to be reliable.
        Row("DeferredProceeding", "request", "DeferredProceeding", "_send_again"),
        Row("DeferredProceeding", "cancel", "DeferredProceeding", "_report_cancel"),
        Row("DeferredProceeding", "transport_failed", "DeferredProceeding"),
        Row("DeferredProceeding", "timer_abandoned", "Terminated"),
        Row("DeferredProceeding", "resume", "Proceeding"),
        Row("Unanswered", "timer_trying", "Proceeding", "_send_trying"),
        Row("Unanswered", "request", "Unanswered"),
        Row("Proceeding", "request", "Proceeding", "_send_again"),
        Row(_UNANSWERED, "send_provisional", "Proceeding", "_send"),
        Row(_UNANSWERED, "send_success", "Accepted", "_send_final", "_drop_data"),
        Row(_UNANSWERED, "send_repeated", "Unacknowledged", "_send_final"),
        Row(_UNANSWERED, "send_failure", "Completed", "_send_final"),
        Row(_UNANSWERED, "cancel", "Proceeding", "_report_cancel"),
        Row("Initial", "transport_failed", "Initial"),
        Row("Unanswered", "transport_failed", "Unanswered"),
        Row("Proceeding", "transport_failed", "Proceeding"),
        Row("Completed", "request", "Completed", "_send_again"),
        Row("Completed", "timer_G", "Completed", "_send_later"),
        Row("Completed", "ack", "Confirmed", "_report_ack"),
        Row("Completed", "timer_H", "Terminated", "_report_no_ack"),
        Row("Completed", ("cancel", "transport_failed"), "Completed"),
        Row("Confirmed", ("request", "ack", "cancel", "transport_failed"), "Confirmed"),
        Row("Confirmed", "timer_I", "Terminated"),
        # §13.3.1.4: T1, doubling to T2, for 64 * T1.
        Row("Unacknowledged", "timer_again", "Unacknowledged", "_send_later"),
        Row("Unacknowledged", "ack", "Accepted", "_drop_data", "_report_ack"),
        Row("Unacknowledged", "stop", "Accepted", "_drop_data"),
        Row("Unacknowledged", "timer_L", "Terminated", "_report_no_ack"),
        Row("Unacknowledged", ("request", "cancel", "transport_failed"), "Unacknowledged"),
        # RFC 6026 §7.1: absorb the request, let the user send the 2xx again and have the ACKs.
        Row("Accepted", ("request", "cancel", "stop", "transport_failed"), "Accepted"),
        Row("Accepted", "send_success", "Accepted", "_send_once_more"),
        Row("Accepted", "ack", "Accepted", "_report_ack"),
        Row("Accepted", "timer_L", "Terminated"),
    )
    timers = (
        Timer("timer_abandoned", "patience", "Deferred", "DeferredProceeding"),
        Timer("timer_trying", "trying", "Deferred", "Unanswered"),
        Timer("timer_G", "retransmission", "Completed", repeat=True),
        Timer("timer_H", "patience", "Completed"),
        Timer("timer_I", "linger", "Confirmed"),
        Timer("timer_again", "interval", "Unacknowledged", repeat=True),
        Timer("timer_L", "patience", "Unacknowledged", "Accepted"),
    )
    final = ("Terminated",)

    def receive(self, request: Request) -> None:
        """Take the request again, or its ACK."""
        if request._method == "ACK":
            self.hear("ack", request)
        else:
            self.hear("request")

    def cancel(self, cancel: Request) -> None:
        """Take a CANCEL for this INVITE (§9.2); after a final response it changes nothing."""
        self.hear("cancel", cancel)

    def stop(self) -> None:
        """Send the 2xx no more: its ACK is not waited for any longer."""
        self.hear("stop")

    @property
    def trying(self) -> float:
        """How long the user may take before 100 is sent for it."""
        return self.host.timing.trying

    @property
    def retransmission(self) -> float | None:
        """Timer G: only where the transport may lose a message."""
        return None if self.flow.reliable else self.interval

    def _send_trying(self) -> None:
        self._send(bytes(self.request.response(100)))

    def _send_later(self) -> None:
        self.interval = min(self.interval * 2, self.host.timing.t2)
        self.host.transmit_again(self._data, self.flow)

    def _send_once_more(self, data: bytes) -> None:
        self.host.transmit((data, self.flow))

    def _report_cancel(self, cancel: Request) -> None:
        if self.user is not None:
            self.user.cancelled(cancel)

    def _report_ack(self, ack: Request) -> None:
        if self.user is not None:
            self.user.acknowledged(ack)

    def _report_no_ack(self) -> None:
        if self.user is not None:
            self.user.unacknowledged()


class NonInviteServerTransaction(ServerTransaction):
    """Any other request to answer (RFC 3261 §17.2.2).

    In `Initial` the user is given the request; in `Trying` it takes its time.
    """

    __slots__ = ()

    IS_INVITE = False

    table = (
        *ServerTransaction.deferral,
        Row("Initial", "wait", "Trying"),
        Row("Initial", "send_once", "Terminated", "_send_small"),
        Row("Initial", "release", "Terminated"),
        Row("Trying", "request", "Trying"),
        Row(("Initial", "Trying", "Proceeding"), "send_provisional", "Proceeding", "_send"),
        Row("Proceeding", "request", "Proceeding", "_send_again"),
        Row(
            ("Initial", "Trying", "Proceeding"),
            ("send_success", "send_failure"),
            "Completed",
            "_send_final",
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
        Timer("timer_abandoned", "patience", "Deferred", "Trying", "Proceeding"),
        Timer("timer_J", "linger", "Completed"),
    )
    final = ("Terminated",)
