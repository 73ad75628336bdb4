"""Whether there is another subscription after one has ended, and when (RFC 6665 §4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sipparty.errors import CallFailed, CallTimedOut
from sipparty.sip.notification.events import SubscriptionLost
from sipparty.sip.retries import retry_after

__all__ = ["REASONS", "UNKNOWN_REASON", "AfterReason", "Renewal", "may_pass"]

#: What may be over by itself: the server is asked again later.
_PASSING = frozenset({408, 480, 500, 502, 503, 504})


def may_pass(error: CallFailed) -> bool:
    """Whether another try may have a better outcome."""
    return error.status in _PASSING or isinstance(error, CallTimedOut)


class AfterReason(NamedTuple):
    """What a reason asks for.

    Args:
        again: Whether to subscribe anew.
        seconds: After how long, where nothing else is said.
        may_wait: Whether a retry-after says how long.
        failed: Whether the end is a failure where there is no other subscription.
    """

    again: bool
    seconds: float = 0.0
    may_wait: bool = False
    failed: bool = True

    @property
    def is_loss(self) -> bool:
        """Whether what one has subscribed to is not had any more."""
        return self.again or self.failed


#: The reasons of "terminated". "invariant": the state is known and will not change.
REASONS: Mapping[str, AfterReason] = {
    "deactivated": AfterReason(True),
    "probation": AfterReason(True, 60.0, may_wait=True),
    "rejected": AfterReason(False),
    "timeout": AfterReason(True),
    "giveup": AfterReason(True, 60.0, may_wait=True),
    "noresource": AfterReason(False),
    "invariant": AfterReason(False, failed=False),
}

#: What any other reason, and none at all, asks for.
UNKNOWN_REASON = AfterReason(True, may_wait=True)


class Renewal:
    """How often a subscription was begun anew, against a notifier that ends each at once.

    Attributes:
        delay: Seconds until the next one.
        loss: Why the one before was lost; None while there is one, and before the first.
        error: Why the last attempt in its place has failed; `loss` before.
    """

    #: Subscriptions in a row that do not last; then there is none any more.
    MAX_ATTEMPTS = 10
    #: Seconds after which one has lasted, and those before that have not count no more.
    LASTED = 60.0
    #: The longest wait, in seconds; where more is asked for, there is no other one.
    MAX_WAIT = 86_400.0
    #: Seconds until the next attempt after one that has failed, at the least.
    RETRY = 30.0

    __slots__ = ("_attempts", "_begun_at", "delay", "error", "loss")

    def __init__(self) -> None:
        self._attempts = 0
        self._begun_at = 0.0
        self.delay = 0.0
        self.loss: CallFailed | None = None
        self.error: CallFailed | None = None

    def begin(self, now: float) -> None:
        """Take note that one begins."""
        self._begun_at = now

    def may_follow(self, now: float, seconds: float) -> bool:
        """Whether there may be another one, and set its `delay`: more each time, where they do not
        last.

        Args:
            now: The time, in seconds.
            seconds: How long it has to wait at the least.
        """
        if now - self._begun_at >= self.LASTED:
            self._attempts = 0
        if self._attempts >= self.MAX_ATTEMPTS or seconds > self.MAX_WAIT:
            return False
        back_off = 2.0**self._attempts if self._attempts else 0.0
        self._attempts += 1
        self.delay = max(seconds, back_off)
        return True

    def may_retry(self, now: float, error: CallFailed) -> bool:
        """Whether there may be another attempt after one has failed that was to take the place of
        what was lost.
        """
        if self.loss is None or not may_pass(error):
            return False
        asked = None if error.response is None else retry_after(error.response)
        self._begun_at = now  # there was none that could last
        self.error = self.explained(error)
        return self.may_follow(now, max(self.RETRY, asked or 0.0))

    def explained(self, error: CallFailed) -> CallFailed:
        """Return the error of an attempt, with what it was to take the place of."""
        if self.loss is None:
            return error
        words = f"{self.loss} It could not be renewed: {error}"
        return type(error)(words, error.status, error.reason, error.response)

    def report(self, subscription: Any) -> None:
        """Report that there is no subscription for a while."""
        subscription._emit(SubscriptionLost, self.error, self.delay)
