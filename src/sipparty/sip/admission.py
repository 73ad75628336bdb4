"""What a user agent that asks for credentials does with a request outside of dialogs (RFC 3261
§22.2).

Laws:

* Whatever is refused is answered once, without state, and the same each time it comes: who sends
  with a false address could have others flooded by what is sent again (§26.3.2.4, §8.2.7).
* Over UDP an answer is no longer than twice the request (`refusal_size`).
* Nothing that a function of the user's raises, when it looks for a password, ends anything.
* A function that takes its time has a request wait, which absorbs its copies meanwhile: none has
  another look. So many may wait, and of one source an eighth of them.
"""

from __future__ import annotations

import inspect
import ipaddress
import logging
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

from sipparty.errors import ParseError
from sipparty.late import late_pattern
from sipparty.sip.auth import (
    AccountSought,
    Authenticated,
    Challenged,
    DigestServer,
    Limited,
    Malformed,
    Verdict,
)
from sipparty.sip.components import unescape
from sipparty.sip.fields import Field, field
from sipparty.sip.flow import Flow
from sipparty.sip.message import Request
from sipparty.sip.shares import Share
from sipparty.sip.transaction import ServerTransaction
from sipparty.sip.transports import default_port
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.wanted import AccountWanted

__all__ = ["Admission", "Lookups", "Name", "admitted_by_any", "password_authenticator", "read_name"]

_T = TypeVar("_T")
#: Finding out about a request, in steps: it asks for accounts, and is sent what was found.
Judgement: TypeAlias = Generator[AccountSought, Any, _T]

#: What a party is called besides: a user, None for its own; a host; a port, None for any.
Name = tuple[str | None, str, int | None]
#: The most authenticators that are asked about a request for nobody.
_MAX_AUTHENTICATORS = 16

#: An IPv6 address without its brackets, behind which a port stands.
_BARE_IPV6 = late_pattern(r"(sips?:(?:[^@]*@)?)([0-9a-f]*:[0-9a-f:.]*):([0-9]+)", re.I)

_log = logging.getLogger("sipparty.security")


class Admission:
    """Judges the requests that come for one agent.

    Args:
        agent: The user agent.
        authenticator: What they have to prove themselves to.
    """

    __slots__ = ("_agent", "_failures", "_relayed", "authenticator")

    def __init__(self, agent: Any, authenticator: DigestServer) -> None:
        self._agent = agent
        self.authenticator = authenticator
        self._failures = 0
        self._relayed = 0

    def admit(
        self, transaction: ServerTransaction, serve: Callable[[ServerTransaction], None]
    ) -> None:
        """Have a request served that proves who sent it, now or later; any other is answered, 401
        as a rule.
        """
        self._agent.core.lookups.admit(self._admitted(transaction), transaction, serve)

    def _admitted(self, transaction: ServerTransaction) -> Judgement[bool]:
        verdict = yield from self.judge(transaction)
        if isinstance(verdict, Authenticated):
            return True
        self.refuse(transaction, verdict)
        return False

    @property
    def host(self) -> str:
        """The domain of the agent."""
        return str(self._agent.host)

    def judge(self, transaction: ServerTransaction) -> Judgement[Verdict | None]:
        """Return what its credentials are worth, and take note of it; None where that failed."""
        agent, authenticator, request = self._agent, self.authenticator, transaction.request
        # §22.1: ACK and CANCEL cannot be challenged; the core has kept them to itself.
        try:
            verdict = yield from authenticator.verification(
                request.lines(authenticator.credentials_name),
                request.method,
                request.body,
                now=agent.core.timers.now,
                uris=partial(self._is_ours, request, transaction.flow),
                source=transaction.flow.remote[0],
            )
        except _Busy as busy:
            headers = tuple(agent.core.refusals.overloaded)
            return Limited(status=503, headers=headers, reason=str(busy), guesses=0)
        except Exception:
            self._log_failure()
            return None
        self._note(verdict, transaction.flow)
        if isinstance(verdict, Authenticated):
            transaction.authenticated = verdict.username
            transaction.extra = (*transaction.extra, partial(self._prove, verdict))
        return verdict

    def refuse(self, transaction: ServerTransaction, verdict: Verdict | None) -> None:
        """Answer a request that was not admitted."""
        if verdict is None or isinstance(verdict, Authenticated):
            self._agent.core.refusals.refuse(transaction, 500)
            return
        phrase = verdict.phrase if isinstance(verdict, Malformed) else None
        self._agent.core.refusals.refuse(transaction, verdict.status, phrase, list(verdict.headers))

    def _log_failure(self) -> None:
        """Log what a function that gives passwords has raised: each time that it was twice as
        often, as anybody can have it called.
        """
        self._failures += 1
        if not self._failures & (self._failures - 1):
            _log.exception(
                "The credentials of a request for %s could not be verified (%d times so far).",
                self._agent.uri,
                self._failures,
            )

    def _note(self, verdict: Verdict, flow: Flow) -> None:
        """Count wrong passwords, and proofs that were made for another server."""
        agent = self._agent
        proven = flow.reliable or getattr(verdict, "proven", False)
        kinds = ["guessing"] * verdict.guesses
        if getattr(verdict, "relayed", False):
            kinds.append("relay")
            self._log_relayed(verdict)
        for kind in kinds:
            agent.core.attacks.note(kind, flow, agent.core.timers.now, proven=proven, agent=agent)

    def _log_relayed(self, verdict: Verdict) -> None:
        """Log which URI right credentials were for, each time that it was twice as often."""
        self._relayed += 1
        if not self._relayed & (self._relayed - 1):
            _log.warning(
                "A request for %s was refused (%d times so far): %s. If that is another name of "
                "the party, say so: configure(names=[...]).",
                self._agent.uri,
                self._relayed,
                getattr(verdict, "reason", ""),
            )

    def _prove(self, verdict: Authenticated, body: bytes) -> Field:
        """Prove in a 2xx that we know the password too (RFC 7616 §3.5)."""
        now = self._agent.core.timers.now
        return field(*self.authenticator.authentication_info(verdict, now, body=body))

    def _is_ours(self, request: Request, flow: Flow, uri: str) -> bool:
        """Whether credentials for a URI are for this agent (RFC 7616 §3.4.6, RFC 8760 §2.6 item 6):
        its address of record or its contact. A proxy may have put either in the place of the other;
        a user that the request names need not be here, so that its sender may be answered so.
        """
        agent = self._agent
        try:
            # SIPp leaves brackets out.
            parts = split_sip_uri(_BARE_IPV6.sub(r"\1[\2]:\3", uri) if "::" in uri else uri)
            asked = split_sip_uri(request.uri_text)
        except ParseError:
            return False
        if parts.user is not None:
            users = {unescape(user) for user in (agent.user, agent.contact_user, asked.user or "")}
            if unescape(parts.user) not in users:
                return _is_name(agent.names, unescape(parts.user), parts.host, parts.port)
        return _is_here(agent, parts.host, parts.port, flow) or _is_name(
            agent.names, None, parts.host, parts.port
        )


def admitted_by_any(agents: Iterable[Any], transaction: ServerTransaction) -> Judgement[bool]:
    """Find out whether one authenticator of several agents admits a request, or there is none; else
    answer it. Those of the domain that it asks for come first.
    """
    admissions = [agent.admission for agent in agents if agent.admission is not None]
    if not admissions:
        return True
    if len(admissions) > 1:
        try:
            host = split_sip_uri(transaction.request.uri_text).host
        except ParseError:
            host = ""
        admissions.sort(key=lambda admission: admission.host != host)
    refused: list[tuple[Admission, Verdict | None]] = []
    guessed: set[int] = set()
    for admission in admissions[:_MAX_AUTHENTICATORS]:
        if id(admission.authenticator) in guessed:
            continue  # one guess, and counted
        verdict = yield from admission.judge(transaction)
        if isinstance(verdict, Authenticated):
            return True
        refused.append((admission, verdict))
        if verdict is not None and verdict.guesses:
            guessed.add(id(admission.authenticator))
    for admission, verdict in refused:
        if not isinstance(verdict, Challenged) or verdict.stale or verdict.guesses:
            admission.refuse(transaction, verdict)  # it was asked for, and has looked
            return False
    # One of all the realms will do (RFC 3261 §22.3).
    admission, first = refused[0]
    assert isinstance(first, Challenged)
    headers = dict.fromkeys(
        header
        for _, verdict in refused
        if isinstance(verdict, Challenged) and verdict.status == first.status
        for header in verdict.headers
    )
    admission.refuse(transaction, replace(first, headers=tuple(headers)))
    return False


class Lookups:
    """The requests of a core that wait for the account of who sent them.

    Args:
        core: The core.
    """

    def __init__(self, core: Any) -> None:
        self.core = core
        #: How many wait, by the share of their source.
        self._waiting: Counter[Share] = Counter()

    def admit(
        self,
        judgement: Judgement[bool],
        transaction: ServerTransaction,
        serve: Callable[[ServerTransaction], None],
    ) -> None:
        """Have a request judged, and served if it is admitted."""
        _Waiting(self, judgement, transaction, serve).go_on()

    def begin(self, transaction: ServerTransaction) -> bool:
        """Count one more that waits; whether it may."""
        waiting, most = self._waiting, self.core.limits.max_lookups
        is_flood = waiting[transaction.share] >= max(1, most // 8)
        if is_flood or waiting.total() >= most:
            if is_flood:
                self.core.attacks.note("flood", transaction.flow, self.core.timers.now)
            self.core.counters["refused"] += 1
            self.core.refusals.refuse(transaction, 503, None, self.core.refusals.overloaded)
            return False
        waiting[transaction.share] += 1
        return True

    def end(self, transaction: ServerTransaction) -> None:
        """Count it no more."""
        self._waiting[transaction.share] -= 1
        self._waiting += Counter()  # without those that nothing waits of


class _Busy(Exception):
    """Nobody has looked for an account."""


class _Waiting:
    """A request that is judged, in steps: the user of its transaction while it waits."""

    def __init__(
        self,
        lookups: Lookups,
        judgement: Judgement[bool],
        transaction: ServerTransaction,
        serve: Callable[[ServerTransaction], None],
    ) -> None:
        self._lookups = lookups
        self._judgement = judgement
        self._transaction = transaction
        self._serve = serve
        self._cancelled = False

    def go_on(self, found: Any = None, error: Exception | None = None) -> None:
        """Go to the end, or to where an account has to be waited for."""
        judgement, transaction = self._judgement, self._transaction
        while True:
            try:
                sought = judgement.send(found) if error is None else judgement.throw(error)
            except StopIteration as done:
                if done.value and self._cancelled:
                    self._lookups.core.refusals.refuse(transaction, 487)  # §9.2
                elif done.value:
                    self._serve(transaction)
                return
            found, error, find = None, None, sought.find
            if not sought.later:
                try:
                    found = find()
                except Exception as raised:
                    error = raised
                if not inspect.isawaitable(found):
                    continue
                find = partial(_itself, found)
            if self._lookups.begin(transaction):
                transaction.user = self
                transaction.hit("defer")
                wanted = AccountWanted(None, find, self)  # type: ignore[arg-type]  # of no agent
                self._lookups.core.emit(wanted)
            return

    def account_found(self, account: Any) -> None:
        """Go on with the account."""
        self._resume(account)

    def account_failed(self, reason: str, busy: bool) -> None:
        """Go on without."""
        self._resume(error=_Busy(reason) if busy else LookupError(reason))

    def _resume(self, account: Any = None, error: Exception | None = None) -> None:
        transaction = self._transaction
        self._lookups.end(transaction)
        if transaction.takes("resume"):  # else it is over by now
            transaction.hit("resume")
            transaction.user = None
            self._lookups.core.resume(transaction, partial(self.go_on, account, error))

    def cancelled(self, cancel: Request) -> None:
        """Take note that nobody waits for an answer any more."""
        self._cancelled = True

    def acknowledged(self, ack: Request) -> None:
        """Nothing: there was no answer."""

    def unacknowledged(self) -> None:
        """Nothing, as for `acknowledged`."""


def _itself(value: Any) -> Any:
    return value


def password_authenticator(
    realm: str,
    passwords: Mapping[str, str],
    algorithms: Iterable[str],
    chance: Callable[[int], bytes],
) -> DigestServer:
    """Return an authenticator that knows passwords by user; `chance` makes so many bytes of it."""
    return DigestServer(
        realm,
        lambda user, realm: passwords.get(user),
        secret=chance(32),
        tokens=lambda: chance(8).hex(),
        algorithms=algorithms,
    )


def read_name(text: str) -> Name:
    """Read a name of a party: a host, with a port or without, or an address with or without scheme.

    Raises:
        ParseError: It is neither.
    """
    parts = split_sip_uri(text if text.lower().startswith(("sip:", "sips:")) else f"sip:{text}")
    return None if parts.user is None else unescape(parts.user), parts.host, parts.port


def _is_name(names: Iterable[Name], user: str | None, host: str, port: int | None) -> bool:
    """Whether a user at a host, None for the agent's own, is among names."""
    return any(
        user == its and (there is None or port in (None, there)) and _is_same(host, name)
        for its, name, there in names
    )


def _is_same(host: str, name: str) -> bool:
    return host == name or (_address(host) or host) == _address(name)


def _is_here(agent: Any, host: str, port: int | None, flow: Flow) -> bool:
    """Whether a host and a port are the agent's: its domain, or an address that it has."""
    here = _address(host)
    if here is None:
        return host == agent.host or host.endswith(f".{agent.host}")
    usual = default_port(flow.transport)
    own = split_sip_uri(agent.uri)
    ours = (
        agent.address_on(flow),
        flow.local,
        (own.host, own.port or usual),
        (own.host, flow.local[1]),
    )
    # A port that is left out says nothing: many leave it out.
    return any(port in (None, own) and here == _address(name) for name, own in ours)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a numeric address, however it is written; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
