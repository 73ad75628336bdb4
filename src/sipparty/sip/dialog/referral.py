"""A REFER of theirs (RFC 3515): we are asked to call somebody, as for a transfer (RFC 5589).

Laws:

* No call is placed unless the program says so, whoever asks: without a handler for
  `TransferRequested` a REFER is declined, and so is one that nobody decides on.
* The call that is placed is an ordinary call of ours. What Refer-To says goes into it as far as
  `refer.ALLOWED_HEADERS` lets it, and Referred-By as it came (RFC 3892 §2.2).
* Who has asked is notified of its statuses and of no more (§5), until it is answered.
* The call that the REFER came in stays: who has asked hangs it up (RFC 5589 §6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sipparty.errors import UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.dialog.replaces import Replaces, replaces_headers
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallEvent
from sipparty.sip.fields import field
from sipparty.sip.handle import Service
from sipparty.sip.message import Request, Response
from sipparty.sip.notification.notifier import Notifier
from sipparty.sip.notification.usage import dialog_of_request
from sipparty.sip.packages.refer import ReferPackage
from sipparty.sip.refer import Reference, wants_no_reports
from sipparty.sip.transaction.server import ServerTransaction
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.dialog.call import SimpleCall

__all__ = ["Referral", "TransferRequested", "take_refer"]

#: REFERs of one user agent that are under way at the most, and of one call or source.
MAX_REFERRALS = 256
MAX_OF_ONE = 4


class TransferRequested(CallEvent):
    """The other side of a call asks us to call somebody in its place, by REFER (RFC 3515). Decide
    with `event.accept()` or `event.reject()`; where no handler is there, it is declined.

    Args:
        call: The call; None for a REFER outside of calls, which anybody can send:
            `event.referral.authenticated` says who has.
        referral: What decides on it, and reports.
        request: The REFER.
    """

    referral: Referral
    request: Request

    @property
    def target(self) -> str:
        """The URI that is to be called."""
        return self.referral.reference.uri

    @property
    def referred_by(self) -> str | None:
        """Who says to have sent it, as Referred-By has it; None where nobody does. Nothing proves
        it.
        """
        return self.referral.reference.referred_by

    @property
    def replaces(self) -> Replaces | None:
        """The call of the target that ours is to take the place of; None for a new one."""
        return self.referral.reference.replaces

    def accept(self, **options: Any) -> SimpleCall:
        """Call the target; see `Referral.accept`."""
        call: SimpleCall = self.referral.accept(**options)
        return call

    def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Decline; see `Referral.reject`."""
        self.referral.reject(status, reason)


_OVER = ("Terminated",)


class Referral(Service):
    """A REFER to us; `event.referral` of a `TransferRequested`.

    Args:
        agent: The user agent.
        reference: What it asks for.
        call: The call that it came in, or names; None for none.

    Attributes:
        reference: What it asks for.
        call: That call.
        placed: The call that was placed for it; None before.
        authenticated: The user who proved by Digest to have sent it, in or out of a call; None
            where nobody was asked to.
    """

    WHAT: ClassVar[str] = "The referral"

    #: Seconds that a handler has before the REFER is answered all the same: a request that is no
    #: INVITE is answered soon (RFC 4320). It may still be decided on then.
    DECISION_TIME = 2.0
    #: Seconds that it has in all.
    PATIENCE = 180.0

    table = (
        Row("Initial", "receive", "Undecided", "_receive"),
        Row("Undecided", "accept", "Calling", "_answer", "_place"),
        Row("Undecided", "reject", "Terminated", "_refuse"),
        Row("Undecided", "terminate", "Terminated", "_refuse"),
        Row("Undecided", "timer_decision", "Undecided", "_decide_late"),
        Row("Undecided", "pend", "Pending", "_answer"),
        Row("Pending", "accept", "Calling", "_place"),
        Row("Pending", "reject", "Terminated", "_report_refusal"),
        Row("Pending", ("terminate", "timer_patience"), "Terminated", "_report_refusal"),
        Row("Calling", "progressed", "Calling", "_report"),
        Row("Calling", "done", "Terminated", "_report_last"),
        Row("Calling", "terminate", "Terminated", "_report_unknown"),
        Row("Terminated", ("progressed", "done", "failed"), "Terminated"),
        Row("Calling", "failed", "Terminated", "_report_unknown"),
        Row(("Undecided", "Pending"), "failed", "Terminated"),
    )
    timers = (
        Timer("timer_decision", "DECISION_TIME", "Undecided"),
        Timer("timer_patience", "PATIENCE", "Pending"),
    )
    final = _OVER

    def __init__(self, agent: UserAgent, reference: Reference, call: Any = None) -> None:
        super().__init__(agent)
        self.reference = reference
        self.call = call
        self.placed: Any = None
        self.authenticated: str | None = None
        self.source: object = None
        self._transaction: Any = None
        self._state: DialogState | None = None
        self._event_id = ""
        self._notifier: Notifier[Response] | None = None

    # ---------------------------------------------------------------- verbs

    @verb
    def accept(
        self,
        /,
        *,
        headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
        **options: Any,
    ) -> Any:
        """Place the call that is asked for, and report what becomes of it.

        Args:
            headers: Further headers of its INVITE.
            options: Further options of `party.invite`, such as `media`.

        Returns:
            The new call. The one that the REFER came in is hung up by the other side; hang it up
            yourself where it is not.

        Raises:
            BuildError: A header cannot stand in a message; nothing was decided then.
            UnexpectedInput: It was decided on before, or not in time.
            Exception: What else `party.invite` raises, which is reported as 500.
        """
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        given_fields(pairs)
        failure: list[Exception] = []
        self.hit("accept", pairs, options, failure)
        if failure:
            raise failure[0]
        return self.placed

    @verb
    def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Decline: no call is placed.

        Args:
            status: The status, 300 to 699, that is answered, or reported where the REFER was
                answered already.
            reason: The reason phrase; the registered one by default.

        Raises:
            UnexpectedInput: It was decided on before, or not in time.
            UsageError: The status refuses nothing.
        """
        if status not in range(300, 700):
            raise UsageError(f"{status!r} does not decline: expected 300 to 699.")
        self.hit("reject", status, reason)

    def settled(self, state: str) -> bool:
        """Whether it is over."""
        return state in _OVER

    # ---------------------------------------------------------------- the REFER

    def _receive(self, transaction: ServerTransaction, state: DialogState, number: str) -> None:
        self._transaction = transaction
        self._state = state
        self._event_id = number
        self.authenticated = transaction.authenticated
        if self.call is not None and self.authenticated is None:
            self.authenticated = self.call.authenticated
        self.source = self.call or transaction.share.key
        self.agent.services[self] = None

    def _answer(self, *_: object) -> None:
        transaction, state, self._transaction = self._transaction, self._state, None
        assert state is not None
        silent = wants_no_reports(transaction.request)
        fields = [field("Contact", state.contact), *self.agent.capability_fields]
        if silent:
            fields.append(field("Refer-Sub", "false"))  # RFC 4488 §4
        # RFC 7647 §5: no 202 any more.
        transaction.answer(200, None, fields)
        if not silent:
            package = ReferPackage()
            self._notifier = notifier = _Notifier(self.agent, package, self._event_id)
            notifier.begin(state, package.expires, Response(100))

    def _decide_late(self) -> None:
        # Who has not shown that they receive what they are sent is not notified unasked.
        assert self._state is not None
        if self._state.proven:
            self.hear("pend")
        else:
            self.hear("reject")

    def _refuse(self, status: int = 603, reason: str | None = None) -> None:
        self.core.refusals.refuse(self._transaction, status, reason)

    # ---------------------------------------------------------------- the call

    def _place(
        self,
        headers: list[tuple[str, str]],
        options: dict[str, Any],
        failure: list[Exception],
    ) -> None:
        try:
            self.placed = call = self._invite(headers, options)
        except Exception as error:
            failure.append(error)
            self.hear("done", 500)
        else:
            call.followers += (self,)
            if call.state in call.final:
                self.call_moved(call, "", call.state)  # it has failed at once

    def _invite(self, headers: list[tuple[str, str]], options: dict[str, Any]) -> Any:
        agent, wanted, owner = self.agent, self.reference, self.agent.owner
        pairs = [*wanted.headers, *headers]
        if wanted.referred_by is not None:
            pairs.append(("Referred-By", wanted.referred_by))
        if wanted.replaces is not None:
            pairs += replaces_headers(wanted.replaces)
        if wanted.token is not None:
            options = {**options, "parts": (*options.get("parts", ()), wanted.token)}
        if owner is not None:
            return owner.invite(wanted.uri, headers=pairs, **options)
        kind: Any = agent.server_dialog if self.call is None else type(self.call)
        call = kind(agent)
        call.portal = agent.portal
        return call.invite(wanted.uri, headers=pairs, **options)

    def call_moved(self, call: Any, input: str, state: str) -> None:
        """Take note that the call that was placed has another state."""
        if input == "provisional" and state == "InitiatingDialog":
            if call.progress > 100:
                self.hear("progressed", call.progress)
        elif state == "InDialog":
            self.hear("done", 200)
        elif state in ("Terminated", "Error"):
            error = call.last_error
            self.hear("done", 487 if error is None or error.status is None else error.status)

    # ---------------------------------------------------------------- reports

    def _report(self, status: int) -> None:
        notifier = self._notifier
        if notifier is not None and notifier.state == "Active":
            notifier.notify(Response(status))

    def _report_last(self, status: int) -> None:
        # §2.4.7: "noresource", as the request is over.
        self._end_reports(status, "noresource")

    def _report_refusal(self, status: int = 603, reason: str | None = None) -> None:
        self._end_reports(status, "rejected")

    def _report_unknown(self, *_: object) -> None:
        self._end_reports(487, "noresource")

    def _end_reports(self, status: int, reason: str) -> None:
        notifier = self._notifier
        if notifier is not None and notifier.state == "Active":
            notifier.value = Response(status)
            notifier.terminate(reason)

    def on_enter_Terminated(self) -> None:
        """Be counted no more."""
        self.agent.services.pop(self, None)
        if self.placed is not None:
            followers = self.placed.followers
            self.placed.followers = tuple(one for one in followers if one is not self)


class _Notifier(Notifier[Response]):
    """The subscription that a REFER makes, which has no events of its own: the call has them."""

    def _emit(self, event: Any, *values: Any) -> None:
        """Nothing."""


def take_refer(agent: UserAgent, transaction: ServerTransaction, state: DialogState | None) -> None:
    """Take a REFER, in a dialog or outside.

    Raises:
        ParseError: A header is missing or wrong; the core answers with its status.
    """
    request = transaction.request
    reference = Reference.of(request)
    call: Any = _named_call(agent, request) if state is None else state.call
    if call is not None and call.state not in ("InitiatingDialog", "InDialog"):
        agent.refuse(transaction, 481)  # RFC 5407 §3.2.2: it is being hung up
        return
    # RFC 3515 §2.4.2: what cannot be contacted is not accepted.
    decided = reference.method == "INVITE" and any(
        TransferRequested in (getattr(one, "_handlers", None) or ()) for one in (agent.owner, call)
    )
    if not decided:
        agent.refuse(transaction, 603)
        return
    referral = Referral(agent, reference, call)
    source = call or transaction.share.key
    under_way = [one for one in agent.services if isinstance(one, Referral)]
    if len(under_way) >= MAX_REFERRALS or (
        sum(one.source == source for one in under_way) >= MAX_OF_ONE
    ):
        agent.core.counters["refused"] += 1
        agent.refuse(transaction, 486)
        return
    number = ""
    if state is None:
        state = dialog_of_request(agent, transaction)
        if state is None:
            return
    else:
        state.remote_target = state.new_target(request)  # RFC 4488 §4: it is a target refresh
        # §2.4.6: from the second in a dialog on, the id says which one is meant.
        if getattr(call, "was_referred", call is None):
            number = str(request.facts.number)
        elif call is not None:
            call.was_referred = True
    referral.hear("receive", transaction, state, number)
    agent.emit(TransferRequested(agent, call, referral, request, made_by=request))


def _named_call(agent: UserAgent, request: Request) -> Any:
    """Return the call that Target-Dialog names (RFC 4538 §4); None for none of ours."""
    value = request.get("Target-Dialog")
    if value is None:
        return None
    tags = value.parameter("local-tag") or "", value.parameter("remote-tag") or ""
    state = agent.core.dialogs.get((value.value, *tags))
    return None if state is None or state.agent is not agent else state.call
