"""Ringback: the tone that a caller hears in one call while another one rings.

It ends when the other call is answered, has media of its own, which may be its network's tone, or
is over.
"""

from __future__ import annotations

from typing import Any

from sipparty.media.conferencing.following import unsubscribe
from sipparty.media.events import MediaStarted
from sipparty.media.playing.playback import Playback
from sipparty.sip.events import CallEnded, CallEstablished, Event

__all__ = ["Ringback"]

_KINDS = (MediaStarted, CallEstablished, CallEnded)


class Ringback:
    """The tone in one call while another one rings; made by `call.ringback`.

    Args:
        playback: What is played.
        other: The call that rings.

    Attributes:
        playback: What is played.
    """

    #: As a handler of events it is called at once.
    immediate = True

    def __init__(self, playback: Playback, other: Any) -> None:
        self.playback = playback
        self._other = other
        for kind in _KINDS:
            other.on(kind, self)
        if other.state not in ("Initial", "InitiatingDialog"):
            self.stop()

    def __call__(self, event: Event) -> None:
        """Take an event of the other call."""
        self.stop()

    def stop(self) -> None:
        """Stop the tone."""
        unsubscribe(self._other, self, *_KINDS)
        self.playback.stop()
