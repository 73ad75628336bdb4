"""The flows that an engine keeps open, and what its UDP ports answer to STUN (RFC 5626 §8)."""

from __future__ import annotations

from collections.abc import Callable

from sipparty.fsm import Portal, Timers
from sipparty.sip.agent import UserAgent
from sipparty.sip.core import Core
from sipparty.sip.events import Event
from sipparty.sip.flow import Flow
from sipparty.sip.routing import NextHop
from sipparty.transport import stun
from sipparty.transport.keepalive import KeepAlive
from sipparty.transport.stream import Connection
from sipparty.transport.udp import UDPEndpoint

__all__ = ["KeepAlives"]


class KeepAlives:
    """Every `KeepAlive` of an engine, and what they work with; used on its loop's thread alone.

    Args:
        core: The engine's core, which looks for flows and tells of events.
        mark_down: Called with a flow whose peer does not answer.
    """

    def __init__(self, core: Core, mark_down: Callable[[Flow], object]) -> None:
        self._core = core
        self._mark_down = mark_down
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
            portal: The way to the engine's thread.
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
            for kept in self._of(flow):
                kept.stun_answered(response)

    def pong_received(self, flow: Flow) -> None:
        """Tell who keeps a connection open that its peer answers."""
        for kept in self._of(flow):
            kept.pong_received()

    def _of(self, flow: Flow) -> list[KeepAlive]:
        """Return those that keep a flow open."""
        return [kept for kept in self._kept.values() if kept.flow is flow]

    # ---------------------------------------------------------------- what they work with

    @property
    def timers(self) -> Timers:
        """The core's, which the engine sees to."""
        return self._core.timers

    def look(self, keep_alive: KeepAlive) -> None:
        """Ask for a flow, as for a request."""
        self._core.locate(keep_alive.hop, None, keep_alive.agent, keep_alive)

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

    def mark_down(self, flow: Flow) -> None:
        """Have other targets of that name tried first."""
        self._mark_down(flow)

    def reroute(self, flow: Flow) -> None:
        """Have it found out anew from which of our addresses a flow's peer is reached."""
        if isinstance(flow.endpoint, UDPEndpoint):
            flow.endpoint.forget(flow.remote)

    def tell(self, event: Event) -> None:
        """Tell the agent's owner, by the core."""
        self._core.emit(event)

    def forget(self, keep_alive: KeepAlive) -> None:
        """Take one out that was stopped."""
        key = (keep_alive.agent, keep_alive.hop)
        if self._kept.get(key) is keep_alive:
            del self._kept[key]
