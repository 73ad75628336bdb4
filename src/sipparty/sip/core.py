"""The core: everything of SIP, and no I/O. It is the one entry.

    core.receive(data, flow, now)       a datagram came
    core.handle_timers(now)             it is time
    core.next_timer()                   when to call that again
    core.transmits()                    what to send: (data, flow) pairs
    core.events()                       what happened, and what the core asks for

After each call in, take what is to be sent and the events. What the core cannot do it asks for as
an event: `FlowWanted` is answered by `flow_found` or `flow_failed`, `AccountWanted` by
`account_found` or `account_failed`. What its owner wants of it (a verb of a dialog) it may call
directly, after `core.at(now)` has set the time.

The path of a message: bytes, `Message`, its transaction, the role whose it is, which answers or
forwards; bytes, out. It is the same for every kind of message. A core has one role by itself,
`UserAgentCore`; others (a registrar, a proxy) are put into `core.roles`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from sipparty.errors import ParseError
from sipparty.fsm import Timers
from sipparty.sip.admission import Lookups
from sipparty.sip.attacks import AttackMonitor
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.directory import Directory
from sipparty.sip.events import Event
from sipparty.sip.facts import read_facts
from sipparty.sip.flow import KEEP_ALIVES, Flow
from sipparty.sip.limits import Limits
from sipparty.sip.message import Message, Request
from sipparty.sip.policy import Policy
from sipparty.sip.refusals import Refusals
from sipparty.sip.routing import NextHop
from sipparty.sip.shares import is_shortage
from sipparty.sip.tokens import Tokens
from sipparty.sip.transaction import (
    Overload,
    ServerTransaction,
    Timing,
    TransactionLayer,
    TransactionUser,
)
from sipparty.sip.user_agent_core import UserAgentCore
from sipparty.sip.validation import blame, check_response
from sipparty.sip.wanted import (
    AccountWanted,
    FlowUser,
    FlowWanted,
    TargetAnswered,
    TargetFailed,
)

__all__ = ["Core", "FlowWanted", "TargetFailed"]


class Core:
    """All of one host's SIP.

    Args:
        tokens: Where tags, branches and Call-IDs come from.
        timing: Timer values.
        now: The time, in seconds on any clock that only goes forward.
        limits: How much peers may have it hold.
        policy: What is done at the word of a peer.

    Attributes:
        attacks: What looks like an attack, counted by source.
        lookups: The requests that wait for the account of who sent them.
        dialogs: The dialogs by Call-ID, local tag and remote tag.
        directory: The agents: all that there are, and by where they receive.
        refusals: What answers requests that are not served.
        user_agents: The role of the agents.
        roles: Who is given what comes, in order, until one takes it; the agents at first.
        message: The message that is being taken; None between messages.
        counters: How many messages came and went, and what was dropped, by name.
    """

    #: Targets that have failed and are looked out for; all are forgotten when there are more.
    MAX_SUSPECTS = 1024

    def __init__(
        self,
        tokens: Tokens,
        timing: Timing | None = None,
        now: float = 0.0,
        limits: Limits | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.tokens = tokens
        self.limits = limits = limits or Limits()
        self.policy = policy or Policy()
        self.timers = Timers(now)
        #: What `transmits` and `events` give; who looks at each turn looks here first.
        self.out: list[tuple[bytes, Flow]] = []
        #: Puts bytes in line, and the flow to send them by.
        self.transmit = self.out.append
        self.transactions = TransactionLayer(
            *(self.timers, timing or Timing(), tokens, self.transmit, limits),
            knows=self._is_within,
            policy=self.policy,
        )
        self.dialogs: dict[tuple[str, str, str], DialogState] = {}
        #: The latest that are over: an INVITE may come too late to replace one (RFC 3891 §3).
        self.ended: deque[int] = deque(maxlen=64)
        #: The NOTIFYs that may make a dialog of a request of ours, by Call-ID and local tag: what
        #: takes one, and says whether it is its own (RFC 6665 §4.4.1).
        self.forming: dict[tuple[str, str], Callable[[ServerTransaction], bool]] = {}
        self.counters: dict[str, int] = dict.fromkeys(
            ("received", "sent", "refused", "stray_responses", "stray_acks"), 0
        )
        self.directory = Directory()
        self.refusals = Refusals(tokens, limits.retry_after, self.transmit, self._is_within)
        self.user_agents = UserAgentCore(self, self.directory, self.refusals)
        self.roles: list[TransactionUser] = [self.user_agents]
        self.attacks = AttackMonitor(self.counters, self.emit)
        self.lookups = Lookups(self)
        #: What has failed, and was not heard of since: transport, address and port.
        self._suspects: set[tuple[str, str, int]] = set()
        self.occurred: list[Event] = []
        #: Is given what happens in the media of calls, whether it has handlers or not, on any
        #: thread; None where nobody looks, as a rule.
        self.watch: Callable[[Event], object] | None = None
        self.message: Message | None = None

    # ---------------------------------------------------------------- time and what comes out

    def at(self, now: float) -> None:
        """Set the time, in seconds; each method that takes `now` does so itself."""
        self.timers.now = now

    def next_timer(self) -> float | None:
        """Return when `handle_timers` has to be called; None for never."""
        return self.timers.next_timer()

    def handle_timers(self, now: float) -> None:
        """Do what is due."""
        self.timers.handle_timers(now)

    def transmits(self) -> list[tuple[bytes, Flow]]:
        """Return what is to be sent since the last call, in order."""
        out = self.out[:]
        self.out.clear()
        self.counters["sent"] += len(out)
        return out

    def events(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        events = self.occurred
        if events:
            self.occurred = []
        return events

    def emit(self, event: Event) -> None:
        """Put an event in line."""
        self.occurred.append(event)

    # ---------------------------------------------------------------- flows

    def locate(
        self,
        next_hop: NextHop,
        endpoint: Hashable,
        agent: Any,
        user: FlowUser,
        *,
        reliable: bool = False,
        tried: tuple[tuple[str, str, int], ...] = (),
    ) -> None:
        """Ask for a flow to a next hop on behalf of a user, who is given it now or later."""
        self.occurred.append(FlowWanted(agent, next_hop, endpoint, user, reliable, tried))

    def target_failed(self, flow: Flow, agent: Any, retry_after: float | None) -> None:
        """Report that what a flow leads to does not serve."""
        self.occurred.append(TargetFailed(agent, flow, retry_after))

    def suspect(self, flow: Flow) -> None:
        """Report when what a flow leads to, and is said to be down, answers."""
        if len(self._suspects) >= self.MAX_SUSPECTS:
            self._suspects.clear()
        self._suspects.add((flow.transport, *flow.remote))

    def flow_found(self, wanted: FlowWanted, flow: Flow, now: float) -> None:
        """Answer a `FlowWanted`."""
        self.timers.now = now
        wanted.user.flow_found(flow)

    def flow_failed(self, wanted: FlowWanted, reason: str, now: float) -> None:
        """Answer a `FlowWanted` that cannot be met, with a sentence that says why."""
        self.timers.now = now
        wanted.user.flow_failed(reason)

    def account_found(self, wanted: AccountWanted, account: Any, now: float) -> None:
        """Answer an `AccountWanted`: an `Account`, a password, or None for nobody."""
        self.timers.now = now
        wanted.user.account_found(account)

    def account_failed(
        self, wanted: AccountWanted, reason: str, now: float, *, busy: bool = False
    ) -> None:
        """Answer an `AccountWanted` that nobody knows the answer to; `busy` where nobody had the
        time to look: then the request is answered 503, else 500.
        """
        self.timers.now = now
        wanted.user.account_failed(reason, busy)

    def transport_failed(self, flow: Flow, reason: str, now: float) -> None:
        """Take note that bytes for a flow could not be sent (RFC 3261 §18.4)."""
        self.timers.now = now
        flow.fail(reason)

    # ---------------------------------------------------------------- who is here

    def add_dialog(self, state: DialogState) -> None:
        """Have a dialog found by its identity."""
        self.dialogs[state.identity] = state
        share = state.share
        if share is not None:
            share.dialogs += 1
            if state.half_open:
                share.half_open += 1
        self.weigh(state)

    def remove_dialog(self, state: DialogState) -> None:
        """Have it found no more."""
        share, held = state.share, state.bytes_held
        state.bytes_held = 0
        if share is None:
            self.transactions.held -= held
        else:
            state.share = None
            share.dialogs -= 1
            if state.half_open:
                state.half_open = False
                share.half_open -= 1
            self.transactions.release(share, held)
        identity = state.identity
        if self.dialogs.get(identity) is state:
            del self.dialogs[identity]
            self.ended.append(hash(identity))

    def weigh(self, state: DialogState) -> None:
        """Count anew what is kept for a dialog, as after each agreement on media."""
        more = state.weight - state.bytes_held
        self.transactions.held += more
        if state.share is not None:
            state.share.held += more
        state.bytes_held += more

    # ---------------------------------------------------------------- messages in

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take what a datagram brought, or one message out of a stream.

        Args:
            data: The bytes.
            flow: The flow they came by.
            now: The time, in seconds.
        """
        self.timers.now = now
        self.counters["received"] += 1
        if data in KEEP_ALIVES:
            return
        try:
            message = self.message = Message.parse(data)
            if isinstance(message, Request):
                self._take_request(message, flow)
                return
            facts = message._facts = read_facts(message)
            if not facts.plain:
                check_response(message)
            if not self.transactions.response_received(message):
                if not any(role.stray_response(message, flow) for role in self.roles):
                    self.counters["stray_responses"] += 1
            elif self._suspects and message._status != 503:
                where = (flow.transport, *flow.remote)
                if where in self._suspects:
                    self._suspects.discard(where)
                    self.emit(TargetAnswered(None, flow))  # type: ignore[arg-type]  # of no agent
        except ParseError as error:
            self._take_malformed(data, flow, error)
        finally:
            self.message = None

    def malformed(self, data: bytes, flow: Flow, error: ParseError, now: float) -> None:
        """Take what a stream brought in the place of a message.

        Args:
            data: The head, as far as it is known.
            flow: The flow it came by.
            error: What is wrong; its status is that of the answer.
            now: The time, in seconds.
        """
        self.timers.now = now
        self.counters["received"] += 1
        self._take_malformed(data, flow, error)

    def _take_malformed(self, data: bytes, flow: Flow, error: ParseError) -> None:
        self.attacks.note("malformed", flow, self.timers.now)
        back = self.transactions.response_flow
        self.refusals.refuse_malformed(data, error, lambda request: back(request, flow))

    def _take_request(self, request: Request, flow: Flow) -> None:
        try:
            taken = self.transactions.request_received(request, flow)
        except Overload as overload:
            if overload.flood:
                self.attacks.note("flood", flow, self.timers.now)
            self.counters["refused"] += 1
            self.refusals.refuse_overload(request, overload)
            return
        if taken is None:
            return
        if taken.__class__ is Flow:
            for role in self.roles:
                if role.ack(request, taken):
                    return
            self.counters["stray_acks"] += 1
            return
        assert isinstance(taken, ServerTransaction)
        try:
            if request._method == "CANCEL":
                invite = self.transactions.cancelled_by(taken)
                for role in self.roles:
                    if role.cancel(taken, invite):
                        break
                else:
                    self.refusals.refuse(taken, 481)
            else:
                for role in self.roles:
                    if role.request(taken):
                        break
                else:
                    self.refusals.refuse(taken, 404)
        except Exception as error:
            self._answer_error(taken, error)
        if taken.state == "Initial":
            taken.hit("wait")  # whoever has it takes its time

    def resume(self, transaction: ServerTransaction, serve: Callable[[], None]) -> None:
        """Go on with a request that has waited; what that raises is answered as ever."""
        self.message = transaction.request
        try:
            serve()
        except Exception as error:
            self._answer_error(transaction, error)
        finally:
            self.message = None
        if transaction.state == "Initial":
            transaction.hit("wait")

    def _answer_error(self, transaction: ServerTransaction, error: Exception) -> None:
        """Answer a request that raised when it was served; called where that is caught."""
        refuse = self.refusals.refuse
        if isinstance(error, ParseError):
            refuse(transaction, error.status, blame(error, transaction.request))
        elif is_shortage(error):
            # It is nobody's fault, and over some time.
            self.counters["refused"] += 1
            refuse(transaction, 503, None, self.refusals.overloaded)
        else:
            # A defect, of ours or of a user's class: the peer is answered, and our caller gets the
            # error.
            refuse(transaction, 500)
            raise

    def _is_within(self, request: Request) -> bool:
        """Whether a request is inside of a dialog that is here."""
        facts = request.facts
        return (facts.call_id, facts.to_tag, facts.from_tag or "") in self.dialogs

    def has_capacity_for(self, transaction: ServerTransaction) -> bool:
        """Whether another dialog may be made, for whoever sent a request."""
        if transaction.share.dialogs >= self.transactions.shares.dialogs:
            self.attacks.note("flood", transaction.flow, self.timers.now)
        elif len(self.dialogs) < self.limits.max_dialogs:
            return True
        self.counters["refused"] += 1
        return False

    # ---------------------------------------------------------------- what is left

    def idle(self) -> bool:
        """Whether nothing is under way: no transaction, dialog or timer."""
        layer = self.transactions
        waiting = self.dialogs or self.forming or len(self.timers)
        return not (waiting or layer.clients or layer.servers)

    def counts(self) -> dict[str, int]:
        """Return how much is under way, beside the counters of what was."""
        return {
            **self.counters,
            "dialogs": len(self.dialogs),
            "client_transactions": len(self.transactions.clients),
            "server_transactions": len(self.transactions.servers),
            "timers": len(self.timers),
            "retransmitted": self.transactions.retransmitted,
            "repetitions": self.transactions.repetitions,
        }
