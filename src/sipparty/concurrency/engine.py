"""The engine: an asyncio loop that moves bytes between sockets and the core, and the access from
other threads.

* `Engine.shared()` runs on a daemon thread of its own; scripts, the REPL and notebooks use it.
* `Engine.current()` is that of the running loop; an asyncio program pays no thread hop.

Laws:

* The core is touched on the loop's thread alone; `sipparty.concurrency.portal` gives access to it.
* After whatever came to the core, what it wants sent is sent and its events are handed out,
  before the loop turns.
* Nothing outlives the engine: `close` gives back every socket, ends the thread, and is called at
  exit. Nobody waits any longer for what was under way: it fails, or is over.
* A forked child starts with none of its parent's engines, and holds none of their sockets.
* What goes wrong with one event or message is logged, and stops no other.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sipparty.concurrency import waiting
from sipparty.concurrency.dispatch import Dispatcher
from sipparty.concurrency.host import random_bits, wall_clock
from sipparty.concurrency.portal import LoopPortal
from sipparty.errors import CallUnreachable, ParseError, SIPPartyError
from sipparty.sip.agent import UserAgent
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.core import Core, FlowWanted, TargetFailed
from sipparty.sip.dialog import Dialog
from sipparty.sip.events import Event
from sipparty.sip.flow import Flow
from sipparty.sip.limits import Limits
from sipparty.sip.policy import Policy
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction import Timing
from sipparty.sip.unproven import UnprovenHosts
from sipparty.sip.wanted import AccountWanted, KeepAliveWanted, TargetAnswered
from sipparty.trace import Wire
from sipparty.transport import Hub, Resolver, TLSConfig, WebSocketConfig
from sipparty.transport.stream import Connection

if TYPE_CHECKING:
    from sipparty.media.loops import MediaThreads

__all__ = ["Engine"]

_log = logging.getLogger(__name__)

R = TypeVar("R")


class Engine(LoopPortal):
    """A loop, its sockets and a core.

    Args:
        loop: A running loop to work on; by default the engine makes one and runs it on a thread.
        timing: Timer values for the core.
        resolver: What finds the targets of a name; by default the system's name servers are asked.
        tls: Certificates for TLS and WSS, and what is asked of the peers'.
        limits: How much peers may have it hold.
        policy: What is done at the word of a peer.
        websocket: Which web sites WebSockets are taken from, and the path that they are opened
            with.
        media_threads: How many threads there are for media, each with a loop of its own; 0 to have
            media on the engine's loop, beside signalling.
        tokens: Where tags, branches and Call-IDs come from; the chance of the loop's host, which is
            the system's, by default.

    Attributes:
        chance: Gives a random number from 0 up to 1.
        core: The core; to be touched on the engine's thread only.
        wire: Sees every message; add taps to it.
        hub: The endpoints.
        streams: What ends with the engine: loops over calls.
        unproven_hosts: The hosts that calls have sent media to, and nothing has come from.
    """

    #: Timers are looked at so many seconds apart at the most often: none of SIP's minds, and a
    #: busy engine wakes up once for many.
    TIMER_RESOLUTION = 0.01
    #: Seconds that connections may take to end before they are cut off.
    DRAIN_TIMEOUT = 0.2
    #: Why what was under way in a closed engine has failed.
    _CLOSED = "the engine was closed"

    _shared: ClassVar[Engine | None] = None
    _all: ClassVar[weakref.WeakSet[Engine]] = weakref.WeakSet()
    _by_loop: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Engine]] = (
        weakref.WeakKeyDictionary()
    )
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        timing: Timing | None = None,
        resolver: Resolver | None = None,
        tls: TLSConfig | None = None,
        limits: Limits | None = None,
        policy: Policy | None = None,
        websocket: WebSocketConfig | None = None,
        media_threads: int = 0,
        tokens: Tokens | None = None,
    ) -> None:
        self.media_threads: MediaThreads | None = None
        if media_threads:
            from sipparty.media.loops import MediaThreads

            self.media_threads = MediaThreads(media_threads)
        super().__init__(loop)
        self.wire = Wire()
        self.wire.clock = wall_clock(self.loop)
        bits = random_bits(self.loop)
        self.chance: Callable[[], float] = lambda: bits(32) / (1 << 32)
        tokens = tokens or Tokens(lambda size: bits(8 * size).to_bytes(size, "big"))
        self.core = Core(tokens, timing, self.loop.time(), limits, policy)
        self.dispatcher = Dispatcher(self.loop, self.core.limits)
        self.unproven_hosts = UnprovenHosts()
        self.streams: weakref.WeakSet[Any] = weakref.WeakSet()
        self._contexts = 0
        self.hub = Hub(self.loop, self, resolver, tls, websocket)
        self._timer: asyncio.TimerHandle | None = None
        #: When that looks; infinite where it does not.
        self._timer_at = inf
        Engine._all.add(self)
        Engine._by_loop[self.loop] = self
        self._start()

    def own_address(self, six: bool) -> str:
        """Return the address by which other engines of the process reach this one, of IPv6 where
        that is asked for: the loopback one.
        """
        return "::1" if six else "127.0.0.1"

    # ---------------------------------------------------------------- which engine

    @classmethod
    def shared(cls) -> Engine:
        """Return the engine on a thread of its own that all parties share by default."""
        with cls._lock:
            if cls._shared is None or cls._shared.closed:
                cls._shared = cls()
            return cls._shared

    @classmethod
    def current(cls) -> Engine:
        """Return the engine of the running loop.

        Raises:
            RuntimeError: No loop is running.
        """
        loop = asyncio.get_running_loop()
        engine = cls._by_loop.get(loop)
        if engine is None or engine.closed:
            engine = cls(loop)
        return engine

    def counters(self) -> dict[str, int]:
        """Return how much is under way, and how many messages came, went and were refused; from
        any thread.

        Returns:
            By name: `dialogs`, `client_transactions`, `server_transactions` and `timers` say what
            is there now; `received`, `sent`, `refused` (at a limit), `stray_responses`,
            `stray_acks`, `retransmitted` (messages of ours for want of an answer), `repetitions`
            (requests that came again), and the attacks (`AttackMonitor.THRESHOLDS` names them)
            count up.

        Raises:
            UsageError: The engine is closed.
        """
        return self.run(self.core.counts)

    # ---------------------------------------------------------------- the pump

    def _act(self, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        self._busy = True
        self.core.at(self.loop.time())
        try:
            return function(*args)
        finally:
            self.messages_received(())

    def messages_received(self, batch: Iterable[tuple[bytes, Flow]]) -> None:
        """Give messages to the core; then send what it wants sent, hand out its events, and see to
        its timers. Called by endpoints with what came, and without anything after all else that the
        core was given.
        """
        core, hub = self.core, self.hub
        self._busy = True
        for data, flow in batch:
            try:
                core.receive(data, flow, self.loop.time())
            except Exception:
                # Nobody out there may stop the engine. What gets here is a defect of ours.
                _log.exception("A message from %s port %s failed.", *flow.remote)
        try:
            while core.out or core.occurred:
                out = core.transmits() if core.out else ()
                watched = bool(out) and self.wire.watched()
                for data, flow in out:
                    endpoint = flow.endpoint
                    try:
                        if endpoint.closed:
                            hub.response_fallback.send(data, flow)
                        else:
                            if watched:
                                self._report(data, flow)
                            endpoint.send(data, flow)
                    except Exception:
                        # As if the network had lost it; the others of the batch go out.
                        _log.exception("Sending to %s port %s failed.", *flow.remote)
                if core.occurred:
                    events, core.occurred = core.occurred, []
                    for event in events:
                        try:
                            self._hand_out(event)
                        except Exception:
                            _log.exception("The event %s failed.", type(event).__name__)
            if hub.listeners.leaving:
                hub.listeners.let_leave()
        finally:
            self._busy = False
            if core.timers.soonest + self.TIMER_RESOLUTION < self._timer_at:
                self._schedule()

    def _report(self, data: bytes, flow: Flow) -> None:
        self.wire.sent(data, flow.local, flow.remote, flow.transport, self.wire.clock())

    def transmit(self, data: bytes, flow: Flow) -> None:
        """Send a message apart from what the core wants sent; called by the hub."""
        if self.wire.watched():
            self._report(data, flow)
        flow.endpoint.send(data, flow)

    def _hand_out(self, event: Event) -> None:
        if isinstance(event, FlowWanted):
            self.hub.find(event)
        elif isinstance(event, AccountWanted):
            self._find_account(event)
        elif isinstance(event, TargetFailed):
            self.hub.mark_down(event.flow, event.retry_after)
        elif isinstance(event, TargetAnswered):
            self.hub.mark_up(event.flow)
        elif isinstance(event, KeepAliveWanted):
            self.hub.keepalives.keep(event, self)
        elif event.agent is None:
            # Of nobody in particular: every party is notified, once.
            for owner in dict.fromkeys(agent.owner for agent in self.core.directory.receiving()):
                if owner is not None:
                    owner.event_happened(event)
        elif event.agent.owner is not None:
            event.agent.owner.event_happened(event)

    def _find_account(self, wanted: AccountWanted) -> None:
        """Have an account looked for on a thread for handlers, or as a task."""

        def found(account: Any) -> None:
            if not self.closed:
                self._act(self.core.account_found, (wanted, account, self.loop.time()))

        def failed(reason: str, busy: bool) -> None:
            if not self.closed:
                answer = partial(self.core.account_failed, busy=busy)
                self._act(answer, (wanted, reason, self.loop.time()))

        async def wait(account: Awaitable[Any]) -> None:
            found(await account)

        def find(_: AccountWanted) -> Any:
            account = wanted.find()
            if inspect.isawaitable(account):
                return wait(account)
            self.loop.call_soon_threadsafe(found, account)
            return None

        async def find_here(_: AccountWanted) -> None:
            await find(wanted)

        handler = find_here if inspect.iscoroutinefunction(wanted.find) else find
        self.dispatcher.run(
            *(handler, wanted, None),
            partial(failed, "the function that finds accounts has raised", False),
            partial(failed, "no thread was free to look for an account", True),
        )

    def _schedule(self) -> None:
        """Have the loop look at the timers when the first is due."""
        when = self.core.next_timer()
        if when is None or self.closed:
            return
        # What is overdue already is due now: else each datagram would put it off once more.
        at = max(when, self.loop.time()) + self.TIMER_RESOLUTION
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self.loop.call_at(at, self._timer_due)

    def _timer_due(self) -> None:
        self._timer, self._timer_at = None, inf
        self._busy = True
        try:
            self.core.handle_timers(self.loop.time())
        except Exception:
            _log.exception("A timer failed.")
        finally:
            self.messages_received(())

    # ---------------------------------------------------------------- an endpoint's owner

    def malformed_received(self, data: bytes, flow: Flow, error: ParseError) -> None:
        """Have what is no message answered, where it can be; called by endpoints."""
        self._busy = True
        self.core.malformed(data, flow, error, self.loop.time())

    def stun_received(self, data: bytes, flow: Flow) -> None:
        """Have a STUN message answered, or given to who waits for it; called by endpoints."""
        self._busy = True
        self.core.at(self.loop.time())
        try:
            self.hub.keepalives.stun_received(data, flow)
        except Exception:
            _log.exception("A STUN message from %s port %s failed.", *flow.remote)

    def pong_received(self, flow: Flow) -> None:
        """Notify the keep-alive of a connection that its peer answers; called by endpoints."""
        self._busy = True
        self.core.at(self.loop.time())
        self.hub.keepalives.pong_received(flow)

    def hold(self, host: str, size: int) -> bool:
        """Count what a connection keeps for its peer; called by endpoints."""
        return self.core.transactions.hold(host, size)

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """Take note that a connection has ended; called by endpoints."""
        self.hub.connection_closed(flow.endpoint)
        self.send_failed(flow, reason)

    def send_failed(self, flow: Flow, reason: str) -> None:
        """Notify whoever depends on a flow that it cannot be sent by; called by endpoints."""
        if not self.closed:
            self._act(flow.fail, (reason,))

    # ---------------------------------------------------------------- the end

    def enter(self) -> None:
        """Count an `async with` block that uses the engine; on its loop, as `leave` is."""
        self._contexts += 1

    async def leave(self) -> None:
        """Count one less; without any, an engine on a caller's loop that is not used is closed."""
        self._contexts -= 1
        if self.hub.unused() and not (self._own_loop or self._contexts):
            await self.aclose()

    async def hang_up(self, agents: Iterable[UserAgent], patience: float) -> None:
        """End the dialogs and services of some agents, and wait for the ends to be confirmed; their
        media are over then, whatever the other side does.

        Args:
            agents: Whose dialogs and services.
            patience: Seconds to wait at the most.
        """
        agents = list(agents)
        dialogs = [dialog for agent in agents for dialog in agent.dialogs]
        handles = [*dialogs, *(service for agent in agents for service in agent.services)]
        for handle in handles:
            if handle.takes("terminate"):
                try:
                    self.run(handle.hit, "terminate")
                except Exception:
                    _log.exception("%s could not be ended.", handle.name)
        waits = [
            asyncio.ensure_future(handle.stateCondition(handle.final.__contains__))
            for handle in handles
        ]
        if waits:
            _, late = await asyncio.wait(waits, timeout=patience)
            for wait in late:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        for dialog in dialogs:
            if dialog.session is not None:
                dialog.session.stop()  # of one whose end nobody confirms: it gives back its sockets

    async def aclose(self) -> None:
        """Hang up, give back every socket and forget everything; on the engine's loop."""
        if not self.closed:
            # What is not sent yet fails, and says why; only what is, is cancelled or hung up.
            self._act(self.hub.give_up, (f"No route was found: {self._CLOSED}.",))
            await self.hang_up(list(self.core.directory.agents), self.CLOSE_TIMEOUT)
            connections = self.hub.connections()
            self._close_now()
            await self._end(connections)

    async def _end(self, connections: list[Connection]) -> None:
        """Let TLS close its connections; a loop that stops before would leave the sockets open."""
        until = self.loop.time() + self.DRAIN_TIMEOUT
        while (  # noqa: ASYNC110 - the loop closes sockets after it has reported their end
            any(not one.ended for one in connections) and self.loop.time() < until
        ):
            await asyncio.sleep(0.001)
        for one in connections:
            if not one.ended:
                one.abort()
        # An abort is carried out when the loop has turned.
        await asyncio.sleep(0)

    def _abandon(self) -> None:
        """Fail what is still under way, so that nobody waits for it any more."""
        reason = self._CLOSED
        self.hub.give_up(f"No route was found: {reason}.")
        transactions = list(self.core.transactions.clients.values())
        waiting: list[object] = [one.user for one in transactions]
        for request in [*waiting, *self.core.timers.owners("again")]:
            if isinstance(request, ClientRequest):
                request.cancel()  # no other server is tried, and none waits for its Retry-After
        for transaction in transactions:
            transaction.flow_lost(transaction.flow, reason)
        for agent in list(self.core.directory.agents):
            for handle in [*agent.dialogs, *agent.services]:
                try:
                    handle.give_up(CallUnreachable(f"{handle.WHAT} was given up: {reason}."))
                    if isinstance(handle, Dialog) and handle.session is not None:
                        handle.session.stop()
                except Exception:
                    _log.exception("%s could not be ended.", handle.name)

    def _close_now(self) -> None:
        if self.closed:
            return
        try:
            self._act(self._abandon, ())
        except Exception:
            _log.exception("Something could not be ended.")
        self._closed = True
        for stream in list(self.streams):
            stream.end()
        if Engine._by_loop.get(self.loop) is self:
            del Engine._by_loop[self.loop]
        if self._timer is not None:
            self._timer.cancel()
        self.dispatcher.close()
        self.hub.close()
        if self.media_threads is not None:
            self.media_threads.close()


#: Engines of the parent, kept in a forked child so that nothing of theirs is touched.
_abandoned: list[Engine] = []


@atexit.register
def _close_all() -> None:
    for engine in list(Engine._all):
        if engine._own_loop and not engine.closed:
            try:
                engine.close()
            except SIPPartyError:
                _log.debug("An engine did not close in time.", exc_info=True)
    workers = sys.modules.get("sipparty.concurrency.workers")
    if workers is not None:  # recordings are complete before the program ends
        workers.WRITERS.drain(2.0)


def _forget_engines() -> None:
    for engine in list(Engine._all):
        engine._closed = True
        engine.core.tokens.forget()
        engine.hub.abandon()
        _abandoned.append(engine)
    Engine._shared = None
    Engine._all = weakref.WeakSet()
    Engine._by_loop = weakref.WeakKeyDictionary()
    Engine._lock = threading.Lock()
    # A thread that is not here any more may have held it.
    waiting._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_engines)
