"""The role of a user agent: what the agents of one host do with the messages that come (RFC 3261
§8.1.3, §8.2, §9.2, §12.2.2). It is the role that a core has by itself.

A request inside of a dialog goes to it; any other goes to the agent that its request-URI names, and
is refused where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sipparty.errors import ParseError
from sipparty.sip.admission import admitted_by_any
from sipparty.sip.agent import UserAgent
from sipparty.sip.directory import Directory
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.refusals import Refusals
from sipparty.sip.transaction import InviteServerTransaction, ServerTransaction
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.validation import first_fault

__all__ = ["UserAgentCore"]


class UserAgentCore:
    """The user agents of a core, as a `TransactionUser`.

    Args:
        core: The core.
        directory: The agents.
        refusals: What answers requests that are not served.
    """

    def __init__(self, core: Any, directory: Directory, refusals: Refusals) -> None:
        self._core = core
        self._directory = directory
        self._refuse = refusals.refuse
        self._steady_tag = refusals.steady_tag
        #: Requests outside of dialogs, by agent and by what a copy by another path shares
        #: (§8.2.2.2).
        self._merged: dict[tuple[object, ...], ServerTransaction] = {}

    def request(self, transaction: ServerTransaction) -> bool:
        """Give a request to its dialog, or to the agent it is for, or refuse it."""
        request = transaction.request
        facts = request._facts or request.facts
        if not facts.plain and self._is_faulty(transaction, request):
            return True
        tag = facts.to_tag
        if tag is not None:
            dialog = self._core.dialogs.get((facts.call_id, tag, facts.from_tag or ""))
            if dialog is None:
                forming = self._core.forming.get((facts.call_id, tag))
                if forming is None or not forming(transaction):
                    self._refuse(transaction, 481)
            else:
                dialog.request_received(transaction)
            return True
        agent = self._directory.agent_for(request._uri_text, transaction.flow)
        if agent is None:
            self._refuse_unknown(transaction, request)
            return True
        # What a proxy forks to several agents here is not merged.
        key = (agent, facts.call_id, facts.from_tag, facts.number, request._method)
        if self._merged.setdefault(key, transaction) is not transaction:
            self._refuse(transaction, 482)
        else:
            transaction.index = self._merged, key
            agent.request_received(transaction)
        return True

    def ack(self, request: Request, flow: Flow) -> bool:
        """Give an ACK for a 2xx to its dialog (§13.3.1.4); others are nobody's."""
        facts = request._facts or request.facts
        tag = facts.to_tag
        if tag == "":
            raise ParseError(request._text("to") or "", "an address with a tag", 0, what="To")
        dialog = self._core.dialogs.get((facts.call_id, tag, facts.from_tag or ""))
        if dialog is not None:
            dialog.ack_received(request)
            return True
        share = self._core.transactions.shares.doubted(flow.remote[0], flow.reliable)
        if share is not None and tag == self._steady_tag(request, flow.remote[0]):
            share.prove()  # it has read our refusal, so it is there, and may have more
        return False

    def cancel(self, transaction: ServerTransaction, invite: ServerTransaction | None) -> bool:
        """Answer a CANCEL, and give it to what it cancels (§9.2)."""
        request = transaction.request
        if not request.facts.plain and self._is_faulty(transaction, request):
            return True
        if invite is None:
            self._refuse(transaction, 481)
            return True
        # §9.2: the To tag is that of the INVITE's own answers.
        transaction.tag = invite.tag
        transaction.answer(200)
        if isinstance(invite, InviteServerTransaction):
            invite.cancel(request)
        return True

    def stray_response(self, response: Response, flow: Flow) -> bool:
        """Drop a response that is nobody's (§8.1.3.3, §18.1.2)."""
        return False

    def _is_faulty(self, transaction: ServerTransaction, request: Request) -> bool:
        fault = first_fault(request)
        if fault is None:
            return False
        self._refuse(transaction, fault.status, fault.what)
        return True

    def _refuse_unknown(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a request for nobody here: 404, but what nobody here does is not done for anybody
        (§8.2.1 comes before §8.2.2.1).
        """
        here = self._directory.agents_at(transaction.flow)
        method = request._method
        if here and method == "OPTIONS" and not split_sip_uri(request.uri_text).user:
            # To the host, not to anybody there, as those send who ask whether it is up (§11.1).
            here[0].request_received(transaction)
        else:
            # Who asks has to prove who they are before they learn who is not here.
            self._core.lookups.admit(
                admitted_by_any(here, transaction), transaction, partial(self._refuse_nobody, here)
            )

    def _refuse_nobody(self, here: Sequence[UserAgent], transaction: ServerTransaction) -> None:
        method = transaction.request._method
        if not here or any(method in agent.methods for agent in here):
            self._refuse(transaction, 404)
        else:
            here[0].refuse_method(transaction)
