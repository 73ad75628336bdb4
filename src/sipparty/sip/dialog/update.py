"""An UPDATE of theirs: a change of the session, or of the remote target, in an early dialog or a
confirmed one (RFC 3311 §5.2).

Laws:

* It is answered at once, and one at a time: a second one meanwhile gets 500.
* One with an offer is refused while another offer is not answered, with 491 where that is ours, and
  500 where it is theirs. So it is in an early dialog whose first offer and answer are not complete
  by reliable messages (RFC 6337 §3.2).
* What is refused leaves the session as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.errors import NegotiationError, ParseError
from sipparty.sip.bodies import session_description
from sipparty.sip.dialog.modification import may_change
from sipparty.sip.dialog.offer_answer import refuse_offer
from sipparty.sip.dialog.outcomes import log_media_fault, warning
from sipparty.sip.dialog.session_timer import answer_fields, begin_later, refusal
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import field
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage

__all__ = ["take_update"]


def take_update(call: InviteUsage, transaction: ServerTransaction, state: DialogState) -> None:
    """Answer an UPDATE.

    Args:
        call: The call.
        transaction: The UPDATE's transaction.
        state: The dialog that it came in.

    Raises:
        ParseError: Its body or its Contact cannot be read; the core answers with its status.
    """
    request, agent, offers = transaction.request, call.agent, call.offer_answer
    if call.state not in ("InitiatingDialog", "InDialog"):
        transaction.answer(481)  # as RFC 5407 §3.2.2
        return
    headers = refusal(agent, request)
    if headers:
        agent.refuse(transaction, 422, headers)
        return
    offer = b"" if agent.open_session is None else session_description(request, agent.accepts)
    if call.updating is not None or (offer and not may_change(call, state)):
        refuse_offer(None if call.updating else offers, transaction, call.core.tokens)
        return
    target = state.new_target(request)

    def done(answer: bytes = b"") -> None:
        call.updating = None
        if transaction.answered:
            return  # it took too long
        state.remote_target = target
        fields = [("contact", state.contact, f"Contact: {state.contact}")]
        fields += agent.capability_fields
        if call.session_timer is not None or request._text("session-expires") is not None:
            fields += answer_fields(call, request)
            begin_later(call, state)
        if agent.info is not None:
            fields += agent.info.answer(call, request)
        if answer and call.session is not None:
            fields.append(field("Content-Type", call.session.content_type))
        transaction.answer(200, None, fields, answer)
        if answer:
            call.media_agreed(False)
            call.proceed()

    def failed(error: Exception) -> None:
        call.updating = None
        if transaction.answered:
            return
        if isinstance(error, NegotiationError | ParseError):
            transaction.answer(error.status, None, [field(*warning(error))])
        else:
            log_media_fault(call.name, "The media failed", error)
            transaction.answer(500)
        call.proceed()

    if not offer:
        done()
        return
    if offers is None:
        try:
            offers = call.use_session(agent.new_session(call, transaction.flow))
        except Exception as error:
            failed(error)
            return
    if offers is None:
        done()
        return
    call.updating = transaction
    offers.make_answer(offer, done, failed)
