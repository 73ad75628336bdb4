"""Whether somebody is there: OPTIONS, sent again and again (RFC 3261 §11).

Laws:

* A ping that is answered shows that the target is up, whatever the answer, unless who asked says
  which statuses count. One that is not answered in time is lost, however late its answer comes.
* Those who began at once do not go on at once: each pause is 80 to 100 % of the period.
* A target that is down is asked less and less often, up to a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sipparty.errors import CallFailed, CallTimedOut, SIPPartyError, copy_of
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.outcomes import rejection
from sipparty.sip.events import Event
from sipparty.sip.flow import Flow
from sipparty.sip.handle import Service
from sipparty.sip.message import Request, Response

if TYPE_CHECKING:
    from sipparty.fsm import Entry
    from sipparty.sip.agent import UserAgent

__all__ = ["Ping", "PingEnded", "PingEvent", "TargetDown", "TargetUp"]

_LIVE = ("Trying", "Up", "Down")


class PingEvent(Event):
    """Something happened to a target that is pinged.

    Args:
        ping: The handle of `party.ping`.
    """

    ping: Ping
    SUBJECT = "ping"


class TargetUp(PingEvent):
    """A target answers: for the first time, or again.

    Args:
        round_trip: Seconds that the answer took.
    """

    round_trip: float


class TargetDown(PingEvent):
    """A target does not answer, from the first or not any more.

    Args:
        error: Why.
    """

    error: CallFailed


class PingEnded(PingEvent):
    """No more pings are sent.

    Args:
        error: Why they had to end; None where that was asked for.
    """

    error: CallFailed | None


class _Probe:
    """One ping: a request, and the time that its answer may take."""

    __slots__ = ("_entry", "_ping", "_request", "_sent")

    def __init__(self, ping: Ping) -> None:
        self._ping: Ping | None = ping
        self._request: ClientRequest | None = None
        timers = ping.core.timers
        self._sent = timers.now
        self._entry: Entry = timers.arm(ping.timeout, self, "late")

    def stop(self) -> None:
        """Be of no interest any more."""
        ping, self._ping = self._ping, None
        if self._request is not None:
            self._request.cancel()  # it may wait for what a Retry-After says
        if ping is not None:
            ping.core.timers.cancel(self._entry)
            ping._probes.discard(self)

    def _fire(self, input: str, /) -> None:
        ping = self._ping
        if ping is not None:
            self.stop()
            message = f"{ping.target} did not answer within {ping.timeout:g} s."
            ping.lost(CallTimedOut(message, 408, "Request Timeout"))

    # The request's user.

    def request_built(self, client_request: ClientRequest, request: Request, flow: Flow) -> None:
        """Begin to count, now that its flow is known."""
        self._request = client_request
        if self._ping is not None:
            self._sent = self._ping.core.timers.now

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a final response."""
        ping = self._ping
        if ping is not None and response.status >= 200:
            self.stop()
            ping.answered(response, ping.core.timers.now - self._sent)

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        ping = self._ping
        if ping is not None:
            self.stop()
            ping.lost(error)


class Ping(Service):
    """A target that is pinged; made by `party.ping`. To wait for it is to wait until it is known
    whether the target is there: one that is down raises, and says why.

    Args:
        agent: The user agent that pings.
        target: The URI that is pinged.
        send: Sends a request on behalf of a user, and returns it.
        period: The most seconds between pings, of which 80 to 100 % are waited.
        timeout: Seconds that an answer may take.
        misses: How many pings in a row have to be lost for a target to be down that was up.
        up: The statuses that count as up; None for any.

    Attributes:
        sent: How many pings were sent.
        received: How many were answered in time, by whatever status.
        round_trip: Seconds that the last answer took; None before the first.
        response: The last answer; None before the first.
        last_error: Why the target is down; None while it is up.
    """

    WHAT = "The ping"
    LAST_EVENT = PingEnded
    #: The most seconds between pings to a target that is down, unless the period is longer.
    MAX_PAUSE: ClassVar[float] = 300.0

    __slots__ = (
        *("_missed", "_probes", "_send", "misses", "period", "received", "response"),
        *("round_trip", "sent", "target", "timeout", "up"),
    )

    table = (
        Row("Initial", "begin", "Trying", "_begin"),
        *(Row(state, "timer_next", state, "_ask") for state in _LIVE),
        Row(("Trying", "Down"), "answered", "Up", "_rise"),
        Row("Up", "answered", "Up"),
        Row(("Trying", "Up"), "lost", "Down", "_fall"),
        Row("Down", "lost", "Down"),
        Row("Up", "missed", "Up"),
        Row(_LIVE, "terminate", "Terminated", "_stop"),
        Row(_LIVE, "failed", "Error", "_fail", "_stop"),
    )
    timers = (Timer("timer_next", "_pause", *_LIVE, repeat=True),)
    final = ("Terminated", "Error")

    def __init__(
        self,
        agent: UserAgent,
        target: str,
        send: Callable[[Any], ClientRequest],
        period: float = 30.0,
        timeout: float = 5.0,
        misses: int = 1,
        up: Collection[int] | None = None,
    ) -> None:
        super().__init__(agent)
        self.target = target
        self.period = period
        self.timeout = timeout
        self.misses = misses
        self.up = up
        self.sent = self.received = 0
        self.round_trip: float | None = None
        self.response: Response | None = None
        self._send = send
        self._missed = 0
        self._probes: set[_Probe] = set()

    # ---------------------------------------------------------------- what a user reads

    @property
    def loss(self) -> float:
        """The share of pings that were not answered in time, 0.0 to 1.0; those under way do not
        count yet.
        """
        over = self.sent - len(self._probes)
        return 1.0 - self.received / over if over else 0.0

    def settled(self, state: str) -> bool:
        """Whether it is known whether the target is there."""
        return state not in ("Initial", "Trying")

    def _outcome(self) -> Self:
        if self.last_error is not None:
            raise copy_of(self.last_error)
        return self

    @verb
    def stop(self) -> Self:
        """Send no more pings; may be called more than once."""
        if self.takes("terminate"):
            self.hit("terminate")
        return self

    # ---------------------------------------------------------------- what comes of a ping

    def answered(self, response: Response, round_trip: float) -> None:
        """Take an answer that came in time."""
        self.received += 1
        self.round_trip, self.response = round_trip, response
        if self.up is None or response.status in self.up:
            self._missed = 0
            self.hear("answered")
        else:
            self.lost(rejection(response))

    def lost(self, error: CallFailed) -> None:
        """Take note that a ping shows nobody."""
        self._missed += 1
        if self.state == "Up" and self._missed < self.misses:
            self.hear("missed")
        else:
            self.hear("lost", error)

    # ---------------------------------------------------------------- actions

    @property
    def _pause(self) -> float:
        period, down = self.period, self._missed - self.misses + 1
        if self.state == "Down" and down > 0:
            period = max(period, min(period * 2 ** min(down, 32), self.MAX_PAUSE))
        return float(period * (0.8 + 0.2 * self.core.tokens.number(16) / 0xFFFF))

    def _begin(self) -> None:
        self.agent.services[self] = None
        self._ask()

    def _ask(self) -> None:
        self.sent += 1
        probe = _Probe(self)
        self._probes.add(probe)
        try:
            self._send(probe)
        except SIPPartyError as error:
            probe.stop()
            failure = CallFailed(f"The ping could not be sent: {error}")
            failure.__cause__ = error
            self.lost(failure)

    def _rise(self) -> None:
        self.last_error = None
        if self.agent.observed:
            self._emit(TargetUp, self.round_trip)

    def _fall(self, error: CallFailed) -> None:
        self.last_error = error
        if self.agent.observed:
            self._emit(TargetDown, error)

    def _fail(self, error: CallFailed) -> None:
        self.last_error = error

    def _stop(self, *_: object) -> None:
        for probe in list(self._probes):
            probe.stop()

    def on_enter_Terminated(self) -> None:
        """Be a service no more."""
        self.agent.services.pop(self, None)
        if self.agent.observed:
            self._emit(PingEnded, self.last_error if self.state == "Error" else None)

    def on_enter_Error(self) -> None:
        """Be a service no more."""
        self.on_enter_Terminated()
