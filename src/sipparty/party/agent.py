"""The user agent of a party: made of its address, and following its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sipparty.party.listening import media_addresses
from sipparty.party.media import check_offer, open_session, reject_offer
from sipparty.party.setting import media_options
from sipparty.sip import Dialog, Flow, Session
from sipparty.sip.agent import UserAgent

if TYPE_CHECKING:
    from sipparty.party.party import Party
    from sipparty.sip.dialog import DialogState
    from sipparty.sip.transaction.server import ServerTransaction

__all__ = ["make_agent"]


def make_agent(party: Party[Any, Any], uri: str) -> UserAgent:
    """Make the user agent of a party, to be its `_agent`; on the engine's thread."""
    agent = UserAgent(party.engine.core, uri, party)
    agent.server_dialog = party.ServerDialog
    agent.portal = party.engine
    agent.observed = party.observed
    if party._session_kind is not None:
        agent.open_session = partial(_open_session, party)
        agent.offers = party._offers
        agent.check_offer = partial(check_offer, party.check_offer, party._descriptors)
    agent.media_options = partial(media_options, party, "media")
    agent.reject_offer = partial(reject_offer, agent)
    if hasattr(party.ServerDialog, "_note_dtmf") or hasattr(party.ClientDialog, "_note_dtmf"):
        agent.handle_method("INFO", partial(_take_info, agent))
    for method in party._methods:
        agent.handle_method(method)
    for kind in party._handlers or ():
        kind.enable(agent)
    if party._offered or party._unsolicited:
        from sipparty.party.notification import make_offers

        make_offers(party, agent)
    party._agent = agent  # what is bound already goes over
    if not party.bindings():
        party._follow_settings()
    return agent


def _take_info(agent: UserAgent, transaction: ServerTransaction, state: DialogState | None) -> None:
    """Take an INFO; what does so is loaded with the first."""
    from sipparty.sip.info import take_info

    take_info(agent, transaction, state)


def _open_session(party: Party[Any, Any], dialog: Dialog, flow: Flow) -> Session:
    place = media_addresses(party.engine.hub, party._agent, flow)
    return open_session(party.engine, partial(party.make_session, dialog), dialog, flow, place)
