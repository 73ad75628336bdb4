"""The dialog of RFC 3261 §12: its identity, sequence numbers, route set and remote target, whether
it is early or confirmed, and its usages (RFC 5057).

Laws:

* A core finds it by its identity. One INVITE may make several: each To tag of a provisional
  response is an early dialog, each of a 2xx a confirmed one.
* A request goes to one usage: the latest that says that it is its own (`Dialog.owns`).
* It is over with its last usage, or where a response ends it as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from sipparty.errors import CallFailed, ParseError, UsageError
from sipparty.sip.auth import Origin
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import Ends, what_ends
from sipparty.sip.dialog.sending import Sender
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import address_tag
from sipparty.sip.lenient import tidied
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.routing import (
    NextHop,
    as_request_uri,
    is_loose,
    is_secure,
    record_route,
    remote_target,
)
from sipparty.sip.shares import DIALOG_WEIGHT, Share
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.transports import SECURE_TRANSPORTS
from sipparty.sip.validation import is_rfc2543
from sipparty.sip.values import CSeq, DNameURI

if TYPE_CHECKING:
    from sipparty.sip.dialog.dialog import Dialog

__all__ = ["DialogState"]

_MAX_FORWARDS = field("Max-Forwards", "70")


class DialogState:
    """A dialog. What it is made of is kept as text: requests are made of it, and none of it is
    looked into.

    Args:
        call_id: The Call-ID.
        local: Our From or To value, with our tag.
        remote: Theirs, with their tag once it is known.
        local_tag: Our tag.
        remote_tag: Their tag; "" until it is known, or where an old peer gives none (§12.1.1).
        local_seq: The CSeq number of our last request.
        remote_seq: That of theirs; -1 before the first.
        remote_target: The URI that requests go to.
        route_set: Route values in the order they are to be written.
        secure: Whether it was made by a request to a `sips:` URI: it goes by secure transports
            alone then, over each hop (§12.1.1, RFC 5630 §3.1).

    Attributes:
        early: Whether no 2xx has confirmed it yet (§12).
        usages: Its usages, in the order in which they came.
        agent: The user agent whose dialog it is; None before the first usage.
        contact: The Contact value that we gave the peer.
        endpoint: The endpoint, or the flow, that our requests leave by.
        invite_flow: The flow that our own INVITE took; None before, and where it was theirs.
        back: The flow to the peer who named the remote target and the route set; None where nobody
            but the program has.
        proven: Whether that peer has shown that it receives what is sent by it. Until then nothing
            is sent anywhere else at its word.
        share: That of the source that began it; None for one of ours.
        half_open: Whether it counts as one that nobody has acknowledged yet.
        queue: Our requests that are yet to leave, in order; None before the first.
        bytes_held: The bytes that are kept of what the peer sent, as the core counts them.
    """

    #: Requests that wait for one before them to leave; beyond so many no more can be sent but BYE.
    MAX_QUEUED = 64

    __slots__ = (
        *("agent", "back", "bytes_held", "call_id", "contact", "early", "endpoint", "half_open"),
        *(
            "invite_flow",
            "local",
            "local_seq",
            "local_tag",
            "proven",
            "queue",
            "remote",
            "remote_seq",
        ),
        *("remote_tag", "remote_target", "route_set", "secure", "share", "usages"),
    )

    def __init__(
        self,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str = "",
        local_seq: int = 0,
        remote_seq: int = -1,
        remote_target: str = "",
        route_set: tuple[str, ...] = (),
        secure: bool = False,
    ) -> None:
        self.secure = secure
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.local_seq = local_seq
        self.remote_seq = remote_seq
        self.remote_target = remote_target
        self.route_set = route_set
        self.early = True
        self.usages: tuple[Dialog, ...] = ()
        self.agent: Any = None
        self.contact = ""
        self.endpoint: Hashable = None
        self.invite_flow: Flow | None = None
        self.back: Flow | None = None
        self.proven = True
        self.share: Share | None = None
        self.half_open = False
        self.bytes_held = 0
        self.queue: deque[ClientRequest] | None = None

    @classmethod
    def of_request(cls, request: Request, local_tag: str, local_seq: int) -> DialogState:
        """Make the state of the side that is called (RFC 3261 §12.1.1).

        Raises:
            ParseError: From, To, Call-ID, CSeq or Contact is missing or wrong; or it is to a
                `sips:` URI, and Contact or a Record-Route is not one (RFC 5630 §5.1.2).
        """
        facts = request._facts or request.facts
        to, remote = _required(request, "to"), _required(request, "from")
        tag, number = facts.from_tag, facts.number
        if not facts.plain:
            # What came is read as it is; what is sent on is written as it should be.
            to, remote = tidied(to), tidied(remote)
            tag, number = address_tag(remote), CSeq.parse(_required(request, "cseq")).number
        target = remote_target(request, required=False)
        if not target:
            # RFC 2543 asked for no Contact: From says where its calls come from (RFC 4475 §3.4.1).
            target = remote_target(request, required=not is_rfc2543(request))
            target = target or as_request_uri(DNameURI.parse(remote).uri_text)
        made = cls(
            call_id=facts.call_id or _required(request, "call-id"),
            local=f"{to};tag={local_tag}",
            local_tag=local_tag,
            remote=remote,
            remote_tag=tag or "",
            local_seq=local_seq,
            remote_seq=number,
            remote_target=target,
            route_set=record_route(request),
            secure=is_secure(request._uri_text),
        )
        if made.secure:
            made._check_security(made.remote_target, made.route_set)
        return made

    def _check_security(self, target: str, routes: tuple[str, ...]) -> None:
        """Check that all hops of a secure dialog are.

        Raises:
            ParseError: The remote target or a route is no `sips:` URI.
        """
        self.check_target(target)
        for route in routes:
            uri = DNameURI.parse(route).uri_text
            if not is_secure(uri):
                raise ParseError(uri, "a sips: URI, as the call is to one", 0, what="Record-Route")

    def check_target(self, uri: str) -> None:
        """Check that a URI may be the remote target.

        Raises:
            ParseError: It is no `sips:` URI, and the dialog is secure (RFC 5630 §5.1.1.2).
        """
        if self.secure and not is_secure(uri):
            raise ParseError(uri, "a sips: URI, as the call is to one", 0, what="Contact")

    def new_target(self, message: Message) -> str:
        """Return the remote target that a target refresh gives (§12.2.1.2, §12.2.2).

        Raises:
            ParseError: The Contact is nothing that requests could be sent to.
        """
        target = remote_target(message, required=False) or self.remote_target
        if target != self.remote_target:
            self.check_target(target)
            NextHop.of(target)  # else the call could not even be hung up
        return target

    def give_contact(self, flow: Flow, secure: bool) -> None:
        """Choose the Contact that the peer has of us, for a request that came by a flow."""
        self.contact = self.agent.contact(flow, secure and flow.transport in SECURE_TRANSPORTS)

    def contact_on(self, flow: Flow) -> str:
        """Return the Contact of a request of ours: the one that the peer has, unless we send from
        another address since, which a target refresh has to say (§12.2.1.1).
        """
        before = self.invite_flow or self.back
        if not self.contact or (before is not None and before.local[0] != flow.local[0]):
            self.give_contact(flow, self.secure or is_secure(self.contact[1:]))
        return self.contact

    def follow(self, flow: Flow) -> None:
        """Send requests by the flow that a re-INVITE came by, once its sender has acknowledged what
        went back there: a peer may move to another address or connection (§12.2.2).
        """
        if self.back is not None and flow != self.back:
            self.back = flow
            self.endpoint = flow.endpoint

    @property
    def wants_secure_contact(self) -> bool:
        """Whether the Contact that answers the request has to be a `sips:` URI: where the
        request-URI is, or the first Record-Route, or without one the Contact (§12.1.1).
        """
        if self.secure or not self.route_set:
            return self.secure or is_secure(self.remote_target)
        return is_secure(DNameURI.parse(self.route_set[0]).uri_text)

    def answered_by(self, response: Response) -> DialogState:
        """Return the dialog of the side that called, as a response to its INVITE makes it: early by
        a provisional one, confirmed by a 2xx (§12.1.2).

        Raises:
            ParseError: To, Contact or a Record-Route is wrong; or the INVITE was to a `sips:` URI,
                and they are not.
        """
        made = self.with_remote(tidied(_required(response, "to")))
        made.renew(response)
        return made

    def with_remote(self, remote: str) -> DialogState:
        """Return a dialog that has the local side of this one, and another remote side.

        Args:
            remote: Their From or To value, with their tag.
        """
        made = DialogState(
            call_id=self.call_id,
            local=self.local,
            local_tag=self.local_tag,
            remote=remote,
            remote_tag=address_tag(remote) or "",
            local_seq=self.local_seq,
            remote_target=self.remote_target,
            route_set=self.route_set,
            secure=self.secure,
        )
        made.contact, made.endpoint = self.contact, self.endpoint
        made.invite_flow = made.back = self.invite_flow
        return made

    def renew(self, response: Response) -> None:
        """Take route set and remote target from a response to the INVITE that began the dialog: the
        2xx computes them anew (§13.2.2.4).

        Raises:
            ParseError: As `answered_by`; the dialog stays as it was.
        """
        routes = record_route(response)[::-1]
        for route in routes:
            NextHop.of(DNameURI.parse(route).uri_text)
        target = remote_target(response, required=False) or self.remote_target
        if self.secure:
            self._check_security(target, routes)
        self.route_set, self.remote_target = routes, target
        self.early = response.status < 200

    @property
    def identity(self) -> tuple[str, str, str]:
        """Call-ID, local tag and remote tag (§12)."""
        return (self.call_id, self.local_tag, self.remote_tag)

    def next_hop(self) -> NextHop:
        """Return where the next request goes first (§12.2.1.1).

        Raises:
            ParseError: The route or the target is no SIP URI.
        """
        back, routes = self.back, self.route_set
        uri = DNameURI.parse(routes[0]).uri_text if routes else self.remote_target
        hop = NextHop.of(uri, back)
        if self.secure:
            hop = hop.secured()
        if self.proven or back is None:
            return hop
        host, port = back.remote[0], back.remote[1]
        return hop._replace(host=host, port=port, transport=back.transport, maddr=None)

    def request(
        self, method: str, extra: Sequence[Field], body: bytes = b"", number: int | None = None
    ) -> Request:
        """Make a request in the dialog (§12.2.1.1).

        Args:
            method: The method; the sequence number goes up for all but ACK and CANCEL.
            extra: Further header lines.
            body: The body.
            number: The sequence number of the request that an ACK is for, or that this one takes
                the place of; None for the next.
        """
        if number is None:
            number = self.local_seq = self.local_seq + 1
        target = self.remote_target
        routes = self.route_set
        if routes and not is_loose(routes[0]):
            # A strict router takes its own URI as the target, ours comes last (§12.2.1.1).
            target = as_request_uri(DNameURI.parse(routes[0]).uri_text)
            routes = (*routes[1:], f"<{self.remote_target}>")
        fields = [field("Route", route) for route in routes] if routes else []
        fields += (
            _MAX_FORWARDS,
            ("from", self.local, f"From: {self.local}"),
            ("to", self.remote, f"To: {self.remote}"),
            ("call-id", self.call_id, f"Call-ID: {self.call_id}"),
            ("cseq", f"{number} {method}", f"CSeq: {number} {method}"),
        )
        fields += extra
        return Request.of(method, target, fields, body)

    # ---------------------------------------------------------------- usages

    def join(self, usage: Dialog) -> None:
        """Add a usage; the core finds it from the first one on."""
        first = not self.usages
        if usage not in self.usages:
            self.usages += (usage,)
        if first:
            # An early dialog that was left is there again by a 2xx of its own (§13.2.2.4).
            self.agent = usage.agent
            usage.core.add_dialog(self)

    def leave(self, usage: Dialog) -> None:
        """Remove a usage; the dialog is over with the last one (RFC 5057 §4.1)."""
        before = self.usages
        alone = before == (usage,)
        self.usages = () if alone else tuple(one for one in before if one is not usage)
        if before and not self.usages:
            usage.core.remove_dialog(self)
        elif before:
            usage.core.weigh(self)

    @property
    def call(self) -> Dialog | None:
        """Its usage of INVITE; None where it has none."""
        return next((usage for usage in self.usages if "INVITE" in usage.methods), None)

    @property
    def is_unproven(self) -> bool:
        """Whether a peer began it that has not shown yet that it receives what it is sent."""
        return self.half_open and self.share is not None and not self.share.proofs

    def prove(self) -> None:
        """Count it as acknowledged, and its source as one that receives what it is sent."""
        share = self.share
        if self.half_open and share is not None:
            self.half_open = False
            share.half_open -= 1
            share.prove()

    @property
    def weight(self) -> int:
        """The bytes that it and its usages keep of what the peer sent."""
        texts = (self.call_id, self.local, self.remote, self.remote_target, *self.route_set)
        weight = sum(map(len, texts)) + DIALOG_WEIGHT
        for usage in self.usages:
            weight += usage.weight
        return weight

    # ---------------------------------------------------------------- requests in

    def request_received(self, transaction: ServerTransaction) -> None:
        """Take a request inside the dialog (§12.2.2).

        Raises:
            ParseError: A header that is needed is wrong; the core answers with its status.
        """
        request = transaction.request
        if not self.proven:
            self.proven = True  # it knows our tag, which was sent to that address alone
            for usage in self.usages:
                usage.peer_proven()
        number = (request._facts or request.facts).number
        if number < self.remote_seq:
            # §12.2.2: out of order. A request sent again never comes here.
            transaction.answer(500, "CSeq Out Of Order")
            return
        self.remote_seq = number
        for usage in reversed(self.usages):
            if usage.owns(request):
                if self.agent.understands(transaction):
                    usage.request_received(transaction, self)
                return
        take = self.agent.in_dialog.get(request.method)
        if take is not None:
            if self.agent.understands(transaction):
                take(transaction, self)
        elif any(request.method in usage.methods for usage in self.usages):
            self.agent.refuse(transaction, 481)  # RFC 6665 §4.1.3: no such usage
        else:
            self.agent.refuse_method(transaction)

    def ack_received(self, ack: Request) -> None:
        """Take an ACK for a 2xx of ours."""
        self.proven = True
        for usage in self.usages:
            usage.ack_received(ack)

    # ---------------------------------------------------------------- requests out

    @property
    def origin(self) -> Origin:
        """Who has begun it: that decides whose challenges to our requests are answered."""
        return Origin.OUR_CALL if self.invite_flow is not None else Origin.THEIR_CALL

    def send_request(
        self,
        usage: Dialog,
        method: str,
        fields: Sequence[Field],
        body: bytes = b"",
        user: Any = None,
    ) -> ClientRequest:
        """Send a request inside the dialog (§12.2.1); what its response ends, it ends.

        Args:
            usage: Whose request it is.
            method: The method.
            fields: Header lines beside those of the dialog.
            body: The body.
            user: Who is given what comes of it, as a `RequestUser`; None for nobody.

        It leaves behind those that were sent before it, and takes its CSeq number then.

        Raises:
            ParseError: There is no flow by the route or to the target.
            UsageError: `MAX_QUEUED` wait already, and it is no BYE, and no PRACK, whose number has
                a bound of its own.
        """
        if self.queue is None:
            self.queue = deque()
        elif len(self.queue) >= self.MAX_QUEUED and method not in ("BYE", "PRACK"):
            raise UsageError(
                f"{len(self.queue)} requests wait for the flow of the first to be found."
            )
        sender = Sender(self, usage, user, method, fields, body)
        core, hop = usage.core, self.next_hop()
        request = ClientRequest(core, sender, hop, self.endpoint, usage.agent, self.origin)
        request._portal = usage._portal
        request.start(self.queue)
        return request

    def send_bye(self, usage: Dialog, fields: Sequence[Field]) -> bool:
        """Send the BYE of a usage.

        Returns:
            Whether there may be an answer: where nothing shows that anybody is there, it is sent
            once and by the flow that the INVITE came by, and not waited for.
        """
        if self.proven or self.back is None:
            self.send_request(usage, "BYE", fields, b"", usage)
            return True
        transactions, bye = usage.core.transactions, self.request("BYE", fields)
        sent_by = usage.agent.sent_by(self.back)
        transactions.put_via(bye, self.back, usage.core.tokens.branch(), sent_by)
        transactions.transmit((bytes(bye), self.back))
        return False

    def refused(self, usage: Dialog, method: str, error: CallFailed) -> None:
        """End what the failure of a request ends (RFC 5057 §5): 408 where no response came."""
        ends = what_ends(method, error.status or 0, usage.essential)
        ended = self.usages if ends is Ends.DIALOG else (usage,) if ends is Ends.USAGE else ()
        for one in ended:
            if one.dialog_state is self:  # else another fork has answered it
                one.peer_lost(error)


def _required(message: Message, key: str) -> str:
    text = message._text(key)
    if not text:
        raise ParseError(str(message)[:80], f"a {key.title()} header", None, what="SIP message")
    return text
