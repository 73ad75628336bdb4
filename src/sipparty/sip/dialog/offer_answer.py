"""Offers and answers of one session (RFC 3264): who may send the next one, and where.

Laws:

* There is one open offer at a time (RFC 3264 §4). It is open from the moment that it is being made,
  and until its answer is sent, or taken by the session.
* Where an answer may stand follows from where the offer stood (RFC 6337 §2.2): `ANSWERED_IN`.
* A session may take its time for each of its steps. What comes of a step after it was rolled back,
  or after the call, is dropped.
* A description in an unreliable provisional response is no answer yet, but a preview of the one in
  the 2xx (RFC 6337 §3.1.1): media may flow by it, and the offer stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from sipparty.fsm import FSM, Row, Timers
from sipparty.late import late_pattern
from sipparty.sip.dialog.session import Pending, Session
from sipparty.sip.fields import field
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction.server import ServerTransaction

__all__ = [
    "ANSWERED_IN",
    "OfferAnswer",
    "held_by_address",
    "is_hold",
    "offer_by_address",
    "refuse_offer",
]

#: By where an offer stands, the messages that its answer may stand in (RFC 6337 Table 1).
ANSWERED_IN: Final = {
    "INVITE": ("2xx", "reliable 1xx"),
    "2xx": ("ACK",),
    "reliable 1xx": ("PRACK",),
    "PRACK": ("2xx to PRACK",),
    "UPDATE": ("2xx to UPDATE",),
}

#: A direction, and a version 0.0.0.0 of the address, which RFC 2543 put calls on hold by.
_DIRECTION = late_pattern(rb"^a=(sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$", re.MULTILINE)
_NO_ADDRESS = late_pattern(rb"^c=IN IP4 0\.0\.0\.0[ \t]*\r?$", re.MULTILINE)
_ADDRESS = late_pattern(rb"^c=IN IP4 [^ \t\r\n]+", re.MULTILINE)
_HOLDS = late_pattern(rb"^a=(?:sendonly|inactive)[ \t]*\r?\n", re.MULTILINE)
_REFUSED = late_pattern(rb"m=\S+ 0 ")


class OfferAnswer(FSM):
    """The offers and answers of one session.

    Args:
        session: The session.
        scheduler: The timers of its core.

    Attributes:
        place: Where the open offer stands, one of `ANSWERED_IN`, where it is ours; else "".
        exchanges: How many offers were answered so far.
        previewed: The To tag of the response whose description was taken as a preview; else None.
        peer_holds: Whether the other side has us on hold, by the last that was agreed on.
    """

    __slots__ = (
        *("_busy_with", "_later", "_wanted", "exchanges", "peer_holds", "place", "previewed"),
        "session",
    )

    table = (
        Row("Stable", "send_offer", "LocalOffer"),
        Row("Stable", "receive_offer", "RemoteOffer"),
        Row("LocalOffer", "receive_answer", "Stable"),
        # Another fork has the call: its answer takes the place of the one before.
        Row("Stable", "reopen", "LocalOffer"),
        Row("RemoteOffer", "send_answer", "Stable"),
        # What raises leaves the session as it was.
        Row(("LocalOffer", "RemoteOffer"), "fail", "Stable"),
        Row(("LocalOffer", "RemoteOffer"), "roll_back", "Stable", "_roll_back"),
        Row("LocalOffer", "preview_failed", "LocalOffer"),
        Row("Stable", "roll_back", "Stable"),
        Row(("Stable", "LocalOffer", "RemoteOffer"), "close", "Closed"),
        Row("Closed", ("roll_back", "close", "send_answer", "receive_answer"), "Closed"),
    )
    final = ("Closed",)

    def __init__(self, session: Session, scheduler: Timers) -> None:
        super().__init__(scheduler)
        self.session = session
        self.place = ""
        self.previewed: str | None = None
        self.peer_holds = False
        self.exchanges = 0
        #: The step that the session takes its time for, the one whose outcome is wanted, and what
        #: it is to be asked for then.
        self._busy_with: object = None
        self._wanted: object = None
        self._later: tuple[Any, ...] | None = None

    @property
    def may_offer(self) -> bool:
        """Whether an offer may be sent, or taken, now."""
        return self.state == "Stable"

    def answered_in(self, message: str) -> bool:
        """Whether the answer to the open offer of ours may stand in a kind of message."""
        return self.state == "LocalOffer" and message in ANSWERED_IN[self.place]

    def make_offer(
        self,
        place: str,
        make: Callable[[], Any],
        done: Callable[[bytes | None], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Have an offer made.

        Args:
            place: Where it will stand, one of `ANSWERED_IN`.
            make: The session's method.
            done: Called with it, at once or later; None where there is nothing to offer.
            failed: Called with what was raised instead; the offer is withdrawn then.
        """
        self.hit("send_offer")
        self.place = place

        def made(offer: bytes | None) -> None:
            if not offer:
                self.hear("fail")
            done(offer)

        self._ask(make, (), made, failed)

    def make_answer(
        self,
        offer: bytes,
        done: Callable[[bytes], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Take the other side's offer, and have the answer made, as `make_offer` does."""
        self.hit("receive_offer")

        def made(answer: bytes) -> None:
            self.peer_holds = is_hold(offer)
            self.exchanges += 1
            self.hit("send_answer")
            done(answer)

        self._ask(self.session.answer, (offer,), made, failed)

    def take_answer(
        self,
        answer: bytes,
        done: Callable[[], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Have the session take the answer to our offer, as `make_offer` does."""

        def taken(_: object) -> None:
            self.peer_holds = is_hold(answer)
            self.exchanges += 1
            self.hit("receive_answer")
            done()

        self._ask(self.session.accept, (answer,), taken, failed, "roll_back")

    def preview(
        self,
        answer: bytes,
        tag: str,
        done: Callable[[], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Have the session take an answer that an unreliable response brings, as `make_offer` does;
        the offer stays open.
        """

        def taken(_: object) -> None:
            self.previewed = tag
            done()

        self._ask(self.session.accept, (answer,), taken, failed, "preview_failed")

    # ---------------------------------------------------------------- steps of the session

    def _ask(
        self,
        make: Callable[..., Any],
        arguments: tuple[Any, ...],
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
        failure: str = "fail",
    ) -> None:
        """Have the session do a step, after the one that it is busy with; `failure` is the input
        where it cannot.
        """
        if self._busy_with is not None:
            self._later = (make, arguments, done, failed, failure)
            return
        try:
            given = make(*arguments)
        except Exception as error:
            self.hear(failure)
            failed(error)
            return
        if not isinstance(given, Pending):
            done(given)
            return
        step = self._busy_with = self._wanted = object()

        def came(outcome: Any, succeeded: bool) -> None:
            self._busy_with = None
            if self.state == "Closed":
                return
            if self._wanted is not step:
                self.session.rollback()
            elif succeeded:
                done(outcome)
            else:
                self.hear(failure)
                failed(outcome)
            later, self._later = self._later, None
            if later is not None:
                self._ask(*later)

        given.then(lambda value: came(value, True), lambda error: came(error, False))

    def _roll_back(self) -> None:
        self._wanted = self._later = None
        if self._busy_with is None:
            self.session.rollback()


def refuse_offer(
    offers: OfferAnswer | None, transaction: ServerTransaction, tokens: Tokens
) -> None:
    """Refuse a request with an offer where another is not answered yet: 491 for one of ours, 500
    with Retry-After from 0 to 10 seconds for one of theirs (RFC 3311 §5.2).
    """
    if offers is not None and offers.state == "LocalOffer":
        transaction.answer(491)
    else:
        transaction.answer(500, None, [field("Retry-After", str(tokens.number(16) % 11))])


def held_by_address(description: bytes) -> bytes:
    """Return an offer that holds the way of RFC 2543, by the address 0.0.0.0 in place of a
    direction (RFC 3264 §8.4); one of IPv6 is returned as it is.
    """
    if _ADDRESS.search(description) is None:
        return description
    return _HOLDS.sub(b"", _ADDRESS.sub(b"c=IN IP4 0.0.0.0", description))


def offer_by_address(make: Callable[[], Any]) -> Any:
    """Have an offer made, now or later, that holds by its address."""
    given = make()
    if not isinstance(given, Pending):
        return held_by_address(given) if given else given
    pending: Pending[Any] = Pending()
    given.then(lambda offer: pending.resolve(held_by_address(offer)), pending.fail)
    return pending


def is_hold(description: bytes) -> bool:
    """Whether a session description puts the one who gets it on hold: nobody is to send in the
    first stream that is taken (RFC 3264 §8.4).
    """
    if b"a=sendonly" not in description and b"a=inactive" not in description:
        return _NO_ADDRESS.search(description) is not None
    head, *media = re.split(rb"^(?=m=)", description, flags=re.MULTILINE)
    for stream in media:
        if _REFUSED.match(stream):
            continue
        found = _DIRECTION.search(stream) or _DIRECTION.search(head)
        return found is not None and found[1] in (b"sendonly", b"inactive")
    return False
