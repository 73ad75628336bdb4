"""Reliable provisional responses (RFC 3262): ours to an INVITE of theirs, each sent until its PRACK
comes; and theirs, each acknowledged by a PRACK.

Laws:

* RSeq counts them in each early dialog by itself. One that comes again, or out of order, is not
  looked at (§4). Ours go out one at a time: the next leaves when the one before is acknowledged.
* Each is sent after T1, 2 * T1, 4 * T1 and so on: its interval has no end at T2. Without a PRACK
  within 64 * T1 the INVITE is answered with 504 (§3).
* The first one to an INVITE without an offer brings the offer, and its PRACK the answer (§5).
* A 2xx waits for the PRACK of one that brings a session description (§3).
* So many PRACKs of ours wait for an answer at the most: a reliable response beyond is not taken,
  and comes again (§3).
* A description that comes after the exchange is complete means nothing (RFC 6337 §3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipparty.errors import CallFailed, CallTimedOut, NegotiationError, ParseError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.bodies import SDP, session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.early import agree, start_early
from sipparty.sip.dialog.offer_answer import refuse_offer
from sipparty.sip.dialog.outcomes import media_failure, warning
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import field
from sipparty.sip.message import Request, Response
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.typed import RAck

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_client import ClientInvite
    from sipparty.sip.dialog.invite_server import ServerInvite
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = [
    "OPTION",
    "Prack",
    "ReliableResponses",
    "caller_says",
    "rseq_of",
    "take_prack",
    "take_reliable",
]

#: The option tag (§8.1).
OPTION = "100rel"

#: PRACKs to one INVITE that are not answered at the most: who answers sends one response at a time
#: in each early dialog (§3), and names whom the PRACKs go to.
MAX_PRACKS = 32

# ---------------------------------------------------------------- ours, to an INVITE of theirs


def caller_says(invite: Request) -> str:
    """Return what an INVITE says of reliable provisional responses: "required", "supported" or "".

    Raises:
        ParseError: Its Require cannot be read.
    """
    index = invite._index or invite._make_index()
    if "require" in index and any(tag.lower() == OPTION for tag in invite.require):
        return "required"
    if "supported" in index:
        try:
            return "supported" if any(tag.lower() == OPTION for tag in invite.supported) else ""
        except ParseError:
            pass  # §8.2 of RFC 3261: what is not needed may be malformed
    return ""


class ReliableResponses(FSM):
    """The reliable provisional responses to one INVITE.

    Args:
        invited: The INVITE.

    Attributes:
        rseq: The RSeq of the last one; 0 before the first.
        described: Whether that brings a session description.
        outstanding: Whether its PRACK is yet to come.
        answering: Whether a PRACK is being answered.
        waiting: What is to be sent after it: arguments of `ServerInvite.report`.
    """

    __slots__ = (
        *("_call", "_cseq", "_data", "_invited", "_prack", "answering", "described", "interval"),
        *("outstanding", "patience", "rseq", "waiting"),
    )

    table = (
        Row("Acknowledged", "send", "Sent", "_send"),
        Row("Sent", "timer_again", "Sent", "_send_again"),
        Row("Sent", "prack", "Acknowledged"),
        Row("Sent", "timer_expires", "Stopped", "_give_up"),
        # §3: after a final response none is sent again, and a PRACK is still taken.
        Row(("Sent", "Acknowledged"), "stop", "Stopped", "_end_prack"),
        Row("Stopped", ("stop", "prack"), "Stopped"),
    )
    timers = (
        Timer("timer_again", "interval", "Sent", repeat=True),
        Timer("timer_expires", "patience", "Sent"),
    )
    final = ("Stopped",)

    def __init__(self, invited: ServerInvite) -> None:
        transaction = invited.transaction
        timing = transaction.host.timing
        self.interval = timing.t1
        self.patience = timing.transaction
        super().__init__(transaction.host.timers)
        self._invited = invited
        self._call = invited.call
        self._cseq = transaction.request.facts.number
        self._data = b""
        #: The PRACK that is being answered, or was the last.
        self._prack: ServerTransaction | None = None
        self.rseq = 0
        self.described = self.outstanding = self.answering = False
        self.waiting: list[tuple[Any, ...]] = []

    @property
    def expected(self) -> tuple[int, int, str]:
        """What the RAck of its PRACK says (§7.2)."""
        return (self.rseq, self._cseq, "INVITE")

    @property
    def delays_answer(self) -> bool:
        """Whether a 2xx has to wait (§3)."""
        return self.answering or (self.state == "Sent" and self.described)

    def report(
        self, status: int, reason: str | None, fields: Any, media: bool, body: bytes
    ) -> bool:
        """Send a provisional response reliably, or have it wait for the one before.

        Returns:
            Whether it was sent.
        """
        if self.state == "Sent":
            self.waiting.append((status, reason, fields, media, True))
            return False
        # §3: the first is from 1 to 2**31 - 1.
        self.rseq = self.rseq + 1 if self.rseq else max(1, self._call.core.tokens.number(31))
        given = [
            *self._call.agent.capability_fields,  # RFC 3311 §4: whether we take UPDATE
            field("Require", OPTION),
            field("RSeq", str(self.rseq)),
            *fields,
        ]
        self.described = bool(body)
        self._invited.respond(status, reason, given, body)
        self.hit("send")
        return True

    def _send(self) -> None:
        self._data = self._invited.transaction._data
        self.interval = self._invited.transaction.host.timing.t1
        self.outstanding = True

    def _send_again(self) -> None:
        self.interval *= 2
        transaction = self._invited.transaction
        transaction.host.transmit((self._data, transaction.flow))

    def _give_up(self) -> None:
        message = "Our provisional response was never acknowledged."
        self._call.hear("unacknowledged", CallTimedOut(message, 504, "Server Time-out"))

    def _end_prack(self) -> None:
        """Answer a PRACK whose call has ended meanwhile (RFC 3261 §15.1.2)."""
        if self.answering and self._prack is not None and not self._prack.answered:
            self._prack.answer(487)

    # ---------------------------------------------------------------- PRACK

    def take_prack(self, transaction: ServerTransaction) -> None:
        """Take the PRACK for the last one, and the answer or the offer that it brings."""
        call, invited, offers = self._call, self._invited, self._call.offer_answer
        self.outstanding = False
        self._prack = transaction
        self.hear("prack")
        body = b""
        if call.agent.open_session is not None:
            try:
                body = session_description(transaction.request, call.agent.accepts)
            except ParseError as error:
                self._refuse(transaction, error)
                return

        def done(answer: bytes = b"") -> None:
            invited.agreed = invited.agreed or self.described
            self.answering = False
            kind = []
            if answer and call.session is not None:
                kind.append(field("Content-Type", call.session.content_type))
            if not transaction.answered:
                transaction.answer(200, None, kind, answer)
            if answer:
                call.media_agreed(False)
            elif body:
                call.start_media(early=True)
            self._go_on()

        def failed(error: Exception) -> None:
            self.answering = False
            self._refuse(transaction, error)

        asked = offers is not None and offers.answered_in("PRACK")
        if not (body or asked):
            done()
        elif offers is not None and asked:
            self.answering = True
            if body:
                offers.take_answer(body, done, failed)
            else:
                failed(NegotiationError("The PRACK brings no answer to the offer."))
        elif (
            offers is not None
            and offers.may_offer
            and (invited.agreed or (self.described and invited.offered))
        ):
            self.answering = True
            offers.make_answer(body, done, failed)
        else:
            # RFC 3311 §5.2, RFC 6337 §3.1.1: an offer before is not answered yet.
            self.outstanding = True
            refuse_offer(offers, transaction, call.core.tokens)

    def _refuse(self, transaction: ServerTransaction, error: Exception) -> None:
        """Refuse what a PRACK brings (RFC 6337 §2.3); another one may bring it better, but for an
        answer, without which there is no call.
        """
        status = error.status if isinstance(error, NegotiationError | ParseError) else 500
        if not transaction.answered:
            transaction.answer(status, None, [field(*warning(error))])
        call = self._call
        if self.described and not self._invited.offered:
            what = "The PRACK carries bad media"
            call.hear("media_failed", media_failure(call.name, what, error, status))
        else:
            self.outstanding = True
            self._go_on()

    def _go_on(self) -> None:
        """Send what has waited."""
        call, invited = self._call, self._invited
        if self.state != "Acknowledged":
            return
        if invited.accepting and not self.delays_answer:
            call.hear("accept")
        elif self.waiting:
            call.hear("ring", *self.waiting.pop(0))
        call.proceed()


def take_prack(
    call: InviteUsage, responses: ReliableResponses | None, transaction: ServerTransaction
) -> None:
    """Answer a PRACK: 481 where it is for no response that waits for one (§3).

    Raises:
        ParseError: It says for which one in a way that cannot be read.
    """
    rack = RAck.parse(transaction.request._text("rack") or "")
    asked = (rack.rseq, rack.cseq, rack.method)
    if responses is None or not responses.outstanding or asked != responses.expected:
        call.agent.refuse(transaction, 481)
    else:
        responses.take_prack(transaction)


# ---------------------------------------------------------------- theirs, to an INVITE of ours


def rseq_of(response: Response) -> int:
    """Return the RSeq of a provisional response that is reliable; 0 for one that is not (§4)."""
    index = response._index or response._make_index()
    if response._status == 100 or "rseq" not in index or "require" not in index:
        return 0
    try:
        reliable = any(tag.lower() == OPTION for tag in response.require)
        return int(response["RSeq"] or 0) if reliable else 0
    except ParseError:
        return 0


class Prack:
    """A PRACK of ours, and what comes of it.

    Args:
        call: The call.
        state: The early dialog.
        response: What it acknowledges.
        rseq: Its RSeq.
        over: Called when nothing more can come of it.
    """

    __slots__ = ("_call", "_over", "_rack", "_state", "_user")

    def __init__(
        self,
        call: InviteUsage,
        state: DialogState,
        response: Response,
        rseq: int,
        over: Callable[[], object],
    ) -> None:
        self._call = call
        self._state = state
        self._rack = f"{rseq} {response.facts.number} INVITE"
        self._over = over

    def send(self, body: bytes = b"", user: Any = None) -> ClientRequest:
        """Send it, with an answer or an offer.

        Args:
            body: What it brings.
            user: Who else is given what comes of it.
        """
        call = self._call
        self._user = user
        fields = [field("RAck", self._rack), *call.more_fields.get("PRACK", ())]
        if body:
            kind = SDP if call.session is None else call.session.content_type
            fields.append(field("Content-Type", kind))
        return self._state.send_request(call, "PRACK", fields, body, self)

    # A request's user.

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Go on with what waits for it."""
        if self._user is not None:
            self._user.response_received(client_request, response)
        if response._status >= 200:
            self._over()

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Go on: the INVITE has an end of its own."""
        if self._user is not None:
            self._user.request_failed(client_request, error)
        self._over()

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""


def take_reliable(invite: ClientInvite, response: Response, state: DialogState, rseq: int) -> bool:
    """Acknowledge a reliable provisional response to an INVITE that begins a call, and take the
    session description that it brings (§4, §5).

    Returns:
        Whether it is to be looked at further: not one that came before, or out of order.
    """
    tag = state.remote_tag
    if invite.rseqs.get(tag, rseq - 1) != rseq - 1 or invite.unacknowledged >= MAX_PRACKS:
        return False
    invite.rseqs[tag] = rseq
    invite.unacknowledged += 1
    call, offers = invite.call, invite.call.offer_answer

    def over() -> None:
        invite.unacknowledged -= 1
        call.proceed()

    prack = Prack(call, state, response, rseq, over)
    failure: Exception | None = None
    try:
        body = session_description(response)
    except ParseError as error:
        body, failure = b"", error

    def failed(error: Exception) -> None:
        what = "The early media cannot be agreed on"
        call.hear("early_unusable", media_failure(call.name, what, error, 488, response))

    if invite.offer and offers is not None:
        answers = invite.agreed is None and offers.answered_in("reliable 1xx")
        change = next((one for one in call._modifications if one.method == "PRACK"), None)
        if not (body and answers and change is not None and change.state == "Waiting"):
            # At once: it says that the response came, not that it is accepted.
            prack.send()
            change = None
        if failure is not None:
            failed(failure)
        elif body and answers:
            if change is not None:
                change.prack = prack
            agree(invite, tag, body, failed)
        elif body and tag != invite.agreed:
            invite.answers.setdefault(tag, body)
    elif body and invite.agreed is None and offers is not None and offers.may_offer:
        invite.agreed = tag

        def answered(answer: bytes) -> None:
            prack.send(answer)
            start_early(call)

        def refused(error: Exception) -> None:
            prack.send(invite.refusal_of(body))
            failed(error)

        offers.make_answer(body, answered, refused)
    else:
        # The session of the call is with another fork, or there is none: no stream is taken.
        agreed = tag == invite.agreed or bool(invite.offer)
        prack.send(b"" if agreed or not body else invite.refusal_of(body))
    return True
