"""Publication of event state (RFC 3903): the event publication agent.

Laws:

* There is one PUBLISH at a time (§4.1). What changes meanwhile is sent after it, in its last state.
* The entity tag of each 2xx goes into the next PUBLISH (§4.1, §4.3). A refresh carries no body.
* Who does not know the tag any more (412) is sent the whole state anew (§4.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from sipparty.errors import CallFailed, UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.events import Event
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.grammar import is_token
from sipparty.sip.handle import Service
from sipparty.sip.message import Request, Response
from sipparty.sip.notification.package import EventPackage, check_state
from sipparty.sip.notification.renewal import Renewal, may_pass
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.retries import leading_number, retry_after
from sipparty.sip.routing import NextHop
from sipparty.sip.values import DNameURI

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["Publication", "PublicationEnded", "PublicationLost", "Published"]


class _PublicationEvent(Event):
    publication: Publication
    SUBJECT = "publication"


class Published(_PublicationEvent):
    """A state is published, for the first time, changed, or anew.

    Args:
        publication: The publication.
        response: The 2xx.
    """

    response: Response


class PublicationLost(_PublicationEvent):
    """What was published is not any more, or soon will not be.

    Args:
        publication: The publication.
        error: Why.
        retry_after: Seconds after which it is published anew; None where it is not.
    """

    error: CallFailed
    retry_after: float | None


class PublicationEnded(_PublicationEvent):
    """A publication is over.

    Args:
        publication: The publication.
        error: Why it failed; None where it was withdrawn.
    """

    error: CallFailed | None


_OVER = ("Terminated", "Error")
_LATE = ("accepted", "refused", "forgotten", "given_up")


class Publication(Service):
    """A state that we publish; made by `party.publish`.

    Args:
        agent: The user agent.
        package: The event package.
        uri: The resource: the request-URI.
        next_hop: Where requests go first; None for what routes or URI say.
        routes: A preloaded route set.
        fields: Further header lines of each.
        flow: A flow to the next hop that is there already.

    Attributes:
        entity_tag: What the server calls the state that it has; "" for none.
        expires: Seconds that are asked for.
    """

    WHAT = "The publication"
    LAST_EVENT = PublicationEnded

    #: Seconds until what was lost is published anew, at first.
    RETRY = 30.0

    table = (
        Row("Initial", "publish", "Publishing", "_send_state"),
        Row("Publishing", "accepted", "Published", "_note_accepted"),
        Row("Publishing", ("refused", "forgotten"), "Publishing", "_fail_or_wait"),
        Row("Published", ("changed", "forgotten"), "Publishing", "_send_state"),
        Row("Published", "timer_refresh", "Publishing", "_send_refresh"),
        Row("Publishing", "changed", "Publishing", "_note_change"),
        Row("Publishing", "wait", "Waiting"),
        Row("Publishing", "failed", "Error", "_note_error"),
        Row("Publishing", "again", "Publishing", "_send_state"),
        Row("Waiting", "changed", "Waiting"),
        Row("Waiting", "timer_again", "Publishing", "_send_state"),
        # Removal (§4.5); of what is not there yet when it is.
        Row("Published", "terminate", "Withdrawing", "_send_removal"),
        Row("Publishing", "terminate", "Ending", "_end_attempts"),
        Row("Ending", "accepted", "Withdrawing", "_note_tag", "_send_removal"),
        Row("Ending", ("refused", "forgotten", "wait", "failed", "again"), "Terminated"),
        Row("Ending", "changed", "Ending"),
        Row("Withdrawing", ("accepted", "refused", "forgotten"), "Terminated"),
        Row(("Initial", "Waiting"), "terminate", "Terminated"),
        *(
            Row(state, "given_up", "Error", "_note_error")
            for state in ("Initial", "Publishing", "Published", "Waiting")
        ),
        Row(("Ending", "Withdrawing"), "given_up", "Terminated"),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_refresh", "refresh_delay", "Published"),
        Timer("timer_again", "renewal_delay", "Waiting"),
    )
    final = _OVER

    def __init__(
        self,
        agent: UserAgent,
        package: EventPackage[Any],
        uri: str,
        next_hop: NextHop | None = None,
        routes: Sequence[str] = (),
        fields: Sequence[Field] = (),
        flow: Flow | None = None,
    ) -> None:
        super().__init__(agent)
        self.package = package
        self.uri = uri
        self.entity_tag = ""
        self.expires = 3600
        NextHop.of(
            DNameURI.parse(routes[0]).uri_text if routes else uri
        )  # what cannot be, fails now
        self._next_hop = next_hop
        self._routes = routes
        self._fields = fields
        self._flow = flow
        self._body = b""
        self._media_type = ""
        self._request: ClientRequest | None = None
        #: Whether the state has changed since it was sent, and whether the server has had one.
        self._changed = self._was_published = False
        self._lasts = 0.0
        self._renewal = Renewal()

    # ---------------------------------------------------------------- verbs

    @verb
    def publish(
        self, state: Any, media_type: str | None = None, expires: int | None = None
    ) -> Self:
        """Publish a state, or another one in its place (§4.4).

        Args:
            state: The state, as the package has it; or its body as text or bytes.
            media_type: The Content-Type of a body; that of the package by default.
            expires: Seconds to ask for; those of before, 3600 at first, by default.

        Raises:
            UnexpectedInput: It was withdrawn, or has failed.
            UsageError: `expires` is no number of seconds that can be sent, or there is no state.
        """
        if expires is not None:
            if not (isinstance(expires, int) and 0 < expires < 2**32):
                raise UsageError(f"expires is in whole seconds above 0, not {expires!r}.")
            self.expires = expires
        if isinstance(state, str):
            state = state.encode()
        data = state if isinstance(state, bytes) else check_state(self.package, state)
        if not data:
            raise UsageError("There is nothing to publish: the body is empty.")
        input = "publish" if self.state == "Initial" else "changed"
        if not self.takes(input):
            raise self._unexpected(input)
        self._body, self._media_type = data, media_type or self.package.accepts[0]
        self.hit(input)
        return self

    @verb
    def terminate(self) -> Self:
        """Withdraw the state (§4.5). Does nothing where that was done before, or it has failed."""
        return super().terminate()

    def give_up(self, error: CallFailed) -> None:
        """End it at once: nothing can be sent any more."""
        self.hear("given_up", error)

    def settled(self, state: str) -> bool:
        """Whether no PUBLISH is under way, and none is waited for; what `wait` waits for."""
        return state in ("Published", *_OVER)

    # ---------------------------------------------------------------- delays

    @property
    def refresh_delay(self) -> float:
        """Seconds until the next refresh: three quarters of what the server gives and some chance,
        so that those who began together do not refresh together.
        """
        chance: float = self.core.tokens.number(16) / 65536
        return max(self._lasts * (0.75 + 0.15 * chance), 1.0)

    @property
    def renewal_delay(self) -> float:
        """Seconds until it is published anew."""
        return self._renewal.delay

    # ---------------------------------------------------------------- PUBLISH

    def _send_state(self) -> None:
        self._changed = False
        self._renewal.begin(self.core.timers.now)
        self._send(self.expires, self._body)

    def _send_refresh(self) -> None:
        # Who was given no tag can be given the state alone.
        self._send(self.expires, b"" if self.entity_tag else self._body)

    def _end_attempts(self) -> None:
        """Have nothing published any more by the request that is under way."""
        if self._request is not None:
            self._request.cancel()

    def _send_removal(self, *_: object) -> None:
        self._send(0, b"")

    def _send(self, expires: int, body: bytes) -> None:
        agent, request = self.agent, Request("PUBLISH", self.uri)
        routes, hop, endpoint = tuple(self._routes), self._next_hop, self._flow
        if agent.registration is not None and hop is None and endpoint is None:
            routes, hop, endpoint = agent.registration.route.preload(routes, self.uri)
        for route in routes:
            request.add("Route", route)
        request.add("Event", self.package.name)
        request.add("Expires", str(expires))
        if self.entity_tag:
            request.add("SIP-If-Match", self.entity_tag)
        request._fields.extend([*self._fields, *agent.capability_fields])
        if body:
            request._fields.append(field("Content-Type", self._media_type))
            request.body = body
        request._index = None
        agent.services[self] = None
        if hop is None:
            hop = NextHop.of(DNameURI.parse(routes[0]).uri_text if routes else self.uri)
        self._request = None
        sent = send_out_of_dialog(agent, request, hop, endpoint, self)
        self._request = self._request or sent

    def request_built(self, client_request: ClientRequest, request: Request, flow: Flow) -> None:
        """Take note of what is about to be sent: it is as it should be."""

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to PUBLISH."""
        if response.status < 200 or not self._is_last(client_request):
            return
        if response.status < 300:
            self.hear("accepted", response, client_request.request)
        else:
            tag = self.entity_tag
            if response.status == 412:
                self.entity_tag = ""  # §4.3: it has expired there
            forgotten = response.status == 412 and bool(tag)
            self.hear("forgotten" if forgotten else "refused", rejection(response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        if self._is_last(client_request):
            self.hear("refused", error)

    def _is_last(self, client_request: ClientRequest) -> bool:
        # A response may come while it is being sent.
        self._request = self._request or client_request
        return client_request is self._request

    def _note_tag(self, response: Response, *_: object) -> None:
        tag = (response._text("sip-etag") or "").strip()
        # §11.3.1: what is no token could not be sent back.
        self.entity_tag = tag if is_token(tag) else ""

    def _note_accepted(self, response: Response, request: Request | None) -> None:
        self._note_tag(response)
        sent = None if request is None else leading_number(request._text("expires"))
        if sent is not None and sent > self.expires:
            self.expires = int(sent)  # what a 423 has asked for
        seconds = leading_number(response._text("expires"))
        self._lasts = self.expires if seconds is None else min(seconds, self.expires)
        self._was_published = True
        self._emit(Published, response)

    def on_enter_Published(self) -> None:
        """Send what has changed meanwhile."""
        if self._changed:
            self.hear("changed")

    def _note_change(self) -> None:
        self._changed = True

    def _fail_or_wait(self, error: CallFailed) -> None:
        """Take the failure of a PUBLISH: the end, at first; later it may be over by itself."""
        now, before = self.core.timers.now, self._was_published
        if error.status == 412 and before and self._renewal.may_follow(now, 0.0):
            if self._renewal.delay:
                self._emit(PublicationLost, error, self._renewal.delay)
            self.hear("wait" if self._renewal.delay else "again")
            return
        asked = None if error.response is None else retry_after(error.response)
        if before and may_pass(error) and self._may_renew(asked):
            self._emit(PublicationLost, error, self._renewal.delay)
            self.entity_tag = ""
            self.hear("wait")
        else:
            if before:
                self._emit(PublicationLost, error, None)
            self.hear("failed", error)

    def _may_renew(self, seconds: float | None) -> bool:
        return self._renewal.may_follow(self.core.timers.now, max(self.RETRY, seconds or 0.0))

    def _note_error(self, error: CallFailed, *_: object) -> None:
        self.last_error = error

    def _over(self) -> None:
        self.agent.services.pop(self, None)
        self._emit(PublicationEnded, self.last_error)

    def on_enter_Terminated(self) -> None:
        """Report the end."""
        self._over()

    def on_enter_Error(self) -> None:
        """As `on_enter_Terminated`."""
        self._over()
