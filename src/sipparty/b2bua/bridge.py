"""Two calls joined: what comes of one is done in the other.

Laws:

* A leg ends with the other one: none is left alone, however the other has ended.
* What a leg is answered is what the other was: its provisional responses, its success with the same
  description, or its failure. A failure that only concerns us (credentials, a lost server) is not
  passed on as such.
* Each leg is a call of its own: its dialog, timers, CSeq and retransmissions are not passed on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sipparty.b2bua.relay import Origin
from sipparty.errors import CallFailed, NegotiationError, SIPPartyError, Timeout, UsageError
from sipparty.media.conferencing.bridging import AudioBridge, bridge
from sipparty.sip import ClientRequest, Message, Response, SimpleCall
from sipparty.sip.dialog.modification import changing_dialog
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallEvent,
    CallHeld,
    CallProgressed,
    CallResumed,
)
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.b2bua.b2bua import B2BUA

__all__ = ["Bridge", "Leg"]

_log = logging.getLogger(__name__)

#: What a failure of the other leg is passed on as, where not as it is: 401 and 407 ask us, not the
#: caller, and 503 would have the caller avoid us (RFC 3261 §16.7 item 6).
_PASSED_AS = {401: 500, 407: 500, 503: 500}


class Leg(SimpleCall):
    """One of the two calls of a `Bridge`.

    Attributes:
        bridge: The bridge; None before it is one of two.
        other: The other leg.
        described: What its other side has described last.
        to_offer: What it is to be offered.
        to_answer: What its offer is to be answered with.
        asked: Whether its other side was given a description as an offer that nobody has made.
        moving: The bridge that it will be of, when the call that a transfer has placed is
            answered; None for none.
        waiting: What its session has still to give.
        origin: The o= line of what it is given.
    """

    #: Requests inside the call that go to the other one.
    methods = {"INFO": "_pass_on", "MESSAGE": "_pass_on"}

    bridge: Bridge | None = None
    other: Leg | None = None
    described: bytes | None = None
    to_offer: bytes | None = None
    to_answer: bytes | None = None
    asked = False
    moving: Bridge | None = None
    waiting: Pending[Any] | None = None
    origin: Origin | None = None

    def own(self, description: bytes) -> bytes:
        """Return a description of the other side's as this one is given it."""
        if self.bridge is not None:
            description = self.bridge.b2bua.change_description(description, self)
        return description if self.origin is None else self.origin.put_on(description)

    def _pass_on(self, transaction: ServerTransaction) -> None:
        """Send a request inside the call on to the other one, and its outcome back."""
        other, request = self.other, transaction.request
        if other is None or other.dialog_state is None or not other._may_send(other.dialog_state):
            transaction.answer(481)
            return
        kept = ("content-type", "content-disposition", "info-package")
        fields = [field for field in request._fields if field[0] in kept]
        passing = _Passing(transaction)
        try:
            other.dialog_state.send_request(other, request.method, fields, request.body, passing)
        except UsageError:
            # So many wait there already.
            self.core.refusals.refuse(transaction, 503, None, self.core.refusals.overloaded)


class _Passing:
    """The user of a request that is passed on: gives its outcome to the one it came of."""

    def __init__(self, transaction: ServerTransaction) -> None:
        self._transaction = transaction

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        if response.status >= 200 and not self._transaction.answered:
            kept = ("content-type", "accept", "allow", "retry-after", "warning", "recv-info")
            fields = [field for field in response._fields if field[0] in kept]
            status = _PASSED_AS.get(response.status, response.status)
            self._transaction.answer(status, None, fields, response.body)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        if not self._transaction.answered:  # else it has waited too long
            self._transaction.answer(error.status or 500)

    def request_over(self, client_request: ClientRequest) -> None:
        pass


class Bridge:
    """An incoming call and the one that is made for it; made by a `B2BUA`.

    Args:
        b2bua: Whose it is; its hooks say what is passed on.
        incoming: The call that has come.
        outgoing: The call that is made for it.
        joined: Whether they are joined from the first; else when the outgoing one is answered, and
            until then the incoming one is of another bridge.

    Attributes:
        over: Whether both calls have ended.
    """

    #: Seconds that who has transferred a call has to hang up.
    PATIENCE = 5.0

    def __init__(self, b2bua: B2BUA, incoming: Leg, outgoing: Leg, *, joined: bool = True) -> None:
        self.b2bua = b2bua
        self.incoming = incoming
        self.outgoing = outgoing
        self._audio: AudioBridge | None = None
        outgoing.bridge, outgoing.other = self, incoming
        if joined:
            incoming.bridge, incoming.other = self, outgoing
        else:
            incoming.moving = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.incoming!r} and {self.outgoing!r}>"

    def watch(self) -> None:
        """Follow what happens in both from now on."""
        for leg in (self.incoming, self.outgoing):
            leg.on(CallEvent, _Follow(self))

    @property
    def over(self) -> bool:
        """Whether both calls have ended."""
        return all(leg.state in leg.final for leg in (self.incoming, self.outgoing))

    # ---------------------------------------------------------------- what happens in a leg

    def happened(self, event: CallEvent) -> None:
        """Do in one leg what has happened in the other."""
        leg: Any = event.call
        if isinstance(event, CallEnded):
            self.b2bua.placed.discard(leg.call_id)
        if leg.moving is self and isinstance(event, CallEnded) and self.outgoing.takes("terminate"):
            self.outgoing.terminate()  # who was to be joined with it is gone
        if leg.bridge is not self:
            return
        for kind, act in _ACTIONS.items():
            if isinstance(event, kind):
                act(self, leg, event)
                return

    def _progressed(self, leg: Leg, event: CallProgressed) -> None:
        response, incoming = event.response, self.incoming
        if response.status <= 100 or incoming.state != "InitiatingDialog":
            return
        media = incoming.to_answer is not None or (bool(response.body) and not self.b2bua.relays)
        headers = self._headers(response, incoming)
        phrase = response.reason if response.reason.isprintable() else ""
        incoming.ring(response.status, phrase or None, headers, media)
        if media:
            self._connect()

    def _established(self, leg: Leg, event: CallEvent) -> None:
        incoming = self.incoming
        if incoming.moving is self:
            self._take_over()
            return
        if leg is self.outgoing and incoming.takes("accept"):
            response = getattr(event, "response", None)
            incoming.accept([] if response is None else self._headers(response, incoming))
        self._connect()

    def _take_over(self) -> None:
        """Join the leg that stays with the new call, which is answered (RFC 5589 §6)."""
        stays, new, former = self.incoming, self.outgoing, self.incoming.other
        if stays.bridge is not None:
            stays.bridge._part()
        stays.moving = None
        stays.bridge, stays.other = self, new
        if former is not None:
            former.bridge = former.other = None
            self.b2bua.run(self._hang_up(former))
        if self.b2bua.relays and new.described is not None:
            stays.to_offer = new.described
            self._offer_inside(stays, None)
        self._connect()

    async def _hang_up(self, leg: Leg) -> None:
        """Hang up a leg that was transferred, where its other side does not."""
        try:
            await leg.stateCondition(leg.final.__contains__, self.PATIENCE)
        except Timeout:
            if leg.takes("terminate"):
                leg.terminate()

    def _ended(self, leg: Leg, event: CallEnded) -> None:
        other, error = leg.other, event.error
        assert other is not None
        if other.moving is not None and other.moving is not self:
            return  # who has transferred the call has hung up before the new one is answered
        if other.moving is self:
            other.moving = None
            if other.other is None or other.other.state not in other.other.final:
                return  # the transfer has failed: the call goes on as it was
        message = getattr(event, "request", None) or (None if error is None else error.response)
        headers = [] if message is None else self._headers(message, other)
        if other.waiting is not None:
            waiting, other.waiting = other.waiting, None
            if other.state not in other.final and other.state != "InitiatingDialog":
                waiting.fail(NegotiationError("The other call has ended."))
        if other is self.incoming and other.state == "InitiatingDialog" and error is not None:
            status = error.status or 500
            other.reject(_PASSED_AS.get(status, status), None, headers)
        elif other.takes("terminate") and other.state != "TerminatingDialog":
            other.terminate(headers)

    def _held(self, leg: Leg, event: CallHeld | CallResumed) -> None:
        other = leg.other
        if self.b2bua.relays or event.by != "remote" or other is None or other.state != "InDialog":
            return  # where descriptions are passed on, so is the hold
        if isinstance(event, CallHeld):
            other.hold()
        elif other.held:
            other.resume()

    def _headers(self, message: Message, leg: Leg) -> Sequence[tuple[str, str]]:
        try:
            headers = self.b2bua.passed_headers(message, leg)
            given_fields(headers)
        except Exception:
            # Whatever a hook does, the other leg is rung, answered or hung up.
            _log.exception("The headers could not be passed on.")
            return []
        return headers

    def _connect(self) -> None:
        """Have each heard in the other call, where media comes here."""
        sessions: Any = [self.incoming.session, self.outgoing.session]
        if self.b2bua.relays or self._audio is not None or None in sessions:
            return
        self._audio = bridge(self.incoming, self.outgoing)

    def _part(self) -> None:
        """Have neither heard in the other call any more."""
        if self._audio is not None:
            self._audio.stop()

    # ---------------------------------------------------------------- descriptions

    def offered(self, leg: Leg, offer: bytes) -> None:
        """Have the other side of a leg offered what this one's has."""
        other, offers, invite = leg.other, leg.offer_answer, leg._invite
        assert other is not None
        if leg is self.incoming and offers is not None and not offers.exchanges:
            return  # the call that is made for it has it
        ringing = other.state == "InitiatingDialog"
        if other.waiting is not None or (
            ringing and other.described is not None and changing_dialog(other) is None
        ):
            # Both sides ask at once (RFC 3261 §14.2), or the other one cannot be asked yet.
            waiting, leg.waiting = leg.waiting, None
            assert waiting is not None
            waiting.fail(NegotiationError("The other call is busy with an offer.", status=491))
            return
        other.to_offer = offer
        if not ringing or other.described is not None:
            self._offer_inside(other, leg)
        elif invite is not None and invite.answered is not None:
            other.accept()
        else:
            other.ring(183, media=True)

    def answered(self, leg: Leg, answer: bytes, changed: bool) -> None:
        """Give the answer of a leg's other side to the one that has offered.

        Args:
            leg: The leg.
            answer: The answer.
            changed: Whether it is another than the last description of that side.
        """
        other = leg.other
        assert other is not None
        if other.moving is self:
            return  # it is offered when the call is joined
        if other.waiting is not None:
            waiting, other.waiting = other.waiting, None
            waiting.resolve(other.own(answer))
        elif other.state == "InitiatingDialog":
            other.to_answer = answer
        elif leg.asked and changed and other.state == "InDialog":
            # It was asked what it would have, in the words of the other's last description; where
            # that is what it had, as for a refresh (RFC 4028 §7.4), the other one is left alone.
            other.to_offer = answer
            self._offer_inside(other, None)
        leg.asked = False

    def _offer_inside(self, leg: Leg, offerer: Leg | None) -> None:
        """Offer what is to be offered by a re-INVITE; a refusal goes back to the offerer."""
        change = leg.update_media()

        async def follow() -> None:
            try:
                await change
            except (CallFailed, SIPPartyError) as error:
                waiting = None if offerer is None else offerer.waiting
                if offerer is None or waiting is None:
                    _log.warning("%s: the other media could not be passed on: %s", leg.name, error)
                    return
                offerer.waiting = None
                status = getattr(error, "status", None) or 488
                waiting.fail(NegotiationError(str(error), status=_PASSED_AS.get(status, status)))

        self.b2bua.run(follow())


class _Follow:
    """The handler that gives the events of a leg to its bridge, on the engine's loop."""

    immediate = True

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __call__(self, event: CallEvent) -> None:
        try:
            self._bridge.happened(event)
        except Exception:
            _log.exception("%s could not be passed on.", type(event).__name__)


_ACTIONS: dict[type[CallEvent], Any] = {
    CallProgressed: Bridge._progressed,
    CallEstablished: Bridge._established,
    CallEnded: Bridge._ended,
    CallHeld: Bridge._held,
    CallResumed: Bridge._held,
}
