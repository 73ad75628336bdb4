"""What begins a subscription, and the dialogs that NOTIFYs make for it (RFC 6665 §4.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sipparty.errors import CallFailed, UsageError, printable
from sipparty.fsm import Entry
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.lenient import tidied
from sipparty.sip.message import Request, Response
from sipparty.sip.routing import NextHop, is_secure, record_route, remote_target
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.notification.subscriber import Subscription

__all__ = ["Asked", "FirstSubscribe", "Forming", "dialog_of_notify", "refusal", "template_of"]


class Asked(NamedTuple):
    """What is subscribed to; kept to do so once more.

    Args:
        uri: The request-URI.
        next_hop: Where the SUBSCRIBE goes first; None for what routes or URI say.
        routes: A preloaded route set.
        fields: Its further header lines.
        body: Its body, whose Content-Type is among them.
        endpoint: What it is sent from, or a whole flow; None for the agent's own.
        within: The dialog that it is sent in; None for one of its own.
    """

    uri: str
    next_hop: NextHop | None = None
    routes: tuple[str, ...] = ()
    fields: Sequence[Field] = ()
    body: bytes = b""
    endpoint: Any = None
    within: DialogState | None = None

    def fields_for(self, usage: Subscription[Any], expires: int) -> list[Field]:
        """Return the header lines of a SUBSCRIBE for so many seconds, but for Contact."""
        fields = [field("Event", usage.event), field("Expires", str(expires))]
        if usage.accepts:
            fields.append(field("Accept", ", ".join(usage.accepts)))
        return [*fields, *usage.agent.capability_fields, *self.fields]


class Forming:
    """The dialogs that NOTIFYs may make for a request of ours (§4.4.1).

    Args:
        usage: The subscription; the first dialog is its own.
        template: What the dialogs have of the request.
        seconds: After how long no more are made; None for one dialog alone.
    """

    __slots__ = ("_entry", "_key", "_usage", "template")

    def __init__(
        self, usage: Subscription[Any], template: DialogState, seconds: float | None
    ) -> None:
        self._usage = usage
        self.template = template
        self._key = (template.call_id, template.local_tag)
        usage.core.forming[self._key] = self.take
        self._entry: Entry | None = None
        if seconds is not None:
            self._entry = usage.core.timers.arm(seconds, self, "timer_N")

    def take(self, transaction: ServerTransaction) -> bool:
        """Take a NOTIFY that is in no dialog; return whether it makes one.

        Raises:
            ParseError: A header that is needed is missing or wrong; then it makes none.
        """
        first, request = self._usage, transaction.request
        if request.method != "NOTIFY" or not first.matches(request):
            return False
        state = dialog_of_notify(self.template, transaction)
        is_first = first.dialog_state is self.template
        usage = first if is_first else first.make_fork()
        if usage is None:
            return False
        usage.join(state)
        if is_first and self._entry is None:
            self.close()
        try:
            state.request_received(transaction)
        except Exception:
            # The next NOTIFY may be right.
            state.leave(usage)
            if is_first:
                usage.form(self.template)
            raise
        return True

    def close(self) -> None:
        """Take no more."""
        self._usage.core.forming.pop(self._key, None)
        if self._entry is not None:
            self._usage.core.timers.cancel(self._entry)
            self._entry = None

    def _fire(self, input: str, /) -> None:
        self._entry = None
        if self._usage.is_asking:  # its next attempt may make the first dialog
            self._entry = self._usage.core.timers.arm(self._usage.patience, self, "timer_N")
        else:
            self.close()


class FirstSubscribe:
    """The user of a SUBSCRIBE outside of dialogs.

    Args:
        usage: The subscription, which is given the responses.
        asked: What is subscribed to.
        expires: For how long, in seconds.

    Attributes:
        template: What the dialogs that it makes have of it.
        request: The request.
    """

    __slots__ = ("_asked", "_expires", "_usage", "request", "template")

    def __init__(self, usage: Any, asked: Asked, expires: int) -> None:
        self._usage = usage
        self._asked = asked
        self._expires = expires
        agent = usage.agent
        routes, next_hop, endpoint = asked.routes, asked.next_hop, asked.endpoint
        if agent.registration is not None and next_hop is None and endpoint is None:
            routes, next_hop, endpoint = agent.registration.route.preload(routes, asked.uri)
        self.template = template = template_of(agent, asked.uri, routes)
        hop = template.next_hop() if next_hop is None else next_hop
        if template.secure:
            hop = hop.secured()
        self.request = ClientRequest(agent.core, self, hop, endpoint, agent)

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make the SUBSCRIBE for the flow that it takes."""
        if client_request is not self._usage.request:
            raise UsageError("The subscription was ended meanwhile.")
        template, target = self.template, client_request.target
        if target is not None:
            template.remote_target = target
            template.secure = template.secure or is_secure(target)
        given = client_request.endpoint
        # A flow that was asked for is that of the whole subscription, while it stands.
        same = isinstance(given, Flow) and given.endpoint is flow.endpoint
        template.endpoint = given if same else flow.endpoint
        template.invite_flow = flow
        agent = self._usage.agent
        if agent.registration is not None and template.route_set:
            template.route_set = agent.registration.route.rerouted(template.route_set, flow)
        template.contact = agent.contact(flow, template.secure)
        self._usage.subscribe_built()
        fields = [
            field("Contact", template.contact),
            *self._asked.fields_for(self._usage, self._expires),
        ]
        return template.request("SUBSCRIBE", fields, self._asked.body, client_request.number)

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Pass a response on."""
        self._usage.response_received(client_request, response)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Pass on that there will be none."""
        self._usage.request_failed(client_request, error)

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another target."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come of it."""


def template_of(agent: UserAgent, uri: str, routes: tuple[str, ...]) -> DialogState:
    """Return what a request of ours has of the dialogs that it may make (RFC 3261 §8.1.1)."""
    tag = agent.core.tokens.tag()
    return DialogState(
        call_id=agent.core.tokens.call_id(),
        local=f"{agent.address};tag={tag}",
        local_tag=tag,
        remote=f"<{uri}>",
        local_seq=agent.core.tokens.number(24),
        remote_target=uri,
        route_set=routes,
        secure=is_secure(uri),
    )


def dialog_of_notify(template: DialogState, transaction: ServerTransaction) -> DialogState:
    """Return the dialog that the NOTIFY for a request of ours makes (§4.4.1).

    Raises:
        ParseError: From, Contact or a Record-Route is missing or wrong.
    """
    request = transaction.request
    made = template.with_remote(tidied(request._text("from") or ""))
    made.remote_target = remote_target(request, required=True)
    made.route_set = record_route(request)
    made.back = transaction.flow
    made.early = False
    if made.secure:
        made._check_security(made.remote_target, made.route_set)
    made.next_hop()
    return made


def refusal(event: str, response: Response) -> CallFailed:
    """Return the error for a response that refuses a SUBSCRIBE."""
    error: CallFailed = rejection(response)
    if response.status == 489:
        known = response._text("allow-events")
        said = f"; it knows {printable(known)}." if known else "."
        words = f"{error} It does not know the event {event!r}{said}"
        error = type(error)(words, response.status, response.reason, response)
    return error
