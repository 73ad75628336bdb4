"""The client transactions of RFC 3261 §17.1, with the `Accepted` state of RFC 6026 §7.2.

Laws:

* A request goes out when the transaction starts and again on timers A and E, over transports that
  may lose it.
* Its user is given every provisional response, the first final one, and every 2xx to an INVITE;
  then that it timed out or that the transport failed, whichever comes first.
* A final response to an INVITE other than 2xx is acknowledged here, each time it comes; a 2xx is
  acknowledged by the user (§13.2.2.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from sipparty.errors import UsageError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.transaction.user import ClientUser

if TYPE_CHECKING:
    from sipparty.sip.transaction.layer import TransactionLayer

__all__ = [
    "ClientTransaction",
    "InviteClientTransaction",
    "NonInviteClientTransaction",
    "ack_for_failure",
    "cancel_for",
]


class ClientTransaction(FSM):
    """What the two kinds of client transaction share.

    Args:
        host: Where the transaction runs.
        key: What its responses are found by (§17.1.3): branch and method.
        request: The request, its top Via in place.
        flow: The flow it goes by.
        user: Who is given its responses.
        sent_by: What its Via says before the parameters; its responses say the same (§18.1.2).
        forwarded: Whether the request has other Vias beside ours; its responses have them then, and
            no others have any (§8.1.3.3).

    Attributes:
        branch: The branch of its Via, which a CANCEL for it shares (§9.1).
    """

    __slots__ = (
        "_data",
        "_request",
        "branch",
        "flow",
        "forwarded",
        "host",
        "key",
        "patience",
        "retransmission",
        "sent_by",
        "user",
    )

    #: The input that each class of response is (§17.1), whose argument is the response.
    INPUTS: ClassVar = ("", "provisional", "success", *("failure",) * 4)

    table: ClassVar[tuple[Row, ...]] = ()

    def __init__(
        self,
        host: TransactionLayer,
        key: tuple[str, str],
        request: Request,
        flow: Flow,
        user: ClientUser,
        sent_by: str = "",
        forwarded: bool = False,
    ) -> None:
        super().__init__(scheduler=host.timers)
        self.sent_by = sent_by
        self.forwarded = forwarded
        self.host = host
        self.key = key
        self._request: Request | None = request
        self.flow = flow
        self.user = user
        self.branch = key[0]
        self._data = request._data or bytes(request)
        #: Timers A and E: only where the transport may lose a message.
        self.retransmission = None if flow.reliable else host.timing.t1
        #: Timers B, F and M, and the time that a cancelled INVITE is given.
        self.patience = host.patience

    @property
    def request(self) -> Request:
        """The request.

        Raises:
            UsageError: It has its final response, and is no longer kept.
        """
        if self._request is None:
            raise UsageError(f"The request of {self.name} is answered, and no longer kept.")
        return self._request

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Take note that the transport failed (§17.1.4)."""
        self.hear("transport_failed", reason)

    # ---------------------------------------------------------------- actions

    def _send(self) -> None:
        self.host.transmit((self._data, self.flow))

    def _report(self, response: Response) -> None:
        self.user.response_received(response)
        if response._status >= 200:
            # The transaction lingers; what it sent need not.
            self._data = b""
            self._request = None

    def _report_timeout(self) -> None:
        self.user.transaction_timed_out()

    def _report_broken(self, reason: str) -> None:
        self.user.transaction_broken(reason)

    def on_enter_Terminated(self) -> None:
        """Leave the place where responses are matched."""
        self.host.forget(self.key, self)
        self.user.transaction_over()


class InviteClientTransaction(ClientTransaction):
    """An INVITE of ours (RFC 3261 §17.1.1, RFC 6026 §7.2)."""

    __slots__ = ("_ack",)

    table = (
        Row("Initial", "start", "Calling", "_send"),
        Row("Calling", "timer_A", "Calling", "_send_again"),
        Row("Calling", "timer_B", "Terminated", "_report_timeout"),
        Row(("Calling", "Proceeding"), "provisional", "Proceeding", "_report"),
        Row(("Calling", "Proceeding"), "success", "Accepted", "_report"),
        Row(("Calling", "Proceeding"), "failure", "Completed", "_acknowledge", "_report"),
        Row("Calling", "transport_failed", "Terminated", "_report_broken"),
        # §17.1.4 is about sending; once a response came nothing is sent, and an answer may come.
        Row("Proceeding", "transport_failed", "Proceeding"),
        # §9.1: an INVITE that was cancelled, and is not answered for 64 * T1, is over.
        Row("Proceeding", "cancelled", "Cancelled"),
        Row("Cancelled", "provisional", "Cancelled", "_report"),
        Row("Cancelled", "success", "Accepted", "_report"),
        Row("Cancelled", "failure", "Completed", "_acknowledge", "_report"),
        Row("Cancelled", "timer_cancel", "Terminated", "_report_timeout"),
        Row("Cancelled", "transport_failed", "Cancelled"),
        Row("Completed", "failure", "Completed", "_acknowledge_again"),
        Row("Completed", ("provisional", "success"), "Completed"),
        Row("Completed", "timer_D", "Terminated"),
        Row("Completed", "transport_failed", "Terminated"),
        # RFC 6026 §7.2: a 2xx that comes again is for the user, who acknowledges it again.
        Row("Accepted", "success", "Accepted", "_report"),
        Row("Accepted", ("provisional", "failure", "transport_failed"), "Accepted"),
        Row("Accepted", "timer_M", "Terminated"),
    )
    timers = (
        Timer("timer_A", "retransmission", "Calling", repeat=True),
        Timer("timer_B", "patience", "Calling"),
        Timer("timer_cancel", "patience", "Cancelled"),
        Timer("timer_D", "linger", "Completed"),
        Timer("timer_M", "patience", "Accepted"),
    )
    final = ("Terminated",)

    @property
    def linger(self) -> float:
        """Timer D: how long answers that come again are acknowledged (§17.1.1.2)."""
        return 0.0 if self.flow.reliable else self.host.timing.timer_d

    def cancel(self) -> None:
        """Take note that a CANCEL was sent for it, after which it need not wait for ever (§9.1)."""
        self.hear("cancelled")

    def _send_again(self) -> None:
        self.retransmission = 2 * (self.retransmission or 0)
        self.host.transmit_again(self._data, self.flow)

    def _acknowledge(self, response: Response) -> None:
        self._ack = bytes(ack_for_failure(self.request, response))
        self._acknowledge_again(response)

    def _acknowledge_again(self, response: Response) -> None:
        self.host.transmit((self._ack, self.flow))


class NonInviteClientTransaction(ClientTransaction):
    """Any other request of ours (RFC 3261 §17.1.2)."""

    __slots__ = ()

    table = (
        Row("Initial", "start", "Trying", "_send"),
        Row("Trying", "timer_E", "Trying", "_send_again"),
        Row("Proceeding", "timer_E", "Proceeding", "_send_at_t2"),
        Row(("Trying", "Proceeding"), "timer_F", "Terminated", "_report_timeout"),
        Row(("Trying", "Proceeding"), "transport_failed", "Terminated", "_report_broken"),
        Row(("Trying", "Proceeding"), "provisional", "Proceeding", "_report"),
        Row(("Trying", "Proceeding"), ("success", "failure"), "Completed", "_report"),
        Row(
            "Completed",
            ("provisional", "success", "failure", "transport_failed"),
            "Completed",
        ),
        Row("Completed", "timer_K", "Terminated"),
    )
    timers = (
        Timer("timer_E", "retransmission", "Trying", "Proceeding", repeat=True),
        Timer("timer_F", "patience", "Trying", "Proceeding"),
        Timer("timer_K", "linger", "Completed"),
    )
    final = ("Terminated",)

    @property
    def linger(self) -> float:
        """Timer K: how long answers that come again are absorbed (§17.1.2.2)."""
        return 0.0 if self.flow.reliable else self.host.timing.t4

    def _send_again(self) -> None:
        self.retransmission = min(2 * (self.retransmission or 0), self.host.timing.t2)
        self.host.transmit_again(self._data, self.flow)

    def _send_at_t2(self) -> None:
        self.retransmission = self.host.timing.t2
        self.host.transmit_again(self._data, self.flow)


#: What an ACK for a failure takes over from its INVITE (RFC 3261 §17.1.1.3).
_FROM_INVITE = ("from", "call-id", "max-forwards", "route", "authorization", "proxy-authorization")


def ack_for_failure(invite: Request, response: Response) -> Request:
    """Make the ACK that a client transaction answers a 3xx to 6xx with (RFC 3261 §17.1.1.3).

    The top Via alone, the same branch, the To of the response (with its tag).
    """
    fields: list[Field] = []
    for line in invite._fields:
        key = line[0]
        if key == "via":
            if not fields:
                fields.append(line)
        elif key in _FROM_INVITE:
            fields.append(line)
    fields += [line for line in response._fields if line[0] == "to"][:1]
    fields.append(field("CSeq", f"{invite.facts.number} ACK"))
    return Request.of("ACK", invite.uri_text, fields)


def cancel_for(invite: Request, extra: Sequence[Field] = ()) -> Request:
    """Make the CANCEL for an INVITE (RFC 3261 §9.1), without its Via and with further headers."""
    fields: list[Field] = [
        line
        for line in invite._fields
        if line[0] in ("from", "to", "call-id", "max-forwards", "route")
    ]
    number = (invite._text("cseq") or "0").split(None, 1)[0]
    fields += (field("CSeq", f"{number} CANCEL"), *extra)
    return Request.of("CANCEL", invite.uri_text, fields)
