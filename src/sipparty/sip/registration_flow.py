"""One flow of a registration: its REGISTER requests, one after the other (RFC 3261 §10.2, RFC 5626
§4.2, §4.5).

Laws:

* The next request goes out when the one before has its outcome (§10.2), or its flow is lost.
* A refresh goes by the flow of the one before, and early enough to time out before the binding does
  (RFC 5627 §4.2): at a random time, so that many user agents do not refresh at once.
* A flow that is lost is formed anew at once; what fails then is tried again after a time that
  doubles (RFC 5626 §4.5), or that the registrar asks for. What is refused for good is not.
* A binding whose address has changed is removed by the request that makes the new one.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import CallFailed, CallTimedOut, CallUnreachable, ParseError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.auth import Origin
from sipparty.sip.bindings import Binding, bindings_of, lifetime, read_number
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.flow import Address, Flow
from sipparty.sip.message import Request, Response
from sipparty.sip.registering import Series, refusal
from sipparty.sip.retries import retry_after
from sipparty.sip.routing import NextHop
from sipparty.sip.values import DNameURI
from sipparty.sip.wanted import KeepAliveWanted, KeptAlive

if TYPE_CHECKING:
    from sipparty.sip.registration import Registration

__all__ = ["RegistrationFlow"]

#: The states with a request under way that makes or refreshes the binding.
_ASKING = ("Sending", "Refreshing")
#: The statuses that another try may have a better outcome than; so may 5xx but for the first
#: below. 408 and 480 name a time, 430 and 439 the flow (RFC 5626 §11.5, §11.6).
_PASSING = frozenset({408, 430, 439, 480, 491})
_LASTING = frozenset({501, 505, 513, 555})


class RegistrationFlow(FSM):
    """One flow of a registration.

    Args:
        owner: The registration.
        uri: The registrar's URI.
        routes: The Route values of its requests: the outbound proxy, where there is one.
        reg_id: Its reg-id; 0 for a registration that asks for no outbound processing.

    Attributes:
        state: "Sending" and "Refreshing" wait for an answer, "BackingOff" for the next attempt,
            "Ending" for an answer before the binding is removed, "Withdrawing" for the answer to
            that.
        flow: The flow; None while it has none.
        contact: The Contact value that is registered; "" before.
        expires_at: When the binding ends, in seconds of the core's clock; None where there is none.
        outbound: Whether registrar and edge proxy do outbound processing for it (RFC 5626 §4.2.1).
        mapped_address: Our address as the other side of the flow sees it; None before that is said.
        error: Why the last attempt has failed; None where it has not.
        failures: How many have, in a row.
        unremoved: Why the removal of the binding was not confirmed; None where it was.
    """

    table = (
        Row("Initial", "start", "Sending", "_send"),
        Row("Initial", "withdraw", "Over"),
        Row(_ASKING, "accepted", "Registered", "_take"),
        Row(_ASKING, "refused", "BackingOff", "_fail"),
        Row(_ASKING, "rejected", "Over", "_fail"),
        Row(_ASKING, "again", "Sending", "_send"),
        Row("Sending", "withdraw", "Ending", "_end_attempts"),
        Row("Registered", ("timer_refresh", "start", "moved"), "Refreshing", "_send"),
        Row("Refreshing", "start", "Refreshing", "_postpone"),
        Row("Sending", "start", "Sending", "_postpone"),
        Row(("Registered", "Refreshing"), "flow_lost", "Sending", "_lose", "_send"),
        Row(("Registered", "Refreshing"), "flow_failed", "BackingOff", "_lose", "_fail"),
        Row("Refreshing", "withdraw", "Ending", "_end_attempts"),
        Row("Registered", "withdraw", "Withdrawing", "_remove"),
        Row("BackingOff", ("timer_again", "start", "moved"), "Sending", "_send"),
        Row("BackingOff", "withdraw", "Withdrawing", "_remove"),
        Row("Ending", ("accepted", "refused", "rejected", "again"), "Withdrawing", "_remove"),
        Row("Withdrawing", ("accepted", "again"), "Over"),
        Row("Withdrawing", ("refused", "rejected"), "Over", "_note_unremoved"),
        Row(("Ending", "Withdrawing"), "timer_expires", "Over", "_note_silence"),
        Row(("Initial", *_ASKING, "Registered", "BackingOff"), "drop", "Over"),
        Row(("Ending", "Withdrawing"), "drop", "Over"),
    )
    timers = (
        Timer("timer_refresh", "refresh_in", "Registered"),
        Timer("timer_again", "delay", "BackingOff"),
        Timer("timer_expires", "PATIENCE", "Ending", "Withdrawing"),
    )
    final = ("Over",)

    #: Seconds that ending may take: a transaction's time.
    PATIENCE: ClassVar[float] = 32.0
    #: What the wait between attempts is doubled from while no other flow of the registration
    #: stands, and while one does; and its most; in seconds (RFC 5626 §4.5).
    BASE_TIME: ClassVar[float] = 30.0
    BASE_TIME_OF_MORE: ClassVar[float] = 90.0
    MAX_TIME: ClassVar[float] = 1800.0
    #: The longest wait that a registrar may ask for, in seconds.
    MAX_RETRY_AFTER: ClassVar[float] = 86_400.0
    #: The shortest time between two refreshes, in seconds, whatever is granted.
    LEAST: ClassVar[float] = 1.0
    #: How much of a registrar's time is left for a refresh to fail in (RFC 5627 §4.2), in seconds.
    MARGIN: ClassVar[float] = 32.0

    def __init__(self, owner: Registration, uri: str, routes: tuple[str, ...], reg_id: int) -> None:
        self.agent: Any = owner.agent
        self.uri = uri
        self.routes = routes
        self.reg_id = reg_id
        self.hop = NextHop.of(DNameURI.parse(routes[0]).uri_text if routes else uri)
        self.flow: Flow | None = None
        self.contact = ""
        self.expires_at: float | None = None
        self.outbound = False
        self.mapped_address: Address | None = None
        self.error: CallFailed | None = None
        self.unremoved: CallFailed | None = None
        self.failures = 0
        self.delay = self.refresh_in = 0.0
        self.response: Response | None = None
        self._owner = owner
        self._series = Series.at(self.agent, uri, reg_id)
        self._request: ClientRequest | None = None
        self._target: str | None = None
        #: A binding of ours that is to be removed; "" for none.
        self._former = ""
        self._moved = self._lost = False
        #: Whether a request that was asked for follows the one under way.
        self._postponed = False
        self._formed_at_once = -inf
        #: What the registrar takes at the least (423), in seconds.
        self._least = 0
        #: What the last request has asked for before it was changed to that.
        self._asked = 0
        self._kept: KeptAlive | None = None
        super().__init__(scheduler=self.agent.core.timers)
        self.portal = self.agent.portal

    def __str__(self) -> str:
        return f"{self.name} {self.reg_id or ''} ({self.state})"

    @property
    def stands(self) -> bool:
        """Whether there is a binding by it, as far as is known."""
        return self.state in ("Registered", "Refreshing")

    @property
    def is_asking(self) -> bool:
        """Whether there is a request without an outcome, or one to come after it."""
        return self.state in _ASKING or self._postponed

    @property
    def binding(self) -> Binding | None:
        """What the registrar says of it; None where it says nothing."""
        if self.response is None:
            return None
        own = DNameURI.parse(self.contact)
        return next((one for one in bindings_of(self.response) if one.is_at(own)), None)

    # ---------------------------------------------------------------- what happens to it

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Take note that the flow has ended, or does not carry any more."""
        if flow is self.flow:
            text = reason.rstrip(".")
            error = CallUnreachable(f"The flow to the registrar was lost: {text}.", 503)
            now = self.agent.core.timers.now
            if now < self._formed_at_once + 2 * self.BASE_TIME:
                # §4.5: who registers us and drops the flow each time is not asked at once for ever.
                self.hear("flow_failed", error, self._wait(None))
            else:
                self._formed_at_once = now
                self.hear("flow_lost", error)

    def keep_alive_started(self, kept: KeptAlive) -> None:
        """Take what keeps the flow open."""
        if self.stands and self._kept is None:
            self._kept = kept
        else:
            kept.stop()

    # ---------------------------------------------------------------- actions

    def _send(self, *_: object) -> None:
        """Send the next request: by the flow of the one before, if that stands."""
        self._ask()

    def _ask(self) -> None:
        self._postponed = False
        flow = self.flow
        if flow is not None and not self._owner.receives_by(flow):
            flow = None
        agent = self.agent
        request = ClientRequest(agent.core, self, self.hop, flow, agent, Origin.PROGRAM)
        self._request = request
        request.start()

    def _postpone(self) -> None:
        """Send the next request when this one has its outcome (§10.2)."""
        self._postponed = True

    def _end_attempts(self) -> None:
        """Have nothing tried again of the request that is under way."""
        assert self._request is not None
        self._request.cancel()

    def _remove(self, *_: object) -> None:
        self._stop_keeping()
        if self.contact:
            self._ask()
        else:
            self.hear("accepted", None, None)  # nothing was ever sent

    def _note_unremoved(self, error: CallFailed, *_: object) -> None:
        self.unremoved = error

    def _note_silence(self) -> None:
        words = f"The registrar {self.uri} did not answer within {self.PATIENCE:g} s."
        self.unremoved = CallTimedOut(words, 408, "Request Timeout")

    def _take(self, client_request: ClientRequest, response: Response) -> None:
        """Take a 2xx (§10.2.4)."""
        request = client_request.request
        assert request is not None
        asked = float(request._text("expires") or 0)
        owner, now = self._owner, self.agent.core.timers.now
        contacts = [DNameURI.parse(text) for text in owner.contacts_of(self.contact, self.reg_id)]
        seconds = lifetime(response, contacts, asked)
        self.response = response
        self.expires_at = now + seconds
        if asked > self._asked:
            self._least = int(asked)
        # RFC 5627 §4.2: early enough for a refresh to time out before.
        latest = seconds - self.MARGIN if seconds > 2 * self.MARGIN else seconds / 2
        self.refresh_in = max(self.LEAST, latest * (0.8 + 0.2 * owner.chance()))
        self.failures, self.error, self._former = 0, None, ""
        self._target = client_request.target
        self._hold(client_request.flow)
        self.mapped_address = _seen_at(response)
        self.outbound = bool(self.reg_id) and _requires_outbound(response)
        if self.outbound:
            self._keep_alive(response)
        moved = owner.contact_on(self) != self.contact
        if moved and not self._moved:
            self.hear("moved")  # another address is to be registered, now that it is known
        elif self._postponed:
            self.hear("start")
        self._moved = moved  # once: a NAT may give another one each time

    def _hold(self, flow: Flow | None) -> None:
        if flow is self.flow:
            return
        self._let_go()
        self.flow = flow
        if flow is not None:
            flow.on_lost(self)

    def _let_go(self) -> None:
        self._stop_keeping()
        if self.flow is not None:
            self.flow.forget(self)
        self.flow = None

    def _keep_alive(self, response: Response) -> None:
        """Have the flow kept open (RFC 5626 §4.4)."""
        if self._kept is not None or self.flow is None:
            return
        seconds = read_number((response._text("flow-timer") or "").strip(), 10)
        if seconds is not None:
            seconds = min(max(seconds, 5), 3600)
        self.agent.emit(KeepAliveWanted(self.agent, self.flow, seconds, self))

    def _stop_keeping(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.stop()

    def _lose(self, error: CallFailed, *_: object) -> None:
        if self._request is not None:
            self._request.cancel()
            self._request = None
        self.error, self.delay, self._lost = error, 0.0, True
        self._let_go()
        self._forget()

    def _forget(self) -> None:
        """Count on the binding no more."""
        self.expires_at = None
        self.response = self._target = None

    def _fail(self, error: CallFailed, seconds: float = 0.0) -> None:
        self.failures += 1
        self._postponed = False
        self.error, self.delay = error, seconds
        self._let_go()  # another attempt may find another server (§4.2.1)
        self._forget()

    def _wait(self, response: Response | None) -> float:
        """Return for how many seconds to wait after a failure (RFC 5626 §4.5)."""
        asked = None if response is None else retry_after(response)
        if asked is not None and (asked or not self.failures):
            # §4.2.1: 0 is at once, which is good for once. Not all at the same moment.
            return min(asked, self.MAX_RETRY_AFTER) * (1.0 + 0.1 * self._owner.chance())
        base = self.BASE_TIME_OF_MORE if self._owner.has_other(self) else self.BASE_TIME
        # More doublings than that are beyond any bound.
        bound = min(self.MAX_TIME, base * 2.0 ** min(self.failures + 1, 16))
        return bound * (1.0 + self._owner.chance()) / 2

    def on_enter_Registered(self) -> None:
        """Have the registration know."""
        self._owner.flow_changed(self)

    def on_enter_Sending(self) -> None:
        """Alike, where a flow was lost."""
        if self._lost:
            self._lost = False
            self._owner.flow_changed(self)

    def on_enter_BackingOff(self) -> None:
        """Alike."""
        self._lost = False
        self._owner.flow_changed(self)

    def on_enter_Over(self) -> None:
        """Let go of everything."""
        request, self._request = self._request, None
        if request is not None:
            request.cancel()
        self._let_go()
        self._forget()
        self._owner.flow_changed(self)

    # ---------------------------------------------------------------- a request's user

    def build_request(self, client_request: ClientRequest, flow: Flow) -> Request:
        """Make the REGISTER for the flow that it takes."""
        owner = self._owner
        uri = client_request.target or self._target or self.uri
        if self.state == "Withdrawing":
            contacts: tuple[str, ...] = ("*",)
            if not owner.removes_all:
                contacts = owner.contacts_of(self.contact, self.reg_id, removed=True)
            return self._series.request(
                client_request, uri, self.routes, contacts, 0, owner.headers
            )
        contact = owner.contact_on(self, flow)
        if self.contact and contact != self.contact and not self.outbound:
            # Its own reg-id takes the place of one (RFC 5626 §6); any other has to be removed.
            self._former = DNameURI.parse(self.contact).uri_text
        self.contact = contact
        contacts = owner.contacts_of(contact, self.reg_id)
        if self._former and self._former != DNameURI.parse(contact).uri_text:
            contacts = (*contacts, f"<{self._former}>;expires=0")
        self._asked = expires = max(owner.expires, self._least)
        return self._series.request(
            client_request, uri, self.routes, contacts, expires, owner.headers
        )

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take the outcome of a request."""
        status = response.status
        if client_request is not self._request or status < 200:
            return
        self._request = None
        if status < 300:
            self._take_success(client_request, response)
            return
        error = refusal(self.uri, response)
        if status == 439 and self.reg_id == 1:
            # RFC 5626 §4.2.1: the first hop knows no outbound, so it is done without.
            self.reg_id = 0
            self.hear("again")
        elif (status >= 500 and status < 600 and status not in _LASTING) or (
            status in _PASSING or retry_after(response) is not None
        ):
            self.hear("refused", error, self._wait(response))
        else:
            self.hear("rejected", error)

    def _take_success(self, client_request: ClientRequest, response: Response) -> None:
        """Take a 2xx, where it has what was asked for."""
        request, asking = client_request.request, self.state in _ASKING
        asked = 0.0 if request is None else float(request._text("expires") or 0)
        if asking and self.reg_id > 1 and not _requires_outbound(response):
            # §4.2.1: without outbound processing its binding would be that of the first flow.
            words = f"The registrar {self.uri} knows no outbound (RFC 5626): one flow is used."
            self.hear("rejected", CallFailed(words))
        elif asking and lifetime(response, [DNameURI.parse(self.contact)], asked) <= 0:
            words = f"The registrar {self.uri} accepted the registration, for no time at all."
            self.hear("refused", CallFailed(words), self._wait(None))
        else:
            self.hear("accepted", client_request, response)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there is no answer."""
        if client_request is not self._request:
            return
        self._request = None
        if error.status in (401, 407):
            self.hear("rejected", error)  # no credentials for what the registrar asks
            return
        self.hear("refused", error, self._wait(None))

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes to another registrar; the refreshes do so too (§10.2.4)."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""


def _requires_outbound(response: Response) -> bool:
    """Whether a 2xx says that outbound processing is done (RFC 5626 §4.2.1)."""
    return "outbound" in [
        tag.strip().lower() for tag in (response._text("require") or "").split(",")
    ]


def _seen_at(response: Response) -> Address | None:
    """Return the address that a request was seen to come from (RFC 3261 §18.2.1, RFC 3581 §4); None
    where its Via cannot be read.
    """
    try:
        via = response.via
    except ParseError:
        return None
    if via is None:
        return None
    return via.received or via.host, read_number(via.rport, 5) or via.port or 5060
