"""The side that calls: INVITE out, responses in (RFC 3261 §13.2)."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable
from math import ceil
from typing import Any

from sipparty.errors import CallFailed, CallUnreachable, NegotiationError, ParseError
from sipparty.sip.bodies import SDP, session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.dialog import rejection
from sipparty.sip.dialog.session import at_once
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.dialog.usage import InviteUsage
from sipparty.sip.events import CallEstablished, CallForked, CallProgressed, CallRedirected
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import check_line
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.multipart import Multipart, Part
from sipparty.sip.routing import NextHop, as_request_uri, is_secure
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI

__all__ = ["CallingSide"]

_log = logging.getLogger(__name__)


class CallingSide(InviteUsage, abstract=True):
    """What a call does where it calls."""

    __slots__ = ()

    #: Further dialogs that one INVITE makes; beyond it a 2xx is left without an ACK, and who sent
    #: it gives up by itself (RFC 3261 §13.3.1.4). Protects against a peer that never ends.
    MAX_FORKS = 32

    def _start(
        self,
        uri: str,
        next_hop: NextHop | None,
        routes: tuple[str, ...],
        expires: float | None,
        late_offer: bool,
        headers: Iterable[tuple[str, str]],
        parts: tuple[Part, ...],
        endpoint: Hashable,
    ) -> None:
        tokens = self.core.tokens
        tag = tokens.tag()
        checked = Message(headers)._fields
        if next_hop is not None or routes:
            # Nobody else looks at what is not the way.
            split_sip_uri(uri)
            for route in routes:
                NextHop.of(DNameURI.parse(check_line(route, "route")).uri_text)
        if "?" in uri or ";" in uri:
            uri = as_request_uri(uri)
        data = DialogState(
            call_id=tokens.call_id(),
            local=f"{self.agent.address};tag={tag}",
            local_tag=tag,
            remote=f"<{uri}>",
            local_seq=tokens.number(24),
            remote_target=uri,
            route_set=routes,
            secure=is_secure(uri),
        )
        hop = data.next_hop() if next_hop is None else next_hop
        if data.secure:
            hop = hop.secured()
        if expires is not None:
            self._patience = expires
            checked.append(field("Expires", str(ceil(expires))))
        self.role = "caller"
        self.dialog_state = data
        self.agent.dialogs.add(self)
        self.core.user_agents.calling[data.call_id, tag] = self
        self._headers = checked
        self._parts = parts
        self._late_offer = late_offer
        self._outgoing = ClientRequest(self.core, self, hop, endpoint, self.agent)
        self._outgoing.start()

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make the INVITE for the flow that it takes."""
        data = self.dialog_state
        assert data is not None
        target = client_request.target
        if target is not None:
            data.remote_target = target
            data.secure = data.secure or is_secure(target)
        given = client_request.endpoint
        # A flow that was asked for is the way of the whole call, while it stands.
        same = isinstance(given, Flow) and given.endpoint is flow.endpoint
        self.endpoint = given if same else flow.endpoint
        data.way = flow
        # RFC 3261 §8.1.1.8: a sips: URI where the request-URI is one.
        self.flow_contact = contact = self.agent.contact(flow, data.secure)
        if self.session is None:
            self._media_flow = flow
            self.session = self.agent.new_session(self, flow)
            if self.session is not None and not self._late_offer:
                self._offer = at_once(self.session.offer())
        elif self._media_flow is not flow:
            self._move_session(flow)
        fields = [("contact", contact, f"Contact: {contact}")]
        fields += self.agent.capability_fields
        fields += self._headers
        body = self._offer or b""
        kind = self.session.content_type if body and self.session is not None else None
        if self._parts:
            offer = [] if kind is None else [Part(kind, body)]
            whole = Multipart([*offer, *self._parts])
            body, kind = bytes(whole), str(whole.content_type)
        if kind is not None:
            fields.append(field("Content-Type", kind))
        request = data.request("INVITE", fields, body, client_request.number)
        self._invite_number = data.local_seq
        return request

    def _move_session(self, flow: Flow) -> None:
        """Have the media where it is for another flow, and an offer that says so: another target
        may be reached from another address of ours, which media for the first cannot come to.
        """
        before, former = self.session, self._media_flow
        assert before is not None
        assert former is not None
        self._media_flow = flow
        if _hosts(self.agent, flow) == _hosts(self.agent, former):
            return
        self.session = session = self.agent.new_session(self, flow)
        if before is not session:
            before.stop()
        if session is not None and not self._late_offer:
            self._offer = at_once(session.offer())

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to the INVITE or to the BYE."""
        status = response.status
        if client_request is not self._outgoing:
            if status >= 200:
                self._hung_up(response)
        elif status < 200:
            self.hear("provisional", response)
        elif status < 300:
            self._take_success(response)
        else:
            self.hear("failed", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that the INVITE or the BYE will have no response."""
        self.hear("failed" if client_request is self._outgoing else "hang_up_failed", error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Emit where the call goes now."""
        if self.agent.observed:
            self._emit(CallRedirected, client_request.target)

    def request_over(self, client_request: ClientRequest) -> None:
        """Drop what was kept to acknowledge the INVITE's answers: none can come any more."""
        if client_request is self._outgoing:
            for call in (self, *self.forks):
                ack, call._ack, call._outgoing = call._ack, None, None
                if ack is not None and ack.failure:
                    message = f"The answer could not be acknowledged: {ack.failure}"
                    call.hear("peer_lost", CallUnreachable(message, 503, "Service Unavailable"))

    def early_request_received(self, transaction: ServerTransaction) -> bool:
        """Answer a request inside of an early dialog (RFC 3261 §12.1): one that a provisional
        response has made, and that we know the local half of.

        Returns:
            Whether it was; else no such dialog is here.
        """
        method = transaction.request.method
        if (self.progress or 0) <= 100 or method == "BYE":
            return False  # §15: the side that was called ends the call by its answer
        if method == "INVITE":
            # §14.2: ours is in progress.
            self.agent.refuse(transaction, 491)
        elif method == "OPTIONS":
            self._take_options(transaction)
        else:
            self.agent.refuse_method(transaction)
        return True

    def _note_progress(self, response: Response) -> None:
        self.progress = response.status
        if response.status > 100:
            if response.body and self._offer and self._early_tag is None:
                self._take_early_answer(response)
            if self.agent.observed:
                self._emit(CallProgressed, response)

    def _take_early_answer(self, response: Response) -> None:
        """Let early media flow; an answer that cannot be used is left for the 2xx to mend."""
        assert self.session is not None
        try:
            tag = response.facts.to_tag or ""
            answer = session_description(response)
            if not answer:
                return
            at_once(self.session.accept(answer))
        except (NegotiationError, ParseError):
            return
        except Exception:
            _log.exception("The early media of %s could not be agreed on.", self.name)
            return
        self._early_tag = tag
        try:
            self.session.start()
        except Exception:
            _log.exception("The early media of %s could not be started.", self.name)

    def _take_success(self, response: Response) -> None:
        assert self.dialog_state is not None
        try:
            data = self.dialog_state.established_by(response)
            data.next_hop()
        except ParseError as wrong:
            # Nobody could be sent an ACK; the other side gives up without one (§13.3.1.4).
            if self._ack is None:
                message = f"The answer cannot be used: {wrong}"
                self.hear("failed", CallFailed(message, response=response))
            return
        tag = data.remote_tag
        if self._ack is None:
            error = None
            if self.state == "InitiatingDialog":
                client_request = self._outgoing
                error = None if client_request is None else client_request.unproven
                error = error or self._take_answer(response, tag)
            if response._body and not (self._offer or self._ack_body):
                self._refuse_offer(response)
            if error is None:
                self.hear("success", data)
            else:
                self.hear("unusable", error, data)
            return
        if tag == self.dialog_state.remote_tag:
            self.hear("success_again", response)
            return
        for fork in self.forks:
            if fork.dialog_state is not None and fork.dialog_state.remote_tag == tag:
                fork.hear("success_again", response)
                return
        if len(self.forks) >= self.MAX_FORKS:
            return
        fork = type(self)(self.agent)
        fork.portal = self.portal
        self.forks += (fork,)
        if response._body and not self._offer:
            fork._outgoing = self._outgoing
            fork._refuse_offer(response)
        fork.hear("forked", data, self)
        self._emit(CallForked, fork)
        if self.state != "InDialog" or not self.agent.keep_forks:
            fork.hit("terminate")

    def _take_answer(self, response: Response, tag: str) -> CallFailed | None:
        """Agree on media by a 2xx (RFC 3261 §13.2.2.4); return what is wrong with it."""
        session = self.session
        if session is None:
            return None
        try:
            body = session_description(response)
            if not self._offer:
                if body:
                    self._ack_body = at_once(session.answer(body))
                elif self._late_offer:
                    raise NegotiationError("The answer to an INVITE without an offer brings none.")
            elif self._early_tag is None or self._early_tag != tag:
                if not body:
                    raise NegotiationError("The answer holds no session description.")
                at_once(session.accept(body))
        except Exception as error:
            # Whatever a session raises, a 2xx is acknowledged, and the call hung up.
            if not isinstance(error, NegotiationError | ParseError):
                _log.exception("The media of %s could not be agreed on.", self.name)
            failure = CallFailed(f"The answer carries bad media: {error}", 488, "", response)
            failure.__cause__ = error
            return failure
        return None

    def _refuse_offer(self, response: Response) -> None:
        """Make the answer to an offer that nobody here takes: the ACK has to have a valid one, even
        where BYE follows (RFC 3261 §13.2.2.4), so it refuses each stream.
        """
        flow = None if self._outgoing is None else self._outgoing.flow
        if flow is None:
            return
        try:
            offer = session_description(response)
        except ParseError:
            return  # what cannot be read can have no answer
        if offer:
            self._ack_body = self.agent.refuse_streams(offer, flow)

    def _establish(self, data: DialogState) -> None:
        self._acknowledge(data)
        self._start_media()
        if self.agent.observed:
            self._emit(CallEstablished)

    def _establish_fork(self, data: DialogState, first: InviteUsage) -> None:
        self.role = "caller"
        self.endpoint = first.endpoint
        self.flow_contact = first.flow_contact
        self._invite_number = first._invite_number
        self._outgoing = first._outgoing
        self._acknowledge(data)

    def _acknowledge(self, data: DialogState) -> None:
        """Become the dialog that a 2xx makes, and acknowledge it."""
        self.dialog_state = data
        if self.state not in self.final:
            # One that is over takes no requests any more; our BYE is all that is left to say.
            self.core.add_dialog(self)
        fields: list[Field] = []
        if self._ack_body:
            kind = SDP if self.session is None else self.session.content_type
            fields.append(field("Content-Type", kind))
        ack = data.request("ACK", fields, self._ack_body, self._invite_number)
        self._ack = Acknowledgement(self, ack, data.next_hop(), self._outgoing)
        self._ack.send()

    def _acknowledge_again(self, response: Response) -> None:
        if self._ack is not None:
            self._ack.send()

    def _acknowledge_and_hang_up(self, *arguments: Any) -> None:
        # Of "success" and "unusable" alike, the dialog comes last.
        self._acknowledge(arguments[-1])
        self._send_bye()


def _hosts(agent: Any, flow: Flow) -> tuple[str, str, str]:
    """What of a flow media depends on: our host, as it is and as it is advertised, and theirs."""
    return flow.local[0], agent.address_on(flow)[0], flow.remote[0]
