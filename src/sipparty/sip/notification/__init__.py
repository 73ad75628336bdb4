"""Event notification (RFC 6665) and publication (RFC 3903)."""

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.sip.notification.events import (
        Notified,
        Subscribed,
        SubscriptionEnded,
        SubscriptionForked,
        SubscriptionLost,
        SubscriptionReceived,
        UnsolicitedNotification,
    )
    from sipparty.sip.notification.notifier import Notifier
    from sipparty.sip.notification.package import Body, EventPackage
    from sipparty.sip.notification.publication import (
        Publication,
        PublicationEnded,
        PublicationLost,
        Published,
    )
    from sipparty.sip.notification.resource import Resource
    from sipparty.sip.notification.subscriber import Subscription

__all__ = [
    "Body",
    "EventPackage",
    "Notified",
    "Notifier",
    "Publication",
    "PublicationEnded",
    "PublicationLost",
    "Published",
    "Resource",
    "Subscribed",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionForked",
    "SubscriptionLost",
    "SubscriptionReceived",
    "UnsolicitedNotification",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "package events notifier resource subscriber publication")
