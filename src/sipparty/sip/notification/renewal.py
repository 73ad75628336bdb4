"""Whether there is another subscription after one has ended, and when (RFC 6665 §4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["REASONS", "UNKNOWN_REASON", "AfterReason", "Renewal"]


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
    """

    #: Subscriptions in a row that do not last; then there is none any more.
    MAX_ATTEMPTS = 10
    #: Seconds after which one has lasted, and those before that have not count no more.
    LASTED = 60.0
    #: The longest wait, in seconds; where more is asked for, there is no other one.
    MAX_WAIT = 86_400.0

    __slots__ = ("_attempts", "_begun_at", "delay")

    def __init__(self) -> None:
        self._attempts = 0
        self._begun_at = 0.0
        self.delay = 0.0

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
