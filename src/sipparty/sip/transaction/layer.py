"""Where transactions are made and found (RFC 3261 §17.1.3, §17.2.3, §18.2).

A message from the wire comes in here. What belongs to a transaction is given to it; the rest is
given back to the caller, who finds its dialog or makes a new one.

Laws:

* A response is matched by the branch of its top Via and the method of its CSeq, and has the sent-by
  that we wrote (§18.1.2); a request by the branch, the sent-by and its method, an ACK as its
  INVITE. A branch without RFC 3261's cookie is matched as RFC 2543 had it: by what the request says
  of itself.
* A branch stands for one request (§8.1.1.7). Where a sender uses it for another, of another Call-ID
  or sequence number, that is a transaction of its own rather than absorbed in silence.
* A response goes back by the flow its request came by (§18.2.2, RFC 3581), and to that address
  alone.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from sipparty.fsm import Timers
from sipparty.sip.facts import Facts, read_facts
from sipparty.sip.flow import Flow, host_port
from sipparty.sip.limits import Limits
from sipparty.sip.message import Request, Response
from sipparty.sip.policy import Policy
from sipparty.sip.shares import Share, Shares, source_of
from sipparty.sip.tokens import BRANCH_COOKIE, Tokens
from sipparty.sip.transaction.client import (
    ClientTransaction,
    InviteClientTransaction,
    NonInviteClientTransaction,
)
from sipparty.sip.transaction.server import (
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
)
from sipparty.sip.transaction.timing import Timing
from sipparty.sip.transaction.user import ClientUser
from sipparty.sip.transaction.vias import has_sent_by, mark_source
from sipparty.sip.transports import default_port

__all__ = ["Overload", "TransactionLayer", "TransactionUser"]


_COOKIE = BRANCH_COOKIE.lower()

#: What a CANCEL may name; all but INVITE are answered already, so nothing more happens (§9.2).
_CANCELLABLE = (
    *("INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER"),
)


class Overload(Exception):
    """No other request can be taken.

    Args:
        flow: The flow its answer goes by.
        flood: Whether it is its source that has too much here, and not all together.
        size: How long the request was, in bytes.
    """

    def __init__(self, flow: Flow, flood: bool, size: int) -> None:
        self.flow = flow
        self.size = size
        self.flood = flood


class TransactionUser(Protocol):
    """A role that a host has (RFC 3261 §6): a user agent, a registrar, a proxy.

    The roles of a core are asked in order, until one returns True: then the message is its own.
    """

    def request(self, transaction: ServerTransaction) -> bool:
        """Take a request but ACK and CANCEL, now or later: answer it, or `release` it.

        Raises:
            ParseError: A header that is needed is missing or wrong; it is answered with its status.
        """

    def ack(self, request: Request, flow: Flow) -> bool:
        """Take an ACK that belongs to no transaction, as that for a 2xx.

        Raises:
            ParseError: A header that is needed is wrong; it is counted and dropped.
        """

    def cancel(self, transaction: ServerTransaction, invite: ServerTransaction | None) -> bool:
        """Take a CANCEL, and the transaction that it is for; None where there is none here."""

    def stray_response(self, response: Response, flow: Flow) -> bool:
        """Take a response that is no client transaction's."""


class TransactionLayer:
    """All transactions of one core.

    Args:
        timers: The queue that their timers are in; its `now` is the time.
        timing: The timer values.
        tokens: Where branches come from.
        transmit: Called with what is to be sent: bytes, and the flow to send them by.
        limits: How many requests are held at a time.
        knows: Whether a request is inside a dialog that is there: it gets through where others do
            not any more.
        policy: Where a Via's maddr may have responses sent.

    Attributes:
        held: The bytes that are kept of what peers sent, and of our answers.
        retransmitted: Messages of ours that were sent again for want of an answer.
        repetitions: Requests that came again, and were taken by their transaction.
        shares: What of all that is whose.
    """

    def __init__(
        self,
        timers: Timers,
        timing: Timing,
        tokens: Tokens,
        transmit: Callable[[tuple[bytes, Flow]], None],
        limits: Limits | None = None,
        knows: Callable[[Request], bool] = lambda _: False,
        policy: Policy | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self.shares = Shares(limits)
        self._policy = policy or Policy()
        self._knows = knows
        self.held = self.retransmitted = self.repetitions = 0
        self.timers = timers
        self.timing = timing
        self.patience = timing.transaction
        self.tokens = tokens
        self.transmit = transmit
        self.clients: dict[object, ClientTransaction] = {}
        self.servers: dict[object, ServerTransaction] = {}

    def transmit_again(self, data: bytes, flow: Flow) -> None:
        """Send a message once more, as its answer has not come in time."""
        self.retransmitted += 1
        self.transmit((data, flow))

    # ---------------------------------------------------------------- clients

    def request(
        self,
        request: Request,
        flow: Flow,
        user: ClientUser,
        branch: str | None = None,
        sent_by: str | None = None,
        most: float = inf,
    ) -> ClientTransaction | None:
        """Send a request by a new transaction.

        Args:
            request: The request, without our Via.
            flow: The flow to send it by.
            user: Who is given its responses.
            branch: The branch, where it has to be that of another request (CANCEL, §9.1); a new
                one by default.
            sent_by: What our Via says before its parameters (`UserAgent.sent_by`); by default what
                the flow is.
            most: How many bytes may be sent.

        Returns:
            The transaction; None where the request is larger, and nothing was sent.
        """
        if branch is None:
            branch = self.tokens.branch()
        forwarded = False
        for line in request._fields:
            if line[0] == "via":
                forwarded = True
                break
        sent_by = self.put_via(request, flow, branch, sent_by)
        if len(bytes(request)) > most:
            return None
        method = request._method
        key = (branch, method)
        kind = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
        transaction = kind(self, key, request, flow, user, sent_by, forwarded)
        self.clients[key] = transaction
        flow.dependents[transaction] = None
        transaction.hit("start")
        return transaction

    def put_via(self, request: Request, flow: Flow, branch: str, sent_by: str | None = None) -> str:
        """Put our Via on top of a request (§18.1.1); it asks for `rport` (RFC 3581 §3).

        Returns:
            What it says before its parameters, which is what its responses have.
        """
        if sent_by is None:
            sent_by = f"SIP/2.0/{flow.transport} {host_port(*flow.local)};"
        value = f"{sent_by}rport;branch={branch}"
        request._fields.insert(0, ("via", value, f"Via: {value}"))
        request._index = request._data = None
        return sent_by

    def response_received(self, response: Response) -> bool:
        """Give a response to its transaction.

        Returns:
            Whether there was one.

        Raises:
            ParseError: The top Via is missing or wrong.
        """
        facts = response.facts
        transaction = self.clients.get((facts.branch, facts.method))
        if transaction is None or transaction.forwarded is not facts.several_vias:
            # §8.1.3.3: with more Vias than its request had, it is for somebody behind us.
            return False
        via = response._text("via") or ""
        if not via.startswith(transaction.sent_by) and not has_sent_by(via, transaction.sent_by):
            return False  # §18.1.2: not what we wrote, so the response is dropped in silence
        transaction.hear(transaction.INPUTS[response._status // 100], response)
        return True

    # ---------------------------------------------------------------- servers

    def request_received(self, request: Request, flow: Flow) -> ServerTransaction | Flow | None:
        """Give a request to its transaction, or make one.

        The caller gives its user a new transaction, and then calls its `wait`.

        Returns:
            A new transaction; for an ACK that belongs to none, the flow that it came by; None where
            a transaction has taken it.

        Raises:
            Overload: There are as many as `limits` allows.
            ParseError: The top Via is missing or wrong.
        """
        size = len(request._data or b"")
        source = flow.remote[0]
        facts = request._facts = read_facts(request)
        if facts.rport or facts.host != source:
            mark_source(request, facts, flow)
        reliable = flow.reliable
        if not reliable and (
            facts.maddr is not None or not (facts.rport or facts.port == flow.remote[1])
        ):
            flow = self._datagrams_back(facts, flow)
        method = request._method
        named = "INVITE" if method == "ACK" else method
        branch = facts.branch
        key: tuple[object, ...]
        # The cookie alone identifies nothing (RFC 4475 §3.2.1).
        if facts.plain or (
            branch is not None and len(branch) > len(_COOKIE) and branch[:7].lower() == _COOKIE
        ):
            key = (branch, facts.host, facts.port, named)
        else:
            # RFC 2543: Request-URI, From, Call-ID, CSeq number and top Via. The To tag of an ACK is
            # the one we gave, so To is left out.
            key = (
                *(request._uri_text, request._text("from"), facts.call_id, facts.number),
                *(facts.host, facts.port, branch, named),
            )
        transaction = self.servers.get(key)
        if transaction is not None:
            identity = hash((facts.call_id, facts.number))
            if transaction.identity != identity:
                # The branch of one request stands for another (§8.1.1.7).
                key = (identity, *key)
                transaction = self.servers.get(key)
            if transaction is not None:
                self.repetitions += method != "ACK"
                transaction.receive(request)
                return None
        if method == "ACK":
            return flow
        limits, shares = self.limits, self.shares
        share = shares.by_source.get((source if ":" not in source else source_of(source), reliable))
        if (
            len(self.servers) >= limits.max_transactions
            or self.held >= limits.max_held
            or (
                share is not None
                and (
                    share.half_open >= shares.half_open
                    or share.transactions >= shares.transactions
                    or share.held >= shares.held
                )
            )
        ):
            self._check_capacity(request, key, flow, share, size)
        kind = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
        if share is None:
            share = shares.of(source, reliable)
        share.transactions += 1
        transaction = kind(self, key, request, flow, size, share)
        self.servers[key] = transaction
        flow.dependents[transaction] = None
        return transaction

    def hold(self, host: str, size: int) -> bool:
        """Count bytes that are kept for an address by its connections, outside of transactions, or
        are not any more.

        Returns:
            Whether they may be kept.
        """
        share = self.shares.of(host, True)
        self.held += size
        share.held += size
        if size <= 0:
            self.shares.leave(share)
            return True
        return not (self.is_full() or self.shares.is_full(share))

    def release(self, share: Share, size: int) -> None:
        """Count bytes that are kept of a source no more, and forget it if nothing of it is left."""
        self.held -= size
        share.held -= size
        if not share.transactions:
            self.shares.leave(share)

    def _check_capacity(
        self,
        request: Request,
        key: tuple[object, ...],
        flow: Flow,
        share: Share | None,
        size: int,
    ) -> None:
        """See whether a request may be taken where first requests may not.

        Raises:
            Overload: It may not.
        """
        flood = share is not None and self.shares.is_full(share)
        if flood or self.is_full():
            if (share is not None and self.shares.is_full(share, 2)) or self.is_full(2):
                raise Overload(flow, flood, size)
        elif request._method != "INVITE" or share is None or not self.shares.is_unproven(share):
            return
        else:
            flood = True
        if not self._is_expected(request, key):
            raise Overload(flow, flood, size)

    def is_full(self, times: int = 1) -> bool:
        """Whether so many times the limits for first requests are reached."""
        limits = self.limits
        return (
            len(self.servers) >= limits.max_transactions * times
            or self.held >= limits.max_held * times
        )

    def _is_expected(self, request: Request, key: tuple[object, ...]) -> bool:
        """Whether a request is about something that is there: what ends calls has to get through
        where new ones do not.
        """
        if request._method == "CANCEL":
            return (*key[:-1], "INVITE") in self.servers
        return self._knows(request)

    def response_flow(self, request: Request, flow: Flow) -> Flow:
        """Return the flow that a response without a transaction goes by, its request's Via marked.

        Raises:
            ParseError: The top Via is missing or wrong.
        """
        facts = request.facts
        mark_source(request, facts, flow)
        return flow if flow.reliable else self._datagrams_back(facts, flow)

    def _datagrams_back(self, facts: Facts, flow: Flow) -> Flow:
        """Return the flow of responses to a request that came by datagrams (§18.2.2, RFC 3581)."""
        host, port = flow.remote
        maddr = facts.maddr or ""
        # §18.2.2 has the sender say where the response goes. Whoever forges its address, or none
        # at all, would have others get it: it goes to where the request came from.
        if maddr in self._policy.via_maddr:
            host = maddr
        elif maddr != host:
            maddr = ""
        if maddr or not facts.rport:
            # RFC 3581 §4: where there is a maddr, rport does not say where responses go.
            port = facts.port or default_port(facts.transport.upper())
        return flow if (host, port) == flow.remote else flow.to((host, port))

    def cancelled_by(self, cancel: ServerTransaction) -> ServerTransaction | None:
        """Return the transaction that a CANCEL is for (§9.2); None where there is none.

        It has the branch of that request, and its Call-ID, sequence number and From tag (§9.1): who
        has seen a branch alone cannot cancel.
        """
        request, base = cancel.request, cancel.key
        assert isinstance(base, tuple)
        identity, tag = cancel.identity, request.facts.from_tag
        if base[0] == identity:
            base = base[1:]
        for method in _CANCELLABLE:
            key = (*base[:-1], method)
            for found in (self.servers.get(key), self.servers.get((identity, *key))):
                if (
                    found is not None
                    and found.identity == identity
                    and (found.answered or found.request.facts.from_tag == tag)
                ):
                    return found
        return None

    # ---------------------------------------------------------------- both

    def forget(self, key: object, transaction: ClientTransaction | ServerTransaction) -> None:
        """Drop a transaction that is over."""
        transaction.flow.dependents.pop(transaction, None)
        if isinstance(transaction, ServerTransaction):
            self.servers.pop(key, None)
            share = transaction.share
            share.transactions -= 1
            if not share.transactions:
                self.shares.leave(share)
        else:
            self.clients.pop(key, None)
