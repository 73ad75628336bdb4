"""An INVITE of ours that begins a call, and the dialogs that come of it (RFC 3261 §13.2).

Laws:

* Each To tag of a provisional response is an early dialog, in which requests are taken and sent
  (§12.1). The final response ends all but its own.
* A 2xx is acknowledged each time it comes (§13.2.2.4). A further one is of a fork: a call of its
  own, which is hung up unless it is wanted.
* There are so many dialogs of one INVITE at the most: a peer may make them without end.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from sipparty.errors import (
    CallFailed,
    CallTimedOut,
    CallUnreachable,
    NegotiationError,
    ParseError,
)
from sipparty.sip.bodies import session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.dialog.outcomes import log_media_fault, media_failure, rejection
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallRedirected
from sipparty.sip.fields import field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import check_line
from sipparty.sip.message import Request, Response
from sipparty.sip.multipart import Multipart, Part
from sipparty.sip.routing import NextHop, as_request_uri, is_secure
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.user_headers import given_fields, replaced
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.dialog.invite_usage import InviteUsage
    from sipparty.sip.diversion import History

__all__ = ["ClientInvite"]


class ClientInvite:
    """The INVITE of a call that we make; see `SimpleCall.invite` for the arguments.

    Attributes:
        request: The request under way.
        template: The dialog as far as it is known before an answer: what the INVITE is made of.
        offer: The offer that it carries; b"" for none.
        early: The dialogs that provisional responses have made, by remote tag.
        acks: What acknowledges the 2xx, by remote tag: one for each dialog.
        answered: The dialog of the 2xx that the session is still busy with; None for none.
        agreed: The remote tag of the early dialog that the first offer was answered in for certain,
            by a reliable provisional response; None before.
        answers: The answers that such responses of other forks have brought, by remote tag.
        responses: The last provisional response in each early dialog, by remote tag.
        rseqs: The RSeq of the last reliable one, likewise.
        history: Where it has been so far, for History-Info; None where it does not say.
        unacknowledged: How many of our PRACKs are not answered yet.
    """

    __slots__ = (
        *("_failure", "_headers", "_late_offer", "_media_flow", "_parts", "_ready", "acks"),
        *("agreed", "answered", "answers", "call", "early", "offer", "request", "responses"),
        *("history", "rseqs", "template", "unacknowledged"),
    )

    def __init__(
        self,
        call: InviteUsage,
        uri: str,
        next_hop: NextHop | None,
        routes: tuple[str, ...],
        expires: float | None,
        late_offer: bool,
        headers: Iterable[tuple[str, str]],
        parts: tuple[Part, ...],
        endpoint: Hashable,
        redirects: int | None,
    ) -> None:
        agent, tokens = call.agent, call.core.tokens
        tag = tokens.tag()
        checked = given_fields(headers)
        if next_hop is not None or routes:
            # Nobody else looks at what is not the call's.
            split_sip_uri(uri)
            for route in routes:
                NextHop.of(DNameURI.parse(check_line(route, "route")).uri_text)
        if "?" in uri or ";" in uri:
            uri = as_request_uri(uri)
        if agent.registration is not None and next_hop is None and endpoint is None:
            routes, next_hop, endpoint = agent.registration.route.preload(routes, uri)
        self.template = template = DialogState(
            call_id=tokens.call_id(),
            local=f"{agent.address};tag={tag}",
            local_tag=tag,
            remote=f"<{uri}>",
            local_seq=tokens.number(24),
            remote_target=uri,
            route_set=routes,
            secure=is_secure(uri),
        )
        hop = template.next_hop() if next_hop is None else next_hop
        if template.secure:
            hop = hop.secured()
        if expires is not None:
            call.patience = expires
            checked = replaced(checked, [field("Expires", str(ceil(expires)))])
        self.call = call
        self._headers = checked
        self._parts = parts
        self._late_offer = late_offer
        self._media_flow: Flow | None = None
        self._ready = True
        self._failure: Exception | None = None
        self.offer = b""
        self.history: History | None = None
        self.early: dict[str, DialogState] = {}
        self.agreed: str | None = None
        self.answers: dict[str, bytes] = {}
        self.responses: dict[str, Response] = {}
        self.rseqs: dict[str, int] = {}
        self.unacknowledged = 0
        self.acks: dict[str, Acknowledgement] = {}
        self.answered: DialogState | None = None
        self.request = ClientRequest(call.core, self, hop, endpoint, agent)
        self.request.redirects = redirects

    # ---------------------------------------------------------------- the request

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request | None:
        """Make the INVITE for the flow that it takes; None while its offer is being made."""
        template, call = self.template, self.call
        if client_request.attempts and self.early:
            # §12.3: the final response to the attempt before has ended what it had begun.
            self.leave_early()
            self.early, self.responses, self.rseqs, self.answers = {}, {}, {}, {}
            if call.offer_answer is not None:
                call.offer_answer.previewed = None
            if self.agreed is not None:
                # The session has its answer: for another target it begins anew.
                self.agreed = None
                self._media_flow = None
        target = client_request.target
        if target is not None:
            template.remote_target = target
            template.secure = template.secure or is_secure(target)
        given = client_request.endpoint
        # A flow that was asked for is that of the whole call, while it stands.
        same = isinstance(given, Flow) and given.endpoint is flow.endpoint
        template.endpoint = given if same else flow.endpoint
        template.invite_flow = flow
        if call.agent.registration is not None and template.route_set:
            template.route_set = call.agent.registration.route.rerouted(template.route_set, flow)
        # RFC 3261 §8.1.1.8: a sips: URI where the request-URI is one.
        template.contact = contact = call.agent.contact(flow, template.secure)
        if self._media_flow is not flow:
            self._describe(flow)
        if self._failure is not None:
            raise self._failure
        if not self._ready:
            return None
        agent, said = call.agent, []
        of_us = call.privacy or agent.privacy or agent.asserted_identity or agent.preferred_identity
        if of_us or agent.history_info or agent.session_expires is not None:
            from sipparty.sip.identity import said_of_us

            said = said_of_us(self, client_request, flow)
            contact = template.contact
        fields = [("contact", contact, f"Contact: {contact}")]
        fields += agent.capability_fields
        fields += said
        if agent.info is not None:
            fields.append(agent.info.recv_info)
        if call.agent.reliable_provisionals == "required":
            fields.append(field("Require", "100rel"))  # RFC 3262 §4
        fields = replaced(fields, self._headers)
        body = self.offer
        kind = call.session.content_type if body and call.session is not None else None
        if self._parts:
            offer = [] if kind is None else [Part(kind, body)]
            whole = Multipart([*offer, *self._parts])
            body, kind = bytes(whole), str(whole.content_type)
        if kind is not None:
            fields.append(field("Content-Type", kind))
        request = template.request("INVITE", fields, body, client_request.number)
        if call.max_forwards != 70:
            request["Max-Forwards"] = call.max_forwards
        return request

    def _describe(self, flow: Flow) -> None:
        """Have the media where it is for a flow, and an offer that says so: another target may be
        reached from another address of ours, which media for the first cannot come to.
        """
        call, former = self.call, self._media_flow
        self._media_flow = flow
        if former is not None and _hosts(call, flow) == _hosts(call, former):
            return
        if not call.agent.offers:
            return
        self._failure = None
        before = call.session
        session = call.agent.new_session(call, flow)
        if before is not None and before is not session:
            before.stop()
        offers = call.use_session(session)
        if session is None or offers is None or self._late_offer:
            return
        self._ready = False
        building = True

        def made(offer: bytes | None, failure: Exception | None = None) -> None:
            self.offer = offer or b""
            self._failure = failure
            self._ready = True
            if not building and self._media_flow is not None and not self.request.finished:
                self.request.flow_found(self._media_flow)

        offers.make_offer("INVITE", session.offer, made, lambda error: made(None, error))
        building = False

    # ---------------------------------------------------------------- responses

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to the INVITE."""
        status = response.status
        if self.call.agent.info is not None and status < 300:
            from sipparty.sip.info import note_packages

            note_packages(self.call, response)
        if status < 200:
            self.call.hear("provisional", response)
        elif status < 300:
            self._take_success(response)
        else:
            self.call.hear("failed", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that it will have no response."""
        self.call.hear("failed", error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Emit where the call goes now."""
        if self.call.agent.observed:
            self.call._emit(CallRedirected, client_request.target)

    def request_over(self, client_request: ClientRequest) -> None:
        """Drop what was kept to acknowledge its answers: none can come any more."""
        state, self.answered = self.answered, None
        if state is not None:
            # Who has answered has given up by now (§13.3.1.4).
            late = CallTimedOut("The media was not agreed on in time.", 408, "Request Timeout")
            self.call.hear("unusable", late, state)
        for state in self.early.values():
            if state.early:
                state.leave(self.call)  # §13.2.2.4: it was not answered within 64 * T1
        acks, self.acks, self.early = self.acks, {}, {}
        self.call._invite = None
        for ack in acks.values():
            if ack.usage.state == "Initial":
                late = CallTimedOut("The media was not agreed on in time.", 408, "Request Timeout")
                ack.usage.hear("given_up", late)  # a fork
            ack.usage._invite = None
            if ack.failure:
                message = f"The answer could not be acknowledged: {ack.failure}"
                ack.usage.peer_lost(CallUnreachable(message, 503, "Service Unavailable"))

    def note_progress(self, response: Response) -> bool:
        """Have the early dialog that a provisional response makes (§12.1.2), and its media.

        Returns:
            Whether it is to be reported: not a reliable one that came before, or out of order.
        """
        try:
            tag = response.facts.to_tag or ""
            state = self.early.get(tag)
            if state is None and tag and len(self.early) < self.call.MAX_FORKS:
                state = self.early[tag] = self.template.answered_by(response)
            if state is not None:
                self.call.join(state)
        except ParseError:
            return True
        if state is not None:
            if "rseq" in (response._index or ()):
                from sipparty.sip.dialog.reliable import rseq_of, take_reliable

                rseq = rseq_of(response)
                if rseq and not take_reliable(self, response, state, rseq):
                    return False
                if rseq:
                    self.responses[tag] = response
                    return True
            self.responses[tag] = response
        if response.body and self.offer:
            self._take_preview(response, tag)
        return True

    def _take_preview(self, response: Response, tag: str) -> None:
        """Let early media flow; an answer that cannot be used is left for the 2xx to mend."""
        from sipparty.sip.dialog.early import start_early

        call, offers = self.call, self.call.offer_answer
        if offers is None or offers.previewed is not None or self.agreed is not None:
            return

        def failed(error: Exception) -> None:
            log_media_fault(call.name, "The early media could not be agreed on", error)

        try:
            answer = session_description(response)
        except ParseError:
            return
        if answer:
            offers.preview(answer, tag, partial(start_early, call), failed)

    def leave_early(self, but: DialogState | None = None) -> None:
        """End the early dialogs, all but one; a 2xx for one of them finds it still."""
        for state in self.early.values():
            if state is not but:
                state.leave(self.call)

    def _take_success(self, response: Response) -> None:
        call, acks = self.call, self.acks
        try:
            tag = response.facts.to_tag or ""
            state = self.early.get(tag)
            if state is None or tag in acks:
                state = self.template.answered_by(response)
            else:
                state.renew(response)
            state.next_hop()
        except ParseError as wrong:
            if not acks:
                from sipparty.sip.dialog.early import take_unusable

                take_unusable(self, response, wrong)
            elif tag in acks:
                acks[tag].send()
            return
        if tag in acks:
            acks[tag].send()
            return
        if acks:
            from sipparty.sip.dialog.early import take_fork

            take_fork(self, response, state)
            return
        ack = acks[tag] = Acknowledgement(call, state, self.request, self.request.number or 0)
        if call.agent.session_expires is not None or "session-expires" in (response._index or ()):
            from sipparty.sip.dialog.session_timer import take_2xx

            take_2xx(call, self.request, response)
        if call.agent.trusted_peers and "p-asserted-identity" in (response._index or ()):
            assert self.request.flow is not None
            call.peer_info = call.agent.peer_info(response, self.request.flow)
        if call.state != "InitiatingDialog":
            self.leave_early(state)
            self.refuse_offer(ack, response)
            call.hear("success", state)
        elif self.request.unproven is not None:
            self.refuse_offer(ack, response)
            call.hear("unusable", self.request.unproven, state)
        else:
            self.answered = state
            call.join(state)  # a BYE may come before its media is agreed on
            self._take_answer(ack, response, tag)

    def _take_answer(self, ack: Acknowledgement, response: Response, tag: str) -> None:
        """Agree on media by a 2xx (§13.2.2.4), now or later."""
        call, offers, state = self.call, self.call.offer_answer, ack.state

        def done(answer: bytes = b"") -> None:
            if self.answered is not state:
                return  # the call was ended meanwhile, and the 2xx acknowledged
            self.answered = None
            ack.body = answer
            call.hear("success", state)
            if call._modifications:
                call.proceed()

        def failed(error: Exception) -> None:
            # Whatever a session raises, a 2xx is acknowledged, and the call hung up.
            if self.answered is not state:
                return
            self.answered = None
            what = "The answer carries bad media"
            failure = media_failure(call.name, what, error, 488, response)
            self.refuse_offer(ack, response)
            call.hear("unusable", failure, state)

        if tag == self.agreed:
            done()  # RFC 6337 §3.1.1: what it describes besides means nothing
            return
        if offers is None:
            if response._body:
                self.refuse_offer(ack, response)
            done(ack.body)
            return
        try:
            body = session_description(response)
        except ParseError as error:
            failed(error)
            return
        if self.agreed is not None:
            from sipparty.sip.dialog.early import agree_anew

            agree_anew(self, body or self.answers.get(tag, b""), done, failed)
        elif offers.answered_in("2xx"):
            if offers.previewed is not None and offers.previewed == tag:
                offers.hit("receive_answer")
                done()
            elif body:
                offers.take_answer(body, done, failed)
            else:
                failed(NegotiationError("The answer holds no session description."))
        elif body:
            self.refuse_offer(
                ack, response
            )  # for an ACK that has to leave before the answer is made
            offers.make_answer(body, done, failed)
        elif self._late_offer:
            message = "The answer to an INVITE without an offer brings none."
            failed(NegotiationError(message))
        else:
            done()

    def refuse_offer(self, ack: Acknowledgement, response: Response) -> None:
        """Make the answer to an offer that nobody here takes: the ACK has to have a valid one, even
        where BYE follows (RFC 3261 §13.2.2.4), so it refuses each stream.
        """
        flow = self.request.flow
        if self.offer or flow is None or not response._body:
            return
        try:
            offer = session_description(response)
        except ParseError:
            return  # what cannot be read can have no answer
        if offer:
            ack.body = self.refusal_of(offer)

    def refusal_of(self, offer: bytes) -> bytes:
        """Return the answer that takes none of an offer's streams; b"" where there can be none."""
        flow = self.request.flow
        return b"" if flow is None else self.call.agent.refuse_streams(offer, flow)

    # ---------------------------------------------------------------- ending before the call is up

    def withdraw(self) -> None:
        """Cancel it; hang up where it is answered, and the media being agreed on."""
        state, self.answered = self.answered, None
        if state is None:
            self.request.cancel_fields = self.call._hang_up_fields
            self.request.cancel()
            if not self._ready:
                self.request.flow_failed("")  # its offer is not waited for
        else:
            self.call.acknowledge_and_hang_up(state)

    def give_up(self, patience: float) -> str:
        """End it for want of an answer; say so."""
        self.withdraw()
        return f"Nobody answered within {patience:g} s."

    def ended_by_bye(self) -> None:
        """Take note that its 2xx was followed by a BYE before it was acknowledged."""
        if self.answered is not None:
            self.call.acknowledge(self.answered)

    def acknowledge(self, state: DialogState) -> None:
        """Acknowledge the 2xx that has made a dialog, for the first time."""
        self.acks[state.remote_tag].complete()


def _hosts(call: InviteUsage, flow: Flow) -> tuple[str, str, str]:
    """What of a flow media depends on: our host, as it is and as it is advertised, and theirs."""
    return flow.local[0], call.agent.address_on(flow)[0], flow.remote[0]
