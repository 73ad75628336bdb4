"""What happens to subscriptions, ours and those to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.errors import CallFailed
from sipparty.sip.events import Event
from sipparty.sip.message import Request

if TYPE_CHECKING:
    from sipparty.sip.notification.notifier import Notifier
    from sipparty.sip.notification.subscriber import Subscription

__all__ = [
    "Notified",
    "Subscribed",
    "SubscriptionEnded",
    "SubscriptionForked",
    "SubscriptionLost",
    "SubscriptionReceived",
    "UnsolicitedNotification",
]


class _SubscriptionEvent(Event):
    subscription: Subscription[Any]
    SUBJECT = "subscription"


class Subscribed(_SubscriptionEvent):
    """A subscription of ours is active: authorized, and notified of what there is.

    Args:
        subscription: The subscription.
    """


class Notified(_SubscriptionEvent):
    """A notification came.

    Args:
        subscription: The subscription.
        state: The state, as its package has parsed it.
        request: The NOTIFY.
    """

    state: Any
    request: Request


class SubscriptionForked(_SubscriptionEvent):
    """Another notifier has accepted the SUBSCRIBE, which was forked (RFC 6665 §4.1.4).

    Args:
        subscription: The subscription that was asked for.
        fork: The further one, with a state and an end of its own.
    """

    fork: Subscription[Any]


class SubscriptionLost(_SubscriptionEvent):
    """A subscription of ours was lost, or ended by its notifier, and is begun anew.

    Args:
        subscription: The subscription.
        error: Why; or why it could not be begun anew yet.
        retry_after: Seconds after which that is tried; 0.0 for at once.
    """

    error: CallFailed
    retry_after: float


class SubscriptionEnded(_SubscriptionEvent):
    """A subscription is over, ours or one to us.

    Args:
        subscription: The `Subscription`, or the `Notifier`.
        reason: The reason of the last NOTIFY, such as "timeout" or "noresource" (RFC 6665 §4.1.3);
            "" where it had none, or there was none.
        retry_after: Seconds after which one may subscribe anew; None where nothing was said.
        error: Why it failed; None where it ended as subscriptions should.
    """

    subscription: Subscription[Any] | Notifier[Any]  # type: ignore[assignment]
    reason: str
    retry_after: float | None
    error: CallFailed | None


class SubscriptionReceived(Event):
    """Somebody subscribes to what we offer. With a handler for it, that is decided on by
    `event.notifier.accept()` or `reject(status)`; without, all are accepted.

    Args:
        notifier: The subscription.
        request: The SUBSCRIBE.
    """

    notifier: Notifier[Any]
    request: Request
    SUBJECT = "notifier"


class UnsolicitedNotification(Event):
    """A NOTIFY came that nobody has subscribed to; such are answered 481, but for the packages that
    `party.take_unsolicited` names.

    Args:
        state: The state, as its package has parsed it.
        request: The NOTIFY.
        authenticated: The user who proved by Digest to have sent it; None for nobody.
    """

    state: Any
    request: Request
    authenticated: str | None
