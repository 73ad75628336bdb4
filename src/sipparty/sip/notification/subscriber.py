"""The subscriber (RFC 6665 §4.1): a subscription of ours, from SUBSCRIBE to its last NOTIFY.

Laws:

* A NOTIFY makes the dialog, not the 2xx, which it may overtake (§4.4.1); route set and remote
  target are the NOTIFY's.
* A SUBSCRIBE that brings no NOTIFY within timer N, 64 * T1, has failed (§4.1.2.4), whatever its
  response was. While it is tried again elsewhere, that is counted from the last attempt.
* What ends a subscription decides whether there is another one in its place, and when (`REASONS`).
  That is bounded: one that fails or does not last is asked for later each time, and `MAX_ATTEMPTS`
  times in a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from sipparty.concurrency.streams import Stream
from sipparty.errors import CallFailed, CallTimedOut, ParseError, UsageError
from sipparty.fsm import Row, Timer, verb
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.fields import field
from sipparty.sip.message import Request, Response
from sipparty.sip.notification.events import Notified, Subscribed, SubscriptionForked
from sipparty.sip.notification.forming import Asked, FirstSubscribe, Forming, refusal
from sipparty.sip.notification.notice import Notice, read_notice
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.notification.renewal import REASONS, UNKNOWN_REASON, Renewal
from sipparty.sip.notification.states import states_of
from sipparty.sip.notification.usage import ENDING, SubscriptionUsage
from sipparty.sip.retries import leading_number
from sipparty.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["Subscription"]

StateT = TypeVar("StateT")

_LIVE, _OVER = ("Pending", "Active"), ("Terminated", "Error")
#: What may still come in after the end, and changes nothing any more.
_LATE = ("accepted", "refused", "lost", "failed", "given_up")


class Subscription(SubscriptionUsage, Generic[StateT]):
    """A subscription of ours; made by `party.subscribe`.

    `for state in subscription` in a thread, `async for` in a coroutine, gives the state that there
    is and each that is notified of, until the subscription is over.

    Attributes:
        value: The last state that was notified of; None before the first.
        expires: The seconds that are asked for; 0 to poll the state once.
        keep_forks: Whether each notifier of a forked SUBSCRIBE makes a subscription, `forks`; else
            the first does, and others are answered 481.
        forks: Those further subscriptions.
        renews: Whether it is refreshed, and begun anew where its end asks for that.
    """

    #: Subscriptions that one forked SUBSCRIBE makes at the most.
    MAX_FORKS = 8
    #: Seconds between two refreshes, at the least.
    MIN_REFRESH = 5.0
    #: Bytes of bodies that make one state in parts; beyond it the whole is asked for.
    MAX_HELD = 1_048_576

    methods = {"NOTIFY": "_take_notify"}

    table = (
        Row("Initial", "subscribe", "NotifyWait", "_begin"),
        Row("Initial", "expect", "NotifyWait", "_expect"),
        Row("Initial", "forked", "NotifyWait"),
        Row("NotifyWait", "accepted", "NotifyWait", "_note_accepted"),
        Row("NotifyWait", "refused", "NotifyWait", "_fail_or_wait"),
        Row("NotifyWait", ("failed", "lost"), "Error", "_note_error"),
        Row("NotifyWait", "timer_N", "NotifyWait", "_give_up_waiting"),
        Row(("NotifyWait", "Pending"), "active", "Active", "_confirm", "_take_state"),
        Row("Active", "active", "Active", "_take_state"),
        Row("NotifyWait", "pending", "Pending", "_take_state"),
        Row(_LIVE, "pending", "Pending", "_take_state"),
        Row(("NotifyWait", *_LIVE), "ended", "Terminated", "_take_state"),
        Row(("NotifyWait", *_LIVE), "ended_in_error", "Error", "_take_state", "_note_reason"),
        Row(("NotifyWait", *_LIVE), "again", "Waiting", "_take_state"),
        # Refreshes (§4.1.2.2).
        Row("Pending", ("refresh", "timer_refresh"), "Pending", "_refresh"),
        Row("Active", ("refresh", "timer_refresh"), "Active", "_refresh"),
        Row("Pending", "accepted", "Pending", "_note_accepted"),
        Row("Active", "accepted", "Active", "_note_accepted"),
        Row("Pending", "refused", "Pending", "_keep_or_lose"),
        Row("Active", "refused", "Active", "_keep_or_lose"),
        Row("Pending", ("lost", "timer_expires", "timer_refreshed"), "Pending", "_lose"),
        Row("Active", ("lost", "timer_expires", "timer_refreshed"), "Active", "_lose"),
        Row(("NotifyWait", *_LIVE), "anew", "Waiting"),
        Row(_LIVE, "failed", "Error", "_note_error"),
        Row("Waiting", "timer_again", "NotifyWait", "_begin_again"),
        Row("Waiting", ("lost", "refused", "accepted"), "Waiting"),
        # Unsubscribing (§4.1.2.3). Before the first NOTIFY there is nothing to send it in: that
        # NOTIFY is answered 481, which ends the subscription too (§4.2.2).
        Row(("Initial", "NotifyWait", "Waiting"), "terminate", "Terminated"),
        Row(_LIVE, "terminate", "Unsubscribing", "_unsubscribe"),
        Row("Unsubscribing", ("active", "pending"), "Unsubscribing", "_take_state"),
        Row("Unsubscribing", ("ended", "ended_in_error", "again"), "Terminated", "_take_state"),
        Row("Unsubscribing", "accepted", "Unsubscribing"),
        Row("Unsubscribing", ("refused", "lost", "timer_unsubscribed"), "Terminated"),
        *(Row(one, "given_up", "Error", "_note_error") for one in ("NotifyWait", *_LIVE)),
        Row(("Initial", "Waiting"), "given_up", "Error", "_note_error"),
        Row("Unsubscribing", "given_up", "Terminated"),
        *(Row(state, _LATE, state) for state in _OVER),
    )
    timers = (
        Timer("timer_N", "patience", "NotifyWait"),
        Timer("timer_refreshed", "refresh_patience", *_LIVE),
        Timer("timer_unsubscribed", "patience", "Unsubscribing"),
        Timer("timer_refresh", "refresh_delay", *_LIVE),
        Timer("timer_expires", "seconds_left", *_LIVE),
        Timer("timer_again", "renewal_delay", "Waiting"),
    )
    final = _OVER

    value: StateT | None

    def __init__(self, agent: UserAgent, package: EventPackage[StateT], event_id: str = "") -> None:
        self.value = None
        self.expires = package.expires
        self.accepts: tuple[str, ...] = package.accepts
        self.keep_forks = False
        self.forks: tuple[Subscription[StateT], ...] = ()
        self.renews = True
        self._asked: Asked | None = None
        self._forming: Forming | None = None
        #: Whether a SUBSCRIBE in the dialog waits for its NOTIFY.
        self._refreshing = False
        #: None for what is not begun anew: in a dialog that others made, or for a fork.
        self._renewal: Renewal | None = None
        super().__init__(agent, package, event_id)

    # ---------------------------------------------------------------- verbs

    @verb
    def subscribe(self, asked: Asked, expires: int | None = None) -> Self:
        """Send the SUBSCRIBE; `party.subscribe` and `call.subscribe` do it with less to give.

        Args:
            asked: What is subscribed to.
            expires: Seconds to ask for; 0 to poll the state once; the package's by default.

        Raises:
            ParseError: The request-URI or a route is no address to send to.
            UnexpectedInput: It was sent before.
            UsageError: `expires` is no number of seconds that can be sent.
        """
        if expires is not None:
            if not (isinstance(expires, int) and 0 <= expires < 2**32):
                raise UsageError(f"expires is in whole seconds, from 0 on: not {expires!r}.")
            self.expires = expires
        self._asked = asked
        self.hit("subscribe")
        return self

    @verb
    def expect(self, state: DialogState, expires: float | None = None) -> Self:
        """Wait for the NOTIFYs of a subscription that a request other than SUBSCRIBE has asked for,
        such as REFER (RFC 3515 §2.4.4).

        Args:
            state: The dialog that it is sent in; or, without a remote tag, what it has of one that
                a NOTIFY is to make.
            expires: Seconds after which it is over where the notifier says nothing of it; the
                package's `expires` by default.
        """
        self.renews = False
        if expires is not None:
            self.expires = int(expires)
        self.hit("expect", state)
        return self

    @verb
    def refresh(self) -> Self:
        """Ask for the state now, and for the whole time anew (§4.4.3).

        Raises:
            UnexpectedInput: There is no subscription now.
        """
        self.hit("refresh")
        return self

    @verb
    def terminate(self) -> Self:
        """Unsubscribe; the last NOTIFY, which may bring a last state, is waited for. Does nothing
        where the subscription is over, or is being ended.
        """
        return super().terminate()

    def give_up(self, error: CallFailed) -> None:
        """End it at once: nothing can be sent any more."""
        self.hear("given_up", error)

    # ---------------------------------------------------------------- waiting

    def settled(self, state: str) -> bool:
        """Whether there is a subscription, or will be none any more; what `wait` waits for."""
        return state in (*_LIVE, *_OVER)

    def __iter__(self) -> Iterator[StateT]:
        return states_of(self)

    def __aiter__(self) -> Stream[StateT]:
        return states_of(self)

    # ---------------------------------------------------------------- delays

    @property
    def patience(self) -> float:
        """Timer N (§4.1.2.4): how long the NOTIFY for a SUBSCRIBE may take."""
        return float(self.core.transactions.timing.transaction)

    @property
    def refresh_patience(self) -> float | None:
        """Timer N of a refresh that was answered; None where none waits for its NOTIFY."""
        return self.patience if self._refreshing and not self.is_asking else None

    @property
    def refresh_delay(self) -> float | None:
        """Seconds until the next refresh: three quarters of what is left and some chance, so that
        those who began together do not refresh together; None for no refresh.
        """
        if not self.renews:
            return None
        chance: float = self.core.tokens.number(16) / 65536
        return max(self.seconds_left * (0.75 + 0.15 * chance), self.MIN_REFRESH)

    @property
    def renewal_delay(self) -> float:
        """Seconds until the next subscription in the place of one that has ended."""
        return 0.0 if self._renewal is None else self._renewal.delay

    # ---------------------------------------------------------------- SUBSCRIBE

    def _begin(self) -> None:
        asked, now = self._asked, self.core.timers.now
        assert asked is not None
        self.role = "subscriber"
        self._expires_at = now + self.expires
        if asked.within is not None:
            self.dialog_state = asked.within
            self._send_within(self.expires)
            self.join(asked.within)
            return
        self._renewal = self._renewal or Renewal()
        self._renewal.begin(now)
        first = FirstSubscribe(self, asked, self.expires)
        self.form(first.template)
        self.request = first.request
        first.request.start()

    def form(self, template: DialogState) -> None:
        """Take the NOTIFYs that make a dialog; where several may, until timer N."""
        self.dialog_state = template
        self._forming = Forming(self, template, self.patience if self.keep_forks else None)
        self.agent.services[self] = None

    def _begin_again(self) -> None:
        self.request = None
        try:
            self._begin()
        except ParseError as error:  # a target that can no longer be followed
            self.hear("refused", CallFailed(str(error)))

    def _send_within(self, expires: int) -> None:
        state, asked = self.dialog_state, self._asked
        assert state is not None
        if asked is None:  # it was begun by another request, such as REFER
            fields, body = [field("Expires", str(expires)), field("Event", self.event)], b""
        else:
            fields, body = asked.fields_for(self, expires), asked.body
        self.request = state.send_request(self, "SUBSCRIBE", fields, body, self)

    def _refresh(self) -> None:
        if self.request is None or self.request.finished:
            self._refreshing = True
            try:
                self._send_within(self.expires)
            except (ParseError, UsageError) as error:
                self.hear("lost", CallFailed(f"The subscription cannot be refreshed: {error}"))

    def _unsubscribe(self) -> None:
        self._refreshing = True
        try:
            self._send_within(0)
        except (ParseError, UsageError) as error:
            self.hear("lost", CallFailed(str(error)))

    def _expect(self, state: DialogState) -> None:
        self.role = "subscriber"
        self._expires_at = self.core.timers.now + self.expires
        if state.remote_tag:
            self.join(state)
        else:
            self.form(state)

    # ---------------------------------------------------------------- its responses

    def response_received(self, client_request: ClientRequest, response: Response) -> None:
        """Take a response to SUBSCRIBE."""
        if client_request is not self.request or response.status < 200:
            return
        if response.status < 300:
            self.hear("accepted", response, client_request.request)
        else:
            self.hear("refused", refusal(self.event, response))

    def request_failed(self, client_request: ClientRequest, error: CallFailed) -> None:
        """Take note that there will be none."""
        if client_request is self.request:
            self.hear("refused", error)

    def _note_accepted(self, response: Response, request: Request | None) -> None:
        sent = None if request is None else leading_number(request._text("expires"))
        if sent is not None and sent > self.expires > 0:
            self.expires = int(sent)  # what a 423 has asked for
        seconds = leading_number(response._text("expires"))
        # Without Expires, which it has to have, it is what was asked for (§4.1.2.1).
        self._set_expiry(self.expires if seconds is None else seconds)

    def _set_expiry(self, seconds: float) -> None:
        """Have it last so many seconds from now, no longer than was asked for."""
        limit = self.expires if self._asked is not None else seconds
        until = self.core.timers.now + min(seconds, limit)
        # The seconds of a NOTIFY are rounded: what is the same is not set anew.
        if abs(until - self._expires_at) > 1.0 or self._refreshing:
            self._expires_at = until
            if self.state in _LIVE:
                for input in ("timer_expires", "timer_refresh", "timer_refreshed"):
                    self.rearm(input)

    def _keep_or_lose(self, error: CallFailed) -> None:
        """Take the failure of a refresh (§4.1.2.2): unless it ends the subscription, that is there
        until it expires, and there may be another refresh before.
        """
        if not self._refreshing:
            return  # it is of the SUBSCRIBE whose NOTIFY has come
        if error.status in ENDING or isinstance(error, CallTimedOut):
            self.hear("lost", error)
        else:
            self._refreshing = False
            self.rearm("timer_refreshed")
            self.rearm("timer_refresh")

    # ---------------------------------------------------------------- NOTIFY

    def make_fork(self) -> Subscription[StateT] | None:
        """Return the subscription that a NOTIFY of another notifier begins; None for none."""
        if not self.keep_forks or len(self.forks) >= self.MAX_FORKS:
            return None
        fork = type(self)(self.agent, self.package, self.event_id)
        fork.role = "subscriber"
        fork.expires, fork.accepts = self.expires, self.accepts
        fork._asked, fork._expires_at = self._asked, self._expires_at
        fork._renewal = None
        fork.hear("forked")
        self.forks += (fork,)
        self._emit(SubscriptionForked, fork)
        return fork

    def _take_notify(self, transaction: ServerTransaction) -> None:
        """Take a NOTIFY of this subscription (§4.1.3).

        Raises:
            ParseError: It cannot be read, which is answered 400.
        """
        notice = read_notice(self.agent, transaction, self.package, self.accepts)
        if notice is None:
            return
        if notice.word == "terminated":
            self._ended_by(notice)
        elif self.expires == 0 and self._asked is not None and self.state != "Unsubscribing":
            self.reason = "timeout"  # a poll has what it is for (§4.4.3)
            self.hear("ended", notice)
        else:
            # An extension is no "active": something is yet to come.
            self.hear("active" if notice.word == "active" else "pending", notice)

    def _confirm(self, notice: Notice) -> None:
        self._emit(Subscribed)

    def _take_state(self, notice: Notice) -> None:
        """Take the state that a NOTIFY brings, and how long the subscription lasts."""
        if notice.word != "terminated" and self.state != "Unsubscribing":
            if self._renewal is not None:
                self._renewal.loss = None
            if notice.expires is not None:
                # §4.1.3: it is authoritative.
                self._set_expiry(notice.expires)
            if self._refreshing:
                self._refreshing = False
                if self.state in _LIVE:
                    self.rearm("timer_refreshed")
        if not notice.has_state:
            return
        merged, held = self.package.merge(self.value, notice.state), len(notice.request.body)
        if merged is not notice.state:  # it is a part, or came late
            held = self._held + (held if merged is not self.value else 0)
        if merged is None or held > self.MAX_HELD:
            if self.takes("refresh"):
                self.hear("refresh")  # a part is missing, or they are many: ask for the whole
            return
        self.value = merged
        if self.dialog_state is not None and self in self.dialog_state.usages:
            self._held = held
            self.core.weigh(self.dialog_state)
        self._emit(Notified, merged, notice.request)

    # ---------------------------------------------------------------- ends and new beginnings

    def _ended_by(self, notice: Notice) -> None:
        """Take a NOTIFY that ends the subscription, and do what its reason asks for."""
        self.reason, self.retry_after = notice.reason, notice.retry_after
        after = REASONS.get(self.reason, UNKNOWN_REASON)
        wait = after.seconds if not after.may_wait or self.retry_after is None else self.retry_after
        why = f"The notifier has ended it ({self.reason or 'no reason given'})."
        # What another request began has an end; so has a poll.
        if self._asked is None or (self.expires == 0 and after.again) or not after.is_loss:
            self.hear("ended", notice)
        elif after.again and self._may_renew(wait, why):
            self.hear("again", notice)
        else:
            self.hear("ended_in_error", notice)

    def _note_reason(self, notice: Notice) -> None:
        said = f": {self.reason}" if self.reason else ""
        self.last_error = CallFailed(f"The notifier has ended the subscription{said}.")

    def _lose(self, error: CallFailed | None = None) -> None:
        """Take the loss of a subscription that its notifier has not ended; it is renewed, if it
        may be.
        """
        if error is None:
            what = "did not notify after a SUBSCRIBE" if self._refreshing else "has let it expire"
            error = CallTimedOut(f"The notifier {what}.", 408, "Request Timeout")
        if self._may_renew(0.0, f"The subscription was lost: {error}"):
            self.hear("anew", error)
        else:
            self.hear("failed", error)

    def _may_renew(self, seconds: float, why: str) -> bool:
        """Whether there may be another one, so many seconds from now or later."""
        renewal = self._renewal if self.renews else None
        if renewal is None or not renewal.may_follow(self.core.timers.now, seconds):
            return False
        renewal.loss = renewal.error = CallFailed(why)
        return True

    def _fail_or_wait(self, error: CallFailed) -> None:
        """Take the failure of a first SUBSCRIBE: the end, unless it is to renew what was lost."""
        renewal = self._renewal
        if renewal is not None and renewal.may_retry(self.core.timers.now, error):
            self.hear("anew", error)
        else:
            self.hear("failed", error if renewal is None else renewal.explained(error))

    def on_enter_Waiting(self) -> None:
        """Leave the dialog that was: the next one has its own (§4.4.2)."""
        self._refreshing = False
        self.request = None
        self.close_forming()
        self.leave_dialog()
        self.dialog_state = None
        assert self._renewal is not None
        self._renewal.report(self)

    def subscribe_built(self) -> None:
        """Count timer N from each attempt: each is a SUBSCRIBE that is sent (§4.1.2.4)."""
        if self.state == "NotifyWait":
            self.rearm("timer_N")

    def _give_up_waiting(self) -> None:
        if self.is_asking:
            self.rearm("timer_N")
        else:
            words = f"No NOTIFY came within {self.patience:g} s."
            self.hear("refused", CallTimedOut(words, 408, "Request Timeout"))

    def close_forming(self) -> None:
        """Have no further dialog made."""
        forming, self._forming = self._forming, None
        if forming is not None:
            forming.close()

    def _over(self) -> None:
        request, self.request = self.request, None
        if request is not None:
            request.cancel()
        self.close_forming()
        super()._over()
