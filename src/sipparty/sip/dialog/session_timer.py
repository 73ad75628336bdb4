"""Session timers (RFC 4028): a call whose other side is gone ends by itself.

Laws:

* Each 2xx to an INVITE or UPDATE of the call agrees anew on the interval and on who refreshes: the
  session lasts for one interval from then on (§7.2, §9). One without an interval ends the timer.
* Who refreshes does so after half of the interval (§7.2): by UPDATE where the other side allows it,
  else by a re-INVITE whose offer is what stands (§7.4).
* A refresh that fails is tried again after half of the time that is left; 408, 481 and no response
  end the call at once (§10, RFC 5057 §5).
* Where no refresh has succeeded in time, the call is hung up min(32 s, a third of the interval)
  before the session expires (§10).
* An interval below 90 s is none that may be asked for (§4). What a 2xx has of such is taken as 90
  s, so that nobody can have us send requests at any rate (§11.1).
* A call without a session timer has no such object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sipparty.errors import CallTimedOut, ParseError, UsageError
from sipparty.fsm import FSM, Row, Timer
from sipparty.sip.bodies import session_description
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.acknowledgement import Acknowledgement
from sipparty.sip.fields import Field, field
from sipparty.sip.message import Message, Request, Response
from sipparty.sip.typed import NumberValue

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog.invite_usage import InviteUsage
    from sipparty.sip.dialog.state import DialogState

__all__ = [
    "MIN_INTERVAL",
    "SessionTimer",
    "answer_fields",
    "begin_later",
    "invite_fields",
    "refusal",
    "take_2xx",
]

#: Seconds that a session interval has at the least (§4), and Min-SE where none is given (§5).
MIN_INTERVAL: Final = 90

_RUNNING = ("LocalRefresher", "Refreshing", "RemoteRefresher")
#: By who refreshes, how a request of ours says so, and a response of ours.
_IN_REQUEST = {"local": ";refresher=uac", "remote": ";refresher=uas", None: ""}
_IN_RESPONSE = {"local": "uas", "remote": "uac", None: "uac"}


class SessionTimer(FSM):
    """The session timer of one call, and the user of its refreshes.

    Args:
        call: The call.

    Attributes:
        interval: The session interval in seconds, as it was last agreed on; 0 for none.
        refresher: Who refreshes: "local" or "remote".
        min_se: The largest Min-SE that 422 responses or requests of the other side have had in the
            dialog; 0 before one.
        by_update: Whether the other side allows UPDATE.
        inviting: Whether a re-INVITE without an offer is under way.
    """

    __slots__ = (
        *("_ack", "_call", "_expires", "_modification", "_request", "by_update", "interval"),
        *("inviting", "min_se", "refresher"),
    )

    def __dir__(self) -> list[str]:
        """What is of use to a user."""
        return ["States", "interval", "min_se", "name", "refresher", "state", "text"]

    table = (
        Row("Off", "local_refresher", "LocalRefresher"),
        Row("Off", "remote_refresher", "RemoteRefresher"),
        Row(("Off", *_RUNNING), "switch_off", "Off"),
        Row("LocalRefresher", "timer_refresh", "Refreshing", "_refresh"),
        Row("Refreshing", "failed", "LocalRefresher"),
        Row(_RUNNING, "timer_expires", "Over", "_expire"),
        Row(("Off", *_RUNNING), "close", "Over", "_cancel"),
        Row("Over", ("switch_off", "local_refresher", "remote_refresher", "close"), "Over"),
    )
    timers = (
        Timer("timer_refresh", "refresh_delay", "LocalRefresher"),
        Timer("timer_expires", "patience", *_RUNNING),
    )
    final = ("Over",)

    def __init__(self, call: InviteUsage) -> None:
        super().__init__(call.core.timers)
        self.interval = 0
        self.refresher = "remote"
        self.min_se = 0
        self.by_update = self.inviting = False
        self._call = call
        #: When the session expires, on the clock of the core.
        self._expires = 0.0
        #: The change inside the call, or the request, that refreshes.
        self._modification: Any = None
        self._request: ClientRequest | None = None
        self._ack: Acknowledgement | None = None

    # ---------------------------------------------------------------- delays

    @property
    def patience(self) -> float:
        """How long a refresh may be waited for (§10)."""
        return self.interval - min(32.0, self.interval / 3)

    @property
    def refresh_delay(self) -> float:
        """Half of the time that is left: half of the interval, at first."""
        return max((self._expires - self.scheduler.now) / 2, 1.0)

    # ---------------------------------------------------------------- what is agreed on

    def agree(self, interval: int, refresher: str) -> None:
        """Take what a 2xx says: the session lasts for one interval from now on."""
        self.interval = interval
        self.refresher = refresher
        self._expires = self.scheduler.now + interval
        self._modification = None
        self.hear("switch_off")  # whose timers begin anew
        self.hear(f"{refresher}_refresher")

    def switch_off(self) -> None:
        """Take a 2xx without an interval: there is no session timer (any more)."""
        self.interval = 0
        self.hear("switch_off")

    def note(self, message: Message) -> None:
        """Take note of what the other side says of itself: Allow, and Min-SE of a request."""
        allowed = _tokens(message, "Allow")
        if allowed:
            self.by_update = "update" in allowed
        if isinstance(message, Request):
            self.min_se = max(self.min_se, _seconds(message, "min-se") or 0)

    def request_fields(self) -> list[Field]:
        """Return what a re-INVITE or UPDATE of ours says (§7.4)."""
        if not self.interval:
            return []
        return _request_fields(max(self.interval, self.min_se), self.min_se, self.refresher)

    # ---------------------------------------------------------------- refreshing

    def _refresh(self) -> None:
        call, state = self._call, self._call.dialog_state
        assert state is not None
        if call.state != "InDialog" or call._modifications or call._invited is not None:
            # What is under way refreshes as well; else it is tried again.
            self.hear("failed")
        elif self.by_update:
            self._send("UPDATE")
        elif call.offer_answer is not None:
            self._modification = modification = call._modify(None)
            if modification.error is not None:
                self.change_over(modification)
        else:
            self._send("INVITE")

    def _send(self, method: str) -> None:
        """Send a refresh without an offer."""
        call, state = self._call, self._call.dialog_state
        assert state is not None
        self.inviting = method == "INVITE"
        self._ack = None
        fields = [*call.agent.capability_fields, *self.request_fields()]
        try:
            self._request = state.send_request(call, method, fields, b"", self)
        except (ParseError, UsageError) as error:
            self.request_failed(None, error)

    def change_over(self, modification: Any) -> None:
        """Take note that a change inside the call has its outcome."""
        if modification is not self._modification:
            return
        self._modification = None
        if self._call.state != "InDialog":
            return  # nothing follows a BYE (RFC 3261 §15)
        if modification.error is not None and not modification.tries:
            self._send("INVITE")  # there is nothing to offer
        else:
            self.hear("failed")

    def _cancel(self) -> None:
        if self.inviting and self._request is not None:
            self._request.cancel()

    def _expire(self) -> None:
        self._cancel()
        interval = f"session of {self.interval} s"
        message = f"The other side did not refresh the {interval} in time (RFC 4028 §10)."
        if self.refresher == "local":
            message = f"The {interval} could not be refreshed in time (RFC 4028 §10)."
        self._call.peer_lost(CallTimedOut(message, 408, "Request Timeout"))

    # ---------------------------------------------------------------- the user of a refresh

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to a refresh without an offer."""
        if response.status < 200:
            return
        inviting, self.inviting = self.inviting, False
        if response.status >= 300:
            if response.status in (405, 501):
                self.by_update = False  # whatever its Allow says
            self.hear("failed")
            return
        call, state = self._call, self._call.dialog_state
        assert state is not None
        if self._ack is not None:
            self._ack.send()
            return
        try:
            state.remote_target = state.new_target(response)
        except ParseError:
            pass  # the one before stands
        if inviting:
            self._ack = Acknowledgement(call, state, client_request, client_request.number or 0)
            self._ack.body = self._refuse_offer(client_request, response)
            self._ack.complete()
        take_2xx(call, client_request, response)

    def _refuse_offer(self, client_request: ClientRequest, response: Response) -> bytes:
        """Return the answer to the offer of a 2xx to a call without media (RFC 3261 §14.1)."""
        try:
            offer = session_description(response)
        except ParseError:
            return b""
        flow = client_request.flow
        if not offer or flow is None:
            return b""
        return self._call.agent.refuse_streams(offer, flow)

    def request_failed(self, client_request: ClientRequest | None, error: Exception) -> None:
        """Take note that there will be none."""
        self.inviting = False
        self.hear("failed")

    def request_redirected(self, client_request: ClientRequest) -> None:
        """Take note that it goes elsewhere; what is in a dialog does not."""

    def request_over(self, client_request: ClientRequest) -> None:
        """Take note that nothing more can come."""


# -------------------------------------------------------------------- the side that asks (§7)


def invite_fields(agent: UserAgent) -> list[Field]:
    """Return what an INVITE that begins a call says, where the agent asks for a timer (§7.1)."""
    interval = agent.session_expires
    if interval is None:
        return []
    least = agent.min_se if agent.min_se > MIN_INTERVAL else 0
    return _request_fields(max(interval, least), least, agent.session_refresher)


def _request_fields(interval: int, least: int, refresher: str | None) -> list[Field]:
    fields = [field("Session-Expires", f"{interval}{_IN_REQUEST[refresher]}")]
    return [*fields, field("Min-SE", str(least))] if least else fields


def take_2xx(call: InviteUsage, client_request: ClientRequest, response: Response) -> None:
    """Take what a 2xx to an INVITE or UPDATE of ours agrees on (§7.2)."""
    agent, timer = call.agent, call.session_timer
    if call.state in call.final:
        return  # a 2xx that nobody wants any more
    given = _interval(response)
    interval = None if given is None else given.seconds
    local = given is None or (given.parameter("refresher") or "uac").lower() != "uas"
    if given is None and agent.session_expires is not None:
        # Only we know of session timers: it is as if the response had what the request says.
        interval = max(timer.interval if timer else 0, agent.session_expires, client_request.min_se)
    if timer is None:
        if interval is None:
            return
        timer = call.session_timer = SessionTimer(call)
    elif client_request.min_se:
        timer.min_se = max(timer.min_se, client_request.min_se)
    timer.note(response)
    if interval is None:
        timer.switch_off()
    else:
        timer.agree(max(interval, MIN_INTERVAL), "local" if local else "remote")


def begin_later(call: InviteUsage, state: DialogState) -> None:
    """Have the timer wait for the 2xx to the INVITE, where an UPDATE in an early dialog has agreed
    on it: how long that takes is for who is called.
    """
    if state.early and call.session_timer is not None:
        call.session_timer.hear("switch_off")


# -------------------------------------------------------------------- the side that is asked (§9)


def refusal(agent: UserAgent, request: Request) -> list[tuple[str, str]]:
    """Return the headers of the 422 that a request gets whose interval is too small; none where it
    is not, and where its sender does not know session timers.
    """
    interval = _seconds(request, "session-expires")
    if interval is None or interval >= agent.min_se or "timer" not in _tokens(request, "Supported"):
        return []
    return [("Min-SE", str(agent.min_se))]


def answer_fields(call: InviteUsage, request: Request) -> list[Field]:
    """Agree on what an INVITE or UPDATE of theirs asks for, as its 2xx leaves.

    Returns:
        What that says of it; nothing where neither side asks for a session timer.
    """
    agent, timer = call.agent, call.session_timer
    given = _interval(request)
    least = max(MIN_INTERVAL, _seconds(request, "min-se") or 0)
    if given is not None and given.seconds < MIN_INTERVAL:
        given = None  # §8.1 raises it, so no proxy has asked for it
    wanted = agent.session_expires
    if given is not None:
        # It may be made less, never more.
        interval = min(given.seconds, max(wanted or given.seconds, least))
    elif timer is not None and timer.interval:
        interval = max(timer.interval, least)
    elif wanted is not None:
        interval = max(wanted, least)
    else:
        return []
    supports = "timer" in _tokens(request, "Supported")
    # Table 2.
    who = "" if given is None else (given.parameter("refresher") or "").lower()
    if not supports:
        who = "uas"
    elif who not in ("uac", "uas"):
        running = timer is not None and timer.interval
        who = _IN_RESPONSE[timer.refresher if timer and running else agent.session_refresher]
    if timer is None:
        timer = call.session_timer = SessionTimer(call)
    timer.note(request)
    timer.agree(interval, "local" if who == "uas" else "remote")
    fields = [field("Session-Expires", f"{interval};refresher={who}")]
    return [*fields, field("Require", "timer")] if supports else fields


# -------------------------------------------------------------------- reading


def _interval(message: Message) -> NumberValue | None:
    """Return a Session-Expires; None where there is none to read."""
    text = message._text("session-expires")
    try:
        value = None if text is None else NumberValue.parse(text)
    except ParseError:
        return None
    return None if value is None or value.seconds >= 2**32 else value


def _seconds(message: Message, key: str) -> int | None:
    text = message._text(key)
    try:
        seconds = None if text is None else NumberValue.parse(text).seconds
    except ParseError:
        return None
    return None if seconds is None else min(seconds, 2**32 - 1)


def _tokens(message: Message, name: str) -> set[str]:
    """Return the tokens of a list, in lower case."""
    return {token.strip().lower() for line in message.lines(name) for token in line.split(",")}
