"""The states of a subscription as something to loop over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.concurrency.streams import Feed, Stream
from sipparty.sip.events import Event
from sipparty.sip.notification.events import Notified

if TYPE_CHECKING:
    from sipparty.sip.notification.subscriber import Subscription

__all__ = ["states_of"]


def states_of(subscription: Subscription[Any]) -> Stream[Any]:
    """Return the state that there is, and each that is notified of until the end."""
    stream: Stream[Any] = Stream(subscription.portal)
    feed = _StateFeed(stream, lambda event: event.state, Notified, subscription.LAST_EVENT)
    stream.on_close = lambda _: subscription.off(Event, feed)
    subscription.on(Event, feed)
    if subscription.value is not None:
        feed.begin(subscription.value)
    if subscription.state in subscription.final:
        stream.end()
    return stream


class _StateFeed(Feed[Any]):
    """Puts each state into a stream once, the one that there was at first included."""

    _given: object = None

    def begin(self, state: object) -> None:
        self._given = state
        stream = self._stream()
        if stream is not None:
            stream.put(state)

    def __call__(self, event: Any) -> None:
        if isinstance(event, Notified) and event.state is self._given:
            return
        super().__call__(event)
