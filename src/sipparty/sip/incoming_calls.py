"""An INVITE of theirs that begins a call: whether it is taken, and what is made of it (RFC 3261
§8.2, §13.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.errors import NegotiationError, ParseError
from sipparty.sip.bodies import session_description
from sipparty.sip.call_limits import has_its_part
from sipparty.sip.dialog import Dialog, DialogState
from sipparty.sip.events import CallReceived
from sipparty.sip.transaction import ServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS
from sipparty.sip.user_headers import KEPT

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["take_call", "take_invite"]


def take_invite(agent: UserAgent, transaction: ServerTransaction) -> None:
    """Take an INVITE outside of dialogs, or refuse it."""
    request = transaction.request
    replaced = None
    if "replaces" in (request._index or ()):
        from sipparty.sip.dialog.replaces import call_to_replace

        replaced = call_to_replace(agent, transaction)
        if replaced is None:
            return
    elif agent.max_calls is not None and agent._busy():
        agent.refuse(transaction, 486)
        return
    limited = agent.max_calls is not None or agent.max_calls_of_one is not None
    if not agent.core.has_capacity_for(transaction) or (
        limited and has_its_part(agent, transaction)
    ):
        agent.refuse(transaction, 503, agent.core.refusals.overloaded)
        return
    if "session-expires" in (request._index or ()):
        from sipparty.sip.dialog.session_timer import refusal

        headers = refusal(agent, request)
        if headers:
            agent.refuse(transaction, 422, headers)
            return
    if agent._reliable_provisionals == "required":
        from sipparty.sip.dialog.reliable import caller_says

        if not caller_says(request):
            agent.refuse(transaction, 421, [("Require", "100rel")])
            return
    caller, at_once = None, agent.auto_answer
    if not KEPT.isdisjoint(request._index or ()):
        caller = agent.peer_info(request, transaction.flow, transaction.authenticated is not None)
        if agent._answer_mode:
            from sipparty.sip.identity import answer_mode

            at_once, status, phrase = answer_mode(agent, caller)
            if status:
                agent.core.refusals.refuse(transaction, status, phrase)
                return
    tokens = agent.core.tokens
    try:
        data = DialogState.of_request(request, transaction.tag, tokens.number(24))
        data.back = flow = transaction.flow
        data.proven = flow.reliable or transaction.authenticated is not None
        data.next_hop()  # a route that cannot be followed is refused now, not when we hang up
        if data.secure and flow.transport not in SECURE_TRANSPORTS:
            # RFC 5630 §4.1: it came in clear, and so would what we send.
            agent.refuse(transaction, 480, [("Warning", '380 sipparty "SIPS Not Allowed"')])
            return
        if request._body and agent.check_offer is not None and not at_once:
            # §8.2.3 comes before §13.3.1: nobody is called for what cannot be taken.
            offer = session_description(request, agent.accepts)
            if offer:
                agent.check_offer(offer, flow)
    except (NegotiationError, ParseError) as error:
        agent.core.refusals.refuse_for(transaction, error)
        return
    dialog = agent.server_dialog(agent)
    if caller is not None:
        dialog.peer_info = caller
    take_call(agent, dialog, transaction, data, at_once, replaced)


def take_call(
    agent: UserAgent,
    dialog: Dialog,
    transaction: ServerTransaction,
    data: DialogState,
    at_once: bool,
    replaced: Dialog | None = None,
) -> None:
    """Begin a dialog, report it, and answer it at once where nobody is to decide on it, as on one
    that takes the place of another call.

    Whatever its class raises, it is ended and counted no more, and whoever was given it is
    given the end.
    """
    dialog.authenticated = transaction.authenticated
    data.share = transaction.share
    data.half_open = transaction.authenticated is None
    dialog.silent = True
    request, flow = transaction.request, transaction.flow
    if replaced is not None:
        at_once = True
        dialog.replaces, dialog.media = replaced, getattr(replaced, "media", {})  # type: ignore[attr-defined]
    try:
        dialog.hear("receive_invite", transaction, data)
        if at_once and agent.open_session is not None and not dialog.prepare():
            return
        if replaced is None:
            dialog.silent = False
            if agent.observed:
                dialog._emit(CallReceived, request, flow)
        if at_once:
            # Here already: without a portal its verbs are run at once.
            if agent.rings and replaced is None:
                dialog.ring()  # type: ignore[attr-defined]
            dialog.accept()  # type: ignore[attr-defined]
    except Exception as error:
        dialog.abandon(error)
        raise
    finally:
        dialog.portal = agent.portal
