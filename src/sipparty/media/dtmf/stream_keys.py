"""The keys of one stream: telephone events in its packets, both ways.

A stream makes one with the first event that comes or goes; one without any costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from sipparty.media.dtmf.keys import Press
from sipparty.media.dtmf.receiving import EventReceiver
from sipparty.media.dtmf.sending import EventPacket, EventSender
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.settings import StreamSettings
from sipparty.sip.events import MediaEvent

__all__ = ["StreamKeys"]


class StreamKeys:
    """Telephone events of one stream.

    Args:
        settings: What was agreed on for the stream.

    Attributes:
        busy: Whether an event is sent, or waits to be.
        due: When `expire` has something to do, in seconds.
    """

    __slots__ = ("_failed", "_receiver", "_sender", "busy", "due")

    def __init__(self, settings: StreamSettings) -> None:
        self.busy = False
        self.due = inf
        self._sender: EventSender | None = None
        self._receiver = EventReceiver(settings.dtmf_receive)
        #: What is called where events can be sent no more, by what is called at the end.
        self._failed: dict[Callable[[], object], Callable[[], object]] = {}
        self.apply(settings)

    def apply(self, settings: StreamSettings) -> None:
        """Go on as was agreed on anew."""
        self._receiver.clock_rates = settings.dtmf_receive
        if settings.dtmf_send is None:
            self._sender = None
            self.busy = False
            failed, self._failed = self._failed, {}
            for one in failed.values():
                one()
            return
        payload_type, clock_rate = settings.dtmf_send
        if self._sender is None:
            self._sender = EventSender(payload_type, clock_rate)
        self._sender.payload_type, self._sender.clock_rate = payload_type, clock_rate

    def send(
        self, presses: Sequence[Press], done: Callable[[], object], failed: Callable[[], object]
    ) -> None:
        """Send keys after those that wait.

        Args:
            presses: The keys and pauses.
            done: Called when all were sent.
            failed: Called instead where telephone events are agreed on no more.
        """
        if self._sender is None:
            failed()
            return
        self._failed[done] = failed
        self._sender.queue(presses, done)
        self.busy = True

    def cancel(self, done: Callable[[], object]) -> None:
        """Send no more of the keys that were given with it; the one under way ends."""
        self._failed.pop(done, None)
        if self._sender is not None:
            self._sender.cancel(done)

    def next(self, timestamp: int, ticks: int, clock_rate: int) -> EventPacket | None:
        """What replaces the next frame of audio; None for the audio itself."""
        sender = self._sender
        if sender is None:
            return None
        packet = sender.next(timestamp, ticks, clock_rate)
        self.busy = sender.busy
        return packet

    def hear(self, packet: RTPPacket, now: float) -> list[MediaEvent]:
        """Take a packet of the stream's source, of a telephone event."""
        found = self._receiver.receive(
            packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.marker,
            packet.payload,
            now,
        )
        self.due = self._receiver.due
        return found

    def expire(self, now: float) -> list[MediaEvent]:
        """End the press of which nothing was heard for too long."""
        found = self._receiver.expire(now)
        self.due = self._receiver.due
        return found

    def reset(self) -> list[MediaEvent]:
        """End the press under way: another source is heard."""
        self.due = inf
        return self._receiver.reset()

    @property
    def malformed(self) -> int:
        """Packets that were no telephone events, and reports of what is no key."""
        return self._receiver.malformed + self._receiver.ignored
