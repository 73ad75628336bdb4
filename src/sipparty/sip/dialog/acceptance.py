"""The 2xx to an INVITE, sent until it is acknowledged (RFC 3261 §13.3.1.4).

The server transaction does not send a 2xx again (RFC 6026 §7.1), since the ACK comes end to end: it
is the user agent that does, over every transport, because some hop behind it may be UDP.
"""

from __future__ import annotations

from typing import Protocol

from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.message import Request, Response
from sipparty.sip.transaction.server import ServerTransaction

__all__ = ["Acceptance", "AcceptanceUser"]


class AcceptanceUser(Protocol):
    """Who accepted an INVITE."""

    def acceptance_acknowledged(self, acceptance: Acceptance, ack: Request) -> None:
        """Take the first ACK."""

    def acceptance_abandoned(self, acceptance: Acceptance) -> None:
        """Take note that no ACK came in 64 * T1."""


class Acceptance(FSM):
    """One 2xx on its way to being acknowledged.

    Args:
        transaction: The INVITE's transaction.
        response: The 2xx.
        number: The INVITE's CSeq number, which its ACK shares.
        user: Who hears of the ACK.
        offered: Whether the 2xx carries an offer, so that the ACK has to bring the answer.
    """

    __slots__ = ("_data", "_interval", "number", "offered", "timing", "transaction", "user")

    table = (
        Row("Initial", "start", "Unacknowledged", "_start"),
        Row("Unacknowledged", "timer_again", "Unacknowledged", "_send_again"),
        Row("Unacknowledged", "ack", "Acknowledged", "_let_go", "_report"),
        Row("Unacknowledged", "timer_over", "Abandoned", "_let_go", "_report_abandoned"),
        Row("Unacknowledged", "stop", "Abandoned", "_let_go"),
        Row("Acknowledged", ("ack", "stop"), "Acknowledged"),
        Row("Abandoned", ("ack", "stop"), "Abandoned"),
    )
    timers = (
        Timer("timer_again", "interval", "Unacknowledged", repeat=True),
        Timer("timer_over", "patience", "Unacknowledged"),
    )
    final = ("Acknowledged", "Abandoned")

    def __init__(
        self,
        transaction: ServerTransaction,
        response: Response,
        number: int,
        user: AcceptanceUser,
        offered: bool,
    ) -> None:
        host = transaction.host
        super().__init__(scheduler=host.timers)
        self.timing = host.timing
        self.number = number
        self.user: AcceptanceUser | None = user
        self.offered = offered
        self._interval = host.timing.t1
        self.transaction = transaction
        transaction.respond(response)
        self._data = bytes(response)
        self.hit("start")

    @property
    def interval(self) -> float:
        """The time to the next retransmission: from T1, doubling to T2."""
        return self._interval

    @property
    def patience(self) -> float:
        """How long an ACK is waited for."""
        return self.timing.transaction

    def _start(self) -> None:
        self.transaction.host.held += len(self._data)
        self.transaction.share.held += len(self._data)

    def _send_again(self) -> None:
        self._interval = min(self._interval * 2, self.timing.t2)
        self.transaction.host.send(self._data, self.transaction.flow)

    def _let_go(self, *_: object) -> None:
        self.transaction.host.release(self.transaction.share, len(self._data))
        self._data = b""

    def _report(self, ack: Request) -> None:
        if self.user is not None:
            self.user.acceptance_acknowledged(self, ack)

    def _report_abandoned(self) -> None:
        if self.user is not None:
            self.user.acceptance_abandoned(self)
