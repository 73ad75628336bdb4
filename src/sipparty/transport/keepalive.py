"""Keeping flows open, noticing when one is not, and answering STUN (RFC 5626 §3.5, §4.4, §4.5, §8).

Laws:

* Who answers pings is known only when it has. Until then silence proves nothing: pings go on, and
  no answer is waited for. From then on silence is the end of the flow.
* Over UDP a ping is a STUN Binding request, sent again as RFC 8489 §6.2.1 has it; where none was
  ever answered, an empty line, which keeps a NAT open as well. §4.4.1 wants none of these over UDP,
  but nothing else is left that asks for no answer. Over connections it is the connection's own: an
  empty line, or a WebSocket's ping.
* Who answered no STUN is asked again every few minutes: it, or what is in between, may have been
  down when it was asked first.
* Another address that the peer sees us at is the end of the flow as well; but not a fault of the
  peer's, which is not marked down for it.
* A flow that has failed is looked for anew: at once where it had served, else after a time that
  grows with each failure (§4.5).
* There is an event where a flow is lost, and where it is there again; none between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sipparty.fsm import FSM, Portal, Row, Timer, Timers, verb
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import Core
from sipparty.sip.events import Event, FlowConfirmed, FlowLost
from sipparty.sip.flow import Address, Flow, host_port
from sipparty.sip.routing import NextHop
from sipparty.sip.wanted import KeepAliveWanted
from sipparty.transport import stun
from sipparty.transport.stream import Connection
from sipparty.transport.udp import UDPEndpoint

__all__ = ["KeepAlive", "KeepAlives"]

#: The states that wait for the answer to a ping.
_WAITING = ("Trying", "Proving", "Asking")


class KeepAlive(FSM):
    """A flow that is kept open; what `Party.keep_alive` returns.

    It is `Seeking` a flow, `Trying` whether its peer answers pings, `Kept`, `Asking` while a ping
    is out, `Proving` a flow that took the place of one that was lost, `Plain` where the peer
    answers no ping (and, over UDP, `Trying` again every `TRY_AGAIN` seconds), `BackingOff` until
    the next attempt, and in the end `Stopped`. To wait for one of them,
    `keep_alive.waitForStateCondition(lambda state: state == "Kept", timeout=5)` in a thread, or
    `await keep_alive.stateCondition(...)` in a coroutine.

    Args:
        keeper: What it works with.
        agent: The user agent whose flow it is.
        hop: Where the flow leads.
        interval: The most seconds between pings, of which 80 to 100 % are waited (§4.4); None for
            24 to 29 s over UDP (§4.4.2), and 95 to 120 s over connections (§4.4.1).
        stun: Whether a ping over UDP is a STUN request; else it is an empty line.

    Attributes:
        flow: The flow; None while there is none.
        mapped: Our address as the peer sees it, by STUN; None where that is not known.
        failures: How often in a row no flow could be formed.
        given: The flow that it is to keep open, while that stands; None for any that leads there.
    """

    table = (
        Row("Initial", "start", "Seeking", "_seek"),
        Row("Seeking", "found", "Trying", "_take", "_ping"),
        Row("Seeking", "found_again", "Proving", "_take", "_ping"),
        Row("Seeking", "found_plain", "Plain", "_take", "_ping_plainly", "_report_found"),
        Row("Seeking", "not_found", "BackingOff", "_fail"),
        Row("Trying", "timer_again", "Trying", "_ping_again"),
        Row("Trying", "answered", "Kept", "_confirm"),
        Row("Trying", ("refused", "timer_silence"), "Plain", "_ping_plainly", "_report_found"),
        Row("Plain", "timer_ping", "Plain", "_settle", "_ping_plainly"),
        Row("Plain", "timer_try_again", "Trying", "_ping"),
        Row("Plain", "answered", "Kept", "_confirm"),
        Row("Proving", "timer_again", "Proving", "_ping_again"),
        Row("Proving", "answered", "Kept", "_confirm"),
        Row(("Trying", "Plain", "Proving"), "broken", "BackingOff", "_fail"),
        Row("Proving", ("refused", "timer_silence"), "BackingOff", "_fail"),
        Row("Kept", "timer_ping", "Asking", "_ping"),
        Row("Asking", "timer_again", "Asking", "_ping_again"),
        Row("Asking", "answered", "Kept"),
        Row("Kept", "broken", "Seeking", "_lose", "_seek"),
        Row("Asking", "moved", "Seeking", "_move", "_seek"),
        Row("Asking", ("broken", "refused", "timer_silence"), "Seeking", "_lose", "_seek"),
        Row("BackingOff", "timer_back_off", "Seeking", "_seek"),
        Row(("Initial", "Seeking", *_WAITING, "Plain", "Kept", "BackingOff"), "stop", "Stopped"),
    )
    timers = (
        Timer("timer_ping", "pause", "Plain", "Kept", repeat=True),
        Timer("timer_again", "retransmission", *_WAITING, repeat=True),
        Timer("timer_silence", "patience", *_WAITING),
        Timer("timer_try_again", "next_try", "Plain"),
        Timer("timer_back_off", "back_off", "BackingOff"),
    )
    final = ("Stopped",)

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    #: The pauses of §4.4.2 and §4.4.1, least and most, in seconds.
    PAUSE: ClassVar[tuple[float, float]] = (24.0, 29.0)
    CONNECTION_PAUSE: ClassVar[tuple[float, float]] = (95.0, 120.0)
    #: The first wait for an answer by UDP, in seconds; how many requests are sent, each after twice
    #: the wait of the one before; and how many first waits the last is given (RFC 8489 §6.2.1).
    RTO: ClassVar[float] = 0.5
    REQUESTS: ClassVar[int] = 7
    LAST: ClassVar[int] = 16
    #: Seconds that the answer of a connection may take (§4.4.1).
    PONG: ClassVar[float] = 10.0
    #: Seconds after which a peer that answered no STUN is asked again.
    TRY_AGAIN: ClassVar[float] = 300.0
    #: What the wait between attempts to form a flow is doubled from, and its most, in seconds
    #: (§4.5).
    BASE_TIME: ClassVar[float] = 30.0
    MAX_TIME: ClassVar[float] = 1800.0

    def __init__(
        self,
        keeper: KeepAlives,
        agent: Any,
        hop: NextHop,
        interval: float | None = None,
        stun: bool = True,
    ) -> None:
        self.agent = agent
        self.hop = hop
        self.interval = interval
        self.flow: Flow | None = None
        self.mapped: Address | None = None
        self.failures = 0
        self.given: Flow | None = None
        self._keeper = keeper
        self._stun = stun
        self._transaction: bytes | None = None
        self._sent = 0
        self._wait = self.RTO
        #: Whether the peer has ever answered, and whether its last event was the loss of the flow.
        self._answers = False
        self._lost = False
        super().__init__(scheduler=keeper.timers)

    @property
    def target(self) -> str:
        """Where the flow leads, as host and port."""
        return host_port(self.hop.host, self.hop.port)

    # ---------------------------------------------------------------- what is asked of it

    def start(self) -> None:
        """Begin; called once, by whoever made it."""
        self.hit("start")

    @verb
    def stop(self) -> None:
        """Keep the flow open no longer; may be called more than once."""
        if self.takes("stop"):
            self.hit("stop")

    # ---------------------------------------------------------------- what happens to it

    def flow_found(self, flow: Flow) -> None:
        """Take a flow that was looked for."""
        if self._answers:
            self.hear("found_again", flow)
        elif flow.reliable or self._stun:
            self.hear("found", flow)
        else:
            self.hear("found_plain", flow)

    def flow_failed(self, reason: str) -> None:
        """Take note that there is none."""
        self.hear("not_found", reason)

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Take note that the flow has ended, or cannot be sent by; `reason` in lower case."""
        if flow is self.flow:
            self.hear("broken", reason)

    def pong_received(self) -> None:
        """Take the answer of a connection to a ping."""
        self.hear("answered")

    def stun_answered(self, answer: stun.Answer) -> None:
        """Take the answer to a STUN request; another's is nothing to this one."""
        if answer.transaction != self._transaction:
            return
        self._transaction = None
        before, self.mapped = self.mapped, answer.mapped
        if answer.mapped is None:
            self.hear("refused", "the other side refuses STUN")
        elif before is not None and before != answer.mapped:
            # §4.4.2: whoever sends to the old address does not reach us any more.
            seen = f"{host_port(*before)} has become {host_port(*answer.mapped)}"
            self.hear("moved", f"our address has changed: {seen}")
        else:
            self.hear("answered")

    # ---------------------------------------------------------------- delays

    @property
    def pause(self) -> float:
        """Seconds until the next ping."""
        flow = self.flow
        if self.interval is not None:
            least, most = self.interval * 0.8, self.interval
        else:
            reliable = flow is not None and flow.reliable
            least, most = self.CONNECTION_PAUSE if reliable else self.PAUSE
        return least + (most - least) * self._keeper.chance()

    @property
    def retransmission(self) -> float | None:
        """Seconds until a ping is sent again; None for never."""
        return self._wait if self._transaction and self._sent < self.REQUESTS else None

    @property
    def patience(self) -> float:
        """Seconds that the answer to a ping may take."""
        if self._transaction is None:
            return self.PONG
        return self.RTO * float(2 ** (self.REQUESTS - 1) - 1 + self.LAST)

    @property
    def next_try(self) -> float | None:
        """Seconds until a peer that answered no STUN is asked again; None for never."""
        flow = self.flow
        return self.TRY_AGAIN if self._stun and flow is not None and not flow.reliable else None

    @property
    def back_off(self) -> float:
        """Seconds until the next attempt to form a flow (§4.5)."""
        # More doublings than that are beyond any bound.
        bound = min(self.MAX_TIME, self.BASE_TIME * 2.0 ** min(self.failures, 32))
        return bound * (1 + self._keeper.chance()) / 2

    # ---------------------------------------------------------------- actions

    def _seek(self, *_: object) -> None:
        self._keeper.look(self)

    def _take(self, flow: Flow) -> None:
        self._let_go()
        self.flow = flow
        self.mapped = None
        flow.on_lost(self)

    def _let_go(self) -> None:
        if self.flow is not None:
            self.flow.forget(self)
        self.flow = None

    def _ping(self, *_: object) -> None:
        assert self.flow is not None
        self._transaction = None if self.flow.reliable else self._keeper.transaction()
        self._sent = 1
        self._wait = self.RTO
        self._keeper.ping(self, self.flow, self._transaction)

    def _ping_again(self) -> None:
        assert self.flow is not None
        self._sent += 1
        self._wait *= 2
        self._keeper.ping(self, self.flow, self._transaction)

    def _ping_plainly(self, *_: object) -> None:
        assert self.flow is not None
        self._transaction = None
        self._keeper.ping(self, self.flow, None)

    def _settle(self) -> None:
        self.failures = 0

    def _confirm(self) -> None:
        self.failures = 0
        if self._lost or not self._answers:
            self._answers, self._lost = True, False
            self._keeper.emit(FlowConfirmed(self.agent, self.target, self.mapped))

    def _report_found(self, *_: object) -> None:
        # Nobody says that it works; but nothing says that it does not, as the last event did.
        if self._lost:
            self._lost = False
            self._keeper.emit(FlowConfirmed(self.agent, self.target, None))

    def _lose(self, reason: str = "the other side does not answer") -> None:
        if self.flow is not None:
            self._keeper.mark_down(self.flow)
        self._move(reason)

    def _move(self, reason: str) -> None:
        # The peer did answer: nothing is wrong with it. It may be our address that has changed.
        flow = self.flow
        if flow is not None:
            self._keeper.reroute(flow)
        self._let_go()
        registration = getattr(self.agent, "registration", None)
        if flow is not None and registration is not None:
            registration.flow_lost(flow, reason)
        if not self._lost:
            self._lost = True
            self._keeper.emit(FlowLost(self.agent, self.target, reason))

    def _fail(self, reason: str = "the other side does not answer") -> None:
        self.failures += 1
        self._lose(reason)

    def on_enter_Stopped(self) -> None:
        """Let go of the flow."""
        self._let_go()
        self._keeper.forget(self)


class KeepAlives:
    """Every `KeepAlive` of an engine, and what they work with; used on its loop's thread alone.

    Args:
        core: The engine's core, which looks for flows and emits events.
        mark_down: Called with a flow whose peer does not answer: has other targets tried first.
    """

    def __init__(self, core: Core, mark_down: Callable[[Flow], object]) -> None:
        self._core = core
        self.mark_down = mark_down
        self.timers: Timers = core.timers
        self._kept: dict[tuple[UserAgent, NextHop], KeepAlive] = {}

    def start(
        self,
        agent: UserAgent,
        hop: NextHop,
        interval: float | None,
        use_stun: bool | None,
        portal: Portal | None = None,
    ) -> KeepAlive:
        """Begin to keep a flow open; what was kept to that place by that agent is stopped.

        Args:
            agent: Whose flow it is.
            hop: Where it leads.
            interval: The most seconds between pings; None for the RFC's.
            use_stun: Whether to ping by STUN over UDP; None for where the library is installed.
            portal: Access to the engine's thread.
        """
        former = self._kept.get((agent, hop))
        if former is not None:
            former.stop()
        if use_stun is None:
            use_stun = stun.is_available()
        kept = self._kept[agent, hop] = KeepAlive(self, agent, hop, interval, use_stun)
        kept.portal = portal
        kept.start()
        return kept

    def keep(self, wanted: KeepAliveWanted, portal: Portal | None = None) -> None:
        """Begin to keep a flow open that a registration has formed; its user is given what does so.
        Where somebody keeps a flow to that place open already, nothing is done.
        """
        agent, flow = wanted.agent, wanted.flow
        hop = NextHop(flow.remote[0], flow.remote[1], flow.transport)
        if any(kept.flow is flow for kept in self._kept.values()) or (agent, hop) in self._kept:
            return
        kept = KeepAlive(self, agent, hop, wanted.interval, stun.is_available())
        self._kept[agent, hop] = kept
        kept.portal = portal
        kept.given = flow
        wanted.user.keep_alive_started(kept)
        if kept.state == "Initial":
            kept.start()

    def stop(self, agent: UserAgent | None = None) -> None:
        """Stop every one of an agent; of all agents for None."""
        for (owner, _), kept in list(self._kept.items()):
            if agent is None or owner is agent:
                kept.stop()

    # ---------------------------------------------------------------- what came

    def stun_received(self, data: bytes, flow: Flow) -> None:
        """Answer a Binding request; give a response to who waits for it; drop anything else."""
        answer = stun.answer_to(data, flow.remote)
        if answer is not None:
            flow.endpoint.send(answer, flow)
            return
        response = stun.read_answer(data)
        if response is not None:
            for kept in self._kept_by(flow):
                kept.stun_answered(response)

    def pong_received(self, flow: Flow) -> None:
        """Take the answer to a connection's ping."""
        for kept in self._kept_by(flow):
            kept.pong_received()

    def _kept_by(self, flow: Flow) -> list[KeepAlive]:
        """Return those that keep a flow open."""
        return [kept for kept in self._kept.values() if kept.flow is flow]

    # ---------------------------------------------------------------- what they work with

    def look(self, keep_alive: KeepAlive) -> None:
        """Ask for a flow, as for a request."""
        self._core.locate(keep_alive.hop, keep_alive.given, keep_alive.agent, keep_alive)

    def ping(self, keep_alive: KeepAlive, flow: Flow, transaction: bytes | None) -> None:
        """Send a ping."""
        endpoint = flow.endpoint
        if endpoint.closed:
            keep_alive.flow_lost(flow, "its socket was closed")
        elif isinstance(endpoint, Connection):
            endpoint.ping()
        elif isinstance(endpoint, UDPEndpoint):
            ping = b"\r\n\r\n" if transaction is None else stun.binding_request(transaction)
            endpoint.send(ping, flow)

    def chance(self) -> float:
        """Return a number from 0 up to 1."""
        return self._core.tokens.number(16) / 0x10000

    def transaction(self) -> bytes:
        """Return 12 random bytes."""
        return bytes.fromhex(self._core.tokens.hexadecimal(24))

    def reroute(self, flow: Flow) -> None:
        """Have it found out anew from which of our addresses a flow's peer is reached."""
        if isinstance(flow.endpoint, UDPEndpoint):
            flow.endpoint.forget(flow.remote)

    def emit(self, event: Event) -> None:
        """Emit an event."""
        self._core.emit(event)

    def forget(self, keep_alive: KeepAlive) -> None:
        """Take one out that was stopped."""
        key = (keep_alive.agent, keep_alive.hop)
        if self._kept.get(key) is keep_alive:
            del self._kept[key]
